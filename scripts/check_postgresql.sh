#!/usr/bin/env bash
# Does a sweep of two workers outlive its PostgreSQL server? It is killed in mid-sweep and comes back after ten seconds.
#   scripts/check_postgresql.sh      Debian, as root where PostgreSQL is not installed; about two minutes
# It uses .venv (or PYTHON=...), installs the driver beside it, and leaves nothing but the Debian package.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-$PWD/.venv/bin/python}
PORT=${PORT:-54321}
TRIALS=60

if ! compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >/dev/null
fi
BIN=$(dirname "$(compgen -G '/usr/lib/postgresql/*/bin/postgres' | sort -V | tail -1)")
work=$(mktemp -d)
database=$work/database
mkdir "$database"
as=()
if ((EUID == 0)); then # a PostgreSQL server refuses to be root's
  as=(runuser -u postgres --)
  chmod 755 "$work"
  chown postgres "$database"
fi

server() { "${as[@]}" "$BIN/pg_ctl" -D "$database/data" -w -s "$@"; }
start() { server -l "$database/log" -o "-p $PORT -c listen_addresses=127.0.0.1 -c unix_socket_directories=$database" start; }
finish() {
  [[ -z ${sweep:-} ]] || kill "$sweep" 2>/dev/null || true
  server -m immediate stop 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT

"$PYTHON" -m pip install -q -q --disable-pip-version-check --target "$work/driver" 'psycopg[binary]>=3.2'
"${as[@]}" "$BIN/initdb" -D "$database/data" -A trust -U ratchet >/dev/null
start
"$BIN/createdb" -h 127.0.0.1 -p "$PORT" -U ratchet studies

export PYTHONPATH=$PWD/src:$work/driver OMP_NUM_THREADS=1
url=postgresql://ratchet@127.0.0.1:$PORT/studies
sweeper=+hydra.sweeper.sweeps.grid
"$PYTHON" tests/search/apps/quadratic.py -m 'x=interval(-1,1)' seconds=0.5 hydra/launcher=joblib \
  "$sweeper.study=away" "$sweeper.storage='$url'" "$sweeper.n_trials=$TRIALS" "$sweeper.n_workers=2" \
  "$sweeper.n_jobs=1" "hydra.sweep.dir=$work/sweep" &
sweep=$!

done_trials() { "$BIN/psql" -h 127.0.0.1 -p "$PORT" -U ratchet studies -tA \
  -c "select count(*) from trials where state = 'COMPLETE'" 2>/dev/null || echo 0; }
until (($(done_trials) >= 10)); do
  kill -0 "$sweep" || exit 1
  sleep 0.5
done
echo "$(done_trials) trials are done: the server is killed"
kill -9 "$(head -1 "$database/data/postmaster.pid")"
sleep 10
start
echo "the server is back"
wait "$sweep"
"$PYTHON" scripts/check_study.py "$url" away "$TRIALS" 2
