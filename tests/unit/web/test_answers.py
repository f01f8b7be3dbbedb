"""What stands around an answer."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.web.test.requesthelper import DummyRequest

from mtlsd import reasons
from mtlsd.errors import Reason, Refusal
from mtlsd.web.answers import answer_refusal


@pytest.mark.parametrize("reason", [reasons.STORE_UNAVAILABLE, reasons.SIGNER_UNAVAILABLE])
def test_when_to_try_again(reason: Reason) -> None:
    """RFC 7009 section 2.2.1 (R57)"""
    request: Any = DummyRequest([b""])
    answer_refusal(request, Refusal(reason), "id")
    assert request.responseCode == 503
    assert int(request.responseHeaders.getRawHeaders(b"retry-after")[0]) > 0


def test_other_refusals_are_final() -> None:
    request: Any = DummyRequest([b""])
    answer_refusal(request, Refusal(reasons.SCOPE_INVALID), "id")
    assert request.responseHeaders.getRawHeaders(b"retry-after") is None
