"""Bad packs: every one is refused with the right sentence at the right place, in both languages; none crashes or hangs.

Each row changes one thing in ``bad_packs/2026-01-01.yaml``. The sign ‹ stands where the problem must be found; it is
taken out before the file is read.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

import tariffs
from tariffs.errors import PackError, Problem

GOOD = (Path(__file__).parent / "bad_packs" / "2026-01-01.yaml").read_text(encoding="utf-8")
FEE = "round(weight * price, 0.01)"
SECONDS = 5
HUGE = f"({' * '.join(['flow'] * 25)})"
SIXTY = f"{{choices: {{{', '.join(f'm{number}: x' for number in range(60))}}}}}"
MANY = f"inputs:\n  a: {SIXTY}\n  b: {SIXTY}\n  c: {SIXTY}\n  many: {{unit: t, step: 1, min: 0, max: 9, by: ‹[a, b, c]}}\n"

# name, formula of the charge `fee`, code, part of the English sentence
FORMULAS = [
    # units
    ("tonnes times tonnes is no money", "‹weight * quota", "not-money", "must be money in CNY"),
    ("a quantity is no money", "‹round(weight, 0.01)", "not-money", "multiply by a price with the right unit"),
    ("a quantity plus a price", "round((‹weight + price) * price, 0.01)", "units-differ", "CNY/t cannot become t: they measure different things"),
    ("tonnes compared with cubic metres", "round(weight * price if ‹weight > flow else 0, 0.01)", "units-differ", "m3 cannot become t"),
    ("tonnes compared with a bare number", "round(weight * price if ‹weight > 5 else 0, 0.01)", "units-differ", "give every value its unit"),
    ("branches of two units", 'round(‹weight if payer == "shop" else price, 0.01)', "units-differ", "CNY/t cannot become t"),
    ("a minimum of two units", "round(price * ‹min(weight, flow), 0.01)", "units-differ", "m3 cannot become t"),
    ("a sum of two units", "round(price * ‹sum(weight, flow), 0.01)", "units-differ", "m3 cannot become t"),
    ("a percentage taken for a price", "‹round(weight * half, 0.01)", "not-money", "is %*t"),
    ("a percentage added to a price", "round(weight * (‹price + half), 0.01)", "units-differ", "% cannot become CNY/t"),
    ("pH multiplied", "round(‹acidity * price, 0.01)", "point-arithmetic", "pH only compares and subtracts"),
    ("pH added", "round((‹acidity + acidity) * price, 0.01)", "point-arithmetic", "take a difference first"),
    ("days for tonnes", "round((‹weight + period_days) * price, 0.01)", "units-differ", "day cannot become t"),
    ("months for days", "round((‹period_days + period_months) * price, 0.01)", "units-differ", "month cannot become day"),
    ("pounds a gallon compared with kilograms a litre", "round(weight * price if ‹heavy > dense else 0, 0.01)", "factor-endless", "a number whose digits never end; write divide"),
    ("pounds a gallon added to kilograms a litre", "round(flow * price * (‹heavy + dense), 0.01)", "factor-endless", "write divide"),
    ("cages for tonnes", "‹round(cages * price, 0.01)", "not-money", "is CNY*cage/t"),
    # money
    ("money that is not rounded", "‹weight * price * half * half * half", "money-unrounded", "it moves in steps of 0.025"),
    ("money rounded to the wrong step", "‹round(weight * price, 0.001)", "money-unrounded", "the amount can be finer than 0.01"),
    ("money rounded, then halved", "‹round(weight * price, 0.01) * half", "money-unrounded", "finer than 0.01"),
    ("a step that varies", "‹round(weight * price, weight)", "step-not-constant", "must be one fixed number above 0"),
    ("a step of 0", "‹round(weight * price, 0)", "step-not-constant", "must be one fixed number above 0"),
    ("a step of a wrong unit", "‹round(weight * price, half)", "units-differ", "cannot become %"),
    ("a step left out", "‹round(weight * price)", "step-missing", "round does not say which step"),
    ("a rounding mode nobody knows", "round(weight * price, 0.01, ‹bankers)", "rounding-mode", "half_up, half_even"),
    ("a rounding mode as a word", 'round(weight * price, 0.01, mode=‹"up")', "rounding-mode", "is not a rounding mode"),
    ("too many arguments of round", "‹round(weight * price, 0.01, up, down)", "too-many-arguments", "divide(x, y, step, mode)"),
    # names
    ("a misspelt name", "round(‹wieght * price, 0.01)", "unknown-name-like", "there is no wieght; did you mean weight?"),
    ("a name nobody declared", "round(‹zzz * price, 0.01)", "unknown-name", "there is no zzz; the names here are"),
    ("a name in another case", "round(‹Weight * price, 0.01)", "unknown-name-like", "did you mean weight?"),
    ("a charge that comes later", "round(weight * price, 0.01) + ‹cage", "charge-order", "only charges above it"),
    ("a charge that names itself", "round(weight * price, 0.01) + ‹fee", "charge-order", "or this one itself"),
    ("a choice as a number", "round(‹payer * price, 0.01)", "choice-as-number", "payer is a choice, not a number"),
    ("a dimension as a number", "round(‹pollutant * price, 0.01)", "dimension-as-number", "each(pollutant, …)"),
    ("a list as a number", "round(‹edges * price, 0.01)", "list-as-number", "edges is a list where one number is needed"),
    ("a family without its key", "round(weight * price + cages * ‹cage_price, 0.01)", "keys-missing", "write cage_price[payer]"),
    ("a key too many", "round(cages * ‹cage_price[payer, payer], 0.01)", "keys-many", "leave out the rest"),
    ("a member nobody declared", 'round(cages * cage_price[‹"shopp"], 0.01)', "unknown-member", "shopp is not a member of payer"),
    ("keys of a name that has none", "round(‹period_days[payer] * price, 0.01)", "keys-none", "without brackets"),
    ("keys of the subtotal", "round(‹subtotal[payer] * half, 0.01)", "keys-none", "write subtotal without brackets"),
    ("keys of a sum", "round(‹max(weight, quota)[payer] * price, 0.01)", "formula-construct", "is not part of the formula language"),
    ("keys of keys", "round(‹conc[pollutant][pollutant] * price, 0.01)", "formula-construct", "is not part of the formula language"),
    ("a key that is a slice", "round(conc[‹1:2] * price, 0.01)", "formula-construct", "is not part of the formula language"),
    ("a key that is a sum", "round(cages * cage_price[‹weight + quota], 0.01)", "key-form", "cannot be a key of payer"),
    ("a dimension that nothing settles", "round(conc[‹pollutant] * flow * price, 0.01)", "dimension-open", "write each(pollutant, …)"),
    ("a choice compared with a stranger", 'round(weight * price if payer == ‹"shopp" else 0, 0.01)', "unknown-member", "known: shop"),
    ("a choice compared by order", 'round(weight * price if ‹payer > "shop" else 0, 0.01)', "word-comparison", "write choice == "),
    # constructs
    ("a division sign", "round(‹weight / quota * price, 0.01)", "formula-division", "write divide(x, y, step)"),
    ("a whole division", "round(‹weight // quota * price, 0.01)", "formula-division", "write divide(x, y, step)"),
    ("a remainder", "round(‹weight % quota * price, 0.01)", "formula-division", "write divide(x, y, step)"),
    ("a power", "round(‹weight ** 2 * price, 0.01)", "formula-power", "write the product out"),
    ("a call of an unknown function", "‹sqrt(weight)", "formula-function", "there is no function sqrt"),
    ("a call of Python's own functions", '‹__import__("os")', "formula-function", "there is no function __import__"),
    ("a call of a call", "‹round(weight, 0.01)(price)", "formula-function", "there is no function"),
    ("an attribute", "round(‹weight.real * price, 0.01)", "formula-attribute", "a name has no parts"),
    ("a lambda", "‹lambda: 1", "formula-construct", "is not part of the formula language"),
    ("a comprehension", "sum(‹[weight for weight in edges])", "formula-construct", "is not part of the formula language"),
    ("an assignment", "(‹weight := 5)", "formula-construct", "is not part of the formula language"),
    ("a dictionary", "‹{1: 2}", "formula-construct", "is not part of the formula language"),
    ("an f-string", '‹f"{weight}"', "formula-construct", "is not part of the formula language"),
    ("a starred argument", "sum(‹*edges)", "formula-construct", "is not part of the formula language"),
    ("True as a number", "round(‹True * price, 0.01)", "formula-construct", "is not part of the formula language"),
    ("membership", 'round(weight * price if ‹payer in "shop" else 0, 0.01)', "formula-in", "compare each member"),
    ("identity", 'round(weight * price if ‹payer is "shop" else 0, 0.01)', "formula-is", "compare with =="),
    ("a word where a number belongs", 'round(weight * ‹"200", 0.01)', "text-as-number", "is a word where a number is needed"),
    ("two words that Python would join", 'round(weight * price if payer == ‹"sh" "op" else 0, 0.01)', "formula-construct", "is not part of"),
    ("a number with an exponent", "round(weight * price, ‹1e-2)", "number-form", "1e-2 is not a plain number"),
    ("a number with separators", "round(weight * price * ‹1_000, 0.01)", "number-form", "1_000 is not a plain number"),
    ("a number in another base", "round(weight * price * ‹0x10, 0.01)", "number-form", "0x10 is not a plain number"),
    ("a number of 31 digits", f"round(weight * price * ‹{'9' * 31}, 0.01)", "number-form", "at most 30 digits"),
    ("a condition where a number belongs", "round((‹weight > quota) * price, 0.01)", "number-needed", "write x if condition else y"),
    ("a number where a condition belongs", "round(weight * price if ‹weight else 0, 0.01)", "test-expected", "compare it with something"),
    ("an unclosed bracket", "round‹(weight * price, 0.01", "formula-bracket", "has no partner"),
    ("a bracket too many", "round(weight * price, 0.01)‹)", "formula-bracket", "has no partner"),
    ("two operators", "round(weight * ‹* price, 0.01)", "formula-syntax", "check brackets, commas and operators"),
    ("a Chinese comma", "round(weight * price‹，0.01)", "formula-character", "has no meaning in a formula"),
    ("a semicolon", "round(weight * price, 0.01)‹; 1", "formula-character", "has no meaning in a formula"),
    ("nothing but a comment", "‹# to do", "formula-empty", "write an expression"),
    # functions
    ("a divisor that may be 0", "round(‹divide(weight, quota, 0.01) * price * weight, 0.01)", "divisor-zero", "quota may be 0 (it lies between 0 and 100000)"),
    ("divide without a step", "round(‹divide(weight, quota) * price, 0.01)", "step-missing", "divide does not say which step"),
    ("edges out of order", "round(‹whole(weight, [upto(quota), upto(quota * half)], rates), 0.01)", "edges-order", "the edges do not ascend"),
    ("edges that may cross", "round(‹blocks(weight, [quota, flow * limit], rates), 0.01)", "edges-order", "or add a require that says so"),
    ("a quantity that may be negative", "round(‹blocks(change, edges, rates), 0.01)", "quantity-negative", "change may be negative (down to -1000)"),
    ("an edge that may be negative", "round(‹blocks(weight, [change], [price, excess]), 0.01)", "edge-negative", "edges start above 0"),
    ("a rate missing", "round(‹blocks(weight, edges, [price, excess]), 0.01)", "band-count", "2 edges make 3 bands, and 2 rates are given"),
    ("edges that are no list", "round(blocks(weight, ‹quota, [price, excess]), 0.01)", "list-needed", "is not a list"),
    ("bands that do not say where their edge belongs", "round(whole(weight, [‹quota], [price, excess]), 0.01)", "edges-form", "[upto(10), below(20)]"),
    ("bands of another unit", "round(‹blocks(flow, edges, rates), 0.01)", "units-differ", "t cannot become m3"),
    ("upto outside bands", "round(‹upto(weight) * price, 0.01)", "function-place", "upto and below inside whole or flat"),
    ("each outside a list of arguments", "round(‹each(pollutant, flow) * price, 0.01)", "function-place", "each belongs inside min, max, sum"),
    ("each over no dimension", "round(sum(each(‹payer, weight)) * price, 0.01)", "not-a-dimension", "the dimensions are pollutant"),
    ("each without an expression", "round(sum(‹each(pollutant)) * price, 0.01)", "each-form", "each(dimension, expression)"),
    ("a sum of nothing", "‹sum()", "nothing-to-combine", "give at least one argument"),
    ("top without a count", "round(‹top(weight, quota) * price, 0.01)", "top-count", "a whole number of at least 1"),
    ("an argument nobody knows", "round(max(weight, quota, key=‹weight) * price, 0.01)", "keyword-argument", "only round and divide take mode="),
    # size
    ("numbers that grow without end", f"round(‹{' * '.join([HUGE] * 3)} * price, 0.01)", "too-wide", "can reach more than 500 digits"),
    ("a formula of 5,000 characters", "‹" + "weight + " * 555 + "weight", "formula-too-long", "4000 is the limit"),
    ("brackets 10,000 deep", "‹" + "(" * 10_000 + "1" + ")" * 10_000, "formula-too-long", "4000 is the limit"),
    ("brackets 1,900 deep", "(" * 50 + "‹" + "(" * 1850 + "1" + ")" * 1900, "formula-too-deep", "nested deeper than 50 levels"),
    ("signs 3,000 deep", "‹" + "-" * 3_000 + "weight", "formula-too-deep", "nested deeper than 50 levels"),
    ("a chain of 400 sums", "weight+" * 351 + "‹" + "weight+" * 49 + "weight", "formula-too-deep", "write sum(a, b, …)"),
]  # fmt: skip

# name, old text, new text, where the sign stands if not in the new text, code, part of the English sentence
CHANGES = [
    ("a keyword as a name", "  weight: {", "  ‹class: {", "", "keyword-name", "class is a word of the formula language"),
    ("a function's name as a name", "  cage: {", "  ‹round: {", "", "reserved-name", "round has a meaning in formulas already"),
    ("a rounding mode as a name", "  cage: {", "  ‹Half_Up: {", "", "reserved-name", "choose another name"),
    ("a built-in as a name", "  cage: {", "  ‹period_days: {", "", "reserved-name", "choose another name"),
    ("subtotal as a name", "  cage: {", "  ‹subtotal: {", "", "reserved-name", "choose another name"),
    ("two names that differ in case", "  cage: {", "  ‹Weight: {", "", "name-twice", "stands already at inputs.weight"),
    ("a name in Chinese", "  cage: {", "  ‹笼费: {", "", "bad-name", "belong in label"),
    ("a duplicate key", "  half: {", "  ‹price: {value: 1, unit: CNY/t}\n  half: {", "", "duplicate-key", "the key price already stands at 21:3"),
    ("an unused input", "inputs:\n", "inputs:\n  ‹spare: {unit: t, step: 1, min: 0, max: 9}\n", "", "unused", "spare is never used"),
    ("an unused choice", "inputs:\n", "inputs:\n  ‹spare: {choices: {a: a}}\n", "", "unused", "spare is never used"),
    ("an unused value", "values:\n", "values:\n  ‹spare: {value: 1, unit: t}\n", "", "unused", "delete it, or use it"),
    ("an unused dimension", "dimensions:\n", "dimensions:\n  ‹spare: {a: a}\n", "", "unused", "spare is never used"),
    ("a unit nobody knows", "quota: {unit: t,", "quota: {unit: ‹tonne,", "", "unit-unknown", "there is no unit tonne"),
    ("a unit in another case", "flow: {unit: m3", "flow: {unit: ‹M3", "", "unit-unknown", "did you mean m3?"),
    ("a unit with two strokes", "price: {value: 200, unit: CNY/t}", "price: {value: 200, unit: ‹CNY/t/day}", "", "unit-form", "one /, and brackets below it"),
    ("a unit that is a sentence", "price: {value: 200, unit: CNY/t}", "price: {value: 200, unit: ‹yuan per tonne}", "", "unit-unknown", "there is no unit yuan"),
    ("a unit declared that exists", "units: {cage:", "units: {‹bed: {zh: 床}, cage:", "", "unit-declared", "bed is a unit already"),
    ("another currency", "price: {value: 200, unit: CNY/t}", "price: {value: 200, unit: USD/t}", "‹round(weight * price, 0.01)", "not-money", "is USD"),
    ("a currency of whole units", "currency: CNY", "currency: JPY", "‹round(weight * price, 0.01)", "not-money", "must be money in JPY"),
    ("a coarser step of the currency", "currency: CNY", "currency: {code: CNY, step: 1}", "‹round(weight * price, 0.01)", "money-unrounded", "finer than 1"),
    ("a price of the wrong unit", "{value: 200, unit: CNY/t}", "{value: 200, unit: CNY/m3}", "‹round(weight * price, 0.01)", "not-money", "must be money in CNY"),
    ("a percentage for a step", "fen: {value: 0.01, unit: CNY}", 'fen: {value: 1, unit: "%"}', "‹round(blocks(weight, [quota]", "units-differ", "cannot become %"),
    ("a missing table key", "shop: 2, other: 3}", "other: 3}", "‹round(cages * cage_price[payer], 0.01)", "table-gap", "cage_price[payer] has no number for payer=shop"),
    ("a table key nobody declared", "shop: 2, other: 3}", "shop: 2, other: 3, ‹visitor: 4}", "", "unknown-member", "visitor is not a member of payer"),
    ("a table deeper than its keys", "shop: 2, other: 3}", "shop: 2, other: ‹{a: 3}}", "", "table-deep", "add the missing name to by:"),
    ("a table shallower than its keys", "by: payer, table: {quota_unit: 1", "by: [payer, pollutant], table: {quota_unit: ‹1", "", "table-shallow", "a number stands where the members of pollutant belong"),
    ("a table by a stranger", "by: payer, table", "by: ‹payers, table", "", "by-unknown", "payers is neither a dimension nor a choice input"),
    ("a table by the same twice", "by: payer, table", "by: ‹[payer, payer], table", "", "by-twice", "name each once"),
    ("a table by a number", "by: payer, table", "by: ‹weight, table", "", "by-unknown", "weight is neither"),
    ("lists of different lengths", "{COD: 0.70, NH3N: 2.45}", "‹{COD: [0.70, 1], NH3N: [2.45]}", "", "list-lengths", "give every key as many numbers"),
    ("edges out of order in a list", "[10, 20]", "[20, 10]", "‹blocks(max(change, 0)", "edges-order", "the edges do not ascend"),
    ("equal edges", "[10, 20]", "[10, 10]", "‹blocks(max(change, 0)", "edges-order", "the edges do not ascend"),
    ("until before effective", "currency: CNY", "until: ‹2025-12-31\ncurrency: CNY", "", "until-early", "not after the effective date 2026-01-01"),
    ("until on the effective date", "currency: CNY", "until: ‹2026-01-01\ncurrency: CNY", "", "until-early", "the first day the version no longer rules"),
    ("a date that does not exist", "currency: CNY", "until: ‹2026-02-30\ncurrency: CNY", "", "not-a-date", "2026-02-30 is not a date"),
    ("a charge of another unit", "cage: {formula", "cage: {unit: ‹t, formula", "", "line-unit", "its unit is CNY"),
    ("a working charge of the wrong unit", "share: {kind: working,", "share: {kind: working, unit: t,", "‹divide(max(each", "units-differ", "1 cannot become t"),
    ("an impossible kind", "kind: included", "kind: ‹vat", "", "not-one-of", "line, working, included, refund"),
    ("a condition that is a number", 'when: payer == "quota_unit"', "when: ‹weight", "", "test-expected", "compare it with something"),
    ("a condition that names a charge below", 'when: payer == "quota_unit"', "when: ‹cage > 0", "", "charge-order", "only charges above it"),
    ("a require that is a number", "that: acidity <= alkaline", "that: ‹acidity", "", "test-expected", "compare it with something"),
    ("a require about a charge", "that: acidity <= alkaline", "that: acidity <= alkaline and ‹fee > 0", "", "charge-order", "and a require none"),
    ("a require that does not say why", "{that: acidity <= alkaline, say: {zh: 酸碱度过高, en: too alkaline}}", "‹{that: acidity <= alkaline}", "", "missing-key-in", "require[1] has no say"),
    ("an input without bounds", "quota: {unit: t, step: 0.001, min: 0, max: 100000}", "‹quota: {unit: t, step: 0.001}", "", "missing-input-key", "states unit, step, min and max"),
    ("bounds that cross", "min: 0, max: 14", "min: ‹15, max: 14", "", "min-above-max", "swap or correct"),
    ("a bound off its step", "min: 0, max: 14", "min: 0, max: ‹14.05", "", "bound-off-step", "no whole multiple of the step 0.1"),
    ("a float's spelling", "value: 200", "value: ‹2e2", "", "not-a-plain-number", "2e2 is not a plain number"),
    ("separators in a number", "max: 1000000", "max: ‹1_000_000", "", "not-a-plain-number", "no separators"),
    ("full-width digits", "value: 200", "value: ‹２００", "", "not-a-plain-number", "ASCII digits"),
    ("a huge number", "value: 200", f"value: ‹{'9' * 31}", "", "not-a-plain-number", "at most 30 digits"),
    ("a number with its unit", "value: 200", "value: ‹200 CNY", "", "not-a-plain-number", "200 CNY is not a plain number"),
    ("a mean that does not say how it rounds", "collect: mean, mode: half_up", "collect: ‹mean", "", "mean-needs-mode", "say how: mode: half_up"),
    ("a weight nobody declared", "collect: mean, mode: half_up", "collect: weighted_mean, weight: ‹volume, mode: half_up", "", "weight-unknown", "name one of the inputs"),
    ("an empty value out of bounds", "max: 100000, collect: sum", "max: 100000, collect: sum, empty: ‹-1", "", "empty-value-bounds", "is outside its bounds"),
    ("a language of the future", "language: 1", "language: ‹2", "", "unknown-language", "this release knows language 1"),
    ("a currency that does not exist", "currency: CNY", "currency: ‹RMB", "", "unknown-currency", "RMB is no ISO 4217 currency"),
    ("a misspelt key", "direction:", "‹directoin:", "", "unknown-key-like", "did you mean direction?"),
    ("a key of no meaning", "direction:", "‹colour: red\ndirection:", "", "unknown-key", "the keys here are"),
    ("no charge at all", GOOD[GOOD.index("charges:") :], "charges: ‹{}\n", "", "empty-value", "charges is empty"),
    ("a require whose table lacks a key", ', when: payer != "other"', "", 'that: "‹cages <= most', "table-gap", "most[payer] has no number for payer=other"),
    ("a family by too many", "inputs:\n", MANY, "", "family-too-large", "has 216000 members, and 10000 is the limit"),
    ("an alias bomb", "dimensions:", "a: ‹&a [x]\nb: &b [*a, *a]\nc: [*b, *b]\ndimensions:", "", "yaml-alias", "write the text out in both places"),
    ("a tag that runs a program", "currency: CNY", "currency: ‹!!python/object/apply:os.system [ls]", "", "yaml-tag", "delete it"),
    ("a tab", "  pollutant:", "‹\tpollutant:", "", "yaml-tab", "indent with spaces only"),
    ("a second document", "charges:", "‹---\ncharges:", "", "yaml-second-document", "one document in a file"),
    ("a colon in a text", "document: Sample document", "document: Notice‹: 5", "", "yaml-syntax", "quote a text that contains"),
    ("an invisible character", "Sample document", "Sample‹\u202edocument", "", "hidden-character", "U+202E"),
]  # fmt: skip

# name, changes (old text, new text): faults by the thousand, or work without end; refused soon, a hundred problems at most
WORLDS = "inputs:\n" + "".join(f"  c{n}: {{choices: {{{', '.join(f'm{number}: x' for number in range(27))}}}}}\n" for n in range(3))
CASES = " + ".join(f'(price * weight if c{n % 3} == "m{n % 27}" else 0)' for n in range(45))
FLOODS = {
    "ten thousand misspelt names": [("charges:\n", "charges:\n" + "".join(f"  e{n}: {{formula: 'round(weigt * price, 0.01)'}}\n" for n in range(10_000)))],
    "eight thousand values and five hundred strangers": [
        ("values:\n", "values:\n" + "".join(f"  v{n}: {{value: 1}}\n" for n in range(8_000))),
        (FEE, f"sum({', '.join(f'zz{n}' for n in range(500))})"),
    ],
    "each in each in each": [(FEE, "round(price * sum(" + "each(pollutant, sum(" * 16 + "flow" + "))" * 16 + "), 0.01)")],
    "a charge by two hundred thousand members": [("inputs:\n", MANY.replace("‹[a, b, c]", "a")), ("cage: {", "cage: {by: [a, b, c], ")],
    "twenty charges of twenty thousand worlds": [
        ("inputs:\n", WORLDS),
        ("values:\n", "values:\n  gap: {unit: CNY, by: c0, table: {m1: 3}}\n"),
        ("charges:\n", "charges:\n" + "".join(f"  e{n}: {{formula: 'round(gap[c0] + {CASES}, 0.01)'}}\n" for n in range(20))),
    ],
    "charges that grow by each other": [
        (
            "charges:\n",
            "charges:\n  g0: {kind: working, formula: flow}\n"
            + "".join(f"  g{n}: {{kind: working, formula: {' * '.join([f'g{n - 1}'] * 40)}}}\n" for n in range(1, 9)),
        ),
    ],
}

# name, content, code, place, part of the English sentence
BYTES = [
    ("a file of 10 MB", b"a: 1\n" * 2_000_000, "file-too-large", "1:1", "10000000 bytes"),
    ("an empty file", b"", "empty-file", "1:1", "the file is empty"),
    ("a file in GBK", GOOD.encode("gbk"), "not-utf8", "2:14", "written in GBK; save it as UTF-8"),
    ("a file in UTF-16", GOOD.encode("utf-16"), "not-utf8", "1:1", "written in UTF-16"),
    ("a file in UTF-32", GOOD.encode("utf-32"), "not-utf8", "1:1", "written in UTF-32"),
    ("a file with a broken byte", GOOD.replace("示例费", "x").encode() + b"# \xff\xff\n", "not-utf8-byte", "49:3", "0xFF is not UTF-8"),
    ("YAML 10,000 deep", b"a: " + b"[" * 10_000 + b"]" * 10_000, "yaml-too-deep", "1:33", "more than 30 levels"),
    ("mappings 10,000 deep", b"{a: " * 10_000, "yaml-too-deep", "1:121", "more than 30 levels"),
    ("lines 10,000 deep", b"\n".join(b" " * depth + b"a:" for depth in range(1_300)), "yaml-too-deep", "31:31", "more than 30 levels"),
    ("a photograph", b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)) * 9, "not-utf8-byte", "1:1", "0xFF is not UTF-8"),
    ("a text", b"Dear Sir or Madam\n", "version-expected", "1:1", "not a version file"),
    ("a list", b"- language: 1\n", "version-expected", "1:1", "beginning with language: 1"),
]


@contextmanager
def soon() -> Iterator[None]:
    """What takes more than five seconds of the processor is a hang."""

    def late(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def refused(content: bytes) -> list[Problem]:
    with soon(), pytest.raises(PackError) as caught:
        tariffs.parse(content, tariff="cn/sample/fee", effective=date(2026, 1, 1), file="x.yaml")
    problems = list(caught.value.problems)
    for problem in problems:
        assert problem.where is not None
        assert problem.where.line >= 1
        assert problem.where.column >= 1
        assert problem.sentence("en") != problem.sentence("zh")
    return problems


def found(problems: list[Problem]) -> list[tuple[str, str]]:
    return [(problem.code, str(problem.where).removeprefix("x.yaml:")) for problem in problems]


def changed(old: str, new: str, at: str = "") -> tuple[bytes, str]:
    """The file with one change, and the place the sign ‹ stands at, in the new text or in ``at``."""
    assert old in GOOD, f"the good file holds {old!r}"
    marked = GOOD.replace(old, new, 1)
    if at:
        assert at.replace("‹", "") in marked
        marked = marked.replace(at.replace("‹", ""), at, 1)
    before = marked.partition("‹")[0]
    return marked.replace("‹", "").encode(), f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def test_the_file_they_all_come_from_is_good() -> None:
    version = tariffs.parse(GOOD.encode(), tariff="cn/sample/fee", effective=date(2026, 1, 1))
    assert version.warnings == ()


@pytest.mark.parametrize(("formula", "code", "says"), [row[1:] for row in FORMULAS], ids=[row[0] for row in FORMULAS])
def test_a_bad_formula(formula: str, code: str, says: str) -> None:
    content, place = changed(FEE, formula)
    problems = refused(content)
    assert found(problems) == [(code, place)]
    assert says in problems[0].sentence()
    assert problems[0].charge == "fee"


@pytest.mark.parametrize(("old", "new", "at", "code", "says"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_a_bad_file(old: str, new: str, at: str, code: str, says: str) -> None:
    content, place = changed(old, new, at)
    problems = refused(content)
    assert (code, place) in found(problems)
    assert says in next(problem.sentence() for problem in problems if problem.code == code)


@pytest.mark.parametrize(("content", "code", "place", "says"), [row[1:] for row in BYTES], ids=[row[0] for row in BYTES])
def test_bad_bytes(content: bytes, code: str, place: str, says: str) -> None:
    problems = refused(content)
    assert found(problems) == [(code, place)]
    assert says in problems[0].sentence()


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_refused_soon(name: str) -> None:
    content = GOOD
    for old, new in FLOODS[name]:
        assert old in content
        content = content.replace(old, new, 1)
    assert len(refused(content.encode())) <= 100


FAULTS = [
    ("an input of an unknown unit", [("quota: {unit: t", "quota: {unit: tonne")], ["unit-unknown"]),
    ("a list of an unknown unit", [("edges: {list: [10, 20], unit: t}", "edges: {list: [10, 20], unit: tonne}")], ["unit-unknown"]),
    ("a table by a stranger", [("by: payer, table: {quota_unit: 1", "by: payers, table: {quota_unit: 1")], ["by-unknown"]),
    ("a charge that others name", [(FEE, "round(wieght * price, 0.01)"), ("subtotal * half", "fee * half + subtotal * half")], ["unknown-name-like"]),
    ("two faults in two charges", [(FEE, "weight * quota"), ("cages * cage_price[payer]", "cages / cage_price[payer]")], ["not-money", "formula-division"]),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "codes"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS])
def test_a_fault_is_told_once_and_not_again_by_those_who_use_the_name(changes: list[tuple[str, str]], codes: list[str]) -> None:
    content = GOOD
    for old, new in changes:
        assert old in content
        content = content.replace(old, new, 1)
    assert [problem.code for problem in refused(content.encode())] == codes
