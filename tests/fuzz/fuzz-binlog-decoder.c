/* SPDX-License-Identifier: MIT */
/* Any events, one after the other, through the whole decoder, from table maps and rows to lines. The first byte says of which
 * server and how values are written; each event is its type, two bytes of length, and a body. Whatever comes out must be
 * whole, valid lines whose positions rise. */
#include "connectors/mysql/decoder/decoder.h"
#include "connectors/mysql/decoder/table.h"
#include "connectors/mysql/event/coord.h"
#include "connectors/mysql/event/event.h"
#include "connectors/mysql/value/flavor.h"
#include "tests/fuzz/fuzz.h"

#include <cdc/event.h>
#include <stdio.h>
#include <stdlib.h>

#define HEARTBEAT 0       /* as a type: no event's */
#define EVENTS_MAX 2000   /* a payload may hold any number of them */
#define OUT_MAX (8 << 20) /* what was packed may become much */

static char last_pos[128];
static int64_t last_seq;

static void expect(bool good)
{
    if (!good)
        abort();
}

static void check_order(const struct cdc_event *event)
{
    char pos[sizeof last_pos];
    expect(event->pos.p != NULL && event->pos.n < sizeof pos && event->has_seq && event->seq >= last_seq);
    memcpy(pos, event->pos.p, event->pos.n);
    pos[event->pos.n] = '\0';
    expect(strcmp(pos, last_pos) > 0);
    strcpy(last_pos, pos);
    last_seq = event->seq;
}

static void check_lines(struct cdc_buf *out)
{
    const char *p = out->data, *end = out->len > 0 ? out->data + out->len : out->data;
    while (p < end && !out->failed) {
        struct cdc_event event;
        struct cdc_error error = {0};
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        expect(lf != NULL && cdc_event_parse(&event, p, (size_t)(lf - p), &error) == 0);
        expect(event.op != CDC_OP_UNKNOWN);
        check_order(&event);
        p = lf + 1;
    }
    out->len = 0;
}

/* Names and a key, where the log tells none. */
static int describe(void *context, struct my_table *table, const struct my_coord *coord, struct cdc_error *error)
{
    (void)context, (void)coord, (void)error;
    for (size_t i = 0; i < table->n_columns; i++) {
        char name[32];
        snprintf(name, sizeof name, "c%zu", i);
        if (table->columns[i].name == NULL && (table->columns[i].name = strdup(name)) == NULL)
            return -1;
    }
    if (!table->has_key_told && table->n_columns > 0)
        table->columns[0].listed_key = true;
    return 0;
}

static void put_u32(uint8_t *p, size_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> 8 * i);
}

static int decode(struct my_decoder *decoder, const uint8_t *event, size_t n, struct cdc_buf *out)
{
    struct cdc_error error = {0};
    int more = my_decoder_take(decoder, event, n, out, &error);
    for (int i = 0; more > 0 && i < EVENTS_MAX && out->len < OUT_MAX; i++)
        more = my_decoder_more(decoder, out, &error);
    expect(more >= 0 || error.status != 0);
    check_lines(out);
    return more == 0 ? 0 : -1;
}

static void events(struct my_decoder *decoder, const uint8_t *data, size_t size)
{
    struct cdc_buf out = CDC_BUF_INIT;
    size_t position = 4;
    int result = 0;
    while (result == 0 && size >= 3) {
        uint8_t type = data[0];
        size_t n = (size_t)data[1] | (size_t)data[2] << 8;
        n = n > size - 3 ? size - 3 : n;
        uint8_t *event = calloc(1, MY_EVENT_HEADER_SIZE + n); /* its own: a read beyond it is seen */
        if (event == NULL)
            break;
        event[4] = type;
        event[5] = 1;
        put_u32(event, 1700000000);
        put_u32(event + 9, MY_EVENT_HEADER_SIZE + n);
        put_u32(event + 13, position += MY_EVENT_HEADER_SIZE + n);
        memcpy(event + MY_EVENT_HEADER_SIZE, data + 3, n);
        if (type != HEARTBEAT) {
            result = decode(decoder, event, MY_EVENT_HEADER_SIZE + n, &out);
        } else if (!my_decoder_in_transaction(decoder)) {
            my_decoder_heartbeat(decoder, 1, &out);
            check_lines(&out);
        }
        free(event);
        data += 3 + n;
        size -= 3 + n;
    }
    cdc_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct my_decoder_settings settings = {.pipeline = "n",
                                           .flavor = data[0] & 1 ? MY_FLAVOR_MARIADB : MY_FLAVOR_MYSQL,
                                           .value_format = {data[0] & 2, data[0] & 4},
                                           .describe = data[0] & 8 ? NULL : describe};
    struct my_coord coord = {"f.000001", 4};
    struct my_decoder *decoder = my_decoder_new(&settings, NULL);
    last_pos[0] = '\0';
    last_seq = 0;
    if (decoder != NULL && my_decoder_start(decoder, 1, "", &coord, NULL) == 0)
        events(decoder, data + 1, size - 1);
    my_decoder_free(decoder);
    return 0;
}
