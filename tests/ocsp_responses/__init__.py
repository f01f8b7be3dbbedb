"""Honest and hostile OCSP responses, for unit tests and for responders in end-to-end tests.

    responder = Responder(pki)
    body = HOSTILE["another_serial"].make(responder, request)      # request: DER as a client sent it

``responder.certificate`` is asked about, ``responder.issuer`` issued it. Everything in :data:`HOSTILE` claims
that the certificate is good (or nothing at all), and must be refused for one of its ``why``. Everything in
:data:`HONEST` must be taken, with its ``status``.
"""

from __future__ import annotations

from tests.ocsp_responses import good, messages, signers
from tests.ocsp_responses.kinds import HONEST, HOSTILE, Delegate, Kind, Responder
from tests.ocsp_responses.writing import Asked, Reply, Single, by_key, by_name, request_in_url, revoked

# Each of these modules fills the two tables.
assert {good.__name__, messages.__name__, signers.__name__}
assert len(HOSTILE) >= 35

__all__ = [
    "HONEST",
    "HOSTILE",
    "Asked",
    "Delegate",
    "Kind",
    "Reply",
    "Responder",
    "Single",
    "by_key",
    "by_name",
    "request_in_url",
    "revoked",
]
