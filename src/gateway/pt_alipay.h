/*
 * What the files of Alipay share: the configuration, and the functions that
 * the table names.
 */

#ifndef PT_ALIPAY_H
#define PT_ALIPAY_H

#include "pt_form.h"
#include "pt_gateway.h"
#include "pt_rsa.h"


#define PT_ALIPAY_DECIMALS   2
#define PT_ALIPAY_KEYS_MAX   8

/* A certificate's number, and those of at most 8 roots, with "_" between. */
#define PT_ALIPAY_SN_LEN     32
#define PT_ALIPAY_ROOTS_LEN  (8 * (PT_ALIPAY_SN_LEN + 1) - 1)


/* In the order of the settings' table. */
typedef enum {
    PT_ALIPAY_APP_ID = 0,
    PT_ALIPAY_SELLER_ID,
    PT_ALIPAY_NOTIFY_URL,
    PT_ALIPAY_RETURN_URL,
    PT_ALIPAY_GATEWAY_URL,
    PT_ALIPAY_QUIT_URL,
    PT_ALIPAY_SIGNING,
    PT_ALIPAY_TEXTS,
    PT_ALIPAY_PRIVATE_KEY = PT_ALIPAY_TEXTS,
    PT_ALIPAY_PUBLIC_KEY,
    PT_ALIPAY_APP_CERTIFICATE,
    PT_ALIPAY_ALIPAY_CERTIFICATE,
    PT_ALIPAY_ROOT_CERTIFICATE
} pt_alipay_setting_e;


typedef struct {
    pt_slice_t   currency;             /* the shop's */
    unsigned     decimals;
    char        *texts[PT_ALIPAY_TEXTS];
    pt_rsa_t    *private_key;          /* the application's */
    pt_rsa_t    *app_key;              /* of its certificate */
    pt_rsa_t    *public_keys[PT_ALIPAY_KEYS_MAX];   /* Alipay's */
    size_t       nkeys;
    size_t       ncertificates;        /* where so many of them are from */
    char         app_sn[PT_ALIPAY_SN_LEN + 1];
    char         root_sn[PT_ALIPAY_ROOTS_LEN + 1];
} pt_alipay_t;


/* A text that was set; empty when it was not. */
pt_slice_t pt_alipay_text(const pt_alipay_t *conf, pt_alipay_setting_e i);

/*
 * The key of the first certificate in a file, which pt_rsa_free frees, and the
 * certificate's number; NULL with a sentence in *why as pt_rsa.h's.
 */
pt_rsa_t *pt_alipay_certificate(pt_slice_t file, char sn[PT_ALIPAY_SN_LEN],
    const char **why);

/* The numbers of the root certificates, ended by a zero byte: 0, or -1. */
int pt_alipay_roots(pt_slice_t file, char sns[PT_ALIPAY_ROOTS_LEN + 1],
    const char **why);

pt_verify_e pt_alipay_verify(const void *conf, const pt_callback_t *callback,
    pt_notice_t *notice);

int pt_alipay_link_text(const void *conf, const pt_link_t *link,
    pt_out_t *text);
int pt_alipay_sign(const void *conf, pt_slice_t text,
    pt_signature_t *signature);
int pt_alipay_link(const void *conf, const pt_link_t *link,
    const pt_signature_t *signature, pt_out_t *url);


#endif /* PT_ALIPAY_H */
