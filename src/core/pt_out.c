/*
 * Writing text into memory that grows.
 */

#include "pt_out.h"
#include "pt_value.h"


#define PT_OUT_MIN     64

#define PT_OUT_DAY_MS  INT64_C(86400000)


static int
pt_out_reserve(pt_out_t *out, size_t len)
{
    char    *p;
    size_t   used, size;

    if (out->failed) {
        return -1;
    }

    size = out->end - out->start;
    used = out->pos - out->start;

    if (size - used >= len) {
        return 0;
    }

    if (len > SIZE_MAX / 4 - used) {
        out->failed = 1;
        return -1;
    }

    size = size * 2 > used + len ? size * 2 : used + len;
    size = size > PT_OUT_MIN ? size : PT_OUT_MIN;

    p = out->alloc(out->ctx, size);
    if (p == NULL) {
        out->failed = 1;
        return -1;
    }

    if (used) {
        memcpy(p, out->start, used);
    }

    out->start = p;
    out->pos = p + used;
    out->end = p + size;

    return 0;
}


void
pt_out_init(pt_out_t *out, pt_alloc_pt alloc, void *ctx, size_t hint)
{
    out->start = NULL;
    out->pos = NULL;
    out->end = NULL;
    out->alloc = alloc;
    out->ctx = ctx;
    out->failed = 0;

    if (hint) {
        (void) pt_out_reserve(out, hint);
    }
}


pt_slice_t
pt_out_slice(const pt_out_t *out)
{
    return pt_slice(out->start, out->pos - out->start);
}


void
pt_out_mem(pt_out_t *out, const void *data, size_t len)
{
    if (len == 0 || pt_out_reserve(out, len) != 0) {
        return;
    }

    memcpy(out->pos, data, len);
    out->pos += len;
}


void
pt_out_str(pt_out_t *out, const char *s)
{
    pt_out_mem(out, s, strlen(s));
}


void
pt_out_put(pt_out_t *out, pt_slice_t s)
{
    pt_out_mem(out, s.data, s.len);
}


void
pt_out_char(pt_out_t *out, char c)
{
    if (pt_out_reserve(out, 1) == 0) {
        *out->pos++ = c;
    }
}


/* Writes n with at least width digits. */
static void
pt_out_digits(pt_out_t *out, uint64_t n, unsigned width)
{
    char      text[24];
    unsigned  i;

    i = sizeof(text);

    do {
        text[--i] = '0' + n % 10;
        n /= 10;
    } while (n);

    while (sizeof(text) - i < width) {
        text[--i] = '0';
    }

    pt_out_mem(out, text + i, sizeof(text) - i);
}


void
pt_out_int(pt_out_t *out, int64_t n)
{
    if (n < 0) {
        pt_out_char(out, '-');
        pt_out_digits(out, - (uint64_t) n, 1);
        return;
    }

    pt_out_digits(out, n, 1);
}


static void
pt_out_json_escape(pt_out_t *out, unsigned char c)
{
    static const char  hex[] = "0123456789abcdef";

    switch (c) {

    case '"':
        pt_out_mem(out, "\\\"", 2);
        return;

    case '\\':
        pt_out_mem(out, "\\\\", 2);
        return;

    case '\n':
        pt_out_mem(out, "\\n", 2);
        return;

    case '\r':
        pt_out_mem(out, "\\r", 2);
        return;

    case '\t':
        pt_out_mem(out, "\\t", 2);
        return;
    }

    pt_out_mem(out, "\\u00", 4);
    pt_out_char(out, hex[c >> 4]);
    pt_out_char(out, hex[c & 15]);
}


void
pt_out_json(pt_out_t *out, pt_slice_t s)
{
    size_t         i, done;
    unsigned char  c;

    pt_out_char(out, '"');

    done = 0;

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
            continue;
        }

        pt_out_mem(out, s.data + done, i - done);
        pt_out_json_escape(out, c);
        done = i + 1;
    }

    if (done < s.len) {
        pt_out_mem(out, s.data + done, s.len - done);
    }

    pt_out_char(out, '"');
}


void
pt_out_money(pt_out_t *out, int64_t minor, unsigned decimals)
{
    unsigned  i;
    uint64_t  scale, n;

    n = minor;

    if (minor < 0) {
        pt_out_char(out, '-');
        n = - (uint64_t) minor;
    }

    scale = 1;

    for (i = 0; i < decimals; i++) {
        scale *= 10;
    }

    pt_out_digits(out, n / scale, 1);

    if (decimals) {
        pt_out_char(out, '.');
        pt_out_digits(out, n % scale, decimals);
    }
}


void
pt_out_time(pt_out_t *out, int64_t ms)
{
    int64_t   days, era, year;
    unsigned  rest, doe, yoe, doy, month, day;

    if (ms < 0) {
        ms = 0;
    }

    if (ms > PT_TIME_MAX_MS) {
        ms = PT_TIME_MAX_MS;
    }

    /* years that begin in March put the leap day at the end */

    days = ms / PT_OUT_DAY_MS + 719468;
    rest = ms % PT_OUT_DAY_MS;

    era = days / 146097;
    doe = days % 146097;
    yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    month = (5 * doy + 2) / 153;
    day = doy - (153 * month + 2) / 5 + 1;
    month = month < 10 ? month + 3 : month - 9;
    year = era * 400 + yoe + (month <= 2);

    pt_out_digits(out, year, 4);
    pt_out_char(out, '-');
    pt_out_digits(out, month, 2);
    pt_out_char(out, '-');
    pt_out_digits(out, day, 2);
    pt_out_char(out, 'T');
    pt_out_digits(out, rest / 3600000, 2);
    pt_out_char(out, ':');
    pt_out_digits(out, rest / 60000 % 60, 2);
    pt_out_char(out, ':');
    pt_out_digits(out, rest / 1000 % 60, 2);
    pt_out_char(out, '.');
    pt_out_digits(out, rest % 1000, 3);
    pt_out_char(out, 'Z');
}
