/*
 * PostgreSQL's array literals, written element by element.
 */

#include "ngx_paytrade_pg_arrays.h"


#define NGX_PAYTRADE_PG_ARRAY_MIN   4096
#define NGX_PAYTRADE_PG_ARRAY_KEPT  262144


static u_char *ngx_paytrade_pg_array_element(ngx_paytrade_pg_array_t *array,
    size_t size);
static u_char *ngx_paytrade_pg_array_room(ngx_paytrade_pg_array_t *array,
    size_t size);


void
ngx_paytrade_pg_array_reset(ngx_paytrade_pg_array_t *array)
{
    if (array->end - array->start > NGX_PAYTRADE_PG_ARRAY_KEPT) {
        ngx_paytrade_pg_array_free(array);
    }

    array->pos = array->start;
    array->failed = 0;
}


void
ngx_paytrade_pg_array_free(ngx_paytrade_pg_array_t *array)
{
    ngx_free(array->start);
    ngx_memzero(array, sizeof(ngx_paytrade_pg_array_t));
}


const char *
ngx_paytrade_pg_array_done(ngx_paytrade_pg_array_t *array)
{
    u_char  *p;

    p = ngx_paytrade_pg_array_room(array, sizeof("{}"));
    if (p == NULL) {
        return NULL;
    }

    if (p == array->start) {
        *p++ = '{';
    }

    *p++ = '}';
    *p++ = '\0';

    array->pos = p;

    return (const char *) array->start;
}


void
ngx_paytrade_pg_array_null(ngx_paytrade_pg_array_t *array)
{
    ngx_paytrade_pg_array_bare(array, pt_slice_lit("NULL"));
}


void
ngx_paytrade_pg_array_int(ngx_paytrade_pg_array_t *array, int64_t n)
{
    u_char  *p;

    p = ngx_paytrade_pg_array_element(array, NGX_INT64_LEN);

    if (p) {
        array->pos = ngx_sprintf(p, "%L", n);
    }
}


void
ngx_paytrade_pg_array_bare(ngx_paytrade_pg_array_t *array, pt_slice_t s)
{
    u_char  *p;

    p = ngx_paytrade_pg_array_element(array, s.len);

    if (p) {
        array->pos = ngx_cpymem(p, s.data, s.len);
    }
}


void
ngx_paytrade_pg_array_text(ngx_paytrade_pg_array_t *array, pt_slice_t s)
{
    size_t   i;
    u_char  *p;

    p = ngx_paytrade_pg_array_element(array, 2 + 2 * s.len);
    if (p == NULL) {
        return;
    }

    *p++ = '"';

    for (i = 0; i < s.len; i++) {

        if (s.data[i] == '"' || s.data[i] == '\\') {
            *p++ = '\\';
        }

        *p++ = s.data[i];
    }

    *p++ = '"';

    array->pos = p;
}


void
ngx_paytrade_pg_array_text_or_null(ngx_paytrade_pg_array_t *array,
    pt_slice_t s)
{
    if (s.len) {
        ngx_paytrade_pg_array_text(array, s);

    } else {
        ngx_paytrade_pg_array_null(array);
    }
}


void
ngx_paytrade_pg_array_safe(ngx_paytrade_pg_array_t *array, pt_slice_t s,
    size_t max)
{
    size_t   i;
    u_char   ch, *p;

    s.len = ngx_min(s.len, max);

    p = ngx_paytrade_pg_array_element(array, 2 + s.len);
    if (p == NULL) {
        return;
    }

    *p++ = '"';

    for (i = 0; i < s.len; i++) {
        ch = s.data[i];

        *p++ = (ch < 0x20 || ch > 0x7e || ch == '"' || ch == '\\') ? '?' : ch;
    }

    *p++ = '"';

    array->pos = p;
}


void
ngx_paytrade_pg_array_bytes(ngx_paytrade_pg_array_t *array, pt_slice_t s)
{
    u_char  *p;

    p = ngx_paytrade_pg_array_element(array, sizeof("\"\\\\x\"") + 2 * s.len);

    if (p) {
        p = ngx_cpymem(p, "\"\\\\x", sizeof("\"\\\\x") - 1);
        p = ngx_hex_dump(p, (u_char *) s.data, s.len);
        *p++ = '"';

        array->pos = p;
    }
}


/* Room for an element of at most size bytes, behind its comma or brace. */

static u_char *
ngx_paytrade_pg_array_element(ngx_paytrade_pg_array_t *array, size_t size)
{
    u_char  *p;

    p = ngx_paytrade_pg_array_room(array, 1 + size);

    if (p) {
        *p = (p == array->start) ? '{' : ',';
        p++;
    }

    return p;
}


static u_char *
ngx_paytrade_pg_array_room(ngx_paytrade_pg_array_t *array, size_t size)
{
    size_t   used, wanted;
    u_char  *start;

    if (array->failed) {
        return NULL;
    }

    if ((size_t) (array->end - array->pos) >= size) {
        return array->pos;
    }

    used = array->pos - array->start;
    wanted = ngx_max(2 * (used + size), NGX_PAYTRADE_PG_ARRAY_MIN);

    start = realloc(array->start, wanted);

    if (start == NULL) {
        array->failed = 1;
        return NULL;
    }

    array->start = start;
    array->pos = start + used;
    array->end = start + wanted;

    return array->pos;
}
