"""Minimal drivers of Firefox and WebKit, with only what their tests need. Tests in Chromium use Playwright."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import warnings
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

REPOSITORY = Path(__file__).resolve().parent.parent.parent
_PATIENCE = 60.0  # seconds to wait for a condition before the test fails; not a measure of speed


class Engine(ABC):
    """A browser with one page."""

    @abstractmethod
    def goto(self, url: str) -> None:
        """Open an address."""

    @abstractmethod
    def evaluate(self, expression: str) -> Any:
        """Evaluate a JavaScript expression and return its JSON value."""

    @abstractmethod
    def click(self, selector: str) -> None:
        """Click with the mouse."""

    @abstractmethod
    def type(self, selector: str, text: str) -> None:
        """Type with the keyboard; a line break is the Enter key."""

    @abstractmethod
    def screenshot(self, path: Path) -> None:
        """Take a picture of the page."""

    @abstractmethod
    def close(self) -> None:
        """End the browser."""

    def wait_for(self, expression: str) -> Any:
        """Wait until a JavaScript expression is true, and return its value."""
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            value = self.evaluate(expression)
            if value:
                return value
            time.sleep(0.05)
        raise AssertionError(f"never true: {expression}")


class Firefox(Engine):
    """Debian's Firefox, over WebDriver BiDi."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["node", "scripts/firefox.mjs", _program("firefox-esr", "firefox")],
            cwd=REPOSITORY / "js",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def _do(self, *command: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(command)}\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def goto(self, url: str) -> None:
        self._do("goto", url)

    def evaluate(self, expression: str) -> Any:
        return self._do("evaluate", expression)

    def click(self, selector: str) -> None:
        self._do("click", selector)

    def type(self, selector: str, text: str) -> None:
        self._do("type", selector, text)

    def screenshot(self, path: Path) -> None:
        self._do("screenshot", str(path))

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


class WebKit(Engine):
    """WebKit's GTK port, on a virtual screen of its own, because it has no headless mode."""

    def __init__(self) -> None:
        self._screen = subprocess.Popen(
            [_program("Xvfb"), "-displayfd", "1", "-screen", "0", "1280x1000x24", "-nolisten", "tcp"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._screen.stdout is not None
        display = f":{self._screen.stdout.readline().strip()}"
        options = webdriver.WebKitGTKOptions()
        options.binary_location = str(next(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser")))
        options.add_argument("--automation")
        service = webdriver.WebKitGTKService(_program("WebKitWebDriver"), env={**os.environ, "DISPLAY": display})
        with warnings.catch_warnings():
            # Selenium's own driver class uses deprecated parts of Selenium.
            warnings.filterwarnings("ignore", "setting remote_server_addr", DeprecationWarning)
            self._driver = webdriver.WebKitGTK(options=options, service=service)

    def goto(self, url: str) -> None:
        self._driver.get(url)

    def evaluate(self, expression: str) -> Any:
        return self._driver.execute_script(f"return {expression}")

    def click(self, selector: str) -> None:
        self._driver.find_element(By.CSS_SELECTOR, selector).click()

    def type(self, selector: str, text: str) -> None:
        self._driver.find_element(By.CSS_SELECTOR, selector).send_keys(text.replace("\n", Keys.ENTER))

    def screenshot(self, path: Path) -> None:
        self._driver.save_screenshot(path)

    def close(self) -> None:
        self._driver.quit()
        self._screen.terminate()
        self._screen.wait()
        assert self._screen.stdout is not None
        self._screen.stdout.close()


def _program(*names: str) -> str:
    found = next(filter(None, map(shutil.which, names)), None)
    assert found is not None, f"{names[0]} is missing: `make browsers` installs it"
    return found
