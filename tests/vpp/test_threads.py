"""Linear algebra takes one thread in every process of the product."""

import os

from vpp import threads
from vpp.service import cli


def test_a_command_and_its_children_compute_on_one_thread(monkeypatch):
    for name in threads.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert cli.run(["--help"]) == 0
    assert {name: os.environ[name] for name in threads.VARIABLES} == dict.fromkeys(threads.VARIABLES, "1")


def test_a_setting_of_the_user_stays(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "4")
    threads.one_each()
    assert os.environ["OPENBLAS_NUM_THREADS"] == "4"
