/* SPDX-License-Identifier: MIT */
/* Compresses sealed segments in a thread of its own, and has done there what else is to be done between appends (retention). */
#ifndef LOG_PACK_H
#define LOG_PACK_H

#include "connectors/log/append/append.h"

struct log_keeper;
/* BORROWS settings. RETURNS NEW */
struct log_keeper *log_keeper_new(const struct log_append_settings *settings, struct cdc_error *error);
/* What is being written then is given up, and made again by the next run. NULL: nothing happens. */
void log_keeper_free(struct log_keeper *keeper);
/* A segment was sealed. */
void log_keeper_wake(void *keeper);
/* Does what is left to be done now, with the priority of the caller, unless a signal comes. Nothing is begun after that. */
void log_keeper_finish(struct log_keeper *keeper);

#endif
