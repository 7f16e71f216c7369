-- INSERT ... ON CONFLICT.
CREATE TABLE k (id int PRIMARY KEY, email text UNIQUE, hits int DEFAULT 1, note text);
CREATE UNIQUE INDEX k_lower ON k (lower(note)) WHERE hits > 0;
INSERT INTO k VALUES (1, 'a@x', 1, 'One'), (2, 'b@x', 1, 'Two');
INSERT INTO k VALUES (1, 'c@x') ON CONFLICT DO NOTHING;
INSERT INTO k VALUES (3, 'a@x') ON CONFLICT DO NOTHING RETURNING id;
INSERT INTO k VALUES (1, 'c@x') ON CONFLICT (id) DO NOTHING;
INSERT INTO k VALUES (3, 'a@x') ON CONFLICT (id) DO NOTHING;
INSERT INTO k VALUES (1, 'new') ON CONFLICT (id) DO UPDATE SET hits = k.hits + 1, email = excluded.email RETURNING *;
INSERT INTO k AS t VALUES (2, 'zzz') ON CONFLICT (id) DO UPDATE SET hits = t.hits + 10 WHERE t.hits < 5 RETURNING t.id, t.hits;
INSERT INTO k AS t VALUES (2, 'zzz') ON CONFLICT (id) DO UPDATE SET hits = t.hits + 10 WHERE t.hits < 5 RETURNING t.id, t.hits;
INSERT INTO k VALUES (5, 'b@x') ON CONFLICT (email) DO UPDATE SET note = excluded.id::text RETURNING *;
INSERT INTO k VALUES (9, 'i@x') ON CONFLICT ON CONSTRAINT k_pkey DO NOTHING;
INSERT INTO k VALUES (9, 'i@x') ON CONFLICT ON CONSTRAINT k_email_key DO UPDATE SET hits = 0;
INSERT INTO k VALUES (10, 'j@x'), (10, 'k@x') ON CONFLICT (id) DO NOTHING RETURNING id, email;
INSERT INTO k VALUES (11, 'l@x'), (11, 'm@x') ON CONFLICT (id) DO UPDATE SET hits = 2;
INSERT INTO k SELECT g, 'g' || g FROM generate_series(1, 12) g ON CONFLICT (id) DO UPDATE SET hits = k.hits + 1;
SELECT * FROM k ORDER BY id;
INSERT INTO k VALUES (1) ON CONFLICT (hits) DO NOTHING;
-- @sqlstate names the relation, gives no hint
INSERT INTO k VALUES (1) ON CONFLICT (nope) DO NOTHING;
INSERT INTO k VALUES (1) ON CONFLICT ON CONSTRAINT nope DO NOTHING;
INSERT INTO k VALUES (1) ON CONFLICT DO UPDATE SET hits = 1;
INSERT INTO k VALUES (1) ON CONFLICT (id) DO UPDATE SET hits = hits + 1;
-- @refused inference of a partial index
INSERT INTO k VALUES (20, 't@x', 1, 'ONE') ON CONFLICT (lower(note)) WHERE hits > 0 DO NOTHING;
-- @refused inference of an index on an expression
INSERT INTO k VALUES (21, 'u@x', 1, 'TWO') ON CONFLICT (lower(note)) DO NOTHING;
INSERT INTO k VALUES (1, 'w@x') ON CONFLICT (id) DO UPDATE SET email = 'b@x';
INSERT INTO k VALUES (1, 'x@x') ON CONFLICT (id) DO UPDATE SET id = 2;
INSERT INTO k VALUES (1) ON CONFLICT (id) DO UPDATE SET hits = (SELECT max(hits) FROM k) RETURNING hits;
INSERT INTO k VALUES (1) ON CONFLICT (id) DO UPDATE SET (hits, note) = (excluded.hits, 'tuple') RETURNING hits, note;
INSERT INTO k VALUES (NULL, 'n') ON CONFLICT DO NOTHING;
SELECT count(*) FROM k;
