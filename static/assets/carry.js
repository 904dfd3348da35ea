// "Continue on another device": the link that holds the place, and its QR code.

const TIMEOUT = 15000;
const QUIET = 4; // modules of white around a code
const SVG = "http://www.w3.org/2000/svg";

// readLink gives what the API wants to know of "#place=<run>.<secret>".
export function readLink(link) {
  const [, run, secret] = /^#place=([0-9a-f]{32})\.([\w-]{22,43})$/.exec(link);
  return { run, secret };
}

// readCode gives a code's {size, path}, and throws on anything that could not be one.
export function readCode({ size, path }) {
  const drawable = Number.isSafeInteger(size) && size >= 21 && size <= 177 &&
    typeof path === "string" && /^[Mhvz0-9 -]+$/i.test(path);
  if (!drawable) throw new Error("code: not drawable");
  return { size, path };
}

async function askCode(event, link) {
  const response = await fetch(`/v1/events/${event}/qr`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(readLink(link)),
    signal: AbortSignal.timeout?.(TIMEOUT),
  });
  if (response.status !== 200) throw new Error(`code: ${response.status}`);
  return readCode(await response.json());
}

function draw({ size, path }, label) {
  const make = (name, attributes) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const side = size + 2 * QUIET;
  const svg = make("svg", {
    class: "code", role: "img", "aria-label": label, viewBox: `${-QUIET} ${-QUIET} ${side} ${side}`,
    "shape-rendering": "crispEdges",
  });
  // Dark on white whatever the theme: many scanners read nothing else.
  svg.append(
    make("rect", { x: -QUIET, y: -QUIET, width: side, height: side, fill: "#fff" }),
    make("path", { d: path, fill: "#000" }),
  );
  return svg;
}

const text = (words) => Object.assign(document.createElement("p"), { textContent: words });

function linkField(address, label) {
  const field = document.createElement("input");
  Object.assign(field, { type: "text", readOnly: true, value: address, dir: "ltr", className: "link" });
  field.setAttribute("aria-label", label);
  field.addEventListener("focus", () => field.select());
  return field;
}

async function copy(field) {
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    field.focus();
    field.select();
    return document.execCommand("copy");
  }
  return true;
}

export function open(panel, { event, visit, say, announce, onView }) {
  let held; // whose link is shown; a renewed place has another
  let retry = null;

  async function showCode(place, link) {
    retry = null;
    place.replaceChildren();
    try {
      place.replaceChildren(draw(await askCode(event, link), say("carry.code")));
    } catch {
      place.replaceChildren(text(say("carry.failed")));
      retry = () => place.isConnected && showCode(place, link);
    }
  }

  function show(link) {
    const place = document.createElement("div");
    const field = linkField(`${location.origin}/${event}${link}`, say("carry"));
    const button = document.createElement("button");
    const done = text("");
    Object.assign(button, { type: "button", textContent: say("carry.copy") });
    button.addEventListener("click", async () => {
      if (!await copy(field)) return;
      done.textContent = say("carry.copied");
      announce(say("carry.copied"));
    });
    panel.replaceChildren(text(say("carry.lead")), place, field, button, done, text(say("carry.secret")));
    showCode(place, link);
  }

  panel.closest("details").addEventListener("toggle", ({ target }) => target.open && retry?.());
  onView(({ mine, state }) => {
    const secret = mine.ticket && state !== "expired" ? mine.secret : null;
    if (secret === held) return;
    held = secret; // before link(), which may show again
    const link = secret && visit.link();
    if (link) show(link);
    else panel.replaceChildren(text(say("carry.none")));
  });
}
