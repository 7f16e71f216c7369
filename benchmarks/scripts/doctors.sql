-- Of two doctors one must stay on call.  Who sees two leaves, who sees one calls the other back; who sees none
-- writes it down.
\set shift random(1, :shifts)
\set person random(0, 1)
BEGIN;
SELECT count(*) AS present FROM doctor WHERE shift = :shift AND on_call = 1 \gset
\if :present > 1
UPDATE doctor SET on_call = 0 WHERE shift = :shift AND person = :person;
\elif :present = 1
UPDATE doctor SET on_call = 1 WHERE shift = :shift AND on_call = 0;
\else
INSERT INTO doctor_gap (shift) VALUES (:shift);
UPDATE doctor SET on_call = 1 WHERE shift = :shift;
\endif
END;
