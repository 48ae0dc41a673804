/*
 * Base64: RFC 4648's examples, and that only one text stands for some bytes.
 */

#include "pt_base64.h"
#include "unit.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))


static const struct {
    const char  *plain;
    const char  *text;
} vectors[] = {
    { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
    { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
    { "foobar", "Zm9vYmFy" }, { "\xff\xfe\xfd", "//79" },
    { "\xfb\xef\xbe", "++++" },
};


static void
test_vectors(void **state)
{
    size_t         i, len;
    pt_out_t       out;
    unsigned char  data[16];

    for (i = 0; i < N(vectors); i++) {
        unit_out(&out);
        pt_base64_encode(&out, (const unsigned char *) vectors[i].plain,
                         strlen(vectors[i].plain));
        assert_string_equal(unit_text(&out), vectors[i].text);

        assert_int_equal(pt_base64_decode(unit_str(vectors[i].text), data,
                                          sizeof(data), &len), 0);
        assert_int_equal(len, strlen(vectors[i].plain));
        assert_memory_equal(data, vectors[i].plain, len);
    }
}


static void
test_refused(void **state)
{
    size_t         i, len;
    unsigned char  data[64];

    static const char *const  cases[] = {
        "Z", "Zg", "Zg=", "Zg===", "=", "==", "===", "====", "Z===", "Zg=v",
        "Zg==Zg==", "Zg==\n", "\nZg==", "Zm 9", "Zm9v\r\n", "Zm9vYg==\n\n\n\n",
        "Zm-v", "Zm_v", "Zm9*", "Zm9\x80", "Zh==", "Zi==", "Zo==", "Zm9=",
        "Zm+=", "A===", "=AAA", "AA=A", "Zm9v====", "WECHATPAY/SIGNTEST/",
    };

    for (i = 0; i < N(cases); i++) {
        len = 7;

        if (pt_base64_decode(unit_str(cases[i]), data, sizeof(data), &len)
            != -1)
        {
            fail_msg("\"%s\" was accepted", cases[i]);
        }

        assert_int_equal(len, 7);
    }

    assert_int_equal(pt_base64_decode(unit_mem("Zg\0=", 4), data,
                                      sizeof(data), &len), -1);
}


static void
test_room(void **state)
{
    size_t          len;
    unsigned char  *data;

    data = unit_alloc(NULL, 5);

    assert_int_equal(pt_base64_decode(unit_str("Zm9vYmE="), data, 5, &len), 0);
    assert_int_equal(len, 5);
    assert_int_equal(pt_base64_decode(unit_str("Zm9vYmE="), data, 4, &len),
                     -1);
    assert_int_equal(pt_base64_decode(unit_str("Zm9vYmFy"), data, 5, &len),
                     -1);
    assert_int_equal(pt_base64_decode(unit_str(""), NULL, 0, &len), 0);
    assert_int_equal(len, 0);
    assert_int_equal(pt_base64_decode(pt_slice_null, NULL, 0, &len), 0);
}


/* What is accepted after a change is another value: no text has a twin. */
static void
test_one_spelling(void **state)
{
    int             i;
    char           *text;
    size_t          n, at, len;
    pt_out_t        out;
    pt_slice_t      s;
    unsigned char   data[64], back[66];

    for (i = 0; i < 20000; i++) {
        n = unit_below(sizeof(data));

        for (at = 0; at < n; at++) {
            data[at] = unit_random();
        }

        unit_out(&out);
        pt_base64_encode(&out, data, n);
        s = pt_out_slice(&out);

        assert_int_equal(pt_base64_decode(s, back, sizeof(back), &len), 0);
        assert_int_equal(len, n);
        assert_memory_equal(back, data, n);

        if (n == 0) {
            continue;
        }

        text = (char *) s.data;
        text[unit_below(s.len)] ^= 1 << unit_below(8);

        if (pt_base64_decode(s, back, sizeof(back), &len) == 0) {
            assert_true(len != n || memcmp(back, data, n) != 0);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        unit_case(test_vectors),
        unit_case(test_refused),
        unit_case(test_room),
        unit_case(test_one_spelling),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
