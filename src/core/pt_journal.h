/*
 * Journal operations: what a stream entry carries to PostgreSQL.
 *
 * An entry of {pt:N}:journal has one field per operation: its name is the
 * kind, its value a row:
 *
 *     o   an order's row (pt_order.h)
 *     i   an item's row (pt_item.h); available, held and sold are ignored
 *     s   sale paused version
 *     a   request_id at asked
 *                             an administrator's request that was done, and a
 *                             hash of what it asked for.  Rows of earlier
 *                             versions have no hash.
 *     p   a payment's row (pt_payment.h)
 *     f   pay_no refund_no order_id amount restock status at
 *                             money given back
 *     u   gateway trade_no what kind out_trade_no amount currency reason at
 *                             a genuine callback that fits no payment; what it
 *                             tells: empty (paid), closed or refund:<number>;
 *                             kind is orphan or mismatch.  Rows of earlier
 *                             versions have no what.
 *
 * An operation that cannot be read keeps its kind and row for the dead letter.
 */

#ifndef PT_JOURNAL_H
#define PT_JOURNAL_H

#include "pt_item.h"
#include "pt_order.h"
#include "pt_payment.h"


typedef enum {
    PT_OP_ORDER = 0,
    PT_OP_ITEM,
    PT_OP_SALE,
    PT_OP_ADMIN,
    PT_OP_PAYMENT,
    PT_OP_REFUND,
    PT_OP_ORPHAN,
    PT_OP_CONFLICT,            /* same key and rev as another, other content */
    PT_OP_MALFORMED,
    PT_OP_TYPES
} pt_op_e;


typedef struct {
    pt_slice_t  sale;
    int         paused;
    int64_t     version;
} pt_sale_t;


typedef struct {
    pt_slice_t  request_id;
    int64_t     at;            /* ms since 1970 */
    pt_slice_t  asked;         /* a hash; empty: not known */
} pt_admin_t;


typedef struct {
    pt_slice_t  pay_no;
    pt_slice_t  refund_no;
    pt_slice_t  order_id;
    int64_t     amount;        /* minor units */
    int         restock;       /* the units went back on sale */
    pt_slice_t  status;        /* what the gateway said: succeeded */
    int64_t     at;
} pt_refund_t;


typedef struct {
    pt_slice_t  gateway;
    pt_slice_t  trade_no;
    pt_slice_t  what;          /* empty: a payment; closed, refund:... */
    pt_slice_t  kind;          /* orphan, mismatch */
    pt_slice_t  out_trade_no;  /* as received */
    int64_t     amount;        /* minor units */
    pt_slice_t  currency;
    pt_slice_t  reason;
    int64_t     at;
} pt_orphan_t;


typedef struct {
    pt_op_e     type;
    pt_slice_t  kind;          /* as read */
    pt_slice_t  row;           /* as read */
    pt_slice_t  entry;         /* id of the stream entry */
    size_t      arrival;       /* set by pt_op_fold */
    union {
        pt_order_t  order;
        pt_item_t   item;
        pt_sale_t   sale;
        pt_admin_t  admin;
        pt_payment_t payment;
        pt_refund_t refund;
        pt_orphan_t orphan;
    } u;
} pt_op_t;


/*
 * Reads kind and row into op, whose slices then point into them.  Texts that
 * PostgreSQL cannot store make it PT_OP_MALFORMED.  Never fails.
 */
void pt_op_parse(pt_op_t *op, pt_slice_t kind, pt_slice_t row,
    pt_slice_t entry);

/*
 * Sorts n operations by kind and key and drops those that a newer one of the
 * same key replaces (greater rev, version or at; of equals the first).  Returns
 * how many are left, at the front of ops.  Of two operations of one key and rev
 * with other content the later becomes PT_OP_CONFLICT; refunds and orphans have
 * no rev, and their time may differ.  Conflicts and malformed operations are
 * kept, at the end.
 */
size_t pt_op_fold(pt_op_t *ops, size_t n);


#endif /* PT_JOURNAL_H */
