"""The pictures of README and docs again, out of results/: python docs/write_pictures.py [--only NAME]

PICTURES says which command makes each. The page is photographed by Chromium, as its tests open it
(apt-get install chromium chromium-driver; pip install '.[browser]'). The same results, fonts and
Chromium give the same bytes.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import pytest
import typer

ROOT = Path(__file__).resolve().parent.parent
DOCS, RESULTS = ROOT / "docs", ROOT / "results"
WIDE, HIGH = 1280, 860  # pixels of the page: its overview, down to the first rows


class NoPicture(Exception):
    """Why a picture could not be made."""


def invbench(*words: str | Path) -> None:
    done = subprocess.run([sys.executable, "-m", "invbench", *map(str, words)], cwd=ROOT)
    if done.returncode:
        raise NoPicture(f"invbench {' '.join(map(str, words))} ended with {done.returncode}")


def page(file: Path) -> None:
    """The first screen of the page. Raises ``NoPicture`` without Chromium."""
    sys.path.insert(0, str(ROOT))
    try:
        from tests.support.chromium import Page, started
    except pytest.skip.Exception as lacking:
        raise NoPicture(str(lacking)) from None
    with tempfile.TemporaryDirectory() as folder:
        invbench("site", "--results", RESULTS, "-o", folder)
        driver = started(Path(folder))
        try:
            opened = Page(driver, (Path(folder) / "index.html").as_uri())
            opened.narrow(WIDE, HIGH)
            driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
            opened.open("theme=light")
            driver.save_screenshot(str(file))
        finally:
            driver.quit()


def reproduced(name: str) -> Callable[[], None]:
    return partial(invbench, "reproduce", name, "--results", RESULTS)


PICTURES: dict[str, Callable[[], None]] = {
    "leaderboard": reproduced("leaderboard"),
    "site": partial(page, DOCS / "site.png"),
    "families": reproduced("families"),
    "sensitivity": partial(
        invbench, "plot", "sensitivity", "-o", DOCS / "sensitivity.png", "--results", RESULTS
    ),
    "conditions": partial(invbench, "list", "conditions", "--sheet", DOCS / "conditions.png"),
}


def main(
    only: Annotated[list[str], typer.Option(help="A picture; repeatable. Default: all.")] = [],  # noqa: B006
) -> None:
    for name in only:
        if name not in PICTURES:
            print(f"no such picture: {name}; choose from {', '.join(PICTURES)}", file=sys.stderr)
            raise SystemExit(2)
    for name in only or PICTURES:
        try:
            PICTURES[name]()
        except NoPicture as why:
            print(f"{name}: {why}", file=sys.stderr)
            raise SystemExit(1) from None
        print(f"docs/{name}.png", flush=True)


if __name__ == "__main__":
    typer.run(main)
