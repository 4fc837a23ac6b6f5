# SPDX-License-Identifier: MIT
"""The HTML page: plots by matplotlib, inline, and the tables beside them."""

import html
import io
import re
import sys

import figures
import reasons
import tables

try:
    import matplotlib
    matplotlib.use("svg")
    from matplotlib import pyplot
except ImportError:
    pyplot = None

# Okabe and Ito's colours, told apart by colour-blind readers too. The same
# implementation has the same colour and mark in every plot.
STYLE = {
    "raw_array": ("#8a8a8a", "x"),
    "bitmap": ("#0072b2", "o"),
    "radix": ("#56b4e9", "s"),
    "hash": ("#009e73", "D"),
    "linux_ioasid": ("#d55e00", "^"),
    "urcu_lfht": ("#e69f00", "v"),
    "ck_ht": ("#cc79a7", "P"),
    "tbb_hash": ("#a3785a", "X"),
    "rwlock_map": ("#8f7fd6", "*"),
}
# Stands for the colour of the page's text, light or dark.
TEXT = "#123456"

CSS = """
:root { color-scheme: light dark; --text: #1c1e21; --faint: #5c6370;
  --page: #fff; --line: #d9dce1; --good: #00704f; --bad: #b03a00; }
@media (prefers-color-scheme: dark) { :root { --text: #e4e6e9;
  --faint: #9aa2ad; --page: #16181c; --line: #363b43; --good: #35c99a;
  --bad: #ff8a4c; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--text);
  background: var(--page); max-width: 76rem; margin: 0 auto;
  padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.7rem; margin: 0; } h2 { font-size: 1.25rem;
  margin: 3rem 0 .25rem; }
p { max-width: 46rem; margin: .25rem 0 .75rem; }
.faint { color: var(--faint); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem;
  font-size: .9rem; } dt { color: var(--faint); } dd { margin: 0; }
.key { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem; font-size: .9rem;
  position: sticky; top: 0; background: var(--page); padding: .5rem 0;
  border-bottom: 1px solid var(--line); z-index: 1; }
.key span::before { content: ""; display: inline-block; width: .8em;
  height: .8em; border-radius: 50%; background: var(--c); margin-right: .4em; }
svg { max-width: 100%; height: auto; display: block; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .875rem;
  font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th { font-weight: 600; } th:first-child, td:first-child { text-align: left; }
.left { text-align: left; }
.met { color: var(--good); font-weight: 600; }
.missed { color: var(--bad); font-weight: 600; }
summary { cursor: pointer; color: var(--faint); font-size: .9rem; }
a { color: inherit; }
.score { font-size: 1.1rem; }
"""


def need():
    if not pyplot:
        sys.exit("the page needs matplotlib (package python3-matplotlib)")


def number(value):
    if value is None:
        return "–"
    if value >= 1e6:
        return "%.3g M" % (value / 1e6)
    if value >= 1e4:
        return "%.3g k" % (value / 1e3)
    return "%.0f" % value if value >= 100 else "%.3g" % value


def svg(figure, name):
    with matplotlib.rc_context({"svg.hashsalt": name}):
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True,
                       bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
    text = out.getvalue()
    text = text[text.index("<svg"):]
    # Names are per document, and this one holds several drawings.
    text = re.sub(r'(id="|href="#|url\(#)', r"\g<1>%s-" % name, text)
    return text.replace(TEXT, "currentColor")


def rc():
    return matplotlib.rc_context({
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.size": 10,
        "text.color": TEXT,
        "axes.edgecolor": TEXT,
        "axes.labelcolor": TEXT,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 10,
        "axes.titlelocation": "left",
        "xtick.color": TEXT,
        "ytick.color": TEXT,
        "xtick.minor.bottom": False,
        "ytick.minor.left": False,
        "grid.color": "#808080",
        "grid.alpha": 0.3,
        "lines.linewidth": 1.8,
        "lines.markersize": 6,
    })


def plain_log(axis):
    axis.set_major_formatter(
        matplotlib.ticker.FuncFormatter(lambda v, _: number(v)))
    axis.set_minor_formatter(matplotlib.ticker.NullFormatter())


def off_scale(panels):
    """Whose values would leave no room for the others: 30 times theirs."""
    result = set()
    ends = sorted(((max(points.values()), impl) for _, curves in panels
                   for impl, points in curves.items()), reverse=True)
    for i, (value, impl) in enumerate(ends[:-1]):
        others = [v for v, other in ends[i + 1:] if other != impl]
        if not others or value < 30 * others[0]:
            break
        result.add(impl)
    return result


def lines(name, panels, y_label, legend=False):
    """Curves over the number of IDs, one panel a {impl: {ids: value}}."""
    if not any(curves for _, curves in panels):
        return "<p class=faint>not measured</p>"
    off = off_scale(panels)
    with rc():
        figure, axes = pyplot.subplots(1, len(panels), sharey=True,
                                       figsize=(5.6 * len(panels), 4.2),
                                       squeeze=False)
        limit = max(max(points.values()) for _, curves in panels
                    for impl, points in curves.items() if impl not in off)
        for axis, (title, curves) in zip(axes[0], panels):
            notes = []
            for impl, points in curves.items():
                colour, mark = STYLE[impl]
                if impl in off and max(points.values()) > limit:
                    notes.append("%s: %s to %s, off the scale" % (
                        impl, number(min(points.values())),
                        number(max(points.values()))))
                    continue
                axis.plot(list(points), list(points.values()), color=colour,
                          marker=mark, label=impl,
                          linestyle="--" if impl == "raw_array" else "-")
            axis.set_xscale("log")
            axis.set_yscale("log")
            axis.set_title("\n".join([title] + notes))
            axis.set_xlabel("live IDs")
            axis.set_xticks(figures.SIZES)
            axis.xaxis.set_major_formatter(
                matplotlib.ticker.FuncFormatter(lambda v, _: format(int(v), ",")))
            axis.xaxis.set_minor_locator(matplotlib.ticker.NullLocator())
            plain_log(axis.yaxis)
            axis.grid(True, axis="y")
        axes[0][0].set_ylabel(y_label)
        if legend:
            axes[0][0].legend(frameon=False, ncol=2, fontsize=9)
        figure.tight_layout(w_pad=2)
        return svg(figure, name)


def rows(name, panels, x_label, log=False):
    """Horizontal bars, one panel a {impl: value}."""
    height = max(len(values) for _, values in panels)
    with rc():
        figure, axes = pyplot.subplots(1, len(panels), squeeze=False,
                                       figsize=(5.6 * len(panels),
                                                0.36 * height + 1.1))
        for axis, (title, values) in zip(axes[0], panels):
            names = [n for n in figures.ORDER if n in values][::-1]
            axis.barh(names, [values[n] for n in names], height=0.62,
                      color=[STYLE[n][0] for n in names])
            for i, n in enumerate(names):
                axis.annotate(number(values[n]), (values[n], i), va="center",
                              xytext=(4, 0), textcoords="offset points")
            if log:
                axis.set_xscale("log")
                plain_log(axis.xaxis)
            axis.margins(x=0.12)
            axis.set_title(title)
            axis.set_xlabel(x_label)
            axis.tick_params(axis="y", length=0)
            axis.spines["left"].set_visible(False)
        figure.tight_layout(w_pad=2)
        return svg(figure, name)


def curves(found, pattern, value):
    """{impl: {ids: value}} of the names that match, epoch flavours apart."""
    result = {}
    for impl in STYLE:
        points = {}
        for name, figure in found.items():
            match = pattern.match(name)
            if match and match["impl"] == impl and value(figure) is not None:
                points[int(match["ids"])] = value(figure)
        if points:
            result[impl] = dict(sorted(points.items()))
    return result


def table(head, body, left=1):
    out = ["<div class=wide><table><thead><tr>"]
    out += ["<th%s>%s</th>" % (" class=left" if i < left else "",
                               html.escape(h)) for i, h in enumerate(head)]
    out.append("</tr></thead><tbody>")
    for row in body:
        out.append("<tr>")
        for i, cell in enumerate(row):
            css = "left" if i < left else ""
            if isinstance(cell, tuple):
                css, cell = cell
            out.append("<td%s>%s</td>" % (
                " class='%s'" % css if css else "", html.escape(cell)))
        out.append("</tr>")
    out.append("</tbody></table></div>")
    return "".join(out)


def bar_table(groups):
    body = []
    for b in (b for group in groups for b in group):
        verdict = {True: ("met", "met"), False: ("missed", "not met, %.3g x off"
                                                 % (figures.off(b) or 0)),
                   None: ("", "not measured")}[b.met]
        body.append([b.what, b.against,
                     "" if b.size is None else tables.size(b.size),
                     "–" if b.value is None else "%.2f %s" % (b.value, b.unit),
                     "%s %g" % (b.sense.replace("<=", "≤").replace(">=", "≥"),
                                b.limit), verdict])
    return table(["figure", "against", "IDs", "measured", "bar", ""], body, 2)


def why(groups):
    """The reasons below the bars, for the kinds that are missed."""
    return "".join("<h3>%s</h3><p>%s</p>" % (
        html.escape(reasons.WHY[kind][0]), html.escape(reasons.text(kind)))
        for kind in reasons.missed(groups))


def figures_of(one):
    """A table of the report, its title above."""
    return "<h3>%s</h3><p>%s</p>%s" % (
        html.escape(one.title), html.escape(one.about),
        table(one.head, one.rows))


def section(title, text, *parts):
    return "<h2>%s</h2><p>%s</p>%s" % (title, text, "".join(parts))


def details(summary, content):
    return "<details><summary>%s</summary>%s</details>" % (summary, content)


def lookup_pattern(pattern, writers):
    return re.compile(r"lookup/(?P<impl>\w+)/%s/ids:(?P<ids>\d+)/writers:%d$" %
                      (pattern, writers))


def churn_pattern(pattern):
    return re.compile(r"churn/(?P<impl>\w+)/%s/ids:(?P<ids>\d+)$" % pattern)


def chains(found):
    return [("no writer", curves(found, lookup_pattern("chain", 0),
                                 lambda f: f.ns)),
            ("one writer, flat out", curves(found, lookup_pattern("chain", 1),
                                            lambda f: f.ns))]


def picture(found):
    """The first drawing as a file of its own, on white."""
    text = lines("chain", chains(found), "ns per lookup", legend=True)
    return text.replace("currentColor", "#1f2328").replace(
        "<svg ", '<svg style="background:#fff" ', 1)


def render(found, memory, stages, bars, results):
    need()
    machine = results["machine"]
    groups = figures.worst_first(bars)
    parts = []

    chain = chains(found)
    parts.append(section(
        "Lookup: each ID depends on the last result",
        "Median time of one lookup with its owner checked, inside a read "
        "section; both axes logarithmic. raw_array is the pointer loaded from "
        "a plain array: no owner, no protection.",
        lines("chain", chain, "ns per lookup"),
        figures_of(tables.lookups(found))))

    rates = [[n.split("/")[1], n.split("/")[3].split(":")[1],
              "%.2f M" % ((f.pairs_per_s or 0) / 1e6)]
             for n, f in sorted(found.items(),
                                key=lambda i: figures.sort_key(i[0]))
             if n.endswith("writers:1")]
    tail = [("no writer", curves(found, lookup_pattern("chain", 0),
                                 lambda f: f.p999)),
            ("one writer, flat out", curves(found, lookup_pattern("chain", 1),
                                            lambda f: f.p999))]
    parts.append(section(
        "The slowest in a thousand",
        "99.9th percentile of the time of %d lookups in a row." %
        figures.SAMPLE,
        lines("tail", tail, "ns per %d lookups" % figures.SAMPLE),
        figures_of(tables.tails(found)),
        details("what the writer did meanwhile", table(
            ["", "IDs", "free + alloc pairs/s"], rates))))

    scatter = [("scattered IDs, chain", curves(
        found, lookup_pattern("scatter", 0), lambda f: f.ns))]
    other = []
    for pattern, title in (("stream", "stream: IDs known ahead"),
                           ("miss", "miss: IDs not live")):
        values = {i: p[65536] for i, p in curves(
            found, lookup_pattern(pattern, 0), lambda f: f.ns).items()
            if 65536 in p}
        if values:
            other.append((title, values))
    parts.append(section(
        "IDs spread over 32 bits, and independent lookups",
        "IDs drawn at random; then 65,536 live IDs and lookups that may "
        "overlap.",
        lines("scatter", scatter, "ns per lookup"),
        rows("other", other, "ns per lookup") if other else "",
        figures_of(tables.other_lookups(found))))

    churn = [("free + alloc, lowest vacant", curves(
        found, churn_pattern("pair"), lambda f: f.ns)),
             ("batches of 200", curves(
                 found, churn_pattern("batch200"), lambda f: f.ns))]
    parts.append(section(
        "Free and allocate",
        "Tables that choose no IDs erase and insert the same key, which is "
        "less work.",
        lines("churn", churn, "ns per pair"),
        figures_of(tables.updates(found))))

    held = [("%s, %s IDs" % (pattern, tables.size(ids)),
             {i: v for (i, p, n), v in memory.items()
              if (p, n) == (pattern, ids) and i in STYLE})
            for pattern in ("dense", "scattered")
            for ids in sorted({n for _, p, n in memory if p == pattern})[-1:]]
    if held:
        parts.append(section(
            "Memory", "Growth of a fresh process per live ID.",
            rows("memory", held, "bytes per ID"),
            figures_of(tables.memory(memory))))
    if stages:
        parts.append(section("What is given back", "",
                             figures_of(tables.stages(stages))))
    if figures.waits(found):
        parts.append(section("Waiting for readers", "",
                             figures_of(tables.waits(found))))
    if any(figures.SECTION.match(n) for n in found):
        parts.append(section("Read sections", "",
                             figures_of(tables.sections(found))))

    played = [(t, {i: found["replay/%s/%s" % (i, t)].ns for i in STYLE
                   if "replay/%s/%s" % (i, t) in found})
              for t in figures.traces(found)]
    if played:
        parts.append(section(
            "Recorded builds", "Processes of a parallel build.",
            rows("replay", played, "ns per operation"),
            figures_of(tables.replays(found))))

    met = sum(b.met is True for b in bars)
    judged = sum(b.met is not None for b in bars)
    info = "".join("<dt>%s</dt><dd>%s</dd>" % (html.escape(k), html.escape(str(v)))
                   for k, v in machine.items() if not k.startswith("load"))
    quiet = "" if machine["load_before"] <= 0.5 else (
        "<p class=missed>Other programs were running (load %.1f): expect "
        "ratios to drift.</p>" % machine["load_before"])
    key = "".join("<span style='--c:%s'>%s</span>" % (STYLE[i][0], i)
                  for i in STYLE if any(n.split("/")[1] == i for n in found))
    return """<!DOCTYPE html>
<html lang=en><head><meta charset=utf-8><title>ioasid benchmarks</title>
<meta name=viewport content="width=device-width, initial-scale=1">
<style>%s</style></head><body>
<h1>ioasid benchmarks</h1>
<p class=faint>Lookup, allocation and memory of the stores beside what people
use today. Medians of interleaved repetitions, all from one run.</p>
<dl>%s</dl>%s
<p class=score><b>%d of %d</b> <a href="#bars">bars</a> met%s.</p>
<div class=key>%s</div>
%s
<h2 id=bars>Bars</h2><p>The targets, judged by the figures of this run; what
misses by most first, and why.</p>%s%s
<h2>All figures</h2>%s%s
</body></html>
""" % (CSS, info, quiet, met, len(bars),
       "" if judged == len(bars) else
       ", %d not measured" % (len(bars) - judged), key, "".join(parts),
       bar_table(groups), why(groups),
       details("ns: median, quartiles, repetitions", table(
           ["name", "median", "lower", "upper", "n"],
           [[n, number(f.ns), number(f.low), number(f.high), str(f.count)]
            for n, f in sorted(found.items(),
                               key=lambda i: figures.sort_key(i[0]))])),
       "<ul class=faint>%s</ul>" % "".join(
           "<li>%s</li>" % html.escape(n) for n in results["left_out"])
       if results["left_out"] else "")
