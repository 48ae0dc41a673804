/*
 * Drift of orders: what is asked.  The orders of Redis page by page; then what
 * PostgreSQL has as held, which Redis may have lost; and suspects again.
 */

#include "ngx_http_paytrade_drift.h"


static void ngx_http_paytrade_drift_walked(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static ngx_int_t ngx_http_paytrade_drift_walk_page(
    ngx_http_paytrade_drift_t *drift, pt_slice_t reply);
static ngx_int_t ngx_http_paytrade_drift_walk_order(
    ngx_http_paytrade_drift_t *drift, pt_slice_t row);
static ngx_int_t ngx_http_paytrade_drift_walk_next(
    ngx_http_paytrade_drift_t *drift);
static ngx_int_t ngx_http_paytrade_drift_held(
    ngx_http_paytrade_drift_t *drift);
static void ngx_http_paytrade_drift_held_listed(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static ngx_int_t ngx_http_paytrade_drift_held_page(
    ngx_http_paytrade_drift_t *drift, PGresult *res);
static ngx_int_t ngx_http_paytrade_drift_held_next(
    ngx_http_paytrade_drift_t *drift);
static ngx_int_t ngx_http_paytrade_drift_read(
    ngx_http_paytrade_drift_t *drift);
static ngx_int_t ngx_http_paytrade_drift_read_one(
    ngx_http_paytrade_drift_t *drift, ngx_http_paytrade_drift_order_t *order);
static void ngx_http_paytrade_drift_read_answer(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);


/* A page of what Redis has, from drift->after on. */
ngx_int_t
ngx_http_paytrade_drift_orders(ngx_http_paytrade_drift_t *drift)
{
    ngx_int_t                  rc;
    ngx_http_paytrade_call_t  *call;

    call = ngx_http_paytrade_call_get(drift->request);
    if (call == NULL) {
        return ngx_http_paytrade_drift_started(drift, NGX_DECLINED);
    }

    ngx_http_paytrade_call_str(call, "audit");
    ngx_http_paytrade_call_int(call, 2);
    ngx_http_paytrade_call_str(call, drift->after);
    ngx_http_paytrade_call_int(call, NGX_HTTP_PAYTRADE_DRIFT_PAGE);

    rc = ngx_http_paytrade_call_redis(call, drift->partition,
                                      NGX_PAYTRADE_SCRIPT_READ,
                                      ngx_http_paytrade_drift_walked);

    return ngx_http_paytrade_drift_started(drift, rc);
}


static void
ngx_http_paytrade_drift_walked(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    pt_slice_t                  word, rest;
    ngx_http_paytrade_ctx_t    *ctx;
    ngx_http_paytrade_drift_t  *drift;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    drift = ctx->data;

    word = ngx_http_paytrade_word(call, &rest);

    if (!pt_slice_eq(word, pt_slice_lit("audit"))) {
        ngx_http_paytrade_drift_end(drift,
                                    ngx_http_paytrade_reply_failure(r, call));
        return;
    }

    if (ngx_http_paytrade_drift_walk_page(drift, rest) != NGX_OK) {
        ngx_http_paytrade_drift_end(drift, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    drift->next = drift->page->nelts ? ngx_http_paytrade_drift_look_up
                                     : ngx_http_paytrade_drift_walk_next;
    drift->compared = ngx_http_paytrade_drift_walk_next;

    ngx_http_paytrade_drift_run(drift);
}


/* next_start, then "id status rev" a line */
static ngx_int_t
ngx_http_paytrade_drift_walk_page(ngx_http_paytrade_drift_t *drift,
    pt_slice_t reply)
{
    pt_slice_t  start, row;

    if (!pt_slice_next(&reply, '\n', &start)
        || start.len >= sizeof(drift->after)
        || ngx_http_paytrade_drift_page(drift,
                                       sizeof(ngx_http_paytrade_drift_order_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(drift->after, start.data, start.len);
    drift->after[start.len] = '\0';
    drift->last = (start.len == 0);

    while (pt_slice_next(&reply, '\n', &row)) {
        if (ngx_http_paytrade_drift_walk_order(drift, row) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_http_paytrade_drift_sort(drift);

    drift->orders_checked += drift->page->nelts;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paytrade_drift_walk_order(ngx_http_paytrade_drift_t *drift,
    pt_slice_t row)
{
    int64_t                           id;
    pt_slice_t                        f[3];
    ngx_http_paytrade_drift_order_t  *order;

    if (pt_slice_split(row, '\t', f, 3) != 3 || pt_id_parse(f[0], &id) != 0) {
        ngx_log_error(NGX_LOG_ERR, drift->request->connection->log, 0,
                      "paytrade: Redis has something in place of an order: "
                      "\"%*s\"", row.len, row.data);
        return NGX_OK;
    }

    order = ngx_http_paytrade_drift_new_order(drift, f[0]);
    if (order == NULL) {
        return NGX_ERROR;
    }

    ngx_http_paytrade_drift_set_state(order, NGX_HTTP_PAYTRADE_IN_REDIS, f[1],
                                      f[2]);
    return NGX_OK;
}


static ngx_int_t
ngx_http_paytrade_drift_walk_next(ngx_http_paytrade_drift_t *drift)
{
    if (drift->last) {
        drift->after[0] = '0';
        drift->after[1] = '\0';
        drift->next = ngx_http_paytrade_drift_held;

    } else {
        drift->next = ngx_http_paytrade_drift_orders;
    }

    return NGX_OK;
}


/* A page of what PostgreSQL has as held, after the id in drift->after. */
static ngx_int_t
ngx_http_paytrade_drift_held(ngx_http_paytrade_drift_t *drift)
{
    ngx_int_t                  rc;
    ngx_http_paytrade_call_t  *call;

    call = ngx_http_paytrade_call_get(drift->request);
    if (call == NULL) {
        return ngx_http_paytrade_drift_started(drift, NGX_DECLINED);
    }

    ngx_http_paytrade_call_int(call, drift->partition);
    ngx_http_paytrade_call_str(call, drift->after);

    rc = ngx_http_paytrade_call_pg(call, ngx_paytrade_pg_audit_held,
                                   ngx_http_paytrade_drift_held_listed);

    return ngx_http_paytrade_drift_started(drift, rc);
}


static void
ngx_http_paytrade_drift_held_listed(ngx_http_request_t *r,
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

    if (ngx_http_paytrade_drift_held_page(drift, call->exchange.results[0])
        != NGX_OK)
    {
        ngx_http_paytrade_drift_end(drift, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    drift->next = ngx_http_paytrade_drift_read;
    drift->compared = ngx_http_paytrade_drift_held_next;

    ngx_http_paytrade_drift_run(drift);
}


/* order_id rev */
static ngx_int_t
ngx_http_paytrade_drift_held_page(ngx_http_paytrade_drift_t *drift,
    PGresult *res)
{
    int                               i, n;
    pt_slice_t                        id, rev;
    ngx_http_paytrade_drift_order_t  *order;

    if (ngx_http_paytrade_drift_page(drift,
                                     sizeof(ngx_http_paytrade_drift_order_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    n = PQntuples(res);
    drift->last = (n < NGX_PAYTRADE_PG_PAGE);

    for (i = 0; i < n; i++) {
        id = pt_slice(PQgetvalue(res, i, 0), PQgetlength(res, i, 0));
        rev = pt_slice(PQgetvalue(res, i, 1), PQgetlength(res, i, 1));

        if (id.len != PT_ID_LEN) {
            continue;
        }

        order = ngx_http_paytrade_drift_new_order(drift, id);
        if (order == NULL) {
            return NGX_ERROR;
        }

        ngx_http_paytrade_drift_set_state(order,
                                          NGX_HTTP_PAYTRADE_IN_POSTGRES,
                                          pt_slice_lit("held"), rev);

        ngx_memcpy(drift->after, id.data, PT_ID_LEN);
        drift->after[PT_ID_LEN] = '\0';
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paytrade_drift_held_next(ngx_http_paytrade_drift_t *drift)
{
    drift->next = drift->last ? ngx_http_paytrade_drift_orders_done
                              : ngx_http_paytrade_drift_held;
    return NGX_OK;
}


/* A page of suspects, to be asked for on both sides. */
ngx_int_t
ngx_http_paytrade_drift_again_orders(ngx_http_paytrade_drift_t *drift)
{
    ngx_uint_t                        i, n;
    ngx_http_paytrade_drift_order_t  *order, *suspect;

    n = drift->suspects.nelts - drift->suspected;

    if (n == 0) {
        drift->next = ngx_http_paytrade_drift_orders_done;
        return NGX_OK;
    }

    n = ngx_min(n, NGX_HTTP_PAYTRADE_DRIFT_PAGE);

    suspect = drift->suspects.elts;
    suspect += drift->suspected;
    drift->suspected += n;

    if (ngx_http_paytrade_drift_page(drift,
                                     sizeof(ngx_http_paytrade_drift_order_t))
        != NGX_OK)
    {
        drift->ended = 1;
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    for (i = 0; i < n; i++) {
        order = ngx_http_paytrade_drift_new_order(drift,
                                       pt_slice(suspect[i].id, PT_ID_LEN));
        if (order == NULL) {
            drift->ended = 1;
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    ngx_http_paytrade_drift_sort(drift);

    drift->next = ngx_http_paytrade_drift_read;
    drift->compared = ngx_http_paytrade_drift_again_orders;

    return NGX_OK;
}


/* What Redis has of a page, some orders at a time. */
static ngx_int_t
ngx_http_paytrade_drift_read(ngx_http_paytrade_drift_t *drift)
{
    ngx_int_t                         rc;
    ngx_http_paytrade_drift_order_t  *order;

    order = drift->page->elts;

    while (drift->at < drift->page->nelts
           && drift->in_flight < NGX_HTTP_PAYTRADE_DRIFT_WINDOW)
    {
        rc = ngx_http_paytrade_drift_read_one(drift, &order[drift->at]);

        if (rc == NGX_OK) {
            drift->at++;
            drift->in_flight++;
            continue;
        }

        /* what is in flight goes on with the rest */

        if (drift->in_flight) {
            break;
        }

        return ngx_http_paytrade_drift_started(drift, rc);
    }

    if (drift->in_flight) {
        return NGX_HTTP_PAYTRADE_WAITS;
    }

    drift->next = drift->full ? ngx_http_paytrade_drift_compare
                              : ngx_http_paytrade_drift_look_up;
    return NGX_OK;
}


static ngx_int_t
ngx_http_paytrade_drift_read_one(ngx_http_paytrade_drift_t *drift,
    ngx_http_paytrade_drift_order_t *order)
{
    int64_t                    id;
    pt_slice_t                 text;
    ngx_uint_t                 partition;
    ngx_http_paytrade_call_t  *call;

    text = pt_slice(order->id, PT_ID_LEN);
    partition = drift->partition;

    if (!drift->full && pt_id_parse(text, &id) == 0) {
        partition = pt_id_partition(id);
    }

    call = ngx_http_paytrade_call_get(drift->request);
    if (call == NULL) {
        return NGX_DECLINED;
    }

    ngx_http_paytrade_call_str(call, "order");
    ngx_http_paytrade_call_int(call, 1);
    ngx_http_paytrade_call_arg(call, text);

    return ngx_http_paytrade_call_redis(call, partition,
                                        NGX_PAYTRADE_SCRIPT_READ,
                                        ngx_http_paytrade_drift_read_answer);
}


static void
ngx_http_paytrade_drift_read_answer(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    pt_slice_t                        word, rest, f[3];
    ngx_http_paytrade_ctx_t          *ctx;
    ngx_http_paytrade_drift_t        *drift;
    ngx_http_paytrade_drift_order_t  *order;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    drift = ctx->data;

    if (drift->ended) {
        return;
    }

    drift->in_flight--;

    word = ngx_http_paytrade_word(call, &rest);
    order = ngx_http_paytrade_drift_find_order(drift, call->argv[2]);

    if (order && pt_slice_eq(word, pt_slice_lit("order"))
        && pt_slice_split(rest, '\t', f, 3) >= 3)
    {
        ngx_http_paytrade_drift_set_state(order, NGX_HTTP_PAYTRADE_IN_REDIS,
                                          f[1], f[2]);

    } else if (order && pt_slice_eq(word, pt_slice_lit("broken"))) {
        ngx_http_paytrade_drift_set_state(order, NGX_HTTP_PAYTRADE_IN_REDIS,
                                          word, pt_slice_lit("0"));

    } else if (!pt_slice_eq(word, pt_slice_lit("unknown_order"))) {
        ngx_http_paytrade_drift_end(drift,
                                    ngx_http_paytrade_reply_failure(r, call));
        return;
    }

    ngx_http_paytrade_drift_run(drift);
}
