/*
 * The batcher: operations that arrive while a script call is in flight share
 * the next one.
 *
 * A worker has one batcher; it has a lane for each partition and script.  A
 * lane sends at once when it is idle, has one call in flight, and packs up to
 * `limit` operations into a call, of `settle` fewer.  Each operation has a
 * deadline of its own and is completed exactly once.
 */

#ifndef NGX_PAYTRADE_REDIS_BATCH_H
#define NGX_PAYTRADE_REDIS_BATCH_H

#include "ngx_paytrade_redis.h"


#define NGX_PAYTRADE_BATCH_MAX  256

/* Each may be of 50 orders, and Redis serves nobody else meanwhile. */
#define NGX_PAYTRADE_BATCH_SETTLE_MAX  64

typedef struct ngx_paytrade_redis_batcher_s  ngx_paytrade_redis_batcher_t;
typedef struct ngx_paytrade_redis_op_s       ngx_paytrade_redis_op_t;


/*
 * reply is the operation's own element, or the header when the script refused
 * the call as a whole; empty unless outcome is OK; dies with the handler.
 */
typedef void (*ngx_paytrade_redis_op_pt)(ngx_paytrade_redis_op_t *op,
    ngx_paytrade_redis_outcome_e outcome, pt_slice_t reply);

/* Owned by the caller, argv too, until the handler is called. */
struct ngx_paytrade_redis_op_s {
    ngx_queue_t                 queue;
    ngx_event_t                 deadline;
    ngx_uint_t                  argc;
    pt_slice_t                 *argv;
    ngx_paytrade_redis_op_pt    handler;
    void                       *data;
    void                       *lane;
    ngx_uint_t                  slot;      /* in the call in flight */
    ngx_msec_t                  started;
    unsigned                    sent:1;
};


/* The header of each answered call: what the scripts' contracts call header. */
typedef void (*ngx_paytrade_redis_header_pt)(void *data, ngx_uint_t partition,
    ngx_paytrade_script_e script, pt_slice_t header, ngx_uint_t nops);


typedef struct {
    ngx_paytrade_redis_t          *redis;      /* commands go here */
    ngx_uint_t                     partitions;
    ngx_uint_t                     limit;      /* operations per call */
    ngx_uint_t                     queue_max;  /* operations in all lanes */
    ngx_msec_t                     timeout;    /* deadline of an operation */
    ngx_paytrade_redis_header_pt   header;
    void                          *data;       /* of header */
    ngx_log_t                     *log;
    pt_slice_t                     prelude[NGX_PAYTRADE_SCRIPTS][4];
    ngx_uint_t                     nprelude[NGX_PAYTRADE_SCRIPTS];
                                   /* arguments of each call, before the ops */
} ngx_paytrade_redis_batcher_conf_t;


ngx_paytrade_redis_batcher_t *ngx_paytrade_redis_batcher_create(
    ngx_paytrade_redis_batcher_conf_t *conf);

/*
 * Completes all that waits as DOWN, all that is in flight as LOST, and frees
 * the batcher; may be called from any handler, before or after the connection
 * is closed.
 */
void ngx_paytrade_redis_batcher_destroy(ngx_paytrade_redis_batcher_t *batcher);

/*
 * Lets a partition's operations go, or holds them back: they wait until their
 * deadline, or are DOWN soon when there is no connection but a back-off.  All
 * partitions start held back.  Operations of `restore` go one to a call, and
 * are never held back.
 */
void ngx_paytrade_redis_partition_open(ngx_paytrade_redis_batcher_t *batcher,
    ngx_uint_t partition);
void ngx_paytrade_redis_partition_hold(ngx_paytrade_redis_batcher_t *batcher,
    ngx_uint_t partition);

/*
 * Sends, or gives up, what may wait no longer.  The batcher does so by itself
 * when the connection becomes ready, is lost or fails to come up.
 */
void ngx_paytrade_redis_batcher_kick(ngx_paytrade_redis_batcher_t *batcher);

/* Operations waiting and in flight. */
ngx_uint_t ngx_paytrade_redis_batcher_load(
    ngx_paytrade_redis_batcher_t *batcher);

/*
 * Adds an operation; NGX_OK: its handler will be called, later.  NGX_DECLINED:
 * queue_max is reached and it will not.
 */
ngx_int_t ngx_paytrade_redis_submit(ngx_paytrade_redis_batcher_t *batcher,
    ngx_uint_t partition, ngx_paytrade_script_e script,
    ngx_paytrade_redis_op_t *op);


#endif /* NGX_PAYTRADE_REDIS_BATCH_H */
