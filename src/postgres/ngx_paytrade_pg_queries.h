/*
 * The SQL that is sent to PostgreSQL, in one place.
 *
 * Statements are sent unnamed, with parameters and results as text, so they
 * work through a pooler in transaction mode.  Every query gives columns in the
 * order that its comment tells; a time is in milliseconds since 1970, a row is
 * in the form of pt_order.h, pt_item.h or pt_payment.h.  Pages have up to
 * NGX_PAYTRADE_PG_PAGE rows; a shorter one is the last.
 */

#ifndef NGX_PAYTRADE_PG_QUERIES_H
#define NGX_PAYTRADE_PG_QUERIES_H


#define NGX_PAYTRADE_PG_PAGE  500


/*
 * $1 partition
 * -> epoch (0: no row), last_journal_id, known (t when the partition has items
 *    or orders), the greatest order_id or pay_no (empty when there is none);
 *    always one row
 */
extern const char  ngx_paytrade_pg_progress[];

/* $1 order_id -> the order's row; no row when it is unknown */
extern const char  ngx_paytrade_pg_order[];

/* $1 pay_no -> the payment's row (pt_payment.h); no row when it is unknown */
extern const char  ngx_paytrade_pg_payment[];

/* $1 pay_no, $2 refund_no -> what that refund gave back; no row: unknown */
extern const char  ngx_paytrade_pg_refund[];

/* $1 partition -> epoch, one greater than before */
extern const char  ngx_paytrade_pg_rebuild_begin[];

/*
 * What fills an empty Redis, page by page: -> row (as the restore script wants
 * it), key1, key2 (of the last row: parameters of the next page; '' or 0 for
 * the first)
 */

/* $1 partition, $2 after sku -> item's row, sku, '' */
extern const char  ngx_paytrade_pg_rebuild_items[];

/* $1 partition, $2 after sale -> sale paused version, sale, '' */
extern const char  ngx_paytrade_pg_rebuild_sales[];

/*
 * $1 partition, $2 after order_id, $3 retention in ms -> order's row, order_id,
 * '': the held ones, and those of the payments that rebuild_payments gives
 */
extern const char  ngx_paytrade_pg_rebuild_orders[];

/*
 * $1 partition, $2 after pay_no, $3 retention in ms -> payment's row, pay_no,
 * '': those that changed or were open within the retention
 */
extern const char  ngx_paytrade_pg_rebuild_payments[];

/*
 * $1 partition, $2 after pay_no, $3 after refund_no, $4 retention in ms
 * -> pay_no refund_no amount at, pay_no, refund_no: all refunds of such
 *    payments, each summed up over its orders
 */
extern const char  ngx_paytrade_pg_rebuild_refunds[];

/*
 * $1 partition, $2 after sale, $3 after user
 * -> sale user units attempts, sale, user
 *
 * Units of orders that are held, paid or refunded; attempts of orders and
 * payments of the last 24 hours and of all held orders.  The pages are in the
 * order of user, sale.
 */
extern const char  ngx_paytrade_pg_rebuild_buyers[];

/* $1 partition, $2 after request_id -> request_id at asked, request_id, '' */
extern const char  ngx_paytrade_pg_rebuild_admin[];

/*
 * $1 after id, $2 limit
 * -> id, partition, kind, payload (printable), reason, sqlstate, created_at,
 *    replayed_at (empty: not yet)
 */
extern const char  ngx_paytrade_pg_dead_letters[];

/* $1 id -> partition, kind, payload in hexadecimal, entry_id */
extern const char  ngx_paytrade_pg_dead_letter[];

/* $1 id; marks it as replayed -> id, or no row when it is unknown */
extern const char  ngx_paytrade_pg_dead_letter_done[];

/* -> number of dead letters that were not replayed */
extern const char  ngx_paytrade_pg_counts[];

/* $1 partition -> sku, stock, held, sold, version, by sku */
extern const char  ngx_paytrade_pg_audit_items[];

/*
 * $1 order ids, $2 statuses, $3 revs (three arrays of one length)
 * -> order_id, status, rev as PostgreSQL has them, of those that differ;
 *    status and rev empty when the order is missing
 */
extern const char  ngx_paytrade_pg_audit_orders[];

/* $1 partition, $2 after order_id -> order_id, rev of held orders, a page */
extern const char  ngx_paytrade_pg_audit_held[];


/*
 * The writer's.  Arrays of one statement have one length; times are bigint.
 */

/*
 * $1 partition, $2 currency, then arrays over orders: $3 order_id, $4 user,
 * $5 sale, $6 status, $7 amount, $8 meta, $9 rev, $10 key, $11 body,
 * $12 created_at, $13 expires_at, $14 changed_at; over lines: $15 order_id,
 * $16 line, $17 sku, $18 quantity, $19 unit_price.  Takes what is newer.
 */
extern const char  ngx_paytrade_pg_write_orders[];

/*
 * $1 order_id, $2 user, $3 sale, $4 status, $5 amount, $6 meta, $7 rev, $8 key,
 * $9 body, $10 created_at, $11 expires_at, $12 changed_at, $13 lines (text)
 * -> number (from 1) of each that PostgreSQL has with the same rev and other
 *    content
 */
extern const char  ngx_paytrade_pg_conflicting_orders[];

/*
 * $1 partition, then arrays: $2 sku, $3 sale, $4 title, $5 price, $6 stock,
 * $7 limit, $8 starts_at, $9 ends_at, $10 hold_ms, $11 version
 */
extern const char  ngx_paytrade_pg_write_items[];

/* As above -> number of each in conflict (also: in another partition) */
extern const char  ngx_paytrade_pg_conflicting_items[];

/* $1 partition, then arrays: $2 sale, $3 paused, $4 version */
extern const char  ngx_paytrade_pg_write_sales[];

/* As above -> number of each in conflict (also: in another partition) */
extern const char  ngx_paytrade_pg_conflicting_sales[];

/* $1 partition, then arrays: $2 request_id, $3 at, $4 asked */
extern const char  ngx_paytrade_pg_write_admin[];

/*
 * $1 partition, $2 currency, then arrays over payments: $3 pay_no, $4 user,
 * $5 sale, $6 gateway, $7 method, $8 trade_no, $9 status, $10 amount, $11 rev,
 * $12 subject, $13 key, $14 body, $15 created_at, $16 ends_at, $17 paid_at,
 * $18 changed_at; over parts: $19 pay_no, $20 order_id, $21 amount,
 * $22 outcome, $23 reason, $24 refunded.  Takes what is newer.
 */
extern const char  ngx_paytrade_pg_write_payments[];

/*
 * The arrays over payments, as above from $1 on, and $17 parts (text)
 * -> number of each in conflict
 */
extern const char  ngx_paytrade_pg_conflicting_payments[];

/*
 * $1 partition, then arrays: $2 pay_no, $3 refund_no, $4 order_id, $5 amount,
 * $6 restock, $7 status, $8 at.  Takes what is not there.
 */
extern const char  ngx_paytrade_pg_write_refunds[];

/* $2 to $7 of the above -> number of each in conflict */
extern const char  ngx_paytrade_pg_conflicting_refunds[];

/*
 * $1 partition, then arrays: $2 gateway, $3 trade_no, $4 what, $5 kind,
 * $6 out_trade_no, $7 amount, $8 currency, $9 reason, $10 at.  Takes what is
 * not there.
 */
extern const char  ngx_paytrade_pg_write_orphans[];

/* $2 to $9 of the above -> number of each in conflict */
extern const char  ngx_paytrade_pg_conflicting_orphans[];

/*
 * $1 partition, then arrays: $2 entry_id, $3 kind, $4 payload, $5 reason,
 * $6 sqlstate.  One that was set aside before is open again.
 */
extern const char  ngx_paytrade_pg_write_dead[];

/*
 * $1 partition, $2 last_journal_id or NULL, $3 greatest order_id or pay_no or
 * NULL; both only grow -> epoch
 */
extern const char  ngx_paytrade_pg_write_progress[];


#endif /* NGX_PAYTRADE_PG_QUERIES_H */
