/* SPDX-License-Identifier: MIT */
/* A snapshot of a PostgreSQL server that is a table of answers, and one that begins again. */
#include "connectors/postgres/snapshot/snapshot.h"
#include "tests/unit/pg-server.h"

#include <fcntl.h>
#include <sys/mman.h>

/* -- the server -- */

#define UNPUBLISHED                                                                                                    \
    CATALOG                                                                                                            \
    "16384|public|t|~|~|r|p|f|f|t|f|t|t|f|0|~|~|f|~|f|f|f|~|~|f|f|f|d|f|t|t|f|~\n16391|public|u|~|~|r|p|f|f|t|f|"      \
    "t|t|f|0|~|~|f|~|f|f|f|~|~|f|f|f|d|f|f|f|f|~"
#define COLUMNS "name|type|typmod|generated|nullable|identity|primary|published\n"
static const struct fake_answer for_snapshot[] = {
    {"SET statement_timeout", NULL, false},
    {"AS publication, (SELECT pg_current_snapshot()",
     "publication|xids|at|schema|name|oid|made|named|by|is_part|first_file|columns|is\n"
     "16396 725 10 f t t t t t|726:726:|0/1543DD8|public|t|16384|720|720|724|f|t|2|{\"oid\" : 16384, \"cols\" : []}\n"
     "16396 725 10 f t t t t t|726:726:|0/1543DD8|public|u|16391|720|720|724|f|t|2|{\"oid\" : 16391, \"cols\" : []}",
     false},
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
    {"IS DISTINCT FROM pg_relation_filenode", "schema|name|what", false},
    {"AS heap", "n|heap|blocks\n1|t|5\n2|t|1", false},
    {"ctid < '(3,0)'", "COPY before", false},
    {"ctid >= '(3,0)'", "COPY after", false},
    {"COPY \"public\".\"t\"", "COPY t", false},
    {"COPY \"public\".\"u\"", "COPY u", false},
    {"COMMIT", NULL, false},
    {"FROM pg_locks", "who\n~", true},
    {"AS standby", "standby\nf", false},
    {NULL, NULL, false}};

static const struct fake_copy copies[] = {{"t", {{"1\ta\n", 4}, {"2\t\\N\n", 5}}},
                                          {"u", {{"7\tx\n", 4}}},
                                          {"before", {{"2\tmoved\n", 8}}},
                                          {"after", {{"5\tnew\n", 6}}},
                                          {NULL, {{NULL, 0}}}};

/* -- runs -- */

static struct cdc_acks *acks; /* NULL: there are no sinks */

static int attempt(struct cdc_offset_file *file, struct cdc_buf *out, struct cdc_error *error)
{
    char text[8192];
    struct cdc_control control = {.wake_fd = -1, .notice_fd = -1};
    struct cdc_metrics metrics = {0};
    const struct pg_settings pg = settings_of(for_snapshot, copies);
    const struct pg_snapshot_settings settings = {.settings = &pg,
                                                  .chunk_rows = 1,
                                                  .jobs = 1,
                                                  .output_fd = memfd_create("lines", MFD_CLOEXEC),
                                                  .state_dir = acks ? "." : NULL};
    memory_begin();
    int result = pg_snapshot_run(&settings, file, acks, &control, &metrics, &log_to, error);
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
static const struct fake_answer again[] = {
    {"FROM pg_replication_slots WHERE slot_name", SLOT "\npgoutput||f|0|0/1543DD0|0/1543D98|f|f|f", false},
    {"WITH p AS MATERIALIZED", PUBLISHED, false},
    {"SELECT 1 FROM pg_publication WHERE", "?column?\n1", false},
    {"pg_current_wal_flush_lsn", "flushed\nt", false},
    {NULL, NULL, false}};

/* What MEMBERS say of the publication. */
#define PUBLICATION                                                                                                    \
    "{\"oid\":16396,\"row\":\"725\",\"is\":\"10 f t t t t t\",\"whole\":\"725 1 5\",\"has\":\"s2200:16397\"}"
/* After one that has read some rows. */
static const char *state =
    "{\"identity\":" IDENTITY ",\"consistent_point\":\"0/1543DD0\",\"attempt\":1,\"publication\":" PUBLICATION
    ",\"written\":null,\"finished\":false}";
/* Of an attempt whose rows sinks have stored in part: views, and what was read in them up to which line. */
#define KEPT(read)                                                                                                     \
    "{\"identity\":" IDENTITY ",\"consistent_point\":\"0/1543DD0\",\"attempt\":1,\"publication\":" PUBLICATION         \
    ",\"written\":null,\"finished\":false,\"read\":{" read "}}"
#define VIEWS "\"views\":[{\"xids\":\"720:720:\"},{\"lsn\":\"0/1543DD4\",\"xids\":\"723:724:723\"}]"
#define FORM "6239E6F9BC6D66E8"
#define PART(upto, line) PART_OF(FORM, "0", "1", upto, line)
#define PART_OF(form, base, edge, upto, line)                                                                          \
    "{\"schema\":\"public\",\"table\":\"t\",\"form\":\"" form "\",\"base\":" base ",\"edge\":" edge upto               \
    ",\"pos\":\"0000000001543DD0.0000000000.a0001.00000000000" line "\"}"
#define SINKS ",\"sinks\":[\"sink.offset\"]"
#define UPTO(n) ",\"upto\":" n
static const char *kept_state = KEPT(VIEWS ",\"parts\":[" PART(UPTO("3"), "5") "]" SINKS);

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

/* After one of which a sink has all rows of t before block 3. */
static const char *sink_at = "0000000001543DD0.0000000000.a0001.000000000005";

static int kept_attempt(struct cdc_buf *out, struct cdc_error *error)
{
    static const char *const sinks[] = {"sink.offset"};
    const char *kept = state;
    struct cdc_error ignored = {0};
    struct cdc_offset_file *file = cdc_offset_file_open(sinks[0], "cdc-sink-t", &ignored);
    const struct cdc_offset offset = {.pos = (char *)(uintptr_t)sink_at};
    if (!file || cdc_offset_file_set(file, "p", &offset, &ignored) < 0 || cdc_offset_file_save(file, &ignored) < 0)
        abort();
    cdc_offset_file_free(file);
    acks = cdc_acks_new("p", sinks, 1, NULL, &ignored);
    state = kept_state;
    int result = second_attempt(out, error);
    state = kept;
    cdc_acks_free(acks);
    acks = NULL;
    return result;
}

/* -- what comes out, and what is said for it -- */

#define SHAPES                                                                                                         \
    "\"shapes\":{\"publication\":\"16396 725 10 f t t t t "                                                            \
    "t\",\"xids\":\"726:726:\",\"at\":\"0/1543DD8\",\"tables\":[{"                                                     \
    "\"schema\":\"public\",\"table\":\"t\",\"at\":\"0/"                                                                \
    "1543DD8\",\"is\":{\"oid\":16384,\"cols\":[]},\"columns\":2},{\"schema\":"                                         \
    "\"public\",\"table\":\"u\",\"at\":\"0/1543DD8\",\"is\":{\"oid\":16391,\"cols\":[]},\"columns\":2}]}"

static const struct run runs[] = {
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
     "t\",\"whole\":\"725 1 5\",\"has\":\"s2200:16397\"}," SHAPES
     ",\"written\":\"0000000001543DD0.0000000000.a0001.00000000000B\",\"finished\":true}",
     "1 connects\n"
     "1 SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transac ... ; SET client_min_messages = warning; "
     "SET jit = off\n"
     "1 SELECT coalesce(plugin, '') AS plugin, coalesce(nullif(database, cur ... ase FROM pg_replication_slots WHERE "
     "slot_name = $1\n"
     "1 cdc_p\n"
     "1 SELECT 1 FROM pg_publication WHERE pubname = $1\n"
     "1 cdc_p\n"
     "1 SET lock_timeout = 10000\n"
     "1 WITH p AS MATERIALIZED (SELECT c.oid, t.rowfilter AS filter, t.attna ...  n.nspname <> 'information_schema')) "
     "ORDER BY 2, 3\n"
     "1 cdc_p\n"
     "1 SET lock_timeout = 0\n"
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
     "1 SELECT concat_ws(' ', p.oid, p.xmin, p.pubowner, p.puballtables, p.p ...  = ANY ($2::oid[])) t ON true WHERE "
     "p.pubname = $1\n"
     "1 cdc_p\n"
     "1 {16384,16391}\n"
     "1 object\n"
     "1 SET lock_timeout = 10000\n"
     "1 LOCK TABLE ONLY \"public\".\"t\" IN ACCESS SHARE MODE\n"
     "1 SET lock_timeout = 0\n"
     "1 SET lock_timeout = 10000\n"
     "1 LOCK TABLE ONLY \"public\".\"u\" IN ACCESS SHARE MODE\n"
     "1 SET lock_timeout = 0\n"
     "1 WITH RECURSIVE o AS (SELECT unnest($1::oid[]) AS oid), now AS (SELEC ... N pg_namespace n ON n.oid = "
     "c.relnamespace LIMIT 1\n"
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
     "t\",\"whole\":\"725 1 5\",\"has\":\"s2200:16397\"}," SHAPES
     ",\"written\":\"0000000001543DD0.0000000000.a0002.00000000000D\",\"finished\":true}",
     "1 connects\n"
     "1 SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transac ... ; SET client_min_messages = warning; "
     "SET jit = off\n"
     "1 SELECT coalesce(plugin, '') AS plugin, coalesce(nullif(database, cur ... ase FROM pg_replication_slots WHERE "
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
     "1 SELECT pg_current_wal_flush_lsn() >= $1::pg_lsn AS flushed\n"
     "1 0/1543DD8\n"
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
     "1 SELECT concat_ws(' ', p.oid, p.xmin, p.pubowner, p.puballtables, p.p ...  = ANY ($2::oid[])) t ON true WHERE "
     "p.pubname = $1\n"
     "1 cdc_p\n"
     "1 {16384,16391}\n"
     "1 object\n"
     "1 SET lock_timeout = 10000\n"
     "1 LOCK TABLE ONLY \"public\".\"t\" IN ACCESS SHARE MODE\n"
     "1 SET lock_timeout = 0\n"
     "1 SET lock_timeout = 10000\n"
     "1 LOCK TABLE ONLY \"public\".\"u\" IN ACCESS SHARE MODE\n"
     "1 SET lock_timeout = 0\n"
     "1 WITH RECURSIVE o AS (SELECT unnest($1::oid[]) AS oid), now AS (SELEC ... N pg_namespace n ON n.oid = "
     "c.relnamespace LIMIT 1\n"
     "1 {16384,16391}\n"
     "1 COPY \"public\".\"t\" (\"id\",\"v\") TO STDOUT\n"
     "1 COPY \"public\".\"u\" (\"a\",\"b\") TO STDOUT\n"
     "1 COMMIT\n",
     "the snapshot of \"p\" begins again, attempt 2\n"
     "table public.u has no key: should the snapshot begin again, its rows come again, after a line that empties it "
     "(\"op\":\"t\")\n"
     "the snapshot of \"p\" is written: 3 rows of 2 tables in 0.0 s\n"}};

/* -- other answers -- */

static const struct other others[] = {
    /* the start of a snapshot */
    {first_attempt,
     {A("FROM pg_replication_slots WHERE slot_name", SLOT "\npgoutput||f|0|0/1543DD0|0/1543D98|f|f|f")},
     CDC_EXIT_CONFIG,
     "slot \"cdc_p\" exists, but offset file (none) knows of no snapshot that made it"},
    {first_attempt,
     {A("FROM pg_replication_slots WHERE slot_name", SLOT "\npgoutput||f|x|0/1543DD0|0/1543D98|f|f|f")},
     CDC_EXIT_PROTOCOL,
     "lacks what it was asked for"},
    {first_attempt, {A("obj_description", "comment\nmade by pg-cdc for other")}, CDC_EXIT_CONFIG, "other"},
    {first_attempt,
     {A("WITH p AS MATERIALIZED",
        CATALOG "16384|public|t|~|~|r|p|t|t|t|f|t|f|f|5|~|{id,v}|f|~|f|f|f|~|~|f|f|f|d|f|t|t|f|~"),
      A("SELECT current_user", "current_user\nu")},
     CDC_EXIT_PERMISSION,
     "role \"u\" may not read table public.t"},
    {first_attempt,
     {A("WITH p AS MATERIALIZED",
        CATALOG "16384|public|t|~|~|r|p|t|t|t|f|t|t|t|5|~|{id,v}|f|~|f|f|f|~|~|f|f|f|d|f|t|t|f|~"),
      A("SELECT current_user", "current_user\nu")},
     CDC_EXIT_PERMISSION,
     "may not read all rows of table public.t"},
    {first_attempt,
     {A("WITH p AS MATERIALIZED",
        CATALOG "16384|public|t|~|~|r|p|t|t|t|f|t|t|t|5|~|{id,v}|f|~|f|f|f|~|~|f|f|f|d|f|t|t|f|~"),
      A("SELECT current_user", "current_user")},
     CDC_EXIT_PROTOCOL,
     "cannot ask for the role: the server gave no answer to it"},
    {first_attempt,
     {A("WITH p AS MATERIALIZED",
        CATALOG "16384|public|t|~|~|r|p|f|f|t|f|t|~|f|0|~|~|f|~|f|f|f|~|~|f|f|f|d|f|t|t|f|~")},
     CDC_EXIT_CONFIG,
     "no table is selected by -t public.*"},
    {first_attempt,
     {A("WITH p AS MATERIALIZED",
        CATALOG "16384|public|t|~|~|p|p|f|f|t|f|t|t|f|0|~|~|f|~|f|f|f|public.t1|~|f|f|f|d|f|t|t|f|~"),
      A("SELECT EXISTS (SELECT 1 FROM pg_locks", "detaching\nf")},
     CDC_EXIT_CONFIG,
     "partition public.t1 is half detached"},
    {first_attempt,
     {A("WITH p AS MATERIALIZED",
        CATALOG "16384|public|t|~|~|p|p|f|f|t|f|t|t|f|0|~|~|f|~|f|f|f|public.t1|~|f|f|f|d|f|t|t|f|~"),
      A("SELECT EXISTS (SELECT 1 FROM pg_locks", "detaching\nt")},
     CDC_EXIT_UNAVAILABLE,
     "partition public.t1 is being detached"},
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
     {A("IDENTIFY_SYSTEM", "systemid|timeline|dbname\n7712519040855319821|1|postgres")},
     CDC_EXIT_PROTOCOL,
     "lacks what it was asked for"},
    {first_attempt,
     {A("IS DISTINCT FROM pg_relation_filenode", "schema|name|what\npublic|t|was rewritten")},
     CDC_EXIT_TEMPORARY,
     "table public.t was rewritten since the snapshot was taken"},
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
     {A("FROM pg_replication_slots WHERE slot_name", SLOT "\npgoutput||f|0|0/1543DD0|0/1543D98|t|f|f")},
     CDC_EXIT_LOST,
     "was invalidated by the server"},
    {second_attempt,
     {A("FROM pg_replication_slots WHERE slot_name", SLOT "\npgoutput||f|0|0/1543DD1|0/1543D98|f|f|f")},
     CDC_EXIT_LOST,
     "has been read past the snapshot's position"},
    {second_attempt,
     {A("FROM pg_replication_slots WHERE slot_name", SLOT "\ntest_decoding||f|0|0/1543DD0|0/1543D98|f|f|f")},
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
};

static void test_others(void)
{
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        check_other(&others[i], others[i].scenario == second_attempt ? again : NULL);
    no_create = true;
    check_other(&(struct other){first_attempt,
                                {A("nothing", NULL)},
                                CDC_EXIT_CONFIG,
                                "slot \"cdc_p\" does not exist, and --no-create forbids"},
                NULL);
    no_create = false;
    n_patterns = 0;
    check_other(&(struct other){first_attempt,
                                {A("nothing", NULL)},
                                0,
                                "CREATE PUBLICATION \"cdc_p\" FOR ALL TABLES WITH (publish_via_partition_root = true)"},
                NULL);
    n_patterns = 1;
    fake.version = 130009;
    check_other(
        &(struct other){
            first_attempt, {A("nothing", NULL)}, CDC_EXIT_CONFIG, "the server is PostgreSQL 13; 14 or later is needed"},
        NULL);
    fake.version = 140000;
    check_other(&(struct other){first_attempt, {A("nothing", NULL)}, 0, "SELECT c.oid, NULL::text AS filter"}, NULL);
    fake.version = 170000;
    check_other(
        &(struct other){first_attempt, {A("SET transaction_timeout = 0", NULL)}, 0, "SET transaction_timeout = 0"},
        NULL);
    fake.version = 150000;
    fake.encoding = "SQL_ASCII";
    check_other(
        &(struct other){
            first_attempt, {A("pg_encoding_max_length", "single\nf")}, 0, "SET client_encoding = 'SQL_ASCII'"},
        NULL);
    fake.encoding = "UTF8";
    fake.standby = "on";
    check_other(&(struct other){first_attempt,
                                {A("nothing", NULL)},
                                CDC_EXIT_UNAVAILABLE,
                                "host /sockets is a standby, and has no publication \"cdc_p\""},
                NULL);
    fake.standby = "off";
    fake.superuser = "off";
    check_other(
        &(struct other){first_attempt,
                        {A("nothing", NULL)},
                        0,
                        "CREATE PUBLICATION \"cdc_p\" FOR TABLE ONLY \"public\".\"t\", ONLY \"public\".\"u\" WITH"},
        NULL);
    fake.superuser = "on";
}

/* A line's pos has no digits for more attempts: two of them would have the same ones. */
static void test_last_attempt(void)
{
    const char *kept = state;
    state =
        "{\"identity\":" IDENTITY ",\"consistent_point\":\"0/1543DD0\",\"attempt\":65535,\"publication\":" PUBLICATION
        ",\"written\":null,\"finished\":false}";
    check_other(&(struct other){second_attempt,
                                {A("nothing", NULL)},
                                CDC_EXIT_CONFIG,
                                "65535 attempts at the snapshot of \"p\" have failed"},
                again);
    struct cdc_error error = {0};
    struct cdc_buf out = CDC_BUF_INIT;
    fake.first = again;
    check(second_attempt(&out, &error) < 0 && out.len == 0, "no attempt after the last one");
    fake.first = NULL;
    cdc_buf_free(&out);
    state = kept;
}

/* What is read of t: the WHERE of each COPY, "all", or nothing. */
static void append_reads(struct cdc_buf *out)
{
    cdc_buf_byte(&fake.said, '\0');
    fake.said.len--;
    for (const char *p = fake.said.data; (p = strstr(p, " COPY ")) != NULL; p += 6) {
        const char *where = strstr(p, "WHERE ("), *end = strchr(p, '\n');
        if (where && where < end)
            cdc_buf_printf(out, "%.*s;", (int)(strstr(where, ")) TO") - where - 7), where + 7);
        else if (strstr(p, "\"t\"") && strstr(p, "\"t\"") < end)
            cdc_buf_text(out, "all;");
    }
}

#define T_IS_EMPTIED                                                                                                   \
    "{\"op\":\"t\",\"pos\":\"0000000001543DD0.0000000000.a0002.000000000002\",\"seq\":22298064,\"ts_ms\":"             \
    "1795710776653,"                                                                                                   \
    "\"source\":{\"connector\":\"postgresql\",\"name\":\"p\",\"db\":\"postgres\",\"schema\":\"public\",\"table\":"     \
    "\"t\","

static void keeps(const char *what, const char *kept, const char *at, const char *reads, const char *state_has)
{
    struct cdc_buf out = CDC_BUF_INIT, got = CDC_BUF_INIT;
    struct cdc_error error = {0};
    const char *kept_before = kept_state, *at_before = sink_at;
    kept_state = kept;
    sink_at = at;
    if (kept_attempt(&out, &error) < 0)
        cdc_buf_printf(&got, "%d ", error.status);
    append_reads(&got);
    same(what, "what is read", &got, reads);
    bool emptied = has(&out, T_IS_EMPTIED);
    bool good = (!state_has || has(&out, state_has)) && emptied == (strcmp(reads, "all;") == 0);
    check(good, what);
    if (!good)
        printf("# %.*s\n", (int)out.len, out.data);
    kept_state = kept_before;
    sink_at = at_before;
    cdc_buf_free(&out);
    cdc_buf_free(&got);
}

#define LINE(n) "0000000001543DD0.0000000000.a0001.00000000000" n
#define REST "ctid >= '(0,0)'::tid AND ctid < '(3,0)'::tid AND age(xmin) <= age('723'::xid);ctid >= '(3,0)'::tid;"
#define NOW "{\"lsn\":\"0/1543DD8\",\"xids\":\"726:726:\"}"
#define READ_WHOLE                                                                                                     \
    "\"read\":{\"views\":[" NOW "],\"parts\":[{\"schema\":\"public\",\"table\":\"t\",\"form\":\"" FORM                 \
    "\",\"base\":0,\"edge\":0,\"pos\":\"0000000001543DD0.0000000000.a0002.000000000007\"}]}"

/* What sinks have stored is not read again, but for rows that may have come to where it was read since. */
static void test_kept(void)
{
    keeps("a table that was read in part", kept_state, LINE("5"), REST, "\"key\":{\"id\":5}");
    keeps("and what is kept of it now", kept_state, LINE("5"), REST,
          "\"read\":{\"views\":[{\"xids\":\"720:720:\"},{\"lsn\":\"0/1543DD4\",\"xids\":\"723:724:723\"}," NOW
          "],\"parts\":[" PART(
              UPTO("3"),
              "5") ",{\"schema\":\"public\",\"table\":\"t\",\"form\":\"" FORM
                   "\",\"base\":0,\"edge\":2,\"pos\":\"0000000001543DD0.0000000000.a0002.000000000006\"}]" SINKS "}");
    keeps("the sink has not stored it", kept_state, LINE("4"), "all;", READ_WHOLE);
    keeps("of two the newest that it has stored",
          KEPT(VIEWS ",\"parts\":[" PART(UPTO("1"), "2") "," PART(UPTO("3"), "5") "," PART(UPTO("4"), "8") "]" SINKS),
          LINE("7"), REST, "\"id\":5");
    keeps("a table that was read whole", KEPT(VIEWS ",\"parts\":[" PART("", "5") "]" SINKS), LINE("5"), "",
          "\"parts\":[" PART("", "5") "]");
    keeps("one that was altered", KEPT(VIEWS ",\"parts\":[" PART_OF("0", "0", "1", UPTO("3"), "5") "]" SINKS),
          LINE("5"), "all;", READ_WHOLE);
    keeps("a view of which some had not ended that are newer than now",
          KEPT("\"views\":[{\"xids\":\"720:720:\"},{\"lsn\":\"0/1543DD4\",\"xids\":\"723:727:723\"}],\"parts\":[" PART(
              UPTO("3"), "5") "]" SINKS),
          LINE("5"), "all;", READ_WHOLE);
    keeps("a base that is so",
          KEPT("\"views\":[{\"xids\":\"720:727:720\"},{\"xids\":\"723:724:723\"}],\"parts\":[" PART(UPTO("3"),
                                                                                                    "5") "]" SINKS),
          LINE("5"), "all;", READ_WHOLE);
    keeps("a view without numbers",
          KEPT("\"views\":[{},{\"xids\":\"723:724:723\"}],\"parts\":[" PART(UPTO("3"), "5") "]" SINKS), LINE("5"),
          "all;", READ_WHOLE);
    keeps("another sink has it", KEPT(VIEWS ",\"parts\":[" PART(UPTO("3"), "5") "],\"sinks\":[\"other\"]"), LINE("5"),
          "all;", READ_WHOLE);
    step = 2; /* so much time passes that each line is worth a save */
    keeps("the state is saved now and then", kept_state, LINE("5"), REST, "\"finished\":false}");
    failures += memory_sweep("rows that are kept, and saved", kept_attempt);
    step = 0;
    static const char *const damaged[] = {
        KEPT(VIEWS ",\"parts\":[" PART_OF(FORM, "2", "1", UPTO("3"), "5") "]" SINKS),
        KEPT(VIEWS ",\"parts\":[" PART_OF(FORM, "0", "2", UPTO("3"), "5") "]" SINKS),
        KEPT(VIEWS ",\"parts\":[" PART_OF(FORM, "0", "1", UPTO("\"x\""), "5") "]" SINKS),
        KEPT(VIEWS ",\"parts\":[{\"schema\":\"public\",\"table\":\"t\",\"base\":0,\"edge\":1,\"pos\":\"x\"}]" SINKS)};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++)
        keeps("damage", damaged[i], LINE("5"), "78 ", NULL);
    failures += fake_sweep("rows that are kept", kept_attempt);
    failures += memory_sweep("rows that are kept", kept_attempt);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    char dir[] = "/tmp/cdc-unit-XXXXXX";
    if (!mkdtemp(dir) || chdir(dir) < 0)
        return 1;
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
        test_run(&runs[i]);
    test_others();
    test_last_attempt();
    test_kept();
    unlink("sink.offset");
    unlink("sink.offset.lock");
    rmdir(dir);
    cdc_buf_free(&logged);
    cdc_buf_free(&fake.said);
    cdc_buf_free(&fake.sent);
    return failures ? 1 : 0;
}
