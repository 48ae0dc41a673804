/*
 * paytrade_verify: a callback that another server takes is verified first.
 *
 * It runs before try_files, mirror and whatever makes the content: after the
 * access phase, which `satisfy any` and subrequests leave out.  The body is
 * read once, kept, and handed on as it came.
 */

#include "ngx_http_paytrade_callback.h"


static ngx_int_t ngx_http_paytrade_verify_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_paytrade_verify_read(ngx_http_request_t *r);
static void ngx_http_paytrade_verify_body(ngx_http_request_t *r);
static ngx_int_t ngx_http_paytrade_verify_request(ngx_http_request_t *r);
static pt_verify_e ngx_http_paytrade_verify_raw(ngx_http_request_t *r,
    ngx_pool_t *pool, ngx_uint_t *callback);
static ngx_int_t ngx_http_paytrade_verify_refuse(ngx_http_request_t *r,
    pt_verify_e result);
static ngx_int_t ngx_http_paytrade_verify_turn_away(ngx_http_request_t *r,
    ngx_uint_t callback, ngx_msec_t ms);
static ngx_int_t ngx_http_paytrade_verify_problem(ngx_http_request_t *r,
    pt_problem_e problem, const char *word, const char *detail);
static ngx_int_t ngx_http_paytrade_verify_pass(ngx_http_request_t *r,
    ngx_uint_t callback);


/* Of a phase the handlers that are added last are called first. */
ngx_int_t
ngx_http_paytrade_verify_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_main_conf_t  *cmcf;

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push_n(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers, 2);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h[0] = ngx_http_paytrade_dry_run_handler;
    h[1] = ngx_http_paytrade_verify_handler;

    return NGX_OK;
}


/*
 * It is called again when the body is there, and by a redirect into another
 * location, for which nginx has forgotten the context.
 */
static ngx_int_t
ngx_http_paytrade_verify_handler(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_msec_t                     ms;
    ngx_uint_t                     callback;
    ngx_http_paytrade_ctx_t       *ctx;
    ngx_http_paytrade_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_paytrade_module);

    if (plcf->verify == NULL) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_paytrade_begin(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->verified) {
        return NGX_DECLINED;
    }

    if (ctx->verifying) {
        return NGX_DONE;
    }

    ctx->verifying = 1;
    ctx->gateway = plcf->verify->name;
    ngx_str_null(&ctx->verify);
    ngx_str_null(&ctx->pay_no);
    ngx_str_null(&ctx->trade_no);
    ngx_str_null(&ctx->amount);
    ngx_str_null(&ctx->currency);
    ngx_str_null(&ctx->event_id);
    ngx_str_null(&ctx->event_type);

    callback = ngx_http_paytrade_callback_enter(r, plcf->verify, &ms);

    if (callback != NGX_HTTP_PAYTRADE_CALLBACK_NONE) {
        rc = ngx_http_paytrade_verify_turn_away(r, callback, ms);

    } else if (r == r->main) {
        return ngx_http_paytrade_verify_read(r);

    } else {
        rc = ngx_http_paytrade_verify_request(r);
    }

    if (rc != NGX_DECLINED) {
        ngx_http_finalize_request(r, rc);
        return NGX_DONE;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_http_paytrade_verify_read(ngx_http_request_t *r)
{
    ngx_int_t                 rc;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    rc = ngx_http_read_client_request_body(r, ngx_http_paytrade_verify_body);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        ngx_http_paytrade_callback_leave(ctx);
        return rc;
    }

    /* what reading has counted; the phases hold the request by themselves */

    ngx_http_finalize_request(r, NGX_DONE);

    return NGX_DONE;
}


static void
ngx_http_paytrade_verify_body(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    rc = ngx_http_paytrade_verify_request(r);

    if (rc != NGX_DECLINED) {
        ngx_http_finalize_request(r, rc);
        return;
    }

    r->preserve_body = 1;

    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
}


/* NGX_DECLINED: it goes on; else what finalizes it. */
static ngx_int_t
ngx_http_paytrade_verify_request(ngx_http_request_t *r)
{
    ngx_pool_t               *pool;
    ngx_uint_t                callback;
    pt_verify_e               result;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    callback = NGX_HTTP_PAYTRADE_CALLBACK_NONE;
    result = PT_VERIFY_NO_MEMORY;

    /* a request that goes on may live for long, what verifies it need not */

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE / 4, r->connection->log);

    if (pool) {
        result = ngx_http_paytrade_verify_raw(r, pool, &callback);
        ngx_destroy_pool(pool);
    }

    ngx_http_paytrade_callback_leave(ctx);

    if (callback != NGX_HTTP_PAYTRADE_CALLBACK_NONE) {
        return ngx_http_paytrade_verify_turn_away(r, callback, 0);
    }

    ngx_http_paytrade_callback_set_verify(ctx, pt_verify_words[result]);

    if (result != PT_VERIFY_OK) {
        return ngx_http_paytrade_verify_refuse(r, result);
    }

    return ngx_http_paytrade_verify_pass(r,
                                         NGX_HTTP_PAYTRADE_CALLBACK_PASSED);
}


/*
 * A subrequest has the body of its parent, or one of its own: that which is
 * handed on.
 */
static pt_verify_e
ngx_http_paytrade_verify_raw(ngx_http_request_t *r, ngx_pool_t *pool,
    ngx_uint_t *callback)
{
    ngx_int_t                      rc;
    pt_slice_t                     body;
    pt_notice_t                    notice;
    pt_verify_e                    result;
    ngx_http_paytrade_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_paytrade_module);

    /* not read, not as a whole, or thrown away */

    if (r->request_body == NULL || r->main->request_body == NULL
        || r->main->reading_body)
    {
        return PT_VERIFY_MISSING;
    }

    rc = ngx_http_paytrade_raw_body(r->request_body, pool,
                                    plcf->callback_size, &body);

    if (rc == NGX_DECLINED) {
        *callback = NGX_HTTP_PAYTRADE_CALLBACK_TOO_LARGE;
        return PT_VERIFY_NO_MEMORY;
    }

    if (rc != NGX_OK) {
        *callback = NGX_HTTP_PAYTRADE_CALLBACK_UNAVAILABLE;
        return PT_VERIFY_NO_MEMORY;
    }

    result = ngx_http_paytrade_callback_verify(r, plcf->verify, pool, body,
                                               &notice);

    if (result == PT_VERIFY_OK
        && ngx_http_paytrade_callback_vars(r, &notice) != NGX_OK)
    {
        return PT_VERIFY_NO_MEMORY;
    }

    return result;
}


static ngx_int_t
ngx_http_paytrade_verify_refuse(ngx_http_request_t *r, pt_verify_e result)
{
    const char                    *word;
    ngx_http_paytrade_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_paytrade_module);

    ngx_http_paytrade_callback_refused(r, plcf->verify, result);

    if (plcf->dry_run) {
        return ngx_http_paytrade_verify_pass(r,
                                         NGX_HTTP_PAYTRADE_CALLBACK_DRY_RUN);
    }

    word = pt_verify_words[result];

    if (result == PT_VERIFY_NO_MEMORY) {
        return ngx_http_paytrade_verify_problem(r, PT_UNAVAILABLE, word,
                             "the callback cannot be verified now; send it "
                             "again");
    }

    return ngx_http_paytrade_verify_problem(r, PT_UNVERIFIED, word,
                             "this is no genuine callback of the gateway");
}


/* Not looked at at all. */
static ngx_int_t
ngx_http_paytrade_verify_turn_away(ngx_http_request_t *r, ngx_uint_t callback,
    ngx_msec_t ms)
{
    const char                    *word;
    ngx_http_paytrade_loc_conf_t  *plcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_paytrade_module);

    word = ngx_http_paytrade_callback_word(callback);

    ngx_http_paytrade_callback_tell(r, "turned away",
                                    pt_slice(word, ngx_strlen(word)));
    ngx_http_paytrade_callback_count(r, plcf->verify, callback);

    if (plcf->dry_run) {
        return ngx_http_paytrade_verify_pass(r,
                                         NGX_HTTP_PAYTRADE_CALLBACK_DRY_RUN);
    }

    switch (callback) {

    case NGX_HTTP_PAYTRADE_CALLBACK_TOO_LARGE:
        return ngx_http_paytrade_verify_problem(r, PT_TOO_LARGE, word,
                             "the body is larger than paytrade_callback_size");

    case NGX_HTTP_PAYTRADE_CALLBACK_THROTTLED:
        if (ngx_http_paytrade_retry_after(r, ms) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_paytrade_verify_problem(r, PT_TOO_MANY_ATTEMPTS, word,
                             "too many callbacks of this address were "
                             "refused; try again later");

    default: /* NGX_HTTP_PAYTRADE_CALLBACK_UNAVAILABLE */
        return ngx_http_paytrade_verify_problem(r, PT_UNAVAILABLE, word,
                             "the callback cannot be verified now; send it "
                             "again");
    }
}


/* A problem, but in $paytrade_result is what became of the callback. */
static ngx_int_t
ngx_http_paytrade_verify_problem(ngx_http_request_t *r, pt_problem_e problem,
    const char *word, const char *detail)
{
    pt_out_t                        out;
    ngx_http_paytrade_counters_t   *counters;
    ngx_http_paytrade_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_paytrade_module);

    /* the counter of too many attempts is that of buyers */

    if (problem != PT_TOO_MANY_ATTEMPTS) {
        counters = ngx_http_paytrade_counters(mcf->shm_zone);
        (void) ngx_atomic_fetch_add(&counters->problems[problem], 1);
    }

    ngx_http_paytrade_out_init(&out, r, 256);
    pt_problem_open(&out, problem, detail);

    if (problem == PT_UNVERIFIED) {
        pt_out_str(&out, ",\"reason\":");
        pt_out_json(&out, pt_slice(word, ngx_strlen(word)));
    }

    pt_out_char(&out, '}');

    return ngx_http_paytrade_reply_problem_as(r, problem, word, &out);
}


/* Handed on: it is genuine, or this is only a trial. */
static ngx_int_t
ngx_http_paytrade_verify_pass(ngx_http_request_t *r, ngx_uint_t callback)
{
    const char                    *word;
    ngx_http_paytrade_ctx_t       *ctx;
    ngx_http_paytrade_loc_conf_t  *plcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    plcf = ngx_http_get_module_loc_conf(r, ngx_http_paytrade_module);

    word = ngx_http_paytrade_callback_word(callback);

    ngx_http_paytrade_callback_count(r, plcf->verify, callback);

    ctx->verified = 1;
    ctx->result.data = (u_char *) word;
    ctx->result.len = ngx_strlen(word);

    return NGX_DECLINED;
}
