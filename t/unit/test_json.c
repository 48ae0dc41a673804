/*
 * JSON: what is refused, what is read, raw pieces, values.
 */

#include "pt_json.h"
#include "unit.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))


static const char  *unit_why;


static int
accepted(pt_slice_t text)
{
    cJSON  *json;

    unit_why = NULL;
    json = pt_json_parse(text, &unit_why);

    if (json == NULL) {
        assert_non_null(unit_why);
        return 0;
    }

    cJSON_Delete(json);

    return 1;
}


static void
test_valid_values(void **state)
{
    size_t       i;
    const char  *why;

    static const char  *values[] = {
        "0", "-0", "1", "-1", "10", "123456789012345678", "0.5", "-0.5",
        "1e5", "1E5", "1e+5", "1e-5", "1.5e10", "0e0", "0e+1", "1e308",
        "1e-308", "0.000000000000000000000000000000000000000000001",
        "true", "false", "null", "\"\"", "\"a\"", "\"\\\"\"", "\"\\\\\"",
        "\"\\/\"", "\"\\b\\f\\n\\r\\t\"", "\"\\u0001\"", "\"\\u00e9\"",
        "\"\\u00E9\"", "\"\\uD83D\\uDE00\"", "\"\\ud83d\\ude00\"",
        "\"\\uFFFF\"", "\"\\uFDD0\"", "\"\\uDBFF\\uDFFF\"", "\"\x7f\"",
        "\"\xc3\xa9\"", "\"\xf0\x9f\x98\x80\"", "\"/* no comment */\"",
        "\"// no comment\"", "\"\\\\u0000\"", "[]", "{}", "[ ]", "{ }",
        "[\n]", "{\t}", "[1]", "[1,2]", "[1 , 2]", "[[]]", "[{}]", "[[],[]]",
        "{\"a\":1}", "{\"a\":{}}", "{\"a\":[]}", "{\"\":1}",
        "{\"a\":1,\"b\":2}", "{\"a\" : 1 ,\"b\" : 2}",
        "{\"a\":{\"a\":1},\"b\":{\"a\":1}}", "[{\"a\":1},{\"a\":1}]",
        "\"\\ud83d\\ude00\\ud83d\\ude00\"", "[null,true,false,0,\"\",{},[]]",
    };

    for (i = 0; i < N(values); i++) {
        if (pt_json_scan(unit_str(values[i]), &why) != 0
            || !accepted(unit_fmt("{\"v\":%s}", values[i]))
            || !accepted(unit_fmt(" { \"v\" : [ %s\t]\r\n} ", values[i])))
        {
            fail_msg("%s", values[i]);
        }
    }
}


static void
test_invalid_values(void **state)
{
    size_t       i;
    const char  *why;

    static const char  *values[] = {
        "", " ", "-", "+1", "01", "-01", "00", "1.", ".5", "-.5", "1.e5",
        "1e", "1e+", "1e-", "1E", "0x1", "1_000", "1,000", "NaN", "-NaN",
        "Infinity", "-Infinity", "inf", "1a", "- 1", "--1", "1 2", "1e5.5",
        "1.2.3", "0e", "2.e3", "1e309", "-1e309", "1e-309", "1e99999999999",
        "1e4294967296", "0e309", "\xef\xbc\x91",
        "1234567890123456789012345678901234567890123456789",
        "True", "TRUE", "tru", "truee", "nul", "nulll", "fals", "undefined",
        "\"", "\"a", "a", "'a'", "\"\\\"", "\"\\", "\"\\a\"", "\"\\v\"",
        "\"\\x41\"", "\"\\'\"", "\"\\0\"", "\"\\ \"", "\"\\U0041\"",
        "\"\\u\"", "\"\\u0\"", "\"\\u00\"", "\"\\u004\"", "\"\\u004g\"",
        "\"\\u 041\"", "\"\\u+041\"", "\"\\u0000\"", "\"a\\u0000b\"",
        "\"\\ud800\"", "\"\\udc00\"", "\"\\udfff\"", "\"\\ud83d\"",
        "\"\\ud83dx\"", "\"\\ud83d\\n\"", "\"\\ud83d\\u0041\"",
        "\"\\ud83d\\ud83d\"", "\"\\ude00\\ud83d\"", "\"\\ud83d\\ud83d\\ude00\"",
        "\"\\ud83d\\u\"", "\"\\ud83d\\ude0\"", "\"\\ud83d\\u0000\"",
        "\"\t\"", "\"\n\"", "\"\r\"", "\"\x01\"", "\"\x1f\"", "\"a\x0b\"",
        "\"\xff\"", "\"\xc3\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"", "\"\x80\"",
        "[", "]", "[1", "[1,", "[,", "[,1]", "[1,]", "[1,,2]", "[1 2]",
        "[1;2]", "[1]]", "[}", "[\"a\":1]", "[\"a\",]", "[[]", "[1:2]",
        "{", "}", "{]", "{1:2}", "{a:1}", "{'a':1}", "{\"a\"}", "{\"a\":}",
        "{\"a\",1}", "{\"a\":1,}", "{,}", "{,\"a\":1}", "{\"a\":1 \"b\":2}",
        "{\"a\":1;\"b\":2}", "{\"a\"::1}", "{\"a\":1,,\"b\":2}", "{null:1}",
        "{\"a\":1:2}", "{{}}", "{[]}", "{\"a\":1}}", "{\"a\" 1}", "{\"a",
        "{\"a\":tru}", "{\"\\u0000\":1}", "{\"\\ud800\":1}", "{\"\t\":1}",
        "{\"\xff\":1}", "/**/1", "1/**/", "// c\n1", "1 // c", "[1/* */]",
        "# c\n1", "\x0b" "1", "\x0c" "1", "\xc2\xa0" "1", "\xe2\x80\xa8" "1",
    };

    for (i = 0; i < N(values); i++) {
        why = NULL;

        if (pt_json_scan(unit_str(values[i]), &why) == 0) {
            fail_msg("%s was accepted", values[i]);
        }

        assert_non_null(why);

        if (accepted(unit_fmt("{\"v\":%s}", values[i]))) {
            fail_msg("{\"v\":%s} was accepted", values[i]);
        }
    }
}


static void
test_root(void **state)
{
    size_t  i;

    static const char  *roots[] = {
        "[]", "[{}]", "\"a\"", "1", "true", "null", " ", "{}{}", "{} {}",
        "{}x", "{},", "{}1", "{}]", "{}}", "x{}", "\xef\xbb\xbf{}", "{}\x01",
        "{} // c", "{} /* c */", "{}\xc2\xa0",
    };

    for (i = 0; i < N(roots); i++) {
        if (accepted(unit_str(roots[i]))) {
            fail_msg("%s was accepted", roots[i]);
        }
    }

    assert_false(accepted(pt_slice_null));
    assert_string_equal(unit_why, "the body is empty");
    assert_false(accepted(unit_str("[]")));
    assert_string_equal(unit_why, "the body is not a JSON object");
    assert_false(accepted(unit_mem("{}\0", 3)));
    assert_false(accepted(unit_mem("{\"a\":1\0}", 8)));
    assert_false(accepted(unit_mem("{\"a\0b\":1}", 9)));
    assert_false(accepted(unit_mem("\0{}", 3)));
    assert_true(accepted(unit_str(" \t\r\n{} \t\r\n")));
}


/* Every text cut short is refused, and read no further than it goes. */
static void
test_truncated(void **state)
{
    size_t  i, len;

    static const char  text[] =
        "{\"sale\":\"spring\",\"lines\":[{\"sku\":\"p\\u0033\\ud83d\\ude00\","
        "\"quantity\":1.5e+3,\"x\":[true,false,null,-0.1]}],"
        "\"caf\xc3\xa9\":\"\xf0\x9f\x98\x80\"}";

    len = sizeof(text) - 1;
    assert_true(accepted(unit_mem(text, len)));

    for (i = 0; i < len; i++) {
        assert_false(accepted(unit_mem(text, i)));
    }
}


static pt_slice_t
nested(const char *open, const char *inner, const char *close, size_t n)
{
    return unit_fmt("{\"v\":%.*s%s%.*s}",
                    (int) (n * strlen(open)), unit_repeat(open, n).data, inner,
                    (int) (n * strlen(close)), unit_repeat(close, n).data);
}


static void
test_depth(void **state)
{
    pt_slice_t  bomb;

    assert_true(accepted(nested("[", "1", "]", PT_JSON_DEPTH_MAX - 1)));
    assert_false(accepted(nested("[", "1", "]", PT_JSON_DEPTH_MAX)));
    assert_string_equal(unit_why, "the body is nested too deep");
    assert_true(accepted(nested("{\"a\":", "{}", "}", PT_JSON_DEPTH_MAX - 2)));
    assert_false(accepted(nested("{\"a\":", "{}", "}",
                                 PT_JSON_DEPTH_MAX - 1)));
    assert_false(accepted(nested("[{\"a\":", "1", "}]", 5000)));

    bomb = unit_repeat("[", PT_JSON_SIZE_MAX);
    assert_false(accepted(bomb));
    bomb = unit_repeat("{\"\":", PT_JSON_SIZE_MAX / 4);
    assert_false(accepted(bomb));

    /* depth is given back */
    assert_true(accepted(unit_fmt("{\"v\":[1%.*s]}", 5000 * 3,
                                  unit_repeat(",[]", 5000).data)));
}


static pt_slice_t
object_of(size_t members, const char *fmt)
{
    char       name[64];
    size_t     i;
    pt_out_t   out;

    unit_out(&out);
    pt_out_char(&out, '{');

    for (i = 0; i < members; i++) {
        snprintf(name, sizeof(name), fmt, (int) i);
        pt_out_str(&out, i ? ",\"" : "\"");
        pt_out_str(&out, name);
        pt_out_str(&out, "\":1");
    }

    pt_out_char(&out, '}');

    return pt_out_slice(&out);
}


static void
test_members(void **state)
{
    pt_slice_t  s;

    assert_true(accepted(object_of(PT_JSON_MEMBERS_MAX, "m%d")));
    assert_false(accepted(object_of(PT_JSON_MEMBERS_MAX + 1, "m%d")));
    assert_string_equal(unit_why, "an object has too many members");

    s = object_of(PT_JSON_MEMBERS_MAX, "m%d");
    assert_true(accepted(unit_fmt("{\"v\":[%.*s,%.*s]}", (int) s.len, s.data,
                                  (int) s.len, s.data)));

    s = object_of(PT_JSON_MEMBERS_MAX + 1, "m%d");
    assert_false(accepted(unit_fmt("{\"v\":[%.*s]}", (int) s.len, s.data)));

    /* elements of an array are not members */
    assert_true(accepted(unit_fmt("{\"v\":[1%.*s]}", 2000,
                                  unit_repeat(",1", 1000).data)));
}


static void
test_size(void **state)
{
    char  *text;

    text = unit_alloc(NULL, PT_JSON_SIZE_MAX + 1);

    memset(text, ' ', PT_JSON_SIZE_MAX + 1);
    text[0] = '{';
    text[PT_JSON_SIZE_MAX - 1] = '}';
    assert_true(accepted(pt_slice(text, PT_JSON_SIZE_MAX)));

    text[PT_JSON_SIZE_MAX - 1] = ' ';
    text[PT_JSON_SIZE_MAX] = '}';
    assert_false(accepted(pt_slice(text, PT_JSON_SIZE_MAX + 1)));
    assert_string_equal(unit_why, "the body is too large");
}


static void
test_doubled(void **state)
{
    size_t  i;

    static const char  *doubled[] = {
        "{\"a\":1,\"a\":1}", "{\"a\":1,\"b\":2,\"a\":3}", "{\"\":1,\"\":2}",
        "{\"a\":1,\"\\u0061\":2}", "{\"\\u0061\":1,\"\\u0061\":2}",
        "{\"\xc3\xa9\":1,\"\\u00e9\":2}", "{\"\\/\":1,\"/\":2}",
        "{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}",
        "{\"v\":{\"a\":1,\"a\":1}}", "{\"v\":[{\"a\":1,\"a\":1}]}",
        "{\"v\":[[[{\"x\":[{\"a\":null,\"a\":null}]}]]]}",
        "{\"v\":{},\"w\":{\"a\":{},\"a\":{}}}",
        "{\"v\":{\"a\":1,\"a\":1},\"w\":{}}",
        "{\"v\":[{\"a\":1,\"a\":1},{}]}",
    };

    static const char  *distinct[] = {
        "{\"a\":1,\"A\":1}", "{\"a\":1,\"aa\":1}", "{\"a\":1,\"\":1}",
        "{\"a\":{\"a\":{\"a\":1}}}", "{\"a\":[{\"a\":1},{\"a\":1}]}",
        "{\"a\":1,\"\\\\u0061\":1}", "{\"e\xcc\x81\":1,\"\xc3\xa9\":1}",
    };

    for (i = 0; i < N(doubled); i++) {
        if (accepted(unit_str(doubled[i]))) {
            fail_msg("%s was accepted", doubled[i]);
        }

        assert_string_equal(unit_why, "a member stands twice in an object");
    }

    for (i = 0; i < N(distinct); i++) {
        if (!accepted(unit_str(distinct[i]))) {
            fail_msg("%s: %s", distinct[i], unit_why);
        }
    }
}


/* Writes the same random value twice: with white space and without. */
static void
generate(pt_out_t *spaced, pt_out_t *compact, unsigned depth)
{
    char      text[32];
    int       object;
    unsigned  i, n;

    static const char  *space[] = { "", "", " ", "\n", "\t \r\n" };
    static const char  *scalars[] = {
        "0", "-1.5e3", "true", "false", "null", "\"\"", "\" a b \"",
        "\"\\\"[{,:\\\\\"", "\"\\\\\"", "\"\xc3\xa9 // \\u00e9\"", "12345",
        "\"\\ud83d\\ude00 /* */\"",
    };

#define both(s)                                                               \
    pt_out_str(spaced, space[unit_below(N(space))]);                          \
    pt_out_str(spaced, s);                                                    \
    pt_out_str(spaced, space[unit_below(N(space))]);                          \
    pt_out_str(compact, s);

    if (depth == 0 || unit_below(3) == 0) {
        i = unit_below(N(scalars));
        both(scalars[i]);
        return;
    }

    object = unit_below(2);
    n = unit_below(5);

    both(object ? "{" : "[");

    for (i = 0; i < n; i++) {
        if (i) {
            both(",");
        }

        if (object) {
            snprintf(text, sizeof(text), "\"m %u\"", i);
            both(text);
            both(":");
        }

        generate(spaced, compact, depth - 1);
    }

    both(object ? "}" : "]");

#undef both
}


static void
test_compact(void **state)
{
    int          i;
    char        *dst;
    size_t       n;
    pt_out_t     spaced, compact;
    pt_slice_t   text, expected;
    const char  *why;

    for (i = 0; i < 5000; i++) {
        unit_out(&spaced);
        unit_out(&compact);
        generate(&spaced, &compact, 6);

        text = pt_out_slice(&spaced);
        text = unit_mem(text.data, text.len);
        expected = pt_out_slice(&compact);

        assert_int_equal(pt_json_scan(text, &why), 0);

        dst = unit_alloc(NULL, expected.len);
        n = pt_json_compact(text, dst, expected.len);
        assert_int_equal(n, expected.len);
        assert_memory_equal(dst, expected.data, n);

        dst = unit_alloc(NULL, expected.len - 1);
        assert_int_equal(pt_json_compact(text, dst, expected.len - 1), 0);

        /* onto itself */
        n = pt_json_compact(text, (char *) text.data, text.len);
        assert_int_equal(n, expected.len);
        assert_memory_equal(text.data, expected.data, n);

        if (i % 500 == 0) {
            unit_end(NULL);
        }
    }
}


/* One byte changed, added or gone: never accepted where cJSON would not be. */
static void
test_mutated(void **state)
{
    int          i;
    char        *text;
    size_t       len, at;
    cJSON       *json;
    pt_out_t     spaced, compact;
    const char  *why;

    static const char  bytes[] = "{}[]\",:\\u0019eE+-.truefalsn \n\t"
                                 "\x01\xc3\xff";

    for (i = 0; i < 20000; i++) {
        unit_out(&spaced);
        unit_out(&compact);
        pt_out_str(&compact, "{\"v\":");
        generate(&spaced, &compact, 4);
        pt_out_char(&compact, '}');

        len = pt_out_slice(&compact).len;
        text = unit_alloc(NULL, len + 1);
        memcpy(text, pt_out_slice(&compact).data, len);
        at = unit_below(len);

        if (unit_below(2)) {
            text[at] = bytes[unit_below(sizeof(bytes))];

        } else {
            memmove(text + at, text + at + 1, len - at - 1);
            len--;
        }

        text[len] = '\0';

        json = cJSON_Parse(text);

        if (accepted(unit_mem(text, len))) {
            assert_non_null(json);
            assert_int_equal(pt_json_scan(unit_mem(text, len), &why), 0);
        }

        cJSON_Delete(json);

        if (i % 500 == 0) {
            unit_end(NULL);
        }
    }
}


static void
span_is(const char *text, const char *name, const char *expected)
{
    int         rc;
    pt_slice_t  span;

    assert_true(accepted(unit_str(text)));

    rc = pt_json_span(unit_str(text), name, &span);

    if (expected == NULL) {
        assert_int_equal(rc, -1);
        return;
    }

    assert_int_equal(rc, 0);
    unit_slice_is(span, expected);
}


static void
test_span(void **state)
{
    span_is("{}", "meta", NULL);
    span_is("{\"meta\":1}", "meta", "1");
    span_is("{\"meta\" : 1 }", "meta", "1");
    span_is("{\"a\":1,\"meta\":{\"b\" : [ 1 ]} ,\"c\":2}", "meta",
            "{\"b\" : [ 1 ]}");
    span_is("{\"meta\":\"}\\\"\"}", "meta", "\"}\\\"\"");
    span_is("{\"meta\":[]}", "meta", "[]");
    span_is("{\"meta\":[[],{}]}", "meta", "[[],{}]");
    span_is("{\"meta\":{}}", "meta", "{}");
    span_is("{\"meta\":null}", "meta", "null");
    span_is("{\"meta\":-1.5e3}", "meta", "-1.5e3");
    span_is("{\"meta\":\"meta\"}", "meta", "\"meta\"");
    span_is("{\"a\":\"meta\",\"b\":1}", "meta", NULL);
    span_is("{\"a\":{\"meta\":1}}", "meta", NULL);
    span_is("{\"a\":[{\"meta\":1}],\"meta\":2}", "meta", "2");
    span_is("{\"met\":1,\"metaa\":2,\"Meta\":3,\"\":4}", "meta", NULL);
    span_is("{\"\":4}", "", "4");
}


static void
test_span_escaped(void **state)
{
    span_is("{\"m\\u0065ta\":1}", "meta", "1");
    span_is("{\"\\u006d\\u0065\\u0074\\u0061\":1}", "meta", "1");
    span_is("{\"\\u006D\\u0065\\u0074\\u0061\" :\t1}", "meta", "1");
    span_is("{\"m\\\\u0065ta\":1}", "meta", NULL);
    span_is("{\"meta\\n\":1}", "meta", NULL);
    span_is("{\"\\nmeta\":1}", "meta", NULL);
    span_is("{\"meta\\\"\":1,\"meta\":2}", "meta", "2");
    span_is("{\"\\\"meta\":1,\"meta\":2}", "meta", "2");
    span_is("{\"\\b\\f\\n\\r\\t\":1}", "bfnrt", NULL);
    span_is("{\"a\\/b\":1}", "a/b", "1");
    span_is("{\"a\\\\b\":1}", "a\\b", "1");
    span_is("{\"\\ud83d\\ude00meta\":1,\"\\u016deta\":2}", "meta", NULL);
    span_is("{\"meta\\u0001\":1}", "meta", NULL);
}


/* Not its contract, but it must not read beyond an invalid text. */
static void
test_span_invalid(void **state)
{
    size_t      i, len;
    pt_slice_t  span;

    static const char  text[] = "{\"a\":{\"x\":[1]},\"m\\u0065ta\":[1,{}]}";

    len = sizeof(text) - 1;

    for (i = 0; i < len - 1; i++) {
        assert_int_equal(pt_json_span(unit_mem(text, i), "meta", &span), -1);
    }

    assert_int_equal(pt_json_span(unit_mem(text, len), "meta", &span), 0);
}


static void
test_values(void **state)
{
    int          flag;
    cJSON       *json;
    int64_t      n;
    pt_slice_t   s;
    const char  *why;

    json = pt_json_parse(unit_str("{\"s\":\"a\\u00e9b\",\"e\":\"\",\"i\":-5,"
                                  "\"f\":1.5,\"o\":{},\"n\":null,\"t\":true,"
                                  "\"x\":false,\"w\":3.0,\"k\":2e3}"), &why);
    assert_non_null(json);

    assert_int_equal(pt_json_string(json, "s", &s), PT_JSON_OK);
    unit_slice_is(s, "a\xc3\xa9" "b");
    assert_int_equal(pt_json_string(json, "e", &s), PT_JSON_OK);
    assert_int_equal(s.len, 0);

    s = pt_slice_lit("left");
    assert_int_equal(pt_json_string(json, "n", &s), PT_JSON_ABSENT);
    assert_int_equal(pt_json_string(json, "none", &s), PT_JSON_ABSENT);
    assert_int_equal(pt_json_string(json, "S", &s), PT_JSON_ABSENT);
    assert_int_equal(pt_json_string(json, "i", &s), PT_JSON_WRONG);
    assert_int_equal(pt_json_string(json, "o", &s), PT_JSON_WRONG);
    assert_int_equal(pt_json_string(json, "t", &s), PT_JSON_WRONG);
    unit_slice_is(s, "left");

    n = 77;
    assert_int_equal(pt_json_int(json, "n", 0, 9, &n), PT_JSON_ABSENT);
    assert_int_equal(pt_json_int(json, "none", 0, 9, &n), PT_JSON_ABSENT);
    assert_int_equal(pt_json_int(json, "s", 0, 9, &n), PT_JSON_WRONG);
    assert_int_equal(pt_json_int(json, "f", 0, 9, &n), PT_JSON_WRONG);
    assert_int_equal(pt_json_int(json, "t", 0, 9, &n), PT_JSON_WRONG);
    assert_int_equal(pt_json_int(json, "i", 0, 9, &n), PT_JSON_WRONG);
    assert_int_equal(pt_json_int(json, "i", -9, -6, &n), PT_JSON_WRONG);
    assert_int_equal(n, 77);
    assert_int_equal(pt_json_int(json, "i", -5, -5, &n), PT_JSON_OK);
    assert_int_equal(n, -5);
    assert_int_equal(pt_json_int(json, "w", 0, 9, &n), PT_JSON_OK);
    assert_int_equal(n, 3);
    assert_int_equal(pt_json_int(json, "k", 0, 2000, &n), PT_JSON_OK);
    assert_int_equal(n, 2000);

    flag = 77;
    assert_int_equal(pt_json_bool(json, "n", &flag), PT_JSON_ABSENT);
    assert_int_equal(pt_json_bool(json, "none", &flag), PT_JSON_ABSENT);
    assert_int_equal(pt_json_bool(json, "i", &flag), PT_JSON_WRONG);
    assert_int_equal(pt_json_bool(json, "s", &flag), PT_JSON_WRONG);
    assert_int_equal(flag, 77);
    assert_int_equal(pt_json_bool(json, "t", &flag), PT_JSON_OK);
    assert_int_equal(flag, 1);
    assert_int_equal(pt_json_bool(json, "x", &flag), PT_JSON_OK);
    assert_int_equal(flag, 0);

    cJSON_Delete(json);
}


static void
test_int_limits(void **state)
{
    size_t       i;
    cJSON       *json;
    int64_t      n;
    const char  *why;

    static const struct {
        const char  *text;
        int64_t      value;    /* -1: refused */
    } cases[] = {
        { "0", 0 }, { "-0", 0 }, { "1", 1 }, { "2147483647", 2147483647 },
        { "2147483648", 2147483648 }, { "4294967297", 4294967297 },
        { "9007199254740991", INT64_C(9007199254740991) },
        { "9007199254740992", INT64_C(9007199254740992) },
        { "9007199254740994", -1 }, { "9223372036854775807", -1 },
        { "9223372036854775808", -1 }, { "18446744073709551617", -1 },
        { "1e19", -1 }, { "1e308", -1 }, { "-1e308", -1 }, { "0.1", -1 },
        { "1e-308", -1 }, { "0.9999999999", -1 }, { "-1", -1 },
        { "1000000000000000000000000000000000000000000000", -1 },
    };

    for (i = 0; i < N(cases); i++) {
        json = pt_json_parse(unit_fmt("{\"v\":%s}", cases[i].text), &why);
        assert_non_null(json);

        n = 77;

        if (cases[i].value < 0) {
            assert_int_equal(pt_json_int(json, "v", 0, INT64_C(1) << 53, &n),
                             PT_JSON_WRONG);
            assert_int_equal(n, 77);

        } else {
            assert_int_equal(pt_json_int(json, "v", 0, INT64_C(1) << 53, &n),
                             PT_JSON_OK);
            assert_true(n == cases[i].value);
        }

        cJSON_Delete(json);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        unit_case(test_valid_values),
        unit_case(test_invalid_values),
        unit_case(test_root),
        unit_case(test_truncated),
        unit_case(test_depth),
        unit_case(test_members),
        unit_case(test_size),
        unit_case(test_doubled),
        unit_case(test_compact),
        unit_case(test_mutated),
        unit_case(test_span),
        unit_case(test_span_escaped),
        unit_case(test_span_invalid),
        unit_case(test_values),
        unit_case(test_int_limits),
    };

    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
