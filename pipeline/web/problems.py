"""Errors as answers: problem details under ``/api``, a page of ours elsewhere."""

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from nicegui import Client
from nicegui import app as nicegui_app
from nicegui.page import page
from starlette.exceptions import HTTPException

from pipeline.errors import LogError, UsageError
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.changes import NothingSuchError, NotNowError
from pipeline.web.parts.layout import not_found
from pipeline.web.schemas.common import Problem

PROBLEM: Final = "application/problem+json"
_TITLES: Final = {
    400: "Bad request",
    401: "Not logged in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    409: "Not possible now",
    422: "Wrong parameter",
    429: "Too many tries",
    503: "The log or the store does not answer",
}


def described(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Problems of these statuses as OpenAPI describes them, for ``responses`` of an endpoint."""
    schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
    return {
        status: {"description": _TITLES[status], "model": Problem, "content": {PROBLEM: {"schema": schema}}}
        for status in statuses
    }


def add_handlers(app: FastAPI, model: ReadModel) -> None:
    """Answer for what does not exist, for wrong parameters, and for paths that neither pages nor endpoints serve."""

    async def on_http(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        detail = str(error.detail) if isinstance(error, HTTPException) else "internal error"
        if _wants_json(request):
            if detail == "Not Found":
                detail = f"there is no endpoint {request.url.path}; see /api/openapi.json for those there are"
            return problem(status, detail, headers=getattr(error, "headers", None))
        if status == 404:
            return missing_page(model, request)
        return Response(detail, status_code=status, media_type="text/plain")

    async def on_usage(_: Request, error: Exception) -> Response:
        status = 404 if isinstance(error, NothingSuchError) else 409 if isinstance(error, NotNowError) else 422
        return problem(status, str(error))

    async def on_log(_: Request, error: Exception) -> Response:
        return problem(503, str(error))

    async def on_validation(_: Request, error: Exception) -> Response:
        wrong = error.errors() if isinstance(error, RequestValidationError) else []
        sentences = [sentence(each) for each in wrong]
        return problem(422, "; ".join(sentences), sentences)

    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(UsageError, on_usage)
    app.add_exception_handler(LogError, on_log)
    app.add_exception_handler(RequestValidationError, on_validation)
    # NiceGUI's own application stands behind ours and gets what no route of ours matches.
    nicegui_app.add_exception_handler(404, on_http)


def problem(
    status: int, detail: str, errors: list[str] | None = None, *, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Problem details, after RFC 9457."""
    body = Problem(title=_TITLES.get(status, "Error"), status=status, detail=detail, errors=errors or [])
    return JSONResponse(body.model_dump(), status_code=status, media_type=PROBLEM, headers=headers)


def missing_page(model: ReadModel, request: Request) -> Response:
    """The page for a path that does not exist, with status 404."""
    with Client(page(""), request=request) as client:
        not_found(model, f"There is no page {request.url.path}.")
    return client.build_response(request, 404)


def _wants_json(request: Request) -> bool:
    return request.url.path == "/api" or request.url.path.startswith(("/api/", "/_nicegui/", "/static/"))


def sentence(error: Mapping[str, object]) -> str:
    """A mistake that pydantic found, in words."""
    place = error.get("loc")
    names = [part for part in place if isinstance(part, str)] if isinstance(place, tuple) else []
    name = names[-1] if names else "request"
    return f"{name}: {str(error.get('msg')).removesuffix('.').lower()}, got {error.get('input')!r}"
