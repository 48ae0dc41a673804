/*
 * What restore.lua answers, read.
 */

#include "ngx_http_paytrade.h"


/* What restore.lua answers: a header, then one string. */
pt_slice_t
ngx_http_paytrade_restore_reply(redisReply *reply)
{
    redisReply  *text;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2) {
        return pt_slice_null;
    }

    text = reply->element[1];

    if (text->type != REDIS_REPLY_STRING) {
        return pt_slice_null;
    }

    return pt_slice(text->str, text->len);
}


ngx_int_t
ngx_http_paytrade_read_state(ngx_http_paytrade_partition_t *part,
    redisReply *reply, ngx_http_paytrade_found_t *found)
{
    int64_t     waiting, now_ms;
    pt_slice_t  text, f[8], id[2];

    text = ngx_http_paytrade_restore_reply(reply);

    /* state run epoch fresh partitions last_id waiting now_ms */

    if (pt_slice_split(text, '\t', f, 8) != 8
        || !pt_slice_eq(f[0], pt_slice_lit("state")))
    {
        return NGX_ERROR;
    }

    found->run = f[1];
    found->fresh = pt_slice_eq(f[3], pt_slice_lit("1"));
    found->epoch = 0;
    found->partitions = 0;
    part->redis_last_ms = 0;
    part->redis_last_seq = 0;

    if ((f[2].len && pt_slice_uint(f[2], INT64_MAX, &found->epoch) != 0)
        || (f[4].len && pt_slice_uint(f[4], PT_PARTITIONS_MAX,
                                      &found->partitions) != 0)
        || (f[6].len && pt_slice_uint(f[6], INT64_MAX, &waiting) != 0)
        || pt_slice_uint(f[7], PT_TIME_MAX_MS, &now_ms) != 0)
    {
        return NGX_ERROR;
    }

    if (f[5].len
        && (pt_slice_split(f[5], '-', id, 2) != 2
            || pt_slice_uint(id[0], INT64_MAX, &part->redis_last_ms) != 0
            || pt_slice_uint(id[1], INT64_MAX, &part->redis_last_seq) != 0))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}
