/*
 * Any text as each kind of value: what is read is in range, and what is
 * written of it is read back as the same.
 */

#include "core_fuzz.h"
#include "pt_json.h"
#include "pt_value.h"


static void
check_money(pt_slice_t s, fuzz_memory_t *memory)
{
    int64_t   minor, back;
    pt_out_t  out;
    unsigned  decimals;

    for (decimals = 0; decimals <= PT_DECIMALS_MAX; decimals++) {
        if (pt_money_parse(s, decimals, &minor) != 0) {
            continue;
        }

        check(minor >= 0 && minor <= PT_AMOUNT_MAX);

        pt_out_init(&out, fuzz_alloc, memory, 0);
        pt_out_money(&out, minor, decimals);
        check(pt_money_parse(pt_out_slice(&out), decimals, &back) == 0);
        check(back == minor);
    }
}


static void
check_numbers(pt_slice_t s, fuzz_memory_t *memory)
{
    int64_t   n, back;
    pt_out_t  out;

    if (pt_slice_int(s, INT64_MIN, INT64_MAX, &n) == 0) {
        pt_out_init(&out, fuzz_alloc, memory, 0);
        pt_out_int(&out, n);
        check(pt_slice_int(pt_out_slice(&out), n, n, &back) == 0);
        check(back == n);
        check((pt_slice_int(s, -9, 99, &back) == 0) == (n >= -9 && n <= 99));
    }

    if (pt_id_parse(s, &n) == 0) {
        check(pt_id_digits(s));
        pt_out_init(&out, fuzz_alloc, memory, 0);
        pt_out_int(&out, n);
        check(pt_slice_eq(pt_out_slice(&out), s));
        check(pt_id_partition(n) < PT_PARTITIONS_MAX);
    }

    if (pt_duration_parse(s, &n) == 0) {
        check(n >= 0 && n <= PT_TIME_MAX_MS);
    }
}


static void
check_time(pt_slice_t s, fuzz_memory_t *memory)
{
    int64_t   ms, back;
    pt_out_t  out;

    if (pt_time_parse(s, &ms) != 0) {
        return;
    }

    check(ms >= 0 && ms <= PT_TIME_MAX_MS);

    pt_out_init(&out, fuzz_alloc, memory, 0);
    pt_out_time(&out, ms);
    check(pt_time_parse(pt_out_slice(&out), &back) == 0);
    check(back == ms);
}


static void
check_texts(pt_slice_t s, fuzz_memory_t *memory)
{
    pt_out_t     out;
    const char  *why;

    check(!pt_name_valid(s) || pt_text_valid(s, PT_NAME_MAX));
    check(!pt_text_valid(s, PT_KEY_MAX) || pt_slice_text(s));
    check(!pt_slice_text(s) || pt_slice_utf8(s));

    if (pt_slice_text(s)) {
        pt_out_init(&out, fuzz_alloc, memory, 0);
        pt_out_json(&out, s);
        check(out.pos - out.start > PT_JSON_SIZE_MAX
              || pt_json_scan(pt_out_slice(&out), &why) == 0);
    }
}


static void
check_fields(pt_slice_t s)
{
    size_t      i, n;
    pt_slice_t  f[4], rest, field;

    n = pt_slice_split(s, ',', f, 4);
    rest = s;

    for (i = 0; pt_slice_next(&rest, ',', &field); i++) {
        check(i >= 4 || pt_slice_eq(f[i], field));
    }

    check(i == n || s.data == NULL);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    pt_slice_t     s;
    fuzz_memory_t  memory;

    memory.n = 0;
    s = pt_slice(data, size);

    check_money(s, &memory);
    check_numbers(s, &memory);
    check_time(s, &memory);
    check_texts(s, &memory);
    check_fields(s);

    fuzz_free(&memory);

    return 0;
}
