/*
 * Forms (application/x-www-form-urlencoded): read to bytes, and written.
 *
 * A form is decoded exactly once and never converted from one character set to
 * another.  What two parsers could read differently is refused: a malformed
 * %XX, a zero byte, a pair without "=", a name twice, a name that is not
 * plain.
 */

#ifndef PT_FORM_H
#define PT_FORM_H

#include "pt_out.h"
#include "pt_param.h"


#define PT_FORM_SIZE_MAX    65536
#define PT_FORM_PARAMS_MAX  128
#define PT_FORM_NAME_MAX    128


typedef enum {
    PT_FORM_OK = 0,
    PT_FORM_BAD,
    PT_FORM_NO_MEMORY
} pt_form_e;


/* Sorted by name, byte by byte. */
typedef struct {
    pt_param_t   params[PT_FORM_PARAMS_MAX];
    size_t       n;
} pt_form_t;


/* The slices point into memory from alloc. */
pt_form_e pt_form_parse(pt_form_t *form, pt_slice_t body, pt_alloc_pt alloc,
    void *ctx);

/* The value, which may be empty: 0, or -1 when there is none. */
int pt_form_get(const pt_form_t *form, const char *name, pt_slice_t *value);

/* Percent-encodes all but letters, digits, "-", "_", "." and "~". */
void pt_form_encode(pt_out_t *out, pt_slice_t s);


#endif /* PT_FORM_H */
