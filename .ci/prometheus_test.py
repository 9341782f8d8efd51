"""Starts Prometheus on the plume that runs in the given directory, and asks it what it sees. Part of prometheus-test."""

import json
import pathlib
import re
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

LIMIT_S = 60


def until(what, ask):
    """Asks until there is an answer."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end:
        try:
            if found := ask():
                return found
        except (OSError, ValueError, KeyError):
            pass
        time.sleep(0.2)
    sys.exit(f"{what}: not within {LIMIT_S} s")


def main():
    home = pathlib.Path(sys.argv[1])
    run = home / "data/state/run.json"
    admin = until("plume", lambda: json.loads(run.read_text())["admin"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    rules = pathlib.Path("deploy/prometheus/plume.rules.yml")
    config = pathlib.Path("deploy/prometheus/prometheus.yml").read_text()
    config = config.replace("127.0.0.1:9213", admin).replace("15s", "1s").replace("plume.rules.yml", str(rules.resolve()))
    (home / "prometheus.yml").write_text(config)
    server = subprocess.Popen(
        ["prometheus", f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/tsdb",
         f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"],
    )
    try:
        def query(expr):
            url = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": expr})
            return json.load(urllib.request.urlopen(url))["data"]["result"]

        until("the target", lambda: any(row["value"][1] == "1" for row in query('up{job="plume"}')))
        dashboard = json.loads(pathlib.Path("deploy/grafana/plume.json").read_text())
        exprs = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
        names = {name for text in [rules.read_text(), *exprs] for name in re.findall(r"\bplume_[a-z_]+\b", text)}
        for expr in exprs:
            query(expr)
        for name in sorted(names):
            found = query(f"count({name})")
            assert found, f"{name} is named by a rule or the dashboard, and plume does not have it"
            print(f"  {name}: {found[0]['value'][1]} series")
        print(f"prometheus: the target is up, {len(names)} metrics found, {len(exprs)} queries of the dashboard answered")
    finally:
        server.terminate()
        server.wait()


main()
