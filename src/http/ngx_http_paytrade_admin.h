/*
 * What the files of paytrade_items and paytrade_admin share.
 */

#ifndef NGX_HTTP_PAYTRADE_ADMIN_H
#define NGX_HTTP_PAYTRADE_ADMIN_H

#include "ngx_http_paytrade.h"


/*
 * A step returns NGX_HTTP_PAYTRADE_WAITS when a call is under way (NGX_AGAIN is
 * an answer that the client has not yet taken), else what finalizes the
 * request.  Three ways to give that to nginx: from the content handler, from
 * the handler of a body, from the handler of a call.
 */
#define NGX_HTTP_PAYTRADE_WAITS  NGX_BUSY

ngx_int_t ngx_http_paytrade_wait(ngx_http_request_t *r, ngx_int_t rc);
void ngx_http_paytrade_wait_body(ngx_http_request_t *r, ngx_int_t rc);
void ngx_http_paytrade_wait_call(ngx_http_request_t *r, ngx_int_t rc);

/* What a step returns after it has started a call, or could not. */
ngx_int_t ngx_http_paytrade_started(ngx_http_request_t *r, ngx_int_t rc);

/* While no call is under way: the client may leave. */
ngx_int_t ngx_http_paytrade_watch(ngx_http_request_t *r);

/* 405 with the methods that are allowed. */
ngx_int_t ngx_http_paytrade_bad_method(ngx_http_request_t *r,
    const char *allow);

pt_slice_t ngx_http_paytrade_currency(ngx_http_paytrade_worker_t *worker);

/* The first word of a reply, and what follows it; empty when it failed. */
pt_slice_t ngx_http_paytrade_word(ngx_http_paytrade_call_t *call,
    pt_slice_t *rest);

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
