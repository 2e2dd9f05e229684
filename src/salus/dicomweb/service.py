"""A session with a DICOMweb service."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salus.errors import SalusError, require_extra

PACKAGES = ("dicomweb_client", "requests", "pydicom")


@dataclass(frozen=True)
class Service:
    """A DICOMweb service, and who asks it.

    Attributes:
        url: as http://orthanc:8042/dicom-web.
        token_env: environment variable that holds a bearer token.
        user: for HTTP basic authentication.
        password_env: environment variable that holds the user's password.
        ca: file of certificate authorities that are trusted in place of the usual ones.
        certificate: the client's certificate, PEM.
        key: its private key, PEM.
        timeout: seconds to wait for an answer.
    """

    url: str
    token_env: str = ""
    user: str = ""
    password_env: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""
    timeout: float = 60.0

    def check(self) -> None:
        """Check that the values make sense and that what they name is there.

        Raises:
            SalusError: one does not, or is not.
        """
        if not self.url.startswith(("http://", "https://")):
            raise SalusError(f"{self.url}: a DICOMweb service's address begins with http:// or https://")
        self.check_access(self.url)

    def check_access(self, name: str) -> None:
        """Check all values but the address; `name` is the service's in errors, which are as of `check`."""
        if bool(self.user) != bool(self.password_env):
            raise SalusError(f"{name}: give the user and the environment variable of the password together")
        if self.user and self.token_env:
            raise SalusError(f"{name}: give a token, or a user and a password")
        for variable in filter(None, (self.token_env, self.password_env)):
            if not os.environ.get(variable):
                raise SalusError(f"{name}: the environment variable {variable} is not set")
        for file in filter(None, (self.ca, self.certificate, self.key)):
            if not Path(file).is_file():
                raise SalusError(f"{name}: {file}: no such file")
        if not self.timeout > 0:
            raise SalusError(f"{name}: the time to wait for an answer must be above 0")


def require_packages() -> None:
    """Check that what DICOMweb needs is installed.

    Raises:
        SalusError: a package is missing; the error names the command that installs it.
    """
    require_extra(PACKAGES, "dicomweb", "DICOMweb")


@contextmanager
def open_service(service: Service) -> Iterator[Any]:
    """Make a session, a `DICOMwebClient` that tries nothing again by itself; nothing is sent yet.

    Args:
        service: it is not checked here.
    """
    import requests
    from dicomweb_client.web import DICOMwebClient

    for name in ("retrying", "dicomweb_client"):  # tracebacks, and words that may quote what is received
        logging.getLogger(name).setLevel(logging.CRITICAL)

    class Session(requests.Session):
        """A session whose own certificate authorities count, not those of the environment (REQUESTS_CA_BUNDLE)."""

        def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
            return super().merge_environment_settings(
                url, proxies, stream, self.verify if verify is None else verify, cert
            )

    with Session() as session:
        if service.user:
            session.auth = (service.user, os.environ.get(service.password_env, ""))
        if service.ca:
            session.verify = service.ca
        if service.certificate:
            session.cert = (service.certificate, service.key) if service.key else service.certificate
        headers = {}
        if service.token_env:
            headers["Authorization"] = f"Bearer {os.environ.get(service.token_env, '')}"
        client = DICOMwebClient(service.url, session, headers=headers, timeout=service.timeout)
        client.set_http_retry_params(retry=False)
        yield client
