/*
 * Drift of orders: a page of them on both sides, PostgreSQL's looked up here,
 * compared, and shown.
 */

#include "ngx_http_paytrade_drift.h"


static ngx_int_t ngx_http_paytrade_drift_look_up_arg(
    ngx_http_paytrade_drift_t *drift, ngx_http_paytrade_call_t *call,
    ngx_uint_t column);
static void ngx_http_paytrade_drift_looked_up(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static void ngx_http_paytrade_drift_look_up_row(
    ngx_http_paytrade_drift_t *drift, PGresult *res, int row);
static ngx_uint_t ngx_http_paytrade_drift_order_differs(
    ngx_http_paytrade_drift_order_t *order);
static int ngx_http_paytrade_drift_compare_ids(const void *one,
    const void *two);
static void ngx_http_paytrade_drift_state_json(pt_out_t *out,
    const char *name, ngx_http_paytrade_drift_state_t *state);


ngx_http_paytrade_drift_order_t *
ngx_http_paytrade_drift_new_order(ngx_http_paytrade_drift_t *drift,
    pt_slice_t id)
{
    ngx_http_paytrade_drift_order_t  *order;

    order = ngx_array_push(drift->page);

    if (order) {
        ngx_memzero(order, sizeof(ngx_http_paytrade_drift_order_t));
        ngx_memcpy(order->id, id.data, PT_ID_LEN);
    }

    return order;
}


void
ngx_http_paytrade_drift_set_state(ngx_http_paytrade_drift_order_t *order,
    ngx_http_paytrade_side_e side, pt_slice_t status, pt_slice_t rev)
{
    size_t                            i;
    ngx_http_paytrade_drift_state_t  *state;

    state = &order->at[side];

    for (i = 0; i < status.len; i++) {
        if (status.data[i] < 'a' || status.data[i] > 'z'
            || i == sizeof(state->status) - 1)
        {
            status = pt_slice_lit("broken");
            break;
        }
    }

    ngx_memcpy(state->status, status.data, status.len);
    state->status[status.len] = '\0';

    if (pt_slice_uint(rev, INT64_MAX, &state->rev) != 0) {
        state->rev = 0;
    }
}


void
ngx_http_paytrade_drift_sort(ngx_http_paytrade_drift_t *drift)
{
    qsort(drift->page->elts, drift->page->nelts, drift->page->size,
          ngx_http_paytrade_drift_compare_ids);
}


ngx_http_paytrade_drift_order_t *
ngx_http_paytrade_drift_find_order(ngx_http_paytrade_drift_t *drift,
    pt_slice_t id)
{
    if (id.len != PT_ID_LEN) {
        return NULL;
    }

    return bsearch(id.data, drift->page->elts, drift->page->nelts,
                   drift->page->size, ngx_http_paytrade_drift_compare_ids);
}


/* An order begins with its id. */
static int
ngx_http_paytrade_drift_compare_ids(const void *one, const void *two)
{
    return ngx_memcmp(one, two, PT_ID_LEN);
}


/* What PostgreSQL has of a page that Redis has told of. */
ngx_int_t
ngx_http_paytrade_drift_look_up(ngx_http_paytrade_drift_t *drift)
{
    ngx_int_t                         rc;
    ngx_uint_t                        i;
    ngx_http_paytrade_call_t         *call;
    ngx_http_paytrade_drift_order_t  *order;

    call = ngx_http_paytrade_call_get(drift->request);
    if (call == NULL) {
        return ngx_http_paytrade_drift_started(drift, NGX_DECLINED);
    }

    for (i = 0; i < 3; i++) {
        if (ngx_http_paytrade_drift_look_up_arg(drift, call, i) != NGX_OK) {
            call->max_args = 0;     /* told by the start */
        }
    }

    rc = ngx_http_paytrade_call_pg(call, ngx_paytrade_pg_audit_orders,
                                   ngx_http_paytrade_drift_looked_up);

    /* it answers with those that differ */

    order = drift->page->elts;

    for (i = 0; i < drift->page->nelts; i++) {
        order[i].at[NGX_HTTP_PAYTRADE_IN_POSTGRES] =
                                      order[i].at[NGX_HTTP_PAYTRADE_IN_REDIS];
    }

    return ngx_http_paytrade_drift_started(drift, rc);
}


/* An array's text: of ids, statuses or revs. */
static ngx_int_t
ngx_http_paytrade_drift_look_up_arg(ngx_http_paytrade_drift_t *drift,
    ngx_http_paytrade_call_t *call, ngx_uint_t column)
{
    u_char                           *p, *text;
    ngx_uint_t                        i;
    ngx_http_paytrade_drift_order_t  *order;
    ngx_http_paytrade_drift_state_t  *state;

    text = ngx_pnalloc(drift->pool,
                       2 + drift->page->nelts * (NGX_INT64_LEN + 3));
    if (text == NULL) {
        return NGX_ERROR;
    }

    p = text;
    order = drift->page->elts;

    for (i = 0; i < drift->page->nelts; i++) {
        state = &order[i].at[NGX_HTTP_PAYTRADE_IN_REDIS];

        *p++ = i ? ',' : '{';

        switch (column) {

        case 0:
            p = ngx_cpymem(p, order[i].id, PT_ID_LEN);
            break;

        case 1:
            p = ngx_sprintf(p, "\"%s\"", state->status);
            break;

        default:
            p = ngx_sprintf(p, "%L", state->rev);
            break;
        }
    }

    *p++ = '}';

    ngx_http_paytrade_call_arg(call, pt_slice(text, p - text));

    return NGX_OK;
}


static void
ngx_http_paytrade_drift_looked_up(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    int                         i, n;
    PGresult                   *res;
    ngx_http_paytrade_ctx_t    *ctx;
    ngx_http_paytrade_drift_t  *drift;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    drift = ctx->data;

    if (call->pg_outcome != NGX_PAYTRADE_PG_OK) {
        ngx_http_paytrade_drift_end(drift,
                                    ngx_http_paytrade_reply_failure(r, call));
        return;
    }

    res = call->exchange.results[0];
    n = PQntuples(res);

    for (i = 0; i < n; i++) {
        ngx_http_paytrade_drift_look_up_row(drift, res, i);
    }

    drift->next = ngx_http_paytrade_drift_compare;

    ngx_http_paytrade_drift_run(drift);
}


static void
ngx_http_paytrade_drift_look_up_row(ngx_http_paytrade_drift_t *drift,
    PGresult *res, int row)
{
    ngx_uint_t                        i;
    pt_slice_t                        f[3];
    ngx_http_paytrade_drift_order_t  *order;

    for (i = 0; i < 3; i++) {
        f[i] = pt_slice(PQgetvalue(res, row, i), PQgetlength(res, row, i));
    }

    order = ngx_http_paytrade_drift_find_order(drift, f[0]);

    if (order) {
        ngx_http_paytrade_drift_set_state(order,
                                          NGX_HTTP_PAYTRADE_IN_POSTGRES,
                                          f[1], f[2]);
    }
}


/* The page, both sides known: what differs is a suspect. */
ngx_int_t
ngx_http_paytrade_drift_compare(ngx_http_paytrade_drift_t *drift)
{
    ngx_uint_t                        i;
    ngx_http_paytrade_drift_order_t  *order, *suspect;

    order = drift->page->elts;

    for (i = 0; i < drift->page->nelts; i++) {

        if (!ngx_http_paytrade_drift_order_differs(&order[i])) {
            continue;
        }

        if (drift->items.nelts + drift->orders.nelts
            >= NGX_HTTP_PAYTRADE_DRIFT_MAX)
        {
            drift->more = 1;
            break;
        }

        suspect = ngx_array_push(&drift->orders);
        if (suspect == NULL) {
            drift->ended = 1;
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        *suspect = order[i];
    }

    drift->next = drift->compared;

    return NGX_OK;
}


static ngx_uint_t
ngx_http_paytrade_drift_order_differs(ngx_http_paytrade_drift_order_t *order)
{
    ngx_http_paytrade_drift_state_t  *a, *b;

    a = &order->at[NGX_HTTP_PAYTRADE_IN_REDIS];
    b = &order->at[NGX_HTTP_PAYTRADE_IN_POSTGRES];

    /* Redis forgets what is long over */

    if (a->status[0] == '\0') {
        return ngx_strcmp(b->status, "held") == 0;
    }

    if (a->rev != b->rev) {
        return 1;
    }

    /* a hold that is due reads as expired before it is released */

    if (ngx_strcmp(a->status, "expired") == 0
        && ngx_strcmp(b->status, "held") == 0)
    {
        return 0;
    }

    return ngx_strcmp(a->status, b->status) != 0
           || ngx_strcmp(a->status, "broken") == 0;
}


void
ngx_http_paytrade_drift_order_json(pt_out_t *out,
    ngx_http_paytrade_drift_order_t *order)
{
    pt_out_str(out, "{\"kind\":\"order\",\"order_id\":");
    pt_out_json(out, pt_slice(order->id, PT_ID_LEN));

    ngx_http_paytrade_drift_state_json(out, "redis",
                                   &order->at[NGX_HTTP_PAYTRADE_IN_REDIS]);
    ngx_http_paytrade_drift_state_json(out, "postgres",
                                   &order->at[NGX_HTTP_PAYTRADE_IN_POSTGRES]);

    pt_out_char(out, '}');
}


static void
ngx_http_paytrade_drift_state_json(pt_out_t *out, const char *name,
    ngx_http_paytrade_drift_state_t *state)
{
    pt_out_str(out, ",\"");
    pt_out_str(out, name);

    if (state->status[0] == '\0') {
        pt_out_str(out, "\":null");
        return;
    }

    pt_out_str(out, "\":{\"status\":\"");
    pt_out_str(out, state->status);
    pt_out_str(out, "\",\"rev\":");
    pt_out_int(out, state->rev);
    pt_out_char(out, '}');
}
