/*
 * paytrade_payment: GET tells the state of a payment.
 *
 * Redis knows the recent ones; the others are looked up in PostgreSQL.  A
 * payment of another user does not exist.
 */

#include "ngx_http_paytrade_pay.h"


static ngx_int_t ngx_http_paytrade_payment_read(ngx_http_request_t *r,
    pt_slice_t *pay_no, pt_problem_e *problem, const char **detail);
static ngx_int_t ngx_http_paytrade_payment_submit(ngx_http_request_t *r,
    pt_slice_t pay_no);
static void ngx_http_paytrade_payment_answer(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static void ngx_http_paytrade_payment_stored(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static ngx_int_t ngx_http_paytrade_payment_reply(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t row);


ngx_int_t
ngx_http_paytrade_payment_handler(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    pt_slice_t                pay_no;
    const char               *detail;
    pt_problem_e              problem;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_paytrade_begin(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->method != NGX_HTTP_GET && r->method != NGX_HTTP_HEAD) {
        return ngx_http_paytrade_bad_method(r, "GET, HEAD");
    }

    if (ctx->worker == NULL) {
        return ngx_http_paytrade_reply_problem(r, PT_UNAVAILABLE, NULL);
    }

    rc = ngx_http_paytrade_no_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_paytrade_payment_read(r, &pay_no, &problem, &detail);

    if (rc == NGX_DECLINED) {
        return ngx_http_paytrade_reply_problem(r, problem, detail);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_paytrade_payment_submit(r, pay_no);

    return ngx_http_paytrade_wait(r, ngx_http_paytrade_started(r, rc));
}


static ngx_int_t
ngx_http_paytrade_payment_read(ngx_http_request_t *r, pt_slice_t *pay_no,
    pt_problem_e *problem, const char **detail)
{
    int64_t                        number;
    ngx_str_t                      value;
    ngx_http_paytrade_ctx_t       *ctx;
    ngx_http_paytrade_loc_conf_t  *plcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    plcf = ngx_http_get_module_loc_conf(r, ngx_http_paytrade_module);

    if (ngx_http_complex_value(r, plcf->payment, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    *pay_no = pt_slice(value.data, value.len);

    if (pt_id_parse(*pay_no, &number) != 0) {
        *problem = PT_BAD_REQUEST;
        *detail = "a pay_no has 19 digits";
        return NGX_DECLINED;
    }

    if (pt_id_partition(number) >= (unsigned) ctx->worker->conf->partitions) {
        *problem = PT_UNKNOWN_PAYMENT;
        *detail = "there is no such payment";
        return NGX_DECLINED;
    }

    ctx->pay_no = value;

    return ngx_http_paytrade_read_user(r, problem, detail);
}


static ngx_int_t
ngx_http_paytrade_payment_submit(ngx_http_request_t *r, pt_slice_t pay_no)
{
    int64_t                    number;
    ngx_http_paytrade_call_t  *call;

    call = ngx_http_paytrade_call_get(r);
    if (call == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_paytrade_call_str(call, "payment");
    ngx_http_paytrade_call_int(call, 1);
    ngx_http_paytrade_call_arg(call, pay_no);

    (void) pt_id_parse(pay_no, &number);

    return ngx_http_paytrade_call_redis(call, pt_id_partition(number),
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
