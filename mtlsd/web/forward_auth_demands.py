"""What a proxy demands of a token before it lets a request pass (forward authentication).

The proxy says it in the query of the URL that it asks. One that appends the client's own path and query there
says it in header fields instead, and the query then means nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NoReturn, Self

import attrs

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.oauth.forms import Form
from mtlsd.resource_server.values import SCOPE

MOST_AUDIENCES: Final = 8

_AUDIENCE: Final = re.compile(r"[!-~]{1,512}")
_PARAMETERS: Final = frozenset({"audience", "scope"})


@attrs.frozen
class Demands:
    """For whom a token has to be, and for what.

    :ivar audiences: the token has to name one of them; never empty, or a token for anybody would do.
    :ivar scope: the token has to have all of it.
    """

    audiences: frozenset[str]
    scope: tuple[str, ...] = ()

    @classmethod
    def from_query(cls, query: bytes) -> Self:
        """`audience=https://api.example.com&scope=invoices:read`; `audience` several times means any of them.

        Whatever is not understood is refused: a misspelt or empty parameter would else demand nothing.

        :raises Refusal: `forward_auth.demands`
        """
        try:
            parameters = Form.from_body(query, "application/x-www-form-urlencoded").parameters
        except Refusal as refusal:
            _refuse(refusal.reason.meaning)
        for name, values in parameters.items():
            if name not in _PARAMETERS:
                _refuse("there is a parameter that is neither audience nor scope")
            if not values:
                _refuse(f"{name} is empty")
        return cls._checked(parameters.get("audience", ()), *parameters.get("scope", ()))

    @classmethod
    def from_fields(cls, audience: Sequence[bytes], scope: Sequence[bytes]) -> Self:
        """The same from header fields.

        :param audience: the values of every field with audiences: of one, and spaces part them.
        :param scope: likewise, but there need be none.
        :raises Refusal: `forward_auth.demands`
        """
        if len(audience) > 1 or len(scope) > 1:
            _refuse("a field is there twice")
        audiences = audience[0].decode("latin-1").split(" ") if audience else ()
        return cls._checked(audiences, *(value.decode("latin-1") for value in scope))

    @classmethod
    def _checked(cls, audiences: Sequence[str], scope: str | None = None) -> Self:
        if not audiences:
            _refuse("there is no audience")
        if len(audiences) > MOST_AUDIENCES or not all(map(_AUDIENCE.fullmatch, audiences)):
            _refuse("an audience is no name, or there are too many")
        if scope is not None and not SCOPE.fullmatch(scope):
            _refuse("the scope is not names with one space between them")
        return cls(frozenset(audiences), () if scope is None else tuple(scope.split(" ")))


def _refuse(detail: str) -> NoReturn:
    raise Refusal(reasons.FORWARD_AUTH_DEMANDS, {"detail": detail})
