"""Chromium over a pipe, by the DevTools protocol: tabs with cookies of their own, and what is looked at on a page."""

import base64
import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path

AXE = """axe.run(document, {resultTypes: ['violations']}).then((found) => found.violations
  .filter((rule) => ['serious', 'critical'].includes(rule.impact))
  .map((rule) => rule.id + ': ' + rule.nodes.slice(0, 3).map((node) => node.target.join(' ')).join(', ')))"""


def axe_source() -> str:
    """The engine, from a Python package that carries it; the package itself is not run."""
    found = importlib.util.find_spec("axe_playwright_python")
    assert found and found.submodule_search_locations, "no axe-core: pip install --no-deps -r .ci/axe.txt"
    return (Path(next(iter(found.submodule_search_locations))) / "axe.min.js").read_text(encoding="utf-8")


CONTRAST = """(() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => {
    const part = (c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const over = (top, below) => {
    const a = top.length > 3 ? top[3] : 1;
    return [0, 1, 2].map((i) => top[i] * a + below[i] * (1 - a));
  };
  const behind = (element) => {
    if (!element) return [255, 255, 255];
    const own = parse(getComputedStyle(element).backgroundColor);
    return own.length > 3 && own[3] === 0 ? behind(element.parentElement) : over(own, behind(element.parentElement));
  };
  const low = new Set();
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const element = words.currentNode.parentElement;
    const style = getComputedStyle(element);
    const box = element.getBoundingClientRect();
    const unseen = style.visibility === "hidden" || box.width < 2 || box.height < 2 || style.clipPath !== "none";
    if (!words.currentNode.data.trim() || unseen || element.closest("[disabled], svg, script, style, .gone")) continue;
    const [back, ink] = [behind(element), over(parse(style.color), behind(element))];
    const [a, b] = [light(back), light(ink)].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 600);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (large ? 3 : 4.5)) {
      const word = words.currentNode.data.trim().slice(0, 12);
      low.add(`${element.tagName}.${element.className} "${word}" ${ratio.toFixed(2)}`);
    }
  }
  return [...low];
})()"""
"""Text against what lies behind it, by the formula of WCAG 2.2 (1.4.3)."""


class Browser:
    """Chromium at the other end of a pipe."""

    def __init__(self) -> None:
        program = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
        assert program, "no Chromium: apt-get install chromium"
        self.home = tempfile.mkdtemp(prefix="plume-browser-")
        to_child, self.out = os.pipe()
        self.inp, from_child = os.pipe()

        def wire() -> None:
            # The ends may stand where they must go: both are moved out of the way first.
            read, write = os.dup(to_child), os.dup(from_child)
            os.dup2(read, 3)
            os.dup2(write, 4)

        self.process = subprocess.Popen(
            [program, "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--hide-scrollbars",
             "--disable-background-networking", "--no-first-run", f"--user-data-dir={self.home}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=wire, close_fds=False,
        )
        os.close(to_child)
        os.close(from_child)
        self.buffer = b""
        self.number = 0
        self.listeners = {}

    def read(self) -> dict:
        while b"\0" not in self.buffer:
            part = os.read(self.inp, 1 << 20)
            assert part, "Chromium has ended"
            self.buffer += part
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def ask(self, method: str, params: dict | None = None, session: str | None = None, patient: bool = False) -> dict:
        self.number += 1
        number = self.number
        message = {"id": number, "method": method, "params": params or {}}
        if session:
            message["sessionId"] = session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.read()
            if answer.get("id") == number:
                assert patient or "error" not in answer, f"{method}: {answer['error']}"
                return answer.get("result", {})
            listener = self.listeners.get(answer.get("sessionId"))
            if listener and "method" in answer:
                listener(answer["method"], answer["params"])

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=20)
        shutil.rmtree(self.home, ignore_errors=True)


class Page:
    """One tab with cookies of its own."""

    def __init__(self, browser: Browser, screen: dict) -> None:
        self.browser = browser
        context = browser.ask("Target.createBrowserContext")["browserContextId"]
        target = browser.ask("Target.createTarget", {"url": "about:blank", "browserContextId": context})["targetId"]
        self.session = browser.ask("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        self.errors: list[str] = []
        self.bytes = 0
        self.foreign: list[str] = []
        browser.listeners[self.session] = self.hear
        for domain in ["Page", "Runtime", "Log", "Network", "DOM"]:
            self.ask(f"{domain}.enable")
        self.screen(screen)

    def ask(self, method: str, params: dict | None = None) -> dict:
        return self.browser.ask(method, params, self.session)

    def hear(self, method: str, params: dict) -> None:
        if method == "Network.loadingFinished":
            self.bytes += params["encodedDataLength"]
        elif method == "Network.requestWillBeSent":
            url = params["request"]["url"]
            host = urllib.parse.urlparse(url).hostname
            if not url.startswith(("data:", "about:")) and host != "127.0.0.1":
                self.foreign.append(url)
        elif method == "Runtime.exceptionThrown":
            self.errors.append(params["exceptionDetails"]["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] == "error":
            self.errors.append(str([arg.get("value") for arg in params["args"]]))
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.errors.append(params["entry"]["text"] + " " + params["entry"].get("url", ""))

    def screen(self, screen: dict, scheme: str = "light") -> None:
        self.ask("Emulation.setDeviceMetricsOverride", screen)
        self.ask("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def open(self, url: str) -> None:
        self.bytes = 0
        before = self.loader()
        asked = self.ask("Page.navigate", {"url": url}).get("loaderId")

        def there() -> bool:
            nonlocal before, asked
            now = self.loader()
            if now not in (before, asked):
                # A page with a chart loads itself again where the colours change, and has crossed what was asked for.
                before = now
                asked = self.ask("Page.navigate", {"url": url}).get("loaderId")
            return now == asked and self.arrived()

        self.until("the page", there)

    def loader(self) -> str:
        """What the document on show was loaded by."""
        return self.ask("Page.getFrameTree")["frameTree"]["frame"]["loaderId"]

    def press(self, script: str) -> None:
        """Runs a script that leaves the page, and waits for the next one."""
        self.leave(lambda: self.run(script))

    def leave(self, go) -> None:
        self.run("window.before = true")
        go()
        self.until("the next page", self.arrived)

    def arrived(self) -> bool:
        # Between two pages there is nowhere to ask.
        script = "window.before === undefined && document.readyState === 'complete'"
        answer = self.browser.ask("Runtime.evaluate", {"expression": script}, self.session, patient=True)
        return answer.get("result", {}).get("value") is True

    def until(self, what: str, holds, limit_s: float = 30) -> None:
        end = time.monotonic() + limit_s
        while not holds():
            assert time.monotonic() < end, f"waited {limit_s} s for {what}"
            time.sleep(0.05)

    def run(self, script: str):
        params = {"expression": script, "returnByValue": True, "awaitPromise": True}
        answer = self.ask("Runtime.evaluate", params)
        assert "exceptionDetails" not in answer, f"{script}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def text(self) -> str:
        return self.run("document.body.innerText")

    def path(self) -> str:
        return self.run("location.pathname")

    def choose_file(self, selector: str, path: str) -> None:
        root = self.ask("DOM.getDocument")["root"]["nodeId"]
        node = self.ask("DOM.querySelector", {"nodeId": root, "selector": selector})["nodeId"]
        self.ask("DOM.setFileInputFiles", {"files": [path], "nodeId": node})

    def picture(self, path: str) -> None:
        data = self.ask("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": False})["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def axe(self, source: str, what: str) -> list[str]:
        """What axe-core finds serious or critical."""
        self.run(source + "; undefined")
        return [f"{what}: axe: {found}" for found in self.run(AXE)]

    def check(self, what: str) -> list[str]:
        """What is wrong with the page as it stands."""
        wrong = [f"{what}: console: {error}" for error in self.errors]
        wrong += [f"{what}: asks another host: {url}" for url in self.foreign]
        wide = self.run("document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth")
        if wide > 1:
            wrong.append(f"{what}: {wide} px wider than the screen")
        wrong += [f"{what}: low contrast: {low}" for low in self.run(CONTRAST)]
        controls = {"button", "link", "textbox", "radio", "combobox", "checkbox", "image", "searchbox"}
        for node in self.ask("Accessibility.getFullAXTree")["nodes"]:
            role = node.get("role", {}).get("value")
            if role in controls and not node.get("ignored") and not node.get("name", {}).get("value", "").strip():
                wrong.append(f"{what}: a {role} without a name")
        self.errors.clear()
        self.foreign.clear()
        return wrong
