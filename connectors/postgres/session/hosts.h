/* SPDX-License-Identifier: MIT */
/* Where a connection is tried: each address of each host by itself. */
#ifndef PG_HOSTS_H
#define PG_HOSTS_H

#include <cdc/buf.h>
#include <cdc/control.h>
#include <cdc/error.h>
#include <libpq-fe.h>
#include <stdbool.h>

/* Left to itself, libpq looks up a name in a call that no signal ends, and waits for an address that is silent without the
 * others of the name being tried in the time that there is. So it gets lists as in
 *      host=db,db,db2  hostaddr=10.0.0.1,10.0.0.2,10.0.0.9  port=5432,5432,5433
 * The names stay in it: certificates, .pgpass and Kerberos go by them. */
enum { PG_HOST, PG_ADDRESS, PG_PORT, PG_HOST_LISTS };
struct pg_hosts {
    bool known; /* else they are those of the URL, the environment, the service: a socket in the file system */
    struct cdc_buf list[PG_HOST_LISTS];
    bool primary; /* target_session_attrs asks for one (pg_hosts_others) */
};
/* From the options that a connection would have (PQconninfo). A host whose name is not known is left out as long as there is
 * another one. 0 or -1: UNAVAILABLE, TEMPORARY as in lookup.h. */
int pg_hosts_find(struct pg_hosts *hosts, const PQconninfoOption *options, const struct cdc_control *control,
                  struct cdc_error *error);
/* hosts becomes the one that connection is at, or was. 0 or -1 */
int pg_hosts_at(struct pg_hosts *hosts, const PGconn *connection, struct cdc_error *error);
int pg_hosts_copy(struct pg_hosts *copy, const struct pg_hosts *hosts, struct cdc_error *error);
/* hosts becomes those of connection without the one that it is at. False: it is the last one. */
bool pg_hosts_next(struct pg_hosts *hosts, PGconn *connection);
/* hosts becomes those of the list that connection, or the one before it, had, but for all addresses of the host that it is at:
 * a name with several of them, as localhost has ::1 and 127.0.0.1, is one host. 1; 0: it is the last one; -1 */
int pg_hosts_others(struct pg_hosts *hosts, PGconn *connection, struct cdc_error *error);
void pg_hosts_free(struct pg_hosts *hosts);

#endif
