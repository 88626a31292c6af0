# Prints an interpreter of the Python that $1 names, such as 3.12: from the PATH, pyenv or uv; fails where there is none.
for found in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python "${XDG_DATA_HOME:-$HOME/.local/share}/uv/python/cpython-$1".*/bin/python; do
    # pyenv's shims are there for versions that are not chosen: only running it tells.
    if told=$("$found" -c 'import sys, ensurepip, venv; print("%d.%d" % sys.version_info[:2], sys.executable)' 2>/dev/null) &&
        test "${told%% *}" = "$1"; then
        echo "${told#* }"
        exit 0
    fi
done
exit 1
