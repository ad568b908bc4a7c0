// Numbers, ages and directions as text in the page's language.

export const words = JSON.parse(document.getElementById("words").textContent);
const NONE = "–";
const ARROWS = {
  feeding: "→", drawing: "←", charging: "↓", discharging: "↑", importing: "↓", exporting: "↑", idle: "·",
};

export const word = (group, code) => (code ? words[`${group}.${code}`] ?? code : NONE);

export function number(value, digits = 3) {
  if (value === null || value === undefined) return NONE;
  const whole = Math.trunc(Math.abs(value)).toString().length;
  const decimals = value === 0 ? 1 : Math.max(0, digits - whole);
  return value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

export const fixed = (value, decimals) => (value === null || value === undefined ? NONE : value.toFixed(decimals));

export const withUnit = (value, unit) => `${number(value)} ${unit}`;

export const direction = (code) => (code ? `${ARROWS[code] ?? ""} ${word("dir", code)}` : "");

export function duration(seconds) {
  if (seconds === null || seconds === undefined) return NONE;
  const s = Math.floor(seconds);
  const two = (n) => String(n).padStart(2, "0");
  return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

export const age = (seconds) => (seconds === null || seconds === undefined ? NONE : seconds < 120 ? `${Math.round(seconds)} s` : duration(seconds));

export const clock = (iso) => (iso ? iso.slice(11, 19) : NONE);
export const day = (iso) => (iso ? `${iso.slice(0, 10)} ${iso.slice(11, 19)}` : NONE);
