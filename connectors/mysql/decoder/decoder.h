/* SPDX-License-Identifier: MIT */
/* From events to lines: tables, rows, transactions, positions. Pure, but for the files of prepared XA transactions. */
#ifndef MY_DECODER_H
#define MY_DECODER_H

#include "connectors/mysql/decoder/numbering.h"
#include "connectors/mysql/decoder/position.h"
#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/event/gtid.h"
#include "connectors/mysql/value/column.h"
#include "connectors/mysql/value/flavor.h"

#include <cdc/buf.h>
#include <cdc/bytes.h>
#include <cdc/error.h>
#include <cdc/offset.h>
#include <cdc/selection.h>
#include <cdc/value_format.h>

struct my_decoder_settings {
    const char *pipeline;
    enum my_flavor flavor; /* of the server; of a file: found in it */
    struct cdc_value_format style;
    struct cdc_selection selection;
    /* Completes a table whose TABLE_MAP came: names, key, type names, nullable, generated, as far as the log did not
     * tell. May be NULL. 0 or -1: CONFIG when they cannot be known for sure. */
    int (*describe)(void *context, struct my_table *table, const struct my_coord *coord, struct cdc_error *error);
    /* Shows the events of the open group, from its first one on, to visit, until that has seen enough; a ROTATE where the
     * file ends and another one follows. from: where it begins, which is so many bytes before the end of the event at hand
     * (if all were seen). Bodies of rows events may be left out. None, when it cannot. May be NULL. */
    int (*look_ahead)(void *context, const struct my_coord *from, uint64_t bytes, my_log_visit *visit, void *visitor,
                      struct cdc_error *error);
    /* A DDL statement was read (UTF-8, where it can be): tables that it names may have other columns from here on. May be
     * NULL. */
    void (*altered)(void *context, struct cdc_span sql);
    /* An inserted row lacks that column, which got its default: the first one of all. May be NULL. */
    void (*omitted)(void *context, const struct my_table *table, const struct my_column *column);
    void *context;         /* of all four */
    const char *xa_folder; /* where prepared XA transactions wait for their end; NULL: they are an error */
};

struct my_decoder;
struct my_decoder *my_decoder_new(const struct my_decoder_settings *settings, struct cdc_error *error);
void my_decoder_free(struct my_decoder *decoder);
/* A new connection: number is C of the last complete transaction, gtids the set complete with it (BORROWED text; may be
 * NULL or ""), place where reading begins. Tables and any open transaction are forgotten. */
int my_decoder_start(struct my_decoder *decoder, uint64_t number, const char *gtids, const struct my_coord *coord,
                     struct cdc_error *error);
/* After my_decoder_start: the server finds the place by the GTIDs, and shows other parts of the log before it. */
void my_decoder_set_by_gtid(struct my_decoder *decoder, bool by_gtid);
/* After my_decoder_start: how transactions behind the start are numbered (else one by one). */
void my_decoder_set_numbering(struct my_decoder *decoder, const struct my_numbering *numbering);
/* As the settings say, or the last FORMAT_DESCRIPTION. */
enum my_flavor my_decoder_flavor(const struct my_decoder *decoder);
/* The statement in UTF-8, in text or, where it cannot be converted, as it stands. */
struct cdc_span my_statement_text(const struct my_event_query *query, struct cdc_buf *text);
/* false: a statement of MariaDB that only begins, or takes back, what another one does. */
bool my_gtid_is_done(const struct my_gtid *gtid);
/* The sinks have stored everything up to transaction number. */
void my_decoder_confirm(struct my_decoder *decoder, uint64_t number);
/* Before the first FORMAT_DESCRIPTION tells: do events end in a checksum, as was agreed with the server? (no) */
void my_decoder_set_checksums(struct my_decoder *decoder, bool checksums);
/* As many heartbeats stand behind the position already: the next one is counted on. */
void my_decoder_set_heartbeats(struct my_decoder *decoder, uint32_t heartbeats);
/* Takes one event as it came; data is BORROWED until my_decoder_more has returned 0. Appends whole lines. 1: there is
 * more inside of it, call my_decoder_more; 0; -1: PROTOCOL damaged or unknown, CONFIG statement-format changes ...
 * A TRANSACTION_PAYLOAD that is larger than MY_DECODER_PART may come in parts. my_decoder_take takes the first MY_DECODER_PART bytes;
 * whenever my_decoder_more returns MY_PAYLOAD_WANTS, the part before is used up, and my_decoder_take_part is given the next. Its
 * transaction ends when the checksum of all of them is known to be right. */
#define MY_DECODER_PART MY_EVENT_PART
int my_decoder_take(struct my_decoder *decoder, const uint8_t *data, size_t n, struct cdc_buf *out,
                    struct cdc_error *error);
int my_decoder_more(struct my_decoder *decoder, struct cdc_buf *out, struct cdc_error *error);
int my_decoder_take_part(struct my_decoder *decoder, const uint8_t *data, size_t n, struct cdc_error *error);
bool my_decoder_in_transaction(const struct my_decoder *decoder);
/* C of a transaction that has not ended, and of which lines are out already; 0: there is none. */
uint64_t my_decoder_truncated(const struct my_decoder *decoder);
/* After a commit line or a heartbeat: the boundary, NULL before the first. BORROWED until the next call. */
const struct cdc_offset *my_decoder_boundary(const struct my_decoder *decoder);
/* Appends a heartbeat line (only between transactions) and makes it the boundary. */
void my_decoder_heartbeat(struct my_decoder *decoder, int64_t now_ms, struct cdc_buf *out);
const struct my_coord *my_decoder_coord(const struct my_decoder *decoder);
/* Between transactions: the beginning of the next one. */
struct my_point my_decoder_point(const struct my_decoder *decoder);
/* The set that is complete. */
const struct my_gtid_set *my_decoder_gtids(const struct my_decoder *decoder);
struct my_counts {
    uint64_t changes, commits, lines, unconvertible, ignored_events;
    int64_t commit_ms; /* time of the newest transaction */
};
const struct my_counts *my_decoder_counts(const struct my_decoder *decoder);
/* Header and body of an event of the same log that is looked at beside. */
int my_decoder_body(const struct my_decoder *decoder, const uint8_t *data, size_t n, struct my_event_header *header,
                    struct cdc_bytes *body, struct cdc_error *error);
/* Of MySQL's server_uuid, for offsets; set once known. */
void my_decoder_set_server(struct my_decoder *decoder, const char *server_uuid);
/* Names in statements stand for tables in lower case (lower_case_table_names=1). */
void my_decoder_set_lower_case(struct my_decoder *decoder, bool lower_case);

#endif
