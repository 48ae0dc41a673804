/*
 * paytrade_status: what all workers counted, as JSON or for Prometheus.
 *
 * Each counter's name stands once, in the tables here; both formats are made
 * from them.  Labels are words of our own, never a client's.
 */

#include "ngx_http_paytrade_status.h"


static ngx_int_t ngx_http_paytrade_status_format(ngx_http_request_t *r,
    ngx_uint_t *prometheus);
static void ngx_http_paytrade_status_json(ngx_http_request_t *r,
    pt_out_t *out);
static void ngx_http_paytrade_status_group(pt_out_t *out,
    ngx_http_paytrade_counters_t *c, ngx_http_paytrade_group_e group);
static void ngx_http_paytrade_status_problems(pt_out_t *out,
    ngx_atomic_t *problems);
static void ngx_http_paytrade_status_scripts(pt_out_t *out,
    ngx_http_paytrade_counters_t *c);
static void ngx_http_paytrade_status_callbacks(pt_out_t *out,
    ngx_shm_zone_t *shm_zone);
static void ngx_http_paytrade_status_events(ngx_http_request_t *r,
    pt_out_t *out);
static void ngx_http_paytrade_status_partitions(pt_out_t *out,
    ngx_http_paytrade_counters_t *c, ngx_uint_t n);
static void ngx_http_paytrade_status_member(pt_out_t *out, const char *name,
    int64_t value);
static int64_t ngx_http_paytrade_status_sum(ngx_atomic_t *values,
    ngx_uint_t n);
static const char *ngx_http_paytrade_status_state(ngx_atomic_uint_t state);
static ngx_uint_t ngx_http_paytrade_status_workers(void);


const ngx_http_paytrade_metric_t
    ngx_http_paytrade_metrics[NGX_HTTP_PAYTRADE_COUNTERS] =
{
    [NGX_HTTP_PAYTRADE_HELD] =
        { "held", NGX_HTTP_PAYTRADE_GROUP_REQUESTS, NULL },
    [NGX_HTTP_PAYTRADE_REPLAYED] =
        { "replayed", NGX_HTTP_PAYTRADE_GROUP_REQUESTS, NULL },
    [NGX_HTTP_PAYTRADE_CANCELLED] =
        { "cancelled", NGX_HTTP_PAYTRADE_GROUP_REQUESTS, NULL },

    [NGX_HTTP_PAYTRADE_DRY_WOULD_HOLD] =
        { "would_hold", NGX_HTTP_PAYTRADE_GROUP_DRY_RUN, NULL },
    [NGX_HTTP_PAYTRADE_DRY_REPLAYED] =
        { "replayed", NGX_HTTP_PAYTRADE_GROUP_DRY_RUN, NULL },

    [NGX_HTTP_PAYTRADE_SOLDOUT_CACHED] =
        { "soldout_cached", NGX_HTTP_PAYTRADE_GROUP_ORDERS,
          "Holds refused as sold out without asking Redis." },
    [NGX_HTTP_PAYTRADE_CLIENTS_GONE] =
        { "clients_gone", NGX_HTTP_PAYTRADE_GROUP_ORDERS,
          "Clients that left before Redis or PostgreSQL answered." },
    [NGX_HTTP_PAYTRADE_EXPIRED] =
        { "expired", NGX_HTTP_PAYTRADE_GROUP_ORDERS,
          "Holds that ended unpaid at their deadline." },
    [NGX_HTTP_PAYTRADE_PURGED] =
        { "purged", NGX_HTTP_PAYTRADE_GROUP_ORDERS,
          "Closed orders removed from Redis after the retention time." },

    [NGX_HTTP_PAYTRADE_PAYMENTS] =
        { "started", NGX_HTTP_PAYTRADE_GROUP_PAYMENTS,
          "Payments started." },
    [NGX_HTTP_PAYTRADE_SETTLED] =
        { "settled", NGX_HTTP_PAYTRADE_GROUP_PAYMENTS,
          "Payments that were paid." },
    [NGX_HTTP_PAYTRADE_REFUND_DUE] =
        { "refund_due", NGX_HTTP_PAYTRADE_GROUP_PAYMENTS,
          "Parts of payments that are owed back." },
    [NGX_HTTP_PAYTRADE_REFUNDED] =
        { "refunded", NGX_HTTP_PAYTRADE_GROUP_PAYMENTS,
          "Refunds that gateways told of." },

    [NGX_HTTP_PAYTRADE_EVENTS_TRIMMED] =
        { "trimmed", NGX_HTTP_PAYTRADE_GROUP_EVENTS,
          "Events removed from the streams." },

    [NGX_HTTP_PAYTRADE_JOURNAL_BATCHES] =
        { "batches", NGX_HTTP_PAYTRADE_GROUP_JOURNAL,
          "Transactions committed in PostgreSQL." },
    [NGX_HTTP_PAYTRADE_JOURNAL_ROWS] =
        { "rows", NGX_HTTP_PAYTRADE_GROUP_JOURNAL,
          "Journal operations written to PostgreSQL." },
    [NGX_HTTP_PAYTRADE_JOURNAL_ERRORS] =
        { "errors", NGX_HTTP_PAYTRADE_GROUP_JOURNAL,
          "Tries to write to PostgreSQL that failed." },
    [NGX_HTTP_PAYTRADE_DEAD_LETTERS] =
        { "dead_letters", NGX_HTTP_PAYTRADE_GROUP_JOURNAL,
          "Journal operations set aside as poison." },
    [NGX_HTTP_PAYTRADE_CONFLICTS] =
        { "conflicts", NGX_HTTP_PAYTRADE_GROUP_JOURNAL,
          "Journal operations set aside as conflicts of content." },

    [NGX_HTTP_PAYTRADE_REDIS_CONNECTS] =
        { "connects", NGX_HTTP_PAYTRADE_GROUP_REDIS,
          "Connections to Redis that became ready." },
    [NGX_HTTP_PAYTRADE_REBUILDS] =
        { "rebuilds", NGX_HTTP_PAYTRADE_GROUP_REDIS,
          "Partitions rebuilt from PostgreSQL." },
};


ngx_int_t
ngx_http_paytrade_status_handler(ngx_http_request_t *r)
{
    pt_out_t    out;
    ngx_int_t   rc;
    ngx_uint_t  prometheus;

    if (ngx_http_paytrade_begin(r) == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {

        if (ngx_http_paytrade_header(r, "Allow", pt_slice_lit("GET, HEAD"))
            != NGX_OK)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        return ngx_http_paytrade_reply_problem(r, PT_METHOD_NOT_ALLOWED,
                             "the status is read with GET");
    }

    rc = ngx_http_paytrade_no_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_http_paytrade_status_format(r, &prometheus) != NGX_OK) {
        return ngx_http_paytrade_reply_problem(r, PT_BAD_REQUEST,
                             "format is json or prometheus");
    }

    ngx_http_paytrade_out_init(&out, r, 4096);

    if (prometheus) {
        return ngx_http_paytrade_status_text(r, &out);
    }

    ngx_http_paytrade_status_json(r, &out);

    return ngx_http_paytrade_reply_json(r, NGX_HTTP_OK, "ok", &out);
}


static ngx_int_t
ngx_http_paytrade_status_format(ngx_http_request_t *r, ngx_uint_t *prometheus)
{
    pt_slice_t  format;

    *prometheus = 0;

    if (ngx_http_paytrade_arg(r, "format", &format) != NGX_OK
        || pt_slice_eq(format, pt_slice_lit("json")))
    {
        return NGX_OK;
    }

    *prometheus = 1;

    return pt_slice_eq(format, pt_slice_lit("prometheus")) ? NGX_OK
                                                           : NGX_DECLINED;
}


static void
ngx_http_paytrade_status_json(ngx_http_request_t *r, pt_out_t *out)
{
    ngx_uint_t                      n;
    ngx_http_paytrade_counters_t   *c;
    ngx_http_paytrade_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_paytrade_module);
    c = ngx_http_paytrade_counters(mcf->shm_zone);
    n = mcf->partitions;

    pt_out_str(out, "{\"version\":\"" NGX_HTTP_PAYTRADE_VERSION "\"");
    ngx_http_paytrade_status_member(out, "workers",
                                    ngx_http_paytrade_status_workers());

    pt_out_str(out, ",\"requests\":{");
    ngx_http_paytrade_status_group(out, c, NGX_HTTP_PAYTRADE_GROUP_REQUESTS);
    ngx_http_paytrade_status_problems(out, c->problems);

    pt_out_str(out, "},\"dry_run\":{");
    ngx_http_paytrade_status_group(out, c, NGX_HTTP_PAYTRADE_GROUP_DRY_RUN);
    ngx_http_paytrade_status_problems(out, c->dry_run);

    pt_out_str(out, "},\"orders\":{");
    ngx_http_paytrade_status_group(out, c, NGX_HTTP_PAYTRADE_GROUP_ORDERS);

    pt_out_str(out, "},\"payments\":{");
    ngx_http_paytrade_status_group(out, c, NGX_HTTP_PAYTRADE_GROUP_PAYMENTS);

    pt_out_str(out, "},\"callbacks\":{");
    ngx_http_paytrade_status_callbacks(out, mcf->shm_zone);

    pt_out_str(out, "},\"redis\":{");
    ngx_http_paytrade_status_member(out, "calls",
                                    ngx_http_paytrade_status_sum(c->calls,
                                                   NGX_PAYTRADE_SCRIPTS));
    ngx_http_paytrade_status_group(out, c, NGX_HTTP_PAYTRADE_GROUP_REDIS);
    ngx_http_paytrade_status_scripts(out, c);

    pt_out_str(out, "},\"journal\":{");
    ngx_http_paytrade_status_member(out, "waiting",
                                ngx_http_paytrade_status_sum(c->waiting, n));
    ngx_http_paytrade_status_group(out, c, NGX_HTTP_PAYTRADE_GROUP_JOURNAL);
    ngx_http_paytrade_status_member(out, "stalled",
                                ngx_http_paytrade_status_sum(c->stalled, n));

    pt_out_str(out, "},\"events\":{");
    ngx_http_paytrade_status_group(out, c, NGX_HTTP_PAYTRADE_GROUP_EVENTS);
    ngx_http_paytrade_status_member(out, "length",
                                 ngx_http_paytrade_status_sum(c->events, n));
    ngx_http_paytrade_status_events(r, out);

    pt_out_str(out, "},\"partitions\":[");
    ngx_http_paytrade_status_partitions(out, c, n);
    pt_out_str(out, "]}");
}


static void
ngx_http_paytrade_status_group(pt_out_t *out, ngx_http_paytrade_counters_t *c,
    ngx_http_paytrade_group_e group)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_PAYTRADE_COUNTERS; i++) {
        if (ngx_http_paytrade_metrics[i].group == group) {
            ngx_http_paytrade_status_member(out,
                                            ngx_http_paytrade_metrics[i].name,
                                            c->counters[i]);
        }
    }
}


static void
ngx_http_paytrade_status_problems(pt_out_t *out, ngx_atomic_t *problems)
{
    ngx_uint_t  i;

    for (i = 0; i < PT_PROBLEMS; i++) {
        ngx_http_paytrade_status_member(out, pt_problems[i].code,
                                        problems[i]);
    }
}


static void
ngx_http_paytrade_status_scripts(pt_out_t *out,
    ngx_http_paytrade_counters_t *c)
{
    int64_t     calls, ops, tenths;
    ngx_uint_t  i;

    pt_out_str(out, ",\"scripts\":{");

    for (i = 0; i < NGX_PAYTRADE_SCRIPTS; i++) {
        calls = c->calls[i];
        ops = c->ops[i];
        tenths = calls ? (ops * 10 + calls / 2) / calls : 0;

        pt_out_str(out, i ? ",\"" : "\"");
        pt_out_str(out, ngx_paytrade_scripts[i].name);
        pt_out_str(out, "\":{");
        ngx_http_paytrade_status_member(out, "calls", calls);
        ngx_http_paytrade_status_member(out, "ops", ops);
        ngx_http_paytrade_status_member(out, "ops_per_call", tenths / 10);
        pt_out_char(out, '.');
        pt_out_int(out, tenths % 10);
        pt_out_char(out, '}');
    }

    pt_out_str(out, "},\"failures\":{");

    for (i = NGX_PAYTRADE_REDIS_OK + 1; i < NGX_PAYTRADE_REDIS_OUTCOMES; i++) {
        ngx_http_paytrade_status_member(out,
                                        ngx_paytrade_redis_outcome_word(i),
                                        c->failures[i]);
    }

    pt_out_char(out, '}');
}


static void
ngx_http_paytrade_status_callbacks(pt_out_t *out, ngx_shm_zone_t *shm_zone)
{
    ngx_uint_t                             i, k, n;
    ngx_http_paytrade_gateway_counters_t
                             *gateways[NGX_HTTP_PAYTRADE_GATEWAYS_MAX];

    n = ngx_http_paytrade_zone_gateways(shm_zone, gateways,
                                        NGX_HTTP_PAYTRADE_GATEWAYS_MAX);

    for (i = 0; i < n; i++) {
        pt_out_str(out, i ? ",\"" : "\"");
        pt_out_mem(out, gateways[i]->name, gateways[i]->name_len);
        pt_out_str(out, "\":{");

        for (k = 0; k < NGX_HTTP_PAYTRADE_CALLBACKS; k++) {
            if (k == NGX_HTTP_PAYTRADE_CALLBACK_REFUSED + PT_VERIFY_OK) {
                continue;
            }

            ngx_http_paytrade_status_member(out,
                                            ngx_http_paytrade_callback_word(k),
                                            gateways[i]->callbacks[k]);
        }

        pt_out_char(out, '}');
    }
}


static void
ngx_http_paytrade_status_events(ngx_http_request_t *r, pt_out_t *out)
{
    ngx_uint_t                  i, n;
    ngx_http_paytrade_group_t  *groups;

    pt_out_str(out, ",\"groups\":[");

    n = ngx_http_paytrade_status_groups(r, &groups);

    for (i = 0; i < n; i++) {
        pt_out_str(out, i ? ",{\"partition\":" : "{\"partition\":");
        pt_out_int(out, groups[i].partition);
        pt_out_str(out, ",\"name\":");
        pt_out_json(out, pt_slice(groups[i].name, groups[i].name_len));
        ngx_http_paytrade_status_member(out, "pending", groups[i].pending);
        ngx_http_paytrade_status_member(out, "lag", groups[i].lag);
        pt_out_char(out, '}');
    }

    pt_out_char(out, ']');
}


/* Those of partitions from before a change of paytrade_partitions are left. */
ngx_uint_t
ngx_http_paytrade_status_groups(ngx_http_request_t *r,
    ngx_http_paytrade_group_t **groups)
{
    ngx_uint_t                      n;
    ngx_http_paytrade_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_paytrade_module);

    *groups = ngx_palloc(r->pool, NGX_HTTP_PAYTRADE_GROUPS_MAX
                                  * sizeof(ngx_http_paytrade_group_t));
    if (*groups == NULL) {
        return 0;
    }

    n = ngx_http_paytrade_zone_groups(mcf->shm_zone, *groups,
                                      NGX_HTTP_PAYTRADE_GROUPS_MAX);

    while (n && (*groups)[n - 1].partition >= (ngx_uint_t) mcf->partitions) {
        n--;
    }

    return n;
}


static void
ngx_http_paytrade_status_partitions(pt_out_t *out,
    ngx_http_paytrade_counters_t *c, ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        pt_out_str(out, i ? ",{\"partition\":" : "{\"partition\":");
        pt_out_int(out, i);
        pt_out_str(out, ",\"state\":\"");
        pt_out_str(out, ngx_http_paytrade_status_state(c->state[i]));
        pt_out_char(out, '"');
        ngx_http_paytrade_status_member(out, "waiting", c->waiting[i]);
        ngx_http_paytrade_status_member(out, "events", c->events[i]);
        pt_out_str(out, ",\"stalled\":");
        pt_out_str(out, c->stalled[i] ? "true}" : "false}");
    }
}


static void
ngx_http_paytrade_status_member(pt_out_t *out, const char *name, int64_t value)
{
    if (!out->failed && out->pos[-1] != '{') {
        pt_out_char(out, ',');
    }

    pt_out_char(out, '"');
    pt_out_str(out, name);
    pt_out_str(out, "\":");
    pt_out_int(out, value);
}


static int64_t
ngx_http_paytrade_status_sum(ngx_atomic_t *values, ngx_uint_t n)
{
    int64_t     sum;
    ngx_uint_t  i;

    sum = 0;

    for (i = 0; i < n; i++) {
        sum += values[i];
    }

    return sum;
}


static const char *
ngx_http_paytrade_status_state(ngx_atomic_uint_t state)
{
    switch (state) {

    case NGX_HTTP_PAYTRADE_CHECKING:
        return "checking";

    case NGX_HTTP_PAYTRADE_OPEN:
        return "open";

    case NGX_HTTP_PAYTRADE_LOST:
        return "lost";

    default:
        return "unknown";
    }
}


static ngx_uint_t
ngx_http_paytrade_status_workers(void)
{
    ngx_core_conf_t  *ccf;

    if (ngx_process != NGX_PROCESS_WORKER) {
        return 1;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(ngx_cycle->conf_ctx,
                                           ngx_core_module);

    return ccf->worker_processes;
}
