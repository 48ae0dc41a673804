/*
 * What a user asks for by an id of 19 digits: an order, a payment.
 */

#include "ngx_http_paytrade.h"


static ngx_int_t ngx_http_paytrade_by_id_read(ngx_http_request_t *r,
    const ngx_http_paytrade_by_id_t *by, ngx_http_complex_value_t *value,
    ngx_str_t *id, ngx_uint_t *partition, pt_problem_e *problem,
    const char **detail);


ngx_int_t
ngx_http_paytrade_by_id(ngx_http_request_t *r,
    const ngx_http_paytrade_by_id_t *by, ngx_http_complex_value_t *value,
    ngx_str_t *id)
{
    ngx_int_t                 rc;
    ngx_uint_t                partition;
    const char               *detail;
    pt_problem_e              problem;
    ngx_http_paytrade_ctx_t  *ctx;

    if (!(r->method & by->methods)) {
        return ngx_http_paytrade_bad_method(r, by->allow);
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    if (ctx->worker == NULL) {
        return ngx_http_paytrade_reply_problem(r, PT_UNAVAILABLE, NULL);
    }

    rc = ngx_http_paytrade_no_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_paytrade_by_id_read(r, by, value, id, &partition, &problem,
                                      &detail);

    if (rc == NGX_DECLINED) {
        return ngx_http_paytrade_reply_problem(r, problem, detail);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = by->submit(r, pt_slice(id->data, id->len), partition);

    return ngx_http_paytrade_wait(r, ngx_http_paytrade_started(r, rc));
}


static ngx_int_t
ngx_http_paytrade_by_id_read(ngx_http_request_t *r,
    const ngx_http_paytrade_by_id_t *by, ngx_http_complex_value_t *value,
    ngx_str_t *id, ngx_uint_t *partition, pt_problem_e *problem,
    const char **detail)
{
    int64_t                   number;
    ngx_int_t                 rc;
    ngx_str_t                 text;
    pt_slice_t                digits;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    if (ngx_http_complex_value(r, value, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    digits = pt_slice(text.data, text.len);

    if (!pt_id_digits(digits)) {
        *problem = PT_BAD_REQUEST;
        *detail = by->bad;
        return NGX_DECLINED;
    }

    rc = ngx_http_paytrade_read_user(r, problem, detail);
    if (rc != NGX_OK) {
        return rc;
    }

    if (pt_id_parse(digits, &number) != 0
        || pt_id_partition(number)
           >= (ngx_uint_t) ctx->worker->conf->partitions)
    {
        *problem = by->unknown;
        *detail = by->none;
        return NGX_DECLINED;
    }

    *partition = pt_id_partition(number);
    *id = text;

    return NGX_OK;
}
