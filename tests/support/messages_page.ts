/** docs/messages.md: its fields and schemas are made from the table of the code. `deno task flags` writes them. */
import { KINDS } from "../../bus/message_fields.ts";
import { messageSchemas } from "../../bus/message_schemas.ts";

export const MESSAGES_PAGE: URL = new URL("../../docs/messages.md", import.meta.url);

function fieldsOf(name: string): string {
  const { about, fields } = KINDS[name as keyof typeof KINDS];
  const rows = Object.entries(fields).map(([field, [{ expected }, meaning]]) => {
    const isOptional = field.endsWith("?");
    return `| \`${field.replace("?", "")}\` | ${expected} | ${
      isOptional ? "may be missing" : "needed"
    } | ${meaning} |`;
  });
  return [about, "", "| field | holds | | meaning |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

/** The page with its parts made anew; what people wrote between them stays. */
export function withFields(page: string): string {
  const schema = JSON.stringify(messageSchemas(), null, 2);
  return page
    .replace(
      /(^## `(\w+)`\n\n<!-- deno-fmt-ignore-start -->\n)[\s\S]*?(\n<!-- deno-fmt-ignore-end -->)/gm,
      (_, head, name, end) => `${head}${fieldsOf(name)}${end}`,
    )
    .replace(
      /(<!-- deno-fmt-ignore -->\n```json\n)\{\n {2}"\$schema[\s\S]*?\n(```)/,
      (_, head, end) => `${head}${schema}\n${end}`,
    );
}

if (import.meta.main) {
  Deno.writeTextFileSync(MESSAGES_PAGE, withFields(Deno.readTextFileSync(MESSAGES_PAGE)));
}
