/*
 * The shared zone: what is counted under names that come from outside, for
 * gateways and for consumer groups.
 */

#include "ngx_http_paytrade_zone.h"


static ngx_shmtx_t *ngx_http_paytrade_zone_mutex(ngx_shm_zone_t *shm_zone);


/* A gateway that is no longer configured keeps its place. */
ngx_http_paytrade_gateway_counters_t *
ngx_http_paytrade_zone_gateway(ngx_shm_zone_t *shm_zone, ngx_str_t *name)
{
    ngx_uint_t                             i;
    ngx_http_paytrade_counters_t          *counters;
    ngx_http_paytrade_gateway_counters_t  *gateway;

    if (name->len > PT_GATEWAY_NAME_MAX) {
        return NULL;
    }

    counters = ngx_http_paytrade_counters(shm_zone);

    ngx_shmtx_lock(ngx_http_paytrade_zone_mutex(shm_zone));

    for (i = 0; i < counters->ngateways; i++) {
        gateway = &counters->gateways[i];

        if (gateway->name_len == name->len
            && ngx_memcmp(gateway->name, name->data, name->len) == 0)
        {
            goto done;
        }
    }

    if (i == NGX_HTTP_PAYTRADE_GATEWAYS_MAX) {
        gateway = NULL;
        goto done;
    }

    gateway = &counters->gateways[i];
    gateway->name_len = name->len;
    ngx_memcpy(gateway->name, name->data, name->len);
    counters->ngateways++;

done:

    ngx_shmtx_unlock(ngx_http_paytrade_zone_mutex(shm_zone));

    return gateway;
}


ngx_uint_t
ngx_http_paytrade_zone_may_tell(ngx_shm_zone_t *shm_zone, ngx_str_t *gateway,
    ngx_uint_t *untold)
{
    ngx_atomic_uint_t                      now, told;
    ngx_http_paytrade_gateway_counters_t  *counters;

    counters = ngx_http_paytrade_zone_gateway(shm_zone, gateway);

    if (counters == NULL) {
        counters = &ngx_http_paytrade_counters(shm_zone)->too_many;
    }

    now = (ngx_atomic_uint_t) ngx_time();
    told = counters->told;

    /* another worker's clock may be a moment ahead */

    if (told == now || told == now + 1
        || !ngx_atomic_cmp_set(&counters->told, told, now))
    {
        (void) ngx_atomic_fetch_add(&counters->untold, 1);
        return 0;
    }

    *untold = counters->untold;
    (void) ngx_atomic_fetch_add(&counters->untold, -(ngx_int_t) *untold);

    return 1;
}


ngx_uint_t
ngx_http_paytrade_zone_gateways(ngx_shm_zone_t *shm_zone,
    ngx_http_paytrade_gateway_counters_t **gateways, ngx_uint_t max)
{
    ngx_uint_t                     i, n;
    ngx_http_paytrade_counters_t  *counters;

    counters = ngx_http_paytrade_counters(shm_zone);

    ngx_shmtx_lock(ngx_http_paytrade_zone_mutex(shm_zone));
    n = ngx_min(counters->ngateways, max);
    ngx_shmtx_unlock(ngx_http_paytrade_zone_mutex(shm_zone));

    for (i = 0; i < n; i++) {
        gateways[i] = &counters->gateways[i];
    }

    return n;
}


void
ngx_http_paytrade_zone_set_groups(ngx_shm_zone_t *shm_zone,
    ngx_uint_t partition, ngx_http_paytrade_group_t *groups, ngx_uint_t n)
{
    ngx_uint_t                     from, to, rest;
    ngx_http_paytrade_group_t     *all;
    ngx_http_paytrade_counters_t  *counters;

    counters = ngx_http_paytrade_counters(shm_zone);
    all = counters->groups;

    ngx_shmtx_lock(ngx_http_paytrade_zone_mutex(shm_zone));

    from = 0;

    while (from < counters->ngroups && all[from].partition < partition) {
        from++;
    }

    to = from;

    while (to < counters->ngroups && all[to].partition == partition) {
        to++;
    }

    rest = counters->ngroups - to;
    n = ngx_min(n, NGX_HTTP_PAYTRADE_GROUPS_MAX - from - rest);

    ngx_memmove(&all[from + n], &all[to],
                rest * sizeof(ngx_http_paytrade_group_t));
    ngx_memcpy(&all[from], groups, n * sizeof(ngx_http_paytrade_group_t));

    counters->ngroups = from + n + rest;

    ngx_shmtx_unlock(ngx_http_paytrade_zone_mutex(shm_zone));
}


ngx_uint_t
ngx_http_paytrade_zone_groups(ngx_shm_zone_t *shm_zone,
    ngx_http_paytrade_group_t *groups, ngx_uint_t max)
{
    ngx_uint_t                     n;
    ngx_http_paytrade_counters_t  *counters;

    counters = ngx_http_paytrade_counters(shm_zone);

    ngx_shmtx_lock(ngx_http_paytrade_zone_mutex(shm_zone));

    n = ngx_min(counters->ngroups, max);
    ngx_memcpy(groups, counters->groups,
               n * sizeof(ngx_http_paytrade_group_t));

    ngx_shmtx_unlock(ngx_http_paytrade_zone_mutex(shm_zone));

    return n;
}


static ngx_shmtx_t *
ngx_http_paytrade_zone_mutex(ngx_shm_zone_t *shm_zone)
{
    ngx_slab_pool_t *shpool = (ngx_slab_pool_t *) shm_zone->shm.addr;

    return &shpool->mutex;
}
