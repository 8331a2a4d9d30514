"""Good packs, damaged: 500 seeded mutations either still check or are refused with clear problems. No traceback, no hang."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable

import pytest

import tariffs

GOOD = [(file, file.path.read_text(encoding="utf-8")) for file in tariffs.versions()]
COUNT = 500
WORDS = "t kg m3 CNY CNY/t mg/L month year none null true [] {} 0 -1 1e5 2026-02-30 2026-1-1 sum line working half_up payer 重量 “ ” : - # & * ! | > %".split()

Mutation = Callable[[random.Random, list[str]], list[str]]


def _at(chance: random.Random, lines: list[str]) -> int:
    return chance.choice([i for i, line in enumerate(lines) if line.strip()])


def drop_line(chance: random.Random, lines: list[str]) -> list[str]:
    i = _at(chance, lines)
    return lines[:i] + lines[i + 1 :]


def double_line(chance: random.Random, lines: list[str]) -> list[str]:
    i = _at(chance, lines)
    return lines[: i + 1] + lines[i:]


def swap_lines(chance: random.Random, lines: list[str]) -> list[str]:
    i, j = _at(chance, lines), _at(chance, lines)
    found = list(lines)
    found[i], found[j] = found[j], found[i]
    return found


def indent(chance: random.Random, lines: list[str]) -> list[str]:
    i = _at(chance, lines)
    return [*lines[:i], chance.choice(["  ", "    ", "\t", " "]) + lines[i], *lines[i + 1 :]]


def outdent(chance: random.Random, lines: list[str]) -> list[str]:
    i = _at(chance, lines)
    return [*lines[:i], lines[i].lstrip(), *lines[i + 1 :]]


def change_number(chance: random.Random, lines: list[str]) -> list[str]:
    i = chance.choice([i for i, line in enumerate(lines) if re.search(r"\d", line)])
    new = chance.choice(["0", "-3", "99999999999999999999", "0.0000001", "1_000", "12,5", "１２", "9" * 40, "x"])
    return [*lines[:i], re.sub(r"\d+(\.\d+)?", new, lines[i], count=1), *lines[i + 1 :]]


def change_word(chance: random.Random, lines: list[str]) -> list[str]:
    i = chance.choice([i for i, line in enumerate(lines) if re.search(r"[A-Za-z]{2}", line)])
    words = list(re.finditer(r"[A-Za-z_%/*0-9]+", lines[i]))
    word = chance.choice(words)
    return [*lines[:i], lines[i][: word.start()] + chance.choice(WORDS) + lines[i][word.end() :], *lines[i + 1 :]]


def misspell(chance: random.Random, lines: list[str]) -> list[str]:
    i = chance.choice([i for i, line in enumerate(lines) if re.search(r"[a-z]{3}", line)])
    j = chance.choice([m.start() for m in re.finditer(r"[a-z]", lines[i])])
    return [*lines[:i], lines[i][:j] + chance.choice("abcdefghijklmnopqrstuvwxyz_()[]{}\"':,.") + lines[i][j + 1 :], *lines[i + 1 :]]


def cut_off(chance: random.Random, lines: list[str]) -> list[str]:
    text = "\n".join(lines)
    return text[: chance.randrange(len(text))].split("\n")


def nest(chance: random.Random, lines: list[str]) -> list[str]:
    i = chance.choice([i for i, line in enumerate(lines) if ": " in line])
    head, tail = lines[i].split(": ", 1)
    return [*lines[:i], f"{head}: {chance.choice(['[{}]', '{{a: {}}}', '[[{}]]', '({})', '-({})', 'round({}, 0.01)', '{} / 2']).format(tail)}", *lines[i + 1 :]]


MUTATIONS: list[Mutation] = [drop_line, double_line, swap_lines, indent, outdent, change_number, change_word, misspell, cut_off, nest]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_a_damaged_pack_is_refused_clearly_or_still_checks(mutation: Mutation) -> None:
    chance = random.Random(mutation.__name__)
    refused = 0
    for _ in range(COUNT // len(MUTATIONS)):
        file, text = chance.choice(GOOD)
        content = "\n".join(mutation(chance, text.split("\n"))).encode()
        begun = time.process_time()
        try:
            tariffs.parse(content, tariff=file.tariff, effective=file.effective, file="pack.yaml")
        except tariffs.PackError as error:
            refused += 1
            for problem in error.problems:
                assert problem.where is not None
                assert problem.where.file == "pack.yaml"
                assert 1 <= problem.where.line <= content.count(b"\n") + 2
                assert problem.where.column >= 1
                for locale in ("en", "zh"):
                    assert len(problem.sentence(locale)) > 10
        assert time.process_time() - begun < 10, "no damage makes the check hang"
    assert refused > 0, "the damage is real"
