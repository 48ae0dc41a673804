/*
 * Pieces of SQL that several queries share.
 */

#ifndef NGX_PAYTRADE_PG_SQL_H
#define NGX_PAYTRADE_PG_SQL_H

#include "ngx_paytrade_pg_queries.h"


/*
 * Milliseconds to a time and back.  Seconds and milliseconds are added apart,
 * because a double does not hold the milliseconds of the year 9999.
 */
#define PG_TIME(ms)                                                           \
    "to_timestamp(" ms " / 1000) + " ms " % 1000 * interval '1 millisecond'"

#define PG_MS(time)                                                           \
    "round(extract(epoch FROM " time ") * 1000)::bigint"

#define PG_TEXT(n)   #n
#define PG_LIMIT(n)  PG_TEXT(n)
#define PG_PAGE      PG_LIMIT(NGX_PAYTRADE_PG_PAGE)

/*
 * Payments of p that Redis is to know: by the rule by which it forgets them,
 * changed or open within the retention ($3).
 */
#define PG_CUTOFF  "now() - $3::bigint * interval '1 millisecond'"

#define PG_KEPT                                                               \
    "(p.changed_at > " PG_CUTOFF " OR p.ends_at > " PG_CUTOFF ")"

/*
 * The least id that such a payment, or an order of it, may have.  Ids begin
 * with milliseconds; no hold lasts longer than 30 days.
 */
#define PG_LEAST_ID(days)                                                     \
    "greatest($2::bigint, (" PG_MS("now()") " - $3::bigint"                   \
    " - " days " * 86400000::bigint) * 1000000)"


#endif /* NGX_PAYTRADE_PG_SQL_H */
