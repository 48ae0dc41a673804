/*
 * Orders: from a row, and to JSON.
 */

#include "pt_order.h"


const char  *pt_order_status_words[PT_ORDER_STATES] = {
    "held",
    "paid",
    "cancelled",
    "expired",
    "refunded"
};


int
pt_order_status_parse(pt_slice_t word, pt_order_status_e *status)
{
    unsigned     i;
    const char  *known;

    for (i = 0; i < PT_ORDER_STATES; i++) {
        known = pt_order_status_words[i];

        if (pt_slice_eq(word, pt_slice(known, strlen(known)))) {
            *status = i;
            return 0;
        }
    }

    return -1;
}


int
pt_order_next_line(pt_slice_t *lines, pt_line_t *line)
{
    pt_slice_t  text, f[3];

    if (lines->len == 0) {
        return 0;
    }

    (void) pt_slice_next(lines, ',', &text);

    /* a comma with nothing behind it */

    if (lines->data != NULL && lines->len == 0) {
        return -1;
    }

    if (pt_slice_split(text, ' ', f, 3) != 3
        || !pt_name_valid(f[0])
        || pt_slice_uint(f[1], PT_UNITS_MAX, &line->quantity) != 0
        || line->quantity == 0
        || pt_slice_uint(f[2], PT_AMOUNT_MAX, &line->unit_price) != 0)
    {
        return -1;
    }

    line->sku = f[0];

    return 1;
}


static int
pt_order_lines_valid(pt_slice_t lines)
{
    int        rc;
    unsigned   n;
    pt_line_t  line;

    n = 0;

    while ((rc = pt_order_next_line(&lines, &line)) == 1) {
        n++;
    }

    return rc == 0 && n >= 1 && n <= PT_ORDER_LINES_MAX;
}


static int
pt_order_meta_valid(pt_slice_t meta)
{
    const char  *why;

    return meta.len == 0 || pt_json_scan_stored(meta, &why) == 0;
}


int
pt_order_parse_row(pt_order_t *order, pt_slice_t row)
{
    int64_t     id;
    pt_slice_t  f[PT_ORDER_FIELDS];

    if (pt_slice_split(row, '\t', f, PT_ORDER_FIELDS) != PT_ORDER_FIELDS) {
        return -1;
    }

    order->id = f[0];
    order->user = f[3];
    order->sale = f[4];
    order->key = f[9];
    order->body = f[10];
    order->lines = f[11];
    order->meta = f[12];

    if (pt_id_parse(order->id, &id) != 0
        || pt_order_status_parse(f[1], &order->status) != 0
        || pt_slice_uint(f[2], INT64_MAX, &order->rev) != 0
        || !pt_text_valid(order->user, PT_USER_MAX)
        || !pt_name_valid(order->sale)
        || pt_slice_uint(f[5], PT_AMOUNT_MAX, &order->amount) != 0
        || pt_slice_uint(f[6], PT_TIME_MAX_MS, &order->created_at) != 0
        || pt_slice_uint(f[7], PT_TIME_MAX_MS, &order->expires_at) != 0
        || pt_slice_uint(f[8], PT_TIME_MAX_MS, &order->changed_at) != 0
        || !pt_hash_valid(order->key)
        || !pt_hash_valid(order->body)
        || !pt_order_lines_valid(order->lines)
        || !pt_order_meta_valid(order->meta))
    {
        return -1;
    }

    return 0;
}


static void
pt_order_lines_json(pt_out_t *out, pt_slice_t lines, unsigned decimals)
{
    const char  *comma;
    pt_line_t    line;

    comma = "";

    while (pt_order_next_line(&lines, &line) == 1) {
        pt_out_str(out, comma);
        pt_out_str(out, "{\"sku\":");
        pt_out_json(out, line.sku);
        pt_out_str(out, ",\"quantity\":");
        pt_out_int(out, line.quantity);
        pt_out_str(out, ",\"unit_price\":\"");
        pt_out_money(out, line.unit_price, decimals);
        pt_out_str(out, "\"}");

        comma = ",";
    }
}


void
pt_order_json(pt_out_t *out, const pt_order_t *order, pt_slice_t currency,
    unsigned decimals)
{
    pt_out_str(out, "{\"order_id\":");
    pt_out_json(out, order->id);
    pt_out_str(out, ",\"status\":\"");
    pt_out_str(out, pt_order_status_words[order->status]);
    pt_out_str(out, "\",\"sale\":");
    pt_out_json(out, order->sale);
    pt_out_str(out, ",\"amount\":\"");
    pt_out_money(out, order->amount, decimals);
    pt_out_str(out, "\",\"currency\":");
    pt_out_json(out, currency);
    pt_out_str(out, ",\"lines\":[");
    pt_order_lines_json(out, order->lines, decimals);
    pt_out_str(out, "],\"created_at\":\"");
    pt_out_time(out, order->created_at);
    pt_out_str(out, "\",\"expires_at\":\"");
    pt_out_time(out, order->expires_at);
    pt_out_char(out, '"');

    if (order->meta.len) {
        pt_out_str(out, ",\"meta\":");
        pt_out_put(out, order->meta);
    }

    pt_out_char(out, '}');
}
