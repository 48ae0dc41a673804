/*
 * The life of a connection to PostgreSQL: libpq's socket on nginx's events.
 *
 * libpq owns the socket and may replace it while it connects, by one of the
 * same number.  So before each PQconnectPoll() the socket is taken off nginx's
 * events, and whatever socket there is afterwards is put on them anew.
 */

#include "ngx_paytrade_pg_connection.h"


static void ngx_paytrade_pg_connect(ngx_paytrade_pg_t *pg);
static void ngx_paytrade_pg_poll(ngx_paytrade_pg_t *pg);
static void ngx_paytrade_pg_established(ngx_paytrade_pg_t *pg);
static void ngx_paytrade_pg_refused(ngx_paytrade_pg_t *pg, const char *why);
static void ngx_paytrade_pg_backoff(ngx_paytrade_pg_t *pg);
static void ngx_paytrade_pg_fail_waiting(ngx_paytrade_pg_t *pg,
    const char *why);
static void ngx_paytrade_pg_fail_refused(ngx_paytrade_pg_t *pg);
static void ngx_paytrade_pg_disconnect(ngx_paytrade_pg_t *pg);
static void ngx_paytrade_pg_leaving(ngx_paytrade_pg_t *pg);
static void ngx_paytrade_pg_timer_handler(ngx_event_t *ev);
static void ngx_paytrade_pg_wake_handler(ngx_event_t *ev);


ngx_paytrade_pg_t *
ngx_paytrade_pg_open(ngx_paytrade_pg_conf_t *conf, ngx_log_t *log,
    const char *application_name, ngx_uint_t eager)
{
    ngx_uint_t          n;
    ngx_paytrade_pg_t  *pg;

    pg = ngx_calloc(sizeof(ngx_paytrade_pg_t), log);
    if (pg == NULL) {
        return NULL;
    }

    /* one more keyword, and the NULL at the end */

    n = conf->nkeywords + 2;

    pg->keywords = ngx_calloc(2 * n * sizeof(char *), log);
    if (pg->keywords == NULL) {
        ngx_free(pg);
        return NULL;
    }

    pg->values = pg->keywords + n;
    pg->application_name = application_name;

    pg->conf = conf;
    pg->log = log;
    pg->eager = eager;

    pg->timer.handler = ngx_paytrade_pg_timer_handler;
    pg->timer.data = pg;
    pg->timer.log = log;

    pg->wake.handler = ngx_paytrade_pg_wake_handler;
    pg->wake.data = pg;
    pg->wake.log = log;

    ngx_queue_init(&pg->waiting);
    ngx_queue_init(&pg->refused);

    /* the server gives up first, so that locks do not outlive the deadline */

    ngx_sprintf((u_char *) pg->timeout, "%M%Z",
                ngx_max(conf->timeout - conf->timeout / 10, 1));

    if (eager) {
        ngx_post_event(&pg->wake, &ngx_posted_next_events);
    }

    return pg;
}


void
ngx_paytrade_pg_close(ngx_paytrade_pg_t *pg)
{
    ngx_paytrade_pg_exchange_t  *active;

    if (pg->closed) {
        return;
    }

    ngx_paytrade_pg_enter(pg);

    pg->closed = 1;
    active = pg->active;
    pg->active = NULL;

    ngx_paytrade_pg_disconnect(pg);

    pg->state = NGX_PAYTRADE_PG_IDLE;

    if (active) {
        ngx_paytrade_pg_fail(active, NGX_PAYTRADE_PG_LOST, "closed");
    }

    ngx_paytrade_pg_fail_refused(pg);

    while (!ngx_queue_empty(&pg->waiting)) {
        ngx_paytrade_pg_fail_waiting(pg, "closed");
    }

    ngx_paytrade_pg_leave(pg);
}


ngx_uint_t
ngx_paytrade_pg_ready(ngx_paytrade_pg_t *pg)
{
    return pg->state == NGX_PAYTRADE_PG_READY
           || pg->state == NGX_PAYTRADE_PG_BUSY;
}


void
ngx_paytrade_pg_submit(ngx_paytrade_pg_t *pg,
    ngx_paytrade_pg_exchange_t *exchange)
{
    exchange->sent = 0;
    exchange->again = 0;
    exchange->results = NULL;
    exchange->sqlstate[0] = '\0';
    exchange->message[0] = '\0';
    exchange->submitted = ngx_current_msec;

    if (pg->nwaiting < pg->conf->queue_max || pg->closed) {
        ngx_queue_insert_tail(&pg->waiting, &exchange->queue);
        pg->nwaiting++;

    } else {
        ngx_queue_insert_tail(&pg->refused, &exchange->queue);
    }

    if (!pg->closed) {
        ngx_paytrade_pg_settle(pg);
        ngx_post_event(&pg->wake, &ngx_posted_next_events);
    }
}


void
ngx_paytrade_pg_enter(ngx_paytrade_pg_t *pg)
{
    pg->depth++;
}


void
ngx_paytrade_pg_leave(ngx_paytrade_pg_t *pg)
{
    if (--pg->depth || !pg->closed) {
        return;
    }

    if (pg->timer.timer_set) {
        ngx_del_timer(&pg->timer);
    }

    if (pg->wake.posted) {
        ngx_delete_posted_event(&pg->wake);
    }

    ngx_free(pg->keywords);
    ngx_free(pg);
}


void
ngx_paytrade_pg_dispatch(ngx_paytrade_pg_t *pg)
{
    if (pg->closed) {
        return;
    }

    ngx_paytrade_pg_settle(pg);

    switch (pg->state) {

    case NGX_PAYTRADE_PG_IDLE:
        if (!ngx_queue_empty(&pg->waiting) || (pg->eager && !ngx_exiting)) {
            ngx_paytrade_pg_connect(pg);
        }

        break;

    case NGX_PAYTRADE_PG_READY:
        if (!ngx_queue_empty(&pg->waiting)) {
            ngx_paytrade_pg_send(pg);

        } else if (ngx_exiting) {
            ngx_paytrade_pg_disconnect(pg);
            pg->state = NGX_PAYTRADE_PG_IDLE;
        }

        break;

    case NGX_PAYTRADE_PG_BACKOFF:
        ngx_paytrade_pg_fail_waiting(pg, "not connected");
        break;

    default: /* NGX_PAYTRADE_PG_CONNECTING, NGX_PAYTRADE_PG_BUSY */
        break;
    }
}


static void
ngx_paytrade_pg_connect(ngx_paytrade_pg_t *pg)
{
    ngx_uint_t               i, n;
    const char             **values;
    ngx_paytrade_pg_conf_t  *conf;

    conf = pg->conf;
    n = conf->nkeywords;
    values = conf->values + pg->rotation % conf->nhosts * (n + 1);

    for (i = 0; i < n; i++) {
        pg->keywords[i] = conf->keywords[i];
        pg->values[i] = values[i];
    }

    pg->keywords[n] = "fallback_application_name";
    pg->values[n] = pg->application_name;

    pg->state = NGX_PAYTRADE_PG_CONNECTING;

    ngx_add_timer(&pg->timer, conf->connect_timeout);

    pg->conn = PQconnectStartParams(pg->keywords, pg->values, 0);

    if (pg->conn == NULL) {
        ngx_paytrade_pg_refused(pg, "out of memory");
        return;
    }

    PQsetNoticeReceiver(pg->conn, ngx_paytrade_pg_notice, pg);

    if (PQstatus(pg->conn) == CONNECTION_BAD) {
        ngx_paytrade_pg_refused(pg, PQerrorMessage(pg->conn));
        return;
    }

    if (ngx_paytrade_pg_watch(pg, NGX_WRITE_EVENT) != NGX_OK) {
        ngx_paytrade_pg_refused(pg, "no event");
    }
}


static void
ngx_paytrade_pg_poll(ngx_paytrade_pg_t *pg)
{
    ngx_int_t  event;

    ngx_paytrade_pg_unwatch(pg);

    switch (PQconnectPoll(pg->conn)) {

    case PGRES_POLLING_OK:
        ngx_paytrade_pg_established(pg);
        return;

    case PGRES_POLLING_READING:
        event = NGX_READ_EVENT;
        break;

    case PGRES_POLLING_WRITING:
        event = NGX_WRITE_EVENT;
        break;

    default:
        ngx_paytrade_pg_refused(pg, PQerrorMessage(pg->conn));
        return;
    }

    if (ngx_paytrade_pg_watch(pg, event) != NGX_OK) {
        ngx_paytrade_pg_refused(pg, "no event");
    }
}


static void
ngx_paytrade_pg_established(ngx_paytrade_pg_t *pg)
{
    ngx_uint_t  level;

    if (PQsetnonblocking(pg->conn, 1) != 0
        || PQenterPipelineMode(pg->conn) != 1)
    {
        ngx_paytrade_pg_refused(pg, PQerrorMessage(pg->conn));
        return;
    }

    if (ngx_paytrade_pg_watch(pg, NGX_READ_EVENT) != NGX_OK) {
        ngx_paytrade_pg_refused(pg, "no event");
        return;
    }

    ngx_del_timer(&pg->timer);

    pg->state = NGX_PAYTRADE_PG_READY;
    pg->connected = ngx_current_msec;
    pg->served = 0;

    level = pg->failures ? NGX_LOG_NOTICE : NGX_LOG_INFO;
    ngx_log_error(level, pg->log, 0, "paytrade: PostgreSQL %V: connected",
                  &pg->conf->name);

    ngx_paytrade_pg_dispatch(pg);
}


static void
ngx_paytrade_pg_refused(ngx_paytrade_pg_t *pg, const char *why)
{
    char  line[256];

    ngx_paytrade_pg_line(line, sizeof(line), why);

    ngx_paytrade_pg_disconnect(pg);
    ngx_paytrade_pg_backoff(pg);

    if (ngx_paytrade_pg_may_log(pg, NGX_PAYTRADE_PG_LOG_CONNECT)) {
        ngx_log_error(NGX_LOG_ERR, pg->log, 0,
                      "paytrade: PostgreSQL %V: cannot connect: %s",
                      &pg->conf->name, line);
    }

    ngx_paytrade_pg_fail_waiting(pg, line);
}


void
ngx_paytrade_pg_broken(ngx_paytrade_pg_t *pg, const char *why,
    ngx_uint_t may_resend)
{
    char                         line[256];
    ngx_paytrade_pg_exchange_t  *lost;

    ngx_paytrade_pg_line(line, sizeof(line), why);

    if (ngx_paytrade_pg_may_log(pg, NGX_PAYTRADE_PG_LOG_LOST)) {
        ngx_log_error(NGX_LOG_ERR, pg->log, 0,
                      "paytrade: PostgreSQL %V: connection dropped: %s",
                      &pg->conf->name, line);
    }

    lost = pg->active;
    pg->active = NULL;

    ngx_paytrade_pg_disconnect(pg);

    if (lost && may_resend && lost->read_only && !lost->again) {
        lost->again = 1;
        lost->sqlstate[0] = '\0';
        lost->message[0] = '\0';
        ngx_queue_insert_head(&pg->waiting, &lost->queue);
        pg->nwaiting++;
        lost = NULL;
    }

    if (ngx_current_msec - pg->connected > NGX_PAYTRADE_PG_BACKOFF_MAX) {
        pg->failures = 0;
    }

    if (pg->served) {
        pg->state = NGX_PAYTRADE_PG_IDLE;

    } else {
        ngx_paytrade_pg_backoff(pg);
    }

    if (lost) {
        ngx_paytrade_pg_fail(lost, NGX_PAYTRADE_PG_LOST, line);
    }

    ngx_paytrade_pg_dispatch(pg);
}


static void
ngx_paytrade_pg_backoff(ngx_paytrade_pg_t *pg)
{
    ngx_msec_t  delay;

    delay = NGX_PAYTRADE_PG_BACKOFF_MIN << ngx_min(pg->failures, 6);
    delay = ngx_min(delay, NGX_PAYTRADE_PG_BACKOFF_MAX);
    delay = delay / 2 + ngx_random() % (delay / 2 + 1);

    pg->failures++;
    pg->state = NGX_PAYTRADE_PG_BACKOFF;

    pg->timer.cancelable = 1;
    ngx_add_timer(&pg->timer, delay);
}


/* Only those that wait now: a handler may submit anew. */

static void
ngx_paytrade_pg_fail_waiting(ngx_paytrade_pg_t *pg, const char *why)
{
    ngx_uint_t                   n;
    ngx_queue_t                 *q;
    ngx_paytrade_pg_exchange_t  *exchange;

    for (n = pg->nwaiting; n && !ngx_queue_empty(&pg->waiting); n--) {
        q = ngx_queue_head(&pg->waiting);
        ngx_queue_remove(q);
        pg->nwaiting--;

        exchange = ngx_queue_data(q, ngx_paytrade_pg_exchange_t, queue);

        ngx_paytrade_pg_fail(exchange, exchange->again ? NGX_PAYTRADE_PG_LOST
                                                       : NGX_PAYTRADE_PG_DOWN,
                             why);
    }
}


static void
ngx_paytrade_pg_fail_refused(ngx_paytrade_pg_t *pg)
{
    ngx_queue_t                 *q, queue;
    ngx_paytrade_pg_exchange_t  *exchange;

    if (ngx_queue_empty(&pg->refused)) {
        return;
    }

    ngx_queue_init(&queue);
    ngx_queue_add(&queue, &pg->refused);
    ngx_queue_init(&pg->refused);

    while (!ngx_queue_empty(&queue)) {
        q = ngx_queue_head(&queue);
        ngx_queue_remove(q);

        exchange = ngx_queue_data(q, ngx_paytrade_pg_exchange_t, queue);

        ngx_paytrade_pg_fail(exchange, NGX_PAYTRADE_PG_REFUSED,
                             "too many wait for PostgreSQL");
    }
}


static void
ngx_paytrade_pg_disconnect(ngx_paytrade_pg_t *pg)
{
    if (pg->timer.timer_set) {
        ngx_del_timer(&pg->timer);
    }

    ngx_paytrade_pg_clear(pg);

    if (pg->conn == NULL) {
        return;
    }

    ngx_paytrade_pg_unwatch(pg);

    PQfinish(pg->conn);
    pg->conn = NULL;
}


/* A worker that leaves waits for us exactly while we owe an answer. */

void
ngx_paytrade_pg_settle(ngx_paytrade_pg_t *pg)
{
    ngx_uint_t  owing;

    owing = pg->active != NULL || !ngx_queue_empty(&pg->waiting);

    if (pg->c) {
        pg->c->idle = !owing;
    }

    pg->timer.cancelable = !owing || pg->state == NGX_PAYTRADE_PG_BACKOFF;
}


void
ngx_paytrade_pg_io_handler(ngx_event_t *ev)
{
    ngx_connection_t   *c;
    ngx_paytrade_pg_t  *pg;

    c = ev->data;
    pg = c->data;

    ngx_paytrade_pg_enter(pg);

    if (c->close && (c->idle || c->error)) {
        ngx_paytrade_pg_leaving(pg);

    } else if (pg->state == NGX_PAYTRADE_PG_CONNECTING) {
        ngx_paytrade_pg_poll(pg);

    } else {
        ngx_paytrade_pg_serve(pg);
    }

    ngx_paytrade_pg_leave(pg);
}


/* The worker leaves, or will not wait any longer. */

static void
ngx_paytrade_pg_leaving(ngx_paytrade_pg_t *pg)
{
    ngx_paytrade_pg_exchange_t  *lost;

    lost = pg->active;
    pg->active = NULL;

    ngx_paytrade_pg_disconnect(pg);
    pg->state = NGX_PAYTRADE_PG_IDLE;

    if (lost) {
        ngx_paytrade_pg_fail(lost, NGX_PAYTRADE_PG_LOST, "shutting down");
    }

    ngx_paytrade_pg_fail_waiting(pg, "shutting down");
}


static void
ngx_paytrade_pg_timer_handler(ngx_event_t *ev)
{
    ngx_paytrade_pg_t  *pg;

    pg = ev->data;

    ngx_paytrade_pg_enter(pg);

    switch (pg->state) {

    case NGX_PAYTRADE_PG_CONNECTING:
        pg->rotation++;
        ngx_paytrade_pg_refused(pg, "timed out");
        break;

    case NGX_PAYTRADE_PG_BUSY:
        ngx_paytrade_pg_broken(pg, "no answer in time", 0);
        break;

    default: /* NGX_PAYTRADE_PG_BACKOFF */
        pg->state = NGX_PAYTRADE_PG_IDLE;
        ngx_paytrade_pg_dispatch(pg);
        break;
    }

    ngx_paytrade_pg_leave(pg);
}


static void
ngx_paytrade_pg_wake_handler(ngx_event_t *ev)
{
    ngx_paytrade_pg_t  *pg;

    pg = ev->data;

    ngx_paytrade_pg_enter(pg);
    ngx_paytrade_pg_fail_refused(pg);
    ngx_paytrade_pg_dispatch(pg);
    ngx_paytrade_pg_leave(pg);
}
