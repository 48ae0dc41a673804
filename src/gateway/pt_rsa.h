/*
 * RSA keys, also those in certificates, and signatures: SHA-256 with PKCS#1
 * v1.5, 2048 bits and more.
 *
 * A key is read-only, so any number of threads may use one.
 */

#ifndef PT_RSA_H
#define PT_RSA_H

#include "pt_slice.h"


#define PT_RSA_BITS_MIN  2048
#define PT_RSA_BITS_MAX  8192
#define PT_RSA_SIZE_MAX  (PT_RSA_BITS_MAX / 8)


/* A serial number has 20 bytes at most, in hexadecimal digits. */
#define PT_RSA_SERIAL_MAX  40
#define PT_RSA_NAME_MAX    64


/* What OpenSSL calls an EVP_PKEY. */
typedef struct evp_pkey_st  pt_rsa_t;


typedef struct {
    char         serial[PT_RSA_SERIAL_MAX + 1];   /* upper case, two a byte */
    char         name[PT_RSA_NAME_MAX + 1];       /* the subject's, or empty */
} pt_rsa_certificate_t;


/*
 * A key from what is in a file: PEM, or its Base64 alone, as consoles show it.
 * Private keys are PKCS#8 or PKCS#1, public ones SubjectPublicKeyInfo or
 * PKCS#1.  NULL with a sentence in *why, which begins with a verb and names
 * the remedy.
 */
pt_rsa_t *pt_rsa_private(pt_slice_t file, const char **why);
pt_rsa_t *pt_rsa_public(pt_slice_t file, const char **why);

/*
 * The key of the one certificate in a file, and what it is called.  Whether it
 * is signed by somebody, and when it ends, is not looked at: the file is
 * trusted.
 */
pt_rsa_t *pt_rsa_certificate(pt_slice_t file,
    pt_rsa_certificate_t *certificate, const char **why);

/* NULL is fine. */
void pt_rsa_free(pt_rsa_t *key);

/* The length of its signatures, in bytes. */
size_t pt_rsa_size(const pt_rsa_t *key);

/* dst has room for pt_rsa_size() bytes, which it gets: 0 or -1. */
int pt_rsa_sign(const pt_rsa_t *key, pt_slice_t text, unsigned char *dst);

/* 1 or 0. */
int pt_rsa_verify(const pt_rsa_t *key, pt_slice_t text,
    const unsigned char *signature, size_t len);

/* Whether they are the two halves of one pair: 1 or 0. */
int pt_rsa_pair(const pt_rsa_t *private_key, const pt_rsa_t *public_key);


#endif /* PT_RSA_H */
