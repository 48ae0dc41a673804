/*
 * The transactions of the journal's writer: operations into statements over
 * arrays, and what the results say about them.
 */

#include "ngx_paytrade_pg_batch.h"
#include "ngx_paytrade_pg_queries.h"


#define NGX_PAYTRADE_PG_KIND_MAX   64
#define NGX_PAYTRADE_PG_ENTRY_MAX  64


static void ngx_paytrade_pg_batch_orders(ngx_paytrade_pg_batch_t *batch,
    pt_op_t *ops, ngx_uint_t n);
static void ngx_paytrade_pg_batch_lines(ngx_paytrade_pg_array_t *a,
    pt_op_t *ops, ngx_uint_t n);
static void ngx_paytrade_pg_batch_items(ngx_paytrade_pg_batch_t *batch,
    pt_op_t *ops, ngx_uint_t n);
static void ngx_paytrade_pg_batch_sales(ngx_paytrade_pg_batch_t *batch,
    pt_op_t *ops, ngx_uint_t n);
static void ngx_paytrade_pg_batch_admin(ngx_paytrade_pg_batch_t *batch,
    pt_op_t *ops, ngx_uint_t n);
static void ngx_paytrade_pg_batch_last_id(ngx_paytrade_pg_batch_t *batch,
    pt_slice_t id);


/* In the order of pt_op_e. */
static const ngx_paytrade_pg_batch_pt  ngx_paytrade_pg_batch_kinds[] = {
    ngx_paytrade_pg_batch_orders,
    ngx_paytrade_pg_batch_items,
    ngx_paytrade_pg_batch_sales,
    ngx_paytrade_pg_batch_admin,
    ngx_paytrade_pg_batch_payments,
    ngx_paytrade_pg_batch_refunds,
    ngx_paytrade_pg_batch_orphans
};


void
ngx_paytrade_pg_batch_init(ngx_paytrade_pg_batch_t *batch,
    ngx_uint_t partition, ngx_str_t *currency, pt_slice_t last_id)
{
    ngx_sprintf((u_char *) batch->partition, "%ui%Z", partition);

    ngx_cpystrn((u_char *) batch->currency, currency->data,
                ngx_min(currency->len + 1, sizeof(batch->currency)));

    batch->max_id[0] = '\0';

    ngx_paytrade_pg_batch_last_id(batch, last_id);
    ngx_paytrade_pg_batch_reset(batch);
}


/* "ms-seq", of digits, or nothing. */

static void
ngx_paytrade_pg_batch_last_id(ngx_paytrade_pg_batch_t *batch, pt_slice_t id)
{
    size_t      i, dash;
    pt_slice_t  seq;

    batch->last_id[0] = '\0';

    for (i = 0, dash = id.len; i < id.len; i++) {

        if (id.data[i] == '-' && dash == id.len) {
            dash = i;

        } else if (id.data[i] < '0' || id.data[i] > '9') {
            return;
        }
    }

    seq = pt_slice_lit("0");

    if (dash + 1 < id.len) {
        seq = pt_slice(id.data + dash + 1, id.len - dash - 1);
    }

    if (dash && dash <= 20 && seq.len <= 20) {
        ngx_sprintf((u_char *) batch->last_id, "%*s-%*s%Z", dash, id.data,
                    seq.len, seq.data);
    }
}


void
ngx_paytrade_pg_batch_free(ngx_paytrade_pg_batch_t *batch)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_PAYTRADE_PG_BATCH_ARRAYS; i++) {
        ngx_paytrade_pg_array_free(&batch->arrays[i]);
    }
}


void
ngx_paytrade_pg_batch_reset(ngx_paytrade_pg_batch_t *batch)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_PAYTRADE_PG_BATCH_ARRAYS; i++) {
        ngx_paytrade_pg_array_reset(&batch->arrays[i]);
    }

    for (i = 0; i < PT_OP_TYPES; i++) {
        batch->conflicts[i] = NGX_PAYTRADE_PG_BATCH_NONE;
    }

    batch->progress = NGX_PAYTRADE_PG_BATCH_NONE;
    batch->nstatements = 0;
    batch->nparams = 0;
    batch->narrays = 0;
    batch->failed = 0;
}


void
ngx_paytrade_pg_batch_ops(ngx_paytrade_pg_batch_t *batch, pt_op_t *ops,
    ngx_uint_t n)
{
    pt_op_e     type;
    ngx_uint_t  i, first;

    for (i = 0; i < n; /* void */) {
        type = ops[i].type;

        for (first = i; i < n && ops[i].type == type; i++) { /* void */ }

        batch->first[type] = &ops[first];
        ngx_paytrade_pg_batch_kinds[type](batch, &ops[first], i - first);
    }
}


static void
ngx_paytrade_pg_batch_orders(ngx_paytrade_pg_batch_t *batch, pt_op_t *ops,
    ngx_uint_t n)
{
    ngx_uint_t                i;
    pt_order_t               *o;
    const char              **shared;
    ngx_paytrade_pg_array_t  *a;

    a = ngx_paytrade_pg_batch_arrays(batch, 18);

    for (i = 0; i < n; i++) {
        o = &ops[i].u.order;

        ngx_paytrade_pg_array_bare(&a[0], o->id);
        ngx_paytrade_pg_array_text(&a[1], o->user);
        ngx_paytrade_pg_array_text(&a[2], o->sale);
        ngx_paytrade_pg_batch_word(&a[3], pt_order_status_words[o->status]);
        ngx_paytrade_pg_array_int(&a[4], o->amount);
        ngx_paytrade_pg_array_text_or_null(&a[5], o->meta);
        ngx_paytrade_pg_array_int(&a[6], o->rev);
        ngx_paytrade_pg_array_text_or_null(&a[7], o->key);
        ngx_paytrade_pg_array_text_or_null(&a[8], o->body);
        ngx_paytrade_pg_array_int(&a[9], o->created_at);
        ngx_paytrade_pg_array_int(&a[10], o->expires_at);
        ngx_paytrade_pg_array_int(&a[11], o->changed_at);
        ngx_paytrade_pg_array_text(&a[12], o->lines);

        ngx_paytrade_pg_batch_id(batch, o->id);
    }

    ngx_paytrade_pg_batch_lines(&a[13], ops, n);

    ngx_paytrade_pg_batch_statement(batch, ngx_paytrade_pg_write_orders);
    ngx_paytrade_pg_batch_param(batch, batch->partition);
    ngx_paytrade_pg_batch_param(batch, batch->currency);

    shared = &batch->params[batch->nparams];
    ngx_paytrade_pg_batch_params(batch, a, 12);
    ngx_paytrade_pg_batch_params(batch, &a[13], 5);

    batch->conflicts[PT_OP_ORDER] = ngx_paytrade_pg_batch_statement(batch,
                                          ngx_paytrade_pg_conflicting_orders);

    ngx_paytrade_pg_batch_same(batch, shared, 12);
    ngx_paytrade_pg_batch_params(batch, &a[12], 1);
}


static void
ngx_paytrade_pg_batch_lines(ngx_paytrade_pg_array_t *a, pt_op_t *ops,
    ngx_uint_t n)
{
    pt_line_t    line;
    pt_slice_t   lines;
    ngx_uint_t   i, number;

    for (i = 0; i < n; i++) {
        lines = ops[i].u.order.lines;
        number = 0;

        while (pt_order_next_line(&lines, &line) == 1) {
            ngx_paytrade_pg_array_bare(&a[0], ops[i].u.order.id);
            ngx_paytrade_pg_array_int(&a[1], ++number);
            ngx_paytrade_pg_array_text(&a[2], line.sku);
            ngx_paytrade_pg_array_int(&a[3], line.quantity);
            ngx_paytrade_pg_array_int(&a[4], line.unit_price);
        }
    }
}


static void
ngx_paytrade_pg_batch_items(ngx_paytrade_pg_batch_t *batch, pt_op_t *ops,
    ngx_uint_t n)
{
    pt_item_t                *item;
    ngx_uint_t                i;
    const char              **shared;
    ngx_paytrade_pg_array_t  *a;

    a = ngx_paytrade_pg_batch_arrays(batch, 10);

    for (i = 0; i < n; i++) {
        item = &ops[i].u.item;

        ngx_paytrade_pg_array_text(&a[0], item->sku);
        ngx_paytrade_pg_array_text(&a[1], item->sale);
        ngx_paytrade_pg_array_text(&a[2], item->title);
        ngx_paytrade_pg_array_int(&a[3], item->price);
        ngx_paytrade_pg_array_int(&a[4], item->stock);
        ngx_paytrade_pg_array_int(&a[5], item->limit);
        ngx_paytrade_pg_array_int(&a[6], item->starts_at);
        ngx_paytrade_pg_array_int(&a[7], item->ends_at);
        ngx_paytrade_pg_array_int(&a[8], item->hold_ms);
        ngx_paytrade_pg_array_int(&a[9], item->version);
    }

    ngx_paytrade_pg_batch_statement(batch, ngx_paytrade_pg_write_items);

    shared = &batch->params[batch->nparams];
    ngx_paytrade_pg_batch_param(batch, batch->partition);
    ngx_paytrade_pg_batch_params(batch, a, 10);

    batch->conflicts[PT_OP_ITEM] = ngx_paytrade_pg_batch_statement(batch,
                                           ngx_paytrade_pg_conflicting_items);

    ngx_paytrade_pg_batch_same(batch, shared, 11);
}


static void
ngx_paytrade_pg_batch_sales(ngx_paytrade_pg_batch_t *batch, pt_op_t *ops,
    ngx_uint_t n)
{
    pt_sale_t                *sale;
    ngx_uint_t                i;
    const char              **shared;
    ngx_paytrade_pg_array_t  *a;

    a = ngx_paytrade_pg_batch_arrays(batch, 3);

    for (i = 0; i < n; i++) {
        sale = &ops[i].u.sale;

        ngx_paytrade_pg_array_text(&a[0], sale->sale);
        ngx_paytrade_pg_array_bare(&a[1], sale->paused ? pt_slice_lit("t")
                                                       : pt_slice_lit("f"));
        ngx_paytrade_pg_array_int(&a[2], sale->version);
    }

    ngx_paytrade_pg_batch_statement(batch, ngx_paytrade_pg_write_sales);

    shared = &batch->params[batch->nparams];
    ngx_paytrade_pg_batch_param(batch, batch->partition);
    ngx_paytrade_pg_batch_params(batch, a, 3);

    batch->conflicts[PT_OP_SALE] = ngx_paytrade_pg_batch_statement(batch,
                                           ngx_paytrade_pg_conflicting_sales);

    ngx_paytrade_pg_batch_same(batch, shared, 4);
}


static void
ngx_paytrade_pg_batch_admin(ngx_paytrade_pg_batch_t *batch, pt_op_t *ops,
    ngx_uint_t n)
{
    ngx_uint_t                i;
    ngx_paytrade_pg_array_t  *a;

    a = ngx_paytrade_pg_batch_arrays(batch, 3);

    for (i = 0; i < n; i++) {
        ngx_paytrade_pg_array_text(&a[0], ops[i].u.admin.request_id);
        ngx_paytrade_pg_array_int(&a[1], ops[i].u.admin.at);
        ngx_paytrade_pg_array_text(&a[2], ops[i].u.admin.asked);
    }

    ngx_paytrade_pg_batch_statement(batch, ngx_paytrade_pg_write_admin);
    ngx_paytrade_pg_batch_param(batch, batch->partition);
    ngx_paytrade_pg_batch_params(batch, a, 3);
}


void
ngx_paytrade_pg_batch_dead(ngx_paytrade_pg_batch_t *batch,
    ngx_paytrade_pg_dead_t *dead, ngx_uint_t n)
{
    ngx_uint_t                i;
    ngx_paytrade_pg_array_t  *a;

    if (n == 0) {
        return;
    }

    a = ngx_paytrade_pg_batch_arrays(batch, 5);

    for (i = 0; i < n; i++) {
        ngx_paytrade_pg_array_safe(&a[0], dead[i].op->entry,
                                   NGX_PAYTRADE_PG_ENTRY_MAX);
        ngx_paytrade_pg_array_safe(&a[1], dead[i].op->kind,
                                   NGX_PAYTRADE_PG_KIND_MAX);
        ngx_paytrade_pg_array_bytes(&a[2], dead[i].op->row);
        ngx_paytrade_pg_array_text(&a[3], pt_slice(dead[i].reason,
                                              ngx_strlen(dead[i].reason)));
        ngx_paytrade_pg_array_text(&a[4], pt_slice(dead[i].sqlstate,
                                              ngx_strlen(dead[i].sqlstate)));
    }

    ngx_paytrade_pg_batch_statement(batch, ngx_paytrade_pg_write_dead);
    ngx_paytrade_pg_batch_param(batch, batch->partition);
    ngx_paytrade_pg_batch_params(batch, a, 5);
}


void
ngx_paytrade_pg_batch_progress(ngx_paytrade_pg_batch_t *batch)
{
    batch->progress = ngx_paytrade_pg_batch_statement(batch,
                                               ngx_paytrade_pg_write_progress);

    ngx_paytrade_pg_batch_param(batch, batch->partition);
    ngx_paytrade_pg_batch_param(batch,
                             batch->last_id[0] ? batch->last_id : NULL);
    ngx_paytrade_pg_batch_param(batch,
                             batch->max_id[0] ? batch->max_id : NULL);
}


ngx_paytrade_pg_array_t *
ngx_paytrade_pg_batch_arrays(ngx_paytrade_pg_batch_t *batch, ngx_uint_t n)
{
    ngx_paytrade_pg_array_t  *arrays;

    arrays = &batch->arrays[batch->narrays];
    batch->narrays += n;

    return arrays;
}


void
ngx_paytrade_pg_batch_params(ngx_paytrade_pg_batch_t *batch,
    ngx_paytrade_pg_array_t *arrays, ngx_uint_t n)
{
    ngx_uint_t   i;
    const char  *value;

    for (i = 0; i < n; i++) {
        value = ngx_paytrade_pg_array_done(&arrays[i]);

        if (value == NULL) {
            batch->failed = 1;
        }

        ngx_paytrade_pg_batch_param(batch, value);
    }
}


ngx_uint_t
ngx_paytrade_pg_batch_statement(ngx_paytrade_pg_batch_t *batch,
    const char *sql)
{
    ngx_paytrade_pg_statement_t  *st;

    st = &batch->statements[batch->nstatements];

    st->sql = sql;
    st->params = &batch->params[batch->nparams];
    st->nparams = 0;

    return batch->nstatements++;
}


void
ngx_paytrade_pg_batch_param(ngx_paytrade_pg_batch_t *batch, const char *value)
{
    batch->statements[batch->nstatements - 1].nparams++;
    batch->params[batch->nparams++] = value;
}


void
ngx_paytrade_pg_batch_same(ngx_paytrade_pg_batch_t *batch, const char **first,
    ngx_uint_t n)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        ngx_paytrade_pg_batch_param(batch, first[i]);
    }
}


void
ngx_paytrade_pg_batch_id(ngx_paytrade_pg_batch_t *batch, pt_slice_t id)
{
    size_t  len;

    len = ngx_min(id.len, PT_ID_LEN);

    if (ngx_strncmp(id.data, batch->max_id, len) > 0) {
        ngx_cpystrn((u_char *) batch->max_id, (u_char *) id.data, len + 1);
    }
}


void
ngx_paytrade_pg_batch_word(ngx_paytrade_pg_array_t *array, const char *word)
{
    ngx_paytrade_pg_array_bare(array, pt_slice(word, ngx_strlen(word)));
}


pt_op_t *
ngx_paytrade_pg_batch_conflict(ngx_paytrade_pg_batch_t *batch,
    PGresult **results, ngx_uint_t state[2])
{
    PGresult    *res;
    ngx_uint_t   n;

    for ( /* void */ ; state[0] < PT_OP_TYPES; state[0]++, state[1] = 0) {

        if (batch->conflicts[state[0]] == NGX_PAYTRADE_PG_BATCH_NONE) {
            continue;
        }

        res = results[batch->conflicts[state[0]]];

        if (state[1] < (ngx_uint_t) PQntuples(res)) {
            n = atoi(PQgetvalue(res, state[1]++, 0));
            return batch->first[state[0]] + n - 1;
        }
    }

    return NULL;
}


int64_t
ngx_paytrade_pg_batch_epoch(ngx_paytrade_pg_batch_t *batch,
    PGresult **results)
{
    PGresult  *res;

    if (batch->progress == NGX_PAYTRADE_PG_BATCH_NONE) {
        return 0;
    }

    res = results[batch->progress];

    return (PQntuples(res) == 1) ? strtoll(PQgetvalue(res, 0, 0), NULL, 10)
                                 : 0;
}
