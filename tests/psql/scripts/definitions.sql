-- CREATE TABLE and INDEX, ALTER TABLE: effects as \d shows them, and refusals.
create table p (id int primary key, name varchar(20) not null default 'x', v numeric(10,2) check (v > 0));
create table c (id serial primary key, p_id int references p on delete cascade on update cascade, d date default current_date, ts timestamptz default now());
\d p
\d c
create table c (a int);
create table if not exists c (a int);
create table x (a int primary key, b int primary key);
create table x (a int, b int, foreign key (a, b) references p);
create table x (a int, foreign key (b) references p);
create table x (a text references p);
create table x (a int references c (p_id));
create table x (a int references nosuch);
create table x (a int default b);
create table x (a int default (select 1));
create table x (a int check (a));
create table x (a int check (a > 0) check (a > 1), constraint x_a_check check (a > 2));
create table x (a serial default 5);
create table x (a text generated always as identity);
create table x (a varchar(0));
create table x (a numeric(1001));
create table x (a int[] default '{1,2}', b jsonb default '{}', c uuid default gen_random_uuid(), d interval default '1 day', e bool default 't', f bytea default '\x00', g char(3) default 'ab', i float8 default 1.5, j text default null, k text default 'a' || 'b', l int default 1 + 2);
select attname, pg_get_expr(adbin, adrelid) from pg_attrdef d join pg_attribute a on a.attrelid = adrelid and attnum = adnum where adrelid = 'x'::regclass order by attnum;
create index on x (a);
create index on x (lower(j));
create index on x (b);
create unique index xu on x (l desc nulls last, i) where e;
create index xi on x ((l + 1), (i * 2));
create index xinc on x (l) include (i);
create index on x using hash (l);
create index on x (lower(j), upper(j));
create index on x (j collate "C");
create index on x (j collate "nosuch");
create index on x (j text_pattern_ops);
create index on x (j int4_ops);
create index on x (l int4_ops asc);
create index on x (nosuch);
create index on x (random());
create index on x (l) where now() > '2020-01-01';
create index on nosuch (a);
create index on x using btree (count(l));
create index xu on x (l);
\d x
alter table x add primary key (l);
alter table x add constraint xx unique (l, i), add constraint ck check (l > 0), add column z int default 5;
alter table x drop column l;
alter table x drop column l;
\d x
alter table x alter z type bigint, alter z set default 7, alter z set not null;
alter table x alter z type text;
alter table x alter z type int;
alter table x alter z type int using z::int;
alter table x rename z to zz;
alter table x rename constraint ck to ck2;
alter table x rename to xr;
alter index xu rename to xu2;
alter table nosuch add column a int;
alter table if exists nosuch add column a int;
alter table xr add constraint fk foreign key (zz) references p (id) match full on delete set null deferrable initially deferred;
alter table xr alter constraint fk not deferrable;
alter table xr add constraint fk foreign key (zz) references p (id);
alter table xr validate constraint nosuch;
alter table xr drop constraint if exists nosuch;
alter table xr drop column if exists nosuch;
alter table xr add column if not exists zz int;
alter table xr alter nosuch drop not null;
alter table p alter id drop not null;
alter table p drop constraint p_pkey;
alter table p drop column id;
alter table p drop column id cascade;
\d p
\d c
\d xr
drop table p, c, xr;
drop table p;
