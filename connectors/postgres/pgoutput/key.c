/* SPDX-License-Identifier: MIT */
/* What identifies a row. */
#include "connectors/postgres/pgoutput/table.h"

/* A delete of such a table brings these columns and nothing else. Where old rows are whole (f), or never come since the
 * server refuses the change (n, and i without its index), the primary key is the key. */
bool pg_key_is_marked(const struct pg_key_facts *facts)
{
    return facts->replica_identity == 'd' || (facts->replica_identity == 'i' && facts->index_exists);
}

/* A key that is not whole in the lines is none: sinks would take different rows for the same one. */
static enum pg_key_kind kind_of(const struct pg_key_facts *facts)
{
    if (!facts->incomplete && facts->replica_identity == 'i' && facts->index_exists)
        return PG_KEY_INDEX;
    if (!facts->incomplete && facts->primary_is_immediate)
        return PG_KEY_PRIMARY;
    return facts->replica_identity == 'f' ? PG_KEY_FULL : PG_KEY_NONE;
}

enum pg_key_kind pg_key_settle(struct pg_table *table, const struct pg_key_facts *facts)
{
    enum pg_key_kind kind = kind_of(facts);
    bool usable = kind == PG_KEY_PRIMARY || kind == PG_KEY_INDEX;
    bool by_identity = pg_key_is_marked(facts);
    table->key_end = 0;
    for (size_t i = 0; i < table->n_columns; i++) {
        struct pg_column *column = &table->columns[i];
        column->key = usable && (by_identity ? column->identity : column->primary);
        if (column->key)
            table->key_end = i + 1;
    }
    table->has_key = table->key_end > 0;
    return kind;
}

bool pg_key_allows_changes(const struct pg_key_facts *facts)
{
    if (facts->inserts_only || facts->unsent)
        return facts->inserts_only;
    switch (facts->replica_identity) {
    case 'f': return true;
    /* Changes of a partitioned table are made in its partitions, whose own identities the server looks at. */
    case 'i': return facts->partitioned || facts->index_exists;
    case 'd': return facts->partitioned || facts->primary_is_immediate;
    default: return facts->partitioned;
    }
}

const char *pg_key_refusal(const struct pg_key_facts *facts)
{
    if (facts->unsent)
        return facts->replica_identity == 'f' ? "has REPLICA IDENTITY FULL, and a generated column that is not sent"
                                              : "has a generated column that is not sent in its replica identity";
    if (facts->replica_identity == 'n')
        return "has REPLICA IDENTITY NOTHING";
    if (facts->replica_identity == 'i')
        return "has lost the index of its replica identity";
    return facts->primary_exists ? "has a deferrable primary key, which is no replica identity"
                                 : "has no primary key and no replica identity";
}

const char *pg_key_outcome(const struct pg_key_facts *facts)
{
    return facts->unsent && !facts->unsent_refused ? "UPDATE and DELETE come without what identifies their rows"
                                                   : "once published the server would refuse UPDATE and DELETE on it";
}

const char *pg_key_cure(const struct pg_key_facts *facts)
{
    if (!facts->unsent_refused)
        return "REPLICA IDENTITY FULL;";
    return facts->replica_identity == 'f' && facts->primary_is_immediate
               ? "REPLICA IDENTITY DEFAULT;"
               : "REPLICA IDENTITY USING INDEX ...; one without a generated column";
}
