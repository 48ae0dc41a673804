/*
 * Standard Webhooks: its settings, and what is made of messages.
 */

#include "hook.h"
#include "pt_base64.h"
#include "pt_standard_webhooks.h"
#include "unit.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))

#define NOW     INT64_C(1770000000000)
#define TIME    "1770000000"
#define ID      "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"
#define SECRET  "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define NEXT    "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


static const char  paid[] =
    "{\"type\":\"payment.succeeded\",\"timestamp\":\"2026-02-02T02:39:50Z\","
    "\"test\":false,\"env\":\"live\",\"data\":{\"pay_no\":"
    "\"t1763712000123000002\",\"id\":\"p-1\",\"amount\":500000,"
    "\"currency\":\"cny\",\"refunded\":100050,\"refund\":{\"id\":\"r-1\","
    "\"amount\":100050},\"price\":\"5000.00\",\"back\":\"1000.50\"}}";


typedef struct {
    const char  *name;
    const char  *value;
} set_t;


static const set_t  settings[] = {
    { "pay_no_field", "data.pay_no" }, { "trade_no_field", "data.id" },
    { "amount_field", "data.amount" }, { "currency_field", "data.currency" },
    { "refunded_field", "data.refunded" },
    { "paid_type", "payment.succeeded" }, { "paid_type", "order.paid" },
    { "refunded_type", "payment.refunded" },
    { "closed_type", "payment.closed" }, { NULL, NULL }
};


static void            *conf;
static hook_headers_t   headers;
static pt_callback_t    callback;
static pt_notice_t      notice;
static const char      *secret, *id, *at, *names;
static char             body[HOOK_TEXT_MAX];


/* NULL as a value: without the setting. */
static void *
new_conf(const set_t *base, const set_t *changes)
{
    int           rc;
    void         *made;
    const char   *why;
    const set_t  *set, *change;

    made = pt_standard_webhooks.create(pt_slice_lit("CNY"), 2);
    assert_non_null(made);

    assert_int_equal(hook_conf(&pt_standard_webhooks, made, "secret",
                               NEXT "\n", &why), 0);
    assert_int_equal(hook_conf(&pt_standard_webhooks, made, "secret", SECRET,
                               &why), 0);

    for (set = base; set->name; set++) {
        for (change = changes; change->name; change++) {
            if (strcmp(change->name, set->name) == 0) {
                break;
            }
        }

        if (change->name) {
            continue;
        }

        assert_int_equal(hook_conf(&pt_standard_webhooks, made, set->name,
                                   set->value, &why), 0);
    }

    for (change = changes; change->name; change++) {
        if (change->value) {
            assert_int_equal(hook_conf(&pt_standard_webhooks, made,
                                       change->name, change->value, &why), 0);
        }
    }

    rc = pt_standard_webhooks.check(made, &why);

    if (rc != 0) {
        fail_msg("%s", why);
    }

    return made;
}


#define conf_is(base, ...)                                                    \
    (pt_standard_webhooks.destroy(conf),                                      \
     conf = new_conf(base, (const set_t []) { __VA_ARGS__ { NULL, NULL } }))

static const set_t  nothing[] = { { NULL, NULL } };


static int
setup(void **state)
{
    memset(&headers, 0, sizeof(headers));
    hook_set(&headers, "Content-Type", "application/json");

    callback.header = hook_header;
    callback.ctx = &headers;
    callback.now = NOW;
    callback.alloc = unit_alloc;

    secret = SECRET;
    id = ID;
    at = TIME;
    names = "webhook";
    conf = new_conf(settings, nothing);

    return unit_setup(state);
}


static int
teardown(void **state)
{
    pt_standard_webhooks.destroy(conf);

    return unit_end(state);
}


static pt_verify_e
verify_body(const char *s, size_t len)
{
    memset(&notice, 0x55, sizeof(notice));
    callback.body = unit_mem(s, len);

    return pt_standard_webhooks.verify(conf, &callback, &notice);
}


static const char *
header_name(const char *what)
{
    return unit_fmt("%s-%s%c", names, what, 0).data;
}


/* In Base64, as it stands in the header. */
static const char *
mac_of(const char *key, const char *s, size_t len)
{
    size_t         key_len;
    pt_out_t       out;
    unsigned char  data[64], mac[HOOK_MAC_LEN];

    assert_int_equal(pt_base64_decode(pt_slice(key + 6, strlen(key) - 6),
                                      data, sizeof(data), &key_len), 0);
    hook_mac(data, key_len, id, at, s, len, mac);

    unit_out(&out);
    pt_base64_encode(&out, mac, HOOK_MAC_LEN);

    return unit_text(&out);
}


static pt_verify_e
verify_signed(const char *s, size_t len)
{
    hook_set(&headers, header_name("id"), id);
    hook_set(&headers, header_name("timestamp"), at);
    hook_set(&headers, header_name("signature"),
             unit_fmt("v1,%s%c", mac_of(secret, s, len), 0).data);

    return verify_body(s, len);
}


static pt_verify_e
verify_with(const char *json, const hook_change_t *changes)
{
    return verify_signed(body, hook_with(json, changes, body));
}


#define with(...)                                                             \
    verify_with(paid, (const hook_change_t []) { __VA_ARGS__ { NULL, NULL } })


/* From the specification and its libraries. */
static void
test_vectors(void **state)
{
    static const char  message[] = "{\"test\": 2432232314}";

    callback.now = INT64_C(1614265330000);
    id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    at = "1614265330";

    assert_string_equal(mac_of(SECRET, message, strlen(message)),
                        "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");

    for (names = "webhook"; names; names = *names == 'w' ? "svix" : NULL) {
        memset(&headers, 0, sizeof(headers));
        hook_set(&headers, header_name("id"), id);
        hook_set(&headers, header_name("timestamp"), at);
        hook_set(&headers, header_name("signature"),
                 "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");

        assert_int_equal(verify_body(message, strlen(message)), PT_VERIFY_OK);
        assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
        unit_slice_is(notice.event_id, "msg_p5jXN8AQM9LWM0D4loKWxJek");
    }
}


static void
test_kinds(void **state)
{
    assert_int_equal(with(), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_PAID);
    unit_slice_is(notice.out_trade_no, "t1763712000123000002");
    unit_slice_is(notice.trade_no, "p-1");
    unit_slice_is(notice.event_id, ID);
    unit_slice_is(notice.currency, "CNY");
    assert_int_equal(notice.amount, 500000);
    assert_int_equal(notice.refund_no.len, 0);
    assert_int_equal(notice.refunded, 0);
    assert_int_equal(notice.paid_at, 0);
    assert_int_equal(notice.one_refund, 0);
    assert_null(notice.next);

    assert_int_equal(with({ "type", "\"order.paid\"" },), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_PAID);

    assert_int_equal(with({ "type", "\"payment.refunded\"" },), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_REFUNDED);
    assert_int_equal(notice.amount, 500000);
    assert_int_equal(notice.refunded, 100050);
    assert_int_equal(notice.one_refund, 0);
    unit_slice_is(notice.refund_no, ID);

    assert_int_equal(with({ "type", "\"payment.closed\"" },), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_CLOSED);
    assert_int_equal(notice.amount, -1);
    unit_slice_is(notice.currency, "CNY");
}


/* No money came in: neither amount nor currency has to be told. */
static void
test_closed(void **state)
{
    size_t  i;

    static const char *const  amounts[] = {
        NULL, "null", "0", "\"0\"", "-1", "\"x\"", "[]",
    };

    for (i = 0; i < N(amounts); i++) {
        assert_int_equal(with({ "type", "\"payment.closed\"" },
                              { "data.amount", amounts[i] },
                              { "data.refunded", NULL },
                              { "data.currency", i % 2 ? NULL : "null" },),
                         PT_VERIFY_OK);
        assert_int_equal(notice.kind, PT_NOTICE_CLOSED);
        assert_int_equal(notice.amount, -1);
        assert_int_equal(notice.currency.len, 0);
        unit_slice_is(notice.trade_no, "p-1");
    }

    assert_int_equal(with({ "type", "\"payment.closed\"" },
                          { "data.currency", "7" },), PT_VERIFY_BAD_VALUE);
    assert_int_equal(with({ "type", "\"payment.refunded\"" },
                          { "data.currency", NULL },), PT_VERIFY_MISSING);
}


static void
test_ignored(void **state)
{
    size_t  i;

    static const char *const  types[] = {
        "\"payment.created\"", "\"Payment.succeeded\"", "\"\"", "7", "null",
        "\"payment.succeeded \"", "[\"payment.succeeded\"]",
    };

    static const char *const  bodies[] = {
        "", " ", "x", "7", "[]", "[{\"type\":\"payment.succeeded\"}]",
        "\"payment.succeeded\"", "null", "a=b&c=d", "<xml/>", "{", "{\"a\":}",
        "\xff\xfe", "{\"a\":\"\xff\"}", "{\"a\":\"\\u0000\"}", "{}",
        "[{\"a\":1,\"a\":2}]", "\r\n",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    };

    for (i = 0; i < N(types); i++) {
        assert_int_equal(with({ "type", types[i] },
                              { "data.amount", "\"x\"" },), PT_VERIFY_OK);
        assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
        unit_slice_is(notice.event_id, ID);
        assert_int_equal(notice.out_trade_no.len, 0);
    }

    assert_int_equal(with({ "type", NULL },), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);

    for (i = 0; i < N(bodies); i++) {
        if (verify_signed(bodies[i], strlen(bodies[i])) != PT_VERIFY_OK
            || notice.kind != PT_NOTICE_IGNORED)
        {
            fail_msg("%s", bodies[i]);
        }
    }

    assert_int_equal(verify_signed("a\0b", 3), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);

    /* without any type to look for, too */

    conf_is(nothing, { NULL, NULL },);
    assert_int_equal(with(), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
}


/* What cannot be read, and may be one of ours, is not passed over. */
static void
test_unreadable(void **state)
{
    size_t  i, len;

    static const char *const  forms[] = {
        "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}",
        "{\"type\":\"payment.succeeded\",\"data\":{\"amount\":1,"
        "\"amount\":2}}",
        "{\"type\":\"payment.succeeded\",\"data\":\xff}",
        "{\"type\":\"payment.succeeded\",}",
        "{\"type\":\"payment.succeeded\",\"x\":[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]"
        "]]]]]]}",
        "\xef\xbb\xbf{\"type\":\"payment.closed\"}",
        "{\"type\":\"payment\\u002esucceeded\",}",
        "{\"type\":\"\\u0070\\u0061yment.closed\",}",
        "{\"type\":\"payment.refunde\\u0064\",}",
        "\xef\xbb\xbf{\"type\":\"order\\u002Epaid\"}",
    };

    for (i = 0; i < N(forms); i++) {
        if (verify_signed(forms[i], strlen(forms[i])) != PT_VERIFY_BAD_FORM) {
            fail_msg("%s", forms[i]);
        }

        assert_null(notice.event_id.data);
    }

    len = strlen(paid);
    memset(body, ' ', sizeof(body));
    memcpy(body, paid, len);

    assert_int_equal(verify_signed(body, 65536), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_PAID);
    assert_int_equal(verify_signed(body, 65537), PT_VERIFY_BAD_FORM);

    memcpy(body, "{\"type\":\"payment.successes\"", 27);
    assert_int_equal(verify_signed(body, 65537), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
    assert_int_equal(verify_signed(body, sizeof(body)), PT_VERIFY_OK);
    unit_slice_is(notice.event_id, ID);

    /* escapes that hide nothing are nobody's fault */

    memcpy(body, "{\"a\":\"\\n\\u624b\\/\\u002e\"}   ", 27);
    assert_int_equal(verify_signed(body, 65537), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);

    conf_is(nothing, { "pay_no_field", "p" }, { "amount_field", "a" },
            { "paid_type", "order/paid" },);
    memcpy(body, "{\"type\":\"order\\/paid\"}      ", 27);
    assert_int_equal(verify_signed(body, 65537), PT_VERIFY_BAD_FORM);
}


static void
test_values(void **state)
{
    size_t  i;

    static const struct {
        const char   *path;
        const char   *value;
        pt_verify_e   result;
    } cases[] = {
        { "data", NULL, PT_VERIFY_MISSING },
        { "data", "7", PT_VERIFY_MISSING },
        { "data", "[]", PT_VERIFY_MISSING },
        { "data.pay_no", NULL, PT_VERIFY_MISSING },
        { "data.pay_no", "null", PT_VERIFY_MISSING },
        { "data.pay_no", "\"\"", PT_VERIFY_BAD_VALUE },
        { "data.pay_no", "1763712000123000002", PT_VERIFY_BAD_VALUE },
        { "data.pay_no", "\"a b\"", PT_VERIFY_BAD_VALUE },
        { "data.pay_no", "\"a,b\"", PT_VERIFY_BAD_VALUE },
        { "data.pay_no", "\"\\u624b\"", PT_VERIFY_BAD_VALUE },
        { "data.id", NULL, PT_VERIFY_MISSING },
        { "data.id", "\"\"", PT_VERIFY_BAD_VALUE },
        { "data.id", "\"a\\tb\"", PT_VERIFY_BAD_VALUE },
        { "data.id", "7", PT_VERIFY_OK },
        { "data.id", "9007199254740991", PT_VERIFY_OK },
        { "data.id", "9007199254740992", PT_VERIFY_BAD_VALUE },
        { "data.id", "1.5", PT_VERIFY_BAD_VALUE },
        { "data.id", "-1", PT_VERIFY_BAD_VALUE },
        { "data.id", "true", PT_VERIFY_BAD_VALUE },
        { "data.amount", NULL, PT_VERIFY_MISSING },
        { "data.amount", "0", PT_VERIFY_BAD_VALUE },
        { "data.amount", "\"0\"", PT_VERIFY_BAD_VALUE },
        { "data.amount", "-1", PT_VERIFY_BAD_VALUE },
        { "data.amount", "5000.5", PT_VERIFY_BAD_VALUE },
        { "data.amount", "10000000000001", PT_VERIFY_BAD_VALUE },
        { "data.amount", "\"10000000000001\"", PT_VERIFY_BAD_VALUE },
        { "data.amount", "\"500000\"", PT_VERIFY_OK },
        { "data.amount", "\"0500000\"", PT_VERIFY_BAD_VALUE },
        { "data.amount", "\"5000.00\"", PT_VERIFY_BAD_VALUE },
        { "data.amount", "\" 500000\"", PT_VERIFY_BAD_VALUE },
        { "data.amount", "\"+500000\"", PT_VERIFY_BAD_VALUE },
        { "data.amount", "\"5e5\"", PT_VERIFY_BAD_VALUE },
        { "data.amount", "\"\"", PT_VERIFY_BAD_VALUE },
        { "data.amount", "false", PT_VERIFY_BAD_VALUE },
        { "data.currency", NULL, PT_VERIFY_MISSING },
        { "data.currency", "156", PT_VERIFY_BAD_VALUE },
        { "data.currency", "\"yuan\"", PT_VERIFY_BAD_VALUE },
        { "data.currency", "\"USD\"", PT_VERIFY_OK },
        { "data.refunded", "\"x\"", PT_VERIFY_OK },
    };

    for (i = 0; i < N(cases); i++) {
        if (with({ cases[i].path, cases[i].value },) != cases[i].result) {
            fail_msg("%s: %s", cases[i].path,
                     cases[i].value ? cases[i].value : "(none)");
        }

        if (cases[i].result != PT_VERIFY_OK) {
            assert_null(notice.event_id.data);
            assert_int_equal(notice.kind, 0);
        }
    }

    assert_int_equal(with({ "data.id", "9007199254740991" },), PT_VERIFY_OK);
    unit_slice_is(notice.trade_no, "9007199254740991");
}


static void
test_refunds(void **state)
{
    conf_is(settings, { "refunds", "single" },
            { "refund_no_field", "data.refund.id" },
            { "refunded_field", "data.refund.amount" },);

    assert_int_equal(with({ "type", "\"payment.refunded\"" },), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_REFUNDED);
    assert_int_equal(notice.one_refund, 1);
    unit_slice_is(notice.refund_no, "r-1");
    assert_int_equal(notice.refunded, 100050);
    assert_int_equal(notice.amount, 500000);

    assert_int_equal(with({ "type", "\"payment.refunded\"" },
                          { "data.amount", NULL },), PT_VERIFY_OK);
    assert_int_equal(notice.amount, -1);
    assert_int_equal(with({ "type", "\"payment.refunded\"" },
                          { "data.refund.id", NULL },), PT_VERIFY_MISSING);
    assert_int_equal(with({ "type", "\"payment.refunded\"" },
                          { "data.refund.amount", "0" },),
                     PT_VERIFY_BAD_VALUE);
    assert_int_equal(with({ "type", "\"payment.refunded\"" },
                          { "data.refund", NULL },), PT_VERIFY_MISSING);

    /* one field for both: a refund tells its own amount there */

    conf_is(settings, { "refunds", "single" },
            { "refund_no_field", "data.refund.id" },
            { "refunded_field", "data.amount" },);
    assert_int_equal(with({ "type", "\"payment.refunded\"" },
                          { "data.amount", "7" },), PT_VERIFY_OK);
    assert_int_equal(notice.refunded, 7);
    assert_int_equal(notice.amount, -1);
    assert_int_equal(with(), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_PAID);
    assert_int_equal(notice.amount, 500000);

    /* totals, with a number of their own */

    conf_is(settings, { "refund_no_field", "data.refund.id" },);
    assert_int_equal(with({ "type", "\"payment.refunded\"" },), PT_VERIFY_OK);
    assert_int_equal(notice.one_refund, 0);
    unit_slice_is(notice.refund_no, "r-1");
    assert_int_equal(with({ "type", "\"payment.refunded\"" },
                          { "data.amount", NULL },), PT_VERIFY_MISSING);
}


static void
test_decimal_amounts(void **state)
{
    size_t  i;

    static const struct {
        const char   *value;
        int64_t       amount;
    } cases[] = {
        { "\"5000.00\"", 500000 }, { "\"5000.0\"", 500000 },
        { "\"5000\"", 500000 }, { "\"0.01\"", 1 }, { "\"0.00\"", -1 },
        { "\"5000.001\"", -1 }, { "\"5000.\"", -1 }, { "\".5\"", -1 },
        { "\"-1.00\"", -1 }, { "\"1,000.00\"", -1 }, { "5000", -1 },
        { "5000.00", -1 }, { "\"5e3\"", -1 }, { "\"05.00\"", -1 },
    };

    conf_is(settings, { "amounts", "decimal" },
            { "amount_field", "data.price" },
            { "refunded_field", "data.back" },);

    for (i = 0; i < N(cases); i++) {
        if (with({ "data.price", cases[i].value },)
            != (cases[i].amount > 0 ? PT_VERIFY_OK : PT_VERIFY_BAD_VALUE))
        {
            fail_msg("%s", cases[i].value);
        }

        if (cases[i].amount > 0) {
            assert_true(notice.amount == cases[i].amount);
        }
    }

    assert_int_equal(with({ "type", "\"payment.refunded\"" },), PT_VERIFY_OK);
    assert_int_equal(notice.amount, 500000);
    assert_int_equal(notice.refunded, 100050);
}


static void
test_modes(void **state)
{
    conf_is(settings, { "mode_field", "test" }, { "mode", "false" },);
    assert_int_equal(with(), PT_VERIFY_OK);
    assert_int_equal(with({ "test", "true" },), PT_VERIFY_WRONG_MODE);
    assert_int_equal(with({ "test", "\"false\"" },), PT_VERIFY_OK);
    assert_int_equal(with({ "test", "0" },), PT_VERIFY_WRONG_MODE);
    assert_int_equal(with({ "test", NULL },), PT_VERIFY_WRONG_MODE);
    assert_int_equal(with({ "test", "true" }, { "type", "\"other\"" },),
                     PT_VERIFY_WRONG_MODE);
    assert_int_equal(verify_signed("x", 1), PT_VERIFY_OK);

    conf_is(settings, { "mode_field", "env" }, { "mode", "live" },);
    assert_int_equal(with(), PT_VERIFY_OK);
    assert_int_equal(with({ "env", "\"test\"" },), PT_VERIFY_WRONG_MODE);
    assert_int_equal(with({ "env", "\"live \"" },), PT_VERIFY_WRONG_MODE);
    assert_int_equal(with({ "env", "true" },), PT_VERIFY_WRONG_MODE);
    assert_int_equal(with({ "env", "null" },), PT_VERIFY_WRONG_MODE);
}


static void
test_fields(void **state)
{
    /* without its own number the message's is taken */

    conf_is(nothing, { "pay_no_field", "data.pay_no" },
            { "amount_field", "data.amount" }, { "type_field", "env" },
            { "paid_type", "live" },);
    assert_int_equal(with(), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_PAID);
    unit_slice_is(notice.trade_no, ID);
    assert_int_equal(notice.currency.len, 0);

    id = unit_fmt("%064d%c", 7, 0).data;
    assert_int_equal(with(), PT_VERIFY_OK);
    id = unit_fmt("%065d%c", 7, 0).data;
    assert_int_equal(with(), PT_VERIFY_BAD_VALUE);
    assert_int_equal(with({ "env", "\"test\"" },), PT_VERIFY_OK);
    id = unit_fmt("%0128d%c", 7, 0).data;
    assert_int_equal(with({ "env", "\"test\"" },), PT_VERIFY_OK);
    id = unit_fmt("%0129d%c", 7, 0).data;
    assert_int_equal(with({ "env", "\"test\"" },), PT_VERIFY_BAD_VALUE);
}


static void
test_secrets(void **state)
{
    secret = NEXT;
    assert_int_equal(with(), PT_VERIFY_OK);
    secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh4=";
    assert_int_equal(with(), PT_VERIFY_BAD_SIGNATURE);
}


/* In the formats: G, the signature; B, another; L, one cut short. */
static void
test_signatures(void **state)
{
    char         text[2048], *p;
    size_t       i;
    const char  *f, *mac;

    static const struct {
        const char   *format;
        pt_verify_e   result;
    } cases[] = {
        { "v1,G", PT_VERIFY_OK },
        { "v1,B v1,G", PT_VERIFY_OK },
        { "v1,G v1,B", PT_VERIFY_OK },
        { "v1a,B v1,G", PT_VERIFY_OK },
        { "v1,G v1a,x", PT_VERIFY_OK },
        { "v1,x v1,G", PT_VERIFY_OK },
        { "v1,B", PT_VERIFY_BAD_SIGNATURE },
        { "v1,L", PT_VERIFY_BAD_SIGNATURE },
        { "v1,L===", PT_VERIFY_BAD_SIGNATURE },
        { "v1,G=", PT_VERIFY_BAD_SIGNATURE },
        { "v1,=G", PT_VERIFY_BAD_SIGNATURE },
        { "v1,GG", PT_VERIFY_BAD_SIGNATURE },
        { "v1,AAAA", PT_VERIFY_BAD_SIGNATURE },
        { "v1,*", PT_VERIFY_BAD_SIGNATURE },
        { "v1a,G", PT_VERIFY_BAD_ALGORITHM },
        { "v2,G", PT_VERIFY_BAD_ALGORITHM },
        { "V1,G", PT_VERIFY_BAD_ALGORITHM },
        { "v1", PT_VERIFY_BAD_FORM },
        { "v1,", PT_VERIFY_BAD_FORM },
        { ",G", PT_VERIFY_BAD_FORM },
        { "G", PT_VERIFY_BAD_FORM },
        { "v1=G", PT_VERIFY_BAD_FORM },
        { "v1,G,v1,G", PT_VERIFY_BAD_FORM },
        { "v1,G, v1,G", PT_VERIFY_BAD_FORM },
        { "v1,G,", PT_VERIFY_BAD_FORM },
        { "v1,G  v1,G", PT_VERIFY_BAD_FORM },
        { " v1,G", PT_VERIFY_BAD_FORM },
        { "v1,G ", PT_VERIFY_BAD_FORM },
        { "v1 ,G", PT_VERIFY_BAD_FORM },
        { "v1\t,G", PT_VERIFY_BAD_ALGORITHM },
        { "v1,G\t", PT_VERIFY_BAD_SIGNATURE },
        { "", PT_VERIFY_MISSING },
    };

    mac = mac_of(SECRET, paid, strlen(paid));
    hook_set(&headers, "webhook-id", id);
    hook_set(&headers, "webhook-timestamp", at);

    for (i = 0; i < N(cases); i++) {
        p = text;

        for (f = cases[i].format; *f; f++) {
            p += *f == 'G' ? sprintf(p, "%s", mac)
                 : *f == 'L' ? sprintf(p, "%.43s", mac)
                 : *f == 'B' ? sprintf(p, "%043d=", 0)
                 : sprintf(p, "%c", *f);
        }

        *p = '\0';
        hook_set(&headers, "webhook-signature", text);

        if (verify_body(paid, strlen(paid)) != cases[i].result) {
            fail_msg("%s", cases[i].format);
        }
    }
}


static void
test_headers(void **state)
{
    size_t  i;

    static const char *const  three[] = { "id", "timestamp", "signature" };

    for (names = "webhook"; names; names = *names == 'w' ? "svix" : NULL) {
        for (i = 0; i < N(three); i++) {
            memset(&headers, 0, sizeof(headers));
            assert_int_equal(with(), PT_VERIFY_OK);

            hook_set(&headers, header_name(three[i]), "");
            assert_int_equal(verify_signed("x", 1), PT_VERIFY_OK);

            hook_set(&headers, header_name(three[i]), NULL);
            assert_int_equal(verify_body("x", 1), PT_VERIFY_MISSING);
        }
    }

    /* never some of these and some of those */

    for (i = 0; i < N(three); i++) {
        memset(&headers, 0, sizeof(headers));
        names = "webhook";
        assert_int_equal(with(), PT_VERIFY_OK);

        hook_set(&headers, unit_fmt("svix-%s%c", three[i], 0).data,
                 unit_fmt("%s%c", hook_header(&headers,
                                              header_name(three[i])).data,
                          0).data);
        hook_set(&headers, header_name(three[i]), NULL);
        assert_int_equal(verify_body(body, strlen(body)), PT_VERIFY_MISSING);
    }

    /* one set, and a piece of the other */

    memset(&headers, 0, sizeof(headers));
    names = "svix";
    assert_int_equal(with(), PT_VERIFY_OK);
    hook_set(&headers, "webhook-id", "x");
    assert_int_equal(verify_body(body, strlen(body)), PT_VERIFY_OK);
    unit_slice_is(notice.event_id, ID);

    /* both sets: the first counts */

    memset(&headers, 0, sizeof(headers));
    names = "svix";
    secret = NEXT;
    assert_int_equal(with(), PT_VERIFY_OK);
    names = "webhook";
    assert_int_equal(with(), PT_VERIFY_OK);
    hook_set(&headers, "svix-signature", "v1,x");
    assert_int_equal(verify_body(body, strlen(body)), PT_VERIFY_OK);
    hook_set(&headers, "webhook-signature", "v1,x");
    assert_int_equal(verify_body(body, strlen(body)),
                     PT_VERIFY_BAD_SIGNATURE);
}


static void
test_ids(void **state)
{
    size_t  i;

    static const struct {
        const char   *id;
        pt_verify_e   result;
    } cases[] = {
        { "1", PT_VERIFY_OK },
        { "msg.a", PT_VERIFY_OK },
        { "msg.1a", PT_VERIFY_OK },
        { "1770000000.a", PT_VERIFY_OK },
        { "msg." TIME, PT_VERIFY_AMBIGUOUS },
        { "msg.1.a", PT_VERIFY_AMBIGUOUS },
        { "msg.", PT_VERIFY_AMBIGUOUS },
        { "msg..a", PT_VERIFY_AMBIGUOUS },
        { "a\tb", PT_VERIFY_BAD_VALUE },
        { "a\xff", PT_VERIFY_BAD_VALUE },
    };

    for (i = 0; i < N(cases); i++) {
        id = cases[i].id;

        if (with() != cases[i].result) {
            fail_msg("%s", id);
        }
    }
}


/* An old message, with its time taken for a part of the id. */
static void
test_cut_otherwise(void **state)
{
    const char  *mac;

    static const char  old[] = TIME ".{}";

    id = "msg_1";
    at = "1600000000";
    mac = mac_of(SECRET, old, strlen(old));

    hook_set(&headers, "webhook-id", "msg_1.1600000000");
    hook_set(&headers, "webhook-timestamp", TIME);
    hook_set(&headers, "webhook-signature",
             unit_fmt("v1,%s%c", mac, 0).data);

    assert_int_equal(verify_body("{}", 2), PT_VERIFY_AMBIGUOUS);
}


static void
test_times(void **state)
{
    size_t  i;

    static const struct {
        int64_t       now;
        pt_verify_e   result;
    } cases[] = {
        { NOW, PT_VERIFY_OK },
        { NOW + 300000, PT_VERIFY_OK },
        { NOW + 300999, PT_VERIFY_OK },
        { NOW + 301000, PT_VERIFY_STALE },
        { NOW - 300000, PT_VERIFY_OK },
        { NOW - 300001, PT_VERIFY_STALE },
        { 0, PT_VERIFY_STALE },
    };

    static const char *const  forms[] = {
        "0" TIME, "+" TIME, "-" TIME, TIME ".0", TIME "x", "x", "1.77e9",
        "0", "99999999999999999999", TIME ", " TIME,
    };

    for (i = 0; i < N(cases); i++) {
        callback.now = cases[i].now;
        assert_int_equal(with(), cases[i].result);
    }

    callback.now = NOW;

    for (i = 0; i < N(forms); i++) {
        at = forms[i];
        assert_int_equal(with(), PT_VERIFY_BAD_FORM);
    }

    at = TIME;
    conf_is(settings, { "tolerance", "60000" },);
    callback.now = NOW + 60000;
    assert_int_equal(with(), PT_VERIFY_OK);
    callback.now = NOW + 61000;
    assert_int_equal(with(), PT_VERIFY_STALE);

    secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh4=";
    assert_int_equal(with(), PT_VERIFY_BAD_SIGNATURE);
}


static void
test_flips(void **state)
{
    char    *copy;
    size_t   i, len;

    len = strlen(paid);
    copy = unit_alloc(NULL, len);
    assert_int_equal(verify_signed(paid, len), PT_VERIFY_OK);

    for (i = 0; i < len; i++) {
        memcpy(copy, paid, len);
        copy[i] ^= 1 << i % 8;
        assert_int_equal(verify_body(copy, len), PT_VERIFY_BAD_SIGNATURE);
    }

    assert_int_equal(verify_body(paid, len - 1), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(verify_body("", 0), PT_VERIFY_BAD_SIGNATURE);

    /* and of the headers */

    hook_set(&headers, "webhook-id", ID "x");
    assert_int_equal(verify_body(paid, len), PT_VERIFY_BAD_SIGNATURE);
    hook_set(&headers, "webhook-id", ID);
    hook_set(&headers, "webhook-timestamp", "1770000001");
    assert_int_equal(verify_body(paid, len), PT_VERIFY_BAD_SIGNATURE);
}


static void
test_types(void **state)
{
    hook_set(&headers, "Content-Type", NULL);
    assert_int_equal(with(), PT_VERIFY_OK);
    hook_set(&headers, "Content-Type", "text/plain");
    assert_int_equal(with(), PT_VERIFY_OK);
    hook_set(&headers, "Content-Encoding", "identity");
    assert_int_equal(with(), PT_VERIFY_OK);
    hook_set(&headers, "Content-Encoding", "gzip");
    assert_int_equal(with(), PT_VERIFY_BAD_TYPE);
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
    int          i;
    pt_verify_e  rc;

    callback.alloc = scarce_alloc;

    for (i = 0; i < 10; i++) {
        rest = i;
        rc = with({ "type", "\"payment.refunded\"" }, { "data.id", "7" },);

        if (rc == PT_VERIFY_OK) {
            break;
        }

        assert_int_equal(rc, PT_VERIFY_NO_MEMORY);
        assert_null(notice.trade_no.data);
    }

    assert_in_range(i, 3, 9);
}


static void
test_answers(void **state)
{
    const pt_answer_t  *answers;

    answers = pt_standard_webhooks.answers;

    assert_int_equal(answers[PT_ANSWER_ACCEPTED].status, 200);
    assert_int_equal(answers[PT_ANSWER_REFUSED].status, 400);
    assert_int_equal(answers[PT_ANSWER_LATER].status, 503);
    assert_null(pt_standard_webhooks.methods(conf)[0]);
}


static void
test_settings(void **state)
{
    int          i;
    void        *made;
    size_t       k;
    const char  *why;

    static const struct {
        const char  *name;
        const char  *value;
        const char  *part;
    } refused[] = {
        { "secret", "", "whsec_" },
        { "secret", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_" },
        { "secret", "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "v1a" },
        { "secret", "whpk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "v1a" },
        { "secret", "whsec_", "24 to 64" },
        { "secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLQ==", "24 to 64" },
        { "secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa*w", "24 to 64" },
        { "secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n\n",
          "24 to 64" },
        { "secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw ", "24 to 64" },
        { "secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwX", "24 to 64" },
        { "secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwQR==",
          "24 to 64" },
        { "pay_no_field", "", "data.pay_no" },
        { "pay_no_field", "a..b", "data.pay_no" },
        { "mode_field", ".a", "data.pay_no" },
        { "type_field", "a.", "data.pay_no" },
        { "mode", "", "1 to 128" },
        { "paid_type", "", "1 to 128" },
        { "paid_type", "a\nb", "1 to 128" },
        { "amounts", "cents", "\"minor\"" },
        { "amounts", "", "\"minor\"" },
        { "refunds", "all", "\"total\"" },
        { "tolerance", "999", "1s to 1d" },
    };

    made = pt_standard_webhooks.create(pt_slice_lit("CNY"), 2);

    for (k = 0; k < N(refused); k++) {
        why = NULL;

        if (hook_conf(&pt_standard_webhooks, made, refused[k].name,
                      refused[k].value, &why)
            != -1)
        {
            fail_msg("%s \"%s\"", refused[k].name, refused[k].value);
        }

        assert_non_null(why);
        assert_non_null(strstr(why, refused[k].part));
        assert_null(strstr(why, "MfKQ"));
    }

    assert_int_equal(pt_standard_webhooks.check(made, &why), -1);
    assert_non_null(strstr(why, "needs secret"));

    /* 24 and 64 bytes, with and without padding */

#define set(name, value)                                                      \
    hook_conf(&pt_standard_webhooks, made, name, value, &why)

    assert_int_equal(set("secret", SECRET "\r\n"), 0);
    assert_int_equal(set("secret", unit_fmt("%.*s%c", (int) strlen(NEXT) - 1,
                                            NEXT, 0).data), 0);
    assert_int_equal(set("secret", NEXT), -1);
    assert_non_null(strstr(why, "twice"));
    assert_int_equal(set("secret", unit_fmt("whsec_%085dA==%c", 0, 0).data),
                     0);
    assert_int_equal(set("secret", unit_fmt("whsec_%085dA%c", 0, 0).data), -1);
    assert_non_null(strstr(why, "twice"));
    assert_int_equal(set("secret", unit_fmt("whsec_%085dQ%c", 0, 0).data), 0);
    assert_int_equal(set("secret", unit_fmt("whsec_%086dA=%c", 0, 0).data),
                     -1);
    assert_int_equal(set("secret", unit_fmt("whsec_%0200d%c", 0, 0).data),
                     -1);

    for (i = 0; i < 4; i++) {
        assert_int_equal(set("secret", unit_fmt("whsec_%032d%c", i, 0).data),
                         0);
    }

    assert_int_equal(set("secret", SECRET), -1);
    assert_non_null(strstr(why, "8 are the most"));

    for (i = 0; i < 8; i++) {
        assert_int_equal(set("paid_type", unit_fmt("p%d%c", i, 0).data), 0);
        assert_int_equal(set("closed_type", unit_fmt("c%d%c", i, 0).data), 0);
        assert_int_equal(set("refunded_type", unit_fmt("r%d%c", i, 0).data),
                         0);
    }

    assert_int_equal(set("paid_type", "p8"), -1);
    assert_non_null(strstr(why, "8 of a kind"));
    assert_int_equal(set("refunded_type", "c7"), -1);
    assert_non_null(strstr(why, "given before"));

    assert_int_equal(set("amounts", "minor"), 0);
    assert_int_equal(set("amounts", "minor"), -1);
    assert_int_equal(set("refunds", "total"), 0);
    assert_int_equal(set("refunds", "single"), -1);
    assert_int_equal(set("pay_no_field", "a"), 0);
    assert_int_equal(set("pay_no_field", "a"), -1);
    assert_non_null(strstr(why, "twice"));

    pt_standard_webhooks.destroy(made);
}


#define PAID                                                                  \
    { "paid_type", "paid" }, { "pay_no_field", "a" },                         \
    { "amount_field", "amount" }


/* What belongs together. */
static void
test_check(void **state)
{
    int          paying;
    void        *made;
    size_t       i, k;
    const char  *why;

    static const struct {
        set_t        sets[8];
        const char  *part;             /* NULL: all is well */
    } cases[] = {
        { { { NULL, NULL } }, NULL },
        { { { "tolerance", "60000" } }, NULL },
        { { { "pay_no_field", "a" } }, "paid_type" },
        { { { "amount_field", "a" } }, "paid_type" },
        { { { "pay_no_field", "a" }, { "amount_field", "b" } }, "paid_type" },
        { { { "currency_field", "a" } }, "paid_type" },
        { { { "trade_no_field", "a" } }, "paid_type" },
        { { { "type_field", "a" } }, "paid_type" },
        { { { "refunded_field", "a" } }, "paid_type" },
        { { { "refund_no_field", "a" } }, "paid_type" },
        { { { "mode_field", "a" } }, "mode" },
        { { { "mode", "live" } }, "mode_field" },
        { { { "mode", "live" }, { "mode_field", "a" } }, NULL },
        { { { "paid_type", "a" } }, "pay_no_field" },
        { { { "closed_type", "a" } }, "paid_type" },
        { { { "closed_type", "a" }, { "pay_no_field", "a" },
            { "amount_field", "b" } }, "paid_type" },
        { { { "closed_type", "a" }, { "paid_type", "b" },
            { "pay_no_field", "a" }, { "amount_field", "b" } }, NULL },
        { { { "paid_type", "a" }, { "pay_no_field", "a" } }, "amount_field" },
        { { { "paid_type", "a" }, { "amount_field", "a" } }, "pay_no_field" },
        { { { "paid_type", "a" }, { "pay_no_field", "a" },
            { "amount_field", "b" } }, NULL },
        { { { "refunded_type", "a" }, { "pay_no_field", "a" },
            { "amount_field", "d" }, { "refunded_field", "b" },
            { "trade_no_field", "c" } }, "paid_type" },
        { { PAID, { "refunded_type", "a" } }, "refunded_field" },
        { { PAID, { "refunded_type", "a" }, { "refunded_field", "b" } },
          "trade_no_field" },
        { { PAID, { "refunded_type", "a" }, { "refunded_field", "amount" },
            { "trade_no_field", "c" } }, "amount_field" },
        { { PAID, { "refunded_type", "a" }, { "refunded_field", "b" },
            { "trade_no_field", "c" } }, NULL },
        { { PAID, { "refunded_type", "a" }, { "refunded_field", "b" },
            { "trade_no_field", "c" }, { "refunds", "single" } },
          "refund_no_field" },
        { { PAID, { "refunded_type", "a" }, { "refunded_field", "b" },
            { "trade_no_field", "c" }, { "refunds", "single" },
            { "refund_no_field", "d" } }, NULL },
    };

    for (i = 0; i < N(cases); i++) {
        made = pt_standard_webhooks.create(pt_slice_lit("CNY"), 2);
        assert_int_equal(set("secret", SECRET), 0);
        paying = 0;

        for (k = 0; k < 8 && cases[i].sets[k].name; k++) {
            assert_int_equal(set(cases[i].sets[k].name,
                                 cases[i].sets[k].value), 0);
            paying |= strcmp(cases[i].sets[k].name, "paid_type") == 0;
        }

        why = NULL;

        if (pt_standard_webhooks.check(made, &why)
            != (cases[i].part ? -1 : 0))
        {
            fail_msg("case %zu: %s", i, why);
        }

        if (cases[i].part) {
            assert_non_null(strstr(why, cases[i].part));

        } else {
            assert_int_equal(pt_standard_webhooks.settles(made), paying);
        }

        pt_standard_webhooks.destroy(made);
    }
}


#define sw_case(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        sw_case(test_vectors),
        sw_case(test_kinds),
        sw_case(test_closed),
        sw_case(test_ignored),
        sw_case(test_unreadable),
        sw_case(test_values),
        sw_case(test_refunds),
        sw_case(test_decimal_amounts),
        sw_case(test_modes),
        sw_case(test_fields),
        sw_case(test_secrets),
        sw_case(test_signatures),
        sw_case(test_headers),
        sw_case(test_ids),
        sw_case(test_cut_otherwise),
        sw_case(test_times),
        sw_case(test_flips),
        sw_case(test_types),
        sw_case(test_no_memory),
        sw_case(test_answers),
        sw_case(test_settings),
        sw_case(test_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
