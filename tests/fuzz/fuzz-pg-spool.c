/* SPDX-License-Identifier: MIT */
/* Any bytes as messages of streamed transactions: two bytes of length before each. Whatever is taken comes out in the end. */
#include "connectors/postgres/stream/spool.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>

static void drain(struct pg_spool *spool)
{
    struct cdc_error error = {0};
    volatile char last = 0;
    while (pg_spool_has(spool)) {
        uint64_t place;
        struct cdc_span payload;
        if (pg_spool_next(spool, &place, &payload, &error) < 0)
            abort();
        for (size_t i = 0; i < payload.n; i++)
            last = payload.p[i];
    }
    (void)last;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cdc_error made = {0};
    struct pg_spool *spool = pg_spool_new("/tmp", &made);
    if (!spool)
        return 0;
    while (size >= 2) {
        struct cdc_error error = {0};
        size_t n = (size_t)data[0] << 8 | data[1];
        data += 2;
        size -= 2;
        n = n > size ? size : n;
        uint8_t *message = exact_copy(data, n);
        int result = pg_spool_take(spool, size, (const char *)message, n, &error);
        free(message);
        if (result < 0 && error.status == 0)
            abort();
        drain(spool);
        data += n;
        size -= n;
    }
    pg_spool_free(spool);
    return 0;
}
