/*
 * WeChat Pay's API v2: its settings and its place in the table.
 */

#include <stdlib.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "pt_hook.h"
#include "pt_wechat_v2.h"


#define PT_WECHAT_V2_ID_MAX  32


const pt_slice_t  pt_wechat_v2_names[PT_WECHAT_V2_ALGORITHMS] = {
    pt_slice_const("MD5"),
    pt_slice_const("HMAC-SHA256"),
};


static const pt_setting_t  pt_wechat_v2_settings[] = {
    { "app_id", PT_SETTING_TEXT, 1, 0 },
    { "mch_id", PT_SETTING_TEXT, 1, 0 },
    { "sub_mch_id", PT_SETTING_TEXT, 0, 0 },
    { "api_key", PT_SETTING_SECRET_FILE, 1, 1 },
    { "sign_type", PT_SETTING_TEXT, 0, 1 },
    { NULL, PT_SETTING_TEXT, 0, 0 }
};


static void *
pt_wechat_v2_create(pt_slice_t currency, unsigned decimals)
{
    pt_wechat_v2_t  *conf;

    (void) currency;

    conf = calloc(1, sizeof(pt_wechat_v2_t));

    if (conf) {
        conf->decimals = decimals;
    }

    return conf;
}


static void
pt_wechat_v2_destroy(void *data)
{
    pt_wechat_v2_t *conf = data;

    size_t  i;

    if (conf == NULL) {
        return;
    }

    for (i = 0; i < PT_WECHAT_V2_TEXTS; i++) {
        free(conf->texts[i]);
    }

    pt_secrets_wipe(&conf->keys);
    OPENSSL_cleanse(conf->aes_keys, sizeof(conf->aes_keys));
    free(conf);
}


int
pt_wechat_v2_md5(const pt_slice_t *parts, size_t n,
    unsigned char md5[PT_MD5_LEN])
{
    int          rc;
    size_t       i;
    unsigned     len;
    EVP_MD_CTX  *ctx;

    ctx = EVP_MD_CTX_new();
    rc = ctx && EVP_DigestInit_ex(ctx, EVP_md5(), NULL) == 1;

    for (i = 0; rc && i < n; i++) {
        rc = parts[i].len == 0
             || EVP_DigestUpdate(ctx, parts[i].data, parts[i].len) == 1;
    }

    rc = rc && EVP_DigestFinal_ex(ctx, md5, &len) == 1 && len == PT_MD5_LEN;

    EVP_MD_CTX_free(ctx);

    return rc ? 0 : -1;
}


void
pt_wechat_v2_hex(const unsigned char *data, size_t len, const char *digits,
    char *dst)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        *dst++ = digits[data[i] >> 4];
        *dst++ = digits[data[i] & 15];
    }
}


/* An application's id has letters, a merchant's has not. */
static int
pt_wechat_v2_is_id(pt_slice_t s, int letters)
{
    char    c;
    size_t  i;

    if (s.len == 0 || s.len > PT_WECHAT_V2_ID_MAX) {
        return 0;
    }

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if (!(c >= '0' && c <= '9')
            && !(letters && c >= 'a' && c <= 'z')
            && !(letters && c >= 'A' && c <= 'Z'))
        {
            return 0;
        }
    }

    return 1;
}


static int
pt_wechat_v2_set_text(pt_wechat_v2_t *conf, pt_wechat_v2_setting_e i,
    pt_slice_t value, const char **why)
{
    int  letters;

    letters = i == PT_WECHAT_V2_APP_ID;

    if (!pt_wechat_v2_is_id(value, letters)) {
        *why = letters ? "write the AppID, as in wx8888888888888888: 1 to 32 "
                         "letters and digits"
                       : "write the merchant's number, as in 1900000109: 1 to "
                         "32 digits";
        return -1;
    }

    return pt_hook_set_text(&conf->texts[i], value, why);
}


static int
pt_wechat_v2_is_key(pt_slice_t key)
{
    size_t  i;

    if (key.len != PT_WECHAT_V2_KEY_LEN) {
        return 0;
    }

    for (i = 0; i < key.len; i++) {
        if (key.data[i] <= ' ' || key.data[i] > '~') {
            return 0;
        }
    }

    return 1;
}


static int
pt_wechat_v2_set_key(pt_wechat_v2_t *conf, pt_slice_t file, const char **why)
{
    size_t          i;
    pt_slice_t      key;
    unsigned char   md5[PT_MD5_LEN];

    i = conf->keys.n;
    key = pt_secret_line(file);

    if (!pt_wechat_v2_is_key(key)) {
        *why = "holds no APIv2 key: write the 32 characters that were set "
               "under API security into the file, in one line";
        return -1;
    }

    if (pt_secrets_add(&conf->keys, key, why) != 0) {
        return -1;
    }

    if (pt_wechat_v2_md5(&key, 1, md5) != 0) {
        *why = "cannot be used, for OpenSSL has no MD5: leave its FIPS mode, "
               "or use wechat_v3";
        return -1;
    }

    pt_wechat_v2_hex(md5, sizeof(md5), "0123456789abcdef",
                     (char *) conf->aes_keys[i]);

    OPENSSL_cleanse(md5, sizeof(md5));

    return 0;
}


static int
pt_wechat_v2_set_algorithm(pt_wechat_v2_t *conf, pt_slice_t value,
    const char **why)
{
    unsigned  i;

    for (i = 0; i < PT_WECHAT_V2_ALGORITHMS; i++) {
        if (!pt_slice_eq(value, pt_wechat_v2_names[i])) {
            continue;
        }

        if (conf->allowed & 1u << i) {
            *why = "is given twice: remove one";
            return -1;
        }

        conf->allowed |= 1u << i;

        return 0;
    }

    *why = "write MD5 or HMAC-SHA256; for both, a line for each";

    return -1;
}


static int
pt_wechat_v2_set(void *data, const pt_setting_t *setting, pt_slice_t name,
    pt_slice_t value, const char **why)
{
    pt_wechat_v2_setting_e  i;

    (void) name;

    i = setting - pt_wechat_v2_settings;

    if (i < PT_WECHAT_V2_TEXTS) {
        return pt_wechat_v2_set_text(data, i, value, why);
    }

    return i == PT_WECHAT_V2_API_KEY
           ? pt_wechat_v2_set_key(data, value, why)
           : pt_wechat_v2_set_algorithm(data, value, why);
}


static int
pt_wechat_v2_check(void *data, const char **why)
{
    pt_wechat_v2_t *conf = data;

    if (conf->texts[PT_WECHAT_V2_APP_ID] == NULL
        || conf->texts[PT_WECHAT_V2_MCH_ID] == NULL
        || conf->keys.n == 0)
    {
        *why = "needs app_id, mch_id and api_key: write those that are "
               "missing";
        return -1;
    }

    if (conf->decimals != PT_WECHAT_V2_DECIMALS) {
        *why = "counts in hundredths: set paytrade_currency to a currency "
               "with 2 decimals, such as \"CNY 2\"";
        return -1;
    }

    if (conf->allowed == 0) {
        conf->allowed = 1u << PT_WECHAT_V2_MD5 | 1u << PT_WECHAT_V2_HMAC_SHA256;
    }

    return 0;
}


static const char *const *
pt_wechat_v2_methods(const void *data)
{
    static const char *const  methods[] = { NULL };

    (void) data;

    return methods;
}


pt_slice_t
pt_wechat_v2_text(const pt_wechat_v2_t *conf, pt_wechat_v2_setting_e i)
{
    return conf->texts[i] ? pt_slice(conf->texts[i], strlen(conf->texts[i]))
                          : pt_slice_null;
}


#define pt_wechat_v2_answer(code, message)                                    \
    "<xml><return_code><![CDATA[" code "]]></return_code>"                    \
    "<return_msg><![CDATA[" message "]]></return_msg></xml>"


const pt_gateway_type_t  pt_wechat_v2 = {
    .name = "wechat_v2",
    .settings = pt_wechat_v2_settings,
    .amount_min = 1,
    .amount_max = PT_AMOUNT_MAX,
    .answers = {
        [PT_ANSWER_ACCEPTED] = { 200, "text/xml",
                                 pt_wechat_v2_answer("SUCCESS", "OK") },
        [PT_ANSWER_REFUSED] = { 200, "text/xml",
                                pt_wechat_v2_answer("FAIL", "refused") },
        [PT_ANSWER_LATER] = { 200, "text/xml",
                              pt_wechat_v2_answer("FAIL", "try later") },
    },
    .create = pt_wechat_v2_create,
    .destroy = pt_wechat_v2_destroy,
    .set = pt_wechat_v2_set,
    .check = pt_wechat_v2_check,
    .verify = pt_wechat_v2_verify,
    .methods = pt_wechat_v2_methods,
};
