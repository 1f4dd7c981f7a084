// The optional modules: mathematics, highlighting and the way to a server are too much for every cell, so the kernel sends
// their source when one is first needed. The lab extension brings them along, and loads them when they are first asked
// for. They are kept once a page.

import { pageWide } from "./page-wide.ts";

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

/** What the page itself can draw of what tools display: JupyterLab's renderers, where there is a JupyterLab. */
export interface RichModule {
  /** Which type of a MIME bundle it would draw; undefined if none. */
  preferred(bundle: Record<string, unknown>): string | undefined;
  /** Whether drawing a value might fetch something. */
  asksElsewhere(type: string, value: unknown): boolean;
  /** Draw a value into `element`. The result takes it away again. */
  render(element: HTMLElement, type: string, value: unknown): () => void;
}

/** The optional modules, by name. A folder above this one adds its own, see `transport/comm.ts`. */
export interface Modules {
  math: MathModule;
  highlight: HighlightModule;
  rich: RichModule;
}

export type ModuleName = keyof Modules;

type Loaders = { [N in ModuleName]?: () => Promise<Modules[N]> };

/** Where a text comes from. */
export interface Origin {
  session: string | null;
  step: string;
}

type Decorate = (root: HTMLElement, origin: Origin) => void;

interface Page {
  /** What the host adds to the code in a text. */
  decorate?: Decorate;
  loaded: Partial<Modules>;
  loading: { [N in ModuleName]?: Promise<Modules[ModuleName]> };
  loaders?: Loaders;
  listeners: Set<() => void>;
  /** Called with the name of a module that is needed, and that nobody has begun to load. */
  missing: Set<(name: ModuleName) => void>;
}

function page(): Page {
  return pageWide<Page>({ loaded: {}, loading: {}, listeners: new Set(), missing: new Set() });
}

/** The module, if this page has it. If it knows how to load it, that begins: listen with `onModule`. */
export function optionalModule<N extends ModuleName>(name: N): Modules[N] | undefined {
  const { loaded, loading, loaders, missing } = page();
  const loader = loaders?.[name];
  if (loaded[name] || loading[name]) return loaded[name];
  if (loader) void load(name, loader);
  else for (const ask of [...missing]) ask(name);
  return undefined;
}

/** The page's own renderers, if it has any: nobody can send them. */
export function richModule(): RichModule | undefined {
  return page().loaded.rich;
}

/** The names of the modules this page has, or has as soon as they are needed. */
export function moduleNames(): string[] {
  const { loaded, loading, loaders } = page();
  return Object.keys({ ...loaded, ...loaders, ...loading });
}

/** Call `listener` whenever a module has arrived; the result ends that. */
export function onModule(listener: () => void): () => void {
  const { listeners } = page();
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Call `ask` with the name of a module that a text needs and that is nowhere to be had; the result ends that. */
export function onMissing(ask: (name: ModuleName) => void): () => void {
  const { missing } = page();
  missing.add(ask);
  return () => missing.delete(ask);
}

/** Import a module from its source, unless this page has it. */
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

/** From now on, load modules in this way when they are first needed. */
export function provideLoaders(loaders: Loaders): void {
  page().loaders = loaders;
}

/** From now on, call `adds` with each text that is drawn and complete, whoever draws it in this page. */
export function provideDecoration(adds: Decorate): void {
  page().decorate = adds;
}

/** Let the host add to the text in `root`, if it does. */
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

/** Make a module known to the page. */
export function provideModule<N extends ModuleName>(name: N, module: Modules[N]): void {
  page().loaded[name] = module;
  for (const listener of [...page().listeners]) listener();
}
