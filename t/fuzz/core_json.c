/*
 * Any text: what pt_json_parse accepts, cJSON read whole; spans and compact
 * texts of it mean the same.
 */

#include "core_fuzz.h"
#include "pt_json.h"


static int
is_name(const char *s)
{
    for (/* void */; *s; s++) {
        if (*s <= ' ' || *s > '~') {
            return 0;
        }
    }

    return 1;
}


static void
check_compact(pt_slice_t text, const cJSON *expected)
{
    char        *dst;
    cJSON       *json;
    size_t       n;
    const char  *why;

    dst = malloc(text.len);
    check(dst != NULL);

    n = pt_json_compact(text, dst, text.len);
    check(n > 0 && n <= text.len);
    check(pt_json_scan(pt_slice(dst, n), &why) == 0);
    check(pt_json_compact(pt_slice(dst, n), dst, n) == n);
    check(pt_json_compact(pt_slice(dst, n), dst, n - 1) == 0);

    json = cJSON_ParseWithLength(dst, n);
    check(json != NULL);
    check(cJSON_Compare(json, expected, 1));

    cJSON_Delete(json);
    free(dst);
}


static void
check_members(pt_slice_t text, const cJSON *json)
{
    int64_t       n;
    pt_slice_t    s;
    const cJSON  *child;

    cJSON_ArrayForEach(child, json) {
        if (!is_name(child->string)) {
            continue;
        }

        check(pt_json_span(text, child->string, &s) == 0);
        check(s.data > text.data && s.data + s.len < text.data + text.len);
        check_compact(s, child);

        if (pt_json_string(json, child->string, &s) == PT_JSON_OK) {
            check(pt_slice_utf8(s));
            check(memchr(s.data, 0, s.len) == NULL);
        }

        if (pt_json_int(json, child->string, -5, 5, &n) == PT_JSON_OK) {
            check(n >= -5 && n <= 5);
        }
    }

    check(pt_json_span(text, "no such member", &s) == -1
          || cJSON_GetObjectItemCaseSensitive(json, "no such member"));
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cJSON       *json;
    pt_slice_t   text, span;
    const char  *why;

    text = pt_slice(data, size);
    why = NULL;

    (void) pt_json_span(text, "meta", &span);

    json = pt_json_parse(text, &why);

    if (json == NULL) {
        check(why != NULL);
        return 0;
    }

    check(pt_slice_utf8(text));
    check(cJSON_IsObject(json));
    check_compact(text, json);
    check_members(text, json);

    cJSON_Delete(json);

    return 0;
}
