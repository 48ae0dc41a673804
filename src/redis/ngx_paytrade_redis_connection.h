/*
 * The inside of a connection to Redis: what its own files share.
 */

#ifndef NGX_PAYTRADE_REDIS_CONNECTION_H
#define NGX_PAYTRADE_REDIS_CONNECTION_H

#include "ngx_paytrade_redis.h"


#define NGX_PAYTRADE_REDIS_OUT_MAX       (64 * 1024 * 1024)
#define NGX_PAYTRADE_REDIS_REPLY_MAX     (64 * 1024 * 1024)
#define NGX_PAYTRADE_REDIS_ELEMENTS_MAX  1000000

#define NGX_PAYTRADE_REDIS_BACKOFF_MIN   50
#define NGX_PAYTRADE_REDIS_BACKOFF_MAX   3000

#define NGX_PAYTRADE_REDIS_SAID          8
#define NGX_PAYTRADE_REDIS_RUN_ID_MAX    64


#if (HIREDIS_MAJOR >= 1)
typedef size_t  ngx_paytrade_redis_elements_t;
#else
typedef int     ngx_paytrade_redis_elements_t;
#endif


/* A message of the log, kept to tell a repetition from news. */
typedef struct {
    uint32_t     crc;
    ngx_uint_t   suppressed;
    ngx_msec_t   at;
} ngx_paytrade_redis_said_t;


typedef struct {
    u_char      *start;
    u_char      *pos;
    u_char      *last;
    u_char      *end;
} ngx_paytrade_redis_out_t;


typedef enum {
    NGX_PAYTRADE_REDIS_GREET_AUTH = 0,
    NGX_PAYTRADE_REDIS_GREET_SELECT,
    NGX_PAYTRADE_REDIS_GREET_NAME,
    NGX_PAYTRADE_REDIS_GREET_INFO,
    NGX_PAYTRADE_REDIS_GREET_FSYNC,
    NGX_PAYTRADE_REDIS_GREETS
} ngx_paytrade_redis_greet_e;


struct ngx_paytrade_redis_s {
    void                          *ident[3];   /* nginx's debug log reads */
    ngx_socket_t                   fd;         /* ev->data as a connection */

    ngx_paytrade_redis_state_e     state;
    ngx_paytrade_redis_conf_t     *conf;
    ngx_log_t                     *log;
    ngx_str_t                      name;

    ngx_connection_t              *connection;
    ngx_uint_t                     socket_no;  /* tells a new socket */
    redisReader                   *reader;
    redisReplyObjectFunctions      functions;
    void                        *(*create_array)(const redisReadTask *task,
                                       ngx_paytrade_redis_elements_t elements);
    size_t                         reply_size; /* of an unfinished reply */
    redisReply                    *reply;      /* that a handler looks at */
    ngx_paytrade_redis_out_t       out;

    ngx_queue_t                    in_flight;
    ngx_uint_t                     nin_flight;
    ngx_queue_t                    watches;

    ngx_event_t                    timer;      /* of the state */
    ngx_msec_t                     backoff;
    ngx_uint_t                     addr;
    ngx_uint_t                     tried;      /* addresses, of this round */
    ngx_uint_t                     busy;       /* depth of own functions */

    ngx_paytrade_redis_cmd_t       greeting[NGX_PAYTRADE_REDIS_GREETS];
    u_char                         run_id[NGX_PAYTRADE_REDIS_RUN_ID_MAX];
    size_t                         run_id_len;

    ngx_paytrade_redis_said_t      said[NGX_PAYTRADE_REDIS_SAID];

    ngx_paytrade_redis_state_pt    handler;
    void                          *data;

    unsigned                       blocking:1;
    unsigned                       draining:1; /* read-only: leave it soon */
    unsigned                       released:1; /* by its owner: free it */
};


/*
 * Others that want to know when the connection becomes READY, WAITING (also
 * when an attempt to connect failed) or CLOSED, after its owner was told.  The
 * call with CLOSED ends the watch.
 */
typedef struct ngx_paytrade_redis_watch_s  ngx_paytrade_redis_watch_t;

struct ngx_paytrade_redis_watch_s {
    ngx_queue_t     queue;
    void          (*handler)(ngx_paytrade_redis_watch_t *watch,
                        ngx_paytrade_redis_state_e state);
    void           *data;
};


/* ngx_paytrade_redis_connection.c */

void ngx_paytrade_redis_watch(ngx_paytrade_redis_t *redis,
    ngx_paytrade_redis_watch_t *watch);
void ngx_paytrade_redis_unwatch(ngx_paytrade_redis_watch_t *watch);

/* Nobody frees the object between these two. */
void ngx_paytrade_redis_enter(ngx_paytrade_redis_t *redis);
void ngx_paytrade_redis_leave(ngx_paytrade_redis_t *redis);

void ngx_paytrade_redis_established(ngx_paytrade_redis_t *redis);
void ngx_paytrade_redis_greeted(ngx_paytrade_redis_t *redis);

/* Says why, drops the socket, backs off. */
void ngx_paytrade_redis_fail(ngx_paytrade_redis_t *redis, ngx_err_t err,
    const char *fmt, ...);

void ngx_paytrade_redis_read_handler(ngx_event_t *ev);
void ngx_paytrade_redis_write_handler(ngx_event_t *ev);


/* ngx_paytrade_redis_command.c */

/* From a command's handler: the reply is the caller's, freeReplyObject it. */
redisReply *ngx_paytrade_redis_keep_reply(ngx_paytrade_redis_t *redis);

/* As ngx_paytrade_redis_command, with two vectors. */
ngx_int_t ngx_paytrade_redis_command_parts(ngx_paytrade_redis_t *redis,
    ngx_paytrade_redis_cmd_t *cmd, ngx_uint_t nhead, pt_slice_t *head,
    ngx_uint_t argc, pt_slice_t *argv);

/* Puts a command into the output, whatever the state. */
ngx_int_t ngx_paytrade_redis_enqueue(ngx_paytrade_redis_t *redis,
    ngx_paytrade_redis_cmd_t *cmd, ngx_uint_t nhead, pt_slice_t *head,
    ngx_uint_t argc, pt_slice_t *argv);

/* A reply from the server; NGX_DONE: the socket is gone since. */
ngx_int_t ngx_paytrade_redis_answer(ngx_paytrade_redis_t *redis,
    redisReply *reply);

/* Completes what is in flight as LOST. */
void ngx_paytrade_redis_lose(ngx_paytrade_redis_t *redis);

/* Fails when the oldest command waits for too long; else arms the timer. */
void ngx_paytrade_redis_overdue(ngx_paytrade_redis_t *redis);


/* ngx_paytrade_redis_greeting.c */

void ngx_paytrade_redis_greet(ngx_paytrade_redis_t *redis);


/* ngx_paytrade_redis_transport.c */

/* NGX_OK: connected, NGX_AGAIN: under way, NGX_ERROR: said why. */
ngx_int_t ngx_paytrade_redis_socket_open(ngx_paytrade_redis_t *redis);
void ngx_paytrade_redis_socket_close(ngx_paytrade_redis_t *redis);

/* The error that a connect() under way ended with, or 0. */
ngx_err_t ngx_paytrade_redis_socket_error(ngx_paytrade_redis_t *redis);

/* NGX_OK: nothing to do, NGX_AGAIN: ..._established will be called. */
ngx_int_t ngx_paytrade_redis_tls(ngx_paytrade_redis_t *redis);

u_char *ngx_paytrade_redis_reserve(ngx_paytrade_redis_t *redis, size_t size);
void ngx_paytrade_redis_input(ngx_paytrade_redis_t *redis);
void ngx_paytrade_redis_output(ngx_paytrade_redis_t *redis);


/* ngx_paytrade_redis_outcome.c */

ngx_paytrade_redis_outcome_e ngx_paytrade_redis_classify(
    const redisReply *reply);

/* An error reply that begins with these words. */
ngx_uint_t ngx_paytrade_redis_error_is(const redisReply *reply,
    const char *words);

/* An error reply that callers deal with: not for the log. */
ngx_uint_t ngx_paytrade_redis_expected(const redisReply *reply);

/* Logs the same sentence once a second at most. */
void ngx_paytrade_redis_say(ngx_paytrade_redis_t *redis, ngx_uint_t level,
    ngx_err_t err, const char *fmt, ...);
void ngx_paytrade_redis_vsay(ngx_paytrade_redis_t *redis, ngx_uint_t level,
    ngx_err_t err, const char *fmt, va_list args);


#endif /* NGX_PAYTRADE_REDIS_CONNECTION_H */
