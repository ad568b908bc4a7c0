// The live page: takes states from the one stream and writes them into the places of the template.

import { setUpCapability } from "./capability.mjs";
import { age, clock, day, direction, duration, fixed, withUnit, word, words } from "./format.mjs";
import { actuatorRow, alarmItem, deviceRow, loadRow, orderItem, storeBlock } from "./rows.mjs";
import { setUpShed } from "./shed.mjs";
import { openStream } from "./stream.mjs";
import { makeTrend } from "./trend.mjs";
import { setUpWaiting } from "./waiting.mjs";
import { setUpWhy } from "./why.mjs";

const at = (id) => document.getElementById(id);
const put = (id, text) => {
  at(id).textContent = text;
};
const drawTrend = makeTrend(at("trend-plot"));
let cutOff = false;

function banner(text) {
  at("banner").textContent = text ?? "";
  at("banner").hidden = !text;
  document.body.classList.toggle("lost", Boolean(text));
}

function measure(box, value) {
  box.classList.toggle("stale", value.quality !== "good");
  box.querySelector(".figure").textContent = withUnit(value.mw, "MW");
  const note = value.quality === "good" ? "" : ` · ${word("q", value.quality)}, ${age(value.age_s)}`;
  box.querySelector(".how").textContent = (box.dataset.balance === "load" ? "" : direction(value.direction)) + note;
}

function showHead(view) {
  put("at", day(view.at));
  put("zone", view.zone);
  at("rate").hidden = view.rate === 1;
  put("rate", `${words.rate} ${Number(view.rate.toFixed(1))} ${words.rate_word}`);
  put("park-mode", word("park", view.park_mode));
}

function showTie(tie) {
  measure(at("tie-now"), tie);
  const share = tie.limit_mw > 0 && tie.direction === "importing" ? tie.mw / tie.limit_mw : 0;
  at("tie-bar").firstElementChild.style.width = `${Math.min(100, share * 87)}%`;
  const over = tie.limit_mw !== null && tie.direction === "importing" && tie.mw > tie.limit_mw;
  at("tie-bar").classList.toggle("over", over);
  put("tie-mean", withUnit(tie.mean_mw === null ? null : Math.abs(tie.mean_mw), "MW") + (tie.mean_mw < -0.05 ? ` ${direction("exporting")}` : ""));
  put("tie-limit", withUnit(tie.limit_mw, "MW") + (over ? ` ◆ ${words.over_limit}` : ""));
  put("tie-left", duration(tie.quarter_left_s));
  put("tie-peak", withUnit(tie.month_peak_mw, "MW"));
  put("frequency", `${fixed(tie.frequency_hz, 3)} Hz`);
  put("voltage", `${fixed(tie.vm_pu, 4)} pu`);
}

function showPlan(view) {
  const plan = view.plan;
  const label = plan ? word("plan_label", plan.label) : view.plan_id ? view.plan_id : words.plan_none;
  put("plan-label", label);
  at("plan-label").classList.toggle("abnormal", !["optimal", "feasible"].includes(plan?.label));
  put("plan-id", plan ? `${plan.id}, ${words.made} ${clock(plan.made_at)}, ${words.age} ${duration(plan.age_s)}` : "");
  at("plan-gave").replaceChildren(...(plan?.relaxations ?? []).map((text) => Object.assign(document.createElement("li"), { textContent: text })));
  put("following", word("following", view.following));
  put("replan", duration(view.replan_s));
  put("missed", String(view.missed_ticks));
  put("dropped", String(view.dropped_plans));
}

function showAlarms(alarms) {
  const order = ["alarm", "action", "information"];
  const sorted = [...alarms].sort((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
  const count = alarms.reduce((sum, alarm) => sum + 1 + alarm.others.length, 0);
  put("alarm-count", count ? String(count) : words.alarms_none);
  at("alarms").classList.toggle("quiet", alarms.length === 0);
  at("alarm-list").replaceChildren(...sorted.map(alarmItem));
}

function show(view) {
  showHead(view);
  showAlarms(view.alarms);
  for (const box of document.querySelectorAll("[data-balance]")) {
    const value = view.balance[box.dataset.balance];
    box.hidden = !value;
    if (value) measure(box, value);
  }
  showTie(view.tie);
  drawTrend(view.trend, view.zone);
  showPlan(view);
  put("sheddable", withUnit(view.sheddable_mw, "MW"));
  at("store-list").replaceChildren(...view.storage.map(storeBlock));
  at("load-rows").replaceChildren(...view.loads.map(loadRow));
  at("actuator-rows").replaceChildren(...view.actuators.map(actuatorRow));
  at("device-rows").replaceChildren(...view.devices.map(deviceRow));
  at("orders").hidden = view.orders.length === 0;
  at("order-list").replaceChildren(...view.orders.map(orderItem));
}

let missed = 0;
setUpShed();
setUpWaiting();
setUpCapability();
setUpWhy();
openStream("/stream", {
  state: ({ lost, view }) => {
    cutOff = false;
    banner(lost ? `${words.lost} ${lost}` : view ? null : words.waiting);
    if (view) show(view);
  },
  alarm: () => {
    if (!cutOff) return;
    missed += 1;
    put("alarm-missed", `${missed} ${words.alarms_missed}`);
    at("alarm-missed").hidden = false;
  },
  cut: () => {
    cutOff = true;
    banner(words.lost_page);
  },
});
