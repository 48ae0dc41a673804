/*
 * Writing text: plain, JSON strings, money and times, into memory that grows.
 *
 * The caller gives an allocator (nginx a pool, tests malloc).  When it fails,
 * the writer is marked as failed and swallows the rest; the caller tests
 * out.failed once, at the end.
 */

#ifndef PT_OUT_H
#define PT_OUT_H

#include "pt_slice.h"


/* Returns size bytes that live as long as the output, or NULL. */
typedef void *(*pt_alloc_pt)(void *ctx, size_t size);


typedef struct {
    char         *start;
    char         *pos;
    char         *end;
    pt_alloc_pt   alloc;
    void         *ctx;
    unsigned      failed:1;
} pt_out_t;


void pt_out_init(pt_out_t *out, pt_alloc_pt alloc, void *ctx, size_t hint);

/* What was written so far. */
pt_slice_t pt_out_slice(const pt_out_t *out);

void pt_out_mem(pt_out_t *out, const void *data, size_t len);
void pt_out_str(pt_out_t *out, const char *s);
void pt_out_put(pt_out_t *out, pt_slice_t s);
void pt_out_char(pt_out_t *out, char c);
void pt_out_int(pt_out_t *out, int64_t n);

/* A JSON string with its quotes; s must be valid UTF-8. */
void pt_out_json(pt_out_t *out, pt_slice_t s);

/* Minor units as a decimal: 500000 with 2 decimals is 5000.00. */
void pt_out_money(pt_out_t *out, int64_t minor, unsigned decimals);

/* RFC 3339 in UTC with milliseconds: 2026-01-01T00:00:00.000Z. */
void pt_out_time(pt_out_t *out, int64_t ms);


#endif /* PT_OUT_H */
