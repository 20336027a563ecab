-- SPDX-License-Identifier: MIT
-- What tests/workload-postgres puts into the database beside the tests: tables without a usable key get REPLICA IDENTITY FULL,
-- or the server would refuse their updates; and what DDL does to tables, which no log of rows tells, becomes logical messages.
create schema workload;

create function workload.say(what text, of oid, schema text, name text, root oid) returns void language sql as $$
    select pg_catalog.pg_logical_emit_message(true, 'workload', pg_catalog.json_build_object('what', what, 'oid', of::int8, 'schema', schema, 'table', name,
        'root', (select n.nspname || '.' || c.relname from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.oid = root))::text) $$;

-- A table and those that inherit from it, since ALTER TABLE goes down.
create function workload.tell(what text, of oid) returns void language sql as $$
    with recursive below(oid) as (select of union select i.inhrelid from pg_catalog.pg_inherits i join below b on i.inhparent = b.oid)
    select workload.say(what, c.oid, n.nspname, c.relname, case when c.relispartition then pg_catalog.pg_partition_root(c.oid) end)
    from below b join pg_catalog.pg_class c on c.oid = b.oid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and c.relpersistence = 'p' $$;

-- A primary key will do where it is checked at once, and where the partitioned table has it, too.
create function workload.has_key(of oid) returns bool language sql as $$
    select exists (select 1 from pg_catalog.pg_index where indrelid = of and indisprimary and indimmediate and indisvalid) $$;

create function workload.identify() returns void language plpgsql as $$
declare t record;
begin
    for t in select c.oid::regclass as name from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
             where c.relkind in ('r', 'p') and c.relpersistence = 'p' and c.oid >= 16384 and n.nspname !~ '^pg_' and c.relreplident <> 'f'
             and not (workload.has_key(c.oid) and c.relreplident = 'd' and (not c.relispartition or workload.has_key(pg_catalog.pg_partition_root(c.oid))))
             and not (c.relreplident = 'i' and not c.relispartition and exists (select 1 from pg_catalog.pg_index where indrelid = c.oid and indisreplident and indisvalid))
    loop
        begin
            execute pg_catalog.format('alter table only %s replica identity full', t.name);
        exception when others then null; -- the table is in use by this very statement; the next DDL tries again
        end;
    end loop;
end $$;

create function workload.ddl() returns event_trigger language plpgsql security definer set search_path = pg_catalog set lock_timeout = '100ms' as $$
declare c record;
begin
    for c in select * from pg_event_trigger_ddl_commands() where object_type in ('table', 'table column', 'schema', 'type', 'index') loop
        if c.object_type in ('table', 'table column') then
            perform workload.tell(case when c.command_tag = 'ALTER TABLE' then 'altered' else 'is' end, c.objid);
            perform workload.say('altered', r, null, null, r) from (select pg_partition_root(c.objid) as r) x where r <> c.objid and c.command_tag = 'ALTER TABLE';
        elsif c.object_type = 'schema' then
            perform workload.tell('altered', oid) from pg_class where relnamespace = c.objid and relkind in ('r', 'p');
        elsif c.object_type = 'type' and c.command_tag = 'ALTER TYPE' then
            perform workload.tell('altered', attrelid) from pg_attribute where atttypid = c.objid or atttypid in (select typarray from pg_type where oid = c.objid);
        end if;
    end loop;
    perform workload.identify();
exception when others then
    perform pg_logical_emit_message(true, 'workload', json_build_object('what', 'failed', 'why', sqlerrm)::text);
end $$;

create function workload.dropped() returns event_trigger language plpgsql security definer set search_path = pg_catalog set lock_timeout = '100ms' as $$
begin
    perform workload.say('drop', objid, schema_name, object_name, null) from pg_event_trigger_dropped_objects() where object_type = 'table' and not is_temporary;
    perform workload.identify();
exception when others then
    perform pg_logical_emit_message(true, 'workload', json_build_object('what', 'failed', 'why', sqlerrm)::text);
end $$;

create event trigger workload_ddl on ddl_command_end execute function workload.ddl();
create event trigger workload_dropped on sql_drop execute function workload.dropped();
grant usage on schema workload to public;

-- Tables as a publication for all tables shows them, and their rows.
create function workload.rows_of(of regclass, partitioned bool) returns int8 language plpgsql as $$
declare found int8;
begin
    execute pg_catalog.format('select count(*) from %s %s', case when partitioned then '' else 'only' end, of) into found;
    return found;
end $$;
create view workload.tables as
    select n.nspname || '.' || c.relname as name, c.oid::regclass as of, c.relkind = 'p' as partitioned
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence = 'p' and c.oid >= 16384 and n.nspname not in ('workload', 'information_schema');

-- All rows of a table go into the log once more, as they are.
create function workload.log_again(name text) returns void language plpgsql set session_replication_role = replica set row_security = off as $$
declare t record; r record; columns text;
begin
    select * into strict t from workload.tables v where v.name = log_again.name;
    for r in select conrelid::regclass as of, conname from pg_catalog.pg_constraint where confrelid = t.of and contype = 'f' and conparentid = 0 loop
        execute pg_catalog.format('alter table %s drop constraint %I', r.of, r.conname);
    end loop;
    for r in select rulename from pg_catalog.pg_rewrite where ev_class = t.of loop
        execute pg_catalog.format('drop rule %I on %s cascade', r.rulename, t.of);
    end loop;
    select pg_catalog.string_agg(pg_catalog.quote_ident(attname), ', ' order by attnum) into columns
        from pg_catalog.pg_attribute where attrelid = t.of and attnum > 0 and not attisdropped and attgenerated = '';
    execute pg_catalog.format('create temp table kept as select %s from %s %s', columns, case when t.partitioned then '' else 'only' end, t.of);
    execute pg_catalog.format('truncate %s %s', case when t.partitioned then '' else 'only' end, t.of);
    execute pg_catalog.format('insert into %s (%s) overriding system value select * from pg_temp.kept', t.of, columns);
    drop table pg_temp.kept;
end $$;
