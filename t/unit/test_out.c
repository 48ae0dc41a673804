/*
 * Writing text: growth, failure, JSON strings, money, times.
 */

#include <time.h>

#include <cjson/cJSON.h>

#include "pt_json.h"
#include "pt_value.h"
#include "unit.h"


typedef struct {
    unsigned  calls;
    unsigned  allowed;
} limited_t;


static void *
limited_alloc(void *ctx, size_t size)
{
    limited_t  *limited;

    limited = ctx;

    return limited->calls++ < limited->allowed ? unit_alloc(NULL, size) : NULL;
}


static void
test_growth(void **state)
{
    int       i;
    char     *expected;
    size_t    len, n;
    pt_out_t  out;

    static const char  alphabet[] = "abcdefghijklmnopqrstuvwxyz";

    expected = unit_alloc(NULL, 200000);
    len = 0;
    unit_out(&out);

    for (i = 0; i < 5000; i++) {
        n = unit_below(sizeof(alphabet));
        pt_out_mem(&out, alphabet, n);
        memcpy(expected + len, alphabet, n);
        len += n;
        pt_out_char(&out, '.');
        expected[len++] = '.';
    }

    assert_int_equal(out.failed, 0);
    assert_int_equal(pt_out_slice(&out).len, len);
    assert_memory_equal(pt_out_slice(&out).data, expected, len);
}


static void
test_hint(void **state)
{
    pt_out_t   out;
    limited_t  limited = { 0, 1 };

    pt_out_init(&out, limited_alloc, &limited, 1000);
    pt_out_put(&out, unit_repeat("x", 1000));

    assert_int_equal(limited.calls, 1);
    assert_int_equal(out.failed, 0);
    assert_int_equal(pt_out_slice(&out).len, 1000);
}


static void
test_empty(void **state)
{
    pt_out_t  out;

    unit_out(&out);
    assert_int_equal(pt_out_slice(&out).len, 0);

    pt_out_mem(&out, NULL, 0);
    pt_out_put(&out, pt_slice_null);
    pt_out_str(&out, "");
    assert_int_equal(pt_out_slice(&out).len, 0);
    assert_int_equal(out.failed, 0);
}


/* Whichever allocation fails, the writer says so and writes no more. */
static void
test_failure(void **state)
{
    unsigned   i;
    pt_out_t   out;
    limited_t  limited;

    for (i = 0; i < 3; i++) {
        limited.calls = 0;
        limited.allowed = i;

        pt_out_init(&out, limited_alloc, &limited, i == 2 ? 8 : 0);
        pt_out_str(&out, "0123456789");
        pt_out_put(&out, unit_repeat("y", 100));
        pt_out_put(&out, unit_repeat("z", 1000));
        pt_out_json(&out, unit_str("\"text\""));
        pt_out_money(&out, 12345, 2);
        pt_out_time(&out, 0);
        pt_out_int(&out, -1);
        pt_out_char(&out, 'c');

        assert_int_equal(out.failed, 1);
        assert_int_equal(limited.calls, i + 1);
    }

    unit_out(&out);
    pt_out_str(&out, "abc");
    pt_out_mem(&out, "abc", SIZE_MAX - 1);
    assert_int_equal(out.failed, 1);
}


static void
test_int(void **state)
{
    int        i;
    int64_t    n;
    pt_out_t   out;

    static const int64_t  cases[] = {
        0, 1, -1, 9, 10, 99, 100, INT64_MAX, INT64_MIN, INT64_MIN + 1,
        INT64_C(1763712000000000001),
    };

    for (i = 0; i < 5000; i++) {
        n = i < (int) (sizeof(cases) / sizeof(cases[0]))
            ? cases[i] : (int64_t) unit_random() >> unit_below(64);

        unit_out(&out);
        pt_out_int(&out, n);
        unit_slice_is(unit_fmt("%lld", (long long) n), unit_text(&out));
    }
}


static void
test_json(void **state)
{
    pt_out_t  out;

    unit_out(&out);
    pt_out_json(&out, pt_slice_null);
    assert_string_equal(unit_text(&out), "\"\"");

    unit_out(&out);
    pt_out_json(&out, unit_str("plain"));
    assert_string_equal(unit_text(&out), "\"plain\"");

    unit_out(&out);
    pt_out_json(&out, unit_str("a\"b\\c\nd\re\tf\x01g\x1fh\x7fi/"));
    assert_string_equal(unit_text(&out),
                        "\"a\\\"b\\\\c\\nd\\re\\tf\\u0001g\\u001fh\\u007fi/\"");

    unit_out(&out);
    pt_out_json(&out, unit_str("\"\\"));
    assert_string_equal(unit_text(&out), "\"\\\"\\\\\"");

    unit_out(&out);
    pt_out_json(&out, unit_str("caf\xc3\xa9 \xf0\x9f\x98\x80"));
    assert_string_equal(unit_text(&out), "\"caf\xc3\xa9 \xf0\x9f\x98\x80\"");

    unit_out(&out);
    pt_out_json(&out, unit_mem("a\0b", 3));
    assert_string_equal(unit_text(&out), "\"a\\u0000b\"");
}


/* What is written is valid, and cJSON reads the same text from it. */
static void
test_json_round_trip(void **state)
{
    int           i;
    char          text[40];
    size_t        k, n;
    cJSON        *json;
    pt_out_t      out;
    const char   *why, *written;

    for (i = 0; i < 5000; i++) {
        n = unit_below(sizeof(text) - 1);

        for (k = 0; k < n; k++) {
            text[k] = 1 + unit_below(127);
        }

        text[n] = '\0';

        unit_out(&out);
        pt_out_json(&out, unit_mem(text, n));
        assert_int_equal(pt_json_scan(pt_out_slice(&out), &why), 0);

        written = unit_text(&out);
        json = cJSON_Parse(written);
        assert_non_null(json);
        assert_string_equal(json->valuestring, text);
        cJSON_Delete(json);
    }
}


static void
test_money(void **state)
{
    size_t    i;
    pt_out_t  out;

    static const struct {
        int64_t      minor;
        unsigned     decimals;
        const char  *text;
    } cases[] = {
        { 0, 2, "0.00" }, { 1, 2, "0.01" }, { 10, 2, "0.10" },
        { 99, 2, "0.99" }, { 100, 2, "1.00" }, { 500000, 2, "5000.00" },
        { 0, 0, "0" }, { 5000, 0, "5000" }, { 5, 1, "0.5" },
        { 5, 3, "0.005" }, { 5, 4, "0.0005" }, { 12345, 4, "1.2345" },
        { 12345, 3, "12.345" }, { -1, 2, "-0.01" }, { -12345, 2, "-123.45" },
        { PT_AMOUNT_MAX, 2, "100000000000.00" },
        { PT_AMOUNT_MAX, 0, "10000000000000" },
        { INT64_MIN, 2, "-92233720368547758.08" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unit_out(&out);
        pt_out_money(&out, cases[i].minor, cases[i].decimals);
        assert_string_equal(unit_text(&out), cases[i].text);
    }
}


static void
time_is(int64_t ms, const char *expected)
{
    pt_out_t  out;

    unit_out(&out);
    pt_out_time(&out, ms);
    assert_string_equal(unit_text(&out), expected);
}


static void
test_time(void **state)
{
    time_is(0, "1970-01-01T00:00:00.000Z");
    time_is(1, "1970-01-01T00:00:00.001Z");
    time_is(INT64_C(1767225600000), "2026-01-01T00:00:00.000Z");
    time_is(INT64_C(951782399999), "2000-02-28T23:59:59.999Z");
    time_is(INT64_C(951782400000), "2000-02-29T00:00:00.000Z");
    time_is(INT64_C(4107542399999), "2100-02-28T23:59:59.999Z");
    time_is(INT64_C(4107542400000), "2100-03-01T00:00:00.000Z");
    time_is(PT_TIME_MAX_MS, "9999-12-31T23:59:59.999Z");
    time_is(PT_TIME_MAX_MS + 1, "9999-12-31T23:59:59.999Z");
    time_is(-1, "1970-01-01T00:00:00.000Z");
    time_is(INT64_MAX, "9999-12-31T23:59:59.999Z");
    time_is(INT64_MIN, "1970-01-01T00:00:00.000Z");
}


/* Every day that can be written, against the C library's calendar. */
static void
test_time_all_days(void **state)
{
    char        expected[64];
    int64_t     day, ms;
    time_t      seconds;
    struct tm   tm;
    pt_out_t    out;
    char        memory[64];

    for (day = 0; day <= PT_TIME_MAX_MS / 86400000; day++) {
        ms = day * 86400000 + unit_below(86400000);
        seconds = ms / 1000;
        gmtime_r(&seconds, &tm);
        strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S", &tm);

        out.start = memory;
        out.pos = memory;
        out.end = memory + sizeof(memory);
        out.failed = 0;

        pt_out_time(&out, ms);

        if (out.pos - out.start != 24
            || memcmp(out.start, expected, 19) != 0
            || out.start[19] != '.'
            || atoi(out.start + 20) != ms % 1000
            || out.start[23] != 'Z')
        {
            fail_msg("%.*s is not %s", 24, out.start, expected);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        unit_case(test_growth),
        unit_case(test_hint),
        unit_case(test_empty),
        unit_case(test_failure),
        unit_case(test_int),
        unit_case(test_json),
        unit_case(test_json_round_trip),
        unit_case(test_money),
        unit_case(test_time),
        unit_case(test_time_all_days),
    };

    return cmocka_run_group_tests_name("out", tests, NULL, NULL);
}
