/*
 * Base64 in its one canonical form.
 */

#include "pt_base64.h"


/* The six bits of a character; -1: not one of the alphabet. */
static int
pt_base64_bits(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }

    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }

    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }

    if (c == '+') {
        return 62;
    }

    return c == '/' ? 63 : -1;
}


int
pt_base64_decode(pt_slice_t text, unsigned char *dst, size_t size, size_t *len)
{
    int       bits;
    size_t    i, n, pad;
    uint32_t  word;

    if (text.len % 4 != 0) {
        return -1;
    }

    pad = 0;

    while (pad < 2 && text.len > pad && text.data[text.len - 1 - pad] == '=') {
        pad++;
    }

    if (text.len / 4 * 3 - pad > size) {
        return -1;
    }

    n = 0;
    word = 0;

    for (i = 0; i < text.len - pad; i++) {
        bits = pt_base64_bits(text.data[i]);
        if (bits == -1) {
            return -1;
        }

        word = word << 6 | bits;

        if (i % 4 != 0) {
            dst[n++] = word >> (6 - i % 4 * 2) & 0xff;
        }
    }

    /* what the last character has beyond the last byte must be zero */

    if (pad && (word & ((1 << (2 * pad)) - 1)) != 0) {
        return -1;
    }

    *len = n;

    return 0;
}


void
pt_base64_encode(pt_out_t *out, const unsigned char *data, size_t len)
{
    char      text[4];
    size_t    i, n;
    uint32_t  word;

    static const char  alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (i = 0; i < len; i += 3) {
        n = len - i < 3 ? len - i : 3;

        word = (uint32_t) data[i] << 16;
        word |= n > 1 ? (uint32_t) data[i + 1] << 8 : 0;
        word |= n > 2 ? data[i + 2] : 0;

        text[0] = alphabet[word >> 18];
        text[1] = alphabet[word >> 12 & 63];
        text[2] = n > 1 ? alphabet[word >> 6 & 63] : '=';
        text[3] = n > 2 ? alphabet[word & 63] : '=';

        pt_out_mem(out, text, sizeof(text));
    }
}
