/*
 * Any body as a form: what is read is sorted, without doubles, and is read as
 * the same when it is written again.  And any text as Base64.
 */

#include "core_fuzz.h"
#include "pt_base64.h"
#include "pt_form.h"


static void
check_sorted(const pt_form_t *form)
{
    int         rc;
    size_t      i, len;
    pt_slice_t  a, b;

    for (i = 0; i < form->n; i++) {
        b = form->params[i].name;
        check(b.len > 0 && b.len <= PT_FORM_NAME_MAX);

        if (i > 0) {
            a = form->params[i - 1].name;
            len = a.len < b.len ? a.len : b.len;
            rc = memcmp(a.data, b.data, len);
            check(rc < 0 || (rc == 0 && a.len < b.len));
        }
    }
}


static void
check_form(pt_slice_t s, fuzz_memory_t *memory)
{
    size_t       i;
    pt_out_t     out;
    pt_form_t    form, again;
    pt_slice_t   value;
    char         name[PT_FORM_NAME_MAX + 1];

    if (pt_form_parse(&form, s, fuzz_alloc, memory) != PT_FORM_OK) {
        return;
    }

    check(form.n > 0 && form.n <= PT_FORM_PARAMS_MAX);
    check_sorted(&form);

    pt_out_init(&out, fuzz_alloc, memory, 0);

    for (i = form.n; i > 0; i--) {
        pt_out_str(&out, i < form.n ? "&" : "");
        pt_form_encode(&out, form.params[i - 1].name);
        pt_out_char(&out, '=');
        pt_form_encode(&out, form.params[i - 1].value);
    }

    if (out.pos - out.start > PT_FORM_SIZE_MAX) {
        return;
    }

    check(pt_form_parse(&again, pt_out_slice(&out), fuzz_alloc, memory)
          == PT_FORM_OK);
    check(again.n == form.n);

    for (i = 0; i < form.n; i++) {
        check(pt_slice_eq(form.params[i].name, again.params[i].name));
        check(pt_slice_eq(form.params[i].value, again.params[i].value));

        memcpy(name, form.params[i].name.data, form.params[i].name.len);
        name[form.params[i].name.len] = '\0';
        check(pt_form_get(&form, name, &value) == 0);
        check(pt_slice_eq(value, form.params[i].value));
    }
}


static void
check_base64(pt_slice_t s, fuzz_memory_t *memory)
{
    size_t          len, less;
    pt_out_t        out;
    unsigned char  *data;

    data = fuzz_alloc(memory, s.len + 1);

    if (pt_base64_decode(s, data, s.len, &len) != 0) {
        return;
    }

    check(len <= s.len / 4 * 3);
    check(len == 0 || pt_base64_decode(s, data, len - 1, &less) == -1);

    pt_out_init(&out, fuzz_alloc, memory, 0);
    pt_base64_encode(&out, data, len);
    check(pt_slice_eq(pt_out_slice(&out), s));
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_memory_t  memory;

    memory.n = 0;

    check_form(pt_slice(data, size), &memory);
    check_base64(pt_slice(data, size), &memory);

    fuzz_free(&memory);

    return 0;
}
