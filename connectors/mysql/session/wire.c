/* SPDX-License-Identifier: MIT */
/* The packets of a dump, the largest events in parts.
 * The client library joins the packets of an event in memory, up to a gigabyte, and offers no way to read what lies below
 * (a socket, or TLS). But it takes its input from its read-ahead cache before anything else, and that is open to us: so the
 * head of a packet is put there, in front of what is there already, which is as long as what is wanted. The library then
 * reads that many bytes, whatever they are. */
#include "connectors/mysql/session/wire.h"
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/session/session.h"

#include <errmsg.h>
#include <ma_pvio.h>
#include <stdlib.h>
#include <string.h>

#define PACKET_MAX 0xFFFFFF           /* one that is as long goes on in the next */
#define KEPT ((size_t)1 << 20)        /* of the buffer for large events */
#define EVENT_MAX ((uint64_t)1 << 30) /* max_allowed_packet's limit */
#define HEAD 5                        /* of our packets: length, number, a byte that says that it is no error */

struct my_wire {
    MYSQL *mysql;
    bool raw;             /* we read the packets; else the library does */
    size_t left;          /* of the packet at hand */
    bool last;            /* the event ends with it */
    uint64_t event_left;  /* of an event that is handed on in parts */
    struct cdc_buf event; /* one of several packets */
    enum my_dump_fault fault;
};

enum my_dump_fault my_wire_fault(const struct my_wire *wire)
{
    return wire->fault;
}

static int broke(struct my_wire *wire, unsigned number, const char *text, struct cdc_error *error)
{
    wire->fault = my_dump_fault_of(number, text);
    return my_session_error_of(number, text, "the stream broke", error);
}

static int malformed(struct cdc_error *error)
{
    return cdc_error_set(error, CDC_EXIT_PROTOCOL, "the server sent a packet that is no event");
}

static size_t unread(const MARIADB_PVIO *pvio)
{
    const uint8_t *end = pvio->cache + pvio->cache_size;
    return end > pvio->cache_pos ? (size_t)(end - pvio->cache_pos) : 0;
}

/* Room for one head more in the library's cache; it frees what it finds there. */
/* The cache as the library has it, with five bytes in front that ours need:
 *      before   [unread ...........]
 *      after    [head][unread .....]     room for one head more */
static bool take_cache(MYSQL *mysql)
{
    MARIADB_PVIO *pvio = mysql->net.pvio;
    if (!pvio || pvio->mysql != mysql || !pvio->cache || mysql->net.compress)
        return false;
    size_t left = unread(pvio);
    uint8_t *cache = left <= PVIO_READ_AHEAD_CACHE_SIZE ? calloc(1, PVIO_READ_AHEAD_CACHE_SIZE + HEAD) : NULL;
    if (!cache)
        return false;
    memcpy(cache + HEAD, pvio->cache_pos, left);
    free(pvio->cache);
    pvio->cache = cache;
    pvio->cache_pos = cache + HEAD;
    pvio->cache_size = HEAD + left;
    return true;
}

struct my_wire *my_wire_new(MYSQL *mysql, struct cdc_error *error)
{
    struct my_wire *wire = calloc(1, sizeof *wire);
    if (!wire) {
        cdc_error_memory(error);
        return NULL;
    }
    wire->mysql = mysql;
    wire->last = true;
    wire->raw = take_cache(mysql);
    return wire;
}

void my_wire_free(struct my_wire *wire)
{
    if (!wire)
        return;
    cdc_buf_free(&wire->event);
    free(wire);
}

/* The next n bytes (n <= MY_EVENT_PART + 1), BORROWED until the next call; NULL: the connection broke. The library
 * is made to see a packet of its own kind: three bytes of length, a number (0, as it expects of a first packet), and
 * one byte 00, since a packet that begins with FF is an error to it. For n = 4 it finds 05 00 00 00 00 and then
 * reads the four bytes, which are the head of the true packet. */
static const uint8_t *read_bytes(struct my_wire *wire, size_t n, struct cdc_error *error)
{
    MARIADB_PVIO *pvio = wire->mysql->net.pvio;
    size_t length = n + 1; /* with the byte in the head */
    const uint8_t head[HEAD] = {(uint8_t)length, (uint8_t)(length >> 8), (uint8_t)(length >> 16), 0, 0};
    /* The library filled its cache anew, from the start, so there is no room in front of what is unread. */
    if (pvio->cache_pos - pvio->cache < HEAD) {
        size_t left = unread(pvio);
        memmove(pvio->cache + HEAD, pvio->cache_pos, left);
        pvio->cache_pos = pvio->cache + HEAD;
        pvio->cache_size = HEAD + left;
    }
    pvio->cache_pos -= HEAD;
    memcpy(pvio->cache_pos, head, HEAD);
    if (mysql_net_read_packet(wire->mysql) == length)
        return wire->mysql->net.read_pos + 1;
    broke(wire, mysql_errno(wire->mysql), mysql_error(wire->mysql), error);
    return NULL;
}

static int next_packet(struct my_wire *wire, struct cdc_error *error)
{
    const uint8_t *p = read_bytes(wire, 4, error);
    if (!p)
        return -1;
    /* Length in three bytes, little-endian, and a number that we do not need. An event of 16 MiB - 1 or more goes on
     * in the next packet, which may be empty. */
    wire->left = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16;
    wire->last = wire->left != PACKET_MAX;
    return 0;
}

/* More of the event: 1; 0: it has ended; -1. */
static int read_more(struct my_wire *wire, const uint8_t **data, size_t *n, struct cdc_error *error)
{
    if (wire->left == 0 && !wire->last && next_packet(wire, error) < 0)
        return -1;
    if (wire->left == 0)
        return wire->last ? 0 : malformed(error);
    *n = wire->left < MY_EVENT_PART ? wire->left : MY_EVENT_PART;
    *data = read_bytes(wire, *n, error);
    wire->left -= *n;
    return *data ? 1 : -1;
}

/* An error's packet: 0xFF, number, '#' and SQLSTATE, text. */
static int server_error(struct my_wire *wire, const uint8_t *data, size_t n, struct cdc_error *error)
{
    char text[512];
    size_t at = n >= 9 && data[3] == '#' ? 9 : 3;
    if (n < 3)
        return malformed(error);
    size_t length = n - at < sizeof text - 1 ? n - at : sizeof text - 1;
    memcpy(text, data + at, length);
    text[length] = '\0';
    return broke(wire, (unsigned)data[1] | (unsigned)data[2] << 8, text, error);
}

static int join(struct my_wire *wire, const uint8_t *data, size_t n, struct my_wire_part *part, struct cdc_error *error)
{
    int more = 1;
    while (more > 0) {
        cdc_buf_append(&wire->event, data, n);
        if (wire->event.failed)
            return cdc_error_memory(error);
        if (wire->event.len > EVENT_MAX)
            return malformed(error);
        more = read_more(wire, &data, &n, error);
    }
    *part = (struct my_wire_part){(const uint8_t *)wire->event.data, wire->event.len, true};
    return more < 0 ? -1 : 1;
}

/* One more part of the event, whose size its header told. */
static int take_part(struct my_wire *wire, const uint8_t *data, size_t n, bool first, struct my_wire_part *part,
                     struct cdc_error *error)
{
    if (n > wire->event_left)
        return malformed(error);
    wire->event_left -= n;
    *part = (struct my_wire_part){data, n, first};
    return 1;
}

static int next_part(struct my_wire *wire, struct my_wire_part *part, struct cdc_error *error)
{
    const uint8_t *data;
    size_t n;
    int got = read_more(wire, &data, &n, error);
    return got <= 0 ? (got < 0 ? -1 : malformed(error)) : take_part(wire, data, n, false, part, error);
}

static int read_whole(struct my_wire *wire, struct my_wire_part *part, struct cdc_error *error)
{
    unsigned long n = mysql_net_read_packet(wire->mysql);
    const uint8_t *data = wire->mysql->net.read_pos;
    if (n == packet_error)
        return broke(wire, mysql_errno(wire->mysql), mysql_error(wire->mysql), error);
    if (n < 9 && n > 0 && data[0] == 0xFE)
        return 2;
    if (n < 1 || data[0] != 0) /* cannot be: the library turns error packets into packet_error */
        return malformed(error);
    *part = (struct my_wire_part){data + 1, n - 1, true};
    return 1;
}

int my_wire_read(struct my_wire *wire, struct my_wire_part *part, struct cdc_error *error)
{
    int ended = 0;
    size_t n = 0;
    const uint8_t *data = NULL;
    if (!wire->raw)
        return read_whole(wire, part, error);
    if (wire->event_left > 0)
        return next_part(wire, part, error);
    if (wire->left != 0 || (!wire->last && (ended = read_more(wire, &data, &n, error)) != 0))
        return ended < 0 ? -1 : malformed(error); /* the event before is longer than its header says */
    wire->event.len = 0;
    cdc_buf_shrink(&wire->event, KEPT);
    if (next_packet(wire, error) < 0)
        return -1;
    n = wire->left < MY_EVENT_PART + 1 ? wire->left : MY_EVENT_PART + 1;
    data = n > 0 ? read_bytes(wire, n, error) : NULL;
    if (!data)
        return n > 0 ? -1 : malformed(error);
    wire->left -= n;
    /* EOF, which ends a dump that does not wait (DUMP_NON_BLOCK). An event begins with 00. */
    if (data[0] == 0xFE && n < 9)
        return 2;
    if (data[0] != 0)
        return data[0] == 0xFF ? server_error(wire, data, n, error) : malformed(error);
    *part = (struct my_wire_part){data + 1, n - 1, true};
    if (wire->left == 0 && wire->last)
        return 1;
    /* The one event that grows with its transaction, and that can be decoded while it comes. data[0] is the 00, then
     * the event's header: type at 4, size at 9. */
    if (data[1 + 4] != MY_EVENT_TRANSACTION_PAYLOAD)
        return join(wire, data + 1, n - 1, part, error);
    wire->event_left =
        (uint64_t)data[10] | (uint64_t)data[11] << 8 | (uint64_t)data[12] << 16 | (uint64_t)data[13] << 24;
    return take_part(wire, data + 1, n - 1, true, part, error);
}
