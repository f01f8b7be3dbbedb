"""Registration and its management: R59, R60, R61, R82."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from mtlsd import reasons
from mtlsd.clients.sightings import Sighting
from mtlsd.errors import Fact, Refusal
from mtlsd.jose.jwk import jwk_of_certificate
from mtlsd.oauth.artifacts import Artifact
from mtlsd.oauth.registration import Caller, Registered
from mtlsd.oauth.registration_artifacts import Change, InitialToken, change_key
from mtlsd.oauth.registration_metadata import told_metadata
from mtlsd.service.registering import Registering
from mtlsd.stores.interfaces import StoreUnavailable
from tests.pki import NOW
from tests.unit.oauth.grants_world import now_of, reason_of
from tests.unit.service.registering_world import OTHER_PIN, PIN, POLICY, A, B, World, caller, self_signed
from tests.unit.stores.values import result_of

LATER = NOW + timedelta(days=1)
DAY = timedelta(days=1)
MANY_URIS = [f"https://client.example/{number}" for number in range(21)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def with_policy(world: World, **changes: Any) -> World:
    directory = world.directory / "other"
    directory.mkdir()
    return World(directory, attrs.evolve(POLICY, **changes))


def jwks(*certificates: Any) -> dict[str, Any]:
    return {"keys": [jwk_of_certificate(own.der) for own in certificates]}


def update(world: World, before: Registered, by: Caller, **metadata: Any) -> Registered:
    by = attrs.evolve(by, bearer=by.bearer or before.token)
    given = {"client_id": before.client.client_id, **metadata}
    return now_of(world.registrations.update(before.client.client_id, given, by, LATER))


def refused_update(world: World, before: Registered, by: Caller, **metadata: Any) -> Any:
    by = attrs.evolve(by, bearer=by.bearer or before.token)
    given = {"client_id": before.client.client_id, **metadata}
    return reason_of(world.registrations.update(before.client.client_id, given, by, LATER))


def read(world: World, client_id: str, token: str) -> Registered:
    return now_of(world.registrations.read(client_id, caller(bearer=token), NOW))


# -- registering -----------------------------------------------------------------------------------------


def test_by_a_certificate_and_nothing_else(world: World) -> None:
    """Everything that is left out follows from the certificate and the policy."""
    registered = world.register(caller(A))
    assert told_metadata(registered.client) == {
        "client_id": registered.client.client_id,
        "token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_subject_dn": "CN=a",
        "tls_client_auth_subject_dn_read_as": "CN=a",
        "grant_types": ["client_credentials"],
        "response_types": [],
        "scope": "read write",
        "tls_client_certificate_bound_access_tokens": True,
        "use_mtls_endpoint_aliases": False,
    }
    assert registered.client.trust_anchors == ("partners",)
    assert world.clients() == {registered.client.client_id: registered.client}


@pytest.mark.parametrize("text", ["CN=a", "cn=A", "2.5.4.3=#0c0161", "CN=\\61"])
def test_both_spellings_of_a_dn(world: World, text: str) -> None:
    """R82: as registered, and beside it as it is read."""
    told = told_metadata(world.register(caller(A), tls_client_auth_subject_dn=text).client)
    assert told["tls_client_auth_subject_dn"] == text
    assert told["tls_client_auth_subject_dn_read_as"].lower() == "cn=a"


def test_a_pinned_client(world: World) -> None:
    registered = world.register(caller(PIN, groups=()), jwks=jwks(PIN))
    assert registered.mode == "open"
    assert registered.client.token_endpoint_auth_method == "self_signed_tls_client_auth"
    assert registered.client.pins == (PIN.der,)


def test_a_client_with_redirect_uris(world: World) -> None:
    uris = ["https://client.example/cb", "https://a.apps.example/cb", "http://127.0.0.1/cb"]
    registered = world.register(
        caller(A), redirect_uris=uris, grant_types=["authorization_code", "refresh_token"], scope="read"
    )
    assert registered.client.redirect_uris == tuple(uris)
    assert registered.client.response_types == ("code",)


def test_unknown_metadata_is_ignored(world: World) -> None:
    """R59, and what only an operator decides is unknown here."""
    given = {
        "logo_uri": "https://client.example/logo", "contacts": ["x"], "software_statement": "a.b.c",
        "client_id": "mine", "trust_anchors": ["others"], "disabled": True, "introspects": ["https://api"],
        "exchanges_for": ["https://api"], "allow_client_secret": True, "client_secret_hash": "x",
        "resources": ["https://api.example/"], "refresh_token_seconds": 10**9,
        "access_token_format": "opaque", "client_name": None, "certificate": "x.pem",
    }  # fmt: skip
    plain = world.register(caller(A)).client
    decorated = world.register(caller(B), **given).client
    assert decorated.client_id not in ("mine", plain.client_id)
    subject = attrs.evolve(decorated, client_id=plain.client_id, subject=plain.subject)
    assert subject == plain


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({"redirect_uris": ["https://evil.example/cb"]}, reasons.REGISTRATION_REDIRECT_URI),
        ({"redirect_uris": ["https://apps.example/cb"]}, reasons.REGISTRATION_REDIRECT_URI),
        ({"redirect_uris": ["https://client.example.evil.example/cb"]}, reasons.REGISTRATION_REDIRECT_URI),
        ({"redirect_uris": ["https://client.example/cb#x"]}, reasons.REGISTRATION_REDIRECT_URI),
        ({"redirect_uris": ["javascript:alert(1)"]}, reasons.REGISTRATION_REDIRECT_URI),
        ({"redirect_uris": "https://client.example/cb"}, reasons.REGISTRATION_REDIRECT_URI),
        ({"redirect_uris": MANY_URIS}, reasons.REGISTRATION_REDIRECT_URI),
        ({"scope": "read admin"}, reasons.REGISTRATION_METADATA),
        ({"scope": ["read"]}, reasons.REGISTRATION_METADATA),
        ({"grant_types": ["urn:ietf:params:oauth:grant-type:token-exchange"]}, reasons.REGISTRATION_METADATA),
        ({"grant_types": ["password"]}, reasons.REGISTRATION_METADATA),
        ({"grant_types": ["client_credentials"], "response_types": ["code"]}, reasons.REGISTRATION_METADATA),
        ({"token_endpoint_auth_method": "client_secret_basic"}, reasons.REGISTRATION_METADATA),
        ({"token_endpoint_auth_method": ["tls_client_auth"]}, reasons.REGISTRATION_METADATA),
        ({"token_endpoint_auth_method": {}}, reasons.REGISTRATION_METADATA),
        ({"tls_client_auth_subject_dn": "nonsense"}, reasons.REGISTRATION_METADATA),
        ({"tls_client_auth_subject_dn": ["CN=a"]}, reasons.REGISTRATION_METADATA),
        ({"tls_client_auth_subject_dn": "CN=a", "tls_client_auth_san_ip": ""}, reasons.REGISTRATION_METADATA),
        ({"tls_client_auth_san_ip": 7}, reasons.REGISTRATION_METADATA),
        ({"jwks": {"keys": []}}, reasons.REGISTRATION_METADATA),
        ({"jwks": {"keys": [{"kty": "EC", "x5c": ["AAAA"]}]}}, reasons.REGISTRATION_METADATA),
        ({"jwks": 1}, reasons.REGISTRATION_METADATA),
        ({"jwks": {"keys": [1]}, "jwks_uri": "https://client.example/jwks"}, reasons.REGISTRATION_METADATA),
        ({"jwks_uri": "http://client.example/jwks"}, reasons.REGISTRATION_METADATA),
        ({"client_name": "a" * 201}, reasons.REGISTRATION_METADATA),
        ({"client_name": "a\nb"}, reasons.REGISTRATION_METADATA),
        ({"tls_client_certificate_bound_access_tokens": "true"}, reasons.REGISTRATION_METADATA),
        ({"token_endpoint_auth_method": "none", "redirect_uris": ["https://client.example/cb"],
          "tls_client_certificate_bound_access_tokens": False}, reasons.REGISTRATION_METADATA),
    ],
)  # fmt: skip
def test_what_cannot_be_registered(world: World, metadata: dict[str, Any], reason: Any) -> None:
    assert world.refused(caller(A), **metadata) is reason
    assert world.clients() == {}


def test_a_method_with_a_secret_is_told_as_what_it_is(world: World) -> None:
    """Not that a hash is missing, which no client could send."""
    with pytest.raises(Refusal) as raised:
        world.register(caller(A), token_endpoint_auth_method="client_secret_basic")
    assert raised.value.facts["detail"] == "token_endpoint_auth_method: is not allowed here"


def test_the_policy_says_what_a_jwks_uri_may_be(world: World) -> None:
    world = with_policy(world, refuses_url=lambda url: "it is private" if "private" in url else None)
    assert world.refused(caller(), jwks_uri="https://private/jwks") is reasons.REGISTRATION_METADATA
    registered = world.register(caller(), jwks_uri="https://client.example/jwks")
    assert registered.client.jwks_uri == "https://client.example/jwks"


# -- who may ---------------------------------------------------------------------------------------------


def initial(world: World, secret: str = "initial", once: bool = True) -> Artifact:
    artifact = InitialToken("", once, NOW).artifact(secret, NOW + DAY)
    result_of(world.store.artifacts.save(artifact, now=NOW))
    return artifact


def test_nobody_without_credentials_unless_open(world: World) -> None:
    world = with_policy(world, modes=("certificate", "initial_access_token"))
    for by in (caller(), caller(A, groups=()), caller(A, groups=("others",)), caller(PIN, groups=())):
        assert world.refused(by) is reasons.REGISTRATION_CREDENTIALS
    assert world.register(caller(A)).mode == "certificate"


def test_initial_access_tokens(world: World) -> None:
    """R60"""
    initial(world)
    assert world.refused(caller(A, bearer="another")) is reasons.REGISTRATION_TOKEN
    assert world.refused(caller(A, bearer="initial"), scope="admin") is reasons.REGISTRATION_METADATA
    assert world.register(caller(A, bearer="initial")).mode == "initial_access_token"
    assert world.refused(caller(B, bearer="initial")) is reasons.REGISTRATION_TOKEN
    initial(world, "many", once=False)
    world.register(caller(B, bearer="many"))
    world.register(caller(PIN, bearer="many"), jwks=jwks(PIN))


def test_an_initial_access_token_ends(world: World) -> None:
    initial(world, once=False)
    work = world.registrations.register({}, caller(A, bearer="initial"), NOW + 2 * DAY)
    assert reason_of(work) is reasons.REGISTRATION_TOKEN


def test_a_token_where_only_certificates_register(world: World) -> None:
    world = with_policy(world, modes=("certificate",))
    initial(world)
    assert world.refused(caller(A, bearer="initial")) is reasons.REGISTRATION_TOKEN


def test_a_flood_from_one_address(world: World) -> None:
    """R60"""
    world = with_policy(world, per_address_per_hour=2)
    for _ in range(2):
        world.registrations.check_pace(caller(), NOW)
    with pytest.raises(Refusal) as refused:
        world.registrations.check_pace(caller(), NOW)
    assert refused.value.reason is reasons.REGISTRATION_THROTTLED
    assert refused.value.facts["retry_after_seconds"] > 1000  # type: ignore[operator]  # a number
    world.registrations.check_pace(caller(address="198.51.100.1"), NOW)


def test_a_flood_from_everywhere(world: World) -> None:
    """It hinders nobody whom somebody vouches for."""
    world = with_policy(world, open_per_hour=1)
    uris = (f"https://client.example/{number}" for number in range(10))
    world.register(caller(), jwks_uri=next(uris))
    assert world.refused(caller(), jwks_uri=next(uris)) is reasons.REGISTRATION_THROTTLED
    assert world.register(caller(A)).mode == "certificate"


def test_no_more_clients_than_that(world: World) -> None:
    in_files = len(world.config.registrations)
    world = with_policy(world, most_clients=in_files + 1)
    world.register(caller(A))
    assert world.refused(caller(B)) is reasons.REGISTRATION_FULL


# -- managing --------------------------------------------------------------------------------------------


def test_read(world: World) -> None:
    """R61: the token that was presented is told again; the store has none to tell."""
    registered = world.register(caller(A))
    again = read(world, registered.client.client_id, registered.token)
    assert (again.client, again.token) == (registered.client, registered.token)
    assert again.registered_at == NOW.replace(microsecond=0)


def test_update_replaces_everything(world: World) -> None:
    """R61: a full replace; and the token is another one then."""
    registered = world.register(caller(A), client_name="A", scope="read")
    updated = update(
        world, registered, caller(), tls_client_auth_subject_dn="CN=a", use_mtls_endpoint_aliases=True
    )
    assert updated.client.client_name is None
    assert updated.client.scope == ("read", "write")
    assert set(updated.changed) == {"client_name", "scope", "use_mtls_endpoint_aliases"}
    assert updated.registered_at == NOW.replace(microsecond=0)
    assert world.clients() == {updated.client.client_id: updated.client}
    assert updated.token != registered.token
    client_id = updated.client.client_id
    work = world.registrations.read(client_id, caller(bearer=registered.token), NOW)
    assert reason_of(work) is reasons.REGISTRATION_TOKEN
    assert read(world, client_id, updated.token).client == updated.client


@pytest.mark.parametrize(
    "member",
    ["registration_access_token", "registration_client_uri", "client_secret_expires_at",
     "client_id_issued_at", "client_secret"],
)  # fmt: skip
def test_what_an_update_must_not_have(world: World, member: str) -> None:
    """R61"""
    registered = world.register(caller(A))
    given = {member: "x", "tls_client_auth_subject_dn": "CN=a"}
    assert refused_update(world, registered, caller(), **given) is reasons.REGISTRATION_METADATA


@pytest.mark.parametrize("client_id", ["another", None, "", 1])
def test_an_update_names_its_client(world: World, client_id: object) -> None:
    registered = world.register(caller(A))
    assert refused_update(world, registered, caller(), client_id=client_id) is reasons.REGISTRATION_METADATA


def test_what_an_operator_gave_stays(world: World) -> None:
    """Neither a full replace nor the policy takes it, and it goes no further."""
    registered = world.register(caller(A))
    given = attrs.evolve(
        registered.client, scope=("read", "admin"), introspects=("https://api",), resources=("https://api/",)
    )
    result_of(world.store.update_client(given, NOW))
    same = {"tls_client_auth_subject_dn": "CN=a", "scope": "admin"}
    updated = update(world, registered, caller(), **same)
    assert updated.client == attrs.evolve(given, scope=("admin",))
    again = {"tls_client_auth_subject_dn": "CN=a", "scope": "admin root"}
    assert refused_update(world, updated, caller(), **again) is reasons.REGISTRATION_METADATA


def test_delete(world: World) -> None:
    """R61; R59: the client_id is never given again. All that it was issued goes with it."""
    registered = world.register(caller(A))
    client_id = registered.client.client_id
    key = Artifact.key_of("refresh")
    token = Artifact("refresh_token", key, client_id, None, {}, LATER)
    result_of(world.store.artifacts.save(token, now=NOW))
    now_of(world.registrations.delete(client_id, caller(bearer=registered.token), NOW))
    assert world.clients() == {}
    assert result_of(world.store.artifacts.find("refresh_token", key, NOW)) is None
    work = world.registrations.delete(client_id, caller(bearer=registered.token), NOW)
    assert reason_of(work) is reasons.REGISTRATION_TOKEN
    assert world.register(caller(A)).client.client_id != client_id


def test_a_disabled_client_manages_nothing(world: World) -> None:
    registered = world.register(caller(A))
    result_of(world.store.set_disabled(registered.client.client_id, True, NOW))
    assert refused_update(world, registered, caller()) is reasons.REGISTRATION_TOKEN
    result_of(world.store.set_disabled(registered.client.client_id, False, NOW))
    assert refused_update(world, registered, caller()) is reasons.REGISTRATION_TOKEN


# -- changing what a client is known by -------------------------------------------------------------------


def test_over_the_present_certificate(world: World) -> None:
    registered = world.register(caller(A))
    by = caller(A, client=registered.client)
    updated = update(world, registered, by, tls_client_auth_san_dns="A.example")
    assert updated.client.subject is not None
    assert updated.client.subject.text == "A.example"
    by = caller(A, client=updated.client)
    pinned = update(world, updated, by, jwks=jwks(A))
    assert pinned.client.token_endpoint_auth_method == "self_signed_tls_client_auth"
    assert pinned.client.trust_anchors == ()
    assert pinned.client.subject is None


def test_a_renewed_certificate_with_the_same_key(world: World) -> None:
    registered = world.register(caller(PIN, groups=()), jwks=jwks(PIN))
    renewed = self_signed("pin")
    assert renewed.der != PIN.der
    by = caller(PIN, groups=(), client=registered.client)
    assert len(update(world, registered, by, jwks=jwks(PIN, renewed)).client.pins) == 2


def test_unbound_tokens_are_not_a_strangers_choice(world: World) -> None:
    """A stolen registration token turns no bound token into one that anybody can use."""
    registered = world.register(caller(A), tls_client_auth_san_dns="a.example")
    same = {"tls_client_auth_san_dns": "a.example"}
    registered = update(world, registered, caller(B), **same)  # which changes nothing of it
    unbound = {**same, "tls_client_certificate_bound_access_tokens": False}
    assert refused_update(world, registered, caller(B), **unbound) is reasons.REGISTRATION_APPROVAL
    by = caller(A, client=registered.client)
    assert not update(world, registered, by, **unbound).client.tls_client_certificate_bound_access_tokens


def test_a_change_waits_for_an_operator(world: World) -> None:
    registered = world.register(caller(A))
    asked = {"tls_client_auth_san_dns": "b.example"}
    assert refused_update(world, registered, caller(B), **asked) is reasons.REGISTRATION_APPROVAL
    client_id = registered.client.client_id
    assert world.clients() == {client_id: registered.client}
    found = result_of(world.store.artifacts.find("registration_change", change_key(client_id), LATER))
    assert found is not None
    change = Change.from_artifact(found.artifact)
    assert change.before == registered.client
    assert change.after.subject is not None
    assert change.after.subject.text == "b.example"
    assert read(world, client_id, registered.token).client == registered.client


# -- the rest --------------------------------------------------------------------------------------------


def test_a_store_that_fails(world: World) -> None:
    registered = world.register(caller(A))
    result_of(world.store.close())
    work = world.registrations.read(registered.client.client_id, caller(bearer=registered.token), NOW)
    assert reason_of(work) is reasons.STORE_UNAVAILABLE
    with pytest.raises(StoreUnavailable):
        world.clients()


def test_clients_that_nobody_uses(world: World) -> None:
    """Those that are used stay, and those of whom nobody can tell."""
    world = with_policy(world, unused_days=30)
    used = world.register(caller(A)).client
    unused = world.register(caller(B)).client
    key = {"kty": "EC", "crv": "P-256", **{name: jwk_of_certificate(PIN.der)[name] for name in "xy"}}
    with_key = world.register(
        caller(), token_endpoint_auth_method="private_key_jwt", jwks={"keys": [key]}
    ).client
    other = world.register(caller(OTHER_PIN, groups=()), jwks=jwks(OTHER_PIN)).client
    at = NOW + 20 * DAY
    seen = Sighting(used.client_id, A.x5t_s256, "CN=a", A.not_before, A.not_after, NOW, at)
    result_of(world.store.record_sightings([seen]))
    events: list[tuple[str, dict[str, Fact]]] = []
    registering = Registering(
        world._book,
        lambda: world.registrations.artifacts,
        lambda: NOW + 31 * DAY,
        lambda *event: events.append(event),
    )
    now_of(registering.forget_unused())
    assert world.clients().keys() == {used.client_id, with_key.client_id}
    assert {facts["client_id"] for _, facts in events} == {unused.client_id, other.client_id}
