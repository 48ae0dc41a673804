/*
 * Reading JSON that strangers send: checked byte by byte, then given to cJSON.
 *
 * cJSON alone lets pass what this project must refuse: invalid UTF-8, \u0000
 * (which cuts a string short), raw control characters, lone surrogates,
 * doubled members, nesting by the thousand.  pt_json_parse refuses all of
 * them before or after cJSON has built its tree.
 */

#ifndef PT_JSON_H
#define PT_JSON_H

#include <cjson/cJSON.h>

#include "pt_slice.h"


#define PT_JSON_SIZE_MAX     65536
#define PT_JSON_DEPTH_MAX    16
#define PT_JSON_MEMBERS_MAX  256

/* Characters of a number, and its exponent; doubles have no more. */
#define PT_JSON_NUMBER_MAX   48
#define PT_JSON_EXPONENT_MAX 308


typedef enum {
    PT_JSON_OK = 0,
    PT_JSON_ABSENT,          /* no such member, or null */
    PT_JSON_WRONG            /* another type, or out of range */
} pt_json_e;


/*
 * Parses a whole text whose root is an object.  Returns a tree that the caller
 * frees with cJSON_Delete, or NULL with *why set to a sentence for the client.
 */
cJSON *pt_json_parse(pt_slice_t text, const char **why);

/*
 * Whether text is one JSON value, of any type, by the same rules but for
 * doubled members: 0, or -1 with a sentence in *why.
 */
int pt_json_scan(pt_slice_t text, const char **why);

/* The same for what PostgreSQL kept: it writes 1e300 with 300 zeros. */
int pt_json_scan_stored(pt_slice_t text, const char **why);

/*
 * The raw text of a member of the root object, as it stands in a text that
 * pt_json_parse accepted: 0, or -1 when there is none.  The name is ASCII; in
 * the text it may be written with escapes.
 */
int pt_json_span(pt_slice_t text, const char *name, pt_slice_t *span);

/*
 * Copies a valid text without its white space to dst, which may be text.data.
 * Returns the length, or 0 when it is greater than size.
 */
size_t pt_json_compact(pt_slice_t text, char *dst, size_t size);

/* The slice points into the tree. */
pt_json_e pt_json_string(const cJSON *object, const char *name,
    pt_slice_t *value);

/* A JSON number without fraction, min to max (both within 2^53). */
pt_json_e pt_json_int(const cJSON *object, const char *name, int64_t min,
    int64_t max, int64_t *value);

pt_json_e pt_json_bool(const cJSON *object, const char *name, int *value);


#endif /* PT_JSON_H */
