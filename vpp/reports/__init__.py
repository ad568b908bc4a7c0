"""What planners and dispatchers read afterwards."""

from vpp.reports.day_text import DayPaths, write_day_report
from vpp.reports.plan_compare import Comparison, compare
from vpp.reports.plan_explain import Explanation, explain
from vpp.reports.plan_file import plan_from_json, plan_to_csv, plan_to_json, read_plan
from vpp.reports.plan_report import PlanPaths, write_plan
from vpp.reports.run_report import RunReport, run_report
from vpp.reports.run_text import RunPaths, write_run_report

__all__ = [
    "Comparison",
    "DayPaths",
    "Explanation",
    "PlanPaths",
    "RunPaths",
    "RunReport",
    "compare",
    "explain",
    "plan_from_json",
    "plan_to_csv",
    "plan_to_json",
    "read_plan",
    "run_report",
    "write_day_report",
    "write_plan",
    "write_run_report",
]
