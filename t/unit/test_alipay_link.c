/*
 * Alipay's links: their parameters, the text that is signed, and that each can
 * be read back and verified.
 */

#include "alipay.h"
#include "pt_json.h"
#include "unit.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))

#define GATEWAY  "https://openapi.alipay.com/gateway.do?"


static alipay_world_t  world;


static pt_link_t
link_of(const char *method, const char *subject)
{
    pt_link_t  link;

    link.out_trade_no = unit_str("t1763712000123000002");
    link.method = unit_str(method);
    link.subject = unit_str(subject);
    link.amount = 500000;
    link.created_at = INT64_C(1767225599999);      /* 2025-12-31T23:59:59.999 */
    link.ends_at = INT64_C(1767226469000);

    return link;
}


static const char *
text_of(const void *conf, const pt_link_t *link)
{
    pt_out_t  text;

    unit_out(&text);
    assert_int_equal(pt_alipay.link_text(conf, link, &text), 0);

    return unit_text(&text);
}


static const char *
url_of(const void *conf, const pt_link_t *link)
{
    pt_out_t        url;
    const char     *text;
    pt_signature_t  signature;

    text = text_of(conf, link);
    assert_int_equal(pt_alipay.sign(conf, pt_slice(text, strlen(text)),
                                    &signature), 0);

    unit_out(&url);
    assert_int_equal(pt_alipay.link(conf, link, &signature, &url), 0);

    return unit_text(&url);
}


static void
test_text(void **state)
{
    pt_link_t  link;

    link = link_of("page", "\xe6\x89\x8b \"P30\" \\ 100%+");

    assert_string_equal(text_of(world.conf, &link),
        "app_id=2021000000000001"
        "&biz_content={\"out_trade_no\":\"t1763712000123000002\","
        "\"product_code\":\"FAST_INSTANT_TRADE_PAY\","
        "\"total_amount\":\"5000.00\","
        "\"subject\":\"\xe6\x89\x8b \\\"P30\\\" \\\\ 100%+\","
        "\"time_expire\":\"2026-01-01 08:14:29\"}"
        "&charset=utf-8&format=JSON&method=alipay.trade.page.pay"
        "&notify_url=https://shop.example.com/notify?a=1&b=2"
        "&return_url=https://shop.example.com/paid&sign_type=RSA2"
        "&timestamp=2026-01-01 07:59:59&version=1.0");

    link = link_of("wap", "x");
    link.amount = 1;

    assert_string_equal(text_of(world.conf, &link),
        "app_id=2021000000000001"
        "&biz_content={\"out_trade_no\":\"t1763712000123000002\","
        "\"product_code\":\"QUICK_WAP_WAY\",\"total_amount\":\"0.01\","
        "\"subject\":\"x\",\"time_expire\":\"2026-01-01 08:14:29\","
        "\"quit_url\":\"https://shop.example.com/\\\"quit\\\"\"}"
        "&charset=utf-8&format=JSON&method=alipay.trade.wap.pay"
        "&notify_url=https://shop.example.com/notify?a=1&b=2"
        "&return_url=https://shop.example.com/paid&sign_type=RSA2"
        "&timestamp=2026-01-01 07:59:59&version=1.0");
}


/* Settings that are not given leave nothing behind. */
static void
test_few_settings(void **state)
{
    void        *conf;
    pt_link_t    link;
    const char  *why, *url;

    conf = pt_alipay.create(pt_slice_lit("CNY"), 2);
    assert_int_equal(alipay_set(conf, "app_id", "1", &why), 0);
    assert_int_equal(alipay_set(conf, "seller_id", "2088000000000001", &why),
                     0);
    assert_int_equal(alipay_set(conf, "notify_url", "http://x/", &why), 0);
    assert_int_equal(alipay_set(conf, "gateway_url", "http://y/z", &why), 0);
    assert_int_equal(alipay_set_key(conf, "private_key", world.next,
                                    KEYS_PKCS1, &why), 0);
    assert_int_equal(alipay_set_key(conf, "public_key", world.alipay,
                                    KEYS_SPKI, &why), 0);
    assert_int_equal(pt_alipay.check(conf, &why), 0);

    link = link_of("wap", "x");
    assert_null(strstr(text_of(conf, &link), "return_url"));
    assert_null(strstr(text_of(conf, &link), "quit_url"));

    url = url_of(conf, &link);
    assert_memory_equal(url, "http://y/z?app_id=1&", 20);
    assert_null(strstr(url, "return_url"));

    pt_alipay.destroy(conf);
}


/* The text is the link's own parameters, the signature verifies over it. */
static void
check_url(const pt_link_t *link)
{
    size_t          i;
    pt_out_t        out;
    pt_form_t       form;
    pt_slice_t      sign, content;
    const char     *url, *why;
    cJSON          *json;
    EVP_MD_CTX     *ctx;
    unsigned char   data[1024];

    url = url_of(world.conf, link);
    assert_memory_equal(url, GATEWAY, sizeof(GATEWAY) - 1);
    assert_null(strpbrk(url, " +\"'<>\\\n"));

    assert_int_equal(pt_form_parse(&form, unit_str(url + sizeof(GATEWAY) - 1),
                                   unit_alloc, NULL), PT_FORM_OK);
    assert_int_equal(form.n, 11);

    unit_out(&out);

    for (i = 0; i < form.n; i++) {
        if (pt_slice_eq(form.params[i].name, pt_slice_lit("sign"))) {
            continue;
        }

        pt_out_str(&out, i ? "&" : "");
        pt_out_put(&out, form.params[i].name);
        pt_out_char(&out, '=');
        pt_out_put(&out, form.params[i].value);
    }

    assert_string_equal(unit_text(&out), text_of(world.conf, link));

    assert_int_equal(pt_form_get(&form, "sign", &sign), 0);
    assert_int_equal(sign.len, 344);
    assert_int_equal(EVP_DecodeBlock(data, (const unsigned char *) sign.data,
                                     sign.len), 258);

    ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL,
                                          world.app), 1);
    assert_int_equal(EVP_DigestVerify(ctx, data, 256,
                                (const unsigned char *) out.start,
                                out.pos - out.start), 1);
    EVP_MD_CTX_free(ctx);

    assert_int_equal(pt_form_get(&form, "biz_content", &content), 0);
    json = pt_json_parse(content, &why);
    assert_non_null(json);
    assert_int_equal(pt_json_string(json, "subject", &content), PT_JSON_OK);
    assert_true(pt_slice_eq(content, link->subject.len ? link->subject
                                                       : link->out_trade_no));
    cJSON_Delete(json);
}


static void
test_url(void **state)
{
    size_t     i;
    pt_link_t  link;

    static const char *const  subjects[] = {
        "x", "", "\xe6\x89\x8b\xe6\x9c\xba", "\"", "\\", "a+b c%20d", "</a>'",
        "{}[],:", "\xf0\x9f\x93\xb1 and 2 more", "?#;/@!$()*~"
    };

    for (i = 0; i < N(subjects); i++) {
        link = link_of("page", subjects[i]);
        check_url(&link);
        link = link_of("wap", subjects[i]);
        check_url(&link);
    }

    link = link_of("page", unit_fmt("%0256d%c", 7, 0).data);
    check_url(&link);

    link.amount = pt_alipay.amount_max;
    assert_non_null(strstr(text_of(world.conf, &link), "\"100000000.00\""));
    check_url(&link);

    assert_string_equal(url_of(world.conf, &link), url_of(world.conf, &link));
}


static void
refused(const pt_link_t *link)
{
    pt_out_t        out;
    pt_signature_t  signature;

    memset(&signature, 1, sizeof(signature));
    signature.len = 256;

    unit_out(&out);
    assert_int_equal(pt_alipay.link_text(world.conf, link, &out), -1);
    unit_out(&out);
    assert_int_equal(pt_alipay.link(world.conf, link, &signature, &out), -1);
}


static void
test_refused(void **state)
{
    size_t     i;
    pt_link_t  link;

    static const char *const  subjects[] = {
        "a&b", "a=b", "&", "=", "a\nb", "\x7f", "\xff", "\xe6\x89",
    };

    for (i = 0; i < N(subjects); i++) {
        link = link_of("page", subjects[i]);
        refused(&link);
    }

    link = link_of("page", unit_fmt("%0257d%c", 7, 0).data);
    refused(&link);

#define refused_with(field, value)                                            \
    link = link_of("page", "x");                                              \
    link.field = value;                                                       \
    refused(&link)

    refused_with(method, unit_str(""));
    refused_with(method, unit_str("app"));
    refused_with(method, unit_str("pag"));
    refused_with(out_trade_no, unit_str(""));
    refused_with(out_trade_no, unit_str("a b"));
    refused_with(amount, 0);
    refused_with(amount, -1);
    refused_with(amount, pt_alipay.amount_max + 1);
    refused_with(created_at, -1);
    refused_with(ends_at, -1);
    refused_with(ends_at, PT_TIME_MAX_MS);
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
    int             i;
    pt_out_t        out;
    pt_link_t       link;
    pt_signature_t  signature;

    memset(&signature, 1, sizeof(signature));
    signature.len = 256;
    link = link_of("wap", "x");

    for (i = 0; i < 4; i++) {
        rest = i;
        pt_out_init(&out, scarce_alloc, NULL, 0);
        assert_int_equal(pt_alipay.link_text(world.conf, &link, &out),
                         -1);

        rest = i;
        pt_out_init(&out, scarce_alloc, NULL, 0);
        assert_int_equal(pt_alipay.link(world.conf, &link, &signature, &out),
                         -1);
    }
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


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        unit_case(test_text),
        unit_case(test_few_settings),
        unit_case(test_url),
        unit_case(test_refused),
        unit_case(test_no_memory),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
