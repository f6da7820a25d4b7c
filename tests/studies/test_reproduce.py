"""invbench reproduce: the artefacts of a small results folder, and the command."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from invbench.errors import UsageError
from invbench.store.store import Store
from invbench.studies import toy_sweep
from invbench.studies.hong2023.artefacts import trainings
from invbench.studies.hong2023.claims import CLAIMS
from invbench.studies.registry import ARTEFACTS
from invbench.studies.reproduce import reproduce
from invbench.studies.study import Missing, Study
from invbench.targets import resolve
from tests.support.made_study import (
    auc,
    images,
    made_study,
    of_flow,
    perceptual,
    quality,
    toys,
)


@pytest.fixture
def folder(study):
    cells = [
        quality("sr", d, k / 10) for k, d in enumerate(("affine", "affine-floor", "modified-rq"))
    ]
    return study(
        *cells,
        *toys("affine", 50.0, 3.0),
        *toys("modified-rq", 1.0, 1.0),
        ood_score__predictors=auc(0.8, 0.9),
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fig3", "3.00× [3.00, 3.00]"),
        ("fig4", "50 of 100"),
        ("fig5", "0.999"),
        ("table1", "0.5"),
        ("theory", "1e+300"),
    ],
)
def test_an_artefact_has_our_numbers_the_papers_and_what_differs(folder, name, said):
    written = reproduce(name, folder)
    text = written.text.read_text()
    assert said in text
    assert "paper" in text.lower() and "What differs" in text
    assert f"Regenerate: `invbench reproduce {name}" in text
    for picture in re.findall(r"\]\((\w+\.png)\)", text):
        assert (written.text.parent / picture).read_bytes().startswith(b"\x89PNG")


def test_table1_stands_beside_the_papers(folder):
    text = reproduce("table1", folder).text.read_text()
    assert "| EUrban100 4×   | FS-NCSR  | 30      | 36.12  | 3.544 | embedded, sharpened" in text
    other = images("sr", "affine", 1, 1, lr_psnr_min=[30.0] * 12, lr_psnr_std=[1.0] * 12)
    Store(folder.root).write(of_flow(other, "fs_ncsr"))
    rows = pd.read_csv(reproduce("table1", Study(folder.root)).text.with_name("table1.csv"))
    assert rows[rows.data == "BSD100 [fs_ncsr]"]["min, dB"].tolist() == ["30.00 [30.00, 30.00]"]
    assert rows[rows.data == "BSD100"].design.tolist() == ["affine", "affine-floor", "modified-rq"]
    assert rows["min, dB"].iloc[0] == "40.00 [40.00, 40.00]"


def test_low_light_cells_fill_table2(folder):
    said = reproduce("table2", folder).missing
    assert said.partition("\n")[0].endswith(f"--data VE-LOL --results {folder.root}")
    Store(folder.root).write(
        images("lowlight", "affine", 3, 3, "LOL/clean", psnr=20.0, psnr_rescaled=21.0, ssim=0.8)
    )
    Store(folder.root).write(images("lowlight", "affine", 6, 6, "LOL/clean#fp16", psnr=20.0))
    Store(folder.root).write(
        images("lowlight", "affine", 0, 0, "LOL/clean#mean", psnr=18.5, psnr_rescaled=22.0)
    )
    bare = reproduce("table2", Study(folder.root)).text.with_name("table2.csv")
    assert pd.read_csv(bare).LPIPS.isna().all()
    Store(folder.root).write(perceptual("affine", 0.0, "LOL"))
    text = reproduce("table2", Study(folder.root)).text.read_text()
    assert pd.read_csv(bare).LPIPS.tolist() == ["0.200 [0.200, 0.200]"]
    assert "25.0 %" in text and "50.0 %" in text and "21.00" in text and "26.61" in text
    assert "18.50" in text and "22.00" in text


def test_designs_of_equal_cost_end_at_the_same_likelihood(folder):
    text = reproduce("trainings", folder).text.read_text()
    assert "| srflow" in text and "| no " not in text
    table = pd.read_csv(folder.root / "paper/trainings.csv")
    apart = trainings.spreads(
        pd.concat([table, table.assign(design="worse", **{"mean bits": table["mean bits"] + 0.2})])
    )
    assert set(apart["within 0.05"]) == {"no"}


def test_what_was_not_measured_is_written_with_the_command_that_does(study):
    written = reproduce("fig3", study())
    assert "invbench run --track toy2d" in written.missing
    assert written.text.read_text().startswith(f"# {ARTEFACTS['fig3'].title}\n\nNot measured: ")


def test_the_verdict_file_links_and_states_each_claim(folder):
    text = reproduce("verdict", folder).text.read_text()
    assert all(f"## {key}: " in text and claim.statement in text for key, claim in CLAIMS.items())
    assert "## C2: holds\n" in text and "## C7: not testable here\n" in text
    assert "[fig2](fig2.md)" in text and "invbench reproduce table1 table2 verdict" in text
    assert folder.root.joinpath("paper/verdict.csv").is_file()


def test_the_command_prints_one_artefact_and_one_json_document(invbench, study):
    root = study().root
    code, out, _ = invbench("reproduce", "theory", "--results", root)
    assert code == 0 and out.startswith("# Eq. 8 and 9")
    code, out, _ = invbench("reproduce", "table2", "theory", "--results", root, "--json")
    assert code == 0
    assert [(d["artefact"], bool(d["missing"])) for d in json.loads(out)] == [
        ("table2", True),
        ("theory", False),
    ]


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "No columns"), (b"score,inputs\n1,2\n", "no column auc, design")]
)
def test_a_damaged_table_is_missing_and_says_what_makes_it(study, content, said):
    root = study(ood_score__predictors=auc(0.8, 0.9)).root
    (root / "ood_score/predictors.csv").write_bytes(content)
    with pytest.raises(Missing, match=rf"cannot be read \({said}.*reproduce ood_score"):
        Study(root).csv(
            "ood_score/predictors.csv", "invbench reproduce ood_score", "score auc design"
        )


@pytest.mark.parametrize("name", ["families", "leaderboard", "attacks"])
def test_a_study_without_cells_says_what_to_run(invbench, study, name):
    root = study().root / "results"
    code, out, _ = invbench("reproduce", name, "--results", root, "--json")
    (document,) = json.loads(out)
    assert code == 0 and "invbench run --track sr" in document["missing"]


def test_pictures_of_docs_lie_beside_the_results_folder(tmp_path, invbench):
    made = made_study(
        tmp_path / "results",
        quality("sr", "affine", 0.0),
        images("sr", "affine", 1, 1, "embedded/noise-3"),
    )
    code, _, err = invbench("reproduce", "families", "--results", made.root)
    picture = made.root.parent / "docs/families.png"
    assert code == 0 and "docs/families.png" in err.replace("\n", "")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_one_artefact_that_cannot_be_made_does_not_stop_the_others(invbench, study, monkeypatch):
    def make(_):
        raise UsageError("other photographs than today")

    monkeypatch.setattr("invbench.studies.hong2023.artefacts.theory.make", make)
    root = study().root
    code, out, _ = invbench("reproduce", "theory", "verdict", "--results", root, "--json")
    said = {d["artefact"]: d["missing"] for d in json.loads(out)}
    assert code == 2 and said == {"theory": "other photographs than today", "verdict": ""}
    assert not (root / "paper/theory.md").exists()


def test_a_sweep_that_is_complete_trains_nothing_and_keeps_its_bytes(study, monkeypatch):
    stored = Path(__file__).resolve().parents[2] / "results/paper/toy_sweep.csv"
    if not stored.is_file():
        pytest.skip("results lie beside the tests in a checkout")
    monkeypatch.setattr(toy_sweep, "one_toy", lambda *_: pytest.fail("trained"))
    made = study()
    (made.root / "paper").mkdir()
    # as if they were of today's couplings
    rows = pd.read_csv(stored, dtype=str, keep_default_na=False)
    rows["digest"] = [resolve(name).digest for name in rows.design]
    rows.to_csv(made.root / "paper/toy_sweep.csv", index=False)
    (made.root / "paper/toy_sweep.md").write_bytes(stored.with_suffix(".md").read_bytes())
    before = (made.root / "paper/toy_sweep.csv").read_bytes()
    written = reproduce("toy_sweep", made)
    assert written.text.read_text() == stored.with_suffix(".md").read_text()
    assert (made.root / "paper/toy_sweep.csv").read_bytes() == before
