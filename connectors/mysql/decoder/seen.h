/* SPDX-License-Identifier: MIT */
/* How much of the log the rows of a copy may have seen, where that is more than what their position says:
 *
 *     a snapshot's attempts   from the consistent point of the first one, 41; the last one has read rows at the end of 45
 *     the log                 goes on with 42; the copy has something of 42 to 45 already
 *     a crash of the server   takes back 44 and 45 (sync_binlog is not 1), or it goes on at a replica that had 43 last
 *
 * What 44 and 45 did is in the copy, and no line would ever take it back. So the place travels with the positions, in the source
 * object of commit lines and heartbeats, as `"seen":{"file":"b.000007","pos":4711,"gtids":"...","server_uuid":"...",
 * "file_created":N}`, until they have passed it, and wherever reading begins, the server must have it. */
#ifndef MY_SEEN_H
#define MY_SEEN_H

#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/event/gtid_set.h"

#include <cdc/buf.h>
#include <cdc/error.h>

struct my_seen {
    bool given;
    struct my_coord coord; /* file "": not known */
    char *gtids;           /* complete there, but for such as were just being committed; owned; "" without GTIDs */
    char server_uuid[128]; /* whose log coord is of */
    int64_t file_created;  /* as the file says itself; 0: not known */
};

/* Frees what it holds; nothing was seen then. */
void my_seen_clear(struct my_seen *seen);
/* Makes it a copy of `other`. 0 or -1: MEMORY, and it is clear. */
int my_seen_copy(struct my_seen *seen, const struct my_seen *other, struct cdc_error *error);
/* Appends `,"seen":{...}`; nothing where it is not given. */
void my_seen_append(struct cdc_buf *out, const struct my_seen *seen);
/* Appends a source object with this one in the place of its own. */
void my_seen_append_into(struct cdc_buf *out, struct cdc_span source, const struct my_seen *seen);
/* From a source object, instead of what it holds. 0 or -1: CONFIG when that is damaged, MEMORY; then it is clear. */
int my_seen_read(struct my_seen *seen, struct cdc_span source, struct cdc_error *error);
/* Is a position after it? gtids are complete there, coord is of the log of server_uuid. 1, 0, -1 */
int my_seen_is_passed(const struct my_seen *seen, const struct my_gtid_set *gtids, const struct my_coord *coord,
                      const char *server_uuid, enum my_flavor flavor, struct cdc_error *error);

#endif
