// State of the page. Each widget imports its own copy of this code, perhaps of another version; the copies share one object.

const KEY = Symbol.for("reasoning-widget");

/** The state that all copies share. `defaults` adds the properties that no copy has set yet. */
export function pageWide<T extends object>(defaults: T): T {
  const shared = globalThis as { [KEY]?: Partial<T> };
  shared[KEY] = Object.assign(shared[KEY] ?? {}, { ...defaults, ...shared[KEY] });
  return shared[KEY] as T;
}
