/* SPDX-License-Identifier: MIT */
/* A further attempt reads rows that are newer than the consistent point of the first one: is the log from there on still
 * to be had, and is it the same log? */
#include "connectors/mysql/snapshot/internal.h"

#include <stdlib.h>
#include <string.h>

static int lost(const struct my_snapshot *run, const char *why, struct cdc_error *error)
{
    cdc_error_set(error, CDC_EXIT_LOST, "the snapshot of \"%s\" cannot be completed: %s", run->settings->name, why);
    return cdc_error_hint(error, "take a new one: remove the offset files of the pipeline, and start again");
}

/* After a RESET a file of the same name begins, and transactions are numbered from 1 again. */
static int check_created(struct my_snapshot *run, struct cdc_error *error)
{
    const struct my_consistent_point *from = &run->state.from;
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

static int check_sets(struct my_snapshot *run, struct cdc_error *error)
{
    const char *gtids = run->state.from.gtids;
    int kept = my_server_is_subset(run->sql, "@@GLOBAL.gtid_purged", gtids, error);
    int known = kept < 0 ? -1 : my_server_is_subset(run->sql, gtids, "@@GLOBAL.gtid_executed", error);
    if (kept < 0 || known < 0)
        return -1;
    if (!kept)
        return lost(run, "the log since its first attempt was purged", error);
    return known ? check_created(run, error)
                 : lost(run, "the server lost transactions since its first attempt, or is another one", error);
}

/* File names come again after a RESET. */
static int check_file(struct my_snapshot *run, struct cdc_error *error)
{
    const struct my_consistent_point *from = &run->state.from;
    enum my_standing standing;
    if (strcmp(from->server_uuid, run->server.uuid) != 0)
        return lost(run, "its first attempt was at another server", error);
    if (my_server_find(run->sql, &from->coord, &standing, error) < 0)
        return -1;
    return standing == MY_STANDS_IN_FILE ? check_created(run, error)
                                         : lost(run, "the log since its first attempt was purged", error);
}

/* The same transactions lie before the point as did then: it is the same log. */
static int check_mariadb(struct my_snapshot *run, struct cdc_error *error)
{
    char *text;
    int found = my_server_gtids_at(run->sql, &run->state.from.coord, &text, error);
    if (found < 0)
        return -1;
    if (found == 0)
        return lost(run, "the log since its first attempt was purged, or the server is another one", error);
    char *now = my_consistent_point_canonical(run->server.flavor, text, error);
    free(text);
    if (!now)
        return -1;
    bool same = strcmp(now, run->state.from.gtids) == 0;
    free(now);
    return same ? check_created(run, error) : lost(run, "the server's log is not the one of its first attempt", error);
}

int my_consistent_point_check(struct my_snapshot *run, struct cdc_error *error)
{
    const struct my_consistent_point *from = &run->state.from;
    bool mariadb = run->server.flavor == MY_FLAVOR_MARIADB;
    if (mariadb != my_consistent_point_is_mariadb(from))
        return lost(run, "its first attempt was at another kind of server", error);
    if (mariadb)
        return check_mariadb(run, error);
    return run->server.gtid && (from->gtids[0] || !from->coord.file[0]) ? check_sets(run, error)
                                                                        : check_file(run, error);
}
