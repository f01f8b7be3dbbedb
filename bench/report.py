"""The results: as a table, as ratios of two versions, as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

import attrs

from bench.scenarios import Cost, Idle


@attrs.define
class Results:
    """Everything that was measured of one version, round by round.

    :ivar costs: by scenario.
    :ivar started_in: seconds from the start of the process to the first token.
    """

    name: str
    costs: dict[str, list[Cost]] = attrs.field(factory=dict)
    started_in: list[float] = attrs.field(factory=list)
    idle: list[Idle] = attrs.field(factory=list)

    def to_json(self) -> dict[str, object]:
        return attrs.asdict(self)

    def lowest(self, scenario: str) -> Cost:
        """The round with the least CPU time: what else runs on the machine can only add."""
        return min(self.costs[scenario], key=lambda cost: cost.cpu_ms)


def table(results: Sequence[Results], scenarios: Mapping[str, str]) -> str:
    """One line for each version and scenario.

    :param scenarios: names for people, by scenario.
    """
    rows = [("version", "operation", "CPU ms", "/ B", "p50 ms", "p99 ms", "busy", "foreign", "operations")]
    for result in results:
        for scenario, costs in result.costs.items():
            best = result.lowest(scenario)
            rows.append(
                (
                    result.name,
                    scenarios[scenario],
                    f"{best.cpu_ms:.3f}",
                    f"{best.cpu_ms / result.lowest('B').cpu_ms:.2f}" if "B" in result.costs else "",
                    f"{best.p50_ms:.2f}",
                    f"{best.p99_ms:.2f}",
                    f"{best.utilisation:.2f}",
                    f"{best.foreign:.2f}",
                    str(sum(cost.operations for cost in costs)),
                )
            )
    return "\n".join([aligned(rows), "", *map(_others, results)])


def _others(result: Results) -> str:
    parts = []
    if result.started_in:
        parts.append(f"first token {1000 * min(result.started_in):.0f} ms after the start")
    if result.idle:
        best = min(result.idle, key=lambda idle: idle.kib_each)
        parts.append(
            f"{best.empty.rss / 1024:.0f} MiB RSS empty, {best.full.rss / 1024:.0f} with "
            f"{best.connections} idle connections: {best.kib_each:.1f} KiB PSS each"
        )
    return f"{result.name}: {'; '.join(parts)}" if parts else ""


def ratios(ours: Results, theirs: Results, scenarios: Mapping[str, str]) -> str:
    """How much CPU time our operations take of theirs: of the lowest rounds, and the median of all rounds.

    What the other version cannot serve is left out.
    """
    rows = [("operation", "lowest", "median", f"{ours.name} / {theirs.name}")]
    for scenario in filter(theirs.costs.__contains__, ours.costs):
        pairs = zip(ours.costs[scenario], theirs.costs[scenario], strict=True)
        each = [own.cpu_ms / other.cpu_ms for own, other in pairs]
        lowest = ours.lowest(scenario).cpu_ms / theirs.lowest(scenario).cpu_ms
        shown = " ".join(f"{ratio:.2f}" for ratio in each)
        rows.append((scenarios[scenario], f"{lowest:.3f}", f"{statistics.median(each):.3f}", shown))
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """A table of which the first row is the head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
