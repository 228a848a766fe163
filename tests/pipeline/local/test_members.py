"""Names that tell whether their process lives."""

import socket
import subprocess
import sys

import psutil

from pipeline.local.members import is_dead, member_name


def test_names_of_one_process_differ():
    """Two workers of one process are two members."""
    assert member_name("a") != member_name("a")


def test_a_living_process_is_not_dead():
    """Neither is a paused one, whatever its name contains."""
    assert not is_dead(member_name("odd@name:with:marks"))


def test_an_ended_process_is_dead():
    """Its number names nobody any more."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        started = int(psutil.Process(child.pid).create_time())
        member = f"w@{socket.gethostname()}:{child.pid}:{started}:00"
        assert not is_dead(member)
        child.communicate(b"\n")
    assert is_dead(member)


def test_nothing_is_known_of_others():
    """Names from other machines or other programs are left alone."""
    assert not any(map(is_dead, ["w@elsewhere.invalid:1:0:00", "someone", "", f"w@{socket.gethostname()}:x:y"]))
