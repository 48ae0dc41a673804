/*
 * Values with a unit: money, ids, times, durations, names, texts.
 */

#define _GNU_SOURCE
#include <time.h>

#include "pt_value.h"
#include "unit.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))


static void
test_money(void **state)
{
    size_t   i;
    int64_t  minor;

    static const struct {
        const char  *text;
        unsigned     decimals;
        int64_t      minor;
    } cases[] = {
        { "5000", 2, 500000 }, { "5000.0", 2, 500000 },
        { "5000.00", 2, 500000 }, { "0", 2, 0 }, { "0.00", 2, 0 },
        { "0.01", 2, 1 }, { "0.1", 2, 10 }, { "0.10", 2, 10 },
        { "1.05", 2, 105 }, { "5000", 0, 5000 }, { "1.2345", 4, 12345 },
        { "1.2", 4, 12000 }, { "1.234", 3, 1234 }, { "9.9", 1, 99 },
        { "100000000000", 2, PT_AMOUNT_MAX },
        { "100000000000.00", 2, PT_AMOUNT_MAX },
        { "99999999999.99", 2, PT_AMOUNT_MAX - 1 },
        { "10000000000000", 0, PT_AMOUNT_MAX },
        { "1000000000.0000", 4, PT_AMOUNT_MAX },
    };

    for (i = 0; i < N(cases); i++) {
        assert_int_equal(pt_money_parse(unit_str(cases[i].text),
                                        cases[i].decimals, &minor), 0);
        assert_true(minor == cases[i].minor);
    }
}


static void
test_money_refused(void **state)
{
    size_t   i;
    int64_t  minor;

    static const struct {
        const char  *text;
        unsigned     decimals;
    } cases[] = {
        { "", 2 }, { ".", 2 }, { "5000.", 2 }, { ".5", 2 }, { "5000.001", 2 },
        { "5000.000", 2 }, { "-1", 2 }, { "+1", 2 }, { "-0", 2 }, { "1e3", 2 },
        { "1E3", 2 }, { "0x10", 2 }, { " 1", 2 }, { "1 ", 2 }, { "1,000", 2 },
        { "1.0.0", 2 }, { "1.-1", 2 }, { "1.+1", 2 }, { "00", 2 },
        { "01", 2 }, { "05.00", 2 }, { "NaN", 2 }, { "inf", 2 }, { "1a", 2 },
        { "1.a", 2 }, { "5000.0", 0 }, { "5000.00", 0 }, { "1.00", 1 },
        { "1.23456", 4 }, { "100000000000.01", 2 }, { "100000000001", 2 },
        { "10000000000001", 0 }, { "9223372036854775807", 0 },
        { "9223372036854775808", 2 }, { "18446744073709551617", 2 },
        { "92233720368547758.07", 2 }, { "184467440737095516.17", 2 },
        { "99999999999999999999999999999999999999", 2 },
        { "0.99999999999999999999999999999999999999", 2 },
        { "\xd9\xa1", 2 }, { "1\xc2\xa0", 2 }, { "5000\n", 2 },
        { "1", PT_DECIMALS_MAX + 1 }, { "1", 4000000000U },
    };

    for (i = 0; i < N(cases); i++) {
        minor = -7;

        if (pt_money_parse(unit_str(cases[i].text), cases[i].decimals, &minor)
            != -1)
        {
            fail_msg("\"%s\" was accepted", cases[i].text);
        }

        assert_int_equal(minor, -7);
    }

    assert_int_equal(pt_money_parse(unit_mem("1\0", 2), 2, &minor), -1);
    assert_int_equal(pt_money_parse(pt_slice_null, 2, &minor), -1);
}


/* What the writer writes is read back, also with its last zeros gone. */
static void
test_money_round_trip(void **state)
{
    int         i;
    int64_t     minor, back;
    unsigned    decimals;
    pt_out_t    out;
    pt_slice_t  text;

    for (i = 0; i < 20000; i++) {
        minor = unit_below(PT_AMOUNT_MAX + 1) >> unit_below(44);
        decimals = unit_below(PT_DECIMALS_MAX + 1);

        unit_out(&out);
        pt_out_money(&out, minor, decimals);
        text = pt_out_slice(&out);

        assert_int_equal(pt_money_parse(text, decimals, &back), 0);
        assert_true(back == minor);

        while (decimals && text.data[text.len - 1] == '0') {
            text.len--;
        }

        if (text.data[text.len - 1] == '.') {
            text.len--;
        }

        assert_int_equal(pt_money_parse(text, decimals, &back), 0);
        assert_true(back == minor);

        if (i % 1000 == 0) {
            unit_end(NULL);
        }
    }
}


static void
test_money_arithmetic(void **state)
{
    int64_t  n;

    assert_int_equal(pt_money_mul(500000, 3, &n), 0);
    assert_true(n == 1500000);
    assert_int_equal(pt_money_mul(0, INT64_MAX, &n), 0);
    assert_true(n == 0);
    assert_int_equal(pt_money_mul(PT_AMOUNT_MAX, 0, &n), 0);
    assert_true(n == 0);
    assert_int_equal(pt_money_mul(PT_AMOUNT_MAX, 1, &n), 0);
    assert_true(n == PT_AMOUNT_MAX);
    assert_int_equal(pt_money_mul(1, PT_AMOUNT_MAX, &n), 0);
    assert_true(n == PT_AMOUNT_MAX);
    assert_int_equal(pt_money_mul(10000, 1000000000, &n), 0);
    assert_true(n == PT_AMOUNT_MAX);

    n = -7;
    assert_int_equal(pt_money_mul(10001, 1000000000, &n), -1);
    assert_int_equal(pt_money_mul(PT_AMOUNT_MAX + 1, 1, &n), -1);
    assert_int_equal(pt_money_mul(PT_AMOUNT_MAX, 2, &n), -1);
    assert_int_equal(pt_money_mul(PT_AMOUNT_MAX, PT_UNITS_MAX, &n), -1);
    assert_int_equal(pt_money_mul(INT64_MAX, INT64_MAX, &n), -1);
    assert_int_equal(pt_money_mul(-1, 1, &n), -1);
    assert_int_equal(pt_money_mul(1, -1, &n), -1);
    assert_int_equal(pt_money_mul(-1, -1, &n), -1);

    assert_int_equal(pt_money_add(PT_AMOUNT_MAX, 1, &n), -1);
    assert_int_equal(pt_money_add(1, PT_AMOUNT_MAX, &n), -1);
    assert_int_equal(pt_money_add(INT64_MAX, INT64_MAX, &n), -1);
    assert_int_equal(pt_money_add(INT64_MAX, 0, &n), -1);
    assert_int_equal(pt_money_add(0, INT64_MAX, &n), -1);
    assert_int_equal(pt_money_add(-1, 2, &n), -1);
    assert_int_equal(pt_money_add(2, -1, &n), -1);
    assert_int_equal(n, -7);

    assert_int_equal(pt_money_add(PT_AMOUNT_MAX - 1, 1, &n), 0);
    assert_true(n == PT_AMOUNT_MAX);
    assert_int_equal(pt_money_add(0, 0, &n), 0);
    assert_true(n == 0);
}


static void
test_id(void **state)
{
    size_t   i;
    int64_t  id;

    static const char  *refused[] = {
        "", "1", "176371200000000000", "17637120000000000012",
        "176371200000000000a", "a763712000000000001", "-763712000000000001",
        "+763712000000000001", " 763712000000000001", "176371200000000000 ",
        "1763712000000000.01", "0763712000000000001", "9223372036854775808",
        "9999999999999999999", "0000000000000000000", "176371200000000000\n",
        "1e00000000000000000", "0x00000000000000001",
    };

    assert_int_equal(pt_id_parse(unit_str("1763712000000000001"), &id), 0);
    assert_true(id == INT64_C(1763712000000000001));
    assert_int_equal(pt_id_partition(id), 0);

    assert_int_equal(pt_id_parse(unit_str("1763712000123070002"), &id), 0);
    assert_int_equal(pt_id_partition(id), 7);

    assert_int_equal(pt_id_parse(unit_str("1763712000123999999"), &id), 0);
    assert_int_equal(pt_id_partition(id), 99);

    assert_int_equal(pt_id_parse(unit_str("9223372036854775807"), &id), 0);
    assert_true(id == INT64_MAX);

    for (i = 0; i < N(refused); i++) {
        id = -7;
        assert_int_equal(pt_id_parse(unit_str(refused[i]), &id), -1);
        assert_int_equal(id, -7);
    }

    assert_int_equal(pt_id_parse(unit_mem("176371200000000000\0", 19), &id),
                     -1);
    assert_int_equal(pt_id_parse(pt_slice_null, &id), -1);
}


static void
test_id_digits(void **state)
{
    size_t  i;

    static const char  *digits[] = {
        "0", "1", "1763712000000000001", "0763712000000000001",
        "9223372036854775808", "17637120000000000012",
        "99999999999999999999999999999999999999999999999999"
    };

    static const char  *others[] = {
        "", " ", "a", "-1", "+1", "1.0", "1 ", " 1", "/", ":", "1e3",
        "176371200000000000a"
    };

    for (i = 0; i < N(digits); i++) {
        assert_int_equal(pt_id_digits(unit_str(digits[i])), 1);
    }

    for (i = 0; i < N(others); i++) {
        assert_int_equal(pt_id_digits(unit_str(others[i])), 0);
    }

    assert_int_equal(pt_id_digits(unit_mem("1\0", 2)), 0);
    assert_int_equal(pt_id_digits(pt_slice_null), 0);
}


static void
test_time(void **state)
{
    size_t   i;
    int64_t  ms;

    static const struct {
        const char  *text;
        int64_t      ms;
    } cases[] = {
        { "1970-01-01T00:00:00Z", 0 },
        { "1970-01-01T00:00:00.001Z", 1 },
        { "2026-01-01T00:00:00Z", INT64_C(1767225600000) },
        { "2026-01-01t00:00:00z", INT64_C(1767225600000) },
        { "2026-01-01T08:00:00+08:00", INT64_C(1767225600000) },
        { "2025-12-31T19:00:00-05:00", INT64_C(1767225600000) },
        { "2026-01-01T05:45:00+05:45", INT64_C(1767225600000) },
        { "2026-01-01T00:00:00+00:00", INT64_C(1767225600000) },
        { "2026-01-01T00:00:00-00:00", INT64_C(1767225600000) },
        { "2026-01-01T23:59:00+23:59", INT64_C(1767225600000) },
        { "1970-01-01T01:00:00+01:00", 0 },
        { "1969-12-31T23:00:00-01:00", 0 },
        { "2026-01-01T00:00:00.5Z", INT64_C(1767225600500) },
        { "2026-01-01T00:00:00.12Z", INT64_C(1767225600120) },
        { "2026-01-01T00:00:00.1239Z", INT64_C(1767225600123) },
        { "2026-01-01T00:00:00.99999999999999999999999999999999999999999Z",
          INT64_C(1767225600999) },
        { "2026-01-01T00:00:00.0000Z", INT64_C(1767225600000) },
        { "2000-02-29T00:00:00Z", INT64_C(951782400000) },
        { "2024-02-29T12:00:00Z", INT64_C(1709208000000) },
        { "2016-12-31T23:59:60Z", INT64_C(1483228800000) },
        { "2017-01-01T07:59:60+08:00", INT64_C(1483228800000) },
        { "9999-12-31T23:59:59.999Z", PT_TIME_MAX_MS },
    };

    for (i = 0; i < N(cases); i++) {
        if (pt_time_parse(unit_str(cases[i].text), &ms) != 0
            || ms != cases[i].ms)
        {
            fail_msg("%s", cases[i].text);
        }
    }
}


static void
test_time_refused(void **state)
{
    size_t   i;
    int64_t  ms;

    static const char  *refused[] = {
        "", "2026", "2026-01-01", "2026-01-01T00:00Z", "2026-01-01T00:00:00",
        "2026-01-01 00:00:00Z", "2026-01-01T00:00:00 Z",
        "2026-01-01T00:00:00Z ", " 2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00,5Z",
        "2026-1-01T00:00:00Z", "26-01-01T00:00:00Z", "2026-00-01T00:00:00Z",
        "2026-13-01T00:00:00Z", "2026-01-00T00:00:00Z",
        "2026-01-32T00:00:00Z", "2026-04-31T00:00:00Z",
        "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z",
        "2024-02-30T00:00:00Z", "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z",
        "2026-01-01T00:00:60Z", "2026-01-01T23:58:60Z",
        "2026-01-01T23:59:60+01:00",
        "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+01:60",
        "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00+01",
        "2026-01-01T00:00:00+1:00", "2026-01-01T00:00:00*01:00",
        "2026-01-01T00:00:00+", "2026-01-01T00:00:00+01:00Z",
        "1969-12-31T23:59:59Z", "0000-01-01T00:00:00Z",
        "1970-01-01T00:00:00+00:01", "9999-12-31T23:59:60Z",
        "9999-12-31T23:59:59-00:01", "10000-01-01T00:00:00Z",
        "-2026-01-01T00:00:00Z", "+2026-01-01T00:00:00Z",
        "2026-01-01T-1:00:00Z", "1767225600", "1767225600000", "now",
        "2026-0a-01T00:00:00Z", "20260101T000000Z",
    };

    for (i = 0; i < N(refused); i++) {
        ms = -7;

        if (pt_time_parse(unit_str(refused[i]), &ms) != -1) {
            fail_msg("\"%s\" was accepted", refused[i]);
        }

        assert_int_equal(ms, -7);
    }

    assert_int_equal(pt_time_parse(unit_mem("2026-01-01T00:00:00Z\0", 21),
                                   &ms), -1);
}


/* Any time with any offset, against the C library's calendar. */
static void
test_time_random(void **state)
{
    int         i, offset;
    char        text[64];
    int64_t     ms, back;
    time_t      seconds;
    struct tm   tm;
    pt_out_t    out;

    for (i = 0; i < 50000; i++) {
        ms = unit_below(PT_TIME_MAX_MS + 1);

        unit_out(&out);
        pt_out_time(&out, ms);
        assert_int_equal(pt_time_parse(pt_out_slice(&out), &back), 0);
        assert_true(back == ms);

        offset = (int) unit_below(2 * 1440 - 1) - 1439;
        seconds = ms / 1000 + offset * 60;

        gmtime_r(&seconds, &tm);

        if (tm.tm_year + 1900 > 9999 || tm.tm_year < 0) {
            continue;
        }

        assert_true(timegm(&tm) == seconds);

        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);

        assert_int_equal(pt_time_parse(unit_fmt("%s.%03d%c%02d:%02d", text,
                                                (int) (ms % 1000),
                                                offset < 0 ? '-' : '+',
                                                abs(offset) / 60,
                                                abs(offset) % 60),
                                       &back), 0);
        assert_true(back == ms);

        if (i % 1000 == 0) {
            unit_end(NULL);
        }
    }
}


/* Every day of every year that may be written exists, or is refused. */
static void
test_time_calendar(void **state)
{
    int        year, month, day, refused, rc;
    char       text[64];
    int64_t    ms, back;
    struct tm  tm;

    for (year = 1970; year <= 9999; year += year < 2500 ? 1 : 97) {
        for (month = 1; month <= 12; month++) {
            for (day = 1; day <= 31; day++) {

                memset(&tm, 0, sizeof(tm));
                tm.tm_year = year - 1900;
                tm.tm_mon = month - 1;
                tm.tm_mday = day;

                ms = timegm(&tm) * INT64_C(1000);
                refused = tm.tm_mday != day;

                snprintf(text, sizeof(text), "%04d-%02d-%02dT00:00:00Z", year,
                         month, day);

                rc = pt_time_parse(pt_slice(text, 20), &back);

                if (rc != (refused ? -1 : 0) || (rc == 0 && back != ms)) {
                    fail_msg("%s", text);
                }
            }
        }
    }
}


static void
test_duration(void **state)
{
    size_t   i;
    int64_t  ms;

    static const struct {
        const char  *text;
        int64_t      ms;
    } cases[] = {
        { "15m", 900000 }, { "2s", 2000 }, { "1h30m", 5400000 },
        { "1h 30m", 5400000 }, { "1h  30m", 5400000 }, { "500ms", 500 },
        { "0", 0 }, { "0s", 0 }, { "15", 15000 }, { "1m 30", 90000 },
        { "1m30", 90000 }, { "1h30", 3630000 },
        { "1s500ms", 1500 }, { "1d", 86400000 },
        { "1w", 604800000 }, { "1M", INT64_C(2592000000) },
        { "1y", INT64_C(31536000000) }, { "30d", PT_HOLD_MAX_MS },
        { "1y1M1w1d1h1m1s1ms", INT64_C(34822861001) },
        { "000015m", 900000 },
    };

    static const char  *refused[] = {
        "", " ", "m", "15x", "15mm", "15m15m", "30m1h", "1s1s", "1ms1s",
        "1s 5", "-1s", "+1s", "1.5h", "1 h", " 1h", "1h ", "15 ", "1h,30m",
        "15M15M", "1H", "1S", "1min", "99999999999999999999s",
        "253402300800000ms", "9223372036854775807", "9223372036854775807y",
        "8036y", "1h\t30m", "1ms5",
    };

    for (i = 0; i < N(cases); i++) {
        if (pt_duration_parse(unit_str(cases[i].text), &ms) != 0
            || ms != cases[i].ms)
        {
            fail_msg("\"%s\"", cases[i].text);
        }
    }

    for (i = 0; i < N(refused); i++) {
        ms = -7;

        if (pt_duration_parse(unit_str(refused[i]), &ms) != -1) {
            fail_msg("\"%s\" was accepted", refused[i]);
        }

        assert_int_equal(ms, -7);
    }

    assert_int_equal(pt_duration_parse(pt_slice_null, &ms), -1);
}


static void
test_name(void **state)
{
    int   c;
    char  s[3];

    for (c = 0; c < 256; c++) {
        s[0] = 'a';
        s[1] = c;
        s[2] = 'b';
        assert_int_equal(pt_name_valid(unit_mem(s, 3)),
                         c > ' ' && c < 0x7f && c != ',');
    }

    assert_int_equal(pt_name_valid(pt_slice_null), 0);
    assert_int_equal(pt_name_valid(unit_str("p")), 1);
    assert_int_equal(pt_name_valid(unit_repeat("a", PT_NAME_MAX)), 1);
    assert_int_equal(pt_name_valid(unit_repeat("a", PT_NAME_MAX + 1)), 0);
}


static void
test_text(void **state)
{
    assert_int_equal(pt_text_valid(pt_slice_null, 10), 0);
    assert_int_equal(pt_text_valid(unit_str(""), 10), 0);
    assert_int_equal(pt_text_valid(unit_str("a"), 1), 1);
    assert_int_equal(pt_text_valid(unit_repeat("u", PT_USER_MAX),
                                   PT_USER_MAX), 1);
    assert_int_equal(pt_text_valid(unit_repeat("u", PT_USER_MAX + 1),
                                   PT_USER_MAX), 0);
    assert_int_equal(pt_text_valid(unit_str("\xe6\x98\xa5"), 3), 1);
    assert_int_equal(pt_text_valid(unit_str("\xe6\x98\xa5"), 2), 0);
    assert_int_equal(pt_text_valid(unit_str("a\tb"), 10), 0);
    assert_int_equal(pt_text_valid(unit_str("a\nb"), 10), 0);
    assert_int_equal(pt_text_valid(unit_str("\xff"), 10), 0);
    assert_int_equal(pt_text_valid(unit_mem("a\0b", 3), 10), 0);
}


static void
test_hash(void **state)
{
    assert_int_equal(pt_hash_valid(pt_slice_null), 1);
    assert_int_equal(pt_hash_valid(unit_str("")), 1);
    assert_int_equal(pt_hash_valid(unit_str("0123456789abcdef")), 1);
    assert_int_equal(pt_hash_valid(unit_str("0123456789abcde")), 0);
    assert_int_equal(pt_hash_valid(unit_str("0123456789abcdef0")), 0);
    assert_int_equal(pt_hash_valid(unit_str("0123456789abcdeg")), 0);
    assert_int_equal(pt_hash_valid(unit_str("0123456789abcdeF")), 0);
    assert_int_equal(pt_hash_valid(unit_str("0123456789abcde/")), 0);
    assert_int_equal(pt_hash_valid(unit_str("0123456789abcde:")), 0);
    assert_int_equal(pt_hash_valid(unit_str("0123456789abcde`")), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        unit_case(test_money),
        unit_case(test_money_refused),
        unit_case(test_money_round_trip),
        unit_case(test_money_arithmetic),
        unit_case(test_id),
        unit_case(test_id_digits),
        unit_case(test_time),
        unit_case(test_time_refused),
        unit_case(test_time_random),
        unit_case(test_time_calendar),
        unit_case(test_duration),
        unit_case(test_name),
        unit_case(test_text),
        unit_case(test_hash),
    };

    return cmocka_run_group_tests_name("value", tests, NULL, NULL);
}
