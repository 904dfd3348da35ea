// "Tell me when it is my turn": a sound, a notification and a screen that stays on, after a click
// that asks for them. All of it is an extra: nothing that fails here may disturb the visit.

const TONES = [659, 784, 988]; // hertz
const BETWEEN = 3; // seconds from one ring to the next
const RINGS = 10; // half a minute, unless somebody looks earlier
const PULSE = [200, 100, 200]; // milliseconds on, off, on
const OVER = ["admitted", "elsewhere", "expired", "closed"];

async function quietly(act) {
  try {
    return await act();
  } catch {
    return null;
  }
}

// Rings are laid out ahead: a hidden tab's timers may come a minute late, the sound card's do not.
function ring(audio, times) {
  const volume = audio.createGain();
  volume.connect(audio.destination);
  for (let i = 0; i < times * TONES.length; i++) {
    const [round, step] = [Math.floor(i / TONES.length), i % TONES.length];
    const at = audio.currentTime + 0.05 + round * BETWEEN + step * 0.22;
    const tone = audio.createOscillator();
    const swell = audio.createGain();
    tone.frequency.value = TONES[step];
    swell.gain.setValueAtTime(0, at);
    swell.gain.linearRampToValueAtTime(0.25, at + 0.03);
    swell.gain.exponentialRampToValueAtTime(0.001, at + 0.9);
    tone.connect(swell);
    swell.connect(volume);
    tone.start(at);
    tone.stop(at + 1);
  }
  return volume;
}

// makeBell is given the window. The wish outlives a reload; the sound, which browsers allow only
// after a gesture, comes back with the next one.
export function makeBell(env) {
  const { document, navigator } = env;
  let context, key, render;
  let asked = false; // the visitor wants to be called
  let armed = false; // and has made a gesture since the page was loaded
  let audio, ringing, lock, worker, notice;

  const allowed = () => env.Notification?.permission;

  // What works by now, in words.
  function said() {
    const heard = audio?.state === "running";
    const works = {
      "tell.sound": heard && allowed() !== "denied",
      "tell.notice": allowed() === "granted",
      "tell.denied": heard && allowed() === "denied",
      "tell.awake": lock,
    };
    return Object.keys(works).filter((name) => asked && works[name]).map((name) => context.say(name));
  }

  function unlock() {
    armed = true;
    quietly(() => {
      audio ??= new env.AudioContext();
      audio.onstatechange = render;
      return audio.resume();
    });
    render();
  }

  function sound(times) {
    hush();
    quietly(() => (ringing = ring(audio, times)));
  }

  function hush() {
    ringing?.disconnect();
    ringing = null;
  }

  // A browser takes the lock away whenever the page is hidden.
  async function stayAwake() {
    if (document.hidden || lock) return;
    const got = await quietly(() => navigator.wakeLock.request("screen"));
    if (!got) return;
    if (!asked || lock) return quietly(() => got.release());
    lock = got;
    lock.addEventListener("release", () => {
      if (lock === got) lock = null;
      render();
    });
    render();
  }

  // Phones show a notification only for a service worker, which has to be there before the turn.
  async function hire() {
    if (allowed() !== "granted") return;
    worker = await quietly(() => navigator.serviceWorker.register("/assets/bell-worker.js"));
  }

  // Before it waits for anything, it asks for all that needs a click.
  async function start() {
    asked = true;
    quietly(() => env.localStorage.setItem(key, "1"));
    unlock();
    sound(1);
    const answer = quietly(() => env.Notification.requestPermission());
    await stayAwake();
    await answer;
    await hire();
    render();
    if (asked) context.announce(said().join(" "));
  }

  function stop() {
    asked = armed = false;
    quietly(() => env.localStorage.removeItem(key));
    quietly(() => audio.close());
    quietly(() => lock.release());
    audio = ringing = lock = null;
    render();
  }

  function seen() {
    hush();
    notice?.close();
    quietly(async () => (await worker.getNotifications({ tag: key })).forEach((shown) => shown.close()));
    if (!asked) return;
    quietly(() => audio.resume()); // some phones interrupt it while the page is away
    stayAwake();
  }

  function listen() {
    document.addEventListener("visibilitychange", () => document.hidden || seen());
    quietly(() => {
      asked = env.localStorage.getItem(key) !== null;
      if (!asked) return;
      stayAwake();
      hire();
      // A click on the button says itself what it means.
      const gesture = ({ target }) => target.closest?.("#tell") || !asked || armed || unlock();
      for (const name of ["pointerup", "keydown"]) document.addEventListener(name, gesture);
    });
  }

  async function notify() {
    if (allowed() !== "granted" || (!document.hidden && document.hasFocus())) return;
    const { event, language, say } = context;
    const body = document.querySelector("#shop")?.textContent || event;
    const options = { body, data: event, tag: key, lang: language, requireInteraction: true, vibrate: PULSE };
    if (worker?.active) return worker.showNotification(say("turn"), options);
    notice = new env.Notification(say("turn"), options);
    notice.onclick = () => env.focus();
  }

  return {
    open(panel, opened) {
      const make = (name) => panel.appendChild(document.createElement(name));
      panel.replaceChildren();
      make("p").textContent = opened.say("tell.lead");
      const button = make("button");
      const lines = make("div");
      button.type = "button";
      button.addEventListener("click", () => (armed ? stop() : start()));
      render = () => {
        button.textContent = opened.say(armed ? "tell.stop" : "tell.start");
        lines.replaceChildren();
        for (const line of said()) lines.appendChild(document.createElement("p")).textContent = line;
      };

      const first = !context;
      context = opened;
      key = `waiting-room-bell:${opened.event}`;
      if (first) listen();
      render();
      opened.onView(({ state }) => asked && OVER.includes(state) && stop());
    },

    // call is for the one moment when the turn has come.
    call() {
      if (!asked) return;
      quietly(() => audio.resume());
      sound(document.hidden ? RINGS : 1);
      quietly(notify);
      quietly(() => navigator.vibrate(PULSE));
    },
  };
}

const bell = makeBell(globalThis);

export const open = (panel, context) => bell.open(panel, context);
export const call = () => bell.call();
