// "How is my place decided?": the draw of the place, done again in this browser.
import { placeOf } from "./room.js";

const HEX = /^[0-9a-f]{64}$/;

const bytesOf = (hex) => Uint8Array.from(hex.match(/../g), (byte) => parseInt(byte, 16));
const hexOf = (buffer) =>
  Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");

function named(name) {
  const bytes = new TextEncoder().encode(name);
  return [bytes.length >> 8, bytes.length & 255, ...bytes];
}

function numbered(n) {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(n));
  return [...bytes];
}

// keyFits says whether a run's draw key, which is published when it is closed, is the one that was
// committed to and gives the seal's seed. docs/check-a-draw.md has the bytes.
export async function keyFits(drawKey, commit, { event, run, cohort, counts, seed }) {
  if (!HEX.test(drawKey)) return false;
  const { subtle } = crypto;
  const key = bytesOf(drawKey);
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const message = [...named(event), ...named(run), ...[cohort, ...counts].flatMap(numbered)];
  const signer = await subtle.importKey("raw", key, algorithm, false, ["sign"]);
  return hexOf(await subtle.digest("SHA-256", key)) === commit &&
    hexOf(await subtle.sign("HMAC", signer, new Uint8Array(message))) === seed;
}

// evidence is all that somebody else needs to check the place. The secret and the ticket are not in
// it: they are the place.
export function evidence({ status, mine, seal, position }, event) {
  const { commit, draw_key } = status;
  const { run, cohort, shard, seq } = mine;
  return { event, run, commit, draw_key, seal, ticket: { cohort, shard, seq }, position };
}

// judge gives the words keys of what is true of a drawn place, and the place as worked out here,
// which is null where the seal gives none.
export async function judge(view, event) {
  const { status, mine, seal, position } = view;
  const place = await placeOf(mine, seal, event, mine.run).catch(() => null);
  const said = [place === position ? "how.match" : "how.mismatch"];
  if (!status.draw_key) said.push("how.later");
  else if (place !== null) {
    said.push(await keyFits(status.draw_key, status.commit, seal) ? "how.proven" : "how.broken");
  }
  return { place, said };
}

const make = (name, ...content) => {
  const element = document.createElement(name);
  element.append(...content);
  return element;
};

// Hexadecimal and the names of fields read from left to right in every language.
function code(written) {
  const element = make("code", written);
  element.dir = "ltr";
  return element;
}

function table({ status, mine, seal }, place, { say, number }) {
  const before = seal.counts.slice(0, mine.shard).reduce((sum, count) => sum + count, 0);
  const facts = {
    "how.cohort": number(seal.cohort),
    "how.size": number(seal.size),
    "how.base": number(seal.base),
    "how.index": make("span", number(before + mine.seq), " ", code(`(shard ${mine.shard}, seq ${mine.seq})`)),
    "how.seed": code(seal.seed),
    "how.commit": code(status.commit ?? ""),
    "how.key": status.draw_key && code(status.draw_key),
    "how.place": number(place),
  };
  const rows = Object.entries(facts).filter(([, fact]) => fact);
  const list = make("dl", ...rows.map(([key, fact]) => make("div", make("dt", say(key)), make("dd", fact))));
  list.className = "facts";
  return list;
}

async function explain(view, context) {
  const { event, say } = context;
  const lead = make("p", say("how.lead"));
  if (view.state === "doubt") return [lead, make("p", say("doubt.lead"))];
  if (view.position === null) {
    const { commit } = view.status ?? {};
    return commit ? [lead, make("p", say("how.none")), make("p", code(commit))] : [lead];
  }
  const { place, said } = await judge(view, event);
  const drawn = place === null ? [] : [table(view, place, context)];
  return [lead, ...drawn, ...said.map((key) => make("p", say(key)))];
}

function copyButton({ say, announce }, written) {
  const button = make("button", say("how.copy"));
  const after = make("div");
  button.type = "button";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(written());
      after.replaceChildren(make("p", say("how.copied")));
      announce(say("how.copied"));
    } catch {
      // Where the clipboard is out of reach, it can be copied by hand.
      const field = make("textarea", written());
      Object.assign(field, { readOnly: true, rows: 8, dir: "ltr" });
      field.setAttribute("aria-label", say("how.copy"));
      after.replaceChildren(field);
      field.focus();
      field.select();
    }
  });
  return [button, after];
}

export function open(panel, context) {
  const body = make("div");
  let written = "";
  const [button, after] = copyButton(context, () => written);
  panel.replaceChildren(body, button, after);
  let shown;
  context.onView(async (view) => {
    const facts = view.seal ? JSON.stringify(evidence(view, context.event), null, 2) : "";
    const now = `${view.state === "doubt"} ${view.status?.commit} ${facts}`;
    if (now === shown) return;
    shown = now;
    const parts = await explain(view, context);
    if (now !== shown) return; // something newer is being worked out
    written = facts;
    button.hidden = after.hidden = !facts;
    body.replaceChildren(...parts);
  });
}
