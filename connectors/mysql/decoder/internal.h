/* SPDX-License-Identifier: MIT */
/* What the files of the decoder share; nobody else includes this. Who calls whom, from the event to its lines:
 *
 *     input.c -> dispatch.c -> transactions.c                        GTID, XID
 *                           -> query.c -> savepoints.c, prepared.c   BEGIN, COMMIT, SAVEPOINT, XA, DDL
 *                                      -> unlogged.c, copies.c       DDL that changes rows
 *                           -> tables.c -> table.c, metadata.c       TABLE_MAP
 *                           -> rows.c -> image.c                     rows
 *     all of these -> lines.c, schema_line.c
 *
 * Beside that way: live.c knows which rows come of a table that is read again; lookahead.c reads on in the log to learn what becomes of a large transaction; hidden.c knows MariaDB's own
 * columns, type_name.c how a type is called; position.c and numbering.c give lines their pos, xa.c keeps prepared
 * transactions in files. */
#ifndef MY_DECODER_INTERNAL_H
#define MY_DECODER_INTERNAL_H

#include "connectors/mysql/decoder/decoder.h"
#include "connectors/mysql/decoder/image.h"
#include "connectors/mysql/decoder/live.h"
#include "connectors/mysql/decoder/numbering.h"
#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/decoder/seen.h"
#include "connectors/mysql/decoder/temporary.h"
#include "connectors/mysql/decoder/xa.h"
#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/event/gtid.h"
#include "connectors/mysql/event/gtid_set.h"
#include "connectors/mysql/event/payload.h"
#include "connectors/mysql/event/rows_event.h"
#include "connectors/mysql/event/statement.h"
#include "connectors/mysql/event/table_map.h"
#include "connectors/mysql/value/flavor.h"

#include <cdc/buf.h>
#include <cdc/bytes.h>
#include <cdc/error.h>
#include <cdc/offset.h>

/* -- the transaction that is being read ------------------------------------------------ */

struct my_transaction {
    bool open, begun;               /* begun: BEGIN was read */
    uint64_t statements;            /* of DDL */
    uint64_t ordinal, events, rows; /* events: all lines of changes; rows: those of them that are no statements */
    bool flushed;                   /* its lines are no longer buffered */
    uint64_t start, bytes;          /* where it begins in its file, and how much of it was read */
    uint64_t index;                 /* of the event at hand, see my_lookahead_counts */
    bool outcome_known;             /* by my_lookahead_run: what becomes of the rest */
    bool discarded;                 /* then: nothing of it is to be kept */
    uint64_t end_index;             /* and: index of its last event */
    struct my_counts counts;        /* as they were before it */
    int64_t ts_ms;
    struct my_gtid gtid;
    uint32_t server_id;
    /* Parts of its lines, see lines.c. */
    char pos_head[17];      /* "CCCCCCCCCCCCCCCC." */
    struct cdc_buf numbers; /* `","seq":N,"ts_ms":N,"source":`, after pos */
};

/* How far the transaction was when it came to a savepoint. */
struct my_savepoint_state {
    uint64_t serial; /* of all savepoints, in their order */
    size_t buffered; /* bytes of lines */
    uint64_t index, ordinal, events, rows;
    struct my_counts counts;
};
#define SAVEPOINT_NAME_MAX 64
struct my_savepoint {
    uint64_t hash; /* of the key, and beside it: a search touches one line of the cache each */
    char key[SAVEPOINT_NAME_MAX + 1];
    struct my_savepoint_state first, last; /* of that name */
};

/* The events between a savepoint and the ROLLBACK TO it, by their indexes. */
struct my_undone {
    uint64_t savepoint, rollback;
};

/* -- the decoder ------------------------------------------------------------------------- */

struct my_decoder {
    struct my_decoder_settings settings;
    enum my_flavor flavor;
    struct my_event_format format;

    /* Where it reads. */
    struct my_coord coord;   /* the end of the event at hand */
    uint64_t event_position; /* its beginning */
    bool by_gtid;            /* the server was asked by GTID set, not by coordinates */
    /* Where the last complete transaction ends, or reading began: the coordinates that belong to `gtids`. A server
     * that is asked by GTID sends the file's beginning first, and omits what was read: so `coord` may be before
     * these. */
    struct my_coord gtids_coord;
    uint32_t gtids_file_created; /* when that file was begun; 0: not known */
    /* The last event before `coord`, and before `gtids_coord`: where it begins, and its checksum (0: it has none). Another
     * log may have the same names and GTIDs, but not this event there: it has the time in it. */
    struct my_seal {
        uint64_t position;
        uint32_t sum;
    } seal, gtids_seal;
    struct my_gtid_set *gtids; /* the complete transactions */
    uint64_t number;           /* C of the open transaction, or of the last one */
    struct my_numbering numbering;
    struct my_temporaries temporaries; /* of sessions */
    struct my_live *live;              /* the table that is read again meanwhile; NULL. BORROWED */
    /* The last line of such a read: of the transaction with that number, after the one that ended last. */
    struct {
        uint64_t number, line; /* line: of the run */
        unsigned attempt;
    } piece;
    struct my_seen seen; /* by the rows of the copy, and not passed yet */

    /* The tables by id: open addressing, the size is a power of two. */
    struct my_table **tables;
    size_t n_slots, n_tables;
    struct my_table *last;  /* of the last rows event; NULL */
    struct cdc_buf fresh;   /* tables that have no row yet: "db\0table\0" ..., see copies.c */
    bool cascades_unlogged; /* the server says so, whatever its version */
    bool lower_case;        /* names of tables, see my_decoder_set_lower_case */

    /* The open transaction, and what of it may still be undone (MariaDB). */
    struct my_transaction transaction;
    struct cdc_buf buffered;         /* its lines, as long as it is not flushed */
    struct my_savepoint *savepoints; /* in their order */
    size_t n_savepoints;
    uint64_t savepoint_serial;
    struct my_undone *undone; /* by my_lookahead_run, in their order */
    size_t n_undone, at_undone;

    /* Where events come from besides the log itself. */
    struct my_payload *payload;
    struct my_event_parts parts; /* of the payload at hand */
    bool in_payload;
    bool decrypts;    /* the next event is the first that the server has decrypted */
    struct my_xa *xa; /* NULL: nowhere to keep prepared transactions */
    bool in_xa;       /* the events of a committed one are read */
    struct cdc_buf xid;

    /* Memory that is used again for each event. */
    struct my_cell *before, *after; /* of the row at hand */
    size_t n_cells;
    struct cdc_buf query_scratch, statement_text, rows_scratch;
    struct cdc_buf json_null[2]; /* as my_image_note_json_null, of before and after */
    struct cdc_buf event_tail;   /* see lines.c */
    struct cdc_buf of_temporary; /* see unlogged.c */

    /* What others ask for. */
    struct my_counts counts;
    bool has_boundary;
    struct cdc_offset boundary; /* of the two texts below */
    struct cdc_buf boundary_pos, boundary_source;
    uint32_t heartbeats;
    char server_uuid[128];
    bool omitted;         /* a row lacked a column, and that was said */
    bool maybe_generated; /* a row lacked what may be a generated column, and that was said */
    bool omits_reported;  /* see my_table_report_omits */
};

/* All functions below return 0 or -1 if they return an int and nothing else is said. */

/* -- dispatch.c */
/* One event, of the log itself, out of a payload or of a prepared transaction. Lines go to out, or are buffered. 1: a
 * prepared transaction is to be read now. */
int my_dispatch_event(struct my_decoder *decoder, const struct my_event_header *header, struct cdc_bytes body,
                      struct cdc_buf *out, struct cdc_error *error);
/* Lines that are buffered go to out. */
void my_dispatch_flush(struct my_decoder *decoder, struct cdc_buf *out);

/* -- tables.c */
/* The slot of the table with that id, or the free one where it would be. */
size_t my_tables_slot(const struct my_decoder *decoder, uint64_t id);
int my_tables_resize(struct my_decoder *decoder, size_t n_new, struct cdc_error *error);
void my_tables_clear(struct my_decoder *decoder);
/* TABLE_MAP: the table is made, or is known already. */
int my_tables_take_map(struct my_decoder *decoder, struct cdc_bytes body, struct cdc_error *error);
/* A DDL statement: the tables that it names are described anew when they come again, even with the same id (the server
 * counts them from 1 again when it starts). */
void my_tables_altered(struct my_decoder *decoder, struct cdc_span sql, struct cdc_span db);
/* The next row of that table comes after a new schema line: it is another table now. */
void my_tables_forget_schema_of(struct my_decoder *decoder, const char *db, const char *name);
/* The same of all tables of a database. */
void my_tables_forget_schemas_of(struct my_decoder *decoder, const char *db);
/* Schema lines of the open transaction after that ordinal are undone: they will be written again. */
void my_tables_forget_schemas(struct my_decoder *decoder, uint64_t ordinal);

/* -- transactions.c */
/* A GTID event: begins a transaction. One that is still open ends, or is discarded if it never was committed. */
int my_transaction_begin(struct my_decoder *decoder, const struct my_event_header *header, const struct my_gtid *gtid,
                         struct cdc_buf *out, struct cdc_error *error);
/* No more than that; gtid may be NULL. */
int my_transaction_open(struct my_decoder *decoder, const struct my_event_header *header, const struct my_gtid *gtid,
                        struct cdc_error *error);
/* COMMIT. */
int my_transaction_end(struct my_decoder *decoder, struct cdc_buf *out, struct cdc_error *error);
/* The transaction is rolled back, or breaks off: what is buffered of it goes. False: lines are out already, or there
 * are statements among them, which stay. */
bool my_transaction_discard(struct my_decoder *decoder);
void my_transaction_restore_counts(struct my_decoder *decoder, const struct my_counts *counts);
/* The error of a rollback whose effect is not in the log. Always -1. */
int my_transaction_unclear(const struct my_decoder *decoder, struct cdc_error *error);

/* -- savepoints.c */
/* SAVEPOINT name, ROLLBACK TO name. */
int my_savepoint_set(struct my_decoder *decoder, struct cdc_span name, struct cdc_error *error);
int my_savepoint_rollback_to(struct my_decoder *decoder, struct cdc_span name, struct cdc_error *error);
/* Their parts, for lookahead.c. */
int my_savepoint_add(struct my_decoder *decoder, struct cdc_span name, const struct my_savepoint_state *state,
                     struct cdc_error *error);
/* Which savepoint is meant, `rows` rows into the transaction? 1; 0: nothing comes after it; -1. */
int my_savepoint_resolve(const struct my_decoder *decoder, struct cdc_span name, uint64_t rows,
                         struct my_savepoint_state *state, struct cdc_error *error);
/* Savepoints after it are gone. */
void my_savepoint_forget_after(struct my_decoder *decoder, const struct my_savepoint_state *state);
/* What is buffered after it goes. */
int my_savepoint_truncate(struct my_decoder *decoder, const struct my_savepoint_state *state, struct cdc_error *error);
/* The error of a ROLLBACK TO whose effect is not in the log; why: "it is an XA transaction". Always -1. */
int my_savepoint_unclear(const struct my_decoder *decoder, const char *why, struct cdc_error *error);

/* -- lookahead.c */
/* Is an event of that type counted within its transaction? */
bool my_lookahead_counts(uint8_t type);
/* There are more lines than may be buffered: finds out what becomes of the transaction, where that can be known. */
int my_lookahead_run(struct my_decoder *decoder, struct cdc_error *error);
/* Is the event at hand undone by what comes later? */
bool my_lookahead_is_undone(struct my_decoder *decoder);

/* -- lines.c */
/* Makes what all lines of one event share. Before my_line_begin_change. */
void my_line_begin_event(struct my_decoder *decoder);
/* `{"op":"c","pos":"...","seq":N,"ts_ms":N,"source":{...}`: what follows is the caller's. source: what the source
 * object begins with. */
void my_line_begin_change(struct my_decoder *decoder, const struct cdc_buf *source, const char *op, uint64_t ordinal,
                          uint64_t row, struct cdc_buf *out);
/* A whole line: the table is this from the change with that ordinal on. */
void my_line_schema(struct my_decoder *decoder, struct my_table *table, uint64_t ordinal, struct cdc_buf *out);
/* Whole lines after which reading may begin again. */
void my_line_commit(struct my_decoder *decoder, struct cdc_buf *out);
void my_line_heartbeat(struct my_decoder *decoder, int64_t now_ms, struct cdc_buf *out);

/* The same of a piece of a table that is read again, with a pos of its own. */
void my_line_piece(struct my_decoder *decoder, struct cdc_span pos, uint64_t seq, uint64_t events, int64_t ts_ms,
                   struct cdc_buf *out);
/* `,"ts_ms":N,"server_id":N,"file":"F","pos":N,"row":0,"snapshot":"true"}` of a row that is read there. */
void my_line_append_place(const struct my_decoder *decoder, struct cdc_buf *out, int64_t ts_ms);

/* -- live.c */
/* Is it the table that is read again? NULL: no. */
struct my_live *my_live_of(const struct my_decoder *decoder, const char *db, const char *table);
/* The row at hand: does it come, and as what? */
bool my_live_takes(struct my_decoder *decoder, struct my_live *live, const struct my_table *table,
                   enum my_rows_kind *kind);
/* Rows of a table that is not selected now. */
void my_live_pass(struct my_decoder *decoder, const struct my_table *table);
/* A statement may have changed its form, or rows without a line: true where nothing of it comes now. */
bool my_live_alter(struct my_decoder *decoder, const char *db, const char *table, const char *why);

/* -- rows.c */
int my_rows_decode(struct my_decoder *decoder, const struct my_event_header *header, struct cdc_bytes body,
                   struct cdc_buf *out, struct cdc_error *error);

/* body: the beginning of an event's, without the last `omitted` bytes. Is it one of rows that no line is to
 * have? Then it was taken; else it is to be taken as a whole. */
bool my_rows_pass(struct my_decoder *decoder, const struct my_event_header *header, struct cdc_bytes body,
                  size_t omitted);

/* -- query.c: 1 as my_dispatch_event */
int my_query_decode(struct my_decoder *decoder, const struct my_event_header *header, struct cdc_bytes body,
                    struct cdc_buf *out, struct cdc_error *error);
/* CONFIG: which rows a logged statement changes, only the server could find out. Always -1. */
int my_query_refuse(const struct my_decoder *decoder, struct cdc_span sql, struct cdc_error *error);

/* -- unlogged.c */
/* The table that a statement names (db may be empty: the session's), as TABLE_MAP has it: *db and *table RETURN NEW (free in
 * any case). */
int my_unlogged_table(const struct my_decoder *decoder, const struct my_event_query *query, struct cdc_span named_db,
                      struct cdc_span named_table, char **db, char **table, struct cdc_error *error);
/* Before a DDL statement's lines. CONFIG: it changes rows of a selected table, and no line can tell, unless the settings
 * allow that: then *untold. */
int my_unlogged_look(struct my_decoder *decoder, const struct my_event_query *query, bool *untold,
                     struct cdc_error *error);
/* After its `ddl` line: a `t` line for each selected table that it leaves without a row. */
int my_unlogged_lines(struct my_decoder *decoder, const struct my_event_query *query, struct cdc_buf *out,
                      struct cdc_error *error);
/* Does a statement that names that table mean the session's temporary table of that name? */
bool my_unlogged_is_temporary(const struct my_decoder *decoder, const struct my_event_query *query, const char *db,
                              const char *table);
/* {"op":"t",...} */
void my_unlogged_truncate_line(struct my_decoder *decoder, const char *db, const char *table, struct cdc_buf *out);

/* -- copies.c: what a copy that is kept of the tables must be told (struct my_copy_ops) */
/* The names of a statement's tables that its effects make stale. Begins as {0}; my_copies_free_notes. */
struct my_copies_notes {
    struct my_copies_note *items;
    size_t n;
};
/* Is one kept, and read again where lines cannot tell? */
bool my_copies_are_kept(const struct my_decoder *decoder);
/* Is nothing to be told of the table in the transaction at hand? */
bool my_copies_omit(const struct my_decoder *decoder, const char *db, const char *table);
/* It is stale from here on. 0: nothing of it comes until it was read again, and reading goes on; -1: it ends. */
int my_copies_mark(const struct my_decoder *decoder, const char *db, const char *table, const char *why,
                   struct cdc_error *error);
/* The same where reading cannot go on: always -1. */
int my_copies_stop(const struct my_decoder *decoder, const char *db, const char *table, const char *why,
                   struct cdc_error *error);
/* A statement changed rows which the log has not, and of which tables, its triggers and functions know. 1: go on; 0: the server goes on
 * like that, or no copy is kept; -1. */
int my_copies_mark_all(const struct my_decoder *decoder, struct cdc_span sql, struct cdc_error *error);
/* Takes an effect on that table, which is selected. */
struct my_effect;
int my_copies_see(struct my_decoder *decoder, const struct my_event_query *query, const struct my_effect *effect,
                  const char *db, const char *table, struct my_copies_notes *notes, struct cdc_error *error);
/* A row of the table came, or may have. */
void my_copies_forget_fresh(struct my_decoder *decoder, const char *db, const char *table);
/* All effects were seen: -1 where a table is stale. */
int my_copies_end(const struct my_decoder *decoder, const struct my_copies_notes *notes, struct cdc_error *error);
void my_copies_free_notes(struct my_copies_notes *notes);
/* A TABLE_MAP describes a table anew: what a sink knows of it, by `old`, which lines were written of, does not fit any more. */
const char *my_copies_difference(const struct my_table *old, const struct my_table *table);

/* -- prepared.c: 1 as my_dispatch_event */
/* The rows that follow are an XA transaction's: they are kept in a file. CONFIG when there is nowhere to keep them. */
int my_prepared_begin(struct my_decoder *decoder, struct cdc_error *error);
/* XA_PREPARE: they are complete. */
int my_prepared_store(struct my_decoder *decoder, struct cdc_bytes body, struct cdc_buf *out, struct cdc_error *error);
/* XA START, END, COMMIT, ROLLBACK. */
int my_prepared_statement(struct my_decoder *decoder, const struct my_statement *statement, struct cdc_buf *out,
                          struct cdc_error *error);
/* The id of the one at hand, BORROWED. */
struct cdc_span my_prepared_xid(const struct my_decoder *decoder);

/* -- metadata.c */
/* Columns from a TABLE_MAP: types, and what its optional part has. PROTOCOL, CONFIG, MEMORY. */
int my_metadata_read(struct my_table *table, const struct my_table_map *map, enum my_flavor flavor,
                     struct cdc_error *error);

/* Is it UTF-8 without NUL? The servers write names so; others would be no strings in a line. */
bool my_metadata_is_name(struct cdc_span name);

/* -- type_name.c */
/* Appends the name of the column's type as SHOW CREATE TABLE has it, as far as the log tells. */
void my_type_name_append(struct cdc_buf *out, const struct my_column *column);

#endif
