// How many messages came while nobody looked: in the title, which is all that is seen of a tab in the background.

const TITLE = document.title;
const DRAW_MS = 1000;
let unread = 0;
let drawn = 0;

/** A message came. */
export function countUnread() {
  if (document.hidden) unread += 1;
}

function draw() {
  if (unread === drawn) return;
  drawn = unread;
  document.title = unread === 0 ? TITLE : `(${unread > 9999 ? "9999+" : unread}) ${TITLE}`;
}

export function startUnread() {
  setInterval(draw, DRAW_MS);
  document.addEventListener("visibilitychange", () => {
    unread = 0;
    draw();
  });
}
