/*
 * verify TYPE SETTING=VALUE...: a gateway without nginx, for other programs to
 * compare with.  A setting that is a file is given as its path, one with a
 * name as NAME:PATH, a time in milliseconds; several values as several
 * arguments.  CURRENCY and DECIMALS in the environment are the shop's, CNY and
 * 2 without them.  Each line of the input is answered with one line:
 *
 *     verify NOW BODY NAME:VALUE...
 *                          "ok" or the word of a refusal, then for each notice
 *                          KIND OUT_TRADE_NO TRADE_NO AMOUNT REFUND_NO REFUNDED
 *                          PAID_AT CURRENCY EVENT_ID GENUINE
 *     link OUT_TRADE_NO METHOD SUBJECT AMOUNT CREATED_AT ENDS_AT
 *                          TEXT URL, or "refused"
 *
 * NOW is in milliseconds; NAME:VALUE are the headers, all of them.  BODY, the
 * headers' values, SUBJECT and TEXT are in hexadecimal, with an "x" in front;
 * what is empty in an answer is "-".  A refused callback tells its notices
 * only where it has several, or one that is genuine all the same.
 */

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "pt_gateway.h"


#define LINE_MAX_LEN  4194304
#define FILE_MAX      65536
#define BLOCKS_MAX    4096
#define FIELDS_MAX    64

#define VERIFY_FIELDS 3                /* in front of the headers */
#define LINK_FIELDS   7


typedef struct {
    pt_slice_t   fields[FIELDS_MAX];
    size_t       n;
} line_t;


static const char *const  kinds[] = {
    "paid", "refunded", "closed", "unconfirmed", "ignored"
};

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


static void
set(const char *argument)
{
    FILE                *file;
    char                 data[FILE_MAX];
    size_t               len;
    const char          *value, *why;
    pt_slice_t           name;
    const pt_setting_t  *setting;

    name = pt_slice_null;
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

    if (setting->kind == PT_SETTING_NAMED_FILE) {
        len = strcspn(value, ":");
        name = pt_slice(value, len);
        value += len + (value[len] == ':');
    }

    len = strlen(value);

    if (setting->kind == PT_SETTING_FILE
        || setting->kind == PT_SETTING_SECRET_FILE
        || setting->kind == PT_SETTING_NAMED_FILE)
    {
        file = fopen(value, "r");
        if (file == NULL) {
            fail("cannot be opened", value);
        }

        len = fread(data, 1, sizeof(data), file);
        fclose(file);
        value = data;
    }

    if (type->set(conf, setting, name, pt_slice(value, len), &why) != 0) {
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


/* The value of a header; of several, as nginx would join them. */
static pt_slice_t
header(void *ctx, const char *name)
{
    const line_t *line = ctx;

    size_t       i, len;
    pt_out_t     out;
    pt_slice_t   field, value;

    len = strlen(name);
    pt_out_init(&out, keep, NULL, 0);

    for (i = VERIFY_FIELDS; i < line->n; i++) {
        field = line->fields[i];

        if (field.len <= len || field.data[len] != ':'
            || strncasecmp(field.data, name, len) != 0)
        {
            continue;
        }

        value = unhex(pt_slice(field.data + len + 1, field.len - len - 1));

        if (out.pos != out.start) {
            pt_out_str(&out, ", ");
        }

        pt_out_put(&out, value);
    }

    return pt_out_slice(&out);
}


/* What would break a line apart is written as %XX. */
static void
put(pt_slice_t s)
{
    size_t         i;
    unsigned char  c;

    printf(s.len ? " " : " -");

    for (i = 0; i < s.len; i++) {
        c = s.data[i];
        printf(c > ' ' && c <= '~' ? "%c" : "%%%02X", c);
    }
}


static void
put_notice(const pt_notice_t *notice)
{
    printf(" %s", kinds[notice->kind]);
    put(notice->out_trade_no);
    put(notice->trade_no);
    printf(" %lld", (long long) notice->amount);
    put(notice->refund_no);
    printf(" %lld %lld", (long long) notice->refunded,
           (long long) notice->paid_at);
    put(notice->currency);
    put(notice->event_id);
    printf(" %u", notice->genuine);
}


static void
verify(line_t *line)
{
    pt_notice_t         notice;
    pt_verify_e         rc;
    pt_callback_t       callback;
    const pt_notice_t  *next;

    if (pt_slice_uint(line->fields[1], INT64_MAX, &callback.now) != 0) {
        fail("not a number", "an argument");
    }

    callback.body = unhex(line->fields[2]);
    callback.header = header;
    callback.ctx = line;
    callback.alloc = keep;
    callback.alloc_ctx = NULL;

    memset(&notice, 0, sizeof(notice));
    rc = type->verify(conf, &callback, &notice);

    printf("%s", pt_verify_words[rc]);

    if (rc == PT_VERIFY_OK || notice.next || notice.genuine) {
        for (next = &notice; next; next = next->next) {
            put_notice(next);
        }
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


static void
answer(line_t *line)
{
    if (line->n >= VERIFY_FIELDS && line->n <= FIELDS_MAX
        && pt_slice_eq(line->fields[0], pt_slice_lit("verify")))
    {
        verify(line);

    } else if (line->n == LINK_FIELDS
               && pt_slice_eq(line->fields[0], pt_slice_lit("link")))
    {
        link_of(line->fields);

    } else {
        fail("not a command", "the input");
    }
}


/* For a shop as the environment says. */
static void
create(void)
{
    const char  *currency, *decimals;

    currency = getenv("CURRENCY");
    currency = currency ? currency : "CNY";
    decimals = getenv("DECIMALS");

    conf = type->create(pt_slice(currency, strlen(currency)),
                        decimals ? strtoul(decimals, NULL, 10) : 2);

    if (conf == NULL) {
        fail("no memory", type->name);
    }
}


int
main(int argc, char **argv)
{
    int          i;
    char        *text;
    line_t       line;
    const char  *why;

    if (argc < 2) {
        fail("verify TYPE SETTING=VALUE...", "usage");
    }

    type = pt_gateway_type(pt_slice(argv[1], strlen(argv[1])));
    if (type == NULL) {
        fail("no such type", argv[1]);
    }

    create();

    for (i = 2; i < argc; i++) {
        set(argv[i]);
    }

    if (type->check(conf, &why) != 0) {
        fail(why, argv[1]);
    }

    text = malloc(LINE_MAX_LEN);

    while (text && fgets(text, LINE_MAX_LEN, stdin)) {
        line.n = pt_slice_split(pt_slice(text, strcspn(text, "\n")), ' ',
                                line.fields, FIELDS_MAX);

        answer(&line);

        while (nblocks) {
            free(blocks[--nblocks]);
        }
    }

    free(text);
    type->destroy(conf);

    return 0;
}
