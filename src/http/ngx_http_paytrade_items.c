/*
 * paytrade_items: what is on sale, all items of a sale or one by its SKU.
 */

#include "ngx_http_paytrade_admin.h"


static ngx_int_t ngx_http_paytrade_items_sale(ngx_http_request_t *r,
    pt_slice_t sale);
static void ngx_http_paytrade_items_done(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static ngx_int_t ngx_http_paytrade_items_reply(ngx_http_request_t *r,
    ngx_http_paytrade_worker_t *worker, pt_slice_t rows);
static ngx_int_t ngx_http_paytrade_item_read(ngx_http_request_t *r,
    ngx_uint_t partition);
static void ngx_http_paytrade_item_done(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);


/* What ctx->data of a request for one item points to. */
typedef struct {
    pt_slice_t   sku;
    ngx_uint_t   for_operator;
} ngx_http_paytrade_one_t;


ngx_int_t
ngx_http_paytrade_items_handler(ngx_http_request_t *r)
{
    ngx_int_t                 rc, has_sale, has_sku;
    pt_slice_t                sale, sku;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_paytrade_begin(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_paytrade_bad_method(r, "GET, HEAD");
    }

    rc = ngx_http_paytrade_no_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    has_sale = ngx_http_paytrade_arg(r, "sale", &sale);
    has_sku = ngx_http_paytrade_arg(r, "sku", &sku);

    if (has_sale == NGX_ERROR || has_sku == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if ((has_sale == NGX_OK) == (has_sku == NGX_OK)) {
        return ngx_http_paytrade_reply_problem(r, PT_BAD_REQUEST,
                             "one of the arguments sale and sku is needed");
    }

    if (!pt_name_valid(has_sale == NGX_OK ? sale : sku)) {
        return ngx_http_paytrade_reply_problem(r, PT_BAD_REQUEST,
                             "the argument is not a name: 1 to 64 printable "
                             "ASCII characters without space and comma");
    }

    if (ctx->worker == NULL) {
        return ngx_http_paytrade_reply_problem(r, PT_UNAVAILABLE,
                                               "the worker does not serve");
    }

    if (has_sale == NGX_OK) {
        rc = ngx_http_paytrade_items_sale(r, sale);

    } else {
        rc = ngx_http_paytrade_item(r, sku, 0);
    }

    return ngx_http_paytrade_wait(r, rc);
}


static ngx_int_t
ngx_http_paytrade_items_sale(ngx_http_request_t *r, pt_slice_t sale)
{
    ngx_int_t                  rc;
    ngx_uint_t                 partition;
    ngx_http_paytrade_ctx_t   *ctx;
    ngx_http_paytrade_call_t  *call;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    call = ngx_http_paytrade_call_get(r);
    if (call == NULL) {
        return ngx_http_paytrade_started(r, NGX_DECLINED);
    }

    ngx_http_paytrade_call_str(call, "items");
    ngx_http_paytrade_call_int(call, 1);
    ngx_http_paytrade_call_arg(call, sale);

    partition = ngx_http_paytrade_partition_of(ctx->worker->conf, sale);

    rc = ngx_http_paytrade_call_redis(call, partition,
                                      NGX_PAYTRADE_SCRIPT_READ,
                                      ngx_http_paytrade_items_done);

    return ngx_http_paytrade_started(r, rc);
}


static void
ngx_http_paytrade_items_done(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    ngx_int_t   rc;
    pt_slice_t  word, rows;

    rows = call->reply;

    if (call->outcome != NGX_PAYTRADE_REDIS_OK
        || !pt_slice_next(&rows, '\n', &word))
    {
        rc = ngx_http_paytrade_reply_failure(r, call);

    } else if (pt_slice_eq(word, pt_slice_lit("items"))) {
        rc = ngx_http_paytrade_items_reply(r, call->worker, rows);

    } else if (pt_slice_eq(word, pt_slice_lit("unknown_sale"))) {
        rc = ngx_http_paytrade_reply_problem(r, PT_UNKNOWN_ITEM,
                                             "there is no such sale");

    } else {
        rc = ngx_http_paytrade_reply_failure(r, call);
    }

    ngx_http_paytrade_finish(r, rc);
}


static ngx_int_t
ngx_http_paytrade_items_reply(ngx_http_request_t *r,
    ngx_http_paytrade_worker_t *worker, pt_slice_t rows)
{
    pt_out_t    out;
    pt_item_t   item;
    pt_slice_t  row;
    ngx_uint_t  n;

    ngx_http_paytrade_out_init(&out, r, 2 * rows.len + 64);

    pt_out_str(&out, "{\"items\":[");

    n = 0;

    while (pt_slice_next(&rows, '\n', &row)) {
        if (pt_item_parse_row(&item, row) != 0) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "paytrade: broken item \"%*s\"", row.len, row.data);
            continue;
        }

        if (n++) {
            pt_out_char(&out, ',');
        }

        pt_item_json(&out, &item, ngx_http_paytrade_currency(worker),
                     worker->conf->decimals, 0);
    }

    pt_out_str(&out, "]}");

    return ngx_http_paytrade_reply_json(r, NGX_HTTP_OK, "ok", &out);
}


ngx_int_t
ngx_http_paytrade_item(ngx_http_request_t *r, pt_slice_t sku,
    ngx_uint_t for_operator)
{
    ngx_http_paytrade_ctx_t  *ctx;
    ngx_http_paytrade_one_t  *one;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    one = ngx_palloc(r->pool, sizeof(ngx_http_paytrade_one_t));
    if (one == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    one->sku = sku;
    one->for_operator = for_operator;

    ctx->data = one;
    ctx->sku.data = (u_char *) sku.data;
    ctx->sku.len = sku.len;

    if (ctx->worker->conf->partitions == 1) {
        return ngx_http_paytrade_item_read(r, 0);
    }

    return ngx_http_paytrade_at_item(r, sku, ngx_http_paytrade_item_read);
}


static ngx_int_t
ngx_http_paytrade_item_read(ngx_http_request_t *r, ngx_uint_t partition)
{
    ngx_int_t                  rc;
    ngx_http_paytrade_ctx_t   *ctx;
    ngx_http_paytrade_one_t   *one;
    ngx_http_paytrade_call_t  *call;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    one = ctx->data;

    call = ngx_http_paytrade_call_get(r);
    if (call == NULL) {
        return ngx_http_paytrade_started(r, NGX_DECLINED);
    }

    ngx_http_paytrade_call_str(call, "item");
    ngx_http_paytrade_call_int(call, 1);
    ngx_http_paytrade_call_arg(call, one->sku);

    rc = ngx_http_paytrade_call_redis(call, partition,
                                      NGX_PAYTRADE_SCRIPT_READ,
                                      ngx_http_paytrade_item_done);

    return ngx_http_paytrade_started(r, rc);
}


static void
ngx_http_paytrade_item_done(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    ngx_int_t                 rc;
    pt_slice_t                word, rest;
    ngx_http_paytrade_ctx_t  *ctx;
    ngx_http_paytrade_one_t  *one;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    one = ctx->data;

    word = ngx_http_paytrade_word(call, &rest);

    if (pt_slice_eq(word, pt_slice_lit("item"))) {
        rc = ngx_http_paytrade_reply_item(r, NGX_HTTP_OK, "ok", rest,
                                          one->for_operator);

    } else if (pt_slice_eq(word, pt_slice_lit("unknown_item"))) {
        rc = ngx_http_paytrade_reply_problem(r, PT_UNKNOWN_ITEM,
                                             "there is no such SKU");

    } else {
        rc = ngx_http_paytrade_reply_failure(r, call);
    }

    ngx_http_paytrade_finish(r, rc);
}


ngx_int_t
ngx_http_paytrade_reply_item(ngx_http_request_t *r, ngx_uint_t status,
    const char *result, pt_slice_t row, ngx_uint_t for_operator)
{
    pt_out_t                  out;
    pt_item_t                 item;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    if (pt_item_parse_row(&item, row) != 0) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "paytrade: broken item \"%*s\"", row.len, row.data);

        return ngx_http_paytrade_reply_problem(r, PT_UNAVAILABLE,
                                         "the item's record cannot be read");
    }

    ngx_http_paytrade_zone_learn(ctx->worker->conf->shm_zone, item.sku,
                                 item.sale);

    ngx_http_paytrade_out_init(&out, r, 512);

    pt_item_json(&out, &item, ngx_http_paytrade_currency(ctx->worker),
                 ctx->worker->conf->decimals, for_operator);

    return ngx_http_paytrade_reply_json(r, status, result, &out);
}
