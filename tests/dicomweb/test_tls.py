"""HTTPS: the service's certificate is checked, and the client shows its own."""

import datetime
import ipaddress
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytest.importorskip("dicomweb_client", reason="the extra dicomweb is not installed")
pytest.importorskip("cryptography", reason="cryptography is not installed")

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from salus.cli import main


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate that signs itself, of the service and of the client, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "service")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "service.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "service.key").write_bytes(private)
    return folder / "service.pem", folder / "service.key"


@pytest.fixture
def url(certificate):
    """A service that has no study, and speaks with clients that show the certificate alone."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "application/dicom+json")
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, *_):
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            pass  # handshakes that are to fail

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    context.load_verify_locations(certificate[0])
    context.verify_mode = ssl.CERT_REQUIRED
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"https://127.0.0.1:{server.server_address[1]}/dicom-web"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("bundle", [False, True])
def test_certificates_are_checked_on_both_sides(url, certificate, tmp_path, capsys, monkeypatch, bundle):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    if bundle:  # what the environment trusts does not replace --ca
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", requests.certs.where())
    file, key = map(str, certificate)
    command = ["segment", "--from", url, "--study", "1.2.3", "-o", str(tmp_path / "out"), "--tries", "2"]
    for options, told in [
        ([], "SSLError; see --ca"),
        (["--ca", file], "127.0.0.1"),  # the service hangs up, by one error or another
        (["--ca", file, "--certificate", file, "--key", key], "has no study 1.2.3"),
    ]:
        assert main([*command, *options]) == 2
        text = capsys.readouterr().err
        assert told in text
        assert ("has no study" in text) == (len(options) == 6)
