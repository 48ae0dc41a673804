/*
 * Slices: a pointer and a length into somebody else's memory.
 *
 * A slice owns nothing and is not terminated by a zero byte.  It is valid for
 * as long as the memory it was cut from.
 */

#ifndef PT_SLICE_H
#define PT_SLICE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>


typedef struct {
    const char  *data;
    size_t       len;
} pt_slice_t;


#define pt_slice_lit(s)  ((pt_slice_t) { s, sizeof(s) - 1 })
#define pt_slice_const(s)  { s, sizeof(s) - 1 }   /* in an initializer */
#define pt_slice_null    ((pt_slice_t) { NULL, 0 })


static inline pt_slice_t
pt_slice(const void *data, size_t len)
{
    pt_slice_t  s;

    s.data = data;
    s.len = len;

    return s;
}


static inline int
pt_slice_eq(pt_slice_t a, pt_slice_t b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}


/*
 * Cuts s at every sep into out[0..max).  Returns the number of fields that s
 * has, which may be greater than max; only the first max are written.  An
 * empty s has one empty field.
 */
size_t pt_slice_split(pt_slice_t s, char sep, pt_slice_t *out, size_t max);

/*
 * Takes the next field off *rest; returns 0 when nothing was left.  The fields
 * are those of pt_slice_split: after the last one rest->data is NULL.
 */
int pt_slice_next(pt_slice_t *rest, char sep, pt_slice_t *field);

/* Decimal digits only, no sign, no space, at most max: 0, or -1. */
int pt_slice_uint(pt_slice_t s, int64_t max, int64_t *value);

/* As pt_slice_uint, with an optional leading minus. */
int pt_slice_int(pt_slice_t s, int64_t min, int64_t max, int64_t *value);

/* Valid UTF-8 (RFC 3629: no overlong form, no surrogate): 1 or 0. */
int pt_slice_utf8(pt_slice_t s);

/* Valid UTF-8 without control characters (below 0x20, 0x7f): 1 or 0. */
int pt_slice_text(pt_slice_t s);


#endif /* PT_SLICE_H */
