/*
 * The blocks paytrade_gateway, as far as they can be understood at once: their
 * names, their types, which settings they have.
 *
 * A block is read as it stands; once its type is known, the type's table says
 * which settings there are.  Their values are for
 * ngx_http_paytrade_conf_secrets.c, when the whole configuration is known.
 */

#include "ngx_http_paytrade.h"


/* Longer names of settings there are none; nor shorter secrets. */
#define NGX_HTTP_PAYTRADE_SHOWN_MAX  20


static ngx_http_paytrade_gateway_t *ngx_http_paytrade_add_gateway(
    ngx_conf_t *cf, ngx_http_paytrade_main_conf_t *mcf);
static char *ngx_http_paytrade_gateway_line(ngx_conf_t *cf,
    ngx_command_t *dummy, void *conf);
static ngx_int_t ngx_http_paytrade_gateway_type(ngx_conf_t *cf,
    ngx_http_paytrade_gateway_t *gateway);
static ngx_int_t ngx_http_paytrade_gateway_names(ngx_conf_t *cf,
    ngx_http_paytrade_gateway_t *gateway);
static ngx_int_t ngx_http_paytrade_gateway_form(ngx_conf_t *cf,
    ngx_http_paytrade_gateway_t *gateway, const pt_setting_t *setting,
    ngx_http_paytrade_placed_t *line);
static ngx_http_paytrade_placed_t *ngx_http_paytrade_gateway_given(
    ngx_http_paytrade_gateway_t *gateway, const char *name);


/* What a setting of each kind looks like. */
static const char *const  ngx_http_paytrade_examples[] = {
    "VALUE", "https://HOST/PATH", "TIME", "FILE", "FILE", "NAME FILE"
};


char *
ngx_http_paytrade_set_gateway(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_paytrade_main_conf_t *mcf = conf;

    char                         *rv;
    ngx_conf_t                    save;
    ngx_http_paytrade_gateway_t  *gateway;

    gateway = ngx_http_paytrade_add_gateway(cf, mcf);
    if (gateway == NULL) {
        return NGX_CONF_ERROR;
    }

    save = *cf;
    cf->handler = ngx_http_paytrade_gateway_line;
    cf->handler_conf = (void *) gateway;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (ngx_http_paytrade_gateway_type(cf, gateway) != NGX_OK
        || ngx_http_paytrade_gateway_names(cf, gateway) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_http_paytrade_gateway_t *
ngx_http_paytrade_add_gateway(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf)
{
    u_char                        shown[NGX_HTTP_PAYTRADE_SHOWN_LEN];
    ngx_str_t                    *value;
    ngx_http_paytrade_gateway_t  *gateway, *other;

    value = cf->args->elts;

    if (!ngx_http_paytrade_is_word(&value[1], PT_GATEWAY_NAME_MAX)
        || value[1].len == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has an invalid name %s: write 1 to %d "
                           "letters, digits, \"_\" and \"-\", such as alipay",
                           &value[0],
                           ngx_http_paytrade_gateway_shown(&value[1], shown),
                           PT_GATEWAY_NAME_MAX);
        return NULL;
    }

    other = ngx_http_paytrade_find_gateway(mcf,
                                    pt_slice(value[1].data, value[1].len));

    if (other) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" has a second gateway \"%V\", the first is "
                           "in %V:%ui: give each a name of its own",
                           &value[0], &value[1], &other->place.file,
                           other->place.line);
        return NULL;
    }

    if (mcf->gateways == NULL) {
        mcf->gateways = ngx_array_create(cf->pool, 2,
                                         sizeof(ngx_http_paytrade_gateway_t));
        if (mcf->gateways == NULL) {
            return NULL;
        }
    }

    if (mcf->gateways->nelts == NGX_HTTP_PAYTRADE_GATEWAYS_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\": there are more than %d gateways: remove "
                           "those that are not used",
                           &value[0], NGX_HTTP_PAYTRADE_GATEWAYS_MAX);
        return NULL;
    }

    gateway = ngx_array_push(mcf->gateways);
    if (gateway == NULL) {
        return NULL;
    }

    ngx_memzero(gateway, sizeof(ngx_http_paytrade_gateway_t));

    gateway->name = value[1];
    ngx_http_paytrade_note_place(cf, &gateway->place);

    gateway->lines = ngx_array_create(cf->pool, 8,
                                      sizeof(ngx_http_paytrade_placed_t));

    return gateway->lines ? gateway : NULL;
}


static char *
ngx_http_paytrade_gateway_line(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf)
{
    ngx_http_paytrade_gateway_t *gateway = conf;

    ngx_str_t                   *value;
    ngx_uint_t                   n;
    ngx_http_paytrade_placed_t  *line;

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[0].data, "include") == 0) {
        return ngx_conf_include(cf, dummy, conf);
    }

    line = ngx_array_push(gateway->lines);
    if (line == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_http_paytrade_note_place(cf, &line->place);

    ngx_str_null(&line->name);
    ngx_str_null(&line->value);

    n = cf->args->nelts;

    /* how many it takes is known when its type is */

    if (n < 2 || n > 3) {
        return NGX_CONF_OK;
    }

    if (value[1].len == 0 || value[n - 1].len == 0) {
        (void) ngx_http_paytrade_gateway_refuse(cf, gateway,
                                                &line->place, 0,
                               "has an empty value \"\": write its value, or "
                               "remove it");
        return NGX_CONF_ERROR;
    }

    if (n == 3) {
        line->name = value[1];
    }

    line->value = value[n - 1];

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_paytrade_gateway_type(ngx_conf_t *cf,
    ngx_http_paytrade_gateway_t *gateway)
{
    u_char                      *p, known[256];
    u_char                       shown[NGX_HTTP_PAYTRADE_SHOWN_LEN];
    ngx_uint_t                   i;
    const pt_gateway_type_t     *type;
    ngx_http_paytrade_placed_t  *line;

    p = known;

    for (i = 0; (type = pt_gateway_type_at(i)) != NULL; i++) {
        p = ngx_slprintf(p, known + sizeof(known), i ? ", %s" : "%s",
                         type->name);
    }

    line = ngx_http_paytrade_gateway_given(gateway, "type");

    if (line == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%V\" %V needs \"type\": write the kind of gateway in "
                      "the block, \"type TYPE;\", one of %*s in %V:%ui",
                      &gateway->place.directive, &gateway->name,
                      (size_t) (p - known), known,
                      &gateway->place.file, gateway->place.line);
        return NGX_ERROR;
    }

    gateway->type = pt_gateway_type(pt_slice(line->value.data,
                                             line->value.len));

    if (gateway->type == NULL) {
        return ngx_http_paytrade_gateway_refuse(cf, gateway,
                                                &line->place, 0,
                               "has an unknown value %s: write one of %*s",
                               ngx_http_paytrade_gateway_shown(&line->value,
                                                               shown),
                               (size_t) (p - known), known);
    }

    return NGX_OK;
}


/* Each setting is one of the type's, once, and none is missing. */
static ngx_int_t
ngx_http_paytrade_gateway_names(ngx_conf_t *cf,
    ngx_http_paytrade_gateway_t *gateway)
{
    u_char                      *p, known[1024];
    ngx_uint_t                   i;
    const pt_setting_t          *setting;
    ngx_http_paytrade_placed_t  *line;

    p = ngx_slprintf(known, known + sizeof(known), "type");

    for (setting = gateway->type->settings; setting->name; setting++) {
        p = ngx_slprintf(p, known + sizeof(known), ", %s", setting->name);

        if (setting->required
            && ngx_http_paytrade_gateway_given(gateway, setting->name) == NULL)
        {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"%V\" %V needs \"%s\": write \"%s %s;\" in the "
                          "block in %V:%ui",
                          &gateway->place.directive, &gateway->name,
                          setting->name, setting->name,
                          ngx_http_paytrade_examples[setting->kind],
                          &gateway->place.file, gateway->place.line);
            return NGX_ERROR;
        }
    }

    line = gateway->lines->elts;

    for (i = 0; i < gateway->lines->nelts; i++) {
        setting = ngx_http_paytrade_gateway_setting(gateway,
                                                  &line[i].place.directive);

        if (setting == NULL
            && ngx_strcmp(line[i].place.directive.data, "type") != 0)
        {
            return ngx_http_paytrade_gateway_refuse(cf, gateway,
                               &line[i].place, 0,
                               "is unknown to the type %s: write one of %*s",
                               gateway->type->name, (size_t) (p - known),
                               known);
        }

        if ((setting == NULL || !setting->multiple)
            && ngx_http_paytrade_gateway_given(gateway,
                         (char *) line[i].place.directive.data) != &line[i])
        {
            return ngx_http_paytrade_gateway_refuse(cf, gateway,
                               &line[i].place, 0,
                               "is duplicate: write it once");
        }

        if (ngx_http_paytrade_gateway_form(cf, gateway, setting, &line[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* One value, or two where the first is a name. */
static ngx_int_t
ngx_http_paytrade_gateway_form(ngx_conf_t *cf,
    ngx_http_paytrade_gateway_t *gateway, const pt_setting_t *setting,
    ngx_http_paytrade_placed_t *line)
{
    u_char      shown[NGX_HTTP_PAYTRADE_SHOWN_LEN];
    ngx_uint_t  named;

    named = (setting && setting->kind == PT_SETTING_NAMED_FILE);

    if (line->value.len && named == (line->name.len != 0)) {

        if (named && !ngx_http_paytrade_is_word(&line->name, PT_NAME_MAX)) {
            return ngx_http_paytrade_gateway_refuse(cf, gateway,
                               &line->place, 0,
                               "has an invalid name %s: write 1 to %d "
                               "letters, digits, \"_\" and \"-\"",
                               ngx_http_paytrade_gateway_shown(&line->name,
                                                               shown),
                               PT_NAME_MAX);
        }

        return NGX_OK;
    }

    return ngx_http_paytrade_gateway_refuse(cf, gateway, &line->place, 0,
                               "takes %s: write \"%V %s;\"",
                               named ? "a name and a file" : "one value",
                               &line->place.directive,
                               named ? "NAME FILE" : "VALUE");
}


const pt_setting_t *
ngx_http_paytrade_gateway_setting(ngx_http_paytrade_gateway_t *gateway,
    ngx_str_t *name)
{
    const pt_setting_t  *setting;

    for (setting = gateway->type->settings; setting->name; setting++) {
        if (ngx_strcmp(setting->name, name->data) == 0) {
            return setting;
        }
    }

    return NULL;
}


/* The first line of the block with this name. */
static ngx_http_paytrade_placed_t *
ngx_http_paytrade_gateway_given(ngx_http_paytrade_gateway_t *gateway,
    const char *name)
{
    ngx_uint_t                   i;
    ngx_http_paytrade_placed_t  *line;

    line = gateway->lines->elts;

    for (i = 0; i < gateway->lines->nelts; i++) {
        if (ngx_strcmp(line[i].place.directive.data, name) == 0) {
            return &line[i];
        }
    }

    return NULL;
}


ngx_http_paytrade_gateway_t *
ngx_http_paytrade_find_gateway(ngx_http_paytrade_main_conf_t *mcf,
    pt_slice_t name)
{
    ngx_uint_t                    i;
    ngx_http_paytrade_gateway_t  *gateway;

    if (mcf->gateways == NULL) {
        return NULL;
    }

    gateway = mcf->gateways->elts;

    for (i = 0; i < mcf->gateways->nelts; i++) {
        if (pt_slice_eq(name, pt_slice(gateway[i].name.data,
                                       gateway[i].name.len)))
        {
            return &gateway[i];
        }
    }

    return NULL;
}


ngx_uint_t
ngx_http_paytrade_settles(ngx_http_paytrade_gateway_t *gateway)
{
    return gateway->type->settles == NULL
           || gateway->type->settles(gateway->conf);
}


u_char *
ngx_http_paytrade_gateway_shown(ngx_str_t *value,
    u_char shown[NGX_HTTP_PAYTRADE_SHOWN_LEN])
{
    u_char  *p;

    if (value->len > NGX_HTTP_PAYTRADE_SHOWN_MAX) {
        p = ngx_snprintf(shown, NGX_HTTP_PAYTRADE_SHOWN_LEN - 1,
                         "of %uz bytes", value->len);

    } else {
        p = ngx_snprintf(shown, NGX_HTTP_PAYTRADE_SHOWN_LEN - 1, "\"%V\"",
                         value);
    }

    *p = '\0';

    return shown;
}


ngx_int_t
ngx_http_paytrade_gateway_refuse(ngx_conf_t *cf,
    ngx_http_paytrade_gateway_t *gateway, ngx_http_paytrade_place_t *place,
    ngx_err_t err, const char *fmt, ...)
{
    u_char    text[NGX_MAX_CONF_ERRSTR], *p, *last;
    u_char    shown[NGX_HTTP_PAYTRADE_SHOWN_LEN];
    va_list   args;

    last = text + NGX_MAX_CONF_ERRSTR;

    va_start(args, fmt);
    p = ngx_vslprintf(text, last, fmt, args);
    va_end(args);

    if (err) {
        p = ngx_log_errno(p, last, err);
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "\"%V\" %V: %s%s %*s in %V:%ui",
                  &gateway->place.directive, &gateway->name,
                  place->directive.len > NGX_HTTP_PAYTRADE_SHOWN_MAX
                  ? "a line that begins with a word " : "",
                  ngx_http_paytrade_gateway_shown(&place->directive, shown),
                  (size_t) (p - text), text, &place->file, place->line);

    return NGX_ERROR;
}
