/* SPDX-License-Identifier: MIT */
/* The tables of a log, and which of their rows live. Rows are in generations: a truncate begins a new one, and so does a table that
 * is read again, whose rows are beside those before it until its read has ended. */
#ifndef LOG_TABLES_H
#define LOG_TABLES_H

#include <cdc/event.h>

#include <stdint.h>

struct log_source {
    char *name; /* unescaped */
    size_t name_n;
    uint64_t first;          /* line number where its transaction in hand began; 0: it is in none */
    int64_t seq;             /* of that transaction */
    uint64_t cut[2];         /* those in hand when memory was full last, and the time before */
    uint64_t commit, beat;   /* its last commit and its last heartbeat; 0: none */
    uint64_t gone;           /* its last line whose delete marker counts no more */
    struct cdc_buf gone_pos; /* the position of that, as it was given */
    uint64_t events;         /* change lines in the base */
};

/* Lines that are about a table as a whole, and stay for readers that have older rows. */
enum log_mark_kind { LOG_MARK_TRUNCATE, LOG_MARK_BEGIN, LOG_MARK_END };
struct log_mark {
    uint64_t number;
    enum log_mark_kind kind;
};

struct log_generation {
    uint32_t number;   /* from 1; 0: there is none */
    bool verbatim;     /* its lines are kept as they are from here on: nothing tells its rows apart */
    bool keyed;        /* the next two are set */
    uint64_t names;    /* of the key columns */
    uint64_t key_type; /* of the table then */
};

struct log_table {
    struct cdc_buf id; /* names, each with its length */
    uint32_t index;
    size_t source;
    char *db, *schema, *table;        /* unescaped; schema may be NULL */
    struct log_generation main, side; /* side: of a read that has not ended */
    bool side_live;
    uint32_t generations; /* so far */
    struct log_mark *marks;
    size_t n_marks, marks_capacity;
    uint64_t *schemas; /* schema lines that differ from the one before */
    size_t n_schemas, schemas_capacity;
    uint64_t schema_text; /* hash of the newest one's columns */
    bool end_differs;     /* that is the end of the last read, and no other line has these columns */
    uint64_t side_schema; /* the schema line that was valid when the read began; 0: none */
    uint64_t key_type;    /* hash of what kinds of values the key columns have; 0: unknown */
    bool no_key_type;     /* they are such that equal values may be written in several ways */
    size_t n_columns;     /* of the newest schema line; 0: unknown */
    bool parted;          /* it was put together from several tables */
};

struct log_tables {
    struct log_table **items;
    size_t n;
    uint32_t *buckets; /* index + 1; 0: free */
    size_t n_buckets;
    struct log_source **sources;
    size_t n_sources, last_source;
    struct cdc_buf scratch;
};

void log_tables_free(struct log_tables *tables);
/* That of the event, a new one at its first line. BORROWED; NULL without memory. Pointers stay valid. */
struct log_source *log_tables_source(struct log_tables *tables, struct cdc_span raw_name, struct cdc_error *error);
struct log_table *log_tables_of(struct log_tables *tables, const struct cdc_event *event, struct cdc_error *error);

/* Does a row of that generation live? */
bool log_table_lives(const struct log_table *table, uint32_t generation);
/* A schema line. */
int log_table_define(struct log_table *table, const struct cdc_event *event, uint64_t number, struct cdc_error *error);
/* A t line: truncates, or begins a read. dropped: with its database. */
int log_table_empty(struct log_table *table, const struct cdc_event *event, uint64_t number, bool dropped,
                    struct cdc_error *error);
/* The generation that a row line belongs to. */
struct log_generation *log_table_row(struct log_table *table, enum cdc_op op);

#endif
