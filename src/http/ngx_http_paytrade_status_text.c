/*
 * paytrade_status?format=prometheus: the counters as Prometheus reads them.
 */

#include "ngx_http_paytrade_status.h"


/* A name with one sample for each script, outcome, partition. */
typedef struct {
    const char  *name;
    const char  *type;
    const char  *help;
} ngx_http_paytrade_family_t;


static void ngx_http_paytrade_status_family(pt_out_t *out,
    const ngx_http_paytrade_family_t *family);
static void ngx_http_paytrade_status_sample(pt_out_t *out, const char *name,
    const char *label, const char *word, int64_t value);
static void ngx_http_paytrade_status_requests(pt_out_t *out,
    ngx_http_paytrade_counters_t *c);
static void ngx_http_paytrade_status_results(pt_out_t *out,
    ngx_http_paytrade_counters_t *c, ngx_http_paytrade_group_e group,
    const ngx_http_paytrade_family_t *family, ngx_atomic_t *problems);
static void ngx_http_paytrade_status_redis(pt_out_t *out,
    ngx_http_paytrade_counters_t *c);
static void ngx_http_paytrade_status_gauges(pt_out_t *out,
    ngx_http_paytrade_counters_t *c, ngx_uint_t n);
static void ngx_http_paytrade_status_gateways(pt_out_t *out,
    ngx_shm_zone_t *shm_zone);
static void ngx_http_paytrade_status_consumers(ngx_http_request_t *r,
    pt_out_t *out);
static void ngx_http_paytrade_status_label(pt_out_t *out, pt_slice_t value);


/* "paytrade_<group>_<name>_total" */
static const char *const  ngx_http_paytrade_groups[] = {
    "orders", "redis", "journal", "payments", "events"
};


static const ngx_http_paytrade_family_t  ngx_http_paytrade_f_requests = {
    "paytrade_requests_total", "counter", "Answers by their result."
};

static const ngx_http_paytrade_family_t  ngx_http_paytrade_f_dry_run = {
    "paytrade_dry_run_total", "counter",
    "Holds that were only tried by what they would have come to."
};

static const ngx_http_paytrade_family_t  ngx_http_paytrade_f_calls = {
    "paytrade_script_calls_total", "counter", "Script calls by script."
};

static const ngx_http_paytrade_family_t  ngx_http_paytrade_f_ops = {
    "paytrade_script_operations_total", "counter",
    "Operations in script calls by script."
};

static const ngx_http_paytrade_family_t  ngx_http_paytrade_f_failures = {
    "paytrade_redis_failures_total", "counter",
    "Operations without an answer from Redis by outcome."
};

static const ngx_http_paytrade_family_t  ngx_http_paytrade_f_waiting = {
    "paytrade_journal_waiting", "gauge",
    "Journal operations that PostgreSQL does not have yet."
};

static const ngx_http_paytrade_family_t  ngx_http_paytrade_f_stalled = {
    "paytrade_journal_stalled", "gauge",
    "1 when a whole batch of the journal is poison."
};

static const ngx_http_paytrade_family_t  ngx_http_paytrade_f_open = {
    "paytrade_partition_open", "gauge", "1 when the partition sells."
};


static const ngx_http_paytrade_family_t  ngx_http_paytrade_f_events = {
    "paytrade_events_length", "gauge", "Events in the stream."
};

static const ngx_http_paytrade_family_t  ngx_http_paytrade_f_callbacks = {
    "paytrade_callbacks_total", "counter",
    "Callbacks by gateway and what became of them."
};

static const ngx_http_paytrade_family_t  ngx_http_paytrade_f_pending = {
    "paytrade_events_pending", "gauge",
    "Events that a consumer group has read and not acknowledged."
};

static const ngx_http_paytrade_family_t  ngx_http_paytrade_f_lag = {
    "paytrade_events_lag", "gauge",
    "Events that a consumer group has not read."
};


ngx_int_t
ngx_http_paytrade_status_text(ngx_http_request_t *r, pt_out_t *out)
{
    ngx_str_t                       type, text;
    pt_slice_t                      body;
    ngx_http_complex_value_t        cv;
    ngx_http_paytrade_ctx_t        *ctx;
    ngx_http_paytrade_counters_t   *c;
    ngx_http_paytrade_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_http_paytrade_module);
    c = ngx_http_paytrade_counters(mcf->shm_zone);

    ngx_http_paytrade_status_requests(out, c);
    ngx_http_paytrade_status_redis(out, c);
    ngx_http_paytrade_status_gauges(out, c, mcf->partitions);
    ngx_http_paytrade_status_gateways(out, mcf->shm_zone);
    ngx_http_paytrade_status_consumers(r, out);

    if (out->failed) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_http_paytrade_module);
    ngx_str_set(&ctx->result, "ok");

    body = pt_out_slice(out);
    text.data = (u_char *) body.data;
    text.len = body.len;

    ngx_str_set(&type, "text/plain; version=0.0.4");

    ngx_memzero(&cv, sizeof(ngx_http_complex_value_t));
    cv.value = text;

    return ngx_http_send_response(r, NGX_HTTP_OK, &type, &cv);
}


static void
ngx_http_paytrade_status_family(pt_out_t *out,
    const ngx_http_paytrade_family_t *family)
{
    pt_out_str(out, "# HELP ");
    pt_out_str(out, family->name);
    pt_out_char(out, ' ');
    pt_out_str(out, family->help);
    pt_out_str(out, "\n# TYPE ");
    pt_out_str(out, family->name);
    pt_out_char(out, ' ');
    pt_out_str(out, family->type);
    pt_out_char(out, '\n');
}


static void
ngx_http_paytrade_status_sample(pt_out_t *out, const char *name,
    const char *label, const char *word, int64_t value)
{
    pt_out_str(out, name);

    if (label) {
        pt_out_char(out, '{');
        pt_out_str(out, label);
        pt_out_str(out, "=\"");
        pt_out_str(out, word);
        pt_out_str(out, "\"}");
    }

    pt_out_char(out, ' ');
    pt_out_int(out, value);
    pt_out_char(out, '\n');
}


static void
ngx_http_paytrade_status_requests(pt_out_t *out,
    ngx_http_paytrade_counters_t *c)
{
    char                               name[64];
    ngx_uint_t                         i;
    ngx_http_paytrade_family_t         family;
    const ngx_http_paytrade_metric_t  *m;

    ngx_http_paytrade_status_results(out, c, NGX_HTTP_PAYTRADE_GROUP_REQUESTS,
                                     &ngx_http_paytrade_f_requests,
                                     c->problems);
    ngx_http_paytrade_status_results(out, c, NGX_HTTP_PAYTRADE_GROUP_DRY_RUN,
                                     &ngx_http_paytrade_f_dry_run,
                                     c->dry_run);

    for (i = 0; i < NGX_HTTP_PAYTRADE_COUNTERS; i++) {
        m = &ngx_http_paytrade_metrics[i];

        if (m->help == NULL) {
            continue;
        }

        ngx_snprintf((u_char *) name, sizeof(name), "paytrade_%s_%s_total%Z",
                     ngx_http_paytrade_groups[m->group], m->name);

        family.name = name;
        family.type = "counter";
        family.help = m->help;

        ngx_http_paytrade_status_family(out, &family);
        ngx_http_paytrade_status_sample(out, name, NULL, NULL,
                                        c->counters[i]);
    }
}


/* The counters of a group, and problems, as samples of one family. */
static void
ngx_http_paytrade_status_results(pt_out_t *out,
    ngx_http_paytrade_counters_t *c, ngx_http_paytrade_group_e group,
    const ngx_http_paytrade_family_t *family, ngx_atomic_t *problems)
{
    ngx_uint_t                         i;
    const ngx_http_paytrade_metric_t  *m;

    ngx_http_paytrade_status_family(out, family);

    for (i = 0; i < NGX_HTTP_PAYTRADE_COUNTERS; i++) {
        m = &ngx_http_paytrade_metrics[i];

        if (m->group == group) {
            ngx_http_paytrade_status_sample(out, family->name, "result",
                                            m->name, c->counters[i]);
        }
    }

    for (i = 0; i < PT_PROBLEMS; i++) {
        ngx_http_paytrade_status_sample(out, family->name, "result",
                                        pt_problems[i].code, problems[i]);
    }
}


static void
ngx_http_paytrade_status_redis(pt_out_t *out, ngx_http_paytrade_counters_t *c)
{
    ngx_uint_t  i;

    ngx_http_paytrade_status_family(out, &ngx_http_paytrade_f_calls);

    for (i = 0; i < NGX_PAYTRADE_SCRIPTS; i++) {
        ngx_http_paytrade_status_sample(out, ngx_http_paytrade_f_calls.name,
                                        "script", ngx_paytrade_scripts[i].name,
                                        c->calls[i]);
    }

    ngx_http_paytrade_status_family(out, &ngx_http_paytrade_f_ops);

    for (i = 0; i < NGX_PAYTRADE_SCRIPTS; i++) {
        ngx_http_paytrade_status_sample(out, ngx_http_paytrade_f_ops.name,
                                        "script", ngx_paytrade_scripts[i].name,
                                        c->ops[i]);
    }

    ngx_http_paytrade_status_family(out, &ngx_http_paytrade_f_failures);

    for (i = NGX_PAYTRADE_REDIS_OK + 1; i < NGX_PAYTRADE_REDIS_OUTCOMES; i++) {
        ngx_http_paytrade_status_sample(out,
                                        ngx_http_paytrade_f_failures.name,
                                        "outcome",
                                        ngx_paytrade_redis_outcome_word(i),
                                        c->failures[i]);
    }
}


static void
ngx_http_paytrade_status_gauges(pt_out_t *out, ngx_http_paytrade_counters_t *c,
    ngx_uint_t n)
{
    char                               number[NGX_INT_T_LEN + 1];
    int64_t                            value;
    ngx_uint_t                         i, k;
    const ngx_http_paytrade_family_t  *families[4];

    families[0] = &ngx_http_paytrade_f_waiting;
    families[1] = &ngx_http_paytrade_f_stalled;
    families[2] = &ngx_http_paytrade_f_open;
    families[3] = &ngx_http_paytrade_f_events;

    for (k = 0; k < 4; k++) {
        ngx_http_paytrade_status_family(out, families[k]);

        for (i = 0; i < n; i++) {

            switch (k) {

            case 0:
                value = c->waiting[i];
                break;

            case 1:
                value = c->stalled[i];
                break;

            case 2:
                value = (c->state[i] == NGX_HTTP_PAYTRADE_OPEN);
                break;

            default:
                value = c->events[i];
            }

            ngx_sprintf((u_char *) number, "%ui%Z", i);
            ngx_http_paytrade_status_sample(out, families[k]->name,
                                            "partition", number, value);
        }
    }
}


static void
ngx_http_paytrade_status_gateways(pt_out_t *out, ngx_shm_zone_t *shm_zone)
{
    ngx_uint_t                             i, k, n;
    ngx_http_paytrade_gateway_counters_t
                             *gateways[NGX_HTTP_PAYTRADE_GATEWAYS_MAX];

    n = ngx_http_paytrade_zone_gateways(shm_zone, gateways,
                                        NGX_HTTP_PAYTRADE_GATEWAYS_MAX);

    ngx_http_paytrade_status_family(out, &ngx_http_paytrade_f_callbacks);

    for (i = 0; i < n; i++) {
        for (k = 0; k < NGX_HTTP_PAYTRADE_CALLBACKS; k++) {
            if (k == NGX_HTTP_PAYTRADE_CALLBACK_REFUSED + PT_VERIFY_OK) {
                continue;
            }

            pt_out_str(out, ngx_http_paytrade_f_callbacks.name);
            pt_out_str(out, "{gateway=\"");
            pt_out_mem(out, gateways[i]->name, gateways[i]->name_len);
            pt_out_str(out, "\",result=\"");
            pt_out_str(out, ngx_http_paytrade_callback_word(k));
            pt_out_str(out, "\"} ");
            pt_out_int(out, gateways[i]->callbacks[k]);
            pt_out_char(out, '\n');
        }
    }
}


static void
ngx_http_paytrade_status_consumers(ngx_http_request_t *r, pt_out_t *out)
{
    ngx_uint_t                         i, k, n;
    ngx_http_paytrade_group_t         *groups;
    const ngx_http_paytrade_family_t  *families[2];

    families[0] = &ngx_http_paytrade_f_pending;
    families[1] = &ngx_http_paytrade_f_lag;

    n = ngx_http_paytrade_status_groups(r, &groups);

    for (k = 0; k < 2; k++) {
        ngx_http_paytrade_status_family(out, families[k]);

        for (i = 0; i < n; i++) {
            pt_out_str(out, families[k]->name);
            pt_out_str(out, "{partition=\"");
            pt_out_int(out, groups[i].partition);
            pt_out_str(out, "\",group=\"");
            ngx_http_paytrade_status_label(out, pt_slice(groups[i].name,
                                                      groups[i].name_len));
            pt_out_str(out, "\"} ");
            pt_out_int(out, k ? groups[i].lag : groups[i].pending);
            pt_out_char(out, '\n');
        }
    }
}


/* Control characters were replaced when the name was read. */
static void
ngx_http_paytrade_status_label(pt_out_t *out, pt_slice_t value)
{
    size_t  i;

    for (i = 0; i < value.len; i++) {
        if (value.data[i] == '"' || value.data[i] == '\\') {
            pt_out_char(out, '\\');
        }

        pt_out_char(out, value.data[i]);
    }
}
