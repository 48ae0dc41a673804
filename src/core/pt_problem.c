/*
 * Problems: the table of all error codes.
 */

#include "pt_problem.h"


const pt_problem_t  pt_problems[PT_PROBLEMS] = {
    { "bad_request", 400, "Bad request" },
    { "no_user", 401, "No user" },
    { "unknown_item", 404, "Unknown item" },
    { "unknown_order", 404, "Unknown order" },
    { "unknown_payment", 404, "Unknown payment" },
    { "unknown_sale", 404, "Unknown sale" },
    { "unknown_dead_letter", 404, "Unknown dead letter" },
    { "not_found", 404, "Not found" },
    { "key_reused", 422, "Idempotency key reused" },
    { "too_many_attempts", 429, "Too many attempts" },
    { "paused", 409, "Sale paused" },
    { "not_started", 409, "Sale not started" },
    { "ended", 409, "Sale ended" },
    { "price_changed", 422, "Price changed" },
    { "limit_reached", 409, "Limit reached" },
    { "sold_out", 409, "Sold out" },
    { "already_paid", 409, "Already paid" },
    { "order_closed", 409, "Order closed" },
    { "expires_soon", 409, "Order expires soon" },
    { "different_partitions", 409, "Orders of different partitions" },
    { "unknown_gateway", 422, "Unknown gateway" },
    { "unknown_method", 422, "Unknown payment method" },
    { "amount_out_of_range", 422, "Amount out of the gateway's range" },
    { "below_committed", 409, "Stock below what is held and sold" },
    { "wrong_sale", 409, "Item belongs to another sale" },
    { "rebuild_required", 409, "Rebuild required" },
    { "still_poison", 409, "Dead letter still refused" },
    { "forbidden", 403, "Forbidden" },
    { "unverified", 403, "Callback not verified" },
    { "method_not_allowed", 405, "Method not allowed" },
    { "too_large", 413, "Too large" },
    { "unsupported_media_type", 415, "Unsupported media type" },
    { "unavailable", 503, "Unavailable" },
    { "internal_error", 500, "Internal error" },
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
