/*
 * What gateways share, of those that send JSON most: the type of a body, signed
 * times, paths into a tree, settings that several have, decimals of currencies.
 */

#ifndef PT_HOOK_H
#define PT_HOOK_H

#include "pt_gateway.h"
#include "pt_json.h"


#define PT_HOOK_TEXT_MAX       128

/* Milliseconds; with less nothing would be fresh, with more all would be. */
#define PT_HOOK_TOLERANCE_MIN  INT64_C(1000)
#define PT_HOOK_TOLERANCE_MAX  INT64_C(86400000)


typedef enum {
    PT_HOOK_MODE_UNSET = 0,
    PT_HOOK_MODE_LIVE,
    PT_HOOK_MODE_TEST
} pt_hook_mode_e;


/* No Content-Encoding but identity: 1 or 0. */
int pt_hook_plain(const pt_callback_t *callback);

/*
 * The same, and the media type is this one, which is in lower case, whatever
 * its parameters: 1 or 0.
 */
int pt_hook_type(const pt_callback_t *callback, const char *type);

/* A header; an empty slice when there is none. */
pt_slice_t pt_hook_header(const pt_callback_t *callback, const char *name);


/* Seconds since 1970: digits without a leading zero; 0 or -1. */
int pt_hook_seconds(pt_slice_t s, int64_t *seconds);

/*
 * Whether such a time is no farther from now than the tolerance, before or
 * after, in whole seconds as gateways count them: 1 or 0.
 */
int pt_hook_fresh(const pt_callback_t *callback, int64_t seconds,
    int64_t tolerance_ms);


/* a.b.c, parts of 1 character and more, PT_HOOK_TEXT_MAX in all: 1 or 0. */
int pt_hook_path_valid(pt_slice_t path);

/*
 * As the functions of pt_json.h, for a path through objects such as
 * data.object.id; a part of it that is none leads to nothing.
 */
pt_json_e pt_hook_string(const cJSON *json, const char *path,
    pt_slice_t *value);
pt_json_e pt_hook_int(const cJSON *json, const char *path, int64_t min,
    int64_t max, int64_t *value);
pt_json_e pt_hook_bool(const cJSON *json, const char *path, int *value);

/*
 * Whether a word stands in what may be JSON as a whole string, whatever escapes
 * it is written with: 1 or 0.
 */
int pt_hook_mentions(pt_slice_t text, pt_slice_t word);

/* What lives in a tree, copied to the callback's memory: 0 or -1. */
int pt_hook_keep(const pt_callback_t *callback, pt_slice_t *s);

/*
 * The code of a currency, three letters of either case, in upper case and in
 * the callback's memory.  PT_VERIFY_OK, _BAD_VALUE or _NO_MEMORY.
 */
pt_verify_e pt_hook_currency(const pt_callback_t *callback, pt_slice_t s,
    pt_slice_t *currency);


/* Settings: 0, or -1 with a sentence in *why as pt_gateway.h wants it. */

/* A copy that the caller frees; refused when *text was set before. */
int pt_hook_set_text(char **text, pt_slice_t value, const char **why);

/* Digits of milliseconds; refused when *ms is not 0. */
int pt_hook_set_tolerance(int64_t *ms, pt_slice_t value, const char **why);

/* live or test. */
int pt_hook_set_mode(pt_hook_mode_e *mode, pt_slice_t value,
    const char **why);


/*
 * How many decimals a gateway counts for a currency, which is in upper case:
 * 0 or 3 for those in the lists, such as "JPY KRW", else 2.
 */
unsigned pt_hook_decimals(pt_slice_t currency, const char *none,
    const char *three);

/* Whether a shop's decimals are those that the gateway counts. */
int pt_hook_check_decimals(unsigned shop, unsigned gateway, const char **why);

/* Whether a shop is one in yuan, in hundredths. */
int pt_hook_check_yuan(pt_slice_t currency, unsigned decimals,
    const char **why);


#endif /* PT_HOOK_H */
