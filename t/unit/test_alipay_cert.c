/*
 * Alipay in certificate mode: the numbers of certificates, the settings that
 * belong together, links and callbacks; and shops that only verify.
 */

#include "alipay.h"
#include "unit.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))


/* One part of an issuer's name after another, as the certificate has them. */
typedef struct {
    const char     *field;             /* NULL: no more */
    const char     *value;
} part_t;


static alipay_world_t  world;


static const part_t  ant_r1[] = {
    { "C", "CN" }, { "O", "Ant Financial" },
    { "OU", "Certification Authority" },
    { "CN", "Ant Financial Certification Authority R1" }, { NULL, NULL }
};

static const part_t  ant_e1[] = {
    { "C", "CN" }, { "O", "Ant Financial" },
    { "OU", "Certification Authority" },
    { "CN", "Ant Financial Certification Authority E1" }, { NULL, NULL }
};

static const part_t  ant_class_1[] = {
    { "C", "CN" }, { "O", "Ant Financial" },
    { "OU", "Certification Authority" },
    { "CN", "Ant Financial Certification Authority Class 1 R1" },
    { NULL, NULL }
};

static const part_t  ant_class_2[] = {
    { "C", "CN" }, { "O", "Ant Financial" },
    { "OU", "Certification Authority" },
    { "CN", "Ant Financial Certification Authority Class 2 R1" },
    { NULL, NULL }
};

static const part_t  trus_china[] = {
    { "C", "CN" }, { "O", "iTrusChina" }, { "OU", "China Trust Network" },
    { "CN", "iTrusChina Class 2 Root CA - G3" }, { NULL, NULL }
};


static pt_slice_t
bio_slice(BIO *bio)
{
    long        len;
    char       *text;
    pt_slice_t  s;

    len = BIO_get_mem_data(bio, &text);
    s = unit_mem(text, len);
    BIO_free(bio);

    return s;
}


/* A certificate in PEM with this key in it, signed with another. */
static pt_slice_t
certificate(const part_t *issuer, const char *serial, EVP_PKEY *key,
    EVP_PKEY *signer)
{
    BIO           *bio;
    X509          *cert;
    BIGNUM        *number;
    X509_NAME     *name;
    ASN1_INTEGER  *integer;

    number = NULL;
    cert = X509_new();
    name = X509_NAME_new();
    bio = BIO_new(BIO_s_mem());

    keys_check(cert && name && bio && BN_hex2bn(&number, serial) > 0);

    for (/* void */; issuer->field; issuer++) {
        keys_check(X509_NAME_add_entry_by_txt(name, issuer->field,
                                      MBSTRING_UTF8,
                                      (const unsigned char *) issuer->value,
                                      -1, -1, 0)
                   == 1);
    }

    integer = BN_to_ASN1_INTEGER(number, NULL);

    keys_check(X509_set_version(cert, 2) == 1
               && X509_set_serialNumber(cert, integer) == 1
               && X509_set_issuer_name(cert, name) == 1
               && X509_set_subject_name(cert, name) == 1
               && X509_gmtime_adj(X509_getm_notBefore(cert), -60)
               && X509_gmtime_adj(X509_getm_notAfter(cert), 3600)
               && X509_set_pubkey(cert, key) == 1
               && X509_sign(cert, signer,
                            EVP_PKEY_base_id(signer) == EVP_PKEY_RSA
                            ? EVP_sha256() : NULL)
                  > 0
               && PEM_write_bio_X509(bio, cert) == 1);

    ASN1_INTEGER_free(integer);
    X509_NAME_free(name);
    X509_free(cert);
    BN_free(number);

    return bio_slice(bio);
}


static pt_slice_t
plain(EVP_PKEY *key)
{
    return certificate(ant_r1, "01", key, key);
}


static pt_slice_t
joined(pt_slice_t a, pt_slice_t b)
{
    return unit_fmt("%.*s%.*s", (int) a.len, a.data, (int) b.len, b.data);
}


static int
set(void *conf, const char *name, pt_slice_t value, const char **why)
{
    return pt_alipay.set(conf, alipay_setting(name), pt_slice_null, value,
                         why);
}


static void
sn_is(pt_slice_t file, const char *expected)
{
    char         sn[PT_ALIPAY_SN_LEN];
    pt_rsa_t    *key;
    const char  *why;

    key = pt_alipay_certificate(file, sn, &why);
    assert_non_null(key);
    pt_rsa_free(key);

    unit_slice_is(pt_slice(sn, sizeof(sn)), expected);
}


/* The numbers that are published for Alipay's own certificates. */
static void
test_published(void **state)
{
    char        *roots;
    EVP_PKEY    *curve;
    pt_slice_t   file;
    const char  *why;

    sn_is(certificate(ant_class_1, "2020051862039D4090897BA4D51C2126",
                      world.app, world.other),
          "866efef280dec9137a87d047ac446315");
    sn_is(certificate(ant_class_2, "20200514E63C2FE04D538716FE21358B",
                      world.alipay, world.other),
          "7513daaaa48aa3ba2e4018d84402479c");

    /* one between them that is signed with another algorithm */

    curve = keys_make(EVP_PKEY_ED25519, 0);
    file = joined(joined(certificate(ant_r1, "1FCFA18D6A480D11", world.other,
                                     world.other),
                         certificate(ant_e1, "417EFA52C07FDF4A", curve,
                                     curve)),
                  certificate(trus_china,
                              "10C764E9D560384212D9C08FD10E373FDD0FB396",
                              world.other, world.other));
    EVP_PKEY_free(curve);

    roots = unit_alloc(NULL, PT_ALIPAY_ROOTS_LEN + 1);
    assert_int_equal(pt_alipay_roots(file, roots, &why), 0);
    assert_string_equal(roots, "687b59193f3f462dd5336e5abf83c5d8_"
                               "02941eef3187dddf3d3b83462e1dfcf6");
}


/* MD5 of a text, by other means. */
static const char *
md5_of(const char *text)
{
    char           *p, *hex;
    size_t          i;
    unsigned char   md5[16];

    p = hex = unit_alloc(NULL, 33);
    keys_check(EVP_Digest(text, strlen(text), md5, NULL, EVP_md5(), NULL)
               == 1);

    for (i = 0; i < sizeof(md5); i++) {
        p += sprintf(p, "%02x", md5[i]);
    }

    return hex;
}


static void
test_issuers(void **state)
{
    size_t  i;

    static const struct {
        part_t       issuer[5];
        const char  *serial;
        const char  *text;
    } cases[] = {
        { { { "CN", "x" } }, "01", "CN=x1" },
        { { { "CN", "x" } }, "7FFFFFFFFFFFFFFFFF",
          "CN=x2361183241434822606847" },
        { { { "CN", "x" } }, "FF", "CN=x255" },
        { { { NULL, NULL } }, "0A", "10" },
        { { { "C", "CN" }, { "ST", "Zhejiang" }, { "L", "Hangzhou" },
            { "O", "x" } }, "01", "O=x,L=Hangzhou,ST=Zhejiang,C=CN1" },
        { { { "O", "\xe8\x9a\x82\xe8\x9a\x81" }, { "CN", "a, b + \"c\"" } },
          "02", "CN=a, b + \"c\",O=\xe8\x9a\x82\xe8\x9a\x81" "2" },
        { { { "OU", "a" }, { "OU", "b" } }, "02", "OU=b,OU=a2" },
        { { { "1.2.3.4", "x" } }, "02", "1.2.3.4=x2" },
    };

    for (i = 0; i < N(cases); i++) {
        sn_is(certificate(cases[i].issuer, cases[i].serial, world.alipay,
                          world.other), md5_of(cases[i].text));
    }
}


/* A configuration that lacks nothing but keys and certificates. */
static void *
begun(int starts)
{
    void        *conf;
    const char  *why;

    conf = pt_alipay.create(pt_slice_lit("CNY"), 2);
    assert_int_equal(alipay_set(conf, "app_id", "2021000000000001", &why), 0);
    assert_int_equal(alipay_set(conf, "seller_id", "2088000000000001", &why),
                     0);

    if (starts) {
        assert_int_equal(alipay_set(conf, "notify_url", "https://x/", &why),
                         0);
        assert_int_equal(alipay_set_key(conf, "private_key", world.app,
                                        KEYS_PKCS8, &why), 0);
    }

    return conf;
}


/* Certificates: a the application's, g the gateway's, r the roots, k a key. */
static void
give(void *conf, const char *which)
{
    const char  *why;

    for (/* void */; *which; which++) {
        switch (*which) {

        case 'a':
            assert_int_equal(set(conf, "app_certificate", plain(world.app),
                                 &why), 0);
            break;

        case 'g':
            assert_int_equal(set(conf, "alipay_certificate",
                                 plain(world.alipay), &why), 0);
            break;

        case 'r':
            assert_int_equal(set(conf, "root_certificate", plain(world.other),
                                 &why), 0);
            break;

        default:
            assert_int_equal(alipay_set_key(conf, "public_key", world.next,
                                            KEYS_SPKI, &why), 0);
        }
    }
}


static void
test_together(void **state)
{
    void        *conf;
    size_t       i;
    const char  *why;

    static const struct {
        int          starts;
        const char  *given;
        const char  *why;              /* NULL: fits */
    } cases[] = {
        { 1, "k", NULL },
        { 1, "agr", NULL },
        { 1, "aggr", NULL },
        { 1, "agrk", NULL },
        { 1, "", "needs a key of Alipay" },
        { 1, "a", "together" },
        { 1, "g", "together" },
        { 1, "r", "together" },
        { 1, "ag", "together" },
        { 1, "ar", "together" },
        { 1, "gr", "together" },
        { 1, "ak", "together" },
        { 1, "gk", "together" },
        { 1, "rk", "together" },
        { 1, "ark", "together" },
        { 0, "k", NULL },
        { 0, "g", NULL },
        { 0, "gk", NULL },
        { 0, "agr", NULL },
        { 0, "", "needs a key of Alipay" },
        { 0, "ag", "together" },
        { 0, "gr", "together" },
    };

    for (i = 0; i < N(cases); i++) {
        conf = begun(cases[i].starts);
        give(conf, cases[i].given);
        why = NULL;

        if (pt_alipay.check(conf, &why) != (cases[i].why ? -1 : 0)) {
            fail_msg("%s: %s", cases[i].given, why ? why : "fits");
        }

        assert_true(cases[i].why == NULL || strstr(why, cases[i].why));
        pt_alipay.destroy(conf);
    }
}


static void
test_not_fitting(void **state)
{
    void        *conf;
    const char  *why;

    conf = begun(1);
    assert_int_equal(set(conf, "app_certificate", plain(world.next), &why), 0);
    give(conf, "gr");
    assert_int_equal(pt_alipay.check(conf, &why), -1);
    assert_non_null(strstr(why, "not for its private_key"));
    pt_alipay.destroy(conf);

    conf = begun(1);
    give(conf, "ar");
    assert_int_equal(set(conf, "alipay_certificate", plain(world.app), &why),
                     0);
    assert_int_equal(pt_alipay.check(conf, &why), -1);
    assert_non_null(strstr(why, "own public key"));
    pt_alipay.destroy(conf);
}


static void
refused(const char *name, pt_slice_t file, const char *part)
{
    void        *conf;
    const char  *why;

    why = NULL;
    conf = begun(0);

    assert_int_equal(set(conf, name, file, &why), -1);
    assert_non_null(why);

    if (strstr(why, part) == NULL) {
        fail_msg("%s: %s", name, why);
    }

    pt_alipay.destroy(conf);
}


static void
test_files(void **state)
{
    char         *damaged;
    size_t        i;
    EVP_PKEY     *curve, *small;
    pt_slice_t    good;
    keys_file_t   file;

    static const char *const  names[] = {
        "app_certificate", "alipay_certificate", "root_certificate"
    };

    good = plain(world.alipay);
    curve = keys_make(EVP_PKEY_ED25519, 0);
    small = keys_make(EVP_PKEY_RSA, 1024);

    for (i = 0; i < N(names); i++) {
        refused(names[i], unit_str(""), "certificate");
        refused(names[i], unit_str("x"), "certificate");
        refused(names[i], unit_repeat(" ", 70000), "certificate");

        keys_file(&file, world.alipay, KEYS_SPKI);
        refused(names[i], keys_slice(&file), "holds no certificate");
        keys_file(&file, world.alipay, KEYS_PKCS8);
        refused(names[i], keys_slice(&file), "holds a private key");
        refused(names[i], joined(good, keys_slice(&file)),
                "holds a private key");
        refused(names[i], pt_slice(good.data, good.len / 2), "damaged");
        refused(names[i], joined(good, pt_slice(good.data, good.len - 40)),
                "damaged");

        damaged = (char *) unit_mem(good.data, good.len).data;
        memset(damaged + good.len / 2, 'A', 30);
        memset(damaged + 40, 'A', 4);
        refused(names[i], pt_slice(damaged, good.len), "damaged");
    }

    for (i = 0; i < 2; i++) {
        refused(names[i], certificate(ant_r1, "01", curve, world.other),
                "not for RSA");
        refused(names[i], certificate(ant_r1, "01", small, world.other),
                "2048");
    }

    refused("root_certificate", certificate(ant_r1, "01", curve, curve),
            "no root certificate with RSA");
    refused("root_certificate", unit_repeat(unit_fmt("%.*s%c", (int) good.len,
                                                     good.data, 0).data, 9),
            "more than 8");

    EVP_PKEY_free(curve);
    EVP_PKEY_free(small);
}


static void
test_repeated(void **state)
{
    int          i;
    char        *roots;
    void        *conf;
    pt_slice_t   root;
    const char  *why;

    conf = begun(1);
    give(conf, "ar");

    assert_int_equal(set(conf, "app_certificate", plain(world.app), &why), -1);
    assert_non_null(strstr(why, "second"));
    assert_int_equal(set(conf, "root_certificate", plain(world.app), &why),
                     -1);
    assert_non_null(strstr(why, "second"));

    for (i = 0; i < PT_ALIPAY_KEYS_MAX; i++) {
        give(conf, i % 2 ? "k" : "g");
    }

    assert_int_equal(set(conf, "alipay_certificate", plain(world.next), &why),
                     -1);
    assert_non_null(strstr(why, "too many"));
    assert_int_equal(pt_alipay.check(conf, &why), 0);
    pt_alipay.destroy(conf);

    /* a certificate is followed by those that issued it */

    conf = begun(0);
    assert_int_equal(set(conf, "alipay_certificate",
                         joined(plain(world.alipay), plain(world.other)),
                         &why), 0);
    assert_int_equal(pt_alipay.check(conf, &why), 0);
    pt_alipay.destroy(conf);

    root = plain(world.other);
    roots = unit_alloc(NULL, PT_ALIPAY_ROOTS_LEN + 1);
    assert_int_equal(pt_alipay_roots(unit_repeat(unit_fmt("%.*s%c",
                                       (int) root.len, root.data, 0).data, 8),
                                     roots, &why), 0);
    assert_int_equal(strlen(roots), PT_ALIPAY_ROOTS_LEN);
}


static pt_link_t
a_link(void)
{
    pt_link_t  link;

    link.out_trade_no = pt_slice_lit("t1763712000123000002");
    link.method = pt_slice_lit("page");
    link.subject = pt_slice_lit("x");
    link.amount = 1;
    link.created_at = INT64_C(1767225599999);
    link.ends_at = INT64_C(1767226469000);

    return link;
}


static void
test_link(void **state)
{
    void            *conf;
    pt_out_t         text, url;
    pt_link_t        link;
    const char      *why, *expected;
    pt_signature_t   signature;

    conf = begun(1);
    give(conf, "agr");
    assert_int_equal(pt_alipay.check(conf, &why), 0);
    assert_string_equal(pt_alipay.methods(conf)[0], "page");

    link = a_link();
    unit_out(&text);
    unit_out(&url);
    assert_int_equal(pt_alipay.link_text(conf, &link, &text), 0);
    assert_int_equal(pt_alipay.sign(conf, pt_out_slice(&text), &signature), 0);
    assert_int_equal(pt_alipay.link(conf, &link, &signature, &url), 0);

    why = md5_of("CN=Ant Financial Certification Authority R1,"
                 "OU=Certification Authority,O=Ant Financial,C=CN1");
    expected = unit_fmt("alipay_root_cert_sn=%s&app_cert_sn=%s"
                        "&app_id=2021000000000001&biz_content=%c", why, why,
                        0).data;
    assert_memory_equal(unit_text(&text), expected, strlen(expected));
    assert_non_null(strstr(unit_text(&url), unit_fmt("?alipay_root_cert_sn=%s"
                           "&app_cert_sn=%s&app_id=%c", why, why, 0).data));

    pt_alipay.destroy(conf);
}


static void
test_only_verifies(void **state)
{
    void            *conf;
    pt_out_t         out;
    pt_link_t        link;
    const char      *why;
    pt_signature_t   signature;

    conf = begun(0);
    give(conf, "k");
    assert_int_equal(pt_alipay.check(conf, &why), 0);
    assert_null(pt_alipay.methods(conf)[0]);

    memset(&signature, 1, sizeof(signature));
    signature.len = 256;
    link = a_link();
    unit_out(&out);
    assert_int_equal(pt_alipay.link_text(conf, &link, &out), -1);
    assert_int_equal(pt_alipay.link(conf, &link, &signature, &out), -1);
    pt_alipay.destroy(conf);

    /* one without the other */

    conf = begun(0);
    give(conf, "k");
    assert_int_equal(alipay_set(conf, "notify_url", "https://x/", &why), 0);
    assert_int_equal(pt_alipay.check(conf, &why), -1);
    assert_non_null(strstr(why, "private_key and notify_url together"));
    pt_alipay.destroy(conf);

    conf = begun(0);
    give(conf, "k");
    assert_int_equal(alipay_set_key(conf, "private_key", world.app,
                                    KEYS_PKCS8, &why), 0);
    assert_int_equal(pt_alipay.check(conf, &why), -1);
    assert_non_null(strstr(why, "private_key and notify_url together"));
    pt_alipay.destroy(conf);
}


static pt_slice_t
header(void *ctx, const char *name)
{
    return strcmp(name, "Content-Type") == 0
           ? pt_slice_lit("application/x-www-form-urlencoded")
           : pt_slice_null;
}


static pt_verify_e
verify(const void *conf, EVP_PKEY *key, pt_notice_t *notice)
{
    static char    text[ALIPAY_TEXT_MAX], body[ALIPAY_TEXT_MAX];

    char           sign[2048];
    alipay_form_t  form;
    pt_callback_t  callback;

    alipay_notice(&form);
    alipay_signed(&form, 0, text);
    alipay_sign_text(key, EVP_sha256(), text, sign);
    alipay_put(&form, "sign", sign);

    memset(&callback, 0, sizeof(callback));
    callback.body = unit_mem(body, alipay_body(&form, 1, 0, body));
    callback.header = header;
    callback.alloc = unit_alloc;

    return pt_alipay.verify(conf, &callback, notice);
}


static void
test_callbacks(void **state)
{
    void         *conf;
    const char   *why;
    pt_notice_t   notice;

    conf = begun(1);
    give(conf, "agr");
    assert_int_equal(set(conf, "alipay_certificate", plain(world.next), &why),
                     0);
    assert_int_equal(pt_alipay.check(conf, &why), 0);

    assert_int_equal(verify(conf, world.alipay, &notice), PT_VERIFY_OK);
    assert_int_equal(notice.amount, 500000);
    assert_int_equal(verify(conf, world.next, &notice), PT_VERIFY_OK);
    assert_int_equal(verify(conf, world.other, &notice),
                     PT_VERIFY_BAD_SIGNATURE);
    assert_int_equal(verify(conf, world.app, &notice),
                     PT_VERIFY_BAD_SIGNATURE);
    pt_alipay.destroy(conf);

    /* from keys to certificates: both at once */

    conf = begun(1);
    give(conf, "agrk");
    assert_int_equal(pt_alipay.check(conf, &why), 0);
    assert_int_equal(verify(conf, world.alipay, &notice), PT_VERIFY_OK);
    assert_int_equal(verify(conf, world.next, &notice), PT_VERIFY_OK);
    pt_alipay.destroy(conf);
}


static int
begin(void **state)
{
    alipay_begin(&world);

    return 0;
}


static int
end(void **state)
{
    alipay_end(&world);

    return 0;
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        unit_case(test_published),
        unit_case(test_issuers),
        unit_case(test_together),
        unit_case(test_not_fitting),
        unit_case(test_files),
        unit_case(test_repeated),
        unit_case(test_link),
        unit_case(test_only_verifies),
        unit_case(test_callbacks),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
