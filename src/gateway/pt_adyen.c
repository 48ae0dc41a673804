/*
 * Adyen's standard webhooks: their settings and their place in the table.
 */

#include <stdlib.h>

#include <openssl/crypto.h>

#include "pt_adyen.h"


/* CLP and ISK have no decimals any more, Adyen still counts two. */
static const char  pt_adyen_no_decimals[] =
    "CVE DJF GNF IDR JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF";

static const char  pt_adyen_three_decimals[] = "BHD IQD JOD KWD LYD OMR TND";


/* In the order of the settings' table. */
typedef enum {
    PT_ADYEN_MERCHANT_ACCOUNT = 0,
    PT_ADYEN_HMAC_KEY,
    PT_ADYEN_MODE
} pt_adyen_setting_e;


static const pt_setting_t  pt_adyen_settings[] = {
    { "merchant_account", PT_SETTING_TEXT, 1, 0 },
    { "hmac_key", PT_SETTING_SECRET_FILE, 1, 1 },
    { "mode", PT_SETTING_TEXT, 0, 0 },
    { NULL, PT_SETTING_TEXT, 0, 0 }
};


static void *
pt_adyen_create(pt_slice_t currency, unsigned decimals)
{
    pt_adyen_t  *conf;

    conf = calloc(1, sizeof(pt_adyen_t));

    if (conf) {
        conf->currency = currency;
        conf->decimals = decimals;
    }

    return conf;
}


static void
pt_adyen_destroy(void *data)
{
    pt_adyen_t *conf = data;

    if (conf == NULL) {
        return;
    }

    pt_secrets_wipe(&conf->keys);
    free(conf->merchant_account);
    free(conf);
}


static int
pt_adyen_set_key(pt_adyen_t *conf, pt_slice_t file, const char **why)
{
    int            rc;
    size_t         len;
    unsigned char  key[PT_SHA256_LEN];

    if (pt_hex_decode(pt_secret_line(file), key, sizeof(key), &len) != 0
        || len != sizeof(key))
    {
        *why = "holds no HMAC key: write the key of the webhook, 64 "
               "hexadecimal digits from Adyen's Customer Area, into it";
        rc = -1;

    } else {
        rc = pt_secrets_add(&conf->keys, pt_slice(key, len), why);
    }

    OPENSSL_cleanse(key, sizeof(key));

    return rc;
}


static int
pt_adyen_set(void *data, const pt_setting_t *setting, pt_slice_t name,
    pt_slice_t value, const char **why)
{
    pt_adyen_t *conf = data;

    (void) name;

    switch ((pt_adyen_setting_e) (setting - pt_adyen_settings)) {

    case PT_ADYEN_HMAC_KEY:
        return pt_adyen_set_key(conf, value, why);

    case PT_ADYEN_MODE:
        return pt_hook_set_mode(&conf->mode, value, why);

    default:

        if (value.len && memchr(value.data, ':', value.len)) {
            *why = "write the merchant account as Adyen's Customer Area shows "
                   "it, without a colon";
            return -1;
        }

        return pt_hook_set_text(&conf->merchant_account, value, why);
    }
}


static int
pt_adyen_check(void *data, const char **why)
{
    pt_adyen_t *conf = data;

    unsigned  decimals;

    if (conf->merchant_account == NULL || conf->keys.n == 0) {
        *why = "needs merchant_account and hmac_key: write those that are "
               "missing";
        return -1;
    }

    if (conf->mode == PT_HOOK_MODE_UNSET) {
        conf->mode = PT_HOOK_MODE_LIVE;
    }

    decimals = pt_hook_decimals(conf->currency, pt_adyen_no_decimals,
                                pt_adyen_three_decimals);

    return pt_hook_check_decimals(conf->decimals, decimals, why);
}


static const char *const *
pt_adyen_methods(const void *data)
{
    static const char *const  methods[] = { NULL };

    (void) data;

    return methods;
}


const pt_gateway_type_t  pt_adyen = {
    .name = "adyen",
    .settings = pt_adyen_settings,
    .amount_min = 1,
    .amount_max = PT_AMOUNT_MAX,
    .answers = {
        [PT_ANSWER_ACCEPTED] = { 200, "text/plain", "[accepted]" },
        [PT_ANSWER_REFUSED] = { 401, "text/plain", "refused" },
        [PT_ANSWER_LATER] = { 503, "text/plain", "try again later" },
    },
    .create = pt_adyen_create,
    .destroy = pt_adyen_destroy,
    .set = pt_adyen_set,
    .check = pt_adyen_check,
    .verify = pt_adyen_verify,
    .methods = pt_adyen_methods,
};
