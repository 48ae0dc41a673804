/*
 * paytrade_admin: does PostgreSQL tell what Redis tells?  The rounds, the
 * pauses between them, and the answer; see ngx_http_paytrade_drift.h.
 */

#include "ngx_http_paytrade_drift.h"


#define NGX_HTTP_PAYTRADE_DRIFT_ROUNDS  6
#define NGX_HTTP_PAYTRADE_DRIFT_PAUSE   500


static ngx_http_paytrade_drift_t *ngx_http_paytrade_drift_create(
    ngx_http_request_t *r);
static void ngx_http_paytrade_drift_cleanup(void *data);
static ngx_int_t ngx_http_paytrade_drift_steps(
    ngx_http_paytrade_drift_t *drift);
static ngx_int_t ngx_http_paytrade_drift_scan(
    ngx_http_paytrade_drift_t *drift);
static ngx_int_t ngx_http_paytrade_drift_next_partition(
    ngx_http_paytrade_drift_t *drift);
static ngx_int_t ngx_http_paytrade_drift_judge(
    ngx_http_paytrade_drift_t *drift);
static ngx_int_t ngx_http_paytrade_drift_again(
    ngx_http_paytrade_drift_t *drift);
static ngx_int_t ngx_http_paytrade_drift_again_items(
    ngx_http_paytrade_drift_t *drift);
static ngx_int_t ngx_http_paytrade_drift_pause(
    ngx_http_paytrade_drift_t *drift);
static void ngx_http_paytrade_drift_timer(ngx_event_t *ev);
static ngx_int_t ngx_http_paytrade_drift_reply(
    ngx_http_paytrade_drift_t *drift);


ngx_int_t
ngx_http_paytrade_drift_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_paytrade_drift_t  *drift;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return ngx_http_paytrade_bad_method(r, "GET, HEAD");
    }

    rc = ngx_http_paytrade_no_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    drift = ngx_http_paytrade_drift_create(r);
    if (drift == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    drift->next = ngx_http_paytrade_drift_scan;

    rc = ngx_http_paytrade_drift_steps(drift);

    if (rc != NGX_HTTP_PAYTRADE_WAITS) {
        drift->ended = 1;
    }

    return ngx_http_paytrade_wait(r, rc);
}


static ngx_http_paytrade_drift_t *
ngx_http_paytrade_drift_create(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t         *cln;
    ngx_http_paytrade_ctx_t    *ctx;
    ngx_http_paytrade_drift_t  *drift;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    drift = ngx_pcalloc(r->pool, sizeof(ngx_http_paytrade_drift_t));
    cln = ngx_pool_cleanup_add(r->pool, 0);

    if (drift == NULL
        || cln == NULL
        || ngx_array_init(&drift->items, r->pool, 4,
                          sizeof(ngx_http_paytrade_drift_item_t)) != NGX_OK
        || ngx_array_init(&drift->orders, r->pool, 4,
                          sizeof(ngx_http_paytrade_drift_order_t)) != NGX_OK)
    {
        return NULL;
    }

    cln->handler = ngx_http_paytrade_drift_cleanup;
    cln->data = drift;

    drift->fd = (ngx_socket_t) -1;
    drift->request = r;
    drift->worker = ctx->worker;

    drift->timer.handler = ngx_http_paytrade_drift_timer;
    drift->timer.data = drift;
    drift->timer.log = r->connection->log;

    ctx->data = drift;

    return drift;
}


static void
ngx_http_paytrade_drift_cleanup(void *data)
{
    ngx_http_paytrade_drift_t *drift = data;

    if (drift->timer.timer_set) {
        ngx_del_timer(&drift->timer);
    }

    if (drift->pool) {
        ngx_destroy_pool(drift->pool);
    }
}


static ngx_int_t
ngx_http_paytrade_drift_steps(ngx_http_paytrade_drift_t *drift)
{
    ngx_int_t  rc;

    do {
        rc = drift->next(drift);
    } while (rc == NGX_OK && !drift->ended);

    return rc;
}


void
ngx_http_paytrade_drift_run(ngx_http_paytrade_drift_t *drift)
{
    ngx_int_t  rc;

    rc = ngx_http_paytrade_drift_steps(drift);

    if (rc != NGX_HTTP_PAYTRADE_WAITS) {
        ngx_http_paytrade_drift_end(drift, rc);
    }
}


void
ngx_http_paytrade_drift_end(ngx_http_paytrade_drift_t *drift, ngx_int_t rc)
{
    drift->ended = 1;

    ngx_http_paytrade_finish(drift->request, rc);
}


ngx_int_t
ngx_http_paytrade_drift_page(ngx_http_paytrade_drift_t *drift, size_t size)
{
    if (drift->pool) {
        ngx_destroy_pool(drift->pool);
    }

    drift->at = 0;
    drift->page = NULL;

    drift->pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE,
                                  drift->request->connection->log);
    if (drift->pool == NULL) {
        return NGX_ERROR;
    }

    drift->page = ngx_array_create(drift->pool,
                                   NGX_HTTP_PAYTRADE_DRIFT_PAGE, size);

    return drift->page ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_paytrade_drift_started(ngx_http_paytrade_drift_t *drift,
    ngx_int_t rc)
{
    if (rc != NGX_OK) {
        drift->ended = 1;
    }

    return ngx_http_paytrade_started(drift->request, rc);
}


static ngx_int_t
ngx_http_paytrade_drift_scan(ngx_http_paytrade_drift_t *drift)
{
    drift->full = 1;
    drift->more = 0;
    drift->partition = 0;
    drift->items_checked = 0;
    drift->orders_checked = 0;
    drift->items.nelts = 0;
    drift->orders.nelts = 0;

    ngx_memzero(drift->again, PT_PARTITIONS_MAX);

    drift->next = ngx_http_paytrade_drift_items;

    return NGX_OK;
}


ngx_int_t
ngx_http_paytrade_drift_items_done(ngx_http_paytrade_drift_t *drift)
{
    if (drift->full) {
        drift->after[0] = '\0';
        drift->next = ngx_http_paytrade_drift_orders;

    } else {
        drift->partition++;
        drift->next = ngx_http_paytrade_drift_again_items;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_paytrade_drift_orders_done(ngx_http_paytrade_drift_t *drift)
{
    drift->next = drift->full ? ngx_http_paytrade_drift_next_partition
                              : ngx_http_paytrade_drift_judge;
    return NGX_OK;
}


static ngx_int_t
ngx_http_paytrade_drift_next_partition(ngx_http_paytrade_drift_t *drift)
{
    drift->partition++;

    if (drift->partition == (ngx_uint_t) drift->worker->conf->partitions) {
        drift->next = ngx_http_paytrade_drift_judge;

    } else {
        drift->next = ngx_http_paytrade_drift_items;
    }

    return NGX_OK;
}


/* All was compared: it is either over, or the suspects are asked again. */
static ngx_int_t
ngx_http_paytrade_drift_judge(ngx_http_paytrade_drift_t *drift)
{
    ngx_uint_t  suspects;

    if (drift->round == NGX_HTTP_PAYTRADE_DRIFT_ROUNDS) {
        ngx_http_paytrade_drift_drop_moving(drift);
    }

    suspects = drift->items.nelts + drift->orders.nelts;

    if (suspects == 0 && !drift->more) {
        return ngx_http_paytrade_drift_reply(drift);
    }

    if (drift->round < NGX_HTTP_PAYTRADE_DRIFT_ROUNDS) {
        drift->round++;
        drift->next = suspects ? ngx_http_paytrade_drift_again
                               : ngx_http_paytrade_drift_scan;

        return ngx_http_paytrade_drift_pause(drift);
    }

    if (suspects == 0) {
        drift->ended = 1;

        return ngx_http_paytrade_reply_problem(drift->request, PT_UNAVAILABLE,
                             "too much is changing to be compared; ask again");
    }

    return ngx_http_paytrade_drift_reply(drift);
}


static ngx_int_t
ngx_http_paytrade_drift_again(ngx_http_paytrade_drift_t *drift)
{
    ngx_pool_t  *pool;

    drift->full = 0;
    drift->partition = 0;
    drift->suspected = 0;

    drift->before = drift->items;
    drift->suspects = drift->orders;

    pool = drift->request->pool;

    if (ngx_array_init(&drift->items, pool, 4,
                       sizeof(ngx_http_paytrade_drift_item_t)) != NGX_OK
        || ngx_array_init(&drift->orders, pool, 4,
                          sizeof(ngx_http_paytrade_drift_order_t)) != NGX_OK)
    {
        drift->ended = 1;
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    drift->next = ngx_http_paytrade_drift_again_items;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paytrade_drift_again_items(ngx_http_paytrade_drift_t *drift)
{
    ngx_uint_t  partitions;

    partitions = drift->worker->conf->partitions;

    while (drift->partition < partitions) {

        if (drift->again[drift->partition]) {
            drift->again[drift->partition] = 0;
            drift->next = ngx_http_paytrade_drift_items;

            return NGX_OK;
        }

        drift->partition++;
    }

    drift->next = ngx_http_paytrade_drift_again_orders;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paytrade_drift_pause(ngx_http_paytrade_drift_t *drift)
{
    if (ngx_http_paytrade_watch(drift->request) != NGX_OK) {
        drift->ended = 1;
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_add_timer(&drift->timer, NGX_HTTP_PAYTRADE_DRIFT_PAUSE);

    return NGX_HTTP_PAYTRADE_WAITS;
}


static void
ngx_http_paytrade_drift_timer(ngx_event_t *ev)
{
    ngx_http_paytrade_drift_t *drift = ev->data;

    ngx_http_set_log_request(drift->request->connection->log, drift->request);

    ngx_http_paytrade_drift_run(drift);
}


static ngx_int_t
ngx_http_paytrade_drift_reply(ngx_http_paytrade_drift_t *drift)
{
    pt_out_t                          out;
    ngx_uint_t                        i, n, waiting, partitions;
    ngx_http_paytrade_counters_t     *counters;
    ngx_http_paytrade_drift_item_t   *item;
    ngx_http_paytrade_drift_order_t  *order;

    counters = ngx_http_paytrade_counters(drift->worker->conf->shm_zone);
    partitions = drift->worker->conf->partitions;
    waiting = 0;

    for (i = 0; i < partitions; i++) {
        waiting += counters->waiting[i];
    }

    n = drift->items.nelts + drift->orders.nelts;

    ngx_http_paytrade_out_init(&out, drift->request, 128 + 256 * n);

    pt_out_str(&out, n ? "{\"code\":\"drift\",\"drift\":[" : "{\"drift\":[");

    item = drift->items.elts;
    order = drift->orders.elts;

    for (i = 0; i < n; i++) {
        if (i) {
            pt_out_char(&out, ',');
        }

        if (i < drift->items.nelts) {
            ngx_http_paytrade_drift_item_json(&out, &item[i]);

        } else {
            ngx_http_paytrade_drift_order_json(&out,
                                          &order[i - drift->items.nelts]);
        }
    }

    pt_out_str(&out, "],\"waiting\":");
    pt_out_int(&out, waiting);
    pt_out_str(&out, ",\"items\":");
    pt_out_int(&out, drift->items_checked);
    pt_out_str(&out, ",\"orders\":");
    pt_out_int(&out, drift->orders_checked);

    if (drift->moving) {
        pt_out_str(&out, ",\"moving\":");
        pt_out_int(&out, drift->moving);
    }

    if (n && drift->more) {
        pt_out_str(&out, ",\"more\":true");
    }

    pt_out_char(&out, '}');

    drift->ended = 1;

    return ngx_http_paytrade_reply_json(drift->request,
                                        n ? NGX_HTTP_CONFLICT : NGX_HTTP_OK,
                                        n ? "drift" : "ok", &out);
}
