// Files for the person.

/** Let the browser save `content` as a file named after `title`. */
export function download(content: Blob, title: string, ending: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = `${fileName(title)}.${ending}`;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** A title as the name of a file. */
function fileName(title: string): string {
  return (
    title
      .replace(/[^\p{L}\p{N} ._-]+/gu, "")
      .trim()
      .slice(0, 80) || "session"
  );
}
