/*
 * Journal operations: reading them, and folding many into the newest of each.
 */

#include <stdlib.h>

#include "pt_journal.h"


#define PT_OP_DROPPED  SIZE_MAX


static int
pt_op_parse_sale(pt_sale_t *sale, pt_slice_t row)
{
    int64_t     paused;
    pt_slice_t  f[3];

    if (pt_slice_split(row, '\t', f, 3) != 3
        || !pt_name_valid(f[0])
        || pt_slice_uint(f[1], 1, &paused) != 0
        || pt_slice_uint(f[2], INT64_MAX, &sale->version) != 0)
    {
        return -1;
    }

    sale->sale = f[0];
    sale->paused = paused;

    return 0;
}


static int
pt_op_parse_admin(pt_admin_t *admin, pt_slice_t row)
{
    size_t      n;
    pt_slice_t  f[3];

    n = pt_slice_split(row, '\t', f, 3);

    if ((n != 2 && n != 3)
        || !pt_text_valid(f[0], PT_KEY_MAX)
        || pt_slice_uint(f[1], PT_TIME_MAX_MS, &admin->at) != 0
        || (n == 3 && !pt_name_valid(f[2])))
    {
        return -1;
    }

    admin->request_id = f[0];
    admin->asked = n == 3 ? f[2] : pt_slice_lit("");

    return 0;
}


static int
pt_op_parse_refund(pt_refund_t *refund, pt_slice_t row)
{
    int64_t     id, restock;
    pt_slice_t  f[7];

    if (pt_slice_split(row, '\t', f, 7) != 7
        || pt_id_parse(f[0], &id) != 0
        || !pt_text_valid(f[1], PT_KEY_MAX)
        || pt_id_parse(f[2], &id) != 0
        || pt_slice_uint(f[3], PT_AMOUNT_MAX, &refund->amount) != 0
        || pt_slice_uint(f[4], 1, &restock) != 0
        || !pt_name_valid(f[5])
        || pt_slice_uint(f[6], PT_TIME_MAX_MS, &refund->at) != 0)
    {
        return -1;
    }

    refund->pay_no = f[0];
    refund->refund_no = f[1];
    refund->order_id = f[2];
    refund->restock = restock;
    refund->status = f[5];

    return 0;
}


/* Anything that a gateway may tell of a payment that is none of ours. */
static int
pt_op_parse_orphan(pt_orphan_t *orphan, pt_slice_t row)
{
    size_t      n;
    pt_slice_t  f[9];

    n = pt_slice_split(row, '\t', f, 9);

    if (n == 8) {
        memmove(&f[3], &f[2], 6 * sizeof(pt_slice_t));
        f[2] = pt_slice_lit("");
        n = 9;
    }

    if (n != 9
        || !pt_name_valid(f[0])
        || f[0].len > PT_GATEWAY_NAME_MAX
        || !pt_text_valid(f[1], PT_TRADE_NO_MAX)
        || (f[2].len && !pt_text_valid(f[2], PT_KEY_MAX))
        || (!pt_slice_eq(f[3], pt_slice_lit("orphan"))
            && !pt_slice_eq(f[3], pt_slice_lit("mismatch")))
        || (f[4].len && !pt_text_valid(f[4], PT_KEY_MAX))
        || pt_slice_uint(f[5], INT64_MAX, &orphan->amount) != 0
        || (f[6].len && !pt_text_valid(f[6], PT_NAME_MAX))
        || (f[7].len && !pt_text_valid(f[7], PT_NAME_MAX))
        || pt_slice_uint(f[8], PT_TIME_MAX_MS, &orphan->at) != 0)
    {
        return -1;
    }

    orphan->gateway = f[0];
    orphan->trade_no = f[1];
    orphan->what = f[2];
    orphan->kind = f[3];
    orphan->out_trade_no = f[4];
    orphan->currency = f[6];
    orphan->reason = f[7];

    return 0;
}


void
pt_op_parse(pt_op_t *op, pt_slice_t kind, pt_slice_t row, pt_slice_t entry)
{
    int  rc;

    memset(op, 0, sizeof(pt_op_t));

    op->kind = kind;
    op->row = row;
    op->entry = entry;

    switch (kind.len == 1 ? kind.data[0] : 0) {

    case 'o':
        op->type = PT_OP_ORDER;
        rc = pt_order_parse_row(&op->u.order, row);
        break;

    case 'i':
        op->type = PT_OP_ITEM;
        rc = pt_item_parse_row(&op->u.item, row);
        break;

    case 's':
        op->type = PT_OP_SALE;
        rc = pt_op_parse_sale(&op->u.sale, row);
        break;

    case 'a':
        op->type = PT_OP_ADMIN;
        rc = pt_op_parse_admin(&op->u.admin, row);
        break;

    case 'p':
        op->type = PT_OP_PAYMENT;
        rc = pt_payment_parse_row(&op->u.payment, row);
        break;

    case 'f':
        op->type = PT_OP_REFUND;
        rc = pt_op_parse_refund(&op->u.refund, row);
        break;

    case 'u':
        op->type = PT_OP_ORPHAN;
        rc = pt_op_parse_orphan(&op->u.orphan, row);
        break;

    default:
        rc = -1;
        break;
    }

    if (rc != 0) {
        op->type = PT_OP_MALFORMED;
    }
}


/* The fields from first to last, which stand side by side in the row. */
static pt_slice_t
pt_op_span(pt_slice_t first, pt_slice_t last)
{
    return pt_slice(first.data, last.data + last.len - first.data);
}


/* What tells records of a kind apart, and which of two is newer. */
static pt_slice_t
pt_op_key(const pt_op_t *op, int64_t *rev)
{
    switch (op->type) {

    case PT_OP_ORDER:
        *rev = op->u.order.rev;
        return op->u.order.id;

    case PT_OP_ITEM:
        *rev = op->u.item.version;
        return op->u.item.sku;

    case PT_OP_SALE:
        *rev = op->u.sale.version;
        return op->u.sale.sale;

    case PT_OP_ADMIN:
        *rev = op->u.admin.at;
        return op->u.admin.request_id;

    case PT_OP_PAYMENT:
        *rev = op->u.payment.rev;
        return op->u.payment.pay_no;

    case PT_OP_REFUND:
        *rev = 0;
        return pt_op_span(op->u.refund.pay_no, op->u.refund.order_id);

    case PT_OP_ORPHAN:
        *rev = 0;
        return pt_op_span(op->u.orphan.gateway,
                          op->u.orphan.what.len ? op->u.orphan.what
                                                : op->u.orphan.trade_no);

    default:
        *rev = 0;
        return pt_slice_null;
    }
}


static int
pt_op_compare_keys(pt_slice_t a, pt_slice_t b)
{
    int     rc;
    size_t  len;

    len = a.len < b.len ? a.len : b.len;
    rc = len ? memcmp(a.data, b.data, len) : 0;

    return rc ? rc : (a.len > b.len) - (a.len < b.len);
}


/* By kind and key, the newest first, of equals the first to arrive. */
static int
pt_op_compare(const void *one, const void *two)
{
    int             rc;
    int64_t         arev, brev;
    pt_slice_t      akey, bkey;
    const pt_op_t  *a, *b;

    a = one;
    b = two;

    if (a->type != b->type) {
        return a->type < b->type ? -1 : 1;
    }

    akey = pt_op_key(a, &arev);
    bkey = pt_op_key(b, &brev);

    rc = pt_op_compare_keys(akey, bkey);

    if (rc) {
        return rc;
    }

    if (arev != brev) {
        return arev > brev ? -1 : 1;
    }

    return (a->arrival > b->arrival) - (a->arrival < b->arrival);
}


static int
pt_op_same_item(const pt_item_t *a, const pt_item_t *b)
{
    /* the rest moves without a new version and is not written */

    return pt_slice_eq(a->sale, b->sale)
           && pt_slice_eq(a->title, b->title)
           && a->price == b->price
           && a->stock == b->stock
           && a->limit == b->limit
           && a->starts_at == b->starts_at
           && a->ends_at == b->ends_at
           && a->hold_ms == b->hold_ms;
}


/* What is told again of one refund or orphan has another time. */
static pt_slice_t
pt_op_content(const pt_op_t *op)
{
    switch (op->type) {

    case PT_OP_REFUND:
        return pt_op_span(op->row, op->u.refund.status);

    case PT_OP_ORPHAN:
        return pt_op_span(op->u.orphan.kind, op->u.orphan.reason);

    default:
        return op->row;
    }
}


static int
pt_op_same(const pt_op_t *a, const pt_op_t *b)
{
    if (a->type == PT_OP_ITEM) {
        return pt_op_same_item(&a->u.item, &b->u.item);
    }

    return pt_slice_eq(pt_op_content(a), pt_op_content(b));
}


/*
 * Of sorted operations, gives those that are replaced the arrival
 * PT_OP_DROPPED and marks conflicts, whose number it returns.
 */
static size_t
pt_op_mark(pt_op_t *ops, size_t n)
{
    size_t      i, first, conflicts;
    int64_t     rev, first_rev;
    pt_slice_t  key, first_key;

    first = 0;
    conflicts = 0;

    for (i = 1; i < n && ops[i].type < PT_OP_CONFLICT; i++) {
        key = pt_op_key(&ops[i], &rev);
        first_key = pt_op_key(&ops[first], &first_rev);

        if (ops[i].type != ops[first].type || !pt_slice_eq(key, first_key)) {
            first = i;
            continue;
        }

        if (rev != first_rev) {
            ops[i].arrival = PT_OP_DROPPED;
            first = i;
            continue;
        }

        if (pt_op_same(&ops[first], &ops[i])) {
            ops[i].arrival = PT_OP_DROPPED;
            continue;
        }

        ops[i].type = PT_OP_CONFLICT;
        conflicts++;
    }

    return conflicts;
}


size_t
pt_op_fold(pt_op_t *ops, size_t n)
{
    size_t  i, left, conflicts;

    /* qsort is not stable */

    for (i = 0; i < n; i++) {
        ops[i].arrival = i;
    }

    if (n > 1) {
        qsort(ops, n, sizeof(pt_op_t), pt_op_compare);
    }

    conflicts = pt_op_mark(ops, n);
    left = 0;

    for (i = 0; i < n; i++) {
        if (ops[i].arrival == PT_OP_DROPPED) {
            continue;
        }

        if (left != i) {
            ops[left] = ops[i];
        }

        left++;
    }

    if (conflicts) {
        qsort(ops, left, sizeof(pt_op_t), pt_op_compare);
    }

    return left;
}
