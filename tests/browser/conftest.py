# Copyright 2026 The promvil_hf authors. Licensed under Apache-2.0.
"""A headless Chromium driven through its DevTools pipe, and a dead-end proxy that sees whatever tries to leave.

No driver package is needed: commands and events are JSON on two pipes, closed by a NUL byte.
"""

import base64
import json
import os
import select
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest


def _chromium() -> str | None:
    named = os.environ.get("CHROMIUM")
    candidates = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    return named or next((found for name in candidates if (found := shutil.which(name))), None)


class DeadEnd:
    """A proxy that answers nothing and remembers what it was asked for."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.asked: list[str] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(2)
                try:
                    self.asked.append(connection.recv(4096).split(b"\r\n")[0].decode("latin-1"))
                except OSError:
                    pass

    def close(self):
        self._listener.close()


class Tab:
    """One page in the browser: what it asked for, what it logged, and what its scripts answer."""

    def __init__(self, browser: "Browser", session: str, target: str):
        self._browser, self._session, self._target = browser, session, target
        self.requests: list[str] = []
        self.problems: list[str] = []  # uncaught errors and console errors
        self.loaded = False
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters) -> dict:
        return self._browser.send(method, parameters, self._session)

    def show(self, path: Path, width: int = 1280, height: int = 800, scheme: str = "light", phone: bool = False):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        self.send("Emulation.setDeviceMetricsOverride", **metrics)
        self.theme(scheme)
        self.loaded = False
        self.send("Page.navigate", url=path.as_uri())
        self._browser.wait(lambda: self.loaded, f"{path.name} did not load")
        self.run("new Promise(done => requestAnimationFrame(() => setTimeout(done, 30)))")

    def theme(self, scheme: str):
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def run(self, script: str):
        """The value of an expression in the page. DevTools may run it whatever the page's policy says."""
        answer = self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            raise AssertionError(f"{script[:200]}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def picture(self, path: Path, whole: bool = True):
        """A screenshot, for eyes."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        options = {"clip": clip, "captureBeyondViewport": True} if whole else {}
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", **options)["data"]))

    def event(self, method: str, parameters: dict):
        if method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        elif method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.problems.append(parameters["entry"]["text"])

    def close(self):
        self._browser.send("Target.closeTarget", {"targetId": self._target})


class Browser:
    def __init__(self, program: str, folder: Path):
        self.dead_end = DeadEnd()
        self.downloads = folder / "downloads"
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()

        def place_pipes():  # Chromium reads commands from 3 and writes to 4
            ends = os.dup(to_browser), os.dup(from_browser)
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        options = (
            "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
            "--disable-component-update --disable-sync --disable-extensions --disable-dev-shm-usage --mute-audio "
            "--hide-scrollbars --remote-debugging-pipe --proxy-bypass-list=<-loopback>"
        ).split()
        options += [f"--proxy-server=127.0.0.1:{self.dead_end.port}", f"--user-data-dir={folder / 'profile'}"]
        self._log = open(folder / "chromium.log", "wb")
        self._process = subprocess.Popen(
            [program, *options, "about:blank"],
            preexec_fn=place_pipes,
            close_fds=False,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._buffer = b""
        self._number = 0
        self._answers: dict[int, dict] = {}
        self._tabs: dict[str, Tab] = {}
        self.finished_downloads = 0
        self.send(
            "Browser.setDownloadBehavior",
            {"behavior": "allow", "downloadPath": str(self.downloads), "eventsEnabled": True},
        )

    def tab(self) -> Tab:
        target = self.send("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.send("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        tab = Tab.__new__(Tab)
        self._tabs[session] = tab
        tab.__init__(self, session, target)
        return tab

    def send(self, method: str, parameters: dict, session: str | None = None) -> dict:
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        self.wait(lambda: number in self._answers, f"no answer to {method}")
        answer = self._answers.pop(number)
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]

    def wait(self, condition, complaint: str, seconds: float = 20):
        deadline = time.monotonic() + seconds
        while not condition():
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._read], [], [], left)[0]:
                raise AssertionError(f"{complaint} within {seconds} s")
            received = os.read(self._read, 1 << 20)
            if not received:
                raise AssertionError("Chromium has gone away")
            *messages, self._buffer = (self._buffer + received).split(b"\0")
            for message in map(json.loads, messages):
                if "id" in message:
                    self._answers[message["id"]] = message
                elif message["method"] == "Browser.downloadProgress":
                    self.finished_downloads += message["params"]["state"] == "completed"
                elif message.get("sessionId") in self._tabs:
                    self._tabs[message["sessionId"]].event(message["method"], message["params"])

    def close(self):
        try:
            self.send("Browser.close", {})
            self._process.wait(timeout=10)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._write)
        os.close(self._read)
        self._log.close()
        self.dead_end.close()


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    program = _chromium()
    if program is None:
        pytest.skip("Chromium is not installed")
    started = Browser(program, tmp_path_factory.mktemp("chromium"))
    yield started
    started.close()


@pytest.fixture
def tab(browser):
    opened = browser.tab()
    opened.send("Storage.clearDataForOrigin", origin="file://", storageTypes="local_storage")
    yield opened
    opened.close()
