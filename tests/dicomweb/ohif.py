"""OHIF's pages, served over an archive's DICOMweb service, for tests.

The pages are those of the npm package @ohif/app: `npm pack @ohif/app@3.12.10`, unpacked in build/ohif.
"""

import mimetypes
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from tests.local_server import QuietHandler, local_server

PAGES = Path(__file__).parents[2] / "build" / "ohif" / "package" / "dist"

SETTINGS = """window.config = {
  routerBasename: '/', extensions: [], modes: [], showStudyList: true, showWarningMessageForCrossOrigin: false,
  investigationalUseDialog: {option: 'never'}, defaultDataSourceName: 'archive',
  dataSources: [{
    namespace: '@ohif/extension-default.dataSourcesModule.dicomweb', sourceName: 'archive',
    configuration: {
      friendlyName: 'archive', name: 'archive', wadoUriRoot: '/dicom-web', qidoRoot: '/dicom-web',
      wadoRoot: '/dicom-web', qidoSupportsIncludeField: false, imageRendering: 'wadors', thumbnailRendering: 'wadors',
      enableStudyLazyLoad: true, supportsFuzzyMatching: false, supportsWildcard: true,
      omitQuotationForMultipartRequest: true, bulkDataURI: {enabled: true},
    },
  }],
};"""


def need_pages():
    """Skip the test where OHIF is not there."""
    if not (PAGES / "index.html").is_file():
        pytest.skip("OHIF is not there (see tests/dicomweb/ohif.py)")


@contextmanager
def viewer(archive):
    """Serve OHIF, and under /dicom-web the archive's service with its password; give the address."""

    class Handler(QuietHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            name = self.path.partition("?")[0].lstrip("/")
            if name.startswith("dicom-web"):
                headers = {"accept": self.headers.get("accept", "*/*")}
                answer = requests.get(archive.url + self.path, auth=("salus", "secret"), headers=headers, timeout=60)
                kind, own = answer.headers.get("content-type", ""), f"127.0.0.1:{self.server.server_address[1]}"
                is_json = "json" in kind  # it names the archive's address, for bulk data
                body = answer.content.replace(archive.url[7:].encode(), own.encode()) if is_json else answer.content
                self.send(answer.status_code, kind, body)
            elif name == "app-config.js":
                self.send(200, "text/javascript", SETTINGS.encode())
            else:
                file = PAGES / name if (PAGES / name).is_file() else PAGES / "index.html"
                self.send(200, mimetypes.guess_type(file.name)[0] or "application/octet-stream", file.read_bytes())

        def send(self, status, kind, body):
            isolated = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
            self.answer(status, {"Content-Type": kind} | isolated, body)

    with local_server(Handler) as address:
        yield address
