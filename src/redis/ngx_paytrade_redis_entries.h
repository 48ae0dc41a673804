/*
 * Entries of the journal as they come in a reply, made easy to walk.
 */

#ifndef NGX_PAYTRADE_REDIS_ENTRIES_H
#define NGX_PAYTRADE_REDIS_ENTRIES_H

#include "ngx_paytrade_redis_journal.h"


/* Keeps the reply that its slices point into. */
typedef struct {
    ngx_paytrade_redis_entries_t   view;
    pt_slice_t                    *ack;      /* id, nops, id, nops… */
    ngx_uint_t                     nack;
    redisReply                    *reply;
    void                          *block;
} ngx_paytrade_redis_taken_t;


/* The list of entries in a reply of XREADGROUP or XAUTOCLAIM; NULL: none. */
redisReply *ngx_paytrade_redis_entries_read(redisReply *reply);
redisReply *ngx_paytrade_redis_entries_claimed(redisReply *reply);

/*
 * NGX_OK: taken points into list, and owns reply, of which list is a part.
 * NGX_DECLINED: they make no sense.  NGX_ERROR: out of memory.
 */
ngx_int_t ngx_paytrade_redis_entries_take(ngx_paytrade_redis_taken_t *taken,
    redisReply *list, redisReply *reply, ngx_log_t *log);

void ngx_paytrade_redis_entries_release(ngx_paytrade_redis_taken_t *taken);


#endif /* NGX_PAYTRADE_REDIS_ENTRIES_H */
