/*
 * Problems: every error code that a client can meet, with its HTTP status and
 * title, in one table (RFC 9457).
 */

#ifndef PT_PROBLEM_H
#define PT_PROBLEM_H

#include "pt_out.h"


/*
 * Seconds until asking again may help, for Retry-After, where nothing nearer is
 * known: too much at once; something has to be done first; a day's attempts.
 */
#define PT_RETRY_SOON      1
#define PT_RETRY_LATER     10
#define PT_RETRY_DAY       3600


typedef enum {
    PT_BAD_REQUEST = 0,
    PT_NO_USER,
    PT_UNKNOWN_ITEM,
    PT_UNKNOWN_ORDER,
    PT_UNKNOWN_PAYMENT,
    PT_UNKNOWN_SALE,
    PT_UNKNOWN_DEAD_LETTER,
    PT_NOT_FOUND,
    PT_KEY_REUSED,
    PT_TOO_MANY_ATTEMPTS,
    PT_PAUSED,
    PT_NOT_STARTED,
    PT_ENDED,
    PT_PRICE_CHANGED,
    PT_LIMIT_REACHED,
    PT_SOLD_OUT,
    PT_ALREADY_PAID,
    PT_ORDER_CLOSED,
    PT_EXPIRES_SOON,
    PT_DIFFERENT_PARTITIONS,
    PT_UNKNOWN_GATEWAY,
    PT_UNKNOWN_METHOD,
    PT_AMOUNT_OUT_OF_RANGE,
    PT_BELOW_COMMITTED,
    PT_WRONG_SALE,
    PT_REBUILD_REQUIRED,
    PT_STILL_POISON,
    PT_FORBIDDEN,
    PT_UNVERIFIED,
    PT_METHOD_NOT_ALLOWED,
    PT_TOO_LARGE,
    PT_UNSUPPORTED_MEDIA_TYPE,
    PT_UNAVAILABLE,
    PT_INTERNAL_ERROR,
    PT_PROBLEMS
} pt_problem_e;


typedef struct {
    const char  *code;       /* stable, lower case with underscores */
    unsigned     status;
    const char  *title;
    unsigned     retry;      /* PT_RETRY_, or 0: none of its own */
} pt_problem_t;


extern const pt_problem_t  pt_problems[PT_PROBLEMS];

/*
 * Opens the body of a problem: {"type":…,"title":…,"status":…,"code":…
 * and "detail" unless detail is NULL.  The caller adds members of its own and
 * closes the object with "}".
 */
void pt_problem_open(pt_out_t *out, pt_problem_e problem, const char *detail);


#endif /* PT_PROBLEM_H */
