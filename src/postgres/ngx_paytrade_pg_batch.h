/*
 * The transactions of the journal's writer: operations into statements, and
 * what the results say about them.
 */

#ifndef NGX_PAYTRADE_PG_BATCH_H
#define NGX_PAYTRADE_PG_BATCH_H

#include "ngx_paytrade_pg_arrays.h"
#include "ngx_paytrade_pg_writer.h"


#define NGX_PAYTRADE_PG_BATCH_STATEMENTS   15
#define NGX_PAYTRADE_PG_BATCH_ARRAYS       78
#define NGX_PAYTRADE_PG_BATCH_PARAMS       148
#define NGX_PAYTRADE_PG_BATCH_NONE         ((ngx_uint_t) -1)


/* An operation that cannot be written, and why. */
typedef struct {
    pt_op_t     *op;
    const char  *reason;
    char         sqlstate[6];
} ngx_paytrade_pg_dead_t;


typedef struct {
    ngx_paytrade_pg_statement_t   statements[NGX_PAYTRADE_PG_BATCH_STATEMENTS];
    ngx_uint_t                    nstatements;

    const char                   *params[NGX_PAYTRADE_PG_BATCH_PARAMS];
    ngx_uint_t                    nparams;

    ngx_paytrade_pg_array_t       arrays[NGX_PAYTRADE_PG_BATCH_ARRAYS];
    ngx_uint_t                    narrays;

    char                          partition[NGX_INT_T_LEN + 1];
    char                          max_id[PT_ID_LEN + 1];
    char                          last_id[64];
    char                          currency[16];

    /* of each kind: its first operation, the statement that finds conflicts */
    pt_op_t                      *first[PT_OP_TYPES];
    ngx_uint_t                    conflicts[PT_OP_TYPES];
    ngx_uint_t                    progress;     /* the statement */

    unsigned                      failed:1;     /* out of memory */
} ngx_paytrade_pg_batch_t;


void ngx_paytrade_pg_batch_init(ngx_paytrade_pg_batch_t *batch,
    ngx_uint_t partition, ngx_str_t *currency, pt_slice_t last_id);
void ngx_paytrade_pg_batch_free(ngx_paytrade_pg_batch_t *batch);

/* Begins another transaction. */
void ngx_paytrade_pg_batch_reset(ngx_paytrade_pg_batch_t *batch);

/* Adds the statements that write n operations, sorted by kind and key. */
void ngx_paytrade_pg_batch_ops(ngx_paytrade_pg_batch_t *batch, pt_op_t *ops,
    ngx_uint_t n);

void ngx_paytrade_pg_batch_dead(ngx_paytrade_pg_batch_t *batch,
    ngx_paytrade_pg_dead_t *dead, ngx_uint_t n);

/* Adds the partition's progress. */
void ngx_paytrade_pg_batch_progress(ngx_paytrade_pg_batch_t *batch);

/*
 * The next operation that the results call a conflict, or NULL; state is the
 * caller's and zero at first.
 */
pt_op_t *ngx_paytrade_pg_batch_conflict(ngx_paytrade_pg_batch_t *batch,
    PGresult **results, ngx_uint_t state[2]);

int64_t ngx_paytrade_pg_batch_epoch(ngx_paytrade_pg_batch_t *batch,
    PGresult **results);


/* For the files that make the statements of a kind. */

typedef void (*ngx_paytrade_pg_batch_pt)(ngx_paytrade_pg_batch_t *batch,
    pt_op_t *ops, ngx_uint_t n);

/* The next n arrays. */
ngx_paytrade_pg_array_t *ngx_paytrade_pg_batch_arrays(
    ngx_paytrade_pg_batch_t *batch, ngx_uint_t n);

/* Adds a statement: its number.  Parameters are those of the last one. */
ngx_uint_t ngx_paytrade_pg_batch_statement(ngx_paytrade_pg_batch_t *batch,
    const char *sql);
void ngx_paytrade_pg_batch_param(ngx_paytrade_pg_batch_t *batch,
    const char *value);

/* Ends n arrays and adds them. */
void ngx_paytrade_pg_batch_params(ngx_paytrade_pg_batch_t *batch,
    ngx_paytrade_pg_array_t *arrays, ngx_uint_t n);

/* Adds n that an earlier statement has, from `first` on. */
void ngx_paytrade_pg_batch_same(ngx_paytrade_pg_batch_t *batch,
    const char **first, ngx_uint_t n);

/* An order_id or pay_no that progress is to know of. */
void ngx_paytrade_pg_batch_id(ngx_paytrade_pg_batch_t *batch, pt_slice_t id);

void ngx_paytrade_pg_batch_word(ngx_paytrade_pg_array_t *array,
    const char *word);

/* ngx_paytrade_pg_batch_payments.c */
void ngx_paytrade_pg_batch_payments(ngx_paytrade_pg_batch_t *batch,
    pt_op_t *ops, ngx_uint_t n);
void ngx_paytrade_pg_batch_refunds(ngx_paytrade_pg_batch_t *batch,
    pt_op_t *ops, ngx_uint_t n);
void ngx_paytrade_pg_batch_orphans(ngx_paytrade_pg_batch_t *batch,
    pt_op_t *ops, ngx_uint_t n);


#endif /* NGX_PAYTRADE_PG_BATCH_H */
