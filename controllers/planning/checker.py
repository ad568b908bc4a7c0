"""placeholder until the rules follow"""
from network.powerflow import Oracle
from vpp.park.model import Park
from vpp.types import Certificate, Forecast, Plan
import numpy as np
def check(park: Park, plan: Plan, forecast: Forecast, oracle: Oracle | None = None) -> Certificate:
    return Certificate(ok=True, violations=(), checked_rules=(), max_vm_pu=1, min_vm_pu=1, max_loading_percent=1, max_balance_error_mw=0, cut_rounds=0)
