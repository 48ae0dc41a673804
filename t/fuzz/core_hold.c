/*
 * Any buyer's body: what is accepted is within all limits, and its lines and
 * its canonical text say the same.  The first byte is the currency's decimals.
 */

#include "core_fuzz.h"
#include "pt_order.h"


static void
check_lines(const pt_hold_t *hold, pt_slice_t lines)
{
    int         rc;
    size_t      i, len;
    int64_t     price, total;
    pt_line_t   line;

    check(hold->nlines >= 1 && hold->nlines <= PT_ORDER_LINES_MAX);

    total = 0;

    for (i = 0; i < hold->nlines; i++) {
        check(pt_order_next_line(&lines, &line) == 1);
        check(pt_slice_eq(line.sku, hold->lines[i].sku));
        check(line.quantity == hold->lines[i].quantity);
        check(line.unit_price == hold->lines[i].unit_price);
        check(pt_money_mul(line.unit_price, line.quantity, &price) == 0);
        check(pt_money_add(total, price, &total) == 0);

        if (i == 0) {
            continue;
        }

        len = hold->lines[i - 1].sku.len;
        len = len < line.sku.len ? len : line.sku.len;
        rc = memcmp(hold->lines[i - 1].sku.data, line.sku.data, len);
        check(rc < 0 || (rc == 0 && hold->lines[i - 1].sku.len
                                    < line.sku.len));
    }

    check(pt_order_next_line(&lines, &line) == 0);
}


static void
check_hold(const pt_hold_t *hold)
{
    pt_out_t       out;
    pt_slice_t     parts[4], none;
    const char    *why;
    fuzz_memory_t  memory;

    memory.n = 0;
    none = pt_slice_null;

    check(hold->sale.len == 0 || pt_name_valid(hold->sale));
    check(hold->amount >= -1 && hold->amount <= PT_AMOUNT_MAX);
    check(hold->request_id.len == 0
          || pt_text_valid(hold->request_id, PT_KEY_MAX));
    check(hold->meta.len <= PT_META_MAX);
    check(hold->meta.len == 0 || pt_json_scan(hold->meta, &why) == 0);
    check(pt_slice_text(hold->meta) || memchr(hold->meta.data, 0x7f,
                                              hold->meta.len));

    pt_out_init(&out, fuzz_alloc, &memory, 0);
    pt_hold_lines(&out, hold);
    check_lines(hold, pt_out_slice(&out));

    pt_out_init(&out, fuzz_alloc, &memory, 0);
    pt_hold_canonical(&out, hold);
    check(!out.failed);
    check(pt_slice_split(pt_out_slice(&out), '\t', parts, 4) == 4);
    check(pt_slice_eq(parts[0], hold->sale));
    check_lines(hold, parts[1]);
    check(pt_slice_eq(parts[2], none) == (hold->amount == -1));
    check(pt_slice_eq(parts[3], hold->meta));

    fuzz_free(&memory);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int          rc;
    unsigned     decimals;
    pt_hold_t    hold;
    const char  *why;

    if (size == 0) {
        return 0;
    }

    decimals = data[0] % (PT_DECIMALS_MAX + 1);
    rc = pt_hold_parse(&hold, pt_slice(data + 1, size - 1), decimals, &why);

    if (rc == 0) {
        check_hold(&hold);

    } else {
        check(rc == -1 && why != NULL);
    }

    pt_hold_free(&hold);

    return 0;
}
