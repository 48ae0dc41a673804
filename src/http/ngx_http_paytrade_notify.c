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


static ngx_int_t ngx_http_paytrade_notify_turn_away(ngx_http_request_t *r,
    ngx_uint_t callback, ngx_msec_t ms);
static ngx_int_t ngx_http_paytrade_notify_too_large(ngx_http_request_t *r);
static void ngx_http_paytrade_notify_body(ngx_http_request_t *r,
    pt_slice_t body);
static ngx_int_t ngx_http_paytrade_notify_start(ngx_http_request_t *r);
static ngx_int_t ngx_http_paytrade_notify_run(ngx_http_request_t *r);
static ngx_int_t ngx_http_paytrade_notify_take(ngx_http_request_t *r);
static void ngx_http_paytrade_notify_find(ngx_http_request_t *r);
static void ngx_http_paytrade_notify_cleanup(void *data);
static void ngx_http_paytrade_notify_timeout(ngx_event_t *ev);


ngx_int_t
ngx_http_paytrade_notify_handler(ngx_http_request_t *r)
{
    ngx_int_t                      rc;
    ngx_msec_t                     ms;
    ngx_uint_t                     callback;
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
    notify->callback = NGX_HTTP_PAYTRADE_CALLBACK_NONE;
    ctx->data = notify;

    callback = ngx_http_paytrade_callback_enter(r, notify->gateway, &ms);

    if (callback != NGX_HTTP_PAYTRADE_CALLBACK_NONE) {
        return ngx_http_paytrade_notify_turn_away(r, callback, ms);
    }

    rc = ngx_http_paytrade_read_raw(r, plcf->callback_size,
                                    ngx_http_paytrade_notify_body,
                                    ngx_http_paytrade_notify_too_large);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        ngx_http_paytrade_callback_leave(ctx);
    }

    return rc;
}


/* Not looked at at all. */
static ngx_int_t
ngx_http_paytrade_notify_turn_away(ngx_http_request_t *r, ngx_uint_t callback,
    ngx_msec_t ms)
{
    const char  *word;

    word = ngx_http_paytrade_callback_word(callback);

    ngx_http_paytrade_callback_tell(r, "turned away",
                                    pt_slice(word, ngx_strlen(word)));

    if (callback == NGX_HTTP_PAYTRADE_CALLBACK_THROTTLED
        && ngx_http_paytrade_retry_after(r, ms) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    (void) ngx_http_paytrade_notify_conclude(r, callback,
                          callback == NGX_HTTP_PAYTRADE_CALLBACK_TOO_LARGE
                              ? PT_ANSWER_REFUSED : PT_ANSWER_LATER);

    return ngx_http_paytrade_notify_reply(r);
}


static ngx_int_t
ngx_http_paytrade_notify_too_large(ngx_http_request_t *r)
{
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    ngx_http_paytrade_callback_leave(ctx);

    return ngx_http_paytrade_notify_turn_away(r,
                                   NGX_HTTP_PAYTRADE_CALLBACK_TOO_LARGE, 0);
}


static void
ngx_http_paytrade_notify_body(ngx_http_request_t *r, pt_slice_t body)
{
    ngx_int_t                    rc;
    pt_verify_e                  result;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_notify_t  *notify;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    notify = ctx->data;

    result = ngx_http_paytrade_callback_verify(r, notify->gateway, r->pool,
                                               body, &notify->first);

    ngx_http_paytrade_callback_leave(ctx);
    ngx_http_paytrade_callback_set_verify(ctx, pt_verify_words[result]);

    notify->next = &notify->first;

    if (result != PT_VERIFY_OK) {
        ngx_http_paytrade_callback_refused(r, notify->gateway, result);

        notify->callback = NGX_HTTP_PAYTRADE_CALLBACK_REFUSED + result;
        notify->answer = result == PT_VERIFY_NO_MEMORY ? PT_ANSWER_LATER
                                                       : PT_ANSWER_REFUSED;

        rc = ngx_http_paytrade_notify_run(r);

    } else if (ngx_http_paytrade_callback_vars(r, &notify->first) != NGX_OK) {
        (void) ngx_http_paytrade_notify_later(r);

        rc = ngx_http_paytrade_notify_reply(r);

    } else {
        rc = ngx_http_paytrade_notify_run(r);
    }

    ngx_http_paytrade_wait_body(r, rc);
}


/* Takes what is left; a step of the request. */
static ngx_int_t
ngx_http_paytrade_notify_run(ngx_http_request_t *r)
{
    ngx_int_t                    rc;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_notify_t  *notify;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    notify = ctx->data;

    while (notify->next) {
        notify->notice = notify->next;
        notify->next = notify->notice->next;

        if (!notify->notice->genuine) {
            continue;
        }

        rc = ngx_http_paytrade_notify_take(r);

        if (rc == NGX_HTTP_PAYTRADE_WAITS) {
            return rc;
        }
    }

    return ngx_http_paytrade_notify_reply(r);
}


void
ngx_http_paytrade_notify_continue(ngx_http_request_t *r, ngx_int_t rc)
{
    if (rc != NGX_HTTP_PAYTRADE_WAITS) {
        rc = ngx_http_paytrade_notify_run(r);
    }

    ngx_http_paytrade_wait_call(r, rc);
}


static ngx_int_t
ngx_http_paytrade_notify_take(ngx_http_request_t *r)
{
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_notify_t  *notify;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    notify = ctx->data;

    if (notify->notice->kind == PT_NOTICE_IGNORED) {
        return ngx_http_paytrade_notify_conclude(r,
                                          NGX_HTTP_PAYTRADE_CALLBACK_IGNORED,
                                          PT_ANSWER_ACCEPTED);
    }

    ngx_http_paytrade_notify_find(r);

    if (ngx_http_paytrade_notify_start(r) != NGX_OK) {
        return ngx_http_paytrade_notify_later(r);
    }

    if (notify->notice->kind == PT_NOTICE_UNCONFIRMED) {
        return ngx_http_paytrade_notify_record(r, "unconfirmed_refund");
    }

    if (notify->pay_no.len == 0) {
        return ngx_http_paytrade_notify_record(r, "unknown_payment");
    }

    return ngx_http_paytrade_notify_settle(r);
}


/* The time begins with the first of the notices. */
static ngx_int_t
ngx_http_paytrade_notify_start(ngx_http_request_t *r)
{
    ngx_http_cleanup_t          *cln;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_notify_t  *notify;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    notify = ctx->data;

    if (notify->deadline.timer_set) {
        return NGX_OK;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_paytrade_notify_cleanup;
    cln->data = notify;

    notify->deadline.handler = ngx_http_paytrade_notify_timeout;
    notify->deadline.data = r;
    notify->deadline.log = r->connection->log;

    ngx_add_timer(&notify->deadline, NGX_HTTP_PAYTRADE_NOTIFY_TIME);

    return NGX_OK;
}


/* Only our prefix and a whole pay_no make a payment of ours. */
static void
ngx_http_paytrade_notify_find(ngx_http_request_t *r)
{
    int64_t                      id;
    pt_slice_t                   pay_no;
    ngx_uint_t                   partitions;
    ngx_http_paytrade_ctx_t     *ctx;
    ngx_http_paytrade_notify_t  *notify;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    notify = ctx->data;
    partitions = ctx->worker->conf->partitions;

    notify->pay_no = pt_slice_null;
    notify->partition = 0;
    notify->known = 0;

    pay_no = ngx_http_paytrade_callback_pay_no(r,
                                               notify->notice->out_trade_no);

    if (pt_id_parse(pay_no, &id) != 0 || pt_id_partition(id) >= partitions) {
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
    ngx_http_request_t       *r;
    ngx_http_paytrade_ctx_t  *ctx;

    r = ev->data;

    ngx_http_set_log_request(r->connection->log, r);

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    if (ctx == NULL) {
        return;
    }

    ngx_http_paytrade_callback_tell(r, "not answered in time",
                                    pt_slice_lit("unavailable"));

    (void) ngx_http_paytrade_notify_later(r);

    ngx_http_paytrade_finish(r, ngx_http_paytrade_notify_reply(r));
}
