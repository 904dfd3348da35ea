// What the page needs a moment later than its place: the claim of a turn, announcements, the promoter's
// message, other languages, the theme, and panels that are loaded when they are opened.
import { TAGS, say, tagOf } from "./room.js";
import { storageKey } from "./visit.js";

const FILES = { tell: "bell", carry: "carry", how: "proof" };
const OVER = ["loading", "unknown", "closed", "admitted", "elsewhere"];
const QUIET = 30000;
// Over before they could be read out; whatever was said of them would hold back the place for 30 s.
const BRIEF = ["loading", "arriving", "joining", "placing"];

// pickMessage chooses [language, text] for languages, best first: the same tag, the same language,
// the one without a language, any. Null when there is none.
export function pickMessage(messages, languages) {
  const all = Object.entries(messages ?? {}).filter(([, text]) => text && typeof text === "string");
  for (const wanted of [...languages, "default"]) {
    const found = all.find(([own]) => own.toLowerCase() === wanted.toLowerCase()) ??
      all.find(([own]) => tagOf(own) === tagOf(wanted));
    if (found) return found;
  }
  return all[0] ?? null;
}

// partsOf gives what is announced of a view, in order. None of it ticks.
export function partsOf({ state, position, notices, offer }, { heading, lead, wait }, words, language, message) {
  if (BRIEF.includes(state)) return [];
  const parts = [`${heading}.`, lead];
  if (["waiting", "nearly"].includes(state)) {
    const number = say(words, language, "number", { n: position });
    parts.splice(state === "nearly" ? 1 : 0, 2, number, `${words.wait}: ${wait}.`);
  }
  return [...parts, offer && words.offer, ...notices.map((key) => words[key]), message].filter(Boolean);
}

// Announcer keeps the live region calm: what is new is said, not more often than every 30 s, and the
// newest when they are over. An urgent first part is said at once.
export class Announcer {
  #said = [];
  #at = -Infinity;

  // next returns what to say at the time now in ms, or null.
  next(parts, now, urgent = false) {
    const fresh = parts.filter((part) => !this.#said.includes(part));
    const early = now - this.#at < QUIET && !(urgent && fresh[0] === parts[0]);
    if (fresh.length === 0 || early) return null;
    this.#said = parts;
    this.#at = now;
    return fresh.join(" ");
  }
}

// claim asks the shop's door for the holder of the record. What comes of it is one of: address, to go
// to; again, in how many ms to ask, while the turn is kept; failed, an answer; ended, that nothing is
// left to ask. None of them: another tab was first.
export async function claim({ api, record, random }, entering) {
  const mine = record.read();
  if (!mine.ticket || (mine.outcome && !entering)) return {};
  // If the answer is lost, a pass that was issued before may be this browser's own.
  record.write({ ...mine, tried: true });
  const answer = await api.admit(mine.ticket);
  const { status, problem, body, retryAfter } = answer;
  const told = { ...record.read(), tried: undefined };
  if (told.secret !== mine.secret || (told.outcome && !entering)) return {};
  // Kept before leaving: nobody who comes back is sent away again unasked.
  const end = (outcome) => {
    record.write({ ...told, outcome });
    return { ended: true };
  };

  if (status === 200 && /^https?:\/\//.test(body?.redirect)) {
    if (body.again && !mine.tried && !entering) return end("elsewhere");
    return { ...end("admitted"), address: body.redirect };
  }
  if (status === 202 || status === 429) {
    // Busy may mean that the pass is issued and not signed, over the cap that there is none.
    if (problem !== "busy") record.write(told);
    return { again: (retryAfter || 1000) + 1000 * random() };
  }
  if (status === 410 && ["turn-expired", "pass-expired"].includes(problem)) return end(problem);
  if (status === 400 || status === 401) {
    // Joining anew is right once; a room that refuses every ticket would be asked in a loop.
    if (mine.renewed) return end("refused");
    record.write({ run: mine.run, renewed: true });
    return { ended: true };
  }
  // Sold out may end: the ticket is kept.
  return { failed: answer, ended: status === 410 };
}

function remembered(key) {
  try {
    return localStorage.getItem(key) !== null;
  } catch {
    return false;
  }
}

const make = (name, properties) => Object.assign(document.createElement(name), properties);

// begin takes what page.js shares, and leaves there what is to be called after each of its steps.
export function begin(page) {
  const { element, setText, setShown } = page;
  const announcer = new Announcer();
  const modules = {};
  const opened = {}; // in which language
  let followers = [];
  let more = {};
  let misses = 0;
  let theme;

  const announce = (text) => setText("announce", text);

  function showMessage(messages) {
    const languages = [page.language, page.tag, ...navigator.languages];
    const [tag, text] = pickMessage(messages, languages) ?? ["default", ""];
    element("message").lang = tag === "default" ? "" : tag;
    setText("message", text);
    setShown("message", text);
    return text;
  }

  function showNotices() {
    const notices = page.view.notices.map((name) => page.words[name]);
    if (setShown("notices", notices.length) && element("notices").textContent !== notices.join("")) {
      element("notices").replaceChildren(...notices.map((textContent) => make("li", { textContent })));
    }
  }

  function speakUp() {
    const { view, texts, words, language } = page;
    const message = showMessage(view.status?.message);
    const parts = partsOf(view, texts, words, language, message);
    const text = announcer.next(parts, performance.now(), view.state === "turn");
    if (text) announce(text);
  }

  // A browser may remember that a module failed, but not under another address.
  async function module(name) {
    try {
      return (modules[name] ??= await import(`./${name}.js${misses ? `?${misses}` : ""}`));
    } catch (error) {
      misses++;
      throw error;
    }
  }

  function context() {
    const { event, api, visit, language } = page;
    const words = { ...page.words, ...more };
    return {
      event, api, visit, language, announce,
      say: (key, values) => say(words, language, key, values),
      number: (n) => n.toLocaleString(language),
      onView(follow) {
        followers.push(follow);
        follow(page.view);
      },
    };
  }

  async function open(id) {
    const { tag, words } = page;
    if (!element(id).open || !words || opened[id] === tag) return;
    opened[id] = tag;
    const panel = element(id).lastElementChild;
    panel.replaceChildren();
    if (!element("more")) {
      document.head.append(make("link", { id: "more", rel: "stylesheet", href: "/assets/more.css" }));
    }
    try {
      const [part, found] = await Promise.all([module(FILES[id]), page.load(`more/${tag}`)]);
      if (page.tag !== tag) return;
      more = found;
      part.open(panel, context());
    } catch {
      if (opened[id] === tag) delete opened[id];
      panel.textContent = more.failed ?? words.offline;
    }
  }

  async function wear(name) {
    theme = name;
    try {
      const shop = await (await module("theme")).wear(name, element("shop"));
      page.shop = shop ?? page.shop;
    } catch {
      setTimeout(() => (theme = undefined), QUIET); // tried again with the status after that
    }
  }

  function offerLanguages() {
    const select = element("language");
    select.replaceChildren(...TAGS.map((value) => {
      const names = new Intl.DisplayNames(value, { type: "language" });
      return make("option", { value, lang: value, textContent: names.of(value === "zh" ? "zh-Hans" : value) });
    }));
    select.value = page.tag;
    select.addEventListener("change", () => {
      page.speak(select.value);
      try {
        localStorage.setItem("waiting-room-language", select.value);
      } catch {
        // The choice lasts as long as the page.
      }
    });
  }

  page.rendered = () => {
    // What comes late must not push away what is there already.
    setShown("menu", !element("menu").hidden || !["loading", "joining", "placing"].includes(page.view.state));
    for (const id of ["tell", "carry"]) setShown(id, !OVER.includes(page.view.state));
    setShown("how", !["loading", "unknown"].includes(page.view.state));
    setShown("offer", page.view.offer);
    showNotices();
    speakUp();
  };

  page.shown = () => {
    for (const follow of followers) follow(page.view);
    const wanted = page.view.status?.theme;
    if (wanted !== theme) wear(wanted);
  };

  // In another language, the panels begin anew.
  page.spoken = () => {
    followers = [];
    Object.keys(FILES).forEach(open);
  };

  page.call = () => modules.bell?.call();

  offerLanguages();
  element("take").addEventListener("click", () => page.visit.adopt(true));
  element("mine").addEventListener("click", () => page.visit.adopt(false));
  // A link that is put into the address of an open page is followed as one that opens it.
  // Its entry in the tab's history has no copy of the record yet, and where storage is denied no other is left.
  addEventListener("hashchange", () => {
    if (!location.hash) return;
    history.replaceState({ [storageKey(page.event)]: JSON.stringify(page.view.mine) }, "");
    location.reload();
  });
  // Whoever asked to be called, and then reloaded, is still waiting for it.
  if (remembered(`waiting-room-bell:${page.event}`)) element("tell").open = true;
  for (const id in FILES) element(id).addEventListener("toggle", () => open(id));
  page.render();
  page.shown();
  page.spoken();
}
