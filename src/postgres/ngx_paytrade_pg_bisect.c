/*
 * Bisecting: a stack of the ranges that are still to be tried, the first on
 * top.
 */

#include "ngx_paytrade_pg_bisect.h"


void
ngx_paytrade_pg_bisect_start(ngx_paytrade_pg_bisect_t *bisect, ngx_uint_t n)
{
    bisect->ranges[0].first = 0;
    bisect->ranges[0].n = n;
    bisect->nranges = 1;
}


ngx_paytrade_pg_range_t *
ngx_paytrade_pg_bisect_range(ngx_paytrade_pg_bisect_t *bisect)
{
    return bisect->nranges ? &bisect->ranges[bisect->nranges - 1] : NULL;
}


void
ngx_paytrade_pg_bisect_next(ngx_paytrade_pg_bisect_t *bisect)
{
    bisect->nranges--;
}


ngx_int_t
ngx_paytrade_pg_bisect_split(ngx_paytrade_pg_bisect_t *bisect)
{
    ngx_uint_t                half;
    ngx_paytrade_pg_range_t  *left, *right;

    right = &bisect->ranges[bisect->nranges - 1];

    if (right->n < 2) {
        return NGX_DECLINED;
    }

    left = &bisect->ranges[bisect->nranges++];
    half = right->n / 2;

    left->first = right->first;
    left->n = half;

    right->first += half;
    right->n -= half;

    return NGX_OK;
}
