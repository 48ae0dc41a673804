/*
 * AES with keys of 256 bits, opening only: GCM, whose tag is checked before a
 * byte is shown, and ECB with PKCS#7 padding, which proves nothing.
 */

#ifndef PT_AES_H
#define PT_AES_H

#include "pt_slice.h"


#define PT_AES_KEY_LEN    32
#define PT_AES_BLOCK_LEN  16
#define PT_AES_TAG_LEN    16
#define PT_AES_NONCE_LEN  12


typedef enum {
    PT_AES_OK = 0,
    PT_AES_BAD,                        /* not made with this key */
    PT_AES_FAILED                      /* OpenSSL has no memory */
} pt_aes_e;


/*
 * The text has the tag at its end; dst has room for text.len bytes and is wiped
 * when the tag does not fit.  A nonce of other than 12 bytes is bad.
 */
pt_aes_e pt_aes_gcm_open(const unsigned char key[PT_AES_KEY_LEN],
    pt_slice_t nonce, pt_slice_t aad, pt_slice_t text, unsigned char *dst,
    size_t *len);

/*
 * PKCS#7 padding is always there; dst has room for text.len bytes.  Of 256
 * texts that were made with another key one looks padded as well: what comes
 * out is to be distrusted.
 */
pt_aes_e pt_aes_ecb_open(const unsigned char key[PT_AES_KEY_LEN],
    pt_slice_t text, unsigned char *dst, size_t *len);


#endif /* PT_AES_H */
