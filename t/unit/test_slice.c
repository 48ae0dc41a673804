/*
 * Slices: fields, numbers, UTF-8.
 */

#include "unit.h"


static void
test_split(void **state)
{
    size_t      i;
    pt_slice_t  f[4];

    static const struct {
        const char  *text;
        size_t       n;
        const char  *f[3];
    } cases[] = {
        { "", 1, { "" } },
        { "a", 1, { "a" } },
        { "a,b", 2, { "a", "b" } },
        { ",", 2, { "", "" } },
        { "a,", 2, { "a", "" } },
        { ",a", 2, { "", "a" } },
        { "a,,b", 3, { "a", "", "b" } },
        { "ab,cde,f", 3, { "ab", "cde", "f" } },
        { ",,", 3, { "", "", "" } },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t  k, n;

        n = pt_slice_split(unit_str(cases[i].text), ',', f, 3);
        assert_int_equal(n, cases[i].n);

        for (k = 0; k < n; k++) {
            unit_slice_is(f[k], cases[i].f[k]);
        }
    }
}


static void
test_split_more_than_max(void **state)
{
    pt_slice_t  f[3];

    f[2] = pt_slice_lit("untouched");

    assert_int_equal(pt_slice_split(unit_str("a,b,c,d"), ',', f, 2), 4);
    unit_slice_is(f[0], "a");
    unit_slice_is(f[1], "b");
    unit_slice_is(f[2], "untouched");

    assert_int_equal(pt_slice_split(unit_str("a,b"), ',', NULL, 0), 2);
    assert_int_equal(pt_slice_split(pt_slice_null, ',', f, 2), 1);
    assert_int_equal(f[0].len, 0);
}


static void
test_next(void **state)
{
    pt_slice_t  rest, field;

    rest = unit_str("a\t\tbc\t");

    assert_int_equal(pt_slice_next(&rest, '\t', &field), 1);
    unit_slice_is(field, "a");
    assert_int_equal(pt_slice_next(&rest, '\t', &field), 1);
    unit_slice_is(field, "");
    unit_slice_is(rest, "bc\t");
    assert_int_equal(pt_slice_next(&rest, '\t', &field), 1);
    unit_slice_is(field, "bc");
    assert_int_equal(pt_slice_next(&rest, '\t', &field), 1);
    unit_slice_is(field, "");
    assert_null(rest.data);
    assert_int_equal(pt_slice_next(&rest, '\t', &field), 0);
    assert_int_equal(pt_slice_next(&rest, '\t', &field), 0);
}


static void
test_eq(void **state)
{
    assert_true(pt_slice_eq(pt_slice_null, pt_slice_lit("")));
    assert_true(pt_slice_eq(unit_str("ab"), unit_str("ab")));
    assert_false(pt_slice_eq(unit_str("ab"), unit_str("ac")));
    assert_false(pt_slice_eq(unit_str("ab"), unit_str("abc")));
    assert_false(pt_slice_eq(pt_slice_null, unit_str("a")));
}


static void
test_uint(void **state)
{
    size_t   i;
    int64_t  n;

    static const struct {
        const char  *text;
        int64_t      max;
        int64_t      value;    /* -1: refused */
    } cases[] = {
        { "0", 0, 0 }, { "1", 0, -1 }, { "9", 5, -1 }, { "5", 5, 5 },
        { "6", 5, -1 }, { "10", 10, 10 }, { "11", 10, -1 },
        { "007", 7, 7 }, { "100", 99, -1 }, { "99", 99, 99 },
        { "", 9, -1 }, { "-1", 9, -1 }, { "+1", 9, -1 }, { " 1", 9, -1 },
        { "1 ", 9, -1 }, { "1a", 9, -1 }, { "0x1", 99, -1 }, { "1.0", 9, -1 },
        { "1e1", 99, -1 }, { "0", -1, -1 }, { "/", 9, -1 }, { ":", 99, -1 },
        { "9223372036854775807", INT64_MAX, INT64_MAX },
        { "9223372036854775808", INT64_MAX, -1 },
        { "9223372036854775806", INT64_MAX - 1, INT64_MAX - 1 },
        { "9223372036854775807", INT64_MAX - 1, -1 },
        { "18446744073709551616", INT64_MAX, -1 },
        { "92233720368547758070", INT64_MAX, -1 },
        { "00000000000000000000000000000001", 1, 1 },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        n = -7;

        if (cases[i].value < 0) {
            assert_int_equal(pt_slice_uint(unit_str(cases[i].text),
                                           cases[i].max, &n), -1);
            assert_int_equal(n, -7);
            continue;
        }

        assert_int_equal(pt_slice_uint(unit_str(cases[i].text), cases[i].max,
                                       &n), 0);
        assert_true(n == cases[i].value);
    }

    assert_int_equal(pt_slice_uint(unit_mem("1\0002", 3), 999, &n), -1);
    assert_int_equal(pt_slice_uint(pt_slice_null, 999, &n), -1);
}


static void
test_uint_random(void **state)
{
    int       i, rc;
    int64_t   max, value, n;

    for (i = 0; i < 20000; i++) {
        value = unit_random() >> (1 + unit_below(63));
        max = unit_random() >> (1 + unit_below(63));
        n = -1;

        rc = pt_slice_uint(unit_fmt("%lld", (long long) value), max, &n);

        assert_int_equal(rc, value <= max ? 0 : -1);
        assert_true(rc != 0 || n == value);

        if (i % 1000 == 0) {
            unit_end(NULL);
        }
    }
}


static void
test_int(void **state)
{
    int64_t  n;

    n = 7;

    assert_int_equal(pt_slice_int(unit_str("-5"), -5, 5, &n), 0);
    assert_int_equal(n, -5);
    assert_int_equal(pt_slice_int(unit_str("5"), -5, 5, &n), 0);
    assert_int_equal(n, 5);
    assert_int_equal(pt_slice_int(unit_str("-0"), -5, 5, &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(pt_slice_int(unit_str("-6"), -5, 5, &n), -1);
    assert_int_equal(pt_slice_int(unit_str("6"), -5, 5, &n), -1);
    assert_int_equal(pt_slice_int(unit_str("3"), 4, 5, &n), -1);
    assert_int_equal(pt_slice_int(unit_str("-3"), -5, -4, &n), -1);
    assert_int_equal(pt_slice_int(unit_str("-4"), -5, -4, &n), 0);
    assert_int_equal(n, -4);
    assert_int_equal(pt_slice_int(unit_str("-"), -5, 5, &n), -1);
    assert_int_equal(pt_slice_int(unit_str("--1"), -5, 5, &n), -1);
    assert_int_equal(pt_slice_int(unit_str(""), -5, 5, &n), -1);
    assert_int_equal(pt_slice_int(unit_str("+1"), -5, 5, &n), -1);
    assert_int_equal(n, -4);

    assert_int_equal(pt_slice_int(unit_str("-9223372036854775808"), INT64_MIN,
                                  INT64_MAX, &n), 0);
    assert_true(n == INT64_MIN);
    assert_int_equal(pt_slice_int(unit_str("-9223372036854775809"), INT64_MIN,
                                  INT64_MAX, &n), -1);
    assert_int_equal(pt_slice_int(unit_str("-9223372036854775808"),
                                  INT64_MIN + 1, INT64_MAX, &n), -1);
    assert_int_equal(pt_slice_int(unit_str("-9223372036854775807"),
                                  INT64_MIN, INT64_MAX, &n), 0);
    assert_true(n == -INT64_MAX);
}


/* Each code point by the definition, written the long way. */
static void
test_utf8_all_code_points(void **state)
{
    char      s[4];
    size_t    len;
    uint32_t  c;

    for (c = 0; c <= 0x10ffff; c++) {
        if (c < 0x80) {
            s[0] = c;
            len = 1;

        } else if (c < 0x800) {
            s[0] = 0xc0 | c >> 6;
            s[1] = 0x80 | (c & 0x3f);
            len = 2;

        } else if (c < 0x10000) {
            s[0] = 0xe0 | c >> 12;
            s[1] = 0x80 | (c >> 6 & 0x3f);
            s[2] = 0x80 | (c & 0x3f);
            len = 3;

        } else {
            s[0] = 0xf0 | c >> 18;
            s[1] = 0x80 | (c >> 12 & 0x3f);
            s[2] = 0x80 | (c >> 6 & 0x3f);
            s[3] = 0x80 | (c & 0x3f);
            len = 4;
        }

        if (pt_slice_utf8(pt_slice(s, len)) != (c < 0xd800 || c > 0xdfff)) {
            fail_msg("U+%04X", c);
        }

        if (len > 1 && pt_slice_utf8(pt_slice(s, len - 1))) {
            fail_msg("U+%04X cut short", c);
        }
    }
}


static void
test_utf8_invalid(void **state)
{
    size_t      i, pad;
    pt_slice_t  text;

    static const char  *invalid[] = {
        "\x80", "\xbf", "\xc0\x80", "\xc0\xaf", "\xc1\xbf", "\xc2", "\xc2 ",
        "\xc2\xc0", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xe1\x80", "\xe1\x80 ",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xfe",
        "\xff", "\xf1\x80\x80", "\xf1\x80\x80 ", "a\x80", "\xc3\xa9\xa9",
        "\xf0\x9f\x98", "\xed\xa0\xbd\xed\xb8\x80",
    };

    /* with text before and behind: the scan goes by words of eight bytes */

    for (i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++) {
        for (pad = 0; pad < 20; pad++) {
            text = unit_fmt("%.*s%s%.*s", (int) pad, "aaaaaaaaaaaaaaaaaaaa",
                            invalid[i], (int) (pad * 7 % 20),
                            "bbbbbbbbbbbbbbbbbbbb");

            assert_int_equal(pt_slice_utf8(text), 0);
            assert_int_equal(pt_slice_text(text), 0);
        }
    }

    assert_int_equal(pt_slice_utf8(pt_slice_null), 1);
    assert_int_equal(pt_slice_utf8(unit_mem("a\0b", 3)), 1);
}


static void
test_text(void **state)
{
    int   c;
    char  s[4];

    for (c = 0; c < 0x80; c++) {
        s[0] = 'a';
        s[1] = c;
        s[2] = 'b';
        assert_int_equal(pt_slice_text(unit_mem(s, 3)),
                         c >= 0x20 && c != 0x7f);
    }

    assert_int_equal(pt_slice_text(pt_slice_null), 1);
    assert_int_equal(pt_slice_text(unit_str("caf\xc3\xa9 \xe6\x98\xa5")), 1);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        unit_case(test_split),
        unit_case(test_split_more_than_max),
        unit_case(test_next),
        unit_case(test_eq),
        unit_case(test_uint),
        unit_case(test_uint_random),
        unit_case(test_int),
        unit_case(test_utf8_all_code_points),
        unit_case(test_utf8_invalid),
        unit_case(test_text),
    };

    return cmocka_run_group_tests_name("slice", tests, NULL, NULL);
}
