/* SPDX-License-Identifier: MIT */
/* Columns that a table had between two statements that alter it, where nobody asked the server in between. An example, with rows after
 * each statement, read when both are in the log:
 *
 *     ALTER TABLE t ADD a INT            id, v, a      a: of which type is not taken from the text, but from the server, since no
 *     ALTER TABLE t ADD b INT, DROP v    id, a, b         later statement gives it another one
 *
 * Known are the columns of before the first statement, and those that the table has now. The statements say how the one list becomes the
 * other; each column that no statement gives another definition is what it was, or is by now. It holds only if the list comes out as
 * the server's, column by column. Of a column that has gone again, or has another definition by now, a plain number, date or time is
 * what the statement said. What TABLE_MAP says of each is compared besides, by my_columns_apply. What cannot be followed
 * is unknown, as it would be without this. */
#ifndef MY_FOLLOW_H
#define MY_FOLLOW_H

#include "connectors/mysql/schema/ddl.h"

#include <cdc/buf.h>
#include <cdc/error.h>

/* A table, in the words of the log. BORROWED */
struct my_follow_table {
    const char *db, *name;
};
/* after: `before` (columns.h) as the statement leaves them, those that are not known from it as ["name"], or with what the text says of
 * them, and that it does: ["name","int",null,1,"said"]. Either may have such. db: of the
 * session; NULL where it does not tell the table. 1; 0: the statement is not understood; -1 */
int my_follow_statement(struct cdc_span before, const struct my_follow_table *table, struct cdc_span sql,
                        struct cdc_span db, struct cdc_buf *after, struct cdc_error *error);
/* columns: those of `derived` (from my_follow_statement), completed by those of now, which they become by the statements of the list that
 * end after coord. 1; 0: they do not, or a column is still not known; -1 */
int my_follow_complete(struct cdc_span derived, const struct my_follow_table *table, const struct my_ddl_list *later,
                       const struct my_coord *coord, struct cdc_span now, struct cdc_buf *columns,
                       struct cdc_error *error);

#endif
