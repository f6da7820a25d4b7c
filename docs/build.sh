#!/usr/bin/env bash
# The documentation: check links and code blocks, run the tutorial and the notebooks, build the site strictly into
# the folder that is named (default: site), and see that it loads nothing from the network.
# Needs: pip install '.[docs,test]' ./reference_models
set -euo pipefail
cd "$(dirname "$0")/.."
python="${PYTHON:-python}" site="${1:-site}"
export NO_MKDOCS_2_WARNING=1 OMP_NUM_THREADS=1
step() { printf '\n--- %s (%s s)\n' "$1" "$SECONDS"; }

step "links, code blocks, written pages"
"$python" -m pytest -q tests/docs
step "tutorial and notebooks, one core each"
"$python" docs/run_notebooks.py & notebooks=$!
"$python" docs/run_tutorial.py
wait "$notebooks"
step "site"
"$python" -m mkdocs build --strict --quiet --site-dir "$site"
step "nothing from the network"
"$python" docs/check_offline.py "$site"
step "documentation done"
