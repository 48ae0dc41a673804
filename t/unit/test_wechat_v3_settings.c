/*
 * WeChat Pay v3: its settings, and its answers.
 */

#include "pt_hook.h"
#include "unit.h"
#include "wechat_v3.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))


static EVP_PKEY  *platform, *small, *curve;
static void      *conf;


static int
setup(void **state)
{
    conf = pt_wechat_v3.create(pt_slice_lit("CNY"), 2);
    assert_non_null(conf);

    return unit_setup(state);
}


static int
teardown(void **state)
{
    pt_wechat_v3.destroy(conf);

    return unit_end(state);
}


static void
says(const char *why, const char *part)
{
    assert_non_null(why);

    if (strstr(why, part) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", why, part);
    }
}


static void
refused(const char *name, const char *value, const char *part)
{
    const char  *why;

    why = NULL;
    assert_int_equal(wechat_v3_text(conf, name, value, &why), -1);
    says(why, part);
}


static void
check_refused(const char *part)
{
    const char  *why;

    why = NULL;
    assert_int_equal(pt_wechat_v3.check(conf, &why), -1);
    says(why, part);
}


static void
taken(const char *name, const char *value)
{
    const char  *why;

    assert_int_equal(wechat_v3_text(conf, name, value, &why), 0);
}


/* All but a key to verify with. */
static void
complete(void)
{
    taken("app_id", "wxd678efh567hg6787");
    taken("mch_id", "1900000109");
    taken("api_v3_key", WECHAT_V3_SECRET);
}


static void
test_texts(void **state)
{
    refused("app_id", "", "APPID");
    refused("app_id", "wx-1", "APPID");
    refused("app_id", "wx1 ", "APPID");
    refused("app_id", "\xe6\x89\x8b", "APPID");
    refused("app_id", "wx0000000000000000000000000000001", "32");
    taken("app_id", "wx000000000000000000000000000001");
    refused("app_id", "wx1", "twice");

    refused("mch_id", "", "digits");
    refused("mch_id", "19000001a", "digits");
    refused("mch_id", "1900000109 ", "digits");
    refused("mch_id", "123456789012345678901234567890123", "digits");
    taken("mch_id", "1900000109");
    refused("mch_id", "1900000109", "twice");
}


static void
test_secrets(void **state)
{
    int  i;

    refused("api_v3_key", "", "32 bytes");
    refused("api_v3_key", "0123456789abcdefghijABCDEFGHIJ!", "32 bytes");
    refused("api_v3_key", WECHAT_V3_SECRET "x", "32 bytes");
    refused("api_v3_key", WECHAT_V3_SECRET " ", "32 bytes");
    refused("api_v3_key", " " WECHAT_V3_SECRET, "32 bytes");
    refused("api_v3_key", WECHAT_V3_SECRET "\n\n", "32 bytes");
    refused("api_v3_key", WECHAT_V3_SECRET "\n" WECHAT_V3_SECRET, "one line");

    taken("api_v3_key", WECHAT_V3_SECRET);
    refused("api_v3_key", WECHAT_V3_SECRET "\n", "twice");
    taken("api_v3_key", WECHAT_V3_OLD_SECRET "\n");
    refused("api_v3_key", WECHAT_V3_OLD_SECRET, "twice");

    for (i = 2; i < PT_SECRETS_MAX; i++) {
        taken("api_v3_key", unit_fmt("%032d\r\n%c", i, 0).data);
    }

    refused("api_v3_key", WECHAT_V3_SECRET, "too many");
}


static void
certificate_refused(EVP_PKEY *key, const char *serial, const char *part)
{
    const char  *why;

    why = NULL;
    assert_int_equal(wechat_v3_certificate(conf, key, serial, "x", &why), -1);
    says(why, part);
}


static void
test_certificates(void **state)
{
    int           i;
    char          serial[16];
    const char   *why;
    keys_file_t   file;

    refused("platform_certificate", "", "holds no certificate");
    refused("platform_certificate", "x", "holds no certificate");
    refused("platform_certificate", "-----BEGIN CERTIFICATE-----\nZm9v\n"
            "-----END CERTIFICATE-----\n", "damaged certificate");

    keys_file(&file, platform, KEYS_SPKI);
    assert_int_equal(wechat_v3_set(conf, "platform_certificate",
                                   pt_slice_null, keys_slice(&file), &why),
                     -1);
    says(why, "holds a public key");

    keys_file(&file, platform, KEYS_PKCS8);
    assert_int_equal(wechat_v3_set(conf, "platform_certificate",
                                   pt_slice_null, keys_slice(&file), &why),
                     -1);
    says(why, "holds a private key");

    certificate_refused(small, "1", "2048");
    certificate_refused(curve, "1", "RSA");

    for (i = 1; i <= PT_WECHAT_V3_KEYS_MAX; i++) {
        sprintf(serial, "%02X", i * 7);
        assert_int_equal(wechat_v3_certificate(conf, platform, serial, NULL,
                                               &why), 0);
    }

    certificate_refused(platform, "07", "twice");
    certificate_refused(platform, "FF", "16 are the most");
}


static void
key_refused(const char *id, EVP_PKEY *key, keys_form_e form, const char *part)
{
    const char  *why;

    why = NULL;
    assert_int_equal(wechat_v3_public_key(conf, id, key, form, &why), -1);
    says(why, part);
}


static void
test_public_keys(void **state)
{
    size_t        i;
    const char   *why;
    keys_file_t   file;

    static const char *const  ids[] = {
        "", "x", "PUB_KEY_ID_", "PUB_KEY_ID", "pub_key_id_01", "PUB_KEY_ID_0 ",
        " PUB_KEY_ID_01", "PUB_KEY_ID_0\n", "PUB_KEY_ID_0,1", WECHAT_V3_SERIAL,
        "PUB_KEY_ID_01234567890123456789012345678901234567890123456789012345",
    };

    for (i = 0; i < N(ids); i++) {
        key_refused(ids[i], platform, KEYS_SPKI, "PUB_KEY_ID_");
    }

    key_refused("PUB_KEY_ID_01", platform, KEYS_PKCS8, "holds a private key");
    key_refused("PUB_KEY_ID_01", platform, KEYS_PKCS1, "holds a private key");
    key_refused("PUB_KEY_ID_01", small, KEYS_SPKI, "2048");
    key_refused("PUB_KEY_ID_01", curve, KEYS_SPKI, "RSA");

    certificate_file(&file, platform, "1", "x");
    assert_int_equal(wechat_v3_set(conf, "public_key",
                                   pt_slice_lit("PUB_KEY_ID_01"),
                                   keys_slice(&file), &why), -1);
    says(why, "holds a certificate");

    assert_int_equal(wechat_v3_public_key(conf, WECHAT_V3_KEY_ID, platform,
                                          KEYS_SPKI, &why), 0);
    assert_int_equal(wechat_v3_public_key(conf, "PUB_KEY_ID_01", platform,
                                          KEYS_PKCS1_PUBLIC, &why), 0);
    assert_int_equal(wechat_v3_public_key(conf,
            "PUB_KEY_ID_01234567890123456789012345678901234567890123456789012",
            platform, KEYS_SPKI, &why), 0);
    key_refused(WECHAT_V3_KEY_ID, platform, KEYS_SPKI, "twice");
}


/* Serial numbers are compared as numbers, ids as they are. */
static void
test_key_ids(void **state)
{
    const char            *why;
    const pt_wechat_v3_t  *c = conf;

    assert_int_equal(wechat_v3_certificate(conf, platform, "0A01", "x", &why),
                     0);
    assert_int_equal(wechat_v3_certificate(conf, platform, "00", "x", &why),
                     0);
    assert_int_equal(wechat_v3_public_key(conf, "PUB_KEY_ID_01", platform,
                                          KEYS_SPKI, &why), 0);

    assert_string_equal(c->keys[0].id, "0A01");
    assert_string_equal(c->keys[1].id, "0");

#define key_of(s)  pt_wechat_v3_key(c, unit_str(s))

    assert_ptr_equal(key_of("0A01"), &c->keys[0]);
    assert_ptr_equal(key_of("A01"), &c->keys[0]);
    assert_ptr_equal(key_of("000A01"), &c->keys[0]);
    assert_null(key_of("0A010"));
    assert_null(key_of("0a01"));
    assert_ptr_equal(key_of("0"), &c->keys[1]);
    assert_ptr_equal(key_of("000"), &c->keys[1]);
    assert_ptr_equal(key_of("PUB_KEY_ID_01"), &c->keys[2]);
    assert_null(key_of("PUB_KEY_ID_1"));
    assert_null(key_of("PUB_KEY_ID_001"));
    assert_null(key_of(""));
}


static void
test_tolerance(void **state)
{
    const char            *why;
    const pt_wechat_v3_t  *c = conf;

    complete();
    assert_int_equal(wechat_v3_certificate(conf, platform, "1", "x", &why), 0);
    assert_int_equal(pt_wechat_v3.check(conf, &why), 0);
    assert_true(c->tolerance == PT_TOLERANCE_MS);

    pt_wechat_v3.destroy(conf);
    conf = pt_wechat_v3.create(pt_slice_lit("CNY"), 2);
    c = conf;

    refused("tolerance", "0", "time");
    refused("tolerance", "5m", "time");
    refused("tolerance", "86400001", "time");
    taken("tolerance", "60000");
    refused("tolerance", "60000", "twice");

    complete();
    assert_int_equal(wechat_v3_certificate(conf, platform, "1", "x", &why), 0);
    assert_int_equal(pt_wechat_v3.check(conf, &why), 0);
    assert_true(c->tolerance == 60000);
}


static void
test_check(void **state)
{
    unsigned     i;
    const char  *why;

    check_refused("needs app_id, mch_id and api_v3_key");
    complete();
    check_refused("no key to verify with");

    /* either kind of key is enough */

    assert_int_equal(wechat_v3_public_key(conf, "PUB_KEY_ID_01", platform,
                                          KEYS_SPKI, &why), 0);
    assert_int_equal(pt_wechat_v3.check(conf, &why), 0);

    assert_int_equal(wechat_v3_certificate(conf, platform, "1", "1900000109",
                                           &why), 0);
    check_refused("merchant's own certificate");

    for (i = 0; i <= 4; i++) {
        pt_wechat_v3.destroy(conf);
        conf = pt_wechat_v3.create(pt_slice_lit("CNY"), i);
        complete();
        assert_int_equal(wechat_v3_certificate(conf, platform, "1", "x", &why),
                         0);

        if (i == 2) {
            assert_int_equal(pt_wechat_v3.check(conf, &why), 0);

        } else {
            check_refused("set paytrade_currency to \"CNY 2\"");
        }
    }

    /* refunds name no currency */

    pt_wechat_v3.destroy(conf);
    conf = pt_wechat_v3.create(pt_slice_lit("USD"), 2);
    complete();
    assert_int_equal(wechat_v3_certificate(conf, platform, "1", "x", &why), 0);
    check_refused("takes amounts in yuan: set paytrade_currency to \"CNY 2\"");
}


static void
test_table(void **state)
{
    const pt_answer_t  *answers = pt_wechat_v3.answers;

    assert_int_equal(answers[PT_ANSWER_ACCEPTED].status, 200);
    assert_non_null(strstr(answers[PT_ANSWER_ACCEPTED].body,
                           "\"code\":\"SUCCESS\""));
    assert_int_equal(answers[PT_ANSWER_REFUSED].status, 401);
    assert_non_null(strstr(answers[PT_ANSWER_REFUSED].body,
                           "\"code\":\"FAIL\""));
    assert_int_equal(answers[PT_ANSWER_LATER].status, 503);
    assert_non_null(strstr(answers[PT_ANSWER_LATER].body,
                           "\"code\":\"FAIL\""));

    /* the shop starts its payments itself */

    assert_null(pt_wechat_v3.methods(conf)[0]);
}


static int
make_keys(void **state)
{
    platform = keys_make(EVP_PKEY_RSA, 2048);
    small = keys_make(EVP_PKEY_RSA, 1024);
    curve = keys_make(EVP_PKEY_ED25519, 0);

    return 0;
}


static int
free_keys(void **state)
{
    EVP_PKEY_free(platform);
    EVP_PKEY_free(small);
    EVP_PKEY_free(curve);

    return 0;
}


#define s_case(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        s_case(test_texts),
        s_case(test_secrets),
        s_case(test_certificates),
        s_case(test_public_keys),
        s_case(test_key_ids),
        s_case(test_tolerance),
        s_case(test_check),
        s_case(test_table),
    };

    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
