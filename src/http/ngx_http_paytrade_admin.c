/*
 * paytrade_admin: who may, which part the path names, and the steps that all
 * parts share.
 */

#include "ngx_http_paytrade_admin.h"


static ngx_uint_t ngx_http_paytrade_admin_allowed(ngx_http_request_t *r);
static ngx_uint_t ngx_http_paytrade_admin_loopback(struct sockaddr *sa);
static pt_slice_t ngx_http_paytrade_admin_path(ngx_http_request_t *r);
static ngx_int_t ngx_http_paytrade_admin_route(ngx_http_request_t *r,
    pt_slice_t path);
static ngx_int_t ngx_http_paytrade_admin_route_item(ngx_http_request_t *r,
    pt_slice_t path);
static ngx_int_t ngx_http_paytrade_admin_not_found(ngx_http_request_t *r);
static ngx_uint_t ngx_http_paytrade_admin_begins(pt_slice_t *path,
    const char *word);
static ngx_uint_t ngx_http_paytrade_admin_ends(pt_slice_t *path,
    const char *word);
static void ngx_http_paytrade_admin_json_free(void *data);


ngx_int_t
ngx_http_paytrade_admin_handler(ngx_http_request_t *r)
{
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_paytrade_begin(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!ngx_http_paytrade_admin_allowed(r)) {
        return ngx_http_paytrade_reply_problem(r, PT_FORBIDDEN,
                             "this address may not administer");
    }

    if (ctx->worker == NULL) {
        return ngx_http_paytrade_reply_problem(r, PT_UNAVAILABLE,
                                               "the worker does not serve");
    }

    return ngx_http_paytrade_admin_route(r, ngx_http_paytrade_admin_path(r));
}


static ngx_uint_t
ngx_http_paytrade_admin_allowed(ngx_http_request_t *r)
{
    ngx_http_paytrade_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_paytrade_module);

    if (plcf->allow) {
        return ngx_cidr_match(r->connection->sockaddr, plcf->allow) == NGX_OK;
    }

    return ngx_http_paytrade_admin_loopback(r->connection->sockaddr);
}


static ngx_uint_t
ngx_http_paytrade_admin_loopback(struct sockaddr *sa)
{
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;
#endif

    switch (sa->sa_family) {

    case AF_INET:
        sin = (struct sockaddr_in *) sa;
        return ntohl(sin->sin_addr.s_addr) >> 24 == 127;

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) sa;

        if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)) {
            return sin6->sin6_addr.s6_addr[12] == 127;
        }

        return IN6_IS_ADDR_LOOPBACK(&sin6->sin6_addr) ? 1 : 0;
#endif

#if (NGX_HAVE_UNIX_DOMAIN)
    case AF_UNIX:
        return 1;
#endif

    default:
        return 0;
    }
}


/* What follows the location's prefix, which may lack its last slash. */
static pt_slice_t
ngx_http_paytrade_admin_path(ngx_http_request_t *r)
{
    pt_slice_t                 path;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (r->uri.len < clcf->name.len) {
        return pt_slice_null;
    }

    path = pt_slice(r->uri.data + clcf->name.len,
                    r->uri.len - clcf->name.len);

    if (path.len && path.data[0] == '/') {
        path.data++;
        path.len--;
    }

    return path;
}


static ngx_int_t
ngx_http_paytrade_admin_route(ngx_http_request_t *r, pt_slice_t path)
{
    if (ngx_http_paytrade_admin_begins(&path, "items/")) {
        return ngx_http_paytrade_admin_route_item(r, path);
    }

    if (ngx_http_paytrade_admin_begins(&path, "sales/")
        && ngx_http_paytrade_admin_ends(&path, "/pause"))
    {
        if (r->method != NGX_HTTP_POST) {
            return ngx_http_paytrade_bad_method(r, "POST");
        }

        return ngx_http_paytrade_admin_pause(r, path);
    }

    if (ngx_http_paytrade_admin_begins(&path, "orders/")
        && ngx_http_paytrade_admin_ends(&path, "/cancel"))
    {
        if (r->method != NGX_HTTP_POST) {
            return ngx_http_paytrade_bad_method(r, "POST");
        }

        return ngx_http_paytrade_admin_cancel(r, path);
    }

    if (pt_slice_eq(path, pt_slice_lit("drift"))) {
        return ngx_http_paytrade_drift_handler(r);
    }

    if (pt_slice_eq(path, pt_slice_lit("rebuild"))) {
        return ngx_http_paytrade_rebuild_handler(r);
    }

    if (pt_slice_eq(path, pt_slice_lit("dead-letters"))) {
        return ngx_http_paytrade_letters_handler(r, pt_slice_null);
    }

    if (ngx_http_paytrade_admin_begins(&path, "dead-letters/")
        && ngx_http_paytrade_admin_ends(&path, "/replay"))
    {
        return ngx_http_paytrade_letters_handler(r, path);
    }

    return ngx_http_paytrade_admin_not_found(r);
}


/* items/SKU and items/SKU/restock; a SKU may have slashes of its own. */
static ngx_int_t
ngx_http_paytrade_admin_route_item(ngx_http_request_t *r, pt_slice_t path)
{
    ngx_uint_t  restock;

    restock = ngx_http_paytrade_admin_ends(&path, "/restock");

    if (!pt_name_valid(path)) {
        return ngx_http_paytrade_reply_problem(r, PT_BAD_REQUEST,
                             "a SKU has 1 to 64 printable ASCII characters "
                             "without space and comma");
    }

    if (restock) {
        if (r->method != NGX_HTTP_POST) {
            return ngx_http_paytrade_bad_method(r, "POST");
        }

        return ngx_http_paytrade_admin_restock(r, path);
    }

    switch (r->method) {

    case NGX_HTTP_PUT:
        return ngx_http_paytrade_admin_put(r, path);

    case NGX_HTTP_GET:
    case NGX_HTTP_HEAD:
        return ngx_http_paytrade_wait(r, ngx_http_paytrade_item(r, path, 1));

    default:
        return ngx_http_paytrade_bad_method(r, "GET, HEAD, PUT");
    }
}


static ngx_int_t
ngx_http_paytrade_admin_not_found(ngx_http_request_t *r)
{
    return ngx_http_paytrade_reply_problem(r, PT_NOT_FOUND,
                 "known are items, sales, orders, drift, dead-letters and "
                 "rebuild");
}


static ngx_uint_t
ngx_http_paytrade_admin_begins(pt_slice_t *path, const char *word)
{
    size_t  len;

    len = ngx_strlen(word);

    if (path->len < len || ngx_memcmp(path->data, word, len) != 0) {
        return 0;
    }

    path->data += len;
    path->len -= len;

    return 1;
}


static ngx_uint_t
ngx_http_paytrade_admin_ends(pt_slice_t *path, const char *word)
{
    size_t  len;

    len = ngx_strlen(word);

    if (path->len < len
        || ngx_memcmp(path->data + path->len - len, word, len) != 0)
    {
        return 0;
    }

    path->len -= len;

    return 1;
}


ngx_int_t
ngx_http_paytrade_admin_json(ngx_http_request_t *r, pt_slice_t body,
    cJSON **json, ngx_int_t *rc)
{
    const char          *why;
    ngx_pool_cleanup_t  *cln;

    *rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_DECLINED;
    }

    *json = pt_json_parse(body.len ? body : pt_slice_lit("{}"), &why);

    if (*json == NULL) {
        *rc = ngx_http_paytrade_reply_problem(r, PT_BAD_REQUEST, why);
        return NGX_DECLINED;
    }

    cln->handler = ngx_http_paytrade_admin_json_free;
    cln->data = *json;

    return NGX_OK;
}


static void
ngx_http_paytrade_admin_json_free(void *data)
{
    cJSON_Delete(data);
}


ngx_int_t
ngx_http_paytrade_admin_open(ngx_http_request_t *r, ngx_uint_t partition,
    ngx_int_t *rc)
{
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    if (!ngx_http_paytrade_partition_is_lost(ctx->worker, partition)) {
        return NGX_OK;
    }

    *rc = ngx_http_paytrade_reply_problem(r, PT_REBUILD_REQUIRED,
                        "Redis has lost changes that PostgreSQL has; wait "
                        "for the rebuild or ask for one");

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_paytrade_admin_no_epoch(ngx_http_request_t *r, ngx_uint_t partition,
    pt_problem_e unknown)
{
    ngx_http_paytrade_ctx_t        *ctx;
    ngx_http_paytrade_partition_t  *part;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    part = &ctx->worker->partitions[partition];

    if (part->state == NGX_HTTP_PAYTRADE_OPEN && part->redis_epoch == 0) {
        return ngx_http_paytrade_reply_problem(r, unknown,
                                      "nothing was ever put on sale here");
    }

    ngx_http_paytrade_partition_recheck(part);

    return ngx_http_paytrade_reply_problem(r, PT_REBUILD_REQUIRED,
                         "Redis was emptied and PostgreSQL knows items or "
                         "orders; wait for the rebuild or ask for one");
}
