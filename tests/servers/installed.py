"""Web servers that a Linux distribution installs: one process each, with a configuration for one folder."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from tests.servers.processes import program
from tests.servers.server import Server, serving_folder

NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log stderr;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/tmp; proxy_temp_path {folder}/tmp; fastcgi_temp_path {folder}/tmp;
  uwsgi_temp_path {folder}/tmp; scgi_temp_path {folder}/tmp;
  server {{ listen 127.0.0.1:{port}; root {folder}/files; }}
}}
"""
APACHE = """
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {folder}/pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/errors
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
DocumentRoot {folder}/files
{user}
"""
LIGHTTPD = """
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{folder}/files"
server.stat-cache-engine = "disable"
{types}
"""
LIGHTTPD_TYPES = (
    'mimetype.assign = (".zip" => "application/zip", ".png" => "image/png", ".geojson" => "application/json")'
)


def nginx(_cache: Path) -> AbstractContextManager[Server]:
    found = program("nginx")
    return _configured(NGINX, lambda path: (found, "-e", "stderr", "-c", path))


def nginx_with_tls(certificate: Path, key: Path) -> AbstractContextManager[Server]:
    found = program("nginx")
    tls = f"ssl; ssl_certificate {certificate}; ssl_certificate_key {key};"
    template = NGINX.replace("{port};", f"{{port}} {tls}")
    return _configured(template, lambda path: (found, "-e", "stderr", "-c", path))


def apache(_cache: Path) -> AbstractContextManager[Server]:
    found = program("apache2")
    modules = Path(found).parents[1] / "lib/apache2/modules"
    user = "User nobody\nGroup nogroup" if os.geteuid() == 0 else ""
    return _configured(APACHE, lambda path: (found, "-X", "-f", path), modules=modules, user=user)


def lighttpd(_cache: Path) -> AbstractContextManager[Server]:
    return _lighttpd(LIGHTTPD_TYPES)


def lighttpd_without_types(_cache: Path) -> AbstractContextManager[Server]:
    return _lighttpd("")


def _lighttpd(types: str) -> AbstractContextManager[Server]:
    found = program("lighttpd")
    return _configured(LIGHTTPD, lambda path: (found, "-D", "-f", path), types=types)


def caddy(_cache: Path) -> AbstractContextManager[Server]:
    found = program("caddy")
    return serving_folder(
        lambda port, files: (found, "file-server", "--root", files, "--listen", f"127.0.0.1:{port}")
    )


def _configured(
    template: str, command: Callable[[Path], Sequence[str | Path]], **values: object
) -> AbstractContextManager[Server]:
    """Run a server with a configuration file."""

    def configured(port: int, files: Path) -> Sequence[str | Path]:
        path = files.parent / "configuration"
        path.write_text(template.format(folder=files.parent, port=port, **values))
        return command(path)

    return serving_folder(configured)
