-- SPDX-License-Identifier: MIT
-- Types of MySQL only, and what its JSON can hold.
create table own (id int primary key, h int not null default 0, /*!90000 a vector(3), */ b geometry srid 4326, c geomcollection); insert into own values (1,0,/*!90000 to_vector('[1,2.5,-3e10]'), */st_geomfromtext('POINT(1 2)',4326),null),(2,0,/*!90000 null, */null,null);
create table jmore (id int primary key, h int not null default 0, a json); insert into jmore values (1,0,json_object('d',cast('2024-01-02' as date),'t',cast('12:34:56.5' as time(1)),'dt',cast('2024-01-02 03:04:05.678' as datetime(3)),'dec',cast(1.50 as decimal(10,2)),'bin',cast('abc' as binary),'bits',b'101','u',18446744073709551615,'dbl',1.5e0));
