/*
 * The inside of the journal's reader: its states, and what its files share.
 */

#ifndef NGX_PAYTRADE_REDIS_CONSUME_H
#define NGX_PAYTRADE_REDIS_CONSUME_H

#include "ngx_paytrade_redis_connection.h"
#include "ngx_paytrade_redis_entries.h"


#define NGX_PAYTRADE_JOURNAL_BACKOFF_MIN  50
#define NGX_PAYTRADE_JOURNAL_BACKOFF_MAX  3000

#define NGX_PAYTRADE_JOURNAL_CURSOR_MAX   64
#define NGX_PAYTRADE_JOURNAL_KEY_LEN      (sizeof("{pt:}:journal")            \
                                           + NGX_INT_T_LEN)


/*
 * OFFLINE | PAUSED -> GROUPING -> HISTORY -> CLAIMING -> FRESH;
 * HISTORY | CLAIMING | FRESH -> GIVEN -> ACKING (-> UNACKED -> ACKING);
 * after ACKING whichever of the reads is next
 */
typedef enum {
    NGX_PAYTRADE_JOURNAL_OFFLINE = 0,  /* no connection to read on */
    NGX_PAYTRADE_JOURNAL_PAUSED,       /* refused: the next try comes later */
    NGX_PAYTRADE_JOURNAL_GROUPING,     /* asked for the group to be made */
    NGX_PAYTRADE_JOURNAL_HISTORY,      /* for what this consumer once read */
    NGX_PAYTRADE_JOURNAL_CLAIMING,     /* for what another did not finish */
    NGX_PAYTRADE_JOURNAL_FRESH,        /* for what is new */
    NGX_PAYTRADE_JOURNAL_GIVEN,        /* the owner has entries */
    NGX_PAYTRADE_JOURNAL_ACKING,       /* the ack script is in flight */
    NGX_PAYTRADE_JOURNAL_UNACKED       /* failed: the next try comes later */
} ngx_paytrade_redis_journal_state_e;


struct ngx_paytrade_redis_journal_s {
    void                                *ident[3];  /* as a connection */
    ngx_socket_t                         fd;

    ngx_paytrade_redis_journal_state_e   state;
    ngx_paytrade_redis_journal_conf_t    conf;
    ngx_paytrade_redis_t                *reader;
    ngx_paytrade_redis_cmd_t             read;
    ngx_paytrade_redis_cmd_t             ack;
    ngx_paytrade_redis_watch_t           watch;     /* of conf.commands */
    ngx_paytrade_redis_taken_t           taken;
    ngx_event_t                          timer;     /* of the state */
    ngx_msec_t                           backoff;
    ngx_msec_t                           claimed_at;
    ngx_uint_t                           busy;      /* depth of own functions */
    pt_slice_t                           key;
    pt_slice_t                           cursor;    /* of XAUTOCLAIM */

    unsigned                             grouped:1;
    unsigned                             history:1; /* not read to its end */
    unsigned                             eager:1;   /* do not wait for news */
    unsigned                             whole:1;   /* ack with its text */
    unsigned                             acking:1;  /* ack is in flight */
    unsigned                             closed:1;

    u_char                               key_text[NGX_PAYTRADE_JOURNAL_KEY_LEN];
    u_char                               cursor_text
                                            [NGX_PAYTRADE_JOURNAL_CURSOR_MAX];
};


/* ngx_paytrade_redis_consume.c */

/* Asks for whatever is to be read next. */
void ngx_paytrade_redis_journal_next(ngx_paytrade_redis_journal_t *journal);

void ngx_paytrade_redis_journal_read_handler(ngx_paytrade_redis_cmd_t *cmd,
    ngx_paytrade_redis_outcome_e outcome, redisReply *reply);


/* ngx_paytrade_redis_journal.c */

/* Nobody frees the object between these two. */
void ngx_paytrade_redis_journal_enter(ngx_paytrade_redis_journal_t *journal);
void ngx_paytrade_redis_journal_leave(ngx_paytrade_redis_journal_t *journal);

void ngx_paytrade_redis_journal_ack(ngx_paytrade_redis_journal_t *journal);

/* Stays in this state until a timer ends it. */
void ngx_paytrade_redis_journal_back_off(ngx_paytrade_redis_journal_t *journal,
    ngx_paytrade_redis_journal_state_e state);
void ngx_paytrade_redis_journal_arm(ngx_paytrade_redis_journal_t *journal,
    ngx_msec_t delay);
void ngx_paytrade_redis_journal_disarm(ngx_paytrade_redis_journal_t *journal);


#endif /* NGX_PAYTRADE_REDIS_CONSUME_H */
