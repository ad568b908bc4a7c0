// What somebody selected beyond his soft limit: it waits for another person, who holds to confirm.

import { guard } from "./guarded.mjs";
import { words } from "./format.mjs";
import { id, post } from "./post.mjs";

const EVERY_MS = 3000;
const at = (name) => document.getElementById(name);
let shown = "";

function item(one) {
  const row = document.createElement("li");
  const told = document.createElement("p");
  told.className = "note";
  told.textContent = [one.by, ...one.lines, one.second].join("; ");
  row.append(told);
  if (!one.mine) {
    const button = Object.assign(document.createElement("button"), { type: "button", className: "guarded", textContent: words.confirm_hold });
    const say = (text) => {
      at("shed-result").textContent = text;
    };
    guard(button, {
      start: () => say(""),
      released: () => say(words.shed_released),
      act: async () => {
        try {
          const { body } = await post(`/api/${one.kind}/operate`, { id: id("confirm"), select: one.select });
          say(body.detail ?? body.text ?? body.reason);
        } catch {
          say(words.shed_unknown);
        }
      },
    });
    row.append(button);
  }
  return row;
}

async function look() {
  let open = [];
  try {
    const answer = await fetch("/api/selections", { signal: AbortSignal.timeout(EVERY_MS) });
    open = answer.ok ? (await answer.json()).filter((one) => one.second) : [];
  } catch {
    open = [];
  }
  const keys = open.map((one) => one.select).join();
  if (keys === shown) return;
  shown = keys;
  at("waiting").hidden = open.length === 0;
  at("waiting-list").replaceChildren(...open.map(item));
}

export function setUpWaiting() {
  look();
  setInterval(look, EVERY_MS);
}
