// Where several pages share a notebook, as with jupyter-collaboration, each has a copy of the same document, and what two of
// them replace at the same time is there twice afterwards. So one page writes, and the kernel says which; the others fold.

import type { ReadonlyPartialJSONObject } from "@lumino/coreutils";
import { SESSION_MIME } from "../../protocol/frames.ts";
import { connectedChats } from "../../store/chats.ts";
import type { KernelWatch } from "./kernel.ts";
import { ranBy } from "./live-views.ts";

/** Whether this page may change an output with that data. One that nobody is connected to stays as it is. */
export function writesOutput(kernel: KernelWatch, data: ReadonlyPartialJSONObject): boolean {
  if (!kernel.shared) return true;
  const { page } = kernel;
  if (page === null) return false;
  const session = data[SESSION_MIME] as { session_id?: string } | null | undefined;
  const store = connectedChats().get(session?.session_id ?? "");
  return page === ranBy(data) || (store?.page === page && store.writes(ranBy(data)));
}

/** Whether this page may change what the notebook says of itself. */
export function writesNotebook(kernel: KernelWatch): boolean {
  if (!kernel.shared) return true;
  return [...connectedChats().values()].some(
    (store) => store.page !== null && store.page === kernel.page && store.writes(undefined),
  );
}

/** Tell the kernel that this page goes: another one may write from now on. */
export function leave(kernel: KernelWatch): void {
  for (const store of connectedChats().values()) {
    if (store.page !== null && store.page === kernel.page) store.leave();
  }
}
