-- Frames with RANGE and GROUPS offsets.
create table w(id int, g text, v int, d date, f float8, ts timestamptz, n numeric);
insert into w select i, chr(97 + i % 3), case when i % 7 = 0 then null else i * 3 % 11 end, date '2020-01-01' + i * 2, i / 3.0, timestamptz '2020-01-01 00:00Z' + i * interval '7 hours', i * 1.5 from generate_series(1, 30) i;
select id, sum(id) over (order by v range between 2 preceding and current row) from w order by id;
select id, sum(id) over (order by v desc range between 2 preceding and 1 following), count(*) over (order by v nulls first range between 3 following and 5 following) from w order by id;
select id, sum(id) over (partition by g order by d range between '3 days' preceding and interval '1 day' following) from w order by id;
select id, sum(id) over (order by f range between 1.5 preceding and unbounded following), first_value(id) over (order by ts desc range '1 day' preceding), last_value(id) over (order by n range between 1 preceding and 2.5 following) from w order by id;
select sum(1) over (range 1 preceding);
select sum(1) over (order by 'a'::text range 1 preceding);
select sum(1) over (order by 1 range interval '1 day' preceding);
select sum(1) over (order by 1 range -1 preceding);
select sum(1) over (order by 1 range null preceding);
select sum(x) over (order by x range x preceding) from (values (1)) v(x);
select sum(x) over (rows x preceding) from (values (1)) v(x);
select sum(x) over (rows 'a'::text preceding) from (values (1)) v(x);
select sum(x) over (order by date '2020-01-01' range 1 preceding) from (values (1)) v(x);
select sum(x) over (groups 1 preceding) from (values (1)) v(x);
select id, sum(id) over win, lag(id, 2, -1) over win, ntile(4) over win from w window win as (order by id) order by id;
