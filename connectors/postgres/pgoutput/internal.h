/* SPDX-License-Identifier: MIT */
/* What the files of the decoder share; nobody else includes this. */
#ifndef PG_PGOUTPUT_INTERNAL_H
#define PG_PGOUTPUT_INTERNAL_H

#include "connectors/postgres/pgoutput/encoding.h"
#include "connectors/postgres/pgoutput/live.h"
#include "connectors/postgres/pgoutput/pgoutput.h"
#include "connectors/postgres/pgoutput/position.h"
#include "connectors/postgres/pgoutput/visible.h"

#include <cdc/bytes.h>
#include <string.h>

#define MAX_COLUMNS 1664 /* of a row, for the server */
#define TABLE_BYTES ((size_t)256 << 20)
#define EPOCH_MS INT64_C(946684800000) /* 2000-01-01 in ms since 1970 */

/* What a Type message said of an oid that is not built in. */
struct pg_named_type {
    uint32_t oid;
    struct pg_type type;
    char *name; /* as format_type() has it; NULL for what is built in. Owned */
};

/* The tables that Relation messages described in this connection. */
struct pg_relations {
    struct pg_table **slots; /* open addressing by oid; the size is a power of two */
    size_t n_slots, n;
    size_t bytes;          /* of the tables, roughly */
    struct pg_table *last; /* the table of the last change */
    uint32_t described[2]; /* by the messages since the last change: the one before the last, and the last; 0: none */
    bool is_unlike;        /* the last one, beside the one before */
    /* Of the next Relation message: the server sends those of its columns before each one. */
    struct pg_named_type *types;
    size_t n_types, types_cap;
};

struct pg_transaction {
    bool open;
    bool seen;   /* by the snapshot: its row changes are omitted */
    bool needed; /* all the same, by a sink that did not take that snapshot */
    bool read;   /* before, by the position: nothing of it is written */
    uint64_t final_lsn, ordinal, events;
    int64_t ts_ms;
    uint32_t xid;
    /* parts that all its lines share */
    char pos_head[17];          /* "FFFFFFFFFFFFFFFF." */
    struct cdc_buf numbers;     /* `","seq":N,"ts_ms":N,"source":`, after pos */
    struct cdc_buf source_tail; /* `,"ts_ms":N,"txId":N,"lsn":N,"snapshot":"false"}` */
};

/* A transaction of which the reader has a part, since the connection broke inside it. */
struct pg_torn {
    bool due; /* it has not come again yet */
    uint64_t final_lsn;
    int64_t ts_ms;
    uint32_t xid;
};

/* A sink that is after the place where the lines begin (ahead.c). */
struct pg_ahead {
    struct pg_last last;
    uint64_t until; /* its position */
    bool due;       /* `last` has not come yet */
    char offset_file[512];
};

/* A round: what was read again of some tables (cdc/stale.h). */
struct pg_round {
    const struct cdc_stale *tables; /* BORROWED */
    uint64_t from;                  /* its place in the log */
    struct pg_visible visible;
    uint64_t xmax; /* of that, also when it is over; 0: not known */
    bool seen;     /* the open transaction */
};

/* Tables that keep rows of earlier attempts at the snapshot (parts.c). */
struct pg_parts {
    struct pg_part_view {
        struct pg_visible visible; /* of an attempt */
        bool seen;                 /* the open transaction */
    } * views;
    struct pg_part {
        char *schema, *table;
        size_t base, edge; /* views */
    } * items;
    size_t n_views, n;
};

struct pgoutput {
    struct pgoutput_settings settings;
    struct cdc_value_format unsure; /* the settings' one, for changes whose composites are not certain */
    uint64_t place;                 /* of the message, in the log */
    struct cdc_buf source_head;     /* of lines without a table */
    char system_id[32];             /* of boundary lines, with the timeline; "": not known */
    int64_t timeline;
    struct pg_relations relations;
    struct pg_transaction tx;
    struct pg_torn torn;
    struct pg_visible visible;
    uint64_t xmax;           /* as of a round */
    struct pg_round *rounds; /* a table is in one of them */
    size_t n_rounds;
    struct pg_live *live;             /* NULL: no table is read so */
    const struct cdc_stale *withheld; /* NULL: none */
    struct pg_parts parts;
    uint64_t needed_from;        /* from there on a sink needs what the snapshot has seen, too; UINT64_MAX: none does */
    char needed_by[512];         /* its offset file */
    struct pg_cell *cells[2];    /* new row, old row */
    struct cdc_buf converted[2]; /* their texts, where they come in another encoding */
    struct pg_last last;         /* transaction that was written, or that the position was after */
    uint64_t expected_until;     /* 0: nothing is expected */
    bool last_is_due;            /* `last` has not come yet */
    struct pg_ahead *ahead;      /* forgotten once the log has passed them */
    size_t n_ahead;
    struct pgoutput_counts counts;
    bool has_boundary;
    struct cdc_offset boundary; /* its texts are in the two buffers */
    struct cdc_buf boundary_pos, boundary_source;
    uint32_t heartbeats;
};

/* -- reading -- */

/* A NUL-terminated string inside the message; "" when it does not end. */
static inline const char *pg_message_string(struct cdc_bytes *bytes)
{
    const uint8_t *start = bytes->p, *nul = memchr(start, 0, cdc_bytes_left(bytes));
    if (!nul) {
        bytes->bad = true;
        return "";
    }
    bytes->p = nul + 1;
    return (const char *)start;
}

static inline int pg_message_malformed(struct cdc_error *error, const char *what)
{
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server sent a %s message that is damaged", what);
}

/* All fields read, none missing, nothing left? */
static inline int pg_message_finished(const struct cdc_bytes *bytes, const char *what, struct cdc_error *error)
{
    return bytes->bad || bytes->p != bytes->end ? pg_message_malformed(error, what) : 0;
}

/* -- ahead.c -- */

/* What to do about a log that is another one. Always -1. */
int pg_hint_new_snapshot(struct cdc_error *error);
/* The log before that position is another one. Always -1. */
int pg_other_log(uint64_t before, struct cdc_error *error);

/* The open transaction, or all of the log up to lsn: is it what the sinks that are ahead have? 0, or LOST. */
int pg_ahead_begin(struct pgoutput *decoder, struct cdc_error *error);
int pg_ahead_reached(struct pgoutput *decoder, uint64_t lsn, struct cdc_error *error);

/* -- rounds.c -- */

/* The open transaction, for the rounds that it may have been seen by. 0, or LOST when the log is not the one that was read. */
int pg_rounds_begin(struct pgoutput *decoder, struct cdc_error *error);
/* The number of the round that has read this table, from 1; 0: none has. */
size_t pg_rounds_of(const struct pgoutput *decoder, const struct pg_table *table);
/* Has the round that has read the table seen the open transaction? */
bool pg_rounds_have(const struct pgoutput *decoder, const struct pg_table *table);
void pg_rounds_free(struct pgoutput *decoder);

/* -- live.c -- */

/* The open transaction, for the piece that it may have been seen by. */
void pg_live_begin(struct pgoutput *decoder);
/* Sets table->live. */
void pg_live_mark(const struct pgoutput *decoder, struct pg_table *table);
/* Is it the table that is read? */
bool pg_live_is(const struct pgoutput *decoder, const struct pg_table *table);
/* Of a table with live: does nothing of it come in the open transaction, whatever the row? */
bool pg_live_omits(struct pgoutput *decoder, const struct pg_table *table);
/* Of a table with live: does the change come of the row in cells, or the truncate? And what of an update does? */
bool pg_live_has_row(struct pgoutput *decoder, const struct pg_table *table, const struct pg_cell *cells);
bool pg_live_has_truncate(struct pgoutput *decoder, const struct pg_table *table);
void pg_live_update(struct pgoutput *decoder, struct pg_table *table, char old_kind, struct cdc_buf *out);

/* -- parts.c -- */

/* The open transaction, for the attempts that may have seen it. */
void pg_parts_begin(struct pgoutput *decoder);
/* The number of the table's part, from 1; 0: it was read whole in the last attempt. */
size_t pg_parts_of(const struct pgoutput *decoder, const struct pg_table *table);
/* Are the changes of the open transaction in all that was read of the table? */
bool pg_parts_have(const struct pgoutput *decoder, const struct pg_table *table);
/* Does the update in the cells move a row whose large values a reader may take from another row? */
bool pg_parts_may_lack(const struct pgoutput *decoder, const struct pg_table *table, char old_kind);
void pg_parts_free(struct pgoutput *decoder);

/* -- tables (relations.c) -- */

/* The table of a change, or NULL with PROTOCOL when no Relation message described it. */
struct pg_table *pg_relations_find(struct pg_relations *relations, uint32_t oid, struct cdc_error *error);
/* To be called at each change, of the table that it names. */
const struct pg_table *pg_relations_changed(struct pg_relations *relations, struct pg_table *table);
int pg_relations_decode_type(struct pg_relations *relations, struct cdc_bytes *bytes, struct cdc_error *error);
int pg_relations_decode_relation(struct pgoutput *decoder, struct cdc_bytes *bytes, struct cdc_error *error);
/* The key of a table that was not certain before (unsure_until), for a transaction whose commit record is at lsn. */
int pg_relations_settle(const struct pgoutput_settings *settings, struct pg_table *table, uint64_t lsn,
                        struct cdc_error *error);
/* Composite types may have been altered: those that tables have are described anew at the next change. */
void pg_relations_composites_due(struct pg_relations *relations);
/* pgoutput_described(). */
void pg_relations_described(struct pg_relations *relations, const struct pg_table *now);
/* All tables of that name. */
void pg_relations_set_stale(struct pg_relations *relations, const char *schema, const char *name);
void pg_relations_clear(struct pg_relations *relations);
void pg_relations_free(struct pg_relations *relations);

/* -- old rows -- */

/* As the messages name them, but for the short one. In all but the whole one the other columns are written as NULL, and are
 * not. */
enum pg_old_kind {
    PG_OLD_NONE = 0,
    PG_OLD_IDENTITY = 'K', /* the columns of the replica identity */
    PG_OLD_WHOLE = 'O',
    PG_OLD_SHORT = 's' /* came as whole, and is not: the columns of the key */
};

static inline bool pg_old_has(char kind, const struct pg_column *column)
{
    return kind == PG_OLD_WHOLE || (kind == PG_OLD_SHORT ? column->key : column->identity);
}

/* -- lines (lines.c) -- */

void pg_lines_begin(struct pgoutput *decoder, uint64_t final_lsn, int64_t ts_ms, uint32_t xid);
/* Appends the commit line, which is a boundary. */
void pg_lines_commit(struct pgoutput *decoder, uint64_t end_lsn, struct cdc_buf *out);
/* The same of a piece of a table that is read again: at a boundary, with the position of a round. */
void pg_lines_piece(struct pgoutput *decoder, uint64_t lsn, unsigned attempt, uint64_t line, uint64_t events,
                    struct cdc_buf *out);
void pg_lines_insert(struct pgoutput *decoder, struct pg_table *table, struct cdc_buf *out);
/* old_kind: an enum pg_old_kind */
void pg_lines_update(struct pgoutput *decoder, struct pg_table *table, char old_kind, struct cdc_buf *out);
void pg_lines_delete(struct pgoutput *decoder, struct pg_table *table, char old_kind, struct cdc_buf *out);
void pg_lines_truncate(struct pgoutput *decoder, struct pg_table *table, struct cdc_buf *out);
void pg_lines_message(struct pgoutput *decoder, const char *prefix, const char *content, size_t n, bool transactional,
                      struct cdc_buf *out);

#endif
