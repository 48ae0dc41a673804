/*
 * Callbacks that are genuine, but fit no payment in Redis.
 *
 * The payment may be old, then PostgreSQL knows it.  All others are somebody's
 * money: they are recorded, once, and the gateway is asked to try again.
 */

#include "ngx_http_paytrade_notify.h"
#include "ngx_paytrade_pg_queries.h"


static void ngx_http_paytrade_notify_stored(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static ngx_int_t ngx_http_paytrade_notify_compare(ngx_http_request_t *r,
    pt_payment_t *payment);
static ngx_uint_t ngx_http_paytrade_notify_fits(ngx_http_request_t *r,
    pt_payment_t *payment);
static int64_t ngx_http_paytrade_notify_refunded(pt_payment_t *payment);
static ngx_int_t ngx_http_paytrade_notify_ask_refund(ngx_http_request_t *r);
static void ngx_http_paytrade_notify_refund(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static void ngx_http_paytrade_notify_what(ngx_http_paytrade_call_t *call,
    pt_notice_t *notice);
static void ngx_http_paytrade_notify_recorded(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);


ngx_int_t
ngx_http_paytrade_notify_unknown(ngx_http_request_t *r)
{
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_notify_t  *notify;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    notify = ctx->data;

    if (ngx_http_paytrade_ask_payment(r, notify->pay_no,
                                      ngx_http_paytrade_notify_stored)
        != NGX_OK)
    {
        return ngx_http_paytrade_notify_later(r);
    }

    return NGX_HTTP_PAYTRADE_WAITS;
}


static void
ngx_http_paytrade_notify_stored(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    PGresult                    *res;
    ngx_int_t                    rc;
    pt_payment_t                 payment;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_notify_t  *notify;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    notify = ctx->data;

    if (notify->answered) {
        return;
    }

    if (call->pg_outcome != NGX_PAYTRADE_PG_OK) {
        ngx_http_paytrade_notify_continue(r,
                                    ngx_http_paytrade_notify_failed(r, call));
        return;
    }

    res = call->exchange.results[0];

    if (PQntuples(res) == 0) {
        rc = ngx_http_paytrade_notify_record(r, "unknown_payment");

    } else if (pt_payment_parse_row(&payment,
                                    pt_slice(PQgetvalue(res, 0, 0),
                                             PQgetlength(res, 0, 0)))
               != 0)
    {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "paytrade: the record of payment %*s in the database "
                      "cannot be read",
                      notify->pay_no.len, notify->pay_no.data);

        rc = ngx_http_paytrade_notify_later(r);

    } else {
        rc = ngx_http_paytrade_notify_compare(r, &payment);
    }

    ngx_http_paytrade_notify_continue(r, rc);
}


/* Of a payment that is no longer in Redis, nothing changes any more. */
static ngx_int_t
ngx_http_paytrade_notify_compare(ngx_http_request_t *r,
    pt_payment_t *payment)
{
    pt_notice_t                 *notice;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_notify_t  *notify;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    notify = ctx->data;
    notice = notify->notice;

    if (!ngx_http_paytrade_notify_fits(r, payment)) {
        return ngx_http_paytrade_notify_record(r, "purged");
    }

    if (notice->kind == PT_NOTICE_CLOSED) {
        return ngx_http_paytrade_notify_conclude(r,
                                           NGX_HTTP_PAYTRADE_CALLBACK_CLOSED,
                                           PT_ANSWER_ACCEPTED);
    }

    if (notice->kind == PT_NOTICE_REFUNDED && notice->one_refund) {
        return ngx_http_paytrade_notify_ask_refund(r);
    }

    if (notice->kind == PT_NOTICE_REFUNDED
        && notice->refunded > ngx_http_paytrade_notify_refunded(payment))
    {
        notify->known = 1;

        return ngx_http_paytrade_notify_record(r, "old_refund");
    }

    return ngx_http_paytrade_notify_conclude(r,
                                        NGX_HTTP_PAYTRADE_CALLBACK_DUPLICATE,
                                        PT_ANSWER_ACCEPTED);
}


static ngx_uint_t
ngx_http_paytrade_notify_fits(ngx_http_request_t *r, pt_payment_t *payment)
{
    pt_notice_t                 *notice;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_notify_t  *notify;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    notify = ctx->data;
    notice = notify->notice;

    if (!pt_slice_eq(payment->gateway,
                     pt_slice(notify->gateway->name.data,
                              notify->gateway->name.len)))
    {
        return 0;
    }

    if (notice->kind == PT_NOTICE_CLOSED) {
        return payment->status != PT_PAYMENT_UNPAID;
    }

    return payment->status == PT_PAYMENT_PAID
           && pt_slice_eq(payment->trade_no, notice->trade_no)
           && (notice->amount == -1 || payment->amount == notice->amount)
           && (notice->currency.len == 0
               || pt_slice_eq(notice->currency,
                              ngx_http_paytrade_currency(ctx->worker)));
}


static int64_t
ngx_http_paytrade_notify_refunded(pt_payment_t *payment)
{
    int64_t     sum;
    pt_part_t   part;
    pt_slice_t  parts;

    sum = 0;
    parts = payment->parts;

    while (pt_payment_next_part(&parts, &part) == 1) {
        sum += part.refunded;
    }

    return sum;
}


static ngx_int_t
ngx_http_paytrade_notify_ask_refund(ngx_http_request_t *r)
{
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_call_t    *call;
    ngx_http_paytrade_notify_t  *notify;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    notify = ctx->data;

    call = ngx_http_paytrade_call_get(r);
    if (call == NULL) {
        return ngx_http_paytrade_notify_later(r);
    }

    ngx_http_paytrade_call_arg(call, notify->pay_no);
    ngx_http_paytrade_call_arg(call, notify->notice->refund_no);

    if (ngx_http_paytrade_call_pg(call, ngx_paytrade_pg_refund,
                                  ngx_http_paytrade_notify_refund)
        != NGX_OK)
    {
        return ngx_http_paytrade_notify_later(r);
    }

    return NGX_HTTP_PAYTRADE_WAITS;
}


/* The refund of that number may be as old as its payment. */
static void
ngx_http_paytrade_notify_refund(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    int64_t                      amount;
    PGresult                    *res;
    ngx_int_t                    rc;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_notify_t  *notify;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    notify = ctx->data;

    if (notify->answered) {
        return;
    }

    if (call->pg_outcome != NGX_PAYTRADE_PG_OK) {
        ngx_http_paytrade_notify_continue(r,
                                    ngx_http_paytrade_notify_failed(r, call));
        return;
    }

    res = call->exchange.results[0];

    if (PQntuples(res) == 1
        && pt_slice_uint(pt_slice(PQgetvalue(res, 0, 0),
                                  PQgetlength(res, 0, 0)),
                         PT_AMOUNT_MAX, &amount) == 0
        && amount == notify->notice->refunded)
    {
        rc = ngx_http_paytrade_notify_conclude(r,
                                        NGX_HTTP_PAYTRADE_CALLBACK_DUPLICATE,
                                        PT_ANSWER_ACCEPTED);

    } else {
        notify->known = 1;
        rc = ngx_http_paytrade_notify_record(r, "old_refund");
    }

    ngx_http_paytrade_notify_continue(r, rc);
}


ngx_int_t
ngx_http_paytrade_notify_record(ngx_http_request_t *r, const char *reason)
{
    int64_t                      amount;
    pt_notice_t                 *notice;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_call_t    *call;
    ngx_http_paytrade_notify_t  *notify;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    notify = ctx->data;
    notice = notify->notice;

    /* of a trade that was closed unpaid there is no money to look for */

    if (notice->kind == PT_NOTICE_CLOSED) {
        return ngx_http_paytrade_notify_conclude(r,
                                           NGX_HTTP_PAYTRADE_CALLBACK_CLOSED,
                                           PT_ANSWER_ACCEPTED);
    }

    amount = notice->amount;

    if (notify->known || notice->kind == PT_NOTICE_UNCONFIRMED
        || (notice->kind == PT_NOTICE_REFUNDED && notice->one_refund))
    {
        amount = notice->refunded;
    }

    ngx_http_paytrade_callback_tell(r, "fits no payment",
                                    pt_slice(reason, ngx_strlen(reason)));

    call = ngx_http_paytrade_call_get(r);
    if (call == NULL) {
        return ngx_http_paytrade_notify_later(r);
    }

    ngx_http_paytrade_call_str(call, "orphan");
    ngx_http_paytrade_call_int(call, 8);
    ngx_http_paytrade_call_arg(call, notice->out_trade_no);
    ngx_http_paytrade_call_arg(call, pt_slice(notify->gateway->name.data,
                                              notify->gateway->name.len));
    ngx_http_paytrade_call_arg(call, notice->trade_no);
    ngx_http_paytrade_call_int(call, ngx_max(amount, 0));
    ngx_http_paytrade_call_arg(call, notice->currency);
    ngx_http_paytrade_call_str(call, reason);
    ngx_http_paytrade_call_int(call, notice->paid_at);
    ngx_http_paytrade_notify_what(call, notice);

    if (ngx_http_paytrade_call_redis(call, notify->partition,
                                     NGX_PAYTRADE_SCRIPT_SETTLE,
                                     ngx_http_paytrade_notify_recorded)
        != NGX_OK)
    {
        return ngx_http_paytrade_notify_later(r);
    }

    return NGX_HTTP_PAYTRADE_WAITS;
}


/* A trade is recorded once for its payment, and once for each refund. */
static void
ngx_http_paytrade_notify_what(ngx_http_paytrade_call_t *call,
    pt_notice_t *notice)
{
    u_char  what[sizeof("refund:") + PT_REFUND_NO_MAX], *last;

    if (notice->kind == PT_NOTICE_PAID) {
        ngx_http_paytrade_call_arg(call, pt_slice_null);
        return;
    }

    last = ngx_snprintf(what, sizeof(what), "refund:%*s",
                        notice->refund_no.len, notice->refund_no.data);

    ngx_http_paytrade_call_arg(call, pt_slice(what, last - what));
}


/* orphan 1|0 */
static void
ngx_http_paytrade_notify_recorded(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    ngx_int_t                    rc;
    pt_slice_t                   rest;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_notify_t  *notify;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    notify = ctx->data;

    if (notify->answered) {
        return;
    }

    if (!pt_slice_eq(ngx_http_paytrade_word(call, &rest),
                     pt_slice_lit("orphan")))
    {
        rc = ngx_http_paytrade_notify_failed(r, call);

    } else if (notify->notice->kind == PT_NOTICE_UNCONFIRMED) {
        rc = ngx_http_paytrade_notify_conclude(r,
                                      NGX_HTTP_PAYTRADE_CALLBACK_UNCONFIRMED,
                                      PT_ANSWER_ACCEPTED);

    } else {
        rc = ngx_http_paytrade_notify_conclude(r,
                                      NGX_HTTP_PAYTRADE_CALLBACK_ORPHAN,
                                      notify->known ? PT_ANSWER_ACCEPTED
                                                    : PT_ANSWER_LATER);
    }

    ngx_http_paytrade_notify_continue(r, rc);
}
