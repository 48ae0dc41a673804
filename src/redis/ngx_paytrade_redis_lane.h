/*
 * The inside of the batcher: lanes, and the script calls made for them.
 */

#ifndef NGX_PAYTRADE_REDIS_LANE_H
#define NGX_PAYTRADE_REDIS_LANE_H

#include "ngx_paytrade_redis_batch.h"
#include "ngx_paytrade_redis_connection.h"


typedef struct ngx_paytrade_redis_lane_s  ngx_paytrade_redis_lane_t;


/* In flight it outlives a batcher that is destroyed; then lane is NULL. */
typedef struct {
    ngx_paytrade_redis_cmd_t            cmd;
    ngx_paytrade_redis_lane_t          *lane;
    ngx_uint_t                          nops;   /* with those that left */
    unsigned                            whole:1;
    ngx_paytrade_redis_op_t            *ops[1];
} ngx_paytrade_redis_call_t;


struct ngx_paytrade_redis_lane_s {
    void                               *ident[3]; /* ev->data of deadlines */
    ngx_socket_t                        fd;

    ngx_paytrade_redis_batcher_t       *batcher;
    ngx_uint_t                          partition;
    ngx_paytrade_script_e               script;
    ngx_queue_t                         waiting;
    ngx_event_t                         send;   /* posted: sends or gives up */
    ngx_paytrade_redis_call_t          *call;
    unsigned                            in_flight:1;
};


struct ngx_paytrade_redis_batcher_s {
    ngx_paytrade_redis_batcher_conf_t   conf;
    ngx_paytrade_redis_watch_t          watch;
    ngx_paytrade_redis_lane_t          *lanes;
    ngx_uint_t                          nlanes;
    ngx_uint_t                          load;
    ngx_uint_t                          busy;   /* depth of own functions */
    pt_slice_t                         *argv;   /* of the call being made */
    ngx_uint_t                          nargv;
    unsigned                            destroyed:1;
    u_char                              open[1];   /* per partition */
};


/* ngx_paytrade_redis_batch.c */

/* Nobody frees the batcher between these two. */
void ngx_paytrade_redis_batcher_enter(ngx_paytrade_redis_batcher_t *batcher);
void ngx_paytrade_redis_batcher_leave(ngx_paytrade_redis_batcher_t *batcher);

/* Lets what waits be sent, or given up, soon. */
void ngx_paytrade_redis_lane_post(ngx_paytrade_redis_lane_t *lane);


/* ngx_paytrade_redis_call.c */

/* The lane's call, made when there is none; NULL: out of memory. */
ngx_paytrade_redis_call_t *ngx_paytrade_redis_lane_call(
    ngx_paytrade_redis_lane_t *lane);

ngx_int_t ngx_paytrade_redis_call_send(ngx_paytrade_redis_call_t *call);
void ngx_paytrade_redis_call_complete(ngx_paytrade_redis_call_t *call,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply);
void ngx_paytrade_redis_op_complete(ngx_paytrade_redis_op_t *op,
    ngx_paytrade_redis_outcome_e outcome, pt_slice_t reply);


#endif /* NGX_PAYTRADE_REDIS_LANE_H */
