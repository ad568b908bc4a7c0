// The emergency shed and the restoration: a command has an id of its own, so a repeat cuts nothing twice.

import { guard } from "./guarded.mjs";
import { number, words } from "./format.mjs";

const id = (kind) => `console-${kind}-${crypto.randomUUID()}`;

async function post(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Yuanwang-Console": "1" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(15000),
  });
  return { ok: answer.ok, body: await answer.json() };
}

export function setUpShed() {
  const mw = document.getElementById("shed-mw");
  const go = document.getElementById("shed-go");
  const restore = document.getElementById("restore-go");
  const result = document.getElementById("shed-result");
  const say = (text, bad = false) => {
    result.textContent = text;
    result.classList.toggle("bad", bad);
  };
  const wanted = () => (mw.value !== "" && mw.checkValidity() ? Number(mw.value) : null);
  const name = () => {
    go.disabled = wanted() === null;
    go.textContent = go.disabled ? words.shed_type : `${words.shed_hold} ${number(wanted())} MW`;
  };
  const send = async (path, body, done) => {
    say(words.shed_sent);
    try {
      const answer = await post(path, body);
      if (answer.ok && answer.body.accepted !== false) say(done(answer.body), answer.body.ok === false);
      else say(`${words.refused}: ${answer.body.detail ?? answer.body.reason}`, true);
    } catch {
      say(words.shed_unknown, true);
    }
  };
  mw.addEventListener("input", name);
  document.getElementById("shed-form").addEventListener("submit", (event) => event.preventDefault());
  guard(go, {
    start: () => say(`${words.shed_holding} ${number(wanted())} MW`),
    released: () => say(words.shed_released),
    act: () => send("/api/shed", { id: id("shed"), mw: wanted(), drill: false }, (report) => report.text ?? ""),
  });
  guard(restore, {
    start: () => say(""),
    released: () => say(""),
    act: () => send("/api/restore", { id: id("restore"), loads: [] }, () => words.restored),
  });
  name();
}
