// Adjustable capability: asked for every few seconds, shown for the horizon that is chosen.

import { age, number, word, words } from "./format.mjs";
import { element } from "./rows.mjs";

const EVERY_MS = 5000;
const at = (id) => document.getElementById(id);
let found = null;

const within = () => Number(document.querySelector('#ability-horizon input:checked')?.value ?? 900);
const reached = (list) => list.find((reach) => reach.within_s === within());
const hold = (reach) => (reach.hold_s === null ? words.no_end : age(reach.hold_s));
const price = (cny) => (cny === null || cny === undefined ? "–" : cny < -0.5 ? `${words.saves} ${number(-cny)}` : number(Math.abs(cny)));

function why(code) {
  const [group, name] = code.split(":");
  return name ? `${word("limit", group)} ${name}` : word("limit", code);
}

function side(list, cny) {
  const reach = reached(list);
  if (!reach) return [1, 2, 3, 4].map(() => element("td", { text: "–" }));
  const some = reach.mw > 0.001;
  return [
    element("td", { cls: "n" }, element("b", { text: number(reach.mw) })),
    element("td", { cls: "n", text: some ? hold(reach) : "–" }),
    element("td", { cls: "n", text: some ? price(cny) : "–" }),
    element("td", { text: why(reach.limit) }),
  ];
}

function row(name, note, ramp, up, down, prices = [null, null]) {
  return element("tr", {}, element("th", {}, element("b", { text: name }), element("small", { text: note })), element("td", { cls: "n", text: ramp }), ...side(up, prices[0]), ...side(down, prices[1]));
}

function show() {
  if (!found) return;
  const elements = Object.values(found.elements);
  const buses = Object.entries(found.buses).filter(([, pool]) => pool.members.length > 1);
  at("ability-rows").replaceChildren(
    row(words.whole_park, words.not_the_sum, "", found.park.up, found.park.down),
    ...elements.map((e) => row(e.id, `${word("kind", e.kind)}, ${e.bus}`, e.ramp_mw_per_min === null ? "–" : number(e.ramp_mw_per_min), e.up.reach, e.down.reach, [e.up.price_cny_per_mwh, e.down.price_cny_per_mwh])),
    ...buses.map(([bus, pool]) => row(bus, pool.members.join(", "), "", pool.up, pool.down)),
  );
  at("ability-rows").firstElementChild.className = "whole";
  at("ability-note").textContent = found.network ? "" : words.no_network_rows;
}

async function ask() {
  try {
    const answer = await fetch("/api/capability", { signal: AbortSignal.timeout(EVERY_MS) });
    if (answer.ok) {
      found = (await answer.json()).capability;
      show();
    }
    at("ability").classList.toggle("stale", !answer.ok);
  } catch {
    at("ability").classList.add("stale");
  }
}

export function setUpCapability() {
  at("ability-horizon").addEventListener("change", show);
  ask();
  setInterval(ask, EVERY_MS);
}
