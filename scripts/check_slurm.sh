#!/usr/bin/env bash
# Does hydra/launcher=submitit_slurm place two workers that share a study, and does one that is cancelled cost nothing?
#   scripts/check_slurm.sh      Debian, as root: it installs SLURM and runs a cluster of this one machine; a few minutes
# It uses .venv (or PYTHON=...), stops what it started, and leaves nothing but the Debian packages.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-$PWD/.venv/bin/python}
TRIALS=16

if ! command -v slurmctld >/dev/null || ! command -v munged >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq slurm-wlm munge >/dev/null
fi
if pgrep -x slurmctld >/dev/null || pgrep -x slurmd >/dev/null; then
  echo "SLURM runs on this machine already; this check brings its own" >&2
  exit 1
fi
work=$(mktemp -d)
started=()
finish() {
  [[ -z ${sweep:-} ]] || kill "$sweep" 2>/dev/null || true
  scancel --user=root 2>/dev/null || true
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  sleep 1
  rm -rf "$work"
}
trap finish EXIT

if ! pgrep -x munged >/dev/null; then
  install -d -o munge -g munge /run/munge
  setpriv --reuid=munge --regid=munge --clear-groups munged --foreground >"$work/munged.log" 2>&1 &
  started+=($!)
fi
node=$(hostname -s)
mkdir "$work/state" "$work/spool" "$work/bin"
cat >"$work/slurm.conf" <<CONF
ClusterName=check
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
CryptoType=crypto/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
KillWait=2
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
SlurmctldLogFile=$work/slurmctld.log
SlurmdLogFile=$work/slurmd.log
NodeName=$node NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=$node Default=YES MaxTime=60 State=UP
CONF
# submitit asks sacct, which needs a database of accounts; scontrol knows as much of the last minutes
cat >"$work/bin/sacct" <<'SHIM'
#!/usr/bin/env bash
echo 'JobID|State|NodeList'
scontrol show job -o 2>/dev/null | awk '{
  delete found
  for (i = 1; i <= NF; i++) { at = index($i, "="); found[substr($i, 1, at - 1)] = substr($i, at + 1) }
  id = ("ArrayJobId" in found) ? found["ArrayJobId"] "_" found["ArrayTaskId"] : found["JobId"]
  if (id != "") print id "|" found["JobState"] "|" found["NodeList"]
}'
SHIM
chmod +x "$work/bin/sacct"
export SLURM_CONF=$work/slurm.conf PATH=$work/bin:$PATH
slurmctld -D -c >/dev/null 2>&1 & # each keeps a log of its own
started+=($!)
slurmd -D >/dev/null 2>&1 &
started+=($!)
for _ in $(seq 60); do
  sinfo -h -o %t 2>/dev/null | grep -q idle && break
  sleep 0.5
done
sinfo

export PYTHONPATH=$PWD/src OMP_NUM_THREADS=1 RATCHET_RUNS=$work/runs
"$PYTHON" src/fetch.py data=digits
"$PYTHON" src/prepare.py data=digits
"$PYTHON" src/train.py -m data=digits model=logistic,mlp 'optimizer.lr=0.002,0.004,0.008,0.016,0.03,0.06,0.12,0.25' \
  trainer.max_epochs=20 logger=csv hydra/launcher=submitit_slurm hydra.launcher.partition=all \
  hydra.launcher.timeout_min=30 hydra.launcher.cpus_per_task=1 sweep.n_workers=2 sweep.n_jobs=1 sweep.study=on_slurm &
sweep=$!
study=$work/runs/sweeps/on_slurm
finished() { find "$study" -path '*/checkpoints/best.ckpt' 2>/dev/null | wc -l; }
workers() { grep -so '"worker":"[^"]*"' "$study/study.journal" | sort -u | wc -l; }
until (($(workers) == 2)); do # one may still be starting when the other is well ahead
  kill -0 "$sweep" 2>/dev/null || exit 1
  sleep 0.5
done
before=$(finished)
until (($(finished) >= before + 4)); do
  kill -0 "$sweep" 2>/dev/null || exit 1
  sleep 0.5
done
squeue
echo "the first worker is cancelled"
scancel "$(squeue -h -r -t RUNNING -o %i | sort -V | head -1)"
wait "$sweep"
"$PYTHON" scripts/check_study.py "$study/study.journal" on_slurm "$TRIALS" 2
