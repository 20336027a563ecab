/* SPDX-License-Identifier: MIT */
/* What the files of the schema share; nobody else includes this. */
#ifndef PG_SCHEMA_INTERNAL_H
#define PG_SCHEMA_INTERNAL_H

#include "connectors/postgres/pgoutput/key.h"
#include "connectors/postgres/session/answer.h"

/* -- pieces of SQL that say what identifies a row -- */

/* Does the server go by index i? A deferrable one is unique at the end of a transaction only, an invalid one not at all
 * (RelationGetIndexList in the server's relcache.c). */
#define PG_INDEX_COUNTS(i) i ".indisvalid AND " i ".indisunique AND " i ".indimmediate AND " i ".indpred IS NULL"
/* The numbers of the columns that i makes unique, without those of INCLUDE. */
#define PG_INDEX_COLUMNS(i) "(" i ".indkey::int2[])[0:" i ".indnkeyatts - 1]"
/* Is i the index of the replica identity of c? */
#define PG_INDEX_IDENTIFIES(c, i)                                                                                      \
    PG_INDEX_COUNTS(i)                                                                                                 \
    " AND CASE " c ".relreplident WHEN 'd' THEN " i ".indisprimary WHEN 'i' THEN " i ".indisreplident ELSE false END"
/* The names of its columns; NULL without one. By name, since partitions number their columns as they like. */
#define PG_IDENTITY_NAMES(c)                                                                                           \
    "(SELECT array_agg(ka.attname) FROM pg_index ki JOIN pg_attribute ka ON ka.attrelid = ki.indrelid AND ka.attnum "  \
    "= ANY (" PG_INDEX_COLUMNS("ki") ") WHERE ki.indrelid = " c ".oid AND " PG_INDEX_IDENTIFIES(c, "ki") ")"

/* The partitions of c, with c itself: relid, isleaf. pg_partition_tree() would wait for whoever holds one of them locked, a
 * migration for instance, and all that asks us would wait with it. */
#define PG_PARTITIONS_OF(c)                                                                                            \
    "(WITH RECURSIVE ph AS (SELECT " c ".oid AS relid UNION ALL SELECT h.inhrelid FROM ph JOIN pg_inherits h ON "      \
    "h.inhparent = ph.relid WHERE NOT h.inhdetachpending) SELECT ph.relid, pk.relkind <> 'p' AS isleaf FROM ph "       \
    "JOIN pg_class pk ON pk.oid = ph.relid)"

/* Does publication $1 (which may be missing) send neither UPDATE nor DELETE? Then no old row ever comes. */
#define PG_INSERTS_ONLY "EXISTS (SELECT 1 FROM pg_publication WHERE pubname = $1 AND NOT pubupdate AND NOT pubdelete)"

/* struct pg_key_facts of c, a row of pg_class, and `unlike` (catalog.h): of the partitions whose UPDATE the server takes,
 * one whose old rows lack a column of the identity of c. */
#define PG_KEY_FACTS_SQL                                                                                               \
    PG_INSERTS_ONLY                                                                                                    \
    " AS inserts_only, c.relreplident AS replica_identity, c.relkind = 'p' AS partitioned, "                           \
    "EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary) AS primary_exists, "                \
    "EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary "                                    \
    "AND " PG_INDEX_COUNTS(                                                                                            \
        "i") ") AS primary_is_immediate, "                                                                             \
             "EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisreplident "                         \
             "AND " PG_INDEX_COUNTS(                                                                                   \
                 "i") ") AS index_exists, "                                                                            \
                      "CASE WHEN c.relkind = 'p' AND NOT " PG_INSERTS_ONLY " THEN (SELECT min(l.oid::regclass::text) " \
                      "FROM " PG_PARTITIONS_OF(                                                                        \
                          "c") " t JOIN pg_class l ON l.oid = t.relid, "                                               \
                               "LATERAL (SELECT " PG_IDENTITY_NAMES("c") " AS root, " PG_IDENTITY_NAMES(               \
                                   "l") " AS leaf) k "                                                                 \
                                        "WHERE t.isleaf AND l.relkind = 'r' AND (l.relreplident = 'f' OR k.leaf IS "   \
                                        "NOT "                                                                         \
                                        "NULL) "                                                                       \
                                        "AND NOT CASE WHEN c.relreplident = 'f' THEN l.relreplident = 'f' WHEN "       \
                                        "k.root IS "                                                                   \
                                        "NULL "                                                                        \
                                        "THEN false "                                                                  \
                                        "ELSE l.relreplident = 'f' OR k.leaf @> k.root END) END AS unlike"

/* Reads the columns of PG_KEY_FACTS_SQL, but for unlike. */
void pg_key_facts_read(struct pg_answer *row, struct pg_key_facts *facts);

#endif
