/*
 * What the fuzzing targets share: memory for output, and a check that holds in
 * every build.
 */

#ifndef CORE_FUZZ_H
#define CORE_FUZZ_H

#include <stdio.h>
#include <stdlib.h>

#include "pt_out.h"


#define check(condition)                                                      \
    if (!(condition)) {                                                       \
        fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);       \
        abort();                                                              \
    }


#define FUZZ_BLOCKS  64

typedef struct {
    void      *blocks[FUZZ_BLOCKS];
    unsigned   n;
} fuzz_memory_t;


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* Blocks double, so that few are ever needed. */
static inline void *
fuzz_alloc(void *ctx, size_t size)
{
    fuzz_memory_t  *memory;

    memory = ctx;

    if (memory->n == FUZZ_BLOCKS) {
        return NULL;
    }

    return memory->blocks[memory->n++] = malloc(size);
}


static inline void
fuzz_free(fuzz_memory_t *memory)
{
    while (memory->n) {
        free(memory->blocks[--memory->n]);
    }
}


#endif /* CORE_FUZZ_H */
