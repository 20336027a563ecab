/* SPDX-License-Identifier: MIT */
/* A record as it stands in a sorter's memory and in its files: this, then the bytes of key and data, up to a multiple of 8. */
#ifndef LOG_RECORD_H
#define LOG_RECORD_H

#include <stdlib.h>
#include <sys/mman.h>

#include "connectors/log/compact/sorter.h"

#define LOG_HUGE_PAGE ((size_t)1 << 21)

struct log_header {
    uint64_t first, second;
    uint32_t key_n, data_n;
};

static inline size_t log_header_size(const struct log_header *header)
{
    return (sizeof *header + (size_t)header->key_n + header->data_n + 7) & ~(size_t)7;
}

static inline const struct log_header *log_header_at(const char *block, size_t at)
{
    return (const struct log_header *)(const void *)(block + at);
}

static inline struct log_record log_header_record(const struct log_header *header)
{
    const char *p = (const char *)(header + 1);

    return (struct log_record){header->first, header->second, cdc_span(p, header->key_n),
                               cdc_span(p + header->key_n, header->data_n)};
}

/* Writes the record to `to`, where there is room for it. Its size. */
static inline size_t log_header_put(char *to, const struct log_record *record)
{
    struct log_header header = {record->first, record->second, (uint32_t)record->key.n, (uint32_t)record->data.n};

    memcpy(to, &header, sizeof header);
    if (record->key.n > 0)
        memcpy(to + sizeof header, record->key.p, record->key.n);
    if (record->data.n > 0)
        memcpy(to + sizeof header + record->key.n, record->data.p, record->data.n);
    return log_header_size(&header);
}

/* Memory that is looked into all over: few large pages take fewer look-ups. RETURNS NEW (free); NULL without memory. */
static inline void *log_large_new(size_t n)
{
    void *memory = NULL;

    if (n < LOG_HUGE_PAGE)
        return malloc(n);
    if (posix_memalign(&memory, LOG_HUGE_PAGE, n) != 0)
        return NULL;
    (void)madvise(memory, n, MADV_HUGEPAGE);
    return memory;
}

#endif
