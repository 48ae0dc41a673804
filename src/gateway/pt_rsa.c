/*
 * RSA keys, certificates and signatures, with OpenSSL 1.1.1 or 3.
 *
 * No error of ours is left in OpenSSL's queue: it would be taken for one of
 * somebody's TLS connection.
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

#include "pt_base64.h"
#include "pt_rsa.h"


/* DER of a private key of 8192 bits has 4.7 kilobytes. */
#define PT_RSA_DER_MAX   16384
#define PT_RSA_FILE_MAX  65536


typedef enum {
    PT_RSA_PRIVATE = 0,
    PT_RSA_PUBLIC,
    PT_RSA_ENCRYPTED,
    PT_RSA_CERTIFICATE,
    PT_RSA_UNKNOWN
} pt_rsa_kind_e;


/* What a file held, in DER, which is wiped when it is done with. */
typedef struct {
    pt_rsa_kind_e   kind;
    unsigned char   der[PT_RSA_DER_MAX];
    size_t          len;
} pt_rsa_file_t;


static const char *
pt_rsa_none(pt_rsa_kind_e wanted)
{
    return wanted == PT_RSA_CERTIFICATE
           ? "holds no certificate: write the path of a PEM file that does"
           : "holds no RSA key: write the path of a PEM file that does";
}


static const char *
pt_rsa_damaged(pt_rsa_kind_e wanted)
{
    return wanted == PT_RSA_CERTIFICATE
           ? "holds a damaged certificate: download it again"
           : "holds a damaged key: copy or make it again";
}


static pt_rsa_kind_e
pt_rsa_kind(const char *name, const char *header)
{
    /* an old encrypted key has Proc-Type: 4,ENCRYPTED in its header */

    if (strcmp(name, "ENCRYPTED PRIVATE KEY") == 0 || header[0] != '\0') {
        return PT_RSA_ENCRYPTED;
    }

    if (strcmp(name, "PRIVATE KEY") == 0
        || strcmp(name, "RSA PRIVATE KEY") == 0)
    {
        return PT_RSA_PRIVATE;
    }

    if (strcmp(name, "PUBLIC KEY") == 0
        || strcmp(name, "RSA PUBLIC KEY") == 0)
    {
        return PT_RSA_PUBLIC;
    }

    if (strstr(name, "CERTIFICATE") != NULL) {
        return PT_RSA_CERTIFICATE;
    }

    return PT_RSA_UNKNOWN;
}


static int
pt_rsa_pem(pt_slice_t file, pt_rsa_kind_e wanted, pt_rsa_file_t *found,
    const char **why)
{
    int             rc, blocks;
    BIO            *bio;
    char           *name, *header;
    long            len;
    unsigned char  *data;

    bio = BIO_new_mem_buf(file.data, file.len);
    if (bio == NULL) {
        *why = "cannot be read: there is no memory";
        return -1;
    }

    rc = 0;

    for (blocks = 0; PEM_read_bio(bio, &name, &header, &data, &len); blocks++) {
        if (blocks == 0 && len <= PT_RSA_DER_MAX) {
            found->kind = pt_rsa_kind(name, header);
            found->len = len;
            memcpy(found->der, data, len);

        } else {
            *why = "holds more than one key or certificate: write each to a "
                   "file of its own";
            rc = -1;
        }

        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(data, len);
    }

    BIO_free(bio);

    if (blocks == 0) {
        *why = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE
               ? pt_rsa_none(wanted) : pt_rsa_damaged(wanted);
        rc = -1;
    }

    return rc;
}


/* The Base64 alone, maybe in several lines. */
static int
pt_rsa_bare(pt_slice_t file, pt_rsa_file_t *found)
{
    int     rc;
    char    text[PT_RSA_DER_MAX / 3 * 4];
    size_t  i, n;

    n = 0;
    rc = 0;

    for (i = 0; i < file.len; i++) {
        if (file.data[i] == ' ' || file.data[i] == '\t'
            || file.data[i] == '\r' || file.data[i] == '\n')
        {
            continue;
        }

        if (n == sizeof(text)) {
            rc = -1;
            break;
        }

        text[n++] = file.data[i];
    }

    if (rc == 0) {
        rc = pt_base64_decode(pt_slice(text, n), found->der, PT_RSA_DER_MAX,
                              &found->len);
    }

    OPENSSL_cleanse(text, sizeof(text));

    return rc == 0 && found->len ? 0 : -1;
}


static X509 *
pt_rsa_x509(const pt_rsa_file_t *found)
{
    X509                 *x509;
    const unsigned char  *p;

    p = found->der;
    x509 = d2i_X509(NULL, &p, found->len);

    if (x509 && p != found->der + found->len) {
        X509_free(x509);
        return NULL;
    }

    return x509;
}


static pt_rsa_t *
pt_rsa_from_x509(const pt_rsa_file_t *found)
{
    X509      *x509;
    pt_rsa_t  *key;

    x509 = pt_rsa_x509(found);
    key = x509 ? X509_get_pubkey(x509) : NULL;

    X509_free(x509);

    return key;
}


static pt_rsa_t *
pt_rsa_from_der(const pt_rsa_file_t *found, pt_rsa_kind_e kind)
{
    pt_rsa_t             *key;
    const unsigned char  *p;

    if (kind == PT_RSA_CERTIFICATE) {
        return pt_rsa_from_x509(found);
    }

    p = found->der;

    if (kind == PT_RSA_PRIVATE) {
        key = d2i_AutoPrivateKey(NULL, &p, found->len);

    } else {
        key = d2i_PUBKEY(NULL, &p, found->len);

        if (key == NULL) {
            p = found->der;
            key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, found->len);
        }
    }

    if (key && p != found->der + found->len) {
        EVP_PKEY_free(key);
        return NULL;
    }

    return key;
}


/* Base64 alone does not tell what it holds. */
static pt_rsa_t *
pt_rsa_guess(pt_rsa_file_t *found)
{
    size_t     i;
    pt_rsa_t  *key;

    static const pt_rsa_kind_e  kinds[] = {
        PT_RSA_PUBLIC, PT_RSA_PRIVATE, PT_RSA_CERTIFICATE
    };

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        key = pt_rsa_from_der(found, kinds[i]);

        if (key) {
            found->kind = kinds[i];
            return key;
        }
    }

    return NULL;
}


/* A certificate is wanted. */
static const char *
pt_rsa_not_certificate(pt_rsa_kind_e kind)
{
    switch (kind) {

    case PT_RSA_CERTIFICATE:
        return NULL;

    case PT_RSA_PRIVATE:
    case PT_RSA_ENCRYPTED:
        return "holds a private key: write the path of the gateway's "
               "certificate";

    case PT_RSA_PUBLIC:
        return "holds a public key: write the path of a certificate here, "
               "that of a key as public_key";

    default:
        return pt_rsa_none(PT_RSA_CERTIFICATE);
    }
}


static const char *
pt_rsa_wrong_kind(pt_rsa_kind_e kind, pt_rsa_kind_e wanted)
{
    if (wanted == PT_RSA_CERTIFICATE) {
        return pt_rsa_not_certificate(kind);
    }

    if (kind == PT_RSA_CERTIFICATE) {
        return "holds a certificate: write the path of a file with the key "
               "itself";
    }

    if (kind == PT_RSA_ENCRYPTED) {
        return wanted == PT_RSA_PRIVATE
               ? "holds a key with a passphrase: take it off, with "
                 "\"openssl pkey -in OLD -out NEW\""
               : "holds a private key: write the path of the gateway's public "
                 "key";
    }

    if (kind == PT_RSA_PRIVATE && wanted == PT_RSA_PUBLIC) {
        return "holds a private key: write the path of the gateway's public "
               "key";
    }

    if (kind == PT_RSA_PUBLIC && wanted == PT_RSA_PRIVATE) {
        return "holds a public key: write the path of your application's "
               "private key";
    }

    return kind == wanted ? NULL : pt_rsa_none(wanted);
}


static const char *
pt_rsa_unfit(const pt_rsa_t *key, pt_rsa_kind_e kind)
{
    int  bits;

    if (EVP_PKEY_base_id(key) != EVP_PKEY_RSA) {
        return "holds a key that is not for RSA: write the path of an RSA key";
    }

    bits = EVP_PKEY_bits(key);

    if (bits < PT_RSA_BITS_MIN) {
        return "holds an RSA key with less than 2048 bits: make a longer one";
    }

    if (bits > PT_RSA_BITS_MAX) {
        return "holds an RSA key with more than 8192 bits: make a shorter one";
    }

    /* a private key holds the public one besides; damage shows in a trial */

    if (kind == PT_RSA_PRIVATE && !pt_rsa_pair(key, key)) {
        return pt_rsa_damaged(kind);
    }

    return NULL;
}


static pt_rsa_t *
pt_rsa_read(pt_slice_t file, pt_rsa_kind_e wanted, pt_rsa_file_t *found,
    const char **why)
{
    pt_rsa_t  *key;

    if (file.len == 0 || file.len > PT_RSA_FILE_MAX) {
        *why = pt_rsa_none(wanted);
        return NULL;
    }

    if (pt_rsa_bare(file, found) == 0) {
        key = pt_rsa_guess(found);

    } else if (pt_rsa_pem(file, wanted, found, why) != 0) {
        return NULL;

    } else {
        key = found->kind == wanted ? pt_rsa_from_der(found, wanted) : NULL;

        if (key == NULL && found->kind == wanted) {
            *why = pt_rsa_damaged(wanted);
            return NULL;
        }
    }

    *why = pt_rsa_wrong_kind(found->kind, wanted);

    if (*why == NULL && key) {
        *why = pt_rsa_unfit(key, wanted);
    }

    if (*why) {
        EVP_PKEY_free(key);
        return NULL;
    }

    return key;
}


/* Two digits a byte, as most programs write it: 0 or -1. */
static int
pt_rsa_serial(const X509 *x509, char *serial)
{
    int      rc;
    char    *hex;
    BIGNUM  *n;

    n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x509), NULL);
    hex = n ? BN_bn2hex(n) : NULL;

    rc = hex && hex[0] != '-' && strlen(hex) <= PT_RSA_SERIAL_MAX ? 0 : -1;

    if (rc == 0) {
        strcpy(serial, hex);
    }

    OPENSSL_free(hex);
    BN_free(n);

    return rc;
}


static int
pt_rsa_describe(const pt_rsa_file_t *found, pt_rsa_certificate_t *certificate)
{
    int    rc;
    X509  *x509;

    x509 = pt_rsa_x509(found);
    if (x509 == NULL) {
        return -1;
    }

    certificate->name[0] = '\0';
    (void) X509_NAME_get_text_by_NID(X509_get_subject_name(x509),
                                     NID_commonName, certificate->name,
                                     sizeof(certificate->name));

    rc = pt_rsa_serial(x509, certificate->serial);

    X509_free(x509);

    return rc;
}


static pt_rsa_t *
pt_rsa_load(pt_slice_t file, pt_rsa_kind_e wanted,
    pt_rsa_certificate_t *certificate, const char **why)
{
    pt_rsa_t       *key;
    pt_rsa_file_t   found;

    found.kind = PT_RSA_UNKNOWN;
    found.len = 0;

    ERR_set_mark();

    key = pt_rsa_read(file, wanted, &found, why);

    if (key && certificate && pt_rsa_describe(&found, certificate) != 0) {
        *why = pt_rsa_damaged(wanted);
        EVP_PKEY_free(key);
        key = NULL;
    }

    ERR_pop_to_mark();

    OPENSSL_cleanse(&found, sizeof(found));

    return key;
}


pt_rsa_t *
pt_rsa_private(pt_slice_t file, const char **why)
{
    return pt_rsa_load(file, PT_RSA_PRIVATE, NULL, why);
}


pt_rsa_t *
pt_rsa_public(pt_slice_t file, const char **why)
{
    return pt_rsa_load(file, PT_RSA_PUBLIC, NULL, why);
}


pt_rsa_t *
pt_rsa_certificate(pt_slice_t file, pt_rsa_certificate_t *certificate,
    const char **why)
{
    return pt_rsa_load(file, PT_RSA_CERTIFICATE, certificate, why);
}


void
pt_rsa_free(pt_rsa_t *key)
{
    EVP_PKEY_free(key);
}


size_t
pt_rsa_size(const pt_rsa_t *key)
{
    return EVP_PKEY_size((pt_rsa_t *) key);
}


int
pt_rsa_sign(const pt_rsa_t *key, pt_slice_t text, unsigned char *dst)
{
    int          rc;
    size_t       len;
    EVP_MD_CTX  *ctx;

    ERR_set_mark();

    rc = -1;
    len = pt_rsa_size(key);
    ctx = EVP_MD_CTX_new();

    if (ctx
        && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, (pt_rsa_t *) key)
           == 1
        && EVP_DigestSign(ctx, dst, &len, (const unsigned char *) text.data,
                          text.len)
           == 1
        && len == pt_rsa_size(key))
    {
        rc = 0;
    }

    EVP_MD_CTX_free(ctx);
    ERR_pop_to_mark();

    return rc;
}


int
pt_rsa_verify(const pt_rsa_t *key, pt_slice_t text,
    const unsigned char *signature, size_t len)
{
    int          ok;
    EVP_MD_CTX  *ctx;

    if (len != pt_rsa_size(key)) {
        return 0;
    }

    ERR_set_mark();

    ctx = EVP_MD_CTX_new();

    ok = ctx
         && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL,
                                 (pt_rsa_t *) key)
            == 1
         && EVP_DigestVerify(ctx, signature, len,
                             (const unsigned char *) text.data, text.len)
            == 1;

    EVP_MD_CTX_free(ctx);
    ERR_pop_to_mark();

    return ok;
}


int
pt_rsa_pair(const pt_rsa_t *private_key, const pt_rsa_t *public_key)
{
    pt_slice_t     text;
    unsigned char  signature[PT_RSA_SIZE_MAX];

    text = pt_slice_lit("paytrade");

    return pt_rsa_size(private_key) <= sizeof(signature)
           && pt_rsa_sign(private_key, text, signature) == 0
           && pt_rsa_verify(public_key, text, signature,
                            pt_rsa_size(private_key));
}
