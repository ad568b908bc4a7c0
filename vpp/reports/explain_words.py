"""The sentences of an explanation in English and Chinese, by code; values are filled in by name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Language = Literal["en", "zh"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One sentence: its code in `SENTENCES` and the values that stand in it."""

    code: str
    values: Mapping[str, str | float]


SENTENCES: Mapping[str, tuple[str, str]] = {
    "plan": (
        "{label} plan of {steps:.0f} steps from {start}: {cost:,.0f} CNY, {import_mwh:,.0f} MWh imported",
        "计划状态 {label}，自 {start} 起 {steps:.0f} 个时段：费用 {cost:,.0f} 元，购电 {import_mwh:,.0f} MWh",
    ),
    "changed": (
        "against plan {previous}, devices move by {moved_mw:.1f} MW in the next hour and {starts:.0f} starts "
        "of machines are planned otherwise",
        "与上一计划 {previous} 相比：未来一小时设备功率变动 {moved_mw:.1f} MW，机组启动变更 {starts:.0f} 次",
    ),
    "no_prices": (
        "made without optimisation: there are no shadow prices, reasons are those of prices alone",
        "该计划未经优化：无影子价格，仅按电价说明",
    ),
    "charge_later": (
        "{name} charges {mwh:.1f} MWh at {price:.0f} CNY/MWh: a stored MWh costs {cost:.0f} and earns "
        "{worth:.0f} from {later}",
        "{name} 充电 {mwh:.1f} MWh，边际电价 {price:.0f} 元/MWh：每存 1 MWh 成本 {cost:.0f} 元，"
        "{later} 起放电净收入 {worth:.0f} 元",
    ),
    "charge_kept": (
        "{name} charges {mwh:.1f} MWh at {price:.0f} CNY/MWh: a stored MWh costs {cost:.0f}; it is kept to "
        "the end of the plan, where it is worth {worth:.0f}",
        "{name} 充电 {mwh:.1f} MWh，边际电价 {price:.0f} 元/MWh：每存 1 MWh 成本 {cost:.0f} 元；"
        "留存至计划末，价值 {worth:.0f} 元",
    ),
    "discharge": (
        "{name} discharges {mwh:.1f} MWh at {price:.0f} CNY/MWh: less losses and wear a stored MWh earns "
        "{earned:.0f}, kept it would be worth {worth:.0f}",
        "{name} 放电 {mwh:.1f} MWh，边际电价 {price:.0f} 元/MWh："
        "扣除损耗与磨损每存 1 MWh 得 {earned:.0f} 元，留存仅值 {worth:.0f} 元",
    ),
    "discharge_only": (
        "{name} discharges {mwh:.1f} MWh at {price:.0f} CNY/MWh: less losses and wear a stored MWh earns "
        "{earned:.0f}",
        "{name} 放电 {mwh:.1f} MWh，边际电价 {price:.0f} 元/MWh：扣除损耗与磨损每存 1 MWh 得 {earned:.0f} 元",
    ),
    "charge_only": (
        "{name} charges {mwh:.1f} MWh at {price:.0f} CNY/MWh: a stored MWh costs {cost:.0f}",
        "{name} 充电 {mwh:.1f} MWh，边际电价 {price:.0f} 元/MWh：每存 1 MWh 成本 {cost:.0f} 元",
    ),
    "electrolyser_only": (
        "{name} makes {kg:,.0f} kg of hydrogen at {price:.0f} CNY/MWh: a kg costs {cost:.1f} CNY of power",
        "{name} 制氢 {kg:,.0f} kg，边际电价 {price:.0f} 元/MWh：每公斤耗电 {cost:.1f} 元",
    ),
    "pinned": ("{name} is held by the pin {pin}", "{name} 按人工设定 {pin} 运行"),
    "against_tie": (
        "{name}: its own power moves the price of those hours; against import at {price:.0f} CNY/MWh a "
        "stored MWh earns {earned:.0f}",
        "{name}：其自身出力改变了当时的边际电价；与 {price:.0f} 元/MWh 的购电相比，每存 1 MWh 得 "
        "{earned:.0f} 元",
    ),
    "committed": (
        "{name}: the price alone does not pay this; it follows from {why}",
        "{name}：仅按电价并不合算，原因是{why}",
    ),
    "electrolyser": (
        "{name} makes {kg:,.0f} kg of hydrogen at {price:.0f} CNY/MWh: a kg costs {cost:.1f} CNY of power "
        "and is worth {worth:.1f}",
        "{name} 制氢 {kg:,.0f} kg，边际电价 {price:.0f} 元/MWh：每公斤耗电 {cost:.1f} 元，"
        "价值 {worth:.1f} 元",
    ),
    "interrupted": (
        "{name} is interrupted by {mwh:.1f} MWh: a MWh costs {price:.0f} CNY where it is drawn",
        "{name} 中断 {mwh:.1f} MWh：该处边际电价 {price:.0f} 元/MWh",
    ),
    "marginal": (
        "one MWh more of demand costs {price:.0f} CNY ({tariff:.0f} at the tie's tariff)",
        "多用 1 MWh 电需 {price:.0f} 元（关口电价 {tariff:.0f} 元）",
    ),
    "tie": ("import {import_mw:.1f} of {limit:.1f} MW", "购电 {import_mw:.1f} MW，限值 {limit:.1f} MW"),
    "binds_tie_import": (
        "the import limit binds: one MW more saves {value:.0f} CNY an hour",
        "购电限值起作用：每放宽 1 MW 每小时可省 {value:.0f} 元",
    ),
    "binds_tie_export": (
        "the export limit binds: one MW more saves {value:.0f} CNY an hour",
        "送电限值起作用：每放宽 1 MW 每小时可省 {value:.0f} 元",
    ),
    "binds_demand_peak": (
        "import is at the month's peak: one MW less of it saves {value:.0f} CNY of demand charge",
        "购电达到当月最大需量：每降 1 MW 可省需量电费 {value:.0f} 元",
    ),
    "binds_reserve_up": (
        "the upward reserve binds: one MW less to hold saves {value:.0f} CNY an hour",
        "上备用起作用：少留 1 MW 每小时可省 {value:.0f} 元",
    ),
    "binds_island_soc": (
        "the energy kept for an island binds at {name}: one MWh less saves {value:.0f} CNY an hour",
        "{name} 的孤网保留电量起作用：少留 1 MWh 每小时可省 {value:.0f} 元",
    ),
    "binds_branch": (
        "branch {name} is at its limit: one MW more saves {value:.0f} CNY an hour",
        "支路 {name} 达到限值：每放宽 1 MW 每小时可省 {value:.0f} 元",
    ),
    "binds_voltage_max": (
        "the voltage of {name} is at its upper limit: one MW of relief saves {value:.0f} CNY an hour",
        "{name} 电压达到上限：每缓解 1 MW 每小时可省 {value:.0f} 元",
    ),
    "binds_voltage_min": (
        "the voltage of {name} is at its lower limit: one MW of relief saves {value:.0f} CNY an hour",
        "{name} 电压达到下限：每缓解 1 MW 每小时可省 {value:.0f} 元",
    ),
    "full": ("{name} is full ({content:.0f} %)", "{name} 已满（{content:.0f} %）"),
    "empty": ("{name} is empty ({content:.0f} %)", "{name} 已空（{content:.0f} %）"),
    "rated": ("{name} is at its rating, {mw:.1f} MW", "{name} 达到额定 {mw:.1f} MW"),
    "curtailed_surplus": (
        "{name} curtails {mwh:.2f} MWh: more wind and sun than loads and stores take, and export is limited",
        "{name} 弃电 {mwh:.2f} MWh：风光富余，负荷与储能无法消纳，送电受限",
    ),
    "curtailed_branch": (
        "{name} curtails {mwh:.2f} MWh: branch {where} would be overloaded",
        "{name} 弃电 {mwh:.2f} MWh：否则支路 {where} 过载",
    ),
    "curtailed_voltage": (
        "{name} curtails {mwh:.2f} MWh: the voltage of {where} would leave its band",
        "{name} 弃电 {mwh:.2f} MWh：否则 {where} 电压越限",
    ),
    "curtailed_ramp": (
        "{name} curtails {mwh:.2f} MWh: the rest of the park cannot follow so fast",
        "{name} 弃电 {mwh:.2f} MWh：其余设备爬坡跟不上",
    ),
    "curtailed_pin": (
        "{name} curtails {mwh:.2f} MWh: it is held by the pin {where}",
        "{name} 弃电 {mwh:.2f} MWh：人工设定 {where}",
    ),
    "curtailed_other": (
        "{name} curtails {mwh:.2f} MWh: {where}",
        "{name} 弃电 {mwh:.2f} MWh：{where}",
    ),
    "none_curtailed": ("no wind or sun is curtailed", "无弃风弃光"),
    "gave": (
        "{limit} gave way in {count:.0f} steps, at most by {amount:.3g} {unit}: {reason}",
        "{limit} 在 {count:.0f} 个时段放宽，最多 {amount:.3g} {unit}：{reason}",
    ),
    "none_gave": ("no limit had to give", "没有限值被放宽"),
}
"""Code -> (English, Chinese)."""
REASONS: Mapping[str, tuple[str, str]] = {
    "tie": ("the tie's limit", "关口限值"),
    "peak": ("the month's peak", "当月最大需量"),
    "surplus": ("surplus that would be curtailed", "否则弃电"),
    "network": ("a network limit", "网络限值"),
    "reserve": ("the reserve", "备用"),
    "machine": ("least load and running times of its machines", "机组最小出力与启停时间"),
}
_LANGUAGES: tuple[Language, ...] = ("en", "zh")


def sentence(said: Said, language: Language) -> str:
    """Return a sentence in a language; a value that is itself a reason is translated."""
    index = _LANGUAGES.index(language)
    values = {
        key: REASONS[value][index] if isinstance(value, str) and key == "why" else value
        for key, value in said.values.items()
    }
    return SENTENCES[said.code][index].format(**values)
