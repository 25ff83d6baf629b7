from __future__ import annotations

import contextlib
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ratchet.config.composition import load_config
from ratchet.config.sections import EvaluationConfig
from ratchet.data.on_demand import prepare_if_missing
from ratchet.deployment.exported import ExportedModel
from ratchet.evaluation.evaluate import evaluate
from ratchet.project import Project
from ratchet.runs import RunDirectory
from ratchet.training.train import train

REPOSITORY = Path(__file__).parents[2]
SOURCE = REPOSITORY / "src"
TABLE = ["data=table", "data.path=orders.csv", "data.id=order", "data.types={ward: category}"]
RUNS = {
    "digits": ["data=digits"],
    "pictures": ["data=folder", "data.path=photos", "data.size=12"],
    "class": [*TABLE, "data.target=churned"],
    "number": [*TABLE, "data.target=worth", "data.name=worths"],
    "binary": [*TABLE, "data.target=churned", "task=binary", "task.threshold=f1"],
}


@pytest.fixture(scope="session")
def evaluated(tmp_path_factory: pytest.TempPathFactory, digits: Path) -> Callable[[str], tuple[Project, RunDirectory]]:
    """Of each of RUNS a project with that run trained and evaluated, made once. Do not write into them."""
    root = tmp_path_factory.mktemp("deployed")
    shutil.copytree(REPOSITORY / "conf", root / "conf", ignore=shutil.ignore_patterns("tuned"))
    shutil.copytree(digits, root / "data")
    orders().to_csv(root / "orders.csv", index=False)
    for number, picture in enumerate(np.random.default_rng(0).integers(0, 256, (60, 16, 20, 3), np.uint8)):
        folder = root / "photos" / ("dark" if number % 2 else "light")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture // 3 if number % 2 else picture).save(folder / f"{number}.png")
    project, made = Project(root), {}

    def run(name: str) -> tuple[Project, RunDirectory]:
        if name not in made:
            words = ["params=null", "model=logistic", "logger=csv", "trainer.max_epochs=3", "trainer.progress=none"]
            with contextlib.chdir(root):
                config = load_config(project, [*words, *RUNS[name]])
            prepare_if_missing(config.data, project=project)
            made[name] = RunDirectory(root / "runs" / name)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                train(config, run=made[name], project=project)
                evaluate(
                    made[name], output=made[name].evaluation, project=project, config=EvaluationConfig(
                        bootstrap=0, confidence=0.95, calibration_bins=15, mistakes=0
                    ),
                )  # fmt: skip
        return project, made[name]

    return run


@pytest.fixture(scope="session")
def exported(evaluated, tmp_path_factory):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("fastapi")
    from ratchet.deployment.export import export

    made = {}

    def of(name: str) -> Path:
        if name not in made:
            project, run = evaluated(name)
            output = tmp_path_factory.mktemp("exports") / name
            made[name] = export(run, output=output, project=project, evaluation=run.evaluation).directory
        return made[name]

    return of


def client(directory: Path, keeper=None):
    with warnings.catch_warnings(action="ignore"):  # it would rather have another httpx
        from starlette.testclient import TestClient

    from ratchet.deployment.service import application

    return TestClient(application(ExportedModel.load(directory), keeper), raise_server_exceptions=False)


def orders(rows: int = 400) -> pd.DataFrame:
    """A table with every kind of column and gaps."""
    rng = np.random.default_rng(0)
    age, city = rng.integers(18, 80, rows).astype(float), rng.choice(["Ulm", "Jena", "Bonn"], rows)
    worth = age / 10 + 2 * (city == "Ulm") + rng.normal(size=rows)
    frame = pd.DataFrame(
        {
            "order": [f"A{k:04d}" for k in range(rows)],
            "age": np.where(rng.random(rows) < 0.1, np.nan, age),
            "city": city,
            "ward": rng.choice([1, 2, 3], rows),
            "new": rng.choice([True, False], rows),
            "at": pd.date_range("2024-01-01", periods=rows, freq="31h").strftime("%d/%m/%Y %H:%M"),
            "income": rng.normal(3000, 500, rows).round(2),
            "worth": worth.round(3),
        }
    )
    return frame.assign(churned=np.where(worth > 6, "yes", "no"))
