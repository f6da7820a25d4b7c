"""The paper's Table 1, cell by cell, beside made-up cells of ours."""

from __future__ import annotations

from invbench.store.store import Store
from invbench.studies.hong2023.beside import BOUNDED, GUARDED, beside
from invbench.studies.study import Study
from tests.support.made_study import images, of_flow


def test_every_cell_of_the_paper_has_a_number_or_says_why_not(tmp_path):
    quality = {"lr_psnr_min": [41.0] * 12, "lr_psnr_std": [0.5] * 12}
    clean = "DIV2K_crops256/clean"
    store = Store(tmp_path)
    store.write(of_flow(images("sr", "affine", 2, 3, clean, **quality), "fs_ncsr", "mini-8x"))
    store.write(
        of_flow(images("sr", BOUNDED, 0, 0, clean, **quality), "fs_ncsr(split=bounded)", "mini-8x")
    )
    store.write(of_flow(images("cures", GUARDED, 0, 0, clean, **quality), "fs_ncsr"))
    store.write(images("sr", "modified-rq", 0, 1, "embedded/eurban-3", **quality))
    found = beside(Study(tmp_path)).set_index(["paper's data", "design"])
    assert len(found) == 13
    eight = found.loc["DIV2K 8×"]
    assert eight.loc["affine", "%Inf"].startswith("16.7 %") and eight.loc["affine", "n"] == 12
    assert (
        eight.loc["affine", "min, dB"].startswith("41.00") and eight.loc["affine", "σ "] == "0.461"
    )
    assert eight.loc[BOUNDED, "%Inf"].startswith("0.0 %") and eight.loc[BOUNDED, "model"] == ""
    assert eight.loc["affine-floor", "%Inf"] == eight.loc[GUARDED, "%Inf"] == "not measured"
    assert found.loc["DIV2K 4×"].loc[GUARDED, "σ, dB"].startswith("0.500")
    sharp = found.loc["EUrban100 4×"].loc["modified-rq"]
    assert (sharp["error"][:3], sharp["min, dB"], sharp["min "]) == ("8.3", "— ¹", "44.70")
