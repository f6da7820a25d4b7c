"""What is imported when it is needed first: functions, the home of a registry, and extras."""

from __future__ import annotations

import sys

import pytest

from invbench.extras import EXTRAS, absent, install, missing
from invbench.late import Late
from invbench.registry import Registry


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A module that registers something in ``REGISTRY`` when it is imported."""
    (tmp_path / "late_home.py").write_text(
        "from tests import test_late\ntest_late.REGISTRY.register('own', int)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield "late_home"
    sys.modules.pop("late_home", None)


REGISTRY: Registry[type] = Registry("thing")


@pytest.fixture
def registry(home, monkeypatch):
    made: Registry[type] = Registry("thing", home=[home])
    monkeypatch.setattr(sys.modules[__name__], "REGISTRY", made)
    monkeypatch.setitem(sys.modules, "tests.test_late", sys.modules[__name__])
    return made


def test_a_late_function_is_imported_at_the_first_call(tmp_path, monkeypatch):
    (tmp_path / "late_sum.py").write_text("def add(a, b=1):\n    return a + b\n")
    monkeypatch.syspath_prepend(tmp_path)
    add = Late("late_sum", "add")
    assert "late_sum" not in sys.modules and repr(add) == "Late(late_sum:add)"
    assert (add(2), add(2, b=3)) == (3, 5)
    sys.modules.pop("late_sum")


def test_a_late_function_that_is_not_there_is_an_error_of_the_call():
    with pytest.raises(AttributeError):
        Late("json", "nothing")()


def test_the_home_of_a_registry_is_imported_at_the_first_look_up(registry, home):
    assert home not in sys.modules
    assert list(registry) == ["own"] and home in sys.modules


def test_who_registers_first_comes_after_the_home(registry):
    """A name that the home has is taken, whoever comes first."""
    registry.register("mine", str)
    assert list(registry) == ["own", "mine"]


def test_a_home_that_cannot_be_imported_is_an_error_each_time():
    broken: Registry[type] = Registry("thing", home=["no_such_home"])
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError):
            list(broken)


def test_whoever_lacks_a_package_of_an_extra_reads_the_command():
    error = ModuleNotFoundError("No module named 'pandas'", name="pandas.core")
    assert str(missing(error)).endswith(install("bench"))
    error = ModuleNotFoundError("No module named 'pytest'", name="pytest")
    assert str(missing(error)).endswith("pip install pytest")
    assert missing(ModuleNotFoundError("No module named 'x'", name="x")) is None
    assert missing(ModuleNotFoundError("no name at all")) is None


def test_an_extra_lacks_what_cannot_be_found(monkeypatch):
    assert absent("bench") == []
    monkeypatch.setitem(EXTRAS, "no_such_module", ("no-such-thing", "bench"))
    assert absent("bench") == ["no-such-thing"]


@pytest.mark.parametrize(
    ("record", "command"),
    [
        (
            '{"dir_info": {"editable": true}, "url": "file:///home/a%20b/invbench"}',
            "pip install '/home/a b/invbench[bench]'",
        ),
        (
            '{"archive_info": {}, "url": "file:///tmp/invbench.whl"}',
            "pip install 'invbench[bench]'",
        ),
        ("[]", "pip install 'invbench[bench]'"),
        (None, "pip install 'invbench[bench]'"),
    ],
)
def test_an_extra_comes_from_the_folder_that_invbench_was_installed_from(
    monkeypatch, record, command
):
    class Installed:
        def read_text(self, name):
            return record if name == "direct_url.json" else None

    monkeypatch.setattr("importlib.metadata.distribution", lambda name: Installed())
    assert install("bench") == command
