/*
 * The table of gateways: every type is complete, every word has its place.
 */

#include "pt_gateway.h"
#include "unit.h"


static void
test_find(void **state)
{
    assert_ptr_equal(pt_gateway_type(unit_str("alipay")), &pt_alipay);
    assert_null(pt_gateway_type(unit_str("alipa")));
    assert_null(pt_gateway_type(unit_str("alipayx")));
    assert_null(pt_gateway_type(unit_str("Alipay")));
    assert_null(pt_gateway_type(unit_str("")));
    assert_null(pt_gateway_type(pt_slice_null));
    assert_ptr_equal(pt_gateway_type_at(0), &pt_alipay);
    assert_null(pt_gateway_type_at(1000));
}


static void
test_complete(void **state)
{
    size_t                    i, k;
    const pt_setting_t       *setting;
    const pt_gateway_type_t  *type;

    for (i = 0; (type = pt_gateway_type_at(i)) != NULL; i++) {
        assert_ptr_equal(pt_gateway_type(unit_str(type->name)), type);
        assert_non_null(type->methods);
        assert_true(type->amount_min >= 1);
        assert_true(type->amount_max >= type->amount_min);

        for (k = 0; k < PT_ANSWERS; k++) {
            assert_in_range(type->answers[k].status, 200, 599);
            assert_non_null(type->answers[k].content_type);
            assert_non_null(type->answers[k].body);
        }

        for (setting = type->settings; setting->name; setting++) {
            assert_in_range(setting->kind, PT_SETTING_TEXT,
                            PT_SETTING_NAMED_FILE);
            assert_string_not_equal(setting->name, "type");
        }

        assert_non_null(type->create);
        assert_non_null(type->destroy);
        assert_non_null(type->set);
        assert_non_null(type->check);
        assert_non_null(type->verify);
        type->destroy(NULL);
        type->destroy(type->create(pt_slice_lit("CNY"), 2));
    }
}


static void
test_words(void **state)
{
    size_t  i, k;

    assert_string_equal(pt_verify_words[PT_VERIFY_OK], "ok");
    assert_string_equal(pt_verify_words[PT_VERIFY_BAD_FORM], "bad_form");
    assert_string_equal(pt_verify_words[PT_VERIFY_BAD_SIGNATURE],
                        "bad_signature");
    assert_string_equal(pt_verify_words[PT_VERIFY_WRONG_SELLER],
                        "wrong_seller");
    assert_string_equal(pt_verify_words[PT_VERIFY_NO_MEMORY], "no_memory");

    for (i = 0; i < PT_VERIFY_RESULTS; i++) {
        for (k = 0; k < i; k++) {
            assert_string_not_equal(pt_verify_words[i], pt_verify_words[k]);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        unit_case(test_find),
        unit_case(test_complete),
        unit_case(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
