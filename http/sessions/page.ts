/**
 * The Sessions page: static files, without data, like those of the live page.
 *
 * @module
 */
import { fileRoute, type PageFile, pageRoute, SCRIPT, STYLE } from "../live_page.ts";
import api from "../page/sessions/api.js" with { type: "text" };
import clipboard from "../page/sessions/clipboard.js" with { type: "text" };
import dialog from "../page/sessions/dialog.js" with { type: "text" };
import eventRow from "../page/sessions/event_row.js" with { type: "text" };
import events from "../page/sessions/events.js" with { type: "text" };
import notes from "../page/sessions/notes.js" with { type: "text" };
import people from "../page/sessions/people.js" with { type: "text" };
import picture from "../page/sessions/picture.js" with { type: "text" };
import plan from "../page/sessions/plan.js" with { type: "text" };
import recording from "../page/sessions/recording.js" with { type: "text" };
import replay from "../page/sessions/replay.js" with { type: "text" };
import sessionHead from "../page/sessions/session_head.js" with { type: "text" };
import sessionList from "../page/sessions/session_list.js" with { type: "text" };
import sessions from "../page/sessions/sessions.js" with { type: "text" };
import strip from "../page/sessions/strip.js" with { type: "text" };
import times from "../page/sessions/times.js" with { type: "text" };
import page from "../page/sessions/sessions.html" with { type: "text" };
import style from "../page/sessions/sessions.css" with { type: "text" };
import type { Route } from "../route.ts";

/** All that the page loads besides the files of the live page, under the paths it knows. */
export const SESSION_PAGE_FILES: readonly PageFile[] = [
  { path: "/monitor/sessions/sessions.css", text: style, contentType: STYLE },
  ...Object.entries({
    api,
    clipboard,
    dialog,
    event_row: eventRow,
    events,
    notes,
    people,
    picture,
    plan,
    recording,
    replay,
    session_head: sessionHead,
    session_list: sessionList,
    sessions,
    strip,
    times,
  }).map(([name, text]): PageFile => ({ path: `/monitor/sessions/${name}.js`, text, contentType: SCRIPT })),
];

/** The routes of the page and of its files. Pictures are fetched with the token, and shown from memory. */
export const SESSION_PAGE_ROUTES: readonly (readonly [path: string, route: Route])[] = [
  ["/monitor/sessions", pageRoute("page", page, "'self' blob:")],
  ...SESSION_PAGE_FILES.map(fileRoute),
];
