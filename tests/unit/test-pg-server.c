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
    "estimate|filter|columns|lists_columns|hole|partial|columnless|detaching|inserts_only|unsent|is_18|replica_"       \
    "identity|partitioned|primary_exists|primary_is_immediate|index_exists|unlike\n"
#define UNPUBLISHED                                                                                                    \
    CATALOG "16384|public|t|~|~|r|p|f|f|t|f|t|t|f|0|~|~|f|~|f|f|~|f|f|f|d|f|t|t|f|~\n16391|public|u|~|~|r|p|f|f|t|f|"  \
            "t|t|f|0|~|~|f|~|f|f|~|f|f|f|d|f|f|f|f|~"
#define PUBLISHED                                                                                                      \
    CATALOG "16384|public|t|~|~|r|p|t|t|t|f|t|t|f|5|~|{id,v}|f|~|f|f|~|f|f|f|d|f|t|t|f|~\n16391|public|u|~|~|r|p|t|t|" \
            "t|f|t|t|f|7|~|{a,b}|f|~|f|f|~|f|f|f|d|f|f|f|f|~"
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
                                .selection = {.include = {.items = pattern, .count = 1}},
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
                              .state = "{\"identity\":" IDENTITY ",\"publication\":" HAD "}"};
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

int main(void)
{
    struct cdc_buf out = CDC_BUF_INIT;
    struct cdc_error error = {0};
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (getenv("SHOW")) {
        memory_scenario *const all[] = {first_attempt, second_attempt, stream};
        for (int i = 0; i < 3; i++) {
            out.len = 0;
            error = (struct cdc_error){0};
            int result = all[i](&out, &error);
            printf("%d %s\n%.*s\n%.*s\n%.*s\n", result, error.text, (int)out.len, out.data, (int)fake.said.len,
                   fake.said.data, (int)logged.len, logged.data);
        }
        return 0;
    }
    failures += fake_sweep("a snapshot", first_attempt);
    failures += memory_sweep("a snapshot", first_attempt);
    failures += fake_sweep("a snapshot that begins again", second_attempt);
    failures += memory_sweep("a snapshot that begins again", second_attempt);
    failures += fake_sweep("a stream", stream);
    failures += memory_sweep("a stream", stream);
    cdc_buf_free(&out);
    cdc_buf_free(&logged);
    cdc_buf_free(&fake.said);
    cdc_buf_free(&fake.sent);
    return failures ? 1 : 0;
}
