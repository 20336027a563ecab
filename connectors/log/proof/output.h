/* SPDX-License-Identifier: MIT */
/* A file of a log that is made beside the one that it will replace. */
#ifndef LOG_PROOF_OUTPUT_H
#define LOG_PROOF_OUTPUT_H

#include "connectors/log/file/folder.h"
#include "connectors/log/file/frames.h"

struct log_output {
    const struct log_folder *folder;
    char name[LOG_NAME_SIZE], temporary[LOG_NAME_SIZE + 8];
    int fd;                    /* -1: it is not made */
    struct log_packer *packer; /* NULL: plain */
    struct cdc_buf text;       /* goes out next */
};

/* Makes NAME.tmp; what is PACKED or a BASE is compressed. 0 or -1, as below. To be closed in any case where fd was -1 before. */
int log_output_open(struct log_output *out, const struct log_folder *folder, enum log_kind kind, uint64_t start,
                    struct cdc_error *error);
/* Writes text, once there is more than that of it. */
int log_output_flush(struct log_output *out, size_t above, struct cdc_error *error);
/* All of it is on the disk, with the mode of the file that it will replace. */
int log_output_finish(struct log_output *out, struct cdc_error *error);
/* Then it has the name, durably. */
int log_output_put(struct log_output *out, struct cdc_error *error);
/* What has not got the name is removed. */
void log_output_close(struct log_output *out);

#endif
