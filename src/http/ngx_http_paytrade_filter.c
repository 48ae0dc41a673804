/*
 * nginx's own error pages, in locations of ours, as problems.
 *
 * A body that is too large or an address that may not come in is refused by
 * nginx before a handler of ours runs, or after it gave up with a status; the
 * client gets application/problem+json all the same.
 */

#include "ngx_http_paytrade.h"


typedef struct {
    ngx_int_t       status;
    pt_problem_e    problem;
    const char     *detail;
} ngx_http_paytrade_page_t;


static ngx_int_t ngx_http_paytrade_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_paytrade_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static const ngx_http_paytrade_page_t *ngx_http_paytrade_find_page(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_paytrade_make_page(ngx_http_request_t *r,
    const ngx_http_paytrade_page_t *page);


/* A status that is not here, an operator's "return 410", stays as it is. */
static const ngx_http_paytrade_page_t  ngx_http_paytrade_pages[] = {
    { NGX_HTTP_BAD_REQUEST, PT_BAD_REQUEST,
      "the request is malformed" },
    { NGX_HTTP_UNAUTHORIZED, PT_NO_USER,
      "the request is not authenticated" },
    { NGX_HTTP_FORBIDDEN, PT_FORBIDDEN,
      "the request is not allowed" },
    { NGX_HTTP_NOT_FOUND, PT_NOT_FOUND,
      "there is nothing here" },
    { NGX_HTTP_NOT_ALLOWED, PT_METHOD_NOT_ALLOWED,
      "the method is not allowed here" },
    { NGX_HTTP_LENGTH_REQUIRED, PT_BAD_REQUEST,
      "the request has no Content-Length" },
    { NGX_HTTP_REQUEST_ENTITY_TOO_LARGE, PT_TOO_LARGE,
      "the body is larger than the server accepts" },
    { NGX_HTTP_REQUEST_URI_TOO_LARGE, PT_BAD_REQUEST,
      "the URI is too long" },
    { NGX_HTTP_UNSUPPORTED_MEDIA_TYPE, PT_UNSUPPORTED_MEDIA_TYPE,
      "the body is of another type than this location takes" },
    { NGX_HTTP_TOO_MANY_REQUESTS, PT_TOO_MANY_ATTEMPTS,
      "too many requests; ask again later" },
    { 431, PT_BAD_REQUEST,
      "the headers are too large" },
    { NGX_HTTP_INTERNAL_SERVER_ERROR, PT_INTERNAL_ERROR,
      "the server failed; its log says why" },
    { NGX_HTTP_BAD_GATEWAY, PT_UNAVAILABLE,
      "the server cannot answer now; ask again" },
    { NGX_HTTP_SERVICE_UNAVAILABLE, PT_UNAVAILABLE,
      "the server cannot answer now; ask again" },
    { NGX_HTTP_GATEWAY_TIME_OUT, PT_UNAVAILABLE,
      "the server cannot answer now; ask again" },
};


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


ngx_int_t
ngx_http_paytrade_filter_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_paytrade_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_paytrade_body_filter;

    return ngx_http_paytrade_verify_init(cf);
}


static ngx_int_t
ngx_http_paytrade_header_filter(ngx_http_request_t *r)
{
    const ngx_http_paytrade_page_t  *page;

    page = ngx_http_paytrade_find_page(r);

    if (page && ngx_http_paytrade_make_page(r, page) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


/*
 * err_status says that the answer is made by nginx for a status that a phase or
 * a handler returned; its type, when it has a body, is text/html.
 */
static const ngx_http_paytrade_page_t *
ngx_http_paytrade_find_page(ngx_http_request_t *r)
{
    ngx_str_t                     *type;
    ngx_uint_t                     i;
    ngx_http_paytrade_loc_conf_t  *plcf;

    static ngx_str_t  html = ngx_string("text/html");

    if (r->err_status < NGX_HTTP_BAD_REQUEST
        || r->headers_out.status != r->err_status
        || r->upstream)
    {
        return NULL;
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_paytrade_module);

    if (!plcf->handled) {
        return NULL;
    }

    type = &r->headers_out.content_type;

    if (type->len
        && (type->len != html.len
            || ngx_strncmp(type->data, html.data, html.len) != 0))
    {
        return NULL;
    }

    for (i = 0;
         i < sizeof(ngx_http_paytrade_pages)
             / sizeof(ngx_http_paytrade_pages[0]);
         i++)
    {
        if (ngx_http_paytrade_pages[i].status == (ngx_int_t) r->err_status) {
            return &ngx_http_paytrade_pages[i];
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_paytrade_make_page(ngx_http_request_t *r,
    const ngx_http_paytrade_page_t *page)
{
    pt_out_t                        out;
    const pt_problem_t             *problem;
    ngx_http_paytrade_ctx_t        *ctx;
    ngx_http_paytrade_counters_t   *counters;
    ngx_http_paytrade_main_conf_t  *mcf;

    ctx = ngx_http_paytrade_begin(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    problem = &pt_problems[page->problem];

    ngx_http_paytrade_out_init(&out, r, 256);
    pt_problem_open(&out, page->problem, page->detail);
    pt_out_char(&out, '}');

    if (out.failed) {
        return NGX_ERROR;
    }

    /* nginx refuses what is too much at this moment, not of a day */

    if (problem->retry
        && ngx_http_paytrade_retry_after(r, PT_RETRY_SOON * 1000) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ctx->page = pt_out_slice(&out);
    ctx->page_sent = 0;
    ctx->result.data = (u_char *) problem->code;
    ctx->result.len = ngx_strlen(problem->code);

    mcf = ngx_http_get_module_main_conf(r, ngx_http_paytrade_module);
    counters = ngx_http_paytrade_counters(mcf->shm_zone);
    (void) ngx_atomic_fetch_add(&counters->problems[page->problem], 1);

    /* the body names its status: the log and the status line say the same */

    r->err_status = problem->status;
    r->headers_out.status = problem->status;

    ngx_str_set(&r->headers_out.content_type, "application/problem+json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.charset.len = 0;

    ngx_http_clear_content_length(r);
    r->headers_out.content_length_n = ctx->page.len;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paytrade_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t                *b;
    ngx_chain_t              *cl, out;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    if (ctx == NULL || ctx->page.len == 0 || in == NULL) {
        return ngx_http_next_body_filter(r, in);
    }

    for (cl = in; cl; cl = cl->next) {
        cl->buf->pos = cl->buf->last;
    }

    if (ctx->page_sent) {
        return ngx_http_next_body_filter(r, NULL);
    }

    ctx->page_sent = 1;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = (u_char *) ctx->page.data;
    b->last = b->pos + ctx->page.len;
    b->memory = 1;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_next_body_filter(r, &out);
}
