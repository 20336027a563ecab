/* SPDX-License-Identifier: MIT */
/* What of the selected tables the publication has, and since when: whether a table was out of it for a while, which nothing
 * else shows once it is in again; and which transactions the server may decode in another way next time. */
#ifndef PG_MEMBERS_H
#define PG_MEMBERS_H

#include "connectors/postgres/schema/ways.h"
#include "connectors/postgres/session/connection.h"

#include <cdc/buf.h>

/* Each table, and each schema that is published as a whole, by the row of the catalog that says so: whoever is taken out and
 * put in again has another row. The same for the publication itself. As JSON, for an offset's `state`:
 *      {"oid":16390,"row":"751","is":"10 f t t t t f","whole":"751 1 -36","has":"t16385:16391 s2200:16400"}
 * Those that have left stay in it, so that they are known when they come again. NUL-terminated; empty (data NULL) where there
 * is no publication.
 *
 * The server keeps what it has found out of a table's publication while it decodes one transaction after the other, and a
 * transaction that was open while the publication was altered meets what one of before it has left there:
 *
 *      A  BEGIN, INSERT INTO t         t is not published
 *      B  ADD TABLE t | INSERT INTO t  published
 *      A  COMMIT                       comes when it is decoded after B, and does not when decoding begins with it
 *
 * So whether the log is the one that was read cannot be told by such a transaction. Nor can the rest of one that broke off be told
 * from what was read of it; and for that it does not matter whether an alteration was seen: where nothing is known of before, as when
 * only a sink's position is left, there may have been one. */
struct pg_members {
    struct cdc_buf json;
    struct pg_ways ways; /* how each table is published; none where somebody else judges */
    bool keeps_tables;   /* the server goes by tables as they were (before 16, see members.c) */
    bool open;           /* such transactions may still run: */
    char bound[24];      /* their ids are below it; "": it is not asked for yet */
    uint64_t sure_from;  /* all that end from here on began after the last alteration, unless open */
    uint64_t
        since; /* those from this id on began when it was as it is; it was looked at then, and at each start since */
    uint64_t next; /* the id of the next one, at the last look. Both are whole, unlike an xid of 32 bits */
};
void pg_members_free(struct pg_members *members);
/* The JSON, and the rest of it: `"open":"760"`, `"sure_from":"0/1573F28"`, `"since":758`, `"ways":"16385:16385:0:24051704"` (ways.h). There must be a publication. */
void pg_members_append(struct cdc_buf *out, const struct pg_members *members);
/* Asked now and then, while open. 1: members has changed; 0; -1 */
int pg_members_settle(struct pg_members *members, PGconn *sql, struct cdc_error *error);
/* May a transaction that ended at lsn or later be decoded in another way than it was? */
bool pg_members_doubt(const struct pg_members *members, uint64_t lsn);
/* Was the publication as it is now when the transaction of that id began? false: it is not known. The transaction had begun at
 * the last look. */
bool pg_members_began_since(const struct pg_members *members, uint32_t xid);
/* As they are now, where `before` (as above, or {NULL, 0}: not known) is what was seen last; *members becomes both. CONFIG when
 * changes may have passed by between the two, unless settings->allow_republished: then it is said, and members is as now.
 * members is what it was on errors. log: NULL where somebody else judges (shapes.h), and nothing is said. */
int pg_members_update(struct pg_members *members, PGconn *sql, const struct pg_settings *settings,
                      struct cdc_span before, const struct cdc_log *log, struct cdc_error *error);

#endif
