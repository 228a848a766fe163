"""Jars are fetched whole, once, or not at all; what is missing is named."""

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.broker.errors import KafkaUnavailableError
from tests.broker.jars import default_version, jars

# Stands in for Maven: notes that it ran and puts two jars where it is told to, or breaks off after the first.
MAVEN = """#!/bin/sh
echo ran >> "{runs}"
for word in "$@"; do case "$word" in -DoutputDirectory=*) out=${{word#*=}};; esac; done
touch "$out/kafka-clients-9.8.7.jar"
{then}
touch "$out/kafka_2.13-9.8.7.jar"
"""


def maven(folder, then=":"):
    file = folder / "mvn"
    file.write_text(MAVEN.format(runs=folder / "runs", then=then))
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return str(file)


def test_of_several_one_fetches(tmp_path):
    """Many who ask at once get one and the same folder, fetched once."""
    command = maven(tmp_path)
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: jars("9.8.7", cache=tmp_path / "cache", maven=command), range(8)))
    assert found == {tmp_path / "cache" / "9.8.7" / "jars"}
    assert sorted(jar.name for jar in found.pop().iterdir()) == ["kafka-clients-9.8.7.jar", "kafka_2.13-9.8.7.jar"]
    assert (tmp_path / "runs").read_text() == "ran\n"


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ("echo '[ERROR] no such artifact -> [Help 1]'; exit 1", "Maven could not fetch Kafka 9.8.7: no such artifact$"),
        ("exit 0", "Maven fetched no broker of Kafka 9.8.7"),
    ],
    ids=["maven fails", "maven leaves something out"],
)
def test_a_fetch_that_breaks_off_leaves_nothing(tmp_path, then, said):
    """After a failure there are no jars, the reason is told, and the next attempt starts afresh."""
    cache = tmp_path / "cache"
    with pytest.raises(KafkaUnavailableError, match=said):
        jars("9.8.7", cache=cache, maven=maven(tmp_path, then))
    assert [file.name for file in cache.rglob("*")] == ["fetch.lock"]
    assert jars("9.8.7", cache=cache, maven=maven(tmp_path)).is_dir()


def test_missing_maven_is_named(tmp_path):
    """Without Maven the message says what to install."""
    with pytest.raises(KafkaUnavailableError, match="'no-such-maven' was not found; install maven"):
        jars("9.8.7", cache=tmp_path, maven="no-such-maven")


@pytest.mark.parametrize("version", ["", "4", "4.1", "latest", "../4.1.0", "4.1.0\n"])
def test_a_version_that_is_none_is_refused(tmp_path, version):
    """A version becomes a folder's name, so nothing but three numbers will do."""
    with pytest.raises(KafkaUnavailableError, match=r"expected a Kafka version such as \d+\.\d+\.\d+"):
        jars(version, cache=tmp_path)


def test_the_pom_names_a_version():
    """The version that tests use by default is a release."""
    assert default_version().count(".") == 2
