/*
 * The configuration: what the directives say, and the functions that read
 * them.
 */

#ifndef NGX_HTTP_PAYTRADE_CONF_H
#define NGX_HTTP_PAYTRADE_CONF_H

#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "pt_gateway.h"
#include "ngx_paytrade_redis.h"
#include "ngx_paytrade_pg.h"
#include "ngx_http_paytrade_zone.h"


/* Of a wrong value in a message. */
#define NGX_HTTP_PAYTRADE_SHOWN_LEN  32


typedef struct ngx_http_paytrade_worker_s  ngx_http_paytrade_worker_t;


/* Where a directive stands, for what can be said only later. */
typedef struct {
    ngx_str_t                    directive;
    ngx_str_t                    file;
    ngx_uint_t                   line;
} ngx_http_paytrade_place_t;


typedef struct {
    ngx_str_t                    name;       /* "NAME VALUE"; else empty */
    ngx_str_t                    value;
    ngx_http_paytrade_place_t    place;
} ngx_http_paytrade_placed_t;


/* The range of a number or of a time in milliseconds, and how to say it. */
typedef struct {
    int64_t                      min;
    int64_t                      max;
    const char                  *range;
} ngx_http_paytrade_range_t;


/* A block paytrade_gateway. */
typedef struct {
    ngx_str_t                    name;
    const pt_gateway_type_t     *type;
    void                        *conf;       /* of the type */
    ngx_array_t                 *lines;      /* of placed_t, as written */
    ngx_http_paytrade_place_t    place;
} ngx_http_paytrade_gateway_t;


/* Events that are written only on demand, as letters for the scripts. */
#define NGX_HTTP_PAYTRADE_EVENTS_HELD       0x0001   /* h */
#define NGX_HTTP_PAYTRADE_EVENTS_CANCELLED  0x0002   /* c */
#define NGX_HTTP_PAYTRADE_EVENTS_EXPIRED    0x0004   /* e */


/* Read-only once the configuration is made, but for `worker`. */
typedef struct {
    ngx_shm_zone_t              *shm_zone;
    ngx_paytrade_redis_conf_t    redis;
    ngx_str_t                    redis_url;
    ngx_flag_t                   redis_verify;
    ngx_http_paytrade_placed_t   redis_certificate;
    ngx_http_paytrade_placed_t   redis_certificate_key;
    ngx_http_paytrade_placed_t   redis_trusted;
    ngx_http_paytrade_placed_t   redis_name;
    ngx_str_t                    redis_password;
    ngx_msec_t                   redis_connect_timeout;
    ngx_msec_t                   redis_timeout;
    ngx_paytrade_pg_conf_t       pg;
    ngx_msec_t                   pg_connect_timeout;
    ngx_msec_t                   pg_timeout;
    ngx_int_t                    partitions;
    ngx_int_t                    batch;
    ngx_int_t                    queue;
    ngx_int_t                    attempts;
    ngx_int_t                    journal_max;
    ngx_msec_t                   soldout_ttl;
    ngx_msec_t                   pay_margin;
    ngx_msec_t                   pay_rest;
    ngx_str_t                    prefix;     /* of out_trade_no */
    ngx_uint_t                   events;     /* NGX_HTTP_PAYTRADE_EVENTS_* */
    ngx_int_t                    events_max;
    ngx_array_t                 *gateways;   /* of gateway_t; NULL: none */
    ngx_int_t                    callbacks;  /* at once, of a worker */
#if (NGX_THREADS)
    ngx_thread_pool_t           *threads;    /* for signing; NULL: inline */
#endif
    ngx_msec_t                   retention;
    ngx_uint_t                   durability;
    ngx_str_t                    currency;
    ngx_uint_t                   decimals;
    ngx_uint_t                   used;       /* a location needs Redis */
    ngx_uint_t                   counting;   /* or no more than the zone */
    ngx_uint_t                   redis_tls;  /* the URL is rediss:// */
    ngx_http_paytrade_place_t    place;      /* of the first that is used */
    ngx_http_paytrade_place_t    counting_place;
    ngx_http_paytrade_place_t    redis_place;
    ngx_http_paytrade_place_t    password_place;
    ngx_http_paytrade_place_t    verify_place;
    ngx_http_paytrade_place_t    pay_place;  /* of the last of pay_* */
    ngx_http_paytrade_worker_t  *worker;     /* set once, by init_process */
} ngx_http_paytrade_main_conf_t;


typedef struct {
    ngx_http_complex_value_t    *user;
    ngx_msec_t                   hold_time;
    ngx_http_complex_value_t    *order;
    ngx_http_complex_value_t    *payment;
    ngx_http_paytrade_gateway_t *gateway;    /* of paytrade_notify */
    ngx_http_paytrade_placed_t   gateway_name;
    ngx_http_paytrade_gateway_t *verify;     /* of paytrade_verify, or NULL */
    ngx_http_paytrade_placed_t   verify_name;
    ngx_flag_t                   dry_run;
    ngx_uint_t                   dry_hold;   /* paytrade_hold only looks */
    size_t                       callback_size;      /* what holds here */
    size_t                       callback_size_given;
    ngx_uint_t                   unverified_rate;    /* in 1000 s; 0: off */
    ngx_uint_t                   unverified_burst;
    ngx_array_t                 *allow;      /* of ngx_cidr_t; paytrade_admin */
    ngx_uint_t                   handled;    /* a handler of ours is here */
    ngx_http_handler_pt          handler;    /* not inherited */
    ngx_http_paytrade_place_t    place;      /* of its directive */
} ngx_http_paytrade_loc_conf_t;


/* ngx_http_paytrade_conf.c */
void ngx_http_paytrade_note_place(ngx_conf_t *cf,
    ngx_http_paytrade_place_t *place);
void *ngx_http_paytrade_create_main_conf(ngx_conf_t *cf);
char *ngx_http_paytrade_init_main_conf(ngx_conf_t *cf, void *conf);
char *ngx_http_paytrade_set_zone(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_paytrade_set_postgres(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_paytrade_set_durability(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_paytrade_set_currency(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
/* cmd->post is a range. */
char *ngx_http_paytrade_set_number(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_paytrade_set_time(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* ngx_http_paytrade_conf_location.c */
void *ngx_http_paytrade_create_loc_conf(ngx_conf_t *cf);
char *ngx_http_paytrade_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
char *ngx_http_paytrade_set_user(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_paytrade_set_items(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_paytrade_set_hold(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_paytrade_set_order(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_paytrade_set_admin(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_paytrade_set_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_paytrade_set_pay(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_paytrade_set_payment(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_paytrade_set_notify(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* ngx_http_paytrade_conf_verify.c: callbacks, before they are believed. */
char *ngx_http_paytrade_set_verify(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_paytrade_set_callback_size(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_paytrade_set_unverified_rate(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
ngx_int_t ngx_http_paytrade_merge_verify(ngx_conf_t *cf,
    ngx_http_paytrade_loc_conf_t *prev, ngx_http_paytrade_loc_conf_t *conf);
/* NULL, with an error, when there is no gateway of that name. */
ngx_http_paytrade_gateway_t *ngx_http_paytrade_named_gateway(ngx_conf_t *cf,
    ngx_http_paytrade_placed_t *name);

/* ngx_http_paytrade_conf_gateway.c */
char *ngx_http_paytrade_set_gateway(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
/* NULL when there is no such gateway; the place is final only after all. */
ngx_http_paytrade_gateway_t *ngx_http_paytrade_find_gateway(
    ngx_http_paytrade_main_conf_t *mcf, pt_slice_t name);
const pt_setting_t *ngx_http_paytrade_gateway_setting(
    ngx_http_paytrade_gateway_t *gateway, ngx_str_t *name);
/* Whether its callbacks can pay for anything. */
ngx_uint_t ngx_http_paytrade_settles(ngx_http_paytrade_gateway_t *gateway);
/*
 * A value as messages show it, ended by a zero byte: "alipai", or of a longer
 * one, which may be a secret in the wrong place, of 32 bytes.
 */
u_char *ngx_http_paytrade_gateway_shown(ngx_str_t *value,
    u_char shown[NGX_HTTP_PAYTRADE_SHOWN_LEN]);
/* Says what is wrong with a line of a block; NGX_ERROR. */
ngx_int_t ngx_http_paytrade_gateway_refuse(ngx_conf_t *cf,
    ngx_http_paytrade_gateway_t *gateway, ngx_http_paytrade_place_t *place,
    ngx_err_t err, const char *fmt, ...);

/* ngx_http_paytrade_conf_secrets.c: what needs all of the configuration. */
ngx_int_t ngx_http_paytrade_init_gateways(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf);

/* ngx_http_paytrade_conf_payment.c */
char *ngx_http_paytrade_set_prefix(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_paytrade_set_events(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
/* As set_time; which is the longer one is seen at the end. */
char *ngx_http_paytrade_set_pay_time(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_uint_t ngx_http_paytrade_is_word(ngx_str_t *text, size_t max);
ngx_int_t ngx_http_paytrade_init_payments(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf);

/* ngx_http_paytrade_conf_redis.c */
char *ngx_http_paytrade_set_redis(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_paytrade_set_password_file(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* ngx_http_paytrade_conf_tls.c */
char *ngx_http_paytrade_set_tls_verify(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
/* cmd->offset is of a placed value. */
char *ngx_http_paytrade_set_tls_value(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
ngx_int_t ngx_http_paytrade_init_redis(ngx_conf_t *cf,
    ngx_http_paytrade_main_conf_t *mcf);


#endif /* NGX_HTTP_PAYTRADE_CONF_H */
