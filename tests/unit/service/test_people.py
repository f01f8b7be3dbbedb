"""Users from one configuration after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest import mock

import attrs
import pytest
from twisted.cred.checkers import AllowAnonymousAccess
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse as InMemory

from mtlsd.config.model import Config
from mtlsd.errors import ConfigError
from mtlsd.oauth.conversation import Users
from mtlsd.service.people import People, check_users
from tests.unit.config.example import Example
from tests.unit.oauth.grants_world import AuthorizationWorld, now_of, web_client
from tests.unit.users.test_login import MEMORY

ENDPOINT = AuthorizationWorld((web_client("web", client_name="Web"),)).endpoint


@pytest.fixture
def config(tmp_path: Path) -> Config:
    example = Example.make(tmp_path)
    example.public["serves"] = ["authorization", "metadata", "jwks"]
    return example.load().config


def people(checker: Any = None) -> People:
    reactor = mock.Mock()
    reactor.seconds.return_value = 0.0
    return People(reactor, checker)


def with_checker(config: Config, name: str) -> Config:
    return attrs.evolve(config, users=attrs.evolve(config.users, checker=name))


def users_of(own: People, config: Config) -> Users:
    talking = own.talking(config, ENDPOINT)
    assert talking is not None
    assert talking.names == {"web": "Web"}
    return talking.conversation.users


def test_without_an_authorization_endpoint_there_is_nothing(tmp_path: Path) -> None:
    own = people(object())  # and nobody looks at the checker
    assert own.talking(Example.make(tmp_path).load().config, ENDPOINT) is None


def test_an_embedders_checker(config: Config) -> None:
    users = users_of(people(InMemory(alice=b"right")), config)
    assert now_of(users.authenticate("alice", "right", "192.0.2.1")) == "alice"
    with pytest.raises(TypeError, match="no checker"):
        people(AllowAnonymousAccess()).talking(config, ENDPOINT)


def test_a_named_checker(config: Config) -> None:
    users = users_of(people(), with_checker(config, "tests.unit.users.test_login.MEMORY"))
    assert getattr(users, "checker") is MEMORY  # noqa: B009  # the protocol does not tell
    with pytest.raises(ConfigError, match=r"users\.checker: 'nothing'"):
        people().talking(with_checker(config, "nothing"), ENDPOINT)
    with pytest.raises(ConfigError, match=r"users\.checker: 'nothing'"):
        check_users(with_checker(config, "nothing"))


def test_the_users_file(config: Config) -> None:
    own = people()
    try:
        assert users_of(own, config).standing_of("alice") is None
        config.users.file.write_text("no user\n")
        config.users.file.chmod(0o600)
        with pytest.raises(ConfigError, match="users: line 1"):
            people().talking(config, ENDPOINT)
        with pytest.raises(ConfigError, match="users: line 1"):
            check_users(config)
    finally:
        own.stop()


def test_a_reload_forgets_no_guesses(config: Config) -> None:
    """Or whoever makes one happen would have as many as he likes."""
    own = people()
    try:
        first = users_of(own, config)
        longer = attrs.evolve(config, users=attrs.evolve(config.users, session_minutes=1))
        assert users_of(own, longer) is first
        other = users_of(own, with_checker(config, "tests.unit.users.test_login.MEMORY"))
        assert other is not first
        assert vars_of(other)["guesses"] is vars_of(first)["guesses"]
    finally:
        own.stop()


def vars_of(users: Any) -> dict[str, Any]:
    return attrs.asdict(users, recurse=False)
