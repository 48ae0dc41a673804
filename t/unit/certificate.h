/*
 * Certificates for tests: signed by themselves, with a serial number and a
 * name as one likes.
 */

#ifndef CERTIFICATE_H
#define CERTIFICATE_H

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/x509.h>

#include "keys.h"


/* The serial number is in hexadecimal; no name: an empty subject. */
static inline void
certificate_file(keys_file_t *file, EVP_PKEY *key, const char *serial,
    const char *name)
{
    BIO        *bio;
    X509       *x509;
    BIGNUM     *n;
    X509_NAME  *subject;

    n = NULL;
    bio = BIO_new(BIO_s_mem());
    x509 = X509_new();
    subject = X509_NAME_new();

    keys_check(bio && x509 && subject && BN_hex2bn(&n, serial) > 0);
    keys_check(BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x509)) != NULL);
    keys_check(name == NULL
               || X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                      (const unsigned char *) name, -1, -1, 0)
                  == 1);
    keys_check(X509_set_version(x509, 2) == 1
               && X509_set_subject_name(x509, subject) == 1
               && X509_set_issuer_name(x509, subject) == 1
               && X509_gmtime_adj(X509_getm_notBefore(x509), -86400)
               && X509_gmtime_adj(X509_getm_notAfter(x509), 86400)
               && X509_set_pubkey(x509, key) == 1);
    keys_check(X509_sign(x509, key, EVP_PKEY_base_id(key) == EVP_PKEY_ED25519
                                    ? NULL : EVP_sha256()) > 0);
    keys_check(PEM_write_bio_X509(bio, x509) == 1);

    file->len = BIO_read(bio, file->data, sizeof(file->data));
    keys_check(file->len > 0 && file->len < sizeof(file->data));

    X509_NAME_free(subject);
    X509_free(x509);
    BIO_free(bio);
    BN_free(n);
}


#endif /* CERTIFICATE_H */
