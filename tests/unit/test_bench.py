"""What the bench makes of what it measured."""

from __future__ import annotations

from bench.figures import Figure, machine, table


def test_a_figure_is_its_median_with_its_spread() -> None:
    figures = (
        Figure(name="the fetcher", values=(3.0, 1.0, 2.0, 9.0, 2.5)),
        Figure(name="memory", values=(114.4,), unit="MiB"),
    )
    assert list(table(figures)) == [
        "the fetcher      2.50 s  (1.00 to 9.00 in 5 runs)",
        "memory         114.40 MiB",
    ]


def test_the_machine_is_one_line() -> None:
    assert "Linux" in machine()
    assert "\n" not in machine()
