/*
 * paytrade_notify: what its files share.
 */

#ifndef NGX_HTTP_PAYTRADE_NOTIFY_H
#define NGX_HTTP_PAYTRADE_NOTIFY_H

#include "ngx_http_paytrade_pay.h"


/* ctx->data of a callback. */
typedef struct {
    ngx_http_paytrade_gateway_t  *gateway;
    pt_notice_t                   notice;
    pt_slice_t                    pay_no;      /* empty: not one of ours */
    ngx_uint_t                    partition;
    ngx_event_t                   deadline;
    unsigned                      known:1;     /* its orphan is a success */
    unsigned                      answered:1;
} ngx_http_paytrade_notify_t;


/*
 * ngx_http_paytrade_notify_answer.c: gives the notice to Redis, and what then
 * follows; a step.
 */
ngx_int_t ngx_http_paytrade_notify_settle(ngx_http_request_t *r);

/* ngx_http_paytrade_notify_orphan.c: a notice that fits no payment in Redis. */
ngx_int_t ngx_http_paytrade_notify_unknown(ngx_http_request_t *r);
ngx_int_t ngx_http_paytrade_notify_record(ngx_http_request_t *r,
    const char *reason);

/* Answers as the gateway wants it, and counts; what finalizes the request. */
ngx_int_t ngx_http_paytrade_notify_reply(ngx_http_request_t *r,
    ngx_uint_t callback, pt_answer_e answer);
/* Ask again; or so because Redis or PostgreSQL could not tell. */
ngx_int_t ngx_http_paytrade_notify_later(ngx_http_request_t *r);
ngx_int_t ngx_http_paytrade_notify_failed(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);

/* In the log, once a second at most. */
void ngx_http_paytrade_notify_tell(ngx_http_request_t *r, const char *what,
    pt_slice_t why);


#endif /* NGX_HTTP_PAYTRADE_NOTIFY_H */
