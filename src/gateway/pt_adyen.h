/*
 * What the files of Adyen share: the configuration, and the functions that the
 * table names.
 */

#ifndef PT_ADYEN_H
#define PT_ADYEN_H

#include "pt_gateway.h"
#include "pt_hook.h"
#include "pt_secret.h"


typedef struct {
    pt_slice_t       currency;         /* the shop's */
    unsigned         decimals;
    char            *merchant_account;
    pt_secrets_t     keys;
    pt_hook_mode_e   mode;
} pt_adyen_t;


pt_verify_e pt_adyen_verify(const void *conf, const pt_callback_t *callback,
    pt_notice_t *notice);


#endif /* PT_ADYEN_H */
