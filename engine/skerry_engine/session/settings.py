"""A session's settings (PostgreSQL's GUC variables) and how transactions undo them.

Three layers, the first that knows a name wins:

    local      SET LOCAL: until the transaction ends
    session    SET: until changed again; undone when the transaction (or savepoint) that set it rolls back
    reset      what the session began with: start-up options over database settings over defaults

Every change inside a transaction leaves a journal entry (layer, name, what stood there before); rolling
back to a mark unwinds the journal, committing forgets it and drops the local layer.

Not here: what a change does.  The session looks at `version`, which grows with every change, and at
`take_reports`, which says which ParameterStatus messages are due.  Role changes are statements of their own
(`SetRole`); the session shows them with `force`.  The current transaction's own modes
(`TRANSACTION_MODES`) are not kept here at all: the session is asked for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from skerry_engine.catalog.system.context import SettingInfo
from skerry_engine.errors import (
    CantChangeRuntimeParameter,
    NotSupportedError,
    ReadOnlyViolation,
    UndefinedObject,
)
from skerry_engine.session.setting_table import SETTINGS, SettingDefinition
from skerry_engine.session.setting_values import (
    SettingValue,
    check_custom_name,
    join_values,
    print_base_value,
    print_value,
    read_date_style,
    read_value,
    split_identifiers,
)

_MISSING: Final = object()
READ_ONLY: Final = "skerry.read_only"
"""The setting of a session that may only read: no other setting and no statement can change that."""

TRANSACTION_MODES: Final = ("transaction_isolation", "transaction_read_only", "transaction_deferrable")
RETENTION: Final = "skerry.retention"
RETENTION_BYTES: Final = "skerry.retention_bytes"
_SHOWN: Final = frozenset((*TRANSACTION_MODES, RETENTION, RETENTION_BYTES, "is_superuser"))
_OWN_STATEMENTS: Final = frozenset((*TRANSACTION_MODES, "role", "session_authorization"))
_REFUSALS: Final = {
    "internal": "cannot be changed",
    "postmaster": "cannot be changed without restarting the server",
    "sighup": "cannot be changed now",
    "backend": "cannot be set after connection start",
}


_REPORTED: Final = tuple(d.name for d in SETTINGS.values() if d.reported)


class Settings:
    """The settings of one session.  Names are taken in any case."""

    def __init__(self, initial: Mapping[str, str] | None = None) -> None:
        """`initial`: start-up options and the like, by name.

        Raises as `set` does for what is unknown or malformed, ReadOnlyViolation for a read-only session that is
        to write.
        """
        self._reset: dict[str, SettingValue] = {}
        self._session: dict[str, SettingValue] = {}
        self._local: dict[str, SettingValue] = {}
        self._journal: list[tuple[dict[str, SettingValue], str, object]] = []
        self._reported: dict[str, str] = {}
        self._search_path: tuple[str, tuple[str, ...]] = ("", ())  # the text last read, and its schemas
        self._show_mode: Callable[[str], SettingValue] | None = None
        self.version = 0
        for name, value in sorted((initial or {}).items(), key=_read_only_first):
            key = self._settable(name, at_start=True)
            self._reset[key] = self._read(key, value.strip("'") if key == "client_encoding" else value, name)
            if key == READ_ONLY and self._reset[key]:
                self._reset["default_transaction_read_only"] = True
        self.take_reports()

    # --- reading ----------------------------------------------------------------------------------

    def value(self, name: str) -> SettingValue:
        """The typed value: bool, int in the base unit (ms, kB), float or str.  Raises UndefinedObject."""
        key = name.lower()
        if self._show_mode is not None and key in _SHOWN:
            return self._show_mode(key)
        for layer in (self._local, self._session, self._reset):
            found = layer.get(key, _MISSING)
            if found is not _MISSING:
                return found  # type: ignore[return-value]
        return self._default(key, name)

    def get(self, name: str) -> str:
        """A setting as SHOW prints it.  Raises UndefinedObject."""
        value = self.value(name)
        definition = SETTINGS.get(name.lower())
        return str(value) if definition is None else print_value(definition, value)

    def get_or_none(self, name: str) -> str | None:
        """The same, None for a setting that does not exist: current_setting(name, true)."""
        try:
            return self.get(name)
        except UndefinedObject:
            return None

    def canonical_name(self, name: str) -> str:
        """The name in its own case: what SHOW heads its column with."""
        definition = SETTINGS.get(name.lower())
        return name if definition is None else definition.name

    def integer(self, name: str) -> int:
        """An integer setting in its base unit."""
        value = self.value(name)
        assert isinstance(value, int)
        return value

    def flag(self, name: str) -> bool:
        """A Boolean setting."""
        return self.value(name) is True

    def text(self, name: str) -> str:
        """A string or enum setting."""
        value = self.value(name)
        assert isinstance(value, str)
        return value

    def show_modes_by(self, show_mode: Callable[[str], SettingValue]) -> None:
        """Ask `show_mode` for the values of TRANSACTION_MODES, and of what belongs to the engine."""
        self._show_mode = show_mode

    def read_mode(self, name: str, values: tuple[str, ...] | None) -> SettingValue:
        """The value that SET gives one of TRANSACTION_MODES; None stands for DEFAULT.

        Raises InvalidParameterValue.
        """
        key = name.lower()
        if values is None:
            return self._default(key, name)
        return self._read(key, join_values(SETTINGS[key], values, name), name)

    def search_path(self) -> tuple[str, ...]:
        """The schemas named by search_path, `$user` as it stands."""
        text = self.text("search_path")
        if text != self._search_path[0]:
            self._search_path = (text, split_identifiers("search_path", text))
        return self._search_path[1]

    # --- changing ---------------------------------------------------------------------------------

    def set(self, name: str, values: tuple[str, ...] | None, is_local: bool = False) -> None:
        """SET name TO values, or TO DEFAULT (None).

        Raises UndefinedObject for an unknown name, InvalidParameterValue for a bad value,
        CantChangeRuntimeParameter for what a session may not set, NotSupportedError for values that Skerry
        refuses.
        """
        key = self._settable(name)
        if values is None:
            self._store(key, self._reset_value(key, name), is_local)
            return
        definition = SETTINGS.get(key)
        text = ", ".join(values) if definition is None else join_values(definition, values, name)
        self._store(key, self._read(key, text, name), is_local)

    def kept_text(self, name: str, values: tuple[str, ...]) -> str:
        """SET's values as one text, as it is kept to be set again at the start of sessions."""
        definition = SETTINGS.get(name.lower())
        return ", ".join(values) if definition is None else join_values(definition, values, name)

    def set_config(self, name: str, value: str | None, is_local: bool) -> str:
        """set_config(): one text, read as it stands.

        Gives the new value as SHOW prints it.  Raises as `set` does.
        """
        key = self._settable(name)
        new = self._reset_value(key, name) if value is None else self._read(key, value, name)
        self._store(key, new, is_local)
        return self.get(name)

    def reset(self, name: str | None) -> None:
        """RESET name, or RESET ALL (None).  Raises as `set` does."""
        if name is not None:
            self.set(name, None)
            return
        for key in [*self._session, *self._local]:
            if key not in _OWN_STATEMENTS and (key in SETTINGS or key in self._reset):
                self._store(key, self._reset_value(key, key), False)
            elif key not in _OWN_STATEMENTS:
                self._store(key, "", False)

    def force(self, name: str, value: SettingValue) -> None:
        """Show a value that the session decides itself (role, is_superuser).

        Outside the journal.
        """
        key = name.lower()
        if self._session.get(key) != value:
            self._session[key] = value
            self.version += 1

    def store_own(self, name: str, value: SettingValue, is_local: bool) -> None:
        """Set what has a statement of its own (role, session_authorization), once that has checked it."""
        self._store(name, value, is_local)

    # --- transactions -----------------------------------------------------------------------------

    def mark(self) -> int:
        """A place in the journal: take it where a transaction or savepoint begins."""
        return len(self._journal)

    def rollback_to(self, mark: int) -> None:
        """Undo every change since `mark`."""
        while len(self._journal) > mark:
            layer, key, before = self._journal.pop()
            if before is _MISSING:
                layer.pop(key, None)
            else:
                layer[key] = before  # type: ignore[assignment]
            self.version += 1

    def commit(self) -> None:
        """The transaction committed: SET stays, SET LOCAL goes."""
        if self._local:
            self._local.clear()
            self.version += 1
        self._journal.clear()

    def rollback(self) -> None:
        """The transaction rolled back: both go."""
        self.rollback_to(0)
        self.commit()

    # --- reporting --------------------------------------------------------------------------------

    def reported(self) -> dict[str, str]:
        """The settings that a client hears of, with their values: ParameterStatus at start-up."""
        return {name: self.get(name) for name in _REPORTED}

    def take_reports(self) -> list[tuple[str, str]]:
        """The reported settings that changed since this was last called."""
        now = self.reported()
        changed = [(name, value) for name, value in now.items() if self._reported.get(name) != value]
        self._reported = now
        return changed

    def show_all(self) -> list[tuple[str, str, str]]:
        """SHOW ALL: (name, value, description), by name."""
        return [(d.name, self.get(d.name), d.description) for d in sorted(SETTINGS.values(), key=_by_name)]

    def infos(self) -> list[SettingInfo]:
        """The rows of pg_settings."""
        rows = [self._info(definition) for definition in sorted(SETTINGS.values(), key=_by_name)]
        for key in sorted({*self._session, *self._local, *self._reset} - set(SETTINGS)):
            rows.append(SettingInfo(key, self.get(key), category="Customized Options", source="session"))
        return rows

    # --- inside -----------------------------------------------------------------------------------

    def _info(self, definition: SettingDefinition) -> SettingInfo:
        key = definition.name.lower()
        value = self.value(key)
        is_number = definition.kind in ("integer", "real")
        return SettingInfo(
            definition.name,
            print_base_value(value),
            definition.unit or None,
            definition.category,
            definition.description,
            definition.context,
            definition.kind,
            self._source(key),
            print_base_value(_bound(definition, definition.minimum)) if is_number else None,
            print_base_value(_bound(definition, definition.maximum)) if is_number else None,
            definition.choices or None,
            print_base_value(self._default(key, key)),
            print_base_value(self._reset.get(key, self._default(key, key))),
        )

    def _source(self, key: str) -> str:
        if key in TRANSACTION_MODES:
            return "override"
        if key in self._local or key in self._session:
            return "session"
        return "client" if key in self._reset else "default"

    def _settable(self, name: str, at_start: bool = False) -> str:
        """The key of a setting that a session may set (now, or when it begins)."""
        key = name.lower()
        definition = SETTINGS.get(key)
        if definition is None:
            if "." not in name:
                raise UndefinedObject(f'unrecognized configuration parameter "{name}"')
            check_custom_name(name)
            return key
        if definition.context in _REFUSALS and not (at_start and definition.context == "backend"):
            raise CantChangeRuntimeParameter(f'parameter "{name}" {_REFUSALS[definition.context]}')
        if key in _OWN_STATEMENTS:
            raise NotSupportedError(
                f'setting "{definition.name}" other than by its own statement is not supported'
            )
        return key

    def _read(self, key: str, text: str, name: str) -> SettingValue:
        definition = SETTINGS.get(key)
        if definition is None:
            return text
        if key == "datestyle":
            return read_date_style(text, self.text("datestyle"))
        value = read_value(definition, text, name)
        if key == "default_transaction_read_only" and not value and self.flag(READ_ONLY):
            raise read_write_refused()
        return value

    def _store(self, key: str, value: SettingValue, is_local: bool) -> None:
        if not is_local and key in self._local:
            self._journal.append((self._local, key, self._local.pop(key)))
        layer = self._local if is_local else self._session
        self._journal.append((layer, key, layer.get(key, _MISSING)))
        layer[key] = value
        self.version += 1

    def _reset_value(self, key: str, name: str) -> SettingValue:
        found = self._reset.get(key)
        if found is not None:
            return found
        return "" if key not in SETTINGS else self._default(key, name)

    def _default(self, key: str, name: str) -> SettingValue:
        value = _DEFAULTS.get(key)
        if value is None:
            raise UndefinedObject(f'unrecognized configuration parameter "{name}"')
        return value


def read_retention(retention: str | None, limit: str | None) -> tuple[int | None, int | None]:
    """Retention and its limit in the words of settings ('1h', '64MB'), as seconds and bytes.

    Raises InvalidParameterValue.
    """
    seconds = None if retention is None else read_value(SETTINGS[RETENTION], retention, RETENTION)
    kilobytes = None if limit is None else read_value(SETTINGS[RETENTION_BYTES], limit, RETENTION_BYTES)
    assert seconds is None or isinstance(seconds, int)
    assert kilobytes is None or isinstance(kilobytes, int)
    return seconds, None if kilobytes is None else kilobytes * 1024


def read_write_refused() -> ReadOnlyViolation:
    """The error for a read-only session that is to write."""
    return ReadOnlyViolation(
        "cannot set transaction read-write mode in a read-only session",
        hint="The server, or this session, was opened for reading only.",
    )


def _read_only_first(item: tuple[str, str]) -> bool:
    return item[0].lower() != READ_ONLY


def _bound(definition: SettingDefinition, bound: float) -> SettingValue:
    return int(bound) if definition.kind == "integer" else bound


def _by_name(definition: SettingDefinition) -> str:
    return definition.name.lower()


def _read_default(definition: SettingDefinition) -> SettingValue:
    if definition.context == "postmaster" or definition.name == "DateStyle":
        return int(definition.default) if definition.kind == "integer" else definition.default
    return read_value(definition, definition.default, definition.name)


_DEFAULTS: Final[dict[str, SettingValue]] = {
    key: _read_default(definition) for key, definition in SETTINGS.items()
}
