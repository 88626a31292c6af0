"""A certificate authority that nobody knows, and certificates by it."""

import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

_CONFIG = """
[req]
distinguished_name = name
prompt = no
[name]
CN = {name}
[ca]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[host]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = {names}
"""
_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]


class Authority:
    """A private authority; `file` is its certificate in PEM."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("openssl") is None:
            pytest.skip("no openssl to make a certificate with")
        self._folder = folder
        self.file = folder / "ca.pem"
        self._make("ca", "orderwatch tests", "DNS:unused")

    def host(self, *names: str) -> ssl.SSLContext:
        """Return the context of a server with these DNS names, and 127.0.0.1."""
        name = f"host-{names[0]}"
        alternatives = ",".join([*(f"DNS:{each}" for each in names), "IP:127.0.0.1"])
        self._make(
            name, names[0], alternatives, "-CA", str(self.file), "-CAkey", str(self.file.with_suffix(".key"))
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        return context

    def _make(self, name: str, subject: str, names: str, *signed: str) -> None:
        config = self._folder / f"{name}.cnf"
        config.write_text(_CONFIG.format(name=subject, names=names), encoding="utf-8")
        files = ["-keyout", str(self._folder / f"{name}.key"), "-out", str(self._folder / f"{name}.pem")]
        section = ["-config", str(config), "-extensions", "host" if signed else "ca"]
        command = ["openssl", "req", "-x509", *_KEY, *section, *files, *signed]
        subprocess.run(command, check=True, capture_output=True)
