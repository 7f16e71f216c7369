"""Repositories over an ORM's models, each of whose methods joins the transaction that surrounds it, or makes its own.

    class Users(Repository[User]):
        pass

    users = Users(factory)
    ada = users.create(name="ada")             its own transaction, committed
    with factory.transaction_scope():          a service: all or nothing
        users.update(ada.id, name="Ada")
        users.delete(7)

A method that joins is a nested block: if it fails and the exception is caught, what the others have done stays.
Objects may be used after the transaction, with what was loaded of them.

Generated from aio/repositories.py by driver/unasync.py: change that one.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar, cast

from sqlalchemy import ColumnElement, Select, func, inspect, select
from sqlalchemy.orm import Mapper, Session
from sqlalchemy.orm.interfaces import ORMOption

from skerry.flow.session_factory import SessionFactory, SessionScope
from skerry_engine.errors import InterfaceError

M = TypeVar("M")
Order = Any
"""What rows are ordered by: the name of an attribute, with `-` before it for descending, or an expression."""
_SEVERAL = (tuple, list)


class Repository(Generic[M]):
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

    def __init__(self, factory: SessionFactory) -> None:
        """Raises InterfaceError where the model is missing, or none of SQLAlchemy's."""
        self.factory = factory
        model = getattr(self, "model", None)
        mapper = inspect(model, raiseerr=False)
        if not isinstance(mapper, Mapper):
            raise InterfaceError(
                f"{type(self).__name__} needs a model: class {type(self).__name__}(Repository[Model])"
            )
        self._mapper: Mapper[M] = mapper

    @property
    def session(self) -> Session:
        """The session of the transaction that surrounds this.  Raises InterfaceError outside any."""
        return self.factory.session

    def transaction_scope(self) -> SessionScope:
        """A block that joins the transaction that surrounds it, or is one, for methods of your own."""
        return self.factory.transaction_scope()

    # --- one object -------------------------------------

    def create(self, **values: Any) -> M:
        """A new object, inserted: with its identity and what the database gave it.

        Raises TypeError for an unknown attribute, and what SQLAlchemy raises (IntegrityError, ...).
        """
        made = self._model(**values)
        with self.transaction_scope() as session:
            session.add(made)
            self._written(session, made)
        return made

    def create_many(self, rows: Iterable[Mapping[str, Any]]) -> Sequence[M]:
        """New objects, all or none of them."""
        made = [self._model(**values) for values in rows]
        with self.transaction_scope() as session:
            session.add_all(made)
            session.flush()
        return made

    def get(self, id: Any, *, options: Sequence[ORMOption] = ()) -> M | None:
        """The object of an identity, or None.  That of several columns is a tuple, or a mapping of their names.

        `options` are SQLAlchemy's, such as `selectinload(User.orders)`.
        """
        with self.transaction_scope() as session:
            return session.get(self._model, id, options=list(options) or None)

    def update(self, id: Any, /, **values: Any) -> M | None:
        """The object, changed; None where there is none of that identity.

        Raises TypeError for an unknown attribute, and what SQLAlchemy raises.
        """
        self._check_names(values)
        with self.transaction_scope() as session:
            found = session.get(self._model, id)
            if found is None:
                return None
            for name, value in values.items():
                setattr(found, name, value)
            self._written(session, found)
            return found

    def delete(self, id: Any, /) -> bool:
        """Delete the object, and what cascades; whether there was one."""
        with self.transaction_scope() as session:
            found = session.get(self._model, id)
            if found is None:
                return False
            session.delete(found)
            session.flush()
            return True

    # --- many -------------------------------------------

    def list(
        self,
        *,
        limit: int | None = None,
        offset: int | None = None,
        order_by: Order = None,
        options: Sequence[ORMOption] = (),
    ) -> Sequence[M]:
        """All objects, or `limit` of them; in the order of their identities, if no other is asked for."""
        return self.filter(limit=limit, offset=offset, order_by=order_by, options=options)

    def filter(
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
        with self.transaction_scope() as session:
            return (session.scalars(query)).unique().all()

    def count(self, *criteria: ColumnElement[bool], **equal: Any) -> int:
        """How many objects `filter` would give."""
        query = self._where(select(func.count()).select_from(self._model), criteria, equal)
        with self.transaction_scope() as session:
            return cast("int", (session.execute(query)).scalar_one())

    def exists(self, *criteria: ColumnElement[bool], **equal: Any) -> bool:
        """Whether `filter` would give any."""
        query = self._where(select(self._mapper.primary_key[0]).select_from(self._model), criteria, equal)
        with self.transaction_scope() as session:
            return (session.execute(query.limit(1))).first() is not None

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

    def _written(self, session: Session, made: M) -> None:
        """Flush, and load what the database has computed, so that it is there after the transaction."""
        session.flush()
        computed = inspect(made, raiseerr=True).expired_attributes.intersection(
            self._mapper.column_attrs.keys()
        )
        if computed:
            session.refresh(made, sorted(computed))
