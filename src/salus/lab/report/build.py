"""Write a run's report: RUN/report.html, RUN/report.md with RUN/figures, and RUN/scores.csv."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from salus.errors import SalusError
from salus.evaluation import write_rows
from salus.lab.report.evidence import Evidence, gather
from salus.lab.report.figures import COLOURS, COLOURS_ON_DARK, variables
from salus.lab.report.material import Material, read_material
from salus.lab.report.page import Page, compose
from salus.lab.report.panels import Panel, choose, draw
from salus.lab.training.progress import Log

SCORES, HTML, MARKDOWN, FIGURES = "scores.csv", "report.html", "report.md", "figures"


def build_report(run: Path, log: Log = print) -> None:
    """Write RUN/scores.csv, RUN/report.html and RUN/report.md from what is finished so far.

    The page is one file that asks for nothing outside itself. It shows scans where the data set is still at hand; the
    Markdown and RUN/figures/*.svg never do.

    Args:
        run: the run's folder.
        log: called with each line about what was written or left out.

    Raises:
        SalusError: no run there, a file of it is damaged, or the folder cannot be written.
    """
    run = Path(run)
    material = read_material(run)
    write_rows(run / SCORES, material.rows)
    page = _page(material, log)
    charts = [chart for section in page.sections for chart in section.charts]
    if charts:
        _make(run / FIGURES)
    for chart in charts:
        _write(run / FIGURES / f"{chart.name}.svg", chart.file)
    pages = _templates()
    light, dark = variables()
    shown = {"page": page, "light": light, "dark": dark, "on_scan": COLOURS_ON_DARK, "colours": len(COLOURS)}
    _write(run / MARKDOWN, pages.get_template("report.md.j2").render(**shown))
    _write(run / HTML, pages.get_template("page.html.j2").render(**shown))
    if page.missing:
        log(f"{len(page.missing)} parts of the run are not finished; the report says which")
    log(f"report: {run / HTML}")


def _page(material: Material, log: Log) -> Page:
    choice = choose(material)
    evidence: Evidence | None = None
    panels: dict[str, list[Panel]] = {}
    remarks = []
    if material.tested:
        try:
            evidence = gather(material, choice.names if choice else [], log)
            panels = draw(material, evidence, choice) if choice else {}
        except SalusError as error:
            remarks.append(f"{error}: no pooled curves and no panels.")
            log(remarks[-1])
    return compose(material, evidence, remarks, choice, panels)


def _templates() -> Environment:
    pages = Environment(
        loader=PackageLoader("salus.lab.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages.filters["md"] = markdown
    pages.filters["unbroken"] = unbroken
    return pages


def markdown(text: str) -> Markup:
    """Text for Markdown: what would be markup there is taken as it stands.

    Example:
        >>> str(markdown("a|b <c> *d*"))
        'a\\\\|b &lt;c&gt; \\\\*d\\\\*'
    """
    safe = str(escape(text)).replace("&#39;", "'").replace("&#34;", '"')
    return Markup("".join("\\" + c if c in "\\|*_`[]~" else c for c in safe))


def unbroken(text: str) -> Markup:
    """Text for HTML whose names do not break at their hyphens.

    Example:
        >>> str(unbroken("a U-Net <b>"))
        'a <span class="unbroken">U-Net</span> &lt;b&gt;'
    """
    words = [Markup('<span class="unbroken">{}</span>').format(w) if "-" in w else escape(w) for w in text.split(" ")]
    return Markup(" ").join(words)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise SalusError(f"{folder}: cannot be made ({error.strerror or error})") from None


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise SalusError(f"{path}: cannot be written ({error.strerror or error})") from None
