/*
 * paytrade_admin: dead letters, shown and written again.
 */

#include "ngx_http_paytrade_admin.h"
#include "ngx_paytrade_pg_queries.h"


#define NGX_HTTP_PAYTRADE_LETTERS_MAX      1000
#define NGX_HTTP_PAYTRADE_LETTERS_DEFAULT  100


/*
 * What ctx->data of a replay points to: the letter is read, its operation is
 * written by a writer made for it, the letter is marked.
 */
typedef struct {
    void                      *data;       /* an event's data begins so */
    void                      *read;
    void                      *write;
    ngx_socket_t               fd;
    ngx_http_request_t        *request;
    pt_slice_t                 id;
    pt_op_t                    op;
    ngx_uint_t                 partition;
    ngx_event_t                deadline;
    ngx_paytrade_pg_writer_t  *writer;
} ngx_http_paytrade_replay_t;


static ngx_int_t ngx_http_paytrade_letters_list(ngx_http_request_t *r);
static ngx_int_t ngx_http_paytrade_letters_arg(ngx_http_request_t *r,
    const char *name, int64_t min, int64_t max, int64_t *value);
static void ngx_http_paytrade_letters_listed(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static void ngx_http_paytrade_letter_json(pt_out_t *out, PGresult *res,
    int row);
static pt_slice_t ngx_http_paytrade_column(PGresult *res, int row,
    int column);

static ngx_int_t ngx_http_paytrade_replay_ask(ngx_http_request_t *r,
    pt_slice_t path);
static void ngx_http_paytrade_replay_asked(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static ngx_int_t ngx_http_paytrade_replay_read(ngx_http_request_t *r,
    ngx_http_paytrade_replay_t *replay, PGresult *res);
static ngx_int_t ngx_http_paytrade_replay_copy(ngx_http_request_t *r,
    pt_slice_t text, ngx_uint_t hex, pt_slice_t *copy);
static ngx_int_t ngx_http_paytrade_replay_write(ngx_http_request_t *r,
    ngx_http_paytrade_replay_t *replay);
static void ngx_http_paytrade_replay_written(void *data, int64_t epoch,
    ngx_uint_t dead);
static ngx_int_t ngx_http_paytrade_replay_mark(ngx_http_request_t *r,
    ngx_http_paytrade_replay_t *replay);
static void ngx_http_paytrade_replay_marked(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static void ngx_http_paytrade_replay_late(ngx_event_t *ev);
static void ngx_http_paytrade_replay_end(void *data);


ngx_int_t
ngx_http_paytrade_letters_handler(ngx_http_request_t *r, pt_slice_t path)
{
    ngx_int_t  rc;

    if (path.data == NULL) {
        if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
            return ngx_http_paytrade_bad_method(r, "GET, HEAD");
        }

    } else if (r->method != NGX_HTTP_POST) {
        return ngx_http_paytrade_bad_method(r, "POST");
    }

    rc = ngx_http_paytrade_no_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = path.data ? ngx_http_paytrade_replay_ask(r, path)
                   : ngx_http_paytrade_letters_list(r);

    return ngx_http_paytrade_wait(r, rc);
}


static ngx_int_t
ngx_http_paytrade_letters_list(ngx_http_request_t *r)
{
    int64_t                    after, limit;
    ngx_int_t                  rc;
    ngx_http_paytrade_call_t  *call;

    after = 0;
    limit = NGX_HTTP_PAYTRADE_LETTERS_DEFAULT;

    if (ngx_http_paytrade_letters_arg(r, "after", 0, INT64_MAX, &after)
        != NGX_OK
        || ngx_http_paytrade_letters_arg(r, "limit", 1,
                                         NGX_HTTP_PAYTRADE_LETTERS_MAX, &limit)
           != NGX_OK)
    {
        return ngx_http_paytrade_reply_problem(r, PT_BAD_REQUEST,
                             "\"after\" is a dead letter's id, \"limit\" 1 "
                             "to 1000");
    }

    call = ngx_http_paytrade_call_get(r);
    if (call == NULL) {
        return ngx_http_paytrade_started(r, NGX_DECLINED);
    }

    ngx_http_paytrade_call_int(call, after);
    ngx_http_paytrade_call_int(call, limit);

    rc = ngx_http_paytrade_call_pg(call, ngx_paytrade_pg_dead_letters,
                                   ngx_http_paytrade_letters_listed);

    return ngx_http_paytrade_started(r, rc);
}


static ngx_int_t
ngx_http_paytrade_letters_arg(ngx_http_request_t *r, const char *name,
    int64_t min, int64_t max, int64_t *value)
{
    ngx_int_t   rc;
    pt_slice_t  text;

    rc = ngx_http_paytrade_arg(r, name, &text);

    if (rc == NGX_DECLINED) {
        return NGX_OK;
    }

    if (rc != NGX_OK || pt_slice_uint(text, max, value) != 0 || *value < min) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_paytrade_letters_listed(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    int        i, n;
    PGresult  *res;
    pt_out_t   out;
    ngx_int_t  rc;

    if (call->pg_outcome != NGX_PAYTRADE_PG_OK) {
        rc = ngx_http_paytrade_reply_failure(r, call);

    } else {
        res = call->exchange.results[0];
        n = PQntuples(res);

        ngx_http_paytrade_out_init(&out, r, 64 + 512 * n);

        pt_out_str(&out, "{\"dead_letters\":[");

        for (i = 0; i < n; i++) {
            if (i) {
                pt_out_char(&out, ',');
            }

            ngx_http_paytrade_letter_json(&out, res, i);
        }

        pt_out_str(&out, "]}");

        rc = ngx_http_paytrade_reply_json(r, NGX_HTTP_OK, "ok", &out);
    }

    ngx_http_paytrade_finish(r, rc);
}


/* id partition kind payload reason sqlstate created_at replayed_at */
static void
ngx_http_paytrade_letter_json(pt_out_t *out, PGresult *res, int row)
{
    int64_t     ms;
    pt_slice_t  replayed;

    pt_out_str(out, "{\"id\":");
    pt_out_json(out, ngx_http_paytrade_column(res, row, 0));
    pt_out_str(out, ",\"partition\":");
    pt_out_put(out, ngx_http_paytrade_column(res, row, 1));
    pt_out_str(out, ",\"kind\":");
    pt_out_json(out, ngx_http_paytrade_column(res, row, 2));
    pt_out_str(out, ",\"payload\":");
    pt_out_json(out, ngx_http_paytrade_column(res, row, 3));
    pt_out_str(out, ",\"reason\":");
    pt_out_json(out, ngx_http_paytrade_column(res, row, 4));
    pt_out_str(out, ",\"sqlstate\":");
    pt_out_json(out, ngx_http_paytrade_column(res, row, 5));

    pt_out_str(out, ",\"created_at\":\"");

    if (pt_slice_uint(ngx_http_paytrade_column(res, row, 6), PT_TIME_MAX_MS,
                      &ms)
        == 0)
    {
        pt_out_time(out, ms);
    }

    pt_out_str(out, "\",\"replayed_at\":");

    replayed = ngx_http_paytrade_column(res, row, 7);

    if (pt_slice_uint(replayed, PT_TIME_MAX_MS, &ms) == 0) {
        pt_out_char(out, '"');
        pt_out_time(out, ms);
        pt_out_str(out, "\"}");

    } else {
        pt_out_str(out, "null}");
    }
}


static pt_slice_t
ngx_http_paytrade_column(PGresult *res, int row, int column)
{
    return pt_slice(PQgetvalue(res, row, column),
                    PQgetlength(res, row, column));
}


static ngx_int_t
ngx_http_paytrade_replay_ask(ngx_http_request_t *r, pt_slice_t path)
{
    int64_t                      id;
    ngx_int_t                    rc;
    ngx_pool_cleanup_t          *cln;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_call_t    *call;
    ngx_http_paytrade_replay_t  *replay;

    if (pt_slice_uint(path, INT64_MAX, &id) != 0) {
        return ngx_http_paytrade_reply_problem(r, PT_UNKNOWN_DEAD_LETTER,
                                               "there is no such letter");
    }

    replay = ngx_pcalloc(r->pool, sizeof(ngx_http_paytrade_replay_t));
    cln = ngx_pool_cleanup_add(r->pool, 0);

    if (replay == NULL || cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_paytrade_replay_end;
    cln->data = replay;

    replay->fd = (ngx_socket_t) -1;
    replay->request = r;
    replay->id = path;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    ctx->data = replay;

    call = ngx_http_paytrade_call_get(r);
    if (call == NULL) {
        return ngx_http_paytrade_started(r, NGX_DECLINED);
    }

    ngx_http_paytrade_call_arg(call, path);

    rc = ngx_http_paytrade_call_pg(call, ngx_paytrade_pg_dead_letter,
                                   ngx_http_paytrade_replay_asked);

    return ngx_http_paytrade_started(r, rc);
}


static void
ngx_http_paytrade_replay_asked(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    ngx_int_t                    rc;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_replay_t  *replay;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    replay = ctx->data;

    if (call->pg_outcome != NGX_PAYTRADE_PG_OK) {
        rc = ngx_http_paytrade_reply_failure(r, call);

    } else if (PQntuples(call->exchange.results[0]) == 0) {
        rc = ngx_http_paytrade_reply_problem(r, PT_UNKNOWN_DEAD_LETTER,
                                             "there is no such letter");

    } else if (ngx_http_paytrade_replay_read(r, replay,
                                             call->exchange.results[0])
               != NGX_OK)
    {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;

    } else if (replay->op.type == PT_OP_MALFORMED) {
        rc = ngx_http_paytrade_reply_problem(r, PT_STILL_POISON,
                         "the operation cannot be read; correct the row of "
                         "paytrade.dead_letter, or write it by hand");

    } else {
        rc = ngx_http_paytrade_replay_write(r, replay);
    }

    ngx_http_paytrade_wait_call(r, rc);
}


/* partition kind payload entry_id, which die with the call's handler */
static ngx_int_t
ngx_http_paytrade_replay_read(ngx_http_request_t *r,
    ngx_http_paytrade_replay_t *replay, PGresult *res)
{
    int64_t     partition;
    pt_slice_t  kind, row, entry;

    if (pt_slice_uint(ngx_http_paytrade_column(res, 0, 0),
                      PT_PARTITIONS_MAX - 1, &partition)
        != 0
        || ngx_http_paytrade_replay_copy(r,
                     ngx_http_paytrade_column(res, 0, 1), 0, &kind) != NGX_OK
        || ngx_http_paytrade_replay_copy(r,
                     ngx_http_paytrade_column(res, 0, 2), 1, &row) != NGX_OK
        || ngx_http_paytrade_replay_copy(r,
                     ngx_http_paytrade_column(res, 0, 3), 0, &entry) != NGX_OK)
    {
        return NGX_ERROR;
    }

    replay->partition = partition;

    pt_op_parse(&replay->op, kind, row, entry);

    return NGX_OK;
}


static ngx_int_t
ngx_http_paytrade_replay_copy(ngx_http_request_t *r, pt_slice_t text,
    ngx_uint_t hex, pt_slice_t *copy)
{
    size_t     i, len;
    u_char    *p;
    ngx_int_t  byte;

    len = hex ? text.len / 2 : text.len;

    p = ngx_pnalloc(r->pool, len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *copy = pt_slice(p, len);

    if (!hex) {
        ngx_memcpy(p, text.data, len);
        return NGX_OK;
    }

    for (i = 0; i < len; i++) {
        byte = ngx_hextoi((u_char *) text.data + 2 * i, 2);
        if (byte == NGX_ERROR) {
            return NGX_ERROR;
        }

        p[i] = (u_char) byte;
    }

    return NGX_OK;
}


/*
 * The writer tries for as long as it takes, an operator does not wait so long:
 * at the deadline, or when the client leaves, it is given up.  Whether it had
 * written does not matter, for writing twice is writing once.
 */
static ngx_int_t
ngx_http_paytrade_replay_write(ngx_http_request_t *r,
    ngx_http_paytrade_replay_t *replay)
{
    ngx_http_paytrade_ctx_t        *ctx;
    ngx_http_paytrade_main_conf_t  *mcf;
    ngx_paytrade_pg_writer_conf_t   conf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    mcf = ctx->worker->conf;

    ngx_memzero(&conf, sizeof(ngx_paytrade_pg_writer_conf_t));

    conf.pg = ctx->worker->pg;
    conf.currency = mcf->currency;
    conf.backoff_max = 1000;
    conf.log = ctx->worker->log;

    replay->writer = ngx_paytrade_pg_writer_create(&conf);
    if (replay->writer == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    replay->deadline.handler = ngx_http_paytrade_replay_late;
    replay->deadline.data = replay;
    replay->deadline.log = r->connection->log;

    ngx_add_timer(&replay->deadline, mcf->pg_timeout);

    if (ngx_http_paytrade_watch(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_paytrade_pg_writer_write(replay->writer, replay->partition,
                                 pt_slice_null, &replay->op, 1,
                                 ngx_http_paytrade_replay_written, replay);

    return NGX_HTTP_PAYTRADE_WAITS;
}


static void
ngx_http_paytrade_replay_written(void *data, int64_t epoch, ngx_uint_t dead)
{
    ngx_http_paytrade_replay_t *replay = data;

    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = replay->request;

    ngx_http_set_log_request(r->connection->log, r);

    ngx_del_timer(&replay->deadline);

    if (dead) {
        rc = ngx_http_paytrade_reply_problem(r, PT_STILL_POISON,
                             "PostgreSQL refuses the operation as before");

    } else {
        rc = ngx_http_paytrade_replay_mark(r, replay);
    }

    ngx_http_paytrade_wait_call(r, rc);
}


static ngx_int_t
ngx_http_paytrade_replay_mark(ngx_http_request_t *r,
    ngx_http_paytrade_replay_t *replay)
{
    ngx_int_t                  rc;
    ngx_http_paytrade_call_t  *call;

    call = ngx_http_paytrade_call_get(r);
    if (call == NULL) {
        return ngx_http_paytrade_started(r, NGX_DECLINED);
    }

    ngx_http_paytrade_call_arg(call, replay->id);

    rc = ngx_http_paytrade_call_pg(call, ngx_paytrade_pg_dead_letter_done,
                                   ngx_http_paytrade_replay_marked);

    return ngx_http_paytrade_started(r, rc);
}


static void
ngx_http_paytrade_replay_marked(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    pt_out_t                     out;
    ngx_int_t                    rc;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_replay_t  *replay;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    replay = ctx->data;

    if (call->pg_outcome != NGX_PAYTRADE_PG_OK) {
        rc = ngx_http_paytrade_reply_failure(r, call);

    } else {
        ngx_http_paytrade_out_init(&out, r, 64);

        pt_out_str(&out, "{\"id\":");
        pt_out_json(&out, replay->id);
        pt_out_str(&out, ",\"replayed\":true}");

        rc = ngx_http_paytrade_reply_json(r, NGX_HTTP_OK, "replayed", &out);
    }

    ngx_http_paytrade_finish(r, rc);
}


static void
ngx_http_paytrade_replay_late(ngx_event_t *ev)
{
    ngx_http_paytrade_replay_t *replay = ev->data;

    ngx_http_request_t  *r;

    r = replay->request;

    ngx_http_set_log_request(r->connection->log, r);

    ngx_http_paytrade_replay_end(replay);

    ngx_http_paytrade_finish(r,
        ngx_http_paytrade_reply_problem(r, PT_UNAVAILABLE,
                             "the database did not answer; ask again"));
}


static void
ngx_http_paytrade_replay_end(void *data)
{
    ngx_http_paytrade_replay_t *replay = data;

    if (replay->deadline.timer_set) {
        ngx_del_timer(&replay->deadline);
    }

    if (replay->writer) {
        ngx_paytrade_pg_writer_destroy(replay->writer);
        replay->writer = NULL;
    }
}
