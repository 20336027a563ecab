/* SPDX-License-Identifier: MIT */
/* Source tables as a sink knows them: found by event, described by schema lines, each with its name at the destination
 * (cdc/target.h). Finding takes the same time with ten tables and with a hundred thousand. */
#ifndef CDC_TABLE_H
#define CDC_TABLE_H

#include <cdc/target.h>

struct cdc_column {
    char *name;    /* unescaped, never empty, without NUL bytes */
    size_t name_n; /* its length */
    char *type;    /* as the database names it, between the quotes; "" when the line does not say. Of a domain: the type
                      that it is made of, which is what its values are written like */
    bool generated;
    bool key;      /* one of the key columns */
    bool optional; /* rows that came before it are NULL there, and are not to be read again for it */
};

struct cdc_table {
    struct cdc_table_id id;
    char *of;     /* the source that owns the target: id.name, of a partition (source.partition_of) the whole */
    char *target; /* its name at the destination, NUL-terminated */
    bool owned;   /* the name belongs to this table; false: to nobody yet, so nothing of it is there */
    struct cdc_column *columns; /* of the newest schema line; NULL before one */
    size_t n_columns;
    bool
        whole; /* false: the line did not list all columns; those of its key are in columns all the same, without a type */
    size_t *key; /* indexes of the key columns, in key order */
    size_t n_key;
    struct cdc_table *next_source, *next_target; /* table.c's own */
};

/* The tables of one sink. A sink that keeps more about a table embeds struct cdc_table as the FIRST member of its own
 * struct, whose size it gives; the rest of that begins zeroed. */
struct cdc_tables {
    struct cdc_table **items; /* in the order of their first lines */
    size_t n;
    bool
        need_whole; /* set by a sink that needs all columns of a table: a schema line without them is not a sound one */
    /* Set by a sink that cannot take every definition; may be NULL. Of `definition` there are id, target,
     * columns and key. */
    int (*check)(void *sink, const struct cdc_table *definition, struct cdc_error *error);
    /* table.c's own */
    size_t size, n_buckets;
    void (*release)(struct cdc_table *table);
    const struct cdc_target_ops *ops;
    void *sink;
    struct cdc_table **by_source, **by_target, *last;
};

/* BORROWS ops and sink. release frees what the sink put into its own struct, not the struct; may be NULL. */
void cdc_tables_init(struct cdc_tables *tables, size_t size, void (*release)(struct cdc_table *table),
                     const struct cdc_target_ops *ops, void *sink);
void cdc_tables_free(struct cdc_tables *tables);

/* The event's table, a new one at its first line of whatever kind: BORROWED. NULL: out of memory, no name at the
 * destination, or (CONFIG) the name belongs to another table. Once `owned` it is not looked at again. */
struct cdc_table *cdc_tables_of(struct cdc_tables *tables, const struct cdc_event *event, struct cdc_error *error);
/* The same, with columns and key taken from the event, a schema line. DATA when it is not a sound one, or
 * what check says; the table then stays as it was. */
struct cdc_table *cdc_tables_define(struct cdc_tables *tables, const struct cdc_event *event, struct cdc_error *error);
/* The table becomes the owner of its target, durably where the destination can. */
int cdc_tables_claim(struct cdc_tables *tables, struct cdc_table *table, struct cdc_error *error);
/* What was claimed may be gone (a transaction was rolled back): owners are asked for again. */
void cdc_tables_recheck(struct cdc_tables *tables);

#endif
