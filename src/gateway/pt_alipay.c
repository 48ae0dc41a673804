/*
 * Alipay with RSA2, in key mode or in certificate mode: its settings and its
 * place in the table.
 */

#include <stdlib.h>

#include "pt_alipay.h"
#include "pt_hook.h"


#define PT_ALIPAY_NUMBER_MAX  32
#define PT_ALIPAY_SELLER_LEN  16
#define PT_ALIPAY_URL_MAX     1024


static const char  pt_alipay_gateway[] =
    "https://openapi.alipay.com/gateway.do";


static const pt_setting_t  pt_alipay_settings[] = {
    { "app_id", PT_SETTING_TEXT, 1, 0 },
    { "seller_id", PT_SETTING_TEXT, 1, 0 },
    { "notify_url", PT_SETTING_URL, 0, 0 },
    { "return_url", PT_SETTING_URL, 0, 0 },
    { "gateway_url", PT_SETTING_URL, 0, 0 },
    { "quit_url", PT_SETTING_URL, 0, 0 },
    { "signing", PT_SETTING_TEXT, 0, 0 },
    { "private_key", PT_SETTING_SECRET_FILE, 0, 0 },
    { "public_key", PT_SETTING_FILE, 0, 1 },
    { "app_certificate", PT_SETTING_FILE, 0, 0 },
    { "alipay_certificate", PT_SETTING_FILE, 0, 1 },
    { "root_certificate", PT_SETTING_FILE, 0, 0 },
    { NULL, PT_SETTING_TEXT, 0, 0 }
};


static void *
pt_alipay_create(pt_slice_t currency, unsigned decimals)
{
    pt_alipay_t  *conf;

    conf = calloc(1, sizeof(pt_alipay_t));

    if (conf) {
        conf->currency = currency;
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
    pt_rsa_free(conf->app_key);
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
pt_alipay_is_seller_id(pt_slice_t s)
{
    return s.len == PT_ALIPAY_SELLER_LEN && pt_alipay_is_number(s)
           && memcmp(s.data, "2088", 4) == 0;
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
    if (i == PT_ALIPAY_APP_ID) {
        return pt_alipay_is_number(value)
               ? NULL : "write the number from Alipay's console, 1 to 32 "
                        "digits";
    }

    if (i == PT_ALIPAY_SELLER_ID) {
        return pt_alipay_is_seller_id(value)
               ? NULL : "write the number (PID) from Alipay's console, 2088 "
                        "and 12 more digits";
    }

    if (i == PT_ALIPAY_SIGNING) {
        return pt_slice_eq(value, pt_slice_lit("v1"))
               || pt_slice_eq(value, pt_slice_lit("v2"))
               ? NULL : "write v1, or v2 where Alipay signs sign_type too";
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


/* One of Alipay's keys; takes it. */
static int
pt_alipay_add_key(pt_alipay_t *conf, pt_rsa_t *key, const char **why)
{
    if (key == NULL) {
        return -1;
    }

    if (conf->nkeys == PT_ALIPAY_KEYS_MAX) {
        pt_rsa_free(key);
        *why = "is one public key too many, 8 are the most: remove old ones";
        return -1;
    }

    conf->public_keys[conf->nkeys++] = key;

    return 0;
}


static int
pt_alipay_set_private(pt_alipay_t *conf, pt_slice_t value, const char **why)
{
    if (conf->private_key) {
        *why = "is a second private key: remove one";
        return -1;
    }

    conf->private_key = pt_rsa_private(value, why);

    return conf->private_key ? 0 : -1;
}


static int
pt_alipay_set_app(pt_alipay_t *conf, pt_slice_t value, const char **why)
{
    if (conf->app_key) {
        *why = "is a second certificate of the application: remove one";
        return -1;
    }

    conf->app_key = pt_alipay_certificate(value, conf->app_sn, why);

    return conf->app_key ? 0 : -1;
}


static int
pt_alipay_set_root(pt_alipay_t *conf, pt_slice_t value, const char **why)
{
    if (conf->root_sn[0]) {
        *why = "is a second file of root certificates: remove one";
        return -1;
    }

    return pt_alipay_roots(value, conf->root_sn, why);
}


static int
pt_alipay_set_certificate(pt_alipay_t *conf, pt_slice_t value,
    const char **why)
{
    char  sn[PT_ALIPAY_SN_LEN];

    if (pt_alipay_add_key(conf, pt_alipay_certificate(value, sn, why), why)
        != 0)
    {
        return -1;
    }

    conf->ncertificates++;

    return 0;
}


static int
pt_alipay_set(void *data, const pt_setting_t *setting, pt_slice_t name,
    pt_slice_t value, const char **why)
{
    pt_alipay_setting_e  i;

    (void) name;

    i = setting - pt_alipay_settings;

    switch (i) {

    case PT_ALIPAY_PRIVATE_KEY:
        return pt_alipay_set_private(data, value, why);

    case PT_ALIPAY_PUBLIC_KEY:
        return pt_alipay_add_key(data, pt_rsa_public(value, why), why);

    case PT_ALIPAY_APP_CERTIFICATE:
        return pt_alipay_set_app(data, value, why);

    case PT_ALIPAY_ALIPAY_CERTIFICATE:
        return pt_alipay_set_certificate(data, value, why);

    case PT_ALIPAY_ROOT_CERTIFICATE:
        return pt_alipay_set_root(data, value, why);

    default:
        return pt_alipay_set_text(data, i, value, why);
    }
}


/*
 * In certificate mode a request names the application's certificate and the
 * roots.  A shop that only verifies makes none.
 */
static const char *
pt_alipay_wrong_certificates(const pt_alipay_t *conf)
{
    int  app, roots, alipay;

    app = conf->app_key != NULL;
    roots = conf->root_sn[0] != '\0';
    alipay = conf->ncertificates != 0;

    if (app != roots
        || (app && !alipay)
        || (alipay && !app && conf->private_key))
    {
        return "needs app_certificate, alipay_certificate and "
               "root_certificate together: write those that are missing";
    }

    if (app && conf->private_key
        && !pt_rsa_pair(conf->private_key, conf->app_key))
    {
        return "has an app_certificate that is not for its private_key: write "
               "the path of the certificate that was made from it";
    }

    return NULL;
}


/* The commonest mistake: no callback would ever verify. */
static int
pt_alipay_has_own_key(const pt_alipay_t *conf)
{
    size_t  i;

    for (i = 0; conf->private_key && i < conf->nkeys; i++) {
        if (pt_rsa_pair(conf->private_key, conf->public_keys[i])) {
            return 1;
        }
    }

    return 0;
}


static const char *
pt_alipay_wrong(const pt_alipay_t *conf)
{
    const char  *why;

    if (conf->texts[PT_ALIPAY_APP_ID] == NULL
        || conf->texts[PT_ALIPAY_SELLER_ID] == NULL)
    {
        return "needs app_id and seller_id: write those that are missing";
    }

    if (!conf->private_key != !conf->texts[PT_ALIPAY_NOTIFY_URL]) {
        return "needs private_key and notify_url together: write both, or "
               "neither if it only verifies callbacks";
    }

    why = pt_alipay_wrong_certificates(conf);
    if (why) {
        return why;
    }

    if (conf->nkeys == 0) {
        return "needs a key of Alipay: write public_key, or the three "
               "certificates of certificate mode";
    }

    if (pt_hook_check_yuan(conf->currency, conf->decimals, &why) != 0) {
        return why;
    }

    if (pt_alipay_has_own_key(conf)) {
        return "has the application's own public key as public_key or "
               "alipay_certificate: write the path of Alipay's, from its "
               "console";
    }

    return NULL;
}


static int
pt_alipay_check(void *data, const char **why)
{
    *why = pt_alipay_wrong(data);

    return *why ? -1 : 0;
}


static const char *const *
pt_alipay_methods(const void *data)
{
    const pt_alipay_t *conf = data;

    static const char *const  methods[] = { "page", "wap", NULL };
    static const char *const  none[] = { NULL };

    return conf->private_key ? methods : none;
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
