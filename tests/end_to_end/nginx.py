"""An nginx that serves files, with ETags."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.end_to_end.setup import free_port

_CONFIG = """
daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
{user}
events {{}}
http {{
  access_log access.log combined;
  client_body_temp_path temp;
  proxy_temp_path temp;
  fastcgi_temp_path temp;
  uwsgi_temp_path temp;
  scgi_temp_path temp;
  types {{ application/pkix-crl crl; }}
  server {{ listen 127.0.0.1:{port}; root www; }}
}}
"""


class Nginx:
    """Serves a directory on loopback."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.www = directory / "www"
        self.www.mkdir()
        self.port = free_port()
        user = "user root;" if os.geteuid() == 0 else ""
        (directory / "nginx.conf").write_text(_CONFIG.format(user=user, port=self.port))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = ["nginx", "-p", str(self.directory), "-c", "nginx.conf", "-e", "error.log"]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                assert time.monotonic() < until, (self.directory / "error.log").read_text()
                time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(20)
            self._process = None

    def answers(self) -> list[str]:
        """The status of each answer so far."""
        return [line.split('" ')[1].split()[0] for line in (self.directory / "access.log").open()]
