/*
 * Payments: the request that starts one, its row, and its JSON.
 *
 * A row is how the scripts and the journal speak of a payment: fields
 * separated by tabs, in this order:
 *
 *     pay_no status rev user sale gateway method trade_no amount created_at
 *     ends_at paid_at changed_at key body subject parts
 *
 * trade_no is empty and paid_at 0 until the payment is paid; sale is that of
 * its first order; key and body are 16 hexadecimal digits each (or empty).
 * parts are separated by commas, each "order_id amount outcome reason
 * refunded", where outcome and reason may be "-".
 */

#ifndef PT_PAYMENT_H
#define PT_PAYMENT_H

#include "pt_json.h"
#include "pt_out.h"
#include "pt_value.h"


#define PT_PAYMENT_FIELDS      17
#define PT_PAYMENT_ORDERS_MAX  50
#define PT_GATEWAY_NAME_MAX    32
#define PT_METHOD_MAX          32
#define PT_TRADE_NO_MAX        64
#define PT_REFUND_NO_MAX       64
#define PT_SUBJECT_MAX         256

/* A prefix and a pay_no: what gateways call out_trade_no. */
#define PT_PREFIX_MAX          12

/*
 * The method of a payment that the shop starts by itself at the gateway, which
 * is told its out_trade_no.
 */
#define PT_METHOD_EXTERNAL     "external"


/* unpaid -> paid | closed, closed -> paid */
typedef enum {
    PT_PAYMENT_UNPAID = 0,
    PT_PAYMENT_PAID,
    PT_PAYMENT_CLOSED,
    PT_PAYMENT_STATES
} pt_payment_status_e;


typedef enum {
    PT_OUTCOME_NONE = 0,               /* not paid yet */
    PT_OUTCOME_APPLIED,
    PT_OUTCOME_REFUND_DUE,             /* this money is owed back */
    PT_OUTCOMES
} pt_outcome_e;


/* What became of the part of a payment that is for one order. */
typedef struct {
    pt_slice_t           order_id;     /* 19 digits */
    int64_t              amount;       /* minor units */
    pt_outcome_e         outcome;
    pt_slice_t           reason;       /* empty: none */
    int64_t              refunded;     /* minor units, 0 to amount */
} pt_part_t;


typedef struct {
    pt_slice_t           pay_no;       /* 19 digits */
    pt_payment_status_e  status;
    int64_t              rev;          /* one more at each change */
    pt_slice_t           user;
    pt_slice_t           sale;
    pt_slice_t           gateway;
    pt_slice_t           method;
    pt_slice_t           trade_no;     /* the gateway's; empty: none yet */
    int64_t              amount;       /* minor units, sum of the parts */
    int64_t              created_at;   /* ms since 1970, Redis' clock */
    int64_t              ends_at;      /* when the gateway stops taking it */
    int64_t              paid_at;      /* 0: not paid */
    int64_t              changed_at;
    pt_slice_t           key;          /* hash of the idempotency key */
    pt_slice_t           body;         /* hash of the canonical body */
    pt_slice_t           subject;      /* what the payer reads */
    pt_slice_t           parts;        /* as in the row */
} pt_payment_t;


/* What a buyer asks for. */
typedef struct {
    pt_slice_t           order_ids[PT_PAYMENT_ORDERS_MAX];   /* ascending */
    size_t               norders;
    pt_slice_t           gateway;
    pt_slice_t           method;       /* empty: not given */
    pt_slice_t           request_id;   /* empty: not given */
    cJSON               *json;         /* what the slices point into */
} pt_pay_t;


/* unpaid, paid, closed; "", applied, refund_due */
extern const char  *pt_payment_status_words[PT_PAYMENT_STATES];
extern const char  *pt_outcome_words[PT_OUTCOMES];

/* The slices point into the row: 0, or -1 when it is not a payment's row. */
int pt_payment_parse_row(pt_payment_t *payment, pt_slice_t row);

/* Takes the next part off *parts: 1, 0 at the end, -1 when malformed. */
int pt_payment_next_part(pt_slice_t *parts, pt_part_t *part);

/*
 * {"pay_no":…,"out_trade_no":…,"status":…,"gateway":…,"method":…,"amount":…,
 * "currency":…,"orders":[{"order_id":…,"amount":…}],"created_at":…,
 * "expires_at":…}; of a paid one also "trade_no", "paid_at" and for each order
 * "outcome", "reason" (when there is one) and "refunded"; and "pay_url" unless
 * it is empty.
 */
void pt_payment_json(pt_out_t *out, const pt_payment_t *payment,
    pt_slice_t prefix, pt_slice_t currency, unsigned decimals,
    pt_slice_t pay_url);

/*
 * Reads a buyer's body: {"order_ids":["…"],"gateway":"…","method":"…",
 * "request_id":"…"}; the ids are digits, of any number, and end sorted; a
 * doubled one is refused.  Returns 0, or -1 with a sentence for the buyer in
 * *why; in both cases pt_pay_free must follow.
 */
int pt_pay_parse(pt_pay_t *pay, pt_slice_t body, const char **why);
void pt_pay_free(pt_pay_t *pay);

/* The text that two requests share exactly when they ask for the same. */
void pt_pay_canonical(pt_out_t *out, const pt_pay_t *pay);


#endif /* PT_PAYMENT_H */
