// The optional modules: mathematics, highlighting and WebSockets are too large for every page, so the kernel sends their
// source when they are first needed; the lab extension has chunks of its own. Each is loaded once per page.

import { pageWide } from "./page-wide.ts";

/** Mathematics. */
export interface MathModule {
  /** MathML of a TeX formula. */
  render(tex: string, display: boolean): string;
}

/** Colours for code. */
export interface HighlightModule {
  /** Escaped HTML of `code`, with classes on its tokens; null for an unknown language. */
  highlight(code: string, language: string): string | null;
}

/** JupyterLab's renderers for the outputs of tools. */
export interface RichModule {
  /** The MIME type of a bundle that would be drawn; undefined if none can be. */
  preferred(bundle: Record<string, unknown>): string | undefined;
  /** Whether drawing a value might fetch something. */
  mayFetch(type: string, value: unknown): boolean;
  /** Draw a value into `element`. Call the result to remove it. */
  render(element: HTMLElement, type: string, value: unknown): () => void;
}

/** The optional modules by name. `transport/comm.ts` adds another one. */
export interface Modules {
  math: MathModule;
  highlight: HighlightModule;
  rich: RichModule;
}

/** The name of an optional module. */
export type ModuleName = keyof Modules;

type Loaders = { [N in ModuleName]?: () => Promise<Modules[N]> };

/** The source of a text. */
export interface Origin {
  session: string | null;
  step: string;
}

type Decorate = (root: HTMLElement, origin: Origin) => void;

interface Page {
  /** Adds controls of the host to the code in a text. */
  decorate?: Decorate;
  loaded: Partial<Modules>;
  loading: { [N in ModuleName]?: Promise<Modules[ModuleName]> };
  loaders?: Loaders;
  listeners: Set<() => void>;
  /** Called with the name of a module that is needed and not being loaded. */
  missing: Set<(name: ModuleName) => void>;
}

function page(): Page {
  return pageWide<Page>({ loaded: {}, loading: {}, listeners: new Set(), missing: new Set() });
}

/** The module, if it is loaded. Otherwise loading begins, if possible: listen with `onModule`. */
export function optionalModule<N extends ModuleName>(name: N): Modules[N] | undefined {
  const { loaded, loading, loaders, missing } = page();
  const loader = loaders?.[name];
  if (loaded[name] || loading[name]) return loaded[name];
  if (loader) void load(name, loader);
  else for (const ask of [...missing]) ask(name);
  return undefined;
}

/** The page's own renderers, if it has any. The kernel cannot send them. */
export function richModule(): RichModule | undefined {
  return page().loaded.rich;
}

/** The names of the modules that are loaded, or that the page can load itself. */
export function moduleNames(): string[] {
  const { loaded, loading, loaders } = page();
  return Object.keys({ ...loaded, ...loaders, ...loading });
}

/** Call `listener` whenever a module has been loaded, until the returned function is called. */
export function onModule(listener: () => void): () => void {
  const { listeners } = page();
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Call `ask` with the name of each module that the page cannot load itself, until the returned function is called. */
export function onMissing(ask: (name: ModuleName) => void): () => void {
  const { missing } = page();
  missing.add(ask);
  return () => missing.delete(ask);
}

/** Import a module from its source, unless it is loaded. */
export function loadModule<N extends ModuleName>(name: N, source: string): Promise<Modules[N]> {
  return load(name, async () => {
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    try {
      return await import(/* @vite-ignore */ /* webpackIgnore: true */ url);
    } finally {
      URL.revokeObjectURL(url);
    }
  });
}

/** Set how this page loads modules when they are first needed. */
export function provideLoaders(loaders: Loaders): void {
  page().loaders = loaders;
}

/** Call `adds` from now on with each text in this page once it is complete. */
export function provideDecoration(adds: Decorate): void {
  page().decorate = adds;
}

/** Let the host decorate the text in `root`, if it does so. */
export function decorate(root: HTMLElement, origin: Origin): void {
  page().decorate?.(root, origin);
}

async function load<N extends ModuleName>(name: N, loader: () => Promise<Modules[N]>): Promise<Modules[N]> {
  const { loaded, loading } = page();
  const known = loaded[name] ?? loading[name];
  if (known) return known as Modules[N] | Promise<Modules[N]>;
  const coming = loader();
  loading[name] = coming;
  try {
    const module = await coming;
    provideModule(name, module);
    return module;
  } finally {
    delete loading[name];
  }
}

/** Register a loaded module. */
export function provideModule<N extends ModuleName>(name: N, module: Modules[N]): void {
  page().loaded[name] = module;
  for (const listener of [...page().listeners]) listener();
}
