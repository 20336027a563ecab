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

/* Has no row NULL in column a? Since 18 a column may be NOT NULL for what is written from now on alone (NOT VALID). */
#define PG_NOT_NULL                                                                                                    \
    "(a.attnotnull AND NOT EXISTS (SELECT 1 FROM pg_constraint nn WHERE nn.conrelid = a.attrelid AND nn.contype = "    \
    "'n' AND NOT nn.convalidated AND a.attnum = ANY (nn.conkey)))"

/* The transaction that made table c. That its row type belongs to it is written then, and never anew: the rows of the table, of
 * the type and of its columns are, by ALTER TABLE ... OWNER TO or RENAME. */
#define PG_MADE_BY(c)                                                                                                  \
    "(SELECT td.xmin FROM pg_depend td WHERE td.classid = 'pg_type'::regclass AND td.objid = " c                       \
    ".reltype AND td.refclassid = 'pg_class'::regclass AND td.refobjid = " c ".oid AND td.refobjsubid = 0)"

/* How old transaction x is, which has written what is there: the id of one that is older than 2^31 others looks like one to come. */
#define PG_AGE_OF(x) "CASE WHEN age(" x ") < 0 THEN 2147483648 ELSE age(" x ") END"

/* A table's place in its schema: its row is written when the table is made, and when it comes to another schema. The row of its type is,
 * too, but also when it gets another owner. */
#define PG_SPACE_OF(oid)                                                                                               \
    "(SELECT sd.xmin::text::int8 FROM pg_depend sd WHERE sd.classid = 'pg_class'::regclass AND sd.objid = " oid        \
    " AND sd.objsubid = 0 AND sd.refclassid = 'pg_namespace'::regclass)"

/* The partitions of c, with c itself: relid, isleaf. pg_partition_tree() would wait for whoever holds one of them locked, a
 * migration for instance, and all that asks us would wait with it. */
#define PG_PARTITIONS_OF(c)                                                                                            \
    "(WITH RECURSIVE ph AS (SELECT " c ".oid AS relid UNION ALL SELECT h.inhrelid FROM ph JOIN pg_inherits h ON "      \
    "h.inhparent = ph.relid WHERE NOT h.inhdetachpending) SELECT ph.relid, pk.relkind <> 'p' AS isleaf FROM ph "       \
    "JOIN pg_class pk ON pk.oid = ph.relid)"

/* Does publication $1 (which may be missing) send neither UPDATE nor DELETE? Then no old row ever comes. */
#define PG_INSERTS_ONLY "EXISTS (SELECT 1 FROM pg_publication WHERE pubname = $1 AND NOT pubupdate AND NOT pubdelete)"

/* Has the replica identity of c, a table, a generated column that publication $1 (which may be missing) does not send? For the
 * server FULL has all of them, since 18; before it never sent one and did not mind. (to_jsonb: columns of pg_publication that
 * older servers lack.) Where there is a list of columns that one says it: HOLE_SQL. */
#define PG_IS_18 "current_setting('server_version_num')::int >= 180000"
#define PG_UNSENT_SQL                                                                                                  \
    "c.relkind = 'r' AND NOT " PG_INSERTS_ONLY " AND EXISTS (SELECT 1 FROM pg_attribute ga WHERE "                     \
    "ga.attrelid = c.oid AND ga.attnum > 0 AND NOT ga.attisdropped AND ga.attgenerated <> '' AND (ga.attgenerated "    \
    "<> 's' OR (SELECT to_jsonb(gp) ->> 'pubgencols' FROM pg_publication gp WHERE gp.pubname = $1) IS DISTINCT FROM "  \
    "'s') AND CASE c.relreplident WHEN 'f' THEN " PG_IS_18 " ELSE ga.attname = ANY (" PG_IDENTITY_NAMES(               \
        "c") "::name[]) END "                                                                                          \
             "AND NOT EXISTS (SELECT 1 FROM pg_publication_rel gr JOIN pg_publication gp ON gp.oid = gr.prpubid "      \
             "WHERE "                                                                                                  \
             "gp.pubname = $1 AND gr.prrelid = c.oid AND to_jsonb(gr) ->> 'prattrs' IS NOT NULL))"

/* struct pg_key_facts of c, a row of pg_class, and `unlike` (catalog.h): of the partitions whose UPDATE the server takes,
 * one whose old rows lack a column of the identity of c. */
/* From the primary key of c, whose own row is written anew when its index is (REINDEX CONCURRENTLY), or when it is renamed: d, that
 * it needs its columns, stays as it was made. */
#define PG_PRIMARY_OF_C                                                                                                \
    "FROM pg_constraint o JOIN pg_depend d ON d.classid = 'pg_constraint'::regclass AND d.objid = o.oid AND "          \
    "d.refclassid = 'pg_class'::regclass AND d.refobjid = o.conrelid AND d.refobjsubid <> 0 "                          \
    "WHERE o.conrelid = c.oid AND o.contype = 'p' LIMIT 1"
#define PG_KEY_FACTS_SQL                                                                                               \
    PG_INSERTS_ONLY                                                                                                    \
    " AS inserts_only, " PG_UNSENT_SQL " AS unsent, " PG_IS_18                                                         \
    " AS is_18, c.relreplident AS replica_identity, c.relkind = 'p' AS partitioned, "                                  \
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
