/*
 * Redis: a connection that keeps itself connected: its states and time-outs.
 */

#include "ngx_paytrade_redis_connection.h"


static void ngx_paytrade_redis_connect(ngx_paytrade_redis_t *redis);
static void ngx_paytrade_redis_drop(ngx_paytrade_redis_t *redis);
static void ngx_paytrade_redis_wait(ngx_paytrade_redis_t *redis);
static void ngx_paytrade_redis_finish(ngx_paytrade_redis_t *redis);
static void ngx_paytrade_redis_notify(ngx_paytrade_redis_t *redis);
static void ngx_paytrade_redis_arm(ngx_paytrade_redis_t *redis,
    ngx_msec_t delay);
static void ngx_paytrade_redis_timer_handler(ngx_event_t *ev);
static void ngx_paytrade_redis_connecting(ngx_paytrade_redis_t *redis);
static void ngx_paytrade_redis_free(ngx_paytrade_redis_t *redis);


ngx_paytrade_redis_t *
ngx_paytrade_redis_open(ngx_paytrade_redis_conf_t *conf, ngx_log_t *log,
    ngx_str_t *name, ngx_uint_t blocking, ngx_paytrade_redis_state_pt handler,
    void *data)
{
    ngx_paytrade_redis_t  *redis;

    redis = ngx_calloc(sizeof(ngx_paytrade_redis_t) + name->len, log);
    if (redis == NULL) {
        return NULL;
    }

    redis->fd = (ngx_socket_t) -1;
    redis->conf = conf;
    redis->log = log;
    redis->name.len = name->len;
    redis->name.data = (u_char *) (redis + 1);
    ngx_memcpy(redis->name.data, name->data, name->len);

    redis->handler = handler;
    redis->data = data;
    redis->blocking = blocking;
    redis->backoff = NGX_PAYTRADE_REDIS_BACKOFF_MIN;

    ngx_queue_init(&redis->in_flight);
    ngx_queue_init(&redis->watches);

    redis->timer.handler = ngx_paytrade_redis_timer_handler;
    redis->timer.data = redis;
    redis->timer.log = log;

    /* nobody is told of anything before this function has returned */

    ngx_paytrade_redis_enter(redis);
    ngx_paytrade_redis_connect(redis);
    ngx_paytrade_redis_leave(redis);

    return redis;
}


void
ngx_paytrade_redis_close(ngx_paytrade_redis_t *redis)
{
    ngx_paytrade_redis_enter(redis);

    redis->released = 1;
    redis->handler = NULL;

    ngx_paytrade_redis_finish(redis);
    ngx_paytrade_redis_leave(redis);
}


void
ngx_paytrade_redis_reconnect(ngx_paytrade_redis_t *redis, const char *reason)
{
    switch (redis->state) {

    case NGX_PAYTRADE_REDIS_CONNECTING:
    case NGX_PAYTRADE_REDIS_GREETING:
    case NGX_PAYTRADE_REDIS_READY:
        ngx_paytrade_redis_fail(redis, 0, "%s", reason);
        break;

    default:
        break;
    }
}


ngx_paytrade_redis_state_e
ngx_paytrade_redis_state(ngx_paytrade_redis_t *redis)
{
    return redis->draining ? NGX_PAYTRADE_REDIS_WAITING : redis->state;
}


pt_slice_t
ngx_paytrade_redis_run_id(ngx_paytrade_redis_t *redis)
{
    return pt_slice(redis->run_id, redis->run_id_len);
}


void
ngx_paytrade_redis_watch(ngx_paytrade_redis_t *redis,
    ngx_paytrade_redis_watch_t *watch)
{
    ngx_queue_insert_tail(&redis->watches, &watch->queue);
}


void
ngx_paytrade_redis_unwatch(ngx_paytrade_redis_watch_t *watch)
{
    ngx_queue_remove(&watch->queue);
}


void
ngx_paytrade_redis_enter(ngx_paytrade_redis_t *redis)
{
    redis->busy++;
}


void
ngx_paytrade_redis_leave(ngx_paytrade_redis_t *redis)
{
    if (--redis->busy == 0 && redis->released) {
        ngx_paytrade_redis_free(redis);
    }
}


static void
ngx_paytrade_redis_free(ngx_paytrade_redis_t *redis)
{
    if (redis->out.start != NULL) {
        ngx_free(redis->out.start);
    }

    ngx_free(redis);
}


/* Tries the addresses in turn until one does not fail at once. */
static void
ngx_paytrade_redis_connect(ngx_paytrade_redis_t *redis)
{
    ngx_int_t  rc;

    do {
        rc = ngx_paytrade_redis_socket_open(redis);

        if (rc != NGX_ERROR) {
            break;
        }

        redis->addr = (redis->addr + 1) % redis->conf->naddrs;

    } while (++redis->tried < redis->conf->naddrs);

    if (rc == NGX_ERROR) {
        ngx_paytrade_redis_wait(redis);
        return;
    }

    redis->state = NGX_PAYTRADE_REDIS_CONNECTING;
    ngx_paytrade_redis_arm(redis, redis->conf->connect_timeout);

    if (rc == NGX_OK) {
        ngx_paytrade_redis_established(redis);
    }
}


/* The socket is connected; with TLS this is called again after it. */
void
ngx_paytrade_redis_established(ngx_paytrade_redis_t *redis)
{
    if (ngx_paytrade_redis_tls(redis) != NGX_OK) {
        return;
    }

    redis->state = NGX_PAYTRADE_REDIS_GREETING;

    ngx_paytrade_redis_greet(redis);
}


void
ngx_paytrade_redis_greeted(ngx_paytrade_redis_t *redis)
{
    redis->state = NGX_PAYTRADE_REDIS_READY;
    redis->tried = 0;
    redis->backoff = NGX_PAYTRADE_REDIS_BACKOFF_MIN;

    if (redis->timer.timer_set) {
        ngx_del_timer(&redis->timer);
    }

    ngx_paytrade_redis_say(redis, NGX_LOG_INFO, 0, "ready, run_id %*s",
                           redis->run_id_len, redis->run_id);

    if (redis->handler != NULL) {
        redis->handler(redis, redis->data, 1);
    }

    ngx_paytrade_redis_notify(redis);
}


void
ngx_paytrade_redis_fail(ngx_paytrade_redis_t *redis, ngx_err_t err,
    const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    ngx_paytrade_redis_vsay(redis, NGX_LOG_ERR, err, fmt, args);
    va_end(args);

    ngx_paytrade_redis_enter(redis);
    ngx_paytrade_redis_drop(redis);
    ngx_paytrade_redis_leave(redis);
}


/* The socket goes; what was sent is lost; the next address or back-off. */
static void
ngx_paytrade_redis_drop(ngx_paytrade_redis_t *redis)
{
    ngx_paytrade_redis_state_e  was;

    was = redis->state;

    ngx_paytrade_redis_socket_close(redis);

    redis->addr = (redis->addr + 1) % redis->conf->naddrs;

    if (was == NGX_PAYTRADE_REDIS_CONNECTING
        && ++redis->tried < redis->conf->naddrs)
    {
        ngx_paytrade_redis_connect(redis);
        return;
    }

    redis->state = NGX_PAYTRADE_REDIS_WAITING;

    ngx_paytrade_redis_lose(redis);

    if (was == NGX_PAYTRADE_REDIS_READY && redis->handler != NULL) {
        redis->handler(redis, redis->data, 0);
    }

    if (redis->state == NGX_PAYTRADE_REDIS_WAITING) {
        ngx_paytrade_redis_wait(redis);
    }
}


static void
ngx_paytrade_redis_wait(ngx_paytrade_redis_t *redis)
{
    ngx_msec_t  delay;

    delay = redis->backoff * (75 + ngx_random() % 51) / 100;

    redis->backoff = ngx_min(redis->backoff * 2,
                             NGX_PAYTRADE_REDIS_BACKOFF_MAX);
    redis->tried = 0;
    redis->state = NGX_PAYTRADE_REDIS_WAITING;

    ngx_paytrade_redis_arm(redis, delay);
    ngx_paytrade_redis_notify(redis);
}


/* For good: by its owner, or because the worker leaves. */
static void
ngx_paytrade_redis_finish(ngx_paytrade_redis_t *redis)
{
    ngx_queue_t                *q;
    ngx_paytrade_redis_state_e  was;
    ngx_paytrade_redis_watch_t *watch;

    was = redis->state;
    redis->state = NGX_PAYTRADE_REDIS_CLOSED;

    ngx_paytrade_redis_socket_close(redis);

    if (redis->timer.timer_set) {
        ngx_del_timer(&redis->timer);
    }

    ngx_paytrade_redis_lose(redis);

    if (was != NGX_PAYTRADE_REDIS_CLOSED && redis->handler != NULL) {
        redis->handler(redis, redis->data, 0);
    }

    while (!ngx_queue_empty(&redis->watches)) {
        q = ngx_queue_head(&redis->watches);
        ngx_queue_remove(q);
        ngx_queue_init(q);

        watch = ngx_queue_data(q, ngx_paytrade_redis_watch_t, queue);
        watch->handler(watch, NGX_PAYTRADE_REDIS_CLOSED);
    }
}


/* A watcher may take itself or others off the list. */
static void
ngx_paytrade_redis_notify(ngx_paytrade_redis_t *redis)
{
    ngx_queue_t                  todo, *q;
    ngx_paytrade_redis_watch_t  *watch;

    if (ngx_queue_empty(&redis->watches)) {
        return;
    }

    ngx_queue_init(&todo);
    ngx_queue_add(&todo, &redis->watches);
    ngx_queue_init(&redis->watches);

    while (!ngx_queue_empty(&todo)) {
        q = ngx_queue_head(&todo);
        ngx_queue_remove(q);
        watch = ngx_queue_data(q, ngx_paytrade_redis_watch_t, queue);

        if (redis->state == NGX_PAYTRADE_REDIS_CLOSED) {
            ngx_queue_init(q);

        } else {
            ngx_queue_insert_tail(&redis->watches, q);
        }

        watch->handler(watch, redis->state);
    }
}


void
ngx_paytrade_redis_read_handler(ngx_event_t *ev)
{
    ngx_connection_t      *c;
    ngx_paytrade_redis_t  *redis;

    c = ev->data;
    redis = c->data;

    ngx_paytrade_redis_enter(redis);

    if (c->close && (redis->blocking || c->error)) {
        ngx_paytrade_redis_finish(redis);
        ngx_paytrade_redis_leave(redis);
        return;
    }

    /* other requests may need it until the owner closes it */

    c->close = 0;

    switch (redis->state) {

    case NGX_PAYTRADE_REDIS_CONNECTING:
        ngx_paytrade_redis_connecting(redis);
        break;

    case NGX_PAYTRADE_REDIS_GREETING:
    case NGX_PAYTRADE_REDIS_READY:
        ngx_paytrade_redis_input(redis);
        break;

    default:
        break;
    }

    ngx_paytrade_redis_leave(redis);
}


void
ngx_paytrade_redis_write_handler(ngx_event_t *ev)
{
    ngx_connection_t      *c;
    ngx_paytrade_redis_t  *redis;

    c = ev->data;
    redis = c->data;

    ngx_paytrade_redis_enter(redis);

    switch (redis->state) {

    case NGX_PAYTRADE_REDIS_CONNECTING:
        ngx_paytrade_redis_connecting(redis);
        break;

    case NGX_PAYTRADE_REDIS_GREETING:
    case NGX_PAYTRADE_REDIS_READY:
        ngx_paytrade_redis_output(redis);
        break;

    default:
        break;
    }

    ngx_paytrade_redis_leave(redis);
}


static void
ngx_paytrade_redis_connecting(ngx_paytrade_redis_t *redis)
{
    ngx_err_t  err;

    if (!redis->connection->write->ready) {
        return;
    }

    err = ngx_paytrade_redis_socket_error(redis);

    if (err) {
        ngx_paytrade_redis_fail(redis, err, "connect() failed");
        return;
    }

    ngx_paytrade_redis_established(redis);
}


/* Cancelable: none but a reply that is owed keeps a worker from leaving. */
static void
ngx_paytrade_redis_arm(ngx_paytrade_redis_t *redis, ngx_msec_t delay)
{
    if (redis->timer.timer_set) {
        ngx_del_timer(&redis->timer);
    }

    redis->timer.cancelable = 1;

    ngx_add_timer(&redis->timer, delay);
}


static void
ngx_paytrade_redis_timer_handler(ngx_event_t *ev)
{
    ngx_paytrade_redis_t  *redis;

    redis = ev->data;

    ngx_paytrade_redis_enter(redis);

    switch (redis->state) {

    case NGX_PAYTRADE_REDIS_WAITING:
        if (redis->blocking && ngx_exiting) {
            ngx_paytrade_redis_finish(redis);

        } else {
            ngx_paytrade_redis_connect(redis);
        }

        break;

    case NGX_PAYTRADE_REDIS_CONNECTING:
        ngx_paytrade_redis_fail(redis, 0, "%s timed out",
                                redis->conf->ssl ? "connect or TLS handshake"
                                                 : "connect");
        break;

    case NGX_PAYTRADE_REDIS_GREETING:
        ngx_paytrade_redis_fail(redis, 0, "timed out while greeting");
        break;

    case NGX_PAYTRADE_REDIS_READY:
        ngx_paytrade_redis_overdue(redis);
        break;

    default:
        break;
    }

    ngx_paytrade_redis_leave(redis);
}
