/* SPDX-License-Identifier: MIT */
/* A PostgreSQL stream in time: what it says, writes and asks while nothing comes, or little, step by step. The clock stands still
 * but for the steps. */
#include "connectors/postgres/stream/stream.h"
#include "tests/unit/difference.h"
#include "tests/unit/fake-postgres.h"

#include <cdc/retry.h>
#include <cdc/start.h>
#include <time.h>

static size_t failures;

/* -- the clock -- */

#define WALL_AT_0 1795710000000   /* ms, since 1970 */
static int64_t now_ms, each_look; /* each_look: at the clock takes that long */

int clock_gettime(clockid_t clock, struct timespec *now)
{
    now_ms += clock == CLOCK_MONOTONIC ? each_look : 0;
    int64_t ms = now_ms + (clock == CLOCK_MONOTONIC ? 1000000 : WALL_AT_0);
    *now = (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    return 0;
}

/* -- the server -- */

#define SLOT "plugin|other_database|active|pid|confirmed|restart|lost|synced|two_phase\n"
#define CATALOG                                                                                                        \
    "oid|schema|name|root_schema|root|kind|persistence|listed|published|via_root|under_root|owned|readable|hidden|"    \
    "estimate|filter|columns|lists_columns|hole|partial|large|columnless|detaching|nullable_key|inserts_only|unsent|"  \
    "is_18|"                                                                                                           \
    "replica_"                                                                                                         \
    "identity|partitioned|primary_exists|primary_is_immediate|index_exists|unlike\n"
#define TABLE_T(published)                                                                                             \
    CATALOG "16384|public|t|~|~|r|p|" published "|" published "|t|f|t|t|f|5|~|{id,v}|f|~|f|f|f|~|~|f|f|f|d|f|t|t|f|~"
#define WAYS "table_oid|target|schema|name|target_schema|target_name|by_another|way|lsn"
#define MEMBERS                                                                                                        \
    "publication|written|is|whole|newest|ids|via_root|kind|of|row"                                                     \
    "|schema|name|partitioned|root_schema|root\n"                                                                      \
    "16396|725|10 f t t t t t|725 1 5|730|727|t|s|2200|16397|public|t|f|~|~"
#define SYSTEM "systemid|timeline|xlogpos|dbname\n7712519040855319821|1|0/2000000|postgres"

static struct fake_answer usual[] = {
    {"AS timeline", NULL, false}, /* as the script has it: this, and the next one */
    {"wal_level", NULL, false},
    {"AS table_oid", WAYS, false},
    {"SET statement_timeout", NULL, false},
    {"pg_postmaster_start_time", "started\nx", false},
    {"IDENTIFY_SYSTEM", SYSTEM, false},
    {"FROM pg_replication_slots WHERE slot_name", SLOT "pgoutput||t|1002|0/1000|0/1000|f|f|f", false},
    {"SELECT 1 FROM pg_publication", "?column?\n1", false},
    {"obj_description", "comment\nmade by pg-cdc for p", false},
    {"SET lock_timeout", NULL, false},
    {"WITH p AS MATERIALIZED", TABLE_T("t"), false},
    {"AS missing FROM pg_publication", "missing\n", false},
    {"SELECT p.oid AS publication", MEMBERS, false},
    {"AS standby", "standby\nf", false},
    {"AS flushed", "flushed|inserted|delay\n0/3000|0/3000|0", false},
    {"START_REPLICATION", "COPY log", false},
    {"AS server_end", "concat_ws\n1", false},
    {"pg_encoding_max_length", "single\nf", false},
    {"SELECT c.*, coalesce", "oid", true},
    {"WITH RECURSIVE c AS", "name|base_name|base|leaf|delimiters|leaf_is\ninteger|~|23|23||\ntext|~|25|25||", true},
    {NULL, NULL, false}};
/* While it connects nobody reads the slot. */
static const struct fake_answer while_connecting[] = {
    {"FROM pg_replication_slots WHERE slot_name", SLOT "pgoutput||f|0|0/1000|0/1000|f|f|f", false},
    {NULL, NULL, false}};

static char bytes[4][256];
static struct fake_copy copies[] = {{.name = "log"}, {.name = NULL}};

/* -- what has happened -- */

static struct cdc_buf trace;
static size_t sent_seen, said_seen;

static void keep_message(void *context, enum cdc_log_level level, const char *message)
{
    (void)context;
    if (level != CDC_LOG_DEBUG)
        cdc_buf_printf(&trace, "  log: %s\n", message);
}
static const struct cdc_log log_to = {.write = keep_message};

static uint64_t number_at(const char *p, int n)
{
    uint64_t value = 0;
    while (n-- > 0)
        value = value << 8 | (unsigned char)*p++;
    return value;
}

/* Status messages since the last step, and questions, of which the first words tell which they are. What each look at the tables
 * has besides is of no interest here. */
static void trace_sent(void)
{
    for (; sent_seen < fake.sent.len; sent_seen += 34) {
        const char *p = fake.sent.data + sent_seen;
        cdc_buf_printf(&trace, "  status %c %lX %lX %lX at %ld%s\n", p[0], (long)number_at(p + 1, 8),
                       (long)number_at(p + 9, 8), (long)number_at(p + 17, 8),
                       (long)(number_at(p + 25, 8) / 1000 - (WALL_AT_0 - 946684800000)),
                       p[33] ? ", a reply is asked for" : "");
    }
    while (said_seen < fake.said.len) {
        const char *p = fake.said.data + said_seen;
        size_t n = strcspn(p, "\n");
        if (strncmp(p + 2, "cdc_p", 5) != 0 && strncmp(p + 2, "SET lock_timeout = 0", 20) != 0)
            cdc_buf_printf(&trace, "  says %.*s\n", n > 40 ? 40 : (int)n, p);
        said_seen += n + 1;
    }
}

/* Lines without what is the same in each of them. */
static void trace_lines(const struct cdc_buf *out)
{
    for (const char *p = out->data, *end = p + out->len; out->len > 0 && p < end;) {
        size_t n = strcspn(p, "\n");
        const char *op = memmem(p, n, "\"op\":", 5), *pos = memmem(p, n, "\"pos\":", 6),
                   *ts = memmem(p, n, "\"ts_ms\":", 8), *timeline = memmem(p, n, "\"timeline\":", 11);
        cdc_buf_printf(&trace, "  line %.*s %.*s %.*s %.*s\n", op ? (int)strcspn(op, ",") : 0, op ? op : "",
                       pos ? (int)strcspn(pos, ",") : 0, pos ? pos : "", ts ? (int)strcspn(ts, ",}") : 0, ts ? ts : "",
                       timeline ? (int)strcspn(timeline, ",}") : 0, timeline ? timeline : "");
        p += n + 1;
    }
}

/* -- steps -- */

struct script {
    const char *options, *steps;
    struct fake_answer answers[4]; /* from the step "answers" on; and an end */
    const char *want;
};

static struct pg_stream *made;
static uint64_t pending_end;

static void big_endian(char *to, uint64_t value, int n)
{
    while (n-- > 0) {
        to[n] = (char)value;
        value >>= 8;
    }
}

static size_t queued;

static void put(const char *data, size_t n)
{
    memcpy(bytes[queued % 4], data, n);
    struct fake_message *messages = (struct fake_message *)copies[0].messages;
    messages[queued] = (struct fake_message){bytes[queued % 4], n};
    messages[queued + 1] = (struct fake_message){NULL, 1};
    queued++;
}

static void put_logged(const char *data, size_t n)
{
    char message[200] = "w";
    memcpy(message + 25, data, n);
    put(message, 25 + n);
}

static uint64_t wall_us(void)
{
    return (uint64_t)(WALL_AT_0 + now_ms - 946684800000) * 1000;
}

static void put_keepalive(uint64_t wal_end, bool asks)
{
    char message[18] = "k";
    big_endian(message + 1, wal_end, 8);
    big_endian(message + 9, wall_us(), 8);
    message[17] = asks;
    put(message, sizeof message);
}

static void put_begin(uint64_t commit)
{
    char message[21] = "B";
    big_endian(message + 1, commit, 8);
    big_endian(message + 9, wall_us(), 8);
    big_endian(message + 17, 700, 4);
    pending_end = commit;
    put_logged(message, sizeof message);
}

static void put_commit(void)
{
    char message[26] = "C";
    big_endian(message + 2, pending_end, 8);
    big_endian(message + 10, pending_end + 0x30, 8);
    big_endian(message + 18, wall_us(), 8);
    put_logged(message, sizeof message);
}

static const char *result_name(int result)
{
    static const char *const names[] = {"error", "idle", "more", "end"};
    return names[result + 1];
}

/* One word of the steps; false after an error. */
static bool step(const struct script *script, const char *word, size_t n, struct cdc_error *error)
{
    struct cdc_buf out = CDC_BUF_INIT;
    int result = 0;
#define IS(text) (n == sizeof text - 1 && memcmp(word, text, n) == 0)
    if (*word == '+') {
        now_ms += atoi(word + 1);
    } else if (*word == 'k') {
        put_keepalive(strtoul(word + 1, NULL, 16), word[n - 1] == '!');
    } else if (*word == 'B') {
        put_begin(strtoul(word + 1, NULL, 16));
    } else if (IS("C")) {
        put_commit();
    } else if (IS("short-k")) {
        put("k1234567890123456", 17);
    } else if (IS("short-w")) {
        put("w123456789012345678901234", 25);
    } else if (IS("unknown")) {
        put("x", 1);
    } else if (IS("answers")) {
        fake.first = script->answers;
    } else if (IS("unsent")) {
        fake.unsent = 1;
    } else if (IS("slow") || IS("quick")) {
        each_look = IS("slow") ? 20 : 0;
    } else if (IS("busy") || IS("free")) {
        fake.busy_at = 1;
        fake.busy = IS("busy") ? 1 << 20 : 0;
    } else if (IS("reconnect")) {
        struct cdc_offset from = {0};
        const struct cdc_offset *boundary = pg_stream_ops.boundary(made);
        if (boundary && cdc_offset_copy(&from, boundary, error) < 0)
            abort();
        const struct fake_answer *first = fake.first;
        fake.first = while_connecting;
        queued = 0;
        ((struct fake_message *)copies[0].messages)[0] = (struct fake_message){NULL, 0};
        pg_stream_ops.disconnect(made);
        ((struct fake_message *)copies[0].messages)[0] = (struct fake_message){NULL, 1};
        result = pg_stream_ops.connect(made, boundary ? &from : NULL, error);
        cdc_buf_printf(&trace, "%ld reconnect: %d\n", (long)now_ms, result);
        fake.first = first;
        cdc_offset_free(&from);
    } else if (IS("sent")) {
        fake.unsent = 0;
    } else if (IS("session-breaks") || IS("connects-no-more")) {
        fake.fault = IS("session-breaks") ? FAKE_BREAKS : FAKE_NO_CONNECTION;
        fake.fault_at = 1;
        fake.met = 0;
    } else if (IS("read") || IS("read-1")) {
        result = pg_stream_ops.read(made, &out, IS("read") ? 1 << 20 : 1, error);
        cdc_buf_printf(&trace, "%ld %.*s: %s\n", (long)now_ms, (int)n, word, result_name(result));
    } else if (IS("tick") || IS("blocked")) {
        result = pg_stream_ops.tick(made, &out, IS("blocked"), error);
        cdc_buf_printf(&trace, "%ld %.*s: %d\n", (long)now_ms, (int)n, word, result);
    } else if (IS("confirm")) {
        const struct cdc_offset *boundary = pg_stream_ops.boundary(made);
        result = boundary ? pg_stream_ops.confirm(made, boundary, error) : 0;
        cdc_buf_printf(&trace, "%ld confirm %s: %d\n", (long)now_ms, boundary ? boundary->pos : "nothing", result);
    } else if (IS("state")) {
        short events = 0;
        bool open = pg_stream_ops.descriptor(made, &events) >= 0;
        const struct cdc_offset *boundary = pg_stream_ops.boundary(made);
        cdc_buf_printf(&trace, "%ld state: %d events %d, between %d, boundary %s\n", (long)now_ms, open, events,
                       pg_stream_ops.between(made), boundary ? boundary->pos : "none");
    } else {
        abort();
    }
    trace_lines(&out);
    trace_sent();
    cdc_buf_free(&out);
    return result >= 0;
}

static const char *pattern[] = {"public.*"};

static bool opts(const struct script *script, const char *word)
{
    return strstr(script->options, word) != NULL;
}

static const char *option_value(const struct script *script, const char *name, char value[64])
{
    const char *p = strstr(script->options, name);
    if (!p)
        return NULL;
    p += strlen(name);
    snprintf(value, 64, "%.*s", (int)strcspn(p, " "), p);
    return value;
}

static void play(const struct script *script)
{
    char until[64], heartbeat[64] = "", most[64] = "";
    struct cdc_error error = {0};
    struct cdc_metrics metrics = {0};
    now_ms = 0;
    queued = sent_seen = said_seen = 0;
    trace.len = fake.said.len = fake.sent.len = 0;
    usual[1].rows = opts(script, "timeout=2000") ? "wal_level|timeout|checkpoint\nlogical|2000|0/1543E00"
                    : opts(script, "timeout=0")  ? "wal_level|timeout|checkpoint\nlogical|0|0/1543E00"
                                                 : "wal_level|timeout|checkpoint\nlogical|60000|0/1543E00";
    usual[0].rows = opts(script, "standby") ? "standby|timeline\nt|1" : "standby|timeline\nf|1";
    fake.answers = usual;
    fake.first = while_connecting;
    fake.copies = copies;
    fake.connections = fake.open = 0;
    fake.unsent = fake.busy = 0;
    each_look = 0;
    pattern[0] = opts(script, "exact") ? "public.t" : "public.*";
    fake.fault = FAKE_SOUND;
    fake.encoding = opts(script, "LATIN1") ? "LATIN1" : "UTF8";
    fake.standby = opts(script, "standby") ? "on" : "off";
    memset(fake.given, 0, sizeof fake.given);
    memset(fake_failures, 0, sizeof fake_failures);
    ((struct fake_message *)copies[0].messages)[0] = (struct fake_message){NULL, 1};
    const struct pg_settings pg = {.url = "postgresql:///postgres",
                                   .name = "p",
                                   .slot = "cdc_p",
                                   .publication = opts(script, "umlaut") ? "\xC3\xA4" : "cdc_p",
                                   .publication_by_name = true,
                                   .slot_by_name = true,
                                   .allow_refused = true,
                                   .selection = {.include = {.items = pattern, .count = 1}},
                                   .tool = "test",
                                   .log = &log_to};
    const struct cdc_start start = {.kind = CDC_START_FIRST};
    const struct pg_stream_settings settings = {
        .settings = &pg,
        .until = option_value(script, "until=", until),
        .heartbeat = atof(option_value(script, "heartbeat=", heartbeat) ? heartbeat : "0"),
        .max_events = atoi(option_value(script, "most=", most) ? most : "0"),
        .start = &start};
    made = pg_stream_new(&settings, &metrics, &log_to, &error);
    if (!made || pg_stream_ops.connect(made, NULL, &error) < 0) {
        cdc_buf_printf(&trace, "not connected: %d %s\n", error.status, error.text);
    } else {
        bool converts = strstr(fake.said.data, "pg_encoding_max_length") != NULL;
        cdc_buf_text(&trace, converts ? "the encoding is asked for\n" : "");
        said_seen = fake.said.len;
        fake.first = NULL;
        for (const char *p = script->steps; *p; p += strcspn(p, " "), p += *p == ' ')
            if (!step(script, p, strcspn(p, " "), &error))
                break;
        if (error.status != 0)
            cdc_buf_printf(&trace, "%d %s\n", error.status, error.text);
        int64_t lag_ms = metrics.lag_since ? cdc_clock_wall_ms() - metrics.lag_since : metrics.lag_ms;
        cdc_buf_printf(&trace, "lag %ld bytes, %ld ms\n", (long)metrics.lag_bytes, (long)lag_ms);
        fake.fault = FAKE_SOUND;
        fake.unsent = fake.busy = 0;
        each_look = 0;
        ((struct fake_message *)copies[0].messages)[queued] =
            (struct fake_message){NULL, 0}; /* the server ends the copy */
        pg_stream_ops.disconnect(made);
    }
    pg_stream_free(made);
    trace_sent();
    if (fake.open != 0)
        cdc_buf_printf(&trace, "%u connections are left open\n", fake.open);
}

#define A(to, rows)                                                                                                    \
    {                                                                                                                  \
        to, rows, false                                                                                                \
    }

static const struct script scripts[] = {
    /* nothing comes */
    {"",
     "state tick +99 tick +900 tick +1 tick +500 tick +500 tick read state",
     {},
     "0 state: 1 events 1, between 1, boundary none\n"
     "0 tick: 0\n"
     "  status r 0 0 0 at 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "99 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "999 tick: 0\n"
     "1000 tick: 0\n"
     "  status r 0 0 0 at 1000\n"
     "1500 tick: 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "2000 tick: 0\n"
     "  status r 0 0 0 at 2000\n"
     "2000 read: idle\n"
     "2000 state: 1 events 1, between 1, boundary none\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 2000\n"},
    {"",
     "+9999 tick +1 tick +1 tick +9999 tick +999 tick",
     {},
     "9999 tick: 0\n"
     "  status r 0 0 0 at 9999\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "10000 tick: 0\n"
     "  status r 0 0 0 at 10000, a reply is asked for\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "10001 tick: 0\n"
     "20000 tick: 0\n"
     "  status r 0 0 0 at 20000, a reply is asked for\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "20999 tick: 0\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 20999\n"},
    /* a partition that comes into the publication is selected by the name of its table */
    {"exact",
     "answers tick +1 tick",
     {A("SELECT p.oid AS publication",
        "publication|written|is|whole|newest|ids|via_root|kind|of|row|schema|name|partitioned|root_schema|root|made_"
        "with\n"
        "16396|725|10 f t t t t t|725 1 5|730|727|t|s|2200|16397|public|t|f|~|~|f\n"
        "16396|725|10 f t t t t t|725 1 5|730|727|t|r|16500|16501|parts|t_1|f|public|t|f\n"
        "16396|725|10 f t t t t t|725 1 5|730|727|t|r|16600|16601|t|u_1|f|t|public|f")},
     "0 tick: 0\n"
     "  status r 0 0 0 at 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "  log: table \"parts\".\"t_1\" was not in publication \"cdc_p\" before, or not selected: rows that it had are in "
     "no line, and a copy lacks them; if there are any, take a new snapshot\n"
     "1 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 1\n"},
    /* the walsender waits for standbys: it is told when that takes ten seconds, and once */
    {"",
     "answers tick +1 tick +2000 tick +1 tick +2000 tick +1 tick +5000 tick +1 tick +5000 tick +1 tick +5000 tick +1 "
     "tick",
     {A("AS server_end", "concat_ws|stands\n1|t")},
     "0 tick: 0\n"
     "  status r 0 0 0 at 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "1 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "2001 tick: 0\n"
     "  status r 0 0 0 at 2001\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "2002 tick: 0\n"
     "4002 tick: 0\n"
     "  status r 0 0 0 at 4002\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "4003 tick: 0\n"
     "9003 tick: 0\n"
     "  status r 0 0 0 at 9003\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "9004 tick: 0\n"
     "14004 tick: 0\n"
     "  status r 0 0 0 at 14004, a reply is asked for\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "  log: the server sends nothing: it waits for the standbys whose slots synchronized_standby_slots names; start "
     "them, or take them out (--check says which)\n"
     "14005 tick: 0\n"
     "19005 tick: 0\n"
     "  status r 0 0 0 at 19005\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "19006 tick: 0\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 19006\n"},
    /* keepalives, and answers to those that ask for one */
    {"",
     "k2000 read k3000! read tick +99 k3000! read tick +1 tick +100 k3000! read state",
     {},
     "0 read: idle\n"
     "0 read: idle\n"
     "  status r 0 0 0 at 0\n"
     "0 tick: 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "99 read: idle\n"
     "99 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "100 tick: 0\n"
     "  status r 0 0 0 at 100\n"
     "200 read: idle\n"
     "  status r 0 0 0 at 200\n"
     "200 state: 1 events 1, between 1, boundary none\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 200\n"},
    {"",
     "tick +1000 tick k3000! read +99 k3001! read tick +1 tick",
     {},
     "0 tick: 0\n"
     "  status r 0 0 0 at 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "1000 tick: 0\n"
     "  status r 0 0 0 at 1000\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "1000 read: idle\n"
     "  line \"op\":\"heartbeat\" \"pos\":\"0000000000003000.0000000000.h00000001\" \"ts_ms\":1795710001000 "
     "\"timeline\":1\n"
     "1099 read: idle\n"
     "1099 tick: 0\n"
     "1100 tick: 0\n"
     "  status r 0 0 0 at 1100\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 1100\n"},
    {"",
     "k3000! read +999 tick read +1 tick read confirm +100 tick state",
     {},
     "0 read: idle\n"
     "  status r 0 0 0 at 0\n"
     "999 tick: 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "999 read: idle\n"
     "1000 tick: 0\n"
     "  line \"op\":\"heartbeat\" \"pos\":\"0000000000003000.0000000000.h00000001\" \"ts_ms\":1795710001000 "
     "\"timeline\":1\n"
     "  status r 0 0 0 at 1000\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "1000 read: idle\n"
     "1000 confirm 0000000000003000.0000000000.h00000001: 0\n"
     "1100 tick: 0\n"
     "  status r 3000 3000 3000 at 1100\n"
     "1100 state: 1 events 1, between 1, boundary 0000000000003000.0000000000.h00000001\n"
     "lag 33542144 bytes, 100 ms\n"
     "  status r 3000 3000 3000 at 1100\n"},
    {"",
     "k3000 read +5000 tick read state",
     {},
     "0 read: idle\n"
     "5000 tick: 0\n"
     "  status r 0 0 0 at 5000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "5000 read: idle\n"
     "5000 state: 1 events 1, between 1, boundary none\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 5000\n"},
    {"",
     "k2000! read +1000 k1000! read tick",
     {},
     "0 read: idle\n"
     "  status r 0 0 0 at 0\n"
     "1000 read: idle\n"
     "  line \"op\":\"heartbeat\" \"pos\":\"0000000000002000.0000000000.h00000001\" \"ts_ms\":1795710001000 "
     "\"timeline\":1\n"
     "  status r 0 0 0 at 1000\n"
     "1000 tick: 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 1000\n"},
    /* heartbeats */
    {"heartbeat=1",
     "+999 tick read +1 tick +999 tick read +1 tick",
     {},
     "999 tick: 0\n"
     "  status r 0 0 0 at 999\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "999 read: idle\n"
     "1000 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "1999 tick: 0\n"
     "  status r 0 0 0 at 1999\n"
     "1999 read: idle\n"
     "2000 tick: 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 2000\n"},
    {"heartbeat=1",
     "k3000 read +999 read +1 read confirm k2000 read +1000 tick confirm",
     {},
     "0 read: idle\n"
     "999 read: idle\n"
     "1000 read: idle\n"
     "  line \"op\":\"heartbeat\" \"pos\":\"0000000000003000.0000000000.h00000001\" \"ts_ms\":1795710001000 "
     "\"timeline\":1\n"
     "1000 confirm 0000000000003000.0000000000.h00000001: 0\n"
     "  status r 3000 3000 3000 at 1000\n"
     "1000 read: idle\n"
     "2000 tick: 0\n"
     "  line \"op\":\"heartbeat\" \"pos\":\"0000000000003000.0000000000.h00000002\" \"ts_ms\":1795710002000 "
     "\"timeline\":1\n"
     "  status r 3000 3000 3000 at 2000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "2000 confirm 0000000000003000.0000000000.h00000002: 0\n"
     "lag 33542144 bytes, 1000 ms\n"
     "  status r 3000 3000 3000 at 2000\n"},
    {"heartbeat=1",
     "k3000 read +1000 blocked tick",
     {},
     "0 read: idle\n"
     "1000 blocked: 0\n"
     "  status r 0 0 0 at 1000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "1000 tick: 0\n"
     "  line \"op\":\"heartbeat\" \"pos\":\"0000000000003000.0000000000.h00000001\" \"ts_ms\":1795710001000 "
     "\"timeline\":1\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 1000\n"},
    {"heartbeat=0.5",
     "k3000 read +500 tick B4000 C read +499 tick +1 tick",
     {},
     "0 read: idle\n"
     "500 tick: 0\n"
     "  line \"op\":\"heartbeat\" \"pos\":\"0000000000003000.0000000000.h00000001\" \"ts_ms\":1795710000500 "
     "\"timeline\":1\n"
     "  status r 0 0 0 at 500\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "500 read: idle\n"
     "  line \"op\":\"commit\" \"pos\":\"0000000000004000.FFFFFFFFFF.0000000000004030\" \"ts_ms\":1795710000500 "
     "\"timeline\":1\n"
     "999 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "1000 tick: 0\n"
     "  line \"op\":\"heartbeat\" \"pos\":\"0000000000004030.0000000000.h00000002\" \"ts_ms\":1795710001000 "
     "\"timeline\":1\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 1000\n"},
    {"heartbeat=1",
     "B4000 read +1000 tick read state C read state +1000 tick",
     {},
     "0 read: idle\n"
     "1000 tick: 0\n"
     "  status r 0 0 0 at 1000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "1000 read: idle\n"
     "1000 state: 1 events 1, between 0, boundary none\n"
     "1000 read: idle\n"
     "  line \"op\":\"commit\" \"pos\":\"0000000000004000.FFFFFFFFFF.0000000000004030\" \"ts_ms\":1795710000000 "
     "\"timeline\":1\n"
     "1000 state: 1 events 1, between 1, boundary 0000000000004000.FFFFFFFFFF.0000000000004030\n"
     "2000 tick: 0\n"
     "  line \"op\":\"heartbeat\" \"pos\":\"0000000000004030.0000000000.h00000001\" \"ts_ms\":1795710002000 "
     "\"timeline\":1\n"
     "  status r 0 0 0 at 2000\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 2000\n"},
    /* what is stored */
    {"",
     "B4000 C read confirm +99 tick +1 tick +100 tick confirm B5000 C read +100 confirm k9000 read",
     {},
     "0 read: idle\n"
     "  line \"op\":\"commit\" \"pos\":\"0000000000004000.FFFFFFFFFF.0000000000004030\" \"ts_ms\":1795710000000 "
     "\"timeline\":1\n"
     "0 confirm 0000000000004000.FFFFFFFFFF.0000000000004030: 0\n"
     "  status r 4030 4030 4030 at 0\n"
     "99 tick: 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "100 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "200 tick: 0\n"
     "200 confirm 0000000000004000.FFFFFFFFFF.0000000000004030: 0\n"
     "200 read: idle\n"
     "  line \"op\":\"commit\" \"pos\":\"0000000000005000.FFFFFFFFFF.0000000000005030\" \"ts_ms\":1795710000200 "
     "\"timeline\":1\n"
     "300 confirm 0000000000005000.FFFFFFFFFF.0000000000005030: 0\n"
     "  status r 5030 5030 5030 at 300\n"
     "300 read: idle\n"
     "lag 33538000 bytes, 300 ms\n"
     "  status r 5030 5030 5030 at 300\n"},
    {"",
     "B4000 C read k5000! read confirm +100 confirm",
     {},
     "0 read: idle\n"
     "  line \"op\":\"commit\" \"pos\":\"0000000000004000.FFFFFFFFFF.0000000000004030\" \"ts_ms\":1795710000000 "
     "\"timeline\":1\n"
     "0 read: idle\n"
     "  status r 0 0 0 at 0\n"
     "0 confirm 0000000000004000.FFFFFFFFFF.0000000000004030: 0\n"
     "100 confirm 0000000000004000.FFFFFFFFFF.0000000000004030: 0\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 4030 4030 4030 at 100\n"},
    {"",
     "+100 tick B4000 C read +99 k5000! read confirm tick +1 tick",
     {},
     "100 tick: 0\n"
     "  status r 0 0 0 at 100\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "100 read: idle\n"
     "  line \"op\":\"commit\" \"pos\":\"0000000000004000.FFFFFFFFFF.0000000000004030\" \"ts_ms\":1795710000100 "
     "\"timeline\":1\n"
     "199 read: idle\n"
     "199 confirm 0000000000004000.FFFFFFFFFF.0000000000004030: 0\n"
     "  status r 4030 4030 4030 at 199\n"
     "199 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "200 tick: 0\n"
     "lag 33538000 bytes, 100 ms\n"
     "  status r 4030 4030 4030 at 200\n"},
    {"",
     "+1000 tick k5000! read B4000 C read +50 confirm +50 tick",
     {},
     "1000 tick: 0\n"
     "  status r 0 0 0 at 1000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "1000 read: idle\n"
     "  line \"op\":\"heartbeat\" \"pos\":\"0000000000005000.0000000000.h00000001\" \"ts_ms\":1795710001000 "
     "\"timeline\":1\n"
     "1000 read: idle\n"
     "  line \"op\":\"commit\" \"pos\":\"0000000000004000.FFFFFFFFFF.0000000000004030\" \"ts_ms\":1795710001000 "
     "\"timeline\":1\n"
     "1050 confirm 0000000000004000.FFFFFFFFFF.0000000000004030: 0\n"
     "  status r 4030 4030 4030 at 1050\n"
     "1100 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "lag 33538000 bytes, 100 ms\n"
     "  status r 4030 4030 4030 at 1100\n"},
    /* the end */
    {"until=0/3000",
     "k2FFF read tick +100 read +900 tick +100 tick k3000 read",
     {},
     "0 read: idle\n"
     "0 tick: 0\n"
     "  status r 0 0 0 at 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "100 read: idle\n"
     "  status r 0 0 0 at 100, a reply is asked for\n"
     "1000 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "1100 tick: 0\n"
     "  status r 0 0 0 at 1100, a reply is asked for\n"
     "1100 read: end\n"
     "  line \"op\":\"heartbeat\" \"pos\":\"0000000000003000.0000000000.h00000001\" \"ts_ms\":1795710001100 "
     "\"timeline\":1\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 1100\n"},
    {"until=0/3000",
     "k3000 blocked +1000 blocked +1000 tick read",
     {},
     "0 blocked: 0\n"
     "  status r 0 0 0 at 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "1000 blocked: 0\n"
     "  status r 0 0 0 at 1000\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "2000 tick: 0\n"
     "  status r 0 0 0 at 2000, a reply is asked for\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "2000 read: end\n"
     "  line \"op\":\"heartbeat\" \"pos\":\"0000000000003000.0000000000.h00000001\" \"ts_ms\":1795710002000 "
     "\"timeline\":1\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 2000\n"},
    {"until=0/4030",
     "B4000 read-1 read C read",
     {},
     "0 read-1: idle\n"
     "0 read: idle\n"
     "0 read: end\n"
     "  line \"op\":\"commit\" \"pos\":\"0000000000004000.FFFFFFFFFF.0000000000004030\" \"ts_ms\":1795710000000 "
     "\"timeline\":1\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 0\n"},
    {"until=0/4031",
     "B4000 C read read k4031 read",
     {},
     "0 read: idle\n"
     "  line \"op\":\"commit\" \"pos\":\"0000000000004000.FFFFFFFFFF.0000000000004030\" \"ts_ms\":1795710000000 "
     "\"timeline\":1\n"
     "0 read: idle\n"
     "0 read: end\n"
     "  line \"op\":\"heartbeat\" \"pos\":\"0000000000004031.0000000000.h00000001\" \"ts_ms\":1795710000000 "
     "\"timeline\":1\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 0\n"},
    {"until=0/1000",
     "read",
     {},
     "0 read: idle\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 0\n"},
    {"until=now",
     "k2FFF read +100 read k3000 read",
     {},
     "0 read: idle\n"
     "100 read: idle\n"
     "  status r 0 0 0 at 100, a reply is asked for\n"
     "100 read: end\n"
     "  line \"op\":\"heartbeat\" \"pos\":\"0000000000003000.0000000000.h00000001\" \"ts_ms\":1795710000100 "
     "\"timeline\":1\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 100\n"},
    {"until=2026-11-26T17:00:00Z",
     "B4000 C read B5000 read +1000 k5000 read C read k6000 read",
     {},
     "0 read: idle\n"
     "  line \"op\":\"commit\" \"pos\":\"0000000000004000.FFFFFFFFFF.0000000000004030\" \"ts_ms\":1795710000000 "
     "\"timeline\":1\n"
     "0 read: idle\n"
     "1000 read: idle\n"
     "  status r 0 0 0 at 1000, a reply is asked for\n"
     "1000 read: idle\n"
     "  line \"op\":\"commit\" \"pos\":\"0000000000005000.FFFFFFFFFF.0000000000005030\" \"ts_ms\":1795710000000 "
     "\"timeline\":1\n"
     "1000 read: idle\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 1000\n"},
    {"until=2026-11-27T17:00:00Z",
     "B4000 C read k5000 read +100000000 k5000 read k6000 read",
     {},
     "0 read: idle\n"
     "  line \"op\":\"commit\" \"pos\":\"0000000000004000.FFFFFFFFFF.0000000000004030\" \"ts_ms\":1795710000000 "
     "\"timeline\":1\n"
     "0 read: idle\n"
     "100000000 read: end\n"
     "  says 1 SELECT CASE WHEN pg_is_in_recovery() T\n"
     "100000000 read: end\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 100000000\n"},
    {"until=2026-11-27T17:00:00Z",
     "+100000000 B4000 C read",
     {},
     "100000000 read: end\n"
     "  line \"op\":\"commit\" \"pos\":\"0000000000004000.FFFFFFFFFF.0000000000004030\" \"ts_ms\":1795810000000 "
     "\"timeline\":1\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 100000000\n"},
    {"most=1",
     "B4000 C read",
     {},
     "0 read: idle\n"
     "  line \"op\":\"commit\" \"pos\":\"0000000000004000.FFFFFFFFFF.0000000000004030\" \"ts_ms\":1795710000000 "
     "\"timeline\":1\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 0\n"},
    /* what is no message */
    {"",
     "short-k read",
     {},
     "0 read: error\n"
     "76 a keepalive of 17 bytes: 18 are needed\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 0\n"},
    {"",
     "short-w read",
     {},
     "0 read: error\n"
     "76 a message of 25 bytes: 26 are needed\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 0\n"},
    {"",
     "unknown read",
     {},
     "0 read: error\n"
     "76 unknown replication message 0x78\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 0\n"},
    /* a socket that takes no more */
    {"",
     "unsent +1000 tick state +1000 tick read +1000 tick sent tick +1 tick",
     {},
     "1000 tick: 0\n"
     "  status r 0 0 0 at 1000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "1000 state: 1 events 5, between 1, boundary none\n"
     "2000 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "2000 read: idle\n"
     "3000 tick: 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "3000 tick: 0\n"
     "  status r 0 0 0 at 3000\n"
     "3001 tick: 0\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 3001\n"},
    {"",
     "unsent +1000 tick k3000! read sent read state",
     {},
     "1000 tick: 0\n"
     "  status r 0 0 0 at 1000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "1000 read: idle\n"
     "  line \"op\":\"heartbeat\" \"pos\":\"0000000000003000.0000000000.h00000001\" \"ts_ms\":1795710001000 "
     "\"timeline\":1\n"
     "1000 read: idle\n"
     "1000 state: 1 events 1, between 1, boundary 0000000000003000.0000000000.h00000001\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 1000\n"},
    {"until=0/9000",
     "unsent +1000 read read sent +100 read",
     {},
     "1000 read: idle\n"
     "  status r 0 0 0 at 1000, a reply is asked for\n"
     "1000 read: idle\n"
     "1100 read: idle\n"
     "  status r 0 0 0 at 1100, a reply is asked for\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 1100\n"},
    /* silence */
    {"",
     "+60000 tick +1 tick +60000 tick +1 tick",
     {},
     "60000 tick: 0\n"
     "  status r 0 0 0 at 60000, a reply is asked for\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "  log: the server has sent nothing for 60 s, and is at work: a large transaction of tables that are not "
     "published?\n"
     "60001 tick: 0\n"
     "  says 1 SELECT coalesce(plugin, '') AS plugin,\n"
     "120001 tick: 0\n"
     "  status r 0 0 0 at 120001, a reply is asked for\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "120002 tick: 0\n"
     "  says 1 SELECT coalesce(plugin, '') AS plugin,\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 120002\n"},
    {"",
     "+60000 blocked +60000 blocked +60000 tick +1 tick",
     {},
     "60000 blocked: 0\n"
     "  status r 0 0 0 at 60000, a reply is asked for\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "120000 blocked: 0\n"
     "  status r 0 0 0 at 120000, a reply is asked for\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "180000 tick: 0\n"
     "  status r 0 0 0 at 180000, a reply is asked for\n"
     "  log: the server has sent nothing for 60 s, and is at work: a large transaction of tables that are not "
     "published?\n"
     "180001 tick: 0\n"
     "  says 1 SELECT coalesce(plugin, '') AS plugin,\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 180001\n"},
    {"",
     "answers +60001 tick",
     {A("pg_replication_slots WHERE slot_name", SLOT "pgoutput||t|1003|0/1000|0/1000|f|f|f")},
     "60001 tick: -1\n"
     "  says 1 SELECT coalesce(plugin, '') AS plugin,\n"
     "69 the server is silent for 60 s, and has ended its side of the connection\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 60001\n"},
    {"",
     "answers +60001 tick",
     {A("pg_replication_slots WHERE slot_name", SLOT "pgoutput||f|1002|0/1000|0/1000|f|f|f")},
     "60001 tick: -1\n"
     "  says 1 SELECT coalesce(plugin, '') AS plugin,\n"
     "69 the server is silent for 60 s, and has ended its side of the connection\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 60001\n"},
    {"",
     "answers +60001 tick",
     {A("pg_replication_slots WHERE slot_name", "!57P01 gone")},
     "60001 tick: -1\n"
     "  says 1 SELECT coalesce(plugin, '') AS plugin,\n"
     "  says 3 connects\n"
     "  says 3 SET statement_timeout = 0; SET lock_ti\n"
     "  says 3 SELECT coalesce(plugin, '') AS plugin,\n"
     "69 the server is silent for 60 s: cannot look at the slot: gone (SQLSTATE 57P01)\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 60001\n"},
    /* the server goes */
    {"",
     "session-breaks tick connects-no-more +1000 tick +2999 tick +1 tick",
     {},
     "0 tick: 0\n"
     "  status r 0 0 0 at 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "1000 tick: 0\n"
     "  status r 0 0 0 at 1000\n"
     "  says 3 connects\n"
     "3999 tick: 0\n"
     "  status r 0 0 0 at 3999\n"
     "4000 tick: -1\n"
     "69 the server is shutting down\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 4000\n"},
    {"",
     "session-breaks tick +1000 tick +1000 tick +1000 tick",
     {},
     "0 tick: 0\n"
     "  status r 0 0 0 at 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "1000 tick: 0\n"
     "  status r 0 0 0 at 1000\n"
     "  says 3 connects\n"
     "  says 3 SET statement_timeout = 0; SET lock_ti\n"
     "2000 tick: 0\n"
     "  status r 0 0 0 at 2000\n"
     "  says 3 SELECT concat_ws(' ', (SELECT concat(c\n"
     "3000 tick: 0\n"
     "  status r 0 0 0 at 3000\n"
     "  says 3 SET lock_timeout = 200\n"
     "  says 3 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 3 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 3 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 3 SELECT c.oid::text::int8 AS table_oid,\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 3000\n"},
    /* the catalogs change */
    {"",
     "tick tick +999 tick +1 tick tick answers +1000 tick tick +1000 tick tick",
     {A("AS server_end", "concat_ws\n2")},
     "0 tick: 0\n"
     "  status r 0 0 0 at 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "0 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "999 tick: 0\n"
     "1000 tick: 0\n"
     "  status r 0 0 0 at 1000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "1000 tick: 0\n"
     "2000 tick: 0\n"
     "  status r 0 0 0 at 2000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "2000 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "3000 tick: 0\n"
     "  status r 0 0 0 at 3000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "3000 tick: 0\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 3000\n"},
    {"",
     "tick tick answers +1000 tick tick +1000 tick tick",
     {A("AS server_end", "concat_ws\n2"), A("WITH p AS MATERIALIZED", TABLE_T("f"))},
     "0 tick: 0\n"
     "  status r 0 0 0 at 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "0 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "1000 tick: 0\n"
     "  status r 0 0 0 at 1000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "  log: \"public\".\"t\" is not in publication \"cdc_p\": its changes are not seen; ALTER PUBLICATION \"cdc_p\" "
     "ADD TABLE \"public\".\"t\"; and, if it has rows by then, start the same line again where it began with "
     "cdc-snapshot and a --state-dir, else take a new snapshot\n"
     "1000 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "2000 tick: 0\n"
     "  status r 0 0 0 at 2000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "2000 tick: 0\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 2000\n"},
    {"",
     "answers tick tick +1000 tick tick",
     {A("AS server_end", "!42501 denied")},
     "0 tick: 0\n"
     "  status r 0 0 0 at 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "  log: cannot watch the publication: denied (SQLSTATE 42501) (said once)\n"
     "0 tick: 0\n"
     "1000 tick: 0\n"
     "  status r 0 0 0 at 1000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "1000 tick: 0\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 1000\n"},
    {"",
     "answers tick tick +1000 tick tick",
     {A("AS server_end", "concat_ws")},
     "0 tick: 0\n"
     "  status r 0 0 0 at 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "  log: cannot watch the publication:  (said once)\n"
     "0 tick: 0\n"
     "1000 tick: 0\n"
     "  status r 0 0 0 at 1000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "1000 tick: 0\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 1000\n"},
    {"",
     "tick tick answers +1000 tick tick +1000 tick tick",
     {A("AS server_end", "concat_ws\n2"), A("WITH p AS MATERIALIZED", "!55P03 locked"), A("FROM pg_locks", "who\n~")},
     "0 tick: 0\n"
     "  status r 0 0 0 at 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "0 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "1000 tick: 0\n"
     "  status r 0 0 0 at 1000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "1000 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT string_agg(who, '; ') AS who FR\n"
     "  says 1 {AccessExclusiveLock}\n"
     "2000 tick: 0\n"
     "  status r 0 0 0 at 2000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "2000 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT string_agg(who, '; ') AS who FR\n"
     "  says 1 {AccessExclusiveLock}\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 2000\n"},
    /* a standby that is promoted */
    {"standby",
     "k3000 tick tick answers +1000 tick tick +1000 tick tick read",
     {A("AS timeline", "standby|timeline\nf|2")},
     "0 tick: 0\n"
     "  status r 0 0 0 at 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "0 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "  says 1 SELECT pg_is_in_recovery() AS standby,\n"
     "1000 tick: 0\n"
     "  status r 0 0 0 at 1000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "  log: the server's log goes on on timeline 2\n"
     "1000 tick: 0\n"
     "  says 1 SELECT pg_is_in_recovery() AS standby,\n"
     "2000 tick: 0\n"
     "  status r 0 0 0 at 2000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "2000 tick: 0\n"
     "2000 read: idle\n"
     "  line \"op\":\"heartbeat\" \"pos\":\"0000000000003000.0000000000.h00000001\" \"ts_ms\":1795710002000 "
     "\"timeline\":2\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 2000\n"},
    {"standby",
     "k3000 read tick tick answers +1000 tick tick +1000 tick tick",
     {A("AS timeline", "standby|timeline\nt|2")},
     "0 read: idle\n"
     "0 tick: 0\n"
     "  status r 0 0 0 at 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "0 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "  says 1 SELECT pg_is_in_recovery() AS standby,\n"
     "1000 tick: 0\n"
     "  status r 0 0 0 at 1000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "  log: the server's log goes on on timeline 2\n"
     "1000 tick: 0\n"
     "  line \"op\":\"heartbeat\" \"pos\":\"0000000000003000.0000000000.h00000001\" \"ts_ms\":1795710001000 "
     "\"timeline\":2\n"
     "  says 1 SELECT pg_is_in_recovery() AS standby,\n"
     "2000 tick: 0\n"
     "  status r 0 0 0 at 2000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "2000 tick: 0\n"
     "  says 1 SELECT pg_is_in_recovery() AS standby,\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 2000\n"},
    {"standby",
     "k3000 read answers tick tick +1000 tick tick",
     {A("AS timeline", "standby|timeline\nt|1")},
     "0 read: idle\n"
     "0 tick: 0\n"
     "  status r 0 0 0 at 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "0 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "  says 1 SELECT pg_is_in_recovery() AS standby,\n"
     "1000 tick: 0\n"
     "  status r 0 0 0 at 1000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "1000 tick: 0\n"
     "  says 1 SELECT pg_is_in_recovery() AS standby,\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 1000\n"},
    {"standby",
     "k3000 read answers tick tick +1000 tick tick",
     {A("AS timeline", "!57P01 gone")},
     "0 read: idle\n"
     "0 tick: 0\n"
     "  status r 0 0 0 at 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "0 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "  says 1 SELECT pg_is_in_recovery() AS standby,\n"
     "1000 tick: 0\n"
     "  status r 0 0 0 at 1000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "1000 tick: 0\n"
     "  says 1 SELECT pg_is_in_recovery() AS standby,\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 1000\n"},
    {"exact",
     "tick tick answers +1000 tick tick",
     {A("AS server_end", "concat_ws\n2"), A("WITH p AS MATERIALIZED", TABLE_T("f"))},
     "0 tick: 0\n"
     "  status r 0 0 0 at 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "0 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "1000 tick: 0\n"
     "  status r 0 0 0 at 1000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "1000 tick: -1\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "78 \"public\".\"t\" is not in publication \"cdc_p\": its changes are not seen\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 1000\n"},
    /* a server that takes its time */
    {"",
     "tick busy +1000 tick +4000 tick free tick +99999 tick +1 tick",
     {},
     "0 tick: 0\n"
     "  status r 0 0 0 at 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "1000 tick: 0\n"
     "  status r 0 0 0 at 1000\n"
     "5000 tick: 0\n"
     "  status r 0 0 0 at 5000\n"
     "5000 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "  log: the server has sent nothing for 104 s, and is at work: a large transaction of tables that are not "
     "published?\n"
     "104999 tick: 0\n"
     "  status r 0 0 0 at 104999, a reply is asked for\n"
     "  says 1 SELECT coalesce(plugin, '') AS plugin,\n"
     "105000 tick: 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 105000\n"},
    {"",
     "tick busy +900 tick free tick +1000 tick",
     {},
     "0 tick: 0\n"
     "  status r 0 0 0 at 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "900 tick: 0\n"
     "900 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "1900 tick: 0\n"
     "  status r 0 0 0 at 1900\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 1900\n"},
    {"",
     "tick slow tick quick +1000 tick +1000 tick +1000 tick",
     {},
     "0 tick: 0\n"
     "  status r 0 0 0 at 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "300 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "1300 tick: 0\n"
     "  status r 0 0 0 at 1300\n"
     "2300 tick: 0\n"
     "  status r 0 0 0 at 2300\n"
     "3300 tick: 0\n"
     "  status r 0 0 0 at 3300\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 3300\n"},
    /* another connection */
    {"",
     "B4000 C read +100 confirm reconnect +1 tick +99 tick state",
     {},
     "0 read: idle\n"
     "  line \"op\":\"commit\" \"pos\":\"0000000000004000.FFFFFFFFFF.0000000000004030\" \"ts_ms\":1795710000000 "
     "\"timeline\":1\n"
     "100 confirm 0000000000004000.FFFFFFFFFF.0000000000004030: 0\n"
     "  status r 4030 4030 4030 at 100\n"
     "100 reconnect: 0\n"
     "  status r 4030 4030 4030 at 100\n"
     "  says 1 SELECT current_setting('wal_level') AS\n"
     "  says 3 connects for replication\n"
     "  says 3 SET statement_timeout = 0; SET lock_ti\n"
     "  says 3 SELECT concat_ws(' ', pg_postmaster_st\n"
     "  says 1 SELECT concat_ws(' ', pg_postmaster_st\n"
     "  says 3 IDENTIFY_SYSTEM\n"
     "  says 1 SELECT coalesce(plugin, '') AS plugin,\n"
     "  says 1 SELECT 1 FROM pg_publication WHERE pub\n"
     "  says 1 SELECT coalesce(obj_description(oid, '\n"
     "  says 1 SET lock_timeout = 10000\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "  says 3 START_REPLICATION SLOT \"cdc_p\" LOGICAL\n"
     "  says 1 SELECT coalesce(plugin, '') AS plugin,\n"
     "101 tick: 0\n"
     "  status r 0 0 0 at 101\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "200 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "200 state: 1 events 1, between 1, boundary 0000000000004000.FFFFFFFFFF.0000000000004030\n"
     "lag 33538000 bytes, 200 ms\n"
     "  status r 0 0 0 at 200\n"},
    {"heartbeat=1",
     "k3000! read +1000 tick confirm reconnect read +999 tick +1 tick",
     {},
     "0 read: idle\n"
     "  status r 0 0 0 at 0\n"
     "1000 tick: 0\n"
     "  line \"op\":\"heartbeat\" \"pos\":\"0000000000003000.0000000000.h00000001\" \"ts_ms\":1795710001000 "
     "\"timeline\":1\n"
     "  status r 0 0 0 at 1000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "1000 confirm 0000000000003000.0000000000.h00000001: 0\n"
     "1000 reconnect: 0\n"
     "  status r 3000 3000 3000 at 1000\n"
     "  says 1 SELECT current_setting('wal_level') AS\n"
     "  says 3 connects for replication\n"
     "  says 3 SET statement_timeout = 0; SET lock_ti\n"
     "  says 3 SELECT concat_ws(' ', pg_postmaster_st\n"
     "  says 1 SELECT concat_ws(' ', pg_postmaster_st\n"
     "  says 3 IDENTIFY_SYSTEM\n"
     "  says 1 SELECT coalesce(plugin, '') AS plugin,\n"
     "  says 1 SELECT 1 FROM pg_publication WHERE pub\n"
     "  says 1 SELECT coalesce(obj_description(oid, '\n"
     "  says 1 SET lock_timeout = 10000\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "  says 3 START_REPLICATION SLOT \"cdc_p\" LOGICAL\n"
     "  says 1 SELECT coalesce(plugin, '') AS plugin,\n"
     "1000 read: idle\n"
     "1999 tick: 0\n"
     "  status r 3000 3000 3000 at 1999\n"
     "2000 tick: 0\n"
     "  line \"op\":\"heartbeat\" \"pos\":\"0000000000003000.0000000000.h00000002\" \"ts_ms\":1795710002000 "
     "\"timeline\":1\n"
     "lag 33542144 bytes, 1000 ms\n"
     "  status r 3000 3000 3000 at 2000\n"},
    /* a command cannot have a name that is not ASCII in a session that does not convert */
    {"LATIN1",
     "state",
     {},
     "the encoding is asked for\n"
     "0 state: 1 events 1, between 1, boundary none\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 0\n"},
    {"LATIN1 umlaut",
     "state",
     {},
     "0 state: 1 events 1, between 1, boundary none\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 0\n"},
    /* how long the server waits for us */
    {"timeout=2000",
     "tick +499 tick +1 tick +3500 tick +1 tick",
     {},
     "0 tick: 0\n"
     "  status r 0 0 0 at 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "499 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "500 tick: 0\n"
     "  status r 0 0 0 at 500\n"
     "4000 tick: 0\n"
     "  status r 0 0 0 at 4000\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "  log: the server has sent nothing for 4 s, and is at work: a large transaction of tables that are not "
     "published?\n"
     "4001 tick: 0\n"
     "  says 1 SELECT coalesce(plugin, '') AS plugin,\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 4001\n"},
    {"timeout=0",
     "tick +999 tick +1 tick +59000 tick +1 tick",
     {},
     "0 tick: 0\n"
     "  status r 0 0 0 at 0\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "999 tick: 0\n"
     "  says 1 SET lock_timeout = 200\n"
     "  says 1 WITH p AS MATERIALIZED (SELECT c.oid, \n"
     "  says 1 SELECT concat_ws(', ', CASE WHEN NOT p\n"
     "  says 1 SELECT p.oid AS publication, p.xmin::t\n"
     "  says 1 SELECT c.oid::text::int8 AS table_oid,\n"
     "1000 tick: 0\n"
     "  status r 0 0 0 at 1000\n"
     "60000 tick: 0\n"
     "  status r 0 0 0 at 60000, a reply is asked for\n"
     "  says 1 SELECT concat_ws(' ', (SELECT concat(c\n"
     "  log: the server has sent nothing for 60 s, and is at work: a large transaction of tables that are not "
     "published?\n"
     "60001 tick: 0\n"
     "  says 1 SELECT coalesce(plugin, '') AS plugin,\n"
     "lag 0 bytes, 0 ms\n"
     "  status r 0 0 0 at 60001\n"},
};

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        play(&scripts[i]);
        bool good = cdc_span_is(cdc_span(trace.data, trace.len), scripts[i].want);
        failures += !good;
        printf("%sok - %zu: %s|%.60s\n", good ? "" : "not ", i, scripts[i].options, scripts[i].steps);
        if (!good)
            printf("@@%zu\n%.*s@@\n", i, (int)trace.len, trace.data);
    }
    cdc_buf_free(&trace);
    cdc_buf_free(&fake.said);
    cdc_buf_free(&fake.sent);
    return failures ? 1 : 0;
}
