/*
 * The shared zone: how many callbacks of an address were refused lately.
 *
 * A table of sets, each of a few entries, which never grows: of a set that is
 * full the entry that was charged longest ago goes, and with it only what is
 * known to the disadvantage of its address.
 */

#include "ngx_http_paytrade_zone.h"


#define NGX_HTTP_PAYTRADE_UNVERIFIED_WAYS  8

/* A refused callback, as the levels count it. */
#define NGX_HTTP_PAYTRADE_UNVERIFIED_ONE   1000


/* All zeroes: free. */
typedef struct {
    uint64_t                        hash;
    ngx_msec_t                      last;      /* when it was charged */
    uint32_t                        level;
} ngx_http_paytrade_stranger_t;


struct ngx_http_paytrade_strangers_s {
    uint64_t                        seed;
    ngx_uint_t                      mask;      /* sets, less 1 */
    ngx_http_paytrade_stranger_t    entries[1];
};


static uint64_t ngx_http_paytrade_stranger_hash(uint64_t seed,
    ngx_str_t *gateway, ngx_str_t *address);
static ngx_http_paytrade_stranger_t *ngx_http_paytrade_stranger_find(
    ngx_http_paytrade_strangers_t *strangers, uint64_t hash,
    ngx_http_paytrade_stranger_t **victim);
static uint32_t ngx_http_paytrade_stranger_level(
    ngx_http_paytrade_stranger_t *entry, ngx_uint_t rate);


/* As many sets, a power of two, as fit into a 32nd of the zone. */
ngx_http_paytrade_strangers_t *
ngx_http_paytrade_strangers_create(ngx_slab_pool_t *shpool, size_t size)
{
    size_t                          bytes;
    ngx_uint_t                      sets;
    ngx_http_paytrade_strangers_t  *strangers;

    bytes = NGX_HTTP_PAYTRADE_UNVERIFIED_WAYS
            * sizeof(ngx_http_paytrade_stranger_t);
    sets = 1;

    while (sets * 2 * bytes <= size / 32) {
        sets *= 2;
    }

    strangers = ngx_slab_calloc(shpool, sizeof(ngx_http_paytrade_strangers_t)
                                        + sets * bytes);
    if (strangers == NULL) {
        return NULL;
    }

    strangers->mask = sets - 1;
    strangers->seed = (uint64_t) ngx_random() << 31 ^ (uint64_t) ngx_random();

    return strangers;
}


ngx_msec_t
ngx_http_paytrade_zone_unverified(ngx_shm_zone_t *shm_zone,
    ngx_str_t *gateway, ngx_str_t *address, ngx_uint_t rate, ngx_uint_t burst,
    ngx_uint_t charge)
{
    uint32_t                        level, limit;
    uint64_t                        hash;
    ngx_slab_pool_t                *shpool;
    ngx_http_paytrade_stranger_t   *entry, *victim;
    ngx_http_paytrade_strangers_t  *strangers;

    if (rate == 0) {
        return 0;
    }

    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;
    strangers = ngx_http_paytrade_counters(shm_zone)->strangers;
    hash = ngx_http_paytrade_stranger_hash(strangers->seed, gateway, address);
    limit = (uint32_t) burst * NGX_HTTP_PAYTRADE_UNVERIFIED_ONE;
    level = 0;

    ngx_shmtx_lock(&shpool->mutex);

    entry = ngx_http_paytrade_stranger_find(strangers, hash, &victim);

    if (entry) {
        level = ngx_http_paytrade_stranger_level(entry, rate);
    }

    if (charge) {

        /* those that came in together do not shut the address out for long */

        level = ngx_min(level, limit) + NGX_HTTP_PAYTRADE_UNVERIFIED_ONE;

        if (entry == NULL) {
            entry = victim;
            entry->hash = hash;
        }

        entry->level = level;
        entry->last = ngx_current_msec;
    }

    ngx_shmtx_unlock(&shpool->mutex);

    if (level <= limit) {
        return 0;
    }

    /* levels are thousandths, and the rate is for a thousand seconds */

    return ((ngx_msec_t) (level - limit) * 1000 + rate - 1) / rate;
}


/* FNV-1a, its bits mixed at the end; never 0, which is a free entry's. */
static uint64_t
ngx_http_paytrade_stranger_hash(uint64_t seed, ngx_str_t *gateway,
    ngx_str_t *address)
{
    size_t    i;
    uint64_t  hash;

    hash = UINT64_C(0xcbf29ce484222325) ^ seed;

    for (i = 0; i < gateway->len; i++) {
        hash = (hash ^ gateway->data[i]) * UINT64_C(0x100000001b3);
    }

    hash *= UINT64_C(0x100000001b3);

    for (i = 0; i < address->len; i++) {
        hash = (hash ^ address->data[i]) * UINT64_C(0x100000001b3);
    }

    hash = (hash ^ (hash >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ (hash >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    hash ^= hash >> 33;

    return hash ? hash : 1;
}


/* NULL when it is not known; then *victim is the entry to use for it. */
static ngx_http_paytrade_stranger_t *
ngx_http_paytrade_stranger_find(ngx_http_paytrade_strangers_t *strangers,
    uint64_t hash, ngx_http_paytrade_stranger_t **victim)
{
    ngx_uint_t                     i;
    ngx_http_paytrade_stranger_t  *set, *oldest;

    set = &strangers->entries[(hash & strangers->mask)
                              * NGX_HTTP_PAYTRADE_UNVERIFIED_WAYS];
    oldest = set;

    for (i = 0; i < NGX_HTTP_PAYTRADE_UNVERIFIED_WAYS; i++) {
        if (set[i].hash == hash) {
            return &set[i];
        }

        if (oldest->hash
            && (set[i].hash == 0
                || (ngx_msec_int_t) (set[i].last - oldest->last) < 0))
        {
            oldest = &set[i];
        }
    }

    *victim = oldest;

    return NULL;
}


static uint32_t
ngx_http_paytrade_stranger_level(ngx_http_paytrade_stranger_t *entry,
    ngx_uint_t rate)
{
    ngx_msec_int_t  gone;

    gone = (ngx_msec_int_t) (ngx_current_msec - entry->last);

    /* a worker's clock may stand a little behind another's */

    if (gone <= 0) {
        return entry->level;
    }

    if ((uint64_t) gone > (uint64_t) entry->level * 1000 / rate) {
        return 0;
    }

    return entry->level - (uint32_t) ((uint64_t) gone * rate / 1000);
}
