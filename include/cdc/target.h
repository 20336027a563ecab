/* SPDX-License-Identifier: MIT */
/* Names at a destination have one owner: a table, an index or a topic belongs to one source table, in this run and in
 * all later ones. Else shop.orders and staging.orders, both named "orders" there, would become one table, and a
 * TRUNCATE of the one would empty the copy of the other. Written once here; a sink says how its names are made and
 * where it keeps who owns them. */
#ifndef CDC_TARGET_H
#define CDC_TARGET_H

#include <cdc/event.h>

/* A source table, by what its lines say in `source`, unescaped, so that a stage which spells a name in another way makes
 * no other table of it; "" where a line has no such member (MySQL has no schema). */
struct cdc_table_id {
    char *name, *db, *schema, *table;
};
void cdc_table_id_free(struct cdc_table_id *id); /* frees the members, not the struct */

struct cdc_target_ops {
    const char *what; /* what a name stands for, for messages: "table", "index" */
    const char *hint; /* what the user does about two tables with one name */
    /* Appends the name that the event's table has at the destination, without a NUL. CONFIG when it cannot have one. */
    int (*name)(void *sink, const struct cdc_event *event, struct cdc_buf *out, struct cdc_error *error);
    /* Who owns that name, as the destination has kept it: 1 with *owner filled (NEW, cdc_table_id_free), 0: nobody yet,
     * -1. A destination that takes two spellings for one name ("Users", "users") finds the owner of either. NULL: the
     * destination keeps nothing, the owner is known within a run only. */
    int (*owner)(void *sink, const char *target, struct cdc_table_id *owner, struct cdc_error *error);
    /* Keeps the owner there, durable no later than the first row. NULL where owner is. */
    int (*claim)(void *sink, const char *target, const struct cdc_table_id *owner, struct cdc_error *error);
};

#endif
