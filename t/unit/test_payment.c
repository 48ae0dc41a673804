/*
 * Payments: states, rows, parts, JSON.
 */

#include "pt_payment.h"
#include "unit.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))

#define PART   "1763712000000000001 1000000 - - 0"
#define PARTS  PART ",1763712000000000002 250000 - - 0"


static const char *const  row_fields[PT_PAYMENT_FIELDS] = {
    "1763712000123000002", "unpaid", "1", "caf\xc3\xa9 user", "spring",
    "alipay", "page", "2013112011001004330000121536", "1250000",
    "1763712000123", "1763712870000", "1763712060000", "1763712060123",
    "0123456789abcdef", "fedcba9876543210",
    "Caf\xc3\xa9 P30 and 1 more", PARTS,
};


/* The good row with one field changed; PT_PAYMENT_FIELDS changes none. */
static pt_slice_t
row_with(unsigned field, pt_slice_t value)
{
    unsigned  i;
    pt_out_t  out;

    unit_out(&out);

    for (i = 0; i < PT_PAYMENT_FIELDS; i++) {
        if (i) {
            pt_out_char(&out, '\t');
        }

        if (i == field) {
            pt_out_put(&out, value);

        } else {
            pt_out_str(&out, row_fields[i]);
        }
    }

    return unit_mem(pt_out_slice(&out).data, pt_out_slice(&out).len);
}


static int
parses(unsigned field, pt_slice_t value)
{
    pt_payment_t  payment;

    memset(&payment, 0x5a, sizeof(payment));

    return pt_payment_parse_row(&payment, row_with(field, value)) == 0;
}


static void
test_row(void **state)
{
    pt_payment_t  p;

    assert_int_equal(pt_payment_parse_row(&p, row_with(PT_PAYMENT_FIELDS,
                                                       pt_slice_null)), 0);
    unit_slice_is(p.pay_no, "1763712000123000002");
    assert_int_equal(p.status, PT_PAYMENT_UNPAID);
    assert_true(p.rev == 1);
    unit_slice_is(p.user, "caf\xc3\xa9 user");
    unit_slice_is(p.sale, "spring");
    unit_slice_is(p.gateway, "alipay");
    unit_slice_is(p.method, "page");
    unit_slice_is(p.trade_no, "2013112011001004330000121536");
    assert_true(p.amount == 1250000);
    assert_true(p.created_at == INT64_C(1763712000123));
    assert_true(p.ends_at == INT64_C(1763712870000));
    assert_true(p.paid_at == INT64_C(1763712060000));
    assert_true(p.changed_at == INT64_C(1763712060123));
    unit_slice_is(p.key, "0123456789abcdef");
    unit_slice_is(p.body, "fedcba9876543210");
    unit_slice_is(p.subject, "Caf\xc3\xa9 P30 and 1 more");
    unit_slice_is(p.parts, PARTS);
}


static void
test_row_words(void **state)
{
    unsigned      i;
    pt_payment_t  p;

    static const char  *words[] = { "unpaid", "paid", "closed" };
    static const char  *refused[] = { "", "unpai", "paidd", "Paid", "held",
                                      "refunded", "paid " };

    for (i = 0; i < PT_PAYMENT_STATES; i++) {
        assert_string_equal(pt_payment_status_words[i], words[i]);
        assert_int_equal(pt_payment_parse_row(&p,
                             row_with(1, unit_str(words[i]))), 0);
        assert_int_equal(p.status, i);
    }

    for (i = 0; i < N(refused); i++) {
        assert_false(parses(1, unit_str(refused[i])));
    }

    assert_string_equal(pt_outcome_words[PT_OUTCOME_NONE], "");
    assert_string_equal(pt_outcome_words[PT_OUTCOME_APPLIED], "applied");
    assert_string_equal(pt_outcome_words[PT_OUTCOME_REFUND_DUE],
                        "refund_due");
}


static void
test_row_refused(void **state)
{
    size_t    i;
    unsigned  field;

    static const struct {
        unsigned     field;
        const char  *value;
    } cases[] = {
        { 0, "176371200012300000" }, { 0, "17637120001230000020" },
        { 0, "176371200012300000a" }, { 0, "9223372036854775808" },
        { 2, "9223372036854775808" }, { 3, "\xff" }, { 3, "a\nb" },
        { 4, "a b" }, { 4, "\xc3\xa9" }, { 4, "a,b" }, { 5, "ali pay" },
        { 5, "\xc3\xa9" }, { 6, "p\x7f" }, { 6, "a b" }, { 7, "\xff" },
        { 7, "\x01" }, { 8, "10000000000001" }, { 8, "5000.00" },
        { 9, "253402300800000" }, { 10, "253402300800000" },
        { 11, "253402300800000" }, { 12, "253402300800000" },
        { 13, "0123456789abcde" }, { 13, "0123456789ABCDEF" },
        { 14, "0123456789abcdeg" }, { 15, "\xed\xa0\x80" }, { 15, "a\x7f" },
        { 16, "x" }, { 16, PARTS "," }, { 16, "," PARTS },
        { 16, PART "," PART },
        { 16, "1763712000000000002 1 - - 0," PART },
    };

    for (i = 0; i < N(cases); i++) {
        if (parses(cases[i].field, unit_str(cases[i].value))) {
            fail_msg("field %u: %s", cases[i].field, cases[i].value);
        }
    }

    for (field = 0; field < PT_PAYMENT_FIELDS; field++) {
        assert_false(parses(field, unit_mem("1\0", 2)));

        /* trade_no, key, body and subject may be empty */

        assert_int_equal(parses(field, pt_slice_null),
                         field == 7 || (field >= 13 && field <= 15));

        if (field == 2 || (field >= 8 && field <= 12)) {
            assert_false(parses(field, unit_str("-1")));
            assert_false(parses(field, unit_str("1x")));
            assert_true(parses(field, unit_str("0")));
        }
    }
}


static void
test_row_lengths(void **state)
{
    size_t  i;

    static const struct {
        unsigned  field;
        size_t    max;
    } cases[] = {
        { 3, PT_USER_MAX }, { 4, PT_NAME_MAX }, { 5, PT_GATEWAY_NAME_MAX },
        { 6, PT_METHOD_MAX }, { 7, PT_TRADE_NO_MAX }, { 15, PT_SUBJECT_MAX },
    };

    for (i = 0; i < N(cases); i++) {
        assert_true(parses(cases[i].field, unit_repeat("u", cases[i].max)));
        assert_false(parses(cases[i].field,
                            unit_repeat("u", cases[i].max + 1)));
    }
}


static void
test_row_truncated(void **state)
{
    size_t        i, last, comma;
    pt_slice_t    row;
    pt_payment_t  p;

    row = row_with(PT_PAYMENT_FIELDS, pt_slice_null);
    last = row.len - strlen(PARTS);
    comma = last + strlen(PART);

    /* the first part is a whole payment too */

    for (i = 0; i < row.len; i++) {
        assert_int_equal(pt_payment_parse_row(&p, unit_mem(row.data, i)),
                         i == comma ? 0 : -1);
    }

    row = unit_fmt("%.*s\t", (int) row.len, row.data);
    assert_int_equal(pt_payment_parse_row(&p, row), -1);
    assert_int_equal(pt_payment_parse_row(&p, pt_slice_null), -1);
}


static pt_slice_t
parts_of(unsigned n)
{
    unsigned  i;
    pt_out_t  out;

    unit_out(&out);

    for (i = 0; i < n; i++) {
        pt_out_put(&out, unit_fmt("%s17637120000000%05u 1 applied - 1",
                                  i ? "," : "", i));
    }

    return pt_out_slice(&out);
}


static void
test_row_parts_max(void **state)
{
    assert_true(parses(16, parts_of(PT_PAYMENT_ORDERS_MAX)));
    assert_false(parses(16, parts_of(PT_PAYMENT_ORDERS_MAX + 1)));
}


static void
test_next_part(void **state)
{
    pt_part_t   part;
    pt_slice_t  parts;

    parts = unit_str("1763712000000000001 1000000 refund_due sold_out 999999,"
                     "1763712000000000002 0 applied late 0,"
                     "1763712000000000003 5 - - 0");

    assert_int_equal(pt_payment_next_part(&parts, &part), 1);
    unit_slice_is(part.order_id, "1763712000000000001");
    assert_true(part.amount == 1000000);
    assert_int_equal(part.outcome, PT_OUTCOME_REFUND_DUE);
    unit_slice_is(part.reason, "sold_out");
    assert_true(part.refunded == 999999);

    assert_int_equal(pt_payment_next_part(&parts, &part), 1);
    assert_true(part.amount == 0);
    assert_int_equal(part.outcome, PT_OUTCOME_APPLIED);
    unit_slice_is(part.reason, "late");

    assert_int_equal(pt_payment_next_part(&parts, &part), 1);
    assert_int_equal(part.outcome, PT_OUTCOME_NONE);
    assert_int_equal(part.reason.len, 0);
    assert_int_equal(pt_payment_next_part(&parts, &part), 0);
    assert_int_equal(pt_payment_next_part(&parts, &part), 0);

    parts = pt_slice_null;
    assert_int_equal(pt_payment_next_part(&parts, &part), 0);
}


static void
test_next_part_refused(void **state)
{
    size_t      i;
    pt_part_t   part;
    pt_slice_t  parts;

    static const char  *refused[] = {
        ",", " ", "-", PART " ", " " PART, PART ",", "1763712000000000001",
        "1763712000000000001 1 - -", "1763712000000000001 1 - - 0 0",
        "176371200000000001 1 - - 0", "1763712000000000001 -1 - - 0",
        "1763712000000000001 1 - - -1", "1763712000000000001 1 - - 2",
        "1763712000000000001 1.0 - - 0", "1763712000000000001  - - 0",
        "1763712000000000001 1  - 0", "1763712000000000001 1 -  0",
        "1763712000000000001 1 - - ", "1763712000000000001 1 paid - 0",
        "1763712000000000001 1 refund - 0", "1763712000000000001 1 - \xff 0",
        "1763712000000000001 1 - a\tb 0",
        "1763712000000000001 10000000000001 - - 0",
    };

    for (i = 0; i < N(refused); i++) {
        parts = unit_str(refused[i]);

        if (pt_payment_next_part(&parts, &part) != -1) {
            fail_msg("%s", refused[i]);
        }
    }

    parts = unit_mem("1763712000000000001 1 - \0 0", 27);
    assert_int_equal(pt_payment_next_part(&parts, &part), -1);
}


static void
test_to_json(void **state)
{
    pt_out_t      out;
    const char   *why;
    pt_payment_t  p;

    assert_int_equal(pt_payment_parse_row(&p, row_with(PT_PAYMENT_FIELDS,
                                                       pt_slice_null)), 0);
    unit_out(&out);
    pt_payment_json(&out, &p, pt_slice_lit("a-"), pt_slice_lit("CNY"), 2,
                    pt_slice_lit("https://pay/?a=1&b=\"2\""));
    assert_string_equal(unit_text(&out),
        "{\"pay_no\":\"1763712000123000002\","
        "\"out_trade_no\":\"a-1763712000123000002\",\"status\":\"unpaid\","
        "\"gateway\":\"alipay\",\"method\":\"page\","
        "\"amount\":\"12500.00\",\"currency\":\"CNY\","
        "\"orders\":[{\"order_id\":\"1763712000000000001\","
        "\"amount\":\"10000.00\"},{\"order_id\":\"1763712000000000002\","
        "\"amount\":\"2500.00\"}],"
        "\"created_at\":\"2025-11-21T08:00:00.123Z\","
        "\"expires_at\":\"2025-11-21T08:14:30.000Z\","
        "\"pay_url\":\"https://pay/?a=1&b=\\\"2\\\"\"}");
    assert_int_equal(pt_json_scan(pt_out_slice(&out), &why), 0);

    p.status = PT_PAYMENT_PAID;
    p.trade_no = unit_str("a\"b");
    p.parts = unit_str("1763712000000000001 1000000 applied late 0,"
                       "1763712000000000002 250000 refund_due sold_out 50");

    unit_out(&out);
    pt_payment_json(&out, &p, pt_slice_null, pt_slice_lit("JPY"), 0,
                    pt_slice_null);
    assert_string_equal(unit_text(&out),
        "{\"pay_no\":\"1763712000123000002\","
        "\"out_trade_no\":\"1763712000123000002\",\"status\":\"paid\","
        "\"gateway\":\"alipay\",\"method\":\"page\","
        "\"amount\":\"1250000\",\"currency\":\"JPY\","
        "\"orders\":[{\"order_id\":\"1763712000000000001\","
        "\"amount\":\"1000000\",\"outcome\":\"applied\",\"reason\":\"late\","
        "\"refunded\":\"0\"},{\"order_id\":\"1763712000000000002\","
        "\"amount\":\"250000\",\"outcome\":\"refund_due\","
        "\"reason\":\"sold_out\",\"refunded\":\"50\"}],"
        "\"created_at\":\"2025-11-21T08:00:00.123Z\","
        "\"expires_at\":\"2025-11-21T08:14:30.000Z\","
        "\"trade_no\":\"a\\\"b\",\"paid_at\":\"2025-11-21T08:01:00.000Z\"}");
    assert_int_equal(pt_json_scan(pt_out_slice(&out), &why), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        unit_case(test_row),
        unit_case(test_row_words),
        unit_case(test_row_refused),
        unit_case(test_row_lengths),
        unit_case(test_row_truncated),
        unit_case(test_row_parts_max),
        unit_case(test_next_part),
        unit_case(test_next_part_refused),
        unit_case(test_to_json),
    };

    return cmocka_run_group_tests_name("payment", tests, NULL, NULL);
}
