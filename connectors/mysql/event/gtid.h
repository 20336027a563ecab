/* SPDX-License-Identifier: MIT */
/* GTIDs: what identifies a transaction in the logs of all servers that have it. */
#ifndef MY_GTID_H
#define MY_GTID_H

#include "connectors/mysql/event/event.h"
#include "connectors/mysql/value/flavor.h"

#include <cdc/buf.h>
#include <cdc/bytes.h>
#include <cdc/error.h>

enum my_gtid_kind { MY_GTID_NONE, MY_GTID_OF_MYSQL, MY_GTID_OF_MARIADB };
/* Flags of MariaDB's event. */
#define MY_GTID_STANDALONE 0x01 /* the transaction is one statement, no COMMIT follows */
#define MY_GTID_TRANSACTIONAL 0x04
#define MY_GTID_DDL 0x20
#define MY_GTID_PREPARED_XA 0x40
#define MY_GTID_COMPLETED_XA 0x80
#define MY_GTID_START_ALTER 0x02    /* of more_flags: an ALTER TABLE begins, which another transaction ends */
#define MY_GTID_ROLLBACK_ALTER 0x08 /* of more_flags: it has failed */
struct my_gtid {
    enum my_gtid_kind kind;     /* NONE: ANONYMOUS_GTID */
    uint8_t uuid[16];           /* MySQL */
    char tag[33];               /* MySQL 8.3 and later; "" without */
    uint64_t number;            /* gno, or MariaDB's sequence number */
    uint32_t domain, server_id; /* MariaDB */
    uint8_t flags, more_flags;  /* MariaDB, as above */
    uint64_t commit_us;         /* commit time at the server that sends, in us since 1970; 0: not said */
};
/* GTID, ANONYMOUS_GTID, GTID_TAGGED, MARIADB_GTID. 0 or -1: PROTOCOL. */
int my_gtid_parse(const struct my_event_header *header, struct cdc_bytes body, struct my_gtid *gtid,
                  struct cdc_error *error);
/* False: the transaction's statement does not take effect, for it only begins an ALTER TABLE of MariaDB or reports
 * that it failed. */
bool my_gtid_is_done(const struct my_gtid *gtid);
/* "uuid:5", "uuid:tag:5", "0-1-5"; nothing of a transaction without one. */
void my_gtid_append(struct cdc_buf *out, const struct my_gtid *gtid);

#endif
