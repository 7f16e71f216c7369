"""Every failure Skerry can report, in one place.

A failure is a class.  The class fixes what never varies: the SQLSTATE that PostgreSQL clients switch on, the
Skerry code (T001 ... T006) where the failure is about transactions, and whether a fresh run of the whole
transaction may succeed (`is_retryable`).  The instance carries what varies: message, detail, hint, position
and the names of the objects involved.  The docstring of each class says when it happens and what to do.

The DB-API 2.0 hierarchy (PEP 249) is the upper part of the tree, so `except skerry.IntegrityError` works
embedded and over the network alike.  This module imports nothing of Skerry: driver,
server and engine all lean on it.
"""

from __future__ import annotations

import errno
from typing import Any

_GQLSTATUS = {
    "25001": "25G01",
    "25006": "25G03",
    "42601": "42001",
    "42703": "42002",
    "42704": "42002",
    "42883": "42002",
    "42P01": "42002",
    "3D000": "42002",
    "3F000": "42002",
}
"""What GQL numbers otherwise: an active transaction, a read-only one; syntax; references to what there is not."""
_SHARED_DATA_EXCEPTIONS = frozenset(
    (
        "22001",
        "22003",
        "22004",
        "22007",
        "22008",
        "22011",
        "22012",
        "22015",
        "22018",
        "2201E",
        "22025",
        "22027",
    )
)
_CLASSES = frozenset(("08", "22", "25", "2D", "40", "42"))


def gqlstatus_of(sqlstate: str) -> str | None:
    """The GQLSTATUS that says the same as a SQLSTATE: its own, or that of its class; None for classes that are SQL's
    alone."""
    if sqlstate in _SHARED_DATA_EXCEPTIONS or sqlstate[2] == "G":
        return sqlstate
    own = _GQLSTATUS.get(sqlstate)
    if own is None and sqlstate[:2] in _CLASSES:
        return f"{sqlstate[:2]}000"
    return own


class Warning(Exception):  # the name PEP 249 prescribes
    """A notice of importance, such as truncation while inserting (PEP 249)."""


class Error(Exception):
    """Base of all errors (PEP 249).

    `code` is the Skerry code of a transaction error (T001 to T006).  `is_retryable` says that a fresh run of
    the whole transaction may succeed.
    """

    sqlstate: str | None = None
    code: str | None = None
    is_retryable: bool = False


class InterfaceError(Error):
    """The driver was misused: a closed cursor, a wrong number of parameters.  Mend the calling code."""


class DatabaseError(Error):
    """Base of all errors that the database reports.

    `position` is the 1-based character offset in the statement text,
    as in PostgreSQL's ErrorResponse field P.  `gqlstatus` is the code of ISO/IEC 39075, None where GQL has none for
    it.  `ends_session`: over the wire it is FATAL, and the connection is closed.  `routine` is the name of PostgreSQL's
    function that raises the like, where clients look for it.
    """

    sqlstate: str = "XX000"
    gqlstatus: str | None = None
    ends_session: bool = False
    routine: str | None = None

    def __init_subclass__(cls) -> None:
        """GQLSTATUS follows from SQLSTATE, unless a class has one of its own."""
        super().__init_subclass__()
        if "sqlstate" in cls.__dict__ and "gqlstatus" not in cls.__dict__:
            cls.gqlstatus = gqlstatus_of(cls.sqlstate)

    def __init__(
        self,
        message: str,
        *,
        detail: str | None = None,
        hint: str | None = None,
        position: int | None = None,
        context: str | None = None,
        schema: str | None = None,
        table: str | None = None,
        column: str | None = None,
        datatype: str | None = None,
        constraint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.hint = hint
        self.position = position
        self.context = context
        self.schema = schema
        self.table = table
        self.column = column
        self.datatype = datatype
        self.constraint = constraint


class DataError(DatabaseError):
    """Class 22: a value is out of range, malformed or of the wrong size.  Mend the value."""

    sqlstate = "22000"


class OperationalError(DatabaseError):
    """The database's state or operation, not the statement, is the cause: conflicts, limits, shutdown."""

    sqlstate = "58000"


class IntegrityError(DatabaseError):
    """Class 23: a constraint would be violated.  Mend the data."""

    sqlstate = "23000"


class InternalError(DatabaseError):
    """Class 25 (the transaction's state forbids the statement) and XX (a fault of Skerry's own)."""

    sqlstate = "XX000"


class ProgrammingError(DatabaseError):
    """Class 42: the statement is wrong: syntax, names, types, privileges.  Mend the statement."""

    sqlstate = "42000"


class NotSupportedError(DatabaseError):
    """Class 0A: Skerry refuses this by name.  The message says what; nothing was done."""

    sqlstate = "0A000"


class CachedPlanChanged(NotSupportedError):
    """A prepared statement would now give other columns than it was described with.  Prepare it anew."""

    routine = "RevalidateCachedQuery"


# --- transactions: T001 to T006 -----------------------------------------------------------------------------


class WriteConflict(OperationalError):
    """T001: another transaction changed what this one writes, after its snapshot.
    Run the transaction again."""

    sqlstate = "40001"
    code = "T001"
    is_retryable = True


class TransactionTimeout(OperationalError):
    """T002: a statement, lock, idle or transaction timeout ran out.  Run again, or raise the timeout."""

    sqlstate = "57014"
    code = "T002"
    is_retryable = True


class LockTimeout(TransactionTimeout):
    """T002: `lock_timeout` ran out while waiting, or NOWAIT met a held lock."""

    sqlstate = "55P03"


class LockNotAvailable(OperationalError):
    """NOWAIT met a lock that another transaction holds.  Run again later."""

    sqlstate = "55P03"
    is_retryable = True


class IdleInTransactionTimeout(TransactionTimeout):
    """T002: the session idled in a transaction longer than `idle_in_transaction_session_timeout`."""

    sqlstate = "25P03"
    ends_session = True


class IdleSessionTimeout(OperationalError):
    """The session idled outside a transaction longer than `idle_session_timeout`.  Connect again."""

    sqlstate = "57P05"
    ends_session = True


class TotalTransactionTimeout(TransactionTimeout):
    """T002: the transaction lasted longer than `transaction_timeout`."""

    sqlstate = "25P04"
    ends_session = True


class ReadOnlyViolation(InternalError):
    """T003: a mutation or DDL in a read-only transaction.  Begin one that may write."""

    sqlstate = "25006"
    code = "T003"


class InvalidTransactionState(InternalError):
    """T004: the transaction is finished, or not in the state that the call needs."""

    sqlstate = "25000"
    code = "T004"


class ActiveTransaction(InvalidTransactionState):
    """T004: the statement can't run inside a transaction block (or needs to be its first)."""

    sqlstate = "25001"


class NoActiveTransaction(InvalidTransactionState):
    """T004: the statement needs a transaction block."""

    sqlstate = "25P01"


class InFailedTransaction(InvalidTransactionState):
    """T004: an earlier statement failed; roll back (to a savepoint) first."""

    sqlstate = "25P02"


class UndefinedSavepoint(InvalidTransactionState):
    """T004: no savepoint of that name in this transaction."""

    sqlstate = "3B001"


class BranchOverlap(OperationalError):
    """A flow branch has written a key that its parent, or another branch of it, has written, too.  Nothing of it was
    merged.  Running it again does not help: divide the work so that branches write different keys."""

    sqlstate = "27000"


class SerializationFailure(OperationalError):
    """T005: this transaction and concurrent ones have no serial order.  Run the whole transaction again."""

    sqlstate = "40001"
    code = "T005"
    is_retryable = True


class DeadlockDetected(OperationalError):
    """T006: waiting would close a cycle of transactions that wait for each other.
    Run the transaction again."""

    sqlstate = "40P01"
    code = "T006"
    is_retryable = True


# --- flows: F001 to F003 ------------------------------------------------------------------------------------


class FlowError(Error):
    """F001: a stage of a flow failed, or the flow's own code, or its commit.

    The message names the flow, the stage and the index of the row, and gives the cause, which is also `cause` and
    `__cause__`; `report` says what the run had done (per stage, time, rows, commits).  It is retryable when the cause
    is.  Mend the cause, or give the stage an `on_error` handler.
    """

    code = "F001"

    def __init__(
        self,
        cause: Exception,
        flow: str | None,
        stage: str | None,
        row_index: int | None = None,
        *,
        is_retryable: bool = False,
    ) -> None:
        named = (("flow", flow), ("stage", stage), ("row", row_index))
        where = ", ".join(f"{what} {name}" for what, name in named if name is not None)
        super().__init__(f"{where}: {type(cause).__name__}: {cause}")
        self.cause = cause
        self.flow = flow
        self.stage = stage
        self.row_index = row_index
        self.report: Any = None  # the driver's RunReport
        self.is_retryable = is_retryable
        self.sqlstate = getattr(cause, "sqlstate", None)

    def within(self, flow: str) -> FlowError:
        """The same failure, of a flow that was not known when it happened."""
        return FlowError(self.cause, flow, self.stage, self.row_index, is_retryable=self.is_retryable)


class WorkflowError(ProgrammingError):
    """F002: a workflow can't be built: a cycle, a reference to no node, a scope without an end.  Mend the workflow."""

    sqlstate = "42P17"
    code = "F002"


class ConcurrentUse(InvalidTransactionState):
    """F003: two tasks or threads use one transaction at once.  Give each its own, or use branches."""

    sqlstate = "25000"
    code = "F003"


class CommitIncomplete(OperationalError):
    """Of several resources in one transaction some had committed when another could not, and the rest rolled back.

    Only those with two-phase commit are atomic together: look at what the message names.
    """

    sqlstate = "40003"


# --- class 08, 53, 55, 57: connections, resources, operation ------------------------------------------------


class ProtocolViolation(OperationalError):
    """The client sent what the protocol does not allow at this point."""

    sqlstate = "08P01"


class ConnectionFailure(OperationalError):
    """The connection broke or was refused."""

    sqlstate = "08006"


class InvalidAuthorization(OperationalError):
    """The role does not exist or may not connect."""

    sqlstate = "28000"


class InvalidPassword(InvalidAuthorization):
    """The password is wrong or has expired, or there is none (nor, perhaps, such a role)."""

    sqlstate = "28P01"


class OutOfMemory(OperationalError):
    """A statement or transaction went beyond its memory limit (work_mem, overlay limit).  Split the work."""

    sqlstate = "53200"


class DiskFull(OperationalError):
    """The disk is full: the transaction was not committed.  Make room; reading goes on."""

    sqlstate = "53100"


class DatabaseDamaged(OperationalError):
    """A file of the database does not hold what was written to it: nothing is served from it.

    The message names file, offset and epoch.  Run `skerry check`; restore a backup.
    """

    sqlstate = "XX001"


def disk_error(what: str, error: OSError) -> DatabaseError:
    """What an error of the operating system is to a client: nothing was promised, nothing is lost."""
    message = f"{what}: {error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(message, hint="Make room on the disk; reading goes on meanwhile.")
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return TooManyFiles(message, hint="Raise the limit of open files (ulimit -n), or close connections.")
    return DiskFailure(message)


class DiskFailure(OperationalError):
    """The operating system could not write what had to be written: the transaction was not committed."""

    sqlstate = "58030"


class TooManyFiles(OperationalError):
    """The limit of open files is reached: the transaction was not committed.  Raise it (ulimit -n)."""

    sqlstate = "53000"


class DurabilityLost(OperationalError):
    """Writing or syncing the log failed, so no commit can be promised any more: the database has stopped.

    Whether commits that were under way survive is known when it is opened again.  Mend the disk, then restart.
    """

    sqlstate = "58030"
    ends_session = True


class DatabaseInUse(OperationalError):
    """Another process owns the database.  Connect through the server that serves it."""

    sqlstate = "55006"


class IncompatibleFormat(OperationalError):
    """The database was written by a newer version, in a format that this one does not know.  Upgrade Skerry."""

    sqlstate = "0A000"


class HistoryNotRetained(OperationalError):
    """AS OF, or a change feed, asks for an epoch that is older than what is retained.  Retain more, or ask later
    ones."""

    sqlstate = "72000"


class DuplicateFile(OperationalError):
    """A backup or a restored database would go where something is already.  Name another directory."""

    sqlstate = "58P02"


class TooManyConnections(OperationalError):
    """The server's connection limit is reached."""

    sqlstate = "53300"


class ConfigurationLimitExceeded(OperationalError):
    """A configured limit is exceeded."""

    sqlstate = "53400"


class ProgramLimitExceeded(OperationalError):
    """A fixed limit of the engine is exceeded (digits, columns, nesting)."""

    sqlstate = "54000"


class StatementTooComplex(ProgramLimitExceeded):
    """The statement nests too deeply."""

    sqlstate = "54001"


class TooManyColumns(ProgramLimitExceeded):
    """More columns than a table or a result can have."""

    sqlstate = "54011"


class ObjectNotInPrerequisiteState(OperationalError):
    """The object is not in the state that the operation needs (a sequence not yet used in this session)."""

    sqlstate = "55000"


class CantChangeRuntimeParameter(OperationalError):
    """The setting can't be changed now: it is fixed, or only the server's start sets it."""

    sqlstate = "55P02"


class ObjectInUse(OperationalError):
    """The object is used by others now (a database with sessions)."""

    sqlstate = "55006"


class QueryCanceled(OperationalError):
    """The user cancelled the statement."""

    sqlstate = "57014"


class AdminShutdown(OperationalError):
    """The server shuts down or the session was terminated."""

    sqlstate = "57P01"
    ends_session = True


class CannotConnectNow(OperationalError):
    """The server is starting or stopping."""

    sqlstate = "57P03"


class InvalidCatalogName(ProgrammingError):
    """No database of that name."""

    sqlstate = "3D000"


class InvalidSchemaName(ProgrammingError):
    """No schema of that name."""

    sqlstate = "3F000"


class InvalidCursorName(ProgrammingError):
    """No cursor or portal of that name."""

    sqlstate = "34000"


class InvalidStatementName(ProgrammingError):
    """No prepared statement of that name."""

    sqlstate = "26000"


class InvalidCursorState(ProgrammingError):
    """The cursor can't do that in its state."""

    sqlstate = "24000"


class InternalFault(InternalError):
    """A fault of Skerry's own.  The log has the traceback; please report it."""

    sqlstate = "XX000"


# --- class 21, 22: data -------------------------------------------------------------------------------------


class CardinalityViolation(ProgrammingError):
    """A subquery used as a value gave more than one row, or ON CONFLICT would touch a row twice."""

    sqlstate = "21000"


class StringDataRightTruncation(DataError):
    """The text is longer than the column allows."""

    sqlstate = "22001"


class NumericValueOutOfRange(DataError):
    """The number does not fit its type."""

    sqlstate = "22003"


class ElementDeleted(DataError):
    """A statement reads or changes a node or an edge that it has deleted before (GQL: referent deleted).  Take what is
    wanted of it first (LET), or leave it."""

    sqlstate = "22G11"


class MultipleAssignments(CardinalityViolation):
    """One statement gives a property of one element different values.  Have each element bound once, or aggregate."""

    gqlstatus = "22G0M"


class NullValueNotAllowed(DataError):
    """NULL where the function needs a value."""

    sqlstate = "22004"


class InvalidDatetimeFormat(DataError):
    """The text is no date, time or interval."""

    sqlstate = "22007"


class DatetimeFieldOverflow(DataError):
    """A date or time field is out of range."""

    sqlstate = "22008"


class InvalidTimeZone(DataError):
    """No time zone of that name."""

    sqlstate = "22009"


class DivisionByZero(DataError):
    """Division by zero."""

    sqlstate = "22012"


class StringDataLengthMismatch(DataError):
    """A bit string has not the length that its type says, or two of them differ in length."""

    sqlstate = "22026"


class SubstringError(DataError):
    """A negative substring length."""

    sqlstate = "22011"


class IntervalFieldOverflow(DataError):
    """The interval is out of range."""

    sqlstate = "22015"


class InvalidEscapeSequence(DataError):
    """A wrong escape in a pattern or string."""

    sqlstate = "22025"


class InvalidRegularExpression(DataError):
    """The regular expression is malformed."""

    sqlstate = "2201B"


class InvalidArgumentForLogarithm(DataError):
    """Logarithm of zero or a negative number."""

    sqlstate = "2201E"


class InvalidArgumentForPower(DataError):
    """A power that has no real value."""

    sqlstate = "2201F"


class InvalidArgumentForWidthBucket(DataError):
    """A bucket count or bound that makes no sense."""

    sqlstate = "2201G"


class InvalidPrecedingOrFollowingSize(DataError):
    """A window frame's offset is NULL or negative."""

    sqlstate = "22013"


class InvalidArgumentForNtile(DataError):
    """ntile() of no buckets."""

    sqlstate = "22014"


class InvalidArgumentForNthValue(DataError):
    """nth_value() of a row before the first."""

    sqlstate = "22016"


class InvalidRowCountInLimit(DataError):
    """A negative LIMIT."""

    sqlstate = "2201W"


class InvalidRowCountInOffset(DataError):
    """A negative OFFSET."""

    sqlstate = "2201X"


class CharacterNotInRepertoire(DataError):
    """The bytes are not valid in the encoding, or contain a zero byte."""

    sqlstate = "22021"


class UntranslatableCharacter(DataError):
    """The character does not exist in the target encoding."""

    sqlstate = "22P05"


class InvalidParameterValue(DataError):
    """A parameter's value is not allowed."""

    sqlstate = "22023"


class ArraySubscriptError(DataError):
    """A wrong number or range of array subscripts."""

    sqlstate = "2202E"


class SequenceGeneratorLimitExceeded(DataError):
    """A sequence reached its last value and does not cycle: raise its limit, restart it, or let it cycle."""

    sqlstate = "2200H"


class InvalidTextRepresentation(DataError):
    """The text does not read as a value of the type."""

    sqlstate = "22P02"


class InvalidBinaryRepresentation(DataError):
    """The bytes do not read as a value of the type."""

    sqlstate = "22P03"


class InvalidValueType(DataError):
    """A value whose type is known only when the statement runs has one that the operation does not take (GQL: invalid
    value type).  Cast it, or test with IS TYPED."""

    sqlstate = "22G03"


class ValuesNotComparable(DataError):
    """Two values have types between which there is no order (GQL: values not comparable).  Cast one of them."""

    sqlstate = "22G04"


class TrimError(DataError):
    """TRIM takes one character to trim (GQL: trim error)."""

    sqlstate = "22027"


class InvalidDatetimeField(DataError):
    """A record that should make a date or a time has a field that these do not have."""

    sqlstate = "22G05"


class InvalidDatetimeValue(DataError):
    """The fields of a record make no date or time: one is missing, or out of range."""

    sqlstate = "22G06"


class InvalidDurationField(DataError):
    """A record that should make a duration has a field that durations do not have."""

    sqlstate = "22G07"


class ListElementError(DataError):
    """More items are to be trimmed than the list has."""

    sqlstate = "22G0C"


class ListRightTruncation(DataError):
    """A list has more items than its type allows (GQL: list data, right truncation)."""

    sqlstate = "22G0B"


class RecordFieldsDiffer(DataError):
    """A record has other fields than its type declares (GQL: record fields do not match)."""

    sqlstate = "22G0U"


class IncompatibleTemporal(DataError):
    """Two times between which there is no duration: a date and a time of day (GQL: incompatible temporal instant unit
    groups)."""

    sqlstate = "22G14"


class MalformedPath(DataError):
    """What should become a path does not hang together: a node follows a node, or an edge leads elsewhere."""

    sqlstate = "22G0Z"


class BadCopyFileFormat(DataError):
    """COPY's data is malformed: the context names the line."""

    sqlstate = "22P04"


class InvalidJsonText(DataError):
    """The text is not JSON (reported as invalid input syntax for type json)."""

    sqlstate = "22P02"


# --- class 23: constraints ----------------------------------------------------------------------------------


class RestrictViolation(IntegrityError):
    """ON DELETE/UPDATE RESTRICT forbids the change."""

    sqlstate = "23001"


class NotNullViolation(IntegrityError):
    """NULL in a NOT NULL column."""

    sqlstate = "23502"


class ForeignKeyViolation(IntegrityError):
    """A child without its parent, or a parent that children still reference."""

    sqlstate = "23503"


class EdgesStillExist(ForeignKeyViolation):
    """A node is deleted, without DETACH, while edges begin or end at it.  Delete them first, or DETACH DELETE."""

    gqlstatus = "G1001"


class EndpointDeleted(ForeignKeyViolation):
    """An edge is inserted at a node that the same transaction has deleted."""

    gqlstatus = "G1002"


class UniqueViolation(IntegrityError):
    """The key exists already."""

    sqlstate = "23505"


class CheckViolation(IntegrityError):
    """A CHECK constraint is false for the row."""

    sqlstate = "23514"


class GraphTypeViolation(CheckViolation):
    """An element that the graph's type does not allow: labels, properties, their types, or an edge's ends."""

    gqlstatus = "G2000"


# --- class 42, 2B: statements -------------------------------------------------------------------------------


class SyntaxError(ProgrammingError):  # PostgreSQL's name for 42601
    """The statement does not parse.

    A GQL statement's error tells more: `line_number` and `column_number` (from 1), `caret` (the line, and under it
    a caret), and `expected`, what could have stood there.  All but the last follow from `position` and the text; so
    they are no part of what goes over the wire, where clients draw carets of their own.
    """

    sqlstate = "42601"
    line_number: int | None = None
    column_number: int | None = None
    caret: str | None = None
    expected: tuple[str, ...] = ()

    def locate(self, text: str) -> None:
        """Work out line, column and caret, if there is a position and that has not been done."""
        if self.position is None or self.line_number is not None:
            return
        offset = min(self.position - 1, len(text))
        before = text[:offset].replace("\r\n", "\n").replace("\r", "\n")
        self.line_number = before.count("\n") + 1
        begin = max(text.rfind("\n", 0, offset), text.rfind("\r", 0, offset)) + 1
        self.column_number = offset - begin + 1
        self.caret = _caret(text, begin, offset)

    def __str__(self) -> str:
        if self.caret is None:
            return self.message
        return f"{self.message}\nLine {self.line_number}, column {self.column_number}:\n{self.caret}"


_EXCERPT = 100  # characters of a line that are shown


def _caret(text: str, begin: int, offset: int) -> str:
    """The line around the offset, and under it a caret."""
    end = len(text)
    for line_break in "\r\n":
        found = text.find(line_break, offset)
        if found >= 0:
            end = min(end, found)
    cut = max(begin, offset - _EXCERPT // 2)
    line = text[cut : min(end, cut + _EXCERPT)]
    indent = "".join([c if c == "\t" else " " for c in text[cut:offset]])
    return f"{line}\n{indent}^"


class InsufficientPrivilege(ProgrammingError):
    """The role may not do that."""

    sqlstate = "42501"


class CannotCoerce(ProgrammingError):
    """No cast between the types."""

    sqlstate = "42846"


class GroupingError(ProgrammingError):
    """A column is neither grouped nor aggregated, or an aggregate stands where none may."""

    sqlstate = "42803"


class WindowingError(ProgrammingError):
    """A window function stands where none may, or its frame is wrong."""

    sqlstate = "42P20"


class InvalidRecursion(ProgrammingError):
    """A recursive query refers to itself where it may not."""

    sqlstate = "42P19"


class InvalidForeignKey(ProgrammingError):
    """The referenced columns are not a key."""

    sqlstate = "42830"


class InvalidName(ProgrammingError):
    """The name is not allowed."""

    sqlstate = "42602"


class InvalidGrantOperation(ProgrammingError):
    """The privilege can't be granted so: no such privilege for the object, in a circle, or to PUBLIC with an option."""

    sqlstate = "0LP01"


class ReservedName(ProgrammingError):
    """The name is reserved for the system."""

    sqlstate = "42939"


class DatatypeMismatch(ProgrammingError):
    """The expression has another type than its place needs."""

    sqlstate = "42804"


class IndeterminateDatatype(ProgrammingError):
    """The type of a parameter can't be told."""

    sqlstate = "42P18"


class WrongObjectType(ProgrammingError):
    """The object exists but is of another kind."""

    sqlstate = "42809"


class UndefinedColumn(ProgrammingError):
    """No column of that name."""

    sqlstate = "42703"


class UndefinedFunction(ProgrammingError):
    """No function or operator for these argument types."""

    sqlstate = "42883"


class UndefinedTable(ProgrammingError):
    """No relation of that name."""

    sqlstate = "42P01"


class UndefinedParameter(ProgrammingError):
    """No parameter of that number."""

    sqlstate = "42P02"


class UndefinedObject(ProgrammingError):
    """No object (type, setting, constraint, index) of that name."""

    sqlstate = "42704"


class DuplicateColumn(ProgrammingError):
    """A column name is given twice."""

    sqlstate = "42701"


class DuplicateCursor(ProgrammingError):
    """A cursor of that name is open."""

    sqlstate = "42P03"


class DuplicateDatabase(ProgrammingError):
    """A database of that name exists."""

    sqlstate = "42P04"


class DuplicatePreparedStatement(ProgrammingError):
    """A prepared statement of that name exists."""

    sqlstate = "42P05"


class DuplicateSchema(ProgrammingError):
    """A schema of that name exists."""

    sqlstate = "42P06"


class DuplicateTable(ProgrammingError):
    """A relation of that name exists."""

    sqlstate = "42P07"


class DuplicateAlias(ProgrammingError):
    """A table name is used twice in one FROM."""

    sqlstate = "42712"


class DuplicateObject(ProgrammingError):
    """An object (constraint, type) of that name exists."""

    sqlstate = "42710"


class AmbiguousColumn(ProgrammingError):
    """More than one table in scope has a column of that name."""

    sqlstate = "42702"


class AmbiguousFunction(ProgrammingError):
    """More than one function or operator fits equally well."""

    sqlstate = "42725"


class InvalidColumnReference(ProgrammingError):
    """A column can't be referred to from here (DISTINCT ON, ORDER BY, ON CONFLICT without a key)."""

    sqlstate = "42P10"


class InvalidColumnDefinition(ProgrammingError):
    """The column's definition contradicts itself."""

    sqlstate = "42611"


class InvalidCursorDefinition(ProgrammingError):
    """The cursor's definition is wrong."""

    sqlstate = "42P11"


class InvalidTableDefinition(ProgrammingError):
    """The table's definition is wrong (two primary keys)."""

    sqlstate = "42P16"


class InvalidObjectDefinition(ProgrammingError):
    """The object's definition is wrong."""

    sqlstate = "42P17"


class CollationMismatch(ProgrammingError):
    """Two collations meet."""

    sqlstate = "42P21"


class DependentObjectsStillExist(InternalError):
    """Other objects depend on it: use CASCADE."""

    sqlstate = "2BP01"


class GeneratedAlways(ProgrammingError):
    """A value for a GENERATED ALWAYS column."""

    sqlstate = "428C9"
