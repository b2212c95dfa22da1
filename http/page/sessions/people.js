// The applications of a session and their instances: a badge for each, with a number where an application has several.

import { element, hueOf } from "../dom.js";

/** Instance → application and number. */
let known = new Map();
let applications = [];

/** Takes what the plan of the last moment tells: all instances, in the order of their first events. */
export function setInstances(instances) {
  known = new Map();
  const counts = new Map();
  for (const { instance, application } of instances) {
    const number = (counts.get(application) ?? 0) + 1;
    counts.set(application, number);
    known.set(instance, { application, number });
  }
  applications = [...counts.keys()].filter((name) => name !== "").sort();
  return counts;
}

export const applicationNames = () => applications;

/** The number of an instance; undefined when its application has one only. */
function numberOf(instance) {
  const own = known.get(instance);
  if (own === undefined) return undefined;
  const isOne = ![...known.values()].some((other) => other !== own && other.application === own.application);
  return isOne ? undefined : own.number;
}

/** The name of a program without its folder and its ending. */
const nameOf = (application) =>
  application === "" ? "?" : application.replace(/^.*[\\/]/, "").replace(/\.\w+$/, "");

/** What stands for an application: the beginning of its name in its colour, and the number of the instance. */
export function badge(application, instance) {
  const name = nameOf(application);
  const number = numberOf(instance);
  const made = element("span", "badge");
  made.style.setProperty("--hue", hueOf(name));
  made.title = `${name}${number === undefined ? "" : `, instance ${number}`}${
    instance === null ? "" : ` (${instance})`
  }`;
  made.append(element("bdi", "", name));
  if (number !== undefined) made.append(element("b", "", String(number)));
  return made;
}
