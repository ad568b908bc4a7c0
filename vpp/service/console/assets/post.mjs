// What the page asks of the service: every command has an id of its own, so a repeat does nothing twice.

export const id = (kind) => `console-${kind}-${crypto.randomUUID()}`;

export async function post(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Yuanwang-Console": "1" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(15000),
  });
  return { ok: answer.ok, body: await answer.json() };
}
