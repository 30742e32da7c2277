"""A throw-away certificate for ``localhost``, made by the system's openssl."""

import shutil
import subprocess
from pathlib import Path

import pytest

from catenula.transport.public_port import TlsFiles


def make_certificate(folder: Path) -> TlsFiles:
    """A new key and its self-signed certificate; the test is skipped without openssl."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("*** NOT TESTED: TLS needs a certificate, and openssl is not installed")
    files = TlsFiles(folder / "certificate.pem", folder / "key.pem")
    command = [
        *(openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
        *("-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
        *("-keyout", str(files.key), "-out", str(files.certificate)),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return files
