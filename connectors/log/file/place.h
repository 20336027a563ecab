/* SPDX-License-Identifier: MIT */
/* A place in a log that somebody keeps: a logical byte, and what shows that the log there is the one that it was. */
#ifndef LOG_PLACE_H
#define LOG_PLACE_H

#include "connectors/log/file/cursor.h"

/* The chain after the last line before that byte, which is the start of a line. 1; 0: no line begins there; -1: LOST where it is not in
 * the log (any more), CONFIG, IO. */
int log_chain_at(struct log_folder *folder, uint64_t byte, unsigned char chain[LOG_HASH], struct cdc_error *error);
/* What is kept beside a position (cdc_offset.state): {"log":"id","chain":"…"}. */
void log_state_append(struct cdc_buf *out, const char *id, const unsigned char chain[LOG_HASH]);
/* Is the log what it was when the state was kept at that byte? 0, or -1 with LOST. state: NULL asks nothing. */
int log_state_check(struct log_folder *folder, uint64_t byte, const char *state, struct cdc_error *error);
/* As a position of a reader: 20 digits. */
void log_pos_make(char pos[LOG_DIGITS + 1], uint64_t byte);
bool log_pos_parse(const char *pos, uint64_t *byte);

#endif
