"""docs/release_check.py: versions of this checkout agree; ones that do not are named."""

from __future__ import annotations

import pytest

import invbench


def test_the_versions_of_this_checkout_agree(script):
    check = script("release_check")
    check.check_versions()
    assert set(check.versions().values()) == {invbench.__version__}


@pytest.fixture
def project(tmp_path):
    """``project(version of the package, of the citation, …)`` writes the four files."""

    def write(own="1.2.0", models="1.2.0", citation="1.2.0", log="1.2.0 (2027-01-01)"):
        (tmp_path / "invbench").mkdir()
        (tmp_path / "reference_models" / "invbench_models").mkdir(parents=True)
        (tmp_path / "invbench" / "__init__.py").write_text(f'"""x"""\n__version__ = "{own}"\n')
        models_file = tmp_path / "reference_models" / "invbench_models" / "__init__.py"
        models_file.write_text(f'__version__ = "{models}"\n')
        (tmp_path / "CITATION.cff").write_text(f"cff-version: 1.2.0\nversion: {citation}\n")
        (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {log}\n\n## 1.1.0\n")
        return tmp_path

    return write


def test_equal_versions_are_fine(script, project):
    script("release_check").check_versions(project())


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"own": "1.3.0"}, "invbench/__init__.py 1.3.0"),
        ({"models": "1.1.0"}, "invbench_models/__init__.py 1.1.0"),
        ({"citation": "1.1.0"}, "CITATION.cff 1.1.0"),
        ({"log": "1.1.9"}, "CHANGELOG.md 1.1.9"),
        ({"log": "Next"}, "CHANGELOG.md 1.1.0"),
        ({"own": "1.2", "models": "1.2", "citation": "1.2", "log": "1.2"}, "1.2 is not MAJOR"),
    ],
)
def test_what_differs_is_named(script, project, changed, said):
    check = script("release_check")
    with pytest.raises(check.Unfit, match=r"(?s).*") as why:
        check.check_versions(project(**changed))
    assert said in str(why.value)
