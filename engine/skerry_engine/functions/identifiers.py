"""Functions of the system's own types: tid, xid, xid8, pg_lsn, aclitem.

A tid, as any of them, compares as its atom does; xid has no order.
"""

from __future__ import annotations

from decimal import Decimal

from skerry_engine.errors import NumericValueOutOfRange
from skerry_engine.functions.comparisons import define_comparisons, define_extremes, define_three_way
from skerry_engine.functions.registry import define

define_comparisons("tid")
define_extremes("tidlarger", "tidsmaller")
define_three_way("bttidcmp")
define("cideq", template="{0} == {1}")
define("xideq", template="{0} == {1}")
define("xidneq", template="{0} != {1}")
define("xideqint4", template="{0} == {1}")
define("xidneqint4", template="{0} != {1}")
define_comparisons("xid8")
define_extremes("xid8_larger", "xid8_smaller")
define_three_way("xid8cmp")
define("xid8toxid", template="{0} & 4294967295")
define("aclitem_eq", template="{0} == {1}")


# --- pg_lsn -------------------------------------------------------------------------------------------------


def _position(value: Decimal) -> int:
    if not value.is_finite() or not 0 <= value < 2**64:
        raise NumericValueOutOfRange("pg_lsn out of range")
    return int(value)


define_comparisons("pg_lsn_")
define_extremes("pg_lsn_larger", "pg_lsn_smaller")
define_three_way("pg_lsn_cmp")
define("pg_lsn_mi", template="Decimal({0} - {1})")
define("pg_lsn_pli", lambda position, by: _position(position + by))
define("numeric_pl_pg_lsn_numeric_pg_lsn", lambda by, position: _position(position + by))
define("pg_lsn_mii", lambda position, by: _position(position - by))
define("numeric_pg_lsn", _position)
