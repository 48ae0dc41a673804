/*
 * The SQL of payments, refunds and orphans; see the header of all queries.
 */

#include "ngx_paytrade_pg_sql.h"


/* concat_ws() leaves out NULLs: none may come near it. */
#define PG_PARTS(pay_no)                                                      \
    "coalesce((SELECT string_agg(concat_ws(' ', x.order_id, x.amount,"        \
    " coalesce(x.outcome, '-'), coalesce(x.reason, '-'), x.refunded), ','"    \
    " ORDER BY x.order_id) FROM paytrade.payment_orders x"                    \
    " WHERE x.pay_no = " pay_no "), '')"

#define PG_PAYMENT_ROW                                                        \
    "concat_ws(chr(9), p.pay_no, p.status, p.rev, p.user_id, p.sale,"         \
    " p.gateway, coalesce(p.method, ''), coalesce(p.trade_no, ''), p.amount, "\
    PG_MS("p.created_at") ", " PG_MS("p.ends_at") ","                         \
    " coalesce(" PG_MS("p.paid_at") ", 0), " PG_MS("p.changed_at") ","        \
    " coalesce(p.request_key, ''), coalesce(p.request_body, ''), p.subject, " \
    PG_PARTS("p.pay_no") ")"

#define PG_PAYMENTS(arrays)                                                   \
    " FROM unnest(" arrays ") WITH ORDINALITY"                                \
    " AS g(pay_no, user_id, sale, gateway, method, trade_no, status, amount," \
    " rev, subject, key, body, created, ends, paid, changed"


const char  ngx_paytrade_pg_payment[] =
    "SELECT " PG_PAYMENT_ROW
    " FROM paytrade.payments p WHERE p.pay_no = $1::bigint";


const char  ngx_paytrade_pg_rebuild_payments[] =
    "SELECT " PG_PAYMENT_ROW ", p.pay_no, '' FROM paytrade.payments p"
    " WHERE p.partition = $1::smallint"
    " AND p.pay_no > " PG_LEAST_ID("31", "$3")
    " AND " PG_KEPT("$3")
    " ORDER BY p.pay_no LIMIT " PG_PAGE;


const char  ngx_paytrade_pg_refund[] =
    "SELECT sum(amount) FROM paytrade.refunds"
    " WHERE pay_no = $1::bigint AND refund_no = $2::text"
    " HAVING count(*) > 0";


const char  ngx_paytrade_pg_rebuild_refunds[] =
    "SELECT concat_ws(chr(9), f.pay_no, f.refund_no, sum(f.amount),"
    " min(" PG_MS("f.created_at") ")), f.pay_no, f.refund_no"
    " FROM paytrade.payments p JOIN paytrade.refunds f USING (pay_no)"
    " WHERE p.partition = $1::smallint"
    " AND p.pay_no >= " PG_LEAST_ID("31", "$4")
    " AND (f.pay_no, f.refund_no) > ($2::bigint, $3::text)"
    " AND " PG_KEPT("$4")
    " GROUP BY f.pay_no, f.refund_no"
    " ORDER BY f.pay_no, f.refund_no LIMIT " PG_PAGE;


/* Rows are sorted, so that two writers take locks in one order. */

const char  ngx_paytrade_pg_write_payments[] =
    "WITH written AS (INSERT INTO paytrade.payments AS p (pay_no, partition,"
    " currency, user_id, sale, gateway, method, trade_no, status, amount, rev,"
    " subject, request_key, request_body, created_at, ends_at, paid_at,"
    " changed_at)"
    " SELECT g.pay_no, $1::smallint, $2::text, g.user_id, g.sale, g.gateway,"
    " g.method, g.trade_no, g.status, g.amount, g.rev, g.subject, g.key,"
    " g.body, " PG_TIME("g.created") ", " PG_TIME("g.ends") ", "
    PG_TIME("g.paid") ", " PG_TIME("g.changed")
    PG_PAYMENTS("$3::bigint[], $4::text[], $5::text[], $6::text[],"
                " $7::text[], $8::text[], $9::text[], $10::bigint[],"
                " $11::bigint[], $12::text[], $13::text[], $14::text[],"
                " $15::bigint[], $16::bigint[], $17::bigint[],"
                " $18::bigint[]") ", n) ORDER BY g.pay_no"
    " ON CONFLICT (pay_no) DO UPDATE SET user_id = excluded.user_id,"
    " sale = excluded.sale, gateway = excluded.gateway,"
    " method = excluded.method, trade_no = excluded.trade_no,"
    " status = excluded.status, amount = excluded.amount,"
    " currency = excluded.currency, rev = excluded.rev,"
    " subject = excluded.subject,"
    " request_key = coalesce(excluded.request_key, p.request_key),"
    " request_body = coalesce(excluded.request_body, p.request_body),"
    " created_at = excluded.created_at, ends_at = excluded.ends_at,"
    " paid_at = excluded.paid_at, changed_at = excluded.changed_at"
    " WHERE p.rev < excluded.rev RETURNING p.pay_no)"
    " INSERT INTO paytrade.payment_orders AS x (pay_no, order_id, amount,"
    " outcome, reason, refunded)"
    " SELECT g.pay_no, g.order_id, g.amount, g.outcome, g.reason, g.refunded"
    " FROM unnest($19::bigint[], $20::bigint[], $21::bigint[], $22::text[],"
    " $23::text[], $24::bigint[])"
    " AS g(pay_no, order_id, amount, outcome, reason, refunded)"
    " JOIN written USING (pay_no)"
    " ON CONFLICT (pay_no, order_id) DO UPDATE SET amount = excluded.amount,"
    " outcome = excluded.outcome, reason = excluded.reason,"
    " refunded = excluded.refunded"
    " WHERE (x.amount, x.outcome, x.reason, x.refunded) IS DISTINCT FROM"
    " (excluded.amount, excluded.outcome, excluded.reason,"
    " excluded.refunded)";


/* As with orders: a key that is not told is no other content. */

const char  ngx_paytrade_pg_conflicting_payments[] =
    "SELECT g.n"
    PG_PAYMENTS("$1::bigint[], $2::text[], $3::text[], $4::text[],"
                " $5::text[], $6::text[], $7::text[], $8::bigint[],"
                " $9::bigint[], $10::text[], $11::text[], $12::text[],"
                " $13::bigint[], $14::bigint[], $15::bigint[],"
                " $16::bigint[], $17::text[]") ", parts, n)"
    " JOIN paytrade.payments p ON p.pay_no = g.pay_no AND p.rev = g.rev"
    " WHERE p.xmin <> pg_current_xact_id()::xid"
    " AND ((p.user_id, p.sale, p.gateway, p.method, p.trade_no, p.status,"
    " p.amount, p.subject, p.request_key, p.request_body, p.created_at,"
    " p.ends_at, p.paid_at, p.changed_at)"
    " IS DISTINCT FROM (g.user_id, g.sale, g.gateway, g.method, g.trade_no,"
    " g.status, g.amount, g.subject, coalesce(g.key, p.request_key),"
    " coalesce(g.body, p.request_body), " PG_TIME("g.created") ", "
    PG_TIME("g.ends") ", " PG_TIME("g.paid") ", " PG_TIME("g.changed") ")"
    " OR " PG_PARTS("p.pay_no") " <> g.parts)";


/* What is told again has another time: the first stays. */

const char  ngx_paytrade_pg_write_refunds[] =
    "INSERT INTO paytrade.refunds (pay_no, refund_no, order_id, partition,"
    " amount, restock, status, created_at, changed_at)"
    " SELECT g.pay_no, g.refund_no, g.order_id, $1::smallint, g.amount,"
    " g.restock, g.status, " PG_TIME("g.at") ", " PG_TIME("g.at")
    " FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::bigint[],"
    " $6::boolean[], $7::text[], $8::bigint[])"
    " AS g(pay_no, refund_no, order_id, amount, restock, status, at)"
    " ORDER BY g.pay_no, g.refund_no, g.order_id"
    " ON CONFLICT (pay_no, refund_no, order_id) DO NOTHING";


const char  ngx_paytrade_pg_conflicting_refunds[] =
    "SELECT g.n FROM unnest($1::bigint[], $2::text[], $3::bigint[],"
    " $4::bigint[], $5::boolean[], $6::text[]) WITH ORDINALITY"
    " AS g(pay_no, refund_no, order_id, amount, restock, status, n)"
    " JOIN paytrade.refunds f USING (pay_no, refund_no, order_id)"
    " WHERE f.xmin <> pg_current_xact_id()::xid"
    " AND (f.amount, f.restock, f.status) IS DISTINCT FROM"
    " (g.amount, g.restock, g.status)";


const char  ngx_paytrade_pg_write_orphans[] =
    "INSERT INTO paytrade.orphans (gateway, trade_no, what, partition, kind,"
    " pay_no, amount, currency, reason, created_at)"
    " SELECT g.gateway, g.trade_no, g.what, $1::smallint, g.kind, g.pay_no,"
    " g.amount, g.currency, g.reason, " PG_TIME("g.at")
    " FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[],"
    " $7::bigint[], $8::text[], $9::text[], $10::bigint[]) AS g(gateway,"
    " trade_no, what, kind, pay_no, amount, currency, reason, at)"
    " ORDER BY g.gateway, g.trade_no, g.what"
    " ON CONFLICT (gateway, trade_no, what) DO NOTHING";


const char  ngx_paytrade_pg_conflicting_orphans[] =
    "SELECT g.n FROM unnest($1::text[], $2::text[], $3::text[], $4::text[],"
    " $5::text[], $6::bigint[], $7::text[], $8::text[]) WITH ORDINALITY"
    " AS g(gateway, trade_no, what, kind, pay_no, amount, currency, reason, n)"
    " JOIN paytrade.orphans u USING (gateway, trade_no, what)"
    " WHERE u.xmin <> pg_current_xact_id()::xid"
    " AND (u.kind, u.pay_no, u.amount, u.currency, u.reason)"
    " IS DISTINCT FROM (g.kind, g.pay_no, g.amount, g.currency, g.reason)";
