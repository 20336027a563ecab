/* SPDX-License-Identifier: MIT */
/* Does a column whose definition changes keep its values?
 *     varchar(20) to VARCHAR(50), int to BIGINT, enum('a') to ENUM('a','b')       they are the same
 *     varchar(20) to VARCHAR(10), decimal(9,2) to DECIMAL(9,3), int to VARCHAR(9)  they are not, or look different
 * In doubt it does not. */
#ifndef MY_RETYPE_H
#define MY_RETYPE_H

#include "connectors/mysql/event/event.h"

/* type, nullable: of before, as information_schema has it ("varchar(20)"). definition: what follows the column's name in the text of
 * the statement. */
bool my_retype_keeps_values(const char *type, bool nullable, const struct my_event_query *query,
                            struct cdc_span definition);

#endif
