"""What a client that registers itself is told."""

from __future__ import annotations

import json
import re

import pytest

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.pki.dn import DistinguishedName
from mtlsd.web.registration import _error_json


@pytest.mark.parametrize(
    ("name", "remedy"), [("billing", "as (backslash), or"), ("CN=a;b", "as (backslash);")]
)
def test_the_remedy_for_a_name_survives_without_backslashes(name: str, remedy: str) -> None:
    """RFC 6749 section 5.2 has no backslash in an error_description (R53), and DNs need them."""
    with pytest.raises(ValueError, match=r"Write it as|Write type=value|Separate") as raised:
        DistinguishedName.from_string(name)
    refusal = Refusal(reasons.REGISTRATION_METADATA, {"detail": str(raised.value)})
    description = json.loads(_error_json(refusal, "an-id"))["error_description"]
    assert remedy in description
    assert re.fullmatch(r"[\x20\x21\x23-\x5b\x5d-\x7e]*", description)
