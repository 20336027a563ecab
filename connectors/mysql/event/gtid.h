/* SPDX-License-Identifier: MIT */
/* GTIDs: one transaction's identity, and sets of them. */
#ifndef MY_GTID_H
#define MY_GTID_H

#include "connectors/mysql/event/event.h"
#include "connectors/mysql/value/flavor.h"

#include <cdc/buf.h>
#include <cdc/bytes.h>
#include <cdc/error.h>

/* One transaction's identity. */
enum my_gtid_kind { MY_GTID_NONE, MY_GTID_OF_MYSQL, MY_GTID_OF_MARIADB };
#define MY_GTID_STANDALONE 0x01
#define MY_GTID_TRANSACTIONAL 0x04
#define MY_GTID_DDL 0x20
#define MY_GTID_PREPARED_XA 0x40
#define MY_GTID_COMPLETED_XA 0x80
#define MY_GTID_START_ALTER 0x02 /* these two: of more_flags */
#define MY_GTID_ROLLBACK_ALTER 0x08
struct my_gtid {
    enum my_gtid_kind kind;     /* NONE: ANONYMOUS_GTID */
    uint8_t uuid[16];           /* MySQL */
    char tag[33];               /* MySQL 8.3 and later; "" without */
    uint64_t number;            /* gno, or MariaDB's sequence number */
    uint32_t domain, server_id; /* MariaDB */
    uint8_t flags, more_flags;  /* MariaDB, as above */
    uint64_t commit_us;         /* commit time at the server that sends, in us since 1970; 0: not said */
};
/* GTID, ANONYMOUS_GTID, GTID_TAGGED, MARIADB_GTID. */
int my_gtid_parse(const struct my_event_header *header, struct cdc_bytes body, struct my_gtid *gtid,
                  struct cdc_error *error);
/* "uuid:5", "uuid:tag:5", "0-1-5". */
void my_gtid_append(struct cdc_buf *out, const struct my_gtid *gtid);

/* -- GTID sets (gtid.c) ------------------------------------------------------------
 * MySQL: the whole set, tags included. MariaDB: the newest number of each domain. */
struct my_gtid_set;
struct my_gtid_set *my_gtid_set_new(enum my_flavor flavor, struct cdc_error *error); /* RETURNS NEW */
void my_gtid_set_free(struct my_gtid_set *set);
/* Replaces the content: "uuid:1-5:7,uuid:tag:1" (white space allowed), or "0-1-5,1-1-7". CONFIG when it is neither. */
int my_gtid_set_parse(struct my_gtid_set *set, struct cdc_span text, struct cdc_error *error);
/* The canonical text, as the server prints it, without line breaks. */
void my_gtid_set_append(struct cdc_buf *out, const struct my_gtid_set *set);
/* Adds one transaction; amortised constant time when it follows the one before. One without a GTID changes nothing.
 * MariaDB: the newest of a domain is the one added last. 0 or -1 (memory; PROTOCOL: of the other server). */
int my_gtid_set_add(struct my_gtid_set *set, const struct my_gtid *gtid, struct cdc_error *error);
bool my_gtid_set_contains(const struct my_gtid_set *set, const struct my_gtid *gtid);
bool my_gtid_set_is_empty(const struct my_gtid_set *set);
bool my_gtid_set_equal(const struct my_gtid_set *a, const struct my_gtid_set *b);
/* The binary form that COM_BINLOG_DUMP_GTID takes and PREVIOUS_GTIDS has (MySQL), that of GTID_LIST (MariaDB). */
void my_gtid_set_encode(struct cdc_buf *out, const struct my_gtid_set *set);
/* Replaces the content with that of PREVIOUS_GTIDS or GTID_LIST. */
int my_gtid_set_decode(struct my_gtid_set *set, struct cdc_bytes body, struct cdc_error *error);

#endif
