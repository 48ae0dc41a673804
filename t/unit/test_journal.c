/*
 * Journal operations: reading each kind, folding many into the newest.
 */

#include "pt_journal.h"
#include "unit.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))

#define MAX_OPS  60


static pt_slice_t
order_row(int id, int rev, const char *status)
{
    return unit_fmt("1763712000000%02d%04d\t%s\t%d\tu%d\tspring\t100\t"
                    "1763712000000\t1763712900000\t1763712000000\t\t\t"
                    "p30 1 100\t", 0, id, status, rev, id);
}


static pt_slice_t
item_row(int sku, int version, int price, int available, int paused)
{
    return unit_fmt("p%d\tspring\tP\t%d\t100\t%d\t%d\t0\t0\t0\t"
                    "253402300799999\t900000\t%d\t%d", sku, price, available,
                    100 - available, version, paused);
}


static pt_slice_t
payment_row(int number, int rev, const char *status, const char *trade_no)
{
    return unit_fmt("1763712000000%02d%04d\t%s\t%d\tu1\tspring\talipay\tpage"
                    "\t%s\t100\t1763712000000\t1763712900000\t0\t"
                    "1763712000000\t\t\tP30\t1763712000000000001 100 - - 0",
                    0, number, status, rev, trade_no);
}


#define REFUND  "1763712000123000002\tr-1\t1763712000000000001\t50\t0\t"      \
                "succeeded\t1763712000000"
#define ORPHAN  "alipay\tT1\t\torphan\tx1763712000123000002\t100\tCNY\t"      \
                "unknown_payment\t1763712000000"


static pt_op_t
op(const char *kind, pt_slice_t row)
{
    pt_op_t  op;

    memset(&op, 0x5a, sizeof(op));
    pt_op_parse(&op, unit_str(kind), row, pt_slice_lit("1763712000000-0"));

    unit_slice_is(op.kind, kind);
    assert_ptr_equal(op.row.data, row.data);
    assert_int_equal(op.row.len, row.len);
    unit_slice_is(op.entry, "1763712000000-0");

    return op;
}


static void
test_parse(void **state)
{
    pt_op_t  o;

    o = op("o", order_row(1, 3, "expired"));
    assert_int_equal(o.type, PT_OP_ORDER);
    unit_slice_is(o.u.order.id, "1763712000000000001");
    assert_int_equal(o.u.order.status, PT_ORDER_EXPIRED);
    assert_true(o.u.order.rev == 3);

    o = op("i", item_row(7, 2, 500, 60, 1));
    assert_int_equal(o.type, PT_OP_ITEM);
    unit_slice_is(o.u.item.sku, "p7");
    assert_true(o.u.item.price == 500);
    assert_true(o.u.item.version == 2);

    o = op("s", unit_str("spring\t1\t9"));
    assert_int_equal(o.type, PT_OP_SALE);
    unit_slice_is(o.u.sale.sale, "spring");
    assert_int_equal(o.u.sale.paused, 1);
    assert_true(o.u.sale.version == 9);

    o = op("a", unit_str("restock caf\xc3\xa9\t1763712000000"));
    assert_int_equal(o.type, PT_OP_ADMIN);
    unit_slice_is(o.u.admin.request_id, "restock caf\xc3\xa9");
    assert_true(o.u.admin.at == INT64_C(1763712000000));
    assert_int_equal(o.u.admin.asked.len, 0);

    o = op("a", unit_str("r-1\t1763712000000\t0123456789abcdef"));
    assert_int_equal(o.type, PT_OP_ADMIN);
    unit_slice_is(o.u.admin.request_id, "r-1");
    assert_true(o.u.admin.at == INT64_C(1763712000000));
    unit_slice_is(o.u.admin.asked, "0123456789abcdef");
}


static void
test_parse_payments(void **state)
{
    pt_op_t  o;

    o = op("p", payment_row(7, 2, "paid", "T1"));
    assert_int_equal(o.type, PT_OP_PAYMENT);
    unit_slice_is(o.u.payment.pay_no, "1763712000000000007");
    assert_int_equal(o.u.payment.status, PT_PAYMENT_PAID);
    assert_true(o.u.payment.rev == 2);

    o = op("f", unit_str(REFUND));
    assert_int_equal(o.type, PT_OP_REFUND);
    unit_slice_is(o.u.refund.pay_no, "1763712000123000002");
    unit_slice_is(o.u.refund.refund_no, "r-1");
    unit_slice_is(o.u.refund.order_id, "1763712000000000001");
    assert_true(o.u.refund.amount == 50);
    assert_int_equal(o.u.refund.restock, 0);
    unit_slice_is(o.u.refund.status, "succeeded");
    assert_true(o.u.refund.at == INT64_C(1763712000000));

    o = op("u", unit_str(ORPHAN));
    assert_int_equal(o.type, PT_OP_ORPHAN);
    unit_slice_is(o.u.orphan.gateway, "alipay");
    unit_slice_is(o.u.orphan.trade_no, "T1");
    unit_slice_is(o.u.orphan.what, "");
    unit_slice_is(o.u.orphan.kind, "orphan");
    unit_slice_is(o.u.orphan.out_trade_no, "x1763712000123000002");
    assert_true(o.u.orphan.amount == 100);
    unit_slice_is(o.u.orphan.currency, "CNY");
    unit_slice_is(o.u.orphan.reason, "unknown_payment");
    assert_true(o.u.orphan.at == INT64_C(1763712000000));

    /* what a stranger's payment may lack, and how large it may be */

    o = op("u", unit_str("a\tT\tclosed\tmismatch\t\t9223372036854775807\t\t\t"
                         "0"));
    assert_int_equal(o.type, PT_OP_ORPHAN);
    unit_slice_is(o.u.orphan.what, "closed");
    unit_slice_is(o.u.orphan.kind, "mismatch");
    assert_true(o.u.orphan.amount == INT64_MAX);

    /* as earlier versions wrote it */

    o = op("u", unit_str("a\tT\tmismatch\tx\t7\tCNY\tamount\t9"));
    assert_int_equal(o.type, PT_OP_ORPHAN);
    unit_slice_is(o.u.orphan.trade_no, "T");
    unit_slice_is(o.u.orphan.what, "");
    unit_slice_is(o.u.orphan.kind, "mismatch");
    unit_slice_is(o.u.orphan.out_trade_no, "x");
    assert_true(o.u.orphan.amount == 7);
    unit_slice_is(o.u.orphan.currency, "CNY");
    unit_slice_is(o.u.orphan.reason, "amount");
    assert_true(o.u.orphan.at == 9);
}


/* A number that was made to differ from others is longer than a gateway's. */
static void
test_parse_long_numbers(void **state)
{
    size_t  i;

    static const struct {
        const char  *kind;
        const char  *format;
        pt_op_e      type;
    } cases[] = {
        { "f", "1763712000123000002\t%.*s\t1763712000000000001\t50\t0\t"
               "succeeded\t1763712000000", PT_OP_REFUND },
        { "u", "a\tT\t%.*s\torphan\t\t1\t\t\t1", PT_OP_ORPHAN },
    };

    for (i = 0; i < N(cases); i++) {
        assert_int_equal(op(cases[i].kind,
                            unit_fmt(cases[i].format, PT_KEY_MAX,
                                     unit_repeat("r", 256).data)).type,
                         cases[i].type);
        assert_int_equal(op(cases[i].kind,
                            unit_fmt(cases[i].format, PT_KEY_MAX + 1,
                                     unit_repeat("r", 256).data)).type,
                         PT_OP_MALFORMED);
    }
}


/* Any byte of a good row that PostgreSQL cannot store. */
static void
no_byte_replaced(const char *kind, pt_slice_t good)
{
    size_t  i;
    char   *row;

    assert_true(op(kind, good).type < PT_OP_CONFLICT);

    for (i = 0; i < good.len; i++) {
        row = (char *) unit_mem(good.data, good.len).data;

        row[i] = '\0';
        assert_int_equal(op(kind, pt_slice(row, good.len)).type,
                         PT_OP_MALFORMED);

        row[i] = '\xff';
        assert_int_equal(op(kind, pt_slice(row, good.len)).type,
                         PT_OP_MALFORMED);
    }
}


static void
test_malformed(void **state)
{
    size_t   i;
    pt_op_t  o;

    static const struct {
        const char  *kind;
        const char  *row;
    } cases[] = {
        { "", "" }, { "x", "spring\t1\t9" }, { "oo", "" }, { "O", "" },
        { "order", "" },
        { "o", "" }, { "o", "spring\t1\t9" }, { "i", "" }, { "i", "p30" },
        { "s", "" }, { "s", "spring\t1" }, { "s", "spring\t1\t9\t" },
        { "s", "spring\t2\t9" }, { "s", "spring\t-1\t9" },
        { "s", "spring\t1\t-9" }, { "s", "spring\t1\t9x" },
        { "s", "spring\t1\t9223372036854775808" }, { "s", "\t1\t9" },
        { "s", "a b\t1\t9" }, { "s", "\xc3\xa9\t1\t9" }, { "s", "s\t\t9" },
        { "s", "s\t1\t" },
        { "a", "" }, { "a", "r" }, { "a", "\t1" }, { "a", "r\t" },
        { "a", "r\t1\t" }, { "a", "r\t1\tx y" }, { "a", "r\t1\tx\t" },
        { "a", "r\t-1" }, { "a", "r\t253402300800000" },
        { "a", "\xff\t1" }, { "a", "r\n\t1" }, { "a", "r\tx" },
        { "p", "" }, { "p", REFUND }, { "p", ORPHAN }, { "f", "" },
        { "f", ORPHAN }, { "f", REFUND "\t" }, { "f", REFUND "0000" },
        { "f", "1\tr\t1763712000000000001\t1\t0\ts\t1" },
        { "f", "1763712000123000002\t\t1763712000000000001\t1\t0\ts\t1" },
        { "f", "1763712000123000002\tr\t1\t1\t0\ts\t1" },
        { "f", "1763712000123000002\tr\t1763712000000000001\t-1\t0\ts\t1" },
        { "f", "1763712000123000002\tr\t1763712000000000001\t1\t2\ts\t1" },
        { "f", "1763712000123000002\tr\t1763712000000000001\t1\t\ts\t1" },
        { "f", "1763712000123000002\tr\t1763712000000000001\t1\t0\t\t1" },
        { "f", "1763712000123000002\tr\t1763712000000000001\t1\t0\ts\t" },
        { "f", "1763712000123000002\t\xff\t1763712000000000001\t1\t0\ts\t1" },
        { "u", "" }, { "u", REFUND }, { "u", ORPHAN "\t" },
        { "u", ORPHAN "000" }, { "u", "\tT\torphan\t\t1\t\t\t1" },
        { "u", "a\tT\t\x01\torphan\t\t1\t\t\t1" },
        { "u", "a\tT\tclosed\t\t\t1\t\t\t1" },
        { "u", "a\tT\torphan\tclosed\t\t1\t\t\t1" },
        { "u", "a b\tT\torphan\t\t1\t\t\t1" },
        { "u", "a\t\torphan\t\t1\t\t\t1" },
        { "u", "a\tT\t\t\t1\t\t\t1" }, { "u", "a\tT\tlost\t\t1\t\t\t1" },
        { "u", "a\tT\torphan\t\xff\t1\t\t\t1" },
        { "u", "a\tT\torphan\t\t9223372036854775808\t\t\t1" },
        { "u", "a\tT\torphan\t\t-1\t\t\t1" },
        { "u", "a\tT\torphan\t\t\t\t\t1" },
        { "u", "a\tT\torphan\t\t1\t\x01\t\t1" },
        { "u", "a\tT\torphan\t\t1\t\t\x7f\t1" },
        { "u", "a\tT\torphan\t\t1\t\t\t" },
    };

    for (i = 0; i < N(cases); i++) {
        if (op(cases[i].kind, unit_str(cases[i].row)).type
            != PT_OP_MALFORMED)
        {
            fail_msg("%s: %s", cases[i].kind, cases[i].row);
        }
    }

    assert_int_equal(op("a", unit_mem("r\0\t1", 4)).type, PT_OP_MALFORMED);
    assert_int_equal(op("s", unit_mem("s\0\t1\t9", 6)).type, PT_OP_MALFORMED);
    assert_int_equal(op("a", unit_fmt("%.*s\t1", PT_KEY_MAX + 1,
                                      unit_repeat("r", 256).data)).type,
                     PT_OP_MALFORMED);
    assert_int_equal(op("a", unit_fmt("%.*s\t1", PT_KEY_MAX,
                                      unit_repeat("r", 256).data)).type,
                     PT_OP_ADMIN);

    no_byte_replaced("o", order_row(1, 1, "held"));
    no_byte_replaced("i", item_row(1, 1, 1, 1, 0));
    no_byte_replaced("p", payment_row(1, 1, "paid", "T1"));
    no_byte_replaced("f", unit_str(REFUND));
    no_byte_replaced("u", unit_str(ORPHAN));

    pt_op_parse(&o, pt_slice_null, pt_slice_null, pt_slice_null);
    assert_int_equal(o.type, PT_OP_MALFORMED);
}


static void
test_fold_newest(void **state)
{
    pt_op_t  ops[8];

    ops[0] = op("o", order_row(2, 1, "held"));
    ops[1] = op("o", order_row(1, 1, "held"));
    ops[2] = op("o", order_row(2, 3, "paid"));
    ops[3] = op("o", order_row(2, 2, "expired"));
    ops[4] = op("i", item_row(1, 5, 1, 1, 0));
    ops[5] = op("i", item_row(1, 6, 1, 1, 0));
    ops[6] = op("s", unit_str("spring\t1\t2"));
    ops[7] = op("s", unit_str("spring\t0\t3"));

    assert_int_equal(pt_op_fold(ops, 8), 4);

    unit_slice_is(ops[0].u.order.id, "1763712000000000001");
    assert_true(ops[0].u.order.rev == 1);
    unit_slice_is(ops[1].u.order.id, "1763712000000000002");
    assert_true(ops[1].u.order.rev == 3);
    assert_int_equal(ops[1].u.order.status, PT_ORDER_PAID);
    assert_int_equal(ops[2].type, PT_OP_ITEM);
    assert_true(ops[2].u.item.version == 6);
    assert_int_equal(ops[3].type, PT_OP_SALE);
    assert_int_equal(ops[3].u.sale.paused, 0);
}


static void
test_fold_edges(void **state)
{
    pt_op_t  ops[2];

    assert_int_equal(pt_op_fold(NULL, 0), 0);

    ops[0] = op("o", order_row(1, 1, "held"));
    assert_int_equal(pt_op_fold(ops, 1), 1);
    assert_int_equal(ops[0].type, PT_OP_ORDER);

    ops[0] = op("x", unit_str("y"));
    assert_int_equal(pt_op_fold(ops, 1), 1);
    assert_int_equal(ops[0].type, PT_OP_MALFORMED);
}


/* A name of one kind is not that of another; a prefix is not the whole. */
static void
test_fold_keys(void **state)
{
    pt_op_t  ops[6];

    ops[0] = op("a", unit_str("spring\t5"));
    ops[1] = op("s", unit_str("spring\t1\t5"));
    ops[2] = op("i", item_row(11, 5, 1, 1, 0));
    ops[3] = op("i", item_row(1, 5, 1, 1, 0));
    ops[4] = op("s", unit_str("p1\t1\t5"));
    ops[5] = op("a", unit_str("p1\t5"));

    assert_int_equal(pt_op_fold(ops, 6), 6);
    unit_slice_is(ops[0].u.item.sku, "p1");
    unit_slice_is(ops[1].u.item.sku, "p11");
    unit_slice_is(ops[2].u.sale.sale, "p1");
    unit_slice_is(ops[3].u.sale.sale, "spring");
    unit_slice_is(ops[4].u.admin.request_id, "p1");
    unit_slice_is(ops[5].u.admin.request_id, "spring");

    ops[0] = op("a", unit_str("p1\t5"));
    ops[1] = op("s", unit_str("p1\t1\t5"));
    ops[2] = op("i", item_row(1, 5, 1, 1, 0));

    assert_int_equal(pt_op_fold(ops, 3), 3);
    assert_int_equal(ops[0].type, PT_OP_ITEM);
    assert_int_equal(ops[1].type, PT_OP_SALE);
    assert_int_equal(ops[2].type, PT_OP_ADMIN);
}


static void
test_fold_equal(void **state)
{
    pt_op_t      ops[4];
    const char  *first;

    ops[0] = op("o", order_row(1, 2, "paid"));
    ops[1] = op("o", order_row(1, 2, "paid"));
    ops[2] = op("o", order_row(1, 2, "paid"));
    first = ops[0].row.data;

    assert_int_equal(pt_op_fold(ops, 3), 1);
    assert_ptr_equal(ops[0].row.data, first);

    /* an item's counters and its sale's pause move without a version */

    ops[0] = op("i", item_row(1, 5, 1, 10, 0));
    ops[1] = op("i", item_row(1, 5, 1, 20, 1));
    first = ops[0].row.data;
    assert_int_equal(pt_op_fold(ops, 2), 1);
    assert_ptr_equal(ops[0].row.data, first);

    /* a request has no version: the newest time stays */

    ops[0] = op("a", unit_str("r\t5"));
    ops[1] = op("a", unit_str("r\t7"));
    ops[2] = op("a", unit_str("r\t6"));
    assert_int_equal(pt_op_fold(ops, 3), 1);
    assert_true(ops[0].u.admin.at == 7);
}


static void
test_fold_conflict(void **state)
{
    pt_op_t      ops[8];
    const char  *kept, *conflict, *malformed;

    ops[0] = op("x", unit_str("poison"));
    ops[1] = op("o", order_row(1, 2, "paid"));
    ops[2] = op("o", order_row(1, 2, "cancelled"));
    ops[3] = op("o", order_row(1, 2, "paid"));
    ops[4] = op("o", order_row(2, 1, "held"));

    malformed = ops[0].row.data;
    kept = ops[1].row.data;
    conflict = ops[2].row.data;

    assert_int_equal(pt_op_fold(ops, 5), 4);
    assert_ptr_equal(ops[0].row.data, kept);
    assert_int_equal(ops[0].type, PT_OP_ORDER);
    unit_slice_is(ops[1].u.order.id, "1763712000000000002");
    assert_ptr_equal(ops[2].row.data, conflict);
    assert_int_equal(ops[2].type, PT_OP_CONFLICT);
    unit_slice_is(ops[2].kind, "o");
    assert_ptr_equal(ops[3].row.data, malformed);
    assert_int_equal(ops[3].type, PT_OP_MALFORMED);

    /* folding what was folded changes nothing */

    assert_int_equal(pt_op_fold(ops, 4), 4);
    assert_ptr_equal(ops[0].row.data, kept);
    assert_ptr_equal(ops[2].row.data, conflict);
    assert_ptr_equal(ops[3].row.data, malformed);

    /* items and sales conflict too; also below a newer one */

    ops[0] = op("i", item_row(1, 5, 1, 1, 0));
    ops[1] = op("i", item_row(1, 5, 2, 1, 0));
    ops[2] = op("i", item_row(1, 6, 3, 1, 0));
    ops[3] = op("s", unit_str("spring\t1\t2"));
    ops[4] = op("s", unit_str("spring\t0\t2"));

    assert_int_equal(pt_op_fold(ops, 5), 4);
    assert_true(ops[0].u.item.price == 3);
    assert_int_equal(ops[1].u.sale.paused, 1);
    assert_int_equal(ops[2].type, PT_OP_CONFLICT);
    assert_int_equal(ops[3].type, PT_OP_CONFLICT);
    unit_slice_is(ops[2].kind, "i");
    unit_slice_is(ops[3].kind, "s");
}


/* Any other field of an item with one version is a conflict. */
static void
test_fold_item_content(void **state)
{
    size_t   i;
    pt_op_t  ops[2];

    static const struct {
        const char  *row;
        int          conflict;
    } cases[] = {
        { "p\tspring\tP\t1\t9\t9\t0\t0\t0\t5\t7\t1000\t3\t0", 0 },
        { "p\tautumn\tP\t1\t9\t9\t0\t0\t0\t5\t7\t1000\t3\t0", 1 },
        { "p\tspring\tQ\t1\t9\t9\t0\t0\t0\t5\t7\t1000\t3\t0", 1 },
        { "p\tspring\tP\t2\t9\t9\t0\t0\t0\t5\t7\t1000\t3\t0", 1 },
        { "p\tspring\tP\t1\t8\t9\t0\t0\t0\t5\t7\t1000\t3\t0", 1 },
        { "p\tspring\tP\t1\t9\t8\t0\t0\t0\t5\t7\t1000\t3\t0", 0 },
        { "p\tspring\tP\t1\t9\t9\t1\t0\t0\t5\t7\t1000\t3\t0", 0 },
        { "p\tspring\tP\t1\t9\t9\t0\t1\t0\t5\t7\t1000\t3\t0", 0 },
        { "p\tspring\tP\t1\t9\t9\t0\t0\t1\t5\t7\t1000\t3\t0", 1 },
        { "p\tspring\tP\t1\t9\t9\t0\t0\t0\t6\t7\t1000\t3\t0", 1 },
        { "p\tspring\tP\t1\t9\t9\t0\t0\t0\t5\t8\t1000\t3\t0", 1 },
        { "p\tspring\tP\t1\t9\t9\t0\t0\t0\t5\t7\t1001\t3\t0", 1 },
        { "p\tspring\tP\t1\t9\t9\t0\t0\t0\t5\t7\t1000\t3\t1", 0 },
    };

    for (i = 0; i < N(cases); i++) {
        ops[0] = op("i", unit_str(cases[0].row));
        ops[1] = op("i", unit_str(cases[i].row));

        assert_int_equal(pt_op_fold(ops, 2), 1 + cases[i].conflict);
        assert_int_equal(ops[0].type, PT_OP_ITEM);
        assert_true(!cases[i].conflict || ops[1].type == PT_OP_CONFLICT);
    }
}


static void
test_fold_payments(void **state)
{
    pt_op_t      ops[6];
    const char  *kept;

    ops[0] = op("p", payment_row(2, 1, "unpaid", ""));
    ops[1] = op("p", payment_row(1, 1, "unpaid", ""));
    ops[2] = op("p", payment_row(2, 3, "paid", "T1"));
    ops[3] = op("p", payment_row(2, 2, "closed", ""));
    ops[4] = op("p", payment_row(2, 3, "paid", "T2"));
    ops[5] = op("o", order_row(2, 1, "held"));

    assert_int_equal(pt_op_fold(ops, 6), 4);
    assert_int_equal(ops[0].type, PT_OP_ORDER);
    unit_slice_is(ops[1].u.payment.pay_no, "1763712000000000001");
    unit_slice_is(ops[2].u.payment.trade_no, "T1");
    assert_int_equal(ops[3].type, PT_OP_CONFLICT);
    unit_slice_is(ops[3].kind, "p");

    /* told again at another time it is the same */

    ops[0] = op("f", unit_str(REFUND));
    ops[1] = op("f", unit_str(REFUND));
    ops[2] = op("f", unit_fmt("%.*s1", (int) strlen(REFUND) - 1, REFUND));
    ops[3] = op("u", unit_str(ORPHAN));
    ops[4] = op("u", unit_fmt("%.*s1", (int) strlen(ORPHAN) - 1, ORPHAN));
    kept = ops[0].row.data;

    assert_int_equal(pt_op_fold(ops, 5), 2);
    assert_ptr_equal(ops[0].row.data, kept);
    assert_int_equal(ops[1].type, PT_OP_ORPHAN);
    assert_true(ops[1].u.orphan.at == INT64_C(1763712000000));
}


/* Any other part of the key is another one, any other content a conflict. */
static void
test_fold_refunds(void **state)
{
    size_t   i;
    pt_op_t  ops[2];

    static const struct {
        const char  *kind;
        const char  *row;
        int          conflict;
    } cases[] = {
        { "f", REFUND, -1 },
        { "f", "1763712000123000003\tr-1\t1763712000000000001\t50\t0\t"
               "succeeded\t1763712000000", 0 },
        { "f", "1763712000123000002\tr-2\t1763712000000000001\t50\t0\t"
               "succeeded\t1763712000000", 0 },
        { "f", "1763712000123000002\tr-1\t1763712000000000002\t50\t0\t"
               "succeeded\t1763712000000", 0 },
        { "f", "1763712000123000002\tr-1\t1763712000000000001\t51\t0\t"
               "succeeded\t1763712000000", 1 },
        { "f", "1763712000123000002\tr-1\t1763712000000000001\t50\t1\t"
               "succeeded\t1763712000000", 1 },
        { "f", "1763712000123000002\tr-1\t1763712000000000001\t50\t0\t"
               "failed\t1763712000000", 1 },
        { "u", ORPHAN, -1 },
        { "u", "alipay2\tT1\t\torphan\tx1763712000123000002\t100\tCNY\t"
               "unknown_payment\t1763712000000", 0 },
        { "u", "alipay\tT2\t\torphan\tx1763712000123000002\t100\tCNY\t"
               "unknown_payment\t1763712000000", 0 },
        { "u", "alipay\tT1\tclosed\torphan\tx1763712000123000002\t100\tCNY\t"
               "unknown_payment\t1763712000000", 0 },
        { "u", "alipay\tT1\torphan\tx1763712000123000002\t100\tCNY\t"
               "unknown_payment\t1763712000000", -1 },
        { "u", "alipay\tT1\torphan\tx1763712000123000002\t99\tCNY\t"
               "unknown_payment\t1763712000000", 1 },
        { "u", "alipay\tT1\t\tmismatch\tx1763712000123000002\t100\tCNY\t"
               "unknown_payment\t1763712000000", 1 },
        { "u", "alipay\tT1\t\torphan\ty1763712000123000002\t100\tCNY\t"
               "unknown_payment\t1763712000000", 1 },
        { "u", "alipay\tT1\t\torphan\tx1763712000123000002\t101\tCNY\t"
               "unknown_payment\t1763712000000", 1 },
        { "u", "alipay\tT1\t\torphan\tx1763712000123000002\t100\tUSD\t"
               "unknown_payment\t1763712000000", 1 },
        { "u", "alipay\tT1\t\torphan\tx1763712000123000002\t100\tCNY\t"
               "purged\t1763712000000", 1 },
    };

    for (i = 0; i < N(cases); i++) {
        ops[0] = op(cases[i].kind, unit_str(*cases[i].kind == 'f' ? REFUND
                                                                  : ORPHAN));
        ops[1] = op(cases[i].kind, unit_str(cases[i].row));

        assert_int_equal(pt_op_fold(ops, 2), cases[i].conflict < 0 ? 1 : 2);
        assert_true(cases[i].conflict < 1 || ops[1].type == PT_OP_CONFLICT);
        assert_true(cases[i].conflict || ops[1].type < PT_OP_CONFLICT);
    }
}


/* Whether ops[i] is to be the kept one of its key, by the definition. */
static int
is_kept(const pt_op_t *ops, size_t n, size_t i)
{
    size_t  k;

    for (k = 0; k < n; k++) {
        if (ops[k].type != PT_OP_ORDER || k == i
            || !pt_slice_eq(ops[k].u.order.id, ops[i].u.order.id))
        {
            continue;
        }

        if (ops[k].u.order.rev > ops[i].u.order.rev
            || (ops[k].u.order.rev == ops[i].u.order.rev && k < i))
        {
            return 0;
        }
    }

    return 1;
}


/* Whether another op of its key and rev came first, with other content. */
static int
is_conflict(const pt_op_t *ops, size_t i)
{
    size_t  k;

    for (k = 0; k < i; k++) {
        if (ops[k].type == PT_OP_ORDER
            && pt_slice_eq(ops[k].u.order.id, ops[i].u.order.id)
            && ops[k].u.order.rev == ops[i].u.order.rev)
        {
            return !pt_slice_eq(ops[k].row, ops[i].row);
        }
    }

    return 0;
}


static int
has(const pt_op_t *ops, size_t n, const char *row, pt_op_e type)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (ops[i].row.data == row) {
            return ops[i].type == type;
        }
    }

    return 0;
}


/* Random operations of few keys, against the definition. */
static void
test_fold_random(void **state)
{
    int       round;
    size_t    i, n, left, expected;
    pt_op_e   type;
    pt_op_t   ops[MAX_OPS], before[MAX_OPS];

    static const char  *status[] = { "held", "paid", "cancelled" };

    for (round = 0; round < 3000; round++) {
        n = unit_below(MAX_OPS + 1);

        for (i = 0; i < n; i++) {
            if (unit_below(10) == 0) {
                ops[i] = op("?", unit_str("poison"));
                continue;
            }

            ops[i] = op("o", order_row(unit_below(6), 1 + unit_below(4),
                                       status[unit_below(10) ? 0
                                              : unit_below(3)]));
        }

        memcpy(before, ops, n * sizeof(pt_op_t));
        left = pt_op_fold(ops, n);
        expected = 0;

        for (i = 0; i < n; i++) {
            type = before[i].type;

            if (type == PT_OP_ORDER && is_conflict(before, i)) {
                type = PT_OP_CONFLICT;

            } else if (type == PT_OP_ORDER && !is_kept(before, n, i)) {
                continue;
            }

            expected++;
            assert_true(has(ops, left, before[i].row.data, type));
        }

        assert_int_equal(left, expected);

        for (i = 1; i < left; i++) {
            assert_true(ops[i - 1].type <= ops[i].type);

            if (ops[i].type == PT_OP_ORDER) {
                assert_true(memcmp(ops[i - 1].u.order.id.data,
                                   ops[i].u.order.id.data, PT_ID_LEN) < 0);
            }

            if (ops[i].type >= PT_OP_CONFLICT
                && ops[i].type == ops[i - 1].type)
            {
                assert_true(ops[i - 1].arrival < ops[i].arrival);
            }
        }

        unit_end(NULL);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        unit_case(test_parse),
        unit_case(test_parse_payments),
        unit_case(test_parse_long_numbers),
        unit_case(test_malformed),
        unit_case(test_fold_newest),
        unit_case(test_fold_edges),
        unit_case(test_fold_keys),
        unit_case(test_fold_equal),
        unit_case(test_fold_conflict),
        unit_case(test_fold_item_content),
        unit_case(test_fold_payments),
        unit_case(test_fold_refunds),
        unit_case(test_fold_random),
    };

    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
