/*
 * Any body as a callback of WeChat Pay's API v2.  The first byte chooses: as it
 * is, which must never be accepted, for nobody signed it; or read as XML and
 * signed here, with either algorithm, which reaches what is behind the
 * signature; or encrypted here, as a refund.
 */

#include "wechat_v2.h"
#include "core_fuzz.h"


#define FUZZ_SIZE_MAX  16384


int LLVMFuzzerInitialize(int *argc, char ***argv);


static void           *conf;
static fuzz_memory_t   memory;
static char            texts[WECHAT_TEXT_MAX], text[WECHAT_TEXT_MAX];
static char            body[WECHAT_TEXT_MAX];


static pt_slice_t
header(void *ctx, const char *name)
{
    return strcmp(name, "Content-Type") == 0 ? pt_slice_lit("text/xml")
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
    callback.now = 0;
    callback.alloc = fuzz_alloc;
    callback.alloc_ctx = &memory;

    rc = pt_wechat_v2.verify(conf, &callback, notice);

    check(rc < PT_VERIFY_RESULTS && rc != PT_VERIFY_BAD_TYPE
          && rc != PT_VERIFY_NO_MEMORY);
    check(rc == PT_VERIFY_OK
          || (notice->amount == 0 && notice->trade_no.len == 0));

    free(copy);

    return rc;
}


static void
check_notice(const pt_notice_t *notice)
{
    check(pt_name_valid(notice->out_trade_no));
    check(pt_name_valid(notice->trade_no));
    check(pt_name_valid(notice->event_id));
    check(notice->amount > 0 && notice->amount <= PT_AMOUNT_MAX);
    check(notice->refunded >= 0 && notice->refunded <= notice->amount);
    check(notice->paid_at >= 0 && notice->paid_at <= PT_TIME_MAX_MS);
    check(notice->next == NULL);

    if (notice->kind == PT_NOTICE_PAID) {
        check(notice->currency.len == 3 && notice->refund_no.len == 0);
        check(notice->refunded == 0);

    } else {
        check(notice->kind == PT_NOTICE_UNCONFIRMED);
        check(notice->refunded > 0 && notice->one_refund);
        check(pt_name_valid(notice->refund_no));
    }
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


/* The tags of the input; 0: there are none. */
static int
read_tags(pt_slice_t s, wechat_tags_t *tags)
{
    char       *p;
    size_t      i;
    pt_xml_t    xml;

    if (pt_xml_parse(&xml, s, "xml", fuzz_alloc, &memory) != PT_XML_OK) {
        return 0;
    }

    p = texts;
    tags->n = 0;

    for (i = 0; i < xml.n; i++) {
        tags->tags[i].name = copy_of(&p, xml.children[i].name);
        tags->tags[i].value = copy_of(&p, xml.children[i].value);
        tags->n++;
    }

    return tags->n < PT_XML_CHILDREN_MAX - 2;
}


static void
check_signed(pt_slice_t s, pt_wechat_v2_algorithm_e algorithm)
{
    char            sign[2 * EVP_MAX_MD_SIZE + 1];
    size_t          len;
    pt_notice_t     notice;
    pt_verify_e     rc;
    wechat_tags_t   tags;

    if (!read_tags(s, &tags)) {
        return;
    }

    wechat_put(&tags, "sign_type", algorithm ? "HMAC-SHA256" : NULL);
    wechat_signed(&tags, WECHAT_KEY, text);
    wechat_sign(text, WECHAT_KEY, algorithm, sign);
    wechat_put(&tags, "sign", sign);

    len = wechat_body(&tags, "xml", WECHAT_REFERENCES, body);
    rc = verify(body, len, &notice);

    if (len > PT_XML_SIZE_MAX) {
        return;
    }

    check(rc != PT_VERIFY_BAD_FORM && rc != PT_VERIFY_BAD_SIGNATURE
          && rc != PT_VERIFY_BAD_ALGORITHM);

    if (rc != PT_VERIFY_OK) {
        return;
    }

    if (notice.kind != PT_NOTICE_IGNORED) {
        check_notice(&notice);
    }

    /* not a byte more is signed than was signed */

    wechat_put(&tags, "zz", "1");
    rc = verify(body, wechat_body(&tags, "xml", WECHAT_REFERENCES, body),
                &notice);
    check(rc == PT_VERIFY_BAD_SIGNATURE || rc == PT_VERIFY_BAD_FORM);
}


static void
check_refund(pt_slice_t s)
{
    size_t          len;
    pt_notice_t     notice;
    pt_verify_e     rc;
    wechat_tags_t   tags;

    wechat_encrypt(s.data, s.len, WECHAT_NEXT_KEY, text);
    wechat_envelope(&tags, text);
    len = wechat_body(&tags, "xml", WECHAT_CDATA, body);
    rc = verify(body, len, &notice);

    check(rc == PT_VERIFY_OK || rc == PT_VERIFY_BAD_CIPHERTEXT
          || rc == PT_VERIFY_MISSING || rc == PT_VERIFY_BAD_VALUE);

    if (rc == PT_VERIFY_OK && notice.kind != PT_NOTICE_IGNORED) {
        check(notice.kind == PT_NOTICE_UNCONFIRMED);
        check_notice(&notice);
    }
}


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    conf = wechat_conf();

    return wechat_complete(conf);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pt_slice_t   s;
    pt_notice_t  notice;

    if (size == 0 || size > FUZZ_SIZE_MAX) {
        return 0;
    }

    s = pt_slice(data + 1, size - 1);

    switch (data[0] % 4) {

    case 0:
        check(verify(s.data, s.len, &notice) != PT_VERIFY_OK);
        break;

    case 1:
        check_signed(s, PT_WECHAT_V2_MD5);
        break;

    case 2:
        check_signed(s, PT_WECHAT_V2_HMAC_SHA256);
        break;

    case 3:
        check_refund(s);
        break;
    }

    fuzz_free(&memory);

    return 0;
}
