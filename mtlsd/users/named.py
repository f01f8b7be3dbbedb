"""The checker that a configuration names: by its dotted name, or as one of Twisted's plugins."""

from __future__ import annotations

import re
from typing import Any, cast

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.strcred import StrcredException, makeChecker
from twisted.python.reflect import namedAny

from mtlsd.users.login import takes_passwords

_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")


def named_checker(name: str) -> ICredentialsChecker:
    """Find and make a checker.

    :param name: `your_package.module.checker`, a checker or what makes one when it is called without
        arguments; or `plugin` or `plugin:argument`, as twistd's `--auth` takes it.
    :raises ValueError: there is none, or it takes no passwords.
    """
    try:
        checker: Any = _imported(name) if _DOTTED.fullmatch(name) else makeChecker(name)
    except StrcredException:
        raise ValueError("no plugin of twisted.cred has this name") from None
    except Exception as error:  # code of others runs here
        raise ValueError(f"cannot be made: {type(error).__name__}: {error}") from error
    if not takes_passwords(checker):
        raise ValueError("is no checker of twisted.cred that takes user names with passwords")
    return cast(ICredentialsChecker, checker)


def _imported(name: str) -> object:
    found: Any = namedAny(name)
    # an instance may be callable too; a class provides nothing by itself
    return found if ICredentialsChecker.providedBy(found) else found()
