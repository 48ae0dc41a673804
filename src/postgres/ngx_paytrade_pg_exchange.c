/*
 * Exchanges on a connection: statements sent in pipeline mode with one sync,
 * and their results.
 *
 * What stands between two syncs is one transaction already, so no BEGIN and
 * COMMIT are sent: an error in the middle undoes all and leaves no failed
 * transaction behind, and a pooler gives the server away only after the sync.
 * Nothing is taken for done before the sync is answered.  Settings are made by
 * set_config(), for SET LOCAL warns in a transaction of this kind.
 */

#include "ngx_paytrade_pg_connection.h"


/*
 * Statements that outlive the deadline end at the server too.  What is written
 * is on disk when it is answered, also where the role's default is weaker; a
 * stronger one stays.
 */
static const char  ngx_paytrade_pg_prepare[] =
    "SELECT set_config('statement_timeout', $1::text, true),"
    " CASE WHEN current_setting('synchronous_commit')"
    " IN ('off', 'local', 'remote_write')"
    " THEN set_config('synchronous_commit', 'on', true) END";


static ngx_int_t ngx_paytrade_pg_start(ngx_paytrade_pg_t *pg,
    ngx_paytrade_pg_exchange_t *exchange);
static void ngx_paytrade_pg_flush(ngx_paytrade_pg_t *pg);
static ngx_int_t ngx_paytrade_pg_receive(ngx_paytrade_pg_t *pg,
    const char **why);
static ngx_int_t ngx_paytrade_pg_result(ngx_paytrade_pg_t *pg, PGresult *res);
static void ngx_paytrade_pg_note(ngx_paytrade_pg_exchange_t *exchange,
    PGresult *res);
static void ngx_paytrade_pg_finish(ngx_paytrade_pg_t *pg);
static ngx_paytrade_pg_outcome_e ngx_paytrade_pg_outcome(
    ngx_paytrade_pg_t *pg, ngx_paytrade_pg_exchange_t *exchange);


void
ngx_paytrade_pg_send(ngx_paytrade_pg_t *pg)
{
    ngx_queue_t                 *q;
    ngx_paytrade_pg_exchange_t  *exchange;

    while (!ngx_queue_empty(&pg->waiting)) {
        q = ngx_queue_head(&pg->waiting);
        ngx_queue_remove(q);
        pg->nwaiting--;

        exchange = ngx_queue_data(q, ngx_paytrade_pg_exchange_t, queue);

        if (ngx_current_msec - exchange->submitted <= pg->conf->timeout) {

            if (ngx_paytrade_pg_start(pg, exchange) != NGX_OK) {
                ngx_paytrade_pg_broken(pg, PQerrorMessage(pg->conn), 1);
                return;
            }

            ngx_paytrade_pg_flush(pg);
            return;
        }

        ngx_paytrade_pg_fail(exchange, exchange->again ? NGX_PAYTRADE_PG_LOST
                                                       : NGX_PAYTRADE_PG_DOWN,
                             "waited too long");

        if (pg->closed) {
            return;
        }
    }

    ngx_paytrade_pg_dispatch(pg);
}


static ngx_int_t
ngx_paytrade_pg_start(ngx_paytrade_pg_t *pg,
    ngx_paytrade_pg_exchange_t *exchange)
{
    ngx_uint_t                    i;
    u_char                        statement_timeout[NGX_INT64_LEN + 1];
    const char                   *params[1];
    ngx_paytrade_pg_statement_t  *st;

    pg->active = exchange;
    pg->state = NGX_PAYTRADE_PG_BUSY;
    pg->internal = 1;
    pg->nresults = 0;
    pg->nulls = 0;

    pg->c->idle = 0;
    pg->timer.cancelable = 0;
    ngx_add_timer(&pg->timer, exchange->timeout ? exchange->timeout
                                                : pg->conf->timeout);

    exchange->sent = 1;

    pg->results = ngx_calloc(ngx_max(exchange->nstatements, 1)
                             * sizeof(PGresult *), pg->log);
    if (pg->results == NULL) {
        return NGX_ERROR;
    }

    params[0] = pg->timeout;

    if (exchange->timeout) {
        ngx_sprintf(statement_timeout, "%M%Z", exchange->timeout / 10 * 9);
        params[0] = (char *) statement_timeout;
    }

    if (!PQsendQueryParams(pg->conn, ngx_paytrade_pg_prepare, 1, NULL, params,
                           NULL, NULL, 0))
    {
        return NGX_ERROR;
    }

    for (i = 0; i < exchange->nstatements; i++) {
        st = &exchange->statements[i];

        if (!PQsendQueryParams(pg->conn, st->sql, st->nparams, NULL,
                               st->params, NULL, NULL, 0))
        {
            return NGX_ERROR;
        }
    }

    return PQpipelineSync(pg->conn) ? NGX_OK : NGX_ERROR;
}


static void
ngx_paytrade_pg_flush(ngx_paytrade_pg_t *pg)
{
    int  rc;

    rc = PQflush(pg->conn);

    if (rc < 0) {
        ngx_paytrade_pg_broken(pg, PQerrorMessage(pg->conn), 1);
        return;
    }

    if (ngx_paytrade_pg_want_write(pg, rc) != NGX_OK) {
        ngx_paytrade_pg_broken(pg, "no event", 1);
    }
}


/*
 * Reading comes first, also when the socket can be written: a server that
 * cannot get rid of its answers does not take more.
 */

void
ngx_paytrade_pg_serve(ngx_paytrade_pg_t *pg)
{
    int          alive;
    ngx_int_t    rc;
    const char  *why;

    alive = PQconsumeInput(pg->conn);
    why = NULL;

    rc = ngx_paytrade_pg_receive(pg, &why);

    if (rc == NGX_DONE) {

        /* sent, connected or closed something else meanwhile */

        return;
    }

    if (!alive || PQstatus(pg->conn) != CONNECTION_OK) {
        alive = 0;
        why = PQerrorMessage(pg->conn);

        if (pg->active && pg->active->message[0]) {
            why = pg->active->message;
        }
    }

    if (!alive || rc == NGX_ERROR) {
        ngx_paytrade_pg_broken(pg, why, 1);
        return;
    }

    ngx_paytrade_pg_flush(pg);
}


/* NGX_DONE: the exchange was finished. */

static ngx_int_t
ngx_paytrade_pg_receive(ngx_paytrade_pg_t *pg, const char **why)
{
    ngx_int_t   rc;
    PGresult   *res;

    while (pg->active && !PQisBusy(pg->conn)) {
        res = PQgetResult(pg->conn);

        if (res == NULL) {

            /* each result has a NULL behind it, but only one */

            if (++pg->nulls > 1) {
                *why = "answers out of step";
                return NGX_ERROR;
            }

            continue;
        }

        pg->nulls = 0;

        if (PQresultStatus(res) == PGRES_PIPELINE_SYNC) {
            PQclear(res);
            ngx_paytrade_pg_finish(pg);
            return NGX_DONE;
        }

        rc = ngx_paytrade_pg_result(pg, res);

        if (rc != NGX_OK) {
            *why = "an answer that was not asked for";
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_paytrade_pg_result(ngx_paytrade_pg_t *pg, PGresult *res)
{
    switch (PQresultStatus(res)) {

    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_EMPTY_QUERY:

        if (pg->internal) {
            pg->internal = 0;
            PQclear(res);
            return NGX_OK;
        }

        if (pg->nresults == pg->active->nstatements) {
            PQclear(res);
            return NGX_ERROR;
        }

        pg->results[pg->nresults++] = res;
        return NGX_OK;

    case PGRES_FATAL_ERROR:
        ngx_paytrade_pg_note(pg->active, res);
        PQclear(res);
        return NGX_OK;

    case PGRES_PIPELINE_ABORTED:
        PQclear(res);
        return NGX_OK;

    default: /* a COPY */
        PQclear(res);
        return NGX_ERROR;
    }
}


/* Only the first error tells the cause. */

static void
ngx_paytrade_pg_note(ngx_paytrade_pg_exchange_t *exchange, PGresult *res)
{
    const char  *state, *message;

    if (exchange->message[0]) {
        return;
    }

    state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

    if (message == NULL || *message == '\0') {
        message = PQresultErrorMessage(res);
    }

    ngx_paytrade_pg_line(exchange->sqlstate, sizeof(exchange->sqlstate),
                         state ? state : "");
    ngx_paytrade_pg_line(exchange->message, sizeof(exchange->message),
                         *message ? message : "unknown error");
}


static void
ngx_paytrade_pg_finish(ngx_paytrade_pg_t *pg)
{
    ngx_uint_t                    i, n;
    PGresult                    **results;
    const char                   *drop;
    PGTransactionStatusType       status;
    ngx_paytrade_pg_outcome_e     outcome;
    ngx_paytrade_pg_exchange_t   *exchange;

    exchange = pg->active;
    outcome = ngx_paytrade_pg_outcome(pg, exchange);

    results = pg->results;
    n = pg->nresults;

    pg->results = NULL;
    pg->nresults = 0;
    pg->active = NULL;
    pg->state = NGX_PAYTRADE_PG_READY;
    pg->served = 1;
    pg->failures = 0;

    ngx_del_timer(&pg->timer);

    status = PQtransactionStatus(pg->conn);
    drop = NULL;

    if (status == PQTRANS_INTRANS || status == PQTRANS_INERROR) {
        drop = "a transaction was left open";

    } else if (ngx_strcmp(exchange->sqlstate, "25006") == 0) {

        /* it became a standby: another host may be the primary now */

        drop = "the server is read-only";
        pg->served = 0;
    }

    exchange->results = (outcome == NGX_PAYTRADE_PG_OK) ? results : NULL;
    exchange->handler(exchange, outcome);

    for (i = 0; i < n; i++) {
        PQclear(results[i]);
    }

    ngx_free(results);

    if (pg->closed) {
        return;
    }

    if (drop) {
        ngx_paytrade_pg_broken(pg, drop, 0);
        return;
    }

    ngx_paytrade_pg_dispatch(pg);
}


static ngx_paytrade_pg_outcome_e
ngx_paytrade_pg_outcome(ngx_paytrade_pg_t *pg,
    ngx_paytrade_pg_exchange_t *exchange)
{
    if (exchange->message[0] == '\0') {

        if (pg->nresults == exchange->nstatements) {
            return NGX_PAYTRADE_PG_OK;
        }

        ngx_paytrade_pg_line(exchange->message, sizeof(exchange->message),
                             "too few answers");
    }

    if (ngx_strncmp(exchange->sqlstate, "22", 2) == 0
        || ngx_strncmp(exchange->sqlstate, "23", 2) == 0)
    {
        return NGX_PAYTRADE_PG_DATA;
    }

    if (ngx_paytrade_pg_may_log(pg, NGX_PAYTRADE_PG_LOG_ERROR)) {
        ngx_log_error(NGX_LOG_ERR, pg->log, 0,
                      "paytrade: PostgreSQL %V: %s (SQLSTATE %s)",
                      &pg->conf->name, exchange->message, exchange->sqlstate);
    }

    return NGX_PAYTRADE_PG_SERVER;
}


void
ngx_paytrade_pg_fail(ngx_paytrade_pg_exchange_t *exchange,
    ngx_paytrade_pg_outcome_e outcome, const char *why)
{
    exchange->results = NULL;

    if (exchange->message[0] == '\0') {
        ngx_paytrade_pg_line(exchange->message, sizeof(exchange->message),
                             why);
    }

    exchange->handler(exchange, outcome);
}


void
ngx_paytrade_pg_clear(ngx_paytrade_pg_t *pg)
{
    ngx_uint_t  i;

    if (pg->results == NULL) {
        return;
    }

    for (i = 0; i < pg->nresults; i++) {
        PQclear(pg->results[i]);
    }

    ngx_free(pg->results);

    pg->results = NULL;
    pg->nresults = 0;
}
