"""Write a run's report: RUN/report.html, RUN/report.md with RUN/figures, and RUN/scores.csv."""

from __future__ import annotations

from pathlib import Path

from salus.atomic import write_rows
from salus.errors import SalusError
from salus.lab.report.image_data import ImageData, read_image_data
from salus.lab.report.page import Page, compose_page
from salus.lab.report.panels import Panel, draw_panels, select_cases
from salus.lab.report.run_data import RunData, read_run_data
from salus.lab.report.templates import HTML, MARKDOWN, write_report
from salus.lab.training.progress import Log
from salus.lab.training.run_folder import SCORES


def build_report(run: Path, log: Log = print) -> None:
    """Write RUN/scores.csv, RUN/report.html and RUN/report.md from what is finished so far.

    The page is one file that loads nothing else. It shows scans if the data set is still there; the Markdown and
    RUN/figures/*.svg never do.

    Args:
        run: the run's folder.
        log: called with each line about what was written or left out.

    Raises:
        SalusError: there is no run, or a file of it is damaged.
        OSError: a file cannot be written.
    """
    run = Path(run)
    run_data = read_run_data(run)
    write_rows(run / SCORES, run_data.rows)
    page = _make_page(run_data, log)
    charts = [chart for section in page.sections for chart in section.charts]
    write_report(run, {MARKDOWN: "report.md.j2", HTML: "page.html.j2"}, charts, page=page)
    if page.missing:
        log(f"{len(page.missing)} parts of the run are not finished; the report says which")
    log(f"report: {run / HTML}")


def _make_page(run_data: RunData, log: Log) -> Page:
    """Compose the page, without curves and panels if the data set cannot be read."""
    selection = select_cases(run_data)
    image_data: ImageData | None = None
    panels: dict[str, list[Panel]] = {}
    remarks = []
    if run_data.tested:
        try:
            image_data = read_image_data(run_data, selection.names if selection else [], log)
            panels = draw_panels(run_data, image_data, selection) if selection else {}
        except SalusError as error:
            remarks.append(f"{error}: no pooled curves and no panels.")
            log(remarks[-1])
    return compose_page(run_data, image_data, remarks, selection, panels)
