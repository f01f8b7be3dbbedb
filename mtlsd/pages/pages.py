"""Rendering pages: HTML is always escaped, and a policy goes with each page that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from importlib import resources
from typing import Any, Final, Self

import attrs
from jinja2 import DictLoader, StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

NAMES: Final = ("base.html", "login.html", "consent.html", "message.html", "style.css")
"""The files of a directory of templates. What is not there is mtlsd's own."""

_STYLE: Final = "style.css"
_HOSTILE: Final = '"\'></title></style><script>alert(1)</script><i x="&amp;'


class TemplateMistake(ValueError):
    """A template cannot be used.

    :ivar name: of the file.
    """

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@attrs.frozen
class Page:
    """A page, and the Content-Security-Policy that it is sent with."""

    html: bytes
    policy: bytes


@attrs.frozen
class Pages:
    """The pages of one server.

    :ivar server: what the server calls itself, such as the host of its issuer.
    """

    server: str
    _environment: ImmutableSandboxedEnvironment
    _style: Markup
    _style_source: str

    @classmethod
    def from_templates(cls, server: str, replaced: Mapping[str, str]) -> Self:
        """Take mtlsd's own templates, and an operator's in their places.

        :param replaced: by the names in :data:`NAMES`.
        :raises TemplateMistake: one of them cannot be read, or lets a value be more than text.
        """
        texts = {**own_templates(), **replaced}
        style = texts.pop(_STYLE)
        if "</" in style or "<!--" in style:
            raise TemplateMistake(_STYLE, "has </ or <!--, which end a style in HTML")
        style = style.replace("\r\n", "\n").replace("\r", "\n")  # as a browser hashes it
        environment = ImmutableSandboxedEnvironment(
            loader=DictLoader(texts), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        digest = base64.b64encode(hashlib.sha256(style.encode("utf-8")).digest()).decode("ascii")
        safe = Markup(style)  # noqa: S704  # the operator's own file, which has nothing that ends a style
        made = cls(server, environment, safe, f"'sha256-{digest}'")
        for name in texts:
            made._check(name)
        return made

    def login(self, **values: Any) -> Page:
        """Ask for name and password. Its form is sent to ourselves, and nowhere else."""
        return self._page("login.html", "'self'", values)

    def consent(self, redirect_uri: str, **values: Any) -> Page:
        """Ask for consent.

        :param redirect_uri: where the answer to the form redirects to.
        """
        returns_to = returns_to_of(redirect_uri)
        return self._page(
            "consent.html", f"'self' {form_action_of(redirect_uri)}", {**values, "returns_to": returns_to}
        )

    def message(self, heading: str, text: str, **values: Any) -> Page:
        """Tell something."""
        shown = {"log_out": False, "seal": "", "action": "", "correlation_id": "", **values}
        return self._page("message.html", "'self'", {"heading": heading, "text": text, **shown})

    def _page(self, name: str, form_action: str, values: Mapping[str, Any]) -> Page:
        policy = (
            f"default-src 'none'; style-src {self._style_source}; img-src data:; form-action {form_action}; "
            "base-uri 'none'; frame-ancestors 'none'"
        )
        return Page(self._render(name, values).encode("utf-8"), policy.encode("ascii"))

    def _render(self, name: str, values: Mapping[str, Any]) -> str:
        template = self._environment.get_template(name)
        return template.render(style=self._style, server=self.server, **values)

    def _check(self, name: str) -> None:
        """Render with values that would break out of wherever they stand."""
        values = {key: _HOSTILE for key in _TEXTS} | {"problem": _HOSTILE, "wrong": True, "log_out": True}
        values |= {"retry_after_seconds": 2, "resources": [_HOSTILE]}
        values["scope"] = [{"name": _HOSTILE, "text": ""}, {"name": "", "text": _HOSTILE}]
        try:
            html = self._render(name, values)
        except TemplateError as error:
            place = getattr(error, "lineno", None)
            where = f"line {place}: " if place else ""
            raise TemplateMistake(getattr(error, "name", None) or name, f"{where}{error.message}") from error
        except Exception as error:  # whatever an expression of the template does
            raise TemplateMistake(name, f"{type(error).__name__}: {error}") from error
        found = _Scripts()
        found.feed(html)
        if found.there:
            raise TemplateMistake(name, "has a script, or puts a value where it is not escaped")


_TEXTS: Final = (
    *("action", "seal", "client_name", "client_id", "username", "user"),
    *("returns_to", "heading", "text", "correlation_id"),
)


class _Scripts(HTMLParser):
    """Looks for what the policy would stop, and for attributes that a value has opened."""

    there = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.there |= tag in ("script", "iframe", "object", "embed", "base")
        self.there |= any(name in ("x", "'", '"') or name.startswith("on") for name, _ in attributes)


def own_templates() -> dict[str, str]:
    """mtlsd's own, by name."""
    directory = resources.files(__package__) / "templates"
    return {name: (directory / name).read_text("utf-8") for name in NAMES}


_ORIGIN = re.compile(r"https?://([a-z0-9.-]+(?::[0-9]{1,5})?|\[[0-9a-f:.]+\](?::[0-9]{1,5})?)(?=[/?]|$)")


def form_action_of(redirect_uri: str) -> str:
    """The source (CSP 3 section 2.3.1) that lets a form's answer redirect to this URI, and on from there.

    Chromium holds form-action against every redirect that follows a form, those of the client's own site
    too: so it is the scheme, and not the host.
    """
    return redirect_uri.partition(":")[0] + ":"


def returns_to_of(redirect_uri: str) -> str:
    """The redirect URI for people: the host, or the scheme of an application on this device."""
    match = _ORIGIN.match(redirect_uri)
    return match[1] if match is not None else redirect_uri.partition(":")[0] + ":"
