// Light or dark: as the system has it, or as chosen.

import { state, update } from "./store.js";

const system = matchMedia("(prefers-color-scheme: dark)");

/** @param {"system" | "light" | "dark"} theme */
function apply(theme) {
  const dark = theme === "dark" || (theme === "system" && system.matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  update({ theme, dark });
}

export function startTheme() {
  const kept = localStorage.getItem("theme");
  apply(kept === "light" || kept === "dark" ? kept : "system");
  system.addEventListener("change", () => apply(state.theme));
}

/** To the other one; kept only while it differs from the system's. */
export function switchTheme() {
  const dark = !state.dark;
  if (dark === system.matches) localStorage.removeItem("theme");
  else localStorage.setItem("theme", dark ? "dark" : "light");
  apply(dark === system.matches ? "system" : dark ? "dark" : "light");
}
