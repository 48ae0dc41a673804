/*
 * Variables for the log: what became of a request of ours.
 */

#include "ngx_http_paytrade.h"


static ngx_int_t ngx_http_paytrade_variable_text(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_paytrade_variable_time(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_http_paytrade_ctx_t *ngx_http_paytrade_variable_ctx(
    ngx_http_request_t *r);
static void ngx_http_paytrade_forget_ctx(void *data);


static ngx_http_variable_t  ngx_http_paytrade_variables[] = {

    { ngx_string("paytrade_result"), NULL,
      ngx_http_paytrade_variable_text,
      offsetof(ngx_http_paytrade_ctx_t, result),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("paytrade_order_id"), NULL,
      ngx_http_paytrade_variable_text,
      offsetof(ngx_http_paytrade_ctx_t, order_id),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("paytrade_sku"), NULL,
      ngx_http_paytrade_variable_text,
      offsetof(ngx_http_paytrade_ctx_t, sku),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("paytrade_amount"), NULL,
      ngx_http_paytrade_variable_text,
      offsetof(ngx_http_paytrade_ctx_t, amount),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("paytrade_currency"), NULL,
      ngx_http_paytrade_variable_text,
      offsetof(ngx_http_paytrade_ctx_t, currency),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("paytrade_pay_no"), NULL,
      ngx_http_paytrade_variable_text,
      offsetof(ngx_http_paytrade_ctx_t, pay_no),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("paytrade_trade_no"), NULL,
      ngx_http_paytrade_variable_text,
      offsetof(ngx_http_paytrade_ctx_t, trade_no),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("paytrade_gateway"), NULL,
      ngx_http_paytrade_variable_text,
      offsetof(ngx_http_paytrade_ctx_t, gateway),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("paytrade_verify"), NULL,
      ngx_http_paytrade_variable_text,
      offsetof(ngx_http_paytrade_ctx_t, verify),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("paytrade_event_id"), NULL,
      ngx_http_paytrade_variable_text,
      offsetof(ngx_http_paytrade_ctx_t, event_id),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("paytrade_event_type"), NULL,
      ngx_http_paytrade_variable_text,
      offsetof(ngx_http_paytrade_ctx_t, event_type),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("paytrade_redis_time"), NULL,
      ngx_http_paytrade_variable_time, 0,
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_paytrade_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_paytrade_variables; v->name.len; v++) {
        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paytrade_variable_text(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                *text;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_paytrade_variable_ctx(r);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    text = (ngx_str_t *) ((u_char *) ctx + data);

    if (text->len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->len = text->len;
    v->data = text->data;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paytrade_variable_time(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char                   *p;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_paytrade_variable_ctx(r);

    if (ctx == NULL || !ctx->has_redis_time) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_TIME_T_LEN + 4);
    if (p == NULL) {
        return NGX_ERROR;
    }

    v->len = ngx_sprintf(p, "%T.%03M", (time_t) (ctx->redis_time / 1000),
                         ctx->redis_time % 1000)
             - p;
    v->data = p;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}


/* A subrequest without a context of its own speaks of its main request. */
static ngx_http_paytrade_ctx_t *
ngx_http_paytrade_variable_ctx(ngx_http_request_t *r)
{
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_paytrade_find_ctx(r);

    if (ctx == NULL && r != r->main) {
        ctx = ngx_http_paytrade_find_ctx(r->main);
    }

    return ctx;
}


/*
 * The pool's cleanups outlive what nginx forgets; the last one added is the
 * first that is found.
 */
ngx_http_paytrade_ctx_t *
ngx_http_paytrade_find_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t       *cln;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    if (ctx || (!r->internal && !r->filter_finalize)) {
        return ctx;
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_paytrade_forget_ctx) {
            ctx = cln->data;

            /* a subrequest shares the pool of its main request */

            if (ctx->request == r) {
                return ctx;
            }
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_paytrade_keep_ctx(ngx_http_request_t *r, ngx_http_paytrade_ctx_t *ctx)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_paytrade_forget_ctx;
    cln->data = ctx;

    ctx->request = r;

    return NGX_OK;
}


/* Only its address counts: a cleanup with it carries a context. */
static void
ngx_http_paytrade_forget_ctx(void *data)
{
    return;
}
