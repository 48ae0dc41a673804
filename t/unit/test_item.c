/*
 * Items: rows, an operator's JSON, JSON for buyers and operators.
 */

#include "pt_item.h"
#include "unit.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))

#define HOLD_MS  INT64_C(900000)


static const char *const  row_fields[PT_ITEM_FIELDS] = {
    "p30", "spring", "P 30 caf\xc3\xa9", "500000", "100", "97", "2", "1", "2",
    "1767225600000", "1893456000000", "900000", "7", "0",
};


/* The good row with one field changed; field PT_ITEM_FIELDS changes none. */
static pt_slice_t
row_with(unsigned field, pt_slice_t value)
{
    unsigned   i;
    pt_out_t   out;

    unit_out(&out);

    for (i = 0; i < PT_ITEM_FIELDS; i++) {
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
test_row(void **state)
{
    pt_item_t  item;

    assert_int_equal(pt_item_parse_row(&item, row_with(PT_ITEM_FIELDS,
                                                       pt_slice_null)), 0);
    unit_slice_is(item.sku, "p30");
    unit_slice_is(item.sale, "spring");
    unit_slice_is(item.title, "P 30 caf\xc3\xa9");
    assert_true(item.price == 500000);
    assert_true(item.stock == 100);
    assert_true(item.available == 97);
    assert_true(item.held == 2);
    assert_true(item.sold == 1);
    assert_true(item.limit == 2);
    assert_true(item.starts_at == INT64_C(1767225600000));
    assert_true(item.ends_at == INT64_C(1893456000000));
    assert_true(item.hold_ms == HOLD_MS);
    assert_true(item.version == 7);
    assert_int_equal(item.paused, 0);

    assert_int_equal(pt_item_parse_row(&item, row_with(13, unit_str("1"))), 0);
    assert_int_equal(item.paused, 1);
}


static void
test_row_refused(void **state)
{
    size_t      i;
    unsigned    field;
    pt_item_t   item;
    pt_slice_t  row;

    static const struct {
        unsigned     field;
        const char  *value;
    } cases[] = {
        { 0, "a b" }, { 0, "a,b" }, { 0, "\xc3\xa9" }, { 0, "a\nb" },
        { 1, "a b" }, { 2, "a\nb" }, { 2, "\xff" }, { 2, "\x7f" },
        { 3, "10000000000001" }, { 4, "1000000001" }, { 5, "1000000001" },
        { 6, "1000000001" }, { 7, "1000000001" }, { 8, "1000000001" },
        { 9, "253402300800000" }, { 10, "253402300800000" },
        { 11, "999" }, { 11, "2592000001" }, { 12, "9223372036854775808" },
        { 13, "2" }, { 13, "true" }, { 3, "5000.00" }, { 4, "1e3" },
        { 5, "1\t1" },
    };

    for (i = 0; i < N(cases); i++) {
        if (pt_item_parse_row(&item, row_with(cases[i].field,
                                              unit_str(cases[i].value))) == 0)
        {
            fail_msg("field %u: %s", cases[i].field, cases[i].value);
        }
    }

    for (field = 0; field < PT_ITEM_FIELDS; field++) {
        row = row_with(field, pt_slice_null);
        assert_int_equal(pt_item_parse_row(&item, row), -1);

        row = row_with(field, unit_mem("1\0", 2));
        assert_int_equal(pt_item_parse_row(&item, row), -1);

        if (field > 2) {
            row = row_with(field, unit_str("-1"));
            assert_int_equal(pt_item_parse_row(&item, row), -1);
            row = row_with(field, unit_str("x"));
            assert_int_equal(pt_item_parse_row(&item, row), -1);
        }
    }

    row = row_with(0, unit_repeat("a", PT_NAME_MAX + 1));
    assert_int_equal(pt_item_parse_row(&item, row), -1);
    row = row_with(2, unit_repeat("a", PT_TITLE_MAX + 1));
    assert_int_equal(pt_item_parse_row(&item, row), -1);
    row = row_with(2, unit_repeat("a", PT_TITLE_MAX));
    assert_int_equal(pt_item_parse_row(&item, row), 0);

    assert_int_equal(pt_item_parse_row(&item, pt_slice_null), -1);
    assert_int_equal(pt_item_parse_row(&item, unit_str("p30")), -1);
}


/* A row with a field less, however it is cut, is none. */
static void
test_row_truncated(void **state)
{
    size_t      i;
    pt_item_t   item;
    pt_slice_t  row;

    row = row_with(PT_ITEM_FIELDS, pt_slice_null);

    for (i = 0; i < row.len; i++) {
        assert_int_equal(pt_item_parse_row(&item, unit_mem(row.data, i)), -1);
    }

    row = unit_fmt("%.*s\t", (int) row.len, row.data);
    assert_int_equal(pt_item_parse_row(&item, row), -1);
}


typedef struct {
    int          rc;
    cJSON       *json;
    pt_item_t    item;
    const char  *why;
} parsed_t;


static parsed_t
parse(const char *text)
{
    parsed_t     p;
    const char  *why;

    p.json = pt_json_parse(unit_str(text), &why);
    assert_non_null(p.json);

    p.rc = pt_item_parse_json(&p.item, pt_slice_lit("p30"), p.json, 2, HOLD_MS,
                              &p.why);
    assert_int_equal(p.rc, p.why == NULL ? 0 : -1);

    return p;
}


static void
test_json(void **state)
{
    parsed_t  p;

    p = parse("{\"sale\":\"spring\",\"title\":\"P30\",\"price\":\"5000.00\","
              "\"stock\":100,\"limit\":2,"
              "\"starts_at\":\"2026-01-01T00:00:00Z\","
              "\"ends_at\":\"2030-01-01T00:00:00Z\",\"hold_time\":\"2s\"}");

    assert_int_equal(p.rc, 0);
    unit_slice_is(p.item.sku, "p30");
    unit_slice_is(p.item.sale, "spring");
    unit_slice_is(p.item.title, "P30");
    assert_true(p.item.price == 500000);
    assert_true(p.item.stock == 100);
    assert_true(p.item.limit == 2);
    assert_true(p.item.starts_at == INT64_C(1767225600000));
    assert_true(p.item.ends_at == INT64_C(1893456000000));
    assert_true(p.item.hold_ms == 2000);
    assert_int_equal(p.item.paused, 0);
    cJSON_Delete(p.json);
}


static void
test_json_defaults(void **state)
{
    parsed_t  p;

    p = parse("{\"sale\":\"spring\",\"price\":\"1\",\"stock\":0,"
              "\"title\":null,\"limit\":null,\"starts_at\":null,"
              "\"ends_at\":null,\"hold_time\":null,\"unknown\":1}");

    assert_int_equal(p.rc, 0);
    unit_slice_is(p.item.title, "p30");
    assert_true(p.item.price == 100);
    assert_true(p.item.stock == 0);
    assert_true(p.item.limit == 0);
    assert_true(p.item.starts_at == 0);
    assert_true(p.item.ends_at == PT_TIME_MAX_MS);
    assert_true(p.item.hold_ms == HOLD_MS);
    cJSON_Delete(p.json);

    p = parse("{\"sku\":\"p30\",\"sale\":\"s\",\"price\":\"0\","
              "\"stock\":1000000000,\"limit\":1000000000,"
              "\"hold_time\":\"30d\"}");
    assert_int_equal(p.rc, 0);
    assert_true(p.item.hold_ms == PT_HOLD_MAX_MS);
    cJSON_Delete(p.json);
}


static void
test_json_refused(void **state)
{
    size_t     i;
    char       expected[32];
    parsed_t   p;

    /* the member is named by the sentence */

    static const struct {
        const char  *member;
        const char  *value;
    } cases[] = {
        { "sale", "null" }, { "sale", "1" }, { "sale", "\"\"" },
        { "sale", "\"a b\"" }, { "sale", "\"a,b\"" },
        { "sale", "\"\xc3\xa9\"" }, { "sale", "\"a\\nb\"" },
        { "sale", "\"1234567890123456789012345678901234567890123456789012345"
                  "6789012345\"" },
        { "title", "\"\"" }, { "title", "1" }, { "title", "\"a\\tb\"" },
        { "title", "\"\\u007f\"" }, { "title", "[]" },
        { "price", "null" }, { "price", "5000" }, { "price", "5000.00" },
        { "price", "\"\"" }, { "price", "\"5000.001\"" }, { "price", "\"-1\"" },
        { "price", "\"1e3\"" }, { "price", "\"100000000000.01\"" },
        { "stock", "null" }, { "stock", "\"100\"" }, { "stock", "-1" },
        { "stock", "1.5" }, { "stock", "1000000001" },
        { "stock", "2147483648" }, { "stock", "9223372036854775808" },
        { "stock", "true" },
        { "limit", "-1" }, { "limit", "\"2\"" }, { "limit", "0.5" },
        { "limit", "1000000001" },
        { "starts_at", "1767225600" }, { "starts_at", "\"soon\"" },
        { "starts_at", "\"2026-02-30T00:00:00Z\"" },
        { "starts_at", "\"2026-01-01\"" },
        { "ends_at", "0" }, { "ends_at", "\"\"" },
        { "ends_at", "\"2026-01-01T00:00:00\"" },
        { "ends_at", "\"2026-01-01T00:00:00Z\"" },
        { "ends_at", "\"2025-01-01T00:00:00Z\"" },
        { "hold_time", "900" }, { "hold_time", "\"\"" },
        { "hold_time", "\"15x\"" }, { "hold_time", "\"0s\"" },
        { "hold_time", "\"999ms\"" }, { "hold_time", "\"31d\"" },
        { "hold_time", "\"-15m\"" },
        { "sku", "\"p31\"" }, { "sku", "1" }, { "sku", "\"\"" },
    };

    static const char *const  good[][2] = {
        { "sku", "\"p30\"" }, { "sale", "\"spring\"" }, { "title", "\"P\"" },
        { "price", "\"1\"" }, { "stock", "1" }, { "limit", "1" },
        { "starts_at", "\"2026-01-01T00:00:00Z\"" },
        { "ends_at", "\"2026-01-01T00:00:00.001Z\"" },
        { "hold_time", "\"1s\"" },
    };

    for (i = 0; i <= N(cases); i++) {
        size_t    k;
        pt_out_t  out;

        unit_out(&out);

        for (k = 0; k < N(good); k++) {
            pt_out_str(&out, k ? ",\"" : "{\"");
            pt_out_str(&out, good[k][0]);
            pt_out_str(&out, "\":");

            if (i < N(cases) && strcmp(cases[i].member, good[k][0]) == 0) {
                pt_out_str(&out, cases[i].value);

            } else {
                pt_out_str(&out, good[k][1]);
            }
        }

        pt_out_char(&out, '}');
        p = parse(unit_text(&out));

        if (i == N(cases)) {
            assert_int_equal(p.rc, 0);

        } else {
            if (p.rc == 0) {
                fail_msg("%s was accepted", unit_text(&out));
            }

            snprintf(expected, sizeof(expected), "%s must ", cases[i].member);
            assert_memory_equal(p.why, expected, strlen(expected));
        }

        cJSON_Delete(p.json);
    }
}


static void
test_json_sku_and_default(void **state)
{
    cJSON       *json;
    pt_item_t    item;
    const char  *why;

    json = pt_json_parse(unit_str("{\"sale\":\"s\",\"price\":\"1\","
                                  "\"stock\":1}"), &why);

    assert_int_equal(pt_item_parse_json(&item, unit_str("a b"), json, 2,
                                        HOLD_MS, &why), -1);
    assert_int_equal(pt_item_parse_json(&item, pt_slice_null, json, 2,
                                        HOLD_MS, &why), -1);
    assert_int_equal(pt_item_parse_json(&item, unit_repeat("a", 65), json, 2,
                                        HOLD_MS, &why), -1);
    assert_int_equal(pt_item_parse_json(&item, unit_repeat("a", 64), json, 2,
                                        HOLD_MS, &why), 0);
    cJSON_Delete(json);

    json = pt_json_parse(unit_str("{\"sale\":\"s\",\"price\":\"1.0\","
                                  "\"stock\":1}"), &why);
    assert_int_equal(pt_item_parse_json(&item, unit_str("a"), json, 0,
                                        HOLD_MS, &why), -1);
    assert_string_equal(why, "price must be a string such as \"5000\"");
    cJSON_Delete(json);
}


static void
test_to_json(void **state)
{
    pt_out_t   out;
    pt_item_t  item;

    assert_int_equal(pt_item_parse_row(&item, row_with(2, unit_str("a\"b"))),
                     0);

    unit_out(&out);
    pt_item_json(&out, &item, pt_slice_lit("CNY"), 2, 0);
    assert_string_equal(unit_text(&out),
        "{\"sku\":\"p30\",\"sale\":\"spring\",\"title\":\"a\\\"b\","
        "\"price\":\"5000.00\",\"currency\":\"CNY\",\"available\":97,"
        "\"limit\":2,\"starts_at\":\"2026-01-01T00:00:00.000Z\","
        "\"ends_at\":\"2030-01-01T00:00:00.000Z\",\"hold_time\":\"900s\","
        "\"paused\":false}");

    item.paused = 1;
    item.hold_ms = 1500;

    unit_out(&out);
    pt_item_json(&out, &item, pt_slice_lit("JPY"), 0, 1);
    assert_string_equal(unit_text(&out),
        "{\"sku\":\"p30\",\"sale\":\"spring\",\"title\":\"a\\\"b\","
        "\"price\":\"500000\",\"currency\":\"JPY\",\"available\":97,"
        "\"stock\":100,\"held\":2,\"sold\":1,\"version\":7,"
        "\"limit\":2,\"starts_at\":\"2026-01-01T00:00:00.000Z\","
        "\"ends_at\":\"2030-01-01T00:00:00.000Z\",\"hold_time\":\"1500ms\","
        "\"paused\":true}");
}


/* What an operator reads can be put back as it is. */
static void
test_json_round_trip(void **state)
{
    int          i;
    cJSON       *json;
    pt_out_t     out;
    pt_item_t    item, back;
    const char  *why;

    for (i = 0; i < 500; i++) {
        assert_int_equal(pt_item_parse_row(&item, row_with(PT_ITEM_FIELDS,
                                                           pt_slice_null)), 0);
        item.price = unit_below(PT_AMOUNT_MAX + 1);
        item.stock = unit_below(PT_UNITS_MAX + 1);
        item.limit = unit_below(PT_UNITS_MAX + 1);
        item.starts_at = unit_below(PT_TIME_MAX_MS);
        item.ends_at = item.starts_at + 1
                       + unit_below(PT_TIME_MAX_MS - item.starts_at);
        item.hold_ms = PT_HOLD_MIN_MS
                       + unit_below(PT_HOLD_MAX_MS - PT_HOLD_MIN_MS + 1);

        unit_out(&out);
        pt_item_json(&out, &item, pt_slice_lit("CNY"), 2, 1);

        json = pt_json_parse(pt_out_slice(&out), &why);
        assert_non_null(json);
        assert_int_equal(pt_item_parse_json(&back, item.sku, json, 2, 1000,
                                            &why), 0);
        assert_true(pt_slice_eq(back.sale, item.sale));
        assert_true(pt_slice_eq(back.title, item.title));
        assert_true(back.price == item.price);
        assert_true(back.stock == item.stock);
        assert_true(back.limit == item.limit);
        assert_true(back.starts_at == item.starts_at);
        assert_true(back.ends_at == item.ends_at);
        assert_true(back.hold_ms == item.hold_ms);
        cJSON_Delete(json);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        unit_case(test_row),
        unit_case(test_row_refused),
        unit_case(test_row_truncated),
        unit_case(test_json),
        unit_case(test_json_defaults),
        unit_case(test_json_refused),
        unit_case(test_json_sku_and_default),
        unit_case(test_to_json),
        unit_case(test_json_round_trip),
    };

    return cmocka_run_group_tests_name("item", tests, NULL, NULL);
}
