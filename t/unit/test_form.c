/*
 * Forms: decoded once, sorted, nothing that could be read in two ways.
 */

#include "pt_form.h"
#include "unit.h"


#define N(a)  (sizeof(a) / sizeof((a)[0]))


static pt_form_e
parse(pt_form_t *form, const char *body)
{
    return pt_form_parse(form, unit_str(body), unit_alloc, NULL);
}


/* The form as "name=value;…" */
static const char *
dump(const pt_form_t *form)
{
    size_t    i;
    pt_out_t  out;

    unit_out(&out);

    for (i = 0; i < form->n; i++) {
        pt_out_put(&out, form->params[i].name);
        pt_out_char(&out, '=');
        pt_out_put(&out, form->params[i].value);
        pt_out_char(&out, ';');
    }

    return unit_text(&out);
}


static void
test_read(void **state)
{
    size_t     i;
    pt_form_t  form;

    static const struct {
        const char  *body;
        const char  *form;
    } cases[] = {
        { "a=1", "a=1;" },
        { "a=", "a=;" },
        { "b=2&a=1&c=3", "a=1;b=2;c=3;" },
        { "a=1&a_=2&A=3&aa=4&B=5", "A=3;B=5;a=1;a_=2;aa=4;" },
        { "a=x+y%20z", "a=x y z;" },
        { "a=%2B%25%26%3D", "a=+%&=;" },
        { "a=%2541", "a=%41;" },
        { "a=%252B", "a=%2B;" },
        { "a=%c4%E3", "a=\xc4\xe3;" },
        { "a=\xc4\xe3", "a=\xc4\xe3;" },
        { "%61=1&b%5b%5D=2", "a=1;b[]=2;" },
        { "a=b=c==", "a=b=c==;" },
        { "a.b-c_d[0]=1", "a.b-c_d[0]=1;" },
        { "a=%0A%0d%09 ", "a=\n\r\t ;" },
        { "a=;&b=?", "a=;;b=?;" },
    };

    for (i = 0; i < N(cases); i++) {
        assert_int_equal(parse(&form, cases[i].body), PT_FORM_OK);
        assert_string_equal(dump(&form), cases[i].form);
    }
}


static void
test_refused(void **state)
{
    size_t     i;
    pt_form_t  form;

    static const char *const  cases[] = {
        "", "a", "&", "a=1&", "&a=1", "a=1&&b=2", "=1", "=", "a&b=1", "a=1&b",
        "a=%", "a=%4", "a=%zz", "a=%4g", "a=%g4", "a=1%", "a=% 41", "a=%u0041",
        "%=1", "a%=1", "a=%00", "a=1%00", "%00=1", "a%00=1",
        "a=1&a=1", "a=1&a=2", "a=1&%61=2", "b=1&a=2&b=", "%61=1&%61=1",
        "a+b=1", "a%20b=1", "a%26b=1", "a%3Db=1", "a%3d=1", "\xc4=1", "a\n=1",
        "a\"=1", "a;b=1", "a,b=1", "a/b=1", "%2561=1",
    };

    for (i = 0; i < N(cases); i++) {
        if (parse(&form, cases[i]) != PT_FORM_BAD) {
            fail_msg("\"%s\" was accepted", cases[i]);
        }
    }

    assert_int_equal(pt_form_parse(&form, unit_mem("a=\0", 3), unit_alloc,
                                   NULL), PT_FORM_BAD);
    assert_int_equal(pt_form_parse(&form, pt_slice_null, unit_alloc, NULL),
                     PT_FORM_BAD);
}


static pt_slice_t
many(int n)
{
    int       i;
    pt_out_t  out;

    unit_out(&out);

    for (i = 0; i < n; i++) {
        pt_out_str(&out, i ? "&p" : "p");
        pt_out_int(&out, (i * 37) % n);
        pt_out_str(&out, "=1");
    }

    return pt_out_slice(&out);
}


static void
test_bounds(void **state)
{
    pt_form_t   form;
    pt_slice_t  name;

    assert_int_equal(pt_form_parse(&form, many(PT_FORM_PARAMS_MAX), unit_alloc,
                                   NULL), PT_FORM_OK);
    assert_int_equal(form.n, PT_FORM_PARAMS_MAX);
    assert_int_equal(pt_form_parse(&form, many(PT_FORM_PARAMS_MAX + 1),
                                   unit_alloc, NULL), PT_FORM_BAD);

    name = unit_repeat("n", PT_FORM_NAME_MAX);
    assert_int_equal(parse(&form, unit_fmt("%.*s=1%c", (int) name.len,
                                           name.data, 0).data), PT_FORM_OK);
    assert_int_equal(parse(&form, unit_fmt("n%.*s=1%c", (int) name.len,
                                           name.data, 0).data), PT_FORM_BAD);

    name = unit_repeat("a=bcdefg", PT_FORM_SIZE_MAX / 8);
    assert_int_equal(name.len, PT_FORM_SIZE_MAX);
    assert_int_equal(pt_form_parse(&form, name, unit_alloc, NULL), PT_FORM_OK);
    name = unit_repeat("a=b", PT_FORM_SIZE_MAX / 3 + 1);
    assert_int_equal(pt_form_parse(&form, name, unit_alloc, NULL),
                     PT_FORM_BAD);
}


static void *
no_memory(void *ctx, size_t size)
{
    return NULL;
}


static void
test_no_memory(void **state)
{
    pt_form_t  form;

    assert_int_equal(pt_form_parse(&form, unit_str("a=1"), no_memory, NULL),
                     PT_FORM_NO_MEMORY);
}


static void
test_get(void **state)
{
    pt_form_t   form;
    pt_slice_t  value;

    assert_int_equal(parse(&form, "sign_type=RSA2&sign=x&empty="), PT_FORM_OK);

    assert_int_equal(pt_form_get(&form, "sign", &value), 0);
    unit_slice_is(value, "x");
    assert_int_equal(pt_form_get(&form, "sign_type", &value), 0);
    unit_slice_is(value, "RSA2");
    assert_int_equal(pt_form_get(&form, "empty", &value), 0);
    assert_int_equal(value.len, 0);
    assert_int_equal(pt_form_get(&form, "sig", &value), -1);
    assert_int_equal(pt_form_get(&form, "sign_", &value), -1);
}


/* Any bytes, written and read, are the same bytes; order does not matter. */
static void
test_round_trip(void **state)
{
    int         i, k;
    char        data[3][40];
    size_t      n, len[3];
    pt_out_t    out;
    pt_form_t   form;

    static const char *const  names[] = { "c", "a", "b" };

    for (i = 0; i < 5000; i++) {
        unit_out(&out);

        for (k = 0; k < 3; k++) {
            len[k] = unit_below(sizeof(data[k]));

            for (n = 0; n < len[k]; n++) {
                data[k][n] = 1 + unit_below(255);
            }

            pt_out_str(&out, k ? "&" : "");
            pt_out_str(&out, names[k]);
            pt_out_char(&out, '=');
            pt_form_encode(&out, pt_slice(data[k], len[k]));
        }

        assert_int_equal(pt_form_parse(&form, pt_out_slice(&out), unit_alloc,
                                       NULL), PT_FORM_OK);
        assert_int_equal(form.n, 3);

        for (k = 0; k < 3; k++) {
            n = names[k][0] - 'a';
            assert_true(pt_slice_eq(form.params[n].value,
                                    pt_slice(data[k], len[k])));
        }
    }
}


static void
test_encode(void **state)
{
    pt_out_t  out;

    unit_out(&out);
    pt_form_encode(&out, unit_str("aZ09-_.~ +&=%/?:\"\xe6\x89\x8b"));
    assert_string_equal(unit_text(&out), "aZ09-_.~%20%2B%26%3D%25%2F%3F%3A%22"
                                         "%E6%89%8B");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        unit_case(test_read),
        unit_case(test_refused),
        unit_case(test_bounds),
        unit_case(test_no_memory),
        unit_case(test_get),
        unit_case(test_round_trip),
        unit_case(test_encode),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
