// An answer is {status, body, problem, retryAfter, time}. Status 0 means that none came, body is
// null when it was not JSON, and nothing throws.

const TIMEOUT = 15000; // the functions give up after 10 s
const LONGEST = 600000; // no answer, however wrong, sends a visitor away for longer
const PROBLEM = "urn:waiting-room:problem:";

// A Retry-After is in seconds or a date of the server's clock.
function waitAsked(headers, body, time) {
  const asked = headers.get("Retry-After") ?? body?.retry_after;
  if (asked === undefined || asked === "") return 0;
  const wait = isNaN(asked) ? Date.parse(asked) - (time || Date.now()) : asked * 1000;
  return wait > 0 ? Math.min(wait, LONGEST) : 0;
}

export function makeApi(event, fetch) {
  async function call(url, options) {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout?.(TIMEOUT), ...options });
      const body = await response.json().catch(() => null);
      // A cached answer is as old as its Age says.
      const { headers } = response;
      const time = Date.parse(headers.get("Date")) + 1000 * (headers.get("Age") ?? 0) || 0;
      return {
        status: response.status,
        body,
        problem: String(body?.type ?? "").replace(PROBLEM, ""),
        retryAfter: waitAsked(headers, body, time),
        time,
      };
    } catch {
      return { status: 0, body: null, problem: "", retryAfter: 0, time: 0 };
    }
  }

  const post = (operation, body) => call(`/v1/events/${event}/${operation}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });

  return {
    status: () => call(`/status/${event}.json`, { cache: "no-store" }),
    // A seal is cached for a year: a broken one has to be asked for past the cache.
    seal: (run, cohort, again) =>
      call(`/seals/${event}/${run}/${cohort}.json`, { cache: again ? "reload" : "default" }),
    join: (secret) => post("join", { secret }),
    admit: (ticket) => post("admit", { ticket }),
  };
}
