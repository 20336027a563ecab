/* SPDX-License-Identifier: MIT */
/* A part of the log read beside the stream, event by event. */
#ifndef MY_LOG_READ_H
#define MY_LOG_READ_H

#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/session/session.h"

#include <cdc/error.h>

/* Each reads by a dump on a connection of its own, and leaves the session's alone. visit gets every event but
 * FORMAT_DESCRIPTION and ROTATE, with the coordinates of its end; of a TRANSACTION_PAYLOAD the header only. A file of MariaDB
 * that a crash has torn is passed over. */

/* From some coordinates to others (NULL: to the end that the log has now), or until visit has seen enough. end: where reading ended; may be NULL. */
int my_log_read(struct my_session *session, const struct my_coord *from, const struct my_coord *to, my_log_visit *visit,
                void *context, struct my_coord *end, struct cdc_error *error);
/* What follows these GTIDs, up to the end that the log has now. */
int my_log_read_after(struct my_session *session, const char *gtids, my_log_visit *visit, void *context,
                      struct cdc_error *error);
/* The GTID set that is complete at coordinates; "" where the server has none. LOST: no transaction begins there. RETURNS
 * NEW (free) */
int my_log_gtids_at(struct my_session *session, const struct my_coord *coord, char **gtids, struct cdc_error *error);
/* The set at coordinates of MariaDB's log, where the server itself does not say it (my_server_gtids_at): it gives up at an event that is
 * larger than its max_allowed_packet. Reads their file up to there, over a connection that is of no other use then. 1 and RETURNS NEW; 0:
 * the log has no such coordinates; -1. */
int my_log_gtids_by_dump(MYSQL *mysql, const struct my_server *server, uint32_t replica_id,
                         const struct my_coord *coord, char **gtids, struct cdc_error *error);
/* From the head of the file of `to` up to there, over a connection that is of no other use then. end: where reading ended. */
int my_log_read_file(MYSQL *mysql, const struct my_server *server, uint32_t replica_id, const struct my_coord *to,
                     my_log_visit *visit, void *context, struct my_coord *end, struct cdc_error *error);
/* When the server began that file, as it says itself: seconds since 1970; 0 when it does not say. The connection is of no
 * other use then. */
int my_log_file_created(MYSQL *mysql, const struct my_server *server, uint32_t replica_id, const char *file,
                        uint32_t *created, struct cdc_error *error);
/* The checksum of the event that begins at `from` and ends at `to`, in the same file; 0 where no such event stands there, or it
 * has none. */
int my_log_event_sum(struct my_session *session, const struct my_coord *from, const struct my_coord *to, uint32_t *sum,
                     struct cdc_error *error);
/* The number for such a dump: another one than the stream's, which the server would end else. */
uint32_t my_log_replica_id(const struct my_session *session);

#endif
