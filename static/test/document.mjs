// As much of a document as the lazily loaded parts use, without a browser.

class Element {
  children = [];
  attributes = {};
  listeners = {};
  isConnected = true;
  own = "";

  constructor(name, document) {
    this.name = name;
    this.document = document;
  }

  get textContent() {
    return this.own + this.children.map((child) => child.textContent ?? child).join("");
  }

  set textContent(text) {
    this.children = [];
    this.own = text;
  }

  append(...children) {
    this.children.push(...children);
  }

  appendChild(child) {
    this.children.push(child);
    return child;
  }

  replaceChildren(...children) {
    this.own = "";
    this.children = children;
  }

  setAttribute(name, value) {
    this.attributes[name] = String(value);
  }

  addEventListener(name, listener) {
    (this.listeners[name] ??= []).push(listener);
  }

  // dispatch gives what the listeners gave, so that a test can wait for them.
  dispatch(name) {
    return Promise.all((this.listeners[name] ?? []).map((listener) => listener({ target: this })));
  }

  closest() {
    return this.around ?? null;
  }

  focus() {
    this.document.focused = this;
  }

  select() {
    this.document.selected = this.value ?? this.textContent;
  }

  // all gives every element below of a name.
  all(name) {
    return this.children.flatMap((child) => (child instanceof Element ?
      [...(child.name === name ? [child] : []), ...child.all(name)] : []));
  }

  one(name) {
    const [found] = this.all(name);
    if (!found) throw new Error(`no ${name}`);
    return found;
  }
}

export function makeDocument() {
  const document = new Element("document");
  document.createElement = (name) => new Element(name, document);
  document.querySelector = () => null;
  document.createElementNS = (_, name) => new Element(name, document);
  return document;
}

// makePanel is an opened details' empty element.
export function makePanel(document) {
  const panel = document.createElement("div");
  panel.around = document.createElement("details");
  panel.around.open = true;
  return panel;
}

// makeContext is what page.js gives to open(): say() answers with the key, and show() with a new view
// waits for what it sets off.
export function makeContext(more = {}) {
  const watching = [];
  let view = { state: "waiting", status: null, mine: {}, position: null, seal: null };
  const context = {
    event: "demo",
    language: "da",
    said: [],
    say: (key) => key,
    number: (n) => `n${n}`,
    announce: (text) => context.said.push(text),
    onView(watch) {
      watching.push(watch);
      context.settled = Promise.all([context.settled, watch(view)]);
    },
    show(changes) {
      view = { ...view, ...changes };
      return Promise.all(watching.map((watch) => watch(view)));
    },
    ...more,
  };
  return context;
}
