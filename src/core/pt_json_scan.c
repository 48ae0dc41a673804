/*
 * The scanner: whether a text is JSON, byte by byte, and raw pieces of it.
 *
 * pt_json_scan is a loop over a small state machine with a stack of fixed
 * size: the text decides neither how deep the program's stack grows nor how
 * long the work takes beyond one pass.
 */

#include "pt_json.h"


/* VALUE -> AFTER -> VALUE | NAME | DONE, NAME -> VALUE */
typedef enum {
    PT_JSON_VALUE = 0,         /* a value begins here */
    PT_JSON_NAME,              /* a member's name begins here */
    PT_JSON_AFTER,             /* a value has ended */
    PT_JSON_DONE,
    PT_JSON_FAILED
} pt_json_state_e;


typedef struct {
    const unsigned char  *pos;
    const unsigned char  *end;
    const char           *why;
    size_t                number_max;
    unsigned              depth;
    unsigned              members[PT_JSON_DEPTH_MAX];
    unsigned char         close[PT_JSON_DEPTH_MAX];
} pt_json_scan_t;


static const char  pt_json_malformed[] = "the body is not valid JSON";


static pt_json_state_e
pt_json_fail(pt_json_scan_t *scan, const char *why)
{
    scan->why = why;

    return PT_JSON_FAILED;
}


static void
pt_json_space(pt_json_scan_t *scan)
{
    while (scan->pos < scan->end
           && (*scan->pos == ' ' || *scan->pos == '\n'
               || *scan->pos == '\t' || *scan->pos == '\r'))
    {
        scan->pos++;
    }
}


/* Reads four hexadecimal digits. */
static int
pt_json_hex(const unsigned char *p, const unsigned char *end, unsigned *value)
{
    unsigned       i, n;
    unsigned char  c;

    if (end - p < 4) {
        return -1;
    }

    n = 0;

    for (i = 0; i < 4; i++) {
        c = p[i];

        if (c >= '0' && c <= '9') {
            n = n * 16 + (c - '0');
            continue;
        }

        c |= 0x20;

        if (c < 'a' || c > 'f') {
            return -1;
        }

        n = n * 16 + (c - 'a' + 10);
    }

    *value = n;

    return 0;
}


/* What follows "\u", with the second half of a pair. */
static int
pt_json_unicode(pt_json_scan_t *scan, unsigned *value)
{
    unsigned  high, low;

    if (pt_json_hex(scan->pos, scan->end, &high) != 0) {
        scan->why = pt_json_malformed;
        return -1;
    }

    scan->pos += 4;

    if (high == 0) {
        scan->why = "a string contains U+0000";
        return -1;
    }

    if (high < 0xd800 || high > 0xdfff) {
        *value = high;
        return 0;
    }

    if (high > 0xdbff
        || scan->end - scan->pos < 6
        || scan->pos[0] != '\\'
        || scan->pos[1] != 'u'
        || pt_json_hex(scan->pos + 2, scan->end, &low) != 0
        || low < 0xdc00
        || low > 0xdfff)
    {
        scan->why = "a string contains a lone surrogate";
        return -1;
    }

    scan->pos += 6;
    *value = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);

    return 0;
}


/* From behind the opening quote to behind the closing one. */
static int
pt_json_scan_string(pt_json_scan_t *scan)
{
    unsigned       value;
    unsigned char  c;

    while (scan->pos < scan->end) {
        c = *scan->pos++;

        if (c == '"') {
            return 0;
        }

        if (c < 0x20) {
            scan->why = "a string contains a control character";
            return -1;
        }

        if (c != '\\') {
            continue;
        }

        if (scan->pos == scan->end) {
            break;
        }

        c = *scan->pos++;

        if (c == 'u') {
            if (pt_json_unicode(scan, &value) != 0) {
                return -1;
            }

        } else if (c == '\0' || strchr("\"\\/bfnrt", c) == NULL) {
            break;
        }
    }

    scan->why = pt_json_malformed;

    return -1;
}


/* One digit at least; *value stops growing where it is too large anyway. */
static int
pt_json_digits(pt_json_scan_t *scan, unsigned *value)
{
    const unsigned char  *start;

    start = scan->pos;
    *value = 0;

    while (scan->pos < scan->end && *scan->pos >= '0' && *scan->pos <= '9') {
        if (*value <= PT_JSON_EXPONENT_MAX) {
            *value = *value * 10 + (*scan->pos - '0');
        }

        scan->pos++;
    }

    return scan->pos > start ? 0 : -1;
}


static pt_json_state_e
pt_json_scan_number(pt_json_scan_t *scan)
{
    unsigned              value;
    const unsigned char  *start, *end;

    start = scan->pos;
    end = scan->end;

    if (*scan->pos == '-') {
        scan->pos++;
    }

    if (scan->pos < end && *scan->pos == '0') {
        scan->pos++;

    } else if (pt_json_digits(scan, &value) != 0) {
        return pt_json_fail(scan, pt_json_malformed);
    }

    if (scan->pos < end && *scan->pos == '.') {
        scan->pos++;

        if (pt_json_digits(scan, &value) != 0) {
            return pt_json_fail(scan, pt_json_malformed);
        }
    }

    value = 0;

    if (scan->pos < end && (*scan->pos == 'e' || *scan->pos == 'E')) {
        scan->pos++;

        if (scan->pos < end && (*scan->pos == '+' || *scan->pos == '-')) {
            scan->pos++;
        }

        if (pt_json_digits(scan, &value) != 0) {
            return pt_json_fail(scan, pt_json_malformed);
        }
    }

    if ((size_t) (scan->pos - start) > scan->number_max
        || value > PT_JSON_EXPONENT_MAX)
    {
        return pt_json_fail(scan, "a number is too long or out of range");
    }

    return PT_JSON_AFTER;
}


static pt_json_state_e
pt_json_scan_word(pt_json_scan_t *scan, const char *word, size_t len)
{
    if ((size_t) (scan->end - scan->pos) < len
        || memcmp(scan->pos, word, len) != 0)
    {
        return pt_json_fail(scan, pt_json_malformed);
    }

    scan->pos += len;

    return PT_JSON_AFTER;
}


static pt_json_state_e
pt_json_scan_open(pt_json_scan_t *scan)
{
    unsigned char  close;

    if (scan->depth == PT_JSON_DEPTH_MAX) {
        return pt_json_fail(scan, "the body is nested too deep");
    }

    close = *scan->pos++ == '{' ? '}' : ']';
    scan->close[scan->depth] = close;
    scan->members[scan->depth] = 0;
    scan->depth++;

    pt_json_space(scan);

    if (scan->pos < scan->end && *scan->pos == close) {
        scan->pos++;
        scan->depth--;

        return PT_JSON_AFTER;
    }

    return close == '}' ? PT_JSON_NAME : PT_JSON_VALUE;
}


static pt_json_state_e
pt_json_scan_value(pt_json_scan_t *scan)
{
    pt_json_space(scan);

    if (scan->pos == scan->end) {
        return pt_json_fail(scan, pt_json_malformed);
    }

    switch (*scan->pos) {

    case '{':
    case '[':
        return pt_json_scan_open(scan);

    case '"':
        scan->pos++;
        return pt_json_scan_string(scan) == 0 ? PT_JSON_AFTER : PT_JSON_FAILED;

    case 't':
        return pt_json_scan_word(scan, "true", 4);

    case 'f':
        return pt_json_scan_word(scan, "false", 5);

    case 'n':
        return pt_json_scan_word(scan, "null", 4);

    default:
        return pt_json_scan_number(scan);
    }
}


static pt_json_state_e
pt_json_scan_name(pt_json_scan_t *scan)
{
    if (++scan->members[scan->depth - 1] > PT_JSON_MEMBERS_MAX) {
        return pt_json_fail(scan, "an object has too many members");
    }

    pt_json_space(scan);

    if (scan->pos == scan->end || *scan->pos != '"') {
        return pt_json_fail(scan, pt_json_malformed);
    }

    scan->pos++;

    if (pt_json_scan_string(scan) != 0) {
        return PT_JSON_FAILED;
    }

    pt_json_space(scan);

    if (scan->pos == scan->end || *scan->pos != ':') {
        return pt_json_fail(scan, pt_json_malformed);
    }

    scan->pos++;

    return PT_JSON_VALUE;
}


static pt_json_state_e
pt_json_scan_after(pt_json_scan_t *scan)
{
    unsigned char  close;

    pt_json_space(scan);

    if (scan->depth == 0) {
        if (scan->pos != scan->end) {
            return pt_json_fail(scan, "something follows the JSON value");
        }

        return PT_JSON_DONE;
    }

    if (scan->pos == scan->end) {
        return pt_json_fail(scan, pt_json_malformed);
    }

    close = scan->close[scan->depth - 1];

    if (*scan->pos == close) {
        scan->pos++;
        scan->depth--;

        return PT_JSON_AFTER;
    }

    if (*scan->pos != ',') {
        return pt_json_fail(scan, pt_json_malformed);
    }

    scan->pos++;

    return close == '}' ? PT_JSON_NAME : PT_JSON_VALUE;
}


static pt_json_state_e
pt_json_step(pt_json_scan_t *scan, pt_json_state_e state)
{
    switch (state) {

    case PT_JSON_VALUE:
        return pt_json_scan_value(scan);

    case PT_JSON_NAME:
        return pt_json_scan_name(scan);

    case PT_JSON_AFTER:
        return pt_json_scan_after(scan);

    default:
        return PT_JSON_FAILED;
    }
}


static void
pt_json_begin(pt_json_scan_t *scan, pt_slice_t text)
{
    scan->pos = (const unsigned char *) text.data;
    scan->end = scan->pos + text.len;
    scan->why = pt_json_malformed;
    scan->number_max = PT_JSON_NUMBER_MAX;
    scan->depth = 0;
}


static int
pt_json_scan_numbers(pt_slice_t text, size_t number_max, const char **why)
{
    pt_json_scan_t   scan;
    pt_json_state_e  state;

    if (text.len > PT_JSON_SIZE_MAX) {
        *why = "the body is too large";
        return -1;
    }

    if (!pt_slice_utf8(text)) {
        *why = "the body is not valid UTF-8";
        return -1;
    }

    pt_json_begin(&scan, text);
    scan.number_max = number_max;

    state = PT_JSON_VALUE;

    while (state < PT_JSON_DONE) {
        state = pt_json_step(&scan, state);
    }

    *why = scan.why;

    return state == PT_JSON_DONE ? 0 : -1;
}


int
pt_json_scan(pt_slice_t text, const char **why)
{
    return pt_json_scan_numbers(text, PT_JSON_NUMBER_MAX, why);
}


int
pt_json_scan_stored(pt_slice_t text, const char **why)
{
    return pt_json_scan_numbers(text, PT_JSON_SIZE_MAX, why);
}


/*
 * Whether the name at scan, behind its opening quote, is the one looked for,
 * however it is written; goes on to behind its closing quote.
 */
static int
pt_json_same_name(pt_json_scan_t *scan, const char *name)
{
    int            same;
    unsigned       value;
    unsigned char  c;

    same = 1;

    while (*scan->pos != '"') {
        c = *scan->pos++;
        value = c;

        if (c == '\\') {
            c = *scan->pos++;
            value = c;

            if (c == 'u') {
                (void) pt_json_unicode(scan, &value);

            } else if (c >= 'a') {
                value = 0;
            }
        }

        if (same && (*name == '\0' || value != (unsigned char) *name)) {
            same = 0;
        }

        name += same;
    }

    scan->pos++;

    return same && *name == '\0';
}


int
pt_json_span(pt_slice_t text, const char *name, pt_slice_t *span)
{
    pt_json_scan_t        scan, probe;
    pt_json_state_e       state, was;
    const unsigned char  *start;

    pt_json_begin(&scan, text);

    start = NULL;
    state = PT_JSON_VALUE;

    while (state < PT_JSON_DONE) {
        probe = scan;
        was = state;
        state = pt_json_step(&scan, was);

        if (start != NULL) {
            if (state == PT_JSON_AFTER && scan.depth == 1) {
                *span = pt_slice(start, scan.pos - start);
                return 0;
            }

            continue;
        }

        if (was == PT_JSON_NAME && state == PT_JSON_VALUE && scan.depth == 1) {
            pt_json_space(&probe);
            probe.pos++;

            if (pt_json_same_name(&probe, name)) {
                pt_json_space(&scan);
                start = scan.pos;
            }
        }
    }

    return -1;
}


size_t
pt_json_compact(pt_slice_t text, char *dst, size_t size)
{
    int     quoted;
    char    c;
    size_t  i, n;

    n = 0;
    quoted = 0;

    for (i = 0; i < text.len; i++) {
        c = text.data[i];

        if (!quoted && (c == ' ' || c == '\n' || c == '\t' || c == '\r')) {
            continue;
        }

        if (n == size) {
            return 0;
        }

        dst[n++] = c;

        if (c == '"') {
            quoted = !quoted;

        } else if (c == '\\' && i + 1 < text.len) {
            if (n == size) {
                return 0;
            }

            dst[n++] = text.data[++i];
        }
    }

    return n;
}
