/*
 * WeChat Pay v3: its settings and its place in the table.
 */

#include <stdlib.h>

#include "pt_aes.h"
#include "pt_hook.h"
#include "pt_wechat_v3.h"


#define PT_WECHAT_V3_NUMBER_MAX  32
#define PT_WECHAT_V3_KEY_ID      "PUB_KEY_ID_"


static const pt_setting_t  pt_wechat_v3_settings[] = {
    { "app_id", PT_SETTING_TEXT, 1, 0 },
    { "mch_id", PT_SETTING_TEXT, 1, 0 },
    { "api_v3_key", PT_SETTING_SECRET_FILE, 1, 1 },
    { "platform_certificate", PT_SETTING_FILE, 0, 1 },
    { "public_key", PT_SETTING_NAMED_FILE, 0, 1 },
    { "tolerance", PT_SETTING_TIME, 0, 0 },
    { NULL, PT_SETTING_TEXT, 0, 0 }
};


static void *
pt_wechat_v3_create(pt_slice_t currency, unsigned decimals)
{
    pt_wechat_v3_t  *conf;

    conf = calloc(1, sizeof(pt_wechat_v3_t));

    if (conf) {
        conf->currency = currency;
        conf->decimals = decimals;
    }

    return conf;
}


static void
pt_wechat_v3_destroy(void *data)
{
    pt_wechat_v3_t *conf = data;

    size_t  i;

    if (conf == NULL) {
        return;
    }

    for (i = 0; i < PT_WECHAT_V3_TEXTS; i++) {
        free(conf->texts[i]);
    }

    for (i = 0; i < conf->nkeys; i++) {
        pt_rsa_free(conf->keys[i].key);
    }

    pt_secrets_wipe(&conf->secrets);
    free(conf);
}


/* 1 to max digits, or letters and digits: 1 or 0. */
static int
pt_wechat_v3_is_number(pt_slice_t s, size_t max, int letters)
{
    char    c;
    size_t  i;

    if (s.len == 0 || s.len > max) {
        return 0;
    }

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if (c >= '0' && c <= '9') {
            continue;
        }

        if (!letters || !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))) {
            return 0;
        }
    }

    return 1;
}


static int
pt_wechat_v3_set_text(pt_wechat_v3_t *conf, pt_wechat_v3_setting_e i,
    pt_slice_t value, const char **why)
{
    if (!pt_wechat_v3_is_number(value, PT_WECHAT_V3_NUMBER_MAX,
                                i == PT_WECHAT_V3_APP_ID))
    {
        *why = i == PT_WECHAT_V3_APP_ID
               ? "write the APPID, 1 to 32 letters and digits, such as "
                 "wxd678efh567hg6787"
               : "write the merchant's number, 1 to 32 digits";
        return -1;
    }

    return pt_hook_set_text(&conf->texts[i], value, why);
}


static int
pt_wechat_v3_set_secret(pt_wechat_v3_t *conf, pt_slice_t file,
    const char **why)
{
    pt_slice_t  secret;

    secret = pt_secret_line(file);

    if (secret.len != PT_AES_KEY_LEN) {
        *why = "holds no APIv3 key, which has 32 bytes: write the key as the "
               "merchant platform has it, in one line";
        return -1;
    }

    return pt_secrets_add(&conf->secrets, secret, why);
}


static pt_slice_t
pt_wechat_v3_no_zeros(pt_slice_t id)
{
    while (id.len > 1 && id.data[0] == '0') {
        id.data++;
        id.len--;
    }

    return id;
}


const pt_wechat_v3_key_t *
pt_wechat_v3_key(const pt_wechat_v3_t *conf, pt_slice_t id)
{
    size_t                     i;
    pt_slice_t                 known;
    const pt_wechat_v3_key_t  *key;

    for (i = 0; i < conf->nkeys; i++) {
        key = &conf->keys[i];
        known = pt_slice(key->id, strlen(key->id));

        if (pt_slice_eq(id, known)
            || (key->certificate
                && pt_slice_eq(pt_wechat_v3_no_zeros(id),
                               pt_wechat_v3_no_zeros(known))))
        {
            return key;
        }
    }

    return NULL;
}


/* Takes the key, or frees it. */
static int
pt_wechat_v3_add_key(pt_wechat_v3_t *conf, const pt_wechat_v3_key_t *added,
    const char **why)
{
    if (added->key == NULL) {
        return -1;
    }

    if (pt_wechat_v3_key(conf, pt_slice(added->id, strlen(added->id)))) {
        *why = "is given twice: remove one";

    } else if (conf->nkeys == PT_WECHAT_V3_KEYS_MAX) {
        *why = "is one key too many, 16 are the most: remove old ones";

    } else {
        conf->keys[conf->nkeys++] = *added;
        return 0;
    }

    pt_rsa_free(added->key);

    return -1;
}


static int
pt_wechat_v3_set_certificate(pt_wechat_v3_t *conf, pt_slice_t file,
    const char **why)
{
    pt_wechat_v3_key_t    added;
    pt_rsa_certificate_t  certificate;

    memset(&added, 0, sizeof(added));

    added.certificate = 1;
    added.key = pt_rsa_certificate(file, &certificate, why);

    if (added.key) {
        memcpy(added.id, certificate.serial, sizeof(certificate.serial));
        memcpy(added.name, certificate.name, sizeof(certificate.name));
    }

    return pt_wechat_v3_add_key(conf, &added, why);
}


static int
pt_wechat_v3_is_key_id(pt_slice_t id)
{
    size_t  len;

    len = sizeof(PT_WECHAT_V3_KEY_ID) - 1;

    return id.len > len && memcmp(id.data, PT_WECHAT_V3_KEY_ID, len) == 0
           && pt_wechat_v3_is_number(pt_slice(id.data + len, id.len - len),
                                     PT_NAME_MAX - len, 1);
}


static int
pt_wechat_v3_set_public_key(pt_wechat_v3_t *conf, pt_slice_t id,
    pt_slice_t file, const char **why)
{
    pt_wechat_v3_key_t  added;

    if (!pt_wechat_v3_is_key_id(id)) {
        *why = "has an id that is none: write the one that the merchant "
               "platform shows beside the key, PUB_KEY_ID_ and digits, in "
               "front of the file";
        return -1;
    }

    memset(&added, 0, sizeof(added));
    memcpy(added.id, id.data, id.len);
    added.key = pt_rsa_public(file, why);

    return pt_wechat_v3_add_key(conf, &added, why);
}


static int
pt_wechat_v3_set(void *data, const pt_setting_t *setting, pt_slice_t name,
    pt_slice_t value, const char **why)
{
    pt_wechat_v3_t *conf = data;

    pt_wechat_v3_setting_e  i;

    i = setting - pt_wechat_v3_settings;

    switch (i) {

    case PT_WECHAT_V3_API_KEY:
        return pt_wechat_v3_set_secret(conf, value, why);

    case PT_WECHAT_V3_CERTIFICATE:
        return pt_wechat_v3_set_certificate(conf, value, why);

    case PT_WECHAT_V3_PUBLIC_KEY:
        return pt_wechat_v3_set_public_key(conf, name, value, why);

    case PT_WECHAT_V3_TOLERANCE:
        return pt_hook_set_tolerance(&conf->tolerance, value, why);

    default:
        return pt_wechat_v3_set_text(conf, i, value, why);
    }
}


static int
pt_wechat_v3_check(void *data, const char **why)
{
    pt_wechat_v3_t *conf = data;

    size_t  i;

    if (conf->texts[PT_WECHAT_V3_APP_ID] == NULL
        || conf->texts[PT_WECHAT_V3_MCH_ID] == NULL
        || conf->secrets.n == 0)
    {
        *why = "needs app_id, mch_id and api_v3_key: write those that are "
               "missing";
        return -1;
    }

    if (conf->nkeys == 0) {
        *why = "has no key to verify with: write public_key with the id and "
               "the file of WeChat Pay's public key, or platform_certificate";
        return -1;
    }

    if (pt_hook_check_yuan(conf->currency, conf->decimals, why) != 0) {
        return -1;
    }

    /* no callback would ever verify; the subject is the merchant's number */

    for (i = 0; i < conf->nkeys; i++) {
        if (strcmp(conf->keys[i].name, conf->texts[PT_WECHAT_V3_MCH_ID]) == 0) {
            *why = "has the merchant's own certificate as "
                   "platform_certificate: write the path of WeChat Pay's, "
                   "from its API, not apiclient_cert.pem";
            return -1;
        }
    }

    if (conf->tolerance == 0) {
        conf->tolerance = PT_TOLERANCE_MS;
    }

    return 0;
}


static const char *const *
pt_wechat_v3_methods(const void *data)
{
    static const char *const  none[] = { NULL };

    (void) data;

    return none;
}


const pt_gateway_type_t  pt_wechat_v3 = {
    .name = "wechat_v3",
    .settings = pt_wechat_v3_settings,
    .amount_min = 1,
    .amount_max = PT_AMOUNT_MAX,
    .answers = {
        [PT_ANSWER_ACCEPTED] = { 200, "application/json",
            "{\"code\":\"SUCCESS\",\"message\":\"accepted\"}" },
        [PT_ANSWER_REFUSED] = { 401, "application/json",
            "{\"code\":\"FAIL\",\"message\":\"refused\"}" },
        [PT_ANSWER_LATER] = { 503, "application/json",
            "{\"code\":\"FAIL\",\"message\":\"try again later\"}" },
    },
    .create = pt_wechat_v3_create,
    .destroy = pt_wechat_v3_destroy,
    .set = pt_wechat_v3_set,
    .check = pt_wechat_v3_check,
    .verify = pt_wechat_v3_verify,
    .methods = pt_wechat_v3_methods,
};
