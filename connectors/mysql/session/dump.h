/* SPDX-License-Identifier: MIT */
/* Dumps of the log: what a server is asked for, and why it ends one. */
#ifndef MY_DUMP_H
#define MY_DUMP_H

#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/session/server.h"

#include <cdc/error.h>
#include <mysql.h>

struct my_dump_request {
    const struct my_coord *from; /* there; NULL: after the GTIDs */
    const char *gtids;           /* where from is NULL: a set; "": all that the log has */
    bool as_replica; /* a stream: with heartbeats, and of two under one number the server ends the older one */
    bool to_end;     /* the server ends it at the end that the log has now; else it waits for more */
};
/* Asks for a dump on a connection of its own, which is of no other use then (wire.h reads it). CONFIG: the offset does not
 * fit into the protocol. */
int my_dump_begin(MYSQL *mysql, const struct my_server *server, uint32_t replica_id,
                  const struct my_dump_request *request, struct cdc_error *error);

/* What an error of a dump says. The server has one number, 1236, for all that it can meet; its text alone tells what:
 * read here, once. */
enum my_dump_fault {
    MY_DUMP_NO_FAULT,   /* the error is none of a dump: a connection that broke, say */
    MY_DUMP_LOST,       /* what was asked for is not in the log */
    MY_DUMP_SAME_ID,    /* another reader came with our number */
    MY_DUMP_TORN_FILE,  /* a file of the log ends inside an event, as a crash leaves it */
    MY_DUMP_NO_KEY,     /* the server cannot decrypt its log */
    MY_DUMP_UNREADABLE, /* MariaDB: what it read of its log is none */
    MY_DUMP_ANONYMOUS,  /* MySQL: a transaction without a GTID follows the GTIDs that were asked for */
};
enum my_dump_fault my_dump_fault_of(unsigned number, const char *text);

#endif
