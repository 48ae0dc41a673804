/*
 * paytrade_order: GET tells the state of an order, DELETE cancels it.
 *
 * Redis knows the recent orders; the others are looked up in PostgreSQL.  An
 * order of another user does not exist.
 */

#include "ngx_http_paytrade.h"


static ngx_int_t ngx_http_paytrade_order_submit(ngx_http_request_t *r,
    pt_slice_t id, ngx_uint_t partition);
static void ngx_http_paytrade_order_answer(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static void ngx_http_paytrade_order_stored_answer(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static ngx_int_t ngx_http_paytrade_order_paid(ngx_http_request_t *r);
static ngx_int_t ngx_http_paytrade_order_reply(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t row, const char *result);


static const ngx_http_paytrade_by_id_t  ngx_http_paytrade_order_by_id = {
    NGX_HTTP_GET|NGX_HTTP_HEAD|NGX_HTTP_DELETE, "GET, HEAD, DELETE",
    "an order id is a number of 19 digits",
    PT_UNKNOWN_ORDER, "there is no such order",
    ngx_http_paytrade_order_submit
};


ngx_int_t
ngx_http_paytrade_order_handler(ngx_http_request_t *r)
{
    ngx_http_paytrade_ctx_t       *ctx;
    ngx_http_paytrade_loc_conf_t  *plcf;

    ctx = ngx_http_paytrade_begin(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_paytrade_module);

    return ngx_http_paytrade_by_id(r, &ngx_http_paytrade_order_by_id,
                                   plcf->order, &ctx->order_id);
}


static ngx_int_t
ngx_http_paytrade_order_submit(ngx_http_request_t *r, pt_slice_t id,
    ngx_uint_t partition)
{
    ngx_http_paytrade_ctx_t   *ctx;
    ngx_http_paytrade_call_t  *call;
    ngx_paytrade_script_e      script;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    call = ngx_http_paytrade_call_get(r);
    if (call == NULL) {
        return NGX_DECLINED;
    }

    if (r->method == NGX_HTTP_DELETE) {
        script = NGX_PAYTRADE_SCRIPT_CLOSE;

        ngx_http_paytrade_call_str(call, "cancel");
        ngx_http_paytrade_call_int(call, 3);
        ngx_http_paytrade_call_arg(call, id);
        ngx_http_paytrade_call_arg(call, ctx->user);
        ngx_http_paytrade_call_arg(call, pt_slice_null);

    } else {
        script = NGX_PAYTRADE_SCRIPT_READ;

        ngx_http_paytrade_call_str(call, "order");
        ngx_http_paytrade_call_int(call, 1);
        ngx_http_paytrade_call_arg(call, id);
    }

    return ngx_http_paytrade_call_redis(call, partition, script,
                                        ngx_http_paytrade_order_answer);
}


/* order|cancelled|closed|already_paid <order row>, unknown_order */
static void
ngx_http_paytrade_order_answer(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    ngx_int_t   rc;
    pt_slice_t  row, word;

    row = call->reply;

    if (call->outcome != NGX_PAYTRADE_REDIS_OK
        || !pt_slice_next(&row, '\t', &word))
    {
        rc = ngx_http_paytrade_reply_failure(r, call);

    } else if (pt_slice_eq(word, pt_slice_lit("unknown_order"))) {
        rc = ngx_http_paytrade_stored_order(r, call->argv[2],
                                       ngx_http_paytrade_order_stored_answer);

    } else if (pt_slice_eq(word, pt_slice_lit("already_paid"))) {
        rc = ngx_http_paytrade_order_paid(r);

    } else if (pt_slice_eq(word, pt_slice_lit("order"))
               || pt_slice_eq(word, pt_slice_lit("closed")))
    {
        rc = ngx_http_paytrade_order_reply(r, call, row, "ok");

    } else if (pt_slice_eq(word, pt_slice_lit("cancelled"))) {
        ngx_http_paytrade_count(call->worker->conf->shm_zone,
                                NGX_HTTP_PAYTRADE_CANCELLED, 1);

        rc = ngx_http_paytrade_order_reply(r, call, row, "cancelled");

    } else {
        rc = ngx_http_paytrade_reply_failure(r, call);
    }

    ngx_http_paytrade_wait_call(r, rc);
}


static void
ngx_http_paytrade_order_stored_answer(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    PGresult                 *res;
    ngx_int_t                 rc;
    pt_slice_t                row;
    pt_order_t                order;
    ngx_http_paytrade_ctx_t  *ctx;

    if (call->pg_outcome != NGX_PAYTRADE_PG_OK) {
        ngx_http_paytrade_finish(r, ngx_http_paytrade_reply_failure(r, call));
        return;
    }

    res = call->exchange.results[0];

    if (PQntuples(res) == 0) {
        rc = ngx_http_paytrade_reply_problem(r, PT_UNKNOWN_ORDER,
                                             "there is no such order");
        ngx_http_paytrade_finish(r, rc);
        return;
    }

    row = pt_slice(PQgetvalue(res, 0, 0), PQgetlength(res, 0, 0));

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    if (r->method == NGX_HTTP_DELETE
        && pt_order_parse_row(&order, row) == 0
        && pt_slice_eq(order.user, ctx->user)
        && order.status != PT_ORDER_CANCELLED
        && order.status != PT_ORDER_EXPIRED)
    {
        /* what is still held is in Redis, unless the answers have crossed */

        rc = order.status == PT_ORDER_HELD
             ? ngx_http_paytrade_reply_problem(r, PT_UNAVAILABLE, NULL)
             : ngx_http_paytrade_order_paid(r);

    } else {
        rc = ngx_http_paytrade_order_reply(r, call, row, "ok");
    }

    ngx_http_paytrade_finish(r, rc);
}


static ngx_int_t
ngx_http_paytrade_order_paid(ngx_http_request_t *r)
{
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    return ngx_http_paytrade_reply_order_problem(r, PT_ALREADY_PAID,
                             "a paid or refunded order cannot be cancelled",
                             pt_slice(ctx->order_id.data, ctx->order_id.len),
                             NULL);
}


static ngx_int_t
ngx_http_paytrade_order_reply(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t row, const char *result)
{
    pt_order_t                order;
    ngx_http_paytrade_ctx_t  *ctx;

    if (pt_order_parse_row(&order, row) != 0) {
        call->reply = row;
        return ngx_http_paytrade_reply_failure(r, call);
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    if (!pt_slice_eq(order.user, ctx->user)) {
        return ngx_http_paytrade_reply_problem(r, PT_UNKNOWN_ORDER,
                                               "there is no such order");
    }

    return ngx_http_paytrade_reply_order(r, NGX_HTTP_OK, result, &order);
}
