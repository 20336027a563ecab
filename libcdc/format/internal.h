/* SPDX-License-Identifier: MIT */
/* What the formats share: types, tables, times, and the two frames that a format fills in. */
#ifndef FORMAT_INTERNAL_H
#define FORMAT_INTERNAL_H

#include <cdc/format.h>
#include <cdc/names.h>

/* -- types.c --------------------------------------------------------------------------- */

/* How cdc-event(5) writes a value of the type. */
enum value_class {
    VALUE_TEXT, /* a string, or what else it has for a type that is none of these */
    VALUE_BOOL,
    VALUE_INT,
    VALUE_DECIMAL,
    VALUE_FLOAT,
    VALUE_BYTES,
    VALUE_BITS, /* "0101" */
    VALUE_DATE,
    VALUE_TIME,
    VALUE_TIMESTAMP,
    VALUE_TIMESTAMPTZ,
    VALUE_JSON,
    VALUE_HSTORE,
    VALUE_ENUM,
    VALUE_SET,
    VALUE_YEAR,
    VALUE_GEOMETRY,
    VALUE_VECTOR,
    VALUE_ARRAY
};

struct value_type {
    enum value_class value, element; /* element: of an array */
    char delimiter;                  /* between elements, in the server's text of an array */
    int digits;                      /* of a second */
    int length;                      /* the first number in parentheses; -1: none */
    int bytes;                       /* of an integer: 1, 2, 3, 4, 8 */
    bool is_unsigned;
    bool is_postgres;
    bool is_timetz, is_fixed_bits;
    bool is_fixed_bytes; /* binary(n) and the like: the server's text has no trailing zeros */
};

/* raw: between the quotes of a schema line. */
struct value_type value_type_of(struct cdc_span raw, bool postgres);

/* -- temporal.c ------------------------------------------------------------------------ */

/* Texts of dates and times, as cdc-event(5) has them, are numbers and back. The Gregorian calendar in both directions, also before
 * it was made; "BC" after a year. False where the text is no such time (0000-00-00, infinity). */
bool temporal_days(struct cdc_span text, int64_t *days);   /* since 1970-01-01 */
bool temporal_time(struct cdc_span text, int64_t *micros); /* of the day; MySQL's may be negative, and beyond a day */
bool temporal_timestamp(struct cdc_span text, int64_t *micros); /* without zone */
/* pad: MySQL's, with all its digits; else without trailing zeros. */
void temporal_append_date(struct cdc_buf *out, int64_t days);
void temporal_append_time(struct cdc_buf *out, int64_t micros, int digits, bool pad);
/* separator: 'T' or ' '. */
void temporal_append_timestamp(struct cdc_buf *out, int64_t micros, int digits, bool pad, char separator);

/* -- tables.c -------------------------------------------------------------------------- */

struct format_column {
    struct cdc_span name, type; /* owned, as between the quotes */
    struct value_type value;
    bool nullable, key;
    bool seen;                           /* while a row is read */
    int wire, wire_digits, wire_element; /* the format's own */
};

/* Reading: what old rows of the table have, as lines have shown it. */
enum format_old_rows { FORMAT_OLD_UNKNOWN, FORMAT_OLD_WHOLE, FORMAT_OLD_KEY };

struct format_table {
    struct cdc_span name, db, schema, table; /* owned; p NULL where absent */
    struct format_column *columns;
    size_t n;
    size_t *key; /* in key order */
    size_t n_key;
    bool defined;   /* there was a schema line, or the format told the columns */
    bool announced; /* reading: a schema line has left */
    bool plain;     /* writing: every row leaves as it is */
    enum format_old_rows old_rows;
    struct cdc_buf newest;  /* reading: of its lines, the position that is last in the log */
    int64_t version;        /* of Singer */
    uint64_t tx, tx_lines;  /* the transaction in hand, and lines of the table in it */
    struct cdc_buf text[3]; /* the format's own */
    struct cdc_span identity;
    uint64_t hash;
};

struct format_tables {
    struct format_table **items;
    size_t n;
    size_t *slots, n_slots; /* index + 1 of a table */
    struct format_table *last;
    struct cdc_buf scratch;
};

/* A table by its names (raw), a new one the first time. NULL: MEMORY. */
struct format_table *format_table_of(struct format_tables *tables, struct cdc_span name, struct cdc_span db,
                                     struct cdc_span schema, struct cdc_span table, struct cdc_error *error);
void format_tables_free(struct format_tables *tables);
/* All columns are forgotten. */
void format_table_reset(struct format_table *table);
/* Adds one: BORROWED until the next one. NULL: MEMORY. */
struct format_column *format_table_add(struct format_table *table, struct cdc_span name, struct cdc_span type,
                                       bool postgres, struct cdc_error *error);
/* From the names of the key columns (a list of JSON), those that the table has. */
int format_table_set_key(struct format_table *table, struct cdc_span names, struct cdc_error *error);
/* Is the column (by its index) the next one of the key? Adds it. */
int format_table_add_key(struct format_table *table, size_t column, struct cdc_error *error);
/* From a schema line. */
int format_table_define(struct format_table *table, const struct cdc_event *event, struct cdc_error *error);
/* The column of that name; rows have them in the table's order, so *next is looked at first. NULL: none. */
struct format_column *format_column_of(const struct format_table *table, size_t *next, struct cdc_span name);

/* Does the list of strings have that name? */
bool format_list_has(struct cdc_span list, struct cdc_span raw);
/* The member of a row with that raw name; {NULL, 0}. */
struct cdc_span format_row_value(struct cdc_span row, struct cdc_span raw);
/* A row that is asked for one name after the other: in a wide one that takes no longer for more columns. */
struct format_row {
    struct cdc_span row;
    struct cdc_names names;
    struct cdc_span *values; /* by the numbers of names; NULL: each is looked for in the whole row */
};
void format_row_begin(struct format_row *index, struct cdc_span row);
struct cdc_span format_row_find(const struct format_row *index, struct cdc_span raw); /* as format_row_value */
void format_row_end(struct format_row *index);
void format_append_raw(struct cdc_buf *out, struct cdc_span raw); /* in quotes */
/* Decodes base64 (either alphabet); false when it is none. */
bool format_decode_base64(struct cdc_buf *out, struct cdc_span text);
/* Appends hexadecimal digits of bytes, and bytes of digits (false: they are none). */
void format_append_hex(struct cdc_buf *out, const char *p, size_t n);
bool format_decode_hex(struct cdc_buf *out, struct cdc_span text);
/* A number as JSON has it? */
bool format_is_number(struct cdc_span text);

/* -- losses (format.c) ----------------------------------------------------------------- */

enum loss {
    LOSS_NO_DATE,
    LOSS_BYTES_TEXT,
    LOSS_OBJECT,
    LOSS_UNCHANGED,
    LOSS_MOVED,
    LOSS_UNAVAILABLE,
    LOSS_BIG_UNSIGNED,
    LOSS_OLD_ROW,
    LOSS_TRUNCATE,
    LOSS_MESSAGE,
    LOSS_MESSAGE_KIND,
    LOSS_DDL,
    LOSS_NAN,
    LOSS_JSON_NULL,
    LOSS_EMPTY_SET,
    LOSS_READ,
    LOSS_UNKNOWN,
    LOSS_VERSION,
    LOSS_TYPE,
    LOSS_UNTYPED,
    LOSS_GONE,
    LOSS_ALTERED,
    LOSSES
};

struct losses {
    uint64_t n[LOSSES];
};

/* -- writing --------------------------------------------------------------------------- */

/* The transaction in hand of one source. */
struct writer_stream {
    struct cdc_span name; /* owned, raw */
    struct cdc_buf id;
    struct cdc_buf newest; /* pos of the newest change */
    struct cdc_buf chunk;  /* pos of the first change, where that is of a snapshot: these have one place in the log */
    bool open;
    uint64_t number, lines;
    struct cdc_buf held;  /* the newest line, until it is known whether it is the last one of the transaction */
    size_t held_at;       /* where in it that stands */
    struct cdc_buf later; /* lines that come after it, and are none of the transaction's */
    int n_later;
    struct format_table **touched;
    size_t n_touched, touched_room;
};

struct cdc_format_writer;
struct writer_ops {
    const char *name;
    const char *const *parts; /* what can be asked for; the bit is the index */
    int (*event)(struct cdc_format_writer *writer, struct writer_stream *stream, struct format_table *table,
                 const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error);
    bool tells_source; /* each line says which source it is from */
};

struct cdc_format_writer {
    const struct writer_ops *ops;
    unsigned parts;
    struct format_tables tables;
    struct losses losses;
    struct writer_stream *streams;
    size_t n_streams;
    struct cdc_span source; /* owned, raw: the one that the lines are from; of a partition, that of the whole */
    struct cdc_buf scratch;
};

/* A line of the transaction more, maybe of a table. 0, or -1: MEMORY. */
int writer_touch(struct writer_stream *stream, struct format_table *table, struct cdc_error *error);
void writer_commit(struct writer_stream *stream);
/* Before a line of the transaction: of one that has begun again, since the source has lost its connection, nothing has been written.
 * stream->newest.failed: without memory. */
void writer_place(struct writer_stream *stream, const struct cdc_event *event);
/* Before the first change of a transaction: the name of the chunk, which is none for one of the log. chunk.failed: without memory. */
void writer_name_chunk(struct writer_stream *stream, const struct cdc_event *event);

/* Are two values of JSON the same? Escapes do not count. */
bool format_values_equal(struct cdc_span a, struct cdc_span b);
/* A member of lines of Maxwell and canal which these have not: `old` has what the log has, and not all that has changed. */
#define FORMAT_OLD_LACKS "old_lacks"
/* Has the log less of the old row than of the new one? */
bool writer_lacks_old(const struct cdc_event *event);
/* Has a column of the updated row the value that it had? JSON's null is another one than NULL. */
bool writer_is_same(const struct format_column *column, const struct cdc_event *event, struct cdc_span old,
                    struct cdc_span new);
/* Has an update another key than the row before? Not where the old row is not there, or lacks it. */
bool format_key_moves(const struct format_table *table, const struct cdc_event *event);
/* A column of the row that is being written or read. */
bool writer_is_json_null(const struct format_column *column, struct cdc_span value, struct cdc_span json_null);
/* The text of {"base64":...}, which stands for one that is not UTF-8? */
bool format_is_bytes_text(struct cdc_span value);

/* The inside of a list of a table's key columns. */
void format_append_key_names(struct cdc_buf *out, const struct format_table *table);

/* Would MySQL's type of that name have values of the same form? PostgreSQL's point is text, its bit(1) no boolean. */
bool format_is_mysql_type(const struct format_column *column);
/* The type's name where MySQL's are expected: "text" for one that would be taken for another. */
struct cdc_span format_mysql_type(const struct format_column *column);

/* -- values.c -------------------------------------------------------------------------- */

/* 2026-11-21T09:28:42.8Z as 2026-11-21 09:28:42.8 and back, in quotes; a text that is no such time stays. zone: of a point in
 * time, what stands for UTC there, "" or "+00". */
void value_append_spaced(struct cdc_buf *out, struct cdc_span raw, const char *zone);
void value_append_iso(struct cdc_buf *out, struct cdc_span raw, bool zone);
/* "0101" is 5, and back with so many digits; false: it does not fit. */
bool value_append_bits_number(struct cdc_buf *out, struct cdc_span raw);
bool value_read_bits_number(struct cdc_buf *out, struct cdc_span number, int length);
/* The labels of enum('a','b''c'), as they stand in the type's text: the one with that number (from 0), in JSON's escapes. */
bool value_label(struct cdc_span type, size_t index, struct cdc_buf *label);
/* The number of a label (raw, in JSON's escapes); SIZE_MAX: it is none. Without memory, out is failed. */
size_t value_label_index(struct cdc_span type, struct cdc_span raw, struct cdc_buf *out);
/* JSON in a string, and back; false: the text is none. */
void value_append_json_text(struct cdc_buf *out, struct cdc_span value);
bool value_read_json_text(struct cdc_buf *out, struct cdc_span raw, struct cdc_buf *scratch);

extern const struct writer_ops debezium_writer, maxwell_writer, wal2json_writer, canal_writer, singer_writer;

/* -- reading --------------------------------------------------------------------------- */

struct reader_stream {
    struct cdc_span name; /* owned, raw */
    struct cdc_buf key;   /* of the newest position */
    uint64_t n;           /* lines with that key */
    int64_t order;        /* of the newest line in its transaction, where the format tells it */
    struct cdc_buf pos;   /* KEY.N */
    struct cdc_buf first; /* of the first line of the run */
    struct cdc_buf done;  /* of the newest commit line: sinks drop what comes before it, as one that comes again */
    int64_t seq, ts_ms;
    struct cdc_buf tx;    /* the transaction in hand */
    struct cdc_buf chunk; /* of a snapshot, where the format names it once for its lines */
    bool open;
    uint64_t events;
    bool in_transaction;   /* between the marks of one, where the format has them */
    struct cdc_buf source; /* for its commit line */
};

/* A change that was read. What is not set is absent. */
struct reader_change {
    const char *op;
    struct format_table *table;
    int64_t ts_ms;
    struct cdc_span source; /* a whole object; p NULL: made of the table */
    const char *connector;
    struct cdc_span db;                                  /* raw: of a line about a whole database, which has no table */
    struct cdc_span before, after;                       /* objects, decoded; p NULL: null */
    struct cdc_span json_null, json_null_old, unchanged; /* the insides of lists */
    struct cdc_span extra; /* members with a comma before the first, for lines without a row */
    bool snapshot;
};

struct reader_ops {
    const char *name;
    const char *const *parts;
    int (*line)(struct cdc_format_reader *reader, struct cdc_span line, struct cdc_buf *out, struct cdc_error *error);
    bool has_ends; /* the format tells the end of each transaction */
};

struct cdc_format_reader {
    const struct reader_ops *ops;
    struct cdc_format_reader_settings settings;
    unsigned parts;
    struct format_tables tables;
    struct losses losses;
    struct reader_stream *streams;
    size_t n_streams;
    uint64_t line;
    bool has_ends;  /* the input tells the end of each transaction */
    bool unordered; /* rows of the tables are in other inputs, too */
    struct cdc_buf before, after, json_null, json_null_old, unchanged, extra, source, scratch, place;
};

struct reader_stream *reader_stream_of(struct cdc_format_reader *reader, struct cdc_span raw_name,
                                       struct cdc_error *error);
/* The stream of formats that have no name for it. */
struct reader_stream *reader_only_stream(struct cdc_format_reader *reader, struct cdc_error *error);
/* Where the next change stands: a text that grows along the log byte by byte, the same when it comes again; p NULL: the format
 * does not tell (DATA, unless the lines are numbered). `lacks` says what. */
int reader_place(struct cdc_format_reader *reader, struct reader_stream *stream, struct cdc_span key, int64_t seq,
                 const char *lacks, struct cdc_error *error);
/* What follows the place in the log in the key of a chunk's lines: all chunks of a snapshot have that one place. It sorts behind what the log
 * has there. */
void reader_append_chunk(struct cdc_buf *key, struct cdc_span chunk);
/* The next change has come before, and what comes after it maybe too: places with its key are counted anew, and so are the changes
 * that the commit line tells of. */
void reader_begin_again(struct reader_stream *stream);
/* The next change belongs to the transaction of that name: another one before it is complete. */
int reader_transaction(struct reader_stream *stream, struct cdc_span id, struct cdc_buf *out, struct cdc_error *error);
int reader_commit(struct reader_stream *stream, struct cdc_buf *out, struct cdc_error *error);
/* Appends the line, and a schema line before it where the table needs one. */
int reader_append(struct cdc_format_reader *reader, struct reader_stream *stream, const struct reader_change *change,
                  struct cdc_buf *out, struct cdc_error *error);
/* The table, or with that NULL the whole database `db` (raw), has gone by the statement `change`, which was appended: its rows go in a line
 * of their own, after it. */
int reader_append_gone(struct cdc_format_reader *reader, struct reader_stream *stream,
                       const struct reader_change *change, struct format_table *table, struct cdc_span db,
                       struct cdc_buf *out, struct cdc_error *error);
/* Is the statement (JSON) DROP DATABASE? */
bool reader_drops_database(struct cdc_span sql);
/* Key columns that the settings name for it, where the format did not. */
int reader_settle_key(struct cdc_format_reader *reader, struct format_table *table, struct cdc_error *error);
/* The same with the names that the line has for it, where the key is not known. */
int reader_take_key(struct cdc_format_reader *reader, struct format_table *table, struct cdc_span names,
                    struct cdc_error *error);
/* After a row: what an update lacks is unchanged (a large value that did not change is not in the log). */
void reader_name_unchanged(struct cdc_format_reader *reader, struct format_table *table, bool is_update);
/* Of the old row that was decoded (before), keeps the key and what `old` has. */
int reader_keep_old(struct cdc_format_reader *reader, const struct format_table *table, struct cdc_span old,
                    struct cdc_error *error);
/* A column that a row has and the table lacks, without a type. */
struct format_column *reader_untyped(struct cdc_format_reader *reader, struct format_table *table, struct cdc_span name,
                                     bool postgres, struct cdc_error *error);
/* A name in a list that is being made. */
void reader_list_add(struct cdc_buf *list, struct cdc_span raw);
int reader_bad(const char *why, struct cdc_error *error);

extern const struct reader_ops debezium_reader, maxwell_reader, wal2json_reader, canal_reader, singer_reader;

#endif
