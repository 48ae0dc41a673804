/*
 * Keys for tests of gateways, made anew in each run, and their files.
 */

#ifndef KEYS_H
#define KEYS_H

#include <stdio.h>
#include <stdlib.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "pt_slice.h"


#define KEYS_FILE_MAX  16384


typedef enum {
    KEYS_PKCS8 = 0,
    KEYS_PKCS1,
    KEYS_ENCRYPTED,
    KEYS_ENCRYPTED_PKCS1,
    KEYS_SPKI,
    KEYS_PKCS1_PUBLIC
} keys_form_e;


typedef struct {
    char    data[KEYS_FILE_MAX];
    size_t  len;
} keys_file_t;


#define keys_check(condition)                                                 \
    if (!(condition)) {                                                       \
        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);       \
        abort();                                                              \
    }


static inline EVP_PKEY *
keys_make(int type, int bits)
{
    EVP_PKEY      *key;
    EVP_PKEY_CTX  *ctx;

    key = NULL;
    ctx = EVP_PKEY_CTX_new_id(type, NULL);

    keys_check(ctx && EVP_PKEY_keygen_init(ctx) == 1);
    keys_check(type != EVP_PKEY_RSA
               || EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, bits) == 1);
    keys_check(EVP_PKEY_keygen(ctx, &key) == 1);

    EVP_PKEY_CTX_free(ctx);

    return key;
}


static inline void
keys_write_public(BIO *bio, EVP_PKEY *key)
{
    int             len;
    unsigned char  *der;

    der = NULL;
    len = i2d_PublicKey(key, &der);

    keys_check(len > 0);
    keys_check(PEM_write_bio(bio, "RSA PUBLIC KEY", "", der, len));

    OPENSSL_free(der);
}


static inline void
keys_file(keys_file_t *file, EVP_PKEY *key, keys_form_e form)
{
    int    rc;
    BIO   *bio;
    char   passphrase[] = "secret";

    rc = 1;
    bio = BIO_new(BIO_s_mem());
    keys_check(bio != NULL);

    switch (form) {

    case KEYS_PKCS8:
        rc = PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
        break;

    case KEYS_PKCS1:
        rc = PEM_write_bio_PrivateKey_traditional(bio, key, NULL, NULL, 0,
                                                  NULL, NULL);
        break;

    case KEYS_ENCRYPTED:
        rc = PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_128_cbc(),
                                           passphrase, 6, NULL, NULL);
        break;

    case KEYS_ENCRYPTED_PKCS1:
        rc = PEM_write_bio_PrivateKey_traditional(bio, key, EVP_aes_128_cbc(),
                                          (unsigned char *) passphrase, 6,
                                          NULL, NULL);
        break;

    case KEYS_SPKI:
        rc = PEM_write_bio_PUBKEY(bio, key);
        break;

    case KEYS_PKCS1_PUBLIC:
        keys_write_public(bio, key);
        break;
    }

    keys_check(rc == 1);

    file->len = BIO_read(bio, file->data, sizeof(file->data));
    keys_check(file->len > 0 && file->len < sizeof(file->data));

    BIO_free(bio);
}


static inline pt_slice_t
keys_slice(const keys_file_t *file)
{
    return pt_slice(file->data, file->len);
}


/* Takes the armour off: the Base64 alone, in one line. */
static inline void
keys_strip(keys_file_t *file)
{
    char        *pos;
    pt_slice_t   rest, line;

    pos = file->data;
    rest = keys_slice(file);

    while (pt_slice_next(&rest, '\n', &line)) {
        if (line.len && line.data[0] != '-') {
            memmove(pos, line.data, line.len);
            pos += line.len;
        }
    }

    file->len = pos - file->data;
}


#endif /* KEYS_H */
