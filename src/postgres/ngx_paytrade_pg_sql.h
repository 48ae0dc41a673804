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
 * changed or open within the retention (a parameter, in ms).
 */
#define PG_CUTOFF(retention)                                                  \
    "now() - " retention "::bigint * interval '1 millisecond'"

#define PG_KEPT(retention)                                                    \
    "(p.changed_at > " PG_CUTOFF(retention)                                   \
    " OR p.ends_at > " PG_CUTOFF(retention) ")"

/*
 * The least id that such a payment, or an order of it, may have, or $2.  Ids
 * begin with milliseconds; no hold lasts longer than 30 days.
 */
#define PG_LEAST_ID(days, retention)                                          \
    "greatest($2::bigint, (" PG_MS("now()") " - " retention "::bigint"        \
    " - " days " * 86400000::bigint) * 1000000)"


#endif /* NGX_PAYTRADE_PG_SQL_H */
