/*
 * Adyen as the tests play it: a configuration, and items signed by other means
 * than those that are tested.
 */

#ifndef ADYEN_H
#define ADYEN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "pt_adyen.h"


#define ADYEN_FIELDS  8

/* Adyen's published example has the first. */
#define ADYEN_KEY                                                             \
    "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
#define ADYEN_NEXT                                                            \
    "00ff54d8a9c1e0b3f7d26c5b4a39281706f5e4d3c2b1a09f8e7d6c5b4a392817"
#define ADYEN_OTHER                                                           \
    "11223344556677889900aabbccddeeff11223344556677889900aabbccddeeff"


/* In the order in which Adyen signs them, as texts. */
typedef struct {
    const char   *psp_reference;
    const char   *original_reference;
    const char   *merchant_account;
    const char   *merchant_reference;
    const char   *value;
    const char   *currency;
    const char   *event_code;
    const char   *success;
} adyen_item_t;


#define adyen_check(condition)                                                \
    if (!(condition)) {                                                       \
        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);       \
        abort();                                                              \
    }


static inline const pt_setting_t *
adyen_setting(const char *name)
{
    const pt_setting_t  *setting;

    for (setting = pt_adyen.settings; setting->name; setting++) {
        if (strcmp(setting->name, name) == 0) {
            return setting;
        }
    }

    adyen_check(0);

    return NULL;
}


static inline int
adyen_set(void *conf, const char *name, const char *value, const char **why)
{
    return pt_adyen.set(conf, adyen_setting(name), pt_slice_null,
                        pt_slice(value, strlen(value)), why);
}


static inline void *
adyen_make(const char *mode)
{
    void        *conf;
    const char  *why;

    conf = pt_adyen.create(pt_slice_lit("EUR"), 2);

    adyen_check(conf
                && adyen_set(conf, "merchant_account", "TestMerchant", &why)
                   == 0
                && adyen_set(conf, "hmac_key", ADYEN_KEY "\n", &why) == 0
                && adyen_set(conf, "hmac_key", ADYEN_NEXT, &why) == 0
                && adyen_set(conf, "mode", mode, &why) == 0
                && pt_adyen.check(conf, &why) == 0);

    return conf;
}


/* A payment, as in Adyen's published example. */
static inline adyen_item_t
adyen_paid(void)
{
    static const adyen_item_t  item = {
        "7914073381342284", "", "TestMerchant", "TestPayment-1407325143704",
        "1130", "EUR", "AUTHORISATION", "true"
    };

    return item;
}


/* The signature of any text, in Base64; sign has room for 64 bytes. */
static inline void
adyen_sign_text(const char *hex, const char *text, size_t len, char *sign)
{
    size_t         i;
    unsigned       mac_len, byte;
    unsigned char  key[32], mac[EVP_MAX_MD_SIZE];

    for (i = 0; i < sizeof(key); i++) {
        adyen_check(sscanf(hex + 2 * i, "%2x", &byte) == 1);
        key[i] = byte;
    }

    adyen_check(HMAC(EVP_sha256(), key, sizeof(key),
                     (const unsigned char *) text, len, mac, &mac_len));
    EVP_EncodeBlock((unsigned char *) sign, mac, mac_len);
}


static inline void
adyen_sign(const char *hex, const adyen_item_t *item, char *sign)
{
    int   len;
    char  text[8192];

    len = snprintf(text, sizeof(text), "%s:%s:%s:%s:%s:%s:%s:%s",
                   item->psp_reference, item->original_reference,
                   item->merchant_account, item->merchant_reference,
                   item->value, item->currency, item->event_code,
                   item->success);

    adyen_check(len > 0 && len < (int) sizeof(text));
    adyen_sign_text(hex, text, len, sign);
}


#endif /* ADYEN_H */
