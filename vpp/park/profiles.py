"""The `[[profile]]` entries of a park: which series feeds which resource or load."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from vpp.errors import Fault
from vpp.park.folder import Folder
from vpp.park.model import CsvProfile
from vpp.park.series import Seen, import_series, span
from vpp.park.series_entry import SeriesEntry
from vpp.park.settings import FILE, Settings
from vpp.park.tables import quoted


def read_profiles(
    root: Path, folder: Folder, settings: Settings, faults: list[Fault]
) -> dict[str, CsvProfile]:
    """Return the imported series by resource or load id; faults of entries and files are added."""
    ratings = {
        row.value.id: row.value.p_max_mw for row in folder.resources if row.value.kind in ("wind", "pv")
    }
    ratings |= {row.value.id: row.value.p_peak_mw for row in folder.loads}
    profiles: dict[str, CsvProfile] = {}
    seen = Seen()
    for i, entry in enumerate(settings.profiles):
        field = f"profile[{i + 1}].resource"
        if entry.resource not in ratings:
            wrong = f"unknown resource {quoted(entry.resource)}"
            faults.append(
                Fault(file=FILE, field=field, wrong=wrong, expected="a wind, pv or load of the park")
            )
        elif entry.resource in profiles:
            wrong = f"a second series for {quoted(entry.resource)}"
            faults.append(Fault(file=FILE, field=field, wrong=wrong, expected="one"))
        else:
            rating = ratings[entry.resource]
            profile = import_series(root / entry.file, _with_rating(entry, rating), faults, seen)
            if profile is not None:
                faults.extend(_fit_faults(profile, rating, settings))
                profiles[entry.resource] = profile
    return profiles


def _with_rating(entry: SeriesEntry, rating_mw: float) -> SeriesEntry:
    """Return the entry judged by the rating of what it feeds, where it states none of its own."""
    if entry.rated_mw is None and entry.scale_to_mw is None and rating_mw > 0:
        return replace(entry, rated_mw=rating_mw)
    return entry


def _fit_faults(profile: CsvProfile, rating_mw: float, settings: Settings) -> Iterator[Fault]:
    top = float(profile.p_mw.max())
    if top > 1.2 * rating_mw:
        wrong = f"values up to {top:g} MW feed {quoted(profile.resource)} of {rating_mw:g} MW"
        yield Fault(file=profile.file, wrong=wrong, expected="scale_to_mw with the rating of what it feeds")
    horizon = settings.horizon
    if len(profile.p_mw) * profile.step_s < horizon.day_ahead_steps * horizon.step_min * 60:
        expected = f"the planned window of {horizon.day_ahead_steps} steps of {horizon.step_min} min or more"
        yield Fault(file=profile.file, wrong=f"it covers only {span(profile)}", expected=expected)
