"""Commands of README and docs are understood; their recipes, data and models of one's own, work word for word."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from pipeline.conftest import Checkout, make_checkout
from ratchet.commands import compare, promote
from ratchet.commands.train import main
from ratchet.config.command_line import CommandLine
from ratchet.config.composition import Request
from ratchet.project import Project
from ratchet.texts import TextTransform

ROOT = Path(__file__).parents[1]
PAGES = {path: path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]}
README = "\n## next page\n".join(PAGES.values())
INDENTED = re.findall(r"^    python src/train\.py(.*)$", README, re.MULTILINE)


def arguments(line: str) -> list[str]:
    """What was typed, without the remark behind it."""
    return shlex.split(re.split(r" {2,}| or ", line.strip())[0], comments=True)


COMMANDS = [arguments(line) for line in INDENTED]
FULL = ["-m", "sweep=full"]  # its own command is looked at in test_sweep_command.py


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [pytest.param(each, marks=[pytest.mark.nightly] if each[:2] == FULL else []) for each in COMMANDS],
    ids=" ".join,
)
def test_every_train_command_composes(command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    project = Project(ROOT)
    (tmp_path / "orders.csv").write_text("age,churned\n30,yes\n40,no\n", encoding="utf-8")
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for shade in range(4):
            Image.new("L", (8, 8), 60 * shade).save(tmp_path / "photos" / name / f"{shade}.png")
    (tmp_path / "reviews.csv").write_text("body,label\nlovely,yes\ndull,no\n", encoding="utf-8")
    (tmp_path / "weights/minilm").mkdir(parents=True)
    tokenizer = TextTransform.fit("body", ["lovely"], vocabulary=2, max_length=2).tokenizer
    (tmp_path / "weights/minilm/tokenizer.json").write_text(tokenizer, encoding="utf-8")
    command = [re.sub(r"^data\.(path|tokenizer)=", rf"data.\1={tmp_path}/", text) for text in command]
    monkeypatch.chdir(project.root)
    parsed = CommandLine.parse(command)
    if parsed.multirun:
        assert main([*command, "sweep.dry_run=true"]) == 0
    elif parsed.resume is None:
        assert Request.of(project, parsed.typed).compose()


def test_the_readme_shows_the_ways_to_train() -> None:
    shown = " ".join(" ".join(command) for command in COMMANDS)
    for needed in ("-m ", "experiment=", "debug=", "resume=", "trainer=gpu", "logger="):
        assert needed in shown


def test_the_readme_is_short_and_every_link_of_a_page_leads_somewhere() -> None:
    assert len(PAGES[ROOT / "README.md"].encode()) <= 8192
    for page, text in PAGES.items():
        for link in re.findall(r"\]\((?!https?://)([^)#]+)", text):
            assert (page.parent / link).exists(), (page.name, link)
    linked = set(re.findall(r"\(docs/(\w+\.md)", PAGES[ROOT / "README.md"]))
    pages = {path.name for path in PAGES if path.parent.name == "docs"} - {"index.md"}
    listed = re.findall(r"^(\w+)$", PAGES[ROOT / "docs/index.md"], re.MULTILINE)
    assert {f"{name}.md" for name in listed} == pages == linked


def tree() -> dict[str, str]:
    """The paths that "What is where" names, from the project's root, and the purpose of each."""
    found, folders = {}, {}
    for line in README.partition("## What is where\n")[2].partition("\n## ")[0].strip("\n").splitlines():
        name, _, purpose = line.strip().partition("  ")
        depth = (len(line) - len(line.lstrip()) - 4) // 2
        folders[depth] = folders.get(depth - 1, "") + name
        found[folders[depth]] = purpose.strip()
    return found


def test_the_tree_names_what_is_there_and_every_file_of_the_package() -> None:
    root, named = ROOT, tree()
    assert [path for path in named if not (root / path).exists() or path.endswith("/") != (root / path).is_dir()] == []
    package = [path for path in root.glob("src/ratchet/**/*.py") if path.name != "__init__.py"]
    files = {str(path.relative_to(root)) for path in [*package, *root.glob("src/*.py"), *root.glob("scripts/*.py")]}
    folders = {f"{path.relative_to(root)}/" for path in (root / "conf").iterdir() if path.is_dir()}
    rooms = {f"{path.parent.relative_to(root)}/" for path in root.glob("src/**/__init__.py")}
    assert (files | folders | rooms) - named.keys() == set()


def test_a_purpose_in_the_tree_is_short() -> None:
    purposes = tree()
    assert [path for path, purpose in purposes.items() if len(purpose.split()) > 8] == []
    assert [path for path, purpose in purposes.items() if not purpose] == ["src/", "scripts/"]


def blocks(heading: str, language: str) -> list[str]:
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def shown(heading: str) -> list[list[str]]:
    """The commands within the text of a section, in order."""
    section = README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [command.split() for command in re.findall(r"`(python src/[^`]+)`", section)]


def filled(line: str) -> list[str]:
    """What was typed, with a name at each place that a person fills in."""
    typed = [] if line.startswith("  ") else arguments(line)
    return [re.sub(r"<[^>]+>", "1", text) for text in typed]


@pytest.mark.parametrize("line", re.findall(r"^    python src/promote\.py(.*)$", README, re.MULTILINE))
def test_every_promote_command_is_understood(line: str) -> None:
    assert promote.parse(filled(line))


@pytest.mark.parametrize("line", re.findall(r"^    python src/compare\.py(.*)$", README, re.MULTILINE))
def test_every_compare_command_is_understood(line: str) -> None:
    assert compare.Arguments.parse(filled(line))


@pytest.mark.parametrize("target", sorted(set(re.findall(r"(?:`|^    )make ([a-z-]+)", README, re.MULTILINE))))
def test_every_target_of_make_that_is_shown_is_there(target: str) -> None:
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_scripts_of_clusters_are_run_by_the_target_that_is_shown() -> None:
    assert "`make check-clusters`" in README
    command = ["make", "-n", "check-clusters"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(re.findall(r"scripts/\S+\.sh", done.stdout)) == set(re.findall(r"scripts/\S+?\.sh", README))


@pytest.fixture(scope="module")
def reader_s_checkout(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return make_checkout(tmp_path_factory.mktemp("readme") / "project")


@pytest.mark.slow
def test_data_and_a_model_of_one_s_own(reader_s_checkout: Checkout) -> None:
    root = reader_s_checkout.root
    table = [
        f"{1 + label + i % 7 / 10},{2 - label + i % 5 / 10},{i % 3},{label * i % 4 + i / 100},{name}"
        for label, name in enumerate(("setosa", "versicolor", "virginica"))
        for i in range(50)
    ]
    (root.parent / "flowers").mkdir()
    (root.parent / "flowers" / "flowers.csv").write_text("\n".join(table) + "\n")
    *_, data = blocks("Your own data", "yaml")
    (root / "conf/data/flowers.yaml").write_text(data)
    refused = reader_s_checkout.type("python", "src/fetch.py", "data=flowers", status=1)
    found = [digest for digest in re.findall(r"sha256:[0-9a-f]{64}", refused) if set(digest[7:]) != {"0"}]
    assert len(refused.strip().splitlines()) == 1
    (root / "src/own/flowers.py").write_text("from ratchet.data.readers import table as read\n")
    data = data.replace("sha256:" + "0" * 64, found[0]).replace("ratchet.data.readers.table", "own.flowers.read")
    (root / "conf/data/flowers.yaml").write_text(data)
    fetch, prepare, train = shown("Your own data")
    for command in (fetch, prepare):
        reader_s_checkout.type(*command)
    assert "note: trainer.batch_size=100 is more than" in reader_s_checkout.type(*train)
    assert (root / "data/prepared/flowers/card.html").stat().st_size > 10_000

    (code,) = blocks("Your own model", "python")
    (settings,) = blocks("Your own model", "yaml")
    (root / "src/own/wide.py").write_text(code)
    (root / "conf/model/wide.yaml").write_text(settings)
    (train,) = shown("Your own model")
    said = reader_s_checkout.type(*train, "data=flowers", "hydra.run.dir=runs/mine")
    assert "validation/accuracy" in said
    assert "accuracy" in reader_s_checkout.type("python", "src/evaluate.py", "run=runs/mine")
    wrong = reader_s_checkout.type("python", "src/train.py", "data=flowers", "model=wide", "model.width=big", status=1)
    assert "model.width" in wrong
    assert len(wrong.strip().splitlines()) == 1


@pytest.mark.slow
@pytest.mark.nightly
def test_a_lightning_module_of_one_s_own(reader_s_checkout: Checkout) -> None:
    root, heading = reader_s_checkout.root, "Your own LightningModule"
    (root / "src/own/dense.py").write_text(blocks(heading, "python")[0])
    (root / "conf/model/dense.yaml").write_text(blocks(heading, "yaml")[0])
    train, search = (shlex.split(" ".join(command)) for command in shown(heading)[:2])
    quick = ["logger=csv", "trainer.max_epochs=3"]
    assert "val/acc" in reader_s_checkout.type(*train, *quick, "hydra.run.dir=runs/dense")
    assert "accuracy" in reader_s_checkout.type("python", "src/evaluate.py", "run=runs/dense")
    assert "val/acc, best first" in reader_s_checkout.type(*search, *quick, "sweep.n_trials=2")
