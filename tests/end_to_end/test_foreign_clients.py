"""Libraries that were not written for mtlsd, each in its own way: what docs/clients.md says is true."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs
import pytest
from cryptography import x509

from tests.end_to_end import clients, foreign
from tests.end_to_end.clients import PROGRAMS
from tests.end_to_end.daemon import MTLSD, Daemon, mtlsd, running
from tests.end_to_end.foreign import Done, User, ran
from tests.end_to_end.setup import Setup
from tests.end_to_end.test_clients import checked, thumbprint
from tests.end_to_end.tools import needs
from tests.pki import Written

CALLBACK = "https://client.example/cb"
PAGE = Path(__file__).parents[2] / "docs/clients.md"
PASSWORD = "correct horse battery"
RESOURCE_SERVER = "invoices"
SCOPE = "invoices:read"
YES, BY_HAND, NO = "yes", "by hand", "–"


@attrs.frozen
class Library:
    """A column of the table.

    :ivar command: makes the command that runs its program, from what the program is told and a directory.
    :ivar tools: what has to be there.
    :ivar pushes_always: whether it uses PAR wherever it asks for a code; then its client has to.
    :ivar is_pinned: whether its client is known by its own certificate, and not by a name.
    """

    command: foreign.Maker
    tools: tuple[str | Path, ...] = ()
    pushes_always: bool = False
    is_pinned: bool = False


NODE_TOOLS = "node", foreign.NODE / "node_modules"  # scripts/prepare dev installs them
GO_TOOLS = "go", Path(foreign.GO_PATH, "src/golang.org/x/oauth2")
LIBRARIES = {
    "openid-client": Library(foreign.node("openid_client.js"), NODE_TOOLS, pushes_always=True),
    "oauth4webapi": Library(foreign.node("oauth4webapi.js"), NODE_TOOLS, pushes_always=True),
    "Authlib": Library(foreign.python("authlib_client")),
    "requests-oauthlib": Library(foreign.python("requests_oauthlib_client"), is_pinned=True),
    "x/oauth2": Library(foreign.go("xoauth2.go"), GO_TOOLS, is_pinned=True),
    "curl": Library(foreign.shell("curl.sh"), ("curl", "openssl"), pushes_always=True),
}
OF_EACH = [pytest.param(name, marks=needs(*library.tools)) for name, library in LIBRARIES.items()]


def table() -> dict[str, dict[str, str]]:
    """The table of docs/clients.md: what it says of each library, by row."""
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("|")]
    (_, *names), _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {name: {row[0]: row[1 + column] for row in rows} for column, name in enumerate(names)}


OF_DEBIAN = {"x/oauth2", "curl"}
DID = {
    "pushed request (PAR)": "par",
    "introspection": "introspection",
    "revocation": "revocation",
    "registration": "registration",
}
"""What not every library does, and how the programs call it."""


@attrs.define
class World:
    """A daemon that has a client for each library, and what the libraries have done."""

    setup: Setup
    daemon: Daemon
    directory: Path
    _done: dict[str, Done | Exception] = attrs.field(factory=dict)

    def done(self, name: str) -> Done:
        """What a library does, which it does once."""
        if name not in self._done:
            try:
                self._done[name] = self.ran(name, self.user)
            except Exception as error:
                self._done[name] = error
        found = self._done[name]
        if isinstance(found, Exception):
            raise found
        return found

    def presented(self, name: str) -> Written:
        directory = self.setup.directory / "presented" / name
        return Written(directory / "client.pem", directory / "client.key")

    def introspected(self, token: str) -> dict[str, Any]:
        form = {"client_id": RESOURCE_SERVER, "token": token}
        url, own = self.setup.url(path="/introspect"), self.presented(RESOURCE_SERVER)
        return clients.python(url, self.setup.ca_file, own, form).json

    def user(self, url: str) -> str:
        return User(self.setup.issuer, self.setup.ca_file, "alice", PASSWORD)(url)

    def ran(self, name: str, browser: Callable[[str], str]) -> Done:
        return ran(LIBRARIES[name].command(self.told(name), self.directory), browser)

    def told(self, name: str) -> dict[str, Any]:
        own = slug(name)
        return {
            "issuer": self.setup.issuer,
            "ca": str(self.setup.ca_file),
            "client_id": own,
            "redirect_uri": CALLBACK,
            **self._credential(own),
            "resource_server": {"client_id": RESOURCE_SERVER, **self._credential(RESOURCE_SERVER)},
            "registering": self._credential(f"new-{own}"),
            "initial_access_token": mtlsd("client", "token", "-c", self.setup.config).strip(),
            "metadata": {
                "client_name": f"New {own}",
                "token_endpoint_auth_method": "tls_client_auth",
                "tls_client_auth_san_dns": f"new-{own}.example",
                "grant_types": ["client_credentials"],
                "response_types": [],
                "scope": SCOPE,
            },
        }

    def _credential(self, name: str) -> dict[str, str]:
        written = self.presented(name)
        return {"certificate": str(written.certificate), "key": str(written.key)}


def slug(name: str) -> str:
    return name.lower().replace("/", "-")


def add_client(setup: Setup, client_id: str, library: Library) -> None:
    known: dict[str, Any]
    if library.is_pinned:
        own = setup.present(client_id, setup.pki.self_signed(client_id))
        known = {
            "token_endpoint_auth_method": "self_signed_tls_client_auth",
            "certificate": str(own.certificate),
        }
    else:
        setup.leaf(client_id, x509.DNSName(f"{client_id}.example"))
        known = {"tls_client_auth_san_dns": f"{client_id}.example"}
    setup.add_client(
        client_id,
        grant_types=["client_credentials", "authorization_code", "refresh_token"],
        redirect_uris=[CALLBACK],
        require_pushed_authorization_requests=library.pushes_always,
        **known,
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("foreign")
    setup = Setup(directory / "daemon")
    serves = ["token", "introspection", "revocation", "par", "registration"]
    setup.listener("public")["serves"] += [*serves, "authorization"]  # so those of the aliases are others
    setup.listener("mtls")["serves"] = serves[:-1]
    setup.add_listener("strangers", "optional", refuse_in="response", serves=["registration"])
    setup.document["registration"] = {
        "modes": ["initial_access_token"],
        "trust_anchors": ["partners"],
        "scopes": [SCOPE],
    }
    for name, library in LIBRARIES.items():
        add_client(setup, slug(name), library)
        setup.leaf(f"new-{slug(name)}", x509.DNSName(f"new-{slug(name)}.example"))
    setup.leaf(RESOURCE_SERVER, x509.DNSName("invoices.example"))
    introspects = {"grant_types": [], "introspects": [setup.issuer]}
    setup.add_client(RESOURCE_SERVER, tls_client_auth_san_dns="invoices.example", **introspects)
    command = [MTLSD, "user", "add", "-c", str(setup.write()), "alice"]
    subprocess.run(command, input=f"{PASSWORD}\n", text=True, check=True, capture_output=True, timeout=20)
    with running(setup) as daemon:
        yield World(setup, daemon, directory)


def check_token(world: World, name: str, result: foreign.Result, sub: str, client: str = "") -> None:
    """It is bound to the certificate that the library presented."""
    own = client or slug(name)
    claims = checked(world.setup, result["access_token"])
    assert claims["cnf"] == {"x5t#S256": thumbprint(world.presented(own).certificate)}
    assert (claims["sub"], claims["scope"]) == (sub, SCOPE)


def check_metadata(world: World, name: str) -> None:
    assert world.done(name)["discovery"]["issuer"] == world.setup.issuer


def check_client_credentials(world: World, name: str) -> None:
    check_token(world, name, world.done(name)["client_credentials"], slug(name))


def check_code(world: World, name: str) -> None:
    check_token(world, name, world.done(name)["code"], "alice")


def check_issuer(world: World, name: str) -> None:
    """A code comes back for which, as it says, another server stands: the library does not send it on."""
    mark = world.daemon.mark()
    with pytest.raises(AssertionError, match=r"another server|\biss\b|answer to our request") as failed:
        world.ran(name, lambda url: world.user(url).replace("127.0.0.1", "127.0.0.2"))
    assert str(failed.value).startswith("['discovery', 'client_credentials'], and then:")
    world.daemon.event("token.issued", mark, grant_type="client_credentials")
    tried = world.daemon.events("token.issued", mark) + world.daemon.events("token.refused", mark)
    assert [event["grant_type"] for event in tried] == ["client_credentials"]


def check_par(world: World, name: str) -> None:
    """The browser brings the name of the request alone."""
    done = world.done(name)
    sent = [parse_qs(urlsplit(url).query) for url in done.urls]
    assert {*sent[-1]} == {"client_id", "request_uri"}
    if LIBRARIES[name].pushes_always:  # the client has to, so this is how it got its code
        assert len(sent) == 1
    else:
        check_token(world, name, done["par"], "alice")


def check_refresh(world: World, name: str) -> None:
    done = world.done(name)
    check_token(world, name, done["refresh"], "alice")
    assert done["refresh"]["access_token"] != done["code"]["access_token"]


def check_introspection(world: World, name: str) -> None:
    found = world.done(name)["introspection"]
    assert (found["active"], found["sub"], found["client_id"]) == (True, "alice", slug(name))
    assert found["cnf"] == {"x5t#S256": thumbprint(world.presented(slug(name)).certificate)}


def check_revocation(world: World, name: str) -> None:
    done = world.done(name)
    assert world.introspected(done["revocation"]["access_token"]) == {"active": False}
    assert world.introspected(done["client_credentials"]["access_token"])["active"] is True


def check_registration(world: World, name: str) -> None:
    found = world.done(name)["registration"]
    assert found["client_name"] == f"New {slug(name)}"
    check_token(world, name, found, found["client_id"], f"new-{slug(name)}")


def check_aliases(world: World, name: str) -> None:
    """Each endpoint has another URL for those with a certificate, without which nothing of this works."""
    done = world.done(name)
    if "mtls_endpoint_aliases" in done["discovery"]:
        aliases = done["discovery"]["mtls_endpoint_aliases"]
        assert not [own for own in aliases if done["discovery"][own] == aliases[own]]
    if "registration" in done:
        event = world.daemon.event("client.registered", client_id=done["registration"]["client_id"])
        assert event["listener"] == "strangers"
    assert world.daemon.event("token.issued", client_id=slug(name))["listener"] == "mtls"


ROWS: dict[str, Callable[[World, str], None]] = {
    "metadata (RFC 8414)": check_metadata,
    "`mtls_endpoint_aliases`": check_aliases,
    "`client_credentials`": check_client_credentials,
    "code with PKCE": check_code,
    "issuer of the answer (RFC 9207)": check_issuer,
    "pushed request (PAR)": check_par,
    "`refresh_token`": check_refresh,
    "introspection": check_introspection,
    "revocation": check_revocation,
    "registration": check_registration,
}


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("name", OF_EACH)
def test_what_a_library_does(world: World, name: str, row: str) -> None:
    """What the table says that a library does, it does; and what it does, the table says."""
    if table()[name][row] != NO:
        ROWS[row](world, name)
    elif row in DID:
        assert DID[row] not in world.done(name)


@pytest.mark.parametrize("name", OF_EACH)
def test_the_version(world: World, name: str) -> None:
    """Of what a registry has the version is pinned; what Debian has is the version of Debian 12."""
    if name in OF_DEBIAN and "VERSION_CODENAME=bookworm" not in Path("/etc/os-release").read_text():
        pytest.skip("the version is the one that Debian 12 has")
    assert table()[name]["version"] == (debian_version() if name == "x/oauth2" else world.done(name).version)


def debian_version() -> str:
    command = ["dpkg-query", "-W", "-f", "${Version}", "golang-golang-x-oauth2-dev"]
    done = subprocess.run(command, text=True, capture_output=True, check=True, timeout=20)
    return done.stdout.partition("-")[0]


def test_the_table_is_whole() -> None:
    said = table()
    assert list(said) == list(LIBRARIES)
    for rows in said.values():
        assert list(rows) == ["version", *ROWS]
        assert {cell for row, cell in rows.items() if row != "version"} <= {YES, BY_HAND, NO}


@pytest.mark.parametrize("language", ["js", "python", "go"])
def test_the_examples_are_parts_of_the_programs(language: str) -> None:
    programs = [own.read_text("utf-8") for own in PROGRAMS.glob("*/*") if own.is_file()]
    shown = re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert shown
    for block in shown:
        for part in re.split(r"\n\n(?=\S)", block.strip("\n")):
            assert any(part in program for program in programs), part
