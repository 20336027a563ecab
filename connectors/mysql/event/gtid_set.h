/* SPDX-License-Identifier: MIT */
/* Sets of GTIDs. MySQL: all transactions, "uuid:1-5:7,uuid:tag:1". MariaDB: the newest transaction of each domain,
 * "0-1-5,1-1-7", which stands for those before it. */
#ifndef MY_GTID_SET_H
#define MY_GTID_SET_H

#include "connectors/mysql/event/gtid.h"
#include "connectors/mysql/value/flavor.h"

#include <cdc/buf.h>
#include <cdc/bytes.h>
#include <cdc/error.h>

struct my_gtid_set;
struct my_gtid_set *my_gtid_set_new(enum my_flavor flavor, struct cdc_error *error); /* RETURNS NEW */
void my_gtid_set_free(struct my_gtid_set *set);
/* Replaces the content with that of the text: "uuid:1-5:7,uuid:tag:1" (white space allowed), or "0-1-5,1-1-7".
 * CONFIG when it is neither, naming the character where it goes wrong; then the set is empty. */
int my_gtid_set_parse(struct my_gtid_set *set, struct cdc_span text, struct cdc_error *error);
/* Appends the canonical text, as the server prints it, without line breaks. */
void my_gtid_set_append(struct cdc_buf *out, const struct my_gtid_set *set);
/* Adds one transaction; amortised constant time when it follows the one before. One without a GTID changes nothing.
 * MariaDB: the newest of a domain is the one added last. 0 or -1 (memory; PROTOCOL: of the other server). */
int my_gtid_set_add(struct my_gtid_set *set, const struct my_gtid *gtid, struct cdc_error *error);
bool my_gtid_set_contains(const struct my_gtid_set *set, const struct my_gtid *gtid);
bool my_gtid_set_is_empty(const struct my_gtid_set *set);
bool my_gtid_set_equal(const struct my_gtid_set *a, const struct my_gtid_set *b);
/* MariaDB: is part what is left of all where the server has forgotten domains (FLUSH BINARY LOGS DELETE_DOMAIN_ID)? One at least
 * must be left. 0-1-5 is that of 0-1-5,7-1-3. */
bool my_gtid_set_is_rest(const struct my_gtid_set *all, const struct my_gtid_set *part);
/* Are these texts equal sets, or theirs such a rest of ours? 1, 0, -1 */
int my_gtid_set_same(enum my_flavor flavor, const char *ours, const char *theirs, struct cdc_error *error);
/* Has all what part has? MariaDB: domain by domain, none of part's is newer. */
bool my_gtid_set_includes(const struct my_gtid_set *all, const struct my_gtid_set *part);
/* The same, but MariaDB's newest transaction of each domain must be part's very one, or a later one: a server that took over without
 * it gives its number to another. */
bool my_gtid_set_reaches(const struct my_gtid_set *all, const struct my_gtid_set *part);
/* Appends the binary form that COM_BINLOG_DUMP_GTID takes and PREVIOUS_GTIDS has (MySQL), or that of GTID_LIST
 * (MariaDB). */
void my_gtid_set_encode(struct cdc_buf *out, const struct my_gtid_set *set);
/* Replaces the content with that of PREVIOUS_GTIDS or GTID_LIST. PROTOCOL when it is damaged; then the set is empty. */
int my_gtid_set_decode(struct my_gtid_set *set, struct cdc_bytes body, struct cdc_error *error);

#endif
