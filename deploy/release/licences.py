#!/usr/bin/env python3
"""Writes what a release is made of: an SBOM (CycloneDX 1.5 JSON) of every crate in the binary, and the licence texts that
come with them. From `cargo metadata` alone; the same Cargo.lock gives the same bytes.

Usage: deploy/release/licences.py DIRECTORY
"""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

TARGET = "x86_64-unknown-linux-gnu"
TEXTS = ("licen", "copying", "notice", "unlicense")
ROOT = Path(__file__).resolve().parents[2]


def metadata() -> dict:
    command = ["cargo", "metadata", "--format-version=1", "--locked", f"--filter-platform={TARGET}"]
    return json.loads(subprocess.check_output(command, cwd=ROOT))


def shipped(graph: dict) -> list[dict]:
    """The packages that are linked into the binary: what it needs without build scripts' and tests' own needs."""
    packages = {package["id"]: package for package in graph["packages"]}
    nodes = {node["id"]: node for node in graph["resolve"]["nodes"]}
    first = next(id for id, package in packages.items() if package["name"] == "plume")
    seen, waiting = set(), [first]
    while waiting:
        id = waiting.pop()
        if id in seen:
            continue
        seen.add(id)
        for dependency in nodes[id]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                waiting.append(dependency["pkg"])
    return sorted((packages[id] for id in seen), key=lambda package: (package["name"], package["version"]))


def texts(package: dict) -> list[Path]:
    """Its licence texts; a crate that brings C sources has theirs deeper inside."""
    folder = Path(package["manifest_path"]).parent
    files = folder.rglob("*") if package["name"].endswith("-sys") else folder.iterdir()
    return sorted(path for path in files if path.is_file() and path.name.lower().startswith(TEXTS))


def main() -> None:
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    packages = shipped(metadata())
    own = [package for package in packages if package["source"] is None]
    foreign = [package for package in packages if package["source"] is not None]

    components = [
        {
            "type": "library",
            "bom-ref": f"pkg:cargo/{package['name']}@{package['version']}",
            "name": package["name"],
            "version": package["version"],
            "purl": f"pkg:cargo/{package['name']}@{package['version']}",
            "licenses": [{"expression": (package["license"] or "NOASSERTION").replace("/", " OR ")}],
        }
        for package in foreign
    ]
    version = next(package["version"] for package in own if package["name"] == "plume")
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": "plume", "version": version}},
        "components": components,
    }
    (out / "sbom.cdx.json").write_text(json.dumps(bom, indent=1, sort_keys=True) + "\n")

    kept: dict[str, str] = {}
    lines, missing = [], []
    for package in foreign:
        names = []
        for path in texts(package):
            content = path.read_bytes()
            digest = hashlib.sha256(content).hexdigest()[:16]
            if digest not in kept:
                kept[digest] = f"{digest}.txt"
                (out / kept[digest]).write_bytes(content)
            names.append(kept[digest])
        if not names:
            missing.append(package["name"])
        license = package["license"] or "see the text"
        lines.append(f"{package['name']} {package['version']}  {license}  {' '.join(names) or '(no text in the crate)'}")
    (out / "crates.txt").write_text("\n".join(lines) + "\n")
    print(f"{len(foreign)} crates, {len(kept)} licence texts; without a text of their own: {len(missing)}", file=sys.stderr)


main()
