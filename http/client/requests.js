// How a gateway is asked: with the token where one is needed, and never for longer than a deadline.

/**
 * Like `fetch` of a path below `gateway.base`. The deadline covers the body too. Browsers open six connections to one host for all
 * tabs together, so a question without an end would in time stop them all.
 */
export function ask(gateway, path, deadlineMs, init = {}) {
  return request(gateway, path, deadlineMs, init, async (response) => ({ text: await response.text() }));
}

/** The same for what is no text. */
export function askBlob(gateway, path, deadlineMs, init = {}) {
  return request(gateway, path, deadlineMs, init, async (response) => ({ blob: await response.blob() }));
}

async function request({ base, token }, path, deadlineMs, init, read) {
  const headers = { ...init.headers, ...(token === "" ? {} : { authorization: `Bearer ${token}` }) };
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), deadlineMs);
  try {
    const response = await fetch(base + path, {
      ...init,
      headers,
      cache: "no-store",
      signal: controller.signal,
    });
    return { status: response.status, isOk: response.ok, ...await read(response) };
  } finally {
    clearTimeout(timer);
  }
}

/** A WebSocket cannot send headers: its token stands among the subprotocols. */
export function openSocket({ base, token }, path, protocol) {
  const url = new URL(base + path);
  url.protocol = url.protocol.replace("http", "ws");
  const bearer = btoa(token).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return new WebSocket(url, token === "" ? [protocol] : [protocol, `bearer.${bearer}`]);
}
