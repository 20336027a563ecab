/* SPDX-License-Identifier: MIT */
/* What a snapshot that was begun again has seen of the log that follows its slot's consistent point. */
#include "connectors/postgres/pgoutput/visible.h"

#include "connectors/postgres/pgoutput/position.h"

#include <cdc/json.h>
#include <stdlib.h>
#include <string.h>

/* The number up to `stop`; *p is then after that, or NULL at the end of the text. */
static bool number(const char **p, const char *end, char stop, uint64_t *value)
{
    const char *at = *p;
    *value = 0;
    while (at && at < end && *at >= '0' && *at <= '9') {
        if (__builtin_mul_overflow(*value, 10u, value) || __builtin_add_overflow(*value, (unsigned)(*at - '0'), value))
            return false;
        at++;
    }
    if (!at || at == *p || (at < end && *at != stop))
        return false;
    *p = at < end ? at + 1 : NULL;
    return true;
}

enum parsed { GOOD, DAMAGED, NO_MEMORY };

/* xmin:xmax:xip,xip,... as pg_current_snapshot() writes it, with 64-bit ids: 750:760:755,758. Transactions below 750
 * had ended, none from 760 on had, and of those between them 755 and 758 were still running. Of the snapshot that comes with a
 * slot, xmax follows the commits alone: 752:750: where 750 and 751 were rolled back while it was made. All below 752 had ended. */
static enum parsed parse_xids(struct pg_visible *visible, struct cdc_span text)
{
    const char *p = text.p, *end = text.p + text.n;
    if (!number(&p, end, ':', &visible->xmin) || !p || !number(&p, end, ':', &visible->xmax) || !p)
        return DAMAGED;
    if (visible->xmax < visible->xmin)
        visible->xmax = visible->xmin;
    size_t most = p < end ? 1 : 0;
    for (const char *comma = p; comma < end; comma++)
        most += *comma == ',';
    visible->running = calloc(most ? most : 1, sizeof *visible->running);
    if (!visible->running)
        return NO_MEMORY;
    for (; visible->n_running < most; visible->n_running++)
        if (!number(&p, end, ',', &visible->running[visible->n_running]))
            return DAMAGED;
    return most == 0 || p == NULL ? GOOD : DAMAGED;
}

int pg_visible_parse(struct pg_visible *visible, struct cdc_span json, struct cdc_error *error)
{
    char lsn[32] = "";
    struct cdc_span lsn_text = {NULL, 0}, xids = {NULL, 0};
    pg_visible_clear(visible);
    if (json.p == NULL || cdc_json_is_null(json))
        return 0;
    if (cdc_json_type(json) == CDC_JSON_OBJECT) {
        lsn_text = cdc_json_member_raw(json, "lsn");
        xids = cdc_json_member_raw(json, "xids");
    }
    if (lsn_text.p && lsn_text.n < sizeof lsn)
        memcpy(lsn, lsn_text.p, lsn_text.n);
    enum parsed parsed = xids.p && pg_lsn_parse(lsn, &visible->lsn) ? parse_xids(visible, xids) : DAMAGED;
    visible->json = cdc_span_copy(json);
    if (visible->json && parsed == GOOD)
        return 0;
    bool memory = !visible->json || parsed == NO_MEMORY;
    pg_visible_clear(visible);
    if (memory)
        return cdc_error_memory(error);
    return cdc_error_set(error, CDC_EXIT_CONFIG, "\"read_at\" of the position is damaged");
}

int pg_visible_parse_xids(struct pg_visible *visible, const char *xids, struct cdc_error *error)
{
    pg_visible_clear(visible);
    enum parsed parsed = parse_xids(visible, cdc_span_text(xids));
    if (parsed == GOOD)
        return 0;
    pg_visible_clear(visible);
    if (parsed == NO_MEMORY)
        return cdc_error_memory(error);
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server's snapshot \"%.64s\" is damaged", xids);
}

void pg_visible_clear(struct pg_visible *visible)
{
    free(visible->json);
    free(visible->running);
    memset(visible, 0, sizeof *visible);
}

bool pg_visible_ended(const struct pg_visible *visible, uint32_t xid)
{
    /* A Begin message has the low half of the id only (it wraps after 2^32 transactions). The server keeps all ids
     * that are in use within 2^31 of each other, so of all that end in these 32 bits it is the one nearest to xmax. */
    uint64_t full = visible->xmax + (int64_t)(int32_t)(xid - (uint32_t)visible->xmax);
    if (full < visible->xmin || full >= visible->xmax)
        return full < visible->xmin;
    for (size_t i = 0; i < visible->n_running; i++)
        if (visible->running[i] == full)
            return false;
    return true;
}

bool pg_visible_has(const struct pg_visible *visible, uint64_t commit_lsn, uint32_t xid)
{
    /* The position was asked for after the snapshot was taken: what committed from there on, the snapshot cannot
     * have seen. Before it both are possible, and the ids decide: a commit record is written a moment before others
     * see the transaction as ended, so an LSN alone would call some rows seen that were not, and lose them. */
    return visible->json && commit_lsn < visible->lsn && pg_visible_ended(visible, xid);
}
