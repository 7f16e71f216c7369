"""Flows and stages as users write them: decorated functions, blocking or asyncio, with plain loops and conditions.

@stage(tx=True, on_error=handler)           transactional
def load(row): db.execute("INSERT ...", row)

@stage                                      not transactional: commits what is open, then runs
def check(): ...

@flow(db)
def imp(rows):
    for i, row in enumerate(rows):
        load(row)
        if (i + 1) % 5 == 0: check()
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable
from dataclasses import replace
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    NamedTuple,
    ParamSpec,
    TextIO,
    TypeVar,
    cast,
    overload,
)

from skerry.flow import run as blocking
from skerry.flow.aio import run as aio
from skerry.flow.definitions import FlowSpec, Handler, StageSpec
from skerry.flow.modes import modes_of
from skerry.flow.progress import Progress
from skerry.flow.progress import check as check_progress
from skerry.flow.report import RunReport
from skerry.isolation import milliseconds
from skerry_engine.errors import InterfaceError

if TYPE_CHECKING:
    from skerry.flow.outline import Outline
    from skerry.flow.svg import Drawing

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
T = TypeVar("T")


class FlowRun(NamedTuple, Generic[R]):
    """What a run of a flow gave, and what it did."""

    value: R
    report: RunReport


class Stage(Generic[P, R]):
    """A function that is a stage; called like the function."""

    def __init__(self, spec: StageSpec) -> None:
        self.spec = spec
        self.is_async = inspect.iscoroutinefunction(spec.function)
        spec.caller.append(self)
        functools.update_wrapper(self, spec.function)

    @property
    def tx(self) -> bool:
        """Whether it is transactional."""
        return self.spec.tx

    @property
    def name(self) -> str:
        """What reports and errors call it."""
        return self.spec.name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if self.is_async:
            return cast("R", aio.call_stage(self.spec, args, kwargs))
        return cast("R", blocking.call_stage(self.spec, args, kwargs))

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Stage[P, R]: ...

    @overload
    def __get__(
        self: Stage[Concatenate[Any, Q], R], instance: object, owner: type | None = None
    ) -> Stage[Q, R]: ...

    def __get__(self, instance: object, owner: type | None = None) -> Stage[Any, R]:
        """A stage that is a method."""
        if instance is None:
            return self
        bound: Stage[Any, R] = Stage.__new__(Stage)
        function = functools.partial(self.spec.function, instance)
        bound.spec = replace(self.spec, function=function, caller=[bound])
        bound.is_async = self.is_async
        return bound

    def marked(self, tx: bool) -> Stage[P, R]:
        """The same stage, transactional or not."""
        return Stage(self.spec.marked(tx))

    def __repr__(self) -> str:
        return f"<stage {self.name}{', transactional' if self.tx else ''}>"


class Flow(Generic[P, R]):
    """A function that is a flow; called like the function.  `run` also tells what it did, `explain` what it will do."""

    _owner: type | None = None

    def __init__(self, spec: FlowSpec) -> None:
        self.spec = spec
        self.is_async = inspect.iscoroutinefunction(spec.function)
        functools.update_wrapper(self, spec.function)

    @property
    def name(self) -> str:
        """What reports and errors call it."""
        return self.spec.name

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        if self.is_async:
            return cast("R", aio.call_flow(self.spec, args, kwargs))
        return cast("R", blocking.call_flow(self.spec, args, kwargs))

    def run(self, *args: P.args, **kwargs: P.kwargs) -> FlowRun[R]:
        """Call a blocking flow; its value and its report.  Raises FlowError as a call does."""
        if self.is_async:
            raise InterfaceError(f"flow {self.name} is `async def`: await its run_async()")
        reports: list[RunReport] = []
        value = blocking.call_flow(self.spec, args, kwargs, reports)
        return FlowRun(cast("R", value), reports[-1])

    def outline(self) -> Outline:
        """What the flow will do, without running it: stages, loops, conditions, what becomes of transactions.

        Raises InterfaceError where its source can't be read.
        """
        from skerry.flow.rule import outline

        return outline(self.spec, self._owner)

    def explain(self, file: TextIO | None = None) -> None:
        """Print the outline, to standard output by default."""
        print(self.outline(), file=file)

    def draw(self, path: str | os.PathLike[str] | None = None) -> Drawing:
        """The outline as a picture, which a notebook shows; written to an SVG file if a path is given."""
        from skerry.flow.drawing import draw_outline

        drawing = draw_outline(self.outline())
        if path is not None:
            drawing.save(path)
        return drawing

    async def run_async(
        self: Flow[P, Coroutine[Any, Any, T]], *args: P.args, **kwargs: P.kwargs
    ) -> FlowRun[T]:
        """As `run`, of an asyncio flow."""
        if not self.is_async:
            raise InterfaceError(f"flow {self.name} is not `async def`: call its run()")
        reports: list[RunReport] = []
        value = await aio.call_flow(self.spec, args, kwargs, reports)
        return FlowRun(cast("T", value), reports[-1])

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner = owner

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Flow[P, R]: ...

    @overload
    def __get__(
        self: Flow[Concatenate[Any, Q], R], instance: object, owner: type | None = None
    ) -> Flow[Q, R]: ...

    def __get__(self, instance: object, owner: type | None = None) -> Flow[Any, R]:
        """A flow that is a method."""
        if instance is None:
            return self
        return Flow(replace(self.spec, function=functools.partial(self.spec.function, instance)))

    def __repr__(self) -> str:
        return f"<flow {self.name}>"


@overload
def stage(function: Callable[P, R], /) -> Stage[P, R]: ...


@overload
def stage(
    *,
    tx: bool = False,
    on_error: Handler | None = None,
    retries: int = 0,
    retry_on: tuple[type[Exception], ...] = (),
    name: str | None = None,
) -> Callable[[Callable[P, R]], Stage[P, R]]: ...


def stage(
    function: Callable[P, R] | None = None,
    /,
    *,
    tx: bool = False,
    on_error: Handler | None = None,
    retries: int = 0,
    retry_on: tuple[type[Exception], ...] = (),
    name: str | None = None,
) -> Stage[P, R] | Callable[[Callable[P, R]], Stage[P, R]]:
    """Make a stage of a function.

    `tx`: its statements belong to the flow's transaction, which begins with the first of them; a stage without commits
    what is open before it runs.  `on_error(error)` is asked when it has failed and what it wrote is undone: true has
    the flow go on (the stage gives None), false stops it.  `retries`: how often it is tried again after an error
    whose `is_retryable` is true, or one of `retry_on`; inside a transaction that others have begun, only after
    errors that are not the database's.
    """

    def make(decorated: Callable[P, R]) -> Stage[P, R]:
        _refuse_generator(decorated)
        _check_retries(retries)
        return Stage(StageSpec(name or decorated.__name__, decorated, tx, on_error, retries, retry_on))

    return make if function is None else make(function)


def flow(
    database: object = None,
    *,
    isolation: str | None = None,
    read_only: bool = False,
    deferrable: bool = False,
    timeout: float | None = None,
    retries: int = 0,
    name: str | None = None,
) -> Callable[[Callable[P, R]], Flow[P, R]]:
    """Make a flow of a function.

    `database` commits last where several take part.  `isolation`, `read_only`, `deferrable` and `timeout` (seconds)
    are those of each transaction that its stages open.  `retries`: how often the whole is run again after a retryable
    error, as long as nothing has been committed.
    """
    if callable(database) and not hasattr(database, "enlist"):
        raise InterfaceError("@flow takes the database: @flow(db), or @flow()")
    modes = modes_of(isolation, read_only, deferrable)
    if timeout is not None:
        milliseconds(timeout)
    _check_retries(retries)
    asks = isolation is not None or read_only or deferrable

    def make(function: Callable[P, R]) -> Flow[P, R]:
        _refuse_generator(function)
        spec = FlowSpec(name or function.__name__, function, database, modes, asks, timeout, retries)
        return Flow(spec)

    return make


@overload
def each(  # type: ignore[overload-overlap]  # whoever gives coroutines awaits what comes
    rows: Iterable[T] | AsyncIterable[T],
    function: Callable[[T], Coroutine[Any, Any, object]],
    *,
    commit_every: int | None = None,
    progress: Progress = None,
) -> Coroutine[Any, Any, int]: ...


@overload
def each(
    rows: Iterable[T],
    function: Callable[[T], object],
    *,
    commit_every: int | None = None,
    progress: Progress = None,
) -> int: ...


def each(
    rows: Iterable[T] | AsyncIterable[T],
    function: Callable[[T], object],
    *,
    commit_every: int | None = None,
    progress: Progress = None,
) -> int | Coroutine[Any, Any, int]:
    """Call a stage for each row; how many there were.  Errors name the row's index.

    `commit_every`: what the flow has open is committed after so many rows; inside a transaction that surrounds the
    flow, that one decides.  `progress=True` shows a bar (tqdm's, an extra); a function is called with the number
    of rows done, after each.  Outside any flow it is one.
    """
    if commit_every is not None and commit_every < 1:
        raise InterfaceError(f"commit_every is a number of rows, not {commit_every!r}")
    check_progress(progress)
    args = (rows, function, commit_every, progress)
    if _is_async(function):
        return cast("Coroutine[Any, Any, int]", aio.call_flow_if_none(FlowSpec("each", aio.call_each), args))
    if isinstance(rows, AsyncIterable):
        raise InterfaceError("rows that come asynchronously need a stage that is `async def`")
    return cast("int", blocking.call_flow_if_none(FlowSpec("each", blocking.call_each), args))


def _is_async(function: Callable[..., object]) -> bool:
    """Whether it has to be awaited: also a stage or a flow that is a method, or of which a part is given."""
    while isinstance(function, functools.partial):
        function = function.func
    owner = getattr(function, "__self__", function)
    if isinstance(owner, Stage | Flow):
        return owner.is_async
    return inspect.iscoroutinefunction(function)


def _refuse_generator(function: Callable[..., object]) -> None:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InterfaceError(
            f"{function.__qualname__} is a generator: an error in the loop that reads it would never reach it"
        )


def _check_retries(retries: int) -> None:
    if retries < 0:
        raise InterfaceError(f"retries is a number of further attempts, not {retries!r}")
