"""LISTEN, NOTIFY, UNLISTEN: messages between sessions, sent by commits.

    A    BEGIN  NOTIFY c, 'x'  NOTIFY c, 'y'  ROLLBACK TO s  COMMIT ── published ─┐
                 └ pending: x      x, y            x                              v
    B    LISTEN c ── published                        inbox of B: x     (in the middle of B's transaction)
         └ B is among c's listeners                              └───── taken between transactions

What a transaction asks for is pending until it is *published*: nobody is told of what is not durable.  Then its
LISTENs and UNLISTENs take effect, in order, and after them its NOTIFYs go to all who listen, itself included.
Rolling back, to a savepoint too, takes them back; the same message twice in one transaction is sent once.

An inbox keeps what its session was told until the session's client can take it, which is never inside a
transaction.  All inboxes together are one queue with a limit in bytes: a transaction that would exceed it can't
commit (54000).  What the engine itself has to say (`Notifications.notify`, at a publication) can't fail: when the
queue is full, a session is told only of channels of which nothing waits for it, so that it wakes up at least.

What this does not do: outlive the process, as in PostgreSQL; reach sessions of another database.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Final

from skerry_engine.errors import InvalidParameterValue, ProgramLimitExceeded

if TYPE_CHECKING:
    from skerry_engine.session.state import SessionState

MAX_CHANNEL_BYTES: Final = 63
MAX_PAYLOAD_BYTES: Final = 7999
QUEUE_LIMIT_BYTES: Final = 64 * 1024 * 1024

_OVERHEAD_BYTES: Final = 200
"""What a notification takes in memory beside its text."""

_WARN_USAGE: Final = 0.5
_WARN_INTERVAL_S: Final = 5.0


class Notification:
    """A message: which session sent it (0: the engine), on which channel, and what it says."""

    __slots__ = ("pid", "channel", "payload", "size", "inboxes")

    def __init__(self, pid: int, channel: str, payload: str) -> None:
        self.pid: int = pid
        self.channel: str = channel
        self.payload: str = payload
        self.size: int = _OVERHEAD_BYTES + len(channel.encode()) + len(payload.encode())
        self.inboxes: int = 0


class Notifications:
    """Who listens to what in which database, and how much waits to be taken."""

    def __init__(self, limit_bytes: int = QUEUE_LIMIT_BYTES) -> None:
        self.limit_bytes: int = limit_bytes
        self.waiting_bytes: int = 0
        self._listeners: dict[tuple[int, str], dict[SessionNotifications, None]] = {}
        self._warned_at_s: float = -_WARN_INTERVAL_S

    def notify(self, database_oid: int, channel: str, payload: str = "", pid: int = 0) -> None:
        """Tell those who listen to the channel, now.  To be called when what it is about is published."""
        listeners = self._listeners.get((database_oid, channel))
        if not listeners:
            return
        notification = Notification(pid, channel, payload)
        is_full = self.waiting_bytes + notification.size > self.limit_bytes
        for listener in list(listeners):
            if not (is_full and listener.has_waiting(channel)):
                listener.receive(notification)

    def databases_listening(self, channel: str) -> list[int]:
        """The databases in which somebody listens to the channel."""
        return [database_oid for database_oid, name in self._listeners if name == channel]

    def deliver(self, database_oid: int, notification: Notification) -> None:
        """A transaction that sent it is published: there was room when it began to commit."""
        for listener in list(self._listeners.get((database_oid, notification.channel), ())):
            listener.receive(notification)

    def usage(self) -> float:
        """How full the queue is: 0 to 1, a little more when commits have come together."""
        return self.waiting_bytes / self.limit_bytes

    def is_warning_due(self) -> bool:
        """Whether somebody should be told that the queue fills; now and then, not at every commit."""
        now_s = time.monotonic()
        if self.usage() < _WARN_USAGE or now_s - self._warned_at_s < _WARN_INTERVAL_S:
            return False
        self._warned_at_s = now_s
        return True

    def slowest(self) -> SessionNotifications | None:
        """The listener with most to take."""
        every = {listener for listeners in self._listeners.values() for listener in listeners}
        return max(every, key=lambda listener: listener.waiting, default=None)

    def add(self, database_oid: int, channel: str, listener: SessionNotifications) -> None:
        """The session listens from now on."""
        self._listeners.setdefault((database_oid, channel), {})[listener] = None

    def remove(self, database_oid: int, channel: str, listener: SessionNotifications) -> None:
        """The session listens no more."""
        listeners = self._listeners[database_oid, channel]
        del listeners[listener]
        if not listeners:
            del self._listeners[database_oid, channel]


class _Pending:
    """What one transaction has asked for.  Its publication may come when the session is further on, so it knows
    its transaction by number only."""

    __slots__ = ("transaction_id", "listening", "messages", "order", "size")

    def __init__(self, transaction_id: int) -> None:
        self.transaction_id: int = transaction_id
        self.listening: list[tuple[bool, str | None]] = []  # LISTEN or UNLISTEN, channel or *
        self.messages: dict[tuple[str, str], Notification] = {}
        self.order: list[tuple[str, str] | None] = []  # None: the next entry of `listening`
        self.size: int = 0

    def undo_last(self) -> None:
        key = self.order.pop()
        if key is None:
            self.listening.pop()
        else:
            self.size -= self.messages.pop(key).size


class SessionNotifications:
    """A session's part: the channels it listens to, what its transaction asks for, what it was told.

    `asked` is what the current transaction, or one before, has asked for.
    """

    __slots__ = (
        "channels",
        "asked",
        "_session",
        "_hub",
        "_has_listened",
        "_inbox",
        "_waiting_by_channel",
    )

    def __init__(self, session: SessionState) -> None:
        self.channels: dict[str, None] = {}
        self.asked: _Pending | None = None
        self._session: SessionState = session
        self._hub: Notifications = session.engine.notifications
        self._has_listened: bool = False
        self._inbox: deque[Notification] = deque()
        self._waiting_by_channel: dict[str, int] = {}

    # --- what transactions ask for ----------------------------------------

    def listen(self, channel: str) -> None:
        """LISTEN: from the commit on."""
        self._ask_listening(True, channel)

    def unlisten(self, channel: str | None) -> None:
        """UNLISTEN (None: *): from the commit on."""
        if self._has_listened or self._own_pending() is not None:
            self._ask_listening(False, channel)

    def notify(self, channel: str, payload: str) -> None:
        """NOTIFY: at the commit.  Raises InvalidParameterValue, ProgramLimitExceeded."""
        check_message(channel, payload)
        pending = self._asking()
        key = (channel, payload)
        if key in pending.messages:  # earlier in this transaction: there for as long as this one would be
            return
        message = Notification(self._session.backend_pid, channel, payload)
        if pending.size + message.size > self._hub.limit_bytes:
            raise _queue_full()
        self._note(pending, key)
        pending.messages[key] = message
        pending.size += message.size

    def has_pending(self) -> bool:
        """Whether the current transaction has asked for anything."""
        return self._own_pending() is not None

    def check_room(self) -> None:
        """Before a commit: whether what it sends finds room.  Raises ProgramLimitExceeded."""
        pending = self._own_pending()
        if pending is None or not pending.messages:
            return
        hub = self._hub
        if hub.waiting_bytes and hub.waiting_bytes + pending.size > hub.limit_bytes:
            raise _queue_full()
        if hub.is_warning_due():
            self._warn()

    def _ask_listening(self, is_listen: bool, channel: str | None) -> None:
        pending = self._asking()
        self._note(pending, None)
        pending.listening.append((is_listen, channel))

    def _own_pending(self) -> _Pending | None:
        pending, transaction = self.asked, self._session.transaction
        if pending is None or transaction is None or pending.transaction_id != transaction.id:
            return None
        return pending if pending.order else None

    def _asking(self) -> _Pending:
        transaction = self._session.need_transaction()
        pending = self.asked
        if pending is None or pending.transaction_id != transaction.id:
            pending = self.asked = _Pending(transaction.id)
        return pending

    def _note(self, pending: _Pending, key: tuple[str, str] | None) -> None:
        """One more thing to do at the commit, or to take back."""
        transaction = self._session.need_transaction()
        if not pending.order:  # what unwinds the first unwinds its hook
            transaction.on_commit(lambda: self._published(pending))
        transaction.on_rollback(pending.undo_last)
        pending.order.append(key)

    def _warn(self) -> None:
        detail = hint = None
        slowest = self._hub.slowest()
        if slowest is not None and slowest.waiting:
            pid = slowest._session.backend_pid
            detail = f"The server process with PID {pid} is among those with the oldest transactions."
            hint = "The NOTIFY queue cannot be emptied until that process ends its current transaction."
        message = f"NOTIFY queue is {self._hub.usage() * 100:.0f}% full"
        self._session.notice(message, "WARNING", "01000", detail, hint)

    def _published(self, pending: _Pending) -> None:
        if self.asked is pending:
            self.asked = None
        if not self._session.closed:
            for is_listen, channel in pending.listening:
                self._change_listening(is_listen, channel)
        for message in pending.messages.values():
            self._hub.deliver(self._session.database_oid, message)

    def _change_listening(self, is_listen: bool, channel: str | None) -> None:
        database_oid = self._session.database_oid
        if channel is None:
            self.unlisten_all()
        elif is_listen:
            self._has_listened = True
            self.channels[channel] = None
            self._hub.add(database_oid, channel, self)
        elif channel in self.channels:
            del self.channels[channel]
            self._hub.remove(database_oid, channel, self)

    # --- what it was told ----------------------------------------

    @property
    def waiting(self) -> int:
        """How many notifications wait to be taken."""
        return len(self._inbox)

    def has_waiting(self, channel: str) -> bool:
        """Whether a notification of this channel waits to be taken."""
        return channel in self._waiting_by_channel

    def receive(self, notification: Notification) -> None:
        """Put it into the inbox and wake whoever takes it out."""
        if not notification.inboxes:
            self._hub.waiting_bytes += notification.size
        notification.inboxes += 1
        self._inbox.append(notification)
        waiting = self._waiting_by_channel
        waiting[notification.channel] = waiting.get(notification.channel, 0) + 1
        if self._session.client is not None:
            self._session.client.notified()

    def take(self, limit: int) -> list[Notification]:
        """Up to `limit` notifications, oldest first; they are gone from the inbox then."""
        inbox = self._inbox
        return [self._take_one() for _ in range(min(limit, len(inbox)))]

    def _take_one(self) -> Notification:
        notification = self._inbox.popleft()
        left = self._waiting_by_channel.pop(notification.channel) - 1
        if left:
            self._waiting_by_channel[notification.channel] = left
        notification.inboxes -= 1
        if not notification.inboxes:
            self._hub.waiting_bytes -= notification.size
        return notification

    # --- the end ----------------------------------------

    def unlisten_all(self) -> None:
        """Listen to nothing any more, from now on."""
        for channel in self.channels:
            self._hub.remove(self._session.database_oid, channel, self)
        self.channels.clear()

    def close(self) -> None:
        """The session ends: nothing is to reach it, what waits is dropped."""
        self.unlisten_all()
        self.take(len(self._inbox))


def check_message(channel: str, payload: str) -> None:
    """Raise InvalidParameterValue for a channel or a payload that is too long, or no channel."""
    if not channel:
        raise InvalidParameterValue("channel name cannot be empty")
    if len(channel.encode()) > MAX_CHANNEL_BYTES:
        raise InvalidParameterValue("channel name too long")
    if len(payload.encode()) > MAX_PAYLOAD_BYTES:
        raise InvalidParameterValue("payload string too long")


def _queue_full() -> ProgramLimitExceeded:
    return ProgramLimitExceeded("too many notifications in the NOTIFY queue")
