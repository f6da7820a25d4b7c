"""Names: collisions, near names, refusals, and plugins that fail."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

import invbench
from invbench.errors import UsageError
from invbench.registry import COUPLINGS, FLOWS, LAYERS, Registry


def define(**members):
    """A subclass of Elementwise with forward, inverse and n_params = 1, changed by ``members``;
    None leaves one out."""
    whole = {
        "forward": lambda self, x, params: (x, x),
        "inverse": lambda self, y, params: (y, y),
        "n_params": 1,
    }
    return type(
        "Made",
        (invbench.Elementwise,),
        {k: v for k, v in {**whole, **members}.items() if v is not None},
    )


def plugin(name, load):
    return SimpleNamespace(name=name, value=f"a_package.{name}", load=load)


@pytest.fixture
def entry_points(monkeypatch):
    """Plugins that are installed, as far as the registry can see; and which groups were asked
    for."""
    points, asked = [], []
    monkeypatch.setattr(
        "invbench.registry.entry_points", lambda group: asked.append(group) or points
    )
    return SimpleNamespace(points=points, asked=asked)


def fails(error):
    def load():
        raise error

    return load


def test_an_unknown_name_is_answered_with_the_near_ones():
    with pytest.raises(
        UsageError,
        match=r"coupling 'affin' is not registered; did you mean 'affine' or .*invbench list",
    ):
        COUPLINGS["affin"]


def test_an_unknown_name_far_from_all_gets_no_suggestion():
    with pytest.raises(UsageError) as caught:
        Registry("thing")["zzz"]
    assert str(caught.value) == "thing 'zzz' is not registered (invbench list things)"


def test_get_of_an_unknown_name_is_the_default_as_in_every_mapping():
    assert "no-such-coupling" not in COUPLINGS
    assert COUPLINGS.get("no-such-coupling", "default") == "default"


def test_a_name_taken_by_another_file_is_refused_and_both_origins_are_named(own_registries):
    before = COUPLINGS["affine"]
    with pytest.raises(UsageError) as caught:
        invbench.coupling("affine")(define())
    assert before.origin in str(caught.value)
    assert COUPLINGS["affine"] is before
    registry = Registry("thing")
    registry.register("dump", json.dumps)
    with pytest.raises(UsageError) as caught:
        registry.register("dump", define)
    assert __file__ in str(caught.value)
    assert json.__file__ in str(caught.value)


def test_the_same_file_may_register_again_and_the_last_wins():
    registry = Registry("thing")
    registry.register("made", define)
    registry.register("made", plugin)
    assert registry["made"].obj is plugin
    assert len(registry) == 1


def test_what_is_registered_knows_its_origin_summary_and_metadata(own_registries):
    """The decorators return what they decorate."""
    cls = define(__doc__="y = x.\n\nMore.", metadata={"year": 2023})
    assert invbench.coupling("made-here")(cls) is cls
    entry = COUPLINGS["made-here"]
    assert (entry.kind, entry.summary, entry.metadata) == ("coupling", "y = x.", {"year": 2023})
    assert invbench.layer("layer-here", event_shape=(4,), cond_shape=(3,))(define) is define
    assert LAYERS["layer-here"].metadata == {"event_shape": (4,), "cond_shape": (3,)}
    assert LAYERS["layer-here"].origin == f"{__file__}:{define.__code__.co_firstlineno}"
    assert invbench.flow("flow-here", sizes=("mini",))(plugin) is plugin
    assert FLOWS["flow-here"].metadata == {"sizes": ("mini",)}


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"forward": None}, r"has no forward; define forward\(self, x, params\)"),
        ({"inverse": None}, r"has no inverse; define inverse\(self, y, params\)"),
        ({"n_params": None}, r"has n_params = None; set the class attribute n_params"),
        ({"n_params": 0}, "has n_params = 0"),
        ({"n_params": True}, "has n_params = True"),
        ({"n_params": 1.0}, "has n_params = 1.0"),
        ({"slope_range": (2.0, 1.0)}, "has slope_range = "),
    ],
    ids=str,
)
def test_an_incomplete_coupling_is_refused_in_one_line(own_registries, members, problem):
    with pytest.raises(UsageError, match=f"^coupling 'incomplete' .*{problem}.*$") as caught:
        invbench.coupling("incomplete")(define(**members))
    assert "\n" not in str(caught.value)
    assert "incomplete" not in COUPLINGS


def test_a_class_that_is_no_elementwise_is_refused(own_registries):
    with pytest.raises(UsageError, match=r"not an invbench\.Elementwise"):
        invbench.coupling("stranger")(SimpleNamespace)


def test_n_params_may_be_set_per_instance(own_registries):
    assert invbench.coupling("a")(define(n_params=None, __init__=lambda self: None))
    assert invbench.coupling("b")(define(n_params=property(lambda self: 3)))


@pytest.mark.parametrize(
    "error", [ImportError("no such thing"), ZeroDivisionError("oops"), SystemExit(3)], ids=repr
)
def test_a_broken_plugin_is_recorded_with_its_reason_and_the_others_still_load(entry_points, error):
    registry = Registry("coupling", "some.group")
    good = plugin("good", lambda: registry.register("fine", define))
    entry_points.points += [plugin("bad", fails(error)), good]
    assert list(registry) == ["fine"]
    assert registry.broken == [("bad = a_package.bad", f"{type(error).__name__}: {error}")]


def test_a_plugin_that_takes_a_known_name_is_recorded_as_broken(entry_points):
    registry = Registry("coupling", "some.group")
    registry.register("mine", json.dumps)
    entry_points.points.append(plugin("thief", lambda: registry.register("mine", define)))
    assert registry["mine"].obj is json.dumps
    ((point, reason),) = registry.broken
    assert point == "thief = a_package.thief"
    assert "already registered" in reason


def test_plugins_are_loaded_once_at_the_first_look_up(entry_points):
    registry = Registry("coupling", "some.group")
    registry.register("mine", define)
    assert entry_points.asked == []
    assert "mine" in registry
    assert len(registry) == 1
    assert entry_points.asked == ["some.group"]


def test_a_forgotten_name_is_free_again():
    registry = Registry("thing")
    registry.register("made", json.dumps)
    registry.forget("made")
    assert registry.register("made", define).obj is define
    with pytest.raises(KeyError):
        registry.forget("other")


def test_what_is_registered_or_forgotten_in_a_block_is_undone_also_after_an_error():
    registry = Registry("thing")
    registry.register("kept", json.dumps)

    def change():
        with registry.restored():
            registry.register("made", define)
            registry.forget("kept")
            assert list(registry) == ["made"]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change()
    assert list(registry) == ["kept"]
