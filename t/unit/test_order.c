/*
 * Orders: states, rows, lines, JSON.
 */

#include "pt_order.h"
#include "unit.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))


static const char *const  row_fields[PT_ORDER_FIELDS] = {
    "1763712000000000001", "held", "1", "caf\xc3\xa9 user", "spring",
    "1250000", "1763712000123", "1763712900123", "1763712000123",
    "0123456789abcdef", "fedcba9876543210", "p30 2 500000,p31 1 250000",
    "{\"a\":\"\xc3\xa9\"}",
};


/* The good row with one field changed; field PT_ORDER_FIELDS changes none. */
static pt_slice_t
row_with(unsigned field, pt_slice_t value)
{
    unsigned   i;
    pt_out_t   out;

    unit_out(&out);

    for (i = 0; i < PT_ORDER_FIELDS; i++) {
        if (i) {
            pt_out_char(&out, '\t');
        }

        if (i == field) {
            pt_out_put(&out, value);

        } else {
            pt_out_str(&out, row_fields[i]);
        }
    }

    return unit_mem(pt_out_slice(&out).data, pt_out_slice(&out).len);
}


static void
test_status(void **state)
{
    unsigned           i;
    pt_order_status_e  status;

    static const char  *words[] = { "held", "paid", "cancelled", "expired",
                                    "refunded" };
    static const char  *refused[] = { "", "hel", "heldd", "Held", "unpaid",
                                      "canceled", "held " };

    for (i = 0; i < PT_ORDER_STATES; i++) {
        assert_string_equal(pt_order_status_words[i], words[i]);
        assert_int_equal(pt_order_status_parse(unit_str(words[i]), &status),
                         0);
        assert_int_equal(status, i);
    }

    for (i = 0; i < N(refused); i++) {
        assert_int_equal(pt_order_status_parse(unit_str(refused[i]), &status),
                         -1);
    }
}


static void
test_row(void **state)
{
    pt_order_t  order;

    assert_int_equal(pt_order_parse_row(&order, row_with(PT_ORDER_FIELDS,
                                                         pt_slice_null)), 0);
    unit_slice_is(order.id, "1763712000000000001");
    assert_int_equal(order.status, PT_ORDER_HELD);
    assert_true(order.rev == 1);
    unit_slice_is(order.user, "caf\xc3\xa9 user");
    unit_slice_is(order.sale, "spring");
    assert_true(order.amount == 1250000);
    assert_true(order.created_at == INT64_C(1763712000123));
    assert_true(order.expires_at == INT64_C(1763712900123));
    assert_true(order.changed_at == INT64_C(1763712000123));
    unit_slice_is(order.key, "0123456789abcdef");
    unit_slice_is(order.body, "fedcba9876543210");
    unit_slice_is(order.lines, "p30 2 500000,p31 1 250000");
    unit_slice_is(order.meta, "{\"a\":\"\xc3\xa9\"}");
}


static void
test_row_optional(void **state)
{
    size_t      i;
    pt_order_t  order;

    static const unsigned  optional[] = { 9, 10, 12 };
    static const char     *metas[] = { "1", "null", "\"a\"", "[]", "[1, 2]",
                                       "{\"a\": 1}" };

    for (i = 0; i < N(optional); i++) {
        assert_int_equal(pt_order_parse_row(&order, row_with(optional[i],
                                                             pt_slice_null)),
                         0);
    }

    for (i = 0; i < N(metas); i++) {
        assert_int_equal(pt_order_parse_row(&order,
                                            row_with(12, unit_str(metas[i]))),
                         0);
        unit_slice_is(order.meta, metas[i]);
    }

    /* PostgreSQL writes the same JSON with spaces */
    assert_int_equal(pt_order_parse_row(&order,
                         row_with(12, unit_fmt("[1%.*s]", 3 * PT_META_MAX,
                                  unit_repeat(", 1", PT_META_MAX).data))), 0);
}


static void
test_row_refused(void **state)
{
    size_t      i;
    unsigned    field;
    pt_order_t  order;
    pt_slice_t  row;

    static const struct {
        unsigned     field;
        const char  *value;
    } cases[] = {
        { 0, "176371200000000000" }, { 0, "17637120000000000012" },
        { 0, "176371200000000000a" }, { 0, "9223372036854775808" },
        { 1, "unpaid" }, { 1, "HELD" }, { 2, "9223372036854775808" },
        { 3, "\xff" }, { 3, "a\nb" }, { 3, "\xed\xa0\x80" }, { 4, "a b" },
        { 4, "\xc3\xa9" }, { 5, "10000000000001" }, { 5, "5000.00" },
        { 6, "253402300800000" }, { 7, "253402300800000" },
        { 8, "253402300800000" }, { 9, "0123456789abcde" },
        { 9, "0123456789abcdef0" }, { 9, "0123456789abcdeg" },
        { 9, "0123456789ABCDEF" }, { 10, "0123456789abcde" },
        { 10, "0123456789abcde/" }, { 11, "p30" }, { 11, "p30 2" },
        { 11, "p30 2 500000," }, { 11, ",p30 2 500000" },
        { 11, "p30 0 500000" }, { 11, "p30 1000000001 1" },
        { 11, "p30 1 10000000000001" }, { 11, "p30 -1 1" },
        { 11, "p30 1 -1" }, { 11, " 1 1" }, { 11, "p30 1 1 1" },
        { 11, "p30  1 1" }, { 11, "p30 1 1,,p31 1 1" }, { 11, "\xc3\xa9 1 1" },
        { 11, "p30 1 1.0" }, { 12, "{" }, { 12, "{}{}" }, { 12, "\"\xff\"" },
        { 12, "\"\\u0000\"" }, { 12, "\"\\ud800\"" }, { 12, "1e400" },
        { 12, " " }, { 12, "{}\t" },
    };

    for (i = 0; i < N(cases); i++) {
        row = row_with(cases[i].field, unit_str(cases[i].value));

        if (pt_order_parse_row(&order, row) == 0) {
            fail_msg("field %u: %s", cases[i].field, cases[i].value);
        }
    }

    for (field = 0; field < PT_ORDER_FIELDS; field++) {
        row = row_with(field, unit_mem("1\0", 2));
        assert_int_equal(pt_order_parse_row(&order, row), -1);

        if (field < 9 || field == 11) {
            row = row_with(field, pt_slice_null);
            assert_int_equal(pt_order_parse_row(&order, row), -1);
        }

        if (field == 2 || (field >= 5 && field <= 8)) {
            row = row_with(field, unit_str("-1"));
            assert_int_equal(pt_order_parse_row(&order, row), -1);
            row = row_with(field, unit_str("1x"));
            assert_int_equal(pt_order_parse_row(&order, row), -1);
        }
    }

    row = row_with(3, unit_repeat("u", PT_USER_MAX));
    assert_int_equal(pt_order_parse_row(&order, row), 0);
    row = row_with(3, unit_repeat("u", PT_USER_MAX + 1));
    assert_int_equal(pt_order_parse_row(&order, row), -1);

    assert_int_equal(pt_order_parse_row(&order, pt_slice_null), -1);
}


static void
test_row_truncated(void **state)
{
    size_t      i, tab;
    pt_order_t  order;
    pt_slice_t  row;

    row = row_with(PT_ORDER_FIELDS, pt_slice_null);
    tab = row.len - strlen(row_fields[12]);

    /* up to its last tab it is the same row without meta */

    for (i = 0; i < row.len; i++) {
        assert_int_equal(pt_order_parse_row(&order, unit_mem(row.data, i)),
                         i == tab ? 0 : -1);
    }

    row = unit_fmt("%.*s\t", (int) row.len, row.data);
    assert_int_equal(pt_order_parse_row(&order, row), -1);
}


static pt_slice_t
lines_of(unsigned n)
{
    unsigned  i;
    pt_out_t  out;

    unit_out(&out);

    for (i = 0; i < n; i++) {
        pt_out_str(&out, i ? ",s" : "s");
        pt_out_int(&out, i);
        pt_out_str(&out, " 1 1");
    }

    return pt_out_slice(&out);
}


static void
test_row_lines_max(void **state)
{
    pt_order_t  order;

    assert_int_equal(pt_order_parse_row(&order,
                         row_with(11, lines_of(PT_ORDER_LINES_MAX))), 0);
    assert_int_equal(pt_order_parse_row(&order,
                         row_with(11, lines_of(PT_ORDER_LINES_MAX + 1))), -1);
}


static void
test_next_line(void **state)
{
    pt_line_t   line;
    pt_slice_t  lines;

    lines = unit_str("p30 2 500000,p,31 1 0");

    assert_int_equal(pt_order_next_line(&lines, &line), 1);
    unit_slice_is(line.sku, "p30");
    assert_true(line.quantity == 2);
    assert_true(line.unit_price == 500000);
    assert_int_equal(pt_order_next_line(&lines, &line), -1);

    lines = unit_str("p30 1000000000 10000000000000");
    assert_int_equal(pt_order_next_line(&lines, &line), 1);
    assert_true(line.quantity == PT_UNITS_MAX);
    assert_true(line.unit_price == PT_AMOUNT_MAX);
    assert_int_equal(pt_order_next_line(&lines, &line), 0);
    assert_int_equal(pt_order_next_line(&lines, &line), 0);

    lines = pt_slice_null;
    assert_int_equal(pt_order_next_line(&lines, &line), 0);
    lines = unit_str("");
    assert_int_equal(pt_order_next_line(&lines, &line), 0);
    lines = unit_str(",");
    assert_int_equal(pt_order_next_line(&lines, &line), -1);
    lines = unit_str("p30 1 1,");
    assert_int_equal(pt_order_next_line(&lines, &line), -1);
}


static void
test_to_json(void **state)
{
    pt_out_t     out;
    pt_order_t   order;
    const char  *why;

    assert_int_equal(pt_order_parse_row(&order, row_with(PT_ORDER_FIELDS,
                                                         pt_slice_null)), 0);
    unit_out(&out);
    pt_order_json(&out, &order, pt_slice_lit("CNY"), 2);
    assert_string_equal(unit_text(&out),
        "{\"order_id\":\"1763712000000000001\",\"status\":\"held\","
        "\"sale\":\"spring\",\"amount\":\"12500.00\",\"currency\":\"CNY\","
        "\"lines\":[{\"sku\":\"p30\",\"quantity\":2,"
        "\"unit_price\":\"5000.00\"},{\"sku\":\"p31\",\"quantity\":1,"
        "\"unit_price\":\"2500.00\"}],"
        "\"created_at\":\"2025-11-21T08:00:00.123Z\","
        "\"expires_at\":\"2025-11-21T08:15:00.123Z\","
        "\"meta\":{\"a\":\"\xc3\xa9\"}}");

    order.meta = pt_slice_null;
    order.status = PT_ORDER_CANCELLED;
    order.lines = unit_str("a\"b 1 1");

    unit_out(&out);
    pt_order_json(&out, &order, pt_slice_lit("JPY"), 0);
    assert_string_equal(unit_text(&out),
        "{\"order_id\":\"1763712000000000001\",\"status\":\"cancelled\","
        "\"sale\":\"spring\",\"amount\":\"1250000\",\"currency\":\"JPY\","
        "\"lines\":[{\"sku\":\"a\\\"b\",\"quantity\":1,"
        "\"unit_price\":\"1\"}],"
        "\"created_at\":\"2025-11-21T08:00:00.123Z\","
        "\"expires_at\":\"2025-11-21T08:15:00.123Z\"}");
    assert_int_equal(pt_json_scan(pt_out_slice(&out), &why), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        unit_case(test_status),
        unit_case(test_row),
        unit_case(test_row_optional),
        unit_case(test_row_refused),
        unit_case(test_row_truncated),
        unit_case(test_row_lines_max),
        unit_case(test_next_line),
        unit_case(test_to_json),
    };

    return cmocka_run_group_tests_name("order", tests, NULL, NULL);
}
