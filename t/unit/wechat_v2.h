/*
 * WeChat Pay's API v2 as the tests play it: keys, a configuration, and
 * callbacks signed and encrypted by other means than those that are tested.
 */

#ifndef WECHAT_V2_H
#define WECHAT_V2_H

#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "pt_wechat_v2.h"
#include "pt_xml.h"


#define WECHAT_TAGS_MAX  300
#define WECHAT_TEXT_MAX  1048576

/* The key of the documentation's example, and two others. */
#define WECHAT_KEY       "192006250b4c09247ec02edce69f6a2d"
#define WECHAT_NEXT_KEY  "8934e7d15453e97507ef794cf7b0519d"
#define WECHAT_NO_KEY    "00000000000000000000000000000000"

#define WECHAT_APP       "wx2421b1c4370ec43b"
#define WECHAT_MERCHANT  "10000100"


#define wechat_check(condition)                                               \
    if (!(condition)) {                                                       \
        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);       \
        abort();                                                              \
    }


typedef struct {
    const char      *name;
    const char      *value;            /* NULL: taken away */
} wechat_tag_t;


typedef struct {
    wechat_tag_t     tags[WECHAT_TAGS_MAX];
    size_t           n;
} wechat_tags_t;


/* How a value is written. */
typedef enum {
    WECHAT_CDATA = 0,
    WECHAT_ESCAPED,
    WECHAT_REFERENCES,
    WECHAT_STYLES
} wechat_style_e;


static inline const pt_setting_t *
wechat_setting(const char *name)
{
    const pt_setting_t  *setting;

    for (setting = pt_wechat_v2.settings; setting->name; setting++) {
        if (strcmp(setting->name, name) == 0) {
            return setting;
        }
    }

    wechat_check(0);

    return NULL;
}


static inline int
wechat_set(void *conf, const char *name, const char *value, const char **why)
{
    return pt_wechat_v2.set(conf, wechat_setting(name), pt_slice_null,
                            pt_slice(value, strlen(value)), why);
}


/* Without sign_type: that is, both. */
static inline void *
wechat_conf(void)
{
    void        *conf;
    const char  *why;

    conf = pt_wechat_v2.create(pt_slice_lit("CNY"), 2);

    wechat_check(conf != NULL);
    wechat_check(wechat_set(conf, "app_id", WECHAT_APP, &why) == 0);
    wechat_check(wechat_set(conf, "mch_id", WECHAT_MERCHANT, &why) == 0);
    wechat_check(wechat_set(conf, "api_key", WECHAT_KEY, &why) == 0);
    wechat_check(wechat_set(conf, "api_key", WECHAT_NEXT_KEY "\n", &why) == 0);

    return conf;
}


/* All settings are there: 0. */
static inline int
wechat_complete(void *conf)
{
    const char  *why;

    return pt_wechat_v2.check(conf, &why);
}


/* Sets a tag, adds it, or (with NULL) takes it away. */
static inline void
wechat_put(wechat_tags_t *tags, const char *name, const char *value)
{
    size_t  i;

    for (i = 0; i < tags->n; i++) {
        if (strcmp(tags->tags[i].name, name) == 0) {
            break;
        }
    }

    if (value == NULL) {
        if (i < tags->n) {
            tags->tags[i] = tags->tags[--tags->n];
        }

        return;
    }

    wechat_check(i < WECHAT_TAGS_MAX);

    tags->tags[i].name = name;
    tags->tags[i].value = value;
    tags->n += i == tags->n;
}


/* A payment of 5000.00, not signed yet. */
static inline void
wechat_payment(wechat_tags_t *tags)
{
    size_t  i;

    static const wechat_tag_t  list[] = {
        { "appid", WECHAT_APP },
        { "attach", "\xe6\x94\xaf\xe4\xbb\x98<a>&\"b\" ]]> c" },
        { "bank_type", "CFT" },
        { "cash_fee", "499900" },
        { "coupon_count", "1" },
        { "coupon_fee", "100" },
        { "coupon_fee_0", "100" },
        { "coupon_id_0", "10000" },
        { "fee_type", "CNY" },
        { "is_subscribe", "Y" },
        { "mch_id", WECHAT_MERCHANT },
        { "nonce_str", "5d2b6c2a8db53831f7eda20af46e531c" },
        { "openid", "oUpF8uMEb4qRXf22hE3X68TekukE" },
        { "out_trade_no", "t1763712000123000002" },
        { "result_code", "SUCCESS" },
        { "return_code", "SUCCESS" },
        { "time_end", "20261121160000" },
        { "total_fee", "500000" },
        { "trade_type", "JSAPI" },
        { "transaction_id", "4200000215202611210261405420" },
    };

    tags->n = 0;

    for (i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        tags->tags[tags->n++] = list[i];
    }
}


/* What is encrypted of a refund of 39.60. */
static inline void
wechat_refund(wechat_tags_t *tags)
{
    size_t  i;

    static const wechat_tag_t  list[] = {
        { "out_refund_no", "131811191610442717309" },
        { "out_trade_no", "t1763712000123000002" },
        { "refund_account", "REFUND_SOURCE_RECHARGE_FUNDS" },
        { "refund_fee", "3960" },
        { "refund_id", "50000408942026112107145868882" },
        { "refund_recv_accout",
          "\xe6\x94\xaf\xe4\xbb\x98\xe7\x94\xa8\xe6\x88\xb7" },
        { "refund_request_source", "API" },
        { "refund_status", "SUCCESS" },
        { "settlement_refund_fee", "3960" },
        { "settlement_total_fee", "500000" },
        { "success_time", "2026-11-21 17:00:00" },
        { "total_fee", "500000" },
        { "transaction_id", "4200000215202611210261405420" },
    };

    tags->n = 0;

    for (i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        tags->tags[tags->n++] = list[i];
    }
}


static inline int
wechat_by_name(const void *a, const void *b)
{
    return strcmp(((const wechat_tag_t *) a)->name,
                  ((const wechat_tag_t *) b)->name);
}


/* What WeChat signs, with the key. */
static inline void
wechat_signed(const wechat_tags_t *tags, const char *key, char *text)
{
    size_t         i;
    const char    *join;
    wechat_tags_t  sorted;

    join = "";
    sorted = *tags;
    qsort(sorted.tags, sorted.n, sizeof(wechat_tag_t), wechat_by_name);

    for (i = 0; i < sorted.n; i++) {
        if (strcmp(sorted.tags[i].name, "sign") != 0
            && sorted.tags[i].value[0])
        {
            text += sprintf(text, "%s%s=%s", join, sorted.tags[i].name,
                            sorted.tags[i].value);
            join = "&";
        }
    }

    sprintf(text, "&key=%s", key);
}


static inline void
wechat_sign(const char *text, const char *key,
    pt_wechat_v2_algorithm_e algorithm, char *sign)
{
    unsigned       i, len;
    unsigned char  data[EVP_MAX_MD_SIZE];

    if (algorithm == PT_WECHAT_V2_MD5) {
        wechat_check(EVP_Digest(text, strlen(text), data, &len, EVP_md5(),
                                NULL) == 1);

    } else {
        wechat_check(HMAC(EVP_sha256(), key, strlen(key),
                          (const unsigned char *) text, strlen(text), data,
                          &len) != NULL);
    }

    for (i = 0; i < len; i++) {
        sprintf(sign + 2 * i, "%02X", data[i]);
    }
}


/* "]]>" ends a section, so it is cut into two. */
static inline char *
wechat_write(char *p, const char *value, wechat_style_e style)
{
    if (style == WECHAT_CDATA) {
        p += sprintf(p, "<![CDATA[");
    }

    for ( ; *value; value++) {
        if (style == WECHAT_CDATA) {
            if (strncmp(value, "]]>", 3) == 0) {
                p += sprintf(p, "]]]]><![CDATA[>");
                value += 2;

            } else {
                *p++ = *value;
            }

        } else if ((style == WECHAT_REFERENCES && *value > 0)
                   || strchr("&<>\"'\r", *value))
        {
            p += sprintf(p, style == WECHAT_REFERENCES ? "&#x%X;" : "&#%u;",
                         *value);

        } else {
            *p++ = *value;
        }
    }

    return style == WECHAT_CDATA ? p + sprintf(p, "]]>") : p;
}


static inline size_t
wechat_body(const wechat_tags_t *tags, const char *root, wechat_style_e style,
    char *body)
{
    char    *p;
    size_t   i;

    p = body + sprintf(body, "<%s>\n", root);

    for (i = 0; i < tags->n; i++) {
        p += sprintf(p, "  <%s>", tags->tags[i].name);
        p = wechat_write(p, tags->tags[i].value, style);
        p += sprintf(p, "</%s>\n", tags->tags[i].name);
    }

    p += sprintf(p, "</%s>\n", root);

    return p - body;
}


/* The hash of the key, and with it AES-256-ECB, in Base64. */
static inline void
wechat_encrypt(const char *data, size_t size, const char *key, char *text)
{
    int              i, len, rest;
    char             hex[33];
    unsigned         n;
    unsigned char    md5[EVP_MAX_MD_SIZE], *out;
    EVP_CIPHER_CTX  *ctx;

    out = malloc(size + 32);
    ctx = EVP_CIPHER_CTX_new();

    wechat_check(out != NULL && ctx != NULL);
    wechat_check(EVP_Digest(key, strlen(key), md5, &n, EVP_md5(), NULL) == 1);

    for (i = 0; i < 16; i++) {
        sprintf(hex + 2 * i, "%02x", md5[i]);
    }

    wechat_check(EVP_EncryptInit_ex(ctx, EVP_aes_256_ecb(), NULL,
                                    (unsigned char *) hex, NULL) == 1);
    wechat_check(EVP_EncryptUpdate(ctx, out, &len,
                                   (const unsigned char *) data, size) == 1);
    wechat_check(EVP_EncryptFinal_ex(ctx, out + len, &rest) == 1);
    wechat_check(EVP_EncodeBlock((unsigned char *) text, out, len + rest) > 0);

    EVP_CIPHER_CTX_free(ctx);
    free(out);
}


/* What a notice of a refund has around what is encrypted. */
static inline void
wechat_envelope(wechat_tags_t *tags, const char *info)
{
    tags->n = 0;
    wechat_put(tags, "return_code", "SUCCESS");
    wechat_put(tags, "appid", WECHAT_APP);
    wechat_put(tags, "mch_id", WECHAT_MERCHANT);
    wechat_put(tags, "nonce_str", "TeqClE3i0mvn3DrK");
    wechat_put(tags, "req_info", info);
}


#endif /* WECHAT_V2_H */
