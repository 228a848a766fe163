"""The API page: every endpoint with what it does and a command to try it. Drawn from OpenAPI, needs no internet."""

from typing import Any

from fastapi import FastAPI

from pipeline.readmodel.read_model import ReadModel
from pipeline.web.parts.elements import Tag, table_head
from pipeline.web.parts.layout import frame, head


def api_page(model: ReadModel, app: FastAPI, base: str) -> None:
    """Build ``/api``.

    Args:
        model: For the frame.
        app: Whose OpenAPI document is shown.
        base: Address of this server, for the commands.
    """
    with frame(model, title="API", page="api"):
        head("API", "Everything on these pages as JSON")
        with Tag("p", classes="sg-small"):
            Tag("span", "Machine-readable: ", "sg-muted")
            Tag("a", "/api/openapi.json", attributes={"href": "/api/openapi.json"})
        for path, methods in app.openapi()["paths"].items():
            for method, operation in methods.items():
                _endpoint(path, method, operation, base)


def _endpoint(path: str, method: str, operation: dict[str, Any], base: str) -> None:
    with Tag("section", classes="sg-section"):
        Tag("h2", f"{method.upper()} {path}")
        with Tag("div", classes="sg-card"):
            with Tag("div", classes="sg-bar"):
                Tag("p", _plain(operation.get("description", "")), "sg-grow")
                Tag("code", f"curl '{base.rstrip('/')}{path}'", "sg-cmd")
            parameters = operation.get("parameters", [])
            if parameters:
                with Tag("div", classes="sg-scroll"), Tag("table", classes="sg-table"):
                    table_head(
                        [("Parameter", ""), ("In", ""), ("Default", ""), ("Meaning", "")], f"Parameters of {path}"
                    )
                    with Tag("tbody"):
                        for parameter in parameters:
                            _parameter(parameter)


def _parameter(parameter: dict[str, Any]) -> None:
    with Tag("tr"):
        Tag("td", parameter["name"], "strong")
        Tag("td", parameter["in"])
        default = parameter.get("schema", {}).get("default")
        Tag("td", "required" if parameter.get("required") else "" if default in (None, "", []) else str(default))
        Tag("td", _plain(parameter.get("description", "")), "wrap")


def _plain(markdown: str) -> str:
    return markdown.replace("`", "")
