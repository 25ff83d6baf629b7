"""An exported model behind HTTP: POST /predict, GET /health, an OpenAPI description with an example of the data."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from ratchet.deployment.exported import ExportedModel
from ratchet.deployment.keeping import REFUSED, Keeper
from ratchet.errors import DataError

if TYPE_CHECKING:
    from fastapi import FastAPI

MOST_ROWS = 10_000  # of a request
MOST_BYTES = 2**24  # of a request's body
SENT_WITHIN = 30  # seconds between two pieces of a body

_Message = MutableMapping[str, Any]
_Number = Annotated[float, Field(allow_inf_nan=False)] | None
_KINDS: dict[str, Any] = {"number": _Number, "date": str | None, "category": bool | int | float | str | None}


def application(model: ExportedModel, keeper: Keeper | None = None) -> "FastAPI":
    """The FastAPI application. What is wrong with a request is a 4xx that names the field, and the service goes on.

    keeper: what keeps requests and their answers.
    """
    from fastapi import FastAPI, Request, Response
    from fastapi.exceptions import RequestValidationError

    rows_type = row_type(model)
    body_type = create_model(
        "Rows", __config__=ConfigDict(extra="forbid"),
        rows=(Annotated[list[rows_type], Field(min_length=1, max_length=MOST_ROWS)], ...),  # type: ignore[valid-type]
    )  # fmt: skip
    name, version = model.manifest["data"]["name"], model.manifest["checkpoint"]["sha256"][:12]
    app = FastAPI(title=name, version=version, docs_url=None, redoc_url=None)  # their pages load scripts from elsewhere
    app.add_middleware(BodyLimit, limit=MOST_BYTES)

    def refusal(where: list[Any], said: str) -> dict[str, Any]:
        return {"loc": where, "msg": said}

    def answer(content: Any, status: int = 200) -> Response:  # ASCII: a lone surrogate cannot be encoded otherwise
        return Response(json.dumps(content), status_code=status, media_type="application/json")

    def refused(*detail: dict[str, Any]) -> Response:
        if keeper is not None:
            keeper.count(REFUSED)
        return answer({"detail": detail}, 422)

    def invalid(_: Request, error: RequestValidationError) -> Response:
        return refused(*(refusal(list(each["loc"]), each["msg"]) for each in error.errors()))

    def too_deep(_: Request, __: Exception) -> Response:
        return refused(refusal(["body"], "it is nested too deeply"))

    def predict(body: body_type) -> Response:
        rows = [row.model_dump(by_alias=True) if isinstance(row, BaseModel) else row for row in body.rows]  # type: ignore[attr-defined]
        began = time.perf_counter()
        try:
            answers = model.answers(rows)
            if keeper is not None:
                keeper.keep(rows, answers, milliseconds=1000 * (time.perf_counter() - began))
            return answer({"predictions": answers})
        except DataError as error:
            return refused(refusal(["body", "rows"], str(error)))

    def health() -> Mapping[str, Any]:
        return {"status": "ok", **{name: model.manifest[name] for name in ("run", "data", "checkpoint")}}

    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(RecursionError, too_deep)
    app.add_api_route("/predict", predict, methods=["POST"])
    app.add_api_route("/health", health)
    return app


def row_type(model: ExportedModel) -> Any:
    """What a row of a request is: of a table a field for each column, of arrays nested lists."""
    if model.transform.table is None:
        return list[Any]
    table = model.described["table"]
    rules = model.transform.table.rules
    fields: dict[str, Any] = {
        f"column_{k}": (_KINDS[rule.column.kind], Field(alias=rule.column.name)) for k, rule in enumerate(rules)
    }
    learnt = {rule.column.name for rule in rules}
    beside = {*table["target"], *table["ignore"], table["id"], table["group"], table["split"]} - learnt - {None}
    simple = str | int | float | bool | None
    fields |= {f"beside_{k}": (simple, Field(None, alias=name)) for k, name in enumerate(sorted(beside))}
    example = {rule.column.name: _example(rule) for rule in rules}
    return create_model("Row", __config__=ConfigDict(extra="forbid", json_schema_extra={"example": example}), **fields)


def _example(rule: Any) -> Any:
    if rule.column.kind == "category":
        return rule.column.levels[rule.kept[0]] if rule.kept else None
    if rule.column.kind == "number":
        return rule.gap
    import datetime

    return (datetime.date(1970, 1, 1) + datetime.timedelta(days=int(rule.gap))).isoformat()


class BodyLimit:
    """Answers 413 to a body of more than `limit` bytes, declared or sent, and 408 to one that stands still."""

    def __init__(self, app: Callable[..., Awaitable[None]], limit: int) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: _Message, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        """One request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self.limit:
            await self._refuse(send, 413, self._too_long)
            return
        parts, size, more = [], 0, True
        while more:
            try:
                message = await asyncio.wait_for(receive(), SENT_WITHIN)
            except TimeoutError:
                await self._refuse(send, 408, f"it did not arrive within {SENT_WITHIN} seconds; send it again")
                return
            if message["type"] != "http.request":
                return  # the client is gone
            parts.append(message.get("body", b""))
            size, more = size + len(parts[-1]), message.get("more_body", False)
            if size > self.limit:
                await self._refuse(send, 413, self._too_long)
                return
        whole = iter([{"type": "http.request", "body": b"".join(parts), "more_body": False}])

        async def read() -> Any:
            return next(whole, None) or await receive()

        await self.app(scope, read, send)

    @property
    def _too_long(self) -> str:
        return f"it has more than {self.limit:,} bytes; send fewer rows"

    async def _refuse(self, send: Callable[..., Any], status: int, said: str) -> None:
        content = {"detail": [{"loc": ["body"], "msg": said}]}
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(content).encode()})
