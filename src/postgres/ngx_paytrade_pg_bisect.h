/*
 * Bisecting: which part of a batch is to be tried next, when some of its
 * operations are poison.
 */

#ifndef NGX_PAYTRADE_PG_BISECT_H
#define NGX_PAYTRADE_PG_BISECT_H

#include <ngx_config.h>
#include <ngx_core.h>


/* Each split halves the last range, so this is deep enough for any number. */
#define NGX_PAYTRADE_PG_BISECT_DEPTH  (8 * sizeof(ngx_uint_t) + 1)


typedef struct {
    ngx_uint_t                first;
    ngx_uint_t                n;
} ngx_paytrade_pg_range_t;


typedef struct {
    ngx_paytrade_pg_range_t   ranges[NGX_PAYTRADE_PG_BISECT_DEPTH];
    ngx_uint_t                nranges;
} ngx_paytrade_pg_bisect_t;


void ngx_paytrade_pg_bisect_start(ngx_paytrade_pg_bisect_t *bisect,
    ngx_uint_t n);

/* The range to be tried, or NULL when all is done. */
ngx_paytrade_pg_range_t *ngx_paytrade_pg_bisect_range(
    ngx_paytrade_pg_bisect_t *bisect);

/* It is done with, for good or bad. */
void ngx_paytrade_pg_bisect_next(ngx_paytrade_pg_bisect_t *bisect);

/* It failed: its halves are to be tried.  NGX_DECLINED: it has only one. */
ngx_int_t ngx_paytrade_pg_bisect_split(ngx_paytrade_pg_bisect_t *bisect);


#endif /* NGX_PAYTRADE_PG_BISECT_H */
