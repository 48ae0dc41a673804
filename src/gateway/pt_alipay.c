/*
 * Alipay, in key mode with RSA2: its settings and its place in the table.
 */

#include <stdlib.h>

#include "pt_alipay.h"


#define PT_ALIPAY_NUMBER_MAX  32
#define PT_ALIPAY_URL_MAX     1024


static const char  pt_alipay_gateway[] =
    "https://openapi.alipay.com/gateway.do";


static const pt_setting_t  pt_alipay_settings[] = {
    { "app_id", PT_SETTING_TEXT, 1, 0 },
    { "seller_id", PT_SETTING_TEXT, 1, 0 },
    { "notify_url", PT_SETTING_URL, 1, 0 },
    { "return_url", PT_SETTING_URL, 0, 0 },
    { "gateway_url", PT_SETTING_URL, 0, 0 },
    { "quit_url", PT_SETTING_URL, 0, 0 },
    { "private_key", PT_SETTING_SECRET_FILE, 1, 0 },
    { "public_key", PT_SETTING_FILE, 1, 1 },
    { NULL, PT_SETTING_TEXT, 0, 0 }
};


static void *
pt_alipay_create(pt_slice_t currency, unsigned decimals)
{
    pt_alipay_t  *conf;

    (void) currency;

    conf = calloc(1, sizeof(pt_alipay_t));

    if (conf) {
        conf->decimals = decimals;
    }

    return conf;
}


static void
pt_alipay_destroy(void *data)
{
    pt_alipay_t *conf = data;

    size_t  i;

    if (conf == NULL) {
        return;
    }

    for (i = 0; i < PT_ALIPAY_TEXTS; i++) {
        free(conf->texts[i]);
    }

    for (i = 0; i < conf->nkeys; i++) {
        pt_rsa_free(conf->public_keys[i]);
    }

    pt_rsa_free(conf->private_key);
    free(conf);
}


static int
pt_alipay_is_number(pt_slice_t s)
{
    size_t  i;

    if (s.len == 0 || s.len > PT_ALIPAY_NUMBER_MAX) {
        return 0;
    }

    for (i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return 0;
        }
    }

    return 1;
}


static int
pt_alipay_is_url(pt_slice_t s)
{
    size_t  i;

    if (s.len > PT_ALIPAY_URL_MAX) {
        return 0;
    }

    if (!(s.len > 8 && memcmp(s.data, "https://", 8) == 0)
        && !(s.len > 7 && memcmp(s.data, "http://", 7) == 0))
    {
        return 0;
    }

    for (i = 0; i < s.len; i++) {
        if (s.data[i] <= ' ' || s.data[i] > '~') {
            return 0;
        }
    }

    return 1;
}


/* What is wrong with a text; NULL: nothing. */
static const char *
pt_alipay_wrong_text(pt_alipay_setting_e i, pt_slice_t value)
{
    if (i <= PT_ALIPAY_SELLER_ID) {
        return pt_alipay_is_number(value)
               ? NULL : "write the number from Alipay's console, 1 to 32 "
                        "digits";
    }

    if (!pt_alipay_is_url(value)) {
        return "write a URL that starts with https:// or http://, of at most "
               "1024 printable characters";
    }

    /* links add a query to it */

    if (i == PT_ALIPAY_GATEWAY_URL
        && (memchr(value.data, '?', value.len)
            || memchr(value.data, '#', value.len)))
    {
        return "write it without \"?\" and \"#\"";
    }

    return NULL;
}


static int
pt_alipay_set_text(pt_alipay_t *conf, pt_alipay_setting_e i, pt_slice_t value,
    const char **why)
{
    char  *text;

    if (conf->texts[i]) {
        *why = "is given twice: remove one";
        return -1;
    }

    *why = pt_alipay_wrong_text(i, value);
    if (*why) {
        return -1;
    }

    text = malloc(value.len + 1);
    if (text == NULL) {
        *why = "there is no memory";
        return -1;
    }

    memcpy(text, value.data, value.len);
    text[value.len] = '\0';
    conf->texts[i] = text;

    return 0;
}


static int
pt_alipay_set_key(pt_alipay_t *conf, pt_alipay_setting_e i, pt_slice_t value,
    const char **why)
{
    pt_rsa_t  *key;

    if (i == PT_ALIPAY_PRIVATE_KEY) {
        if (conf->private_key) {
            *why = "is a second private key: remove one";
            return -1;
        }

        conf->private_key = pt_rsa_private(value, why);

        return conf->private_key ? 0 : -1;
    }

    if (conf->nkeys == PT_ALIPAY_KEYS_MAX) {
        *why = "is one public key too many, 8 are the most: remove old ones";
        return -1;
    }

    key = pt_rsa_public(value, why);
    if (key == NULL) {
        return -1;
    }

    conf->public_keys[conf->nkeys++] = key;

    return 0;
}


static int
pt_alipay_set(void *data, const pt_setting_t *setting, pt_slice_t name,
    pt_slice_t value, const char **why)
{
    pt_alipay_setting_e  i;

    (void) name;

    i = setting - pt_alipay_settings;

    return i < PT_ALIPAY_TEXTS ? pt_alipay_set_text(data, i, value, why)
                               : pt_alipay_set_key(data, i, value, why);
}


static int
pt_alipay_check(void *data, const char **why)
{
    pt_alipay_t *conf = data;

    size_t  i;

    if (conf->texts[PT_ALIPAY_APP_ID] == NULL
        || conf->texts[PT_ALIPAY_SELLER_ID] == NULL
        || conf->texts[PT_ALIPAY_NOTIFY_URL] == NULL
        || conf->private_key == NULL
        || conf->nkeys == 0)
    {
        *why = "needs app_id, seller_id, private_key, public_key and "
               "notify_url: write those that are missing";
        return -1;
    }

    if (conf->decimals != PT_ALIPAY_DECIMALS) {
        *why = "takes amounts with two decimals: set paytrade_currency to a "
               "currency with 2 decimals, such as \"CNY 2\"";
        return -1;
    }

    /* the commonest mistake: no callback would ever verify */

    for (i = 0; i < conf->nkeys; i++) {
        if (pt_rsa_pair(conf->private_key, conf->public_keys[i])) {
            *why = "has the application's own public key as public_key: write "
                   "the path of Alipay's public key, from its console";
            return -1;
        }
    }

    return 0;
}


static const char *const *
pt_alipay_methods(const void *data)
{
    static const char *const  methods[] = { "page", "wap", NULL };

    (void) data;

    return methods;
}


pt_slice_t
pt_alipay_text(const pt_alipay_t *conf, pt_alipay_setting_e i)
{
    if (conf->texts[i]) {
        return pt_slice(conf->texts[i], strlen(conf->texts[i]));
    }

    if (i == PT_ALIPAY_GATEWAY_URL) {
        return pt_slice(pt_alipay_gateway, sizeof(pt_alipay_gateway) - 1);
    }

    return pt_slice_null;
}


const pt_gateway_type_t  pt_alipay = {
    .name = "alipay",
    .settings = pt_alipay_settings,
    .amount_min = 1,
    .amount_max = INT64_C(10000000000),
    .answers = {
        [PT_ANSWER_ACCEPTED] = { 200, "text/plain", "success" },
        [PT_ANSWER_REFUSED] = { 200, "text/plain", "fail" },
        [PT_ANSWER_LATER] = { 200, "text/plain", "fail" },
    },
    .create = pt_alipay_create,
    .destroy = pt_alipay_destroy,
    .set = pt_alipay_set,
    .check = pt_alipay_check,
    .verify = pt_alipay_verify,
    .methods = pt_alipay_methods,
    .link_text = pt_alipay_link_text,
    .sign = pt_alipay_sign,
    .link = pt_alipay_link,
};
