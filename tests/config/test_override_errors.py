"""Mistakes in overrides, params.yaml and conf/: each ends in one line that says what was got, allowed, to type."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import MissingConfigException

from ratchet.config.explanation import explain
from ratchet.config.grammar import to_override_value
from ratchet.config.request import Request
from ratchet.config.tree import value_at
from ratchet.errors import ConfigError
from ratchet.project import Project
from ratchet.yaml_files import yaml_text

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]


def complaint(project: Project, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        Request.of(project, overrides).compose()
    message = str(caught.value)
    assert "\n" not in message
    assert "HYDRA_FULL_ERROR" not in message
    return message


@cache
def known(directory: Path) -> dict[str, Any]:
    return Request(directory, ("data=digits",)).known


def usual_values(said: str, project: Project) -> str:
    """$a.b stands for the value that conf/ has: what is to be typed."""
    if not re.search(r"\$[a-z]", said):
        return said
    usual = known(project.conf.resolve())
    return re.sub(r"\$([a-z_.]+)", lambda match: to_override_value(value_at(usual, match[1])), said)


MISTAKES = {
    # an unknown option
    "model=cnnn": "nearest: cnn; allowed: cnn, encoder, gru, logistic, mlp, resnet, tabm, text_bag, "
    "text_transformer, transformer; type: model",
    "experiment=fashion": "experiment=fashion: there is no such option; ",
    "debug=overfitt": "nearest: overfit; allowed: one_batch, overfit, profile; type: debug=overfit",
    "model=": "model=: there is no such option; allowed: cnn",
    "model=null": "model=null: a choice is the name of an option; allowed: cnn",
    "model={widht: 3}": "model.widht: there is no such key; nearest: model.width",
    "model=[a]": "model=[a]: a choice is the name of an option",
    "experiment=null": "type: '~experiment', for none of them",
    "hydra/launcher=basics": "hydra/launcher=basics: there is no such option; nearest: basic; allowed: basic",
    # an unknown key
    "modle=cnn": "modle: there is no such key; nearest: model; allowed: augmentation, callbacks, data, debug",
    "trainer.max_epoch=3": "nearest: trainer.max_epochs, trainer.max_steps; allowed in trainer: accelerator, ",
    "trianer.max_epochs=3": "trianer.max_epochs: there is no such key; nearest: trainer.max_epochs",
    "data.prepare.sed=1": "allowed in data.prepare: test, validation, confirm, seed, duplicates, constant_features",
    "data.prepare={sed: 1}": "data.prepare.sed: there is no such key; nearest: data.prepare.seed",
    "loss.foo=1": "loss.foo: there is no such key; allowed in loss: _target_, label_smoothing, class_weights, l1, l2; ",
    "lr=0.1": "nearest: optimizer.lr",
    "max_epochs=3": "nearest: trainer.max_epochs",
    "model.heads=2": "model.heads: there is no such key; nearest: model.head; allowed in model: name, _target_, depth",
    "seed.x=1": "seed is one value; allowed: seed=value; type: seed=1",
    "trainer.early_stopping.patience=3": "is null, no key can be set inside it; allowed: a mapping; "
    "type: 'trainer.early_stopping={patience: 3}'",
    "trainer.early_stopping={patince: 3}": "nearest: patience; allowed: patience, min_delta; "
    "type: 'trainer.early_stopping={patience:3}'",
    "+new.key=1": "new: there is no such key; allowed: seed, objective, data",
    "+trainer.foo=1": "trainer.foo: there is no such key",
    "+optimizer.lr=1": "optimizer.lr is there already; allowed: optimizer.lr=value; type: optimizer.lr=1",
    "~nothing": "nothing: there is no such key",
    "hydra.foo=1": "hydra.foo: there is no such key; allowed in hydra: ",
    # a setting that the data have no use for
    "data=mnist1d augmentation.rotate=10": "augmentation.rotate=10 is for images, and mnist1d has sequences; type: aug",
    # a value of the wrong type or out of range: the value to type is the one of conf/
    "optimizer.lr=fast": "optimizer.lr is fast; allowed: a number greater than 0; type: optimizer.lr=$optimizer.lr",
    "optimizer.lr=-0.1": "optimizer.lr is -0.1; allowed: a number greater than 0; type: optimizer.lr=$optimizer.lr",
    "optimizer.lr=nan": "optimizer.lr is nan; allowed: a number greater than 0",
    "optimizer.lr='0.1'": "optimizer.lr is '0.1'; allowed: a number greater than 0",
    "optimizer.lr=[1]": "optimizer.lr is [1]; allowed: a number greater than 0",
    "optimizer.weight_decay=-1": "allowed: a number, 0 or more; type: optimizer.weight_decay=$optimizer.weight_decay",
    "trainer.max_epochs=ten": "a whole number, 1 or more, or null; type: trainer.max_epochs=$trainer.max_epochs",
    "trainer.max_epochs=1.5": "a whole number, 1 or more, or null; type: trainer.max_epochs=$trainer.max_epochs",
    "trainer.max_epochs=0": "a whole number, 1 or more, or null; type: trainer.max_epochs=$trainer.max_epochs",
    "trainer.batch_size=0": "allowed: a whole number, 1 or more; type: trainer.batch_size=$trainer.batch_size",
    "trainer.deterministic=yes": "is yes; allowed: true or false; type: trainer.deterministic=true",
    "trainer.accelerator=cuda": "allowed: one of cpu, gpu, mps, auto; type: trainer.accelerator=cpu",
    "trainer.early_stopping=3": "allowed: a mapping of patience, min_delta, or null; type: trainer.early_stopping=null",
    "augmentation.flip=2": "allowed: a number from 0 to 1; type: augmentation.flip=0.0",
    "scheduler.warmup=1": "allowed: a number greater than 0 and less than 1; type: scheduler.warmup=$scheduler.warmup",
    "scheduler.name=cosin": "scheduler.name is cosin; allowed: one of cosine, cosine_restarts, none, one_cycle",
    "data.prepare.test=1.5": "allowed: published, or a whole number, 1 or more, or a number greater than 0 and less",
    "data.layout=video": "allowed: one of sequence, image, table, text; type: data.layout=image",
    "data.classes=[a]": "allowed: a list of names: two classes or more",
    "data.name=a/b": "data.name is a/b; allowed: text of the form",
    "seed=true": "seed is true; allowed: a whole number, 0 or more; type: seed=0",
    "seed=-1": "seed is -1; allowed: a whole number, 0 or more; type: seed=0",
    "data.files.0.name=../x": "data.files.0.name is '../x'; allowed: a file's name, without /",
    "data.files.0.name=..": "data.files.0.name is '..'; allowed: a file's name, without /",
    "model.name=a/../../b": "model.name is a/../../b; allowed: a file's name, without /",
    "data.files.0.name=3": "data.files.0.name is 3; allowed: a file's name, without / and of at most 120 bytes; "
    "type: data.files.0.name=",
    # no value
    "optimizer.lr=???": "optimizer.lr is ???, it has no value yet; allowed: a number greater than 0; "
    "type: optimizer.lr=$optimizer.lr",
    "data.name=???": "data.name is ???, it has no value yet; allowed: text",
    "~optimizer.lr": "optimizer.lr is missing; allowed: a number greater than 0; type: optimizer.lr=$optimizer.lr",
    "optimizer.lr=${nowhere.x}": "optimizer.lr: Interpolation key 'nowhere.x' not found",
    # settings that exclude each other
    "trainer.max_epochs=null": "both null: the training would never end; type: trainer.max_epochs=",
    "trainer.devices=2": "needs a strategy; type: trainer=ddp trainer.devices=2",
    "trainer.strategy=ddp": "with one device has no effect; type: trainer.devices=2",
    "objective.direction=minimize": "type: objective.direction=maximize",
    "trainer.precision=16-mixed": "needs a GPU; type: trainer.precision=bf16-mixed",
    "trainer.precision=bf16-mixed trainer.gradient_clip=1 +optimizer.fused=true": "exclude each other under "
    "trainer.precision=bf16-mixed; type: +optimizer.fused=false, or trainer.gradient_clip=null",
    "debug=one_batch trainer.overfit_one_batch=true": "exclude each other; type: debug=overfit",
    "trainer.train_on=train+validation scheduler=plateau": "type: trainer.train_on=train, or scheduler=cosine",
    "trainer.sampling=oversample loss.class_weights=balanced": "together would for the others; "
    "type: loss.class_weights=none, or trainer.sampling=none",
    "data=concrete trainer.sampling=undersample": "for one class of several, and the target of concrete is a number; "
    "type: trainer.sampling=none",
    "data.prepare.confirm=0.6 data.prepare.validation=0.6": "none is left to train on",
    "data.layout=sequence": "allowed for layout sequence: [channels, length]",
    # not written as Hydra reads it
    "model = cnn": "'model' is no setting; allowed: key=value, without spaces around =; type: model=cnn",
    "trainer.max_epochs 3": "'trainer.max_epochs' is no setting; allowed: key=value, without spaces around =; "
    "type: trainer.max_epochs=$trainer.max_epochs",
    "nonsense": "'nonsense' is no setting; allowed: key=value, without spaces around =; type: python src/train.py --he",
    "=3": "'=3' cannot be read; allowed: key=value",
    "optimizer.lr=[1": "'optimizer.lr=[1' cannot be read; allowed: key=value",
    "model=cnn,gru": "names 2 values; allowed: one, or several with -m; type: python src/train.py -m model=cnn,gru, a",
    "optimizer.lr=interval(0,1)": "names a range of values; allowed: one",
    "logger=wandb logger.tags=a,b": "names 2 values; allowed: one; type: 'logger.tags=[a,b]'",
    "--foo": "--foo: there is no such flag; allowed: key=value, --help, --debug",
    "-m": "-m: there is no such flag",
}


@pytest.mark.parametrize("typed", MISTAKES)
def test_a_mistaken_override_is_said_in_one_line(settings, typed, monkeypatch):
    overrides = [typed] if "{" in typed else typed.split(" ")
    if len(overrides) == 1:  # no other choice of options: what is known is always the same, and takes a while
        monkeypatch.setattr(Request, "known", known(settings.conf.resolve()))
    assert usual_values(MISTAKES[typed], settings) in complaint(settings, *overrides)
    assert not settings.lock.exists()


@pytest.mark.parametrize(
    ("option", "extra"),
    [("joblib", "joblib"), ("submitit_local", "submitit"), ("submitit_slurm", "submitit"), ("ray", "ray")],
)
def test_a_launcher_that_is_not_installed_names_its_extra(option, extra, tmp_path):
    error = MissingConfigException("", f"hydra/launcher/{option}", ["basic", "other"])
    assert str(explain(error, directory=tmp_path)) == (
        f"hydra/launcher={option} is not installed; installed: basic, other; type: pip install -e '.[{extra}]'"
    )
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extra in extras


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- model\n- data\n", "params.yaml holds a list; allowed: lines such as `model: cnn`"),
        ("3\n", "params.yaml holds a single value"),
        ("cnn\n", "params.yaml: cnn: there is no such key"),
        ("a: b: c\n", "params.yaml line 1: mapping values are not allowed"),
        ("model: [\n", "params.yaml line 2: "),
        ("model: cnn\nmodel: gru\n", "params.yaml line 2: found duplicate key model"),
        ("\x00", "params.yaml: it is not YAML"),
        ("model: ${x\n", "params.yaml cannot be read"),
        (
            "model:\n",
            "params.yaml: model has no value; allowed: cnn, encoder, gru, logistic, mlp, resnet, tabm, "
            "text_bag, text_transformer, transformer; write: ",
        ),
        ("model: 3\n", "params.yaml: model is 3; allowed: cnn"),
        ("model: {width: 3}\n", "params.yaml: model is a mapping; allowed: the name of an option"),
        ("model: cnnn\n", "params.yaml: model=cnnn: there is no such option; nearest: cnn; "),
        ("modle: cnn\n", "params.yaml: modle: there is no such key; nearest: model; "),
        ("seed:\n", "params.yaml: seed is null; allowed: a whole number, 0 or more; write: seed: 0"),
        ("overrides: 3\n", "params.yaml: overrides is 3; allowed: a mapping"),
        ("overrides: {trainer: {max_epoch: 3}}\n", "params.yaml: trainer.max_epoch: there is no such key; nearest: "),
        ("overrides: {trainer: {max_epochs: 0}}\n", "params.yaml: trainer.max_epochs is 0; allowed: a whole number"),
        ("overrides: {optimizer: {lr: fast}}\n", "a number greater than 0; write: optimizer.lr: $optimizer.lr"),
        ("overrides: {data: {prepare: {sed: 3}}}\n", "params.yaml: data.prepare.sed: there is no such key; nearest: "),
    ],
)
def test_a_mistaken_params_yaml_is_named(settings, text, said):
    settings.params.write_text(text, encoding="utf-8")
    assert usual_values(said, settings) in complaint(settings)


def test_a_params_yaml_that_is_no_text_is_refused(settings):
    settings.params.write_bytes(b"\xff\xfe\x00")
    assert "params.yaml cannot be read" in complaint(settings)


def test_a_params_yaml_that_is_a_directory_is_not_passed_over(settings):
    settings.params.unlink()
    settings.params.mkdir()
    assert "params.yaml is a directory where a file is needed; type: " in complaint(settings)


GLOBAL = "# @package _global_\n"


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("model/cnn.yaml", "name: cnn\n  x: [\n", "conf/model/cnn.yaml line 2: mapping values are not allowed"),
        ("model/cnn.yaml", "", "model.name is missing; allowed: a file's name, without /"),
        ("model/cnn.yaml", "- a\n", "model is [a]; allowed: a mapping of name, _target_"),
        ("config.yaml", "defaults: [a: b\n", "conf/config.yaml line 2: "),
        (
            "trainer/cpu.yaml",
            "max_epochs: ten\n",
            "trainer.max_epochs is ten; allowed: a whole number, 1 or more, or null; type: trainer.max_epochs=1, "
            "or mend it in conf/trainer/cpu.yaml",
        ),
        ("trainer/cpu.yaml", "max_epochs: ???\n", "trainer.max_epochs is ???, it has no value yet; allowed: a whole"),
        ("trainer/cpu.yaml", "max_epoch: 3\n", "trainer.max_epoch: there is no such key; nearest: max_epochs"),
        ("trainer/cpu.yaml", "defaults: [gpuu]\n", "names trainer: gpuu: there is no such option; nearest: gpu"),
        ("experiment/mine.yaml", f"{GLOBAL}defaults: [override /model: cnnn]\n", "names model: cnnn"),
        ("experiment/mine.yaml", f"{GLOBAL}defaults: [override /modle: cnn]\n", "modle"),
        ("experiment/mine.yaml", f"{GLOBAL}trainer:\n\tmax_epochs: 1\n", "conf/experiment/mine.yaml line 3"),
        ("experiment/mine.yaml", f"{GLOBAL}foo: 1\n", "foo: there is no such key"),
        (
            "tuned/digits_cnn.yaml",
            f"{GLOBAL}optimizer: {{lr: 0}}\n",
            "optimizer.lr is 0; allowed: a number greater than 0; type: optimizer.lr=0.01, or mend it in "
            "conf/tuned/digits_cnn.yaml",
        ),
        ("experiment/mine.yaml", f"{GLOBAL}seed: -1\n", "type: seed=0, or mend it in conf/experiment/mine.yaml"),
    ],
)
def test_a_mistake_in_conf_names_the_place(project, file, text, said):
    (project.conf / file).parent.mkdir(exist_ok=True)
    (project.conf / file).write_text(text, encoding="utf-8")
    assert said in complaint(project, *(["experiment=mine"] if "mine" in file else []))


def test_what_is_wrong_in_a_runs_own_config_is_mended_there(settings, tmp_path):
    """No override helps: a resumed run keeps its settings."""
    run = tmp_path / "runs" / "a b"
    run.mkdir(parents=True)
    plain = Request.of(settings, []).compose().plain()
    plain["trainer"]["max_epochs"] = "ten"
    (run / "config.yaml").write_text(yaml_text(plain), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        Request(run, root=tmp_path).compose()
    said = "trainer.max_epochs is ten; allowed: a whole number, 1 or more, or null; "
    assert str(caught.value) == f"{said}mend it in runs/a b/config.yaml, then type the same again"


def test_a_value_of_params_yaml_is_mended_there(settings):
    """Also one inside of a list, and one beside which other things were typed."""
    settings.params.write_text("data: digits\noverrides: {data: {shape: [0, 8, 8]}}\n", encoding="utf-8")
    said = complaint(settings, "seed=3")
    assert said.startswith("params.yaml: data.shape.0 is 0; ")
    assert said.endswith("write: data.shape: [1, 8, 8]")
    settings.params.write_text("data: digits\ndata.shape: [1, 8, 8]\n", encoding="utf-8")
    assert Request.of(settings, ["seed=3"]).compose().data.shape == [1, 8, 8]


@pytest.mark.parametrize(
    ("typed", "end"),
    [
        (["optimizer.amsgrad=true"], "which torch.optim.AdamW takes; type: +optimizer.amsgrad=true"),
        (["loss._target_=torch.nn.PoissonNLLLoss", "loss.log_input=false"], "; type: +loss.log_input=false"),
        (["loss=huber", "loss.foo=1"], "type: python src/train.py loss=huber --cfg job, which shows every key, "
         "or leave it out"),
        (["logger=custom", "logger.run_id=a"], "; type: +logger.run_id=a"),
        (["data=cifar10"], "; type: python src/train.py --help, which shows every choice, or leave it out"),
        ([f"data.name={'a' * 300}"], ", of at most 120 characters; type: data.name=digits"),
    ],
)  # fmt: skip
def test_a_hint_is_no_guess(project: Project, typed: list[str], end: str) -> None:
    assert complaint(project, *typed).endswith(end)


def test_a_variable_that_is_not_set_is_named(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET", raising=False)
    said = complaint(project, "logger=wandb", "logger.project=${oc.env:SECRET}")
    assert said.startswith("logger.project is of the environment variable SECRET, which is not set; ")
    assert said.endswith("type: export SECRET=..., then the same again")
