/* SPDX-License-Identifier: MIT */
/* Where in its log the decoder stands: events tell the low 32 bits of their end, and some tell nothing of the file. */
#include "connectors/mysql/decoder/decoder.h"
#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/value/flavor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GIB (UINT64_C(1) << 30)

static int failures;
static struct my_decoder *decoder;
static struct cdc_buf event, lines;

static void put(uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        cdc_buf_byte(&event, (char)(value >> (8 * i)));
}

static void head(uint8_t type, size_t body, uint16_t flags, uint64_t next)
{
    event.len = 0;
    put(1700000000, 4);
    put(type, 1);
    put(7, 4);
    put(MY_EVENT_HEADER_SIZE + body, 4);
    put(next, 4);
    put(flags, 2);
}

static void stands_at(const char *what, const char *file, uint64_t position)
{
    struct cdc_error error = {0};
    bool taken = my_decoder_take(decoder, (const uint8_t *)event.data, event.len, &lines, &error) == 0;
    const struct my_coord *coord = my_decoder_coord(decoder);
    bool good = taken && coord->position == position && strcmp(coord->file, file) == 0;
    failures += !good;
    printf("%s - %s\n", good ? "ok" : "not ok", what);
    if (!good)
        printf("#  got %s:%llu %s\n# want %s:%llu\n", coord->file, (unsigned long long)coord->position, error.text,
               file, (unsigned long long)position);
}

static void format(const char *what, uint16_t flags, uint64_t next, const char *file, uint64_t position)
{
    char version[50] = "10.11.6-MariaDB-log";
    head(MY_EVENT_FORMAT, 2 + sizeof version + 4 + 1 + 164 + 1 + 4, flags, next);
    put(4, 2);
    cdc_buf_append(&event, version, sizeof version);
    put(0, 4);
    put(MY_EVENT_HEADER_SIZE, 1);
    for (int type = 1; type <= 164; type++)
        put(0, 1);
    put(0, 1 + 4); /* no checksums */
    stands_at(what, file, position);
}

static void rotate(const char *what, uint16_t flags, uint64_t next, const char *file, uint64_t position)
{
    head(MY_EVENT_ROTATE, 8 + strlen(file), flags, next);
    put(position, 8);
    cdc_buf_text(&event, file);
    stands_at(what, file, position);
}

/* An event without a meaning for the lines. */
static void other(const char *what, uint8_t type, uint16_t flags, uint64_t next, const char *file, uint64_t position)
{
    head(type, 4, flags, next);
    put(0, 4);
    stands_at(what, file, position);
}

static void begin(const char *file, uint64_t position)
{
    const struct my_decoder_settings settings = {.pipeline = "p", .flavor = MY_FLAVOR_MARIADB};
    struct my_coord coord = {"", position};
    snprintf(coord.file, sizeof coord.file, "%s", file);
    my_decoder_free(decoder);
    decoder = my_decoder_new(&settings, NULL);
    if (!decoder || my_decoder_start(decoder, 1, "", &coord, NULL) < 0)
        exit(1);
}

/* As a server sends it when reading begins inside of a file of more than 4 GiB. */
static void test_stream(void)
{
    const uint64_t from = 5 * GIB;
    begin("binlog.000001", from);
    rotate("the artificial ROTATE at the start", MY_EVENT_FLAG_ARTIFICIAL, 0, "binlog.000001", from);
    format("FORMAT_DESCRIPTION without a position", 0, 0, "binlog.000001", from);
    format("an artificial one with its position in the file", MY_EVENT_FLAG_ARTIFICIAL, 256, "binlog.000001", from);
    other("an artificial GTID_LIST", MY_EVENT_MARIADB_GTID_LIST, MY_EVENT_FLAG_ARTIFICIAL, 300, "binlog.000001", from);
    other("an event of the file", MY_EVENT_INTVAR, 0, from + 27, "binlog.000001", from + 27);
    other("one without a position", MY_EVENT_INTVAR, 0, 0, "binlog.000001", from + 27);
    other("what was skipped before it", MY_EVENT_INTVAR, 0, from + GIB, "binlog.000001", from + GIB);
    other("up to 8 GiB", MY_EVENT_INTVAR, 0, 8 * GIB - 5, "binlog.000001", 8 * GIB - 5);
    other("and over it", MY_EVENT_INTVAR, 0, 8 * GIB + 22, "binlog.000001", 8 * GIB + 22);
    other("a heartbeat tells nothing of it", MY_EVENT_HEARTBEAT, 0, 8 * GIB - 5, "binlog.000001", 8 * GIB + 22);
    other("nor does one of the second kind", MY_EVENT_HEARTBEAT_V2, 0, 8 * GIB - 5, "binlog.000001", 8 * GIB + 22);
    other("and the next event is where it is", MY_EVENT_INTVAR, 0, 8 * GIB + 49, "binlog.000001", 8 * GIB + 49);
    rotate("the next file", 0, 8 * GIB + 100, "binlog.000002", 4);
    format("which begins small", 0, 256, "binlog.000002", 256);
    other("and goes on", MY_EVENT_INTVAR, 0, 283, "binlog.000002", 283);
}

/* A relay log has places of the log that it was copied from, and events of its own. */
static void test_relay_log(void)
{
    begin("relay.000002", 4);
    format("the relay log's own FORMAT_DESCRIPTION", MY_EVENT_FLAG_RELAY_LOG, 256, "relay.000002", 4);
    rotate("the log that it was copied from", MY_EVENT_FLAG_ARTIFICIAL, 0, "binlog.000007", 900000);
    format("the FORMAT_DESCRIPTION of that", 0, 0, "binlog.000007", 900000);
    other("an event", MY_EVENT_INTVAR, 0, 900027, "binlog.000007", 900027);
    rotate("copied again from there on", MY_EVENT_FLAG_ARTIFICIAL, 0, "binlog.000007", 800000);
    other("an event before", MY_EVENT_INTVAR, 0, 800027, "binlog.000007", 800027);
    other("the relay log's own end", MY_EVENT_STOP, MY_EVENT_FLAG_RELAY_LOG, 279, "binlog.000007", 800027);
}

int main(void)
{
    test_stream();
    test_relay_log();
    my_decoder_free(decoder);
    cdc_buf_free(&event);
    cdc_buf_free(&lines);
    return failures ? 1 : 0;
}
