"""docs/configuration.md and etc/mtlsd.toml say what the code reads."""

from __future__ import annotations

import re
from pathlib import Path

import attrs
import pytest

from mtlsd.clients.client import MEMBERS
from mtlsd.config import document
from mtlsd.config.load import load
from mtlsd.config.structure import type_text
from tests.pki.maker import NOW
from tests.unit.config.example import HOST, Example

ROOT = Path(__file__).parents[3]
TABLES: dict[str, type[attrs.AttrsInstance]] = {
    "Above the first table": document.TopTable,
    "`[[listener]]`": document.ListenerTable,
    "`[listener.limits]`": document.LimitsTable,
    "`[listener.forwarded]`": document.ForwardedTable,
    "`proxy_protocol`": document.ProxyProtocolTable,
    "`[[trust_anchors]]`": document.TrustAnchorsTable,
    "`revocation`": document.RevocationTable,
    "`[fetch]`": document.FetchTable,
    "`[tokens]`": document.TokensTable,
    "`[authorization]`": document.AuthorizationTable,
    "`[registration]`": document.RegistrationTable,
    "`[store]`": document.StoreTable,
    "`[audit]`": document.AuditTable,
    "`[users]`": document.UsersTable,
}


def documented(heading: str) -> dict[str, tuple[str, str, str]]:
    """Type, default and meaning of each key in the table below a heading."""
    text = (ROOT / "docs/configuration.md").read_text("utf-8")
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|(?: ([^|]+))? \|$", section, re.MULTILINE)
    return {key: (kind, default, meaning) for key, kind, default, meaning in rows}


@pytest.mark.parametrize("heading", TABLES)
def test_every_key_is_documented(heading: str) -> None:
    cls = attrs.resolve_types(TABLES[heading], include_extras=True)
    rows = documented(heading)
    assert list(rows) == [attribute.name for attribute in attrs.fields(cls)]
    for attribute in attrs.fields(cls):
        kind, default, meaning = rows[attribute.name]
        assert kind == type_text(attribute.type)
        assert meaning.endswith(".")
        if attribute.default is attrs.NOTHING:
            assert default == "required"
        elif isinstance(attribute.default, str):
            assert default == f'`"{attribute.default}"`'
        elif isinstance(attribute.default, int):
            assert default == f"`{str(attribute.default).lower()}`"


def test_every_key_of_a_client_is_documented() -> None:
    files = [attribute.name for attribute in attrs.fields(document.CertificateKeys)]
    assert set(documented("`[[client]]`")) == MEMBERS | set(files)


def test_every_table_has_a_heading() -> None:
    headings = {heading.strip("`[]") for heading in TABLES}
    assert headings >= (document.ARRAYS.keys() | document.TABLES.keys()) - {"client"}


def _sample(example: Example, text: str) -> None:
    text = text.replace("/var/lib/mtlsd", str(example.directory)).replace("as.example.com", HOST)
    for name in ("tls/server.pem", "tls/server.key"):
        example.put(name, (example.directory / Path(name).name).read_bytes())
    example.put("anchors/partners.pem", (example.directory / "root.pem").read_bytes())
    example.put("anchors/partners-issuing.pem", (example.directory / "sub.pem").read_bytes())
    example.put("mtlsd.toml", text)


def test_sample(tmp_path: Path) -> None:
    """The sample is right where its files are there."""
    example = Example.make(tmp_path)
    _sample(example, (ROOT / "etc/mtlsd.toml").read_text("utf-8"))
    loaded = load(example.path, NOW)
    assert loaded.warnings == ()
    assert [listener.public_url for listener in loaded.config.listeners] == [
        f"https://{HOST}:8443",
        f"https://{HOST}",
    ]


def test_sample_with_everything_commented_in(tmp_path: Path) -> None:
    """What stands commented out is what would be without it, except for the examples."""
    example = Example.make(tmp_path)
    text = (ROOT / "etc/mtlsd.toml").read_text("utf-8")
    _sample(example, text)
    without = load(example.path, NOW).config
    text = re.sub(r"(?m)^# (?=\[listener|[a-z0-9_]+ = )", "", text.split("# A client that is known")[0])
    _sample(example, text)
    config = load(example.path, NOW).config
    assert config.tokens.audience == "https://api.example.com"
    assert config.groups[0].intermediates != ()
    assert [attrs.evolve(own, groups=()) for own in config.listeners] == [
        attrs.evolve(own, groups=()) for own in without.listeners
    ]
    assert (config.drain_seconds, config.audit) == (without.drain_seconds, without.audit)
    assert attrs.evolve(config.tokens, audience="") == attrs.evolve(without.tokens, audience="")
