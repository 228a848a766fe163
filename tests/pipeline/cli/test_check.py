"""A wrong configuration: every mistake with its place, the same from every command."""

import orjson


def test_check_tells_every_mistake(shell):
    """A wrong file gives every mistake with its place and code 2, to programs as one object; a right one is ok."""
    assert shell.ok("check")[0] | {"file": "", "log": ""} == {
        "file": "",
        "ok": True,
        "app": "shop",
        "log": "",
        "streams": 2,
        "tables": 1,
        "rules": 2,
        "detectors": 0,
        "scores": 0,
        "flows": 0,
        "lists": 0,
        "problems": [],
    }
    text = shell.config.read_text()
    shell.config.write_text(text.replace("spent >= 1000", "spnt >= 1000").replace('"low"', '"lo"'))
    result = shell.run("check")
    told = orjson.loads(result.stdout)
    assert (result.exit_code, told["ok"], len(told["problems"])) == (2, False, 2)
    assert all(f"{shell.config}:" in problem for problem in told["problems"])
    people = shell.run("check", "--format", "table")
    assert (people.exit_code, people.stderr.count("\n")) == (2, 2)


def test_other_commands_refuse_a_wrong_configuration_alike(shell):
    """A worker does not start on a wrong file: the same sentences, the same code."""
    shell.config.write_text(shell.config.read_text().replace("spent >= 1000", "spnt >= 1000"))
    wrong = [shell.run(*words) for words in (["worker", "--until-idle"], ["topics"], ["check", "--format", "table"])]
    assert {result.exit_code for result in wrong} == {2}
    assert len({result.stderr for result in wrong}) == 1
