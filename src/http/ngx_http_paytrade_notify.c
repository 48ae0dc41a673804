/*
 * paytrade_notify: a gateway's callback, verified and answered within the
 * request.
 *
 * The body is verified as it came.  A genuine notice goes to Redis; only what
 * the script says makes it a success.  Whatever happens, the gateway has an
 * answer in time: an answer of Redis that comes later is thrown away, and the
 * gateway's next try finds what it did.
 */

#include "ngx_http_paytrade_notify.h"


/* Milliseconds from the body to the answer. */
#define NGX_HTTP_PAYTRADE_NOTIFY_TIME  2500


static ngx_int_t ngx_http_paytrade_notify_too_large(ngx_http_request_t *r);
static void ngx_http_paytrade_notify_body(ngx_http_request_t *r,
    pt_slice_t body);
static pt_verify_e ngx_http_paytrade_notify_verify(ngx_http_request_t *r,
    pt_slice_t body);
static ngx_uint_t ngx_http_paytrade_notify_is_sound(pt_notice_t *notice);
static void *ngx_http_paytrade_notify_alloc(void *ctx, size_t size);
static ngx_int_t ngx_http_paytrade_notify_start(ngx_http_request_t *r);
static void ngx_http_paytrade_notify_find(ngx_http_request_t *r);
static void ngx_http_paytrade_notify_cleanup(void *data);
static void ngx_http_paytrade_notify_timeout(ngx_event_t *ev);


ngx_int_t
ngx_http_paytrade_notify_handler(ngx_http_request_t *r)
{
    ngx_http_paytrade_ctx_t       *ctx;
    ngx_http_paytrade_notify_t    *notify;
    ngx_http_paytrade_loc_conf_t  *plcf;

    ctx = ngx_http_paytrade_begin(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_paytrade_module);

    ctx->gateway = plcf->gateway->name;

    if (r->method != NGX_HTTP_POST) {
        return ngx_http_paytrade_bad_method(r, "POST");
    }

    notify = ngx_pcalloc(r->pool, sizeof(ngx_http_paytrade_notify_t));
    if (notify == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    notify->gateway = plcf->gateway;
    ctx->data = notify;

    if (ctx->worker == NULL) {
        return ngx_http_paytrade_notify_later(r);
    }

    return ngx_http_paytrade_read_raw(r, ngx_http_paytrade_notify_body,
                                      ngx_http_paytrade_notify_too_large);
}


static ngx_int_t
ngx_http_paytrade_notify_too_large(ngx_http_request_t *r)
{
    ngx_http_paytrade_notify_tell(r, "refused", pt_slice_lit("too_large"));

    return ngx_http_paytrade_notify_reply(r,
                                       NGX_HTTP_PAYTRADE_CALLBACK_TOO_LARGE,
                                       PT_ANSWER_REFUSED);
}


static void
ngx_http_paytrade_notify_body(ngx_http_request_t *r, pt_slice_t body)
{
    ngx_int_t                    rc;
    const char                  *word;
    pt_verify_e                  result;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_notify_t  *notify;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    notify = ctx->data;

    result = ngx_http_paytrade_notify_verify(r, body);

    word = pt_verify_words[result];
    ctx->verify.data = (u_char *) word;
    ctx->verify.len = ngx_strlen(word);

    if (result != PT_VERIFY_OK) {
        ngx_http_paytrade_notify_tell(r, "refused",
                                      pt_slice(word, ctx->verify.len));

        rc = ngx_http_paytrade_notify_reply(r,
                                 NGX_HTTP_PAYTRADE_CALLBACK_REFUSED + result,
                                 result == PT_VERIFY_NO_MEMORY
                                     ? PT_ANSWER_LATER : PT_ANSWER_REFUSED);

    } else if (notify->notice.kind == PT_NOTICE_IGNORED) {
        rc = ngx_http_paytrade_notify_reply(r,
                                          NGX_HTTP_PAYTRADE_CALLBACK_IGNORED,
                                          PT_ANSWER_ACCEPTED);

    } else {
        rc = ngx_http_paytrade_notify_start(r);
    }

    ngx_http_paytrade_wait_body(r, rc);
}


static pt_verify_e
ngx_http_paytrade_notify_verify(ngx_http_request_t *r, pt_slice_t body)
{
    pt_verify_e                   result;
    pt_callback_t                 callback;
    ngx_http_paytrade_ctx_t      *ctx;
    ngx_http_paytrade_notify_t   *notify;
    ngx_http_paytrade_gateway_t  *gateway;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    notify = ctx->data;
    gateway = notify->gateway;

    callback.body = body.len ? body : pt_slice_lit("");
    callback.header = ngx_http_paytrade_header_in;
    callback.ctx = r;
    callback.alloc = ngx_http_paytrade_notify_alloc;
    callback.alloc_ctx = r->pool;

    result = gateway->type->verify(gateway->conf, &callback, &notify->notice);

    if (result == PT_VERIFY_OK
        && !ngx_http_paytrade_notify_is_sound(&notify->notice))
    {
        return PT_VERIFY_BAD_VALUE;
    }

    return result;
}


/* What goes to the scripts as it is has to be text of a bounded length. */
static ngx_uint_t
ngx_http_paytrade_notify_is_sound(pt_notice_t *notice)
{
    if (notice->kind == PT_NOTICE_IGNORED) {
        return 1;
    }

    if (!pt_text_valid(notice->out_trade_no, PT_TRADE_NO_MAX)
        || !pt_text_valid(notice->trade_no, PT_TRADE_NO_MAX)
        || (notice->currency.len && !pt_name_valid(notice->currency))
        || notice->amount < 0 || notice->amount > PT_AMOUNT_MAX
        || notice->paid_at < 0 || notice->paid_at > PT_TIME_MAX_MS)
    {
        return 0;
    }

    if (notice->kind != PT_NOTICE_REFUNDED) {
        return 1;
    }

    return pt_text_valid(notice->refund_no, PT_REFUND_NO_MAX)
           && notice->refunded >= 0 && notice->refunded <= PT_AMOUNT_MAX;
}


static void *
ngx_http_paytrade_notify_alloc(void *ctx, size_t size)
{
    return ngx_palloc(ctx, size);
}


static ngx_int_t
ngx_http_paytrade_notify_start(ngx_http_request_t *r)
{
    ngx_http_cleanup_t          *cln;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_notify_t  *notify;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    notify = ctx->data;

    ngx_http_paytrade_notify_find(r);

    ngx_http_paytrade_set_payment_vars(r, notify->pay_no,
                                       notify->notice.trade_no,
                                       notify->notice.amount);

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return ngx_http_paytrade_notify_later(r);
    }

    cln->handler = ngx_http_paytrade_notify_cleanup;
    cln->data = notify;

    notify->deadline.handler = ngx_http_paytrade_notify_timeout;
    notify->deadline.data = r;
    notify->deadline.log = r->connection->log;

    ngx_add_timer(&notify->deadline, NGX_HTTP_PAYTRADE_NOTIFY_TIME);

    if (notify->pay_no.len == 0) {
        return ngx_http_paytrade_notify_record(r, "unknown_payment");
    }

    return ngx_http_paytrade_notify_settle(r);
}


/* Only our prefix and a whole pay_no make a payment of ours. */
static void
ngx_http_paytrade_notify_find(ngx_http_request_t *r)
{
    int64_t                      id;
    pt_slice_t                   pay_no, prefix;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_notify_t  *notify;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    notify = ctx->data;

    pay_no = notify->notice.out_trade_no;

    prefix = pt_slice(ctx->worker->conf->prefix.data,
                      ctx->worker->conf->prefix.len);

    if (pay_no.len < prefix.len
        || !pt_slice_eq(pt_slice(pay_no.data, prefix.len), prefix))
    {
        return;
    }

    pay_no.data += prefix.len;
    pay_no.len -= prefix.len;

    if (pt_id_parse(pay_no, &id) != 0
        || pt_id_partition(id) >= (unsigned) ctx->worker->conf->partitions)
    {
        return;
    }

    notify->pay_no = pay_no;
    notify->partition = pt_id_partition(id);
}


static void
ngx_http_paytrade_notify_cleanup(void *data)
{
    ngx_http_paytrade_notify_t *notify = data;

    if (notify->deadline.timer_set) {
        ngx_del_timer(&notify->deadline);
    }
}


static void
ngx_http_paytrade_notify_timeout(ngx_event_t *ev)
{
    ngx_http_request_t  *r;

    r = ev->data;

    ngx_http_set_log_request(r->connection->log, r);

    if (ngx_http_get_module_ctx(r, ngx_http_paytrade_module) == NULL) {
        return;
    }

    ngx_http_paytrade_notify_tell(r, "not answered in time",
                                  pt_slice_lit("unavailable"));

    ngx_http_paytrade_finish(r, ngx_http_paytrade_notify_later(r));
}


void
ngx_http_paytrade_notify_tell(ngx_http_request_t *r, const char *what,
    pt_slice_t why)
{
    time_t                      now;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_worker_t  *worker;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    worker = ctx->worker;
    now = ngx_time();

    if (worker->told == now) {
        worker->untold++;
        return;
    }

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "paytrade: callback of gateway \"%V\" %s: %*s; "
                  "%ui before it not told",
                  &ctx->gateway, what, why.len, why.data, worker->untold);

    worker->told = now;
    worker->untold = 0;
}
