/**
 * The routes of an archive.
 *
 * @module
 */
import type { Route } from "../route.ts";
import { listEvents, screenshot, starEvent } from "./events.ts";
import { exportSession } from "./export.ts";
import { listMessages, oneMessage } from "./messages.ts";
import { goTo, stateAt, timeline } from "./moments.ts";
import { addNote, changeNote, deleteNote, listNotes } from "./notes.ts";
import { changeRecording, recording } from "./recording.ts";
import { beginReplay, changeReplay, endReplay, replayStatus, stepReplay } from "./replay.ts";
import { beginSession, changeSession, deleteSession, listSessions, oneSession } from "./sessions.ts";

/** By path; `{id}` is a session, `{seq}` a message of it. */
export const SESSION_ROUTES: readonly (readonly [path: string, route: Route])[] = [
  ["/sessions", { name: "sessions", methods: { GET: listSessions, HEAD: listSessions, POST: beginSession } }],
  ["/sessions/{id}", {
    name: "session",
    methods: { GET: oneSession, HEAD: oneSession, PATCH: changeSession, DELETE: deleteSession },
  }],
  ["/sessions/{id}/events", { name: "session-events", methods: { GET: listEvents, HEAD: listEvents } }],
  ["/sessions/{id}/events/{seq}", { name: "session-events", methods: { PATCH: starEvent } }],
  ["/sessions/{id}/events/{seq}/screenshot", {
    name: "session-screenshot",
    methods: { GET: screenshot, HEAD: screenshot },
  }],
  ["/sessions/{id}/messages", {
    name: "session-messages",
    methods: { GET: listMessages, HEAD: listMessages },
  }],
  ["/sessions/{id}/messages/{seq}", {
    name: "session-messages",
    methods: { GET: oneMessage, HEAD: oneMessage },
  }],
  ["/sessions/{id}/notes", {
    name: "session-notes",
    methods: { GET: listNotes, HEAD: listNotes, POST: addNote },
  }],
  ["/sessions/{id}/notes/{note}", {
    name: "session-notes",
    methods: { PATCH: changeNote, DELETE: deleteNote },
  }],
  ["/sessions/{id}/timeline", { name: "session-timeline", methods: { GET: timeline, HEAD: timeline } }],
  ["/sessions/{id}/state", { name: "session-state", methods: { GET: stateAt, HEAD: stateAt } }],
  ["/sessions/{id}/goto", { name: "session-goto", methods: { POST: goTo } }],
  ["/sessions/{id}/export", { name: "session-export", methods: { GET: exportSession } }],
  ["/recording", {
    name: "recording",
    methods: { GET: recording, HEAD: recording, PATCH: changeRecording },
  }],
  ["/replay", {
    name: "replay",
    methods: {
      GET: replayStatus,
      HEAD: replayStatus,
      POST: beginReplay,
      PATCH: changeReplay,
      DELETE: endReplay,
    },
  }],
  ["/replay/step", { name: "replay", methods: { POST: stepReplay } }],
];
