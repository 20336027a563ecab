/* SPDX-License-Identifier: MIT */
/* Acknowledgements of a relay: a source whose lines are those of other sources, as the reader of a log is. Its own positions are
 * places in that log; the sinks know the lines by the source.name and pos that are in them. Between the two is a list of places:
 *
 *   place 00000000000000524288     shop: 0000000016B374D8.FFFFFFFFFF.1     stock: 00000000000000000077
 *
 * A place is stored once all sinks have passed, of each of its names, the position there. */
#ifndef CDC_RELAY_H
#define CDC_RELAY_H

#include <cdc/offset.h>

struct cdc_relay;

/* files, state_dir: as of cdc_acks_new. RETURNS NEW. */
struct cdc_relay *cdc_relay_new(const char *const *files, size_t n, const char *state_dir, struct cdc_error *error);
void cdc_relay_free(struct cdc_relay *relay); /* NULL: nothing happens */
/* A boundary of source `name` at `pos` was written, before the next place. 0 or -1 without memory. */
int cdc_relay_passed(struct cdc_relay *relay, const char *name, const char *pos, struct cdc_error *error);
/* All that was written so far is up to this place (copied). Memory is bounded: with many places that are not stored, some are
 * forgotten, so that what is stored is known a little later. 0 or -1 without memory. */
int cdc_relay_place(struct cdc_relay *relay, const struct cdc_offset *place, struct cdc_error *error);
/* Reads the sinks' files. *place: the newest place that is stored, BORROWED until the next call; NULL: none that was not told
 * before. 0, or -1: a file is damaged or cannot be read. */
int cdc_relay_stored(struct cdc_relay *relay, const struct cdc_offset **place, struct cdc_error *error);
/* Have all sinks passed pos of name? Reads their files. Where there is none: no. 1, 0 or -1. */
int cdc_relay_has(struct cdc_relay *relay, const char *name, const char *pos, struct cdc_error *error);

#endif
