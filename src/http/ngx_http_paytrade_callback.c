/*
 * Callbacks of gateways, before anything is done with them: which of them come
 * in, what their gateway's type says of them, what is counted and logged.
 */

#include "ngx_http_paytrade_callback.h"


/* Milliseconds from the headers to the end of the body. */
#define NGX_HTTP_PAYTRADE_CALLBACK_TIME  10000


static ngx_msec_t ngx_http_paytrade_callback_wait(ngx_http_request_t *r,
    ngx_http_paytrade_gateway_t *gateway, ngx_uint_t charge);
static void ngx_http_paytrade_callback_address(ngx_connection_t *c,
    ngx_str_t *address);
static void ngx_http_paytrade_callback_late(ngx_event_t *ev);
static void ngx_http_paytrade_callback_cleanup(void *data);
static void *ngx_http_paytrade_callback_alloc(void *ctx, size_t size);
static ngx_uint_t ngx_http_paytrade_callback_is_sound(pt_notice_t *notice);
static ngx_int_t ngx_http_paytrade_callback_amount(ngx_http_request_t *r,
    pt_notice_t *notice);
static ngx_int_t ngx_http_paytrade_callback_text(ngx_http_request_t *r,
    pt_slice_t text, ngx_str_t *value);


static const char  *ngx_http_paytrade_callback_words[] = {
    "settled",
    "duplicate",
    "refunded",
    "closed",
    "ignored",
    "mismatch",
    "orphan",
    "unavailable",
    "too_large",
    "too_early",
    "throttled",
    "unconfirmed",
    "passed",
    "dry_run",
};


/* $paytrade_event_type */
static const char  *ngx_http_paytrade_notice_words[] = {
    [PT_NOTICE_PAID] = "paid",
    [PT_NOTICE_REFUNDED] = "refunded",
    [PT_NOTICE_CLOSED] = "closed",
    [PT_NOTICE_UNCONFIRMED] = "unconfirmed_refund",
    [PT_NOTICE_IGNORED] = "ignored",
};


const char *
ngx_http_paytrade_callback_word(ngx_uint_t callback)
{
    if (callback < NGX_HTTP_PAYTRADE_CALLBACK_REFUSED) {
        return ngx_http_paytrade_callback_words[callback];
    }

    return pt_verify_words[callback - NGX_HTTP_PAYTRADE_CALLBACK_REFUSED];
}


ngx_uint_t
ngx_http_paytrade_callback_enter(ngx_http_request_t *r,
    ngx_http_paytrade_gateway_t *gateway, ngx_msec_t *ms)
{
    ngx_http_cleanup_t            *cln;
    ngx_http_paytrade_ctx_t       *ctx;
    ngx_http_paytrade_loc_conf_t  *plcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    plcf = ngx_http_get_module_loc_conf(r, ngx_http_paytrade_module);

    if (ctx->worker == NULL) {
        return NGX_HTTP_PAYTRADE_CALLBACK_UNAVAILABLE;
    }

    if (r->headers_in.content_length_n > (off_t) plcf->callback_size) {
        return NGX_HTTP_PAYTRADE_CALLBACK_TOO_LARGE;
    }

    *ms = ngx_http_paytrade_callback_wait(r, gateway, 0);

    if (*ms) {
        return NGX_HTTP_PAYTRADE_CALLBACK_THROTTLED;
    }

    if (ctx->worker->callbacks
        >= (ngx_uint_t) ctx->worker->conf->callbacks)
    {
        return NGX_HTTP_PAYTRADE_CALLBACK_UNAVAILABLE;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_HTTP_PAYTRADE_CALLBACK_UNAVAILABLE;
    }

    cln->handler = ngx_http_paytrade_callback_cleanup;
    cln->data = ctx;

    ctx->worker->callbacks++;
    ctx->counted = 1;

    /* a trial leaves slow clients to the other server */

    if (plcf->dry_run && plcf->verify) {
        return NGX_HTTP_PAYTRADE_CALLBACK_NONE;
    }

    ctx->body_timer.handler = ngx_http_paytrade_callback_late;
    ctx->body_timer.data = r;
    ctx->body_timer.log = r->connection->log;

    ngx_add_timer(&ctx->body_timer, NGX_HTTP_PAYTRADE_CALLBACK_TIME);

    return NGX_HTTP_PAYTRADE_CALLBACK_NONE;
}


void
ngx_http_paytrade_callback_leave(ngx_http_paytrade_ctx_t *ctx)
{
    if (ctx->counted) {
        ctx->counted = 0;
        ctx->worker->callbacks--;
    }

    if (ctx->body_timer.timer_set) {
        ngx_del_timer(&ctx->body_timer);
    }
}


/*
 * Each body that is being read takes one of a bounded number of places: a
 * client that sends a byte now and then must not keep it.
 */
static void
ngx_http_paytrade_callback_late(ngx_event_t *ev)
{
    ngx_connection_t              *c;
    ngx_http_request_t            *r;
    ngx_http_paytrade_gateway_t   *gateway;
    ngx_http_paytrade_loc_conf_t  *plcf;

    r = ev->data;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_paytrade_module);
    gateway = plcf->verify ? plcf->verify : plcf->gateway;

    ngx_http_paytrade_callback_tell(r, "turned away",
                                    pt_slice_lit("its body did not come in "
                                                 "time"));
    ngx_http_paytrade_callback_count(r, gateway,
                                     NGX_HTTP_PAYTRADE_CALLBACK_UNAVAILABLE);
    (void) ngx_http_paytrade_callback_wait(r, gateway, 1);

    c->timedout = 1;

    ngx_http_paytrade_finish(r, NGX_HTTP_REQUEST_TIME_OUT);
}


static void
ngx_http_paytrade_callback_cleanup(void *data)
{
    ngx_http_paytrade_callback_leave(data);
}


/* How long the address has to wait because of what it sent before. */
static ngx_msec_t
ngx_http_paytrade_callback_wait(ngx_http_request_t *r,
    ngx_http_paytrade_gateway_t *gateway, ngx_uint_t charge)
{
    ngx_str_t                       address;
    ngx_http_paytrade_loc_conf_t   *plcf;
    ngx_http_paytrade_main_conf_t  *mcf;

    plcf = ngx_http_get_module_loc_conf(r, ngx_http_paytrade_module);
    mcf = ngx_http_get_module_main_conf(r, ngx_http_paytrade_module);

    if (plcf->unverified_rate == 0) {
        return 0;
    }

    ngx_http_paytrade_callback_address(r->connection, &address);

    return ngx_http_paytrade_zone_unverified(mcf->shm_zone, &gateway->name,
                                             &address, plcf->unverified_rate,
                                             plcf->unverified_burst, charge);
}


/*
 * As $binary_remote_addr, which knows what realip has found, but of IPv6 the
 * network of 64 bits: a host has as many addresses in it as it likes.  IPv4 in
 * IPv6, also behind a translator (RFC 6052), is IPv4.
 */
static void
ngx_http_paytrade_callback_address(ngx_connection_t *c, ngx_str_t *address)
{
    struct sockaddr_in   *sin;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6  *sin6;

    static const u_char   nat64[12] = { 0, 0x64, 0xff, 0x9b };
#endif

    switch (c->sockaddr->sa_family) {

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = (struct sockaddr_in6 *) c->sockaddr;
        address->data = sin6->sin6_addr.s6_addr;
        address->len = 8;

        if (IN6_IS_ADDR_V4MAPPED(&sin6->sin6_addr)
            || ngx_memcmp(address->data, nat64, sizeof(nat64)) == 0)
        {
            address->data += 12;
            address->len = 4;
        }

        break;
#endif

#if (NGX_HAVE_UNIX_DOMAIN)
    case AF_UNIX:
        *address = c->addr_text;
        break;
#endif

    default: /* AF_INET */
        sin = (struct sockaddr_in *) c->sockaddr;
        address->data = (u_char *) &sin->sin_addr;
        address->len = sizeof(in_addr_t);
    }
}


pt_verify_e
ngx_http_paytrade_callback_verify(ngx_http_request_t *r,
    ngx_http_paytrade_gateway_t *gateway, ngx_pool_t *pool, pt_slice_t body,
    pt_notice_t *notice)
{
    ngx_time_t     *tp;
    pt_notice_t    *one;
    pt_verify_e     result;
    pt_callback_t   callback;

    tp = ngx_timeofday();

    callback.body = body.len ? body : pt_slice_lit("");
    callback.header = ngx_http_paytrade_header_in;
    callback.ctx = r;
    callback.now = (int64_t) tp->sec * 1000 + tp->msec;
    callback.alloc = ngx_http_paytrade_callback_alloc;
    callback.alloc_ctx = pool;

    ngx_memzero(notice, sizeof(pt_notice_t));

    result = gateway->type->verify(gateway->conf, &callback, notice);

    if (result == PT_VERIFY_OK) {
        for (one = notice; one; one = one->next) {
            one->genuine = 1;
        }
    }

    for (one = notice; one; one = one->next) {

        if (!one->genuine || ngx_http_paytrade_callback_is_sound(one)) {
            continue;
        }

        one->genuine = 0;

        if (result == PT_VERIFY_OK) {
            result = PT_VERIFY_BAD_VALUE;
        }
    }

    return result;
}


static void *
ngx_http_paytrade_callback_alloc(void *ctx, size_t size)
{
    return ngx_palloc(ctx, size);
}


/* What goes to the scripts as it is has to be text of a bounded length. */
static ngx_uint_t
ngx_http_paytrade_callback_is_sound(pt_notice_t *notice)
{
    ngx_uint_t  refund, told;

    if (notice->kind == PT_NOTICE_IGNORED) {
        return 1;
    }

    refund = notice->kind == PT_NOTICE_REFUNDED
             || notice->kind == PT_NOTICE_UNCONFIRMED;

    told = notice->kind == PT_NOTICE_PAID
           || (notice->kind == PT_NOTICE_REFUNDED && !notice->one_refund);

    if (!pt_text_valid(notice->out_trade_no, PT_TRADE_NO_MAX)
        || !pt_text_valid(notice->trade_no, PT_TRADE_NO_MAX)
        || (notice->currency.len && !pt_name_valid(notice->currency))
        || notice->amount < (told ? 0 : -1)
        || notice->amount > PT_AMOUNT_MAX
        || notice->paid_at < 0 || notice->paid_at > PT_TIME_MAX_MS)
    {
        return 0;
    }

    if (!refund) {
        return 1;
    }

    return pt_text_valid(notice->refund_no, PT_REFUND_NO_MAX)
           && notice->refunded >= 0 && notice->refunded <= PT_AMOUNT_MAX;
}


ngx_int_t
ngx_http_paytrade_callback_vars(ngx_http_request_t *r, pt_notice_t *notice)
{
    pt_slice_t                pay_no;
    const char               *type;
    ngx_http_paytrade_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);

    pay_no = ngx_http_paytrade_callback_pay_no(r, notice->out_trade_no);

    if (ngx_http_paytrade_callback_text(r, pay_no, &ctx->pay_no) != NGX_OK
        || ngx_http_paytrade_callback_text(r, notice->trade_no,
                                           &ctx->trade_no) != NGX_OK
        || ngx_http_paytrade_callback_text(r, notice->event_id,
                                           &ctx->event_id) != NGX_OK
        || ngx_http_paytrade_callback_text(r, notice->currency,
                                           &ctx->currency) != NGX_OK)
    {
        return NGX_ERROR;
    }

    type = ngx_http_paytrade_notice_words[notice->kind];

    ctx->event_type.data = (u_char *) type;
    ctx->event_type.len = ngx_strlen(type);

    return ngx_http_paytrade_callback_amount(r, notice);
}


/* Minor units of another currency need not have our decimals. */
static ngx_int_t
ngx_http_paytrade_callback_amount(ngx_http_request_t *r, pt_notice_t *notice)
{
    pt_out_t                        out;
    pt_slice_t                      text, currency;
    ngx_http_paytrade_ctx_t        *ctx;
    ngx_http_paytrade_main_conf_t  *mcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    mcf = ngx_http_get_module_main_conf(r, ngx_http_paytrade_module);

    /* one that is ignored need not have an amount, but 0 */

    if (notice->out_trade_no.len == 0
        || notice->amount < (notice->kind == PT_NOTICE_IGNORED ? 1 : 0)
        || notice->amount > PT_AMOUNT_MAX)
    {
        return NGX_OK;
    }

    currency = pt_slice(mcf->currency.data, mcf->currency.len);

    if (notice->currency.len == 0) {

        /* whatever its payment was in, which its gateway told then */

        if (notice->kind == PT_NOTICE_UNCONFIRMED) {
            return NGX_OK;
        }

        ctx->currency = mcf->currency;

    } else if (!pt_slice_eq(notice->currency, currency)) {
        return NGX_OK;
    }

    ngx_http_paytrade_out_init(&out, r, 32);
    pt_out_money(&out, notice->amount, mcf->decimals);

    if (out.failed) {
        return NGX_ERROR;
    }

    text = pt_out_slice(&out);
    ctx->amount.data = (u_char *) text.data;
    ctx->amount.len = text.len;

    return NGX_OK;
}


/* Only what can stand in a header and in a line of a log. */
static ngx_int_t
ngx_http_paytrade_callback_text(ngx_http_request_t *r, pt_slice_t text,
    ngx_str_t *value)
{
    ngx_str_null(value);

    if (!pt_text_valid(text, PT_KEY_MAX)) {
        return NGX_OK;
    }

    value->data = ngx_pnalloc(r->pool, text.len);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(value->data, text.data, text.len);
    value->len = text.len;

    return NGX_OK;
}


pt_slice_t
ngx_http_paytrade_callback_pay_no(ngx_http_request_t *r,
    pt_slice_t out_trade_no)
{
    pt_slice_t                      prefix;
    ngx_http_paytrade_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_paytrade_module);

    prefix = pt_slice(mcf->prefix.data, mcf->prefix.len);

    if (out_trade_no.len < prefix.len
        || !pt_slice_eq(pt_slice(out_trade_no.data, prefix.len), prefix))
    {
        return pt_slice_null;
    }

    out_trade_no.data += prefix.len;
    out_trade_no.len -= prefix.len;

    return out_trade_no;
}


void
ngx_http_paytrade_callback_set_verify(ngx_http_paytrade_ctx_t *ctx,
    const char *word)
{
    ctx->verify.data = (u_char *) word;
    ctx->verify.len = ngx_strlen(word);
}


void
ngx_http_paytrade_callback_count(ngx_http_request_t *r,
    ngx_http_paytrade_gateway_t *gateway, ngx_uint_t callback)
{
    ngx_http_paytrade_main_conf_t         *mcf;
    ngx_http_paytrade_gateway_counters_t  *counters;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_paytrade_module);

    counters = ngx_http_paytrade_zone_gateway(mcf->shm_zone, &gateway->name);

    if (counters) {
        (void) ngx_atomic_fetch_add(&counters->callbacks[callback], 1);
    }
}


void
ngx_http_paytrade_callback_refused(ngx_http_request_t *r,
    ngx_http_paytrade_gateway_t *gateway, pt_verify_e result)
{
    const char  *word;

    word = pt_verify_words[result];

    ngx_http_paytrade_callback_tell(r, "refused",
                                    pt_slice(word, ngx_strlen(word)));

    ngx_http_paytrade_callback_count(r, gateway,
                                 NGX_HTTP_PAYTRADE_CALLBACK_REFUSED + result);

    switch (result) {

    /*
     * What the gateway has signed for somebody else came from the gateway:
     * whoever makes it send that must not shut it out.
     */

    case PT_VERIFY_WRONG_APP:
    case PT_VERIFY_WRONG_MERCHANT:
    case PT_VERIFY_WRONG_SELLER:
    case PT_VERIFY_WRONG_MODE:
    case PT_VERIFY_NO_MEMORY:
        return;

    default:
        (void) ngx_http_paytrade_callback_wait(r, gateway, 1);
    }
}


void
ngx_http_paytrade_callback_tell(ngx_http_request_t *r, const char *what,
    pt_slice_t why)
{
    ngx_uint_t                      untold;
    ngx_http_paytrade_ctx_t        *ctx;
    ngx_http_paytrade_main_conf_t  *mcf;

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    mcf = ngx_http_get_module_main_conf(r, ngx_http_paytrade_module);

    if (!ngx_http_paytrade_zone_may_tell(mcf->shm_zone, &ctx->gateway,
                                         &untold))
    {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "paytrade: callback of gateway \"%V\" %s: %*s; "
                  "%ui before it not told",
                  &ctx->gateway, what, why.len, why.data, untold);
}
