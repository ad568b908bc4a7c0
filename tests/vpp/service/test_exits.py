from vpp.errors import DeviceFailure, Fault, InvalidInput, NoPlan, TimedOut, YuanwangError
from vpp.service import exits
from vpp.types import PlanLabel, Reply


def test_every_error_of_the_product_has_the_code_of_the_design() -> None:
    fault = Fault(file="x", wrong="a", expected="b")
    codes = {
        type(e).__name__: int(exits.of_error(e)) for e in (InvalidInput((fault,)), NoPlan(), DeviceFailure())
    }
    assert codes == {"InvalidInput": 3, "NoPlan": 4, "DeviceFailure": 6}
    assert exits.of_error(TimedOut()) == 7


def test_every_error_class_maps_to_a_known_code() -> None:
    kinds = YuanwangError.__subclasses__()
    assert kinds
    assert {kind.exit_code for kind in kinds} <= {int(code) for code in exits.ExitCode}


def test_what_is_not_ours_is_a_bug() -> None:
    assert exits.of_error(ZeroDivisionError()) == 1


def test_a_plan_that_gave_way_is_degraded_and_every_label_is_known() -> None:
    codes = {label.value: int(exits.of_plan(label)) for label in PlanLabel}
    assert codes == {"optimal": 0, "feasible": 0, "relaxed": 5, "shifted": 5, "rule": 5}


def test_a_refused_command_is_invalid_input() -> None:
    assert exits.of_reply(Reply(id="a", accepted=True, reason="")) == 0
    assert exits.of_reply(Reply(id="a", accepted=False, reason="expired")) == 3
