\set customer random(1, :customers)
BEGIN;
SELECT balance FROM saving WHERE customer = :customer;
SELECT balance FROM checking WHERE customer = :customer;
END;
