// The optional modules: mathematics and highlighting are too large for every cell, so the kernel sends their source when
// a text first needs one. The lab extension brings them along, and loads them when they are first asked for. They are
// kept once a page: each widget imports its own copy of this file, and the copies meet under one symbol.

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

type Loaders = { [N in ModuleName]: () => Promise<Modules[N]> };

interface Page {
  loaded: Partial<Modules>;
  loading: Set<string>;
  loaders?: Loaders;
  listeners: Set<() => void>;
}

const KEY = Symbol.for("reasoning-widget");

function page(): Page {
  const shared = globalThis as { [KEY]?: Page };
  shared[KEY] ??= { loaded: {}, loading: new Set(), listeners: new Set() };
  return shared[KEY];
}

/** The module, if this page has it. If it knows how to load it, that begins: listen with `onModule`. */
export function optionalModule<N extends ModuleName>(name: N): Modules[N] | undefined {
  const { loaded, loaders } = page();
  if (!loaded[name] && loaders) void load(name, loaders[name]);
  return loaded[name];
}

/** The names of the modules this page has, or has as soon as they are needed. */
export function moduleNames(): string[] {
  const { loaded, loading, loaders } = page();
  return [...new Set([...Object.keys({ ...loaded, ...loaders }), ...loading])];
}

/** Call `listener` whenever a module has arrived; the result ends that. */
export function onModule(listener: () => void): () => void {
  const { listeners } = page();
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Import a module from its source, unless this page has it. */
export async function loadModule(name: ModuleName, source: string): Promise<void> {
  await load(name, async () => {
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    try {
      return await import(/* @vite-ignore */ /* webpackIgnore: true */ url);
    } finally {
      URL.revokeObjectURL(url);
    }
  });
}

/** From now on, load modules in this way when they are first needed. */
export function provideLoaders(loaders: Loaders): void {
  page().loaders = loaders;
}

async function load<N extends ModuleName>(name: N, loader: () => Promise<Modules[N]>): Promise<void> {
  const { loaded, loading } = page();
  if (loaded[name] || loading.has(name)) return;
  loading.add(name);
  try {
    provideModule(name, await loader());
  } finally {
    loading.delete(name);
  }
}

/** Make a module known to the page. */
export function provideModule<N extends ModuleName>(name: N, module: Modules[N]): void {
  page().loaded[name] = module;
  for (const listener of [...page().listeners]) listener();
}
