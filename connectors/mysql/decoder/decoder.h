/* SPDX-License-Identifier: MIT */
/* From events to lines: tables, rows, transactions, positions. Pure, as binlog.h is. */
#ifndef BINLOG_DECODER_H
#define BINLOG_DECODER_H

#include "connectors/mysql/binlog.h"
#include "connectors/mysql/decoder/numbering.h"

#include <cdc/offset.h>

/* -- positions (position.c) ------------------------------------------------------
 * File and offset of the log do not grow over a RESET or a failover, and GTIDs have no order. So transactions are
 * numbered: C is the number of the transaction's group in the stream, counted from a start that is the wall clock in
 * microseconds, so that a pipeline begun anew counts from above the old one. Which group has which number follows from
 * any position: offsets hold both C and the GTID set (or file and offset) that is complete with it. At another server it
 * goes on as numbering.h says.
 * A pos compares byte-wise in stream order. Hexadecimal digits are upper case.
 *   snapshot line  CCCCCCCCCCCCCCCC.0000000000.aAAAA.KKKKKK.RRRRRRRRRR   A: attempt, K: chunk, R: its line
 *   schema line    CCCCCCCCCCCCCCCC.OOOOOOOOOO.0                    O: ordinal of the next change
 *   change         CCCCCCCCCCCCCCCC.OOOOOOOOOO.1                    O: grows within the transaction, whatever -t selects
 *   commit         CCCCCCCCCCCCCCCC.FFFFFFFFFF.0
 *   heartbeat      CCCCCCCCCCCCCCCC.FFFFFFFFFF.hNNNNNNNN            C: of the transaction before; N: counter
 * seq is C. */
void binlog_pos_snapshot(struct cdc_buf *out, uint64_t number, unsigned attempt, uint64_t chunk, uint64_t line);
void binlog_pos_schema(struct cdc_buf *out, uint64_t number, uint64_t ordinal);
void binlog_pos_change(struct cdc_buf *out, uint64_t number, uint64_t ordinal);
void binlog_pos_commit(struct cdc_buf *out, uint64_t number);
void binlog_pos_heartbeat(struct cdc_buf *out, uint64_t number, uint32_t counter);
/* C; false when pos is none of ours. */
bool binlog_pos_number(const char *pos, uint64_t *number);

/* A heartbeat's counter; 0 for other lines. */
uint32_t binlog_pos_counter(const char *pos);

/* -- tables (table.c) --------------------------------------------------------------- */
struct binlog_table {
    uint64_t id;
    char *db, *name;     /* UTF-8 */
    struct cdc_buf body; /* of the TABLE_MAP that made it: the same again is the same table */
    struct binlog_column *columns;
    size_t n_columns, n_json;
    bool has_names;    /* the log itself told them */
    bool has_signs;    /* and which numbers are unsigned */
    bool has_key_told; /* the log itself told the primary key (or that there may be none, with FULL metadata) */
    bool has_key, selected, schema_written;
    bool described; /* information_schema shows it now */
    /* Of MariaDB's system-versioned tables: where a row's time ends; NULL: the table is none. */
    const struct binlog_column *row_end;
    uint64_t schema_number;     /* C of the transaction that its schema line was written in */
    uint64_t schema_ordinal;    /* the line's place there */
    struct cdc_buf source_head; /* `{"connector":..,"name":..,"db":..,"table":..` ready */
};
/* From a TABLE_MAP; body: the event's, as it stands. Names, charsets, labels, key as far as the log tells. RETURNS NEW */
struct binlog_table *binlog_table_new(struct binlog_reader body, enum binlog_flavor flavor, struct cdc_error *error);
void binlog_table_free(struct binlog_table *table);
/* Once everything is known: settles the columns, names their types where nobody did, and builds what lines begin with.
 * CONFIG when a column has no name. */
int binlog_table_prepare(struct binlog_table *table, enum binlog_flavor flavor, const char *pipeline,
                         struct cdc_error *error);
/* MariaDB (hidden.c): marks the columns that it keeps for itself, and takes the end of a row's time out of the key. CONFIG:
 * the table's versions are told apart by transactions. */
int binlog_table_hide(struct binlog_table *table, enum binlog_flavor flavor, struct cdc_error *error);
/* The log names no columns: does it have, from that one on, only such as MariaDB hides? They are named. */
bool binlog_table_name_hidden(struct binlog_table *table, size_t from, struct cdc_error *error);
/* Would the schema line read the same? */
bool binlog_table_same_schema(const struct binlog_table *a, const struct binlog_table *b);
/* Appends one whole schema line with LF. */
void binlog_table_schema_line(struct cdc_buf *out, const struct binlog_table *table, struct cdc_span pos, uint64_t seq,
                              int64_t ts_ms, struct cdc_span source_tail);
/* Appends `{"connector":"mysql","name":"N"` and, when db is not NULL, `,"db":"D"`, and so table. */
void binlog_source_head(struct cdc_buf *out, enum binlog_flavor flavor, const char *pipeline, const char *db,
                        const char *table);

/* -- rows (rows.c) ------------------------------------------------------------------- */
/* One column of an image. */
struct binlog_cell {
    const uint8_t *p; /* NULL: not in the image */
    uint32_t n;
    bool null;
    bool partial; /* p..n are the diffs of a JSON document */
};
/* Reads one image: present and null bitmaps, cells[n_columns]. partial: bitmap over the table's JSON columns, or NULL. */
int binlog_image_read(const struct binlog_table *table, struct binlog_reader *reader, const uint8_t *present,
                      const uint8_t *partial, struct binlog_cell *cells, struct cdc_error *error);
/* Is the row that the cell of row_end belongs to the table's row of now? */
bool binlog_row_is_current(const struct binlog_cell *row_end);
/* Appends {"column":value,...} of the columns that are there; key_only: of the key's. before: for partial JSON; may be
 * NULL. */
int binlog_row_append(struct cdc_buf *out, const struct binlog_table *table, const struct binlog_cell *cells,
                      const struct binlog_cell *before, bool key_only, const struct binlog_value_style *style,
                      uint64_t *unconvertible, struct cdc_error *error);

/* -- the decoder (decoder.c) ------------------------------------------------------------- */
/* Where the log was read up to. */
struct binlog_place {
    char file[512];
    uint64_t position;
};

/* Gets an event of the log; place: where it ends. BINLOG_ENOUGH: no more is asked for; 0; -1 */
typedef int binlog_visit(void *context, const struct binlog_header *header, struct binlog_reader body,
                         const struct binlog_place *place, struct cdc_error *error);
#define BINLOG_ENOUGH 3
/* A place in the stream: behind so many DDL statements of transaction C. The same wherever reading begins. */
struct binlog_moment {
    uint64_t number, statements;
};

struct binlog_decoder_settings {
    const char *pipeline;
    enum binlog_flavor flavor; /* of the server; of a file: found in it */
    struct binlog_value_style style;
    const char *const *include, *const *exclude; /* -t, -T */
    size_t n_include, n_exclude;
    /* Completes a table whose TABLE_MAP came: names, key, type names, nullable, generated, as far as the log did not
     * tell. May be NULL. 0 or -1: CONFIG when they cannot be known for sure. */
    int (*describe)(void *context, struct binlog_table *table, const struct binlog_place *place,
                    struct cdc_error *error);
    /* Shows the events of the open group, from its first one on, to visit, until that has seen enough; a ROTATE where the
     * file ends and another one follows. from: where it begins, which is so many bytes before the end of the event at hand
     * (if all were seen). Bodies of rows events may be left out. None, when it cannot. May be NULL. */
    int (*look_ahead)(void *context, const struct binlog_place *from, uint64_t bytes, binlog_visit *visit,
                      void *visitor, struct cdc_error *error);
    /* A DDL statement was read (UTF-8, where it can be): tables that it names may have other columns from here on. May be
     * NULL. */
    void (*altered)(void *context, struct cdc_span sql);
    /* An inserted row lacks that column, which got its default: the first one of all. May be NULL. */
    void (*left_out)(void *context, const struct binlog_table *table, const struct binlog_column *column);
    void *context;         /* of all four */
    const char *xa_folder; /* where prepared XA transactions wait for their end; NULL: they are an error */
};

struct binlog_decoder;
struct binlog_decoder *binlog_decoder_new(const struct binlog_decoder_settings *settings, struct cdc_error *error);
void binlog_decoder_free(struct binlog_decoder *decoder);
/* A new connection: number is C of the last complete transaction, gtids the set complete with it (BORROWED text; may be
 * NULL or ""), place where reading begins. Tables and any open transaction are forgotten. */
int binlog_decoder_start(struct binlog_decoder *decoder, uint64_t number, const char *gtids,
                         const struct binlog_place *place, struct cdc_error *error);
/* After binlog_decoder_start: the server finds the place by the GTIDs, and shows other parts of the log before it. */
void binlog_decoder_set_by_gtid(struct binlog_decoder *decoder, bool by_gtid);
/* After binlog_decoder_start: how transactions behind the start are numbered (else one by one). */
void binlog_decoder_set_numbering(struct binlog_decoder *decoder, const struct binlog_numbering *numbering);
/* As the settings say, or the last FORMAT_DESCRIPTION. */
enum binlog_flavor binlog_decoder_flavor(const struct binlog_decoder *decoder);
/* The statement in UTF-8, in text or, where it cannot be converted, as it stands. */
struct cdc_span binlog_statement_text(const struct binlog_query *query, struct cdc_buf *text);
/* false: a statement of MariaDB that only begins, or takes back, what another one does. */
bool binlog_gtid_is_done(const struct binlog_gtid *gtid);
/* The sinks have stored everything up to transaction number. */
void binlog_decoder_confirm(struct binlog_decoder *decoder, uint64_t number);
/* Before the first FORMAT_DESCRIPTION tells: do events end in a checksum, as was agreed with the server? (no) */
void binlog_decoder_set_checksums(struct binlog_decoder *decoder, bool checksums);
/* As many heartbeats stand behind the position already: the next one is counted on. */
void binlog_decoder_set_heartbeats(struct binlog_decoder *decoder, uint32_t heartbeats);
/* Takes one event as it came; data is BORROWED until binlog_decode_more has returned 0. Appends whole lines. 1: there is
 * more inside of it, call binlog_decode_more; 0; -1: PROTOCOL damaged or unknown, CONFIG statement-format changes ...
 * A TRANSACTION_PAYLOAD that is larger than BINLOG_PART may come in parts. binlog_decode takes the first BINLOG_PART bytes;
 * whenever binlog_decode_more returns BINLOG_WANTS, the part before is used up, and binlog_decode_part is given the next. Its
 * transaction ends when the checksum of all of them is known to be right. */
#define BINLOG_PART ((size_t)256 << 10)
int binlog_decode(struct binlog_decoder *decoder, const uint8_t *data, size_t n, struct cdc_buf *out,
                  struct cdc_error *error);
int binlog_decode_more(struct binlog_decoder *decoder, struct cdc_buf *out, struct cdc_error *error);
int binlog_decode_part(struct binlog_decoder *decoder, const uint8_t *data, size_t n, struct cdc_error *error);
bool binlog_in_transaction(const struct binlog_decoder *decoder);
/* C of a transaction that has not ended, and of which lines are out already; 0: there is none. */
uint64_t binlog_decoder_cut(const struct binlog_decoder *decoder);
/* After a commit line or a heartbeat: the boundary, NULL before the first. BORROWED until the next call. */
const struct cdc_offset *binlog_boundary(const struct binlog_decoder *decoder);
/* Appends a heartbeat line (only between transactions) and makes it the boundary. */
void binlog_heartbeat(struct binlog_decoder *decoder, int64_t now_ms, struct cdc_buf *out);
const struct binlog_place *binlog_place(const struct binlog_decoder *decoder);
/* Between transactions: the beginning of the next one. */
struct binlog_moment binlog_decoder_moment(const struct binlog_decoder *decoder);
/* The set that is complete. */
const struct binlog_gtid_set *binlog_gtids(const struct binlog_decoder *decoder);
struct binlog_counts {
    uint64_t changes, commits, lines, unconvertible, ignored_events;
    int64_t commit_ms; /* time of the newest transaction */
};
const struct binlog_counts *binlog_counts(const struct binlog_decoder *decoder);
/* Header and body of an event of the same log that is looked at beside. */
int binlog_decoder_body(const struct binlog_decoder *decoder, const uint8_t *data, size_t n,
                        struct binlog_header *header, struct binlog_reader *body, struct cdc_error *error);
/* Of MySQL's server_uuid, for offsets; set once known. */
void binlog_decoder_set_server(struct binlog_decoder *decoder, const char *server_uuid);
/* Names in statements stand for tables in lower case (lower_case_table_names=1). */
void binlog_decoder_set_lower_case(struct binlog_decoder *decoder, bool lower_case);

#endif
