"""An unregistered object, as it is named: a class, a factory, an instance, a Transform, a
distribution."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Transform

from invbench.adapters.conventions import drawn, has_directions
from invbench.adapters.generic import Adapted, AdaptedTransform, adapt
from invbench.adapters.guessed_shapes import parameters_of, with_shapes
from invbench.adapters.transform import copy_of
from invbench.declaration import Declaration
from invbench.errors import UsageError
from invbench.registry import Registered, origin

__all__ = ["Plain", "is_plain", "plain_entry"]


@dataclass(eq=False)
class Plain:
    """A factory ``make(seed, **options)``. ``habits``: the conventions of the first one made, so
    that all are called alike."""

    subject: Any
    module: ModuleType  # in which it was named
    name: str
    kind: str = "layer"
    given: tuple[str, ...] = ()
    latent_shape: Any = None
    habits: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.__doc__ = inspect.getdoc(self.source)
        self.__wrapped__ = self.source  # where it is defined

    @property
    def source(self) -> Any:
        """What the user wrote: a class or a function, or the module that made an instance."""
        return self.subject if _makes(self.subject) else self.module

    def __call__(self, seed: int = 0, **options: Any) -> Any:
        made = built(self.subject, seed, options)
        return made if self.kind == "distribution" else self.adapted(made)

    def adapted(self, made: Any) -> nn.Module:
        """An object with the interface of a layer."""
        module = adapt(made)
        if isinstance(module, (Adapted, AdaptedTransform)):
            module.given = self.given
        if isinstance(module, Adapted):
            module.latent_shape = self.latent_shape
            module.conventions = module.conventions or self.habits
        elif isinstance(module, AdaptedTransform):
            module.returns = self.habits
        return module

    def construction(self, options: Mapping[str, Any]) -> tuple[str, str]:
        """(import, expression) that make the user's own object without invbench."""
        name, where = self.name, self.module
        shown = dict(options)
        if _makes(self.subject) and "seed" in parameters_of(self.subject):
            shown.setdefault("seed", 20231001)
        arguments = ", ".join(f"{k}={v!r}" for k, v in shown.items())
        call = f"({arguments})" if _makes(self.subject) else ""
        if where.__name__.startswith("invbench_target_") and where.__file__:
            return "import runpy", f"runpy.run_path({where.__file__!r})[{name!r}]{call}"
        return f"from {where.__name__} import {name}", f"{name}{call}"


def _makes(obj: Any) -> bool:
    """Whether it is a class or a function that makes one, rather than an instance."""
    return inspect.isclass(obj) or inspect.isfunction(obj)


def is_plain(obj: Any) -> bool:
    """Whether it can be tested as it is."""
    if inspect.isclass(obj):
        return (
            issubclass(obj, (nn.Module, Transform, Distribution))
            or _samples(obj)
            or has_directions(obj)
        )
    return inspect.isfunction(obj) or isinstance(obj, (nn.Module, Transform)) or _samples(obj)


def _samples(obj: Any) -> bool:
    lazy = any(
        c.__name__ == "LazyDistribution"
        for c in (obj if inspect.isclass(obj) else type(obj)).__mro__
    )
    return lazy or all(callable(getattr(obj, name, None)) for name in ("log_prob", "sample"))


def built(subject: Any, seed: int, options: Mapping[str, Any]) -> Any:
    """One of it. An instance is copied. ``seed`` is passed where the signature has it; torch's
    generator is seeded anyway."""
    if not _makes(subject):
        return copy_of(subject) if isinstance(subject, Transform) else copy.deepcopy(subject)
    asks = "seed" in parameters_of(subject) and "seed" not in options
    return subject(**options, **({"seed": seed} if asks else {}))


def plain_entry(
    spec: str,
    name: str,
    module: ModuleType,
    kinds: tuple[str, ...],
    options: dict[str, Any],
    declared: Mapping[str, Any],
) -> Registered[Any]:
    """The entry of an unregistered object in a module: kind ``layer`` or ``distribution``, metadata
    as ``Declaration`` takes it.

    Builds one of it and calls a copy of that. Raises ``UsageError`` that says what is missing and
    what to write.
    """
    obj = getattr(module, name)
    _bindable(spec, name, obj, options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            made = built(obj, 0, options)
        except UsageError:
            raise
        except Exception as error:  # a stranger's constructor may raise anything
            raise UsageError(f"{name!r} ({spec}) cannot be built: {_short(error)}") from error
    if _samples(made) and "distribution" in kinds:
        Declaration.of(name, declared)
        flow = Plain(obj, module, name, "distribution")
        return Registered(name, "distribution", flow, origin(flow), dict(declared))
    if "layer" not in kinds or not (isinstance(made, Transform) or has_directions(made)):
        what = "a distribution" if _samples(made) else f"a {type(made).__name__}"
        raise UsageError(
            f"{spec} is {what}, no {' or '.join(kinds)}: name a module with forward and inverse "
            f"(or encode and decode, or a flag "
            "reverse), a Transform, something with log_prob and sample, or a factory make(seed) "
            "of one"
        )
    metadata, guesses = with_shapes(spec, name, made, obj, options, dict(declared))
    factory = Plain(obj, module, name, "layer", tuple(guesses), metadata.get("latent_shape"))
    layer = factory.adapted(made)
    metadata |= {k: v for k, v in _probed(name, layer, metadata).items() if metadata.get(k) is None}
    factory.habits = (
        layer.conventions if isinstance(layer, Adapted) else getattr(layer, "returns", None)
    )
    Declaration.of(name, metadata)
    return Registered(name, "layer", factory, origin(factory), {"cond_shape": None, **metadata})


def _probed(name: str, module: nn.Module, metadata: dict[str, Any]) -> dict[str, Any]:
    """What the adapter declares after a call inside the declared spaces."""
    assert isinstance(module, (Adapted, AdaptedTransform))
    said = Declaration.of(
        name, {**(module.declares if isinstance(module, AdaptedTransform) else {}), **metadata}
    )
    x, cond = drawn(said.event_shape, said.domain), drawn(said.cond_shape, said.condition, seed=1)
    module.eval()
    reference = next((p for p in module.parameters() if p.is_floating_point()), None)
    module.probe(_like(x, reference), _like(cond, reference))
    declares = dict(module.declares)
    if isinstance(module, AdaptedTransform) and isinstance(x, Tensor):
        with torch.no_grad():
            value = module(_like(x, reference), _like(cond, reference))[0]
        if value.shape != x.shape:
            declares["latent_shape"] = tuple(value.shape[1:])
    return declares


def _like(value: Any, reference: Tensor | None) -> Any:
    if reference is None or value is None:
        return value
    return [_like(v, reference) for v in value] if isinstance(value, list) else value.to(reference)


def _bindable(spec: str, name: str, obj: Any, options: dict[str, Any]) -> None:
    if not _makes(obj):
        if options:
            raise UsageError(f"{spec}: {name!r} is an instance, which takes no options")
        return
    needed = [
        p.name
        for p in parameters_of(obj).values()
        if p.default is p.empty
        and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        and p.name not in (*options, "seed")
    ]
    if needed:
        bare = spec.partition("(")[0]
        shown = [f"{k}={v!r}" for k, v in options.items()] + [f"{k}=…" for k in needed]
        raise UsageError(
            f"{name!r} ({spec}) needs {', '.join(needed)}; write '{bare}({', '.join(shown)})', "
            f"or a factory make(seed) "
            "that builds it"
        )
    try:
        inspect.signature(obj).bind_partial(**options)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name!r} ({spec}) does not take {options}: {error}") from None


def _short(error: Exception) -> str:
    return (
        f"{type(error).__name__}: {str(error).splitlines()[0][:160] if str(error) else ''}".rstrip(
            ": "
        )
    )
