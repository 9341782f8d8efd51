#!/usr/bin/env python3
"""Two builds of plume on one data directory.

  .ci/upgrade_smoke.py data OLD DIRECTORY    the old one works for a moment, and its backup is put into DIRECTORY
  .ci/upgrade_smoke.py back OLD NEW          the old one works, the new one takes over, the old one comes back

Whatever changes hands, every packet that was answered is archived once, and cases keep their ids.
"""

import atexit
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

BEIJING = timezone(timedelta(hours=8))
MN = "010000A8900016F0000UP001"
LIMIT_S = 120
STATES = "open,resolved,retracting,retracted,closed"
CONFIG = """[plume]
data_dir = "data"
checkpoint_interval_s = 1
[archive]
batch_records = 50
batch_every_s = 1
publish_every_s = 1
[ingest]
listen = "127.0.0.1:0"
[desk]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
"""
REGISTRY = f"""[[enterprise]]
id = "UPGRADE01"
name = "升级试验热电有限公司"
[[outlet]]
id = "UPGRADE01:DA001"
enterprise = "UPGRADE01"
number = "DA001"
[[outlet.factor]]
code = "a21026"
range_high = "200"
[[outlet.factor.limit]]
window = "hour"
value = "35"
source = "permit"
[[source]]
mn = "{MN}"
outlet = "UPGRADE01:DA001"
minute_interval_min = 1
"""


def crc(data: bytes) -> int:
    """HJ 212 annex A."""
    register = 0xFFFF
    for byte in data:
        register = (register >> 8) ^ byte
        for _ in range(8):
            low = register & 1
            register >>= 1
            if low:
                register ^= 0xA001
    return register


class Device:
    """Sends minutes from five hours ago on, the second hour over the limit; knows how many were answered."""

    def __init__(self) -> None:
        now = datetime.now(BEIJING)
        self.first = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=5)
        self.minute = 0

    def send(self, home: Path, count: int) -> None:
        host, port = json.loads((home / "data/state/run.json").read_text())["ingest"].rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=30) as link:
            heard = link.makefile("rb")
            for _ in range(count):
                at = self.first + timedelta(minutes=self.minute)
                value = (42 if 60 <= self.minute < 120 else 12) + self.minute % 7 / 10
                body = (
                    f"QN={at:%Y%m%d%H%M}59000;ST=31;CN=2051;PW=123456;MN={MN};Flag=5;"
                    f"CP=&&DataTime={at:%Y%m%d%H%M}00;a21026-Avg={value:.1f},a21026-Flag=N&&"
                ).encode()
                link.sendall(b"##%04d%s%04X\r\n" % (len(body), body, crc(body)))
                answer = heard.readline()
                assert b"CN=9014" in answer, answer
                self.minute += 1


def run(plume: str, home: Path, *args: str, fails: bool | None = False) -> str:
    done = subprocess.run([plume, *args], cwd=home, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    said = done.stdout + done.stderr
    assert fails is None or (done.returncode != 0) == fails, f"{plume} {' '.join(args)} ended with {done.returncode}:\n{said}"
    return said if fails else done.stdout


class Running:
    """A plume at work in a directory."""

    def __init__(self, plume: str, home: Path) -> None:
        self.plume, self.home = plume, home
        command = [plume, "run", "--config", "plume.toml"]
        self.log = (home / "log").open("w+")
        self.process = subprocess.Popen(command, cwd=home, stdout=subprocess.DEVNULL, stderr=self.log)
        # Whatever fails, nothing is left running.
        atexit.register(self.process.kill)
        self.until("it runs", lambda: "plume is running" in (home / "log").read_text())

    def until(self, what: str, true) -> None:
        end = time.monotonic() + LIMIT_S
        while not true():
            assert self.process.poll() is None, f"{self.plume} ended:\n{(self.home / 'log').read_text()[-4000:]}"
            assert time.monotonic() < end, f"{what}: not within {LIMIT_S} s"
            time.sleep(0.1)

    def cases(self) -> set[str]:
        said = run(self.plume, self.home, "cases", "--json", "--state", STATES, "--data", "data")
        ids = [case["id"] for case in json.loads(said)["cases"] if case["rule"] == "EXCEED_HOUR"]
        assert len(ids) == len(set(ids)), ids
        return set(ids)

    def stats(self, balanced: bool = True) -> dict:
        return stats(self.plume, self.home, balanced)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        code = self.process.wait(timeout=LIMIT_S)
        assert code == 0, (self.home / "log").read_text()[-4000:]
        print(f"  stopped in {time.monotonic() - began:.2f} s")


def stats(plume: str, home: Path, balanced: bool = True) -> dict:
    said = json.loads(run(plume, home, "stats", "--json", "--data", "data", fails=None))
    assert said["balanced"] or not balanced, said
    shown = ("packets_in", "archived", "repeats", "quarantined", "balanced")
    return {key: said[key] for key in shown}


def first_life(old: str, home: Path) -> tuple[Device, set[str]]:
    """The old plume takes three hours of minutes and says that the second was over the limit."""
    (home / "plume.toml").write_text(CONFIG)
    (home / "registry.toml").write_text(REGISTRY)
    device, running = Device(), Running(old, home)
    device.send(home, 200)
    running.until("a case", running.cases)
    running.until("all archived", lambda: running.stats()["archived"] == 200)
    cases = running.cases()
    print(f"old: {running.stats()}, cases {sorted(cases)}")
    run(old, home, "backup", "--config", "plume.toml", "--to", "backups")
    running.stop()
    return device, cases


def backup_of(home: Path) -> Path:
    (only,) = (home / "backups").glob("plume-backup-*")
    return only


def data(old: str, out: str) -> None:
    with tempfile.TemporaryDirectory(prefix="plume-data-") as name:
        home = Path(name)
        first_life(old, home)
        shutil.rmtree(out, ignore_errors=True)
        # The lock is what looking at the copy left: no part of the backup.
        shutil.copytree(backup_of(home), out, ignore=shutil.ignore_patterns("LOCK"))
        print(f"{out}: {sum(file.stat().st_size for file in Path(out).rglob('*') if file.is_file())} bytes")


def back(old: str, new: str) -> None:
    with tempfile.TemporaryDirectory(prefix="plume-back-") as name:
        home = Path(name)
        device, cases = first_life(old, home)
        check = ("upgrade", "--check", "--config", "plume.toml")
        print("new plume, upgrade --check:\n" + run(new, home, *check))

        running = Running(new, home)
        device.send(home, 50)
        running.until("the old cases", lambda: running.cases() >= cases)
        running.stop()
        print(f"new: {stats(new, home)}")
        print("new plume, upgrade --check:\n" + run(new, home, *check))

        refused = run(old, home, *check, fails=True)
        print("old plume on it, upgrade --check:\n" + refused)
        print("old plume on it, run:\n" + run(old, home, "run", "--config", "plume.toml", fails=True)[-800:])
        run(old, home, "restore", str(backup_of(home)), "--data", "data", "--only", "desk")
        running = Running(old, home)
        device.send(home, 50)
        # A plume from before a table was added does not count that table's rows: it goes on, but its own books do not
        # balance until the newer one is back.
        running.until("all archived", lambda: running.stats(balanced=False)["archived"] == 300)
        running.until("the cases", lambda: running.cases() >= cases)
        running.stop()
        print(f"old again: {stats(old, home, balanced=False)}")

        running = Running(new, home)
        running.until("the cases", lambda: running.cases() >= cases)
        running.stop()
        last = stats(new, home)
        assert (last["archived"], last["repeats"], last["quarantined"]) == (300, 0, 0), last
        print(f"new again: {last}\n" + run(new, home, "verify", "--config", "plume.toml"))


def main() -> None:
    kind, old, other = sys.argv[1:]
    paths = [str(Path(path).resolve()) for path in (old, other)]
    {"data": data, "back": back}[kind](*paths)


main()
