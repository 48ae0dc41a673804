/*
 * What the files of WeChat Pay's API v2 share: the configuration, and the
 * functions that the table names.
 */

#ifndef PT_WECHAT_V2_H
#define PT_WECHAT_V2_H

#include "pt_aes.h"
#include "pt_gateway.h"
#include "pt_secret.h"
#include "pt_xml.h"


#define PT_WECHAT_V2_DECIMALS  2
#define PT_WECHAT_V2_KEY_LEN   32

#define PT_MD5_LEN             16


/* In the order of the settings' table. */
typedef enum {
    PT_WECHAT_V2_APP_ID = 0,
    PT_WECHAT_V2_MCH_ID,
    PT_WECHAT_V2_SUB_MCH_ID,
    PT_WECHAT_V2_TEXTS,
    PT_WECHAT_V2_API_KEY = PT_WECHAT_V2_TEXTS,
    PT_WECHAT_V2_SIGN_TYPE
} pt_wechat_v2_setting_e;


typedef enum {
    PT_WECHAT_V2_MD5 = 0,
    PT_WECHAT_V2_HMAC_SHA256,
    PT_WECHAT_V2_ALGORITHMS
} pt_wechat_v2_algorithm_e;


typedef struct {
    unsigned         decimals;         /* of the shop's amounts */
    char            *texts[PT_WECHAT_V2_TEXTS];
    pt_secrets_t     keys;

    /* of each key, what refunds are encrypted with */
    unsigned char    aes_keys[PT_SECRETS_MAX][PT_AES_KEY_LEN];

    unsigned         allowed;          /* bits, by pt_wechat_v2_algorithm_e */
} pt_wechat_v2_t;


/* As sign_type names them. */
extern const pt_slice_t  pt_wechat_v2_names[PT_WECHAT_V2_ALGORITHMS];

/* A text that was set; empty when it was not. */
pt_slice_t pt_wechat_v2_text(const pt_wechat_v2_t *conf,
    pt_wechat_v2_setting_e i);

/* Of all parts, one after another: 0, or -1 when OpenSSL has none. */
int pt_wechat_v2_md5(const pt_slice_t *parts, size_t n,
    unsigned char md5[PT_MD5_LEN]);

/* In hexadecimal, with the digits that are given. */
void pt_wechat_v2_hex(const unsigned char *data, size_t len,
    const char *digits, char *dst);

/* Whether sign, the tag's value, is that of all the others. */
pt_verify_e pt_wechat_v2_verify_sign(const pt_wechat_v2_t *conf,
    const pt_xml_t *xml, pt_slice_t sign, const pt_callback_t *callback);

/* Whether a value could be read as several tags: 1 or 0. */
int pt_wechat_v2_is_ambiguous(const pt_xml_t *xml);

pt_verify_e pt_wechat_v2_verify(const void *conf,
    const pt_callback_t *callback, pt_notice_t *notice);


#endif /* PT_WECHAT_V2_H */
