/* SPDX-License-Identifier: MIT */
/* Temporary tables of sessions whose statements are logged as text. Such a table hides the table of that name from its session,
 * and the log's text of a later statement does not say which of both is meant:
 *     CREATE TEMPORARY TABLE t AS SELECT * FROM t     session 11
 *     TRUNCATE TABLE t                                session 11: its own t, and the other one keeps its rows
 * The event has a flag, which is not enough: a session that uses any temporary table has it on the TRUNCATE of every table. So
 * those that were made are remembered, until they are dropped (which is logged, also when the session ends) or the server has
 * started anew.
 *
 * The list travels with the positions, in the source object of commit lines and heartbeats, as
 * `"temporary":[[server_id,thread,"db","name"],...]`: so it is right wherever reading begins. */
#ifndef MY_TEMPORARY_H
#define MY_TEMPORARY_H

#include <cdc/buf.h>
#include <cdc/error.h>
#include <stdint.h>

#define MY_TEMPORARIES_MAX 1000

/* Which session: a replica's log has those of its source beside its own. */
struct my_temporary_owner {
    uint32_t server_id, thread_id;
};
struct my_temporary {
    struct my_temporary_owner owner;
    char *db, *name; /* owned */
};
struct my_temporaries {
    struct my_temporary *items;
    size_t n, room;
};

/* Frees what it holds; it is empty then. */
void my_temporaries_clear(struct my_temporaries *temporaries);
bool my_temporaries_has(const struct my_temporaries *temporaries, struct my_temporary_owner owner, const char *db,
                        const char *name);
/* One that is there stays. 0 or -1: CONFIG when there are too many, MEMORY. */
int my_temporaries_add(struct my_temporaries *temporaries, struct my_temporary_owner owner, const char *db,
                       const char *name, struct cdc_error *error);
/* One that is not there is no error. */
void my_temporaries_remove(struct my_temporaries *temporaries, struct my_temporary_owner owner, const char *db,
                           const char *name);
/* Makes it a copy of `other`. 0 or -1: MEMORY, and it is empty. */
int my_temporaries_copy(struct my_temporaries *temporaries, const struct my_temporaries *other,
                        struct cdc_error *error);
/* Appends `,"temporary":[...]`; nothing where there are none. */
void my_temporaries_append(struct cdc_buf *out, const struct my_temporaries *temporaries);
/* From a source object, instead of what it holds. 0 or -1: CONFIG when that is damaged, MEMORY; then it is empty. */
int my_temporaries_read(struct my_temporaries *temporaries, struct cdc_span source, struct cdc_error *error);

#endif
