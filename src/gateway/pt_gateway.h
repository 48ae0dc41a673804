/*
 * Gateways: what each must be able to do, as one table of functions.
 *
 * A gateway is one file that fills a pt_gateway_type_t, and one line in
 * pt_gateway.c.  All of it is pure: settings and callbacks come in as bytes,
 * answers and links go out as bytes.  No function keeps state between calls;
 * a configuration is read-only once check() has passed, so that sign() may run
 * in another thread.
 */

#ifndef PT_GATEWAY_H
#define PT_GATEWAY_H

#include "pt_out.h"
#include "pt_value.h"


#define PT_SIGNATURE_MAX  1024         /* RSA with 8192 bits */


/* Of a callback with several notices, which are all in memory at once. */
#define PT_NOTICES_MAX    20

/* How far from now a signed time may be, unless the configuration says. */
#define PT_TOLERANCE_MS   INT64_C(300000)


/* What the value of a setting is. */
typedef enum {
    PT_SETTING_TEXT = 0,
    PT_SETTING_URL,                    /* checked: http or https */
    PT_SETTING_TIME,                   /* set() gets milliseconds, in digits */
    PT_SETTING_FILE,                   /* set() gets what is in the file */
    PT_SETTING_SECRET_FILE,            /* the same; a warning if all may read */
    PT_SETTING_NAMED_FILE              /* NAME FILE: set() gets both */
} pt_setting_e;


typedef struct {
    const char      *name;
    pt_setting_e     kind;
    unsigned         required:1;
    unsigned         multiple:1;       /* may be given several times */
} pt_setting_t;


/* What a genuine callback tells. */
typedef enum {
    PT_NOTICE_PAID = 0,
    PT_NOTICE_REFUNDED,
    PT_NOTICE_CLOSED,
    PT_NOTICE_UNCONFIRMED,             /* a refund, not proven: only noted */
    PT_NOTICE_IGNORED                  /* genuine, nothing to do */
} pt_notice_e;


typedef struct pt_notice_s  pt_notice_t;


/* The normal form of all gateways' callbacks.  Amounts in minor units. */
struct pt_notice_s {
    pt_notice_e      kind;
    pt_slice_t       out_trade_no;     /* prefix and pay_no, as received */
    pt_slice_t       trade_no;         /* the gateway's number */
    pt_slice_t       event_id;         /* the same when it is sent again */
    int64_t          amount;           /* of the whole payment; -1: not told */
    pt_slice_t       currency;         /* empty: the gateway tells none */
    pt_slice_t       refund_no;        /* of a refund */
    int64_t          refunded;         /* all that was refunded so far, or */
    unsigned         one_refund:1;     /* only what this refund gave back */
    int64_t          paid_at;          /* ms since 1970; 0: not told */

    /*
     * Where a callback has several notices, each signed by itself: the next
     * one, and what became of this one.  Those that are genuine count, also
     * beside one that is not.
     */
    pt_notice_t     *next;
    unsigned         genuine:1;        /* only set where there are several */
};


/* Words for logs, counters and $paytrade_verify are in pt_verify_words. */
typedef enum {
    PT_VERIFY_OK = 0,
    PT_VERIFY_BAD_TYPE,                /* Content-Type or Content-Encoding */
    PT_VERIFY_BAD_FORM,                /* cannot be read, or a name twice */
    PT_VERIFY_MISSING,                 /* a parameter that must be there */
    PT_VERIFY_BAD_ALGORITHM,           /* not the one that is configured */
    PT_VERIFY_UNKNOWN_KEY,             /* it names one that we do not have */
    PT_VERIFY_BAD_SIGNATURE,
    PT_VERIFY_STALE,                   /* signed too long ago, or to come */
    PT_VERIFY_BAD_CIPHERTEXT,
    PT_VERIFY_AMBIGUOUS,               /* a value that looks like several */
    PT_VERIFY_WRONG_APP,
    PT_VERIFY_WRONG_MERCHANT,
    PT_VERIFY_WRONG_SELLER,
    PT_VERIFY_WRONG_MODE,              /* test instead of live, or live */
    PT_VERIFY_BAD_VALUE,               /* signed, but makes no sense */
    PT_VERIFY_NO_MEMORY,
    PT_VERIFY_RESULTS
} pt_verify_e;


/* A callback as it came.  header returns an empty slice when there is none. */
typedef struct {
    pt_slice_t       body;
    pt_slice_t     (*header)(void *ctx, const char *name);
    void            *ctx;
    int64_t          now;              /* ms since 1970, for signed times */
    pt_alloc_pt      alloc;            /* what the notice points into */
    void            *alloc_ctx;
} pt_callback_t;


typedef enum {
    PT_ANSWER_ACCEPTED = 0,
    PT_ANSWER_REFUSED,
    PT_ANSWER_LATER,                   /* ask again */
    PT_ANSWERS
} pt_answer_e;


typedef struct {
    unsigned         status;
    const char      *content_type;
    const char      *body;
} pt_answer_t;


/* A payment that is to be started. */
typedef struct {
    pt_slice_t       out_trade_no;
    pt_slice_t       method;           /* one of the type's */
    pt_slice_t       subject;          /* UTF-8 */
    int64_t          amount;           /* minor units */
    int64_t          created_at;       /* ms since 1970 */
    int64_t          ends_at;
} pt_link_t;


typedef struct {
    unsigned char    data[PT_SIGNATURE_MAX];
    size_t           len;
} pt_signature_t;


typedef struct {
    const char          *name;         /* of `type` in the configuration */
    const pt_setting_t  *settings;     /* ends with a name of NULL */
    int64_t              amount_min;   /* that a payment may have, in minor */
    int64_t              amount_max;   /* units */
    pt_answer_t          answers[PT_ANSWERS];

    /*
     * A configuration for a shop with this currency, such as CNY, and so many
     * decimals; the slice lives as long.  NULL: no memory.
     */
    void              *(*create)(pt_slice_t currency, unsigned decimals);
    void               (*destroy)(void *conf);

    /*
     * Takes one value of a setting, and its name where it has one: 0, or -1
     * with a sentence in *why that names the remedy and no secret.  Both are
     * copied.
     */
    int                (*set)(void *conf, const pt_setting_t *setting,
                              pt_slice_t name, pt_slice_t value,
                              const char **why);

    /* All settings are there: 0, or -1 and why. */
    int                (*check)(void *conf, const char **why);

    /*
     * *notice is filled when it is PT_VERIFY_OK; also when it is not, where a
     * callback has several notices.
     */
    pt_verify_e        (*verify)(const void *conf,
                                 const pt_callback_t *callback,
                                 pt_notice_t *notice);

    /*
     * The methods that a payment may be started with, here; ends with NULL, the
     * first is the default.  None: the shop starts its payments itself, and the
     * three below are not called.
     */
    const char *const *(*methods)(const void *conf);

    /*
     * Whether its callbacks can pay for anything here, once check() has passed:
     * 1 or 0.  NULL: always.
     */
    int                (*settles)(const void *conf);

    /*
     * A link in three steps: the text to sign, its signature (which alone
     * takes long and may be made in any thread), the link.  0 or -1.
     */
    int                (*link_text)(const void *conf, const pt_link_t *link,
                                    pt_out_t *text);
    int                (*sign)(const void *conf, pt_slice_t text,
                               pt_signature_t *signature);
    int                (*link)(const void *conf, const pt_link_t *link,
                               const pt_signature_t *signature,
                               pt_out_t *url);
} pt_gateway_type_t;


/* ok, bad_type, bad_form, … */
extern const char  *pt_verify_words[PT_VERIFY_RESULTS];

/* NULL when there is no such type. */
const pt_gateway_type_t *pt_gateway_type(pt_slice_t name);

/* All types in turn, from i = 0; NULL at the end. */
const pt_gateway_type_t *pt_gateway_type_at(size_t i);

extern const pt_gateway_type_t  pt_alipay;
extern const pt_gateway_type_t  pt_wechat_v3;
extern const pt_gateway_type_t  pt_wechat_v2;
extern const pt_gateway_type_t  pt_stripe;
extern const pt_gateway_type_t  pt_standard_webhooks;
extern const pt_gateway_type_t  pt_adyen;


#endif /* PT_GATEWAY_H */
