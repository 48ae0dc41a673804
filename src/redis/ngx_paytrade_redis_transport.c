/*
 * Redis: the socket of a connection: connect, TLS, bytes in and out.
 */

#include "ngx_paytrade_redis_connection.h"


#define NGX_PAYTRADE_REDIS_OUT_MIN    16384
#define NGX_PAYTRADE_REDIS_OUT_KEEP   (1024 * 1024)
#define NGX_PAYTRADE_REDIS_IN_SIZE    32768
#define NGX_PAYTRADE_REDIS_UNUSED     (256 * 1024)


static ngx_int_t ngx_paytrade_redis_adopt(ngx_paytrade_redis_t *redis,
    ngx_socket_t s, ngx_addr_t *addr);
static ngx_int_t ngx_paytrade_redis_reader(ngx_paytrade_redis_t *redis);
static void *ngx_paytrade_redis_create_array(const redisReadTask *task,
    ngx_paytrade_redis_elements_t elements);
static ngx_int_t ngx_paytrade_redis_replies(ngx_paytrade_redis_t *redis);


/*
 * Not ngx_event_connect_peer(): that one takes EAGAIN of a unix socket, a full
 * backlog, for a connect() under way, and a missing socket for critical.
 */
ngx_int_t
ngx_paytrade_redis_socket_open(ngx_paytrade_redis_t *redis)
{
    int                rc;
    ngx_err_t          err;
    ngx_addr_t        *addr;
    ngx_socket_t       s;
    ngx_connection_t  *c;

    addr = &redis->conf->addrs[redis->addr];

    s = ngx_socket(addr->sockaddr->sa_family, SOCK_STREAM, 0);

    if (s == (ngx_socket_t) -1) {
        ngx_paytrade_redis_say(redis, NGX_LOG_ERR, ngx_socket_errno,
                               "socket() failed");
        return NGX_ERROR;
    }

    if (ngx_paytrade_redis_adopt(redis, s, addr) != NGX_OK) {
        return NGX_ERROR;
    }

    c = redis->connection;

    rc = connect(s, addr->sockaddr, addr->socklen);
    err = (rc == -1) ? ngx_socket_errno : 0;

    if (err && err != NGX_EINPROGRESS) {
        ngx_paytrade_redis_say(redis, NGX_LOG_ERR, err,
                               "connect() to %V failed", &addr->name);
        ngx_paytrade_redis_socket_close(redis);
        return NGX_ERROR;
    }

    if (ngx_add_conn) {
        if (ngx_add_conn(c) != NGX_OK) {
            goto failed;
        }

    } else if (ngx_handle_read_event(c->read, 0) != NGX_OK
               || ngx_handle_write_event(c->write, 0) != NGX_OK)
    {
        goto failed;
    }

    if (err) {
        return NGX_AGAIN;
    }

    c->write->ready = 1;

    return NGX_OK;

failed:

    ngx_paytrade_redis_socket_close(redis);

    return NGX_ERROR;
}


static ngx_int_t
ngx_paytrade_redis_adopt(ngx_paytrade_redis_t *redis, ngx_socket_t s,
    ngx_addr_t *addr)
{
    ngx_connection_t  *c;

    c = ngx_get_connection(s, redis->log);

    if (c == NULL) {
        (void) ngx_close_socket(s);
        return NGX_ERROR;
    }

    redis->connection = c;

    c->data = redis;
    c->log = redis->log;
    c->read->log = redis->log;
    c->write->log = redis->log;
    c->read->handler = ngx_paytrade_redis_read_handler;
    c->write->handler = ngx_paytrade_redis_write_handler;
    c->type = SOCK_STREAM;
    c->recv = ngx_recv;
    c->send = ngx_send;
    c->idle = 1;
    c->log_error = NGX_ERROR_INFO;        /* the errors are told here */
    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->start_time = ngx_current_msec;

    c->pool = ngx_create_pool(512, redis->log);

    if (c->pool == NULL
        || ngx_nonblocking(s) == -1
        || ngx_paytrade_redis_reader(redis) != NGX_OK)
    {
        ngx_paytrade_redis_socket_close(redis);
        return NGX_ERROR;
    }

    if (addr->sockaddr->sa_family != AF_UNIX && ngx_tcp_nodelay(c) != NGX_OK) {
        ngx_paytrade_redis_socket_close(redis);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* Arrays are bounded: a hostile length must not make an allocation. */
static ngx_int_t
ngx_paytrade_redis_reader(ngx_paytrade_redis_t *redis)
{
    redisReader  *reader;

    reader = redisReaderCreate();
    if (reader == NULL) {
        return NGX_ERROR;
    }

    redis->functions = *reader->fn;
    redis->create_array = redis->functions.createArray;
    redis->functions.createArray = ngx_paytrade_redis_create_array;

    reader->fn = &redis->functions;
    reader->privdata = redis;
    reader->maxbuf = NGX_PAYTRADE_REDIS_UNUSED;

    redis->reader = reader;
    redis->reply_size = 0;

    return NGX_OK;
}


static void *
ngx_paytrade_redis_create_array(const redisReadTask *task,
    ngx_paytrade_redis_elements_t elements)
{
    ngx_paytrade_redis_t  *redis;

    redis = task->privdata;

    if (elements > NGX_PAYTRADE_REDIS_ELEMENTS_MAX) {
        return NULL;
    }

    return redis->create_array(task, elements);
}


void
ngx_paytrade_redis_socket_close(ngx_paytrade_redis_t *redis)
{
    ngx_pool_t        *pool;
    ngx_connection_t  *c;

    c = redis->connection;

    if (c == NULL) {
        return;
    }

#if (NGX_SSL)

    if (c->ssl != NULL) {
        c->ssl->no_wait_shutdown = 1;
        c->ssl->no_send_shutdown = 1;
        (void) ngx_ssl_shutdown(c);
    }

#endif

    pool = c->pool;

    ngx_close_connection(c);

    if (pool != NULL) {
        ngx_destroy_pool(pool);
    }

    if (redis->reader != NULL) {
        redisReaderFree(redis->reader);
        redis->reader = NULL;
    }

    redis->connection = NULL;
    redis->socket_no++;
    redis->draining = 0;
    redis->out.pos = redis->out.start;
    redis->out.last = redis->out.start;
}


ngx_err_t
ngx_paytrade_redis_socket_error(ngx_paytrade_redis_t *redis)
{
    int        err;
    socklen_t  len;

    err = 0;
    len = sizeof(int);

    if (getsockopt(redis->connection->fd, SOL_SOCKET, SO_ERROR, (void *) &err,
                   &len)
        == -1)
    {
        return ngx_socket_errno;
    }

    return (ngx_err_t) err;
}


/* Room for size bytes at out.last, which the caller moves. */
u_char *
ngx_paytrade_redis_reserve(ngx_paytrade_redis_t *redis, size_t size)
{
    size_t                     used, need;
    u_char                    *p;
    ngx_paytrade_redis_out_t  *out;

    out = &redis->out;
    used = out->last - out->pos;

    if ((size_t) (out->end - out->last) >= size) {
        return out->last;
    }

    if (used + size > NGX_PAYTRADE_REDIS_OUT_MAX) {
        ngx_paytrade_redis_say(redis, NGX_LOG_ERR, 0,
                               "has too much to be sent, a command is refused");
        return NULL;
    }

    need = ngx_max((size_t) (out->end - out->start),
                   NGX_PAYTRADE_REDIS_OUT_MIN);

    while (need < used + size) {
        need *= 2;
    }

    p = ngx_alloc(need, redis->log);
    if (p == NULL) {
        return NULL;
    }

    if (used) {
        ngx_memcpy(p, out->pos, used);
    }

    if (out->start != NULL) {
        ngx_free(out->start);
    }

    out->start = p;
    out->pos = p;
    out->last = p + used;
    out->end = p + need;

    return out->last;
}


void
ngx_paytrade_redis_output(ngx_paytrade_redis_t *redis)
{
    ssize_t                    n;
    ngx_connection_t          *c;
    ngx_paytrade_redis_out_t  *out;

    c = redis->connection;
    out = &redis->out;

    while (out->pos < out->last) {
        n = c->send(c, out->pos, out->last - out->pos);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n <= 0) {
            ngx_paytrade_redis_fail(redis, 0, "closed the connection");
            return;
        }

        out->pos += n;
    }

    if (out->pos == out->last) {
        out->pos = out->start;
        out->last = out->start;

        if (out->end - out->start > NGX_PAYTRADE_REDIS_OUT_KEEP) {
            ngx_free(out->start);
            ngx_memzero(out, sizeof(ngx_paytrade_redis_out_t));
        }
    }

    if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
        ngx_paytrade_redis_fail(redis, 0, "cannot wait for writing");
    }
}


void
ngx_paytrade_redis_input(ngx_paytrade_redis_t *redis)
{
    ssize_t            n;
    ngx_connection_t  *c;
    u_char             buf[NGX_PAYTRADE_REDIS_IN_SIZE];

    c = redis->connection;

    do {
        n = c->recv(c, buf, sizeof(buf));

        if (n == NGX_AGAIN) {
            break;
        }

        if (n <= 0) {
            ngx_paytrade_redis_fail(redis, 0, "closed the connection");
            return;
        }

        redis->reply_size += n;

        if (redisReaderFeed(redis->reader, (char *) buf, n) != REDIS_OK) {
            ngx_paytrade_redis_fail(redis, 0, "reply cannot be stored");
            return;
        }

        if (ngx_paytrade_redis_replies(redis) != NGX_OK) {
            return;
        }

    } while (c->read->ready);

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_paytrade_redis_fail(redis, 0, "cannot wait for reading");
    }
}


/* NGX_DONE: the socket that the replies came from is gone. */
static ngx_int_t
ngx_paytrade_redis_replies(ngx_paytrade_redis_t *redis)
{
    void  *reply;

    for ( ;; ) {
        reply = NULL;

        if (redisReaderGetReply(redis->reader, &reply) != REDIS_OK) {
            ngx_paytrade_redis_fail(redis, 0, "reply makes no sense: %s",
                                    redis->reader->errstr);
            return NGX_DONE;
        }

        if (reply == NULL) {
            break;
        }

        redis->reply_size = 0;

        if (ngx_paytrade_redis_answer(redis, reply) != NGX_OK) {
            return NGX_DONE;
        }
    }

    if (redis->reply_size > NGX_PAYTRADE_REDIS_REPLY_MAX) {
        ngx_paytrade_redis_fail(redis, 0, "reply is too long");
        return NGX_DONE;
    }

    return NGX_OK;
}
