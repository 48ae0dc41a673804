/*
 * Forms: read to bytes, and written.
 */

#include "pt_form.h"


/* Letters, digits, "_", "-", ".", "[" and "]": 1 or 0. */
static int
pt_form_name_char(char c)
{
    return (c >= 'a' && c <= 'z')
           || (c >= 'A' && c <= 'Z')
           || (c >= '0' && c <= '9')
           || c == '_' || c == '-' || c == '.' || c == '[' || c == ']';
}


static int
pt_form_hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }

    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }

    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}


/* Decodes s to *pos, which has room for it. */
static int
pt_form_decode(pt_slice_t s, char **pos, pt_slice_t *text)
{
    int     high, low;
    char   *p, c;
    size_t  i;

    p = *pos;

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if (c == '+') {
            c = ' ';

        } else if (c == '%') {
            if (s.len - i < 3) {
                return -1;
            }

            high = pt_form_hex(s.data[i + 1]);
            low = pt_form_hex(s.data[i + 2]);

            if (high == -1 || low == -1) {
                return -1;
            }

            c = high << 4 | low;
            i += 2;
        }

        if (c == '\0') {
            return -1;
        }

        *p++ = c;
    }

    *text = pt_slice(*pos, p - *pos);
    *pos = p;

    return 0;
}


static int
pt_form_name_valid(pt_slice_t name)
{
    size_t  i;

    if (name.len == 0 || name.len > PT_FORM_NAME_MAX) {
        return 0;
    }

    for (i = 0; i < name.len; i++) {
        if (!pt_form_name_char(name.data[i])) {
            return 0;
        }
    }

    return 1;
}


pt_form_e
pt_form_parse(pt_form_t *form, pt_slice_t body, pt_alloc_pt alloc, void *ctx)
{
    char        *pos;
    pt_param_t   param;
    pt_slice_t   rest, pair, halves[2];

    form->n = 0;

    if (body.len == 0 || body.len > PT_FORM_SIZE_MAX) {
        return PT_FORM_BAD;
    }

    pos = alloc(ctx, body.len);
    if (pos == NULL) {
        return PT_FORM_NO_MEMORY;
    }

    rest = body;

    while (pt_slice_next(&rest, '&', &pair)) {
        if (form->n == PT_FORM_PARAMS_MAX
            || pt_slice_split(pair, '=', halves, 2) < 2)
        {
            return PT_FORM_BAD;
        }

        /* a value may hold "=", as some send the padding of Base64 */

        halves[1].len = pair.data + pair.len - halves[1].data;

        if (pt_form_decode(halves[0], &pos, &param.name) != 0
            || pt_form_decode(halves[1], &pos, &param.value) != 0
            || !pt_form_name_valid(param.name)
            || pt_param_insert(form->params, &form->n, &param) != 0)
        {
            return PT_FORM_BAD;
        }
    }

    return PT_FORM_OK;
}


int
pt_form_get(const pt_form_t *form, const char *name, pt_slice_t *value)
{
    const pt_param_t  *param;

    param = pt_param_find(form->params, form->n, name);
    *value = param ? param->value : pt_slice_null;

    return param ? 0 : -1;
}


void
pt_form_encode(pt_out_t *out, pt_slice_t s)
{
    size_t         i;
    unsigned char  c;

    static const char  hex[] = "0123456789ABCDEF";

    for (i = 0; i < s.len; i++) {
        c = s.data[i];

        if ((c >= 'a' && c <= 'z')
            || (c >= 'A' && c <= 'Z')
            || (c >= '0' && c <= '9')
            || c == '-' || c == '_' || c == '.' || c == '~')
        {
            pt_out_char(out, c);
            continue;
        }

        pt_out_char(out, '%');
        pt_out_char(out, hex[c >> 4]);
        pt_out_char(out, hex[c & 15]);
    }
}
