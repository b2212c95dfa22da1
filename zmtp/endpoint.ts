/**
 * Endpoint texts such as `tcp://127.0.0.1:5555`.
 *
 * @module
 */
import { AddressError } from "../base/errors.ts";
import { hostToBind } from "../base/host.ts";

/** Where to listen or to dial. */
export interface Endpoint {
  /** A name or an address without brackets. */
  readonly hostname: string;
  /** 0 to 65535; 0 only for listening: any free port. */
  readonly port: number;
}

/**
 * Reads the text of an endpoint to dial. Stricter than libzmq, which takes ports modulo 65536.
 *
 * @throws {AddressError} If it is not `tcp://host:port` with a port from 1 to 65535.
 */
export function parseEndpoint(text: string): Endpoint {
  return parse(text, false);
}

/**
 * Reads the text of an endpoint to listen on: `*` as host means all interfaces, `localhost` 127.0.0.1, `*` or 0 as port any free
 * one.
 *
 * @throws {AddressError} If it is not `tcp://host:port`.
 */
export function parseBindEndpoint(text: string): Endpoint {
  return parse(text, true);
}

/** The text of an endpoint, IPv6 addresses in brackets. */
export function formatEndpoint({ hostname, port }: Endpoint): string {
  return `tcp://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
}

const TCP = "tcp://";
const HOST_NAME =
  /^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$/;
/** The characters of an IPv6 address, and the name of an interface that may follow. */
const IPV6 = /^([0-9A-Fa-f:.]+)(%[A-Za-z0-9_.-]+)?$/;

function isIpv6(text: string): boolean {
  const address = IPV6.exec(text)?.[1];
  return address !== undefined && URL.canParse(`http://[${address}]`);
}

function parse(text: string, binding: boolean): Endpoint {
  const fail = (why: string): never => {
    throw new AddressError(
      `Cannot use address ${
        typeof text === "string" ? JSON.stringify(text) : String(text)
      }: ${why}; expected tcp://host:port, for example tcp://127.0.0.1:5555`,
    );
  };
  if (typeof text !== "string") return fail("it is no text");
  if (!text.startsWith(TCP)) return fail("it does not start with tcp://");
  if (text.includes(";")) return fail("a source address cannot be chosen");
  // The last colon: an IPv6 address has colons of its own.
  const colon = text.lastIndexOf(":");
  if (colon < TCP.length) return fail("the port is missing");
  return { hostname: host(text.slice(TCP.length, colon)), port: port(text.slice(colon + 1)) };

  function host(name: string): string {
    if (name === "*") return binding ? "0.0.0.0" : fail("* is no host to connect to");
    if (name.startsWith("[") && name.endsWith("]")) {
      const inner = name.slice(1, -1);
      return isIpv6(inner) ? inner : fail("the text in brackets is no IPv6 address");
    }
    if (name.includes(":")) return fail("an IPv6 address needs brackets");
    return HOST_NAME.test(name)
      ? binding ? hostToBind(name) : name
      : fail(name === "" ? "the host is missing" : "the host is no name or address");
  }

  function port(digits: string): number {
    if (binding && digits === "*") return 0;
    const value = Number(digits);
    if (!/^[0-9]{1,5}$/.test(digits) || value > 65_535) return fail("the port is no number from 0 to 65535");
    return value === 0 && !binding ? fail("port 0 cannot be connected to") : value;
  }
}
