/*
 * What the files of the HTTP layer share: the worker's connections, the state
 * of a request, and the functions between the files.
 */

#ifndef NGX_HTTP_PAYTRADE_H
#define NGX_HTTP_PAYTRADE_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "pt_item.h"
#include "pt_journal.h"
#include "pt_order.h"
#include "pt_problem.h"
#include "ngx_paytrade_redis_batch.h"
#include "ngx_paytrade_redis_journal.h"
#include "ngx_paytrade_pg_writer.h"
#include "ngx_http_paytrade_conf.h"


#define NGX_HTTP_PAYTRADE_VERSION  "0.3.0"


typedef struct ngx_http_paytrade_partition_s  ngx_http_paytrade_partition_t;
typedef struct ngx_http_paytrade_call_s       ngx_http_paytrade_call_t;
typedef struct ngx_http_paytrade_rebuild_s    ngx_http_paytrade_rebuild_t;
typedef struct ngx_http_paytrade_recall_s     ngx_http_paytrade_recall_t;


/* UNKNOWN -> CHECKING -> OPEN; CHECKING -> LOST -> CHECKING */
typedef enum {
    NGX_HTTP_PAYTRADE_UNKNOWN = 0,   /* not connected yet */
    NGX_HTTP_PAYTRADE_CHECKING,      /* comparing Redis with PostgreSQL */
    NGX_HTTP_PAYTRADE_OPEN,
    NGX_HTTP_PAYTRADE_LOST           /* Redis lost changes; rebuild */
} ngx_http_paytrade_partition_state_e;


struct ngx_http_paytrade_worker_s {
    ngx_http_paytrade_main_conf_t   *conf;
    ngx_log_t                       *log;
    ngx_pool_t                      *pool;
    ngx_uint_t                       slot;
    ngx_uint_t                       slots;      /* worker processes */
    ngx_paytrade_redis_t            *redis;
    ngx_paytrade_redis_batcher_t    *batcher;
    ngx_paytrade_pg_t               *pg;         /* reads */
    ngx_paytrade_pg_t               *pg_journal; /* the journal's writers */
    ngx_http_paytrade_partition_t   *partitions;
    ngx_http_paytrade_call_t        *free_calls;
    ngx_uint_t                       ncalls;
    ngx_uint_t                       max_calls;
    ngx_uint_t                       signing;    /* in the thread pool */
    ngx_uint_t                       callbacks;  /* being read or verified */
};


/* What ngx_http_paytrade_pump.c keeps for a partition of this worker. */
typedef struct {
    ngx_paytrade_redis_journal_t    *reader;
    ngx_paytrade_pg_writer_t        *writer;
    ngx_paytrade_pg_writer_stats_t   seen;       /* already in the counters */
    pt_op_t                         *ops;
    ngx_uint_t                       max_ops;
    int64_t                          epoch;      /* when the batch was read */
    ngx_uint_t                       connects;   /* then, of the partition */
    ngx_event_t                      count;      /* statistics timer */
    unsigned                         writing:1;  /* a batch is under way */
} ngx_http_paytrade_pump_t;


struct ngx_http_paytrade_partition_s {
    ngx_http_paytrade_worker_t          *worker;
    ngx_uint_t                           number;
    ngx_http_paytrade_partition_state_e  state;
    ngx_paytrade_redis_cmd_t             cmd;
    ngx_paytrade_pg_exchange_t           exchange;
    ngx_paytrade_pg_statement_t          statement;
    const char                          *params[1];
    char                                 number_text[8];
    ngx_event_t                          retry;
    ngx_paytrade_redis_op_t              sweep;
    pt_slice_t                           sweep_argv[4];
    char                                 retention_text[24];
    ngx_event_t                          sweep_timer;
    ngx_paytrade_redis_op_t              trim;
    pt_slice_t                           trim_argv[3];
    char                                 events_max_text[24];
    ngx_event_t                          trim_timer;
    ngx_http_paytrade_pump_t             pump;
    ngx_http_paytrade_rebuild_t         *rebuild;
    ngx_http_paytrade_recall_t          *recall;
    time_t                               told;       /* of the last log line */
    time_t                               events_told;
    ngx_uint_t                           connects;   /* and losses, so far */
    ngx_uint_t                           asked_on;   /* connects, when asked */
    int64_t                              redis_epoch;
    int64_t                              redis_last_ms;
    int64_t                              redis_last_seq;
    unsigned                             owned:1;
    unsigned                             busy:1;     /* a check is in flight */
    unsigned                             rebuild_wanted:1;
    unsigned                             sweeping:1;
    unsigned                             trimming:1;
};


/* What `state` of restore.lua answers. */
typedef struct {
    pt_slice_t  run;
    int64_t     epoch;         /* 0: none */
    int         fresh;
    int64_t     partitions;    /* 0: not known */
} ngx_http_paytrade_found_t;


/*
 * A call: what is in flight for a request, outside the request's memory.  When
 * the client leaves, r becomes NULL and the answer is thrown away.
 */
typedef void (*ngx_http_paytrade_call_pt)(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);

#define NGX_HTTP_PAYTRADE_CALL_ARGS   64
#define NGX_HTTP_PAYTRADE_CALL_BYTES  1024
#define NGX_HTTP_PAYTRADE_CALL_PARAMS 4

struct ngx_http_paytrade_call_s {
    ngx_http_request_t             *r;
    ngx_http_cleanup_t             *cleanup;
    ngx_http_paytrade_worker_t     *worker;
    ngx_http_paytrade_call_t       *next;
    ngx_http_paytrade_call_pt       handler;
    void                           *ctx;         /* of r, when it began */
    ngx_uint_t                      partition;
    ngx_paytrade_redis_outcome_e    outcome;
    ngx_paytrade_pg_outcome_e       pg_outcome;
    pt_slice_t                      reply;       /* valid in the handler */
    ngx_paytrade_redis_op_t         op;
    ngx_paytrade_pg_exchange_t      exchange;    /* results: in the handler */
    ngx_paytrade_pg_statement_t     statement;
    const char                     *params[NGX_HTTP_PAYTRADE_CALL_PARAMS];
    pt_slice_t                     *argv;
    ngx_uint_t                      argc;
    ngx_uint_t                      max_args;
    u_char                         *pos;
    u_char                         *end;
    u_char                         *extra;       /* larger than bytes[] */
    pt_slice_t                      args[NGX_HTTP_PAYTRADE_CALL_ARGS];
    u_char                          bytes[NGX_HTTP_PAYTRADE_CALL_BYTES];
};


typedef void (*ngx_http_paytrade_body_pt)(ngx_http_request_t *r,
    pt_slice_t body);

typedef void (*ngx_http_paytrade_located_pt)(ngx_http_request_t *r,
    pt_slice_t sale);

typedef ngx_int_t (*ngx_http_paytrade_there_pt)(ngx_http_request_t *r,
    ngx_uint_t partition);

/* The state of a request of ours, in its pool. */
typedef struct {
    ngx_http_request_t          *request;        /* whose state this is */
    ngx_http_paytrade_worker_t  *worker;
    ngx_http_paytrade_body_pt    body;
    size_t                       body_max;
    ngx_http_handler_pt          too_large;      /* instead of body */
    ngx_http_paytrade_located_pt located;
    ngx_http_paytrade_there_pt   there;
    pt_hold_t                    hold;
    pt_slice_t                   user;
    pt_slice_t                   key;            /* idempotency key */
    ngx_str_t                    result;         /* $paytrade_result */
    ngx_str_t                    order_id;
    ngx_str_t                    sku;
    ngx_str_t                    amount;
    ngx_str_t                    currency;       /* of a callback */
    ngx_str_t                    pay_no;
    ngx_str_t                    trade_no;
    ngx_str_t                    gateway;
    ngx_str_t                    verify;         /* ok, bad_signature… */
    ngx_str_t                    event_id;
    ngx_str_t                    event_type;     /* paid, refunded… */
    ngx_msec_t                   redis_started;
    ngx_msec_t                   redis_time;
    ngx_uint_t                   asking;         /* partitions still asked */
    ngx_uint_t                   failed;
    unsigned                     found:1;
    unsigned                     own_key:1;      /* made here */
    unsigned                     has_redis_time:1;
    unsigned                     page_sent:1;
    unsigned                     verifying:1;    /* paytrade_verify: begun, */
    unsigned                     verified:1;     /* done with */
    unsigned                     trying:1;       /* a dry run of a hold */
    unsigned                     tried:1;
    unsigned                     counted:1;      /* in worker->callbacks */
    ngx_event_t                  body_timer;     /* of a callback */
    pt_slice_t                   page;           /* instead of nginx's HTML */
    void                        *data;           /* of one endpoint */
} ngx_http_paytrade_ctx_t;


extern ngx_module_t  ngx_http_paytrade_module;


/* ngx_http_paytrade_worker.c */
ngx_int_t ngx_http_paytrade_init_process(ngx_cycle_t *cycle);
void ngx_http_paytrade_exit_process(ngx_cycle_t *cycle);
ngx_uint_t ngx_http_paytrade_partition_of(ngx_http_paytrade_main_conf_t *conf,
    pt_slice_t sale);

/* ngx_http_paytrade_partition.c: is Redis what PostgreSQL knows? */
void ngx_http_paytrade_partition_init(ngx_http_paytrade_partition_t *part);
void ngx_http_paytrade_partition_connected(ngx_http_paytrade_partition_t *part,
    ngx_uint_t ready);
void ngx_http_paytrade_partition_recheck(ngx_http_paytrade_partition_t *part);
void ngx_http_paytrade_partition_stop(ngx_http_paytrade_partition_t *part);
/* What its owner found: Redis lost changes and is not yet rebuilt. */
ngx_uint_t ngx_http_paytrade_partition_is_lost(
    ngx_http_paytrade_worker_t *worker, ngx_uint_t partition);
/*
 * Makes Redis refuse the partition until its owner has rebuilt it, as soon as
 * that can be told to Redis; NGX_DECLINED while it cannot.
 */
ngx_int_t ngx_http_paytrade_partition_request_rebuild(
    ngx_http_paytrade_worker_t *worker, ngx_uint_t partition);
/* For the log, once a second at most. */
ngx_uint_t ngx_http_paytrade_partition_may_tell(
    ngx_http_paytrade_partition_t *part);

/* ngx_http_paytrade_restore.c: empty, or NGX_ERROR, when it makes no sense. */
pt_slice_t ngx_http_paytrade_restore_reply(redisReply *reply);
ngx_int_t ngx_http_paytrade_read_state(ngx_http_paytrade_partition_t *part,
    redisReply *reply, ngx_http_paytrade_found_t *found);

/* ngx_http_paytrade_sweep.c: releasing what is due. */
void ngx_http_paytrade_sweep_init(ngx_http_paytrade_partition_t *part);
void ngx_http_paytrade_sweep_start(ngx_http_paytrade_partition_t *part);
void ngx_http_paytrade_sweep_stop(ngx_http_paytrade_partition_t *part);

/* ngx_http_paytrade_events.c: trimming the events, watching their groups. */
void ngx_http_paytrade_trim_init(ngx_http_paytrade_partition_t *part);
void ngx_http_paytrade_trim_start(ngx_http_paytrade_partition_t *part);
void ngx_http_paytrade_trim_stop(ngx_http_paytrade_partition_t *part);

/* ngx_http_paytrade_recall.c: filling a new zone's filter of buyers. */
void ngx_http_paytrade_recall_start(ngx_http_paytrade_partition_t *part);
void ngx_http_paytrade_recall_stop(ngx_http_paytrade_partition_t *part);

/* ngx_http_paytrade_pump.c: from the journal to PostgreSQL. */
ngx_int_t ngx_http_paytrade_pump_start(ngx_http_paytrade_partition_t *part);
void ngx_http_paytrade_pump_stop(ngx_http_paytrade_partition_t *part);

/* ngx_http_paytrade_rebuild.c: from PostgreSQL back into Redis. */
void ngx_http_paytrade_rebuild_start(ngx_http_paytrade_partition_t *part);
void ngx_http_paytrade_rebuild_stop(ngx_http_paytrade_partition_t *part);
/* Called by the rebuild when it has ended; ok == 0: try again later. */
void ngx_http_paytrade_partition_rebuilt(ngx_http_paytrade_partition_t *part,
    ngx_uint_t ok);

/*
 * ngx_http_paytrade_step.c
 *
 * A step returns NGX_HTTP_PAYTRADE_WAITS when a call is under way (NGX_AGAIN is
 * an answer that the client has not yet taken), else what finalizes the
 * request.  Three ways to give that to nginx: from the content handler, from
 * the handler of a body, from the handler of a call.
 */
#define NGX_HTTP_PAYTRADE_WAITS  NGX_BUSY

ngx_int_t ngx_http_paytrade_wait(ngx_http_request_t *r, ngx_int_t rc);
void ngx_http_paytrade_wait_body(ngx_http_request_t *r, ngx_int_t rc);
void ngx_http_paytrade_wait_call(ngx_http_request_t *r, ngx_int_t rc);

/* What a step returns after it has started a call, or could not. */
ngx_int_t ngx_http_paytrade_started(ngx_http_request_t *r, ngx_int_t rc);

/* 405 with the methods that are allowed. */
ngx_int_t ngx_http_paytrade_bad_method(ngx_http_request_t *r,
    const char *allow);

pt_slice_t ngx_http_paytrade_currency(ngx_http_paytrade_worker_t *worker);

/* Asks PostgreSQL for an order that Redis does not know (any more). */
ngx_int_t ngx_http_paytrade_stored_order(ngx_http_request_t *r, pt_slice_t id,
    ngx_http_paytrade_call_pt handler);
ngx_int_t ngx_http_paytrade_reply_order(ngx_http_request_t *r,
    ngx_uint_t status, const char *result, pt_order_t *order);

/* The first word of a reply, and what follows it; empty when it failed. */
pt_slice_t ngx_http_paytrade_word(ngx_http_paytrade_call_t *call,
    pt_slice_t *rest);

/*
 * ngx_http_paytrade_call.c
 *
 * get: a call for r from the worker's bounded list, NULL when there is none
 * left.  arg and argf copy into the call's own memory; a failure is remembered
 * and told by the start functions.  A start function takes the call over:
 * NGX_OK, the handler comes later unless the client leaves; anything else, the
 * call is free again and the caller answers.
 */
ngx_http_paytrade_call_t *ngx_http_paytrade_call_get(ngx_http_request_t *r);
void ngx_http_paytrade_call_arg(ngx_http_paytrade_call_t *call,
    pt_slice_t value);
void ngx_http_paytrade_call_str(ngx_http_paytrade_call_t *call,
    const char *value);
void ngx_http_paytrade_call_int(ngx_http_paytrade_call_t *call, int64_t value);
ngx_int_t ngx_http_paytrade_call_redis(ngx_http_paytrade_call_t *call,
    ngx_uint_t partition, ngx_paytrade_script_e script,
    ngx_http_paytrade_call_pt handler);
ngx_int_t ngx_http_paytrade_call_pg(ngx_http_paytrade_call_t *call,
    const char *sql, ngx_http_paytrade_call_pt handler);
void ngx_http_paytrade_calls_free(ngx_http_paytrade_worker_t *worker);
/* While the request waits: the client may leave. */
ngx_int_t ngx_http_paytrade_watch(ngx_http_request_t *r);

/*
 * ngx_http_paytrade_request.c: what comes in.
 *
 * begin makes the context; its worker is NULL while there is none.  read_json
 * reads the whole body and calls handler once; what it returns, the content
 * handler returns.  read_user and read_key: NGX_OK, NGX_ERROR, or NGX_DECLINED
 * with the problem to answer.
 */
ngx_http_paytrade_ctx_t *ngx_http_paytrade_begin(ngx_http_request_t *r);
ngx_int_t ngx_http_paytrade_read_json(ngx_http_request_t *r,
    ngx_http_paytrade_body_pt handler);
/* Of any type, empty too; over max, too_large finalizes the request. */
ngx_int_t ngx_http_paytrade_read_raw(ngx_http_request_t *r, size_t max,
    ngx_http_paytrade_body_pt handler, ngx_http_handler_pt too_large);
/*
 * A body that nginx has read, as one slice, in memory of the pool where it is
 * in pieces or in a file.  NGX_DECLINED: it is larger than max.
 */
ngx_int_t ngx_http_paytrade_raw_body(ngx_http_request_body_t *rb,
    ngx_pool_t *pool, size_t max, pt_slice_t *body);
ngx_uint_t ngx_http_paytrade_is_json(ngx_http_request_t *r);
/* A header of request r, its name in any case; of several, see the file. */
pt_slice_t ngx_http_paytrade_header_in(void *r, const char *name);
ngx_int_t ngx_http_paytrade_no_body(ngx_http_request_t *r);
ngx_int_t ngx_http_paytrade_read_user(ngx_http_request_t *r,
    pt_problem_e *problem, const char **detail);
ngx_int_t ngx_http_paytrade_read_key(ngx_http_request_t *r,
    pt_slice_t request_id, pt_problem_e *problem, const char **detail);
ngx_int_t ngx_http_paytrade_arg(ngx_http_request_t *r, const char *name,
    pt_slice_t *value);
void ngx_http_paytrade_hash(pt_slice_t text, u_char hash[PT_HASH_LEN]);

/*
 * ngx_http_paytrade_reply.c: what goes out.  All of them return what
 * ngx_http_finalize_request() wants.  finish finalizes and runs what is posted:
 * for handlers of calls, whose event is not the request's own.
 */
void ngx_http_paytrade_out_init(pt_out_t *out, ngx_http_request_t *r,
    size_t hint);
ngx_int_t ngx_http_paytrade_reply_json(ngx_http_request_t *r,
    ngx_uint_t status, const char *result, pt_out_t *out);
ngx_int_t ngx_http_paytrade_reply_problem(ngx_http_request_t *r,
    pt_problem_e problem, const char *detail);
/* As above, for a body that the caller opened with pt_problem_open. */
ngx_int_t ngx_http_paytrade_reply_problem_out(ngx_http_request_t *r,
    pt_problem_e problem, pt_out_t *out);
/* As above, uncounted, and with another $paytrade_result than the code. */
ngx_int_t ngx_http_paytrade_reply_problem_as(ngx_http_request_t *r,
    pt_problem_e problem, const char *result, pt_out_t *out);
/* With the order of which it speaks; status: its order_status, or NULL. */
ngx_int_t ngx_http_paytrade_reply_order_problem(ngx_http_request_t *r,
    pt_problem_e problem, const char *detail, pt_slice_t order_id,
    const char *status);
/* 503, or what the words "restarted", "no_epoch", "broken" of a script ask. */
ngx_int_t ngx_http_paytrade_reply_failure(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
/* The idempotency key, when it was made here. */
ngx_int_t ngx_http_paytrade_tell_key(ngx_http_request_t *r);
/* What of that is to be counted, logged and done; the detail for a client. */
const char *ngx_http_paytrade_note_failure(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
/* A body of any type; type and body are constants. */
ngx_int_t ngx_http_paytrade_reply_text(ngx_http_request_t *r,
    ngx_uint_t status, const char *result, const char *type,
    const char *body);
ngx_int_t ngx_http_paytrade_header(ngx_http_request_t *r, const char *name,
    pt_slice_t value);
ngx_int_t ngx_http_paytrade_retry_after(ngx_http_request_t *r, int64_t ms);
void ngx_http_paytrade_finish(ngx_http_request_t *r, ngx_int_t rc);

/* The variables for the log; a trade_no may be empty. */
void ngx_http_paytrade_set_order_vars(ngx_http_request_t *r,
    pt_slice_t order_id, int64_t amount);
void ngx_http_paytrade_set_payment_vars(ngx_http_request_t *r,
    pt_slice_t pay_no, pt_slice_t trade_no, int64_t amount);

/*
 * ngx_http_paytrade_hold.c: the parts of a hold.  read as read_user; sale as
 * ngx_http_paytrade_locate, or NGX_ABORT when the zone knows that the SKU is
 * sold out; call returns what ngx_http_paytrade_call_redis does; look: it takes
 * nothing.  The sale may point into sku.
 */
ngx_int_t ngx_http_paytrade_hold_read(ngx_http_request_t *r, pt_slice_t body,
    pt_problem_e *problem, const char **detail);
ngx_int_t ngx_http_paytrade_hold_sale(ngx_http_request_t *r,
    ngx_http_paytrade_sku_t *sku, pt_slice_t *sale,
    ngx_http_paytrade_located_pt located);
ngx_int_t ngx_http_paytrade_hold_call(ngx_http_request_t *r, pt_slice_t sale,
    ngx_uint_t look, ngx_http_paytrade_call_pt handler);

/*
 * ngx_http_paytrade_hold_answer.c; verdict, of one that only looked: NGX_OK, it
 * would be held; NGX_DONE, it is; NGX_DECLINED with the problem.
 */
ngx_int_t ngx_http_paytrade_hold_verdict(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_problem_e *problem);
void ngx_http_paytrade_hold_answer(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
/* retry_ms: units may come back after that; 0: they are sold. */
ngx_int_t ngx_http_paytrade_hold_sold_out(ngx_http_request_t *r,
    pt_slice_t sku, int64_t available, int64_t retry_ms);

/* One file per endpoint. */
ngx_int_t ngx_http_paytrade_items_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_paytrade_hold_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_paytrade_order_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_paytrade_admin_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_paytrade_status_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_paytrade_pay_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_paytrade_payment_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_paytrade_notify_handler(ngx_http_request_t *r);

/*
 * ngx_http_paytrade_verify.c, ngx_http_paytrade_dry_run.c: before the content;
 * init puts both into their phase.
 */
ngx_int_t ngx_http_paytrade_dry_run_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_paytrade_verify_init(ngx_conf_t *cf);

/* Words of ngx_http_paytrade_callback_e, for logs and metrics. */
const char *ngx_http_paytrade_callback_word(ngx_uint_t callback);

/*
 * ngx_http_paytrade_by_id.c: serves a request that names something by the id in
 * a directive's value, after ngx_http_paytrade_begin; *id is in the context.
 * submit returns what ngx_http_paytrade_call_redis does, or NGX_DECLINED.
 */
typedef struct {
    ngx_uint_t      methods;
    const char     *allow;     /* the same, for the header */
    const char     *bad;       /* the detail when it is no id */
    pt_problem_e    unknown;   /* and when it can be none of ours */
    const char     *none;
    ngx_int_t     (*submit)(ngx_http_request_t *r, pt_slice_t id,
                            ngx_uint_t partition);
} ngx_http_paytrade_by_id_t;

ngx_int_t ngx_http_paytrade_by_id(ngx_http_request_t *r,
    const ngx_http_paytrade_by_id_t *by, ngx_http_complex_value_t *value,
    ngx_str_t *id);

/*
 * ngx_http_paytrade_locate.c: which sale a SKU belongs to.  NGX_OK: *sale is
 * set.  NGX_AGAIN: the partitions are asked; found is called later, once, with
 * an empty sale when no partition knows it, or with failed calls told by
 * ctx->failed.  NGX_DECLINED: unknown, remembered from a moment ago.
 * NGX_ERROR: nobody can be asked.  locate_ask does not believe the zone.
 * at_item goes on in the partition of the SKU, or answers; it returns what a
 * content handler does, as there has to.
 */
ngx_int_t ngx_http_paytrade_locate(ngx_http_request_t *r, pt_slice_t sku,
    pt_slice_t *sale, ngx_http_paytrade_located_pt found);
ngx_int_t ngx_http_paytrade_locate_ask(ngx_http_request_t *r, pt_slice_t sku,
    ngx_http_paytrade_located_pt found);
ngx_int_t ngx_http_paytrade_at_item(ngx_http_request_t *r, pt_slice_t sku,
    ngx_http_paytrade_there_pt there);

/* ngx_http_paytrade_admin_*.c: the larger parts of paytrade_admin. */
ngx_int_t ngx_http_paytrade_drift_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_paytrade_letters_handler(ngx_http_request_t *r,
    pt_slice_t path);
ngx_int_t ngx_http_paytrade_rebuild_handler(ngx_http_request_t *r);

/* ngx_http_paytrade_variables.c, ngx_http_paytrade_filter.c */
ngx_int_t ngx_http_paytrade_add_variables(ngx_conf_t *cf);
/*
 * The state of r; the last one also after an internal redirect, at which nginx
 * forgets it.  keep: of a new one, so that it is found again.
 */
ngx_http_paytrade_ctx_t *ngx_http_paytrade_find_ctx(ngx_http_request_t *r);
ngx_int_t ngx_http_paytrade_keep_ctx(ngx_http_request_t *r,
    ngx_http_paytrade_ctx_t *ctx);
ngx_int_t ngx_http_paytrade_filter_init(ngx_conf_t *cf);


#endif /* NGX_HTTP_PAYTRADE_H */
