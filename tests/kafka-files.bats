#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The same lines through files (cdc-log) and through Kafka end byte for byte equal: types, big values, deletes, truncates, changes of the
# tables, from real servers.
# takes: 60 s
# shellcheck disable=SC2030,SC2031,SC2034,SC2154
bats_require_minimum_version 1.8.0
load lib/common
load lib/postgres
load lib/mysql
load lib/mysql-helpers
load lib/kafka

setup_file() { kafka_begin message.max.bytes=33554432 replica.fetch.max.bytes=33554432; }
teardown_file() { kafka_end; }
setup() { DIR=$BATS_TEST_TMPDIR; }
teardown() {
    [ -z "${CDC_PG_DIR:-}" ] || drop_database
    mysql_end
}

# same WANT GOT: byte for byte; says which lines are not.
same() { cmp "$1" "$2" || { diff <(cut -c1-500 "$1") <(cut -c1-500 "$2") | head -40; return 1; }; }
# through_both NAME: the lines of $DIR/lines through a log of files, through the log layout, through one into the other, and through the
# topics of tables, each of which begins where the lines do.
through_both() {
    local log=$1-log again=$1-again
    t cdc-log append --segment-bytes 1M "$DIR/log" <"$DIR/lines"
    t cdc-log read "$DIR/log" >"$DIR/files"
    same "$DIR/lines" "$DIR/files"
    t cdc-sink-kafka -q --topic "$log" --offset-file "$DIR/log.offset" "kafka://$KAFKA" <"$DIR/lines"
    t kafka-cdc -q --until now "kafka://$KAFKA/$log" >"$DIR/kafka"
    same "$DIR/files" "$DIR/kafka"
    # Each out of the other.
    t cdc-log read "$DIR/log" | t cdc-sink-kafka -q --topic "$again" --offset-file "$DIR/again.offset" "kafka://$KAFKA"
    t kafka-cdc -q --until now "kafka://$KAFKA/$again" | t cdc-log append --segment-bytes 1M "$DIR/log2"
    t cdc-log read "$DIR/log2" | cmp - "$DIR/files"
    # By a program that is neither's.
    kafka_values "$again" | cmp - "$DIR/files"
    # Table by table, and put together again.
    t cdc-sink-kafka -q --name "$1" --create-topics 3 --unkeyed row --lines schema,t,m,ddl --offset-file "$DIR/tables.offset" "kafka://$KAFKA" <"$DIR/lines"
    t kafka-cdc -q --order source --until now --transaction-topic "$1.transaction" "kafka://$KAFKA/^$1(\\.[^.]+\\.[^.]+|\\.message)?\$" >"$DIR/tables"
    same "$DIR/files" "$DIR/tables"
}
# kinds: which lines there are, for what is compared to be worth it.
kinds() { jq -r .op "$DIR/lines" | sort | uniq -c | awk '{print $2}' | paste -sd' '; }
longest() { wc -L <"$DIR/lines"; }

@test "PostgreSQL: a log of files, a topic of lines, and the topics of tables in --order=source give the very same lines" {
    create_database
    sql "create table a (id bigint, part text, n numeric, big bigint, f float8, t text, d timestamptz, j jsonb, b bytea, ok bool, e text[], r int4range, iv interval, primary key (id, part));
         create table b (id int primary key, wide text); alter table b alter wide set storage external;
         create table full_row (id int primary key, v text); alter table full_row replica identity full;
         create table no_key (v text, w int); alter table no_key replica identity full"
    t pg-cdc -q --name files --until now --offset-file "$DIR/own" "$URL" >/dev/null
    sql "insert into a select g, 'p ' || g, g / 7.0, 9223372036854775807 - g, 1e300 / g, E'tab\\t \"quote\" \\\\ Zoë 日本 🦀 ' || g, '2026-02-28 23:59:59.999999+00', jsonb_build_object('k', array[g, null], 'x', E'\\n'), decode(md5(g::text), 'hex'), g % 2 = 0, array['a', null, '{\"'], int4range(1, g + 1), '1 mon 2 days' from generate_series(1, 100) g"
    sql "insert into a values (-9223372036854775808, '', 'NaN', null, '-Infinity', '', 'infinity', 'null', '', null, '{}', 'empty', null), (0, 'x', 1e-20, 0, 5e-324, repeat('é', 100000), '1969-12-31', '{}', '\\x00ff', true, null, null, '-1 sec')"
    # Bigger than a segment of the log, and than Kafka's own limit of a record.
    sql "insert into b select g, (select string_agg(md5(g::text || i), '') from generate_series(1, case g when 1 then 100000 else 3000 end) i) from generate_series(1, 5) g"
    sql "begin; update b set id = id + 100 where id > 2; update a set t = null where id % 3 = 0; delete from a where id % 5 = 0; update a set part = part || '!' where id % 7 = 0; commit"
    sql "insert into full_row select g, 'v' || g from generate_series(1, 50) g; update full_row set v = v || '+', id = id + 1000 where id % 2 = 0; delete from full_row where id % 3 = 0"
    sql "insert into no_key values ('x', 1), ('x', 1), (null, null); update no_key set w = 2 where v = 'x'; delete from no_key where v is null"
    sql "select pg_logical_emit_message(true, 'mail', 'in a transaction'), pg_logical_emit_message(false, 'mail', 'in none')"
    sql "alter table full_row add w numeric(10, 2) default 1.50; insert into full_row values (2000, 'new', 3); alter table full_row rename v to value; alter table full_row alter id type bigint; insert into full_row values (9007199254740993, 'x', 0)"
    sql "begin; truncate a, b; insert into b values (1, 'after'); commit; truncate full_row; drop table no_key; create table late (id uuid primary key, at date); insert into late values ('00000000-0000-0000-0000-00000000000a', '2026-11-28')"
    t pg-cdc -q --name files --until now --heartbeat 0 --offset-file "$DIR/own" --ack stdout "$URL" >"$DIR/lines"
    is "kinds of lines" "c commit d m schema t u" "$(kinds)"
    [ "$(longest)" -gt 3000000 ]
    through_both files
}

@test "MariaDB or MySQL: a log of files, a topic of lines, and the topics of tables in --order=source give the very same lines" {
    mysql_available || skip "no $CDC_MYSQL_FLAVOR here"
    mysql_start --max-allowed-packet=64M
    mysql_test_setup
    begin
    msql <"$LIB/mysql-types.sql"
    msql "create table wide (id int primary key, v longtext); insert into wide select n, repeat(md5(n), if(n = 1, 100000, 3000)) from $(numbers 1 5);
          update wide set id = id + 100 where id > 2; update texts set h = 1; update ints set id = id + 10; delete from bits where id = 2; delete from bins; update docs set h = 1"
    read_all
    cp "$DIR/out" "$DIR/lines"
    msql "alter table wide add w decimal(10, 2) default 1.50; insert into wide (id, w) values (200, 3); update wide set w = 7;
          begin; update times set h = h + 1; delete from floats where id < 3; update comp set b = concat(b, 'y'); commit;
          truncate labels; insert into labels (id, e) values (1, 'A'); drop table geo; create table late (id bigint unsigned primary key); insert into late values (18446744073709551615)"
    read_all
    cat "$DIR/out" >>"$DIR/lines"
    [[ " $(kinds) " == *" c commit d "*" schema t u "* ]] || fail "$(kinds)"
    [ "$(longest)" -gt 3000000 ]
    through_both "$NAME"
}
