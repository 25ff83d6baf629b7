"""A W&B server on this machine: as much of the protocol as a run, its artifacts and `wandb sync` need.

It keeps what it was sent, run by run and artifact by artifact, and can be told to misbehave from some moment on.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal

from serving import StallingServer, served

KEY = "0123456789abcdef" * 2 + "01234567"  # what a key has to look like
ENTITY = "someone"
Manner = Literal["well", "500", "stalls", "hangs up"]


@dataclass
class Run:
    """What a server holds of one run."""

    history: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)  # system metrics
    summary: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    files: dict[str, bytes] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)  # display name, group, job type, tags
    exit_codes: list[int] = field(default_factory=list)


@dataclass
class Artifact:
    """A version of an artifact, and the runs that made it and read it."""

    type: str
    name: str
    digest: str
    metadata: dict[str, Any]
    manifest: dict[str, Any] = field(default_factory=dict)
    made_by: set[str] = field(default_factory=set)
    used_by: set[str] = field(default_factory=set)
    committed: bool = False


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_PUT(self) -> None:
        self._serve()

    def log_message(self, *_: object) -> None:
        """Keep stderr clean."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        server = self.server
        with server.lock:
            server.seen += body
            server.requests += 1
            manner = server.manner
        if manner == "hangs up":
            self.close_connection = True
            return
        if manner == "stalls":
            server.released.wait(60)
            self.close_connection = True
            return
        if manner == "500":
            self._answer({"error": "it is broken"}, status=500)
            return
        with server.lock:
            answer = self._answer_to(body)
        self._answer(answer)

    def _answer(self, content: Any, *, status: int = 200) -> None:
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _answer_to(self, body: bytes) -> Any:
        if self.path == "/graphql":
            asked = json.loads(body)
            (operation,) = re.findall(r"^\s*(?:query|mutation)\s+(\w+)", asked["query"])[:1] or [""]
            self.server.operations.append(operation)
            answer = getattr(self.server, operation, None)
            if self.server.after and operation == self.server.after[0]:
                self.server.manner = self.server.after[1]
            return {"data": answer(asked.get("variables") or {}) if answer else {}}
        if found := re.fullmatch(r"/files/[^/]+/[^/]+/([^/]+)/file_stream", self.path):
            return self.server.stream(found[1], json.loads(body))
        if found := re.fullmatch(r"/storage/run/([^/]+)/(.+)", self.path):
            self.server.runs[found[1]].files[found[2]] = body
        elif found := re.fullmatch(r"/storage/manifest/(\d+)", self.path):
            self.server.artifacts[int(found[1])].manifest = json.loads(body)
        return {}


class Server(StallingServer):
    """What it was sent, and the answers to GraphQL's operations, each under its own name."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.lock = threading.Lock()
        self.released = threading.Event()  # lets go of the requests that a stalling server holds
        self.manner: Manner = "well"
        self.after: tuple[str, Manner] | None = None  # an operation, and from then on this manner
        self.requests = 0
        self.seen = b""  # everything that was sent
        self.operations: list[str] = []
        self.runs: dict[str, Run] = {}
        self.artifacts: list[Artifact] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: object) -> None:
        """A client that went away is none of the test's business."""

    def stream(self, name: str, sent: dict[str, Any]) -> dict[str, Any]:
        run = self.runs.setdefault(name, Run())
        for file, chunk in (sent.get("files") or {}).items():
            lines = [json.loads(line) for line in chunk["content"]] if file.endswith(("json", "jsonl")) else []
            if file == "wandb-history.jsonl":
                run.history[chunk["offset"] :] = lines
            elif file == "wandb-events.jsonl":
                run.events[chunk["offset"] :] = lines
            elif file == "wandb-summary.json":
                run.summary = lines[-1]
        if sent.get("complete"):
            run.exit_codes.append(sent["exitcode"])
        return {}

    def Viewer(self, _: Any) -> Any:
        teams = {"edges": [{"node": {"name": ENTITY}}]}
        return {"viewer": {"id": "1", "entity": ENTITY, "username": ENTITY, "email": "", "flags": "{}", "teams": teams}}

    def ServerFeaturesQuery(self, _: Any) -> Any:
        return {"serverInfo": {"features": []}}

    def UpsertBucket(self, asked: Any) -> Any:
        is_new = asked["name"] not in self.runs
        run = self.runs.setdefault(asked["name"], Run())
        run.about |= {key: value for key, value in asked.items() if value is not None}
        if asked.get("config"):
            run.config = {key: entry["value"] for key, entry in json.loads(asked["config"]).items()}
        if asked.get("summaryMetrics"):
            run.summary = json.loads(asked["summaryMetrics"])
        return {"upsertBucket": {"bucket": self._bucket(asked["name"]), "inserted": is_new}}

    def RunResumeStatus(self, asked: Any) -> Any:
        known = asked["name"] in self.runs
        return {"model": {**_project(), "bucket": self._bucket(asked["name"]) if known else None}}

    def _bucket(self, name: str) -> dict[str, Any]:
        run = self.runs[name]
        counts = {"historyLineCount": len(run.history), "eventsLineCount": len(run.events), "logLineCount": 0}
        tail = {"historyTail": json.dumps([json.dumps(row) for row in run.history[-1:]])}
        tail |= {"eventsTail": json.dumps([json.dumps(row) for row in run.events[-1:]])}
        config = json.dumps({key: {"value": value} for key, value in run.config.items()})
        about = {"displayName": run.about.get("displayName"), "description": None, "notes": None, "sweepName": None}
        about |= {"tags": run.about.get("tags"), "wandbConfig": '{"t": 1}', "summaryMetrics": json.dumps(run.summary)}
        return {"id": name, "name": name, "config": config, "project": _project(), **counts, **tail, **about}

    def CreateRunFiles(self, asked: Any) -> Any:
        files = [
            {"name": name, "uploadUrl": f"{self.url}/storage/run/{asked['run']}/{name}"} for name in asked["files"]
        ]
        return {"createRunFiles": {"runID": asked["run"], "uploadHeaders": [], "files": files}}

    def FetchArtifactDigestAlgorithm(self, _: Any) -> Any:
        return {"project": None}

    def CreateArtifact(self, asked: Any) -> Any:
        given = asked["input"]
        name, digest = given["artifactCollectionName"], given["digest"]
        numbers = [k for k, each in enumerate(self.artifacts) if (each.name, each.digest) == (name, digest)]
        if not numbers:
            metadata = json.loads(given.get("metadata") or "{}")
            self.artifacts.append(Artifact(given["artifactTypeName"], name, digest, metadata))
            numbers = [len(self.artifacts) - 1]
        number = numbers[0]
        if given["runName"] is not None:  # it is not said of an artifact that a run only reads
            self.artifacts[number].made_by.add(given["runName"])
        state = "COMMITTED" if self.artifacts[number].committed else "PENDING"
        made = {"id": str(number), "state": state, "artifactSequence": {"latestArtifact": None}}
        return {"createArtifact": {"artifact": made}}

    def CreateArtifactManifest(self, asked: Any) -> Any:
        url = f"{self.url}/storage/manifest/{asked['artifactID']}"
        file = {"id": asked["artifactID"], "uploadUrl": url, "uploadHeaders": []}
        return {"createArtifactManifest": {"artifactManifest": {"id": asked["artifactID"], "file": file}}}

    def CommitArtifact(self, asked: Any) -> Any:
        artifact = self.artifacts[int(asked["artifactID"])]
        artifact.committed = True
        return {"commitArtifact": {"artifact": {"id": asked["artifactID"], "digest": artifact.digest}}}

    def UseArtifact(self, asked: Any) -> Any:
        given = asked["input"]
        self.artifacts[int(given["artifactID"])].used_by.add(given["runName"])
        return {"useArtifact": {"artifact": {"id": given["artifactID"]}}}


def _project() -> dict[str, Any]:
    return {"id": "1", "name": "ratchet", "entity": {"id": "1", "name": ENTITY}}


def serving() -> AbstractContextManager[Server]:
    """A server that runs while the block does."""
    return served(Server())
