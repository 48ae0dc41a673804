/*
 * The writing end of the journal: one batch, by as many transactions as its
 * content needs, for as long as the server needs.
 *
 * A part of a bisected batch that was committed is not sent again.  The dead
 * letters and the progress come last, so that progress never runs ahead of what
 * is stored.
 */

#include "ngx_paytrade_pg_batch.h"
#include "ngx_paytrade_pg_bisect.h"


#define NGX_PAYTRADE_PG_WRITER_BACKOFF  100
#define NGX_PAYTRADE_PG_WRITER_WHOLE    8


/*
 * IDLE -> WHOLE -> IDLE            all written by one transaction
 *         WHOLE -> LAST -> IDLE    conflicts were found
 *         WHOLE -> PARTS -> LAST   there is poison
 *         PARTS -> WHOLE           everything is poison: wait, begin anew
 */
typedef enum {
    NGX_PAYTRADE_PG_WRITER_IDLE = 0,
    NGX_PAYTRADE_PG_WRITER_WHOLE_BATCH,
    NGX_PAYTRADE_PG_WRITER_PARTS,
    NGX_PAYTRADE_PG_WRITER_LAST
} ngx_paytrade_pg_writer_state_e;


struct ngx_paytrade_pg_writer_s {
    ngx_paytrade_pg_writer_conf_t     conf;
    ngx_paytrade_pg_writer_stats_t    stats;
    ngx_paytrade_pg_writer_state_e    state;

    ngx_paytrade_pg_batch_t           batch;
    ngx_paytrade_pg_exchange_t        exchange;
    ngx_event_t                       timer;
    ngx_uint_t                        failures;
    time_t                            logged[3];

    ngx_uint_t                        partition;
    pt_op_t                          *ops;
    ngx_uint_t                        n;
    ngx_uint_t                        good;      /* first in ops */

    ngx_paytrade_pg_bisect_t          bisect;

    ngx_pool_t                       *pool;      /* of the batch */
    ngx_array_t                      *dead;
    ngx_uint_t                        stored;    /* of dead */
    ngx_uint_t                        poison;    /* of dead */

    ngx_paytrade_pg_written_pt        handler;
    void                             *data;

    unsigned                          flying:1;
    unsigned                          destroyed:1;
};


static void ngx_paytrade_pg_writer_free(ngx_paytrade_pg_writer_t *writer);
static ngx_int_t ngx_paytrade_pg_writer_begin(
    ngx_paytrade_pg_writer_t *writer);
static void ngx_paytrade_pg_writer_step(ngx_paytrade_pg_writer_t *writer);
static void ngx_paytrade_pg_writer_answer(
    ngx_paytrade_pg_exchange_t *exchange, ngx_paytrade_pg_outcome_e outcome);
static ngx_int_t ngx_paytrade_pg_writer_whole(
    ngx_paytrade_pg_writer_t *writer);
static ngx_int_t ngx_paytrade_pg_writer_part(
    ngx_paytrade_pg_writer_t *writer);
static ngx_int_t ngx_paytrade_pg_writer_bad(ngx_paytrade_pg_writer_t *writer);
static ngx_int_t ngx_paytrade_pg_writer_next_part(
    ngx_paytrade_pg_writer_t *writer);
static ngx_int_t ngx_paytrade_pg_writer_conflicts(
    ngx_paytrade_pg_writer_t *writer);
static ngx_int_t ngx_paytrade_pg_writer_set_aside(
    ngx_paytrade_pg_writer_t *writer, pt_op_t *op, const char *reason,
    const char *sqlstate);
static void ngx_paytrade_pg_writer_finish(ngx_paytrade_pg_writer_t *writer,
    int64_t epoch);
static void ngx_paytrade_pg_writer_again(ngx_paytrade_pg_writer_t *writer);
static void ngx_paytrade_pg_writer_timer_handler(ngx_event_t *ev);
static ngx_uint_t ngx_paytrade_pg_writer_may_log(time_t *logged);


static const char  ngx_paytrade_pg_conflict[] = "conflict";
static const char  ngx_paytrade_pg_malformed[] = "malformed";


ngx_paytrade_pg_writer_t *
ngx_paytrade_pg_writer_create(ngx_paytrade_pg_writer_conf_t *conf)
{
    ngx_paytrade_pg_writer_t  *writer;

    writer = ngx_calloc(sizeof(ngx_paytrade_pg_writer_t), conf->log);
    if (writer == NULL) {
        return NULL;
    }

    writer->conf = *conf;

    writer->timer.handler = ngx_paytrade_pg_writer_timer_handler;
    writer->timer.data = writer;
    writer->timer.log = conf->log;
    writer->timer.cancelable = 1;

    writer->exchange.handler = ngx_paytrade_pg_writer_answer;
    writer->exchange.data = writer;

    return writer;
}


void
ngx_paytrade_pg_writer_destroy(ngx_paytrade_pg_writer_t *writer)
{
    if (writer->timer.timer_set) {
        ngx_del_timer(&writer->timer);
    }

    if (writer->flying) {
        writer->destroyed = 1;
        return;
    }

    ngx_paytrade_pg_writer_free(writer);
}


static void
ngx_paytrade_pg_writer_free(ngx_paytrade_pg_writer_t *writer)
{
    if (writer->pool) {
        ngx_destroy_pool(writer->pool);
    }

    ngx_paytrade_pg_batch_free(&writer->batch);
    ngx_free(writer);
}


ngx_paytrade_pg_writer_stats_t *
ngx_paytrade_pg_writer_stats(ngx_paytrade_pg_writer_t *writer)
{
    return &writer->stats;
}


void
ngx_paytrade_pg_writer_write(ngx_paytrade_pg_writer_t *writer,
    ngx_uint_t partition, pt_slice_t last_id, pt_op_t *ops, ngx_uint_t n,
    ngx_paytrade_pg_written_pt handler, void *data)
{
    writer->partition = partition;
    writer->handler = handler;
    writer->data = data;

    writer->ops = ops;
    writer->n = n ? pt_op_fold(ops, n) : 0;

    for (n = 0; n < writer->n && ops[n].type < PT_OP_CONFLICT; n++) {
        /* void */
    }

    writer->good = n;

    ngx_paytrade_pg_batch_init(&writer->batch, partition,
                               &writer->conf.currency, last_id);

    writer->state = NGX_PAYTRADE_PG_WRITER_WHOLE_BATCH;

    ngx_paytrade_pg_writer_step(writer);
}


/* What the fold set aside opens the list of the dead. */

static ngx_int_t
ngx_paytrade_pg_writer_begin(ngx_paytrade_pg_writer_t *writer)
{
    ngx_uint_t   i;
    const char  *reason;

    if (writer->pool) {
        ngx_destroy_pool(writer->pool);
    }

    writer->stored = 0;
    writer->poison = 0;

    writer->pool = ngx_create_pool(1024, writer->conf.log);
    if (writer->pool == NULL) {
        return NGX_ERROR;
    }

    writer->dead = ngx_array_create(writer->pool, 4,
                                    sizeof(ngx_paytrade_pg_dead_t));
    if (writer->dead == NULL) {
        return NGX_ERROR;
    }

    for (i = writer->good; i < writer->n; i++) {
        reason = (writer->ops[i].type == PT_OP_CONFLICT)
                 ? ngx_paytrade_pg_conflict : ngx_paytrade_pg_malformed;

        if (ngx_paytrade_pg_writer_set_aside(writer, &writer->ops[i], reason,
                                             "")
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* Sends the transaction of the state. */

static void
ngx_paytrade_pg_writer_step(ngx_paytrade_pg_writer_t *writer)
{
    ngx_paytrade_pg_dead_t   *dead;
    ngx_paytrade_pg_batch_t  *batch;
    ngx_paytrade_pg_range_t  *range;

    batch = &writer->batch;
    ngx_paytrade_pg_batch_reset(batch);

    if (writer->state == NGX_PAYTRADE_PG_WRITER_PARTS) {
        range = ngx_paytrade_pg_bisect_range(&writer->bisect);
        ngx_paytrade_pg_batch_ops(batch, writer->ops + range->first,
                                  range->n);

    } else {

        if (writer->state == NGX_PAYTRADE_PG_WRITER_WHOLE_BATCH) {

            if (ngx_paytrade_pg_writer_begin(writer) != NGX_OK) {
                ngx_paytrade_pg_writer_again(writer);
                return;
            }

            ngx_paytrade_pg_batch_ops(batch, writer->ops, writer->good);
        }

        dead = writer->dead->elts;
        ngx_paytrade_pg_batch_dead(batch, dead + writer->stored,
                                   writer->dead->nelts - writer->stored);
        ngx_paytrade_pg_batch_progress(batch);
    }

    if (batch->failed) {
        ngx_paytrade_pg_writer_again(writer);
        return;
    }

    writer->exchange.statements = batch->statements;
    writer->exchange.nstatements = batch->nstatements;
    writer->flying = 1;

    ngx_paytrade_pg_submit(writer->conf.pg, &writer->exchange);
}


static void
ngx_paytrade_pg_writer_answer(ngx_paytrade_pg_exchange_t *exchange,
    ngx_paytrade_pg_outcome_e outcome)
{
    int64_t                    epoch;
    ngx_int_t                  rc;
    ngx_paytrade_pg_writer_t  *writer;

    writer = exchange->data;
    writer->flying = 0;

    if (writer->destroyed) {
        ngx_paytrade_pg_writer_free(writer);
        return;
    }

    epoch = 0;

    if (outcome == NGX_PAYTRADE_PG_OK) {
        epoch = ngx_paytrade_pg_batch_epoch(&writer->batch,
                                            exchange->results);
        writer->failures = 0;
        writer->stats.batches++;

        switch (writer->state) {

        case NGX_PAYTRADE_PG_WRITER_WHOLE_BATCH:
            rc = ngx_paytrade_pg_writer_whole(writer);
            break;

        case NGX_PAYTRADE_PG_WRITER_PARTS:
            rc = ngx_paytrade_pg_writer_part(writer);
            break;

        default: /* NGX_PAYTRADE_PG_WRITER_LAST */
            rc = NGX_DONE;
            break;
        }

    } else if (outcome == NGX_PAYTRADE_PG_DATA) {
        rc = ngx_paytrade_pg_writer_bad(writer);

    } else {
        rc = NGX_ERROR;
    }

    switch (rc) {

    case NGX_DONE:
        ngx_paytrade_pg_writer_finish(writer, epoch);
        break;

    case NGX_OK:
        ngx_paytrade_pg_writer_step(writer);
        break;

    default:
        ngx_paytrade_pg_writer_again(writer);
        break;
    }
}


/*
 * The functions of a state say how it goes on: NGX_DONE the batch is written,
 * NGX_OK the next transaction may be sent, NGX_ERROR after some time.
 */

static ngx_int_t
ngx_paytrade_pg_writer_whole(ngx_paytrade_pg_writer_t *writer)
{
    writer->stored = writer->dead->nelts;
    writer->stats.rows += writer->good;

    if (ngx_paytrade_pg_writer_conflicts(writer) != NGX_OK) {
        return NGX_ERROR;
    }

    if (writer->stored == writer->dead->nelts) {
        return NGX_DONE;
    }

    writer->state = NGX_PAYTRADE_PG_WRITER_LAST;

    return NGX_OK;
}


static ngx_int_t
ngx_paytrade_pg_writer_part(ngx_paytrade_pg_writer_t *writer)
{
    writer->stats.rows += ngx_paytrade_pg_bisect_range(&writer->bisect)->n;

    if (ngx_paytrade_pg_writer_conflicts(writer) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_paytrade_pg_bisect_next(&writer->bisect);

    return ngx_paytrade_pg_writer_next_part(writer);
}


/* The data's fault: halves, until it is one operation. */

static ngx_int_t
ngx_paytrade_pg_writer_bad(ngx_paytrade_pg_writer_t *writer)
{
    ngx_uint_t  i;

    if (writer->state == NGX_PAYTRADE_PG_WRITER_WHOLE_BATCH && writer->good) {
        writer->state = NGX_PAYTRADE_PG_WRITER_PARTS;
        ngx_paytrade_pg_bisect_start(&writer->bisect, writer->good);
    }

    if (writer->state != NGX_PAYTRADE_PG_WRITER_PARTS) {

        /* not one of the operations, but what we say of them */

        writer->stats.stalled = 1;

        return NGX_ERROR;
    }

    if (ngx_paytrade_pg_bisect_split(&writer->bisect) == NGX_OK) {
        return NGX_OK;
    }

    i = ngx_paytrade_pg_bisect_range(&writer->bisect)->first;

    if (ngx_paytrade_pg_writer_set_aside(writer, &writer->ops[i],
                                         writer->exchange.message,
                                         writer->exchange.sqlstate)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    writer->poison++;
    ngx_paytrade_pg_bisect_next(&writer->bisect);

    return ngx_paytrade_pg_writer_next_part(writer);

}


static ngx_int_t
ngx_paytrade_pg_writer_next_part(ngx_paytrade_pg_writer_t *writer)
{
    if (ngx_paytrade_pg_bisect_range(&writer->bisect)) {
        return NGX_OK;
    }

    if (writer->poison == writer->good
        && writer->good >= NGX_PAYTRADE_PG_WRITER_WHOLE)
    {
        /* more likely the tables' fault than that of each single one */

        writer->stats.stalled = 1;
        writer->state = NGX_PAYTRADE_PG_WRITER_WHOLE_BATCH;

        if (ngx_paytrade_pg_writer_may_log(&writer->logged[0])) {
            ngx_log_error(NGX_LOG_ERR, writer->conf.log, 0,
                          "paytrade: journal of partition %ui stands still: "
                          "%ui operations are poison as a whole, the last: "
                          "%s (SQLSTATE %s)", writer->partition, writer->good,
                          writer->exchange.message, writer->exchange.sqlstate);
        }

        return NGX_ERROR;
    }

    if (writer->stats.stalled && writer->poison) {

        /* somebody mended the tables meanwhile: each gets another chance */

        writer->stats.stalled = 0;
        writer->state = NGX_PAYTRADE_PG_WRITER_WHOLE_BATCH;

        return NGX_ERROR;
    }

    writer->state = NGX_PAYTRADE_PG_WRITER_LAST;

    return NGX_OK;
}


static ngx_int_t
ngx_paytrade_pg_writer_conflicts(ngx_paytrade_pg_writer_t *writer)
{
    pt_op_t     *op;
    ngx_uint_t   state[2];

    state[0] = 0;
    state[1] = 0;

    for ( ;; ) {
        op = ngx_paytrade_pg_batch_conflict(&writer->batch,
                                            writer->exchange.results, state);
        if (op == NULL) {
            return NGX_OK;
        }

        if (ngx_paytrade_pg_writer_set_aside(writer, op,
                                             ngx_paytrade_pg_conflict, "")
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }
}


static ngx_int_t
ngx_paytrade_pg_writer_set_aside(ngx_paytrade_pg_writer_t *writer,
    pt_op_t *op, const char *reason, const char *sqlstate)
{
    ngx_str_t                text;
    ngx_paytrade_pg_dead_t  *dead;

    if (*sqlstate) {
        text.data = (u_char *) reason;
        text.len = ngx_strlen(reason) + 1;

        reason = (char *) ngx_pstrdup(writer->pool, &text);
        if (reason == NULL) {
            return NGX_ERROR;
        }
    }

    dead = ngx_array_push(writer->dead);
    if (dead == NULL) {
        return NGX_ERROR;
    }

    dead->op = op;
    dead->reason = reason;
    ngx_cpystrn((u_char *) dead->sqlstate, (u_char *) sqlstate,
                sizeof(dead->sqlstate));

    return NGX_OK;
}


/* The handler may write again, or destroy the writer: it comes last. */

static void
ngx_paytrade_pg_writer_finish(ngx_paytrade_pg_writer_t *writer,
    int64_t epoch)
{
    ngx_uint_t               i, ndead;
    ngx_paytrade_pg_dead_t  *dead;

    dead = writer->dead->elts;
    ndead = writer->dead->nelts;

    for (i = 0; i < ndead; i++) {
        if (dead[i].reason == ngx_paytrade_pg_conflict) {
            writer->stats.conflicts++;

        } else {
            writer->stats.dead++;
        }
    }

    if (ndead && ngx_paytrade_pg_writer_may_log(&writer->logged[1])) {
        ngx_log_error(NGX_LOG_ERR, writer->conf.log, 0,
                      "paytrade: journal of partition %ui: %ui operations "
                      "set aside in paytrade.dead_letter, the last: %s",
                      writer->partition, ndead, dead[ndead - 1].reason);
    }

    ngx_destroy_pool(writer->pool);

    writer->pool = NULL;
    writer->dead = NULL;
    writer->ops = NULL;
    writer->stats.stalled = 0;
    writer->state = NGX_PAYTRADE_PG_WRITER_IDLE;

    writer->handler(writer->data, epoch, ndead);
}


static void
ngx_paytrade_pg_writer_again(ngx_paytrade_pg_writer_t *writer)
{
    ngx_msec_t  delay;

    writer->stats.errors++;

    delay = NGX_PAYTRADE_PG_WRITER_BACKOFF << ngx_min(writer->failures, 16);
    delay = ngx_max(ngx_min(delay, writer->conf.backoff_max), 2);
    delay = delay / 2 + ngx_random() % (delay / 2 + 1);

    writer->failures++;

    if (ngx_paytrade_pg_writer_may_log(&writer->logged[2])) {
        ngx_log_error(NGX_LOG_WARN, writer->conf.log, 0,
                      "paytrade: journal of partition %ui: not written (%s), "
                      "next try in %M ms", writer->partition,
                      writer->exchange.message, delay);
    }

    ngx_add_timer(&writer->timer, delay);
}


static void
ngx_paytrade_pg_writer_timer_handler(ngx_event_t *ev)
{
    ngx_paytrade_pg_writer_step(ev->data);
}



static ngx_uint_t
ngx_paytrade_pg_writer_may_log(time_t *logged)
{
    if (*logged == ngx_time()) {
        return 0;
    }

    *logged = ngx_time();

    return 1;
}
