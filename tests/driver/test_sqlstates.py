"""From a SQLSTATE back to a class: what travels over the network arrives as what was raised."""

from __future__ import annotations

from skerry.sqlstates import error_class
from skerry_engine import errors


def test_a_sqlstate_means_the_most_general_of_its_classes() -> None:
    every = [
        cls
        for cls in vars(errors).values()
        if isinstance(cls, type) and issubclass(cls, errors.DatabaseError)
    ]
    for cls in set(every) - {errors.DatabaseError}:
        found = error_class(cls.sqlstate, cls.code)
        assert found.sqlstate == cls.sqlstate
        assert len(found.__mro__) <= len(cls.__mro__), (cls, found)
    assert error_class("0A000") is errors.NotSupportedError
    assert error_class("72000") is errors.HistoryNotRetained
