/* SPDX-License-Identifier: MIT */
/* A table has another file than before, and no catalog says which statement gave it to it. */
#ifndef PG_REWRITE_H
#define PG_REWRITE_H

#include "connectors/postgres/pgoutput/visible.h"

#include <libpq-fe.h>

/* Is it certain that rows of before are in a copy what they are in the table? Only some statements give a table another file:
 *
 *      VACUUM FULL, CLUSTER, SET TABLESPACE    each row keeps the transaction that wrote it
 *      SET LOGGED and other ALTER TABLE        all rows are written anew, by that transaction
 *      TRUNCATE                                none is left, which is in the log
 *
 * So one row of a transaction that had ended by the look before rules out the last two. (With UNLOGGED and LOGGED again between two
 * looks a table had changes which are in no log.) And a TRUNCATE that was the last of them shows in its indexes: it numbers the new
 * files one after the other, while ALTER TABLE makes a table on the way, with its row type and its array.
 * emptied: such a TRUNCATE counts; not that of a partition, which is in no log that has the partitioned table's name. 1; 0: it is not
 * certain; -1 */
int pg_rewrite_harmless(PGconn *sql, uint32_t table, const struct pg_visible *before, bool emptied,
                        struct cdc_error *error);

#endif
