/*
 * Items: a SKU that is on sale, as a row, as JSON, and as an operator's PUT.
 *
 * A row is how the scripts, the journal and PostgreSQL's rebuild speak of an
 * item: fields separated by tabs, in this order:
 *
 *     sku sale title price stock available held sold limit starts_at ends_at
 *     hold_ms version paused
 *
 * Prices in minor units, times in milliseconds since 1970, paused 0 or 1
 * (a setting of the sale, shown with each of its items).
 */

#ifndef PT_ITEM_H
#define PT_ITEM_H

#include "pt_json.h"
#include "pt_out.h"
#include "pt_value.h"


#define PT_ITEM_FIELDS  14


typedef struct {
    pt_slice_t  sku;
    pt_slice_t  sale;
    pt_slice_t  title;
    int64_t     price;         /* minor units */
    int64_t     stock;         /* units put on sale, all in all */
    int64_t     available;
    int64_t     held;
    int64_t     sold;
    int64_t     limit;         /* units per user; 0: no limit */
    int64_t     starts_at;     /* ms since 1970 */
    int64_t     ends_at;
    int64_t     hold_ms;
    int64_t     version;
    int         paused;
} pt_item_t;


/* The slices point into the row: 0, or -1 when it is not an item's row. */
int pt_item_parse_row(pt_item_t *item, pt_slice_t row);

/*
 * Reads an operator's body; sku is from the path.  What is not given: title
 * is the SKU, limit 0, starts_at 0, ends_at PT_TIME_MAX_MS, hold_time
 * default_hold_ms.  sale, price and stock must be given.  The slices point
 * into json.  Returns 0, or -1 with a sentence for the operator in *why.
 */
int pt_item_parse_json(pt_item_t *item, pt_slice_t sku, const cJSON *json,
    unsigned decimals, int64_t default_hold_ms, const char **why);

/*
 * {"sku":…,"sale":…,"title":…,"price":"5000.00","currency":…,"available":…,
 * "limit":…,"starts_at":…,"ends_at":…,"hold_time":"900s","paused":false},
 * for an operator with stock, held, sold and version as well.
 */
void pt_item_json(pt_out_t *out, const pt_item_t *item, pt_slice_t currency,
    unsigned decimals, int for_operator);


#endif /* PT_ITEM_H */
