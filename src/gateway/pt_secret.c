/*
 * Secrets: kept, wiped, and used for HMAC-SHA256.
 */

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "pt_secret.h"


pt_slice_t
pt_secret_line(pt_slice_t file)
{
    if (file.len && file.data[file.len - 1] == '\n') {
        file.len--;

        if (file.len && file.data[file.len - 1] == '\r') {
            file.len--;
        }
    }

    return file;
}


int
pt_secrets_add(pt_secrets_t *secrets, pt_slice_t secret, const char **why)
{
    size_t        i;
    pt_secret_t  *added;

    if (secrets->n == PT_SECRETS_MAX) {
        *why = "is one secret too many, 8 are the most: remove old ones";
        return -1;
    }

    if (secret.len == 0 || secret.len > PT_SECRET_MAX) {
        *why = "holds no secret of 1 to 128 bytes: write the path of the "
               "right file";
        return -1;
    }

    for (i = 0; i < secrets->n; i++) {
        added = &secrets->list[i];

        if (pt_secret_eq(added->data, added->len, secret.data, secret.len)) {
            *why = "is given twice: remove one";
            return -1;
        }
    }

    added = &secrets->list[secrets->n++];
    added->len = secret.len;
    memcpy(added->data, secret.data, secret.len);

    return 0;
}


void
pt_secrets_wipe(pt_secrets_t *secrets)
{
    OPENSSL_cleanse(secrets, sizeof(pt_secrets_t));
}


int
pt_hmac_sha256(const pt_secret_t *secret, const pt_slice_t *parts, size_t n,
    unsigned char mac[PT_SHA256_LEN])
{
    int          rc;
    size_t       i, len;
    EVP_PKEY    *key;
    EVP_MD_CTX  *ctx;

    key = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, secret->data,
                                       secret->len);
    ctx = EVP_MD_CTX_new();

    rc = key && ctx
         && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1;

    for (i = 0; rc && i < n; i++) {
        rc = parts[i].len == 0
             || EVP_DigestSignUpdate(ctx, parts[i].data, parts[i].len) == 1;
    }

    len = PT_SHA256_LEN;

    rc = rc && EVP_DigestSignFinal(ctx, mac, &len) == 1
         && len == PT_SHA256_LEN;

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);

    return rc ? 0 : -1;
}


int
pt_secret_eq(const void *a, size_t a_len, const void *b, size_t b_len)
{
    return a_len == b_len && CRYPTO_memcmp(a, b, a_len) == 0;
}


static int
pt_hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }

    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }

    return -1;
}


int
pt_hex_decode(pt_slice_t text, unsigned char *dst, size_t size, size_t *len)
{
    int     high, low;
    size_t  i;

    if (text.len % 2 || text.len / 2 > size) {
        return -1;
    }

    for (i = 0; i < text.len / 2; i++) {
        high = pt_hex_digit(text.data[2 * i]);
        low = pt_hex_digit(text.data[2 * i + 1]);

        if (high < 0 || low < 0) {
            return -1;
        }

        dst[i] = (unsigned char) (high << 4 | low);
    }

    *len = text.len / 2;

    return 0;
}
