"""`vpp report` as a shell sees it; the report itself is tested beside it in the room of reports."""

from vpp.service import cli


def test_a_run_that_is_not_there_is_said_to_be_missing(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.run(["report", "nowhere"]) == 3
    assert cli.run(["report", "--state", str(tmp_path / "none")]) == 3
    assert cli.run(["report", "small10", "--state", str(tmp_path)]) == 2
    assert cli.run(["report", "--date", "tomorrow"]) == 2


def test_a_journal_without_its_settings_is_refused_in_words(tmp_path, capsys):
    (tmp_path / "journal").mkdir()
    assert cli.run(["report", "--state", str(tmp_path)]) == 3
    assert "the settings of a run" in capsys.readouterr().err
