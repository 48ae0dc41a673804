/*
 * Reading JSON that strangers send: from a text to a tree, and values out of
 * it.
 */

#include <stdlib.h>

#include "pt_json.h"


/* 2^53: up to here a double holds every whole number. */
#define PT_JSON_EXACT  9007199254740992.0


static int
pt_json_compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}


static int
pt_json_doubled_here(const cJSON *object)
{
    size_t        i, n;
    const char   *names[PT_JSON_MEMBERS_MAX];
    const cJSON  *child;

    n = 0;

    cJSON_ArrayForEach(child, object) {
        names[n++] = child->string;
    }

    qsort(names, n, sizeof(names[0]), pt_json_compare_names);

    for (i = 1; i < n; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            return 1;
        }
    }

    return 0;
}


/* Whether a name stands twice in an object; no deeper than the scanner let. */
static int
pt_json_doubled(const cJSON *node)
{
    const cJSON  *child;

    if (cJSON_IsObject(node) && pt_json_doubled_here(node)) {
        return 1;
    }

    cJSON_ArrayForEach(child, node) {
        if (child->child != NULL && pt_json_doubled(child)) {
            return 1;
        }
    }

    return 0;
}


cJSON *
pt_json_parse(pt_slice_t text, const char **why)
{
    cJSON  *json;

    if (text.len == 0) {
        *why = "the body is empty";
        return NULL;
    }

    if (pt_json_scan(text, why) != 0) {
        return NULL;
    }

    json = cJSON_ParseWithLengthOpts(text.data, text.len, NULL, 0);
    if (json == NULL) {
        *why = "the body could not be read";
        return NULL;
    }

    if (!cJSON_IsObject(json)) {
        *why = "the body is not a JSON object";
        cJSON_Delete(json);
        return NULL;
    }

    if (pt_json_doubled(json)) {
        *why = "a member stands twice in an object";
        cJSON_Delete(json);
        return NULL;
    }

    return json;
}


/* The member, or NULL when it is absent or null. */
static const cJSON *
pt_json_member(const cJSON *object, const char *name)
{
    const cJSON  *item;

    item = cJSON_GetObjectItemCaseSensitive(object, name);

    return cJSON_IsNull(item) ? NULL : item;
}


pt_json_e
pt_json_string(const cJSON *object, const char *name, pt_slice_t *value)
{
    const cJSON  *item;

    item = pt_json_member(object, name);

    if (item == NULL) {
        return PT_JSON_ABSENT;
    }

    if (!cJSON_IsString(item)) {
        return PT_JSON_WRONG;
    }

    *value = pt_slice(item->valuestring, strlen(item->valuestring));

    return PT_JSON_OK;
}


pt_json_e
pt_json_int(const cJSON *object, const char *name, int64_t min, int64_t max,
    int64_t *value)
{
    int64_t       n;
    const cJSON  *item;

    item = pt_json_member(object, name);

    if (item == NULL) {
        return PT_JSON_ABSENT;
    }

    /* tested before the cast, which has no meaning outside int64_t */

    if (!cJSON_IsNumber(item)
        || !(item->valuedouble >= -PT_JSON_EXACT)
        || !(item->valuedouble <= PT_JSON_EXACT))
    {
        return PT_JSON_WRONG;
    }

    n = item->valuedouble;

    if ((double) n != item->valuedouble || n < min || n > max) {
        return PT_JSON_WRONG;
    }

    *value = n;

    return PT_JSON_OK;
}


pt_json_e
pt_json_bool(const cJSON *object, const char *name, int *value)
{
    const cJSON  *item;

    item = pt_json_member(object, name);

    if (item == NULL) {
        return PT_JSON_ABSENT;
    }

    if (!cJSON_IsBool(item)) {
        return PT_JSON_WRONG;
    }

    *value = cJSON_IsTrue(item);

    return PT_JSON_OK;
}
