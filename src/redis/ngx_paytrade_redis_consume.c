/*
 * The reader of the journal: what it asks Redis for, in which order, and what
 * it makes of the answers.
 */

#include "ngx_paytrade_redis_consume.h"


#define NGX_PAYTRADE_JOURNAL_BLOCK  "1000"
#define NGX_PAYTRADE_JOURNAL_WAIT   1000


static void ngx_paytrade_redis_journal_group(
    ngx_paytrade_redis_journal_t *journal);
static void ngx_paytrade_redis_journal_history(
    ngx_paytrade_redis_journal_t *journal);
static void ngx_paytrade_redis_journal_claim(
    ngx_paytrade_redis_journal_t *journal);
static void ngx_paytrade_redis_journal_fresh(
    ngx_paytrade_redis_journal_t *journal);
static void ngx_paytrade_redis_journal_send(
    ngx_paytrade_redis_journal_t *journal,
    ngx_paytrade_redis_journal_state_e state, ngx_uint_t argc,
    pt_slice_t *argv);
static void ngx_paytrade_redis_journal_refused(
    ngx_paytrade_redis_journal_t *journal, redisReply *reply);
static void ngx_paytrade_redis_journal_had_history(
    ngx_paytrade_redis_journal_t *journal, redisReply *reply);
static void ngx_paytrade_redis_journal_had_claims(
    ngx_paytrade_redis_journal_t *journal, redisReply *reply);
static void ngx_paytrade_redis_journal_had_fresh(
    ngx_paytrade_redis_journal_t *journal, redisReply *reply);
static void ngx_paytrade_redis_journal_give(
    ngx_paytrade_redis_journal_t *journal, redisReply *list);


void
ngx_paytrade_redis_journal_next(ngx_paytrade_redis_journal_t *journal)
{
    ngx_msec_t  age;

    ngx_paytrade_redis_journal_disarm(journal);

    if (journal->closed || ngx_exiting
        || ngx_paytrade_redis_state(journal->reader)
           != NGX_PAYTRADE_REDIS_READY)
    {
        journal->state = NGX_PAYTRADE_JOURNAL_OFFLINE;
        return;
    }

    age = ngx_current_msec - journal->claimed_at;

    if (!journal->grouped) {
        ngx_paytrade_redis_journal_group(journal);

    } else if (journal->history) {
        ngx_paytrade_redis_journal_history(journal);

    } else if (age >= journal->conf.idle / 2) {
        ngx_paytrade_redis_journal_claim(journal);

    } else {
        ngx_paytrade_redis_journal_fresh(journal);
    }
}


static void
ngx_paytrade_redis_journal_group(ngx_paytrade_redis_journal_t *journal)
{
    pt_slice_t  argv[6];

    argv[0] = pt_slice_lit("XGROUP");
    argv[1] = pt_slice_lit("CREATE");
    argv[2] = journal->key;
    argv[3] = pt_slice_lit("postgres");
    argv[4] = pt_slice_lit("0");
    argv[5] = pt_slice_lit("MKSTREAM");

    ngx_paytrade_redis_journal_send(journal, NGX_PAYTRADE_JOURNAL_GROUPING,
                                    6, argv);
}


/* From 0 each time: what is acknowledged is no longer part of it. */
static void
ngx_paytrade_redis_journal_history(ngx_paytrade_redis_journal_t *journal)
{
    u_char      *last;
    pt_slice_t   argv[9];
    u_char       count[NGX_INT_T_LEN];

    last = ngx_sprintf(count, "%ui", journal->conf.entries);

    argv[0] = pt_slice_lit("XREADGROUP");
    argv[1] = pt_slice_lit("GROUP");
    argv[2] = pt_slice_lit("postgres");
    argv[3] = pt_slice(journal->conf.consumer.data, journal->conf.consumer.len);
    argv[4] = pt_slice_lit("COUNT");
    argv[5] = pt_slice(count, last - count);
    argv[6] = pt_slice_lit("STREAMS");
    argv[7] = journal->key;
    argv[8] = pt_slice_lit("0");

    ngx_paytrade_redis_journal_send(journal, NGX_PAYTRADE_JOURNAL_HISTORY,
                                    9, argv);
}


static void
ngx_paytrade_redis_journal_claim(ngx_paytrade_redis_journal_t *journal)
{
    u_char      *last;
    pt_slice_t   argv[8];
    u_char       count[NGX_INT_T_LEN];
    u_char       idle[NGX_INT_T_LEN];

    argv[0] = pt_slice_lit("XAUTOCLAIM");
    argv[1] = journal->key;
    argv[2] = pt_slice_lit("postgres");
    argv[3] = pt_slice(journal->conf.consumer.data, journal->conf.consumer.len);

    last = ngx_sprintf(idle, "%M", journal->conf.idle);
    argv[4] = pt_slice(idle, last - idle);

    argv[5] = journal->cursor;
    argv[6] = pt_slice_lit("COUNT");

    last = ngx_sprintf(count, "%ui", journal->conf.entries);
    argv[7] = pt_slice(count, last - count);

    ngx_paytrade_redis_journal_send(journal, NGX_PAYTRADE_JOURNAL_CLAIMING,
                                    8, argv);
}


static void
ngx_paytrade_redis_journal_fresh(ngx_paytrade_redis_journal_t *journal)
{
    u_char      *last;
    ngx_uint_t   n;
    pt_slice_t   argv[11];
    u_char       count[NGX_INT_T_LEN];

    last = ngx_sprintf(count, "%ui", journal->conf.entries);
    n = 0;

    argv[n++] = pt_slice_lit("XREADGROUP");
    argv[n++] = pt_slice_lit("GROUP");
    argv[n++] = pt_slice_lit("postgres");
    argv[n++] = pt_slice(journal->conf.consumer.data,
                         journal->conf.consumer.len);
    argv[n++] = pt_slice_lit("COUNT");
    argv[n++] = pt_slice(count, last - count);

    if (!journal->eager) {
        argv[n++] = pt_slice_lit("BLOCK");
        argv[n++] = pt_slice_lit(NGX_PAYTRADE_JOURNAL_BLOCK);
    }

    argv[n++] = pt_slice_lit("STREAMS");
    argv[n++] = journal->key;
    argv[n++] = pt_slice_lit(">");

    ngx_paytrade_redis_journal_send(journal, NGX_PAYTRADE_JOURNAL_FRESH,
                                    n, argv);
}


/* A blocking connection has no time-out for replies: this one counts. */
static void
ngx_paytrade_redis_journal_send(ngx_paytrade_redis_journal_t *journal,
    ngx_paytrade_redis_journal_state_e state, ngx_uint_t argc, pt_slice_t *argv)
{
    if (ngx_paytrade_redis_command(journal->reader, &journal->read, argc, argv)
        != NGX_OK)
    {
        ngx_paytrade_redis_journal_back_off(journal,
                                            NGX_PAYTRADE_JOURNAL_PAUSED);
        return;
    }

    journal->state = state;

    ngx_paytrade_redis_journal_arm(journal, NGX_PAYTRADE_JOURNAL_WAIT
                                            + journal->conf.redis->timeout);
}


void
ngx_paytrade_redis_journal_read_handler(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply)
{
    ngx_paytrade_redis_journal_t  *journal;

    journal = cmd->data;

    if (journal->closed) {
        return;
    }

    ngx_paytrade_redis_journal_disarm(journal);

    if (outcome != NGX_PAYTRADE_REDIS_OK
        && !ngx_paytrade_redis_error_is(reply, "BUSYGROUP"))
    {
        ngx_paytrade_redis_journal_refused(journal, reply);
        return;
    }

    journal->backoff = NGX_PAYTRADE_JOURNAL_BACKOFF_MIN;

    ngx_paytrade_redis_journal_enter(journal);

    switch (journal->state) {

    case NGX_PAYTRADE_JOURNAL_GROUPING:
        journal->grouped = 1;
        ngx_paytrade_redis_journal_next(journal);
        break;

    case NGX_PAYTRADE_JOURNAL_HISTORY:
        ngx_paytrade_redis_journal_had_history(journal, reply);
        break;

    case NGX_PAYTRADE_JOURNAL_CLAIMING:
        ngx_paytrade_redis_journal_had_claims(journal, reply);
        break;

    case NGX_PAYTRADE_JOURNAL_FRESH:
        ngx_paytrade_redis_journal_had_fresh(journal, reply);
        break;

    default:
        break;
    }

    ngx_paytrade_redis_journal_leave(journal);
}


/* reply is NULL when the connection was lost; it says when it is ready. */
static void
ngx_paytrade_redis_journal_refused(ngx_paytrade_redis_journal_t *journal,
    redisReply *reply)
{
    if (reply == NULL) {
        journal->state = NGX_PAYTRADE_JOURNAL_OFFLINE;
        return;
    }

    if (ngx_paytrade_redis_error_is(reply, "NOGROUP") && journal->grouped) {
        journal->grouped = 0;
        journal->history = 1;

        ngx_paytrade_redis_say(journal->reader, NGX_LOG_WARN, 0,
                               "the group of \"%*s\" is gone, is made again",
                               journal->key.len, journal->key.data);

        ngx_paytrade_redis_journal_next(journal);
        return;
    }

    ngx_paytrade_redis_journal_back_off(journal, NGX_PAYTRADE_JOURNAL_PAUSED);
}


static void
ngx_paytrade_redis_journal_had_history(ngx_paytrade_redis_journal_t *journal,
    redisReply *reply)
{
    redisReply  *list;

    list = ngx_paytrade_redis_entries_read(reply);

    if (list != NULL) {
        ngx_paytrade_redis_journal_give(journal, list);
        return;
    }

    journal->history = 0;
    journal->eager = 1;

    ngx_paytrade_redis_journal_next(journal);
}


static void
ngx_paytrade_redis_journal_had_claims(ngx_paytrade_redis_journal_t *journal,
    redisReply *reply)
{
    redisReply  *list, *cursor;

    journal->claimed_at = ngx_current_msec;
    journal->cursor = pt_slice_lit("0-0");

    list = ngx_paytrade_redis_entries_claimed(reply);

    if (reply->type == REDIS_REPLY_ARRAY && reply->elements >= 2) {
        cursor = reply->element[0];

        if (cursor->type == REDIS_REPLY_STRING
            && cursor->len <= NGX_PAYTRADE_JOURNAL_CURSOR_MAX
            && !pt_slice_eq(pt_slice(cursor->str, cursor->len),
                            journal->cursor))
        {
            /* there is more: go on where this ended, at once */

            ngx_memcpy(journal->cursor_text, cursor->str, cursor->len);
            journal->cursor = pt_slice(journal->cursor_text, cursor->len);
            journal->claimed_at -= journal->conf.idle;
        }
    }

    if (list != NULL) {
        ngx_paytrade_redis_journal_give(journal, list);
        return;
    }

    ngx_paytrade_redis_journal_next(journal);
}


static void
ngx_paytrade_redis_journal_had_fresh(ngx_paytrade_redis_journal_t *journal,
    redisReply *reply)
{
    redisReply  *list;

    list = ngx_paytrade_redis_entries_read(reply);

    if (list != NULL) {
        ngx_paytrade_redis_journal_give(journal, list);
        return;
    }

    journal->eager = 0;

    ngx_paytrade_redis_journal_next(journal);
}


/* The reply stays alive, so nothing is copied. */
static void
ngx_paytrade_redis_journal_give(ngx_paytrade_redis_journal_t *journal,
    redisReply *list)
{
    ngx_int_t    rc;
    redisReply  *reply;

    reply = ngx_paytrade_redis_keep_reply(journal->reader);

    rc = ngx_paytrade_redis_entries_take(&journal->taken, list, reply,
                                         journal->conf.log);

    if (rc != NGX_OK) {
        freeReplyObject(reply);

        ngx_paytrade_redis_say(journal->reader, NGX_LOG_ERR, 0,
                               "entries of \"%*s\" cannot be taken: %s",
                               journal->key.len, journal->key.data,
                               rc == NGX_ERROR ? "out of memory"
                                               : "they make no sense");

        journal->history = 1;
        ngx_paytrade_redis_journal_back_off(journal,
                                            NGX_PAYTRADE_JOURNAL_PAUSED);
        return;
    }

    journal->state = NGX_PAYTRADE_JOURNAL_GIVEN;

    if (journal->taken.view.nops == 0) {
        ngx_paytrade_redis_journal_ack(journal);
        return;
    }

    journal->conf.handler(journal->conf.data, &journal->taken.view);
}
