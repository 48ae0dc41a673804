/*
 * paytrade_notify: what its files share.
 *
 * A callback has one notice or several, which are taken one after another.  A
 * step about one of them returns NGX_HTTP_PAYTRADE_WAITS, or NGX_OK when it has
 * concluded.
 */

#ifndef NGX_HTTP_PAYTRADE_NOTIFY_H
#define NGX_HTTP_PAYTRADE_NOTIFY_H

#include "ngx_http_paytrade_callback.h"
#include "ngx_http_paytrade_pay.h"


/* ctx->data of a callback. */
typedef struct {
    ngx_http_paytrade_gateway_t  *gateway;
    pt_notice_t                   first;
    pt_notice_t                  *notice;      /* the one at hand */
    pt_notice_t                  *next;        /* those to come */
    pt_slice_t                    pay_no;      /* empty: not one of ours */
    ngx_uint_t                    partition;
    ngx_uint_t                    callback;    /* of all of it: what became */
    pt_answer_e                   answer;      /* of it, and the answer */
    ngx_event_t                   deadline;
    unsigned                      known:1;     /* its orphan is a success */
    unsigned                      answered:1;
} ngx_http_paytrade_notify_t;


/* ngx_http_paytrade_notify.c: after a step of a call, whatever comes next. */
void ngx_http_paytrade_notify_continue(ngx_http_request_t *r, ngx_int_t rc);

/*
 * ngx_http_paytrade_notify_answer.c: gives the notice to Redis, and what then
 * follows; a step.
 */
ngx_int_t ngx_http_paytrade_notify_settle(ngx_http_request_t *r);

/* ngx_http_paytrade_notify_orphan.c: a notice that fits no payment in Redis. */
ngx_int_t ngx_http_paytrade_notify_unknown(ngx_http_request_t *r);
ngx_int_t ngx_http_paytrade_notify_record(ngx_http_request_t *r,
    const char *reason);

/*
 * What became of a notice, counted; NGX_OK.  later: ask again; failed: so
 * because Redis or PostgreSQL could not tell.
 */
ngx_int_t ngx_http_paytrade_notify_conclude(ngx_http_request_t *r,
    ngx_uint_t callback, pt_answer_e answer);
ngx_int_t ngx_http_paytrade_notify_later(ngx_http_request_t *r);
ngx_int_t ngx_http_paytrade_notify_failed(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);

/* Answers as the gateway wants it; what finalizes the request. */
ngx_int_t ngx_http_paytrade_notify_reply(ngx_http_request_t *r);


#endif /* NGX_HTTP_PAYTRADE_NOTIFY_H */
