"""Answers that take time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest

T = TypeVar("T")
_log = Logger()


def answer_later(request: IRequest, waiting: Deferred[T], respond: Callable[[T], bytes]) -> None:
    """Answer with what `respond` makes of the result; to a client that goes away meanwhile, not at all.

    :param waiting: what is waited for. It must not fail; it is cancelled when the client goes away.
    """
    gone = False

    def give_up(_: Failure) -> None:
        nonlocal gone
        gone = True
        waiting.cancel()

    def finish(result: T) -> None:
        if not gone:
            request.write(respond(result))
            request.finish()

    request.notifyFinish().addErrback(give_up)  # type: ignore[attr-defined]  # which IRequest forgot
    waiting.addCallback(finish)
    waiting.addErrback(lambda failure: None if gone else _log.failure("answer.failed", failure))
