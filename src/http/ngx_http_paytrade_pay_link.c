/*
 * The link of a payment: its text, its signature, the answer with it.
 *
 * A signature takes long enough to hold up other requests, so it is made in
 * nginx's thread pool; where nginx has none, or the pool is full, at once.  A
 * thread touches only what is in the request's memory, which stays until the
 * request is no longer blocked.
 */

#include "ngx_http_paytrade_pay.h"


/* Signatures of a worker in the thread pool, well below the pool's queue. */
#define NGX_HTTP_PAYTRADE_SIGNING_MAX    1024

#define NGX_HTTP_PAYTRADE_SIGNING_LONG   60000

/* A prefix and a pay_no. */
#define NGX_HTTP_PAYTRADE_OUT_TRADE_MAX  (PT_PREFIX_MAX + PT_ID_LEN)


static ngx_int_t ngx_http_paytrade_link_make(ngx_http_request_t *r);
static ngx_int_t ngx_http_paytrade_link_text(ngx_http_request_t *r);
static ngx_int_t ngx_http_paytrade_link_sign(ngx_http_request_t *r);
static void ngx_http_paytrade_link_sign_now(ngx_http_paytrade_pay_t *pay);
static ngx_int_t ngx_http_paytrade_link_reply(ngx_http_request_t *r);
static ngx_int_t ngx_http_paytrade_link_send(ngx_http_request_t *r,
    pt_slice_t url);

#if (NGX_THREADS)

static ngx_int_t ngx_http_paytrade_link_post(ngx_http_request_t *r);
static void ngx_http_paytrade_link_cleanup(void *data);
static void ngx_http_paytrade_link_thread(void *data, ngx_log_t *log);
static void ngx_http_paytrade_link_event(ngx_event_t *ev);

#endif


ngx_int_t
ngx_http_paytrade_pay_reply(ngx_http_request_t *r, pt_slice_t row,
    ngx_uint_t replayed)
{
    u_char                   *p;
    ngx_http_paytrade_ctx_t  *ctx;
    ngx_http_paytrade_pay_t  *pay;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    pay = ctx->data;

    p = ngx_pnalloc(r->pool, row.len + 1);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memcpy(p, row.len ? row.data : "", row.len);

    if (pt_payment_parse_row(&pay->payment, pt_slice(p, row.len)) != 0) {
        return NGX_DECLINED;
    }

    pay->replayed = replayed;

    if (pay->payment.status != PT_PAYMENT_UNPAID
        || !ngx_http_paytrade_makes_link(pay->gateway, pay->payment.method))
    {
        return ngx_http_paytrade_link_send(r, pt_slice_null);
    }

    return ngx_http_paytrade_link_make(r);
}


static ngx_int_t
ngx_http_paytrade_link_make(ngx_http_request_t *r)
{
    u_char                   *p;
    ngx_str_t                *prefix;
    pt_link_t                *link;
    pt_payment_t             *payment;
    ngx_http_paytrade_ctx_t  *ctx;
    ngx_http_paytrade_pay_t  *pay;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    pay = ctx->data;
    payment = &pay->payment;
    link = &pay->link;
    prefix = &ctx->worker->conf->prefix;

    p = ngx_pnalloc(r->pool, NGX_HTTP_PAYTRADE_OUT_TRADE_MAX);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    link->out_trade_no = pt_slice(p, prefix->len + payment->pay_no.len);

    p = ngx_cpymem(p, prefix->len ? prefix->data : (u_char *) "",
                   prefix->len);
    ngx_memcpy(p, payment->pay_no.data, payment->pay_no.len);

    link->method = payment->method;
    link->subject = payment->subject.len ? payment->subject
                                         : link->out_trade_no;
    link->amount = payment->amount;
    link->created_at = payment->created_at;
    link->ends_at = payment->ends_at;

    if (ngx_http_paytrade_link_text(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_paytrade_link_sign(r);
}


static ngx_int_t
ngx_http_paytrade_link_text(ngx_http_request_t *r)
{
    pt_out_t                  out;
    ngx_http_paytrade_ctx_t  *ctx;
    ngx_http_paytrade_pay_t  *pay;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    pay = ctx->data;

    ngx_http_paytrade_out_init(&out, r, 1024);

    if (pay->gateway->type->link_text(pay->gateway->conf, &pay->link, &out)
        != 0
        || out.failed)
    {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "paytrade: gateway \"%V\" makes no link for payment %*s",
                      &pay->gateway->name, pay->payment.pay_no.len,
                      pay->payment.pay_no.data);
        return NGX_ERROR;
    }

    pay->text = pt_out_slice(&out);

    return NGX_OK;
}


static ngx_int_t
ngx_http_paytrade_link_sign(ngx_http_request_t *r)
{
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

#if (NGX_THREADS)

    if (ctx->worker->conf->threads
        && ctx->worker->signing < NGX_HTTP_PAYTRADE_SIGNING_MAX)
    {
        switch (ngx_http_paytrade_link_post(r)) {

        case NGX_OK:
            return NGX_HTTP_PAYTRADE_WAITS;

        case NGX_ERROR:
            return NGX_HTTP_INTERNAL_SERVER_ERROR;

        default:                               /* NGX_DECLINED: it is full */
            break;
        }
    }

#endif

    ngx_http_paytrade_link_sign_now(ctx->data);

    return ngx_http_paytrade_link_reply(r);
}


/* In any thread. */
static void
ngx_http_paytrade_link_sign_now(ngx_http_paytrade_pay_t *pay)
{
    pay->is_signed = (pay->gateway->type->sign(pay->gateway->conf, pay->text,
                                               &pay->signature) == 0);
}


#if (NGX_THREADS)

static ngx_int_t
ngx_http_paytrade_link_post(ngx_http_request_t *r)
{
    ngx_thread_task_t        *task;
    ngx_http_paytrade_ctx_t  *ctx;
    ngx_http_paytrade_pay_t  *pay;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    pay = ctx->data;

    task = ngx_thread_task_alloc(r->pool, 0);
    if (task == NULL) {
        return NGX_ERROR;
    }

    pay->cleanup = ngx_http_cleanup_add(r, 0);
    if (pay->cleanup == NULL) {
        return NGX_ERROR;
    }

    task->ctx = pay;
    task->handler = ngx_http_paytrade_link_thread;
    task->event.data = r;
    task->event.handler = ngx_http_paytrade_link_event;
    task->event.log = r->connection->log;

    if (ngx_http_paytrade_watch(r) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_thread_task_post(ctx->worker->conf->threads, task) != NGX_OK) {
        return NGX_DECLINED;
    }

    /* without a timer a worker that leaves would not wait for the answer */

    ngx_add_timer(&task->event, NGX_HTTP_PAYTRADE_SIGNING_LONG);

    pay->cleanup->handler = ngx_http_paytrade_link_cleanup;
    pay->cleanup->data = r;

    r->main->blocked++;
    ctx->worker->signing++;

    return NGX_OK;
}


static void
ngx_http_paytrade_link_thread(void *data, ngx_log_t *log)
{
    ngx_http_paytrade_link_sign_now(data);
}


/* The request is terminated: when it is no longer blocked, it goes. */
static void
ngx_http_paytrade_link_cleanup(void *data)
{
    ngx_http_request_t *r = data;

    ngx_http_paytrade_ctx_t  *ctx;
    ngx_http_paytrade_pay_t  *pay;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    pay = ctx->data;

    pay->gone = 1;

    ngx_http_paytrade_count(ctx->worker->conf->shm_zone,
                            NGX_HTTP_PAYTRADE_CLIENTS_GONE, 1);
}


static void
ngx_http_paytrade_link_event(ngx_event_t *ev)
{
    ngx_connection_t         *c;
    ngx_http_request_t       *r;
    ngx_http_paytrade_ctx_t  *ctx;
    ngx_http_paytrade_pay_t  *pay;

    r = ev->data;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    if (ev->timedout) {
        ngx_log_error(NGX_LOG_ALERT, c->log, 0,
                      "paytrade: a signature takes longer than a minute");
        ev->timedout = 0;
        return;
    }

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    pay = ctx->data;

    pay->cleanup->handler = NULL;

    ctx->worker->signing--;
    r->main->blocked--;

    if (pay->gone) {

        /* nginx has put its own handlers there, to end the request */

        c->write->handler(c->write);
        return;
    }

    ngx_http_paytrade_finish(r, ngx_http_paytrade_link_reply(r));
}

#endif


static ngx_int_t
ngx_http_paytrade_link_reply(ngx_http_request_t *r)
{
    pt_out_t                  out;
    ngx_http_paytrade_ctx_t  *ctx;
    ngx_http_paytrade_pay_t  *pay;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    pay = ctx->data;

    ngx_http_paytrade_out_init(&out, r, 2048);

    if (!pay->is_signed
        || pay->gateway->type->link(pay->gateway->conf, &pay->link,
                                    &pay->signature, &out)
           != 0
        || out.failed)
    {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "paytrade: gateway \"%V\" cannot sign payment %*s",
                      &pay->gateway->name, pay->payment.pay_no.len,
                      pay->payment.pay_no.data);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_paytrade_link_send(r, pt_out_slice(&out));
}


static ngx_int_t
ngx_http_paytrade_link_send(ngx_http_request_t *r, pt_slice_t url)
{
    ngx_http_paytrade_ctx_t  *ctx;
    ngx_http_paytrade_pay_t  *pay;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    pay = ctx->data;

    if (pay->replayed) {
        if (ngx_http_paytrade_header(r, "Idempotency-Replayed",
                                     pt_slice_lit("true"))
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_paytrade_reply_payment(r, NGX_HTTP_OK, "replayed",
                                               &pay->payment, url);
    }

    if (ngx_http_paytrade_tell_key(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_paytrade_reply_payment(r, NGX_HTTP_CREATED, "created",
                                           &pay->payment, url);
}
