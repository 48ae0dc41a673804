/*
 * Secrets that a gateway shares with the shop, and what is made with them:
 * HMAC-SHA256, comparing in constant time.
 *
 * Several may live at once, so that one can be replaced without a loss.  They
 * are wiped when they are freed, and never shown.
 */

#ifndef PT_SECRET_H
#define PT_SECRET_H

#include "pt_slice.h"


#define PT_SECRETS_MAX  8
#define PT_SECRET_MAX   128
#define PT_SHA256_LEN   32


typedef struct {
    unsigned char    data[PT_SECRET_MAX];
    size_t           len;
} pt_secret_t;


/* In the order in which they were added. */
typedef struct {
    pt_secret_t      list[PT_SECRETS_MAX];
    size_t           n;
} pt_secrets_t;


/* What a file holds, without one line end at its end. */
pt_slice_t pt_secret_line(pt_slice_t file);

/*
 * Copies one, which must be new: 0, or -1 with a sentence in *why as
 * pt_gateway.h wants it.
 */
int pt_secrets_add(pt_secrets_t *secrets, pt_slice_t secret,
    const char **why);

void pt_secrets_wipe(pt_secrets_t *secrets);

/* Of all parts, one after another: 0, or -1 when OpenSSL fails. */
int pt_hmac_sha256(const pt_secret_t *secret, const pt_slice_t *parts,
    size_t n, unsigned char mac[PT_SHA256_LEN]);

/* 1 or 0, in a time that depends on the lengths alone. */
int pt_secret_eq(const void *a, size_t a_len, const void *b, size_t b_len);

/*
 * Hexadecimal digits of either case to bytes: 0 with the length, or -1, also
 * when more than size bytes come out.
 */
int pt_hex_decode(pt_slice_t text, unsigned char *dst, size_t size,
    size_t *len);


#endif /* PT_SECRET_H */
