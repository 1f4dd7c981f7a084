// A transcript as a file. The server writes it, of what the page has: it masks secrets, and one writer serves all.

import type { ServerConnection } from "@jupyterlab/services";
import { dataOf } from "../protocol/frames.ts";
import { fileOf, type SavedSession } from "../store/snapshot.ts";
import { download } from "./download.ts";
import { ENDINGS, type ExportFormat } from "./formats.ts";
import { SessionsApi } from "./sidebar/api.ts";

/** Let the person have the session as a file. Rejects with a sentence if the server does not write it. */
export async function exportSession(
  session: SavedSession,
  format: ExportFormat,
  server: ServerConnection.ISettings,
): Promise<void> {
  const file = fileOf(session);
  const content =
    format === "json"
      ? new Blob([JSON.stringify(file)], { type: "application/json" })
      : await new SessionsApi(server).convert(file, format);
  const title = session.events.map((event) => dataOf(event, "session_info")?.title).findLast(Boolean);
  download(content, title ?? session.sessionId, ENDINGS[format]);
}
