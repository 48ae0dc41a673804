/*
 * Names with values, sorted.
 */

#include "pt_param.h"


static int
pt_param_compare(pt_slice_t a, pt_slice_t b)
{
    int     rc;
    size_t  len;

    len = a.len < b.len ? a.len : b.len;
    rc = memcmp(a.data, b.data, len);

    if (rc == 0 && a.len != b.len) {
        return a.len < b.len ? -1 : 1;
    }

    return rc;
}


int
pt_param_insert(pt_param_t *params, size_t *n, const pt_param_t *param)
{
    int     rc;
    size_t  i;

    for (i = *n; i > 0; i--) {
        rc = pt_param_compare(params[i - 1].name, param->name);

        if (rc == 0) {
            return -1;
        }

        if (rc < 0) {
            break;
        }
    }

    memmove(&params[i + 1], &params[i], (*n - i) * sizeof(pt_param_t));

    params[i] = *param;
    (*n)++;

    return 0;
}


const pt_param_t *
pt_param_find(const pt_param_t *params, size_t n, const char *name)
{
    size_t      i;
    pt_slice_t  wanted;

    wanted = pt_slice(name, strlen(name));

    for (i = 0; i < n; i++) {
        if (pt_slice_eq(params[i].name, wanted)) {
            return &params[i];
        }
    }

    return NULL;
}


int
pt_param_is_ambiguous(const pt_param_t *params, size_t n,
    int (*has_meaning)(pt_slice_t name))
{
    size_t       i;
    const char  *end;
    pt_slice_t   rest, piece;

    for (i = 0; i < n; i++) {
        rest = params[i].value;

        /* the first piece is the value itself, up to an "&" */

        (void) pt_slice_next(&rest, '&', &piece);

        while (pt_slice_next(&rest, '&', &piece)) {
            end = piece.len ? memchr(piece.data, '=', piece.len) : NULL;

            if (end
                && has_meaning(pt_slice(piece.data, end - piece.data)))
            {
                return 1;
            }
        }
    }

    return 0;
}
