/*
 * Any journal entry: each line is a kind, a space and a row.  What is read can
 * be stored and written as JSON; folding keeps the newest, drops no conflict
 * and does not change what it made.
 */

#include "core_fuzz.h"
#include "pt_journal.h"


#define OPS_MAX  64


static void
check_json(const pt_op_t *op)
{
    pt_out_t        out;
    const char     *why;
    fuzz_memory_t   memory;

    memory.n = 0;
    pt_out_init(&out, fuzz_alloc, &memory, 0);

    if (op->type == PT_OP_ORDER) {
        pt_order_json(&out, &op->u.order, pt_slice_lit("CNY"), 2);

    } else if (op->type == PT_OP_PAYMENT) {
        pt_payment_json(&out, &op->u.payment, pt_slice_lit("a-"),
                        pt_slice_lit("CNY"), 2, op->u.payment.subject);

    } else {
        pt_item_json(&out, &op->u.item, pt_slice_lit("JPY"), 0, 1);
    }

    check(!out.failed);

    /* meta may be as deep and as long as a text of its own may be */

    check(op->type == PT_OP_ORDER
          || pt_json_scan(pt_out_slice(&out), &why) == 0);

    fuzz_free(&memory);
}


/* No statement may meet an order twice. */
static void
check_parts(pt_slice_t parts)
{
    unsigned    n;
    pt_part_t   part;
    pt_slice_t  last;

    n = 0;
    last = pt_slice_null;

    while (pt_payment_next_part(&parts, &part) == 1) {
        check(part.refunded <= part.amount);
        check(n == 0
              || memcmp(last.data, part.order_id.data, PT_ID_LEN) < 0);
        last = part.order_id;
        n++;
    }

    check(parts.len == 0);
    check(n >= 1 && n <= PT_PAYMENT_ORDERS_MAX);
}


static void
check_op(const pt_op_t *op)
{
    if (op->type == PT_OP_MALFORMED) {
        return;
    }

    check(pt_slice_utf8(op->row));
    check(op->row.len == 0 || memchr(op->row.data, 0, op->row.len) == NULL);

    if (op->type == PT_OP_ORDER || op->type == PT_OP_ITEM
        || op->type == PT_OP_PAYMENT)
    {
        check_json(op);
    }

    if (op->type == PT_OP_PAYMENT) {
        check_parts(op->u.payment.parts);
    }
}


static void
check_fold(pt_op_t *ops, size_t n)
{
    size_t      i, left;
    pt_op_t     again[OPS_MAX];
    pt_slice_t  previous, id;

    left = pt_op_fold(ops, n);
    check(left <= n);
    check((left == 0) == (n == 0));

    memcpy(again, ops, left * sizeof(pt_op_t));
    check(pt_op_fold(again, left) == left);

    previous = pt_slice_null;

    for (i = 0; i < left; i++) {
        check(again[i].row.data == ops[i].row.data);
        check(again[i].type == ops[i].type);
        check(i == 0 || ops[i - 1].type <= ops[i].type);

        if (ops[i].type != PT_OP_ORDER && ops[i].type != PT_OP_PAYMENT) {
            continue;
        }

        id = ops[i].type == PT_OP_ORDER ? ops[i].u.order.id
                                        : ops[i].u.payment.pay_no;
        check(previous.len == 0 || ops[i - 1].type != ops[i].type
              || memcmp(previous.data, id.data, PT_ID_LEN) < 0);
        previous = id;
    }
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t      n;
    pt_op_t     ops[OPS_MAX];
    pt_slice_t  rest, line, kind;

    n = 0;
    rest = pt_slice(data, size);

    while (n < OPS_MAX && pt_slice_next(&rest, '\n', &line)) {
        (void) pt_slice_next(&line, ' ', &kind);
        pt_op_parse(&ops[n], kind, line, pt_slice_lit("1-0"));
        check_op(&ops[n]);
        n++;
    }

    check_fold(ops, n);

    return 0;
}
