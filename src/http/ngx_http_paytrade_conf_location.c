/*
 * The configuration of locations: who the user is, and the handlers.
 */

#include "ngx_http_paytrade.h"


static char *ngx_http_paytrade_compile(ngx_conf_t *cf,
    ngx_http_complex_value_t **cv);
static char *ngx_http_paytrade_set_handler(ngx_conf_t *cf, void *conf,
    ngx_http_handler_pt handler);
static void ngx_http_paytrade_note_used(ngx_conf_t *cf,
    ngx_http_paytrade_loc_conf_t *plcf);
static ngx_int_t ngx_http_paytrade_merge_handler(ngx_conf_t *cf,
    ngx_http_paytrade_loc_conf_t *conf);
static ngx_int_t ngx_http_paytrade_location_needs(ngx_conf_t *cf,
    ngx_http_paytrade_loc_conf_t *conf);
static char *ngx_http_paytrade_set_id(ngx_conf_t *cf,
    ngx_http_complex_value_t **cv, char *what, char *example);
static void ngx_http_paytrade_check_hold_time(ngx_conf_t *cf,
    ngx_http_paytrade_loc_conf_t *conf);
static ngx_int_t ngx_http_paytrade_allow(ngx_conf_t *cf,
    ngx_http_paytrade_loc_conf_t *plcf, ngx_str_t *arg);


void *
ngx_http_paytrade_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_paytrade_loc_conf_t  *plcf;

    plcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_paytrade_loc_conf_t));
    if (plcf == NULL) {
        return NULL;
    }

    plcf->hold_time = NGX_CONF_UNSET_MSEC;
    plcf->dry_run = NGX_CONF_UNSET;
    plcf->callback_size_given = NGX_CONF_UNSET_SIZE;
    plcf->unverified_rate = NGX_CONF_UNSET_UINT;

    return plcf;
}


char *
ngx_http_paytrade_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_paytrade_loc_conf_t *prev = parent;
    ngx_http_paytrade_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    if (conf->user == NULL) {
        conf->user = prev->user;
    }

    ngx_conf_merge_msec_value(conf->hold_time, prev->hold_time, 900000);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (ngx_http_paytrade_merge_verify(cf, prev, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    /* the handler of a location also serves what is inside of its "if" */

    if (clcf->noname) {
        conf->order = prev->order;
        conf->payment = prev->payment;
        conf->gateway = prev->gateway;
        conf->allow = prev->allow;
        conf->handled = prev->handled;
        conf->dry_hold = prev->dry_hold;

        /* that of "limit_except" has to be told which one it is */

        if (clcf->lmt_excpt && clcf->handler == NULL && !prev->dry_hold) {
            clcf->handler = prev->handler;
        }
    }

    if (conf->handler == NULL) {
        return NGX_CONF_OK;
    }

    if (ngx_http_paytrade_merge_handler(cf, conf) != NGX_OK
        || ngx_http_paytrade_location_needs(cf, conf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* A hold that is only tried leaves its location to another handler. */
static ngx_int_t
ngx_http_paytrade_merge_handler(ngx_conf_t *cf,
    ngx_http_paytrade_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (conf->handler == ngx_http_paytrade_hold_handler) {

        if (conf->dry_run) {
            conf->dry_hold = 1;

            if (clcf->handler == NULL) {
                ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                              "\"%V\" is only tried, by \"paytrade_dry_run "
                              "on\", and location \"%V\" has no other "
                              "handler: write one, such as \"proxy_pass\" "
                              "in %V:%ui",
                              &conf->place.directive, &clcf->name,
                              &conf->place.file, conf->place.line);
            }

            return NGX_OK;
        }

        if (clcf->handler == NULL) {
            clcf->handler = conf->handler;
        }
    }

    conf->handled = 1;

    if (clcf->handler == conf->handler) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"%V\" conflicts with another handler of location "
                  "\"%V\": give each a location of its own in %V:%ui",
                  &conf->place.directive, &clcf->name,
                  &conf->place.file, conf->place.line);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_paytrade_location_needs(ngx_conf_t *cf,
    ngx_http_paytrade_loc_conf_t *conf)
{
    ngx_http_paytrade_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_paytrade_module);

    if (conf->user == NULL
        && (conf->handler == ngx_http_paytrade_hold_handler
            || conf->handler == ngx_http_paytrade_order_handler
            || conf->handler == ngx_http_paytrade_pay_handler
            || conf->handler == ngx_http_paytrade_payment_handler))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%V\" needs \"paytrade_user\" in the http, server or "
                      "location block, such as \"paytrade_user "
                      "$http_x_user;\" with a variable that your "
                      "authentication sets in %V:%ui",
                      &conf->place.directive,
                      &conf->place.file, conf->place.line);
        return NGX_ERROR;
    }

    if (conf->handler == ngx_http_paytrade_admin_handler && mcf->gateways) {
        ngx_http_paytrade_check_hold_time(cf, conf);
    }

    if (conf->handler == ngx_http_paytrade_pay_handler
        && mcf->gateways == NULL)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%V\" needs a gateway: write a block such as "
                      "\"paytrade_gateway alipay { ... }\" into the http "
                      "block in %V:%ui",
                      &conf->place.directive,
                      &conf->place.file, conf->place.line);
        return NGX_ERROR;
    }

    if (conf->handler != ngx_http_paytrade_notify_handler) {
        return NGX_OK;
    }

    conf->gateway = ngx_http_paytrade_named_gateway(cf, &conf->gateway_name);

    if (conf->gateway == NULL) {
        return NGX_ERROR;
    }

    /* each would be a success, and lost */

    if (!ngx_http_paytrade_settles(conf->gateway)) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%V\": nothing that gateway \"%V\" tells can pay "
                      "here: write the settings that its type \"%s\" needs "
                      "for payments into its block, or \"paytrade_verify\" "
                      "in %V:%ui",
                      &conf->place.directive, &conf->gateway->name,
                      conf->gateway->type->name,
                      &conf->place.file, conf->place.line);
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* An item gets its hold time where it is put. */
static void
ngx_http_paytrade_check_hold_time(ngx_conf_t *cf,
    ngx_http_paytrade_loc_conf_t *conf)
{
    ngx_http_paytrade_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_paytrade_module);

    if (conf->hold_time > mcf->pay_rest) {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                  "\"%V\": items without a hold time are held for %Mms, and "
                  "no payment is started in the last %Mms of a hold; write "
                  "a longer \"paytrade_hold_time\" or a shorter "
                  "\"paytrade_pay_rest\" in %V:%ui",
                  &conf->place.directive, conf->hold_time, mcf->pay_rest,
                  &conf->place.file, conf->place.line);
}


char *
ngx_http_paytrade_set_user(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paytrade_loc_conf_t *plcf = conf;

    ngx_str_t  *value;

    if (plcf->user) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has an empty value \"\": write a variable "
                           "that your authentication sets, such as "
                           "$http_x_user", &value[0]);
        return NGX_CONF_ERROR;
    }

    return ngx_http_paytrade_compile(cf, &plcf->user);
}


static char *
ngx_http_paytrade_compile(ngx_conf_t *cf, ngx_http_complex_value_t **cv)
{
    ngx_str_t                         *value;
    ngx_http_compile_complex_value_t   ccv;

    value = cf->args->elts;

    *cv = ngx_pcalloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (*cv == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = *cv;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return "has an invalid value: write a variable, such as $name";
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_paytrade_set_handler(ngx_conf_t *cf, void *conf,
    ngx_http_handler_pt handler)
{
    ngx_http_paytrade_loc_conf_t *plcf = conf;

    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    value = cf->args->elts;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (plcf->handler == handler) {
        return "is duplicate";
    }

    if (plcf->handler) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" conflicts with \"%V\" of location \"%V\": "
                           "give each a location of its own",
                           &value[0], &plcf->place.directive, &clcf->name);
        return NGX_CONF_ERROR;
    }

    /* paytrade_hold may stand beside another, with paytrade_dry_run */

    if (handler == ngx_http_paytrade_hold_handler) {
        plcf->handler = handler;
        ngx_http_paytrade_note_used(cf, plcf);
        return NGX_CONF_OK;
    }

    if (clcf->handler) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" conflicts with another handler of location "
                           "\"%V\": give each a location of its own",
                           &value[0], &clcf->name);
        return NGX_CONF_ERROR;
    }

    clcf->handler = handler;
    plcf->handler = handler;
    ngx_http_paytrade_note_used(cf, plcf);

    return NGX_CONF_OK;
}


static void
ngx_http_paytrade_note_used(ngx_conf_t *cf, ngx_http_paytrade_loc_conf_t *plcf)
{
    ngx_http_paytrade_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_paytrade_module);

    ngx_http_paytrade_note_place(cf, &plcf->place);

    if (!mcf->counting) {
        mcf->counting = 1;
        mcf->counting_place = plcf->place;
    }

    if (!mcf->used && plcf->handler != ngx_http_paytrade_status_handler) {
        mcf->used = 1;
        mcf->place = plcf->place;
    }
}


char *
ngx_http_paytrade_set_items(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_paytrade_set_handler(cf, conf,
                                         ngx_http_paytrade_items_handler);
}


char *
ngx_http_paytrade_set_hold(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_paytrade_set_handler(cf, conf,
                                         ngx_http_paytrade_hold_handler);
}


char *
ngx_http_paytrade_set_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_paytrade_set_handler(cf, conf,
                                         ngx_http_paytrade_status_handler);
}


char *
ngx_http_paytrade_set_pay(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_paytrade_set_handler(cf, conf,
                                         ngx_http_paytrade_pay_handler);
}


char *
ngx_http_paytrade_set_notify(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paytrade_loc_conf_t *plcf = conf;

    char       *rv;
    ngx_str_t  *value;

    rv = ngx_http_paytrade_set_handler(cf, conf,
                                       ngx_http_paytrade_notify_handler);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    /* the block with that name may stand below */

    value = cf->args->elts;
    plcf->gateway_name.value = value[1];
    plcf->gateway_name.place = plcf->place;

    return NGX_CONF_OK;
}


char *
ngx_http_paytrade_set_order(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paytrade_loc_conf_t *plcf = conf;

    char  *rv;

    rv = ngx_http_paytrade_set_handler(cf, conf,
                                       ngx_http_paytrade_order_handler);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_http_paytrade_set_id(cf, &plcf->order, "order's id",
                                    "orders");
}


char *
ngx_http_paytrade_set_payment(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paytrade_loc_conf_t *plcf = conf;

    char  *rv;

    rv = ngx_http_paytrade_set_handler(cf, conf,
                                       ngx_http_paytrade_payment_handler);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_http_paytrade_set_id(cf, &plcf->payment, "payment's number",
                                    "payments");
}


static char *
ngx_http_paytrade_set_id(ngx_conf_t *cf, ngx_http_complex_value_t **cv,
    char *what, char *example)
{
    char       *rv;
    int64_t     id;
    ngx_str_t  *value;

    rv = ngx_http_paytrade_compile(cf, cv);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    value = cf->args->elts;

    if ((*cv)->lengths == NULL
        && pt_id_parse(pt_slice(value[1].data, value[1].len), &id) != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has an invalid value \"%V\": write the "
                           "variable that holds the %s, such as $id "
                           "in \"location ~ ^/%s/(?<id>[0-9]+)$\"",
                           &value[0], &value[1], what, example);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_http_paytrade_set_admin(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                      *rv;
    ngx_str_t                 *value;
    ngx_uint_t                 i;
    ngx_http_core_loc_conf_t  *clcf;

    value = cf->args->elts;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    rv = ngx_http_paytrade_set_handler(cf, conf,
                                       ngx_http_paytrade_admin_handler);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (clcf->exact_match || clcf->named
#if (NGX_PCRE)
        || clcf->regex
#endif
        )
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" cannot serve location \"%V\": write a "
                           "location given by a prefix, such as "
                           "\"location /paytrade/admin/\"",
                           &value[0], &clcf->name);
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_http_paytrade_allow(cf, conf, &value[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_paytrade_allow(ngx_conf_t *cf, ngx_http_paytrade_loc_conf_t *plcf,
    ngx_str_t *arg)
{
    ngx_int_t    rc;
    ngx_str_t    text, *value;
    ngx_cidr_t  *cidr;

    value = cf->args->elts;

    if (arg->len < 6 || ngx_strncmp(arg->data, "allow=", 6) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" does not know \"%V\": write "
                           "allow=ADDRESS, such as allow=10.0.0.0/8",
                           &value[0], arg);
        return NGX_ERROR;
    }

    text.data = arg->data + 6;
    text.len = arg->len - 6;

    if (plcf->allow == NULL) {
        plcf->allow = ngx_array_create(cf->pool, 4, sizeof(ngx_cidr_t));
        if (plcf->allow == NULL) {
            return NGX_ERROR;
        }
    }

    cidr = ngx_array_push(plcf->allow);
    if (cidr == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(cidr, sizeof(ngx_cidr_t));

#if (NGX_HAVE_UNIX_DOMAIN)
    if (text.len == 5 && ngx_strncmp(text.data, "unix:", 5) == 0) {
        cidr->family = AF_UNIX;
        return NGX_OK;
    }
#endif

    rc = ngx_ptocidr(&text, cidr);

    if (rc == NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has an invalid address in \"%V\": write "
                           "an address or a network, such as "
                           "allow=10.0.0.0/8 or allow=::1",
                           &value[0], arg);
        return NGX_ERROR;
    }

    if (rc == NGX_DONE) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"%V\": low address bits of \"%V\" are "
                           "meaningless", &value[0], &text);
    }

    return NGX_OK;
}
