/* SPDX-License-Identifier: MIT */
/* One try at the rows of the tables. Rows that a try has written stay written when it fails; the next one begins again,
 * and its lines have a higher number in pos, so that sinks take them, where the same pos again would count as a
 * duplicate:
 *
 *   attempt 1   ...a0001.000000000001   ...a0001.000000000002   (connection lost)
 *   attempt 2   ...a0002.000000000001   ...a0002.000000000002   ...a0002.000000000003   the last commit: written
 *
 * Written is not stored: only when the sinks have passed the last commit is the snapshot finished. Until then a stream
 * may begin where its lines come after them, in the same pipe (start.h). What a connector needs besides stands in the
 * same object of the offset file's state. */
#ifndef CDC_ATTEMPT_H
#define CDC_ATTEMPT_H

#include <cdc/log.h>
#include <cdc/offset.h>

/* Attempts have four hexadecimal digits in pos. */
#define CDC_ATTEMPT_MAX 0xFFFFu

/* What tells a pipe or socket from others: "DEV:INO", of one with a name "DEV:INO:PID:START". */
#define CDC_OUTPUT_SIZE 80

struct cdc_attempt {
    uint64_t origin;              /* where snapshot and log meet, as the connector counts; seq of all its lines */
    unsigned number;              /* of the last one that began to write; 0: none yet */
    char *written;                /* pos of the last commit of a whole attempt; NULL: none is whole */
    bool finished;                /* and stored */
    char output[CDC_OUTPUT_SIZE]; /* the pipe to sinks that it was written into; "": a file, which keeps it, or none */
};

void cdc_attempt_clear(struct cdc_attempt *attempt);
/* Takes "attempt", "written", "finished" and "output" out of the state; the origin is the connector's to read. To be cleared in
 * any case. false when they are damaged, or with errno ENOMEM. */
bool cdc_attempt_read(struct cdc_attempt *attempt, struct cdc_span state);
/* Appends ,"written":"...","output":"...","finished":false} which ends the state; "attempt" and what the connector has go before. */
void cdc_attempt_append(struct cdc_buf *out, const struct cdc_attempt *attempt);
/* Where an attempt goes on, and does not read again what is stored: have all sinks that are there now been there (sinks, of
 * cdc_acks_list), and do they stand at kept_pos or after it? 0; 1: one has come since, or was set back, and error says so (TEMPORARY):
 * all is to be read again; -1 */
int cdc_attempt_check_sinks(struct cdc_acks *acks, const char *sinks, const char *kept_pos, struct cdc_error *error);
/* Counts a further attempt, and forgets what an older one has written. It is to be saved before its first line, or two
 * attempts could share a pos. 0, or -1 with CONFIG when there were too many; hint: what the user can do then. */
int cdc_attempt_begin(struct cdc_attempt *attempt, const char *name, const char *hint, struct cdc_error *error);
/* All rows are written into output_fd, up to the commit line of that pos; without acks (NULL) they count as stored, too. */
int cdc_attempt_end(struct cdc_attempt *attempt, const char *pos, int output_fd, const struct cdc_acks *acks,
                    struct cdc_error *error);
/* What tells a pipe or socket from others, as long as it is open; "" for what keeps its lines, and for -1. One with a name
 * outlives those who open it: to it belongs who has opened it for us and for those after us, our parent process. */
void cdc_attempt_output(int fd, char output[CDC_OUTPUT_SIZE]);
/* Is it that one? Of one with a name: opened by our parent, or by a shell that has become this process (exec). */
bool cdc_attempt_is_output(const char *output, int fd);
/* Is the snapshot of the pipeline `name` finished? Reports it through log. kept: the pos that is saved, and a source object that
 * names the server of the attempts (NULL: there was none); a sink that has another server's lines is CONFIG, whatever its position.
 * 1: it was; 2: it is since this call (to be saved); 0: no; -1. */
int cdc_attempt_check(struct cdc_attempt *attempt, struct cdc_acks *acks, const struct cdc_offset *kept,
                      const char *name, const struct cdc_log *log, struct cdc_error *error);
/* Saves it durably. kept: state, an object as above; source and lines; and as pos the one before the attempt's first
 * line, which stands there until all is written (not empty once there is an origin, so that a stream knows of the
 * snapshot). */
int cdc_attempt_save(const struct cdc_attempt *attempt, struct cdc_offset_file *offsets, const char *name,
                     const struct cdc_offset *kept, struct cdc_error *error);

#endif
