// Downloads files that were made in the page.

/** Download `content` as a file named after `title`. */
export function download(content: Blob, title: string, extension: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = `${fileName(title)}.${extension}`;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Make a file name from a title. */
function fileName(title: string): string {
  return (
    title
      .replace(/[^\p{L}\p{N} ._-]+/gu, "")
      .trim()
      .slice(0, 80) || "session"
  );
}
