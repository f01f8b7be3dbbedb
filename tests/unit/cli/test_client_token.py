"""`mtlsd client token` and `mtlsd client approve`"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import attrs
import pytest

from mtlsd.cli.common import opened_store, result_of
from mtlsd.cli.exits import CONFIGURATION, OK, USAGE
from mtlsd.clients.client import Client
from mtlsd.config.load import load
from mtlsd.oauth.artifacts import Artifact
from mtlsd.oauth.registration_artifacts import Change
from mtlsd.ops.audit import utc_now
from tests.unit.cli.conftest import Ran

Mtlsd = Callable[..., Ran]


def found(directory: Path, secret: str) -> bool:
    """Whether the store knows the token."""
    now = utc_now()
    with opened_store(load(directory / "mtlsd.toml", now).config) as store:
        return result_of(store.artifacts.find("initial_token", Artifact.key_of(secret), now)) is not None


def test_issue_list_revoke(directory: Path, mtlsd: Mtlsd) -> None:
    secret = mtlsd("client", "token", "--label", "Partner").out.strip()
    assert len(secret) == 43
    other = mtlsd("client", "token", "--many", "--hours", "1", "--json").json
    assert found(directory, secret)
    assert found(directory, other["initial_access_token"])
    listed = mtlsd("client", "token", "--list", "--json").json
    assert [own["state"] for own in listed] == ["for many clients", "for one client"]
    assert [own["label"] for own in listed] == ["", "Partner"]
    assert listed[0]["id"] == other["id"]
    shown = mtlsd("client", "token", "--list").out
    assert secret not in shown
    assert "Partner" in shown
    assert mtlsd("client", "token", "--revoke", other["id"]).code == OK
    assert not found(directory, other["initial_access_token"])
    assert mtlsd("client", "token", "--revoke", other["id"]).code == USAGE


@pytest.mark.parametrize("wrong", [("--hours", "0"), ("--hours", "10000"), ("--label", "a\nb")])
def test_wrong_usage(mtlsd: Mtlsd, wrong: tuple[str, str]) -> None:
    assert mtlsd("client", "token", *wrong).code == USAGE


def test_where_no_token_registers_anybody(directory: Path, mtlsd: Mtlsd) -> None:
    path = directory / "mtlsd.toml"
    path.write_text(path.read_text().replace('modes = ["initial_access_token"]', 'modes = ["open"]'))
    ran = mtlsd("client", "token")
    assert ran.code == USAGE
    assert "modes" in ran.err


@pytest.fixture
def changing(directory: Path, mtlsd: Mtlsd) -> Client:
    """A client of the store that asks to be known by another name."""
    ran = mtlsd("client", "add", "--client-id", "own", "--san-dns", "own.example", "--trust-anchors", "dev")
    assert ran.code == OK
    now = utc_now()
    with opened_store(load(directory / "mtlsd.toml", now).config) as store:
        before = result_of(store.get_client("own"))
        assert before is not None
        metadata = {**before.to_metadata(), "tls_client_auth_san_dns": "new.example"}
        after = Client.from_metadata(metadata, place="test")
        change = Change(before, after, now - timedelta(days=1)).artifact()
        result_of(store.artifacts.save(change, now=now))
    return after


def stored(directory: Path) -> Client | None:
    with opened_store(load(directory / "mtlsd.toml", utc_now()).config) as store:
        return result_of(store.get_client("own"))


def test_approve(directory: Path, mtlsd: Mtlsd, changing: Client) -> None:
    assert "tls_client_auth_san_dns: own.example -> new.example" in mtlsd("client", "approve").out
    (document,) = mtlsd("client", "approve", "--json").json
    assert document["changes"] == {"tls_client_auth_san_dns": ["own.example", "new.example"]}
    assert mtlsd("client", "approve", "own").code == OK
    assert stored(directory) == changing
    assert mtlsd("client", "approve").out == "no change waits\n"
    assert mtlsd("client", "approve", "own").code == USAGE


def test_refuse(directory: Path, mtlsd: Mtlsd, changing: Client) -> None:
    assert mtlsd("client", "approve", "--refuse").code == USAGE
    assert mtlsd("client", "approve", "--refuse", "own").code == OK
    assert stored(directory) != changing
    assert mtlsd("client", "approve").out == "no change waits\n"


def test_the_client_has_changed_meanwhile(directory: Path, mtlsd: Mtlsd, changing: Client) -> None:
    """What the operator saw is what is changed, or nothing is."""
    now = utc_now()
    with opened_store(load(directory / "mtlsd.toml", now).config) as store:
        before = result_of(store.get_client("own"))
        assert before is not None
        result_of(store.update_client(attrs.evolve(before, scope=("more",)), now))
    assert mtlsd("client", "approve", "own").code == CONFIGURATION
    assert stored(directory) != changing


def test_the_name_belongs_to_another_by_now(directory: Path, mtlsd: Mtlsd, changing: Client) -> None:
    mtlsd("client", "add", "--client-id", "first", "--san-dns", "new.example", "--trust-anchors", "dev")
    ran = mtlsd("client", "approve", "own")
    assert ran.code == CONFIGURATION
    assert "first" in ran.err
