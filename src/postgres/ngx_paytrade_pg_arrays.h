/*
 * PostgreSQL's array literals, written element by element into memory that
 * grows and is used again: {"a",NULL,"b \"c\""}.
 */

#ifndef NGX_PAYTRADE_PG_ARRAYS_H
#define NGX_PAYTRADE_PG_ARRAYS_H

#include <ngx_config.h>
#include <ngx_core.h>

#include "pt_slice.h"


typedef struct {
    u_char     *start;
    u_char     *pos;
    u_char     *end;
    unsigned    failed:1;      /* out of memory; the rest is swallowed */
} ngx_paytrade_pg_array_t;


/* Empties it; what is large is given back. */
void ngx_paytrade_pg_array_reset(ngx_paytrade_pg_array_t *array);
void ngx_paytrade_pg_array_free(ngx_paytrade_pg_array_t *array);

/* Ends it: the literal, or NULL when there was no memory. */
const char *ngx_paytrade_pg_array_done(ngx_paytrade_pg_array_t *array);

void ngx_paytrade_pg_array_null(ngx_paytrade_pg_array_t *array);
void ngx_paytrade_pg_array_int(ngx_paytrade_pg_array_t *array, int64_t n);

/* Digits and the like, which need no quotes. */
void ngx_paytrade_pg_array_bare(ngx_paytrade_pg_array_t *array, pt_slice_t s);

/* Valid UTF-8 without U+0000. */
void ngx_paytrade_pg_array_text(ngx_paytrade_pg_array_t *array, pt_slice_t s);

/* As text; empty is NULL. */
void ngx_paytrade_pg_array_text_or_null(ngx_paytrade_pg_array_t *array,
    pt_slice_t s);

/* Any bytes, where text is wanted: what is not printable ASCII becomes ?. */
void ngx_paytrade_pg_array_safe(ngx_paytrade_pg_array_t *array, pt_slice_t s,
    size_t max);

/* Any bytes, as bytea. */
void ngx_paytrade_pg_array_bytes(ngx_paytrade_pg_array_t *array, pt_slice_t s);


#endif /* NGX_PAYTRADE_PG_ARRAYS_H */
