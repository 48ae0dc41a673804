/*
 * The sweep: a partition's owner releases the holds that are due, a few times
 * a second and without any traffic, and purges what is old.  It also sees to
 * it that the zone's filter of buyers gets filled.
 */

#include "ngx_http_paytrade.h"


#define NGX_HTTP_PAYTRADE_SWEEP      200
#define NGX_HTTP_PAYTRADE_SWEEP_MAX  "256"


static void ngx_http_paytrade_sweep_handler(ngx_event_t *ev);
static void ngx_http_paytrade_sweep(ngx_http_paytrade_partition_t *part);
static void ngx_http_paytrade_swept(ngx_paytrade_redis_op_t *op,
    ngx_paytrade_redis_outcome_e outcome, pt_slice_t reply);


void
ngx_http_paytrade_sweep_init(ngx_http_paytrade_partition_t *part)
{
    u_char  *p;

    part->sweep_timer.handler = ngx_http_paytrade_sweep_handler;
    part->sweep_timer.data = part;
    part->sweep_timer.log = part->worker->log;
    part->sweep_timer.cancelable = 1;

    p = ngx_sprintf((u_char *) part->retention_text, "%M",
                    part->worker->conf->retention);

    part->sweep_argv[0] = pt_slice_lit("sweep");
    part->sweep_argv[1] = pt_slice_lit("2");
    part->sweep_argv[2] = pt_slice_lit(NGX_HTTP_PAYTRADE_SWEEP_MAX);
    part->sweep_argv[3] = pt_slice(part->retention_text,
                                   p - (u_char *) part->retention_text);
}


void
ngx_http_paytrade_sweep_start(ngx_http_paytrade_partition_t *part)
{
    if (part->owned && !part->sweep_timer.timer_set && !ngx_exiting) {
        ngx_add_timer(&part->sweep_timer, 1);
    }
}


void
ngx_http_paytrade_sweep_stop(ngx_http_paytrade_partition_t *part)
{
    if (part->sweep_timer.timer_set) {
        ngx_del_timer(&part->sweep_timer);
    }
}


static void
ngx_http_paytrade_sweep_handler(ngx_event_t *ev)
{
    ngx_http_paytrade_partition_t *part = ev->data;

    if (ngx_exiting) {
        return;
    }

    if (part->state == NGX_HTTP_PAYTRADE_OPEN && !part->sweeping) {
        ngx_http_paytrade_sweep(part);
        ngx_http_paytrade_recall_start(part);
    }

    ngx_add_timer(&part->sweep_timer, NGX_HTTP_PAYTRADE_SWEEP);
}


static void
ngx_http_paytrade_sweep(ngx_http_paytrade_partition_t *part)
{
    part->sweep.argc = 4;
    part->sweep.argv = part->sweep_argv;
    part->sweep.handler = ngx_http_paytrade_swept;
    part->sweep.data = part;

    if (ngx_paytrade_redis_submit(part->worker->batcher, part->number,
                                  NGX_PAYTRADE_SCRIPT_CLOSE, &part->sweep)
        == NGX_OK)
    {
        part->sweeping = 1;
    }
}


static void
ngx_http_paytrade_swept(ngx_paytrade_redis_op_t *op,
    ngx_paytrade_redis_outcome_e outcome, pt_slice_t reply)
{
    int64_t                         released, purged;
    pt_slice_t                      f[5];
    ngx_shm_zone_t                 *zone;
    ngx_http_paytrade_partition_t  *part;

    part = op->data;
    part->sweeping = 0;

    if (outcome != NGX_PAYTRADE_REDIS_OK) {
        return;
    }

    /* swept released purged more next_due_ms */

    if (pt_slice_split(reply, '\t', f, 5) != 5
        || !pt_slice_eq(f[0], pt_slice_lit("swept"))
        || pt_slice_uint(f[1], INT64_MAX, &released) != 0
        || pt_slice_uint(f[2], INT64_MAX, &purged) != 0)
    {
        ngx_http_paytrade_partition_recheck(part);
        return;
    }

    zone = part->worker->conf->shm_zone;

    ngx_http_paytrade_count(zone, NGX_HTTP_PAYTRADE_EXPIRED, released);
    ngx_http_paytrade_count(zone, NGX_HTTP_PAYTRADE_PURGED, purged);

    if (pt_slice_eq(f[3], pt_slice_lit("1")) && !ngx_exiting
        && part->state == NGX_HTTP_PAYTRADE_OPEN)
    {
        ngx_http_paytrade_sweep(part);
    }
}
