/*
 * Drift: what Redis and PostgreSQL tell differently, and the steps that find
 * it.
 *
 *     items -> orders of Redis, page by page -> held orders of PostgreSQL, page
 *     by page -> next partition; after the last one judge -> answer, or
 *     pause -> suspects again -> judge
 *
 * What differs may be a change on its way through the journal, so it is only a
 * suspect until it has differed several times.
 */

#ifndef NGX_HTTP_PAYTRADE_DRIFT_H
#define NGX_HTTP_PAYTRADE_DRIFT_H

#include "ngx_http_paytrade_admin.h"
#include "ngx_paytrade_pg_queries.h"


#define NGX_HTTP_PAYTRADE_DRIFT_MAX     1000  /* suspects */
#define NGX_HTTP_PAYTRADE_DRIFT_WINDOW  64    /* reads in flight */
#define NGX_HTTP_PAYTRADE_DRIFT_PAGE    400   /* orders of a page, about */


typedef struct ngx_http_paytrade_drift_s  ngx_http_paytrade_drift_t;

/*
 * NGX_OK and not ended: drift->next is the next step.  NGX_HTTP_PAYTRADE_WAITS:
 * it comes later.  Else it is what finalizes the request.
 */
typedef ngx_int_t (*ngx_http_paytrade_step_pt)(
    ngx_http_paytrade_drift_t *drift);


typedef enum {
    NGX_HTTP_PAYTRADE_IN_REDIS = 0,
    NGX_HTTP_PAYTRADE_IN_POSTGRES,
    NGX_HTTP_PAYTRADE_SIDES
} ngx_http_paytrade_side_e;


typedef struct {
    int64_t      stock;
    int64_t      held;
    int64_t      sold;
    int64_t      available;
    int64_t      version;
    unsigned     known:1;
} ngx_http_paytrade_drift_units_t;


typedef struct {
    pt_slice_t                        sku;
    ngx_uint_t                        still;    /* rounds without motion */
    unsigned                          seen:1;   /* Redis was asked */
    ngx_http_paytrade_drift_units_t   at[NGX_HTTP_PAYTRADE_SIDES];
} ngx_http_paytrade_drift_item_t;


typedef struct {
    char                              status[12];   /* empty: not known */
    int64_t                           rev;
} ngx_http_paytrade_drift_state_t;


typedef struct {
    char                              id[PT_ID_LEN];
    ngx_http_paytrade_drift_state_t   at[NGX_HTTP_PAYTRADE_SIDES];
} ngx_http_paytrade_drift_order_t;


struct ngx_http_paytrade_drift_s {
    void                        *data;     /* an event's data begins so */
    void                        *read;
    void                        *write;
    ngx_socket_t                 fd;
    ngx_http_request_t          *request;
    ngx_http_paytrade_worker_t  *worker;
    ngx_event_t                  timer;
    ngx_http_paytrade_step_pt    next;
    ngx_pool_t                  *pool;     /* of one page */
    ngx_uint_t                   partition;
    ngx_uint_t                   round;
    ngx_uint_t                   items_checked;
    ngx_uint_t                   orders_checked;
    ngx_array_t                  items;    /* suspects */
    ngx_array_t                  orders;
    ngx_array_t                 *page;     /* items or orders of a page */
    ngx_uint_t                   at;       /* the next of page to ask for */
    ngx_uint_t                   in_flight;
    char                         after[64];    /* where the next page begins */
    ngx_array_t                  before;   /* items of the round before */
    ngx_uint_t                   moving;   /* items that were in motion */
    ngx_array_t                  suspects; /* orders of the round before */
    ngx_uint_t                   suspected;    /* how many were asked again */
    ngx_http_paytrade_step_pt    compared;     /* the step after a page */
    u_char                       again[PT_PARTITIONS_MAX]; /* items of it */
    unsigned                     full:1;       /* not only the suspects */
    unsigned                     more:1;       /* more than are kept */
    unsigned                     last:1;       /* the last page */
    unsigned                     ended:1;      /* answered */
};


/* ngx_http_paytrade_admin_drift.c: runs steps until one has to wait. */
void ngx_http_paytrade_drift_run(ngx_http_paytrade_drift_t *drift);
void ngx_http_paytrade_drift_end(ngx_http_paytrade_drift_t *drift,
    ngx_int_t rc);

/* As ngx_http_paytrade_started. */
ngx_int_t ngx_http_paytrade_drift_started(ngx_http_paytrade_drift_t *drift,
    ngx_int_t rc);

/* An empty page in memory of its own; NGX_ERROR when there is none. */
ngx_int_t ngx_http_paytrade_drift_page(ngx_http_paytrade_drift_t *drift,
    size_t size);

/* The steps that other files go on with. */
ngx_int_t ngx_http_paytrade_drift_items_done(
    ngx_http_paytrade_drift_t *drift);
ngx_int_t ngx_http_paytrade_drift_orders_done(
    ngx_http_paytrade_drift_t *drift);

/* ngx_http_paytrade_drift_items.c: the items of drift->partition. */
ngx_int_t ngx_http_paytrade_drift_items(ngx_http_paytrade_drift_t *drift);
void ngx_http_paytrade_drift_drop_moving(ngx_http_paytrade_drift_t *drift);
void ngx_http_paytrade_drift_item_json(pt_out_t *out,
    ngx_http_paytrade_drift_item_t *item);

/*
 * ngx_http_paytrade_drift_orders.c: the orders of drift->partition; and those
 * of drift->suspects again, from drift->suspected on.
 */
ngx_int_t ngx_http_paytrade_drift_orders(ngx_http_paytrade_drift_t *drift);
ngx_int_t ngx_http_paytrade_drift_again_orders(
    ngx_http_paytrade_drift_t *drift);

/* ngx_http_paytrade_drift_compare.c: a page of orders, sorted by id. */
ngx_http_paytrade_drift_order_t *ngx_http_paytrade_drift_new_order(
    ngx_http_paytrade_drift_t *drift, pt_slice_t id);
void ngx_http_paytrade_drift_set_state(ngx_http_paytrade_drift_order_t *order,
    ngx_http_paytrade_side_e side, pt_slice_t status, pt_slice_t rev);
void ngx_http_paytrade_drift_sort(ngx_http_paytrade_drift_t *drift);
ngx_http_paytrade_drift_order_t *ngx_http_paytrade_drift_find_order(
    ngx_http_paytrade_drift_t *drift, pt_slice_t id);
ngx_int_t ngx_http_paytrade_drift_look_up(ngx_http_paytrade_drift_t *drift);
ngx_int_t ngx_http_paytrade_drift_compare(ngx_http_paytrade_drift_t *drift);
void ngx_http_paytrade_drift_order_json(pt_out_t *out,
    ngx_http_paytrade_drift_order_t *order);


#endif /* NGX_HTTP_PAYTRADE_DRIFT_H */
