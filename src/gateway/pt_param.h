/*
 * Names with values, as forms and XML hold them: a sorted list without a name
 * twice.
 */

#ifndef PT_PARAM_H
#define PT_PARAM_H

#include "pt_slice.h"


typedef struct {
    pt_slice_t   name;
    pt_slice_t   value;
} pt_param_t;


/*
 * Puts a parameter in its place among *n that are sorted by name, byte by byte,
 * and that have room for it: 0, or -1 when its name is there already.
 */
int pt_param_insert(pt_param_t *params, size_t *n, const pt_param_t *param);

/* NULL when there is none of that name. */
const pt_param_t *pt_param_find(const pt_param_t *params, size_t n,
    const char *name);

/*
 * Where values are joined without escaping, one that holds "&total_fee=" would
 * let the same signed text stand for others.  Whether one holds "&", a name
 * that has a meaning and "=": 1 or 0.  "&" and "=" alone are fine: some values
 * are the shop's own, and often a query.
 */
int pt_param_is_ambiguous(const pt_param_t *params, size_t n,
    int (*has_meaning)(pt_slice_t name));


#endif /* PT_PARAM_H */
