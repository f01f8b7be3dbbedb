"""Endpoint strings: what can be said about them without listening.

Twisted makes an endpoint only for a reactor, and a `systemd:` one only where systemd has handed over the
socket; `mtlsd check` has neither. So the usual kinds are read here as Twisted reads them, and of others it is
checked that some plugin knows them.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Self

import attrs
from twisted.internet.interfaces import IStreamServerEndpointStringParser
from twisted.plugin import getPlugins

CheckEndpoint = Callable[[str], None]


def check_plugin(kind: str) -> None:
    """Refuse a kind of endpoint that no Twisted plugin offers.

    :raises ValueError: naming those that there are.
    """
    kinds = sorted(parser.prefix for parser in getPlugins(IStreamServerEndpointStringParser))
    if kind not in kinds:
        raise ValueError(f"no Twisted plugin knows it; there are tcp, unix, {', '.join(kinds)}")


@attrs.frozen
class Place:
    """Where an endpoint listens.

    :ivar kind: the prefix of the endpoint string.
    :ivar port: the TCP port; None where the string has none.
    :ivar address: what else tells two endpoints apart: interface, path, name of a socket.
    """

    kind: str
    port: int | None
    address: str

    @classmethod
    def from_string(cls, text: str, check_other: CheckEndpoint = check_plugin) -> Self:
        """Read a Twisted server endpoint string.

        :param check_other: raises ValueError for kinds other than tcp, tcp6, unix and systemd.
        :raises ValueError: saying what is wrong.
        """
        if not text.isprintable():
            raise ValueError("has a control character")
        (kind, *arguments), options = _parse(text)
        if not arguments and not options:
            raise ValueError('is no endpoint string, such as "tcp:8443"')
        if kind in ("ssl", "tls"):
            raise ValueError("brings TLS of its own, and mtlsd could not see the client's certificate")
        if kind == "haproxy":
            return cls.from_string(":".join(arguments), check_other)
        if kind in ("tcp", "tcp6"):
            return cls._tcp(kind, arguments, options)
        if kind == "unix":
            return cls(kind, None, arguments[0] if arguments else options.get("address", ""))
        if kind == "systemd":
            return cls._systemd(arguments, options)
        check_other(kind)
        return cls(kind, None, text)

    @classmethod
    def _tcp(cls, kind: str, arguments: Sequence[str], options: Mapping[str, str]) -> Self:
        port = arguments[0] if arguments else options.get("port", "")
        if not (port.isascii() and port.isdigit() and len(port) < 6 and int(port) < 65536):
            raise ValueError("has no port between 0 and 65535")
        interface = arguments[1] if kind == "tcp" and len(arguments) > 1 else options.get("interface", "")
        interface = interface or ("0.0.0.0" if kind == "tcp" else "::")  # noqa: S104  # what Twisted does
        try:
            ipaddress.ip_address(interface.partition("%")[0])
        except ValueError:
            raise ValueError("has an interface that is no IP address (put \\ before each : of one)") from None
        return cls("tcp", int(port), interface)

    @classmethod
    def _systemd(cls, arguments: Sequence[str], options: Mapping[str, str]) -> Self:
        domain = arguments[0] if arguments else options.get("domain", "")
        if not hasattr(socket, f"AF_{domain}"):
            raise ValueError("has no domain=INET, domain=INET6 or domain=UNIX")
        if ("name" in options) == ("index" in options):
            raise ValueError("wants either name= or index=")
        return cls("systemd", None, "name=" + options["name"] if "name" in options else options["index"])

    def collides_with(self, other: Place) -> bool:
        """Whether both cannot listen at once. Port 0 stands for any free one."""
        if self.port is None or other.port is None:
            return self == other
        if self.port != other.port or self.port == 0:
            return False
        mine, others = ipaddress.ip_address(self._plain), ipaddress.ip_address(other._plain)
        if mine.version != others.version:
            # on Linux a socket on all of IPv6 takes IPv4 as well
            return (mine if mine.version == 6 else others).is_unspecified
        return mine == others or mine.is_unspecified or others.is_unspecified

    @property
    def _plain(self) -> str:
        return self.address.partition("%")[0]


def _parse(text: str) -> tuple[list[str], dict[str, str]]:
    """Arguments and options, as Twisted separates them: by colons, with a backslash before what is meant."""
    arguments: list[str] = []
    options: dict[str, str] = {}
    for part in _split(text, ":"):
        name, *value = _split(part, "=", 1)
        if value:
            options[_unescaped(name)] = _unescaped(value[0])
        else:
            arguments.append(_unescaped(name))
    return arguments or [""], options


def _split(text: str, separator: str, most: int = -1) -> list[str]:
    parts, escaped = [""], False
    for character in text:
        if character == separator and not escaped and len(parts) - 1 != most:
            parts.append("")
            continue
        parts[-1] += character
        escaped = character == "\\" and not escaped
    return parts


def _unescaped(text: str) -> str:
    result, escaped = "", False
    for character in text:
        if character == "\\" and not escaped:
            escaped = True
            continue
        result += character
        escaped = False
    if escaped:
        raise ValueError("ends with a backslash")
    return result
