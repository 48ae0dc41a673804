/*
 * What hold.lua decided, told to the buyer.
 */

#include "ngx_http_paytrade.h"


#define NGX_HTTP_PAYTRADE_HOLD_FIELDS  5


typedef ngx_int_t (*ngx_http_paytrade_hold_reply_pt)(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f);


/* A word of hold.lua: a function makes the reply, or it is a plain problem. */
typedef struct {
    pt_slice_t                        word;
    ngx_http_paytrade_hold_reply_pt   reply;
    pt_problem_e                      problem;
    const char                       *detail;
} ngx_http_paytrade_hold_word_t;


static const ngx_http_paytrade_hold_word_t *ngx_http_paytrade_hold_find(
    ngx_http_paytrade_call_t *call, pt_slice_t *f);
static ngx_int_t ngx_http_paytrade_hold_held(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f);
static ngx_int_t ngx_http_paytrade_hold_replayed(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f);
static ngx_int_t ngx_http_paytrade_hold_replay(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t row);
static ngx_int_t ngx_http_paytrade_hold_purged(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f);
static void ngx_http_paytrade_hold_purged_row(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static ngx_int_t ngx_http_paytrade_hold_price_changed(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f);
static ngx_int_t ngx_http_paytrade_hold_not_started(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f);
static ngx_int_t ngx_http_paytrade_hold_limit(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f);
static ngx_int_t ngx_http_paytrade_hold_short(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f);


static const ngx_http_paytrade_hold_word_t  ngx_http_paytrade_hold_words[] = {

    { pt_slice_const("held"), ngx_http_paytrade_hold_held, 0, NULL },
    { pt_slice_const("sold_out"), ngx_http_paytrade_hold_short,
      PT_SOLD_OUT, NULL },
    { pt_slice_const("replayed"), ngx_http_paytrade_hold_replayed, 0, NULL },
    { pt_slice_const("purged"), ngx_http_paytrade_hold_purged, 0, NULL },
    { pt_slice_const("limit_reached"), ngx_http_paytrade_hold_limit,
      PT_LIMIT_REACHED, NULL },
    { pt_slice_const("price_changed"), ngx_http_paytrade_hold_price_changed,
      PT_PRICE_CHANGED, NULL },
    { pt_slice_const("not_started"), ngx_http_paytrade_hold_not_started,
      PT_NOT_STARTED, NULL },
    { pt_slice_const("unknown_item"), NULL,
      PT_UNKNOWN_ITEM, "no such item is on sale" },
    { pt_slice_const("key_reused"), NULL,
      PT_KEY_REUSED, "the idempotency key was used with another body" },
    { pt_slice_const("too_many_attempts"), NULL,
      PT_TOO_MANY_ATTEMPTS, "too many orders of this user within a day" },
    { pt_slice_const("paused"), NULL,
      PT_PAUSED, "the sale is paused" },
    { pt_slice_const("ended"), NULL,
      PT_ENDED, "the sale of this item has ended" },
    { pt_slice_const("backlog"), NULL,
      PT_UNAVAILABLE, "too many orders wait for the database; ask again" },

    { pt_slice_const(""), NULL, 0, NULL }
};


void
ngx_http_paytrade_hold_answer(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    ngx_int_t                             rc;
    pt_slice_t                            f[NGX_HTTP_PAYTRADE_HOLD_FIELDS];
    const ngx_http_paytrade_hold_word_t  *word;

    word = ngx_http_paytrade_hold_find(call, f);

    if (word == NULL) {
        rc = ngx_http_paytrade_reply_failure(r, call);

    } else if (word->reply) {
        rc = word->reply(r, call, f);

    } else {
        rc = ngx_http_paytrade_reply_problem(r, word->problem, word->detail);
    }

    ngx_http_paytrade_wait_call(r, rc);
}


static const ngx_http_paytrade_hold_word_t *
ngx_http_paytrade_hold_find(ngx_http_paytrade_call_t *call, pt_slice_t *f)
{
    const ngx_http_paytrade_hold_word_t  *word;

    ngx_memzero(f, NGX_HTTP_PAYTRADE_HOLD_FIELDS * sizeof(pt_slice_t));

    if (call->outcome == NGX_PAYTRADE_REDIS_OK) {
        (void) pt_slice_split(call->reply, '\t', f,
                              NGX_HTTP_PAYTRADE_HOLD_FIELDS);
    }

    for (word = ngx_http_paytrade_hold_words; word->word.len; word++) {
        if (pt_slice_eq(word->word, f[0])) {
            return word;
        }
    }

    return NULL;
}


ngx_int_t
ngx_http_paytrade_hold_verdict(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_problem_e *problem)
{
    pt_slice_t                            f[NGX_HTTP_PAYTRADE_HOLD_FIELDS];
    const ngx_http_paytrade_hold_word_t  *word;

    word = ngx_http_paytrade_hold_find(call, f);

    if (word == NULL) {
        if (pt_slice_eq(f[0], pt_slice_lit("would_hold"))) {
            return NGX_OK;
        }

        (void) ngx_http_paytrade_note_failure(r, call);

        *problem = PT_UNAVAILABLE;
        return NGX_DECLINED;
    }

    if (word->reply == ngx_http_paytrade_hold_replayed
        || word->reply == ngx_http_paytrade_hold_purged)
    {
        return NGX_DONE;
    }

    *problem = word->problem;

    return NGX_DECLINED;
}


/* held order_id amount created_ms expires_ms */
static ngx_int_t
ngx_http_paytrade_hold_held(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f)
{
    pt_out_t                   lines;
    pt_order_t                 order;
    ngx_http_paytrade_ctx_t   *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    ngx_memzero(&order, sizeof(pt_order_t));

    if (pt_slice_uint(f[2], PT_AMOUNT_MAX, &order.amount) != 0
        || pt_slice_uint(f[3], PT_TIME_MAX_MS, &order.created_at) != 0
        || pt_slice_uint(f[4], PT_TIME_MAX_MS, &order.expires_at) != 0)
    {
        return ngx_http_paytrade_reply_failure(r, call);
    }

    ngx_http_paytrade_out_init(&lines, r, 256);
    pt_hold_lines(&lines, &ctx->hold);

    if (lines.failed) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    order.id = f[1];
    order.status = PT_ORDER_HELD;
    order.sale = call->argv[1];
    order.lines = pt_out_slice(&lines);
    order.meta = ctx->hold.meta;

    if (ngx_http_paytrade_tell_key(r) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_paytrade_count(call->worker->conf->shm_zone,
                            NGX_HTTP_PAYTRADE_HELD, 1);

    return ngx_http_paytrade_reply_order(r, NGX_HTTP_CREATED, "held", &order);
}


/* replayed <order row> */
static ngx_int_t
ngx_http_paytrade_hold_replayed(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f)
{
    pt_slice_t  row, word;

    row = call->reply;
    (void) pt_slice_next(&row, '\t', &word);

    return ngx_http_paytrade_hold_replay(r, call, row);
}


static ngx_int_t
ngx_http_paytrade_hold_replay(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t row)
{
    pt_order_t  order;

    if (pt_order_parse_row(&order, row) != 0) {
        return ngx_http_paytrade_reply_failure(r, call);
    }

    if (ngx_http_paytrade_header(r, "Idempotency-Replayed",
                                 pt_slice_lit("true"))
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_paytrade_count(call->worker->conf->shm_zone,
                            NGX_HTTP_PAYTRADE_REPLAYED, 1);

    return ngx_http_paytrade_reply_order(r, NGX_HTTP_OK, "replayed", &order);
}


/* purged order_id: the key is known, the order is only in PostgreSQL */
static ngx_int_t
ngx_http_paytrade_hold_purged(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f)
{
    return ngx_http_paytrade_stored_order(r, f[1],
                                          ngx_http_paytrade_hold_purged_row);
}


static void
ngx_http_paytrade_hold_purged_row(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    PGresult   *res;
    ngx_int_t   rc;

    if (call->pg_outcome != NGX_PAYTRADE_PG_OK
        || PQntuples(call->exchange.results[0]) != 1)
    {
        rc = ngx_http_paytrade_reply_failure(r, call);

    } else {
        res = call->exchange.results[0];

        rc = ngx_http_paytrade_hold_replay(r, call,
                                           pt_slice(PQgetvalue(res, 0, 0),
                                                    PQgetlength(res, 0, 0)));
    }

    ngx_http_paytrade_finish(r, rc);
}


/* price_changed sku price; without a SKU it is the total that differs */
static ngx_int_t
ngx_http_paytrade_hold_price_changed(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f)
{
    int64_t   price;
    pt_out_t  out;

    if (pt_slice_uint(f[2], PT_AMOUNT_MAX, &price) != 0) {
        return ngx_http_paytrade_reply_failure(r, call);
    }

    ngx_http_paytrade_out_init(&out, r, 256);

    if (f[1].len) {
        pt_problem_open(&out, PT_PRICE_CHANGED,
                        "the unit price is another one");
        pt_out_str(&out, ",\"sku\":");
        pt_out_json(&out, f[1]);
        pt_out_str(&out, ",\"unit_price\":\"");

    } else {
        pt_problem_open(&out, PT_PRICE_CHANGED,
                        "the amount is not the sum of the lines");
        pt_out_str(&out, ",\"amount\":\"");
    }

    pt_out_money(&out, price, call->worker->conf->decimals);
    pt_out_str(&out, "\"}");

    return ngx_http_paytrade_reply_problem_out(r, PT_PRICE_CHANGED, &out);
}


/* not_started sku starts_ms */
static ngx_int_t
ngx_http_paytrade_hold_not_started(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f)
{
    int64_t      starts_at, wait;
    pt_out_t     out;
    ngx_time_t  *tp;

    if (pt_slice_uint(f[2], PT_TIME_MAX_MS, &starts_at) != 0) {
        return ngx_http_paytrade_reply_failure(r, call);
    }

    ngx_http_paytrade_out_init(&out, r, 256);

    pt_problem_open(&out, PT_NOT_STARTED, "the sale has not started yet");
    pt_out_str(&out, ",\"sku\":");
    pt_out_json(&out, f[1]);
    pt_out_str(&out, ",\"starts_at\":\"");
    pt_out_time(&out, starts_at);
    pt_out_str(&out, "\"}");

    /* a hint, so the worker's clock is good enough */

    tp = ngx_timeofday();
    wait = starts_at - ((int64_t) tp->sec * 1000 + tp->msec);

    if (ngx_http_paytrade_retry_after(r, wait) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_paytrade_reply_problem_out(r, PT_NOT_STARTED, &out);
}


/* limit_reached sku order_id; without an order none of the buyer's is open */
static ngx_int_t
ngx_http_paytrade_hold_limit(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f)
{
    pt_out_t  out;

    ngx_http_paytrade_out_init(&out, r, 256);

    pt_problem_open(&out, PT_LIMIT_REACHED,
                    "this user may not have more units of the item");
    pt_out_str(&out, ",\"sku\":");
    pt_out_json(&out, f[1]);

    if (f[2].len) {
        pt_out_str(&out, ",\"order_id\":");
        pt_out_json(&out, f[2]);
    }

    pt_out_char(&out, '}');

    return ngx_http_paytrade_reply_problem_out(r, PT_LIMIT_REACHED, &out);
}


/* sold_out sku available retry_at_ms */
static ngx_int_t
ngx_http_paytrade_hold_short(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call, pt_slice_t *f)
{
    int64_t      available, retry_at, wait;
    ngx_time_t  *tp;

    if (pt_slice_uint(f[2], PT_UNITS_MAX, &available) != 0
        || pt_slice_uint(f[3], PT_TIME_MAX_MS, &retry_at) != 0)
    {
        return ngx_http_paytrade_reply_failure(r, call);
    }

    wait = 0;

    if (retry_at) {
        tp = ngx_timeofday();
        wait = retry_at - ((int64_t) tp->sec * 1000 + tp->msec);
        wait = ngx_max(wait, 1);
    }

    return ngx_http_paytrade_hold_sold_out(r, f[1], available, wait);
}


ngx_int_t
ngx_http_paytrade_hold_sold_out(ngx_http_request_t *r, pt_slice_t sku,
    int64_t available, int64_t retry_ms)
{
    pt_out_t  out;

    ngx_http_paytrade_out_init(&out, r, 256);

    pt_problem_open(&out, PT_SOLD_OUT,
                    available ? "fewer units are left than asked for"
                    : retry_ms ? "all units are held; some may come back"
                    : "all units are sold, or too few are held");

    pt_out_str(&out, ",\"sku\":");
    pt_out_json(&out, sku);
    pt_out_str(&out, ",\"available\":");
    pt_out_int(&out, available);
    pt_out_char(&out, '}');

    if (retry_ms && ngx_http_paytrade_retry_after(r, retry_ms) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_paytrade_reply_problem_out(r, PT_SOLD_OUT, &out);
}
