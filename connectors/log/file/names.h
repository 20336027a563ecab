/* SPDX-License-Identifier: MIT */
/* The names in a log's folder (cdc-log(5)). The number in one is the logical byte, counted over uncompressed bytes of the whole log,
 * that the file begins with. */
#ifndef LOG_NAMES_H
#define LOG_NAMES_H

#include <stdbool.h>
#include <stdint.h>

enum log_kind {
    LOG_OTHER,      /* none of a segment */
    LOG_PLAIN,      /* <20 digits>.ndjson */
    LOG_PACKED,     /* <20 digits>.ndjson.zst */
    LOG_INDEX,      /* <20 digits>.idx */
    LOG_SALTS,      /* <20 digits>.salt */
    LOG_SCHEMAS,    /* <20 digits>.schemas */
    LOG_BASE,       /* base-<20 digits>.ndjson.zst */
    LOG_BASE_INDEX, /* base-<20 digits>.idx */
};

#define LOG_DIGITS 20
#define LOG_NAME_SIZE 48

/* OTHER for everything else, a name with more behind it ("….tmp") as well. */
enum log_kind log_name_parse(const char *name, uint64_t *byte);
/* Returns name. */
const char *log_name_make(char name[LOG_NAME_SIZE], enum log_kind kind, uint64_t byte);

#endif
