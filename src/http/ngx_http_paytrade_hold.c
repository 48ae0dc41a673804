/*
 * paytrade_hold: POST asks for a hold, GET lists the buyer's open orders.
 *
 * A hold goes: body, user and key are read; the SKU's sale is looked up in the
 * shared zone, which may answer "sold out" for a moment; then one operation in
 * the next batch of the sale's partition decides everything.
 */

#include "ngx_http_paytrade.h"


static void ngx_http_paytrade_hold_body(ngx_http_request_t *r,
    pt_slice_t body);
static void ngx_http_paytrade_hold_cleanup(void *data);
static ngx_int_t ngx_http_paytrade_hold_start(ngx_http_request_t *r);
static void ngx_http_paytrade_hold_located(ngx_http_request_t *r,
    pt_slice_t sale);
static ngx_uint_t ngx_http_paytrade_hold_is_sold_out(ngx_http_request_t *r,
    ngx_http_paytrade_sku_t *sku);
static ngx_int_t ngx_http_paytrade_hold_submit(ngx_http_request_t *r,
    pt_slice_t sale);
static ngx_int_t ngx_http_paytrade_hold_list(ngx_http_request_t *r);
static void ngx_http_paytrade_hold_listed(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);


ngx_int_t
ngx_http_paytrade_hold_handler(ngx_http_request_t *r)
{
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_paytrade_begin(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r->method != NGX_HTTP_POST
        && r->method != NGX_HTTP_GET && r->method != NGX_HTTP_HEAD)
    {
        return ngx_http_paytrade_bad_method(r, "GET, HEAD, POST");
    }

    if (ctx->worker == NULL) {
        return ngx_http_paytrade_reply_problem(r, PT_UNAVAILABLE, NULL);
    }

    if (r->method == NGX_HTTP_POST) {
        return ngx_http_paytrade_read_json(r, ngx_http_paytrade_hold_body);
    }

    return ngx_http_paytrade_hold_list(r);
}


static void
ngx_http_paytrade_hold_body(ngx_http_request_t *r, pt_slice_t body)
{
    ngx_int_t      rc;
    const char    *detail;
    pt_problem_e   problem;

    rc = ngx_http_paytrade_hold_read(r, body, &problem, &detail);

    if (rc == NGX_DECLINED) {
        rc = ngx_http_paytrade_reply_problem(r, problem, detail);

    } else if (rc == NGX_OK) {
        rc = ngx_http_paytrade_hold_start(r);

    } else {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_paytrade_wait_body(r, rc);
}


ngx_int_t
ngx_http_paytrade_hold_read(ngx_http_request_t *r, pt_slice_t body,
    pt_problem_e *problem, const char **detail)
{
    ngx_int_t                       rc;
    pt_hold_t                      *hold;
    ngx_pool_cleanup_t             *cln;
    ngx_http_paytrade_ctx_t        *ctx;
    ngx_http_paytrade_main_conf_t  *mcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    mcf = ngx_http_get_module_main_conf(r, ngx_http_paytrade_module);

    hold = &ctx->hold;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_paytrade_hold_cleanup;
    cln->data = hold;

    if (pt_hold_parse(hold, body, mcf->decimals, detail) != 0) {
        *problem = PT_BAD_REQUEST;
        return NGX_DECLINED;
    }

    ctx->sku.data = (u_char *) hold->lines[0].sku.data;
    ctx->sku.len = hold->lines[0].sku.len;

    rc = ngx_http_paytrade_read_key(r, hold->request_id, problem, detail);

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_paytrade_read_user(r, problem, detail);
}


static void
ngx_http_paytrade_hold_cleanup(void *data)
{
    pt_hold_free(data);
}


static ngx_int_t
ngx_http_paytrade_hold_start(ngx_http_request_t *r)
{
    pt_slice_t                sale;
    pt_line_t                *line;
    ngx_http_paytrade_ctx_t  *ctx;
    ngx_http_paytrade_sku_t   sku;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    switch (ngx_http_paytrade_hold_sale(r, &sku, &sale,
                                        ngx_http_paytrade_hold_located))
    {

    case NGX_OK:
        return ngx_http_paytrade_hold_submit(r, sale);

    case NGX_AGAIN:
        return NGX_HTTP_PAYTRADE_WAITS;

    case NGX_DECLINED:
        return ngx_http_paytrade_reply_problem(r, PT_UNKNOWN_ITEM,
                                               "no such item is on sale");

    case NGX_ABORT:
        ngx_http_paytrade_count(ctx->worker->conf->shm_zone,
                                NGX_HTTP_PAYTRADE_SOLDOUT_CACHED, 1);

        line = &ctx->hold.lines[0];

        return ngx_http_paytrade_hold_sold_out(r, line->sku, 0,
                       line->quantity <= sku.held ? sku.retry_ms : 0);

    default:
        return ngx_http_paytrade_started(r, NGX_DECLINED);
    }
}


ngx_int_t
ngx_http_paytrade_hold_sale(ngx_http_request_t *r,
    ngx_http_paytrade_sku_t *sku, pt_slice_t *sale,
    ngx_http_paytrade_located_pt located)
{
    pt_hold_t                *hold;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    hold = &ctx->hold;

    ngx_http_paytrade_zone_find(ctx->worker->conf->shm_zone,
                                hold->lines[0].sku, sku);

    if (sku->known == NGX_HTTP_PAYTRADE_SKU_KNOWN
        && ngx_http_paytrade_hold_is_sold_out(r, sku))
    {
        return NGX_ABORT;
    }

    if (hold->sale.len) {
        *sale = hold->sale;
        return NGX_OK;
    }

    if (sku->known == NGX_HTTP_PAYTRADE_SKU_KNOWN) {
        *sale = pt_slice(sku->sale, sku->sale_len);
        return NGX_OK;
    }

    return ngx_http_paytrade_locate(r, hold->lines[0].sku, sale, located);
}


static void
ngx_http_paytrade_hold_located(ngx_http_request_t *r, pt_slice_t sale)
{
    ngx_int_t                 rc;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    if (sale.len) {
        rc = ngx_http_paytrade_hold_submit(r, sale);

    } else if (ctx->failed) {
        rc = ngx_http_paytrade_reply_problem(r, PT_UNAVAILABLE,
                             "the stock cannot be reached; ask again");

    } else {
        rc = ngx_http_paytrade_reply_problem(r, PT_UNKNOWN_ITEM,
                                             "no such item is on sale");
    }

    ngx_http_paytrade_wait_call(r, rc);
}


/*
 * Only for a single SKU at the right price, so that the order of refusals
 * stays as documented, and not for a buyer who may have a hold to find again.
 */
static ngx_uint_t
ngx_http_paytrade_hold_is_sold_out(ngx_http_request_t *r,
    ngx_http_paytrade_sku_t *sku)
{
    pt_hold_t                      *hold;
    pt_slice_t                      sale;
    ngx_uint_t                      partition;
    ngx_http_paytrade_ctx_t        *ctx;
    ngx_http_paytrade_counters_t   *counters;
    ngx_http_paytrade_main_conf_t  *mcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    mcf = ctx->worker->conf;
    hold = &ctx->hold;
    sale = pt_slice(sku->sale, sku->sale_len);

    if (!sku->sold_out
        || hold->nlines != 1
        || hold->lines[0].unit_price != sku->price
        || hold->amount != -1
        || (hold->sale.len && !pt_slice_eq(hold->sale, sale)))
    {
        return 0;
    }

    counters = ngx_http_paytrade_counters(mcf->shm_zone);
    partition = ngx_http_paytrade_partition_of(mcf, sale);

    return counters->recalled[partition]
           && !ngx_http_paytrade_zone_may_hold(mcf->shm_zone, ctx->user, sale);
}


static ngx_int_t
ngx_http_paytrade_hold_submit(ngx_http_request_t *r, pt_slice_t sale)
{
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    /* before it is sent: whoever may hold something is known from here on */

    ngx_http_paytrade_zone_buyer(ctx->worker->conf->shm_zone, ctx->user, sale);

    return ngx_http_paytrade_started(r,
               ngx_http_paytrade_hold_call(r, sale, 0,
                                           ngx_http_paytrade_hold_answer));
}


ngx_int_t
ngx_http_paytrade_hold_call(ngx_http_request_t *r, pt_slice_t sale,
    ngx_uint_t look, ngx_http_paytrade_call_pt handler)
{
    size_t                     i;
    u_char                     hash[PT_HASH_LEN];
    int64_t                    nlines;
    pt_out_t                   out;
    pt_hold_t                 *hold;
    ngx_uint_t                 partition;
    ngx_http_paytrade_ctx_t   *ctx;
    ngx_http_paytrade_call_t  *call;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    hold = &ctx->hold;

    ngx_http_paytrade_out_init(&out, r, 512);
    pt_hold_canonical(&out, hold);

    if (out.failed) {
        return NGX_ERROR;
    }

    call = ngx_http_paytrade_call_get(r);
    if (call == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_paytrade_call_arg(call, ctx->user);
    ngx_http_paytrade_call_arg(call, sale);

    ngx_http_paytrade_hash(ctx->key, hash);
    ngx_http_paytrade_call_arg(call, pt_slice(hash, PT_HASH_LEN));

    ngx_http_paytrade_hash(pt_out_slice(&out), hash);
    ngx_http_paytrade_call_arg(call, pt_slice(hash, PT_HASH_LEN));

    if (hold->amount == -1) {
        ngx_http_paytrade_call_arg(call, pt_slice_null);

    } else {
        ngx_http_paytrade_call_int(call, hold->amount);
    }

    nlines = hold->nlines;

    ngx_http_paytrade_call_arg(call, hold->meta);
    ngx_http_paytrade_call_int(call, look ? -nlines : nlines);

    for (i = 0; i < hold->nlines; i++) {
        ngx_http_paytrade_call_arg(call, hold->lines[i].sku);
        ngx_http_paytrade_call_int(call, hold->lines[i].quantity);
        ngx_http_paytrade_call_int(call, hold->lines[i].unit_price);
    }

    partition = ngx_http_paytrade_partition_of(ctx->worker->conf, sale);

    return ngx_http_paytrade_call_redis(call, partition,
                                        NGX_PAYTRADE_SCRIPT_HOLD, handler);
}


/* GET ?sale=: what the buyer has open. */
static ngx_int_t
ngx_http_paytrade_hold_list(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    pt_slice_t                 sale;
    ngx_uint_t                 partition;
    const char                *detail;
    pt_problem_e               problem;
    ngx_http_paytrade_ctx_t   *ctx;
    ngx_http_paytrade_call_t  *call;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    rc = ngx_http_paytrade_no_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_paytrade_arg(r, "sale", &sale);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc == NGX_DECLINED || !pt_name_valid(sale)) {
        return ngx_http_paytrade_reply_problem(r, PT_BAD_REQUEST,
                             "the argument \"sale\" has to name a sale");
    }

    rc = ngx_http_paytrade_read_user(r, &problem, &detail);

    if (rc == NGX_DECLINED) {
        return ngx_http_paytrade_reply_problem(r, problem, detail);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    call = ngx_http_paytrade_call_get(r);
    if (call == NULL) {
        return ngx_http_paytrade_started(r, NGX_DECLINED);
    }

    ngx_http_paytrade_call_str(call, "orders");
    ngx_http_paytrade_call_int(call, 2);
    ngx_http_paytrade_call_arg(call, sale);
    ngx_http_paytrade_call_arg(call, ctx->user);

    partition = ngx_http_paytrade_partition_of(ctx->worker->conf, sale);

    rc = ngx_http_paytrade_call_redis(call, partition,
                                      NGX_PAYTRADE_SCRIPT_READ,
                                      ngx_http_paytrade_hold_listed);

    return ngx_http_paytrade_wait(r, ngx_http_paytrade_started(r, rc));
}


static void
ngx_http_paytrade_hold_listed(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    pt_out_t                        out;
    pt_order_t                      order;
    pt_slice_t                      rest, row;
    ngx_uint_t                      n;
    ngx_http_paytrade_main_conf_t  *mcf;

    rest = call->reply;

    if (call->outcome != NGX_PAYTRADE_REDIS_OK
        || !pt_slice_next(&rest, '\n', &row)
        || !pt_slice_eq(row, pt_slice_lit("orders")))
    {
        ngx_http_paytrade_finish(r, ngx_http_paytrade_reply_failure(r, call));
        return;
    }

    mcf = call->worker->conf;

    ngx_http_paytrade_out_init(&out, r, 64 + 2 * rest.len);
    pt_out_str(&out, "{\"orders\":[");

    for (n = 0; pt_slice_next(&rest, '\n', &row); n++) {

        if (pt_order_parse_row(&order, row) != 0) {
            ngx_http_paytrade_finish(r,
                                   ngx_http_paytrade_reply_failure(r, call));
            return;
        }

        if (n) {
            pt_out_char(&out, ',');
        }

        pt_order_json(&out, &order, ngx_http_paytrade_currency(call->worker),
                      mcf->decimals);
    }

    pt_out_str(&out, "]}");

    ngx_http_paytrade_finish(r,
                         ngx_http_paytrade_reply_json(r, NGX_HTTP_OK, "ok",
                                                      &out));
}
