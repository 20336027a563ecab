/* SPDX-License-Identifier: MIT */
/* A base: the rows that all lines below a byte leave behind, as fewer lines (cdc-log(5)). It is the file
 * base-<20 digits>.ndjson.zst, and beside it base-<20 digits>.idx with one line:
 *
 *   {"base":N,"len":N,"n":N,"ts":ms,"sha256":"…","log":"…","at":{…},"gone":{"NAME":"POS"},
 *    "marks":[{"ts":ms,"at":{"NAME":"POS"}}],"c":"8 hex"}
 *
 * While rows of it are purged, the old sha256 stands after the new one, as "was": its line is replaced before the base, and both are right
 * until that is, too.
 *
 * gone: up to there the lines are left out that say that rows are gone, so who has rows of before must not go on with it. marks: the bases
 * of before that is yet to be done for, each with its time. */
#ifndef LOG_FILE_BASE_H
#define LOG_FILE_BASE_H

#include "connectors/log/file/folder.h"

struct log_base {
    uint64_t end, len, n; /* end: the byte of the log up to which it goes; len and n: its bytes and lines */
    int64_t ts;           /* when it was made, ms since 1970 */
    struct cdc_span sha256, log, at, gone, marks; /* BORROWED from the line */
    struct cdc_span sha256_was;                   /* p NULL: none */
};

/* line: without its LF. 0, or -1 with CONFIG. */
int log_base_parse(struct log_base *base, struct cdc_span line, struct cdc_error *error);
/* Appends the line with its LF. */
void log_base_append(struct cdc_buf *out, const struct log_base *base);
/* Reads the line of the base that ends at that byte into text, which *base BORROWS. 0, or -1: CONFIG when it is damaged or another log's. */
int log_base_load(const struct log_folder *folder, uint64_t end, struct cdc_buf *text, struct log_base *base,
                  struct cdc_error *error);
/* May a reader that is at that position of source `name` go on with the base? 0, or -1 with LOST. */
int log_base_admits(const struct log_base *base, const char *name, const char *pos, struct cdc_error *error);

/* -- reading it -- */
struct log_base_reader;
/* From its first line. RETURNS NEW; CONFIG when it is damaged, LOST when it is gone, as a newer one has come. */
struct log_base_reader *log_base_open(const struct log_folder *folder, uint64_t end, struct cdc_error *error);
void log_base_close(struct log_base_reader *reader);
const struct log_base *log_base_of(const struct log_base_reader *reader);
/* Appends the next lines, all of them whole, about 1 MiB. The last ones come once all that was given is known to be what was
 * written. 1; 0: the end; -1: CONFIG. */
int log_base_read(struct log_base_reader *reader, struct cdc_buf *out, struct cdc_error *error);
/* The next line without its LF, valid until the next call, in place of log_base_read. 1, 0, -1 */
int log_base_line(struct log_base_reader *reader, struct cdc_span *line, struct cdc_error *error);
/* From the first line again. 0 or -1 */
int log_base_rewind(struct log_base_reader *reader, struct cdc_error *error);
/* Reads all of one. 0, or -1: CONFIG when it is damaged, LOST when it is gone, as a newer one has come. */
int log_base_check(const struct log_folder *folder, uint64_t end, struct cdc_error *error);

#endif
