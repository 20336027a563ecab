-- SPDX-License-Identifier: MIT
-- Every type of pg_type that a column can have, and the array of each, with values at the edges: a table t_TYPE (id, w, v) each.
-- types.create_tables() fails where a type has no value here. types.cast_back() makes the server's text of what a line has.
create schema types;
set search_path = types, public;

-- -- types of our own --

create type mood as enum ('plain', 'a b', 'c"d', 'e,f', '{}', 'NULL', 'back\slash', 'ü');
create domain positive as int check (value > 0);
create domain ints as int[];
create domain on_positive as positive;
create type text_range as range (subtype = text, collation = "C");
create type pair as (a int, "b c" text);
create domain pair_domain as pair;
create type nothing as ();
create type single as (only_one text);
create type base64_only as (base64 text);
create type deep as (n numeric, p pair, l pair[], d pair_domain, m mood, j json, r int4range, b bytea, t timestamptz, f double precision,
    i bigint, x int[], ok boolean, du interval);
create type deeper as ("Ä" deep, """q""" deep[]);
create type dropped as (gone int, a int, gone_too text, b text);
alter type dropped drop attribute gone, drop attribute gone_too, add attribute c date;
create domain moods as mood[];
create table row_type (id int, gone int, v text[]);
alter table row_type drop gone;
do $$ begin create extension hstore with schema public; end $$;
do $$ begin if exists (select from pg_available_extensions where name = 'vector') then create extension vector with schema public; end if; end $$;
do $$ begin if exists (select from pg_available_extensions where name = 'postgis') then create extension postgis with schema public; end if; end $$;
do $$ begin if exists (select from pg_available_extensions where name = 'citext') then create extension citext with schema public; end if; end $$;

-- -- values --

create table literals (type text, literal text);
create function add(type text, variadic literals text[]) returns void language sql as 'insert into types.literals select $1, unnest($2)';
create table texts (v text);
insert into texts values (''), (' '), ('NULL'), ('null'), ('"'), ('\'), ('a"b\c'), (E'\x01\x02\x08\x0b\x0c\t\n\r\x1f\x7f'), ('{}'), ('{a,"b"}'), ('(a,b)'),
    ('[1,2]'), (','), (';'), (' lead'), ('trail '), ('''quoted'''), ('ü€😀𝄞'), (E'\u2028\ufeff'), ('\N'), ('\\'), ('""'), (repeat('long ', 3000));
select add('text', variadic (select array_agg(v) from texts)), add('varchar', variadic (select array_agg(v) from texts)), add('bpchar', variadic (select array_agg(v) from texts)),
    add('refcursor', variadic (select array_agg(v) from texts)), add('citext', variadic (select array_agg(v) from texts)), add('name', variadic (select array_agg(v) from texts where length(v) < 60)),
    add('single', variadic (select array_agg(row(v)::single::text) from texts)), add('base64_only', '()', '(abc)', '(AAAA)'),
    add('hstore', variadic (select array_agg(hstore('k' || v, v)::text) from texts)),
    add('hstore', '', 'a=>1, b=>NULL, "NULL"=>"NULL"', '""=>""', 'base64=>AAAA', 'base64=>AAAA, a=>b', '"a.b"=>1, a=>2');
select add('bool', 't', 'f'), add('int2', '0', '-32768', '32767'), add('int4', '0', '-2147483648', '2147483647'), add('positive', '1'), add('on_positive', '2'),
    add('int8', '0', '-9223372036854775808', '9223372036854775807', '9007199254740993'), add('oid', '0', '4294967295'), add('xid', '0', '4294967295'),
    add('cid', '7'), add('xid8', '0', '18446744073709551615'), add('tid', '(0,1)', '(4294967295,65535)'), add('char', '', 'a', '\', '"', ','),
    add('int2vector', '', '1 -2 3'), add('oidvector', '', '1 2'), add('aclitem', 'postgres=r*w/postgres'),
    add('float4', '0', '-0', 'NaN', 'Infinity', '-Infinity', '1e-45', '3.4028235e38', '0.1', '16777217'),
    add('float8', '0', '-0', 'NaN', 'Infinity', '-Infinity', '5e-324', '1.7976931348623157e308', '0.1', '123456789012345678', '1e21'),
    add('numeric', '0', '-0.00', '1.50', repeat('9', 1000), '-0.' || repeat('0', 900) || '1', 'NaN', 'Infinity', '-Infinity', '1e100'),
    add('money', '0', '-1234567.89', '92233720368547758.07', '-92233720368547758.08'),
    add('bytea', '\x', '\x00', '\xff00ff5c22', '\x' || repeat('ab', 5000)), add('bit', '1', '0', '10101'), add('varbit', '', '1', '000101'),
    add('uuid', '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'),
    add('json', '{"a":[1,2.50,{"b":null}],"a":1}', '12345678901234567890.10', '"\u00e9\u2028\"\\"', '[1,2]', '[]', '{}', 'true', '1e400'),
    add('jsonb', '{"a": [1, 2.50, {"b":null}], "": ""}', '12345678901234567890.10', '"x\\\"\u0001"', '[]', '{}'),
    add('jsonpath', '$."a b"[*] ? (@.b > 1 && @.c == "x\"y")', 'lax $'),
    add('xml', '<a b="1">x<c/></a>', 'just text', '<?xml version="1.0"?><a>ü</a>', '');
select add('date', '4713-01-01 BC', '5874897-12-31', 'infinity', '-infinity', '0001-12-31 BC', '0001-01-01', '2026-02-28', '10000-01-01'),
    add('time', '00:00', '24:00', '12:34:56.789012'), add('timetz', '00:00+15:59:59', '24:00-15:59', '12:00:00.5+05:30', '01:02:03+00'),
    add('timestamp', '4713-01-01 00:00:00 BC', '294276-12-31 23:59:59.999999', 'infinity', '-infinity', '0044-03-15 01:02:03.5 BC', '10000-01-01 00:00', '9999-12-31 23:59:59.1', '2026-11-21 09:28:42'),
    add('timestamptz', '4713-01-01 00:00:00+00 BC', '294276-12-31 23:59:59.999999+00', 'infinity', '-infinity', '0044-03-15 01:02:03.5+00 BC', '10000-01-01 00:00+00', '2026-11-21 09:28:42.834232+05:30', '1883-11-18 12:03:57-05'),
    add('interval', '0', '1 year -2 mons 3 days -04:05:06.7', '-178000000 years', '178000000 years', '-00:00:00.000001', '1 day', '-1 mon +1 day -1 sec', '2147483647 days', '-1 year +1 sec', '23:59:59.999999'),
    add('point', '(1.5,-2)', '(NaN,Infinity)', '(-0,1e-300)'), add('line', '{1,-1,0.5}'), add('lseg', '[(1,2),(3,4)]'), add('box', '(3,4),(1,2)', '(0,0),(0,0)'),
    add('path', '[(1,2),(3,4)]', '((1,2),(3,4))'), add('polygon', '((0,0),(1,1),(1,0))'), add('circle', '<(1,2),3.5>'),
    add('inet', '10.0.0.1', '10.0.0.1/8', '::1', '2001:db8::1/64', '::ffff:1.2.3.4'), add('cidr', '10.0.0.0/8', '::/0', '192.168.1.1/32'),
    add('macaddr', '08:00:2b:01:02:03'), add('macaddr8', '08:00:2b:01:02:03:04:05'),
    add('tsvector', '', $$'fat':1A,3 'it''s':2 'back\\slash' 'a b'$$), add('tsquery', '', $$'fat' & ( 'rat':AB* | !'it''s' ) <2> 'c\\d'$$),
    add('pg_lsn', '0/0', 'FFFFFFFF/FFFFFFFF'), add('txid_snapshot', '10:20:10,14,15'), add('pg_snapshot', '10:10:', '10:20:10,14,15'),
    add('regclass', 'pg_class', 'types.row_type', '-', '999999'), add('regtype', 'timestamptz', 'types."pair"', 'int[]', '-'), add('regproc', 'now', '-'),
    add('regprocedure', 'abs(int)', 'types.add(text,text[])'), add('regoper', 'pg_catalog.||/'), add('regoperator', '+(int,int)', '-(NONE,int)'),
    add('regrole', 'postgres', '-'), add('regnamespace', 'pg_catalog', 'types'), add('regconfig', 'simple'), add('regdictionary', 'simple'), add('regcollation', '"C"', '"default"'), add('regdatabase', 'postgres', '-');
select add('int4range', 'empty', '[1,5)', '(,)', '[,5)', '[-2147483648,2147483647)'), add('int8range', 'empty', '[1,9223372036854775807)'), add('numrange', '[1.50,2]', '(,)', '(NaN,)'),
    add('tsrange', '["2026-01-01 00:00","infinity"]', 'empty', '["0044-03-15 BC",)'), add('tstzrange', '["2026-01-01 00:00+02",)', '(,"10000-01-01 00:00+00")'), add('daterange', '[2026-01-01,2026-02-01)', '[-infinity,infinity]'),
    add('text_range', '["","a""b\\c")', '("a,b","z)z"]', 'empty', '[" x",NULL)'),
    add('int4multirange', '{}', '{[1,3),[5,7)}'), add('int8multirange', '{(,)}'), add('nummultirange', '{[1.50,2],(3,)}'), add('tsmultirange', '{["2026-01-01 00:00","2026-01-02 00:00")}'),
    add('tstzmultirange', '{["2026-01-01 00:00+02",)}'), add('datemultirange', '{[2026-01-01,2026-02-01)}'), add('text_multirange', '{["a""b","c\\d"),["x,y","z}z"]}'),
    add('mood', variadic enum_range(null::mood)::text[]), add('ints', '{1,NULL,3}', '{{1,2},{3,4}}', '{}', '[0:1]={1,2}'), add('moods', '{}', '{"a b",NULL,"c\"d","NULL"}'),
    add('pair', '(1,x)', '(,)', '(,"")', '(-5,"x,y(z)")', $$(1,"a ""b"" \\ c")$$, E'(2147483647," \t\n\u00fc")'), add('pair_domain', '(1,x)', '(,)'), add('nothing', '()'),
    add('dropped', '(1,x,2026-01-01)', '(,,)'), add('row_type', '(1,"{a,NULL,""b \\""c""}")', '(,)');
insert into literals select 'deep', v::text from (values
    (row(1.50, row(1, 'a "b" \ (c),')::pair, array[row(1, 'x"y')::pair, null, row(null, '')::pair], row(3, '\')::pair, 'c"d', '{"k":[null,"\"",1.0]}', '[1,5)',
        '\x00ff', '2026-11-21 09:28:42.834232+00', 'NaN', 9007199254740993, array[[1, 2], [3, null]], true, '1 year -2 mons -1 sec')::deep),
    (row(null, null, null, null, null, null, null, null, null, null, null, null, null, null)::deep),
    (row('NaN', row(null, null)::pair, '{}', null, 'NULL', '"x"', 'empty', '', 'infinity', '-0', null, '[2:3]={1,2}', false, '0')::deep),
    (row('NaN', null, '[0:0]={"(1,x)"}', null, null, 'null', null, null, '0044-03-15 00:00+00 BC', null, null, '{}', null, null)::deep)) v(v);
insert into literals select 'deeper', row(v::deep, array[v::deep, null, v::deep])::deeper::text from (select literal::deep as v from literals where type = 'deep') v;
select add('vector', '[1,-2.5,1e-10]', '[0]', '[3.4028235e+38,-1]'), add('halfvec', '[1,-2.5]', '[65504,6e-08]'), add('sparsevec', '{1:1.5,3:-2}/5', '{}/3'),
    add('geometry', 'POINT(1 2)', 'SRID=4326;POINT Z (1 2 3)', 'SRID=3857;POINT ZM (1 2 3 4)', 'POINT M (1 2 3)', 'POINT EMPTY', 'SRID=4326;GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))',
        'POLYGON((0 0,1 0,1 1,0 0))', 'GEOMETRYCOLLECTION EMPTY', 'MULTIPOINT Z (1 2 3,4 5 6)', 'CIRCULARSTRING(0 0,1 1,2 0)'),
    add('geography', 'POINT(1 2)', 'SRID=4326;LINESTRING(0 0,1 1)', 'POLYGON((0 0,1 0,1 1,0 0))'), add('box2d', 'BOX(0 0,1 1)'), add('box3d', 'BOX3D(0 0 0,1 1 1)'),
    add('spheroid', 'SPHEROID("WGS 84",6378137,298.257223563)');
insert into literals select 'interval', unnest(array['infinity', '-infinity']) where current_setting('server_version_num')::int >= 170000;
delete from literals where type = 'xml' and not exists (select from pg_settings where name = 'xmloption' and pg_catalog.query_to_xml('select 1', true, false, '') is not null);

-- Those that no one can write; what PostGIS has for itself.
create table without_values (type text);
insert into without_values values ('pg_node_tree'), ('pg_ndistinct'), ('pg_dependencies'), ('pg_mcv_list'), ('gtsvector'), ('pg_brin_bloom_summary'),
    ('pg_brin_minmax_multi_summary'), ('ghstore'), ('box2df'), ('gidx'), ('geometry_dump'), ('valid_detail'), ('simple_detail');

-- -- tables --

-- Elements as the server would take them in an array.
create function in_quotes(v text) returns text language sql immutable as $$ select coalesce('"' || replace(replace(v, '\', '\\'), '"', '\"') || '"', 'NULL') $$;

create function create_tables() returns void language plpgsql as $$
declare
    y record;
    elements text;
    n int;
begin
    for y in select t.oid, t.typname as name, format_type(t.oid, -1) as type, t.typarray, format_type(t.typarray, -1) as array_type, t.typdelim::text from pg_type t join pg_namespace n on n.oid = t.typnamespace
        left join pg_class c on c.oid = t.typrelid where n.nspname in ('pg_catalog', 'types', 'public') and t.typtype <> 'p' and t.typisdefined
        and not (t.typelem <> 0 and t.typlen = -1 and t.typsubscript = 'array_subscript_handler'::regproc and t.typname like '\_%')
        and (c.oid is null or c.relkind = 'c' or t.typname = 'row_type') and t.typname not in (select w.type from types.without_values w) order by 2
    loop
        n := (select count(*) from types.literals l where l.type = y.name);
        if n = 0 then raise 'type % has no value in this test', y.type; end if;
        execute format('create table types.%I (id int primary key, w int, v %s)', 't_' || y.name, y.type);
        execute format('alter table types.%I replica identity full', 't_' || y.name);
        execute (select format('insert into types.%I values %s', 't_' || y.name, string_agg(format('(%s, 0, %L::%s)', l.i, l.literal, y.type), ',' order by l.i))
            from (select row_number() over () as i, literal from types.literals where type = y.name union all select n + 1, null) l);
        continue when y.typarray = 0;
        execute format('create table types.%I (id int primary key, w int, v %s)', 'a_' || y.name, y.array_type);
        execute format('alter table types.%I replica identity full', 'a_' || y.name);
        execute format('select string_agg(types.in_quotes(v::text), %L order by id) from types.%I', y.typdelim, 't_' || y.name) into elements;
        execute (select format('insert into types.%I values %s', 'a_' || y.name, string_agg(format('(%s, 0, %L::%s)', a.i, a.v, y.array_type), ',' order by a.i))
            from unnest(array['{' || elements || '}', '{}', null, '{{' || elements || '}' || y.typdelim || '{' || elements || '}}', format('[0:%s]={%s}', n, elements),
                format('[-1:-1][2:%s]={{%s}}', n + 2, elements), '{NULL}']) with ordinality a(v, i));
    end loop;
end $$;

-- -- back --

-- The text that the server takes for a value of type t, of what a line has.
create function cast_back(j json, t oid) returns text language plpgsql as $$
declare
    y record;
    kind text := json_typeof(j);
begin
    select p.*, s.nspname, p.typelem <> 0 and p.typlen = -1 and p.typsubscript = 'array_subscript_handler'::regproc as is_array,
        (select x.extname from pg_depend d join pg_extension x on x.oid = d.refobjid where d.classid = 'pg_type'::regclass and d.objid = p.oid and d.refclassid = 'pg_extension'::regclass and d.deptype = 'e') as extension
        into y from pg_type p join pg_namespace s on s.oid = p.typnamespace where p.oid = t;
    if kind is null then return null; end if; -- JSON's null is told beside the row, and tested elsewhere
    if y.typtype = 'd' then return types.cast_back(j, y.typbasetype); end if;
    if kind = 'null' then return null; end if;
    if y.typname in ('json', 'jsonb') and y.nspname = 'pg_catalog' then return j::text; end if;
    if y.is_array and kind = 'array' then return types.array_back(j, y.typelem); end if;
    if y.typtype = 'c' and kind = 'object' then return (select '(' || coalesce(string_agg(types.field_back(j -> a.attname, a.atttypid), ',' order by a.attnum), '') || ')' from pg_attribute a where a.attrelid = y.typrelid and a.attnum > 0 and not a.attisdropped); end if;
    if y.extension = 'hstore' and kind = 'object' then return coalesce((select string_agg(types.in_quotes(e.key) || '=>' || types.in_quotes(e.value), ', ') from json_each_text(j) e), ''); end if;
    if y.extension = 'vector' and kind = 'array' then return j::text; end if;
    if y.extension = 'postgis' and kind = 'object' then return types.geometry_back(decode(j ->> 'wkb', 'base64'), (j ->> 'srid')::int); end if;
    if y.typname = 'bytea' then return '\x' || encode(decode(j #>> '{}', 'base64'), 'hex'); end if;
    if kind in ('object', 'array') then raise 'a % for type %: %', kind, y.typname, j; end if;
    return j #>> '{}';
end $$;
create function field_back(j json, t oid) returns text language sql as $$
    select coalesce('"' || replace(replace(types.cast_back(j, t), '\', '\\'), '"', '""') || '"', '') $$;
-- The elements of all dimensions have one type, which may be an array itself, by way of a domain.
create function array_back(j json, element oid) returns text language plpgsql as $$
declare
    is_array boolean := exists (with recursive b as (select element as t union all select y.typbasetype from b join pg_type y on y.oid = b.t where y.typtype = 'd')
        select from b join pg_type y on y.oid = b.t where y.typtype <> 'd' and ((y.typelem <> 0 and y.typlen = -1 and y.typname not like '%vector') or y.typname in ('json', 'jsonb', 'vector', 'halfvec')));
    delimiter text := (select typdelim from pg_type where oid = element);
begin
    return (select '{' || coalesce(string_agg(case when json_typeof(e.value) = 'array' and not is_array then types.array_back(e.value, element)
        when json_typeof(e.value) = 'null' then 'NULL' else types.in_quotes(types.cast_back(e.value, element)) end, delimiter order by e.ordinality), '') || '}'
        from json_array_elements(j) with ordinality e);
end $$;
do $do$ begin
    if exists (select from pg_extension where extname = 'postgis') then
        create function geometry_back(wkb bytea, srid int) returns text language sql as 'select public.st_geomfromwkb(wkb, srid)::text';
    else
        create function geometry_back(wkb bytea, srid int) returns text language sql as 'select null::text';
    end if;
end $do$;

-- What differs: of lines (table, op, value) and the tables. Texts, and values where their type knows equality.
create table lines (line json);
create table found (name text, id int, op text, v json);
create index on found (name, id);
create function differences() returns setof text language plpgsql as $$
declare
    y record;
    r record;
    equal text;
    good boolean;
    why text;
begin
    insert into types.found select l.line #>> '{source,table}', (l.line #>> '{key,id}')::int, l.line ->> 'op', l.line #> '{after,v}' from types.lines l where l.line ->> 'op' <> 'd'
        union all select l.line #>> '{source,table}', (l.line #>> '{key,id}')::int, 'before', l.line #> '{before,v}' from types.lines l where l.line ->> 'op' in ('u', 'd');
    analyze types.found;
    return query select format('%s %s: %s lines, not the same: %s', f.name, f.id, count(*), left(string_agg(distinct f.v::text, ' | '), 500))
        from types.found f where f.name ~ '^[ta]_' group by f.name, f.id having count(distinct f.v::text) <> 1 or count(*) <> 5;
    for y in select c.relname as name, a.atttypid as oid, format_type(a.atttypid, -1) as type from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'v'
        where c.relnamespace = 'types'::regnamespace and c.relkind = 'r' and c.relname ~ '^[ta]_'
    loop
        begin
            execute format('select count(*) from types.%I where v = v', y.name);
            equal := ' and v is not distinct from %1$L::%2$s';
        exception when undefined_function or ambiguous_function then equal := ''; end;
        for r in execute format('select t.id, left(format(''%%s'', t.v), 300) as is, types.cast_back(f.v, %s) as back, f.name is not null as there from types.%I t left join types.found f on f.op = ''r'' and f.name = %L and f.id = t.id', y.oid, y.name, y.name) loop
            begin
                execute format('select format(''%%s'', v) is not distinct from format(''%%s'', %1$L::%2$s)' || equal || ' from types.%3$I where id = %4$s', r.back, y.type, y.name, r.id) into good;
                why := '';
            exception when others then
                good := false;
                why := sqlerrm;
            end;
            if not (good and r.there) then return next format('%s %s: %s is not %s %s', y.name, r.id, left(r.back, 300), r.is, why); end if;
        end loop;
    end loop;
end $$;
