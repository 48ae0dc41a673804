/*
 * paytrade_admin: the rebuild of Redis from PostgreSQL that an operator asks
 * for; the owners of the partitions do it.
 */

#include "ngx_http_paytrade_admin.h"


static void ngx_http_paytrade_rebuild_body(ngx_http_request_t *r,
    pt_slice_t body);
static ngx_int_t ngx_http_paytrade_rebuild_ask(ngx_http_request_t *r,
    int force);


ngx_int_t
ngx_http_paytrade_rebuild_handler(ngx_http_request_t *r)
{
    if (r->method != NGX_HTTP_POST) {
        return ngx_http_paytrade_bad_method(r, "POST");
    }

    return ngx_http_paytrade_read_json(r, ngx_http_paytrade_rebuild_body);
}


static void
ngx_http_paytrade_rebuild_body(ngx_http_request_t *r, pt_slice_t body)
{
    int        force;
    cJSON     *json;
    ngx_int_t  rc;

    force = 0;

    if (ngx_http_paytrade_admin_json(r, body, &json, &rc) == NGX_OK) {

        if (pt_json_bool(json, "force", &force) == PT_JSON_WRONG) {
            rc = ngx_http_paytrade_reply_problem(r, PT_BAD_REQUEST,
                                     "\"force\" has to be true or false");

        } else {
            rc = ngx_http_paytrade_rebuild_ask(r, force);
        }
    }

    ngx_http_finalize_request(r, rc);
}


static ngx_int_t
ngx_http_paytrade_rebuild_ask(ngx_http_request_t *r, int force)
{
    pt_out_t                     out;
    ngx_uint_t                   n, asked, partitions;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_worker_t  *worker;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    worker = ctx->worker;

    asked = 0;
    partitions = worker->conf->partitions;

    for (n = 0; n < partitions; n++) {
        if (!force && !ngx_http_paytrade_partition_is_lost(worker, n)) {
            continue;
        }

        if (ngx_http_paytrade_partition_request_rebuild(worker, n) != NGX_OK) {
            return ngx_http_paytrade_reply_problem(r, PT_UNAVAILABLE,
                                                   "Redis cannot be told");
        }

        asked++;
    }

    ngx_http_paytrade_out_init(&out, r, 64);

    if (asked == 0) {
        pt_out_str(&out, "{\"rebuild\":\"not_needed\"}");

        return ngx_http_paytrade_reply_json(r, NGX_HTTP_OK, "not_needed",
                                            &out);
    }

    pt_out_str(&out, "{\"rebuild\":\"started\",\"partitions\":");
    pt_out_int(&out, asked);
    pt_out_char(&out, '}');

    return ngx_http_paytrade_reply_json(r, NGX_HTTP_ACCEPTED, "rebuild",
                                        &out);
}
