/*
 * paytrade_admin: an order cancelled by an operator.
 */

#include "ngx_http_paytrade_admin.h"


/* What ctx->data of such a request points to. */
typedef struct {
    pt_slice_t   id;
    pt_slice_t   request_id;
    ngx_uint_t   partition;
} ngx_http_paytrade_cancel_t;


static void ngx_http_paytrade_cancel_body(ngx_http_request_t *r,
    pt_slice_t body);
static ngx_int_t ngx_http_paytrade_cancel(ngx_http_request_t *r);
static void ngx_http_paytrade_cancelled(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static void ngx_http_paytrade_cancel_looked_up(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static ngx_int_t ngx_http_paytrade_cancel_reply(ngx_http_request_t *r,
    const char *result, pt_slice_t row);


ngx_int_t
ngx_http_paytrade_admin_cancel(ngx_http_request_t *r, pt_slice_t order_id)
{
    int64_t                      id;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_cancel_t  *cancel;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    if (pt_id_parse(order_id, &id) != 0
        || pt_id_partition(id) >= (unsigned) ctx->worker->conf->partitions)
    {
        return ngx_http_paytrade_reply_problem(r, PT_UNKNOWN_ORDER,
                                               "there is no such order");
    }

    cancel = ngx_pcalloc(r->pool, sizeof(ngx_http_paytrade_cancel_t));
    if (cancel == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cancel->id = order_id;
    cancel->partition = pt_id_partition(id);

    ctx->data = cancel;

    return ngx_http_paytrade_read_json(r, ngx_http_paytrade_cancel_body);
}


static void
ngx_http_paytrade_cancel_body(ngx_http_request_t *r, pt_slice_t body)
{
    cJSON                       *json;
    ngx_int_t                    rc;
    pt_json_e                    found;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_cancel_t  *cancel;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    cancel = ctx->data;

    if (ngx_http_paytrade_admin_json(r, body, &json, &rc) == NGX_OK) {

        found = pt_json_string(json, "request_id", &cancel->request_id);

        if (found == PT_JSON_WRONG
            || (found == PT_JSON_OK
                && !pt_text_valid(cancel->request_id, PT_KEY_MAX)))
        {
            rc = ngx_http_paytrade_reply_problem(r, PT_BAD_REQUEST,
                         "\"request_id\" has to be a text of 1 to 255 bytes");

        } else {
            rc = ngx_http_paytrade_cancel(r);
        }
    }

    ngx_http_paytrade_wait_body(r, rc);
}


static ngx_int_t
ngx_http_paytrade_cancel(ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_call_t    *call;
    ngx_http_paytrade_cancel_t  *cancel;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    cancel = ctx->data;

    if (ngx_http_paytrade_admin_open(r, cancel->partition, &rc) != NGX_OK) {
        return rc;
    }

    call = ngx_http_paytrade_call_get(r);
    if (call == NULL) {
        return ngx_http_paytrade_started(r, NGX_DECLINED);
    }

    ngx_http_paytrade_call_str(call, "cancel");
    ngx_http_paytrade_call_int(call, 3);
    ngx_http_paytrade_call_arg(call, cancel->id);
    ngx_http_paytrade_call_str(call, "");
    ngx_http_paytrade_call_arg(call, cancel->request_id);

    rc = ngx_http_paytrade_call_redis(call, cancel->partition,
                                      NGX_PAYTRADE_SCRIPT_CLOSE,
                                      ngx_http_paytrade_cancelled);

    return ngx_http_paytrade_started(r, rc);
}


static void
ngx_http_paytrade_cancelled(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    ngx_int_t        rc;
    pt_slice_t       word, row;
    ngx_shm_zone_t  *zone;

    zone = call->worker->conf->shm_zone;
    word = ngx_http_paytrade_word(call, &row);

    if (pt_slice_eq(word, pt_slice_lit("cancelled"))) {
        ngx_http_paytrade_count(zone, NGX_HTTP_PAYTRADE_CANCELLED, 1);
        ngx_http_paytrade_zone_forget(zone);

        rc = ngx_http_paytrade_cancel_reply(r, "cancelled", row);

    } else if (pt_slice_eq(word, pt_slice_lit("closed"))) {
        ngx_http_paytrade_zone_forget(zone);

        rc = ngx_http_paytrade_cancel_reply(r, "closed", row);

    } else if (pt_slice_eq(word, pt_slice_lit("already_paid"))) {
        rc = ngx_http_paytrade_reply_problem(r, PT_ALREADY_PAID,
                                   "a paid order is refunded, not cancelled");

    } else if (pt_slice_eq(word, pt_slice_lit("key_reused"))) {
        rc = ngx_http_paytrade_reply_problem(r, PT_KEY_REUSED,
                                "the request_id was used for something else");

    } else if (pt_slice_eq(word, pt_slice_lit("unknown_order"))) {

        /* Redis forgets orders that are long over; PostgreSQL does not */

        rc = ngx_http_paytrade_stored_order(r, call->argv[2],
                                          ngx_http_paytrade_cancel_looked_up);

    } else if (pt_slice_eq(word, pt_slice_lit("no_epoch"))) {
        rc = ngx_http_paytrade_admin_no_epoch(r, call->partition,
                                              PT_UNKNOWN_ORDER);

    } else {
        rc = ngx_http_paytrade_reply_failure(r, call);
    }

    ngx_http_paytrade_wait_call(r, rc);
}


static void
ngx_http_paytrade_cancel_looked_up(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    PGresult    *res;
    ngx_int_t    rc;
    pt_order_t   order;
    pt_slice_t   row;

    if (call->pg_outcome != NGX_PAYTRADE_PG_OK) {
        rc = ngx_http_paytrade_reply_failure(r, call);
        goto done;
    }

    res = call->exchange.results[0];

    if (PQntuples(res) == 0) {
        rc = ngx_http_paytrade_reply_problem(r, PT_UNKNOWN_ORDER,
                                             "there is no such order");
        goto done;
    }

    row = pt_slice(PQgetvalue(res, 0, 0), PQgetlength(res, 0, 0));

    if (pt_order_parse_row(&order, row) != 0
        || order.status == PT_ORDER_HELD)
    {
        rc = ngx_http_paytrade_reply_problem(r, PT_UNAVAILABLE,
                             "Redis does not know this order, PostgreSQL "
                             "has it as held; see drift");

    } else if (order.status == PT_ORDER_PAID
               || order.status == PT_ORDER_REFUNDED)
    {
        rc = ngx_http_paytrade_reply_problem(r, PT_ALREADY_PAID,
                                   "a paid order is refunded, not cancelled");

    } else {
        rc = ngx_http_paytrade_cancel_reply(r, "closed", row);
    }

done:

    ngx_http_paytrade_finish(r, rc);
}


static ngx_int_t
ngx_http_paytrade_cancel_reply(ngx_http_request_t *r, const char *result,
    pt_slice_t row)
{
    pt_order_t  order;

    if (pt_order_parse_row(&order, row) != 0) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "paytrade: broken order \"%*s\"", row.len, row.data);

        return ngx_http_paytrade_reply_problem(r, PT_UNAVAILABLE,
                                        "the order's record cannot be read");
    }

    return ngx_http_paytrade_reply_order(r, NGX_HTTP_OK, result, &order);
}
