import { describe, expect, it } from "vitest";
import { type Attachment, contentOf, joinedBy, pastedFiles, readFiles, textOf } from "../../src/store/attachments.ts";

const PNG = "\x89PNG\r\n\x1a\n";
const MIB = 1024 * 1024;

function file(name: string, type: string, begin = "x", size = begin.length): File {
  const bytes = new Uint8Array(size);
  bytes.set(Array.from(begin, (character) => character.charCodeAt(0)));
  return new File([bytes], name, { type });
}

const known = (count: number, bytes = 1): Attachment[] =>
  Array.from({ length: count }, (_, number) => ({
    kind: "file",
    name: `${number}.txt`,
    mime: "text/plain",
    bytes,
    data: "eA==",
  }));

describe("an attached file", () => {
  it.each([
    ["a picture", file("plot.png", "image/png", PNG), "image", "image/png"],
    ["a picture under another's name", file("plot.png", "image/png", "\xff\xd8\xff"), "image", "image/jpeg"],
    ["a picture without a type", file("plot", "", "RIFF....WEBPVP8"), "image", "image/webp"],
    ["a text", file("a.csv", "text/csv;charset=utf-8", "a,b"), "file", "text/csv"],
    ["something unknown", file("a.bin", "", "\0\0"), "file", "application/octet-stream"],
  ])("is %s, by its content", async (_what, one, kind, mime) => {
    const { attached, refused } = await readFiles([one], []);
    expect(refused).toEqual([]);
    expect(attached).toMatchObject([{ kind, mime, name: one.name, bytes: one.size }]);
    expect(atob(attached[0]?.data ?? "")).toHaveLength(one.size);
  });

  it.each([
    ["an image of another type", file("scan.tiff", "image/tiff"), [], /“scan\.tiff” is image\/tiff: .*PNG, JPEG, GIF/],
    ["a drawing", file("a.svg", "image/svg+xml", "<svg/>"), [], /“a\.svg” is image\/svg\+xml/],
    ["no image at all", file("a.png", "image/png", "hello"), [], /“a\.png” is named as an image/],
    ["an image that is too large", file("a.png", "image/png", PNG, 5 * MIB + 1), [], /5\.1 MiB.*5 MiB/],
    ["a file that is too large", file("a.zip", "application/zip", "PK", 8 * MIB + 1), [], /8\.1 MiB.*8 MiB/],
    ["a file that does not fit", file("a.zip", "application/zip", "PK", MIB), known(1, 8 * MIB), /8\.9 MiB.*another/],
    ["nothing", file("a.txt", "text/plain", ""), [], /“a\.txt” is empty/],
    ["one too many", file("a.txt", "text/plain"), known(10), /10 attachments: “a\.txt”/],
  ])("is not %s, with a reason", async (_what, one, already, words) => {
    const { attached, refused } = await readFiles([one], already);
    expect(attached).toEqual([]);
    expect(refused).toEqual([expect.stringMatching(words)]);
  });

  it("may be as large as the limits", async () => {
    const image = file("a.png", "image/png", PNG, 5 * MIB);
    const { attached, refused } = await readFiles([image, file("b.bin", "", "x", 3 * MIB)], []);
    expect([attached.length, refused]).toEqual([2, []]);
  });

  it("is refused alone, and the others are attached", async () => {
    const files = [file("a.txt", "text/plain"), file("b.bmp", "image/bmp"), file("c.txt", "text/plain")];
    const { attached, refused } = await readFiles(files, []);
    expect(attached.map(({ name }) => name)).toEqual(["a.txt", "c.txt"]);
    expect(refused).toHaveLength(1);
  });

  it("is counted in one sentence if there are too many", async () => {
    const files = Array.from({ length: 14 }, (_, number) => file(`${number}`, "text/plain"));
    const { attached, refused } = await readFiles(files, []);
    expect(attached).toHaveLength(10);
    expect(refused).toEqual(["A message may have 10 attachments: 4 more were left out."]);
  });

  it("that cannot be read, such as a folder, is refused with a reason", async () => {
    const folder = file("folder", "", "x");
    folder.slice = () => {
      throw new Error("it cannot be read");
    };
    expect((await readFiles([folder], [])).refused).toEqual([expect.stringContaining("folder")]);
  });

  it("gets a unique name", async () => {
    const shots = [1, 2, 3].map(() => file("image.png", "image/png", PNG));
    const { attached } = await readFiles(shots, []);
    expect(attached.map(({ name }) => name)).toEqual(["image.png", "image (2).png", "image (3).png"]);
    expect(joinedBy(attached, attached.slice(0, 1)).at(-1)?.name).toBe("image (4).png");
  });
});

describe("pasted files", () => {
  const shot = file("image.png", "image/png", PNG);
  it.each([
    ["a picture alone", "", 1],
    ["files, with their names", "/home/me/image.png\r\n", 1],
    ["a table, with a picture of it", "a\tb\n1\t2", 0],
  ])("is %s", (_what, text, count) => {
    expect(pastedFiles([shot], text)).toHaveLength(count);
  });
});

describe("a message", () => {
  it("is a text if nothing is attached", () => {
    expect(contentOf("Why?", [])).toBe("Why?");
  });

  it("has the text first, if there is one, then the attachments", () => {
    const parts = [{ file: "data:text/plain;base64,eA==", name: "0.txt" }];
    expect(contentOf("Why?", known(1))).toEqual([{ text: "Why?" }, ...parts]);
    expect(contentOf(" ", known(1))).toEqual(parts);
    expect(textOf(contentOf("Why?", known(1)))).toBe("Why?");
  });
});
