// Pictures in messages: members that are a PNG in base64, such as the screenshot of a log.

import { partsAfter } from "../client/json_parts.js";
import { element, sizeText } from "./dom.js";

const PNG = "iVBORw0KGgo";
const DATA_URL = "data:image/png;base64,";
const MAX_MEMBERS = 100;
const MAX_PICTURES = 4;
/** A small file may unfold into a picture that takes all memory. */
const MAX_PIXELS = 40_000_000;

/** The pictures of a message, as elements. */
export function picturesOf(text) {
  const pictures = [];
  const start = text.search(/\S/);
  if (text[start] !== "{" || !text.includes(PNG)) return pictures;
  for (const { key, start: at, end } of partsAfter(text, start, MAX_MEMBERS).parts) {
    if (text[at] !== '"' || pictures.length === MAX_PICTURES) continue;
    const isPicture = text.startsWith(PNG, at + 1) || text.startsWith(DATA_URL + PNG, at + 1);
    if (isPicture) pictures.push(pictureOf(JSON.parse(key), JSON.parse(text.slice(at, end))));
  }
  return pictures.filter((picture) => picture !== undefined);
}

function pictureOf(name, value) {
  const base64 = value.replace(DATA_URL, "").replace(/\s+/g, "");
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined;
  const size = sizeOf(base64);
  if (size === undefined) return undefined;
  const { width, height } = size;
  const figure = element("figure", "picture");
  const caption = `${name}, ${width} × ${height} pixels, ${
    sizeText(Math.floor(base64.replace(/=+$/, "").length * 0.75), "B")
  }`;
  if (width * height > MAX_PIXELS) {
    figure.append(element("figcaption", "", `${caption}: too large to be shown here`));
    return figure;
  }
  const image = element("img");
  image.alt = `Picture in the message: ${name}`;
  image.width = width;
  image.height = height;
  image.decoding = "async";
  image.addEventListener("error", () => image.replaceWith(element("p", "note", "This picture is broken.")));
  image.src = DATA_URL + base64;
  figure.append(image, element("figcaption", "", caption));
  return figure;
}

/** What the header of the file says. */
function sizeOf(base64) {
  try {
    const head = Uint8Array.from(atob(base64.slice(0, 44)), (char) => char.charCodeAt(0));
    const view = new DataView(head.buffer);
    return { width: view.getUint32(16), height: view.getUint32(20) };
  } catch {
    return undefined;
  }
}
