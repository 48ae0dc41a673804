/*
 * Redis: calls of the embedded scripts, with the keys of a partition.
 */

#include "ngx_paytrade_redis_connection.h"


#define NGX_PAYTRADE_REDIS_KEYS      5
#define NGX_PAYTRADE_REDIS_KEY_LEN   (sizeof("{pt:}:journal") + NGX_INT_T_LEN)
#define NGX_PAYTRADE_REDIS_CALLER    (NGX_PAYTRADE_REDIS_RUN_ID_MAX + 32)


/* After the prefix; the first key is the prefix alone. */
static const char  *ngx_paytrade_redis_keys[NGX_PAYTRADE_REDIS_KEYS] = {
    "", "clock", "epoch", "journal", "buckets"
};


/* What ARGV[1] is: the run_id, and the context when there is one. */
static pt_slice_t
ngx_paytrade_redis_caller(ngx_paytrade_redis_t *redis, u_char *buf)
{
    u_char      *p;
    pt_slice_t   run_id;

    run_id = ngx_paytrade_redis_run_id(redis);

    if (redis->conf->context.len == 0) {
        return run_id;
    }

    p = ngx_snprintf(buf, NGX_PAYTRADE_REDIS_CALLER, "%*s %V", run_id.len,
                     run_id.data, &redis->conf->context);

    return pt_slice(buf, p - buf);
}


ngx_int_t
ngx_paytrade_redis_script(ngx_paytrade_redis_t *redis,
    ngx_paytrade_redis_cmd_t *cmd, ngx_paytrade_script_e script,
    ngx_uint_t partition, ngx_uint_t whole, ngx_uint_t argc, pt_slice_t *argv)
{
    u_char                       *p;
    ngx_uint_t                    i, n;
    pt_slice_t                    head[4 + NGX_PAYTRADE_REDIS_KEYS];
    const ngx_paytrade_script_t  *s;
    u_char                        caller[NGX_PAYTRADE_REDIS_CALLER];
    u_char                        keys[NGX_PAYTRADE_REDIS_KEYS]
                                      [NGX_PAYTRADE_REDIS_KEY_LEN];

    s = &ngx_paytrade_scripts[script];
    n = 0;

    if (whole) {
        head[n++] = pt_slice_lit("EVAL");
        head[n++] = pt_slice(s->text, s->len);

    } else {
        head[n++] = pt_slice_lit("EVALSHA");
        head[n++] = pt_slice(s->sha1, ngx_strlen(s->sha1));
    }

    head[n++] = pt_slice_lit("5");

    for (i = 0; i < NGX_PAYTRADE_REDIS_KEYS; i++) {
        p = ngx_snprintf(keys[i], sizeof(keys[i]), "{pt:%ui}:%s", partition,
                         ngx_paytrade_redis_keys[i]);
        head[n++] = pt_slice(keys[i], p - keys[i]);
    }

    head[n++] = ngx_paytrade_redis_caller(redis, caller);

    return ngx_paytrade_redis_command_parts(redis, cmd, n, head, argc, argv);
}
