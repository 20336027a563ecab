/* SPDX-License-Identifier: MIT */
/* What is known of a table, and the parts of its lines that never change. */
#ifndef PG_TABLE_H
#define PG_TABLE_H

#include "connectors/postgres/pgoutput/key.h"
#include "connectors/postgres/pgoutput/types.h"

#include <cdc/buf.h>
#include <cdc/error.h>

struct pg_column {
    char *name;
    struct cdc_buf name_json; /* "\"name\":" ready to append */
    uint32_t type_oid;
    int32_t typmod;
    struct pg_type type;
    char *type_name;      /* format_type(), or the oid as text when unknown */
    char *base_type_name; /* of a domain: what it is made of; else NULL */
    bool identity;        /* of the replica identity: flag 1 of the Relation message; with FULL all are */
    bool primary;         /* of the primary key, by today's catalogs */
    bool key;             /* part of key (key.h) */
    bool nullable, generated;
    bool never_null; /* not nullable, and so it was for every change that is still sent */
};
struct pg_table {
    uint32_t oid;
    char *schema, *name;
    struct pg_column *columns;
    size_t n_columns;
    struct pg_composite **composites; /* that values of the columns have in them */
    size_t n_composites;
    /* The log says nothing of the fields of a composite type, and today's may be younger than a change: values in it are as they
     * are described from this LSN on. 0: all are. */
    uint64_t composites_from;
    bool composites_read;        /* the rows that were read last are of after that */
    uint64_t composites_until;   /* the catalogs were as described when the log was here */
    bool composites_unsure;      /* of the change in hand: they are written as text */
    uint32_t composites_altered; /* the transaction that altered one of them last */
    bool composites_due;         /* may have been altered since: to be described anew */
    struct pg_key_facts key_facts;
    /* The log does not say what the primary key is (FULL, NOTHING), and today's may be younger than the change: then it is
     * none up to this LSN, from where on it is certain. 0: the key is that of the change. */
    uint64_t unsure_until;
    uint32_t unsure_key; /* the transaction that made it */
    uint32_t seen_key;   /* the same of a key that the table was seen with before this change; 0: not known */
    /* Partitions whose changes come as this table's, and whose old rows may lack its key, by the log itself (relations.c). */
    size_t n_unlike;
    uint32_t unlike_of; /* of such a partition: that table; 0: it is none */
    bool has_key;
    size_t key_end;             /* after the last column of the key */
    bool has_json;              /* some column is json or jsonb */
    bool selected;              /* by -t / -T */
    bool stale;                 /* all of it will be read again, after the lines that come: its changes are omitted */
    bool live;                  /* it is read again while the log goes on, or will be (live.h) */
    size_t round;               /* that has read it (rounds.c); 0: none */
    size_t part;                /* where it keeps rows of earlier attempts (parts.c); 0: it does not */
    bool schema_written;        /* in this run */
    size_t bytes;               /* of memory, roughly (relations.c) */
    struct cdc_buf source_head; /* `{"connector":"postgresql","name":..,"db":..,"schema":..,"table":..` without closing
                                   brace, ready */
};
void pg_table_free(struct pg_table *table);
/* What is not selected needs no columns. */
void pg_table_drop_columns(struct pg_table *table);
/* The composite type of that oid, without fields where it is new; NULL: without memory, or there are too many, and it is text. */
struct pg_composite *pg_table_composite(struct pg_table *table, uint32_t oid);
/* No column may refer to them any more. */
void pg_table_drop_composites(struct pg_table *table);
/* Once names, identities and key_facts are set: settles which columns are the key, recognises arrays of other than
 * built-in types by their name, and builds name_json and source_head. 0 or -1 */
int pg_table_prepare(struct pg_table *table, const char *pipeline, const char *database, struct cdc_error *error);
/* Appends one whole schema line with LF. */
void pg_table_schema_line(struct cdc_buf *out, const struct pg_table *table, struct cdc_span pos, uint64_t seq,
                          int64_t ts_ms);

/* Appends `{"connector":"postgresql","name":"N","db":"D"`. */
void pg_source_head(struct cdc_buf *out, const char *pipeline, const char *database);
/* Appends `,"ts_ms":N,"txId":N,"lsn":N,"snapshot":"S"}`; tx_id 0: omitted. */
void pg_source_tail(struct cdc_buf *out, int64_t ts_ms, uint32_t tx_id, uint64_t lsn, const char *snapshot);

/* Puts `,"system_id":"S","timeline":N` into the source object that ends out: of boundary lines, since positions are taken
 * from those. */
void pg_source_server(struct cdc_buf *out, const char *system_id, int64_t timeline);

/* One value of a row: kind 't' text, 'n' NULL, 'u' not known (TOAST that did not change). BORROWS its bytes. */
struct pg_cell {
    const char *p;
    uint32_t n;
    char kind;
    bool raw;   /* of kind 't': bytes that are no text in the database's encoding (encoding.h) */
    bool plain; /* of kind 't': ASCII that JSON has as it is; false: it may be */
};
enum pg_row_part { PG_ROW_ALL, PG_ROW_KEY, PG_ROW_IDENTITY };
/* Appends {"column":value,...} of the columns in part, without those of kind 'u'. cells: one for each column. (types.c:
 * the compiler puts the conversion of values into it) */
void pg_row_append(struct cdc_buf *out, const struct pg_table *table, const struct pg_cell *cells,
                   enum pg_row_part part, const struct cdc_value_format *format, struct pg_value_counts *counts);
/* JSON's null is a value, and prints as SQL's NULL does: appends `,"json_null":["column",...]` of the columns that have
 * it; nothing where there is none. member: the name of the list. */
void pg_row_append_json_null(struct cdc_buf *out, const struct pg_table *table, const struct pg_cell *cells,
                             const char *member);
/* All columns of the key have a value; else PROTOCOL: the server sent a row under a key that is none. */
int pg_row_check_key(const struct pg_table *table, const struct pg_cell *cells, struct cdc_error *error);

#endif
