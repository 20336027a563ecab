/* SPDX-License-Identifier: MIT */
/* A snapshot and a stream of a server that is a table of answers, as PostgreSQL 15 gave them: their lines, and what becomes of them
 * when one command, connection, message or allocation fails. */
#include "connectors/postgres/snapshot/snapshot.h"
#include "connectors/postgres/stream/stream.h"
#include "tests/unit/fake-postgres.h"

#include <cdc/start.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static size_t failures;

static void check(bool good, const char *what)
{
    failures += !good;
    printf("%sok - %s\n", good ? "" : "not ", what);
}

/* -- the server -- */

#define CATALOG                                                                                                        \
    "oid|schema|name|root_schema|root|kind|persistence|listed|published|via_root|under_root|owned|readable|hidden|"    \
    "estimate|filter|columns|lists_columns|hole|partial|columnless|detaching|nullable_key|inserts_only|unsent|is_18|"  \
    "replica_"                                                                                                         \
    "identity|partitioned|primary_exists|primary_is_immediate|index_exists|unlike\n"
#define UNPUBLISHED                                                                                                    \
    CATALOG                                                                                                            \
    "16384|public|t|~|~|r|p|f|f|t|f|t|t|f|0|~|~|f|~|f|f|~|~|f|f|f|d|f|t|t|f|~\n16391|public|u|~|~|r|p|f|f|t|f|"        \
    "t|t|f|0|~|~|f|~|f|f|~|~|f|f|f|d|f|f|f|f|~"
#define PUBLISHED                                                                                                      \
    CATALOG                                                                                                            \
    "16384|public|t|~|~|r|p|t|t|t|f|t|t|f|5|~|{id,v}|f|~|f|f|~|~|f|f|f|d|f|t|t|f|~\n16391|public|u|~|~|r|p|t|t|"       \
    "t|f|t|t|f|7|~|{a,b}|f|~|f|f|~|~|f|f|f|d|f|f|f|f|~"
#define SLOT "plugin|database|active|pid|confirmed|restart|lost|synced|two_phase"
#define MEMBERS                                                                                                        \
    "publication|written|is|via_root|kind|of|row|schema|name|partitioned|root_schema|root\n16396|725|10 f t t t t "    \
    "t|t|s|2200|16397|public|t|f|~|~\n16396|725|10 f t t t t t|t|s|2200|16397|public|u|f|~|~"
#define COLUMNS "name|type|typmod|generated|nullable|identity|primary|published\n"
#define RELATION                                                                                                       \
    "oid|relreplident|reltype|inserts_only|unsent|is_18|replica_identity|partitioned|primary_exists|primary_is_"       \
    "immediate|index_exists|unlike|is_old|made_by|now_at|name|not_null|generated|same_name|primary|identity|omitted\n"
#define SYSTEM "systemid|timeline|xlogpos|dbname\n7712519040855319821|1|0/1543F48|postgres"
#define TYPES "name|base_name|base|element|delimiters\ninteger|~|23|0|\ntext|~|25|0|"

static const struct fake_answer for_snapshot[] = {
    {"SET statement_timeout", NULL, false},
    {"SET client_encoding", NULL, false},
    {"FROM pg_replication_slots WHERE slot_name", SLOT, false},
    {"SELECT 1 FROM pg_publication", "?column?", false},
    {"obj_description", "comment", false},
    {"SET lock_timeout", NULL, false},
    {"WITH p AS MATERIALIZED", UNPUBLISHED, false},
    {"BEGIN; CREATE PUBLICATION", NULL, false},
    {"WITH p AS MATERIALIZED", PUBLISHED, false},
    {"SELECT p.oid AS publication", MEMBERS, false},
    {"IDENTIFY_SYSTEM", SYSTEM, false},
    {"CREATE_REPLICATION_SLOT",
     "slot_name|consistent_point|snapshot_name|output_plugin\ncdc_p|0/1543DD0|00000004-00000004-1|pgoutput", false},
    {"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL row_security = off", NULL, false},
    {"SET TRANSACTION SNAPSHOT '00000004-00000004-1'", NULL, false},
    {"transaction_timestamp", "now|lsn|xids\n1795710776653|0/1543DD8|726:726:", false},
    {"SELECT a.attname AS name", COLUMNS "id|23|-1|f|f|t|t|t\nv|25|-1|f|t|f|f|t", false},
    {"SELECT a.attname AS name", COLUMNS "a|23|-1|f|t|f|f|t\nb|25|-1|f|t|f|f|t", false},
    {"WITH RECURSIVE c AS", TYPES, false},
    {"LOCK TABLE ONLY \"public\".\"t\" IN ACCESS SHARE MODE", NULL, false},
    {"LOCK TABLE ONLY \"public\".\"u\" IN ACCESS SHARE MODE", NULL, false},
    {"IS DISTINCT FROM pg_relation_filenode", "schema|name", false},
    {"COPY \"public\".\"t\"", "COPY t", false},
    {"COPY \"public\".\"u\"", "COPY u", false},
    {"COMMIT", NULL, false},
    {"FROM pg_locks", "who\n~", true},
    {"AS standby", "standby\nf", false},
    {NULL, NULL, false}};

static const struct fake_answer for_stream[] = {
    {"SET statement_timeout", NULL, false},
    {"wal_level", "wal_level|timeout\nlogical|60000", false},
    {"pg_postmaster_start_time", "started\n2026-11-26 16:32:56.273246+00 7712519040855319821", false},
    {"IDENTIFY_SYSTEM", SYSTEM, false},
    {"TIMELINE_HISTORY", "filename|content\n00000002.history|1\t0/2000000\tno recovery target specified", false},
    {"FROM pg_replication_slots WHERE slot_name", SLOT "\npgoutput|postgres|f|0|0/1543DD0|0/1543D98|f|f|f", false},
    {"SELECT 1 FROM pg_publication", "?column?\n1", false},
    {"obj_description", "comment\nmade by pg-cdc for p", false},
    {"SET lock_timeout = 10000", NULL, false},
    {"SET lock_timeout = 0", NULL, false},
    {"WITH p AS MATERIALIZED", PUBLISHED, false},
    {"AS missing FROM pg_publication", "missing\n", false},
    {"SELECT p.oid AS publication", MEMBERS, false},
    /* looks from time to time, of which the next one does as well */
    {"SET lock_timeout", NULL, true},
    {"WITH p AS MATERIALIZED", PUBLISHED, true},
    {"AS missing FROM pg_publication", "missing\n", true},
    {"SELECT p.oid AS publication", MEMBERS, true},
    {"AS standby", "standby\nf", false},
    {"AS flushed", "flushed|inserted\n0/1543F48|0/1543F48", false},
    {"START_REPLICATION SLOT \"cdc_p\" LOGICAL 0/1543DD0 (proto_version '1', publication_names '\"cdc_p\"', messages "
     "'true')",
     "COPY log", false},
    {"hashtext", "concat_ws\n70 -12723196050 725(16396,cdc_p,10,f,t,t,t,t,t) 0  -112237786", true},
    /* asked again on another session */
    {"WITH RECURSIVE c AS", TYPES, true},
    {"SELECT c.*",
     RELATION "16384|d|16386|f|f|f|d|f|t|t|f|~|t|724|0/1543F48|id|t|f|t|t|t|f\n16384|d|16386|f|f|f|d|f|t|t|f|~|t|724|0/"
              "1543F48|v|f|f|t|f|f|f",
     true},
    {"SELECT c.*",
     RELATION "16391|d|16393|f|f|f|d|f|f|f|f|~|t|0|0/1543F48|a|f|f|t|f|f|f\n16391|d|16393|f|f|f|d|f|f|f|f|~|t|0|0/"
              "1543F48|b|f|f|t|f|f|f",
     true},
    {NULL, NULL, false}};

static const struct fake_copy copies[] = {
    {"t", {{"1\ta\n", 4}, {"2\t\\N\n", 5}}},
    {"u", {{"7\tx\n", 4}}},
    {"log",
     {{"\x6b\x00\x00\x00\x00\x01\x54\x3d\xd0\x00\x03\x04\x2f\x43\xc5\x2b\x4a\x00", 18},
      {"\x77\x00\x00\x00\x00\x01\x54\x3d\xd0\x00\x00\x00\x00\x01\x54\x3d\xd0\x00\x03\x04\x2f\x43\xc5\x2c\x6c\x42\x00"
       "\x00\x00\x00\x01\x54\x3f\x18\x00\x03\x04\x2f\x43\xc1\x49\x47\x00\x00\x02\xd6",
       46},
      {"\x77\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x04\x2f\x43\xc5\x2c\xbc\x52\x00"
       "\x00\x40\x00\x70\x75\x62\x6c\x69\x63\x00\x74\x00\x64\x00\x02\x01\x69\x64\x00\x00\x00\x00\x17\xff\xff\xff\xff"
       "\x00\x76\x00\x00\x00\x00\x19\xff\xff\xff\xff",
       65},
      {"\x77\x00\x00\x00\x00\x01\x54\x3d\xd0\x00\x00\x00\x00\x01\x54\x3d\xd0\x00\x03\x04\x2f\x43\xc5\x2c\xe5\x49\x00"
       "\x00\x40\x00\x4e\x00\x02\x74\x00\x00\x00\x01\x33\x74\x00\x00\x00\x01\x63",
       45},
      {"\x77\x00\x00\x00\x00\x01\x54\x3e\x50\x00\x00\x00\x00\x01\x54\x3e\x50\x00\x03\x04\x2f\x43\xc5\x2c\xe9\x55\x00"
       "\x00\x40\x00\x4e\x00\x02\x74\x00\x00\x00\x01\x31\x74\x00\x00\x00\x01\x7a",
       45},
      {"\x77\x00\x00\x00\x00\x01\x54\x3e\x98\x00\x00\x00\x00\x01\x54\x3e\x98\x00\x03\x04\x2f\x43\xc5\x2c\xea\x44\x00"
       "\x00\x40\x00\x4b\x00\x02\x74\x00\x00\x00\x01\x32\x6e",
       40},
      {"\x77\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03\x04\x2f\x43\xc5\x2c\xfb\x52\x00"
       "\x00\x40\x07\x70\x75\x62\x6c\x69\x63\x00\x75\x00\x64\x00\x02\x00\x61\x00\x00\x00\x00\x17\xff\xff\xff\xff\x00"
       "\x62\x00\x00\x00\x00\x19\xff\xff\xff\xff",
       64},
      {"\x77\x00\x00\x00\x00\x01\x54\x3e\xd8\x00\x00\x00\x00\x01\x54\x3e\xd8\x00\x03\x04\x2f\x43\xc5\x2c\xfd\x49\x00"
       "\x00\x40\x07\x4e\x00\x02\x74\x00\x00\x00\x01\x38\x6e",
       40},
      {"\x77\x00\x00\x00\x00\x01\x54\x3f\x48\x00\x00\x00\x00\x01\x54\x3f\x48\x00\x03\x04\x2f\x43\xc5\x2c\xff\x43\x00"
       "\x00\x00\x00\x00\x01\x54\x3f\x18\x00\x00\x00\x00\x01\x54\x3f\x48\x00\x03\x04\x2f\x43\xc1\x49\x47",
       51},
      {"\x6b\x00\x00\x00\x00\x01\x54\x3f\x48\x00\x03\x04\x2f\x43\xc5\x2d\x1c\x00", 18},
      {NULL, 1}}},
    {NULL, {{NULL, 0}}}};

/* -- runs -- */

/* Time passes: what is due now and then is due whenever somebody looks. */
static time_t seconds, step;
int clock_gettime(clockid_t clock, struct timespec *now)
{
    long result = syscall(SYS_clock_gettime, clock, now);
    if (clock == CLOCK_MONOTONIC)
        now->tv_sec += seconds += step;
    return (int)result;
}

static struct cdc_buf logged;

static void keep_message(void *context, enum cdc_log_level level, const char *message)
{
    (void)context, (void)level;
    bool counts = memory_counts;
    memory_counts = false;
    cdc_buf_printf(&logged, "%s\n", message);
    memory_counts = counts;
}
static const struct cdc_log log_to = {.write = keep_message};

static bool has(const struct cdc_buf *text, const char *part)
{
    return text->len > 0 && memmem(text->data, text->len, part, strlen(part)) != NULL;
}

static const char *pattern[] = {"public.*"};
static size_t n_patterns = 1;
static bool no_create;

static struct pg_settings settings_of(const struct fake_answer *answers)
{
    fake.answers = answers;
    fake.copies = copies;
    fake.connections = fake.open = 0;
    fake.said.len = fake.sent.len = logged.len = 0;
    memset(fake.given, 0, sizeof fake.given);
    memset(fake_failures, 0, sizeof fake_failures);
    return (struct pg_settings){.url = "postgresql:///postgres",
                                .name = "p",
                                .slot = "cdc_p",
                                .publication = "cdc_p",
                                .publication_by_name = true,
                                .slot_by_name = true,
                                .no_create = no_create,
                                .allow_refused = true,
                                .selection = {.include = {.items = pattern, .count = n_patterns}},
                                .tool = "test",
                                .log = &log_to};
}

static int left_open(int result, struct cdc_error *error)
{
    return fake.open == 0 ? result : cdc_error_set(error, CDC_EXIT_INTERNAL, "%u connections are left open", fake.open);
}

static int attempt(struct cdc_offset_file *file, struct cdc_buf *out, struct cdc_error *error)
{
    char text[8192];
    struct cdc_control control = {.wake_fd = -1, .notice_fd = -1};
    struct cdc_metrics metrics = {0};
    const struct pg_settings pg = settings_of(for_snapshot);
    const struct pg_snapshot_settings settings = {
        .settings = &pg, .chunk_rows = 1, .output_fd = memfd_create("lines", MFD_CLOEXEC)};
    memory_begin();
    int result = pg_snapshot_run(&settings, file, NULL, &control, &metrics, &log_to, error);
    memory_end();
    ssize_t n = pread(settings.output_fd, text, sizeof text, 0);
    cdc_buf_append(out, text, n > 0 ? (size_t)n : 0);
    close(settings.output_fd);
    const struct cdc_offset *offset = cdc_offset_file_get(file, "p");
    if (result == 0 && offset)
        cdc_buf_text(out, offset->state);
    return left_open(result, error);
}

static int first_attempt(struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_offset_file *file = cdc_offset_file_memory("cdc-snapshot", error);
    int result = attempt(file, out, error);
    cdc_offset_file_free(file);
    return result;
}

#define IDENTITY                                                                                                       \
    "{\"system_identifier\":\"7712519040855319821\",\"timeline\":1,\"database\":\"postgres\",\"slot\":\"cdc_p\"}"
#define HAD "{\"oid\":16396,\"row\":\"725\",\"is\":\"10 f t t t t t\",\"has\":\"s2200:16397\"}"
static const struct fake_answer again[] = {
    {"FROM pg_replication_slots WHERE slot_name", SLOT "\npgoutput|postgres|f|0|0/1543DD0|0/1543D98|f|f|f", false},
    {"WITH p AS MATERIALIZED", PUBLISHED, false},
    {"SELECT 1 FROM pg_publication WHERE", "?column?\n1", false},
    {NULL, NULL, false}};

/* After one that has read some rows. */
static const char *state =
    "{\"identity\":" IDENTITY ",\"consistent_point\":\"0/1543DD0\",\"attempt\":1,\"publication\":" HAD
    ",\"written\":null,\"finished\":false}";
static int second_attempt(struct cdc_buf *out, struct cdc_error *error)
{
    struct cdc_offset_file *file = cdc_offset_file_memory("cdc-snapshot", error);
    const struct fake_answer *first = fake.first;
    const struct cdc_offset offset = {.pos = "0000000001543DD0.0000000000.a0001.000000000000", .state = (char *)state};
    if (cdc_offset_file_set(file, "p", &offset, error) < 0)
        abort();
    if (!first)
        fake.first = again;
    int result = attempt(file, out, error);
    fake.first = first;
    cdc_offset_file_free(file);
    return result;
}

/* From there to the end of the log. */
static int stream(struct cdc_buf *out, struct cdc_error *error)
{
    const struct pg_settings pg = settings_of(for_stream);
    struct cdc_metrics metrics = {0};
    struct cdc_offset from = {.pos = "0000000001543DD0.0000000000.a0001.000000000008",
                              .seq = 22298064,
                              .state = "{\"system_identifier\":\"7712519040855319821\",\"timeline\":1,\"database\":"
                                       "\"postgres\",\"slot\":\"cdc_p\",\"publication\":" HAD "}"};
    const struct cdc_start start = {.kind = CDC_START_RESUME, .from = from, .own = from};
    const struct pg_stream_settings settings = {.settings = &pg, .until = "now", .start = &start};
    int result = -1;
    memory_begin();
    struct pg_stream *made = pg_stream_new(&settings, &metrics, &log_to, error);
    if (made && pg_stream_ops.connect(made, &from, error) == 0) {
        enum cdc_source_result got = CDC_SOURCE_MORE;
        for (int i = 0; i < 60 && got >= CDC_SOURCE_IDLE && got != CDC_SOURCE_END; i++) {
            got = pg_stream_ops.read(made, out, out->len + 1, error);
            if (got != CDC_SOURCE_ERROR && got != CDC_SOURCE_END && pg_stream_ops.tick(made, out, false, error) < 0)
                got = CDC_SOURCE_ERROR;
            const struct cdc_offset *boundary = pg_stream_ops.boundary(made);
            if (got != CDC_SOURCE_ERROR && boundary && pg_stream_ops.confirm(made, boundary, error) < 0)
                got = CDC_SOURCE_ERROR;
        }
        result = got == CDC_SOURCE_END ? 0 : -1;
        if (got == CDC_SOURCE_IDLE || got == CDC_SOURCE_MORE)
            cdc_error_set(error, CDC_EXIT_INTERNAL, "the stream does not end");
        const struct cdc_offset *boundary = pg_stream_ops.boundary(made);
        memory_end();
        if (result == 0 && boundary)
            cdc_buf_printf(out, "%s %s", boundary->pos, boundary->state ? boundary->state : "");
        pg_stream_ops.disconnect(made);
    }
    pg_stream_free(made);
    memory_end();
    return left_open(result, error);
}

/* -- what comes out, and what is said for it -------------------------------------------------------- */

/* Long commands without their middle. */
static void append_short(struct cdc_buf *out)
{
    for (const char *p = fake.said.data, *end = p + fake.said.len; p < end;) {
        size_t n = strcspn(p, "\n");
        if (n > 130)
            cdc_buf_printf(out, "%.70s ... %.*s\n", p, 50, p + n - 50);
        else
            cdc_buf_printf(out, "%.*s\n", (int)n, p);
        p += n + 1;
    }
}

static void same(const char *what, const char *part, const struct cdc_buf *got, const char *want)
{
    char line[100];
    bool good = cdc_span_is(cdc_span(got->data, got->len), want);
    snprintf(line, sizeof line, "%s: %s", what, part);
    check(good, line);
    if (!good)
        printf("got:\n%.*s\nwanted:\n%s\n", (int)got->len, got->data, want);
}

static const struct run {
    const char *what, *name;
    memory_scenario *scenario;
    const char *lines, *said, *logged;
} runs[] = {
    {"a snapshot", "first", first_attempt,
     "{\"op\":\"schema\",\"pos\":\"0000000001543DD0.0000000000.a0001.000000000001\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"schema\":\"public\","
     "\"table\":\"t\",\"ts_ms\":1795710776653,\"lsn\":22298064,\"snapshot\":\"true\"},\"columns\":[{\"name\":\"id\","
     "\"type\":\"integer\",\"nullable\":false,\"generated\":false},{\"name\":\"v\",\"type\":\"text\",\"nullable\":true,"
     "\"generated\":false}],\"key_columns\":[\"id\"]}\n"
     "{\"op\":\"r\",\"pos\":\"0000000001543DD0.0000000000.a0001.000000000002\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"schema\":\"public\","
     "\"table\":\"t\",\"ts_ms\":1795710776653,\"lsn\":22298064,\"snapshot\":\"true\"},\"key\":{\"id\":1},\"before\":"
     "null,\"after\":{\"id\":1,\"v\":\"a\"}}\n"
     "{\"op\":\"commit\",\"pos\":\"0000000001543DD0.0000000000.a0001.000000000003\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"ts_ms\":"
     "1795710776653,\"lsn\":22298064,\"snapshot\":\"true\",\"system_id\":\"7712519040855319821\",\"timeline\":1},"
     "\"events\":1}\n"
     "{\"op\":\"r\",\"pos\":\"0000000001543DD0.0000000000.a0001.000000000004\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"schema\":\"public\","
     "\"table\":\"t\",\"ts_ms\":1795710776653,\"lsn\":22298064,\"snapshot\":\"true\"},\"key\":{\"id\":2},\"before\":"
     "null,\"after\":{\"id\":2,\"v\":null}}\n"
     "{\"op\":\"commit\",\"pos\":\"0000000001543DD0.0000000000.a0001.000000000005\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"ts_ms\":"
     "1795710776653,\"lsn\":22298064,\"snapshot\":\"true\",\"system_id\":\"7712519040855319821\",\"timeline\":1},"
     "\"events\":1}\n"
     "{\"op\":\"commit\",\"pos\":\"0000000001543DD0.0000000000.a0001.000000000006\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"ts_ms\":"
     "1795710776653,\"lsn\":22298064,\"snapshot\":\"true\",\"system_id\":\"7712519040855319821\",\"timeline\":1},"
     "\"events\":0}\n"
     "{\"op\":\"schema\",\"pos\":\"0000000001543DD0.0000000000.a0001.000000000007\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"schema\":\"public\","
     "\"table\":\"u\",\"ts_ms\":1795710776653,\"lsn\":22298064,\"snapshot\":\"true\"},\"columns\":[{\"name\":\"a\","
     "\"type\":\"integer\",\"nullable\":true,\"generated\":false},{\"name\":\"b\",\"type\":\"text\",\"nullable\":true,"
     "\"generated\":false}],\"key_columns\":[]}\n"
     "{\"op\":\"r\",\"pos\":\"0000000001543DD0.0000000000.a0001.000000000008\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"schema\":\"public\","
     "\"table\":\"u\",\"ts_ms\":1795710776653,\"lsn\":22298064,\"snapshot\":\"true\"},\"before\":null,\"after\":{\"a\":"
     "7,\"b\":\"x\"}}\n"
     "{\"op\":\"commit\",\"pos\":\"0000000001543DD0.0000000000.a0001.000000000009\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"ts_ms\":"
     "1795710776653,\"lsn\":22298064,\"snapshot\":\"true\",\"system_id\":\"7712519040855319821\",\"timeline\":1},"
     "\"events\":1}\n"
     "{\"op\":\"commit\",\"pos\":\"0000000001543DD0.0000000000.a0001.00000000000A\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"ts_ms\":"
     "1795710776653,\"lsn\":22298064,\"snapshot\":\"true\",\"system_id\":\"7712519040855319821\",\"timeline\":1},"
     "\"events\":0}\n"
     "{\"op\":\"commit\",\"pos\":\"0000000001543DD0.0000000000.a0001.00000000000B\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"ts_ms\":"
     "1795710776653,\"lsn\":22298064,\"snapshot\":\"last\",\"system_id\":\"7712519040855319821\",\"timeline\":1},"
     "\"events\":0}\n"
     "{\"identity\":{\"system_identifier\":\"7712519040855319821\",\"timeline\":1,\"database\":\"postgres\",\"slot\":"
     "\"cdc_p\"},\"consistent_point\":\"0/"
     "1543DD0\",\"attempt\":1,\"publication\":{\"oid\":16396,\"row\":\"725\",\"is\":\"10 f t t t t "
     "t\",\"has\":\"s2200:16397\"},\"written\":\"0000000001543DD0.0000000000.a0001.00000000000B\",\"finished\":true}",
     "1 connects\n"
     "1 SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transac ... ; SET client_min_messages = warning; "
     "SET jit = off\n"
     "1 SELECT coalesce(plugin, '') AS plugin, coalesce(database, '') AS dat ... ase FROM pg_replication_slots WHERE "
     "slot_name = $1\n"
     "1 cdc_p\n"
     "1 SELECT 1 FROM pg_publication WHERE pubname = $1\n"
     "1 cdc_p\n"
     "1 SELECT coalesce(obj_description(oid, 'pg_publication'), '') AS comment FROM pg_publication WHERE pubname = $1\n"
     "1 cdc_p\n"
     "1 SET lock_timeout = 10000\n"
     "1 WITH p AS MATERIALIZED (SELECT c.oid, t.rowfilter AS filter, t.attna ...  n.nspname <> 'information_schema')) "
     "ORDER BY 2, 3\n"
     "1 cdc_p\n"
     "1 SET lock_timeout = 0\n"
     "1 SET lock_timeout = 10000\n"
     "1 BEGIN; CREATE PUBLICATION \"cdc_p\" FOR TABLES IN SCHEMA \"public\" WITH ... LICATION \"cdc_p\" IS 'made by "
     "pg-cdc for p'; COMMIT\n"
     "1 SET lock_timeout = 0\n"
     "1 SET lock_timeout = 10000\n"
     "1 WITH p AS MATERIALIZED (SELECT c.oid, t.rowfilter AS filter, t.attna ...  n.nspname <> 'information_schema')) "
     "ORDER BY 2, 3\n"
     "1 cdc_p\n"
     "1 SET lock_timeout = 0\n"
     "1 SELECT p.oid AS publication, p.xmin::text AS written, concat_ws(' ', ... mespace WHERE p.pubname = $1 ORDER BY "
     "e.kind, e.of\n"
     "1 cdc_p\n"
     "2 connects for replication\n"
     "2 SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transac ... ; SET client_min_messages = warning; "
     "SET jit = off\n"
     "2 IDENTIFY_SYSTEM\n"
     "2 CREATE_REPLICATION_SLOT \"cdc_p\" LOGICAL pgoutput EXPORT_SNAPSHOT\n"
     "1 BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL row_security = off\n"
     "1 SET TRANSACTION SNAPSHOT '00000004-00000004-1'\n"
     "1 SELECT floor(extract(epoch FROM transaction_timestamp()) * 1000)::in ... rt_lsn() END AS lsn, "
     "pg_current_snapshot() AS xids\n"
     "1 SET lock_timeout = 10000\n"
     "1 WITH p AS MATERIALIZED (SELECT c.oid, t.rowfilter AS filter, t.attna ...  n.nspname <> 'information_schema')) "
     "ORDER BY 2, 3\n"
     "1 cdc_p\n"
     "1 SET lock_timeout = 0\n"
     "1 SELECT a.attname AS name, a.atttypid AS type, a.atttypmod AS typmod, ... ttnum > 0 AND NOT a.attisdropped "
     "ORDER BY a.attnum\n"
     "1 16384\n"
     "1 {id,v}\n"
     "1 f\n"
     "1 WITH RECURSIVE c AS (SELECT t, m, o FROM unnest($1::oid[], $2::int4[ ... ON d.o = c.o LEFT JOIN l ON l.o = c.o "
     "ORDER BY c.o\n"
     "1 {23,25}\n"
     "1 {-1,-1}\n"
     "1 SELECT a.attname AS name, a.atttypid AS type, a.atttypmod AS typmod, ... ttnum > 0 AND NOT a.attisdropped "
     "ORDER BY a.attnum\n"
     "1 16391\n"
     "1 {a,b}\n"
     "1 f\n"
     "1 WITH RECURSIVE c AS (SELECT t, m, o FROM unnest($1::oid[], $2::int4[ ... ON d.o = c.o LEFT JOIN l ON l.o = c.o "
     "ORDER BY c.o\n"
     "1 {23,25}\n"
     "1 {-1,-1}\n"
     "1 SET lock_timeout = 10000\n"
     "1 LOCK TABLE ONLY \"public\".\"t\" IN ACCESS SHARE MODE\n"
     "1 SET lock_timeout = 0\n"
     "1 SET lock_timeout = 10000\n"
     "1 LOCK TABLE ONLY \"public\".\"u\" IN ACCESS SHARE MODE\n"
     "1 SET lock_timeout = 0\n"
     "1 WITH o AS (SELECT unnest($1::oid[]) AS oid), r AS (SELECT oid FROM o ... , c.relname))::oid IS DISTINCT FROM "
     "c.oid) LIMIT 1\n"
     "1 {16384,16391}\n"
     "1 COPY \"public\".\"t\" (\"id\",\"v\") TO STDOUT\n"
     "1 COPY \"public\".\"u\" (\"a\",\"b\") TO STDOUT\n"
     "1 COMMIT\n",
     "created publication \"cdc_p\" for all tables of its schemas\n"
     "table \"public\".\"u\" has no primary key and no replica identity: now that it is published the server refuses "
     "UPDATE and DELETE on it. ALTER TABLE \"public\".\"u\" REPLICA IDENTITY FULL;\n"
     "created slot \"cdc_p\" at 0/1543DD0\n"
     "table public.u has no key: should the snapshot begin again, its rows come again, after a line that empties it "
     "(\"op\":\"t\")\n"
     "the snapshot of \"p\" is written: 3 rows of 2 tables in 0.0 s\n"},
    {"a snapshot that begins again", "second", second_attempt,
     "{\"op\":\"schema\",\"pos\":\"0000000001543DD0.0000000000.a0002.000000000001\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"schema\":\"public\","
     "\"table\":\"t\",\"ts_ms\":1795710776653,\"lsn\":22298064,\"snapshot\":\"true\"},\"columns\":[{\"name\":\"id\","
     "\"type\":\"integer\",\"nullable\":false,\"generated\":false},{\"name\":\"v\",\"type\":\"text\",\"nullable\":true,"
     "\"generated\":false}],\"key_columns\":[\"id\"]}\n"
     "{\"op\":\"t\",\"pos\":\"0000000001543DD0.0000000000.a0002.000000000002\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"schema\":\"public\","
     "\"table\":\"t\",\"ts_ms\":1795710776653,\"lsn\":22298064,\"snapshot\":\"true\"}}\n"
     "{\"op\":\"r\",\"pos\":\"0000000001543DD0.0000000000.a0002.000000000003\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"schema\":\"public\","
     "\"table\":\"t\",\"ts_ms\":1795710776653,\"lsn\":22298064,\"snapshot\":\"true\"},\"key\":{\"id\":1},\"before\":"
     "null,\"after\":{\"id\":1,\"v\":\"a\"}}\n"
     "{\"op\":\"commit\",\"pos\":\"0000000001543DD0.0000000000.a0002.000000000004\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"ts_ms\":"
     "1795710776653,\"lsn\":22298064,\"snapshot\":\"true\",\"system_id\":\"7712519040855319821\",\"timeline\":1,\"read_"
     "at\":{\"lsn\":\"0/1543DD8\",\"xids\":\"726:726:\"}},\"events\":2}\n"
     "{\"op\":\"r\",\"pos\":\"0000000001543DD0.0000000000.a0002.000000000005\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"schema\":\"public\","
     "\"table\":\"t\",\"ts_ms\":1795710776653,\"lsn\":22298064,\"snapshot\":\"true\"},\"key\":{\"id\":2},\"before\":"
     "null,\"after\":{\"id\":2,\"v\":null}}\n"
     "{\"op\":\"commit\",\"pos\":\"0000000001543DD0.0000000000.a0002.000000000006\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"ts_ms\":"
     "1795710776653,\"lsn\":22298064,\"snapshot\":\"true\",\"system_id\":\"7712519040855319821\",\"timeline\":1,\"read_"
     "at\":{\"lsn\":\"0/1543DD8\",\"xids\":\"726:726:\"}},\"events\":1}\n"
     "{\"op\":\"commit\",\"pos\":\"0000000001543DD0.0000000000.a0002.000000000007\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"ts_ms\":"
     "1795710776653,\"lsn\":22298064,\"snapshot\":\"true\",\"system_id\":\"7712519040855319821\",\"timeline\":1,\"read_"
     "at\":{\"lsn\":\"0/1543DD8\",\"xids\":\"726:726:\"}},\"events\":0}\n"
     "{\"op\":\"schema\",\"pos\":\"0000000001543DD0.0000000000.a0002.000000000008\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"schema\":\"public\","
     "\"table\":\"u\",\"ts_ms\":1795710776653,\"lsn\":22298064,\"snapshot\":\"true\"},\"columns\":[{\"name\":\"a\","
     "\"type\":\"integer\",\"nullable\":true,\"generated\":false},{\"name\":\"b\",\"type\":\"text\",\"nullable\":true,"
     "\"generated\":false}],\"key_columns\":[]}\n"
     "{\"op\":\"t\",\"pos\":\"0000000001543DD0.0000000000.a0002.000000000009\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"schema\":\"public\","
     "\"table\":\"u\",\"ts_ms\":1795710776653,\"lsn\":22298064,\"snapshot\":\"true\"}}\n"
     "{\"op\":\"r\",\"pos\":\"0000000001543DD0.0000000000.a0002.00000000000A\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"schema\":\"public\","
     "\"table\":\"u\",\"ts_ms\":1795710776653,\"lsn\":22298064,\"snapshot\":\"true\"},\"before\":null,\"after\":{\"a\":"
     "7,\"b\":\"x\"}}\n"
     "{\"op\":\"commit\",\"pos\":\"0000000001543DD0.0000000000.a0002.00000000000B\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"ts_ms\":"
     "1795710776653,\"lsn\":22298064,\"snapshot\":\"true\",\"system_id\":\"7712519040855319821\",\"timeline\":1,\"read_"
     "at\":{\"lsn\":\"0/1543DD8\",\"xids\":\"726:726:\"}},\"events\":2}\n"
     "{\"op\":\"commit\",\"pos\":\"0000000001543DD0.0000000000.a0002.00000000000C\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"ts_ms\":"
     "1795710776653,\"lsn\":22298064,\"snapshot\":\"true\",\"system_id\":\"7712519040855319821\",\"timeline\":1,\"read_"
     "at\":{\"lsn\":\"0/1543DD8\",\"xids\":\"726:726:\"}},\"events\":0}\n"
     "{\"op\":\"commit\",\"pos\":\"0000000001543DD0.0000000000.a0002.00000000000D\",\"seq\":22298064,\"ts_ms\":"
     "1795710776653,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"ts_ms\":"
     "1795710776653,\"lsn\":22298064,\"snapshot\":\"last\",\"system_id\":\"7712519040855319821\",\"timeline\":1,\"read_"
     "at\":{\"lsn\":\"0/1543DD8\",\"xids\":\"726:726:\"}},\"events\":0}\n"
     "{\"identity\":{\"system_identifier\":\"7712519040855319821\",\"timeline\":1,\"database\":\"postgres\",\"slot\":"
     "\"cdc_p\"},\"consistent_point\":\"0/1543DD0\",\"attempt\":2,\"read_at\":{\"lsn\":\"0/"
     "1543DD8\",\"xids\":\"726:726:\"},\"publication\":{\"oid\":16396,\"row\":\"725\",\"is\":\"10 f t t t t "
     "t\",\"has\":\"s2200:16397\"},\"written\":\"0000000001543DD0.0000000000.a0002.00000000000D\",\"finished\":true}",
     "1 connects\n"
     "1 SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transac ... ; SET client_min_messages = warning; "
     "SET jit = off\n"
     "1 SELECT coalesce(plugin, '') AS plugin, coalesce(database, '') AS dat ... ase FROM pg_replication_slots WHERE "
     "slot_name = $1\n"
     "1 cdc_p\n"
     "1 SELECT 1 FROM pg_publication WHERE pubname = $1\n"
     "1 cdc_p\n"
     "2 connects for replication\n"
     "2 SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transac ... ; SET client_min_messages = warning; "
     "SET jit = off\n"
     "2 IDENTIFY_SYSTEM\n"
     "1 BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL row_security = off\n"
     "1 SELECT floor(extract(epoch FROM transaction_timestamp()) * 1000)::in ... rt_lsn() END AS lsn, "
     "pg_current_snapshot() AS xids\n"
     "1 SELECT p.oid AS publication, p.xmin::text AS written, concat_ws(' ', ... mespace WHERE p.pubname = $1 ORDER BY "
     "e.kind, e.of\n"
     "1 cdc_p\n"
     "1 SET lock_timeout = 10000\n"
     "1 WITH p AS MATERIALIZED (SELECT c.oid, t.rowfilter AS filter, t.attna ...  n.nspname <> 'information_schema')) "
     "ORDER BY 2, 3\n"
     "1 cdc_p\n"
     "1 SET lock_timeout = 0\n"
     "1 SELECT a.attname AS name, a.atttypid AS type, a.atttypmod AS typmod, ... ttnum > 0 AND NOT a.attisdropped "
     "ORDER BY a.attnum\n"
     "1 16384\n"
     "1 {id,v}\n"
     "1 f\n"
     "1 WITH RECURSIVE c AS (SELECT t, m, o FROM unnest($1::oid[], $2::int4[ ... ON d.o = c.o LEFT JOIN l ON l.o = c.o "
     "ORDER BY c.o\n"
     "1 {23,25}\n"
     "1 {-1,-1}\n"
     "1 SELECT a.attname AS name, a.atttypid AS type, a.atttypmod AS typmod, ... ttnum > 0 AND NOT a.attisdropped "
     "ORDER BY a.attnum\n"
     "1 16391\n"
     "1 {a,b}\n"
     "1 f\n"
     "1 WITH RECURSIVE c AS (SELECT t, m, o FROM unnest($1::oid[], $2::int4[ ... ON d.o = c.o LEFT JOIN l ON l.o = c.o "
     "ORDER BY c.o\n"
     "1 {23,25}\n"
     "1 {-1,-1}\n"
     "1 SET lock_timeout = 10000\n"
     "1 LOCK TABLE ONLY \"public\".\"t\" IN ACCESS SHARE MODE\n"
     "1 SET lock_timeout = 0\n"
     "1 SET lock_timeout = 10000\n"
     "1 LOCK TABLE ONLY \"public\".\"u\" IN ACCESS SHARE MODE\n"
     "1 SET lock_timeout = 0\n"
     "1 WITH o AS (SELECT unnest($1::oid[]) AS oid), r AS (SELECT oid FROM o ... , c.relname))::oid IS DISTINCT FROM "
     "c.oid) LIMIT 1\n"
     "1 {16384,16391}\n"
     "1 COPY \"public\".\"t\" (\"id\",\"v\") TO STDOUT\n"
     "1 COPY \"public\".\"u\" (\"a\",\"b\") TO STDOUT\n"
     "1 COMMIT\n",
     "the snapshot of \"p\" begins again, attempt 2\n"
     "table public.u has no key: should the snapshot begin again, its rows come again, after a line that empties it "
     "(\"op\":\"t\")\n"
     "the snapshot of \"p\" is written: 3 rows of 2 tables in 0.0 s\n"},
    {"a stream", "stream", stream,
     "{\"op\":\"schema\",\"pos\":\"0000000001543F18.0000000001.0\",\"seq\":22298392,\"ts_ms\":1795710776846,\"source\":"
     "{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"schema\":\"public\",\"table\":\"t\",\"ts_ms\":"
     "1795710776846,\"lsn\":22298392,\"snapshot\":\"false\"},\"columns\":[{\"name\":\"id\",\"type\":\"integer\","
     "\"nullable\":false,\"generated\":false},{\"name\":\"v\",\"type\":\"text\",\"nullable\":true,\"generated\":false}]"
     ",\"key_columns\":[\"id\"]}\n"
     "{\"op\":\"c\",\"pos\":\"0000000001543F18.0000000001.1\",\"seq\":22298392,\"ts_ms\":1795710776846,\"source\":{"
     "\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"schema\":\"public\",\"table\":\"t\",\"ts_ms\":"
     "1795710776846,\"txId\":726,\"lsn\":22298392,\"snapshot\":\"false\"},\"key\":{\"id\":3},\"before\":null,\"after\":"
     "{\"id\":3,\"v\":\"c\"}}\n"
     "{\"op\":\"u\",\"pos\":\"0000000001543F18.0000000002.1\",\"seq\":22298392,\"ts_ms\":1795710776846,\"source\":{"
     "\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"schema\":\"public\",\"table\":\"t\",\"ts_ms\":"
     "1795710776846,\"txId\":726,\"lsn\":22298392,\"snapshot\":\"false\"},\"key\":{\"id\":1},\"before\":null,\"after\":"
     "{\"id\":1,\"v\":\"z\"}}\n"
     "{\"op\":\"d\",\"pos\":\"0000000001543F18.0000000003.1\",\"seq\":22298392,\"ts_ms\":1795710776846,\"source\":{"
     "\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"schema\":\"public\",\"table\":\"t\",\"ts_ms\":"
     "1795710776846,\"txId\":726,\"lsn\":22298392,\"snapshot\":\"false\"},\"key\":{\"id\":2},\"before\":{\"id\":2},"
     "\"after\":null}\n"
     "{\"op\":\"schema\",\"pos\":\"0000000001543F18.0000000004.0\",\"seq\":22298392,\"ts_ms\":1795710776846,\"source\":"
     "{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"schema\":\"public\",\"table\":\"u\",\"ts_ms\":"
     "1795710776846,\"lsn\":22298392,\"snapshot\":\"false\"},\"columns\":[{\"name\":\"a\",\"type\":\"integer\","
     "\"nullable\":true,\"generated\":false},{\"name\":\"b\",\"type\":\"text\",\"nullable\":true,\"generated\":false}],"
     "\"key_columns\":[]}\n"
     "{\"op\":\"c\",\"pos\":\"0000000001543F18.0000000004.1\",\"seq\":22298392,\"ts_ms\":1795710776846,\"source\":{"
     "\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"schema\":\"public\",\"table\":\"u\",\"ts_ms\":"
     "1795710776846,\"txId\":726,\"lsn\":22298392,\"snapshot\":\"false\"},\"before\":null,\"after\":{\"a\":8,\"b\":"
     "null}}\n"
     "{\"op\":\"commit\",\"pos\":\"0000000001543F18.FFFFFFFFFF.0000000001543F48\",\"seq\":22298392,\"ts_ms\":"
     "1795710776846,\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"ts_ms\":"
     "1795710776846,\"txId\":726,\"lsn\":22298440,\"snapshot\":\"false\",\"system_id\":\"7712519040855319821\","
     "\"timeline\":1},\"events\":4}\n"
     "0000000001543F18.FFFFFFFFFF.0000000001543F48 "
     "{\"system_identifier\":\"7712519040855319821\",\"timeline\":1,\"database\":\"postgres\",\"slot\":\"cdc_p\","
     "\"publication\":{\"oid\":16396,\"row\":\"725\",\"is\":\"10 f t t t t t\",\"has\":\"s2200:16397\"}}",
     "1 connects\n"
     "1 SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transac ... ; SET client_min_messages = warning; "
     "SET jit = off\n"
     "1 SELECT current_setting('wal_level') AS wal_level, (SELECT setting FROM pg_settings WHERE name = "
     "'wal_sender_timeout') AS timeout\n"
     "2 connects for replication\n"
     "2 SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transac ... ; SET client_min_messages = warning; "
     "SET jit = off\n"
     "1 SELECT concat_ws(' ', pg_postmaster_start_time(), (SELECT system_identifier FROM pg_control_system())) AS "
     "started\n"
     "2 SELECT concat_ws(' ', pg_postmaster_start_time(), (SELECT system_identifier FROM pg_control_system())) AS "
     "started\n"
     "2 IDENTIFY_SYSTEM\n"
     "1 SELECT coalesce(plugin, '') AS plugin, coalesce(database, '') AS dat ... ase FROM pg_replication_slots WHERE "
     "slot_name = $1\n"
     "1 cdc_p\n"
     "1 SELECT 1 FROM pg_publication WHERE pubname = $1\n"
     "1 cdc_p\n"
     "1 SELECT coalesce(obj_description(oid, 'pg_publication'), '') AS comment FROM pg_publication WHERE pubname = $1\n"
     "1 cdc_p\n"
     "1 SET lock_timeout = 10000\n"
     "1 WITH p AS MATERIALIZED (SELECT c.oid, t.rowfilter AS filter, t.attna ...  n.nspname <> 'information_schema')) "
     "ORDER BY 2, 3\n"
     "1 cdc_p\n"
     "1 SET lock_timeout = 0\n"
     "1 SELECT concat_ws(', ', CASE WHEN NOT pubinsert THEN 'insert' END, CA ...  AS missing FROM pg_publication WHERE "
     "pubname = $1\n"
     "1 cdc_p\n"
     "1 SELECT p.oid AS publication, p.xmin::text AS written, concat_ws(' ', ... mespace WHERE p.pubname = $1 ORDER BY "
     "e.kind, e.of\n"
     "1 cdc_p\n"
     "1 SET lock_timeout = 10000\n"
     "1 WITH p AS MATERIALIZED (SELECT c.oid, t.rowfilter AS filter, t.attna ...  n.nspname <> 'information_schema')) "
     "ORDER BY 2, 3\n"
     "1 cdc_p\n"
     "1 SET lock_timeout = 0\n"
     "1 SELECT concat_ws(', ', CASE WHEN NOT pubinsert THEN 'insert' END, CA ...  AS missing FROM pg_publication WHERE "
     "pubname = $1\n"
     "1 cdc_p\n"
     "1 SELECT p.oid AS publication, p.xmin::text AS written, concat_ws(' ', ... mespace WHERE p.pubname = $1 ORDER BY "
     "e.kind, e.of\n"
     "1 cdc_p\n"
     "1 SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() E ... ) ELSE pg_current_wal_insert_lsn() "
     "END AS inserted\n"
     "2 START_REPLICATION SLOT \"cdc_p\" LOGICAL 0/1543DD0 (proto_version '1', publication_names '\"cdc_p\"', messages "
     "'true')\n"
     "1 WITH RECURSIVE c AS (SELECT t, m, o FROM unnest($1::oid[], $2::int4[ ... ON d.o = c.o LEFT JOIN l ON l.o = c.o "
     "ORDER BY c.o\n"
     "1 {23,25}\n"
     "1 {-1,-1}\n"
     "1 SELECT c.*, coalesce((SELECT age(o.xmin) < 0 OR o.xmin = (SELECT t.x ... ttnum > 0 AND NOT a.attisdropped "
     "ORDER BY a.attnum\n"
     "1 cdc_p\n"
     "1 16384\n"
     "1 cdc_p\n"
     "1 SELECT concat_ws(' ', (SELECT concat(count(*), ' ', sum(hashtext(con ... gint) FROM "
     "pg_catalog.pg_publication_namespace n))\n"
     "1 SET lock_timeout = 200\n"
     "1 WITH p AS MATERIALIZED (SELECT c.oid, t.rowfilter AS filter, t.attna ...  n.nspname <> 'information_schema')) "
     "ORDER BY 2, 3\n"
     "1 cdc_p\n"
     "1 SET lock_timeout = 0\n"
     "1 SELECT concat_ws(', ', CASE WHEN NOT pubinsert THEN 'insert' END, CA ...  AS missing FROM pg_publication WHERE "
     "pubname = $1\n"
     "1 cdc_p\n"
     "1 SELECT p.oid AS publication, p.xmin::text AS written, concat_ws(' ', ... mespace WHERE p.pubname = $1 ORDER BY "
     "e.kind, e.of\n"
     "1 cdc_p\n"
     "1 WITH RECURSIVE c AS (SELECT t, m, o FROM unnest($1::oid[], $2::int4[ ... ON d.o = c.o LEFT JOIN l ON l.o = c.o "
     "ORDER BY c.o\n"
     "1 {23,25}\n"
     "1 {-1,-1}\n"
     "1 SELECT c.*, coalesce((SELECT age(o.xmin) < 0 OR o.xmin = (SELECT t.x ... ttnum > 0 AND NOT a.attisdropped "
     "ORDER BY a.attnum\n"
     "1 cdc_p\n"
     "1 16391\n"
     "1 cdc_p\n",
     "table \"public\".\"u\" has no primary key and no replica identity: the server refuses UPDATE and DELETE on "
     "it\n"}};

static void test_run(const struct run *run)
{
    struct cdc_buf out = CDC_BUF_INIT, said = CDC_BUF_INIT;
    struct cdc_error error = {0};
    int result = run->scenario(&out, &error);
    append_short(&said);
    if (getenv("SHOW"))
        printf("@@ %s %d %s\n<<lines\n%.*s\n>>\n<<said\n%.*s>>\n<<logged\n%.*s>>\n", run->name, result, error.text,
               (int)out.len, out.data, (int)said.len, said.data, (int)logged.len, logged.data);
    check(result == 0, run->what);
    same(run->what, "lines", &out, run->lines);
    same(run->what, "what is said", &said, run->said);
    same(run->what, "messages", &logged, run->logged);
    cdc_buf_free(&out);
    cdc_buf_free(&said);
    failures += fake_sweep(run->what, run->scenario);
    failures += memory_sweep(run->what, run->scenario);
}

/* -- other answers ------------------------------------------------------------------------------------ */

#define A(to, rows)                                                                                                    \
    {                                                                                                                  \
        to, rows, false                                                                                                \
    }
struct other {
    memory_scenario *scenario;
    struct fake_answer answers[5]; /* and an end */
    int status;
    const char *says; /* part of the error, its hint, a message, the lines or what was said */
};

static void check_other(const struct other *other)
{
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_error error = {0};
    char line[240];
    struct fake_answer all[16];
    size_t n = 0;
    for (; other->answers[n].to; n++)
        all[n] = other->answers[n];
    for (size_t i = 0; other->scenario == second_attempt && again[i].to; i++)
        all[n++] = again[i];
    all[n] = (struct fake_answer){0};
    fake.first = all;
    int result = other->scenario(&out, &error);
    fake.first = NULL;
    cdc_buf_printf(&out, "%s (hint: %s)", error.text, error.hint);
    cdc_buf_append_buf(&out, &logged);
    cdc_buf_append_buf(&out, &fake.said);
    snprintf(line, sizeof line, "%.60s|%.60s: %s", other->answers[0].to,
             other->answers[0].rows ? other->answers[0].rows : "", other->says);
    bool good = error.status == other->status && (result == 0) == (other->status == 0) && has(&out, other->says);
    check(good, line);
    if (!good)
        printf("# status %d: %.*s\n", error.status, (int)out.len, out.data);
    cdc_buf_free(&out);
}

static const struct other others[] = {
    /* the start of a snapshot */
    {first_attempt,
     {A("FROM pg_replication_slots WHERE slot_name", SLOT "\npgoutput|postgres|f|0|0/1543DD0|0/1543D98|f|f|f")},
     CDC_EXIT_CONFIG,
     "slot \"cdc_p\" exists, but offset file (none) knows of no snapshot that made it"},
    {first_attempt,
     {A("FROM pg_replication_slots WHERE slot_name", SLOT "\npgoutput|postgres|f|x|0/1543DD0|0/1543D98|f|f|f")},
     CDC_EXIT_PROTOCOL,
     "lacks what it was asked for"},
    {first_attempt, {A("obj_description", "comment\nmade by pg-cdc for other")}, CDC_EXIT_CONFIG, "other"},
    {first_attempt,
     {A("WITH p AS MATERIALIZED",
        CATALOG "16384|public|t|~|~|r|p|t|t|t|f|t|f|f|5|~|{id,v}|f|~|f|f|~|~|f|f|f|d|f|t|t|f|~"),
      A("SELECT current_user", "current_user\nu")},
     CDC_EXIT_PERMISSION,
     "role \"u\" may not read table public.t"},
    {first_attempt,
     {A("WITH p AS MATERIALIZED",
        CATALOG "16384|public|t|~|~|r|p|t|t|t|f|t|t|t|5|~|{id,v}|f|~|f|f|~|~|f|f|f|d|f|t|t|f|~"),
      A("SELECT current_user", "current_user\nu")},
     CDC_EXIT_PERMISSION,
     "may not read all rows of table public.t"},
    {first_attempt,
     {A("WITH p AS MATERIALIZED",
        CATALOG "16384|public|t|~|~|r|p|t|t|t|f|t|t|t|5|~|{id,v}|f|~|f|f|~|~|f|f|f|d|f|t|t|f|~"),
      A("SELECT current_user", "current_user")},
     CDC_EXIT_PROTOCOL,
     "cannot ask for the role: the server gave no answer to it"},
    {first_attempt,
     {A("WITH p AS MATERIALIZED", CATALOG "16384|public|t|~|~|r|p|f|f|t|f|t|~|f|0|~|~|f|~|f|f|~|~|f|f|f|d|f|t|t|f|~")},
     CDC_EXIT_CONFIG,
     "no table is selected by -t public.*"},
    {first_attempt,
     {A("WITH p AS MATERIALIZED",
        CATALOG "16384|public|t|~|~|p|p|f|f|t|f|t|t|f|0|~|~|f|~|f|f|public.t1|~|f|f|f|d|f|t|t|f|~")},
     CDC_EXIT_CONFIG,
     "partition public.t1 is half detached"},
    {first_attempt,
     {A("CREATE PUBLICATION", "!42501 no right")},
     CDC_EXIT_PERMISSION,
     "superuser create publication \"cdc_p\""},
    {first_attempt,
     {A("CREATE PUBLICATION", "!55P03 lock timeout")},
     CDC_EXIT_TEMPORARY,
     "a table is locked by another session (pg_locks)"},
    {first_attempt,
     {A("CREATE_REPLICATION_SLOT", "!53400 all slots in use")},
     CDC_EXIT_CONFIG,
     "cannot create slot \"cdc_p\": all slots in use"},
    {first_attempt,
     {A("CREATE_REPLICATION_SLOT", "slot_name|consistent_point|output_plugin\ncdc_p|0/1543DD0|pgoutput")},
     CDC_EXIT_PROTOCOL,
     "cannot create the slot: the server's answer lacks what it was asked for"},
    {first_attempt,
     {A("CREATE_REPLICATION_SLOT",
        "slot_name|consistent_point|snapshot_name|output_plugin\ncdc_p|x|00000004-00000004-1|pgoutput")},
     CDC_EXIT_PROTOCOL,
     "cannot create the slot: the server's answer lacks what it was asked for"},
    {first_attempt,
     {A("SET TRANSACTION SNAPSHOT", "!22023 invalid snapshot")},
     CDC_EXIT_TEMPORARY,
     "cannot import the slot's snapshot: invalid snapshot"},
    {first_attempt,
     {A("SET TRANSACTION SNAPSHOT", "!42501 no right")},
     CDC_EXIT_PERMISSION,
     "cannot import the slot's snapshot"},
    {first_attempt,
     {A("transaction_timestamp", "now|lsn|xids\nx|0/1543DD8|726:726:")},
     CDC_EXIT_PROTOCOL,
     "cannot read the server's clock: the server's answer lacks"},
    {first_attempt,
     {A("IDENTIFY_SYSTEM", "systemid|timeline|xlogpos\n7712519040855319821|1|0/1543F48")},
     CDC_EXIT_PROTOCOL,
     "lacks what it was asked for"},
    {first_attempt,
     {A("IS DISTINCT FROM pg_relation_filenode", "schema|name\npublic|t")},
     CDC_EXIT_TEMPORARY,
     "table public.t was rewritten, renamed or dropped since the snapshot was taken"},
    {first_attempt,
     {A("LOCK TABLE", "!42P01 gone")},
     CDC_EXIT_TEMPORARY,
     "cannot lock a table against changes of its form: gone"},
    {first_attempt, {A("COPY \"public\".\"t\"", "!42501 denied")}, CDC_EXIT_PERMISSION, "denied"},
    {first_attempt, {A("COMMIT", NULL)}, 0, "is written: 3 rows of 2 tables"},
    /* a snapshot that begins again */
    {second_attempt,
     {A("FROM pg_replication_slots WHERE slot_name", SLOT)},
     CDC_EXIT_LOST,
     "slot \"cdc_p\" does not exist any more: the snapshot that was begun at 0/1543DD0"},
    {second_attempt,
     {A("FROM pg_replication_slots WHERE slot_name", SLOT "\npgoutput|postgres|f|0|0/1543DD0|0/1543D98|t|f|f")},
     CDC_EXIT_LOST,
     "was invalidated by the server"},
    {second_attempt,
     {A("FROM pg_replication_slots WHERE slot_name", SLOT "\npgoutput|postgres|f|0|0/1543DD1|0/1543D98|f|f|f")},
     CDC_EXIT_LOST,
     "has been read past the snapshot's position"},
    {second_attempt,
     {A("FROM pg_replication_slots WHERE slot_name", SLOT "\ntest_decoding|postgres|f|0|0/1543DD0|0/1543D98|f|f|f")},
     CDC_EXIT_CONFIG,
     "test_decoding"},
    {second_attempt,
     {A("FROM pg_replication_slots WHERE slot_name", SLOT "\npgoutput|other|f|0|0/1543DD0|0/1543D98|f|f|f")},
     CDC_EXIT_CONFIG,
     "other"},
    {second_attempt,
     {A("WITH p AS MATERIALIZED", PUBLISHED), A("SELECT 1 FROM pg_publication WHERE", "?column?")},
     CDC_EXIT_LOST,
     "publication \"cdc_p\" is gone: the log since the snapshot began cannot be read"},
    {second_attempt,
     {A("IDENTIFY_SYSTEM", "systemid|timeline|xlogpos|dbname\n7712519040855319822|1|0/1543F48|postgres")},
     CDC_EXIT_LOST,
     "7712519040855319822"},
    {second_attempt,
     {A("IDENTIFY_SYSTEM", "systemid|timeline|xlogpos|dbname\n7712519040855319821|1|0/1543DCF|postgres")},
     CDC_EXIT_LOST,
     "0/1543D"},
    {second_attempt,
     {A("IDENTIFY_SYSTEM", "systemid|timeline|xlogpos|dbname\n7712519040855319821|2|0/1543F48|postgres"),
      A("TIMELINE_HISTORY", "filename|content\n00000002.history|1\t0/1543DCF\tno target")},
     CDC_EXIT_LOST,
     "timeline"},
    {second_attempt,
     {A("IDENTIFY_SYSTEM", "systemid|timeline|xlogpos|dbname\n7712519040855319821|2|0/1543F48|postgres"),
      A("TIMELINE_HISTORY", "filename|content\n00000002.history|1\t0/1543DD0\tno target")},
     0,
     "\"timeline\":2"},
    {second_attempt,
     {A("transaction_timestamp", "now|lsn|xids\n1795710776653|~|~")},
     0,
     "\"attempt\":2,\"publication\""},
    {second_attempt,
     {A("transaction_timestamp", "now|lsn|xids\n1795710776653|0/1543DD8|726:727:726")},
     0,
     "\"read_at\":{\"lsn\":\"0/1543DD8\",\"xids\":\"726:727:726\"}"},
    /* a stream */
    {stream,
     {A("wal_level", "wal_level|timeout\nreplica|60000")},
     CDC_EXIT_CONFIG,
     "the server's wal_level is replica; logical is needed"},
    {stream, {A("wal_level", "wal_level|timeout\nlogical|~")}, CDC_EXIT_PROTOCOL, "cannot read the server's settings"},
    {stream,
     {A("FROM pg_replication_slots WHERE slot_name", SLOT), A("pg_is_in_recovery() AS standby", "standby\nt")},
     CDC_EXIT_UNAVAILABLE,
     "host /sockets is a standby, and has no slot \"cdc_p\""},
    {stream,
     {A("FROM pg_replication_slots WHERE slot_name", SLOT), A("pg_is_in_recovery() AS standby", "standby\nf")},
     CDC_EXIT_LOST,
     "cdc_p"},
    {stream,
     {A("FROM pg_replication_slots WHERE slot_name", SLOT "\npgoutput|postgres|f|0|0/1543DD0|0/1543D98|f|t|f"),
      A("pg_is_in_recovery() AS standby", "standby\nt")},
     CDC_EXIT_UNAVAILABLE,
     "is only a copy of the primary's"},
    {stream,
     {A("FROM pg_replication_slots WHERE slot_name", SLOT "\npgoutput|postgres|t|77|0/1543DD0|0/1543D98|f|f|f")},
     CDC_EXIT_TEMPORARY,
     "slot \"cdc_p\" is in use by pid 77"},
    {stream,
     {A("FROM pg_replication_slots WHERE slot_name", SLOT "\npgoutput|postgres|f|0|0/1543DD0|0/1543D98|t|f|f")},
     CDC_EXIT_LOST,
     "cdc_p"},
    {stream,
     {A("FROM pg_replication_slots WHERE slot_name", SLOT "\npgoutput|postgres|f|0|0/1543DD1|0/1543D98|f|f|f")},
     CDC_EXIT_LOST,
     "cdc_p"},
    {stream,
     {A("WITH p AS MATERIALIZED", PUBLISHED), A("SELECT 1 FROM pg_publication WHERE", "?column?")},
     CDC_EXIT_CONFIG,
     "the slot is older than any publication made now"},
    {stream,
     {A("SELECT p.oid AS publication", "publication|written|is|via_root|kind|of|row|schema|name|partitioned|root_"
                                       "schema|root\n16399|729|10 f t t t t t|t|s|2200|16397|public|t|f|~|~")},
     CDC_EXIT_CONFIG,
     "cdc_p"},
    {stream,
     {A("AS flushed", "flushed|inserted\nx|0/1543F48")},
     CDC_EXIT_PROTOCOL,
     "cannot ask for the end of the log"},
    {stream, {A("AS missing FROM pg_publication", "missing\ndelete")}, 0, "delete"},
    {stream, {A("pg_control_system", "started\n~")}, CDC_EXIT_PROTOCOL, "lacks what it was asked for"},
    {stream,
     {A("START_REPLICATION", "!55000 cannot")},
     CDC_EXIT_CONFIG,
     "cannot start replication: cannot (SQLSTATE 55000)"},
    {stream,
     {A("START_REPLICATION", "!42704 no publication")},
     CDC_EXIT_CONFIG,
     "was publication \"cdc_p\" dropped, or made after the slot?"},
    {stream,
     {A("IDENTIFY_SYSTEM", "systemid|timeline|xlogpos|dbname\n7712519040855319822|1|0/1543F48|postgres")},
     CDC_EXIT_LOST,
     "7712519040855319822"},
    {stream,
     {A("IDENTIFY_SYSTEM", "systemid|timeline|xlogpos|dbname\n7712519040855319821|2|0/1543F48|postgres"),
      A("TIMELINE_HISTORY", "filename|content\n00000002.history|1\t0/1543DCF\tno target")},
     CDC_EXIT_LOST,
     "the server's timeline 2 left timeline 1 before the position 0/1543DD0"},
    {stream,
     {A("IDENTIFY_SYSTEM", "systemid|timeline|xlogpos|dbname\n7712519040855319821|0|0/1543F48|postgres")},
     CDC_EXIT_LOST,
     "it was set back"},
    {stream,
     {A("IDENTIFY_SYSTEM", "systemid|timeline|xlogpos|dbname\n7712519040855319821|1|0/1543DCF|postgres")},
     CDC_EXIT_LOST,
     "the server's log ends at 0/1543DCF, before the position 0/1543DD0"},
    {stream,
     {A("IDENTIFY_SYSTEM", "systemid|timeline|xlogpos|dbname\n7712519040855319821|1|0/1543DCF|postgres"),
      A("AS standby", "standby\nt")},
     CDC_EXIT_UNAVAILABLE,
     "it is waited for until it has the position"},
    {stream,
     {A("SELECT c.*", RELATION "16384|d|16386|f|f|f|d|f|t|t|f|~|t|724|0/1543F48|id|t|f|t|t|t|f")},
     0,
     "\"name\":\"v\""},
};

static void test_others(void)
{
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        check_other(&others[i]);
    no_create = true;
    check_other(&(struct other){first_attempt,
                                {A("nothing", NULL)},
                                CDC_EXIT_CONFIG,
                                "slot \"cdc_p\" does not exist, and --no-create forbids"});
    no_create = false;
    n_patterns = 0;
    check_other(
        &(struct other){first_attempt,
                        {A("nothing", NULL)},
                        0,
                        "CREATE PUBLICATION \"cdc_p\" FOR ALL TABLES WITH (publish_via_partition_root = true)"});
    n_patterns = 1;
    fake.version = 130009;
    check_other(&(struct other){
        first_attempt, {A("nothing", NULL)}, CDC_EXIT_CONFIG, "the server is PostgreSQL 13; 14 or later is needed"});
    fake.version = 140000;
    check_other(&(struct other){first_attempt, {A("nothing", NULL)}, 0, "SELECT c.oid, NULL::text AS filter"});
    fake.version = 170000;
    check_other(
        &(struct other){first_attempt, {A("SET transaction_timeout = 0", NULL)}, 0, "SET transaction_timeout = 0"});
    fake.version = 150000;
    fake.encoding = "SQL_ASCII";
    check_other(&(struct other){
        first_attempt, {A("pg_encoding_max_length", "single\nf")}, 0, "SET client_encoding = 'SQL_ASCII'"});
    fake.encoding = "UTF8";
    fake.standby = "on";
    check_other(&(struct other){first_attempt,
                                {A("nothing", NULL)},
                                CDC_EXIT_UNAVAILABLE,
                                "host /sockets is a standby, and has no publication \"cdc_p\""});
    fake.standby = "off";
    fake.superuser = "off";
    check_other(
        &(struct other){first_attempt,
                        {A("nothing", NULL)},
                        0,
                        "CREATE PUBLICATION \"cdc_p\" FOR TABLE ONLY \"public\".\"t\", ONLY \"public\".\"u\" WITH"});
    fake.superuser = "on";
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
        test_run(&runs[i]);
    test_others();
    cdc_buf_free(&logged);
    cdc_buf_free(&fake.said);
    cdc_buf_free(&fake.sent);
    return failures ? 1 : 0;
}
