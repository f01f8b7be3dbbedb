"""Debian's reverse proxies in front of a daemon, with what `mtlsd proxy-config` prints for them."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs

from tests.end_to_end.clients import Answer, NoAnswer
from tests.end_to_end.daemon import MTLSD, eventually, mtlsd
from tests.end_to_end.openssl_ca import OpensslCa
from tests.end_to_end.proxying import CREDENTIALS
from tests.end_to_end.setup import HOST, Setup, free_port
from tests.pki import Written

CLIENT: Final = "billing"
NAME: Final = "billing.example"
ADDRESS: Final = "127.0.0.9"
"""Where clients connect from."""
NGINX_MODULES: Final = Path("/usr/lib/nginx/modules")
APACHE_MODULES: Final = Path("/usr/lib/apache2/modules")
_ENCODED = base64.b64encode(CREDENTIALS.encode()).decode()

Change = Callable[[str], str]


class Fronted:
    """A daemon's setup whose listeners are all for proxies.

    The clients' certificates come from an intermediate. The anchor group `held` has it; `bare` has not.
    """

    def __init__(self, directory: Path) -> None:
        self.setup = Setup(directory)
        root = OpensslCa(directory / "root", "root")
        self.ca = OpensslCa(directory / "partner", "partner", root)
        self.good = self._leaf("good", NAME)
        self.other = self._leaf("other", "other.example")
        self.revoked = self._leaf("revoked", NAME)
        self.ca.revoke(self.revoked.certificate)
        self.large = self._leaf("large", ",DNS:".join([NAME, *(f"name-{n}.example" for n in range(150))]))
        lists = [self._list(ca, directory) for ca in (root, self.ca)]
        for name, intermediates in (("held", [str(self.ca.certificate)]), ("bare", [])):
            self.setup.document["trust_anchors"].append(
                {
                    "name": name,
                    "certificates": [str(root.certificate)],
                    "intermediates": intermediates,
                    "revocation": {"crl": lists},
                }
            )
        for client_id, san in ((CLIENT, NAME), ("other", "other.example")):
            self.setup.add_client(client_id, tls_client_auth_san_dns=san, trust_anchors=["held", "bare"])
        self.proxy = self.setup.present("proxy", self.setup.pki.self_signed("proxy"))
        credentials = directory / "credentials"
        credentials.touch(0o600)
        credentials.write_text(CREDENTIALS + "\n")

    def _leaf(self, name: str, san: str) -> Written:
        return self.ca.leaf(name, subjectAltName=f"DNS:{san}")

    def _list(self, ca: OpensslCa, directory: Path) -> str:
        ca.publish(directory / f"{ca.name}.crl")
        return f"{ca.name}.crl"

    def add(self, name: str, chain: bool = False, socket: bool = False, **forwarded: object) -> None:
        """A listener behind a terminating proxy.

        :param chain: whether the proxy forwards intermediates.
        :param socket: whether it connects to a UNIX socket.
        """
        self._listen(name, "forwarded", ["bare" if chain else "held"], forwarded=forwarded)
        table = self.setup.listener(name)
        if "proxy_certificates" not in forwarded:
            del table["certificate"], table["key"]
        if socket:
            table["endpoint"] = f"unix:{self.setup.directory / name}.sock"

    def add_passthrough(self, name: str, version: int) -> None:
        """A listener to which TLS is passed on unopened."""
        protocol = {"version": version, "proxies": [HOST]}
        self._listen(name, "optional", ["bare"], proxy_protocol=protocol)

    def _listen(self, name: str, client_certificate: str, anchors: list[str], **keys: object) -> None:
        url = f"https://localhost:{free_port()}"
        self.setup.add_listener(name, client_certificate, trust_anchors=anchors, public_url=url, **keys)

    def url(self, listener: str) -> str:
        """As clients know it."""
        return str(self.setup.listener(listener)["public_url"])

    def curl(self, listener: str, presented: Written | None, *more: str) -> Answer:
        """Ask for a token through the proxy.

        :raises NoAnswer: when there was none.
        """
        command = ["curl", "--silent", "--show-error", "--ipv4", "--noproxy", "*", "--interface", ADDRESS]
        command += ["--cacert", str(self.setup.ca_file), "--write-out", "\n%{http_code}"]
        command += ["-d", "grant_type=client_credentials", "-d", f"client_id={CLIENT}"]
        if presented is not None:
            command += ["--cert", str(presented.certificate), "--key", str(presented.key)]
        done = subprocess.run(
            [*command, *more, f"{self.url(listener)}/token"],
            text=True, capture_output=True, timeout=20, check=False,
        )  # fmt: skip
        if done.returncode:
            raise NoAnswer(done.stderr)
        body, _, status = done.stdout.rpartition("\n")
        return Answer(int(status), body.encode())

    def tested(self, listener: str, presented: Written | None = None, code: int = 0) -> Any:
        """What `mtlsd proxy-test` says of the proxy, as JSON.

        :param presented: what the second round comes with.
        """
        more = ["--through", self.url(listener), "--listener", listener, "--ca", self.setup.ca_file]
        if presented is not None:
            more += ["--certificate", presented.certificate, "--key", presented.key, "--client-id", CLIENT]
        command = [MTLSD, "proxy-test", "-c", self.setup.config, "--json", *more]
        done = subprocess.run(
            list(map(str, command)), text=True, capture_output=True, timeout=120, check=False
        )
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def printed(self, program: str, listener: str) -> str:
        """What `mtlsd proxy-config` prints."""
        return mtlsd("proxy-config", program, "-c", self.setup.config, "--listener", listener)


def _unchanged(text: str) -> str:
    return text


@contextmanager
def running(
    fronted: Fronted, program: str, listener: str, directory: Path, change: Change = _unchanged
) -> Iterator[None]:
    """The proxy with what is printed for it; only the directory of its files is another.

    :param change: makes mistakes in the configuration.
    """
    files = directory / "files"
    files.mkdir(parents=True)
    _write_files(fronted, files)
    printed = fronted.printed(program, listener).replace(PROGRAMS[program].files, str(files))
    command = PROGRAMS[program].command(directory, change(printed))
    environ = {**os.environ, "HOME": str(directory), "XDG_CONFIG_HOME": str(directory)}
    environ["MTLSD_PROXY_CREDENTIALS"] = _ENCODED
    log = directory / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environ
        )
    try:
        port = int(fronted.url(listener).rpartition(":")[2])
        eventually(lambda: process.poll() is not None or _listens(port), f"{program} does not listen")
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), 1).close()
    except OSError:
        return False
    return True


def _write_files(fronted: Fronted, files: Path) -> None:
    """All that a snippet may name, for every program."""
    directory = fronted.setup.directory
    pair = (directory / "server.pem").read_text(), (directory / "server.key").read_text()
    own = fronted.proxy.certificate.read_text(), fronted.proxy.key.read_text()
    for name, (certificate, key) in {"server": pair, "client": own}.items():
        (files / f"{name}.pem").write_text(certificate + key)
        (files / f"{name}.key").write_text(key)
    shutil.copy(fronted.setup.ca_file, files / "mtlsd-ca.pem")
    shutil.copy(directory / "root" / "ca.pem", files / "trust-anchors.pem")
    field = f'X-Proxy-Authorization "Basic {_ENCODED}"'
    is_apache = f"RequestHeader set {field}\n"
    (files / "apache-credentials.conf").write_text(is_apache)
    (files / "credentials.conf").write_text(f"proxy_set_header {field};\n")
    (files / "credentials.caddy").write_text(f"header_up {field}\n")


# -- how each program is started -------------------------------------------------------------------------


@attrs.frozen
class Program:
    """:ivar files: the directory in what is printed for it.
    :ivar command: writes the configuration into a directory, and returns what starts it.
    """

    files: str
    command: Callable[[Path, str], list[str]]


def _nginx(directory: Path, text: str) -> list[str]:
    around = ["daemon off;", "pid nginx.pid;", "error_log error.log;", "events {}"]
    if os.geteuid() == 0:
        around.append("user root;")
    temporary = (f"{kind}_temp_path temp;" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    if "stream {" in text:
        around.insert(0, f"load_module {NGINX_MODULES}/ngx_stream_module.so;")
        around.append("include mtlsd.conf;")
    else:
        around.append(f"http {{ access_log off; {' '.join(temporary)} include mtlsd.conf; }}")
    (directory / "mtlsd.conf").write_text(text)
    (directory / "nginx.conf").write_text("\n".join(around))
    return ["nginx", "-p", str(directory), "-c", "nginx.conf", "-e", "error.log"]


def _haproxy(directory: Path, text: str) -> list[str]:
    (directory / "haproxy.cfg").write_text(text)
    return ["haproxy", "-db", "-f", "haproxy.cfg"]


def _apache(directory: Path, text: str) -> list[str]:
    needed = re.search(r"It needs the modules ([\w, #\n]+) \(a2enmod\)", text)
    assert needed
    names = re.findall(r"[a-z_]+", needed[1].replace("and", ""))
    modules = ["mpm_event", "authn_core", "authz_core", "socache_shmcb", *names]
    lines = [f"LoadModule {name}_module {APACHE_MODULES}/mod_{name}.so" for name in modules]
    lines += [f"ServerRoot {directory}", f"DefaultRuntimeDir {directory}", f"PidFile {directory}/apache.pid"]
    lines += [f"ErrorLog {directory}/error.log", "LogLevel info", "ServerName localhost"]
    lines += ["User www-data", "Group www-data", "SSLSessionCache none"]
    changed = text.replace("/credentials.conf", "/apache-credentials.conf")
    (directory / "apache.conf").write_text("\n".join([*lines, changed]))
    return ["apache2", "-f", str(directory / "apache.conf"), "-DFOREGROUND"]


def _caddy(directory: Path, text: str) -> list[str]:
    (directory / "Caddyfile").write_text("{\n\tadmin off\n\tauto_https disable_redirects\n}\n" + text)
    return ["caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile"]


PROGRAMS: Mapping[str, Program] = {
    "nginx": Program("/etc/nginx/mtlsd", _nginx),
    "haproxy": Program("/etc/haproxy/mtlsd", _haproxy),
    "apache": Program("/etc/apache2/mtlsd", _apache),
    "caddy": Program("/etc/caddy/mtlsd", _caddy),
}
