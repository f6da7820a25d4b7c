"""A seed gives the same bits in every process, and neither the batch nor the place in it changes
one; for each check, corruptions that fail it."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys

import pytest
import torch

import invbench  # noqa: F401  registers the corruptions
from invbench.corruptions import Batch, corrupt, corruption
from invbench.data.datasets import Pair
from invbench.data.resample import bicubic, quantise
from invbench.registry import CORRUPTIONS
from invbench.uniform import uniform

CASES = [
    (name, s)
    for name, entry in CORRUPTIONS.items()
    for s in range(1, len(entry.metadata["strengths"]) + 1)
]
LARGE = 128  # above 2¹⁵ values, from which on torch shares an operation among threads


def random_pair(height, width, seed):
    high = torch.rand(3, 4 * height, 4 * width, generator=torch.Generator().manual_seed(seed))
    return Pair(f"random {seed}", high, quantise(bicubic(high, 1 / 4)))


# each breaks one promise


def of_the_batch(batch: Batch):
    """y less the mean over the batch."""
    return batch.low - batch.low.mean()


def of_the_place(batch: Batch):
    """Noise by the place in the batch instead of the index of the image."""
    fields = [
        torch.from_numpy(uniform(batch.seed, k, (batch.low[0].numel(),)))
        for k in range(len(batch.low))
    ]
    return batch.low + torch.stack(fields).to(batch.low).reshape(batch.low.shape)


def of_the_state(batch: Batch):
    """Noise from the generator that everybody shares."""
    return batch.low + torch.rand_like(batch.low)


def of_the_process(batch: Batch):
    """Something that Python salts anew in every process."""
    return batch.low * (1 + hash("salt") % 1000)


def of_the_threads(batch: Batch):
    """Something that depends on how many threads there are."""
    return batch.low * torch.get_num_threads()


BATCH_FAULTS = (of_the_batch, of_the_place, of_the_state)
RUN_FAULTS = (of_the_state, of_the_process, of_the_threads)


def plant(faults):
    for change in faults:
        corruption(change.__name__, (1.0,))(change)


@pytest.fixture
def planted():
    with CORRUPTIONS.restored():
        plant(BATCH_FAULTS)
        yield


def differing(name, severity, pairs):
    """Images whose bits depend on the batch: in twos, in reverse and alone, against all
    together."""
    places = range(len(pairs))
    together = corrupt(name, severity, pairs, 3)
    in_twos = corrupt(name, severity, pairs, 3, batch=2)
    reversed_ = corrupt(name, severity, pairs[::-1], 3, indices=places[::-1])[::-1]
    alone = [corrupt(name, severity, [pair], 3, indices=[k])[0] for k, pair in enumerate(pairs)]
    return [
        k
        for k in places
        if any(not torch.equal(found[k], together[k]) for found in (in_twos, reversed_, alone))
    ]


def test_streams_are_pinned():
    assert uniform(7, 1002, (2,)).tolist() == [0.11280650515572876, 0.8239183430339853]


@pytest.mark.parametrize(("name", "severity"), CASES)
def test_neither_the_batch_nor_the_place_in_it_changes_a_bit(name, severity):
    assert differing(name, severity, [random_pair(17, 13, k) for k in range(5)]) == []


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_nor_does_it_in_large_images(name):
    severity = min(3, len(CORRUPTIONS[name].metadata["strengths"]))
    assert differing(name, severity, [random_pair(LARGE, LARGE, k) for k in range(3)]) == []


@pytest.mark.parametrize("change", BATCH_FAULTS, ids=lambda change: change.__name__)
def test_a_corruption_that_depends_on_the_batch_is_noticed(planted, change):
    assert differing(change.__name__, 1, [random_pair(17, 13, k) for k in range(5)])


def digests(order, threads):
    """Of the results of every case, small and large, as JSON on standard output; what is run in a
    process of its own."""
    torch.set_num_threads(threads)
    torch.manual_seed(threads)
    plant(RUN_FAULTS)
    small, large = [random_pair(32, 32, k) for k in range(2)], [random_pair(LARGE, LARGE, 2)]
    tasks = [(name, s, small) for name, s in CASES] + [
        (name, s, large) for name, s in CASES if s == 3
    ]
    tasks += [(change.__name__, 1, small) for change in RUN_FAULTS]
    random.Random(order).shuffle(tasks)
    found = {}
    for name, severity, pairs in tasks:
        changed = corrupt(name, severity, pairs, 3)
        data = b"".join(image.numpy().tobytes() for image in changed)
        found[f"{name} {severity} {changed[0].shape[-1]}"] = hashlib.sha256(data).hexdigest()
    print(json.dumps(found))


def test_a_seed_gives_the_same_bits_in_every_process_whatever_ran_before_and_on_any_number_of_threads():
    runs = []
    for k in (1, 2):
        command = [sys.executable, "-c", f"from {__name__} import digests; digests({k}, {k})"]
        environment = os.environ | {
            "PYTHONHASHSEED": str(k),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        runs.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
    first, second = (json.loads(run.communicate(timeout=300)[0]) for run in runs)
    assert first.keys() == second.keys()
    assert len(first) >= len(CASES) + len(CORRUPTIONS) - 1 + len(RUN_FAULTS)
    differ = {case.split()[0] for case in first if first[case] != second[case]}
    assert differ == {change.__name__ for change in RUN_FAULTS}
