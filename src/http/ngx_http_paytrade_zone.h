/*
 * The shared zone: what all workers know together.
 *
 * Counters, which sale a SKU belongs to, which SKUs were sold out a moment
 * ago, and a Bloom filter of the buyers who may hold something.  It survives a
 * reload; it is never the truth, only a short cut: when it is full, old
 * entries go, and requests ask Redis.
 */

#ifndef NGX_HTTP_PAYTRADE_ZONE_H
#define NGX_HTTP_PAYTRADE_ZONE_H

#include <ngx_config.h>
#include <ngx_core.h>

#include "pt_gateway.h"
#include "pt_payment.h"
#include "pt_problem.h"
#include "pt_value.h"
#include "ngx_paytrade_redis.h"


#define NGX_HTTP_PAYTRADE_ZONE_MIN  (256 * 1024)


/* One counter each; their names are in ngx_http_paytrade_status.c. */
typedef enum {
    NGX_HTTP_PAYTRADE_HELD = 0,
    NGX_HTTP_PAYTRADE_REPLAYED,
    NGX_HTTP_PAYTRADE_CANCELLED,
    NGX_HTTP_PAYTRADE_SOLDOUT_CACHED,
    NGX_HTTP_PAYTRADE_CLIENTS_GONE,
    NGX_HTTP_PAYTRADE_EXPIRED,
    NGX_HTTP_PAYTRADE_PAYMENTS,          /* started */
    NGX_HTTP_PAYTRADE_SETTLED,           /* payments paid */
    NGX_HTTP_PAYTRADE_REFUND_DUE,        /* parts of payments owed back */
    NGX_HTTP_PAYTRADE_REFUNDED,          /* refund notices taken */
    NGX_HTTP_PAYTRADE_EVENTS_TRIMMED,
    NGX_HTTP_PAYTRADE_PURGED,
    NGX_HTTP_PAYTRADE_JOURNAL_BATCHES,
    NGX_HTTP_PAYTRADE_JOURNAL_ROWS,
    NGX_HTTP_PAYTRADE_JOURNAL_ERRORS,
    NGX_HTTP_PAYTRADE_DEAD_LETTERS,
    NGX_HTTP_PAYTRADE_CONFLICTS,
    NGX_HTTP_PAYTRADE_REDIS_CONNECTS,
    NGX_HTTP_PAYTRADE_REBUILDS,
    NGX_HTTP_PAYTRADE_DRY_WOULD_HOLD,    /* holds that were only tried */
    NGX_HTTP_PAYTRADE_DRY_REPLAYED,
    NGX_HTTP_PAYTRADE_COUNTERS
} ngx_http_paytrade_counter_e;


/* What became of a callback; refusals by what verify said. */
typedef enum {
    NGX_HTTP_PAYTRADE_CALLBACK_SETTLED = 0,
    NGX_HTTP_PAYTRADE_CALLBACK_DUPLICATE,
    NGX_HTTP_PAYTRADE_CALLBACK_REFUNDED,
    NGX_HTTP_PAYTRADE_CALLBACK_CLOSED,
    NGX_HTTP_PAYTRADE_CALLBACK_IGNORED,
    NGX_HTTP_PAYTRADE_CALLBACK_MISMATCH,
    NGX_HTTP_PAYTRADE_CALLBACK_ORPHAN,
    NGX_HTTP_PAYTRADE_CALLBACK_UNAVAILABLE,   /* told to ask again */
    NGX_HTTP_PAYTRADE_CALLBACK_TOO_LARGE,
    NGX_HTTP_PAYTRADE_CALLBACK_TOO_EARLY,     /* a refund of what is unpaid */
    NGX_HTTP_PAYTRADE_CALLBACK_THROTTLED,     /* the address sent too many */
    NGX_HTTP_PAYTRADE_CALLBACK_UNCONFIRMED,   /* a refund that is not proven */
    NGX_HTTP_PAYTRADE_CALLBACK_PASSED,        /* genuine, handed on */
    NGX_HTTP_PAYTRADE_CALLBACK_DRY_RUN,       /* not genuine, handed on */
    NGX_HTTP_PAYTRADE_CALLBACK_REFUSED,       /* + pt_verify_e, from 1 on */
    NGX_HTTP_PAYTRADE_CALLBACKS = NGX_HTTP_PAYTRADE_CALLBACK_REFUSED
                                  + PT_VERIFY_RESULTS
} ngx_http_paytrade_callback_e;


#define NGX_HTTP_PAYTRADE_GATEWAYS_MAX  32
#define NGX_HTTP_PAYTRADE_GROUPS_MAX    256


typedef struct ngx_http_paytrade_strangers_s  ngx_http_paytrade_strangers_t;


/* A gateway's counters, found by its name, for they survive a reload. */
typedef struct {
    size_t         name_len;
    char           name[PT_GATEWAY_NAME_MAX];
    ngx_atomic_t   callbacks[NGX_HTTP_PAYTRADE_CALLBACKS];
    ngx_atomic_t   told;               /* in the log: the second, and */
    ngx_atomic_t   untold;             /* how many were not since */
} ngx_http_paytrade_gateway_counters_t;


/* A consumer group of a partition's events, as its owner saw it last. */
typedef struct {
    ngx_uint_t     partition;
    size_t         name_len;
    char           name[PT_NAME_MAX];
    ngx_uint_t     pending;            /* read, not acknowledged */
    ngx_uint_t     lag;                /* not yet read */
} ngx_http_paytrade_group_t;


typedef struct {
    ngx_atomic_t   counters[NGX_HTTP_PAYTRADE_COUNTERS];
    ngx_atomic_t   problems[PT_PROBLEMS];
    ngx_atomic_t   dry_run[PT_PROBLEMS];        /* of holds only tried */
    ngx_atomic_t   calls[NGX_PAYTRADE_SCRIPTS];
    ngx_atomic_t   ops[NGX_PAYTRADE_SCRIPTS];
    ngx_atomic_t   failures[NGX_PAYTRADE_REDIS_OUTCOMES];
    ngx_atomic_t   waiting[PT_PARTITIONS_MAX];  /* journal operations */
    ngx_atomic_t   state[PT_PARTITIONS_MAX];    /* of the owner's check */
    ngx_atomic_t   stalled[PT_PARTITIONS_MAX];  /* writer: all is poison */
    ngx_atomic_t   recalled[PT_PARTITIONS_MAX]; /* the filter is complete */
    ngx_atomic_t   events[PT_PARTITIONS_MAX];   /* length of the stream */

    ngx_http_paytrade_strangers_t        *strangers;

    /* under the zone's mutex, by ngx_http_paytrade_zone_stats.c */
    ngx_uint_t                            ngateways;
    ngx_uint_t                            ngroups;
    ngx_http_paytrade_gateway_counters_t
                                gateways[NGX_HTTP_PAYTRADE_GATEWAYS_MAX];
    ngx_http_paytrade_gateway_counters_t
                                too_many;     /* all others, in the log */
    ngx_http_paytrade_group_t   groups[NGX_HTTP_PAYTRADE_GROUPS_MAX];
} ngx_http_paytrade_counters_t;


typedef struct ngx_http_paytrade_zone_s  ngx_http_paytrade_zone_t;


ngx_int_t ngx_http_paytrade_zone_init(ngx_shm_zone_t *shm_zone, void *data);

/* Makes what shm_zone->data has to be; NULL: out of memory. */
ngx_http_paytrade_zone_t *ngx_http_paytrade_zone_create(ngx_conf_t *cf);

ngx_http_paytrade_counters_t *ngx_http_paytrade_counters(
    ngx_shm_zone_t *shm_zone);

/*
 * Made when it is new; NULL when there are too many.  It stays where it is for
 * as long as the zone.
 */
ngx_http_paytrade_gateway_counters_t *ngx_http_paytrade_zone_gateway(
    ngx_shm_zone_t *shm_zone, ngx_str_t *name);

/*
 * May a line about a callback of the gateway be logged?  One a second, whatever
 * the worker; *untold is how many before it were not.
 */
ngx_uint_t ngx_http_paytrade_zone_may_tell(ngx_shm_zone_t *shm_zone,
    ngx_str_t *gateway, ngx_uint_t *untold);

/* Those that have a name, in groups[0..max): how many. */
ngx_uint_t ngx_http_paytrade_zone_gateways(ngx_shm_zone_t *shm_zone,
    ngx_http_paytrade_gateway_counters_t **gateways, ngx_uint_t max);

/*
 * Replaces all groups of a partition; reads those of all, by partition.  Of too
 * many the last ones given are not kept.
 */
void ngx_http_paytrade_zone_set_groups(ngx_shm_zone_t *shm_zone,
    ngx_uint_t partition, ngx_http_paytrade_group_t *groups, ngx_uint_t n);
ngx_uint_t ngx_http_paytrade_zone_groups(ngx_shm_zone_t *shm_zone,
    ngx_http_paytrade_group_t *groups, ngx_uint_t max);

#define ngx_http_paytrade_count(shm_zone, c, n)                              \
    (void) ngx_atomic_fetch_add(                                             \
        &ngx_http_paytrade_counters(shm_zone)->counters[c], n)


typedef enum {
    NGX_HTTP_PAYTRADE_SKU_NEW = 0,    /* ask */
    NGX_HTTP_PAYTRADE_SKU_KNOWN,
    NGX_HTTP_PAYTRADE_SKU_UNKNOWN     /* asked a moment ago: no such SKU */
} ngx_http_paytrade_sku_e;

typedef struct {
    ngx_http_paytrade_sku_e   known;
    size_t                    sale_len;
    char                      sale[PT_NAME_MAX];
    ngx_uint_t                sold_out;  /* 1: refuse at this price */
    int64_t                   price;     /* -1: not known */
    int64_t                   held;      /* units that may come back */
    ngx_msec_int_t            retry_ms;  /* when; 0: all are sold */
} ngx_http_paytrade_sku_t;


void ngx_http_paytrade_zone_find(ngx_shm_zone_t *shm_zone, pt_slice_t sku,
    ngx_http_paytrade_sku_t *found);

/* sale empty: there is no such SKU; remembered for a second. */
void ngx_http_paytrade_zone_learn(ngx_shm_zone_t *shm_zone, pt_slice_t sku,
    pt_slice_t sale);

/*
 * available == 0: refuse the SKU for ttl, but not beyond retry_at, when held
 * units come back.  as_of is Redis' time, so that a late answer does not undo
 * a newer one.
 */
void ngx_http_paytrade_zone_stock(ngx_shm_zone_t *shm_zone, pt_slice_t sku,
    int64_t available, int64_t price, int64_t held, int64_t as_of_ms,
    int64_t retry_at_ms, ngx_msec_t ttl);

/* An operator changed something: every SKU is asked for again. */
void ngx_http_paytrade_zone_forget(ngx_shm_zone_t *shm_zone);

/* The Bloom filter: a buyer of a sale sent a hold; may have sent one. */
void ngx_http_paytrade_zone_buyer(ngx_shm_zone_t *shm_zone, pt_slice_t user,
    pt_slice_t sale);
ngx_uint_t ngx_http_paytrade_zone_may_hold(ngx_shm_zone_t *shm_zone,
    pt_slice_t user, pt_slice_t sale);

/*
 * ngx_http_paytrade_zone_unverified.c: refused callbacks of an address at a
 * gateway, rate of them allowed in 1000 seconds, burst more at once.  Returns
 * 0 while there are no more, else the milliseconds until one may come again.
 * charge: one more was refused; a genuine one must never be charged.
 */
ngx_http_paytrade_strangers_t *ngx_http_paytrade_strangers_create(
    ngx_slab_pool_t *shpool, size_t size);
ngx_msec_t ngx_http_paytrade_zone_unverified(ngx_shm_zone_t *shm_zone,
    ngx_str_t *gateway, ngx_str_t *address, ngx_uint_t rate,
    ngx_uint_t burst, ngx_uint_t charge);


#endif /* NGX_HTTP_PAYTRADE_ZONE_H */
