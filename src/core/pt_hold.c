/*
 * The request that makes an order: a buyer's body, read and checked.
 */

#include <stdlib.h>

#include "pt_order.h"


static const char *
pt_hold_line(pt_line_t *line, const cJSON *json, unsigned decimals)
{
    pt_slice_t  text;

    if (pt_json_string(json, "sku", &line->sku) != PT_JSON_OK
        || !pt_name_valid(line->sku))
    {
        return "sku must be a string of 1 to 64 printable ASCII characters "
               "without space and comma";
    }

    if (pt_json_int(json, "quantity", 1, PT_UNITS_MAX, &line->quantity)
        != PT_JSON_OK)
    {
        return "quantity must be a whole number from 1 to 1000000000";
    }

    if (pt_json_string(json, "unit_price", &text) != PT_JSON_OK
        || pt_money_parse(text, decimals, &line->unit_price) != 0)
    {
        return decimals ? "unit_price must be a string such as \"5000.00\""
                        : "unit_price must be a string such as \"5000\"";
    }

    return NULL;
}


static int
pt_hold_compare(pt_slice_t a, pt_slice_t b)
{
    int  rc;

    rc = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

    if (rc == 0) {
        return (a.len > b.len) - (a.len < b.len);
    }

    return rc;
}


/* Puts a line where it belongs, or adds it to the one of the same SKU. */
static const char *
pt_hold_add(pt_hold_t *hold, const pt_line_t *line)
{
    int         order;
    size_t      i;
    pt_line_t  *same;

    order = 1;

    for (i = hold->nlines; i > 0; i--) {
        order = pt_hold_compare(line->sku, hold->lines[i - 1].sku);

        if (order >= 0) {
            break;
        }
    }

    if (i == 0 || order > 0) {
        memmove(&hold->lines[i + 1], &hold->lines[i],
                (hold->nlines - i) * sizeof(pt_line_t));

        hold->lines[i] = *line;
        hold->nlines++;

        return NULL;
    }

    same = &hold->lines[i - 1];

    if (same->unit_price != line->unit_price) {
        return "lines of one sku must have one unit_price";
    }

    same->quantity += line->quantity;

    if (same->quantity > PT_UNITS_MAX) {
        return "the quantity of a sku must not exceed 1000000000";
    }

    return NULL;
}


static const char *
pt_hold_cart(pt_hold_t *hold, const cJSON *lines, unsigned decimals)
{
    size_t        n;
    pt_line_t     line;
    const char   *why;
    const cJSON  *json;

    n = 0;

    if (cJSON_IsArray(lines)) {
        cJSON_ArrayForEach(json, lines) {
            n++;
        }
    }

    if (n == 0 || n > PT_ORDER_LINES_MAX) {
        return "lines must be an array of 1 to 50 objects";
    }

    cJSON_ArrayForEach(json, lines) {
        if (!cJSON_IsObject(json)) {
            return "lines must be an array of 1 to 50 objects";
        }

        why = pt_hold_line(&line, json, decimals);

        if (why == NULL) {
            why = pt_hold_add(hold, &line);
        }

        if (why != NULL) {
            return why;
        }
    }

    return NULL;
}


static int
pt_hold_has(const pt_hold_t *hold, const char *name)
{
    const cJSON  *member;

    member = cJSON_GetObjectItemCaseSensitive(hold->json, name);

    return member != NULL && !cJSON_IsNull(member);
}


static const char *
pt_hold_lines_parse(pt_hold_t *hold, unsigned decimals)
{
    pt_json_e     rc;
    const char   *why;
    const cJSON  *lines;

    rc = pt_json_string(hold->json, "sale", &hold->sale);

    if (rc == PT_JSON_WRONG
        || (rc == PT_JSON_OK && !pt_name_valid(hold->sale)))
    {
        return "sale must be a string of 1 to 64 printable ASCII characters "
               "without space and comma";
    }

    if (!pt_hold_has(hold, "lines")) {
        why = pt_hold_line(&hold->lines[0], hold->json, decimals);
        hold->nlines = 1;

        return why;
    }

    if (pt_hold_has(hold, "sku")
        || pt_hold_has(hold, "quantity")
        || pt_hold_has(hold, "unit_price"))
    {
        return "sku, quantity and unit_price do not go with lines";
    }

    if (rc != PT_JSON_OK) {
        return "sale must be given with lines";
    }

    lines = cJSON_GetObjectItemCaseSensitive(hold->json, "lines");

    return pt_hold_cart(hold, lines, decimals);
}


static const char *
pt_hold_total(pt_hold_t *hold)
{
    size_t            i;
    int64_t           total, price;
    const pt_line_t  *line;

    total = 0;

    for (i = 0; i < hold->nlines; i++) {
        line = &hold->lines[i];

        if (pt_money_mul(line->unit_price, line->quantity, &price) != 0
            || pt_money_add(total, price, &total) != 0)
        {
            return "the total is too large";
        }
    }

    return NULL;
}


static const char *
pt_hold_options(pt_hold_t *hold, unsigned decimals)
{
    pt_json_e   rc;
    pt_slice_t  text;

    rc = pt_json_string(hold->json, "amount", &text);

    if (rc == PT_JSON_WRONG
        || (rc == PT_JSON_OK
            && pt_money_parse(text, decimals, &hold->amount) != 0))
    {
        return decimals ? "amount must be a string such as \"5000.00\""
                        : "amount must be a string such as \"5000\"";
    }

    rc = pt_json_string(hold->json, "request_id", &hold->request_id);

    if (rc == PT_JSON_WRONG
        || (rc == PT_JSON_OK && !pt_text_valid(hold->request_id, PT_KEY_MAX)))
    {
        return "request_id must be a string of 1 to 255 bytes without control "
               "characters";
    }

    return NULL;
}


static const char *
pt_hold_meta(pt_hold_t *hold, pt_slice_t body)
{
    size_t      size;
    pt_slice_t  span;

    if (!pt_hold_has(hold, "meta")) {
        return NULL;
    }

    if (pt_json_span(body, "meta", &span) != 0) {
        return "the body could not be read";
    }

    size = span.len < PT_META_MAX ? span.len : PT_META_MAX;

    hold->meta_text = malloc(size);
    if (hold->meta_text == NULL) {
        return "the body could not be read";
    }

    size = pt_json_compact(span, hold->meta_text, size);

    if (size == 0) {
        return "meta must not be longer than 1024 bytes";
    }

    hold->meta = pt_slice(hold->meta_text, size);

    return NULL;
}


int
pt_hold_parse(pt_hold_t *hold, pt_slice_t body, unsigned decimals,
    const char **why)
{
    hold->sale = pt_slice_null;
    hold->nlines = 0;
    hold->amount = -1;
    hold->request_id = pt_slice_null;
    hold->meta = pt_slice_null;
    hold->meta_text = NULL;

    hold->json = pt_json_parse(body, why);
    if (hold->json == NULL) {
        return -1;
    }

    *why = pt_hold_lines_parse(hold, decimals);

    if (*why == NULL) {
        *why = pt_hold_total(hold);
    }

    if (*why == NULL) {
        *why = pt_hold_options(hold, decimals);
    }

    if (*why == NULL) {
        *why = pt_hold_meta(hold, body);
    }

    return *why == NULL ? 0 : -1;
}


void
pt_hold_free(pt_hold_t *hold)
{
    cJSON_Delete(hold->json);
    free(hold->meta_text);

    hold->json = NULL;
    hold->meta_text = NULL;
}


void
pt_hold_lines(pt_out_t *out, const pt_hold_t *hold)
{
    size_t            i;
    const pt_line_t  *line;

    for (i = 0; i < hold->nlines; i++) {
        line = &hold->lines[i];

        if (i) {
            pt_out_char(out, ',');
        }

        pt_out_put(out, line->sku);
        pt_out_char(out, ' ');
        pt_out_int(out, line->quantity);
        pt_out_char(out, ' ');
        pt_out_int(out, line->unit_price);
    }
}


void
pt_hold_canonical(pt_out_t *out, const pt_hold_t *hold)
{
    /* no part can contain the tab between them */

    pt_out_put(out, hold->sale);
    pt_out_char(out, '\t');
    pt_hold_lines(out, hold);
    pt_out_char(out, '\t');

    if (hold->amount >= 0) {
        pt_out_int(out, hold->amount);
    }

    pt_out_char(out, '\t');
    pt_out_put(out, hold->meta);
}
