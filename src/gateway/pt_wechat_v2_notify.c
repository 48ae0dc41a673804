/*
 * Callbacks of WeChat Pay's API v2: is one for us, what does it tell.
 *
 * A payment is signed.  Of a refund nothing is signed; what it tells is
 * encrypted with a hash of the key, in a mode that proves nothing.  So a
 * refund is told as one that is still to be confirmed.
 */

#include "pt_base64.h"
#include "pt_hook.h"
#include "pt_wechat_v2.h"


/* "20260101000000", in Beijing's time */
#define PT_WECHAT_V2_TIME_LEN  14


/*
 * What WeChat answers when it is asked for an order or a refund is signed with
 * the same key, and may tell of an order that nobody paid.
 */
static int
pt_wechat_v2_is_answer(const pt_xml_t *xml)
{
    size_t      i, k;
    pt_slice_t  name;

    static const pt_slice_t  begins[] = {
        pt_slice_const("trade_state"), pt_slice_const("refund_"),
        pt_slice_const("out_refund_no"),
    };

    for (i = 0; i < xml->n; i++) {
        name = xml->children[i].name;

        for (k = 0; k < sizeof(begins) / sizeof(begins[0]); k++) {
            if (name.len >= begins[k].len
                && memcmp(name.data, begins[k].data, begins[k].len) == 0)
            {
                return 1;
            }
        }
    }

    return 0;
}


/* Is it a notice, and for this shop? */
static pt_verify_e
pt_wechat_v2_is_ours(const pt_wechat_v2_t *conf, const pt_xml_t *xml)
{
    pt_slice_t  app, merchant, sub;

    if (pt_xml_get(xml, "appid", &app) != 0
        || pt_xml_get(xml, "mch_id", &merchant) != 0)
    {
        return PT_VERIFY_MISSING;
    }

    if (!pt_slice_eq(app, pt_wechat_v2_text(conf, PT_WECHAT_V2_APP_ID))) {
        return PT_VERIFY_WRONG_APP;
    }

    /* who collects for others has one key for all of them */

    (void) pt_xml_get(xml, "sub_mch_id", &sub);

    if (!pt_slice_eq(merchant, pt_wechat_v2_text(conf, PT_WECHAT_V2_MCH_ID))
        || !pt_slice_eq(sub, pt_wechat_v2_text(conf, PT_WECHAT_V2_SUB_MCH_ID)))
    {
        return PT_VERIFY_WRONG_MERCHANT;
    }

    return pt_wechat_v2_is_answer(xml) ? PT_VERIFY_BAD_VALUE : PT_VERIFY_OK;
}


/* A word that is SUCCESS or FAIL: 1 or 0; -1 with the reason. */
static int
pt_wechat_v2_success(const pt_xml_t *xml, const char *name,
    pt_verify_e *reason)
{
    pt_slice_t  word;

    if (pt_xml_get(xml, name, &word) != 0) {
        *reason = PT_VERIFY_MISSING;
        return -1;
    }

    if (pt_slice_eq(word, pt_slice_lit("SUCCESS"))) {
        return 1;
    }

    if (pt_slice_eq(word, pt_slice_lit("FAIL"))) {
        return 0;
    }

    *reason = PT_VERIFY_BAD_VALUE;

    return -1;
}


/* A whole number of hundredths, in its one spelling, and not zero. */
static int
pt_wechat_v2_amount(pt_slice_t s, int64_t *amount)
{
    if (s.len == 0 || s.data[0] == '0') {
        return -1;
    }

    return pt_slice_uint(s, PT_AMOUNT_MAX, amount);
}


/* "20261121160000" becomes "2026-11-21T16:00:00+08:00". */
static int
pt_wechat_v2_time(pt_slice_t s, int64_t *ms)
{
    char    text[32], *p;
    size_t  i;

    static const char  form[] = "0000-00-00T00:00:00+08:00";

    if (s.len != PT_WECHAT_V2_TIME_LEN) {
        return -1;
    }

    p = memcpy(text, form, sizeof(form));

    for (i = 0; i < s.len; i++) {
        while (*p != '0') {
            p++;
        }

        if (s.data[i] < '0' || s.data[i] > '9') {
            return -1;
        }

        *p++ = s.data[i];
    }

    return pt_time_parse(pt_slice(text, sizeof(form) - 1), ms);
}


/* Three capital letters; yuan where there are none. */
static int
pt_wechat_v2_currency(const pt_xml_t *xml, pt_slice_t *currency)
{
    size_t  i;

    if (pt_xml_get(xml, "fee_type", currency) != 0) {
        *currency = pt_slice_lit("CNY");
    }

    for (i = 0; i < currency->len; i++) {
        if (currency->data[i] < 'A' || currency->data[i] > 'Z') {
            return -1;
        }
    }

    return currency->len == 3 ? 0 : -1;
}


/* What payments and refunds have in common. */
static pt_verify_e
pt_wechat_v2_read(const pt_xml_t *xml, pt_notice_t *notice)
{
    pt_slice_t  total;

    if (pt_xml_get(xml, "out_trade_no", &notice->out_trade_no) != 0
        || pt_xml_get(xml, "transaction_id", &notice->trade_no) != 0
        || pt_xml_get(xml, "total_fee", &total) != 0)
    {
        return PT_VERIFY_MISSING;
    }

    if (!pt_name_valid(notice->out_trade_no)
        || !pt_name_valid(notice->trade_no)
        || pt_wechat_v2_amount(total, &notice->amount) != 0)
    {
        return PT_VERIFY_BAD_VALUE;
    }

    return PT_VERIFY_OK;
}


static pt_verify_e
pt_wechat_v2_read_payment(const pt_xml_t *xml, pt_notice_t *notice)
{
    int          paid;
    pt_slice_t   time;
    pt_verify_e  rc;

    paid = pt_wechat_v2_success(xml, "return_code", &rc);

    if (paid == 1) {
        paid = pt_wechat_v2_success(xml, "result_code", &rc);
    }

    if (paid != 1) {
        notice->kind = PT_NOTICE_IGNORED;
        return paid == 0 ? PT_VERIFY_OK : rc;
    }

    notice->kind = PT_NOTICE_PAID;

    rc = pt_wechat_v2_read(xml, notice);
    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    if (pt_wechat_v2_currency(xml, &notice->currency) != 0
        || (pt_xml_get(xml, "time_end", &time) == 0
            && pt_wechat_v2_time(time, &notice->paid_at) != 0))
    {
        return PT_VERIFY_BAD_VALUE;
    }

    notice->event_id = notice->trade_no;

    return PT_VERIFY_OK;
}


/*
 * A wrong key now and then gives what looks padded, but hardly ever XML.  So
 * both failures are one, and who cannot encrypt learns nothing from trying.
 */
static pt_verify_e
pt_wechat_v2_decrypt(const pt_wechat_v2_t *conf, pt_slice_t info,
    const pt_callback_t *callback, pt_xml_t *refund)
{
    size_t          i, len, size;
    pt_aes_e        opened;
    pt_xml_e        parsed;
    unsigned char  *data, *text;

    data = callback->alloc(callback->alloc_ctx, info.len);
    text = callback->alloc(callback->alloc_ctx, info.len);

    if (data == NULL || text == NULL) {
        return PT_VERIFY_NO_MEMORY;
    }

    if (pt_base64_decode(info, data, info.len, &size) != 0) {
        return PT_VERIFY_BAD_CIPHERTEXT;
    }

    for (i = 0; i < conf->keys.n; i++) {
        opened = pt_aes_ecb_open(conf->aes_keys[i], pt_slice(data, size),
                                 text, &len);

        if (opened == PT_AES_BAD) {
            continue;
        }

        if (opened == PT_AES_FAILED) {
            return PT_VERIFY_NO_MEMORY;
        }

        parsed = pt_xml_parse(refund, pt_slice(text, len), "root",
                              callback->alloc, callback->alloc_ctx);

        if (parsed != PT_XML_BAD) {
            return parsed == PT_XML_OK ? PT_VERIFY_OK : PT_VERIFY_NO_MEMORY;
        }
    }

    return PT_VERIFY_BAD_CIPHERTEXT;
}


static pt_verify_e
pt_wechat_v2_refund_kind(const pt_xml_t *refund, pt_notice_t *notice)
{
    size_t      i;
    pt_slice_t  status;

    static const struct {
        pt_slice_t   status;
        pt_notice_e  kind;
    } kinds[] = {
        { pt_slice_const("SUCCESS"), PT_NOTICE_UNCONFIRMED },
        { pt_slice_const("CHANGE"), PT_NOTICE_IGNORED },
        { pt_slice_const("REFUNDCLOSE"), PT_NOTICE_IGNORED },
    };

    if (pt_xml_get(refund, "refund_status", &status) != 0) {
        return PT_VERIFY_MISSING;
    }

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (pt_slice_eq(status, kinds[i].status)) {
            notice->kind = kinds[i].kind;
            return PT_VERIFY_OK;
        }
    }

    return PT_VERIFY_BAD_VALUE;
}


static pt_verify_e
pt_wechat_v2_read_refund(const pt_xml_t *refund, pt_notice_t *notice)
{
    pt_slice_t   fee;
    pt_verify_e  rc;

    rc = pt_wechat_v2_read(refund, notice);
    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    if (pt_xml_get(refund, "out_refund_no", &notice->refund_no) != 0
        || pt_xml_get(refund, "refund_id", &notice->event_id) != 0
        || pt_xml_get(refund, "refund_fee", &fee) != 0)
    {
        return PT_VERIFY_MISSING;
    }

    if (!pt_name_valid(notice->refund_no)
        || !pt_name_valid(notice->event_id)
        || pt_wechat_v2_amount(fee, &notice->refunded) != 0
        || notice->refunded > notice->amount)
    {
        return PT_VERIFY_BAD_VALUE;
    }

    notice->one_refund = 1;

    return pt_wechat_v2_refund_kind(refund, notice);
}


static pt_verify_e
pt_wechat_v2_refund(const pt_wechat_v2_t *conf, const pt_xml_t *xml,
    pt_slice_t info, const pt_callback_t *callback, pt_notice_t *notice)
{
    int          sent;
    pt_xml_t     refund;
    pt_verify_e  rc;

    rc = pt_wechat_v2_decrypt(conf, info, callback, &refund);

    if (rc == PT_VERIFY_OK) {
        rc = pt_wechat_v2_is_ours(conf, xml);
    }

    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    sent = pt_wechat_v2_success(xml, "return_code", &rc);

    if (sent != 1) {
        notice->kind = PT_NOTICE_IGNORED;
        return sent == 0 ? PT_VERIFY_OK : rc;
    }

    return pt_wechat_v2_read_refund(&refund, notice);
}


static pt_verify_e
pt_wechat_v2_payment(const pt_wechat_v2_t *conf, const pt_xml_t *xml,
    pt_notice_t *notice)
{
    pt_verify_e  rc;

    rc = pt_wechat_v2_is_ours(conf, xml);

    return rc == PT_VERIFY_OK ? pt_wechat_v2_read_payment(xml, notice) : rc;
}


/* What has req_info tells of a refund, and is never taken for a payment. */
static pt_verify_e
pt_wechat_v2_verify_xml(const pt_wechat_v2_t *conf, const pt_xml_t *xml,
    const pt_callback_t *callback, pt_notice_t *notice)
{
    pt_slice_t   sign, info;
    pt_verify_e  rc;

    (void) pt_xml_get(xml, "sign", &sign);
    (void) pt_xml_get(xml, "req_info", &info);

    if (sign.len == 0 && info.len == 0) {
        return PT_VERIFY_MISSING;
    }

    if (sign.len) {
        rc = pt_wechat_v2_verify_sign(conf, xml, sign, callback);
        if (rc != PT_VERIFY_OK) {
            return rc;
        }
    }

    if (pt_wechat_v2_is_ambiguous(xml)) {
        return PT_VERIFY_AMBIGUOUS;
    }

    return info.len ? pt_wechat_v2_refund(conf, xml, info, callback, notice)
                    : pt_wechat_v2_payment(conf, xml, notice);
}


pt_verify_e
pt_wechat_v2_verify(const void *data, const pt_callback_t *callback,
    pt_notice_t *notice)
{
    const pt_wechat_v2_t *conf = data;

    pt_xml_t     xml;
    pt_xml_e     parsed;
    pt_verify_e  rc;

    memset(notice, 0, sizeof(pt_notice_t));

    if (!pt_hook_type(callback, "text/xml")
        && !pt_hook_type(callback, "application/xml"))
    {
        return PT_VERIFY_BAD_TYPE;
    }

    parsed = pt_xml_parse(&xml, callback->body, "xml", callback->alloc,
                          callback->alloc_ctx);

    if (parsed != PT_XML_OK) {
        return parsed == PT_XML_BAD ? PT_VERIFY_BAD_FORM
                                    : PT_VERIFY_NO_MEMORY;
    }

    rc = pt_wechat_v2_verify_xml(conf, &xml, callback, notice);

    if (rc != PT_VERIFY_OK) {
        memset(notice, 0, sizeof(pt_notice_t));
    }

    return rc;
}
