"""What a proxy says about its client's certificate, and the field that says it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import attrs

from mtlsd import reasons
from mtlsd.errors import Refusal

MAX_FIELD_BYTES = 65_536
"""No field that holds certificates may be longer. The listener's own bound for a request is usually lower."""

_Read = TypeVar("_Read")


@attrs.frozen
class ForwardedCertificate:
    """A client certificate as forwarded: nobody has judged it, and that its key was shown, the proxy says.

    Each of them is one DER SEQUENCE of exactly its length, and no more is known of them.

    :ivar leaf: DER.
    :ivar chain: the other certificates, DER, in the order in which they were forwarded, without the leaf.
    """

    leaf: bytes = attrs.field(repr=False)
    chain: tuple[bytes, ...] = attrs.field(default=(), repr=False)


@attrs.frozen
class Field:
    """One field of one request.

    :ivar name: in lower case.
    :ivar value: without surrounding whitespace; empty also where the field is absent.
    """

    name: bytes
    value: bytes = attrs.field(repr=False)

    def __bool__(self) -> bool:
        return bool(self.value)

    def read(self, parse: Callable[[bytes], _Read]) -> _Read:
        """What `parse` makes of the value.

        :param parse: raises ValueError, with a sentence that does not quote the value.
        :raises Refusal: forwarded.malformed.
        """
        if len(self.value) > MAX_FIELD_BYTES:
            raise self.refusal(f"{len(self.value)} octets are more than {MAX_FIELD_BYTES}")
        try:
            return parse(self.value)
        except ValueError as error:
            raise self.refusal(str(error)) from None

    def refusal(self, detail: str) -> Refusal:
        """The refusal that names this field, and says what is wrong in it."""
        return Refusal(reasons.FORWARDED_MALFORMED, {"field": self.name.decode("latin-1"), "detail": detail})
