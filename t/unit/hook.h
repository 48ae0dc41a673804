/*
 * What the tests of gateways that send JSON share: headers, bodies with some
 * members changed, and signatures that are made without the gateways' code.
 */

#ifndef HOOK_H
#define HOOK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cjson/cJSON.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "pt_gateway.h"


#define HOOK_HEADERS_MAX  16
#define HOOK_MAC_LEN      32
#define HOOK_TEXT_MAX     400000


typedef struct {
    const char      *name;
    char             value[2048];
} hook_header_t;


typedef struct {
    hook_header_t    list[HOOK_HEADERS_MAX];
    size_t           n;
} hook_headers_t;


/* value: raw JSON; NULL: without the member. */
typedef struct {
    const char      *path;
    const char      *value;
} hook_change_t;


/* The names are as the gateways ask for them; NULL: without the header. */
static inline void
hook_set(hook_headers_t *headers, const char *name, const char *value)
{
    size_t  i;

    for (i = 0; i < headers->n; i++) {
        if (strcasecmp(headers->list[i].name, name) == 0) {
            break;
        }
    }

    if (value == NULL) {
        if (i < headers->n) {
            headers->list[i] = headers->list[--headers->n];
        }

        return;
    }

    if (i == HOOK_HEADERS_MAX) {
        abort();
    }

    headers->list[i].name = name;
    snprintf(headers->list[i].value, sizeof(headers->list[i].value), "%s",
             value);
    headers->n += i == headers->n;
}


/* As pt_callback_t wants it; ctx are the headers. */
static inline pt_slice_t
hook_header(void *ctx, const char *name)
{
    size_t           i;
    hook_headers_t  *headers;

    headers = ctx;

    for (i = 0; i < headers->n; i++) {
        if (strcasecmp(headers->list[i].name, name) == 0) {
            return pt_slice(headers->list[i].value,
                            strlen(headers->list[i].value));
        }
    }

    return pt_slice_null;
}


static inline void
hook_change(cJSON *json, const char *path, const char *value)
{
    char    name[128];
    size_t  len;

    for (len = strcspn(path, "."); path[len]; len = strcspn(path, ".")) {
        snprintf(name, sizeof(name), "%.*s", (int) len, path);
        json = cJSON_GetObjectItemCaseSensitive(json, name);
        path += len + 1;
    }

    if (json == NULL) {
        abort();
    }

    cJSON_DeleteItemFromObjectCaseSensitive(json, path);

    if (value) {
        cJSON_AddItemToObject(json, path, cJSON_CreateRaw(value));
    }
}


/* A JSON text with some members changed, in text; the paths end with NULL. */
static inline size_t
hook_with(const char *json_text, const hook_change_t *changes, char *text)
{
    cJSON  *json;

    json = cJSON_Parse(json_text);

    for ( /* void */ ; changes->path; changes++) {
        hook_change(json, changes->path, changes->value);
    }

    if (!cJSON_PrintPreallocated(json, text, HOOK_TEXT_MAX, 0)) {
        abort();
    }

    cJSON_Delete(json);

    return strlen(text);
}


/* HMAC-SHA256 over the time, "." and the body, with "id." in front if any. */
static inline void
hook_mac(const void *key, size_t key_len, const char *id, const char *time,
    const void *body, size_t len, unsigned char mac[HOOK_MAC_LEN])
{
    char      *text;
    size_t     n;
    unsigned   mac_len;

    text = malloc(strlen(id) + strlen(time) + len + 3);
    n = sprintf(text, "%s%s%s.", id, *id ? "." : "", time);

    if (len) {
        memcpy(text + n, body, len);
    }

    if (HMAC(EVP_sha256(), key, key_len, (unsigned char *) text, n + len, mac,
             &mac_len)
        == NULL)
    {
        abort();
    }

    free(text);
}


static inline void
hook_hex(const unsigned char mac[HOOK_MAC_LEN], char hex[2 * HOOK_MAC_LEN + 1])
{
    int  i;

    for (i = 0; i < HOOK_MAC_LEN; i++) {
        sprintf(hex + 2 * i, "%02x", mac[i]);
    }
}


static inline const pt_setting_t *
hook_setting(const pt_gateway_type_t *type, const char *name)
{
    const pt_setting_t  *setting;

    for (setting = type->settings; setting->name; setting++) {
        if (strcmp(setting->name, name) == 0) {
            return setting;
        }
    }

    abort();
}


/* 0, or -1 and why. */
static inline int
hook_conf(const pt_gateway_type_t *type, void *conf, const char *name,
    const char *value, const char **why)
{
    return type->set(conf, hook_setting(type, name), pt_slice_null,
                     pt_slice(value, strlen(value)), why);
}


#endif /* HOOK_H */
