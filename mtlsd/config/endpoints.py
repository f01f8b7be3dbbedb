"""Endpoint strings: what can be said about them without listening.

Twisted makes an endpoint only for a reactor, and a `systemd:` one only where systemd has handed over the
socket; `mtlsd check` has neither. So the usual kinds are read here as Twisted reads them, and of others it is
checked that some plugin knows them.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Self

import attrs
from twisted.internet.interfaces import IStreamServerEndpointStringParser
from twisted.plugin import getPlugins

CheckEndpoint = Callable[[str], None]

# The parameters of Twisted's own kinds, in the order in which they may stand without names
_PARAMETERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "tcp": ("port", "interface", "backlog"),
        "tcp6": ("port", "backlog", "interface"),
        "unix": ("address", "mode", "backlog", "lockfile"),
        "systemd": ("domain", "index", "name"),
    }
)
# Where Twisted listens without an interface
_ALL: Mapping[str, str] = MappingProxyType({"tcp": "0.0.0.0", "tcp6": "::"})  # noqa: S104  # not a choice made here


def check_plugin(kind: str) -> None:
    """Refuse a kind of endpoint that no Twisted plugin offers.

    :raises ValueError: naming those that there are.
    """
    offered = {parser.prefix for parser in getPlugins(IStreamServerEndpointStringParser)}
    kinds = sorted(offered - {"haproxy", "tls"})  # which are refused
    if kind not in kinds:
        raise ValueError(f"no Twisted plugin knows it; there are tcp, unix, {', '.join(kinds)}")


@attrs.frozen
class Place:
    """Where an endpoint listens.

    :ivar kind: the prefix of the endpoint string; `unix` also for such a socket of systemd's.
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
            # Twisted reads the header when the connection has been counted, and named in the audit log, by
            # the address of the proxy; and it believes the header of everybody who connects.
            raise ValueError("tells the client's address too late; have TCP passed on without a PROXY header")
        if kind not in _PARAMETERS:
            check_other(kind)
            return cls(kind, None, text)
        named = _named(kind, arguments, options)
        if kind == "unix":
            return cls(kind, None, named.get("address", ""))
        return cls._systemd(named) if kind == "systemd" else cls._tcp(kind, named)

    @classmethod
    def _tcp(cls, kind: str, named: Mapping[str, str]) -> Self:
        port = _number(named.get("port", ""))
        if port is None or port > 65535:
            raise ValueError("has no port between 0 and 65535")
        interface = named.get("interface") or _ALL[kind]
        try:
            ipaddress.ip_address(interface.partition("%")[0])
        except ValueError:
            raise ValueError("has an interface that is no IP address") from None
        return cls("tcp", port, interface)

    @classmethod
    def _systemd(cls, named: Mapping[str, str]) -> Self:
        if not hasattr(socket, f"AF_{named.get('domain')}"):
            raise ValueError("has no domain=INET, domain=INET6 or domain=UNIX")
        if ("name" in named) == ("index" in named):
            raise ValueError("wants either name= or index=")
        kind = "unix" if named["domain"] == "UNIX" else "systemd"
        return cls(kind, None, f"name={named['name']}" if "name" in named else named["index"])

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
    def is_local(self) -> bool:
        """Whether only this machine can connect. Fails closed: where the string does not tell, it is not."""
        if self.kind == "unix":
            return True
        return self.kind == "tcp" and ipaddress.ip_address(self._plain).is_loopback

    @property
    def _plain(self) -> str:
        return self.address.partition("%")[0]


def _named(kind: str, arguments: Sequence[str], options: Mapping[str, str]) -> dict[str, str]:
    """The arguments by name, as Twisted's function for that kind of endpoint would take them."""
    parameters = _PARAMETERS[kind]
    if len(arguments) > len(parameters):
        raise ValueError("has too many arguments; put \\ before a : that belongs to one")
    named = dict(zip(parameters, arguments, strict=False))
    for name, value in options.items():
        if name not in parameters:
            raise ValueError(f"has an unknown argument {name}; {kind} takes {', '.join(parameters)}")
        if name in named:
            raise ValueError(f"has {name} twice; put \\ before a : that belongs to an argument")
        named[name] = value
    for name in ("backlog", "index"):
        if name in named and _number(named[name]) is None:
            raise ValueError(f"has a {name} that is no number")
    return named


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


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
