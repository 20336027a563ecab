/* SPDX-License-Identifier: MIT */
/* Which record of a sorter's block is the newest of its key, so that a newer one that makes it useless takes its place, and the block
 * holds one of each key instead of all. Memory is random there: records wait their turn while what they are compared with is fetched. */
#ifndef LOG_LATEST_H
#define LOG_LATEST_H

#include "connectors/log/compact/record.h"

struct log_latest;

#define LOG_LATEST_RECORD 168 /* longer records are never here */

/* memory: bytes, of which the greatest power of two is taken. newer: as log_sorter_replace has it. RETURNS NEW; NULL without memory. */
struct log_latest *log_latest_new(size_t memory, log_sorter_newer *newer, void *context);
void log_latest_free(struct log_latest *latest);
/* No record of before is known any more. None waits. */
void log_latest_forget(struct log_latest *latest);

/* Bytes and number of the records that wait. */
size_t log_latest_bytes(const struct log_latest *latest);
size_t log_latest_waiting(const struct log_latest *latest);
bool log_latest_is_full(const struct log_latest *latest);
/* The record, which is not too long, waits as the last one, where it is not full. */
void log_latest_wait(struct log_latest *latest, const struct log_record *record, const char *block);
/* The first one that waits: NULL when it has taken the place of another one in the block; else it is to be put at that place, of which it
 * is known. Valid until the next one waits. */
const struct log_header *log_latest_settle(struct log_latest *latest, char *block, size_t at);

#endif
