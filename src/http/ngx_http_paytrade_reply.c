/*
 * What goes out: JSON, problems, and the headers that go with them.
 */

#include "ngx_http_paytrade.h"


static void *ngx_http_paytrade_out_alloc(void *ctx, size_t size);
static const char *ngx_http_paytrade_not_known(ngx_http_request_t *r);
static ngx_int_t ngx_http_paytrade_send(ngx_http_request_t *r,
    ngx_uint_t status, ngx_str_t *type, pt_out_t *out);
static ngx_uint_t ngx_http_paytrade_says_retry(ngx_http_request_t *r);
static void ngx_http_paytrade_set_result(ngx_http_request_t *r,
    const char *result);
static void ngx_http_paytrade_set_amount(ngx_http_request_t *r,
    int64_t amount);


static ngx_str_t  ngx_http_paytrade_json_type =
    ngx_string("application/json");

static ngx_str_t  ngx_http_paytrade_problem_type =
    ngx_string("application/problem+json");


void
ngx_http_paytrade_out_init(pt_out_t *out, ngx_http_request_t *r, size_t hint)
{
    pt_out_init(out, ngx_http_paytrade_out_alloc, r->pool, hint);
}


static void *
ngx_http_paytrade_out_alloc(void *ctx, size_t size)
{
    return ngx_pnalloc(ctx, size);
}


ngx_int_t
ngx_http_paytrade_reply_json(ngx_http_request_t *r, ngx_uint_t status,
    const char *result, pt_out_t *out)
{
    ngx_http_paytrade_set_result(r, result);

    return ngx_http_paytrade_send(r, status, &ngx_http_paytrade_json_type,
                                  out);
}


ngx_int_t
ngx_http_paytrade_reply_problem(ngx_http_request_t *r, pt_problem_e problem,
    const char *detail)
{
    pt_out_t  out;

    ngx_http_paytrade_out_init(&out, r, 256);

    pt_problem_open(&out, problem, detail);
    pt_out_char(&out, '}');

    return ngx_http_paytrade_reply_problem_out(r, problem, &out);
}


ngx_int_t
ngx_http_paytrade_reply_problem_out(ngx_http_request_t *r,
    pt_problem_e problem, pt_out_t *out)
{
    ngx_http_paytrade_counters_t   *counters;
    ngx_http_paytrade_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_paytrade_module);

    counters = ngx_http_paytrade_counters(mcf->shm_zone);
    (void) ngx_atomic_fetch_add(&counters->problems[problem], 1);

    return ngx_http_paytrade_reply_problem_as(r, problem,
                                              pt_problems[problem].code, out);
}


ngx_int_t
ngx_http_paytrade_reply_problem_as(ngx_http_request_t *r,
    pt_problem_e problem, const char *result, pt_out_t *out)
{
    ngx_http_paytrade_set_result(r, result);

    if (pt_problems[problem].retry && !ngx_http_paytrade_says_retry(r)
        && ngx_http_paytrade_retry_after(r, pt_problems[problem].retry * 1000)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_paytrade_send(r, pt_problems[problem].status,
                                  &ngx_http_paytrade_problem_type, out);
}


ngx_int_t
ngx_http_paytrade_reply_order_problem(ngx_http_request_t *r,
    pt_problem_e problem, const char *detail, pt_slice_t order_id,
    const char *status)
{
    pt_out_t  out;

    ngx_http_paytrade_out_init(&out, r, 256);

    pt_problem_open(&out, problem, detail);

    if (order_id.len) {
        pt_out_str(&out, ",\"order_id\":");
        pt_out_json(&out, order_id);
    }

    if (status) {
        pt_out_str(&out, ",\"order_status\":\"");
        pt_out_str(&out, status);
        pt_out_char(&out, '"');
    }

    pt_out_char(&out, '}');

    return ngx_http_paytrade_reply_problem_out(r, problem, &out);
}


ngx_int_t
ngx_http_paytrade_reply_text(ngx_http_request_t *r, ngx_uint_t status,
    const char *result, const char *type, const char *body)
{
    pt_out_t   out;
    ngx_str_t  content_type;

    ngx_http_paytrade_set_result(r, result);

    ngx_http_paytrade_out_init(&out, r, 32);
    pt_out_str(&out, body);

    content_type.data = (u_char *) type;
    content_type.len = ngx_strlen(type);

    return ngx_http_paytrade_send(r, status, &content_type, &out);
}


ngx_int_t
ngx_http_paytrade_reply_failure(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    if (ngx_http_paytrade_tell_key(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_paytrade_reply_problem(r, PT_UNAVAILABLE,
                                    ngx_http_paytrade_note_failure(r, call));
}


ngx_int_t
ngx_http_paytrade_tell_key(ngx_http_request_t *r)
{
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    return ctx->own_key
           ? ngx_http_paytrade_header(r, "Idempotency-Key", ctx->key)
           : NGX_OK;
}


const char *
ngx_http_paytrade_note_failure(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    pt_slice_t                      word, rest;
    ngx_http_paytrade_counters_t   *counters;
    ngx_http_paytrade_partition_t  *part;

    if (call->pg_outcome != NGX_PAYTRADE_PG_OK) {
        return "the database did not answer; ask again";
    }

    if (call->outcome != NGX_PAYTRADE_REDIS_OK) {
        counters = ngx_http_paytrade_counters(call->worker->conf->shm_zone);
        (void) ngx_atomic_fetch_add(&counters->failures[call->outcome], 1);

        if (call->outcome >= NGX_PAYTRADE_REDIS_LOST) {
            return ngx_http_paytrade_not_known(r);
        }

        return "the stock cannot be reached; ask again";
    }

    rest = call->reply;

    if (pt_slice_next(&rest, '\t', &word)) {

        if (pt_slice_eq(word, pt_slice_lit("restarted"))
            || pt_slice_eq(word, pt_slice_lit("no_epoch")))
        {
            part = &call->worker->partitions[call->partition];
            ngx_http_paytrade_partition_recheck(part);

            return "the stock is being checked; ask again";
        }
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "paytrade: script answered \"%*s\"",
                  ngx_min(call->reply.len, 256), call->reply.data);

    return "the stock's records cannot be read";
}


static const char *
ngx_http_paytrade_not_known(ngx_http_request_t *r)
{
    ngx_http_paytrade_ctx_t  *ctx;

    if (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)) {
        return "the stock did not answer; ask again";
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    return ctx->key.len ? "the outcome is not known; ask again with the same "
                          "Idempotency-Key"
                        : "the outcome is not known; send the same again";
}


static ngx_int_t
ngx_http_paytrade_send(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *type, pt_out_t *out)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    pt_slice_t    body;
    ngx_chain_t   cl;

    if (out->failed) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (r == r->main && r->request_body == NULL && !r->discard_body) {
        rc = ngx_http_discard_request_body(r);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    body = pt_out_slice(out);

    r->headers_out.status = status;
    r->headers_out.content_length_n = body.len;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = (u_char *) body.data;
    b->last = b->pos + body.len;
    b->memory = body.len ? 1 : 0;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    cl.buf = b;
    cl.next = NULL;

    return ngx_http_output_filter(r, &cl);
}


ngx_int_t
ngx_http_paytrade_header(ngx_http_request_t *r, const char *name,
    pt_slice_t value)
{
    u_char           *p;
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 0;

    p = ngx_pnalloc(r->pool, value.len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, value.data, value.len);

    h->hash = 1;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value.data = p;
    h->value.len = value.len;

    return NGX_OK;
}


ngx_int_t
ngx_http_paytrade_retry_after(ngx_http_request_t *r, int64_t ms)
{
    u_char  text[NGX_INT64_LEN], *last;

    last = ngx_sprintf(text, "%L", ms < 1000 ? 1 : (ms + 999) / 1000);

    return ngx_http_paytrade_header(r, "Retry-After",
                                    pt_slice(text, last - text));
}


/* Who knows the time has said it. */
static ngx_uint_t
ngx_http_paytrade_says_retry(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash
                && h[i].key.len == sizeof("Retry-After") - 1
                && ngx_strncasecmp(h[i].key.data, (u_char *) "Retry-After",
                                   sizeof("Retry-After") - 1)
                   == 0)
            {
                return 1;
            }
        }
    }

    return 0;
}


void
ngx_http_paytrade_finish(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_connection_t  *c;

    c = r->connection;

    r->read_event_handler = ngx_http_block_reading;

    ngx_http_finalize_request(r, rc);

    ngx_http_run_posted_requests(c);
}


static void
ngx_http_paytrade_set_result(ngx_http_request_t *r, const char *result)
{
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    if (ctx) {
        ctx->result.data = (u_char *) result;
        ctx->result.len = ngx_strlen(result);
    }
}


void
ngx_http_paytrade_set_order_vars(ngx_http_request_t *r, pt_slice_t order_id,
    int64_t amount)
{
    u_char                   *p;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    p = ngx_pnalloc(r->pool, order_id.len);
    if (p == NULL) {
        return;
    }

    ngx_memcpy(p, order_id.data, order_id.len);

    ctx->order_id.data = p;
    ctx->order_id.len = order_id.len;

    ngx_http_paytrade_set_amount(r, amount);
}


void
ngx_http_paytrade_set_payment_vars(ngx_http_request_t *r, pt_slice_t pay_no,
    pt_slice_t trade_no, int64_t amount)
{
    u_char                   *p;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    p = ngx_pnalloc(r->pool, pay_no.len + trade_no.len);
    if (p == NULL) {
        return;
    }

    ctx->pay_no.data = p;
    ctx->pay_no.len = pay_no.len;
    p = ngx_cpymem(p, pay_no.len ? pay_no.data : "", pay_no.len);

    ctx->trade_no.data = p;
    ctx->trade_no.len = trade_no.len;
    ngx_memcpy(p, trade_no.len ? trade_no.data : "", trade_no.len);

    ngx_http_paytrade_set_amount(r, amount);
}


static void
ngx_http_paytrade_set_amount(ngx_http_request_t *r, int64_t amount)
{
    pt_out_t                        out;
    pt_slice_t                      text;
    ngx_http_paytrade_ctx_t        *ctx;
    ngx_http_paytrade_main_conf_t  *mcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    mcf = ngx_http_get_module_main_conf(r, ngx_http_paytrade_module);

    ngx_http_paytrade_out_init(&out, r, 32);
    pt_out_money(&out, amount, mcf->decimals);

    if (!out.failed) {
        text = pt_out_slice(&out);
        ctx->amount.data = (u_char *) text.data;
        ctx->amount.len = text.len;
    }
}
