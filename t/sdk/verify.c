/*
 * verify TYPE SETTING=VALUE...: a gateway without nginx, for other programs to
 * compare with.  A setting that is a file is given as its path.  Each line of
 * the input is answered with one line:
 *
 *     verify BODY          ok KIND OUT_TRADE_NO TRADE_NO AMOUNT REFUND_NO
 *                          REFUNDED PAID_AT, or the word of a refusal
 *     link OUT_TRADE_NO METHOD SUBJECT AMOUNT CREATED_AT ENDS_AT
 *                          TEXT URL, or "refused"
 *
 * BODY, SUBJECT and TEXT are in hexadecimal, with an "x" in front; what is
 * empty in an answer is "-".
 */

#include <stdio.h>
#include <stdlib.h>

#include "pt_gateway.h"


#define LINE_MAX_LEN  400000
#define FILE_MAX      65536
#define BLOCKS_MAX    256


static const char *const  kinds[] = { "paid", "refunded", "closed", "ignored" };

static const pt_gateway_type_t  *type;
static void                     *conf;

static void                     *blocks[BLOCKS_MAX];
static unsigned                  nblocks;


static void
fail(const char *what, const char *which)
{
    fprintf(stderr, "verify: %s: %s\n", which, what);
    exit(2);
}


static void *
keep(void *ctx, size_t size)
{
    (void) ctx;

    if (nblocks == BLOCKS_MAX) {
        return NULL;
    }

    return blocks[nblocks++] = malloc(size ? size : 1);
}


static pt_slice_t
header(void *ctx, const char *name)
{
    (void) ctx;

    return strcmp(name, "Content-Type") == 0
           ? pt_slice_lit("application/x-www-form-urlencoded; text/html; "
                          "charset=UTF-8")
           : pt_slice_null;
}


static void
set(const char *argument)
{
    FILE                *file;
    char                 data[FILE_MAX];
    size_t               len;
    const char          *value, *why;
    const pt_setting_t  *setting;

    value = strchr(argument, '=');
    if (value == NULL) {
        fail("no value", argument);
    }

    for (setting = type->settings; setting->name; setting++) {
        if (strlen(setting->name) == (size_t) (value - argument)
            && strncmp(setting->name, argument, value - argument) == 0)
        {
            break;
        }
    }

    if (setting->name == NULL) {
        fail("no such setting", argument);
    }

    value++;
    len = strlen(value);

    if (setting->kind == PT_SETTING_FILE
        || setting->kind == PT_SETTING_SECRET_FILE)
    {
        file = fopen(value, "r");
        if (file == NULL) {
            fail("cannot be opened", value);
        }

        len = fread(data, 1, sizeof(data), file);
        fclose(file);
        value = data;
    }

    if (type->set(conf, setting, pt_slice_null, pt_slice(value, len), &why)
        != 0)
    {
        fail(why, argument);
    }
}


/* "x616263" is "abc", in place. */
static pt_slice_t
unhex(pt_slice_t s)
{
    char      *text;
    size_t     i;
    unsigned   byte;

    if (s.len % 2 == 0 || s.data[0] != 'x') {
        fail("not in hexadecimal", "an argument");
    }

    text = keep(NULL, s.len);

    for (i = 0; i < s.len / 2; i++) {
        if (sscanf(s.data + 1 + 2 * i, "%2x", &byte) != 1) {
            fail("not in hexadecimal", "an argument");
        }

        text[i] = byte;
    }

    return pt_slice(text, s.len / 2);
}


static void
put(pt_slice_t s)
{
    printf(" %.*s", s.len ? (int) s.len : 1, s.len ? s.data : "-");
}


static void
verify(pt_slice_t body)
{
    pt_notice_t    notice;
    pt_verify_e    rc;
    pt_callback_t  callback;

    callback.body = body;
    callback.header = header;
    callback.ctx = NULL;
    callback.alloc = keep;
    callback.alloc_ctx = NULL;

    rc = type->verify(conf, &callback, &notice);

    printf("%s", pt_verify_words[rc]);

    if (rc == PT_VERIFY_OK) {
        printf(" %s", kinds[notice.kind]);
        put(notice.out_trade_no);
        put(notice.trade_no);
        printf(" %lld", (long long) notice.amount);
        put(notice.refund_no);
        printf(" %lld %lld", (long long) notice.refunded,
               (long long) notice.paid_at);
    }

    printf("\n");
}


static void
link_of(pt_slice_t *f)
{
    size_t           i;
    int64_t          numbers[3];
    pt_out_t         text, url;
    pt_link_t        link;
    pt_slice_t       s;
    pt_signature_t   signature;

    for (i = 0; i < 3; i++) {
        if (pt_slice_uint(f[i + 4], INT64_MAX, &numbers[i]) != 0) {
            fail("not a number", "an argument");
        }
    }

    link.out_trade_no = f[1];
    link.method = f[2];
    link.subject = unhex(f[3]);
    link.amount = numbers[0];
    link.created_at = numbers[1];
    link.ends_at = numbers[2];

    pt_out_init(&text, keep, NULL, 0);
    pt_out_init(&url, keep, NULL, 0);

    if (type->link_text(conf, &link, &text) != 0
        || type->sign(conf, pt_out_slice(&text), &signature) != 0
        || type->link(conf, &link, &signature, &url) != 0)
    {
        printf("refused\n");
        return;
    }

    s = pt_out_slice(&text);
    printf("x");

    for (i = 0; i < s.len; i++) {
        printf("%02x", (unsigned char) s.data[i]);
    }

    put(pt_out_slice(&url));
    printf("\n");
}


int
main(int argc, char **argv)
{
    int          i;
    char        *line;
    size_t       n;
    const char  *why;
    pt_slice_t   fields[7];

    if (argc < 2) {
        fail("verify TYPE SETTING=VALUE...", "usage");
    }

    type = pt_gateway_type(pt_slice(argv[1], strlen(argv[1])));
    if (type == NULL) {
        fail("no such type", argv[1]);
    }

    conf = type->create(pt_slice_lit("CNY"), 2);

    for (i = 2; i < argc; i++) {
        set(argv[i]);
    }

    if (type->check(conf, &why) != 0) {
        fail(why, argv[1]);
    }

    line = malloc(LINE_MAX_LEN);

    while (fgets(line, LINE_MAX_LEN, stdin)) {
        n = pt_slice_split(pt_slice(line, strcspn(line, "\n")), ' ', fields,
                           7);

        if (n == 2 && pt_slice_eq(fields[0], pt_slice_lit("verify"))) {
            verify(unhex(fields[1]));

        } else if (n == 7 && pt_slice_eq(fields[0], pt_slice_lit("link"))) {
            link_of(fields);

        } else {
            fail("not a command", line);
        }

        while (nblocks) {
            free(blocks[--nblocks]);
        }
    }

    free(line);
    type->destroy(conf);

    return 0;
}
