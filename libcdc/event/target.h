/* SPDX-License-Identifier: MIT */
#ifndef TARGET_H
#define TARGET_H

#include <cdc/table.h>

/* Sets table->owned. other: the table of this run that owns the same target, or NULL. CONFIG when it is another's. */
int target_check(const struct cdc_target_ops *ops, void *sink, struct cdc_table *table, const struct cdc_table *other,
                 struct cdc_error *error);

#endif
