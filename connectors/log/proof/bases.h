/* SPDX-License-Identifier: MIT */
/* Bases, which have rows of a person as well, and no chain. */
#ifndef LOG_PROOF_BASES_H
#define LOG_PROOF_BASES_H

#include "connectors/log/file/folder.h"
#include "connectors/log/proof/match.h"

/* Its lines that match, and those that another purge has left half done: *n. Replaces them unless only_look, as rewrite.h does it. 0 or
 * -1. */
int log_base_purge(const struct log_folder *folder, uint64_t end, const struct log_match *match, bool only_look,
                   uint64_t *n, struct cdc_error *error);

#endif
