"""What people change through the API: commands and labels in the log."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import httpx
import orjson
import pytest

from agents.events import Outgoing, Records
from pipeline.config import load_config
from pipeline.incidents.events import Acknowledge, Resolve, Snooze, Unsnooze, decode_event
from pipeline.incidents.model import Snoozed
from pipeline.log import follow
from pipeline.log.api import TopicSpec
from pipeline.log.opening import open_log
from pipeline.readmodel.read_model import ReadModel
from pipeline.web.app import build_api_app
from tests.pipeline.web.answers import MemoryAnswers, alert, incident

NOW_MS = 1_700_000_000_000
NAME = "4f0c12a59b7a4e0f8d6c3b2a19087f6e"
EXAMPLES = Path(__file__).parents[3] / "examples"
SHOP = """
[app]
name = "shop"

[streams.orders]
key = "account"
time = "ts"
fields = { account = "str", ts = "int" }

[incidents]
"""


class Web:
    """The API over a log and a store in memory."""

    def __init__(self, config, log, answers, client):
        self.config = config
        self.log = log
        self.answers = answers
        self._client = client

    async def ask(self, method, path, body=None, *, status=202, key=None, **headers):
        if key is not None:
            headers["idempotency-key"] = key
        answer = await self._client.request(method, f"/api{path}", json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def written(self, topic):
        """Keys and values of a topic."""
        if topic not in await self.log.topics():
            return []
        chunks = [chunk async for chunk in follow(self.log, topic, start="start", until_end=True)]
        return [pair for chunk in chunks for pair in zip(chunk.keys, chunk.values, strict=True)]

    async def commands(self):
        return [decode_event(value) for _, value in await self.written(f"{self.config.name}-alert-commands")]


@pytest.fixture
def on_web(tmp_path):
    """Runs ``work(web)`` over an application given as TOML or as a configuration."""

    def run(work, config=SHOP):
        async def opened():
            if isinstance(config, str):
                file = tmp_path / "shop.toml"
                file.write_text(config)
                loaded = load_config(file)
            else:
                loaded = config
            web = replace(loaded.web, users=str(tmp_path / "access.db"))
            ready = replace(loaded, log=f"local://{tmp_path}/log.db", web=web)
            log = open_log(ready.log)
            model = ReadModel(ready, log, clock_ms=lambda: NOW_MS)
            try:
                answers = MemoryAnswers(model)
                transport = httpx.ASGITransport(build_api_app(model, answers))
                async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                    await work(Web(ready, log, answers, client))
            finally:
                model.close()
                await log.close()

        asyncio.run(opened())

    return run


def test_incidents_are_acknowledged_and_resolved_by_commands(on_web):
    """Each is a command of the topic, for the whole id although the first digits were given, by whoever asked."""

    async def work(web):
        web.answers.known[NAME] = incident(NAME)
        sent = await web.ask("POST", "/incidents/4f0c12/acknowledge", {"note": "calling"}, key="c1")
        assert sent == {"id": "c1", "kind": "acknowledge", "of": NAME}
        other = await web.ask("POST", f"/incidents/{NAME}/resolve")
        assert await web.commands() == [
            Acknowledge(id="c1", incident=NAME, by="local", note="calling"),
            Resolve(id=other["id"], incident=NAME, by="local"),
        ]

    on_web(work)


def test_snoozes_begin_and_end_by_commands(on_web):
    """A snooze lasts until a moment or for a time from now, and its command's id names it."""

    async def work(web):
        sent = await web.ask("POST", "/snoozes", {"key": "a17", "for_ms": 60_000, "reason": "holiday"}, key="s1")
        assert (sent["id"], sent["of"]) == ("s1", "s1")
        await web.ask("POST", "/snoozes", {"key": "b", "until_ms": NOW_MS + 1, "reason": "x"}, key="s2")
        snoozed = Snoozed(id="s1", until_ms=1, reason="x", rule=None, key="a17", by="", since_ms=0)
        web.answers.snoozed = [snoozed]
        assert (await web.ask("DELETE", "/snoozes/s1", key="u1"))["of"] == "s1"
        assert await web.commands() == [
            Snooze(id="s1", key="a17", until_ms=NOW_MS + 60_000, reason="holiday", by="local"),
            Snooze(id="s2", key="b", until_ms=NOW_MS + 1, reason="x", by="local"),
            Unsnooze(id="u1", snooze="s1", by="local"),
        ]

    on_web(work)


def test_a_repeat_changes_nothing_and_is_answered_alike(on_web):
    """The same id for the same change is written once; for another one it is refused."""

    async def work(web):
        web.answers.known[NAME] = incident(NAME)
        web.answers.stored = [alert(1, stream="orders", topic="orders")]
        asks = [
            ("POST", f"/incidents/{NAME}/acknowledge", {"note": "a"}),
            ("POST", "/snoozes", {"key": "k", "for_ms": 1_000, "reason": "r"}),
            ("POST", f"/alerts/{1:032x}/label", {"fraud": True}),
        ]
        for number, (method, path, body) in enumerate(asks):
            first = await web.ask(method, path, body, key=f"k{number}")
            assert await web.ask(method, path, body, key=f"k{number}") == first
        problem = await web.ask("POST", f"/incidents/{NAME}/resolve", key="k0", status=409)
        assert "was given to another change before" in problem["detail"]
        assert len(await web.commands()) == 2
        assert len(await web.written("shop-labels")) == 1

    on_web(work)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "sentence"),
    [
        ("POST", "/incidents/none/acknowledge", None, 404, "there is no incident 'none'"),
        ("POST", "/incidents/over/resolve", None, 409, "incident over is resolved already"),
        ("POST", "/alerts/none/label", {"fraud": True}, 404, "there is no alert 'none'"),
        ("POST", "/alerts/none/label", {"fraud": "yes"}, 422, "fraud: input should be a valid boolean, got 'yes'"),
        ("POST", "/alerts/none/label", None, 422, "body: field required"),
        ("POST", "/snoozes", {"for_ms": 1_000, "reason": "x"}, 422, "a snooze needs rule, key or both"),
        ("POST", "/snoozes", {"key": "k", "reason": "x"}, 422, "a snooze needs either until_ms or for_ms"),
        ("POST", "/snoozes", {"key": "k", "until_ms": 5, "reason": "x"}, 422, "until_ms: 5 is over"),
        ("POST", "/snoozes", {"rule": "no", "for_ms": 1_000, "reason": "x"}, 422, "no rule or detector 'no'"),
        ("POST", "/snoozes", {"key": "k", "for_ms": 1_000, "reason": "x", "by": "me"}, 422, "by: extra inputs"),
        ("DELETE", "/snoozes/none", None, 404, "there is no snooze 'none' in force"),
    ],
)
def test_what_can_not_be_done_is_said(on_web, method, path, body, status, sentence):
    """A problem says what is wrong, and nothing is written."""

    async def work(web):
        web.answers.known["over"] = incident("over", state="resolved")
        problem = await web.ask(method, path, body, status=status)
        assert sentence in problem["detail"]
        assert await web.log.topics() == {}

    on_web(work)


def test_without_incidents_a_command_is_not_possible(on_web):
    """Where alerts don't become incidents, the answer says what to add to the configuration."""

    async def work(web):
        asks = [
            ("POST", "/incidents/x/acknowledge", None),
            ("POST", "/snoozes", {"key": "k", "for_ms": 1_000, "reason": "r"}),
            ("DELETE", "/snoozes/x", None),
        ]
        for method, path, body in asks:
            problem = await web.ask(method, path, body, status=409)
            assert "add [incidents] to the configuration" in problem["detail"]

    on_web(work, SHOP.replace("[incidents]", ""))


def test_a_page_of_another_site_changes_nothing(on_web):
    """What a browser sends for a foreign page is refused."""

    async def work(web):
        web.answers.known[NAME] = incident(NAME)
        path = f"/incidents/{NAME}/resolve"
        problem = await web.ask("POST", path, status=403, origin="http://evil.example")
        assert "does not come from a page of this server" in problem["detail"]
        await web.ask("POST", path, origin="http://localhost")
        assert len(await web.commands()) == 1

    on_web(work)


def test_a_label_is_written_under_the_records_id(on_web):
    """The topic of labels is made when it is needed, and keeps them for good."""

    async def work(web):
        web.answers.stored = [alert(1, stream="orders", topic="orders")]
        answer = await web.ask("POST", f"/alerts/{1:032x}/label", {"fraud": False}, key="l1")
        assert answer == {"id": "l1", "record": "p1", "topics": ["shop-labels"], "note": ""}
        ((key, value),) = await web.written("shop-labels")
        assert key == b"p1"
        assert json.loads(value) == {
            "type": "label",
            "id": "p1",
            "ts": NOW_MS,
            "fraud": False,
            "alert": f"{1:032x}",
            "by": "local",
        }
        spec = (await web.log.topics())["shop-labels"]
        assert (spec.cleanup, spec.retention_ms) == ("delete", None)

    on_web(work)


def test_a_score_learns_from_a_label(on_web):
    """It comes on the payments' own topic, beside the payment and under its key, in the form that the score wants."""
    payment = {"type": "payment", "id": "p1", "ts": 5, "customer": "c7", "terminal": "t3", "amount_cents": 4200}

    async def work(web):
        await web.log.create_topic(TopicSpec(name="payments", partitions=1))
        records = Records(values=[b"{}", orjson.dumps(payment)], keys=[b"x", b"c7"])
        await web.log.append([Outgoing("payments", 0, records)])
        web.answers.stored = [alert(1)]
        answer = await web.ask("POST", f"/alerts/{1:032x}/label", {"fraud": True})
        assert answer["topics"] == ["fraud-labels", "payments"]
        key, value = (await web.written("payments"))[-1]
        assert key == b"c7"
        assert json.loads(value) == {"type": "label", "id": "p1", "ts": NOW_MS, "fraud": True}

    on_web(work, load_config(EXAMPLES / "fraud.toml"))


def test_a_payment_that_is_gone_is_labelled_all_the_same(on_web):
    """Without the payment's record its key is not known: the label is kept, and the answer says what it lacks."""

    async def work(web):
        web.answers.stored = [alert(1)]
        answer = await web.ask("POST", f"/alerts/{1:032x}/label", {"fraud": True})
        assert answer["topics"] == ["fraud-labels"]
        assert answer["note"] == "the record is gone from payments, so no score can learn from the label"

    on_web(work, load_config(EXAMPLES / "fraud.toml"))
