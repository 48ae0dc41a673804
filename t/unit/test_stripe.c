/*
 * Stripe: its settings, and what is made of events.
 */

#include "hook.h"
#include "pt_stripe.h"
#include "unit.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))

#define NOW     INT64_C(1770000000000)
#define TIME    "1770000000"
#define SECRET  "whsec_test_secret"
#define NEXT    "whsec_another_secret"
#define JSON    "application/json; charset=utf-8"
#define SESSION "cs_live_a11YYufWQzNY63zpQ6QSNRQhkUpVph4WRmzW0zWJO2znZKdVujZ0N0"


static const char  intent[] =
    "{\"id\":\"evt_1\",\"object\":\"event\",\"api_version\":\"2025-01-27\","
    "\"created\":1769999990,\"livemode\":true,\"pending_webhooks\":1,"
    "\"type\":\"payment_intent.succeeded\",\"request\":{\"id\":null},"
    "\"data\":{\"object\":{\"id\":\"pi_1\",\"object\":\"payment_intent\","
    "\"amount\":500000,\"amount_received\":500000,\"currency\":\"cny\","
    "\"status\":\"succeeded\",\"description\":\"\\u624b\\u673a / \\\"P30\\\"\","
    "\"metadata\":{\"pay_no\":\"t1763712000123000002\"}}}}";

static const char  session[] =
    "{\"id\":\"evt_2\",\"object\":\"event\",\"created\":1769999990,"
    "\"livemode\":true,\"type\":\"checkout.session.completed\","
    "\"data\":{\"object\":{\"id\":\"" SESSION "\","
    "\"object\":\"checkout.session\",\"amount_total\":500000,"
    "\"client_reference_id\":\"t1763712000123000002\",\"currency\":\"cny\","
    "\"metadata\":{},\"payment_intent\":\"pi_1\","
    "\"payment_status\":\"paid\",\"status\":\"complete\"}}}";

static const char  charge[] =
    "{\"id\":\"evt_3\",\"object\":\"event\",\"created\":1769999990,"
    "\"livemode\":true,\"type\":\"charge.refunded\","
    "\"data\":{\"object\":{\"id\":\"ch_1\",\"object\":\"charge\","
    "\"amount\":500000,\"amount_captured\":500000,\"amount_refunded\":100050,"
    "\"captured\":true,\"currency\":\"cny\",\"payment_intent\":\"pi_1\","
    "\"paid\":true,\"refunded\":false,\"status\":\"succeeded\","
    "\"metadata\":{\"pay_no\":\"t1763712000123000002\"}},"
    "\"previous_attributes\":{\"amount_refunded\":0}}}";


static void            *conf;
static hook_headers_t   headers;
static pt_callback_t    callback;
static pt_notice_t      notice;
static const char      *secret, *at;
static char             body[HOOK_TEXT_MAX], hex[2 * HOOK_MAC_LEN + 1];


static void *
new_conf(const char *mode, const char *account)
{
    void        *made;
    const char  *why;

    made = pt_stripe.create(pt_slice_lit("CNY"), 2);
    assert_non_null(made);

    assert_int_equal(hook_conf(&pt_stripe, made, "secret", NEXT "\n", &why),
                     0);
    assert_int_equal(hook_conf(&pt_stripe, made, "secret", SECRET, &why), 0);

    if (mode) {
        assert_int_equal(hook_conf(&pt_stripe, made, "mode", mode, &why), 0);
    }

    if (account) {
        assert_int_equal(hook_conf(&pt_stripe, made, "account", account,
                                   &why), 0);
    }

    assert_int_equal(pt_stripe.check(made, &why), 0);

    return made;
}


static int
setup(void **state)
{
    memset(&headers, 0, sizeof(headers));
    hook_set(&headers, "Content-Type", JSON);

    callback.header = hook_header;
    callback.ctx = &headers;
    callback.now = NOW;
    callback.alloc = unit_alloc;

    secret = SECRET;
    at = TIME;
    conf = new_conf(NULL, NULL);

    return unit_setup(state);
}


static int
teardown(void **state)
{
    pt_stripe.destroy(conf);

    return unit_end(state);
}


static pt_verify_e
verify_body(const char *s, size_t len)
{
    memset(&notice, 0x55, sizeof(notice));
    callback.body = unit_mem(s, len);

    return pt_stripe.verify(conf, &callback, &notice);
}


static const char *
mac_of(const char *key, const char *time, const char *s, size_t len)
{
    unsigned char  mac[HOOK_MAC_LEN];

    hook_mac(key, strlen(key), "", time, s, len, mac);
    hook_hex(mac, hex);

    return hex;
}


static pt_verify_e
verify_signed(const char *s, size_t len)
{
    hook_set(&headers, "Stripe-Signature",
             unit_fmt("t=%s,v1=%s%c", at, mac_of(secret, at, s, len), 0).data);

    return verify_body(s, len);
}


static pt_verify_e
verify_with(const char *json, const hook_change_t *changes)
{
    return verify_signed(body, hook_with(json, changes, body));
}


#define with(json, ...)                                                       \
    verify_with(json, (const hook_change_t []) { __VA_ARGS__ { NULL, NULL } })


/* Made by Stripe's own library for Node.js. */
static void
test_vectors(void **state)
{
    static const char  event[] =
        "{\"id\":\"evt_1\",\"object\":\"event\",\"type\":\"customer.created\","
        "\"livemode\":true,\"data\":{\"object\":{}}}";

    hook_set(&headers, "Stripe-Signature", "t=1770000000,v1="
             "38a07cf639b013275face6badd6b7005"
             "03cd7359eef13f4fbb314fbbe0b0b54a");
    assert_int_equal(verify_body(event, strlen(event)), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
    unit_slice_is(notice.event_id, "evt_1");
}


static void
test_intent(void **state)
{
    assert_int_equal(with(intent), PT_VERIFY_OK);

    assert_int_equal(notice.kind, PT_NOTICE_PAID);
    unit_slice_is(notice.out_trade_no, "t1763712000123000002");
    unit_slice_is(notice.trade_no, "pi_1");
    unit_slice_is(notice.event_id, "evt_1");
    unit_slice_is(notice.currency, "CNY");
    assert_int_equal(notice.amount, 500000);
    assert_int_equal(notice.refund_no.len, 0);
    assert_int_equal(notice.refunded, 0);
    assert_true(notice.paid_at == INT64_C(1769999990000));
    assert_null(notice.next);

    /* as sent, byte for byte, with whatever white space */

    assert_int_equal(verify_signed(intent, strlen(intent)), PT_VERIFY_OK);
    assert_int_equal(notice.amount, 500000);

    assert_int_equal(with(intent, { "created", NULL },), PT_VERIFY_OK);
    assert_int_equal(notice.paid_at, 0);

    assert_int_equal(with(intent, { "data.object.amount_received", "499999" },
                          { "data.object.currency", "\"USD\"" },),
                     PT_VERIFY_OK);
    assert_int_equal(notice.amount, 499999);
    unit_slice_is(notice.currency, "USD");

    assert_int_equal(with(intent, { "type", "\"payment_intent.canceled\"" },
                          { "data.object.status", "\"canceled\"" },
                          { "data.object.amount_received", "0" },),
                     PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_CLOSED);
    unit_slice_is(notice.trade_no, "pi_1");
}


static void
test_session(void **state)
{
    assert_int_equal(with(session), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_PAID);
    unit_slice_is(notice.out_trade_no, "t1763712000123000002");
    unit_slice_is(notice.trade_no, "pi_1");
    assert_int_equal(notice.amount, 500000);

    /* without the reference the metadata count */

    assert_int_equal(with(session, { "data.object.client_reference_id",
                                     "null" },
                          { "data.object.metadata.pay_no", "\"t2\"" },),
                     PT_VERIFY_OK);
    unit_slice_is(notice.out_trade_no, "t2");

    assert_int_equal(with(session, { "data.object.metadata.pay_no",
                                     "\"t2\"" },), PT_VERIFY_OK);
    unit_slice_is(notice.out_trade_no, "t1763712000123000002");

    /* without an intent the session's number counts */

    assert_int_equal(with(session, { "data.object.payment_intent", "null" },),
                     PT_VERIFY_OK);
    unit_slice_is(notice.trade_no, SESSION);

    assert_int_equal(with(session, { "data.object.payment_intent", "null" },
                          { "data.object.id", "\"12" SESSION "abc\"" },),
                     PT_VERIFY_OK);
    assert_int_equal(notice.trade_no.len, 64);
    unit_slice_is(pt_slice(notice.trade_no.data + 61, 3), "abc");

    /* done is not yet paid */

    assert_int_equal(with(session, { "data.object.payment_status",
                                     "\"unpaid\"" },), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
    assert_int_equal(with(session, { "data.object.payment_status",
                                     "\"no_payment_required\"" },
                          { "data.object.amount_total", "0" },),
                     PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);

    assert_int_equal(
        with(session, { "type",
                        "\"checkout.session.async_payment_succeeded\"" },),
        PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_PAID);
    assert_int_equal(
        with(session, { "type",
                        "\"checkout.session.async_payment_succeeded\"" },
             { "data.object.payment_status", "\"unpaid\"" },),
        PT_VERIFY_BAD_VALUE);

    assert_int_equal(with(session, { "type", "\"checkout.session.expired\"" },
                          { "data.object.payment_intent", "null" },
                          { "data.object.payment_status", "\"unpaid\"" },),
                     PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_CLOSED);
    unit_slice_is(notice.trade_no, SESSION);
}


/* In a Payment Link the buyer writes client_reference_id. */
static void
test_foreign_sessions(void **state)
{
    size_t  i, k;

    static const char *const  types[] = {
        "\"checkout.session.completed\"", "\"checkout.session.expired\"",
        "\"checkout.session.async_payment_succeeded\"",
    };

    static const struct {
        const char  *path;
        const char  *value;
        int          ours;
    } cases[] = {
        { "payment_link", "null", 1 },
        { "payment_link", "\"plink_1\"", 0 },
        { "payment_link", "\"\"", 0 },
        { "payment_link", "{\"id\":\"plink_1\"}", 0 },
        { "payment_link", "false", 0 },
        { "mode", "\"payment\"", 1 },
        { "mode", "null", 1 },
        { "mode", "\"subscription\"", 0 },
        { "mode", "\"setup\"", 0 },
        { "mode", "\"Payment\"", 0 },
        { "mode", "\"\"", 0 },
        { "mode", "1", 0 },
    };

    for (i = 0; i < N(types); i++) {
        for (k = 0; k < N(cases); k++) {
            assert_int_equal(
                with(session, { "type", types[i] },
                     { "data.object.metadata.pay_no", "\"t2\"" },
                     { unit_fmt("data.object.%s%c", cases[k].path, 0).data,
                       cases[k].value },), PT_VERIFY_OK);

            if ((notice.kind != PT_NOTICE_IGNORED) != cases[k].ours
                || (notice.out_trade_no.len != 0) != cases[k].ours)
            {
                fail_msg("%s %s: %s", types[i], cases[k].path,
                         cases[k].value);
            }

            unit_slice_is(notice.event_id, "evt_2");
        }
    }

    /* what stands there need not make sense */

    assert_int_equal(with(session, { "data.object.payment_link", "\"p\"" },
                          { "data.object.amount_total", "null" },
                          { "data.object.payment_status", "7" },),
                     PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);

    /* an intent has neither */

    assert_int_equal(with(intent, { "data.object.mode", "\"setup\"" },),
                     PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_PAID);
}


/* No money came in: neither amount nor currency has to be told. */
static void
test_closed(void **state)
{
    size_t  i;

    static const char *const  amounts[] = { NULL, "null", "0", "500000", "-1" };

    for (i = 0; i < N(amounts); i++) {
        assert_int_equal(
            with(session, { "type", "\"checkout.session.expired\"" },
                 { "data.object.amount_total", amounts[i] },
                 { "data.object.currency", "null" },), PT_VERIFY_OK);
        assert_int_equal(notice.kind, PT_NOTICE_CLOSED);
        assert_int_equal(notice.amount, -1);
        assert_int_equal(notice.currency.len, 0);

        assert_int_equal(
            with(intent, { "type", "\"payment_intent.canceled\"" },
                 { "data.object.amount", amounts[i] },), PT_VERIFY_OK);
        assert_int_equal(notice.kind, PT_NOTICE_CLOSED);
        assert_int_equal(notice.amount, -1);
        unit_slice_is(notice.currency, "CNY");
    }

    assert_int_equal(with(intent, { "type", "\"payment_intent.canceled\"" },
                          { "data.object.currency", NULL },), PT_VERIFY_OK);
    assert_int_equal(with(intent, { "type", "\"payment_intent.canceled\"" },
                          { "data.object.currency", "7" },),
                     PT_VERIFY_BAD_VALUE);
    assert_int_equal(with(session, { "data.object.currency", NULL },),
                     PT_VERIFY_MISSING);
}


/* What is no plain name is the number of somebody else. */
static void
test_foreign_numbers(void **state)
{
    size_t       i;
    const char  *number;

    const char *const  numbers[] = {
        "7", "1763712000123000002", "\"cart 1\"", "\"a,b\"", "\"a\\nb\"",
        "\"\\u624b\"", "{}", "[]", "true", "\"\"", "null",
        unit_fmt("\"%065d\"%c", 7, 0).data,
        unit_fmt("\"%0200d\"%c", 7, 0).data,
    };

    for (i = 0; i < N(numbers); i++) {
        number = numbers[i];

        /* the other one is tried */

        assert_int_equal(
            with(session, { "data.object.client_reference_id", number },
                 { "data.object.metadata.pay_no", "\"t2\"" },), PT_VERIFY_OK);
        assert_int_equal(notice.kind, PT_NOTICE_PAID);
        unit_slice_is(notice.out_trade_no, "t2");

        assert_int_equal(
            with(session, { "data.object.client_reference_id", number },),
            PT_VERIFY_OK);
        assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
        assert_int_equal(notice.out_trade_no.len, 0);

        assert_int_equal(with(intent, { "data.object.metadata.pay_no",
                                        number },), PT_VERIFY_OK);
        assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
        unit_slice_is(notice.event_id, "evt_1");
    }
}


static void
test_refund(void **state)
{
    assert_int_equal(with(charge), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_REFUNDED);
    unit_slice_is(notice.trade_no, "pi_1");
    unit_slice_is(notice.refund_no, "evt_3");
    assert_int_equal(notice.amount, 500000);
    assert_int_equal(notice.refunded, 100050);
    assert_int_equal(notice.one_refund, 0);

    assert_int_equal(with(charge, { "data.object.amount_captured", NULL },
                          { "data.object.captured", NULL },
                          { "data.object.payment_intent", NULL },),
                     PT_VERIFY_OK);
    unit_slice_is(notice.trade_no, "ch_1");
    assert_int_equal(notice.amount, 500000);

    /* an authorization that ends was no payment */

    assert_int_equal(with(charge, { "data.object.captured", "false" },
                          { "data.object.amount_captured", "0" },
                          { "data.object.amount_refunded", "500000" },),
                     PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
}


static void
test_ignored(void **state)
{
    size_t  i;

    static const char *const  types[] = {
        "\"payment_intent.created\"", "\"payment_intent.payment_failed\"",
        "\"payment_intent.succeeded \"", "\"Payment_intent.succeeded\"",
        "\"charge.succeeded\"", "\"refund.created\"", "\"\"",
        "\"checkout.session.async_payment_failed\"", "\"invoice.paid\"",
    };

    for (i = 0; i < N(types); i++) {
        assert_int_equal(with(intent, { "type", types[i] },
                              { "data.object.amount_received", "\"x\"" },),
                         PT_VERIFY_OK);
        assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
        unit_slice_is(notice.event_id, "evt_1");
    }

    /* not one of paytrade's payments */

    assert_int_equal(with(intent, { "data.object.metadata", "{}" },),
                     PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
    assert_int_equal(with(intent, { "data.object.metadata", "null" },),
                     PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
    assert_int_equal(with(intent, { "data.object.metadata.pay_no", "\"\"" },),
                     PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
    assert_int_equal(with(charge, { "data.object.metadata.pay_no", NULL },),
                     PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
    assert_int_equal(notice.out_trade_no.len, 0);

    /* the newer events only tell where to ask */

    assert_int_equal(with(intent, { "object", "\"v2.core.event\"" },
                          { "data", NULL },), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
}


static void
test_values(void **state)
{
    size_t  i;

    static const struct {
        const char   *json;
        const char   *path;
        const char   *value;
        pt_verify_e   result;
    } cases[] = {
        { intent, "livemode", "false", PT_VERIFY_WRONG_MODE },
        { intent, "livemode", "\"true\"", PT_VERIFY_BAD_VALUE },
        { intent, "livemode", "1", PT_VERIFY_BAD_VALUE },
        { intent, "livemode", NULL, PT_VERIFY_MISSING },
        { intent, "account", "\"acct_1\"", PT_VERIFY_WRONG_MERCHANT },
        { intent, "account", "null", PT_VERIFY_OK },
        { intent, "account", "7", PT_VERIFY_BAD_VALUE },
        { intent, "id", NULL, PT_VERIFY_MISSING },
        { intent, "id", "7", PT_VERIFY_MISSING },
        { intent, "id", "\"\"", PT_VERIFY_BAD_VALUE },
        { intent, "id", "\"a b\"", PT_VERIFY_BAD_VALUE },
        { intent, "object", NULL, PT_VERIFY_MISSING },
        { intent, "type", NULL, PT_VERIFY_MISSING },
        { intent, "type", "null", PT_VERIFY_MISSING },
        { intent, "created", "\"now\"", PT_VERIFY_BAD_VALUE },
        { intent, "created", "-1", PT_VERIFY_BAD_VALUE },
        { intent, "created", "1.5", PT_VERIFY_BAD_VALUE },
        { intent, "data", NULL, PT_VERIFY_MISSING },
        { intent, "data", "[]", PT_VERIFY_MISSING },
        { intent, "data.object", "\"pi_1\"", PT_VERIFY_MISSING },
        { intent, "data.object.object", "\"charge\"", PT_VERIFY_BAD_VALUE },
        { intent, "data.object.object", NULL, PT_VERIFY_MISSING },
        { intent, "data.object.status", "\"processing\"",
          PT_VERIFY_BAD_VALUE },
        { intent, "data.object.status", NULL, PT_VERIFY_BAD_VALUE },
        { intent, "data.object.amount_received", NULL, PT_VERIFY_MISSING },
        { intent, "data.object.amount_received", "0", PT_VERIFY_BAD_VALUE },
        { intent, "data.object.amount_received", "-500000",
          PT_VERIFY_BAD_VALUE },
        { intent, "data.object.amount_received", "5000.5",
          PT_VERIFY_BAD_VALUE },
        { intent, "data.object.amount_received", "\"500000\"",
          PT_VERIFY_BAD_VALUE },
        { intent, "data.object.amount_received", "10000000000001",
          PT_VERIFY_BAD_VALUE },
        { intent, "data.object.amount_received", "1e300",
          PT_VERIFY_BAD_VALUE },
        { intent, "data.object.amount_received", "[500000]",
          PT_VERIFY_BAD_VALUE },
        { intent, "data.object.currency", NULL, PT_VERIFY_MISSING },
        { intent, "data.object.currency", "\"\"", PT_VERIFY_BAD_VALUE },
        { intent, "data.object.currency", "\"cn\"", PT_VERIFY_BAD_VALUE },
        { intent, "data.object.currency", "156", PT_VERIFY_BAD_VALUE },
        { intent, "data.object.id", NULL, PT_VERIFY_MISSING },
        { intent, "data.object.id", "\"\"", PT_VERIFY_BAD_VALUE },
        { intent, "data.object.id", "\"pi 1\"", PT_VERIFY_BAD_VALUE },
        { session, "data.object.payment_status", NULL, PT_VERIFY_MISSING },
        { session, "data.object.payment_status", "true",
          PT_VERIFY_BAD_VALUE },
        { session, "data.object.payment_intent", "{\"id\":\"pi_1\"}",
          PT_VERIFY_BAD_VALUE },
        { session, "data.object.amount_total", "null", PT_VERIFY_MISSING },
        { session, "data.object.amount_total", "0", PT_VERIFY_BAD_VALUE },
        { charge, "data.object.amount_refunded", NULL, PT_VERIFY_MISSING },
        { charge, "data.object.amount_refunded", "0", PT_VERIFY_BAD_VALUE },
        { charge, "data.object.amount_refunded", "\"1\"",
          PT_VERIFY_BAD_VALUE },
        { charge, "data.object.amount_captured", "0", PT_VERIFY_BAD_VALUE },
        { charge, "data.object.captured", "1", PT_VERIFY_BAD_VALUE },
        { charge, "data.object.object", "\"payment_intent\"",
          PT_VERIFY_BAD_VALUE },
    };

    for (i = 0; i < N(cases); i++) {
        if (with(cases[i].json, { cases[i].path, cases[i].value },)
            != cases[i].result)
        {
            fail_msg("%s: %s", cases[i].path,
                     cases[i].value ? cases[i].value : "(none)");
        }

        if (cases[i].result != PT_VERIFY_OK) {
            assert_null(notice.out_trade_no.data);
            assert_null(notice.event_id.data);
            assert_int_equal(notice.amount, 0);
            assert_int_equal(notice.kind, 0);
        }
    }
}


static void
test_lengths(void **state)
{
    assert_int_equal(with(intent, { "id",
                                    unit_fmt("\"%064d\"%c", 7, 0).data },),
                     PT_VERIFY_OK);
    assert_int_equal(with(intent, { "id",
                                    unit_fmt("\"%065d\"%c", 7, 0).data },),
                     PT_VERIFY_BAD_VALUE);
    assert_int_equal(with(intent, { "data.object.metadata.pay_no",
                                    unit_fmt("\"%064d\"%c", 7, 0).data },),
                     PT_VERIFY_OK);
    assert_int_equal(notice.out_trade_no.len, 64);
}


static void
test_modes(void **state)
{
    pt_stripe.destroy(conf);
    conf = new_conf("test", NULL);
    assert_int_equal(with(intent), PT_VERIFY_WRONG_MODE);
    assert_int_equal(with(intent, { "livemode", "false" },), PT_VERIFY_OK);

    pt_stripe.destroy(conf);
    conf = new_conf("live", "acct_1");
    assert_int_equal(with(intent), PT_VERIFY_WRONG_MERCHANT);
    assert_int_equal(with(intent, { "account", "\"acct_2\"" },),
                     PT_VERIFY_WRONG_MERCHANT);
    assert_int_equal(with(intent, { "account", "\"acct_11\"" },),
                     PT_VERIFY_WRONG_MERCHANT);
    assert_int_equal(with(intent, { "account", "\"acct_1\"" },),
                     PT_VERIFY_OK);

    /* also what nothing is done with */

    assert_int_equal(with(intent, { "type", "\"charge.succeeded\"" },),
                     PT_VERIFY_WRONG_MERCHANT);
}


static void
test_secrets(void **state)
{
    secret = NEXT;
    assert_int_equal(with(intent), PT_VERIFY_OK);
    secret = "test_secret";
    assert_int_equal(with(intent), PT_VERIFY_BAD_SIGNATURE);
    secret = SECRET "\n";
    assert_int_equal(with(intent), PT_VERIFY_BAD_SIGNATURE);
    secret = "whsec_third_secret";
    assert_int_equal(with(intent), PT_VERIFY_BAD_SIGNATURE);
    secret = "";
    assert_int_equal(with(intent), PT_VERIFY_BAD_SIGNATURE);
}


/* In the formats: good, the signature; T, the time. */
static void
test_header(void **state)
{
    char         text[2048], *p;
    size_t       i;
    const char  *f;

    static const struct {
        const char   *format;
        pt_verify_e   result;
    } cases[] = {
        { "t=T,v1=G", PT_VERIFY_OK },
        { "v1=G,t=T", PT_VERIFY_OK },
        { "t=T,v1=B,v1=G", PT_VERIFY_OK },
        { "t=T,v1=G,v1=B", PT_VERIFY_OK },
        { "t=T,v0=B,v1=G", PT_VERIFY_OK },
        { "t=T,v1=G,v0=B", PT_VERIFY_OK },
        { "t=T,v1=G,new=x=y", PT_VERIFY_OK },
        { "t=T,v1=,v1=G", PT_VERIFY_OK },
        { "t=T,v1=B", PT_VERIFY_BAD_SIGNATURE },
        { "t=T,v1=GG", PT_VERIFY_BAD_SIGNATURE },
        { "t=T,v1=G0", PT_VERIFY_BAD_SIGNATURE },
        { "t=T,v1=G=", PT_VERIFY_BAD_SIGNATURE },
        { "t=T,v1==G", PT_VERIFY_BAD_SIGNATURE },
        { "t=T,v1=U", PT_VERIFY_BAD_SIGNATURE },
        { "t=T,v1=S", PT_VERIFY_BAD_SIGNATURE },
        { "t=T,v1=", PT_VERIFY_BAD_SIGNATURE },
        { "t=1770000001,v1=G", PT_VERIFY_BAD_SIGNATURE },
        { "t=T,v0=G", PT_VERIFY_BAD_ALGORITHM },
        { "t=T,v2=G", PT_VERIFY_BAD_ALGORITHM },
        { "t=T,V1=G", PT_VERIFY_BAD_ALGORITHM },
        { "T=T,v1=G", PT_VERIFY_MISSING },
        { "t=T", PT_VERIFY_MISSING },
        { "v1=G", PT_VERIFY_MISSING },
        { "", PT_VERIFY_MISSING },
        { "G", PT_VERIFY_BAD_FORM },
        { "t=T,t=T,v1=G", PT_VERIFY_BAD_FORM },
        { "t=1,t=T,v1=G", PT_VERIFY_BAD_FORM },
        { "t=T,v1=G,", PT_VERIFY_BAD_FORM },
        { ",t=T,v1=G", PT_VERIFY_BAD_FORM },
        { "t=T,,v1=G", PT_VERIFY_BAD_FORM },
        { "t=T,v1", PT_VERIFY_BAD_FORM },
        { "t=T, v1=G", PT_VERIFY_BAD_FORM },
        { "t=T,v1=G, t=T,v1=G", PT_VERIFY_BAD_FORM },
        { "t=T,v1=G ", PT_VERIFY_BAD_FORM },
        { "t=T,v1=G\t", PT_VERIFY_BAD_FORM },
        { "t=T;v1=G", PT_VERIFY_MISSING },
        { "t=T,v1=G\xc3\xa9", PT_VERIFY_BAD_FORM },
        { "t=,v1=G", PT_VERIFY_BAD_FORM },
        { "t=0T,v1=G", PT_VERIFY_BAD_FORM },
        { "t=+T,v1=G", PT_VERIFY_BAD_FORM },
        { "t=-T,v1=G", PT_VERIFY_BAD_FORM },
        { "t=T.0,v1=G", PT_VERIFY_BAD_FORM },
        { "t=Tx,v1=G", PT_VERIFY_BAD_FORM },
        { "t=now,v1=G", PT_VERIFY_BAD_FORM },
        { "t=99999999999999999999,v1=G", PT_VERIFY_BAD_FORM },
    };

    for (i = 0; i < N(cases); i++) {
        mac_of(SECRET, TIME, intent, strlen(intent));
        p = text;

        for (f = cases[i].format; *f; f++) {
            p += *f == 'G' ? sprintf(p, "%s", hex)
                 : *f == 'B' ? sprintf(p, "%064d", 7)
                 : *f == 'S' ? sprintf(p, "%.63s", hex)
                 : *f == 'T' && f[1] != '=' ? sprintf(p, TIME)
                 : *f == 'U' ? sprintf(p, "%.63s%c", hex,
                                       hex[63] == '0' ? '1' : '0')
                 : sprintf(p, "%c", *f);
        }

        *p = '\0';
        hook_set(&headers, "Stripe-Signature", text);

        if (verify_body(intent, strlen(intent)) != cases[i].result) {
            fail_msg("%s", cases[i].format);
        }
    }

    hook_set(&headers, "Stripe-Signature", NULL);
    assert_int_equal(verify_body(intent, strlen(intent)), PT_VERIFY_MISSING);

    /* in upper case it is another text */

    mac_of(SECRET, TIME, intent, strlen(intent));

    for (p = hex; *p; p++) {
        *p = *p >= 'a' ? *p - 'a' + 'A' : *p;
    }

    hook_set(&headers, "Stripe-Signature",
             unit_fmt("t=" TIME ",v1=%s%c", hex, 0).data);
    assert_int_equal(verify_body(intent, strlen(intent)),
                     PT_VERIFY_BAD_SIGNATURE);
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
        { NOW + 3600000, PT_VERIFY_STALE },
        { NOW - 300000, PT_VERIFY_OK },
        { NOW - 300001, PT_VERIFY_STALE },
        { NOW - 3600000, PT_VERIFY_STALE },
        { 0, PT_VERIFY_STALE },
    };

    for (i = 0; i < N(cases); i++) {
        callback.now = cases[i].now;
        assert_int_equal(with(intent), cases[i].result);
    }

    /* not before the signature */

    secret = "whsec_other";
    assert_int_equal(with(intent), PT_VERIFY_BAD_SIGNATURE);
}


static void
test_tolerance(void **state)
{
    const char  *why;

    pt_stripe.destroy(conf);
    conf = pt_stripe.create(pt_slice_lit("CNY"), 2);
    assert_int_equal(hook_conf(&pt_stripe, conf, "secret", SECRET, &why), 0);
    assert_int_equal(hook_conf(&pt_stripe, conf, "tolerance", "60000", &why),
                     0);
    assert_int_equal(pt_stripe.check(conf, &why), 0);

    callback.now = NOW + 60000;
    assert_int_equal(with(intent), PT_VERIFY_OK);
    callback.now = NOW + 61000;
    assert_int_equal(with(intent), PT_VERIFY_STALE);
    callback.now = NOW - 61000;
    assert_int_equal(with(intent), PT_VERIFY_STALE);
}


/* One bit of the body, anywhere. */
static void
test_flips(void **state)
{
    char    *copy;
    size_t   i, len;

    len = strlen(intent);
    copy = unit_alloc(NULL, len);
    assert_int_equal(verify_signed(intent, len), PT_VERIFY_OK);

    for (i = 0; i < len; i++) {
        memcpy(copy, intent, len);
        copy[i] ^= 1 << i % 8;
        assert_int_equal(verify_body(copy, len), PT_VERIFY_BAD_SIGNATURE);
    }

    assert_int_equal(verify_body(intent, len - 1), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(verify_body(intent + 1, len - 1),
                     PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(verify_body("", 0), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(verify_body(intent, len), PT_VERIFY_OK);
}


/* Signed, and yet nothing that can be read in one way only. */
static void
test_forms(void **state)
{
    size_t  i;

    static const char *const  forms[] = {
        "[]", "\"x\"", "null", "7",
        "{\"id\":\"e\",\"id\":\"e\"}", "{\"id\":\"e\",\"\\u0069d\":\"e\"}",
        "{\"data\":{\"object\":{\"a\":1,\"a\":2}}}",
    };

    for (i = 0; i < N(forms); i++) {
        if (verify_signed(forms[i], strlen(forms[i])) != PT_VERIFY_BAD_FORM) {
            fail_msg("%s", forms[i]);
        }
    }

    assert_int_equal(verify_signed("{}", 2), PT_VERIFY_MISSING);
}


/* An event with one member more, or with n of them. */
static size_t
beyond(const char *type, const char *member, size_t n)
{
    size_t  i, len;

    len = sprintf(body, "{\"type\":\"%s\"", type);

    for (i = 0; i < n; i++) {
        len += sprintf(body + len, ",\"a%zu\":1", i);
    }

    return len + sprintf(body + len, "%s}", member);
}


/* What cannot be read is as what is too large: of a known type, or ignored. */
static void
test_unreadable(void **state)
{
    size_t  i, n, len;

    static const char *const  members[] = {
        "", ",\"a\":\"\\u0000\"", ",\"a\":\"\\ud800\"", ",\"a\":\"\\udc00x\"",
        ",\"a\":[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]",
        ",\"a\":\"\xff\"", ",\"a\":\"\x01\"", ",\"a\":01", ",",
    };

    static const char *const  bodies[] = {
        "", " ", "x", "{", "{}x", "{\"a\":}", "{'a':1}", "\xef\xbb\xbf{}",
        "a=b&c=d", "<xml/>",
        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
    };

    for (i = 0; i < N(members); i++) {
        n = i ? 0 : 256;

        len = beyond("invoice.paid", members[i], n);
        assert_int_equal(verify_signed(body, len), PT_VERIFY_OK);
        assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
        assert_int_equal(notice.event_id.len, 0);

        len = beyond("charge.refunded", members[i], n);
        assert_int_equal(verify_signed(body, len), PT_VERIFY_BAD_FORM);

        len = beyond("\\u0063harge.refunded", members[i], n);
        assert_int_equal(verify_signed(body, len), PT_VERIFY_BAD_FORM);
    }

    /* 256 members are read */

    len = beyond("invoice.paid", "", 255);
    assert_int_equal(verify_signed(body, len), PT_VERIFY_MISSING);

    for (i = 0; i < N(bodies); i++) {
        assert_int_equal(verify_signed(bodies[i], strlen(bodies[i])),
                         PT_VERIFY_OK);
        assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
    }

    assert_int_equal(verify_signed("{\"a\":\0}", 7), PT_VERIFY_OK);
}


#define HIDDEN  "{\"type\":\"\\u0063harge.refunded\"}"


static void
test_large(void **state)
{
    size_t  len;

    /* 64 KiB are read; more is not, and so must not be of a known type */

    len = strlen(intent);
    memset(body, ' ', sizeof(body));
    memcpy(body, intent, len);

    assert_int_equal(verify_signed(body, 65536), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_PAID);
    assert_int_equal(verify_signed(body, 65537), PT_VERIFY_BAD_FORM);

    memset(body, 'x', len);
    assert_int_equal(verify_signed(body, 65537), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
    assert_int_equal(notice.event_id.len, 0);

    /* whatever escapes the type is written with, and those alone */

    memcpy(body, HIDDEN, strlen(HIDDEN));
    assert_int_equal(verify_signed(body, 65537), PT_VERIFY_BAD_FORM);
    memcpy(body, "{\"type\":\"invoice.paid\\n\\/\"     }",
           strlen(HIDDEN));
    assert_int_equal(verify_signed(body, 65537), PT_VERIFY_OK);
}


static void
test_types(void **state)
{
    size_t  i;

    static const struct {
        const char   *type;
        const char   *encoding;
        pt_verify_e   result;
    } cases[] = {
        { JSON, NULL, PT_VERIFY_OK },
        { "application/json", "identity", PT_VERIFY_OK },
        { "application/json", "gzip", PT_VERIFY_BAD_TYPE },
        { "application/x-www-form-urlencoded", NULL, PT_VERIFY_BAD_TYPE },
        { "text/json", NULL, PT_VERIFY_BAD_TYPE },
        { "application/json5", NULL, PT_VERIFY_BAD_TYPE },
        { NULL, NULL, PT_VERIFY_BAD_TYPE },
    };

    for (i = 0; i < N(cases); i++) {
        hook_set(&headers, "Content-Type", cases[i].type);
        hook_set(&headers, "Content-Encoding", cases[i].encoding);
        assert_int_equal(with(intent), cases[i].result);
    }
}


/* Nothing else is told of an event that nobody signed. */
static void
test_signature_first(void **state)
{
    secret = "whsec_other";

    assert_int_equal(with(intent, { "livemode", "false" },),
                     PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(with(intent, { "account", "\"acct_1\"" },),
                     PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(with(intent, { "id", NULL },), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(verify_signed("{", 1), PT_VERIFY_BAD_SIGNATURE);
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
        rc = with(charge);

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
    assert_int_equal(pt_stripe.answers[PT_ANSWER_ACCEPTED].status, 200);
    assert_string_equal(pt_stripe.answers[PT_ANSWER_ACCEPTED].body,
                        "{\"received\":true}");
    assert_int_equal(pt_stripe.answers[PT_ANSWER_REFUSED].status, 400);
    assert_int_equal(pt_stripe.answers[PT_ANSWER_LATER].status, 503);
    assert_null(pt_stripe.methods(conf)[0]);
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
        { "secret", "\n", "whsec_" },
        { "secret", "whsec_", "whsec_" },
        { "secret", "whsec_\n", "whsec_" },
        { "secret", "sk_live_51abc", "API key" },
        { "secret", "WHSEC_abc", "whsec_" },
        { "secret", " whsec_abc", "whsec_" },
        { "secret", "whsec_abc ", "one line" },
        { "secret", "whsec_a\nwhsec_b\n", "one line" },
        { "secret", "whsec_abc\n\n", "one line" },
        { "secret", "whsec_ab\xc3\xa9", "one line" },
        { "mode", "production", "\"live\" or \"test\"" },
        { "mode", "", "\"live\" or \"test\"" },
        { "account", "", "acct_" },
        { "account", "acct_", "acct_" },
        { "account", "1", "acct_" },
        { "account", "acct_\n1", "control characters" },
        { "tolerance", "0", "1s to 1d" },
        { "tolerance", "x", "1s to 1d" },
    };

    made = pt_stripe.create(pt_slice_lit("CNY"), 2);

    for (k = 0; k < N(refused); k++) {
        why = NULL;

        if (hook_conf(&pt_stripe, made, refused[k].name, refused[k].value,
                      &why)
            != -1)
        {
            fail_msg("%s \"%s\"", refused[k].name, refused[k].value);
        }

        assert_non_null(why);
        assert_non_null(strstr(why, refused[k].part));
        assert_null(strstr(why, "abc"));
    }

    assert_int_equal(pt_stripe.check(made, &why), -1);
    assert_non_null(strstr(why, "needs secret"));

    for (i = 0; i < 8; i++) {
        assert_int_equal(hook_conf(&pt_stripe, made, "secret",
                                   unit_fmt("whsec_abc%d\r\n%c", i, 0).data,
                                   &why), 0);
        assert_int_equal(hook_conf(&pt_stripe, made, "secret",
                                   unit_fmt("whsec_abc%d%c", i, 0).data,
                                   &why), -1);
        assert_non_null(strstr(why, i == 7 ? "too many" : "twice"));
    }

    assert_int_equal(hook_conf(&pt_stripe, made, "secret", "whsec_abc", &why),
                     -1);
    assert_non_null(strstr(why, "8 are the most"));

    assert_int_equal(hook_conf(&pt_stripe, made, "mode", "test", &why), 0);
    assert_int_equal(hook_conf(&pt_stripe, made, "mode", "test", &why), -1);
    assert_int_equal(hook_conf(&pt_stripe, made, "account", "acct_1", &why),
                     0);
    assert_int_equal(hook_conf(&pt_stripe, made, "account", "acct_1", &why),
                     -1);
    assert_int_equal(hook_conf(&pt_stripe, made, "tolerance", "1000", &why),
                     0);
    assert_int_equal(hook_conf(&pt_stripe, made, "tolerance", "1000", &why),
                     -1);
    assert_int_equal(pt_stripe.check(made, &why), 0);

    pt_stripe.destroy(made);
}


static void
test_decimals(void **state)
{
    void        *made;
    size_t       i;
    unsigned     decimals;
    const char  *why;

    static const struct {
        pt_slice_t  currency;
        unsigned    decimals;
    } cases[] = {
        { pt_slice_const("CNY"), 2 }, { pt_slice_const("USD"), 2 },
        { pt_slice_const("JPY"), 0 }, { pt_slice_const("BIF"), 0 },
        { pt_slice_const("XPF"), 0 }, { pt_slice_const("KRW"), 0 },
        { pt_slice_const("UGX"), 2 }, { pt_slice_const("ISK"), 2 },
        { pt_slice_const("TWD"), 2 }, { pt_slice_const("KWD"), 3 },
        { pt_slice_const("BHD"), 3 }, { pt_slice_const("TND"), 3 },
    };

    for (i = 0; i < N(cases); i++) {
        for (decimals = 0; decimals <= 4; decimals++) {
            made = pt_stripe.create(cases[i].currency, decimals);
            assert_int_equal(hook_conf(&pt_stripe, made, "secret", SECRET,
                                       &why), 0);

            if ((pt_stripe.check(made, &why) == 0)
                != (decimals == cases[i].decimals))
            {
                fail_msg("%s %u", cases[i].currency.data, decimals);
            }

            pt_stripe.destroy(made);
        }
    }
}


#define stripe_case(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        stripe_case(test_vectors),
        stripe_case(test_intent),
        stripe_case(test_session),
        stripe_case(test_foreign_sessions),
        stripe_case(test_closed),
        stripe_case(test_foreign_numbers),
        stripe_case(test_refund),
        stripe_case(test_ignored),
        stripe_case(test_values),
        stripe_case(test_lengths),
        stripe_case(test_modes),
        stripe_case(test_secrets),
        stripe_case(test_header),
        stripe_case(test_times),
        stripe_case(test_tolerance),
        stripe_case(test_flips),
        stripe_case(test_forms),
        stripe_case(test_unreadable),
        stripe_case(test_large),
        stripe_case(test_types),
        stripe_case(test_signature_first),
        stripe_case(test_no_memory),
        stripe_case(test_answers),
        stripe_case(test_settings),
        stripe_case(test_decimals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
