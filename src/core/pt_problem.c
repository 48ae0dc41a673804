/*
 * Problems: the table of all error codes.
 */

#include "pt_problem.h"


const pt_problem_t  pt_problems[PT_PROBLEMS] = {
    { "bad_request", 400, "Bad request", 0 },
    { "no_user", 401, "No user", 0 },
    { "unknown_item", 404, "Unknown item", 0 },
    { "unknown_order", 404, "Unknown order", 0 },
    { "unknown_payment", 404, "Unknown payment", 0 },
    { "unknown_sale", 404, "Unknown sale", 0 },
    { "unknown_dead_letter", 404, "Unknown dead letter", 0 },
    { "not_found", 404, "Not found", 0 },
    { "key_reused", 422, "Idempotency key reused", 0 },
    { "too_many_attempts", 429, "Too many attempts", PT_RETRY_DAY },
    { "paused", 409, "Sale paused", PT_RETRY_LATER },
    { "not_started", 409, "Sale not started", 0 },
    { "ended", 409, "Sale ended", 0 },
    { "price_changed", 422, "Price changed", 0 },
    { "limit_reached", 409, "Limit reached", 0 },
    { "sold_out", 409, "Sold out", 0 },
    { "already_paid", 409, "Already paid", 0 },
    { "order_closed", 409, "Order closed", 0 },
    { "expires_soon", 409, "Order expires soon", 0 },
    { "different_partitions", 409, "Orders of different partitions", 0 },
    { "unknown_gateway", 422, "Unknown gateway", 0 },
    { "unknown_method", 422, "Unknown payment method", 0 },
    { "amount_out_of_range", 422, "Amount out of the gateway's range", 0 },
    { "below_committed", 409, "Stock below what is held and sold", 0 },
    { "wrong_sale", 409, "Item belongs to another sale", 0 },
    { "rebuild_required", 409, "Rebuild required", PT_RETRY_LATER },
    { "still_poison", 409, "Dead letter still refused", 0 },
    { "forbidden", 403, "Forbidden", 0 },
    { "unverified", 403, "Callback not verified", 0 },
    { "method_not_allowed", 405, "Method not allowed", 0 },
    { "too_large", 413, "Too large", 0 },
    { "unsupported_media_type", 415, "Unsupported media type", 0 },
    { "unavailable", 503, "Unavailable", PT_RETRY_SOON },
    { "internal_error", 500, "Internal error", 0 },
};


void
pt_problem_open(pt_out_t *out, pt_problem_e problem, const char *detail)
{
    const pt_problem_t  *p;

    p = &pt_problems[problem];

    pt_out_str(out, "{\"type\":\"https://paytrade.dev/problems#");
    pt_out_str(out, p->code);
    pt_out_str(out, "\",\"title\":");
    pt_out_json(out, pt_slice(p->title, strlen(p->title)));
    pt_out_str(out, ",\"status\":");
    pt_out_int(out, p->status);
    pt_out_str(out, ",\"code\":");
    pt_out_json(out, pt_slice(p->code, strlen(p->code)));

    if (detail != NULL) {
        pt_out_str(out, ",\"detail\":");
        pt_out_json(out, pt_slice(detail, strlen(detail)));
    }
}
