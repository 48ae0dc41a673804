/*
 * The pump: what a partition's journal holds goes to PostgreSQL.
 *
 * It ties the reader of the stream to the writer of the tables: a batch is
 * read, written in one transaction, and only then deleted and acknowledged.
 * A worker that leaves with a batch under way owes nothing: its entries stay
 * pending, and whoever has its slot next reads them first.
 */

#include "ngx_http_paytrade.h"


#define NGX_HTTP_PAYTRADE_PUMP_ENTRIES  64
#define NGX_HTTP_PAYTRADE_PUMP_IDLE     5000
#define NGX_HTTP_PAYTRADE_PUMP_BACKOFF  5000


static void ngx_http_paytrade_pump_read(void *data,
    ngx_paytrade_redis_entries_t *entries);
static ngx_int_t ngx_http_paytrade_pump_reserve(ngx_http_paytrade_pump_t *pump,
    ngx_uint_t n, ngx_log_t *log);
static void ngx_http_paytrade_pump_written(void *data, int64_t epoch,
    ngx_uint_t dead);
static void ngx_http_paytrade_pump_count(ngx_http_paytrade_partition_t *part);
static void ngx_http_paytrade_pump_count_handler(ngx_event_t *ev);


ngx_int_t
ngx_http_paytrade_pump_start(ngx_http_paytrade_partition_t *part)
{
    u_char                             *p;
    ngx_http_paytrade_pump_t           *pump;
    ngx_http_paytrade_worker_t         *worker;
    ngx_paytrade_pg_writer_conf_t       writer;
    ngx_paytrade_redis_journal_conf_t   reader;

    pump = &part->pump;
    worker = part->worker;

    ngx_memzero(&writer, sizeof(ngx_paytrade_pg_writer_conf_t));

    writer.pg = worker->pg_journal;
    writer.currency = worker->conf->currency;
    writer.backoff_max = NGX_HTTP_PAYTRADE_PUMP_BACKOFF;
    writer.log = worker->log;

    pump->writer = ngx_paytrade_pg_writer_create(&writer);
    if (pump->writer == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&reader, sizeof(ngx_paytrade_redis_journal_conf_t));

    p = ngx_pnalloc(worker->pool, sizeof("slot-") + NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    reader.consumer.data = p;
    reader.consumer.len = ngx_sprintf(p, "slot-%ui", worker->slot) - p;
    reader.redis = &worker->conf->redis;
    reader.commands = worker->redis;
    reader.partition = part->number;
    reader.entries = NGX_HTTP_PAYTRADE_PUMP_ENTRIES;
    reader.idle = NGX_HTTP_PAYTRADE_PUMP_IDLE;
    reader.handler = ngx_http_paytrade_pump_read;
    reader.data = part;
    reader.log = worker->log;

    pump->reader = ngx_paytrade_redis_journal_open(&reader);
    if (pump->reader == NULL) {
        return NGX_ERROR;
    }

    pump->count.handler = ngx_http_paytrade_pump_count_handler;
    pump->count.data = part;
    pump->count.log = worker->log;
    pump->count.cancelable = 1;

    ngx_add_timer(&pump->count, 1000);

    return NGX_OK;
}


void
ngx_http_paytrade_pump_stop(ngx_http_paytrade_partition_t *part)
{
    ngx_http_paytrade_pump_t  *pump;

    pump = &part->pump;

    if (pump->count.timer_set) {
        ngx_del_timer(&pump->count);
    }

    if (pump->reader) {
        ngx_paytrade_redis_journal_close(pump->reader);
        pump->reader = NULL;
    }

    if (pump->writer) {
        ngx_http_paytrade_pump_count(part);
        ngx_paytrade_pg_writer_destroy(pump->writer);
        pump->writer = NULL;
    }

    if (pump->ops) {
        ngx_free(pump->ops);
        pump->ops = NULL;
    }
}


static void
ngx_http_paytrade_pump_read(void *data, ngx_paytrade_redis_entries_t *entries)
{
    ngx_http_paytrade_partition_t *part = data;

    ngx_uint_t                   i, n, last;
    ngx_http_paytrade_pump_t    *pump;
    ngx_paytrade_redis_entry_t  *entry;

    pump = &part->pump;

    if (ngx_http_paytrade_pump_reserve(pump, entries->nops, part->worker->log)
        != NGX_OK)
    {
        ngx_paytrade_redis_journal_again(pump->reader);
        return;
    }

    for (i = 0; i < entries->nentries; i++) {
        entry = &entries->entries[i];
        last = entry->first + entry->nops;

        for (n = entry->first; n < last; n++) {
            pt_op_parse(&pump->ops[n], entries->kinds[n], entries->rows[n],
                        entry->id);
        }
    }

    pump->epoch = part->redis_epoch;
    pump->connects = part->connects;
    pump->writing = 1;

    ngx_paytrade_pg_writer_write(pump->writer, part->number,
                                 entries->entries[entries->nentries - 1].id,
                                 pump->ops, entries->nops,
                                 ngx_http_paytrade_pump_written, part);
}


static ngx_int_t
ngx_http_paytrade_pump_reserve(ngx_http_paytrade_pump_t *pump, ngx_uint_t n,
    ngx_log_t *log)
{
    if (n <= pump->max_ops) {
        return NGX_OK;
    }

    if (pump->ops) {
        ngx_free(pump->ops);
        pump->max_ops = 0;
    }

    pump->ops = ngx_alloc(n * sizeof(pt_op_t), log);
    if (pump->ops == NULL) {
        return NGX_ERROR;
    }

    pump->max_ops = n;

    return NGX_OK;
}


static void
ngx_http_paytrade_pump_written(void *data, int64_t epoch, ngx_uint_t dead)
{
    ngx_http_paytrade_partition_t *part = data;

    ngx_http_paytrade_pump_t  *pump;

    pump = &part->pump;
    pump->writing = 0;

    ngx_paytrade_redis_journal_done(pump->reader);

    /*
     * While this batch was under way another worker, for this one leaves, took
     * a new server as it is or rebuilt the partition from PostgreSQL: Redis may
     * not know these changes.
     */

    if ((part->state == NGX_HTTP_PAYTRADE_OPEN
         && part->connects != pump->connects)
        || (pump->epoch && epoch > pump->epoch))
    {
        (void) ngx_http_paytrade_partition_request_rebuild(part->worker,
                                                           part->number);
    }
}


static void
ngx_http_paytrade_pump_count_handler(ngx_event_t *ev)
{
    ngx_http_paytrade_partition_t *part = ev->data;

    if (ngx_exiting) {
        return;
    }

    ngx_http_paytrade_pump_count(part);

    ngx_add_timer(&part->pump.count, 1000);
}


/* Brings the shared counters up to what the writer has counted. */
static void
ngx_http_paytrade_pump_count(ngx_http_paytrade_partition_t *part)
{
    ngx_shm_zone_t                  *zone;
    ngx_http_paytrade_pump_t        *pump;
    ngx_paytrade_pg_writer_stats_t  *now, *seen;

    pump = &part->pump;
    zone = part->worker->conf->shm_zone;
    now = ngx_paytrade_pg_writer_stats(pump->writer);
    seen = &pump->seen;

    ngx_http_paytrade_count(zone, NGX_HTTP_PAYTRADE_JOURNAL_BATCHES,
                            now->batches - seen->batches);
    ngx_http_paytrade_count(zone, NGX_HTTP_PAYTRADE_JOURNAL_ROWS,
                            now->rows - seen->rows);
    ngx_http_paytrade_count(zone, NGX_HTTP_PAYTRADE_JOURNAL_ERRORS,
                            now->errors - seen->errors);
    ngx_http_paytrade_count(zone, NGX_HTTP_PAYTRADE_DEAD_LETTERS,
                            now->dead - seen->dead);
    ngx_http_paytrade_count(zone, NGX_HTTP_PAYTRADE_CONFLICTS,
                            now->conflicts - seen->conflicts);

    ngx_http_paytrade_counters(zone)->stalled[part->number] = now->stalled;

    *seen = *now;
}
