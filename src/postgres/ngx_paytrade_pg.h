/*
 * PostgreSQL: libpq on nginx's events.
 *
 * A connection keeps itself connected, never blocks and never looks up a name
 * in a worker.  It serves one exchange at a time; an exchange is a list of
 * statements sent in pipeline mode and answered together.  Nothing here knows
 * an HTTP request or Redis.
 */

#ifndef NGX_PAYTRADE_PG_H
#define NGX_PAYTRADE_PG_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <libpq-fe.h>

#include "pt_slice.h"


typedef struct ngx_paytrade_pg_s           ngx_paytrade_pg_t;
typedef struct ngx_paytrade_pg_exchange_s  ngx_paytrade_pg_exchange_t;


typedef enum {
    NGX_PAYTRADE_PG_OK = 0,
    NGX_PAYTRADE_PG_DATA,      /* SQLSTATE class 22 or 23: the data's fault */
    NGX_PAYTRADE_PG_SERVER,    /* any other error: the server's fault */
    NGX_PAYTRADE_PG_DOWN,      /* not connected; nothing was sent */
    NGX_PAYTRADE_PG_LOST,      /* connection lost or deadline after sending */
    NGX_PAYTRADE_PG_REFUSED    /* the queue is full */
} ngx_paytrade_pg_outcome_e;


/* Made by the master from paytrade_postgres: names are resolved there. */
typedef struct {
    const char      **keywords;        /* for PQconnectStartParams */
    const char      **values;          /* nhosts lists, each begins elsewhere */
    ngx_uint_t        nkeywords;       /* without the NULL at the end */
    ngx_uint_t        nhosts;
    ngx_str_t         name;            /* for the log, without secrets */
    ngx_msec_t        connect_timeout;
    ngx_msec_t        timeout;         /* of one exchange */
    ngx_uint_t        queue_max;       /* exchanges waiting */
} ngx_paytrade_pg_conf_t;


/*
 * results holds one PGresult per statement when outcome is OK, and dies with
 * the handler.  Otherwise sqlstate (5 characters or empty) and message tell
 * the first error.  Called exactly once, never from inside
 * ngx_paytrade_pg_submit().
 */
typedef void (*ngx_paytrade_pg_pt)(ngx_paytrade_pg_exchange_t *exchange,
    ngx_paytrade_pg_outcome_e outcome);

typedef struct {
    const char          *sql;
    int                  nparams;
    const char *const   *params;       /* text format; NULL is NULL */
} ngx_paytrade_pg_statement_t;

struct ngx_paytrade_pg_exchange_s {
    ngx_queue_t                    queue;
    ngx_paytrade_pg_statement_t   *statements;  /* caller's, until handler */
    ngx_uint_t                     nstatements;
    PGresult                     **results;
    ngx_msec_t                     timeout;     /* 0: that of the conf */
    char                           sqlstate[6];
    char                           message[256];
    ngx_paytrade_pg_pt             handler;
    void                          *data;
    unsigned                       read_only:1; /* a lost one is sent again */
    unsigned                       sent:1;
    unsigned                       again:1;     /* was sent again already */
    ngx_msec_t                     submitted;
};


/* Parses and resolves a DSN: NGX_CONF_OK, or a sentence without secrets. */
char *ngx_paytrade_pg_parse(ngx_conf_t *cf, ngx_str_t *dsn,
    ngx_paytrade_pg_conf_t *conf);

/* Connects when first used, or at once with `eager`; NULL: out of memory. */
ngx_paytrade_pg_t *ngx_paytrade_pg_open(ngx_paytrade_pg_conf_t *conf,
    ngx_log_t *log, const char *application_name, ngx_uint_t eager);

/* Completes what waits as DOWN or LOST, closes, frees. */
void ngx_paytrade_pg_close(ngx_paytrade_pg_t *pg);

ngx_uint_t ngx_paytrade_pg_ready(ngx_paytrade_pg_t *pg);

/* The caller keeps exchange until its handler is called. */
void ngx_paytrade_pg_submit(ngx_paytrade_pg_t *pg,
    ngx_paytrade_pg_exchange_t *exchange);


#endif /* NGX_PAYTRADE_PG_H */
