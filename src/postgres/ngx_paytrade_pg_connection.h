/*
 * What the two halves of a connection share: its life (connection.c) and the
 * exchanges on it (exchange.c).
 */

#ifndef NGX_PAYTRADE_PG_CONNECTION_H
#define NGX_PAYTRADE_PG_CONNECTION_H

#include "ngx_paytrade_pg.h"


#define NGX_PAYTRADE_PG_BACKOFF_MIN  100
#define NGX_PAYTRADE_PG_BACKOFF_MAX  5000


/*
 * IDLE -> CONNECTING -> READY <-> BUSY
 *   ^         |           |        |
 *   +---- BACKOFF <-------+--------+
 *
 * An established connection that is lost is made again at once (CONNECTING)
 * when it had served since it was made, so that a restart costs no wait.
 */
typedef enum {
    NGX_PAYTRADE_PG_IDLE = 0,
    NGX_PAYTRADE_PG_CONNECTING,
    NGX_PAYTRADE_PG_READY,
    NGX_PAYTRADE_PG_BUSY,
    NGX_PAYTRADE_PG_BACKOFF
} ngx_paytrade_pg_state_e;


/* What is logged once a second at most, each by itself. */
typedef enum {
    NGX_PAYTRADE_PG_LOG_CONNECT = 0,
    NGX_PAYTRADE_PG_LOG_LOST,
    NGX_PAYTRADE_PG_LOG_ERROR,
    NGX_PAYTRADE_PG_LOG_NOTICE,
    NGX_PAYTRADE_PG_LOG_KINDS
} ngx_paytrade_pg_log_e;


struct ngx_paytrade_pg_s {
    ngx_paytrade_pg_conf_t       *conf;
    ngx_log_t                    *log;
    ngx_paytrade_pg_state_e       state;

    PGconn                       *conn;
    ngx_connection_t             *c;
    const char                  **keywords;
    const char                  **values;
    const char                   *application_name;

    ngx_queue_t                   waiting;
    ngx_uint_t                    nwaiting;
    ngx_queue_t                   refused;     /* there was no room for */
    ngx_paytrade_pg_exchange_t   *active;
    PGresult                    **results;
    ngx_uint_t                    nresults;
    ngx_uint_t                    nulls;       /* one after another */

    ngx_event_t                   timer;       /* connect, exchange, back-off */
    ngx_event_t                   wake;        /* something was submitted */
    ngx_uint_t                    failures;    /* since one was served */
    ngx_msec_t                    connected;   /* when it became READY */
    ngx_uint_t                    rotation;    /* which host is tried first */
    ngx_uint_t                    depth;       /* our functions on the stack */
    time_t                        logged[NGX_PAYTRADE_PG_LOG_KINDS];
    char                          timeout[NGX_INT_T_LEN + 1];  /* ms */

    unsigned                      eager:1;
    unsigned                      served:1;    /* since it was connected */
    unsigned                      internal:1;  /* our own first statement */
    unsigned                      closed:1;
};


/* connection.c */

/*
 * Handlers may submit and close: every way in from outside calls enter first
 * and leave last, and what was closed meanwhile is freed by the last leave.
 */
void ngx_paytrade_pg_enter(ngx_paytrade_pg_t *pg);
void ngx_paytrade_pg_leave(ngx_paytrade_pg_t *pg);

/* Looks what is to be done next: sends, connects, or gives up. */
void ngx_paytrade_pg_dispatch(ngx_paytrade_pg_t *pg);

/*
 * Drops an established connection; why is for the log.  The active exchange
 * is lost, or sent again when it may.
 */
void ngx_paytrade_pg_broken(ngx_paytrade_pg_t *pg, const char *why,
    ngx_uint_t may_resend);

/* Answers a waiting or finished connect, a closing worker, the server. */
void ngx_paytrade_pg_io_handler(ngx_event_t *ev);

/* Whom a leaving worker waits for: set anew when something changed. */
void ngx_paytrade_pg_settle(ngx_paytrade_pg_t *pg);


/* events.c */

/* Puts the socket that libpq has now on an event. */
ngx_int_t ngx_paytrade_pg_watch(ngx_paytrade_pg_t *pg, ngx_int_t event);
void ngx_paytrade_pg_unwatch(ngx_paytrade_pg_t *pg);

void ngx_paytrade_pg_notice(void *data, const PGresult *res);

/* Waits for writing as well, or only for reading. */
ngx_int_t ngx_paytrade_pg_want_write(ngx_paytrade_pg_t *pg, ngx_uint_t want);

/* Whether a line of this kind may be logged now. */
ngx_uint_t ngx_paytrade_pg_may_log(ngx_paytrade_pg_t *pg,
    ngx_paytrade_pg_log_e kind);

/* Copies libpq's message onto one line and cuts it between characters. */
void ngx_paytrade_pg_line(char *dst, size_t size, const char *src);


/* exchange.c */

/* Sends the first that waits; the connection is READY. */
void ngx_paytrade_pg_send(ngx_paytrade_pg_t *pg);

/* Serves the socket of an established connection. */
void ngx_paytrade_pg_serve(ngx_paytrade_pg_t *pg);

/* Calls the handler of an exchange without results. */
void ngx_paytrade_pg_fail(ngx_paytrade_pg_exchange_t *exchange,
    ngx_paytrade_pg_outcome_e outcome, const char *why);

/* Forgets the results of the active exchange. */
void ngx_paytrade_pg_clear(ngx_paytrade_pg_t *pg);


#endif /* NGX_PAYTRADE_PG_CONNECTION_H */
