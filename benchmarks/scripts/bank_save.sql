-- Into or out of the savings; out of them only what both balances together hold.
\set customer random(1, :customers)
\set amount random(-25, 25)
BEGIN;
SELECT balance AS saved FROM saving WHERE customer = :customer \gset
SELECT balance AS checked FROM checking WHERE customer = :customer \gset
\if :amount > 0 or :saved + :checked + :amount >= 0
UPDATE saving SET balance = balance + :amount WHERE customer = :customer;
INSERT INTO bank_entry (customer, change) VALUES (:customer, :amount);
\elif :saved + :checked < 0
INSERT INTO bank_overdraft (customer) VALUES (:customer);
\endif
END;
