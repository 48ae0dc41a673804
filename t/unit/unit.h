/*
 * What the unit tests share: memory that is freed after each test, exact
 * slices, a random sequence that is the same each time.
 *
 * Slices are copied to memory of exactly their size, so that a sanitizer sees
 * a read beyond the end.
 */

#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pt_out.h"


#define unit_case(f)  cmocka_unit_test_setup_teardown(f, unit_setup, unit_end)


typedef struct unit_block_s  unit_block_t;

struct unit_block_s {
    unit_block_t  *next;
    void          *data;
};


static unit_block_t  *unit_blocks;
static uint64_t       unit_seed;


static inline int
unit_setup(void **state)
{
    (void) state;

    unit_seed = 20260101;

    return 0;
}


static inline int
unit_end(void **state)
{
    unit_block_t  *block;

    (void) state;

    while (unit_blocks) {
        block = unit_blocks;
        unit_blocks = block->next;
        free(block->data);
        free(block);
    }

    return 0;
}


/* A pt_alloc_pt; ctx is not used. */
static inline void *
unit_alloc(void *ctx, size_t size)
{
    unit_block_t  *block;

    (void) ctx;

    block = malloc(sizeof(unit_block_t));
    assert_non_null(block);

    block->data = malloc(size ? size : 1);
    assert_non_null(block->data);

    block->next = unit_blocks;
    unit_blocks = block;

    return block->data;
}


static inline pt_slice_t
unit_mem(const void *data, size_t len)
{
    char  *copy;

    copy = unit_alloc(NULL, len);

    if (len) {
        memcpy(copy, data, len);
    }

    return pt_slice(copy, len);
}


static inline pt_slice_t
unit_str(const char *s)
{
    return unit_mem(s, strlen(s));
}


static inline pt_slice_t __attribute__((format(printf, 1, 2)))
unit_fmt(const char *fmt, ...)
{
    int      len;
    char     text[65536];
    va_list  args;

    va_start(args, fmt);
    len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    assert_in_range(len, 0, sizeof(text) - 1);

    return unit_mem(text, len);
}


/* n times the text s. */
static inline pt_slice_t
unit_repeat(const char *s, size_t n)
{
    char    *copy;
    size_t   i, len;

    len = strlen(s);
    copy = unit_alloc(NULL, len * n);

    for (i = 0; i < n; i++) {
        memcpy(copy + i * len, s, len);
    }

    return pt_slice(copy, len * n);
}


static inline void
unit_out(pt_out_t *out)
{
    pt_out_init(out, unit_alloc, NULL, 0);
}


/* What out holds, ended by a zero byte. */
static inline const char *
unit_text(const pt_out_t *out)
{
    char        *text;
    pt_slice_t   s;

    assert_false(out->failed);

    s = pt_out_slice(out);
    text = unit_alloc(NULL, s.len + 1);

    if (s.len) {
        memcpy(text, s.data, s.len);
    }

    text[s.len] = '\0';

    return text;
}


static inline void
unit_slice_is(pt_slice_t s, const char *expected)
{
    char  *text;

    text = unit_alloc(NULL, s.len + 1);

    if (s.len) {
        memcpy(text, s.data, s.len);
    }

    text[s.len] = '\0';

    assert_string_equal(text, expected);
    assert_int_equal(s.len, strlen(expected));
}


static inline uint64_t
unit_random(void)
{
    uint64_t  n;

    unit_seed += UINT64_C(0x9e3779b97f4a7c15);
    n = unit_seed;
    n = (n ^ (n >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    n = (n ^ (n >> 27)) * UINT64_C(0x94d049bb133111eb);

    return n ^ (n >> 31);
}


/* From 0 to n - 1. */
static inline uint64_t
unit_below(uint64_t n)
{
    return unit_random() % n;
}


#endif /* UNIT_H */
