/** Why a request failed (RFC 9457). */
export interface WeftProblem {
  /** What kind of failure: `urn:weft:problem:bad-request`. */
  type: string;
  title: string;
  status: number;
  detail?: string;
  instance?: string;
  /** The call that failed. */
  call?: string;
  /** The failure as a gRPC code: `NOT_FOUND`. */
  code?: string;
  /** Every input that is wrong. */
  errors?: { parameter?: string; pointer?: string; detail: string }[];
  /** google.rpc details, where they are shown. */
  details?: { "@type": string; [member: string]: unknown }[];
  /** What to ask about. */
  trace_id?: string;
  [member: string]: unknown;
}

/** Thrown where a request failed: an answer of 400 and above. */
export class WeftError extends Error {
  constructor(
    readonly problem: WeftProblem,
    readonly status: number,
    readonly headers: Headers,
  ) {
    super(problem.detail ? `${problem.title}: ${problem.detail}` : problem.title);
    this.name = "WeftError";
  }
}

/** What a response does without, and why. */
export interface Degraded {
  /** The call that failed. */
  call: string;
  /** The failure as a gRPC code: `DEADLINE_EXCEEDED`. */
  code: string;
}

/** An answer. */
export interface WeftResponse<T> {
  data: T;
  status: number;
  headers: Headers;
  /** What is missing; empty where nothing is. */
  degraded: Degraded[];
}

/** What is left of an answer where fields were chosen. */
export type Chosen<T> = T extends readonly (infer E)[]
  ? Chosen<E>[]
  : T extends object
    ? { [K in keyof T]?: Chosen<T[K]> }
    : T;

/** How a client is made. */
export interface ClientOptions {
  /** Where the API is: `https://api.example`. */
  baseUrl: string;
  /** In place of the global `fetch`. */
  fetch?: typeof fetch;
  /** Sent with each request; a function is asked each time. */
  headers?: HeadersInit | (() => HeadersInit | Promise<HeadersInit>);
}

/** How one request is made. */
export interface RequestOptions {
  signal?: AbortSignal;
  /** Sent beside the client's own. */
  headers?: HeadersInit;
}

type Scalar = string | number | bigint | boolean;

interface Parts {
  query?: Record<string, Scalar | readonly Scalar[] | null | undefined>;
  headers?: Record<string, Scalar | null | undefined>;
  json?: unknown;
  raw?: BodyInit | undefined;
  wantsBlob?: boolean;
}

/** One segment of a path. A segment that URLs give another meaning would ask for another path. */
function segment(value: Scalar): string {
  const text = String(value);
  if (text === "" || text === "." || text === "..") {
    throw new RangeError(`"${text}" cannot be a segment of a path`);
  }
  return encodeURIComponent(text);
}

/** Several segments, with the slashes between them. */
function segments(value: Scalar): string {
  return String(value).split("/").map(segment).join("/");
}

/** An RFC 9651 list of calls, each with the reason. */
function degraded(header: string | null): Degraded[] {
  return (header ?? "")
    .split(",")
    .map((item) => item.trim().split(";"))
    .filter(([call]) => call)
    .map(([call, ...parameters]) => ({
      call: call ?? "",
      code: parameters.map((it) => it.trim()).find((it) => it.startsWith("code="))?.slice(5) ?? "UNKNOWN",
    }));
}

async function problem(response: Response): Promise<WeftProblem> {
  const unsaid = { type: "about:blank", title: response.statusText || `HTTP ${response.status}`, status: response.status };
  if (!(response.headers.get("content-type") ?? "").startsWith("application/problem+json")) {
    return unsaid;
  }
  return response.json().catch(() => unsaid);
}

function caller(options: ClientOptions) {
  const baseUrl = options.baseUrl.replace(/\/+$/, "");
  return async function call<T>(method: string, path: string, parts: Parts, init?: RequestOptions): Promise<WeftResponse<T>> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(parts.query ?? {})) {
      for (const one of Array.isArray(value) ? value : [value]) {
        if (one !== undefined && one !== null) query.append(name, String(one));
      }
    }
    const common = typeof options.headers === "function" ? await options.headers() : options.headers;
    const headers = new Headers(common);
    for (const [name, value] of Object.entries(parts.headers ?? {})) {
      if (value !== undefined && value !== null) headers.set(name, String(value));
    }
    new Headers(init?.headers).forEach((value, name) => headers.set(name, value));
    const request: RequestInit = { method, headers };
    if (init?.signal) request.signal = init.signal;
    if (parts.json !== undefined) {
      if (!headers.has("content-type")) headers.set("content-type", "application/json");
      request.body = JSON.stringify(parts.json);
    } else if (parts.raw !== undefined) {
      request.body = parts.raw;
    }
    const search = query.toString();
    const response = await (options.fetch ?? fetch)(baseUrl + path + (search ? `?${search}` : ""), request);
    if (response.status >= 400) {
      throw new WeftError(await problem(response), response.status, response.headers);
    }
    const empty = method === "HEAD" || response.status === 204 || response.status === 205 || response.status === 304;
    const data = empty ? null : parts.wantsBlob ? await response.blob() : await response.json();
    return {
      data: data as T,
      status: response.status,
      headers: response.headers,
      degraded: degraded(response.headers.get("weft-degraded")),
    };
  };
}
