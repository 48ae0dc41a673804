/*
 * paytrade_postgres: a connection string is parsed and its hosts are looked up
 * while the configuration is read, so that a worker never asks a name server.
 *
 * A name with several addresses becomes several hosts.  The name stays beside
 * each address, for libpq verifies the server's certificate by it.
 */

#include "ngx_paytrade_pg.h"


#define NGX_PAYTRADE_PG_HOSTS_MAX  16


typedef struct {
    ngx_str_t   host;
    ngx_str_t   addr;
    ngx_str_t   port;
} ngx_paytrade_pg_host_t;


typedef struct {
    ngx_pool_t               *pool;
    PQconninfoOption         *options;
    ngx_uint_t                nhosts;
    ngx_paytrade_pg_host_t    hosts[NGX_PAYTRADE_PG_HOSTS_MAX];
} ngx_paytrade_pg_dsn_t;


static char *ngx_paytrade_pg_error(ngx_pool_t *pool, const char *fmt, ...);
static ngx_uint_t ngx_paytrade_pg_is_encoded(char *text);
static char *ngx_paytrade_pg_check(ngx_paytrade_pg_dsn_t *d);
static char *ngx_paytrade_pg_hosts(ngx_paytrade_pg_dsn_t *d);
static char *ngx_paytrade_pg_add_host(ngx_paytrade_pg_dsn_t *d,
    ngx_str_t *host, ngx_str_t *addr, ngx_str_t *port);
static char *ngx_paytrade_pg_resolve(ngx_paytrade_pg_dsn_t *d,
    ngx_str_t *host, ngx_str_t *port);
static char *ngx_paytrade_pg_append(ngx_paytrade_pg_dsn_t *d,
    ngx_str_t *host, ngx_str_t *addr, ngx_str_t *port);
static char *ngx_paytrade_pg_layout(ngx_paytrade_pg_dsn_t *d,
    ngx_paytrade_pg_conf_t *conf);
static char *ngx_paytrade_pg_name(ngx_paytrade_pg_dsn_t *d,
    ngx_paytrade_pg_conf_t *conf);
static const char *ngx_paytrade_pg_join(ngx_paytrade_pg_dsn_t *d,
    size_t offset, ngx_uint_t first);
static const char *ngx_paytrade_pg_option(ngx_paytrade_pg_dsn_t *d,
    const char *keyword);
static const char *ngx_paytrade_pg_copy(ngx_pool_t *pool, const char *text);
static ngx_uint_t ngx_paytrade_pg_own_option(const char *keyword);
static ngx_uint_t ngx_paytrade_pg_split(const char *list, ngx_str_t *out);


static char  ngx_paytrade_pg_no_memory[] = "out of memory";

/* What libpq would find wrong only when it connects. */
static const char *const  ngx_paytrade_pg_sslmodes[] = {
    "disable", "allow", "prefer", "require", "verify-ca", "verify-full", NULL
};


char *
ngx_paytrade_pg_parse(ngx_conf_t *cf, ngx_str_t *dsn,
    ngx_paytrade_pg_conf_t *conf)
{
    char                   *text, *message, *rv;
    ngx_paytrade_pg_dsn_t   d;

    text = ngx_pnalloc(cf->pool, dsn->len + 1);
    if (text == NULL) {
        return ngx_paytrade_pg_no_memory;
    }

    ngx_cpystrn((u_char *) text, dsn->data, dsn->len + 1);

    if (!ngx_paytrade_pg_is_encoded(text)) {
        return "has an \"@\" where none may stand, write \"%40\" for \"@\" and "
               "\"%2F\" for \"/\" in the user, the password, the host and the "
               "database";
    }

    ngx_memzero(&d, sizeof(ngx_paytrade_pg_dsn_t));

    message = NULL;
    d.pool = cf->pool;
    d.options = PQconninfoParse(text, &message);

    if (d.options == NULL) {

        /* libpq quotes what it stumbled over: that may be of a password */

        rv = (message && ngx_strstr(message, "invalid connection option"))
             ? "has an option that libpq does not know"
             : "is not a valid connection string, quote values with spaces, "
               "or in a URI write \"%25\" for \"%\"";

        PQfreemem(message);

        return rv;
    }

    rv = ngx_paytrade_pg_check(&d);

    if (rv == NGX_CONF_OK) {
        rv = ngx_paytrade_pg_hosts(&d);
    }

    if (rv == NGX_CONF_OK) {
        rv = ngx_paytrade_pg_layout(&d, conf);
    }

    if (rv == NGX_CONF_OK) {
        rv = ngx_paytrade_pg_name(&d, conf);
    }

    PQconninfoFree(d.options);

    return rv;
}


static char *
ngx_paytrade_pg_error(ngx_pool_t *pool, const char *fmt, ...)
{
    u_char   *p, *last;
    va_list   args;

    p = ngx_pnalloc(pool, NGX_MAX_CONF_ERRSTR);
    if (p == NULL) {
        return ngx_paytrade_pg_no_memory;
    }

    va_start(args, fmt);
    last = ngx_vslprintf(p, p + NGX_MAX_CONF_ERRSTR - 1, fmt, args);
    va_end(args);

    *last = '\0';

    return (char *) p;
}


/*
 * An "@" or a "/" in a password that is not encoded makes libpq take a part of
 * it for the host, the port or the database, which are shown.
 */

static ngx_uint_t
ngx_paytrade_pg_is_encoded(char *text)
{
    char  *p, *end;

    p = ngx_strstr(text, "://");

    if (p == NULL || (ngx_strncmp(text, "postgresql:", 11) != 0
                      && ngx_strncmp(text, "postgres:", 9) != 0))
    {
        return 1;               /* keywords and values */
    }

    p += 3;
    end = p + strcspn(p, "@/");

    if (*end == '@') {
        p = end + 1;
    }

    p += strcspn(p, "@?");

    return *p != '@';
}


static char *
ngx_paytrade_pg_check(ngx_paytrade_pg_dsn_t *d)
{
    ngx_uint_t   i;
    const char  *value;

    if (ngx_paytrade_pg_option(d, "service")) {
        return ngx_paytrade_pg_error(d->pool, "\"service\" is not supported, "
                                     "write its host, dbname and user here");
    }

    if (ngx_paytrade_pg_option(d, "replication")) {
        return ngx_paytrade_pg_error(d->pool,
                                     "\"replication\" is not supported");
    }

    value = ngx_paytrade_pg_option(d, "sslmode");

    if (value == NULL) {
        return NGX_CONF_OK;
    }

    for (i = 0; ngx_paytrade_pg_sslmodes[i]; i++) {
        if (ngx_strcmp(value, ngx_paytrade_pg_sslmodes[i]) == 0) {
            return NGX_CONF_OK;
        }
    }

    return "has an unknown \"sslmode\"";
}


static char *
ngx_paytrade_pg_hosts(ngx_paytrade_pg_dsn_t *d)
{
    char        *rv;
    ngx_int_t    n;
    ngx_str_t    hosts[NGX_PAYTRADE_PG_HOSTS_MAX];
    ngx_str_t    addrs[NGX_PAYTRADE_PG_HOSTS_MAX];
    ngx_str_t    ports[NGX_PAYTRADE_PG_HOSTS_MAX];
    ngx_str_t   *port;
    ngx_uint_t   i, nhosts, naddrs, nports;

    nhosts = ngx_paytrade_pg_split(ngx_paytrade_pg_option(d, "host"), hosts);
    naddrs = ngx_paytrade_pg_split(ngx_paytrade_pg_option(d, "hostaddr"),
                                   addrs);
    nports = ngx_paytrade_pg_split(ngx_paytrade_pg_option(d, "port"), ports);

    if (ngx_max(nhosts, naddrs) > NGX_PAYTRADE_PG_HOSTS_MAX
        || nports > NGX_PAYTRADE_PG_HOSTS_MAX)
    {
        return ngx_paytrade_pg_error(d->pool, "names more than %d hosts",
                                     NGX_PAYTRADE_PG_HOSTS_MAX);
    }

    if (nhosts && naddrs && nhosts != naddrs) {
        return ngx_paytrade_pg_error(d->pool, "names %ui hosts but %ui "
                                     "addresses", nhosts, naddrs);
    }

    for (i = 0; i < nports; i++) {
        n = ngx_atoi(ports[i].data, ports[i].len);

        if (ports[i].len && (n < 1 || n > 65535)) {
            return "has an invalid port, write a number from 1 to 65535; in a "
                   "password of a URI write \"%2F\" for \"/\"";
        }
    }

    nhosts = ngx_max(ngx_max(nhosts, naddrs), 1);

    if (nports > 1 && nports != nhosts) {
        return ngx_paytrade_pg_error(d->pool, "names %ui hosts but %ui ports",
                                     nhosts, nports);
    }

    for (i = 0; i < nhosts; i++) {
        port = &ports[nports > 1 ? i : 0];
        rv = ngx_paytrade_pg_add_host(d, &hosts[i], &addrs[i], port);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_paytrade_pg_add_host(ngx_paytrade_pg_dsn_t *d, ngx_str_t *host,
    ngx_str_t *addr, ngx_str_t *port)
{
    ngx_addr_t  parsed;

    if (addr->len) {

        if (ngx_parse_addr(d->pool, &parsed, addr->data, addr->len)
            != NGX_OK)
        {
            return ngx_paytrade_pg_error(d->pool, "has an invalid hostaddr "
                                         "\"%V\"", addr);
        }

        return ngx_paytrade_pg_append(d, host, addr, port);
    }

    /* a directory or an abstract name: a unix socket; none: the default one */

    if (host->len == 0 || host->data[0] == '/' || host->data[0] == '@') {
        return ngx_paytrade_pg_append(d, host, addr, port);
    }

    if (ngx_parse_addr(d->pool, &parsed, host->data, host->len) == NGX_OK) {
        return ngx_paytrade_pg_append(d, host, host, port);
    }

    return ngx_paytrade_pg_resolve(d, host, port);
}


static char *
ngx_paytrade_pg_resolve(ngx_paytrade_pg_dsn_t *d, ngx_str_t *host,
    ngx_str_t *port)
{
    char        *rv;
    ngx_str_t    addr;
    ngx_url_t    u;
    ngx_uint_t   i;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.host = *host;

    if (ngx_inet_resolve_host(d->pool, &u) != NGX_OK) {
        return ngx_paytrade_pg_error(d->pool, "names host \"%V\": %s", host,
                                     u.err ? u.err : "cannot be looked up");
    }

    for (i = 0; i < u.naddrs; i++) {
        addr.data = ngx_pnalloc(d->pool, NGX_SOCKADDR_STRLEN);
        if (addr.data == NULL) {
            return ngx_paytrade_pg_no_memory;
        }

        addr.len = ngx_sock_ntop(u.addrs[i].sockaddr, u.addrs[i].socklen,
                                 addr.data, NGX_SOCKADDR_STRLEN, 0);

        rv = ngx_paytrade_pg_append(d, host, &addr, port);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_paytrade_pg_append(ngx_paytrade_pg_dsn_t *d, ngx_str_t *host,
    ngx_str_t *addr, ngx_str_t *port)
{
    ngx_paytrade_pg_host_t  *h;

    if (d->nhosts == NGX_PAYTRADE_PG_HOSTS_MAX) {
        return ngx_paytrade_pg_error(d->pool, "has more than %d addresses",
                                     NGX_PAYTRADE_PG_HOSTS_MAX);
    }

    h = &d->hosts[d->nhosts++];

    h->host = *host;
    h->addr = *addr;
    h->port = *port;

    return NGX_CONF_OK;
}


/* One list of values per host, each with another host in front. */

static char *
ngx_paytrade_pg_layout(ngx_paytrade_pg_dsn_t *d, ngx_paytrade_pg_conf_t *conf)
{
    ngx_uint_t         i, k, n;
    const char       **values;
    PQconninfoOption  *o;

    for (n = 5, o = d->options; o->keyword; o++) {
        n += (o->val && !ngx_paytrade_pg_own_option(o->keyword));
    }

    conf->nkeywords = n;
    conf->nhosts = d->nhosts;
    conf->keywords = ngx_pcalloc(d->pool, (n + 1) * sizeof(char *));
    conf->values = ngx_pcalloc(d->pool,
                               d->nhosts * (n + 1) * sizeof(char *));

    if (conf->keywords == NULL || conf->values == NULL) {
        return ngx_paytrade_pg_no_memory;
    }

    conf->keywords[0] = "host";
    conf->keywords[1] = "hostaddr";
    conf->keywords[2] = "port";
    conf->keywords[3] = "gssencmode";
    conf->keywords[4] = "client_encoding";

    for (i = 0; i < d->nhosts; i++) {
        values = conf->values + i * (n + 1);

        values[0] = ngx_paytrade_pg_join(d,
                                offsetof(ngx_paytrade_pg_host_t, host), i);
        values[1] = ngx_paytrade_pg_join(d,
                                offsetof(ngx_paytrade_pg_host_t, addr), i);
        values[2] = ngx_paytrade_pg_join(d,
                                offsetof(ngx_paytrade_pg_host_t, port), i);
        values[3] = "disable";
        values[4] = "UTF8";

        for (k = 5, o = d->options; o->keyword; o++) {

            if (o->val == NULL || ngx_paytrade_pg_own_option(o->keyword)) {
                continue;
            }

            conf->keywords[k] = ngx_paytrade_pg_copy(d->pool, o->keyword);
            values[k] = ngx_paytrade_pg_copy(d->pool, o->val);

            if (conf->keywords[k] == NULL || values[k] == NULL) {
                return ngx_paytrade_pg_no_memory;
            }

            k++;
        }

        if (values[0] == NULL || values[1] == NULL || values[2] == NULL) {
            return ngx_paytrade_pg_no_memory;
        }
    }

    return NGX_CONF_OK;
}


/* user@host:port,host:port/dbname */

static char *
ngx_paytrade_pg_name(ngx_paytrade_pg_dsn_t *d, ngx_paytrade_pg_conf_t *conf)
{
    u_char                  *p;
    size_t                   len;
    ngx_uint_t               i;
    const char              *user, *dbname;
    ngx_paytrade_pg_host_t  *h;

    user = ngx_paytrade_pg_option(d, "user");
    dbname = ngx_paytrade_pg_option(d, "dbname");

    len = (user ? ngx_strlen(user) : 0) + (dbname ? ngx_strlen(dbname) : 0) + 4;

    for (i = 0; i < d->nhosts; i++) {
        len += d->hosts[i].host.len + d->hosts[i].addr.len
               + d->hosts[i].port.len + 16;
    }

    p = ngx_pnalloc(d->pool, len);
    if (p == NULL) {
        return ngx_paytrade_pg_no_memory;
    }

    conf->name.data = p;

    if (user) {
        p = ngx_sprintf(p, "%s@", user);
    }

    for (i = 0; i < d->nhosts; i++) {
        h = &d->hosts[i];

        if (i && h->host.len && h->host.data == h[-1].host.data) {
            continue;           /* another address of that name */
        }

        p = ngx_sprintf(p, "%s%V", i ? "," : "",
                        h->host.len ? &h->host : &h->addr);

        if (h->port.len) {
            p = ngx_sprintf(p, ":%V", &h->port);
        }
    }

    if (dbname) {
        p = ngx_sprintf(p, "/%s", dbname);
    }

    conf->name.len = p - conf->name.data;

    return NGX_CONF_OK;
}


/* One field of all hosts as libpq wants it, beginning with the first-th. */

static const char *
ngx_paytrade_pg_join(ngx_paytrade_pg_dsn_t *d, size_t offset,
    ngx_uint_t first)
{
    u_char      *p, *list;
    size_t       len;
    ngx_str_t   *field;
    ngx_uint_t   i, empty;

    len = 1;
    empty = 1;

    for (i = 0; i < d->nhosts; i++) {
        field = (ngx_str_t *) ((char *) &d->hosts[i] + offset);
        len += field->len + 1;
        empty &= (field->len == 0);
    }

    list = ngx_pnalloc(d->pool, len);

    if (list == NULL || empty) {
        return list ? "" : NULL;
    }

    p = list;

    for (i = 0; i < d->nhosts; i++) {
        field = (ngx_str_t *) ((char *) &d->hosts[(first + i) % d->nhosts]
                               + offset);

        p = ngx_sprintf(p, "%s%V", i ? "," : "", field);
    }

    *p = '\0';

    return (char *) list;
}


/* NULL also when it is empty. */

static const char *
ngx_paytrade_pg_option(ngx_paytrade_pg_dsn_t *d, const char *keyword)
{
    PQconninfoOption  *o;

    for (o = d->options; o->keyword; o++) {
        if (ngx_strcmp(o->keyword, keyword) == 0) {
            return (o->val && o->val[0]) ? o->val : NULL;
        }
    }

    return NULL;
}


static const char *
ngx_paytrade_pg_copy(ngx_pool_t *pool, const char *text)
{
    ngx_str_t  s;

    s.data = (u_char *) text;
    s.len = ngx_strlen(text) + 1;

    return (const char *) ngx_pstrdup(pool, &s);
}


/* Those that are not passed on as they were given. */

static ngx_uint_t
ngx_paytrade_pg_own_option(const char *keyword)
{
    ngx_uint_t                i;
    static const char *const  own[] = {
        "host", "hostaddr", "port", "gssencmode", "client_encoding",
        "fallback_application_name", "connect_timeout", NULL
    };

    for (i = 0; own[i]; i++) {
        if (ngx_strcmp(keyword, own[i]) == 0) {
            return 1;
        }
    }

    return 0;
}


/* Cuts a list at its commas; missing fields are empty. */

static ngx_uint_t
ngx_paytrade_pg_split(const char *list, ngx_str_t *out)
{
    ngx_uint_t   n;
    const char  *end;

    for (n = 0; n < NGX_PAYTRADE_PG_HOSTS_MAX; n++) {
        ngx_str_set(&out[n], "");
    }

    if (list == NULL) {
        return 0;
    }

    for (n = 0; /* void */; n++) {
        end = ngx_strchr(list, ',');

        if (n < NGX_PAYTRADE_PG_HOSTS_MAX) {
            out[n].data = (u_char *) list;
            out[n].len = end ? (size_t) (end - list) : ngx_strlen(list);
        }

        if (end == NULL) {
            return n + 1;
        }

        list = end + 1;
    }
}
