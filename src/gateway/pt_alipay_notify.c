/*
 * Alipay's callbacks: is one genuine, is it for us, what does it tell.
 *
 * All parameters but sign are signed, and but sign_type when the signing is v1,
 * as decoded bytes in whatever character set, sorted by name and joined without
 * escaping.  Nothing that a callback says is believed before its signature is
 * verified; only sign_type is looked at, to be refused when it is not RSA2.
 */

#include "pt_alipay.h"
#include "pt_base64.h"
#include "pt_hook.h"


#define PT_ALIPAY_TYPE  "application/x-www-form-urlencoded"

/* "2026-01-01 00:00:00", and of a refund maybe ".123" */
#define PT_ALIPAY_TIME_LEN      19
#define PT_ALIPAY_TIME_LEN_MAX  23

#define PT_ALIPAY_ZONE  "+08:00"

#define PT_ALIPAY_ID_MAX  128


static int
pt_alipay_is_v2(const pt_alipay_t *conf)
{
    return pt_slice_eq(pt_alipay_text(conf, PT_ALIPAY_SIGNING),
                       pt_slice_lit("v2"));
}


static int
pt_alipay_is_signed(const pt_alipay_t *conf, pt_slice_t name)
{
    return !pt_slice_eq(name, pt_slice_lit("sign"))
           && (pt_alipay_is_v2(conf)
               || !pt_slice_eq(name, pt_slice_lit("sign_type")));
}


/* The signed text; returns how many empty values it has or would have. */
static size_t
pt_alipay_signed_text(const pt_alipay_t *conf, const pt_form_t *form,
    int with_empty, pt_out_t *text)
{
    size_t             i, empty;
    const pt_param_t  *param;

    empty = 0;
    text->pos = text->start;

    for (i = 0; i < form->n; i++) {
        param = &form->params[i];

        if (!pt_alipay_is_signed(conf, param->name)) {
            continue;
        }

        if (param->value.len == 0) {
            empty++;

            if (!with_empty) {
                continue;
            }
        }

        if (text->pos != text->start) {
            pt_out_char(text, '&');
        }

        pt_out_put(text, param->name);
        pt_out_char(text, '=');
        pt_out_put(text, param->value);
    }

    return empty;
}


static int
pt_alipay_verify_text(const pt_alipay_t *conf, pt_slice_t text,
    const pt_signature_t *signature)
{
    size_t  i;

    for (i = 0; i < conf->nkeys; i++) {
        if (pt_rsa_verify(conf->public_keys[i], text, signature->data,
                          signature->len))
        {
            return 1;
        }
    }

    return 0;
}


/*
 * Some of Alipay's systems sign empty values, others leave them out.  Either
 * text is signed with the same key; and an empty value counts as none.
 */
static pt_verify_e
pt_alipay_verify_form(const pt_alipay_t *conf, const pt_form_t *form,
    const pt_callback_t *callback)
{
    size_t          empty;
    pt_out_t        text;
    pt_slice_t      sign, algorithm;
    pt_signature_t  signature;

    if (pt_form_get(form, "sign", &sign) != 0
        || pt_form_get(form, "sign_type", &algorithm) != 0
        || sign.len == 0)
    {
        return PT_VERIFY_MISSING;
    }

    if (!pt_slice_eq(algorithm, pt_slice_lit("RSA2"))) {
        return PT_VERIFY_BAD_ALGORITHM;
    }

    if (pt_base64_decode(sign, signature.data, sizeof(signature.data),
                         &signature.len)
        != 0)
    {
        return PT_VERIFY_BAD_SIGNATURE;
    }

    pt_out_init(&text, callback->alloc, callback->alloc_ctx,
                callback->body.len);

    empty = pt_alipay_signed_text(conf, form, 1, &text);

    if (text.failed) {
        return PT_VERIFY_NO_MEMORY;
    }

    if (pt_alipay_verify_text(conf, pt_out_slice(&text), &signature)) {
        return PT_VERIFY_OK;
    }

    if (empty) {
        (void) pt_alipay_signed_text(conf, form, 0, &text);

        if (pt_alipay_verify_text(conf, pt_out_slice(&text), &signature)) {
            return PT_VERIFY_OK;
        }
    }

    return PT_VERIFY_BAD_SIGNATURE;
}


/*
 * Names of Alipay's notifications and messages: those that we read, and those
 * that an application behind us may.
 */
static int
pt_alipay_has_meaning(pt_slice_t name)
{
    size_t  i;

    static const pt_slice_t  names[] = {
        pt_slice_const("app_id"), pt_slice_const("auth_app_id"),
        pt_slice_const("biz_content"), pt_slice_const("body"),
        pt_slice_const("buyer_id"), pt_slice_const("buyer_logon_id"),
        pt_slice_const("buyer_open_id"), pt_slice_const("buyer_pay_amount"),
        pt_slice_const("charset"), pt_slice_const("fund_bill_list"),
        pt_slice_const("gmt_close"), pt_slice_const("gmt_create"),
        pt_slice_const("gmt_payment"), pt_slice_const("gmt_refund"),
        pt_slice_const("invoice_amount"), pt_slice_const("msg_id"),
        pt_slice_const("msg_method"), pt_slice_const("notify_id"),
        pt_slice_const("notify_time"), pt_slice_const("notify_type"),
        pt_slice_const("out_biz_no"), pt_slice_const("out_trade_no"),
        pt_slice_const("passback_params"), pt_slice_const("point_amount"),
        pt_slice_const("receipt_amount"), pt_slice_const("refund_fee"),
        pt_slice_const("seller_email"), pt_slice_const("seller_id"),
        pt_slice_const("send_back_fee"), pt_slice_const("sign"),
        pt_slice_const("sign_type"), pt_slice_const("subject"),
        pt_slice_const("total_amount"), pt_slice_const("trade_no"),
        pt_slice_const("trade_status"), pt_slice_const("utc_timestamp"),
        pt_slice_const("version"), pt_slice_const("voucher_detail_list"),
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (pt_slice_eq(name, names[i])) {
            return 1;
        }
    }

    return 0;
}


/* A parameter that must be there; an empty value counts as none. */
static int
pt_alipay_value(const pt_form_t *form, const char *name, pt_slice_t *value)
{
    if (pt_form_get(form, name, value) != 0) {
        *value = pt_slice_null;
    }

    return value->len ? 0 : -1;
}


/* "2026-01-01 00:00:00.123" in Beijing's time; without a fraction as well. */
static int
pt_alipay_time(pt_slice_t s, int64_t *ms)
{
    char  text[PT_ALIPAY_TIME_LEN_MAX + sizeof(PT_ALIPAY_ZONE) - 1];

    if (s.len < PT_ALIPAY_TIME_LEN || s.len > PT_ALIPAY_TIME_LEN_MAX
        || s.data[10] != ' ')
    {
        return -1;
    }

    memcpy(text, s.data, s.len);
    memcpy(text + s.len, PT_ALIPAY_ZONE, sizeof(PT_ALIPAY_ZONE) - 1);
    text[10] = 'T';

    return pt_time_parse(pt_slice(text, s.len + sizeof(PT_ALIPAY_ZONE) - 1),
                         ms);
}


static int
pt_alipay_amount(pt_slice_t s, int64_t *minor)
{
    if (pt_money_parse(s, PT_ALIPAY_DECIMALS, minor) != 0 || *minor == 0) {
        return -1;
    }

    return 0;
}


/*
 * A refund whose number is missing, or no plain name, gets one from its time:
 * "gmt_refund-2026…".
 */
static pt_verify_e
pt_alipay_refund_no(pt_slice_t time, const pt_callback_t *callback,
    pt_slice_t *refund_no)
{
    size_t    i;
    int64_t   ms;
    pt_out_t  out;

    if (time.len == 0) {
        return PT_VERIFY_MISSING;
    }

    if (pt_alipay_time(time, &ms) != 0) {
        return PT_VERIFY_BAD_VALUE;
    }

    pt_out_init(&out, callback->alloc, callback->alloc_ctx, PT_NAME_MAX);
    pt_out_str(&out, "gmt_refund-");

    for (i = 0; i < time.len; i++) {
        if (time.data[i] >= '0' && time.data[i] <= '9') {
            pt_out_char(&out, time.data[i]);
        }
    }

    *refund_no = pt_out_slice(&out);

    return out.failed ? PT_VERIFY_NO_MEMORY : PT_VERIFY_OK;
}


/*
 * A partial refund comes with the same TRADE_SUCCESS as the payment, and a
 * full one with the same TRADE_CLOSED as a payment that nobody made: so the
 * refund's own parameters decide, before the status.
 */
static pt_verify_e
pt_alipay_read_refund(const pt_form_t *form, const pt_callback_t *callback,
    pt_notice_t *notice)
{
    pt_slice_t  fee, time, number;

    (void) pt_alipay_value(form, "gmt_refund", &time);

    if (pt_alipay_value(form, "refund_fee", &fee) != 0) {
        return time.len ? PT_VERIFY_MISSING : PT_VERIFY_OK;
    }

    if (pt_money_parse(fee, PT_ALIPAY_DECIMALS, &notice->refunded) != 0) {
        return PT_VERIFY_BAD_VALUE;
    }

    if (notice->refunded == 0) {
        return time.len ? PT_VERIFY_BAD_VALUE : PT_VERIFY_OK;
    }

    if (pt_alipay_value(form, "out_biz_no", &number) == 0
        && pt_name_valid(number))
    {
        notice->refund_no = number;
        return PT_VERIFY_OK;
    }

    return pt_alipay_refund_no(time, callback, &notice->refund_no);
}


static pt_verify_e
pt_alipay_read_kind(const pt_form_t *form, pt_notice_t *notice)
{
    size_t      i;
    pt_slice_t  status;

    static const struct {
        pt_slice_t   status;
        pt_notice_e  kind, refunded;
    } kinds[] = {
        { pt_slice_const("TRADE_SUCCESS"),
          PT_NOTICE_PAID, PT_NOTICE_REFUNDED },
        { pt_slice_const("TRADE_FINISHED"),
          PT_NOTICE_PAID, PT_NOTICE_REFUNDED },
        { pt_slice_const("TRADE_CLOSED"),
          PT_NOTICE_CLOSED, PT_NOTICE_REFUNDED },
        { pt_slice_const("WAIT_BUYER_PAY"),
          PT_NOTICE_IGNORED, PT_NOTICE_IGNORED },
    };

    if (pt_alipay_value(form, "trade_status", &status) != 0) {
        return PT_VERIFY_MISSING;
    }

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!pt_slice_eq(status, kinds[i].status)) {
            continue;
        }

        notice->kind = notice->refunded ? kinds[i].refunded : kinds[i].kind;

        /* what is not paid cannot be given back */

        return notice->refunded && notice->kind == PT_NOTICE_IGNORED
               ? PT_VERIFY_BAD_VALUE : PT_VERIFY_OK;
    }

    return PT_VERIFY_BAD_VALUE;
}


/*
 * An id goes into logs and headers, and is nothing that anybody types: all but
 * plain characters would be strange.
 */
static pt_verify_e
pt_alipay_read_id(const pt_form_t *form, pt_notice_t *notice)
{
    size_t      i;
    pt_slice_t  id;

    if (pt_alipay_value(form, "notify_id", &id) != 0) {
        return PT_VERIFY_OK;
    }

    if (id.len > PT_ALIPAY_ID_MAX) {
        return PT_VERIFY_BAD_VALUE;
    }

    for (i = 0; i < id.len; i++) {
        if (id.data[i] <= ' ' || id.data[i] > '~') {
            return PT_VERIFY_BAD_VALUE;
        }
    }

    notice->event_id = id;

    return PT_VERIFY_OK;
}


static pt_verify_e
pt_alipay_read(const pt_form_t *form, const pt_callback_t *callback,
    pt_notice_t *notice)
{
    pt_slice_t   amount, time;
    pt_verify_e  rc;

    if (pt_alipay_value(form, "out_trade_no", &notice->out_trade_no) != 0
        || pt_alipay_value(form, "trade_no", &notice->trade_no) != 0
        || pt_alipay_value(form, "total_amount", &amount) != 0)
    {
        return PT_VERIFY_MISSING;
    }

    if (!pt_name_valid(notice->out_trade_no)
        || !pt_name_valid(notice->trade_no)
        || pt_alipay_amount(amount, &notice->amount) != 0)
    {
        return PT_VERIFY_BAD_VALUE;
    }

    notice->currency = pt_slice_lit("CNY");

    if (pt_alipay_value(form, "gmt_payment", &time) == 0
        && pt_alipay_time(time, &notice->paid_at) != 0)
    {
        return PT_VERIFY_BAD_VALUE;
    }

    rc = pt_alipay_read_refund(form, callback, notice);

    return rc == PT_VERIFY_OK ? pt_alipay_read_kind(form, notice) : rc;
}


/*
 * With v2, Alipay also sends messages that tell of no payment at all, such as
 * those of the application gateway; they name no seller either.
 */
static int
pt_alipay_is_message(const pt_alipay_t *conf, const pt_form_t *form)
{
    size_t      i;
    pt_slice_t  value;

    static const char *const  names[] = {
        "seller_id", "out_trade_no", "trade_no", "trade_status",
        "total_amount", "refund_fee", "gmt_refund"
    };

    if (!pt_alipay_is_v2(conf)) {
        return 0;
    }

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (pt_form_get(form, names[i], &value) == 0) {
            return 0;
        }
    }

    return 1;
}


static pt_verify_e
pt_alipay_is_app(const pt_alipay_t *conf, const pt_form_t *form)
{
    pt_slice_t  app;

    if (pt_alipay_value(form, "app_id", &app) != 0) {
        return PT_VERIFY_MISSING;
    }

    return pt_slice_eq(app, pt_alipay_text(conf, PT_ALIPAY_APP_ID))
           ? PT_VERIFY_OK : PT_VERIFY_WRONG_APP;
}


static pt_verify_e
pt_alipay_is_seller(const pt_alipay_t *conf, const pt_form_t *form)
{
    pt_slice_t  seller;

    if (pt_alipay_value(form, "seller_id", &seller) != 0) {
        return PT_VERIFY_MISSING;
    }

    return pt_slice_eq(seller, pt_alipay_text(conf, PT_ALIPAY_SELLER_ID))
           ? PT_VERIFY_OK : PT_VERIFY_WRONG_SELLER;
}


/* It is signed; is it for this shop, and what does it tell? */
static pt_verify_e
pt_alipay_tell(const pt_alipay_t *conf, const pt_form_t *form,
    const pt_callback_t *callback, pt_notice_t *notice)
{
    pt_verify_e  rc;

    rc = pt_alipay_is_app(conf, form);
    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    if (pt_alipay_is_message(conf, form)) {
        notice->kind = PT_NOTICE_IGNORED;
        notice->amount = -1;

        return pt_alipay_read_id(form, notice);
    }

    rc = pt_alipay_is_seller(conf, form);
    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    rc = pt_alipay_read_id(form, notice);
    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    return pt_alipay_read(form, callback, notice);
}


pt_verify_e
pt_alipay_verify(const void *data, const pt_callback_t *callback,
    pt_notice_t *notice)
{
    const pt_alipay_t *conf = data;

    pt_form_e    parsed;
    pt_form_t    form;
    pt_verify_e  rc;

    memset(notice, 0, sizeof(pt_notice_t));

    if (!pt_hook_type(callback, PT_ALIPAY_TYPE)) {
        return PT_VERIFY_BAD_TYPE;
    }

    parsed = pt_form_parse(&form, callback->body, callback->alloc,
                           callback->alloc_ctx);

    if (parsed != PT_FORM_OK) {
        return parsed == PT_FORM_BAD ? PT_VERIFY_BAD_FORM
                                     : PT_VERIFY_NO_MEMORY;
    }

    rc = pt_alipay_verify_form(conf, &form, callback);
    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    if (pt_param_is_ambiguous(form.params, form.n, pt_alipay_has_meaning)) {
        return PT_VERIFY_AMBIGUOUS;
    }

    rc = pt_alipay_tell(conf, &form, callback, notice);

    if (rc != PT_VERIFY_OK) {
        memset(notice, 0, sizeof(pt_notice_t));
    }

    return rc;
}
