// Exports a transcript as a file. The server converts what the page has, because it masks secrets and has all the formats.

import type { ServerConnection } from "@jupyterlab/services";
import { dataOf } from "../protocol/frames.ts";
import { fileOf, type SavedSession } from "../store/snapshot.ts";
import { download } from "./download.ts";
import { EXTENSIONS, type ExportFormat } from "./formats.ts";
import { SessionsApi } from "./sidebar/api.ts";

/** Download the session as a file. Rejects with an error to be shown if the server cannot convert it. */
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
  download(content, title ?? session.sessionId, EXTENSIONS[format]);
}
