/*
 * Adyen's standard webhooks: a list of items, each with a signature of its own.
 *
 * Eight values of an item are signed, joined with colons and not escaped: what
 * happened, to whom, how much.  The rest is not, such as dates, reasons, and
 * whether it is live: of this, nothing is told.  Of the eight only the shop's
 * own reference may hold a colon, so there is one way to read what was signed.
 */

#include <stdio.h>

#include "pt_adyen.h"
#include "pt_base64.h"


#define PT_ADYEN_SIGNED      8

/* 2^53, where numbers of JSON end, has sixteen digits. */
#define PT_ADYEN_VALUE_MAX   INT64_C(9007199254740992)
#define PT_ADYEN_VALUE_LEN   24


/* In the order in which they are signed, as pt_adyen_names has them. */
typedef enum {
    PT_ADYEN_PSP_REFERENCE = 0,
    PT_ADYEN_ORIGINAL_REFERENCE,
    PT_ADYEN_MERCHANT_ACCOUNT_CODE,
    PT_ADYEN_MERCHANT_REFERENCE,
    PT_ADYEN_VALUE,
    PT_ADYEN_CURRENCY,
    PT_ADYEN_EVENT_CODE,
    PT_ADYEN_SUCCESS
} pt_adyen_value_e;


/* An item, read; the slices point into the tree. */
typedef struct {
    pt_slice_t       values[PT_ADYEN_SIGNED];
    pt_slice_t       signature;
    int64_t          amount;
    char             digits[PT_ADYEN_VALUE_LEN];
} pt_adyen_item_t;


/* What all items share. */
typedef struct {
    const pt_adyen_t     *conf;
    const pt_callback_t  *callback;
    pt_slice_t            live;
} pt_adyen_reading_t;


static const char *const  pt_adyen_names[PT_ADYEN_SIGNED] = {
    "pspReference", "originalReference", "merchantAccountCode",
    "merchantReference", "amount.value", "amount.currency", "eventCode",
    "success"
};


/* "true" and "false" are strings at Adyen; here also true and false. */
static pt_json_e
pt_adyen_flag(const cJSON *json, const char *name, pt_slice_t *value)
{
    int        flag;
    pt_json_e  rc;

    rc = pt_json_bool(json, name, &flag);

    if (rc == PT_JSON_OK) {
        *value = flag ? pt_slice_lit("true") : pt_slice_lit("false");
        return rc;
    }

    return pt_json_string(json, name, value);
}


static pt_json_e
pt_adyen_read_value(const cJSON *json, pt_adyen_value_e i,
    pt_adyen_item_t *item)
{
    int        len;
    pt_json_e  rc;

    item->values[i] = pt_slice_null;

    switch (i) {

    case PT_ADYEN_VALUE:
        rc = pt_hook_int(json, pt_adyen_names[i], -PT_ADYEN_VALUE_MAX,
                         PT_ADYEN_VALUE_MAX, &item->amount);

        if (rc == PT_JSON_OK) {
            len = snprintf(item->digits, sizeof(item->digits), "%lld",
                           (long long) item->amount);
            item->values[i] = pt_slice(item->digits, len);
        }

        return rc;

    case PT_ADYEN_SUCCESS:
        return pt_adyen_flag(json, pt_adyen_names[i], &item->values[i]);

    default:
        return pt_hook_string(json, pt_adyen_names[i], &item->values[i]);
    }
}


/* What is absent is signed as an empty value; without an amount, nothing is. */
static pt_verify_e
pt_adyen_read_item(const cJSON *json, pt_adyen_item_t *item)
{
    pt_json_e         rc;
    pt_adyen_value_e  i;

    item->signature = pt_slice_null;
    rc = pt_hook_string(json, "additionalData.hmacSignature",
                        &item->signature);

    if (rc == PT_JSON_WRONG) {
        return PT_VERIFY_BAD_FORM;
    }

    for (i = 0; i < PT_ADYEN_SIGNED; i++) {
        if (pt_adyen_read_value(json, i, item) == PT_JSON_WRONG) {
            return PT_VERIFY_BAD_FORM;
        }
    }

    if (item->signature.len == 0
        || !cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(json, "amount")))
    {
        return PT_VERIFY_MISSING;
    }

    return PT_VERIFY_OK;
}


static pt_verify_e
pt_adyen_verify_item(const pt_adyen_t *conf, const pt_adyen_item_t *item)
{
    size_t         i, len;
    pt_slice_t     parts[2 * PT_ADYEN_SIGNED - 1];
    unsigned char  given[PT_SHA256_LEN], mac[PT_SHA256_LEN];

    if (pt_base64_decode(item->signature, given, sizeof(given), &len) != 0) {
        return PT_VERIFY_BAD_SIGNATURE;
    }

    for (i = 0; i < PT_ADYEN_SIGNED; i++) {
        parts[2 * i] = item->values[i];

        if (i + 1 < PT_ADYEN_SIGNED) {
            parts[2 * i + 1] = pt_slice_lit(":");
        }
    }

    for (i = 0; i < conf->keys.n; i++) {
        if (pt_hmac_sha256(&conf->keys.list[i], parts,
                           sizeof(parts) / sizeof(parts[0]), mac)
            != 0)
        {
            return PT_VERIFY_NO_MEMORY;
        }

        if (pt_secret_eq(given, len, mac, sizeof(mac))) {
            return PT_VERIFY_OK;
        }
    }

    return PT_VERIFY_BAD_SIGNATURE;
}


/*
 * A colon in another value would let the same signed text stand for other
 * values.
 */
static int
pt_adyen_is_ambiguous(const pt_adyen_item_t *item)
{
    pt_adyen_value_e  i;

    for (i = 0; i < PT_ADYEN_SIGNED; i++) {
        if (i != PT_ADYEN_MERCHANT_REFERENCE && item->values[i].len
            && memchr(item->values[i].data, ':', item->values[i].len))
        {
            return 1;
        }
    }

    return 0;
}


/* It is signed; is it for this shop? */
static pt_verify_e
pt_adyen_is_ours(const pt_adyen_reading_t *reading,
    const pt_adyen_item_t *item)
{
    pt_slice_t  account, expected;

    if (reading->live.len == 0) {
        return PT_VERIFY_MISSING;
    }

    expected = reading->conf->mode == PT_HOOK_MODE_LIVE
               ? pt_slice_lit("true") : pt_slice_lit("false");

    if (!pt_slice_eq(reading->live, expected)) {
        return PT_VERIFY_WRONG_MODE;
    }

    account = item->values[PT_ADYEN_MERCHANT_ACCOUNT_CODE];
    expected = pt_slice(reading->conf->merchant_account,
                        strlen(reading->conf->merchant_account));

    if (account.len == 0) {
        return PT_VERIFY_MISSING;
    }

    return pt_slice_eq(account, expected) ? PT_VERIFY_OK
                                          : PT_VERIFY_WRONG_MERCHANT;
}


static pt_verify_e
pt_adyen_event_id(const pt_adyen_item_t *item, const pt_callback_t *callback,
    pt_notice_t *notice)
{
    pt_out_t  out;

    pt_out_init(&out, callback->alloc, callback->alloc_ctx, PT_NAME_MAX);
    pt_out_put(&out, item->values[PT_ADYEN_PSP_REFERENCE]);
    pt_out_char(&out, ':');
    pt_out_put(&out, item->values[PT_ADYEN_EVENT_CODE]);
    pt_out_char(&out, ':');
    pt_out_put(&out, item->values[PT_ADYEN_SUCCESS]);

    notice->event_id = pt_out_slice(&out);

    return out.failed ? PT_VERIFY_NO_MEMORY : PT_VERIFY_OK;
}


/*
 * A payment of nothing only checks a card.  What an event means that is not in
 * the list, or that failed, is for the shop to see.
 */
static pt_notice_e
pt_adyen_kind(const pt_adyen_item_t *item)
{
    size_t      i;
    pt_slice_t  code;

    static const struct {
        pt_slice_t   code;
        pt_notice_e  kind;
    } kinds[] = {
        { pt_slice_const("AUTHORISATION"), PT_NOTICE_PAID },
        { pt_slice_const("CANCELLATION"), PT_NOTICE_CLOSED },
        { pt_slice_const("REFUND"), PT_NOTICE_REFUNDED },
    };

    code = item->values[PT_ADYEN_EVENT_CODE];

    if (!pt_slice_eq(item->values[PT_ADYEN_SUCCESS], pt_slice_lit("true"))) {
        return PT_NOTICE_IGNORED;
    }

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (!pt_slice_eq(code, kinds[i].code)) {
            continue;
        }

        return kinds[i].kind == PT_NOTICE_PAID
               && item->values[PT_ADYEN_VALUE].len && item->amount == 0
               ? PT_NOTICE_IGNORED : kinds[i].kind;
    }

    return PT_NOTICE_IGNORED;
}


/* Names of what it is about; of an ignored one as far as there are any. */
static pt_verify_e
pt_adyen_read_names(const pt_adyen_item_t *item, pt_notice_t *notice)
{
    pt_slice_t  psp, original, reference;

    psp = item->values[PT_ADYEN_PSP_REFERENCE];
    original = item->values[PT_ADYEN_ORIGINAL_REFERENCE];
    reference = item->values[PT_ADYEN_MERCHANT_REFERENCE];

    if (notice->kind == PT_NOTICE_IGNORED) {
        notice->trade_no = original.len ? original : psp;
        notice->out_trade_no = pt_name_valid(reference) ? reference
                                                        : pt_slice_null;
        return PT_VERIFY_OK;
    }

    notice->trade_no = notice->kind == PT_NOTICE_PAID ? psp : original;
    notice->out_trade_no = reference;

    if (notice->kind == PT_NOTICE_REFUNDED) {
        notice->refund_no = psp;
    }

    if (notice->trade_no.len == 0 || reference.len == 0) {
        return PT_VERIFY_MISSING;
    }

    return pt_name_valid(reference) ? PT_VERIFY_OK : PT_VERIFY_BAD_VALUE;
}


static pt_verify_e
pt_adyen_read_amount(const pt_adyen_item_t *item,
    const pt_callback_t *callback, pt_notice_t *notice)
{
    notice->amount = -1;

    if (notice->kind != PT_NOTICE_PAID
        && notice->kind != PT_NOTICE_REFUNDED)
    {
        return PT_VERIFY_OK;
    }

    if (item->values[PT_ADYEN_VALUE].len == 0
        || item->values[PT_ADYEN_CURRENCY].len == 0)
    {
        return PT_VERIFY_MISSING;
    }

    if (item->amount < 1 || item->amount > PT_AMOUNT_MAX) {
        return PT_VERIFY_BAD_VALUE;
    }

    if (notice->kind == PT_NOTICE_PAID) {
        notice->amount = item->amount;

    } else {
        notice->refunded = item->amount;
        notice->one_refund = 1;
    }

    return pt_hook_currency(callback, item->values[PT_ADYEN_CURRENCY],
                            &notice->currency);
}


/* Whether what names an event does; the reference is the shop's affair. */
static pt_verify_e
pt_adyen_check_names(const pt_adyen_item_t *item)
{
    pt_slice_t  psp, original, code, success;

    psp = item->values[PT_ADYEN_PSP_REFERENCE];
    original = item->values[PT_ADYEN_ORIGINAL_REFERENCE];
    code = item->values[PT_ADYEN_EVENT_CODE];
    success = item->values[PT_ADYEN_SUCCESS];

    if (psp.len == 0 || code.len == 0 || success.len == 0) {
        return PT_VERIFY_MISSING;
    }

    return pt_name_valid(psp) && pt_name_valid(code)
           && (original.len == 0 || pt_name_valid(original))
           && (pt_slice_eq(success, pt_slice_lit("true"))
               || pt_slice_eq(success, pt_slice_lit("false")))
           ? PT_VERIFY_OK : PT_VERIFY_BAD_VALUE;
}


/* What a genuine item tells; all of it lives in the callback's memory. */
static pt_verify_e
pt_adyen_tell(const pt_adyen_item_t *item, const pt_callback_t *callback,
    pt_notice_t *notice)
{
    pt_verify_e  rc;

    rc = pt_adyen_check_names(item);
    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    notice->kind = pt_adyen_kind(item);

    rc = pt_adyen_read_names(item, notice);
    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    rc = pt_adyen_read_amount(item, callback, notice);
    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    if (pt_hook_keep(callback, &notice->trade_no) != 0
        || pt_hook_keep(callback, &notice->out_trade_no) != 0
        || pt_hook_keep(callback, &notice->refund_no) != 0)
    {
        return PT_VERIFY_NO_MEMORY;
    }

    return pt_adyen_event_id(item, callback, notice);
}


/* One element of notificationItems, from bytes to a notice. */
static pt_verify_e
pt_adyen_item(const pt_adyen_reading_t *reading, const cJSON *element,
    pt_notice_t *notice)
{
    pt_verify_e       rc;
    const cJSON      *json;
    pt_adyen_item_t   item;

    json = cJSON_GetObjectItemCaseSensitive(element, "NotificationRequestItem");

    if (!cJSON_IsObject(json)) {
        return PT_VERIFY_BAD_FORM;
    }

    rc = pt_adyen_read_item(json, &item);
    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    rc = pt_adyen_verify_item(reading->conf, &item);
    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    if (pt_adyen_is_ambiguous(&item)) {
        return PT_VERIFY_AMBIGUOUS;
    }

    rc = pt_adyen_is_ours(reading, &item);
    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    return pt_adyen_tell(&item, reading->callback, notice);
}


/* All items, each told by itself; the first refusal is that of all. */
static pt_verify_e
pt_adyen_items(const pt_adyen_reading_t *reading, const cJSON *items,
    pt_notice_t *notice)
{
    pt_verify_e           rc, first;
    const cJSON          *element;
    const pt_callback_t  *callback;

    first = PT_VERIFY_OK;
    callback = reading->callback;

    cJSON_ArrayForEach(element, items) {
        rc = pt_adyen_item(reading, element, notice);

        if (rc == PT_VERIFY_NO_MEMORY) {
            return rc;
        }

        if (rc == PT_VERIFY_OK) {
            notice->genuine = 1;

        } else {
            memset(notice, 0, sizeof(pt_notice_t));
            notice->kind = PT_NOTICE_IGNORED;
            first = first == PT_VERIFY_OK ? rc : first;
        }

        if (element->next) {
            notice->next = callback->alloc(callback->alloc_ctx,
                                           sizeof(pt_notice_t));
            if (notice->next == NULL) {
                return PT_VERIFY_NO_MEMORY;
            }

            notice = notice->next;
            memset(notice, 0, sizeof(pt_notice_t));
        }
    }

    return first;
}


static pt_verify_e
pt_adyen_read(pt_adyen_reading_t *reading, const cJSON *json,
    pt_notice_t *notice)
{
    int           n;
    const cJSON  *items;

    reading->live = pt_slice_null;

    if (pt_adyen_flag(json, "live", &reading->live) == PT_JSON_WRONG) {
        return PT_VERIFY_BAD_FORM;
    }

    items = cJSON_GetObjectItemCaseSensitive(json, "notificationItems");

    if (items == NULL || cJSON_IsNull(items)) {
        return PT_VERIFY_MISSING;
    }

    n = cJSON_GetArraySize(items);

    if (!cJSON_IsArray(items) || n == 0 || n > PT_NOTICES_MAX) {
        return PT_VERIFY_BAD_FORM;
    }

    return pt_adyen_items(reading, items, notice);
}


pt_verify_e
pt_adyen_verify(const void *conf, const pt_callback_t *callback,
    pt_notice_t *notice)
{
    cJSON               *json;
    const char          *why;
    pt_verify_e          rc;
    pt_adyen_reading_t   reading;

    memset(notice, 0, sizeof(pt_notice_t));

    if (!pt_hook_type(callback, "application/json")) {
        return PT_VERIFY_BAD_TYPE;
    }

    if (callback->body.len > PT_JSON_SIZE_MAX) {
        return PT_VERIFY_BAD_FORM;
    }

    json = pt_json_parse(callback->body, &why);
    if (json == NULL) {
        return PT_VERIFY_BAD_FORM;
    }

    reading.conf = conf;
    reading.callback = callback;

    rc = pt_adyen_read(&reading, json, notice);

    cJSON_Delete(json);

    if (rc == PT_VERIFY_NO_MEMORY) {
        memset(notice, 0, sizeof(pt_notice_t));
    }

    return rc;
}
