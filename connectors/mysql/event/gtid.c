/* SPDX-License-Identifier: MIT */
/* The events that give a transaction its identity: MySQL's GTID, ANONYMOUS_GTID and GTID_TAGGED
 * (libs/mysql/binlog/event's control_events.h; libs/mysql/serialization for the last), and MariaDB's GTID (Knowledge
 * Base, "GTID_EVENT"). */
#include "connectors/mysql/event/gtid.h"
#include "connectors/mysql/event/internal.h"
#include "connectors/mysql/value/packed.h"

#include <string.h>

static const char gtid_name[] = "GTID";

/* A 7-byte time whose highest bit says that another one follows. */
static uint64_t commit_time(struct cdc_bytes *body)
{
    const uint64_t more = UINT64_C(1) << 55;
    uint64_t now = cdc_bytes_le(body, 7);
    if (now & more)
        cdc_bytes_le(body, 7); /* at the server where the transaction began */
    return now & ~more;
}

/* Each version of MySQL added something at the end: 5.6 stops at the number, 5.7 has the logical clock, 8.0 the
 * rest. */
static int gtid_plain(struct cdc_bytes body, struct my_gtid *gtid, struct cdc_error *error)
{
    enum { LOGICAL_CLOCK = 2 };
    cdc_bytes_le(&body, 1); /* flags: may have been logged as statements */
    struct cdc_span uuid = my_event_span(&body, sizeof gtid->uuid);
    gtid->number = cdc_bytes_le(&body, 8);
    if (body.bad)
        return my_event_damaged(error, gtid_name);
    memcpy(gtid->uuid, uuid.p, sizeof gtid->uuid);
    if (cdc_bytes_left(&body) != 0 && cdc_bytes_le(&body, 1) == LOGICAL_CLOCK)
        cdc_bytes_take(&body, 16);
    if (cdc_bytes_left(&body) != 0)
        gtid->commit_us = commit_time(&body);
    if (cdc_bytes_left(&body) != 0)
        my_packed_read(&body); /* length of the transaction */
    if (cdc_bytes_left(&body) != 0 && cdc_bytes_le(&body, 4) >> 31)
        cdc_bytes_le(&body, 4); /* version of the server where it began */
    if (cdc_bytes_left(&body) != 0)
        cdc_bytes_le(&body, 8); /* ticket of the commit group */
    return my_event_finished(&body, gtid_name, error);
}

/* mysql/serialization: as many bytes follow the first as it ends in ones; the ones and a zero are not part of the
 * number. 06 is 3 (0000011|0); 15 07 is 453 (00000111 000101|01). If the first is ff, the eight after it are the
 * number. */
static uint64_t tagged_uint(struct cdc_bytes *body)
{
    uint64_t first = cdc_bytes_le(body, 1);
    unsigned more = 0;
    while (more < 8 && first >> more & 1)
        more++;
    if (more == 0)
        return first >> 1;
    uint64_t rest = cdc_bytes_le(body, more);
    return more == 8 ? rest : rest << (7 - more) | first >> (more + 1);
}

enum tagged_field {
    TAGGED_FLAGS,
    TAGGED_UUID,
    TAGGED_NUMBER,
    TAGGED_TAG,
    TAGGED_LAST_COMMITTED,
    TAGGED_SEQUENCE_NUMBER,
    TAGGED_COMMIT_TIME,
    TAGGED_ORIGINAL_COMMIT_TIME,
    TAGGED_LENGTH,
    TAGGED_VERSION,
    TAGGED_ORIGINAL_VERSION,
    TAGGED_TICKET,
    TAGGED_FIELDS
};

static void tagged_uuid(struct cdc_bytes *body, uint8_t uuid[16])
{
    for (int i = 0; i < 16; i++) {
        uint64_t byte = tagged_uint(body);
        body->bad |= byte > UINT8_MAX;
        uuid[i] = (uint8_t)byte;
    }
}

static void tagged_tag(struct cdc_bytes *body, char tag[33])
{
    uint64_t n = tagged_uint(body);
    const uint8_t *p = n <= 32 ? cdc_bytes_take(body, (size_t)n) : NULL;
    if (p == NULL) {
        body->bad = true;
        return;
    }
    memcpy(tag, p, (size_t)n);
    tag[n] = '\0';
    for (uint64_t i = 0; i < n; i++) /* it becomes part of texts */
        if (!(p[i] == '_' || (p[i] >= 'a' && p[i] <= 'z') || (i > 0 && p[i] >= '0' && p[i] <= '9')))
            body->bad = true;
}

static void tagged_value(struct cdc_bytes *body, enum tagged_field field, struct my_gtid *gtid)
{
    uint64_t number;
    switch (field) {
    case TAGGED_UUID: tagged_uuid(body, gtid->uuid); break;
    case TAGGED_TAG: tagged_tag(body, gtid->tag); break;
    case TAGGED_NUMBER: /* signed: the lowest bit is the sign */
        number = tagged_uint(body);
        body->bad |= number & 1;
        gtid->number = number >> 1;
        break;
    case TAGGED_COMMIT_TIME: gtid->commit_us = tagged_uint(body); break;
    default: tagged_uint(body); break; /* all the others are numbers */
    }
}

/* Version, size of everything, last field that must be understood; then the fields, each after its id, in order. What
 * follows a field that is new and may be ignored cannot be read, and need not be. */
static int gtid_tagged(struct cdc_bytes body, struct my_gtid *gtid, struct cdc_error *error)
{
    const uint32_t needed = 1u << TAGGED_UUID | 1u << TAGGED_NUMBER | 1u << TAGGED_TAG;
    size_t whole = cdc_bytes_left(&body);
    uint64_t version = tagged_uint(&body), size = tagged_uint(&body), last = tagged_uint(&body);
    if (body.bad || size != whole)
        return my_event_damaged(error, gtid_name);
    if (version != 1 || last >= TAGGED_FIELDS)
        return cdc_error_set(error, CDC_EXIT_PROTOCOL,
                             "the binary log has a GTID event of an unknown form (version %lu, field %lu)",
                             (unsigned long)version, (unsigned long)last);
    uint32_t seen = 0;
    while (cdc_bytes_left(&body) != 0) {
        uint64_t field = tagged_uint(&body);
        if (field >= TAGGED_FIELDS)
            break;
        if (seen >> field != 0) /* this one or a later one was there already */
            return my_event_damaged(error, gtid_name);
        seen |= 1u << field;
        tagged_value(&body, (enum tagged_field)field, gtid);
    }
    return body.bad || (seen & needed) != needed ? my_event_damaged(error, gtid_name) : 0;
}

/* After the flags: the id of the commit group or zeros, that of an XA transaction, then (11.x) more flags. */
static int gtid_mariadb(const struct my_event_header *header, struct cdc_bytes body, struct my_gtid *gtid,
                        struct cdc_error *error)
{
    enum { GROUP_COMMIT_ID = 0x02, SIZE = 19 };
    bool whole = cdc_bytes_left(&body) >= SIZE;
    gtid->server_id = header->server_id;
    gtid->number = cdc_bytes_le(&body, 8);
    gtid->domain = (uint32_t)cdc_bytes_le(&body, 4);
    gtid->flags = (uint8_t)cdc_bytes_le(&body, 1);
    if (gtid->flags & GROUP_COMMIT_ID)
        cdc_bytes_le(&body, 8);
    if (gtid->flags & (MY_GTID_PREPARED_XA | MY_GTID_COMPLETED_XA)) {
        cdc_bytes_le(&body, 4);
        size_t n = (size_t)cdc_bytes_le(&body, 1);
        n += (size_t)cdc_bytes_le(&body, 1);
        cdc_bytes_take(&body, n);
    }
    if (cdc_bytes_left(&body) > 0)
        gtid->more_flags = (uint8_t)cdc_bytes_le(&body, 1);
    return !whole || body.bad ? my_event_damaged(error, gtid_name) : 0;
}

int my_gtid_parse(const struct my_event_header *header, struct cdc_bytes body, struct my_gtid *gtid,
                  struct cdc_error *error)
{
    *gtid = (struct my_gtid){0};
    if (header->type == MY_EVENT_MARIADB_GTID) {
        gtid->kind = MY_GTID_OF_MARIADB;
        return gtid_mariadb(header, body, gtid, error);
    }
    int result = header->type == MY_EVENT_GTID_TAGGED ? gtid_tagged(body, gtid, error) : gtid_plain(body, gtid, error);
    if (result < 0)
        return -1;
    if (header->type == MY_EVENT_ANONYMOUS_GTID) {
        *gtid = (struct my_gtid){.commit_us = gtid->commit_us};
        return 0;
    }
    gtid->kind = MY_GTID_OF_MYSQL;
    return gtid->number == 0 || gtid->number >= INT64_MAX ? my_event_damaged(error, gtid_name) : 0;
}

void my_gtid_append_uuid(struct cdc_buf *out, const uint8_t uuid[16])
{
    static const uint8_t groups[] = {4, 2, 2, 2, 6};
    for (size_t i = 0; i < sizeof groups; uuid += groups[i++]) {
        if (i > 0)
            cdc_buf_byte(out, '-');
        my_event_append_hex(out, uuid, groups[i]);
    }
}

static void append_mysql(struct cdc_buf *out, const struct my_gtid *gtid)
{
    my_gtid_append_uuid(out, gtid->uuid);
    cdc_buf_byte(out, ':');
    if (gtid->tag[0] != '\0') {
        cdc_buf_text(out, gtid->tag);
        cdc_buf_byte(out, ':');
    }
    cdc_buf_u64(out, gtid->number);
}

void my_gtid_append(struct cdc_buf *out, const struct my_gtid *gtid)
{
    if (gtid->kind == MY_GTID_OF_MYSQL) {
        append_mysql(out, gtid);
    } else if (gtid->kind == MY_GTID_OF_MARIADB) {
        cdc_buf_u64(out, gtid->domain);
        cdc_buf_byte(out, '-');
        cdc_buf_u64(out, gtid->server_id);
        cdc_buf_byte(out, '-');
        cdc_buf_u64(out, gtid->number);
    }
}

/* MariaDB, binlog_alter_two_phase: ALTER TABLE is logged when it begins, and again when it has been done, or failed. */
bool my_gtid_is_done(const struct my_gtid *gtid)
{
    return gtid->kind != MY_GTID_OF_MARIADB || !(gtid->more_flags & (MY_GTID_START_ALTER | MY_GTID_ROLLBACK_ALTER));
}
