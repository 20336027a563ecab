/* SPDX-License-Identifier: MIT */
/* What identifies a row, as bytes that are the same however a stage before has printed its key: {"a":1,"b":"é"} and
 * { "b": "\u00e9", "a": 1 }, and a number with and without quotes (--int64=string). */
#ifndef LOG_KEY_H
#define LOG_KEY_H

#include <cdc/event.h>

#include <stdint.h>

struct log_key {
    struct cdc_buf bytes;
    uint64_t names;          /* hash of the names of its columns, sorted */
    size_t n;                /* columns */
    uint64_t shape;          /* of the row (event.h) that the next are of; 0: none */
    unsigned char order[64]; /* of its columns by name */
};

#define LOG_KEY_INIT                                                                                                   \
    {                                                                                                                  \
        CDC_BUF_INIT, 0, 0, 0,                                                                                         \
        {                                                                                                              \
            0                                                                                                          \
        }                                                                                                              \
    }

/* Replaces *key by that of the event. With at most LOG_KEY_COLUMNS members; false when there are more, or
 * none. Without memory key->bytes.failed. */
#define LOG_KEY_COLUMNS 64
bool log_key_of(struct log_key *key, const struct cdc_event *event);
/* The key that a row had before: of the members of `before` that have the names of those of `key`, the object of the same line.
 * *whole: before has others as well, so that it tells the row from one that had the same key. false: not all are there. */
bool log_key_of_before(struct log_key *old, struct cdc_span key, struct cdc_span before, bool *whole);
/* Appends the members of `before` that have the names of those of `key`, as an object: {"id":1}. */
void log_key_append_before(struct cdc_buf *out, struct cdc_span key, struct cdc_span before);

/* 64 bits of n bytes, quickly. */
uint64_t log_hash_bytes(uint64_t hash, const void *data, size_t n);

#endif
