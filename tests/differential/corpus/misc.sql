-- What else clients and people type.
CREATE TABLE m (id int, v text);
SELECT 1 /* comment /* nested */ here */ + 1 -- end
;
SELECT 'x' AS "Weird ""Name""";
INSERT INTO m VALUES (1, 'ünïcödé'), (2, '日本語'), (3, E'new\nline'), (4, ''), (5, NULL);
SELECT * FROM m ORDER BY v;
SELECT * FROM m ORDER BY v DESC NULLS LAST, id;
SELECT id FROM m ORDER BY -id;
SELECT id AS x FROM m ORDER BY x DESC LIMIT 2;
SELECT id, v FROM m ORDER BY 2 NULLS FIRST, 1 DESC;
SELECT m.id AS v FROM m ORDER BY v;
SELECT id FROM m ORDER BY v || 'x' NULLS FIRST;
SELECT id FROM m ORDER BY id USING >;
SELECT lower(v) FROM m ORDER BY lower(v);
-- @refused system columns of rows
SELECT ctid IS NOT NULL, xmin IS NOT NULL FROM m LIMIT 1;
VACUUM;
VACUUM ANALYZE m;
VACUUM (VERBOSE false, ANALYZE) m;
ANALYZE;
-- @differs PostgreSQL counts the TOAST index
REINDEX TABLE m;
CHECKPOINT;
LISTEN channel;
NOTIFY other_channel, 'payload';
UNLISTEN *;
GRANT SELECT ON m TO PUBLIC;
-- @position none is given
EXPLAIN (COSTS OFF, FORMAT nonsense) SELECT 1;
TRUNCATE m;
SELECT count(*) FROM m;
SELECT * FROM m;
SELECT pg_sleep(0);
SELECT pg_advisory_lock(1), pg_advisory_unlock(1), pg_try_advisory_lock(2);
SELECT pg_advisory_unlock(99);
SELECT pg_advisory_unlock_all();
SELECT txid_current() > 0, pg_backend_pid() > 0;
-- @differs the engine does not know of the connection
SELECT inet_server_port() > 0, pg_is_in_recovery();
CREATE USER someone;
DROP USER someone;
CREATE TABLE "Quoted Table" ("Column One" int, "select" text);
INSERT INTO "Quoted Table" ("Column One", "select") VALUES (1, 'x') RETURNING "Column One";
SELECT "select" FROM "Quoted Table" WHERE "Column One" = 1;
SELECT select FROM "Quoted Table";
SELECT Column_One FROM "Quoted Table";
SELECT "column one" FROM "Quoted Table";
DROP TABLE "Quoted Table";
-- @differs no notice says that a name was shortened
SELECT a_very_long_identifier_that_goes_on_and_on_and_on_beyond_the_limit_of_sixty_three FROM m;
-- @differs no notice says that a name was shortened
SELECT 1 AS a_very_long_alias_that_goes_on_and_on_and_on_beyond_the_limit_of_sixty_three_bytes;
SELECT x.*, y.* FROM (SELECT 1 AS a) x, (SELECT 2 AS b) y;
SELECT count(*) FROM generate_series(1, 100000);
SELECT sum(a * b) FROM generate_series(1, 100) a, generate_series(1, 100) b WHERE (a + b) % 7 = 0;
SELECT a % 3 AS k, count(*), min(a), max(a) FROM generate_series(1, 1000) a GROUP BY k ORDER BY k;
SELECT string_agg(a::text, ',' ORDER BY a DESC) FROM generate_series(1, 5) a;
SELECT * FROM generate_series(1, 3) a LEFT JOIN generate_series(2, 4) b ON a = b;
SELECT current_database() IS NOT NULL AS ok;
SELECT OVERLAY('abcdef' PLACING 'XX' FROM 3), CURRENT_DATE = CURRENT_DATE, LOCALTIME IS NOT NULL;
