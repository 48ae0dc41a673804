/*
 * Stripe's events: is a genuine one for this shop, and what does it tell.
 *
 * An event is about an object that carries the payment's number as metadata,
 * or as the client_reference_id of a Checkout session.  One without a number
 * is none of paytrade's payments, and so ignored.  In a Payment Link it is the
 * buyer who writes client_reference_id, into the link's address.
 */

#include "pt_payment.h"
#include "pt_stripe.h"


typedef struct pt_stripe_event_s  pt_stripe_event_t;


typedef pt_verify_e (*pt_stripe_read_pt)(const cJSON *json,
    pt_notice_t *notice);


struct pt_stripe_event_s {
    pt_slice_t          type;
    const char         *object;        /* what it is about */
    pt_notice_e         kind;
    pt_stripe_read_pt   read;          /* its status, and amounts */
};


static pt_verify_e pt_stripe_intent_paid(const cJSON *json,
    pt_notice_t *notice);
static pt_verify_e pt_stripe_session_completed(const cJSON *json,
    pt_notice_t *notice);
static pt_verify_e pt_stripe_session_paid(const cJSON *json,
    pt_notice_t *notice);
static pt_verify_e pt_stripe_charge_refunded(const cJSON *json,
    pt_notice_t *notice);
static pt_verify_e pt_stripe_closed(const cJSON *json, pt_notice_t *notice);


static const pt_stripe_event_t  pt_stripe_events[] = {
    { pt_slice_const("payment_intent.succeeded"), "payment_intent",
      PT_NOTICE_PAID, pt_stripe_intent_paid },
    { pt_slice_const("payment_intent.canceled"), "payment_intent",
      PT_NOTICE_CLOSED, pt_stripe_closed },
    { pt_slice_const("checkout.session.completed"), "checkout.session",
      PT_NOTICE_PAID, pt_stripe_session_completed },
    { pt_slice_const("checkout.session.async_payment_succeeded"),
      "checkout.session", PT_NOTICE_PAID, pt_stripe_session_paid },
    { pt_slice_const("checkout.session.expired"), "checkout.session",
      PT_NOTICE_CLOSED, pt_stripe_closed },
    { pt_slice_const("charge.refunded"), "charge",
      PT_NOTICE_REFUNDED, pt_stripe_charge_refunded },
};

#define PT_STRIPE_EVENTS                                                      \
    (sizeof(pt_stripe_events) / sizeof(pt_stripe_events[0]))


static const pt_stripe_event_t *
pt_stripe_event(pt_slice_t type)
{
    size_t  i;

    for (i = 0; i < PT_STRIPE_EVENTS; i++) {
        if (pt_slice_eq(pt_stripe_events[i].type, type)) {
            return &pt_stripe_events[i];
        }
    }

    return NULL;
}


static pt_verify_e
pt_stripe_result(pt_json_e rc)
{
    return rc == PT_JSON_OK ? PT_VERIFY_OK
           : rc == PT_JSON_ABSENT ? PT_VERIFY_MISSING
           : PT_VERIFY_BAD_VALUE;
}


/* An amount above zero. */
static pt_verify_e
pt_stripe_amount(const cJSON *json, const char *path, int64_t *amount)
{
    return pt_stripe_result(pt_hook_int(json, path, 1, PT_AMOUNT_MAX,
                                        amount));
}


/* A text that may be absent, null or empty. */
static pt_verify_e
pt_stripe_text(const cJSON *json, const char *path, pt_slice_t *value)
{
    *value = pt_slice_null;

    return pt_hook_string(json, path, value) == PT_JSON_WRONG
           ? PT_VERIFY_BAD_VALUE : PT_VERIFY_OK;
}


static pt_verify_e
pt_stripe_intent_paid(const cJSON *json, pt_notice_t *notice)
{
    pt_slice_t  status;

    if (pt_hook_string(json, "data.object.status", &status) != PT_JSON_OK
        || !pt_slice_eq(status, pt_slice_lit("succeeded")))
    {
        return PT_VERIFY_BAD_VALUE;
    }

    return pt_stripe_amount(json, "data.object.amount_received",
                            &notice->amount);
}


/* The session is done; its payment may still come, or fail. */
static pt_verify_e
pt_stripe_session_completed(const cJSON *json, pt_notice_t *notice)
{
    pt_json_e   rc;
    pt_slice_t  status;

    rc = pt_hook_string(json, "data.object.payment_status", &status);
    if (rc != PT_JSON_OK) {
        return pt_stripe_result(rc);
    }

    if (!pt_slice_eq(status, pt_slice_lit("paid"))) {
        notice->kind = PT_NOTICE_IGNORED;
        return PT_VERIFY_OK;
    }

    return pt_stripe_amount(json, "data.object.amount_total",
                            &notice->amount);
}


static pt_verify_e
pt_stripe_session_paid(const cJSON *json, pt_notice_t *notice)
{
    pt_verify_e  rc;

    rc = pt_stripe_session_completed(json, notice);

    return rc == PT_VERIFY_OK && notice->kind == PT_NOTICE_IGNORED
           ? PT_VERIFY_BAD_VALUE : rc;
}


/* No money came in, so none is compared. */
static pt_verify_e
pt_stripe_closed(const cJSON *json, pt_notice_t *notice)
{
    (void) json;

    notice->amount = -1;

    return PT_VERIFY_OK;
}


/*
 * All that was given back so far.  A charge that was never captured was never
 * paid: its end is told as a refund, too, and by payment_intent.canceled.
 */
static pt_verify_e
pt_stripe_charge_refunded(const cJSON *json, pt_notice_t *notice)
{
    int          captured;
    pt_json_e    found;
    pt_verify_e  rc;

    captured = 1;

    if (pt_hook_bool(json, "data.object.captured", &captured)
        == PT_JSON_WRONG)
    {
        return PT_VERIFY_BAD_VALUE;
    }

    if (!captured) {
        notice->kind = PT_NOTICE_IGNORED;
        return PT_VERIFY_OK;
    }

    found = pt_hook_int(json, "data.object.amount_captured", 1, PT_AMOUNT_MAX,
                        &notice->amount);

    rc = found == PT_JSON_ABSENT
         ? pt_stripe_amount(json, "data.object.amount", &notice->amount)
         : pt_stripe_result(found);

    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    notice->refund_no = notice->event_id;

    return pt_stripe_amount(json, "data.object.amount_refunded",
                            &notice->refunded);
}


/* It is signed; is it for this shop? */
static pt_verify_e
pt_stripe_is_ours(const pt_stripe_t *conf, const cJSON *json)
{
    int          live;
    pt_slice_t   account;
    pt_verify_e  rc;

    rc = pt_stripe_result(pt_hook_bool(json, "livemode", &live));
    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    if (live != (conf->mode == PT_HOOK_MODE_LIVE)) {
        return PT_VERIFY_WRONG_MODE;
    }

    rc = pt_stripe_text(json, "account", &account);
    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    if (conf->account == NULL) {
        return account.len ? PT_VERIFY_WRONG_MERCHANT : PT_VERIFY_OK;
    }

    return pt_slice_eq(account, pt_slice(conf->account, strlen(conf->account)))
           ? PT_VERIFY_OK : PT_VERIFY_WRONG_MERCHANT;
}


/* Whether a session was made by the shop's own code, for one payment. */
static int
pt_stripe_is_own_session(const cJSON *json)
{
    pt_json_e   found;
    pt_slice_t  link, mode;

    if (pt_hook_string(json, "data.object.payment_link", &link)
        != PT_JSON_ABSENT)
    {
        return 0;
    }

    found = pt_hook_string(json, "data.object.mode", &mode);

    return found == PT_JSON_ABSENT
           || (found == PT_JSON_OK
               && pt_slice_eq(mode, pt_slice_lit("payment")));
}


/*
 * The payment's number; empty when there is none.  What has another form was
 * never given by us, but by whoever else uses the account.
 */
static pt_slice_t
pt_stripe_number(const cJSON *json, pt_slice_t object)
{
    size_t      i;
    pt_slice_t  number;

    static const char *const  paths[] = {
        "data.object.client_reference_id", "data.object.metadata.pay_no"
    };

    if (pt_slice_eq(object, pt_slice_lit("checkout.session"))
        && !pt_stripe_is_own_session(json))
    {
        return pt_slice_null;
    }

    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (pt_hook_string(json, paths[i], &number) == PT_JSON_OK
            && pt_name_valid(number))
        {
            return number;
        }
    }

    return pt_slice_null;
}


static pt_verify_e
pt_stripe_currency(const cJSON *json, const pt_callback_t *callback,
    pt_notice_t *notice)
{
    pt_json_e   found;
    pt_slice_t  currency;

    found = pt_hook_string(json, "data.object.currency", &currency);

    if (found != PT_JSON_OK) {
        return found == PT_JSON_ABSENT && notice->kind == PT_NOTICE_CLOSED
               ? PT_VERIFY_OK : pt_stripe_result(found);
    }

    return pt_hook_currency(callback, currency, &notice->currency);
}


/*
 * The payment intent's id is the same in all events of a payment; where there
 * is none, the object's own.  That of a session is a little too long.
 */
static pt_verify_e
pt_stripe_trade_no(const cJSON *json, pt_notice_t *notice)
{
    pt_slice_t   id;
    pt_verify_e  rc;

    rc = pt_stripe_text(json, "data.object.payment_intent", &id);
    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    if (id.len == 0) {
        rc = pt_stripe_result(pt_hook_string(json, "data.object.id", &id));
        if (rc != PT_VERIFY_OK) {
            return rc;
        }
    }

    if (id.len > PT_TRADE_NO_MAX) {
        id = pt_slice(id.data + id.len - PT_TRADE_NO_MAX, PT_TRADE_NO_MAX);
    }

    notice->trade_no = id;

    return pt_name_valid(id) ? PT_VERIFY_OK : PT_VERIFY_BAD_VALUE;
}


static pt_verify_e
pt_stripe_time(const cJSON *json, pt_notice_t *notice)
{
    int64_t    seconds;
    pt_json_e  rc;

    rc = pt_hook_int(json, "created", 0, PT_TIME_MAX_MS / 1000, &seconds);

    if (rc == PT_JSON_OK) {
        notice->paid_at = seconds * 1000;
    }

    return rc == PT_JSON_WRONG ? PT_VERIFY_BAD_VALUE : PT_VERIFY_OK;
}


/* Slices lie in the tree until pt_stripe_keep(). */
static pt_verify_e
pt_stripe_read_event(const pt_stripe_event_t *event,
    const pt_callback_t *callback, const cJSON *json, pt_notice_t *notice)
{
    pt_slice_t   object;
    pt_verify_e  rc;

    rc = pt_stripe_result(pt_hook_string(json, "data.object.object",
                                         &object));
    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    if (!pt_slice_eq(object, pt_slice(event->object, strlen(event->object)))) {
        return PT_VERIFY_BAD_VALUE;
    }

    notice->out_trade_no = pt_stripe_number(json, object);

    if (notice->out_trade_no.len == 0) {
        return PT_VERIFY_OK;
    }

    notice->kind = event->kind;
    rc = event->read(json, notice);

    if (rc != PT_VERIFY_OK || notice->kind == PT_NOTICE_IGNORED) {
        return rc;
    }

    rc = pt_stripe_currency(json, callback, notice);

    if (rc == PT_VERIFY_OK) {
        rc = pt_stripe_trade_no(json, notice);
    }

    return rc == PT_VERIFY_OK ? pt_stripe_time(json, notice) : rc;
}


static pt_verify_e
pt_stripe_keep(const pt_callback_t *callback, pt_notice_t *notice)
{
    if (pt_hook_keep(callback, &notice->out_trade_no) != 0
        || pt_hook_keep(callback, &notice->trade_no) != 0
        || pt_hook_keep(callback, &notice->event_id) != 0)
    {
        return PT_VERIFY_NO_MEMORY;
    }

    if (notice->refund_no.len) {
        notice->refund_no = notice->event_id;
    }

    return PT_VERIFY_OK;
}


static pt_verify_e
pt_stripe_read_json(const pt_stripe_t *conf, const pt_callback_t *callback,
    const cJSON *json, pt_notice_t *notice)
{
    pt_slice_t                object, type;
    pt_verify_e               rc;
    const pt_stripe_event_t  *event;

    rc = pt_stripe_is_ours(conf, json);
    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    if (pt_hook_string(json, "id", &notice->event_id) != PT_JSON_OK
        || pt_hook_string(json, "object", &object) != PT_JSON_OK
        || pt_hook_string(json, "type", &type) != PT_JSON_OK)
    {
        return PT_VERIFY_MISSING;
    }

    if (!pt_name_valid(notice->event_id)) {
        return PT_VERIFY_BAD_VALUE;
    }

    /* a v2.core.event tells no more than where to ask */

    event = pt_slice_eq(object, pt_slice_lit("event"))
            ? pt_stripe_event(type) : NULL;

    if (event) {
        rc = pt_stripe_read_event(event, callback, json, notice);
        if (rc != PT_VERIFY_OK) {
            return rc;
        }
    }

    return pt_stripe_keep(callback, notice);
}


/*
 * Beyond our limits: ignored, unless it seems to be one that must not be.  What
 * is no object, or has a name twice, could be read in several ways.
 */
static pt_verify_e
pt_stripe_unreadable(pt_slice_t body)
{
    size_t       i;
    const char  *why;

    if (pt_json_scan(body, &why) == 0) {
        return PT_VERIFY_BAD_FORM;
    }

    for (i = 0; i < PT_STRIPE_EVENTS; i++) {
        if (pt_hook_mentions(body, pt_stripe_events[i].type)) {
            return PT_VERIFY_BAD_FORM;
        }
    }

    return PT_VERIFY_OK;
}


pt_verify_e
pt_stripe_read(const pt_stripe_t *conf, const pt_callback_t *callback,
    pt_notice_t *notice)
{
    cJSON       *json;
    const char  *why;
    pt_verify_e  rc;

    notice->kind = PT_NOTICE_IGNORED;

    json = pt_json_parse(callback->body, &why);
    if (json == NULL) {
        return pt_stripe_unreadable(callback->body);
    }

    rc = pt_stripe_read_json(conf, callback, json, notice);
    cJSON_Delete(json);

    return rc;
}
