/*
 * The writing end of the journal: batches of operations into tables, once.
 *
 * A batch is folded and written in one transaction with the partition's row of
 * paytrade.progress.  What is the data's fault is bisected down to the single
 * operation, which goes to paytrade.dead_letter; what is the server's fault is
 * tried again, with back-off, for as long as it takes.
 */

#ifndef NGX_PAYTRADE_PG_WRITER_H
#define NGX_PAYTRADE_PG_WRITER_H

#include "ngx_paytrade_pg.h"
#include "pt_journal.h"


typedef struct ngx_paytrade_pg_writer_s  ngx_paytrade_pg_writer_t;


typedef struct {
    ngx_uint_t   batches;      /* transactions committed */
    ngx_uint_t   rows;         /* operations written, after folding */
    ngx_uint_t   dead;         /* operations set aside as poison */
    ngx_uint_t   conflicts;    /* same rev, other content: set aside */
    ngx_uint_t   errors;       /* tries that failed */
    ngx_uint_t   stalled;      /* 1: a batch is poison as a whole, see log */
} ngx_paytrade_pg_writer_stats_t;


/*
 * All operations of the batch are in PostgreSQL or in the dead letter; dead is
 * how many of them went there (poison, malformed or in conflict).  epoch is
 * what paytrade.progress says.  May call ngx_paytrade_pg_writer_write() and
 * ngx_paytrade_pg_writer_destroy().
 */
typedef void (*ngx_paytrade_pg_written_pt)(void *data, int64_t epoch,
    ngx_uint_t dead);


typedef struct {
    ngx_paytrade_pg_t            *pg;
    ngx_str_t                     currency;   /* ISO 4217 */
    ngx_msec_t                    backoff_max;
    ngx_log_t                    *log;
} ngx_paytrade_pg_writer_conf_t;


ngx_paytrade_pg_writer_t *ngx_paytrade_pg_writer_create(
    ngx_paytrade_pg_writer_conf_t *conf);

/* Gives up a batch that is under way; its handler is not called. */
void ngx_paytrade_pg_writer_destroy(ngx_paytrade_pg_writer_t *writer);

/*
 * Writes n operations of a partition; ops and what its slices point into stay
 * the caller's and untouched-by-others until the handler is called; the writer
 * reorders ops.  last_id is the id of the newest stream entry among them; when
 * it is empty progress keeps its own (a dead letter that is replayed).  One
 * batch at a time; n may be 0.
 */
void ngx_paytrade_pg_writer_write(ngx_paytrade_pg_writer_t *writer,
    ngx_uint_t partition, pt_slice_t last_id, pt_op_t *ops, ngx_uint_t n,
    ngx_paytrade_pg_written_pt handler, void *data);

/* Counters since the writer was made. */
ngx_paytrade_pg_writer_stats_t *ngx_paytrade_pg_writer_stats(
    ngx_paytrade_pg_writer_t *writer);


#endif /* NGX_PAYTRADE_PG_WRITER_H */
