/*
 * The reader of the journal: opening, closing, and the acknowledgement of what
 * PostgreSQL has.
 */

#include "ngx_paytrade_redis_consume.h"


#define NGX_PAYTRADE_JOURNAL_NAME_LEN  (sizeof("paytrade-journal-")           \
                                        + NGX_INT_T_LEN)


static void ngx_paytrade_redis_journal_ready(ngx_paytrade_redis_t *redis,
    void *data, ngx_uint_t ready);
static void ngx_paytrade_redis_journal_watch(ngx_paytrade_redis_watch_t *watch,
    ngx_paytrade_redis_state_e state);
static void ngx_paytrade_redis_journal_ack_handler(
    ngx_paytrade_redis_cmd_t *cmd, ngx_paytrade_redis_outcome_e outcome,
    redisReply *reply);
static ngx_uint_t ngx_paytrade_redis_journal_acked(redisReply *reply);
static void ngx_paytrade_redis_journal_timer(ngx_event_t *ev);


ngx_paytrade_redis_journal_t *
ngx_paytrade_redis_journal_open(ngx_paytrade_redis_journal_conf_t *conf)
{
    u_char                        *last;
    ngx_str_t                      name;
    ngx_paytrade_redis_journal_t  *journal;
    u_char                         text[NGX_PAYTRADE_JOURNAL_NAME_LEN];

    journal = ngx_calloc(sizeof(ngx_paytrade_redis_journal_t)
                         + conf->consumer.len, conf->log);
    if (journal == NULL) {
        return NULL;
    }

    journal->fd = (ngx_socket_t) -1;
    journal->conf = *conf;
    journal->conf.entries = ngx_max(conf->entries, 1);
    journal->conf.consumer.data = (u_char *) (journal + 1);
    ngx_memcpy(journal->conf.consumer.data, conf->consumer.data,
               conf->consumer.len);

    journal->read.handler = ngx_paytrade_redis_journal_read_handler;
    journal->read.data = journal;
    journal->ack.handler = ngx_paytrade_redis_journal_ack_handler;
    journal->ack.data = journal;

    journal->timer.handler = ngx_paytrade_redis_journal_timer;
    journal->timer.data = journal;
    journal->timer.log = conf->log;
    journal->timer.cancelable = 1;

    journal->backoff = NGX_PAYTRADE_JOURNAL_BACKOFF_MIN;
    journal->claimed_at = ngx_current_msec - conf->idle;
    journal->cursor = pt_slice_lit("0-0");

    last = ngx_snprintf(journal->key_text, sizeof(journal->key_text),
                        "{pt:%ui}:journal", conf->partition);
    journal->key = pt_slice(journal->key_text, last - journal->key_text);

    last = ngx_snprintf(text, sizeof(text), "paytrade-journal-%ui",
                        conf->partition);
    name.data = text;
    name.len = last - text;

    journal->reader = ngx_paytrade_redis_open(conf->redis, conf->log, &name, 1,
                                              ngx_paytrade_redis_journal_ready,
                                              journal);
    if (journal->reader == NULL) {
        ngx_free(journal);
        return NULL;
    }

    journal->watch.handler = ngx_paytrade_redis_journal_watch;
    journal->watch.data = journal;
    ngx_paytrade_redis_watch(conf->commands, &journal->watch);

    return journal;
}


void
ngx_paytrade_redis_journal_done(ngx_paytrade_redis_journal_t *journal)
{
    if (journal->state != NGX_PAYTRADE_JOURNAL_GIVEN) {
        return;
    }

    ngx_paytrade_redis_journal_enter(journal);
    ngx_paytrade_redis_journal_ack(journal);
    ngx_paytrade_redis_journal_leave(journal);
}


void
ngx_paytrade_redis_journal_again(ngx_paytrade_redis_journal_t *journal)
{
    if (journal->state != NGX_PAYTRADE_JOURNAL_GIVEN) {
        return;
    }

    ngx_paytrade_redis_entries_release(&journal->taken);
    journal->history = 1;

    ngx_paytrade_redis_journal_enter(journal);
    ngx_paytrade_redis_journal_next(journal);
    ngx_paytrade_redis_journal_leave(journal);
}


void
ngx_paytrade_redis_journal_close(ngx_paytrade_redis_journal_t *journal)
{
    ngx_paytrade_redis_journal_enter(journal);

    journal->closed = 1;

    ngx_paytrade_redis_close(journal->reader);
    ngx_paytrade_redis_journal_disarm(journal);
    ngx_paytrade_redis_entries_release(&journal->taken);

    if (journal->conf.commands != NULL) {
        ngx_paytrade_redis_unwatch(&journal->watch);
        journal->conf.commands = NULL;
    }

    ngx_paytrade_redis_journal_leave(journal);
}


void
ngx_paytrade_redis_journal_enter(ngx_paytrade_redis_journal_t *journal)
{
    journal->busy++;
}


/* An ack in flight still points here. */
void
ngx_paytrade_redis_journal_leave(ngx_paytrade_redis_journal_t *journal)
{
    if (--journal->busy == 0 && journal->closed && !journal->acking) {
        ngx_free(journal);
    }
}


static void
ngx_paytrade_redis_journal_ready(ngx_paytrade_redis_t *redis, void *data,
    ngx_uint_t ready)
{
    ngx_paytrade_redis_journal_t  *journal;

    journal = data;

    if (!ready) {
        return;
    }

    journal->grouped = 0;
    journal->history = 1;

    switch (journal->state) {

    case NGX_PAYTRADE_JOURNAL_GIVEN:
    case NGX_PAYTRADE_JOURNAL_ACKING:
    case NGX_PAYTRADE_JOURNAL_UNACKED:
        break;

    default:
        ngx_paytrade_redis_journal_next(journal);
        break;
    }
}


static void
ngx_paytrade_redis_journal_watch(ngx_paytrade_redis_watch_t *watch,
    ngx_paytrade_redis_state_e state)
{
    ngx_paytrade_redis_journal_t  *journal;

    journal = watch->data;

    if (state == NGX_PAYTRADE_REDIS_CLOSED) {
        journal->conf.commands = NULL;
        return;
    }

    if (state == NGX_PAYTRADE_REDIS_READY
        && journal->state == NGX_PAYTRADE_JOURNAL_UNACKED)
    {
        ngx_paytrade_redis_journal_enter(journal);
        ngx_paytrade_redis_journal_ack(journal);
        ngx_paytrade_redis_journal_leave(journal);
    }
}


/* Said as often as needed: it is harmless twice. */
void
ngx_paytrade_redis_journal_ack(ngx_paytrade_redis_journal_t *journal)
{
    ngx_int_t  rc;

    ngx_paytrade_redis_journal_disarm(journal);

    rc = NGX_DECLINED;

    if (journal->conf.commands != NULL) {
        rc = ngx_paytrade_redis_script(journal->conf.commands, &journal->ack,
                                       NGX_PAYTRADE_SCRIPT_ACK,
                                       journal->conf.partition, journal->whole,
                                       journal->taken.nack, journal->taken.ack);
    }

    if (rc != NGX_OK) {
        ngx_paytrade_redis_journal_back_off(journal,
                                            NGX_PAYTRADE_JOURNAL_UNACKED);
        return;
    }

    journal->state = NGX_PAYTRADE_JOURNAL_ACKING;
    journal->acking = 1;
}


static void
ngx_paytrade_redis_journal_ack_handler(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply)
{
    ngx_uint_t                     whole;
    ngx_paytrade_redis_journal_t  *journal;

    journal = cmd->data;
    journal->acking = 0;

    whole = journal->whole;
    journal->whole = 0;

    ngx_paytrade_redis_journal_enter(journal);

    if (journal->closed) {
        ngx_paytrade_redis_journal_leave(journal);
        return;
    }

    if (outcome == NGX_PAYTRADE_REDIS_OK
        && ngx_paytrade_redis_journal_acked(reply))
    {
        journal->backoff = NGX_PAYTRADE_JOURNAL_BACKOFF_MIN;
        journal->eager = 1;

        ngx_paytrade_redis_entries_release(&journal->taken);
        ngx_paytrade_redis_journal_next(journal);

    } else if (outcome == NGX_PAYTRADE_REDIS_NOSCRIPT && !whole) {
        journal->whole = 1;
        ngx_paytrade_redis_journal_ack(journal);

    } else {
        ngx_paytrade_redis_journal_back_off(journal,
                                            NGX_PAYTRADE_JOURNAL_UNACKED);
    }

    ngx_paytrade_redis_journal_leave(journal);
}


static ngx_uint_t
ngx_paytrade_redis_journal_acked(redisReply *reply)
{
    redisReply  *header;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0) {
        return 0;
    }

    header = reply->element[0];

    return header->type == REDIS_REPLY_STRING && header->len >= 2
           && header->str[0] == 'o' && header->str[1] == 'k';
}


void
ngx_paytrade_redis_journal_back_off(ngx_paytrade_redis_journal_t *journal,
    ngx_paytrade_redis_journal_state_e state)
{
    ngx_msec_t  delay;

    delay = journal->backoff * (75 + ngx_random() % 51) / 100;

    journal->backoff = ngx_min(journal->backoff * 2,
                               NGX_PAYTRADE_JOURNAL_BACKOFF_MAX);
    journal->state = state;

    ngx_paytrade_redis_journal_arm(journal, delay);
}


/* Cancelable: what is not acknowledged is read again by the next worker. */
void
ngx_paytrade_redis_journal_arm(ngx_paytrade_redis_journal_t *journal,
    ngx_msec_t delay)
{
    ngx_paytrade_redis_journal_disarm(journal);
    ngx_add_timer(&journal->timer, delay);
}


void
ngx_paytrade_redis_journal_disarm(ngx_paytrade_redis_journal_t *journal)
{
    if (journal->timer.timer_set) {
        ngx_del_timer(&journal->timer);
    }
}


static void
ngx_paytrade_redis_journal_timer(ngx_event_t *ev)
{
    ngx_paytrade_redis_journal_t  *journal;

    journal = ev->data;

    ngx_paytrade_redis_journal_enter(journal);

    switch (journal->state) {

    case NGX_PAYTRADE_JOURNAL_GROUPING:
    case NGX_PAYTRADE_JOURNAL_HISTORY:
    case NGX_PAYTRADE_JOURNAL_CLAIMING:
    case NGX_PAYTRADE_JOURNAL_FRESH:
        ngx_paytrade_redis_reconnect(journal->reader,
                                     "no reply to a read of the journal");
        break;

    case NGX_PAYTRADE_JOURNAL_PAUSED:
        ngx_paytrade_redis_journal_next(journal);
        break;

    case NGX_PAYTRADE_JOURNAL_UNACKED:
        ngx_paytrade_redis_journal_ack(journal);
        break;

    default:
        break;
    }

    ngx_paytrade_redis_journal_leave(journal);
}
