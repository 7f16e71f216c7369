-- A transfer between two of the purses in use, if both can afford it.  The lower row first, as in bank_amalgamate.
\set one random(1, :purses)
\set two random(1, :purses)
\set low least(:one, :two)
\set high greatest(:one, :two)
\set amount random(-20, 20)
BEGIN;
SELECT balance AS low_balance FROM purse WHERE id = :low \gset
SELECT balance AS high_balance FROM purse WHERE id = :high \gset
\if :low_balance >= :amount and :high_balance + :amount >= 0
UPDATE purse SET balance = balance - :amount WHERE id = :low;
UPDATE purse SET balance = balance + :amount WHERE id = :high;
\endif
END;
