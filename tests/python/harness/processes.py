"""Real `downbeat serve` nodes and a real redis-server, in folders of their own."""

import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from .tokens import SECRETS

START_S = 20

LIMITS = {
    "tiny": "max_concurrent_users = 2\nmax_channels_per_client = 2",
    "hasty": "max_joins_per_second = 4",
    "quiet": "max_events_per_second = 20",
}


def _configuration() -> str:
    tenants = [f'[[tenants]]\nid = "{tenant}"\njwt_secret = "{secret}"\n' for tenant, secret in SECRETS.items()]
    limited = [
        tenant + (f"[tenants.limits]\n{LIMITS[name]}\n" if name in LIMITS else "")
        for name, tenant in zip(SECRETS, tenants)
    ]
    return 'default_tenant = "acme"\n\n' + "\n".join(limited)


def _program() -> str:
    root = Path(__file__).resolve().parents[3]
    built = [root / "target" / profile / "downbeat" for profile in ("release", "debug")]
    for path in [os.environ.get("DOWNBEAT_BIN"), *built]:
        if path and Path(path).exists():
            return str(path)
    raise AssertionError("no downbeat to test: build it with `cargo build`, or set DOWNBEAT_BIN")


def _free_port() -> int:
    """Below the range from which the kernel takes outgoing ports: a dead server's port must stay its own."""
    for _ in range(200):
        port = random.randrange(18_000, 31_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port on 127.0.0.1")


class Process:
    """A program whose output is read for the line that says it is ready."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="downbeat-py-")
        self.lines: list[str] = []

    def launch(self, command: list[str], ready: str, **streams) -> None:
        self.child = subprocess.Popen(command, cwd=self.folder, text=True, **streams)
        found = threading.Event()
        output = self.child.stderr or self.child.stdout

        def read() -> None:
            for line in output:
                self.lines.append(line)
                if re.search(ready, line):
                    found.set()
            found.set()

        self._reader = threading.Thread(target=read, daemon=True)
        self._reader.start()
        in_time = found.wait(START_S)
        if not in_time or self.child.poll() is not None:
            raise AssertionError(f"{command[0]} did not start:\n{''.join(self.lines[-20:])}")

    def end(self, how: signal.Signals) -> None:
        self.child.send_signal(how)
        self.child.wait(30)
        self._reader.join(5)
        for stream in (self.child.stdout, self.child.stderr):
            if stream:
                stream.close()


class Redis(Process):
    def __init__(self) -> None:
        super().__init__()
        self.port = _free_port()
        options = {"port": self.port, "bind": "127.0.0.1", "save": "", "appendonly": "yes", "appendfsync": "no"}
        command = ["redis-server", *(word for key, value in options.items() for word in (f"--{key}", str(value)))]
        self.launch(command, "Ready to accept connections", stdout=subprocess.PIPE)

    def stop(self) -> None:
        self.end(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


class Node(Process):
    """A node; it keeps its port when it is started again."""

    def __init__(self, name: str, redis: Redis | None = None) -> None:
        super().__init__()
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        file = Path(self.folder) / "downbeat.toml"
        file.write_text(_configuration())
        self.command = [_program(), "serve", "--config", str(file), "--node-id", name, "--log-format", "json"]
        self.command += ["--listen", f"127.0.0.1:{self.port}", "--metrics-listen", "127.0.0.1:0", "--drain-s", "2"]
        self.command += ["--redis-url", f"redis://127.0.0.1:{redis.port}/0"] if redis else []
        self.command += ["--data-dir", str(Path(self.folder) / "data")]
        self.start()

    def start(self) -> None:
        self.launch(self.command, '"message":"listening"', stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
        self._ready()

    def _ready(self) -> None:
        until = time.monotonic() + START_S
        while True:
            try:
                with urllib.request.urlopen(f"{self.url}/readyz", timeout=2):
                    return
            except OSError as error:
                if time.monotonic() > until:
                    raise AssertionError(f"not ready: {error}\n{''.join(self.lines[-20:])}") from None
                threading.Event().wait(0.05)

    def kill(self) -> None:
        """The power cut: no drain, no goodbye."""
        self.end(signal.SIGKILL)

    def stop(self) -> None:
        self.end(signal.SIGTERM)
        shutil.rmtree(self.folder, ignore_errors=True)
        panics = [line for line in self.lines if "panicked" in line]
        assert not panics, f"the server panicked: {panics}"

    def post(self, path: str, token: str, body: dict) -> tuple[int, dict]:
        """A script's call: the status, and the body if it is JSON."""
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        request = urllib.request.Request(f"{self.url}{path}", json.dumps(body).encode(), headers)
        try:
            answer = urllib.request.urlopen(request, timeout=START_S)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else {}
