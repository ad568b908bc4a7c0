// The emergency shed, select before operate, and the restoration.

import { guard } from "./guarded.mjs";
import { number, words } from "./format.mjs";
import { id, post } from "./post.mjs";

const line = (text) => Object.assign(document.createElement("li"), { textContent: text });

export function setUpShed() {
  const mw = document.getElementById("shed-mw");
  const choose = document.getElementById("shed-select");
  const go = document.getElementById("shed-go");
  const echo = document.getElementById("shed-echo");
  const restore = document.getElementById("restore-go");
  const result = document.getElementById("shed-result");
  let selected = null;
  let timer = 0;
  const say = (text, bad = false) => {
    result.textContent = text;
    result.classList.toggle("bad", bad);
  };
  const wanted = () => (mw.value !== "" && mw.checkValidity() ? Number(mw.value) : null);
  const forget = () => {
    clearTimeout(timer);
    selected = null;
    go.hidden = true;
    echo.replaceChildren();
    choose.disabled = wanted() === null;
    choose.textContent = choose.disabled ? words.shed_type : `${words.shed_select} ${number(wanted())} MW`;
  };
  const send = async (path, body, done) => {
    try {
      const answer = await post(path, body);
      if (answer.ok && answer.body.accepted !== false) say(done(answer.body), answer.body.ok === false);
      else say(`${words.refused}: ${answer.body.detail ?? answer.body.reason}`, true);
    } catch {
      say(words.shed_unknown, true);
    }
  };
  const show = (answer) => {
    selected = answer.select;
    echo.replaceChildren(...answer.lines.map(line));
    go.hidden = answer.second !== "";
    go.textContent = `${words.shed_hold} ${number(wanted())} MW`;
    timer = setTimeout(forget, answer.holds_s * 1000);
    return answer.second ? `${words.second_needed}: ${answer.second}` : "";
  };
  const ask = () => {
    const asked = wanted();
    forget();
    if (asked !== null) send("/api/shed/select", { id: id("select"), mw: asked }, show);
  };
  const operate = () => {
    const body = { id: id("shed"), select: selected };
    forget();
    say(words.shed_sent);
    return send("/api/shed/operate", body, (report) => report.text ?? "");
  };
  mw.addEventListener("input", forget);
  choose.addEventListener("click", ask);
  document.getElementById("shed-form").addEventListener("submit", (event) => {
    event.preventDefault();
    ask();
  });
  guard(go, {
    start: () => say(`${words.shed_holding} ${number(wanted())} MW`),
    released: () => say(words.shed_released),
    act: operate,
  });
  guard(restore, {
    start: () => say(""),
    released: () => say(""),
    act: () => send("/api/restore", { id: id("restore"), loads: [] }, () => words.restored),
  });
  forget();
}
