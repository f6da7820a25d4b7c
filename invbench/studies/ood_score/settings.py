"""What the study measures, and which scores it asks."""

from __future__ import annotations

from invbench.measures.ood_score import POOLINGS

DESIGNS = ("affine", "affine-floor", "additive", "modified-rq")
DATASETS = ("embedded", "BSD100", "Set14", "Urban100")  # changed by every family
CLEAN_ONLY = ("DIV2K_crops256",)  # the paper's Fig. 4a is on DIV2K's validation set
CROP, SAMPLES, TEMPERATURE, SEED = 64, 10, 0.9, 0  # samples are drawn as in the track sr
TRAINING_STEPS = 128  # the first 1 024 patches that the flow was trained on
SCORES = {
    f"{p}{'' if centred else '-printed'}": (p, centred)
    for p in POOLINGS
    for centred in (True, False)
}
CONTROLS = ("pixels-flat", "pixels-worst", "contrast")  # of y itself, without the encoder
READINGS = ("flat", "worst", "mean")
HEADLINE = READINGS[0]  # eq. 11 to the letter
FEWEST = 10  # failing, and not failing, inputs below which nothing is concluded
CROPS, PHOTOGRAPHS = 3, 3  # clean crops of a photograph; photographs of a data set that are changed
