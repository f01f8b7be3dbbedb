"""Users through any checker of twisted.cred: one answer for every wrong guess, and bounds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.cred.checkers import AllowAnonymousAccess, ICredentialsChecker
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse as InMemory
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from twisted.internet.defer import Deferred, execute
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from zope.interface import implementer

from mtlsd import reasons
from mtlsd.errors import Reason, Refusal
from mtlsd.users.file import UsersFile
from mtlsd.users.guesses import Guesses
from mtlsd.users.login import Login, takes_passwords
from mtlsd.users.named import named_checker
from mtlsd.users.names import LONGEST_PASSWORD
from mtlsd.users.table import UserTable, changing
from tests.unit.oauth.grants_world import now_of
from tests.unit.users.hashes import cheap

HOME = "192.0.2.1"
MEMORY = InMemory(alice=b"right")


@implementer(ICredentialsChecker)
@attrs.define(eq=False)
class Checker:
    """Answers as it is told to."""

    credentialInterfaces = (IUsernamePassword,)

    answer: Callable[[Any], Any]

    def requestAvatarId(self, credentials: Any) -> Any:
        return self.answer(credentials)


def login(checker: Any = MEMORY, **how: Any) -> Login:
    return Login(checker, Guesses(), lambda: 0.0, **how)


def tried(way: Login, name: str = "alice", password: str = "wrong") -> Reason | str:
    """The user, or why it is refused."""
    try:
        return now_of(way.authenticate(name, password, HOME))
    except Refusal as refusal:
        return refusal.reason


def file_of(tmp_path: Path) -> UsersFile:
    path = tmp_path / "users"
    with changing(path) as tables:
        tables.append(tables[-1].with_user("alice", cheap("right")))
    users = UsersFile.open(path, execute, lambda count: b"\1" * count)
    users.nobody = cheap("nobody")
    return users


def test_a_checker_of_twisted() -> None:
    assert tried(login(), password="right") == "alice"
    assert tried(login()) is reasons.USER_CREDENTIALS
    assert tried(login(), "nobody") is reasons.USER_CREDENTIALS


def test_the_users_file(tmp_path: Path) -> None:
    way = login(file_of(tmp_path))
    assert tried(way, password="right") == "alice"
    assert tried(way) is reasons.USER_CREDENTIALS
    assert tried(way, "nobody", "nobody") is reasons.USER_CREDENTIALS


def test_nobody_takes_as_long_as_a_user(tmp_path: Path) -> None:
    """One hash is computed for every guess, whoever it names."""
    users, computed = file_of(tmp_path), list[str]()

    def counting(work: Callable[[], bool]) -> Deferred[bool]:
        computed.append("hash")
        return execute(work)

    users.in_thread = counting
    for name in ("alice", "nobody", "", "alice:x", "\udcff"):
        tried(login(users), name)
    assert len(computed) == 5


def test_a_change_of_the_file_is_seen(tmp_path: Path) -> None:
    users = file_of(tmp_path)
    way, standing = login(users), users.standing_of("alice")
    with changing(users.path) as tables:
        tables.append(tables[-1].with_user("alice", cheap("newer", b"another salt 16b")))
    assert tried(way, password="right") is reasons.USER_CREDENTIALS
    assert tried(way, password="newer") == "alice"
    assert users.standing_of("alice") not in (standing, None)
    users.path.unlink()
    assert tried(way, password="newer") is reasons.USER_CREDENTIALS


def test_a_broken_file_leaves_the_old_users(tmp_path: Path) -> None:
    users = file_of(tmp_path)
    users.path.write_text("alice\n")
    with capturedLogs() as logs:
        assert tried(login(users), password="right") == "alice"
    assert [entry["log_format"] for entry in logs] == ["users.unreadable {error}"]


def test_a_checker_that_fails_is_no_wrong_password() -> None:
    def fail(credentials: Any) -> Any:
        raise OSError("the directory does not answer")

    with capturedLogs() as logs:
        assert tried(login(Checker(fail)), password="very-wrong") is reasons.USER_UNAVAILABLE
    assert len(logs) == 1
    assert "very-wrong" not in str(logs)


@pytest.mark.parametrize("avatar_id", [(), b"", "", None, "a\nb", "x" * 256, 7])
def test_avatar_ids_that_are_nobody(avatar_id: Any) -> None:
    """The empty tuple is twisted.cred's anonymous user."""
    assert tried(login(Checker(lambda credentials: avatar_id))) is reasons.USER_CREDENTIALS


def test_who_the_user_is_says_the_checker() -> None:
    assert tried(login(Checker(lambda credentials: b"uid-7"))) == "uid-7"


@pytest.mark.parametrize(
    ("name", "password"),
    [("alice", "x" * (LONGEST_PASSWORD + 1)), ("x" * 10_000, "right"), ("a\x00", "right"), ("a", "\x00")],
)
def test_giant_and_odd_guesses_reach_no_checker(name: str, password: str) -> None:
    def asked(credentials: Any) -> Any:
        raise AssertionError("asked")

    assert tried(login(Checker(asked)), name, password) is reasons.USER_CREDENTIALS


def test_guesses_in_parallel() -> None:
    """Fifty at once: the eleventh is refused, and nobody computes anything for it."""
    waiting: list[Deferred[bytes]] = []

    def later(credentials: Any) -> Deferred[bytes]:
        waiting.append(Deferred())
        return waiting[-1]

    way, refused = login(Checker(later)), list[Reason]()

    def refuse(failure: Failure) -> str:
        assert isinstance(failure.value, Refusal)
        refused.append(failure.value.reason)
        return ""

    for _ in range(50):
        Deferred.fromCoroutine(way.authenticate("alice", "wrong", HOME)).addErrback(refuse)
    assert (len(waiting), set(refused)) == (10, {reasons.USER_THROTTLED})
    for one in waiting:
        one.errback(UnauthorizedLogin())
    assert refused.count(reasons.USER_CREDENTIALS) == 10


def test_what_waits_is_bounded() -> None:
    way = login(Checker(lambda credentials: Deferred()), most_at_once=3)
    pending = [Deferred.fromCoroutine(way.authenticate(f"user{n}", "x", f"192.0.2.{n}")) for n in range(3)]
    assert tried(way, "another") is reasons.USER_UNAVAILABLE
    for one in pending:
        one.addErrback(str)
        one.cancel()
    assert way._under_way == 0


def test_being_throttled_says_nothing_of_the_user() -> None:
    answers = []
    for name in ("alice", "nobody"):
        way = login()
        answers.append([tried(way, name) for _ in range(12)])
    assert answers[0] == answers[1]
    assert answers[0][-1] is reasons.USER_THROTTLED


def test_sessions_of_other_checkers_stand() -> None:
    assert login().standing_of("alice") == ""


def test_who_takes_passwords() -> None:
    assert takes_passwords(MEMORY)
    assert not takes_passwords(AllowAnonymousAccess())
    assert not takes_passwords(object())


def test_checkers_by_name(tmp_path: Path) -> None:
    assert named_checker("tests.unit.users.test_login.MEMORY") is MEMORY
    path = tmp_path / "passwords"
    path.write_text("alice:right\n")
    assert tried(login(named_checker(f"file:{path}")), password="right") == "alice"


@pytest.mark.parametrize(
    "name",
    ["", "nothing", "no.such.module", "tests.unit.users.test_login.HOME", "anonymous", "os.getcwd", "a b.c"],
)
def test_names_of_no_checker(name: str) -> None:
    with pytest.raises(ValueError, match=r"plugin|cannot be made|no checker"):
        named_checker(name)


def test_reading_users_is_quick() -> None:
    """The file is read in the reactor's thread."""
    text = "".join(f"user{number}:{cheap('x').text}\n" for number in range(50))
    assert len(UserTable.from_text(text, "users").users) == 50
