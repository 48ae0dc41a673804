/*
 * A buyer's body: one SKU or a cart, all that is refused, the canonical text.
 */

#include "pt_order.h"
#include "unit.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))

/* One more than a name may have. */
#define NAMES_65  "1234567890123456789012345678901234567890"  \
                  "1234567890123456789012345"


static pt_hold_t    hold;
static const char  *why;


static int
parse_slice(pt_slice_t body, unsigned decimals)
{
    int  rc;

    memset(&hold, 0x5a, sizeof(hold));
    why = "untouched";

    rc = pt_hold_parse(&hold, body, decimals, &why);

    if (rc != 0) {
        assert_int_equal(rc, -1);
        assert_non_null(why);
        assert_string_not_equal(why, "untouched");
    }

    return rc;
}


static int
parse(const char *body)
{
    return parse_slice(unit_str(body), 2);
}


static void
refused(const char *body, const char *begins)
{
    if (parse(body) == 0) {
        fail_msg("%s was accepted", body);
    }

    pt_hold_free(&hold);

    if (strncmp(why, begins, strlen(begins)) != 0) {
        fail_msg("%s: \"%s\" does not begin with \"%s\"", body, why, begins);
    }
}


static const char *
canonical(const char *body)
{
    pt_out_t  out;

    if (parse(body) != 0) {
        fail_msg("%s: %s", body, why);
    }

    unit_out(&out);
    pt_hold_canonical(&out, &hold);
    pt_hold_free(&hold);

    return unit_text(&out);
}


static void
test_single(void **state)
{
    assert_int_equal(parse("{\"sku\":\"p30\",\"quantity\":1,"
                           "\"unit_price\":\"5000.00\"}"), 0);
    assert_int_equal(hold.nlines, 1);
    unit_slice_is(hold.lines[0].sku, "p30");
    assert_true(hold.lines[0].quantity == 1);
    assert_true(hold.lines[0].unit_price == 500000);
    assert_int_equal(hold.sale.len, 0);
    assert_true(hold.amount == -1);
    assert_int_equal(hold.request_id.len, 0);
    assert_int_equal(hold.meta.len, 0);
    pt_hold_free(&hold);
    pt_hold_free(&hold);

    assert_int_equal(parse("{\"sale\":\"spring\",\"sku\":\"p30\","
                           "\"quantity\":2.0,\"unit_price\":\"5000\","
                           "\"amount\":\"10000.0\",\"request_id\":\"r-1\","
                           "\"meta\": { \"a\" : [ 1 , 2 ] } ,\"extra\":1}"),
                     0);
    unit_slice_is(hold.sale, "spring");
    assert_true(hold.lines[0].quantity == 2);
    assert_true(hold.amount == 1000000);
    unit_slice_is(hold.request_id, "r-1");
    unit_slice_is(hold.meta, "{\"a\":[1,2]}");
    pt_hold_free(&hold);
}


static void
test_cart(void **state)
{
    assert_int_equal(parse("{\"sale\":\"spring\",\"lines\":["
                           "{\"sku\":\"p31\",\"quantity\":1,"
                           "\"unit_price\":\"1\"},"
                           "{\"sku\":\"p30\",\"quantity\":2,"
                           "\"unit_price\":\"5000.00\"},"
                           "{\"sku\":\"p3\",\"quantity\":3,"
                           "\"unit_price\":\"0\"}],"
                           "\"amount\":\"10001.00\"}"), 0);
    unit_slice_is(hold.sale, "spring");
    assert_int_equal(hold.nlines, 3);
    unit_slice_is(hold.lines[0].sku, "p3");
    unit_slice_is(hold.lines[1].sku, "p30");
    unit_slice_is(hold.lines[2].sku, "p31");
    assert_true(hold.lines[0].quantity == 3);
    assert_true(hold.lines[0].unit_price == 0);
    assert_true(hold.lines[1].unit_price == 500000);
    assert_true(hold.amount == 1000100);
    pt_hold_free(&hold);
}


static void
test_null_is_absent(void **state)
{
    assert_int_equal(parse("{\"sku\":\"p30\",\"quantity\":1,"
                           "\"unit_price\":\"1\",\"lines\":null,"
                           "\"sale\":null,\"amount\":null,"
                           "\"request_id\":null,\"meta\":null}"), 0);
    assert_int_equal(hold.nlines, 1);
    assert_true(hold.amount == -1);
    assert_int_equal(hold.meta.len, 0);
    pt_hold_free(&hold);

    assert_int_equal(parse("{\"sale\":\"s\",\"sku\":null,\"quantity\":null,"
                           "\"unit_price\":null,\"lines\":[{\"sku\":\"a\","
                           "\"quantity\":1,\"unit_price\":\"1\"}]}"), 0);
    pt_hold_free(&hold);
}


static void
test_summed(void **state)
{
    assert_int_equal(parse("{\"sale\":\"s\",\"lines\":["
                           "{\"sku\":\"b\",\"quantity\":1,"
                           "\"unit_price\":\"2.50\"},"
                           "{\"sku\":\"a\",\"quantity\":1,"
                           "\"unit_price\":\"1\"},"
                           "{\"sku\":\"b\",\"quantity\":4,"
                           "\"unit_price\":\"2.5\"}]}"), 0);
    assert_int_equal(hold.nlines, 2);
    unit_slice_is(hold.lines[0].sku, "a");
    unit_slice_is(hold.lines[1].sku, "b");
    assert_true(hold.lines[1].quantity == 5);
    assert_true(hold.lines[1].unit_price == 250);
    pt_hold_free(&hold);

    refused("{\"sale\":\"s\",\"lines\":["
            "{\"sku\":\"b\",\"quantity\":1,\"unit_price\":\"2.50\"},"
            "{\"sku\":\"b\",\"quantity\":1,\"unit_price\":\"2.51\"}]}",
            "lines of one sku must have one unit_price");
    refused("{\"sale\":\"s\",\"lines\":["
            "{\"sku\":\"b\",\"quantity\":1000000000,\"unit_price\":\"0\"},"
            "{\"sku\":\"b\",\"quantity\":1,\"unit_price\":\"0\"}]}",
            "the quantity of a sku must not exceed");
}


/* A body with one member's value replaced, as one SKU and as a line. */
static void
line_refused(const char *member, const char *value)
{
    size_t        i;
    char          begins[64];
    pt_out_t      out;
    const char   *line;

    static const char *const  good[][2] = {
        { "sku", "\"p30\"" }, { "quantity", "1" }, { "unit_price", "\"1\"" },
    };

    unit_out(&out);

    for (i = 0; i < N(good); i++) {
        if (value == NULL && strcmp(member, good[i][0]) == 0) {
            continue;
        }

        if (pt_out_slice(&out).len) {
            pt_out_char(&out, ',');
        }

        pt_out_char(&out, '"');
        pt_out_str(&out, good[i][0]);
        pt_out_str(&out, "\":");
        pt_out_str(&out, strcmp(member, good[i][0]) == 0 ? value : good[i][1]);
    }

    line = unit_text(&out);
    snprintf(begins, sizeof(begins), "%s must be ", member);

    unit_out(&out);
    pt_out_char(&out, '{');
    pt_out_str(&out, line);
    pt_out_char(&out, '}');
    refused(unit_text(&out), begins);

    unit_out(&out);
    pt_out_str(&out, "{\"sale\":\"s\",\"lines\":[{\"sku\":\"a\","
                     "\"quantity\":1,\"unit_price\":\"1\"},{");
    pt_out_str(&out, line);
    pt_out_str(&out, "}]}");
    refused(unit_text(&out), begins);
}


static void
test_line_refused(void **state)
{
    size_t  i;

    static const char  *skus[] = {
        "null", "1", "\"\"", "\"a b\"", "\"a,b\"", "\"\xc3\xa9\"", "[]",
        "\"a\\tb\"", "\"\\u007f\"", "\"" NAMES_65 "\"", "true", "{}",
    };

    static const char  *quantities[] = {
        "null", "0", "-1", "-0", "1.5", "0.1", "1e-1", "1000000001",
        "2147483648", "4294967297", "9007199254740993", "9223372036854775808",
        "18446744073709551617", "1e19", "1e308", "\"1\"", "true", "[]", "[1]",
        "{}",
    };

    static const char  *prices[] = {
        "null", "5000", "5000.00", "0", "-1", "\"\"", "\"5000.001\"",
        "\"-1\"", "\"+1\"", "\"1e3\"", "\"1,000\"", "\" 1\"", "\"1 \"",
        "\".5\"", "\"5.\"", "\"01\"", "\"0x1\"", "\"NaN\"",
        "\"100000000000.01\"", "\"9223372036854775808\"",
        "\"18446744073709551617\"", "true", "[]", "{}", "\"\xef\xbc\x91\"",
    };

    line_refused("sku", NULL);
    line_refused("quantity", NULL);
    line_refused("unit_price", NULL);

    for (i = 0; i < N(skus); i++) {
        line_refused("sku", skus[i]);
    }

    for (i = 0; i < N(quantities); i++) {
        line_refused("quantity", quantities[i]);
    }

    for (i = 0; i < N(prices); i++) {
        line_refused("unit_price", prices[i]);
    }
}


#define ONE   "\"sku\":\"a\",\"quantity\":1,\"unit_price\":\"1\""
#define CART  "\"sale\":\"s\",\"lines\":[{" ONE "}]"


static void
test_form_refused(void **state)
{
    refused("{}", "sku must be");
    refused("{\"sale\":\"s\"}", "sku must be");
    refused("{\"lines\":[{" ONE "}]}", "sale must be given");
    refused("{\"sale\":null,\"lines\":[{" ONE "}]}", "sale must be given");
    refused("{\"sale\":1,\"lines\":[{" ONE "}]}", "sale must be");
    refused("{\"sale\":\"\",\"lines\":[{" ONE "}]}", "sale must be");
    refused("{\"sale\":\"a b\"," ONE "}", "sale must be");
    refused("{\"sale\":[]," ONE "}", "sale must be");
    refused("{\"sale\":\"" NAMES_65 "\"," ONE "}", "sale must be");

    refused("{" CART ",\"sku\":\"a\"}", "sku, quantity and unit_price do not");
    refused("{" CART ",\"quantity\":1}", "sku, quantity and unit_price do not");
    refused("{" CART ",\"unit_price\":\"1\"}",
            "sku, quantity and unit_price do not");
    refused("{" CART "," ONE "}", "sku, quantity and unit_price do not");

    refused("{\"sale\":\"s\",\"lines\":[]}", "lines must be");
    refused("{\"sale\":\"s\",\"lines\":{}}", "lines must be");
    refused("{\"sale\":\"s\",\"lines\":{\"0\":{" ONE "}}}", "lines must be");
    refused("{\"sale\":\"s\",\"lines\":\"a\"}", "lines must be");
    refused("{\"sale\":\"s\",\"lines\":1}", "lines must be");
    refused("{\"sale\":\"s\",\"lines\":false}", "lines must be");
    refused("{\"sale\":\"s\",\"lines\":[1]}", "lines must be");
    refused("{\"sale\":\"s\",\"lines\":[null]}", "lines must be");
    refused("{\"sale\":\"s\",\"lines\":[[]]}", "lines must be");
    refused("{\"sale\":\"s\",\"lines\":[[" "\"a\",1,\"1\"]]}", "lines must be");
    refused("{\"sale\":\"s\",\"lines\":[{" ONE "},null]}", "lines must be");
    refused("{\"sale\":\"s\",\"lines\":[{}]}", "sku must be");
}


static void
test_options_refused(void **state)
{
    size_t       i;
    const char  *text;

    static const char  *amounts[] = {
        "1", "1.00", "\"\"", "\"-1\"", "\"1e3\"", "\"1.001\"", "true", "[]",
        "\"100000000000.01\"", "\"1 CNY\"",
    };

    static const char  *ids[] = {
        "1", "\"\"", "true", "[]", "{}", "\"a\\nb\"", "\"a\\tb\"",
        "\"\\u007f\"", "\"\\u001f\"",
    };

    for (i = 0; i < N(amounts); i++) {
        text = unit_fmt("{" ONE ",\"amount\":%s}%c", amounts[i], 0).data;
        refused(text, "amount must be");
        text = unit_fmt("{" CART ",\"amount\":%s}%c", amounts[i], 0).data;
        refused(text, "amount must be");
    }

    for (i = 0; i < N(ids); i++) {
        text = unit_fmt("{" ONE ",\"request_id\":%s}%c", ids[i], 0).data;
        refused(text, "request_id must be");
    }

    assert_int_equal(parse_slice(unit_fmt("{" ONE ",\"request_id\":\"%.*s\"}",
                                     PT_KEY_MAX,
                                     unit_repeat("k", PT_KEY_MAX).data), 2),
                     0);
    assert_int_equal(hold.request_id.len, PT_KEY_MAX);
    pt_hold_free(&hold);

    assert_int_equal(parse_slice(unit_fmt("{" ONE ",\"request_id\":\"%.*s\"}",
                                     PT_KEY_MAX + 1,
                                     unit_repeat("k", PT_KEY_MAX + 1).data),
                                 2), -1);
    pt_hold_free(&hold);
}


static void
test_json_refused(void **state)
{
    size_t  i;

    static const char  *bodies[] = {
        "", " ", "null", "[]", "\"a\"", "1", "{", "x", "sku=a&quantity=1",
        "{" ONE "}x", "{" ONE "}{}", "{" ONE ",}", "{" ONE ",\"sku\":\"a\"}",
        "{" ONE ",\"\\u0073ku\":\"a\"}", "{" ONE ",\"m\":{\"a\":1,\"a\":2}}",
        "{" ONE ",\"x\":\"\xff\"}", "{" ONE ",\"x\":\"\\u0000\"}",
        "{" ONE ",\"x\":\"\\ud800\"}", "{" ONE ",\"x\":\"\x01\"}",
        "{" ONE ",\"x\":01}", "{" ONE ",\"x\":NaN}", "{" ONE "} // c",
        "{\"sku\":\"a\\u0000\",\"quantity\":1,\"unit_price\":\"1\"}",
        "{" ONE ",\"meta\":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}",
    };

    for (i = 0; i < N(bodies); i++) {
        refused(bodies[i], "");
        assert_null(hold.json);
        assert_null(hold.meta_text);
    }

    assert_int_equal(parse_slice(pt_slice_null, 2), -1);
    pt_hold_free(&hold);
    assert_int_equal(parse_slice(unit_mem("{" ONE "}\0", sizeof("{" ONE "}")),
                                 2), -1);
    pt_hold_free(&hold);
}


static pt_slice_t
cart_of(unsigned n, const char *price, long quantity)
{
    unsigned  i;
    pt_out_t  out;

    unit_out(&out);
    pt_out_str(&out, "{\"sale\":\"s\",\"lines\":[");

    for (i = 0; i < n; i++) {
        pt_out_str(&out, i ? ",{\"sku\":\"s" : "{\"sku\":\"s");
        pt_out_int(&out, i * 37 % 101);
        pt_out_str(&out, "\",\"quantity\":");
        pt_out_int(&out, quantity);
        pt_out_str(&out, ",\"unit_price\":\"");
        pt_out_str(&out, price);
        pt_out_str(&out, "\"}");
    }

    pt_out_str(&out, "]}");

    return unit_mem(pt_out_slice(&out).data, pt_out_slice(&out).len);
}


static void
test_limits(void **state)
{
    size_t       i;
    const char  *a, *b;

    assert_int_equal(parse_slice(cart_of(50, "1", 1), 2), 0);
    assert_int_equal(hold.nlines, 50);

    for (i = 1; i < 50; i++) {
        a = unit_fmt("%.*s%c", (int) hold.lines[i - 1].sku.len,
                     hold.lines[i - 1].sku.data, 0).data;
        b = unit_fmt("%.*s%c", (int) hold.lines[i].sku.len,
                     hold.lines[i].sku.data, 0).data;
        assert_true(strcmp(a, b) < 0);
    }

    pt_hold_free(&hold);

    assert_int_equal(parse_slice(cart_of(51, "1", 1), 2), -1);
    assert_memory_equal(why, "lines must be", 13);
    pt_hold_free(&hold);

    /* fifty lines of one SKU are still fifty lines */

    assert_int_equal(parse_slice(cart_of(1, "100.00", 1000000000), 2), 0);
    pt_hold_free(&hold);
    assert_int_equal(parse_slice(cart_of(1, "100.01", 1000000000), 2), -1);
    assert_string_equal(why, "the total is too large");
    pt_hold_free(&hold);
    assert_int_equal(parse_slice(cart_of(50, "2000000000.00", 1), 2), 0);
    pt_hold_free(&hold);
    assert_int_equal(parse_slice(cart_of(50, "2000000000.01", 1), 2), -1);
    assert_string_equal(why, "the total is too large");
    pt_hold_free(&hold);
    assert_int_equal(parse_slice(cart_of(2, "100000000000.00", 1000000000), 2),
                     -1);
    pt_hold_free(&hold);
}


static void
test_decimals(void **state)
{
    pt_slice_t  body;

    body = unit_str("{\"sku\":\"a\",\"quantity\":1,\"unit_price\":\"5000\","
                    "\"amount\":\"5000\"}");

    assert_int_equal(parse_slice(body, 0), 0);
    assert_true(hold.lines[0].unit_price == 5000);
    assert_true(hold.amount == 5000);
    pt_hold_free(&hold);

    assert_int_equal(parse_slice(body, 4), 0);
    assert_true(hold.lines[0].unit_price == 50000000);
    pt_hold_free(&hold);

    body = unit_str("{\"sku\":\"a\",\"quantity\":1,\"unit_price\":\"1.0\"}");
    assert_int_equal(parse_slice(body, 0), -1);
    assert_string_equal(why, "unit_price must be a string such as \"5000\"");
    pt_hold_free(&hold);

    refused("{\"sku\":\"a\",\"quantity\":1,\"unit_price\":5000}",
            "unit_price must be a string such as \"5000.00\"");
}


static void
meta_is(const char *meta, const char *expected)
{
    assert_int_equal(parse_slice(unit_fmt("{" ONE ",\"meta\":%s}", meta), 2),
                     0);
    unit_slice_is(hold.meta, expected);
    pt_hold_free(&hold);
}


static void
test_meta(void **state)
{
    meta_is("{ }", "{}");
    meta_is("0", "0");
    meta_is("false", "false");
    meta_is("\" a \\t b \"", "\" a \\t b \"");
    meta_is("[ ]", "[]");
    meta_is("{\"a\":\"// no comment\" ,\t\"b\":\"/* nor here */\"}",
            "{\"a\":\"// no comment\",\"b\":\"/* nor here */\"}");
    meta_is("\"\\\"\\\\ \"", "\"\\\"\\\\ \"");
    meta_is("{\"meta\" : { \"meta\" : 1 } }", "{\"meta\":{\"meta\":1}}");
    meta_is("\"\xf0\x9f\x98\x80\"", "\"\xf0\x9f\x98\x80\"");

    assert_int_equal(parse("{\"x\":{\"meta\":1}," ONE ",\"\\u006deta\":[ 2 ]}"),
                     0);
    unit_slice_is(hold.meta, "[2]");
    pt_hold_free(&hold);

    assert_int_equal(parse("{\"x\":{\"meta\":1}," ONE ",\"y\":\"meta\"}"), 0);
    assert_int_equal(hold.meta.len, 0);
    pt_hold_free(&hold);
}


static void
test_meta_size(void **state)
{
    pt_slice_t  text, space;

    text = unit_repeat("x", PT_META_MAX);
    space = unit_repeat(" \n\t\r", 5000);

    assert_int_equal(parse_slice(unit_fmt("{" ONE ",\"meta\":[%.*s\"%.*s\"]}",
                                          (int) space.len, space.data,
                                          PT_META_MAX - 4, text.data), 2), 0);
    assert_int_equal(hold.meta.len, PT_META_MAX);
    pt_hold_free(&hold);

    assert_int_equal(parse_slice(unit_fmt("{" ONE ",\"meta\":[\"%.*s\"]}",
                                          PT_META_MAX - 3, text.data), 2), -1);
    assert_memory_equal(why, "meta must not be longer", 23);
    pt_hold_free(&hold);
}


static void
test_canonical(void **state)
{
    static const char  expected[] = "s\ta 3 100,b 1 250\t550\t{\"m\":1}";

    assert_string_equal(canonical("{" ONE "}"), "\ta 1 100\t\t");
    assert_string_equal(canonical("{" CART "}"), "s\ta 1 100\t\t");
    assert_string_equal(canonical("{\"sale\":\"s\"," ONE "}"),
                        "s\ta 1 100\t\t");

    assert_string_equal(canonical(
        "{\"sale\":\"s\",\"lines\":["
        "{\"sku\":\"a\",\"quantity\":3,\"unit_price\":\"1.00\"},"
        "{\"sku\":\"b\",\"quantity\":1,\"unit_price\":\"2.50\"}],"
        "\"amount\":\"5.50\",\"meta\":{\"m\":1}}"), expected);

    /* asks for the same: order, white space, spelling of numbers, a sum */

    assert_string_equal(canonical(
        "{\"meta\":{ \"m\" : 1 },\"amount\":\"5.5\",\"lines\":["
        "{\"unit_price\":\"1\",\"sku\":\"a\",\"quantity\":1},"
        "{\"quantity\":1.0,\"unit_price\":\"2.5\",\"sku\":\"b\"},"
        "{\"unit_price\":\"1.0\",\"sku\":\"\\u0061\",\"quantity\":2}],"
        "\"sale\":\"s\",\"request_id\":\"other\",\"x\":1}"), expected);
}


static void
test_canonical_differs(void **state)
{
    size_t  i, k;

    static const char  *bodies[] = {
        "{" ONE "}",
        "{" ONE ",\"sale\":\"s\"}",
        "{" ONE ",\"amount\":\"1\"}",
        "{" ONE ",\"amount\":\"0\"}",
        "{" ONE ",\"meta\":1}",
        "{" ONE ",\"meta\":\"1\"}",
        "{" ONE ",\"meta\":{}}",
        "{\"sku\":\"a\",\"quantity\":2,\"unit_price\":\"1\"}",
        "{\"sku\":\"a\",\"quantity\":1,\"unit_price\":\"2\"}",
        "{\"sku\":\"b\",\"quantity\":1,\"unit_price\":\"1\"}",
        "{\"sku\":\"A\",\"quantity\":1,\"unit_price\":\"1\"}",
        "{\"sale\":\"s\",\"lines\":[{" ONE "},{\"sku\":\"b\",\"quantity\":1,"
        "\"unit_price\":\"1\"}]}",
    };

    for (i = 0; i < N(bodies); i++) {
        for (k = 0; k < i; k++) {
            assert_string_not_equal(canonical(bodies[i]),
                                    canonical(bodies[k]));
        }
    }
}


/* Lines of any order and any splitting end as the same sorted sums. */
static void
test_cart_random(void **state)
{
    int         i, k, n, sku;
    int64_t     sums[8], total;
    size_t      at;
    pt_out_t    body, lines;
    pt_line_t   line;
    pt_slice_t  rest;

    for (i = 0; i < 2000; i++) {
        memset(sums, 0, sizeof(sums));
        n = 1 + unit_below(PT_ORDER_LINES_MAX);

        unit_out(&body);
        pt_out_str(&body, "{\"sale\":\"s\",\"lines\":[");

        for (k = 0; k < n; k++) {
            sku = unit_below(8);
            total = 1 + unit_below(1000);
            sums[sku] += total;

            pt_out_put(&body, unit_fmt("%s{\"sku\":\"%.*s\",\"quantity\":%d,"
                                       "\"unit_price\":\"%d\"}", k ? "," : "",
                                       sku + 1, "aaaaaaaa", (int) total,
                                       sku));
        }

        pt_out_str(&body, "]}");
        assert_int_equal(parse_slice(pt_out_slice(&body), 2), 0);

        unit_out(&lines);
        pt_hold_lines(&lines, &hold);
        rest = pt_out_slice(&lines);
        at = 0;

        for (sku = 0; sku < 8; sku++) {
            if (sums[sku] == 0) {
                continue;
            }

            assert_int_equal(pt_order_next_line(&rest, &line), 1);
            assert_int_equal(line.sku.len, sku + 1);
            assert_true(line.quantity == sums[sku]);
            assert_true(line.unit_price == sku * 100);
            assert_true(hold.lines[at].quantity == sums[sku]);
            at++;
        }

        assert_int_equal(pt_order_next_line(&rest, &line), 0);
        assert_int_equal(hold.nlines, at);
        pt_hold_free(&hold);
        unit_end(NULL);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        unit_case(test_single),
        unit_case(test_cart),
        unit_case(test_null_is_absent),
        unit_case(test_summed),
        unit_case(test_line_refused),
        unit_case(test_form_refused),
        unit_case(test_options_refused),
        unit_case(test_json_refused),
        unit_case(test_limits),
        unit_case(test_decimals),
        unit_case(test_meta),
        unit_case(test_meta_size),
        unit_case(test_canonical),
        unit_case(test_canonical_differs),
        unit_case(test_cart_random),
    };

    return cmocka_run_group_tests_name("hold", tests, NULL, NULL);
}
