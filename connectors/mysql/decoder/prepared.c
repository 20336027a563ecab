/* SPDX-License-Identifier: MIT */
/* XA transactions in the log. Their rows come when they are prepared, their outcome comes later, maybe after other
 * transactions, maybe after days:
 *
 *     GTID 1:7   QUERY XA START X'6162',X'',1   TABLE_MAP   WRITE_ROWS   QUERY XA END ...   XA_PREPARE
 *     GTID 1:8   (another transaction)
 *     GTID 1:9   QUERY XA COMMIT X'6162',X'',1
 *
 * So the rows' events go into a file (xa.c), 1:7 becomes a transaction without changes, and with 1:9 the events of
 * the file are decoded as if they stood there. */
#include "connectors/mysql/decoder/internal.h"
int my_prepared_begin(struct my_decoder *decoder, struct cdc_error *error)
{
    decoder->fresh.len = 0; /* whose rows wait in the file is not looked at */
    if (decoder->xa)
        return my_xa_begin(decoder->xa, error);
    cdc_error_set(error, CDC_EXIT_CONFIG, "%s at %llu: an XA transaction is prepared, and there is nowhere to keep it",
                  decoder->coord.file, (unsigned long long)decoder->event_position);
    return cdc_error_hint(error,
                          "give --offset-file or --state-dir: prepared transactions are kept beside it; with --file, a "
                          "TMPDIR that can be written to");
}

/* Without the spaces that a client may have put between its parts. */
static int take_xid(struct my_decoder *decoder, struct cdc_span text, struct cdc_error *error)
{
    decoder->xid.len = 0;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] != ' ')
            cdc_buf_byte(&decoder->xid, text.p[i]);
    return decoder->xid.failed ? cdc_error_memory(error) : 0;
}

struct cdc_span my_prepared_xid(const struct my_decoder *decoder)
{
    return cdc_span(decoder->xid.data, decoder->xid.len);
}

/* Opens the file of the transaction, whose events my_decoder_more decodes next: 1. */
static int commit_xa(struct my_decoder *decoder, struct cdc_error *error)
{
    int found = decoder->xa ? my_xa_open(decoder->xa, my_prepared_xid(decoder), decoder->number, error) : 0;
    if (found < 0)
        return -1;
    if (found == 0) {
        cdc_error_set(error, CDC_EXIT_LOST,
                      "%s at %llu: XA transaction %.*s is committed, which was prepared before reading began",
                      decoder->coord.file, (unsigned long long)decoder->event_position,
                      (int)(decoder->xid.len < 300 ? decoder->xid.len : 300), decoder->xid.data);
        return cdc_error_hint(error, "take a new snapshot while no XA transaction is prepared");
    }
    decoder->in_xa = true;
    return 1;
}

int my_prepared_store(struct my_decoder *decoder, struct cdc_bytes body, struct cdc_buf *out, struct cdc_error *error)
{
    bool one_phase;
    decoder->xid.len = 0;
    if (my_event_xa_prepare_parse(body, &one_phase, &decoder->xid, error) < 0)
        return -1;
    if (decoder->xa && !my_xa_is_open(decoder->xa) && my_prepared_begin(decoder, error) < 0) /* one without rows */
        return -1;
    if (!decoder->xa)
        return my_prepared_begin(decoder, error);
    if (my_xa_prepare(decoder->xa, my_prepared_xid(decoder), decoder->number, error) < 0)
        return -1;
    return one_phase ? commit_xa(decoder, error) : my_transaction_end(decoder, out, error);
}

int my_prepared_statement(struct my_decoder *decoder, const struct my_statement *statement, struct cdc_buf *out,
                          struct cdc_error *error)
{
    switch (statement->kind) {
    case MY_STATEMENT_XA_START: return my_prepared_begin(decoder, error);
    case MY_STATEMENT_XA_COMMIT: return take_xid(decoder, statement->xid, error) < 0 ? -1 : commit_xa(decoder, error);
    case MY_STATEMENT_XA_ROLLBACK:
        if (take_xid(decoder, statement->xid, error) < 0 ||
            (decoder->xa && my_xa_finish(decoder->xa, my_prepared_xid(decoder), decoder->number, error) < 0))
            return -1;
        return my_transaction_end(decoder, out, error);
    default: return 0; /* XA END; XA PREPARE is an event of its own */
    }
}
