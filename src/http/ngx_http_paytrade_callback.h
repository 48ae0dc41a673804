/*
 * Callbacks of gateways: what paytrade_notify and paytrade_verify share.
 */

#ifndef NGX_HTTP_PAYTRADE_CALLBACK_H
#define NGX_HTTP_PAYTRADE_CALLBACK_H

#include "ngx_http_paytrade.h"


/* Nothing has become of a callback yet. */
#define NGX_HTTP_PAYTRADE_CALLBACK_NONE  NGX_HTTP_PAYTRADE_CALLBACKS


/*
 * Before the body is read: CALLBACK_NONE, or why it may not come in: TOO_LARGE,
 * THROTTLED with the time to wait in *ms, UNAVAILABLE.  One that came in leaves
 * once it is verified, or with its request.
 */
ngx_uint_t ngx_http_paytrade_callback_enter(ngx_http_request_t *r,
    ngx_http_paytrade_gateway_t *gateway, ngx_msec_t *ms);
void ngx_http_paytrade_callback_leave(ngx_http_paytrade_ctx_t *ctx);

/*
 * The notice, and those that follow it, live in the pool and in the body.
 * genuine is set of each that may be believed.
 */
pt_verify_e ngx_http_paytrade_callback_verify(ngx_http_request_t *r,
    ngx_http_paytrade_gateway_t *gateway, ngx_pool_t *pool, pt_slice_t body,
    pt_notice_t *notice);

/* The variables of a genuine one; what it tells is copied. */
ngx_int_t ngx_http_paytrade_callback_vars(ngx_http_request_t *r,
    pt_notice_t *notice);

/* Without our prefix; empty when it has another. */
pt_slice_t ngx_http_paytrade_callback_pay_no(ngx_http_request_t *r,
    pt_slice_t out_trade_no);

/* $paytrade_verify: a word that lives. */
void ngx_http_paytrade_callback_set_verify(ngx_http_paytrade_ctx_t *ctx,
    const char *word);

void ngx_http_paytrade_callback_count(ngx_http_request_t *r,
    ngx_http_paytrade_gateway_t *gateway, ngx_uint_t callback);

/* One that was refused: the address is charged, the log is told. */
void ngx_http_paytrade_callback_refused(ngx_http_request_t *r,
    ngx_http_paytrade_gateway_t *gateway, pt_verify_e result);

/* In the log, once a second at most. */
void ngx_http_paytrade_callback_tell(ngx_http_request_t *r, const char *what,
    pt_slice_t why);


#endif /* NGX_HTTP_PAYTRADE_CALLBACK_H */
