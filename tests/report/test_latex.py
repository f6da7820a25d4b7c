"""The tex export: braces and environments close, every command is known, and where there is a
pdflatex it compiles."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from invbench.report.latex import escape
from invbench.report.table import read_table, render
from invbench.tracks import TRACKS
from tests.support.site_results import fill
from tests.support.sr_cells import sr

KNOWN = (
    "begin end caption label centering resizebox ifdim width linewidth else fi toprule "
    "midrule bottomrule endhead endfoot par smallskip footnotesize "
    "scriptsize setlength tabcolsep begingroup endgroup textasciitilde textasciicircum "
    "textbackslash textless textgreater textbar char texttt "
    "mathbf times infty ldots dag kappa tau sigma theta varepsilon ell le ge pm cdot Vert "
    "frac mu to hat"
).split()
DOCUMENT = r"\documentclass{article}\usepackage{booktabs,graphicx,longtable}\begin{document}%s\end{document}"
NASTY = "a_b&50%$\\x{}#^~<>|\"--'` ü 名前\n∞"


@pytest.fixture
def tables(tmp_path):
    folder = fill(tmp_path / "results")
    return [
        render(read_table(track, folder, pooled), "tex", screen=True)
        for track in ("sr", "coupling", "toy2d")
        for pooled in (True, False)
    ]


def check(text):
    """Raise when groups, environments or mathematics do not close, or a command is not known."""
    body = re.sub(r"(?m)^%.*\n", "", text)
    assert set(re.findall(r"\\([A-Za-z]+)", body)) <= set(KNOWN)
    bare = re.sub(r"\\[^A-Za-z]", "", body)
    depth = 0
    for c in bare:
        depth += (c == "{") - (c == "}")
        assert depth >= 0
    assert (
        depth == 0
        and bare.count("$") % 2 == 0
        and not set("#&~^_") & set(re.sub(r"\$[^$]*\$|&", "", bare)) - {"_", "^"}
    )
    opened = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", body):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert opened == []
    return body


def test_groups_and_environments_close_and_commands_are_known(tables, results):
    for text in [*tables, render(read_table("sr", results(sr(NASTY, [0, 1]))), "tex")]:
        check(text)


def test_every_row_has_as_many_cells_as_the_head(tables):
    for text in tables:
        rows = [
            line for line in text.splitlines() if line.endswith(r"\\") and "caption" not in line
        ]
        counts = {len(re.findall(r"(?<!\\)&", row)) for row in rows}
        assert len(counts) == 1


def test_intervals_are_sub_and_superscripts(results):
    text = render(read_table("sr", results(sr("a", [1] * 3 + [0] * 7))), "tex", screen=True)
    assert "$30.0_{6.7}^{65.2}$" in text
    assert r"error\_lo" not in text


def test_the_best_of_each_tier_is_bold(results):
    names = [f"{k}/0" for k in range(50)]
    good = sr("good", [0] * 50, names=names, psnr=[22.0] * 50)
    alike = sr("alike", [1] + [0] * 49, names=names, psnr=[23.0] * 50)
    bad = sr("bad", [1] * 50, names=names, psnr=[25.0] * 50)
    text = render(read_table("sr", results(good, alike, bad)), "tex", screen=True)
    line = {row.partition(" ")[0]: row for row in text.splitlines() if row.endswith(r"\\")}
    assert r"\mathbf{0.0}_{0.0}^{7.1}" in line["good"] and r"\mathbf{22.00}" not in line["good"]
    assert r"$\mathbf{23.00}$" in line["alike"] and r"\mathbf{2.0}" not in line["alike"]
    assert r"\mathbf" not in line["bad"]  # alone in its tier
    assert "Bold: best of a tier" in text


def test_names_are_text():
    assert escape(NASTY) == (
        r"a\_b\&50\%\$\textbackslash{}x\{\}\#\textasciicircum{}\textasciitilde{}\textless{}\textgreater{}\textbar{}\texttt{\char34}{-}{-}{'}{`} "
        r""
        r""
        r""
        r"ü "
        r"\texttt{U+540D}\texttt{U+524D} $\infty$"
    )
    assert escape("2²⁰, c⁻¹(y), ‖x\u0302‖") == r"2$^{20}$, c$^{-1}$(y), $\Vert$$\hat{x}$$\Vert$"


def test_every_note_is_written_with_characters_that_pdflatex_knows():
    for track in TRACKS.values():
        assert track.notes and "U+" not in escape(" ".join(track.notes))


def test_a_long_table_goes_over_pages(results):
    text = render(
        read_table("sr", results(*(sr(f"design{k}", [0]) for k in range(60)))), "tex", screen=True
    )
    assert r"\begin{longtable}" in text and r"\begin{table}" not in text
    check(text)


@pytest.mark.skipif(
    shutil.which("pdflatex") is None,
    reason="no pdflatex here; apt-get install texlive-latex-recommended",
)
def test_it_compiles(tables, results, tmp_path):
    nasty = render(
        read_table("sr", results(*(sr(f"{NASTY}{k}", [0, 1]) for k in range(50)))), "tex"
    )
    (tmp_path / "all.tex").write_text(DOCUMENT % "\n".join([*tables, nasty]), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    assert (tmp_path / "all.pdf").stat().st_size > 10_000
