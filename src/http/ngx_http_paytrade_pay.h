/*
 * Payments: what the files that start one, tell of one and settle it share.
 */

#ifndef NGX_HTTP_PAYTRADE_PAY_H
#define NGX_HTTP_PAYTRADE_PAY_H

#include "ngx_http_paytrade.h"


/* ctx->data of a request that starts a payment. */
typedef struct {
    pt_pay_t                      pay;
    ngx_http_paytrade_gateway_t  *gateway;
    ngx_uint_t                    partition;   /* of all its orders */
    pt_slice_t                    unknown;     /* one that can be no order */
    pt_payment_t                  payment;     /* in the request's memory */
    pt_link_t                     link;
    pt_slice_t                    text;        /* to be signed */
    pt_signature_t                signature;
    ngx_uint_t                    is_signed;   /* set in any thread */
    ngx_http_cleanup_t           *cleanup;
    unsigned                      replayed:1;
    unsigned                      gone:1;      /* the client, while we sign */
} ngx_http_paytrade_pay_t;


/*
 * ngx_http_paytrade_pay.c: the methods for which the gateway makes a link,
 * ending with NULL; every gateway also takes PT_METHOD_EXTERNAL.
 */
const char *const *ngx_http_paytrade_methods(
    ngx_http_paytrade_gateway_t *gateway);
ngx_uint_t ngx_http_paytrade_makes_link(ngx_http_paytrade_gateway_t *gateway,
    pt_slice_t method);

/*
 * ngx_http_paytrade_step.c: as stored_order and reply_order, of a payment.  ask
 * returns what ngx_http_paytrade_call_pg does.
 */
ngx_int_t ngx_http_paytrade_ask_payment(ngx_http_request_t *r,
    pt_slice_t pay_no, ngx_http_paytrade_call_pt handler);
ngx_int_t ngx_http_paytrade_stored_payment(ngx_http_request_t *r,
    pt_slice_t pay_no, ngx_http_paytrade_call_pt handler);
ngx_int_t ngx_http_paytrade_reply_payment(ngx_http_request_t *r,
    ngx_uint_t status, const char *result, pt_payment_t *payment,
    pt_slice_t pay_url);

/* ngx_http_paytrade_pay_answer.c */
void ngx_http_paytrade_pay_answer(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);

/*
 * ngx_http_paytrade_pay_link.c: answers with a payment, and with its link as
 * long as it is unpaid, where the gateway makes one.  The row is copied.  A
 * step; NGX_DECLINED when it is not a payment's row.
 */
ngx_int_t ngx_http_paytrade_pay_reply(ngx_http_request_t *r, pt_slice_t row,
    ngx_uint_t replayed);


#endif /* NGX_HTTP_PAYTRADE_PAY_H */
