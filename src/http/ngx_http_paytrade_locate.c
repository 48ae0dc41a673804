/*
 * Which sale a SKU belongs to: from the shared zone, else from Redis, where
 * all partitions are asked at once.
 */

#include "ngx_http_paytrade.h"


static void ngx_http_paytrade_locate_done(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static ngx_int_t ngx_http_paytrade_locate_answer(
    ngx_http_paytrade_call_t *call, pt_slice_t *sale);
static void ngx_http_paytrade_item_located(ngx_http_request_t *r,
    pt_slice_t sale);


ngx_int_t
ngx_http_paytrade_locate(ngx_http_request_t *r, pt_slice_t sku,
    pt_slice_t *sale, ngx_http_paytrade_located_pt found)
{
    u_char                   *p;
    ngx_http_paytrade_ctx_t  *ctx;
    ngx_http_paytrade_sku_t   known;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    ngx_http_paytrade_zone_find(ctx->worker->conf->shm_zone, sku, &known);

    if (known.known == NGX_HTTP_PAYTRADE_SKU_UNKNOWN) {
        return NGX_DECLINED;
    }

    if (known.known == NGX_HTTP_PAYTRADE_SKU_NEW) {
        return ngx_http_paytrade_locate_ask(r, sku, found);
    }

    p = ngx_pnalloc(r->pool, known.sale_len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, known.sale, known.sale_len);

    *sale = pt_slice(p, known.sale_len);

    return NGX_OK;
}


ngx_int_t
ngx_http_paytrade_locate_ask(ngx_http_request_t *r, pt_slice_t sku,
    ngx_http_paytrade_located_pt found)
{
    ngx_uint_t                 n, partitions;
    ngx_http_paytrade_ctx_t   *ctx;
    ngx_http_paytrade_call_t  *call;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    ctx->located = found;
    ctx->asking = 0;
    ctx->failed = 0;
    ctx->found = 0;

    partitions = ctx->worker->conf->partitions;

    for (n = 0; n < partitions; n++) {
        call = ngx_http_paytrade_call_get(r);

        if (call == NULL) {
            ctx->failed++;
            continue;
        }

        ngx_http_paytrade_call_str(call, "locate");
        ngx_http_paytrade_call_int(call, 1);
        ngx_http_paytrade_call_arg(call, sku);

        if (ngx_http_paytrade_call_redis(call, n, NGX_PAYTRADE_SCRIPT_READ,
                                         ngx_http_paytrade_locate_done)
            != NGX_OK)
        {
            ctx->failed++;
            continue;
        }

        ctx->asking++;
    }

    return ctx->asking ? NGX_AGAIN : NGX_ERROR;
}


static void
ngx_http_paytrade_locate_done(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    pt_slice_t                sku, sale;
    ngx_int_t                 rc;
    ngx_shm_zone_t           *zone;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    ctx->asking--;

    if (ctx->found) {
        return;
    }

    sku = call->argv[2];
    zone = call->worker->conf->shm_zone;

    rc = ngx_http_paytrade_locate_answer(call, &sale);

    if (rc == NGX_OK) {
        ctx->found = 1;
        ngx_http_paytrade_zone_learn(zone, sku, sale);
        ctx->located(r, sale);
        return;
    }

    if (rc == NGX_ERROR) {
        ctx->failed++;
    }

    if (ctx->asking) {
        return;
    }

    if (ctx->failed == 0) {
        ngx_http_paytrade_zone_learn(zone, sku, pt_slice_null);
    }

    ctx->located(r, pt_slice_null);
}


/* NGX_OK: *sale is set; NGX_DECLINED: no such SKU; NGX_ERROR: no answer. */
static ngx_int_t
ngx_http_paytrade_locate_answer(ngx_http_paytrade_call_t *call,
    pt_slice_t *sale)
{
    pt_slice_t                     word, rest;
    ngx_http_paytrade_counters_t  *counters;

    if (call->outcome != NGX_PAYTRADE_REDIS_OK) {
        counters = ngx_http_paytrade_counters(call->worker->conf->shm_zone);
        (void) ngx_atomic_fetch_add(&counters->failures[call->outcome], 1);
        return NGX_ERROR;
    }

    rest = call->reply;

    if (!pt_slice_next(&rest, '\t', &word)) {
        return NGX_ERROR;
    }

    if (pt_slice_eq(word, pt_slice_lit("sale"))) {
        return pt_slice_next(&rest, '\t', sale) && sale->len ? NGX_OK
                                                             : NGX_ERROR;
    }

    if (pt_slice_eq(word, pt_slice_lit("unknown_item"))) {
        return NGX_DECLINED;
    }

    if (pt_slice_eq(word, pt_slice_lit("restarted"))) {
        ngx_http_paytrade_partition_recheck(
                            &call->worker->partitions[call->partition]);
    }

    return NGX_ERROR;
}


ngx_int_t
ngx_http_paytrade_at_item(ngx_http_request_t *r, pt_slice_t sku,
    ngx_http_paytrade_there_pt there)
{
    ngx_int_t                 rc;
    pt_slice_t                sale;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    ctx->there = there;

    rc = ngx_http_paytrade_locate(r, sku, &sale,
                                  ngx_http_paytrade_item_located);

    switch (rc) {

    case NGX_OK:
        return there(r, ngx_http_paytrade_partition_of(ctx->worker->conf,
                                                       sale));

    case NGX_AGAIN:
        return NGX_HTTP_PAYTRADE_WAITS;

    case NGX_DECLINED:
        return ngx_http_paytrade_reply_problem(r, PT_UNKNOWN_ITEM,
                                               "there is no such SKU");

    default:
        return ngx_http_paytrade_started(r, rc);
    }
}


static void
ngx_http_paytrade_item_located(ngx_http_request_t *r, pt_slice_t sale)
{
    ngx_int_t                 rc;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    if (sale.len) {
        rc = ctx->there(r, ngx_http_paytrade_partition_of(ctx->worker->conf,
                                                          sale));

    } else if (ctx->failed) {
        rc = ngx_http_paytrade_started(r, NGX_ERROR);

    } else {
        rc = ngx_http_paytrade_reply_problem(r, PT_UNKNOWN_ITEM,
                                             "there is no such SKU");
    }

    ngx_http_paytrade_wait_call(r, rc);
}
