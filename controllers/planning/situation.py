"""From a state, a forecast and orders to everything a plan depends on."""

from collections.abc import Sequence
from datetime import timedelta

from controllers.planning.slots import Axis, Situation, Window, orders_on, window
from vpp.errors import Fault, InvalidInput
from vpp.park import price_cny_per_mwh
from vpp.park.model import Park
from vpp.types import Array, DispatchOrder, Forecast, Pin, Plan, PlantState


def situation(
    park: Park,
    own: Axis,
    *,
    first: int,
    steps: int,
    state: PlantState,
    forecast: Forecast,
    previous: Plan | None = None,
    orders: Sequence[DispatchOrder] = (),
    pins: Sequence[Pin] = (),
) -> Situation:
    """Return the situation of a plan of `steps` steps whose first lies at slot `first`.

    InvalidInput where the forecast's steps have another length or do not cover the window.
    """
    at = window(own, first, steps, state.at, park.site.zone)
    starts = [at.slot_start(slot) for slot in range(at.first, at.end)]
    after = [at.slot_start(at.end) + timedelta(hours=h) for h in range(24)]
    tie = park.contracts.tie
    export = 0.0 if park.contracts.curtailment.export_forbidden else tie.export_max_mw
    return Situation(
        park=park,
        window=at,
        state=state,
        available_mw={k: _part(v, forecast, at) for k, v in forecast.available_mw.items()},
        load_mw={k: _part(v, forecast, at) for k, v in forecast.load_mw.items()},
        price_cny_per_mwh=at.spread(price_cny_per_mwh(park, starts)),
        next_day_price_cny_per_mwh=price_cny_per_mwh(park, after),
        import_max_mw=at.spread(orders_on(starts, own.step_min, orders, tie.import_max_mw, "import_max_mw")),
        export_max_mw=at.spread(orders_on(starts, own.step_min, orders, export, "export_max_mw")),
        previous=previous,
        pins=tuple(pins),
    )


def _part(series: Array, forecast: Forecast, at: Window) -> Array:
    offset = (at.start - forecast.start).total_seconds() / 60 / forecast.step_min
    k, steps = round(offset), at.end - at.first
    whole = abs(offset - k) < 1e-9 and forecast.step_min == at.axis.step_min
    if not whole or k < 0 or k + steps > len(series):
        raise InvalidInput(
            (
                Fault(
                    file="forecast",
                    field="start",
                    wrong=f"{len(series)} steps of {forecast.step_min} min from {forecast.start.isoformat()}",
                    expected=f"{steps} steps of {at.axis.step_min} min from {at.start.isoformat()}",
                ),
            )
        )
    return at.spread(series[k : k + steps])
