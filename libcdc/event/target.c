/* SPDX-License-Identifier: MIT */
/* Who owns a name at the destination. With --table-name={table}, shop.orders and staging.orders both become "orders":
 * the first one that comes is the owner, the second one stops the sink. In the next run staging.orders may come
 * first; so a destination that can keep the owner is asked, and not only this run's tables. */
#include <stdlib.h>

#include "libcdc/event/target.h"

void cdc_table_id_free(struct cdc_table_id *id)
{
    free(id->name);
    free(id->db);
    free(id->schema);
    free(id->table);
    *id = (struct cdc_table_id){NULL, NULL, NULL, NULL};
}

static bool same(const struct cdc_table_id *a, const struct cdc_table_id *b)
{
    return strcmp(a->table, b->table) == 0 && strcmp(a->schema, b->schema) == 0 && strcmp(a->db, b->db) == 0 &&
           strcmp(a->name, b->name) == 0;
}

struct cdc_table_id target_owner(const struct cdc_table *table)
{
    struct cdc_table_id id = table->id;

    id.name = table->of;
    return id;
}

bool target_same(const struct cdc_table *a, const struct cdc_table *b)
{
    struct cdc_table_id one = target_owner(a), other = target_owner(b);

    return same(&one, &other);
}

static int two_tables(const struct cdc_target_ops *ops, const char *target, const struct cdc_table_id *owner,
                      const struct cdc_table_id *id, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_CONFIG,
                  "two source tables map to %s \"%s\": %s.%s.%s (source \"%s\") and %s.%s.%s (source \"%s\")",
                  ops->what, target, owner->db, owner->schema, owner->table, owner->name, id->db, id->schema, id->table,
                  id->name);
    /* A snapshot and a stream that were given different names, or different databases in their URLs, look so. */
    if (strcmp(owner->table, id->table) == 0 && strcmp(owner->schema, id->schema) == 0 &&
        strcmp(owner->db, id->db) == 0)
        return cdc_error_hint(
            error, "it is one table under two names of a pipeline: give cdc-snapshot and the stream the same "
                   "--name, and each pipeline a destination of its own");
    return cdc_error_hint(error, "%s", ops->hint);
}

int target_check(const struct cdc_target_ops *ops, void *sink, struct cdc_table *table, const struct cdc_table *other,
                 struct cdc_error *error)
{
    struct cdc_table_id owner = {NULL, NULL, NULL, NULL};

    if (other != NULL)
        return two_tables(ops, table->target, &other->id, &table->id, error);
    if (ops->owner == NULL) { /* this run is the only record */
        table->owned = true;
        return 0;
    }
    /* 0: nobody yet. owned stays false until the sink has made something under that name and claims it. */
    int result = ops->owner(sink, table->target, &owner, error);
    if (result == 1) {
        result = 0;
        struct cdc_table_id id = target_owner(table);
        table->owned = same(&owner, &id);
        if (!table->owned)
            result = two_tables(ops, table->target, &owner, &table->id, error);
    }
    cdc_table_id_free(&owner);
    return result;
}
