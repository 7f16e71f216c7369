"""Functions of boolean."""

from __future__ import annotations

from skerry_engine.functions.comparisons import define_comparisons
from skerry_engine.functions.registry import define

define_comparisons("bool")
define("booltext", template="'true' if {0} else 'false'")
define("bool_int4", template="1 if {0} else 0")
define("int4_bool", template="{0} != 0")
define("btboolcmp", template="({0} > {1}) - ({0} < {1})")
define("booland_statefunc", template="{0} and {1}")
define("boolor_statefunc", template="{0} or {1}")
