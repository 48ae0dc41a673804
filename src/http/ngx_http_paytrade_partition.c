/*
 * A partition as a worker sees it: may it sell, is Redis what PostgreSQL knows?
 *
 * After each connect, and whenever a script refuses, the worker compares what
 * Redis holds with what PostgreSQL has seen of it.  Only when nothing is lost
 * do operations go; a Redis that lost changes is rebuilt by the partition's
 * owner, and everybody else waits for that.
 *
 *     UNKNOWN -> CHECKING -> OPEN
 *                CHECKING -> LOST -> CHECKING
 */

#include "ngx_http_paytrade.h"
#include "ngx_paytrade_pg_queries.h"


#define NGX_HTTP_PAYTRADE_RETRY  100


static ngx_int_t ngx_http_paytrade_ask(ngx_http_paytrade_partition_t *part,
    ngx_paytrade_redis_cmd_pt handler, ngx_uint_t argc, pt_slice_t *argv);
static void ngx_http_paytrade_state_answer(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply);
static void ngx_http_paytrade_ask_postgres(
    ngx_http_paytrade_partition_t *part);
static void ngx_http_paytrade_postgres_answer(
    ngx_paytrade_pg_exchange_t *exchange, ngx_paytrade_pg_outcome_e outcome);
static ngx_uint_t ngx_http_paytrade_is_lost(
    ngx_http_paytrade_partition_t *part, PGresult *res);
static void ngx_http_paytrade_adopt(ngx_http_paytrade_partition_t *part,
    ngx_uint_t fresh);
static void ngx_http_paytrade_adopt_answer(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply);
static void ngx_http_paytrade_stop_selling(
    ngx_http_paytrade_partition_t *part);
static void ngx_http_paytrade_stop_answer(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply);
static void ngx_http_paytrade_open(ngx_http_paytrade_partition_t *part);
static void ngx_http_paytrade_lost(ngx_http_paytrade_partition_t *part);
static void ngx_http_paytrade_later(ngx_http_paytrade_partition_t *part,
    const char *reason);
static void ngx_http_paytrade_retry_handler(ngx_event_t *ev);
static void ngx_http_paytrade_set_state(ngx_http_paytrade_partition_t *part,
    ngx_http_paytrade_partition_state_e state);


void
ngx_http_paytrade_partition_init(ngx_http_paytrade_partition_t *part)
{
    u_char                      *p;
    ngx_http_paytrade_worker_t  *worker;

    worker = part->worker;

    p = ngx_sprintf((u_char *) part->number_text, "%ui", part->number);
    *p = '\0';

    part->retry.handler = ngx_http_paytrade_retry_handler;
    part->retry.data = part;
    part->retry.log = worker->log;
    part->retry.cancelable = 1;

    ngx_http_paytrade_sweep_init(part);
    ngx_http_paytrade_trim_init(part);
}


void
ngx_http_paytrade_partition_connected(ngx_http_paytrade_partition_t *part,
    ngx_uint_t ready)
{
    /* what was asked before says nothing of the server of now */

    part->connects++;

    if (!ready) {
        ngx_http_paytrade_set_state(part, NGX_HTTP_PAYTRADE_UNKNOWN);
        return;
    }

    ngx_http_paytrade_partition_recheck(part);
}


void
ngx_http_paytrade_partition_recheck(ngx_http_paytrade_partition_t *part)
{
    pt_slice_t  argv[1];

    if (part->busy || part->rebuild) {
        return;
    }

    if (part->retry.timer_set) {
        ngx_del_timer(&part->retry);
    }

    if (part->state != NGX_HTTP_PAYTRADE_LOST) {
        ngx_http_paytrade_set_state(part, NGX_HTTP_PAYTRADE_CHECKING);
    }

    if (part->rebuild_wanted) {
        ngx_http_paytrade_stop_selling(part);
        return;
    }

    argv[0] = pt_slice_lit("state");

    if (ngx_http_paytrade_ask(part, ngx_http_paytrade_state_answer, 1, argv)
        != NGX_OK)
    {
        ngx_http_paytrade_later(part, NULL);
    }
}


static ngx_int_t
ngx_http_paytrade_ask(ngx_http_paytrade_partition_t *part,
    ngx_paytrade_redis_cmd_pt handler, ngx_uint_t argc, pt_slice_t *argv)
{
    ngx_int_t  rc;

    part->cmd.handler = handler;
    part->cmd.data = part;

    rc = ngx_paytrade_redis_script(part->worker->redis, &part->cmd,
                                   NGX_PAYTRADE_SCRIPT_RESTORE, part->number,
                                   1, argc, argv);
    if (rc == NGX_OK) {
        part->busy = 1;
    }

    return rc;
}


static void
ngx_http_paytrade_state_answer(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply)
{
    ngx_http_paytrade_found_t       found;
    ngx_http_paytrade_partition_t  *part;

    part = cmd->data;
    part->busy = 0;

    if (outcome != NGX_PAYTRADE_REDIS_OK) {
        ngx_http_paytrade_later(part,
                                ngx_paytrade_redis_outcome_word(outcome));
        return;
    }

    if (ngx_http_paytrade_read_state(part, reply, &found) != NGX_OK) {
        ngx_http_paytrade_later(part, "its state cannot be read");
        return;
    }

    if (found.partitions && found.partitions != part->worker->conf->partitions)
    {
        if (ngx_http_paytrade_partition_may_tell(part)) {
            ngx_log_error(NGX_LOG_ERR, part->worker->log, 0,
                          "paytrade: Redis was filled with %L partitions but "
                          "paytrade_partitions is %i; nothing is sold until "
                          "they are the same", found.partitions,
                          part->worker->conf->partitions);
        }

        ngx_http_paytrade_later(part, NULL);
        return;
    }

    part->redis_epoch = found.epoch;

    if ((found.epoch || found.fresh)
        && pt_slice_eq(found.run,
                       ngx_paytrade_redis_run_id(part->worker->redis)))
    {
        ngx_http_paytrade_open(part);
        return;
    }

    /*
     * Only the owner decides, and only when PostgreSQL has got all that was
     * read from the server before: a batch that is still under way would not
     * be in the answer.
     */

    if (!part->owned || ngx_exiting || part->pump.writing) {
        ngx_http_paytrade_later(part, NULL);
        return;
    }

    ngx_http_paytrade_ask_postgres(part);
}


static void
ngx_http_paytrade_ask_postgres(ngx_http_paytrade_partition_t *part)
{
    ngx_memzero(&part->exchange, sizeof(ngx_paytrade_pg_exchange_t));

    part->params[0] = part->number_text;

    part->statement.sql = ngx_paytrade_pg_progress;
    part->statement.nparams = 1;
    part->statement.params = part->params;

    part->exchange.statements = &part->statement;
    part->exchange.nstatements = 1;
    part->exchange.handler = ngx_http_paytrade_postgres_answer;
    part->exchange.data = part;
    part->exchange.read_only = 1;

    part->asked_on = part->connects;
    part->busy = 1;

    ngx_paytrade_pg_submit(part->worker->pg, &part->exchange);
}


static void
ngx_http_paytrade_postgres_answer(ngx_paytrade_pg_exchange_t *exchange,
    ngx_paytrade_pg_outcome_e outcome)
{
    PGresult                       *res;
    ngx_uint_t                      known;
    ngx_http_paytrade_partition_t  *part;

    part = exchange->data;
    part->busy = 0;

    if (part->asked_on != part->connects) {
        ngx_http_paytrade_later(part, NULL);
        return;
    }

    if (outcome != NGX_PAYTRADE_PG_OK) {
        ngx_http_paytrade_later(part, "PostgreSQL has to be asked whether "
                                      "Redis lost changes, and is away");
        return;
    }

    res = exchange->results[0];

    if (PQntuples(res) != 1) {
        ngx_http_paytrade_later(part, "PostgreSQL does not know its progress");
        return;
    }

    known = (PQgetvalue(res, 0, 2)[0] == 't');

    if (part->redis_epoch == 0 && !known) {
        ngx_http_paytrade_adopt(part, 1);
        return;
    }

    if (part->redis_epoch == 0 || ngx_http_paytrade_is_lost(part, res)) {
        ngx_http_paytrade_lost(part);
        return;
    }

    ngx_http_paytrade_adopt(part, 0);
}


/* Has PostgreSQL seen more of this partition than Redis remembers? */
static ngx_uint_t
ngx_http_paytrade_is_lost(ngx_http_paytrade_partition_t *part, PGresult *res)
{
    int64_t     epoch, ms, seq;
    pt_slice_t  last, id[2];

    if (PQgetisnull(res, 0, 0)
        || pt_slice_uint(pt_slice(PQgetvalue(res, 0, 0),
                                  PQgetlength(res, 0, 0)),
                         INT64_MAX, &epoch) != 0)
    {
        return 0;
    }

    if (epoch > part->redis_epoch) {
        return 1;
    }

    last = pt_slice(PQgetvalue(res, 0, 1), PQgetlength(res, 0, 1));

    if (pt_slice_split(last, '-', id, 2) != 2
        || pt_slice_uint(id[0], INT64_MAX, &ms) != 0
        || pt_slice_uint(id[1], INT64_MAX, &seq) != 0)
    {
        return 0;
    }

    return ms > part->redis_last_ms
           || (ms == part->redis_last_ms && seq > part->redis_last_seq);
}


/* Nothing is lost: this run of the server may sell. */
static void
ngx_http_paytrade_adopt(ngx_http_paytrade_partition_t *part, ngx_uint_t fresh)
{
    u_char      text[NGX_INT_T_LEN];
    pt_slice_t  argv[3];

    argv[0] = pt_slice_lit("adopt");
    argv[1] = pt_slice(text, ngx_sprintf(text, "%i",
                                   part->worker->conf->partitions) - text);
    argv[2] = fresh ? pt_slice_lit("1") : pt_slice_lit("0");

    if (ngx_http_paytrade_ask(part, ngx_http_paytrade_adopt_answer, 3, argv)
        != NGX_OK)
    {
        ngx_http_paytrade_later(part, NULL);
    }
}


static void
ngx_http_paytrade_adopt_answer(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply)
{
    ngx_http_paytrade_partition_t  *part;

    part = cmd->data;
    part->busy = 0;

    if (outcome != NGX_PAYTRADE_REDIS_OK) {
        ngx_http_paytrade_later(part,
                                ngx_paytrade_redis_outcome_word(outcome));
        return;
    }

    /* what it became is read, not assumed */

    ngx_http_paytrade_partition_recheck(part);
}


static void
ngx_http_paytrade_open(ngx_http_paytrade_partition_t *part)
{
    ngx_http_paytrade_set_state(part, NGX_HTTP_PAYTRADE_OPEN);

    ngx_http_paytrade_sweep_start(part);
    ngx_http_paytrade_trim_start(part);
}


static void
ngx_http_paytrade_lost(ngx_http_paytrade_partition_t *part)
{
    ngx_http_paytrade_counters_t  *counters;

    if (part->state != NGX_HTTP_PAYTRADE_LOST) {
        ngx_log_error(NGX_LOG_ERR, part->worker->log, 0,
                      "paytrade: partition %ui in Redis is not what "
                      "PostgreSQL knows of it; nothing is sold until it is "
                      "rebuilt", part->number);
    }

    /* a filter that is being filled from it would be taken for complete */

    counters = ngx_http_paytrade_counters(part->worker->conf->shm_zone);
    counters->recalled[part->number] = 0;

    ngx_http_paytrade_set_state(part, NGX_HTTP_PAYTRADE_LOST);
    ngx_http_paytrade_rebuild_start(part);
}


ngx_uint_t
ngx_http_paytrade_partition_is_lost(ngx_http_paytrade_worker_t *worker,
    ngx_uint_t partition)
{
    ngx_http_paytrade_counters_t  *counters;

    counters = ngx_http_paytrade_counters(worker->conf->shm_zone);

    return counters->state[partition] == NGX_HTTP_PAYTRADE_LOST;
}


void
ngx_http_paytrade_partition_rebuilt(ngx_http_paytrade_partition_t *part,
    ngx_uint_t ok)
{
    if (ok) {
        ngx_http_paytrade_count(part->worker->conf->shm_zone,
                                NGX_HTTP_PAYTRADE_REBUILDS, 1);

        ngx_http_paytrade_zone_forget(part->worker->conf->shm_zone);

        ngx_http_paytrade_partition_recheck(part);
        return;
    }

    ngx_http_paytrade_later(part, NULL);
}


/* Tries the check again; tells why it has to, once a second at most. */
static void
ngx_http_paytrade_later(ngx_http_paytrade_partition_t *part,
    const char *reason)
{
    if (reason && ngx_http_paytrade_partition_may_tell(part)) {
        ngx_log_error(NGX_LOG_ERR, part->worker->log, 0,
                      "paytrade: partition %ui is not served: %s",
                      part->number, reason);
    }

    if (!part->retry.timer_set && !ngx_exiting) {
        ngx_add_timer(&part->retry, NGX_HTTP_PAYTRADE_RETRY);
    }
}


ngx_uint_t
ngx_http_paytrade_partition_may_tell(ngx_http_paytrade_partition_t *part)
{
    if (part->told == ngx_time()) {
        return 0;
    }

    part->told = ngx_time();

    return 1;
}


static void
ngx_http_paytrade_retry_handler(ngx_event_t *ev)
{
    ngx_http_paytrade_partition_t *part = ev->data;

    if (ngx_paytrade_redis_state(part->worker->redis)
        == NGX_PAYTRADE_REDIS_READY)
    {
        ngx_http_paytrade_partition_recheck(part);
    }
}


static void
ngx_http_paytrade_set_state(ngx_http_paytrade_partition_t *part,
    ngx_http_paytrade_partition_state_e state)
{
    ngx_http_paytrade_worker_t    *worker;
    ngx_http_paytrade_counters_t  *counters;

    worker = part->worker;
    part->state = state;

    if (part->owned) {
        counters = ngx_http_paytrade_counters(worker->conf->shm_zone);
        counters->state[part->number] = state;
    }

    /* not yet there when the first connection fails at once */

    if (worker->batcher == NULL) {
        return;
    }

    if (state == NGX_HTTP_PAYTRADE_OPEN) {
        ngx_paytrade_redis_partition_open(worker->batcher, part->number);

    } else {
        ngx_paytrade_redis_partition_hold(worker->batcher, part->number);
    }
}


void
ngx_http_paytrade_partition_stop(ngx_http_paytrade_partition_t *part)
{
    if (part->retry.timer_set) {
        ngx_del_timer(&part->retry);
    }

    ngx_http_paytrade_sweep_stop(part);
    ngx_http_paytrade_trim_stop(part);
    ngx_http_paytrade_recall_stop(part);
    ngx_http_paytrade_rebuild_stop(part);
    ngx_http_paytrade_pump_stop(part);
}


ngx_int_t
ngx_http_paytrade_partition_request_rebuild(ngx_http_paytrade_worker_t *worker,
    ngx_uint_t partition)
{
    ngx_http_paytrade_partition_t  *part;

    if (ngx_paytrade_redis_state(worker->redis) != NGX_PAYTRADE_REDIS_READY) {
        return NGX_DECLINED;
    }

    part = &worker->partitions[partition];

    part->rebuild_wanted = 1;
    ngx_http_paytrade_partition_recheck(part);

    return NGX_OK;
}


/*
 * From then on every script refuses, and the owner finds at its next sweep
 * that it has to rebuild.
 */
static void
ngx_http_paytrade_stop_selling(ngx_http_paytrade_partition_t *part)
{
    pt_slice_t  argv[1];

    argv[0] = pt_slice_lit("stop");

    if (ngx_http_paytrade_ask(part, ngx_http_paytrade_stop_answer, 1, argv)
        != NGX_OK)
    {
        ngx_http_paytrade_later(part, NULL);
    }
}


static void
ngx_http_paytrade_stop_answer(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply)
{
    ngx_http_paytrade_partition_t  *part;

    part = cmd->data;
    part->busy = 0;

    if (outcome != NGX_PAYTRADE_REDIS_OK) {
        ngx_http_paytrade_later(part,
                                ngx_paytrade_redis_outcome_word(outcome));
        return;
    }

    part->rebuild_wanted = 0;

    ngx_http_paytrade_partition_recheck(part);
}
