/*
 * Redis: one connection of a worker, commands and script calls on it.
 *
 * hiredis parses, nginx transports: the connection is an
 * ngx_connection_t over a unix socket, TCP or TLS, driven by nginx's events
 * and timers.  Nothing here knows an HTTP request.
 */

#ifndef NGX_PAYTRADE_REDIS_H
#define NGX_PAYTRADE_REDIS_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <hiredis/hiredis.h>

#include "pt_slice.h"


typedef struct ngx_paytrade_redis_s       ngx_paytrade_redis_t;
typedef struct ngx_paytrade_redis_cmd_s   ngx_paytrade_redis_cmd_t;


/*
 * What became of a command.  Up to REFUSED nothing was changed; after LOST and
 * TIMED_OUT nobody knows.
 */
typedef enum {
    NGX_PAYTRADE_REDIS_OK = 0,
    NGX_PAYTRADE_REDIS_LOADING,        /* error replies, told apart */
    NGX_PAYTRADE_REDIS_READONLY,
    NGX_PAYTRADE_REDIS_OOM,
    NGX_PAYTRADE_REDIS_MISCONF,
    NGX_PAYTRADE_REDIS_NOREPLICAS,
    NGX_PAYTRADE_REDIS_BUSY,
    NGX_PAYTRADE_REDIS_MASTERDOWN,
    NGX_PAYTRADE_REDIS_CLUSTERDOWN,
    NGX_PAYTRADE_REDIS_NOAUTH,
    NGX_PAYTRADE_REDIS_NOPERM,
    NGX_PAYTRADE_REDIS_NOSCRIPT,
    NGX_PAYTRADE_REDIS_ERROR,          /* any other error reply */
    NGX_PAYTRADE_REDIS_DOWN,           /* not connected, nothing was sent */
    NGX_PAYTRADE_REDIS_EXPIRED,        /* deadline before it was sent */
    NGX_PAYTRADE_REDIS_REFUSED,        /* a queue is full, nothing was sent */
    NGX_PAYTRADE_REDIS_LOST,           /* connection lost after sending */
    NGX_PAYTRADE_REDIS_TIMED_OUT,      /* deadline after sending */
    NGX_PAYTRADE_REDIS_OUTCOMES
} ngx_paytrade_redis_outcome_e;


/* CONNECTING -> GREETING -> READY -> (WAITING -> CONNECTING) | CLOSED */
typedef enum {
    NGX_PAYTRADE_REDIS_WAITING = 0,    /* back-off before the next try */
    NGX_PAYTRADE_REDIS_CONNECTING,     /* connect() and TLS under way */
    NGX_PAYTRADE_REDIS_GREETING,       /* AUTH, SELECT, SETNAME, INFO */
    NGX_PAYTRADE_REDIS_READY,
    NGX_PAYTRADE_REDIS_CLOSED          /* for good: the worker leaves */
} ngx_paytrade_redis_state_e;


/* Read once by the master; shared by all connections of a worker. */
typedef struct {
    ngx_addr_t       *addrs;           /* tried in turn */
    ngx_uint_t        naddrs;
    ngx_str_t         url;             /* for the log, without secrets */
    ngx_str_t         user;            /* ACL user; empty: default */
    ngx_str_t         password;
    ngx_uint_t        database;
    ngx_str_t         tls_name;        /* verified name and SNI */
    ngx_ssl_t        *ssl;             /* NULL: no TLS */
    ngx_str_t         context;         /* "CURRENCY EVENTS": common.lua */
    ngx_uint_t        durability;      /* NGX_PAYTRADE_DURABILITY_* */
    ngx_msec_t        connect_timeout; /* connect and greeting together */
    ngx_msec_t        timeout;         /* longest wait for a reply */
    unsigned          tls_verify:1;
} ngx_paytrade_redis_conf_t;

#define NGX_PAYTRADE_DURABILITY_MEMORY  0
#define NGX_PAYTRADE_DURABILITY_AOF     1


/*
 * Gets the outcome and the reply, which dies when the handler returns; reply
 * is an error reply when Redis answered with one, NULL when it did not answer.
 * Called exactly once per command, never from inside
 * ngx_paytrade_redis_command().
 */
typedef void (*ngx_paytrade_redis_cmd_pt)(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply);

struct ngx_paytrade_redis_cmd_s {
    ngx_queue_t                 queue;      /* of the connection */
    ngx_paytrade_redis_cmd_pt   handler;
    void                       *data;
    ngx_msec_t                  sent_at;    /* ngx_current_msec */
};


/*
 * Greeted and ready, or (ready == 0) lost after having been ready, or closed
 * for good.
 */
typedef void (*ngx_paytrade_redis_state_pt)(ngx_paytrade_redis_t *redis,
    void *data, ngx_uint_t ready);


/*
 * Makes a connection that keeps itself connected, with back-off and jitter,
 * until it is closed.  name goes to CLIENT SETNAME.  A blocking connection
 * has no time-out for replies of its own.  Never fails because Redis is down;
 * NULL when out of memory.
 */
ngx_paytrade_redis_t *ngx_paytrade_redis_open(ngx_paytrade_redis_conf_t *conf,
    ngx_log_t *log, ngx_str_t *name, ngx_uint_t blocking,
    ngx_paytrade_redis_state_pt handler, void *data);

/*
 * Completes what is in flight as LOST, closes the socket, frees the object;
 * may be called from any handler.
 *
 * A worker that leaves gracefully may still have requests to finish, so its
 * connection stays usable until the owner closes it, in exit_process at the
 * latest; it does not keep the worker from leaving unless a reply is owed.  A
 * blocking connection closes itself then: its state is CLOSED, and close()
 * only frees it.
 */
void ngx_paytrade_redis_close(ngx_paytrade_redis_t *redis);

ngx_paytrade_redis_state_e ngx_paytrade_redis_state(
    ngx_paytrade_redis_t *redis);

/* The run_id that INFO gave for the server of this connection; empty before. */
pt_slice_t ngx_paytrade_redis_run_id(ngx_paytrade_redis_t *redis);

/* Commands sent and not yet answered. */
ngx_uint_t ngx_paytrade_redis_in_flight(ngx_paytrade_redis_t *redis);

/*
 * Sends a command; argv is copied.  NGX_OK: the handler will be called.
 * NGX_DECLINED (not ready) and NGX_ERROR (out of memory): it will not.
 * The caller keeps cmd until the handler is called.
 */
ngx_int_t ngx_paytrade_redis_command(ngx_paytrade_redis_t *redis,
    ngx_paytrade_redis_cmd_t *cmd, ngx_uint_t argc, pt_slice_t *argv);

/* Drops the socket with this reason in the log; reconnects by itself. */
void ngx_paytrade_redis_reconnect(ngx_paytrade_redis_t *redis,
    const char *reason);

/* A word for logs and metrics: "ok", "oom", "timed_out"… */
const char *ngx_paytrade_redis_outcome_word(
    ngx_paytrade_redis_outcome_e outcome);


/* Scripts: src/redis/lua/NAME.lua, embedded by the build with its SHA1. */

typedef enum {
    NGX_PAYTRADE_SCRIPT_HOLD = 0,
    NGX_PAYTRADE_SCRIPT_CLOSE,
    NGX_PAYTRADE_SCRIPT_CATALOG,
    NGX_PAYTRADE_SCRIPT_READ,
    NGX_PAYTRADE_SCRIPT_RESTORE,
    NGX_PAYTRADE_SCRIPT_ACK,
    NGX_PAYTRADE_SCRIPT_PAY,
    NGX_PAYTRADE_SCRIPT_SETTLE,
    NGX_PAYTRADE_SCRIPT_EVENTS,
    NGX_PAYTRADE_SCRIPTS
} ngx_paytrade_script_e;

typedef struct {
    const char  *name;
    const char  *sha1;         /* 40 hexadecimal digits */
    const char  *text;
    size_t       len;
} ngx_paytrade_script_t;

/* In build/ngx_paytrade_scripts.c, made from lua/ by the build. */
extern const ngx_paytrade_script_t  ngx_paytrade_scripts[];


/*
 * One call of a script on a partition.  As ngx_paytrade_redis_command, with
 * EVALSHA, the keys of the partition and the run_id put before argv.
 * `whole` sends the text instead of its SHA1 (after a NOSCRIPT).
 */
ngx_int_t ngx_paytrade_redis_script(ngx_paytrade_redis_t *redis,
    ngx_paytrade_redis_cmd_t *cmd, ngx_paytrade_script_e script,
    ngx_uint_t partition, ngx_uint_t whole, ngx_uint_t argc,
    pt_slice_t *argv);


#endif /* NGX_PAYTRADE_REDIS_H */
