"""What the documentation site makes of the sources while it is built: see `mkdocs.yml`.

- a line `<!-- make: NAME -->` becomes what the code says at that moment (`MADE`), so that the reference never lags;
- equations become MathML, which browsers draw without a script;
- each tutorial also becomes a notebook to download;
- a link out of the documentation, to a file of the repository, becomes that file's name.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))

from made import MADE
from notebook import as_notebook

ROOT = Path(__file__).parents[2]
TUTORIAL = "tutorial/"


def on_files(files: Files, config: Any) -> Files:
    """Add a notebook for each tutorial."""
    for page in [f for f in files.documentation_pages() if f.src_uri.startswith(TUTORIAL)]:
        text = Path(page.abs_src_path).read_text(encoding="utf-8")
        if "jupytext:" in text:
            notebook = as_notebook(text)
            files.append(File.generated(config, page.src_uri.removesuffix(".md") + ".ipynb", content=notebook))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Put in what is made, and name what lies outside."""
    markdown = re.sub(r"^<!-- make: (.+) -->$", lambda found: MADE[found[1]](), markdown, flags=re.MULTILINE)

    def named(found: re.Match[str]) -> str:
        text, target = found[1], found[2].partition("#")[0]
        path = (Path(page.file.abs_src_path).parent / target).resolve()
        outside = path.exists() and not path.is_relative_to(config.docs_dir)
        return f"{text} (`{path.relative_to(ROOT)}`)" if outside else found[0]

    return re.sub(r"(?<!!)\[([^\]]+)\]\((\.\./[^)\s]+)\)", named, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Turn equations into MathML."""

    def drawn(found: re.Match[str]) -> str:
        display = "block" if found[1] == "div" else "inline"
        return convert(_plain(found[2].strip()[2:-2]), display=display)

    return re.sub(r'<(div|span) class="arithmatex">(.*?)</\1>', drawn, html, flags=re.DOTALL)


def _plain(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()
