"""Links and code blocks of README, docs/ and the notebooks are right; planted faults are found."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("check", ["broken_links", "broken_python", "broken_commands"])
def test_no_page_has_a_fault(script, check):
    pages, checks = script("pages"), script("page_checks")
    faults = [
        fault
        for page in pages.pages()
        for fault in getattr(checks, check)(page, pages.text_of(page))
    ]
    assert not faults, "\n".join(faults)


def test_the_pages_are_there_and_have_something_to_check(script):
    pages = script("pages")
    found = pages.pages()
    assert {p.name for p in found} >= {"README.md", "tutorial.md", "is_this_flow_safe.ipynb"}
    assert sum(1 for p in found for _ in pages.links(pages.text_of(p))) > 150
    assert sum(b.language == "bash" for p in found for b in pages.blocks(pages.text_of(p))) > 25


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[a](no/such.md)", "no/such.md leads nowhere"),
        ("![a](b.png)", "b.png leads nowhere"),
        ("[`a` [b]](../outside.md)", "../outside.md leads nowhere"),
        ("# One\n[a](#two)", "no heading is called #two"),
        ("[a](other.md#three)", "no heading is called #three"),
    ],
)
def test_a_broken_link_is_found(script, tmp_path, text, fault):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "outside.md").write_text("")
    (root / "other.md").write_text("# Two: what `it` *is*\n")
    found = list(script("page_checks").broken_links(root / "page.md", text, root))
    assert len(found) == 1 and fault in found[0]


@pytest.mark.parametrize(
    "text",
    [
        "[a](other.md#two-what-it-is) [b](#one)\n## One",
        "`[a](b.md)`",
        "```\n[a](b.md)\n```",
        "[a](https://example.org/b.md) [m](mailto:a@b.c)",
        "![x](data:image/png;base64,AAAA)",
    ],
)
def test_what_is_no_broken_link_is_not_named(script, tmp_path, text):
    (tmp_path / "other.md").write_text("# Two: what `it` *is*\n")
    assert not list(script("page_checks").broken_links(tmp_path / "page.md", text, tmp_path))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("```bash\ninvbench tabel\n```", "line 1: no such verb: tabel"),
        (
            "```bash\nls\nA=1 .venv/bin/invbench run --trak sr && ls\n```",
            "line 2: invbench run has no option --trak",
        ),
        ("```bash\ninvbench run \\\n  --no-such=1\n```", "has no option --no-such"),
        ("```bash\nsrun bash -c 'x -- invbench run --engin ray'\n```", "has no option --engin"),
        ("a\n\nsay `invbench pack --archiv\nFILE`", "line 3: invbench pack has no option --archiv"),
        ("```bash\ninvbench table 'open\n```", "No closing quotation"),
    ],
)
def test_a_command_that_does_not_exist_is_found(script, text, fault):
    found = list(script("page_checks").broken_commands(Path("page.md"), text))
    assert len(found) == 1 and fault in found[0]


@pytest.mark.parametrize(
    "text",
    [
        "```bash\npip install invbench && invbench run --track sr 2> log # invbench tabel\n```",
        "`invbench VERB --help`, `invbench --help`, `invbench replay FOLDER`, `invbench replay …`",
        "```bash\ninvbench run --data=BSD100 && invbench table -o x.md | tee y\n```",
        "```python\ninvbench.run()\n```",
    ],
)
def test_commands_that_exist_and_placeholders_are_not_named(script, text):
    assert not list(script("page_checks").broken_commands(Path("page.md"), text))


def test_python_that_does_not_compile_is_found(script):
    checks = script("page_checks")
    good, bad = "```python\nx = 1\n```", 'text\n\n```python title="a.py"\nx = = 1\n```'
    assert not list(checks.broken_python(Path("page.md"), good))
    assert "page.md, line 3: " in next(checks.broken_python(Path("page.md"), bad))


def test_a_block_knows_the_comment_above_it_its_file_and_its_line(script):
    text = (
        'a\n<!-- exit 1 -->\n```bash\nfalse\n```\n\n- b\n  ```python title="m.py"\n  x = 1\n  ```\n'
    )
    first, second = script("pages").blocks(text)
    assert (first.language, first.mark, first.code, first.line) == ("bash", "exit 1", "false\n", 3)
    assert (second.title, second.code, second.mark) == ("m.py", "x = 1\n", "")


def test_a_notebook_as_a_page_has_its_text_code_prints_and_pictures(script):
    text = script("pages").notebook_text(
        '{"cells": [{"cell_type": "markdown", "source": ["# T\\n", "t"]}, {"cell_type": "code",'
        ' "source": ["f()"], "outputs": [{"text": ["a\\n"]}, {"data": {"image/png": "AA\\n"}}]}]}'
    )
    assert text == (
        "# T\nt\n\n```python\nf()\n```\n\n```text\na\n```\n\n![output](data:image/png;base64,AA)\n"
    )


def test_the_readme_is_short_and_begins_with_what_it_is():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.split()) < 800
    assert text.count("<!-- run -->") == text.count("<!-- tests -->") == 1
    assert text.index("docs/leaderboard.png") < text.index("## Two commands") < 1000


def test_first_command_installs_what_running_and_tables_need():
    """Without the extra nothing runs."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    command = text.partition("<!-- run -->")[2].partition("<!-- tests -->")[0]
    assert "pip install -q '.[bench]' ./reference_models" in command and "invbench run" in command
