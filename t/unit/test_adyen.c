/*
 * Adyen: its settings, and what is made of callbacks.
 */

#include "adyen.h"
#include "unit.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))

#define BEGIN   "{\"live\":\"false\",\"notificationItems\":["
#define END     "]}"


static void         *conf;

/* How the next callback comes. */
static const char   *type, *encoding, *key;

static pt_notice_t   notice;


static pt_slice_t
header(void *ctx, const char *name)
{
    const char  *value;

    value = strcmp(name, "Content-Type") == 0 ? type
            : strcmp(name, "Content-Encoding") == 0 ? encoding
            : NULL;

    return value ? pt_slice(value, strlen(value)) : pt_slice_null;
}


static pt_verify_e
verify_with(const void *with_conf, pt_slice_t body, pt_alloc_pt alloc)
{
    pt_callback_t  callback;

    memset(&callback, 0, sizeof(callback));
    callback.body = unit_mem(body.data, body.len);
    callback.header = header;
    callback.alloc = alloc;

    memset(&notice, 0xff, sizeof(notice));

    return pt_adyen.verify(with_conf, &callback, &notice);
}


static pt_verify_e
verify_text(const char *text)
{
    return verify_with(conf, pt_slice(text, strlen(text)), unit_alloc);
}


/* An element of the list, with a signature or what is given as one. */
static const char *
element(const adyen_item_t *item, const char *given)
{
    char  sign[64];

    adyen_sign(key, item, sign);

    return unit_fmt("{\"NotificationRequestItem\":{\"additionalData\":{"
                    "\"expiryDate\":\"12/2030\",\"hmacSignature\":\"%s\"},"
                    "\"amount\":{\"currency\":\"%s\",\"value\":%s},"
                    "\"eventCode\":\"%s\","
                    "\"eventDate\":\"2026-11-21T16:00:00+01:00\","
                    "\"merchantAccountCode\":\"%s\","
                    "\"merchantReference\":\"%s\","
                    "\"originalReference\":\"%s\",\"paymentMethod\":\"visa\","
                    "\"pspReference\":\"%s\",\"reason\":\"033899:1111\","
                    "\"success\":\"%s\"}}%c", given ? given : sign,
                    item->currency, item->value, item->event_code,
                    item->merchant_account, item->merchant_reference,
                    item->original_reference, item->psp_reference,
                    item->success, 0).data;
}


static const char *
body_of(const adyen_item_t *item)
{
    return unit_fmt(BEGIN "%s" END "%c", element(item, NULL), 0).data;
}


static pt_verify_e
verify(const adyen_item_t *item)
{
    return verify_text(body_of(item));
}


static int
setup(void **state)
{
    type = "application/json; charset=utf-8";
    encoding = NULL;
    key = ADYEN_KEY;

    return unit_setup(state);
}


static void
ignored(pt_verify_e rc)
{
    assert_int_equal(rc, PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
    assert_int_equal(notice.amount, -1);
    assert_int_equal(notice.refunded, 0);
    assert_int_equal(notice.genuine, 1);
    assert_null(notice.next);
}


/* The example in Adyen's documentation, signature and all. */
static void
test_published(void **state)
{
    adyen_item_t  item;

    item = adyen_paid();

    assert_int_equal(verify_text(unit_fmt(BEGIN "%s" END "%c", element(&item,
                         "coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0="),
                         0).data), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_PAID);
}


static void
test_paid(void **state)
{
    adyen_item_t  item;

    item = adyen_paid();

    assert_int_equal(verify(&item), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_PAID);
    unit_slice_is(notice.out_trade_no, "TestPayment-1407325143704");
    unit_slice_is(notice.trade_no, "7914073381342284");
    unit_slice_is(notice.event_id, "7914073381342284:AUTHORISATION:true");
    assert_int_equal(notice.amount, 1130);
    unit_slice_is(notice.currency, "EUR");
    assert_int_equal(notice.refund_no.len, 0);
    assert_int_equal(notice.refunded, 0);
    assert_int_equal(notice.one_refund, 0);
    assert_int_equal(notice.paid_at, 0);
    assert_int_equal(notice.genuine, 1);
    assert_null(notice.next);

    item.success = "false";
    ignored(verify(&item));
    unit_slice_is(notice.event_id, "7914073381342284:AUTHORISATION:false");
    unit_slice_is(notice.out_trade_no, "TestPayment-1407325143704");

    /* a card is checked, nothing is paid */

    item.success = "true";
    item.value = "0";
    ignored(verify(&item));
}


static void
test_refund(void **state)
{
    adyen_item_t  item;

    item = adyen_paid();
    item.event_code = "REFUND";
    item.original_reference = "7914073381342284";
    item.psp_reference = "8825407662100015";
    item.value = "130";

    assert_int_equal(verify(&item), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_REFUNDED);
    unit_slice_is(notice.out_trade_no, "TestPayment-1407325143704");
    unit_slice_is(notice.trade_no, "7914073381342284");
    unit_slice_is(notice.refund_no, "8825407662100015");
    unit_slice_is(notice.event_id, "8825407662100015:REFUND:true");
    unit_slice_is(notice.currency, "EUR");
    assert_int_equal(notice.amount, -1);
    assert_int_equal(notice.refunded, 130);
    assert_int_equal(notice.one_refund, 1);

    item.success = "false";
    ignored(verify(&item));
    assert_int_equal(notice.one_refund, 0);
    assert_int_equal(notice.refund_no.len, 0);

    item.success = "true";
    item.original_reference = "";
    assert_int_equal(verify(&item), PT_VERIFY_MISSING);
}


static void
test_other_events(void **state)
{
    size_t        i;
    adyen_item_t  item;

    static const char *const  codes[] = {
        "CAPTURE", "CAPTURE_FAILED", "CANCEL_OR_REFUND", "REFUND_FAILED",
        "REFUNDED_REVERSED", "CHARGEBACK", "REPORT_AVAILABLE", "PENDING",
        "OFFER_CLOSED", "authorisation", "AUTHORISATION2", "x"
    };

    item = adyen_paid();
    item.event_code = "CANCELLATION";
    item.original_reference = "1";

    assert_int_equal(verify(&item), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_CLOSED);
    assert_int_equal(notice.amount, -1);
    assert_int_equal(notice.currency.len, 0);
    unit_slice_is(notice.trade_no, "1");
    unit_slice_is(notice.out_trade_no, "TestPayment-1407325143704");

    item.success = "false";
    ignored(verify(&item));

    for (i = 0; i < N(codes); i++) {
        item = adyen_paid();
        item.event_code = codes[i];
        ignored(verify(&item));
        unit_slice_is(notice.trade_no, "7914073381342284");

        item.original_reference = "1";
        ignored(verify(&item));
        unit_slice_is(notice.trade_no, "1");

        /* a report is about no payment: its reference may be anything */

        item.merchant_reference = "any: thing, at all";
        item.value = "-5";
        item.currency = "";
        ignored(verify(&item));
        assert_int_equal(notice.out_trade_no.len, 0);
    }
}


/* What a value that is signed must be. */
static void
test_values(void **state)
{
    size_t        i;
    adyen_item_t  item;

    static const struct {
        size_t        field;
        const char   *value;
        pt_verify_e   result;
    } cases[] = {
        { 0, "", PT_VERIFY_MISSING },
        { 0, "a b", PT_VERIFY_BAD_VALUE },
        { 0, "\xe6\x89\x8b", PT_VERIFY_BAD_VALUE },
        { 1, "a,b", PT_VERIFY_BAD_VALUE },
        { 1, "1", PT_VERIFY_OK },
        { 2, "", PT_VERIFY_MISSING },
        { 2, "TestMerchant2", PT_VERIFY_WRONG_MERCHANT },
        { 2, "TestMerchan", PT_VERIFY_WRONG_MERCHANT },
        { 2, "testmerchant", PT_VERIFY_WRONG_MERCHANT },
        { 2, " TestMerchant", PT_VERIFY_WRONG_MERCHANT },
        { 3, "", PT_VERIFY_MISSING },
        { 3, "a b", PT_VERIFY_BAD_VALUE },
        { 3, "a,b", PT_VERIFY_BAD_VALUE },
        { 3, "a:b::c", PT_VERIFY_OK },
        { 3, "t1763712000123000002", PT_VERIFY_OK },
        { 4, "1", PT_VERIFY_OK },
        { 4, "-1", PT_VERIFY_BAD_VALUE },
        { 4, "10000000000000", PT_VERIFY_OK },
        { 4, "10000000000001", PT_VERIFY_BAD_VALUE },
        { 4, "9007199254740993000", PT_VERIFY_BAD_FORM },
        { 4, "11.30", PT_VERIFY_BAD_FORM },
        { 4, "\"1130\"", PT_VERIFY_BAD_FORM },
        { 4, "true", PT_VERIFY_BAD_FORM },
        { 5, "", PT_VERIFY_MISSING },
        { 5, "EU", PT_VERIFY_BAD_VALUE },
        { 5, "EURO", PT_VERIFY_BAD_VALUE },
        { 5, "E1R", PT_VERIFY_BAD_VALUE },
        { 5, "USD", PT_VERIFY_OK },
        { 6, "", PT_VERIFY_MISSING },
        { 6, "A B", PT_VERIFY_BAD_VALUE },
        { 7, "", PT_VERIFY_MISSING },
        { 7, "True", PT_VERIFY_BAD_VALUE },
        { 7, "yes", PT_VERIFY_BAD_VALUE },
        { 7, "1", PT_VERIFY_BAD_VALUE },
    };

    for (i = 0; i < N(cases); i++) {
        item = adyen_paid();
        ((const char **) &item)[cases[i].field] = cases[i].value;

        if (verify(&item) != cases[i].result) {
            fail_msg("%zu %s", cases[i].field, cases[i].value);
        }

        if (cases[i].result != PT_VERIFY_OK) {
            assert_int_equal(notice.genuine, 0);
            assert_null(notice.trade_no.data);
            assert_int_equal(notice.amount, 0);
            assert_null(notice.next);
        }
    }
}


/* Characters that JSON escapes are signed as what they are. */
static void
test_escapes(void **state)
{
    size_t       i;
    char         sign[64];
    const char  *text;

    static const struct {
        const char   *json;
        const char   *bytes;
        pt_verify_e   result;
    } cases[] = {
        { "a\\u002db", "a-b", PT_VERIFY_OK },
        { "a\\/b", "a/b", PT_VERIFY_OK },
        { "a\\\\b", "a\\b", PT_VERIFY_OK },
        { "a\\\"b", "a\"b", PT_VERIFY_OK },
        { "a\\r\\nb", "a\r\nb", PT_VERIFY_BAD_VALUE },
        { "\\u624b", "\xe6\x89\x8b", PT_VERIFY_BAD_VALUE },
        { "a\\u0000b", "a", PT_VERIFY_BAD_FORM },
        { "\\ud800", "\xef\xbf\xbd", PT_VERIFY_BAD_FORM },
        { "a\\:b", "a:b", PT_VERIFY_BAD_FORM },
    };

    for (i = 0; i < N(cases); i++) {
        text = unit_fmt("P::TestMerchant:%s:1:EUR:AUTHORISATION:true%c",
                        cases[i].bytes, 0).data;
        adyen_sign_text(ADYEN_KEY, text, strlen(text), sign);

        assert_int_equal(verify_text(unit_fmt(BEGIN
            "{\"NotificationRequestItem\":{\"additionalData\":{"
            "\"hmacSignature\":\"%s\"},\"amount\":{\"value\":1,"
            "\"currency\":\"EUR\"},\"eventCode\":\"AUTHORISATION\","
            "\"merchantAccountCode\":\"TestMerchant\","
            "\"merchantReference\":\"%s\",\"pspReference\":\"P\","
            "\"success\":\"true\"}}" END "%c", sign, cases[i].json, 0).data),
            cases[i].result);

        if (cases[i].result == PT_VERIFY_OK) {
            unit_slice_is(notice.out_trade_no, cases[i].bytes);
        }
    }
}


/* The same signed text, cut otherwise. */
static void
test_ambiguous(void **state)
{
    size_t        i;
    adyen_item_t  item;

    static const adyen_item_t  cuts[] = {
        { "P:", "TestMerchant", "a", "b", "1", "EUR", "AUTHORISATION",
          "true" },
        { "P", ":TestMerchant", "TestMerchant", "b", "1", "EUR",
          "AUTHORISATION", "true" },
        { "P", "", "TestMerchant:a", "b", "1", "EUR", "AUTHORISATION",
          "true" },
        { "P", "", "TestMerchant", "a", "1", "b:EUR", "AUTHORISATION",
          "true" },
        { "P", "", "TestMerchant", "a", "1", "EUR", "AUTHORISATION:true:EUR",
          "true" },
        { "P", "", "TestMerchant", "a", "1", "EUR", "AUTHORISATION",
          "true:true" },
    };

    for (i = 0; i < N(cuts); i++) {
        assert_int_equal(verify(&cuts[i]), PT_VERIFY_AMBIGUOUS);
    }

    /* of a text with a colon in the reference there is one reading */

    item = adyen_paid();
    item.merchant_reference = "a:100:EUR:AUTHORISATION:true";
    assert_int_equal(verify(&item), PT_VERIFY_OK);
    assert_int_equal(notice.amount, 1130);
    unit_slice_is(notice.out_trade_no, "a:100:EUR:AUTHORISATION:true");
}


static void
test_keys(void **state)
{
    adyen_item_t  item;

    item = adyen_paid();
    key = ADYEN_NEXT;
    assert_int_equal(verify(&item), PT_VERIFY_OK);
    key = ADYEN_OTHER;
    assert_int_equal(verify(&item), PT_VERIFY_BAD_SIGNATURE);
}


static void
test_signature(void **state)
{
    char          good[64];
    size_t        i;
    adyen_item_t  item;

    static const struct {
        const char   *format;
        pt_verify_e   result;
    } cases[] = {
        { "%s", PT_VERIFY_OK },
        { "%.0s", PT_VERIFY_MISSING },
        { "%s\\n", PT_VERIFY_BAD_SIGNATURE },
        { " %s", PT_VERIFY_BAD_SIGNATURE },
        { "%s=", PT_VERIFY_BAD_SIGNATURE },
        { "%s====", PT_VERIFY_BAD_SIGNATURE },
        { "%.43s", PT_VERIFY_BAD_SIGNATURE },
        { "%.40s", PT_VERIFY_BAD_SIGNATURE },
        { "%.4s", PT_VERIFY_BAD_SIGNATURE },
        { "AAAA%s", PT_VERIFY_BAD_SIGNATURE },
        { "%.40sAAAA", PT_VERIFY_BAD_SIGNATURE },
        { "x", PT_VERIFY_BAD_SIGNATURE },
    };

    item = adyen_paid();
    adyen_sign(key, &item, good);

    for (i = 0; i < N(cases); i++) {
        char  given[256];

        snprintf(given, sizeof(given), cases[i].format, good);

        assert_int_equal(verify_text(unit_fmt(BEGIN "%s" END "%c",
                                              element(&item, given), 0).data),
                         cases[i].result);
    }
}


/* Every signed value, every byte of the signature: changed, it is refused. */
static void
test_changed(void **state)
{
    char          good[64];
    size_t        i, k;
    adyen_item_t  item, changed;

    static const adyen_item_t  other = {
        "7914073381342285", "1", "TestMerchant2", "TestPayment-2", "113",
        "USD", "REFUND", "false"
    };

    item = adyen_paid();
    adyen_sign(key, &item, good);

    for (i = 0; i < ADYEN_FIELDS; i++) {
        changed = item;
        ((const char **) &changed)[i] = ((const char **) &other)[i];

        assert_int_equal(verify_text(unit_fmt(BEGIN "%s" END "%c",
                                              element(&changed, good),
                                              0).data),
                         PT_VERIFY_BAD_SIGNATURE);
    }

    for (i = 0; i < strlen(good); i++) {
        for (k = 0; k < 7; k++) {
            good[i] ^= 1 << k;

            if (good[i] != '"' && good[i] != '\\') {
                assert_int_not_equal(
                    verify_text(unit_fmt(BEGIN "%s" END "%c",
                                         element(&item, good), 0).data),
                    PT_VERIFY_OK);
            }

            good[i] ^= 1 << k;
        }
    }
}


/* One bit of the body changed: refused, or what is not signed. */
static void
test_flips(void **state)
{
    char          *copy;
    size_t         i, len;
    pt_notice_t    first;
    adyen_item_t   item;

    item = adyen_paid();
    copy = (char *) body_of(&item);
    len = strlen(copy);

    assert_int_equal(verify_text(copy), PT_VERIFY_OK);
    first = notice;

    for (i = 0; i < 8 * len; i++) {
        copy[i / 8] ^= 1 << i % 8;

        if (verify_with(conf, pt_slice(copy, len), unit_alloc)
            == PT_VERIFY_OK)
        {
            assert_int_equal(notice.kind, first.kind);
            assert_int_equal(notice.amount, first.amount);
            assert_true(pt_slice_eq(notice.trade_no, first.trade_no));
            assert_true(pt_slice_eq(notice.out_trade_no, first.out_trade_no));
            assert_true(pt_slice_eq(notice.event_id, first.event_id));
            assert_true(pt_slice_eq(notice.currency, first.currency));
        }

        copy[i / 8] ^= 1 << i % 8;
    }
}


static void
test_modes(void **state)
{
    size_t        i;
    void         *live;
    pt_slice_t    body;
    adyen_item_t  item;

    static const struct {
        const char   *live;
        pt_verify_e   as_test, as_live;
    } cases[] = {
        { "\"live\":\"false\",", PT_VERIFY_OK, PT_VERIFY_WRONG_MODE },
        { "\"live\":false,", PT_VERIFY_OK, PT_VERIFY_WRONG_MODE },
        { "\"live\":\"true\",", PT_VERIFY_WRONG_MODE, PT_VERIFY_OK },
        { "\"live\":true,", PT_VERIFY_WRONG_MODE, PT_VERIFY_OK },
        { "\"live\":\"x\",", PT_VERIFY_WRONG_MODE, PT_VERIFY_WRONG_MODE },
        { "\"live\":\"\",", PT_VERIFY_MISSING, PT_VERIFY_MISSING },
        { "\"live\":null,", PT_VERIFY_MISSING, PT_VERIFY_MISSING },
        { "", PT_VERIFY_MISSING, PT_VERIFY_MISSING },
        { "\"live\":1,", PT_VERIFY_BAD_FORM, PT_VERIFY_BAD_FORM },
        { "\"live\":[],", PT_VERIFY_BAD_FORM, PT_VERIFY_BAD_FORM },
        { "\"live\":\"true\",\"live\":\"false\",", PT_VERIFY_BAD_FORM,
          PT_VERIFY_BAD_FORM },
    };

    live = adyen_make("live");
    item = adyen_paid();

    for (i = 0; i < N(cases); i++) {
        body = unit_fmt("{%s\"notificationItems\":[%s]}", cases[i].live,
                        element(&item, NULL));

        assert_int_equal(verify_with(conf, body, unit_alloc),
                         cases[i].as_test);
        assert_int_equal(verify_with(live, body, unit_alloc),
                         cases[i].as_live);
    }

    pt_adyen.destroy(live);
}


static void
test_types(void **state)
{
    size_t        i;
    adyen_item_t  item;

    static const struct {
        const char   *type;
        const char   *encoding;
        pt_verify_e   result;
    } cases[] = {
        { "application/json", NULL, PT_VERIFY_OK },
        { "Application/JSON;charset=UTF-8", "identity", PT_VERIFY_OK },
        { "application/json", "", PT_VERIFY_OK },
        { "application/json", "gzip", PT_VERIFY_BAD_TYPE },
        { "application/jsonx", NULL, PT_VERIFY_BAD_TYPE },
        { "application/json, application/json", NULL, PT_VERIFY_BAD_TYPE },
        { "text/json", NULL, PT_VERIFY_BAD_TYPE },
        { "application/x-www-form-urlencoded", NULL, PT_VERIFY_BAD_TYPE },
        { "", NULL, PT_VERIFY_BAD_TYPE },
        { NULL, NULL, PT_VERIFY_BAD_TYPE },
    };

    item = adyen_paid();

    for (i = 0; i < N(cases); i++) {
        type = cases[i].type;
        encoding = cases[i].encoding;

        assert_int_equal(verify(&item), cases[i].result);
    }
}


/* Nothing else is told of what nobody signed. */
static void
test_signature_first(void **state)
{
    size_t        i;
    adyen_item_t  item;

    key = ADYEN_OTHER;

    for (i = 0; i < ADYEN_FIELDS; i++) {
        item = adyen_paid();
        ((const char **) &item)[i] = i == 4 ? "-1" : "a:b c";
        assert_int_equal(verify(&item), PT_VERIFY_BAD_SIGNATURE);
    }

    item = adyen_paid();
    assert_int_equal(verify_text(unit_fmt("{\"notificationItems\":[%s]}%c",
                                          element(&item, NULL), 0).data),
                     PT_VERIFY_BAD_SIGNATURE);
}


#define ITEM(...)                                                             \
    BEGIN "{\"NotificationRequestItem\":{" __VA_ARGS__ "}}" END

#define SIGNED    "\"additionalData\":{\"hmacSignature\":\"AAAA\"}"
#define AMOUNT    "\"amount\":{\"value\":1,\"currency\":\"EUR\"}"


static void
test_forms(void **state)
{
    size_t  i;

    static const struct {
        const char   *body;
        pt_verify_e   result;
    } cases[] = {
        { "", PT_VERIFY_BAD_FORM },
        { "{", PT_VERIFY_BAD_FORM },
        { "[]", PT_VERIFY_BAD_FORM },
        { "null", PT_VERIFY_BAD_FORM },
        { "a=b", PT_VERIFY_BAD_FORM },
        { "{}", PT_VERIFY_MISSING },
        { "{\"live\":\"false\"}", PT_VERIFY_MISSING },
        { "{\"notificationItems\":null}", PT_VERIFY_MISSING },
        { "{\"NotificationItems\":[]}", PT_VERIFY_MISSING },
        { "{\"notificationItems\":{}}", PT_VERIFY_BAD_FORM },
        { "{\"notificationItems\":\"x\"}", PT_VERIFY_BAD_FORM },
        { "{\"notificationItems\":[],\"notificationItems\":[]}",
          PT_VERIFY_BAD_FORM },
        { BEGIN END, PT_VERIFY_BAD_FORM },
        { BEGIN "1" END, PT_VERIFY_BAD_FORM },
        { BEGIN "null" END, PT_VERIFY_BAD_FORM },
        { BEGIN "[]" END, PT_VERIFY_BAD_FORM },
        { BEGIN "{}" END, PT_VERIFY_BAD_FORM },
        { BEGIN "{\"NotificationRequestItem\":[]}" END, PT_VERIFY_BAD_FORM },
        { BEGIN "{\"notificationRequestItem\":{}}" END, PT_VERIFY_BAD_FORM },
        { BEGIN "{},{}" END, PT_VERIFY_BAD_FORM },
        { BEGIN "{}," END, PT_VERIFY_BAD_FORM },
        { ITEM(""), PT_VERIFY_MISSING },
        { ITEM(AMOUNT), PT_VERIFY_MISSING },
        { ITEM(SIGNED), PT_VERIFY_MISSING },
        { ITEM(SIGNED ",\"amount\":null"), PT_VERIFY_MISSING },
        { ITEM(SIGNED ",\"amount\":1130"), PT_VERIFY_MISSING },
        { ITEM("\"additionalData\":\"AAAA\"," AMOUNT), PT_VERIFY_MISSING },
        { ITEM("\"additionalData\":[\"AAAA\"]," AMOUNT),
          PT_VERIFY_MISSING },
        { ITEM("\"additionalData\":{\"hmacsignature\":\"AAAA\"}," AMOUNT),
          PT_VERIFY_MISSING },
        { ITEM("\"additionalData\":{\"hmacSignature\":null}," AMOUNT),
          PT_VERIFY_MISSING },
        { ITEM("\"additionalData\":{\"hmacSignature\":1}," AMOUNT),
          PT_VERIFY_BAD_FORM },
        { ITEM("\"additionalData\":{\"hmacSignature\":[\"AAAA\"]}," AMOUNT),
          PT_VERIFY_BAD_FORM },
        { ITEM("\"additionalData\":{\"hmacSignature\":\"A\","
               "\"hmacSignature\":\"B\"}," AMOUNT), PT_VERIFY_BAD_FORM },
        { ITEM(SIGNED "," AMOUNT), PT_VERIFY_BAD_SIGNATURE },
        { ITEM(SIGNED ",\"amount\":{}"), PT_VERIFY_BAD_SIGNATURE },
        { ITEM(SIGNED "," AMOUNT "," AMOUNT), PT_VERIFY_BAD_FORM },
        { ITEM(SIGNED ",\"amount\":{\"value\":\"1\"}"),
          PT_VERIFY_BAD_FORM },
        { ITEM(SIGNED ",\"amount\":{\"value\":1e400}"),
          PT_VERIFY_BAD_FORM },
        { ITEM(SIGNED ",\"amount\":{\"value\":0.5}"), PT_VERIFY_BAD_FORM },
        { ITEM(SIGNED ",\"amount\":{\"currency\":978}"),
          PT_VERIFY_BAD_FORM },
        { ITEM(SIGNED "," AMOUNT ",\"success\":1"), PT_VERIFY_BAD_FORM },
        { ITEM(SIGNED "," AMOUNT ",\"success\":true,\"success\":false"),
          PT_VERIFY_BAD_FORM },
        { ITEM(SIGNED "," AMOUNT ",\"pspReference\":7914073381342284"),
          PT_VERIFY_BAD_FORM },
        { ITEM(SIGNED "," AMOUNT ",\"eventCode\":[\"REFUND\"]"),
          PT_VERIFY_BAD_FORM },
        { ITEM(SIGNED "," AMOUNT ",\"merchantReference\":{}"),
          PT_VERIFY_BAD_FORM },
        { ITEM(SIGNED "," AMOUNT ",\"merchantAccountCode\":false"),
          PT_VERIFY_BAD_FORM },
        { ITEM(SIGNED "," AMOUNT ",\"originalReference\":\"\xff\""),
          PT_VERIFY_BAD_FORM },
    };

    for (i = 0; i < N(cases); i++) {
        if (verify_text(cases[i].body) != cases[i].result) {
            fail_msg("%s", cases[i].body);
        }

        assert_int_equal(notice.genuine, 0);
        assert_int_equal(notice.amount, 0);
    }

    assert_int_equal(verify_text("{\"a\":{\"a\":{\"a\":{\"a\":1}}}}"),
                     PT_VERIFY_MISSING);
    assert_int_equal(verify_with(conf, unit_repeat("[", 60000), unit_alloc),
                     PT_VERIFY_BAD_FORM);
    assert_int_equal(verify_with(conf, unit_repeat("{\"a\":", 10000),
                                 unit_alloc), PT_VERIFY_BAD_FORM);
    assert_int_equal(verify_with(conf, unit_repeat(" ", 70000), unit_alloc),
                     PT_VERIFY_BAD_FORM);
}


/* Values that are absent, null or true are signed as an SDK would. */
static void
test_absent(void **state)
{
    size_t       i;
    char         sign[64];
    const char  *text;

    static const char *const  more[] = {
        "", ",\"originalReference\":null", ",\"originalReference\":\"\"",
        ",\"reason\":{\"success\":\"false\"}",
    };

    text = "P::TestMerchant:t1:1:EUR:AUTHORISATION:true";
    adyen_sign_text(ADYEN_KEY, text, strlen(text), sign);

    for (i = 0; i < N(more); i++) {
        assert_int_equal(verify_text(unit_fmt(BEGIN
            "{\"NotificationRequestItem\":{\"additionalData\":{"
            "\"hmacSignature\":\"%s\"},\"amount\":{\"value\":1.0e0,"
            "\"currency\":\"EUR\"},\"eventCode\":\"AUTHORISATION\","
            "\"merchantAccountCode\":\"TestMerchant\","
            "\"merchantReference\":\"t1\",\"pspReference\":\"P\","
            "\"success\":true%s}}" END "%c", sign, more[i], 0).data),
            PT_VERIFY_OK);
        assert_int_equal(notice.kind, PT_NOTICE_PAID);
        assert_int_equal(notice.amount, 1);
    }

    text = ":::::::";
    adyen_sign_text(ADYEN_KEY, text, strlen(text), sign);
    assert_int_equal(verify_text(unit_fmt(BEGIN
        "{\"NotificationRequestItem\":{\"additionalData\":{"
        "\"hmacSignature\":\"%s\"},\"amount\":{}}}" END "%c", sign, 0).data),
        PT_VERIFY_MISSING);
}


/* n items: those whose number is in bad are forged. */
static pt_verify_e
verify_items(size_t n, uint64_t bad)
{
    size_t         i;
    pt_out_t       out;
    adyen_item_t   item;

    unit_out(&out);
    pt_out_str(&out, BEGIN);

    for (i = 0; i < n; i++) {
        item = adyen_paid();
        item.psp_reference = unit_fmt("P%zu%c", i, 0).data;
        key = bad >> i % 64 & 1 ? ADYEN_OTHER : ADYEN_NEXT;

        pt_out_str(&out, i ? "," : "");
        pt_out_str(&out, element(&item, NULL));
    }

    pt_out_str(&out, END);

    return verify_with(conf, pt_out_slice(&out), unit_alloc);
}


static void
told_is(size_t n, uint64_t bad)
{
    size_t              i;
    const pt_notice_t  *next;

    next = &notice;

    for (i = 0; i < n; i++) {
        assert_non_null(next);

        if (bad >> i & 1) {
            assert_int_equal(next->genuine, 0);
            assert_int_equal(next->kind, PT_NOTICE_IGNORED);
            assert_int_equal(next->trade_no.len, 0);
            assert_int_equal(next->amount, 0);

        } else {
            assert_int_equal(next->genuine, 1);
            assert_int_equal(next->kind, PT_NOTICE_PAID);
            assert_int_equal(next->amount, 1130);
            unit_slice_is(next->trade_no, unit_fmt("P%zu%c", i, 0).data);
        }

        next = next->next;
    }

    assert_null(next);
}


static void
test_several(void **state)
{
    uint64_t  bad;

    assert_int_equal(verify_items(2, 0), PT_VERIFY_OK);
    told_is(2, 0);
    assert_int_equal(verify_items(20, 0), PT_VERIFY_OK);
    told_is(20, 0);

    for (bad = 1; bad < 16; bad++) {
        assert_int_equal(verify_items(4, bad), PT_VERIFY_BAD_SIGNATURE);
        told_is(4, bad);
    }
}


/* The first refusal is told; each item is for itself. */
static void
test_several_refusals(void **state)
{
    adyen_item_t  account, event;
    const char   *a, *b, *good;

    account = event = adyen_paid();
    good = element(&event, NULL);
    account.merchant_account = "x";
    event.event_code = "";
    a = element(&account, NULL);
    b = element(&event, NULL);

    assert_int_equal(verify_text(unit_fmt(BEGIN "%s,%s,%s" END "%c", good, a,
                                          b, 0).data),
                     PT_VERIFY_WRONG_MERCHANT);
    assert_int_equal(notice.genuine, 1);
    assert_int_equal(notice.next->genuine, 0);
    assert_int_equal(notice.next->next->genuine, 0);
    assert_null(notice.next->next->next);

    assert_int_equal(verify_text(unit_fmt(BEGIN "%s,%s,{}" END "%c", b, good,
                                          0).data), PT_VERIFY_MISSING);
    assert_int_equal(notice.genuine, 0);
    assert_int_equal(notice.next->genuine, 1);
    assert_int_equal(notice.next->next->genuine, 0);

    assert_int_equal(verify_text(unit_fmt(BEGIN "1,%s" END "%c", good,
                                          0).data), PT_VERIFY_BAD_FORM);
    assert_int_equal(notice.genuine, 0);
    assert_int_equal(notice.next->genuine, 1);
}


static void
test_too_many(void **state)
{
    pt_slice_t  most;

    assert_int_equal(PT_NOTICES_MAX, 20);
    most = unit_repeat("{},", PT_NOTICES_MAX);
    most.len--;

    assert_int_equal(verify_text(unit_fmt(BEGIN "%.*s" END "%c",
                                          (int) most.len, most.data, 0).data),
                     PT_VERIFY_BAD_FORM);
    assert_non_null(notice.next);

    assert_int_equal(verify_text(unit_fmt(BEGIN "%.*s,{}" END "%c",
                                          (int) most.len, most.data, 0).data),
                     PT_VERIFY_BAD_FORM);
    assert_null(notice.next);
}


static int  rest;


static void *
scarce_alloc(void *ctx, size_t size)
{
    return rest-- > 0 ? unit_alloc(ctx, size) : NULL;
}


static void
test_no_memory(void **state)
{
    int           i;
    pt_slice_t    body;
    pt_verify_e   rc;
    adyen_item_t  item;

    item = adyen_paid();
    item.event_code = "REFUND";
    item.original_reference = "P";
    body = unit_fmt(BEGIN "%s,%s" END, element(&item, NULL),
                    element(&item, NULL));

    for (i = 0; i < 20; i++) {
        rest = i;
        rc = verify_with(conf, body, scarce_alloc);

        if (rc == PT_VERIFY_OK) {
            break;
        }

        assert_int_equal(rc, PT_VERIFY_NO_MEMORY);
        assert_null(notice.next);
        assert_null(notice.trade_no.data);
        assert_int_equal(notice.genuine, 0);
    }

    assert_in_range(i, 5, 19);
}


static void
test_table(void **state)
{
    assert_string_equal(pt_adyen.answers[PT_ANSWER_ACCEPTED].body,
                        "[accepted]");
    assert_int_equal(pt_adyen.answers[PT_ANSWER_ACCEPTED].status, 200);
    assert_int_equal(pt_adyen.answers[PT_ANSWER_REFUSED].status, 401);
    assert_int_equal(pt_adyen.answers[PT_ANSWER_LATER].status, 503);
    assert_null(pt_adyen.methods(conf)[0]);
}


static void
refused(const char *name, const char *value, const char *part)
{
    void        *fresh;
    const char  *why;

    why = NULL;
    fresh = pt_adyen.create(pt_slice_lit("EUR"), 2);

    assert_int_equal(adyen_set(fresh, name, value, &why), -1);
    assert_non_null(why);

    if (strstr(why, part) == NULL) {
        fail_msg("%s: %s", name, why);
    }

    pt_adyen.destroy(fresh);
}


static void
test_settings(void **state)
{
    int          i;
    void        *fresh;
    const char  *why;

    refused("hmac_key", "", "64 hexadecimal");
    refused("hmac_key", "x", "64 hexadecimal");
    refused("hmac_key", ADYEN_KEY "00", "64 hexadecimal");
    refused("hmac_key", ADYEN_KEY " ", "64 hexadecimal");
    refused("hmac_key", " " ADYEN_KEY, "64 hexadecimal");
    refused("hmac_key", ADYEN_KEY "\n\n", "64 hexadecimal");
    refused("hmac_key", ADYEN_KEY + 1, "64 hexadecimal");
    refused("hmac_key", ADYEN_KEY + 2, "64 hexadecimal");
    refused("hmac_key", "z4782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48E"
            "C2ACF6BA056", "64 hexadecimal");
    refused("merchant_account", "", "1 to 128");
    refused("merchant_account", "a\nb", "1 to 128");
    refused("merchant_account", "a:b", "colon");
    refused("mode", "", "live");
    refused("mode", "Live", "live");

    fresh = pt_adyen.create(pt_slice_lit("EUR"), 2);
    assert_int_equal(pt_adyen.check(fresh, &why), -1);
    assert_non_null(strstr(why, "needs merchant_account and hmac_key"));

    assert_int_equal(adyen_set(fresh, "merchant_account", "a", &why), 0);
    assert_int_equal(adyen_set(fresh, "merchant_account", "a", &why), -1);
    assert_non_null(strstr(why, "twice"));
    assert_int_equal(pt_adyen.check(fresh, &why), -1);

    assert_int_equal(adyen_set(fresh, "hmac_key", ADYEN_KEY "\r\n", &why), 0);
    assert_int_equal(adyen_set(fresh, "hmac_key", ADYEN_KEY, &why), -1);
    assert_non_null(strstr(why, "twice"));

    for (i = 1; i < PT_SECRETS_MAX; i++) {
        assert_int_equal(adyen_set(fresh, "hmac_key",
                                   unit_fmt("%064d%c", i, 0).data, &why), 0);
    }

    assert_int_equal(adyen_set(fresh, "hmac_key", ADYEN_NEXT, &why), -1);
    assert_non_null(strstr(why, "too many"));
    assert_int_equal(adyen_set(fresh, "mode", "test", &why), 0);
    assert_int_equal(adyen_set(fresh, "mode", "live", &why), -1);
    assert_non_null(strstr(why, "twice"));
    assert_int_equal(pt_adyen.check(fresh, &why), 0);

    pt_adyen.destroy(fresh);
    pt_adyen.destroy(NULL);
}


/* Live, where nothing else is said. */
static void
test_default_mode(void **state)
{
    void          *fresh;
    pt_slice_t     body;
    const char    *why;
    adyen_item_t   item;

    fresh = pt_adyen.create(pt_slice_lit("EUR"), 2);
    assert_int_equal(adyen_set(fresh, "merchant_account", "TestMerchant",
                               &why), 0);
    assert_int_equal(adyen_set(fresh, "hmac_key", ADYEN_KEY, &why), 0);
    assert_int_equal(pt_adyen.check(fresh, &why), 0);

    item = adyen_paid();
    body = unit_fmt("{\"live\":\"true\",\"notificationItems\":[%s]}",
                    element(&item, NULL));

    assert_int_equal(verify_with(fresh, body, unit_alloc), PT_VERIFY_OK);
    assert_int_equal(verify_with(fresh, unit_str(body_of(&item)), unit_alloc),
                     PT_VERIFY_WRONG_MODE);

    pt_adyen.destroy(fresh);
}


static void
test_decimals(void **state)
{
    void        *fresh;
    size_t       i;
    unsigned     decimals;
    const char  *why;

    static const struct {
        const char  *currency;
        unsigned     decimals;
    } cases[] = {
        { "EUR", 2 }, { "CNY", 2 }, { "CLP", 2 }, { "ISK", 2 }, { "JPY", 0 },
        { "IDR", 0 }, { "CVE", 0 }, { "KWD", 3 }, { "IQD", 3 },
    };

    for (i = 0; i < N(cases); i++) {
        for (decimals = 0; decimals <= 4; decimals++) {
            fresh = pt_adyen.create(unit_str(cases[i].currency), decimals);
            assert_int_equal(adyen_set(fresh, "merchant_account", "a", &why),
                             0);
            assert_int_equal(adyen_set(fresh, "hmac_key", ADYEN_KEY, &why),
                             0);
            assert_int_equal(pt_adyen.check(fresh, &why),
                             decimals == cases[i].decimals ? 0 : -1);
            assert_true(decimals == cases[i].decimals
                        || strstr(why, "paytrade_currency") != NULL);
            pt_adyen.destroy(fresh);
        }
    }
}


static int
begin(void **state)
{
    conf = adyen_make("test");

    return 0;
}


static int
end(void **state)
{
    pt_adyen.destroy(conf);

    return 0;
}


#define a_case(f)  cmocka_unit_test_setup_teardown(f, setup, unit_end)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        a_case(test_published),
        a_case(test_paid),
        a_case(test_refund),
        a_case(test_other_events),
        a_case(test_values),
        a_case(test_escapes),
        a_case(test_ambiguous),
        a_case(test_keys),
        a_case(test_signature),
        a_case(test_changed),
        a_case(test_flips),
        a_case(test_modes),
        a_case(test_types),
        a_case(test_signature_first),
        a_case(test_forms),
        a_case(test_absent),
        a_case(test_several),
        a_case(test_several_refusals),
        a_case(test_too_many),
        a_case(test_no_memory),
        a_case(test_table),
        a_case(test_settings),
        a_case(test_default_mode),
        a_case(test_decimals),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
