/* SPDX-License-Identifier: MIT */
/* What the parts of Debezium's reader know of each other. */
#ifndef FORMAT_DEBEZIUM_READ_H
#define FORMAT_DEBEZIUM_READ_H

#include "libcdc/format/debezium_value.h"

struct debezium_source {
    struct cdc_span whole, connector, name, db, schema, table, snapshot, sequence, gtid, file; /* strings raw */
    struct cdc_span lsn, tx_id, pos, row;
    int64_t ts_ms;
    bool is_postgres;
};

/* Tables are described by an event of a schema change. */
int debezium_take_table_changes(struct cdc_format_reader *reader, const struct debezium_source *source,
                                struct cdc_span changes, struct cdc_error *error);
/* The rows that are gone by the statement of the event, which was appended. */
int debezium_append_gone(struct cdc_format_reader *reader, struct reader_stream *stream,
                         const struct debezium_source *source, struct cdc_span changes,
                         const struct reader_change *statement, struct cdc_buf *out, struct cdc_error *error);
/* A table, by the schema part of a message. */
int debezium_take_schema(struct cdc_format_reader *reader, struct format_table *table, struct cdc_span schema,
                         bool postgres, struct cdc_error *error);
/* Its key, by that of a message. */
int debezium_take_key(struct cdc_format_reader *reader, struct format_table *table, struct cdc_span key, bool postgres,
                      struct cdc_error *error);
/* Leaves the key of an old row whose other values stand for none; before: as it came. */
int debezium_judge_old_row(struct cdc_format_reader *reader, struct format_table *table, struct reader_change *change,
                           struct cdc_span before, struct cdc_error *error);

#endif
