/*
 * What settle.lua made of a callback, told to the gateway.
 */

#include "ngx_http_paytrade_notify.h"


/* A word of settle.lua about a notice, and what it comes to. */
typedef struct {
    pt_slice_t   word;
    ngx_uint_t   callback;
    pt_answer_e  answer;
} ngx_http_paytrade_notify_word_t;


static void ngx_http_paytrade_notify_settled(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static ngx_int_t ngx_http_paytrade_notify_decide(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call);
static ngx_int_t ngx_http_paytrade_notify_mismatch(ngx_http_request_t *r,
    pt_slice_t rest);
static void ngx_http_paytrade_notify_count(ngx_http_paytrade_call_t *call);
static ngx_uint_t ngx_http_paytrade_notify_due(pt_slice_t row);


static const ngx_http_paytrade_notify_word_t
    ngx_http_paytrade_notify_words[] =
{
    { pt_slice_const("settled"),
      NGX_HTTP_PAYTRADE_CALLBACK_SETTLED, PT_ANSWER_ACCEPTED },
    { pt_slice_const("duplicate"),
      NGX_HTTP_PAYTRADE_CALLBACK_DUPLICATE, PT_ANSWER_ACCEPTED },
    { pt_slice_const("refunded"),
      NGX_HTTP_PAYTRADE_CALLBACK_REFUNDED, PT_ANSWER_ACCEPTED },
    { pt_slice_const("settled_refunded"),
      NGX_HTTP_PAYTRADE_CALLBACK_REFUNDED, PT_ANSWER_ACCEPTED },
    { pt_slice_const("closed"),
      NGX_HTTP_PAYTRADE_CALLBACK_CLOSED, PT_ANSWER_ACCEPTED },
    { pt_slice_const("unchanged"),
      NGX_HTTP_PAYTRADE_CALLBACK_CLOSED, PT_ANSWER_ACCEPTED },
    { pt_slice_const("too_early"),
      NGX_HTTP_PAYTRADE_CALLBACK_TOO_EARLY, PT_ANSWER_LATER },

    { pt_slice_const(""), 0, PT_ANSWER_LATER }
};


ngx_int_t
ngx_http_paytrade_notify_settle(ngx_http_request_t *r)
{
    pt_notice_t                 *notice;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_call_t    *call;
    ngx_http_paytrade_notify_t  *notify;

    static const struct {
        const char  *word;
        int64_t      argc;
    } *kind, by_number = { "refund", 8 }, kinds[] = {
        [PT_NOTICE_PAID] = { "paid", 6 },
        [PT_NOTICE_REFUNDED] = { "refunded", 8 },
        [PT_NOTICE_CLOSED] = { "closed", 6 },
    };

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    notify = ctx->data;
    notice = notify->notice;

    call = ngx_http_paytrade_call_get(r);
    if (call == NULL) {
        return ngx_http_paytrade_notify_later(r);
    }

    kind = &kinds[notice->kind];

    if (notice->kind == PT_NOTICE_REFUNDED && notice->one_refund) {
        kind = &by_number;
    }

    ngx_http_paytrade_call_str(call, kind->word);
    ngx_http_paytrade_call_int(call, kind->argc);
    ngx_http_paytrade_call_arg(call, notify->pay_no);
    ngx_http_paytrade_call_arg(call, pt_slice(notify->gateway->name.data,
                                              notify->gateway->name.len));
    ngx_http_paytrade_call_arg(call, notice->trade_no);

    if (notice->amount == -1) {
        ngx_http_paytrade_call_arg(call, pt_slice_null);

    } else {
        ngx_http_paytrade_call_int(call, notice->amount);
    }

    ngx_http_paytrade_call_arg(call, notice->currency);

    if (notice->kind == PT_NOTICE_REFUNDED) {
        ngx_http_paytrade_call_arg(call, notice->refund_no);
        ngx_http_paytrade_call_int(call, notice->refunded);
    }

    ngx_http_paytrade_call_int(call, notice->paid_at);

    if (ngx_http_paytrade_call_redis(call, notify->partition,
                                     NGX_PAYTRADE_SCRIPT_SETTLE,
                                     ngx_http_paytrade_notify_settled)
        != NGX_OK)
    {
        return ngx_http_paytrade_notify_later(r);
    }

    return NGX_HTTP_PAYTRADE_WAITS;
}


static void
ngx_http_paytrade_notify_settled(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_notify_t  *notify;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    notify = ctx->data;

    ngx_http_paytrade_notify_count(call);

    /* too late: the gateway was told to ask again */

    if (notify->answered) {
        return;
    }

    ngx_http_paytrade_notify_continue(r,
                                    ngx_http_paytrade_notify_decide(r, call));
}


static ngx_int_t
ngx_http_paytrade_notify_decide(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    pt_slice_t                              word, rest;
    const ngx_http_paytrade_notify_word_t  *known;

    word = ngx_http_paytrade_word(call, &rest);

    for (known = ngx_http_paytrade_notify_words; known->word.len; known++) {
        if (pt_slice_eq(known->word, word)) {
            return ngx_http_paytrade_notify_conclude(r, known->callback,
                                                     known->answer);
        }
    }

    if (pt_slice_eq(word, pt_slice_lit("unknown_payment"))) {
        return ngx_http_paytrade_notify_unknown(r);
    }

    if (pt_slice_eq(word, pt_slice_lit("mismatch"))) {
        return ngx_http_paytrade_notify_mismatch(r, rest);
    }

    return ngx_http_paytrade_notify_failed(r, call);
}


/* mismatch reason 1|0: the script has recorded it */
static ngx_int_t
ngx_http_paytrade_notify_mismatch(ngx_http_request_t *r, pt_slice_t rest)
{
    pt_slice_t  reason;

    (void) pt_slice_next(&rest, '\t', &reason);

    ngx_http_paytrade_callback_tell(r, "does not fit its payment", reason);

    return ngx_http_paytrade_notify_conclude(r,
                                         NGX_HTTP_PAYTRADE_CALLBACK_MISMATCH,
                                         PT_ANSWER_LATER);
}


/* What the script did is done, whether or not there is time to answer. */
static void
ngx_http_paytrade_notify_count(ngx_http_paytrade_call_t *call)
{
    ngx_uint_t       due, both;
    pt_slice_t       word, row;
    ngx_shm_zone_t  *zone;

    word = ngx_http_paytrade_word(call, &row);
    zone = call->worker->conf->shm_zone;

    both = pt_slice_eq(word, pt_slice_lit("settled_refunded"));

    if (both || pt_slice_eq(word, pt_slice_lit("refunded"))) {
        ngx_http_paytrade_count(zone, NGX_HTTP_PAYTRADE_REFUNDED, 1);
    }

    if (!both && !pt_slice_eq(word, pt_slice_lit("settled"))) {
        return;
    }

    ngx_http_paytrade_count(zone, NGX_HTTP_PAYTRADE_SETTLED, 1);

    due = ngx_http_paytrade_notify_due(row);

    if (due) {
        ngx_http_paytrade_count(zone, NGX_HTTP_PAYTRADE_REFUND_DUE, due);
    }
}


static ngx_uint_t
ngx_http_paytrade_notify_due(pt_slice_t row)
{
    pt_part_t     part;
    ngx_uint_t    n;
    pt_payment_t  payment;

    if (pt_payment_parse_row(&payment, row) != 0) {
        return 0;
    }

    n = 0;

    while (pt_payment_next_part(&payment.parts, &part) == 1) {
        if (part.outcome == PT_OUTCOME_REFUND_DUE) {
            n++;
        }
    }

    return n;
}


ngx_int_t
ngx_http_paytrade_notify_failed(ngx_http_request_t *r,
    ngx_http_paytrade_call_t *call)
{
    (void) ngx_http_paytrade_note_failure(r, call);

    return ngx_http_paytrade_notify_later(r);
}


ngx_int_t
ngx_http_paytrade_notify_later(ngx_http_request_t *r)
{
    return ngx_http_paytrade_notify_conclude(r,
                                      NGX_HTTP_PAYTRADE_CALLBACK_UNAVAILABLE,
                                      PT_ANSWER_LATER);
}


/*
 * A callback that was refused stays so.  Else the first notice that is no
 * success decides, or the first of all.
 */
ngx_int_t
ngx_http_paytrade_notify_conclude(ngx_http_request_t *r, ngx_uint_t callback,
    pt_answer_e answer)
{
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_notify_t  *notify;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    notify = ctx->data;

    ngx_http_paytrade_callback_count(r, notify->gateway, callback);

    if (notify->callback == NGX_HTTP_PAYTRADE_CALLBACK_NONE
        || (notify->answer == PT_ANSWER_ACCEPTED
            && answer != PT_ANSWER_ACCEPTED))
    {
        notify->callback = callback;
        notify->answer = answer;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_paytrade_notify_reply(ngx_http_request_t *r)
{
    ngx_uint_t                   status;
    const pt_answer_t           *said;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_notify_t  *notify;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    notify = ctx->data;

    notify->answered = 1;
    notify->next = NULL;

    if (notify->deadline.timer_set) {
        ngx_del_timer(&notify->deadline);
    }

    said = &notify->gateway->type->answers[notify->answer];
    status = said->status;

    if (notify->callback == NGX_HTTP_PAYTRADE_CALLBACK_TOO_LARGE) {
        status = NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;

    } else if (notify->callback == NGX_HTTP_PAYTRADE_CALLBACK_THROTTLED) {
        status = NGX_HTTP_TOO_MANY_REQUESTS;
    }

    return ngx_http_paytrade_reply_text(r, status,
                            ngx_http_paytrade_callback_word(notify->callback),
                            said->content_type, said->body);
}
