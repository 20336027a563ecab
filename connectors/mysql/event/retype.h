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
/* Does it take NULL where it did not, or the other way round? With that a unique key may become the table's, or be it no more. In doubt
 * it does: the columns of a primary key need not say NOT NULL. */
bool my_retype_changes_null(bool nullable, const struct my_event_query *query, struct cdc_span definition);
/* Is it one of texts, or of labels, that names no charset? It has the table's default then, which the text of no statement needs to
 * say: of `binary` it is one of bytes. */
bool my_retype_takes_default_charset(const struct my_event_query *query, struct cdc_span definition);

#endif
