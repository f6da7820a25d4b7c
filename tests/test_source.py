"""Digests of code: what changes no number changes no digest, and anything else does."""

from __future__ import annotations

import pytest

from invbench.registry import ATTACKS, CORRUPTIONS
from invbench.source import code_digest, source_files, syntax_digest
from invbench.targets import resolve

SOURCE = """\
\"\"\"A module.\"\"\"
import math
import os
from a import c, b


class A:
    \"\"\"A class.\"\"\"

    def f(self, x):  # why
        \"\"\"A function.\"\"\"
        return x + 1
"""
SAME = {
    "comment": ("# why", "# because"),
    "docstring": ("A function.", "Does it."),
    "docstring gone": ('        """A function."""\n', ""),
    "formatting": ("x + 1", "(x\n            + 1)"),
    "import order": ("import math\nimport os\n", "import os\nimport math\n"),
    "names of an import": ("c, b", "b, c"),
}
OTHER = {
    "constant": ("x + 1", "x + 2"),
    "type of a constant": ("x + 1", "x + 1.0"),
    "operator": ("x + 1", "x - 1"),
    "another import": ("c, b", "c, d as b"),
    "decorator": ("    def f", "    @property\n    def f"),
    "default": ("self, x", "self, x=0"),
}


@pytest.mark.parametrize("name", [*SAME, *OTHER])
def test_only_what_can_change_a_number_changes_the_digest(tmp_path, name):
    old, new = (SAME | OTHER)[name]
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text(SOURCE)
    two.write_text(changed := SOURCE.replace(old, new))
    assert changed != SOURCE
    assert (syntax_digest(one) == syntax_digest(two)) == (name in SAME)


def test_an_order_of_imports_with_code_between_them_counts(tmp_path):
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("import a\na.x = 1\nimport b\n")
    two.write_text("import b\na.x = 1\nimport a\n")
    assert syntax_digest(one) != syntax_digest(two)


def test_the_digest_is_the_same_under_every_python():
    """Fixed here: the syntax tree has other fields in other versions."""
    from tests.support import pinned

    assert code_digest(pinned.pinned) == "065e2ea1ea8ead53"


def test_an_entry_depends_on_the_couplings_that_it_uses_and_on_no_machinery():
    names = {file.name for file in resolve("modified-rq").sources}
    assert {"modified_rq.py", "rational_quadratic.py", "base.py"} <= names
    assert not {"errors.py", "registry.py", "files.py"} & names


def test_corruptions_of_different_files_have_different_digests():
    noise, blur = (code_digest(CORRUPTIONS[n].obj) for n in ("noise", "gaussian-blur"))
    assert noise != blur
    assert "noise.py" in {f.name for f in source_files(CORRUPTIONS["noise"].obj)}
    assert "jpeg.py" not in {f.name for f in source_files(CORRUPTIONS["noise"].obj)}


def test_an_attack_depends_on_its_search():
    names = {f.name for f in source_files(ATTACKS["latent"].obj.search)}
    assert {"climb.py", "objective.py"} <= names and "sheet.py" not in names
