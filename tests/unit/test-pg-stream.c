/* SPDX-License-Identifier: MIT */
/* A stream of a PostgreSQL server that is a table of answers, and has a log of one transaction. */
#include "connectors/postgres/stream/stream.h"
#include "tests/unit/pg-server.h"

#include <cdc/start.h>

/* -- the server -- */

#define RELATION                                                                                                       \
    "oid|relreplident|reltype|inserts_only|unsent|is_18|replica_identity|partitioned|primary_exists|primary_is_"       \
    "immediate|index_exists|unlike|is_old|made_by|now_at|name|not_null|never_null|generated|same_name|primary|"        \
    "identity|omitted|xids\n"
static const struct fake_answer for_stream[] = {
    {"SET statement_timeout", NULL, false},
    {"wal_level", "wal_level|timeout|checkpoint\nlogical|60000|0/1543E00", false},
    {"pg_postmaster_start_time", "started\n2026-11-26 16:32:56.273246+00 7712519040855319821", false},
    {"IDENTIFY_SYSTEM", SYSTEM, false},
    {"TIMELINE_HISTORY", "filename|content\n00000002.history|1\t0/2000000\tno recovery target specified", false},
    {"FROM pg_replication_slots WHERE slot_name", SLOT "\npgoutput||f|0|0/1543DD0|0/1543D98|f|f|f", false},
    {"SELECT 1 FROM pg_publication", "?column?\n1", false},
    {"obj_description", "comment\nmade by pg-cdc for p", false},
    {"SET lock_timeout = 10000", NULL, false},
    {"SET lock_timeout = 0", NULL, false},
    {"WITH p AS MATERIALIZED", PUBLISHED, false},
    {"AS missing FROM pg_publication", "missing\n", false},
    {"SELECT p.oid AS publication", MEMBERS, false},
    {"AS table_oid", WAYS, false},
    /* looks from time to time, of which the next one does as well */
    {"SET lock_timeout", NULL, true},
    {"WITH p AS MATERIALIZED", PUBLISHED, true},
    {"AS missing FROM pg_publication", "missing\n", true},
    {"SELECT p.oid AS publication", MEMBERS, true},
    {"AS table_oid", WAYS, true},
    {"AS standby", "standby\nf", false},
    {"AS flushed", "flushed|inserted|delay\n0/1543F48|0/1543F48|200", false},
    {"START_REPLICATION SLOT \"cdc_p\" LOGICAL 0/1543DD0 (proto_version '1', publication_names '\"cdc_p\"', messages "
     "'true')",
     "COPY log", false},
    {"AS server_end", "concat_ws\n70 -12723196050 725(16396,cdc_p,10,f,t,t,t,t,t) 0  -112237786", true},
    /* asked again on another session */
    {"WITH RECURSIVE c AS", TYPES, true},
    {"SELECT c.*, coalesce",
     RELATION "16384|d|16386|f|f|f|d|f|t|t|f|~|t|724|0/"
              "1543F48|id|t|t|f|t|t|t|f|900:900:\n16384|d|16386|f|f|f|d|f|t|t|f|~|t|724|0/"
              "1543F48|v|f|f|f|t|f|f|f|900:900:",
     true},
    {"SELECT c.*, coalesce",
     RELATION
     "16391|d|16393|f|f|f|d|f|f|f|f|~|t|0|0/1543F48|a|f|f|f|t|f|f|f|900:900:\n16391|d|16393|f|f|f|d|f|f|f|f|~|t|0|0/"
     "1543F48|b|f|f|f|t|f|f|f|900:900:",
     true},
    {NULL, NULL, false}};

static const struct fake_copy copies[] = {
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

static const struct fake_answer *answers = for_stream;

/* From the end of a snapshot to the end of the log. */
static int stream(struct cdc_buf *out, struct cdc_error *error)
{
    const struct pg_settings pg = settings_of(answers, copies);
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

/* -- what comes out, and what is said for it -- */

static const struct run runs[] = {
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
     "\"publication\":{\"oid\":16396,\"row\":\"725\",\"is\":\"10 f t t t t t\",\"whole\":\"725 1 "
     "5\",\"has\":\"s2200:16397\",\"since\":4294967304}}",
     "1 connects\n"
     "1 SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transac ... ; SET client_min_messages = warning; "
     "SET jit = off\n"
     "1 SELECT current_setting('wal_level') AS wal_level, (SELECT setting FR ... sn FROM pg_control_checkpoint()) END "
     "AS checkpoint\n"
     "2 connects for replication\n"
     "2 SET statement_timeout = 0; SET lock_timeout = 0; SET idle_in_transac ... ; SET client_min_messages = warning; "
     "SET jit = off\n"
     "2 SELECT concat_ws(' ', pg_postmaster_start_time(), (SELECT system_identifier FROM pg_control_system())) AS "
     "started\n"
     "1 SELECT concat_ws(' ', pg_postmaster_start_time(), (SELECT system_identifier FROM pg_control_system())) AS "
     "started\n"
     "2 IDENTIFY_SYSTEM\n"
     "1 SELECT coalesce(plugin, '') AS plugin, coalesce(nullif(database, cur ... ase FROM pg_replication_slots WHERE "
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
     "1 SELECT c.oid::text::int8 AS table_oid, (CASE WHEN p.pubviaroot THEN  ... lkind = 'p' AND p.pubviaroot AND "
     "g.relid = c.oid))\n"
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
     "1 SELECT c.oid::text::int8 AS table_oid, (CASE WHEN p.pubviaroot THEN  ... lkind = 'p' AND p.pubviaroot AND "
     "g.relid = c.oid))\n"
     "1 cdc_p\n"
     "1 SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() E ... settings WHERE name = "
     "'wal_writer_delay') AS delay\n"
     "2 START_REPLICATION SLOT \"cdc_p\" LOGICAL 0/1543DD0 (proto_version '1', publication_names '\"cdc_p\"', messages "
     "'true')\n"
     "1 SELECT coalesce(plugin, '') AS plugin, coalesce(nullif(database, cur ... ase FROM pg_replication_slots WHERE "
     "slot_name = $1\n"
     "1 cdc_p\n"
     "1 SELECT c.*, coalesce((SELECT age(d.xmin) < 0 OR d.xmin = (SELECT td. ... ttnum > 0 AND NOT a.attisdropped "
     "ORDER BY a.attnum\n"
     "1 cdc_p\n"
     "1 16384\n"
     "1 cdc_p\n"
     "1 WITH RECURSIVE c AS (SELECT t, m, o FROM unnest($1::oid[], $2::int4[ ... ON d.o = c.o LEFT JOIN l ON l.o = c.o "
     "ORDER BY c.o\n"
     "1 {23,25}\n"
     "1 {-1,-1}\n"
     "1 SELECT concat_ws(' ', (SELECT concat(count(*), ' ', sum(hashint8(oid ...  ELSE pg_current_wal_flush_lsn() END "
     "AS server_end\n"
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
     "1 SELECT c.oid::text::int8 AS table_oid, (CASE WHEN p.pubviaroot THEN  ... lkind = 'p' AND p.pubviaroot AND "
     "g.relid = c.oid))\n"
     "1 cdc_p\n"
     "1 SELECT c.*, coalesce((SELECT age(d.xmin) < 0 OR d.xmin = (SELECT td. ... ttnum > 0 AND NOT a.attisdropped "
     "ORDER BY a.attnum\n"
     "1 cdc_p\n"
     "1 16391\n"
     "1 cdc_p\n"
     "1 WITH RECURSIVE c AS (SELECT t, m, o FROM unnest($1::oid[], $2::int4[ ... ON d.o = c.o LEFT JOIN l ON l.o = c.o "
     "ORDER BY c.o\n"
     "1 {23,25}\n"
     "1 {-1,-1}\n",
     "table \"public\".\"u\" has no primary key and no replica identity: the server refuses UPDATE and DELETE on "
     "it\n"}};

/* -- other answers -- */

static const struct other others[] = {
    {stream,
     {A("wal_level", "wal_level|timeout|checkpoint\nreplica|60000|0/1543E00")},
     CDC_EXIT_CONFIG,
     "the server's wal_level is replica; logical is needed"},
    {stream,
     {A("WITH RECURSIVE c AS", "name|base_name|base|leaf|leaf_is\ninteger|~|23|23|\ntext|~|25|25|")},
     CDC_EXIT_PROTOCOL,
     "cannot look types up in the catalogs: the server's answer lacks what it was asked for"},
    {stream,
     {A("wal_level", "wal_level|timeout|checkpoint\nlogical|~|0/1543E00")},
     CDC_EXIT_PROTOCOL,
     "cannot read the server's settings"},
    {stream,
     {A("FROM pg_replication_slots WHERE slot_name", SLOT), A("pg_is_in_recovery() AS standby", "standby\nt")},
     CDC_EXIT_UNAVAILABLE,
     "host /sockets is a standby, and has no slot \"cdc_p\""},
    {stream,
     {A("FROM pg_replication_slots WHERE slot_name", SLOT), A("pg_is_in_recovery() AS standby", "standby\nf")},
     CDC_EXIT_LOST,
     "cdc_p"},
    {stream,
     {A("FROM pg_replication_slots WHERE slot_name", SLOT "\npgoutput||f|0|0/1543DD0|0/1543D98|f|t|f"),
      A("pg_is_in_recovery() AS standby", "standby\nt")},
     CDC_EXIT_UNAVAILABLE,
     "is only a copy of the primary's"},
    {stream,
     {A("FROM pg_replication_slots WHERE slot_name", SLOT "\npgoutput||t|77|0/1543DD0|0/1543D98|f|f|f")},
     CDC_EXIT_TEMPORARY,
     "slot \"cdc_p\" is in use by pid 77"},
    {stream,
     {A("FROM pg_replication_slots WHERE slot_name", SLOT "\npgoutput||f|0|0/1543DD0|0/1543D98|t|f|f")},
     CDC_EXIT_LOST,
     "cdc_p"},
    {stream,
     {A("FROM pg_replication_slots WHERE slot_name", SLOT "\npgoutput||f|0|0/1543DD1|0/1543D98|f|f|f")},
     CDC_EXIT_LOST,
     "cdc_p"},
    {stream,
     {A("WITH p AS MATERIALIZED", PUBLISHED), A("SELECT 1 FROM pg_publication WHERE", "?column?")},
     CDC_EXIT_CONFIG,
     "the slot is older than any publication made now"},
    {stream,
     {A("SELECT p.oid AS publication",
        "publication|written|is|whole|newest|ids|via_root|kind|of|row|schema|name|partitioned|root_"
        "schema|root\n16399|729|10 f t t t t t|729 1 5|730|727|t|s|2200|16397|public|t|f|~|~")},
     CDC_EXIT_CONFIG,
     "cdc_p"},
    {stream,
     {A("AS flushed", "flushed|inserted|delay\nx|0/1543F48|200")},
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
     {A("SELECT c.*, coalesce", RELATION "16384|d|16386|f|f|f|d|f|t|t|f|~|t|724|0/1543F48|id|t|t|f|t|t|t|f|900:900:")},
     0,
     "\"name\":\"v\""},
};

/* Another reader moves the slot between the look at it and the start of the stream. */
static void test_moved(void)
{
    struct fake_answer moves[FAKE_ANSWERS] = {
        {"FROM pg_replication_slots WHERE slot_name", SLOT "\npgoutput||f|0|0/1543DD0|0/1543D98|f|f|f", false},
        {"FROM pg_replication_slots WHERE slot_name", SLOT "\npgoutput||t|9|0/1543DD1|0/1543D98|f|f|f", false}};
    memcpy(moves + 2, for_stream, sizeof for_stream);
    answers = moves;
    check_other(&(struct other){stream,
                                {A("nothing", NULL)},
                                CDC_EXIT_TEMPORARY,
                                "slot \"cdc_p\" was moved by somebody else while we connected"},
                NULL);
    answers = for_stream;
}

static void test_others(void)
{
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        check_other(&others[i], NULL);
    test_moved();
}

/* Connects so many times, of which each ends with the first message; lives: for how many seconds; moved: the position is another
 * one from that time on; crashes: the server has made a checkpoint since. Returns how many connections there were until the stream gave up. */
static unsigned connections_that_break(unsigned most, int lives, unsigned moved, bool crashes, struct cdc_error *error)
{
    char said[64];
    const struct fake_answer from_anywhere[] = {A("wal_level", said), A("START_REPLICATION", "COPY log"),
                                                A(NULL, NULL)};
    const struct pg_settings pg = settings_of(for_stream, copies);
    struct cdc_metrics metrics = {0};
    struct cdc_offset from = {.pos = "0000000001543DD0.0000000000.a0001.000000000008",
                              .seq = 22298064,
                              .state = "{\"system_identifier\":\"7712519040855319821\",\"timeline\":1,\"database\":"
                                       "\"postgres\",\"slot\":\"cdc_p\",\"publication\":" HAD "}"};
    const struct cdc_start start = {.kind = CDC_START_RESUME, .from = from, .own = from};
    const struct pg_stream_settings settings = {.settings = &pg, .start = &start};
    struct pg_stream *made = pg_stream_new(&settings, &metrics, &log_to, error);
    struct cdc_buf out = CDC_BUF_INIT;
    unsigned n = 0;
    fake.first = from_anywhere;
    for (memset(error, 0, sizeof *error); n < most; n++) {
        memset(fake.given, 0, sizeof fake.given);
        memset(fake_failures, 0, sizeof fake_failures);
        fake.fault = FAKE_SOUND;
        snprintf(said, sizeof said, "wal_level|timeout|checkpoint\nlogical|60000|0/%u", crashes ? 100 + n : 100);
        if (n == moved)
            from.pos = "0000000001543DE0.0000000000.a0001.000000000008";
        if (pg_stream_ops.connect(made, &from, error) < 0)
            break;
        seconds += lives;
        fake.fault = FAKE_NO_MESSAGE;
        fake.fault_at = 1;
        fake.met = 0;
        struct cdc_error broken = {0};
        check(pg_stream_ops.read(made, &out, 1 << 20, &broken) == CDC_SOURCE_ERROR &&
                  broken.status == CDC_EXIT_UNAVAILABLE,
              "a connection that breaks");
        pg_stream_ops.disconnect(made);
    }
    fake.fault = FAKE_SOUND;
    fake.first = NULL;
    pg_stream_free(made);
    cdc_buf_free(&out);
    return n;
}

/* A server that crashes at what comes first does so for ever; one that was only started again does not. */
static void test_breaks(void)
{
    struct cdc_error error;
    check(connections_that_break(9, 0, 9, true, &error) == 4 && error.status == CDC_EXIT_PROTOCOL &&
              strstr(error.text, "closed the connection without a word 4 times in a row, at the position 0/1543DD0"),
          "four connections that end at once, at one position");
    check(connections_that_break(9, 19, 9, true, &error) == 4 && error.status == CDC_EXIT_PROTOCOL, "or soon");
    check(connections_that_break(9, 21, 9, true, &error) == 9 && error.status == 0, "that live for a while");
    check(connections_that_break(9, 0, 2, true, &error) == 5 && error.status == CDC_EXIT_PROTOCOL,
          "after which it goes on elsewhere");
    check(connections_that_break(9, 0, 9, false, &error) == 9 && error.status == 0,
          "that somebody on the way to a server cuts, which has not crashed");
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
        test_run(&runs[i]);
    test_others();
    test_breaks();
    cdc_buf_free(&logged);
    cdc_buf_free(&fake.said);
    cdc_buf_free(&fake.sent);
    return failures ? 1 : 0;
}
