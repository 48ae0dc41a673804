/*
 * The module: its directives and its hooks.  What they do is in src/http/.
 */

#include "ngx_http_paytrade.h"


static ngx_http_paytrade_range_t  ngx_http_paytrade_partitions_range = {
    1, PT_PARTITIONS_MAX, "a whole number from 1 to 100"
};

static ngx_http_paytrade_range_t  ngx_http_paytrade_batch_range = {
    1, NGX_PAYTRADE_BATCH_MAX, "a whole number from 1 to 256"
};

static ngx_http_paytrade_range_t  ngx_http_paytrade_queue_range = {
    1, 1000000, "a whole number from 1 to 1000000"
};

static ngx_http_paytrade_range_t  ngx_http_paytrade_attempts_range = {
    1, 4096, "a whole number from 1 to 4096"
};

static ngx_http_paytrade_range_t  ngx_http_paytrade_journal_range = {
    1, 1000000000, "a whole number from 1 to 1000000000"
};

static ngx_http_paytrade_range_t  ngx_http_paytrade_soldout_range = {
    0, 60 * 1000, "a time from 0 to 60s, such as 200ms"
};

static ngx_http_paytrade_range_t  ngx_http_paytrade_margin_range = {
    0, 3600 * 1000, "a time from 0 to 1h, such as 30s"
};

static ngx_http_paytrade_range_t  ngx_http_paytrade_rest_range = {
    1, PT_HOLD_MAX_MS, "a time from 1ms to 30d, such as 60s"
};

static ngx_http_paytrade_range_t  ngx_http_paytrade_events_range = {
    1, 1000000000, "a whole number from 1 to 1000000000"
};

static ngx_http_paytrade_range_t  ngx_http_paytrade_callbacks_range = {
    1, 1000000, "a whole number from 1 to 1000000"
};

static ngx_http_paytrade_range_t  ngx_http_paytrade_retention_range = {
    1000, INT64_C(3650) * 86400 * 1000, "a time from 1s to 3650d, such as 7d"
};

static ngx_http_paytrade_range_t  ngx_http_paytrade_timeout_range = {
    1, 3600 * 1000, "a time from 1ms to 1h, such as 2s"
};

static ngx_http_paytrade_range_t  ngx_http_paytrade_hold_time_range = {
    PT_HOLD_MIN_MS, PT_HOLD_MAX_MS, "a time from 1s to 30d, such as 15m"
};


static ngx_command_t  ngx_http_paytrade_commands[] = {

    { ngx_string("paytrade_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE2,
      ngx_http_paytrade_set_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paytrade_redis"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_redis,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paytrade_redis_password_file"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_password_file,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paytrade_redis_connect_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_time,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_paytrade_main_conf_t, redis_connect_timeout),
      &ngx_http_paytrade_timeout_range },

    { ngx_string("paytrade_redis_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_time,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_paytrade_main_conf_t, redis_timeout),
      &ngx_http_paytrade_timeout_range },

    { ngx_string("paytrade_redis_ssl_verify"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_tls_verify,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paytrade_redis_ssl_trusted_certificate"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_tls_value,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_paytrade_main_conf_t, redis_trusted),
      NULL },

    { ngx_string("paytrade_redis_ssl_name"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_tls_value,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_paytrade_main_conf_t, redis_name),
      NULL },

    { ngx_string("paytrade_redis_ssl_certificate"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_tls_value,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_paytrade_main_conf_t, redis_certificate),
      NULL },

    { ngx_string("paytrade_redis_ssl_certificate_key"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_tls_value,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_paytrade_main_conf_t, redis_certificate_key),
      NULL },

    { ngx_string("paytrade_postgres"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_postgres,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paytrade_postgres_connect_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_time,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_paytrade_main_conf_t, pg_connect_timeout),
      &ngx_http_paytrade_timeout_range },

    { ngx_string("paytrade_postgres_timeout"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_time,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_paytrade_main_conf_t, pg_timeout),
      &ngx_http_paytrade_timeout_range },

    { ngx_string("paytrade_partitions"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_number,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_paytrade_main_conf_t, partitions),
      &ngx_http_paytrade_partitions_range },

    { ngx_string("paytrade_durability"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_durability,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paytrade_soldout_ttl"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_time,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_paytrade_main_conf_t, soldout_ttl),
      &ngx_http_paytrade_soldout_range },

    { ngx_string("paytrade_currency"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,
      ngx_http_paytrade_set_currency,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paytrade_journal_max"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_number,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_paytrade_main_conf_t, journal_max),
      &ngx_http_paytrade_journal_range },

    { ngx_string("paytrade_retention"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_time,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_paytrade_main_conf_t, retention),
      &ngx_http_paytrade_retention_range },

    { ngx_string("paytrade_gateway"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_gateway,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paytrade_prefix"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_prefix,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paytrade_pay_margin"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_pay_time,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_paytrade_main_conf_t, pay_margin),
      &ngx_http_paytrade_margin_range },

    { ngx_string("paytrade_pay_rest"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_pay_time,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_paytrade_main_conf_t, pay_rest),
      &ngx_http_paytrade_rest_range },

    { ngx_string("paytrade_events"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_paytrade_set_events,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paytrade_events_max"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_number,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_paytrade_main_conf_t, events_max),
      &ngx_http_paytrade_events_range },

    { ngx_string("paytrade_callbacks"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_number,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_paytrade_main_conf_t, callbacks),
      &ngx_http_paytrade_callbacks_range },

    { ngx_string("paytrade_callback_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_callback_size,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paytrade_unverified_rate"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_paytrade_set_unverified_rate,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paytrade_dry_run"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_paytrade_loc_conf_t, dry_run),
      NULL },

    { ngx_string("paytrade_batch"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_number,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_paytrade_main_conf_t, batch),
      &ngx_http_paytrade_batch_range },

    { ngx_string("paytrade_queue"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_number,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_paytrade_main_conf_t, queue),
      &ngx_http_paytrade_queue_range },

    { ngx_string("paytrade_attempts"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_number,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_paytrade_main_conf_t, attempts),
      &ngx_http_paytrade_attempts_range },

    { ngx_string("paytrade_user"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_user,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paytrade_hold_time"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_time,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_paytrade_loc_conf_t, hold_time),
      &ngx_http_paytrade_hold_time_range },

    { ngx_string("paytrade_items"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_paytrade_set_items,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paytrade_hold"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_paytrade_set_hold,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paytrade_order"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_order,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paytrade_pay"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_paytrade_set_pay,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paytrade_payment"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_payment,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paytrade_notify"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_notify,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paytrade_verify"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_CONF_TAKE1,
      ngx_http_paytrade_set_verify,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paytrade_admin"),
      NGX_HTTP_LOC_CONF|NGX_CONF_ANY,
      ngx_http_paytrade_set_admin,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("paytrade_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_paytrade_set_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_paytrade_module_ctx = {
    ngx_http_paytrade_add_variables,       /* preconfiguration */
    ngx_http_paytrade_filter_init,         /* postconfiguration */

    ngx_http_paytrade_create_main_conf,    /* create main configuration */
    ngx_http_paytrade_init_main_conf,      /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_paytrade_create_loc_conf,     /* create location configuration */
    ngx_http_paytrade_merge_loc_conf       /* merge location configuration */
};


ngx_module_t  ngx_http_paytrade_module = {
    NGX_MODULE_V1,
    &ngx_http_paytrade_module_ctx,         /* module context */
    ngx_http_paytrade_commands,            /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_paytrade_init_process,        /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_paytrade_exit_process,        /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};
