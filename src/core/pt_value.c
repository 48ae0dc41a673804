/*
 * Values with a unit: money, ids, times, names; reading and checking them.
 */

#include "pt_value.h"


typedef struct {
    unsigned  year;
    unsigned  month;
    unsigned  day;
    unsigned  hour;
    unsigned  minute;
    unsigned  second;
    unsigned  ms;
    int       offset;          /* minutes east of UTC */
} pt_time_t;


int
pt_money_parse(pt_slice_t s, unsigned decimals, int64_t *minor)
{
    size_t      n;
    int64_t     whole, fraction, scale;
    unsigned    i;
    pt_slice_t  parts[2];

    n = pt_slice_split(s, '.', parts, 2);

    if (n > 2 || decimals > PT_DECIMALS_MAX) {
        return -1;
    }

    if (parts[0].len > 1 && parts[0].data[0] == '0') {
        return -1;
    }

    if (pt_slice_uint(parts[0], PT_AMOUNT_MAX, &whole) != 0) {
        return -1;
    }

    fraction = 0;
    scale = 1;

    for (i = 0; i < decimals; i++) {
        scale *= 10;
    }

    if (n == 2) {
        if (parts[1].len > decimals
            || pt_slice_uint(parts[1], PT_AMOUNT_MAX, &fraction) != 0)
        {
            return -1;
        }

        for (i = parts[1].len; i < decimals; i++) {
            fraction *= 10;
        }
    }

    if (pt_money_mul(whole, scale, &whole) != 0) {
        return -1;
    }

    return pt_money_add(whole, fraction, minor);
}


int
pt_money_mul(int64_t price, int64_t units, int64_t *minor)
{
    if (price < 0 || units < 0) {
        return -1;
    }

    if (units != 0 && price > PT_AMOUNT_MAX / units) {
        return -1;
    }

    *minor = price * units;

    return 0;
}


int
pt_money_add(int64_t a, int64_t b, int64_t *minor)
{
    if (a < 0 || b < 0 || a > PT_AMOUNT_MAX || b > PT_AMOUNT_MAX - a) {
        return -1;
    }

    *minor = a + b;

    return 0;
}


int
pt_id_parse(pt_slice_t s, int64_t *id)
{
    /* with a leading zero a bigint would not give the same text back */

    if (s.len != PT_ID_LEN || s.data[0] == '0') {
        return -1;
    }

    return pt_slice_uint(s, INT64_MAX, id);
}


unsigned
pt_id_partition(int64_t id)
{
    return id / 10000 % 100;
}


int
pt_id_digits(pt_slice_t s)
{
    size_t  i;

    for (i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9') {
            return 0;
        }
    }

    return s.len > 0;
}


/* Takes exactly `digits` digits off *s. */
static int
pt_time_number(pt_slice_t *s, size_t digits, unsigned max, unsigned *value)
{
    int64_t  n;

    if (s->len < digits
        || pt_slice_uint(pt_slice(s->data, digits), max, &n) != 0)
    {
        return -1;
    }

    s->data += digits;
    s->len -= digits;
    *value = n;

    return 0;
}


/* Takes one character that is a or b. */
static int
pt_time_char(pt_slice_t *s, char a, char b)
{
    if (s->len == 0 || (s->data[0] != a && s->data[0] != b)) {
        return -1;
    }

    s->data++;
    s->len--;

    return 0;
}


static int
pt_time_date(pt_slice_t *s, pt_time_t *time)
{
    unsigned              last;
    static const uint8_t  days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31,
                                     30, 31 };

    if (pt_time_number(s, 4, 9999, &time->year) != 0
        || pt_time_char(s, '-', '-') != 0
        || pt_time_number(s, 2, 12, &time->month) != 0
        || pt_time_char(s, '-', '-') != 0
        || pt_time_number(s, 2, 31, &time->day) != 0
        || time->month == 0
        || time->day == 0)
    {
        return -1;
    }

    last = days[time->month - 1];

    if (time->month == 2
        && time->year % 4 == 0
        && (time->year % 100 != 0 || time->year % 400 == 0))
    {
        last = 29;
    }

    return time->day <= last ? 0 : -1;
}


/* Digits after the third are cut off. */
static int
pt_time_fraction(pt_slice_t *s, pt_time_t *time)
{
    unsigned  digit, scale;

    time->ms = 0;

    if (pt_time_char(s, '.', '.') != 0) {
        return 0;
    }

    if (pt_time_number(s, 1, 9, &digit) != 0) {
        return -1;
    }

    scale = 100;

    do {
        time->ms += digit * scale;
        scale /= 10;
    } while (pt_time_number(s, 1, 9, &digit) == 0);

    return 0;
}


static int
pt_time_offset(pt_slice_t *s, pt_time_t *time)
{
    char      sign;
    unsigned  hour, minute;

    if (pt_time_char(s, 'Z', 'z') == 0) {
        time->offset = 0;
        return 0;
    }

    sign = s->len ? s->data[0] : 0;

    if (pt_time_char(s, '+', '-') != 0
        || pt_time_number(s, 2, 23, &hour) != 0
        || pt_time_char(s, ':', ':') != 0
        || pt_time_number(s, 2, 59, &minute) != 0)
    {
        return -1;
    }

    time->offset = hour * 60 + minute;

    if (sign == '-') {
        time->offset = -time->offset;
    }

    return 0;
}


/* Days since 1970-01-01; years that begin in March end with the leap day. */
static int64_t
pt_time_days(const pt_time_t *time)
{
    int64_t  year, era, yoe, doy;

    year = (int64_t) time->year + 400 - (time->month <= 2);
    era = year / 400;
    yoe = year % 400;
    doy = (153 * ((time->month + 9) % 12) + 2) / 5 + time->day - 1;

    return (era - 1) * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}


int
pt_time_parse(pt_slice_t s, int64_t *ms)
{
    int64_t    minutes, result;
    pt_time_t  time;

    if (pt_time_date(&s, &time) != 0
        || pt_time_char(&s, 'T', 't') != 0
        || pt_time_number(&s, 2, 23, &time.hour) != 0
        || pt_time_char(&s, ':', ':') != 0
        || pt_time_number(&s, 2, 59, &time.minute) != 0
        || pt_time_char(&s, ':', ':') != 0
        || pt_time_number(&s, 2, 60, &time.second) != 0
        || pt_time_fraction(&s, &time) != 0
        || pt_time_offset(&s, &time) != 0
        || s.len != 0)
    {
        return -1;
    }

    minutes = pt_time_days(&time) * 1440 + time.hour * 60 + time.minute;
    minutes -= time.offset;

    if (minutes < 0) {
        return -1;
    }

    /* a leap second ends a day of UTC; it is read as the next day's first */

    if (time.second == 60 && minutes % 1440 != 1439) {
        return -1;
    }

    result = (minutes * 60 + time.second) * 1000 + time.ms;

    if (result > PT_TIME_MAX_MS) {
        return -1;
    }

    *ms = result;

    return 0;
}


/* The rank of the unit that *s begins with, greater first; 0: none. */
static unsigned
pt_duration_unit(pt_slice_t *s, int64_t *scale)
{
    size_t    i;
    unsigned  rank;

    static const struct {
        char      text[3];
        int64_t   scale;
    } units[] = {
        { "ms", INT64_C(1) },
        { "s", INT64_C(1000) },
        { "m", INT64_C(60000) },
        { "h", INT64_C(3600000) },
        { "d", INT64_C(86400000) },
        { "w", INT64_C(604800000) },
        { "M", INT64_C(2592000000) },
        { "y", INT64_C(31536000000) },
    };

    for (rank = 1; rank <= sizeof(units) / sizeof(units[0]); rank++) {
        i = strlen(units[rank - 1].text);

        if (s->len >= i && memcmp(s->data, units[rank - 1].text, i) == 0) {
            *scale = units[rank - 1].scale;
            s->data += i;
            s->len -= i;

            return rank;
        }
    }

    return 0;
}


int
pt_duration_parse(pt_slice_t s, int64_t *ms)
{
    size_t    digits;
    int64_t   total, n, scale;
    unsigned  rank, previous;

    total = 0;
    previous = UINT32_MAX;

    do {
        for (digits = 0; digits < s.len; digits++) {
            if (s.data[digits] < '0' || s.data[digits] > '9') {
                break;
            }
        }

        if (pt_slice_uint(pt_slice(s.data, digits), PT_TIME_MAX_MS, &n) != 0) {
            return -1;
        }

        s.data += digits;
        s.len -= digits;

        rank = pt_duration_unit(&s, &scale);

        if (rank == 0 && s.len == 0) {
            /* a number alone is seconds, as in nginx.conf */
            rank = 2;
            scale = 1000;
        }

        if (rank == 0 || rank >= previous
            || n > (PT_TIME_MAX_MS - total) / scale)
        {
            return -1;
        }

        total += n * scale;
        previous = rank;

        /* a space stands between two parts only */

        while (s.len > 1 && s.data[0] == ' ') {
            s.data++;
            s.len--;
        }

    } while (s.len);

    *ms = total;

    return 0;
}


int
pt_name_valid(pt_slice_t s)
{
    size_t  i;

    if (s.len == 0 || s.len > PT_NAME_MAX) {
        return 0;
    }

    for (i = 0; i < s.len; i++) {
        if (s.data[i] <= ' ' || s.data[i] > '~' || s.data[i] == ',') {
            return 0;
        }
    }

    return 1;
}


int
pt_text_valid(pt_slice_t s, size_t max)
{
    return s.len >= 1 && s.len <= max && pt_slice_text(s);
}


int
pt_hash_valid(pt_slice_t s)
{
    size_t  i;

    if (s.len == 0) {
        return 1;
    }

    if (s.len != PT_HASH_LEN) {
        return 0;
    }

    for (i = 0; i < s.len; i++) {
        if ((s.data[i] < '0' || s.data[i] > '9')
            && (s.data[i] < 'a' || s.data[i] > 'f'))
        {
            return 0;
        }
    }

    return 1;
}
