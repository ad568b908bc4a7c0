// Table rows and lists, rebuilt from data by text nodes alone: nothing from the plant is ever HTML.

import { age, clock, direction, fixed, number, withUnit, word, words } from "./format.mjs";
import { reasons } from "./why.mjs";

export function element(tag, { text = "", cls = "", title = "" } = {}, ...children) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (cls) made.className = cls;
  if (title) made.title = title;
  made.append(...children);
  return made;
}

const old = (value) => (value.quality === "good" ? "" : "stale");
const power = (value) => element("td", { cls: `n ${old(value ?? {})}` }, element("b", { text: number(value?.mw) }), element("small", { text: direction(value?.direction) }));
const quality = (value) => element("td", { cls: `q ${old(value)}`, text: `${word("q", value.quality)}, ${age(value.age_s)}` });

export function deviceRow(device) {
  const command = device.setpoint;
  const asked = command ? element("td", { cls: "n" }, element("b", { text: number(command.mw) }), element("small", { text: direction(command.direction) })) : element("td", { cls: "n", text: "–" });
  const plan = element("td", { cls: "n" }, element("b", { text: number(device.planned.mw) }), element("small", { text: direction(device.planned.direction) }));
  return element(
    "tr",
    {},
    element("th", {}, element("b", { text: device.id }), element("small", { text: word("kind", device.kind) })),
    element("td", { text: word("mode", device.mode) + (device.mode_ends ? ` ${words.mode_until} ${clock(device.mode_ends)}` : "") }),
    plan,
    asked,
    power(device),
    quality(device),
    element("td", { text: command ? `${word("by", command.source)}, ${age(command.age_s)}` : "–" }),
    element("td", { cls: "why", text: command?.clipped_by.join("; ") ?? "" }),
    element("td", { cls: "why" }, ...reasons(device.id).map((text) => element("small", { text }))),
  );
}

export function loadRow(load) {
  return element(
    "tr",
    {},
    element("th", {}, element("b", { text: load.id }), element("small", { text: load.name })),
    element("td", { cls: `n ${old(load)}` }, element("b", { text: number(load.mw) })),
    element("td", { cls: "n", text: load.blocks ? `${load.open_blocks} / ${load.blocks}` : "–" }),
    element("td", { cls: "n", text: load.blocks ? number(load.sheddable_mw) : "–" }),
    element("td", { cls: "n", text: load.trimmed_mw === null ? "–" : `${number(load.trimmed_mw)}${load.trim_mw ? ` / ${number(load.trim_mw)}` : ""}` }),
    quality(load),
  );
}

export function actuatorRow(actuator) {
  const digits = actuator.kind === "statcom" ? 2 : 0;
  const unit = actuator.kind === "statcom" ? " Mvar" : "";
  const cell = (value) => element("td", { cls: "n", text: value === null ? "–" : `${fixed(value, digits)}${unit}` });
  return element(
    "tr",
    { cls: actuator.state === "stuck" ? "abnormal" : "" },
    element("th", {}, element("b", { text: actuator.id }), element("small", { text: word("kind", actuator.kind) })),
    cell(actuator.planned),
    cell(actuator.ordered),
    cell(actuator.position),
    element("td", { text: word("actuator", actuator.state) }),
    quality(actuator),
  );
}

function crowd(alarm) {
  const list = element("ul", {}, ...alarm.others.map((text) => element("li", { text })));
  const more = `${alarm.text} (+${alarm.others.length} ${words.alarms_more})`;
  return element("details", { cls: "text" }, element("summary", { text: more }), list);
}

export function alarmItem(alarm) {
  const letter = { alarm: "1", action: "2", information: "3" }[alarm.severity];
  return element(
    "li",
    { cls: `sev-${alarm.severity}` },
    element("i", { cls: "shape", text: letter }),
    element("b", { text: word("sev", alarm.severity) }),
    element("span", { text: alarm.source }),
    alarm.others.length ? crowd(alarm) : element("span", { cls: "text", text: alarm.text }),
    element("time", { text: `${words.since} ${clock(alarm.since)}` }),
  );
}

export function orderItem(order) {
  const limits = [
    order.import_max_mw === null ? "" : `${word("dir", "importing")} ≤ ${withUnit(order.import_max_mw, "MW")}`,
    order.export_max_mw === null ? "" : `${word("dir", "exporting")} ≤ ${withUnit(order.export_max_mw, "MW")}`,
  ];
  return element("li", { text: `${order.id}: ${limits.filter(Boolean).join(", ")}; ${clock(order.start)} – ${clock(order.end)}` });
}

export function storeBlock(store) {
  const bar = element("div", { cls: `bar ${old(store)}` }, element("i"));
  bar.firstChild.style.width = `${store.percent ?? 0}%`;
  const state = store.state && ["starting", "stopping"].includes(store.state) ? word("dir", store.state) : direction(store.direction);
  const content = `${number(store.content)} / ${number(store.full)} ${store.unit}`;
  const how = store.kind === "h2_store" ? "" : `${withUnit(store.mw, "MW")} ${state}`;
  const note = store.quality === "good" ? how : `${how} · ${word("q", store.quality)}, ${age(store.age_s)}`;
  return element(
    "div",
    { cls: "store" },
    element("span", { cls: "name", text: `${store.id} ${word("kind", store.kind)}` }),
    element("b", { cls: old(store), text: store.percent === null ? "–" : `${number(store.percent)} %` }),
    bar,
    element("span", { cls: "note", text: content }),
    element("span", { cls: "note right", text: note }),
  );
}

