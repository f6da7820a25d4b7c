"""A browser for the tests of the page; who asks for none needs none."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def downloads(tmp_path_factory):
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(downloads):
    from tests.support.chromium import started

    driver = started(downloads)
    yield driver
    driver.quit()
