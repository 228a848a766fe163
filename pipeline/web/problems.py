"""Errors as answers: problem details under ``/api``, a page of ours elsewhere."""

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from nicegui import Client
from nicegui import app as nicegui_app
from nicegui.page import page
from starlette.exceptions import HTTPException

from pipeline.errors import UsageError
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.api.schemas import Problem
from pipeline.web.parts.layout import not_found

_TITLES = {
    401: "Not logged in",
    403: "Not allowed",
    429: "Too many tries",
    404: "Not found",
    405: "Method not allowed",
    422: "Wrong parameter",
}


def add_handlers(app: FastAPI, model: ReadModel) -> None:
    """Answer for what does not exist, for wrong parameters, and for paths that neither pages nor endpoints serve."""

    async def on_http(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        detail = str(error.detail) if isinstance(error, HTTPException) else "internal error"
        if _wants_json(request):
            if detail == "Not Found":
                detail = f"there is no endpoint {request.url.path}; see /api/openapi.json for those there are"
            return problem(status, detail)
        if status == 404:
            return missing_page(model, request)
        return Response(detail, status_code=status, media_type="text/plain")

    async def on_usage(_: Request, error: Exception) -> Response:
        return problem(422, str(error))

    async def on_validation(_: Request, error: Exception) -> Response:
        wrong = error.errors() if isinstance(error, RequestValidationError) else []
        sentences = [_sentence(each) for each in wrong]
        return problem(422, "; ".join(sentences), sentences)

    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(UsageError, on_usage)
    app.add_exception_handler(RequestValidationError, on_validation)
    # NiceGUI's own application stands behind ours and gets what no route of ours matches.
    nicegui_app.add_exception_handler(404, on_http)


def problem(status: int, detail: str, errors: list[str] | None = None) -> JSONResponse:
    """Problem details, after RFC 9457."""
    body = Problem(title=_TITLES.get(status, "Error"), status=status, detail=detail, errors=errors or [])
    return JSONResponse(body.model_dump(), status_code=status, media_type="application/problem+json")


def missing_page(model: ReadModel, request: Request) -> Response:
    """The page for a path that does not exist, with status 404."""
    with Client(page(""), request=request) as client:
        not_found(model, f"There is no page {request.url.path}.")
    return client.build_response(request, 404)


def _wants_json(request: Request) -> bool:
    return request.url.path == "/api" or request.url.path.startswith(("/api/", "/_nicegui/", "/static/"))


def _sentence(error: dict[str, object]) -> str:
    place = error.get("loc")
    names = [part for part in place if isinstance(part, str)] if isinstance(place, tuple) else []
    name = names[-1] if names else "request"
    return f"{name}: {str(error.get('msg')).removesuffix('.').lower()}, got {error.get('input')!r}"
