const number = new Intl.NumberFormat("en");
const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

export const count = (n) => number.format(n);
export const at = (time) => moment.format(time);

export function countdown(milliseconds) {
  const all = Math.max(0, Math.ceil(milliseconds / 1000));
  const two = (n) => String(n).padStart(2, "0");
  const days = Math.floor(all / 86400);
  const clock = [all / 3600 % 24, all / 60 % 60, all % 60].map(Math.floor).map(two).join(":");
  return days ? `${days} d ${clock}` : clock;
}

// range is one of waitRange.
export function wait(range) {
  if (!range) return "not known yet";
  const [from, to] = range;
  if (to === 1) return "less than a minute";
  if (to === Infinity) return `more than ${from / 60} hours`;
  return from < 60 ? `${from} to ${to} minutes` : `${from / 60} to ${to / 60} hours`;
}

// pickMessage chooses [language, text] for languages, best first: the same tag, the same language,
// the one without a language, any. Null when there is none.
export function pickMessage(messages, languages) {
  const all = Object.entries(messages ?? {}).filter(([, text]) => typeof text === "string" && text);
  const base = (tag) => tag.toLowerCase().split("-")[0];
  for (const wanted of languages) {
    const found = all.find(([tag]) => tag.toLowerCase() === wanted.toLowerCase()) ??
      all.find(([tag]) => base(tag) === base(wanted));
    if (found) return found;
  }
  return all.find(([tag]) => tag === "default") ?? all[0] ?? null;
}

const GONE = {
  "turn-expired": "Your turn has passed",
  "pass-expired": "Your time in the shop is over",
  refused: "Your place could not be found",
};

const TRYING = "The page keeps trying. You do not need to reload.";
const kept = ({ mine }) => (mine.ticket ? "You keep your place. " : "");

const SAY = {
  loading: () => ["Waiting room", "One moment, please."],
  unknown: () => ["This event is not known yet",
    "Please check the address. If it is right, keep this page open."],
  scheduled: ({ status }) => ["The sale has not started yet",
    `The waiting room opens on ${at(status.prequeue)}. Keep this page open: it lets you in by itself.`],
  "prequeue-joining": () => ["Letting you in",
    "There is no hurry: everyone who is here before the sale starts has the same chance."],
  "waiting-sale": () => ["You are in the waiting room",
    "When the sale starts, everyone here gets a random place in line. You do not need to reload."],
  joining: () => ["Getting you a place", "One moment, please."],
  placing: () => ["Drawing your place", "You are in. Your place in line will be shown in a few seconds."],
  waiting: () => ["You are in line", "Keep this page open. It takes you to the shop when it is your turn."],
  turn: ({ held }) => ["It is your turn", held
    ? "The shop is full for a moment. You keep your turn and go in as soon as there is room."
    : "Taking you to the shop."],
  admitted: () => ["You have been let in", "If you left the shop, you can go back to it."],
  expired: ({ mine }) => [GONE[mine.outcome] ?? GONE.refused, "You can join again at the end of the line."],
  paused: (view) => ["The line is paused", `${kept(view)}It goes on by itself.`],
  soldout: (view) => ["Sold out", `${kept(view)}Should anything come back, the line goes on by itself.`],
  closed: () => ["The sale is over", "Thank you for coming."],
  offline: (view) => ["No connection", kept(view) + TRYING],
  busy: (view) => ["The waiting room is very busy", kept(view) + TRYING],
};

// describe gives a view's words. What is announced holds no number that ticks, so that it changes
// when something has happened and not with every poll.
export function describe(view) {
  const [heading, lead] = SAY[view.state](view);
  const waiting = view.state === "waiting";
  return {
    heading,
    lead,
    title: waiting ? `${count(view.ahead)} ahead` : heading,
    announce: waiting
      ? `You are number ${count(view.position)} in line. Estimated wait: ${wait(view.range)}.`
      : `${heading}. ${lead}`,
  };
}
