/*
 * AES: published vectors, and everything that must not open.
 */

#include <openssl/err.h>
#include <openssl/evp.h>

#include "pt_aes.h"
#include "pt_secret.h"
#include "unit.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))


typedef struct {
    const char  *key, *nonce, *aad, *text, *sealed, *tag;
} vector_t;


/* From the paper that defines GCM (McGrew, Viega), test cases 13 to 16. */
static const vector_t  vectors[] = {
    { "0000000000000000000000000000000000000000000000000000000000000000",
      "000000000000000000000000", "", "", "",
      "530f8afbc74536b9a963b4f1c4cb738b" },
    { "0000000000000000000000000000000000000000000000000000000000000000",
      "000000000000000000000000", "", "00000000000000000000000000000000",
      "cea7403d4d606b6e074ec5d3baf39d18",
      "d0d1c8a799996bf0265b98b5d48ab919" },
    { "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
      "cafebabefacedbaddecaf888", "",
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
      "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
      "b094dac5d93471bdec1a502270e3cc6c" },
    { "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
      "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
      "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
      "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
      "76fc6ece0f4e1768cddf8853bb2d551b" },
};


static pt_slice_t
hex(const char *text)
{
    size_t          len;
    unsigned char  *data;

    len = strlen(text) / 2;
    data = unit_alloc(NULL, len);
    assert_int_equal(pt_hex_decode(unit_str(text), data, len, &len), 0);

    return pt_slice(data, len);
}


static const unsigned char *
bytes(pt_slice_t s)
{
    return (const unsigned char *) s.data;
}


static void
test_gcm_vectors(void **state)
{
    size_t          i, len;
    pt_slice_t      sealed, text;
    unsigned char  *out;

    for (i = 0; i < N(vectors); i++) {
        sealed = hex(unit_fmt("%s%s%c", vectors[i].sealed, vectors[i].tag, 0)
                     .data);
        text = hex(vectors[i].text);
        out = unit_alloc(NULL, sealed.len);

        assert_int_equal(pt_aes_gcm_open(bytes(hex(vectors[i].key)),
                                         hex(vectors[i].nonce),
                                         hex(vectors[i].aad), sealed, out,
                                         &len), PT_AES_OK);
        assert_int_equal(len, text.len);
        assert_true(pt_slice_eq(pt_slice(out, len), text));
    }
}


static void
test_gcm_refused(void **state)
{
    char           *p;
    size_t          i, k, len;
    pt_slice_t      key, nonce, aad, sealed, parts[4];
    unsigned char   out[128];

    parts[0] = key = hex(vectors[3].key);
    parts[1] = nonce = hex(vectors[3].nonce);
    parts[2] = aad = hex(vectors[3].aad);
    parts[3] = sealed = hex(unit_fmt("%s%s%c", vectors[3].sealed,
                                     vectors[3].tag, 0).data);

    /* each bit of everything, the tag among it */

    for (k = 0; k < N(parts); k++) {
        p = (char *) parts[k].data;

        for (i = 0; i < parts[k].len * 8; i++) {
            p[i / 8] ^= 1 << i % 8;
            memset(out, 'x', sizeof(out));
            assert_int_equal(pt_aes_gcm_open(bytes(key), nonce, aad, sealed,
                                             out, &len), PT_AES_BAD);
            p[i / 8] ^= 1 << i % 8;

            /* not a byte is shown of what nobody vouches for */

            assert_int_equal(out[0], 0);
            assert_int_equal(out[sealed.len - PT_AES_TAG_LEN - 1], 0);
        }
    }

    for (i = 0; i < sealed.len; i++) {
        assert_int_equal(pt_aes_gcm_open(bytes(key), nonce, aad,
                                         unit_mem(sealed.data, i), out, &len),
                         PT_AES_BAD);
    }

    for (i = 0; i < 32; i++) {
        assert_int_equal(pt_aes_gcm_open(bytes(key), unit_repeat("a", i), aad,
                                         sealed, out, &len), PT_AES_BAD);
    }

    assert_int_equal(pt_aes_gcm_open(bytes(key), nonce, pt_slice_null, sealed,
                                     out, &len), PT_AES_BAD);
    assert_int_equal(pt_aes_gcm_open(bytes(key), nonce, aad, pt_slice_null,
                                     out, &len), PT_AES_BAD);
    assert_int_equal(ERR_peek_error(), 0);

    assert_int_equal(pt_aes_gcm_open(bytes(key), nonce, aad, sealed, out,
                                     &len), PT_AES_OK);
}


/*
 * NIST SP 800-38A, F.1.5, behind which stands one block of padding; and what
 * "openssl enc -aes-256-ecb" makes of 5 bytes with the key of 32 "k".
 */
static void
test_ecb_vectors(void **state)
{
    size_t          len;
    pt_slice_t      sealed;
    unsigned char   out[80];

    static const char  key[] =
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4";

    sealed = hex("f3eed1bdb5d2a03c064b5a7e3db181f8"
                 "591ccb10d410ed26dc5ba74a31362870"
                 "b6ed21b99ca6f4f9f153e7b1beafed1d"
                 "23304b7a39f9f3ff067d8d8f9e24ecc7"
                 "4c45dfb3b3b484ec35b0512dc8c1c4d6");

    assert_int_equal(pt_aes_ecb_open(bytes(hex(key)), sealed, out, &len),
                     PT_AES_OK);
    assert_true(pt_slice_eq(pt_slice(out, len),
                            hex("6bc1bee22e409f96e93d7e117393172a"
                                "ae2d8a571e03ac9c9eb76fac45af8e51"
                                "30c81c46a35ce411e5fbc1191a0a52ef"
                                "f69f2445df4f9b17ad2b417be66c3710")));

    assert_int_equal(pt_aes_ecb_open(bytes(unit_repeat("k", 32)),
                                     hex("f40560883a70837deffe33e38fef9960"),
                                     out, &len), PT_AES_OK);
    unit_slice_is(pt_slice(out, len), "hello");
}


/* Seals without padding: the caller has written it. */
static pt_slice_t
seal_blocks(const unsigned char *key, pt_slice_t text)
{
    int              n;
    unsigned char   *sealed;
    EVP_CIPHER_CTX  *ctx;

    ctx = EVP_CIPHER_CTX_new();
    sealed = unit_alloc(NULL, text.len);

    assert_int_equal(EVP_EncryptInit_ex(ctx, EVP_aes_256_ecb(), NULL, key,
                                        NULL), 1);
    assert_int_equal(EVP_CIPHER_CTX_set_padding(ctx, 0), 1);
    assert_int_equal(EVP_EncryptUpdate(ctx, sealed, &n, bytes(text), text.len),
                     1);
    assert_int_equal(n, text.len);

    EVP_CIPHER_CTX_free(ctx);

    return pt_slice(sealed, text.len);
}


static void
test_ecb_padding(void **state)
{
    size_t                i, k, len, left;
    unsigned char         text[48], *out;
    const unsigned char  *key;

    key = bytes(unit_repeat("k", 32));

    for (i = 1; i <= sizeof(text); i++) {
        memset(text, 'x', sizeof(text));

        for (k = sizeof(text) - i; k < sizeof(text); k++) {
            text[k] = i;
        }

        out = unit_alloc(NULL, sizeof(text));
        left = sizeof(text) - i;

        if (i > 16) {
            assert_int_equal(pt_aes_ecb_open(key, seal_blocks(key,
                                    pt_slice(text, sizeof(text))), out, &len),
                             PT_AES_BAD);
            continue;
        }

        assert_int_equal(pt_aes_ecb_open(key, seal_blocks(key,
                                    pt_slice(text, sizeof(text))), out, &len),
                         PT_AES_OK);
        assert_int_equal(len, left);
        assert_memory_equal(out, text, left);

        /* one byte of the padding is another */

        if (i > 1) {
            text[sizeof(text) - i] ^= 0x40;
            assert_int_equal(pt_aes_ecb_open(key, seal_blocks(key,
                                    pt_slice(text, sizeof(text))), out, &len),
                             PT_AES_BAD);
            assert_int_equal(out[0], 0);
        }
    }

    memset(text, 0, sizeof(text));
    assert_int_equal(pt_aes_ecb_open(key, seal_blocks(key,
                                    pt_slice(text, sizeof(text))), out, &len),
                     PT_AES_BAD);
}


static void
test_ecb_refused(void **state)
{
    size_t          i, len;
    unsigned char  *out;

    for (i = 0; i < 64; i++) {
        if (i % 16 == 0 && i > 0) {
            continue;
        }

        out = unit_alloc(NULL, i);
        assert_int_equal(pt_aes_ecb_open(bytes(unit_repeat("k", 32)),
                                         unit_repeat("a", i), out, &len),
                         PT_AES_BAD);
    }

    assert_int_equal(ERR_peek_error(), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        unit_case(test_gcm_vectors),
        unit_case(test_gcm_refused),
        unit_case(test_ecb_vectors),
        unit_case(test_ecb_padding),
        unit_case(test_ecb_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
