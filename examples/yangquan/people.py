"""Invented names and addresses, and what a city is made of."""

from __future__ import annotations

from random import Random

#: Kinds of accounts and how many of a thousand are of each.
KINDS = (
    ("household", 820),
    ("pilot_household", 25),
    ("shop", 56),
    ("vacant_shop", 6),
    ("restaurant", 25),
    ("institution", 20),
    ("office", 12),
    ("hotel", 10),
    ("coach_company", 4),
    ("hospital", 5),
    ("clinic", 8),
    ("factory", 9),
)
_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
_GIVEN = "秀英桂兰建国志强玉梅丽华晓明海燕春生文博雨桐子轩美玲永福金凤"
_WORDS = "桃园 泉城 晋东 仙河 狮脑 义井 新泉 太行 石门 漾泉 北岭 南庄"
_ENDINGS = {
    "shop": "超市 便利店 服装店 五金店 药店",
    "vacant_shop": "门面",
    "restaurant": "饭店 面馆 火锅城 餐厅",
    "institution": "中学 农贸市场 机械厂 物流园",
    "office": "街道办事处 服务中心 设计院",
    "hotel": "宾馆 快捷酒店 洗浴中心",
    "coach_company": "客运公司 旅游客运队",
    "hospital": "医院 中医院",
    "clinic": "诊所 口腔门诊",
    "factory": "化工厂 铝业公司 耐火材料厂 电镀厂",
}
_DISTRICTS = ("城区", "矿区", "郊区", "平定县", "盂县")
_STREETS = "示例一路 示例二路 示例三街 示例北街 示例河路"


def kind_of(random: Random) -> str:
    """One of the kinds, as often as the city has them."""
    at = random.randrange(sum(weight for _, weight in KINDS))
    for kind, weight in KINDS:
        at -= weight
        if at < 0:
            return kind
    raise AssertionError(at)


def name_of(kind: str, random: Random) -> str:
    """A person for a household, a firm otherwise; marked as a sample."""
    if kind in ("household", "pilot_household"):
        return random.choice(_SURNAMES) + random.choice(_GIVEN) + random.choice(_GIVEN)
    return f"{random.choice(_WORDS.split())}{random.choice(_ENDINGS[kind].split())}（示例）"


def address(random: Random) -> tuple[str, str]:
    """District and street."""
    street = f"{random.choice(_STREETS.split())}{random.randint(1, 300)}号"
    return random.choice(_DISTRICTS), street + (f"{random.randint(1, 12)}号楼{random.randint(101, 1804)}室" if random.randrange(2) else "")
