// A theme is /assets/themes/<name>.json: the shop's name, logo and colours. Anything wrong in it, and
// the page looks as it does without one. static/README.md says what is checked.

const NAME = /^[a-z0-9-]{1,64}$/;
const LOGO = /^[a-z0-9-]+\.(svg|png|webp)$/;
const COLOUR = /^#[0-9a-f]{6}$/i;
const LEAST = 4.5; // WCAG 2.2, 1.4.3

// As in page.css, where a theme does not reach.
const LIGHT = { card: "#ffffff", texts: ["#17222b", "#4a5863"] };
const DARK = { card: "#1a242b", texts: ["#eaf0f4", "#a9b8c3"] };
const INKS = ["#ffffff", "#0d1a22"];

function luminance(colour) {
  const [r, g, b] = colour.match(/[0-9a-f]{2}/gi).map((hex) => {
    const share = parseInt(hex, 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

// contrast is WCAG's ratio of two colours as #rrggbb, from 1 to 21.
export function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function need(holds, complaint) {
  if (!holds) throw new Error(complaint);
}

function text(value, what, pattern) {
  need(value === undefined || (typeof value === "string" && pattern.test(value)), `${what} is not as it should be`);
  return value;
}

function colours(doc, suffix, { card, texts }) {
  const accent = text(doc[`accent${suffix}`], `accent${suffix}`, COLOUR);
  const background = text(doc[`background${suffix}`], `background${suffix}`, COLOUR);
  const variables = {};
  const ending = suffix.replace("_", "-");
  if (accent) {
    need(contrast(accent, card) >= LEAST, `accent${suffix} is too close to ${card}`);
    const [ink] = [...INKS].sort((a, b) => contrast(accent, b) - contrast(accent, a));
    need(contrast(accent, ink) >= LEAST, `no text can be read on accent${suffix}`);
    variables[`--accent${ending}`] = accent;
    variables[`--on-accent${ending}`] = ink;
  }
  if (background) {
    for (const ink of [...texts, ...(accent ? [accent] : [])]) {
      need(contrast(background, ink) >= (ink === accent ? 3 : LEAST), `background${suffix} is too close to ${ink}`);
    }
    variables[`--background${ending}`] = background;
  }
  return variables;
}

// readTheme gives {name, logo, variables} of a theme document, name and logo "" when there is none. It
// throws on anything wrong.
export function readTheme(doc) {
  need(doc !== null && typeof doc === "object" && !Array.isArray(doc), "it is no object");
  const logo = text(doc.logo, "logo", LOGO);
  const name = text(doc.name, "name", /^[^\p{Cc}]{1,80}$/u)?.trim() ?? "";
  need(!logo || name, "a logo needs the shop's name, for those who cannot see it");
  return {
    name,
    logo: logo ? `/assets/themes/${logo}` : "",
    variables: { ...colours(doc, "", LIGHT), ...colours(doc, "_dark", DARK) },
  };
}

const PLAIN = { name: "", logo: "", variables: {} };

async function fetchTheme(name) {
  if (name === undefined) return PLAIN;
  try {
    need(typeof name === "string" && NAME.test(name), "its name is not a-z, 0-9 and hyphens");
    const response = await fetch(`/assets/themes/${name}.json`, { redirect: "manual" });
    if (response.status >= 500) throw new TypeError(`answer ${response.status}`);
    need(response.ok, `answer ${response.status}`);
    return readTheme(await response.json());
  } catch (error) {
    if (error instanceof TypeError) throw error; // the network's fault: tried again
    console.info(`Theme not used: ${error.message}`);
    return PLAIN;
  }
}

let latest; // what is to be worn, as an object of its own

// wear puts a theme on, or none, and returns the shop's name or "". It throws when the network does. A
// theme that arrives after another was wanted is not put on; what it returns then is undefined.
export async function wear(wanted, place) {
  const own = (latest = {});
  const { name, logo, variables } = await fetchTheme(wanted);
  if (latest !== own) return undefined;
  const { style } = document.documentElement;
  for (const old of [...style].filter((property) => property.startsWith("--"))) style.removeProperty(old);
  for (const [property, value] of Object.entries(variables)) style.setProperty(property, value);
  place.textContent = name;
  place.hidden = !name;
  if (logo) {
    const image = Object.assign(document.createElement("img"), { src: logo, alt: name });
    image.addEventListener("load", () => latest === own && place.replaceChildren(image));
  }
  return name;
}
