// The optional module "socket": a widget whose session is on a server. The page connects to the server directly; the kernel
// sends the address and tickets, which it gets with its token, and creates the outputs that the notebook saves.

import { onMissing } from "../modules.ts";
import { dataOf, type Frame } from "../protocol/frames.ts";
import { trans } from "../translation.ts";
import type { Kernel } from "../transport/comm.ts";
import { type Access, connect, Refused, type SocketTarget } from "../transport/socket.ts";
import type { Notebook } from "../transport/target.ts";

/** How long to wait for a ticket, in ms: the kernel requests it from the server, and may be busy. */
export const TICKET_WITHIN = 30_000;

/** Follow the session that `frame`, the first message of `kernel`, names. */
export function follow(kernel: Kernel, target: SocketTarget, frame: Frame): (frame: Frame | null) => void {
  const tickets = new Tickets(kernel);
  const requested = new Set<string>();
  const request = (name: string): void => {
    if (!requested.has(name)) kernel.post({ type: "module", payload: { name } });
    requested.add(name);
  };
  const url = dataOf(frame, "server")?.url ?? "";
  let enteredPage: string | null = null;
  const notebook: Notebook = {
    enter(page) {
      enteredPage = page;
      kernel.post({ type: "attach", payload: { epoch: null, after: 0, page } });
    },
    leave: (page) => kernel.post({ type: "leave", payload: { page } }),
    save: (payload) => kernel.post({ type: "save", payload }),
  };
  const ends = [onMissing(request), connect({ url, access: (fresh) => tickets.access(fresh), notebook }, target)];
  kernel.signal.addEventListener("abort", () => {
    for (const end of ends) end();
  });
  return (next) => {
    if (next === null) {
      tickets.kernelIsGone();
    } else if (dataOf(next, "module") || dataOf(next, "saved") || dataOf(next, "pages")) {
      if (dataOf(next, "pages")?.answer && enteredPage !== null) notebook.enter(enteredPage);
      target.notice(next);
      target.settled();
    } else {
      tickets.receive(next);
    }
  };
}

/** The tickets from the kernel. */
class Tickets {
  readonly #kernel: Kernel;
  #waiting: ((access: Access | Error) => void)[] = [];
  #last: { ticket: string; ends: number } | null = null;
  #gone = false;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** Request a ticket from the kernel. Rejects with an error whose message is shown to the person. */
  async access(fresh: boolean): Promise<Access> {
    if (this.#gone) return this.#withoutKernel();
    const answer = new Promise<Access | Error>((resolve) => this.#waiting.push(resolve));
    const busy = (): void => this.#answer(new Error(trans.__("The kernel is busy and sends no ticket.")));
    const late = setTimeout(busy, TICKET_WITHIN);
    this.#kernel.post({ type: "ticket", payload: { fresh } });
    const access = await answer;
    clearTimeout(late);
    if (access instanceof Error) throw access;
    return access;
  }

  /** Handle a `ticket` or `no_ticket` frame of the kernel. */
  receive(frame: Frame): void {
    const given = dataOf(frame, "ticket");
    if (given) {
      const expiresIn = given.expires_in ?? Number.POSITIVE_INFINITY;
      this.#last = { ticket: given.ticket, ends: performance.now() + expiresIn * 1000 };
      this.#answer({ ticket: given.ticket, expiresIn });
    }
    const none = dataOf(frame, "no_ticket");
    if (none) this.#answer(none.final ? new Refused(none.reason) : new Error(none.reason));
  }

  /** There are no new tickets from now on. The connection stays open, and the last ticket is used until it expires. */
  kernelIsGone(): void {
    this.#gone = true;
    if (this.#waiting.length > 0) {
      this.#withoutKernel().then(
        (access) => this.#answer(access),
        (error) => this.#answer(error),
      );
    }
  }

  async #withoutKernel(): Promise<Access> {
    const left = (this.#last?.ends ?? 0) - performance.now();
    if (this.#last === null || left <= 0) {
      throw new Refused(trans.__("The kernel is gone, so there are no new tickets. Run the cell again."));
    }
    return { ticket: this.#last.ticket, expiresIn: left / 1000 };
  }

  #answer(answer: Access | Error): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve(answer);
  }
}
