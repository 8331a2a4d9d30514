"""Pictures: the points drawn are those of ``explain``, cliffs are broken and marked, and the same picture is the same file."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal as D
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tariffs
from tariffs import fonts
from tariffs.cli import app
from tariffs.errors import FactsError, TariffError
from tariffs.plot import course, plot

pytest.importorskip("matplotlib")
ROOT = Path(__file__).parent.parent
FACTS = {"payer": "quota_unit", "quota": "10"}


def beijing(day: str = "2022-10-31") -> tariffs.TariffVersion:
    return tariffs.load("cn/beijing/kitchen-waste", on=day)


def test_beijing_s_course_breaks_at_half_the_quota() -> None:
    found = course(beijing(), "weight", FACTS, D(15))
    assert found.cliffs == (((D(5), D("1000.00")), (D("5.001"), D("1500.30"))),)
    assert [(part[0], part[-1]) for part in found.stretches] == [
        ((D(0), D("0.00")), (D(5), D("1000.00"))),
        ((D("5.001"), D("1500.30")), (D(15), D("6000.00"))),
    ]
    assert [(start[0], end[0], start[1]) for start, end in found.marginal] == [(D(0), D(5), D(200)), (D(5), D(10), D(300)), (D(10), D(15), D(600))]
    for x, amount in found.stretches[1][::40]:
        assert beijing().explain(FACTS, weight=x).total == amount


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_versions_are_drawn_together_and_the_same_file_comes_out_twice(tmp_path: Path, ending: str) -> None:
    files = [tmp_path / f"{name}.{ending}" for name in "ab"]
    for file in files:
        plot([beijing("2021-10-31"), beijing()], "weight", FACTS, file)
    first, second = (file.read_bytes() for file in files)
    assert first == second
    assert first.startswith(b"\x89PNG" if ending == "png" else b"<?xml")


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    with pytest.raises(FactsError, match="payer: missing"):
        plot([beijing()], "weight", {}, tmp_path / "a.svg")
    with pytest.raises(FactsError, match="payer: nobody is not one of"):
        plot([beijing()], "weight", {"payer": "nobody"}, tmp_path / "a.svg")
    with pytest.raises(FactsError, match="quota: ten is not a plain decimal number"):
        plot([beijing()], "weight", {**FACTS, "quota": "ten"}, tmp_path / "a.svg")
    with pytest.raises(TariffError, match=r"neither \.svg nor \.png"):
        plot([beijing()], "weight", FACTS, tmp_path / "a.gif")
    with pytest.raises(TariffError, match="no numeric input of this name"):
        plot([beijing()], "wait", FACTS, tmp_path / "a.svg")
    with pytest.raises(FactsError, match="no such fact"):
        plot([beijing()], "weight", {**FACTS, "qouta": 1}, tmp_path / "a.svg")


def test_the_commands_draw_and_tell(tmp_path: Path) -> None:
    picture = tmp_path / "fee.svg"
    days = ["--on", "2021-10-31", "--on", "2022-10-31"]
    command = [sys.executable, "-m", "tariffs", "plot", "cn/beijing/kitchen-waste", "payer=quota_unit", "quota=10", *days, "--against", "weight", "-o", picture]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, picture.is_file()) == (0, True), done.stderr
    command = [sys.executable, "-m", "tariffs", "diff", "cn/beijing/kitchen-waste", "2021-10-31", "2022-10-31", "--locale", "en"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, cwd=ROOT)
    assert "new charge quota_fee" in done.stdout


def drawn(tmp_path: Path, locale: str, name: str = "a.svg") -> tuple[str, str]:
    """What the command says, and the picture."""
    facts = ["payer=quota_unit", "quota=10", "--against", "weight", "-o", str(tmp_path / name), "--locale", locale]
    said = CliRunner().invoke(app, ["plot", "cn/beijing/kitchen-waste", "--on", "2022-10-31", *facts])
    assert said.exit_code == 0, said.output
    return said.stderr, (tmp_path / name).read_text(encoding="utf-8")


def test_a_chinese_picture_is_written_in_the_packaged_font_where_the_system_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "SYSTEM", ())
    assert fonts.packaged() is not None, "it comes with the service"
    said, picture = drawn(tmp_path, "zh_CN")
    assert not said and fonts.letters("zh_CN") == fonts.Letters("zh_CN", (fonts.PACKED, "DejaVu Sans"), chinese=True, outlined=True)
    assert picture == drawn(tmp_path, "zh_CN", "b.svg")[1] != drawn(tmp_path, "en", "c.svg")[1]
    assert fonts.letters("en", "东城").chinese and not fonts.letters("en", "east").chinese, "an English picture asks for it only where it must"


def test_without_any_chinese_font_the_picture_is_english_and_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "SYSTEM", ())
    monkeypatch.setattr(fonts, "_registered", lambda: False)
    said, picture = drawn(tmp_path, "zh")
    assert "图片以英文绘制" in said and picture == drawn(tmp_path, "en", "b.svg")[1]
    rows = tmp_path / "in.csv"
    rows.write_text("weight,payer,quota,district\n4,other,,东城\n5,other,,西城\n", encoding="utf-8")
    given = ["compare", "cn/beijing/kitchen-waste@2022-01-01", "cn/beijing/kitchen-waste@2022-10-31", str(rows), "--by", "district"]
    told = CliRunner().invoke(app, [*given, "--plot", str(tmp_path / "c.svg"), "--locale", "zh"])
    assert told.exit_code == 0 and "图中 #1 为分类表的第一行" in told.stderr and "图片以英文绘制" in told.stderr
