"""Client authentication in every way there is: one method a request, and all failures alike (R50, P31)."""

from __future__ import annotations

import base64
import os
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.clients.secret import SecretHash
from mtlsd.errors import Reason, Refusal
from mtlsd.judge import Identity, Provisional, Settled, judge
from mtlsd.oauth.authentication import AuthenticatedClient
from mtlsd.oauth.credentials import JWT_BEARER, SecretCredentials, credentials_of
from mtlsd.oauth.forms import Form
from mtlsd.oauth.possession import ProvenCertificate
from mtlsd.oauth.secrets import SecretChecker, in_place
from mtlsd.web.answers import error_json
from tests.pki import NOW, SUBJECT, Pki, Presented
from tests.unit.oauth.signing import SECRET, World, form, public, secretive, signed, signing, with_assertion
from tests.unit.world import PARTNERS, client, group, offline, snapshot

REAL = Pki(NOW)
BILLING = client("billing", tls_client_auth_subject_dn=SUBJECT)
ALL = (
    BILLING,
    client("pinned", [REAL.pinned.leaf]),
    signing("signing"),
    secretive("basic"),
    secretive("post", "client_secret_post"),
    public("phone"),
    public("off", disabled=True),
)
SNAPSHOT = snapshot(ALL, group(PARTNERS, REAL.anchors))
WORLD = World(SNAPSHOT.clients)
LEAF = REAL.leaf()
STRANGER = REAL.self_signed("a phone")


def judged(presented: Presented | None) -> Settled | None:
    if presented is None:
        return None
    judgement = judge(offline(presented), SNAPSHOT, NOW)
    assert not isinstance(judgement, Provisional)
    return judgement


def basic(client_id: str, secret: str = SECRET) -> str:
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def ask(
    asked: Form, authorization: str | None = None, presented: Presented | None = None, **how: Any
) -> AuthenticatedClient:
    return World(SNAPSHOT.clients).authenticate(asked, authorization, judged(presented), **how)


def refusal(*args: Any, **how: Any) -> Refusal:
    with pytest.raises(Refusal) as raised:
        ask(*args, **how)
    return raised.value


class TestCertificate:
    """As ever, and at once: a token by certificate waits for nobody."""

    def test_good(self) -> None:
        judgement = judged(LEAF)
        assert isinstance(judgement, Identity)
        found = ask(form(client_id="billing"), None, LEAF)
        assert found == AuthenticatedClient(BILLING, judgement)
        assert found.binding == found.proven == ProvenCertificate.from_identity(judgement)

    def test_parameters_without_a_value_are_absent(self) -> None:
        asked = Form({"client_id": ("billing",), "client_secret": ()})
        assert ask(asked, None, LEAF).client is BILLING

    @pytest.mark.parametrize(
        ("client_id", "presented", "reason"),
        [
            ("", LEAF, reasons.CLIENT_ID_ABSENT),
            ("billing", None, reasons.CERTIFICATE_ABSENT),
            ("billing", REAL.pinned, reasons.SUBJECT_MISMATCH),
            ("billing", STRANGER, reasons.PIN_UNKNOWN),
            ("nobody", LEAF, reasons.CLIENT_UNKNOWN),
            ("signing", LEAF, reasons.CLIENT_METHOD),
            ("signing", None, reasons.CERTIFICATE_ABSENT),
            ("basic", REAL.pinned, reasons.CLIENT_METHOD),
            ("phone", LEAF, reasons.CLIENT_METHOD),
            ("phone", STRANGER, reasons.PIN_UNKNOWN),
            ("phone", None, reasons.CERTIFICATE_ABSENT),
        ],
    )
    def test_refused(self, client_id: str, presented: Presented | None, reason: Reason) -> None:
        """A public client is nobody where nobody said that public ones may come."""
        assert refusal(form(client_id=client_id), None, presented).reason is reason


class TestOneMethod:
    """R50"""

    @pytest.mark.parametrize(
        ("asked", "authorization"),
        [
            (form(client_id="post", client_secret=SECRET), basic("post")),
            (with_assertion(signed("signing")), basic("basic")),
            (with_assertion(signed("signing"), client_id="signing", client_secret=SECRET), None),
            (form(client_assertion_type=JWT_BEARER, client_secret=SECRET), None),
        ],
    )
    @pytest.mark.parametrize("presented", [None, LEAF, STRANGER], ids=["none", "leaf", "stranger"])
    def test_two(self, asked: Form, authorization: str | None, presented: Presented | None) -> None:
        assert refusal(asked, authorization, presented).reason is reasons.REQUEST_MULTIPLE_METHODS

    @pytest.mark.parametrize(
        ("asked", "authorization"),
        [
            (form(client_id="billing", client_secret=SECRET), None),
            (form(client_id="billing"), basic("billing")),
            (with_assertion(signed("billing")), None),
        ],
    )
    def test_a_certificate_that_is_the_clients_method(self, asked: Form, authorization: str | None) -> None:
        """Whoever has the certificate learns that it is enough; nobody else learns anything."""
        assert refusal(asked, authorization, LEAF).reason is reasons.REQUEST_MULTIPLE_METHODS
        assert refusal(asked, authorization, REAL.pinned).reason is reasons.CLIENT_METHOD
        assert refusal(asked, authorization).reason is reasons.CLIENT_METHOD

    @pytest.mark.parametrize(
        ("client_id", "asked", "authorization"),
        [
            ("basic", form(), basic("basic")),
            ("post", form(client_id="post", client_secret=SECRET), None),
            ("signing", with_assertion(signed("signing")), None),
        ],
    )
    @pytest.mark.parametrize("presented", [LEAF, REAL.pinned, STRANGER], ids=["leaf", "pinned", "stranger"])
    def test_a_certificate_beside_is_no_method(
        self, client_id: str, asked: Form, authorization: str | None, presented: Presented
    ) -> None:
        """P34: tokens are bound to it, and it identifies nobody."""
        found = ask(asked, authorization, presented)
        assert found.client.client_id == client_id
        assert found.identity is None
        assert found.binding is not None
        assert found.binding.certificate.der == presented.leaf


class TestSecrets:
    @pytest.mark.parametrize("client_id", ["basic", "post"])
    def test_good(self, client_id: str) -> None:
        if client_id == "basic":
            found = ask(form(client_id="basic"), basic("basic"))
        else:
            found = ask(form(client_id="post", client_secret=SECRET))
        assert found.client.client_id == client_id

    @pytest.mark.parametrize(
        ("asked", "authorization", "reason"),
        [
            (form(), basic("basic", "wrong"), reasons.CLIENT_SECRET),
            (form(), basic("basic", SECRET + "x"), reasons.CLIENT_SECRET),
            (form(), basic("basic", ""), reasons.CLIENT_SECRET),
            (form(), basic("basic", "x" * 300), reasons.CLIENT_SECRET),
            (form(client_id="post"), basic("basic"), reasons.CLIENT_SECRET),
            (form(), basic("nobody"), reasons.CLIENT_UNKNOWN),
            (form(), basic("post"), reasons.CLIENT_METHOD),
            (form(), basic("phone"), reasons.CLIENT_METHOD),
            (form(client_id="post", client_secret="wrong"), None, reasons.CLIENT_SECRET),
            (form(client_id="basic", client_secret=SECRET), None, reasons.CLIENT_METHOD),
            (form(client_id="nobody", client_secret=SECRET), None, reasons.CLIENT_UNKNOWN),
            (form(client_id="signing", client_secret=SECRET), None, reasons.CLIENT_METHOD),
            (form(), "Bearer " + SECRET, reasons.CLIENT_METHOD),
            (form(), "Basic", reasons.CLIENT_METHOD),
            (form(), "Basic !", reasons.CLIENT_SECRET),
            (form(), "Basic " + base64.b64encode(b"basic").decode(), reasons.CLIENT_SECRET),
            (form(), "Basic " + base64.b64encode(b":x").decode(), reasons.CLIENT_SECRET),
            (form(), "Basic " + base64.b64encode(b"\xff:x").decode(), reasons.CLIENT_SECRET),
            (form(), "Basic " + base64.b64encode(b"a%zz:x").decode(), reasons.CLIENT_SECRET),
            (form(), "Basic " + "A" * 4000, reasons.CLIENT_SECRET),
        ],
    )
    def test_refused(self, asked: Form, authorization: str | None, reason: Reason) -> None:
        found = refusal(asked, authorization)
        assert found.reason is reason
        assert found.reason.error == "invalid_client"
        assert SECRET not in str(found.facts)

    def test_without_client_id(self) -> None:
        assert refusal(form(client_secret=SECRET)).reason is reasons.CLIENT_ID_ABSENT

    def test_disabled(self) -> None:
        world = World(snapshot([secretive("basic", disabled=True)]).clients)
        with pytest.raises(Refusal) as raised:
            world.authenticate(form(), basic("basic"))
        assert raised.value.reason is reasons.CLIENT_DISABLED

    def test_a_client_id_with_a_colon_is_encoded(self) -> None:
        """RFC 6749 section 2.3.1"""
        url = "https://client.example/?a=b+c"
        world = World(snapshot([secretive(url)]).clients)
        assert world.authenticate(form(), basic(url)).client.client_id == url

    def test_a_guess_costs_one_hash_whoever_is_meant(self, monkeypatch: pytest.MonkeyPatch) -> None:
        computed: list[int] = []

        def matches(own: SecretHash, secret: str) -> bool:
            computed.append(own.ln)
            return False

        monkeypatch.setattr(SecretHash, "matches", matches)
        for authorization in map(basic, ("basic", "post", "nobody", "signing", "billing", "phone")):
            computed.clear()
            refusal(form(), authorization)
            assert computed == [14]

    def test_where_nobody_has_a_secret_no_hash_is_computed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(SecretHash, "matches", None)
        with pytest.raises(Refusal) as raised:
            World(snapshot([BILLING], group(PARTNERS, REAL.anchors)).clients).authenticate(form(), basic("x"))
        assert raised.value.reason is reasons.CLIENT_METHOD


class TestSecretChecker:
    def test_what_was_right_is_remembered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        world = World(SNAPSHOT.clients)
        assert world.authenticate(form(), basic("basic")).client.client_id == "basic"
        monkeypatch.setattr(SecretHash, "matches", lambda own, secret: False)
        assert world.authenticate(form(), basic("basic")).client.client_id == "basic"
        with pytest.raises(Refusal):
            world.authenticate(form(), basic("basic", "wrong"))

    def test_what_is_remembered_is_bounded(self) -> None:
        checker = SecretChecker.make(in_place, os.urandom)
        checker.max_remembered = 2
        for number in range(4):
            checker._remember(bytes([number]))
        assert len(checker._right) == 2
        assert SECRET not in repr(checker)

    def test_many_at_once_are_refused(self) -> None:
        waiting: list[Deferred[bool]] = []

        def never(work: Callable[[], bool]) -> Awaitable[bool]:
            waiting.append(Deferred())
            return waiting[-1]

        checker = SecretChecker.make(never, os.urandom)
        checker.most_waiting = 2
        results: list[Any] = []
        for _ in range(3):
            Deferred.fromCoroutine(checker.is_right("x", None)).addBoth(results.append)
        [busy] = results
        assert busy.value.reason is reasons.CLIENT_BUSY
        for deferred in waiting:
            deferred.callback(True)
        assert results[1:] == [False, False]
        assert checker._waiting == 0


class TestPublic:
    """RFC 8705 section 4 (R20): any certificate, possession proven, no chain"""

    def test_a_stranger_certificate_binds(self) -> None:
        found = ask(form(client_id="phone"), None, STRANGER, public=True)
        assert found.client.is_public
        assert found.identity is None
        assert found.binding is not None
        assert found.binding.certificate.der == STRANGER.leaf
        assert found.valid_until == found.binding.certificate.not_after

    def test_without_one_there_is_nothing_to_bind_to(self) -> None:
        """R19, P33: an error, never a bearer token"""
        found = ask(form(client_id="phone"), public=True)
        for read in (lambda: found.binding, lambda: found.valid_until):
            with pytest.raises(Refusal) as raised:
                read()
            assert raised.value.reason is reasons.BINDING_ABSENT

    def test_disabled(self) -> None:
        assert refusal(form(client_id="off"), None, STRANGER, public=True).reason is reasons.CLIENT_DISABLED

    def test_it_has_no_secret(self) -> None:
        asked = form(client_id="phone", client_secret="x")
        assert refusal(asked, None, STRANGER, public=True).reason is reasons.CLIENT_METHOD

    @pytest.mark.parametrize("client_id", ["billing", "pinned", "signing", "basic", "post", "nobody"])
    @pytest.mark.parametrize("presented", [None, STRANGER], ids=["none", "stranger"])
    def test_nobody_else_comes_without_credentials(self, client_id: str, presented: Presented | None) -> None:
        found = refusal(form(client_id=client_id), None, presented, public=True)
        assert found.reason is (reasons.CERTIFICATE_ABSENT if presented is None else reasons.PIN_UNKNOWN)


def test_an_unbound_client_needs_no_certificate() -> None:
    unbound = signing("signing", tls_client_certificate_bound_access_tokens=False)
    found = World(snapshot([unbound]).clients).authenticate(with_assertion(signed("signing")))
    assert (found.binding, found.valid_until) == (None, None)


def test_nobody_can_tell_why() -> None:
    """P31: one body and one status, whoever is meant and whatever is wrong."""
    failures = [
        (form(client_id=client_id), authorization, presented)
        for client_id in ("nobody", "billing", "signing", "basic")
        for authorization in (None, basic(client_id, "wrong"))
        for presented in (None, STRANGER)
    ]
    failures += [(with_assertion(signed(who, aud="x")), None, None) for who in ("nobody", "signing", "basic")]
    found = [refusal(*failure) for failure in failures]
    assert len({error_json(one, "same") for one in found}) == 1
    assert {one.reason.status for one in found} == {401}


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_basic_pair_is_read_as_it_was_meant(client_id: str, secret: str) -> None:
    try:
        found = credentials_of(form(), basic(client_id, secret))
    except (Refusal, UnicodeEncodeError):
        return
    assert found == SecretCredentials("client_secret_basic", client_id, secret)


@given(st.text(max_size=60))
def test_any_authorization_is_read_or_refused(header: str) -> None:
    for text in (header, "Basic " + header):
        try:
            credentials_of(form(), text)
        except Refusal as refused:
            assert refused.reason.error == "invalid_client"  # noqa: PT017  # either is right


def clients_of(world: World) -> list[Client]:
    return [own.client for own in world.clients.registrations.values()]


@pytest.mark.parametrize("certificate_of", ["billing", "pinned"])
def test_every_pair_of_certificate_and_credentials(certificate_of: str) -> None:
    """The certificate of one client and the credentials of another: nothing crosses."""
    presented = LEAF if certificate_of == "billing" else REAL.pinned
    for other in clients_of(WORLD):
        name = other.client_id
        for asked, authorization in (
            (form(client_id=name), None),
            (form(client_id=name), basic(name)),
            (form(client_id=name, client_secret=SECRET), None),
            (with_assertion(signed(name), client_id=name), None),
        ):
            try:
                found = ask(asked, authorization, presented, public=True)
            except Refusal:
                continue
            assert found.client is other
            assert (found.identity is not None) == (name == certificate_of)
