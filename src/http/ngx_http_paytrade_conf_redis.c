/*
 * The configuration of Redis: the URL, the password, TLS.
 *
 * What has a secret in it is never shown: messages and the log get the URL
 * without its password.
 */

#include "ngx_http_paytrade.h"


#define NGX_HTTP_PAYTRADE_REDIS_PORT    6379
#define NGX_HTTP_PAYTRADE_DATABASE_MAX  65535
#define NGX_HTTP_PAYTRADE_PASSWORD_MAX  1024


static char *ngx_http_paytrade_redis_unix(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf, ngx_str_t url);
static char *ngx_http_paytrade_redis_inet(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf, ngx_str_t rest);
static char *ngx_http_paytrade_redis_port(ngx_str_t *host);
static char *ngx_http_paytrade_redis_credentials(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf, ngx_str_t text);
static ngx_int_t ngx_http_paytrade_redis_database(
    ngx_http_paytrade_main_conf_t *mcf, ngx_str_t text);
static char *ngx_http_paytrade_redis_resolve(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf, ngx_str_t *host);
static ngx_int_t ngx_http_paytrade_redis_name(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf, ngx_str_t *host);
static ngx_int_t ngx_http_paytrade_unescape(ngx_conf_t *cf, ngx_str_t *dst,
    ngx_str_t src);
static ngx_int_t ngx_http_paytrade_read_password(ngx_conf_t *cf,
    ngx_file_t *file, ngx_str_t *password);


char *
ngx_http_paytrade_set_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paytrade_main_conf_t *mcf = conf;

    char       *err;
    ngx_str_t  *value, rest;

    if (mcf->redis_url.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    ngx_http_paytrade_note_place(cf, &mcf->redis_place);

    rest = value[1];

    if (ngx_strncmp(rest.data, "unix:", 5) == 0) {
        err = ngx_http_paytrade_redis_unix(cf, mcf, rest);

    } else if (ngx_strncmp(rest.data, "redis://", 8) == 0) {
        rest.data += 8;
        rest.len -= 8;
        err = ngx_http_paytrade_redis_inet(cf, mcf, rest);

    } else if (ngx_strncmp(rest.data, "rediss://", 9) == 0) {
        rest.data += 9;
        rest.len -= 9;
        mcf->redis_tls = 1;
        err = ngx_http_paytrade_redis_inet(cf, mcf, rest);

    } else {
        err = "it has to begin with \"unix:/\", \"redis://\" or \"rediss://\"";
    }

    if (err == NULL) {
        return NGX_CONF_OK;
    }

    if (err != NGX_CONF_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has an invalid URL: %s; write a URL such "
                           "as unix:/run/redis/redis.sock or "
                           "redis://user:password@host:6379/0",
                           &value[0], err);
    }

    return NGX_CONF_ERROR;
}


/* unix:/path[?db=N]; returns NULL, or what is wrong. */
static char *
ngx_http_paytrade_redis_unix(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf, ngx_str_t url)
{
    u_char     *p;
    ngx_str_t   args;

    p = ngx_strlchr(url.data, url.data + url.len, '?');

    if (p) {
        args.data = p + 1;
        args.len = url.data + url.len - args.data;
        url.len = p - url.data;

        if (args.len < 3 || ngx_strncmp(args.data, "db=", 3) != 0) {
            return "after \"?\" only \"db=NUMBER\" may follow";
        }

        args.data += 3;
        args.len -= 3;

        if (ngx_http_paytrade_redis_database(mcf, args) != NGX_OK) {
            return "the database is not a number from 0 to 65535";
        }
    }

    if (url.len < 7 || url.data[5] != '/') {
        return "the path of the socket has to begin with \"/\"";
    }

    return ngx_http_paytrade_redis_resolve(cf, mcf, &url);
}


/* [user[:password]@]host[:port][/database] */
static char *
ngx_http_paytrade_redis_inet(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf, ngx_str_t rest)
{
    char       *err;
    u_char     *p, *last;
    ngx_str_t   credentials, host, database;

    last = rest.data + rest.len;

    ngx_str_null(&credentials);

    for (p = last; p > rest.data; p--) {

        if (p[-1] == '@') {
            credentials.data = rest.data;
            credentials.len = p - 1 - rest.data;
            rest.data = p;
            rest.len = last - p;
            break;
        }
    }

    err = ngx_http_paytrade_redis_credentials(cf, mcf, credentials);
    if (err) {
        return err;
    }

    host = rest;
    p = ngx_strlchr(rest.data, last, '/');

    if (p) {
        host.len = p - host.data;
        database.data = p + 1;
        database.len = last - database.data;

        if (database.len
            && ngx_http_paytrade_redis_database(mcf, database) != NGX_OK)
        {
            return "what follows the host is not a database from 0 to 65535";
        }
    }

    err = ngx_http_paytrade_redis_port(&host);
    if (err) {
        return err;
    }

    return ngx_http_paytrade_redis_resolve(cf, mcf, &host);
}


/*
 * A port that is none may be a password whose "@" was forgotten, so it must be
 * found before anybody shows the host.
 */
static char *
ngx_http_paytrade_redis_port(ngx_str_t *host)
{
    u_char     *p, *last;
    ngx_int_t   n;

    p = host->data;
    last = p + host->len;

    if (host->len && *p == '[') {
        p = ngx_strlchr(p, last, ']');

        if (p == NULL) {
            return "the IPv6 address has no closing bracket";
        }

        p++;

        if (p < last && *p != ':') {
            return "after the IPv6 address only a port may follow";
        }
    }

    p = ngx_strlchr(p, last, ':');

    if (p == host->data || host->len == 0) {
        return "there is no host";
    }

    if (p == NULL) {
        return NULL;
    }

    if (ngx_strlchr(p + 1, last, ':')) {
        return "an IPv6 address has to stand in brackets";
    }

    n = ngx_atoi(p + 1, last - p - 1);

    if (n < 1 || n > 65535) {
        return "the port is not a number from 1 to 65535";
    }

    return NULL;
}


static char *
ngx_http_paytrade_redis_credentials(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf, ngx_str_t text)
{
    u_char     *p;
    ngx_str_t   user, password;

    if (text.data == NULL) {
        return NULL;
    }

    user = text;
    ngx_str_null(&password);

    p = ngx_strlchr(text.data, text.data + text.len, ':');

    if (p) {
        user.len = p - user.data;
        password.data = p + 1;
        password.len = text.data + text.len - password.data;
    }

    if (ngx_http_paytrade_unescape(cf, &mcf->redis.user, user) != NGX_OK
        || ngx_http_paytrade_unescape(cf, &mcf->redis.password, password)
           != NGX_OK)
    {
        return "the user or the password has a \"%\" without two hexadecimal "
               "digits (write it as %25)";
    }

    if (p && mcf->redis.password.len == 0) {
        return "the password is empty";
    }

    if (user.len == 0 && password.len == 0) {
        return "there is neither a user nor a password before the \"@\"";
    }

    return NULL;
}


static ngx_int_t
ngx_http_paytrade_redis_database(ngx_http_paytrade_main_conf_t *mcf,
    ngx_str_t text)
{
    ngx_int_t  n;

    n = ngx_atoi(text.data, text.len);

    if (n == NGX_ERROR || n > NGX_HTTP_PAYTRADE_DATABASE_MAX) {
        return NGX_ERROR;
    }

    mcf->redis.database = n;

    return NGX_OK;
}


/* Names are looked up now: a worker never waits for a resolver. */
static char *
ngx_http_paytrade_redis_resolve(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf, ngx_str_t *host)
{
    ngx_url_t   u;
    ngx_str_t  *value;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = *host;
    u.default_port = NGX_HTTP_PAYTRADE_REDIS_PORT;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK) {
        value = cf->args->elts;

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" cannot use \"%V\": %s; write a host that "
                           "this machine can look up, an address, or the "
                           "path of a socket",
                           &value[0], host, u.err ? u.err : "invalid host");
        return NGX_CONF_ERROR;
    }

    mcf->redis.addrs = u.addrs;
    mcf->redis.naddrs = u.naddrs;

    if (u.family != AF_UNIX) {
        mcf->redis.tls_name = u.host;

        if (u.host.len > 2 && u.host.data[0] == '[') {
            mcf->redis.tls_name.data++;
            mcf->redis.tls_name.len -= 2;
        }
    }

    if (ngx_http_paytrade_redis_name(cf, mcf, host) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NULL;
}


/* The URL as the log shows it. */
static ngx_int_t
ngx_http_paytrade_redis_name(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf, ngx_str_t *host)
{
    char       *scheme;
    u_char     *p;
    ngx_str_t  *url;

    url = &mcf->redis_url;

    url->data = ngx_pnalloc(cf->pool, host->len + NGX_INT_T_LEN
                                      + sizeof("rediss:///?db="));
    if (url->data == NULL) {
        return NGX_ERROR;
    }

    if (ngx_strncmp(host->data, "unix:", 5) == 0) {
        p = ngx_sprintf(url->data, "%V", host);

        if (mcf->redis.database) {
            p = ngx_sprintf(p, "?db=%ui", mcf->redis.database);
        }

    } else {
        scheme = mcf->redis_tls ? "rediss" : "redis";
        p = ngx_sprintf(url->data, "%s://%V/%ui", scheme, host,
                        mcf->redis.database);
    }

    url->len = p - url->data;
    mcf->redis.url = *url;

    return NGX_OK;
}


/* Percent-decodes; unlike nginx's own, refuses what is malformed. */
static ngx_int_t
ngx_http_paytrade_unescape(ngx_conf_t *cf, ngx_str_t *dst, ngx_str_t src)
{
    u_char     *p;
    size_t      i;
    ngx_int_t   n;

    dst->len = 0;

    if (src.len == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(cf->pool, src.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    dst->data = p;

    for (i = 0; i < src.len; i++) {

        if (src.data[i] != '%') {
            *p++ = src.data[i];
            continue;
        }

        if (src.len - i < 3) {
            return NGX_ERROR;
        }

        n = ngx_hextoi(&src.data[i + 1], 2);

        if (n == NGX_ERROR || n == 0) {
            return NGX_ERROR;
        }

        *p++ = (u_char) n;
        i += 2;
    }

    dst->len = p - dst->data;

    return NGX_OK;
}


char *
ngx_http_paytrade_set_password_file(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_paytrade_main_conf_t *mcf = conf;

    ngx_int_t    rc;
    ngx_str_t   *value;
    ngx_file_t   file;

    if (mcf->redis_password.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    ngx_http_paytrade_note_place(cf, &mcf->password_place);

    ngx_memzero(&file, sizeof(ngx_file_t));

    file.name = value[1];
    file.log = cf->log;

    if (ngx_conf_full_name(cf->cycle, &file.name, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    file.fd = ngx_open_file(file.name.data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                            NGX_FILE_OPEN, 0);

    if (file.fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "\"%V\" cannot open \"%V\": write the path of a "
                           "file that holds the password",
                           &value[0], &file.name);
        return NGX_CONF_ERROR;
    }

    rc = ngx_http_paytrade_read_password(cf, &file, &mcf->redis_password);

    if (ngx_close_file(file.fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, cf->log, ngx_errno,
                      ngx_close_file_n " \"%V\" failed", &file.name);
    }

    return rc == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static ngx_int_t
ngx_http_paytrade_read_password(ngx_conf_t *cf, ngx_file_t *file,
    ngx_str_t *password)
{
    char       *err;
    u_char     *p;
    ssize_t     n;
    ngx_str_t  *value;

    value = cf->args->elts;

    p = ngx_pnalloc(cf->pool, NGX_HTTP_PAYTRADE_PASSWORD_MAX + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    err = NULL;

    if (ngx_fd_info(file->fd, &file->info) == NGX_FILE_ERROR
        || !ngx_is_file(&file->info))
    {
        err = "is not a regular file";
        goto failed;
    }

    n = ngx_read_file(file, p, NGX_HTTP_PAYTRADE_PASSWORD_MAX + 1, 0);

    if (n == NGX_ERROR) {
        err = "cannot be read";
        goto failed;
    }

    if (n > NGX_HTTP_PAYTRADE_PASSWORD_MAX) {
        err = "is longer than 1024 bytes";
        goto failed;
    }

    if (n && p[n - 1] == '\n') {
        n--;

        if (n && p[n - 1] == '\r') {
            n--;
        }
    }

    if (n == 0) {
        err = "is empty";
        goto failed;
    }

    if (ngx_strlchr(p, p + n, '\n')) {
        err = "has more than one line";
        goto failed;
    }

    if (ngx_file_access(&file->info) & S_IROTH) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"%V\": every user of this machine can read "
                           "\"%V\"; chmod o-r it", &value[0], &file->name);
    }

    password->data = p;
    password->len = n;

    return NGX_OK;

failed:

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%V\": \"%V\" %s: write the path of a file that "
                       "holds the password in one line",
                       &value[0], &file->name, err);

    return NGX_ERROR;
}
