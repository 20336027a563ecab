/* SPDX-License-Identifier: MIT */
/* What the files of the decoder share; nobody else includes this. */
#ifndef MY_DECODER_INTERNAL_H
#define MY_DECODER_INTERNAL_H

#include "connectors/mysql/decoder/decoder.h"
#include "connectors/mysql/decoder/image.h"
#include "connectors/mysql/decoder/numbering.h"
#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/decoder/xa.h"
#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/event/gtid.h"
#include "connectors/mysql/event/gtid_set.h"
#include "connectors/mysql/event/gtid_set.h"
#include "connectors/mysql/event/payload.h"
#include "connectors/mysql/value/flavor.h"

#include <cdc/buf.h>
#include <cdc/bytes.h>
#include <cdc/error.h>
#include <cdc/offset.h>

#define NO_TABLE UINT64_C(0xFFFFFF) /* a rows event that only ends a statement */

/* The open group. */
struct my_transaction {
    bool open, begun;               /* begun: BEGIN was read */
    uint64_t statements;            /* of DDL */
    uint64_t ordinal, events, rows; /* events: all lines of changes; rows: those of them that are no statements */
    bool released;                  /* its lines are no longer held back */
    uint64_t start, bytes;          /* where it begins in its file, and how much of it was seen */
    uint64_t index;                 /* of the event at hand, see my_decoder_indexes */
    bool foreseen;                  /* what becomes of the rest is known */
    bool forgotten;                 /* nothing of it is to be kept */
    uint64_t end_index;             /* of its last event */
    struct my_counts counts;        /* as they were before it */
    int64_t ts_ms;
    struct my_gtid gtid;
    uint32_t server_id;
    char pos_head[17];      /* "CCCCCCCCCCCCCCCC." */
    struct cdc_buf numbers; /* `","seq":N,"ts_ms":N,"source":`, behind pos */
    struct cdc_buf tail;    /* `,"ts_ms":N,"gtid":"G","server_id":N,"file":"F","pos":` */
};

/* Where a savepoint stands in the open group. */
struct my_savepoint_state {
    uint64_t serial; /* their order */
    size_t held;     /* of the lines that are held back */
    uint64_t index, ordinal, events, rows;
    struct my_counts counts;
};
#define SAVEPOINT_NAME_MAX 64
struct my_savepoint {
    char key[SAVEPOINT_NAME_MAX + 1];
    struct my_savepoint_state first, last; /* of that name */
};

/* The events between a savepoint and the ROLLBACK TO it. */
struct my_undone {
    uint64_t savepoint, rollback;
};

struct my_decoder {
    struct my_decoder_settings settings;
    enum my_flavor flavor;
    struct my_event_format format;
    struct my_coord coord;
    /* Where the last complete transaction ends, or reading began: of this place the GTIDs are the set. A server that is
     * asked by GTID shows the file's beginning first, and leaves out what was read. */
    struct my_coord settled;
    uint32_t settled_created; /* when its file was begun; 0: not known */
    bool by_gtid;             /* the server was asked so */
    uint64_t event_position;  /* where the event at hand begins */
    struct my_gtid_set *gtids;
    uint64_t number; /* C of the open group, or of the last one */
    struct my_numbering numbering;
    struct my_transaction transaction;
    struct my_table **tables; /* open addressing by id; the size is a power of two */
    size_t n_slots, n_tables;
    struct my_table *last;
    struct my_cell *before, *after;
    size_t n_cells;
    struct cdc_buf held;             /* lines of the open group, see my_transaction_forget */
    struct my_savepoint *savepoints; /* of the open group */
    size_t n_savepoints;
    uint64_t savepoint_serial;
    struct my_undone *undone; /* of the open group, in their order */
    size_t n_undone, at_undone;
    struct my_payload *payload;
    bool in_payload;
    struct my_event_parts parts; /* of the payload at hand */
    struct my_xa *xa;            /* NULL: nowhere to keep prepared transactions */
    bool in_xa;                  /* a committed one is read */
    struct cdc_buf xid;
    struct cdc_buf query_scratch, statement_text, rows_scratch, event_tail;
    struct my_counts counts;
    bool has_boundary;
    struct cdc_offset boundary;
    struct cdc_buf boundary_pos, boundary_source;
    uint32_t heartbeats;
    char server_uuid[128];
    bool omitted;    /* settings.left_out was called */
    bool lower_case; /* names of tables: see my_decoder_set_lower_case */
};

/* -- my_decoder_tables.c */
int my_decoder_rehash(struct my_decoder *decoder, size_t n_new, struct cdc_error *error);
int my_decoder_room_for_cells(struct my_decoder *decoder, size_t n, struct cdc_error *error);
int my_decoder_table_map(struct my_decoder *decoder, struct cdc_bytes body, struct cdc_error *error);
void my_decoder_forget_tables(struct my_decoder *decoder);
/* A DDL statement: the tables that it names are described anew when they come again, even with the id of before (ids are
 * counted anew when the server starts). */
void my_decoder_altered(struct my_decoder *decoder, struct cdc_span sql);
size_t my_decoder_slot_of(const struct my_decoder *decoder, uint64_t id);

/* -- my_decoder_groups.c */
int my_transaction_start(struct my_decoder *decoder, const struct my_event_header *header, const struct my_gtid *gtid,
                         struct cdc_buf *out, struct cdc_error *error);
int my_transaction_end(struct my_decoder *decoder, struct cdc_buf *out, struct cdc_error *error);
/* Settles what the lines of one event share. */
void my_transaction_begin_event(struct my_decoder *decoder);
void my_transaction_begin(struct my_decoder *decoder, const struct my_event_header *header, const struct my_gtid *gtid);

/* MariaDB logs rows of transactions that are rolled back, when they touched more than tables with transactions, and after a
 * crash the beginning of one whose end is missing. So its lines are held back until its end is read, as long as they are
 * few; then all that is left of such a one can be forgotten: true. false: lines are out, or what is to be kept is mixed
 * with what is not. */
bool my_transaction_forget(struct my_decoder *decoder);
/* Schema lines of the open group behind that ordinal are to be written again. */
void my_transaction_forget_schemas(struct my_decoder *decoder, uint64_t ordinal);
void my_transaction_restore_counts(struct my_decoder *decoder, const struct my_counts *counts);

/* -- my_decoder_savepoints.c */
int my_decoder_savepoint(struct my_decoder *decoder, struct cdc_span name, struct cdc_error *error);
int my_decoder_rollback_to(struct my_decoder *decoder, struct cdc_span name, struct cdc_error *error);
/* Is an event of that type counted within its group? */
bool my_decoder_indexes(uint8_t type);
/* More lines than may be held back: finds out what becomes of the group, where that can be known. */
int my_decoder_look_ahead(struct my_decoder *decoder, struct cdc_error *error);
/* Is the event at hand undone by what comes later? */
bool my_decoder_is_undone(struct my_decoder *decoder);
int my_decoder_rolled_back(const struct my_decoder *decoder, struct cdc_error *error);

/* -- my_decoder_rows.c */
/* `{"op":"c","pos":"...","seq":N,"ts_ms":N,"source":{...}` */
void my_decoder_line_head(struct my_decoder *decoder, const struct cdc_buf *source, const char *op, uint64_t ordinal,
                          uint64_t row, struct cdc_buf *out);
int my_decoder_rows_event(struct my_decoder *decoder, const struct my_event_header *header, struct cdc_bytes body,
                          struct cdc_buf *out, struct cdc_error *error);

/* -- my_decoder_statements.c */
struct cdc_span my_decoder_xid_of(const struct my_decoder *decoder);
int my_decoder_query_event(struct my_decoder *decoder, const struct my_event_header *header, struct cdc_bytes body,
                           struct cdc_buf *out, struct cdc_error *error);
int my_decoder_begin_xa(struct my_decoder *decoder, struct cdc_error *error);
int my_decoder_xa_prepared(struct my_decoder *decoder, struct cdc_bytes body, struct cdc_buf *out,
                           struct cdc_error *error);

#endif
