/*
 * paytrade_hold with paytrade_dry_run: what the edge would have said of a hold
 * that another server still takes.
 *
 * It runs before the content is made.  The body is read and looked at as for a
 * hold, Redis is asked, nothing is taken; whatever comes of it is counted and
 * in $paytrade_result, and the request goes on as it came.
 */

#include "ngx_http_paytrade.h"


static void ngx_http_paytrade_dry_run_body(ngx_http_request_t *r);
static ngx_int_t ngx_http_paytrade_dry_run_read(ngx_http_request_t *r);
static ngx_int_t ngx_http_paytrade_dry_run_start(ngx_http_request_t *r);
static void ngx_http_paytrade_dry_run_located(ngx_http_request_t *r,
    pt_slice_t sale);
static ngx_int_t ngx_http_paytrade_dry_run_ask(ngx_http_request_t *r,
    pt_slice_t sale);
static void ngx_http_paytrade_dry_run_answer(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static void ngx_http_paytrade_dry_run_wait(ngx_http_request_t *r);
static void ngx_http_paytrade_dry_run_resume(ngx_http_request_t *r);
static ngx_int_t ngx_http_paytrade_dry_run_word(ngx_http_request_t *r,
    ngx_uint_t counter, const char *word);
static ngx_int_t ngx_http_paytrade_dry_run_problem(ngx_http_request_t *r,
    pt_problem_e problem);


/* It is called again when the body, and when Redis' answer is there. */
ngx_int_t
ngx_http_paytrade_dry_run_handler(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_http_paytrade_ctx_t       *ctx;
    ngx_http_paytrade_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_paytrade_module);

    if (!plcf->dry_hold || r != r->main || r->method != NGX_HTTP_POST) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_paytrade_begin(r);

    if (ctx == NULL || ctx->tried) {
        return NGX_DECLINED;
    }

    if (ctx->trying) {
        return NGX_DONE;
    }

    ctx->trying = 1;

    if (ctx->worker == NULL) {
        return ngx_http_paytrade_dry_run_problem(r, PT_UNAVAILABLE);
    }

    if (!ngx_http_paytrade_is_json(r)) {
        return ngx_http_paytrade_dry_run_problem(r, PT_UNSUPPORTED_MEDIA_TYPE);
    }

    if (r->headers_in.content_length_n > (off_t) PT_JSON_SIZE_MAX) {
        return ngx_http_paytrade_dry_run_problem(r, PT_TOO_LARGE);
    }

    rc = ngx_http_read_client_request_body(r, ngx_http_paytrade_dry_run_body);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    /* what reading has counted; the phases hold the request by themselves */

    ngx_http_finalize_request(r, NGX_DONE);

    return NGX_DONE;
}


static void
ngx_http_paytrade_dry_run_body(ngx_http_request_t *r)
{
    r->preserve_body = 1;

    if (ngx_http_paytrade_dry_run_read(r) == NGX_HTTP_PAYTRADE_WAITS) {
        ngx_http_paytrade_dry_run_wait(r);
        return;
    }

    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
}


/* NGX_HTTP_PAYTRADE_WAITS; NGX_DECLINED: it goes on. */
static ngx_int_t
ngx_http_paytrade_dry_run_read(ngx_http_request_t *r)
{
    ngx_int_t      rc;
    pt_slice_t     body;
    const char    *detail;
    pt_problem_e   problem;

    rc = ngx_http_paytrade_raw_body(r->request_body, r->pool,
                                    PT_JSON_SIZE_MAX, &body);

    if (rc == NGX_DECLINED) {
        return ngx_http_paytrade_dry_run_problem(r, PT_TOO_LARGE);
    }

    if (rc != NGX_OK) {
        return ngx_http_paytrade_dry_run_problem(r, PT_INTERNAL_ERROR);
    }

    rc = ngx_http_paytrade_hold_read(r, body, &problem, &detail);

    if (rc == NGX_DECLINED) {
        return ngx_http_paytrade_dry_run_problem(r, problem);
    }

    if (rc != NGX_OK) {
        return ngx_http_paytrade_dry_run_problem(r, PT_INTERNAL_ERROR);
    }

    return ngx_http_paytrade_dry_run_start(r);
}


static ngx_int_t
ngx_http_paytrade_dry_run_start(ngx_http_request_t *r)
{
    pt_slice_t               sale;
    ngx_http_paytrade_sku_t  sku;

    switch (ngx_http_paytrade_hold_sale(r, &sku, &sale,
                                        ngx_http_paytrade_dry_run_located))
    {

    case NGX_OK:
        return ngx_http_paytrade_dry_run_ask(r, sale);

    case NGX_AGAIN:
        return NGX_HTTP_PAYTRADE_WAITS;

    case NGX_DECLINED:
        return ngx_http_paytrade_dry_run_problem(r, PT_UNKNOWN_ITEM);

    case NGX_ABORT:
        return ngx_http_paytrade_dry_run_problem(r, PT_SOLD_OUT);

    default:
        return ngx_http_paytrade_dry_run_problem(r, PT_UNAVAILABLE);
    }
}


static void
ngx_http_paytrade_dry_run_located(ngx_http_request_t *r, pt_slice_t sale)
{
    ngx_int_t                 rc;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    if (sale.len) {
        rc = ngx_http_paytrade_dry_run_ask(r, sale);

    } else {
        rc = ngx_http_paytrade_dry_run_problem(r, ctx->failed
                                                      ? PT_UNAVAILABLE
                                                      : PT_UNKNOWN_ITEM);
    }

    if (rc == NGX_HTTP_PAYTRADE_WAITS) {
        ngx_http_paytrade_dry_run_wait(r);

    } else {
        ngx_http_paytrade_dry_run_resume(r);
    }
}


static ngx_int_t
ngx_http_paytrade_dry_run_ask(ngx_http_request_t *r, pt_slice_t sale)
{
    if (ngx_http_paytrade_hold_call(r, sale, 1,
                                    ngx_http_paytrade_dry_run_answer)
        != NGX_OK)
    {
        return ngx_http_paytrade_dry_run_problem(r, PT_UNAVAILABLE);
    }

    return NGX_HTTP_PAYTRADE_WAITS;
}


static void
ngx_http_paytrade_dry_run_answer(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    pt_problem_e  problem;

    switch (ngx_http_paytrade_hold_verdict(r, call, &problem)) {

    case NGX_OK:
        (void) ngx_http_paytrade_dry_run_word(r,
                                              NGX_HTTP_PAYTRADE_DRY_WOULD_HOLD,
                                              "would_hold");
        break;

    case NGX_DONE:
        (void) ngx_http_paytrade_dry_run_word(r,
                                              NGX_HTTP_PAYTRADE_DRY_REPLAYED,
                                              "replayed");
        break;

    default: /* NGX_DECLINED */
        (void) ngx_http_paytrade_dry_run_problem(r, problem);
    }

    ngx_http_paytrade_dry_run_resume(r);
}


/* Whether a client that leaves meanwhile counts is for the other server. */
static void
ngx_http_paytrade_dry_run_wait(ngx_http_request_t *r)
{
    r->read_event_handler = ngx_http_block_reading;
}


/* From an event that is not the request's own. */
static void
ngx_http_paytrade_dry_run_resume(ngx_http_request_t *r)
{
    ngx_connection_t  *c;

    c = r->connection;

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);

    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_paytrade_dry_run_word(ngx_http_request_t *r, ngx_uint_t counter,
    const char *word)
{
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    ctx->tried = 1;
    ctx->result.data = (u_char *) word;
    ctx->result.len = ngx_strlen(word);

    ngx_http_paytrade_count(ctx->worker->conf->shm_zone, counter, 1);

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_paytrade_dry_run_problem(ngx_http_request_t *r, pt_problem_e problem)
{
    ngx_http_paytrade_ctx_t        *ctx;
    ngx_http_paytrade_counters_t   *counters;
    ngx_http_paytrade_main_conf_t  *mcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    mcf = ngx_http_get_module_main_conf(r, ngx_http_paytrade_module);

    ctx->tried = 1;
    ctx->result.data = (u_char *) pt_problems[problem].code;
    ctx->result.len = ngx_strlen(pt_problems[problem].code);

    counters = ngx_http_paytrade_counters(mcf->shm_zone);
    (void) ngx_atomic_fetch_add(&counters->dry_run[problem], 1);

    return NGX_DECLINED;
}
