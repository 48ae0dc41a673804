/*
 * paytrade_admin: items put on sale and restocked, sales paused.
 */

#include "ngx_http_paytrade_admin.h"


/* What ctx->data of these requests points to. */
typedef struct {
    pt_slice_t   name;           /* SKU or sale, from the path */
    pt_item_t    item;
    pt_slice_t   request_id;
    int64_t      units;
    int          paused;
} ngx_http_paytrade_change_t;


static ngx_int_t ngx_http_paytrade_change_read(ngx_http_request_t *r,
    pt_slice_t name, ngx_http_paytrade_body_pt handler);
static ngx_http_paytrade_change_t *ngx_http_paytrade_change_get(
    ngx_http_request_t *r);

static void ngx_http_paytrade_put_body(ngx_http_request_t *r,
    pt_slice_t body);
static void ngx_http_paytrade_put_located(ngx_http_request_t *r,
    pt_slice_t sale);
static ngx_int_t ngx_http_paytrade_put(ngx_http_request_t *r);

static void ngx_http_paytrade_restock_body(ngx_http_request_t *r,
    pt_slice_t body);
static const char *ngx_http_paytrade_restock_check(
    ngx_http_paytrade_change_t *change, cJSON *json);
static ngx_int_t ngx_http_paytrade_restock(ngx_http_request_t *r,
    ngx_uint_t partition);

static void ngx_http_paytrade_item_changed(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static ngx_int_t ngx_http_paytrade_item_refused(ngx_http_request_t *r,
    pt_problem_e problem, pt_slice_t row);
static ngx_int_t ngx_http_paytrade_wrong_sale(ngx_http_request_t *r,
    pt_slice_t sale);

static void ngx_http_paytrade_pause_body(ngx_http_request_t *r,
    pt_slice_t body);
static ngx_int_t ngx_http_paytrade_pause(ngx_http_request_t *r);
static void ngx_http_paytrade_paused(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);


ngx_int_t
ngx_http_paytrade_admin_put(ngx_http_request_t *r, pt_slice_t sku)
{
    return ngx_http_paytrade_change_read(r, sku, ngx_http_paytrade_put_body);
}


ngx_int_t
ngx_http_paytrade_admin_restock(ngx_http_request_t *r, pt_slice_t sku)
{
    return ngx_http_paytrade_change_read(r, sku,
                                         ngx_http_paytrade_restock_body);
}


ngx_int_t
ngx_http_paytrade_admin_pause(ngx_http_request_t *r, pt_slice_t sale)
{
    if (!pt_name_valid(sale)) {
        return ngx_http_paytrade_reply_problem(r, PT_BAD_REQUEST,
                             "a sale has 1 to 64 printable ASCII characters "
                             "without space and comma");
    }

    return ngx_http_paytrade_change_read(r, sale,
                                         ngx_http_paytrade_pause_body);
}


static ngx_int_t
ngx_http_paytrade_change_read(ngx_http_request_t *r, pt_slice_t name,
    ngx_http_paytrade_body_pt handler)
{
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_change_t  *change;

    change = ngx_pcalloc(r->pool, sizeof(ngx_http_paytrade_change_t));
    if (change == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    change->name = name;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    ctx->data = change;

    return ngx_http_paytrade_read_json(r, handler);
}


static ngx_http_paytrade_change_t *
ngx_http_paytrade_change_get(ngx_http_request_t *r)
{
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    return ctx->data;
}


static void
ngx_http_paytrade_put_body(ngx_http_request_t *r, pt_slice_t body)
{
    cJSON                          *json;
    ngx_int_t                       rc;
    const char                     *why;
    ngx_http_paytrade_ctx_t        *ctx;
    ngx_http_paytrade_change_t     *change;
    ngx_http_paytrade_loc_conf_t   *plcf;
    ngx_http_paytrade_main_conf_t  *mcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    change = ctx->data;
    mcf = ctx->worker->conf;
    plcf = ngx_http_get_module_loc_conf(r, ngx_http_paytrade_module);

    if (ngx_http_paytrade_admin_json(r, body, &json, &rc) != NGX_OK) {
        goto done;
    }

    if (pt_item_parse_json(&change->item, change->name, json, mcf->decimals,
                           plcf->hold_time, &why)
        != 0)
    {
        rc = ngx_http_paytrade_reply_problem(r, PT_BAD_REQUEST, why);
        goto done;
    }

    if (mcf->partitions == 1) {
        rc = ngx_http_paytrade_put(r);
        goto done;
    }

    /* another partition may have the SKU, in another sale */

    rc = ngx_http_paytrade_locate_ask(r, change->name,
                                      ngx_http_paytrade_put_located);

    rc = ngx_http_paytrade_started(r, rc == NGX_AGAIN ? NGX_OK : rc);

done:

    ngx_http_paytrade_wait_body(r, rc);
}


static void
ngx_http_paytrade_put_located(ngx_http_request_t *r, pt_slice_t sale)
{
    ngx_int_t                    rc;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_change_t  *change;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    change = ctx->data;

    if (sale.len && !pt_slice_eq(sale, change->item.sale)) {
        rc = ngx_http_paytrade_wrong_sale(r, sale);

    } else if (sale.len == 0 && ctx->failed) {
        rc = ngx_http_paytrade_started(r, NGX_ERROR);

    } else {
        rc = ngx_http_paytrade_put(r);
    }

    ngx_http_paytrade_wait_call(r, rc);
}


static ngx_int_t
ngx_http_paytrade_put(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    pt_item_t                 *item;
    ngx_uint_t                 partition;
    ngx_http_paytrade_ctx_t   *ctx;
    ngx_http_paytrade_call_t  *call;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    item = &ngx_http_paytrade_change_get(r)->item;

    partition = ngx_http_paytrade_partition_of(ctx->worker->conf, item->sale);

    if (ngx_http_paytrade_admin_open(r, partition, &rc) != NGX_OK) {
        return rc;
    }

    call = ngx_http_paytrade_call_get(r);
    if (call == NULL) {
        return ngx_http_paytrade_started(r, NGX_DECLINED);
    }

    ngx_http_paytrade_call_str(call, "put");
    ngx_http_paytrade_call_int(call, 9);
    ngx_http_paytrade_call_arg(call, item->sku);
    ngx_http_paytrade_call_arg(call, item->sale);
    ngx_http_paytrade_call_arg(call, item->title);
    ngx_http_paytrade_call_int(call, item->price);
    ngx_http_paytrade_call_int(call, item->stock);
    ngx_http_paytrade_call_int(call, item->limit);
    ngx_http_paytrade_call_int(call, item->starts_at);
    ngx_http_paytrade_call_int(call, item->ends_at);
    ngx_http_paytrade_call_int(call, item->hold_ms);

    rc = ngx_http_paytrade_call_redis(call, partition,
                                      NGX_PAYTRADE_SCRIPT_CATALOG,
                                      ngx_http_paytrade_item_changed);

    return ngx_http_paytrade_started(r, rc);
}


static void
ngx_http_paytrade_restock_body(ngx_http_request_t *r, pt_slice_t body)
{
    cJSON                       *json;
    ngx_int_t                    rc;
    const char                  *why;
    ngx_http_paytrade_change_t  *change;

    change = ngx_http_paytrade_change_get(r);

    if (ngx_http_paytrade_admin_json(r, body, &json, &rc) == NGX_OK) {
        why = ngx_http_paytrade_restock_check(change, json);

        rc = why ? ngx_http_paytrade_reply_problem(r, PT_BAD_REQUEST, why)
                 : ngx_http_paytrade_at_item(r, change->name,
                                             ngx_http_paytrade_restock);
    }

    ngx_http_paytrade_wait_body(r, rc);
}


static const char *
ngx_http_paytrade_restock_check(ngx_http_paytrade_change_t *change,
    cJSON *json)
{
    if (pt_json_int(json, "units", -PT_UNITS_MAX, PT_UNITS_MAX,
                    &change->units)
        != PT_JSON_OK
        || change->units == 0)
    {
        return "\"units\" has to be a whole number other than 0";
    }

    if (pt_json_string(json, "request_id", &change->request_id) != PT_JSON_OK
        || !pt_text_valid(change->request_id, PT_KEY_MAX))
    {
        return "\"request_id\" has to be a text of 1 to 255 bytes";
    }

    return NULL;
}


static ngx_int_t
ngx_http_paytrade_restock(ngx_http_request_t *r, ngx_uint_t partition)
{
    ngx_int_t                    rc;
    ngx_http_paytrade_call_t    *call;
    ngx_http_paytrade_change_t  *change;

    change = ngx_http_paytrade_change_get(r);

    if (ngx_http_paytrade_admin_open(r, partition, &rc) != NGX_OK) {
        return rc;
    }

    call = ngx_http_paytrade_call_get(r);
    if (call == NULL) {
        return ngx_http_paytrade_started(r, NGX_DECLINED);
    }

    ngx_http_paytrade_call_str(call, "restock");
    ngx_http_paytrade_call_int(call, 3);
    ngx_http_paytrade_call_arg(call, change->name);
    ngx_http_paytrade_call_int(call, change->units);
    ngx_http_paytrade_call_arg(call, change->request_id);

    rc = ngx_http_paytrade_call_redis(call, partition,
                                      NGX_PAYTRADE_SCRIPT_CATALOG,
                                      ngx_http_paytrade_item_changed);

    return ngx_http_paytrade_started(r, rc);
}


/* The answer to a put or a restock. */
static void
ngx_http_paytrade_item_changed(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    ngx_int_t    rc;
    pt_slice_t   word, row;
    ngx_uint_t   status;
    const char  *result;

    word = ngx_http_paytrade_word(call, &row);
    status = NGX_HTTP_OK;

    if (pt_slice_eq(word, pt_slice_lit("created"))) {
        status = NGX_HTTP_CREATED;
        result = "created";

    } else if (pt_slice_eq(word, pt_slice_lit("changed"))) {
        result = "changed";

    } else if (pt_slice_eq(word, pt_slice_lit("replayed"))) {
        result = "replayed";

        if (ngx_http_paytrade_header(r, "Idempotency-Replayed",
                                     pt_slice_lit("true"))
            != NGX_OK)
        {
            rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
            goto done;
        }

    } else if (pt_slice_eq(word, pt_slice_lit("below_committed"))) {
        rc = ngx_http_paytrade_item_refused(r, PT_BELOW_COMMITTED, row);
        goto done;

    } else if (pt_slice_eq(word, pt_slice_lit("wrong_sale"))) {
        rc = ngx_http_paytrade_item_refused(r, PT_WRONG_SALE, row);
        goto done;

    } else if (pt_slice_eq(word, pt_slice_lit("unknown_item"))) {
        rc = ngx_http_paytrade_reply_problem(r, PT_UNKNOWN_ITEM,
                                             "there is no such SKU");
        goto done;

    } else if (pt_slice_eq(word, pt_slice_lit("key_reused"))) {
        rc = ngx_http_paytrade_reply_problem(r, PT_KEY_REUSED,
                                "the request_id was used for something else");
        goto done;

    } else if (pt_slice_eq(word, pt_slice_lit("no_epoch"))) {
        rc = ngx_http_paytrade_admin_no_epoch(r, call->partition,
                                              PT_REBUILD_REQUIRED);
        goto done;

    } else {
        rc = ngx_http_paytrade_reply_failure(r, call);
        goto done;
    }

    ngx_http_paytrade_zone_forget(call->worker->conf->shm_zone);

    rc = ngx_http_paytrade_reply_item(r, status, result, row, 1);

done:

    ngx_http_paytrade_finish(r, rc);
}


static ngx_int_t
ngx_http_paytrade_item_refused(ngx_http_request_t *r, pt_problem_e problem,
    pt_slice_t row)
{
    pt_out_t   out;
    pt_item_t  item;

    if (pt_item_parse_row(&item, row) != 0) {
        return ngx_http_paytrade_reply_problem(r, problem, NULL);
    }

    if (problem == PT_WRONG_SALE) {
        return ngx_http_paytrade_wrong_sale(r, item.sale);
    }

    ngx_http_paytrade_out_init(&out, r, 256);

    pt_problem_open(&out, problem, "units held and sold stay on sale");
    pt_out_str(&out, ",\"stock\":");
    pt_out_int(&out, item.stock);
    pt_out_str(&out, ",\"held\":");
    pt_out_int(&out, item.held);
    pt_out_str(&out, ",\"sold\":");
    pt_out_int(&out, item.sold);
    pt_out_char(&out, '}');

    return ngx_http_paytrade_reply_problem_out(r, problem, &out);
}


static ngx_int_t
ngx_http_paytrade_wrong_sale(ngx_http_request_t *r, pt_slice_t sale)
{
    pt_out_t  out;

    ngx_http_paytrade_out_init(&out, r, 256);

    pt_problem_open(&out, PT_WRONG_SALE, "a SKU stays in its sale");
    pt_out_str(&out, ",\"sale\":");
    pt_out_json(&out, sale);
    pt_out_char(&out, '}');

    return ngx_http_paytrade_reply_problem_out(r, PT_WRONG_SALE, &out);
}


static void
ngx_http_paytrade_pause_body(ngx_http_request_t *r, pt_slice_t body)
{
    cJSON                       *json;
    ngx_int_t                    rc;
    ngx_http_paytrade_change_t  *change;

    change = ngx_http_paytrade_change_get(r);

    if (ngx_http_paytrade_admin_json(r, body, &json, &rc) == NGX_OK) {

        if (pt_json_bool(json, "paused", &change->paused) == PT_JSON_OK) {
            rc = ngx_http_paytrade_pause(r);

        } else {
            rc = ngx_http_paytrade_reply_problem(r, PT_BAD_REQUEST,
                                     "\"paused\" has to be true or false");
        }
    }

    ngx_http_paytrade_wait_body(r, rc);
}


static ngx_int_t
ngx_http_paytrade_pause(ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    ngx_uint_t                   partition;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_call_t    *call;
    ngx_http_paytrade_change_t  *change;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    change = ctx->data;

    partition = ngx_http_paytrade_partition_of(ctx->worker->conf,
                                               change->name);

    if (ngx_http_paytrade_admin_open(r, partition, &rc) != NGX_OK) {
        return rc;
    }

    call = ngx_http_paytrade_call_get(r);
    if (call == NULL) {
        return ngx_http_paytrade_started(r, NGX_DECLINED);
    }

    ngx_http_paytrade_call_str(call, "pause");
    ngx_http_paytrade_call_int(call, 2);
    ngx_http_paytrade_call_arg(call, change->name);
    ngx_http_paytrade_call_int(call, change->paused);

    rc = ngx_http_paytrade_call_redis(call, partition,
                                      NGX_PAYTRADE_SCRIPT_CATALOG,
                                      ngx_http_paytrade_paused);

    return ngx_http_paytrade_started(r, rc);
}


static void
ngx_http_paytrade_paused(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    pt_out_t                     out;
    ngx_int_t                    rc;
    pt_slice_t                   word, rest;
    ngx_uint_t                   changed;
    ngx_http_paytrade_change_t  *change;

    change = ngx_http_paytrade_change_get(r);

    word = ngx_http_paytrade_word(call, &rest);
    changed = pt_slice_eq(word, pt_slice_lit("changed"));

    if (changed || pt_slice_eq(word, pt_slice_lit("unchanged"))) {

        ngx_http_paytrade_zone_forget(call->worker->conf->shm_zone);

        ngx_http_paytrade_out_init(&out, r, 128);

        pt_out_str(&out, "{\"sale\":");
        pt_out_json(&out, change->name);
        pt_out_str(&out, ",\"paused\":");
        pt_out_str(&out, change->paused ? "true}" : "false}");

        rc = ngx_http_paytrade_reply_json(r, NGX_HTTP_OK,
                                          changed ? "changed" : "unchanged",
                                          &out);

    } else if (pt_slice_eq(word, pt_slice_lit("unknown_sale"))) {
        rc = ngx_http_paytrade_reply_problem(r, PT_UNKNOWN_SALE,
                                             "there is no such sale");

    } else if (pt_slice_eq(word, pt_slice_lit("no_epoch"))) {
        rc = ngx_http_paytrade_admin_no_epoch(r, call->partition,
                                              PT_UNKNOWN_SALE);

    } else {
        rc = ngx_http_paytrade_reply_failure(r, call);
    }

    ngx_http_paytrade_finish(r, rc);
}
