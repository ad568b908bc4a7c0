"""What planners and dispatchers read afterwards."""

from vpp.reports.plan_file import plan_from_json, plan_to_csv, plan_to_json
from vpp.reports.plan_report import PlanPaths, write_plan

__all__ = ["PlanPaths", "plan_from_json", "plan_to_csv", "plan_to_json", "write_plan"]
