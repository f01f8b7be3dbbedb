"""The last good copy on disk."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlsd.clients.fetched import Published
from mtlsd.fetch.freshness import Validators
from mtlsd.jwks_uri.kept import Kept, name_of
from mtlsd.jwks_uri.key_set import KeySet
from tests.unit.jwks_uri.world import URI, body
from tests.unit.stores.values import LATER, NOW, certificate

ONE = certificate("one")
KEPT = Kept(URI, body("one", "two"), Validators('"1"'), LATER, LATER, {hashlib.sha256(ONE).digest(): NOW})


def test_it_is_read_back() -> None:
    again = Kept.from_bytes(KEPT.to_bytes(), URI)
    assert again == KEPT
    assert again.published(KeySet.from_json(again.body)) == (
        Published(ONE, NOW),
        Published(certificate("two"), LATER),
    )
    assert (
        Kept.from_bytes(attrs.evolve(KEPT, validators=Validators()).to_bytes(), URI).validators.headers()
        == {}
    )


def test_each_has_a_name_of_its_own() -> None:
    assert name_of(URI) != name_of(URI + "/")
    with pytest.raises(ValueError, match="not a JWK Set that mtlsd kept"):
        Kept.from_bytes(KEPT.to_bytes(), URI + "/")


@given(st.integers(0, len(KEPT.to_bytes()) - 1))
def test_a_torn_one_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="not a JWK Set that mtlsd kept"):
        Kept.from_bytes(KEPT.to_bytes()[:size], URI)


@given(
    st.sampled_from(sorted(json.loads(KEPT.to_bytes()))),
    st.none()
    | st.integers()
    | st.text(max_size=5)
    | st.lists(st.none())
    | st.dictionaries(st.text(), st.text()),
)
def test_a_foreign_one_is_refused_or_read(member: str, value: Any) -> None:
    """Never another exception."""
    document = {**json.loads(KEPT.to_bytes()), member: value}
    try:
        found = Kept.from_bytes(json.dumps(document).encode("ascii"), URI)
    except ValueError:
        return
    assert found.uri == URI
