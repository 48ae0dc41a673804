/*
 * Items: from a row, from an operator's JSON, to JSON.
 */

#include "pt_item.h"


int
pt_item_parse_row(pt_item_t *item, pt_slice_t row)
{
    int64_t     paused;
    pt_slice_t  f[PT_ITEM_FIELDS];

    if (pt_slice_split(row, '\t', f, PT_ITEM_FIELDS) != PT_ITEM_FIELDS) {
        return -1;
    }

    item->sku = f[0];
    item->sale = f[1];
    item->title = f[2];

    if (!pt_name_valid(item->sku)
        || !pt_name_valid(item->sale)
        || !pt_text_valid(item->title, PT_TITLE_MAX)
        || pt_slice_uint(f[3], PT_AMOUNT_MAX, &item->price) != 0
        || pt_slice_uint(f[4], PT_UNITS_MAX, &item->stock) != 0
        || pt_slice_uint(f[5], PT_UNITS_MAX, &item->available) != 0
        || pt_slice_uint(f[6], PT_UNITS_MAX, &item->held) != 0
        || pt_slice_uint(f[7], PT_UNITS_MAX, &item->sold) != 0
        || pt_slice_uint(f[8], PT_UNITS_MAX, &item->limit) != 0
        || pt_slice_uint(f[9], PT_TIME_MAX_MS, &item->starts_at) != 0
        || pt_slice_uint(f[10], PT_TIME_MAX_MS, &item->ends_at) != 0
        || pt_slice_uint(f[11], PT_HOLD_MAX_MS, &item->hold_ms) != 0
        || item->hold_ms < PT_HOLD_MIN_MS
        || pt_slice_uint(f[12], INT64_MAX, &item->version) != 0
        || pt_slice_uint(f[13], 1, &paused) != 0)
    {
        return -1;
    }

    item->paused = paused;

    return 0;
}


static const char *
pt_item_texts(pt_item_t *item, const cJSON *json)
{
    pt_slice_t  sku;

    if (!pt_name_valid(item->sku)) {
        return "the SKU must be 1 to 64 printable ASCII characters "
               "without space and comma";
    }

    switch (pt_json_string(json, "sku", &sku)) {

    case PT_JSON_ABSENT:
        break;

    case PT_JSON_OK:
        if (pt_slice_eq(sku, item->sku)) {
            break;
        }

        /* fall through */

    default:
        return "sku must be the one that the path names";
    }

    if (pt_json_string(json, "sale", &item->sale) != PT_JSON_OK
        || !pt_name_valid(item->sale))
    {
        return "sale must be a string of 1 to 64 printable ASCII characters "
               "without space and comma";
    }

    item->title = item->sku;

    if (pt_json_string(json, "title", &item->title) == PT_JSON_WRONG
        || !pt_text_valid(item->title, PT_TITLE_MAX))
    {
        return "title must be a string of 1 to 256 bytes without control "
               "characters";
    }

    return NULL;
}


static const char *
pt_item_numbers(pt_item_t *item, const cJSON *json, unsigned decimals)
{
    pt_slice_t  text;

    if (pt_json_string(json, "price", &text) != PT_JSON_OK
        || pt_money_parse(text, decimals, &item->price) != 0)
    {
        return decimals ? "price must be a string such as \"5000.00\""
                        : "price must be a string such as \"5000\"";
    }

    if (pt_json_int(json, "stock", 0, PT_UNITS_MAX, &item->stock)
        != PT_JSON_OK)
    {
        return "stock must be a whole number from 0 to 1000000000";
    }

    item->limit = 0;

    if (pt_json_int(json, "limit", 0, PT_UNITS_MAX, &item->limit)
        == PT_JSON_WRONG)
    {
        return "limit must be a whole number from 0 (no limit) to 1000000000";
    }

    return NULL;
}


/* 0 when the member is absent, and *ms is left, or holds a time. */
static int
pt_item_time(const cJSON *json, const char *name, int64_t *ms)
{
    pt_slice_t  text;

    switch (pt_json_string(json, name, &text)) {

    case PT_JSON_OK:
        return pt_time_parse(text, ms);

    case PT_JSON_ABSENT:
        return 0;

    default:
        return -1;
    }
}


static const char *
pt_item_times(pt_item_t *item, const cJSON *json, int64_t default_hold_ms)
{
    pt_json_e   rc;
    pt_slice_t  text;

    item->starts_at = 0;
    item->ends_at = PT_TIME_MAX_MS;
    item->hold_ms = default_hold_ms;

    if (pt_item_time(json, "starts_at", &item->starts_at) != 0) {
        return "starts_at must be a time such as \"2026-01-01T00:00:00Z\"";
    }

    if (pt_item_time(json, "ends_at", &item->ends_at) != 0) {
        return "ends_at must be a time such as \"2026-01-01T00:00:00Z\"";
    }

    if (item->ends_at <= item->starts_at) {
        return "ends_at must be later than starts_at";
    }

    rc = pt_json_string(json, "hold_time", &text);

    if (rc == PT_JSON_WRONG
        || (rc == PT_JSON_OK && pt_duration_parse(text, &item->hold_ms) != 0)
        || item->hold_ms < PT_HOLD_MIN_MS
        || item->hold_ms > PT_HOLD_MAX_MS)
    {
        return "hold_time must be a string such as \"15m\", "
               "from \"1s\" to \"30d\"";
    }

    return NULL;
}


int
pt_item_parse_json(pt_item_t *item, pt_slice_t sku, const cJSON *json,
    unsigned decimals, int64_t default_hold_ms, const char **why)
{
    memset(item, 0, sizeof(pt_item_t));

    item->sku = sku;

    *why = pt_item_texts(item, json);

    if (*why == NULL) {
        *why = pt_item_numbers(item, json, decimals);
    }

    if (*why == NULL) {
        *why = pt_item_times(item, json, default_hold_ms);
    }

    return *why == NULL ? 0 : -1;
}


static void
pt_item_count(pt_out_t *out, const char *name, int64_t n)
{
    pt_out_str(out, ",\"");
    pt_out_str(out, name);
    pt_out_str(out, "\":");
    pt_out_int(out, n);
}


static void
pt_item_duration(pt_out_t *out, int64_t ms)
{
    if (ms % 1000) {
        pt_out_int(out, ms);
        pt_out_str(out, "ms");
        return;
    }

    pt_out_int(out, ms / 1000);
    pt_out_char(out, 's');
}


void
pt_item_json(pt_out_t *out, const pt_item_t *item, pt_slice_t currency,
    unsigned decimals, int for_operator)
{
    pt_out_str(out, "{\"sku\":");
    pt_out_json(out, item->sku);
    pt_out_str(out, ",\"sale\":");
    pt_out_json(out, item->sale);
    pt_out_str(out, ",\"title\":");
    pt_out_json(out, item->title);
    pt_out_str(out, ",\"price\":\"");
    pt_out_money(out, item->price, decimals);
    pt_out_str(out, "\",\"currency\":");
    pt_out_json(out, currency);

    pt_item_count(out, "available", item->available);

    if (for_operator) {
        pt_item_count(out, "stock", item->stock);
        pt_item_count(out, "held", item->held);
        pt_item_count(out, "sold", item->sold);
        pt_item_count(out, "version", item->version);
    }

    pt_item_count(out, "limit", item->limit);

    pt_out_str(out, ",\"starts_at\":\"");
    pt_out_time(out, item->starts_at);
    pt_out_str(out, "\",\"ends_at\":\"");
    pt_out_time(out, item->ends_at);
    pt_out_str(out, "\",\"hold_time\":\"");
    pt_item_duration(out, item->hold_ms);
    pt_out_str(out, "\",\"paused\":");
    pt_out_str(out, item->paused ? "true" : "false");
    pt_out_char(out, '}');
}
