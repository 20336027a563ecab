/* SPDX-License-Identifier: MIT */
/* How far the sinks are behind the server. Changes that wait are in one of three places:
 *
 *   the server's log, not read yet     since the output is blocked, or in a large transaction: server_end is beyond what has come
 *   lines that no sink has stored      the newest commit is beyond the flush position
 *   unknown                            while there is no connection
 *
 * When the oldest of them was committed nobody knows who has not read it. But it was after all was confirmed for the last time, and
 * after the commit that is confirmed: the later of the two times is what the lag is counted from, so that it is never taken for
 * smaller than it is. */
#include "connectors/postgres/stream/internal.h"

#include <cdc/json.h>
#include <cdc/retry.h>

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void pg_lag_confirmed(struct pg_stream *stream, const struct cdc_offset *offset)
{
    int64_t ms;
    if (offset->source && cdc_json_int64(cdc_json_member(cdc_span_text(offset->source), "ts_ms"), &ms))
        stream->flush_ms = ms;
}

void pg_lag_unknown(struct pg_stream *stream)
{
    if (stream->metrics && stream->flush > 0)
        stream->metrics->lag_since = stream->level_ms > stream->flush_ms ? stream->level_ms : stream->flush_ms;
}

void pg_lag_measure(struct pg_stream *stream)
{
    if (!stream->metrics || stream->flush == 0) /* nothing is confirmed yet */
        return;
    uint64_t read = later(stream->wal_end, stream->boundary_lsn), end = later(stream->server_end, read);
    stream->metrics->lag_bytes = end > stream->flush ? (int64_t)(end - stream->flush) : 0;
    pg_lag_unknown(stream);
    if (stream->server_end > read || stream->commit_lsn > stream->flush || pgoutput_in_transaction(stream->decoder))
        return;
    stream->level_ms = cdc_clock_wall_ms();
    stream->metrics->lag_since = stream->metrics->lag_ms = 0;
}
