import { makeApi } from "./api.js";
import { makeRecord, makeSecret, storageKey } from "./storage.js";
import { Visit } from "./visit.js";
import { at, count, countdown, describe, pickMessage, wait } from "./words.js";

const LOCK_WAIT = 20000;

const event = location.pathname.split("/")[1];
const element = (id) => document.getElementById(id);

// Some screen readers speak again when the same text is written again.
function setText(id, text) {
  if (element(id).textContent !== text) element(id).textContent = text;
}

function setShown(id, shown) {
  element(id).hidden = !shown;
}

function setNumber(id, n) {
  element(id).value = n ?? "";
  setText(id, n === null ? "" : count(n));
}

function showCountdown({ status, now, state }) {
  const shown = ["scheduled", "prequeue-joining", "waiting-sale"].includes(state) ||
    (["offline", "busy", "paused"].includes(state) && now < status?.onsale);
  setShown("until", shown);
  if (!shown) return;
  setText("countdown", countdown(status.onsale - now));
  setText("onsale", at(status.onsale));
  element("onsale").dateTime = new Date(status.onsale).toISOString();
}

function showLine({ state, position, ahead, range }) {
  const shown = position !== null && ["waiting", "paused", "turn", "offline", "busy", "soldout"].includes(state);
  setShown("line", shown);
  setNumber("place", shown ? position : null);
  setNumber("ahead", shown ? ahead : null);
  setText("wait", state === "turn" ? "none" : wait(range));
}

function showNotices({ status, mine, kept }) {
  const [tag, text] = pickMessage(status?.message, navigator.languages) ?? ["", ""];
  setText("message", text);
  element("message").lang = tag === "default" ? "" : tag;
  setShown("message", text);
  setShown("few", status?.stock === "few");
  setShown("renewed", mine.renewed);
  setShown("fragile", !kept);
  return text;
}

function show(view) {
  const words = describe(view);
  document.querySelector("main").dataset.state = view.state;
  document.title = `${words.title} · ${event}`;
  setText("heading", words.heading);
  setText("lead", words.lead);
  showCountdown(view);
  showLine(view);
  const message = showNotices(view);
  setShown("join-again", view.state === "expired");
  setShown("enter", view.state === "admitted");
  setText("announce", `${words.announce} ${message}`);
}

// One tab at a time. A frozen tab must not hold up the others for ever; without the lock, tabs ask
// with the same secret and get the same answer.
async function lock(act) {
  let begun = false;
  try {
    const options = { signal: AbortSignal.timeout(LOCK_WAIT) };
    return await navigator.locks.request(storageKey(event), options, () => {
      begun = true;
      return act();
    });
  } catch (error) {
    if (begun) throw error;
    return act();
  }
}

function start() {
  let timer;
  const visit = new Visit({
    event,
    api: makeApi(event, fetch.bind(window)),
    record: makeRecord(event, () => localStorage),
    random: Math.random,
    now: () => performance.now(),
    later(act, ms) {
      clearTimeout(timer);
      timer = setTimeout(act, ms);
    },
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    lock,
    secret: makeSecret,
    go: (address) => location.assign(address),
    show,
  });

  // A button that vanishes takes the focus with it.
  const press = (id, act) => element(id).addEventListener("click", () => {
    element("heading").focus();
    act();
  });
  press("join-again", () => visit.joinAgain());
  press("enter", () => visit.enter());

  window.addEventListener("pageshow", () => visit.wake());
  window.addEventListener("online", () => visit.wake());
  window.addEventListener("storage", ({ key }) => key === storageKey(event) && visit.step());
  document.addEventListener("visibilitychange", () => document.hidden || visit.wake());
  setInterval(() => showCountdown(visit.view()), 500);
  visit.step();
}

setText("event", event);
if (/^[a-z0-9-]{1,64}$/.test(event)) start();
else show({ state: "unknown", position: null, mine: {}, kept: true });
