/*
 * What the files of Standard Webhooks share: the configuration, and reading.
 */

#ifndef PT_STANDARD_WEBHOOKS_H
#define PT_STANDARD_WEBHOOKS_H

#include "pt_gateway.h"
#include "pt_hook.h"
#include "pt_secret.h"


#define PT_WEBHOOKS_TYPES_MAX  8


/* In the order of the settings' table. */
typedef enum {
    PT_WEBHOOKS_PAY_NO_FIELD = 0,
    PT_WEBHOOKS_TRADE_NO_FIELD,
    PT_WEBHOOKS_AMOUNT_FIELD,
    PT_WEBHOOKS_CURRENCY_FIELD,
    PT_WEBHOOKS_TYPE_FIELD,
    PT_WEBHOOKS_REFUNDED_FIELD,
    PT_WEBHOOKS_REFUND_NO_FIELD,
    PT_WEBHOOKS_MODE_FIELD,
    PT_WEBHOOKS_FIELDS,
    PT_WEBHOOKS_MODE = PT_WEBHOOKS_FIELDS,
    PT_WEBHOOKS_TEXTS,
    PT_WEBHOOKS_PAID_TYPE = PT_WEBHOOKS_TEXTS,
    PT_WEBHOOKS_REFUNDED_TYPE,
    PT_WEBHOOKS_CLOSED_TYPE,
    PT_WEBHOOKS_AMOUNTS,
    PT_WEBHOOKS_REFUNDS,
    PT_WEBHOOKS_TOLERANCE,
    PT_WEBHOOKS_SECRET
} pt_webhooks_setting_e;


typedef enum {
    PT_WEBHOOKS_AMOUNTS_UNSET = 0,
    PT_WEBHOOKS_MINOR,                 /* 5000: fifty */
    PT_WEBHOOKS_DECIMAL                /* "50.00" */
} pt_webhooks_amounts_e;


typedef enum {
    PT_WEBHOOKS_REFUNDS_UNSET = 0,
    PT_WEBHOOKS_TOTAL,                 /* all that was given back so far */
    PT_WEBHOOKS_SINGLE                 /* what this refund gave back */
} pt_webhooks_refunds_e;


/* A word that a message's type may be. */
typedef struct {
    char                   *word;
    pt_notice_e             kind;
} pt_webhooks_type_t;


typedef struct {
    unsigned                decimals;
    char                   *texts[PT_WEBHOOKS_TEXTS];
    pt_webhooks_type_t      types[3 * PT_WEBHOOKS_TYPES_MAX];
    size_t                  ntypes;
    pt_webhooks_amounts_e   amounts;
    pt_webhooks_refunds_e   refunds;
    int64_t                 tolerance; /* ms */
    pt_secrets_t            secrets;
} pt_webhooks_t;


pt_verify_e pt_webhooks_verify(const void *conf,
    const pt_callback_t *callback, pt_notice_t *notice);

/* What a genuine message with this id tells. */
pt_verify_e pt_webhooks_read(const pt_webhooks_t *conf,
    const pt_callback_t *callback, pt_slice_t id, pt_notice_t *notice);


#endif /* PT_STANDARD_WEBHOOKS_H */
