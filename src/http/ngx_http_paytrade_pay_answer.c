/*
 * What pay.lua decided, told to the buyer.
 */

#include "ngx_http_paytrade_pay.h"


#define NGX_HTTP_PAYTRADE_PAY_FIELDS  3


typedef ngx_int_t (*ngx_http_paytrade_pay_reply_pt)(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f);


/*
 * A word of pay.lua: a function makes the reply, or it is a plain problem,
 * with the order of which the script speaks.
 */
typedef struct {
    pt_slice_t                       word;
    ngx_http_paytrade_pay_reply_pt   reply;
    pt_problem_e                     problem;
    const char                      *detail;
} ngx_http_paytrade_pay_word_t;


static ngx_int_t ngx_http_paytrade_pay_created(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f);
static ngx_int_t ngx_http_paytrade_pay_replayed(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f);
static ngx_int_t ngx_http_paytrade_pay_purged(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f);
static void ngx_http_paytrade_pay_purged_row(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static ngx_int_t ngx_http_paytrade_pay_unknown(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f);
static void ngx_http_paytrade_pay_stored(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static ngx_int_t ngx_http_paytrade_pay_closed(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f);
static ngx_int_t ngx_http_paytrade_pay_soon(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f);
static ngx_int_t ngx_http_paytrade_pay_range(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f);


static const ngx_http_paytrade_pay_word_t  ngx_http_paytrade_pay_words[] = {

    { pt_slice_const("created"), ngx_http_paytrade_pay_created, 0, NULL },
    { pt_slice_const("replayed"), ngx_http_paytrade_pay_replayed, 0, NULL },
    { pt_slice_const("purged"), ngx_http_paytrade_pay_purged, 0, NULL },
    { pt_slice_const("unknown_order"), ngx_http_paytrade_pay_unknown,
      0, NULL },
    { pt_slice_const("order_closed"), ngx_http_paytrade_pay_closed, 0, NULL },
    { pt_slice_const("expires_soon"), ngx_http_paytrade_pay_soon, 0, NULL },
    { pt_slice_const("amount_out_of_range"), ngx_http_paytrade_pay_range,
      0, NULL },
    { pt_slice_const("already_paid"), NULL,
      PT_ALREADY_PAID, "the order is paid" },
    { pt_slice_const("key_reused"), NULL,
      PT_KEY_REUSED, "the idempotency key was used with another body" },
    { pt_slice_const("too_many_attempts"), NULL,
      PT_TOO_MANY_ATTEMPTS, "too many payments of this user within a day" },
    { pt_slice_const("backlog"), NULL,
      PT_UNAVAILABLE, "too many orders wait for the database; ask again" },

    { pt_slice_const(""), NULL, 0, NULL }
};


void
ngx_http_paytrade_pay_answer(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    ngx_int_t                            rc;
    pt_slice_t                           f[NGX_HTTP_PAYTRADE_PAY_FIELDS];
    const ngx_http_paytrade_pay_word_t  *word;

    ngx_memzero(f, sizeof(f));

    if (call->outcome == NGX_PAYTRADE_REDIS_OK) {
        (void) pt_slice_split(call->reply, '\t', f,
                              NGX_HTTP_PAYTRADE_PAY_FIELDS);
    }

    for (word = ngx_http_paytrade_pay_words; word->word.len; word++) {
        if (pt_slice_eq(word->word, f[0])) {
            break;
        }
    }

    if (word->word.len == 0) {
        rc = ngx_http_paytrade_reply_failure(r, call);

    } else if (word->reply) {
        rc = word->reply(r, call, f);

    } else {
        rc = ngx_http_paytrade_reply_order_problem(r, word->problem,
                                                   word->detail, f[1], NULL);
    }

    ngx_http_paytrade_wait_call(r, rc);
}


/* created <payment row> */
static ngx_int_t
ngx_http_paytrade_pay_created(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f)
{
    ngx_int_t   rc;
    pt_slice_t  row;

    ngx_http_paytrade_count(call->worker->conf->shm_zone,
                            NGX_HTTP_PAYTRADE_PAYMENTS, 1);

    (void) ngx_http_paytrade_word(call, &row);

    rc = ngx_http_paytrade_pay_reply(r, row, 0);

    return rc == NGX_DECLINED ? ngx_http_paytrade_reply_failure(r, call) : rc;
}


/* replayed <payment row> */
static ngx_int_t
ngx_http_paytrade_pay_replayed(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f)
{
    ngx_int_t   rc;
    pt_slice_t  row;

    (void) ngx_http_paytrade_word(call, &row);

    rc = ngx_http_paytrade_pay_reply(r, row, 1);

    return rc == NGX_DECLINED ? ngx_http_paytrade_reply_failure(r, call) : rc;
}


/* purged pay_no: the key is known, the payment is only in PostgreSQL */
static ngx_int_t
ngx_http_paytrade_pay_purged(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f)
{
    return ngx_http_paytrade_stored_payment(r, f[1],
                                            ngx_http_paytrade_pay_purged_row);
}


static void
ngx_http_paytrade_pay_purged_row(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    PGresult   *res;
    ngx_int_t   rc;

    rc = NGX_DECLINED;

    if (call->pg_outcome == NGX_PAYTRADE_PG_OK
        && PQntuples(call->exchange.results[0]) == 1)
    {
        res = call->exchange.results[0];

        rc = ngx_http_paytrade_pay_reply(r,
                                         pt_slice(PQgetvalue(res, 0, 0),
                                                  PQgetlength(res, 0, 0)), 1);
    }

    if (rc == NGX_DECLINED) {
        rc = ngx_http_paytrade_reply_failure(r, call);
    }

    ngx_http_paytrade_wait_call(r, rc);
}


/* unknown_order order_id: it may be old */
static ngx_int_t
ngx_http_paytrade_pay_unknown(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f)
{
    return ngx_http_paytrade_stored_order(r, f[1],
                                          ngx_http_paytrade_pay_stored);
}


static void
ngx_http_paytrade_pay_stored(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    PGresult                 *res;
    ngx_int_t                 rc;
    pt_order_t                order;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    if (call->pg_outcome != NGX_PAYTRADE_PG_OK) {
        ngx_http_paytrade_finish(r, ngx_http_paytrade_reply_failure(r, call));
        return;
    }

    res = call->exchange.results[0];

    if (PQntuples(res) == 0
        || pt_order_parse_row(&order, pt_slice(PQgetvalue(res, 0, 0),
                                               PQgetlength(res, 0, 0))) != 0
        || !pt_slice_eq(order.user, ctx->user))
    {
        rc = ngx_http_paytrade_reply_order_problem(r, PT_UNKNOWN_ORDER,
                                                   "there is no such order",
                                                   call->argv[0], NULL);

    } else if (order.status == PT_ORDER_PAID
               || order.status == PT_ORDER_REFUNDED)
    {
        rc = ngx_http_paytrade_reply_order_problem(r, PT_ALREADY_PAID,
                                                   "the order is paid",
                                                   order.id, NULL);

    } else if (order.status == PT_ORDER_HELD) {

        /* what is still held is in Redis, unless the answers have crossed */

        rc = ngx_http_paytrade_reply_problem(r, PT_UNAVAILABLE, NULL);

    } else {
        rc = ngx_http_paytrade_reply_order_problem(r, PT_ORDER_CLOSED,
                                       "the order is no longer held",
                                       order.id,
                                       pt_order_status_words[order.status]);
    }

    ngx_http_paytrade_finish(r, rc);
}


/* order_closed order_id status */
static ngx_int_t
ngx_http_paytrade_pay_closed(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f)
{
    pt_order_status_e  status;

    if (pt_order_status_parse(f[2], &status) != 0) {
        return ngx_http_paytrade_reply_failure(r, call);
    }

    return ngx_http_paytrade_reply_order_problem(r, PT_ORDER_CLOSED,
                                         "the order is no longer held", f[1],
                                         pt_order_status_words[status]);
}


/* expires_soon order_id expires_ms */
static ngx_int_t
ngx_http_paytrade_pay_soon(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f)
{
    int64_t   expires_at;
    pt_out_t  out;

    if (pt_slice_uint(f[2], PT_TIME_MAX_MS, &expires_at) != 0) {
        return ngx_http_paytrade_reply_failure(r, call);
    }

    ngx_http_paytrade_out_init(&out, r, 256);

    pt_problem_open(&out, PT_EXPIRES_SOON,
                    "too little time is left to pay the order");
    pt_out_str(&out, ",\"order_id\":");
    pt_out_json(&out, f[1]);
    pt_out_str(&out, ",\"expires_at\":\"");
    pt_out_time(&out, expires_at);
    pt_out_str(&out, "\"}");

    return ngx_http_paytrade_reply_problem_out(r, PT_EXPIRES_SOON, &out);
}


/* amount_out_of_range amount */
static ngx_int_t
ngx_http_paytrade_pay_range(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f)
{
    int64_t                         amount;
    pt_out_t                        out;
    ngx_uint_t                      decimals;
    ngx_http_paytrade_ctx_t        *ctx;
    ngx_http_paytrade_pay_t        *pay;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    pay = ctx->data;
    decimals = ctx->worker->conf->decimals;

    /* of 50 orders of the largest amount */

    if (pt_slice_uint(f[1], PT_PAYMENT_ORDERS_MAX * PT_AMOUNT_MAX, &amount)
        != 0)
    {
        return ngx_http_paytrade_reply_failure(r, call);
    }

    ngx_http_paytrade_out_init(&out, r, 256);

    pt_problem_open(&out, PT_AMOUNT_OUT_OF_RANGE,
                    "the gateway takes no payment of this amount");
    pt_out_str(&out, ",\"amount\":\"");
    pt_out_money(&out, amount, decimals);
    pt_out_str(&out, "\",\"min\":\"");
    pt_out_money(&out, pay->gateway->type->amount_min, decimals);
    pt_out_str(&out, "\",\"max\":\"");
    pt_out_money(&out, pay->gateway->type->amount_max, decimals);
    pt_out_str(&out, "\"}");

    return ngx_http_paytrade_reply_problem_out(r, PT_AMOUNT_OUT_OF_RANGE,
                                               &out);
}
