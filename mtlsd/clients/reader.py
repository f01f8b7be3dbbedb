"""Typed access to untyped client metadata."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import attrs

from mtlsd.clients.mistakes import Mistakes

T = TypeVar("T", bound=str)

# RFC 6749 appendix A.4
_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
# RFC 8707 section 2: an absolute URI without a fragment (RFC 3986 section 4.3)
_RESOURCE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x22\x24-\x7e]+")
# What is fetched is not signed, so https alone; mtlsd.fetch.url reads the host and the port more strictly.
_JWKS_URI = re.compile(
    r"https://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?(?:[/?][A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?",
    re.IGNORECASE,
)
_LONGEST_JWKS_URI = 2048


def is_scope_token(text: str) -> bool:
    """Whether `text` is one scope-token (RFC 6749 section 3.3)."""
    return _SCOPE_TOKEN.fullmatch(text) is not None


def is_resource(text: str) -> bool:
    """Whether `text` may be a resource indicator (RFC 8707 section 2)."""
    return _RESOURCE.fullmatch(text) is not None


def is_jwks_uri(text: str) -> bool:
    """Whether `text` may be a jwks_uri (RFC 7591 section 2): an https URL without a user and a fragment."""
    return len(text) <= _LONGEST_JWKS_URI and _JWKS_URI.fullmatch(text) is not None


@attrs.frozen
class Reader:
    """Reads members; what does not fit becomes a mistake and a harmless value."""

    metadata: Mapping[str, Any]
    mistakes: Mistakes

    def text(self, name: str, pattern: re.Pattern[str], what: str) -> str:
        """A member that must be there."""
        value = self.metadata.get(name)
        if value is None:
            self.mistakes.add(name, "is missing", f"Add {name}: {what}.")
            return ""
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self.mistakes.add(name, "cannot be used", f"It takes {what}.")
            return ""
        return value

    def optional_text(self, name: str) -> str | None:
        value = self.metadata.get(name)
        if value is not None and (not isinstance(value, str) or not value.isprintable()):
            self.mistakes.add(name, "cannot be used", "It takes a line of printable text.")
            return None
        return value

    def choice(self, name: str, choices: Sequence[T], default: T) -> T:
        """One of `choices`."""
        value = self.metadata.get(name, default)
        for choice in choices:
            if isinstance(value, str) and choice == value:
                return choice
        self.mistakes.add(name, f"{value!r:.80} cannot be used", f"It takes {' or '.join(choices)}.")
        return default

    def boolean(self, name: str, default: bool) -> bool:
        value = self.metadata.get(name, default)
        if not isinstance(value, bool):
            self.mistakes.add(name, "is neither true nor false", "Write true or false, without quotes.")
            return default
        return value

    def seconds(self, name: str, least: int, most: int) -> int | None:
        """A span; None where there is none."""
        value = self.metadata.get(name)
        if name not in self.metadata:
            return None
        if type(value) is not int or not least <= value <= most:
            self.mistakes.add(name, "cannot be used", f"It takes an integer from {least} to {most}.")
            return None
        return value

    def strings(
        self, name: str, accepts: Callable[[str], bool] = str.isprintable, what: str = "strings"
    ) -> tuple[str, ...]:
        value = self.metadata.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            self.mistakes.add(name, "is not a list of strings", f'It takes {what}: {name} = ["..."].')
            return ()
        for item in value:
            if not accepts(item):
                self.mistakes.add(name, f"{item!r} cannot be used", f"It takes {what}.")
        return tuple(dict.fromkeys(value))

    def scope(self) -> tuple[str, ...]:
        value = self.metadata.get("scope", "")
        if not isinstance(value, str) or not all(map(is_scope_token, value.split())):
            self.mistakes.add(
                "scope", "is no scope", "It takes values separated by spaces (RFC 6749 section 3.3)."
            )
            return ()
        return tuple(dict.fromkeys(value.split()))

    def jwks_uri(self) -> str | None:
        value = self.metadata.get("jwks_uri")
        if "jwks_uri" not in self.metadata or (isinstance(value, str) and is_jwks_uri(value)):
            return value
        self.mistakes.add(
            "jwks_uri",
            "cannot be used",
            "It takes an https URL of a JWK Set, in ASCII, without user and fragment.",
        )
        return None
