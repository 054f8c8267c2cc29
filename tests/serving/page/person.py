"""What a person does on the page and sees there, by CSS selectors."""

import base64
from collections.abc import Callable
from pathlib import Path

from tests.serving.page.chromium import SECONDS

# Makes the event that a drop or a paste is, with a file in it.
_GIVE = """
const [encoded, name, way] = arguments;
const bytes = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([bytes], name, { type: "image/jpeg" }));
const event = way === "drop"
  ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
  : new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
document.getElementById("stage").dispatchEvent(event);
"""


class Person:
    """Somebody in front of `driver`."""

    def __init__(self, driver) -> None:
        self.driver = driver

    def opens(self) -> None:
        """Loads the page anew, at the width of a desktop."""
        self.driver.get_log("browser")
        self.driver.refresh()
        self.waits(lambda: self.script("return document.documentElement.dataset.ready"))

    def script(self, code: str, *arguments: object):
        return self.driver.execute_script(code, *arguments)

    def waits(self, until: Callable[[], object]) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, SECONDS, 0.02).until(lambda _: until())

    def all(self, selector: str) -> list:
        return self.driver.find_elements("css selector", selector)

    def one(self, selector: str):
        return self.driver.find_element("css selector", selector)

    def texts(self, selector: str) -> list[str]:
        return [element.text for element in self.all(selector)]

    def sees(self, selector: str, text: str) -> None:
        """Waits until an element shows `text`; says what it shows if it never does."""
        try:
            self.waits(lambda: any(text in shown for shown in self.texts(selector)))
        except Exception:
            raise AssertionError(f"{selector} shows {self.texts(selector)}, not {text!r}") from None

    def types(self, selector: str, text: str) -> None:
        self.one(selector).send_keys(text)

    def clears(self, selector: str) -> None:
        self.one(selector).clear()

    def clicks(self, selector: str) -> None:
        self.one(selector).click()

    def presses(self, *keys: str) -> None:
        """Presses keys, called as in selenium, where the focus is."""
        from selenium.webdriver import ActionChains, Keys

        for key in keys:
            ActionChains(self.driver).send_keys(getattr(Keys, key)).perform()

    def chooses(self, path: Path) -> None:
        self.one("#file").send_keys(str(path))

    def gives(self, path: Path, way: str) -> None:
        encoded = base64.b64encode(path.read_bytes()).decode()
        self.script(_GIVE, encoded, path.name, way)

    def goes_offline(self) -> None:
        self._network(True)

    def goes_online(self) -> None:
        self._network(False)

    def _network(self, offline: bool) -> None:
        speeds = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd(
            "Network.emulateNetworkConditions", {"offline": offline, **speeds}
        )

    def errors_of_scripts(self) -> list[str]:
        """Errors and broken rules of the policy that the browser noted, but for answers."""
        noted = self.driver.get_log("browser")
        return [entry["message"] for entry in noted if entry["source"] != "network"]
