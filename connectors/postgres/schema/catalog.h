/* SPDX-License-Identifier: MIT */
/* The tables of the database as the catalogs have them now, with what identifies their rows: the one question that
 * snapshot, publication and --check ask. */
#ifndef PG_CATALOG_H
#define PG_CATALOG_H

#include "connectors/postgres/pgoutput/key.h"
#include "connectors/postgres/session/connection.h"

struct pg_catalog_table {
    uint32_t oid;
    const char *schema, *name;
    const char *root_schema, *root; /* of a partition: the partitioned table at the top; else NULL */
    char kind;                      /* pg_class.relkind: r table, p partitioned, f foreign, m materialized view */
    char persistence;               /* p permanent, u unlogged, t temporary */
    bool listed;                    /* the publication names it: its changes come under this name */
    bool published;                 /* listed, or some table above it is, or a partition below it (where it has any) */
    bool via_root;                  /* publish_via_partition_root, also where the publication is still to be made */
    bool under_root;                /* the changes of this partition come under the name of its root */
    bool owned;                     /* by this role */
    bool readable, hidden;          /* this role may read it; row level security hides rows of it from the role */
    double estimate;                /* rows; 0 where it is not listed */
    const char *filter, *columns;   /* of the publication: SQL, an array of names; NULL */
    bool lists_columns;             /* the publication has a list of columns for it */
    struct pg_key_facts key;
    /* What of the publication makes the server refuse UPDATE or DELETE on this table, in words: `row filter by column x`,
     * which is not of the replica identity; NULL: nothing. */
    const char *hole;
    bool
        partial; /* it has a row filter, and a row that an UPDATE moves into that would come without its large values */
    bool large;  /* an UPDATE of it may come without the large values (TOAST) that it did not change */
    bool columnless;       /* it has no column: sinks may know no such table */
    const char *detaching; /* a partition of it whose DETACH ... CONCURRENTLY was broken off; NULL */
    /* Of a partitioned table: a partition whose old rows lack what its own replica identity promises. The server
     * describes rows by the partitioned table, and takes old rows by the partition: root FULL over a partition with its
     * key only gives whole rows of NULLs. NULL: all fit. */
    const char *unlike;
    const char *nullable_key; /* a column of the replica identity that may be NULL; NULL: there is none */
};
struct pg_catalog {
    PGresult *result; /* all texts point into it */
    struct pg_catalog_table *tables;
    size_t n;
};
/* By schema and name. publication may be missing. catalog is to be freed in any case. TEMPORARY when tables are locked for
 * longer than patience_ms (locks.h); a transaction is rolled back then. */
int pg_catalog_read(PGconn *sql, const char *publication, int patience_ms, struct pg_catalog *catalog,
                    struct cdc_error *error);
void pg_catalog_free(struct pg_catalog *catalog);

/* Do the changes of the table concern us, under its own name or its root's? */
bool pg_catalog_is_meant(const struct pg_catalog_table *table, const struct pg_settings *settings);
/* Is it read under its own name: does the publication list it, or, where that is still to be made (exists: it is not), would one
 * that we make? */
bool pg_catalog_is_read(const struct pg_catalog_table *table, const struct pg_settings *settings, bool exists);
/* Would a publication that we make name it? Not where the partitioned table above it is meant, too. */
bool pg_catalog_is_to_be_listed(const struct pg_catalog_table *table, const struct pg_settings *settings);
/* Changes of a partition carry the name of its root or its own, as the publication says. Is it the other one that
 * the user selected? Then nothing is seen. */
bool pg_catalog_misses(const struct pg_catalog_table *table, const struct pg_settings *settings);
/* The error for a table with an `unlike` partition. read: its changes are being read already, and those of before the cure
 * stay in the log. Under FULL they show that they are short, or are told by the key (pgoutput.c); else a key may have changed
 * without a trace. Returns -1. */
int pg_catalog_refuse(const char *schema, const char *name, const struct pg_key_facts *facts, const char *unlike,
                      bool read, struct cdc_error *error);

/* The error for a table with nullable_key. Returns -1. */
int pg_catalog_refuse_nullable(const struct pg_catalog_table *table, struct cdc_error *error);

/* CONFIG where changes of a partition that is half detached would come under the name of its root: the walsender crashes
 * at them, and the server with it (PostgreSQL 14 to 18). UNAVAILABLE while somebody may still be at it. 0 or -1 */
int pg_catalog_refuse_detaching(PGconn *sql, const struct pg_catalog *catalog, const struct pg_settings *settings,
                                struct cdc_error *error);

#endif
