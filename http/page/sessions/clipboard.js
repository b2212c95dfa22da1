// Copies a text, and says on the button whether it could.

/** The text goes to the clipboard; `node` shows for a moment what became of it. */
export async function copyText(text, node) {
  const before = node.textContent;
  let result = "Copied";
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    result = "The browser does not allow it";
  }
  node.textContent = result;
  setTimeout(() => node.textContent = before, 1500);
}
