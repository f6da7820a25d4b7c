"""The faults of the corpus: the public report that each rebuilds, its class, and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FAULTS", "NO_REPORT", "Fault"]

NO_REPORT = "class of fault, no report found"


@dataclass(frozen=True)
class Fault:
    """A faulty layer and its corrected version; ``report`` is owner/repository#number."""

    faulty: str
    fixed: str
    report: str
    what: str
    kind: str


# name of the case | report | class of fault | what is wrong
_TABLE = """
maf-inverse-sign | ikostrikov/pytorch-flows#16 | wrong sign
  The inverse of an autoregressive layer returns the forward log-det.
center-and-scale | Information-Fusion-Lab-Umass/NuX#10 | wrong sign
  A constant scale returns one log-det for both directions.
spline-inverse-sign | facebookincubator/flowtorch#100 | wrong sign
  The inverse of a spline returns plus its log-slope; the tests compared cached values.
standardise-sign | bayesflow-org/bayesflow#471 | wrong sign
  The log of the standard deviation has the wrong sign in both directions.
logistic-cdf-sign | tensorflow/tensorflow#10131 | wrong sign
  The log-CDF of the logistic has the wrong sign, and the log-slope built from it too.
leaky-relu-negative | MachineLearningLifeScience/stochman#13 | missing term
  The Jacobian of a leaky ReLU leaves out the slope of negative inputs.
log-of-signed-det | aesara-devs/aeppl#111 | NaN for det < 0
  The log of the determinant is taken without the absolute value.
negative-scale | mj-will/nessai#76 | NaN for det < 0
  The log of a scale that may be negative is NaN.
batchnorm-pixels | tensorflow/probability#238 | missing spatial factor
  The log-det of a batch norm on images counts each channel once instead of H·W times.
fuzz-constant | mj-will/nessai#105 | missing term
  The constant of the fuzz factor of a logit is missing in both log-dets.
alpha-not-undone | phlippe/uvadlc_notebooks#57 | eps in one direction
  Data shrink before the logit, and the way back neither grows them nor counts it.
accumulator-overwritten | tensorflow/models#7465 | missing term
  On the way back the log-det of each layer overwrites the sum instead of adding to it.
log-of-product | ndeutschmann/zunis#28 | underflow in the log-det
  The log of the product of the slopes underflows where the sum of logs does not.
log-of-tiny-det | pytorch/pytorch#18448 | underflow in the log-det
  The determinant of a small matrix is 0 in float32, its log minus infinity.
raw-diagonal | danielward27/flowjax#40 | wrong factor
  The log-det of a triangular map is wrong; here it reads the diagonal before its constraint.
centred-softmax | pymc-devs/pymc#4129 | missing term
  The log of the number of parts is missing in the determinant of a simplex transform.
l1-ball | pyro-ppl/numpyro#1090 | wrong factor
  A radial map into a ball counts the radial slope alone, not that of the other directions.
sd-for-precision | aknandi/disaggregation#60 | wrong factor
  The Jacobian is that of the log standard deviation, the variable the log precision.
argument-of-log-det | aesara-devs/aeppl#30 | wrong argument
  The log-det is evaluated at the transformed value instead of the original one.
covariance-product | stan-dev/docs#654 | wrong factor
  A product is written for a sum in the log-Jacobian of Cholesky factor to covariance.
counted-per-element | pymc-devs/pymc#800 | wrong factor
  The log-det that is summed over the elements is added to each element.
kept-dimension | pymc-devs/pymc#5660 | log-det of wrong shape
  A kept dimension broadcasts the log-det to (B, B), unseen for one row.
leading-one | VincentStimper/normalizing-flows#17 | log-det of wrong shape
  The log-det has shape (1, B).
summed-over-batch | sbi-benchmark/sbibm#10 | batch mixing
  A log-det that is summed already is summed again, over the rows.
stack-transform | pytorch/pytorch#121220 | log-det of wrong shape
  A stack of scalar transforms has a log-det per element although its event is a vector.
float32-time | facebookresearch/flow_matching#37 | float32 in float64
  The time fed to a network is float32, and float64 data raise.
float32-log-det | pyro-ppl/pyro#1795 | float32 in float64
  The log-det is float32 for float64 data.
shift-after-scale | li012589/neuralCT#1 | wrong inverse
  The inverse takes the shift off after the scale instead of before it.
inverse-calls-forward | sbi-dev/sbi#1865 | wrong inverse
  By a typo the inverse calls the forward direction.
interleaved-halves | karpathy/pytorch-normalizing-flows#10 | wrong inverse
  A layer splits even and odd elements and joins them as two halves.
made-sampling-order | rll/deepul#10 | masks with wrong order
  Sampling takes the ranks of an ordering for positions.
condition-forgotten | rll/deepul#7 | condition ignored in one direction
  The root search of the inverse calls the flow without its condition.
hierarchy-reads-output | WeichenFan/HierarchyFlow#2 | wrong inverse
  The reverse pass feeds a block with the output where the recovered input is needed.
input-returned | p0p4k/vits2_pytorch#45 | wrong forward
  The coupling returns its input beside the log-det of the result it threw away.
two-clamps | slimgroup/InvertibleNetworks.jl#123 | clamped scale
  The clamp of the log-scale is another function in forward than in inverse.
unsqueeze-even | slimgroup/InvertibleNetworks.jl#43 | shape assumption
  The inverse of a squeeze refuses small images of odd size.
half-drawn-anew | rosinality/glow-pytorch#45 | wrong inverse
  The reverse pass draws the half that left early instead of using it.
odd-depth | kazewong/flowMC#18 | masks with wrong order
  The inverse of a chain of alternating masks is right for an even number of layers only.
clamped-atanh | EmbarkStudios/emote#118 | clamp in one direction
  The inverse of tanh clamps its argument, so large inputs do not come back.
planar-norm | pyro-ppl/pyro#2192 | no bijection
  The constraint of a planar layer divides by the norm instead of its square, and the map folds.
inverse-needs-cache | pyro-ppl/pyro#1890 | inverse needs the cache of forward
  The inverse raises for values that forward has not returned before.
unsaved-permutation | ikostrikov/pytorch-flows#17 | state not in the state_dict
  A random permutation is no part of the state_dict.
actnorm-after-load | vislearn/FrEIA#33 | initialised again
  An ActNorm that is loaded initialises itself from the next batch.
whitener-after-load | cweniger/falcon#115 | initialised again
  A loaded moving average starts anew at the first training batch.
dropout-in-block | tychovdo/RevGAN#1 | dropout
  Dropout inside a reversible block makes it another map at each call in training.
moving-statistics | RobinBruegger/RevTorch#13 | training mode only
  Running statistics move again when a block is run again on the way back.
pickled-inverse | pytorch/pytorch#191370 | copies and pickles
  A pickled or copied inverse has lost the transform that it inverts.
norm-in-training-only | jarrelscy/iResnet#2 | iteration does not converge
  The spectral norm is applied in training only, and the fixed point fails in eval.
gradient-from-cache | pytorch/pytorch#59822 | gradient detached
  An inverse that answers from its cache has another gradient for the parameters.
lkj-one-minus-squares | TuringLang/Bijectors.jl#279 | cancellation
  What is left of a row of length 1 is computed as 1 minus squares, which goes negative.
stick-one-minus-sum | TuringLang/Bijectors.jl#7 | cancellation
  What is left of the stick is computed as 1 minus the parts that are gone.
sigmoid-reciprocals | pytorch/pytorch#19802 | saturation in the log-det
  The log-slope of a sigmoid is computed from its rounded value.
softplus-overflows | GPflow/GPflow#302 | naive softplus
  The positive transform overflows to infinity for large inputs.
softplus-inverse-overflows | cornellius-gp/gpytorch#775 | naive softplus
  The inverse of softplus overflows for large values.
softplus-vanishes | sims1253/bayesfam#31 | naive softplus
  Softplus is 0 for moderately negative inputs, and its inverse minus infinity.
clamped-sigmoid | manuhuth/NoLimits.jl#337 | clamp in one direction
  The argument of a sigmoid is clamped, and the log-Jacobian is that of the unclamped map.
wrong-backward-rule | TuringLang/Bijectors.jl#434 | wrong custom gradient
  A hand-written reverse rule of a bijector is wrong; the values are right.
softplus-backward | NVlabs/tiny-cuda-nn#130 | wrong custom gradient
  The hand-written backward of softplus is wrong; the values are right.
bisection-no-gradient | danielward27/flowjax#176 | gradient detached
  The inverse by bisection has no gradient.
in-place-loop | deeprob-org/deeprob-kit#33 | in-place change
  The sampling direction of MAF writes in place, and its backward raises.
in-place-half | chaiyujin/glow-pytorch#6 | in-place change
  The coupling adds its shift in place to a view of the input.
end-time-detached | rtqichen/ffjord#4 | gradient detached
  The learnt integration time never receives a gradient.
kept-graph | pyro-ppl/pyro#2545 | gradient of an old graph
  Parameters of a spline are computed once, and the second backward raises.
simplex-of-k | TuringLang/Bijectors.jl#263 | no bijection
  The last of K inputs of a simplex transform is not read.
prior-of-itself | rosinality/glow-pytorch#29 | wrong base density
  The split prior takes mean and scale from the very half that it scores.
fold | SauersML/gam#1361 | no bijection
  A map that is monotone on a grid of samples folds between them, and bisection finds another root.
one-element-condition | danielward27/flowjax#147 | condition ignored for an output
  The condition does not reach the first output of a masked network.
odd-split | htjb/margarine#74 | shape assumption
  Coupling layers assume an even number of elements.
flat-parameters | tensorflow/probability#941 | batch-size assumption
  A spline coupling works for one row and raises for two.
unwrapped-angle | unfoldtoolbox/unfold#133 | tails and edges
  Angles beyond the bounds of a circle are not wrapped.
time-runs-forward | jax-ml/jax#2817 | wrong inverse
  Going backwards, an integrator shows the field the wrong times.
asserted-discriminant | pyro-ppl/pyro#3139 | discriminant negative
  The inverse of a spline asserts the discriminant of values outside the box.
gradient-outside-box | danielward27/flowjax#239 | NaN gradient of a branch
  Outside the box the gradient of the inverse is NaN, from the branch that is not selected.
all-in-the-tails | bayesiains/nflows#23 | tails and edges
  A batch that lies outside the box as a whole raises.
swapped-knots | - | knots swapped
  The inverse of a spline looks for its bin among the knots of the input.
loose-bisection | - | iteration stops too early
  Bisection stops after ten steps, and no tolerance is declared.
not-onto | - | no bijection
  A monotone network ends in tanh, so most values have no preimage.
view-of-strided | - | non-contiguous view
  A view of rows that are not contiguous raises.
squeeze-one-row | - | batch-size assumption
  squeeze() drops the batch when it has one row.
order-for-argsort | - | permutation inverse wrong
  The inverse of a permutation applies the permutation again.
loose-mask | - | masks with wrong order
  A mask with >= lets an element set its own scale.
one-sided-eps | - | eps in one direction
  The inverse divides by scale + 1e-3.
always-dropout | - | dropout
  Functional dropout is active in eval mode.
single-constant | - | float32 in float64
  A constant of the log-det is rounded to float32.
batch-mean | - | batch mixing
  The mean of the batch is taken off in eval mode too.
"""


def _faults() -> dict[str, Fault]:
    lines = [line for line in _TABLE.splitlines() if line]
    found = {}
    for head, what in zip(lines[::2], lines[1::2], strict=True):
        name, report, kind = (part.strip() for part in head.split("|"))
        report = NO_REPORT if report == "-" else report
        found[name] = Fault(f"c-{name}-faulty", f"c-{name}-fixed", report, what.strip(), kind)
    return found


FAULTS: dict[str, Fault] = _faults()
