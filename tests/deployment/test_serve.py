"""An exported model behind HTTP: the numbers of predict, and a 4xx that names the field for what it cannot take."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from deployment.conftest import SOURCE, client, orders
from ratchet.commands.serve import main
from ratchet.deployment.exported import ExportedModel, decisions
from ratchet.deployment.predict import predict
from ratchet.errors import RatchetError
from ratchet.tasks.base import Target


@pytest.mark.slow
@pytest.mark.parametrize("name", ["binary", "number"])
def test_rows_of_a_request_get_the_numbers_of_predict(evaluated, exported, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    project, run = evaluated(name)
    frame = orders(30).drop(columns="worth" if name == "number" else "churned")
    frame.to_csv("new.csv", index=False)
    predict(run, "new.csv", output=Path("out.csv"), project=project)
    expected = pd.read_csv("out.csv")
    rows = json.loads(frame.to_json(orient="records"))
    answer = client(exported(name)).post("/predict", json={"rows": rows})
    assert answer.status_code == 200
    found = answer.json()["predictions"]
    assert [each["id"] for each in found] == list(expected.id)
    if name == "number":
        np.testing.assert_allclose([each["predicted"] for each in found], expected.predicted, atol=1e-4)
    else:
        assert [each["predicted"] for each in found] == list(expected.predicted)
        np.testing.assert_allclose(
            [each["probabilities"]["yes"] for each in found], expected.probability_yes, atol=1.5e-6
        )


@pytest.mark.slow
def test_arrays_are_answered_and_refused(exported):
    http = client(exported("digits"))
    answer = http.post("/predict", json={"rows": np.zeros((2, 8, 8)).tolist()}).json()["predictions"]
    assert [each["id"] for each in answer] == [0, 1]
    assert sum(answer[0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    for rows in ([[1, 2]], [[1], [1, 2]], [["a"] * 64], [[None] * 64]):
        assert http.post("/predict", json={"rows": rows}).status_code == 422


@pytest.mark.slow
def test_what_a_row_cannot_hold_is_a_4xx_that_names_the_field_and_the_service_goes_on(exported, monkeypatch):
    monkeypatch.setattr("ratchet.deployment.service.MOST_BYTES", 100_000)
    http = client(exported("binary"))
    good = http.get("/openapi.json").json()["components"]["schemas"]["Row"]["example"]
    assert http.post("/predict", json={"rows": [good]}).status_code == 200
    assert http.get("/health").json()["status"] == "ok"
    for change, field in [
        ({"age": "old"}, "age"),
        ({"age": float("nan")}, "age"),
        ({"age": 1e300}, "age"),
        ({"at": "31/31/2024"}, "at"),
        ({"at": 7}, "at"),
        ({"city": ["Ulm"]}, "city"),
        ({"colour": "red"}, "colour"),
        ({"city": "\ud800"}, ""),
        ({"\ud800": 1}, ""),
    ]:
        body = json.dumps({"rows": [good | change]}).encode()
        answer = http.post("/predict", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422, change
        assert field in json.dumps(answer.json())
    missing = http.post("/predict", json={"rows": [{name: good[name] for name in good if name != "age"}]})
    assert missing.json() == {"detail": [{"loc": ["body", "rows", 0, "age"], "msg": "Field required"}]}
    for body, status in [
        (b"{", 422),
        (b'{"rows": []}', 422),
        (b"[" * 20_000, 400),
        (b'{"rows": [1' + b"0" * 9_000 + b"]}", 400),
        (b"\xff\xfe", 422),
        (b"x" * 100_001, 413),
    ]:
        answer = http.post("/predict", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == status, body[:20]
    assert http.post("/predict", json={"rows": [good | {"age": None, "city": "Paris"}]}).status_code == 200


@pytest.mark.slow
def test_an_export_that_was_changed_is_not_served(exported, tmp_path):
    shutil.copytree(exported("binary"), tmp_path / "export")
    with (tmp_path / "export" / "model.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(RatchetError, match=r"model\.onnx is not what export wrote: it was changed; type: "):
        ExportedModel.load(tmp_path / "export")


@pytest.mark.slow
def test_serving_needs_no_torch(exported):
    code = (
        "import sys; from pathlib import Path; from ratchet.deployment.exported import ExportedModel; "
        "from ratchet.deployment.service import application; "
        f"application(ExportedModel.load(Path({str(exported('binary'))!r}))); "
        "print(*({'torch', 'pytorch_lightning', 'wandb'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["prot=1"], "prot=1: serve does not know it; nearest: port; allowed: model, host, port, keep"),
        (["port=99999"], r"port=99999; allowed: 0 \(any free one\) to 65535; type: port=8000"),
        (["model=nowhere"], "nowhere holds no export|serve needs the package"),
    ],
)
def test_what_cannot_be_served_is_one_line(project, words, said):
    with pytest.raises(RatchetError, match=said):
        main(words)


@pytest.mark.parametrize(
    ("target", "described", "outputs", "said"),
    [
        (Target("class", ("no", "yes")), {"positive": "yes", "cut": 19.6}, [[19.5], [19.7]], ["no", "yes"]),
        (Target("class", ("a", "b", "c")), {"positive": None}, [[-9.0, -0.1, -3.0]], ["b"]),
        (Target("labels", ("a", "b")), {"positive": None}, [[0.0, -1e-9]], [["a"]]),
    ],
)
def test_decisions_are_of_outputs_not_of_rounded_probabilities(target, described, outputs, said):
    assert decisions(described, target, np.array(outputs, np.float32)) == said


@pytest.mark.slow
def test_a_body_that_stands_still_is_refused_and_a_request_that_hangs_ends_with_the_service(exported, monkeypatch):
    directory = exported("binary")
    code = (
        "import sys, ratchet.deployment.service as it, ratchet.commands.serve as serve; "
        "it.SENT_WITHIN = float(sys.argv[2]); serve.GRACE = 1; serve.main([f'model={sys.argv[1]}', 'port=0'])"
    )
    for within in ("0.5", "60"):
        command = [sys.executable, "-c", code, str(directory), within]
        with subprocess.Popen(command, env={"PYTHONPATH": str(SOURCE)}, stdout=subprocess.PIPE, text=True) as service:
            port = int(re.search(r":(\d+)/predict", service.stdout.readline())[1])
            with socket.create_connection(("127.0.0.1", port)) as connection:
                connection.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
                if within == "0.5":
                    assert connection.recv(100).startswith(b"HTTP/1.1 408 ")
                service.terminate()
                service.wait(timeout=60)
