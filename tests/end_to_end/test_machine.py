"""mtlsd as a service of a real systemd, installed as docs/install-systemd.md says.

The commands are those of that page, and the tests go along it: each begins where the one before it ended.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator

import pytest

from tests.end_to_end.machine import Machine, machine
from tests.end_to_end.tools import needs
from tests.end_to_end.tree import ROOT

pytestmark = needs("systemd-nspawn", "debootstrap", "git", root=True)

TOKEN = (
    "cd /root/dev && curl -sS --cacert ca.pem --cert billing.pem --key billing.key"
    " -d grant_type=client_credentials -d client_id=billing https://localhost:8443/token"
)
CONFIG = "/etc/mtlsd/mtlsd.toml"
MISTAKE = f"sed -i 's/^access_token_seconds/access_tokn_seconds/' {CONFIG}"
MAIN_PID = "systemctl show --property MainPID --value mtlsd"

# A request whose body ends only after the service was told to stop.
SLOW_REQUEST = """
import http.client, ssl, subprocess, time
context = ssl.create_default_context(cafile="/root/dev/ca.pem")
context.load_cert_chain("/root/dev/billing.pem", "/root/dev/billing.key")
connection = http.client.HTTPSConnection("localhost", 8443, context=context)
body = b"grant_type=client_credentials&client_id=billing"
connection.putrequest("POST", "/token")
connection.putheader("Content-Type", "application/x-www-form-urlencoded")
connection.putheader("Content-Length", str(len(body)))
connection.endheaders(body[:20])
stopping = subprocess.Popen(["systemctl", "stop", "mtlsd"])
time.sleep(1)
assert stopping.poll() is None, "it stopped with a request in flight"
connection.send(body[20:])
answer = connection.getresponse()
print(answer.status, answer.read().decode())
assert stopping.wait(30) == 0
"""


def blocks(heading: str, language: str) -> list[str]:
    """The code blocks of one section of the page."""
    page = (ROOT / "docs" / "install-systemd.md").read_text()
    section = page.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


def commands(heading: str) -> list[str]:
    return blocks(heading, "sh")


def drop_in(heading: str, unit: str) -> str:
    """A command that puts the section's settings into effect, as `systemctl edit` would."""
    place = f"/etc/systemd/system/{unit}.d"
    settings = blocks(heading, "ini")[0]
    return f"mkdir -p {place}; cat >{place}/own.conf <<'END'\n{settings}END\nsystemctl daemon-reload\n"


def claims(answer: str) -> dict[str, object]:
    payload = json.loads(answer)["access_token"].split(".")[1]
    decoded: dict[str, object] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return decoded


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine(tmp_path_factory.mktemp("machine")) as running:
        for heading in (
            "1. The program",
            "2. User, directories, units",
            "3. Certificates",
            "4. Configuration",
        ):
            for script in commands(heading):
                running.shell(script)
        yield running


def test_it_starts_and_gives_a_bound_token(host: Machine) -> None:
    start, register, token = commands("5. Start")
    assert "active (running)" in host.shell(start)
    host.shell(register + "sleep 2")
    thumbprint = host.shell(
        "openssl x509 -in /root/dev/billing.pem -outform DER | openssl dgst -sha256 -binary |"
        " basenc --base64url | tr -d =",
    )
    assert claims(host.shell(token).splitlines()[-1])["cnf"] == {"x5t#S256": thumbprint.strip()}


def test_only_the_service_sees_its_state(host: Machine) -> None:
    assert host.shell("stat -c %U:%a /var/lib/mtlsd").strip() == "mtlsd:700"
    assert host.shell("find /var/lib/mtlsd ! -user mtlsd").strip() == ""
    assert host.shell("find /var/lib/mtlsd /etc/mtlsd/tls/server.key -perm /007").strip() == ""


def test_systemd_finds_the_running_service_confined(host: Machine) -> None:
    exposure = re.search(r"Overall exposure level.*: ([0-9.]+)", host.shell("systemd-analyze security mtlsd"))
    assert exposure is not None
    assert float(exposure[1]) <= 1.6


def test_a_reload_takes_the_new_configuration(host: Machine) -> None:
    before = host.shell(MAIN_PID)
    host.shell(f"sed -i 's/^signing_keys/access_token_seconds = 77\\nsigning_keys/' {CONFIG}")
    for script in commands("Reload"):
        host.shell(script)
    host.shell("for _ in $(seq 50); do journalctl -u mtlsd | grep -q reload.done && break; sleep 0.1; done")
    assert json.loads(host.shell(TOKEN))["expires_in"] == 77
    assert host.shell(MAIN_PID) == before


def test_a_reload_of_a_mistake_fails_and_says_where(host: Machine) -> None:
    before = host.shell(MAIN_PID)
    host.shell(f"cp {CONFIG} /root/good.toml && {MISTAKE}")
    assert host.try_shell("systemctl reload mtlsd").returncode != 0
    assert "access_tokn_seconds" in host.journal()
    assert json.loads(host.shell(TOKEN))["expires_in"] == 77
    assert host.shell(MAIN_PID) == before
    host.shell(f"cp /root/good.toml {CONFIG}")


def test_an_update_restarts_it(host: Machine) -> None:
    before = host.shell(MAIN_PID)
    for script in commands("Stop, restart, update"):
        host.shell(script)
    assert "access_token" in host.shell(TOKEN)
    assert host.shell(MAIN_PID) != before


def test_a_start_with_a_mistake_is_not_tried_again(host: Machine) -> None:
    host.shell(MISTAKE)
    assert host.try_shell("systemctl restart mtlsd").returncode != 0
    status = host.shell("sleep 2; systemctl show --property ActiveState,ExecMainStatus,NRestarts mtlsd")
    assert set(status.split()) == {"ActiveState=failed", "ExecMainStatus=78", "NRestarts=0"}
    host.shell(f"cp /root/good.toml {CONFIG} && systemctl start mtlsd")


def test_a_crash_is_followed_by_a_new_start(host: Machine) -> None:
    before = host.shell(MAIN_PID).strip()
    host.shell(f"kill -KILL {before}; sleep 1; for _ in $(seq 100); do {TOKEN} && break; sleep 0.1; done")
    assert host.shell(MAIN_PID).strip() not in (before, "0")


def test_a_request_in_flight_is_answered_before_it_stops(host: Machine) -> None:
    answer = host.shell("/opt/mtlsd/bin/python -", stdin=SLOW_REQUEST)
    assert answer.startswith("200 "), answer
    assert "inactive" in host.try_shell("systemctl is-active mtlsd").stdout
    assert host.shell("systemctl show --property Result --value mtlsd").strip() == "success"


def test_systemd_may_hold_the_socket(host: Machine) -> None:
    for script in commands("Sockets from systemd"):
        host.shell(script)
    assert "access_token" in host.shell(TOKEN)
    host.shell("systemctl stop mtlsd.service")
    assert "access_token" in host.shell(TOKEN), "a connection starts the service"


def test_a_reload_keeps_the_socket(host: Machine) -> None:
    before = host.shell(MAIN_PID)
    host.shell("systemctl reload mtlsd")
    assert "access_token" in host.shell(TOKEN)
    assert host.shell(MAIN_PID) == before


def test_no_connection_is_refused_while_it_restarts(host: Machine) -> None:
    asking = f"for _ in $(seq 20); do ({TOKEN}) >>/root/answers; echo >>/root/answers; sleep 0.1; done"
    host.shell(f"({asking}) & asking=$!; sleep 0.3; systemctl restart mtlsd.service; wait $asking")
    assert host.shell("grep -c access_token /root/answers").strip() == "20"


def test_the_socket_may_be_a_privileged_one(host: Machine) -> None:
    host.shell(drop_in("Sockets from systemd", "mtlsd.socket"))
    host.shell("systemctl stop mtlsd.service mtlsd.socket; systemctl start mtlsd.socket")
    assert "access_token" in host.shell(TOKEN.replace(":8443", ":443"))


def test_so_may_a_port_of_its_own(host: Machine) -> None:
    host.shell("systemctl disable --now mtlsd.socket; systemctl stop mtlsd.service")
    host.shell(drop_in("A port below 1024 without a socket unit", "mtlsd.service"))
    host.shell(f"sed -i 's/^endpoint = .*/endpoint = \"tcp:443\"/' {CONFIG}; systemctl start mtlsd.service")
    assert "access_token" in host.shell(TOKEN.replace(":8443", ":443"))


FORWARDED = (
    "runuser -u {user} -- curl -sS --unix-socket /run/mtlsd/proxy.sock -H 'X-Forwarded-For: 192.0.2.1'"
    ' -H "X-SSL-Client-Cert: $(openssl x509 -in /root/dev/billing.pem -outform DER | base64 -w0)"'
    " -d grant_type=client_credentials -d client_id=billing http://as.example.com/token"
)


def test_a_proxy_is_known_by_its_user(host: Machine) -> None:
    """Where the service cannot see who is at the other end of a socket, it does not start (R77)."""
    heading = "A proxy on the same machine that is known by its user"
    host.shell(
        "systemctl stop mtlsd.service; rm -r /etc/systemd/system/mtlsd.service.d; systemctl daemon-reload"
    )
    host.shell(
        f"sed -i 's/^endpoint = .*/endpoint = \"tcp:8443\"/' {CONFIG}; cat >>{CONFIG}",
        stdin=blocks(heading, "toml")[0],
    )
    assert host.try_shell("systemctl start mtlsd").returncode != 0
    assert "is nobody in the user namespace that mtlsd runs in" in host.journal()
    host.shell(drop_in(heading, "mtlsd.service") + "systemctl start mtlsd")
    assert "access_token" in host.shell(FORWARDED.format(user="www-data"))
    assert "access_token" not in host.shell(FORWARDED.format(user="nobody"))
    assert "access_token" not in host.shell(FORWARDED.format(user="root"))
    assert '"forwarded.proxy"' in host.journal()
