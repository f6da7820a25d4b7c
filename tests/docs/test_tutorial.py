"""docs/run_tutorial.py stops at the first command or output that is not as the page says; the checker of
the built site finds what it would load from elsewhere."""

from __future__ import annotations

import pytest


def run(script, tmp_path, text):
    (tmp_path / "page.md").write_text(text)
    folder = tmp_path / "work"
    folder.mkdir()
    return script("run_tutorial").run_page(tmp_path / "page.md", folder)


def test_files_are_written_commands_run_and_outputs_compared(script, tmp_path):
    text = (
        '```python title="a.py"\nprint("x is", 1.5)\nraise SystemExit(3)\n```\n'
        "<!-- exit 3 -->\n```bash\npython a.py\n```\n```text\nx is …\n\nis 1.5\n```\n"
        "<!-- somebody else runs this -->\n```bash\nfalse\n```\n"
        "```bash\ntest -d suites\n```\n"
    )
    assert run(script, tmp_path, text) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("```bash\nfalse\ntrue\n```", "page.md, line 1: exit code 1, not 0"),
        ("<!-- exit 1 -->\n```bash\ntrue\n```", "exit code 0, not 1"),
        ("```bash\necho one\n```\n```text\ntwo\n```", "'two' is not in what was printed:\none"),
        ("```bash\necho a b\n```\n```text\nb … a\n```", "'b … a' is not"),
    ],
)
def test_a_stumble_is_named(script, tmp_path, text, said):
    with pytest.raises(script("run_tutorial").Stumble) as stumble:
        run(script, tmp_path, text)
    assert said in str(stumble.value)


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("a.html", '<script src="https://cdn.example/x.js"></script>', 1),
        (
            "a.html",
            '<link rel="stylesheet" href="//fonts.example/css"><img src="https://x/y.png">',
            2,
        ),
        (
            "a.html",
            '<a href="https://example.org">x</a><link rel="canonical" href="https://e/">',
            0,
        ),
        ("a.html", '<script src="assets/x.js"></script><img src="data:image/png;base64,AA">', 0),
        ("a.css", '@import "https://fonts.example/a"; b {background: url(//x/y.png)}', 2),
        ("a.css", "b {background: url(../y.png)}", 0),
    ],
)
def test_what_a_page_loads_from_elsewhere_is_found(script, tmp_path, name, text, count):
    (tmp_path / name).write_text(text)
    assert len(script("check_offline").loads(tmp_path)) == count
