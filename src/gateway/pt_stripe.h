/*
 * What the files of Stripe share: the configuration, and the functions that
 * the table names.
 */

#ifndef PT_STRIPE_H
#define PT_STRIPE_H

#include "pt_gateway.h"
#include "pt_hook.h"
#include "pt_secret.h"


typedef struct {
    pt_slice_t       currency;         /* the shop's */
    unsigned         decimals;
    pt_secrets_t     secrets;
    pt_hook_mode_e   mode;
    char            *account;          /* NULL: events must name none */
    int64_t          tolerance;        /* ms */
} pt_stripe_t;


pt_verify_e pt_stripe_verify(const void *conf, const pt_callback_t *callback,
    pt_notice_t *notice);

/* What a genuine event tells, read from its body. */
pt_verify_e pt_stripe_read(const pt_stripe_t *conf,
    const pt_callback_t *callback, pt_notice_t *notice);


#endif /* PT_STRIPE_H */
