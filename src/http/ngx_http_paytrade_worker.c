/*
 * What a worker owns: its connections, its batcher, its partitions.
 *
 * Partition N belongs to worker slot N mod the number of workers: that worker
 * sweeps it, writes its journal to PostgreSQL and rebuilds it.  Every worker
 * holds and reads in all partitions.
 */

#include "ngx_http_paytrade.h"


static ngx_int_t ngx_http_paytrade_worker_start(
    ngx_http_paytrade_worker_t *worker, ngx_cycle_t *cycle);
static void ngx_http_paytrade_worker_free(ngx_http_paytrade_worker_t *worker);
static ngx_int_t ngx_http_paytrade_open_partitions(
    ngx_http_paytrade_worker_t *worker);
static void ngx_http_paytrade_name_gateways(
    ngx_http_paytrade_worker_t *worker);
static ngx_int_t ngx_http_paytrade_open_batcher(
    ngx_http_paytrade_worker_t *worker);
static pt_slice_t ngx_http_paytrade_number(ngx_pool_t *pool, ngx_int_t n);
static void ngx_http_paytrade_redis_state(ngx_paytrade_redis_t *redis,
    void *data, ngx_uint_t ready);
static void ngx_http_paytrade_batch_header(void *data, ngx_uint_t partition,
    ngx_paytrade_script_e script, pt_slice_t header, ngx_uint_t nops);
static void ngx_http_paytrade_note_stock(ngx_http_paytrade_main_conf_t *mcf,
    pt_slice_t field, int64_t now_ms);


ngx_int_t
ngx_http_paytrade_init_process(ngx_cycle_t *cycle)
{
    ngx_pool_t                     *pool;
    ngx_http_conf_ctx_t            *ctx;
    ngx_http_paytrade_worker_t     *worker;
    ngx_http_paytrade_main_conf_t  *mcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    ctx = (ngx_http_conf_ctx_t *) ngx_get_conf(cycle->conf_ctx,
                                               ngx_http_module);
    if (ctx == NULL) {
        return NGX_OK;
    }

    mcf = ctx->main_conf[ngx_http_paytrade_module.ctx_index];

    if (!mcf->counting) {
        return NGX_OK;
    }

    pool = ngx_create_pool(4096, cycle->log);
    if (pool == NULL) {
        return NGX_OK;
    }

    worker = ngx_pcalloc(pool, sizeof(ngx_http_paytrade_worker_t));
    if (worker == NULL) {
        ngx_destroy_pool(pool);
        return NGX_OK;
    }

    worker->conf = mcf;
    worker->pool = pool;
    worker->log = cycle->log;

    /*
     * A worker whose init_process fails is not started again, so this one runs
     * and answers 503.
     */

    if (ngx_http_paytrade_worker_start(worker, cycle) != NGX_OK) {
        ngx_log_error(NGX_LOG_CRIT, cycle->log, 0,
                      "paytrade: not enough memory to start");
        ngx_http_paytrade_worker_free(worker);
        return NGX_OK;
    }

    mcf->worker = worker;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paytrade_worker_start(ngx_http_paytrade_worker_t *worker,
    ngx_cycle_t *cycle)
{
    u_char                         *p;
    ngx_str_t                       name;
    ngx_uint_t                      i, eager;
    ngx_core_conf_t                *ccf;
    ngx_http_paytrade_main_conf_t  *mcf;

    mcf = worker->conf;

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    worker->slots = 1;

    if (ngx_process == NGX_PROCESS_WORKER) {
        worker->slot = ngx_worker;
        worker->slots = ccf->worker_processes;
    }

    ngx_http_paytrade_name_gateways(worker);

    if (!mcf->used) {
        return NGX_OK;
    }

    worker->max_calls = mcf->queue;

    name.data = ngx_pnalloc(worker->pool, sizeof("paytrade-") + NGX_INT_T_LEN);
    if (name.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(name.data, "paytrade-%ui", worker->slot);
    name.len = p - name.data;

    if (ngx_http_paytrade_open_partitions(worker) != NGX_OK) {
        return NGX_ERROR;
    }

    worker->redis = ngx_paytrade_redis_open(&mcf->redis, worker->log, &name, 0,
                                            ngx_http_paytrade_redis_state,
                                            worker);

    worker->pg = ngx_paytrade_pg_open(&mcf->pg, worker->log, "paytrade", 1);

    eager = (worker->slot < (ngx_uint_t) mcf->partitions);

    worker->pg_journal = ngx_paytrade_pg_open(&mcf->pg, worker->log,
                                              "paytrade journal", eager);

    if (worker->redis == NULL
        || worker->pg == NULL
        || worker->pg_journal == NULL)
    {
        return NGX_ERROR;
    }

    if (ngx_http_paytrade_open_batcher(worker) != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = 0; i < (ngx_uint_t) mcf->partitions; i++) {
        if (worker->partitions[i].owned
            && ngx_http_paytrade_pump_start(&worker->partitions[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paytrade_open_partitions(ngx_http_paytrade_worker_t *worker)
{
    ngx_uint_t                      i, n;
    ngx_http_paytrade_partition_t  *part;

    n = worker->conf->partitions;

    worker->partitions = ngx_pcalloc(worker->pool,
                                  n * sizeof(ngx_http_paytrade_partition_t));
    if (worker->partitions == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        part = &worker->partitions[i];

        part->worker = worker;
        part->number = i;
        part->owned = (i % worker->slots == worker->slot);

        ngx_http_paytrade_partition_init(part);
    }

    return NGX_OK;
}


/* So that counters are seen from the start, as zeros. */
static void
ngx_http_paytrade_name_gateways(ngx_http_paytrade_worker_t *worker)
{
    ngx_uint_t                    i;
    ngx_http_paytrade_gateway_t  *gateway;

    if (worker->conf->gateways == NULL) {
        return;
    }

    gateway = worker->conf->gateways->elts;

    for (i = 0; i < worker->conf->gateways->nelts; i++) {
        if (ngx_http_paytrade_zone_gateway(worker->conf->shm_zone,
                                           &gateway[i].name)
            == NULL)
        {
            ngx_log_error(NGX_LOG_WARN, worker->log, 0,
                          "paytrade: callbacks of gateway \"%V\" are not "
                          "counted: the zone knows %d others, from before the "
                          "last reloads", &gateway[i].name,
                          NGX_HTTP_PAYTRADE_GATEWAYS_MAX);
        }
    }
}


static ngx_int_t
ngx_http_paytrade_open_batcher(ngx_http_paytrade_worker_t *worker)
{
    ngx_http_paytrade_main_conf_t      *mcf;
    ngx_paytrade_redis_batcher_conf_t   conf;

    mcf = worker->conf;

    ngx_memzero(&conf, sizeof(ngx_paytrade_redis_batcher_conf_t));

    conf.redis = worker->redis;
    conf.partitions = mcf->partitions;
    conf.limit = mcf->batch;
    conf.queue_max = mcf->queue;
    conf.timeout = mcf->redis_timeout;
    conf.header = ngx_http_paytrade_batch_header;
    conf.data = worker;
    conf.log = worker->log;

    conf.prelude[NGX_PAYTRADE_SCRIPT_HOLD][0] =
        ngx_http_paytrade_number(worker->pool, mcf->journal_max);
    conf.prelude[NGX_PAYTRADE_SCRIPT_HOLD][1] =
        ngx_http_paytrade_number(worker->pool, mcf->attempts);
    conf.nprelude[NGX_PAYTRADE_SCRIPT_HOLD] = 2;

    conf.prelude[NGX_PAYTRADE_SCRIPT_PAY][0] =
        conf.prelude[NGX_PAYTRADE_SCRIPT_HOLD][0];
    conf.prelude[NGX_PAYTRADE_SCRIPT_PAY][1] =
        conf.prelude[NGX_PAYTRADE_SCRIPT_HOLD][1];
    conf.prelude[NGX_PAYTRADE_SCRIPT_PAY][2] =
        ngx_http_paytrade_number(worker->pool, mcf->pay_margin);
    conf.prelude[NGX_PAYTRADE_SCRIPT_PAY][3] =
        ngx_http_paytrade_number(worker->pool, mcf->pay_rest);
    conf.nprelude[NGX_PAYTRADE_SCRIPT_PAY] = 4;

    worker->batcher = ngx_paytrade_redis_batcher_create(&conf);

    return worker->batcher ? NGX_OK : NGX_ERROR;
}


static pt_slice_t
ngx_http_paytrade_number(ngx_pool_t *pool, ngx_int_t n)
{
    u_char  *p, *last;

    p = ngx_pnalloc(pool, NGX_INT_T_LEN);
    if (p == NULL) {
        return pt_slice_null;
    }

    last = ngx_sprintf(p, "%i", n);

    return pt_slice(p, last - p);
}


void
ngx_http_paytrade_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_conf_ctx_t            *ctx;
    ngx_http_paytrade_worker_t     *worker;
    ngx_http_paytrade_main_conf_t  *mcf;

    ctx = (ngx_http_conf_ctx_t *) ngx_get_conf(cycle->conf_ctx,
                                               ngx_http_module);
    if (ctx == NULL) {
        return;
    }

    mcf = ctx->main_conf[ngx_http_paytrade_module.ctx_index];
    worker = mcf->worker;

    if (worker == NULL) {
        return;
    }

    mcf->worker = NULL;

    ngx_http_paytrade_worker_free(worker);
}


/* Also of a worker that did not start as a whole. */
static void
ngx_http_paytrade_worker_free(ngx_http_paytrade_worker_t *worker)
{
    ngx_int_t  i;

    if (worker->partitions) {
        for (i = 0; i < worker->conf->partitions; i++) {
            ngx_http_paytrade_partition_stop(&worker->partitions[i]);
        }
    }

    if (worker->batcher) {
        ngx_paytrade_redis_batcher_destroy(worker->batcher);
    }

    if (worker->redis) {
        ngx_paytrade_redis_close(worker->redis);
    }

    if (worker->pg) {
        ngx_paytrade_pg_close(worker->pg);
    }

    if (worker->pg_journal) {
        ngx_paytrade_pg_close(worker->pg_journal);
    }

    ngx_http_paytrade_calls_free(worker);
    ngx_destroy_pool(worker->pool);
}


/* CRC16 as Redis Cluster computes it (XMODEM), of the sale's name. */
ngx_uint_t
ngx_http_paytrade_partition_of(ngx_http_paytrade_main_conf_t *conf,
    pt_slice_t sale)
{
    size_t      i;
    uint32_t    crc;
    ngx_uint_t  bit;

    if (conf->partitions == 1) {
        return 0;
    }

    crc = 0;

    for (i = 0; i < sale.len; i++) {
        crc ^= (uint32_t) (u_char) sale.data[i] << 8;

        for (bit = 0; bit < 8; bit++) {
            crc = (crc & 0x8000) ? (crc << 1) ^ 0x1021 : crc << 1;
        }
    }

    return (crc & 0xffff) % conf->partitions;
}


static void
ngx_http_paytrade_redis_state(ngx_paytrade_redis_t *redis, void *data,
    ngx_uint_t ready)
{
    ngx_http_paytrade_worker_t *worker = data;

    ngx_int_t  i;

    if (ready) {
        ngx_http_paytrade_count(worker->conf->shm_zone,
                                NGX_HTTP_PAYTRADE_REDIS_CONNECTS, 1);
    }

    for (i = 0; i < worker->conf->partitions; i++) {
        ngx_http_paytrade_partition_connected(&worker->partitions[i], ready);
    }

}


/*
 * "ok now_ms waiting [sku available retry_at held price]…", separated by tabs.
 */
static void
ngx_http_paytrade_batch_header(void *data, ngx_uint_t partition,
    ngx_paytrade_script_e script, pt_slice_t header, ngx_uint_t nops)
{
    ngx_http_paytrade_worker_t *worker = data;

    int64_t                         now_ms, waiting;
    pt_slice_t                      field;
    ngx_http_paytrade_counters_t   *counters;
    ngx_http_paytrade_main_conf_t  *mcf;

    mcf = worker->conf;
    counters = ngx_http_paytrade_counters(mcf->shm_zone);

    (void) ngx_atomic_fetch_add(&counters->calls[script], 1);
    (void) ngx_atomic_fetch_add(&counters->ops[script], nops);

    if (!pt_slice_next(&header, '\t', &field)
        || !pt_slice_eq(field, pt_slice_lit("ok"))
        || !pt_slice_next(&header, '\t', &field)
        || pt_slice_uint(field, PT_TIME_MAX_MS, &now_ms) != 0
        || !pt_slice_next(&header, '\t', &field)
        || pt_slice_uint(field, INT64_MAX, &waiting) != 0)
    {
        return;
    }

    counters->waiting[partition] = waiting;

    while (pt_slice_next(&header, '\t', &field)) {
        ngx_http_paytrade_note_stock(mcf, field, now_ms);
    }
}


static void
ngx_http_paytrade_note_stock(ngx_http_paytrade_main_conf_t *mcf,
    pt_slice_t field, int64_t now_ms)
{
    int64_t     available, retry_at_ms, held, price;
    pt_slice_t  parts[5];

    if (pt_slice_split(field, ' ', parts, 5) != 5
        || pt_slice_uint(parts[1], PT_UNITS_MAX, &available) != 0
        || pt_slice_uint(parts[2], PT_TIME_MAX_MS, &retry_at_ms) != 0
        || pt_slice_uint(parts[3], PT_UNITS_MAX, &held) != 0
        || pt_slice_uint(parts[4], PT_AMOUNT_MAX, &price) != 0)
    {
        return;
    }

    ngx_http_paytrade_zone_stock(mcf->shm_zone, parts[0], available, price,
                                 held, now_ms, retry_at_ms, mcf->soldout_ttl);
}
