// Pictures of events. With a token they cannot be loaded by their address, so all are fetched, and only when they come into view.

import { element } from "../dom.js";
import { askBlob } from "../gateway.js";

const DEADLINE_MS = 15_000;
/** Addresses of pictures that are shown, to be given back. */
const addresses = new WeakMap();

const observer = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    observer.unobserve(target);
    load(target);
  }
});

async function load(image) {
  try {
    const blob = await askBlob(image.dataset.path, DEADLINE_MS);
    const address = URL.createObjectURL(blob);
    addresses.set(image, address);
    image.src = address;
    await image.decode();
  } catch {
    const note = element("span", "note", "The picture cannot be shown.");
    dropPicture(image);
    image.replaceWith(note);
  }
}

/** The picture of an event. */
export function picture(session, seq, description) {
  const image = element("img", "picture");
  image.alt = description;
  image.dataset.path = `/sessions/${session}/events/${seq}/screenshot`;
  image.width = image.height = 128;
  observer.observe(image);
  return image;
}

/** It is shown no more. */
export function dropPicture(image) {
  observer.unobserve(image);
  const address = addresses.get(image);
  if (address !== undefined) URL.revokeObjectURL(address);
  addresses.delete(image);
}
