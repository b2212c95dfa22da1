/**
 * Curves as SVG, so that the picture in the documentation needs no other program.
 *
 * @module
 */

/** One curve. */
export interface Curve {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** One field of the picture; both axes are logarithmic, where a straight line of slope 1 is linear growth. */
export interface Panel {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly curves: readonly Curve[];
}

const WIDTH = 420;
const HEIGHT = 300;
const MARGIN = { left: 62, right: 16, top: 34, bottom: 46 };
/** From the end of one curve's name to that of the next. */
const LEGEND_STEP = 64;
/** Decades that an axis shows at least: a small change has to look small. */
const LEAST_DECADES = 1;
const COLOURS = ["#0b62a4", "#c4501b", "#3a7d34"];

/** Panels side by side, `columns` of them in a row. */
export function drawPanels(panels: readonly Panel[], columns: number): string {
  const rows = Math.ceil(panels.length / columns);
  const drawn = panels.map((panel, i) =>
    `<g transform="translate(${(i % columns) * WIDTH} ${Math.floor(i / columns) * HEIGHT})">${
      draw(panel)
    }</g>`
  );
  const [width, height] = [columns * WIDTH, rows * HEIGHT];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
    `font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#fff"/>\n${
      drawn.join("\n")
    }\n</svg>\n`;
}

function draw({ title, xLabel, yLabel, curves }: Panel): string {
  const points = curves.flatMap((curve) => curve.points);
  const x = scale(points.map(([x]) => x), MARGIN.left, WIDTH - MARGIN.right);
  const y = scale(points.map(([, y]) => y), HEIGHT - MARGIN.bottom, MARGIN.top);
  const parts = [`<text x="${MARGIN.left}" y="18" font-size="13" font-weight="bold">${escape(title)}</text>`];
  for (const tick of x.ticks) {
    parts.push(
      line([x.at(tick), MARGIN.top], [x.at(tick), HEIGHT - MARGIN.bottom]),
      `<text x="${round(x.at(tick))}" y="${HEIGHT - MARGIN.bottom + 15}" text-anchor="middle">${
        label(tick)
      }</text>`,
    );
  }
  for (const tick of y.ticks) {
    parts.push(
      line([MARGIN.left, y.at(tick)], [WIDTH - MARGIN.right, y.at(tick)]),
      `<text x="${MARGIN.left - 6}" y="${round(y.at(tick) + 4)}" text-anchor="end">${label(tick)}</text>`,
    );
  }
  parts.push(
    `<text x="${(MARGIN.left + WIDTH - MARGIN.right) / 2}" y="${HEIGHT - 10}" text-anchor="middle">${
      escape(xLabel)
    }</text>`,
    `<text transform="translate(14 ${HEIGHT / 2}) rotate(-90)" text-anchor="middle">${escape(yLabel)}</text>`,
  );
  curves.forEach((curve, i) => {
    const colour = COLOURS[i % COLOURS.length]!;
    const path = curve.points.map(([px, py]) => `${round(x.at(px))},${round(y.at(py))}`);
    parts.push(`<polyline points="${path.join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    for (const at of path) {
      const [cx, cy] = at.split(",");
      parts.push(`<circle cx="${cx}" cy="${cy}" r="3" fill="${colour}"/>`);
    }
    const right = WIDTH - MARGIN.right - LEGEND_STEP * (curves.length - 1 - i);
    parts.push(
      `<text x="${right}" y="18" text-anchor="end" fill="${colour}">${escape(curve.name)}</text>`,
    );
  });
  return parts.join("");
}

interface Scale {
  readonly ticks: readonly number[];
  at(value: number): number;
}

/** Around the values; ticks at 1, and at 2 and 5 where there is room. */
function scale(values: readonly number[], from: number, to: number): Scale {
  const [least, most] = [Math.log10(Math.min(...values)), Math.log10(Math.max(...values))];
  const spare = Math.max(0.08, (LEAST_DECADES - (most - least)) / 2);
  const [low, high] = [least - spare, most + spare];
  const steps = high - low > 2.2 ? [1] : [1, 2, 5];
  const ticks: number[] = [];
  for (let decade = Math.floor(low); decade <= Math.ceil(high); decade++) {
    for (const step of steps) {
      const value = step * 10 ** decade;
      if (Math.log10(value) >= low && Math.log10(value) <= high) ticks.push(value);
    }
  }
  return { ticks, at: (value) => from + (Math.log10(value) - low) / (high - low) * (to - from) };
}

function line([x1, y1]: readonly [number, number], [x2, y2]: readonly [number, number]): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="#ddd"/>`;
}

function label(value: number): string {
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(2))}M`;
  if (value >= 1e3) return `${Number((value / 1e3).toPrecision(2))}k`;
  return `${Number(value.toPrecision(2))}`;
}

function round(value: number): string {
  return value.toFixed(1);
}

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
