"""What the README says Orch costs at rest on AWS is what its own figures come to."""

import re
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"
CENT = Decimal("0.01")
TARGET = 2


def rows() -> list[list[str]]:
    table = README.read_text().split("<!-- costs -->\n")[1].split("\n<!-- /costs -->")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def number(text: str) -> Decimal:
    found = re.match(r"[\d,.]+", text)
    assert found, text
    return Decimal(found[0].replace(",", ""))


def test_each_line_is_its_amount_times_its_price() -> None:
    for what, amount, price, cost, _ in rows()[:-1]:
        per = number(price.partition(" per ")[2])
        assert (number(amount) * number(price) / per).quantize(CENT, ROUND_HALF_UP) == Decimal(cost), what


def test_the_sums_are_right_and_what_is_to_pay_stays_within_the_target() -> None:
    *lines, total = rows()
    assert [sum(Decimal(line[column]) for line in lines) for column in (3, 4)] == [*map(Decimal, total[3:])]
    assert Decimal(total[4]) < TARGET
