"""mtlsd.clients.fetched: published certificates become pins, and take nothing from anybody."""

from __future__ import annotations

import hashlib
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from mtlsd.clients.client import Client
from mtlsd.clients.fetched import Merged, Published, Shared, jwks_uris, with_published
from mtlsd.clients.index import ClientIndex, Registration
from mtlsd.clients.keys import usable_keys
from mtlsd.jose.jwk import jwk_of_certificate
from tests.unit.stores.values import NOW, certificate, named, pinned

EARLIER = NOW - timedelta(days=1)


def publishing(client_id: str, uri: str | None = None, **metadata: object) -> Registration:
    document = {
        "client_id": client_id,
        "token_endpoint_auth_method": "self_signed_tls_client_auth",
        "jwks_uri": uri or f"https://{client_id}.example/jwks",
        **metadata,
    }
    return Registration(Client.from_metadata(document, place="test"), "store")


def registered(client: Client) -> Registration:
    return Registration(client, "store")


def test_a_published_certificate_is_a_pin() -> None:
    one, two = certificate("one"), certificate("two")
    others = (registered(named("a")), registered(pinned("b", "three")))
    merged = with_published(
        [*others, publishing("c")], {"https://c.example/jwks": [Published(one, NOW), Published(two, NOW)]}
    )
    assert merged.registrations[:2] == others
    assert merged.registrations[2].client.pins == (one, two)
    assert merged.shared == ()
    index = ClientIndex.build(merged.registrations)
    assert index.by_pin(hashlib.sha256(two).digest(), two) == (merged.registrations[2].client,)


def test_before_it_is_fetched_there_is_none() -> None:
    """The listeners know nevertheless that pinned clients may come."""
    merged = with_published([publishing("c")], {})
    assert merged.registrations == (publishing("c"),)
    assert ClientIndex.build(merged.registrations).has_pins
    assert not ClientIndex.build([registered(named("a"))]).has_pins


def holders(merged: Merged, certificate: bytes) -> list[str]:
    found = ClientIndex.build(merged.registrations).by_pin(hashlib.sha256(certificate).digest(), certificate)
    return [client.client_id for client in found]


def test_nobody_takes_a_registered_certificate_away() -> None:
    one = certificate("one")
    merged = with_published(
        [publishing("a"), registered(pinned("b", "one"))],
        {"https://a.example/jwks": [Published(one, EARLIER), Published(certificate("two"), NOW)]},
    )
    assert merged.shared == (Shared("https://a.example/jwks", "a", "b", hashlib.sha256(one).digest()),)
    assert [own.client.pins for own in merged.registrations] == [(one, certificate("two")), (one,)]
    assert holders(merged, one) == ["a", "b"]


def test_who_publishes_it_first_takes_it_from_nobody() -> None:
    """Copying the certificate of another client into a set of one's own gains nothing."""
    one = certificate("one")
    merged = with_published(
        [publishing("a"), publishing("b")],
        {
            "https://a.example/jwks": [Published(one, NOW)],
            "https://b.example/jwks": [Published(one, EARLIER)],
        },
    )
    assert holders(merged, one) == ["a", "b"]
    assert [(own.client_id, own.other) for own in merged.shared] == [("a", "b")]


def test_what_a_disabled_client_publishes_is_held_against_nobody() -> None:
    one = certificate("one")
    sets = {
        "https://a.example/jwks": [Published(one, EARLIER)],
        "https://b.example/jwks": [Published(one, NOW)],
    }
    assert holders(with_published([publishing("a", disabled=True), publishing("b")], sets), one) == ["b"]


def test_what_is_to_be_fetched() -> None:
    """One set may be that of several clients; nothing is fetched for disabled ones."""
    found = jwks_uris(
        [
            registered(named("a")),
            publishing("b", "https://x.example/"),
            publishing("c", "https://x.example/"),
            publishing("d", disabled=True),
        ]
    )
    assert found == {"https://x.example/": ("b", "c")}


_CLAIMS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["one", "two", "three"]), st.integers(0, 3)),
    max_size=12,
)


@given(_CLAIMS)
def test_whatever_is_published_the_index_can_be_built(claims: list[tuple[str, str, int]]) -> None:
    sets: dict[str, list[Published]] = {}
    for client_id, role, days in claims:
        published = Published(certificate(role), NOW + timedelta(days=days))
        sets.setdefault(f"https://{client_id}.example/jwks", []).append(published)
    registrations = [*map(publishing, "abc"), registered(pinned("d", "three"))]
    merged = with_published(registrations, sets)
    index = ClientIndex.build(merged.registrations)
    assert index.registrations["d"].client == pinned("d", "three")
    for role in ("one", "two", "three"):
        publishers = {client_id for client_id, own, _ in claims if own == role}
        assert set(holders(merged, certificate(role))) == publishers | ({"d"} if role == "three" else set())


def test_published_keys_are_those_of_clients_with_assertions() -> None:
    """What certificates the set has says nothing of such a client, and takes none from anybody."""
    uri = "https://signing.example/jwks"
    signing = publishing("signing", uri, token_endpoint_auth_method="private_key_jwt")
    other = publishing("other", uri)
    one = certificate("one")
    keys, _ = usable_keys({"keys": [jwk_of_certificate(one)]})
    merged = with_published([signing, other], {uri: [Published(one, NOW)]}, {uri: keys})
    assert [own.client.keys for own in merged.registrations] == [keys, ()]
    assert [own.client.pins for own in merged.registrations] == [(), (one,)]
    assert merged.shared == ()
    assert merged.registrations[0].client.to_metadata() == signing.client.to_metadata()
    assert with_published([signing], {}).registrations == (signing,)


def test_who_may_offer_any_certificate() -> None:
    """Where tokens are bound to strangers' certificates, clients are not told which CAs we know (P10)."""
    signing = publishing("signing", token_endpoint_auth_method="private_key_jwt")
    assert not ClientIndex.build([registered(named("a"))]).may_offer_any
    assert ClientIndex.build([registered(named("a")), registered(pinned("b", "b"))]).may_offer_any
    index = ClientIndex.build([registered(named("a")), signing])
    assert (index.may_offer_any, index.has_pins) == (True, False)
