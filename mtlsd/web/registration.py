"""Registration of clients (RFC 7591) and its management (RFC 7592) over HTTP."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable
from typing import Any, ClassVar, Final

import attrs
from twisted.web.iweb import IRequest

from mtlsd import reasons
from mtlsd.errors import Fact, Refusal
from mtlsd.judge import Asked, Identity, Refused, Vouched, vouched, vouched_at
from mtlsd.oauth.json_body import object_from_body
from mtlsd.oauth.possession import ProvenCertificate
from mtlsd.oauth.registration import Caller, Registered, Registrations
from mtlsd.oauth.registration_metadata import Proof, told_metadata
from mtlsd.web.answers import answer
from mtlsd.web.client_endpoint import Call, ClientEndpoint, Done, body_of
from mtlsd.web.strangers import is_worth_looking_at

_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
_LONGEST_DESCRIPTION: Final = 500

_TOLD = frozenset(
    {
        reasons.REGISTRATION_JSON,
        reasons.REGISTRATION_METADATA,
        reasons.REGISTRATION_REDIRECT_URI,
        reasons.REGISTRATION_UNPROVEN,
    }
)
"""The refusals whose detail is about what the caller sent, and nothing else."""


@attrs.define(slots=False, eq=False)
class RegistrationEndpoint(ClientEndpoint):
    """What both endpoints do.

    :ivar url: of the registration endpoint.
    """

    refused = "registration.refused"
    url: str = ""

    def _perform(self, request: IRequest, call: Call) -> Awaitable[Done]:
        registrations = self.current.registration
        if registrations is None:
            raise Refusal(reasons.REQUEST_NOT_FOUND)
        return self.do(request, call, registrations)

    async def do(self, request: IRequest, call: Call, registrations: Registrations) -> Done:
        """:raises Refusal: with what the caller may see."""
        raise NotImplementedError

    async def caller(self, request: IRequest, call: Call, *, proving: bool = False) -> Caller:
        """Who asks.

        :param proving: whether it matters who vouches for the certificate.
        """
        return Caller(
            address="" if call.peer is None else call.peer.address,
            bearer=_bearer(request),
            proof=await self._proof(call) if proving else Proof(),
            identity=call.judgement if isinstance(call.judgement, Identity) else None,
        )

    async def _proof(self, call: Call) -> Proof:
        """What the certificate of the connection proves.

        :raises Refusal: where somebody vouches for it, and it is revoked or may be.
        """
        if isinstance(call.judgement, Refused) and is_worth_looking_at(call.judgement, self.current.serving):
            await self.look_at_stranger(call)
            if call.judgement.standing is not None:
                raise call.judgement.refusal
        judgement = call.judgement
        proven = ProvenCertificate.from_judgement(judgement, call.now)
        if proven is None:
            return Proof()
        is_stranger = isinstance(judgement, Refused) and judgement.refusal.reason is reasons.SUBJECT_UNKNOWN
        if is_stranger or (isinstance(judgement, Identity) and judgement.groups):
            return Proof(proven.certificate, (await self._vouched(call)).groups)
        return Proof(proven.certificate)

    async def _vouched(self, call: Call) -> Vouched:
        presented = None if call.peer is None else call.peer.presented
        assert presented is not None  # it was judged
        serving = self.current.serving
        snapshot = serving.judge.snapshot
        found = vouched(presented, snapshot, call.now)
        if isinstance(found, Asked):
            failures = await serving.resolve(found.questions)
            found = vouched_at(found.standing, snapshot, self.current.now(), failures)
        if isinstance(found, Asked):  # another list came meanwhile, and asks for more: nobody waits twice
            raise Refusal(reasons.REVOCATION_UNKNOWN)
        if isinstance(found, Refusal):
            raise found
        return found

    def metadata(self, request: IRequest) -> dict[str, Any]:
        content_type = request.getHeader(b"content-type")
        return object_from_body(
            body_of(request), None if content_type is None else content_type.decode("latin-1")
        )

    def told(self, registered: Registered) -> bytes:
        """The client information response (RFC 7591 section 3.2.1, RFC 7592 section 3)."""
        client = registered.client
        document = {
            "client_id": client.client_id,
            "client_id_issued_at": int(registered.registered_at.timestamp()),
            "registration_access_token": registered.token,
            "registration_client_uri": f"{self.url}/{client.client_id}",
            **told_metadata(client),
        }
        return json.dumps(document).encode("ascii")

    def _refuse(self, request: IRequest, call: Call, refusal: Refusal) -> bytes:
        facts = call.refused_facts(refusal)
        if isinstance(call.judgement, Refused):
            facts["certificate_refused"] = call.judgement.refusal.reason.code
        self.current.audit(self.refused, facts)
        reason = refusal.reason
        if reason.status == 401:
            error = b', error="invalid_token"' if request.getHeader(b"authorization") is not None else b""
            request.setHeader(b"www-authenticate", b'Bearer realm="registration"' + error)
        if isinstance(wait := refusal.facts.get("retry_after_seconds"), int):
            request.setHeader(b"retry-after", b"%d" % wait)
        return answer(request, reason.status, _error_json(refusal, call.correlation_id))


class Registration(RegistrationEndpoint):
    """The client registration endpoint (RFC 7591 section 3)."""

    methods: ClassVar[tuple[bytes, ...]] = (b"POST",)

    async def do(self, request: IRequest, call: Call, registrations: Registrations) -> Done:
        registrations.check_pace(await self.caller(request, call), call.now)
        metadata = self.metadata(request)
        caller = await self.caller(request, call, proving=True)
        registered = await registrations.register(metadata, caller, call.now)
        call.client_id = registered.client.client_id
        facts: dict[str, Fact] = {"mode": registered.mode, **_facts(registered)}
        return Done("client.registered", facts, self.told(registered), 201)


class RegistrationManagement(RegistrationEndpoint):
    """The client configuration endpoint (RFC 7592 section 2)."""

    methods: ClassVar[tuple[bytes, ...]] = (b"GET", b"PUT", b"DELETE")

    async def do(self, request: IRequest, call: Call, registrations: Registrations) -> Done:
        call.client_id = client_id = request.path.rpartition(b"/")[2].decode("latin-1")
        if request.method == b"GET":
            caller = await self.caller(request, call)
            return Done("client.read", {}, self.told(await registrations.read(client_id, caller, call.now)))
        caller = await self.caller(request, call, proving=request.method == b"PUT")
        registrations.check_pace(caller, call.now)
        if request.method == b"DELETE":
            await registrations.delete(client_id, caller, call.now)
            return Done("client.deleted", {}, b"", 204)
        registered = await registrations.update(client_id, self.metadata(request), caller, call.now)
        facts: dict[str, Fact] = {"changed": registered.changed, **_facts(registered)}
        return Done("client.updated", facts, self.told(registered))


def _facts(registered: Registered) -> dict[str, Fact]:
    """What the audit log has of a registration."""
    client = registered.client
    return {
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        "registered_subject": None if client.subject is None else client.subject.text,
        "registered_trust_anchors": client.trust_anchors,
        "grant_types": client.grant_types,
        "registered_scope": " ".join(client.scope),
    }


def _bearer(request: IRequest) -> str | None:
    """The token (RFC 6750 section 2.1); what is sent in another way is no token of anybody's."""
    authorization = request.getHeader(b"authorization")
    if authorization is None:
        return None
    found = _BEARER.fullmatch(authorization)
    if found is None:
        raise Refusal(reasons.REGISTRATION_TOKEN)
    return found[1].decode("ascii")


def _error_json(refusal: Refusal, correlation_id: str) -> bytes:
    """RFC 7591 section 3.2.2; the description keeps to the characters of RFC 6749 section 5.2."""
    reason = refusal.reason
    description = "Client authentication failed." if reason.error == "invalid_client" else reason.meaning
    if reason in _TOLD and "detail" in refusal.facts:
        description = f"{description} {refusal.facts['detail']}"[:_LONGEST_DESCRIPTION]
    spelled = description.replace("\\", "(backslash)")  # which the remedies for names are about
    plain = re.sub(r"[^\x20\x21\x23-\x5b\x5d-\x7e]", "'", spelled)
    return json.dumps(
        {"error": reason.error, "error_description": plain, "correlation_id": correlation_id}
    ).encode("ascii")
