#!/usr/bin/env bash
# Does hydra/launcher=ray place two workers that share a study?
#   scripts/check_ray.sh      a few minutes, most of them the installation; Ray takes a gigabyte of memory
# In an environment of its own: the launcher wants an older cloudpickle than constraints.txt has. It leaves
# nothing but what Ray writes: ~/.ray and /tmp/ray.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$PYTHON" -m venv "$work/venv"
grep -vE '^(cloudpickle|joblib)==' constraints.txt >"$work/constraints.txt"
echo "installing into an environment of its own"
"$work/venv/bin/pip" install -q -q --disable-pip-version-check -c "$work/constraints.txt" -e '.[ray]'
python=$work/venv/bin/python

export OMP_NUM_THREADS=1 RATCHET_RUNS=$work/runs RAY_USAGE_STATS_ENABLED=0
"$python" src/fetch.py data=digits
"$python" src/prepare.py data=digits
"$python" src/train.py -m data=digits model=logistic,mlp optimizer.lr=0.003,0.01,0.03,0.1 trainer.max_epochs=3 \
  logger=csv hydra/launcher=ray +hydra.launcher.ray.init.num_cpus=2 sweep.n_workers=2 sweep.n_jobs=1 sweep.study=on_ray
"$python" scripts/check_study.py "$work/runs/sweeps/on_ray/study.journal" on_ray 8 2
