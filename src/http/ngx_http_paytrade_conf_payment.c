/*
 * The configuration of payments and of their events, but for the gateways.
 */

#include "ngx_http_paytrade.h"


static ngx_int_t ngx_http_paytrade_script_context(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf);


static ngx_conf_bitmask_t  ngx_http_paytrade_event_words[] = {
    { ngx_string("order.held"), NGX_HTTP_PAYTRADE_EVENTS_HELD },
    { ngx_string("order.cancelled"), NGX_HTTP_PAYTRADE_EVENTS_CANCELLED },
    { ngx_string("order.expired"), NGX_HTTP_PAYTRADE_EVENTS_EXPIRED },
    { ngx_null_string, 0 }
};


char *
ngx_http_paytrade_set_prefix(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paytrade_main_conf_t *mcf = conf;

    ngx_str_t  *value;

    if (mcf->prefix.data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (!ngx_http_paytrade_is_word(&value[1], PT_PREFIX_MAX)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has an invalid value \"%V\": write at "
                           "most %d letters, digits, \"_\" and \"-\"",
                           &value[0], &value[1], PT_PREFIX_MAX);
        return NGX_CONF_ERROR;
    }

    mcf->prefix = value[1];

    return NGX_CONF_OK;
}


ngx_uint_t
ngx_http_paytrade_is_word(ngx_str_t *text, size_t max)
{
    u_char  ch;
    size_t  i;

    for (i = 0; i < text->len; i++) {
        ch = text->data[i];

        if (!(ch >= 'a' && ch <= 'z') && !(ch >= 'A' && ch <= 'Z')
            && !(ch >= '0' && ch <= '9') && ch != '_' && ch != '-')
        {
            return 0;
        }
    }

    return text->len <= max;
}


char *
ngx_http_paytrade_set_events(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paytrade_main_conf_t *mcf = conf;

    ngx_str_t           *value;
    ngx_uint_t           i;
    ngx_conf_bitmask_t  *word;

    if (mcf->events) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        for (word = ngx_http_paytrade_event_words; word->name.len; word++) {
            if (word->name.len == value[i].len
                && ngx_strcmp(word->name.data, value[i].data) == 0)
            {
                break;
            }
        }

        if (word->name.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" does not know \"%V\": write some of "
                               "order.held, order.cancelled and "
                               "order.expired; those of payments are always "
                               "written", &value[0], &value[i]);
            return NGX_CONF_ERROR;
        }

        if (mcf->events & word->mask) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" names \"%V\" twice: write it once",
                               &value[0], &value[i]);
            return NGX_CONF_ERROR;
        }

        mcf->events |= word->mask;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_paytrade_set_pay_time(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paytrade_main_conf_t *mcf = conf;

    ngx_http_paytrade_note_place(cf, &mcf->pay_place);

    return ngx_http_paytrade_set_time(cf, cmd, conf);
}


ngx_int_t
ngx_http_paytrade_init_payments(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf)
{
    ngx_conf_init_msec_value(mcf->pay_margin, 30000);
    ngx_conf_init_msec_value(mcf->pay_rest, 60000);
    ngx_conf_init_value(mcf->events_max, 1000000);

    /* else a link would have ended before it is made */

    if (mcf->pay_rest <= mcf->pay_margin) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%V\": \"paytrade_pay_rest\" is %Mms and "
                      "\"paytrade_pay_margin\" %Mms: write a rest that is "
                      "longer than the margin in %V:%ui",
                      &mcf->pay_place.directive, mcf->pay_rest,
                      mcf->pay_margin, &mcf->pay_place.file,
                      mcf->pay_place.line);
        return NGX_ERROR;
    }

    return ngx_http_paytrade_script_context(cf, mcf);
}


/* What every script is told: the currency, the events that are wanted. */
static ngx_int_t
ngx_http_paytrade_script_context(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf)
{
    u_char     *p;
    ngx_str_t  *context;

    context = &mcf->redis.context;

    context->data = ngx_pnalloc(cf->pool, mcf->currency.len + sizeof(" hce"));
    if (context->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(context->data, "%V ", &mcf->currency);

    if (mcf->events == 0) {
        *p++ = '-';
    }

    if (mcf->events & NGX_HTTP_PAYTRADE_EVENTS_HELD) {
        *p++ = 'h';
    }

    if (mcf->events & NGX_HTTP_PAYTRADE_EVENTS_CANCELLED) {
        *p++ = 'c';
    }

    if (mcf->events & NGX_HTTP_PAYTRADE_EVENTS_EXPIRED) {
        *p++ = 'e';
    }

    context->len = p - context->data;

    return NGX_OK;
}
