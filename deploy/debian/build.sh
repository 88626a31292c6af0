#!/bin/sh
# Builds dist/orderwatch_VERSION_ARCH.deb: sh deploy/debian/build.sh VENV_PYTHON DIST
# The package contains a virtual environment for this host's Debian Python, in /usr/lib/orderwatch.
set -eu
umask 022
export PYTHONDONTWRITEBYTECODE=1
here=$(dirname "$0") python=$1 dist=$2
debian_python=/usr/bin/python3
version=${VERSION:-$("$python" -c 'import orderwatch; print(orderwatch.__version__)')}
minor=$("$debian_python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
next=$("$debian_python" -c 'import sys; print("%d.%d" % (sys.version_info[0], sys.version_info[1] + 1))')
root=$(mktemp -d)
chmod 755 "$root"
trap 'rm -rf "$root"' EXIT
home=$root/usr/lib/orderwatch site=$root/usr/lib/orderwatch/lib/python$minor/site-packages

pip() { "$python" -m pip --disable-pip-version-check "$@"; }
mkdir -p "$dist" "$site" "$home/bin"
pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$root/wheel" .
for source in "--require-hashes --requirement requirements-run.lock" "--no-deps $root/wheel/*.whl"; do
  # shellcheck disable=SC2086 # several words
  pip install --quiet --no-compile --python-version "$minor" --only-binary :all: --target "$site" --upgrade $source
done
rm -r "$root/wheel" "$site/bin"
for tool in editables hatchling packaging pathspec pluggy tomlkit trove_classifiers; do
  rm -rf "$site/$tool" "$site/$tool"-*.dist-info
done
"$debian_python" -m compileall -q -j 0 --invalidation-mode unchecked-hash -s "$root" "$site"

ln -s "/usr/bin/python$minor" "$home/bin/python"
printf 'home = /usr/bin\ninclude-system-site-packages = false\nversion = %s\n' "$minor" >"$home/pyvenv.cfg"
printf '#!/usr/lib/orderwatch/bin/python -P\nfrom orderwatch.cli import main\n\nmain()\n' >"$home/bin/orderwatch"
chmod 755 "$home/bin/orderwatch"

put() { install -D --mode=644 "$1" "$root/$2"; }
command="$python -m orderwatch"
printed=$root/printed
sed 's|/opt/orderwatch/bin/orderwatch|/usr/bin/orderwatch|; 1s|.*|# Put your changes into a drop-in: systemctl edit orderwatch|; 2d' \
  systemd/orderwatch.service >"$printed"
put "$printed" usr/lib/systemd/system/orderwatch.service
put systemd/orderwatch.sysusers usr/lib/sysusers.d/orderwatch.conf
put systemd/orderwatch.tmpfiles usr/lib/tmpfiles.d/orderwatch.conf
$command completion bash >"$printed" 2>/dev/null
put "$printed" usr/share/bash-completion/completions/orderwatch
$command completion zsh >"$printed"
put "$printed" usr/share/zsh/vendor-completions/_orderwatch
$command completion fish >"$printed"
put "$printed" usr/share/fish/vendor_completions.d/orderwatch.fish
"$python" docs/manual.py
put man/orderwatch.1 usr/share/man/man1/orderwatch.1
gzip --best --no-name "$root/usr/share/man/man1/orderwatch.1"
$command schema >"$printed"
put "$printed" usr/share/orderwatch/config.schema.json
mkdir -p "$root/usr/bin" "$root/etc/orderwatch"
ln -s ../lib/orderwatch/bin/orderwatch "$root/usr/bin/orderwatch"
ln -s /usr/share/orderwatch/config.schema.json "$root/etc/orderwatch/config.schema.json"
put config.example.toml usr/share/doc/orderwatch/examples/config.example.toml
put LICENSE usr/share/doc/orderwatch/copyright
gzip --best --no-name --stdout CHANGELOG.md >"$printed"
put "$printed" usr/share/doc/orderwatch/changelog.gz
rm "$printed"

mkdir "$root/DEBIAN"
sed "s|@VERSION@|$version|; s|@ARCHITECTURE@|$(dpkg --print-architecture)|; s|@PYTHON@|$minor|; s|@NEXT_PYTHON@|$next|
  s|@MAINTAINER@|${MAINTAINER:-root@localhost}|; s|@SIZE@|$(du -sk "$root" | cut -f1)|" "$here/control.in" >"$root/DEBIAN/control"
for script in postinst prerm postrm; do install --mode=755 "$here/$script" "$root/DEBIAN/$script"; done
dpkg-deb --root-owner-group --build "$root" "$dist" >/dev/null
echo "$dist/orderwatch_${version}_$(dpkg --print-architecture).deb"
