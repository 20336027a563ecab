/* SPDX-License-Identifier: MIT */
/* --check and --drop of a server that is a table of answers: each finding, with its weight and cure, and nothing else. */
#include "connectors/postgres/postgres.h"
#include "tests/unit/difference.h"
#include "tests/unit/fake-postgres.h"

static size_t failures;

/* -- tables by what is particular about them: "t; u owned=f hole=x" -- */

static const struct {
    const char *name, *usual;
} facts[] = {{"oid", "16384"},
             {"schema", "public"},
             {"name", NULL},
             {"root_schema", "~"},
             {"root", "~"},
             {"kind", "r"},
             {"persistence", "p"},
             {"listed", "t"},
             {"published", "t"},
             {"via_root", "t"},
             {"under_root", "f"},
             {"owned", "t"},
             {"readable", "t"},
             {"hidden", "f"},
             {"estimate", "0"},
             {"filter", "~"},
             {"columns", "{id}"},
             {"lists_columns", "f"},
             {"hole", "~"},
             {"partial", "f"},
             {"large", "f"},
             {"columnless", "f"},
             {"detaching", "~"},
             {"nullable_key", "~"},
             {"inserts_only", "f"},
             {"unsent", "f"},
             {"is_18", "f"},
             {"replica_identity", "d"},
             {"partitioned", "f"},
             {"primary_exists", "t"},
             {"primary_is_immediate", "t"},
             {"index_exists", "f"},
             {"unlike", "~"}};
#define N_FACTS (sizeof facts / sizeof *facts)

/* name=value of a table's text; its first word is the name. */
static void append_fact(struct cdc_buf *to, const char *table, size_t n, size_t fact)
{
    size_t length = strlen(facts[fact].name), first = strcspn(table, " ;");
    for (const char *p = table; p < table + n; p += strcspn(p, " ;"), p += *p == ' ')
        if (strncmp(p, facts[fact].name, length) == 0 && p[length] == '=') {
            cdc_buf_append(to, p + length + 1, strcspn(p + length + 1, " ;"));
            return;
        }
    if (facts[fact].usual)
        cdc_buf_text(to, facts[fact].usual);
    else
        cdc_buf_append(to, table, first);
}

static void make_catalog(struct cdc_buf *to, const char *tables)
{
    for (size_t i = 0; i < N_FACTS; i++)
        cdc_buf_printf(to, "%s%s", i ? "|" : "", facts[i].name);
    while (*tables) {
        size_t n = strcspn(tables, ";");
        for (size_t i = 0; i < N_FACTS; i++) {
            cdc_buf_byte(to, i ? '|' : '\n');
            append_fact(to, tables, n, i);
        }
        tables += n + (tables[n] != '\0');
        tables += strspn(tables, " ");
    }
    cdc_buf_byte(to, '\0');
}

/* -- runs -- */

#define SYSTEM "systemid|timeline|xlogpos|dbname\n7712519040855319821|1|0/1543F48|postgres"
#define SERVER                                                                                                         \
    "is_logical|wal_level|has_slots|slots|has_senders|senders|may_replicate|role|keeps_all|keeps\n"                    \
    "t|logical|t|10|t|11|t|u|t|-1"
#define SLOT "plugin|other_database|active|pid|confirmed|restart|lost|synced|two_phase"
#define SLOT_THERE SLOT "\npgoutput||f|0|0/1543DD0|0/1543D98|f|f|f"
#define WAYS "table_oid|target|schema|name|target_schema|target_name|by_another|way|lsn"
#define MEMBERS                                                                                                        \
    "publication|written|is|whole|newest|ids|via_root|kind|of|row"                                                     \
    "|schema|name|partitioned|root_schema|root\n"                                                                      \
    "16396|725|10 f t t t t t|725 1 5|730|727|t|s|2200|16397|public|t|f|~|~"

static const struct fake_answer usual[] = {{"AS table_oid", WAYS, false},
                                           {"SET statement_timeout", NULL, false},
                                           {"SELECT EXISTS (SELECT 1 FROM pg_locks", "detaching\nf", false},
                                           {"SET transaction_timeout", NULL, false},
                                           {"SELECT current_user", "current_user\nacting", false},
                                           {"is_logical", SERVER, false},
                                           {"IDENTIFY_SYSTEM", SYSTEM, false},
                                           {"coalesce(plugin", SLOT_THERE, false},
                                           {"obj_description", "comment\nmade by pg-cdc for p", false},
                                           {"AS by_leaf", "exists|of|by_leaf\nt||f", false},
                                           {"SELECT 1 FROM pg_publication", "?column?\n1", false},
                                           {"has_database_privilege", "may_create\nt", false},
                                           {"SELECT p.oid AS publication", MEMBERS, false},
                                           {"age(p.xmin)", "younger\nf", false},
                                           {"SET lock_timeout", NULL, false},
                                           {"AS missing FROM pg_publication", "missing\n", false},
                                           {"pg_is_in_recovery", "standby\nf", false},
                                           {"FROM pg_locks", "who\n~", false},
                                           {"pg_drop_replication_slot", "x\n", false},
                                           {"DROP PUBLICATION", NULL, false},
                                           {NULL, NULL, false}};

static struct cdc_buf told;

static void keep_message(void *context, enum cdc_log_level level, const char *message)
{
    static const char *const names[] = {
        [CDC_LOG_ERROR] = "error", [CDC_LOG_WARNING] = "warning", [CDC_LOG_INFO] = "info", [CDC_LOG_DEBUG] = "debug"};
    (void)context;
    cdc_buf_printf(&told, "#%s: %s\n", names[level], message);
}
static const struct cdc_log log_to = {.write = keep_message};

struct run {
    const char *options, *tables;
    struct fake_answer answers[4]; /* and an end */
    const char *want;              /* what is another message, question or result */
};

static bool opts(const struct run *run, const char *word)
{
    return strstr(run->options, word) != NULL;
}

static const char *patterns[] = {"public.*", "public.none", "public.exact"};
static const char *others[] = {"public.x*"};

static void work(const struct run *run, struct cdc_buf *out)
{
    struct cdc_buf catalog = CDC_BUF_INIT;
    struct cdc_error error = {0};
    struct fake_answer first[6];
    size_t n = 0;
    make_catalog(&catalog, run->tables);
    for (; run->answers[n].to; n++)
        first[n] = run->answers[n];
    first[n++] = (struct fake_answer){"WITH p AS MATERIALIZED", catalog.data, false};
    first[n] = (struct fake_answer){0};
    fake.answers = usual;
    fake.first = first;
    fake.connections = fake.open = 0;
    fake.said.len = told.len = 0;
    memset(fake.given, 0, sizeof fake.given);
    memset(fake_failures, 0, sizeof fake_failures);
    fake.standby = opts(run, "standby") ? "on" : "off";
    fake.version = opts(run, "v16") ? 160000 : opts(run, "v17") ? 170000 : opts(run, "v14") ? 140000 : 150000;
    fake.fault = opts(run, "unreachable") ? FAKE_NO_CONNECTION : FAKE_SOUND;
    fake.fault_at = opts(run, "first-unreachable") ? 1 : 2;
    fake.met = 0;
    struct pg_settings settings = {.url = "postgresql:///postgres",
                                   .no_create = opts(run, "no_create"),
                                   .allow_refused = opts(run, "allowed"),
                                   .selection = {.include = {.items = patterns,
                                                             .count = opts(run, "every") ? 0
                                                                      : opts(run, "-t")  ? 3
                                                                                         : 1},
                                                 .exclude = {.items = others, .count = opts(run, "-T") ? 1 : 0}},
                                   .tool = "test",
                                   .log = &log_to};
    const struct cdc_offset from = {.pos = "0000000001543DD0.0000000000.a0001.000000000008",
                                    .seq = 22298064,
                                    .state = "{\"system_identifier\":\"7712519040855319821\",\"timeline\":1,"
                                             "\"database\":\"postgres\",\"slot\":\"cdc_p\"}"};
    struct pg_check_known known = {.reads_rows = opts(run, "reads_rows")};
    if (opts(run, "resumes"))
        known.start = (struct cdc_start){.kind = CDC_START_RESUME, .from = from, .own = from};
    if (opts(run, "no_position"))
        known.start.from.pos = NULL;
    if (opts(run, "no_start")) {
        cdc_error_set(&known.error, CDC_EXIT_LOST, "a file is gone");
        cdc_error_hint(&known.error, "a new snapshot");
    }
    int result = pg_names_set(&settings, "p", opts(run, "--slot") ? "other" : NULL,
                              opts(run, "--publication") ? "pub" : NULL, &error);
    if (result == 0 && opts(run, "drop"))
        result = pg_names_fill(&settings, NULL, &error);
    if (result == 0)
        result = opts(run, "drop") ? pg_drop(&settings, &log_to, &error) : pg_check(&settings, &known, &log_to, &error);
    pg_names_free(&settings);
    cdc_buf_append_buf(out, &told);
    cdc_buf_printf(out, "#%d: %d %s (%s)\n", result, error.status, error.text, error.hint);
    cdc_buf_append_buf(out, &fake.said);
    if (fake.open != 0)
        cdc_buf_printf(out, "#%u connections are left open\n", fake.open);
    cdc_buf_free(&catalog);
}

static void check_run(const struct run *run, const struct cdc_buf *base, size_t number)
{
    struct cdc_buf out = CDC_BUF_INIT, got = CDC_BUF_INIT;
    work(run, &out);
    text_difference(&got, base, &out);
    bool good = cdc_span_is(cdc_span(got.data, got.len), run->want);
    failures += !good;
    printf("%sok - %zu: %s|%s|%s\n", good ? "" : "not ", number, run->options, run->tables,
           run->answers[0].to ? run->answers[0].to : "");
    if (!good)
        printf("@@%zu\n%.*s@@\n", number, (int)got.len, got.data ? got.data : "");
    cdc_buf_free(&out);
    cdc_buf_free(&got);
}

#define A(to, rows)                                                                                                    \
    {                                                                                                                  \
        to, rows, false                                                                                                \
    }
#define S(slot) A("coalesce(plugin", SLOT "\n" slot)
#define NO_SLOT A("coalesce(plugin", SLOT)
#define NO_PUBLICATION A("AS by_leaf", "exists|of|by_leaf")
#define FACTS(row)                                                                                                     \
    A("is_logical", "is_logical|wal_level|has_slots|slots|has_senders|senders|may_replicate|role|keeps_all|"           \
                    "keeps\n" row)

static const struct run runs[] = {
    {"",
     "t",
     {},
     "+#info: ok: wal_level is logical\n"
     "+#info: ok: role may replicate: u\n"
     "+#info: max_slot_wal_keep_size is -1: a stopped pipeline keeps WAL until the disk is full; watch the slot, or "
     "set a limit (the slot is then lost when it is passed)\n"
     "+#info: ok: replication connection\n"
     "+#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#info: ok: publication \"cdc_p\"\n"
     "+#info: publish_via_partition_root: changes carry the partitioned table's name; TRUNCATE of a single partition, "
     "ATTACH and DETACH are not seen\n"
     "+#info: ok: 1 table selected, 0 with findings\n"
     "+#0: 0  ()\n"
     "+1 connects\n"
     "+1 SET statement_timeout = 0; SET lock_timeout = 0; ... ; SET client_min_messages = warning; SET jit = off\n"
     "+1 SELECT current_user\n"
     "+1 SELECT current_setting('wal_level') = 'logical'  ... current_setting('max_slot_wal_keep_size') AS keeps\n"
     "+1 cdc_p\n"
     "+2 connects for replication\n"
     "+2 SET statement_timeout = 0; SET lock_timeout = 0; ... ; SET client_min_messages = warning; SET jit = off\n"
     "+1 SELECT coalesce(plugin, '') AS plugin, coalesce( ... ase FROM pg_replication_slots WHERE slot_name = $1\n"
     "+1 cdc_p\n"
     "+1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "+1 cdc_p\n"
     "+1 SELECT c.oid::text::int8 AS table_oid, (CASE WHE ... lkind = 'p' AND p.pubviaroot AND g.relid = c.oid))\n"
     "+1 cdc_p\n"
     "+2 IDENTIFY_SYSTEM\n"
     "+1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "+1 cdc_p\n"
     "+1 cdc_p\n"
     "+1 SELECT coalesce(obj_description(oid, 'pg_publica ...  AS comment FROM pg_publication WHERE pubname = $1\n"
     "+1 cdc_p\n"
     "+1 SELECT true AS exists, CASE WHEN puballtables TH ...  AS by_leaf FROM pg_publication WHERE pubname = $1\n"
     "+1 cdc_p\n"
     "+1 SET lock_timeout = 3000\n"
     "+1 WITH p AS MATERIALIZED (SELECT c.oid, t.rowfilte ...  n.nspname <> 'information_schema')) ORDER BY 2, 3\n"
     "+1 cdc_p\n"
     "+1 SET lock_timeout = 0\n"
     "+1 SELECT concat_ws(', ', CASE WHEN NOT pubinsert T ...  AS missing FROM pg_publication WHERE pubname = $1\n"
     "+1 cdc_p\n"},
    /* the server */
    {"",
     "t",
     {FACTS("f|replica|f|10|f|11|f|u|f|64MB")},
     "-#info: ok: wal_level is logical\n"
     "-#info: ok: role may replicate: u\n"
     "-1 more\n"
     "+#error: wal_level is replica: ALTER SYSTEM SET wal_level = logical; and restart the server\n"
     "+#error: all 10 replication slots are taken: drop one, or raise max_replication_slots and restart the server\n"
     "+#error: all 11 WAL senders are taken: raise max_wal_senders and restart the server\n"
     "+#error: the role may not replicate: ALTER ROLE \"u\" REPLICATION;\n"
     "+#warning: max_slot_wal_keep_size is 64MB: a pipeline that lags more than that loses its slot\n"
     "-#0: 0  ()\n"
     "+#-1: 78 4 findings would stop the pipe or lose rows ()\n"},
    {"",
     "t",
     {FACTS("~|replica|f|10|f|11|f|u|f|64MB")},
     "-#info: ok: wal_level is logical\n"
     "-#info: ok: role may replicate: u\n"
     "-1 more\n"
     "+#error: cannot check: the server's answer lacks what it was asked for\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"",
     "t",
     {A("is_logical", "is_logical\n")},
     "-#info: ok: wal_level is logical\n"
     "-#info: ok: role may replicate: u\n"
     "-1 more\n"},
    {"",
     "t",
     {A("is_logical", "!42501 denied")},
     "-#info: ok: wal_level is logical\n"
     "-#info: ok: role may replicate: u\n"
     "-1 more\n"
     "+#error: cannot check: denied (SQLSTATE 42501)\n"
     "-#0: 0  ()\n"
     "+#-1: 77 1 finding would stop the pipe or lose rows ()\n"},
    {"",
     "t",
     {A("SELECT current_user", "current_user")},
     "-#info: ok: wal_level is logical\n"
     "-#info: ok: role may replicate: u\n"
     "-7 more\n"
     "+#-1: 76 cannot ask for the role: the server gave no answer to it ()\n"
     "-1 SELECT current_setting('wal_level') = 'logical'  ... current_setting('max_slot_wal_keep_size') AS keeps\n"
     "-1 cdc_p\n"
     "-22 more\n"},
    {"",
     "t",
     {A("SELECT current_user", "current_user|x\na|b")},
     "-#info: ok: wal_level is logical\n"
     "-#info: ok: role may replicate: u\n"
     "-7 more\n"
     "+#-1: 76 cannot ask for the role: the server gave no answer to it ()\n"
     "-1 SELECT current_setting('wal_level') = 'logical'  ... current_setting('max_slot_wal_keep_size') AS keeps\n"
     "-1 cdc_p\n"
     "-22 more\n"},
    {"unreachable",
     "t",
     {},
     "-#info: ok: replication connection\n"
     "+#error: replication connection: cannot connect: refused by the test\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-2 SET statement_timeout = 0; SET lock_timeout = 0; ... ; SET client_min_messages = warning; SET jit = off\n"
     "-2 IDENTIFY_SYSTEM\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-2 more\n"},
    {"first-unreachable",
     "t",
     {},
     "-#info: ok: wal_level is logical\n"
     "-#info: ok: role may replicate: u\n"
     "-7 more\n"
     "+#-1: 69 cannot connect: refused by the test ()\n"
     "-1 SET statement_timeout = 0; SET lock_timeout = 0; ... ; SET client_min_messages = warning; SET jit = off\n"
     "-1 SELECT current_user\n"
     "-24 more\n"},
    {"resumes unreachable",
     "t",
     {},
     "-#info: ok: replication connection\n"
     "+#error: replication connection: cannot connect: refused by the test\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-2 SET statement_timeout = 0; SET lock_timeout = 0; ... ; SET client_min_messages = warning; SET jit = off\n"
     "-2 IDENTIFY_SYSTEM\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-2 more\n"},
    /* slot and position */
    {"",
     "t",
     {S("pgoutput||t|7|0/1543DD0|0/1543D98|f|f|f")},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0, in use\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"},
    {"",
     "t",
     {S("pgoutput||f|0|0/1543DD0|0/1543D98|t|f|f")},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#error: slot \"cdc_p\" was invalidated by the server: its log is gone; changes may be missing: take a new "
     "snapshot (run pg-cdc --drop, remove the offset files of the pipeline and the copies, and begin with "
     "cdc-snapshot)\n"
     "-#0: 0  ()\n"
     "+#-1: 79 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "-1 cdc_p\n"
     "-6 more\n"},
    {"",
     "t",
     {S("pgoutput||f|0|0/1543DD0|0/1543D98|f|f|t")},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#error: slot \"cdc_p\" is a two-phase one: it delivers before the commit; choose another name with --slot or "
     "--name\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "-1 cdc_p\n"
     "-6 more\n"},
    {"",
     "t",
     {S("||f|0|0/1543DD0|0/1543D98|f|f|f")},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#error: slot \"cdc_p\" is a physical one, not of pgoutput; choose another name with --slot or --name\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "-1 cdc_p\n"
     "-6 more\n"},
    {"",
     "t",
     {S("pgoutput|other|f|0|0/1543DD0|0/1543D98|f|f|f")},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#error: slot \"cdc_p\" belongs to database \"other\", not to \"postgres\"; choose another name with --slot or "
     "--name\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "-1 cdc_p\n"
     "-6 more\n"},
    {"",
     "t",
     {A("coalesce(plugin", "!55P03 locked")},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#error: cannot look at the slot: locked (SQLSTATE 55P03)\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "-1 cdc_p\n"
     "-6 more\n"},
    {"",
     "t",
     {NO_SLOT},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#info: slot \"cdc_p\" does not exist: the first start creates it\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"},
    {"no_create",
     "t",
     {NO_SLOT},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#error: slot \"cdc_p\" does not exist, and --no-create forbids to make it: run once without\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"},
    {"resumes", "t", {}, ""},
    {"resumes",
     "t",
     {NO_SLOT},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#error: slot \"cdc_p\" is gone, and a position to go on from exists; changes may be missing: take a new "
     "snapshot (run pg-cdc --drop, remove the offset files of the pipeline and the copies, and begin with "
     "cdc-snapshot)\n"
     "-#0: 0  ()\n"
     "+#-1: 79 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "-1 cdc_p\n"
     "-6 more\n"},
    {"resumes no_position", "t", {}, ""},
    {"resumes",
     "t",
     {S("pgoutput||f|0|0/1543DD1|0/1543D98|f|f|f")},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#error: slot \"cdc_p\" was confirmed up to 0/1543DD1, beyond our position 0/1543DD0: it was made anew, somebody "
     "else reads it, or a sink or our state was set back to a backup; changes may be missing: take a new snapshot (run "
     "pg-cdc --drop, remove the offset files of the pipeline and the copies, and begin with cdc-snapshot)\n"
     "-#0: 0  ()\n"
     "+#-1: 79 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "-1 cdc_p\n"
     "-6 more\n"},
    {"resumes",
     "t",
     {A("IDENTIFY_SYSTEM", "systemid|timeline|xlogpos|dbname\n7712519040855319822|1|0/1543F48|postgres")},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#error: the position belongs to another server, or to this one before pg_upgrade (system identifier "
     "7712519040855319821, this one is 7712519040855319822); changes may be missing: take a new snapshot (run pg-cdc "
     "--drop, remove the offset files of the pipeline and the copies, and begin with cdc-snapshot)\n"
     "-#0: 0  ()\n"
     "+#-1: 79 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"},
    {"resumes",
     "t",
     {A("IDENTIFY_SYSTEM", "systemid|timeline|xlogpos|dbname\n7712519040855319821|1|0/1543DCF|postgres")},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#error: the server's log ends at 0/1543DCF, before the position 0/1543DD0: the server was set back to a state "
     "before it; changes may be missing: take a new snapshot (run pg-cdc --drop, remove the offset files of the "
     "pipeline and the copies, and begin with cdc-snapshot)\n"
     "-#0: 0  ()\n"
     "+#-1: 79 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"
     "+2 SELECT pg_is_in_recovery() AS standby\n"},
    {"resumes",
     "t",
     {A("SELECT p.oid AS publication", "!57014 canceled")},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#error: cannot look at the publication's tables: canceled (SQLSTATE 57014)\n"
     "-#0: 0  ()\n"
     "+#-1: 75 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT c.oid::text::int8 AS table_oid, (CASE WHE ... lkind = 'p' AND p.pubviaroot AND g.relid = c.oid))\n"
     "-1 cdc_p\n"
     "-4 more\n"},
    {"no_start",
     "t",
     {},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#error: a file is gone; a new snapshot\n"
     "-#0: 0  ()\n"
     "+#-1: 79 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "-1 cdc_p\n"
     "-6 more\n"},
    /* publication */
    {"",
     "t",
     {A("AS by_leaf", "exists|of|by_leaf\nt| for all tables|t")},
     "-#info: ok: publication \"cdc_p\"\n"
     "-#info: publish_via_partition_root: changes carry t ... a single partition, ATTACH and DETACH are not seen\n"
     "+#info: ok: publication \"cdc_p\" for all tables\n"},
    {"",
     "t",
     {A("obj_description", "comment\nmade by pg-cdc for q")},
     "+#error: slot \"cdc_p\" and publication \"cdc_p\" are those of the pipeline \"q\", not of \"p\"; give another "
     "--name, or --slot and --publication of its own\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"--slot",
     "t",
     {},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#info: ok: slot \"other\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "-1 cdc_p\n"
     "+1 other\n"
     "-1 cdc_p\n"
     "+1 other\n"
     "-1 cdc_p\n"
     "+1 other\n"},
    {"--publication",
     "t",
     {A("obj_description", "comment\nmade by pg-cdc for q")},
     "-#info: ok: publication \"cdc_p\"\n"
     "+#error: slot \"cdc_p\" is that of the pipeline \"q\", not of \"p\"; give another --name, or --slot and "
     "--publication of its own\n"
     "+#info: ok: publication \"pub\"\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 cdc_p\n"
     "+1 pub\n"
     "-1 cdc_p\n"
     "+1 pub\n"
     "-1 cdc_p\n"
     "+1 pub\n"
     "-1 cdc_p\n"
     "+1 pub\n"
     "-1 cdc_p\n"
     "+1 pub\n"
     "-1 cdc_p\n"
     "+1 pub\n"},
    {"--slot --publication",
     "t",
     {},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "-#info: ok: publication \"cdc_p\"\n"
     "+#info: ok: slot \"other\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#info: ok: publication \"pub\"\n"
     "-1 cdc_p\n"
     "+1 other\n"
     "-1 cdc_p\n"
     "+1 other\n"
     "-1 cdc_p\n"
     "+1 pub\n"
     "-1 cdc_p\n"
     "+1 pub\n"
     "-1 cdc_p\n"
     "-1 cdc_p\n"
     "-2 more\n"
     "+1 pub\n"
     "+1 other\n"
     "-1 cdc_p\n"
     "+1 pub\n"
     "-1 cdc_p\n"
     "+1 pub\n"
     "-1 cdc_p\n"
     "+1 pub\n"},
    {"",
     "t",
     {NO_PUBLICATION},
     "-#info: ok: publication \"cdc_p\"\n"
     "-#info: publish_via_partition_root: changes carry t ... a single partition, ATTACH and DETACH are not seen\n"
     "+#error: publication \"cdc_p\" does not exist but its slot does: create it before the next change, or begin anew "
     "with pg-cdc --drop\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT concat_ws(', ', CASE WHEN NOT pubinsert T ...  AS missing FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"},
    {"",
     "t",
     {NO_PUBLICATION, NO_SLOT},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "-#info: ok: publication \"cdc_p\"\n"
     "-1 more\n"
     "+#info: slot \"cdc_p\" does not exist: the first start creates it\n"
     "+#info: publication \"cdc_p\" does not exist: the first start creates it\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"
     "+1 SELECT has_database_privilege(current_database(), 'CREATE') AS may_create\n"
     "-1 SELECT concat_ws(', ', CASE WHEN NOT pubinsert T ...  AS missing FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"},
    {"no_create",
     "t",
     {NO_PUBLICATION, NO_SLOT},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "-#info: ok: publication \"cdc_p\"\n"
     "-1 more\n"
     "+#error: slot \"cdc_p\" does not exist, and --no-create forbids to make it: run once without\n"
     "+#error: publication \"cdc_p\" does not exist, and --no-create forbids to make it: CREATE PUBLICATION \"cdc_p\" "
     "FOR ...;\n"
     "-#0: 0  ()\n"
     "+#-1: 78 2 findings would stop the pipe or lose rows ()\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"
     "+1 SELECT has_database_privilege(current_database(), 'CREATE') AS may_create\n"
     "-1 SELECT concat_ws(', ', CASE WHEN NOT pubinsert T ...  AS missing FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"},
    {"",
     "t",
     {NO_PUBLICATION, NO_SLOT, A("has_database_privilege", "may_create\nf")},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "-#info: ok: publication \"cdc_p\"\n"
     "-1 more\n"
     "+#info: slot \"cdc_p\" does not exist: the first start creates it\n"
     "+#error: role \"acting\" may not create publication \"cdc_p\" in database \"postgres\"; GRANT CREATE ON DATABASE "
     "\"postgres\" TO \"acting\"; or let a superuser create it\n"
     "-#0: 0  ()\n"
     "+#-1: 77 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"
     "+1 SELECT has_database_privilege(current_database(), 'CREATE') AS may_create\n"
     "-1 SELECT concat_ws(', ', CASE WHEN NOT pubinsert T ...  AS missing FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"},
    {"",
     "t",
     {NO_PUBLICATION, NO_SLOT, A("has_database_privilege", "!42501 denied")},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "-#info: ok: publication \"cdc_p\"\n"
     "-1 more\n"
     "+#info: slot \"cdc_p\" does not exist: the first start creates it\n"
     "+#error: cannot check the privileges: denied (SQLSTATE 42501)\n"
     "-#0: 0  ()\n"
     "+#-1: 77 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"
     "+1 SELECT has_database_privilege(current_database(), 'CREATE') AS may_create\n"
     "-1 SELECT concat_ws(', ', CASE WHEN NOT pubinsert T ...  AS missing FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"},
    {"",
     "t",
     {NO_PUBLICATION, NO_SLOT, A("has_database_privilege", "may_create\n~")},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "-#info: ok: publication \"cdc_p\"\n"
     "-1 more\n"
     "+#info: slot \"cdc_p\" does not exist: the first start creates it\n"
     "+#error: cannot check the privileges: the server's answer lacks what it was asked for\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"
     "+1 SELECT has_database_privilege(current_database(), 'CREATE') AS may_create\n"
     "-1 SELECT concat_ws(', ', CASE WHEN NOT pubinsert T ...  AS missing FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"},
    /* a standby */
    {"standby", "t", {}, ""},
    {"standby",
     "t",
     {NO_SLOT},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#info: slot \"cdc_p\" does not exist: the first start creates it\n"
     "+#error: the server is a standby, where no slot can be made: connect to its primary\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"},
    {"standby v16",
     "t",
     {NO_SLOT},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#info: slot \"cdc_p\" does not exist: the first start creates it\n"
     "+#error: the server is a standby, where no slot can be made: connect to its primary\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "+1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"},
    {"standby v16 reads_rows",
     "t",
     {NO_SLOT},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#info: slot \"cdc_p\" does not exist: the first start creates it\n"
     "-1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "+1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"},
    {"standby v17 reads_rows",
     "t",
     {NO_SLOT},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#info: slot \"cdc_p\" does not exist: the first start creates it\n"
     "+1 SET transaction_timeout = 0\n"
     "+2 SET transaction_timeout = 0\n"
     "-1 SELECT coalesce(plugin, '') AS plugin, coalesce( ... ase FROM pg_replication_slots WHERE slot_name = $1\n"
     "+1 SELECT coalesce(plugin, '') AS plugin, coalesce( ... ase FROM pg_replication_slots WHERE slot_name = $1\n"
     "-1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "+1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"},
    {"standby reads_rows",
     "t",
     {NO_SLOT},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#info: slot \"cdc_p\" does not exist: the first start creates it\n"
     "+#error: the server is a standby, where no slot can be made: connect to its primary\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"},
    {"standby v16 reads_rows",
     "t",
     {NO_SLOT, NO_PUBLICATION},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "-#info: ok: publication \"cdc_p\"\n"
     "-1 more\n"
     "+#info: slot \"cdc_p\" does not exist: the first start creates it\n"
     "+#info: publication \"cdc_p\" does not exist: the first start creates it\n"
     "+#error: the server is a standby, where no publication can be made: connect to its primary\n"
     "-#0: 0  ()\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "+1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"
     "+1 SELECT has_database_privilege(current_database(), 'CREATE') AS may_create\n"
     "-1 SELECT concat_ws(', ', CASE WHEN NOT pubinsert T ...  AS missing FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"},
    {"v14",
     "t",
     {},
     "-1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "+1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "-1 SELECT c.oid::text::int8 AS table_oid, (CASE WHE ... lkind = 'p' AND p.pubviaroot AND g.relid = c.oid))\n"
     "+1 SELECT c.oid::text::int8 AS table_oid, (CASE WHE ... lkind = 'p' AND p.pubviaroot AND g.relid = c.oid))\n"
     "-1 WITH p AS MATERIALIZED (SELECT c.oid, t.rowfilte ...  n.nspname <> 'information_schema')) ORDER BY 2, 3\n"
     "+1 WITH p AS MATERIALIZED (SELECT c.oid, NULL::text ...  n.nspname <> 'information_schema')) ORDER BY 2, 3\n"},
    /* tables: what identifies their rows */
    {"",
     "t unsent=t is_18=t",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#error: \"public\".\"t\" has a generated column that is not sent in its replica identity: once published the "
     "server refuses UPDATE and DELETE on it. Give it a replica identity without generated columns, or make a "
     "publication with publish_generated_columns = stored\n"
     "+#info: 1 table selected, 1 with findings\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"",
     "t unsent=t",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#error: \"public\".\"t\" has a generated column that is not sent in its replica identity: UPDATE and DELETE "
     "come without what identifies their rows. ALTER TABLE \"public\".\"t\" REPLICA IDENTITY FULL;\n"
     "+#info: 1 table selected, 1 with findings\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"",
     "t unsent=t replica_identity=f",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#error: \"public\".\"t\" has REPLICA IDENTITY FULL, and a generated column that is not sent: UPDATE and DELETE "
     "come without what identifies their rows. ALTER TABLE \"public\".\"t\" REPLICA IDENTITY FULL;\n"
     "+#info: 1 table selected, 1 with findings\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"", "t unsent=t inserts_only=t", {}, ""},
    {"",
     "t replica_identity=n",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#error: \"public\".\"t\" has REPLICA IDENTITY NOTHING: once published the server refuses UPDATE and DELETE on "
     "it. Give it a primary key (not a deferrable one), or ALTER TABLE \"public\".\"t\" REPLICA IDENTITY FULL;\n"
     "+#info: 1 table selected, 1 with findings\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"",
     "t replica_identity=i",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#error: \"public\".\"t\" has lost the index of its replica identity: once published the server refuses UPDATE "
     "and DELETE on it. Give it a primary key (not a deferrable one), or ALTER TABLE \"public\".\"t\" REPLICA IDENTITY "
     "FULL;\n"
     "+#info: 1 table selected, 1 with findings\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"", "t replica_identity=i index_exists=t", {}, ""},
    {"",
     "t primary_is_immediate=f",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#error: \"public\".\"t\" has a deferrable primary key, which is no replica identity: once published the server "
     "refuses UPDATE and DELETE on it. Give it a primary key (not a deferrable one), or ALTER TABLE \"public\".\"t\" "
     "REPLICA IDENTITY FULL;\n"
     "+#info: 1 table selected, 1 with findings\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"",
     "t primary_exists=f primary_is_immediate=f",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#error: \"public\".\"t\" has no primary key and no replica identity: once published the server refuses UPDATE "
     "and DELETE on it. Give it a primary key (not a deferrable one), or ALTER TABLE \"public\".\"t\" REPLICA IDENTITY "
     "FULL;\n"
     "+#info: 1 table selected, 1 with findings\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"", "t replica_identity=n partitioned=t", {}, ""},
    {"",
     "t replica_identity=n persistence=u",
     {},
     "+#warning: \"public\".\"t\" is unlogged: its changes are not in the log and never seen, nor are the rows that it "
     "has when it becomes logged: ALTER TABLE \"public\".\"t\" SET LOGGED;\n"},
    {"", "t replica_identity=n persistence=t", {}, ""},
    {"",
     "t replica_identity=n kind=p",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#error: \"public\".\"t\" has REPLICA IDENTITY NOTHING: once published the server refuses UPDATE and DELETE on "
     "it. Give it a primary key (not a deferrable one), or ALTER TABLE \"public\".\"t\" REPLICA IDENTITY FULL;\n"
     "+#info: 1 table selected, 1 with findings\n"
     "+#warning: changes of the partitions of \"public\".\"t\" come under its name: TRUNCATE of one of them, ATTACH "
     "and DETACH of one with rows are not seen. DELETE before that, and INSERT after it, or take a new snapshot then; "
     "or ALTER PUBLICATION \"cdc_p\" SET (publish_via_partition_root = false); before the first snapshot\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"",
     "t replica_identity=n kind=m",
     {},
     "+#warning: \"public\".\"t\" is a materialized view: its changes are not in the log and never seen: select its "
     "tables\n"},
    {"",
     "t replica_identity=n kind=f",
     {},
     "+#warning: \"public\".\"t\" is a foreign table: its changes are not in the log and never seen: capture it on its "
     "own server\n"},
    {"",
     "t replica_identity=n kind=f root=r root_schema=public",
     {},
     "+#warning: \"public\".\"t\", a partition of \"public\".\"r\", is a foreign table: its changes are not in the log "
     "and never seen: ALTER TABLE \"public\".\"r\" DETACH PARTITION \"public\".\"t\"; or capture it on its own "
     "server\n"},
    {"every",
     "t replica_identity=n kind=f; u kind=m; v persistence=u; x persistence=u kind=p",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "+#info: ok: 4 tables selected, 0 with findings\n"
     "+#warning: \"public\".\"t\" is a foreign table: its changes are not in the log and never seen: capture it on its "
     "own server\n"
     "+#warning: \"public\".\"u\" is a materialized view: its changes are not in the log and never seen: select its "
     "tables\n"
     "+#warning: \"public\".\"v\" is unlogged: its changes are not in the log and never seen, nor are the rows that it "
     "has when it becomes logged: ALTER TABLE \"public\".\"v\" SET LOGGED;\n"
     "+#warning: \"public\".\"x\" is unlogged: its changes are not in the log and never seen, nor are the rows that it "
     "has when it becomes logged: ALTER TABLE \"public\".\"x\" SET LOGGED;\n"
     "+#warning: changes of the partitions of \"public\".\"x\" come under its name: TRUNCATE of one of them, ATTACH "
     "and DETACH of one with rows are not seen. DELETE before that, and INSERT after it, or take a new snapshot then; "
     "or ALTER PUBLICATION \"cdc_p\" SET (publish_via_partition_root = false); before the first snapshot\n"},
    {"",
     "t replica_identity=n published=f",
     {},
     "+#warning: \"public\".\"t\" is not in publication \"cdc_p\": its changes are not seen: ALTER PUBLICATION "
     "\"cdc_p\" ADD TABLE \"public\".\"t\"; and, if it has rows by then, start the same line again where it began with "
     "cdc-snapshot and a --state-dir, else take a new snapshot\n"},
    {"",
     "t replica_identity=n published=f",
     {NO_PUBLICATION, NO_SLOT},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "-#info: ok: publication \"cdc_p\"\n"
     "-3 more\n"
     "+#info: slot \"cdc_p\" does not exist: the first start creates it\n"
     "+#info: publication \"cdc_p\" does not exist: the first start creates it\n"
     "+#error: \"public\".\"t\" has REPLICA IDENTITY NOTHING: once published the server refuses UPDATE and DELETE on "
     "it. Give it a primary key (not a deferrable one), or ALTER TABLE \"public\".\"t\" REPLICA IDENTITY FULL;\n"
     "+#info: 1 table selected, 1 with findings\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"
     "+1 SELECT has_database_privilege(current_database(), 'CREATE') AS may_create\n"
     "-1 SELECT concat_ws(', ', CASE WHEN NOT pubinsert T ...  AS missing FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"},
    {"every",
     "t replica_identity=n",
     {NO_PUBLICATION, NO_SLOT},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "-#info: ok: publication \"cdc_p\"\n"
     "-3 more\n"
     "+#info: slot \"cdc_p\" does not exist: the first start creates it\n"
     "+#info: publication \"cdc_p\" does not exist: the first start creates it\n"
     "+#error: \"public\".\"t\" has REPLICA IDENTITY NOTHING: once published the server refuses UPDATE and DELETE on "
     "it. Give it a primary key (not a deferrable one), or ALTER TABLE \"public\".\"t\" REPLICA IDENTITY FULL;\n"
     "+#info: 1 table selected, 1 with findings\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"
     "+1 SELECT has_database_privilege(current_database(), 'CREATE') AS may_create\n"
     "-1 SELECT concat_ws(', ', CASE WHEN NOT pubinsert T ...  AS missing FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"},
    {"every",
     "t replica_identity=n owned=f",
     {NO_PUBLICATION, NO_SLOT},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "-#info: ok: publication \"cdc_p\"\n"
     "-3 more\n"
     "+#info: slot \"cdc_p\" does not exist: the first start creates it\n"
     "+#info: publication \"cdc_p\" does not exist: the first start creates it\n"
     "+#error: the role owns none of the tables, and without -t the first start publishes those that it owns: GRANT it "
     "the role that owns them, or let a superuser create publication \"cdc_p\"\n"
     "+#info: 1 table selected, 0 with findings\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"
     "+1 SELECT has_database_privilege(current_database(), 'CREATE') AS may_create\n"
     "-1 SELECT concat_ws(', ', CASE WHEN NOT pubinsert T ...  AS missing FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"},
    {"allowed",
     "t replica_identity=n",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "+#warning: \"public\".\"t\" has REPLICA IDENTITY NOTHING: once published the server refuses UPDATE and DELETE on "
     "it. Give it a primary key (not a deferrable one), or ALTER TABLE \"public\".\"t\" REPLICA IDENTITY FULL;\n"
     "+#info: 1 table selected, 1 with findings\n"},
    {"allowed",
     "t unsent=t is_18=t; u hole=column~list; v columnless=t",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#warning: \"public\".\"t\" has a generated column that is not sent in its replica identity: once published the "
     "server refuses UPDATE and DELETE on it. Give it a replica identity without generated columns, or make a "
     "publication with publish_generated_columns = stored\n"
     "+#error: publication \"cdc_p\" has a column~list for \"public\".\"u\": the server refuses UPDATE and DELETE on "
     "it. The replica identity must have the columns of the filter, and the list the columns of the replica identity\n"
     "+#error: \"public\".\"v\" has no columns: sinks may refuse it, and all that comes after. Exclude it (-T)\n"
     "+#info: 3 tables selected, 3 with findings\n"
     "+#-1: 78 2 findings would stop the pipe or lose rows ()\n"},
    {"",
     "t columnless=t",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#error: \"public\".\"t\" has no columns: sinks may refuse it, and all that comes after. Exclude it (-T)\n"
     "+#info: 1 table selected, 1 with findings\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"",
     "t columnless=t persistence=u",
     {},
     "+#warning: \"public\".\"t\" is unlogged: its changes are not in the log and never seen, nor are the rows that it "
     "has when it becomes logged: ALTER TABLE \"public\".\"t\" SET LOGGED;\n"},
    {"",
     "t hole=gap",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#error: publication \"cdc_p\" has a gap for \"public\".\"t\": the server refuses UPDATE and DELETE on it. The "
     "replica identity must have the columns of the filter, and the list the columns of the replica identity\n"
     "+#info: 1 table selected, 1 with findings\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"",
     "t hole=gap",
     {NO_PUBLICATION, NO_SLOT},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "-#info: ok: publication \"cdc_p\"\n"
     "-1 more\n"
     "+#info: slot \"cdc_p\" does not exist: the first start creates it\n"
     "+#info: publication \"cdc_p\" does not exist: the first start creates it\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"
     "+1 SELECT has_database_privilege(current_database(), 'CREATE') AS may_create\n"
     "-1 SELECT concat_ws(', ', CASE WHEN NOT pubinsert T ...  AS missing FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"},
    {"",
     "t hole=gap columnless=t replica_identity=n unsent=t is_18=t; u hole=gap columnless=t replica_identity=n",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#error: \"public\".\"t\" has a generated column that is not sent in its replica identity: once published the "
     "server refuses UPDATE and DELETE on it. Give it a replica identity without generated columns, or make a "
     "publication with publish_generated_columns = stored\n"
     "+#error: \"public\".\"u\" has REPLICA IDENTITY NOTHING: once published the server refuses UPDATE and DELETE on "
     "it. Give it a primary key (not a deferrable one), or ALTER TABLE \"public\".\"u\" REPLICA IDENTITY FULL;\n"
     "+#info: 2 tables selected, 2 with findings\n"
     "+#-1: 78 2 findings would stop the pipe or lose rows ()\n"},
    /* rights */
    {"reads_rows",
     "t readable=f; u hidden=t; v readable=f hidden=t",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#error: role \"acting\" may not read table \"public\".\"t\"; GRANT SELECT on the table and USAGE on its schema "
     "to \"acting\"\n"
     "+#error: role \"acting\" may not read all rows of table \"public\".\"u\"; row level security hides some: ALTER "
     "ROLE \"acting\" BYPASSRLS;\n"
     "+#error: role \"acting\" may not read table \"public\".\"v\"; GRANT SELECT on the table and USAGE on its schema "
     "to \"acting\"\n"
     "+#info: 3 tables selected, 3 with findings\n"
     "+#-1: 77 3 findings would stop the pipe or lose rows ()\n"},
    {"",
     "t readable=f; u hidden=t",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "+#info: ok: 2 tables selected, 0 with findings\n"},
    {"reads_rows",
     "t readable=f kind=f; u hidden=t kind=p; v readable=f kind=m",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#error: role \"acting\" may not read all rows of table \"public\".\"u\"; row level security hides some: ALTER "
     "ROLE \"acting\" BYPASSRLS;\n"
     "+#info: 3 tables selected, 1 with findings\n"
     "+#warning: \"public\".\"t\" is a foreign table: its changes are not in the log and never seen: capture it on its "
     "own server\n"
     "+#warning: \"public\".\"v\" is a materialized view: its changes are not in the log and never seen: select its "
     "tables\n"
     "+#warning: changes of the partitions of \"public\".\"u\" come under its name: TRUNCATE of one of them, ATTACH "
     "and DETACH of one with rows are not seen. DELETE before that, and INSERT after it, or take a new snapshot then; "
     "or ALTER PUBLICATION \"cdc_p\" SET (publish_via_partition_root = false); before the first snapshot\n"
     "+#-1: 77 1 finding would stop the pipe or lose rows ()\n"},
    {"reads_rows",
     "t readable=f listed=f; u hidden=t listed=f",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "+#info: ok: 2 tables selected, 0 with findings\n"},
    {"reads_rows",
     "t readable=f listed=f; u hidden=t listed=f",
     {NO_PUBLICATION, NO_SLOT},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "-#info: ok: publication \"cdc_p\"\n"
     "-3 more\n"
     "+#info: slot \"cdc_p\" does not exist: the first start creates it\n"
     "+#info: publication \"cdc_p\" does not exist: the first start creates it\n"
     "+#error: role \"acting\" may not read table \"public\".\"t\"; GRANT SELECT on the table and USAGE on its schema "
     "to \"acting\"\n"
     "+#error: role \"acting\" may not read all rows of table \"public\".\"u\"; row level security hides some: ALTER "
     "ROLE \"acting\" BYPASSRLS;\n"
     "+#info: 2 tables selected, 2 with findings\n"
     "+#-1: 77 2 findings would stop the pipe or lose rows ()\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"
     "+1 SELECT has_database_privilege(current_database(), 'CREATE') AS may_create\n"
     "-1 SELECT concat_ws(', ', CASE WHEN NOT pubinsert T ...  AS missing FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"},
    {"", "t owned=f", {}, ""},
    {"",
     "t owned=f; u",
     {NO_PUBLICATION, NO_SLOT},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "-#info: ok: publication \"cdc_p\"\n"
     "-3 more\n"
     "+#info: slot \"cdc_p\" does not exist: the first start creates it\n"
     "+#info: publication \"cdc_p\" does not exist: the first start creates it\n"
     "+#error: role \"acting\" does not own table \"public\".\"t\", and may not publish it; let its owner or a "
     "superuser create publication \"cdc_p\"\n"
     "+#info: 2 tables selected, 1 with findings\n"
     "+#-1: 77 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"
     "+1 SELECT has_database_privilege(current_database(), 'CREATE') AS may_create\n"
     "-1 SELECT concat_ws(', ', CASE WHEN NOT pubinsert T ...  AS missing FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"},
    {"no_create",
     "t owned=f",
     {NO_PUBLICATION, NO_SLOT},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "-#info: ok: publication \"cdc_p\"\n"
     "-1 more\n"
     "+#error: slot \"cdc_p\" does not exist, and --no-create forbids to make it: run once without\n"
     "+#error: publication \"cdc_p\" does not exist, and --no-create forbids to make it: CREATE PUBLICATION \"cdc_p\" "
     "FOR ...;\n"
     "-#0: 0  ()\n"
     "+#-1: 78 2 findings would stop the pipe or lose rows ()\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"
     "+1 SELECT has_database_privilege(current_database(), 'CREATE') AS may_create\n"
     "-1 SELECT concat_ws(', ', CASE WHEN NOT pubinsert T ...  AS missing FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"},
    {"every",
     "t owned=f",
     {NO_PUBLICATION, NO_SLOT},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "-#info: ok: publication \"cdc_p\"\n"
     "-3 more\n"
     "+#info: slot \"cdc_p\" does not exist: the first start creates it\n"
     "+#info: publication \"cdc_p\" does not exist: the first start creates it\n"
     "+#error: the role owns none of the tables, and without -t the first start publishes those that it owns: GRANT it "
     "the role that owns them, or let a superuser create publication \"cdc_p\"\n"
     "+#info: 1 table selected, 0 with findings\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"
     "+1 SELECT has_database_privilege(current_database(), 'CREATE') AS may_create\n"
     "-1 SELECT concat_ws(', ', CASE WHEN NOT pubinsert T ...  AS missing FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"},
    /* partitions */
    {"",
     "t kind=p unlike=public.t1",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#error: \"public\".\"t\": the replica identity of its partition public.t1 is another one: old rows would come "
     "without what identifies them; ALTER TABLE public.t1 REPLICA IDENTITY FULL;\n"
     "+#info: 1 table selected, 1 with findings\n"
     "+#warning: changes of the partitions of \"public\".\"t\" come under its name: TRUNCATE of one of them, ATTACH "
     "and DETACH of one with rows are not seen. DELETE before that, and INSERT after it, or take a new snapshot then; "
     "or ALTER PUBLICATION \"cdc_p\" SET (publish_via_partition_root = false); before the first snapshot\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"", "t kind=p unlike=public.t1 via_root=f", {}, ""},
    {"",
     "t kind=p unlike=public.t1 replica_identity=n partitioned=t",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#error: \"public\".\"t\": the replica identity of its partition public.t1 is another one: old rows would come "
     "without what identifies them; ALTER TABLE \"public\".\"t\" REPLICA IDENTITY FULL; and the same for each of its "
     "partitions\n"
     "+#info: 1 table selected, 1 with findings\n"
     "+#warning: changes of the partitions of \"public\".\"t\" come under its name: TRUNCATE of one of them, ATTACH "
     "and DETACH of one with rows are not seen. DELETE before that, and INSERT after it, or take a new snapshot then; "
     "or ALTER PUBLICATION \"cdc_p\" SET (publish_via_partition_root = false); before the first snapshot\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"",
     "t kind=p detaching=public.t1",
     {},
     "-#0: 0  ()\n"
     "+#warning: changes of the partitions of \"public\".\"t\" come under its name: TRUNCATE of one of them, ATTACH "
     "and DETACH of one with rows are not seen. DELETE before that, and INSERT after it, or take a new snapshot then; "
     "or ALTER PUBLICATION \"cdc_p\" SET (publish_via_partition_root = false); before the first snapshot\n"
     "+#error: \"public\".\"t\": partition public.t1 is half detached (DETACH CONCURRENTLY was broken off): a change "
     "of it would crash the server; ALTER TABLE \"public\".\"t\" DETACH PARTITION public.t1 FINALIZE;\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "+1 SELECT EXISTS (SELECT 1 FROM pg_locks WHERE (loc ... D mode = 'ShareUpdateExclusiveLock')) AS detaching\n"
     "+1 16384\n"},
    {"", "t kind=p detaching=public.t1 via_root=f", {}, ""},
    {"",
     "t replica_identity=i index_exists=t nullable_key=id",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#error: \"public\".\"t\": rows may have NULL in the column \"id\" of its replica identity, whose NOT NULL is "
     "not "
     "validated: such a row has no key; ALTER TABLE \"public\".\"t\" ALTER \"id\" SET NOT NULL; once no row has NULL "
     "in "
     "it; or REPLICA IDENTITY FULL; or exclude the table\n"
     "+#info: 1 table selected, 1 with findings\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"",
     "t kind=p via_root=f; t1 root=t root_schema=public via_root=f",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "+#info: ok: 2 tables selected, 0 with findings\n"},
    {"",
     "t kind=p; t1 root=t root_schema=public under_root=t",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "+#info: ok: 2 tables selected, 0 with findings\n"
     "+#warning: changes of the partitions of \"public\".\"t\" come under its name: TRUNCATE of one of them, ATTACH "
     "and DETACH of one with rows are not seen. DELETE before that, and INSERT after it, or take a new snapshot then; "
     "or ALTER PUBLICATION \"cdc_p\" SET (publish_via_partition_root = false); before the first snapshot\n"},
    {"-t",
     "exact root=r root_schema=other under_root=t",
     {},
     "-#0: 0  ()\n"
     "+#warning: -t public.none matches no table: fix it, or create the table\n"
     "+#error: changes of \"public\".\"exact\" come under the name \"other\".\"r\", which is not selected: they are "
     "not seen: select that name, or ALTER PUBLICATION \"cdc_p\" SET (publish_via_partition_root = false);\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"-t",
     "a root=r root_schema=other under_root=t",
     {},
     "+#warning: -t public.none matches no table: fix it, or create the table\n"
     "+#warning: -t public.exact matches no table: fix it, or create the table\n"
     "+#warning: changes of \"public\".\"a\" come under the name \"other\".\"r\", which is not selected: they are not "
     "seen: select that name, or ALTER PUBLICATION \"cdc_p\" SET (publish_via_partition_root = false);\n"},
    {"every", "a root=r root_schema=other under_root=t", {}, ""},
    {"-T",
     "x1 root=t root_schema=public; t kind=p",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "+#info: ok: 2 tables selected, 0 with findings\n"
     "+#warning: changes of \"public\".\"t\" come under the name of its partition \"public\".\"x1\", which is not "
     "selected: they are not seen: select that name, or ALTER PUBLICATION \"cdc_p\" SET (publish_via_partition_root = "
     "true);\n"
     "+#warning: changes of the partitions of \"public\".\"t\" come under its name: TRUNCATE of one of them, ATTACH "
     "and DETACH of one with rows are not seen. DELETE before that, and INSERT after it, or take a new snapshot then; "
     "or ALTER PUBLICATION \"cdc_p\" SET (publish_via_partition_root = false); before the first snapshot\n"},
    {"-T",
     "x1 root=t root_schema=public under_root=t; t kind=p",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "+#info: ok: 2 tables selected, 0 with findings\n"
     "+#warning: changes of the partitions of \"public\".\"t\" come under its name: TRUNCATE of one of them, ATTACH "
     "and DETACH of one with rows are not seen. DELETE before that, and INSERT after it, or take a new snapshot then; "
     "or ALTER PUBLICATION \"cdc_p\" SET (publish_via_partition_root = false); before the first snapshot\n"},
    {"-T",
     "t1 root=x root_schema=public under_root=t; x kind=p",
     {},
     "+#warning: changes of \"public\".\"t1\" come under the name \"public\".\"x\", which is not selected: they are "
     "not seen: select that name, or ALTER PUBLICATION \"cdc_p\" SET (publish_via_partition_root = false);\n"},
    {"-T resumes",
     "t1 root=x root_schema=public under_root=t; x kind=p",
     {},
     "+#warning: changes of \"public\".\"t1\" come under the name \"public\".\"x\", which is not selected: they are "
     "not seen: select that name, or ALTER PUBLICATION \"cdc_p\" SET (publish_via_partition_root = false);\n"},
    /* what the publication lacks */
    {"",
     "t published=f listed=f",
     {},
     "+#warning: \"public\".\"t\" is not in publication \"cdc_p\": its changes are not seen: ALTER PUBLICATION "
     "\"cdc_p\" ADD TABLE \"public\".\"t\"; and, if it has rows by then, start the same line again where it began with "
     "cdc-snapshot and a --state-dir, else take a new snapshot\n"},
    {"resumes",
     "t published=f listed=f",
     {},
     "+#warning: \"public\".\"t\" is not in publication \"cdc_p\": its changes are not seen: ALTER PUBLICATION "
     "\"cdc_p\" ADD TABLE \"public\".\"t\"; and, if it has rows by then, start the same line again where it began with "
     "cdc-snapshot and a --state-dir, else take a new snapshot\n"},
    {"",
     "t published=f listed=f; u",
     {NO_SLOT},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#info: slot \"cdc_p\" does not exist: the first start creates it\n"
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#info: ok: 2 tables selected, 0 with findings\n"
     "+#error: \"public\".\"t\" is not in publication \"cdc_p\": its changes are not seen: ALTER PUBLICATION \"cdc_p\" "
     "ADD TABLE \"public\".\"t\";\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"},
    {"-t",
     "exact published=f listed=f",
     {},
     "-#0: 0  ()\n"
     "+#warning: -t public.none matches no table: fix it, or create the table\n"
     "+#error: \"public\".\"exact\" is not in publication \"cdc_p\": its changes are not seen: ALTER PUBLICATION "
     "\"cdc_p\" ADD TABLE \"public\".\"exact\"; and, if it has rows by then, start the same line again where it began "
     "with cdc-snapshot and a --state-dir, else take a new snapshot\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"every",
     "t published=f listed=f",
     {},
     "+#info: \"public\".\"t\" is not in publication \"cdc_p\": its changes are not seen: ALTER PUBLICATION \"cdc_p\" "
     "ADD TABLE \"public\".\"t\"; and, if it has rows by then, start the same line again where it began with "
     "cdc-snapshot and a --state-dir, else take a new snapshot\n"},
    {"",
     "t lists_columns=t; u filter=x; v filter=x partial=t; w filter=x partial=t inserts_only=t",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#info: ok: 4 tables selected, 0 with findings\n"
     "+#warning: publication \"cdc_p\" has a list of columns for \"public\".\"t\": the others are never seen: BEGIN; "
     "ALTER PUBLICATION \"cdc_p\" DROP TABLE \"public\".\"t\"; ALTER PUBLICATION \"cdc_p\" ADD TABLE \"public\".\"t\"; "
     "COMMIT;\n"
     "+#warning: publication \"cdc_p\" has a condition for the rows of \"public\".\"u\": others are never seen: BEGIN; "
     "ALTER PUBLICATION \"cdc_p\" DROP TABLE \"public\".\"u\"; ALTER PUBLICATION \"cdc_p\" ADD TABLE \"public\".\"u\"; "
     "COMMIT;\n"
     "+#error: publication \"cdc_p\" has a condition for the rows of \"public\".\"v\": one that an UPDATE moves into "
     "it would come without the large values (TOAST) that the UPDATE did not change: ALTER TABLE \"public\".\"v\" "
     "REPLICA IDENTITY FULL;\n"
     "+#warning: publication \"cdc_p\" has a condition for the rows of \"public\".\"v\": others are never seen: BEGIN; "
     "ALTER PUBLICATION \"cdc_p\" DROP TABLE \"public\".\"v\"; ALTER PUBLICATION \"cdc_p\" ADD TABLE \"public\".\"v\"; "
     "COMMIT;\n"
     "+#warning: publication \"cdc_p\" has a condition for the rows of \"public\".\"w\": others are never seen: BEGIN; "
     "ALTER PUBLICATION \"cdc_p\" DROP TABLE \"public\".\"w\"; ALTER PUBLICATION \"cdc_p\" ADD TABLE \"public\".\"w\"; "
     "COMMIT;\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"},
    {"",
     "t lists_columns=t listed=f; u filter=x listed=f; v partial=t listed=f",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "+#info: ok: 3 tables selected, 0 with findings\n"},
    {"",
     "t",
     {A("AS missing FROM pg_publication", "missing\nupdate, delete")},
     "+#warning: publication \"cdc_p\" does not publish update, delete: such changes are never seen: ALTER PUBLICATION "
     "\"cdc_p\" SET (publish = 'insert, update, delete, truncate');\n"},
    {"", "t", {A("AS missing FROM pg_publication", "missing")}, ""},
    {"",
     "t",
     {A("AS missing FROM pg_publication", "!42501 denied")},
     "-#0: 0  ()\n"
     "+#error: cannot look at the publication: denied (SQLSTATE 42501)\n"
     "+#-1: 77 1 finding would stop the pipe or lose rows ()\n"},
    {"-t",
     "t",
     {},
     "+#warning: -t public.none matches no table: fix it, or create the table\n"
     "+#warning: -t public.exact matches no table: fix it, or create the table\n"},
    {"",
     "t schema=other",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "+#warning: no table is selected by -t public.*: fix -t and -T (schema.table), or create the tables first\n"},
    {"",
     "t schema=other",
     {NO_SLOT},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#info: slot \"cdc_p\" does not exist: the first start creates it\n"
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#error: no table is selected by -t public.*: fix -t and -T (schema.table), or create the tables first\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"},
    {"-t -T",
     "x1",
     {NO_SLOT},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#info: slot \"cdc_p\" does not exist: the first start creates it\n"
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#error: no table is selected by -t public.* -t public.none -t public.exact -T public.x*: fix -t and -T "
     "(schema.table), or create the tables first\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"},
    {"every",
     "",
     {NO_SLOT},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#info: slot \"cdc_p\" does not exist: the first start creates it\n"
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"},
    {"every -T",
     "x1",
     {NO_SLOT},
     "-#info: ok: slot \"cdc_p\" keeps WAL from 0/1543D98, confirmed up to 0/1543DD0\n"
     "+#info: slot \"cdc_p\" does not exist: the first start creates it\n"
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#error: no table is selected by -T public.x*: fix -t and -T (schema.table), or create the tables first\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT coalesce(age(p.xmin) <= age(s.catalog_xmi ... _slots s WHERE p.pubname = $1 AND s.slot_name = $2\n"
     "-1 cdc_p\n"
     "-1 more\n"},
    {"", "t readable=~; u", {}, ""},
    {"",
     "t owned=~",
     {},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#error: cannot list the tables: the server's answer lacks what it was asked for\n"
     "+#-1: 78 1 finding would stop the pipe or lose rows ()\n"
     "-1 SELECT concat_ws(', ', CASE WHEN NOT pubinsert T ...  AS missing FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"},
    {"",
     "t",
     {A("WITH p AS MATERIALIZED", "!55P03 locked")},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#error: cannot list the tables: a table is locked by another session (pg_locks); wait for its end, or end it: "
     "SELECT pg_terminate_backend(pid), or COMMIT PREPARED or ROLLBACK PREPARED in this database\n"
     "+#-1: 75 1 finding would stop the pipe or lose rows ()\n"
     "+1 SELECT string_agg(who, '; ') AS who FROM (SELECT ... R BY NOT l.granted, a.xact_start, c.oid LIMIT 3) w\n"
     "+1 {AccessExclusiveLock}\n"
     "-1 SELECT concat_ws(', ', CASE WHEN NOT pubinsert T ...  AS missing FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"},
    {"",
     "t",
     {A("WITH p AS MATERIALIZED", "!55P03 locked"), A("FROM pg_locks", "who\npublic.t is locked by pid 7 (u)")},
     "-#info: ok: 1 table selected, 0 with findings\n"
     "-#0: 0  ()\n"
     "+#error: cannot list the tables: table public.t is locked by pid 7 (u); wait for its end, or end it: SELECT "
     "pg_terminate_backend(pid), or COMMIT PREPARED or ROLLBACK PREPARED in this database\n"
     "+#-1: 75 1 finding would stop the pipe or lose rows ()\n"
     "+1 SELECT string_agg(who, '; ') AS who FROM (SELECT ... R BY NOT l.granted, a.xact_start, c.oid LIMIT 3) w\n"
     "+1 {AccessExclusiveLock}\n"
     "-1 SELECT concat_ws(', ', CASE WHEN NOT pubinsert T ...  AS missing FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"},
    /* the end */
    {"drop",
     "t",
     {},
     "-#info: ok: wal_level is logical\n"
     "-#info: ok: role may replicate: u\n"
     "-6 more\n"
     "+#info: dropped slot \"cdc_p\"\n"
     "+#info: dropped publication \"cdc_p\"\n"
     "-1 SELECT current_user\n"
     "-1 SELECT current_setting('wal_level') = 'logical'  ... current_setting('max_slot_wal_keep_size') AS keeps\n"
     "+1 SELECT coalesce(obj_description(oid, 'pg_publica ...  AS comment FROM pg_publication WHERE pubname = $1\n"
     "-2 connects for replication\n"
     "-2 SET statement_timeout = 0; SET lock_timeout = 0; ... ; SET client_min_messages = warning; SET jit = off\n"
     "-1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "-1 cdc_p\n"
     "-5 more\n"
     "+1 SELECT pg_drop_replication_slot($1)\n"
     "-1 SELECT true AS exists, CASE WHEN puballtables TH ...  AS by_leaf FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"
     "-6 more\n"
     "+1 DROP PUBLICATION \"cdc_p\"\n"},
    {"drop",
     "t",
     {NO_SLOT},
     "-#info: ok: wal_level is logical\n"
     "-#info: ok: role may replicate: u\n"
     "-6 more\n"
     "+#info: slot \"cdc_p\" does not exist\n"
     "+#info: dropped publication \"cdc_p\"\n"
     "-1 SELECT current_user\n"
     "-1 SELECT current_setting('wal_level') = 'logical'  ... current_setting('max_slot_wal_keep_size') AS keeps\n"
     "+1 SELECT coalesce(obj_description(oid, 'pg_publica ...  AS comment FROM pg_publication WHERE pubname = $1\n"
     "-2 connects for replication\n"
     "-2 SET statement_timeout = 0; SET lock_timeout = 0; ... ; SET client_min_messages = warning; SET jit = off\n"
     "-1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "-1 cdc_p\n"
     "-6 more\n"
     "-1 SELECT true AS exists, CASE WHEN puballtables TH ...  AS by_leaf FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"
     "-6 more\n"
     "+1 DROP PUBLICATION \"cdc_p\"\n"},
    {"drop",
     "t",
     {S("pgoutput||t|7|0/1543DD0|0/1543D98|f|f|f")},
     "-#info: ok: wal_level is logical\n"
     "-#info: ok: role may replicate: u\n"
     "-7 more\n"
     "+#-1: 75 slot \"cdc_p\" is in use by pid 7 of the server (stop the pg-cdc that reads it first)\n"
     "-1 SELECT current_user\n"
     "-1 SELECT current_setting('wal_level') = 'logical'  ... current_setting('max_slot_wal_keep_size') AS keeps\n"
     "-13 more\n"
     "-1 SELECT true AS exists, CASE WHEN puballtables TH ...  AS by_leaf FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"
     "-5 more\n"
     "+1 SELECT coalesce(plugin, '') AS plugin, coalesce( ... ase FROM pg_replication_slots WHERE slot_name = $1\n"},
    {"drop",
     "t",
     {A("obj_description", "comment\nmade by pg-cdc for q")},
     "-#info: ok: wal_level is logical\n"
     "-#info: ok: role may replicate: u\n"
     "-7 more\n"
     "+#-1: 78 slot \"cdc_p\" and publication \"cdc_p\" are those of the pipeline \"q\", not of \"p\" (give another "
     "--name, or --slot and --publication of its own)\n"
     "-1 SELECT current_user\n"
     "-1 SELECT current_setting('wal_level') = 'logical'  ... current_setting('max_slot_wal_keep_size') AS keeps\n"
     "-13 more\n"
     "-1 SELECT true AS exists, CASE WHEN puballtables TH ...  AS by_leaf FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"
     "-6 more\n"},
    {"drop",
     "t",
     {A("obj_description", "comment\nmine")},
     "-#info: ok: wal_level is logical\n"
     "-#info: ok: role may replicate: u\n"
     "-6 more\n"
     "+#info: dropped slot \"cdc_p\"\n"
     "+#info: publication \"cdc_p\" was not made by pg-cdc: it stays\n"
     "-1 SELECT current_user\n"
     "-1 SELECT current_setting('wal_level') = 'logical'  ... current_setting('max_slot_wal_keep_size') AS keeps\n"
     "+1 SELECT coalesce(obj_description(oid, 'pg_publica ...  AS comment FROM pg_publication WHERE pubname = $1\n"
     "-2 connects for replication\n"
     "-2 SET statement_timeout = 0; SET lock_timeout = 0; ... ; SET client_min_messages = warning; SET jit = off\n"
     "-1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "-1 cdc_p\n"
     "-5 more\n"
     "+1 SELECT pg_drop_replication_slot($1)\n"
     "-1 SELECT true AS exists, CASE WHEN puballtables TH ...  AS by_leaf FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"
     "-6 more\n"},
    {"drop",
     "t",
     {A("obj_description", "comment")},
     "-#info: ok: wal_level is logical\n"
     "-#info: ok: role may replicate: u\n"
     "-6 more\n"
     "+#info: dropped slot \"cdc_p\"\n"
     "+#info: publication \"cdc_p\" does not exist\n"
     "-1 SELECT current_user\n"
     "-1 SELECT current_setting('wal_level') = 'logical'  ... current_setting('max_slot_wal_keep_size') AS keeps\n"
     "+1 SELECT coalesce(obj_description(oid, 'pg_publica ...  AS comment FROM pg_publication WHERE pubname = $1\n"
     "-2 connects for replication\n"
     "-2 SET statement_timeout = 0; SET lock_timeout = 0; ... ; SET client_min_messages = warning; SET jit = off\n"
     "-1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "-1 cdc_p\n"
     "-5 more\n"
     "+1 SELECT pg_drop_replication_slot($1)\n"
     "-1 SELECT true AS exists, CASE WHEN puballtables TH ...  AS by_leaf FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"
     "-6 more\n"},
    {"drop",
     "t",
     {A("pg_drop_replication_slot", "!55006 in use")},
     "-#info: ok: wal_level is logical\n"
     "-#info: ok: role may replicate: u\n"
     "-7 more\n"
     "+#-1: 69 cannot drop the slot: in use (SQLSTATE 55006) ()\n"
     "-1 SELECT current_user\n"
     "-1 SELECT current_setting('wal_level') = 'logical'  ... current_setting('max_slot_wal_keep_size') AS keeps\n"
     "-13 more\n"
     "-1 SELECT true AS exists, CASE WHEN puballtables TH ...  AS by_leaf FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"
     "-2 more\n"
     "+1 SELECT coalesce(plugin, '') AS plugin, coalesce( ... ase FROM pg_replication_slots WHERE slot_name = $1\n"
     "-1 SET lock_timeout = 0\n"
     "-1 SELECT concat_ws(', ', CASE WHEN NOT pubinsert T ...  AS missing FROM pg_publication WHERE pubname = $1\n"
     "+1 SELECT pg_drop_replication_slot($1)\n"},
    {"drop",
     "t",
     {A("DROP PUBLICATION", "!42501 denied")},
     "-#info: ok: wal_level is logical\n"
     "-#info: ok: role may replicate: u\n"
     "-7 more\n"
     "+#info: dropped slot \"cdc_p\"\n"
     "+#-1: 77 cannot drop the publication: denied (SQLSTATE 42501) ()\n"
     "-1 SELECT current_user\n"
     "-1 SELECT current_setting('wal_level') = 'logical'  ... current_setting('max_slot_wal_keep_size') AS keeps\n"
     "+1 SELECT coalesce(obj_description(oid, 'pg_publica ...  AS comment FROM pg_publication WHERE pubname = $1\n"
     "-2 connects for replication\n"
     "-2 SET statement_timeout = 0; SET lock_timeout = 0; ... ; SET client_min_messages = warning; SET jit = off\n"
     "-1 SELECT p.oid AS publication, p.xmin::text AS wri ... mespace WHERE p.pubname = $1 ORDER BY e.kind, e.of\n"
     "-1 cdc_p\n"
     "-5 more\n"
     "+1 SELECT pg_drop_replication_slot($1)\n"
     "-1 SELECT true AS exists, CASE WHEN puballtables TH ...  AS by_leaf FROM pg_publication WHERE pubname = $1\n"
     "-1 cdc_p\n"
     "-6 more\n"
     "+1 DROP PUBLICATION \"cdc_p\"\n"},
    {"drop first-unreachable",
     "t",
     {},
     "-#info: ok: wal_level is logical\n"
     "-#info: ok: role may replicate: u\n"
     "-7 more\n"
     "+#-1: 69 cannot connect: refused by the test ()\n"
     "-1 SET statement_timeout = 0; SET lock_timeout = 0; ... ; SET client_min_messages = warning; SET jit = off\n"
     "-1 SELECT current_user\n"
     "-24 more\n"},
};

int main(void)
{
    struct cdc_buf base = CDC_BUF_INIT, nothing = CDC_BUF_INIT;
    setvbuf(stdout, NULL, _IOLBF, 0);
    check_run(&runs[0], &nothing, 0);
    work(&runs[0], &base);
    for (size_t i = 1; i < sizeof runs / sizeof *runs; i++)
        check_run(&runs[i], &base, i);
    cdc_buf_free(&base);
    cdc_buf_free(&told);
    cdc_buf_free(&fake.said);
    cdc_buf_free(&fake.sent);
    return failures ? 1 : 0;
}
