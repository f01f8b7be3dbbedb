"""What the authorization endpoint talks to browsers by: part of the whole that a reload swaps."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from mtlsd.oauth.conversation import Conversation
from mtlsd.pages.pages import Pages


@attrs.frozen
class Talking:
    """What it says, and how that looks.

    :ivar names: the `client_name` of each client that has one.
    :ivar scope_texts: what a scope-token is called on the page, for those that have a text.
    """

    conversation: Conversation
    pages: Pages
    names: Mapping[str, str]
    scope_texts: Mapping[str, str]
