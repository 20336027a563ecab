/* SPDX-License-Identifier: MIT */
/* What identifies a row: one answer for snapshot, stream and --check. */
#ifndef PG_KEY_H
#define PG_KEY_H

#include <stdbool.h>

struct pg_table;

enum pg_key_kind {
    PG_KEY_NONE,
    PG_KEY_PRIMARY, /* the primary key */
    PG_KEY_INDEX,   /* the columns of ALTER TABLE ... REPLICA IDENTITY USING INDEX */
    PG_KEY_FULL     /* no key, but old rows come whole */
};
/* In the stream they are those of the table's place in the log as far as its Relation message says, the rest is
 * today's catalogs'. An index counts when the server goes by it: unique, valid, not partial, and not deferrable. (A
 * deferrable key is unique at the end of a transaction only: after `UPDATE t SET id = id + 1` two lines in a row may bear
 * the same id, and who overwrites by it loses a row.) */
struct pg_key_facts {
    char replica_identity;     /* d default, n nothing, f full, i index: pg_class.relreplident */
    bool partitioned;          /* a table that only its partitions have rows of: theirs is what the server looks at */
    bool primary_exists;       /* of whatever kind */
    bool primary_is_immediate; /* the primary key counts */
    bool index_exists;         /* the index of replica identity i is there: DROP INDEX leaves the i without it */
    bool incomplete;           /* some column of the key is not published (a column list, a generated column) */
    bool inserts_only;         /* the publication sends no UPDATE and no DELETE: the server takes them from any table */
    bool unsent;               /* the replica identity has a generated column, which the publication does not send */
    bool unsent_refused;       /* and since 18 the server refuses UPDATE and DELETE then */
};
/* Is the key what the replica identity marks (column.identity)? Else it is the primary key (column.primary). */
bool pg_key_is_marked(const struct pg_key_facts *facts);
/* Sets column.key (of all columns of the key, or none) and has_key by facts, column.identity and column.primary. */
enum pg_key_kind pg_key_settle(struct pg_table *table, const struct pg_key_facts *facts);
/* Would the server take UPDATE and DELETE of this table, once published, and send what identifies their rows? For a
 * partitioned one its partitions say. */
bool pg_key_allows_changes(const struct pg_key_facts *facts);
/* Why it would not, in words that follow the table's name: "has no primary key and no replica identity". */
const char *pg_key_refusal(const struct pg_key_facts *facts);
/* And what happens then: "once published the server would refuse UPDATE and DELETE on it". */
const char *pg_key_outcome(const struct pg_key_facts *facts);
/* What to do about it, in words that follow ALTER TABLE and the table's name: "REPLICA IDENTITY FULL;". */
const char *pg_key_cure(const struct pg_key_facts *facts);

#endif
