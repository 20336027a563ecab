/* SPDX-License-Identifier: MIT */
/* The readers that have a name: readers/NAME.offset, which cdc-log read keeps (cdc/offset.h). What they have not passed is kept for
 * them. */
#ifndef LOG_READERS_H
#define LOG_READERS_H

#include "connectors/log/file/folder.h"

struct log_reader {
    char *name;
    uint64_t byte; /* it has passed all lines below; 0: none yet */
};
struct log_readers {
    struct log_reader *items; /* the slowest first */
    size_t n;
};

/* 0, or -1: CONFIG when one of the files is damaged. To be freed in any case. */
int log_readers_list(struct log_readers *readers, const struct log_folder *folder, struct cdc_error *error);
void log_readers_free(struct log_readers *readers);

#endif
