/* SPDX-License-Identifier: MIT */
/* What kind of statement a text is, and which names stand in it. */
#include "connectors/mysql/event/effect.h"
#include "connectors/mysql/event/retype.h"
#include "connectors/mysql/event/statement.h"
#include "tests/unit/binlog-events.h"

#include <cdc/bytes.h>

/* -- statements -- */

static struct my_statement statement;

static void parse_with_mode(uint64_t sql_mode, const char *sql)
{
    start();
    put_text(sql);
    struct cdc_bytes cursor = whole();
    const struct my_event_query query = {.sql = cdc_span((const char *)cursor.p, cdc_bytes_left(&cursor)),
                                         .sql_mode = sql_mode};
    check(my_statement_parse(&statement, &query, NULL) == 0, "parsed");
}

static void parse_statement(const char *sql)
{
    parse_with_mode(0, sql);
}

static void check_kind(enum my_statement_kind kind, const char *const *texts)
{
    for (; *texts != NULL; texts++) {
        parse_statement(*texts);
        check(statement.kind == kind, *texts);
    }
}

#define KIND(name, ...) check_kind(MY_STATEMENT_##name, (const char *const[]){__VA_ARGS__, NULL})

static void test_statements(void)
{
    KIND(BEGIN, "BEGIN", "begin", " \t\n/* a */ BEGIN", "BEGIN WORK", "START TRANSACTION", "start /**/ transaction",
         "/*!50000 BEGIN*/", "-- x\nBEGIN", "#x\nBEGIN;", "/*M!100100 BEGIN */", "--\nBEGIN");
    KIND(COMMIT, "COMMIT", "commit /* x */", "COMMIT AND CHAIN", "# a\n-- b\n/* c */COMMIT");
    KIND(ROLLBACK, "ROLLBACK", "rollback work", "ROLLBACK /* to */");
    KIND(SAVEPOINT, "SAVEPOINT s", "SAVEPOINT `s`");
    KIND(RELEASE, "RELEASE SAVEPOINT s");
    KIND(ROLLBACK_TO, "ROLLBACK TO s", "ROLLBACK WORK TO SAVEPOINT `s`");
    KIND(XA_START, "XA START X'31',X'',1", "xa begin 'a'", "/* c */XA/* c */START/* c */'x'");
    KIND(XA_END, "XA END X'31',X'',1");
    KIND(XA_PREPARE, "XA PREPARE X'31',X'',1");
    KIND(XA_COMMIT, "XA COMMIT X'31',X'',1", "XA COMMIT X'31',X'',1 ONE PHASE");
    KIND(XA_ROLLBACK, "XA ROLLBACK X'31',X'',1");
    KIND(DDL, "", " ", "/* BEGIN */", "-- BEGIN", "# Dummy event replacing event type 161", "XA RECOVER",
         "CREATE TABLE t (i INT)", "CREATE TEMPORARY TABLE t(i INT)", "CREATE TEMPORARY TABLE t SELECT 1",
         "CREATE TABLE t (i INT, `select` INT COMMENT 'select') PARTITION BY LIST (i) (PARTITION p VALUES IN (1))",
         "CREATE TABLE t (i INT) PARTITION BY RANGE (i) (PARTITION p VALUES LESS THAN (1))", "CREATE TABLE t LIKE s",
         "CREATE TABLE `t` (\n `i` int) START TRANSACTION", "CREATE VIEW v AS SELECT 1",
         "CREATE TABLE t (i INT REFERENCES d.table (id))", "CREATE TABLE d.select (i INT REFERENCES `d`.values(i))",
         "CREATE TABLE t (i INT DEFAULT 1., FOREIGN KEY (i) REFERENCES \"d\" .table (id))",
         "CREATE TABLE t /* SELECT */ (i INT)", "ALTER TABLE t TRUNCATE PARTITION p", "DROP TABLE t",
         "RENAME TABLE a TO b", "GRANT ALL ON *.* TO x", "FLUSH TABLES", "ANALYZE TABLE t", "ANALYZE LOCAL TABLE t",
         "beginning", "`BEGIN`", "'BEGIN'", "SET PASSWORD = 'x'", "SET STATEMENT a=1 FOR ALTER TABLE t ADD i INT",
         "TRUNCATE", "TRUNCATE TABLE", "TRUNCATE 'x'", "TRUNCATE t.", "TRUNCATE `t", "TRUNCATE a.b.c", "START REPLICA",
         "RELEASE x", "/* never ends", "SET STATEMENT x", "/*!40000 ALTER TABLE `t` DISABLE KEYS */", "--x\nBEGIN");
    KIND(CREATE_SELECT, "CREATE TABLE t SELECT 1",
         "create or replace table if not exists d.t (i int primary key) as select i from s",
         "CREATE TABLE t AS WITH x AS (SELECT 1) SELECT * FROM x", "CREATE TABLE t TABLE s",
         "CREATE TABLE t VALUES ROW(1)", "CREATE TABLE t (i INT) VALUES (1)", "CREATE TABLE t (SELECT 1)",
         "SET STATEMENT a=1 FOR CREATE TABLE t IGNORE SELECT 1", "CREATE TABLE t AUTO_INCREMENT=1. SELECT 1",
         "CREATE TABLE t AUTO_INCREMENT=1.SELECT 1", "CREATE TABLE d.table SELECT d.values FROM d.select",
         "CREATE TABLE t (i INT REFERENCES d.table (i)) SELECT 1");
    KIND(DML, "INSERT INTO t VALUES (1)", "update t set a = 1", "/* TRUNCATE t */ DELETE FROM t",
         "REPLACE t VALUES (1)", "LOAD DATA INFILE 'x' INTO TABLE t", "CALL p()", "DO f()", "SELECT f()",
         "WITH x AS (SELECT 1) DELETE FROM t", "/*!50001 INSERT */ INTO t VALUES (1)", "(SELECT f())",
         "ANALYZE UPDATE t SET a = 1", "ANALYZE FORMAT=JSON DELETE FROM t",
         "SET STATEMENT a=1, b='for' FOR INSERT INTO t VALUES (1)",
         "SET STATEMENT a=(SELECT 1 FOR UPDATE) FOR SET STATEMENT b=1 FOR DELETE FROM t", "insert`t`values(1)");
}

static void check_truncate(const char *sql, const char *db, const char *table)
{
    parse_statement(sql);
    check(statement.kind == MY_STATEMENT_TRUNCATE, sql);
    check_text("its database", text_of(&statement.db), db);
    check_text("its table", text_of(&statement.table), table);
}

/* Where a string ends depends on the session. */
static void test_sql_mode(void)
{
    static const char *const with_query = "CREATE TABLE t (c CHAR DEFAULT '\\') SELECT 'x' c";
    static const char *const without = "CREATE TABLE t (c CHAR DEFAULT '\\', d CHAR(8) DEFAULT ' SELECT ')";
    parse_with_mode(MY_SQL_MODE_NO_BACKSLASH_ESCAPES, with_query);
    check(statement.kind == MY_STATEMENT_CREATE_SELECT, with_query);
    parse_with_mode(MY_SQL_MODE_NO_BACKSLASH_ESCAPES, without);
    check(statement.kind == MY_STATEMENT_DDL, without);
}

static void test_truncate(void)
{
    check_truncate("TRUNCATE t", "", "t");
    check_truncate("truncate TABLE shop.t;", "shop", "t");
    check_truncate("TRUNCATE TABLE `t`", "", "t");
    check_truncate(" /* a */ TRUNCATE -- b\n TABLE # c\n `a b` . /*d*/ `t``x` /* e */", "a b", "t`x");
    check_truncate("TRUNCATE/*!50000 TABLE*/`a`.`b`", "a", "b");
    check_truncate("/*!50000 TRUNCATE t */", "", "t");
    check_truncate("TRUNCATE \"a\".\"b\"\"c\"", "a", "b\"c");
    check_truncate("TRUNCATE `table`", "", "table");
    check_truncate("TRUNCATE TABLE db.1t", "db", "1t");
    check_truncate("TRUNCATE TABLE .t", "", "t"); /* MariaDB */
    check_truncate("TRUNCATE . `t`", "", "t");
    check_truncate("TRUNCATE t WAIT 5", "", "t");
    check_truncate("TRUNCATE t DROP STORAGE", "", "t");
    check_truncate("TRUNCATE \xc3\xa4$_.t", "\xc3\xa4$_", "t");
    check_truncate("SET STATEMENT max_statement_time=1 FOR TRUNCATE t", "", "t");
    parse_with_mode(MY_SQL_MODE_ANSI_QUOTES, "TRUNCATE TABLE \"a\\\"");
    check(statement.kind == MY_STATEMENT_TRUNCATE, "a name that ends in a backslash");
    check_text("its name", cdc_span(statement.table.data, statement.table.len), "a\\");
    parse_statement("DROP TABLE t");
    check(statement.db.len == 0 && statement.table.len == 0, "nothing is left of the one before");
}

static void check_xid(const char *sql, const char *xid)
{
    parse_statement(sql);
    check_text(sql, statement.xid, xid);
}

static void test_xid(void)
{
    check_xid("XA START X'6162',X'',1", "X'6162',X'',1");
    check_xid("XA COMMIT  X'6162',X'',1  ONE PHASE", "X'6162',X'',1");
    check_xid("XA END 'a' SUSPEND", "'a'");
    check_xid("XA START 'a\\'b', \"c''\" , 7 /* x */ JOIN", "'a\\'b', \"c''\" , 7");
    check_xid("/* 'x' */ xa prepare 0x61 ;", "0x61");
    check_xid("XA END", "");
    check_xid("BEGIN", "");
}

static bool named(const char *sql, const char *name)
{
    start();
    put_text(sql);
    struct cdc_bytes cursor = whole();
    return my_statement_names(cdc_span((const char *)cursor.p, cdc_bytes_left(&cursor)), cdc_span_text(name));
}

static void test_names(void)
{
    static const char *const yes[] = {"t1",
                                      "ALTER TABLE t1 ADD x INT",
                                      "alter table T1",
                                      "DROP TABLE a,t1,b",
                                      "DROP TABLE shop.t1",
                                      "RENAME TABLE`t1`TO x",
                                      "ALTER TABLE \"t1\"",
                                      "/*!50000 DROP TABLE t1*/",
                                      "/*M!50000t1*/",
                                      "x /* ' */ t1 /* ' */",
                                      "a-- b\nt1",
                                      "x # don't\nt1",
                                      "a--t1",
                                      "'it''s' t1",
                                      "a*/* don't */t1/* don't */",
                                      "/*!1 /* x */ t1 */",
                                      "t1-1",
                                      "(t1)",
                                      "x 'a\\' t1",
                                      "/*!50100t1*/ 'a\\'",
                                      "ALTER TABLE `t1` COMMENT 'C:\\'",
                                      "\xe4`t1`",
                                      "/*!501001t1*/",
                                      "unended 't1",
                                      "unended /* t1"};
    static const char *const no[] = {"",
                                     "ALTER TABLE t2",
                                     "ALTER TABLE t11",
                                     "ALTER TABLE at1",
                                     "x 't1'",
                                     "x -- t1",
                                     "x # t1\n",
                                     "x /* t1 */",
                                     "`t1``x`",
                                     "`t 1`",
                                     "CREATE TABLE t1_log (c int comment 'it\\'s')",
                                     "CREATE TABLE at1 (c int comment 'C:\\')",
                                     "t1$",
                                     "t1\xc3\xa4",
                                     "'a''t1'",
                                     "/* ' */ x /* t1 */"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        check(named(yes[i], "t1"), yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        check(!named(no[i], "t1"), no[i]);
    check(named("DROP TABLE `a``b`", "a`b") && !named("DROP TABLE `a``c`", "a`b"), "a backtick in the name");
    check(named("DROP TABLE \xe4", "\xc3\xa4") && !named("DROP TABLE a", "\xc3\xa4"), "a name in another charset");
    check(!named("DROP TABLE t", ""), "no name");
}

static void test_keeps_columns(void)
{
    static const char *const yes[] = {
        "ANALYZE TABLE t",
        "OPTIMIZE LOCAL TABLE t",
        "REPAIR TABLE t",
        "FLUSH TABLES t",
        "GRANT ALL ON d.t TO x",
        "REVOKE ALL ON d.t FROM x",
        "SET PASSWORD FOR x = 'y'",
        "CREATE USER t",
        "RENAME USER t TO u",
        "DROP VIEW t",
        "CREATE OR REPLACE VIEW v AS SELECT * FROM t",
        "CREATE DATABASE t",
        "ALTER DATABASE t CHARACTER SET latin1",
        "CREATE DEFINER=`x`@`y` TRIGGER i BEFORE INSERT ON t FOR EACH ROW ALTER TABLE t ADD c INT",
        "SET STATEMENT max_statement_time=1 FOR ANALYZE TABLE t",
        "CREATE INDEX i ON t (a)",
        "alter table t force",
        "ALTER TABLE t ENGINE=InnoDB, ROW_FORMAT = DYNAMIC COMMENT 'a, ADD c INT'",
        "/* x */ ALTER TABLE d.t ADD INDEX (a, b)",
        "ALTER TABLE t ADD FULLTEXT KEY f (a), ADD CONSTRAINT x FOREIGN KEY (a) REFERENCES u (a)",
        "ALTER TABLE t ALTER a SET DEFAULT 5, ALTER COLUMN `b` DROP DEFAULT, RENAME INDEX i TO j, AUTO_INCREMENT = 7",
        "ALTER TABLE t DROP FOREIGN KEY x, LOCK=NONE, ALGORITHM=INPLACE",
        "ALTER TABLE t DROP PARTITION p, q",
        "ALTER TABLE t ADD PARTITION (PARTITION p VALUES LESS THAN (5))",
        "ALTER TABLE t REMOVE PARTITIONING",
        "ALTER TABLE t PARTITION BY HASH (id) PARTITIONS 4",
        "ALTER TABLE t EXCHANGE PARTITION p WITH TABLE u",
        "ALTER TABLE t REORGANIZE PARTITION p, q INTO (PARTITION r VALUES LESS THAN (9))",
        "ALTER ONLINE TABLE t WAIT 5 FORCE"};
    static const char *const no[] = {"ALTER TABLE t ADD c INT",
                                     "ALTER TABLE t ADD COLUMN `index` INT",
                                     "ALTER TABLE t ADD (c INT)",
                                     "CREATE TABLE t (a INT)",
                                     "ALTER TABLE t FORCE, ADD c INT",
                                     "ALTER TABLE t ENGINE=InnoDB,DROP c",
                                     "ALTER TABLE t ADD UNIQUE (a)",
                                     "DROP TABLE t",
                                     "ALTER TABLE t ADD CONSTRAINT UNIQUE (a)",
                                     "ALTER TABLE t ADD CONSTRAINT x PRIMARY KEY (a)",
                                     "ALTER TABLE t DROP INDEX i",
                                     "ALTER TABLE t DROP PRIMARY KEY",
                                     "ALTER TABLE t ADD CHECK (json_valid(a))",
                                     "ALTER TABLE t DROP CONSTRAINT c",
                                     "ALTER TABLE t RENAME COLUMN a TO b",
                                     "ALTER TABLE t RENAME TO u",
                                     "ALTER TABLE t RENAME u",
                                     "RENAME TABLE t TO u",
                                     "ALTER TABLE t ALTER a SET INVISIBLE",
                                     "ALTER TABLE t MODIFY a INT",
                                     "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4",
                                     "ALTER TABLE t CONVERT PARTITION p TO TABLE u",
                                     "ALTER TABLE t ADD SYSTEM VERSIONING",
                                     "ALTER TABLE t ENGINE=InnoDB WITH SYSTEM VERSIONING",
                                     "DROP DATABASE d",
                                     "DROP INDEX i ON t",
                                     "CREATE UNIQUE INDEX i ON t (a)",
                                     "CREATE OR REPLACE DATABASE d",
                                     "CREATE SEQUENCE s",
                                     "CREATE TEMPORARY TABLE t (a INT)",
                                     "ALTER TABLE t ENGINE=InnoDB /*!50000 , ADD c INT */",
                                     "ALTER TABLE t FORCE /*M! , ADD c INT */",
                                     "",
                                     "ALTER TABLE t COMMENT 'it\\', ADD c INT, COMMENT 'x'",
                                     "ALTER TABLE t COMMENT 'it\\', ADD c INT -- '",
                                     "ALTER TABLE t COMMENT 'it\\', ADD c INT # '",
                                     "ALTER TABLE t COMMENT 'not ended, FORCE",
                                     "-- t",
                                     "CREATE OR REPLACE TABLE t (a INT)",
                                     "ALTER TABLE t ADD PERIOD FOR SYSTEM_TIME (a, b)",
                                     "ALTER SEQUENCE s RESTART"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        check(my_statement_keeps_columns(cdc_span_text(yes[i])), yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        check(!my_statement_keeps_columns(cdc_span_text(no[i])), no[i]);
}

static void test_secrets(void)
{
    static const char *const yes[] = {
        "CREATE DEFINER=`root`@`localhost` EVENT e ON SCHEDULE EVERY 1 DAY DO SET PASSWORD FOR u = PASSWORD('x')",
        "create procedure p() begin create user u identified by 'x'; end",
        "CREATE TABLE t (i INT) ENGINE=FEDERATED CONNECTION='mysql://u:x@h/d/t'",
        "ALTER TABLE t connection \"mysql://u:x@h/d/t\"", "CREATE USER u IDENTIFIED BY 'x'"};
    static const char *const no[] = {
        "CREATE TABLE t (password TEXT, connection INT)", "ALTER TABLE user ADD identified INT",
        "CREATE TRIGGER a AFTER INSERT ON t FOR EACH ROW SET @a = 1", "CREATE TABLE t (i INT COMMENT 'connection')"};
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
        check(my_statement_is_of_accounts(cdc_span_text(yes[i])), yes[i]);
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        check(!my_statement_is_of_accounts(cdc_span_text(no[i])), no[i]);
}

/* -- what DDL does to rows: "drop t", "rows d.t", ... -- */

static int note_effect(void *context, const struct my_effect *effect, struct cdc_error *error)
{
    static const char *const kinds[] = {"empties", "rows",     "values",     "keys",    "checks",
                                        "adds",    "drops",    "changes",    "created", "made",
                                        "dropped", "database", "unreadable", "cascades"};
    struct cdc_buf *out = context;
    (void)error;
    cdc_buf_text(out, out->len ? ", " : "");
    cdc_buf_text(out, kinds[effect->kind]);
    cdc_buf_text(out, effect->db.n || effect->table.n ? " " : "");
    cdc_buf_span(out, effect->db);
    cdc_buf_text(out, effect->db.n && effect->table.n ? "." : "");
    cdc_buf_span(out, effect->table);
    cdc_buf_text(out, effect->column.n ? "." : "");
    cdc_buf_span(out, effect->column);
    return 0;
}

static void check_effect(uint64_t sql_mode, const char *sql, const char *effects)
{
    static struct cdc_buf out;
    const struct my_event_query query = {.sql = cdc_span_text(sql), .db = cdc_span_text("d"), .sql_mode = sql_mode};
    out.len = 0;
    check(my_effects_of(&query, note_effect, &out, NULL) == 0, sql);
    check_text(sql, cdc_span(out.data, out.len), effects);
    cdc_buf_free(&out);
}

static void test_effects(void)
{
    static const char *const pairs[][2] = {
        {"ALTER TABLE t TRUNCATE PARTITION p, q", "rows t"},
        {"ALTER TABLE t TRUNCATE PARTITION ALL", "empties t"},
        {"alter online ignore table if exists `d` . `t``x` wait 5 drop partition if exists p",
         "rows d.t`x, rows d.t`x"},
        {"ALTER TABLE t ALGORITHM=INPLACE, LOCK=NONE, DROP PARTITION p", "rows t"},
        {"ALTER TABLE t EXCHANGE PARTITION `p` WITH TABLE e.x WITHOUT VALIDATION", "rows t, rows e.x"},
        {"ALTER TABLE t CONVERT PARTITION p TO TABLE x", "rows t, rows x"},
        {"ALTER TABLE t CONVERT TABLE x TO PARTITION p VALUES LESS THAN (9)", "rows t, rows x"},
        {"ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4", "values t"},
        {"ALTER TABLE t DISCARD TABLESPACE", "rows t"},
        {"ALTER TABLE t IMPORT PARTITION p TABLESPACE", "rows t"},
        {"ALTER TABLE t ENGINE=InnoDB", ""},
        {"ALTER TABLE t COMMENT='x' ENGINE 'BlackHole'", "empties t"},
        {"ALTER TABLE t CHANGE engine blackhole INT, DROP COLUMN engine",
         "drops t.engine, values t, changes t.engine, drops t.engine"},
        {"ALTER TABLE t ENGINE=Federated", "rows t"},
        {"ALTER TABLE t RENAME u", "empties t, rows u"},
        {"ALTER TABLE t ADD i INT, RENAME TO d.u", "adds t.i, empties t, rows d.u"},
        {"ALTER TABLE t RENAME = u", "empties t, rows u"},
        {"ALTER TABLE t RENAME TO t", ""},
        {"ALTER TABLE d.t RENAME TO t", ""},
        {"ALTER TABLE e.t RENAME TO t", "empties e.t, rows t"},
        {"ALTER TABLE .t RENAME .u", "empties t, rows u"},
        {"ALTER TABLE t RENAME COLUMN a TO b, RENAME INDEX a TO b, RENAME KEY c TO d", "drops t.a, values t"},
        {"ALTER TABLE t ADD PARTITION (PARTITION p VALUES LESS THAN (9)), ADD INDEX (a), DROP COLUMN b", "drops t.b"},
        {"ALTER TABLE t DROP `partition`, COALESCE PARTITION 2", "drops t.partition"},
        {"ALTER TABLE t REORGANIZE PARTITION p INTO (PARTITION q VALUES LESS THAN (3))", ""},
        {"ALTER TABLE t ADD c INT, ADD d INT DEFAULT NULL COMMENT 'not null, default 1'", "adds t.c, adds t.d"},
        {"ALTER TABLE t ADD (c INT, d INT NOT NULL)", "adds t.c, values t"},
        {"ALTER TABLE t ADD COLUMN c INT DEFAULT 7, ADD d INT AUTO_INCREMENT", "values t, values t"},
        {"ALTER TABLE t ADD c TIMESTAMP, ADD d TIMESTAMP NULL, ADD e TIMESTAMP NOT NULL",
         "values t, adds t.d, values t"},
        {"ALTER TABLE t ADD c INT GENERATED ALWAYS AS (a + 1) STORED, ADD d SERIAL", "values t, values t"},
        {"ALTER TABLE t ADD c INT CHECK (c IS NOT NULL) FIRST, ADD COLUMN IF NOT EXISTS `d``e` INT AFTER c",
         "adds t.c, adds t.d`e, checks t"},
        {"ALTER TABLE t ADD id INT PRIMARY KEY, ADD c INT UNIQUE KEY, ADD PRIMARY KEY (a)",
         "values t, adds t.c, values t"},
        {"ALTER TABLE t ADD CONSTRAINT x UNIQUE (a), ADD CONSTRAINT FOREIGN KEY (a) REFERENCES u (a), ADD CHECK (a > "
         "0)",
         "keys t, checks t"},
        {"ALTER TABLE t ADD (c INT, UNIQUE KEY (c), d INT)", "adds t.c, keys t, adds t.d"},
        {"ALTER TABLE t DROP PRIMARY KEY, DROP INDEX a, DROP FOREIGN KEY b, DROP CONSTRAINT c",
         "values t, keys t, keys t, checks t"},
        {"ALTER TABLE t ADD (c INT, CONSTRAINT x CHECK (json_valid(a))), ADD KEY (c)", "adds t.c, checks t"},
        {"ALTER TABLE t MODIFY c LONGTEXT CHECK (json_valid(c)), RENAME u", "changes t.c, empties t, rows u, checks t"},
        {"ALTER TABLE t ADD `check` INT COMMENT 'check', DROP COLUMN `constraint`", "adds t.check, drops t.constraint"},
        {"ALTER TABLE t DROP c, ADD c INT", "drops t.c, adds t.c"},
        {"ALTER TABLE t ALTER c SET DEFAULT 1, ALTER INDEX i INVISIBLE, AUTO_INCREMENT 9, ORDER BY a", ""},
        {"CREATE UNIQUE INDEX i ON d.t (a)", "keys d.t"},
        {"CREATE INDEX i ON t (a)", ""},
        {"CREATE OR REPLACE INDEX i ON t (a)", "keys t"},
        {"DROP INDEX `PRIMARY` ON t", "keys t"},
        {"ALTER TABLE t MODIFY c INT", "changes t.c"},
        {"ALTER TABLE t MODIFY COLUMN IF EXISTS c INT PRIMARY KEY, MODIFY d INT UNIQUE",
         "values t, keys t, changes t.d"},
        {"ALTER TABLE t ADD c INT, ALTER c SET DEFAULT 5", "adds t.c, values t"},
        {"ALTER TABLE t ALTER COLUMN IF EXISTS c SET DEFAULT (5), ADD (c INT)", "adds t.c, values t"},
        {"ALTER TABLE t ALTER c SET DEFAULT 5, ADD INDEX (c)", ""},
        {"ALTER TABLE t ADD c INT, ALTER d DROP DEFAULT, ALTER INDEX i INVISIBLE", "adds t.c"},
        {"ALTER TABLE t CHANGE c c BIGINT", "changes t.c"},
        {"ALTER TABLE t CHANGE c C BIGINT", "drops t.c, values t, changes t.c"},
        {"ALTER TABLE t CHANGE c d INT, RENAME u", "drops t.c, values t, changes t.c, empties t, rows u"},
        {"DROP TABLE t", "empties t"},
        {"DROP TABLES IF EXISTS `d`.`t`,u /* generated by server */", "empties d.t, empties u"},
        {"DROP /*!40005 TEMPORARY */ TABLE IF EXISTS `t`,d.`u`", "dropped t, dropped d.u"},
        {"DROP TEMPORARY SEQUENCE t", ""},
        {"CREATE TEMPORARY TABLE IF NOT EXISTS d.t LIKE u", "made d.t"},
        {"DROP VIEW t", ""},
        {"DROP DATABASE IF EXISTS `d`", "database d"},
        {"CREATE OR REPLACE SCHEMA `d` COMMENT 'x'", "database d"},
        {"CREATE DATABASE IF NOT EXISTS d", ""},
        {"DROP SCHEMA d", "database d"},
        {"RENAME TABLE a TO t, b TO a, t TO d.b", "empties a, rows t, empties b, rows a, empties t, rows d.b"},
        {"RENAME TABLES IF EXISTS a NOWAIT TO b", "empties a, rows b"},
        {"RENAME USER a TO b", ""},
        {"SET STATEMENT x=1 FOR RENAME TABLE a TO b", "empties a, rows b"},
        {"CREATE OR REPLACE TABLE t (i INT)", "empties t, created t"},
        {"CREATE TABLE d.`_t_new` LIKE d.t", "created d._t_new"},
        {"CREATE TABLE IF NOT EXISTS t LIKE u", ""},
        {"CREATE OR REPLACE SEQUENCE d.t START 5", "empties d.t, created d.t"},
        {"CREATE OR REPLACE VIEW t AS SELECT 1", ""},
        {"CREATE OR REPLACE TEMPORARY TABLE t (i INT)", "made t"},
        {"CREATE TEMPORARY SEQUENCE t", ""},
        {"TRUNCATE TABLE t", ""},
        {"TRUNCATE 't'", "unreadable"},
        {"TRUNCATE TABLE t (a)", "unreadable"},
        {"CREATE TABLE IF NOT EXISTS t (i INT)", ""},
        {"CREATE TABLE IF NOT EXISTS d.t (i INT REFERENCES p (i) ON UPDATE RESTRICT ON DELETE CASCADE)",
         "cascades d.t"},
        {"CREATE TABLE t (a TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, FOREIGN KEY (b) REFERENCES p (b) ON DELETE NO "
         "ACTION)",
         "created t"},
        {"CREATE OR REPLACE TABLE t (i INT, FOREIGN KEY (i) REFERENCES p (i) ON DELETE SET NULL)",
         "empties t, created t, cascades t"},
        {"CREATE TABLE 't' (i INT REFERENCES p (i) ON DELETE CASCADE)", ""},
        {"RENAME TABLE 'a' TO b", "unreadable"},
        {"ALTER TABLE t ADD c CHAR DEFAULT '\\', RENAME TO u -- '", "values t"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        check_effect(0, pairs[i][0], pairs[i][1]);
    check_effect(MY_SQL_MODE_NO_BACKSLASH_ESCAPES, "ALTER TABLE t ADD c CHAR DEFAULT '\\', RENAME TO u -- '",
                 "values t, empties t, rows u");
    check_effect(MY_SQL_MODE_ANSI_QUOTES, "DROP TABLE \"a\\\", \"b\"", "empties a\\, empties b");
}

/* -- columns that have another definition -- */

static void test_retype(void)
{
    static const struct {
        const char *type, *definition;
        bool nullable, keeps, keeps_strict;
    } cases[] = {
        {"int", "INT", true, true, true},
        {"int(11)", "BIGINT COMMENT 'x'", true, true, true},
        {"int(11) unsigned", "int unsigned not null", false, true, true},
        {"int(11)", "int not null", true, false, true},
        {"int", "SMALLINT", true, false, true},
        {"int", "INT UNSIGNED", true, false, true},
        {"int", "INT ZEROFILL", true, false, false},
        {"int", "INT NOT NULL AUTO_INCREMENT", false, false, false},
        {"int", "INT GENERATED ALWAYS AS (a) STORED", true, false, false},
        {"int", "VARCHAR(20)", true, false, false},
        {"varchar(20)", "VARCHAR(20)", true, false, true},
        {"varchar(20)", "varchar(50) CHARACTER SET latin1 DEFAULT 'x'", true, false, true},
        {"varchar(20)", "varchar(50) CHARACTER SET binary", true, false, false},
        {"varchar(20)", "varchar(50) CHARSET 'Binary'", true, false, false},
        {"varchar(20)", "varchar(50) CHARSET \"binary\"", true, false, false},
        {"varchar(20)", "varchar(50) CHARACTER SET `binary`", true, false, false},
        {"text", "mediumtext COLLATE 'binary'", true, false, false},
        {"enum('a')", "enum('a') CHARSET 'binary'", true, false, false},
        {"varchar(20)", "varchar(50) CHARACTER SET 'latin1' DEFAULT 'binary'", true, false, true},
        {"varchar(20)", "VARCHAR(10)", true, false, false},
        {"varchar(20)", "CHAR(20)", true, false, false},
        {"varchar(20)", "TINYTEXT", true, false, true},
        {"varchar(200)", "TINYTEXT", true, false, false},
        {"text", "MEDIUMTEXT", true, false, true},
        {"mediumtext", "TEXT", true, false, false},
        {"text", "TEXT(9)", true, false, false},
        {"varbinary(9)", "VARBINARY(10)", true, true, true},
        {"varbinary(9)", "VARBINARY(8)", true, false, false},
        {"varbinary(200)", "BLOB", true, true, true},
        {"binary(4)", "BINARY(5)", true, false, false},
        {"decimal(9,2)", "DECIMAL(12,2)", true, true, true},
        {"decimal(9,2)", "NUMERIC(12,3)", true, false, false},
        {"decimal(10,0)", "DEC", true, true, true},
        {"enum('a','b')", "ENUM('a', 'b', 'c')", true, false, true},
        {"enum('a','b')", "ENUM('b', 'a')", true, false, false},
        {"set('a')", "ENUM('a')", true, false, false},
        {"datetime(3)", "DATETIME(3)", true, true, true},
        {"datetime", "DATETIME(3)", true, false, false},
        {"timestamp", "TIMESTAMP", true, false, false},
        {"timestamp", "TIMESTAMP NULL", true, true, true},
        {"float", "DOUBLE", true, false, false},
        {"double", "DOUBLE PRECISION", true, false, false},
        {"float", "FLOAT UNSIGNED", true, false, true},
        {"double unsigned", "DOUBLE UNSIGNED", true, true, true},
        {"json", "JSON", true, true, true},
        {"bit(3)", "BIT(4)", true, false, false},
        {"type 77", "type 77", true, false, false},
        {"", "", true, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct my_event_query query = {.sql = cdc_span_text(cases[i].definition)};
        bool keeps = my_retype_keeps_values(cases[i].type, cases[i].nullable, &query, query.sql);
        query.sql_mode = UINT64_C(1) << 21;
        bool keeps_strict = my_retype_keeps_values(cases[i].type, cases[i].nullable, &query, query.sql);
        if (keeps != cases[i].keeps || keeps_strict != cases[i].keeps_strict)
            printf("# %s to %s: %d, %d\n", cases[i].type, cases[i].definition, keeps, keeps_strict);
        check(keeps == cases[i].keeps && keeps_strict == cases[i].keeps_strict, cases[i].definition);
    }
}

static void test_changes_null(void)
{
    static const struct {
        const char *definition;
        bool nullable, changes;
    } cases[] = {
        {"INT NOT NULL", true, true},
        {"INT NOT NULL COMMENT 'null'", false, false},
        {"INT", false, true},
        {"INT DEFAULT NULL", true, false},
        {"INT NULL DEFAULT 5", false, true},
        {"INT CHECK (c IS NOT NULL)", true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct my_event_query query = {.sql = cdc_span_text(cases[i].definition)};
        check(my_retype_changes_null(cases[i].nullable, &query, query.sql) == cases[i].changes, cases[i].definition);
    }
}

static void test_default_charset(void)
{
    static const struct {
        const char *definition;
        bool takes;
    } cases[] = {
        {"VARCHAR(20)", true},
        {"char(20) not null default 'charset'", true},
        {"MEDIUMTEXT COMMENT 'character set utf8'", true},
        {"enum('a', 'collate b')", true},
        {"set('a') after b", true},
        {"varchar(20) character set utf8mb4", false},
        {"varchar(20) default 'x' collate latin1_bin", false},
        {"enum('a') charset `utf8mb4`", false},
        {"VARBINARY(20)", false},
        {"int", false},
        {"json", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct my_event_query query = {.sql = cdc_span_text(cases[i].definition)};
        check(my_retype_takes_default_charset(&query, query.sql) == cases[i].takes, cases[i].definition);
    }
}

int main(void)
{
    test_retype();
    test_changes_null();
    test_default_charset();
    test_statements();
    test_secrets();
    test_sql_mode();
    test_truncate();
    test_effects();
    test_xid();
    test_names();
    test_keeps_columns();
    my_statement_free(&statement);
    return finish();
}
