/*
 * libpq's socket on and off nginx's events, and what libpq says in the log.
 */

#include "ngx_paytrade_pg_connection.h"


ngx_int_t
ngx_paytrade_pg_watch(ngx_paytrade_pg_t *pg, ngx_int_t event)
{
    int                fd;
    ngx_event_t       *ev;
    ngx_connection_t  *c;

    fd = PQsocket(pg->conn);
    if (fd < 0) {
        return NGX_ERROR;
    }

    c = ngx_get_connection(fd, pg->log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->data = pg;
    c->read->handler = ngx_paytrade_pg_io_handler;
    c->write->handler = ngx_paytrade_pg_io_handler;
    c->read->log = pg->log;
    c->write->log = pg->log;
    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);

    pg->c = c;
    ngx_paytrade_pg_settle(pg);

    ev = (event == NGX_WRITE_EVENT) ? c->write : c->read;

    return ngx_add_event(ev, event, NGX_LEVEL_EVENT);
}


/* The socket is libpq's and stays open, or was closed by libpq already. */

void
ngx_paytrade_pg_unwatch(ngx_paytrade_pg_t *pg)
{
    ngx_uint_t         flags;
    ngx_connection_t  *c;

    c = pg->c;
    if (c == NULL) {
        return;
    }

    pg->c = NULL;

    flags = (PQsocket(pg->conn) == c->fd) ? 0 : NGX_CLOSE_EVENT;

    if (c->read->active) {
        (void) ngx_del_event(c->read, NGX_READ_EVENT, flags);
    }

    if (c->write->active) {
        (void) ngx_del_event(c->write, NGX_WRITE_EVENT, flags);
    }

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    c->read->closed = 1;
    c->write->closed = 1;

    ngx_free_connection(c);
    c->fd = (ngx_socket_t) -1;
}


ngx_int_t
ngx_paytrade_pg_want_write(ngx_paytrade_pg_t *pg, ngx_uint_t want)
{
    ngx_event_t  *wev;

    wev = pg->c->write;

    if (want && !wev->active) {
        return ngx_add_event(wev, NGX_WRITE_EVENT, NGX_LEVEL_EVENT);
    }

    if (!want && wev->active) {
        return ngx_del_event(wev, NGX_WRITE_EVENT, 0);
    }

    return NGX_OK;
}


void
ngx_paytrade_pg_notice(void *data, const PGresult *res)
{
    ngx_paytrade_pg_t *pg = data;

    char  line[256];

    if (ngx_paytrade_pg_may_log(pg, NGX_PAYTRADE_PG_LOG_NOTICE)) {
        ngx_paytrade_pg_line(line, sizeof(line), PQresultErrorMessage(res));
        ngx_log_error(NGX_LOG_INFO, pg->log, 0,
                      "paytrade: PostgreSQL %V: %s", &pg->conf->name, line);
    }
}


ngx_uint_t
ngx_paytrade_pg_may_log(ngx_paytrade_pg_t *pg, ngx_paytrade_pg_log_e kind)
{
    time_t  now;

    now = ngx_time();

    if (pg->logged[kind] == now) {
        return 0;
    }

    pg->logged[kind] = now;

    return 1;
}


void
ngx_paytrade_pg_line(char *dst, size_t size, const char *src)
{
    char  *p, *last;

    p = dst;
    last = dst + size - 1;

    while (src && *src && p < last) {
        *p++ = ((u_char) *src < 0x20) ? ' ' : *src;
        src++;
    }

    if (src && *src) {

        /* cut: not inside a character */

        while (p > dst && ((u_char) *src & 0xc0) == 0x80) {
            src--;
            p--;
        }
    }

    while (p > dst && p[-1] == ' ') {
        p--;
    }

    *p = '\0';
}
