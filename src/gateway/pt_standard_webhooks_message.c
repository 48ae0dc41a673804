/*
 * Messages of Standard Webhooks: what a genuine one tells, read from its body
 * by the fields and types that the settings name.
 */

#include "pt_standard_webhooks.h"


/* 2^53: up to here a JSON number is exact. */
#define PT_WEBHOOKS_EXACT  INT64_C(9007199254740992)


static pt_verify_e
pt_webhooks_result(pt_json_e rc)
{
    return rc == PT_JSON_OK ? PT_VERIFY_OK
           : rc == PT_JSON_ABSENT ? PT_VERIFY_MISSING
           : PT_VERIFY_BAD_VALUE;
}


/* A number of somebody else's: text, or a number that is exact. */
static pt_verify_e
pt_webhooks_name(const pt_callback_t *callback, const cJSON *json,
    const char *path, pt_slice_t *value)
{
    int64_t    n;
    pt_out_t   out;
    pt_json_e  rc;

    rc = pt_hook_string(json, path, value);

    if (rc == PT_JSON_OK) {
        if (!pt_name_valid(*value)) {
            return PT_VERIFY_BAD_VALUE;
        }

        return pt_hook_keep(callback, value) == 0 ? PT_VERIFY_OK
                                                  : PT_VERIFY_NO_MEMORY;
    }

    if (rc == PT_JSON_ABSENT
        || pt_hook_int(json, path, 0, PT_WEBHOOKS_EXACT - 1, &n)
           != PT_JSON_OK)
    {
        return pt_webhooks_result(rc);
    }

    pt_out_init(&out, callback->alloc, callback->alloc_ctx, PT_NAME_MAX);
    pt_out_int(&out, n);
    *value = pt_out_slice(&out);

    return out.failed ? PT_VERIFY_NO_MEMORY : PT_VERIFY_OK;
}


static pt_verify_e
pt_webhooks_amount(const pt_webhooks_t *conf, const cJSON *json,
    const char *path, int64_t *amount)
{
    unsigned    decimals;
    pt_json_e   rc;
    pt_slice_t  text;

    decimals = conf->amounts == PT_WEBHOOKS_DECIMAL ? conf->decimals : 0;
    rc = pt_hook_string(json, path, &text);

    if (rc == PT_JSON_OK) {
        return pt_money_parse(text, decimals, amount) == 0 && *amount > 0
               ? PT_VERIFY_OK : PT_VERIFY_BAD_VALUE;
    }

    if (rc == PT_JSON_WRONG && conf->amounts == PT_WEBHOOKS_MINOR) {
        rc = pt_hook_int(json, path, 1, PT_AMOUNT_MAX, amount);
    }

    return pt_webhooks_result(rc);
}


/*
 * Of a payment that is closed nothing is compared: no money came in.  A single
 * refund may leave it out.
 */
static pt_verify_e
pt_webhooks_whole_amount(const pt_webhooks_t *conf, const cJSON *json,
    pt_notice_t *notice)
{
    const char  *path;
    pt_verify_e  rc;

    path = conf->texts[PT_WEBHOOKS_AMOUNT_FIELD];
    notice->amount = -1;

    if (notice->kind == PT_NOTICE_CLOSED) {
        return PT_VERIFY_OK;
    }

    /* the amount of a refund is not that of its payment */

    if (notice->one_refund
        && strcmp(path, conf->texts[PT_WEBHOOKS_REFUNDED_FIELD]) == 0)
    {
        return PT_VERIFY_OK;
    }

    rc = pt_webhooks_amount(conf, json, path, &notice->amount);

    return rc == PT_VERIFY_MISSING && notice->one_refund ? PT_VERIFY_OK : rc;
}


static pt_verify_e
pt_webhooks_currency(const pt_webhooks_t *conf, const pt_callback_t *callback,
    const cJSON *json, pt_notice_t *notice)
{
    pt_json_e    found;
    pt_slice_t   currency;
    const char  *path;

    path = conf->texts[PT_WEBHOOKS_CURRENCY_FIELD];

    if (path == NULL) {
        return PT_VERIFY_OK;
    }

    found = pt_hook_string(json, path, &currency);

    if (found != PT_JSON_OK) {
        return found == PT_JSON_ABSENT && notice->kind == PT_NOTICE_CLOSED
               ? PT_VERIFY_OK : pt_webhooks_result(found);
    }

    return pt_hook_currency(callback, currency, &notice->currency);
}


static pt_verify_e
pt_webhooks_refund(const pt_webhooks_t *conf, const pt_callback_t *callback,
    const cJSON *json, pt_notice_t *notice)
{
    const char   *path;
    pt_verify_e   rc;

    rc = pt_webhooks_amount(conf, json,
                            conf->texts[PT_WEBHOOKS_REFUNDED_FIELD],
                            &notice->refunded);

    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    path = conf->texts[PT_WEBHOOKS_REFUND_NO_FIELD];

    if (path) {
        return pt_webhooks_name(callback, json, path, &notice->refund_no);
    }

    notice->refund_no = notice->event_id;

    return pt_name_valid(notice->refund_no) ? PT_VERIFY_OK
                                            : PT_VERIFY_BAD_VALUE;
}


static pt_verify_e
pt_webhooks_numbers(const pt_webhooks_t *conf, const pt_callback_t *callback,
    const cJSON *json, pt_notice_t *notice)
{
    const char   *path;
    pt_verify_e   rc;

    rc = pt_webhooks_result(
             pt_hook_string(json, conf->texts[PT_WEBHOOKS_PAY_NO_FIELD],
                            &notice->out_trade_no));

    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    if (!pt_name_valid(notice->out_trade_no)) {
        return PT_VERIFY_BAD_VALUE;
    }

    if (pt_hook_keep(callback, &notice->out_trade_no) != 0) {
        return PT_VERIFY_NO_MEMORY;
    }

    path = conf->texts[PT_WEBHOOKS_TRADE_NO_FIELD];

    if (path) {
        return pt_webhooks_name(callback, json, path, &notice->trade_no);
    }

    notice->trade_no = notice->event_id;

    return pt_name_valid(notice->trade_no) ? PT_VERIFY_OK
                                           : PT_VERIFY_BAD_VALUE;
}


static pt_verify_e
pt_webhooks_read_values(const pt_webhooks_t *conf,
    const pt_callback_t *callback, const cJSON *json, pt_notice_t *notice)
{
    pt_verify_e  rc;

    notice->one_refund = notice->kind == PT_NOTICE_REFUNDED
                         && conf->refunds == PT_WEBHOOKS_SINGLE;

    rc = pt_webhooks_numbers(conf, callback, json, notice);

    if (rc == PT_VERIFY_OK) {
        rc = pt_webhooks_whole_amount(conf, json, notice);
    }

    if (rc == PT_VERIFY_OK) {
        rc = pt_webhooks_currency(conf, callback, json, notice);
    }

    return rc == PT_VERIFY_OK && notice->kind == PT_NOTICE_REFUNDED
           ? pt_webhooks_refund(conf, callback, json, notice) : rc;
}


/* The word as a string, or true or false. */
static int
pt_webhooks_mode_fits(const pt_webhooks_t *conf, const cJSON *json)
{
    int          value;
    pt_slice_t   text;
    const char  *path, *mode;

    path = conf->texts[PT_WEBHOOKS_MODE_FIELD];
    mode = conf->texts[PT_WEBHOOKS_MODE];

    if (path == NULL) {
        return 1;
    }

    if (pt_hook_string(json, path, &text) == PT_JSON_OK) {
        return pt_slice_eq(text, pt_slice(mode, strlen(mode)));
    }

    return pt_hook_bool(json, path, &value) == PT_JSON_OK
           && strcmp(mode, value ? "true" : "false") == 0;
}


static pt_verify_e
pt_webhooks_read_json(const pt_webhooks_t *conf,
    const pt_callback_t *callback, const cJSON *json, pt_notice_t *notice)
{
    size_t       i;
    pt_slice_t   type;
    const char  *path, *word;

    if (!pt_webhooks_mode_fits(conf, json)) {
        return PT_VERIFY_WRONG_MODE;
    }

    path = conf->texts[PT_WEBHOOKS_TYPE_FIELD];

    if (pt_hook_string(json, path ? path : "type", &type) != PT_JSON_OK) {
        return PT_VERIFY_OK;
    }

    for (i = 0; i < conf->ntypes; i++) {
        word = conf->types[i].word;

        if (pt_slice_eq(type, pt_slice(word, strlen(word)))) {
            notice->kind = conf->types[i].kind;

            return pt_webhooks_read_values(conf, callback, json, notice);
        }
    }

    return PT_VERIFY_OK;
}


/* Ignored, unless it seems to be one that must not be. */
static pt_verify_e
pt_webhooks_unreadable(const pt_webhooks_t *conf, pt_slice_t body)
{
    size_t       i;
    const char  *why, *word;

    if (body.len <= PT_JSON_SIZE_MAX && pt_json_scan(body, &why) == 0) {
        i = strspn(body.data, " \t\r\n");

        return body.data[i] == '{' ? PT_VERIFY_BAD_FORM : PT_VERIFY_OK;
    }

    for (i = 0; i < conf->ntypes; i++) {
        word = conf->types[i].word;

        if (pt_hook_mentions(body, pt_slice(word, strlen(word)))) {
            return PT_VERIFY_BAD_FORM;
        }
    }

    return PT_VERIFY_OK;
}


pt_verify_e
pt_webhooks_read(const pt_webhooks_t *conf, const pt_callback_t *callback,
    pt_slice_t id, pt_notice_t *notice)
{
    cJSON       *json;
    const char  *why;
    pt_verify_e  rc;

    notice->kind = PT_NOTICE_IGNORED;
    notice->event_id = id;

    if (pt_hook_keep(callback, &notice->event_id) != 0) {
        return PT_VERIFY_NO_MEMORY;
    }

    json = pt_json_parse(callback->body, &why);

    if (json == NULL) {
        return pt_webhooks_unreadable(conf, callback->body);
    }

    rc = pt_webhooks_read_json(conf, callback, json, notice);
    cJSON_Delete(json);

    return rc;
}
