/*
 * Alipay as the tests play it: keys, a configuration, and callbacks signed by
 * other means than those that are tested.
 */

#ifndef ALIPAY_H
#define ALIPAY_H

#include <string.h>

#include "keys.h"
#include "pt_alipay.h"


#define ALIPAY_PARAMS_MAX  160
#define ALIPAY_TEXT_MAX    262144


typedef struct {
    const char     *name;              /* NULL: taken away */
    const char     *value;
} alipay_param_t;


typedef struct {
    alipay_param_t  params[ALIPAY_PARAMS_MAX];
    size_t          n;
} alipay_form_t;


typedef struct {
    EVP_PKEY       *app;
    EVP_PKEY       *alipay;
    EVP_PKEY       *next;              /* another of Alipay's */
    EVP_PKEY       *other;             /* nobody's */
    void           *conf;
    void           *v2;                /* the same, with the signing v2 */
} alipay_world_t;


static inline const pt_setting_t *
alipay_setting(const char *name)
{
    const pt_setting_t  *setting;

    for (setting = pt_alipay.settings; setting->name; setting++) {
        if (strcmp(setting->name, name) == 0) {
            return setting;
        }
    }

    keys_check(0);

    return NULL;
}


static inline int
alipay_set(void *conf, const char *name, const char *value, const char **why)
{
    return pt_alipay.set(conf, alipay_setting(name), pt_slice_null,
                         pt_slice(value, strlen(value)), why);
}


static inline int
alipay_set_key(void *conf, const char *name, EVP_PKEY *key, keys_form_e form,
    const char **why)
{
    keys_file_t  file;

    keys_file(&file, key, form);

    return pt_alipay.set(conf, alipay_setting(name), pt_slice_null,
                         keys_slice(&file), why);
}


static inline void *
alipay_make(alipay_world_t *world, const char *signing)
{
    void        *conf;
    const char  *why;

    conf = pt_alipay.create(pt_slice_lit("CNY"), 2);
    keys_check(conf != NULL);

#define alipay_text(name, value)                                              \
    keys_check(alipay_set(conf, name, value, &why) == 0)
#define alipay_key(name, key, form)                                           \
    keys_check(alipay_set_key(conf, name, key, form, &why) == 0)

    alipay_text("app_id", "2021000000000001");
    alipay_text("seller_id", "2088000000000001");
    alipay_text("notify_url", "https://shop.example.com/notify?a=1&b=2");
    alipay_text("return_url", "https://shop.example.com/paid");
    alipay_text("quit_url", "https://shop.example.com/\"quit\"");
    alipay_text("signing", signing);
    alipay_key("private_key", world->app, KEYS_PKCS8);
    alipay_key("public_key", world->alipay, KEYS_SPKI);
    alipay_key("public_key", world->next, KEYS_SPKI);

    keys_check(pt_alipay.check(conf, &why) == 0);

    return conf;
}


static inline void
alipay_begin(alipay_world_t *world)
{
    world->app = keys_make(EVP_PKEY_RSA, 2048);
    world->alipay = keys_make(EVP_PKEY_RSA, 2048);
    world->next = keys_make(EVP_PKEY_RSA, 2560);
    world->other = keys_make(EVP_PKEY_RSA, 2048);
    world->conf = alipay_make(world, "v1");
    world->v2 = alipay_make(world, "v2");
}


static inline void
alipay_end(alipay_world_t *world)
{
    EVP_PKEY_free(world->app);
    EVP_PKEY_free(world->alipay);
    EVP_PKEY_free(world->next);
    EVP_PKEY_free(world->other);
    pt_alipay.destroy(world->conf);
    pt_alipay.destroy(world->v2);
}


/* Sets a parameter, adds it, or (with NULL) takes it away. */
static inline void
alipay_put(alipay_form_t *form, const char *name, const char *value)
{
    size_t  i;

    for (i = 0; i < form->n; i++) {
        if (strcmp(form->params[i].name, name) == 0) {
            break;
        }
    }

    if (value == NULL) {
        if (i < form->n) {
            form->params[i] = form->params[--form->n];
        }

        return;
    }

    keys_check(i < ALIPAY_PARAMS_MAX);

    form->params[i].name = name;
    form->params[i].value = value;
    form->n += i == form->n;
}


/* A payment of 5000.00, as Alipay tells of it; not signed yet. */
static inline void
alipay_notice(alipay_form_t *form)
{
    size_t  i;

    static const alipay_param_t  params[] = {
        { "notify_time", "2026-11-21 16:00:01" },
        { "notify_type", "trade_status_sync" },
        { "notify_id", "2026112100222160001048060521461421" },
        { "charset", "utf-8" },
        { "version", "1.0" },
        { "sign_type", "RSA2" },
        { "auth_app_id", "2021000000000001" },
        { "app_id", "2021000000000001" },
        { "trade_no", "2026112122001448061412345678" },
        { "out_trade_no", "t1763712000123000002" },
        { "seller_id", "2088000000000001" },
        { "buyer_id", "2088102116773037" },
        { "buyer_logon_id", "ab***@example.com" },
        { "total_amount", "5000.00" },
        { "receipt_amount", "5000.00" },
        { "subject", "\xe6\x89\x8b\xe6\x9c\xba P30 \"Pro\" 100%+" },
        { "fund_bill_list",
          "[{\"amount\":\"5000.00\",\"fundChannel\":\"ALIPAYACCOUNT\"}]" },
        { "trade_status", "TRADE_SUCCESS" },
        { "gmt_create", "2026-11-21 15:59:30" },
        { "gmt_payment", "2026-11-21 16:00:00" },
    };

    form->n = 0;

    for (i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
        form->params[form->n++] = params[i];
    }
}


static inline int
alipay_by_name(const void *a, const void *b)
{
    return strcmp(((const alipay_param_t *) a)->name,
                  ((const alipay_param_t *) b)->name);
}


/* What Alipay signs: mode 1 leaves out empty values, 2 signs sign_type too. */
static inline void
alipay_signed(const alipay_form_t *form, int mode, char *text)
{
    size_t         i;
    const char    *join;
    alipay_form_t  sorted;

    join = "";
    sorted = *form;
    qsort(sorted.params, sorted.n, sizeof(alipay_param_t), alipay_by_name);
    text[0] = '\0';

    for (i = 0; i < sorted.n; i++) {
        if (strcmp(sorted.params[i].name, "sign") == 0
            || (mode != 2 && strcmp(sorted.params[i].name, "sign_type") == 0)
            || (mode == 1 && sorted.params[i].value[0] == '\0'))
        {
            continue;
        }

        text += sprintf(text, "%s%s=%s", join, sorted.params[i].name,
                        sorted.params[i].value);
        join = "&";
    }
}


/* The signature in Base64. */
static inline void
alipay_sign_text(EVP_PKEY *key, const EVP_MD *md, const char *text, char *sign)
{
    size_t          len;
    EVP_MD_CTX     *ctx;
    unsigned char   data[1024];

    len = sizeof(data);
    ctx = EVP_MD_CTX_new();

    keys_check(EVP_DigestSignInit(ctx, NULL, md, NULL, key) == 1);
    keys_check(EVP_DigestSign(ctx, data, &len, (const unsigned char *) text,
                              strlen(text)) == 1);
    keys_check(EVP_EncodeBlock((unsigned char *) sign, data, len) > 0);

    EVP_MD_CTX_free(ctx);
}


/* The body: plus 1 writes a space as "+"; all 1 encodes every byte. */
static inline size_t
alipay_body(const alipay_form_t *form, int plus, int all, char *body)
{
    char        *p;
    size_t       i;
    const char  *s;

    p = body;

    for (i = 0; i < form->n; i++) {
        p += sprintf(p, "%s%s=", i ? "&" : "", form->params[i].name);

        for (s = form->params[i].value; *s; s++) {
            if (plus && *s == ' ') {
                *p++ = '+';

            } else if (!all
                       && (strchr("-_.*", *s)
                           || (*s >= '0' && *s <= '9')
                           || (*s >= 'A' && *s <= 'Z')
                           || (*s >= 'a' && *s <= 'z')))
            {
                *p++ = *s;

            } else {
                p += sprintf(p, plus ? "%%%02X" : "%%%02x",
                             (unsigned char) *s);
            }
        }
    }

    *p = '\0';

    return p - body;
}


#endif /* ALIPAY_H */
