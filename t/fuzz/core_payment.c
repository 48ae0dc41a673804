/*
 * Any body that starts a payment: what is accepted is within all limits, its
 * ids ascend, and its canonical text says the same.
 */

#include "core_fuzz.h"
#include "pt_payment.h"


static void
check_orders(const pt_pay_t *pay, pt_slice_t ids)
{
    size_t      i;
    pt_slice_t  text, last;

    check(pay->norders >= 1 && pay->norders <= PT_PAYMENT_ORDERS_MAX);

    last = pt_slice_null;

    for (i = 0; i < pay->norders; i++) {
        check(pt_slice_next(&ids, ',', &text));
        check(pt_slice_eq(text, pay->order_ids[i]));
        check(pt_id_digits(text));
        check(text.len > last.len
              || (text.len == last.len
                  && memcmp(text.data, last.data, text.len) > 0));
        last = text;
    }

    check(!pt_slice_next(&ids, ',', &text));
}


static void
check_pay(const pt_pay_t *pay)
{
    pt_out_t       out;
    pt_slice_t     parts[3];
    fuzz_memory_t  memory;

    memory.n = 0;

    check(pt_name_valid(pay->gateway));
    check(pay->method.len == 0 || pt_name_valid(pay->method));
    check(pay->request_id.len == 0
          || pt_text_valid(pay->request_id, PT_KEY_MAX));

    pt_out_init(&out, fuzz_alloc, &memory, 0);
    pt_pay_canonical(&out, pay);
    check(!out.failed);
    check(pt_slice_split(pt_out_slice(&out), '\t', parts, 3) == 3);
    check_orders(pay, parts[0]);
    check(pt_slice_eq(parts[1], pay->gateway));
    check(pt_slice_eq(parts[2], pay->method));

    fuzz_free(&memory);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int          rc;
    pt_pay_t     pay;
    const char  *why;

    rc = pt_pay_parse(&pay, pt_slice(data, size), &why);

    if (rc == 0) {
        check_pay(&pay);

    } else {
        check(rc == -1 && why != NULL);
    }

    pt_pay_free(&pay);

    return 0;
}
