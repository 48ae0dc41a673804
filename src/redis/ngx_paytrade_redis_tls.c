/*
 * Redis: TLS on a connection, with the server's name and certificate checked.
 */

#include "ngx_paytrade_redis_connection.h"


#if (NGX_SSL)

#include <openssl/x509v3.h>


static ngx_int_t ngx_paytrade_redis_tls_name(ngx_paytrade_redis_t *redis);
static ngx_int_t ngx_paytrade_redis_tls_verify(ngx_paytrade_redis_t *redis);
static void ngx_paytrade_redis_tls_handler(ngx_connection_t *c);


ngx_int_t
ngx_paytrade_redis_tls(ngx_paytrade_redis_t *redis)
{
    ngx_int_t          rc;
    ngx_connection_t  *c;

    c = redis->connection;

    if (redis->conf->ssl == NULL || (c->ssl != NULL && c->ssl->handshaked)) {
        return NGX_OK;
    }

    if (ngx_ssl_create_connection(redis->conf->ssl, c, NGX_SSL_CLIENT)
        != NGX_OK
        || ngx_paytrade_redis_tls_name(redis) != NGX_OK)
    {
        ngx_paytrade_redis_fail(redis, 0, "TLS cannot begin");
        return NGX_AGAIN;
    }

    /* the output may move and grow between two tries to write it */

    SSL_set_mode(c->ssl->connection, SSL_MODE_ENABLE_PARTIAL_WRITE
                                     |SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);

    c->ssl->handler = ngx_paytrade_redis_tls_handler;

    rc = ngx_ssl_handshake(c);

    if (rc != NGX_AGAIN) {
        ngx_paytrade_redis_tls_handler(c);
    }

    return NGX_AGAIN;
}


/* SNI; an address is no name. */
static ngx_int_t
ngx_paytrade_redis_tls_name(ngx_paytrade_redis_t *redis)
{
    u_char             name[256];
    ngx_str_t         *conf;
    ngx_connection_t  *c;

    c = redis->connection;
    conf = &redis->conf->tls_name;

    if (conf->len == 0 || conf->len >= sizeof(name)) {
        return conf->len == 0 ? NGX_OK : NGX_ERROR;
    }

    if (ngx_inet_addr(conf->data, conf->len) != INADDR_NONE
        || ngx_strlchr(conf->data, conf->data + conf->len, ':') != NULL)
    {
        return NGX_OK;
    }

    ngx_memcpy(name, conf->data, conf->len);
    name[conf->len] = '\0';

    if (SSL_set_tlsext_host_name(c->ssl->connection, (char *) name) == 0) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_paytrade_redis_tls_handler(ngx_connection_t *c)
{
    ngx_paytrade_redis_t  *redis;

    redis = c->data;

    ngx_paytrade_redis_enter(redis);

    c->read->handler = ngx_paytrade_redis_read_handler;
    c->write->handler = ngx_paytrade_redis_write_handler;

    if (!c->ssl->handshaked) {
        ngx_paytrade_redis_fail(redis, 0, "TLS handshake failed");

    } else if (ngx_paytrade_redis_tls_verify(redis) == NGX_OK) {
        ngx_paytrade_redis_established(redis);
    }

    ngx_paytrade_redis_leave(redis);
}


static ngx_int_t
ngx_paytrade_redis_tls_verify(ngx_paytrade_redis_t *redis)
{
    long               rc;
    X509              *cert;
    ngx_int_t          found;
    ngx_str_t         *name;
    ngx_connection_t  *c;
    u_char             address[NGX_INET6_ADDRSTRLEN + 1];

    if (!redis->conf->tls_verify) {
        return NGX_OK;
    }

    c = redis->connection;
    name = &redis->conf->tls_name;

    rc = SSL_get_verify_result(c->ssl->connection);

    if (rc != X509_V_OK) {
        ngx_paytrade_redis_fail(redis, 0,
                                "certificate is not accepted: %l (%s)", rc,
                                X509_verify_cert_error_string(rc));
        return NGX_ERROR;
    }

    found = ngx_ssl_check_host(c, name);

    if (found != NGX_OK && name->len < sizeof(address)) {
        *ngx_cpymem(address, name->data, name->len) = '\0';

        cert = SSL_get_peer_certificate(c->ssl->connection);

        if (cert != NULL) {
            if (X509_check_ip_asc(cert, (char *) address, 0) == 1) {
                found = NGX_OK;
            }

            X509_free(cert);
        }
    }

    if (found != NGX_OK) {
        ngx_paytrade_redis_fail(redis, 0,
                                "certificate is not for \"%V\"", name);
    }

    return found;
}


#else

ngx_int_t
ngx_paytrade_redis_tls(ngx_paytrade_redis_t *redis)
{
    return NGX_OK;
}

#endif
