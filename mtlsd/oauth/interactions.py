"""That each page is answered once.

A request waits in the URL of its page, pushed or not: nothing is kept of it, so strangers fill no store.
"""

from __future__ import annotations

from datetime import datetime

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.oauth.artifacts import Artifact, Artifacts
from mtlsd.oauth.seals import LIFETIME


async def answer_once(artifacts: Artifacts, nonce: str, now: datetime) -> None:
    """Use up a page whose request was not pushed; a pushed request is used up itself.

    :param nonce: of the page's seal.
    :raises Refusal: `interaction.replayed` for everybody but the first.
    """
    key = Artifact.key_of("answered", nonce)
    if not await artifacts.claim("interaction", key, now + LIFETIME, now):
        raise Refusal(reasons.INTERACTION_REPLAYED)
