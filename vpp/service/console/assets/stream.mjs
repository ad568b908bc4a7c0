// One event stream per page. The browser reconnects with Last-Event-ID by itself; this module adds
// what it lacks: noticing that a stream which is still open has gone silent.

const SILENCE_MS = 6000;

export function openStream(url, { state, alarm, cut }) {
  let timer = 0;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(cut, SILENCE_MS);
  };
  const source = new EventSource(url);
  source.addEventListener("state", (event) => {
    alive();
    state(JSON.parse(event.data));
  });
  source.addEventListener("alarm", (event) => {
    alive();
    alarm(JSON.parse(event.data));
  });
  source.onerror = () => {
    cut();
    if (source.readyState === EventSource.CLOSED) {
      clearTimeout(timer);
      setTimeout(() => openStream(url, { state, alarm, cut }), 2000);
    }
  };
  alive();
}
