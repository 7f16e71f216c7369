"""Statements about the session and its transactions: BEGIN, SET, SHOW, PREPARE, DECLARE, FETCH, LISTEN,
LOCK, ..."""

from __future__ import annotations

from collections.abc import Callable

from skerry_engine.errors import SyntaxError
from skerry_engine.sql import statements as st
from skerry_engine.sql.as_of import KINDS
from skerry_engine.sql.lexer import END, INTEGER, NUMERIC, OPERATOR, QUOTED, STRING, WORD
from skerry_engine.sql.types_syntax import parse_interval_fields, parse_type
from skerry_engine.sql.utility_base import UtilityBase

_ISOLATION_LEVELS = (
    ("read", "uncommitted"),
    ("read", "committed"),
    ("repeatable", "read"),
    ("serializable",),
)
_LOCK_MODES = (
    ("access", "share"),
    ("row", "share"),
    ("row", "exclusive"),
    ("share", "update", "exclusive"),
    ("share", "row", "exclusive"),
    ("share",),
    ("exclusive",),
    ("access", "exclusive"),
)
_EXCLUDING = (("SCROLL", "NO SCROLL"), ("INSENSITIVE", "ASENSITIVE"))
_FIXED_FETCHES = {
    "next": ("forward", 1),
    "prior": ("backward", 1),
    "first": ("absolute", 1),
    "last": ("absolute", -1),
}


class SessionParser(UtilityBase):
    """Reads session statements.  Each method begins behind the statement's first word."""

    def session_readers(self) -> dict[str, Callable[[], st.Statement]]:
        """The readers by first word."""
        return {
            "begin": self.begin,
            "start": self.start_transaction,
            "commit": self.commit,
            "end": self.commit,
            "rollback": self.rollback,
            "abort": self.rollback,
            "savepoint": self.savepoint,
            "release": self.release,
            "set": self.set_statement,
            "reset": self.reset,
            "show": self.show,
            "discard": self.discard,
            "prepare": self.prepare,
            "execute": self.execute,
            "deallocate": self.deallocate,
            "declare": self.declare,
            "fetch": self.fetch,
            "move": self.move,
            "close": self.close,
            "listen": self.listen,
            "unlisten": self.unlisten,
            "notify": self.notify,
            "lock": self.lock,
        }

    # --- transactions -----------------------------------------------------------------------------

    def begin(self) -> st.Statement:
        self.accept_one_of("work", "transaction")
        return st.Begin(self.transaction_modes(), as_of=self.begin_as_of())

    def start_transaction(self) -> st.Statement:
        self.expect_word("transaction")
        return st.Begin(self.transaction_modes(), is_start=True, as_of=self.begin_as_of())

    def begin_as_of(self) -> st.AsOf | None:
        """AS OF EPOCH n or AS OF TIMESTAMP t behind BEGIN's modes, if it is there."""
        position = self.position()
        if not self.accept_phrase("as", "of"):
            return None
        kind = self.accept_one_of(*KINDS)
        if not kind:
            raise self.error()
        return st.AsOf(kind, self.expression(), position)

    def transaction_modes(self) -> st.TransactionModes:
        """Modes separated by commas or nothing, possibly none."""
        isolation: str | None = None
        read_only: bool | None = None
        deferrable: bool | None = None
        while True:
            if self.accept_phrase("isolation", "level"):
                isolation = self.one_of_phrases(_ISOLATION_LEVELS)
            elif self.accept_word("read"):
                access = self.accept_one_of("only", "write")
                if not access:
                    raise self.error()
                read_only = access == "only"
            elif self.accept_phrase("not", "deferrable"):
                deferrable = False
            elif self.accept_word("deferrable"):
                deferrable = True
            else:
                return st.TransactionModes(isolation, read_only, deferrable)
            if self.accept(",") and self.kind() != WORD:
                raise self.error()

    def one_of_phrases(self, phrases: tuple[tuple[str, ...], ...]) -> str:
        """The phrase that follows, as text.  The error is where the longest match fails."""
        longest = 0
        for phrase in phrases:
            if self.accept_words(*phrase):
                return " ".join(phrase)
            matching = 0
            while self.word_at(matching) == phrase[matching]:
                matching += 1
            longest = max(longest, matching)
        raise self.error(self.index + longest)

    def commit(self) -> st.Statement:
        if self.accept_word("prepared"):
            return st.FinishPrepared(self.string(), commit=True)
        self.accept_one_of("work", "transaction")
        return st.Commit(self.chain())

    def rollback(self) -> st.Statement:
        if self.accept_word("prepared"):
            return st.FinishPrepared(self.string(), commit=False)
        self.accept_one_of("work", "transaction")
        if self.accept_word("to"):
            self.accept_word("savepoint")
            return st.RollbackToSavepoint(self.name())
        return st.Rollback(self.chain())

    def chain(self) -> bool:
        if not self.accept_word("and"):
            return False
        negative = self.accept_word("no")
        self.expect_word("chain")
        return not negative

    def savepoint(self) -> st.Statement:
        return st.Savepoint(self.name())

    def release(self) -> st.Statement:
        if self.kinds[self.index + 1 if not self.at_end() else self.index] in (WORD, QUOTED):
            self.accept_word("savepoint")
        return st.ReleaseSavepoint(self.name())

    def lock(self) -> st.Statement:
        self.accept_word("table")
        tables = self.relation_names()
        mode = "access exclusive"
        if self.accept_word("in"):
            mode = self.one_of_phrases(_LOCK_MODES)
            self.expect_word("mode")
        return st.LockTables(tables, mode.upper(), self.accept_word("nowait"))

    # --- settings ---------------------------------------------------------------------------------

    def set_statement(self) -> st.Statement:
        if self.word() == "constraints":
            self.index += 1
            return self.set_constraints()
        scope = ""
        if self.is_scope() and not self.is_assignment(1):
            scope = self.accept_one_of("local", "session")
        if self.word() == "transaction" and self.word_at(1) not in ("to", ""):
            self.index += 1
            return self.set_transaction(False)
        if self.at_words("session", "characteristics"):
            self.index += 2
            self.expect_word("as", "transaction")
            return self.set_transaction(True)
        return self.set_rest(scope == "local")

    def is_scope(self) -> bool:
        """Whether LOCAL or SESSION follows as a scope, not as the beginning of a setting's name."""
        if self.word() == "session":
            return self.word_at(1) not in ("authorization", "characteristics")
        return self.word() == "local"

    def is_assignment(self, ahead: int) -> bool:
        """Whether `=` or TO stands `ahead` tokens further."""
        index = self.index + ahead
        if index >= len(self.kinds):
            raise self.error()
        if self.kinds[index] == OPERATOR and self.values[index] == "=":
            return True
        return self.word_at(ahead) == "to"

    def set_transaction(self, is_session: bool) -> st.Statement:
        if self.word() == "snapshot":
            return self.not_supported("SET TRANSACTION SNAPSHOT")
        if self.kind() == END:
            raise self.error()
        return st.SetTransaction(self.transaction_modes(), is_session)

    def set_constraints(self) -> st.Statement:
        names: tuple[st.ObjectName, ...] = ()
        if not self.accept_word("all"):
            names = self.object_names()
        which = self.accept_one_of("deferred", "immediate")
        if not which:
            raise self.error()
        return st.SetConstraints(names, which == "deferred")

    def set_rest(self, is_local: bool) -> st.Statement:
        """A setting and its value; the scope has been read."""
        if not self.is_assignment(1):
            special = self.special_setting(is_local)
            if special is not None:
                return special
        name = self.setting_name()
        if self.accept_words("from", "current"):
            return self.not_supported("SET ... FROM CURRENT")
        if not self.accept_operator("=") and not self.accept_word("to"):
            raise self.error()
        return st.SetSetting(name, self.setting_values(), is_local)

    def special_setting(self, is_local: bool) -> st.Statement | None:
        """The settings that have a syntax of their own."""
        if self.accept_words("time", "zone"):
            return st.SetSetting("timezone", self.time_zone(), is_local)
        if self.accept_words("session", "authorization"):
            return st.SetRole(self.role_or_none("default"), is_local, is_authorization=True)
        word = self.word()
        if word == "role":
            self.index += 1
            return st.SetRole(self.role_or_none("none"), is_local)
        if word == "names":
            self.index += 1
            values = (self.string(),) if self.kind() == STRING else None
            if values is None:
                self.accept_word("default")
            return st.SetSetting("client_encoding", values, is_local)
        if word == "schema":
            self.index += 1
            return st.SetSetting("search_path", (self.string(),), is_local)
        if word == "catalog":
            return self.not_supported("SET CATALOG")
        if word == "xml" and self.word_at(1) == "option":
            return self.not_supported("SET XML OPTION")
        return None

    def role_or_none(self, none: str) -> str | None:
        if self.accept_word(none):
            return None
        return self.string() if self.kind() == STRING else self.non_reserved_word()

    def setting_name(self) -> str:
        """A setting's name, perhaps with a prefix: app.user."""
        name = self.name()
        while self.accept("."):
            name += "." + self.name()
        return name

    def setting_values(self) -> tuple[str, ...] | None:
        """The values behind SET x TO; None for DEFAULT."""
        if self.accept_word("default"):
            return None
        values = [self.setting_value()]
        while self.accept(","):
            values.append(self.setting_value())
        return tuple(values)

    def setting_value(self) -> str:
        if self.accept_word("true"):
            return "true"
        if self.accept_word("false"):
            return "false"
        if self.accept_word("on"):
            return "on"
        if self.kind() in (WORD, QUOTED):
            return self.non_reserved_word()
        return self.option_value()

    def time_zone(self) -> tuple[str, ...] | None:
        """SET TIME ZONE's value: a name, hours east of Greenwich, an interval; None for LOCAL or DEFAULT."""
        if self.accept_one_of("local", "default"):
            return None
        if self.accept_word("interval"):
            text = self.string()
            parse_interval_fields(self)
            return (f"INTERVAL '{text}'",)
        if self.kind() in (INTEGER, NUMERIC, OPERATOR, STRING):
            return (self.option_value(),)
        return (self.label(),)

    def reset(self) -> st.Statement:
        if self.accept_words("time", "zone"):
            return st.ResetSetting("timezone")
        if self.accept_words("transaction", "isolation", "level"):
            return st.ResetSetting("transaction_isolation")
        if self.accept_words("session", "authorization"):
            return st.SetRole(None, is_authorization=True, is_reset=True)
        if self.accept_word("role"):
            return st.SetRole(None, is_reset=True)
        if self.accept_word("all"):
            return st.ResetSetting(None)
        return st.ResetSetting(self.setting_name())

    def show(self) -> st.Statement:
        if self.accept_words("time", "zone"):
            return st.ShowSetting("timezone")
        if self.accept_words("transaction", "isolation", "level"):
            return st.ShowSetting("transaction_isolation")
        if self.accept_words("session", "authorization"):
            return st.ShowSetting("session_authorization")
        if self.accept_word("all"):
            return st.ShowSetting(None)
        return st.ShowSetting(self.setting_name())

    def discard(self) -> st.Statement:
        what = self.accept_one_of("all", "plans", "sequences", "temp", "temporary")
        if not what:
            raise self.error()
        return st.Discard("temp" if what == "temporary" else what)

    # --- prepared statements ----------------------------------------------------------------------

    def prepare(self) -> st.Statement:
        if self.word() == "transaction" and self.kinds[self.index + 1] == STRING:
            self.index += 1
            return st.PrepareTransaction(self.string())
        if self.word() == "commit" and self.kinds[self.index + 1] == END:
            self.index += 1
            return st.PrepareCommit()
        name = self.name()
        types = []
        if self.accept("("):
            types.append(parse_type(self))
            while self.accept(","):
                types.append(parse_type(self))
            self.expect(")")
        self.expect_word("as")
        return st.Prepare(name, tuple(types), self.plan_query(self.last_index()))

    def execute(self) -> st.Statement:
        name = self.name()
        arguments: list[st.SourceExpression] = []
        if self.accept("("):
            while not self.accept(")"):
                if arguments:
                    self.expect(",")
                arguments.append(self.source_expression())
            if not arguments:
                raise self.error(self.index - 1)
        return st.Execute(name, tuple(arguments))

    def deallocate(self) -> st.Statement:
        self.accept_word("prepare")
        return st.Deallocate(None if self.accept_word("all") else self.name())

    # --- cursors ----------------------------------------------------------------------------------

    def declare(self) -> st.Statement:
        name = self.name()
        said: set[str] = set()
        while not self.accept_word("cursor"):
            said.add(self.cursor_option())
        hold = self.accept_phrase("with", "hold")
        if not hold:
            self.accept_phrase("without", "hold")
        self.expect_word("for")
        query = self.plan_query(self.last_index())
        if query.verb in ("insert", "update", "delete", "merge"):
            raise SyntaxError(
                f'syntax error at or near "{query.verb}"', position=query.normalised.tokens.starts[0] + 1
            )
        scroll = True if "scroll" in said else False if "no scroll" in said else None
        binary, insensitive = "binary" in said, "insensitive" in said
        conflict = next((f"{a} and {b}" for a, b in _EXCLUDING if {a.lower(), b.lower()} <= said), None)
        return st.DeclareCursor(name, query, binary, scroll, insensitive, hold, conflict)

    def cursor_option(self) -> str:
        if self.accept_phrase("no", "scroll"):
            return "no scroll"
        for word in ("binary", "insensitive", "asensitive", "scroll"):
            if self.accept_word(word):
                return word
        raise self.error()

    def fetch(self) -> st.Statement:
        return self.fetch_or_move(False)

    def move(self) -> st.Statement:
        return self.fetch_or_move(True)

    def fetch_or_move(self, is_move: bool) -> st.Statement:
        direction, count = self.fetch_direction()
        self.accept_one_of("from", "in")
        return st.Fetch(self.name(), direction, count, is_move)

    def fetch_direction(self) -> tuple[str, int | None]:
        """The direction and count of FETCH; a lone cursor name means one row forward."""
        word = self.word()
        if self.kind() == INTEGER or self.kind() == OPERATOR:
            return "forward", self.signed_integer()
        if self.at_end():
            raise self.error()
        # a direction's word may also be the cursor's name, when nothing follows it
        following = self.kinds[self.index + 1]
        if following == END or self.at(";", 1):
            return "forward", 1
        if word in _FIXED_FETCHES:
            self.index += 1
            return _FIXED_FETCHES[word]
        if word == "all":
            self.index += 1
            return "forward", None
        if word in ("absolute", "relative"):
            self.index += 1
            return word, self.signed_integer()
        if word in ("forward", "backward"):
            self.index += 1
            if self.accept_word("all"):
                return word, None
            if self.kind() in (INTEGER, OPERATOR):
                return word, self.signed_integer()
            return word, 1
        return "forward", 1

    def close(self) -> st.Statement:
        return st.CloseCursor(None if self.accept_word("all") else self.name())

    # --- notifications ----------------------------------------------------------------------------

    def listen(self) -> st.Statement:
        return st.Listen(self.name())

    def unlisten(self) -> st.Statement:
        return st.Unlisten(None if self.accept_operator("*") else self.name())

    def notify(self) -> st.Statement:
        channel = self.name()
        return st.Notify(channel, self.string() if self.accept(",") else "")
