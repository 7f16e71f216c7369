\set customer random(1, :customers)
\set amount random(1, 20)
BEGIN;
UPDATE checking SET balance = balance + :amount WHERE customer = :customer;
INSERT INTO bank_entry (customer, change) VALUES (:customer, :amount);
END;
