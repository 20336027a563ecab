/* SPDX-License-Identifier: MIT */
/* What the steps of a repair share: repair.c goes over the segments, files.c, journal.c and schemas.c copy, remake.c makes a journal again. */
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
    bool lacks_journal;   /* of its newest segment: the next append makes it again */
    bool made;            /* parts of it were made again, or were too much, without a loss */
    bool left_out;        /* parts of it are not in the copy, but no lines */
    bool has_base;        /* one is in the copy that stands for what was trimmed */
    bool unproved;        /* parts of it are in the copy, and nothing proves them */
    struct cdc_error why; /* what ended it; status 0: nothing */
};

/* Copies a file up to n bytes, or to its end, durably. 0 or -1; a file that is not there is none. */
int log_repair_copy_file(struct repair *repair, const char *name, uint64_t n, unsigned mode, struct cdc_error *error);
int log_repair_copy_part(struct repair *repair, enum log_kind kind, uint64_t byte, uint64_t n, unsigned mode,
                         struct cdc_error *error);

/* The offset files of registered readers: retention waits for these, and who is registered begins where it was. 0 or -1 */
int log_repair_copy_readers(struct repair *repair, struct cdc_error *error);

/* Is each line of the journal valid and in its place, but for one at its end that was not written whole? *why says it where not. */
void log_repair_check_journal(const struct log_folder *folder, uint64_t start, struct cdc_error *why);
/* Copies its lines up to that byte of it, or to its end; those that are out of order are left out. 0 or -1 */
int log_repair_copy_journal(struct repair *repair, uint64_t start, uint64_t n, unsigned mode, struct cdc_error *error);

/* The schema lines before segment i: copied, or made again from the lines before it in the copy. Without them the segment is as good;
 * where nobody knows them (lacks_schemas), who begins within it is not told what the tables were. 0 or -1 */
int log_repair_schemas(struct repair *repair, size_t i, struct cdc_error *error);
/* How many the copy has, of a segment without a journal that says it; they may have to be made. 0 or -1 */
int log_repair_count_schemas(struct repair *repair, size_t i, uint64_t *n, struct cdc_error *error);

/* Lines of a segment, which were read. */
struct log_proved {
    uint64_t start, end;
    const unsigned char *chain; /* after them */
    bool without_table;         /* of struct log_cursor */
};
/* Do they, with their salts, lead from the chain's value that their journal begins with to that one? 1, 0, -1 */
int log_repair_prove(struct log_folder *folder, const struct log_proved *what, struct cdc_error *error);

#endif
