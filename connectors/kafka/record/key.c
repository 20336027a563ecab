/* SPDX-License-Identifier: MIT */
/* Keys, and the partition that a key belongs to. Both must be the same bytes and the same number in every run, and for every other
 * program that writes or looks for the same key: else the rows of one key come in two partitions, where nothing says which is newer. */
#include "connectors/kafka/record/record.h"

static void append_member(struct cdc_buf *out, const char *name, struct cdc_span value, bool first)
{
    cdc_buf_byte(out, first ? '{' : ',');
    cdc_json_append_string(out, name, strlen(name));
    cdc_buf_byte(out, ':');
    cdc_json_append_compact(out, value);
}

int kafka_key_append(struct cdc_buf *out, const char *const *names, size_t n, struct cdc_span object, bool exact,
                     struct cdc_error *error)
{
    for (size_t i = 0; i < n; i++) {
        struct cdc_span value = cdc_json_member(object, names[i]);
        if (cdc_json_is_null(value))
            return cdc_error_set(error, CDC_EXIT_DATA, "column \"%s\" of the key is %s", names[i],
                                 value.p == NULL ? "missing" : "null");
        append_member(out, names[i], value, i == 0);
    }
    cdc_buf_byte(out, '}');
    if (exact && cdc_json_count_members(object) != n)
        return cdc_error_set(error, CDC_EXIT_DATA, "the key has other columns than its table's");
    return out->failed ? cdc_error_memory(error) : 0;
}

/* -- MurmurHash2 with the seed of Kafka's clients ----------------------------------- */

#define MURMUR_SEED UINT32_C(0x9747b28c)
#define MURMUR_M UINT32_C(0x5bd1e995)

static uint32_t word_at(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint32_t kafka_murmur2(const void *data, size_t n)
{
    const unsigned char *p = data;
    uint32_t hash = MURMUR_SEED ^ (uint32_t)n;
    size_t left = n;

    for (; left >= 4; left -= 4, p += 4) {
        uint32_t word = word_at(p) * MURMUR_M;
        word ^= word >> 24;
        hash = hash * MURMUR_M ^ word * MURMUR_M;
    }
    if (left > 0) {
        for (size_t i = left; i-- > 0;)
            hash ^= (uint32_t)p[i] << (8 * i);
        hash *= MURMUR_M;
    }
    hash ^= hash >> 13;
    hash *= MURMUR_M;
    return hash ^ hash >> 15;
}

int32_t kafka_partition_of(const void *key, size_t n, int32_t partitions)
{
    return (int32_t)((kafka_murmur2(key, n) & UINT32_C(0x7fffffff)) % (uint32_t)partitions);
}
