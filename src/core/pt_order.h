/*
 * Orders: the request that makes one, its row, and its JSON.
 *
 * A row is how the scripts and the journal speak of an order: fields separated
 * by tabs, in this order:
 *
 *     order_id status rev user sale amount created_at expires_at changed_at
 *     key body lines meta
 *
 * key and body are 16 hexadecimal digits each (or empty); lines are separated
 * by commas, each "sku quantity unit_price"; meta is compact JSON or empty.
 */

#ifndef PT_ORDER_H
#define PT_ORDER_H

#include "pt_json.h"
#include "pt_out.h"
#include "pt_value.h"


#define PT_ORDER_FIELDS     13
#define PT_ORDER_LINES_MAX  50
#define PT_META_MAX         1024


/* held -> paid | cancelled | expired, expired -> paid, paid -> refunded */
typedef enum {
    PT_ORDER_HELD = 0,
    PT_ORDER_PAID,
    PT_ORDER_CANCELLED,
    PT_ORDER_EXPIRED,
    PT_ORDER_REFUNDED,
    PT_ORDER_STATES
} pt_order_status_e;


typedef struct {
    pt_slice_t  sku;
    int64_t     quantity;
    int64_t     unit_price;    /* minor units */
} pt_line_t;


typedef struct {
    pt_slice_t         id;             /* 19 digits */
    pt_order_status_e  status;
    int64_t            rev;            /* one more at each change */
    pt_slice_t         user;
    pt_slice_t         sale;
    int64_t            amount;         /* minor units */
    int64_t            created_at;     /* ms since 1970, Redis' clock */
    int64_t            expires_at;
    int64_t            changed_at;
    pt_slice_t         key;            /* hash of the idempotency key */
    pt_slice_t         body;           /* hash of the canonical body */
    pt_slice_t         lines;          /* as in the row */
    pt_slice_t         meta;
} pt_order_t;


/* What a buyer asks for. */
typedef struct {
    pt_slice_t         sale;           /* empty: whatever the SKU's is */
    pt_line_t          lines[PT_ORDER_LINES_MAX];
    size_t             nlines;
    int64_t            amount;         /* -1: not given */
    pt_slice_t         request_id;     /* empty: not given */
    pt_slice_t         meta;           /* compact JSON; empty: not given */
    cJSON             *json;           /* what the slices point into */
    char              *meta_text;
} pt_hold_t;


/* held, paid, cancelled, expired, refunded */
extern const char  *pt_order_status_words[PT_ORDER_STATES];

int pt_order_status_parse(pt_slice_t word, pt_order_status_e *status);

/* The slices point into the row: 0, or -1 when it is not an order's row. */
int pt_order_parse_row(pt_order_t *order, pt_slice_t row);

/* Takes the next line off *lines: 1, 0 at the end, -1 when malformed. */
int pt_order_next_line(pt_slice_t *lines, pt_line_t *line);

/*
 * {"order_id":…,"status":…,"sale":…,"amount":…,"currency":…,"lines":[…],
 * "created_at":…,"expires_at":…} and "meta" when there is one.
 */
void pt_order_json(pt_out_t *out, const pt_order_t *order,
    pt_slice_t currency, unsigned decimals);

/*
 * Reads a buyer's body: one SKU, or a cart of one sale.  A SKU that stands
 * twice with one price is summed; with two prices it is refused.  Lines end
 * sorted by SKU.  Returns 0, or -1 with a sentence for the buyer in *why;
 * in both cases pt_hold_free must follow.
 */
int pt_hold_parse(pt_hold_t *hold, pt_slice_t body, unsigned decimals,
    const char **why);
void pt_hold_free(pt_hold_t *hold);

/* The lines as in an order's row. */
void pt_hold_lines(pt_out_t *out, const pt_hold_t *hold);

/*
 * The text that two requests share exactly when they ask for the same: sale,
 * sorted lines, amount, meta.  Its hash goes with the idempotency key.
 */
void pt_hold_canonical(pt_out_t *out, const pt_hold_t *hold);


#endif /* PT_ORDER_H */
