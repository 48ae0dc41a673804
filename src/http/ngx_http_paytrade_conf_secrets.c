/*
 * The values of the settings of gateways: texts, URLs and files, most of which
 * hold keys.
 *
 * They are given to the gateways' types when the whole configuration is known,
 * for the currency may be told after the blocks.  What was read from a file is
 * wiped at once, and never shown.
 */

#include "ngx_http_paytrade_pay.h"


#define NGX_HTTP_PAYTRADE_FILE_MAX  (64 * 1024)
#define NGX_HTTP_PAYTRADE_TIME_MIN  1000
#define NGX_HTTP_PAYTRADE_TIME_MAX  (86400 * 1000)


static ngx_int_t ngx_http_paytrade_gateway_open(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf, ngx_http_paytrade_gateway_t *gateway);
static void ngx_http_paytrade_gateway_close(void *data);
static ngx_int_t ngx_http_paytrade_gateway_value(ngx_conf_t *cf,
    ngx_http_paytrade_gateway_t *gateway, ngx_http_paytrade_placed_t *line);
static ngx_int_t ngx_http_paytrade_gateway_file(ngx_conf_t *cf,
    ngx_http_paytrade_gateway_t *gateway, const pt_setting_t *setting,
    ngx_http_paytrade_placed_t *line);
static ngx_int_t ngx_http_paytrade_gateway_read(ngx_conf_t *cf,
    ngx_http_paytrade_gateway_t *gateway, const pt_setting_t *setting,
    ngx_http_paytrade_placed_t *line, ngx_file_t *file);
static ngx_int_t ngx_http_paytrade_gateway_time(ngx_conf_t *cf,
    ngx_http_paytrade_gateway_t *gateway, ngx_http_paytrade_placed_t *line,
    ngx_str_t *text);
static ngx_uint_t ngx_http_paytrade_is_url(ngx_str_t *url);
static ngx_uint_t ngx_http_paytrade_is_key(ngx_str_t *text);
static ngx_uint_t ngx_http_paytrade_may_be_key(ngx_str_t *text);


ngx_int_t
ngx_http_paytrade_init_gateways(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf)
{
    ngx_uint_t                    i;
    ngx_http_paytrade_gateway_t  *gateway;

    if (mcf->gateways == NULL) {
        return NGX_OK;
    }

    gateway = mcf->gateways->elts;

    for (i = 0; i < mcf->gateways->nelts; i++) {
        if (ngx_http_paytrade_gateway_open(cf, mcf, &gateway[i]) != NGX_OK) {
            return NGX_ERROR;
        }

#if (NGX_THREADS)

        if (*ngx_http_paytrade_methods(&gateway[i])) {
            mcf->threads = ngx_thread_pool_add(cf, NULL);
            if (mcf->threads == NULL) {
                return NGX_ERROR;
            }
        }

#endif
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_paytrade_gateway_open(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf, ngx_http_paytrade_gateway_t *gateway)
{
    const char                  *why;
    ngx_uint_t                   i;
    ngx_pool_cleanup_t          *cln;
    ngx_http_paytrade_placed_t  *line;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    gateway->conf = gateway->type->create(pt_slice(mcf->currency.data,
                                                 mcf->currency.len),
                                        mcf->decimals);
    if (gateway->conf == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_paytrade_gateway_close;
    cln->data = gateway;

    line = gateway->lines->elts;

    for (i = 0; i < gateway->lines->nelts; i++) {
        if (ngx_http_paytrade_gateway_value(cf, gateway, &line[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    why = "is not complete: write all of its settings";

    if (gateway->type->check(gateway->conf, &why) != 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "\"%V\" %V %s in %V:%ui",
                      &gateway->place.directive, &gateway->name, why,
                      &gateway->place.file, gateway->place.line);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_http_paytrade_gateway_close(void *data)
{
    ngx_http_paytrade_gateway_t *gateway = data;

    gateway->type->destroy(gateway->conf);
    gateway->conf = NULL;
}


static ngx_int_t
ngx_http_paytrade_gateway_value(ngx_conf_t *cf,
    ngx_http_paytrade_gateway_t *gateway, ngx_http_paytrade_placed_t *line)
{
    u_char               shown[NGX_HTTP_PAYTRADE_SHOWN_LEN];
    ngx_str_t            text;
    const char          *why;
    const pt_setting_t  *setting;

    setting = ngx_http_paytrade_gateway_setting(gateway,
                                                &line->place.directive);
    if (setting == NULL) {
        return NGX_OK;
    }

    if (setting->kind == PT_SETTING_FILE
        || setting->kind == PT_SETTING_SECRET_FILE
        || setting->kind == PT_SETTING_NAMED_FILE)
    {
        return ngx_http_paytrade_gateway_file(cf, gateway, setting, line);
    }

    if (setting->kind == PT_SETTING_URL
        && !ngx_http_paytrade_is_url(&line->value))
    {
        return ngx_http_paytrade_gateway_refuse(cf, gateway,
                               &line->place, 0,
                               "has an invalid URL %s: write one that "
                               "starts with https:// or http://",
                               ngx_http_paytrade_gateway_shown(&line->value,
                                                               shown));
    }

    text = line->value;

    if (setting->kind == PT_SETTING_TIME
        && ngx_http_paytrade_gateway_time(cf, gateway, line, &text) != NGX_OK)
    {
        return NGX_ERROR;
    }

    why = "write another value";

    if (gateway->type->set(gateway->conf, setting, pt_slice_null,
                           pt_slice(text.data, text.len), &why)
        != 0)
    {
        return ngx_http_paytrade_gateway_refuse(cf, gateway,
                               &line->place, 0,
                               "has an invalid value %s: %s",
                               ngx_http_paytrade_gateway_shown(&line->value,
                                                               shown),
                               why);
    }

    return NGX_OK;
}


/* Milliseconds in digits, in the pool. */
static ngx_int_t
ngx_http_paytrade_gateway_time(ngx_conf_t *cf,
    ngx_http_paytrade_gateway_t *gateway, ngx_http_paytrade_placed_t *line,
    ngx_str_t *text)
{
    u_char     shown[NGX_HTTP_PAYTRADE_SHOWN_LEN];
    ngx_int_t  n;

    n = ngx_parse_time(&line->value, 0);

    if (n == NGX_ERROR || n < NGX_HTTP_PAYTRADE_TIME_MIN
        || n > NGX_HTTP_PAYTRADE_TIME_MAX)
    {
        return ngx_http_paytrade_gateway_refuse(cf, gateway, &line->place, 0,
                               "has an invalid value %s: write a time "
                               "from 1s to 1d, such as 5m",
                               ngx_http_paytrade_gateway_shown(&line->value,
                                                               shown));
    }

    text->data = ngx_pnalloc(cf->pool, NGX_INT_T_LEN);
    if (text->data == NULL) {
        return NGX_ERROR;
    }

    text->len = ngx_sprintf(text->data, "%i", n) - text->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paytrade_gateway_file(ngx_conf_t *cf,
    ngx_http_paytrade_gateway_t *gateway, const pt_setting_t *setting,
    ngx_http_paytrade_placed_t *line)
{
    ngx_int_t   rc;
    ngx_file_t  file;

    if (ngx_http_paytrade_is_key(&line->value)) {
        return ngx_http_paytrade_gateway_refuse(cf, gateway,
                               &line->place, 0,
                               "has a key as its value: write the path of a "
                               "file that holds it");
    }

    ngx_memzero(&file, sizeof(ngx_file_t));

    file.name = line->value;
    file.log = cf->log;

    if (ngx_conf_full_name(cf->cycle, &file.name, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    file.fd = ngx_open_file(file.name.data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                            NGX_FILE_OPEN, 0);

    if (file.fd == NGX_INVALID_FILE
        && ngx_http_paytrade_may_be_key(&line->value))
    {
        return ngx_http_paytrade_gateway_refuse(cf, gateway,
                               &line->place, 0,
                               "has what may be a key as its value, and there "
                               "is no such file: write the path of a file "
                               "that nginx can read");
    }

    if (file.fd == NGX_INVALID_FILE) {
        return ngx_http_paytrade_gateway_refuse(cf, gateway,
                               &line->place, ngx_errno,
                               "cannot open \"%V\": write the path of a file "
                               "that nginx can read", &file.name);
    }

    rc = ngx_http_paytrade_gateway_read(cf, gateway, setting, line, &file);

    if (ngx_close_file(file.fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, cf->log, ngx_errno,
                      ngx_close_file_n " \"%V\" failed", &file.name);
    }

    return rc;
}


static ngx_int_t
ngx_http_paytrade_gateway_read(ngx_conf_t *cf,
    ngx_http_paytrade_gateway_t *gateway, const pt_setting_t *setting,
    ngx_http_paytrade_placed_t *line, ngx_file_t *file)
{
    u_char      *data;
    ssize_t      n;
    const char  *why;

    data = ngx_alloc(NGX_HTTP_PAYTRADE_FILE_MAX + 1, cf->log);
    if (data == NULL) {
        return NGX_ERROR;
    }

    n = 0;
    why = NULL;

    if (ngx_fd_info(file->fd, &file->info) == NGX_FILE_ERROR
        || !ngx_is_file(&file->info))
    {
        why = "is not a regular file: write the path of one";

    } else {
        n = ngx_read_file(file, data, NGX_HTTP_PAYTRADE_FILE_MAX + 1, 0);

        if (n == NGX_ERROR) {
            why = "cannot be read: write the path of another file";

        } else if (n == 0) {
            why = "is empty: write the path of a file that is not";

        } else if (n > NGX_HTTP_PAYTRADE_FILE_MAX) {
            why = "is longer than 64 KiB: write the path of the right file";
        }
    }

    if (why == NULL
        && gateway->type->set(gateway->conf, setting,
                              pt_slice(line->name.data, line->name.len),
                              pt_slice(data, n), &why)
           != 0
        && why == NULL)
    {
        why = "cannot be used: write the path of another file";
    }

    ngx_explicit_memzero(data, NGX_HTTP_PAYTRADE_FILE_MAX + 1);
    ngx_free(data);

    if (why) {
        return ngx_http_paytrade_gateway_refuse(cf, gateway,
                                                &line->place, 0, "\"%V\" %s",
                                                &file->name, why);
    }

    if (setting->kind == PT_SETTING_SECRET_FILE
        && (ngx_file_access(&file->info) & S_IROTH))
    {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"%V\" %V: \"%V\": every user of this machine can read "
                      "\"%V\"; chmod o-r it in %V:%ui",
                      &gateway->place.directive, &gateway->name,
                      &line->place.directive, &file->name,
                      &line->place.file, line->place.line);
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_http_paytrade_is_url(ngx_str_t *url)
{
    size_t  i, start;

    if (ngx_strncmp(url->data, "https://", 8) == 0) {
        start = 8;

    } else if (ngx_strncmp(url->data, "http://", 7) == 0) {
        start = 7;

    } else {
        return 0;
    }

    for (i = start; i < url->len; i++) {
        if (url->data[i] <= ' ' || url->data[i] >= 0x7f) {
            return 0;
        }
    }

    return url->len > start && url->data[start] != '/';
}


/* The value where a path should be, as keys are often handed around. */
static ngx_uint_t
ngx_http_paytrade_is_key(ngx_str_t *text)
{
    return text->len > NGX_MAX_PATH
           || (text->len > 128 && ngx_strncmp(text->data, "MII", 3) == 0)
           || ngx_strncmp(text->data, "-----BEGIN", 10) == 0
           || ngx_strncmp(text->data, "whsec_", 6) == 0;
}


/* As long as the shortest secret, and nothing of a path: it is not shown. */
static ngx_uint_t
ngx_http_paytrade_may_be_key(ngx_str_t *text)
{
    return text->len >= 24
           && ngx_strlchr(text->data, text->data + text->len, '/') == NULL
           && ngx_strlchr(text->data, text->data + text->len, '.') == NULL;
}
