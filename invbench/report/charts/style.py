"""How a chart looks and how it becomes SVG or PNG: the same bytes whenever it is drawn, and names
from outside as text only."""

from __future__ import annotations

import html
import io
import re
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "Drawing",
    "Look",
    "axis_text",
    "grid",
    "looks",
    "narrow",
    "on_paper",
    "per_row",
    "png",
    "style",
    "svg",
    "svg_part",
    "taller",
    "tidy",
    "type_size",
]

# after Okabe and Ito, each at least 3 : 1 against white and against the page's dark ground; markers
# and dashes say the same again
COLOURS = ("#0072b2", "#d55e00", "#a87400", "#008f69", "#b5559c", "#6f7b8a", "#2a8fbd", "#95622f")
MARKERS = "osD^vPX<"
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (2, 1)), (0, (5, 1, 1, 1)))
INK, LINE = "#010203", "#b0b5bb"  # what the page replaces by its own colours
LONGEST = 28
LEAST_TYPE, SHRUNK = 6.0, 0.75  # on paper: the smallest letters in points, and how much others lose
PANEL = 3.6  # cm, the least width of one of several panels
RC: Any = {
    "font.size": 9.0,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 10.0,
    "axes.edgecolor": LINE,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.4,
    "grid.alpha": 0.6,
    "legend.frameon": False,
    "lines.markersize": 5.5,
    "lines.linewidth": 1.6,
    "text.parse_math": False,
    "svg.hashsalt": "invbench",
    "path.simplify": False,
}


@dataclass(frozen=True)
class Look:
    """Colour, marker and dashes of an entry; ``label`` is its name, safe to draw."""

    colour: str
    marker: str
    dash: Any
    label: str

    @property
    def line(self) -> dict[str, Any]:
        return {"color": self.colour, "linestyle": self.dash}

    @property
    def point(self) -> dict[str, Any]:
        return {"color": self.colour, "marker": self.marker, "linestyle": "none"}


@dataclass
class Drawing:
    """A figure, what it shows as a table (header first), and what its marks say: (entry, text) by
    number."""

    figure: Figure
    table: list[list[str]] = field(default_factory=list)
    marks: list[tuple[str, str]] = field(default_factory=list)
    note: str = ""

    def mark(self, artist: Artist, entry: str, text: str) -> None:
        artist.set_gid(f"mark-{len(self.marks)}")
        self.marks.append((entry, text))


_width: ContextVar[float] = ContextVar("width of the paper", default=0.0)  # in cm


@contextmanager
def on_paper(width: float) -> Iterator[None]:
    """Charts that are drawn inside are ``width`` cm wide, with letters for that size; 0: as wide as
    a chart is by itself."""
    token = _width.set(width)
    try:
        yield
    finally:
        _width.reset(token)


@contextmanager
def style() -> Iterator[None]:
    import matplotlib

    small = {"font.size": type_size(9), "axes.titlesize": type_size(10), "lines.linewidth": 1.2}
    with matplotlib.rc_context(RC | (small if _width.get() else {})):
        yield


def narrow() -> bool:
    """Whether a chart is drawn for paper of a given width."""
    return bool(_width.get())


def axis_text(text: str, share: float = 1.0) -> str:
    """A label in lines for which ``share`` of the paper's width has room."""
    return textwrap.fill(text, max(16, round(5.2 * share * _width.get()))) if narrow() else text


def taller(figure: Figure, names: int) -> None:
    """Give a chart on paper the height that a legend of so many names takes."""
    if narrow():
        width, height = figure.get_size_inches()
        lines = -(-names // per_row(4))
        figure.set_size_inches(width, height + lines * 1.6 * type_size(9) / 72)


def type_size(points: float) -> float:
    """Of letters that are ``points`` high where there is room."""
    return max(LEAST_TYPE, SHRUNK * points) if _width.get() else points


def per_row(usual: int) -> int:
    """How many names of a legend stand side by side."""
    return max(1, min(usual, int(_width.get() // PANEL))) if _width.get() else usual


def looks(entries: Sequence[str]) -> dict[str, Look]:
    """A look per entry, by place in the alphabet: the same in every chart of the same entries."""
    found = {}
    for k, entry in enumerate(sorted(entries)):
        turn = k // len(COLOURS)
        found[entry] = Look(
            COLOURS[k % len(COLOURS)],
            MARKERS[(k + turn) % len(MARKERS)],
            DASHES[(k + turn) % len(DASHES)],
            tidy(entry),
        )
    return found


def tidy(name: str, longest: int = LONGEST) -> str:
    """A name as a label: no control characters, at most ``longest`` characters, not hidden by a
    leading underscore."""
    clean = re.sub(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", name)
    clean = clean if len(clean) <= longest else clean[: longest - 1] + "…"
    return f" {clean}" if clean.startswith("_") else clean


def grid(
    panels: int, width: float, height: float, columns: int, fixed: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure of equal panels, ``width`` × ``height`` inches each; on paper as many side by side
    as it has room for, all of them and at this height where that is ``fixed``."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(columns, panels)
    if fixed and _width.get():
        width = _width.get() / 2.54 / columns
    elif _width.get():
        columns = min(columns, max(1, int(_width.get() // PANEL))) if panels > 1 else 1
        across = _width.get() / 2.54 / columns
        width, height = (
            across,
            max(height * across / width, (0.95 if panels > 1 else 0.85) * across),
        )
    rows = -(-panels // columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, sharey=True).flatten().tolist()
    for unused in axes[panels:]:
        unused.set_visible(False)
    return figure, axes[:panels]


def svg(drawing: Drawing) -> bytes:
    """For a paper: letters as outlines, white ground, no date."""
    return _save(
        drawing,
        "svg",
        {"svg.fonttype": "path"},
        facecolor="white",
        metadata={"Date": None, "Creator": None},
    )


def png(drawing: Drawing, dpi: int = 200) -> bytes:
    return _save(drawing, "png", {}, facecolor="white", dpi=dpi, metadata={"Software": None})


def svg_part(drawing: Drawing, name: str, title: str, description: str) -> str:
    """For the page: an <svg> whose ids begin with ``name``, with a title and description, text as
    text, and the page's colours."""
    whole = _save(
        drawing,
        "svg",
        {"svg.fonttype": "none"},
        transparent=True,
        metadata={"Date": None, "Creator": None},
    ).decode()
    body = whole[whole.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = body.replace(INK, "currentColor").replace(LINE, "var(--line)")
    body = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", body)
    body = re.sub(r'\bid="mark-(\d+)"', lambda m: _marked(drawing.marks[int(m[1])], m[0]), body)
    body = re.sub(r'\bid="', f'id="{name}-', body)
    body = re.sub(r'href="#', f'href="#{name}-', body).replace("url(#", f"url(#{name}-")
    body = re.sub(r"(<g [^>]*data-mark=\"([^\"]*)\"[^>]*>)", r"\1<title>\2</title>", body)
    names = f"<title>{html.escape(title)}</title><desc>{html.escape(description)}</desc>"
    opened = re.sub(r"(<svg[^>]*?) width=\"([\d.]+)pt\" height=\"[\d.]+pt\"", _sized, body, count=1)
    return re.sub(
        r"<svg([^>]*)>", lambda m: f'<svg{m[1]} role="img">{names}', opened, count=1
    ).strip()


def _sized(found: re.Match[str]) -> str:
    """As wide as its place, at most a fifth wider than drawn (4/3 of a pixel is a point)."""
    return f'{found[1]} style="max-width: {float(found[2]) * 1.6:.0f}px"'


def _marked(mark: tuple[str, str], found: str) -> str:
    entry, text = (html.escape(part, quote=True) for part in mark)
    return f'{found} class="mark" data-entry="{entry}" data-mark="{text}"'


def _save(drawing: Drawing, kind: str, rc: Any, **how: Any) -> bytes:
    import matplotlib

    file = io.BytesIO()
    with matplotlib.rc_context({**RC, **rc}):
        drawing.figure.savefig(file, format=kind, **how)
    return file.getvalue()
