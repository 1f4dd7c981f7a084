// The theme of hosts that set it on the page, such as marimo: styles inside a shadow tree cannot select it.

const SELECTORS: Record<string, string> = {
  dark: '.dark, .dark-theme, [data-theme="dark"]',
  light: '.light, .light-theme, [data-theme="light"]',
};

/** Apply the theme of the page to `root`, if there is one, until the returned function is called. */
export function followTheme(root: HTMLElement): () => void {
  const places = [document.body, document.documentElement];
  const update = (): void => {
    const name = Object.keys(SELECTORS).find((theme) =>
      places.some((place) => place.matches(SELECTORS[theme] as string)),
    );
    if (name === undefined) delete root.dataset.hostTheme;
    else root.dataset.hostTheme = name;
  };
  const observer = new MutationObserver(update);
  for (const place of places) observer.observe(place, { attributes: true, attributeFilter: ["class", "data-theme"] });
  update();
  return () => observer.disconnect();
}
