"""A transaction beside the session's own: what a statement AS OF an epoch runs in."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from skerry_engine.session.steps import Step

if TYPE_CHECKING:
    from skerry_engine.session.state import SessionState
    from skerry_engine.txn.transaction import Transaction

Steps = Generator[Step, object, None]


def in_place_of(session: SessionState, transaction: Transaction, steps: Steps) -> Steps:
    """Step `steps` with `transaction` for the session's own in each of their units."""
    sent: object = None
    try:
        while True:
            own, session.transaction = session.transaction, transaction
            try:
                step = steps.send(sent)
            except StopIteration:
                return
            finally:
                session.transaction = own
            sent = yield step
    finally:
        steps.close()
