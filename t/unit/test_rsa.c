/*
 * RSA: which files hold a key, and which signatures verify.
 */

#include <openssl/err.h>

#include "certificate.h"
#include "pt_rsa.h"
#include "unit.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))


static EVP_PKEY     *pair, *other;
static keys_file_t   file;


static pt_slice_t
file_of(EVP_PKEY *key, keys_form_e form)
{
    keys_file(&file, key, form);

    return unit_mem(file.data, file.len);
}


typedef pt_rsa_t *(*load_pt)(pt_slice_t file, const char **why);


static void
refused(load_pt load, pt_slice_t text, const char *part)
{
    const char  *why;

    why = NULL;

    assert_null(load(text, &why));
    assert_non_null(why);

    if (strstr(why, part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", why, part);
    }

    assert_int_equal(ERR_peek_error(), 0);
}


static void
test_forms(void **state)
{
    size_t       i;
    pt_rsa_t    *private, *public;
    const char  *why;

    static const keys_form_e  privates[] = { KEYS_PKCS8, KEYS_PKCS1 };
    static const keys_form_e  publics[] = { KEYS_SPKI, KEYS_PKCS1_PUBLIC };

    for (i = 0; i < 4; i++) {
        (void) file_of(pair, privates[i % 2]);

        if (i > 1) {
            keys_strip(&file);
        }

        private = pt_rsa_private(unit_mem(file.data, file.len), &why);
        assert_non_null(private);

        (void) file_of(pair, publics[i % 2]);

        if (i > 1) {
            keys_strip(&file);
        }

        public = pt_rsa_public(unit_mem(file.data, file.len), &why);
        assert_non_null(public);

        assert_int_equal(pt_rsa_size(private), 256);
        assert_int_equal(pt_rsa_size(public), 256);
        assert_true(pt_rsa_pair(private, public));

        pt_rsa_free(private);
        pt_rsa_free(public);
    }

    assert_int_equal(ERR_peek_error(), 0);
    pt_rsa_free(NULL);
}


/* Text around the armour is what openssl writes and what people paste. */
static void
test_surroundings(void **state)
{
    pt_rsa_t    *key;
    pt_slice_t   s;
    const char  *why;

    s = file_of(pair, KEYS_SPKI);

    key = pt_rsa_public(unit_fmt("Alipay's key\n\n%.*s\n\n", (int) s.len,
                                 s.data), &why);
    assert_non_null(key);
    pt_rsa_free(key);

    keys_strip(&file);

    key = pt_rsa_public(unit_fmt("  %.*s\r\n%.*s\n\n", 64, file.data,
                                 (int) file.len - 64, file.data + 64), &why);
    assert_non_null(key);
    pt_rsa_free(key);
}


static void
test_wrong_kind(void **state)
{
    refused(pt_rsa_public, file_of(pair, KEYS_PKCS8), "holds a private key");
    refused(pt_rsa_public, file_of(pair, KEYS_PKCS1), "holds a private key");
    refused(pt_rsa_public, file_of(pair, KEYS_ENCRYPTED),
            "holds a private key");
    refused(pt_rsa_private, file_of(pair, KEYS_SPKI), "holds a public key");
    refused(pt_rsa_private, file_of(pair, KEYS_PKCS1_PUBLIC),
            "holds a public key");
    refused(pt_rsa_private, file_of(pair, KEYS_ENCRYPTED), "passphrase");
    refused(pt_rsa_private, file_of(pair, KEYS_ENCRYPTED_PKCS1), "passphrase");

    (void) file_of(pair, KEYS_PKCS8);
    keys_strip(&file);
    refused(pt_rsa_public, keys_slice(&file), "holds a private key");

    (void) file_of(pair, KEYS_SPKI);
    keys_strip(&file);
    refused(pt_rsa_private, keys_slice(&file), "holds a public key");

    refused(pt_rsa_public, unit_str("-----BEGIN CERTIFICATE-----\nZm9v\n"
                                    "-----END CERTIFICATE-----\n"),
            "holds a certificate");
}


static void
test_unfit(void **state)
{
    EVP_PKEY  *key;

    key = keys_make(EVP_PKEY_RSA, 1024);
    refused(pt_rsa_private, file_of(key, KEYS_PKCS8), "2048");
    refused(pt_rsa_public, file_of(key, KEYS_SPKI), "2048");
    EVP_PKEY_free(key);

    key = keys_make(EVP_PKEY_RSA, 2047);
    refused(pt_rsa_public, file_of(key, KEYS_SPKI), "2048");
    EVP_PKEY_free(key);

    key = keys_make(EVP_PKEY_ED25519, 0);
    refused(pt_rsa_private, file_of(key, KEYS_PKCS8), "RSA");
    refused(pt_rsa_public, file_of(key, KEYS_SPKI), "RSA");
    EVP_PKEY_free(key);
}


static void
test_no_key(void **state)
{
    size_t      i;
    pt_slice_t  s, two;

    static const char *const  cases[] = {
        "", " ", "\n", "hello", "Zm9v", "MIIB", "-----BEGIN PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PUBLIC KEY-----\nZm9v\n-----END PUBLIC KEY-----\n",
        "-----BEGIN PRIVATE KEY-----\nZm9v\n-----END PRIVATE KEY-----\n",
        "-----BEGIN DH PARAMETERS-----\nZm9v\n-----END DH PARAMETERS-----\n",
    };

    for (i = 0; i < N(cases); i++) {
        refused(pt_rsa_public, unit_str(cases[i]), "holds ");
        refused(pt_rsa_private, unit_str(cases[i]), "holds ");
    }

    s = file_of(pair, KEYS_SPKI);
    two = unit_fmt("%.*s%.*s", (int) s.len, s.data, (int) s.len, s.data);
    refused(pt_rsa_public, two, "more than one");

    refused(pt_rsa_public, unit_repeat("A", 70000), "no RSA key");
    refused(pt_rsa_public, unit_repeat("A", 40000), "no RSA key");
}


/* No damaged file is taken, nor does it read outside. */
static void
test_damaged(void **state)
{
    int          i, taken;
    pt_rsa_t    *key;
    pt_slice_t   s;
    const char  *why;

    s = file_of(pair, KEYS_PKCS8);

    for (i = 0; i < 200; i++) {
        refused(pt_rsa_private, unit_mem(s.data, unit_below(s.len - 30)),
                "holds ");
    }

    taken = 0;
    s = file_of(pair, KEYS_SPKI);

    for (i = 0; i < 300; i++) {
        s = unit_mem(s.data, s.len);
        ((char *) s.data)[unit_below(s.len)] = unit_random();
        key = pt_rsa_public(s, &why);
        taken += key != NULL;
        pt_rsa_free(key);
        assert_int_equal(ERR_peek_error(), 0);
        s = file_of(pair, KEYS_SPKI);
    }

    /* another modulus is another key, and cannot be told from a good one */

    assert_true(taken < 300);
}


static void
test_damaged_number(void **state)
{
    int          i;
    char         text[KEYS_FILE_MAX];
    size_t       at;
    pt_rsa_t    *key;
    const char  *why;

    (void) file_of(pair, KEYS_PKCS1);
    keys_strip(&file);

    for (i = 0; i < 40; i++) {
        at = file.len / 3 + unit_below(file.len / 2);
        memcpy(text, file.data, file.len);
        text[at] = text[at] == 'A' ? 'B' : 'A';

        if (text[at] == file.data[at]) {
            continue;
        }

        key = pt_rsa_private(unit_mem(text, file.len), &why);

        if (key) {
            /* OpenSSL found its way without that number */
            assert_true(pt_rsa_pair(key, key));
            pt_rsa_free(key);
        }

        assert_int_equal(ERR_peek_error(), 0);
    }
}


static void
test_signatures(void **state)
{
    int             i;
    size_t          size;
    pt_rsa_t       *private, *public, *foreign;
    pt_slice_t      text;
    const char     *why;
    unsigned char  *s, longer[257];

    private = pt_rsa_private(file_of(pair, KEYS_PKCS8), &why);
    public = pt_rsa_public(file_of(pair, KEYS_SPKI), &why);
    foreign = pt_rsa_public(file_of(other, KEYS_SPKI), &why);

    size = pt_rsa_size(private);
    s = unit_alloc(NULL, size);
    text = unit_str("app_id=1&subject=x");

    assert_int_equal(pt_rsa_sign(private, text, s), 0);
    assert_true(pt_rsa_verify(public, text, s, size));
    assert_true(pt_rsa_verify(private, text, s, size));
    assert_false(pt_rsa_verify(foreign, text, s, size));
    assert_false(pt_rsa_pair(private, foreign));
    assert_false(pt_rsa_verify(public, unit_str("app_id=2&subject=x"), s,
                               size));
    assert_false(pt_rsa_verify(public, pt_slice_null, s, size));

    assert_false(pt_rsa_verify(public, text, s, size - 1));
    assert_false(pt_rsa_verify(public, text, s, 0));

    memcpy(longer, s, size);
    longer[size] = 0;
    assert_false(pt_rsa_verify(public, text, longer, size + 1));
    longer[0] = 0;
    memcpy(longer + 1, s, size);
    assert_false(pt_rsa_verify(public, text, longer, size + 1));

    for (i = 0; i < (int) size * 8; i += 7) {
        s[i / 8] ^= 1 << i % 8;
        assert_false(pt_rsa_verify(public, text, s, size));
        s[i / 8] ^= 1 << i % 8;
    }

    assert_int_equal(pt_rsa_sign(private, pt_slice_null, s), 0);
    assert_true(pt_rsa_verify(public, pt_slice_null, s, size));

    assert_int_equal(pt_rsa_sign(public, text, s), -1);
    assert_int_equal(ERR_peek_error(), 0);

    pt_rsa_free(private);
    pt_rsa_free(public);
    pt_rsa_free(foreign);
}


static pt_rsa_certificate_t  described;


static pt_rsa_t *
describe(pt_slice_t text, const char **why)
{
    memset(&described, 'x', sizeof(described));

    return pt_rsa_certificate(text, &described, why);
}


static pt_slice_t
certificate_of(EVP_PKEY *key, const char *serial, const char *name)
{
    certificate_file(&file, key, serial, name);

    return unit_mem(file.data, file.len);
}


static void
test_certificates(void **state)
{
    size_t       i, size;
    pt_rsa_t    *private, *key;
    pt_slice_t   text;
    const char  *why;

    static const struct {
        const char  *serial, *name, *written;
    } cases[] = {
        { "5157F09EFDC096DE15EBE81A47057A7232F1B8E1", "Tenpay.com sign",
          "5157F09EFDC096DE15EBE81A47057A7232F1B8E1" },
        { "A1", "1900000109", "A1" },
        { "0A01", NULL, "0A01" },
        { "a01", "x", "0A01" },
        { "1", "\xe6\x94\xaf\xe4\xbb\x98", "01" },
        { "0", "x", "0" },
    };

    private = pt_rsa_private(file_of(pair, KEYS_PKCS8), &why);

    for (i = 0; i < N(cases); i++) {
        text = certificate_of(pair, cases[i].serial, cases[i].name);
        key = describe(text, &why);

        assert_non_null(key);
        assert_string_equal(described.serial, cases[i].written);
        assert_string_equal(described.name, cases[i].name ? cases[i].name : "");
        assert_true(pt_rsa_pair(private, key));
        pt_rsa_free(key);
    }

    /* the Base64 alone, and text around it */

    size = file.len;
    keys_strip(&file);
    key = describe(unit_mem(file.data, file.len), &why);
    assert_non_null(key);
    assert_true(file.len < size);
    pt_rsa_free(key);

    key = describe(unit_fmt("WeChat's\n%.*s\n", (int) text.len, text.data),
                   &why);
    assert_non_null(key);
    pt_rsa_free(key);

    pt_rsa_free(private);
    assert_int_equal(ERR_peek_error(), 0);
}


static void
test_certificates_refused(void **state)
{
    int          i;
    EVP_PKEY    *key;
    pt_rsa_t    *taken;
    pt_slice_t   s;
    const char  *why;

    refused(describe, file_of(pair, KEYS_PKCS8), "holds a private key");
    refused(describe, file_of(pair, KEYS_ENCRYPTED), "holds a private key");
    refused(describe, file_of(pair, KEYS_SPKI), "holds a public key");
    refused(describe, pt_slice_null, "holds no certificate");
    refused(describe, unit_str("hello"), "holds no certificate");
    refused(describe, unit_repeat("A", 70000), "holds no certificate");
    refused(describe, unit_str("-----BEGIN CERTIFICATE-----\nZm9v\n"
                               "-----END CERTIFICATE-----\n"),
            "damaged certificate");
    refused(describe, unit_str("-----BEGIN CERTIFICATE REQUEST-----\nZm9v\n"
                               "-----END CERTIFICATE REQUEST-----\n"),
            "damaged certificate");
    refused(describe, certificate_of(pair, "-1", "x"), "damaged certificate");
    refused(describe, certificate_of(pair,
                            "7F57F09EFDC096DE15EBE81A47057A7232F1B8E100", "x"),
            "damaged certificate");

    s = certificate_of(pair, "1", "x");
    refused(describe, unit_fmt("%.*s%.*s", (int) s.len, s.data, (int) s.len,
                               s.data), "more than one");
    refused(pt_rsa_private, s, "holds a certificate");
    keys_strip(&file);
    refused(pt_rsa_public, keys_slice(&file), "holds a certificate");

    key = keys_make(EVP_PKEY_RSA, 1024);
    refused(describe, certificate_of(key, "1", "x"), "2048");
    EVP_PKEY_free(key);

    key = keys_make(EVP_PKEY_ED25519, 0);
    refused(describe, certificate_of(key, "1", "x"), "RSA");
    EVP_PKEY_free(key);

    s = certificate_of(pair, "1", "x");

    for (i = 0; i < 300; i++) {
        s = unit_mem(file.data, file.len);
        ((char *) s.data)[unit_below(s.len)] = unit_random();
        taken = describe(i % 2 ? s : unit_mem(s.data, unit_below(s.len)),
                         &why);
        pt_rsa_free(taken);
        assert_int_equal(ERR_peek_error(), 0);
    }
}


static int
make_keys(void **state)
{
    pair = keys_make(EVP_PKEY_RSA, 2048);
    other = keys_make(EVP_PKEY_RSA, 2048);

    return 0;
}


static int
free_keys(void **state)
{
    EVP_PKEY_free(pair);
    EVP_PKEY_free(other);

    return 0;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        unit_case(test_forms),
        unit_case(test_surroundings),
        unit_case(test_wrong_kind),
        unit_case(test_unfit),
        unit_case(test_no_key),
        unit_case(test_damaged),
        unit_case(test_damaged_number),
        unit_case(test_signatures),
        unit_case(test_certificates),
        unit_case(test_certificates_refused),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
