"""A real Chromium for tests of the page, with the network off. Needs apt's chromium and
chromium-driver and pip's '.[browser]'; tests that import this are skipped without them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

__all__ = ["Page", "accessibility", "started"]

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
DRIVER = shutil.which("chromedriver")
if not (CHROMIUM and DRIVER):
    pytest.skip("no Chromium: apt-get install chromium chromium-driver", allow_module_level=True)
webdriver = pytest.importorskip(
    "selenium.webdriver", reason="no selenium: pip install '.[browser]'"
)
axe = pytest.importorskip("selenium_axe_python", reason="no axe-core: pip install '.[browser]'")
AXE = next(Path(axe.__file__).parent.rglob("axe.min.js"))


def started(downloads: Path):
    """A Chromium without a window or a network, which saves into ``downloads``."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--window-size=1280,1000",
    ):
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(120)
    driver.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    return driver


class Page:
    """What a person does on the page."""

    def __init__(self, driver, url: str) -> None:
        self.driver, self.url = driver, url

    def open(self, state: str = ""):
        self.driver.get("about:blank")
        self.driver.get(self.url + (f"#{state}" if state else ""))
        return self

    def all(self, selector: str):
        return self.driver.find_elements("css selector", selector)

    def one(self, selector: str):
        return self.driver.find_element("css selector", selector)

    def click(self, selector: str) -> None:
        self.driver.execute_script(
            "arguments[0].scrollIntoView({block: 'center'})", self.one(selector)
        )
        self.one(selector).click()

    def script(self, text: str, *values):
        return self.driver.execute_script(text, *values)

    @property
    def hash(self) -> str:
        return self.script("return location.hash")

    def column(self, name: str) -> list[str]:
        place = self.script(
            "return [...document.querySelectorAll('#table [data-sort]')].findIndex(b => "
            "b.dataset.sort === arguments[0])",
            name,
        )
        return self.script(
            "return [...document.querySelectorAll('#table tbody tr')].map(r => "
            "r.cells[arguments[0]].innerText)",
            place,
        )

    def type(self, text: str) -> None:
        self.one("#q").clear()
        self.one("#q").send_keys(text)

    def width_of_picture(self, selector: str) -> int:
        """Of the file, once it is decoded."""
        return self.driver.execute_async_script(
            "const [selector, done] = arguments; const i = document.querySelector(selector); "
            "i.loading = 'eager'; i.decode().then(() => done(i.naturalWidth), () => done(0))",
            selector,
        )

    def narrow(self, width: int, height: int = 900) -> None:
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def usual(self) -> None:
        self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})

    def console(self) -> list:
        wanted = ("SEVERE", "WARNING")
        return [entry for entry in self.driver.get_log("browser") if entry["level"] in wanted]


def accessibility(page: Page) -> list[tuple]:
    """What axe finds when every part that opens is open."""
    page.script("document.querySelectorAll('details').forEach(d => { d.open = true })")
    page.script(AXE.read_text(encoding="utf-8"))
    found = page.driver.execute_async_script(
        "const done = arguments[0]; axe.run(document).then(done)"
    )
    return [
        (v["id"], v["help"], [n["target"] for n in v["nodes"]][:3]) for v in found["violations"]
    ]
