/*
 * Alipay: its settings, and what is made of callbacks.
 */

#include "alipay.h"
#include "pt_gateway.h"
#include "unit.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))

#define FORM_TYPE                                                             \
    "application/x-www-form-urlencoded; text/html; charset=UTF-8"


static alipay_world_t  world;

/* How the next callback comes. */
static const char     *type = FORM_TYPE;
static const char     *encoding;
static EVP_PKEY       *key;
static int             mode, plus, all;

static pt_notice_t     notice;
static char            text[ALIPAY_TEXT_MAX], body[ALIPAY_TEXT_MAX];


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
verify_body(const char *s, size_t len)
{
    pt_callback_t  callback;

    callback.body = unit_mem(s, len);
    callback.header = header;
    callback.ctx = NULL;
    callback.alloc = unit_alloc;
    callback.alloc_ctx = NULL;

    return pt_alipay.verify(world.conf, &callback, &notice);
}


static pt_verify_e
verify(const alipay_form_t *form)
{
    return verify_body(body, alipay_body(form, plus, all, body));
}


static pt_verify_e
verify_signed(alipay_form_t *form)
{
    static char  sign[2048];

    alipay_signed(form, mode, text);
    alipay_sign_text(key, EVP_sha256(), text, sign);
    alipay_put(form, "sign", sign);

    return verify(form);
}


/* A notice with some parameters changed; the names end with NULL. */
static pt_verify_e
verify_with(const alipay_param_t *changes)
{
    alipay_form_t  form;

    for (alipay_notice(&form); changes->name; changes++) {
        alipay_put(&form, changes->name, changes->value);
    }

    return verify_signed(&form);
}


#define with(...)                                                             \
    verify_with((const alipay_param_t []) { __VA_ARGS__ { NULL, NULL } })


static int
setup(void **state)
{
    type = FORM_TYPE;
    encoding = NULL;
    key = world.alipay;
    mode = 0;
    plus = 1;
    all = 0;

    return unit_setup(state);
}


static void
test_paid(void **state)
{
    assert_int_equal(with(), PT_VERIFY_OK);

    assert_int_equal(notice.kind, PT_NOTICE_PAID);
    unit_slice_is(notice.out_trade_no, "t1763712000123000002");
    unit_slice_is(notice.trade_no, "2026112122001448061412345678");
    assert_int_equal(notice.amount, 500000);
    unit_slice_is(notice.event_id, "2026112100222160001048060521461421");
    unit_slice_is(notice.currency, "CNY");
    assert_int_equal(notice.refund_no.len, 0);
    assert_int_equal(notice.refunded, 0);
    assert_true(notice.paid_at == INT64_C(1795248000000));

    assert_int_equal(with({ "trade_status", "TRADE_FINISHED" },),
                     PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_PAID);

    assert_int_equal(with({ "gmt_payment", NULL },), PT_VERIFY_OK);
    assert_int_equal(notice.paid_at, 0);
}


static void
test_other_kinds(void **state)
{
    assert_int_equal(with({ "trade_status", "TRADE_CLOSED" },
                          { "gmt_payment", NULL },), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_CLOSED);

    assert_int_equal(with({ "trade_status", "WAIT_BUYER_PAY" },
                          { "gmt_payment", NULL },), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);

    assert_int_equal(with({ "trade_status", "TRADE_PENDING" },),
                     PT_VERIFY_BAD_VALUE);
    assert_int_equal(with({ "trade_status", "trade_success" },),
                     PT_VERIFY_BAD_VALUE);
    assert_int_equal(with({ "trade_status", "" },), PT_VERIFY_MISSING);
    assert_int_equal(with({ "trade_status", NULL },), PT_VERIFY_MISSING);
}


static void
test_refunds(void **state)
{
    size_t  i;

    static const char *const  states[] = {
        "TRADE_SUCCESS", "TRADE_FINISHED", "TRADE_CLOSED"
    };

    for (i = 0; i < N(states); i++) {
        assert_int_equal(with({ "trade_status", states[i] },
                              { "refund_fee", "1000.50" },
                              { "gmt_refund", "2026-11-21 17:00:00.123" },
                              { "out_biz_no", "r-1" },), PT_VERIFY_OK);
        assert_int_equal(notice.kind, PT_NOTICE_REFUNDED);
        assert_int_equal(notice.amount, 500000);
        assert_int_equal(notice.refunded, 100050);
        unit_slice_is(notice.refund_no, "r-1");
    }

    /* without a number of its own, the same notice gives the same one */

    for (i = 0; i < 2; i++) {
        assert_int_equal(with({ "refund_fee", "5000.00" },
                              { "gmt_refund", "2026-11-21 17:00:00.123" },),
                         PT_VERIFY_OK);
        assert_int_equal(notice.kind, PT_NOTICE_REFUNDED);
        unit_slice_is(notice.refund_no, "gmt_refund-20261121170000123");
    }

    assert_int_equal(with({ "refund_fee", "5000.00" }, { "out_biz_no", "" },
                          { "gmt_refund", "2026-11-21 17:00:00" },),
                     PT_VERIFY_OK);
    unit_slice_is(notice.refund_no, "gmt_refund-20261121170000");

    /* a number of some back office's: the money is back all the same */

    assert_int_equal(with({ "refund_fee", "5000.00" },
                          { "out_biz_no", "No 7, \xcd\xcb\xbf\xee" },
                          { "gmt_refund", "2026-11-21 17:00:00" },),
                     PT_VERIFY_OK);
    unit_slice_is(notice.refund_no, "gmt_refund-20261121170000");

    /* the end of the time for refunds comes for a refunded payment as well */

    assert_int_equal(with({ "trade_status", "TRADE_FINISHED" },
                          { "refund_fee", "0.00" },), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_PAID);
    assert_int_equal(notice.refunded, 0);

    assert_int_equal(with({ "trade_status", "TRADE_FINISHED" },
                          { "out_biz_no", "r-1" },), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_PAID);
}


static void
test_refunds_refused(void **state)
{
    size_t  i;

    static const char *const  fees[] = {
        "-1.00", "1.001", "1e3", " 1.00", "x", "100000000000.01", "1,00",
    };

    for (i = 0; i < N(fees); i++) {
        assert_int_equal(with({ "refund_fee", fees[i] },
                              { "gmt_refund", "2026-11-21 17:00:00.123" },),
                         PT_VERIFY_BAD_VALUE);
    }

    assert_int_equal(with({ "gmt_refund", "2026-11-21 17:00:00" },),
                     PT_VERIFY_MISSING);
    assert_int_equal(with({ "refund_fee", "1.00" },), PT_VERIFY_MISSING);
    assert_int_equal(with({ "refund_fee", "0.00" },
                          { "gmt_refund", "2026-11-21 17:00:00" },),
                     PT_VERIFY_BAD_VALUE);
    assert_int_equal(with({ "refund_fee", "1.00" }, { "gmt_refund", "now" },),
                     PT_VERIFY_BAD_VALUE);
    assert_int_equal(with({ "refund_fee", "1.00" }, { "out_biz_no", "a b" },),
                     PT_VERIFY_MISSING);
    assert_int_equal(with({ "refund_fee", "1.00" },
                          { "trade_status", "WAIT_BUYER_PAY" },
                          { "out_biz_no", "r-1" },), PT_VERIFY_BAD_VALUE);
}


static void
test_values(void **state)
{
    size_t  i;

    static const struct {
        const char   *name;
        const char   *value;
        pt_verify_e   result;
    } cases[] = {
        { "app_id", NULL, PT_VERIFY_MISSING },
        { "app_id", "", PT_VERIFY_MISSING },
        { "app_id", "2021000000000002", PT_VERIFY_WRONG_APP },
        { "app_id", "20210000000000010", PT_VERIFY_WRONG_APP },
        { "app_id", "202100000000000", PT_VERIFY_WRONG_APP },
        { "app_id", " 2021000000000001", PT_VERIFY_WRONG_APP },
        { "auth_app_id", "9", PT_VERIFY_OK },
        { "seller_id", NULL, PT_VERIFY_MISSING },
        { "seller_id", "2088000000000002", PT_VERIFY_WRONG_SELLER },
        { "out_trade_no", NULL, PT_VERIFY_MISSING },
        { "out_trade_no", "a b", PT_VERIFY_BAD_VALUE },
        { "out_trade_no", "a\tb", PT_VERIFY_BAD_VALUE },
        { "out_trade_no", "a,b", PT_VERIFY_BAD_VALUE },
        { "out_trade_no", "\xe6\x89\x8b", PT_VERIFY_BAD_VALUE },
        { "out_trade_no", "x", PT_VERIFY_OK },
        { "trade_no", NULL, PT_VERIFY_MISSING },
        { "trade_no", "", PT_VERIFY_MISSING },
        { "trade_no", "1\n2", PT_VERIFY_BAD_VALUE },
        { "total_amount", NULL, PT_VERIFY_MISSING },
        { "total_amount", "5000", PT_VERIFY_OK },
        { "total_amount", "5000.0", PT_VERIFY_OK },
        { "total_amount", "0.01", PT_VERIFY_OK },
        { "total_amount", "0.00", PT_VERIFY_BAD_VALUE },
        { "total_amount", "0", PT_VERIFY_BAD_VALUE },
        { "total_amount", "-5000.00", PT_VERIFY_BAD_VALUE },
        { "total_amount", "+5000.00", PT_VERIFY_BAD_VALUE },
        { "total_amount", "5000.000", PT_VERIFY_BAD_VALUE },
        { "total_amount", "5000.001", PT_VERIFY_BAD_VALUE },
        { "total_amount", "05000.00", PT_VERIFY_BAD_VALUE },
        { "total_amount", "5e3", PT_VERIFY_BAD_VALUE },
        { "total_amount", "5,000.00", PT_VERIFY_BAD_VALUE },
        { "total_amount", "5000.00 ", PT_VERIFY_BAD_VALUE },
        { "total_amount", "184467440737095516.16", PT_VERIFY_BAD_VALUE },
        { "gmt_payment", "2026-11-21T16:00:00", PT_VERIFY_BAD_VALUE },
        { "gmt_payment", "2026-11-21 16:00:00Z", PT_VERIFY_BAD_VALUE },
        { "gmt_payment", "2026-11-21 16:00", PT_VERIFY_BAD_VALUE },
        { "gmt_payment", "2026-02-29 16:00:00", PT_VERIFY_BAD_VALUE },
        { "gmt_payment", "2026-11-21 24:00:00", PT_VERIFY_BAD_VALUE },
        { "gmt_payment", "1970-01-01 07:59:59", PT_VERIFY_BAD_VALUE },
        { "gmt_payment", "2026-11-21 16:00:00.5", PT_VERIFY_OK },
        { "charset", "GBK", PT_VERIFY_OK },
        { "something_new", "1", PT_VERIFY_OK },
        { "notify_id", NULL, PT_VERIFY_OK },
        { "notify_id", "", PT_VERIFY_OK },
        { "notify_id", "a b", PT_VERIFY_BAD_VALUE },
        { "notify_id", "a\r\nX-Paid: yes", PT_VERIFY_BAD_VALUE },
        { "notify_id", "\xe6\x89\x8b", PT_VERIFY_BAD_VALUE },
        { "subject", "\xca\xd6\xbb\xfa", PT_VERIFY_OK },
        { "subject", "a & b = c", PT_VERIFY_OK },
        { "subject", "a&b", PT_VERIFY_OK },
        { "subject", "a=b", PT_VERIFY_OK },
        { "subject", "a=b&c", PT_VERIFY_OK },
        { "subject", "a&=b", PT_VERIFY_OK },
        { "subject", "a&b=", PT_VERIFY_OK },
        { "subject", "a&Total_amount=0.01", PT_VERIFY_OK },
        { "subject", "a& total_amount=0.01", PT_VERIFY_OK },
        { "subject", "a&total_amount", PT_VERIFY_OK },
        { "subject", "a&total_amount&=0.01", PT_VERIFY_OK },
        { "subject", "total_amount=0.01", PT_VERIFY_OK },
        { "subject", "?total_amount=0.01", PT_VERIFY_OK },
        { "subject", "a&b&total_amount=0.01", PT_VERIFY_AMBIGUOUS },
        { "subject", "&total_amount=0.01", PT_VERIFY_AMBIGUOUS },
        { "subject", "x&total_amount=", PT_VERIFY_AMBIGUOUS },
        { "subject", "x&app_id=1", PT_VERIFY_AMBIGUOUS },
        { "subject", "x&gmt_refund=1", PT_VERIFY_AMBIGUOUS },
        { "subject", "x&notify_id=1", PT_VERIFY_AMBIGUOUS },
        { "subject", "x&out_biz_no=1", PT_VERIFY_AMBIGUOUS },
        { "subject", "x&receipt_amount=1", PT_VERIFY_AMBIGUOUS },
        { "subject", "x&refund_fee=1", PT_VERIFY_AMBIGUOUS },
        { "subject", "x&seller_id=1", PT_VERIFY_AMBIGUOUS },
        { "subject", "x&sign=1", PT_VERIFY_AMBIGUOUS },
        { "subject", "x&trade_no=1", PT_VERIFY_AMBIGUOUS },
        { "subject", "x&voucher_detail_list=1", PT_VERIFY_AMBIGUOUS },
        { "body", "&&x=y", PT_VERIFY_OK },
        { "body", "https://shop/p?a=1&b=2", PT_VERIFY_OK },
        { "body", "https://shop/p?a=1&b=2&buyer_id=3", PT_VERIFY_AMBIGUOUS },
        { "body", "&&trade_status=y", PT_VERIFY_AMBIGUOUS },
        { "passback_params", "a%3D1%26b%3D2", PT_VERIFY_OK },
        { "passback_params", "a=1&b=2", PT_VERIFY_OK },
        { "passback_params", "k=1&uid=2&out_trade_no=3", PT_VERIFY_AMBIGUOUS },
    };

    for (i = 0; i < N(cases); i++) {
        if (with({ cases[i].name, cases[i].value },) != cases[i].result) {
            fail_msg("%s=%s", cases[i].name,
                     cases[i].value ? cases[i].value : "(none)");
        }

        if (cases[i].result != PT_VERIFY_OK) {
            assert_null(notice.out_trade_no.data);
            assert_int_equal(notice.amount, 0);
        }
    }
}


static void
test_lengths(void **state)
{
    size_t  i;

    static const char *const  names[] = { "trade_no", "out_trade_no" };

    for (i = 0; i < N(names); i++) {
        assert_int_equal(with({ names[i], unit_fmt("%064d%c", 7, 0).data },),
                         PT_VERIFY_OK);
        assert_int_equal(with({ names[i], unit_fmt("%065d%c", 7, 0).data },),
                         PT_VERIFY_BAD_VALUE);
    }

    assert_int_equal(with({ "refund_fee", "1.00" },
                          { "out_biz_no", unit_fmt("%064d%c", 7, 0).data },),
                     PT_VERIFY_OK);
    assert_int_equal(with({ "refund_fee", "1.00" },
                          { "out_biz_no", unit_fmt("%065d%c", 7, 0).data },),
                     PT_VERIFY_MISSING);

    assert_int_equal(with({ "notify_id", unit_fmt("%0128d%c", 7, 0).data },),
                     PT_VERIFY_OK);
    assert_int_equal(notice.event_id.len, 128);
    assert_int_equal(with({ "notify_id", unit_fmt("%0129d%c", 7, 0).data },),
                     PT_VERIFY_BAD_VALUE);
}


static void
test_encodings(void **state)
{
    for (plus = 0; plus < 2; plus++) {
        for (all = 0; all < 2; all++) {
            assert_int_equal(with({ "subject", "a b+c%20&\xe6\x89\x8b" },),
                             PT_VERIFY_OK);
        }
    }
}


static void
test_keys(void **state)
{
    key = world.next;
    assert_int_equal(with(), PT_VERIFY_OK);
    key = world.other;
    assert_int_equal(with(), PT_VERIFY_BAD_SIGNATURE);
    key = world.app;
    assert_int_equal(with(), PT_VERIFY_BAD_SIGNATURE);
}


static void
test_empty_values(void **state)
{
    for (mode = 0; mode < 2; mode++) {
        assert_int_equal(with({ "body", "" }, { "voucher", "" },),
                         PT_VERIFY_OK);
        assert_int_equal(notice.kind, PT_NOTICE_PAID);

        assert_int_equal(with({ "refund_fee", "" }, { "gmt_refund", "" },
                              { "gmt_payment", "" },), PT_VERIFY_OK);
        assert_int_equal(notice.kind, PT_NOTICE_PAID);
        assert_int_equal(notice.paid_at, 0);
    }

    mode = 2;
    assert_int_equal(with(), PT_VERIFY_BAD_SIGNATURE);
}


/* sign_type is signed as well; what tells of no payment is ignored. */
static void
test_signing(void **state)
{
    void           *v1;
    size_t          i;
    alipay_form_t   form;

    static const alipay_param_t  message[] = {
        { "app_id", "2021000000000001" }, { "charset", "utf-8" },
        { "msg_method", "alipay.open.app.message" }, { "version", "1.1" },
        { "notify_id", "m-1" }, { "biz_content", "{\"a\":1}" },
        { "sign_type", "RSA2" },
    };

    v1 = world.conf;
    world.conf = world.v2;

    assert_int_equal(with(), PT_VERIFY_BAD_SIGNATURE);
    mode = 1;
    assert_int_equal(with({ "body", "" },), PT_VERIFY_BAD_SIGNATURE);

    mode = 2;
    assert_int_equal(with(), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_PAID);
    assert_int_equal(notice.amount, 500000);
    assert_int_equal(with({ "body", "" },), PT_VERIFY_OK);
    assert_int_equal(with({ "sign_type", "RSA" },), PT_VERIFY_BAD_ALGORITHM);
    assert_int_equal(with({ "sign_type", NULL },), PT_VERIFY_MISSING);
    assert_int_equal(with({ "seller_id", NULL },), PT_VERIFY_MISSING);
    assert_int_equal(with({ "app_id", "1" },), PT_VERIFY_WRONG_APP);
    assert_int_equal(with({ "subject", "x&a=1" },), PT_VERIFY_OK);
    assert_int_equal(with({ "subject", "x&biz_content=1" },),
                     PT_VERIFY_AMBIGUOUS);

    form.n = 0;

    for (i = 0; i < N(message); i++) {
        alipay_put(&form, message[i].name, message[i].value);
    }

    assert_int_equal(verify_signed(&form), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
    assert_int_equal(notice.amount, -1);
    assert_int_equal(notice.out_trade_no.len, 0);
    unit_slice_is(notice.event_id, "m-1");

    alipay_put(&form, "notify_id", "m 1");
    assert_int_equal(verify_signed(&form), PT_VERIFY_BAD_VALUE);
    alipay_put(&form, "notify_id", NULL);
    alipay_put(&form, "trade_status", "TRADE_SUCCESS");
    assert_int_equal(verify_signed(&form), PT_VERIFY_MISSING);
    alipay_put(&form, "trade_status", NULL);
    alipay_put(&form, "app_id", "2");
    assert_int_equal(verify_signed(&form), PT_VERIFY_WRONG_APP);
    alipay_put(&form, "app_id", NULL);
    assert_int_equal(verify_signed(&form), PT_VERIFY_MISSING);

    world.conf = v1;

    mode = 0;
    alipay_put(&form, "app_id", "2021000000000001");
    assert_int_equal(verify_signed(&form), PT_VERIFY_MISSING);
}


static void
test_algorithm(void **state)
{
    char           sign[2048];
    alipay_form_t  form;

    assert_int_equal(with({ "sign_type", "RSA" },), PT_VERIFY_BAD_ALGORITHM);
    assert_int_equal(with({ "sign_type", "rsa2" },), PT_VERIFY_BAD_ALGORITHM);
    assert_int_equal(with({ "sign_type", "" },), PT_VERIFY_BAD_ALGORITHM);
    assert_int_equal(with({ "sign_type", NULL },), PT_VERIFY_MISSING);

    alipay_notice(&form);
    alipay_signed(&form, 0, text);
    alipay_sign_text(world.alipay, EVP_sha1(), text, sign);
    alipay_put(&form, "sign", sign);

    assert_int_equal(verify(&form), PT_VERIFY_BAD_SIGNATURE);
    alipay_put(&form, "sign_type", "RSA");
    assert_int_equal(verify(&form), PT_VERIFY_BAD_ALGORITHM);
}


static void
test_signature(void **state)
{
    char           *sign, *changed;
    size_t          i, len;
    alipay_form_t   form;

    alipay_notice(&form);
    assert_int_equal(verify_signed(&form), PT_VERIFY_OK);

    for (i = 0; strcmp(form.params[i].name, "sign") != 0; i++) {
        /* void */
    }

    sign = (char *) form.params[i].value;
    len = strlen(sign);
    changed = unit_alloc(NULL, len + 8);

#define sign_is(...)                                                          \
    (sprintf(changed, __VA_ARGS__), alipay_put(&form, "sign", changed),       \
     verify(&form))

    assert_int_equal(sign_is("%s", sign), PT_VERIFY_OK);
    assert_int_equal(sign_is("%s\n", sign), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(sign_is(" %s", sign), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(sign_is("%s====", sign), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(sign_is("%.*s", (int) len - 1, sign),
                     PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(sign_is("%.*s", (int) len - 4, sign),
                     PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(sign_is("AAAA%s", sign), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(sign_is("%.4s", sign), PT_VERIFY_BAD_SIGNATURE);

    alipay_put(&form, "sign", "");
    assert_int_equal(verify(&form), PT_VERIFY_MISSING);
    alipay_put(&form, "sign", NULL);
    assert_int_equal(verify(&form), PT_VERIFY_MISSING);

    alipay_put(&form, "sign", "WECHATPAY/SIGNTEST/");
    assert_int_equal(verify(&form), PT_VERIFY_BAD_SIGNATURE);
}


/* Longer than any signature: refused before it is looked at. */
static void
test_long_signature(void **state)
{
    char           *sign;
    alipay_form_t   form;

    sign = unit_alloc(NULL, 1601);
    memset(sign, 'A', 1600);
    sign[1600] = '\0';

    alipay_notice(&form);
    alipay_put(&form, "sign", sign);

    assert_int_equal(verify(&form), PT_VERIFY_BAD_SIGNATURE);
}


/* Every byte of the body, changed: never accepted as something else. */
static void
test_flips(void **state)
{
    char           *copy;
    size_t          i, len;
    pt_notice_t     first;
    alipay_form_t   form;

    alipay_notice(&form);
    assert_int_equal(verify_signed(&form), PT_VERIFY_OK);

    first = notice;
    len = alipay_body(&form, plus, all, body);
    copy = unit_alloc(NULL, len);

    for (i = 0; i < len; i++) {
        memcpy(copy, body, len);
        copy[i] ^= 1 << i % 8;

        if (verify_body(copy, len) != PT_VERIFY_OK) {
            continue;
        }

        /* another spelling of the same: "%2a" for "%2A" */

        assert_int_equal(notice.kind, first.kind);
        assert_int_equal(notice.amount, first.amount);
        assert_true(notice.paid_at == first.paid_at);
        assert_true(pt_slice_eq(notice.trade_no, first.trade_no));
        assert_true(pt_slice_eq(notice.out_trade_no, first.out_trade_no));
    }
}


static void
test_doubled(void **state)
{
    size_t         i, len;
    alipay_form_t  form;

    static const char *const  more[] = {
        "&total_amount=0.01", "&total_amount=5000.00", "&total%5famount=1",
        "&sign=x", "&sign_type=RSA2", "&trade_status=", "&%61pp_id=1",
    };

    alipay_notice(&form);
    assert_int_equal(verify_signed(&form), PT_VERIFY_OK);

    for (i = 0; i < N(more); i++) {
        len = alipay_body(&form, plus, all, body);
        strcpy(body + len, more[i]);
        assert_int_equal(verify_body(body, strlen(body)), PT_VERIFY_BAD_FORM);
    }
}


/* The same signed text, cut into other parameters. */
static void
test_cut_otherwise(void **state)
{
    alipay_form_t  form;

    alipay_notice(&form);
    alipay_put(&form, "subject", "x&total_amount=0.01");
    assert_int_equal(verify_signed(&form), PT_VERIFY_AMBIGUOUS);

    alipay_put(&form, "subject", "x");
    alipay_put(&form, "total_amount", "0.01&total_amount=5000.00");
    assert_int_equal(verify(&form), PT_VERIFY_AMBIGUOUS);

    alipay_put(&form, "total_amount", "0.01");
    assert_int_equal(verify(&form), PT_VERIFY_BAD_SIGNATURE);
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
        { "application/x-www-form-urlencoded", NULL, PT_VERIFY_OK },
        { "Application/X-WWW-Form-URLEncoded;charset=GBK", NULL,
          PT_VERIFY_OK },
        { "application/x-www-form-urlencoded ;a", NULL, PT_VERIFY_OK },
        { "application/x-www-form-urlencoded\t", NULL, PT_VERIFY_OK },
        { FORM_TYPE, "identity", PT_VERIFY_OK },
        { FORM_TYPE, "Identity", PT_VERIFY_OK },
        { FORM_TYPE, "", PT_VERIFY_OK },
        { FORM_TYPE, "gzip", PT_VERIFY_BAD_TYPE },
        { FORM_TYPE, "identity, gzip", PT_VERIFY_BAD_TYPE },
        { FORM_TYPE, "x", PT_VERIFY_BAD_TYPE },
        { "application/x-www-form-urlencodedx", NULL, PT_VERIFY_BAD_TYPE },
        { "application/x-www-form-urlencoded,", NULL, PT_VERIFY_BAD_TYPE },
        { "application/x-www-form-urlencode", NULL, PT_VERIFY_BAD_TYPE },
        { " application/x-www-form-urlencoded", NULL, PT_VERIFY_BAD_TYPE },
        { "application/json", NULL, PT_VERIFY_BAD_TYPE },
        { "multipart/form-data; boundary=x", NULL, PT_VERIFY_BAD_TYPE },
        { "text/html; application/x-www-form-urlencoded", NULL,
          PT_VERIFY_BAD_TYPE },
        { "", NULL, PT_VERIFY_BAD_TYPE },
        { NULL, NULL, PT_VERIFY_BAD_TYPE },
    };

    for (i = 0; i < N(cases); i++) {
        type = cases[i].type;
        encoding = cases[i].encoding;

        assert_int_equal(with(), cases[i].result);
    }
}


/* Nothing else is told of a callback that nobody signed. */
static void
test_signature_first(void **state)
{
    key = world.other;

    assert_int_equal(with({ "app_id", "1" },), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(with({ "seller_id", "1" },), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(with({ "total_amount", "x" },), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(with({ "trade_no", NULL },), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(with({ "subject", "x&app_id=1" },),
                     PT_VERIFY_BAD_SIGNATURE);
}


static void
test_rubbish(void **state)
{
    int     i;
    size_t  n, len;

    assert_int_equal(verify_body("", 0), PT_VERIFY_BAD_FORM);
    assert_int_equal(verify_body("{}", 2), PT_VERIFY_BAD_FORM);
    assert_int_equal(verify_body("a=%", 3), PT_VERIFY_BAD_FORM);
    assert_int_equal(verify_body("sign=&sign_type=RSA2", 20),
                     PT_VERIFY_MISSING);
    assert_int_equal(verify_body("sign=AAAA&sign_type=RSA2", 24),
                     PT_VERIFY_BAD_SIGNATURE);

    for (i = 0; i < 2000; i++) {
        len = unit_below(200);

        for (n = 0; n < len; n++) {
            body[n] = "sign_type=RSA2&%+4a"[unit_below(19)];
        }

        assert_int_not_equal(verify_body(body, len), PT_VERIFY_OK);
    }
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
    int            i;
    pt_verify_e    rc;
    pt_callback_t  callback;

    assert_int_equal(with({ "refund_fee", "1.00" },
                          { "gmt_refund", "2026-11-21 17:00:00" },),
                     PT_VERIFY_OK);

    callback.body = unit_str(body);
    callback.header = header;
    callback.alloc = scarce_alloc;

    for (i = 0; i < 10; i++) {
        rest = i;
        rc = pt_alipay.verify(world.conf, &callback, &notice);

        if (rc == PT_VERIFY_OK) {
            break;
        }

        assert_int_equal(rc, PT_VERIFY_NO_MEMORY);
        assert_null(notice.trade_no.data);
    }

    assert_in_range(i, 2, 9);
}


static void
test_answers(void **state)
{
    assert_string_equal(pt_alipay.answers[PT_ANSWER_ACCEPTED].body, "success");
    assert_string_equal(pt_alipay.answers[PT_ANSWER_REFUSED].body, "fail");
    assert_string_equal(pt_alipay.answers[PT_ANSWER_LATER].body, "fail");
    assert_int_equal(pt_alipay.answers[PT_ANSWER_ACCEPTED].status, 200);
}


static void
refused(void *conf, const char *name, const char *value, const char *part)
{
    const char  *why;

    why = NULL;

    assert_int_equal(alipay_set(conf, name, value, &why), -1);
    assert_non_null(why);
    assert_non_null(strstr(why, part));
}


static void
test_settings(void **state)
{
    void        *conf;
    const char  *why;

    conf = pt_alipay.create(pt_slice_lit("CNY"), 2);

    refused(conf, "app_id", "", "digits");
    refused(conf, "app_id", "20a", "digits");
    refused(conf, "app_id", "2021000000000001 ", "digits");
    refused(conf, "app_id", "123456789012345678901234567890123", "digits");
    refused(conf, "seller_id", "2088-1", "digits");
    refused(conf, "seller_id", "2088", "12 more digits");
    refused(conf, "seller_id", "208800000000001", "12 more digits");
    refused(conf, "seller_id", "20880000000000001", "12 more digits");
    refused(conf, "seller_id", "2089000000000001", "12 more digits");
    refused(conf, "seller_id", "208800000000000x", "12 more digits");
    refused(conf, "notify_url", "", "https://");
    refused(conf, "notify_url", "https://", "https://");
    refused(conf, "notify_url", "http://", "https://");
    refused(conf, "notify_url", "ftp://x", "https://");
    refused(conf, "notify_url", "https://x/ y", "https://");
    refused(conf, "notify_url", "https://x/\xe6", "https://");
    refused(conf, "gateway_url", "https://x/?", "without");
    refused(conf, "gateway_url", "https://x/#", "without");
    refused(conf, "signing", "", "v1");
    refused(conf, "signing", "V1", "v1");
    refused(conf, "signing", "v3", "v1");
    refused(conf, "private_key", "x", "holds no RSA key");
    refused(conf, "public_key", "x", "holds no RSA key");

    assert_int_equal(alipay_set(conf, "app_id", "2021", &why), 0);
    refused(conf, "app_id", "2021", "twice");

    assert_int_equal(pt_alipay.check(conf, &why), -1);
    assert_non_null(strstr(why, "needs app_id"));

    pt_alipay.destroy(conf);
}


static void
complete(void *conf, const char **why)
{
    assert_int_equal(alipay_set(conf, "app_id", "1", why), 0);
    assert_int_equal(alipay_set(conf, "seller_id", "2088000000000001", why),
                     0);
    assert_int_equal(alipay_set(conf, "notify_url", "https://x/", why), 0);
    assert_int_equal(alipay_set_key(conf, "private_key", world.app,
                                    KEYS_PKCS1, why), 0);
}


static void
test_check(void **state)
{
    int          i;
    void        *conf;
    const char  *why;

    conf = pt_alipay.create(pt_slice_lit("CNY"), 2);
    complete(conf, &why);

    assert_int_equal(pt_alipay.check(conf, &why), -1);

    assert_int_equal(alipay_set_key(conf, "private_key", world.app,
                                    KEYS_PKCS1, &why), -1);
    assert_non_null(strstr(why, "second"));
    assert_int_equal(alipay_set_key(conf, "public_key", world.app,
                                    KEYS_PKCS8, &why), -1);
    assert_non_null(strstr(why, "private key"));

    for (i = 0; i < PT_ALIPAY_KEYS_MAX; i++) {
        assert_int_equal(alipay_set_key(conf, "public_key", world.alipay,
                                        KEYS_SPKI, &why), 0);
    }

    assert_int_equal(alipay_set_key(conf, "public_key", world.next, KEYS_SPKI,
                                    &why), -1);
    assert_non_null(strstr(why, "too many"));
    assert_int_equal(pt_alipay.check(conf, &why), 0);
    pt_alipay.destroy(conf);

    for (i = 0; i <= 4; i++) {
        conf = pt_alipay.create(pt_slice_lit("CNY"), i);
        complete(conf, &why);
        assert_int_equal(alipay_set_key(conf, "public_key", world.alipay,
                                        KEYS_SPKI, &why), 0);
        assert_int_equal(pt_alipay.check(conf, &why), i == 2 ? 0 : -1);
        assert_true(i == 2 || strstr(why, "paytrade_currency") != NULL);
        pt_alipay.destroy(conf);
    }

    /* callbacks name no currency */

    conf = pt_alipay.create(pt_slice_lit("USD"), 2);
    complete(conf, &why);
    assert_int_equal(alipay_set_key(conf, "public_key", world.alipay,
                                    KEYS_SPKI, &why), 0);
    assert_int_equal(pt_alipay.check(conf, &why), -1);
    assert_non_null(strstr(why, "in yuan: set paytrade_currency"));
    pt_alipay.destroy(conf);

    conf = pt_alipay.create(pt_slice_lit("CNY"), 2);
    complete(conf, &why);
    assert_int_equal(alipay_set_key(conf, "public_key", world.app, KEYS_SPKI,
                                    &why), 0);
    assert_int_equal(pt_alipay.check(conf, &why), -1);
    assert_non_null(strstr(why, "own public key"));
    pt_alipay.destroy(conf);
}


static int
begin(void **state)
{
    alipay_begin(&world);

    return 0;
}


static int
end(void **state)
{
    alipay_end(&world);

    return 0;
}


#define a_case(f)  cmocka_unit_test_setup_teardown(f, setup, unit_end)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        a_case(test_paid),
        a_case(test_other_kinds),
        a_case(test_refunds),
        a_case(test_refunds_refused),
        a_case(test_values),
        a_case(test_lengths),
        a_case(test_encodings),
        a_case(test_keys),
        a_case(test_empty_values),
        a_case(test_signing),
        a_case(test_algorithm),
        a_case(test_signature),
        a_case(test_long_signature),
        a_case(test_flips),
        a_case(test_doubled),
        a_case(test_cut_otherwise),
        a_case(test_types),
        a_case(test_signature_first),
        a_case(test_rubbish),
        a_case(test_no_memory),
        a_case(test_answers),
        a_case(test_settings),
        a_case(test_check),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
