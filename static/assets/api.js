// An answer is {status, body, problem, retryAfter, time}. Status 0 means that none came, body is
// null when it was not JSON, and nothing throws.

const TIMEOUT = 15000; // the functions give up after 10 s
const LONGEST = 600000; // no answer, however wrong, sends a visitor away for longer
const PROBLEM = "urn:waiting-room:problem:";

export function makeApi(event, fetch) {
  async function call(url, options) {
    try {
      const response = await fetch(url, { signal: AbortSignal.timeout?.(TIMEOUT), ...options });
      const { status, headers } = response;
      const body = await response.json().catch(() => null);
      const problem = String(body?.type).replace(PROBLEM, "");
      const asked = 1000 * (headers.get("Retry-After") ?? body?.retry_after);
      const retryAfter = asked > 0 ? Math.min(asked, LONGEST) : 0;
      // A cached answer is as old as its Age says.
      const time = Date.parse(headers.get("Date")) + 1000 * headers.get("Age") || 0;
      return { status, body, problem, retryAfter, time };
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
