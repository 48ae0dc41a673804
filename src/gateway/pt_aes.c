/*
 * AES with keys of 256 bits: opening what gateways seal with GCM and ECB.
 */

#include <limits.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include "pt_aes.h"


/* *len is what was written, also when the end does not fit. */
static pt_aes_e
pt_aes_run(EVP_CIPHER_CTX *ctx, pt_slice_t text, unsigned char *dst,
    size_t *len)
{
    int  n;

    n = 0;
    *len = 0;

    if (text.len > 0
        && EVP_DecryptUpdate(ctx, dst, &n, (const unsigned char *) text.data,
                             text.len)
           != 1)
    {
        return PT_AES_FAILED;
    }

    *len = n;

    if (EVP_DecryptFinal_ex(ctx, dst + n, &n) != 1) {
        return PT_AES_BAD;
    }

    *len += n;

    return PT_AES_OK;
}


static pt_aes_e
pt_aes_gcm(EVP_CIPHER_CTX *ctx, const unsigned char *key, pt_slice_t nonce,
    pt_slice_t aad, pt_slice_t text, unsigned char *dst, size_t *len)
{
    int            n;
    unsigned char  tag[PT_AES_TAG_LEN];

    text.len -= PT_AES_TAG_LEN;
    memcpy(tag, text.data + text.len, PT_AES_TAG_LEN);

    /* 12 bytes of nonce are what GCM has unless told otherwise */

    if (EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key,
                           (const unsigned char *) nonce.data)
           != 1
        || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, PT_AES_TAG_LEN, tag)
           != 1)
    {
        return PT_AES_FAILED;
    }

    if (aad.len > 0
        && EVP_DecryptUpdate(ctx, NULL, &n, (const unsigned char *) aad.data,
                             aad.len)
           != 1)
    {
        return PT_AES_FAILED;
    }

    return pt_aes_run(ctx, text, dst, len);
}


pt_aes_e
pt_aes_gcm_open(const unsigned char key[PT_AES_KEY_LEN], pt_slice_t nonce,
    pt_slice_t aad, pt_slice_t text, unsigned char *dst, size_t *len)
{
    pt_aes_e         rc;
    EVP_CIPHER_CTX  *ctx;

    if (nonce.len != PT_AES_NONCE_LEN || text.len < PT_AES_TAG_LEN
        || text.len > INT_MAX || aad.len > INT_MAX)
    {
        return PT_AES_BAD;
    }

    ERR_set_mark();

    ctx = EVP_CIPHER_CTX_new();
    rc = ctx ? pt_aes_gcm(ctx, key, nonce, aad, text, dst, len)
             : PT_AES_FAILED;

    if (rc != PT_AES_OK) {
        OPENSSL_cleanse(dst, text.len);
    }

    EVP_CIPHER_CTX_free(ctx);
    ERR_pop_to_mark();

    return rc;
}


pt_aes_e
pt_aes_ecb_open(const unsigned char key[PT_AES_KEY_LEN], pt_slice_t text,
    unsigned char *dst, size_t *len)
{
    pt_aes_e         rc;
    EVP_CIPHER_CTX  *ctx;

    if (text.len == 0 || text.len % PT_AES_BLOCK_LEN || text.len > INT_MAX) {
        return PT_AES_BAD;
    }

    ERR_set_mark();

    ctx = EVP_CIPHER_CTX_new();

    /* the padding is PKCS#7's unless told otherwise */

    if (ctx
        && EVP_DecryptInit_ex(ctx, EVP_aes_256_ecb(), NULL, key, NULL) == 1)
    {
        rc = pt_aes_run(ctx, text, dst, len);

    } else {
        rc = PT_AES_FAILED;
    }

    if (rc != PT_AES_OK) {
        OPENSSL_cleanse(dst, text.len);
    }

    EVP_CIPHER_CTX_free(ctx);
    ERR_pop_to_mark();

    return rc;
}
