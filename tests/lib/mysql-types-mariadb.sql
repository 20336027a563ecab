-- SPDX-License-Identifier: MIT
-- Types of MariaDB only, and its temporals of before 5.6.
create table own (id int primary key, h int not null default 0, a uuid, b inet4, c inet6, d varchar(100) compressed, e blob compressed, f text compressed character set latin1);
insert into own values (1,0,'123e4567-e89b-12d3-a456-426655440000','1.2.3.4','::ffff:1.2.3.4',repeat('x',90),repeat('y',1000),'é'),(2,0,null,null,null,null,null,null),(3,0,'00000000-0000-0000-0000-000000000000','0.0.0.0','::','','',''),(4,0,'ffffffff-ffff-ffff-ffff-ffffffff0000','255.0.0.0','2001:db8::1:0:0:1','q','q','q'),(5,0,'6ccd780c-baba-1026-9564-5b8c656024db','10.0.0.0','fe80::','a','b','c');
set global mysql56_temporal_format=OFF; create table oldtimes (id int primary key, h int not null default 0, a time, b time(3), c datetime, d datetime(4), e timestamp null, f timestamp(6) null); set global mysql56_temporal_format=ON;
insert into oldtimes values (1,0,'-12:00:00','12:34:56.789','2024-01-02 03:04:05','2024-01-02 03:04:05.6789','2024-01-02 03:04:05','2024-01-02 03:04:05.678912'),(2,0,null,null,null,null,null,null),(3,0,'838:59:59','-838:59:59','0000-00-00','0000-00-00','0000-00-00','0000-00-00');
create table jl (id int primary key, h int not null default 0, a longtext character set latin1 check (json_valid(a)), b json); insert into jl values (1,0,'{"a": "x"}','{"z" :  1.50e3 }');
