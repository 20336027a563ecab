/* SPDX-License-Identifier: MIT */
#ifndef TARGET_H
#define TARGET_H

#include <cdc/table.h>

/* Whose the target is: the table's id, with the whole source for a partition of it. BORROWED. */
struct cdc_table_id target_owner(const struct cdc_table *table);
/* Are they one table, of one source or of its partitions? */
bool target_same(const struct cdc_table *a, const struct cdc_table *b);
/* Sets table->owned. other: the table of this run that owns the same target, or NULL. CONFIG when it is another's. */
int target_check(const struct cdc_target_ops *ops, void *sink, struct cdc_table *table, const struct cdc_table *other,
                 struct cdc_error *error);

#endif
