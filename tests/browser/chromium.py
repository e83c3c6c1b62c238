"""Debian's headless Chromium, driven by Selenium with Debian's own driver. Selenium downloads nothing."""

from __future__ import annotations

import json
import shutil
import time
from contextlib import contextmanager, suppress

import pytest
from axe_core_python.base import AXE_FILE_PATH
from selenium import webdriver
from selenium.common.exceptions import (
    ElementNotInteractableException,
    NoSuchElementException,
    StaleElementReferenceException,
)
from selenium.webdriver.chrome.service import Service

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="needs chromium and chromedriver (Debian: chromium, chromium-driver)"
)


class Chromium(webdriver.Chrome):
    """A browser session that reads its own console and requests."""

    def open(self, path) -> None:
        """Open a file or an address, and forget what was logged before."""
        self.get("about:blank")  # the page before may still log that its run is gone
        self.console(), self.requests()
        self.get(path if isinstance(path, str) else path.as_uri())

    def console(self) -> list[str]:
        """Return the console's messages since the last call."""
        return [entry["message"] for entry in self.get_log("browser")]

    def requests(self) -> list[str]:
        """Return the addresses that the page requested since the last call."""
        entries = (json.loads(entry["message"])["message"] for entry in self.get_log("performance"))
        return [e["params"]["request"]["url"] for e in entries if e["method"] == "Network.requestWillBeSent"]

    def faults(self, part="document") -> list[str]:
        """Return what axe-core finds on a part of the page, of every severity, with its best practices."""
        self.execute_script(AXE_FILE_PATH.read_text(encoding="utf-8"))
        found = self.execute_async_script(f"axe.run({part}, {{resultTypes: ['violations']}}).then(arguments[0])")
        return [f"{each['id']}: {node['html'][:200]}" for each in found["violations"] for node in each["nodes"]]

    def moved(self) -> float:
        """Return by how much the page's content moved since it was opened: the cumulative layout shift, at best 0."""
        script = (
            "const done = arguments[0]; new PerformanceObserver((list) => "
            "done(list.getEntries().reduce((sum, entry) => sum + entry.value, 0)))"
            ".observe({type: 'layout-shift', buffered: true}); setTimeout(() => done(0), 300)"
        )
        return self.execute_async_script(script)

    def until(self, script, seconds=200):
        """Wait until a script returns something."""
        deadline = time.monotonic() + seconds
        while not (found := self.execute_script(script)) and time.monotonic() < deadline:
            time.sleep(0.1)  # each look takes some milliseconds of three processes
        assert found, script
        return found

    def on(self, what: str, act):
        """Do something with what a selector finds, once it is shown; again if the page was redrawn meanwhile."""
        while True:
            self.until(f"return !!document.querySelector({what!r})?.offsetParent")
            with suppress(ElementNotInteractableException, NoSuchElementException, StaleElementReferenceException):
                return act(self.find_element("css selector", what))

    def emulate(self, media: str = "", scheme: str = "light", forced: str = "none") -> None:
        """Show the page on a screen, or as printed, in light or dark, in forced colours ("active") or its own.

        There is no motion: a click could miss what scrolls.
        """
        asked = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce", "forced-colors": forced}
        features = [{"name": name, "value": value} for name, value in asked.items()]
        self.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})

    def resize(self, width: int, height: int = 900) -> None:
        """Give the page the size it has on a device of this width."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


@contextmanager
def chromium():
    """Start a browser and yield it."""
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = Chromium(options=options, service=Service(DRIVER))  # with a path, Selenium Manager does not run
    try:
        browser.set_script_timeout(200)
        browser.emulate()
        yield browser
    finally:
        browser.quit()
