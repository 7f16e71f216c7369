"""The incoming byte stream, cut into messages.

    typed      | kind 1 byte | length 4 bytes, counts itself | body |      everything after start-up
    untyped                  | length 4 bytes, counts itself | body |      start-up packets

Bytes arrive in any split.  What is complete is cut out of one buffer by position; a remainder is carried
over.  A message larger than one chunk is collected in a list and joined once, so that a big message costs
its size and not its square.  Lengths are checked before anything is collected: nobody can make the reader
wait for, or hold, more than a message's limit.

What it does not do: look into bodies, or know states.
"""

from __future__ import annotations

from typing import Final

from skerry_engine.errors import ProtocolViolation
from skerry_server.protocol.codes import (
    COPY_DATA,
    LENGTH_LIMITS,
    PASSWORD,
    PASSWORD_MESSAGE_BYTES,
    STARTUP_PACKET_BYTES,
)
from skerry_server.protocol.numbers import int32

NEED_DATA: Final = -1


def _bad_header(kind: int) -> ProtocolViolation:
    if kind not in LENGTH_LIMITS:
        return ProtocolViolation(f"invalid frontend message type {kind}")
    return ProtocolViolation("invalid message length")


class FrameReader:
    """Collects bytes, hands out messages.  `body` holds the body of the message that was handed out last."""

    def __init__(self) -> None:
        self.body: bytes = b""
        self._buffer: bytes = b""
        self._position: int = 0
        self._chunks: list[bytes] = []
        self._chunks_bytes: int = 0
        self._needed_bytes: int = 0

    def receive(self, data: bytes) -> None:
        """Add what the client sent."""
        if self._chunks_bytes:
            self._collect(data)
            return
        rest = len(self._buffer) - self._position
        if rest == 0:
            self._buffer = data
        elif rest + len(data) < self._needed_bytes:
            self._chunks = [self._buffer[self._position :], data]
            self._chunks_bytes = rest + len(data)
            self._buffer = b""
        else:
            self._buffer = self._buffer[self._position :] + data
        self._position = 0

    def _collect(self, data: bytes) -> None:
        self._chunks.append(data)
        self._chunks_bytes += len(data)
        if self._chunks_bytes >= self._needed_bytes:
            self._buffer = b"".join(self._chunks)
            self._chunks = []
            self._chunks_bytes = 0

    def buffered_bytes(self) -> int:
        """How much was received and not handed out yet."""
        return len(self._buffer) - self._position + self._chunks_bytes

    def next_frame(self) -> int:
        """The kind of the next typed message, its body in `body`; NEED_DATA when it is not complete.

        Raises ProtocolViolation for a kind that does not exist or a length beyond its limit.
        """
        if self._chunks_bytes:
            return NEED_DATA
        buffer = self._buffer
        start = self._position
        if len(buffer) - start < 5:
            return self._no_header(start)
        kind = buffer[start]
        length = int32(buffer, start + 1)
        if length < 4 or length > LENGTH_LIMITS.get(kind, 0):
            raise _bad_header(kind)
        end = start + 1 + length
        if end > len(buffer):
            self._needed_bytes = 1 + length
            return NEED_DATA
        self._position = end
        self._needed_bytes = 0
        self.body = buffer[start + 5 : end]
        return kind

    def _no_header(self, start: int) -> int:
        """Wait for a whole header; but a wrong first byte is refused now,
        and an idle reader holds no memory."""
        self._needed_bytes = 5
        if start == len(self._buffer):
            self._buffer = b""
            self._position = 0
            self.body = b""
        elif self._buffer[start] not in LENGTH_LIMITS:
            raise _bad_header(self._buffer[start])
        return NEED_DATA

    def next_startup_packet(self) -> bool:
        """Whether an untyped packet is complete; its body is then in `body`.

        Raises ProtocolViolation when its length is out of bounds.
        """
        if self._chunks_bytes:
            return False
        buffer = self._buffer
        start = self._position
        if len(buffer) - start < 4:
            self._needed_bytes = 4
            return False
        length = int32(buffer, start)
        if length < 8 or length > STARTUP_PACKET_BYTES:
            raise ProtocolViolation("invalid length of startup packet")
        end = start + length
        if end > len(buffer):
            self._needed_bytes = length
            return False
        self._position = end
        self._needed_bytes = 0
        self.body = buffer[start + 4 : end]
        return True

    def next_password_message(self) -> bool:
        """Whether a message that answers to a request for a password is complete; its body is then in `body`.

        Raises ProtocolViolation for a message of another kind, or one too long.
        """
        if self._chunks_bytes:
            return False
        buffer = self._buffer
        start = self._position
        if start < len(buffer) and buffer[start] != PASSWORD:
            raise ProtocolViolation(f"expected SASL response, got message type {buffer[start]}")
        if len(buffer) - start < 5:
            self._needed_bytes = 5
            return False
        length = int32(buffer, start + 1)
        if length < 4 or length > PASSWORD_MESSAGE_BYTES:
            raise ProtocolViolation("invalid message length")
        end = start + 1 + length
        if end > len(buffer):
            self._needed_bytes = 1 + length
            return False
        self._position = end
        self._needed_bytes = 0
        self.body = buffer[start + 5 : end]
        return True

    def take_copy_data(self, at_most_bytes: int) -> bytes:
        """The bodies of the CopyData messages that are complete now, joined; b"" when there are none.

        Clients send one message per row: taking them one by one would cost a step of the statement for each.
        """
        buffer = self._buffer
        position = self._position
        size = len(buffer)
        limit = LENGTH_LIMITS[COPY_DATA]
        bodies: list[bytes] = []
        taken_bytes = 0
        while size - position >= 5 and taken_bytes < at_most_bytes:
            length = int32(buffer, position + 1)
            end = position + 1 + length
            if buffer[position] != COPY_DATA or end > size or length < 4 or length > limit:
                break
            bodies.append(buffer[position + 5 : end])
            taken_bytes += length - 4
            position = end
        if bodies:
            self._position = position
            self._needed_bytes = 0  # it was the first one's; the next may be short
        return b"".join(bodies)
