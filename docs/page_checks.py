"""What may be wrong with a page: a link that leads nowhere, a block that is no Python, a command that
invbench does not have. Each check yields one line for each fault; tests/docs asks them of all pages.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import typer
from pages import ROOT, anchors, blocks, links, text_of

Options = Mapping[str, set[str]]  # verb -> its options


@cache
def _anchors(page: Path) -> set[str]:
    return anchors(text_of(page))


def broken_links(page: Path, text: str, root: Path = ROOT) -> Iterator[str]:
    """Links to files that do not exist, that leave the repository, or to headings that no page has."""
    for target in links(text):
        name, _, anchor = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        if path != page and not (path.exists() and path.is_relative_to(root)):
            yield f"{page.name}: {target} leads nowhere"
        elif anchor and path.suffix in (".md", ".ipynb"):
            known = anchors(text) if path == page else _anchors(path)
            if anchor not in known:
                yield f"{page.name}: {target}: no heading is called #{anchor}"


def broken_python(page: Path, text: str) -> Iterator[str]:
    """Blocks of Python that do not compile."""
    for block in blocks(text):
        if block.language == "python":
            try:
                compile(block.code, page.name, "exec")
            except SyntaxError as error:
                yield f"{page.name}, line {block.line}: {error.msg}: {error.text}"


@cache
def invbench_options() -> Options:
    """Every verb with the options that it takes, from the command line itself."""
    from invbench.cli.main import VERBS, app

    group: Any = typer.main.get_command(app)
    context = group.make_context("invbench", [], resilient_parsing=True)
    return {
        verb: {
            "--help",
            *(
                name
                for parameter in group.get_command(context, verb).params
                for name in (*parameter.opts, *parameter.secondary_opts)
            ),
        }
        for verb in VERBS
    }


def commands(line: str) -> Iterator[list[str]]:
    """The words of every invbench command of a line of a shell, from its verb on; those within
    quotes of ``bash -c`` too."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    words: list[str] | None = None
    for word in lexer:
        if words is None and Path(word).name == "invbench":
            words = []
        elif words is not None and re.fullmatch(r"[();<>|&]+", word):
            yield words
            words = None
        elif words is not None:
            words.append(word)
        elif re.search(r"\binvbench \w", word):
            yield from commands(word)
    if words is not None:
        yield words


def broken_command(words: list[str], known: Options) -> str | None:
    """What is wrong with an invbench command; None when nothing is. Words in capitals and … are
    placeholders."""
    if not words or words[0] in ("--help", "…") or words[0].isupper():
        return None
    verb, *rest = words
    if verb not in known:
        return f"no such verb: {verb}"
    options = (word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word))
    unknown = [option for option in options if option not in known[verb]]
    return f"invbench {verb} has no option {unknown[0]}" if unknown else None


def broken_commands(page: Path, text: str, known: Options | None = None) -> Iterator[str]:
    """Commands in blocks of bash, and in the text, whose verb or option does not exist."""
    found: list[tuple[int, str]] = []
    for block in blocks(text):
        if block.language in ("bash", "yaml"):
            code = block.code.replace("\\\n", " ")
            found += [(block.line + k, line) for k, line in enumerate(code.splitlines())]
    without = re.sub(r"(?ms)^ *```.*?^ *```", lambda m: "\n" * m[0].count("\n"), text)
    for match in re.finditer(r"`(invbench [^`]+)`", without):
        found.append((without.count("\n", 0, match.start()) + 1, " ".join(match[1].split())))
    for number, line in found:
        try:
            words_of = list(commands(line))
        except ValueError as error:
            yield f"{page.name}, line {number}: {error}: {line}"
            continue
        for words in words_of:
            if fault := broken_command(words, known or invbench_options()):
                yield f"{page.name}, line {number}: {fault}"


CHECKS: tuple[Callable[[Path, str], Iterator[str]], ...] = (
    broken_links,
    broken_python,
    broken_commands,
)
