"""Draws the samples of a soak as lines over time: soakchart.py SAMPLES.csv CHART.svg"""
import csv, sys
from html import escape

WIDTH, LEFT, ROOM, PANEL, HEAD, PLOT = 900, 76, 640, 172, 70, 116
TEXT, QUIET, OURS, LIMIT, PEER = "#1f2328", "#59636e", "#1a7f5a", "#afb8c1", "#5b8def"
MIB = 1 << 20
# A panel: its title, its unit, and for each line its name, colour, field and divisor.
PANELS = (
    ("Memory", "MiB", [
        ("resident", OURS, "resident_bytes", MIB), ("allocated", PEER, "allocated_bytes", MIB)]),
    ("Descriptors and threads", "", [
        ("descriptors", OURS, "descriptors", 1), ("threads", PEER, "threads", 1)]),
    ("Files", "MiB", [
        ("database", OURS, "database_bytes", MIB), ("write-ahead log", PEER, "wal_bytes", MIB)]),
    ("A healthy client's ReportLog", "ms", [
        ("p99", OURS, "report_p99_ms", 1), ("p50", PEER, "report_p50_ms", 1),
        ("an own fdatasync's p99", LIMIT, "sync_p99_ms", 1)]),
    ("A healthy client's ListLogs", "ms", [
        ("p99", OURS, "list_p99_ms", 1), ("p50", PEER, "list_p50_ms", 1)]),
    ("Processor time for a call, everything included", "µs", [
        ("server", OURS, "cpu_us_per_call", 1)]),
)


def text(x, y, words, size=13, weight=400, colour=TEXT, anchor="start"):
    return (f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" '
            f'text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>\n')


def number(value):
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


def top_of(value):
    """The next round number, for the upper end of an axis."""
    step = 1e-3
    while True:
        for factor in (1, 2, 4, 5):
            if step * factor >= value:
                return step * factor
        step *= 10


def line(xs, ys, colour):
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys))
    return (f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5" '
            'stroke-linejoin="round"/>\n')


def time_axis(seconds, bottom):
    """Marks under a panel: minutes, or seconds of a short run."""
    unit, word = (60, "min") if seconds >= 300 else (1, "s")
    step = top_of(seconds / unit / 6) * unit
    marks, at = "", 0
    while at <= seconds * 1.0001:
        x = LEFT + ROOM * at / seconds
        marks += text(f"{x:.1f}", bottom + 15, f"{at / unit:g} {word}", 11, 400, QUIET, "middle")
        at += step
    return marks


def panel(title, unit, lines, samples, top):
    upper, bottom = top + 32, top + 32 + PLOT
    seconds = samples[-1]["seconds"]
    most = top_of(max(each[field] / scale for _, _, field, scale in lines for each in samples)
                  or 1)
    drawn = text(20, top + 20, title + (f", {unit}" if unit else ""), 15, 600)
    for share in (0, 0.5, 1):
        y = bottom - PLOT * share
        drawn += (f'<line x1="{LEFT}" x2="{LEFT + ROOM}" y1="{y}" y2="{y}" stroke="#d1d9e0"/>\n'
                  + text(LEFT - 8, y + 4, number(most * share), 11, 400, QUIET, "end"))
    xs = [LEFT + ROOM * each["seconds"] / seconds for each in samples]
    # The grey and blue lines lie under the green one.
    for name, colour, field, scale in reversed(lines):
        drawn += line(xs, [bottom - PLOT * each[field] / scale / most for each in samples], colour)
    for place, (name, colour, field, scale) in enumerate(lines):
        y = upper + 12 + place * 32
        values = [each[field] / scale for each in samples]
        drawn += (f'<rect x="{LEFT + ROOM + 14}" y="{y - 10}" width="12" height="12" rx="2" '
                  f'fill="{colour}"/>\n' + text(LEFT + ROOM + 32, y, name, 12)
                  + text(LEFT + ROOM + 32, y + 14, f"end {number(values[-1])}, peak "
                         f"{number(max(values))}", 11, 400, QUIET))
    return drawn + time_axis(seconds, bottom)


def svg(samples):
    """The chart as text."""
    title = "integrationd under a mixed load that does not end"
    seconds = samples[-1]["seconds"]
    length = f"{seconds / 60:,.0f} minutes" if seconds >= 300 else f"{seconds:.0f} seconds"
    rate = sum(each["calls_per_second"] for each in samples) / len(samples)
    said = (f"{length}, {number(rate)} calls a second, {samples[-1]['acknowledged']:,.0f} logs "
            "acknowledged, with retention, backups, exports and rotated keys")
    height = HEAD + (PANEL + 14) * len(PANELS) + 10
    body = "".join(
        panel(*each, samples, HEAD + place * (PANEL + 14)) for place, each in enumerate(PANELS))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" \
viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}" \
font-family="system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif" font-size="13">
<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8" fill="#ffffff" \
stroke="#d1d9e0"/>
{text(20, 30, title, 17, 600)}{text(20, 50, said, 12, 400, QUIET)}{body}</svg>
"""


def draw(table, chart):
    """Draws a table of samples into a file."""
    with open(table, newline="") as file:
        samples = [{name: float(value) for name, value in row.items()}
                   for row in csv.DictReader(file)]
    with open(chart, "w") as file:
        file.write(svg(samples))


if __name__ == "__main__":
    draw(*sys.argv[1:])
