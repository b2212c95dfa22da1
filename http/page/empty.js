// What to do as long as there is no message: commands that send one, with the addresses of this bus.

import { button, byId, copyText, element } from "./dom.js";
import { whereIsBus } from "./entry_body.js";
import { SNIPPETS, terminalCommand } from "./snippets.js";

const TEXT = '{"type":"subject","subject":119}';

function example(title, text) {
  const figure = element("figure", "command");
  const copy = button("copy", "Copy");
  copy.setAttribute("aria-label", `Copy what is for ${title}`);
  copy.addEventListener("click", () => copyText(text, copy));
  const caption = element("figcaption", "", title);
  const code = element("pre", "", text);
  code.tabIndex = 0;
  code.setAttribute("role", "region");
  code.setAttribute("aria-label", title);
  caption.append(copy);
  figure.append(caption, code);
  return figure;
}

export async function startEmpty() {
  const where = await whereIsBus();
  const examples = [
    ["a terminal in the folder of the broker", terminalCommand(TEXT, where)],
    ["curl", SNIPPETS.curl(TEXT, where)],
    ["Python", SNIPPETS.Python(TEXT, where)],
    ["a web page or Deno", SNIPPETS.JavaScript(TEXT, where)],
  ].filter(([, text]) => text !== undefined);
  byId("empty-more").append(
    element("p", "", "Send one with the form on this page, or from"),
    ...examples.map(([title, text]) => example(title, text)),
  );
}
