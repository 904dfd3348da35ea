import { Visit, makeApi, makeLock, makeRecord, makeSecret, storageKey } from "./visit.js";
import { TAGS, backoff, countdown, describe, moment, say, tagOf } from "./room.js";

const event = location.pathname.split("/")[1];
const key = storageKey(event);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const element = (id) => document.getElementById(id);

const page = {
  event,
  api: makeApi(event, fetch.bind(window)),
  view: { state: "unknown", position: null, mine: {}, notices: [] },
  element, setText, setShown, render, load, speak,
};

function setText(id, text) {
  if (element(id).textContent !== text) element(id).textContent = text;
}

// What vanishes hands on the focus.
function setShown(id, shown) {
  if (!shown && element(id).contains(document.activeElement)) element("heading").focus();
  element(id).hidden = !shown;
  return shown;
}

function render(view = page.view) {
  page.view = view;
  const { words, language } = page;
  const { state, status, position, left, now } = view;
  const among = (...states) => states.includes(state);
  document.querySelector("main").dataset.state = state;
  setShown("join-again", among("expired"));
  setShown("enter", among("admitted", "elsewhere"));
  if (!words) return;
  const texts = page.texts = describe(view, words, language);
  document.title = `${texts.title} · ${page.shop || event}`;
  setText("heading", texts.heading);
  setText("lead", texts.lead);
  const translate = (name, time) => say(words, language, name, { time });
  if (setShown("until", among("scheduled", "arriving", "pool") ||
    (among("offline", "busy", "paused") && now < status?.onsale))) {
    setText("countdown", countdown(status.onsale - now, language));
    setText("onsale", translate("local", moment(status.onsale, language)));
  }
  if (setShown("line", position !== null && among("waiting", "nearly", "paused", "offline", "busy", "soldout"))) {
    setText("place", position.toLocaleString(language));
    setText("ahead", view.ahead.toLocaleString(language));
    setText("wait", texts.wait);
    element("progress").value = view.progress ?? 0;
    setText("updated", translate("updated", moment(view.updated, language, { timeStyle: "medium" })));
  }
  if (setShown("left", among("turn") && left != null)) setText("left", translate("turn.left", countdown(left, language)));
  page.rendered?.();
}

async function load(name) {
  const response = await fetch(`/assets/words/${name}.json`, { signal: AbortSignal.timeout?.(15000) });
  if (!response.ok) throw response.status;
  return response.json();
}

async function insist(act) {
  for (let tries = 0; ; tries++) {
    try {
      return await act(tries);
    } catch {
      await pause(backoff(tries, Math.random));
    }
  }
}

async function speak(tag) {
  page.tag = tag;
  const words = await insist(() => page.tag === tag && load(tag));
  if (page.tag !== tag) return;
  page.words = words;
  page.language = navigator.languages.find((own) =>
    tagOf(own) === tag && /^[a-z]{2,3}(-[a-z]{4})?(-[a-z]{2}|-\d{3})?$/i.test(own)) ?? tag;
  Object.assign(document.documentElement, { lang: tag, dir: /ar|he/.test(tag) ? "rtl" : "ltr" });
  for (const node of document.querySelectorAll("[data-word]")) node.textContent = words[node.dataset.word];
  render();
  page.spoken?.();
}

const later = insist((tries) => import(`./later.js?${tries}`));

function start() {
  let timer;
  const [, run, secret] = /^#place=([\da-f]{32})\.([\w-]{22,43})$/.exec(location.hash) ?? [];
  if (location.hash) history.replaceState(history.state, "", location.pathname + location.search);
  const visit = page.visit = new Visit({
    event,
    api: page.api,
    record: makeRecord(event, () => localStorage, history),
    brought: run ? { run, secret } : null,
    random: Math.random,
    now: () => performance.now(),
    later(act, ms) {
      clearTimeout(timer);
      timer = setTimeout(act, ms);
    },
    pause,
    lock: makeLock(navigator.locks, key, pause),
    secret: makeSecret,
    hidden: () => document.hidden,
    call: () => page.call?.(),
    claim: () => Promise.race([later, pause(9000)]).then((parts) => parts.claim),
    go: (address) => location.assign(address),
    show(view) {
      render(view);
      page.shown?.();
    },
  });

  element("join-again").addEventListener("click", () => visit.joinAgain());
  element("enter").addEventListener("click", () => visit.enter());

  for (const name of ["pageshow", "online"]) addEventListener(name, () => visit.wake());
  document.addEventListener("visibilitychange", () => document.hidden || visit.wake());
  addEventListener("storage", (change) => change.key === key && visit.step());
  setInterval(() => render(visit.view()), 500);
  visit.step();
}

let chosen;
try {
  chosen = localStorage.getItem("waiting-room-language");
} catch {}
speak([chosen ?? "", ...navigator.languages].map(tagOf).find((tag) => TAGS.includes(tag)) ?? "en");
element("plain").hidden = true;
setText("event", event);
if (/^[a-z0-9-]{1,64}$/.test(event)) start();
later.then(({ begin }) => begin(page));
