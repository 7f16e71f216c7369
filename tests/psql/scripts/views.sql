-- Views of views, their texts under renamed tables and another search_path.
create table t (a int, b text, c date);
create table u (a int, d text);
create view v as select a, b from t where b like 'x%' order by a limit 5;
create view w as select * from v join u using (a);
create view x as with q as (select a, count(*) n from w group by a having count(*) > 0) select q.*, (select max(t.c) from t where t.a = q.a) mx from q;
create view z as select v.*, x.n from v left join x on v.a = x.a where exists (select 1 from u where u.a = v.a) and v.a in (1, 2, 3) and v.b is not null;
create view g as select i, s from generate_series(1, 3) i, lateral (select i * 2 as s) q;
create view arr as select array[1,2] a, '{"a": 1}'::jsonb ->> 'a' j, now() > '2020-01-01' n, extract(year from date '2020-05-01') y, interval '1 day' iv, (1, 2) = (1, 2) r, 'a' = any (array['a', 'b']) an;
insert into t values (1, 'x1', '2020-01-01'), (2, 'x2', '2020-01-02'), (3, 'y', null);
insert into u values (1, 'one'), (2, 'two');
alter table t rename column a to aa;
alter table t rename to tt;
alter table u rename column d to dd;
create schema s2;
alter table tt set schema s2;
create table t (a int, b text, c date);
create table tt (aa text);
select * from v; select * from w; select * from x; select * from z order by a;
set search_path = s2;
select * from public.v; select * from public.w; select * from public.x; select * from public.z order by a; 
reset search_path;
create or replace view v as select aa as a, b, c from s2.tt;
select * from v; select * from w; select * from z order by a;
drop view v;
drop table s2.tt cascade;
\d
CREATE TABLE named (id int, up int);
CREATE VIEW named_1 AS SELECT a.id FROM named a WHERE EXISTS (SELECT 1 FROM named a WHERE a.up = 2);
CREATE VIEW named_2 AS SELECT x.id, "Odd".up FROM (SELECT id FROM named x) x JOIN named AS "Odd" ON x.id = "Odd".up;
CREATE VIEW named_3 AS SELECT g, h, i.n FROM generate_series(1, 3) g, generate_series(1, 3) WITH ORDINALITY AS i (m, n), generate_series(1, 2) AS h;
CREATE VIEW named_4 AS SELECT * FROM (SELECT id, 1 FROM named) z (a, b), LATERAL (SELECT z.a + 1 AS q) l;
CREATE VIEW named_5 AS WITH RECURSIVE w (a, b) AS (SELECT id, 2 FROM named UNION ALL SELECT w.a + 1, b + 1 FROM w WHERE a < 3), v AS (SELECT id AS one FROM named) SELECT w.b, v.one, y.a FROM w, v, w y;
CREATE VIEW named_6 AS SELECT y.id FROM named_1 y JOIN named_2 ON y.id = named_2.id;
\sv named_1
\sv named_2
\sv named_3
\sv named_4
\sv named_5
ALTER TABLE named RENAME TO renamed;
ALTER VIEW named_1 RENAME TO seen;
\sv seen
\sv named_2
\d+ named_6
