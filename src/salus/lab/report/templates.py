"""Render the reports' templates, and write the pages and charts into a run's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from salus.atomic import write_text
from salus.lab.report.figures import COLOURS, COLOURS_ON_DARK, Chart, css_variables

HTML, MARKDOWN, FIGURES = "report.html", "report.md", "figures"


def write_report(run: Path, templates: Mapping[str, str], charts: Sequence[Chart], **values: Any) -> None:
    """Render templates and write them beside their charts.

    Args:
        run: the run's folder.
        templates: template of each file, e.g. {"report.md": "report.md.j2"}.
        charts: charts that are written to RUN/figures/NAME.svg.
        values: further variables of the templates, beside the charts and the colours.

    Raises:
        OSError: a file cannot be written.
    """
    if charts:
        (run / FIGURES).mkdir(exist_ok=True)
    for chart in charts:
        write_text(run / FIGURES / f"{chart.name}.svg", chart.file)
    environment = Environment(
        loader=PackageLoader("salus.lab.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"md": escape_markdown, "unbroken": keep_hyphens_together}
    light, dark = css_variables()
    shared = {"charts": charts, "light": light, "dark": dark, "on_scan": COLOURS_ON_DARK, "colours": len(COLOURS)}
    for file, template in templates.items():
        write_text(run / file, environment.get_template(template).render(**shared, **values))


def escape_markdown(text: str) -> Markup:
    """Escape text so that Markdown shows it as it is.

    Example:
        >>> str(escape_markdown("a|b <c> *d*"))
        'a\\\\|b &lt;c&gt; \\\\*d\\\\*'
    """
    safe = str(escape(text)).replace("&#39;", "'").replace("&#34;", '"')
    return Markup("".join("\\" + c if c in "\\|*_`[]~" else c for c in safe))


def keep_hyphens_together(text: str) -> Markup:
    """Escape text for HTML, and keep words with hyphens on one line.

    Example:
        >>> str(keep_hyphens_together("a U-Net <b>"))
        'a <span class="unbroken">U-Net</span> &lt;b&gt;'
    """
    words = [Markup('<span class="unbroken">{}</span>').format(w) if "-" in w else escape(w) for w in text.split(" ")]
    return Markup(" ").join(words)
