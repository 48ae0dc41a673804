/*
 * Anything as a callback of WeChat Pay v3.  The first byte chooses: as it is,
 * with headers out of the input, which must never be accepted, for nobody
 * signed it; signed here, which reaches the first parser; sealed and signed, as
 * a payment, a refund or something else, which reaches the second; or a file
 * for one of the settings.
 */

#include "wechat_v3.h"
#include "core_fuzz.h"


#define HEADERS_MAX  6


int LLVMFuzzerInitialize(int *argc, char ***argv);


static wechat_v3_world_t     world;
static wechat_v3_callback_t  c;
static fuzz_memory_t         memory;
static char                  body[WECHAT_V3_TEXT_MAX * 2];


static pt_verify_e
verify(const char *data, size_t len, pt_notice_t *notice)
{
    char           *copy;
    pt_verify_e     rc;
    pt_callback_t   callback;

    copy = malloc(len ? len : 1);
    memcpy(copy, data, len);

    callback.body = pt_slice(copy, len);
    callback.header = wechat_v3_header;
    callback.ctx = &c;
    callback.now = WECHAT_V3_NOW;
    callback.alloc = fuzz_alloc;
    callback.alloc_ctx = &memory;

    rc = pt_wechat_v3.verify(world.conf, &callback, notice);
    check(rc < PT_VERIFY_RESULTS && rc != PT_VERIFY_NO_MEMORY);

    free(copy);

    if (rc != PT_VERIFY_OK) {
        check(notice->amount == 0 && notice->trade_no.len == 0
              && notice->event_id.len == 0);
    }

    return rc;
}


static pt_verify_e
verify_signed(const char *data, size_t len, pt_notice_t *notice)
{
    char         sign[2048];
    pt_verify_e  rc;

    wechat_v3_sign(&c, EVP_sha256(), data, len, sign);
    c.sign = sign;

    rc = verify(data, len, notice);

    check(rc != PT_VERIFY_BAD_SIGNATURE && rc != PT_VERIFY_UNKNOWN_KEY
          && rc != PT_VERIFY_BAD_TYPE && rc != PT_VERIFY_STALE);

    c.sign = NULL;

    return rc;
}


/* Lines, each a header; the rest is the body. */
static void
check_unsigned(pt_slice_t s)
{
    char         texts[HEADERS_MAX][256];
    size_t       i;
    pt_slice_t   line;
    pt_notice_t  notice;
    const char **values[HEADERS_MAX] = {
        &c.time, &c.nonce, &c.serial, &c.sign, &c.algorithm, &c.type
    };

    for (i = 0; i < HEADERS_MAX && pt_slice_next(&s, '\n', &line); i++) {
        if (line.len == 0 || line.len >= sizeof(texts[i])) {
            continue;
        }

        memcpy(texts[i], line.data, line.len);
        texts[i][line.len] = '\0';
        *values[i] = texts[i];
    }

    check(verify(s.data ? s.data : "", s.len, &notice) != PT_VERIFY_OK);
}


static void
check_notice(const pt_notice_t *notice)
{
    int  paid;

    paid = notice->kind != PT_NOTICE_IGNORED;

    check(notice->kind == PT_NOTICE_PAID || notice->kind == PT_NOTICE_REFUNDED
          || notice->kind == PT_NOTICE_IGNORED);
    check(pt_name_valid(notice->event_id));
    check(pt_name_valid(notice->out_trade_no)
          || (!paid && notice->out_trade_no.len == 0));
    check(pt_name_valid(notice->trade_no)
          || (!paid && notice->trade_no.len == 0));
    check(paid ? notice->amount > 0 && notice->amount <= PT_AMOUNT_MAX
               : notice->amount == -1);
    check(notice->currency.len == (paid ? 3 : 0));
    check(notice->paid_at >= 0 && notice->paid_at <= PT_TIME_MAX_MS);
    check(notice->next == NULL);

    if (notice->kind == PT_NOTICE_REFUNDED) {
        check(notice->refunded > 0 && notice->refunded <= notice->amount);
        check(pt_name_valid(notice->refund_no) && notice->one_refund);

    } else {
        check(notice->refunded == 0 && notice->refund_no.len == 0);
    }
}


static void
check_sealed(pt_slice_t s)
{
    char         sign[2048];
    size_t       len;
    pt_notice_t  notice;

    if (s.len > WECHAT_V3_TEXT_MAX / 4) {
        return;
    }

    len = wechat_v3_body(&c, s.data, s.len, body);

    if (verify_signed(body, len, &notice) != PT_VERIFY_OK) {
        return;
    }

    check_notice(&notice);

    /* not a byte more is signed than was signed */

    wechat_v3_sign(&c, EVP_sha256(), body, len, sign);
    c.sign = sign;
    body[len] = ' ';
    check(verify(body, len + 1, &notice) == PT_VERIFY_BAD_SIGNATURE);
}


/* A file of any content: taken, or refused with a sentence. */
static void
check_setting(pt_slice_t s, int kind)
{
    void        *conf;
    const char  *why;

    static const char *const  names[] = {
        "platform_certificate", "public_key", "api_v3_key", "app_id", "mch_id",
        "tolerance"
    };

    why = NULL;
    conf = pt_wechat_v3.create(pt_slice_lit("CNY"), 2);
    check(conf != NULL);

    if (wechat_v3_set(conf, names[kind], pt_slice_lit("PUB_KEY_ID_01"), s,
                      &why)
        != 0)
    {
        check(why != NULL);
    }

    pt_wechat_v3.destroy(conf);
}


/* Keys are made before the time of the run begins. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    wechat_v3_begin(&world);

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
    wechat_v3_payment(&c, world.platform);

    switch (data[0] % 8) {

    case 0:
        check_unsigned(s);
        break;

    case 1:
        /* what is sealed cannot be guessed */
        check(verify_signed(s.data, s.len, &notice) != PT_VERIFY_OK);
        break;

    case 2:
    case 3:
        check_sealed(s);
        break;

    case 4:
    case 5:
        wechat_v3_refund(&c, world.platform);
        check_sealed(s);
        break;

    case 6:
        wechat_v3_put(&c.event, "event_type", "\"PAYSCORE.USER_PAID\"");
        check_sealed(s);
        break;

    default:
        check_setting(s, data[0] / 8 % 6);
    }

    fuzz_free(&memory);

    return 0;
}
