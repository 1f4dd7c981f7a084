// Pages that share a notebook, as with jupyter-collaboration, have copies of the same document, and an output that two of
// them replace at the same time exists twice afterwards. So only one page writes, which the kernel chooses.

import type { ReadonlyPartialJSONObject } from "@lumino/coreutils";
import { SESSION_MIME } from "../../protocol/frames.ts";
import { connectedChats } from "../../store/chats.ts";
import type { KernelWatch } from "./kernel.ts";
import { ranBy } from "./live-views.ts";

/** Whether this page may change an output with this data. An output without a connected chat is not changed. */
export function writesOutput(kernel: KernelWatch, data: ReadonlyPartialJSONObject): boolean {
  if (!kernel.shared) return true;
  const { page } = kernel;
  if (page === null) return false;
  const session = data[SESSION_MIME] as { session_id?: string } | null | undefined;
  const store = connectedChats().get(session?.session_id ?? "");
  return page === ranBy(data) || (store?.page === page && store.writes(ranBy(data)));
}

/** Whether this page may change the metadata of the notebook. */
export function writesNotebook(kernel: KernelWatch): boolean {
  if (!kernel.shared) return true;
  return [...connectedChats().values()].some(
    (store) => store.page !== null && store.page === kernel.page && store.writes(undefined),
  );
}

/** Notify the kernel that this page leaves, so that another one writes. */
export function leave(kernel: KernelWatch): void {
  for (const store of connectedChats().values()) {
    if (store.page !== null && store.page === kernel.page) store.leave();
  }
}
