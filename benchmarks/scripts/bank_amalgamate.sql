-- All that one customer has goes to another.  The lower row first: a deadlock would time PostgreSQL's
-- deadlock_timeout, not its isolation.
\set giver random(1, :customers)
\set taker 1 + (:giver + random(0, :customers - 2)) % :customers
BEGIN;
SELECT balance AS saved FROM saving WHERE customer = :giver \gset
SELECT balance AS checked FROM checking WHERE customer = :giver \gset
\set total :saved + :checked
\if :total > 0
UPDATE saving SET balance = 0 WHERE customer = :giver;
\if :giver < :taker
UPDATE checking SET balance = 0 WHERE customer = :giver;
UPDATE checking SET balance = balance + :total WHERE customer = :taker;
\else
UPDATE checking SET balance = balance + :total WHERE customer = :taker;
UPDATE checking SET balance = 0 WHERE customer = :giver;
\endif
\endif
END;
