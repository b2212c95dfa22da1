/**
 * The rooms of the house with their arrows, drawn from the imports: a stair, since each arrow leads down.
 * As a program it writes docs/house.svg.
 */
import { readHouse, roomOf, type ROOMS, type Source } from "./imports.ts";

/** From the top of the stair to its foot, each with what a visitor should know. */
const STEPS: readonly (readonly [room: typeof ROOMS[number], title: string, about: string])[] = [
  ["", "doors", "mod broker client http"],
  ["programs", "programs/", "command lines, their log"],
  ["archive", "archive/", "recording and replay"],
  ["backbone", "backbone/", "many machines, over NATS"],
  ["http", "http/", "the web; knows no ZeroMQ"],
  ["bus", "bus/", "messages and their order"],
  ["zmtp", "zmtp/", "bytes on the wire"],
  ["base", "base/", "errors, options, waits"],
];

const BOX = { width: 190, height: 44 };
/** From one step to the next. */
const STEP = { x: 110, y: 66 };
const MARGIN = 10;
/** Between two arrows that end at the same room. */
const LANE = 14;
/** From the end of the shorter box above to the first arrow. */
const FIRST_LANE = 10;

/** The picture, as SVG. */
export function housePicture(sources: readonly Source[]): string {
  const steps = STEPS.filter(([room]) => sources.some(({ file }) => roomOf(file) === room));
  const files = new Set(sources.map(({ file }) => file));
  const arrows = new Set(
    sources.flatMap(({ file, imports }) =>
      imports.filter(({ target }) => files.has(target)).map(({ target }) =>
        `${roomOf(file)}>${roomOf(target)}`
      )
    ),
  );
  const boxes = steps.map(([, title, about], i) => {
    const [x, y] = [MARGIN + i * STEP.x, MARGIN + i * STEP.y];
    return `<rect class="room" x="${x}" y="${y}" width="${BOX.width}" height="${BOX.height}" rx="4"/>` +
      `<text class="name" x="${x + 10}" y="${y + 18}">${title}</text>` +
      `<text x="${x + 10}" y="${y + 35}">${about}</text>`;
  });
  const lines = steps.flatMap(([to], j) => {
    const from = steps.slice(0, j).map(([room], i) => ({ room, i })).filter(({ room }) =>
      arrows.has(`${room}>${to}`)
    );
    // The nearest one takes the first lane, so that no two arrows to the same room cross.
    return from.reverse().map(({ i }, lane) => {
      const right = MARGIN + i * STEP.x + BOX.width;
      const y = MARGIN + i * STEP.y + BOX.height / 2 + (j - i - 1) * 5 - 8;
      const x = MARGIN + (j - 1) * STEP.x + BOX.width + FIRST_LANE + lane * LANE;
      return `<path d="M${right} ${y}H${x}V${MARGIN + j * STEP.y - 7}" marker-end="url(#tip)"/>`;
    });
  });
  const width = 2 * MARGIN + (steps.length - 1) * STEP.x + BOX.width;
  const height = 2 * MARGIN + (steps.length - 1) * STEP.y + BOX.height;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="12">
<title>The rooms of the house; each arrow is an import</title>
<style>
svg { background: #fff; color: #1d2733; }
text { fill: currentColor; }
.name { font-weight: bold; font-size: 14px; }
.room { fill: #eef3f8; stroke: #6b7d90; }
path { fill: none; stroke: #41566b; }
#tip path { fill: #41566b; stroke: none; }
</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="1" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>
${[...lines, ...boxes].join("\n")}
</svg>
`;
}

if (import.meta.main) {
  const root = new URL("../../", import.meta.url);
  Deno.writeTextFileSync(new URL("docs/house.svg", root), housePicture(readHouse(root)));
}
