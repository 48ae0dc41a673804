/*
 * The configuration of the http block: its directives, but for those of Redis,
 * their defaults, and what has to be there.
 *
 * Every refusal names the file and line, the directive, what is wrong with the
 * value and what to write instead.  What can be seen only when all is read is
 * said with the place of the directive that needs it.
 */

#include "ngx_http_paytrade.h"


#define NGX_HTTP_PAYTRADE_PG_QUEUE  1024


static ngx_int_t ngx_http_paytrade_required(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf);


void *
ngx_http_paytrade_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_paytrade_main_conf_t  *mcf;

    mcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_paytrade_main_conf_t));
    if (mcf == NULL) {
        return NULL;
    }

    mcf->redis_verify = NGX_CONF_UNSET;
    mcf->redis_connect_timeout = NGX_CONF_UNSET_MSEC;
    mcf->redis_timeout = NGX_CONF_UNSET_MSEC;
    mcf->pg_connect_timeout = NGX_CONF_UNSET_MSEC;
    mcf->pg_timeout = NGX_CONF_UNSET_MSEC;
    mcf->partitions = NGX_CONF_UNSET;
    mcf->batch = NGX_CONF_UNSET;
    mcf->queue = NGX_CONF_UNSET;
    mcf->attempts = NGX_CONF_UNSET;
    mcf->journal_max = NGX_CONF_UNSET;
    mcf->soldout_ttl = NGX_CONF_UNSET_MSEC;
    mcf->pay_margin = NGX_CONF_UNSET_MSEC;
    mcf->pay_rest = NGX_CONF_UNSET_MSEC;
    mcf->events_max = NGX_CONF_UNSET;
    mcf->callbacks = NGX_CONF_UNSET;
    mcf->retention = NGX_CONF_UNSET_MSEC;
    mcf->durability = NGX_CONF_UNSET_UINT;

    return mcf;
}


char *
ngx_http_paytrade_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_paytrade_main_conf_t *mcf = conf;

    ngx_conf_init_value(mcf->redis_verify, 1);
    ngx_conf_init_msec_value(mcf->redis_connect_timeout, 1000);
    ngx_conf_init_msec_value(mcf->redis_timeout, 2000);
    ngx_conf_init_msec_value(mcf->pg_connect_timeout, 5000);
    ngx_conf_init_msec_value(mcf->pg_timeout, 10000);
    ngx_conf_init_value(mcf->partitions, 1);
    ngx_conf_init_value(mcf->batch, NGX_PAYTRADE_BATCH_MAX);
    ngx_conf_init_value(mcf->queue, 16384);
    ngx_conf_init_value(mcf->attempts, 256);
    ngx_conf_init_value(mcf->journal_max, 1000000);
    ngx_conf_init_value(mcf->callbacks, 1000);
    ngx_conf_init_msec_value(mcf->soldout_ttl, 200);
    ngx_conf_init_msec_value(mcf->retention, 7 * 86400 * 1000);
    ngx_conf_init_uint_value(mcf->durability, NGX_PAYTRADE_DURABILITY_MEMORY);

    if (mcf->currency.len == 0) {
        ngx_str_set(&mcf->currency, "CNY");
        mcf->decimals = 2;
    }

    mcf->pg.connect_timeout = mcf->pg_connect_timeout;
    mcf->pg.timeout = mcf->pg_timeout;

    if (mcf->pg.queue_max == 0) {
        mcf->pg.queue_max = NGX_HTTP_PAYTRADE_PG_QUEUE;
    }

    if (ngx_http_paytrade_init_redis(cf, mcf) != NGX_OK
        || ngx_http_paytrade_init_payments(cf, mcf) != NGX_OK
        || ngx_http_paytrade_init_gateways(cf, mcf) != NGX_OK
        || ngx_http_paytrade_required(cf, mcf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_paytrade_required(ngx_conf_t *cf, ngx_http_paytrade_main_conf_t *mcf)
{
    char                       *name, *example;
    ngx_http_paytrade_place_t  *place;

    place = &mcf->place;

    if (!mcf->counting) {
        return NGX_OK;
    }

    if (mcf->shm_zone == NULL) {
        name = "paytrade_zone";
        example = "paytrade 8m";
        place = &mcf->counting_place;

    } else if (!mcf->used) {
        return NGX_OK;

    } else if (mcf->redis_url.len == 0) {
        name = "paytrade_redis";
        example = "unix:/run/redis/redis.sock";

    } else if (mcf->pg.keywords == NULL) {
        name = "paytrade_postgres";
        example = "\"host=/run/postgresql dbname=shop\"";

    } else {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"%V\" needs \"%s\" in the http block, such as \"%s %s;\" "
                  "in %V:%ui",
                  &place->directive, name, name, example,
                  &place->file, place->line);

    return NGX_ERROR;
}


void
ngx_http_paytrade_note_place(ngx_conf_t *cf, ngx_http_paytrade_place_t *place)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    place->directive = value[0];
    place->file = cf->conf_file->file.name;
    place->line = cf->conf_file->line;
}


char *
ngx_http_paytrade_set_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paytrade_main_conf_t *mcf = conf;

    ssize_t     size;
    ngx_str_t  *value;

    if (mcf->shm_zone) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" needs a name, as in \"%V paytrade 8m;\"",
                           &value[0], &value[0]);
        return NGX_CONF_ERROR;
    }

    size = ngx_parse_size(&value[2]);

    if (size == NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has an invalid size \"%V\": write a size "
                           "such as 8m", &value[0], &value[2]);
        return NGX_CONF_ERROR;
    }

    if (size < NGX_HTTP_PAYTRADE_ZONE_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is too small with \"%V\": it needs at "
                           "least %uzk", &value[0], &value[2],
                           (size_t) NGX_HTTP_PAYTRADE_ZONE_MIN / 1024);
        return NGX_CONF_ERROR;
    }

    mcf->shm_zone = ngx_shared_memory_add(cf, &value[1], size,
                                          &ngx_http_paytrade_module);
    if (mcf->shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    mcf->shm_zone->init = ngx_http_paytrade_zone_init;
    mcf->shm_zone->data = ngx_http_paytrade_zone_create(cf);

    return mcf->shm_zone->data ? NGX_CONF_OK : NGX_CONF_ERROR;
}


char *
ngx_http_paytrade_set_postgres(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paytrade_main_conf_t *mcf = conf;

    char       *rv;
    ngx_str_t  *value;

    if (mcf->pg.keywords) {
        return "is duplicate";
    }

    value = cf->args->elts;

    /* the value may hold a password and is not shown */

    rv = ngx_paytrade_pg_parse(cf, &value[1], &mcf->pg);

    if (rv == NGX_CONF_OK) {
        return NGX_CONF_OK;
    }

    if (rv != NGX_CONF_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" %s; write a connection string such as "
                           "\"host=/run/postgresql dbname=shop user=shop\"",
                           &value[0], rv);
    }

    return NGX_CONF_ERROR;
}


char *
ngx_http_paytrade_set_durability(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_paytrade_main_conf_t *mcf = conf;

    ngx_str_t  *value;

    if (mcf->durability != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "memory") == 0) {
        mcf->durability = NGX_PAYTRADE_DURABILITY_MEMORY;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[1].data, "aof") == 0) {
        mcf->durability = NGX_PAYTRADE_DURABILITY_AOF;
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%V\" does not know \"%V\": write \"memory\" or "
                       "\"aof\"", &value[0], &value[1]);

    return NGX_CONF_ERROR;
}


char *
ngx_http_paytrade_set_currency(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paytrade_main_conf_t *mcf = conf;

    size_t      i;
    ngx_int_t   n;
    ngx_str_t  *value;

    if (mcf->currency.len) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 0; i < value[1].len; i++) {
        if (value[1].data[i] < 'A' || value[1].data[i] > 'Z') {
            break;
        }
    }

    if (i != 3 || value[1].len != 3) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has an invalid code \"%V\": write three "
                           "capital letters, such as CNY",
                           &value[0], &value[1]);
        return NGX_CONF_ERROR;
    }

    n = 2;

    if (cf->args->nelts == 3) {
        n = ngx_atoi(value[2].data, value[2].len);

        if (n == NGX_ERROR || n > PT_DECIMALS_MAX) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" has an invalid number of decimals "
                               "\"%V\": write a whole number from 0 to %d",
                               &value[0], &value[2], PT_DECIMALS_MAX);
            return NGX_CONF_ERROR;
        }
    }

    mcf->currency = value[1];
    mcf->decimals = n;

    return NGX_CONF_OK;
}


char *
ngx_http_paytrade_set_number(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    ngx_int_t                  *field, n;
    ngx_str_t                  *value;
    ngx_http_paytrade_range_t  *range = cmd->post;

    field = (ngx_int_t *) (p + cmd->offset);

    if (*field != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    n = ngx_atoi(value[1].data, value[1].len);

    if (n == NGX_ERROR || n < range->min || n > range->max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has an invalid value \"%V\": write %s",
                           &value[0], &value[1], range->range);
        return NGX_CONF_ERROR;
    }

    *field = n;

    return NGX_CONF_OK;
}


char *
ngx_http_paytrade_set_time(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *p = conf;

    ngx_int_t                   n;
    ngx_str_t                  *value;
    ngx_msec_t                 *field;
    ngx_http_paytrade_range_t  *range = cmd->post;

    field = (ngx_msec_t *) (p + cmd->offset);

    if (*field != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;

    n = ngx_parse_time(&value[1], 0);

    if (n == NGX_ERROR || n < range->min || n > range->max) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has an invalid value \"%V\": write %s",
                           &value[0], &value[1], range->range);
        return NGX_CONF_ERROR;
    }

    *field = n;

    return NGX_CONF_OK;
}
