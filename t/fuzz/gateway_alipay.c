/*
 * Any body as a callback of Alipay.  The first byte chooses: as it is, which
 * must never be accepted, for nobody signed it; or signed here, which reaches
 * what is behind the signature; or signed without its empty values; or with
 * sign_type.  Or it is a file with certificates.
 */

#include "alipay.h"
#include "core_fuzz.h"


int LLVMFuzzerInitialize(int *argc, char ***argv);


static alipay_world_t  world;
static const void     *conf;
static fuzz_memory_t   memory;
static char            texts[ALIPAY_TEXT_MAX], text[ALIPAY_TEXT_MAX];
static char            body[ALIPAY_TEXT_MAX];


static pt_slice_t
header(void *ctx, const char *name)
{
    return strcmp(name, "Content-Type") == 0
           ? pt_slice_lit("application/x-www-form-urlencoded")
           : pt_slice_null;
}


static pt_verify_e
verify(const char *data, size_t len, pt_notice_t *notice)
{
    char           *copy;
    pt_verify_e     rc;
    pt_callback_t   callback;

    copy = malloc(len ? len : 1);
    memcpy(copy, data, len);

    callback.body = pt_slice(copy, len);
    callback.header = header;
    callback.ctx = NULL;
    callback.alloc = fuzz_alloc;
    callback.alloc_ctx = &memory;

    rc = pt_alipay.verify(conf, &callback, notice);
    check(rc < PT_VERIFY_RESULTS && rc != PT_VERIFY_BAD_TYPE
          && rc != PT_VERIFY_NO_MEMORY);

    free(copy);

    return rc;
}


static void
check_notice(const pt_notice_t *notice)
{
    check(notice->event_id.len <= 128);

    if (notice->amount == -1) {
        check(conf == world.v2 && notice->kind == PT_NOTICE_IGNORED
              && notice->out_trade_no.len == 0 && notice->trade_no.len == 0);
        return;
    }

    check(pt_name_valid(notice->out_trade_no));
    check(pt_name_valid(notice->trade_no));
    check(notice->amount > 0 && notice->amount <= PT_AMOUNT_MAX);
    check(notice->refunded >= 0 && notice->refunded <= PT_AMOUNT_MAX);
    check(notice->paid_at >= 0 && notice->paid_at <= PT_TIME_MAX_MS);
    check((notice->kind == PT_NOTICE_REFUNDED) == (notice->refunded > 0));
    check((notice->kind == PT_NOTICE_REFUNDED) == (notice->refund_no.len > 0));
    check(notice->refund_no.len == 0 || pt_name_valid(notice->refund_no));
    check(pt_slice_eq(notice->currency, pt_slice_lit("CNY")));
}


static char *
copy_of(char **p, pt_slice_t s)
{
    char  *start;

    start = *p;
    memcpy(start, s.data, s.len);
    start[s.len] = '\0';
    *p += s.len + 1;

    return start;
}


/* The parameters of the input, as the tests write them; 0: there are none. */
static int
read_params(pt_slice_t s, alipay_form_t *form)
{
    char       *p;
    size_t      i;
    pt_form_t   parsed;

    if (s.len > ALIPAY_TEXT_MAX / 16
        || pt_form_parse(&parsed, s, fuzz_alloc, &memory) != PT_FORM_OK)
    {
        return 0;
    }

    p = texts;
    form->n = 0;

    for (i = 0; i < parsed.n; i++) {
        form->params[i].name = copy_of(&p, parsed.params[i].name);
        form->params[i].value = copy_of(&p, parsed.params[i].value);
        form->n++;
    }

    return form->n < ALIPAY_PARAMS_MAX - 2;
}


static void
check_signed(pt_slice_t s, int mode)
{
    char           sign[2048];
    size_t         len;
    pt_notice_t    notice;
    pt_verify_e    rc;
    alipay_form_t  form;

    if (!read_params(s, &form)) {
        return;
    }

    alipay_put(&form, "sign_type", "RSA2");
    alipay_signed(&form, mode, text);
    alipay_sign_text(world.alipay, EVP_sha256(), text, sign);
    alipay_put(&form, "sign", sign);

    if (form.n > PT_FORM_PARAMS_MAX) {
        return;
    }

    len = alipay_body(&form, mode > 0, 0, body);
    rc = verify(body, len, &notice);

    check(len > PT_FORM_SIZE_MAX
          || (rc != PT_VERIFY_BAD_FORM && rc != PT_VERIFY_BAD_SIGNATURE
              && rc != PT_VERIFY_BAD_ALGORITHM));

    if (rc != PT_VERIFY_OK) {
        check(notice.amount == 0 && notice.trade_no.len == 0);
        return;
    }

    check_notice(&notice);

    /* not a byte more is signed than was signed */

    alipay_put(&form, "zz", "1");
    rc = verify(body, alipay_body(&form, mode > 0, 0, body), &notice);
    check(rc == PT_VERIFY_BAD_SIGNATURE || rc == PT_VERIFY_BAD_FORM);
}


static void
check_certificates(pt_slice_t s)
{
    char         sn[PT_ALIPAY_SN_LEN], roots[PT_ALIPAY_ROOTS_LEN + 1];
    char        *copy;
    pt_rsa_t    *key;
    const char  *why;

    copy = malloc(s.len ? s.len : 1);
    memcpy(copy, s.data, s.len);
    s.data = copy;

    why = NULL;
    key = pt_alipay_certificate(s, sn, &why);
    check((key == NULL) == (why != NULL));
    pt_rsa_free(key);

    why = NULL;

    if (pt_alipay_roots(s, roots, &why) == 0) {
        check(why == NULL && (strlen(roots) + 1) % 33 == 0);

    } else {
        check(why != NULL && roots[0] == '\0');
    }

    free(copy);
}


/* Keys are made before the time of the run begins. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    alipay_begin(&world);

    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pt_slice_t   s;
    pt_notice_t  notice;

    if (size == 0) {
        return 0;
    }

    s = pt_slice(data + 1, size - 1);

    conf = world.conf;

    switch (data[0] % 8) {

    case 1:
    case 2:
        check_signed(s, data[0] % 8 - 1);
        break;

    case 3:
        conf = world.v2;
        check_signed(s, 2);
        break;

    case 4:
        check_certificates(s);
        break;

    default:
        check(verify(s.data, s.len, &notice) != PT_VERIFY_OK);
    }

    fuzz_free(&memory);

    return 0;
}
