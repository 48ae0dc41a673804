/*
 * Alipay's certificates: the key in one, and the numbers that the requests of
 * an application in certificate mode carry.
 *
 * A certificate's number is MD5 of its issuer, the most particular part of the
 * name first, and its serial number in decimal digits.  That of the roots is
 * the numbers of those that are signed with RSA.
 */

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "pt_alipay.h"


#define PT_ALIPAY_CERT_FILE_MAX  65536
#define PT_ALIPAY_OID_MAX        128

/* All signatures of RSA are below this object identifier. */
#define PT_ALIPAY_OID_RSA        "1.2.840.113549.1.1"


static const char  pt_alipay_no_cert[] =
    "holds no certificate in PEM: write the path of the .crt file from "
    "Alipay's console";

static const char  pt_alipay_damaged[] =
    "holds a damaged certificate: download it again";


static int
pt_alipay_is_cert(const char *name)
{
    return strcmp(name, PEM_STRING_X509) == 0
           || strcmp(name, PEM_STRING_X509_OLD) == 0;
}


/* The next certificate; NULL at the end, or with a sentence in *why. */
static X509 *
pt_alipay_next_cert(BIO *bio, const char **why)
{
    char                 *name, *header;
    long                  len;
    X509                 *cert;
    unsigned char        *data;
    const unsigned char  *p;

    *why = NULL;

    if (!PEM_read_bio(bio, &name, &header, &data, &len)) {
        if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
            *why = pt_alipay_damaged;
        }

        return NULL;
    }

    cert = NULL;

    if (pt_alipay_is_cert(name)) {
        p = data;
        cert = d2i_X509(NULL, &p, len);

        if (cert == NULL || p != data + len) {
            X509_free(cert);
            cert = NULL;
            *why = pt_alipay_damaged;
        }

    } else {
        *why = strstr(name, "PRIVATE KEY")
               ? "holds a private key: write the path of a certificate"
               : pt_alipay_no_cert;
    }

    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_clear_free(data, len);

    return cert;
}


static int
pt_alipay_put_entry(BIO *bio, X509_NAME_ENTRY *entry, int first)
{
    int             len, nid, rc;
    char            oid[PT_ALIPAY_OID_MAX];
    ASN1_OBJECT    *object;
    unsigned char  *value;

    object = X509_NAME_ENTRY_get_object(entry);
    nid = OBJ_obj2nid(object);

    if (nid == NID_undef) {
        OBJ_obj2txt(oid, sizeof(oid), object, 1);
    }

    len = ASN1_STRING_to_UTF8(&value, X509_NAME_ENTRY_get_data(entry));
    if (len < 0) {
        return -1;
    }

    rc = BIO_printf(bio, "%s%s=", first ? "" : ",",
                    nid == NID_undef ? oid : OBJ_nid2sn(nid)) > 0
         && (len == 0 || BIO_write(bio, value, len) == len);

    OPENSSL_free(value);

    return rc ? 0 : -1;
}


/* The text whose MD5 is the number. */
static int
pt_alipay_put_issuer(BIO *bio, X509 *cert)
{
    int               i, n, rc;
    char             *digits;
    BIGNUM           *serial;
    const X509_NAME  *issuer;

    issuer = X509_get_issuer_name(cert);
    n = X509_NAME_entry_count(issuer);

    for (i = n - 1; i >= 0; i--) {
        if (pt_alipay_put_entry(bio, X509_NAME_get_entry(issuer, i),
                                i == n - 1)
            != 0)
        {
            return -1;
        }
    }

    serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
    digits = serial ? BN_bn2dec(serial) : NULL;
    rc = digits && BIO_puts(bio, digits) > 0 ? 0 : -1;

    OPENSSL_free(digits);
    BN_free(serial);

    return rc;
}


static int
pt_alipay_cert_sn(X509 *cert, char sn[PT_ALIPAY_SN_LEN])
{
    int                   rc;
    BIO                  *bio;
    long                  len;
    char                 *text;
    size_t                i;
    unsigned char         md5[PT_ALIPAY_SN_LEN / 2];

    static const char     hex[] = "0123456789abcdef";

    bio = BIO_new(BIO_s_mem());
    if (bio == NULL) {
        return -1;
    }

    rc = pt_alipay_put_issuer(bio, cert);

    if (rc == 0) {
        len = BIO_get_mem_data(bio, &text);
        rc = EVP_Digest(text, len, md5, NULL, EVP_md5(), NULL) == 1 ? 0 : -1;
    }

    BIO_free(bio);

    for (i = 0; rc == 0 && i < sizeof(md5); i++) {
        sn[2 * i] = hex[md5[i] >> 4];
        sn[2 * i + 1] = hex[md5[i] & 15];
    }

    return rc;
}


/* The certificate's key goes the way of all keys, to be judged like them. */
static pt_rsa_t *
pt_alipay_cert_key(X509 *cert, const char **why)
{
    BIO       *bio;
    long       len;
    char      *text;
    EVP_PKEY  *found;
    pt_rsa_t  *key;

    found = X509_get_pubkey(cert);
    bio = BIO_new(BIO_s_mem());

    if (found && bio && PEM_write_bio_PUBKEY(bio, found) == 1) {
        len = BIO_get_mem_data(bio, &text);
        key = pt_rsa_public(pt_slice(text, len), why);

    } else {
        *why = pt_alipay_damaged;
        key = NULL;
    }

    BIO_free(bio);
    EVP_PKEY_free(found);

    return key;
}


pt_rsa_t *
pt_alipay_certificate(pt_slice_t file, char sn[PT_ALIPAY_SN_LEN],
    const char **why)
{
    BIO       *bio;
    X509      *cert, *next;
    pt_rsa_t  *key;

    if (file.len == 0 || file.len > PT_ALIPAY_CERT_FILE_MAX) {
        *why = pt_alipay_no_cert;
        return NULL;
    }

    ERR_set_mark();

    key = NULL;
    bio = BIO_new_mem_buf(file.data, file.len);
    cert = bio ? pt_alipay_next_cert(bio, why) : NULL;

    if (cert) {
        key = pt_alipay_cert_key(cert, why);

        if (key && pt_alipay_cert_sn(cert, sn) != 0) {
            pt_rsa_free(key);
            key = NULL;
            *why = "cannot be numbered: this OpenSSL has no MD5, or no memory";
        }

        X509_free(cert);

    } else if (bio == NULL || *why == NULL) {
        *why = pt_alipay_no_cert;
    }

    /* those that issued it may follow */

    while (key && (next = pt_alipay_next_cert(bio, why)) != NULL) {
        X509_free(next);
    }

    if (key && *why) {
        pt_rsa_free(key);
        key = NULL;
    }

    BIO_free(bio);
    ERR_pop_to_mark();

    return key;
}


static int
pt_alipay_is_rsa(const X509 *cert)
{
    char                 oid[PT_ALIPAY_OID_MAX];
    const X509_ALGOR    *algorithm;
    const ASN1_OBJECT   *object;

    X509_get0_signature(NULL, &algorithm, cert);
    X509_ALGOR_get0(&object, NULL, NULL, algorithm);
    OBJ_obj2txt(oid, sizeof(oid), object, 1);

    return strncmp(oid, PT_ALIPAY_OID_RSA, sizeof(PT_ALIPAY_OID_RSA) - 1) == 0;
}


int
pt_alipay_roots(pt_slice_t file, char sns[PT_ALIPAY_ROOTS_LEN + 1],
    const char **why)
{
    BIO     *bio;
    X509    *cert;
    size_t   len;

    len = 0;
    sns[0] = '\0';

    ERR_set_mark();

    bio = file.len <= PT_ALIPAY_CERT_FILE_MAX
          ? BIO_new_mem_buf(file.data, file.len) : NULL;
    *why = pt_alipay_no_cert;

    while (bio && (cert = pt_alipay_next_cert(bio, why)) != NULL) {
        if (!pt_alipay_is_rsa(cert)) {
            X509_free(cert);
            continue;
        }

        if (len + PT_ALIPAY_SN_LEN > PT_ALIPAY_ROOTS_LEN) {
            *why = "holds more than 8 root certificates with RSA: write the "
                   "path of alipayRootCert.crt";

        } else if (pt_alipay_cert_sn(cert, sns + len) != 0) {
            *why = "cannot be numbered: this OpenSSL has no MD5, or no memory";

        } else {
            len += PT_ALIPAY_SN_LEN;
            sns[len++] = '_';
        }

        X509_free(cert);

        if (*why) {
            break;
        }
    }

    BIO_free(bio);
    ERR_pop_to_mark();

    if (len == 0 && *why == NULL) {
        *why = "holds no root certificate with RSA: write the path of "
               "alipayRootCert.crt";
    }

    if (*why) {
        sns[0] = '\0';
        return -1;
    }

    sns[len - 1] = '\0';

    return 0;
}
