"""Every word of laboratories that is understood: names of measures, sides, units, marks. What is not here is in a mapping file, or refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

IGNORE = "ignore"
SIDES: Mapping[str, tuple[str, ...]] = {
    "inflow": ("进水口", "进水", "进厂水", "进厂", "进口", "influent", "inflow", "inlet", "in"),
    "outflow": ("出水口", "出水", "出厂水", "出厂", "总排口", "排放口", "出口", "effluent", "outflow", "outlet", "out"),
}
#: pollutant -> its names, in ``key`` form; a side beside the name makes the measure ``inflow[COD]``.
POLLUTANTS: Mapping[str, tuple[str, ...]] = {
    "COD": ("cod", "codcr", "化学需氧量", "化学需氧量codcr", "化学需氧量cod", "chemicaloxygendemand"),
    "BOD5": ("bod5", "bod", "五日生化需氧量", "生化需氧量", "生化需氧量bod5", "五日生化需氧量bod5"),
    "NH3N": ("nh3n", "氨氮", "氨氮nh3n", "nh4n", "氨氮nh4n", "ammonianitrogen"),
    "TN": ("tn", "总氮", "总氮tn", "totalnitrogen"),
    "TP": ("tp", "总磷", "总磷tp", "totalphosphorus"),
    "SS": ("ss", "tss", "悬浮物", "悬浮物ss", "suspendedsolids"),
    "pH": ("ph", "ph值"),
}
#: measures that have no side; an outgoing flow is another measure, and needs a mapping file.
PLAIN: Mapping[str, tuple[str, ...]] = {
    "flow": (
        "flow",
        "流量",
        "水量",
        "污水量",
        "进水量",
        "进水流量",
        "处理量",
        "处理水量",
        "日处理量",
        "日处理水量",
        "污水处理量",
        "inflowvolume",
        "influentflow",
    ),
    "temperature": ("水温", "进水水温", "temperature", "watertemperature"),
}
NEEDS: Mapping[str, str] = {"flow": "m3", "temperature": "degC", "pH": "pH"}  # all others: mg/L
#: Filler in a name that changes nothing.
FILLER = ("水质", "浓度", "含量", "日均值", "监测值", "化验值", "指标", "concentration")
#: Columns that are computed from others or say nothing that is measured; named in the summary, not read.
UNREAD = (
    "备注",
    "说明",
    "remark",
    "remarks",
    "note",
    "notes",
    "序号",
    "编号",
    "no",
    "天气",
    "weather",
    "化验员",
    "检测人",
    "分析人",
    "采样人",
    "审核",
    "审核人",
    "复核",
    "签字",
)
UNREAD_ENDS = ("去除率", "削减量", "削减率", "removal")
ROLES: Mapping[str, tuple[str, ...]] = {
    "date": ("日期", "日期项目", "项目日期", "日期指标", "采样日期", "监测日期", "取样日期", "化验日期", "检测日期", "date", "day", "日"),
    "sample": ("样次", "次数", "样品", "样品号", "采样时间", "取样时间", "时间", "时段", "班次", "sample", "sampleno", "time", "shift"),
    "point": ("点位", "采样点", "采样点位", "监测点", "监测点位", "取样点", "point", "samplingpoint"),
    "plant": ("厂名", "污水厂", "污水处理厂", "处理厂", "水厂", "厂", "plant", "works"),
    "quality": ("数据性质", "quality"),
}
QUALITIES: Mapping[str, str] = {"": "actual", "actual": "actual", "实测": "actual", "estimated": "estimated", "估算": "estimated", "估计": "estimated"}
#: Rows at the foot of a table; also with a month or a unit around them.
TOTALS = re.compile(
    r"合计|总计|小计|累计|平均|均值|最大|最小|最高|最低|达标率|去除率|标准值|标准限值|排放标准|限值|样本数|"
    r"^(total|sum|average|avg|mean|max|maximum|min|minimum|standard|count)\b",
    re.IGNORECASE,
)
UNIT_ROW = ("单位", "unit", "units")
LIMIT_ROW = ("检出限", "检测限", "方法检出限", "detectionlimit", "limitofdetection", "lod", "mdl", "dl")
NO_VALUE = frozenset({"", "-", "--", "—", "——", "–", "/", "\\", "未测", "缺测", "未采样", "停产", "停运", "n/a"})
NOT_FOUND = frozenset({"nd", "n.d.", "n.d", "未检出", "未检测出", "notdetected"})
LIMIT = re.compile(r"(?:检出限|检测限|detection limit|limit of detection|lod|mdl|\bdl)\s*[:=<≤]?\s*([0-9]+(?:\.[0-9]+)?)\s*([^\s)\],;]*)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Scale:
    """What a written unit is: the unit records carry, and by what its numbers are multiplied, exactly."""

    unit: str
    times: Decimal = Decimal(1)


_MG, _M3 = Scale("mg/L"), Scale("m3")
_DAILY_10K = Scale("m3", Decimal(10_000))
#: A volume a day over a record of one day is that volume.
UNITS: Mapping[str, Scale] = {
    **dict.fromkeys(("mg/l", "毫克/升", "mgl-1", "g/m3"), _MG),
    **dict.fromkeys(("ug/l", "μg/l", "微克/升", "mg/m3"), Scale("mg/L", Decimal("0.001"))),
    "g/l": Scale("mg/L", Decimal(1000)),
    **dict.fromkeys(("m3", "m3/d", "m3/day", "m3/天", "m3/日", "立方米", "立方米/日", "立方米/天", "立方米/d", "方"), _M3),
    **dict.fromkeys(("万m3", "万m3/d", "万m3/日", "万m3/天", "万立方米", "万立方米/日", "万立方米/d", "万立方米/天"), _DAILY_10K),
    **dict.fromkeys(("°c", "℃", "degc", "c"), Scale("degC")),
    **dict.fromkeys(("ph", "无量纲", "dimensionless"), Scale("pH")),
}
_NOISE = re.compile(r"[\s_\-·.:;,、()\[\]【】<>《》/\\]+")


def key(text: str) -> str:
    """A name without case, spaces and punctuation: ``NH3-N`` and ``nh3 n`` are one."""
    return _NOISE.sub("", text.casefold())


def unit_key(text: str) -> str:
    """A unit as UNITS has it; ``μ`` and ``µ`` are one already by plain width."""
    return text.casefold().replace(" ", "").replace("·", "").replace("^", "").replace("立方米每日", "立方米/日")


def is_date_word(text: str) -> bool:
    """Whether a cell heads the column of days."""
    return key(text) in ROLES["date"]


def side_of(text: str) -> str:
    """``inflow`` for a cell that says a side and nothing else."""
    short = _without(key(text), FILLER)
    return next((side for side, names in SIDES.items() if short in names), "")


def side_within(text: str) -> str:
    """The one side a title mentions, by a word of Chinese or a whole word of English; empty where none or both."""
    if "进出水" in text:
        return ""
    words = set(re.findall(r"[a-z]+", text.casefold()))
    found = {side for side, names in SIDES.items() if any(name in words if name.isascii() else name in text for name in names)}
    return found.pop() if len(found) == 1 else ""


def role_of(text: str) -> str:
    """date, sample, point, plant, quality, or empty."""
    return next((role for role, names in ROLES.items() if key(text) in names), "")


def is_unread(text: str) -> bool:
    """Whether a column is known to hold nothing that was measured."""
    short = key(text)
    return short in UNREAD or short.endswith(UNREAD_ENDS) or short.removesuffix("%").endswith(UNREAD_ENDS)


def measure_of(text: str, side: str = "") -> tuple[str, str]:
    """A column's name without unit -> (pollutant or plain measure, side); both empty where the name is unknown.

    ``side`` is what the headings above or the sheet say; a side in the name itself wins.
    """
    short = key(text)
    for name, words in PLAIN.items():
        if short in words or _without(short, FILLER) in words:
            return name, ""
    for own, names in SIDES.items():
        for word in names:
            for rest in (short.removeprefix(word) if short.startswith(word) else "", short.removesuffix(word) if short.endswith(word) else ""):
                found = _pollutant(rest)
                if found:
                    return found, own
    found = _pollutant(short)
    return (found, side) if found else ("", "")


def _pollutant(short: str) -> str:
    bare = _without(short, FILLER)
    return next((name for name, words in POLLUTANTS.items() if bare in words), "") if bare else ""


def _without(short: str, words: tuple[str, ...]) -> str:
    for word in words:
        short = short.replace(word, "")
    return short


def needed_unit(measure: str) -> str:
    """The unit records of a measure carry; empty where only a mapping file knows the measure."""
    name = measure.partition("[")[2].rstrip("]") or measure
    return NEEDS.get(name) or ("mg/L" if name in POLLUTANTS else "")
