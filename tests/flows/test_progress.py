"""`each` tells how far it is: to a function, or with a bar."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from types import ModuleType
from typing import Any

import pytest

from skerry import InterfaceError
from skerry.flow import FlowError, each, flow, stage


class Bar:
    """Stands in for tqdm's, and remembers what it was told."""

    made: list[Bar]

    def __init__(self, total: int | None, desc: str, unit: str) -> None:
        self.total, self.desc, self.n, self.is_closed = total, desc, 0, False
        self.made.append(self)

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *exception: object) -> None:
        self.is_closed = True

    def update(self, count: int) -> None:
        self.n += count


@pytest.fixture
def bars(monkeypatch: pytest.MonkeyPatch) -> list[Bar]:
    Bar.made = []
    module: Any = ModuleType("tqdm.auto")
    module.tqdm = Bar
    monkeypatch.setitem(sys.modules, "tqdm", ModuleType("tqdm"))
    monkeypatch.setitem(sys.modules, "tqdm.auto", module)
    return Bar.made


@stage(tx=True)
def load(number: int) -> None:
    if number == 7:
        raise ValueError(number)


def test_a_function_gets_the_count() -> None:
    counts: list[int] = []
    assert each("abc", lambda letter: None, progress=counts.append) == 3
    assert counts == [1, 2, 3]


def test_a_bar_with_the_total_if_rows_have_a_length(bars: list[Bar]) -> None:
    each(range(4), load, progress=True)
    each(iter(range(3)), load, progress=True)
    each(range(2), load, progress=False)
    assert [(bar.total, bar.desc, bar.n, bar.is_closed) for bar in bars] == [
        (4, "load", 4, True),
        (None, "load", 3, True),
    ]


def test_a_bar_is_closed_by_a_failure(bars: list[Bar]) -> None:
    with pytest.raises(FlowError):
        each(range(9), load, progress=True)
    assert [(bar.n, bar.is_closed) for bar in bars] == [(7, True)]


def test_in_asyncio(bars: list[Bar]) -> None:
    async def rows() -> AsyncIterator[int]:
        for number in range(3):
            yield number

    @stage
    async def look(number: int) -> None:
        pass

    async def main() -> int:
        return await each(rows(), look, progress=True)

    assert asyncio.run(main()) == 3
    assert [(bar.total, bar.desc, bar.n, bar.is_closed) for bar in bars] == [(None, "look", 3, True)]


def test_without_tqdm_a_bar_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(InterfaceError, match=r"needs tqdm: pip install 'skerry\[progress\]'"):
        each(range(3), load, progress=True)


def test_what_is_neither_is_refused() -> None:
    with pytest.raises(InterfaceError, match="progress is True, or a function"):
        each(range(3), load, progress="yes")  # type: ignore[call-overload]


def test_with_tqdm_itself(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    each(range(3), load, progress=True)
    assert "3/3" in capsys.readouterr().err


def test_stages_that_are_methods_and_flows_may_be_asyncio_s() -> None:
    class Loader:
        def __init__(self) -> None:
            self.seen: list[int] = []

        @stage
        async def look(self, number: int) -> None:
            self.seen.append(number)

        @flow()
        async def look_twice(self, number: int) -> None:
            await self.look(number)
            await self.look(number)

    async def main() -> Loader:
        loader = Loader()
        assert await each([1, 2], loader.look) == 2
        assert await each([3], loader.look_twice) == 1
        return loader

    assert asyncio.run(main()).seen == [1, 2, 3, 3]
