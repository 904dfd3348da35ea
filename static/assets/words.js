// Words and formats, all pure. words is what words/*.json holds, language a tag for Intl.
export const TAGS = "ar cs da de el en es fi fr he hi hu id it ja ko nb nl pl pt ro sv tr uk zh zh-Hant".split(" ");

export function tagOf(language) {
  const [base] = language.toLowerCase().split("-");
  return /^zh-(hant|tw|hk|mo)/i.test(language) ? "zh-Hant"
    : { no: "nb", nn: "nb", iw: "he", in: "id" }[base] ?? base;
}

export const moment = (time, language, options = { dateStyle: "medium", timeStyle: "short" }) =>
  new Date(time).toLocaleString(language, options);

const unit = (name, language) => new Intl.NumberFormat(language, { style: "unit", unit: name, unitDisplay: "long" });

export function say(words, language, key, values) {
  const text = words[key] ?? "";
  return (text.other ? text[new Intl.PluralRules(language).select(values.n)] ?? text.other : text)
    .replace(/{(\w+)}/g, (_, name) => values[name].toLocaleString(language));
}

export function countdown(ms, language) {
  const all = Math.max(0, Math.ceil(ms / 1000));
  const days = Math.floor(all / 86400);
  const clock = [all / 3600 % 24, all / 60 % 60, all % 60].slice(all < 3600)
    .map((n) => Math.floor(n).toLocaleString(language, { minimumIntegerDigits: 2 })).join(":");
  return days ? `${unit("day", language).format(days)} ${clock}` : clock;
}

export function waits(range, words, language) {
  if (!range) return words["wait.unknown"];
  if (range[1] === 1) return words["wait.short"];
  const long = range[0] > 59;
  const [from, to] = range.map((minutes) => (long ? minutes / 60 : minutes));
  const format = unit(long ? "hour" : "minute", language);
  return to === Infinity ? say(words, language, "wait.long", { time: format.format(from) })
    : format.formatRange?.(from, to) ?? `${from.toLocaleString(language)}–${format.format(to)}`;
}

const LEADS = { joining: "loading.lead", expired: "expired.lead", offline: "trying", busy: "trying" };

export function describe({ state, mine, status, held, range, ahead }, words, language) {
  const heading = words[state === "expired" ? mine.outcome : state];
  const lead = say(words, language, held && state === "turn" ? "turn.full" : LEADS[state] ?? `${state}.lead`,
    { time: state === "scheduled" && moment(status.prequeue, language) });
  const kept = mine.ticket && ["offline", "busy", "paused", "soldout"].includes(state);
  return {
    heading,
    lead: kept ? words.kept + (/^(ja|zh)/.test(language) ? "" : " ") + lead : lead,
    wait: waits(range, words, language),
    title: ["waiting", "nearly"].includes(state) ? say(words, language, "people", { n: ahead }) : heading,
  };
}
