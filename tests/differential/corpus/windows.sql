-- Window functions and frames.
CREATE TABLE w (id int, g text, v int);
INSERT INTO w VALUES (1, 'a', 10), (2, 'a', 20), (3, 'a', 20), (4, 'b', 5), (5, 'b', NULL), (6, 'b', 1), (7, NULL, 3);
SELECT id, row_number() OVER (ORDER BY id) FROM w ORDER BY id;
SELECT id, rank() OVER (PARTITION BY g ORDER BY v), dense_rank() OVER (PARTITION BY g ORDER BY v), percent_rank() OVER (PARTITION BY g ORDER BY v), cume_dist() OVER (PARTITION BY g ORDER BY v) FROM w ORDER BY id;
SELECT id, sum(v) OVER (), sum(v) OVER (PARTITION BY g), sum(v) OVER (ORDER BY id), sum(v) OVER (PARTITION BY g ORDER BY v) FROM w ORDER BY id;
SELECT id, sum(v) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING), count(*) OVER (ORDER BY id ROWS 2 PRECEDING), avg(v) OVER (ORDER BY id ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) FROM w ORDER BY id;
-- @refused RANGE with an offset
SELECT id, sum(id) OVER (ORDER BY id RANGE BETWEEN 2 PRECEDING AND CURRENT ROW), count(*) OVER (ORDER BY g GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM w ORDER BY id;
SELECT id, lag(v) OVER o, lead(v) OVER o, lag(v, 2, -1) OVER o, lead(v, 1, 0) OVER o, first_value(v) OVER o, last_value(v) OVER o, nth_value(v, 2) OVER o FROM w WINDOW o AS (ORDER BY id) ORDER BY id;
SELECT id, ntile(3) OVER (ORDER BY id), last_value(id) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) FROM w ORDER BY id;
SELECT id, sum(v) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW) FROM w ORDER BY id;
SELECT id, count(*) FILTER (WHERE v > 4) OVER (PARTITION BY g ORDER BY id) FROM w ORDER BY id;
SELECT g, sum(v), rank() OVER (ORDER BY sum(v) DESC NULLS LAST) FROM w GROUP BY g ORDER BY 3, 1;
SELECT id, max(v) OVER p, min(v) OVER (p ORDER BY id) FROM w WINDOW p AS (PARTITION BY g) ORDER BY id;
SELECT * FROM (SELECT id, row_number() OVER (PARTITION BY g ORDER BY id DESC) n FROM w) s WHERE n = 1 ORDER BY id;
SELECT id FROM w ORDER BY row_number() OVER (ORDER BY v DESC NULLS LAST, id);
SELECT id, string_agg(g, '') OVER (ORDER BY id) FROM w ORDER BY id;
SELECT id, array_agg(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM w ORDER BY id;
SELECT DISTINCT g, count(*) OVER (PARTITION BY g) FROM w ORDER BY g;
SELECT id, v - lag(v, 1) OVER (PARTITION BY g ORDER BY id) AS delta FROM w ORDER BY id;
SELECT row_number() FROM w;
SELECT id FROM w WHERE row_number() OVER () > 1;
SELECT sum(v) OVER missing FROM w;
SELECT lower(g) OVER () FROM w;
SELECT sum(row_number() OVER ()) OVER () FROM w;
SELECT sum(v) OVER (ROWS BETWEEN CURRENT ROW AND 1 PRECEDING) FROM w;
SELECT sum(v) OVER (ROWS -1 PRECEDING) FROM w;
-- @refused RANGE with an offset
SELECT sum(v) OVER (RANGE 1 PRECEDING) FROM w;
SELECT g, count(*) FROM w GROUP BY g HAVING row_number() OVER () > 1;
SELECT ntile(0) OVER (ORDER BY id) FROM w;
