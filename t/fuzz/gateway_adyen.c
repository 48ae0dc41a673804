/*
 * Any body as a callback of Adyen.  The first byte chooses: as it is, which
 * must never be genuine, for nobody signed it; or with each item signed here,
 * which reaches what is behind the signature.
 */

#include "adyen.h"
#include "core_fuzz.h"


int LLVMFuzzerInitialize(int *argc, char ***argv);


static void           *test, *live;
static fuzz_memory_t   memory;


static pt_slice_t
header(void *ctx, const char *name)
{
    return strcmp(name, "Content-Type") == 0 ? pt_slice_lit("application/json")
                                             : pt_slice_null;
}


static pt_verify_e
verify(const void *conf, const char *data, size_t len, pt_notice_t *notice)
{
    char           *copy;
    pt_verify_e     rc;
    pt_callback_t   callback;

    copy = malloc(len ? len : 1);
    memcpy(copy, data, len);

    memset(&callback, 0, sizeof(callback));
    callback.body = pt_slice(copy, len);
    callback.header = header;
    callback.alloc = fuzz_alloc;
    callback.alloc_ctx = &memory;

    rc = pt_adyen.verify(conf, &callback, notice);
    check(rc < PT_VERIFY_RESULTS && rc != PT_VERIFY_BAD_TYPE);

    free(copy);

    return rc;
}


static void
check_notice(const pt_notice_t *notice)
{
    int  paid, refunded;

    paid = notice->kind == PT_NOTICE_PAID;
    refunded = notice->kind == PT_NOTICE_REFUNDED;

    check(pt_name_valid(notice->trade_no));
    check(pt_name_valid(notice->out_trade_no)
          || (notice->kind == PT_NOTICE_IGNORED
              && notice->out_trade_no.len == 0));
    check(paid ? notice->amount > 0 && notice->amount <= PT_AMOUNT_MAX
               : notice->amount == -1);
    check(refunded ? notice->refunded > 0 && notice->refunded <= PT_AMOUNT_MAX
                   : notice->refunded == 0);
    check(notice->one_refund == refunded);
    check(refunded ? pt_name_valid(notice->refund_no)
                   : notice->refund_no.len == 0);
    check(notice->currency.len == (paid || refunded ? 3 : 0));
    check(notice->event_id.len > 6 && notice->event_id.len < 140);
    check(notice->paid_at == 0);
}


/* Returns how many are genuine. */
static size_t
check_notices(pt_verify_e rc, const pt_notice_t *notice)
{
    size_t  n, genuine;

    n = 0;
    genuine = 0;

    for (/* void */; notice; notice = notice->next) {
        n++;

        if (notice->genuine) {
            check_notice(notice);
            genuine++;

        } else {
            check(notice->trade_no.len == 0 && notice->amount == 0);
        }
    }

    check(n <= PT_NOTICES_MAX);
    check((rc == PT_VERIFY_OK) == (genuine == n));

    return genuine;
}


/* A value as a text; "" when there is none that could be signed. */
static const char *
text_of(const cJSON *object, const char *name, char *number)
{
    const cJSON  *item;

    item = cJSON_GetObjectItemCaseSensitive(object, name);

    if (cJSON_IsString(item)) {
        return item->valuestring;
    }

    if (cJSON_IsBool(item)) {
        return cJSON_IsTrue(item) ? "true" : "false";
    }

    number[0] = '\0';

    if (cJSON_IsNumber(item) && item->valuedouble >= -9e15
        && item->valuedouble <= 9e15)
    {
        sprintf(number, "%lld", (long long) item->valuedouble);
    }

    return number;
}


static void
sign_item(cJSON *json)
{
    char           sign[64], numbers[ADYEN_FIELDS][32];
    cJSON         *data;
    size_t         i, len;
    const cJSON   *amount;
    const char    *texts[ADYEN_FIELDS];
    adyen_item_t   item;

    static const char *const  names[ADYEN_FIELDS] = {
        "pspReference", "originalReference", "merchantAccountCode",
        "merchantReference", "value", "currency", "eventCode", "success"
    };

    amount = cJSON_GetObjectItemCaseSensitive(json, "amount");
    len = ADYEN_FIELDS;

    for (i = 0; i < ADYEN_FIELDS; i++) {
        texts[i] = text_of(i == 4 || i == 5 ? amount : json, names[i],
                           numbers[i]);
        len += strlen(texts[i]);
    }

    if (len > 8000) {
        return;
    }

    memcpy(&item, texts, sizeof(item));
    adyen_sign(ADYEN_NEXT, &item, sign);

    data = cJSON_CreateObject();
    cJSON_AddStringToObject(data, "hmacSignature", sign);
    cJSON_DeleteItemFromObjectCaseSensitive(json, "additionalData");
    cJSON_AddItemToObject(json, "additionalData", data);
}


/* Not a byte more is signed than was signed. */
static void
change_item(cJSON *json)
{
    cJSON_DeleteItemFromObjectCaseSensitive(json, "pspReference");
    cJSON_AddStringToObject(json, "pspReference", "another");
}


static void
each_item(cJSON *json, void (*handler)(cJSON *json))
{
    cJSON  *element, *item;

    cJSON_ArrayForEach(element, cJSON_GetObjectItemCaseSensitive(json,
                                                      "notificationItems"))
    {
        item = cJSON_GetObjectItemCaseSensitive(element,
                                                "NotificationRequestItem");

        if (cJSON_IsObject(item)) {
            handler(item);
        }
    }
}


static size_t
verify_tree(const void *conf, const cJSON *json)
{
    char         *text;
    size_t        len, genuine;
    pt_notice_t   notice;
    pt_verify_e   rc;

    text = cJSON_PrintUnformatted(json);
    check(text != NULL);
    len = strlen(text);
    genuine = 0;

    rc = verify(conf, text, len, &notice);

    if (rc != PT_VERIFY_NO_MEMORY) {
        genuine = check_notices(rc, &notice);
    }

    free(text);
    fuzz_free(&memory);

    return genuine;
}


static void
check_signed(const void *conf, pt_slice_t s)
{
    cJSON       *json;
    const char  *why;

    if (s.len > PT_JSON_SIZE_MAX) {
        return;
    }

    json = pt_json_parse(s, &why);
    if (json == NULL) {
        return;
    }

    each_item(json, sign_item);
    (void) verify_tree(conf, json);

    each_item(json, change_item);
    check(verify_tree(conf, json) == 0);

    cJSON_Delete(json);
}


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    test = adyen_make("test");
    live = adyen_make("live");

    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pt_slice_t   s;
    pt_notice_t  notice;
    pt_verify_e  rc;

    if (size == 0) {
        return 0;
    }

    s = pt_slice(data + 1, size - 1);

    switch (data[0] % 4) {

    case 0:
        rc = verify(test, s.data, s.len, &notice);
        check(rc != PT_VERIFY_OK);
        check(rc == PT_VERIFY_NO_MEMORY || check_notices(rc, &notice) == 0);
        break;

    case 1:
        check_signed(live, s);
        break;

    default:
        check_signed(test, s);
    }

    fuzz_free(&memory);

    return 0;
}
