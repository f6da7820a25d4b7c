"""docs/write_pictures.py: every picture of the docs has a command; what fails is named."""

from __future__ import annotations

import pytest

from tests.docs.test_reference import ROOT


def test_every_picture_of_the_docs_can_be_made_again(script):
    assert set(script("write_pictures").PICTURES) == {p.stem for p in (ROOT / "docs").glob("*.png")}


def test_an_unknown_picture_and_a_failing_command_end_it_with_their_names(
    script, monkeypatch, capsys
):
    pictures = script("write_pictures")
    with pytest.raises(SystemExit) as ended:
        pictures.main(["sites"])
    assert ended.value.code == 2 and "no such picture: sites" in capsys.readouterr().err

    def fails():
        raise pictures.NoPicture("no Chromium")

    monkeypatch.setitem(pictures.PICTURES, "site", fails)
    with pytest.raises(SystemExit) as ended:
        pictures.main(["site"])
    assert ended.value.code == 1 and capsys.readouterr().err == "site: no Chromium\n"
