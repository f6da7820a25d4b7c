"""Layers of JAX, sound and with planted faults, as small functions of one event. jax is imported
when one is built."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.support.faults.layers import Planted

TANH = {"codomain": "interval(-1, 1)"}


def _tools() -> tuple[Any, Any, Any]:
    import jax
    import jax.numpy as jnp

    import invbench

    return jax, jnp, invbench.adapt_jax


def scaled(seed: int, **how: Any) -> Any:
    """Sound: z = x·exp(s); log_det for each element, or of rows."""
    jax, jnp, adapt = _tools()
    s = jax.random.normal(jax.random.key(seed), (4,)) / 3
    rows = how.get("batched", False)

    def log_det(s: Any, v: Any) -> Any:
        return jnp.broadcast_to(s.sum(), v.shape[:1]) if rows else s

    return adapt(
        lambda s, x: (x * jnp.exp(s), log_det(s, x)),
        lambda s, z: (z * jnp.exp(-s), log_det(-s, z)),
        params=s,
        **how,
    )


def coupling(seed: int) -> Any:
    """Sound: a conditional affine coupling of flowjax's form, one event, a pytree of weights."""
    jax, jnp, adapt = _tools()
    keys = jax.random.split(jax.random.key(seed), 2)
    params = {"w": jax.random.normal(keys[0], (4, 4)) / 2, "v": jax.random.normal(keys[1], (4, 4))}

    def heads(p: Any, kept: Any, cond: Any) -> Any:
        out = jnp.tanh(jnp.concatenate((kept, cond)) @ p["w"]) @ p["v"] / 2
        return jnp.tanh(out[:2]), out[2:]

    def forward(p: Any, x: Any, cond: Any) -> Any:
        s, t = heads(p, x[:2], cond)
        return jnp.concatenate((x[:2], x[2:] * jnp.exp(s) + t)), s.sum()

    def inverse(p: Any, z: Any, cond: Any) -> Any:
        s, t = heads(p, z[:2], cond)
        return jnp.concatenate((z[:2], (z[2:] - t) * jnp.exp(-s))), -s.sum()

    return adapt(forward, inverse, params=params)


def indexed(seed: int) -> Any:
    """Sound: a permutation by index arrays of NumPy, which are int64, as bijx has them."""
    jax, jnp, adapt = _tools()
    order = np.random.default_rng(seed).permutation(4)
    params = {"s": jax.random.normal(jax.random.key(seed), (4,)) / 3, "there": order}
    params["back"] = np.argsort(order)
    return adapt(
        lambda p, x: ((x * jnp.exp(p["s"]))[p["there"]], p["s"].sum()),
        lambda p, z: (z[p["back"]] * jnp.exp(-p["s"]), -p["s"].sum()),
        params=params,
    )


def dequantised(seed: int) -> Any:
    """Sound: whole numbers with uniform noise, a key for each row."""
    jax, jnp, adapt = _tools()
    return adapt(
        lambda x, key: (jnp.floor(x) + jax.random.uniform(key, x.shape, x.dtype), jnp.zeros(())),
        lambda z, key: (jnp.floor(z), jnp.zeros(())),
        key="torch",
    )


def branching(seed: int) -> Any:
    """Sound, but a branch looks at a number, which jit and vmap cannot trace."""
    _, jnp, adapt = _tools()
    log_det = 4 * float(jnp.log(2.0))
    return adapt(
        lambda x: (2 * x if x[0] > 0 else x + x, log_det),
        lambda z: (z / 2 if z[0] > 0 else z * 0.5, -log_det),
    )


def counting(seed: int) -> Any:
    """Adds how often it was called: once when it is compiled, each time when it is not."""
    _, jnp, adapt = _tools()
    calls = [0]

    def forward(x: Any) -> Any:
        calls[0] += 1
        return x + 0.1 * calls[0], jnp.zeros(())

    return adapt(forward, lambda z: (z - 0.1, jnp.zeros(())))


def batch_rule(seed: int) -> Any:
    """Its own rule for vmap takes the mean of the batch away."""
    jax, jnp, adapt = _tools()

    @jax.custom_batching.custom_vmap
    def twice(x: Any) -> Any:
        return 2 * x

    @twice.def_vmap
    def rule(size: int, batched: Any, x: Any) -> Any:
        return 2 * x - x.mean(0) * (size > 1), True

    log_2 = jnp.log(2.0)
    return adapt(lambda x: (twice(x), 4 * log_2), lambda z: (z / 2, -4 * log_2))


def numerical_inverse(seed: int, faulty: bool) -> Any:
    """flowjax 208: the inverse by iteration returned the forward log_det. z = x + tanh(x)/2."""
    jax, jnp, adapt = _tools()

    def forward(x: Any) -> Any:
        t = jnp.tanh(x)
        return x + t / 2, jnp.log1p((1 - t * t) / 2).sum()

    def inverse(z: Any) -> Any:
        def newton(_: int, x: Any) -> Any:
            t = jnp.tanh(x)
            return x - (x + t / 2 - z) / (1 + (1 - t * t) / 2)

        x = jax.lax.fori_loop(0, 30, newton, z - jnp.tanh(z) / 3)
        log_det = forward(x)[1]
        return x, log_det if faulty else -log_det

    return adapt(forward, inverse)


def leaky_planar(seed: int, faulty: bool) -> Any:
    """flowjax 170: the slope of the leaky ReLU counted twice in the inverse log_det. 1 + s·wᵀu =
    (1 − s) + s·softplus(wᵀu₀)."""
    jax, jnp, adapt = _tools()
    params = jax.random.normal(jax.random.key(seed), (2, 4))

    def gain(p: Any, s: Any) -> Any:
        return (1 - s) + s * jax.nn.softplus(p[0] @ p[1])

    def scale(p: Any) -> Any:
        w, u = p
        return u + (jax.nn.softplus(w @ u) - 1 - w @ u) * w / (w @ w)

    def forward(p: Any, x: Any) -> Any:
        h = x @ p[0]
        s = jnp.where(h < 0, 0.1, 1.0)
        return x + s * h * scale(p), jnp.log(gain(p, s))

    def inverse(p: Any, z: Any) -> Any:
        h = z @ p[0]
        s = jnp.where(h < 0, 0.1, 1.0)
        return z - s * h / gain(p, s) * scale(p), -jnp.log(gain(p, s * s if faulty else s))

    return adapt(forward, inverse, params=params)


def masked_conditional(seed: int, faulty: bool) -> Any:
    """flowjax 147: the hidden units of a conditional masked net have ranks from 0 on, the condition
    has rank −1, and no path leads from it to the first output; ranks from −1 on mend it."""
    jax, jnp, adapt = _tools()
    size, hidden, cond_size = 3, 12, 2
    keys = jax.random.split(jax.random.key(seed), 2)
    params = {
        "w": jax.random.normal(keys[0], (hidden, size + cond_size)) / 2,
        "v": jax.random.normal(keys[1], (2, size, hidden)) / 4,
    }
    inputs = jnp.concatenate((jnp.arange(size), jnp.full(cond_size, -1)))
    units = jnp.arange(hidden) % size - (0 if faulty else 1)
    outputs = jnp.arange(size)

    def heads(p: Any, x: Any, cond: Any) -> Any:
        below = jnp.concatenate((x, cond))
        h = jnp.tanh((p["w"] * (units[:, None] >= inputs)) @ below)
        log_s, t = (p["v"] * (outputs[:, None] > units)) @ h
        return jnp.tanh(log_s), t

    def forward(p: Any, x: Any, cond: Any) -> Any:
        log_s, t = heads(p, x, cond)
        return x * jnp.exp(log_s) + t, log_s.sum()

    def inverse(p: Any, z: Any, cond: Any) -> Any:
        x = jnp.zeros_like(z)
        for _ in range(size):
            log_s, t = heads(p, x, cond)
            x = (z - t) * jnp.exp(-log_s)
        return x, -heads(p, x, cond)[0].sum()

    return adapt(forward, inverse, params=params)


def static_first(seed: int, faulty: bool) -> Any:
    """flowjax pull request 148: what was kept at the start goes before the weights that are handed
    in, so that training moves nothing."""
    jax, jnp, adapt = _tools()
    start = {"s": jax.random.normal(jax.random.key(seed), (4,)) / 3}

    def merged(p: Any) -> Any:
        return {**p, **start}["s"] if faulty else {**start, **p}["s"]

    return adapt(
        lambda p, x: (x * jnp.exp(merged(p)), merged(p).sum()),
        lambda p, z: (z * jnp.exp(-merged(p)), -merged(p).sum()),
        params=start,
    )


def block_autoregressive(seed: int, faulty: bool) -> Any:
    """flowjax 102: tanh in a monotone net leaves only an interval of R; a line beyond ±3 mends
    it. One hidden unit for each element: z = w·f(a x + b)."""
    jax, jnp, adapt = _tools()
    params = jax.random.normal(jax.random.key(seed), (3, 4)) / 3
    edge = 3.0
    height, slope = float(jnp.tanh(edge)), float(1 - jnp.tanh(edge) ** 2)

    def log_slope(v: Any) -> Any:
        return 2 * (jnp.log(2.0) - v - jax.nn.softplus(-2 * v))

    def activation(v: Any) -> Any:
        if faulty:
            return jnp.tanh(v), log_slope(v)
        inner, far = jnp.clip(v, -edge, edge), jnp.abs(v) > edge
        line = jnp.sign(v) * (height + slope * (jnp.abs(v) - edge))
        return jnp.where(far, line, jnp.tanh(inner)), jnp.where(
            far, jnp.log(slope), log_slope(inner)
        )

    def undone(y: Any) -> Any:
        if faulty:
            return jnp.arctanh(y)
        inner, far = jnp.clip(y, -height, height), jnp.abs(y) > height
        line = jnp.sign(y) * (edge + (jnp.abs(y) - height) / slope)
        return jnp.where(far, line, jnp.arctanh(inner))

    def forward(p: Any, x: Any) -> Any:
        y, log = activation(jnp.exp(p[0]) * x + p[1])
        return jnp.exp(p[2]) * y, (log + p[0] + p[2]).sum()

    def inverse(p: Any, z: Any) -> Any:
        x = (undone(z * jnp.exp(-p[2])) - p[1]) * jnp.exp(-p[0])
        return x, -forward(p, x)[1]

    return adapt(forward, inverse, params=params)


def tanh(seed: int, faulty: bool) -> Any:
    """distrax 7: log(1 − tanh²) is −inf from |x| = 9 on."""
    jax, jnp, adapt = _tools()

    def log_det(x: Any) -> Any:
        if faulty:
            return jnp.log(1 - jnp.tanh(x) ** 2).sum()
        return 2 * (jnp.log(2.0) - x - jax.nn.softplus(-2 * x)).sum()

    def inverse(z: Any) -> Any:
        x = jnp.arctanh(z)
        return x, -log_det(x)

    return adapt(lambda x: (jnp.tanh(x), log_det(x)), inverse)


# law -> layers of JAX that it must kill
JAX_MUTANTS: dict[str, dict[str, Planted]] = {
    "jax-jit": {"counting": Planted(counting)},
    "jax-vmap": {"batch-rule": Planted(batch_rule)},
    "jax-jit-supported": {"branching": Planted(branching)},
    "jax-vmap-supported": {"branching": Planted(branching)},
}
SOUND_JAX: dict[str, Planted] = {
    "scaled": Planted(scaled),
    "scaled-rows": Planted(lambda seed: scaled(seed, batched=True)),
    "coupling": Planted(coupling, cond_shape=(2,), declared={"untouched": (0, 1)}),
    "indexed": Planted(indexed),
    "dequantised": Planted(dequantised, declared={"stochastic": True, "domain": "integers(0, 9)"}),
    "branching": Planted(branching),
}
# report → (factory of (seed, faulty), what Planted gets beside it, the law that tells them apart)
REPORTED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "flowjax 208": (numerical_inverse, {}, "inverse-log-det"),
    "flowjax 170": (leaky_planar, {}, "inverse-log-det"),
    "flowjax 147": (
        masked_conditional,
        {"event_shape": (3,), "cond_shape": (2,)},
        "condition-reaches",
    ),
    "flowjax 148": (static_first, {}, "state-dict"),
    "flowjax 102": (block_autoregressive, {}, "surjective"),
    "distrax 7": (tanh, {"declared": TANH}, "log-det-accuracy"),
}
