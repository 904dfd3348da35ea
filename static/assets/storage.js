// What the browser keeps for an event: {run, secret, ticket, cohort, shard, seq, outcome, renewed}.
// outcome is "admitted", "turn-expired", "pass-expired" or "refused"; renewed is set when a refused
// ticket was replaced.

const SECRET = /^[A-Za-z0-9_-]{22,43}$/;

export const storageKey = (event) => `waiting-room:${event}`;

// Others write to storage too, and half a record would wait for ever.
function isWhole({ run, secret, ticket, cohort, shard, seq }) {
  return (!secret || (run && SECRET.test(secret))) &&
    (!ticket || (secret && [cohort, shard, seq].every(Number.isSafeInteger)));
}

// makeRecord uses the storage that open() returns, which tabs share. A browser may deny it at any
// time: then kept turns false and the record lives as long as the page.
export function makeRecord(event, open) {
  const key = storageKey(event);
  let last = "{}";

  const record = {
    kept: true,

    read() {
      try {
        // Someone who clears the storage under an open page does not lose the place.
        if (record.kept) last = open().getItem(key) ?? last;
      } catch {
        record.kept = false;
      }
      try {
        const mine = JSON.parse(last);
        return isWhole(mine) ? mine : {};
      } catch {
        return {};
      }
    },

    write(mine) {
      last = JSON.stringify(mine);
      try {
        open().setItem(key, last);
      } catch {
        record.kept = false;
      }
    },
  };
  return record;
}

export function makeSecret() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
