/* SPDX-License-Identifier: MIT */
/* What the files of the decoder share; nobody else includes this. */
#ifndef BINLOG_DECODER_INTERNAL_H
#define BINLOG_DECODER_INTERNAL_H

#include "connectors/mysql/decoder/decoder.h"
#include "connectors/mysql/decoder/xa.h"

#define NO_TABLE UINT64_C(0xFFFFFF) /* a rows event that only ends a statement */

/* The open group. */
struct group {
    bool open, begun;               /* begun: BEGIN was read */
    uint64_t statements;            /* of DDL */
    uint64_t ordinal, events, rows; /* events: all lines of changes; rows: those of them that are no statements */
    bool released;                  /* its lines are no longer held back */
    uint64_t start, bytes;          /* where it begins in its file, and how much of it was seen */
    uint64_t index;                 /* of the event at hand, see decoder_indexes */
    bool foreseen;                  /* what becomes of the rest is known */
    bool forgotten;                 /* nothing of it is to be kept */
    uint64_t end_index;             /* of its last event */
    struct binlog_counts counts;    /* as they were before it */
    int64_t ts_ms;
    struct binlog_gtid gtid;
    uint32_t server_id;
    char pos_head[17];      /* "CCCCCCCCCCCCCCCC." */
    struct cdc_buf numbers; /* `","seq":N,"ts_ms":N,"source":`, behind pos */
    struct cdc_buf tail;    /* `,"ts_ms":N,"gtid":"G","server_id":N,"file":"F","pos":` */
};

/* Where a savepoint stands in the open group. */
struct savepoint_place {
    uint64_t serial; /* their order */
    size_t held;     /* of the lines that are held back */
    uint64_t index, ordinal, events, rows;
    struct binlog_counts counts;
};
#define SAVEPOINT_NAME_MAX 64
struct savepoint {
    char key[SAVEPOINT_NAME_MAX + 1];
    struct savepoint_place first, last; /* of that name */
};

/* The events between a savepoint and the ROLLBACK TO it. */
struct undone {
    uint64_t savepoint, rollback;
};

struct binlog_decoder {
    struct binlog_decoder_settings settings;
    enum binlog_flavor flavor;
    struct binlog_format format;
    struct binlog_place place;
    /* Where the last complete transaction ends, or reading began: of this place the GTIDs are the set. A server that is
     * asked by GTID shows the file's beginning first, and leaves out what was read. */
    struct binlog_place settled;
    uint32_t settled_created; /* when its file was begun; 0: not known */
    bool by_gtid;             /* the server was asked so */
    uint64_t event_position;  /* where the event at hand begins */
    struct binlog_gtid_set *gtids;
    uint64_t number; /* C of the open group, or of the last one */
    struct binlog_numbering numbering;
    struct group group;
    struct binlog_table **tables; /* open addressing by id; the size is a power of two */
    size_t n_slots, n_tables;
    struct binlog_table *last;
    struct binlog_cell *before, *after;
    size_t n_cells;
    struct cdc_buf held;          /* lines of the open group, see decoder_forget_group */
    struct savepoint *savepoints; /* of the open group */
    size_t n_savepoints;
    uint64_t savepoint_serial;
    struct undone *undone; /* of the open group, in their order */
    size_t n_undone, at_undone;
    struct binlog_payload *payload;
    bool in_payload;
    struct binlog_parts parts; /* of the payload at hand */
    struct binlog_xa *xa;      /* NULL: nowhere to keep prepared transactions */
    bool in_xa;                /* a committed one is read */
    struct cdc_buf xid;
    struct cdc_buf query_scratch, statement_text, rows_scratch, event_tail;
    struct binlog_counts counts;
    bool has_boundary;
    struct cdc_offset boundary;
    struct cdc_buf boundary_pos, boundary_source;
    uint32_t heartbeats;
    char server_uuid[128];
    bool left_out;   /* settings.left_out was called */
    bool lower_case; /* names of tables: see binlog_decoder_set_lower_case */
};

/* -- decoder_tables.c */
int decoder_rehash(struct binlog_decoder *decoder, size_t n_new, struct cdc_error *error);
int decoder_room_for_cells(struct binlog_decoder *decoder, size_t n, struct cdc_error *error);
int decoder_table_map(struct binlog_decoder *decoder, struct binlog_reader body, struct cdc_error *error);
void decoder_forget_tables(struct binlog_decoder *decoder);
/* A DDL statement: the tables that it names are described anew when they come again, even with the id of before (ids are
 * counted anew when the server starts). */
void decoder_altered(struct binlog_decoder *decoder, struct cdc_span sql);
size_t decoder_slot_of(const struct binlog_decoder *decoder, uint64_t id);

/* -- decoder_groups.c */
int decoder_start_of_group(struct binlog_decoder *decoder, const struct binlog_header *header,
                           const struct binlog_gtid *gtid, struct cdc_buf *out, struct cdc_error *error);
int decoder_end_group(struct binlog_decoder *decoder, struct cdc_buf *out, struct cdc_error *error);
/* Settles what the lines of one event share. */
void decoder_begin_event(struct binlog_decoder *decoder);
void decoder_begin_group(struct binlog_decoder *decoder, const struct binlog_header *header,
                         const struct binlog_gtid *gtid);

/* MariaDB logs rows of transactions that are rolled back, when they touched more than tables with transactions, and after a
 * crash the beginning of one whose end is missing. So its lines are held back until its end is read, as long as they are
 * few; then all that is left of such a one can be forgotten: true. false: lines are out, or what is to be kept is mixed
 * with what is not. */
bool decoder_forget_group(struct binlog_decoder *decoder);
/* Schema lines of the open group behind that ordinal are to be written again. */
void decoder_forget_schemas(struct binlog_decoder *decoder, uint64_t ordinal);
void decoder_restore_counts(struct binlog_decoder *decoder, const struct binlog_counts *counts);

/* -- decoder_savepoints.c */
int decoder_savepoint(struct binlog_decoder *decoder, struct cdc_span name, struct cdc_error *error);
int decoder_rollback_to(struct binlog_decoder *decoder, struct cdc_span name, struct cdc_error *error);
/* Is an event of that type counted within its group? */
bool decoder_indexes(uint8_t type);
/* More lines than may be held back: finds out what becomes of the group, where that can be known. */
int decoder_look_ahead(struct binlog_decoder *decoder, struct cdc_error *error);
/* Is the event at hand undone by what comes later? */
bool decoder_is_undone(struct binlog_decoder *decoder);
int decoder_rolled_back(const struct binlog_decoder *decoder, struct cdc_error *error);

/* -- decoder_rows.c */
/* `{"op":"c","pos":"...","seq":N,"ts_ms":N,"source":{...}` */
void decoder_line_head(struct binlog_decoder *decoder, const struct cdc_buf *source, const char *op, uint64_t ordinal,
                       uint64_t row, struct cdc_buf *out);
int decoder_rows_event(struct binlog_decoder *decoder, const struct binlog_header *header, struct binlog_reader body,
                       struct cdc_buf *out, struct cdc_error *error);

/* -- decoder_statements.c */
struct cdc_span decoder_xid_of(const struct binlog_decoder *decoder);
int decoder_query_event(struct binlog_decoder *decoder, const struct binlog_header *header, struct binlog_reader body,
                        struct cdc_buf *out, struct cdc_error *error);
int decoder_begin_xa(struct binlog_decoder *decoder, struct cdc_error *error);
int decoder_xa_prepared(struct binlog_decoder *decoder, struct binlog_reader body, struct cdc_buf *out,
                        struct cdc_error *error);

#endif
