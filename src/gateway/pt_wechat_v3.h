/*
 * What the files of WeChat Pay v3 share: the configuration, and the functions
 * that the table names.
 */

#ifndef PT_WECHAT_V3_H
#define PT_WECHAT_V3_H

#include "pt_gateway.h"
#include "pt_rsa.h"
#include "pt_secret.h"


#define PT_WECHAT_V3_KEYS_MAX  16


/* In the order of the settings' table. */
typedef enum {
    PT_WECHAT_V3_APP_ID = 0,
    PT_WECHAT_V3_MCH_ID,
    PT_WECHAT_V3_TEXTS,
    PT_WECHAT_V3_API_KEY = PT_WECHAT_V3_TEXTS,
    PT_WECHAT_V3_CERTIFICATE,
    PT_WECHAT_V3_PUBLIC_KEY,
    PT_WECHAT_V3_TOLERANCE
} pt_wechat_v3_setting_e;


/* WeChat's, of a certificate (its serial number is the id) or by itself. */
typedef struct {
    char         id[PT_NAME_MAX + 1];
    char         name[PT_RSA_NAME_MAX + 1];    /* of a certificate's subject */
    unsigned     certificate:1;
    pt_rsa_t    *key;
} pt_wechat_v3_key_t;


typedef struct {
    pt_slice_t           currency;     /* the shop's */
    unsigned             decimals;
    int64_t              tolerance;    /* ms */
    char                *texts[PT_WECHAT_V3_TEXTS];
    pt_secrets_t         secrets;      /* each has PT_AES_KEY_LEN bytes */
    pt_wechat_v3_key_t   keys[PT_WECHAT_V3_KEYS_MAX];
    size_t               nkeys;
} pt_wechat_v3_t;


/*
 * The key that Wechatpay-Serial names, or NULL.  Programs differ in how many
 * zeros they write in front of a serial number: they do not count.
 */
const pt_wechat_v3_key_t *pt_wechat_v3_key(const pt_wechat_v3_t *conf,
    pt_slice_t id);

pt_verify_e pt_wechat_v3_verify(const void *conf,
    const pt_callback_t *callback, pt_notice_t *notice);


#endif /* PT_WECHAT_V3_H */
