/** Light, dark, or what the system says. */
import { effect, signal } from "@preact/signals";

export const themes = ["system", "light", "dark"] as const;
export type Theme = (typeof themes)[number];

const storageKey = "iscep.theme";

function stored(): Theme {
  try {
    return themes.find((theme) => theme === localStorage.getItem(storageKey)) ?? "system";
  } catch {
    // Storage may be switched off.
    return "system";
  }
}

export const theme = signal<Theme>(stored());

export function followTheme(): void {
  effect(() => {
    if (theme.value === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme.value;
    try {
      localStorage.setItem(storageKey, theme.value);
    } catch {
      // Storage may be switched off. The choice then counts for this page only.
    }
  });
}
