/*
 * The configuration of callbacks before they are believed: paytrade_verify,
 * how large they may be, how many of them may fail.
 */

#include "ngx_http_paytrade.h"


#define NGX_HTTP_PAYTRADE_CALLBACK_SIZE      (64 * 1024)
#define NGX_HTTP_PAYTRADE_VERIFY_SIZE        (1024 * 1024)
#define NGX_HTTP_PAYTRADE_CALLBACK_SIZE_MIN  1024
#define NGX_HTTP_PAYTRADE_CALLBACK_SIZE_MAX  (64 * 1024 * 1024)

#define NGX_HTTP_PAYTRADE_RATE_MAX           1000000


static ngx_int_t ngx_http_paytrade_verify_alone(ngx_conf_t *cf,
    ngx_http_paytrade_loc_conf_t *prev, ngx_http_paytrade_loc_conf_t *conf);
static ngx_int_t ngx_http_paytrade_parse_rate(ngx_str_t *text,
    ngx_uint_t *rate);
static ngx_int_t ngx_http_paytrade_parse_burst(ngx_str_t *text,
    ngx_uint_t *burst);


char *
ngx_http_paytrade_set_verify(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paytrade_loc_conf_t *plcf = conf;

    ngx_str_t                      *value;
    ngx_http_paytrade_main_conf_t  *mcf;

    if (plcf->verify_name.value.data) {
        return "is duplicate";
    }

    /* the block with that name may stand below */

    value = cf->args->elts;
    plcf->verify_name.value = value[1];
    ngx_http_paytrade_note_place(cf, &plcf->verify_name.place);

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_paytrade_module);

    if (!mcf->counting) {
        mcf->counting = 1;
        mcf->counting_place = plcf->verify_name.place;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_paytrade_merge_verify(ngx_conf_t *cf,
    ngx_http_paytrade_loc_conf_t *prev, ngx_http_paytrade_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (conf->verify_name.value.data) {
        if (ngx_http_paytrade_verify_alone(cf, prev, conf) != NGX_OK) {
            return NGX_ERROR;
        }

        conf->verify = ngx_http_paytrade_named_gateway(cf,
                                                       &conf->verify_name);
        if (conf->verify == NULL) {
            return NGX_ERROR;
        }

    } else if (clcf->noname) {
        conf->verify = prev->verify;
    }

    ngx_conf_merge_value(conf->dry_run, prev->dry_run, 0);

    if (conf->unverified_rate == NGX_CONF_UNSET_UINT) {
        conf->unverified_rate = prev->unverified_rate;
        conf->unverified_burst = prev->unverified_burst;
    }

    ngx_conf_init_uint_value(conf->unverified_rate, 0);

    if (conf->callback_size_given == NGX_CONF_UNSET_SIZE) {
        conf->callback_size_given = prev->callback_size_given;
    }

    conf->callback_size = conf->callback_size_given;

    ngx_conf_init_size_value(conf->callback_size,
                             conf->verify ? NGX_HTTP_PAYTRADE_VERIFY_SIZE
                                          : NGX_HTTP_PAYTRADE_CALLBACK_SIZE);

    return NGX_OK;
}


/* What is answered here needs no other server to hand it on to. */
static ngx_int_t
ngx_http_paytrade_verify_alone(ngx_conf_t *cf,
    ngx_http_paytrade_loc_conf_t *prev, ngx_http_paytrade_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t      *clcf;
    ngx_http_paytrade_loc_conf_t  *other;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    other = clcf->noname ? prev : conf;

    if (other->handler == NULL) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"%V\" conflicts with \"%V\" of location \"%V\": give each "
                  "a location of its own in %V:%ui",
                  &conf->verify_name.place.directive, &other->place.directive,
                  &clcf->name, &conf->verify_name.place.file,
                  conf->verify_name.place.line);

    return NGX_ERROR;
}


ngx_http_paytrade_gateway_t *
ngx_http_paytrade_named_gateway(ngx_conf_t *cf,
    ngx_http_paytrade_placed_t *name)
{
    ngx_http_paytrade_gateway_t    *gateway;
    ngx_http_paytrade_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_paytrade_module);

    gateway = ngx_http_paytrade_find_gateway(mcf, pt_slice(name->value.data,
                                                           name->value.len));

    if (gateway == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%V\" does not know the gateway \"%V\": write the "
                      "name of a block paytrade_gateway in %V:%ui",
                      &name->place.directive, &name->value,
                      &name->place.file, name->place.line);
    }

    return gateway;
}


char *
ngx_http_paytrade_set_callback_size(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_paytrade_loc_conf_t *plcf = conf;

    ssize_t     size;
    ngx_str_t  *value;

    if (plcf->callback_size_given != NGX_CONF_UNSET_SIZE) {
        return "is duplicate";
    }

    value = cf->args->elts;

    size = ngx_parse_size(&value[1]);

    if (size == NGX_ERROR
        || size < NGX_HTTP_PAYTRADE_CALLBACK_SIZE_MIN
        || size > NGX_HTTP_PAYTRADE_CALLBACK_SIZE_MAX)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has an invalid size \"%V\": write a size "
                           "from 1k to 64m, such as 64k",
                           &value[0], &value[1]);
        return NGX_CONF_ERROR;
    }

    plcf->callback_size_given = size;

    return NGX_CONF_OK;
}


char *
ngx_http_paytrade_set_unverified_rate(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_http_paytrade_loc_conf_t *plcf = conf;

    ngx_str_t  *value;

    if (plcf->unverified_rate != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        plcf->unverified_rate = 0;
        return NGX_CONF_OK;
    }

    if (ngx_http_paytrade_parse_rate(&value[1], &plcf->unverified_rate)
        != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has an invalid rate \"%V\": write a whole "
                           "number from 1 to %d and r/s or r/m, such as "
                           "10r/s, or off", &value[0], &value[1],
                           NGX_HTTP_PAYTRADE_RATE_MAX);
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts == 3
        && ngx_http_paytrade_parse_burst(&value[2], &plcf->unverified_burst)
           != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" does not know \"%V\": write burst=N, a "
                           "whole number from 0 to %d, such as burst=20",
                           &value[0], &value[2], NGX_HTTP_PAYTRADE_RATE_MAX);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* To a number in 1000 seconds. */
static ngx_int_t
ngx_http_paytrade_parse_rate(ngx_str_t *text, ngx_uint_t *rate)
{
    ngx_int_t   n;
    ngx_uint_t  scale;

    if (text->len < 4) {
        return NGX_ERROR;
    }

    if (ngx_strcmp(text->data + text->len - 3, "r/s") == 0) {
        scale = 1;

    } else if (ngx_strcmp(text->data + text->len - 3, "r/m") == 0) {
        scale = 60;

    } else {
        return NGX_ERROR;
    }

    n = ngx_atoi(text->data, text->len - 3);

    if (n == NGX_ERROR || n < 1 || n > NGX_HTTP_PAYTRADE_RATE_MAX) {
        return NGX_ERROR;
    }

    *rate = n * 1000 / scale;

    return NGX_OK;
}


static ngx_int_t
ngx_http_paytrade_parse_burst(ngx_str_t *text, ngx_uint_t *burst)
{
    ngx_int_t  n;

    if (text->len < 7 || ngx_strncmp(text->data, "burst=", 6) != 0) {
        return NGX_ERROR;
    }

    n = ngx_atoi(text->data + 6, text->len - 6);

    if (n == NGX_ERROR || n > NGX_HTTP_PAYTRADE_RATE_MAX) {
        return NGX_ERROR;
    }

    *burst = n;

    return NGX_OK;
}
