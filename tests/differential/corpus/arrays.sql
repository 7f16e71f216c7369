-- Arrays.
SELECT ARRAY[1, 2, 3], ARRAY[]::int[], ARRAY[1, NULL], ARRAY['a', 'b c', 'd"e', 'f,g', '', 'NULL', NULL], ARRAY[[1, 2], [3, 4]], '{1,2}'::int[], '{{a,b},{c,d}}'::text[], ARRAY[1, 2.5], ARRAY[true, false], ARRAY[date '2024-01-01'];
SELECT ARRAY[];
SELECT ARRAY[1, 'x'];
SELECT ARRAY[[1], [2, 3]];
SELECT '{1,2'::int[];
SELECT '{1,x}'::int[];
SELECT 'abc'::int[];
SELECT (ARRAY[1, 2, 3])[2], (ARRAY[1, 2, 3])[0], (ARRAY[1, 2, 3])[4], (ARRAY[1, 2, 3])[2:3], (ARRAY[1, 2, 3])[:2], (ARRAY[[1, 2], [3, 4]])[2][1], (ARRAY[[1, 2], [3, 4]])[1:1][1:2], (ARRAY[[1, 2], [3, 4]])[1];
SELECT ARRAY[1, 2] || 3, 0 || ARRAY[1, 2], ARRAY[1] || ARRAY[2, 3], ARRAY[[1, 2]] || ARRAY[3, 4], ARRAY[1] || NULL, array_append(ARRAY[1], 2), array_prepend(0, ARRAY[1]), array_cat(ARRAY[1], ARRAY[2]);
SELECT ARRAY[1, 2, 3] @> ARRAY[2], ARRAY[2] <@ ARRAY[1, 2], ARRAY[1, 2] && ARRAY[2, 3], ARRAY[1, 2] = ARRAY[1, 2], ARRAY[1, 2] < ARRAY[1, 3], ARRAY[1] < ARRAY[1, 0], ARRAY[NULL]::int[] = ARRAY[NULL]::int[];
SELECT 1 = ANY (ARRAY[1, 2]), 3 = ANY (ARRAY[1, NULL]), 1 <> ALL (ARRAY[2, 3]), 1 = ALL ('{}'::int[]), NULL = ANY (ARRAY[1]), 5 > ANY ('{1,9}'), 'a' LIKE ANY (ARRAY['b%', 'a%']);
SELECT array_length(ARRAY[1, 2, 3], 1), array_length(ARRAY[]::int[], 1), array_ndims(ARRAY[[1]]), array_dims(ARRAY[[1, 2]]), array_lower(ARRAY[5], 1), array_upper(ARRAY[5, 6], 1), cardinality(ARRAY[[1, 2], [3, 4]]), array_position(ARRAY['a', 'b'], 'b'), array_positions(ARRAY[1, 2, 1], 1), array_remove(ARRAY[1, 2, 1], 1), array_replace(ARRAY[1, 2], 2, 9), array_fill(7, ARRAY[3]), trim_array(ARRAY[1, 2, 3], 1);
SELECT unnest(ARRAY[1, 2, 3]), unnest(ARRAY['a', 'b']);
SELECT * FROM unnest(ARRAY[1, 2], ARRAY['x', 'y', 'z']) AS u(a, b);
SELECT * FROM unnest(ARRAY['x', 'y']) WITH ORDINALITY;
SELECT generate_subscripts(ARRAY[5, 6, 7], 1);
SELECT pg_typeof(ARRAY[1]), pg_typeof(ARRAY['a']), pg_typeof(ARRAY[1, 2.0]), pg_typeof((ARRAY[1])[1]);
-- @refused lower bounds other than 1
SELECT '[2:3]={1,2}'::int[];
SELECT ARRAY[1, 2]::text[], ARRAY['1', '2']::int[], '{1.5,2}'::numeric[], ARRAY[1, 2]::bigint[];
CREATE TABLE arr (id int, tags text[], m int[][]);
INSERT INTO arr VALUES (1, '{a,b}', '{{1,2},{3,4}}'), (2, ARRAY['c'], NULL), (3, '{}', '{}');
SELECT id, tags[1], array_length(tags, 1), m[2][2] FROM arr ORDER BY id;
SELECT id FROM arr WHERE 'a' = ANY (tags);
-- @refused assigning to a part of a column
UPDATE arr SET tags[2] = 'z' WHERE id = 1 RETURNING tags;
UPDATE arr SET tags = tags || 'new'::text WHERE id = 2 RETURNING tags;
-- @differs follows from the refusal above
SELECT array_agg(tags) FROM arr WHERE id = 1;
SELECT array_to_json(ARRAY[1, 2]), to_json(ARRAY['a', NULL]);
SELECT ARRAY(SELECT g * g FROM generate_series(1, 4) g);
SELECT (SELECT array_agg(x ORDER BY x) FROM unnest(ARRAY[3, 1, 2]) x);
SELECT 1 = ANY (1);
SELECT ARRAY[1] || 'x';
