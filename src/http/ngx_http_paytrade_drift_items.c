/*
 * Drift of items: PostgreSQL's list of a partition against Redis, sale by
 * sale.  What Redis has beyond the list is drift as well.
 */

#include "ngx_http_paytrade_drift.h"


#define NGX_HTTP_PAYTRADE_DRIFT_STILL  3


static void ngx_http_paytrade_drift_items_listed(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static ngx_int_t ngx_http_paytrade_drift_items_read(
    ngx_http_paytrade_drift_t *drift, PGresult *res);
static ngx_int_t ngx_http_paytrade_drift_ask(
    ngx_http_paytrade_drift_t *drift);
static ngx_int_t ngx_http_paytrade_drift_ask_call(
    ngx_http_paytrade_drift_t *drift, const char *kind, pt_slice_t name,
    ngx_http_paytrade_call_pt handler);
static void ngx_http_paytrade_drift_item_answer(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static void ngx_http_paytrade_drift_sale_answer(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static ngx_int_t ngx_http_paytrade_drift_take(
    ngx_http_paytrade_drift_t *drift, pt_item_t *item);
static ngx_http_paytrade_drift_item_t *ngx_http_paytrade_drift_find_item(
    ngx_http_paytrade_drift_t *drift, pt_slice_t sku);
static ngx_int_t ngx_http_paytrade_drift_compare_items(
    ngx_http_paytrade_drift_t *drift);
static ngx_uint_t ngx_http_paytrade_drift_item_differs(
    ngx_http_paytrade_drift_item_t *item);
static ngx_int_t ngx_http_paytrade_drift_suspect_item(
    ngx_http_paytrade_drift_t *drift, ngx_http_paytrade_drift_item_t *item);
static ngx_uint_t ngx_http_paytrade_drift_still(
    ngx_http_paytrade_drift_t *drift, ngx_http_paytrade_drift_item_t *item);
static int ngx_http_paytrade_drift_compare_skus(const void *one,
    const void *two);
static void ngx_http_paytrade_drift_units_json(pt_out_t *out,
    const char *name, ngx_http_paytrade_drift_units_t *units);


ngx_int_t
ngx_http_paytrade_drift_items(ngx_http_paytrade_drift_t *drift)
{
    ngx_int_t                  rc;
    ngx_http_paytrade_call_t  *call;

    call = ngx_http_paytrade_call_get(drift->request);
    if (call == NULL) {
        return ngx_http_paytrade_drift_started(drift, NGX_DECLINED);
    }

    ngx_http_paytrade_call_int(call, drift->partition);

    rc = ngx_http_paytrade_call_pg(call, ngx_paytrade_pg_audit_items,
                                   ngx_http_paytrade_drift_items_listed);

    return ngx_http_paytrade_drift_started(drift, rc);
}


static void
ngx_http_paytrade_drift_items_listed(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    ngx_http_paytrade_ctx_t    *ctx;
    ngx_http_paytrade_drift_t  *drift;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    drift = ctx->data;

    if (call->pg_outcome != NGX_PAYTRADE_PG_OK) {
        ngx_http_paytrade_drift_end(drift,
                                    ngx_http_paytrade_reply_failure(r, call));
        return;
    }

    if (ngx_http_paytrade_drift_items_read(drift, call->exchange.results[0])
        != NGX_OK)
    {
        ngx_http_paytrade_drift_end(drift, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    drift->next = ngx_http_paytrade_drift_ask;

    ngx_http_paytrade_drift_run(drift);
}


/* sku stock held sold version */
static ngx_int_t
ngx_http_paytrade_drift_items_read(ngx_http_paytrade_drift_t *drift,
    PGresult *res)
{
    int                               row, rows, len;
    u_char                           *p;
    int64_t                          *to[4];
    ngx_uint_t                        i;
    ngx_http_paytrade_drift_item_t   *item;
    ngx_http_paytrade_drift_units_t  *units;

    if (ngx_http_paytrade_drift_page(drift,
                                     sizeof(ngx_http_paytrade_drift_item_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    rows = PQntuples(res);

    for (row = 0; row < rows; row++) {
        item = ngx_array_push(drift->page);
        len = PQgetlength(res, row, 0);
        p = ngx_pnalloc(drift->pool, len + 1);

        if (item == NULL || p == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(p, PQgetvalue(res, row, 0), len);

        ngx_memzero(item, sizeof(ngx_http_paytrade_drift_item_t));

        item->sku = pt_slice(p, len);

        units = &item->at[NGX_HTTP_PAYTRADE_IN_POSTGRES];
        units->known = 1;

        to[0] = &units->stock;
        to[1] = &units->held;
        to[2] = &units->sold;
        to[3] = &units->version;

        for (i = 0; i < 4; i++) {
            if (pt_slice_int(pt_slice(PQgetvalue(res, row, i + 1),
                                      PQgetlength(res, row, i + 1)),
                             INT64_MIN, INT64_MAX, to[i])
                != 0)
            {
                return NGX_ERROR;
            }
        }

        units->available = units->stock - units->held - units->sold;
    }

    qsort(drift->page->elts, drift->page->nelts, drift->page->size,
          ngx_http_paytrade_drift_compare_skus);

    if (drift->full) {
        drift->items_checked += rows;
    }

    return NGX_OK;
}


/* The next SKU that no answer has told of leads to the next sale. */
static ngx_int_t
ngx_http_paytrade_drift_ask(ngx_http_paytrade_drift_t *drift)
{
    ngx_http_paytrade_drift_item_t  *item;

    item = drift->page->elts;

    while (drift->at < drift->page->nelts && item[drift->at].seen) {
        drift->at++;
    }

    if (drift->at == drift->page->nelts) {
        drift->next = ngx_http_paytrade_drift_items_done;
        return ngx_http_paytrade_drift_compare_items(drift);
    }

    item[drift->at].seen = 1;

    return ngx_http_paytrade_drift_ask_call(drift, "item",
                                        item[drift->at].sku,
                                        ngx_http_paytrade_drift_item_answer);
}


static ngx_int_t
ngx_http_paytrade_drift_ask_call(ngx_http_paytrade_drift_t *drift,
    const char *kind, pt_slice_t name, ngx_http_paytrade_call_pt handler)
{
    ngx_int_t                  rc;
    ngx_http_paytrade_call_t  *call;

    call = ngx_http_paytrade_call_get(drift->request);
    if (call == NULL) {
        return ngx_http_paytrade_drift_started(drift, NGX_DECLINED);
    }

    ngx_http_paytrade_call_str(call, kind);
    ngx_http_paytrade_call_int(call, 1);
    ngx_http_paytrade_call_arg(call, name);

    rc = ngx_http_paytrade_call_redis(call, drift->partition,
                                      NGX_PAYTRADE_SCRIPT_READ, handler);

    return ngx_http_paytrade_drift_started(drift, rc);
}


static void
ngx_http_paytrade_drift_item_answer(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    ngx_int_t                   rc;
    pt_item_t                   item;
    pt_slice_t                  word, rest;
    ngx_http_paytrade_ctx_t    *ctx;
    ngx_http_paytrade_drift_t  *drift;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    drift = ctx->data;

    word = ngx_http_paytrade_word(call, &rest);

    if (pt_slice_eq(word, pt_slice_lit("item"))
        && pt_item_parse_row(&item, rest) == 0)
    {
        rc = ngx_http_paytrade_drift_take(drift, &item);

        if (rc == NGX_OK) {
            rc = ngx_http_paytrade_drift_ask_call(drift, "items", item.sale,
                                        ngx_http_paytrade_drift_sale_answer);
        }

        if (rc != NGX_HTTP_PAYTRADE_WAITS) {
            ngx_http_paytrade_drift_end(drift, rc);
        }

        return;
    }

    if (!pt_slice_eq(word, pt_slice_lit("item"))
        && !pt_slice_eq(word, pt_slice_lit("unknown_item"))
        && !pt_slice_eq(word, pt_slice_lit("broken")))
    {
        ngx_http_paytrade_drift_end(drift,
                                    ngx_http_paytrade_reply_failure(r, call));
        return;
    }

    ngx_http_paytrade_drift_run(drift);
}


static void
ngx_http_paytrade_drift_sale_answer(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    pt_item_t                   item;
    pt_slice_t                  word, row, rows;
    ngx_http_paytrade_ctx_t    *ctx;
    ngx_http_paytrade_drift_t  *drift;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    drift = ctx->data;

    rows = call->reply;

    if (call->outcome != NGX_PAYTRADE_REDIS_OK
        || !pt_slice_next(&rows, '\n', &word)
        || pt_slice_eq(word, pt_slice_lit("restarted")))
    {
        ngx_http_paytrade_drift_end(drift,
                                    ngx_http_paytrade_reply_failure(r, call));
        return;
    }

    /* a sale that is unknown or broken leaves its items to be asked singly */

    while (pt_slice_next(&rows, '\n', &row)) {
        if (pt_item_parse_row(&item, row) == 0
            && ngx_http_paytrade_drift_take(drift, &item) != NGX_OK)
        {
            ngx_http_paytrade_drift_end(drift,
                                        NGX_HTTP_INTERNAL_SERVER_ERROR);
            return;
        }
    }

    ngx_http_paytrade_drift_run(drift);
}


static ngx_int_t
ngx_http_paytrade_drift_take(ngx_http_paytrade_drift_t *drift,
    pt_item_t *item)
{
    ngx_http_paytrade_drift_item_t    extra, *found;
    ngx_http_paytrade_drift_units_t  *units;

    found = ngx_http_paytrade_drift_find_item(drift, item->sku);

    if (found == NULL) {
        ngx_memzero(&extra, sizeof(ngx_http_paytrade_drift_item_t));
        extra.sku = item->sku;
        found = &extra;
    }

    found->seen = 1;

    units = &found->at[NGX_HTTP_PAYTRADE_IN_REDIS];
    units->known = 1;
    units->stock = item->stock;
    units->held = item->held;
    units->sold = item->sold;
    units->available = item->available;
    units->version = item->version;

    if (found == &extra) {
        if (drift->full) {
            drift->items_checked++;
        }

        return ngx_http_paytrade_drift_suspect_item(drift, found);
    }

    return NGX_OK;
}


static ngx_http_paytrade_drift_item_t *
ngx_http_paytrade_drift_find_item(ngx_http_paytrade_drift_t *drift,
    pt_slice_t sku)
{
    ngx_http_paytrade_drift_item_t  key;

    key.sku = sku;

    return bsearch(&key, drift->page->elts, drift->page->nelts,
                   drift->page->size, ngx_http_paytrade_drift_compare_skus);
}


static ngx_int_t
ngx_http_paytrade_drift_compare_items(ngx_http_paytrade_drift_t *drift)
{
    ngx_uint_t                       i;
    ngx_http_paytrade_drift_item_t  *item;

    item = drift->page->elts;

    for (i = 0; i < drift->page->nelts; i++) {
        if (ngx_http_paytrade_drift_item_differs(&item[i])
            && ngx_http_paytrade_drift_suspect_item(drift, &item[i])
               != NGX_OK)
        {
            drift->ended = 1;
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_paytrade_drift_item_differs(ngx_http_paytrade_drift_item_t *item)
{
    ngx_http_paytrade_drift_units_t  *a, *b;

    a = &item->at[NGX_HTTP_PAYTRADE_IN_REDIS];
    b = &item->at[NGX_HTTP_PAYTRADE_IN_POSTGRES];

    return !a->known
           || !b->known
           || a->stock != b->stock
           || a->held != b->held
           || a->sold != b->sold
           || a->available != b->available
           || a->version != b->version;
}


static ngx_int_t
ngx_http_paytrade_drift_suspect_item(ngx_http_paytrade_drift_t *drift,
    ngx_http_paytrade_drift_item_t *item)
{
    u_char                          *p;
    ngx_pool_t                      *pool;
    ngx_http_paytrade_drift_item_t  *suspect;

    drift->again[drift->partition] = 1;

    if (drift->items.nelts + drift->orders.nelts
        >= NGX_HTTP_PAYTRADE_DRIFT_MAX)
    {
        drift->more = 1;
        return NGX_OK;
    }

    pool = drift->request->pool;

    suspect = ngx_array_push(&drift->items);
    p = ngx_pnalloc(pool, item->sku.len + 1);

    if (suspect == NULL || p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, item->sku.data, item->sku.len);

    *suspect = *item;
    suspect->sku = pt_slice(p, item->sku.len);
    suspect->still = ngx_http_paytrade_drift_still(drift, suspect);

    return NGX_OK;
}


/* For how many rounds the item has differed in the same way. */
static ngx_uint_t
ngx_http_paytrade_drift_still(ngx_http_paytrade_drift_t *drift,
    ngx_http_paytrade_drift_item_t *item)
{
    ngx_uint_t                        i, side;
    ngx_http_paytrade_drift_item_t   *before;
    ngx_http_paytrade_drift_units_t  *a, *b;

    before = drift->before.elts;

    for (i = 0; i < drift->before.nelts; i++) {
        if (pt_slice_eq(before[i].sku, item->sku)) {
            break;
        }
    }

    if (drift->full || i == drift->before.nelts) {
        return 0;
    }

    for (side = 0; side < NGX_HTTP_PAYTRADE_SIDES; side++) {
        a = &before[i].at[side];
        b = &item->at[side];

        if (a->known != b->known
            || a->stock != b->stock
            || a->held != b->held
            || a->sold != b->sold
            || a->version != b->version)
        {
            return 0;
        }
    }

    return before[i].still + 1;
}


/*
 * A hot item never rests long enough to be compared.  While its numbers move on
 * it is not told of; what is wrong with it is seen when it rests.
 */
void
ngx_http_paytrade_drift_drop_moving(ngx_http_paytrade_drift_t *drift)
{
    ngx_uint_t                       i, n;
    ngx_http_paytrade_drift_item_t  *item;

    item = drift->items.elts;
    n = 0;

    for (i = 0; i < drift->items.nelts; i++) {

        if (item[i].still < NGX_HTTP_PAYTRADE_DRIFT_STILL) {
            drift->moving++;

        } else {
            item[n++] = item[i];
        }
    }

    drift->items.nelts = n;
}


static int
ngx_http_paytrade_drift_compare_skus(const void *one, const void *two)
{
    int                                    rc;
    const ngx_http_paytrade_drift_item_t  *a = one;
    const ngx_http_paytrade_drift_item_t  *b = two;

    rc = ngx_memcmp(a->sku.data, b->sku.data,
                    ngx_min(a->sku.len, b->sku.len));

    if (rc == 0 && a->sku.len != b->sku.len) {
        return a->sku.len < b->sku.len ? -1 : 1;
    }

    return rc;
}


void
ngx_http_paytrade_drift_item_json(pt_out_t *out,
    ngx_http_paytrade_drift_item_t *item)
{
    pt_out_str(out, "{\"kind\":\"item\",\"sku\":");
    pt_out_json(out, item->sku);

    ngx_http_paytrade_drift_units_json(out, "redis",
                                    &item->at[NGX_HTTP_PAYTRADE_IN_REDIS]);
    ngx_http_paytrade_drift_units_json(out, "postgres",
                                    &item->at[NGX_HTTP_PAYTRADE_IN_POSTGRES]);

    pt_out_char(out, '}');
}


static void
ngx_http_paytrade_drift_units_json(pt_out_t *out, const char *name,
    ngx_http_paytrade_drift_units_t *units)
{
    pt_out_str(out, ",\"");
    pt_out_str(out, name);

    if (!units->known) {
        pt_out_str(out, "\":null");
        return;
    }

    pt_out_str(out, "\":{\"stock\":");
    pt_out_int(out, units->stock);
    pt_out_str(out, ",\"available\":");
    pt_out_int(out, units->available);
    pt_out_str(out, ",\"held\":");
    pt_out_int(out, units->held);
    pt_out_str(out, ",\"sold\":");
    pt_out_int(out, units->sold);
    pt_out_str(out, ",\"version\":");
    pt_out_int(out, units->version);
    pt_out_char(out, '}');
}
