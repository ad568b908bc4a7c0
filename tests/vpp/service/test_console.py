import hashlib
import inspect
import re
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files

import pytest

from controllers.acting import capability, pooling, reach, surroundings
from vpp.devices import DEVICE_TYPES
from vpp.service.console.page import load_assets, render_locked, render_page
from vpp.service.console.view import live_view, sheddable_mw
from vpp.service.console.words import WORDS, choose_language
from vpp.types import Following, Mode, NoticeClass, ParkMode, PlanLabel, Quality, Severity, Source

CONSOLE = files("vpp.service.console")
OUTSIDE = re.compile(r"""(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}|@import|\bimportScripts\b""", re.IGNORECASE)


@pytest.fixture(scope="module")
def shown(small10, make_snapshot):
    return live_view(small10, make_snapshot(small10, silent=("CAES1",), alarms=2), None, ())


@pytest.fixture(scope="module", params=["en", "zh"])
def page(request, small10):
    return render_page(small10, request.param, True)


def test_both_languages_have_every_word():
    assert WORDS["en"].keys() == WORDS["zh"].keys()
    assert all(text for words in WORDS.values() for text in words.values())


@pytest.mark.parametrize(
    ("group", "codes"),
    [
        ("plan_label", PlanLabel),
        ("q", Quality),
        ("sev", Severity),
        ("by", Source),
        ("mode", Mode),
        ("park", ParkMode),
        ("following", Following),
        ("kind", DEVICE_TYPES),
    ],
)
def test_every_code_of_control_has_a_word(group, codes):
    assert {f"{group}.{code}" for code in codes} <= WORDS["en"].keys()


def test_every_limit_of_a_capability_has_a_word():
    """The codes stand in quotes in the rooms that make them; rows are named by what they limit."""
    source = "".join(inspect.getsource(module) for module in (reach, capability, pooling, surroundings))
    listed = re.search(r"What keeps it from being more: (.*?)\"\"\"", source, re.DOTALL)
    codes = set(re.findall(r"\w+", listed[1].replace(":..", ""))) - {"mode", "status"}
    codes |= set(surroundings.STATUS_STOPS.values()) | {"members", "manual", "advisory"}
    assert len(codes) > 25
    assert {f"limit.{code}" for code in codes} <= WORDS["en"].keys()
    returned = set(re.findall(r'nothing\("(\w+)"|return \w+, "(\w+)"|limit="(\w+)"', source))
    assert {next(filter(None, found)) for found in returned} <= codes


def test_every_word_that_a_script_asks_for_exists():
    scripts = "".join(a.content.decode() for n, a in load_assets().items() if n.endswith(".mjs"))
    asked = set(re.findall(r"words\.(\w+)", scripts))
    groups = set(re.findall(r'word\("(\w+)"', scripts))
    assert len(asked) > 10
    assert asked <= WORDS["en"].keys()
    assert all(any(key.startswith(f"{group}.") for key in WORDS["en"]) for group in groups)


def test_every_place_that_a_script_writes_to_is_on_the_page(page):
    scripts = "".join(a.content.decode() for n, a in load_assets().items() if n.endswith(".mjs"))
    asked = set(re.findall(r'(?:\bat|put|getElementById)\("([\w-]+)"', scripts))
    assert len(asked) > 20
    assert asked <= set(re.findall(r'\bid="([\w-]+)"', page))


def test_nothing_that_is_served_points_outside(page):
    served = {name: asset.content.decode() for name, asset in load_assets().items()}
    served |= {"page": page, "locked": render_locked("zh")}
    assert {"page.mjs", "page.css", "uPlot.iife.min.js", "uPlot.min.css"} <= served.keys()
    for name, text in served.items():
        found = set(OUTSIDE.findall(text.replace("http://www.w3.org/2000/svg", "")))
        assert found <= {"https://github.com"}, name  # the licence line of uPlot
    assert not re.search(r"(?:fetch|EventSource|src|href)\s*[(=]\s*[\"']https?:", "".join(served.values()))


def test_the_page_has_no_inline_script_or_style(page):
    for attributes in re.findall(r"<script([^>]*)>", page):
        assert "src=" in attributes or "application/json" in attributes
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page)


def test_files_from_others_are_what_the_manifest_says():
    lines = CONSOLE.joinpath("vendor/MANIFEST.sha256").read_text().splitlines()
    entries = [line.split() for line in lines if not line.startswith("#")]
    assert len(entries) == 3
    for digest, name in entries:
        assert hashlib.sha256(CONSOLE.joinpath("vendor", name).read_bytes()).hexdigest() == digest


def test_a_park_name_cannot_become_markup(small10):
    site = replace(small10.site, name="<script>alert(1)</script>")
    assert "<script>alert" not in render_page(replace(small10, site=site), "en", False)


@pytest.mark.parametrize(
    ("asked", "cookie", "accept", "language"),
    [
        (None, None, "", "en"),
        (None, None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, None, "fr, en-GB", "en"),
        (None, "zh", "en", "zh"),
        ("en", "zh", "zh", "en"),
        ("<x>", "nonsense", "de", "en"),
    ],
)
def test_the_language_is_asked_for_remembered_or_the_browsers(asked, cookie, accept, language):
    assert choose_language(asked, cookie, accept) == language


def numbers(value):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from ((key, n) if k is None else (k, n) for k, n in numbers(item))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, float):
        yield None, value


def test_powers_are_magnitudes_with_a_word_for_their_direction(small10, make_snapshot):
    snapshot = make_snapshot(small10)
    drawing = {
        name: replace(reading, values={**reading.values, "p_mw": -8.0})
        for name, reading in snapshot.readings.items()
    }
    view = live_view(small10, replace(snapshot, readings=drawing), None, ())
    store = next(s for s in view["storage"] if s["id"] == "BESS1")
    assert (store["mw"], store["direction"]) == (8.0, "charging")
    assert view["tie"]["direction"] == "exporting"
    assert all(n >= 0 for key, n in numbers(view) if key == "mw")


@pytest.mark.parametrize(("name", "full_mwh"), [("CAES1", 509.6), ("BESS1", 80.0)])
def test_a_store_is_shown_against_what_it_holds_when_full(small10, make_snapshot, name, full_mwh):
    snapshot = make_snapshot(small10)
    half = replace(snapshot.readings[name], values={"p_mw": 0.0, "e_mwh": full_mwh / 2})
    view = live_view(small10, replace(snapshot, readings={**snapshot.readings, name: half}), None, ())
    store = next(s for s in view["storage"] if s["id"] == name)
    assert (store["full"], store["percent"]) == (full_mwh, 50.0)


def test_a_store_that_draws_its_own_use_alone_is_idle(small10, make_snapshot):
    snapshot = make_snapshot(small10)
    rest_mw = -small10.devices["CAES1"].params.standby_aux_mw
    resting = replace(snapshot.readings["CAES1"], values={"p_mw": rest_mw})
    view = live_view(small10, replace(snapshot, readings={**snapshot.readings, "CAES1": resting}), None, ())
    device = next(d for d in view["devices"] if d["id"] == "CAES1")
    assert (device["mw"], device["direction"]) == (-rest_mw, "idle")


def test_a_silent_device_is_shown_as_not_known(shown):
    device = next(d for d in shown["devices"] if d["id"] == "CAES1")
    assert (device["mw"], device["quality"], device["age_s"]) == (None, "bad", None)
    assert shown["balance"]["storage"]["quality"] == "bad"


def test_times_are_plant_time_with_its_zone(shown):
    assert shown["at"] == "2026-03-17T15:23:00+08:00"
    assert shown["zone"] == "Asia/Shanghai"
    assert shown["replan_s"] == 450


def test_sheddable_megawatts_count_closed_blocks_alone(small10, make_snapshot):
    load = replace(next(iter(small10.loads.values())), blocks=4, interruptible_share=0.6)
    snapshot = make_snapshot(small10)
    assert load.notice_class is NoticeClass.SECONDS
    # 12.5 MW are left with two of four blocks open: demand is 12.5 / (1 - 0.3), half of 0.6 of it is left
    assert sheddable_mw(snapshot, load) == pytest.approx(12.5 / 0.7 * 0.3)
    closed = replace(snapshot, open_blocks={})
    assert sheddable_mw(closed, load) == pytest.approx(12.5 * 0.6)
    assert sheddable_mw(closed, replace(load, notice_class=NoticeClass.MINUTES)) == 0


def test_the_next_replan_never_counts_below_zero(small10, make_snapshot):
    snapshot = make_snapshot(small10)
    late = replace(snapshot, next_replan_at=snapshot.at - timedelta(seconds=5))
    assert live_view(small10, late, None, ())["replan_s"] == 0
