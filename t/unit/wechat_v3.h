/*
 * WeChat Pay v3 as the tests play it: keys, a configuration, and callbacks
 * sealed and signed by other means than those that are tested.
 */

#ifndef WECHAT_V3_H
#define WECHAT_V3_H

#include <string.h>

#include "certificate.h"
#include "pt_wechat_v3.h"


#define WECHAT_V3_MEMBERS_MAX  40
#define WECHAT_V3_TEXT_MAX     262144

#define WECHAT_V3_NOW          INT64_C(1795248005000)
#define WECHAT_V3_TIME         "1795248001"
#define WECHAT_V3_NONCE        "EcZ9Cmy4Xyx1i6RlJQzLcCyEqDa26NBz"
#define WECHAT_V3_ALGORITHM    "WECHATPAY2-SHA256-RSA2048"

#define WECHAT_V3_SERIAL       "0A3F4D97E2C6B15880D29C47AA5E6B1F2C3D4E5F"
#define WECHAT_V3_OLD_SERIAL   "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"
#define WECHAT_V3_KEY_ID       "PUB_KEY_ID_0119000001092026112100451900000200"

#define WECHAT_V3_SECRET       "0123456789abcdefghijABCDEFGHIJ!?"
#define WECHAT_V3_OLD_SECRET   "zyxwvutsrqponmlkjihgfedcba987654"


typedef struct {
    const char      *name;             /* NULL: taken away */
    const char      *value;            /* JSON */
} wechat_v3_member_t;


typedef struct {
    wechat_v3_member_t  members[WECHAT_V3_MEMBERS_MAX];
    size_t              n;
} wechat_v3_object_t;


/* A callback; what is NULL is not there. */
typedef struct {
    const char          *type;
    const char          *encoding;
    const char          *time;
    const char          *nonce;
    const char          *serial;
    const char          *algorithm;
    const char          *sign;
    EVP_PKEY            *key;

    const char          *secret;       /* seals with these */
    const char          *seal_nonce;
    const char          *aad;

    wechat_v3_object_t   event;
    wechat_v3_object_t   resource;
    wechat_v3_object_t   plain;
} wechat_v3_callback_t;


typedef struct {
    EVP_PKEY            *platform;
    EVP_PKEY            *old;
    EVP_PKEY            *public;
    EVP_PKEY            *other;        /* nobody's */
    void                *conf;
} wechat_v3_world_t;


static inline int
wechat_v3_set(void *conf, const char *name, pt_slice_t id, pt_slice_t value,
    const char **why)
{
    const pt_setting_t  *setting;

    for (setting = pt_wechat_v3.settings; setting->name; setting++) {
        if (strcmp(setting->name, name) == 0) {
            return pt_wechat_v3.set(conf, setting, id, value, why);
        }
    }

    keys_check(0);

    return -1;
}


static inline int
wechat_v3_text(void *conf, const char *name, const char *value,
    const char **why)
{
    return wechat_v3_set(conf, name, pt_slice_null,
                         pt_slice(value, strlen(value)), why);
}


static inline int
wechat_v3_certificate(void *conf, EVP_PKEY *key, const char *serial,
    const char *subject, const char **why)
{
    keys_file_t  file;

    certificate_file(&file, key, serial, subject);

    return wechat_v3_set(conf, "platform_certificate", pt_slice_null,
                         keys_slice(&file), why);
}


static inline int
wechat_v3_public_key(void *conf, const char *id, EVP_PKEY *key,
    keys_form_e form, const char **why)
{
    keys_file_t  file;

    keys_file(&file, key, form);

    return wechat_v3_set(conf, "public_key", pt_slice(id, strlen(id)),
                         keys_slice(&file), why);
}


static inline void
wechat_v3_begin(wechat_v3_world_t *world)
{
    void        *conf;
    const char  *why;

    world->platform = keys_make(EVP_PKEY_RSA, 2048);
    world->old = keys_make(EVP_PKEY_RSA, 2048);
    world->public = keys_make(EVP_PKEY_RSA, 2048);
    world->other = keys_make(EVP_PKEY_RSA, 2048);

    conf = pt_wechat_v3.create(pt_slice_lit("CNY"), 2);
    keys_check(conf != NULL);

    keys_check(wechat_v3_text(conf, "app_id", "wxd678efh567hg6787", &why) == 0);
    keys_check(wechat_v3_text(conf, "mch_id", "1900000109", &why) == 0);
    keys_check(wechat_v3_text(conf, "api_v3_key", WECHAT_V3_SECRET "\n", &why)
               == 0);
    keys_check(wechat_v3_text(conf, "api_v3_key", WECHAT_V3_OLD_SECRET, &why)
               == 0);
    keys_check(wechat_v3_certificate(conf, world->old, WECHAT_V3_OLD_SERIAL,
                                     "Tenpay.com sign", &why) == 0);
    keys_check(wechat_v3_certificate(conf, world->platform, WECHAT_V3_SERIAL,
                                     "Tenpay.com sign", &why) == 0);
    keys_check(wechat_v3_public_key(conf, WECHAT_V3_KEY_ID, world->public,
                                    KEYS_SPKI, &why) == 0);
    keys_check(pt_wechat_v3.check(conf, &why) == 0);

    world->conf = conf;
}


static inline void
wechat_v3_end(wechat_v3_world_t *world)
{
    EVP_PKEY_free(world->platform);
    EVP_PKEY_free(world->old);
    EVP_PKEY_free(world->public);
    EVP_PKEY_free(world->other);
    pt_wechat_v3.destroy(world->conf);
}


/* Sets a member, adds it, or (with NULL) takes it away. */
static inline void
wechat_v3_put(wechat_v3_object_t *object, const char *name, const char *value)
{
    size_t  i;

    for (i = 0; i < object->n; i++) {
        if (strcmp(object->members[i].name, name) == 0) {
            break;
        }
    }

    if (value == NULL) {
        if (i < object->n) {
            object->members[i] = object->members[--object->n];
        }

        return;
    }

    keys_check(i < WECHAT_V3_MEMBERS_MAX);

    object->members[i].name = name;
    object->members[i].value = value;
    object->n += i == object->n;
}


static inline size_t
wechat_v3_write(const wechat_v3_object_t *object, char *text)
{
    char    *p;
    size_t   i;

    p = text;
    *p++ = '{';

    for (i = 0; i < object->n; i++) {
        p += sprintf(p, "%s\"%s\":%s", i ? "," : "", object->members[i].name,
                     object->members[i].value);
    }

    *p++ = '}';
    *p = '\0';

    return p - text;
}


#define wechat_v3_fill(object, ...)                                           \
    do {                                                                      \
        static const wechat_v3_member_t  list[] = { __VA_ARGS__ };            \
                                                                              \
        memcpy((object)->members, list, sizeof(list));                        \
        (object)->n = sizeof(list) / sizeof(list[0]);                         \
    } while (0)


/* A payment of 5000.00, as WeChat tells of it. */
static inline void
wechat_v3_payment(wechat_v3_callback_t *c, EVP_PKEY *key)
{
    memset(c, 0, sizeof(wechat_v3_callback_t));

    c->type = "application/json";
    c->time = WECHAT_V3_TIME;
    c->nonce = WECHAT_V3_NONCE;
    c->serial = WECHAT_V3_SERIAL;
    c->algorithm = WECHAT_V3_ALGORITHM;
    c->key = key;
    c->secret = WECHAT_V3_SECRET;
    c->seal_nonce = "fdasflkja484";
    c->aad = "transaction";

    wechat_v3_fill(&c->event,
        { "id", "\"EV-2026112116000100001\"" },
        { "create_time", "\"2026-11-21T16:00:01+08:00\"" },
        { "resource_type", "\"encrypt-resource\"" },
        { "event_type", "\"TRANSACTION.SUCCESS\"" },
        { "summary", "\"\xe6\x94\xaf\xe4\xbb\x98\xe6\x88\x90\xe5\x8a\x9f\"" });
    wechat_v3_fill(&c->resource,
        { "original_type", "\"transaction\"" },
        { "algorithm", "\"AEAD_AES_256_GCM\"" },
        { "associated_data", "\"transaction\"" },
        { "nonce", "\"fdasflkja484\"" });
    wechat_v3_fill(&c->plain,
        { "mchid", "\"1900000109\"" },
        { "appid", "\"wxd678efh567hg6787\"" },
        { "out_trade_no", "\"t1763712000123000002\"" },
        { "transaction_id", "\"4200002026112112345678901234\"" },
        { "trade_type", "\"NATIVE\"" },
        { "trade_state", "\"SUCCESS\"" },
        { "bank_type", "\"OTHERS\"" },
        { "attach", "\"\"" },
        { "success_time", "\"2026-11-21T16:00:00+08:00\"" },
        { "payer", "{\"openid\":\"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o\"}" },
        { "amount", "{\"total\":500000,\"payer_total\":499000,"
                    "\"currency\":\"CNY\",\"payer_currency\":\"CNY\"}" });
}


/* 1000.50 of it are given back. */
static inline void
wechat_v3_refund(wechat_v3_callback_t *c, EVP_PKEY *key)
{
    wechat_v3_payment(c, key);

    c->aad = "refund";
    wechat_v3_put(&c->event, "id", "\"EV-2026112117000100002\"");
    wechat_v3_put(&c->event, "event_type", "\"REFUND.SUCCESS\"");
    wechat_v3_put(&c->resource, "original_type", "\"refund\"");
    wechat_v3_put(&c->resource, "associated_data", "\"refund\"");
    wechat_v3_fill(&c->plain,
        { "mchid", "\"1900000109\"" },
        { "out_trade_no", "\"t1763712000123000002\"" },
        { "transaction_id", "\"4200002026112112345678901234\"" },
        { "refund_id", "\"50200207182018070300011301001\"" },
        { "out_refund_no", "\"r-1\"" },
        { "refund_status", "\"SUCCESS\"" },
        { "success_time", "\"2026-11-21T17:00:00+08:00\"" },
        { "user_received_account", "\"BANK0403\"" },
        { "amount", "{\"total\":500000,\"refund\":100050,"
                    "\"payer_total\":499000,\"payer_refund\":100000}" });
}


/* The text and its tag, in Base64. */
static inline void
wechat_v3_seal(const char *secret, const char *nonce, const char *aad,
    const char *text, size_t len, char *base64)
{
    int              n, end;
    EVP_CIPHER_CTX  *ctx;
    unsigned char   *sealed;

    ctx = EVP_CIPHER_CTX_new();
    sealed = malloc(len + 32);

    keys_check(ctx && sealed);
    keys_check(EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, NULL, NULL)
               == 1);
    keys_check(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_IVLEN, strlen(nonce),
                                   NULL) == 1);
    keys_check(EVP_EncryptInit_ex(ctx, NULL, NULL,
                                  (const unsigned char *) secret,
                                  (const unsigned char *) nonce) == 1);
    keys_check(aad[0] == '\0'
               || EVP_EncryptUpdate(ctx, NULL, &n, (const unsigned char *) aad,
                                    strlen(aad)) == 1);

    n = 0;
    keys_check(len == 0
               || EVP_EncryptUpdate(ctx, sealed, &n,
                                    (const unsigned char *) text, len) == 1);
    keys_check(EVP_EncryptFinal_ex(ctx, sealed + n, &end) == 1);
    keys_check(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, 16, sealed + n)
               == 1);

    (void) EVP_EncodeBlock((unsigned char *) base64, sealed, n + 16);

    EVP_CIPHER_CTX_free(ctx);
    free(sealed);
}


/* The body, with this text sealed in it; other members are as they are. */
static inline size_t
wechat_v3_body(const wechat_v3_callback_t *c, const char *text, size_t len,
    char *body)
{
    wechat_v3_object_t  event, resource;

    static char  sealed[WECHAT_V3_TEXT_MAX + 8];
    static char  inner[WECHAT_V3_TEXT_MAX + 4096];

    event = c->event;
    resource = c->resource;

    sealed[0] = '"';
    wechat_v3_seal(c->secret, c->seal_nonce, c->aad, text, len, sealed + 1);
    strcat(sealed, "\"");

    wechat_v3_put(&resource, "ciphertext", sealed);
    (void) wechat_v3_write(&resource, inner);
    wechat_v3_put(&event, "resource", inner);

    return wechat_v3_write(&event, body);
}


/* The signature in Base64, of what the headers say and a body. */
static inline void
wechat_v3_sign(const wechat_v3_callback_t *c, const EVP_MD *md,
    const char *body, size_t len, char *sign)
{
    size_t          n;
    EVP_MD_CTX     *ctx;
    unsigned char   data[1024];

    n = sizeof(data);
    ctx = EVP_MD_CTX_new();

    keys_check(EVP_DigestSignInit(ctx, NULL, md, NULL, c->key) == 1);

#define sign_text(text, length)                                               \
    keys_check(EVP_DigestSignUpdate(ctx, text, length) == 1)

    sign_text(c->time, strlen(c->time));
    sign_text("\n", 1);
    sign_text(c->nonce, strlen(c->nonce));
    sign_text("\n", 1);
    sign_text(body, len);
    sign_text("\n", 1);

    keys_check(EVP_DigestSignFinal(ctx, data, &n) == 1);
    keys_check(EVP_EncodeBlock((unsigned char *) sign, data, n) > 0);

    EVP_MD_CTX_free(ctx);
}


/* pt_callback_t's, with a wechat_v3_callback_t. */
static inline pt_slice_t
wechat_v3_header(void *ctx, const char *name)
{
    const wechat_v3_callback_t *c = ctx;

    const char  *value;

    value = strcmp(name, "Content-Type") == 0 ? c->type
            : strcmp(name, "Content-Encoding") == 0 ? c->encoding
            : strcmp(name, "Wechatpay-Timestamp") == 0 ? c->time
            : strcmp(name, "Wechatpay-Nonce") == 0 ? c->nonce
            : strcmp(name, "Wechatpay-Serial") == 0 ? c->serial
            : strcmp(name, "Wechatpay-Signature-Type") == 0 ? c->algorithm
            : strcmp(name, "Wechatpay-Signature") == 0 ? c->sign
            : NULL;

    return value ? pt_slice(value, strlen(value)) : pt_slice_null;
}


#endif /* WECHAT_V3_H */
