#!/usr/bin/env bash
# Is what pip installs light and whole? It builds the wheel, installs it into a virtual environment that has nothing else,
# and runs there, away from the project, the application of the tests. It needs a package index, and half a minute.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1
unset PYTHONPATH

fail() {
  echo "check_wheel: $1" >&2
  exit 1
}

# of a copy: setuptools leaves a build folder behind, and takes what lies in one
mkdir "$work/source"
cp -r pyproject.toml README.md LICENSE src "$work/source"
"$PYTHON" -m pip wheel -q --no-deps -w "$work" "$work/source"
wheel=$(echo "$work"/ratchet_ml-*.whl)
"$PYTHON" -m venv "$work/venv"
bin=$work/venv/bin
"$bin/pip" install -q "$wheel"
"$bin/python" - <<'END'
import sys
from importlib.metadata import distribution, packages_distributions
from importlib.util import find_spec

import hydra_plugins.ratchet_sweeper, ratchet.search.worker.sweeper

heavy = {"torch", "dvc", "wandb", "pytorch_lightning", "pandas", "scipy", "sklearn", "matplotlib"}
if there := [name for name in heavy if find_spec(name) or name in sys.modules]:
    sys.exit(f"check_wheel: the base brings {', '.join(there)}")
top = {str(file).split("/")[0] for file in distribution("ratchet-ml").files}
if extra := {name for name in top if not name.endswith(".dist-info")} - {"ratchet", "hydra_plugins"}:
    sys.exit(f"check_wheel: the wheel has {', '.join(extra)}")
END

cp -r tests/search/apps "$work/app"
cd "$work/app"
search() { "$bin/python" sphere.py -m hydra/sweeper=ratchet hydra.sweep.dir="$work/$1" "${@:2}" 2>"$work/said"; }
search sweep || fail "the search ended with $(tail -1 "$work/said")"
grep -q best_value "$work/sweep/optimization_results.yaml" || fail "no optimization_results.yaml"
for sampler in gp cmaes qmc; do # they want what Optuna does not bring
  ! search none hydra/sweeper/sampler=$sampler hydra.sweeper.params.y=0 || fail "$sampler without its package"
  grep -q '^error: .* needs the package .*; type: pip install ' "$work/said" || fail "$sampler: $(tail -1 "$work/said")"
done

# the other project of this name, installed over this one
echo "import urlparse" >"$("$bin/python" -c 'import ratchet; print(ratchet.__file__)')"
cat >other.py <<'END'
import hydra
hydra.main(version_base=None, config_path=None)(lambda config: 1.0)()
END
! "$bin/python" other.py -m hydra/sweeper=ratchet 2>"$work/said" || fail "another package ratchet is not noticed"
[[ $(wc -l <"$work/said") == 1 ]] || fail "more than a line: $(cat "$work/said")"
grep -q 'needs the package ratchet of ratchet-ml' "$work/said" || fail "$(cat "$work/said")"
echo "the wheel is $(du -k "$wheel" | cut -f1) kB, its environment $(du -sm "$work/venv" | cut -f1) MB: whole, and light"
