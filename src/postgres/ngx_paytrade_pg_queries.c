/*
 * The SQL that is sent to PostgreSQL, but for payments; see the header.
 */

#include "ngx_paytrade_pg_sql.h"


/* concat_ws() leaves out NULLs: none may come near it. */
#define PG_LINES(order_id)                                                    \
    "coalesce((SELECT string_agg(concat_ws(' ', l.sku, l.quantity,"           \
    " l.unit_price), ',' ORDER BY l.line) FROM paytrade.order_lines l"        \
    " WHERE l.order_id = " order_id "), '')"

#define PG_ORDER_ROW                                                          \
    "concat_ws(chr(9), o.order_id, o.status, o.rev, o.user_id, o.sale,"       \
    " o.amount, " PG_MS("o.created_at") ", " PG_MS("o.expires_at") ", "       \
    PG_MS("o.changed_at") ", coalesce(o.request_key, ''),"                    \
    " coalesce(o.request_body, ''), " PG_LINES("o.order_id") ","              \
    " coalesce(o.meta::text, ''))"

/* Units per SKU of what the page holds. */
#define PG_UNITS                                                              \
    "coalesce(sum(l.quantity) FILTER (WHERE o.status = 'held'), 0) AS held,"  \
    " coalesce(sum(l.quantity) FILTER (WHERE o.status IN"                     \
    " ('paid', 'refunded')), 0) AS sold"


const char  ngx_paytrade_pg_progress[] =
    "SELECT coalesce(p.epoch, 0), coalesce(p.last_journal_id, '0-0'),"
    " coalesce(p.max_order_id, o.order_id) IS NOT NULL"
    " OR EXISTS (SELECT FROM paytrade.items i"
    " WHERE i.partition = $1::smallint),"
    " coalesce(greatest(p.max_order_id, o.order_id)::text, '')"
    " FROM (SELECT) AS one"
    " LEFT JOIN paytrade.progress p ON p.partition = $1::smallint"
    " LEFT JOIN LATERAL (SELECT greatest((SELECT max(order_id)"
    " FROM paytrade.orders WHERE partition = $1::smallint),"
    " (SELECT max(pay_no) FROM paytrade.payments"
    " WHERE partition = $1::smallint)) AS order_id"
    " WHERE p.max_order_id IS NULL) o ON true";


const char  ngx_paytrade_pg_order[] =
    "SELECT " PG_ORDER_ROW
    " FROM paytrade.orders o WHERE o.order_id = $1::bigint";


/* The first epoch is 1; Redis itself makes it when its first item is put. */

const char  ngx_paytrade_pg_rebuild_begin[] =
    "INSERT INTO paytrade.progress AS p (partition, epoch, last_journal_id)"
    " VALUES ($1::smallint, 2, '0-0')"
    " ON CONFLICT (partition) DO UPDATE"
    " SET epoch = p.epoch + 1, updated_at = now()"
    " RETURNING epoch";


const char  ngx_paytrade_pg_rebuild_items[] =
    "WITH page AS (SELECT * FROM paytrade.items"
    " WHERE partition = $1::smallint AND sku > $2::text"
    " ORDER BY sku LIMIT " PG_PAGE "),"
    " units AS (SELECT l.sku, " PG_UNITS
    " FROM paytrade.orders o JOIN paytrade.order_lines l USING (order_id)"
    " WHERE o.partition = $1::smallint"
    " AND o.sale IN (SELECT sale FROM page)"
    " AND o.status IN ('held', 'paid', 'refunded') GROUP BY l.sku)"
    " SELECT concat_ws(chr(9), i.sku, i.sale, i.title, i.price, i.stock,"
    " i.stock - coalesce(u.held, 0) - coalesce(u.sold, 0),"
    " coalesce(u.held, 0), coalesce(u.sold, 0), i.unit_limit, "
    PG_MS("i.starts_at") ", " PG_MS("i.ends_at") ", i.hold_ms, i.version,"
    " coalesce(s.paused, false)::int), i.sku, ''"
    " FROM page i LEFT JOIN units u USING (sku)"
    " LEFT JOIN paytrade.sales s ON s.sale = i.sale ORDER BY i.sku";


const char  ngx_paytrade_pg_rebuild_sales[] =
    "SELECT concat_ws(chr(9), sale, paused::int, version), sale, ''"
    " FROM paytrade.sales WHERE partition = $1::smallint AND sale > $2::text"
    " ORDER BY sale LIMIT " PG_PAGE;


/*
 * Each of the two is read in the order of an index and no further than the
 * page: OFFSET keeps the planner from joining the whole tables.
 */

const char  ngx_paytrade_pg_rebuild_orders[] =
    "WITH page AS ((SELECT order_id FROM paytrade.orders"
    " WHERE status = 'held' AND partition = $1::smallint"
    " AND order_id > $2::bigint ORDER BY order_id LIMIT " PG_PAGE ")"
    " UNION (SELECT DISTINCT x.order_id FROM paytrade.payment_orders x,"
    " LATERAL (SELECT FROM paytrade.payments p, paytrade.orders o"
    " WHERE p.pay_no = x.pay_no AND o.order_id = x.order_id"
    " AND p.partition = $1::smallint AND " PG_KEPT("$3") " OFFSET 0) k"
    " WHERE x.order_id > " PG_LEAST_ID("62", "$3")
    " ORDER BY x.order_id LIMIT " PG_PAGE ")"
    " ORDER BY order_id LIMIT " PG_PAGE ")"
    " SELECT " PG_ORDER_ROW ", o.order_id, ''"
    " FROM page JOIN paytrade.orders o USING (order_id)"
    " ORDER BY o.order_id";


/* The order of orders_user_idx, so that no page sorts the whole table. */

const char  ngx_paytrade_pg_rebuild_buyers[] =
    "WITH page AS (SELECT DISTINCT user_id, sale FROM paytrade.orders"
    " WHERE partition = $1::smallint"
    " AND (user_id, sale) > ($3::text, $2::text)"
    " AND (status IN ('held', 'paid', 'refunded')"
    " OR created_at > now() - interval '24 hours')"
    " ORDER BY user_id, sale LIMIT " PG_PAGE ")"
    " SELECT concat_ws(chr(9), p.sale, p.user_id, coalesce(u.units, ''),"
    " coalesce(a.attempts, '')), p.sale, p.user_id FROM page p"
    " LEFT JOIN LATERAL (SELECT string_agg(s.sku || ' ' || s.n, ','"
    " ORDER BY s.sku) AS units"
    " FROM (SELECT l.sku, sum(l.quantity) AS n FROM paytrade.orders o"
    " JOIN paytrade.order_lines l USING (order_id)"
    " WHERE o.user_id = p.user_id AND o.sale = p.sale"
    " AND o.partition = $1::smallint"
    " AND o.status IN ('held', 'paid', 'refunded')"
    " GROUP BY l.sku) s) u ON true"
    " LEFT JOIN LATERAL (SELECT string_agg(concat_ws(' ', t.request_key,"
    " t.request_body, t.id), ',' ORDER BY t.id) AS attempts"
    " FROM (SELECT o.request_key, o.request_body, o.order_id AS id"
    " FROM paytrade.orders o"
    " WHERE o.user_id = p.user_id AND o.sale = p.sale"
    " AND o.partition = $1::smallint AND (o.status = 'held'"
    " OR o.created_at > now() - interval '24 hours')"
    " UNION ALL SELECT y.request_key, y.request_body, y.pay_no"
    " FROM paytrade.payments y"
    " WHERE y.user_id = p.user_id AND y.sale = p.sale"
    " AND y.partition = $1::smallint"
    " AND y.created_at > now() - interval '24 hours') t"
    " WHERE t.request_key IS NOT NULL AND t.request_body IS NOT NULL"
    ") a ON true"
    " ORDER BY p.user_id, p.sale";


const char  ngx_paytrade_pg_rebuild_admin[] =
    "SELECT concat_ws(chr(9), request_id, " PG_MS("at") ", asked), request_id,"
    " ''"
    " FROM paytrade.admin_requests"
    " WHERE partition = $1::smallint AND request_id > $2::text"
    " ORDER BY request_id LIMIT " PG_PAGE;


const char  ngx_paytrade_pg_dead_letters[] =
    "SELECT id, partition, kind, encode(payload, 'escape'), reason, sqlstate, "
    PG_MS("created_at") ", coalesce((" PG_MS("replayed_at") ")::text, '')"
    " FROM paytrade.dead_letter WHERE id > $1::bigint"
    " ORDER BY id LIMIT $2::bigint";


const char  ngx_paytrade_pg_dead_letter[] =
    "SELECT partition, kind, encode(payload, 'hex'), entry_id"
    " FROM paytrade.dead_letter WHERE id = $1::bigint";


const char  ngx_paytrade_pg_dead_letter_done[] =
    "UPDATE paytrade.dead_letter SET replayed_at = now()"
    " WHERE id = $1::bigint RETURNING id";


const char  ngx_paytrade_pg_counts[] =
    "SELECT count(*) FROM paytrade.dead_letter WHERE replayed_at IS NULL";


const char  ngx_paytrade_pg_audit_items[] =
    "WITH units AS (SELECT l.sku, " PG_UNITS
    " FROM paytrade.orders o JOIN paytrade.order_lines l USING (order_id)"
    " WHERE o.partition = $1::smallint"
    " AND o.status IN ('held', 'paid', 'refunded') GROUP BY l.sku)"
    " SELECT i.sku, i.stock, coalesce(u.held, 0), coalesce(u.sold, 0),"
    " i.version FROM paytrade.items i LEFT JOIN units u USING (sku)"
    " WHERE i.partition = $1::smallint ORDER BY i.sku";


const char  ngx_paytrade_pg_audit_orders[] =
    "SELECT g.order_id, coalesce(o.status, ''), coalesce(o.rev::text, '')"
    " FROM unnest($1::bigint[], $2::text[], $3::bigint[])"
    " AS g(order_id, status, rev)"
    " LEFT JOIN paytrade.orders o USING (order_id)"
    " WHERE (o.status, o.rev) IS DISTINCT FROM (g.status, g.rev)"
    " ORDER BY g.order_id";


const char  ngx_paytrade_pg_audit_held[] =
    "SELECT order_id, rev FROM paytrade.orders"
    " WHERE status = 'held' AND partition = $1::smallint"
    " AND order_id > $2::bigint ORDER BY order_id LIMIT " PG_PAGE;


/*
 * Rows are sorted, so that two writers take locks in one order.  Lines follow
 * only the orders that were taken.
 */

const char  ngx_paytrade_pg_write_orders[] =
    "WITH written AS (INSERT INTO paytrade.orders AS o (order_id, partition,"
    " user_id, sale, status, amount, currency, meta, rev, request_key,"
    " request_body, created_at, expires_at, changed_at)"
    " SELECT g.order_id, $1::smallint, g.user_id, g.sale, g.status, g.amount,"
    " $2::text, g.meta::jsonb, g.rev, g.key, g.body, "
    PG_TIME("g.created") ", " PG_TIME("g.expires") ", " PG_TIME("g.changed")
    " FROM unnest($3::bigint[], $4::text[], $5::text[], $6::text[],"
    " $7::bigint[], $8::text[], $9::bigint[], $10::text[], $11::text[],"
    " $12::bigint[], $13::bigint[], $14::bigint[])"
    " AS g(order_id, user_id, sale, status, amount, meta, rev, key, body,"
    " created, expires, changed) ORDER BY g.order_id"
    " ON CONFLICT (order_id) DO UPDATE SET user_id = excluded.user_id,"
    " sale = excluded.sale, status = excluded.status,"
    " amount = excluded.amount, currency = excluded.currency,"
    " meta = excluded.meta, rev = excluded.rev,"
    " request_key = coalesce(excluded.request_key, o.request_key),"
    " request_body = coalesce(excluded.request_body, o.request_body),"
    " created_at = excluded.created_at, expires_at = excluded.expires_at,"
    " changed_at = excluded.changed_at"
    " WHERE o.rev < excluded.rev RETURNING o.order_id)"
    " INSERT INTO paytrade.order_lines AS l (order_id, line, sku, quantity,"
    " unit_price) SELECT g.order_id, g.line, g.sku, g.quantity, g.unit_price"
    " FROM unnest($15::bigint[], $16::smallint[], $17::text[],"
    " $18::bigint[], $19::bigint[])"
    " AS g(order_id, line, sku, quantity, unit_price)"
    " JOIN written USING (order_id)"
    " ON CONFLICT (order_id, line) DO UPDATE SET sku = excluded.sku,"
    " quantity = excluded.quantity, unit_price = excluded.unit_price"
    " WHERE (l.sku, l.quantity, l.unit_price) IS DISTINCT FROM"
    " (excluded.sku, excluded.quantity, excluded.unit_price)";


/*
 * Asked after the writing, when each row has the rev that it ends with; rows
 * that this transaction wrote are known to be as they were given.  A key that
 * is no longer told stays in its row and is no other content.
 */

const char  ngx_paytrade_pg_conflicting_orders[] =
    "SELECT g.n"
    " FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[],"
    " $5::bigint[], $6::text[], $7::bigint[], $8::text[], $9::text[],"
    " $10::bigint[], $11::bigint[], $12::bigint[], $13::text[])"
    " WITH ORDINALITY AS g(order_id, user_id, sale, status, amount, meta,"
    " rev, key, body, created, expires, changed, lines, n)"
    " JOIN paytrade.orders o ON o.order_id = g.order_id AND o.rev = g.rev"
    " WHERE o.xmin <> pg_current_xact_id()::xid"
    " AND ((o.user_id, o.sale, o.status, o.amount, o.meta, o.request_key,"
    " o.request_body, o.created_at, o.expires_at, o.changed_at)"
    " IS DISTINCT FROM (g.user_id, g.sale, g.status, g.amount, g.meta::jsonb,"
    " coalesce(g.key, o.request_key), coalesce(g.body, o.request_body), "
    PG_TIME("g.created") ", " PG_TIME("g.expires") ", "
    PG_TIME("g.changed") ") OR " PG_LINES("o.order_id") " <> g.lines)";


#define PG_ITEMS                                                              \
    " FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[],"          \
    " $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[]," \
    " $11::bigint[]) WITH ORDINALITY"                                         \
    " AS g(sku, sale, title, price, stock, unit_limit, starts, ends, hold_ms," \
    " version, n)"

#define PG_SALES                                                              \
    " FROM unnest($2::text[], $3::boolean[], $4::bigint[]) WITH ORDINALITY"   \
    " AS g(sale, paused, version, n)"


const char  ngx_paytrade_pg_write_items[] =
    "INSERT INTO paytrade.items AS i (partition, sku, sale, title, price,"
    " stock, unit_limit, starts_at, ends_at, hold_ms, version)"
    " SELECT $1::smallint, g.sku, g.sale, g.title, g.price, g.stock,"
    " g.unit_limit, " PG_TIME("g.starts") ", " PG_TIME("g.ends")
    ", g.hold_ms, g.version" PG_ITEMS " ORDER BY g.sku"
    " ON CONFLICT (sku) DO UPDATE SET sale = excluded.sale,"
    " title = excluded.title, price = excluded.price, stock = excluded.stock,"
    " unit_limit = excluded.unit_limit, starts_at = excluded.starts_at,"
    " ends_at = excluded.ends_at, hold_ms = excluded.hold_ms,"
    " version = excluded.version, changed_at = now()"
    " WHERE i.version < excluded.version"
    " AND i.partition = excluded.partition";


const char  ngx_paytrade_pg_conflicting_items[] =
    "SELECT g.n" PG_ITEMS
    " JOIN paytrade.items i ON i.sku = g.sku"
    " WHERE i.xmin <> pg_current_xact_id()::xid"
    " AND (i.partition <> $1::smallint OR (i.version = g.version"
    " AND (i.sale, i.title, i.price, i.stock, i.unit_limit, i.starts_at,"
    " i.ends_at, i.hold_ms) IS DISTINCT FROM (g.sale, g.title, g.price,"
    " g.stock, g.unit_limit, " PG_TIME("g.starts") ", " PG_TIME("g.ends")
    ", g.hold_ms)))";


const char  ngx_paytrade_pg_write_sales[] =
    "INSERT INTO paytrade.sales AS s (partition, sale, paused, version)"
    " SELECT $1::smallint, g.sale, g.paused, g.version" PG_SALES
    " ORDER BY g.sale"
    " ON CONFLICT (sale) DO UPDATE SET paused = excluded.paused,"
    " version = excluded.version, changed_at = now()"
    " WHERE s.version < excluded.version"
    " AND s.partition = excluded.partition";


const char  ngx_paytrade_pg_conflicting_sales[] =
    "SELECT g.n" PG_SALES
    " JOIN paytrade.sales s ON s.sale = g.sale"
    " WHERE s.xmin <> pg_current_xact_id()::xid"
    " AND (s.partition <> $1::smallint"
    " OR (s.version = g.version AND s.paused <> g.paused))";


const char  ngx_paytrade_pg_write_admin[] =
    "INSERT INTO paytrade.admin_requests AS a (partition, request_id, at,"
    " asked)"
    " SELECT $1::smallint, g.request_id, " PG_TIME("g.at") ", g.asked"
    " FROM unnest($2::text[], $3::bigint[], $4::text[])"
    " AS g(request_id, at, asked)"
    " ORDER BY g.request_id"
    " ON CONFLICT (partition, request_id) DO UPDATE SET at = excluded.at,"
    " asked = excluded.asked"
    " WHERE a.at < excluded.at";


const char  ngx_paytrade_pg_write_dead[] =
    "INSERT INTO paytrade.dead_letter (partition, entry_id, kind, payload,"
    " reason, sqlstate)"
    " SELECT DISTINCT ON (g.entry, g.kind, sha256(g.payload)) $1::smallint,"
    " g.entry, g.kind, g.payload, g.reason, g.sqlstate"
    " FROM unnest($2::text[], $3::text[], $4::bytea[], $5::text[],"
    " $6::text[]) AS g(entry, kind, payload, reason, sqlstate)"
    " ORDER BY g.entry, g.kind, sha256(g.payload)"
    " ON CONFLICT (partition, entry_id, kind, sha256(payload)) DO UPDATE"
    " SET reason = excluded.reason, sqlstate = excluded.sqlstate,"
    " replayed_at = NULL";


#define PG_JOURNAL_ID(id)                                                     \
    "(split_part(" id ", '-', 1)::numeric, split_part(" id ", '-', 2)::numeric)"

const char  ngx_paytrade_pg_write_progress[] =
    "INSERT INTO paytrade.progress AS p (partition, epoch, last_journal_id,"
    " max_order_id) VALUES ($1::smallint, 1, coalesce($2::text, '0-0'),"
    " $3::bigint)"
    " ON CONFLICT (partition) DO UPDATE SET last_journal_id = CASE WHEN "
    PG_JOURNAL_ID("p.last_journal_id") " < "
    PG_JOURNAL_ID("excluded.last_journal_id")
    " THEN excluded.last_journal_id ELSE p.last_journal_id END,"
    " max_order_id = greatest(p.max_order_id, excluded.max_order_id),"
    " updated_at = now()"
    " RETURNING epoch";
