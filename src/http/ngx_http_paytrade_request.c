/*
 * What comes in: methods, bodies, the user, the idempotency key, arguments.
 */

#include "ngx_http_paytrade.h"
#include <ngx_sha1.h>
#include <openssl/rand.h>


static ngx_int_t ngx_http_paytrade_json_too_large(ngx_http_request_t *r);
static void ngx_http_paytrade_body_handler(ngx_http_request_t *r);
static ngx_table_elt_t *ngx_http_paytrade_find_header(ngx_http_request_t *r,
    const char *name, size_t len, ngx_uint_t *n);
static ngx_int_t ngx_http_paytrade_make_key(ngx_http_request_t *r);
static void ngx_http_paytrade_inherit(ngx_http_paytrade_ctx_t *ctx,
    ngx_http_paytrade_ctx_t *last);
static pt_slice_t ngx_http_paytrade_join_headers(ngx_http_request_t *r,
    const char *name, size_t len, size_t size);


ngx_http_paytrade_ctx_t *
ngx_http_paytrade_begin(ngx_http_request_t *r)
{
    ngx_http_paytrade_ctx_t        *ctx, *last;
    ngx_http_paytrade_main_conf_t  *mcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    if (ctx) {
        return ctx;
    }

    last = ngx_http_paytrade_find_ctx(r);

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_paytrade_ctx_t));
    if (ctx == NULL) {
        return NULL;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_http_paytrade_module);

    ctx->worker = mcf->worker;

    if (last) {
        ngx_http_paytrade_inherit(ctx, last);
    }

    if (ngx_http_paytrade_keep_ctx(r, ctx) != NGX_OK) {
        return NULL;
    }

    ngx_http_set_ctx(r, ctx, ngx_http_paytrade_module);

    return ctx;
}


/* What was said of a callback is so after an internal redirect, too. */
static void
ngx_http_paytrade_inherit(ngx_http_paytrade_ctx_t *ctx,
    ngx_http_paytrade_ctx_t *last)
{
    ctx->verify = last->verify;
    ctx->gateway = last->gateway;
    ctx->pay_no = last->pay_no;
    ctx->trade_no = last->trade_no;
    ctx->amount = last->amount;
    ctx->currency = last->currency;
    ctx->event_id = last->event_id;
    ctx->event_type = last->event_type;
}


ngx_int_t
ngx_http_paytrade_read_json(ngx_http_request_t *r,
    ngx_http_paytrade_body_pt handler)
{
    if (!ngx_http_paytrade_is_json(r)) {
        return ngx_http_paytrade_reply_problem(r, PT_UNSUPPORTED_MEDIA_TYPE,
                             "the body has to be application/json");
    }

    return ngx_http_paytrade_read_raw(r, PT_JSON_SIZE_MAX, handler,
                                      ngx_http_paytrade_json_too_large);
}


static ngx_int_t
ngx_http_paytrade_json_too_large(ngx_http_request_t *r)
{
    return ngx_http_paytrade_reply_problem(r, PT_TOO_LARGE,
                                           "the body is larger than 64 KiB");
}


ngx_int_t
ngx_http_paytrade_read_raw(ngx_http_request_t *r, size_t max,
    ngx_http_paytrade_body_pt handler, ngx_http_handler_pt too_large)
{
    ngx_int_t                 rc;
    ngx_http_paytrade_ctx_t  *ctx;

    if (r->headers_in.content_length_n > (off_t) max) {
        return too_large(r);
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    ctx->body = handler;
    ctx->body_max = max;
    ctx->too_large = too_large;

    /*
     * An error is left to nginx, which knows what is still to come on the
     * connection; the filter makes a problem of its page.
     */

    rc = ngx_http_read_client_request_body(r, ngx_http_paytrade_body_handler);

    return rc >= NGX_HTTP_SPECIAL_RESPONSE ? rc : NGX_DONE;
}


static void
ngx_http_paytrade_body_handler(ngx_http_request_t *r)
{
    pt_slice_t                body;
    ngx_int_t                 rc;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    rc = ngx_http_paytrade_raw_body(r->request_body, r->pool, ctx->body_max,
                                    &body);

    if (rc == NGX_DECLINED) {
        ngx_http_finalize_request(r, ctx->too_large(r));
        return;
    }

    if (rc != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    ctx->body(r, body);
}


/* The body as one slice, wherever nginx has put it. */
ngx_int_t
ngx_http_paytrade_raw_body(ngx_http_request_body_t *rb, ngx_pool_t *pool,
    size_t max, pt_slice_t *body)
{
    off_t         len, size;
    u_char       *p;
    ssize_t       n;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    *body = pt_slice_null;

    if (rb == NULL || rb->bufs == NULL) {
        return NGX_OK;
    }

    cl = rb->bufs;

    if (cl->next == NULL && !cl->buf->in_file) {
        *body = pt_slice(cl->buf->pos, cl->buf->last - cl->buf->pos);
        return body->len > max ? NGX_DECLINED : NGX_OK;
    }

    len = 0;

    for ( /* void */ ; cl; cl = cl->next) {
        len += ngx_buf_size(cl->buf);
    }

    if (len > (off_t) max) {
        return NGX_DECLINED;
    }

    p = ngx_pnalloc(pool, (size_t) len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *body = pt_slice(p, (size_t) len);

    for (cl = rb->bufs; cl; cl = cl->next) {
        b = cl->buf;
        size = ngx_buf_size(b);

        if (size == 0) {
            continue;
        }

        if (b->in_file) {
            n = ngx_read_file(b->file, p, (size_t) size, b->file_pos);

            if (n != (ssize_t) size) {
                return NGX_ERROR;
            }

        } else {
            ngx_memcpy(p, b->pos, (size_t) size);
        }

        p += size;
    }

    return NGX_OK;
}


/* A body without a Content-Type is taken for JSON, as its API's users send. */
ngx_uint_t
ngx_http_paytrade_is_json(ngx_http_request_t *r)
{
    u_char           *p, *last;
    ngx_table_elt_t  *h;

    static ngx_str_t  json = ngx_string("application/json");

    h = r->headers_in.content_type;

    if (h == NULL || h->value.len == 0) {
        return 1;
    }

    if (h->value.len < json.len
        || ngx_strncasecmp(h->value.data, json.data, json.len) != 0)
    {
        return 0;
    }

    p = h->value.data + json.len;
    last = h->value.data + h->value.len;

    while (p < last && (*p == ' ' || *p == '\t')) {
        p++;
    }

    return p == last || *p == ';';
}


ngx_int_t
ngx_http_paytrade_no_body(ngx_http_request_t *r)
{
    return ngx_http_discard_request_body(r);
}


ngx_int_t
ngx_http_paytrade_read_user(ngx_http_request_t *r, pt_problem_e *problem,
    const char **detail)
{
    ngx_str_t                      value;
    ngx_http_paytrade_ctx_t       *ctx;
    ngx_http_paytrade_loc_conf_t  *plcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    plcf = ngx_http_get_module_loc_conf(r, ngx_http_paytrade_module);

    if (ngx_http_complex_value(r, plcf->user, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value.len == 0) {
        *problem = PT_NO_USER;
        *detail = "the request carries no authenticated user";
        return NGX_DECLINED;
    }

    ctx->user = pt_slice(value.data, value.len);

    if (!pt_text_valid(ctx->user, PT_USER_MAX)) {
        *problem = PT_BAD_REQUEST;
        *detail = "the user is longer than 128 bytes or not UTF-8 text";
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/*
 * The idempotency key: from the header, else from the body's request_id, else
 * made here, so that the client may ask again with it.
 */
ngx_int_t
ngx_http_paytrade_read_key(ngx_http_request_t *r, pt_slice_t request_id,
    pt_problem_e *problem, const char **detail)
{
    ngx_uint_t                n;
    ngx_table_elt_t          *h;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    h = ngx_http_paytrade_find_header(r, "idempotency-key",
                                      sizeof("idempotency-key") - 1, &n);

    if (n > 1) {
        *problem = PT_BAD_REQUEST;
        *detail = "Idempotency-Key stands more than once";
        return NGX_DECLINED;
    }

    if (h == NULL) {
        if (request_id.len == 0) {
            return ngx_http_paytrade_make_key(r);
        }

        ctx->key = request_id;
        return NGX_OK;
    }

    ctx->key = pt_slice(h->value.data, h->value.len);

    /* RFC 8941 writes a string with quotes, most clients without */

    if (ctx->key.len >= 2 && ctx->key.data[0] == '"'
        && ctx->key.data[ctx->key.len - 1] == '"')
    {
        ctx->key.data++;
        ctx->key.len -= 2;
    }

    if (!pt_text_valid(ctx->key, PT_KEY_MAX)) {
        *problem = PT_BAD_REQUEST;
        *detail = "Idempotency-Key is empty, longer than 255 bytes or not "
                  "UTF-8 text";
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paytrade_make_key(ngx_http_request_t *r)
{
    u_char                   *p, bytes[16];
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    p = ngx_pnalloc(r->pool, 2 * sizeof(bytes));
    if (p == NULL || RAND_bytes(bytes, sizeof(bytes)) != 1) {
        return NGX_ERROR;
    }

    ctx->key = pt_slice(p, 2 * sizeof(bytes));
    ctx->own_key = 1;

    (void) ngx_hex_dump(p, bytes, sizeof(bytes));

    return NGX_OK;
}


static ngx_table_elt_t *
ngx_http_paytrade_find_header(ngx_http_request_t *r, const char *name,
    size_t len, ngx_uint_t *n)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h, *found;

    *n = 0;
    found = NULL;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) name, len) == 0)
            {
                found = &h[i];
                (*n)++;
            }
        }
    }

    return found;
}


/*
 * data is NULL when there is none.  Several of one name come as one value,
 * joined by ", ", so that what must be single does not pass for it.
 */
pt_slice_t
ngx_http_paytrade_header_in(void *data, const char *name)
{
    ngx_http_request_t *r = data;

    size_t            len, size;
    ngx_uint_t        i, n;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(name);

    h = ngx_http_paytrade_find_header(r, name, len, &n);

    if (n == 0) {
        return pt_slice_null;
    }

    if (n == 1) {
        return pt_slice(h->value.data, h->value.len);
    }

    size = 2 * n;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            size += h[i].value.len;
        }
    }

    return ngx_http_paytrade_join_headers(r, name, len, size);
}


/* size is enough for all of them; without memory it is a value of nothing. */
static pt_slice_t
ngx_http_paytrade_join_headers(ngx_http_request_t *r, const char *name,
    size_t len, size_t size)
{
    u_char           *p, *start;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    start = ngx_pnalloc(r->pool, size);
    if (start == NULL) {
        return pt_slice_lit(",");
    }

    p = start;

    for (part = &r->headers_in.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].key.len != len
                || ngx_strncasecmp(h[i].key.data, (u_char *) name, len) != 0)
            {
                continue;
            }

            p = ngx_cpymem(p, h[i].value.data, h[i].value.len);
            *p++ = ',';
            *p++ = ' ';
        }
    }

    return pt_slice(start, p - start - 2);
}


/* A query argument, percent-decoded: NGX_OK, NGX_DECLINED when not there. */
ngx_int_t
ngx_http_paytrade_arg(ngx_http_request_t *r, const char *name,
    pt_slice_t *value)
{
    u_char     *dst, *src, *p;
    ngx_str_t   raw;

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &raw) != NGX_OK) {
        return NGX_DECLINED;
    }

    p = ngx_pnalloc(r->pool, raw.len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    dst = p;
    src = raw.data;

    ngx_unescape_uri(&dst, &src, raw.len, 0);

    *value = pt_slice(p, dst - p);

    return NGX_OK;
}


/* 64 bits of SHA-1, in hexadecimal: scoped to one buyer of one sale. */
void
ngx_http_paytrade_hash(pt_slice_t text, u_char hash[PT_HASH_LEN])
{
    u_char      digest[20];
    ngx_sha1_t  sha1;

    ngx_sha1_init(&sha1);
    ngx_sha1_update(&sha1, text.data, text.len);
    ngx_sha1_final(digest, &sha1);

    (void) ngx_hex_dump(hash, digest, PT_HASH_LEN / 2);
}
