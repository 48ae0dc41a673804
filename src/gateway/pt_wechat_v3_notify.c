/*
 * WeChat Pay v3's callbacks: is one genuine, is it for us, what does it tell.
 *
 * The signature is over the time, a nonce and the body as it came.  What it
 * tells is sealed with a key that only the merchant and WeChat have: a platform
 * certificate serves many merchants, so a signature alone does not show whom a
 * callback is for, and even those that are ignored are opened.
 */

#include "pt_aes.h"
#include "pt_base64.h"
#include "pt_hook.h"
#include "pt_wechat_v3.h"


#define PT_WECHAT_V3_ALGORITHM  "WECHATPAY2-SHA256-RSA2048"
#define PT_WECHAT_V3_CIPHER     "AEAD_AES_256_GCM"


/* What is in the clear, as strings in the tree. */
typedef struct {
    pt_slice_t   id;
    pt_slice_t   type;
    pt_slice_t   original_type;
    pt_slice_t   algorithm;
    pt_slice_t   ciphertext;
    pt_slice_t   nonce;
    pt_slice_t   aad;
} pt_wechat_v3_event_t;


typedef struct {
    pt_slice_t   type;
    pt_slice_t   original_type;        /* empty: any */
    pt_notice_e  kind;
} pt_wechat_v3_type_t;


static pt_verify_e
pt_wechat_v3_signed_text(const pt_callback_t *callback, pt_slice_t time,
    pt_slice_t nonce, pt_slice_t *text)
{
    pt_out_t  out;

    /* a line end in them would let one text stand for several callbacks */

    if (memchr(time.data, '\n', time.len)
        || memchr(nonce.data, '\n', nonce.len))
    {
        return PT_VERIFY_BAD_FORM;
    }

    pt_out_init(&out, callback->alloc, callback->alloc_ctx,
                time.len + nonce.len + callback->body.len + 3);

    pt_out_put(&out, time);
    pt_out_char(&out, '\n');
    pt_out_put(&out, nonce);
    pt_out_char(&out, '\n');
    pt_out_put(&out, callback->body);
    pt_out_char(&out, '\n');

    *text = pt_out_slice(&out);

    return out.failed ? PT_VERIFY_NO_MEMORY : PT_VERIFY_OK;
}


/* Only what is signed and fresh gets further. */
static pt_verify_e
pt_wechat_v3_is_signed(const pt_wechat_v3_t *conf,
    const pt_callback_t *callback)
{
    int64_t                    seconds;
    pt_slice_t                 time, nonce, sign, id, type, text;
    pt_verify_e                rc;
    pt_signature_t             signature;
    const pt_wechat_v3_key_t  *key;

    time = pt_hook_header(callback, "Wechatpay-Timestamp");
    nonce = pt_hook_header(callback, "Wechatpay-Nonce");
    sign = pt_hook_header(callback, "Wechatpay-Signature");
    id = pt_hook_header(callback, "Wechatpay-Serial");
    type = pt_hook_header(callback, "Wechatpay-Signature-Type");

    if (!time.len || !nonce.len || !sign.len || !id.len) {
        return PT_VERIFY_MISSING;
    }

    /* older callbacks come without it */

    if (type.len && !pt_slice_eq(type, pt_slice_lit(PT_WECHAT_V3_ALGORITHM))) {
        return PT_VERIFY_BAD_ALGORITHM;
    }

    key = pt_wechat_v3_key(conf, id);
    if (key == NULL) {
        return PT_VERIFY_UNKNOWN_KEY;
    }

    if (pt_base64_decode(sign, signature.data, sizeof(signature.data),
                         &signature.len)
        != 0)
    {
        return PT_VERIFY_BAD_SIGNATURE;
    }

    rc = pt_wechat_v3_signed_text(callback, time, nonce, &text);
    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    if (!pt_rsa_verify(key->key, text, signature.data, signature.len)) {
        return PT_VERIFY_BAD_SIGNATURE;
    }

    if (pt_hook_seconds(time, &seconds) != 0) {
        return PT_VERIFY_BAD_VALUE;
    }

    return pt_hook_fresh(callback, seconds, conf->tolerance)
           ? PT_VERIFY_OK : PT_VERIFY_STALE;
}


/* A string that must be there and is not empty. */
static pt_verify_e
pt_wechat_v3_string(const cJSON *json, const char *path, pt_slice_t *value)
{
    switch (pt_hook_string(json, path, value)) {

    case PT_JSON_OK:
        return value->len ? PT_VERIFY_OK : PT_VERIFY_MISSING;

    case PT_JSON_ABSENT:
        return PT_VERIFY_MISSING;

    default:
        return PT_VERIFY_BAD_VALUE;
    }
}


static pt_verify_e
pt_wechat_v3_read_event(const cJSON *json, pt_wechat_v3_event_t *event)
{
    size_t       i;
    pt_slice_t  *values[] = {
        &event->id, &event->type, &event->original_type, &event->algorithm,
        &event->ciphertext, &event->nonce
    };
    pt_verify_e  rc;

    static const char *const  paths[] = {
        "id", "event_type", "resource.original_type", "resource.algorithm",
        "resource.ciphertext", "resource.nonce"
    };

    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        rc = pt_wechat_v3_string(json, paths[i], values[i]);

        if (rc != PT_VERIFY_OK) {
            return rc;
        }
    }

    event->aad = pt_slice_null;

    if (pt_hook_string(json, "resource.associated_data", &event->aad)
        == PT_JSON_WRONG)
    {
        return PT_VERIFY_BAD_VALUE;
    }

    if (!pt_slice_eq(event->algorithm, pt_slice_lit(PT_WECHAT_V3_CIPHER))) {
        return PT_VERIFY_BAD_ALGORITHM;
    }

    return pt_name_valid(event->id) ? PT_VERIFY_OK : PT_VERIFY_BAD_VALUE;
}


/* With whichever key opens it. */
static pt_verify_e
pt_wechat_v3_open(const pt_wechat_v3_t *conf, const pt_callback_t *callback,
    const pt_wechat_v3_event_t *event, pt_slice_t *text)
{
    size_t          i, size, len;
    pt_aes_e        rc;
    unsigned char  *sealed, *plain;

    size = event->ciphertext.len / 4 * 3;

    sealed = callback->alloc(callback->alloc_ctx, size + 1);
    plain = callback->alloc(callback->alloc_ctx, size + 1);

    if (sealed == NULL || plain == NULL) {
        return PT_VERIFY_NO_MEMORY;
    }

    if (pt_base64_decode(event->ciphertext, sealed, size, &size) != 0) {
        return PT_VERIFY_BAD_CIPHERTEXT;
    }

    for (i = 0; i < conf->secrets.n; i++) {
        rc = pt_aes_gcm_open(conf->secrets.list[i].data, event->nonce,
                             event->aad, pt_slice(sealed, size), plain, &len);

        if (rc == PT_AES_OK) {
            *text = pt_slice(plain, len);
            return PT_VERIFY_OK;
        }

        if (rc == PT_AES_FAILED) {
            return PT_VERIFY_NO_MEMORY;
        }
    }

    return PT_VERIFY_BAD_CIPHERTEXT;
}


/* A number that is told: the slice then lives as long as the notice. */
static pt_verify_e
pt_wechat_v3_name(const cJSON *json, const char *path,
    const pt_callback_t *callback, pt_slice_t *name)
{
    pt_verify_e  rc;

    rc = pt_wechat_v3_string(json, path, name);

    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    if (!pt_name_valid(*name)) {
        return PT_VERIFY_BAD_VALUE;
    }

    return pt_hook_keep(callback, name) == 0 ? PT_VERIFY_OK
                                             : PT_VERIFY_NO_MEMORY;
}


static pt_verify_e
pt_wechat_v3_amount(const cJSON *json, const char *path, int64_t max,
    int64_t *amount)
{
    switch (pt_hook_int(json, path, 1, max, amount)) {

    case PT_JSON_OK:
        return PT_VERIFY_OK;

    case PT_JSON_ABSENT:
        return PT_VERIFY_MISSING;

    default:
        return PT_VERIFY_BAD_VALUE;
    }
}


/*
 * What payments and refunds have in common.  A refund does not name its
 * currency; merchants in mainland China have only one.
 */
static pt_verify_e
pt_wechat_v3_read_common(const cJSON *json, const pt_callback_t *callback,
    pt_notice_t *notice)
{
    pt_json_e    have;
    pt_slice_t   currency, time;
    pt_verify_e  rc;

    rc = pt_wechat_v3_name(json, "out_trade_no", callback,
                           &notice->out_trade_no);

    if (rc == PT_VERIFY_OK) {
        rc = pt_wechat_v3_name(json, "transaction_id", callback,
                               &notice->trade_no);
    }

    if (rc == PT_VERIFY_OK) {
        rc = pt_wechat_v3_amount(json, "amount.total", PT_AMOUNT_MAX,
                                 &notice->amount);
    }

    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    have = pt_hook_string(json, "success_time", &time);

    if (have == PT_JSON_WRONG
        || (have == PT_JSON_OK && pt_time_parse(time, &notice->paid_at) != 0))
    {
        return PT_VERIFY_BAD_VALUE;
    }

    have = pt_hook_string(json, "amount.currency", &currency);

    if (have == PT_JSON_OK) {
        return pt_hook_currency(callback, currency, &notice->currency);
    }

    notice->currency = pt_slice_lit("CNY");

    return have == PT_JSON_ABSENT ? PT_VERIFY_OK : PT_VERIFY_BAD_VALUE;
}


static pt_verify_e
pt_wechat_v3_read_refund(const cJSON *json, const pt_callback_t *callback,
    pt_notice_t *notice)
{
    pt_verify_e  rc;

    rc = pt_wechat_v3_name(json, "out_refund_no", callback,
                           &notice->refund_no);

    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    notice->one_refund = 1;

    return pt_wechat_v3_amount(json, "amount.refund", notice->amount,
                               &notice->refunded);
}


/* Nothing is to be done; it is told what it is about where that is known. */
static pt_verify_e
pt_wechat_v3_read_ignored(const cJSON *json, const pt_callback_t *callback,
    pt_notice_t *notice)
{
    size_t       i;
    pt_slice_t   name, *names[] = { &notice->out_trade_no, &notice->trade_no };

    static const char *const  paths[] = { "out_trade_no", "transaction_id" };

    notice->amount = -1;

    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (pt_hook_string(json, paths[i], &name) != PT_JSON_OK
            || !pt_name_valid(name))
        {
            continue;
        }

        if (pt_hook_keep(callback, &name) != 0) {
            return PT_VERIFY_NO_MEMORY;
        }

        *names[i] = name;
    }

    return PT_VERIFY_OK;
}


static pt_verify_e
pt_wechat_v3_read(const cJSON *json, const pt_callback_t *callback,
    pt_notice_t *notice)
{
    pt_slice_t   status;
    pt_verify_e  rc;

    if (notice->kind == PT_NOTICE_IGNORED) {
        return pt_wechat_v3_read_ignored(json, callback, notice);
    }

    rc = pt_wechat_v3_string(json, notice->kind == PT_NOTICE_PAID
                                   ? "trade_state" : "refund_status", &status);

    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    if (!pt_slice_eq(status, pt_slice_lit("SUCCESS"))) {
        return PT_VERIFY_BAD_VALUE;
    }

    rc = pt_wechat_v3_read_common(json, callback, notice);

    if (rc == PT_VERIFY_OK && notice->kind == PT_NOTICE_REFUNDED) {
        rc = pt_wechat_v3_read_refund(json, callback, notice);
    }

    return rc;
}


/*
 * It is signed, and sealed with our key; is it for this shop?  Refunds name no
 * app, and what is ignored may name neither.
 */
static pt_verify_e
pt_wechat_v3_is_ours(const pt_wechat_v3_t *conf, const cJSON *json,
    pt_notice_e kind)
{
    size_t       i;
    pt_json_e    have;
    pt_slice_t   value;
    const char  *ours;

    static const struct {
        const char              *path;
        pt_wechat_v3_setting_e   setting;
        pt_notice_e              last;         /* kind that must name it */
        pt_verify_e              wrong;
    } names[] = {
        { "mchid", PT_WECHAT_V3_MCH_ID, PT_NOTICE_REFUNDED,
          PT_VERIFY_WRONG_MERCHANT },
        { "appid", PT_WECHAT_V3_APP_ID, PT_NOTICE_PAID,
          PT_VERIFY_WRONG_APP },
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        have = pt_hook_string(json, names[i].path, &value);

        if (have == PT_JSON_WRONG) {
            return PT_VERIFY_BAD_VALUE;
        }

        if (have == PT_JSON_ABSENT) {
            if (kind <= names[i].last) {
                return PT_VERIFY_MISSING;
            }

            continue;
        }

        ours = conf->texts[names[i].setting];

        if (!pt_slice_eq(value, pt_slice(ours, strlen(ours)))) {
            return names[i].wrong;
        }
    }

    return PT_VERIFY_OK;
}


static const pt_wechat_v3_type_t *
pt_wechat_v3_type(pt_slice_t name)
{
    size_t  i, n;

    static const pt_wechat_v3_type_t  types[] = {
        { pt_slice_const("TRANSACTION.SUCCESS"),
          pt_slice_const("transaction"), PT_NOTICE_PAID },
        { pt_slice_const("REFUND.SUCCESS"),
          pt_slice_const("refund"), PT_NOTICE_REFUNDED },
        { pt_slice_const("REFUND.ABNORMAL"),
          pt_slice_const("refund"), PT_NOTICE_IGNORED },
        { pt_slice_const("REFUND.CLOSED"),
          pt_slice_const("refund"), PT_NOTICE_IGNORED },
        { pt_slice_const(""),
          pt_slice_const(""), PT_NOTICE_IGNORED },
    };

    n = sizeof(types) / sizeof(types[0]) - 1;

    for (i = 0; i < n && !pt_slice_eq(types[i].type, name); i++) {
        /* void */
    }

    return &types[i];
}


static pt_verify_e
pt_wechat_v3_read_body(const pt_wechat_v3_t *conf,
    const pt_callback_t *callback, const cJSON *body, pt_notice_t *notice)
{
    cJSON                      *json;
    const char                 *why;
    pt_slice_t                  text;
    pt_verify_e                 rc;
    pt_wechat_v3_event_t        event;
    const pt_wechat_v3_type_t  *type;

    rc = pt_wechat_v3_read_event(body, &event);
    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    rc = pt_wechat_v3_open(conf, callback, &event, &text);
    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    type = pt_wechat_v3_type(event.type);

    if (type->original_type.len
        && !pt_slice_eq(type->original_type, event.original_type))
    {
        return PT_VERIFY_BAD_VALUE;
    }

    notice->kind = type->kind;
    notice->event_id = event.id;

    if (pt_hook_keep(callback, &notice->event_id) != 0) {
        return PT_VERIFY_NO_MEMORY;
    }

    json = pt_json_parse(text, &why);
    if (json == NULL) {
        return PT_VERIFY_BAD_FORM;
    }

    rc = pt_wechat_v3_is_ours(conf, json, notice->kind);

    if (rc == PT_VERIFY_OK) {
        rc = pt_wechat_v3_read(json, callback, notice);
    }

    cJSON_Delete(json);

    return rc;
}


pt_verify_e
pt_wechat_v3_verify(const void *data, const pt_callback_t *callback,
    pt_notice_t *notice)
{
    const pt_wechat_v3_t *conf = data;

    cJSON       *body;
    const char  *why;
    pt_verify_e  rc;

    memset(notice, 0, sizeof(pt_notice_t));

    if (!pt_hook_type(callback, "application/json")) {
        return PT_VERIFY_BAD_TYPE;
    }

    /* WeChat's have a kilobyte; no need to sum up what is no JSON for us */

    if (callback->body.len > PT_JSON_SIZE_MAX) {
        return PT_VERIFY_BAD_FORM;
    }

    rc = pt_wechat_v3_is_signed(conf, callback);
    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    body = pt_json_parse(callback->body, &why);
    if (body == NULL) {
        return PT_VERIFY_BAD_FORM;
    }

    rc = pt_wechat_v3_read_body(conf, callback, body, notice);

    cJSON_Delete(body);

    if (rc != PT_VERIFY_OK) {
        memset(notice, 0, sizeof(pt_notice_t));
    }

    return rc;
}
