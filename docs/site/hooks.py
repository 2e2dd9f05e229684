"""Hooks of the documentation site, which mkdocs calls while it builds (see `mkdocs.yml`).

- A line `<!-- make: NAME -->` is replaced by a page of `GENERATORS`, so that the reference agrees with the code.
- Equations become MathML, which browsers draw without a script.
- Each tutorial also becomes a notebook to download.
- A link to a file of the repository outside `docs/` becomes that file's name.
"""

from __future__ import annotations

import re
import sys
from html import unescape
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))

from generated import GENERATORS
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
    """Insert the generated pages, and replace links to files outside `docs/` by file names."""
    markdown = re.sub(r"^<!-- make: (.+) -->$", lambda match: GENERATORS[match[1]](), markdown, flags=re.M)

    def to_name(match: re.Match[str]) -> str:
        text, target = match[1], match[2].partition("#")[0]
        path = (Path(page.file.abs_src_path).parent / target).resolve()
        outside = path.exists() and not path.is_relative_to(config.docs_dir)
        return f"{text} (`{path.relative_to(ROOT)}`)" if outside else match[0]

    return re.sub(r"(?<!!)\[([^\]]+)\]\((\.\./[^)\s]+)\)", to_name, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """Turn equations into MathML."""

    def to_mathml(match: re.Match[str]) -> str:
        display = "block" if match[1] == "div" else "inline"
        return convert(unescape(match[2].strip()[2:-2]).strip(), display=display)

    return re.sub(r'<(div|span) class="arithmatex">(.*?)</\1>', to_mathml, html, flags=re.DOTALL)
