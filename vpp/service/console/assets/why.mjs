// Why the plan wants what it wants now: asked for now and then, shown beside what limits a setpoint.

const EVERY_MS = 10000;
const at = (id) => document.getElementById(id);
let found = { binding: [], devices: {} };

export const reasons = (id) => found.devices[id] ?? [];

async function ask() {
  try {
    const answer = await fetch(`/api/plan/why?lang=${document.documentElement.lang.slice(0, 2)}`, { signal: AbortSignal.timeout(EVERY_MS) });
    found = answer.ok ? await answer.json() : { binding: [], devices: {} };
  } catch {
    found = { binding: [], devices: {} };
  }
  at("plan-why").replaceChildren(...found.binding.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
}

export function setUpWhy() {
  ask();
  setInterval(ask, EVERY_MS);
}
