"""Answers that take time."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest


def answer_later(
    request: IRequest, waiting: Deferred[bytes | int], failed: Callable[[Failure], bytes]
) -> None:
    """Answer with what comes; a client that goes away meanwhile is not answered at all.

    Like what a resource returns that is the body, or NOT_DONE_YET where somebody else will answer.

    :param waiting: cancelled when the client goes away.
    :param failed: makes the body where it fails otherwise.
    """
    gone = False

    def give_up(_: Failure) -> None:
        nonlocal gone
        gone = True
        waiting.cancel()

    def finish(body: bytes | int) -> None:
        if not gone and isinstance(body, bytes):
            request.write(body)
            request.finish()

    request.notifyFinish().addErrback(give_up)  # type: ignore[attr-defined]  # which IRequest forgot
    waiting.addErrback(lambda failure: b"" if gone else failed(failure))
    waiting.addCallback(finish)
