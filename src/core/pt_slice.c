/*
 * Slices: cutting, numbers, and which bytes are text.
 */

#include "pt_slice.h"


size_t
pt_slice_split(pt_slice_t s, char sep, pt_slice_t *out, size_t max)
{
    size_t      n;
    pt_slice_t  rest, field;

    n = 0;
    rest = s.data == NULL ? pt_slice("", 0) : s;

    while (pt_slice_next(&rest, sep, &field)) {
        if (n < max) {
            out[n] = field;
        }

        n++;
    }

    return n;
}


int
pt_slice_next(pt_slice_t *rest, char sep, pt_slice_t *field)
{
    size_t       len;
    const char  *p;

    if (rest->data == NULL) {
        return 0;
    }

    p = memchr(rest->data, sep, rest->len);

    if (p == NULL) {
        *field = *rest;
        *rest = pt_slice_null;

        return 1;
    }

    len = p - rest->data;
    *field = pt_slice(rest->data, len);
    *rest = pt_slice(p + 1, rest->len - len - 1);

    return 1;
}


int
pt_slice_uint(pt_slice_t s, int64_t max, int64_t *value)
{
    size_t   i;
    int64_t  n, digit;

    if (s.len == 0 || max < 0) {
        return -1;
    }

    n = 0;

    for (i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return -1;
        }

        digit = s.data[i] - '0';

        if (n > (max - digit) / 10 || digit > max) {
            return -1;
        }

        n = n * 10 + digit;
    }

    *value = n;

    return 0;
}


int
pt_slice_int(pt_slice_t s, int64_t min, int64_t max, int64_t *value)
{
    int64_t  n;

    if (s.len == 0 || s.data[0] != '-') {
        if (pt_slice_uint(s, max, &n) != 0 || n < min) {
            return -1;
        }

        *value = n;

        return 0;
    }

    s.data++;
    s.len--;

    /* the least of all has no positive twin */

    if (min == INT64_MIN
        && pt_slice_eq(s, pt_slice_lit("9223372036854775808")))
    {
        *value = INT64_MIN;
        return 0;
    }

    if (pt_slice_uint(s, INT64_MAX, &n) != 0 || -n < min || -n > max) {
        return -1;
    }

    *value = -n;

    return 0;
}


/* The length of the character at p, or 0 when it is not UTF-8. */
static size_t
pt_slice_utf8_char(const unsigned char *p, size_t left)
{
    size_t         len, i;
    unsigned char  low, high;

    low = 0x80;
    high = 0xbf;

    if (p[0] < 0x80) {
        return 1;
    }

    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        len = 2;

    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        len = 3;
        low = p[0] == 0xe0 ? 0xa0 : 0x80;
        high = p[0] == 0xed ? 0x9f : 0xbf;

    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        len = 4;
        low = p[0] == 0xf0 ? 0x90 : 0x80;
        high = p[0] == 0xf4 ? 0x8f : 0xbf;

    } else {
        return 0;
    }

    if (left < len || p[1] < low || p[1] > high) {
        return 0;
    }

    for (i = 2; i < len; i++) {
        if (p[i] < 0x80 || p[i] > 0xbf) {
            return 0;
        }
    }

    return len;
}


int
pt_slice_utf8(pt_slice_t s)
{
    size_t                left, n;
    uint64_t              word;
    const unsigned char  *p;

    p = (const unsigned char *) s.data;
    left = s.len;

    while (left) {

        if (left >= sizeof(word)) {
            memcpy(&word, p, sizeof(word));

            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                p += sizeof(word);
                left -= sizeof(word);
                continue;
            }
        }

        n = pt_slice_utf8_char(p, left);

        if (n == 0) {
            return 0;
        }

        p += n;
        left -= n;
    }

    return 1;
}


int
pt_slice_text(pt_slice_t s)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if (c < 0x20 || c == 0x7f) {
            return 0;
        }
    }

    return pt_slice_utf8(s);
}
