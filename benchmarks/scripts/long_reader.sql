-- Three scans over all rows, 20 ms apart.  Transfers keep the sum, so a scan that sees another sum saw half of one.
BEGIN;
SELECT sum(balance)::bigint AS total, sum(balance * id)::bigint AS weighted FROM purse \gset first_
\sleep 20 ms
SELECT sum(balance)::bigint AS total, sum(balance * id)::bigint AS weighted FROM purse \gset second_
\sleep 20 ms
SELECT sum(balance)::bigint AS total, sum(balance * id)::bigint AS weighted FROM purse \gset third_
END;
\if :first_total <> :expected or :second_total <> :expected or :third_total <> :expected
BEGIN READ WRITE;
INSERT INTO purse_finding (kind) VALUES ('torn');
END;
\endif
\if :first_weighted <> :second_weighted or :second_weighted <> :third_weighted
BEGIN READ WRITE;
INSERT INTO purse_finding (kind) VALUES ('changed');
END;
\endif
