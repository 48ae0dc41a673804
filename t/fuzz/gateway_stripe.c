/*
 * Any body as an event of Stripe.  The first byte chooses: as it is, which
 * must never be accepted, for nobody signed it; or signed here, which reaches
 * what is behind the signature; or with a line in front that is the header,
 * in which "@" stands for the signature.
 */

#include "core_fuzz.h"
#include "hook.h"
#include "pt_stripe.h"


#define TIME    "1770000000"
#define SECRET  "whsec_fuzz"


int LLVMFuzzerInitialize(int *argc, char ***argv);


static void            *conf;
static fuzz_memory_t    memory;
static hook_headers_t   headers;


static pt_verify_e
verify(const char *data, size_t len, pt_notice_t *notice)
{
    char           *copy;
    pt_verify_e     rc;
    pt_callback_t   callback;

    copy = malloc(len ? len : 1);
    memcpy(copy, data, len);

    callback.body = pt_slice(copy, len);
    callback.header = hook_header;
    callback.ctx = &headers;
    callback.now = INT64_C(1770000000000);
    callback.alloc = fuzz_alloc;
    callback.alloc_ctx = &memory;

    rc = pt_stripe.verify(conf, &callback, notice);
    check(rc < PT_VERIFY_RESULTS && rc != PT_VERIFY_BAD_TYPE
          && rc != PT_VERIFY_NO_MEMORY);

    free(copy);

    return rc;
}


static void
sign(const char *data, size_t len, char hex[2 * HOOK_MAC_LEN + 1])
{
    unsigned char  mac[HOOK_MAC_LEN];

    hook_mac(SECRET, strlen(SECRET), "", TIME, data, len, mac);
    hook_hex(mac, hex);
}


static void
check_notice(const pt_notice_t *notice)
{
    if (notice->kind == PT_NOTICE_IGNORED) {
        return;
    }

    check(notice->kind == PT_NOTICE_PAID || notice->kind == PT_NOTICE_CLOSED
          || notice->kind == PT_NOTICE_REFUNDED);
    check(pt_name_valid(notice->out_trade_no));
    check(pt_name_valid(notice->trade_no));
    check(pt_name_valid(notice->event_id));

    if (notice->kind == PT_NOTICE_CLOSED) {
        check(notice->amount == -1);
        check(notice->currency.len == 3 || notice->currency.len == 0);

    } else {
        check(notice->amount > 0 && notice->amount <= PT_AMOUNT_MAX);
        check(notice->currency.len == 3);
    }

    check(notice->refunded >= 0 && notice->refunded <= PT_AMOUNT_MAX);
    check(notice->paid_at >= 0 && notice->paid_at <= PT_TIME_MAX_MS);
    check((notice->kind == PT_NOTICE_REFUNDED) == (notice->refunded > 0));
    check((notice->kind == PT_NOTICE_REFUNDED) == (notice->refund_no.len > 0));
    check(!notice->one_refund && notice->next == NULL);
}


static void
check_signed(pt_slice_t s)
{
    char         hex[2 * HOOK_MAC_LEN + 1], header[256];
    pt_notice_t  notice;
    pt_verify_e  rc;

    sign(s.data, s.len, hex);
    snprintf(header, sizeof(header), "t=" TIME ",v1=%s", hex);
    hook_set(&headers, "Stripe-Signature", header);

    rc = verify(s.data, s.len, &notice);
    check(rc != PT_VERIFY_BAD_SIGNATURE && rc != PT_VERIFY_BAD_ALGORITHM
          && rc != PT_VERIFY_STALE);

    if (rc != PT_VERIFY_OK) {
        check(notice.amount == 0 && notice.event_id.len == 0);
        return;
    }

    check_notice(&notice);

    /* not a byte less is signed than was signed */

    check(s.len == 0 || verify(s.data, s.len - 1, &notice)
                        == PT_VERIFY_BAD_SIGNATURE);
}


static void
check_header(pt_slice_t s)
{
    char         hex[2 * HOOK_MAC_LEN + 1], header[2048];
    size_t       i, n;
    pt_slice_t   line;
    pt_notice_t  notice;

    (void) pt_slice_next(&s, '\n', &line);

    if (s.data == NULL) {
        return;
    }

    sign(s.data, s.len, hex);
    n = 0;

    for (i = 0; i < line.len && n + sizeof(hex) < sizeof(header); i++) {
        if (line.data[i] == '@') {
            memcpy(header + n, hex, sizeof(hex) - 1);
            n += sizeof(hex) - 1;

        } else if (line.data[i]) {
            header[n++] = line.data[i];
        }
    }

    header[n] = '\0';
    hook_set(&headers, "Stripe-Signature", header);

    if (verify(s.data, s.len, &notice) == PT_VERIFY_OK) {
        check(strstr(header, "t=" TIME) && strstr(header, "v1=")
              && strstr(header, hex));
        check_notice(&notice);
    }
}


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char  *why;

    conf = pt_stripe.create(pt_slice_lit("CNY"), 2);
    check(conf);
    check(hook_conf(&pt_stripe, conf, "secret", "whsec_other", &why) == 0);
    check(hook_conf(&pt_stripe, conf, "secret", SECRET, &why) == 0);
    check((pt_stripe.check)(conf, &why) == 0);
    hook_set(&headers, "Content-Type", "application/json");

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

    switch (data[0] % 3) {

    case 0:
        hook_set(&headers, "Stripe-Signature", "t=" TIME ",v1="
                 "0000000000000000000000000000000000000000000000000000000000"
                 "000000");
        check(verify(s.data, s.len, &notice) == PT_VERIFY_BAD_SIGNATURE);
        break;

    case 1:
        check_signed(s);
        break;

    default:
        check_header(s);
    }

    fuzz_free(&memory);

    return 0;
}
