"""Targets by name, call, file and module; what a wrong one says; what the digest stands for."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

import pytest
import torch

from invbench.couplings import Affine, ModifiedRQ
from invbench.errors import HarnessError, UsageError
from invbench.registry import COUPLINGS, Registered
from invbench.targets import Target, resolve, resolve_all
from tests.support.examples import TANH_AFFINE

pytestmark = pytest.mark.usefixtures("own_registries")

UNDECORATED = TANH_AFFINE.replace('@invbench.coupling("tanh-affine")\n', "")
SECOND = (
    TANH_AFFINE.replace("import invbench\n", "")
    .replace("tanh-affine", "second")
    .replace("TanhAffine", "Second")
)


@pytest.fixture
def file(tmp_path):
    """``file(source, name="mine.py")``: its path as text."""

    def write(source, name="mine.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        return str(path)

    return write


@pytest.fixture
def package(file, monkeypatch, tmp_path):
    """A package ``for_targets`` with a module ``designs``, importable during the test."""
    file("", "for_targets/__init__.py")
    file(TANH_AFFINE, "for_targets/designs.py")
    file("1 / 0", "for_targets/fails.py")
    monkeypatch.syspath_prepend(tmp_path)
    yield "for_targets"
    for name in [name for name in sys.modules if name.startswith("for_targets")]:
        del sys.modules[name]


def value_at_one(target, raw=0.0):
    """c(1) with the first raw parameter ``raw`` and shift 0."""
    design = target.make()
    params = torch.zeros(design.n_params, 1)
    params[0] = raw
    return design(torch.ones(1), params)[0].item()


def test_a_registered_name():
    target = resolve("affine")
    assert (target.kind, target.name, target.make) == ("coupling", "affine", Affine)


def test_a_name_with_options_binds_them_and_shows_them():
    target = resolve("modified-rq(box=2.0)")
    assert target.name == "modified-rq(box=2.0)"
    assert isinstance(target.make(), ModifiedRQ)
    assert target.make().box == 2.0


@pytest.mark.parametrize(
    "spec",
    [
        "modified-rq(bins=3)",
        "affine(floor=0.3)",
        "modified-rq(3)",
        "modified-rq(box=print())",
        "modified-rq(box=)",
        "rq(bins=4,bins=5)",
    ],
)
def test_a_wrong_option_is_refused_when_the_target_is_resolved(spec):
    with pytest.raises(UsageError) as caught:
        resolve(spec)
    assert "\n" not in str(caught.value)


def test_an_unknown_name_is_refused_for_one_kind_and_for_several():
    with pytest.raises(UsageError, match="did you mean 'affine'"):
        resolve("afine")
    with pytest.raises(UsageError, match="'afine' is no registered coupling or flow"):
        resolve("afine", ("coupling", "flow"))


def test_a_name_is_looked_up_in_the_kinds_asked_for_only():
    assert resolve("toy2d", ("coupling", "flow")).kind == "flow"
    with pytest.raises(UsageError):
        resolve("toy2d")


def test_a_file_names_the_coupling_that_it_registers(file):
    target = resolve(file(TANH_AFFINE))
    assert target.name == "tanh-affine"
    assert "mine.py:" in target.entry.origin
    assert value_at_one(target, raw=1.0) == pytest.approx(4.587, abs=1e-3)  # exp(2 tanh 1)


@pytest.mark.parametrize("name", ["TanhAffine", "tanh-affine"])
def test_a_file_and_a_class_or_registered_name(file, name):
    target = resolve(f"{file(TANH_AFFINE + SECOND)}:{name}")
    assert target.name == "tanh-affine"


def test_a_class_that_is_not_decorated_can_be_named_and_is_registered_under_its_own_name(file):
    assert resolve(f"{file(UNDECORATED)}:TanhAffine").name == "TanhAffine"
    assert "TanhAffine" in COUPLINGS


def test_a_file_and_a_module_take_options(file):
    source = TANH_AFFINE + (
        "    def __init__(self, gain=1.0):\n        super().__init__()\n        self.gain = gain\n"
    )
    path = file(source)
    assert resolve(f"{path}(gain=2.0)").make().gain == 2.0
    assert resolve(f"{path}:TanhAffine(gain=3.0)").make().gain == 3.0


@pytest.mark.parametrize("name", ["TanhAffine", "tanh-affine"])
def test_a_module_and_a_class_or_registered_name(package, name):
    assert resolve(f"{package}.designs:{name}").name == "tanh-affine"


def test_a_built_in_named_through_the_package_that_exports_it_keeps_its_name():
    assert resolve("invbench.couplings:Affine").name == "affine"
    assert "Affine" not in COUPLINGS


def test_several_couplings_in_one_file_are_listed_and_one_must_be_chosen(file):
    path = file(TANH_AFFINE + SECOND)
    found = resolve_all(path)
    assert [target.name for target in found] == ["tanh-affine", "second"]
    # as a worker does, which is given the spec alone
    assert [resolve(target.spec) for target in found] == found
    with pytest.raises(
        UsageError, match=r"holds several targets \(tanh-affine, second\); say which"
    ):
        resolve(path)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\n", "registers no coupling; decorate one"),
        (UNDECORATED, "registers no coupling; decorate one"),
        ("def f(:\n", "cannot load .*mine.py: SyntaxError"),
        ("raise KeyError('k')\n", "cannot load .*mine.py: KeyError"),
        ("import sys\nsys.exit(3)\n", "cannot load .*mine.py: SystemExit"),
        ("import no_such_module_here\n", "cannot load .*mine.py: ModuleNotFoundError"),
        (TANH_AFFINE.replace("n_params = 2", ""), "coupling 'tanh-affine' .* has n_params = None"),
        (
            TANH_AFFINE.replace("tanh-affine", "affine"),
            "coupling 'affine' .* is already registered by",
        ),
    ],
    ids=["empty", "undecorated", "syntax", "raises", "exits", "import", "incomplete", "collision"],
)
def test_a_file_that_gives_no_coupling_says_why_in_one_line(file, source, message):
    with pytest.raises(UsageError, match=message) as caught:
        resolve(file(source))
    assert "\n" not in str(caught.value)


def test_a_file_that_failed_is_read_again_once_it_is_mended(file):
    path = file("raise KeyError('k')\n")
    with pytest.raises(UsageError):
        resolve(path)
    assert resolve(file(TANH_AFFINE)).name == "tanh-affine"


def test_a_missing_file_module_or_name_is_refused(file, package, tmp_path):
    for spec, message in (
        (f"{tmp_path}/none.py", "none.py: no such file"),
        (str(tmp_path) + "/", "no such file"),
        (f"{file(TANH_AFFINE)}:Nope", r"no coupling named 'Nope' there \(found: tanh-affine\)"),
        (
            "no_such_package.module:Name",
            "cannot import no_such_package.module: ModuleNotFoundError",
        ),
        (f"{package}.fails:Name", "cannot import for_targets.fails: ZeroDivisionError"),
        ("math:pi", r"no coupling named 'pi' there \(found: none\)"),
    ):
        with pytest.raises(UsageError, match=message):
            resolve(spec)


@pytest.mark.parametrize("place", [".", "src"])
def test_a_package_that_is_not_installed_is_found_in_the_folder_here(tmp_path, monkeypatch, place):
    name = f"not_installed_{'here' if place == '.' else place}"
    (tmp_path / place / name).mkdir(parents=True)
    (tmp_path / place / name / "__init__.py").write_text(TANH_AFFINE)
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p not in ("", ".")])
    monkeypatch.chdir(tmp_path)
    assert resolve(f"{name}:TanhAffine").name == "tanh-affine"


def test_errors_that_invbench_raises_while_loading_keep_their_kind(file):
    with pytest.raises(HarnessError, match="disk"):
        resolve(file("from invbench.errors import HarnessError\nraise HarnessError('disk')\n"))


def test_the_digest_depends_on_source_and_options_but_not_on_where_the_file_lies(file):
    sources = {"a": TANH_AFFINE, "b": TANH_AFFINE, "c": TANH_AFFINE.replace("2 *", "3 *")}
    digests = {}
    for k, source in sources.items():
        digests[k] = resolve(file(source, f"{k}/mine.py")).digest
        COUPLINGS.forget("tanh-affine")
    assert digests["a"] == digests["b"] != digests["c"]
    boxes = [
        resolve(spec).digest
        for spec in ("modified-rq", "modified-rq(box=1.0)", "modified-rq(box=2.0)")
    ]
    assert len(set(boxes)) == 3


def test_the_digest_depends_on_a_module_beside_it_that_it_imports_whole(file, package):
    leaf = (
        TANH_AFFINE.replace("tanh-affine", "leaf").replace("class TanhAffine", "class Leaf")
        + "\nfrom . import ops\n"
    )
    digests = []
    for k, ops in enumerate(("A = 1", "A = 1", "A = 2")):
        for name, source in (("__init__", ""), ("ops", ops), ("leaf", leaf)):
            file(source, f"{package}{k}/{name}.py")
        digests.append(resolve(f"{package}{k}.leaf:leaf").digest)
        COUPLINGS.forget("leaf")
    assert digests[0] == digests[1] != digests[2]


def test_the_digest_depends_on_what_its_imports_import(file, package):
    leaf = (
        TANH_AFFINE.replace("tanh-affine", "leaf").replace("class TanhAffine", "class Leaf")
        + "\nfrom .near import f\n"
    )
    near, far = (
        "from .far import g\ndef f(): return g()\n",
        "from .near import *\ndef g(): return 1\n",
    )  # in a circle
    digests = []
    for k, deep in enumerate((far, far, far.replace("1", "2"))):
        for name, source in (("__init__", ""), ("far", deep), ("near", near), ("leaf", leaf)):
            file(source, f"{package}{k}/{name}.py")
        digests.append(resolve(f"{package}{k}.leaf:leaf").digest)
        COUPLINGS.forget("leaf")
    assert digests[0] == digests[1] != digests[2]


def test_the_sources_of_an_entry_are_its_own_and_not_those_of_what_wraps_it():
    """A partial is of functools; a class whose module is gone still has its file."""
    of_partial = Target("p", Registered("p", "layer", functools.partial(print), "here:0", {}))
    assert of_partial.sources == []
    gone = type("Gone", (), {"__module__": "gone", "f": lambda self: None})
    assert Target("g", Registered("g", "layer", gone.f, "here:0", {})).sources[-1] == Path(__file__)


def test_the_digest_depends_on_the_source_of_base_classes(file, package):
    leaf = (
        "import invbench\nfrom .base import "
        "TanhAffine\n@invbench.coupling('leaf')\nclass Leaf(TanhAffine): pass\n"
    )
    digests = []
    for k, base in enumerate((UNDECORATED, UNDECORATED, UNDECORATED.replace("2 *", "3 *"))):
        for name, source in (("__init__", ""), ("base", base), ("leaf", leaf)):
            file(source, f"{package}{k}/{name}.py")
        digests.append(resolve(f"{package}{k}.leaf:leaf").digest)
        COUPLINGS.forget("leaf")
    assert digests[0] != digests[2]


def test_the_digest_does_not_depend_on_the_order_of_files_that_share_a_name(file):
    """The contract stands in a base.py too; an unordered tie would change the digest from process
    to process."""
    digests = set()
    for k in range(12):
        digests.add(resolve(file(TANH_AFFINE, f"{k}/base.py")).digest)
        COUPLINGS.forget("tanh-affine")
    assert len(digests) == 1


def test_the_digest_describes_the_code_that_runs_when_the_file_is_edited(file):
    path = file(TANH_AFFINE)
    before = resolve(path)
    old_digest, old_value = before.digest, value_at_one(before, raw=1.0)
    file(TANH_AFFINE.replace("2 *", "3 *"))
    after = resolve(path)
    assert (after.digest != old_digest) == (value_at_one(after, raw=1.0) != old_value)
