"""`mtlsd`, but the JWK Sets of clients may be fetched early every half second: tests need not wait for long.

mtlsd_in_haste.py run -c FILE
"""

from __future__ import annotations

import sys
from functools import partial
from unittest.mock import patch

from mtlsd.cli import main
from mtlsd.jwks_uri.key_sets import KeySets
from mtlsd.jwks_uri.timing import Timing

timing = Timing(early_seconds=0.5, early_per_second=10.0, retry_seconds=0.5)
with patch("mtlsd.service.background.KeySets", partial(KeySets, timing=timing)):
    sys.exit(main(sys.argv[1:]))
