/*
 * What gateways share that send JSON: the type of a body, signed times, paths
 * into a tree, settings that several have, decimals of currencies.
 */

#include <stdlib.h>

#include "pt_hook.h"
#include "pt_secret.h"


#define PT_HOOK_CURRENCY_LEN  3


pt_slice_t
pt_hook_header(const pt_callback_t *callback, const char *name)
{
    return callback->header(callback->ctx, name);
}


/* s begins with word, which is in lower case, whatever the case of s. */
static int
pt_hook_begins(pt_slice_t s, const char *word, size_t len)
{
    char    c;
    size_t  i;

    if (s.len < len) {
        return 0;
    }

    for (i = 0; i < len; i++) {
        c = s.data[i];
        c = c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;

        if (c != word[i]) {
            return 0;
        }
    }

    return 1;
}


int
pt_hook_plain(const pt_callback_t *callback)
{
    pt_slice_t  encoding;

    encoding = pt_hook_header(callback, "Content-Encoding");

    return encoding.len == 0
           || (encoding.len == sizeof("identity") - 1
               && pt_hook_begins(encoding, "identity", encoding.len));
}


int
pt_hook_type(const pt_callback_t *callback, const char *type)
{
    char        c;
    size_t      len;
    pt_slice_t  value;

    len = strlen(type);
    value = pt_hook_header(callback, "Content-Type");

    if (!pt_hook_plain(callback) || !pt_hook_begins(value, type, len)) {
        return 0;
    }

    c = value.len > len ? value.data[len] : ';';

    return c == ';' || c == ' ' || c == '\t';
}


int
pt_hook_seconds(pt_slice_t s, int64_t *seconds)
{
    if (s.len == 0 || s.data[0] == '0') {
        return -1;
    }

    return pt_slice_uint(s, PT_TIME_MAX_MS / 1000, seconds);
}


int
pt_hook_fresh(const pt_callback_t *callback, int64_t seconds,
    int64_t tolerance_ms)
{
    int64_t  age;

    age = callback->now / 1000 - seconds;
    age = age < 0 ? -age : age;

    return age * 1000 <= tolerance_ms;
}


int
pt_hook_path_valid(pt_slice_t path)
{
    pt_slice_t  part;

    if (!pt_text_valid(path, PT_HOOK_TEXT_MAX)) {
        return 0;
    }

    while (pt_slice_next(&path, '.', &part)) {
        if (part.len == 0) {
            return 0;
        }
    }

    return 1;
}


/* What has the last part of a path as a member, which is copied to name. */
static const cJSON *
pt_hook_parent(const cJSON *json, const char *path,
    char name[PT_HOOK_TEXT_MAX + 1])
{
    size_t  len;

    for ( ;; ) {
        len = strcspn(path, ".");

        if (len > PT_HOOK_TEXT_MAX) {
            return NULL;
        }

        memcpy(name, path, len);
        name[len] = '\0';

        if (path[len] == '\0') {
            return cJSON_IsObject(json) ? json : NULL;
        }

        path += len + 1;
        json = cJSON_IsObject(json)
               ? cJSON_GetObjectItemCaseSensitive(json, name) : NULL;
    }
}


pt_json_e
pt_hook_string(const cJSON *json, const char *path, pt_slice_t *value)
{
    char          name[PT_HOOK_TEXT_MAX + 1];
    const cJSON  *parent;

    parent = pt_hook_parent(json, path, name);

    return pt_json_string(parent, name, value);
}


pt_json_e
pt_hook_int(const cJSON *json, const char *path, int64_t min, int64_t max,
    int64_t *value)
{
    char          name[PT_HOOK_TEXT_MAX + 1];
    const cJSON  *parent;

    parent = pt_hook_parent(json, path, name);

    return pt_json_int(parent, name, min, max, value);
}


pt_json_e
pt_hook_bool(const cJSON *json, const char *path, int *value)
{
    char          name[PT_HOOK_TEXT_MAX + 1];
    const cJSON  *parent;

    parent = pt_hook_parent(json, path, name);

    return pt_json_bool(parent, name, value);
}


/*
 * The first character of a text that stands in a JSON string, written out or
 * with an escape: how long it is there, 0 when it is none.
 */
static size_t
pt_hook_char(pt_slice_t text, unsigned *c)
{
    size_t         len;
    unsigned char  code[2];

    *c = 0;

    if (text.len == 0) {
        return 0;
    }

    *c = (unsigned char) text.data[0];

    if (*c != '\\') {
        return 1;
    }

    if (text.len < 2) {
        return 0;
    }

    *c = (unsigned char) text.data[1];

    if (*c != 'u') {
        return 2;
    }

    if (text.len < 6
        || pt_hex_decode(pt_slice(text.data + 2, 4), code, sizeof(code), &len)
           != 0)
    {
        return 0;
    }

    *c = (unsigned) code[0] << 8 | code[1];

    return 6;
}


/* Whether a text begins with the word and a quote. */
static int
pt_hook_is_word(pt_slice_t text, pt_slice_t word)
{
    size_t    i, len;
    unsigned  c, wanted;

    for (i = 0; i < word.len; i++) {
        len = pt_hook_char(text, &c);
        wanted = (unsigned char) word.data[i];

        /* how an escape is written in UTF-8 is not worth while here */

        if (len == 6 && c > 0x7f && wanted > 0x7f) {
            return 1;
        }

        if (len == 0 || c != wanted) {
            return 0;
        }

        text.data += len;
        text.len -= len;
    }

    return text.len && text.data[0] == '"';
}


int
pt_hook_mentions(pt_slice_t text, pt_slice_t word)
{
    const char  *quote;

    while (text.len) {
        quote = memchr(text.data, '"', text.len);

        if (quote == NULL) {
            return 0;
        }

        text.len -= quote + 1 - text.data;
        text.data = quote + 1;

        if (pt_hook_is_word(text, word)) {
            return 1;
        }
    }

    return 0;
}


int
pt_hook_keep(const pt_callback_t *callback, pt_slice_t *s)
{
    char  *copy;

    if (s->len == 0) {
        *s = pt_slice_null;
        return 0;
    }

    copy = callback->alloc(callback->alloc_ctx, s->len);
    if (copy == NULL) {
        return -1;
    }

    memcpy(copy, s->data, s->len);
    s->data = copy;

    return 0;
}


pt_verify_e
pt_hook_currency(const pt_callback_t *callback, pt_slice_t s,
    pt_slice_t *currency)
{
    char    c, *code;
    size_t  i;

    if (s.len != PT_HOOK_CURRENCY_LEN) {
        return PT_VERIFY_BAD_VALUE;
    }

    code = callback->alloc(callback->alloc_ctx, s.len);
    if (code == NULL) {
        return PT_VERIFY_NO_MEMORY;
    }

    for (i = 0; i < s.len; i++) {
        c = s.data[i];
        c = c >= 'a' && c <= 'z' ? c - ('a' - 'A') : c;

        if (c < 'A' || c > 'Z') {
            return PT_VERIFY_BAD_VALUE;
        }

        code[i] = c;
    }

    *currency = pt_slice(code, s.len);

    return PT_VERIFY_OK;
}


int
pt_hook_set_text(char **text, pt_slice_t value, const char **why)
{
    if (*text) {
        *why = "is given twice: remove one";
        return -1;
    }

    if (!pt_text_valid(value, PT_HOOK_TEXT_MAX)) {
        *why = "write 1 to 128 characters, without control characters";
        return -1;
    }

    *text = malloc(value.len + 1);
    if (*text == NULL) {
        *why = "there is no memory";
        return -1;
    }

    memcpy(*text, value.data, value.len);
    (*text)[value.len] = '\0';

    return 0;
}


int
pt_hook_set_tolerance(int64_t *ms, pt_slice_t value, const char **why)
{
    int64_t  tolerance;

    if (*ms) {
        *why = "is given twice: remove one";
        return -1;
    }

    if (pt_slice_uint(value, PT_HOOK_TOLERANCE_MAX, &tolerance) != 0
        || tolerance < PT_HOOK_TOLERANCE_MIN)
    {
        *why = "write a time from 1s to 1d; 5m is what gateways advise";
        return -1;
    }

    *ms = tolerance;

    return 0;
}


int
pt_hook_set_mode(pt_hook_mode_e *mode, pt_slice_t value, const char **why)
{
    if (*mode != PT_HOOK_MODE_UNSET) {
        *why = "is given twice: remove one";
        return -1;
    }

    if (pt_slice_eq(value, pt_slice_lit("live"))) {
        *mode = PT_HOOK_MODE_LIVE;

    } else if (pt_slice_eq(value, pt_slice_lit("test"))) {
        *mode = PT_HOOK_MODE_TEST;

    } else {
        *why = "write \"live\" or \"test\"";
        return -1;
    }

    return 0;
}


/* In a list of codes with single spaces between them. */
static int
pt_hook_is_listed(pt_slice_t currency, const char *list)
{
    pt_slice_t  rest, code;

    rest = pt_slice(list, strlen(list));

    while (pt_slice_next(&rest, ' ', &code)) {
        if (pt_slice_eq(code, currency)) {
            return 1;
        }
    }

    return 0;
}


unsigned
pt_hook_decimals(pt_slice_t currency, const char *none, const char *three)
{
    if (pt_hook_is_listed(currency, none)) {
        return 0;
    }

    return pt_hook_is_listed(currency, three) ? 3 : 2;
}


int
pt_hook_check_decimals(unsigned shop, unsigned gateway, const char **why)
{
    if (shop == gateway) {
        return 0;
    }

    switch (gateway) {

    case 0:
        *why = "counts amounts of this currency without decimals: write 0 as "
               "the decimals of paytrade_currency";
        break;

    case 3:
        *why = "counts amounts of this currency with three decimals: write 3 "
               "as the decimals of paytrade_currency";
        break;

    default:
        *why = "counts amounts of this currency with two decimals: write 2 "
               "as the decimals of paytrade_currency";
    }

    return -1;
}


int
pt_hook_check_yuan(pt_slice_t currency, unsigned decimals, const char **why)
{
    if (decimals != 2) {
        *why = "takes amounts with two decimals: set paytrade_currency to "
               "\"CNY 2\"";
        return -1;
    }

    if (!pt_slice_eq(currency, pt_slice_lit("CNY"))) {
        *why = "takes amounts in yuan: set paytrade_currency to \"CNY 2\"";
        return -1;
    }

    return 0;
}
