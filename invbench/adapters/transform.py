"""A ``torch.distributions.Transform`` with the interface of a layer, and with its networks and
constants as its own."""

from __future__ import annotations

import copy
import functools
import inspect
import types
from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor, nn
from torch.distributions import Distribution, Transform
from torch.distributions.transforms import _InverseTransform

from invbench.adapters.conventions import CLOSE, described, rows_of, undisturbed
from invbench.declaration import declared_by
from invbench.errors import UsageError

__all__ = ["AdaptedTransform", "Reversed", "copy_of"]

CACHES = ("_cached", "_inv")
NETWORK_DICTS = ("_parameters", "_buffers", "_modules")


class Reversed(Transform):
    """The inverse of a transform. Unlike torch's own it keeps its transform when it is copied."""

    def __init__(self, base: Transform) -> None:
        super().__init__()
        self.base = base

    @property
    def domain(self) -> Any:  # type: ignore[override]
        return self.base.codomain

    @property
    def codomain(self) -> Any:  # type: ignore[override]
        return self.base.domain

    @property
    def bijective(self) -> bool:  # type: ignore[override]
        return self.base.bijective

    @property
    def sign(self) -> Any:
        return self.base.sign

    def _call(self, x: Tensor) -> Tensor:
        return self.base._inv_call(x)

    def _inverse(self, y: Tensor) -> Tensor:
        return self.base(y)

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        return -self.base.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape: Any) -> Any:
        return self.base.inverse_shape(shape)

    def inverse_shape(self, shape: Any) -> Any:
        return self.base.forward_shape(shape)


class AdaptedTransform(nn.Module):
    """A torch ``Transform``. Forward is calling it, or its inverse when it is not
    ``towards_noise``.

    The networks and parameters inside become submodules, its constants buffers, so that state_dict,
    dtype and deep copies work. log_det is ``log_abs_det_jacobian(x, y)`` of the pair itself. Its
    cache of the last pair is switched off: an inverse that returns what it remembers proves
    nothing. ``declares``: the domain and codomain that it states.
    """

    def __init__(self, transform: Any, towards_noise: bool = False) -> None:
        super().__init__()
        if isinstance(transform, _InverseTransform):
            transform, towards_noise = transform._inv, not towards_noise
        elif isinstance(transform, Reversed):
            transform, towards_noise = transform.base, not towards_noise
        self.transform, self.towards_noise = _copyable(transform), towards_noise
        self.transforms = [t for _, _, t in _held(self.transform) if isinstance(t, Transform)] + [
            self.transform
        ]
        self.constants: list[tuple[str, Any, Any]] = []  # buffer, and where the transform keeps it
        owned = {id(p) for p in self.parameters()} | {id(m) for m in self.modules()}
        self.networks = nn.ModuleList()
        for holder, key, value in list(_held(self.transform)):
            if id(value) in owned:
                continue
            if isinstance(value, nn.Module):
                self.networks.append(value)
                owned |= {id(m) for m in value.modules()} | {id(p) for p in value.parameters()}
            elif isinstance(value, nn.Parameter):
                self.register_parameter(f"parameter_{len(self._parameters)}", value)
                owned.add(id(value))
            elif isinstance(value, Tensor) and value.is_leaf and _assignable(holder):
                name = f"constant_{len(self._buffers)}"
                self.register_buffer(name, value)
                self.constants.append((name, holder, key))
        for part in self.transforms:
            part._cache_size = 0
        self.given: tuple[str, ...] = ()
        # whether its inverse finds x again; None before that was tried
        self.returns: bool | None = None

    @property
    def silent(self) -> bool:
        """Whether a part has no log_det at all."""
        none = Transform.log_abs_det_jacobian
        return any(getattr(type(t), "log_abs_det_jacobian", None) is none for t in self.transforms)

    @property
    def one_way(self) -> bool:
        """Whether it is no bijection. One that states a log_det is meant as a bijection, whatever
        torch's default says."""
        if self.returns is not None:
            return not self.returns
        return self.silent and not getattr(self.transform, "bijective", True)

    @property
    def guesses(self) -> tuple[str, ...]:
        """One plain line for each guess."""
        name = type(self.transform).__name__
        lines = [f"{name} is no bijection: declared inverse='none'"] * self.one_way
        lines += [f"{name} has no log_abs_det_jacobian: declared log_det='none'"] * self.silent
        if not lines and not getattr(self.transform, "bijective", True):
            lines = [f"{name}.bijective is False, yet it has a log_det: taken to be a bijection"]
        return (*self.given, *lines)

    @property
    def declares(self) -> dict[str, Any]:
        """Domain and codomain as the transform states them, and what it lacks."""
        declares = declared_by(self.transform, self.towards_noise)
        declares |= {"log_det": "none"} if self.silent else {}
        return {**declares, "inverse": "none"} if self.one_way else declares

    def probe(self, x: Tensor, cond: Any = None) -> None:
        """Calls of a copy: can it be called, has it an inverse? Raises ``UsageError`` when it
        cannot be called."""
        name = type(self.transform).__name__
        with undisturbed(self) as trial:
            rows, conds = rows_of(x, 3), rows_of(cond, 3)
            try:
                out, log_det = trial._call(rows, conds, self.towards_noise)
            except Exception as error:  # a stranger's transform may raise anything
                given = f"x of shape {tuple(rows.shape)}"
                given += "" if cond is None else f" and a condition {described(conds)}"
                said = (
                    f"{type(error).__name__}: "
                    f"{str(error).splitlines()[0][:120] if str(error) else ''}"
                )
                raise UsageError(
                    f"{name} cannot be called with {given}: {said}; "
                    "correct event_shape (--event-shape), cond_shape or domain"
                ) from None
            if not isinstance(out, Tensor) or not isinstance(log_det, Tensor):
                raise UsageError(f"{name} returned {described((out, log_det))}, not two tensors")
            try:
                back = trial._call(out.detach(), conds, not self.towards_noise)[0]
            except NotImplementedError:
                self.returns = False
            except Exception:  # the laws will meet and judge it
                pass
            else:
                if not getattr(self.transform, "bijective", True) and self.silent:
                    self.returns = back.shape == rows.shape and bool(
                        (back - rows).abs().max() < CLOSE
                    )

    def call_text(self, argument: str, inverse: bool, layer: str = "layer") -> str:
        """The call of the user's own transform, as it would be written: ``layer.inv(z)``."""
        along = self.towards_noise != inverse
        return f"{layer}({argument})" if along else f"{layer}.inv({argument})"

    def forward(self, x: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._call(x, cond, self.towards_noise)

    def inverse(self, z: Tensor, cond: Tensor | None = None) -> tuple[Tensor, Tensor]:
        return self._call(z, cond, not self.towards_noise)

    def _call(self, v: Tensor, cond: Tensor | None, along: bool) -> tuple[Tensor, Tensor]:
        transform = self.transform if cond is None else self.transform.condition(cond)
        for part in (*self.transforms, transform):
            part._inv = None  # a weak reference, which a deep copy would share with the original
        if along:
            out = transform(v)
            return out, self._per_row(transform, v, out)
        out = transform.inv(v)
        log_det = self._per_row(transform, out, v)
        return out, -log_det

    def _per_row(self, transform: Any, x: Tensor, y: Tensor) -> Tensor:
        """What a transform states for each of its events or elements, summed. Any shape that it
        should not have is passed on."""
        if self.silent:
            return x.new_zeros(x.shape[0])
        log_det = transform.log_abs_det_jacobian(x, y)
        if not isinstance(log_det, Tensor):
            return x.new_full(x.shape[:1], float(log_det))
        if log_det.ndim == 0:
            return log_det.expand(x.shape[0])
        domain = getattr(transform, "domain", None)
        events = x.shape[: x.ndim - (domain.event_dim if domain is not None else 0)]
        return (
            log_det.flatten(1).sum(1)
            if log_det.ndim > 1 and log_det.shape in (events, x.shape)
            else log_det
        )

    def _apply(self, fn: Callable[..., Any], recurse: bool = True) -> AdaptedTransform:
        super()._apply(fn, recurse)
        for name, holder, key in self.constants:
            _assign(holder, key, self._buffers[name])
        return self


def _copyable(transform: Any) -> Any:
    """The transform, with torch's inverses replaced in its parts: they lose their transform when
    they are copied."""
    for holder, key, value in list(_held(transform)):
        if isinstance(value, _InverseTransform) and _assignable(holder):
            _assign(holder, key, Reversed(value._inv))  # type: ignore[arg-type]
    return transform


def copy_of(transform: Transform) -> Transform:
    """A deep copy; torch's own inverses would lose their transform."""
    if isinstance(transform, _InverseTransform) and transform._inv is not None:
        transform = Reversed(transform._inv)
    return copy.deepcopy(_copyable(transform))


def _assignable(holder: Any) -> bool:
    return isinstance(holder, (list, dict, Transform, Distribution)) or hasattr(holder, "condition")


def _assign(holder: Any, key: Any, value: Any) -> None:
    place = holder if isinstance(holder, (list, dict)) else holder.__dict__
    place[key] = value


def _held(transform: Any) -> Iterator[tuple[Any, Any, Any]]:
    """(holder, key, value) of the transforms, networks and tensors inside a transform, at any depth
    but not inside networks.

    Raises ``UsageError`` for a network in the closure of a function, which every copy would share.
    """
    seen: set[int] = {id(transform)}
    waiting: list[tuple[Any, Any, Any]] = _children(transform)
    while waiting:
        holder, key, value = waiting.pop(0)
        if id(value) in seen and not isinstance(value, Tensor):
            continue
        seen.add(id(value))
        if isinstance(value, (Transform, Tensor, nn.Module)):
            yield holder, key, value
        if isinstance(value, types.FunctionType):
            inside = [c.cell_contents for c in value.__closure__ or () if _filled(c)]
            if any(isinstance(v, (nn.Module, nn.Parameter)) for v in inside):
                raise UsageError(
                    f"{type(transform).__name__} holds a network in the closure of "
                    f"{value.__name__!r}, which a copy would share; "
                    "make the network an attribute of the transform"
                )
        else:
            waiting += _children(value)


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _children(value: Any) -> list[tuple[Any, Any, Any]]:
    """The parts of a transform, a list, a dictionary, a bound method or a partial."""
    if isinstance(value, _InverseTransform):
        return [(value, "_inv", value._inv)]
    if isinstance(value, Transform) or hasattr(value, "condition"):
        inside = {
            k: v
            for k, v in vars(value).items()
            if not k.startswith(CACHES) and k not in NETWORK_DICTS
        }
        modules = [
            (value, k, v)
            for k, v in getattr(value, "_modules", {}).items()
            if isinstance(v, Transform)
        ]
        return [(value, k, v) for k, v in inside.items()] + modules
    if isinstance(value, Distribution):
        return [(value, k, v) for k, v in vars(value).items() if not k.startswith("_")]
    if isinstance(value, (list, tuple)):
        return [(value, k, v) for k, v in enumerate(value)]
    if isinstance(value, dict):
        return [(value, k, v) for k, v in value.items()]
    if isinstance(value, nn.ModuleList):
        return [(value, k, v) for k, v in enumerate(value) if isinstance(v, Transform)]
    if inspect.ismethod(value):
        return [(value, "__self__", value.__self__)]
    if isinstance(value, functools.partial):
        return [
            (value, k, v) for k, v in enumerate((value.func, *value.args, *value.keywords.values()))
        ]
    return []
