"""The registry of things with names: couplings, layers, flows, corruptions, attacks and cures."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from invbench.errors import UnknownName, UsageError, did_you_mean

__all__ = [
    "ATTACKS",
    "CORRUPTIONS",
    "COUPLINGS",
    "CURES",
    "FLOWS",
    "LAYERS",
    "Registered",
    "Registry",
    "coupling",
    "flow",
    "layer",
]

T = TypeVar("T")


@dataclass(frozen=True)
class Registered(Generic[T]):
    """One named thing: the object, where it was defined, and what it says about itself."""

    name: str
    kind: str
    obj: T
    origin: str
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """First line of the docstring."""
        return (inspect.getdoc(self.obj) or "").partition("\n")[0]


class Registry(Mapping[str, Registered[T]], Generic[T]):
    """Named things of one kind. Iteration is in order of registration.

    ``home``: the modules that register invbench's own, imported at the first look-up. ``register``
    raises ``UsageError`` when the name is taken by another definition; ``__getitem__``
    raises it with the nearest names when the name is unknown. Plugins from the entry-point group
    are imported after them; one that fails is kept in ``broken`` as (entry point,
    reason), to be shown as an error row. ``listed``: what ``invbench list`` calls the kind;
    ``elsewhere``: name → the distribution that has it, for the message when it is not installed.
    """

    def __init__(
        self,
        kind: str,
        group: str | None = None,
        listed: str = "",
        elsewhere: Mapping[str, str] | None = None,
        home: Sequence[str] = (),
    ) -> None:
        self.kind = kind
        self.listed = listed or f"{kind}s"
        self.group = group
        self.elsewhere = elsewhere or {}
        self.home = home
        self.broken: list[tuple[str, str]] = []
        self._items: dict[str, Registered[T]] = {}
        self._loading = 0  # 1 once the home was asked for, 2 once the plugins were

    def register(
        self, name: str, obj: T, metadata: dict[str, Any] | None = None, defined: str = ""
    ) -> Registered[T]:
        """``defined``: FILE:LINE of an object that does not say so itself."""
        self._load_home()
        entry = Registered(name, self.kind, obj, defined or origin(obj), metadata or {})
        known = self._items.get(name)
        if known is not None and _file(known.origin) != _file(entry.origin):
            raise UsageError(
                f"{self.kind} {name!r} ({entry.origin}) is already registered by "
                f"{known.origin}; choose another name"
            )
        self._items[name] = entry
        return entry

    def forget(self, name: str) -> None:
        """Undo ``register``."""
        del self._items[name]

    @contextmanager
    def restored(self) -> Iterator[None]:
        """What is registered or forgotten inside the block is undone at its end."""
        before = dict(self.items())  # reading loads the plugins, so that they are kept
        try:
            yield
        finally:
            self._items = before

    def _load_home(self) -> None:
        if self._loading:
            return
        self._loading = 1
        try:
            for module in self.home:
                importlib.import_module(module)
        except BaseException:
            self._loading = 0
            raise

    def _load(self) -> None:
        self._load_home()
        if self._loading > 1:
            return
        self._loading = 2
        for point in entry_points(group=self.group) if self.group else ():
            try:
                point.load()
            except (Exception, SystemExit) as error:  # a stranger's plugin may raise anything
                self.broken.append(
                    (f"{point.name} = {point.value}", f"{type(error).__name__}: {error}")
                )

    def __getitem__(self, name: str) -> Registered[T]:
        self._load()
        try:
            return self._items[name]
        except KeyError:
            if name in self.elsewhere:
                raise UnknownName(
                    f"{self.kind} {name!r} is not installed; pip install {self.elsewhere[name]}"
                ) from None
            raise UnknownName(
                f"{self.kind} {name!r} is not registered{did_you_mean(name, self._items)} "
                f"(invbench list {self.listed})"
            ) from None

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(self._items)

    def __len__(self) -> int:
        self._load()
        return len(self._items)


def origin(obj: Any) -> str:
    """``file:line`` of a definition, or its module when the source is not a file."""
    target = inspect.unwrap(obj) if callable(obj) else type(obj)
    try:
        return f"{inspect.getsourcefile(target)}:{inspect.getsourcelines(target)[1]}"
    except (OSError, TypeError):
        return f"{getattr(target, '__module__', '?')}:0"


def _file(where: str) -> str:
    return where.rpartition(":")[0]


COUPLINGS: Registry[type] = Registry("coupling", "invbench.couplings", home=["invbench.couplings"])
LAYERS: Registry[Callable[..., Any]] = Registry("layer", "invbench.layers", home=["invbench.flows"])
FLOWS: Registry[Callable[..., Any]] = Registry(
    "flow",
    "invbench.flows",
    elsewhere=dict.fromkeys("fs_ncsr glow llflow srflow".split(), "invbench-reference-models"),
    home=["invbench.training.toy2d"],
)
CORRUPTIONS: Registry[Callable[..., Any]] = Registry(
    "corruption", listed="conditions", home=["invbench.corruptions"]
)
ATTACKS: Registry[Any] = Registry("attack", home=["invbench.attacks"])
CURES: Registry[Any] = Registry("cure", "invbench.cures", home=["invbench.cures.table"])


def coupling(name: str) -> Callable[[type], type]:
    """Register an ``invbench.Elementwise`` subclass under ``name``. With ``kinks = False`` in the
    class its slope must be continuous.

    Raises ``UsageError`` when the class lacks ``forward``, ``inverse`` or ``n_params``, or the name
    is taken.
    """

    def decorate(cls: type) -> type:
        violation = getattr(cls, "contract_violation", None)
        if violation is None:
            raise UsageError(
                f"coupling {name!r} ({origin(cls)}) is not an invbench.Elementwise; derive it "
                f"from that"
            )
        problem = violation()
        if problem:
            raise UsageError(f"coupling {name!r} ({origin(cls)}) {problem}")
        COUPLINGS.register(name, cls, dict(getattr(cls, "metadata", {})))
        return cls

    return decorate


def layer(
    name: str,
    event_shape: Any,
    cond_shape: Any = None,
    *,
    latent_shape: Any = None,
    **metadata: Any,
) -> Callable[[T], T]:
    """Register a factory ``make(seed)`` of an invertible layer, for events and conditions of these
    shapes (no batch).

    What a layer declares in ``metadata`` is held against it by the laws, and inputs are drawn
    inside it: ``domain``, ``codomain``, ``condition``, ``data_range``, ``tolerance``, ``inverse``,
    ``log_det``, ``stochastic``, ``training``, ``untouched``, ``order`` (``invbench.declaration``,
    docs/declarations.md; ``train_differs=True`` is ``training="differs"``). Several tensors: a
    tuple of shapes. Raises ``UsageError`` that names the declaration that is not well formed.
    """
    shapes = {"event_shape": _tuple(event_shape), "cond_shape": _tuple(cond_shape)}
    declared = {
        **shapes,
        **({} if latent_shape is None else {"latent_shape": _tuple(latent_shape)}),
        **metadata,
    }
    from invbench.declaration import Declaration

    Declaration.of(name, declared)

    def decorate(make: T) -> T:
        LAYERS.register(name, make, declared)  # type: ignore[arg-type]
        return make

    return decorate


def _tuple(shape: Any) -> Any:
    """A shape, or several, as tuples."""
    if isinstance(shape, int):
        return (shape,)
    return (
        tuple(map(_tuple, shape))
        if shape and isinstance(shape[0], (tuple, list))
        else shape and tuple(shape)
    )


def flow(name: str, **metadata: Any) -> Callable[[T], T]:
    """Register a factory ``make(coupling, size, seed)`` of a conditional flow.

    ``options`` in ``metadata``: further keywords of the factory, name → the values, the first of
    which is the default. A flow with options is a target of its own, ``name(option=value)``.
    """

    def decorate(make: T) -> T:
        FLOWS.register(name, make, metadata)  # type: ignore[arg-type]
        return make

    return decorate
