/* SPDX-License-Identifier: MIT */
/* Tables that were read again (cdc/stale.h). The stream ended at W, and goes on from there; what was read has seen the transactions
 * up to its own snapshot R, and others of these tables only:
 *
 *   W ... T1 ... R ... T2      rows of the round have T1 in them: its changes of the round's tables are omitted, those of others
 *                              come; T2 comes whole */
#include "connectors/postgres/pgoutput/internal.h"

#include <cdc/json.h>
#include <stdlib.h>

void pg_rounds_free(struct pgoutput *decoder)
{
    for (size_t i = 0; i < decoder->n_rounds; i++)
        pg_visible_clear(&decoder->rounds[i].visible);
    free(decoder->rounds);
    decoder->rounds = NULL;
    decoder->n_rounds = 0;
}

static int add(struct pgoutput *decoder, const struct cdc_round *round, struct cdc_error *error)
{
    struct pg_round *added = &decoder->rounds[decoder->n_rounds];
    *added = (struct pg_round){.tables = &round->of};
    if (!pg_pos_restart_lsn(round->of.at, &added->from))
        return cdc_error_set(error, CDC_EXIT_CONFIG, "'%.80s' is no position of a PostgreSQL source", round->of.at);
    decoder->n_rounds++;
    int status = pg_visible_parse(&added->visible, cdc_span_text(round->read_at), error);
    added->xmax = added->visible.xmax;
    return status;
}

int pgoutput_set_rounds(struct pgoutput *decoder, const struct cdc_rounds *rounds, uint64_t from,
                        struct cdc_error *error)
{
    size_t n = rounds ? rounds->n : 0;
    pg_rounds_free(decoder);
    if (n == 0)
        return 0;
    decoder->rounds = calloc(n, sizeof *decoder->rounds);
    if (!decoder->rounds)
        return cdc_error_memory(error);
    for (size_t i = 0; i < n; i++)
        if (rounds->items[i].read_at && add(decoder, &rounds->items[i], error) < 0)
            return -1;
    for (size_t i = 0; i < decoder->n_rounds; i++)
        if (decoder->rounds[i].visible.lsn <= from)
            pg_visible_clear(&decoder->rounds[i].visible);
    return 0;
}

/* As with a whole snapshot (check_visible): what the round has seen end had its commit record before visible.lsn. */
static int pass(struct pg_round *round, const struct pg_transaction *tx, struct cdc_error *error)
{
    bool ended = pg_visible_ended(&round->visible, tx->xid);
    uint64_t lsn = round->visible.lsn;
    pg_visible_clear(&round->visible);
    return ended ? pg_other_log(lsn, error) : 0;
}

int pg_rounds_begin(struct pgoutput *decoder, struct cdc_error *error)
{
    struct pg_transaction *tx = &decoder->tx;
    for (size_t i = 0; i < decoder->n_rounds; i++) {
        struct pg_round *round = &decoder->rounds[i];
        round->seen = false;
        if (!round->visible.json || tx->final_lsn < round->from)
            continue;
        if (tx->final_lsn >= round->visible.lsn) {
            if (pass(round, tx, error) < 0)
                return -1;
        } else {
            round->seen = pg_visible_has(&round->visible, tx->final_lsn, tx->xid);
        }
    }
    return 0;
}

size_t pg_rounds_of(const struct pgoutput *decoder, const struct pg_table *table)
{
    for (size_t i = decoder->n_rounds; i > 0; i--)
        if (cdc_stale_has(decoder->rounds[i - 1].tables, decoder->settings.database, table->schema, table->name))
            return i;
    return 0;
}

bool pg_rounds_have(const struct pgoutput *decoder, const struct pg_table *table)
{
    return table->round != 0 && decoder->rounds[table->round - 1].seen;
}
