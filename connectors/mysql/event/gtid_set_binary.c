/* SPDX-License-Identifier: MIT */
/* Sets of GTIDs in events and requests. MySQL (libs/mysql/gtid of mysql-server): uuid:1-5:7 is
 *
 *     01 00 00 00 00 00 00 00        one source
 *     fb 7d 33 84 ...                its uuid, 16 bytes
 *     02 00 00 00 00 00 00 00        two intervals
 *     01 ...  06 ...                 1 up to, but not with, 6: eight bytes each
 *     07 ...  08 ...
 *
 * MariaDB (Knowledge Base, "GTID_LIST_EVENT"): a count, and domain, server, number of each. */
#include "connectors/mysql/event/gtid_set_internal.h"
#include "connectors/mysql/event/internal.h"

#include <cdc/bytes.h>
#include <string.h>

static void put(struct cdc_buf *out, uint64_t value, size_t n)
{
    for (; n > 0; n--, value >>= 8)
        cdc_buf_byte(out, (char)(value & 0xff));
}

/* Sets with tags (8.3 and later) are marked in the first number's outer bytes; the count is between them. Servers
 * that do not know tags get the form without. */
#define TAGGED_MARK (UINT64_C(1) << 56 | 1)
#define COUNT_LIMIT (UINT64_C(1) << 48)

static void encode_mysql(struct cdc_buf *out, const struct my_gtid_set *set)
{
    bool tagged = false;
    for (size_t i = 0; i < set->n; i++)
        tagged |= set->sources[i].tag[0] != '\0';
    put(out, tagged ? (uint64_t)set->n << 8 | TAGGED_MARK : set->n, 8);
    for (size_t i = 0; i < set->n; i++) {
        const struct my_gtid_source *source = &set->sources[i];
        cdc_buf_append(out, source->uuid, 16);
        if (tagged) {
            put(out, strlen(source->tag) << 1, 1); /* lengths below 128 take one byte, its lowest bit 0 */
            cdc_buf_text(out, source->tag);
        }
        put(out, source->n, 8);
        for (size_t j = 0; j < source->n; j++) {
            put(out, source->intervals[j].start, 8);
            put(out, source->intervals[j].end, 8);
        }
    }
}

void my_gtid_set_encode(struct cdc_buf *out, const struct my_gtid_set *set)
{
    if (set->flavor == MY_FLAVOR_MYSQL) {
        encode_mysql(out, set);
        return;
    }
    put(out, set->n, 4);
    for (size_t i = 0; i < set->n; i++) {
        put(out, set->domains[i].id, 4);
        put(out, set->domains[i].server_id, 4);
        put(out, set->domains[i].number, 8);
    }
}

/* A tag is checked as in texts, for it becomes part of them. */
static void read_tag(struct cdc_bytes *body, char tag[MY_GTID_TAG_MAX + 1])
{
    uint64_t n = cdc_bytes_le(body, 1);
    const uint8_t *p = n % 2 == 0 && n / 2 <= MY_GTID_TAG_MAX ? cdc_bytes_take(body, (size_t)n / 2) : NULL;
    if (p == NULL || n == 0) {
        body->bad |= p == NULL;
        return;
    }
    struct my_gtid_text text = {(const char *)p, (const char *)p + n / 2};
    body->bad |= !my_gtid_set_take_tag(&text, tag) || text.p != text.end;
}

/* 1, 0 (damaged), -1 (memory) */
static int decode_source(struct my_gtid_set *set, struct cdc_bytes *body, bool tagged)
{
    char tag[MY_GTID_TAG_MAX + 1] = "";
    const uint8_t *uuid = cdc_bytes_take(body, 16);
    if (tagged)
        read_tag(body, tag);
    uint64_t n = cdc_bytes_le(body, 8);
    if (body->bad || n == 0 || n > cdc_bytes_left(body) / 16)
        return 0;
    struct my_gtid_source *source = my_gtid_set_find_or_add(set, uuid, tag);
    if (source == NULL)
        return -1;
    for (; n > 0; n--) {
        struct my_gtid_interval interval = {cdc_bytes_le(body, 8), cdc_bytes_le(body, 8)};
        if (interval.start == 0 || interval.start >= interval.end || interval.end > MY_GTID_NUMBER_END)
            return 0;
        if (!my_gtid_set_append_interval(source, interval))
            return -1;
    }
    return 1;
}

static int decode_mysql(struct my_gtid_set *set, struct cdc_bytes body)
{
    uint64_t n = cdc_bytes_le(&body, 8);
    bool tagged = (n & ~((COUNT_LIMIT - 1) << 8)) == TAGGED_MARK;
    if (tagged)
        n = n >> 8 & (COUNT_LIMIT - 1);
    if (body.bad || n > cdc_bytes_left(&body) / 40) /* uuid, count, an interval */
        return 0;
    int result = 1;
    for (; n > 0 && result == 1; n--)
        result = decode_source(set, &body, tagged);
    return result == 1 && cdc_bytes_left(&body) != 0 ? 0 : result;
}

/* Of a domain's servers the newest comes last. The upper four bits of the count are flags. */
static int decode_mariadb(struct my_gtid_set *set, struct cdc_bytes body)
{
    uint64_t n = cdc_bytes_le(&body, 4) & 0x0fffffff;
    if (body.bad || n > cdc_bytes_left(&body) / 16)
        return 0;
    bool empty = n == 0; /* then two bytes fill up */
    for (; n > 0; n--) {
        struct my_gtid_domain domain = {.id = (uint32_t)cdc_bytes_le(&body, 4),
                                        .server_id = (uint32_t)cdc_bytes_le(&body, 4)};
        domain.number = cdc_bytes_le(&body, 8);
        if (!my_gtid_set_put_domain(set, domain))
            return -1;
    }
    return cdc_bytes_left(&body) == 0 || (empty && cdc_bytes_left(&body) == 2);
}

int my_gtid_set_decode(struct my_gtid_set *set, struct cdc_bytes body, struct cdc_error *error)
{
    my_gtid_set_clear(set);
    bool mysql = set->flavor == MY_FLAVOR_MYSQL;
    int result = mysql ? decode_mysql(set, body) : decode_mariadb(set, body);
    if (result == 1) {
        if (mysql)
            my_gtid_set_tidy(set);
        return 0;
    }
    my_gtid_set_clear(set);
    return result < 0 ? cdc_error_memory(error) : my_event_damaged(error, mysql ? "PREVIOUS_GTIDS" : "GTID_LIST");
}
