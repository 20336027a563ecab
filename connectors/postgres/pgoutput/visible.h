/* SPDX-License-Identifier: MIT */
/* What a snapshot has seen of the log that follows it. */
#ifndef PG_VISIBLE_H
#define PG_VISIBLE_H

#include <cdc/buf.h>
#include <cdc/error.h>

/* The first attempt at a snapshot reads at exactly the slot's consistent point. A later one reads newer rows, while the
 * log still begins at that point: the transactions that the attempt saw must not be applied to its rows once more, since a
 * row that moves (new key, unchanged columns) would take its columns from the row that has the old key by then. Which ones
 * it saw follows from PostgreSQL's own rule, pg_current_snapshot(). In the source object of the attempt's commit lines, and
 * of the log's until the log has passed lsn:  "read_at":{"lsn":"0/16B3748","xids":"750:760:755,758"} */
struct pg_visible {
    char *json;          /* as above; NULL: nothing was seen */
    uint64_t lsn;        /* no transaction whose commit record is here or later was seen */
    uint64_t xmin, xmax; /* below xmin: seen; from xmax on: not */
    uint64_t *running;   /* between them: not seen */
    size_t n_running;
};
/* Replaces the content; json.p NULL or JSON null: nothing was seen. CONFIG when damaged. */
int pg_visible_parse(struct pg_visible *visible, struct cdc_span json, struct cdc_error *error);
/* The same of pg_current_snapshot() alone: of its members xmin, xmax and running only. */
int pg_visible_parse_xids(struct pg_visible *visible, const char *xids, struct cdc_error *error);
void pg_visible_clear(struct pg_visible *visible);
/* Had the transaction of this id ended for the snapshot? */
bool pg_visible_ended(const struct pg_visible *visible, uint32_t xid);
/* Has the snapshot seen it? */
bool pg_visible_has(const struct pg_visible *visible, uint64_t commit_lsn, uint32_t xid);

#endif
