"""What the benchmarks stand on: prepared data, and virtual environments for the peers, in .bench/.

A peer's environment has its own Optuna, and torch, Lightning and Hydra shared with ours.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

from ratchet.config.composition import load_config
from ratchet.data.on_demand import prepare_if_missing
from ratchet.project import Project

ROOT = Path(__file__).resolve().parents[1]
PEERS = {
    "hydra": ["hydra-optuna-sweeper==1.3.0", "hydra-joblib-launcher==1.2.0"],  # brings optuna 2.10
    "ray": ["ray[tune]==2.60.0"],
}


def prepare(*names: str) -> None:
    """Fetch and prepare the data sets that are missing, as conf/ says, before anything is measured."""
    project = Project.find()
    for name in names:
        prepare_if_missing(load_config(project, ["params=null", f"data={name}"]).data, project=project)


def python_of(peer: str) -> str:
    """The interpreter of a peer's environment, made where there is none yet (a minute)."""
    folder = ROOT / ".bench" / peer
    python, stamp = folder / "bin" / "python", folder / "installed"
    if stamp.is_file():
        return str(python)
    print(f"installing {', '.join(PEERS[peer])} into {folder.relative_to(ROOT)}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--clear", str(folder)], check=True)
    packages = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    # a line of a .pth is searched after the environment's own packages: what is installed there hides what is here
    (packages / "shared.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    pinned = folder / "constraints.txt"
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned.write_text("\n".join(line for line in lines if not line.startswith("optuna")), encoding="utf-8")
    install = [str(python), "-m", "pip", "install", "-q", "--no-compile", "--disable-pip-version-check"]
    done = subprocess.run([*install, "-c", str(pinned), *PEERS[peer]], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"pip could not install {', '.join(PEERS[peer])}:\n{done.stderr[-2000:]}")
    stamp.touch()
    return str(python)
