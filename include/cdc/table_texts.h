/* SPDX-License-Identifier: MIT */
/* Options of the form TABLE:TEXT, which say something of the tables that a pattern (pattern.h) matches:
 *      --where 'shop.orders:placed > now() - interval ''1 year'''      --where '"my:table":id > 5' */
#ifndef CDC_TABLE_TEXTS_H
#define CDC_TABLE_TEXTS_H

#include <cdc/selection.h>

/* USAGE unless each item is one, in UTF-8, with a pattern and a text that are not empty. option, form: as messages call them
 * ("--where", "TABLE:CONDITION"). 0 or -1. */
int cdc_table_texts_check(const char *option, const char *form, const struct cdc_option_list *items,
                          struct cdc_error *error);
/* The text of the first item from *at on whose pattern matches the table; *at is then after it. NULL: there is none. The items
 * have been checked. BORROWED from them. */
const char *cdc_table_texts_next(const struct cdc_option_list *items, size_t *at, const struct cdc_selection *selection,
                                 const char *schema, const char *table);
/* Does the pattern of that item name a table, without a wildcard? */
bool cdc_table_texts_is_name(const char *item);

#endif
