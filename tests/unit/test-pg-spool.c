/* SPDX-License-Identifier: MIT */
/* Streamed transactions: random ones, several at a time, with subtransactions that are rolled back at every depth, cut into blocks at
 * random, against a model of what a server without streaming sends. And what no server should send. */
#include "connectors/postgres/stream/spool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t failures;

static void check(bool good, const char *what)
{
    failures += !good;
    printf("%sok - %s\n", good ? "" : "not ", what);
}

static uint64_t state;
static uint32_t draw(uint32_t below)
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 33) % below;
}

static void put(struct cdc_buf *out, uint64_t value, size_t n)
{
    while (n-- > 0)
        cdc_buf_byte(out, (char)(value >> n * 8));
}

/* -- the server -- */

enum { OPEN = 4, DEPTH = 5, MESSAGES = 600 };

struct message {
    uint32_t xid; /* of the subtransaction */
    bool gone, sent;
    char type;
    uint32_t number, length;
    uint64_t place;
};

struct server_transaction {
    uint32_t xid, stack[DEPTH], depth; /* the subtransactions that are open; 0: none has an id yet */
    struct message messages[MESSAGES];
    size_t n;
    bool streamed; /* a block has been sent */
};

static struct server_transaction open_ones[OPEN];
static uint32_t next_xid;
static uint64_t place;
static uint32_t number;

static uint32_t new_xid(void)
{
    while (next_xid < 3) /* these mean something else */
        next_xid++;
    return next_xid++;
}

static bool has_messages; /* logical ones, which come with the id of the transaction */
static bool unsure;       /* the spool cannot tell */
static size_t unsures;

static void take(struct pg_spool *spool, const struct cdc_buf *message)
{
    struct cdc_error error = {0};
    int got = pg_spool_take(spool, place, message->data, message->len, &error);
    unsure |= got == PG_SPOOL_UNSURE;
    if (got != PG_SPOOL_TAKEN && got != PG_SPOOL_UNSURE)
        check(false, error.text[0] ? error.text : "a message is taken for another one");
}

/* The body after the type and the id. */
static void body(struct cdc_buf *out, const struct message *message)
{
    put(out, message->number, 4);
    for (uint32_t i = 0; i < message->length; i++)
        cdc_buf_byte(out, (char)(message->number + i));
}

static void send_block(struct pg_spool *spool, struct server_transaction *one)
{
    struct cdc_buf out = CDC_BUF_INIT;
    size_t n = 0;
    for (size_t i = 0; i < one->n; i++)
        n += !one->messages[i].sent && !one->messages[i].gone;
    if (n == 0)
        return;
    cdc_buf_byte(&out, 'S');
    put(&out, one->xid, 4);
    cdc_buf_byte(&out, one->streamed ? 0 : 1);
    take(spool, &out);
    for (size_t i = 0; i < one->n; i++) {
        struct message *message = &one->messages[i];
        if (message->sent || message->gone)
            continue;
        out.len = 0;
        cdc_buf_byte(&out, message->type);
        put(&out, message->type == 'M' ? one->xid : message->xid, 4);
        body(&out, message);
        uint64_t now = place;
        place = message->place;
        take(spool, &out);
        place = now;
        message->sent = true;
    }
    out.len = 0;
    cdc_buf_byte(&out, 'E');
    take(spool, &out);
    one->streamed = true;
    cdc_buf_free(&out);
}

static void send_abort(struct pg_spool *spool, const struct server_transaction *one, uint32_t xid)
{
    struct cdc_buf out = CDC_BUF_INIT;
    cdc_buf_byte(&out, 'A');
    put(&out, one->xid, 4);
    put(&out, xid, 4);
    take(spool, &out);
    cdc_buf_free(&out);
}

static void write_row(struct server_transaction *one)
{
    /* All that are open get their ids before their first write, from the outside in; it may be one that nobody publishes. */
    for (uint32_t i = 0; i < one->depth; i++)
        if (one->stack[i] == 0)
            one->stack[i] = new_xid();
    place += 8;
    if (one->n == MESSAGES || draw(4) == 0)
        return;
    bool is_relation = draw(6) == 0;
    one->messages[one->n++] = (struct message){.xid = one->depth > 0 ? one->stack[one->depth - 1] : one->xid,
                                               .type = is_relation                    ? 'R'
                                                       : has_messages && draw(9) == 0 ? 'M'
                                                                                      : "IUDT"[draw(4)],
                                               .number = number++,
                                               .length = draw(40) == 0 ? draw(400000) : draw(30),
                                               .place = place};
}

/* The innermost one, and all that was released into it: children first. */
static void roll_back(struct pg_spool *spool, struct server_transaction *one)
{
    uint32_t xid = one->stack[--one->depth];
    if (xid == 0)
        return;
    for (uint32_t k = next_xid - xid; k-- > 0;) {
        uint32_t part = xid + k;
        bool has_sent = false, has = false;
        for (size_t i = 0; i < one->n; i++)
            if (one->messages[i].xid == part) {
                has = true;
                has_sent |= one->messages[i].sent && !one->messages[i].gone;
                one->messages[i].gone = true;
            }
        if (has && !unsure && (has_sent || (one->streamed && draw(2) == 0)))
            send_abort(spool, one, part);
    }
}

static void expect(struct cdc_buf *out, const struct server_transaction *one, uint64_t commit_lsn)
{
    cdc_buf_byte(out, 'B');
    put(out, commit_lsn, 8);
    put(out, 77, 8);
    put(out, one->xid, 4);
    put(out, commit_lsn, 8);
    for (size_t i = 0; i < one->n; i++)
        if (!one->messages[i].gone) {
            cdc_buf_byte(out, one->messages[i].type);
            body(out, &one->messages[i]);
            put(out, one->messages[i].place, 8);
        }
    cdc_buf_byte(out, 'C');
    cdc_buf_byte(out, 0);
    put(out, commit_lsn, 8);
    put(out, commit_lsn + 48, 8);
    put(out, 77, 8);
    put(out, commit_lsn, 8);
}

static bool has_change(const struct server_transaction *one)
{
    for (size_t i = 0; i < one->n; i++)
        if (!one->messages[i].gone && one->messages[i].type != 'R')
            return true;
    return false;
}

static void drain(struct pg_spool *spool, struct cdc_buf *out)
{
    struct cdc_error error = {0};
    while (pg_spool_has(spool)) {
        uint64_t at;
        struct cdc_span payload;
        if (pg_spool_next(spool, &at, &payload, &error) < 0) {
            check(false, error.text);
            return;
        }
        cdc_buf_span(out, payload);
        put(out, at, 8);
    }
}

static bool commit(struct pg_spool *spool, struct server_transaction *one, bool keeps_empty)
{
    struct cdc_buf wanted = CDC_BUF_INIT, got = CDC_BUF_INIT, out = CDC_BUF_INIT;
    bool same = true;
    if (one->streamed) {
        send_block(spool, one);
        cdc_buf_byte(&out, 'c');
        put(&out, one->xid, 4);
        cdc_buf_byte(&out, 0);
        put(&out, place, 8);
        put(&out, place + 48, 8);
        put(&out, 77, 8);
        take(spool, &out);
        drain(spool, &got);
        if (has_change(one) || keeps_empty)
            expect(&wanted, one, place);
        same = wanted.len == got.len && (got.len == 0 || memcmp(wanted.data, got.data, got.len) == 0);
    }
    cdc_buf_free(&wanted);
    cdc_buf_free(&got);
    cdc_buf_free(&out);
    one->xid = 0;
    place += 64;
    return same;
}

static void step(struct pg_spool *spool, bool keeps_empty, bool *good)
{
    struct server_transaction *one = &open_ones[draw(OPEN)];
    if (one->xid == 0) {
        *one = (struct server_transaction){.xid = new_xid()};
        return;
    }
    switch (draw(12)) {
    case 0:
        if (one->depth < DEPTH)
            one->stack[one->depth++] = 0;
        break;
    case 1: /* released */
        if (one->depth > 0)
            one->depth--;
        break;
    case 2:
        if (one->depth > 0)
            roll_back(spool, one);
        break;
    case 3:
    case 4: send_block(spool, one); break;
    case 5:
        if (draw(4) == 0)
            *good = commit(spool, one, keeps_empty) && *good;
        break;
    case 6:
        if (draw(12) == 0) {
            if (one->streamed)
                send_abort(spool, one, one->xid);
            one->xid = 0;
        }
        break;
    default: write_row(one);
    }
    if (!unsure)
        return;
    /* A new connection, without streaming: here, nothing of what was open. */
    *good = *good && has_messages;
    pg_spool_reset(spool, keeps_empty);
    for (int i = 0; i < OPEN; i++)
        open_ones[i].xid = 0;
    unsure = false;
    unsures++;
}

static void test_random(uint64_t seed)
{
    char name[80];
    struct cdc_error error = {0};
    bool good = true, keeps_empty = seed % 2 == 1;
    struct pg_spool *spool = pg_spool_new("/tmp", &error);
    state = seed;
    has_messages = seed % 4 >= 2;
    memset(open_ones, 0, sizeof open_ones);
    next_xid = seed % 3 == 0 ? UINT32_MAX - 100 : 700; /* ids wrap */
    place = 1000;
    if (spool) {
        pg_spool_reset(spool, keeps_empty);
        for (int i = 0; i < 6000; i++)
            step(spool, keeps_empty, &good);
    }
    pg_spool_free(spool);
    snprintf(name, sizeof name, "what commits, as it would have come (seed %d)", (int)seed);
    check(spool && good, name);
}

/* -- what is refused -- */

static int take_text(struct pg_spool *spool, const char *text, size_t n)
{
    struct cdc_error error = {0};
    int got = pg_spool_take(spool, 1, text, n, &error);
    return got < 0 ? error.status : got;
}
#define TAKE(text) take_text(spool, text, sizeof(text) - 1)

static void test_refused(void)
{
    struct cdc_error error = {0};
    struct pg_spool *spool = pg_spool_new("/tmp", &error);
    check(spool != NULL, "made");
    check(TAKE("I\0\0\0\1x") == 0, "a change outside a block is not streamed");
    check(TAKE("c\0\0\0\7\0AAAAAAAABBBBBBBBCCCCCCCC") == CDC_EXIT_PROTOCOL, "a commit of what has not begun");
    check(TAKE("S\0\0\0\7\0") == CDC_EXIT_PROTOCOL, "a second block without a first one");
    check(TAKE("E") == CDC_EXIT_PROTOCOL, "an end without a begin");
    check(TAKE("S\0\0\0\7") == CDC_EXIT_PROTOCOL, "a short head");
    check(TAKE("S\0\0\0\7\1") == 1, "a first block");
    check(TAKE("S\0\0\0\7\0") == CDC_EXIT_PROTOCOL, "a block in a block");
    check(TAKE("A\0\0\0\7\0\0\0\7") == CDC_EXIT_PROTOCOL, "a rollback in a block");
    check(TAKE("I\0\0") == CDC_EXIT_PROTOCOL, "a short change");
    check(TAKE("B\0\0\0\7") == CDC_EXIT_PROTOCOL, "a begin in a block");
    check(TAKE("I\0\0\0\7row") == 1 && TAKE("E") == 1, "a change");
    check(TAKE("S\0\0\0\7\1") == CDC_EXIT_PROTOCOL, "a second beginning");
    check(TAKE("c\0\0\0\7\0AAAAAAAABBBBBBBBCCCCCCC") == CDC_EXIT_PROTOCOL, "a short commit");
    check(TAKE("A\0\0\0\x9\0\0\0\x9") == 1, "a rollback of what has not come");
    check(TAKE("c\0\0\0\7\0AAAAAAAABBBBBBBBCCCCCCCC") == 1 && pg_spool_has(spool), "a commit");
    pg_spool_reset(spool, false);
    check(!pg_spool_has(spool) && TAKE("c\0\0\0\7\0AAAAAAAABBBBBBBBCCCCCCCC") == CDC_EXIT_PROTOCOL,
          "a new connection knows nothing of it");
    pg_spool_free(spool);
}

/* M before the first change of what is rolled back, and M after it. */
static void test_messages(void)
{
    struct cdc_error error = {0};
    struct pg_spool *spool = pg_spool_new("/tmp", &error);
    check(TAKE("S\0\0\0\7\1") == 1 && TAKE("I\0\0\0\7row") == 1 && TAKE("I\0\0\0\x9row") == 1 &&
              TAKE("M\0\0\0\7text") == 1 && TAKE("E") == 1 && TAKE("A\0\0\0\7\0\0\0\x9") == 1,
          "a message after the first change of what is rolled back goes with it");
    check(TAKE("S\0\0\0\7\0") == 1 && TAKE("M\0\0\0\7text") == 1 && TAKE("I\0\0\0\7row") == 1 &&
              TAKE("I\0\0\0\xbrow") == 1 && TAKE("E") == 1 && TAKE("A\0\0\0\7\0\0\0\xb") == 1,
          "one before a change of the transaction itself stays");
    check(TAKE("S\0\0\0\7\0") == 1 && TAKE("M\0\0\0\7text") == 1 && TAKE("I\0\0\0\xcrow") == 1 && TAKE("E") == 1 &&
              TAKE("A\0\0\0\7\0\0\0\xc") == PG_SPOOL_UNSURE,
          "one just before it may be of either");
    pg_spool_free(spool);
}

static void test_folder(void)
{
    struct cdc_error error = {0};
    struct pg_spool *spool = pg_spool_new("/nonexistent/folder", &error);
    check(!spool && error.status == CDC_EXIT_CONFIG, "a folder that is not there");
    pg_spool_free(spool);
}

int main(void)
{
    for (uint64_t seed = 1; seed <= 12; seed++)
        test_random(seed);
    check(unsures > 0, "logical messages that may have been rolled back are not guessed");
    test_refused();
    test_messages();
    test_folder();
    return failures == 0 ? 0 : 1;
}
