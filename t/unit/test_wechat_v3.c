/*
 * WeChat Pay v3: what is made of callbacks.
 */

#include "unit.h"
#include "wechat_v3.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))


static wechat_v3_world_t     world;
static wechat_v3_callback_t  c;

static pt_notice_t           notice;
static int64_t               now;
static char                  plain[WECHAT_V3_TEXT_MAX];
static char                  body[WECHAT_V3_TEXT_MAX];
static char                  sign[2048];


static pt_verify_e
verify_as(void *conf, const char *text, size_t len)
{
    pt_callback_t  callback;

    callback.body = unit_mem(text, len);
    callback.header = wechat_v3_header;
    callback.ctx = &c;
    callback.now = now;
    callback.alloc = unit_alloc;
    callback.alloc_ctx = NULL;

    return pt_wechat_v3.verify(conf, &callback, &notice);
}


/* Signs a body and shows it, with c's headers. */
static pt_verify_e
verify_body(const char *text, size_t len)
{
    wechat_v3_sign(&c, EVP_sha256(), text, len, sign);
    c.sign = sign;

    return verify_as(world.conf, text, len);
}


static pt_verify_e
verify_str(const char *text)
{
    return verify_body(text, strlen(text));
}


/* Seals a text and shows it. */
static pt_verify_e
verify_text(const char *text, size_t len)
{
    return verify_body(body, wechat_v3_body(&c, text, len, body));
}


static pt_verify_e
verify(void)
{
    return verify_text(plain, wechat_v3_write(&c.plain, plain));
}


static void
payment(void)
{
    wechat_v3_payment(&c, world.platform);
}


static void
refund(void)
{
    wechat_v3_refund(&c, world.platform);
}


/* A payment or a refund with one member changed. */
static pt_verify_e
with(void (*what)(void), const char *name, const char *value)
{
    what();
    wechat_v3_put(&c.plain, name, value);

    return verify();
}


static pt_verify_e
with_event(void (*what)(void), const char *name, const char *value)
{
    what();
    wechat_v3_put(&c.event, name, value);

    return verify();
}


static pt_verify_e
with_resource(const char *name, const char *value)
{
    payment();
    wechat_v3_put(&c.resource, name, value);

    return verify();
}


static int
setup(void **state)
{
    payment();
    now = WECHAT_V3_NOW;

    return unit_setup(state);
}


static void
nothing_told(void)
{
    static const pt_notice_t  none;

    assert_memory_equal(&notice, &none, sizeof(none));
}


static void
test_paid(void **state)
{
    assert_int_equal(verify(), PT_VERIFY_OK);

    assert_int_equal(notice.kind, PT_NOTICE_PAID);
    unit_slice_is(notice.out_trade_no, "t1763712000123000002");
    unit_slice_is(notice.trade_no, "4200002026112112345678901234");
    unit_slice_is(notice.event_id, "EV-2026112116000100001");
    assert_int_equal(notice.amount, 500000);
    unit_slice_is(notice.currency, "CNY");
    assert_int_equal(notice.refund_no.len, 0);
    assert_int_equal(notice.refunded, 0);
    assert_int_equal(notice.one_refund, 0);
    assert_true(notice.paid_at == INT64_C(1795248000000));
    assert_null(notice.next);

    assert_int_equal(with(payment, "success_time", NULL), PT_VERIFY_OK);
    assert_int_equal(notice.paid_at, 0);

    assert_int_equal(with(payment, "amount", "{\"total\":1}"), PT_VERIFY_OK);
    assert_int_equal(notice.amount, 1);
    unit_slice_is(notice.currency, "CNY");

    assert_int_equal(with(payment, "amount",
                          "{\"total\":1,\"currency\":\"HKD\"}"), PT_VERIFY_OK);
    unit_slice_is(notice.currency, "HKD");
}


static void
test_refunded(void **state)
{
    refund();
    assert_int_equal(verify(), PT_VERIFY_OK);

    assert_int_equal(notice.kind, PT_NOTICE_REFUNDED);
    unit_slice_is(notice.out_trade_no, "t1763712000123000002");
    unit_slice_is(notice.trade_no, "4200002026112112345678901234");
    unit_slice_is(notice.event_id, "EV-2026112117000100002");
    unit_slice_is(notice.refund_no, "r-1");
    unit_slice_is(notice.currency, "CNY");
    assert_int_equal(notice.amount, 500000);
    assert_int_equal(notice.refunded, 100050);
    assert_int_equal(notice.one_refund, 1);
    assert_true(notice.paid_at == INT64_C(1795251600000));

    /* all of it, and not a cent more */

    assert_int_equal(with(refund, "amount",
                          "{\"total\":500000,\"refund\":500000}"),
                     PT_VERIFY_OK);
    assert_int_equal(with(refund, "amount",
                          "{\"total\":500000,\"refund\":500001}"),
                     PT_VERIFY_BAD_VALUE);

    /* refunds name no app; one that does must name ours */

    assert_int_equal(with(refund, "appid", "\"wxd678efh567hg6787\""),
                     PT_VERIFY_OK);
    assert_int_equal(with(refund, "appid", "\"wx1\""), PT_VERIFY_WRONG_APP);
}


static void
test_ignored(void **state)
{
    size_t  i;

    static const char *const  refunds[] = {
        "\"REFUND.ABNORMAL\"", "\"REFUND.CLOSED\""
    };
    static const char *const  others[] = {
        "\"PAYSCORE.USER_PAID\"", "\"COUPON.USE\"", "\"transaction.success\"",
        "\"TRANSACTION.SUCCESS \"", "\"x\"",
    };

    for (i = 0; i < N(refunds); i++) {
        refund();
        wechat_v3_put(&c.plain, "refund_status", "\"ABNORMAL\"");
        wechat_v3_put(&c.event, "event_type", refunds[i]);

        assert_int_equal(verify(), PT_VERIFY_OK);
        assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
        assert_int_equal(notice.amount, -1);
        assert_int_equal(notice.refunded, 0);
        assert_int_equal(notice.refund_no.len, 0);
        unit_slice_is(notice.out_trade_no, "t1763712000123000002");
        unit_slice_is(notice.event_id, "EV-2026112117000100002");
    }

    for (i = 0; i < N(others); i++) {
        assert_int_equal(with_event(payment, "event_type", others[i]),
                         PT_VERIFY_OK);
        assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
    }

    wechat_v3_put(&c.resource, "original_type", "\"payscore\"");
    assert_int_equal(verify_text("{}", 2), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
    assert_int_equal(notice.out_trade_no.len, 0);
    assert_int_equal(notice.trade_no.len, 0);

    assert_int_equal(verify_text("{\"out_trade_no\":\"a b\"}", 22),
                     PT_VERIFY_OK);
    assert_int_equal(notice.out_trade_no.len, 0);

    /* theirs is refused, though it would be ignored */

    assert_int_equal(verify_text("{\"mchid\":\"1\"}", 13),
                     PT_VERIFY_WRONG_MERCHANT);
    assert_int_equal(verify_text("{\"appid\":\"1\"}", 13),
                     PT_VERIFY_WRONG_APP);
    assert_int_equal(verify_text("{\"mchid\":1900000109}", 20),
                     PT_VERIFY_BAD_VALUE);
    assert_int_equal(verify_text("[]", 2), PT_VERIFY_BAD_FORM);

    c.secret = "00000000000000000000000000000000";
    assert_int_equal(verify_text("{}", 2), PT_VERIFY_BAD_CIPHERTEXT);
}


/* What is sealed is signed, but makes no sense, or is not for us. */
static void
test_values(void **state)
{
    size_t  i;

    static const struct {
        const char   *name;
        const char   *value;
        pt_verify_e   result;
    } cases[] = {
        { "mchid", NULL, PT_VERIFY_MISSING },
        { "mchid", "null", PT_VERIFY_MISSING },
        { "mchid", "\"1900000108\"", PT_VERIFY_WRONG_MERCHANT },
        { "mchid", "\"19000001090\"", PT_VERIFY_WRONG_MERCHANT },
        { "mchid", "\"\"", PT_VERIFY_WRONG_MERCHANT },
        { "mchid", "1900000109", PT_VERIFY_BAD_VALUE },
        { "mchid", "[\"1900000109\"]", PT_VERIFY_BAD_VALUE },
        { "appid", NULL, PT_VERIFY_MISSING },
        { "appid", "\"wxd678efh567hg6788\"", PT_VERIFY_WRONG_APP },
        { "appid", "\"WXD678EFH567HG6787\"", PT_VERIFY_WRONG_APP },
        { "appid", "\"wxd678efh567hg6787 \"", PT_VERIFY_WRONG_APP },
        { "appid", "true", PT_VERIFY_BAD_VALUE },
        { "sp_mchid", "\"1\"", PT_VERIFY_OK },
        { "something_new", "{\"a\":[1,2,{}]}", PT_VERIFY_OK },
        { "attach", "\"\\u624b\\/\\\"\\ud83d\\udcf1\"", PT_VERIFY_OK },
        { "attach", "\"\xe6\x89\x8b\"", PT_VERIFY_OK },
        { "attach", "\"\\u0000\"", PT_VERIFY_BAD_FORM },
        { "attach", "\"\xca\xd6\"", PT_VERIFY_BAD_FORM },
        { "attach", "\"a\nb\"", PT_VERIFY_BAD_FORM },
        { "attach", "\"\\ud83d\"", PT_VERIFY_BAD_FORM },
        { "attach", "1,\"attach\":2", PT_VERIFY_BAD_FORM },
        { "attach", "1,\"\\u006dchid\":\"1\"", PT_VERIFY_BAD_FORM },
        { "attach", "nul", PT_VERIFY_BAD_FORM },
        { "attach", "01", PT_VERIFY_BAD_FORM },
        { "out_trade_no", NULL, PT_VERIFY_MISSING },
        { "out_trade_no", "\"\"", PT_VERIFY_MISSING },
        { "out_trade_no", "\"a b\"", PT_VERIFY_BAD_VALUE },
        { "out_trade_no", "\"a,b\"", PT_VERIFY_BAD_VALUE },
        { "out_trade_no", "\"\xe6\x89\x8b\"", PT_VERIFY_BAD_VALUE },
        { "out_trade_no", "1763712000123000002", PT_VERIFY_BAD_VALUE },
        { "out_trade_no", "\"\\u0074\\/1\"", PT_VERIFY_OK },
        { "transaction_id", NULL, PT_VERIFY_MISSING },
        { "transaction_id", "\"1\\t2\"", PT_VERIFY_BAD_VALUE },
        { "transaction_id", "42", PT_VERIFY_BAD_VALUE },
        { "trade_state", NULL, PT_VERIFY_MISSING },
        { "trade_state", "\"\"", PT_VERIFY_MISSING },
        { "trade_state", "\"success\"", PT_VERIFY_BAD_VALUE },
        { "trade_state", "\"NOTPAY\"", PT_VERIFY_BAD_VALUE },
        { "trade_state", "\"USERPAYING\"", PT_VERIFY_BAD_VALUE },
        { "trade_state", "\"CLOSED\"", PT_VERIFY_BAD_VALUE },
        { "trade_state", "\"REFUND\"", PT_VERIFY_BAD_VALUE },
        { "trade_state", "true", PT_VERIFY_BAD_VALUE },
        { "success_time", "\"2026-11-21 16:00:00\"", PT_VERIFY_BAD_VALUE },
        { "success_time", "\"2026-02-29T16:00:00+08:00\"",
          PT_VERIFY_BAD_VALUE },
        { "success_time", "1795248000", PT_VERIFY_BAD_VALUE },
        { "success_time", "\"\"", PT_VERIFY_BAD_VALUE },
        { "amount", NULL, PT_VERIFY_MISSING },
        { "amount", "500000", PT_VERIFY_MISSING },
        { "amount", "[]", PT_VERIFY_MISSING },
        { "amount", "{}", PT_VERIFY_MISSING },
        { "amount", "{\"payer_total\":500000}", PT_VERIFY_MISSING },
        { "amount", "{\"total\":null}", PT_VERIFY_MISSING },
        { "amount", "{\"total\":0}", PT_VERIFY_BAD_VALUE },
        { "amount", "{\"total\":-1}", PT_VERIFY_BAD_VALUE },
        { "amount", "{\"total\":0.5}", PT_VERIFY_BAD_VALUE },
        { "amount", "{\"total\":\"500000\"}", PT_VERIFY_BAD_VALUE },
        { "amount", "{\"total\":[500000]}", PT_VERIFY_BAD_VALUE },
        { "amount", "{\"total\":10000000000000}", PT_VERIFY_OK },
        { "amount", "{\"total\":10000000000001}", PT_VERIFY_BAD_VALUE },
        { "amount", "{\"total\":1e300}", PT_VERIFY_BAD_VALUE },
        { "amount", "{\"total\":1,\"total\":2}", PT_VERIFY_BAD_FORM },
        { "amount", "{\"total\":1,\"tot\\u0061l\":2}", PT_VERIFY_BAD_FORM },
        { "amount", "{\"total\":1,\"currency\":\"\"}", PT_VERIFY_BAD_VALUE },
        { "amount", "{\"total\":1,\"currency\":\"CN\"}", PT_VERIFY_BAD_VALUE },
        { "amount", "{\"total\":1,\"currency\":156}", PT_VERIFY_BAD_VALUE },
        { "amount", "{\"total\":1,\"currency\":null}", PT_VERIFY_OK },
    };

    for (i = 0; i < N(cases); i++) {
        if (with(payment, cases[i].name, cases[i].value) != cases[i].result) {
            fail_msg("%s: %s", cases[i].name,
                     cases[i].value ? cases[i].value : "(none)");
        }

        if (cases[i].result != PT_VERIFY_OK) {
            nothing_told();
        }
    }
}


static void
test_refund_values(void **state)
{
    size_t  i;

    static const struct {
        const char   *name;
        const char   *value;
        pt_verify_e   result;
    } cases[] = {
        { "mchid", NULL, PT_VERIFY_MISSING },
        { "mchid", "\"1\"", PT_VERIFY_WRONG_MERCHANT },
        { "out_refund_no", NULL, PT_VERIFY_MISSING },
        { "out_refund_no", "\"\"", PT_VERIFY_MISSING },
        { "out_refund_no", "\"a b\"", PT_VERIFY_BAD_VALUE },
        { "out_refund_no", "1", PT_VERIFY_BAD_VALUE },
        { "out_refund_no", "\"_-|*@\"", PT_VERIFY_OK },
        { "refund_status", NULL, PT_VERIFY_MISSING },
        { "refund_status", "\"CLOSED\"", PT_VERIFY_BAD_VALUE },
        { "refund_status", "\"PROCESSING\"", PT_VERIFY_BAD_VALUE },
        { "trade_state", "\"SUCCESS\"", PT_VERIFY_OK },
        { "success_time", NULL, PT_VERIFY_OK },
        { "success_time", "\"now\"", PT_VERIFY_BAD_VALUE },
        { "amount", "{\"total\":500000}", PT_VERIFY_MISSING },
        { "amount", "{\"refund\":500000}", PT_VERIFY_MISSING },
        { "amount", "{\"total\":5,\"refund\":0}", PT_VERIFY_BAD_VALUE },
        { "amount", "{\"total\":5,\"refund\":-5}", PT_VERIFY_BAD_VALUE },
        { "amount", "{\"total\":5,\"refund\":\"5\"}", PT_VERIFY_BAD_VALUE },
        { "amount", "{\"total\":5,\"refund\":6}", PT_VERIFY_BAD_VALUE },
        { "amount", "{\"total\":5,\"refund\":5}", PT_VERIFY_OK },
        { "amount", "{\"total\":5,\"refund\":5,\"currency\":\"USD\"}",
          PT_VERIFY_OK },
        { "amount", "{\"total\":5,\"refund\":5,\"currency\":\"$\"}",
          PT_VERIFY_BAD_VALUE },
    };

    for (i = 0; i < N(cases); i++) {
        if (with(refund, cases[i].name, cases[i].value) != cases[i].result) {
            fail_msg("%s: %s", cases[i].name,
                     cases[i].value ? cases[i].value : "(none)");
        }

        if (cases[i].result != PT_VERIFY_OK) {
            nothing_told();
        }
    }
}


/* One taken for the other. */
static void
test_types_mixed(void **state)
{
    refund();
    wechat_v3_put(&c.event, "event_type", "\"TRANSACTION.SUCCESS\"");
    assert_int_equal(verify(), PT_VERIFY_BAD_VALUE);

    /* the sealed part of a refund, called a payment everywhere */

    wechat_v3_put(&c.resource, "original_type", "\"transaction\"");
    assert_int_equal(verify(), PT_VERIFY_MISSING);
    wechat_v3_put(&c.plain, "appid", "\"wxd678efh567hg6787\"");
    assert_int_equal(verify(), PT_VERIFY_MISSING);
    nothing_told();

    payment();
    wechat_v3_put(&c.event, "event_type", "\"REFUND.SUCCESS\"");
    assert_int_equal(verify(), PT_VERIFY_BAD_VALUE);
    wechat_v3_put(&c.resource, "original_type", "\"refund\"");
    assert_int_equal(verify(), PT_VERIFY_MISSING);
    nothing_told();
}


static void
test_event(void **state)
{
    size_t  i;

    static const struct {
        const char   *name;
        const char   *value;
        pt_verify_e   result;
    } cases[] = {
        { "id", NULL, PT_VERIFY_MISSING },
        { "id", "\"\"", PT_VERIFY_MISSING },
        { "id", "null", PT_VERIFY_MISSING },
        { "id", "1", PT_VERIFY_BAD_VALUE },
        { "id", "\"a b\"", PT_VERIFY_BAD_VALUE },
        { "id", "\"\xe6\x89\x8b\"", PT_VERIFY_BAD_VALUE },
        { "event_type", NULL, PT_VERIFY_MISSING },
        { "event_type", "1", PT_VERIFY_BAD_VALUE },
        { "event_type", "[\"TRANSACTION.SUCCESS\"]", PT_VERIFY_BAD_VALUE },
        { "event_type", "\"\\u0054RANSACTION.SUCCESS\"", PT_VERIFY_OK },
        { "create_time", NULL, PT_VERIFY_OK },
        { "summary", NULL, PT_VERIFY_OK },
        { "summary", "\"\\/\"", PT_VERIFY_OK },
        { "summary", "1,\"id\":2", PT_VERIFY_BAD_FORM },
        { "summary", "1,\"summary\":2", PT_VERIFY_BAD_FORM },
        { "summary", "1,\"\\u0069d\":2", PT_VERIFY_BAD_FORM },
        { "summary", "\"\xff\"", PT_VERIFY_BAD_FORM },
        { "summary", "1 2", PT_VERIFY_BAD_FORM },
        { "summary", "[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]",
          PT_VERIFY_BAD_FORM },
    };

    for (i = 0; i < N(cases); i++) {
        if (with_event(payment, cases[i].name, cases[i].value)
            != cases[i].result)
        {
            fail_msg("%s: %s", cases[i].name,
                     cases[i].value ? cases[i].value : "(none)");
        }
    }

    assert_int_equal(with_event(payment, "id", unit_fmt("\"%064d\"%c", 1, 0)
                                .data), PT_VERIFY_OK);
    assert_int_equal(with_event(payment, "id", unit_fmt("\"%065d\"%c", 1, 0)
                                .data), PT_VERIFY_BAD_VALUE);

    payment();
    assert_int_equal(verify_str(""), PT_VERIFY_BAD_FORM);
    assert_int_equal(verify_str("{}"), PT_VERIFY_MISSING);
    assert_int_equal(verify_str("[]"), PT_VERIFY_BAD_FORM);
    assert_int_equal(verify_str("null"), PT_VERIFY_BAD_FORM);
    assert_int_equal(verify_str("<xml></xml>"), PT_VERIFY_BAD_FORM);
    assert_int_equal(verify_str("{\"id\":\"1\",\"event_type\":\"x\","
                                "\"resource\":\"x\"}"), PT_VERIFY_MISSING);
}


static void
test_resource(void **state)
{
    size_t  i;

    static const struct {
        const char   *name;
        const char   *value;
        pt_verify_e   result;
    } cases[] = {
        { "algorithm", NULL, PT_VERIFY_MISSING },
        { "algorithm", "\"AEAD_SM4_GCM\"", PT_VERIFY_BAD_ALGORITHM },
        { "algorithm", "\"aead_aes_256_gcm\"", PT_VERIFY_BAD_ALGORITHM },
        { "algorithm", "\"NONE\"", PT_VERIFY_BAD_ALGORITHM },
        { "algorithm", "1", PT_VERIFY_BAD_VALUE },
        { "original_type", NULL, PT_VERIFY_MISSING },
        { "original_type", "\"refund\"", PT_VERIFY_BAD_VALUE },
        { "original_type", "\"Transaction\"", PT_VERIFY_BAD_VALUE },
        { "original_type", "\"\"", PT_VERIFY_MISSING },
        { "nonce", NULL, PT_VERIFY_MISSING },
        { "nonce", "\"\"", PT_VERIFY_MISSING },
        { "nonce", "\"fdasflkja485\"", PT_VERIFY_BAD_CIPHERTEXT },
        { "nonce", "\"fdasflkja48\"", PT_VERIFY_BAD_CIPHERTEXT },
        { "nonce", "\"fdasflkja4840\"", PT_VERIFY_BAD_CIPHERTEXT },
        { "nonce", "\"fdasflkja\\u0034\\u00384\"", PT_VERIFY_OK },
        { "nonce", "12", PT_VERIFY_BAD_VALUE },
        { "associated_data", NULL, PT_VERIFY_BAD_CIPHERTEXT },
        { "associated_data", "\"\"", PT_VERIFY_BAD_CIPHERTEXT },
        { "associated_data", "\"refund\"", PT_VERIFY_BAD_CIPHERTEXT },
        { "associated_data", "[]", PT_VERIFY_BAD_VALUE },
        { "something", "\"new\"", PT_VERIFY_OK },
    };

    for (i = 0; i < N(cases); i++) {
        if (with_resource(cases[i].name, cases[i].value) != cases[i].result) {
            fail_msg("%s: %s", cases[i].name,
                     cases[i].value ? cases[i].value : "(none)");
        }
    }

    /* none, null and empty are the same */

    payment();
    c.aad = "";
    wechat_v3_put(&c.resource, "associated_data", NULL);
    assert_int_equal(verify(), PT_VERIFY_OK);
    wechat_v3_put(&c.resource, "associated_data", "null");
    assert_int_equal(verify(), PT_VERIFY_OK);
    wechat_v3_put(&c.resource, "associated_data", "\"\"");
    assert_int_equal(verify(), PT_VERIFY_OK);

    /* another length of the nonce, though sealed with it */

    payment();
    c.seal_nonce = "fdasflkja4840";
    wechat_v3_put(&c.resource, "nonce", "\"fdasflkja4840\"");
    assert_int_equal(verify(), PT_VERIFY_BAD_CIPHERTEXT);
}


/* A ciphertext of one's own, signed all the same. */
static pt_verify_e
with_ciphertext(pt_slice_t text)
{
    wechat_v3_object_t  event;

    event = c.event;
    wechat_v3_put(&event, "resource", unit_fmt(
        "{\"original_type\":\"transaction\",\"algorithm\":\"AEAD_AES_256_GCM\","
        "\"associated_data\":\"transaction\",\"nonce\":\"fdasflkja484\","
        "\"ciphertext\":%.*s}%c", (int) text.len, text.data, 0).data);

    return verify_body(body, wechat_v3_write(&event, body));
}


static void
test_ciphertext(void **state)
{
    char         sealed[8192], *text;
    size_t       i, len;
    const char  *end;

    static const char *const  cases[] = {
        "\"!\"", "\"AAAA\"", "\"AAAAAAAAAAAAAAAAAAAA\"",
        "\"AAAAAAAAAAAAAAAAAAAAAA==\"", "\"AAAAAAAAAAAAAAAAAAAAAA=\"",
        "\"AAAAAAAAAAAAAAAAAAAAAB==\"", "\"AAAA\\nAAAA\"", "\" \"",
    };

    for (i = 0; i < N(cases); i++) {
        assert_int_equal(with_ciphertext(unit_str(cases[i])),
                         PT_VERIFY_BAD_CIPHERTEXT);
    }

    assert_int_equal(with_ciphertext(unit_str("null")), PT_VERIFY_MISSING);
    assert_int_equal(with_ciphertext(unit_str("\"\"")), PT_VERIFY_MISSING);
    assert_int_equal(with_ciphertext(unit_str("{}")), PT_VERIFY_BAD_VALUE);

    len = wechat_v3_write(&c.plain, plain);
    wechat_v3_seal(c.secret, c.seal_nonce, c.aad, plain, len, sealed);
    len = strlen(sealed);

    assert_int_equal(with_ciphertext(unit_fmt("\"%s\"", sealed)),
                     PT_VERIFY_OK);
    assert_int_equal(with_ciphertext(unit_fmt("\"%s\\n\"", sealed)),
                     PT_VERIFY_BAD_CIPHERTEXT);
    assert_int_equal(with_ciphertext(unit_fmt("\"%sAAAA\"", sealed)),
                     PT_VERIFY_BAD_CIPHERTEXT);
    assert_int_equal(with_ciphertext(unit_fmt("\"%.*s\"", (int) len - 4,
                                              sealed)),
                     PT_VERIFY_BAD_CIPHERTEXT);

    /* each byte changed, the tag's at the end among them */

    text = unit_alloc(NULL, len + 1);
    end = strchr(sealed, '=');
    len = end ? (size_t) (end - sealed) : len;

    for (i = 0; i < len; i++) {
        strcpy(text, sealed);
        text[i] = text[i] == 'A' ? 'B' : 'A';

        assert_int_equal(with_ciphertext(unit_fmt("\"%s\"", text)),
                         PT_VERIFY_BAD_CIPHERTEXT);
    }

    nothing_told();
}


static void
test_secrets(void **state)
{
    c.secret = WECHAT_V3_OLD_SECRET;
    assert_int_equal(verify(), PT_VERIFY_OK);

    c.secret = "0123456789abcdefghijABCDEFGHIJ!!";
    assert_int_equal(verify(), PT_VERIFY_BAD_CIPHERTEXT);

    /* a merchant whose callbacks the same certificate signs */

    c.secret = "another merchant's APIv3 key ...";
    assert_int_equal(verify(), PT_VERIFY_BAD_CIPHERTEXT);
    nothing_told();
}


static void
test_keys(void **state)
{
    size_t  i;

    const struct {
        const char   *serial;
        EVP_PKEY     *key;
        pt_verify_e   result;
    } cases[] = {
        { WECHAT_V3_OLD_SERIAL, world.old, PT_VERIFY_OK },
        { WECHAT_V3_KEY_ID, world.public, PT_VERIFY_OK },
        { WECHAT_V3_SERIAL + 1, world.platform, PT_VERIFY_OK },
        { "00" WECHAT_V3_SERIAL, world.platform, PT_VERIFY_OK },
        { WECHAT_V3_SERIAL, world.old, PT_VERIFY_BAD_SIGNATURE },
        { WECHAT_V3_SERIAL, world.public, PT_VERIFY_BAD_SIGNATURE },
        { WECHAT_V3_SERIAL, world.other, PT_VERIFY_BAD_SIGNATURE },
        { WECHAT_V3_OLD_SERIAL, world.platform, PT_VERIFY_BAD_SIGNATURE },
        { WECHAT_V3_KEY_ID, world.platform, PT_VERIFY_BAD_SIGNATURE },
        { WECHAT_V3_SERIAL "0", world.platform, PT_VERIFY_UNKNOWN_KEY },
        { WECHAT_V3_SERIAL " ", world.platform, PT_VERIFY_UNKNOWN_KEY },
        { WECHAT_V3_SERIAL ", " WECHAT_V3_SERIAL, world.platform,
          PT_VERIFY_UNKNOWN_KEY },
        { "0", world.platform, PT_VERIFY_UNKNOWN_KEY },
        { "000", world.platform, PT_VERIFY_UNKNOWN_KEY },
        { "0a3f4d97e2c6b15880d29c47aa5e6b1f2c3d4e5f", world.platform,
          PT_VERIFY_UNKNOWN_KEY },
        { "0" WECHAT_V3_KEY_ID, world.public, PT_VERIFY_UNKNOWN_KEY },
        { "PUB_KEY_ID_", world.public, PT_VERIFY_UNKNOWN_KEY },
        { "7777777777777777777777777777777777777777", world.other,
          PT_VERIFY_UNKNOWN_KEY },
        { "", world.platform, PT_VERIFY_MISSING },
        { NULL, world.platform, PT_VERIFY_MISSING },
    };

    for (i = 0; i < N(cases); i++) {
        payment();
        c.serial = cases[i].serial;
        c.key = cases[i].key;

        if (verify() != cases[i].result) {
            fail_msg("%zu: %s", i, cases[i].serial ? cases[i].serial : "none");
        }
    }
}


static void
test_headers(void **state)
{
    size_t        i;
    const char  **headers[] = { &c.time, &c.nonce, &c.sign };
    const char   *saved;

    assert_int_equal(verify(), PT_VERIFY_OK);

    for (i = 0; i < N(headers); i++) {
        saved = *headers[i];

        *headers[i] = NULL;
        assert_int_equal(verify_as(world.conf, body, strlen(body)),
                         PT_VERIFY_MISSING);
        *headers[i] = "";
        assert_int_equal(verify_as(world.conf, body, strlen(body)),
                         PT_VERIFY_MISSING);

        /* twice, as they are joined */

        *headers[i] = unit_fmt("%s, %s%c", saved, saved, 0).data;
        assert_int_equal(verify_as(world.conf, body, strlen(body)),
                         PT_VERIFY_BAD_SIGNATURE);
        *headers[i] = unit_fmt("%s %c", saved, 0).data;
        assert_int_equal(verify_as(world.conf, body, strlen(body)),
                         PT_VERIFY_BAD_SIGNATURE);

        *headers[i] = saved;
    }

    assert_int_equal(verify_as(world.conf, body, strlen(body)), PT_VERIFY_OK);
}


static void
test_algorithm(void **state)
{
    size_t  i, len;

    static const struct {
        const char   *algorithm;
        pt_verify_e   result;
    } cases[] = {
        { NULL, PT_VERIFY_OK },
        { "", PT_VERIFY_OK },
        { WECHAT_V3_ALGORITHM, PT_VERIFY_OK },
        { WECHAT_V3_ALGORITHM ", " WECHAT_V3_ALGORITHM,
          PT_VERIFY_BAD_ALGORITHM },
        { "WECHATPAY2-SM2-WITH-SM3", PT_VERIFY_BAD_ALGORITHM },
        { "WECHATPAY-BRAND-SHA256-RSA2048", PT_VERIFY_BAD_ALGORITHM },
        { "WECHATPAY2-SHA1-RSA2048", PT_VERIFY_BAD_ALGORITHM },
        { "wechatpay2-sha256-rsa2048", PT_VERIFY_BAD_ALGORITHM },
        { "none", PT_VERIFY_BAD_ALGORITHM },
    };

    for (i = 0; i < N(cases); i++) {
        payment();
        c.algorithm = cases[i].algorithm;
        assert_int_equal(verify(), cases[i].result);
    }

    /* the same key, another digest */

    payment();
    len = wechat_v3_body(&c, "{}", 2, body);
    wechat_v3_sign(&c, EVP_sha1(), body, len, sign);
    c.sign = sign;
    assert_int_equal(verify_as(world.conf, body, len),
                     PT_VERIFY_BAD_SIGNATURE);
}


static void
test_signature(void **state)
{
    char    *good, *text;
    size_t   i, len, size;

    assert_int_equal(verify(), PT_VERIFY_OK);

    size = strlen(body);
    len = strlen(sign);
    good = unit_alloc(NULL, len + 1);
    text = unit_alloc(NULL, len + 64);
    strcpy(good, sign);
    c.sign = text;

#define sign_is(...)                                                          \
    (sprintf(text, __VA_ARGS__), verify_as(world.conf, body, size))

    assert_int_equal(sign_is("%s", good), PT_VERIFY_OK);
    assert_int_equal(sign_is("%s\n", good), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(sign_is(" %s", good), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(sign_is("%s====", good), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(sign_is("%sAAAA", good), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(sign_is("AAAA%s", good), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(sign_is("%.*s", (int) len - 4, good),
                     PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(sign_is("%.*s", (int) strcspn(good, "="), good),
                     PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(sign_is("AAAA"), PT_VERIFY_BAD_SIGNATURE);

    /* what WeChat sends to see whether anybody looks */

    assert_int_equal(sign_is("WECHATPAY/SIGNTEST/%.*s", (int) len - 19, good),
                     PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(sign_is("WECHATPAY/SIGNTEST/%s", good),
                     PT_VERIFY_BAD_SIGNATURE);

    c.sign = unit_repeat("A", 4096).data;
    ((char *) c.sign)[4095] = '\0';
    assert_int_equal(verify_as(world.conf, body, size),
                     PT_VERIFY_BAD_SIGNATURE);

    c.sign = text;

    for (i = 0; i < len - 2; i++) {
        strcpy(text, good);
        text[i] = text[i] == 'A' ? 'B' : 'A';
        assert_int_equal(verify_as(world.conf, body, size),
                         PT_VERIFY_BAD_SIGNATURE);
    }

    nothing_told();
}


/* Every byte of the body, changed: the bytes as they came are signed. */
static void
test_flips(void **state)
{
    char    *copy;
    size_t   i, len;

    assert_int_equal(verify(), PT_VERIFY_OK);

    len = strlen(body);
    copy = unit_alloc(NULL, len + 1);

    for (i = 0; i < len; i++) {
        memcpy(copy, body, len);
        copy[i] ^= 1 << i % 8;
        assert_int_equal(verify_as(world.conf, copy, len),
                         PT_VERIFY_BAD_SIGNATURE);
    }

    memcpy(copy, body, len);
    copy[len] = '\n';
    assert_int_equal(verify_as(world.conf, copy, len + 1),
                     PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(verify_as(world.conf, copy, len - 1),
                     PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(verify_as(world.conf, copy, 0), PT_VERIFY_BAD_SIGNATURE);
}


static void
test_time(void **state)
{
    size_t  i;

    static const struct {
        int64_t       offset;
        pt_verify_e   result;
    } cases[] = {
        { 0, PT_VERIFY_OK },
        { 299, PT_VERIFY_OK },
        { 300, PT_VERIFY_OK },
        { 301, PT_VERIFY_STALE },
        { 86400, PT_VERIFY_STALE },
        { -299, PT_VERIFY_OK },
        { -300, PT_VERIFY_OK },
        { -301, PT_VERIFY_STALE },
        { -1795248001, PT_VERIFY_STALE },
    };

    static const char *const  nonsense[] = {
        "-1795248001", "+1795248001", "01795248001", " 1795248001",
        "1795248001.0", "1.795248001e9", "0x6b013c41", "now", "1",
        "17952480010000000000000", "0",
    };

    for (i = 0; i < N(cases); i++) {
        now = INT64_C(1795248001000) + cases[i].offset * 1000;
        assert_int_equal(verify(), cases[i].result);
    }

    now = INT64_C(1795248001999) + 300000;
    assert_int_equal(verify(), PT_VERIFY_OK);

    for (i = 0; i < N(nonsense); i++) {
        payment();
        c.time = nonsense[i];
        assert_int_equal(verify(), strcmp(nonsense[i], "1") == 0
                                   ? PT_VERIFY_STALE : PT_VERIFY_BAD_VALUE);
    }

    /* the nonce and the time are signed as well */

    payment();
    now = WECHAT_V3_NOW;
    assert_int_equal(verify(), PT_VERIFY_OK);
    c.time = "1795248002";
    assert_int_equal(verify_as(world.conf, body, strlen(body)),
                     PT_VERIFY_BAD_SIGNATURE);
    c.time = WECHAT_V3_TIME;
    c.nonce = "x";
    assert_int_equal(verify_as(world.conf, body, strlen(body)),
                     PT_VERIFY_BAD_SIGNATURE);
}


/* The same signed text, cut otherwise. */
static void
test_cut_otherwise(void **state)
{
    size_t  len;

    len = wechat_v3_body(&c, "{}", 2, body);
    c.nonce = unit_fmt("%s\n%s%c", WECHAT_V3_NONCE, "x", 0).data;
    assert_int_equal(verify_body(body, len), PT_VERIFY_BAD_FORM);

    payment();
    c.time = WECHAT_V3_TIME "\n1";
    assert_int_equal(verify_body(body, len), PT_VERIFY_BAD_FORM);
}


static void
test_content_types(void **state)
{
    size_t  i;

    static const struct {
        const char   *type;
        const char   *encoding;
        pt_verify_e   result;
    } cases[] = {
        { "application/json", NULL, PT_VERIFY_OK },
        { "application/json; charset=utf-8", NULL, PT_VERIFY_OK },
        { "Application/JSON;charset=UTF-8", "identity", PT_VERIFY_OK },
        { "application/json", "gzip", PT_VERIFY_BAD_TYPE },
        { "application/json", "identity, gzip", PT_VERIFY_BAD_TYPE },
        { "application/jsonx", NULL, PT_VERIFY_BAD_TYPE },
        { "application/json, text/plain", NULL, PT_VERIFY_BAD_TYPE },
        { "application/x-www-form-urlencoded", NULL, PT_VERIFY_BAD_TYPE },
        { "text/xml", NULL, PT_VERIFY_BAD_TYPE },
        { "", NULL, PT_VERIFY_BAD_TYPE },
        { NULL, NULL, PT_VERIFY_BAD_TYPE },
    };

    for (i = 0; i < N(cases); i++) {
        payment();
        c.type = cases[i].type;
        c.encoding = cases[i].encoding;
        assert_int_equal(verify(), cases[i].result);
    }
}


/* Nothing else is told of a callback that nobody signed. */
static void
test_signature_first(void **state)
{
    c.key = world.other;
    assert_int_equal(verify(), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(verify_str("x"), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(verify_str("{\"id\":1,\"id\":2}"),
                     PT_VERIFY_BAD_SIGNATURE);

    now = 0;
    assert_int_equal(verify(), PT_VERIFY_BAD_SIGNATURE);
    c.time = "x";
    assert_int_equal(verify(), PT_VERIFY_BAD_SIGNATURE);

    payment();
    now = 0;
    assert_int_equal(verify_str("x"), PT_VERIFY_STALE);
}


static void
test_sizes(void **state)
{
    char    *text;
    size_t   i, len;

    assert_int_equal(verify(), PT_VERIFY_OK);

    text = unit_alloc(NULL, 70000);
    len = strlen(body);
    memcpy(text, body, len);
    memset(text + len, ' ', 70000 - len);

    assert_int_equal(verify_body(text, 65536), PT_VERIFY_OK);
    assert_int_equal(verify_body(text, 65537), PT_VERIFY_BAD_FORM);
    assert_int_equal(verify_body(text, 70000), PT_VERIFY_BAD_FORM);

    /* nobody's time is spent on it */

    c.sign = "AAAA";
    assert_int_equal(verify_as(world.conf, text, 65537), PT_VERIFY_BAD_FORM);
    assert_int_equal(verify_as(world.conf, text, 65536),
                     PT_VERIFY_BAD_SIGNATURE);

    for (i = 0; i < 2; i++) {
        assert_int_equal(with(payment, i ? "out_trade_no" : "transaction_id",
                              unit_fmt("\"%064d\"%c", 1, 0).data),
                         PT_VERIFY_OK);
        assert_int_equal(with(payment, i ? "out_trade_no" : "transaction_id",
                              unit_fmt("\"%065d\"%c", 1, 0).data),
                         PT_VERIFY_BAD_VALUE);
    }

    assert_int_equal(with(refund, "out_refund_no",
                          unit_fmt("\"%064d\"%c", 1, 0).data), PT_VERIFY_OK);
    assert_int_equal(with(refund, "out_refund_no",
                          unit_fmt("\"%065d\"%c", 1, 0).data),
                     PT_VERIFY_BAD_VALUE);
}


/*
 * The sample that the gateway's own SDK for Go tests with: its signature and
 * serial number are right here too.  It is sealed with a key of 16 bytes, which
 * is no APIv3 key.
 */
static void
test_published(void **state)
{
    char        *text;
    void        *conf;
    size_t       len;
    const char  *why;

    static const char  pem[] =
        "-----BEGIN CERTIFICATE-----\n"
        "MIIDVzCCAj+gAwIBAgIJANfOWdH1ItcBMA0GCSqGSIb3DQEBCwUAMEIxCzAJBgNV\n"
        "BAYTAlhYMRUwEwYDVQQHDAxEZWZhdWx0IENpdHkxHDAaBgNVBAoME0RlZmF1bHQg\n"
        "Q29tcGFueSBMdGQwHhcNMjEwNDI3MDg1NTIzWhcNMzEwNDI1MDg1NTIzWjBCMQsw\n"
        "CQYDVQQGEwJYWDEVMBMGA1UEBwwMRGVmYXVsdCBDaXR5MRwwGgYDVQQKDBNEZWZh\n"
        "dWx0IENvbXBhbnkgTHRkMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA\n"
        "2VCTd91fnUn73Xy9DLvt/V62TVxRTEEstVdeRaZ3B3leO0pldE806mXO4RwdHXag\n"
        "HQ4vGeZN0yqm++rDsGK+U3AH7kejyD2pXshNP9Cq5YwbptiLGtjcquw4HNxJQUOm\n"
        "DeJf2vg6byms9RUipiq4SzbJKqJFlUpbuIPDpSpWz10PYmyCNeDGUUK65E5h2B83\n"
        "4uxl1zNLYQCrkdBzb8oUxwYeP5a2DNxmjL5lsJML7DGr5znsevnoqGRwTm9fxCGf\n"
        "y8wus7hwKz6clt3Whmmda7UAdb1c08hEQFVRbF14AR73xbnd8N0obCWJPCbzMCtk\n"
        "aSef4FdEEgEXJiw0VAJT8wIDAQABo1AwTjAdBgNVHQ4EFgQUT1c7nd/SUO76HSoZ\n"
        "umNUJv1R5PwwHwYDVR0jBBgwFoAUT1c7nd/SUO76HSoZumNUJv1R5PwwDAYDVR0T\n"
        "BAUwAwEB/zANBgkqhkiG9w0BAQsFAAOCAQEAfTjxKRQMzNB/U6ZoCUS+BSNfa2Oh\n"
        "0plMN6ZuzwiVVZwg1jywvv5yv04koS7Pd4i9E4gt9ZBUQXlpq+A3oOCEEHNRR6b2\n"
        "kyazGRM7s0OP5X21WrbpSmKmU6K7hkfx30yYs08LVs/Q8DIhvaj1FCFeJzUCzYn/\n"
        "fHMq4tsbKO0dKAeydPM/nrUZBmaYQVKMVOORGLFjFKVO7JV6Kq/R86ouhjEPgJOe\n"
        "2xulNBUcjicqtZlBdEh/PWCYP2SpGVDclKm8jeo175T3EVAkdKzzmfpxtMmnMlmq\n"
        "cTJOU9TxuGvNASMtjj7pYIerTx+xgZDXEVBWFW9PjJ0TV06tCRsgSHItgg==\n"
        "-----END CERTIFICATE-----\n";

    static const char  sample[] =
        "{\"id\":\"3119dfba-e649-5eec-ab1e-3412bc4d2e17\","
        "\"create_time\":\"2021-06-24T16:37:26+08:00\","
        "\"resource_type\":\"encrypt-resource\","
        "\"event_type\":\"PAYSCORE.USER_OPEN_SERVICE\","
        "\"summary\":\"\xe7\xad\xbe\xe7\xba\xa6\xe6\x88\x90\xe5\x8a\x9f\","
        "\"resource\":{\"original_type\":\"payscore\","
        "\"algorithm\":\"AEAD_AES_256_GCM\","
        "\"ciphertext\":\"YDS3lKPaC4Y52Gf3uhft5qUBlIa8b428AWTtTauHQfQrRw+X1Wpi"
        "uHIDy0vo1Vd6VEq67aVyqPdDYMkRVSDaZL3iZttevRMOoPKMifozg6XPWjIZumks/GpT"
        "48lI4NizyeaqLBokNebthah3o1H76qSlO9NkDjp9bzmKLEYYH9TEklFUpsvPqOTOcgSL"
        "gh21YJXYR7dEBXFgRLiNIKRgO5JdXh1hccRUAlyVWxE54PXpnQ==\","
        "\"associated_data\":\"payscore\",\"nonce\":\"Kj7QIyUiYx1q\"}}";

    conf = pt_wechat_v3.create(pt_slice_lit("CNY"), 2);

    assert_int_equal(wechat_v3_text(conf, "app_id",
                                    "054aa7d7a2a54ab5898df65bd96f001c", &why),
                     0);
    assert_int_equal(wechat_v3_text(conf, "mch_id", "1234567890", &why), 0);
    assert_int_equal(wechat_v3_text(conf, "api_v3_key", WECHAT_V3_SECRET,
                                    &why), 0);
    assert_int_equal(wechat_v3_text(conf, "platform_certificate", pem, &why),
                     0);
    assert_int_equal(pt_wechat_v3.check(conf, &why), 0);

    c.algorithm = NULL;
    c.time = "1624523846";
    c.nonce = "EcZ9Cmy4Xyx1i6RlJQzLcCyEqDa26NBz";
    c.serial = "D7CE59D1F522D701";
    c.sign = "tJHIiIS9eB2hAYstmAmbbD3ZE5LiIm/Ug5tuL4fC0YOFRWIHV39UFIZXC0e9Wl6l"
             "Bu6sKvkqDkzpqzBsVHyXFlbYZTOQrVdG4b6LfTnK4mikv9++ixJMd3vTf2yCqvBk"
             "h98zs3Ds5zsYQakzbcwhmw4fMJs4nPLws28H0UW9FjDR//rxELLwXvV1VEA1IBLX"
             "70xptjL8hrfUjEE8kkry6yNJTHZRU8CAc7qHli2Ng1V1qb9ARbK8A3ThmFmPQvRG"
             "rapI/jS2laKKgYUmfdEdkNO6B2Cke5e8VTxY406ArAmQ90GAihDwIcb16TQMnzCM"
             "BoutnwZKNiKRACrFmtxw2Q==";

    now = INT64_C(1624523846000);
    len = sizeof(sample) - 1;

    assert_int_equal(verify_as(conf, sample, len), PT_VERIFY_BAD_CIPHERTEXT);

    now += 301000;
    assert_int_equal(verify_as(conf, sample, len), PT_VERIFY_STALE);

    text = (char *) unit_mem(sample, len).data;
    text[len - 4] ^= 1;
    assert_int_equal(verify_as(conf, text, len), PT_VERIFY_BAD_SIGNATURE);

    pt_wechat_v3.destroy(conf);
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
    int            i, k;
    pt_verify_e    rc;
    pt_callback_t  callback;

    for (k = 0; k < 3; k++) {
        if (k == 1) {
            refund();

        } else {
            payment();
        }

        if (k == 2) {
            wechat_v3_put(&c.event, "event_type", "\"X\"");
        }

        assert_int_equal(verify(), PT_VERIFY_OK);

        callback.body = unit_str(body);
        callback.header = wechat_v3_header;
        callback.ctx = &c;
        callback.now = now;
        callback.alloc = scarce_alloc;
        callback.alloc_ctx = NULL;

        for (i = 0; i < 20; i++) {
            rest = i;
            rc = pt_wechat_v3.verify(world.conf, &callback, &notice);

            if (rc == PT_VERIFY_OK) {
                break;
            }

            assert_int_equal(rc, PT_VERIFY_NO_MEMORY);
            nothing_told();
        }

        assert_in_range(i, 4, 12);
    }
}


static void
test_rubbish(void **state)
{
    int     i;
    char   *text;
    size_t  n, len, size;

    size = wechat_v3_write(&c.plain, plain);
    text = unit_alloc(NULL, size);

    for (i = 0; i < 2000; i++) {
        len = unit_below(size);
        memcpy(text, plain, size);

        for (n = 0; n < 3; n++) {
            text[unit_below(size)] = "{}[]\",:\\u0 1e"[unit_below(13)];
        }

        /* cut or changed, it never does harm */

        (void) verify_text(text, i % 2 ? len : size);
        assert_true(notice.amount >= -1 && notice.amount <= PT_AMOUNT_MAX);
    }
}


static int
begin(void **state)
{
    wechat_v3_begin(&world);

    return 0;
}


static int
end(void **state)
{
    wechat_v3_end(&world);

    return 0;
}


#define w_case(f)  cmocka_unit_test_setup_teardown(f, setup, unit_end)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        w_case(test_paid),
        w_case(test_refunded),
        w_case(test_ignored),
        w_case(test_values),
        w_case(test_refund_values),
        w_case(test_types_mixed),
        w_case(test_event),
        w_case(test_resource),
        w_case(test_ciphertext),
        w_case(test_secrets),
        w_case(test_keys),
        w_case(test_headers),
        w_case(test_algorithm),
        w_case(test_signature),
        w_case(test_flips),
        w_case(test_time),
        w_case(test_cut_otherwise),
        w_case(test_content_types),
        w_case(test_signature_first),
        w_case(test_sizes),
        w_case(test_published),
        w_case(test_no_memory),
        w_case(test_rubbish),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
