/* SPDX-License-Identifier: MIT */
/* What the steps of a repair share: repair.c goes over the segments, files.c and schemas.c copy, remake.c makes a journal again. */
#ifndef LOG_REPAIR_INTERNAL_H
#define LOG_REPAIR_INTERNAL_H

#include "connectors/log/file/folder.h"
#include "connectors/log/repair/repair.h"

struct repair {
    const struct log_repair_settings *settings;
    struct log_folder from, to;
    uint64_t end;                  /* what is good of the log */
    unsigned char chain[LOG_HASH]; /* after it */
    bool has_chain;
    bool lacks_schemas;   /* of the segment in hand nobody knows the schema lines before it */
    bool made;            /* parts of it were made again, without a loss */
    bool unproved;        /* parts of it are in the copy, and nothing proves them */
    struct cdc_error why; /* what ended it; status 0: nothing */
};

/* Copies the bytes of a file from skip up to n, or to the end, durably, after what is to be in place of the skipped ones. 0 or -1; a file
 * that is not there is none. */
int log_repair_copy_file_after(struct repair *repair, const char *name, struct cdc_span first, uint64_t skip,
                               uint64_t n, unsigned mode, struct cdc_error *error);
int log_repair_copy_file(struct repair *repair, const char *name, uint64_t n, unsigned mode, struct cdc_error *error);
int log_repair_copy_part(struct repair *repair, enum log_kind kind, uint64_t byte, uint64_t n, unsigned mode,
                         struct cdc_error *error);

/* The schema lines before segment i: copied, or made again from the lines before it in the copy. Without them the segment is as good;
 * where nobody knows them (lacks_schemas), who begins within it is not told what the tables were. 0 or -1 */
int log_repair_schemas(struct repair *repair, size_t i, struct cdc_error *error);
/* How many the copy has, of a segment without a journal that says it; they may have to be made. 0 or -1 */
int log_repair_count_schemas(struct repair *repair, size_t i, uint64_t *n, struct cdc_error *error);

/* Lines of a segment, which were read. */
struct log_proved {
    uint64_t start, end;
    const unsigned char *chain; /* after them */
    bool closed, without_table; /* without_table: of struct log_cursor */
};
/* Do they, with their salts, lead from the chain's value that their journal begins with to that one? 1, 0, -1 */
int log_repair_prove(struct log_folder *folder, const struct log_proved *what, struct cdc_error *error);

#endif
