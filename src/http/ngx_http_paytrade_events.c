/*
 * The events: a partition's owner removes what every consumer group has
 * acknowledged, and tells how far each group is.
 *
 * Without a group the last paytrade_events_max events stay, and it is said
 * that nobody reads them.  A group that falls behind that far is told too; its
 * events stay all the same.
 */

#include "ngx_http_paytrade.h"


#define NGX_HTTP_PAYTRADE_TRIM        2000
#define NGX_HTTP_PAYTRADE_TRIM_AGAIN  1000
#define NGX_HTTP_PAYTRADE_TELL        60

/* Of one partition; more are respected, but not shown. */
#define NGX_HTTP_PAYTRADE_GROUPS      64


static void ngx_http_paytrade_trim_handler(ngx_event_t *ev);
static void ngx_http_paytrade_trim(ngx_http_paytrade_partition_t *part);
static void ngx_http_paytrade_trimmed(ngx_paytrade_redis_op_t *op,
    ngx_paytrade_redis_outcome_e outcome, pt_slice_t reply);
static ngx_uint_t ngx_http_paytrade_read_groups(
    ngx_http_paytrade_partition_t *part, pt_slice_t lines,
    ngx_http_paytrade_group_t *groups);
static void ngx_http_paytrade_name_group(ngx_http_paytrade_group_t *group,
    pt_slice_t name);
static void ngx_http_paytrade_tell_groups(ngx_http_paytrade_partition_t *part,
    ngx_http_paytrade_group_t *groups, ngx_uint_t n, int64_t removed);


void
ngx_http_paytrade_trim_init(ngx_http_paytrade_partition_t *part)
{
    u_char  *p;

    part->trim_timer.handler = ngx_http_paytrade_trim_handler;
    part->trim_timer.data = part;
    part->trim_timer.log = part->worker->log;
    part->trim_timer.cancelable = 1;

    p = ngx_sprintf((u_char *) part->events_max_text, "%i",
                    part->worker->conf->events_max);

    part->trim_argv[0] = pt_slice_lit("trim");
    part->trim_argv[1] = pt_slice_lit("1");
    part->trim_argv[2] = pt_slice(part->events_max_text,
                                  p - (u_char *) part->events_max_text);
}


void
ngx_http_paytrade_trim_start(ngx_http_paytrade_partition_t *part)
{
    if (part->owned && !part->trim_timer.timer_set && !ngx_exiting) {
        ngx_add_timer(&part->trim_timer, 1);
    }
}


void
ngx_http_paytrade_trim_stop(ngx_http_paytrade_partition_t *part)
{
    if (part->trim_timer.timer_set) {
        ngx_del_timer(&part->trim_timer);
    }
}


static void
ngx_http_paytrade_trim_handler(ngx_event_t *ev)
{
    ngx_http_paytrade_partition_t *part = ev->data;

    if (ngx_exiting) {
        return;
    }

    if (part->state == NGX_HTTP_PAYTRADE_OPEN && !part->trimming) {
        ngx_http_paytrade_trim(part);
    }

    ngx_add_timer(&part->trim_timer, NGX_HTTP_PAYTRADE_TRIM);
}


static void
ngx_http_paytrade_trim(ngx_http_paytrade_partition_t *part)
{
    part->trim.argc = 3;
    part->trim.argv = part->trim_argv;
    part->trim.handler = ngx_http_paytrade_trimmed;
    part->trim.data = part;

    if (ngx_paytrade_redis_submit(part->worker->batcher, part->number,
                                  NGX_PAYTRADE_SCRIPT_EVENTS, &part->trim)
        == NGX_OK)
    {
        part->trimming = 1;
    }
}


static void
ngx_http_paytrade_trimmed(ngx_paytrade_redis_op_t *op,
    ngx_paytrade_redis_outcome_e outcome, pt_slice_t reply)
{
    int64_t                         removed, length;
    pt_slice_t                      line, f[3];
    ngx_uint_t                      n;
    ngx_shm_zone_t                 *zone;
    ngx_http_paytrade_group_t       groups[NGX_HTTP_PAYTRADE_GROUPS];
    ngx_http_paytrade_partition_t  *part;

    part = op->data;
    part->trimming = 0;

    if (outcome != NGX_PAYTRADE_REDIS_OK) {
        return;
    }

    /* trimmed removed length, then a line for each group */

    if (!pt_slice_next(&reply, '\n', &line)
        || pt_slice_split(line, '\t', f, 3) != 3
        || !pt_slice_eq(f[0], pt_slice_lit("trimmed"))
        || pt_slice_uint(f[1], INT64_MAX, &removed) != 0
        || pt_slice_uint(f[2], INT64_MAX, &length) != 0)
    {
        ngx_http_paytrade_partition_recheck(part);
        return;
    }

    zone = part->worker->conf->shm_zone;

    ngx_http_paytrade_count(zone, NGX_HTTP_PAYTRADE_EVENTS_TRIMMED, removed);
    ngx_http_paytrade_counters(zone)->events[part->number] = length;

    n = ngx_http_paytrade_read_groups(part, reply, groups);

    ngx_http_paytrade_zone_set_groups(zone, part->number, groups, n);
    ngx_http_paytrade_tell_groups(part, groups, n, removed);

    /* a call removes some thousands at most; much more may be due */

    if (removed >= NGX_HTTP_PAYTRADE_TRIM_AGAIN && !ngx_exiting
        && part->state == NGX_HTTP_PAYTRADE_OPEN)
    {
        ngx_http_paytrade_trim(part);
    }
}


static ngx_uint_t
ngx_http_paytrade_read_groups(ngx_http_paytrade_partition_t *part,
    pt_slice_t lines, ngx_http_paytrade_group_t *groups)
{
    int64_t                     pending, lag;
    pt_slice_t                  line, f[3];
    ngx_uint_t                  i, n;
    ngx_http_paytrade_group_t  *group;

    n = 0;

    while (n < NGX_HTTP_PAYTRADE_GROUPS && pt_slice_next(&lines, '\n', &line))
    {
        if (pt_slice_split(line, '\t', f, 3) != 3
            || pt_slice_uint(f[1], INT64_MAX, &pending) != 0)
        {
            continue;
        }

        /* Redis does not always know how many are not yet read */

        if (pt_slice_uint(f[2], INT64_MAX, &lag) != 0) {
            lag = 0;
        }

        group = &groups[n];
        group->partition = part->number;
        group->pending = pending;
        group->lag = lag;
        ngx_http_paytrade_name_group(group, f[0]);

        /* a metric is told once: names that look alike share it */

        for (i = 0; i < n; i++) {
            if (pt_slice_eq(pt_slice(groups[i].name, groups[i].name_len),
                            pt_slice(group->name, group->name_len)))
            {
                groups[i].pending += group->pending;
                groups[i].lag = ngx_max(groups[i].lag, group->lag);
                break;
            }
        }

        n += (i == n);
    }

    return n;
}


/* A consumer chose the name: any bytes, of any length. */
static void
ngx_http_paytrade_name_group(ngx_http_paytrade_group_t *group, pt_slice_t name)
{
    size_t  i;

    group->name_len = ngx_min(name.len, PT_NAME_MAX);
    ngx_memcpy(group->name, name.data, group->name_len);

    if (name.len == group->name_len && pt_slice_text(name)) {
        return;
    }

    for (i = 0; i < group->name_len; i++) {
        if (group->name[i] < ' ' || group->name[i] > '~') {
            group->name[i] = '?';
        }
    }
}


/* Once a minute at most. */
static void
ngx_http_paytrade_tell_groups(ngx_http_paytrade_partition_t *part,
    ngx_http_paytrade_group_t *groups, ngx_uint_t n, int64_t removed)
{
    ngx_str_t                   name;
    ngx_int_t                   max;
    ngx_uint_t                  i;
    ngx_http_paytrade_group_t  *worst;

    if (ngx_time() - part->events_told < NGX_HTTP_PAYTRADE_TELL) {
        return;
    }

    max = part->worker->conf->events_max;

    if (n == 0) {
        if (removed) {
            part->events_told = ngx_time();

            ngx_log_error(NGX_LOG_WARN, part->worker->log, 0,
                          "paytrade: nobody reads {pt:%ui}:events, it has no "
                          "consumer group; %L events were removed, the last "
                          "%i stay", part->number, removed, max);
        }

        return;
    }

    worst = &groups[0];

    for (i = 1; i < n; i++) {
        if (groups[i].pending + groups[i].lag > worst->pending + worst->lag) {
            worst = &groups[i];
        }
    }

    if (worst->pending + worst->lag <= (ngx_uint_t) max) {
        return;
    }

    part->events_told = ngx_time();

    name.data = (u_char *) worst->name;
    name.len = worst->name_len;

    ngx_log_error(NGX_LOG_WARN, part->worker->log, 0,
                  "paytrade: group \"%V\" of {pt:%ui}:events is behind: %ui "
                  "events are read and not acknowledged, %ui not read; none "
                  "of them is removed", &name, part->number, worst->pending,
                  worst->lag);
}
