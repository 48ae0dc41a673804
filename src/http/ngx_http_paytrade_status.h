/*
 * What the two formats of paytrade_status share.
 */

#ifndef NGX_HTTP_PAYTRADE_STATUS_H
#define NGX_HTTP_PAYTRADE_STATUS_H

#include "ngx_http_paytrade.h"


typedef enum {
    NGX_HTTP_PAYTRADE_GROUP_ORDERS = 0,
    NGX_HTTP_PAYTRADE_GROUP_REDIS,
    NGX_HTTP_PAYTRADE_GROUP_JOURNAL,
    NGX_HTTP_PAYTRADE_GROUP_PAYMENTS,
    NGX_HTTP_PAYTRADE_GROUP_EVENTS,
    NGX_HTTP_PAYTRADE_GROUP_REQUESTS,
    NGX_HTTP_PAYTRADE_GROUP_DRY_RUN
} ngx_http_paytrade_group_e;


typedef struct {
    const char                 *name;
    ngx_http_paytrade_group_e   group;
    const char                 *help;
} ngx_http_paytrade_metric_t;


extern const ngx_http_paytrade_metric_t
    ngx_http_paytrade_metrics[NGX_HTTP_PAYTRADE_COUNTERS];

/* Of all partitions: how many, in *groups; none when there is no memory. */
ngx_uint_t ngx_http_paytrade_status_groups(ngx_http_request_t *r,
    ngx_http_paytrade_group_t **groups);

/* Writes Prometheus' text and sends it. */
ngx_int_t ngx_http_paytrade_status_text(ngx_http_request_t *r, pt_out_t *out);


#endif /* NGX_HTTP_PAYTRADE_STATUS_H */
