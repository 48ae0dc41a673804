/*
 * The rebuild: a partition that Redis lost, made again from PostgreSQL.
 *
 * First every script is made to refuse the partition, and the journal, to
 * which nothing can be added any more, is waited for, so that PostgreSQL has
 * all that Redis still knows.  Then PostgreSQL gives the partition a new epoch,
 * what is left of it in Redis is removed, its tables are read page by page and
 * loaded, and the last step lets the workers sell again.  A rebuild that breaks
 * off is begun anew.
 *
 *     STOP... -> EPOCH -> PROGRESS -> CLEAR... -> (PAGE -> LOAD)... -> FINISH
 */

#include "ngx_http_paytrade.h"
#include "ngx_paytrade_pg_queries.h"


#define NGX_HTTP_PAYTRADE_DRAIN_POLL    50

/* A page of a large sale sums up all of its orders. */
#define NGX_HTTP_PAYTRADE_PAGE_TIMEOUT  600000


typedef void (*ngx_http_paytrade_rows_pt)(ngx_http_paytrade_rebuild_t *rb,
    PGresult *res);
typedef void (*ngx_http_paytrade_word_pt)(ngx_http_paytrade_rebuild_t *rb,
    pt_slice_t reply);


/* A table of PostgreSQL, read in pages after the last row's keys. */
typedef struct {
    const char   *kind;        /* what restore.lua calls it */
    const char   *sql;
    int           nkeys;
    const char   *first[2];    /* keys before the first row */
    unsigned      retention;   /* the query wants it after the keys */
} ngx_http_paytrade_table_t;


struct ngx_http_paytrade_rebuild_s {
    ngx_http_paytrade_partition_t   *part;
    ngx_event_t                      timer;
    ngx_msec_t                       started;
    ngx_paytrade_redis_cmd_t         cmd;
    ngx_http_paytrade_word_pt        word;
    ngx_paytrade_pg_exchange_t       exchange;
    ngx_paytrade_pg_statement_t      statement;
    ngx_http_paytrade_rows_pt        rows;
    const char                      *params[4];
    char                             key[2][PT_KEY_MAX + 1];
    char                             epoch[24];
    char                             last_id[48];
    char                             max_id[24];
    char                             retention[24];
    ngx_uint_t                       table;
    ngx_uint_t                       loaded;
    unsigned                         last_page:1;
    unsigned                         waiting:1;  /* an answer is owed to us */
    unsigned                         stopped:1;
};


static void ngx_http_paytrade_rebuild_stop_selling(ngx_event_t *ev);
static void ngx_http_paytrade_rebuild_stopped(
    ngx_http_paytrade_rebuild_t *rb, pt_slice_t reply);
static void ngx_http_paytrade_rebuild_epoch(ngx_http_paytrade_rebuild_t *rb,
    PGresult *res);
static void ngx_http_paytrade_rebuild_progress(
    ngx_http_paytrade_rebuild_t *rb, PGresult *res);
static void ngx_http_paytrade_rebuild_clear(ngx_http_paytrade_rebuild_t *rb,
    pt_slice_t cursor);
static void ngx_http_paytrade_rebuild_cleared(ngx_http_paytrade_rebuild_t *rb,
    pt_slice_t reply);
static void ngx_http_paytrade_rebuild_table(ngx_http_paytrade_rebuild_t *rb);
static void ngx_http_paytrade_rebuild_ask_page(
    ngx_http_paytrade_rebuild_t *rb);
static void ngx_http_paytrade_rebuild_page(ngx_http_paytrade_rebuild_t *rb,
    PGresult *res);
static void ngx_http_paytrade_rebuild_loaded(ngx_http_paytrade_rebuild_t *rb,
    pt_slice_t reply);
static void ngx_http_paytrade_rebuild_end(ngx_http_paytrade_rebuild_t *rb);
static void ngx_http_paytrade_rebuild_finished(
    ngx_http_paytrade_rebuild_t *rb, pt_slice_t reply);
static void ngx_http_paytrade_rebuild_query(ngx_http_paytrade_rebuild_t *rb,
    const char *sql, int nparams, ngx_http_paytrade_rows_pt rows);
static void ngx_http_paytrade_rebuild_queried(
    ngx_paytrade_pg_exchange_t *exchange, ngx_paytrade_pg_outcome_e outcome);
static void ngx_http_paytrade_rebuild_tell(ngx_http_paytrade_rebuild_t *rb,
    ngx_uint_t argc, pt_slice_t *argv, ngx_http_paytrade_word_pt word);
static void ngx_http_paytrade_rebuild_told(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply);
static void ngx_http_paytrade_rebuild_fail(ngx_http_paytrade_rebuild_t *rb,
    const char *step);
static void ngx_http_paytrade_rebuild_free(ngx_http_paytrade_rebuild_t *rb);
static ngx_int_t ngx_http_paytrade_copy(char *dst, size_t size, PGresult *res,
    int row, int column);


static const ngx_http_paytrade_table_t  ngx_http_paytrade_tables[] = {
    { "items", ngx_paytrade_pg_rebuild_items, 1, { "", NULL }, 0 },
    { "sales", ngx_paytrade_pg_rebuild_sales, 1, { "", NULL }, 0 },
    { "orders", ngx_paytrade_pg_rebuild_orders, 1, { "0", NULL }, 1 },
    { "payments", ngx_paytrade_pg_rebuild_payments, 1, { "0", NULL }, 1 },
    { "refunds", ngx_paytrade_pg_rebuild_refunds, 2, { "0", "" }, 1 },
    { "buyers", ngx_paytrade_pg_rebuild_buyers, 2, { "", "" }, 0 },
    { "admin", ngx_paytrade_pg_rebuild_admin, 1, { "", NULL }, 0 },
    { NULL, NULL, 0, { NULL, NULL }, 0 }
};


void
ngx_http_paytrade_rebuild_start(ngx_http_paytrade_partition_t *part)
{
    ngx_http_paytrade_rebuild_t  *rb;

    rb = ngx_calloc(sizeof(ngx_http_paytrade_rebuild_t), part->worker->log);
    if (rb == NULL) {
        ngx_http_paytrade_partition_rebuilt(part, 0);
        return;
    }

    part->rebuild = rb;

    rb->part = part;
    rb->started = ngx_current_msec;

    ngx_sprintf((u_char *) rb->retention, "%M%Z",
                part->worker->conf->retention);

    rb->timer.handler = ngx_http_paytrade_rebuild_stop_selling;
    rb->timer.data = rb;
    rb->timer.log = part->worker->log;
    rb->timer.cancelable = 1;

    ngx_add_timer(&rb->timer, 1);
}


void
ngx_http_paytrade_rebuild_stop(ngx_http_paytrade_partition_t *part)
{
    ngx_http_paytrade_rebuild_t  *rb;

    rb = part->rebuild;

    if (rb == NULL) {
        return;
    }

    part->rebuild = NULL;
    rb->stopped = 1;

    if (!rb->waiting) {
        ngx_http_paytrade_rebuild_free(rb);
    }
}


static void
ngx_http_paytrade_rebuild_stop_selling(ngx_event_t *ev)
{
    ngx_http_paytrade_rebuild_t *rb = ev->data;

    pt_slice_t  argv[1];

    argv[0] = pt_slice_lit("stop");

    ngx_http_paytrade_rebuild_tell(rb, 1, argv,
                                   ngx_http_paytrade_rebuild_stopped);
}


/* stopped n: entries that are still in the journal */
static void
ngx_http_paytrade_rebuild_stopped(ngx_http_paytrade_rebuild_t *rb,
    pt_slice_t reply)
{
    pt_slice_t                      f[2];
    ngx_http_paytrade_partition_t  *part;

    part = rb->part;

    if (pt_slice_split(reply, '\t', f, 2) != 2
        || !pt_slice_eq(f[0], pt_slice_lit("stopped")))
    {
        ngx_http_paytrade_rebuild_fail(rb, "stop");
        return;
    }

    if (!pt_slice_eq(f[1], pt_slice_lit("0"))) {

        if (ngx_http_paytrade_partition_may_tell(part)) {
            ngx_log_error(NGX_LOG_NOTICE, part->worker->log, 0,
                          "paytrade: rebuild of partition %ui waits for %*s "
                          "entries of its journal", part->number,
                          f[1].len, f[1].data);
        }

        ngx_add_timer(&rb->timer, NGX_HTTP_PAYTRADE_DRAIN_POLL);
        return;
    }

    ngx_log_error(NGX_LOG_NOTICE, part->worker->log, 0,
                  "paytrade: rebuilding partition %ui from PostgreSQL",
                  part->number);

    rb->params[0] = part->number_text;

    ngx_http_paytrade_rebuild_query(rb, ngx_paytrade_pg_rebuild_begin, 1,
                                    ngx_http_paytrade_rebuild_epoch);
}


static void
ngx_http_paytrade_rebuild_epoch(ngx_http_paytrade_rebuild_t *rb,
    PGresult *res)
{
    if (PQntuples(res) != 1
        || ngx_http_paytrade_copy(rb->epoch, sizeof(rb->epoch), res, 0, 0)
           != NGX_OK)
    {
        ngx_http_paytrade_rebuild_fail(rb, "epoch");
        return;
    }

    ngx_http_paytrade_rebuild_query(rb, ngx_paytrade_pg_progress, 1,
                                    ngx_http_paytrade_rebuild_progress);
}


static void
ngx_http_paytrade_rebuild_progress(ngx_http_paytrade_rebuild_t *rb,
    PGresult *res)
{
    if (PQntuples(res) != 1
        || ngx_http_paytrade_copy(rb->last_id, sizeof(rb->last_id), res, 0, 1)
           != NGX_OK
        || ngx_http_paytrade_copy(rb->max_id, sizeof(rb->max_id), res, 0, 3)
           != NGX_OK)
    {
        ngx_http_paytrade_rebuild_fail(rb, "progress");
        return;
    }

    ngx_http_paytrade_rebuild_clear(rb, pt_slice_lit("0"));
}


static void
ngx_http_paytrade_rebuild_clear(ngx_http_paytrade_rebuild_t *rb,
    pt_slice_t cursor)
{
    pt_slice_t  argv[3];

    argv[0] = pt_slice_lit("clear");
    argv[1] = pt_slice(rb->epoch, ngx_strlen(rb->epoch));
    argv[2] = cursor;

    ngx_http_paytrade_rebuild_tell(rb, 3, argv,
                                   ngx_http_paytrade_rebuild_cleared);
}


static void
ngx_http_paytrade_rebuild_cleared(ngx_http_paytrade_rebuild_t *rb,
    pt_slice_t reply)
{
    pt_slice_t  f[2];

    if (pt_slice_split(reply, '\t', f, 2) != 2
        || !pt_slice_eq(f[0], pt_slice_lit("cleared")))
    {
        ngx_http_paytrade_rebuild_fail(rb, "clear");
        return;
    }

    if (!pt_slice_eq(f[1], pt_slice_lit("0"))) {
        ngx_http_paytrade_rebuild_clear(rb, f[1]);
        return;
    }

    rb->table = 0;
    ngx_http_paytrade_rebuild_table(rb);
}


static void
ngx_http_paytrade_rebuild_table(ngx_http_paytrade_rebuild_t *rb)
{
    int                               i;
    const ngx_http_paytrade_table_t  *table;

    table = &ngx_http_paytrade_tables[rb->table];

    if (table->kind == NULL) {
        ngx_http_paytrade_rebuild_end(rb);
        return;
    }

    for (i = 0; i < table->nkeys; i++) {
        (void) ngx_cpystrn((u_char *) rb->key[i], (u_char *) table->first[i],
                           sizeof(rb->key[i]));
    }

    ngx_http_paytrade_rebuild_ask_page(rb);
}


static void
ngx_http_paytrade_rebuild_ask_page(ngx_http_paytrade_rebuild_t *rb)
{
    int                               i, n;
    const ngx_http_paytrade_table_t  *table;

    table = &ngx_http_paytrade_tables[rb->table];

    n = 1;

    for (i = 0; i < table->nkeys; i++) {
        rb->params[n++] = rb->key[i];
    }

    if (table->retention) {
        rb->params[n++] = rb->retention;
    }

    ngx_http_paytrade_rebuild_query(rb, table->sql, n,
                                    ngx_http_paytrade_rebuild_page);
}


/* Columns: the row as restore.lua wants it, and its keys. */
static void
ngx_http_paytrade_rebuild_page(ngx_http_paytrade_rebuild_t *rb, PGresult *res)
{
    int                               i, n;
    pt_slice_t                        argv[NGX_PAYTRADE_PG_PAGE + 2];
    const ngx_http_paytrade_table_t  *table;

    table = &ngx_http_paytrade_tables[rb->table];

    n = PQntuples(res);

    if (n == 0) {
        rb->table++;
        ngx_http_paytrade_rebuild_table(rb);
        return;
    }

    if (n > NGX_PAYTRADE_PG_PAGE) {
        ngx_http_paytrade_rebuild_fail(rb, "page");
        return;
    }

    argv[0] = pt_slice(table->kind, ngx_strlen(table->kind));
    argv[1] = pt_slice(rb->epoch, ngx_strlen(rb->epoch));

    for (i = 0; i < n; i++) {
        argv[2 + i] = pt_slice(PQgetvalue(res, i, 0), PQgetlength(res, i, 0));
    }

    for (i = 0; i < table->nkeys; i++) {
        if (ngx_http_paytrade_copy(rb->key[i], sizeof(rb->key[i]), res, n - 1,
                                   1 + i)
            != NGX_OK)
        {
            ngx_http_paytrade_rebuild_fail(rb, "key");
            return;
        }
    }

    rb->last_page = (n < NGX_PAYTRADE_PG_PAGE);
    rb->loaded += n;

    ngx_http_paytrade_rebuild_tell(rb, 2 + n, argv,
                                   ngx_http_paytrade_rebuild_loaded);
}


static void
ngx_http_paytrade_rebuild_loaded(ngx_http_paytrade_rebuild_t *rb,
    pt_slice_t reply)
{
    pt_slice_t  f[2];

    if (pt_slice_split(reply, '\t', f, 2) != 2
        || !pt_slice_eq(f[0], pt_slice_lit("loaded")))
    {
        ngx_http_paytrade_rebuild_fail(rb, "load");
        return;
    }

    if (rb->last_page) {
        rb->table++;
        ngx_http_paytrade_rebuild_table(rb);
        return;
    }

    ngx_http_paytrade_rebuild_ask_page(rb);
}


static void
ngx_http_paytrade_rebuild_end(ngx_http_paytrade_rebuild_t *rb)
{
    u_char      text[NGX_INT_T_LEN];
    pt_slice_t  argv[5];

    argv[0] = pt_slice_lit("finish");
    argv[1] = pt_slice(rb->epoch, ngx_strlen(rb->epoch));
    argv[2] = pt_slice(text, ngx_sprintf(text, "%i",
                              rb->part->worker->conf->partitions) - text);
    argv[3] = pt_slice(rb->max_id, ngx_strlen(rb->max_id));
    argv[4] = pt_slice(rb->last_id, ngx_strlen(rb->last_id));

    ngx_http_paytrade_rebuild_tell(rb, 5, argv,
                                   ngx_http_paytrade_rebuild_finished);
}


static void
ngx_http_paytrade_rebuild_finished(ngx_http_paytrade_rebuild_t *rb,
    pt_slice_t reply)
{
    ngx_http_paytrade_partition_t  *part;

    if (!pt_slice_eq(reply, pt_slice_lit("finished"))) {
        ngx_http_paytrade_rebuild_fail(rb, "finish");
        return;
    }

    part = rb->part;

    ngx_log_error(NGX_LOG_NOTICE, part->worker->log, 0,
                  "paytrade: partition %ui is rebuilt: epoch %s, %ui rows in "
                  "%M ms", part->number, rb->epoch, rb->loaded,
                  ngx_current_msec - rb->started);

    part->rebuild = NULL;
    ngx_http_paytrade_rebuild_free(rb);

    ngx_http_paytrade_partition_rebuilt(part, 1);
}


static void
ngx_http_paytrade_rebuild_query(ngx_http_paytrade_rebuild_t *rb,
    const char *sql, int nparams, ngx_http_paytrade_rows_pt rows)
{
    ngx_memzero(&rb->exchange, sizeof(ngx_paytrade_pg_exchange_t));

    rb->rows = rows;

    rb->statement.sql = sql;
    rb->statement.nparams = nparams;
    rb->statement.params = rb->params;

    rb->exchange.statements = &rb->statement;
    rb->exchange.nstatements = 1;
    rb->exchange.handler = ngx_http_paytrade_rebuild_queried;
    rb->exchange.data = rb;

    rb->exchange.timeout = NGX_HTTP_PAYTRADE_PAGE_TIMEOUT;

    rb->waiting = 1;

    /* nothing is left to write, and buyers' look-ups need not wait */

    ngx_paytrade_pg_submit(rb->part->worker->pg_journal, &rb->exchange);
}


static void
ngx_http_paytrade_rebuild_queried(ngx_paytrade_pg_exchange_t *exchange,
    ngx_paytrade_pg_outcome_e outcome)
{
    ngx_http_paytrade_rebuild_t *rb = exchange->data;

    rb->waiting = 0;

    if (rb->stopped) {
        ngx_http_paytrade_rebuild_free(rb);
        return;
    }

    if (outcome != NGX_PAYTRADE_PG_OK) {
        ngx_http_paytrade_rebuild_fail(rb, "PostgreSQL");
        return;
    }

    rb->rows(rb, exchange->results[0]);
}


static void
ngx_http_paytrade_rebuild_tell(ngx_http_paytrade_rebuild_t *rb,
    ngx_uint_t argc, pt_slice_t *argv, ngx_http_paytrade_word_pt word)
{
    ngx_int_t  rc;

    rb->word = word;
    rb->cmd.handler = ngx_http_paytrade_rebuild_told;
    rb->cmd.data = rb;

    rc = ngx_paytrade_redis_script(rb->part->worker->redis, &rb->cmd,
                                   NGX_PAYTRADE_SCRIPT_RESTORE,
                                   rb->part->number, 1, argc, argv);
    if (rc != NGX_OK) {
        ngx_http_paytrade_rebuild_fail(rb, "Redis");
        return;
    }

    rb->waiting = 1;
}


static void
ngx_http_paytrade_rebuild_told(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply)
{
    ngx_http_paytrade_rebuild_t *rb = cmd->data;

    rb->waiting = 0;

    if (rb->stopped) {
        ngx_http_paytrade_rebuild_free(rb);
        return;
    }

    if (outcome != NGX_PAYTRADE_REDIS_OK) {
        ngx_http_paytrade_rebuild_fail(rb,
                                    ngx_paytrade_redis_outcome_word(outcome));
        return;
    }

    rb->word(rb, ngx_http_paytrade_restore_reply(reply));
}


static void
ngx_http_paytrade_rebuild_fail(ngx_http_paytrade_rebuild_t *rb,
    const char *step)
{
    ngx_http_paytrade_partition_t  *part;

    part = rb->part;

    if (ngx_http_paytrade_partition_may_tell(part)) {
        ngx_log_error(NGX_LOG_ERR, part->worker->log, 0,
                      "paytrade: rebuild of partition %ui broke off at "
                      "\"%s\", it begins anew", part->number, step);
    }

    part->rebuild = NULL;
    ngx_http_paytrade_rebuild_free(rb);

    ngx_http_paytrade_partition_rebuilt(part, 0);
}


static void
ngx_http_paytrade_rebuild_free(ngx_http_paytrade_rebuild_t *rb)
{
    if (rb->timer.timer_set) {
        ngx_del_timer(&rb->timer);
    }

    ngx_free(rb);
}


static ngx_int_t
ngx_http_paytrade_copy(char *dst, size_t size, PGresult *res, int row,
    int column)
{
    size_t  len;

    len = PQgetlength(res, row, column);

    if (len >= size) {
        return NGX_ERROR;
    }

    ngx_memcpy(dst, PQgetvalue(res, row, column), len);
    dst[len] = '\0';

    return NGX_OK;
}
