/* SPDX-License-Identifier: MIT */
/* The newest schema line of each table, before a place in a log. Whoever reads from there needs them: a sink learns from them what the
 * rows are. Beside each segment is the file of those before it (DIR/<20 digits>.schemas). */
#ifndef LOG_SCHEMAS_H
#define LOG_SCHEMAS_H

#include "connectors/log/file/cursor.h"

#include <cdc/event.h>

struct log_schema {
    uint64_t hash;
    char *key; /* names of the table, each behind its length */
    size_t n_key;
    char *line; /* with its LF */
    size_t n_line;
};

struct log_schemas {
    struct log_schema *items; /* in the order in which the tables came */
    size_t n;
    uint32_t *slots; /* numbers of items and 1; 0: free */
    size_t n_slots;
};

void log_schemas_free(struct log_schemas *schemas);
/* Takes note of a line, if it is one of a schema. 0, or -1 without memory. */
int log_schemas_note(struct log_schemas *schemas, const struct cdc_event *event, struct cdc_error *error);
/* Adds all lines of whole lines that are in the text. 0 or -1. */
int log_schemas_scan(struct log_schemas *schemas, struct cdc_span lines, struct cdc_error *error);
/* Those before the segment that begins there; none where there were none. 0, or -1: CONFIG where the file is damaged, or is
 * missing and the journal says that it is there. */
int log_schemas_load(struct log_schemas *schemas, const struct log_folder *folder, uint64_t start,
                     struct cdc_error *error);
/* Those before that byte, which is the start of a line. 0 or -1. */
int log_schemas_before(struct log_schemas *schemas, struct log_folder *folder, uint64_t byte, struct cdc_error *error);
/* Adds those of the segment that begins at start, up to that byte of it. 0 or -1. */
int log_schemas_read(struct log_schemas *schemas, struct log_folder *folder, uint64_t start, uint64_t byte,
                     struct cdc_error *error);
/* Appends their lines. */
void log_schemas_append(struct cdc_buf *out, const struct log_schemas *schemas);
/* The same with one more line, that has the CRC of all: what the file of a segment is. */
void log_schemas_append_file(struct cdc_buf *out, const struct log_schemas *schemas);

#endif
