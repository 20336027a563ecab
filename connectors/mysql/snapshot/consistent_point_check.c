/* SPDX-License-Identifier: MIT */
/* A further attempt reads rows that are newer than the consistent point of the first one: is the log from there on still
 * to be had, and is it the same log? */
#include "connectors/mysql/snapshot/internal.h"

#include <stdlib.h>
#include <string.h>

static int lost(const struct my_snapshot *run, const char *why, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_LOST, "the snapshot of \"%s\" cannot be completed: %s", run->settings->name, why);
    return cdc_error_hint(error,
                          "take a new one: remove the offset files of the pipeline and the copies, and start again");
}

/* After a RESET a file of the same name begins, and transactions are numbered from 1 again. */
static int check_created(struct my_snapshot *run, const struct my_consistent_point *from, struct cdc_error *error)
{
    uint32_t created = 0;
    bool elsewhere =
        run->server.flavor == MY_FLAVOR_MYSQL && strcmp(from->server_uuid, run->server.uuid) != 0; /* by its GTIDs */
    if (from->file_created == 0 || elsewhere)
        return 0;
    if (my_consistent_point_file_created(run, from->coord.file, &created, error) < 0)
        return -1;
    if (created == 0 || created == from->file_created)
        return 0;
    return lost(run, "the log was begun anew since its first attempt: it was reset", error);
}

/* A server that crashed gives numbers of transactions that it lost to others; the file of before has ended then. */
static int check_end(struct my_snapshot *run, const struct my_consistent_point *from, struct cdc_error *error)
{
    enum my_standing standing = MY_STANDS_BEFORE;
    if (from->coord.file[0] && strcmp(from->server_uuid, run->server.uuid) == 0 &&
        my_server_find(run->sql, &from->coord, &standing, error) < 0)
        return -1;
    return standing == MY_STANDS_NOWHERE ? lost(run, "the log ends before its first attempt", error)
                                         : check_created(run, from, error);
}

/* Not all transactions before it are there. Of another server it may be a replica that gets them yet. */
static int lacks_some(struct my_snapshot *run, const struct my_consistent_point *from, struct cdc_error *error)
{
    if (strcmp(from->server_uuid, run->server.uuid) != 0 &&
        my_behind_wait(run->settings->behind, run->sql, &run->server, from->server_uuid, from->gtids, error) < 0)
        return -1;
    return lost(run, "the server lost transactions since its first attempt, or is another one", error);
}

static int check_sets(struct my_snapshot *run, const struct my_consistent_point *from, struct cdc_error *error)
{
    const char *gtids = from->gtids;
    int kept = my_server_is_subset(run->sql, "@@GLOBAL.gtid_purged", gtids, error);
    int known = kept < 0 ? -1 : my_server_is_subset(run->sql, gtids, "@@GLOBAL.gtid_executed", error);
    if (kept < 0 || known < 0)
        return -1;
    if (!kept)
        return lost(run, "the log since its first attempt was purged", error);
    return known ? check_end(run, from, error) : lacks_some(run, from, error);
}

/* File names come again after a RESET. */
static int check_file(struct my_snapshot *run, const struct my_consistent_point *from, struct cdc_error *error)
{
    enum my_standing standing;
    if (strcmp(from->server_uuid, run->server.uuid) != 0)
        return lost(run, "its first attempt was at another server", error);
    if (my_server_find(run->sql, &from->coord, &standing, error) < 0)
        return -1;
    return standing == MY_STANDS_IN_FILE ? check_created(run, from, error)
                                         : lost(run, "the log since its first attempt was purged", error);
}

/* The same transactions lie before the point as did then: it is the same log. */
static int check_mariadb(struct my_snapshot *run, const struct my_consistent_point *from, struct cdc_error *error)
{
    char *text;
    int found = my_consistent_point_gtids_at(run, run->sql, &from->coord, &text, error);
    if (found < 0)
        return -1;
    if (found == 0)
        return lost(run, "the log since its first attempt was purged, or the server is another one", error);
    char *now = my_consistent_point_canonical(run->server.flavor, text, error);
    free(text);
    if (!now)
        return -1;
    bool same = strcmp(now, from->gtids) == 0;
    free(now);
    return same ? check_created(run, from, error)
                : lost(run, "the server's log is not the one of its first attempt", error);
}

static int check(struct my_snapshot *run, const struct my_consistent_point *from, struct cdc_error *error)
{
    bool mariadb = run->server.flavor == MY_FLAVOR_MARIADB;
    if (mariadb != my_consistent_point_is_mariadb(from))
        return lost(run, "its first attempt was at another kind of server", error);
    if (mariadb)
        return check_mariadb(run, from, error);
    return run->server.gtid && (from->gtids[0] || !from->coord.file[0]) ? check_sets(run, from, error)
                                                                        : check_file(run, from, error);
}

int my_consistent_point_check(struct my_snapshot *run, struct cdc_error *error)
{
    return check(run, &run->state.from, error);
}

/* -- what rows have seen ----------------------------------------------------------------------------------- */

int my_consistent_point_has_seen(struct my_snapshot *run, struct cdc_error *error)
{
    const struct my_seen *seen = &run->state.seen;
    if (!seen->given)
        return 1;
    struct my_consistent_point at = {
        .coord = seen->coord, .gtids = seen->gtids, .file_created = (uint32_t)seen->file_created};
    memcpy(at.server_uuid, seen->server_uuid, sizeof at.server_uuid);
    if (check(run, &at, error) == 0)
        return 1;
    if (error->status != CDC_EXIT_LOST)
        return -1;
    cdc_error_clear(error);
    return 0;
}

/* The end of the log now, when no transaction that reads begins any more. 1; 0: the user may not ask for it; -1 */
static int read_end(struct my_snapshot *run, struct my_seen *seen, struct cdc_error *error)
{
    char *gtids = NULL;
    if (my_server_end(run->sql, &run->server, &seen->coord, &seen->gtids, error) < 0) {
        if (error->status != CDC_EXIT_PERMISSION)
            return -1;
        cdc_error_clear(error);
        return 0;
    }
    if (run->server.flavor == MY_FLAVOR_MARIADB) {
        int found = my_consistent_point_gtids_at(run, run->sql, &seen->coord, &gtids, error);
        if (found < 0 && error->status == CDC_EXIT_PERMISSION) {
            cdc_error_clear(error);
            found = 0;
        }
        if (found <= 0)
            return found;
        free(seen->gtids);
        seen->gtids = gtids;
    }
    gtids = my_consistent_point_canonical(run->server.flavor, seen->gtids, error);
    if (!gtids)
        return -1;
    free(seen->gtids);
    seen->gtids = gtids;
    return 1;
}

/* A position there says as much. */
static bool is_at(const struct my_seen *seen, const struct my_consistent_point *point)
{
    return strcmp(seen->gtids, point->gtids) == 0 && strcmp(seen->server_uuid, point->server_uuid) == 0 &&
           (!point->coord.file[0] || my_coord_compare(&seen->coord, &point->coord) == 0);
}

int my_consistent_point_see(struct my_snapshot *run, struct cdc_error *error)
{
    struct my_seen *seen = run->again ? &run->again->seen : &run->state.seen;
    const struct my_consistent_point *point = run->point;
    uint32_t created = point->file_created;
    my_seen_clear(seen);
    int found = read_end(run, seen, error);
    memcpy(seen->server_uuid, run->server.uuid, sizeof seen->server_uuid);
    if (found <= 0 || (!run->again && is_at(seen, point))) {
        my_seen_clear(seen);
        return found < 0 ? -1 : 0;
    }
    if (strcmp(seen->coord.file, point->coord.file) != 0 &&
        my_consistent_point_file_created(run, seen->coord.file, &created, error) < 0)
        return -1;
    seen->file_created = created;
    seen->given = true;
    return 0;
}
