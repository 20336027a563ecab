/* SPDX-License-Identifier: MIT */
/* Records of plain JSON: a topic is a table, a value is a row of it, and a value that is missing is the end of the row with that key. */
#ifndef KAFKA_JSON_H
#define KAFKA_JSON_H

#include <cdc/event.h>
#include <cdc/options.h>

/* The table of a topic: its columns are those that its rows have had so far. All names are raw JSON text. */
struct kafka_json_table {
    char *topic;
    char **columns;
    size_t n;
    struct cdc_span *values; /* of the row in hand */
    size_t *key, n_key;      /* indexes of columns */
    bool settled;            /* whether there is a key is known */
    bool named;              /* the key was given by name (--key) */
    bool differs;            /* a record came under another key than its row's */
    struct cdc_buf scratch;
};

struct kafka_json_record {
    struct cdc_span key, value; /* p NULL: none */
    int64_t offset, ts_ms;
};

/* BORROWS topic. false without memory. */
bool kafka_json_init(struct kafka_json_table *table, const char *topic);
void kafka_json_free(struct kafka_json_table *table);
/* The key columns of --key, "[TABLE:]a,b" each, if one fits the topic. */
int kafka_json_set_key(struct kafka_json_table *table, const struct cdc_option_list *keys, struct cdc_error *error);
/* What an earlier run knew of the table: its schema line. */
int kafka_json_restore(struct kafka_json_table *table, const struct cdc_event *schema, struct cdc_error *error);
/* Appends the lines that the record is, none for some. name: source.name. *told: columns that the last schema line had, SIZE_MAX
 * without one: a new one comes before a row that has more. DATA: it is no row. */
int kafka_json_lines(struct kafka_json_table *table, const struct kafka_json_record *record, const char *name,
                     size_t *told, struct cdc_buf *out, struct cdc_error *error);

#endif
