/*
 * Secrets: kept up to their limits, HMAC-SHA256 as RFC 4231 has it, comparing,
 * hexadecimal digits.
 */

#include "pt_secret.h"
#include "unit.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))


static void
test_line(void **state)
{
    unit_slice_is(pt_secret_line(unit_str("abc")), "abc");
    unit_slice_is(pt_secret_line(unit_str("abc\n")), "abc");
    unit_slice_is(pt_secret_line(unit_str("abc\r\n")), "abc");
    unit_slice_is(pt_secret_line(unit_str("abc\n\n")), "abc\n");
    unit_slice_is(pt_secret_line(unit_str("abc\r")), "abc\r");
    unit_slice_is(pt_secret_line(unit_str(" abc ")), " abc ");
    unit_slice_is(pt_secret_line(unit_str("\n")), "");
    unit_slice_is(pt_secret_line(unit_str("\r\n")), "");
    unit_slice_is(pt_secret_line(unit_str("")), "");
    assert_int_equal(pt_secret_line(pt_slice_null).len, 0);
}


static void
test_add(void **state)
{
    size_t         i;
    const char    *why;
    pt_secrets_t   secrets;

    memset(&secrets, 0, sizeof(secrets));
    why = NULL;

    assert_int_equal(pt_secrets_add(&secrets, unit_str(""), &why), -1);
    assert_non_null(strstr(why, "1 to 128 bytes"));
    assert_int_equal(pt_secrets_add(&secrets, pt_slice_null, &why), -1);
    assert_int_equal(pt_secrets_add(&secrets, unit_repeat("x", 129), &why),
                     -1);
    assert_int_equal(secrets.n, 0);

    assert_int_equal(pt_secrets_add(&secrets, unit_repeat("x", 128), &why), 0);

    for (i = 1; i < PT_SECRETS_MAX; i++) {
        assert_int_equal(pt_secrets_add(&secrets, unit_repeat("x", 128), &why),
                         -1);
        assert_non_null(strstr(why, "is given twice: remove one"));

        assert_int_equal(pt_secrets_add(&secrets, unit_fmt("s%zu", i), &why),
                         0);
        assert_int_equal(secrets.n, i + 1);
    }

    assert_int_equal(pt_secrets_add(&secrets, unit_str("more"), &why), -1);
    assert_non_null(strstr(why, "8 are the most"));

    assert_int_equal(secrets.n, PT_SECRETS_MAX);
    assert_int_equal(secrets.list[0].len, 128);
    unit_slice_is(pt_slice(secrets.list[7].data, secrets.list[7].len), "s7");

    pt_secrets_wipe(&secrets);

    for (i = 0; i < sizeof(secrets); i++) {
        assert_int_equal(((char *) &secrets)[i], 0);
    }
}


/* RFC 4231, 4.2 to 4.5 */
static const struct {
    pt_slice_t   key;
    size_t       key_repeated;
    pt_slice_t   data;
    size_t       data_repeated;
    const char  *mac;
} vectors[] = {
    { pt_slice_const("\x0b"), 20, pt_slice_const("Hi There"), 1,
      "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
    { pt_slice_const("Jefe"), 1,
      pt_slice_const("what do ya want for nothing?"), 1,
      "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
    { pt_slice_const("\xaa"), 20, pt_slice_const("\xdd"), 50,
      "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
    { pt_slice_const("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d"
                     "\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19"), 1,
      pt_slice_const("\xcd"), 50,
      "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b" },
};


static void
test_hmac(void **state)
{
    size_t         i, k, len;
    pt_slice_t     data, parts[4];
    const char    *why;
    pt_secrets_t   secrets;
    unsigned char  mac[PT_SHA256_LEN], expected[PT_SHA256_LEN];

    for (i = 0; i < N(vectors); i++) {
        memset(&secrets, 0, sizeof(secrets));

        assert_int_equal(
            pt_secrets_add(&secrets, unit_repeat(vectors[i].key.data,
                                                 vectors[i].key_repeated),
                           &why), 0);
        assert_int_equal(pt_hex_decode(unit_str(vectors[i].mac), expected,
                                       sizeof(expected), &len), 0);
        assert_int_equal(len, PT_SHA256_LEN);

        data = unit_repeat(vectors[i].data.data, vectors[i].data_repeated);
        assert_int_equal(pt_hmac_sha256(secrets.list, &data, 1, mac), 0);
        assert_memory_equal(mac, expected, PT_SHA256_LEN);

        /* cut anywhere, with nothing between */

        for (k = 0; k <= data.len; k++) {
            parts[0] = pt_slice(data.data, k);
            parts[1] = pt_slice_null;
            parts[2] = unit_str("");
            parts[3] = pt_slice(data.data + k, data.len - k);

            assert_int_equal(pt_hmac_sha256(secrets.list, parts, 4, mac), 0);
            assert_memory_equal(mac, expected, PT_SHA256_LEN);
        }
    }
}


static void
test_nothing_signed(void **state)
{
    size_t         len;
    const char    *why;
    pt_secrets_t   secrets;
    unsigned char  mac[PT_SHA256_LEN], expected[PT_SHA256_LEN];

    memset(&secrets, 0, sizeof(secrets));

    assert_int_equal(pt_secrets_add(&secrets, unit_str("key"), &why), 0);
    assert_int_equal(pt_hmac_sha256(secrets.list, NULL, 0, mac), 0);
    assert_int_equal(pt_hex_decode(unit_str("5d5d139563c95b5967b9bd9a8c9b233a9d"
                                            "edb45072794cd232dc1b74832607d0"),
                                   expected, sizeof(expected), &len), 0);
    assert_memory_equal(mac, expected, PT_SHA256_LEN);
}


static void
test_eq(void **state)
{
    assert_int_equal(pt_secret_eq("abc", 3, "abc", 3), 1);
    assert_int_equal(pt_secret_eq("abc", 3, "abd", 3), 0);
    assert_int_equal(pt_secret_eq("abc", 3, "Abc", 3), 0);
    assert_int_equal(pt_secret_eq("abc", 3, "abcd", 4), 0);
    assert_int_equal(pt_secret_eq("abc", 3, "ab", 2), 0);
    assert_int_equal(pt_secret_eq("a\0c", 3, "a\0d", 3), 0);
    assert_int_equal(pt_secret_eq("", 0, "", 0), 1);
}


static void
test_hex(void **state)
{
    size_t         i, len;
    unsigned char  data[4];

    static const char *const  refused[] = {
        "0", "000", "0g", "g0", "0x", "zz", " 0", "0 ", "00 ", "0\n", "/0",
        ":0", "@0", "`0", "G0", "\xc3\xa9", "0000000000",
    };

    assert_int_equal(pt_hex_decode(unit_str("00fF9a"), data, 4, &len), 0);
    assert_int_equal(len, 3);
    assert_memory_equal(data, "\x00\xff\x9a", 3);

    assert_int_equal(pt_hex_decode(unit_str(""), data, 4, &len), 0);
    assert_int_equal(len, 0);
    assert_int_equal(pt_hex_decode(pt_slice_null, data, 4, &len), 0);
    assert_int_equal(pt_hex_decode(unit_str("AbCdEf01"), data, 4, &len), 0);
    assert_int_equal(len, 4);

    for (i = 0; i < N(refused); i++) {
        len = 7;

        if (pt_hex_decode(unit_str(refused[i]), data, 4, &len) != -1) {
            fail_msg("\"%s\" was accepted", refused[i]);
        }

        assert_int_equal(len, 7);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        unit_case(test_line),
        unit_case(test_add),
        unit_case(test_hmac),
        unit_case(test_nothing_signed),
        unit_case(test_eq),
        unit_case(test_hex),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
