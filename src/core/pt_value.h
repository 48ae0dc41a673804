/*
 * Values with a unit: money, ids, times, names; reading and checking them.
 *
 * All functions return 0, or -1 when the text is not such a value; then the
 * result is not written.
 */

#ifndef PT_VALUE_H
#define PT_VALUE_H

#include "pt_slice.h"


/* The largest amount, in minor units; it stays exact in a Lua number. */
#define PT_AMOUNT_MAX        INT64_C(10000000000000)

/* The largest number of units: of one line, of stock. */
#define PT_UNITS_MAX         INT64_C(1000000000)

#define PT_DECIMALS_MAX      4

#define PT_ID_LEN            19
#define PT_PARTITIONS_MAX    100

#define PT_USER_MAX          128
#define PT_NAME_MAX          64
#define PT_TITLE_MAX         256
#define PT_KEY_MAX           255
#define PT_HASH_LEN          16

/* 9999-12-31T23:59:59.999Z */
#define PT_TIME_MAX_MS       INT64_C(253402300799999)

/* Longest hold: 30 days; shortest: 1 second. */
#define PT_HOLD_MAX_MS       INT64_C(2592000000)
#define PT_HOLD_MIN_MS       INT64_C(1000)


/*
 * "5000", "5000.0" and "5000.00" with 2 decimals are 500000; no sign, no
 * leading zero.
 */
int pt_money_parse(pt_slice_t s, unsigned decimals, int64_t *minor);

/* price * units and a + b, refused above PT_AMOUNT_MAX. */
int pt_money_mul(int64_t price, int64_t units, int64_t *minor);
int pt_money_add(int64_t a, int64_t b, int64_t *minor);

/*
 * An order id or pay_no: 19 digits, of which 13 are milliseconds, 2 the
 * partition, 4 a sequence.  Fits a signed 64-bit integer; the first is not 0.
 */
int pt_id_parse(pt_slice_t s, int64_t *id);
unsigned pt_id_partition(int64_t id);

/* Digits, of any number, of which an id may be made: 1 or 0. */
int pt_id_digits(pt_slice_t s);

/* RFC 3339 with any offset, to milliseconds since 1970 in UTC; not before. */
int pt_time_parse(pt_slice_t s, int64_t *ms);

/*
 * "15m", "2s", "1h30m", "1h 30m", "500ms": nginx's time units, greatest first,
 * to milliseconds.  A number without a unit is seconds.
 */
int pt_duration_parse(pt_slice_t s, int64_t *ms);

/*
 * The name of a SKU or a sale: 1 to PT_NAME_MAX printable ASCII characters
 * without space and comma: 1 or 0.
 */
int pt_name_valid(pt_slice_t s);

/* A user or a key: 1 to max bytes of UTF-8 without control characters. */
int pt_text_valid(pt_slice_t s, size_t max);

/* A hash as rows have it: PT_HASH_LEN hexadecimal digits, or nothing. */
int pt_hash_valid(pt_slice_t s);


#endif /* PT_VALUE_H */
