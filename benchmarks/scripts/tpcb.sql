\set account random(1, 100000)
\set teller random(1, 10 * :branches)
\set branch random(1, :branches)
\set delta random(-5000, 5000)
BEGIN;
UPDATE tpcb_account SET balance = balance + :delta WHERE id = :account;
SELECT balance FROM tpcb_account WHERE id = :account;
UPDATE tpcb_teller SET balance = balance + :delta WHERE id = :teller;
UPDATE tpcb_branch SET balance = balance + :delta WHERE id = :branch;
INSERT INTO tpcb_history (teller, branch, account, delta, happened)
    VALUES (:teller, :branch, :account, :delta, CURRENT_TIMESTAMP);
END;
