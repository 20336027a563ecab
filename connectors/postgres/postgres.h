/* SPDX-License-Identifier: MIT */
/* PostgreSQL as a source. pgoutput.c and types.c and table.c are pure (bytes
 * in, lines out); connection.c, slot.c, stream.c and snapshot.c use libpq. */
#ifndef POSTGRES_H
#define POSTGRES_H

#include <cdc/control.h>
#include <cdc/database.h>
#include <cdc/event.h>
#include <cdc/log.h>
#include <cdc/metrics.h>
#include <cdc/offset.h>
#include <cdc/selection.h>
#include <cdc/source.h>
#include <cdc/value_format.h>
#include <libpq-fe.h>

/* -- positions (position.c) --------------------------------------------------
 * A pos compares byte-wise in stream order. Hexadecimal digits are upper case.
 *   snapshot line  XXXXXXXXXXXXXXXX.0000000000.aAAAA.RRRRRRRRRRRR   X: consistent point, A: attempt, R: row (1..)
 *   heartbeat      WWWWWWWWWWWWWWWW.0000000000.hNNNNNNNN            W: position of the server, N: counter
 *   schema line    FFFFFFFFFFFFFFFF.OOOOOOOOOO.0                    F: start of the commit record, O: ordinal of the next change
 *   change         FFFFFFFFFFFFFFFF.OOOOOOOOOO.1                    O: 1.. within the transaction (all its changes count)
 *   commit         FFFFFFFFFFFFFFFF.FFFFFFFFFF.EEEEEEEEEEEEEEEE     E: end of the commit record
 * seq is F (X for snapshot lines, W for heartbeats). */
void pg_pos_snapshot(struct cdc_buf *out, uint64_t consistent_point, unsigned attempt, uint64_t row);
void pg_pos_heartbeat(struct cdc_buf *out, uint64_t lsn, uint32_t counter);
void pg_pos_schema(struct cdc_buf *out, uint64_t final_lsn, uint64_t next_ordinal);
void pg_pos_change(struct cdc_buf *out, uint64_t final_lsn, uint64_t ordinal);
void pg_pos_commit(struct cdc_buf *out, uint64_t final_lsn, uint64_t end_lsn);
/* LSN at which replication starts again so that nothing after pos is missed: E for a commit, W for a heartbeat, X for a
 * snapshot line, F (the whole transaction again) for a change. false when pos is none of ours. */
bool pg_pos_restart_lsn(const char *pos, uint64_t *lsn);
/* Was pos made by a snapshot? Then *attempt is set. */
bool pg_pos_is_snapshot(const char *pos, unsigned *attempt);
bool pg_lsn_parse(const char *text, uint64_t *lsn); /* "16/B374D848" */
void pg_lsn_format(char text[24], uint64_t lsn);

/* -- values (types.c) ---------------------------------------------------- */
enum pg_kind {
    PG_TEXT,
    PG_BOOL,
    PG_INTEGER,
    PG_INT8,
    PG_FLOAT,
    PG_NUMERIC,
    PG_BYTEA,
    PG_JSON,
    PG_TIMESTAMP,
    PG_TIMESTAMPTZ,
    PG_INTERVAL,
    PG_ARRAY
};
struct pg_type {
    enum pg_kind kind;
    enum pg_kind element; /* of PG_ARRAY */
    char delimiter;       /* of PG_ARRAY: ',' (';' for box) */
};
/* By type oid alone: built-in types and their arrays; unknown ones are PG_TEXT. */
struct pg_type pg_type_of(uint32_t oid);
/* Appends the server's text form (sessions pinned by PG_SESSION_OPTIONS) as JSON, as cdc-event(5) says. *unconvertible
 * is incremented when bytes are not UTF-8. */
void pg_value_append(struct cdc_buf *out, struct pg_type type, const struct cdc_value_format *style, const char *text,
                     size_t n, uint64_t *unconvertible);
/* A built-in type by its name in pg_catalog ("int4", "_text"): what a domain is made of. */
struct pg_type pg_type_named(const char *name);
/* Settings that change output, pinned for every session (contents of libpq's `options`). */
#define PG_SESSION_OPTIONS                                                                                             \
    "-c datestyle=ISO -c intervalstyle=iso_8601 -c timezone=UTC -c extra_float_digits=3 -c bytea_output=hex -c "       \
    "lc_monetary=C"

/* -- tables (table.c) ----------------------------------------------------- */
struct pg_column {
    char *name;
    struct cdc_buf name_json; /* "\"name\":" ready to append */
    uint32_t type_oid;
    int32_t typmod;
    struct pg_type type;
    char *type_name; /* format_type(), or the oid as text when unknown */
    bool key;        /* part of key: primary key, else replica identity */
    bool identity;   /* flag 1 of the Relation message */
    bool nullable, generated;
};
struct pg_table {
    uint32_t oid;
    char *schema, *name;
    char replica_identity; /* d n f i */
    struct pg_column *columns;
    size_t n_columns;
    bool has_key;
    bool selected;              /* by -t / -T */
    bool schema_written;        /* in this run */
    struct cdc_buf source_head; /* `{"connector":"postgresql","name":..,"db":..,"schema":..,"table":..` without closing
                                   brace, ready */
};
void pg_table_free(struct pg_table *table);
/* Once names, identities and the primary key (column.key, has_key) are set: settles which columns are the key,
 * recognises arrays of other than built-in types by their name, and builds name_json and source_head. 0 or -1 */
int pg_table_prepare(struct pg_table *table, const char *pipeline, const char *database, struct cdc_error *error);
/* Appends one whole schema line with LF. */
void pg_table_schema_line(struct cdc_buf *out, const struct pg_table *table, struct cdc_span pos, uint64_t seq,
                          int64_t ts_ms);
/* Appends `{"connector":"postgresql","name":"N","db":"D"`. */
void pg_source_head(struct cdc_buf *out, const char *pipeline, const char *database);
/* Appends `,"ts_ms":N,"txId":N,"lsn":N,"snapshot":"S"}`; tx_id 0: left out. */
void pg_source_tail(struct cdc_buf *out, int64_t ts_ms, uint32_t tx_id, uint64_t lsn, const char *snapshot);

/* One value of a row: kind 't' text, 'n' NULL, 'u' not known (TOAST that did not change). BORROWS its bytes. */
struct pg_cell {
    const char *p;
    uint32_t n;
    char kind;
};
enum pg_row_part { PG_ROW_ALL, PG_ROW_KEY, PG_ROW_IDENTITY };
/* Appends {"column":value,...} of the columns in part, without those of kind 'u'. cells: one for each column. (types.c)
 */
void pg_row_append(struct cdc_buf *out, const struct pg_table *table, const struct pg_cell *cells,
                   enum pg_row_part part, const struct cdc_value_format *style, uint64_t *unconvertible);

/* -- what a snapshot has seen (visible.c) -------------------------------------
 * The first attempt at a snapshot reads at exactly the slot's consistent point. A later one reads newer rows, while the
 * log still begins at that point: the transactions that the attempt saw must not be applied to its rows once more, since a
 * row that moves (new key, unchanged columns) would take its columns from the row that has the old key by then. Which ones
 * it saw is told by PostgreSQL's own rule, pg_current_snapshot(). In the source object of the attempt's commit lines, and
 * of the log's until the log has passed lsn:  "read_at":{"lsn":"0/16B3748","xids":"750:760:755,758"} */
struct pg_visible {
    char *json;          /* as above; NULL: nothing was seen */
    uint64_t lsn;        /* no transaction whose commit record is here or later was seen */
    uint64_t xmin, xmax; /* below xmin: seen; from xmax on: not */
    uint64_t *running;   /* between them: not seen */
    size_t n_running;
};
/* Replaces the content; json.p NULL or JSON null: nothing was seen. CONFIG when damaged. */
int pg_visible_parse(struct pg_visible *visible, struct cdc_span json, struct cdc_error *error);
void pg_visible_clear(struct pg_visible *visible);
bool pg_visible_has(const struct pg_visible *visible, uint64_t commit_lsn, uint32_t xid);

/* -- pgoutput, protocol version 1 (pgoutput.c) ----------------------------- */
struct pgoutput;
struct pgoutput_settings {
    const char *pipeline, *database;
    struct cdc_value_format style;
    struct cdc_selection selection;
    /* Completes a table that a Relation message described (type names, nullable, generated, primary key) from the
     * catalogs; may be NULL in tests. Called at most once per Relation message. When the catalog's columns differ
     * (older Relation), only what matches by name is taken. 0 or -1 */
    int (*describe)(void *context, struct pg_table *table, struct cdc_error *error);
    void *describe_context;
};
struct pgoutput *pgoutput_new(const struct pgoutput_settings *settings, struct cdc_error *error); /* RETURNS NEW */
void pgoutput_free(struct pgoutput *decoder);
/* Forgets relations and any open transaction: a new connection. */
void pgoutput_reset(struct pgoutput *decoder);
/* Row changes of transactions that a snapshot has seen are left out (their commit lines stay): read_at as above, or
 * {NULL, 0}. */
int pgoutput_set_visible(struct pgoutput *decoder, struct cdc_span read_at, struct cdc_error *error);
/* Decodes the payload of one XLogData message; appends whole lines. Unknown messages and bad lengths are errors
 * (PROTOCOL). */
int pgoutput_decode(struct pgoutput *decoder, const char *data, size_t n, uint64_t start_lsn, struct cdc_buf *out,
                    struct cdc_error *error);
bool pgoutput_in_transaction(const struct pgoutput *decoder);
/* After a commit line (or the commit line of a non-transactional message): the boundary; NULL before the first.
 * BORROWED until the next decode. */
const struct cdc_offset *pgoutput_boundary(const struct pgoutput *decoder);
/* Appends a heartbeat line at lsn (only between transactions) and makes it the boundary. */
void pgoutput_heartbeat(struct pgoutput *decoder, uint64_t lsn, struct cdc_buf *out);
struct pgoutput_counts {
    uint64_t changes, commits, lines, unconvertible;
};
const struct pgoutput_counts *pgoutput_counts(const struct pgoutput *decoder);

/* -- connection (connection.c) ------------------------------------------- */
struct pg_settings {
    const char *url;                /* libpq URI or key=value text; "" for the environment alone */
    const char *name;               /* pipeline; NULL: the database's name */
    const char *slot, *publication; /* NULL: cdc_NAME */
    struct cdc_selection selection;
    bool no_create, temporary;
    struct cdc_value_format style;
    const char *tool;
    /* While a long wait lasts (a slot waits for running transactions): who to tell, and what ends it. Both may be NULL.
     */
    const struct cdc_log *log;
    const struct cdc_control *control;
};
/* Connects with the session pinned; replication: a walsender connection to that database. Errors: PERMISSION for a
 * wrong password or a missing privilege, CONFIG for a database that does not exist, UNAVAILABLE else. The password
 * appears in no error. RETURNS NEW (PQfinish). */
PGconn *pg_connect(const struct pg_settings *settings, bool replication, struct cdc_error *error);
/* Sets error from the result's SQLSTATE (28xxx, 42501: PERMISSION; 57P0x, 08xxx, 53300, 55006: UNAVAILABLE; else CONFIG
 * or PROTOCOL). Returns -1. */
int pg_result_error(PGconn *connection, const PGresult *result, const char *what, struct cdc_error *error);

/* -- slot and publication (slot.c) ---------------------------------------- */
struct pg_identity { /* what a position belongs to */
    char system_identifier[32];
    int32_t timeline;
    char slot[64];
    char database[64];
};
int pg_identify(PGconn *replication, struct pg_identity *identity, struct cdc_error *error);
/* The identity as a JSON object for an offset's `state`, and the check against it. LOST when the position belongs to
 * another system, or to a timeline that forked before it (asks TIMELINE_HISTORY). */
void pg_identity_json(struct cdc_buf *out, const struct pg_identity *identity);
int pg_identity_check(PGconn *replication, const struct pg_identity *identity, const char *state, uint64_t lsn,
                      struct cdc_error *error);
struct pg_slot {
    bool exists, active, lost;
    uint64_t confirmed_flush, restart_lsn;
    int active_pid;
};
int pg_slot_read(PGconn *sql, const char *slot, struct pg_slot *result,
                 struct cdc_error *error); /* checks plugin and database too */
/* Creates the publication when missing (for the tables that match -t/-T, or FOR ALL TABLES when none is given and the
 * role may; else all that it owns); says so. */
int pg_publication_ensure(PGconn *sql, const struct pg_settings *settings, const struct cdc_log *log,
                          struct cdc_error *error);
/* Creates the slot on a replication connection; its snapshot is exported and lives until that connection's next
 * command. snapshot may be NULL (then none is exported). */
int pg_slot_create(PGconn *replication, const struct pg_settings *settings, uint64_t *consistent_point,
                   char snapshot[64], struct cdc_error *error);
/* Removes the publication if it was made by pg_publication_ensure, else leaves it and says so. */
int pg_publication_drop(PGconn *sql, const struct pg_settings *settings, const struct cdc_log *log,
                        struct cdc_error *error);
int pg_drop(PGconn *sql, const struct pg_settings *settings, const struct cdc_log *log,
            struct cdc_error *error); /* --drop */
/* --check: one finding a line through log; returns 0, or -1 with CONFIG when the pipe would lose or stop. */
int pg_check(const struct pg_settings *settings, const struct cdc_log *log, struct cdc_error *error);
/* Fills settings->name, slot, publication defaults (asks the server for the database's name). Strings are RETURNED NEW
 * into settings and live as long as the process. */
int pg_settings_resolve(PGconn *sql, struct pg_settings *settings, struct cdc_error *error);
/* Is table filled in from the catalogs (describe above)? connection: a plain SQL connection. */
int pg_table_describe(PGconn *sql, struct pg_table *table, struct cdc_error *error);

/* -- stream (stream.c): the operations of cdc_source_run -------------------- */
struct pg_stream;
extern const struct cdc_source_ops pg_stream_ops;
struct pg_stream_settings {
    struct pg_settings *settings;
    double heartbeat;    /* seconds */
    const char *until;   /* "now", an LSN "X/Y", or an RFC 3339 time; NULL */
    int64_t max_events;  /* 0: never */
    bool resume_only;    /* a position exists somewhere: never create anything */
    const char *read_at; /* of the snapshot, for a start without a position; NULL */
};
/* until as above: *lsn or *ms (since 1970) is set, neither for now and NULL. USAGE when it is none of these. */
int pg_until_parse(const char *text, uint64_t *lsn, int64_t *ms, struct cdc_error *error);
struct pg_stream *pg_stream_new(const struct pg_stream_settings *settings, struct cdc_metrics *metrics,
                                const struct cdc_log *log, struct cdc_error *error);
void pg_stream_free(struct pg_stream *stream);

/* For programs that take any database (database.c). */
extern const struct cdc_database pg_database;

/* -- snapshot (snapshot.c) --------------------------------------------------- */
struct pg_snapshot_settings {
    struct pg_settings *settings;
    int64_t chunk_rows; /* rows between commit lines */
    bool progress;      /* stderr is a terminal */
    int output_fd;
};
/* Does the whole snapshot unless it is finished. offsets: its own file. */
int pg_snapshot_run(const struct pg_snapshot_settings *settings, struct cdc_offset_file *offsets, struct cdc_acks *acks,
                    struct cdc_control *control, struct cdc_metrics *metrics, const struct cdc_log *log,
                    struct cdc_error *error);

#endif
