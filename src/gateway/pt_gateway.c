/*
 * The table of gateways, and the words for what became of a callback.
 */

#include "pt_gateway.h"


static const pt_gateway_type_t  *pt_gateways[] = {
    &pt_alipay,
    &pt_wechat_v3,
    &pt_wechat_v2,
    &pt_stripe,
    &pt_standard_webhooks,
    &pt_adyen,
};


const char  *pt_verify_words[PT_VERIFY_RESULTS] = {
    "ok",
    "bad_type",
    "bad_form",
    "missing",
    "bad_algorithm",
    "unknown_key",
    "bad_signature",
    "stale",
    "bad_ciphertext",
    "ambiguous",
    "wrong_app",
    "wrong_merchant",
    "wrong_seller",
    "wrong_mode",
    "bad_value",
    "no_memory",
};


const pt_gateway_type_t *
pt_gateway_type_at(size_t i)
{
    if (i >= sizeof(pt_gateways) / sizeof(pt_gateways[0])) {
        return NULL;
    }

    return pt_gateways[i];
}


const pt_gateway_type_t *
pt_gateway_type(pt_slice_t name)
{
    size_t                    i;
    const pt_gateway_type_t  *type;

    for (i = 0; (type = pt_gateway_type_at(i)) != NULL; i++) {
        if (pt_slice_eq(pt_slice(type->name, strlen(type->name)), name)) {
            return type;
        }
    }

    return NULL;
}
