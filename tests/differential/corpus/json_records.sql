-- json_to_record and its kin: fields of objects as columns of the types that a list gives.
create table t (id int, x text, j jsonb);
insert into t values (1,'p','{"k": 1}');
select * from json_to_recordset('[{"a":1,"b":"foo"},{"a":"2","c":"bar"}]') as x(a int, b text);
-- @refused: arrays there
select * from jsonb_to_recordset('[{"a":1,"b":[1,2]},{"a":"2","c":"bar"}]') as x(a int, b int[], c text);
select * from json_to_record('{"a":1,"b":"foo"}') as x(a int, b text);
select x.a from t, json_to_recordset('[{"a":1}]') as x(a int);
select * from json_to_recordset('[{"a":1}]');
select * from json_to_recordset('[{"a":1}]') as x;
select * from json_to_recordset('{"a":1}') as x(a int);
select * from json_to_recordset('[1]') as x(a int);
select * from json_to_record('[1]') as x(a int);
select * from json_to_recordset(null) as x(a int);
select * from json_to_record(null) as x(a int);
select * from jsonb_to_recordset('[{"a": {"b": 1}, "d": "2020-01-01"}]') as x(a jsonb, d date, e numeric(5,2), n text);
select t.id, r.* from t, jsonb_to_recordset(jsonb_build_array(t.j, '{"k": null}'::jsonb)) as r(k int, "Other" text) order by k;
select * from jsonb_to_record('{"a": "x", "n": {"b": [1, 2]}, "t": true}') as (a varchar(3), n json, t bool);
select * from json_to_record('5') as x(a int);
select * from json_to_recordset('5') as x(a int);
select * from json_to_recordset('[{"a":"bad"}]') as x(a int);
select count(*) from json_to_recordset('[{}, {}]') as x(a int) where a is null;
create view jr as select x.a, x.b from json_to_recordset('[{"a":1,"b":2}]') as x(a int, b text);
select * from jr;
