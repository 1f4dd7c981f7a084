// The optional modules: mathematics and highlighting are too large for every cell, so the kernel sends their source when
// a text first needs one. They are kept once a page: each widget imports its own copy of this file, and the copies meet
// under one symbol.

/** Mathematics. */
export interface MathModule {
  /** MathML of a TeX formula. */
  render(tex: string, display: boolean): string;
}

/** Colours for code. */
export interface HighlightModule {
  /** HTML of `code`, escaped, with classes on its words; null for a language it does not know. */
  highlight(code: string, language: string): string | null;
}

interface Modules {
  math: MathModule;
  highlight: HighlightModule;
}

export type ModuleName = keyof Modules;

interface Page {
  loaded: Partial<Modules>;
  loading: Set<string>;
  listeners: Set<() => void>;
}

const KEY = Symbol.for("reasoning-widget");

function page(): Page {
  const shared = globalThis as { [KEY]?: Page };
  shared[KEY] ??= { loaded: {}, loading: new Set(), listeners: new Set() };
  return shared[KEY];
}

/** The module, if this page has it. */
export function optionalModule<N extends ModuleName>(name: N): Modules[N] | undefined {
  return page().loaded[name];
}

/** The names of the modules this page has, or will have at once. */
export function moduleNames(): string[] {
  return [...new Set([...Object.keys(page().loaded), ...page().loading])];
}

/** Call `listener` whenever a module has arrived; the result ends that. */
export function onModule(listener: () => void): () => void {
  const { listeners } = page();
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Import a module from its source, unless this page has it. */
export async function loadModule(name: ModuleName, source: string): Promise<void> {
  const { loaded, loading } = page();
  if (loaded[name] || loading.has(name)) return;
  loading.add(name);
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  try {
    provideModule(name, await import(/* @vite-ignore */ url));
  } finally {
    loading.delete(name);
    URL.revokeObjectURL(url);
  }
}

/** Make a module known to the page. */
export function provideModule<N extends ModuleName>(name: N, module: Modules[N]): void {
  page().loaded[name] = module;
  for (const listener of [...page().listeners]) listener();
}
