"""Test the documentation site: it builds without warnings, needs no other server, and agrees with the code."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import salus
from salus.metrics.segmentation import SCORES
from salus.write.tables import COLUMNS

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs" / "site"))

pytest.importorskip("mkdocs")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Build the site; a broken link or anchor or a missing page is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_pages_load_nothing_from_other_servers(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|img|iframe)\b[^>]*\bsrc=\"?([^\"\s>]+)", text)
        loaded += re.findall(r"<link\b[^>]*\bhref=\"?([^\"\s>]+)", text)
        assert loaded, page
        assert not [address for address in loaded if re.match(r"(https?:)?//", address)], page
    for style in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", style.read_text(encoding="utf-8")), style


def test_every_command_and_option_is_in_the_reference(site):
    page = (site / "reference" / "command-line.html").read_text(encoding="utf-8")
    for command in ("segment", "benchmark", "train", "data phantom", "saliency-benchmark"):
        help_text = subprocess.run(
            [sys.executable, "-m", "salus", *command.split(), "--help"], capture_output=True, text=True, check=True
        ).stdout
        options = set(re.findall(r"(?<![\w-])--[a-z][\w-]+", help_text)) - {"--help"}
        assert options
        section = re.search(rf'<h2 id="salus-{command.replace(" ", "-")}".*?(?=<h2|</article>)', page, re.DOTALL)[0]
        assert not [option for option in options if option not in section], command


def test_every_public_name_is_in_the_reference(site):
    page = (site / "reference" / "python.html").read_text(encoding="utf-8")
    for name in set(salus.__all__) - {"__version__"}:
        assert re.search(rf">\s*salus\.{name}\b", page), name
    assert "&gt;&gt;&gt; " in page or "gp" in page  # examples are shown as sessions


def test_equations_are_mathml_without_a_script(site):
    page = (site / "explanation" / "networks.html").read_text(encoding="utf-8")
    assert page.count("<math") > 10
    assert "\\(" not in page
    assert "\\[" not in page


def test_links_to_files_outside_docs_become_file_names():
    hooks = pytest.importorskip("hooks")

    class Page:
        class file:
            abs_src_path = str(ROOT / "docs" / "how-to" / "evaluate.md")

    class Config:
        docs_dir = str(ROOT / "docs")

    text = (
        "[a](../../src/salus/metrics/segmentation.py) [b](saliency.md) [c](../../absent.md) ![d](../images/segment.jpg)"
    )
    converted = hooks.on_page_markdown(text, Page, Config, None)
    assert (
        converted
        == "a (`src/salus/metrics/segmentation.py`) [b](saliency.md) [c](../../absent.md) ![d](../images/segment.jpg)"
    )


@pytest.mark.parametrize(
    ("page", "names"), [("metrics.md", tuple(SCORES)), ("file-formats.md", COLUMNS)], ids=["metrics", "columns"]
)
def test_every_score_and_column_is_in_the_reference(page, names):
    text = (ROOT / "docs" / "reference" / page).read_text(encoding="utf-8")
    assert not [name for name in names if f"`{name}`" not in text]


def test_parameter_counts_of_the_networks_are_right():
    from salus.lab.networks.registry import NETWORKS

    text = (ROOT / "docs" / "explanation" / "networks.md").read_text(encoding="utf-8")
    documented = dict(re.findall(r"^\| `([\w-]+)` \|.*\| ([\d,]+) \|$", text, re.MULTILINE))
    assert {name: f"{build(32).count_params():,}" for name, build in NETWORKS.items()} == documented


def test_pictures_are_below_200_kb():
    pictures = [path for path in (ROOT / "docs" / "images").iterdir() if path.suffix in (".svg", ".png")]
    assert len(pictures) > 10
    assert not [path.name for path in pictures if path.stat().st_size > 200_000]


def test_citation_has_the_version_of_the_package():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.+)$", citation, re.MULTILINE)[1] == salus.__version__


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "tutorial").glob("*.md")), ids=lambda page: page.stem)
def test_the_tutorial_runs_as_a_notebook(page, tmp_path):
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    from notebook import run

    cells = [cell for cell in run(page, tmp_path, timeout=900).cells if cell.cell_type == "code"]
    texts = ["".join(output.get("text", "") for output in cell.outputs) for cell in cells]
    text = "".join(texts)
    assert "0 in two folds" in text
    assert re.search(r"SA-U-Net minus U-Net: [+-]\d", text)
    assert any("image/png" in output.get("data", {}) for cell in cells for output in cell.outputs)
