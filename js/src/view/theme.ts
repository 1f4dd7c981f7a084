// The theme of hosts that set it on the page, such as marimo: styles inside a shadow tree cannot select it.

const SAID: Record<string, string> = {
  dark: '.dark, .dark-theme, [data-theme="dark"]',
  light: '.light, .light-theme, [data-theme="light"]',
};

/** Apply the theme of the page to `root`, if there is one, until the returned function is called. */
export function followTheme(root: HTMLElement): () => void {
  const places = [document.body, document.documentElement];
  const look = (): void => {
    const said = Object.keys(SAID).find((theme) => places.some((place) => place.matches(SAID[theme] as string)));
    if (said === undefined) delete root.dataset.hostTheme;
    else root.dataset.hostTheme = said;
  };
  const observer = new MutationObserver(look);
  for (const place of places) observer.observe(place, { attributes: true, attributeFilter: ["class", "data-theme"] });
  look();
  return () => observer.disconnect();
}
