"""The token endpoint: authentication, grants and the tokens that come of them."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from itertools import count
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.errors import Reason, Refusal
from mtlsd.jose.signer import Signer
from mtlsd.judge import Provisional, Settled, judge
from mtlsd.oauth.forms import Form
from mtlsd.oauth.token_endpoint import TokenEndpoint, TokenIssued
from mtlsd.oauth.tokens import AccessTokenIssuer
from mtlsd.web.answers import error_json
from tests.pki import BAD, NOW, SUBJECT, Pki, Presented
from tests.unit.oauth.signing import World, finished
from tests.unit.stores.artifacts_memory import MemoryArtifacts
from tests.unit.world import PARTNERS, client, group, offline, snapshot

REAL = Pki(NOW)
KEY = ec.generate_private_key(ec.SECP256R1())
ISSUER = "https://as.example.com"
API, OTHER = "https://api.example.com/", "urn:other"

BILLING = client(
    "billing", tls_client_auth_subject_dn=SUBJECT, scope="read write admin", resources=[API, OTHER]
)
PINNED = client("pinned", [REAL.pinned.leaf])
UNBOUND = client(
    "unbound", tls_client_auth_san_dns="x.example", tls_client_certificate_bound_access_tokens=False
)


def endpoint(*clients: Client, lifetime: int = 300) -> TokenEndpoint:
    world = snapshot(clients, group(PARTNERS, REAL.anchors))
    ids = count()
    tokens = AccessTokenIssuer(
        issuer=ISSUER,
        audience=ISSUER,
        lifetime=timedelta(seconds=lifetime),
        signer=Signer.from_private_key(KEY, "ES256"),
        random_id=lambda: f"id-{next(ids)}",
    )
    return TokenEndpoint(World(world.clients).authenticator, tokens, artifacts=MemoryArtifacts())


def judged(presented: Presented, *clients: Client, now: datetime = NOW) -> Settled:
    judgement = judge(offline(presented), snapshot(clients, group(PARTNERS, REAL.anchors)), now)
    assert not isinstance(judgement, Provisional)
    return judgement


def form(**parameters: str) -> Form:
    given = {"grant_type": "client_credentials", "client_id": "billing", **parameters}
    return Form({name: (value,) for name, value in given.items() if value})


ALL = (BILLING, PINNED, UNBOUND)


def ask(
    presented: Presented | None,
    *clients: Client,
    now: datetime = NOW,
    authorization: str | None = None,
    **parameters: str,
) -> TokenIssued:
    clients = clients or ALL
    judgement = None if presented is None else judged(presented, *clients, now=now)
    return finished(endpoint(*clients).answer(form(**parameters), authorization, judgement, now))


def refusal(*args: Any, **how: Any) -> Refusal:
    with pytest.raises(Refusal) as raised:
        ask(*args, **how)
    return raised.value


def claims(issued: TokenIssued) -> dict[str, Any]:
    options: Any = {"verify_exp": False, "verify_iat": False, "verify_aud": False}
    read: dict[str, Any] = jwt.decode(
        issued.token.value, KEY.public_key(), algorithms=["ES256"], options=options
    )
    return read


def test_token() -> None:
    """R66, R17: RFC 9068 with the confirmation of RFC 8705; read by a library that is not ours."""
    good = REAL.leaf()
    issued = ask(good, scope="write read")
    assert jwt.get_unverified_header(issued.token.value)["typ"] == "at+jwt"
    at = int(NOW.timestamp())
    read = claims(issued)
    assert len(base64.urlsafe_b64decode(read["cnf"]["x5t#S256"] + "=")) == 32
    assert read == {
        "iss": ISSUER,
        "sub": "billing",
        "client_id": "billing",
        "aud": ISSUER,
        "scope": "read write",
        "cnf": {"x5t#S256": issued.token.x5t_s256},
        "iat": at,
        "exp": at + 300,
        "jti": issued.token.jti,
    }
    answer = json.loads(issued.to_json())
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 300
    assert answer["scope"] == "read write"


def test_never_beyond_the_certificate() -> None:
    short = REAL.leaf(valid=(NOW - timedelta(days=1), NOW + timedelta(seconds=100)))
    issued = ask(short)
    assert issued.token.expires_in == 100
    assert claims(issued)["exp"] == int(NOW.timestamp()) + 100


def test_two_tokens_differ() -> None:
    one = endpoint(*ALL)
    judgement = judged(REAL.leaf(), *ALL)
    tokens = {finished(one.answer(form(), None, judgement, NOW)).token.value for _ in range(3)}
    assert len(tokens) == 3


def test_pinned_client() -> None:
    assert claims(ask(REAL.pinned, client_id="pinned"))["sub"] == "pinned"


def test_unbound_only_where_registered_so() -> None:
    from cryptography import x509

    presented = REAL.leaf(names=[x509.DNSName("x.example")])
    assert "cnf" not in claims(ask(presented, client_id="unbound"))


class TestAuthentication:
    """R1 to R4, R50"""

    @pytest.mark.parametrize(
        ("how", "reason"),
        [
            ({"client_id": ""}, reasons.CLIENT_ID_ABSENT),
            ({"client_id": "pinned"}, reasons.PIN_MISMATCH),
            ({"client_id": "unbound"}, reasons.SUBJECT_MISMATCH),
            ({"client_id": "nobody"}, reasons.CLIENT_UNKNOWN),
            ({"client_secret": "hunter2"}, reasons.REQUEST_MULTIPLE_METHODS),
            ({"client_assertion": "x.y.z"}, reasons.CLIENT_ASSERTION),
            ({"authorization": "Basic YmlsbGluZzp4"}, reasons.REQUEST_MULTIPLE_METHODS),
        ],
    )
    def test_refused(self, how: dict[str, Any], reason: Reason) -> None:
        assert refusal(REAL.leaf(), **how).reason is reason

    def test_no_certificate(self) -> None:
        assert refusal(None).reason is reasons.CERTIFICATE_ABSENT
        assert refusal(None, client_id="nobody").reason is reasons.CERTIFICATE_ABSENT
        assert refusal(None, client_secret="hunter2").reason is reasons.CLIENT_METHOD

    def test_a_refused_certificate_is_no_client(self) -> None:
        """R45: the handshake may have completed all the same."""
        assert refusal(BAD["expired"].make(REAL)).reason is reasons.CERTIFICATE_EXPIRED

    def test_nobody_can_tell_why(self) -> None:
        """P31: unknown client, another's certificate and a refused one look alike to the caller."""
        said = {
            error_json(refusal(presented, client_id=client_id), "same")
            for presented in (REAL.leaf(), REAL.pinned, BAD["expired"].make(REAL), None)
            for client_id in ("nobody", "unbound")
        }
        assert len(said) == 1
        assert refusal(REAL.leaf(), client_id="nobody").reason.status == 401

    def test_secrets_stay_out_of_the_facts(self) -> None:
        assert "hunter2" not in str(refusal(REAL.leaf(), client_secret="hunter2").facts)


class TestGrant:
    """R51, R67"""

    @pytest.mark.parametrize(
        ("how", "reason"),
        [
            ({"grant_type": ""}, reasons.GRANT_ABSENT),
            ({"grant_type": "password"}, reasons.GRANT_UNSUPPORTED),
            ({"scope": "delete"}, reasons.SCOPE_INVALID),
            ({"scope": "read  write"}, reasons.SCOPE_INVALID),
            ({"scope": 'read "'}, reasons.SCOPE_INVALID),
            ({"resource": "https://evil.example/"}, reasons.RESOURCE_INVALID),
            ({"resource": API + "#fragment"}, reasons.RESOURCE_INVALID),
            ({"resource": "relative"}, reasons.RESOURCE_INVALID),
        ],
    )
    def test_refused(self, how: dict[str, str], reason: Reason) -> None:
        assert refusal(REAL.leaf(), **how).reason is reason

    def test_scope_defaults_to_the_registered_one(self) -> None:
        assert ask(REAL.leaf()).grant.scope == ("read", "write", "admin")

    def test_resource_becomes_the_audience(self) -> None:
        assert claims(ask(REAL.leaf(), resource=API))["aud"] == API

    def test_several_resources(self) -> None:
        asked = Form({**form().parameters, "resource": (API, OTHER, API)})
        issued = finished(endpoint(*ALL).answer(asked, None, judged(REAL.leaf(), *ALL), NOW))
        assert claims(issued)["aud"] == [API, OTHER]

    def test_a_client_without_the_grant(self) -> None:
        """An empty list of grant types allows none."""
        nothing = client("billing", tls_client_auth_subject_dn=SUBJECT, grant_types=[])
        assert refusal(REAL.leaf(), nothing).reason is reasons.GRANT_UNAUTHORIZED

    def test_a_client_without_scope_gets_none(self) -> None:
        bare = client("billing", tls_client_auth_subject_dn=SUBJECT)
        issued = ask(REAL.leaf(), bare)
        assert "scope" not in claims(issued)
        assert "scope" not in json.loads(issued.to_json())
        assert refusal(REAL.leaf(), bare, scope="read").reason is reasons.SCOPE_INVALID


def test_what_is_prepared_is_bounded() -> None:
    one = endpoint(*ALL)
    one.access_tokens.max_prepared = 2
    judgement = judged(REAL.leaf(), *ALL)
    for scope in ("read", "write", "admin", "read write"):
        assert finished(one.answer(form(scope=scope), None, judgement, NOW)).grant.scope
    assert len(one.access_tokens._prepared) <= 2


def test_token_is_never_shown() -> None:
    issued = ask(REAL.leaf())
    assert issued.token.value not in repr(issued)
