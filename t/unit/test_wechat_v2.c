/*
 * WeChat Pay's API v2: its settings, and what is made of callbacks.
 */

#include "pt_gateway.h"
#include "unit.h"
#include "wechat_v2.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))


static void                     *conf;

/* How the next callback comes. */
static const char               *type;
static const char               *encoding;
static const char               *key;
static pt_wechat_v2_algorithm_e  algorithm;
static wechat_style_e            style;

static pt_notice_t               notice;
static char                      text[WECHAT_TEXT_MAX], body[WECHAT_TEXT_MAX];


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

    memset(&callback, 0, sizeof(pt_callback_t));
    callback.body = unit_mem(s, len);
    callback.header = header;
    callback.alloc = unit_alloc;

    return pt_wechat_v2.verify(conf, &callback, &notice);
}


static pt_verify_e
verify_str(const char *s)
{
    return verify_body(s, strlen(s));
}


static pt_verify_e
verify(const wechat_tags_t *tags)
{
    return verify_body(body, wechat_body(tags, "xml", style, body));
}


static pt_verify_e
verify_signed(wechat_tags_t *tags)
{
    static char  sign[2 * EVP_MAX_MD_SIZE + 1];

    wechat_signed(tags, key, text);
    wechat_sign(text, key, algorithm, sign);
    wechat_put(tags, "sign", sign);

    return verify(tags);
}


/* A payment with some tags changed; the names end with NULL. */
static pt_verify_e
verify_with(const wechat_tag_t *changes)
{
    wechat_tags_t  tags;

    for (wechat_payment(&tags); changes->name; changes++) {
        wechat_put(&tags, changes->name, changes->value);
    }

    return verify_signed(&tags);
}


#define with(...)                                                             \
    verify_with((const wechat_tag_t []) { __VA_ARGS__ { NULL, NULL } })


/* A refund with some tags changed, inside (in != NULL) and outside. */
static pt_verify_e
verify_refund(const wechat_tag_t *in, const wechat_tag_t *out)
{
    size_t         len;
    wechat_tags_t  tags;

    for (wechat_refund(&tags); in && in->name; in++) {
        wechat_put(&tags, in->name, in->value);
    }

    len = wechat_body(&tags, "root", style, body);
    wechat_encrypt(body, len, key, text);

    for (wechat_envelope(&tags, text); out && out->name; out++) {
        wechat_put(&tags, out->name, out->value);
    }

    return verify(&tags);
}


#define refund(...)                                                           \
    verify_refund((const wechat_tag_t []) { __VA_ARGS__ { NULL, NULL } }, NULL)
#define envelope(...)                                                         \
    verify_refund(NULL, (const wechat_tag_t []) { __VA_ARGS__ { NULL, NULL } })


static int
setup(void **state)
{
    type = "text/xml";
    encoding = NULL;
    key = WECHAT_KEY;
    algorithm = PT_WECHAT_V2_MD5;
    style = WECHAT_CDATA;

    return unit_setup(state);
}


/* The example of WeChat's documentation, put together to a whole callback. */
static void
test_published(void **state)
{
    size_t         i;
    char           sign[65];
    pt_xml_t       xml;
    pt_callback_t  callback;

    static const char  example[] =
        "<xml><appid>wxd930ea5d5a258f4f</appid><body>test</body>"
        "<device_info>1000</device_info><mch_id>10000100</mch_id>"
        "<nonce_str>ibuaiVcKdpRxkhJA</nonce_str></xml>";

    static const char  md5[] = "9A0A8659F005D6984697E2CA0A9CF3B7";
    static const char  hmac[] = "6A9AE1657590FD6257D693A078E1C3E4"
                                "BB6BA4DC30B23E0EE2496E54170DACD6";

    memset(&callback, 0, sizeof(pt_callback_t));
    callback.alloc = unit_alloc;

    assert_int_equal(pt_xml_parse(&xml, unit_str(example), "xml", unit_alloc,
                                  NULL), PT_XML_OK);
    assert_int_equal(pt_wechat_v2_verify_sign(conf, &xml, unit_str(md5),
                                              &callback), PT_VERIFY_OK);
    assert_int_equal(pt_wechat_v2_verify_sign(conf, &xml, unit_str(hmac),
                                              &callback), PT_VERIFY_OK);

    for (i = 0; i < 64; i++) {
        strcpy(sign, hmac);
        sign[i] = sign[i] == '0' ? '1' : '0';
        assert_int_equal(pt_wechat_v2_verify_sign(conf, &xml, unit_str(sign),
                                                  &callback),
                         PT_VERIFY_BAD_SIGNATURE);
    }

    /* the sample of a notice in the documentation has a sign that is made up */

    assert_int_equal(verify_str(
        "<xml><appid><![CDATA[wx2421b1c4370ec43b]]></appid>"
        "<attach><![CDATA[\xe6\x94\xaf\xe4\xbb\x98\xe6\xb5\x8b\xe8\xaf\x95]]>"
        "</attach><bank_type><![CDATA[CFT]]></bank_type>"
        "<fee_type><![CDATA[CNY]]></fee_type>"
        "<is_subscribe><![CDATA[Y]]></is_subscribe>"
        "<mch_id><![CDATA[10000100]]></mch_id>"
        "<nonce_str><![CDATA[5d2b6c2a8db53831f7eda20af46e531c]]></nonce_str>"
        "<openid><![CDATA[oUpF8uMEb4qRXf22hE3X68TekukE]]></openid>"
        "<out_trade_no><![CDATA[1409811653]]></out_trade_no>"
        "<result_code><![CDATA[SUCCESS]]></result_code>"
        "<return_code><![CDATA[SUCCESS]]></return_code>"
        "<sign><![CDATA[B552ED6B279343CB493C5DD0D78AB241]]></sign>"
        "<time_end><![CDATA[20140903131540]]></time_end>"
        "<total_fee>1</total_fee><trade_type><![CDATA[JSAPI]]></trade_type>"
        "<transaction_id><![CDATA[1004400740201409030005092168]]>"
        "</transaction_id></xml>"), PT_VERIFY_BAD_SIGNATURE);
}


/* Encrypted by somebody else, with the key of the documentation's example. */
static void
test_published_refund(void **state)
{
    wechat_tags_t  tags;

    static const char  info[] =
        "4gS8kbcHysCW7bHqyEU0M4GTNkgJQP6/zKHbA/E3CvyZ1kyFxob5yLZ/MVNzuc8py3P9"
        "bZ/5q+YzfeCs3am4Fo/VN6EyCK9c1oSZIPajwNrIWt36UG9lhdGdYOi14ywDO+I0SWiE"
        "NSkQgeWL8pB3YX1szHW8UA0nmExbrM7u1coa91uRG/rIpW4D72i3wR5to4kdZtN8E+om"
        "K6fkLxN+NkPSS3u2xvdRBans3+SZSRsGo/RlgDPSZRN8Oxyv8YDEQpnX7V42+wB2CTgW"
        "f4yAz2Nm6JFS+jUdfLWcHiwFOIAOKEvcACtqxboYmq/H5iiutISroTbDe2FgSOX9aUi8"
        "S6XqRsy0GinJWFNSK6KgJz1yFXMpjXLpcvNte2cIbsASEAW19ZEwpaYpiUvoORsbiXWk"
        "sn0uzlJ0OFHQodqiS9lpoJBvJtrJ4jFajRtg9oiXdr9jpDJcXt2CDNGPgLYiAv55JpoM"
        "4nYOFfq5ZPpd+T1nuXNYkq3cldx+aDO8Pq3InAFmOYfMG/tg/CwivVFgPcBJye5c1l1Y"
        "41KJa1Wgpp4R6g1BBn1acfteCDdWTfNmkd+JXXXeW/g4CWpy2XpJjN2q5EGN6yPIwbte"
        "84KNgbAGoMkjls51B5uKGXtsscr9us7jBkMXlLCQ63swgU1RqVp2t3LTJB5+hbctiaZS"
        "YXfGL9XlJcEPqz8s4jTsg6X4Kg7+WNeTEg2BT1tBYOnQkTv1CsQlH1aRLh7eaYFi1isb"
        "Y0X/BKFvaXglL4gqPf1+mWKfZZjxYFlSfmH+VnCau0s96ey3pTIhzp2YQtUkAm/f5vU3"
        "kPgAVi2C7HJ1/s958Iipdzi6ho4MzyZQQNkPlYNbPqmCs2mMCwn+7uNhqD37bWtRGyiQ"
        "Yc6tuPVLmkXfTxulIqCx9G9HdZ0qntkJfcKnZ1EwEQkw2YUu8VPCVCPAxxRqC8TFpqu3"
        "gKxheAMSTFVmxmICZXt4Gk746+vMdUrDJlkPnOkhHrRN06wnbiM+foR8ID/ZrIv/PdUC"
        "AXXw/B9aB9zNXVv0WZGleNFNA6qONbk/Ne95To6JzOLv2AtnYqMCnSIxGKe/ra5bDIok"
        "ZSjdwZhoVNVwBb78Z6z3Ag==";

    wechat_envelope(&tags, info);

    assert_int_equal(verify(&tags), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_UNCONFIRMED);
    unit_slice_is(notice.out_trade_no, "99999999999999999999999999999999");
    unit_slice_is(notice.trade_no, "5555555555555555555555555555");
    unit_slice_is(notice.refund_no, "11111111111111111111111111111111");
    unit_slice_is(notice.event_id, "33333333333333333333333333333");
    assert_int_equal(notice.refunded, 6);
    assert_int_equal(notice.amount, 6);
}


static void
test_paid(void **state)
{
    assert_int_equal(with(), PT_VERIFY_OK);

    assert_int_equal(notice.kind, PT_NOTICE_PAID);
    unit_slice_is(notice.out_trade_no, "t1763712000123000002");
    unit_slice_is(notice.trade_no, "4200000215202611210261405420");
    unit_slice_is(notice.event_id, "4200000215202611210261405420");
    unit_slice_is(notice.currency, "CNY");
    assert_int_equal(notice.amount, 500000);
    assert_int_equal(notice.refund_no.len, 0);
    assert_int_equal(notice.refunded, 0);
    assert_true(notice.paid_at == INT64_C(1795248000000));
    assert_null(notice.next);

    assert_int_equal(with({ "time_end", NULL }, { "fee_type", NULL },),
                     PT_VERIFY_OK);
    assert_int_equal(notice.paid_at, 0);
    unit_slice_is(notice.currency, "CNY");

    assert_int_equal(with({ "fee_type", "HKD" },), PT_VERIFY_OK);
    unit_slice_is(notice.currency, "HKD");
}


/* A payment that failed is none. */
static void
test_not_paid(void **state)
{
    assert_int_equal(with({ "result_code", "FAIL" }, { "total_fee", NULL },
                          { "transaction_id", NULL },), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);

    assert_int_equal(with({ "return_code", "FAIL" }, { "result_code", NULL },),
                     PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
}


static void
test_algorithms(void **state)
{
    size_t        i;
    void         *saved;
    const char   *why;

    static const struct {
        const char                *allowed;
        pt_wechat_v2_algorithm_e   algorithm;
        const char                *type;
        pt_verify_e                result;
    } cases[] = {
        { NULL, PT_WECHAT_V2_MD5, NULL, PT_VERIFY_OK },
        { NULL, PT_WECHAT_V2_MD5, "", PT_VERIFY_OK },
        { NULL, PT_WECHAT_V2_MD5, "MD5", PT_VERIFY_OK },
        { NULL, PT_WECHAT_V2_MD5, "HMAC-SHA256", PT_VERIFY_BAD_SIGNATURE },
        { NULL, PT_WECHAT_V2_MD5, "md5", PT_VERIFY_BAD_ALGORITHM },
        { NULL, PT_WECHAT_V2_MD5, " MD5", PT_VERIFY_BAD_ALGORITHM },
        { NULL, PT_WECHAT_V2_MD5, "RSA", PT_VERIFY_BAD_ALGORITHM },
        { NULL, PT_WECHAT_V2_MD5, "none", PT_VERIFY_BAD_ALGORITHM },
        { NULL, PT_WECHAT_V2_HMAC_SHA256, NULL, PT_VERIFY_OK },
        { NULL, PT_WECHAT_V2_HMAC_SHA256, "HMAC-SHA256", PT_VERIFY_OK },
        { NULL, PT_WECHAT_V2_HMAC_SHA256, "MD5", PT_VERIFY_BAD_SIGNATURE },
        { NULL, PT_WECHAT_V2_HMAC_SHA256, "HMAC-SHA1",
          PT_VERIFY_BAD_ALGORITHM },
        { "HMAC-SHA256", PT_WECHAT_V2_MD5, NULL, PT_VERIFY_BAD_ALGORITHM },
        { "HMAC-SHA256", PT_WECHAT_V2_MD5, "MD5", PT_VERIFY_BAD_ALGORITHM },
        { "HMAC-SHA256", PT_WECHAT_V2_MD5, "HMAC-SHA256",
          PT_VERIFY_BAD_SIGNATURE },
        { "HMAC-SHA256", PT_WECHAT_V2_HMAC_SHA256, NULL, PT_VERIFY_OK },
        { "HMAC-SHA256", PT_WECHAT_V2_HMAC_SHA256, "HMAC-SHA256",
          PT_VERIFY_OK },
        { "MD5", PT_WECHAT_V2_MD5, NULL, PT_VERIFY_OK },
        { "MD5", PT_WECHAT_V2_HMAC_SHA256, NULL, PT_VERIFY_BAD_ALGORITHM },
        { "MD5", PT_WECHAT_V2_HMAC_SHA256, "HMAC-SHA256",
          PT_VERIFY_BAD_ALGORITHM },
    };

    saved = conf;

    for (i = 0; i < N(cases); i++) {
        conf = wechat_conf();
        algorithm = cases[i].algorithm;

        if (cases[i].allowed) {
            assert_int_equal(wechat_set(conf, "sign_type", cases[i].allowed,
                                        &why), 0);
        }

        assert_int_equal(pt_wechat_v2.check(conf, &why), 0);

        if (with({ "sign_type", cases[i].type },) != cases[i].result) {
            fail_msg("case %zu", i);
        }

        pt_wechat_v2.destroy(conf);
    }

    conf = saved;
}


static void
test_keys(void **state)
{
    for (algorithm = 0; algorithm < PT_WECHAT_V2_ALGORITHMS; algorithm++) {
        key = WECHAT_NEXT_KEY;
        assert_int_equal(with(), PT_VERIFY_OK);
        assert_int_equal(refund(), PT_VERIFY_OK);
        key = WECHAT_NO_KEY;
        assert_int_equal(with(), PT_VERIFY_BAD_SIGNATURE);
        assert_int_equal(refund(), PT_VERIFY_BAD_CIPHERTEXT);
    }
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
        { "appid", NULL, PT_VERIFY_MISSING },
        { "appid", "", PT_VERIFY_MISSING },
        { "appid", "wx2421b1c4370ec43c", PT_VERIFY_WRONG_APP },
        { "appid", "WX2421B1C4370EC43B", PT_VERIFY_WRONG_APP },
        { "appid", "wx2421b1c4370ec43b ", PT_VERIFY_WRONG_APP },
        { "appid", "wx2421b1c4370ec43", PT_VERIFY_WRONG_APP },
        { "sub_appid", "wx9", PT_VERIFY_OK },
        { "mch_id", NULL, PT_VERIFY_MISSING },
        { "mch_id", "10000101", PT_VERIFY_WRONG_MERCHANT },
        { "mch_id", "010000100", PT_VERIFY_WRONG_MERCHANT },
        { "mch_id", "1000010", PT_VERIFY_WRONG_MERCHANT },
        { "sub_mch_id", "10000100", PT_VERIFY_WRONG_MERCHANT },
        { "sub_mch_id", "1", PT_VERIFY_WRONG_MERCHANT },
        { "sub_mch_id", "", PT_VERIFY_OK },
        { "return_code", NULL, PT_VERIFY_MISSING },
        { "return_code", "", PT_VERIFY_MISSING },
        { "return_code", "success", PT_VERIFY_BAD_VALUE },
        { "return_code", "SUCCESS ", PT_VERIFY_BAD_VALUE },
        { "result_code", NULL, PT_VERIFY_MISSING },
        { "result_code", "SUCCESS\n", PT_VERIFY_BAD_VALUE },
        { "result_code", "OK", PT_VERIFY_BAD_VALUE },
        { "out_trade_no", NULL, PT_VERIFY_MISSING },
        { "out_trade_no", "", PT_VERIFY_MISSING },
        { "out_trade_no", "a b", PT_VERIFY_BAD_VALUE },
        { "out_trade_no", "a,b", PT_VERIFY_BAD_VALUE },
        { "out_trade_no", "\xe6\x89\x8b", PT_VERIFY_BAD_VALUE },
        { "out_trade_no", " t1763712000123000002", PT_VERIFY_BAD_VALUE },
        { "out_trade_no", "x", PT_VERIFY_OK },
        { "transaction_id", NULL, PT_VERIFY_MISSING },
        { "transaction_id", "", PT_VERIFY_MISSING },
        { "transaction_id", "1\n2", PT_VERIFY_BAD_VALUE },
        { "total_fee", NULL, PT_VERIFY_MISSING },
        { "total_fee", "", PT_VERIFY_MISSING },
        { "total_fee", "0", PT_VERIFY_BAD_VALUE },
        { "total_fee", "00", PT_VERIFY_BAD_VALUE },
        { "total_fee", "0500000", PT_VERIFY_BAD_VALUE },
        { "total_fee", "-1", PT_VERIFY_BAD_VALUE },
        { "total_fee", "+1", PT_VERIFY_BAD_VALUE },
        { "total_fee", "1.00", PT_VERIFY_BAD_VALUE },
        { "total_fee", "1e3", PT_VERIFY_BAD_VALUE },
        { "total_fee", "0x10", PT_VERIFY_BAD_VALUE },
        { "total_fee", " 1", PT_VERIFY_BAD_VALUE },
        { "total_fee", "1 ", PT_VERIFY_BAD_VALUE },
        { "total_fee", "1\n", PT_VERIFY_BAD_VALUE },
        { "total_fee", "\xef\xbc\x91", PT_VERIFY_BAD_VALUE },
        { "total_fee", "10000000000001", PT_VERIFY_BAD_VALUE },
        { "total_fee", "18446744073709551617", PT_VERIFY_BAD_VALUE },
        { "total_fee", "10000000000000", PT_VERIFY_OK },
        { "total_fee", "1", PT_VERIFY_OK },
        { "settlement_total_fee", "1", PT_VERIFY_OK },
        { "cash_fee", "1", PT_VERIFY_OK },
        { "fee_type", "cny", PT_VERIFY_BAD_VALUE },
        { "fee_type", "CN", PT_VERIFY_BAD_VALUE },
        { "fee_type", "CNYX", PT_VERIFY_BAD_VALUE },
        { "fee_type", "", PT_VERIFY_OK },
        { "time_end", "2026-11-21 16:00", PT_VERIFY_BAD_VALUE },
        { "time_end", "2026112116000", PT_VERIFY_BAD_VALUE },
        { "time_end", "202611211600000", PT_VERIFY_BAD_VALUE },
        { "time_end", "20260229160000", PT_VERIFY_BAD_VALUE },
        { "time_end", "20261121240000", PT_VERIFY_BAD_VALUE },
        { "time_end", "19700101075959", PT_VERIFY_BAD_VALUE },
        { "time_end", "2026112116000x", PT_VERIFY_BAD_VALUE },
        { "time_end", "00000000000000", PT_VERIFY_BAD_VALUE },
        { "time_end", "20260101000000", PT_VERIFY_OK },
        { "time_end", "", PT_VERIFY_OK },
        { "something_new", "1", PT_VERIFY_OK },
        { "Zz", "1", PT_VERIFY_OK },
        { "attach", "", PT_VERIFY_OK },
        { "attach", "a=1&b=2", PT_VERIFY_OK },
        { "attach", "?total_fee=1", PT_VERIFY_OK },
        { "attach", "total_fee=1", PT_VERIFY_OK },
        { "attach", "x&total_fee", PT_VERIFY_OK },
        { "attach", "x&total_fee&=", PT_VERIFY_OK },
        { "attach", "x&Total_fee=1", PT_VERIFY_OK },
        { "attach", "x& total_fee=1", PT_VERIFY_OK },
        { "attach", " x ", PT_VERIFY_OK },
        { "attach", "x\r\ny", PT_VERIFY_OK },
        { "attach", "x&total_fee=1", PT_VERIFY_AMBIGUOUS },
        { "attach", "&total_fee=1", PT_VERIFY_AMBIGUOUS },
        { "attach", "x&total_fee=", PT_VERIFY_AMBIGUOUS },
        { "attach", "x&y=1&total_fee=1", PT_VERIFY_AMBIGUOUS },
        { "attach", "x&&appid=1", PT_VERIFY_AMBIGUOUS },
        { "attach", "x&mch_id=1", PT_VERIFY_AMBIGUOUS },
        { "attach", "x&result_code=SUCCESS", PT_VERIFY_AMBIGUOUS },
        { "attach", "x&out_trade_no=1", PT_VERIFY_AMBIGUOUS },
        { "attach", "x&transaction_id=1", PT_VERIFY_AMBIGUOUS },
        { "attach", "x&fee_type=USD", PT_VERIFY_AMBIGUOUS },
        { "attach", "x&req_info=1", PT_VERIFY_AMBIGUOUS },
        { "attach", "x&sign=1", PT_VERIFY_AMBIGUOUS },
        { "attach", "x&key=1", PT_VERIFY_AMBIGUOUS },
        { "attach", "x&coupon_fee_7=1", PT_VERIFY_AMBIGUOUS },
        { "device_info", "&openid=x", PT_VERIFY_AMBIGUOUS },
    };

    /* references keep line ends as they are */

    style = WECHAT_REFERENCES;

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

    static const char *const  names[] = { "transaction_id", "out_trade_no" };

    for (i = 0; i < N(names); i++) {
        assert_int_equal(with({ names[i], unit_fmt("%064d%c", 7, 0).data },),
                         PT_VERIFY_OK);
        assert_int_equal(with({ names[i], unit_fmt("%065d%c", 7, 0).data },),
                         PT_VERIFY_BAD_VALUE);
    }
}


static void
test_styles(void **state)
{
    for (algorithm = 0; algorithm < PT_WECHAT_V2_ALGORITHMS; algorithm++) {
        for (style = 0; style < WECHAT_STYLES; style++) {
            assert_int_equal(with({ "attach", "a ]]> b&c<d>\"e'" },
                                  { "body", " \xe6\x89\x8b " },
                                  { "empty", "" },), PT_VERIFY_OK);
            assert_int_equal(refund(), PT_VERIFY_OK);
        }
    }
}


/* Who collects for others tells which of them it is for. */
static void
test_sub_merchant(void **state)
{
    void        *saved;
    const char  *why;

    saved = conf;
    conf = wechat_conf();

    assert_int_equal(wechat_set(conf, "sub_mch_id", "1900000109", &why), 0);
    assert_int_equal(pt_wechat_v2.check(conf, &why), 0);

    assert_int_equal(with({ "sub_mch_id", "1900000109" },), PT_VERIFY_OK);
    assert_int_equal(with({ "sub_mch_id", "1900000108" },),
                     PT_VERIFY_WRONG_MERCHANT);
    assert_int_equal(with(), PT_VERIFY_WRONG_MERCHANT);
    assert_int_equal(envelope({ "sub_mch_id", "1900000109" },), PT_VERIFY_OK);
    assert_int_equal(envelope(), PT_VERIFY_WRONG_MERCHANT);

    pt_wechat_v2.destroy(conf);
    conf = saved;
}


static void
test_signature(void **state)
{
    size_t         i, len;
    char           sign[80];
    wechat_tags_t  tags;

    static const char *const  lists[] = {
        "", "0", "9A0A8659F005D6984697E2CA0A9CF3B7",
        "9a0a8659f005d6984697e2ca0a9cf3b7", "WECHATPAY/SIGNTEST/",
        "00000000000000000000000000000000", "MD5", "********************",
        "6A9AE1657590FD6257D693A078E1C3E4BB6BA4DC30B23E0EE2496E54170DACD6",
    };

    wechat_payment(&tags);
    assert_int_equal(verify_signed(&tags), PT_VERIFY_OK);

    for (i = 0; strcmp(tags.tags[i].name, "sign") != 0; i++) {
        /* void */
    }

    strcpy(sign, tags.tags[i].value);
    len = strlen(sign);

    for (i = 0; i < len; i++) {
        strcpy(text, sign);
        text[i] = text[i] == 'A' ? 'B' : 'A';
        wechat_put(&tags, "sign", text);
        assert_int_equal(verify(&tags), PT_VERIFY_BAD_SIGNATURE);
    }

    for (i = 0; i < N(lists); i++) {
        wechat_put(&tags, "sign", lists[i]);
        assert_int_equal(verify(&tags), i ? PT_VERIFY_BAD_SIGNATURE
                                          : PT_VERIFY_MISSING);
    }

#define sign_is(...)                                                          \
    (sprintf(text, __VA_ARGS__), wechat_put(&tags, "sign", text),             \
     verify(&tags))

    assert_int_equal(sign_is("%s", sign), PT_VERIFY_OK);
    assert_int_equal(sign_is(" %s", sign), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(sign_is("%s\n", sign), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(sign_is("%s%s", sign, sign), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(sign_is("%.31s", sign), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(sign_is("%.16s", sign), PT_VERIFY_BAD_SIGNATURE);

    for (i = 0; i < len; i++) {
        text[i] = sign[i] >= 'A' ? sign[i] + ('a' - 'A') : sign[i];
    }

    text[len] = '\0';
    wechat_put(&tags, "sign", text);
    assert_int_equal(verify(&tags), PT_VERIFY_BAD_SIGNATURE);

    wechat_put(&tags, "sign", NULL);
    assert_int_equal(verify(&tags), PT_VERIFY_MISSING);
}


/* Every byte of the body, changed: never accepted as something else. */
static void
test_flips(void **state)
{
    char        *copy;
    size_t       i, k, len;
    pt_notice_t  first;

    for (k = 0; k < 2; k++) {
        assert_int_equal(k ? refund() : with(), PT_VERIFY_OK);
        first = notice;
        len = strlen(body);
        copy = unit_alloc(NULL, len);

        for (i = 0; i < len; i++) {
            memcpy(copy, body, len);
            copy[i] ^= 1 << i % 8;

            if (verify_body(copy, len) != PT_VERIFY_OK) {
                continue;
            }

            /* a refund proves nothing, but it is never more than that */

            assert_int_equal(notice.kind, first.kind);

            if (k == 0) {
                assert_int_equal(notice.amount, first.amount);
                assert_true(notice.paid_at == first.paid_at);
                assert_true(pt_slice_eq(notice.trade_no, first.trade_no));
                assert_true(pt_slice_eq(notice.out_trade_no,
                                        first.out_trade_no));
            }
        }
    }
}


/* Added to a signed body, or put in the place of what was there. */
static void
test_hostile(void **state)
{
    size_t  i;
    char   *pos;

    static const struct {
        const char   *from;
        const char   *to;
        pt_verify_e   result;
    } cases[] = {
        { "</xml>", "<total_fee>1</total_fee></xml>", PT_VERIFY_BAD_FORM },
        { "</xml>", "<total_fee>500000</total_fee></xml>",
          PT_VERIFY_BAD_FORM },
        { "</xml>", "<total_fee/></xml>", PT_VERIFY_BAD_FORM },
        { "</xml>", "<sign>x</sign></xml>", PT_VERIFY_BAD_FORM },
        { "</xml>", "<appid>wx1</appid></xml>", PT_VERIFY_BAD_FORM },
        { "</xml>", "<a><total_fee>1</total_fee></a></xml>",
          PT_VERIFY_BAD_FORM },
        { "</xml>", "<!-- --></xml>", PT_VERIFY_BAD_FORM },
        { "</xml>", "<?x?></xml>", PT_VERIFY_BAD_FORM },
        { "</xml>", "1</xml>", PT_VERIFY_BAD_FORM },
        { "</xml>", "</xml><xml/>", PT_VERIFY_BAD_FORM },
        { "</xml>", "", PT_VERIFY_BAD_FORM },
        { "</xml>", "<total_fee2>1</total_fee2></xml>",
          PT_VERIFY_BAD_SIGNATURE },
        { "</xml>", "<a>1</a></xml>", PT_VERIFY_BAD_SIGNATURE },
        { "</xml>", "<sign_type>MD5</sign_type></xml>",
          PT_VERIFY_BAD_SIGNATURE },
        { "</xml>", "<sign_type>HMAC-SHA256</sign_type></xml>",
          PT_VERIFY_BAD_SIGNATURE },
        { "</xml>", "<sign_type>NONE</sign_type></xml>",
          PT_VERIFY_BAD_ALGORITHM },
        { "</xml>", "<req_info>AAAA</req_info></xml>",
          PT_VERIFY_BAD_SIGNATURE },
        { "</xml>", "<sub_mch_id>1</sub_mch_id></xml>",
          PT_VERIFY_BAD_SIGNATURE },
        { "<xml>", "<!DOCTYPE xml><xml>", PT_VERIFY_BAD_FORM },
        { "<xml>", "<!DOCTYPE xml [<!ENTITY e SYSTEM \"file:///etc/passwd\">"
          "]><xml>", PT_VERIFY_BAD_FORM },
        { "<xml>", "<!DOCTYPE xml [<!ENTITY % e SYSTEM \"http://x/\">%e;]>"
          "<xml>", PT_VERIFY_BAD_FORM },
        { "<xml>", "<!DOCTYPE xml [<!ENTITY a \"b\"><!ENTITY b \"&a;&a;\">]>"
          "<xml>", PT_VERIFY_BAD_FORM },
        { "<xml>", "<xml xmlns=\"x\">", PT_VERIFY_BAD_FORM },
        { "<xml>", "<XML>", PT_VERIFY_BAD_FORM },
        { "<xml>", "<xml><xml>", PT_VERIFY_BAD_FORM },
        { "<xml>", "<?xml version=\"1.0\" encoding=\"UTF-16\"?><xml>",
          PT_VERIFY_BAD_FORM },
        { "<xml>", "<?xml version=\"1.0\" encoding=\"GBK\"?><xml>",
          PT_VERIFY_BAD_FORM },
        { "<xml>", "\xff\xfe<xml>", PT_VERIFY_BAD_FORM },
        { "<xml>", "<?xml version=\"1.0\" encoding=\"UTF-8\"?><xml>",
          PT_VERIFY_OK },
        { "<xml>", "\xef\xbb\xbf<xml>", PT_VERIFY_OK },
        { "<xml>", "<xml><empty/>", PT_VERIFY_OK },
        { "<![CDATA[500000]]>", "500000", PT_VERIFY_OK },
        { "<![CDATA[500000]]>", "50<![CDATA[0000]]>", PT_VERIFY_OK },
        { "<![CDATA[500000]]>", "&#53;00000", PT_VERIFY_OK },
        { "<![CDATA[500000]]>", " 500000", PT_VERIFY_BAD_SIGNATURE },
        { "<![CDATA[500000]]>", "500000\n", PT_VERIFY_BAD_SIGNATURE },
        { "<![CDATA[500000]]>", "500<!-- -->000", PT_VERIFY_BAD_FORM },
        { "<![CDATA[500000]]>", "<b>500000</b>", PT_VERIFY_BAD_FORM },
        { "<![CDATA[500000]]>", "&e;", PT_VERIFY_BAD_FORM },
        { "<![CDATA[500000]]>", "&#0;500000", PT_VERIFY_BAD_FORM },
        { "<![CDATA[500000]]>", "1", PT_VERIFY_BAD_SIGNATURE },
        { "<![CDATA[500000]]>", "", PT_VERIFY_BAD_SIGNATURE },
        { "<![CDATA[500000]]>", "499999", PT_VERIFY_BAD_SIGNATURE },
        { "<total_fee>", "<total_fee x=\"1\">", PT_VERIFY_BAD_FORM },
        { "<fee_type><![CDATA[CNY]]>", "<fee_type><![CDATA[JPY]]>",
          PT_VERIFY_BAD_SIGNATURE },
        { WECHAT_APP, "wx2421b1c4370ec43c", PT_VERIFY_BAD_SIGNATURE },
        { WECHAT_MERCHANT, "10000101", PT_VERIFY_BAD_SIGNATURE },
        { "t1763712000123000002", "t1763712000123000003",
          PT_VERIFY_BAD_SIGNATURE },
        { "<openid>", "<openID>", PT_VERIFY_BAD_FORM },
    };

    for (i = 0; i < N(cases); i++) {
        assert_int_equal(with(), PT_VERIFY_OK);
        pos = strstr(body, cases[i].from);
        assert_non_null(pos);

        sprintf(text, "%.*s%s%s", (int) (pos - body), body, cases[i].to,
                pos + strlen(cases[i].from));

        if (verify_str(text) != cases[i].result) {
            fail_msg("%s -> %s", cases[i].from, cases[i].to);
        }

        if (cases[i].result == PT_VERIFY_OK) {
            assert_int_equal(notice.amount, 500000);
        }
    }
}


/* The same signed text, cut into other tags. */
static void
test_cut_otherwise(void **state)
{
    wechat_tags_t  tags;
    char           value[1024], sign[80];

    static const char  fake[] =
        "x&mch_id=10000100&nonce_str=1&out_trade_no=t1763712000123000002"
        "&result_code=SUCCESS&return_code=SUCCESS&total_fee=500000"
        "&transaction_id=42&z=";

    /* a payment of 1, in which the buyer could choose attach */

    wechat_payment(&tags);
    wechat_put(&tags, "total_fee", "1");
    wechat_put(&tags, "attach", fake);
    assert_int_equal(verify_signed(&tags), PT_VERIFY_AMBIGUOUS);

    wechat_put(&tags, "sign", NULL);
    wechat_signed(&tags, "", text);
    wechat_sign(strcat(text, WECHAT_KEY), WECHAT_KEY, PT_WECHAT_V2_MD5, sign);

    /* all that was signed, as one that pays 500000 */

    sprintf(value, "%s", strstr(text, "&z=") + 3);
    *strstr(value, "&key=") = '\0';

    tags.n = 0;
    wechat_put(&tags, "appid", WECHAT_APP);
    wechat_put(&tags, "attach", "x");
    wechat_put(&tags, "mch_id", "10000100");
    wechat_put(&tags, "nonce_str", "1");
    wechat_put(&tags, "out_trade_no", "t1763712000123000002");
    wechat_put(&tags, "result_code", "SUCCESS");
    wechat_put(&tags, "return_code", "SUCCESS");
    wechat_put(&tags, "total_fee", "500000");
    wechat_put(&tags, "transaction_id", "42");
    wechat_put(&tags, "z", value);
    wechat_put(&tags, "sign", sign);
    assert_int_equal(verify(&tags), PT_VERIFY_AMBIGUOUS);

    /* without what the rest of the text is hidden in, it was never signed */

    wechat_put(&tags, "z", NULL);
    assert_int_equal(verify(&tags), PT_VERIFY_BAD_SIGNATURE);
}


static void
test_refunds(void **state)
{
    assert_int_equal(refund(), PT_VERIFY_OK);

    assert_int_equal(notice.kind, PT_NOTICE_UNCONFIRMED);
    unit_slice_is(notice.out_trade_no, "t1763712000123000002");
    unit_slice_is(notice.trade_no, "4200000215202611210261405420");
    unit_slice_is(notice.refund_no, "131811191610442717309");
    unit_slice_is(notice.event_id, "50000408942026112107145868882");
    assert_int_equal(notice.amount, 500000);
    assert_int_equal(notice.refunded, 3960);
    assert_int_equal(notice.one_refund, 1);
    assert_int_equal(notice.paid_at, 0);
    assert_int_equal(notice.currency.len, 0);

    assert_int_equal(refund({ "refund_status", "CHANGE" },), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
    assert_int_equal(refund({ "refund_status", "REFUNDCLOSE" },),
                     PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
    assert_int_equal(envelope({ "return_code", "FAIL" },), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_IGNORED);
    assert_int_equal(refund({ "refund_fee", "500000" },), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_UNCONFIRMED);
}


static void
test_refunds_refused(void **state)
{
    size_t  i;

    static const struct {
        const char   *name;
        const char   *value;
        pt_verify_e   result;
    } in[] = {
        { "out_refund_no", NULL, PT_VERIFY_MISSING },
        { "out_refund_no", "a b", PT_VERIFY_BAD_VALUE },
        { "out_trade_no", NULL, PT_VERIFY_MISSING },
        { "out_trade_no", "a b", PT_VERIFY_BAD_VALUE },
        { "refund_fee", NULL, PT_VERIFY_MISSING },
        { "refund_fee", "0", PT_VERIFY_BAD_VALUE },
        { "refund_fee", "-1", PT_VERIFY_BAD_VALUE },
        { "refund_fee", "500001", PT_VERIFY_BAD_VALUE },
        { "refund_fee", "39.60", PT_VERIFY_BAD_VALUE },
        { "refund_id", NULL, PT_VERIFY_MISSING },
        { "refund_id", "a,b", PT_VERIFY_BAD_VALUE },
        { "refund_status", NULL, PT_VERIFY_MISSING },
        { "refund_status", "success", PT_VERIFY_BAD_VALUE },
        { "refund_status", "PROCESSING", PT_VERIFY_BAD_VALUE },
        { "total_fee", NULL, PT_VERIFY_MISSING },
        { "total_fee", "x", PT_VERIFY_BAD_VALUE },
        { "transaction_id", NULL, PT_VERIFY_MISSING },
        { "transaction_id", "1 2", PT_VERIFY_BAD_VALUE },
    }, out[] = {
        { "appid", NULL, PT_VERIFY_MISSING },
        { "appid", "wx1", PT_VERIFY_WRONG_APP },
        { "mch_id", NULL, PT_VERIFY_MISSING },
        { "mch_id", "1", PT_VERIFY_WRONG_MERCHANT },
        { "sub_mch_id", "1", PT_VERIFY_WRONG_MERCHANT },
        { "return_code", NULL, PT_VERIFY_MISSING },
        { "return_code", "x", PT_VERIFY_BAD_VALUE },
        { "req_info", NULL, PT_VERIFY_MISSING },
        { "req_info", "", PT_VERIFY_MISSING },
        { "req_info", "AAAA", PT_VERIFY_BAD_CIPHERTEXT },
        { "req_info", "AAAAAAAAAAAAAAAAAAAAAA==", PT_VERIFY_BAD_CIPHERTEXT },
        { "req_info", "AAAAAAAAAAAAAAAAAAAAAA=", PT_VERIFY_BAD_CIPHERTEXT },
        { "req_info", "AAAA AAAAAAAAAAAAAAAAAA==", PT_VERIFY_BAD_CIPHERTEXT },
        { "req_info", "====", PT_VERIFY_BAD_CIPHERTEXT },
        { "req_info", "<root></root>", PT_VERIFY_BAD_CIPHERTEXT },
        { "sign", "9A0A8659F005D6984697E2CA0A9CF3B7",
          PT_VERIFY_BAD_SIGNATURE },
    };

    for (i = 0; i < N(in); i++) {
        if (refund({ in[i].name, in[i].value },) != in[i].result) {
            fail_msg("inside, %s=%s", in[i].name, in[i].value);
        }

        assert_null(notice.refund_no.data);
        assert_int_equal(notice.refunded, 0);
    }

    for (i = 0; i < N(out); i++) {
        if (envelope({ out[i].name, out[i].value },) != out[i].result) {
            fail_msg("outside, %s=%s", out[i].name, out[i].value);
        }
    }
}


/*
 * WeChat's answers are signed with the same key, and have all that a notice
 * has: what somebody asked about an unpaid order pays nothing.
 */
static void
test_answers_of_others(void **state)
{
    size_t  i;

    static const wechat_tag_t  tags[] = {
        { "trade_state", "SUCCESS" }, { "trade_state", "NOTPAY" },
        { "trade_state", "" }, { "trade_state_desc", "x" },
        { "refund_fee", "1" }, { "refund_id", "5" }, { "refund_count", "0" },
        { "refund_status_0", "SUCCESS" }, { "refund_fee_0", "1" },
        { "out_refund_no", "r-1" }, { "out_refund_no_0", "r-1" },
    };

    for (i = 0; i < N(tags); i++) {
        if (with({ tags[i].name, tags[i].value },) != PT_VERIFY_BAD_VALUE) {
            fail_msg("%s", tags[i].name);
        }

        assert_int_equal(notice.amount, 0);

        assert_int_equal(with({ tags[i].name, tags[i].value },
                              { "result_code", "FAIL" },),
                         PT_VERIFY_BAD_VALUE);
        assert_int_equal(with({ tags[i].name, tags[i].value },
                              { "mch_id", "1" },), PT_VERIFY_WRONG_MERCHANT);
        assert_int_equal(envelope({ tags[i].name, tags[i].value },),
                         PT_VERIFY_BAD_VALUE);
    }

    assert_int_equal(with({ "trade_stat", "1" }, { "refund", "1" },
                          { "out_refund", "1" },), PT_VERIFY_OK);
}


static pt_verify_e
encrypted(const char *s)
{
    wechat_tags_t  tags;

    wechat_encrypt(s, strlen(s), key, text);
    wechat_envelope(&tags, text);

    return verify(&tags);
}


/* What is encrypted is XML of its own, and as hostile as any. */
static void
test_refund_inside(void **state)
{
    size_t  i;

    static const char *const  cases[] = {
        "", "x", "{}", "<root>", "<xml></xml>", "<root/><root/>",
        "<root><refund_fee>1</refund_fee><refund_fee>2</refund_fee></root>",
        "<root><a><b>1</b></a></root>", "<root a=\"1\"/>",
        "<!DOCTYPE root [<!ENTITY e \"1\">]><root><a>&e;</a></root>",
        "<root><a>&e;</a></root>", "<root><!-- --></root>",
        "<?xml version=\"1.0\" encoding=\"GBK\"?><root/>",
        "<root>\xd6\xa7</root>",
    };

    for (i = 0; i < N(cases); i++) {
        if (encrypted(cases[i]) != PT_VERIFY_BAD_CIPHERTEXT) {
            fail_msg("%s", cases[i]);
        }
    }

    assert_int_equal(encrypted("<root/>"), PT_VERIFY_MISSING);
    assert_int_equal(encrypted("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n"
                               "<root>\n</root>\n"), PT_VERIFY_MISSING);
}


/* A payment inside a refund, and the other way round: neither pays. */
static void
test_not_a_payment(void **state)
{
    size_t         len;
    wechat_tags_t  tags;

    wechat_payment(&tags);
    len = wechat_body(&tags, "root", style, body);
    wechat_encrypt(body, len, key, text);
    wechat_envelope(&tags, text);
    assert_int_equal(verify(&tags), PT_VERIFY_MISSING);

    /* all of a payment beside it, but not signed */

    wechat_refund(&tags);
    len = wechat_body(&tags, "root", style, body);
    wechat_encrypt(body, len, key, text);
    wechat_payment(&tags);
    wechat_put(&tags, "req_info", unit_fmt("%s%c", text, 0).data);
    assert_int_equal(verify(&tags), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_UNCONFIRMED);

    /* and signed: it stays a refund */

    assert_int_equal(verify_signed(&tags), PT_VERIFY_OK);
    assert_int_equal(notice.kind, PT_NOTICE_UNCONFIRMED);

    key = WECHAT_NO_KEY;
    wechat_put(&tags, "sign", NULL);
    assert_int_equal(verify_signed(&tags), PT_VERIFY_BAD_SIGNATURE);
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
        { "text/xml", NULL, PT_VERIFY_OK },
        { "text/xml; charset=utf-8", "identity", PT_VERIFY_OK },
        { "Text/XML;charset=UTF-8", "", PT_VERIFY_OK },
        { "application/xml", NULL, PT_VERIFY_OK },
        { "text/xml ", NULL, PT_VERIFY_OK },
        { "text/xmlx", NULL, PT_VERIFY_BAD_TYPE },
        { "text/xml,text/xml", NULL, PT_VERIFY_BAD_TYPE },
        { "application/xml-dtd", NULL, PT_VERIFY_BAD_TYPE },
        { "application/json", NULL, PT_VERIFY_BAD_TYPE },
        { "application/x-www-form-urlencoded", NULL, PT_VERIFY_BAD_TYPE },
        { "text/html", NULL, PT_VERIFY_BAD_TYPE },
        { "", NULL, PT_VERIFY_BAD_TYPE },
        { NULL, NULL, PT_VERIFY_BAD_TYPE },
        { "text/xml", "gzip", PT_VERIFY_BAD_TYPE },
        { "text/xml", "identity, gzip", PT_VERIFY_BAD_TYPE },
    };

    for (i = 0; i < N(cases); i++) {
        type = cases[i].type;
        encoding = cases[i].encoding;

        assert_int_equal(with(), cases[i].result);
        assert_int_equal(refund(), cases[i].result);
    }
}


/* Nothing else is told of a callback that nobody signed. */
static void
test_signature_first(void **state)
{
    key = WECHAT_NO_KEY;

    assert_int_equal(with({ "appid", "1" },), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(with({ "mch_id", "1" },), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(with({ "total_fee", "x" },), PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(with({ "return_code", "FAIL" },),
                     PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(with({ "attach", "x&appid=1" },),
                     PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(envelope({ "appid", "1" },), PT_VERIFY_BAD_CIPHERTEXT);
    assert_int_equal(envelope({ "return_code", "FAIL" },),
                     PT_VERIFY_BAD_CIPHERTEXT);
}


static void
test_rubbish(void **state)
{
    assert_int_equal(verify_str(""), PT_VERIFY_BAD_FORM);
    assert_int_equal(verify_str("{}"), PT_VERIFY_BAD_FORM);
    assert_int_equal(verify_str("<xml/>"), PT_VERIFY_MISSING);
    assert_int_equal(verify_str("<xml><return_code>FAIL</return_code></xml>"),
                     PT_VERIFY_MISSING);
    assert_int_equal(verify_str("<xml><sign>0</sign></xml>"),
                     PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(verify_str("<xml><sign/><req_info/></xml>"),
                     PT_VERIFY_MISSING);
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

    memset(&callback, 0, sizeof(pt_callback_t));
    callback.header = header;
    callback.alloc = scarce_alloc;

    for (k = 0; k < 2; k++) {
        assert_int_equal(k ? refund() : with(), PT_VERIFY_OK);
        callback.body = unit_str(body);

        for (i = 0; i < 10; i++) {
            rest = i;
            rc = pt_wechat_v2.verify(conf, &callback, &notice);

            if (rc == PT_VERIFY_OK) {
                break;
            }

            assert_int_equal(rc, PT_VERIFY_NO_MEMORY);
            assert_null(notice.trade_no.data);
        }

        assert_in_range(i, 2, 9);
    }
}


static void
test_answers(void **state)
{
    int  i;

    for (i = 0; i < PT_ANSWERS; i++) {
        assert_int_equal(pt_wechat_v2.answers[i].status, 200);
        assert_string_equal(pt_wechat_v2.answers[i].content_type, "text/xml");
        assert_non_null(strstr(pt_wechat_v2.answers[i].body,
                               i == PT_ANSWER_ACCEPTED ? "SUCCESS" : "FAIL"));
    }

    assert_string_equal(pt_wechat_v2.answers[PT_ANSWER_ACCEPTED].body,
                        "<xml><return_code><![CDATA[SUCCESS]]></return_code>"
                        "<return_msg><![CDATA[OK]]></return_msg></xml>");
}


static void
refused(void *data, const char *name, const char *value, const char *part)
{
    const char  *why;

    why = NULL;

    assert_int_equal(wechat_set(data, name, value, &why), -1);
    assert_non_null(why);

    if (strstr(why, part) == NULL) {
        fail_msg("%s %s: %s", name, value, why);
    }
}


static void
test_settings(void **state)
{
    int          i;
    void        *data;
    const char  *why;

    data = pt_wechat_v2.create(pt_slice_lit("CNY"), 2);

    refused(data, "app_id", "", "AppID");
    refused(data, "app_id", "wx 1", "AppID");
    refused(data, "app_id", "wx_1", "AppID");
    refused(data, "app_id", "wx1234567890123456789012345678901", "AppID");
    refused(data, "mch_id", "", "digits");
    refused(data, "mch_id", "wx1", "digits");
    refused(data, "mch_id", "1 ", "digits");
    refused(data, "sub_mch_id", "a", "digits");
    refused(data, "sign_type", "", "MD5 or HMAC-SHA256");
    refused(data, "sign_type", "md5", "MD5 or HMAC-SHA256");
    refused(data, "sign_type", "MD5 HMAC-SHA256", "MD5 or HMAC-SHA256");

    refused(data, "api_key", "", "32 characters");
    refused(data, "api_key", "\n", "32 characters");
    refused(data, "api_key", "192006250b4c09247ec02edce69f6a2", "32");
    refused(data, "api_key", "192006250b4c09247ec02edce69f6a2d\n\n", "32");
    refused(data, "api_key", "192006250b4c09247ec02edce69f6a2d ", "32");
    refused(data, "api_key", "192006250b4c09247ec02edce69f6a2 ", "32");
    refused(data, "api_key", "192006250b4c09247ec02edce69f6a2\n", "32");
    refused(data, "api_key", "192006250b4c09247ec02edce69f6a2\xe6", "32");
    refused(data, "api_key", "-----BEGIN PRIVATE KEY-----\n", "32");

    assert_int_equal(pt_wechat_v2.check(data, &why), -1);
    assert_non_null(strstr(why, "needs app_id"));

    assert_int_equal(wechat_set(data, "app_id", "wx1", &why), 0);
    refused(data, "app_id", "wx1", "twice");
    assert_int_equal(pt_wechat_v2.check(data, &why), -1);
    assert_int_equal(wechat_set(data, "mch_id", "1", &why), 0);
    refused(data, "mch_id", "1", "twice");
    assert_int_equal(wechat_set(data, "sub_mch_id", "1", &why), 0);
    assert_int_equal(pt_wechat_v2.check(data, &why), -1);

    assert_int_equal(wechat_set(data, "api_key", WECHAT_KEY, &why), 0);
    refused(data, "api_key", WECHAT_KEY "\n", "twice");

    for (i = 1; i < PT_SECRETS_MAX; i++) {
        assert_int_equal(wechat_set(data, "api_key",
                                    unit_fmt("%032d\r\n%c", i, 0).data, &why),
                         0);
        assert_int_equal(pt_wechat_v2.check(data, &why), 0);
    }

    refused(data, "api_key", WECHAT_KEY, "too many");

    pt_wechat_v2.destroy(data);

    data = wechat_conf();
    assert_int_equal(wechat_set(data, "sign_type", "MD5", &why), 0);
    refused(data, "sign_type", "MD5", "twice");
    assert_int_equal(wechat_set(data, "sign_type", "HMAC-SHA256", &why), 0);
    assert_int_equal(pt_wechat_v2.check(data, &why), 0);
    pt_wechat_v2.destroy(data);
}


static void
test_decimals(void **state)
{
    int          i;
    void        *data;
    const char  *why;

    for (i = 0; i <= 4; i++) {
        data = pt_wechat_v2.create(pt_slice_lit("CNY"), i);
        assert_int_equal(wechat_set(data, "app_id", "wx1", &why), 0);
        assert_int_equal(wechat_set(data, "mch_id", "1", &why), 0);
        assert_int_equal(wechat_set(data, "api_key", WECHAT_KEY, &why), 0);
        assert_int_equal(pt_wechat_v2.check(data, &why), i == 2 ? 0 : -1);
        assert_true(i == 2 || strstr(why, "paytrade_currency") != NULL);
        pt_wechat_v2.destroy(data);
    }
}


/* Payments are started by the shop itself. */
static void
test_methods(void **state)
{
    assert_null(pt_wechat_v2.methods(conf)[0]);
}


static int
begin(void **state)
{
    conf = wechat_conf();

    return wechat_complete(conf);
}


static int
end(void **state)
{
    pt_wechat_v2.destroy(conf);

    return 0;
}


#define a_case(f)  cmocka_unit_test_setup_teardown(f, setup, unit_end)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        a_case(test_published),
        a_case(test_published_refund),
        a_case(test_paid),
        a_case(test_not_paid),
        a_case(test_algorithms),
        a_case(test_keys),
        a_case(test_values),
        a_case(test_lengths),
        a_case(test_styles),
        a_case(test_sub_merchant),
        a_case(test_signature),
        a_case(test_flips),
        a_case(test_hostile),
        a_case(test_cut_otherwise),
        a_case(test_refunds),
        a_case(test_refunds_refused),
        a_case(test_answers_of_others),
        a_case(test_refund_inside),
        a_case(test_not_a_payment),
        a_case(test_types),
        a_case(test_signature_first),
        a_case(test_rubbish),
        a_case(test_no_memory),
        a_case(test_answers),
        a_case(test_settings),
        a_case(test_decimals),
        a_case(test_methods),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
