/* SPDX-License-Identifier: MIT */
/* What the parts of refused.c share. */
#ifndef LOOP_REFUSED_INTERNAL_H
#define LOOP_REFUSED_INTERNAL_H

#include "libcdc/loop/recent.h"
#include "libcdc/loop/refused.h"

#include <cdc/buf.h>

#define REFUSED_FORGET 1000u /* at a time */
#define REFUSED_FILTER_BITS 16
#define REFUSED_BY_SEVERAL UINT64_MAX /* lines, of which nobody has said yet which is the next one */

struct refused_entry {
    char *pos, *name; /* as they stand in the line */
    char *lacks;      /* an array: the columns that the line does not have; NULL: none */
    char *part;       /* a JSON string: of which part of its table it is; NULL: not known */
    uint64_t id;      /* of name and pos */
    int64_t seq;      /* of the line; -1: not known */
    uint64_t db, table, keys[2], columns;
    enum refused_state state;
    uint64_t number; /* of its line in this run; 0: it was in none */
    uint64_t
        ended_by; /* the line of this run that has ended its wait, the next one of its row; 0: none, or not known */
    enum refused_state was; /* before that */
};

struct refused_table {
    uint64_t table, columns;
    struct cdc_buf line;
    bool written;
};

struct refused {
    char *path;
    int fd; /* -1: not there yet */
    bool dirty, keeps, history;
    size_t n_lines; /* that were appended since it was written anew */
    struct refused_entry *entries;
    size_t n, n_open;
    struct refused_table *tables;
    size_t n_tables;
    uint64_t *filter;      /* a bit for each key of those that wait; bits of others stay */
    struct recent *recent; /* NULL: no line is refused in this run */
    struct cdc_buf text, scratch, lacks;
};

/* -- refused_row.c -- */
struct refused_names {
    uint64_t db, table;
};
/* A text as it stands between quotes, however its characters are escaped. */
uint64_t refused_hash_raw(struct refused *refused, uint64_t hash, struct cdc_span raw);
struct refused_names refused_names_of(struct refused *refused, const struct cdc_event *event);
/* Of the row's key, and of the one that it had before: the same one where that is not known. false: it has none. */
bool refused_hash_keys(struct refused *refused, uint64_t table, const struct cdc_event *event, uint64_t keys[2]);
/* The columns that the line does not have, as an array; of no bytes where it has all. BORROWED until the next call. */
struct cdc_span refused_lacks_of(struct refused *refused, const struct cdc_event *event);
/* Of a schema line. */
uint64_t refused_hash_columns(const struct cdc_event *event);

/* -- refused_list.c -- */
/* false: no line of the row with that key waits. */
bool refused_may_wait(const struct refused *refused, uint64_t key);
/* May a line that comes still make good what it has? */
bool refused_is_open(enum refused_state state);
/* NULL: it is not known. BORROWED until one is added. */
struct refused_entry *refused_find_entry(struct refused *refused, struct cdc_span name, struct cdc_span pos);
/* Its texts. */
void refused_free_entry(struct refused_entry *entry);
/* The oldest are to be forgotten before one more is added. */
bool refused_is_full(const struct refused *refused);
void refused_drop_oldest(struct refused *refused);
/* TAKES its texts. */
struct refused_entry *refused_add_entry(struct refused *refused, struct refused_entry entry, struct cdc_error *error);
/* NULL: no schema line of it has come. BORROWED until one is described. */
struct refused_table *refused_find_table(struct refused *refused, uint64_t table);
/* The schema line, unless the table is known with these columns. written: it is in the file. */
int refused_describe(struct refused *refused, uint64_t table, const struct cdc_event *event, bool written,
                     struct cdc_error *error);

/* -- refused_file.c -- */
/* What is in text is appended to the file; it is durable after refused_sync. */
int refused_write_text(struct refused *refused, struct cdc_error *error);
void refused_append_schema(struct cdc_buf *out, const struct refused_table *table);
void refused_append_entry(struct cdc_buf *out, const struct refused_entry *entry);
/* And appends it to the file. */
int refused_set_state(struct refused *refused, struct refused_entry *entry, enum refused_state state,
                      struct cdc_error *error);
/* Once, before anything else: what is there, and the file is made. CONFIG where it is damaged. */
int refused_load(struct refused *refused, struct cdc_error *error);

#endif
