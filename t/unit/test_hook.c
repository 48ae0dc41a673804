/*
 * What gateways that send JSON share.
 */

#include "hook.h"
#include "pt_hook.h"
#include "unit.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))


static hook_headers_t  headers;
static pt_callback_t   callback;


static int
setup(void **state)
{
    memset(&headers, 0, sizeof(headers));
    memset(&callback, 0, sizeof(callback));

    callback.header = hook_header;
    callback.ctx = &headers;
    callback.alloc = unit_alloc;

    return unit_setup(state);
}


static void *
no_memory(void *ctx, size_t size)
{
    return NULL;
}


static void
test_type(void **state)
{
    size_t  i;

    static const struct {
        const char  *type;
        const char  *encoding;
        int          fits;
    } cases[] = {
        { "application/json", NULL, 1 },
        { "application/json; charset=utf-8", NULL, 1 },
        { "Application/JSON;charset=UTF-8", NULL, 1 },
        { "application/json ;a", NULL, 1 },
        { "application/json\t", NULL, 1 },
        { "application/json", "identity", 1 },
        { "application/json", "Identity", 1 },
        { "application/json", "", 1 },
        { "application/json", "gzip", 0 },
        { "application/json", "identity, gzip", 0 },
        { "application/json", "identit", 0 },
        { "application/jsonx", NULL, 0 },
        { "application/json, text/plain", NULL, 0 },
        { "application/jso", NULL, 0 },
        { " application/json", NULL, 0 },
        { "text/plain", NULL, 0 },
        { "", NULL, 0 },
        { NULL, NULL, 0 },
    };

    for (i = 0; i < N(cases); i++) {
        hook_set(&headers, "Content-Type", cases[i].type);
        hook_set(&headers, "Content-Encoding", cases[i].encoding);

        if (pt_hook_type(&callback, "application/json") != cases[i].fits) {
            fail_msg("%s, %s", cases[i].type, cases[i].encoding);
        }
    }

    assert_int_equal(pt_hook_plain(&callback), 1);
    hook_set(&headers, "Content-Encoding", "br");
    assert_int_equal(pt_hook_plain(&callback), 0);
}


static void
test_header(void **state)
{
    hook_set(&headers, "webhook-id", "msg_1");
    unit_slice_is(pt_hook_header(&callback, "webhook-id"), "msg_1");
    assert_int_equal(pt_hook_header(&callback, "svix-id").len, 0);
}


static void
test_seconds(void **state)
{
    size_t   i;
    int64_t  seconds;

    static const char *const  refused[] = {
        "", "0", "01", "-1", "+1", " 1", "1 ", "1.0", "1e3", "0x1", "NaN",
        "1a", "253402300800", "99999999999999999999", "1,2",
    };

    assert_int_equal(pt_hook_seconds(unit_str("1614265330"), &seconds), 0);
    assert_true(seconds == 1614265330);
    assert_int_equal(pt_hook_seconds(unit_str("1"), &seconds), 0);
    assert_true(seconds == 1);
    assert_int_equal(pt_hook_seconds(unit_str("253402300799"), &seconds), 0);

    seconds = 7;
    assert_int_equal(pt_hook_seconds(pt_slice_null, &seconds), -1);

    for (i = 0; i < N(refused); i++) {
        if (pt_hook_seconds(unit_str(refused[i]), &seconds) != -1) {
            fail_msg("\"%s\" was accepted", refused[i]);
        }
    }

    assert_true(seconds == 7);
}


static void
test_fresh(void **state)
{
    size_t  i;

    static const struct {
        int64_t  now, at, tolerance;
        int      fresh;
    } cases[] = {
        { 1000000, 1000, 300000, 1 },
        { 1300000, 1000, 300000, 1 },
        { 1300999, 1000, 300000, 1 },
        { 1301000, 1000, 300000, 0 },
        { 1000000, 1300, 300000, 1 },
        { 1000000, 1301, 300000, 0 },
        { 1000999, 1301, 300000, 0 },
        { 1002000, 1000, 1000, 0 },
        { 1001999, 1000, 1000, 1 },
        { 0, 1, 1000, 1 },
        { 0, PT_TIME_MAX_MS / 1000, 86400000, 0 },
        { INT64_C(9000000000000000), 1, 86400000, 0 },
    };

    for (i = 0; i < N(cases); i++) {
        callback.now = cases[i].now;

        if (pt_hook_fresh(&callback, cases[i].at, cases[i].tolerance)
            != cases[i].fresh)
        {
            fail_msg("case %zu", i);
        }
    }
}


static void
test_path_valid(void **state)
{
    size_t  i;

    static const struct {
        const char  *path;
        int          valid;
    } cases[] = {
        { "type", 1 }, { "data.object.pay_no", 1 }, { "a.b", 1 },
        { "a b.c-d", 1 }, { "\xe6\x89\x8b.x", 1 }, { "", 0 }, { ".", 0 },
        { ".a", 0 }, { "a.", 0 }, { "a..b", 0 }, { "a\nb", 0 },
        { "a\xff", 0 },
    };

    for (i = 0; i < N(cases); i++) {
        if (pt_hook_path_valid(unit_str(cases[i].path)) != cases[i].valid) {
            fail_msg("\"%s\"", cases[i].path);
        }
    }

    assert_int_equal(pt_hook_path_valid(unit_repeat("a", 128)), 1);
    assert_int_equal(pt_hook_path_valid(unit_repeat("a", 129)), 0);
}


static const char  tree[] =
    "{\"a\":{\"b\":{\"c\":\"x\",\"n\":5,\"t\":true,\"z\":null},\"s\":\"t\"},"
    "\"list\":[{\"c\":\"y\"}],\"a.b\":\"dots\",\"A\":1,\"e\":\"\"}";


static void
test_paths(void **state)
{
    int          flag;
    cJSON       *json;
    size_t       i;
    int64_t      n;
    pt_slice_t   s;

    static const struct {
        const char  *path;
        pt_json_e    rc;
        const char  *value;
    } cases[] = {
        { "a.b.c", PT_JSON_OK, "x" },
        { "a.s", PT_JSON_OK, "t" },
        { "e", PT_JSON_OK, "" },
        { "a.b.n", PT_JSON_WRONG, NULL },
        { "a.b", PT_JSON_WRONG, NULL },
        { "list", PT_JSON_WRONG, NULL },
        { "a.b.z", PT_JSON_ABSENT, NULL },
        { "a.b.z.z", PT_JSON_ABSENT, NULL },
        { "a.s.c", PT_JSON_ABSENT, NULL },
        { "list.c", PT_JSON_ABSENT, NULL },
        { "list.0.c", PT_JSON_ABSENT, NULL },
        { "a.B.c", PT_JSON_ABSENT, NULL },
        { "", PT_JSON_ABSENT, NULL },
        { "a..b", PT_JSON_ABSENT, NULL },
        { "x.y.z", PT_JSON_ABSENT, NULL },
    };

    json = cJSON_Parse(tree);

    for (i = 0; i < N(cases); i++) {
        s = pt_slice_null;

        if (pt_hook_string(json, cases[i].path, &s) != cases[i].rc) {
            fail_msg("\"%s\"", cases[i].path);
        }

        if (cases[i].value) {
            unit_slice_is(s, cases[i].value);
        }
    }

    assert_int_equal(pt_hook_int(json, "a.b.n", 1, 5, &n), PT_JSON_OK);
    assert_true(n == 5);
    assert_int_equal(pt_hook_int(json, "a.b.n", 6, 7, &n), PT_JSON_WRONG);
    assert_int_equal(pt_hook_int(json, "a.b.c", 1, 5, &n), PT_JSON_WRONG);
    assert_int_equal(pt_hook_int(json, "a.b.x", 1, 5, &n), PT_JSON_ABSENT);
    assert_int_equal(pt_hook_bool(json, "a.b.t", &flag), PT_JSON_OK);
    assert_int_equal(flag, 1);
    assert_int_equal(pt_hook_bool(json, "a.b.n", &flag), PT_JSON_WRONG);
    assert_int_equal(pt_hook_bool(NULL, "a.b.n", &flag), PT_JSON_ABSENT);

    assert_int_equal(pt_hook_string(json, unit_fmt("%0300d%c", 1, 0).data,
                                    &s), PT_JSON_ABSENT);

    cJSON_Delete(json);
}


static void
test_mentions(void **state)
{
    size_t      i;
    pt_slice_t  word;

    static const struct {
        const char  *text;
        int          found;
    } cases[] = {
        { "\"paid\"", 1 }, { "{\"type\":\"paid\"}", 1 }, { "\"\"paid\"", 1 },
        { "\"paid\"x", 1 }, { "x\"paid\"", 1 }, { "\"paid", 0 },
        { "paid\"", 0 }, { "paid", 0 }, { "\"paidx\"", 0 },
        { "\"xpaid\"", 0 }, { "\"PAID\"", 0 }, { "", 0 }, { "\"", 0 },
        { "\"\"\"\"\"\"", 0 }, { "\"pai\"\"paid\"", 1 },
    };

    word = unit_str("paid");

    for (i = 0; i < N(cases); i++) {
        if (pt_hook_mentions(unit_str(cases[i].text), word)
            != cases[i].found)
        {
            fail_msg("%s", cases[i].text);
        }
    }
}


/* Escapes are the sender's choice. */
static void
test_mentions_escaped(void **state)
{
    size_t      i;
    pt_slice_t  word;

    static const struct {
        const char  *text;
        int          found;
    } cases[] = {
        { "\"a/\xe6\x89\x8b\"", 1 },
        { "\"a\\/\xe6\x89\x8b\"", 1 },
        { "\"\\u0061/\xe6\x89\x8b\"", 1 },
        { "\"\\u0061\\u002F\\u624b\"", 1 },
        { "\"\\u0061\\u002f\\u624B\"", 1 },
        { "\"a\\u002f\xe6\x89\x8b\"", 1 },
        { "x\"\\\"a\\/\xe6\x89\x8b\"", 1 },
        { "\"\\u0041/\xe6\x89\x8b\"", 0 },
        { "\"\\u0161/\xe6\x89\x8b\"", 0 },
        { "\"\\u00e6\"", 0 },
        { "\"a\\/\xe6\x89\x8b", 0 },
        { "\"a\\/\xe6\x89\x8bx\"", 0 },
        { "\"a\\/\xe6\x89\x8b\\u0000\"", 0 },
        { "\"a\\", 0 }, { "\"a\\u", 0 }, { "\"a\\u002", 0 },
        { "\"a\\u00 f\xe6\x89\x8b\"", 0 },
        { "\"\\n\"", 0 }, { "\\", 0 },
    };

    word = unit_str("a/\xe6\x89\x8b");

    for (i = 0; i < N(cases); i++) {
        if (pt_hook_mentions(unit_str(cases[i].text), word)
            != cases[i].found)
        {
            fail_msg("%s", cases[i].text);
        }
    }

    assert_int_equal(pt_hook_mentions(unit_str("\"a\\\"b\\\\\""),
                                      unit_str("a\"b\\")), 1);
    assert_int_equal(pt_hook_mentions(pt_slice_null, word), 0);
}


static void
test_keep(void **state)
{
    pt_slice_t  s, original;

    original = unit_str("abc");
    s = original;
    assert_int_equal(pt_hook_keep(&callback, &s), 0);
    assert_ptr_not_equal(s.data, original.data);
    unit_slice_is(s, "abc");

    s = unit_str("");
    assert_int_equal(pt_hook_keep(&callback, &s), 0);
    assert_null(s.data);

    callback.alloc = no_memory;
    s = unit_str("x");
    assert_int_equal(pt_hook_keep(&callback, &s), -1);
}


static void
test_currency(void **state)
{
    size_t      i;
    pt_slice_t  code;

    static const char *const  refused[] = {
        "", "us", "usdx", "u1d", "us ", "u\xc3\xa9", "u-d", "[a]", "@`{",
    };

    assert_int_equal(pt_hook_currency(&callback, unit_str("usd"), &code),
                     PT_VERIFY_OK);
    unit_slice_is(code, "USD");
    assert_int_equal(pt_hook_currency(&callback, unit_str("CnY"), &code),
                     PT_VERIFY_OK);
    unit_slice_is(code, "CNY");

    for (i = 0; i < N(refused); i++) {
        assert_int_equal(pt_hook_currency(&callback, unit_str(refused[i]),
                                          &code), PT_VERIFY_BAD_VALUE);
    }

    callback.alloc = no_memory;
    assert_int_equal(pt_hook_currency(&callback, unit_str("usd"), &code),
                     PT_VERIFY_NO_MEMORY);
}


static void
test_settings(void **state)
{
    char            *text;
    size_t           i;
    int64_t          ms;
    const char      *why;
    pt_hook_mode_e   mode;

    static const char *const  times[] = {
        "", "0", "999", "86400001", "-1000", "5m", "1000.0",
    };

    text = NULL;
    assert_int_equal(pt_hook_set_text(&text, unit_str(""), &why), -1);
    assert_int_equal(pt_hook_set_text(&text, unit_repeat("x", 129), &why), -1);
    assert_int_equal(pt_hook_set_text(&text, unit_str("a\nb"), &why), -1);
    assert_null(text);
    assert_int_equal(pt_hook_set_text(&text, unit_repeat("x", 128), &why), 0);
    assert_int_equal(strlen(text), 128);
    assert_int_equal(pt_hook_set_text(&text, unit_str("x"), &why), -1);
    assert_non_null(strstr(why, "twice"));
    free(text);

    ms = 0;

    for (i = 0; i < N(times); i++) {
        assert_int_equal(pt_hook_set_tolerance(&ms, unit_str(times[i]), &why),
                         -1);
        assert_non_null(strstr(why, "1s to 1d"));
    }

    assert_int_equal(pt_hook_set_tolerance(&ms, unit_str("1000"), &why), 0);
    assert_true(ms == 1000);
    assert_int_equal(pt_hook_set_tolerance(&ms, unit_str("1000"), &why), -1);
    assert_non_null(strstr(why, "twice"));

    mode = PT_HOOK_MODE_UNSET;
    assert_int_equal(pt_hook_set_mode(&mode, unit_str("Live"), &why), -1);
    assert_int_equal(pt_hook_set_mode(&mode, unit_str(""), &why), -1);
    assert_int_equal(pt_hook_set_mode(&mode, unit_str("test"), &why), 0);
    assert_int_equal(mode, PT_HOOK_MODE_TEST);
    assert_int_equal(pt_hook_set_mode(&mode, unit_str("test"), &why), -1);
    mode = PT_HOOK_MODE_UNSET;
    assert_int_equal(pt_hook_set_mode(&mode, unit_str("live"), &why), 0);
    assert_int_equal(mode, PT_HOOK_MODE_LIVE);
}


static void
test_decimals(void **state)
{
    unsigned     shop, gateway;
    const char  *why;

    static const char  none[] = "JPY KRW";
    static const char  three[] = "KWD";

    assert_int_equal(pt_hook_decimals(unit_str("JPY"), none, three), 0);
    assert_int_equal(pt_hook_decimals(unit_str("KRW"), none, three), 0);
    assert_int_equal(pt_hook_decimals(unit_str("KWD"), none, three), 3);
    assert_int_equal(pt_hook_decimals(unit_str("CNY"), none, three), 2);
    assert_int_equal(pt_hook_decimals(unit_str("jpy"), none, three), 2);
    assert_int_equal(pt_hook_decimals(unit_str("JPY KRW"), none, three), 2);
    assert_int_equal(pt_hook_decimals(unit_str(""), none, three), 2);

    for (shop = 0; shop <= 4; shop++) {
        for (gateway = 0; gateway <= 3; gateway++) {
            if (gateway == 1) {
                continue;
            }

            why = NULL;
            assert_int_equal(pt_hook_check_decimals(shop, gateway, &why),
                             shop == gateway ? 0 : -1);
            assert_true(shop == gateway
                        || strstr(why, "paytrade_currency") != NULL);
        }
    }
}


static void
test_yuan(void **state)
{
    size_t       i;
    unsigned     decimals;
    const char  *why;

    static const char *const  currencies[] = { "CNY", "USD", "cny", "CNYX" };

    for (i = 0; i < N(currencies); i++) {
        for (decimals = 0; decimals <= 4; decimals++) {
            why = "CNY 2";
            assert_int_equal(pt_hook_check_yuan(unit_str(currencies[i]),
                                                decimals, &why),
                             i == 0 && decimals == 2 ? 0 : -1);
            assert_non_null(strstr(why, "CNY 2"));
        }
    }
}


#define hook_case(f)  cmocka_unit_test_setup_teardown(f, setup, unit_end)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        hook_case(test_type),
        hook_case(test_header),
        hook_case(test_seconds),
        hook_case(test_fresh),
        hook_case(test_path_valid),
        hook_case(test_paths),
        hook_case(test_mentions),
        hook_case(test_mentions_escaped),
        hook_case(test_keep),
        hook_case(test_currency),
        hook_case(test_settings),
        hook_case(test_decimals),
        hook_case(test_yuan),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
