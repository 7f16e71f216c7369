-- A cheque is paid if both balances together hold its amount.  Who sees them below 0 writes it down.
\set customer random(1, :customers)
\set amount random(1, 50)
BEGIN;
SELECT balance AS saved FROM saving WHERE customer = :customer \gset
SELECT balance AS checked FROM checking WHERE customer = :customer \gset
\if :saved + :checked >= :amount
UPDATE checking SET balance = balance - :amount WHERE customer = :customer;
INSERT INTO bank_entry (customer, change) VALUES (:customer, 0 - :amount);
\elif :saved + :checked < 0
INSERT INTO bank_overdraft (customer) VALUES (:customer);
\endif
END;
