"""What strangers try with registrations, and what it gets them: R30, R60, R61, R78."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred

from mtlsd import reasons
from mtlsd.clients.fetched import Published
from mtlsd.errors import Reason, Refusal
from mtlsd.jose.jwk import jwk_of_certificate
from mtlsd.oauth.artifacts import Artifact
from mtlsd.oauth.registration import Caller, Registered
from mtlsd.oauth.registration_artifacts import InitialToken
from tests.pki import NOW
from tests.unit.oauth.grants_world import now_of, reason_of
from tests.unit.service.registering_world import OTHER_PIN, PIN, POLICY, A, B, World, caller
from tests.unit.service.test_registration import DAY, jwks
from tests.unit.stores.values import result_of

VICTIMS_URI = "https://victim.example/jwks"


@attrs.frozen
class Scene:
    """A world with three victims, and a stranger with a certificate of the same group.

    :ivar pinned: it came by itself; it is known by PIN.
    :ivar named: it came by itself; it is known as CN=a.
    :ivar publishing: it publishes what it is known by.
    :ivar stranger: what the stranger registered.
    """

    world: World
    pinned: Registered
    named: Registered
    publishing: Registered
    stranger: Registered

    @property
    def by(self) -> Caller:
        """The stranger, over its own connection."""
        return caller(B, client=self.stranger.client)

    def update(self, of: Registered, by: Caller, **metadata: Any) -> Any:
        given = {"client_id": of.client.client_id, **metadata}
        return self.world.registrations.update(of.client.client_id, given, by, NOW)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return make(tmp_path)


def make(directory: Path, **policy: Any) -> Scene:
    world = World(directory, attrs.evolve(POLICY, **policy))
    return Scene(
        world,
        world.register(caller(PIN, groups=()), jwks=jwks(PIN)),
        world.register(caller(A)),
        world.register(caller(), jwks_uri=VICTIMS_URI),
        world.register(caller(B)),
    )


def another_token(scene: Scene) -> Caller:
    """The stranger with a token that is good, but for its own client."""
    return attrs.evolve(scene.by, bearer=scene.stranger.token)


def stolen(of: Registered, by: Caller) -> Caller:
    return attrs.evolve(by, bearer=of.token)


ATTACKS: dict[str, tuple[Callable[[Scene], Any], Reason]] = {
    # what is another's already
    "the victim's name": (lambda s: register(s, caller(A)), reasons.REGISTRATION_TAKEN),
    "the victim's name in another spelling": (
        lambda s: register(s, caller(A), tls_client_auth_subject_dn="2.5.4.3=#0c0141"),
        reasons.REGISTRATION_TAKEN,
    ),
    "the victim's name, without its certificate": (
        lambda s: register(s, caller(B), tls_client_auth_subject_dn="CN=a"),
        reasons.REGISTRATION_UNPROVEN,
    ),
    "a name that nobody has yet": (
        lambda s: register(s, caller(B), tls_client_auth_san_dns="next.example"),
        reasons.REGISTRATION_UNPROVEN,
    ),
    "a name in a certificate that nobody vouches for": (
        lambda s: register(s, caller(A, groups=()), tls_client_auth_san_dns="a.example"),
        reasons.REGISTRATION_UNPROVEN,
    ),
    "a name under a group that may not vouch": (
        lambda s: register(s, caller(A, groups=("others",)), tls_client_auth_san_dns="a.example"),
        reasons.REGISTRATION_UNPROVEN,
    ),
    "the victim's certificate": (
        lambda s: register(s, caller(PIN, groups=()), jwks=jwks(PIN)),
        reasons.REGISTRATION_TAKEN,
    ),
    "the victim's certificate, without its key": (
        lambda s: register(s, caller(OTHER_PIN, groups=()), jwks=jwks(PIN)),
        reasons.REGISTRATION_UNPROVEN,
    ),
    "the victim's certificate beside one's own": (
        lambda s: register(s, caller(OTHER_PIN, groups=()), jwks=jwks(OTHER_PIN, PIN)),
        reasons.REGISTRATION_UNPROVEN,
    ),
    # the victim's registration
    "another client's registration with one's own token": (
        lambda s: s.update(s.named, another_token(s), tls_client_auth_subject_dn="CN=a"),
        reasons.REGISTRATION_TOKEN,
    ),
    "reading it": (
        lambda s: s.world.registrations.read(s.named.client.client_id, another_token(s), NOW),
        reasons.REGISTRATION_TOKEN,
    ),
    "removing it": (
        lambda s: s.world.registrations.delete(s.named.client.client_id, another_token(s), NOW),
        reasons.REGISTRATION_TOKEN,
    ),
    "a client that there is not": (
        lambda s: s.world.registrations.read("c_none", another_token(s), NOW),
        reasons.REGISTRATION_TOKEN,
    ),
    "a client of the files": (
        lambda s: s.world.registrations.read("billing", another_token(s), NOW),
        reasons.REGISTRATION_TOKEN,
    ),
    "without any token": (
        lambda s: s.world.registrations.read(s.named.client.client_id, s.by, NOW),
        reasons.REGISTRATION_TOKEN,
    ),
    "a registration token to register with": (
        lambda s: register(s, another_token(s)),
        reasons.REGISTRATION_TOKEN,
    ),
    # with a stolen registration token
    "the stranger's name": (
        lambda s: s.update(s.named, stolen(s.named, s.by), tls_client_auth_subject_dn="CN=b"),
        reasons.REGISTRATION_APPROVAL,
    ),
    "the stranger's certificate": (
        lambda s: s.update(s.pinned, stolen(s.pinned, s.by), jwks=jwks(B)),
        reasons.REGISTRATION_APPROVAL,
    ),
    "the stranger's certificate beside the victim's": (
        lambda s: s.update(s.pinned, stolen(s.pinned, s.by), jwks=jwks(PIN, B)),
        reasons.REGISTRATION_APPROVAL,
    ),
    "the stranger's jwks_uri": (
        lambda s: s.update(s.publishing, stolen(s.publishing, s.by), jwks_uri="https://evil.example/jwks"),
        reasons.REGISTRATION_APPROVAL,
    ),
    "no certificate at all any more": (
        lambda s: s.update(
            s.named, stolen(s.named, s.by), token_endpoint_auth_method="none",
            redirect_uris=["https://client.example/cb"],
        ),
        reasons.REGISTRATION_APPROVAL,
    ),
    "a key instead of the certificate": (
        lambda s: s.update(
            s.named, stolen(s.named, s.by), token_endpoint_auth_method="private_key_jwt", jwks=key_of(B)
        ),
        reasons.REGISTRATION_APPROVAL,
    ),
    "over a connection without certificate": (
        lambda s: s.update(s.named, stolen(s.named, caller()), tls_client_auth_san_dns="a.example"),
        reasons.REGISTRATION_APPROVAL,
    ),
    # one's own registration, to become another
    "from one's own name to the victim's": (
        lambda s: s.update(s.stranger, another_token(s), tls_client_auth_subject_dn="CN=a"),
        reasons.REGISTRATION_APPROVAL,
    ),
    "from one's own name to the next victim's": (
        lambda s: s.update(s.stranger, another_token(s), tls_client_auth_san_dns="next.example"),
        reasons.REGISTRATION_APPROVAL,
    ),
    "from one's own name to the victim's certificate": (
        lambda s: s.update(s.stranger, another_token(s), jwks=jwks(PIN)),
        reasons.REGISTRATION_APPROVAL,
    ),
    "more scope": (
        lambda s: s.update(s.stranger, another_token(s), tls_client_auth_subject_dn="CN=b", scope="admin"),
        reasons.REGISTRATION_METADATA,
    ),
    "another grant": (
        lambda s: s.update(
            s.stranger, another_token(s), tls_client_auth_subject_dn="CN=b",
            grant_types=["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"],
        ),
        reasons.REGISTRATION_METADATA,
    ),
    "a redirect URI of one's own": (
        lambda s: s.update(
            s.stranger, another_token(s), tls_client_auth_subject_dn="CN=b",
            redirect_uris=["https://evil.example/cb"],
        ),
        reasons.REGISTRATION_REDIRECT_URI,
    ),
}  # fmt: skip


def register(scene: Scene, by: Caller, **metadata: Any) -> Any:
    return scene.world.registrations.register(metadata, by, NOW)


def key_of(certificate: Any) -> dict[str, Any]:
    jwk = jwk_of_certificate(certificate.der)
    return {"keys": [{name: jwk[name] for name in ("kty", "crv", "x", "y")}]}


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks(scene: Scene, attack: str) -> None:
    """Each is refused, and afterwards everybody is as before, and can prove it."""
    before = scene.world.clients()
    work, reason = ATTACKS[attack]
    assert reason_of(work(scene)) is reason
    assert scene.world.clients() == before
    for victim in (scene.pinned, scene.named, scene.publishing, scene.stranger):
        client_id = victim.client.client_id
        read = now_of(scene.world.registrations.read(client_id, caller(bearer=victim.token), NOW))
        assert read.client == victim.client


@pytest.mark.parametrize("what", ["certificate", "jwks_uri", "jwks_uri later"])
def test_a_certificate_that_another_publishes(tmp_path: Path, what: str) -> None:
    """Who has registered it, too, has taken nothing: only its owner can come with it."""
    scene = make(tmp_path, unproven_names=True)
    scene.world.published[VICTIMS_URI] = (Published(OTHER_PIN.der, NOW),)
    victim = scene.publishing.client.client_id
    assert scene.world.holders(OTHER_PIN) == [victim]
    if what == "certificate":
        token = InitialToken("", False, NOW).artifact("initial", NOW + DAY)
        result_of(scene.world.store.artifacts.save(token, now=NOW))
        thief = now_of(register(scene, caller(B, bearer="initial"), jwks=jwks(OTHER_PIN)))
    elif what == "jwks_uri":
        thief = now_of(register(scene, caller(), jwks_uri=VICTIMS_URI))
    else:
        thief = now_of(scene.update(scene.stranger, another_token(scene), jwks_uri=VICTIMS_URI))
    assert scene.world.holders(OTHER_PIN) == sorted([victim, thief.client.client_id])


def test_a_certificate_that_others_publish_can_be_registered(scene: Scene) -> None:
    """Whoever has seen it somewhere, and publishes it, keeps nobody from registering."""
    scene.world.published[VICTIMS_URI] = (Published(OTHER_PIN.der, NOW),)
    registered = scene.world.register(caller(OTHER_PIN, groups=()), jwks=jwks(OTHER_PIN))
    assert registered.client.client_id in scene.world.holders(OTHER_PIN)
    again = scene.world.refused(caller(OTHER_PIN, groups=()), jwks=jwks(OTHER_PIN))
    assert again is reasons.REGISTRATION_TAKEN


def test_who_is_trusted_may_name_others_but_takes_nothing(tmp_path: Path) -> None:
    """With unproven_names; the mode `open` proves everything all the same."""
    scene = make(tmp_path, unproven_names=True)
    assert scene.world.refused(caller(OTHER_PIN, groups=()), jwks=jwks(B)) is reasons.REGISTRATION_UNPROVEN
    registered = scene.world.register(caller(B), tls_client_auth_san_dns="next.example")
    assert registered.client.trust_anchors == ("partners",)
    assert scene.world.refused(caller(B), tls_client_auth_subject_dn="CN=a") is reasons.REGISTRATION_TAKEN


def test_a_stranger_learns_nothing_of_others(scene: Scene) -> None:
    """A client that is there, one that is not, and another one's token: the same refusal, without facts."""
    seen = set()
    for client_id in (scene.named.client.client_id, "c_none", "billing", "", "../token", "é"):
        with pytest.raises(Refusal) as refused:
            now_of(scene.world.registrations.read(client_id, another_token(scene), NOW))
        seen.add((refused.value.reason, tuple(refused.value.facts)))
    assert seen == {(reasons.REGISTRATION_TOKEN, ())}


def outcomes(*works: Any) -> list[Any]:
    """What becomes of several that run at once: the result, or the reason of the refusal."""
    found: list[Any] = []
    for work in works:
        running: Deferred[Any] = Deferred.fromCoroutine(work)
        running.addCallbacks(found.append, lambda failure: found.append(failure.value.reason))
    assert len(found) == len(works)
    return found


def test_one_initial_token_and_many_at_once(scene: Scene) -> None:
    artifact = InitialToken("", True, NOW).artifact("initial", NOW + DAY)
    result_of(scene.world.store.artifacts.save(artifact, now=NOW))
    uris = [f"https://client.example/{number}" for number in range(20)]
    found = outcomes(*(register(scene, caller(bearer="initial"), jwks_uri=uri) for uri in uris))
    assert found.count(reasons.REGISTRATION_TOKEN) == 19


def test_one_name_and_many_at_once(tmp_path: Path) -> None:
    world = World(tmp_path)
    found = outcomes(*(world.registrations.register({}, caller(A), NOW) for _ in range(20)))
    assert found.count(reasons.REGISTRATION_TAKEN) == 19
    assert len(world.clients()) == 1


def test_one_registration_token_and_many_at_once(scene: Scene) -> None:
    """One token comes of it."""
    by = stolen(scene.named, caller())
    names = [{"tls_client_auth_subject_dn": "CN=a", "client_name": str(number)} for number in range(20)]
    found = outcomes(*(scene.update(scene.named, by, **given) for given in names))
    assert found.count(reasons.REGISTRATION_TOKEN) == 19
    tokens = result_of(scene.world.store.artifacts.of_kind("registration_token", NOW))
    assert len(tokens) == 4


def test_no_secret_is_kept(scene: Scene) -> None:
    """Neither token stands in the file; their hashes do."""
    result_of(scene.world.store.close())
    files = b"".join(path.read_bytes() for path in scene.world.directory.glob("store.db*"))
    assert scene.named.token.encode() not in files
    assert Artifact.key_of(scene.named.token) in files


def test_a_caller_that_goes_away(tmp_path: Path) -> None:
    """What nobody was told of is not there, and keeps nobody from registering."""
    world = World(tmp_path)
    waiting: list[Deferred[None]] = []

    async def hang() -> None:
        waiting.append(Deferred())
        await waiting[-1]

    world._book.take_over = hang
    work = Deferred.fromCoroutine(world.registrations.register({}, caller(A), NOW))
    failed: list[Any] = []
    work.addErrback(failed.append)
    assert len(world.clients()) == 1
    world._book.take_over = world._nothing
    work.cancel()
    assert failed
    for one in waiting:
        one.callback(None)  # what it waited for is not ended: others wait for it too
    assert world.clients() == {}
    assert world.register(caller(A)).client.client_id in world.clients()
