/* SPDX-License-Identifier: MIT */
#ifndef LOG_PROOF_INTERNAL_H
#define LOG_PROOF_INTERNAL_H

#include "connectors/log/proof/checkpoint.h"

/* Reads a checkpoint into note, and takes it out of that. key_path: who must have signed it; NULL: anybody. 0 or -1. */
int log_read_checkpoint(struct cdc_buf *note, const char *path, const char *key_path, struct log_checkpoint *checkpoint,
                        struct cdc_error *error);

#endif
