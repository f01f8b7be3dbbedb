"""A CA run as ``openssl ca``: its certificates, index and lists; and ``openssl ocsp`` for the index."""

from __future__ import annotations

import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from tests.end_to_end.daemon import eventually
from tests.end_to_end.setup import HOST, free_port
from tests.pki import Written

_CONFIG = """
[ca]
default_ca = own
[own]
new_certs_dir = issued
database = index.txt
rand_serial = yes
crlnumber = crlnumber
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_days = 30
default_crl_days = 7
policy = any_subject
unique_subject = no
[any_subject]
organizationName = optional
commonName = supplied
[req]
distinguished_name = nothing
prompt = no
[nothing]
"""
_CA = {
    "basicConstraints": "critical,CA:true",
    "keyUsage": "critical,keyCertSign,cRLSign",
    "subjectKeyIdentifier": "hash",
}
_LEAF = {
    "basicConstraints": "critical,CA:false",
    "keyUsage": "critical,digitalSignature",
    "extendedKeyUsage": "clientAuth",
    "subjectKeyIdentifier": "hash",
    "authorityKeyIdentifier": "keyid:always",
}
_FIRST_LIST = 0x1000


class OpensslCa:
    """One CA in a directory of its own.

    :ivar certificate: of the CA, PEM.
    :ivar chain: PEM of what its leaves send beside themselves.
    """

    def __init__(self, directory: Path, name: str, issuer: Self | None = None, **extensions: str) -> None:
        """:param extensions: of the CA's own certificate, in the words of x509v3_config."""
        self.directory = directory
        self.name = name
        self.chain = ""
        (directory / "issued").mkdir(parents=True)
        (directory / "index.txt").touch()
        (directory / "crlnumber").write_text(f"{_FIRST_LIST:X}\n")
        (directory / "ca.cnf").write_text(_CONFIG)
        self.certificate = directory / "ca.pem"
        self._request(directory / "ca", name)
        if issuer is None:
            self._sign(directory / "ca", _CA, "-selfsign", "-keyfile", "ca.key", "-days", "365")
        else:
            issuer._sign(directory / "ca", _CA | {"authorityKeyIdentifier": "keyid:always"} | extensions)
            self.chain = self.certificate.read_text() + issuer.chain

    def leaf(self, name: str, **extensions: str) -> Written:
        """A client's certificate with the CN `name`, and these extensions in the words of x509v3_config."""
        stem = self.directory / name
        self._request(stem, name)
        self._sign(stem, _LEAF | extensions)
        certificate = stem.with_suffix(".pem")
        certificate.write_text(certificate.read_text() + self.chain)
        return Written(certificate, stem.with_suffix(".key"))

    def revoke(self, certificate: Path, reason: str = "keyCompromise") -> None:
        run(
            self.directory,
            "openssl",
            "ca",
            "-config",
            "ca.cnf",
            "-revoke",
            certificate,
            "-crl_reason",
            reason,
        )

    def forget(self, certificate: Path) -> None:
        """Strike a certificate from the index, as if this CA had never issued it."""
        serial = run(self.directory, "openssl", "x509", "-in", certificate, "-noout", "-serial")
        number = serial.strip().partition("=")[2]
        index = self.directory / "index.txt"
        lines = index.read_text().splitlines(keepends=True)
        kept = [line for line in lines if line.split("\t")[3] != number]
        assert len(kept) == len(lines) - 1
        index.write_text("".join(kept))

    def publish(self, to: Path, form: str = "DER", delta_to: int | None = None, **extensions: str) -> int:
        """Make the next list and put it in place whole; return its number.

        :param delta_to: the number of a list to which this one is a delta.
        """
        number = int((self.directory / "crlnumber").read_text(), 16)
        wanted = {"authorityKeyIdentifier": "keyid:always", **extensions}
        if delta_to is not None:
            wanted["2.5.29.27"] = f"critical,DER:02:02:{delta_to >> 8:02X}:{delta_to & 255:02X}"
        config = self.directory / "list.cnf"
        config.write_text(_CONFIG + _section("list", wanted))
        run(
            self.directory,
            "openssl",
            "ca",
            "-config",
            config,
            "-gencrl",
            "-crlexts",
            "list",
            "-out",
            "new.pem",
        )
        new = to.with_name(f".{to.name}.new")
        run(self.directory, "openssl", "crl", "-in", "new.pem", "-outform", form, "-out", new)
        new.replace(to)
        return number

    @contextmanager
    def responder(self, port: int | None = None) -> Iterator[int]:
        """``openssl ocsp`` for this CA's index, signing with the CA's key; yields its port."""
        port = port or responder_port()
        command = ["openssl", "ocsp", "-port", str(port), "-index", "index.txt", "-CA", "ca.pem"]
        command += ["-rsigner", "ca.pem", "-rkey", "ca.key", "-nmin", "60", "-ignore_err"]
        said = self.directory / "ocsp.log"
        with said.open("wb") as log:
            process = subprocess.Popen(
                command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            # A connection that only looks whether anybody listens would keep it busy for ever.
            eventually(lambda: process.poll() is not None or "ACCEPT" in said.read_text())
            assert process.poll() is None, said.read_text()
            yield port
        finally:
            process.kill()
            process.wait()

    def nudge(self, port: int) -> None:
        """Have the responder read the index again: it looks for a change only when it has answered."""
        url = f"http://{HOST}:{port}/"
        run(
            self.directory,
            "openssl",
            "ocsp",
            "-issuer",
            "ca.pem",
            "-cert",
            "ca.pem",
            "-url",
            url,
            "-noverify",
        )

    def _request(self, stem: Path, name: str) -> None:
        command = ["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-config", "ca.cnf", "-subj", f"/O=Real CA/CN={name}"]
        run(self.directory, *command, "-keyout", stem.with_suffix(".key"), "-out", stem.with_suffix(".csr"))

    def _sign(self, stem: Path, extensions: Mapping[str, str], *options: str) -> None:
        file = self.directory / "extensions.cnf"
        file.write_text(_section("wanted", extensions))
        files = ("-in", stem.with_suffix(".csr"), "-out", stem.with_suffix(".pem"))
        self._ca("-batch", "-notext", "-extfile", file, "-extensions", "wanted", *files, *options)

    def _ca(self, *arguments: str | Path, config: Path | None = None) -> None:
        run(self.directory, "openssl", "ca", "-config", config or "ca.cnf", *arguments)


def responder_port() -> int:
    """A port that is nobody else's on any address: ``openssl ocsp`` listens on all of them."""
    return free_port("::" if socket.has_dualstack_ipv6() else "0.0.0.0")


def der_of(pem: Path) -> bytes:
    """The first certificate of a file, DER."""
    end = "-----END CERTIFICATE-----"
    return ssl.PEM_cert_to_DER_cert(pem.read_text().partition(end)[0] + end)


def _section(name: str, values: Mapping[str, str]) -> str:
    return f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())


def run(directory: Path, *command: str | Path) -> str:
    """Run a program to its end; return what it printed."""
    done = subprocess.run(
        list(map(str, command)), cwd=directory, text=True, capture_output=True, timeout=20, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout
