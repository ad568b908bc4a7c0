// A button that acts only when held: one guarded press, no chain of dialogs. The bar inside fills
// while it is held; Space and Enter work as the pointer does.

const HOLD_MS = 1200;

export function guard(button, { start, released, act }) {
  let timer = 0;
  const begin = (event) => {
    if (button.disabled || timer || (event.type === "keydown" && ![" ", "Enter"].includes(event.key))) return;
    event.preventDefault();
    button.classList.add("held");
    start();
    timer = setTimeout(() => {
      end();
      act();
    }, HOLD_MS);
  };
  const end = () => {
    clearTimeout(timer);
    timer = 0;
    button.classList.remove("held");
  };
  const cancel = () => {
    if (timer) {
      end();
      released();
    }
  };
  button.addEventListener("pointerdown", begin);
  button.addEventListener("keydown", begin);
  for (const name of ["pointerup", "pointerleave", "pointercancel", "keyup", "blur"]) button.addEventListener(name, cancel);
}
