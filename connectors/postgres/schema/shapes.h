/* SPDX-License-Identifier: MIT */
/* The form of each table that is read, as it was seen last: so that a change of it which changes rows of before is found, while
 * the stream runs and at its next start, though the log has no line of it. */
#ifndef PG_SHAPES_H
#define PG_SHAPES_H

#include "connectors/postgres/pgoutput/table.h"
#include "connectors/postgres/schema/catalog.h"

/* One table by the name under which its changes come. */
struct pg_shape {
    char *schema, *name;
    char *is; /* a JSON object, as SHAPES_SQL makes it */
    char *
        was; /* the same as it was before that look: changes that are still to come may have either; {}: it was not there;
                     NULL: not known */
    char *
        gone; /* names of columns that were dropped since its rows were read, of which a copy may still have the values: a JSON
                        array, or NULL */
    int64_t
        columns;  /* that it has had by then, with those that were dropped: the greatest number of one. -1: not known */
    uint32_t oid; /* 0: of one that was there once under this name */
    bool parted;  /* it has partitions */
    uint64_t at;  /* where the log was when this was seen */
    bool own;     /* it is not as the snapshot has it */
};
/* As JSON, in the snapshot's state (all of them, as of when they were read) and in the stream's (what has changed since):
 *      {"publication":"16390 751 t t t t f","xids":"750:760:755","at":"0/16B3748","tables":[{"schema":"public","table":"t",
 *       "at":"0/16B3748","is":{"oid":16385,"file":16385,...},"columns":4,"gone":["c"]}]}
 * Those that have left stay in it, without "is": should the name come again, it is another table. */
struct pg_shapes {
    struct pg_shape *items; /* by schema and name */
    size_t n, capacity;
    char *publication; /* its row in the catalog, and what it publishes; NULL: not known */
    char *xids;        /* what had ended by the last look (pg_current_snapshot) */
    char *began;       /* what had ended when the last look began (pg_shapes_ended); NULL: as xids */
    uint64_t at;       /* of the last look */
    bool known;        /* something has been looked at */
    bool own;          /* the last look is not the snapshot's */
};
void pg_shapes_clear(struct pg_shapes *shapes);
/* Both may be {NULL, 0}. Of a table that both have, the newer one counts. CONFIG when they are damaged. */
int pg_shapes_read(struct pg_shapes *shapes, struct cdc_span snapshot, struct cdc_span stream, struct cdc_error *error);
/* Appends the object. all: for a snapshot; else only what is not as the snapshot has it. */
void pg_shapes_append(struct cdc_buf *out, const struct pg_shapes *shapes, bool all);

/* The one of that name; NULL: there is none. */
struct pg_shape *pg_shapes_find(const struct pg_shapes *shapes, const char *schema, const char *name);
/* The same, or a new one; NULL without memory. */
struct pg_shape *pg_shapes_ensure(struct pg_shapes *shapes, const char *schema, const char *name,
                                  struct cdc_error *error);
/* is {NULL, 0}: it has left. Its rows are as that form has them, so no column is gone. Copies. */
int pg_shapes_set(struct pg_shape *shape, struct cdc_span is, int64_t columns, uint64_t at, bool own,
                  struct cdc_error *error);
/* The same of one whose changes since it was seen last are lines: those may still have its form of before. was {NULL, 0}: it is
 * new, and all its rows are to come. Neither may be the shape's own. Columns that only `was` has are gone from here on. */
int pg_shapes_follow(struct pg_shape *shape, struct cdc_span was, struct cdc_span is, int64_t columns, uint64_t at,
                     struct cdc_error *error);

/* It is there no more under its name. Changes from before may still come, with the form that it has had. */
void pg_shapes_leave(struct pg_shape *shape, uint64_t at);

/* Takes a table whose rows in a copy are not the source's any more. 0 or -1 */
typedef int pg_shapes_stale(void *context, const char *schema, const char *name, const char *why,
                            struct cdc_error *error);
struct pg_shapes_look {
    PGconn *sql;
    const struct pg_settings *settings;
    const struct pg_catalog *catalog;
    const char *xids; /* what had ended before the catalog was read (pg_shapes_ended); BORROWS */
    pg_shapes_stale *stale;
    void (*left)(void *context, const char *schema,
                 const char *name); /* what was seen before is not selected any more; may be NULL */
    void *context;
};
/* pg_current_snapshot(): to be asked before the catalog is read that a look goes by. RETURNS NEW, or NULL */
char *pg_shapes_ended(PGconn *sql, struct cdc_error *error);
/* Compares with what is there now. What is stale stays as it was seen before, until it has been read again; all else is as now.
 * Where nothing is known, since the snapshot and the stream are of a version that kept nothing, all tables are stale: what was done
 * to them since their rows were read shows nowhere. */
int pg_shapes_compare(struct pg_shapes *shapes, const struct pg_shapes_look *look, struct cdc_error *error);
/* The same for rows that are read in this transaction: all is taken as it is. only: these tables; NULL: all that are selected. */
struct cdc_stale;
int pg_shapes_take(struct pg_shapes *shapes, PGconn *sql, const struct pg_settings *settings,
                   const struct pg_catalog *catalog, const struct cdc_stale *only, struct cdc_error *error);

/* The table that a change of a transaction at lsn has: is it another one, or has it another form, than was seen last, before that
 * transaction; or, in one from before the last look, than any that is known of the time between the looks? Where the last look was
 * that of a read, what its rows have (read) may be of any form before. All else may not, though the log was further than the rows
 * when the form was asked for. A table that was never seen is none. */
bool pg_shapes_differ(const struct pg_shapes *shapes, const struct pg_table *table, uint64_t lsn, bool read);
/* The transaction that made the primary key which the table had at a change of a transaction at lsn, where that was seen; 0 */
uint32_t pg_shapes_key(const struct pg_shapes *shapes, const struct pg_table *table, uint64_t lsn);
/* Was it seen with a key, last? */
bool pg_shapes_keyed(const struct pg_shapes *shapes, const struct pg_table *table);
/* Is it this table? After a look: if not, it is one that was there meanwhile. */
bool pg_shapes_has(const struct pg_shapes *shapes, const struct pg_table *table);
/* Do changes that a transaction at lsn made of a table of ours come under another name? (Its schema was renamed for a while.) The
 * table, by the name that was seen; NULL: no. It may be in the rows that were read (pg_shapes_may_have). */
const struct pg_shape *pg_shapes_misnamed(const struct pg_shapes *shapes, const struct pg_table *table, uint64_t lsn);
/* Changes of a transaction at lsn that were made in a partition come as those of `table`: a table that was seen with a name of its own,
 * the partition or one above it, has then changed without a line, unless its rows have it. From *from on, which goes on after it; NULL:
 * there is no more. */
const struct pg_shape *pg_shapes_passed_by(const struct pg_shapes *shapes, size_t *from,
                                           const struct pg_table *partition, const struct pg_table *table,
                                           uint64_t lsn);
/* May rows that were read have a transaction at lsn? It is from before the look at them, and nothing was seen before that. */
bool pg_shapes_may_have(const struct pg_shape *shape, uint64_t lsn);
/* Was none of its name ever seen? */
bool pg_shapes_lack(const struct pg_shapes *shapes, const struct pg_table *table);
/* Could the last look see what this transaction did? Positions do not tell: a look takes a while, and a commit is in the log
 * before others see it. */
bool pg_shapes_saw(const struct pg_shapes *shapes, uint32_t xid);

#endif
