/*
 * Any body as a message of Standard Webhooks.  The first byte chooses: signed
 * here, for one of three configurations, which reaches what is behind the
 * signature; or with three lines in front that are the headers, in which "@"
 * stands for the signature.
 */

#include <openssl/evp.h>

#include "core_fuzz.h"
#include "hook.h"
#include "pt_standard_webhooks.h"


#define TIME     "1770000000"
#define ID       "msg_1"
#define SECRET   "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_LEN  32

#define CONFS    3


int LLVMFuzzerInitialize(int *argc, char ***argv);


static void            *confs[CONFS];
static unsigned char    key[KEY_LEN];
static fuzz_memory_t    memory;
static hook_headers_t   headers;


static pt_verify_e
verify(const void *conf, const char *data, size_t len, pt_notice_t *notice)
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

    rc = pt_standard_webhooks.verify(conf, &callback, notice);
    check(rc < PT_VERIFY_RESULTS && rc != PT_VERIFY_BAD_TYPE
          && rc != PT_VERIFY_NO_MEMORY);

    free(copy);

    return rc;
}


static void
sign(const char *id, const char *time, const char *data, size_t len,
    char text[64])
{
    unsigned char  mac[HOOK_MAC_LEN];

    hook_mac(key, KEY_LEN, id, time, data, len, mac);
    EVP_EncodeBlock((unsigned char *) text, mac, HOOK_MAC_LEN);
}


static void
check_notice(const pt_notice_t *notice)
{
    check(notice->event_id.len > 0);

    if (notice->kind == PT_NOTICE_IGNORED) {
        check(notice->out_trade_no.len == 0 && notice->amount == 0);
        return;
    }

    check(notice->kind == PT_NOTICE_PAID || notice->kind == PT_NOTICE_CLOSED
          || notice->kind == PT_NOTICE_REFUNDED);
    check(pt_name_valid(notice->out_trade_no));
    check(pt_name_valid(notice->trade_no));
    check(notice->currency.len == 3 || notice->currency.len == 0);
    check(notice->amount != 0 && notice->amount <= PT_AMOUNT_MAX);
    check(notice->amount > 0 || notice->kind == PT_NOTICE_CLOSED
          || notice->one_refund);
    check(notice->amount == -1 || notice->kind != PT_NOTICE_CLOSED);
    check(notice->refunded >= 0 && notice->refunded <= PT_AMOUNT_MAX);
    check((notice->kind == PT_NOTICE_REFUNDED) == (notice->refunded > 0));
    check((notice->kind == PT_NOTICE_REFUNDED) == (notice->refund_no.len > 0));
    check(notice->refund_no.len == 0 || pt_name_valid(notice->refund_no));
    check(notice->next == NULL);
}


static void
check_signed(const void *conf, pt_slice_t s)
{
    char         text[64], header[128];
    pt_notice_t  notice;
    pt_verify_e  rc;

    sign(ID, TIME, s.data, s.len, text);
    snprintf(header, sizeof(header), "v1,%s", text);
    hook_set(&headers, "webhook-id", ID);
    hook_set(&headers, "webhook-timestamp", TIME);
    hook_set(&headers, "webhook-signature", header);

    rc = verify(conf, s.data, s.len, &notice);
    check(rc == PT_VERIFY_OK || rc == PT_VERIFY_BAD_FORM
          || rc == PT_VERIFY_MISSING || rc == PT_VERIFY_BAD_VALUE
          || rc == PT_VERIFY_WRONG_MODE);

    if (rc != PT_VERIFY_OK) {
        check(notice.amount == 0 && notice.event_id.len == 0);
        return;
    }

    check_notice(&notice);

    /* not a byte more is signed than was signed */

    hook_set(&headers, "webhook-id", ID "1");
    check(verify(conf, s.data, s.len, &notice) == PT_VERIFY_BAD_SIGNATURE);
}


static void
copy_of(pt_slice_t s, char *text, size_t size)
{
    size_t  i, n;

    n = 0;

    for (i = 0; i < s.len && n + 1 < size; i++) {
        if (s.data[i]) {
            text[n++] = s.data[i];
        }
    }

    text[n] = '\0';
}


static void
check_header(const void *conf, pt_slice_t s)
{
    char         id[256], time[64], list[1024], text[64], header[2048];
    size_t       i, n;
    pt_slice_t   lines[3];
    pt_notice_t  notice;

    for (i = 0; i < 3; i++) {
        if (!pt_slice_next(&s, '\n', &lines[i]) || s.data == NULL) {
            return;
        }
    }

    copy_of(lines[0], id, sizeof(id));
    copy_of(lines[1], time, sizeof(time));
    copy_of(lines[2], list, sizeof(list));
    sign(id, time, s.data, s.len, text);
    n = 0;

    for (i = 0; list[i] && n + sizeof(text) < sizeof(header); i++) {
        n += sprintf(header + n, list[i] == '@' ? "%s" : "%.1s",
                     list[i] == '@' ? text : list + i);
    }

    header[n] = '\0';
    hook_set(&headers, "webhook-id", id);
    hook_set(&headers, "webhook-timestamp", time);
    hook_set(&headers, "webhook-signature", header);

    if (verify(conf, s.data, s.len, &notice) == PT_VERIFY_OK) {
        check(strstr(header, "v1,") && strstr(header, text));
        check(strlen(time) == 10 && strncmp(time, "1769999", 7) >= 0);
        check_notice(&notice);
    }
}


static void *
new_conf(const char *const *settings)
{
    void        *conf;
    const char  *why;

    conf = pt_standard_webhooks.create(pt_slice_lit("CNY"), 2);
    check(conf);
    check(hook_conf(&pt_standard_webhooks, conf, "secret", SECRET, &why) == 0);

    for ( /* void */ ; *settings; settings += 2) {
        check(hook_conf(&pt_standard_webhooks, conf, settings[0], settings[1],
                        &why) == 0);
    }

    check((pt_standard_webhooks.check)(conf, &why) == 0);

    return conf;
}


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    size_t  i;

    static const char *const  minor[] = {
        "pay_no_field", "data.pay_no", "amount_field", "data.amount",
        "trade_no_field", "data.id", "currency_field", "data.currency",
        "refunded_field", "data.refunded", "paid_type", "paid",
        "refunded_type", "refunded", "closed_type", "closed", NULL
    };

    static const char *const  decimal[] = {
        "pay_no_field", "p", "amount_field", "a", "trade_no_field", "t",
        "refunded_field", "a", "refund_no_field", "r", "refunds", "single",
        "amounts", "decimal", "paid_type", "paid", "refunded_type",
        "refunded", "closed_type", "closed", "mode_field", "m", "mode",
        "true", NULL
    };

    static const char *const  few[] = {
        "pay_no_field", "p", "amount_field", "a", "paid_type", "paid",
        "type_field", "x.y", NULL
    };

    confs[0] = new_conf(minor);
    confs[1] = new_conf(decimal);
    confs[2] = new_conf(few);

    for (i = 0; i < KEY_LEN; i++) {
        key[i] = i;
    }

    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pt_slice_t  s;

    if (size == 0) {
        return 0;
    }

    s = pt_slice(data + 1, size - 1);

    if (data[0] % 4 < CONFS) {
        check_signed(confs[data[0] % 4], s);

    } else {
        check_header(confs[data[0] % CONFS], s);
    }

    fuzz_free(&memory);

    return 0;
}
