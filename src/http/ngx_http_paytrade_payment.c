/*
 * paytrade_payment: GET tells the state of a payment.
 *
 * Redis knows the recent ones; the others are looked up in PostgreSQL.  A
 * payment of another user does not exist.
 */

#include "ngx_http_paytrade_pay.h"


static ngx_int_t ngx_http_paytrade_payment_submit(ngx_http_request_t *r,
    pt_slice_t pay_no, ngx_uint_t partition);
static void ngx_http_paytrade_payment_answer(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static void ngx_http_paytrade_payment_stored(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static ngx_int_t ngx_http_paytrade_payment_reply(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t row);


static const ngx_http_paytrade_by_id_t  ngx_http_paytrade_payment_by_id = {
    NGX_HTTP_GET|NGX_HTTP_HEAD, "GET, HEAD",
    "a pay_no is a number of 19 digits",
    PT_UNKNOWN_PAYMENT, "there is no such payment",
    ngx_http_paytrade_payment_submit
};


ngx_int_t
ngx_http_paytrade_payment_handler(ngx_http_request_t *r)
{
    ngx_http_paytrade_ctx_t       *ctx;
    ngx_http_paytrade_loc_conf_t  *plcf;

    ctx = ngx_http_paytrade_begin(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_paytrade_module);

    return ngx_http_paytrade_by_id(r, &ngx_http_paytrade_payment_by_id,
                                   plcf->payment, &ctx->pay_no);
}


static ngx_int_t
ngx_http_paytrade_payment_submit(ngx_http_request_t *r, pt_slice_t pay_no,
    ngx_uint_t partition)
{
    ngx_http_paytrade_call_t  *call;

    call = ngx_http_paytrade_call_get(r);
    if (call == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_paytrade_call_str(call, "payment");
    ngx_http_paytrade_call_int(call, 1);
    ngx_http_paytrade_call_arg(call, pay_no);

    return ngx_http_paytrade_call_redis(call, partition,
                                        NGX_PAYTRADE_SCRIPT_READ,
                                        ngx_http_paytrade_payment_answer);
}


/* payment <payment row>, unknown_payment */
static void
ngx_http_paytrade_payment_answer(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    ngx_int_t   rc;
    pt_slice_t  row, word;

    word = ngx_http_paytrade_word(call, &row);

    if (pt_slice_eq(word, pt_slice_lit("payment"))) {
        rc = ngx_http_paytrade_payment_reply(r, call, row);

    } else if (pt_slice_eq(word, pt_slice_lit("unknown_payment"))) {
        rc = ngx_http_paytrade_stored_payment(r, call->argv[2],
                                            ngx_http_paytrade_payment_stored);

    } else {
        rc = ngx_http_paytrade_reply_failure(r, call);
    }

    ngx_http_paytrade_wait_call(r, rc);
}


static void
ngx_http_paytrade_payment_stored(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    PGresult   *res;
    ngx_int_t   rc;

    if (call->pg_outcome != NGX_PAYTRADE_PG_OK) {
        rc = ngx_http_paytrade_reply_failure(r, call);

    } else if (PQntuples(call->exchange.results[0]) == 0) {
        rc = ngx_http_paytrade_reply_problem(r, PT_UNKNOWN_PAYMENT,
                                             "there is no such payment");

    } else {
        res = call->exchange.results[0];

        rc = ngx_http_paytrade_payment_reply(r, call,
                                             pt_slice(PQgetvalue(res, 0, 0),
                                                   PQgetlength(res, 0, 0)));
    }

    ngx_http_paytrade_finish(r, rc);
}


static ngx_int_t
ngx_http_paytrade_payment_reply(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t row)
{
    pt_payment_t                  payment;
    ngx_http_paytrade_ctx_t      *ctx;
    ngx_http_paytrade_gateway_t  *gateway;

    if (pt_payment_parse_row(&payment, row) != 0) {
        call->reply = row;
        return ngx_http_paytrade_reply_failure(r, call);
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    if (!pt_slice_eq(payment.user, ctx->user)) {
        return ngx_http_paytrade_reply_problem(r, PT_UNKNOWN_PAYMENT,
                                               "there is no such payment");
    }

    gateway = ngx_http_paytrade_find_gateway(ctx->worker->conf,
                                             payment.gateway);
    if (gateway) {
        ctx->gateway = gateway->name;
    }

    return ngx_http_paytrade_reply_payment(r, NGX_HTTP_OK, "ok", &payment,
                                           pt_slice_null);
}
