/*
 * Calls: what is in flight for a request, in memory that outlives it.
 *
 * A worker has a bounded list of calls.  The request's cleanup cuts the tie
 * when the client leaves; Redis or PostgreSQL complete each call once, and
 * only then is it free again.
 */

#include "ngx_http_paytrade.h"


static ngx_int_t ngx_http_paytrade_call_tie(ngx_http_paytrade_call_t *call);
static void ngx_http_paytrade_call_free(ngx_http_paytrade_call_t *call);
static void ngx_http_paytrade_call_cleanup(void *data);
static void ngx_http_paytrade_call_redis_done(ngx_paytrade_redis_op_t *op,
    ngx_paytrade_redis_outcome_e outcome, pt_slice_t reply);
static void ngx_http_paytrade_call_pg_done(
    ngx_paytrade_pg_exchange_t *exchange, ngx_paytrade_pg_outcome_e outcome);
static void ngx_http_paytrade_call_done(ngx_http_paytrade_call_t *call);
static u_char *ngx_http_paytrade_call_bytes(ngx_http_paytrade_call_t *call,
    size_t len);


ngx_http_paytrade_call_t *
ngx_http_paytrade_call_get(ngx_http_request_t *r)
{
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_call_t    *call;
    ngx_http_paytrade_worker_t  *worker;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    worker = ctx->worker;

    if (worker->free_calls) {
        call = worker->free_calls;
        worker->free_calls = call->next;

    } else {
        if (worker->ncalls == worker->max_calls) {
            return NULL;
        }

        call = ngx_calloc(sizeof(ngx_http_paytrade_call_t), worker->log);
        if (call == NULL) {
            return NULL;
        }

        call->worker = worker;
        worker->ncalls++;
    }

    call->r = r;
    call->ctx = ctx;
    call->next = NULL;
    call->extra = NULL;
    call->cleanup = NULL;
    call->reply = pt_slice_null;
    call->argv = call->args;
    call->max_args = NGX_HTTP_PAYTRADE_CALL_ARGS;
    call->argc = 0;
    call->pos = call->bytes;
    call->end = call->bytes + NGX_HTTP_PAYTRADE_CALL_BYTES;

    return call;
}


void
ngx_http_paytrade_call_arg(ngx_http_paytrade_call_t *call, pt_slice_t value)
{
    u_char      *p;
    pt_slice_t  *argv;

    if (call->max_args == 0) {
        return;
    }

    if (call->argc == call->max_args) {
        argv = ngx_alloc(2 * call->max_args * sizeof(pt_slice_t),
                         call->worker->log);
        if (argv == NULL) {
            goto failed;
        }

        ngx_memcpy(argv, call->argv, call->argc * sizeof(pt_slice_t));

        if (call->argv != call->args) {
            ngx_free(call->argv);
        }

        call->argv = argv;
        call->max_args *= 2;
    }

    /* a zero byte follows, for PostgreSQL's parameters */

    p = ngx_http_paytrade_call_bytes(call, value.len + 1);
    if (p == NULL) {
        goto failed;
    }

    ngx_memcpy(p, value.len ? value.data : "", value.len);
    p[value.len] = '\0';

    call->argv[call->argc++] = pt_slice(p, value.len);

    return;

failed:

    if (call->argv != call->args) {
        ngx_free(call->argv);
        call->argv = call->args;
    }

    call->max_args = 0;
}


/*
 * Arguments lie in bytes[]; what does not fit goes to blocks of its own, each
 * of which begins with a pointer to the one before.
 */
static u_char *
ngx_http_paytrade_call_bytes(ngx_http_paytrade_call_t *call, size_t len)
{
    u_char  *p, *block;
    size_t   size;

    if ((size_t) (call->end - call->pos) < len) {
        size = ngx_max(len, 4 * NGX_HTTP_PAYTRADE_CALL_BYTES);

        block = ngx_alloc(sizeof(u_char *) + size, call->worker->log);
        if (block == NULL) {
            return NULL;
        }

        ngx_memcpy(block, &call->extra, sizeof(u_char *));

        call->extra = block;
        call->pos = block + sizeof(u_char *);
        call->end = call->pos + size;
    }

    p = call->pos;
    call->pos += len;

    return p;
}


void
ngx_http_paytrade_call_str(ngx_http_paytrade_call_t *call, const char *value)
{
    ngx_http_paytrade_call_arg(call, pt_slice(value, ngx_strlen(value)));
}


void
ngx_http_paytrade_call_int(ngx_http_paytrade_call_t *call, int64_t value)
{
    u_char  text[NGX_INT64_LEN], *last;

    last = ngx_sprintf(text, "%L", value);

    ngx_http_paytrade_call_arg(call, pt_slice(text, last - text));
}


ngx_int_t
ngx_http_paytrade_call_redis(ngx_http_paytrade_call_t *call,
    ngx_uint_t partition, ngx_paytrade_script_e script,
    ngx_http_paytrade_call_pt handler)
{
    ngx_int_t  rc;

    if (ngx_http_paytrade_partition_is_lost(call->worker, partition)) {
        ngx_http_paytrade_call_free(call);
        return NGX_DECLINED;
    }

    if (ngx_http_paytrade_call_tie(call) != NGX_OK) {
        ngx_http_paytrade_call_free(call);
        return NGX_ERROR;
    }

    call->handler = handler;
    call->partition = partition;

    call->op.argc = call->argc;
    call->op.argv = call->argv;
    call->op.handler = ngx_http_paytrade_call_redis_done;
    call->op.data = call;

    rc = ngx_paytrade_redis_submit(call->worker->batcher, partition, script,
                                   &call->op);

    if (rc != NGX_OK) {
        ngx_http_paytrade_call_free(call);
    }

    return rc;
}


ngx_int_t
ngx_http_paytrade_call_pg(ngx_http_paytrade_call_t *call, const char *sql,
    ngx_http_paytrade_call_pt handler)
{
    ngx_uint_t  i;

    if (call->argc > NGX_HTTP_PAYTRADE_CALL_PARAMS
        || ngx_http_paytrade_call_tie(call) != NGX_OK)
    {
        ngx_http_paytrade_call_free(call);
        return NGX_ERROR;
    }

    for (i = 0; i < call->argc; i++) {
        call->params[i] = call->argv[i].data;
    }

    call->handler = handler;

    call->statement.sql = sql;
    call->statement.nparams = call->argc;
    call->statement.params = call->params;

    ngx_memzero(&call->exchange, sizeof(ngx_paytrade_pg_exchange_t));

    call->exchange.statements = &call->statement;
    call->exchange.nstatements = 1;
    call->exchange.handler = ngx_http_paytrade_call_pg_done;
    call->exchange.data = call;
    call->exchange.read_only = 1;

    ngx_paytrade_pg_submit(call->worker->pg, &call->exchange);

    return NGX_OK;
}


static ngx_int_t
ngx_http_paytrade_call_tie(ngx_http_paytrade_call_t *call)
{
    ngx_http_request_t  *r;

    if (call->max_args == 0) {
        return NGX_ERROR;
    }

    r = call->r;

    call->cleanup = ngx_http_cleanup_add(r, 0);
    if (call->cleanup == NULL) {
        return NGX_ERROR;
    }

    call->cleanup->handler = ngx_http_paytrade_call_cleanup;
    call->cleanup->data = call;

    return ngx_http_paytrade_watch(r);
}


ngx_int_t
ngx_http_paytrade_watch(ngx_http_request_t *r)
{
    ngx_event_t  *rev;

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

#if (NGX_HTTP_V2)
    if (r->stream) {
        return NGX_OK;
    }
#endif

    rev = r->connection->read;

    if (rev->ready) {
        ngx_post_event(rev, &ngx_posted_events);
        return NGX_OK;
    }

    return ngx_handle_read_event(rev, 0);
}


static void
ngx_http_paytrade_call_cleanup(void *data)
{
    ngx_http_paytrade_call_t *call = data;

    if (!call->r->header_sent) {
        ngx_http_paytrade_count(call->worker->conf->shm_zone,
                                NGX_HTTP_PAYTRADE_CLIENTS_GONE, 1);
    }

    call->r = NULL;
    call->cleanup = NULL;
}


static void
ngx_http_paytrade_call_redis_done(ngx_paytrade_redis_op_t *op,
    ngx_paytrade_redis_outcome_e outcome, pt_slice_t reply)
{
    ngx_http_request_t        *r;
    ngx_http_paytrade_ctx_t   *ctx;
    ngx_http_paytrade_call_t  *call;

    call = op->data;
    r = call->r;

    call->outcome = outcome;
    call->pg_outcome = NGX_PAYTRADE_PG_OK;
    call->reply = reply;

    ctx = r ? ngx_http_get_module_ctx(r, ngx_http_paytrade_module) : NULL;

    if (ctx) {

        /* calls of one request may overlap */

        if (!ctx->has_redis_time) {
            ctx->redis_started = op->started;
            ctx->has_redis_time = 1;
        }

        ctx->redis_time = ngx_current_msec - ctx->redis_started;
    }

    ngx_http_paytrade_call_done(call);
}


static void
ngx_http_paytrade_call_pg_done(ngx_paytrade_pg_exchange_t *exchange,
    ngx_paytrade_pg_outcome_e outcome)
{
    ngx_http_paytrade_call_t  *call;

    call = exchange->data;

    call->pg_outcome = outcome;
    call->outcome = NGX_PAYTRADE_REDIS_OK;
    call->reply = pt_slice_null;

    ngx_http_paytrade_call_done(call);
}


static void
ngx_http_paytrade_call_done(ngx_http_paytrade_call_t *call)
{
    ngx_http_request_t  *r;

    r = call->r;

    if (r) {
        call->cleanup->handler = NULL;
        call->cleanup = NULL;
        call->r = NULL;

        ngx_http_set_log_request(r->connection->log, r);

        /* an internal redirect has taken the context of a late answer */

        if (ngx_http_get_module_ctx(r, ngx_http_paytrade_module)
            == call->ctx)
        {
            call->handler(r, call);
        }
    }

    ngx_http_paytrade_call_free(call);
}


static void
ngx_http_paytrade_call_free(ngx_http_paytrade_call_t *call)
{
    u_char                      *block;
    ngx_http_paytrade_worker_t  *worker;

    worker = call->worker;

    if (call->cleanup) {
        call->cleanup->handler = NULL;
        call->cleanup = NULL;
    }

    if (call->argv != call->args) {
        ngx_free(call->argv);
        call->argv = call->args;
    }

    while (call->extra) {
        block = call->extra;
        ngx_memcpy(&call->extra, block, sizeof(u_char *));
        ngx_free(block);
    }

    call->r = NULL;
    call->next = worker->free_calls;
    worker->free_calls = call;
}


/* When the worker leaves: all calls have been completed, and are free. */
void
ngx_http_paytrade_calls_free(ngx_http_paytrade_worker_t *worker)
{
    ngx_http_paytrade_call_t  *call;

    while (worker->free_calls) {
        call = worker->free_calls;
        worker->free_calls = call->next;
        ngx_free(call);
        worker->ncalls--;
    }
}
