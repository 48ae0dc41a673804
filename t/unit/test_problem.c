/*
 * Problems: the table is whole, and a problem's body is JSON.
 */

#include <ctype.h>

#include "pt_json.h"
#include "pt_problem.h"
#include "unit.h"


static void
test_codes(void **state)
{
    unsigned  i;

    static const struct {
        pt_problem_e  problem;
        const char   *code;
        unsigned      status;
    } expected[] = {
        { PT_BAD_REQUEST, "bad_request", 400 },
        { PT_NO_USER, "no_user", 401 },
        { PT_UNKNOWN_ITEM, "unknown_item", 404 },
        { PT_UNKNOWN_ORDER, "unknown_order", 404 },
        { PT_UNKNOWN_PAYMENT, "unknown_payment", 404 },
        { PT_UNKNOWN_SALE, "unknown_sale", 404 },
        { PT_UNKNOWN_DEAD_LETTER, "unknown_dead_letter", 404 },
        { PT_NOT_FOUND, "not_found", 404 },
        { PT_KEY_REUSED, "key_reused", 422 },
        { PT_TOO_MANY_ATTEMPTS, "too_many_attempts", 429 },
        { PT_PAUSED, "paused", 409 },
        { PT_NOT_STARTED, "not_started", 409 },
        { PT_ENDED, "ended", 409 },
        { PT_PRICE_CHANGED, "price_changed", 422 },
        { PT_LIMIT_REACHED, "limit_reached", 409 },
        { PT_SOLD_OUT, "sold_out", 409 },
        { PT_ALREADY_PAID, "already_paid", 409 },
        { PT_ORDER_CLOSED, "order_closed", 409 },
        { PT_EXPIRES_SOON, "expires_soon", 409 },
        { PT_DIFFERENT_PARTITIONS, "different_partitions", 409 },
        { PT_UNKNOWN_GATEWAY, "unknown_gateway", 422 },
        { PT_UNKNOWN_METHOD, "unknown_method", 422 },
        { PT_AMOUNT_OUT_OF_RANGE, "amount_out_of_range", 422 },
        { PT_BELOW_COMMITTED, "below_committed", 409 },
        { PT_WRONG_SALE, "wrong_sale", 409 },
        { PT_REBUILD_REQUIRED, "rebuild_required", 409 },
        { PT_STILL_POISON, "still_poison", 409 },
        { PT_FORBIDDEN, "forbidden", 403 },
        { PT_UNVERIFIED, "unverified", 403 },
        { PT_METHOD_NOT_ALLOWED, "method_not_allowed", 405 },
        { PT_TOO_LARGE, "too_large", 413 },
        { PT_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", 415 },
        { PT_UNAVAILABLE, "unavailable", 503 },
        { PT_INTERNAL_ERROR, "internal_error", 500 },
    };

    assert_int_equal(sizeof(expected) / sizeof(expected[0]), PT_PROBLEMS);

    for (i = 0; i < PT_PROBLEMS; i++) {
        assert_int_equal(expected[i].problem, i);
        assert_string_equal(pt_problems[i].code, expected[i].code);
        assert_int_equal(pt_problems[i].status, expected[i].status);
        assert_true(isupper((unsigned char) pt_problems[i].title[0]));
    }
}


/* All of 429 and 503, and of 409 what waiting mends by itself. */
static void
test_retry(void **state)
{
    int                  i;
    const pt_problem_t  *p;

    for (i = 0; i < PT_PROBLEMS; i++) {
        p = &pt_problems[i];

        assert_int_equal(p->retry > 0,
                         p->status == 429 || p->status == 503
                         || i == PT_PAUSED || i == PT_REBUILD_REQUIRED);
    }
}


static void
test_open(void **state)
{
    pt_out_t  out;

    unit_out(&out);
    pt_problem_open(&out, PT_SOLD_OUT, NULL);
    pt_out_char(&out, '}');
    assert_string_equal(unit_text(&out),
                        "{\"type\":\"https://paytrade.dev/problems#sold_out\","
                        "\"title\":\"Sold out\",\"status\":409,"
                        "\"code\":\"sold_out\"}");
}


static void
test_open_all(void **state)
{
    int          i;
    cJSON       *json;
    int64_t      status;
    pt_out_t     out;
    pt_slice_t   code, detail;
    const char  *why;

    for (i = 0; i < PT_PROBLEMS; i++) {
        unit_out(&out);
        pt_problem_open(&out, i, "say \"5000.00\"\n");
        pt_out_char(&out, '}');

        json = pt_json_parse(pt_out_slice(&out), &why);
        assert_non_null(json);

        assert_int_equal(pt_json_string(json, "code", &code), PT_JSON_OK);
        unit_slice_is(code, pt_problems[i].code);
        assert_int_equal(pt_json_string(json, "detail", &detail), PT_JSON_OK);
        unit_slice_is(detail, "say \"5000.00\"\n");
        assert_int_equal(pt_json_int(json, "status", 400, 599, &status),
                         PT_JSON_OK);
        assert_int_equal(status, pt_problems[i].status);

        cJSON_Delete(json);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        unit_case(test_codes),
        unit_case(test_retry),
        unit_case(test_open),
        unit_case(test_open_all),
    };

    return cmocka_run_group_tests_name("problem", tests, NULL, NULL);
}
