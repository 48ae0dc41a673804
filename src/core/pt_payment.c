/*
 * Payments: from a row, and to JSON.
 */

#include "pt_payment.h"


const char  *pt_payment_status_words[PT_PAYMENT_STATES] = {
    "unpaid",
    "paid",
    "closed"
};


const char  *pt_outcome_words[PT_OUTCOMES] = {
    "",
    "applied",
    "refund_due"
};


static int
pt_payment_word(const char *const *words, unsigned n, pt_slice_t word,
    unsigned *index)
{
    unsigned  i;

    for (i = 0; i < n; i++) {
        if (pt_slice_eq(word, pt_slice(words[i], strlen(words[i])))) {
            *index = i;
            return 0;
        }
    }

    return -1;
}


/* "-" is what a part has where a word would be empty. */
static int
pt_payment_part_words(pt_part_t *part, pt_slice_t outcome, pt_slice_t reason)
{
    unsigned  index;

    if (!pt_name_valid(outcome) || !pt_name_valid(reason)) {
        return -1;
    }

    if (pt_slice_eq(outcome, pt_slice_lit("-"))) {
        outcome = pt_slice_null;
    }

    if (pt_payment_word(pt_outcome_words, PT_OUTCOMES, outcome, &index) != 0) {
        return -1;
    }

    part->outcome = index;
    part->reason = pt_slice_eq(reason, pt_slice_lit("-")) ? pt_slice_null
                                                          : reason;
    return 0;
}


int
pt_payment_next_part(pt_slice_t *parts, pt_part_t *part)
{
    int64_t     id;
    pt_slice_t  text, f[5];

    if (parts->len == 0) {
        return 0;
    }

    (void) pt_slice_next(parts, ',', &text);

    /* a comma with nothing behind it */

    if (parts->data != NULL && parts->len == 0) {
        return -1;
    }

    if (pt_slice_split(text, ' ', f, 5) != 5
        || pt_id_parse(f[0], &id) != 0
        || pt_slice_uint(f[1], PT_AMOUNT_MAX, &part->amount) != 0
        || pt_payment_part_words(part, f[2], f[3]) != 0
        || pt_slice_uint(f[4], part->amount, &part->refunded) != 0)
    {
        return -1;
    }

    part->order_id = f[0];

    return 1;
}


/* Ids ascend, so that none is there twice: no statement may meet one twice. */
static int
pt_payment_parts_valid(pt_slice_t parts)
{
    int         rc;
    unsigned    n;
    pt_part_t   part;
    pt_slice_t  last;

    n = 0;
    last = pt_slice_null;

    while ((rc = pt_payment_next_part(&parts, &part)) == 1) {
        if (n && memcmp(last.data, part.order_id.data, PT_ID_LEN) >= 0) {
            return 0;
        }

        last = part.order_id;
        n++;
    }

    return rc == 0 && n >= 1 && n <= PT_PAYMENT_ORDERS_MAX;
}


static int
pt_payment_texts_valid(const pt_payment_t *payment)
{
    return pt_text_valid(payment->user, PT_USER_MAX)
           && pt_name_valid(payment->sale)
           && pt_name_valid(payment->gateway)
           && payment->gateway.len <= PT_GATEWAY_NAME_MAX
           && pt_name_valid(payment->method)
           && payment->method.len <= PT_METHOD_MAX
           && (payment->trade_no.len == 0
               || pt_text_valid(payment->trade_no, PT_TRADE_NO_MAX))
           && pt_hash_valid(payment->key)
           && pt_hash_valid(payment->body)
           && (payment->subject.len == 0
               || pt_text_valid(payment->subject, PT_SUBJECT_MAX))
           && pt_payment_parts_valid(payment->parts);
}


int
pt_payment_parse_row(pt_payment_t *payment, pt_slice_t row)
{
    int64_t     id;
    unsigned    status;
    pt_slice_t  f[PT_PAYMENT_FIELDS];

    if (pt_slice_split(row, '\t', f, PT_PAYMENT_FIELDS) != PT_PAYMENT_FIELDS) {
        return -1;
    }

    payment->pay_no = f[0];
    payment->user = f[3];
    payment->sale = f[4];
    payment->gateway = f[5];
    payment->method = f[6];
    payment->trade_no = f[7];
    payment->key = f[13];
    payment->body = f[14];
    payment->subject = f[15];
    payment->parts = f[16];

    if (pt_id_parse(payment->pay_no, &id) != 0
        || pt_payment_word(pt_payment_status_words, PT_PAYMENT_STATES, f[1],
                           &status)
           != 0
        || pt_slice_uint(f[2], INT64_MAX, &payment->rev) != 0
        || pt_slice_uint(f[8], PT_AMOUNT_MAX, &payment->amount) != 0
        || pt_slice_uint(f[9], PT_TIME_MAX_MS, &payment->created_at) != 0
        || pt_slice_uint(f[10], PT_TIME_MAX_MS, &payment->ends_at) != 0
        || pt_slice_uint(f[11], PT_TIME_MAX_MS, &payment->paid_at) != 0
        || pt_slice_uint(f[12], PT_TIME_MAX_MS, &payment->changed_at) != 0
        || !pt_payment_texts_valid(payment))
    {
        return -1;
    }

    payment->status = status;

    return 0;
}


static void
pt_payment_text(pt_out_t *out, const char *name, pt_slice_t value)
{
    pt_out_str(out, ",\"");
    pt_out_str(out, name);
    pt_out_str(out, "\":");
    pt_out_json(out, value);
}


static void
pt_payment_money(pt_out_t *out, const char *name, int64_t minor,
    unsigned decimals)
{
    pt_out_str(out, ",\"");
    pt_out_str(out, name);
    pt_out_str(out, "\":\"");
    pt_out_money(out, minor, decimals);
    pt_out_char(out, '"');
}


static void
pt_payment_time(pt_out_t *out, const char *name, int64_t ms)
{
    pt_out_str(out, ",\"");
    pt_out_str(out, name);
    pt_out_str(out, "\":\"");
    pt_out_time(out, ms);
    pt_out_char(out, '"');
}


static void
pt_payment_parts_json(pt_out_t *out, const pt_payment_t *payment,
    unsigned decimals)
{
    pt_part_t    part;
    pt_slice_t   parts;
    const char  *word, *comma;

    comma = "";
    parts = payment->parts;

    while (pt_payment_next_part(&parts, &part) == 1) {
        pt_out_str(out, comma);
        pt_out_str(out, "{\"order_id\":");
        pt_out_json(out, part.order_id);
        pt_payment_money(out, "amount", part.amount, decimals);

        if (payment->status == PT_PAYMENT_PAID) {
            word = pt_outcome_words[part.outcome];
            pt_payment_text(out, "outcome", pt_slice(word, strlen(word)));

            if (part.reason.len) {
                pt_payment_text(out, "reason", part.reason);
            }

            pt_payment_money(out, "refunded", part.refunded, decimals);
        }

        pt_out_char(out, '}');

        comma = ",";
    }
}


void
pt_payment_json(pt_out_t *out, const pt_payment_t *payment,
    pt_slice_t prefix, pt_slice_t currency, unsigned decimals,
    pt_slice_t pay_url)
{
    const char  *status;

    status = pt_payment_status_words[payment->status];

    pt_out_str(out, "{\"pay_no\":");
    pt_out_json(out, payment->pay_no);

    /* a prefix has no character that JSON would escape */

    pt_out_str(out, ",\"out_trade_no\":\"");
    pt_out_put(out, prefix);
    pt_out_put(out, payment->pay_no);
    pt_out_char(out, '"');

    pt_payment_text(out, "status", pt_slice(status, strlen(status)));
    pt_payment_text(out, "gateway", payment->gateway);
    pt_payment_text(out, "method", payment->method);
    pt_payment_money(out, "amount", payment->amount, decimals);
    pt_payment_text(out, "currency", currency);
    pt_out_str(out, ",\"orders\":[");
    pt_payment_parts_json(out, payment, decimals);
    pt_out_char(out, ']');
    pt_payment_time(out, "created_at", payment->created_at);
    pt_payment_time(out, "expires_at", payment->ends_at);

    if (payment->status == PT_PAYMENT_PAID) {
        pt_payment_text(out, "trade_no", payment->trade_no);
        pt_payment_time(out, "paid_at", payment->paid_at);
    }

    if (pay_url.len) {
        pt_payment_text(out, "pay_url", pay_url);
    }

    pt_out_char(out, '}');
}
