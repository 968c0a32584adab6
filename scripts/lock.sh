#!/bin/sh
# Renew the hash-pinned lock files from requirements/*.in (`make lock`). Extra arguments go to uv, for example
# `--upgrade-package django`. The machine's own pip or uv settings are left out, so that no index host gets in.
set -eu
cd "$(dirname "$0")/../requirements"
uv=${UV:-uv}
for pair in 3.11:py311 3.12:py312plus 3.13:deploy; do
  name=${pair#*:}
  env -u PIP_FIND_LINKS -u UV_FIND_LINKS "$uv" pip compile --no-config --quiet --universal --python-version "${pair%%:*}" \
    --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate \
    "$@" "$name.in" --output-file "$name.txt"
  echo "requirements/$name.txt: $(grep -c == "$name.txt") packages"
done
