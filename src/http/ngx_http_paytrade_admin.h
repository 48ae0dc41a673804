/*
 * What the files of paytrade_items and paytrade_admin share.
 */

#ifndef NGX_HTTP_PAYTRADE_ADMIN_H
#define NGX_HTTP_PAYTRADE_ADMIN_H

#include "ngx_http_paytrade.h"


/* ngx_http_paytrade_items.c: an item as buyers or as operators see it. */
ngx_int_t ngx_http_paytrade_item(ngx_http_request_t *r, pt_slice_t sku,
    ngx_uint_t for_operator);
ngx_int_t ngx_http_paytrade_reply_item(ngx_http_request_t *r,
    ngx_uint_t status, const char *result, pt_slice_t row,
    ngx_uint_t for_operator);

/* ngx_http_paytrade_admin_items.c, _orders.c: an operator's changes. */
ngx_int_t ngx_http_paytrade_admin_put(ngx_http_request_t *r, pt_slice_t sku);
ngx_int_t ngx_http_paytrade_admin_restock(ngx_http_request_t *r,
    pt_slice_t sku);
ngx_int_t ngx_http_paytrade_admin_pause(ngx_http_request_t *r,
    pt_slice_t sale);
ngx_int_t ngx_http_paytrade_admin_cancel(ngx_http_request_t *r,
    pt_slice_t order_id);

/*
 * Reads a body, which may be missing, into *json, freed with the request.
 * NGX_OK, or NGX_DECLINED and what was answered in *rc.
 */
ngx_int_t ngx_http_paytrade_admin_json(ngx_http_request_t *r, pt_slice_t body,
    cJSON **json, ngx_int_t *rc);

/* NGX_OK: the partition may be changed; NGX_DECLINED: *rc has answered. */
ngx_int_t ngx_http_paytrade_admin_open(ngx_http_request_t *r,
    ngx_uint_t partition, ngx_int_t *rc);

/* A script said no_epoch: nothing was put on sale yet, or Redis was emptied. */
ngx_int_t ngx_http_paytrade_admin_no_epoch(ngx_http_request_t *r,
    ngx_uint_t partition, pt_problem_e unknown);


#endif /* NGX_HTTP_PAYTRADE_ADMIN_H */
