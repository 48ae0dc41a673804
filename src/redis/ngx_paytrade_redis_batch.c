/*
 * The batcher: lanes of operations, packed into script calls.
 */

#include "ngx_paytrade_redis_lane.h"


/* Keeps a call short for the others: a cart has up to 160 arguments. */
#define NGX_PAYTRADE_BATCH_ARGS_MAX  8192


static void ngx_paytrade_redis_batcher_watch(ngx_paytrade_redis_watch_t *watch,
    ngx_paytrade_redis_state_e state);
static ngx_paytrade_redis_state_e ngx_paytrade_redis_batcher_state(
    ngx_paytrade_redis_batcher_t *batcher);
static void ngx_paytrade_redis_lane_handler(ngx_event_t *ev);
static void ngx_paytrade_redis_lane_down(ngx_paytrade_redis_lane_t *lane);
static ngx_uint_t ngx_paytrade_redis_lane_limit(
    ngx_paytrade_redis_lane_t *lane);
static void ngx_paytrade_redis_lane_send(ngx_paytrade_redis_lane_t *lane);
static void ngx_paytrade_redis_op_deadline(ngx_event_t *ev);


ngx_paytrade_redis_batcher_t *
ngx_paytrade_redis_batcher_create(ngx_paytrade_redis_batcher_conf_t *conf)
{
    ngx_uint_t                     i;
    ngx_paytrade_redis_lane_t     *lane;
    ngx_paytrade_redis_batcher_t  *batcher;

    batcher = ngx_calloc(sizeof(ngx_paytrade_redis_batcher_t)
                         + conf->partitions, conf->log);
    if (batcher == NULL) {
        return NULL;
    }

    batcher->conf = *conf;
    batcher->conf.limit = ngx_min(ngx_max(conf->limit, 1),
                                  NGX_PAYTRADE_BATCH_MAX);
    batcher->nlanes = conf->partitions * NGX_PAYTRADE_SCRIPTS;

    batcher->lanes = ngx_calloc(batcher->nlanes
                                * sizeof(ngx_paytrade_redis_lane_t), conf->log);
    if (batcher->lanes == NULL) {
        ngx_free(batcher);
        return NULL;
    }

    for (i = 0; i < batcher->nlanes; i++) {
        lane = &batcher->lanes[i];

        lane->fd = (ngx_socket_t) -1;
        lane->batcher = batcher;
        lane->partition = i / NGX_PAYTRADE_SCRIPTS;
        lane->script = i % NGX_PAYTRADE_SCRIPTS;
        lane->send.handler = ngx_paytrade_redis_lane_handler;
        lane->send.data = lane;
        lane->send.log = conf->log;
        ngx_queue_init(&lane->waiting);
    }

    batcher->watch.handler = ngx_paytrade_redis_batcher_watch;
    batcher->watch.data = batcher;
    ngx_paytrade_redis_watch(conf->redis, &batcher->watch);

    return batcher;
}


void
ngx_paytrade_redis_batcher_destroy(ngx_paytrade_redis_batcher_t *batcher)
{
    ngx_uint_t                  i;
    ngx_paytrade_redis_lane_t  *lane;

    ngx_paytrade_redis_batcher_enter(batcher);

    batcher->destroyed = 1;

    if (batcher->conf.redis != NULL) {
        ngx_paytrade_redis_unwatch(&batcher->watch);
        batcher->conf.redis = NULL;
    }

    for (i = 0; i < batcher->nlanes; i++) {
        lane = &batcher->lanes[i];

        if (lane->send.posted) {
            ngx_delete_posted_event(&lane->send);
        }

        ngx_paytrade_redis_lane_down(lane);

        if (lane->call != NULL) {
            ngx_paytrade_redis_call_complete(lane->call,
                                             NGX_PAYTRADE_REDIS_LOST, NULL);
        }
    }

    ngx_paytrade_redis_batcher_leave(batcher);
}


void
ngx_paytrade_redis_batcher_enter(ngx_paytrade_redis_batcher_t *batcher)
{
    batcher->busy++;
}


void
ngx_paytrade_redis_batcher_leave(ngx_paytrade_redis_batcher_t *batcher)
{
    ngx_uint_t                  i;
    ngx_paytrade_redis_lane_t  *lane;

    if (--batcher->busy || !batcher->destroyed) {
        return;
    }

    for (i = 0; i < batcher->nlanes; i++) {
        lane = &batcher->lanes[i];

        if (lane->in_flight) {
            lane->call->lane = NULL;

        } else if (lane->call != NULL) {
            ngx_free(lane->call);
        }
    }

    if (batcher->argv != NULL) {
        ngx_free(batcher->argv);
    }

    ngx_free(batcher->lanes);
    ngx_free(batcher);
}


void
ngx_paytrade_redis_partition_open(ngx_paytrade_redis_batcher_t *batcher,
    ngx_uint_t partition)
{
    ngx_uint_t                  i;
    ngx_paytrade_redis_lane_t  *lane;

    batcher->open[partition] = 1;

    lane = &batcher->lanes[partition * NGX_PAYTRADE_SCRIPTS];

    for (i = 0; i < NGX_PAYTRADE_SCRIPTS; i++) {
        ngx_paytrade_redis_lane_post(&lane[i]);
    }
}


void
ngx_paytrade_redis_partition_hold(ngx_paytrade_redis_batcher_t *batcher,
    ngx_uint_t partition)
{
    batcher->open[partition] = 0;
}


void
ngx_paytrade_redis_batcher_kick(ngx_paytrade_redis_batcher_t *batcher)
{
    ngx_uint_t  i;

    for (i = 0; i < batcher->nlanes; i++) {
        ngx_paytrade_redis_lane_post(&batcher->lanes[i]);
    }
}


ngx_uint_t
ngx_paytrade_redis_batcher_load(ngx_paytrade_redis_batcher_t *batcher)
{
    return batcher->load;
}


ngx_int_t
ngx_paytrade_redis_submit(ngx_paytrade_redis_batcher_t *batcher,
    ngx_uint_t partition, ngx_paytrade_script_e script,
    ngx_paytrade_redis_op_t *op)
{
    ngx_paytrade_redis_lane_t  *lane;

    if (batcher->destroyed
        || batcher->load >= batcher->conf.queue_max
        || partition >= batcher->conf.partitions
        || script >= NGX_PAYTRADE_SCRIPTS)
    {
        return NGX_DECLINED;
    }

    lane = &batcher->lanes[partition * NGX_PAYTRADE_SCRIPTS + script];

    op->lane = lane;
    op->sent = 0;
    op->started = ngx_current_msec;

    ngx_memzero(&op->deadline, sizeof(ngx_event_t));
    op->deadline.handler = ngx_paytrade_redis_op_deadline;
    op->deadline.data = lane;
    op->deadline.log = batcher->conf.log;
    ngx_add_timer(&op->deadline, batcher->conf.timeout);

    ngx_queue_insert_tail(&lane->waiting, &op->queue);
    batcher->load++;

    ngx_paytrade_redis_lane_post(lane);

    return NGX_OK;
}


static ngx_paytrade_redis_state_e
ngx_paytrade_redis_batcher_state(ngx_paytrade_redis_batcher_t *batcher)
{
    return batcher->conf.redis ? ngx_paytrade_redis_state(batcher->conf.redis)
                               : NGX_PAYTRADE_REDIS_CLOSED;
}


static void
ngx_paytrade_redis_batcher_watch(ngx_paytrade_redis_watch_t *watch,
    ngx_paytrade_redis_state_e state)
{
    ngx_uint_t                     i;
    ngx_paytrade_redis_batcher_t  *batcher;

    batcher = watch->data;

    if (state != NGX_PAYTRADE_REDIS_CLOSED) {
        ngx_paytrade_redis_batcher_kick(batcher);
        return;
    }

    /* there may be no next turn of the event loop */

    batcher->conf.redis = NULL;

    ngx_paytrade_redis_batcher_enter(batcher);

    for (i = 0; i < batcher->nlanes && !batcher->destroyed; i++) {
        ngx_paytrade_redis_lane_down(&batcher->lanes[i]);
    }

    ngx_paytrade_redis_batcher_leave(batcher);
}


/* What restores a partition is not held back with it. */
static ngx_uint_t
ngx_paytrade_redis_lane_open(ngx_paytrade_redis_lane_t *lane)
{
    return !lane->in_flight
           && (lane->batcher->open[lane->partition]
               || lane->script == NGX_PAYTRADE_SCRIPT_RESTORE);
}


/*
 * What arrives in one turn of the event loop goes together: the lane sends at
 * the end of the turn.  What cannot be sent is given up in the next turn, so
 * that a caller who asks again at once does not keep the loop to itself.
 */
void
ngx_paytrade_redis_lane_post(ngx_paytrade_redis_lane_t *lane)
{
    ngx_paytrade_redis_batcher_t  *batcher;

    batcher = lane->batcher;

    if (ngx_queue_empty(&lane->waiting)) {
        return;
    }

    switch (ngx_paytrade_redis_batcher_state(batcher)) {

    case NGX_PAYTRADE_REDIS_CONNECTING:
    case NGX_PAYTRADE_REDIS_GREETING:
        break;

    case NGX_PAYTRADE_REDIS_READY:
        if (ngx_paytrade_redis_lane_open(lane)) {
            ngx_post_event(&lane->send, &ngx_posted_events);
        }

        break;

    default:
        ngx_post_event(&lane->send, &ngx_posted_next_events);
        break;
    }
}


static void
ngx_paytrade_redis_lane_handler(ngx_event_t *ev)
{
    ngx_paytrade_redis_lane_t     *lane;
    ngx_paytrade_redis_batcher_t  *batcher;

    lane = ev->data;
    batcher = lane->batcher;

    ngx_paytrade_redis_batcher_enter(batcher);

    switch (ngx_paytrade_redis_batcher_state(batcher)) {

    case NGX_PAYTRADE_REDIS_CONNECTING:
    case NGX_PAYTRADE_REDIS_GREETING:
        break;

    case NGX_PAYTRADE_REDIS_READY:
        if (ngx_paytrade_redis_lane_open(lane)) {
            ngx_paytrade_redis_lane_send(lane);
        }

        break;

    default:
        ngx_paytrade_redis_lane_down(lane);
        break;
    }

    ngx_paytrade_redis_batcher_leave(batcher);
}


/* Up to the operation that is last now: handlers may add others. */
static void
ngx_paytrade_redis_lane_down(ngx_paytrade_redis_lane_t *lane)
{
    ngx_queue_t              *q, *last;
    ngx_paytrade_redis_op_t  *op;

    if (ngx_queue_empty(&lane->waiting)) {
        return;
    }

    last = ngx_queue_last(&lane->waiting);

    do {
        q = ngx_queue_head(&lane->waiting);
        ngx_queue_remove(q);

        op = ngx_queue_data(q, ngx_paytrade_redis_op_t, queue);
        ngx_paytrade_redis_op_complete(op, NGX_PAYTRADE_REDIS_DOWN,
                                       pt_slice_null);

    } while (q != last && !ngx_queue_empty(&lane->waiting));
}


static ngx_uint_t
ngx_paytrade_redis_lane_limit(ngx_paytrade_redis_lane_t *lane)
{
    ngx_uint_t  limit;

    limit = lane->batcher->conf.limit;

    switch (lane->script) {

    case NGX_PAYTRADE_SCRIPT_RESTORE:
        return 1;

    case NGX_PAYTRADE_SCRIPT_SETTLE:
        return ngx_min(limit, NGX_PAYTRADE_BATCH_SETTLE_MAX);

    default:
        return limit;
    }
}


static void
ngx_paytrade_redis_lane_send(ngx_paytrade_redis_lane_t *lane)
{
    ngx_int_t                   rc;
    ngx_uint_t                  argc, limit;
    ngx_queue_t                *q;
    ngx_paytrade_redis_op_t    *op;
    ngx_paytrade_redis_call_t  *call;

    call = ngx_paytrade_redis_lane_call(lane);

    if (call == NULL) {
        ngx_paytrade_redis_lane_down(lane);
        return;
    }

    argc = 0;
    limit = ngx_paytrade_redis_lane_limit(lane);

    call->nops = 0;
    call->whole = 0;

    while (call->nops < limit && !ngx_queue_empty(&lane->waiting)) {
        q = ngx_queue_head(&lane->waiting);
        op = ngx_queue_data(q, ngx_paytrade_redis_op_t, queue);

        argc += op->argc;

        if (call->nops && argc > NGX_PAYTRADE_BATCH_ARGS_MAX) {
            break;
        }

        ngx_queue_remove(q);

        op->sent = 1;
        op->slot = call->nops;
        call->ops[call->nops++] = op;
    }

    if (call->nops == 0) {
        return;
    }

    rc = ngx_paytrade_redis_call_send(call);

    if (rc != NGX_OK) {
        ngx_paytrade_redis_call_complete(call, rc == NGX_DECLINED
                                               ? NGX_PAYTRADE_REDIS_DOWN
                                               : NGX_PAYTRADE_REDIS_REFUSED,
                                         NULL);
        ngx_paytrade_redis_lane_post(lane);
    }
}


/* ev->data is the lane, for a debug log; the event lies in its operation. */
static void
ngx_paytrade_redis_op_deadline(ngx_event_t *ev)
{
    ngx_paytrade_redis_op_t       *op;
    ngx_paytrade_redis_lane_t     *lane;
    ngx_paytrade_redis_batcher_t  *batcher;

    lane = ev->data;
    batcher = lane->batcher;
    op = (ngx_paytrade_redis_op_t *)
             ((u_char *) ev - offsetof(ngx_paytrade_redis_op_t, deadline));

    ngx_paytrade_redis_batcher_enter(batcher);

    if (op->sent) {
        lane->call->ops[op->slot] = NULL;
        ngx_paytrade_redis_op_complete(op, NGX_PAYTRADE_REDIS_TIMED_OUT,
                                       pt_slice_null);

    } else {
        ngx_queue_remove(&op->queue);
        ngx_paytrade_redis_op_complete(op, NGX_PAYTRADE_REDIS_EXPIRED,
                                       pt_slice_null);
    }

    ngx_paytrade_redis_batcher_leave(batcher);
}
