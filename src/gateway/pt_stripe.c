/*
 * Stripe: its settings, its place in the table, and the signature of an event.
 *
 * Stripe-Signature is "t=SECONDS,v1=HEX": HMAC-SHA256 with the endpoint's
 * secret, as it is written, over the time, a dot and the body.  While a secret
 * is rolled there are several v1; other schemes, such as v0, do not count.
 */

#include <stdlib.h>

#include "pt_stripe.h"


#define PT_STRIPE_HEX_LEN     (2 * PT_SHA256_LEN)

/* Twelve digits: more than Stripe charges in any currency. */
#define PT_STRIPE_AMOUNT_MAX  INT64_C(999999999999)

#define PT_STRIPE_SECRET      "whsec_"
#define PT_STRIPE_ACCOUNT     "acct_"


/* UGX and ISK have no decimals any more, Stripe still counts two. */
static const char  pt_stripe_no_decimals[] =
    "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF";

static const char  pt_stripe_three_decimals[] = "BHD JOD KWD OMR TND";


/* In the order of the settings' table. */
typedef enum {
    PT_STRIPE_SECRET_FILE = 0,
    PT_STRIPE_MODE,
    PT_STRIPE_ACCOUNT_ID,
    PT_STRIPE_TOLERANCE
} pt_stripe_setting_e;


static const pt_setting_t  pt_stripe_settings[] = {
    { "secret", PT_SETTING_SECRET_FILE, 1, 1 },
    { "mode", PT_SETTING_TEXT, 0, 0 },
    { "account", PT_SETTING_TEXT, 0, 0 },
    { "tolerance", PT_SETTING_TIME, 0, 0 },
    { NULL, PT_SETTING_TEXT, 0, 0 }
};


/* Stripe-Signature, read; the signatures are still in their list. */
typedef struct {
    pt_slice_t   time;
    int64_t      seconds;
    pt_slice_t   list;
} pt_stripe_header_t;


static void *
pt_stripe_create(pt_slice_t currency, unsigned decimals)
{
    pt_stripe_t  *conf;

    conf = calloc(1, sizeof(pt_stripe_t));

    if (conf) {
        conf->currency = currency;
        conf->decimals = decimals;
    }

    return conf;
}


static void
pt_stripe_destroy(void *data)
{
    pt_stripe_t *conf = data;

    if (conf == NULL) {
        return;
    }

    pt_secrets_wipe(&conf->secrets);
    free(conf->account);
    free(conf);
}


static int
pt_stripe_begins(pt_slice_t s, const char *word)
{
    size_t  len;

    len = strlen(word);

    return s.len > len && memcmp(s.data, word, len) == 0;
}


static int
pt_stripe_set_secret(pt_stripe_t *conf, pt_slice_t file, const char **why)
{
    size_t      i;
    pt_slice_t  secret;

    secret = pt_secret_line(file);

    if (!pt_stripe_begins(secret, PT_STRIPE_SECRET)) {
        *why = "holds no signing secret: write the one of the endpoint, which "
               "begins with whsec_, into it; an API key (sk_…) is not it";
        return -1;
    }

    for (i = 0; i < secret.len; i++) {
        if (secret.data[i] <= ' ' || secret.data[i] > '~') {
            *why = "holds more than a signing secret: write the secret alone "
                   "into it, in one line, without spaces";
            return -1;
        }
    }

    return pt_secrets_add(&conf->secrets, secret, why);
}


static int
pt_stripe_set(void *data, const pt_setting_t *setting, pt_slice_t name,
    pt_slice_t value, const char **why)
{
    pt_stripe_t *conf = data;

    (void) name;

    switch ((pt_stripe_setting_e) (setting - pt_stripe_settings)) {

    case PT_STRIPE_SECRET_FILE:
        return pt_stripe_set_secret(conf, value, why);

    case PT_STRIPE_MODE:
        return pt_hook_set_mode(&conf->mode, value, why);

    case PT_STRIPE_ACCOUNT_ID:

        if (!pt_stripe_begins(value, PT_STRIPE_ACCOUNT)) {
            *why = "write the number of the connected account, which begins "
                   "with acct_; without one leave the setting out";
            return -1;
        }

        return pt_hook_set_text(&conf->account, value, why);

    default:
        return pt_hook_set_tolerance(&conf->tolerance, value, why);
    }
}


static int
pt_stripe_check(void *data, const char **why)
{
    pt_stripe_t *conf = data;

    if (conf->secrets.n == 0) {
        *why = "needs secret: write the path of a file with the endpoint's "
               "signing secret";
        return -1;
    }

    if (conf->mode == PT_HOOK_MODE_UNSET) {
        conf->mode = PT_HOOK_MODE_LIVE;
    }

    if (conf->tolerance == 0) {
        conf->tolerance = PT_TOLERANCE_MS;
    }

    return pt_hook_check_decimals(conf->decimals,
                                  pt_hook_decimals(conf->currency,
                                                   pt_stripe_no_decimals,
                                                   pt_stripe_three_decimals),
                                  why);
}


static const char *const *
pt_stripe_methods(const void *data)
{
    static const char *const  methods[] = { NULL };

    (void) data;

    return methods;
}


/* The next SCHEME=VALUE off the list: 1, 0 at its end, -1 when it is none. */
static int
pt_stripe_next(pt_slice_t *list, pt_slice_t *scheme, pt_slice_t *value)
{
    size_t      i;
    pt_slice_t  item;

    if (!pt_slice_next(list, ',', &item)) {
        return 0;
    }

    for (i = 0; i < item.len; i++) {
        if (item.data[i] <= ' ' || item.data[i] > '~') {
            return -1;
        }
    }

    if (!pt_slice_next(&item, '=', scheme) || item.data == NULL) {
        return -1;
    }

    *value = item;

    return 1;
}


/*
 * One time, and at least one signature that counts.  Headers that came twice
 * are joined with ", ", which is refused for its space.
 */
static pt_verify_e
pt_stripe_read_header(pt_slice_t header, pt_stripe_header_t *h)
{
    int         rc;
    size_t      times, signatures, others;
    pt_slice_t  list, scheme, value;

    if (header.len == 0) {
        return PT_VERIFY_MISSING;
    }

    times = 0;
    signatures = 0;
    others = 0;
    list = header;

    while ((rc = pt_stripe_next(&list, &scheme, &value)) == 1) {
        if (pt_slice_eq(scheme, pt_slice_lit("t"))) {
            h->time = value;
            times++;

        } else if (pt_slice_eq(scheme, pt_slice_lit("v1"))) {
            signatures++;

        } else {
            others++;
        }
    }

    if (rc == -1 || times > 1) {
        return PT_VERIFY_BAD_FORM;
    }

    if (times == 0) {
        return PT_VERIFY_MISSING;
    }

    if (signatures == 0) {
        return others ? PT_VERIFY_BAD_ALGORITHM : PT_VERIFY_MISSING;
    }

    h->list = header;

    return pt_hook_seconds(h->time, &h->seconds) == 0 ? PT_VERIFY_OK
                                                      : PT_VERIFY_BAD_FORM;
}


/* Whether one of the v1 is this: 1 or 0. */
static int
pt_stripe_is_listed(pt_slice_t list, const char *hex)
{
    int         found;
    pt_slice_t  scheme, value;

    found = 0;

    while (pt_stripe_next(&list, &scheme, &value) == 1) {
        if (pt_slice_eq(scheme, pt_slice_lit("v1"))) {
            found |= pt_secret_eq(value.data, value.len, hex,
                                  PT_STRIPE_HEX_LEN);
        }
    }

    return found;
}


static pt_verify_e
pt_stripe_verify_header(const pt_stripe_t *conf,
    const pt_callback_t *callback, const pt_stripe_header_t *h)
{
    char           hex[PT_STRIPE_HEX_LEN];
    size_t         i, k;
    pt_slice_t     parts[3];
    unsigned char  mac[PT_SHA256_LEN];

    parts[0] = h->time;
    parts[1] = pt_slice_lit(".");
    parts[2] = callback->body;

    for (i = 0; i < conf->secrets.n; i++) {
        if (pt_hmac_sha256(&conf->secrets.list[i], parts, 3, mac) != 0) {
            return PT_VERIFY_NO_MEMORY;
        }

        for (k = 0; k < PT_SHA256_LEN; k++) {
            hex[2 * k] = "0123456789abcdef"[mac[k] >> 4];
            hex[2 * k + 1] = "0123456789abcdef"[mac[k] & 15];
        }

        if (pt_stripe_is_listed(h->list, hex)) {
            return PT_VERIFY_OK;
        }
    }

    return PT_VERIFY_BAD_SIGNATURE;
}


pt_verify_e
pt_stripe_verify(const void *data, const pt_callback_t *callback,
    pt_notice_t *notice)
{
    const pt_stripe_t *conf = data;

    pt_verify_e         rc;
    pt_stripe_header_t  h;

    memset(notice, 0, sizeof(pt_notice_t));

    if (!pt_hook_type(callback, "application/json")) {
        return PT_VERIFY_BAD_TYPE;
    }

    rc = pt_stripe_read_header(pt_hook_header(callback, "Stripe-Signature"),
                               &h);
    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    rc = pt_stripe_verify_header(conf, callback, &h);
    if (rc != PT_VERIFY_OK) {
        return rc;
    }

    if (!pt_hook_fresh(callback, h.seconds, conf->tolerance)) {
        return PT_VERIFY_STALE;
    }

    rc = pt_stripe_read(conf, callback, notice);

    if (rc != PT_VERIFY_OK) {
        memset(notice, 0, sizeof(pt_notice_t));
    }

    return rc;
}


const pt_gateway_type_t  pt_stripe = {
    .name = "stripe",
    .settings = pt_stripe_settings,
    .amount_min = 1,
    .amount_max = PT_STRIPE_AMOUNT_MAX,
    .answers = {
        [PT_ANSWER_ACCEPTED] = { 200, "application/json",
                                 "{\"received\":true}" },
        [PT_ANSWER_REFUSED] = { 400, "application/json",
                                "{\"error\":\"refused\"}" },
        [PT_ANSWER_LATER] = { 503, "application/json",
                              "{\"error\":\"try again later\"}" },
    },
    .create = pt_stripe_create,
    .destroy = pt_stripe_destroy,
    .set = pt_stripe_set,
    .check = pt_stripe_check,
    .verify = pt_stripe_verify,
    .methods = pt_stripe_methods,
};
