/*
 * The shared zone: counters, the entries of SKUs, the buyers' Bloom filter.
 *
 * Counters and the filter are atomic words; the entries stand in a tree and in
 * a queue, the latest used first, under the slab pool's mutex.
 */

#include "ngx_http_paytrade_zone.h"


/* A filter of 16 MiB serves ten million buyers, and is cleared in a blink. */
#define NGX_HTTP_PAYTRADE_BLOOM_MAX   (16 * 1024 * 1024)
#define NGX_HTTP_PAYTRADE_BLOOM_BITS  4
#define NGX_HTTP_PAYTRADE_BLOOM_LIFE  (24 * 3600 * 1000)

#define NGX_HTTP_PAYTRADE_UNKNOWN_TTL  1000

/* An answer that seems older than this came after a step of Redis' clock. */
#define NGX_HTTP_PAYTRADE_LATE_MAX     60000


/* Times are ngx_current_msec, a clock that all workers of a machine share. */
typedef struct {
    ngx_rbtree_node_t   node;
    ngx_queue_t         queue;
    int64_t             as_of;          /* Redis' time of what stock said */
    int64_t             price;
    int64_t             held;           /* units that return at retry_at */
    ngx_msec_t          unknown_until;
    ngx_msec_t          sold_out_until;
    ngx_msec_t          retry_at;
    ngx_uint_t          generation;
    u_char              sku_len;
    u_char              sale_len;
    u_char              out;            /* stock said 0 */
    u_char              sku[PT_NAME_MAX];
    u_char              sale[PT_NAME_MAX];
} ngx_http_paytrade_entry_t;


typedef struct {
    ngx_http_paytrade_counters_t   counters;
    ngx_rbtree_t                   tree;
    ngx_rbtree_node_t              sentinel;
    ngx_queue_t                    queue;
    ngx_atomic_t                   generation;  /* of the entries */
    ngx_atomic_t                   current;     /* filter: 0 or 1 */
    ngx_atomic_t                   swap_at;
    uint32_t                       mask;        /* bits of a filter, less 1 */
    u_char                        *bloom[2];
} ngx_http_paytrade_shared_t;


struct ngx_http_paytrade_zone_s {
    ngx_http_paytrade_shared_t    *shared;
    ngx_slab_pool_t               *shpool;
};


static ngx_int_t ngx_http_paytrade_bloom_init(ngx_http_paytrade_zone_t *zone,
    size_t size);
static void ngx_http_paytrade_entry_insert(ngx_rbtree_node_t *root,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel);
static ngx_http_paytrade_entry_t *ngx_http_paytrade_entry_find(
    ngx_http_paytrade_zone_t *zone, pt_slice_t sku);
static ngx_http_paytrade_entry_t *ngx_http_paytrade_entry_get(
    ngx_http_paytrade_zone_t *zone, pt_slice_t sku);
static ngx_http_paytrade_entry_t *ngx_http_paytrade_entry_alloc(
    ngx_http_paytrade_zone_t *zone);
static void ngx_http_paytrade_entry_reset(ngx_http_paytrade_entry_t *entry);
static void ngx_http_paytrade_bloom_swap(ngx_http_paytrade_shared_t *shared);
static uint64_t ngx_http_paytrade_bloom_hash(pt_slice_t user,
    pt_slice_t sale);
static ngx_uint_t ngx_http_paytrade_bloom_test(u_char *bloom, uint32_t mask,
    uint64_t hash);


ngx_http_paytrade_zone_t *
ngx_http_paytrade_zone_create(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_paytrade_zone_t));
}


ngx_int_t
ngx_http_paytrade_zone_init(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_paytrade_zone_t *old = data;

    size_t                     len;
    ngx_slab_pool_t           *shpool;
    ngx_http_paytrade_zone_t  *zone;

    zone = shm_zone->data;

    if (old) {
        zone->shared = old->shared;
        zone->shpool = old->shpool;
        return NGX_OK;
    }

    shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;
    zone->shpool = shpool;

    if (shm_zone->shm.exists) {
        zone->shared = shpool->data;
        return NGX_OK;
    }

    len = sizeof(" in paytrade_zone \"\"") + shm_zone->shm.name.len;

    shpool->log_ctx = ngx_slab_alloc(shpool, len);
    if (shpool->log_ctx == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(shpool->log_ctx, " in paytrade_zone \"%V\"%Z",
                &shm_zone->shm.name);

    /* a full zone is as usual as a full cache: the oldest entry goes */
    shpool->log_nomem = 0;

    zone->shared = ngx_slab_calloc(shpool, sizeof(ngx_http_paytrade_shared_t));
    if (zone->shared == NULL) {
        return NGX_ERROR;
    }

    shpool->data = zone->shared;

    ngx_rbtree_init(&zone->shared->tree, &zone->shared->sentinel,
                    ngx_http_paytrade_entry_insert);
    ngx_queue_init(&zone->shared->queue);

    zone->shared->counters.strangers = ngx_http_paytrade_strangers_create(
                                               shpool, shm_zone->shm.size);

    if (zone->shared->counters.strangers == NULL) {
        return NGX_ERROR;
    }

    return ngx_http_paytrade_bloom_init(zone, shm_zone->shm.size);
}


/* Two filters, each the power of two that fits into a quarter of the zone. */
static ngx_int_t
ngx_http_paytrade_bloom_init(ngx_http_paytrade_zone_t *zone, size_t size)
{
    size_t      bytes;
    ngx_uint_t  i;

    bytes = 1024;

    while (bytes * 2 <= size / 4 && bytes < NGX_HTTP_PAYTRADE_BLOOM_MAX) {
        bytes *= 2;
    }

    for (i = 0; i < 2; i++) {
        zone->shared->bloom[i] = ngx_slab_calloc(zone->shpool, bytes);
        if (zone->shared->bloom[i] == NULL) {
            return NGX_ERROR;
        }
    }

    zone->shared->mask = (uint32_t) (bytes * 8 - 1);
    zone->shared->swap_at = ngx_current_msec + NGX_HTTP_PAYTRADE_BLOOM_LIFE;

    return NGX_OK;
}


ngx_http_paytrade_counters_t *
ngx_http_paytrade_counters(ngx_shm_zone_t *shm_zone)
{
    ngx_http_paytrade_zone_t *zone = shm_zone->data;

    return &zone->shared->counters;
}


void
ngx_http_paytrade_zone_find(ngx_shm_zone_t *shm_zone, pt_slice_t sku,
    ngx_http_paytrade_sku_t *found)
{
    ngx_http_paytrade_zone_t *zone = shm_zone->data;

    ngx_msec_int_t              rest;
    ngx_http_paytrade_entry_t  *entry;

    found->known = NGX_HTTP_PAYTRADE_SKU_NEW;
    found->sale_len = 0;
    found->sold_out = 0;
    found->price = -1;
    found->held = 0;
    found->retry_ms = 0;

    ngx_shmtx_lock(&zone->shpool->mutex);

    entry = ngx_http_paytrade_entry_find(zone, sku);

    if (entry == NULL || entry->generation != zone->shared->generation) {
        ngx_shmtx_unlock(&zone->shpool->mutex);
        return;
    }

    if (entry->sale_len) {
        found->known = NGX_HTTP_PAYTRADE_SKU_KNOWN;
        found->sale_len = entry->sale_len;
        ngx_memcpy(found->sale, entry->sale, entry->sale_len);

    } else if ((ngx_msec_int_t) (entry->unknown_until - ngx_current_msec) > 0)
    {
        found->known = NGX_HTTP_PAYTRADE_SKU_UNKNOWN;
    }

    found->price = entry->price;

    if ((ngx_msec_int_t) (entry->sold_out_until - ngx_current_msec) > 0) {
        rest = (ngx_msec_int_t) (entry->retry_at - ngx_current_msec);

        found->sold_out = 1;
        found->held = entry->held;
        found->retry_ms = entry->held ? ngx_max(rest, 1) : 0;
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);
}


void
ngx_http_paytrade_zone_learn(ngx_shm_zone_t *shm_zone, pt_slice_t sku,
    pt_slice_t sale)
{
    ngx_http_paytrade_zone_t *zone = shm_zone->data;

    ngx_http_paytrade_entry_t  *entry;

    if (sale.len > PT_NAME_MAX) {
        return;
    }

    ngx_shmtx_lock(&zone->shpool->mutex);

    entry = ngx_http_paytrade_entry_get(zone, sku);

    if (entry) {
        entry->sale_len = (u_char) sale.len;

        if (sale.len) {
            ngx_memcpy(entry->sale, sale.data, sale.len);
            entry->unknown_until = ngx_current_msec;

        } else {
            entry->unknown_until = ngx_current_msec
                                   + NGX_HTTP_PAYTRADE_UNKNOWN_TTL;
        }
    }

    ngx_shmtx_unlock(&zone->shpool->mutex);
}


void
ngx_http_paytrade_zone_stock(ngx_shm_zone_t *shm_zone, pt_slice_t sku,
    int64_t available, int64_t price, int64_t held, int64_t as_of_ms,
    int64_t retry_at_ms, ngx_msec_t ttl)
{
    ngx_http_paytrade_zone_t *zone = shm_zone->data;

    ngx_msec_t                  rest;
    ngx_http_paytrade_entry_t  *entry;

    ngx_shmtx_lock(&zone->shpool->mutex);

    entry = ngx_http_paytrade_entry_get(zone, sku);

    /* of two answers of one millisecond the one that sells on is believed */

    if (entry == NULL
        || (as_of_ms < entry->as_of
            && entry->as_of - as_of_ms < NGX_HTTP_PAYTRADE_LATE_MAX)
        || (as_of_ms == entry->as_of && available == 0 && !entry->out))
    {
        ngx_shmtx_unlock(&zone->shpool->mutex);
        return;
    }

    entry->as_of = as_of_ms;
    entry->out = (available == 0);

    if (price != -1) {
        entry->price = price;
    }

    entry->held = held;

    if (held) {
        rest = (ngx_msec_t) ngx_max(retry_at_ms - as_of_ms, 0);
        ttl = ngx_min(ttl, rest);
        entry->retry_at = ngx_current_msec + rest;
    }

    entry->sold_out_until = ngx_current_msec + (entry->out ? ttl : 0);

    ngx_shmtx_unlock(&zone->shpool->mutex);
}


void
ngx_http_paytrade_zone_forget(ngx_shm_zone_t *shm_zone)
{
    ngx_http_paytrade_zone_t *zone = shm_zone->data;

    (void) ngx_atomic_fetch_add(&zone->shared->generation, 1);
}


static void
ngx_http_paytrade_entry_insert(ngx_rbtree_node_t *temp,
    ngx_rbtree_node_t *node, ngx_rbtree_node_t *sentinel)
{
    ngx_rbtree_node_t          **p;
    ngx_http_paytrade_entry_t   *e, *t;

    e = (ngx_http_paytrade_entry_t *) node;

    for ( ;; ) {
        t = (ngx_http_paytrade_entry_t *) temp;

        if (node->key != temp->key) {
            p = (node->key < temp->key) ? &temp->left : &temp->right;

        } else {
            p = (ngx_memn2cmp(e->sku, t->sku, e->sku_len, t->sku_len) < 0)
                ? &temp->left : &temp->right;
        }

        if (*p == sentinel) {
            break;
        }

        temp = *p;
    }

    *p = node;
    node->parent = temp;
    node->left = sentinel;
    node->right = sentinel;
    ngx_rbt_red(node);
}


/* Found entries go to the head of the queue. */
static ngx_http_paytrade_entry_t *
ngx_http_paytrade_entry_find(ngx_http_paytrade_zone_t *zone, pt_slice_t sku)
{
    uint32_t                     hash;
    ngx_int_t                    rc;
    ngx_rbtree_node_t           *node, *sentinel;
    ngx_http_paytrade_entry_t   *entry;
    ngx_http_paytrade_shared_t  *shared;

    shared = zone->shared;
    node = shared->tree.root;
    sentinel = shared->tree.sentinel;

    hash = ngx_crc32_short((u_char *) sku.data, sku.len);

    while (node != sentinel) {

        if (hash != node->key) {
            node = (hash < node->key) ? node->left : node->right;
            continue;
        }

        entry = (ngx_http_paytrade_entry_t *) node;

        rc = ngx_memn2cmp((u_char *) sku.data, entry->sku, sku.len,
                          entry->sku_len);

        if (rc == 0) {
            if (ngx_queue_head(&shared->queue) != &entry->queue) {
                ngx_queue_remove(&entry->queue);
                ngx_queue_insert_head(&shared->queue, &entry->queue);
            }

            return entry;
        }

        node = (rc < 0) ? node->left : node->right;
    }

    return NULL;
}


/* The entry as of this generation, made when there is none. */
static ngx_http_paytrade_entry_t *
ngx_http_paytrade_entry_get(ngx_http_paytrade_zone_t *zone, pt_slice_t sku)
{
    ngx_http_paytrade_entry_t  *entry;

    if (sku.len == 0 || sku.len > PT_NAME_MAX) {
        return NULL;
    }

    entry = ngx_http_paytrade_entry_find(zone, sku);

    if (entry == NULL) {
        entry = ngx_http_paytrade_entry_alloc(zone);

        if (entry == NULL) {
            return NULL;
        }

        entry->as_of = 0;
        entry->node.key = ngx_crc32_short((u_char *) sku.data, sku.len);
        entry->sku_len = (u_char) sku.len;
        ngx_memcpy(entry->sku, sku.data, sku.len);

        ngx_rbtree_insert(&zone->shared->tree, &entry->node);
        ngx_queue_insert_head(&zone->shared->queue, &entry->queue);

        ngx_http_paytrade_entry_reset(entry);
        entry->generation = zone->shared->generation;

        return entry;
    }

    if (entry->generation != zone->shared->generation) {
        ngx_http_paytrade_entry_reset(entry);
        entry->generation = zone->shared->generation;
    }

    return entry;
}


static ngx_http_paytrade_entry_t *
ngx_http_paytrade_entry_alloc(ngx_http_paytrade_zone_t *zone)
{
    ngx_queue_t                *q;
    ngx_http_paytrade_entry_t  *entry, *old;

    entry = ngx_slab_alloc_locked(zone->shpool,
                                  sizeof(ngx_http_paytrade_entry_t));

    if (entry || ngx_queue_empty(&zone->shared->queue)) {
        return entry;
    }

    q = ngx_queue_last(&zone->shared->queue);
    old = ngx_queue_data(q, ngx_http_paytrade_entry_t, queue);

    ngx_queue_remove(q);
    ngx_rbtree_delete(&zone->shared->tree, &old->node);

    return old;
}


/* All but as_of: an answer from before the change stays out. */
static void
ngx_http_paytrade_entry_reset(ngx_http_paytrade_entry_t *entry)
{
    entry->price = -1;
    entry->unknown_until = ngx_current_msec;
    entry->sold_out_until = ngx_current_msec;
    entry->sale_len = 0;
    entry->held = 0;
    entry->out = 0;
}


/*
 * Two filters: both are asked, one is written.  After 24 hours the older one
 * is emptied and written from then on, so a buyer is known for 24 hours at
 * least, as long as Redis keeps the buyer's keys.
 */
void
ngx_http_paytrade_zone_buyer(ngx_shm_zone_t *shm_zone, pt_slice_t user,
    pt_slice_t sale)
{
    ngx_http_paytrade_zone_t *zone = shm_zone->data;

    u_char                      *bloom, bit;
    uint32_t                     n, step;
    uint64_t                     hash;
    ngx_uint_t                   i;
    ngx_http_paytrade_shared_t  *shared;

    shared = zone->shared;

    ngx_http_paytrade_bloom_swap(shared);

    bloom = shared->bloom[shared->current];
    hash = ngx_http_paytrade_bloom_hash(user, sale);
    n = (uint32_t) hash;
    step = (uint32_t) (hash >> 32) | 1;

    for (i = 0; i < NGX_HTTP_PAYTRADE_BLOOM_BITS; i++) {
        bit = (u_char) (1 << (n & 7));

        (void) __atomic_fetch_or(&bloom[(n & shared->mask) >> 3], bit,
                                 __ATOMIC_RELAXED);
        n += step;
    }
}


ngx_uint_t
ngx_http_paytrade_zone_may_hold(ngx_shm_zone_t *shm_zone, pt_slice_t user,
    pt_slice_t sale)
{
    ngx_http_paytrade_zone_t *zone = shm_zone->data;

    uint64_t                     hash;
    ngx_http_paytrade_shared_t  *shared;

    shared = zone->shared;
    hash = ngx_http_paytrade_bloom_hash(user, sale);

    return ngx_http_paytrade_bloom_test(shared->bloom[0], shared->mask, hash)
        || ngx_http_paytrade_bloom_test(shared->bloom[1], shared->mask, hash);
}


static void
ngx_http_paytrade_bloom_swap(ngx_http_paytrade_shared_t *shared)
{
    ngx_uint_t         older;
    ngx_atomic_uint_t  at;

    at = shared->swap_at;

    if ((ngx_msec_int_t) (ngx_current_msec - at) < 0
        || !ngx_atomic_cmp_set(&shared->swap_at, at,
                         ngx_current_msec + NGX_HTTP_PAYTRADE_BLOOM_LIFE))
    {
        return;
    }

    older = 1 - shared->current;

    ngx_memzero(shared->bloom[older], (size_t) shared->mask / 8 + 1);
    ngx_memory_barrier();

    shared->current = older;
}


/* FNV-1a of user, a zero byte and sale, its bits mixed at the end. */
static uint64_t
ngx_http_paytrade_bloom_hash(pt_slice_t user, pt_slice_t sale)
{
    size_t    i;
    uint64_t  hash;

    hash = UINT64_C(0xcbf29ce484222325);

    for (i = 0; i < user.len; i++) {
        hash = (hash ^ (u_char) user.data[i]) * UINT64_C(0x100000001b3);
    }

    hash *= UINT64_C(0x100000001b3);

    for (i = 0; i < sale.len; i++) {
        hash = (hash ^ (u_char) sale.data[i]) * UINT64_C(0x100000001b3);
    }

    hash = (hash ^ (hash >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ (hash >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);

    return hash ^ (hash >> 33);
}


static ngx_uint_t
ngx_http_paytrade_bloom_test(u_char *bloom, uint32_t mask, uint64_t hash)
{
    u_char      byte;
    uint32_t    n, step;
    ngx_uint_t  i;

    n = (uint32_t) hash;
    step = (uint32_t) (hash >> 32) | 1;

    for (i = 0; i < NGX_HTTP_PAYTRADE_BLOOM_BITS; i++) {
        byte = __atomic_load_n(&bloom[(n & mask) >> 3], __ATOMIC_RELAXED);

        if (!(byte & (1 << (n & 7)))) {
            return 0;
        }

        n += step;
    }

    return 1;
}
