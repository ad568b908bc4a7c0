"""The planner: a ladder of ways to a plan, each labelled, every one certified before release."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from controllers.planning import reversion
from controllers.planning.change import change_of
from controllers.planning.checker import check
from controllers.planning.fallback import rule_plan, shifted_plan
from controllers.planning.optimise import Course, optimised, remember, steps_of
from controllers.planning.outages import affected, free_of, marked
from controllers.planning.pins import declared
from controllers.planning.problem import build
from controllers.planning.reactive import operation_of
from controllers.planning.release import Candidate, Released, plan_id
from controllers.planning.situation import situation
from controllers.planning.slots import Axis, Situation, day_steps, first_step
from controllers.planning.solve import WarmSolver
from controllers.planning.state import initial_state
from forecasts import outlook
from network.powerflow import Oracle
from vpp.clock import monotonic_s
from vpp.errors import NoPlan
from vpp.park.model import Park
from vpp.park.pins import local_midnight
from vpp.types import Certificate, DispatchOrder, Forecast, Pin, Plan, PlantState

SPARE_STEPS = 8
"""Steps beyond a day in the usual model: a plan made in a day's last two hours reaches to the end of
the next day."""


class Planner:
    """Makes plans for one park; keeps compiled models and warm solvers, nothing of the world."""

    def __init__(self, park: Park) -> None:
        self.park = park
        self.oracle = Oracle(park)
        self._courses: dict[int, Course] = {}
        self._serial = 0

    def plan(
        self,
        state: PlantState,
        forecast: Forecast,
        *,
        steps: int,
        deadline_s: float,
        previous: Plan | None = None,
        orders: Sequence[DispatchOrder] = (),
        pins: Sequence[Pin] = (),
    ) -> Released:
        """Return a certified plan of `steps` steps from the step that `state.at` lies in.

        A step that has begun counts with what is left of it. Commitments of `previous` are kept
        unless that is infeasible or needs a relaxation. `deadline_s` are true seconds for the whole;
        rungs below the search take milliseconds and may end just behind it. `pins` hold elements fixed;
        what cannot be held gives way, is declared and makes the plan a relaxed one. Raises NoPlan when no
        rung of the ladder passes the checker, InvalidInput when the forecast does not fit.
        """
        began = monotonic_s()
        start = first_step(state.at, self.park.horizon.step_min)
        course = self.course(start, steps, state, forecast)
        around = affected(self.park, self.oracle, forecast, start, steps)
        passed = (start - course.start) / timedelta(minutes=self.park.horizon.step_min)
        now = situation(
            self.park,
            course.model.frame.axis,
            first=course.model.frame.axis.history + round(passed),
            steps=steps,
            state=state,
            forecast=around.forecast,
            previous=previous,
            orders=orders,
            pins=free_of(pins, around.pins),
        )
        refused = []
        for candidate in self._ladder(course, around.oracle, now, began + deadline_s):
            plan = declared(self.park, candidate.plan, now.pins)
            plan = reversion.carried(self.park, around.oracle, plan, every_step=previous is None)
            certificate = check(self.park, plan, around.forecast, around.oracle)
            certificate = replace(certificate, cut_rounds=candidate.rounds)
            if certificate.ok:
                plan = marked(replace(plan, change=change_of(self.park, previous, plan)), around.calendar)
                return self._release(course, around.oracle, plan, certificate, began_true_s=began)
            refused.append(f"{plan.label.value} plan: {certificate.violations[0].text}")
        raise NoPlan("no plan passes the checker: " + "; ".join(refused))

    def course(self, start: datetime, steps: int, state: PlantState, forecast: Forecast) -> Course:
        """Return the compiled model that holds the window, kept in place while its end stays."""
        day = self.park.horizon.day_ahead_steps + SPARE_STEPS
        size = day if steps <= day else steps
        end = start + timedelta(minutes=self.park.horizon.step_min * steps)
        course = self._courses.get(size)
        if course is None:

            def any_situation(own: Axis) -> Situation:
                return situation(
                    self.park, own, first=own.history, steps=steps, state=state, forecast=forecast
                )

            model = build(self.park, size, any_situation)
            course = Course(model=model, solver=WarmSolver(model.compiled), start=start, end=end)
            self._courses[size] = course
        if course.end != end or start < course.start:
            course.start, course.end = start, end
        return course

    def _ladder(
        self, course: Course, oracle: Oracle, now: Situation, until_true_s: float
    ) -> Iterator[Candidate]:
        yield from optimised(course, oracle, now, until_true_s)
        shifted = shifted_plan(oracle, now)
        if shifted is not None:
            yield Candidate(shifted, 0)
        yield Candidate(rule_plan(oracle, now), 0)

    def _release(
        self, course: Course, oracle: Oracle, plan: Plan, certificate: Certificate, *, began_true_s: float
    ) -> Released:
        self._serial += 1
        models = remember(course, oracle, steps_of(plan), operation_of(oracle, plan))
        plan = replace(
            plan,
            id=plan_id(self.park.name, plan, self.park.site.zone, self._serial),
            certificate=certificate,
            solve_s=monotonic_s() - began_true_s,
        )
        return Released(plan=plan, sensitivities=models)


def plan_day(park: Park, day: date) -> Released:
    """Return the plan of a local day from the park's initial state and its own forecast.

    The forecast is as it could be made at 15:00 of the day before (the day-ahead job's hour).
    """
    start, steps = local_midnight(park, day), day_steps(park, day)
    forecast = outlook(park, start - timedelta(hours=9), start, steps)
    return Planner(park).plan(
        initial_state(park, start), forecast, steps=steps, deadline_s=park.horizon.day_ahead_deadline_s
    )
