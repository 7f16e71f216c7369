CREATE TABLE t (id int PRIMARY KEY, name text, price numeric(6,2), at timestamp);
INSERT INTO t VALUES (1, 'ann', 1.5, '2024-01-01 10:00'), (2, NULL, 22.25, NULL), (3, E'two\nlines', NULL, '2024-02-29 23:59:59.5');
SELECT * FROM t ORDER BY id;
\x
SELECT * FROM t ORDER BY id;
\x off
\pset null '(none)'
SELECT * FROM t ORDER BY id;
\a
SELECT * FROM t ORDER BY id;
\a
\t
SELECT name FROM t ORDER BY id;
\t
SELECT id, name AS "Name", price * 2, at::date, ARRAY[id] FROM t \gdesc
CREATE TABLE u (x int) \gdesc
SELECT 'a' AS x, 1 AS y \gset
\echo :x :y
SELECT id, name FROM t ORDER BY id \gx
SELECT format('SELECT %s', id) FROM t ORDER BY id \gexec
\timing
SELECT 1;
\timing
\encoding
SELECT 1/0;
\echo :SQLSTATE :ERROR
SELECT nope FROM t;
SELECT 1 \; SELECT 2;
\set AUTOCOMMIT off
INSERT INTO t VALUES (9, 'x', 1, NULL);
ROLLBACK;
\set AUTOCOMMIT on
SELECT count(*) FROM t;
\copy t (id, name) TO STDOUT
COPY t TO STDOUT (FORMAT csv, HEADER);
COPY t (id, name) FROM STDIN;
4	four
5	\N
6	tab\there
\.
SELECT id, name FROM t ORDER BY id;
COPY t (id, name) FROM STDIN (FORMAT csv);
7,"seven, ""quoted"""
8,
\.
SELECT id, name FROM t WHERE id > 6 ORDER BY id;
COPY t (id, name) FROM STDIN;
10	ok
x	bad
\.
COPY t (id, name) FROM STDIN;
10
\.
COPY t (id, name) FROM STDIN;
1	duplicate
\.
SELECT count(*) FROM t;
\set ON_ERROR_ROLLBACK on
BEGIN;
SELECT 1/0;
SELECT 'still alive';
COMMIT;
\set ON_ERROR_ROLLBACK off
\set FETCH_COUNT 2
SELECT id FROM t ORDER BY id;
\unset FETCH_COUNT
SELECT id, count(*) FROM t GROUP BY id ORDER BY id \crosstabview
SELECT name, id, 1 FROM t WHERE id < 3 ORDER BY id \crosstabview
PREPARE p AS SELECT $1::int + 1;
EXECUTE p(41);
SELECT current_database() LIKE 'psql_%';
\df+ nothing
\z t
\! true
\q
