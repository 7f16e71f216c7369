"""Repositories over an ORM's models, each of whose methods joins the transaction that surrounds it, or makes its own.

    class Users(AsyncRepository[User]):
        pass

    users = Users(factory)
    ada = await users.create(name="ada")             its own transaction, committed
    async with factory.transaction_scope():          a service: all or nothing
        await users.update(ada.id, name="Ada")
        await users.delete(7)

A method that joins is a nested block: if it fails and the exception is caught, what the others have done stays.
Objects may be used after the transaction, with what was loaded of them.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar, cast

from sqlalchemy import ColumnElement, Select, func, inspect, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapper
from sqlalchemy.orm.interfaces import ORMOption

from skerry.flow.aio.session_factory import AsyncSessionFactory, AsyncSessionScope
from skerry_engine.errors import InterfaceError

M = TypeVar("M")
Order = Any
"""What rows are ordered by: the name of an attribute, with `-` before it for descending, or an expression."""
_SEVERAL = (tuple, list)


class AsyncRepository(Generic[M]):
    """See the module.  The model is what stands in brackets, or `model` says it."""

    model: ClassVar[type[Any]]

    def __init_subclass__(cls, **options: object) -> None:
        super().__init_subclass__(**options)
        if "model" in cls.__dict__:
            return
        for base in getattr(cls, "__orig_bases__", ()):
            found = typing.get_args(base)
            if found and isinstance(found[0], type):
                cls.model = found[0]

    def __init__(self, factory: AsyncSessionFactory) -> None:
        """Raises InterfaceError where the model is missing, or none of SQLAlchemy's."""
        self.factory = factory
        model = getattr(self, "model", None)
        mapper = inspect(model, raiseerr=False)
        if not isinstance(mapper, Mapper):
            raise InterfaceError(
                f"{type(self).__name__} needs a model: class {type(self).__name__}(AsyncRepository[Model])"
            )
        self._mapper: Mapper[M] = mapper

    @property
    def session(self) -> AsyncSession:
        """The session of the transaction that surrounds this.  Raises InterfaceError outside any."""
        return self.factory.session

    def transaction_scope(self) -> AsyncSessionScope:
        """A block that joins the transaction that surrounds it, or is one, for methods of your own."""
        return self.factory.transaction_scope()

    # --- one object -------------------------------------

    async def create(self, **values: Any) -> M:
        """A new object, inserted: with its identity and what the database gave it.

        Raises TypeError for an unknown attribute, and what SQLAlchemy raises (IntegrityError, ...).
        """
        made = self._model(**values)
        async with self.transaction_scope() as session:
            session.add(made)
            await self._written(session, made)
        return made

    async def create_many(self, rows: Iterable[Mapping[str, Any]]) -> Sequence[M]:
        """New objects, all or none of them."""
        made = [self._model(**values) for values in rows]
        async with self.transaction_scope() as session:
            session.add_all(made)
            await session.flush()
        return made

    async def get(self, id: Any, *, options: Sequence[ORMOption] = ()) -> M | None:
        """The object of an identity, or None.  That of several columns is a tuple, or a mapping of their names.

        `options` are SQLAlchemy's, such as `selectinload(User.orders)`.
        """
        async with self.transaction_scope() as session:
            return await session.get(self._model, id, options=list(options) or None)

    async def update(self, id: Any, /, **values: Any) -> M | None:
        """The object, changed; None where there is none of that identity.

        Raises TypeError for an unknown attribute, and what SQLAlchemy raises.
        """
        self._check_names(values)
        async with self.transaction_scope() as session:
            found = await session.get(self._model, id)
            if found is None:
                return None
            for name, value in values.items():
                setattr(found, name, value)
            await self._written(session, found)
            return found

    async def delete(self, id: Any, /) -> bool:
        """Delete the object, and what cascades; whether there was one."""
        async with self.transaction_scope() as session:
            found = await session.get(self._model, id)
            if found is None:
                return False
            await session.delete(found)
            await session.flush()
            return True

    # --- many -------------------------------------------

    async def list(
        self,
        *,
        limit: int | None = None,
        offset: int | None = None,
        order_by: Order = None,
        options: Sequence[ORMOption] = (),
    ) -> Sequence[M]:
        """All objects, or `limit` of them; in the order of their identities, if no other is asked for."""
        return await self.filter(limit=limit, offset=offset, order_by=order_by, options=options)

    async def filter(
        self,
        *criteria: ColumnElement[bool],
        limit: int | None = None,
        offset: int | None = None,
        order_by: Order = None,
        options: Sequence[ORMOption] = (),
        **equal: Any,
    ) -> Sequence[M]:
        """The objects for which all criteria hold, and whose attributes equal these values (None: are null)."""
        query = self._where(select(self._model), criteria, equal).options(*options)
        query = query.order_by(*self._order(order_by)).limit(limit).offset(offset)
        async with self.transaction_scope() as session:
            return (await session.scalars(query)).unique().all()

    async def count(self, *criteria: ColumnElement[bool], **equal: Any) -> int:
        """How many objects `filter` would give."""
        query = self._where(select(func.count()).select_from(self._model), criteria, equal)
        async with self.transaction_scope() as session:
            return cast("int", (await session.execute(query)).scalar_one())

    async def exists(self, *criteria: ColumnElement[bool], **equal: Any) -> bool:
        """Whether `filter` would give any."""
        query = self._where(select(self._mapper.primary_key[0]).select_from(self._model), criteria, equal)
        async with self.transaction_scope() as session:
            return (await session.execute(query.limit(1))).first() is not None

    # --- what they are made of --------------------------

    @property
    def _model(self) -> type[M]:
        return self._mapper.class_

    def _check_names(self, values: Mapping[str, Any]) -> None:
        for name in values:
            if not hasattr(self._model, name):
                raise TypeError(f"{name!r} is no attribute of {self._model.__name__}")

    def _where(
        self, query: Select[Any], criteria: Sequence[ColumnElement[bool]], equal: Mapping[str, Any]
    ) -> Select[Any]:
        self._check_names(equal)
        return query.where(*criteria, *(getattr(self._model, name) == value for name, value in equal.items()))

    def _order(self, order_by: Order) -> Sequence[Any]:
        if order_by is None:
            return self._mapper.primary_key
        several = order_by if isinstance(order_by, _SEVERAL) else [order_by]
        return [self._ordered(each) if isinstance(each, str) else each for each in several]

    def _ordered(self, text: str) -> Any:
        name = text.removeprefix("-")
        self._check_names({name: None})
        column = getattr(self._model, name)
        return column.desc() if text.startswith("-") else column

    async def _written(self, session: AsyncSession, made: M) -> None:
        """Flush, and load what the database has computed, so that it is there after the transaction."""
        await session.flush()
        computed = inspect(made, raiseerr=True).expired_attributes.intersection(
            self._mapper.column_attrs.keys()
        )
        if computed:
            await session.refresh(made, sorted(computed))
