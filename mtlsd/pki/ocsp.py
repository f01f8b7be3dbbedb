"""Verifying OCSP responses completely (RFC 6960 section 3.2, R41 to R43).

    request = OcspRequest.make(CertId.of(certificate, issuer), nonce)
    answer = verify_response(body, request, SigningRules(issuer), now=now, source=url)

A response counts when all of these hold: it is about exactly the certificate that was asked for; its
signature is right; who signed it may; it is not from the future, and fresh; it repeats the nonce, where
there is one; and nothing in it is critical and unknown. Everything else raises one exception with a stable
code, and nothing of it may be kept. What counts may still say ``unknown``, which is not good.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

import attrs

from mtlsd.errors import Fact
from mtlsd.pki.der import element
from mtlsd.pki.der_values import OCTET_STRING, Extension
from mtlsd.pki.ocsp_message import BASIC, STATUSES, SUCCESSFUL, BasicResponse, SingleResponse, read_response
from mtlsd.pki.ocsp_refused import OcspRefused
from mtlsd.pki.ocsp_request import CertId, OcspRequest
from mtlsd.pki.ocsp_signer import Signer, SigningRules
from mtlsd.pki.revocation import Answer

MAX_RESPONSE_BYTES: Final = 65_536
"""Fetch no more than this. A response with a delegate's RSA certificate has about 2000 octets."""

SKEW: Final = timedelta(seconds=60)
"""How much a responder's clock may be ahead of ours."""

_NONCE: Final = "1.3.6.1.5.5.7.48.1.2"
_UNDERSTOOD: Final = frozenset(
    {
        _NONCE,
        "1.3.6.1.5.5.7.48.1.6",  # archive cutoff: how long the past is kept
        "1.3.6.1.5.5.7.48.1.9",  # extended revoke: what is revoked was perhaps never issued
    }
)


@attrs.frozen
class OcspPolicy:
    """How fresh an answer must be, and whether it must repeat the nonce.

    :ivar max_age: since thisUpdate, whatever nextUpdate says: nobody can make an answer last for years.
    :ivar max_age_without_next_update: the same where nextUpdate is absent, which says that newer information
        is to be had at any time.
    :ivar require_nonce: whether a response without the nonce that was sent is refused. Responders that answer
        from signed files never repeat one, so this is for those that are known to.
    """

    max_age: timedelta = timedelta(days=7)
    max_age_without_next_update: timedelta = timedelta(hours=1)
    require_nonce: bool = False


def verify_response(
    data: bytes,
    request: OcspRequest,
    rules: SigningRules,
    *,
    now: datetime,
    source: str,
    policy: OcspPolicy | None = None,
) -> Answer:
    """Verify a response to this request.

    :param data: the body, not longer than :data:`MAX_RESPONSE_BYTES`.
    :param rules: who may sign for the issuer of the certificate that the request is about.
    :param now: aware.
    :param source: the URL that was asked.
    :returns: good, revoked or unknown, with `fresh_until`: never use it after that instant.
    :raises OcspRefused: for every response that does not count; nothing else, whatever the octets
    """
    policy = policy or OcspPolicy()
    response = _read(data)
    single = _single(response.responses, request.cert_id)
    signer = rules.signer_of(response, now)
    _check_extensions(response.extensions, "response")
    _check_extensions(single.extensions, "single response")
    nonce = _check_nonce(response, request, policy)
    until = _check_times(response, single, now, policy)
    return Answer(
        status=single.status,
        source=f"ocsp {source}",
        this_update=single.this_update,
        next_update=single.next_update,
        revoked_at=single.revoked_at,
        reason=single.reason,
        facts=_facts(response, signer, nonce),
        fetched_at=now,
        fresh_until=until,
    )


def _read(data: bytes) -> BasicResponse:
    if len(data) > MAX_RESPONSE_BYTES:
        raise OcspRefused("ocsp.malformed", f"{len(data)} bytes are more than {MAX_RESPONSE_BYTES}")
    try:
        status, kind, content = read_response(data)
        if status != SUCCESSFUL:
            raise _error_status(status)
        if kind != BASIC:
            raise OcspRefused("ocsp.type", f"a response of type {kind or 'none'}"[:100])
        return BasicResponse.from_der(content)
    except ValueError as error:
        raise OcspRefused("ocsp.malformed", f"{error}"[:100]) from None


def _error_status(status: int) -> OcspRefused:
    """These are not signed, so anybody on the way may have sent them: nothing is known."""
    name = STATUSES.get(status)
    if name is None:
        return OcspRefused("ocsp.malformed", f"the response status {status} does not exist"[:100])
    return OcspRefused(f"ocsp.status.{name.lower()}", f"the responder answers {name}")


def _single(responses: Iterable[SingleResponse], asked: CertId) -> SingleResponse:
    """The one single response for exactly what was asked (RFC 6960 section 3.2 number 1)."""
    found = [single for single in responses if single.cert_id == asked]
    if len(found) != 1:
        detail = "says it twice" if found else "is about another certificate"
        raise OcspRefused("ocsp.certid", f"the response {detail}")
    return found[0]


def _check_extensions(extensions: Mapping[str, Extension], place: str) -> None:
    for own in extensions.values():
        if own.critical and own.oid not in _UNDERSTOOD:
            raise OcspRefused("ocsp.extension", f"critical extension {own.oid} in the {place}"[:200])


def _check_nonce(response: BasicResponse, request: OcspRequest, policy: OcspPolicy) -> str:
    """RFC 8954: what was sent must come back, if any does. A nonce that nobody sent says nothing."""
    if request.nonce is None:
        return "not sent"
    returned = response.extensions.get(_NONCE)
    if returned is None:
        if policy.require_nonce:
            raise OcspRefused("ocsp.nonce", "the response does not repeat the nonce")
        return "absent"
    try:
        same = element(returned.value, OCTET_STRING).content == request.nonce
    except ValueError:
        same = False
    if not same:
        raise OcspRefused("ocsp.nonce", "the response has another nonce")
    return "matches"


def _check_times(
    response: BasicResponse, single: SingleResponse, now: datetime, policy: OcspPolicy
) -> datetime:
    """Until when the answer may be used (RFC 6960 section 3.2 numbers 5 and 6)."""
    if max(single.this_update, response.produced_at) > now + SKEW:
        raise OcspRefused("ocsp.future", "the response is from the future")
    if single.this_update > response.produced_at + SKEW:
        raise OcspRefused("ocsp.times", "it was signed before what it says was known")
    if single.next_update is not None and single.next_update < single.this_update:
        raise OcspRefused("ocsp.times", "nextUpdate is before thisUpdate")
    if single.next_update is None:
        until = single.this_update + min(policy.max_age, policy.max_age_without_next_update)
    else:
        until = min(single.next_update, single.this_update + policy.max_age)
    if until <= now:
        raise OcspRefused("ocsp.stale", f"the response could be used until {until.isoformat()}")
    return until


def _facts(response: BasicResponse, signer: Signer, nonce: str) -> dict[str, Fact]:
    return {
        "signer": signer.kind,
        "signer_x5t#S256": signer.certificate.x5t_s256,
        "signer_subject": signer.certificate.subject.to_string(),
        "produced_at": response.produced_at.isoformat(),
        "nonce": nonce,
    }
