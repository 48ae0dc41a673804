/*
 * Steps: the small pieces that every endpoint is made of.
 *
 * A step returns NGX_HTTP_PAYTRADE_WAITS when a call is under way, else what
 * finalizes the request.
 */

#include "ngx_http_paytrade_pay.h"
#include "ngx_paytrade_pg_queries.h"


ngx_int_t
ngx_http_paytrade_bad_method(ngx_http_request_t *r, const char *allow)
{
    size_t   len;
    u_char  *detail;

    len = ngx_strlen(allow);

    detail = ngx_pnalloc(r->pool, sizeof("allowed here: ") + len);
    if (detail == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_sprintf(detail, "allowed here: %s%Z", allow);

    if (ngx_http_paytrade_header(r, "Allow", pt_slice(allow, len)) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_paytrade_reply_problem(r, PT_METHOD_NOT_ALLOWED,
                                           (char *) detail);
}


ngx_int_t
ngx_http_paytrade_wait(ngx_http_request_t *r, ngx_int_t rc)
{
    if (rc != NGX_HTTP_PAYTRADE_WAITS) {
        return rc;
    }

    r->main->count++;

    return NGX_DONE;
}


void
ngx_http_paytrade_wait_body(ngx_http_request_t *r, ngx_int_t rc)
{
    if (rc != NGX_HTTP_PAYTRADE_WAITS) {
        ngx_http_finalize_request(r, rc);
    }
}


void
ngx_http_paytrade_wait_call(ngx_http_request_t *r, ngx_int_t rc)
{
    if (rc != NGX_HTTP_PAYTRADE_WAITS) {
        ngx_http_paytrade_finish(r, rc);
    }
}


ngx_int_t
ngx_http_paytrade_started(ngx_http_request_t *r, ngx_int_t rc)
{
    if (rc == NGX_OK) {
        return NGX_HTTP_PAYTRADE_WAITS;
    }

    return ngx_http_paytrade_reply_problem(r, PT_UNAVAILABLE,
                         "too much is waiting, or the stock cannot be "
                         "reached; ask again");
}


pt_slice_t
ngx_http_paytrade_currency(ngx_http_paytrade_worker_t *worker)
{
    return pt_slice(worker->conf->currency.data, worker->conf->currency.len);
}


pt_slice_t
ngx_http_paytrade_word(ngx_http_paytrade_call_t *call, pt_slice_t *rest)
{
    pt_slice_t  word;

    *rest = call->reply;

    if (call->outcome != NGX_PAYTRADE_REDIS_OK
        || !pt_slice_next(rest, '\t', &word))
    {
        return pt_slice_null;
    }

    return word;
}


ngx_int_t
ngx_http_paytrade_stored_order(ngx_http_request_t *r, pt_slice_t id,
    ngx_http_paytrade_call_pt handler)
{
    ngx_int_t                  rc;
    ngx_http_paytrade_call_t  *call;

    call = ngx_http_paytrade_call_get(r);
    if (call == NULL) {
        return ngx_http_paytrade_started(r, NGX_DECLINED);
    }

    ngx_http_paytrade_call_arg(call, id);

    rc = ngx_http_paytrade_call_pg(call, ngx_paytrade_pg_order, handler);

    return ngx_http_paytrade_started(r, rc);
}


ngx_int_t
ngx_http_paytrade_ask_payment(ngx_http_request_t *r, pt_slice_t pay_no,
    ngx_http_paytrade_call_pt handler)
{
    ngx_http_paytrade_call_t  *call;

    call = ngx_http_paytrade_call_get(r);
    if (call == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_paytrade_call_arg(call, pay_no);

    return ngx_http_paytrade_call_pg(call, ngx_paytrade_pg_payment, handler);
}


ngx_int_t
ngx_http_paytrade_stored_payment(ngx_http_request_t *r, pt_slice_t pay_no,
    ngx_http_paytrade_call_pt handler)
{
    ngx_int_t  rc;

    rc = ngx_http_paytrade_ask_payment(r, pay_no, handler);

    return ngx_http_paytrade_started(r, rc);
}


ngx_int_t
ngx_http_paytrade_reply_order(ngx_http_request_t *r, ngx_uint_t status,
    const char *result, pt_order_t *order)
{
    pt_out_t                  out;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    ngx_http_paytrade_set_order_vars(r, order->id, order->amount);

    ngx_http_paytrade_out_init(&out, r, 512);

    pt_order_json(&out, order, ngx_http_paytrade_currency(ctx->worker),
                  ctx->worker->conf->decimals);

    return ngx_http_paytrade_reply_json(r, status, result, &out);
}


ngx_int_t
ngx_http_paytrade_reply_payment(ngx_http_request_t *r, ngx_uint_t status,
    const char *result, pt_payment_t *payment, pt_slice_t pay_url)
{
    pt_out_t                        out;
    pt_slice_t                      prefix;
    ngx_http_paytrade_ctx_t        *ctx;
    ngx_http_paytrade_main_conf_t  *mcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    mcf = ctx->worker->conf;

    ngx_http_paytrade_set_payment_vars(r, payment->pay_no, payment->trade_no,
                                       payment->amount);

    ngx_http_paytrade_out_init(&out, r, 512 + 2 * payment->parts.len
                                        + pay_url.len);

    prefix = pt_slice(mcf->prefix.data, mcf->prefix.len);

    pt_payment_json(&out, payment, prefix,
                    ngx_http_paytrade_currency(ctx->worker), mcf->decimals,
                    pay_url);

    return ngx_http_paytrade_reply_json(r, status, result, &out);
}
