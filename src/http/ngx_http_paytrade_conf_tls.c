/*
 * The configuration of TLS to Redis, and what Redis' directives owe each other.
 */

#include "ngx_http_paytrade.h"


#define NGX_HTTP_PAYTRADE_TLS_DEPTH  4


static ngx_int_t ngx_http_paytrade_check_password(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf);
static ngx_int_t ngx_http_paytrade_check_plain(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf);
static ngx_int_t ngx_http_paytrade_check_tls(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf);
static ngx_int_t ngx_http_paytrade_init_tls(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf);
static ngx_int_t ngx_http_paytrade_load_tls(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf, ngx_ssl_t *ssl);
static ngx_int_t ngx_http_paytrade_refuse(ngx_conf_t *cf,
    ngx_http_paytrade_place_t *place, char *message);


char *
ngx_http_paytrade_set_tls_verify(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_paytrade_main_conf_t *mcf = conf;

    ngx_str_t  *value;

    if (mcf->redis_verify != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "on") == 0) {
        mcf->redis_verify = 1;

    } else if (ngx_strcmp(value[1].data, "off") == 0) {
        mcf->redis_verify = 0;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has an invalid value \"%V\": write \"on\" "
                           "or \"off\"", &value[0], &value[1]);
        return NGX_CONF_ERROR;
    }

    ngx_http_paytrade_note_place(cf, &mcf->verify_place);

    return NGX_CONF_OK;
}


char *
ngx_http_paytrade_set_tls_value(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    char  *p = conf;

    ngx_str_t                   *value;
    ngx_http_paytrade_placed_t  *field;

    field = (ngx_http_paytrade_placed_t *) (p + cmd->offset);

    if (field->value.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has an empty value \"\": write a value, or "
                           "leave the directive out", &value[0]);
        return NGX_CONF_ERROR;
    }

    field->value = value[1];
    ngx_http_paytrade_note_place(cf, &field->place);

    return NGX_CONF_OK;
}


/* Everything is read: do the directives fit together? */
ngx_int_t
ngx_http_paytrade_init_redis(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf)
{
    mcf->redis.durability = mcf->durability;
    mcf->redis.connect_timeout = mcf->redis_connect_timeout;
    mcf->redis.timeout = mcf->redis_timeout;
    mcf->redis.tls_verify = mcf->redis_verify;

    if (mcf->redis_name.value.len) {
        mcf->redis.tls_name = mcf->redis_name.value;
    }

    if (ngx_http_paytrade_check_password(cf, mcf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!mcf->redis_tls) {
        return ngx_http_paytrade_check_plain(cf, mcf);
    }

    if (ngx_http_paytrade_check_tls(cf, mcf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_paytrade_init_tls(cf, mcf);
}


static ngx_int_t
ngx_http_paytrade_check_password(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf)
{
    if (mcf->redis_password.len) {

        if (mcf->redis.password.len) {
            return ngx_http_paytrade_refuse(cf, &mcf->password_place,
                       "conflicts with the password in \"paytrade_redis\": "
                       "keep one of them");
        }

        mcf->redis.password = mcf->redis_password;
    }

    if (mcf->redis.user.len && mcf->redis.password.len == 0) {
        return ngx_http_paytrade_refuse(cf, &mcf->redis_place,
                   "names a user without a password: write "
                   "redis://user:password@host or give "
                   "\"paytrade_redis_password_file\"");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paytrade_check_plain(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf)
{
    ngx_uint_t                  i;
    ngx_http_paytrade_place_t  *places[5];

    places[0] = &mcf->verify_place;
    places[1] = &mcf->redis_trusted.place;
    places[2] = &mcf->redis_name.place;
    places[3] = &mcf->redis_certificate.place;
    places[4] = &mcf->redis_certificate_key.place;

    for (i = 0; i < 5; i++) {
        if (places[i]->line) {
            return ngx_http_paytrade_refuse(cf, places[i],
                       "needs TLS: write a URL that begins with "
                       "\"rediss://\" in \"paytrade_redis\", or leave this "
                       "directive out");
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paytrade_check_tls(ngx_conf_t *cf, ngx_http_paytrade_main_conf_t *mcf)
{
    if (mcf->redis_verify && mcf->redis_trusted.value.len == 0) {
        return ngx_http_paytrade_refuse(cf, &mcf->redis_place,
                   "with \"rediss://\" needs "
                   "\"paytrade_redis_ssl_trusted_certificate\", such as "
                   "\"paytrade_redis_ssl_trusted_certificate "
                   "/etc/ssl/certs/ca-certificates.crt;\", or "
                   "\"paytrade_redis_ssl_verify off;\"");
    }

    if (mcf->redis_certificate.value.len
        && mcf->redis_certificate_key.value.len == 0)
    {
        return ngx_http_paytrade_refuse(cf, &mcf->redis_certificate.place,
                   "needs \"paytrade_redis_ssl_certificate_key\": give both, "
                   "or none");
    }

    if (mcf->redis_certificate_key.value.len
        && mcf->redis_certificate.value.len == 0)
    {
        return ngx_http_paytrade_refuse(cf, &mcf->redis_certificate_key.place,
                   "needs \"paytrade_redis_ssl_certificate\": give both, or "
                   "none");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paytrade_init_tls(ngx_conf_t *cf, ngx_http_paytrade_main_conf_t *mcf)
{
    ngx_ssl_t           *ssl;
    ngx_pool_cleanup_t  *cln;

    ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
    if (ssl == NULL) {
        return NGX_ERROR;
    }

    ssl->log = cf->log;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    if (ngx_ssl_create(ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL) != NGX_OK) {
        return NGX_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = ssl;

    if (ngx_http_paytrade_load_tls(cf, mcf, ssl) != NGX_OK) {
        return NGX_ERROR;
    }

    mcf->redis.ssl = ssl;

    return NGX_OK;
}


/* OpenSSL's own message is in the log before ours. */
static ngx_int_t
ngx_http_paytrade_load_tls(ngx_conf_t *cf, ngx_http_paytrade_main_conf_t *mcf,
    ngx_ssl_t *ssl)
{
    if (mcf->redis_trusted.value.len
        && ngx_ssl_trusted_certificate(cf, ssl, &mcf->redis_trusted.value,
                                       NGX_HTTP_PAYTRADE_TLS_DEPTH)
           != NGX_OK)
    {
        return ngx_http_paytrade_refuse(cf, &mcf->redis_trusted.place,
                   "names a file that cannot be used: write the path of a "
                   "PEM file with the certificates that are trusted");
    }

    if (mcf->redis_certificate.value.len
        && ngx_ssl_certificate(cf, ssl, &mcf->redis_certificate.value,
                               &mcf->redis_certificate_key.value, NULL)
           != NGX_OK)
    {
        return ngx_http_paytrade_refuse(cf, &mcf->redis_certificate.place,
                   "or its key names a file that cannot be used: write the "
                   "paths of a certificate and its key in PEM files");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paytrade_refuse(ngx_conf_t *cf, ngx_http_paytrade_place_t *place,
    char *message)
{
    ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "\"%V\" %s in %V:%ui",
                  &place->directive, message, &place->file, place->line);

    return NGX_ERROR;
}
