/* SPDX-License-Identifier: MIT */
/* From events to lines: tables, rows, transactions, positions. Pure, but for the files of prepared XA transactions.
 *
 *     decoder = my_decoder_new(&settings, error);
 *     my_decoder_start(decoder, number, gtids, &coord, error);
 *     for each event of the log:
 *         more = my_decoder_take(decoder, data, n, &out, error);
 *         while (more > 0) {
 *             more = my_decoder_more(decoder, &out, error);
 *             if (more == MY_PAYLOAD_WANTS) more = my_decoder_take_part(decoder, next part, n, error);
 *         }
 *         more < 0: error; what is in out are whole lines
 *
 * A decoder is used by one thread. */
#ifndef MY_DECODER_H
#define MY_DECODER_H

#include "connectors/mysql/decoder/numbering.h"
#include "connectors/mysql/decoder/position.h"
#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/decoder/seen.h"
#include "connectors/mysql/decoder/temporary.h"
#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/event/gtid.h"
#include "connectors/mysql/event/gtid_set.h"
#include "connectors/mysql/value/column.h"
#include "connectors/mysql/value/flavor.h"

#include <cdc/buf.h>
#include <cdc/bytes.h>
#include <cdc/error.h>
#include <cdc/log.h>
#include <cdc/offset.h>
#include <cdc/selection.h>
#include <cdc/value_format.h>

/* What there is to know of a copy that is kept of the tables. Where lines cannot tell what became of its rows, it is read again
 * (cdc/stale.h). db and table as TABLE_MAP has them. All return 0 or -1 if nothing else is said. */
struct my_copy_ops {
    /* A statement changed rows of any tables, and the log has none of them. 1: nothing is to be told of any table in the transaction at
     * hand; 0: it is for a person to change that; -1: they are stale, or another error. */
    int (*stale_all)(void *context, const char *why, struct cdc_error *error);
    /* A transaction begins at those coordinates; what is_omitted says may be another from here on. */
    int (*begins)(void *context, const struct my_gtid *gtid, const struct my_coord *coord, struct cdc_error *error);
    /* Is nothing to be told of the table in that transaction, rows and DDL alike? */
    bool (*is_omitted)(void *context, const char *db, const char *table);
    /* Appends the names of tables of db that is_omitted is true of, as JSON's strings with commas between. */
    void (*omitted_of)(void *context, const char *db, struct cdc_buf *out);
    /* Its rows may be others from this place of the transaction at hand on, and no line tells; why: for people. 1: nothing of it is to
     * be told until it was read again, while reading goes on: is_omitted is true of it from now on; 0: it cannot be read so; -1. */
    int (*withhold)(void *context, const char *db, const char *table, const char *why, struct cdc_error *error);
    /* The same from the transaction at hand on, where reading ends before it. More tables may follow before an error does that, which
     * means nothing itself. */
    int (*stale)(void *context, const char *db, const char *table, const char *why, struct cdc_error *error);
    /* The copy may keep a column of that name (in lower case) which the table has not any more. */
    int (*drop_column)(void *context, const char *db, const char *table, const char *column, struct cdc_error *error);
    bool (*was_dropped)(void *context, const char *db, const char *table, const char *column);
    /* The copy has no row of the table at that place, and keeps no column. */
    int (*empty)(void *context, const char *db, const char *table, struct cdc_error *error);
    /* Its indexes have changed, but no primary key: is its key the same all the same? 1, 0, -1. */
    int (*keeps_key)(void *context, const char *db, const char *table, struct cdc_error *error);
    /* MariaDB: are the same of its texts JSON as before the transaction at hand? where_unknown: what is said where that is not known.
     * 1, 0, -1. */
    int (*keeps_json)(void *context, const char *db, const char *table, bool where_unknown, struct cdc_error *error);
    /* Has it generated columns now? 1, 0, -1. */
    int (*computes)(void *context, const char *db, const char *table, struct cdc_error *error);
    /* May it be one of bytes where a statement has given it the table's default charset: is that `binary` now, or the column's, or may it
     * have been then? 1, 0, -1. */
    int (*may_be_bytes)(void *context, const char *db, const char *table, const char *column, struct cdc_error *error);
    /* The type of a column before the transaction at hand, as information_schema had it, to be freed; NULL: not known. */
    char *(*type_of)(void *context, const char *db, const char *table, const char *column, bool *nullable);
};

struct my_decoder_settings {
    const char *pipeline;
    enum my_flavor flavor; /* of the server; of a file: found in it */
    struct cdc_value_format value_format;
    struct cdc_selection selection; /* which tables are written */
    bool allow_unlogged;            /* go on where a DDL statement changes rows and no line tells, with a warning */
    /* Completes a table whose TABLE_MAP came: names, key, type names, nullable, generated, as far as the log does not
     * have them. coord: where the event ends. May be NULL. 0 or -1: CONFIG when they cannot be known for sure. */
    int (*describe)(void *context, struct my_table *table, const struct my_coord *coord, struct cdc_error *error);
    /* Calls visit for the events of the open transaction, from its first one on, until that returns MY_LOG_ENOUGH;
     * with a ROTATE where the file ends and another one follows. from: where it begins, `bytes` bytes before the end
     * of the event at hand (if all were sent). Bodies of rows events may be omitted. Where it cannot read, it calls
     * visit not at all. May be NULL. */
    int (*look_ahead)(void *context, const struct my_coord *from, uint64_t bytes, my_log_visit *visit, void *visitor,
                      struct cdc_error *error);
    /* A DDL statement was read (UTF-8, where it can be): tables that it names may have other columns from here on. db: of its
     * session; NULL where that works on temporary tables. May be NULL. */
    void (*altered)(void *context, struct cdc_span sql, struct cdc_span db);
    /* Is there a view or a sequence of that name now, of which the log has no rows? 1, 0, -1. May be NULL. */
    int (*is_no_table)(void *context, const char *db, const char *table, struct cdc_error *error);
    const struct my_copy_ops *copy; /* NULL: none is kept */
    void *context;                  /* of all of them */
    const char *xa_folder;          /* where prepared XA transactions wait for their end; NULL: they are an error */
    const struct cdc_log *log;      /* for what the reader of the lines must know; may be NULL */
};

struct my_decoder;
struct my_decoder *my_decoder_new(const struct my_decoder_settings *settings, struct cdc_error *error);
void my_decoder_free(struct my_decoder *decoder);
/* A new connection: number is C of the last complete transaction, gtids the set complete with it (BORROWED text; may
 * be NULL or ""), coord where reading begins. Tables and any open transaction are forgotten, temporary tables of sessions
 * are not. CONFIG when gtids is no
 * set, IO for the files of prepared transactions. */
int my_decoder_start(struct my_decoder *decoder, uint64_t number, const char *gtids, const struct my_coord *coord,
                     struct cdc_error *error);
/* Reading goes on in another file, at coord: the transaction that is open goes on, too, with its tables. A relay log is
 * rotated wherever it is full, also right before a COMMIT. */
void my_decoder_go_on(struct my_decoder *decoder, const struct my_coord *coord);
/* The open transaction has no end in the log, since the server crashed in it: it was never committed, and what is buffered of
 * it goes. DATA: a part of its lines is out already. */
int my_decoder_break_off(struct my_decoder *decoder, struct cdc_error *error);
/* After my_decoder_start: the server finds the coordinates by the GTIDs, and sends other parts of the log before
 * them. */
void my_decoder_set_by_gtid(struct my_decoder *decoder, bool by_gtid);
/* After my_decoder_start: how transactions after the start are numbered (else one by one). */
void my_decoder_set_numbering(struct my_decoder *decoder, const struct my_numbering *numbering);
/* The same: which temporary tables sessions have there, instead of those that are known. 0 or -1: MEMORY. */
int my_decoder_set_temporaries(struct my_decoder *decoder, const struct my_temporaries *temporaries,
                               struct cdc_error *error);
/* The same: what the rows of the copy have seen. 0 or -1: MEMORY. */
int my_decoder_set_seen(struct my_decoder *decoder, const struct my_seen *seen, struct cdc_error *error);
/* As the settings say, or the last FORMAT_DESCRIPTION. */
enum my_flavor my_decoder_flavor(const struct my_decoder *decoder);
/* The sinks have stored everything up to transaction number. */
void my_decoder_confirm(struct my_decoder *decoder, uint64_t number);
/* Before the first FORMAT_DESCRIPTION tells: do events end in a checksum, as was agreed with the server? (no) */
void my_decoder_set_checksums(struct my_decoder *decoder, bool checksums);
/* The position that reading begins at has so many heartbeats after it already: the next one is counted on from
 * there. */
void my_decoder_set_heartbeats(struct my_decoder *decoder, uint32_t heartbeats);
/* Takes one event as it came; data is BORROWED until my_decoder_more has returned 0. Appends whole lines. 1: there
 * is more inside of it, call my_decoder_more; 0; -1: PROTOCOL damaged or unknown, CONFIG what cannot be decoded
 * (changes as statements, or DDL that changes rows; columns without names), LOST changes that are not in the log; and what the callbacks
 * return.
 *
 * A TRANSACTION_PAYLOAD that is larger than MY_DECODER_PART may come in parts. my_decoder_take takes the first
 * MY_DECODER_PART bytes; whenever my_decoder_more returns MY_PAYLOAD_WANTS, the part before is used up, and
 * my_decoder_take_part is given the next. Its transaction ends when the checksum of all of them is known to be
 * right. */
#define MY_DECODER_PART MY_EVENT_PART
int my_decoder_take(struct my_decoder *decoder, const uint8_t *data, size_t n, struct cdc_buf *out,
                    struct cdc_error *error);
int my_decoder_more(struct my_decoder *decoder, struct cdc_buf *out, struct cdc_error *error);
int my_decoder_take_part(struct my_decoder *decoder, const uint8_t *data, size_t n, struct cdc_error *error);
bool my_decoder_in_transaction(const struct my_decoder *decoder);
/* C of a transaction that has not ended, and of which lines are out already, so that the stream would be truncated
 * in it; 0: there is none. */
uint64_t my_decoder_truncated(const struct my_decoder *decoder);
/* After a commit line or a heartbeat: the boundary, NULL before the first. BORROWED until the next call. */
const struct cdc_offset *my_decoder_boundary(const struct my_decoder *decoder);
/* Lines that were appended are taken back: until another transaction has ended there is no boundary, or what they said would
 * be passed over. */
void my_decoder_forget_boundary(struct my_decoder *decoder);
/* What is_omitted says of the table may be another from here on: it is looked at again when it comes, and described anew. */
void my_decoder_forget_table(struct my_decoder *decoder, const char *db, const char *table);
/* Appends a heartbeat line (only between transactions) and makes it the boundary. */
void my_decoder_heartbeat(struct my_decoder *decoder, int64_t now_ms, struct cdc_buf *out);
/* What the last FORMAT_DESCRIPTION said. BORROWED */
const struct my_event_format *my_decoder_format(const struct my_decoder *decoder);
const struct my_coord *my_decoder_coord(const struct my_decoder *decoder);
/* The point that is reached; between transactions the beginning of the next one. */
struct my_point my_decoder_point(const struct my_decoder *decoder);
/* The set of the complete transactions, BORROWED. */
const struct my_gtid_set *my_decoder_gtids(const struct my_decoder *decoder);
struct my_counts {
    uint64_t changes, commits, lines, unconvertible, ignored_events;
    int64_t commit_ms; /* time of the newest transaction */
};
const struct my_counts *my_decoder_counts(const struct my_decoder *decoder);
/* Header and body of an event of the same log that is read apart from the stream. */
int my_decoder_body(const struct my_decoder *decoder, const uint8_t *data, size_t n, struct my_event_header *header,
                    struct cdc_bytes *body, struct cdc_error *error);
/* Of MySQL's server_uuid, for offsets; set once known. */
void my_decoder_set_server(struct my_decoder *decoder, const char *server_uuid);
/* Are the rows logged that foreign keys change? Files are taken at their server's version. */
void my_decoder_set_cascades(struct my_decoder *decoder, bool logged);
/* Names in statements stand for tables in lower case (lower_case_table_names=1 or 2). */
void my_decoder_set_lower_case(struct my_decoder *decoder, bool lower_case);

#endif
