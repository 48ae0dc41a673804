/*
 * The statements of the journal's writer that are about payments: payments
 * with their parts, refunds, orphans.
 */

#include "ngx_paytrade_pg_batch.h"
#include "ngx_paytrade_pg_queries.h"


static void ngx_paytrade_pg_batch_parts(ngx_paytrade_pg_array_t *a,
    pt_op_t *ops, ngx_uint_t n);


void
ngx_paytrade_pg_batch_payments(ngx_paytrade_pg_batch_t *batch, pt_op_t *ops,
    ngx_uint_t n)
{
    ngx_uint_t                i;
    const char              **shared;
    pt_payment_t             *p;
    ngx_paytrade_pg_array_t  *a;

    a = ngx_paytrade_pg_batch_arrays(batch, 23);

    for (i = 0; i < n; i++) {
        p = &ops[i].u.payment;

        ngx_paytrade_pg_array_bare(&a[0], p->pay_no);
        ngx_paytrade_pg_array_text(&a[1], p->user);
        ngx_paytrade_pg_array_text(&a[2], p->sale);
        ngx_paytrade_pg_array_text(&a[3], p->gateway);
        ngx_paytrade_pg_array_text(&a[4], p->method);
        ngx_paytrade_pg_array_text_or_null(&a[5], p->trade_no);
        ngx_paytrade_pg_batch_word(&a[6], pt_payment_status_words[p->status]);
        ngx_paytrade_pg_array_int(&a[7], p->amount);
        ngx_paytrade_pg_array_int(&a[8], p->rev);
        ngx_paytrade_pg_array_text(&a[9], p->subject);
        ngx_paytrade_pg_array_text_or_null(&a[10], p->key);
        ngx_paytrade_pg_array_text_or_null(&a[11], p->body);
        ngx_paytrade_pg_array_int(&a[12], p->created_at);
        ngx_paytrade_pg_array_int(&a[13], p->ends_at);

        if (p->paid_at) {
            ngx_paytrade_pg_array_int(&a[14], p->paid_at);

        } else {
            ngx_paytrade_pg_array_null(&a[14]);
        }

        ngx_paytrade_pg_array_int(&a[15], p->changed_at);
        ngx_paytrade_pg_array_text(&a[16], p->parts);

        ngx_paytrade_pg_batch_id(batch, p->pay_no);
    }

    ngx_paytrade_pg_batch_parts(&a[17], ops, n);

    ngx_paytrade_pg_batch_statement(batch, ngx_paytrade_pg_write_payments);
    ngx_paytrade_pg_batch_param(batch, batch->partition);
    ngx_paytrade_pg_batch_param(batch, batch->currency);

    shared = &batch->params[batch->nparams];
    ngx_paytrade_pg_batch_params(batch, a, 16);
    ngx_paytrade_pg_batch_params(batch, &a[17], 6);

    batch->conflicts[PT_OP_PAYMENT] = ngx_paytrade_pg_batch_statement(batch,
                                        ngx_paytrade_pg_conflicting_payments);

    ngx_paytrade_pg_batch_same(batch, shared, 16);
    ngx_paytrade_pg_batch_params(batch, &a[16], 1);
}


static void
ngx_paytrade_pg_batch_parts(ngx_paytrade_pg_array_t *a, pt_op_t *ops,
    ngx_uint_t n)
{
    pt_part_t     part;
    pt_slice_t    parts;
    ngx_uint_t    i;

    for (i = 0; i < n; i++) {
        parts = ops[i].u.payment.parts;

        while (pt_payment_next_part(&parts, &part) == 1) {
            ngx_paytrade_pg_array_bare(&a[0], ops[i].u.payment.pay_no);
            ngx_paytrade_pg_array_bare(&a[1], part.order_id);
            ngx_paytrade_pg_array_int(&a[2], part.amount);

            if (part.outcome == PT_OUTCOME_NONE) {
                ngx_paytrade_pg_array_null(&a[3]);

            } else {
                ngx_paytrade_pg_batch_word(&a[3],
                                           pt_outcome_words[part.outcome]);
            }

            ngx_paytrade_pg_array_text_or_null(&a[4], part.reason);
            ngx_paytrade_pg_array_int(&a[5], part.refunded);
        }
    }
}


void
ngx_paytrade_pg_batch_refunds(ngx_paytrade_pg_batch_t *batch, pt_op_t *ops,
    ngx_uint_t n)
{
    ngx_uint_t                i;
    const char              **shared;
    pt_refund_t              *refund;
    ngx_paytrade_pg_array_t  *a;

    a = ngx_paytrade_pg_batch_arrays(batch, 7);

    for (i = 0; i < n; i++) {
        refund = &ops[i].u.refund;

        ngx_paytrade_pg_array_bare(&a[0], refund->pay_no);
        ngx_paytrade_pg_array_text(&a[1], refund->refund_no);
        ngx_paytrade_pg_array_bare(&a[2], refund->order_id);
        ngx_paytrade_pg_array_int(&a[3], refund->amount);
        ngx_paytrade_pg_batch_word(&a[4], refund->restock ? "t" : "f");
        ngx_paytrade_pg_array_text(&a[5], refund->status);
        ngx_paytrade_pg_array_int(&a[6], refund->at);
    }

    ngx_paytrade_pg_batch_statement(batch, ngx_paytrade_pg_write_refunds);
    ngx_paytrade_pg_batch_param(batch, batch->partition);

    shared = &batch->params[batch->nparams];
    ngx_paytrade_pg_batch_params(batch, a, 7);

    batch->conflicts[PT_OP_REFUND] = ngx_paytrade_pg_batch_statement(batch,
                                         ngx_paytrade_pg_conflicting_refunds);

    ngx_paytrade_pg_batch_same(batch, shared, 6);
}


void
ngx_paytrade_pg_batch_orphans(ngx_paytrade_pg_batch_t *batch, pt_op_t *ops,
    ngx_uint_t n)
{
    ngx_uint_t                i;
    const char              **shared;
    pt_orphan_t              *orphan;
    ngx_paytrade_pg_array_t  *a;

    a = ngx_paytrade_pg_batch_arrays(batch, 9);

    for (i = 0; i < n; i++) {
        orphan = &ops[i].u.orphan;

        ngx_paytrade_pg_array_text(&a[0], orphan->gateway);
        ngx_paytrade_pg_array_text(&a[1], orphan->trade_no);
        ngx_paytrade_pg_array_text(&a[2], orphan->what);
        ngx_paytrade_pg_array_text(&a[3], orphan->kind);
        ngx_paytrade_pg_array_text_or_null(&a[4], orphan->out_trade_no);
        ngx_paytrade_pg_array_int(&a[5], orphan->amount);
        ngx_paytrade_pg_array_text_or_null(&a[6], orphan->currency);
        ngx_paytrade_pg_array_text_or_null(&a[7], orphan->reason);
        ngx_paytrade_pg_array_int(&a[8], orphan->at);
    }

    ngx_paytrade_pg_batch_statement(batch, ngx_paytrade_pg_write_orphans);
    ngx_paytrade_pg_batch_param(batch, batch->partition);

    shared = &batch->params[batch->nparams];
    ngx_paytrade_pg_batch_params(batch, a, 9);

    batch->conflicts[PT_OP_ORPHAN] = ngx_paytrade_pg_batch_statement(batch,
                                         ngx_paytrade_pg_conflicting_orphans);

    ngx_paytrade_pg_batch_same(batch, shared, 8);
}
