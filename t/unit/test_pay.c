/*
 * The body that starts a payment: what is read, all that is refused, the
 * canonical text.
 */

#include "pt_payment.h"
#include "unit.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))

#define ID1   "\"1763712000000000001\""
#define ID2   "\"1763712000000000002\""
#define ID3   "\"1763712000000000003\""
#define PAY   "\"gateway\":\"alipay\""


static pt_pay_t     pay;
static const char  *why;


static int
parse_slice(pt_slice_t body)
{
    int  rc;

    memset(&pay, 0x5a, sizeof(pay));
    why = "untouched";

    rc = pt_pay_parse(&pay, body, &why);

    if (rc != 0) {
        assert_int_equal(rc, -1);
        assert_non_null(why);
        assert_string_not_equal(why, "untouched");
    }

    return rc;
}


static void
refused(const char *body, const char *begins)
{
    if (parse_slice(unit_str(body)) == 0) {
        fail_msg("%s was accepted", body);
    }

    pt_pay_free(&pay);

    if (strncmp(why, begins, strlen(begins)) != 0) {
        fail_msg("%s: \"%s\" does not begin with \"%s\"", body, why, begins);
    }
}


static void
test_one(void **state)
{
    assert_int_equal(parse_slice(unit_str("{\"order_ids\":[" ID1 "]," PAY
                                          "}")), 0);
    assert_int_equal(pay.norders, 1);
    unit_slice_is(pay.order_ids[0], "1763712000000000001");
    unit_slice_is(pay.gateway, "alipay");
    assert_int_equal(pay.method.len, 0);
    assert_int_equal(pay.request_id.len, 0);
    pt_pay_free(&pay);

    assert_int_equal(parse_slice(unit_str("{\"order_ids\":[" ID1 "]," PAY
                         ",\"method\":\"wap\",\"request_id\":\"caf\xc3\xa9 1\""
                         ",\"more\":{\"a\":[1]}}")), 0);
    unit_slice_is(pay.method, "wap");
    unit_slice_is(pay.request_id, "caf\xc3\xa9 1");
    pt_pay_free(&pay);

    assert_int_equal(parse_slice(unit_str("{\"order_ids\":[" ID1 "]," PAY
                         ",\"method\":null,\"request_id\":null}")), 0);
    assert_int_equal(pay.method.len, 0);
    assert_int_equal(pay.request_id.len, 0);
    pt_pay_free(&pay);
}


/* Any order of the ids is the same request. */
static void
test_sorted(void **state)
{
    size_t     i;
    pt_out_t   out;

    static const char  *orders[] = {
        ID1 "," ID2 "," ID3, ID1 "," ID3 "," ID2, ID2 "," ID1 "," ID3,
        ID2 "," ID3 "," ID1, ID3 "," ID1 "," ID2, ID3 "," ID2 "," ID1,
    };

    for (i = 0; i < N(orders); i++) {
        assert_int_equal(parse_slice(unit_fmt("{\"order_ids\":[%s]," PAY
                                              ",\"method\":\"page\"}",
                                              orders[i])), 0);
        assert_int_equal(pay.norders, 3);

        unit_out(&out);
        pt_pay_canonical(&out, &pay);
        assert_string_equal(unit_text(&out),
                            "1763712000000000001,1763712000000000002,"
                            "1763712000000000003\talipay\tpage");
        pt_pay_free(&pay);
    }
}


/* That it is none is not for the body to say. */
static void
test_no_order(void **state)
{
    size_t  i;

    static const char  *sorted[] = {
        "0", "7", "10", "176371200000000001", "0763712000000000001",
        "1763712000000000001", "9223372036854775808", "17637120000000000010"
    };

    assert_int_equal(parse_slice(unit_str("{\"order_ids\":[\"10\"," ID1
                         ",\"17637120000000000010\",\"7\","
                         "\"9223372036854775808\",\"176371200000000001\","
                         "\"0763712000000000001\",\"0\"]," PAY "}")), 0);
    assert_int_equal(pay.norders, N(sorted));

    for (i = 0; i < N(sorted); i++) {
        unit_slice_is(pay.order_ids[i], sorted[i]);
    }

    pt_pay_free(&pay);
}


static pt_slice_t
body_of(unsigned n)
{
    unsigned  i;
    pt_out_t  out;

    unit_out(&out);
    pt_out_str(&out, "{\"order_ids\":[");

    for (i = 0; i < n; i++) {
        pt_out_put(&out, unit_fmt("%s\"17637120000000%05u\"", i ? "," : "",
                                  (unsigned) (i * 7919 % 100003) % 99991));
    }

    pt_out_str(&out, "]," PAY "}");

    return unit_mem(pt_out_slice(&out).data, pt_out_slice(&out).len);
}


static void
test_orders_max(void **state)
{
    size_t  i;

    assert_int_equal(parse_slice(body_of(PT_PAYMENT_ORDERS_MAX)), 0);
    assert_int_equal(pay.norders, PT_PAYMENT_ORDERS_MAX);

    for (i = 1; i < pay.norders; i++) {
        assert_true(memcmp(pay.order_ids[i - 1].data, pay.order_ids[i].data,
                           PT_ID_LEN) < 0);
    }

    pt_pay_free(&pay);

    assert_int_equal(parse_slice(body_of(PT_PAYMENT_ORDERS_MAX + 1)), -1);
    assert_int_equal(strncmp(why, "order_ids must be", 17), 0);
    pt_pay_free(&pay);

    assert_int_equal(parse_slice(body_of(1000)), -1);
    pt_pay_free(&pay);
}


static void
test_refused(void **state)
{
    size_t    i;
    pt_out_t  out;

    static const char  *ids[] = {
        "", "null", ID1, "{}", "[]", "[null]", "[1763712000000000001]",
        "[\"\"]", "[\"1763712000000000001 \"]", "[\"-763712000000000001\"]",
        "[\"1x\"]", "[" ID1 ",\"\"]", "[" ID1 ",null]", "[[" ID1 "]]",
        "[" ID1 ",{}]",
    };

    refused("", "");
    refused("[]", "");
    refused("{}", "order_ids must be");
    refused("{\"order_ids\":[" ID1 "]", "");

    for (i = 1; i < N(ids); i++) {
        unit_out(&out);
        pt_out_str(&out, "{\"order_ids\":");
        pt_out_str(&out, ids[i]);
        pt_out_str(&out, "," PAY "}");
        refused(unit_text(&out), "order_ids must be");
    }

    refused("{\"order_ids\":[" ID1 "," ID1 "]," PAY "}",
            "order_ids must name");
    refused("{\"order_ids\":[" ID2 "," ID1 "," ID2 "]," PAY "}",
            "order_ids must name");
    refused("{\"order_ids\":[\"7\"," ID1 ",\"7\"]," PAY "}",
            "order_ids must name");
    refused("{\"order_ids\":[" ID1 "]}", "gateway must");
    refused("{\"order_ids\":[" ID1 "],\"gateway\":null}", "gateway must");
    refused("{\"order_ids\":[" ID1 "],\"gateway\":7}", "gateway must");
    refused("{\"order_ids\":[" ID1 "],\"gateway\":\"\"}", "gateway must");
    refused("{\"order_ids\":[" ID1 "],\"gateway\":\"a\\tb\"}",
            "gateway must");
    refused("{\"order_ids\":[" ID1 "]," PAY ",\"method\":1}", "method must");
    refused("{\"order_ids\":[" ID1 "]," PAY ",\"method\":\"\"}",
            "method must");
    refused("{\"order_ids\":[" ID1 "]," PAY ",\"method\":\"a b\"}",
            "method must");
    refused("{\"order_ids\":[" ID1 "]," PAY ",\"request_id\":\"\"}",
            "request_id must");
    refused("{\"order_ids\":[" ID1 "]," PAY ",\"request_id\":\"a\\nb\"}",
            "request_id must");
    refused("{\"order_ids\":[" ID1 "]," PAY ",\"request_id\":[]}",
            "request_id must");
    refused("{\"order_ids\":[" ID1 "],\"order_ids\":[" ID2 "]," PAY "}", "");
    refused("{\"order_ids\":[" ID1 "]," PAY "," PAY "}", "");
}


static void
test_canonical(void **state)
{
    size_t       i, k;
    pt_out_t     out;
    const char  *texts[5];

    static const char  *bodies[] = {
        "{\"order_ids\":[" ID1 "]," PAY "}",
        "{\"order_ids\":[" ID2 "]," PAY "}",
        "{\"order_ids\":[" ID1 "," ID2 "]," PAY "}",
        "{\"order_ids\":[" ID1 "]," PAY ",\"method\":\"page\"}",
        "{\"order_ids\":[" ID1 "],\"gateway\":\"page\"}",
    };

    for (i = 0; i < N(bodies); i++) {
        assert_int_equal(parse_slice(unit_str(bodies[i])), 0);

        unit_out(&out);
        pt_pay_canonical(&out, &pay);
        texts[i] = unit_text(&out);
        pt_pay_free(&pay);

        for (k = 0; k < i; k++) {
            assert_string_not_equal(texts[i], texts[k]);
        }
    }

    /* the key is told apart from the request */

    assert_int_equal(parse_slice(unit_str("{ \"request_id\" : \"r\", "
                         "\"gateway\" : \"alipay\", \"order_ids\" : [ " ID1
                         " ] }")), 0);
    unit_out(&out);
    pt_pay_canonical(&out, &pay);
    assert_string_equal(unit_text(&out), texts[0]);
    pt_pay_free(&pay);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        unit_case(test_one),
        unit_case(test_sorted),
        unit_case(test_no_order),
        unit_case(test_orders_max),
        unit_case(test_refused),
        unit_case(test_canonical),
    };

    return cmocka_run_group_tests_name("pay", tests, NULL, NULL);
}
