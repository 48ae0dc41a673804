/*
 * The reading end of the journal: a partition's stream, read by one consumer
 * of the group "postgres", entry by entry, its own history first.
 *
 * It reads on a connection of its own (XREADGROUP blocks), gives what it read
 * to its owner and reads on when the owner says that PostgreSQL has it.
 * Entries that another consumer left lying are taken over.
 */

#ifndef NGX_PAYTRADE_REDIS_JOURNAL_H
#define NGX_PAYTRADE_REDIS_JOURNAL_H

#include "ngx_paytrade_redis.h"


typedef struct ngx_paytrade_redis_journal_s  ngx_paytrade_redis_journal_t;


typedef struct {
    pt_slice_t   id;           /* of the stream entry */
    ngx_uint_t   nops;
    ngx_uint_t   first;        /* index of its first field in ops */
} ngx_paytrade_redis_entry_t;


typedef struct {
    ngx_paytrade_redis_entry_t  *entries;
    ngx_uint_t                   nentries;
    pt_slice_t                  *kinds;     /* of each operation */
    pt_slice_t                  *rows;
    ngx_uint_t                   nops;
} ngx_paytrade_redis_entries_t;


/*
 * entries lives until the owner calls ngx_paytrade_redis_journal_done or
 * _again, or until the journal is closed.
 */
typedef void (*ngx_paytrade_redis_journal_pt)(void *data,
    ngx_paytrade_redis_entries_t *entries);


typedef struct {
    ngx_paytrade_redis_conf_t      *redis;
    ngx_paytrade_redis_t           *commands;   /* XDEL, XACK go here */
    ngx_uint_t                      partition;
    ngx_str_t                       consumer;   /* "slot-0" */
    ngx_uint_t                      entries;    /* XREADGROUP COUNT */
    ngx_msec_t                      idle;       /* take over after this */
    ngx_paytrade_redis_journal_pt   handler;
    void                           *data;
    ngx_log_t                      *log;
} ngx_paytrade_redis_journal_conf_t;


/* Starts reading. */
ngx_paytrade_redis_journal_t *ngx_paytrade_redis_journal_open(
    ngx_paytrade_redis_journal_conf_t *conf);

/* PostgreSQL has committed all that was given: delete, acknowledge, read on. */
void ngx_paytrade_redis_journal_done(ngx_paytrade_redis_journal_t *journal);

/* Forget what was given without acknowledging it; it is read again. */
void ngx_paytrade_redis_journal_again(ngx_paytrade_redis_journal_t *journal);

/*
 * Stops and frees; nothing more is given, what was given is gone.  Before or
 * after `commands` is closed.  A worker that leaves reads no more by itself; a
 * batch that the owner then still finishes is acknowledged.
 */
void ngx_paytrade_redis_journal_close(ngx_paytrade_redis_journal_t *journal);


#endif /* NGX_PAYTRADE_REDIS_JOURNAL_H */
