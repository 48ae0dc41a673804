/*
 * Standard Webhooks: its settings and its place in the table.
 *
 * Any service that signs as standardwebhooks.com says.  What a message means
 * is not part of that, so settings name the fields and the types.
 */

#include <stdlib.h>

#include <openssl/crypto.h>

#include "pt_base64.h"
#include "pt_standard_webhooks.h"


#define PT_WEBHOOKS_PREFIX      "whsec_"
#define PT_WEBHOOKS_SECRET_MIN  24
#define PT_WEBHOOKS_SECRET_MAX  64

/* In Base64, with its padding. */
#define PT_WEBHOOKS_TEXT_MAX    88


static const pt_setting_t  pt_webhooks_settings[] = {
    { "pay_no_field", PT_SETTING_TEXT, 0, 0 },
    { "trade_no_field", PT_SETTING_TEXT, 0, 0 },
    { "amount_field", PT_SETTING_TEXT, 0, 0 },
    { "currency_field", PT_SETTING_TEXT, 0, 0 },
    { "type_field", PT_SETTING_TEXT, 0, 0 },
    { "refunded_field", PT_SETTING_TEXT, 0, 0 },
    { "refund_no_field", PT_SETTING_TEXT, 0, 0 },
    { "mode_field", PT_SETTING_TEXT, 0, 0 },
    { "mode", PT_SETTING_TEXT, 0, 0 },
    { "paid_type", PT_SETTING_TEXT, 0, 1 },
    { "refunded_type", PT_SETTING_TEXT, 0, 1 },
    { "closed_type", PT_SETTING_TEXT, 0, 1 },
    { "amounts", PT_SETTING_TEXT, 0, 0 },
    { "refunds", PT_SETTING_TEXT, 0, 0 },
    { "tolerance", PT_SETTING_TIME, 0, 0 },
    { "secret", PT_SETTING_SECRET_FILE, 1, 1 },
    { NULL, PT_SETTING_TEXT, 0, 0 }
};


static void *
pt_webhooks_create(pt_slice_t currency, unsigned decimals)
{
    pt_webhooks_t  *conf;

    (void) currency;

    conf = calloc(1, sizeof(pt_webhooks_t));

    if (conf) {
        conf->decimals = decimals;
    }

    return conf;
}


static void
pt_webhooks_destroy(void *data)
{
    pt_webhooks_t *conf = data;

    size_t  i;

    if (conf == NULL) {
        return;
    }

    for (i = 0; i < PT_WEBHOOKS_TEXTS; i++) {
        free(conf->texts[i]);
    }

    for (i = 0; i < conf->ntypes; i++) {
        free(conf->types[i].word);
    }

    pt_secrets_wipe(&conf->secrets);
    free(conf);
}


static int
pt_webhooks_set_text(pt_webhooks_t *conf, pt_webhooks_setting_e i,
    pt_slice_t value, const char **why)
{
    if (i < PT_WEBHOOKS_FIELDS && !pt_hook_path_valid(value)) {
        *why = "write names with dots between them, such as data.pay_no, of "
               "at most 128 characters";
        return -1;
    }

    return pt_hook_set_text(&conf->texts[i], value, why);
}


static int
pt_webhooks_set_type(pt_webhooks_t *conf, pt_notice_e kind, pt_slice_t value,
    const char **why)
{
    size_t               i, n;
    pt_webhooks_type_t  *type;

    n = 0;

    for (i = 0; i < conf->ntypes; i++) {
        type = &conf->types[i];
        n += type->kind == kind;

        if (pt_slice_eq(pt_slice(type->word, strlen(type->word)), value)) {
            *why = "is a type that is given before: remove one";
            return -1;
        }
    }

    if (n == PT_WEBHOOKS_TYPES_MAX) {
        *why = "is one type too many, 8 of a kind are the most";
        return -1;
    }

    type = &conf->types[conf->ntypes];

    if (pt_hook_set_text(&type->word, value, why) != 0) {
        return -1;
    }

    type->kind = kind;
    conf->ntypes++;

    return 0;
}


/* One of two words, as 1 or 2. */
static int
pt_webhooks_choose(unsigned chosen, pt_slice_t value, pt_slice_t one,
    pt_slice_t two, unsigned *choice)
{
    if (chosen) {
        return -1;
    }

    *choice = pt_slice_eq(value, one) ? 1 : pt_slice_eq(value, two) ? 2 : 0;

    return *choice ? 0 : -1;
}


static int
pt_webhooks_set_amounts(pt_webhooks_t *conf, pt_slice_t value,
    const char **why)
{
    unsigned  choice;

    if (pt_webhooks_choose(conf->amounts, value, pt_slice_lit("minor"),
                           pt_slice_lit("decimal"), &choice)
        != 0)
    {
        *why = "write once \"minor\" (5000) or \"decimal\" (\"50.00\")";
        return -1;
    }

    conf->amounts = choice;

    return 0;
}


static int
pt_webhooks_set_refunds(pt_webhooks_t *conf, pt_slice_t value,
    const char **why)
{
    unsigned  choice;

    if (pt_webhooks_choose(conf->refunds, value, pt_slice_lit("total"),
                           pt_slice_lit("single"), &choice)
        != 0)
    {
        *why = "write once \"total\" (all that was given back so far) or "
               "\"single\" (what this refund gave back)";
        return -1;
    }

    conf->refunds = choice;

    return 0;
}


/* The padding may be missing, some services leave it out. */
static int
pt_webhooks_decode(pt_slice_t text, unsigned char *dst, size_t size,
    size_t *len)
{
    int   rc;
    char  padded[PT_WEBHOOKS_TEXT_MAX];

    if (text.len > sizeof(padded)) {
        return -1;
    }

    memcpy(padded, text.data, text.len);

    while (text.len % 4 && text.len < sizeof(padded)) {
        padded[text.len++] = '=';
    }

    rc = pt_base64_decode(pt_slice(padded, text.len), dst, size, len);
    OPENSSL_cleanse(padded, sizeof(padded));

    return rc;
}


static int
pt_webhooks_set_secret(pt_webhooks_t *conf, pt_slice_t file,
    const char **why)
{
    int            rc;
    size_t         len;
    pt_slice_t     text;
    unsigned char  secret[PT_WEBHOOKS_SECRET_MAX];

    text = pt_secret_line(file);
    len = sizeof(PT_WEBHOOKS_PREFIX) - 1;

    if (text.len < len || memcmp(text.data, PT_WEBHOOKS_PREFIX, len) != 0) {
        *why = "holds no signing secret: write the one that begins with "
               "whsec_ into it; keys for the signature v1a (whsk_, whpk_) "
               "are not supported";
        return -1;
    }

    if (pt_webhooks_decode(pt_slice(text.data + len, text.len - len), secret,
                           sizeof(secret), &len)
        != 0
        || len < PT_WEBHOOKS_SECRET_MIN)
    {
        *why = "holds no signing secret: behind whsec_ stand 24 to 64 bytes "
               "in Base64; write it as the service shows it, in one line";
        return -1;
    }

    rc = pt_secrets_add(&conf->secrets, pt_slice(secret, len), why);
    OPENSSL_cleanse(secret, sizeof(secret));

    return rc;
}


static int
pt_webhooks_set(void *data, const pt_setting_t *setting, pt_slice_t name,
    pt_slice_t value, const char **why)
{
    pt_webhooks_t *conf = data;

    pt_webhooks_setting_e  i;

    (void) name;

    i = setting - pt_webhooks_settings;

    switch (i) {

    case PT_WEBHOOKS_PAID_TYPE:
        return pt_webhooks_set_type(conf, PT_NOTICE_PAID, value, why);

    case PT_WEBHOOKS_REFUNDED_TYPE:
        return pt_webhooks_set_type(conf, PT_NOTICE_REFUNDED, value, why);

    case PT_WEBHOOKS_CLOSED_TYPE:
        return pt_webhooks_set_type(conf, PT_NOTICE_CLOSED, value, why);

    case PT_WEBHOOKS_AMOUNTS:
        return pt_webhooks_set_amounts(conf, value, why);

    case PT_WEBHOOKS_REFUNDS:
        return pt_webhooks_set_refunds(conf, value, why);

    case PT_WEBHOOKS_TOLERANCE:
        return pt_hook_set_tolerance(&conf->tolerance, value, why);

    case PT_WEBHOOKS_SECRET:
        return pt_webhooks_set_secret(conf, value, why);

    default:
        return pt_webhooks_set_text(conf, i, value, why);
    }
}


static int
pt_webhooks_has_type(const pt_webhooks_t *conf, pt_notice_e kind)
{
    size_t  i;

    for (i = 0; i < conf->ntypes; i++) {
        if (conf->types[i].kind == kind) {
            return 1;
        }
    }

    return 0;
}


/* The number of the payment must be the same in both, so no default fits. */
static const char *
pt_webhooks_wrong_refunds(const pt_webhooks_t *conf)
{
    char *const  *texts = conf->texts;

    if (!texts[PT_WEBHOOKS_REFUNDED_FIELD]
        || !texts[PT_WEBHOOKS_TRADE_NO_FIELD])
    {
        return "has refunded_type and needs refunded_field and "
               "trade_no_field: write them";
    }

    if (conf->refunds == PT_WEBHOOKS_SINGLE) {
        return texts[PT_WEBHOOKS_REFUND_NO_FIELD]
               ? NULL : "has \"refunds single\" and needs refund_no_field: "
                        "write it";
    }

    if (strcmp(texts[PT_WEBHOOKS_AMOUNT_FIELD],
               texts[PT_WEBHOOKS_REFUNDED_FIELD])
        == 0)
    {
        return "has refunded_type and needs an amount_field with the whole "
               "payment's amount, besides refunded_field: write it, or "
               "\"refunds single\"";
    }

    return NULL;
}


/* Something is there that only settling needs. */
static int
pt_webhooks_is_meant_to_settle(const pt_webhooks_t *conf)
{
    size_t  i;

    for (i = 0; i < PT_WEBHOOKS_MODE_FIELD; i++) {
        if (conf->texts[i]) {
            return 1;
        }
    }

    return conf->ntypes != 0;
}


static const char *
pt_webhooks_wrong(const pt_webhooks_t *conf)
{
    char *const  *texts = conf->texts;

    if (conf->secrets.n == 0) {
        return "needs secret: write the path of a file with the signing "
               "secret";
    }

    if (!texts[PT_WEBHOOKS_MODE_FIELD] != !texts[PT_WEBHOOKS_MODE]) {
        return "needs both mode_field and mode, or none of them: write the "
               "other, or remove one";
    }

    if (!pt_webhooks_is_meant_to_settle(conf)) {
        return NULL;
    }

    if (!pt_webhooks_has_type(conf, PT_NOTICE_PAID)) {
        return "has fields or types and no paid_type, so it could settle "
               "nothing: write paid_type, the type that says that money came "
               "in; to verify only, remove the fields and types";
    }

    if (!texts[PT_WEBHOOKS_PAY_NO_FIELD]) {
        return "has types and needs pay_no_field, where the payment's number "
               "stands: write it";
    }

    if (!texts[PT_WEBHOOKS_AMOUNT_FIELD]) {
        return "has paid_type and needs amount_field, to compare the amount "
               "with the payment's: write it";
    }

    return pt_webhooks_has_type(conf, PT_NOTICE_REFUNDED)
           ? pt_webhooks_wrong_refunds(conf) : NULL;
}


static int
pt_webhooks_check(void *data, const char **why)
{
    pt_webhooks_t *conf = data;

    const char  *wrong;

    wrong = pt_webhooks_wrong(conf);

    if (wrong) {
        *why = wrong;
        return -1;
    }

    if (conf->tolerance == 0) {
        conf->tolerance = PT_TOLERANCE_MS;
    }

    if (conf->amounts == PT_WEBHOOKS_AMOUNTS_UNSET) {
        conf->amounts = PT_WEBHOOKS_MINOR;
    }

    if (conf->refunds == PT_WEBHOOKS_REFUNDS_UNSET) {
        conf->refunds = PT_WEBHOOKS_TOTAL;
    }

    return 0;
}


static const char *const *
pt_webhooks_methods(const void *data)
{
    static const char *const  methods[] = { NULL };

    (void) data;

    return methods;
}


/* Without a type that says so, nothing is ever paid. */
static int
pt_webhooks_settles(const void *conf)
{
    return pt_webhooks_has_type(conf, PT_NOTICE_PAID);
}


const pt_gateway_type_t  pt_standard_webhooks = {
    .name = "standard_webhooks",
    .settings = pt_webhooks_settings,
    .amount_min = 1,
    .amount_max = PT_AMOUNT_MAX,
    .answers = {
        [PT_ANSWER_ACCEPTED] = { 200, "application/json",
                                 "{\"received\":true}" },
        [PT_ANSWER_REFUSED] = { 400, "application/json",
                                "{\"error\":\"refused\"}" },
        [PT_ANSWER_LATER] = { 503, "application/json",
                              "{\"error\":\"try again later\"}" },
    },
    .create = pt_webhooks_create,
    .destroy = pt_webhooks_destroy,
    .set = pt_webhooks_set,
    .check = pt_webhooks_check,
    .verify = pt_webhooks_verify,
    .methods = pt_webhooks_methods,
    .settles = pt_webhooks_settles,
};
