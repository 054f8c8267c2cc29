// Asks the server. Errors are of the kind Trouble, whose message says what to do.

export class Trouble extends Error {}

// JSON from `path`, which is relative to the page; a `body` is sent as JSON.
export async function ask(path, { body, signal } = {}) {
  const options = { signal };
  if (body !== undefined) {
    options.method = "POST";
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(body);
  }
  const answer = await reached(path, options);
  let content = null;
  try {
    content = await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
  }
  if (answer.ok && content !== null) return content;
  throw new Trouble(reason(answer, content));
}

// The bytes at `path`.
export async function bytes(path, { signal } = {}) {
  const answer = await reached(path, { signal });
  if (!answer.ok) throw new Trouble(reason(answer, null));
  return answer.blob();
}

async function reached(path, options) {
  try {
    return await fetch(new URL(path, document.baseURI), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble(
      "The server does not answer. See that serve.py still runs in its terminal, then try again.");
  }
}

function reason(answer, content) {
  const said = content && typeof content.error === "string" ? content.error : "";
  if (answer.status === 413) {
    return said || "The server takes no file of this size. Choose a smaller one.";
  }
  if (answer.status === 503) {
    const seconds = Number(answer.headers.get("Retry-After")) || 1;
    return `${said || "The server is busy."} Try again in ${seconds} s.`;
  }
  if (answer.status === 504) return "The server took too long. Ask for fewer names, or try again.";
  return said || `The server answered ${answer.status}; its log says more. Try again.`;
}

// The base64 form of a file, as TensorFlow Serving's REST form takes it.
export function encoded(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve({ b64: reader.result.slice(reader.result.indexOf(",") + 1) });
    reader.onerror = () => reject(new Trouble("This file cannot be read; choose it once more."));
    reader.readAsDataURL(file);
  });
}

const narrow = matchMedia("(max-width: 44rem)"); // as in page.css

// Runs one piece of work at a time for a panel: a newer one wins, and the older answer is dropped.
export class Panel {
  // `results` are dimmed while newer ones are awaited, and gone after an error.
  constructor(element, results = null) {
    this.element = element;
    this.results = results;
    this.status = element.querySelector(".status");
    this.error = element.querySelector(".error");
    this.running = null;
  }

  // `work` gets an AbortSignal and returns an answer; `show` is called with the answer of the
  // newest work alone, and returns what to say.
  async run(message, work, show) {
    this.running?.abort();
    const mine = new AbortController();
    this.running = mine;
    this.wait(message);
    try {
      const answer = await work(mine.signal);
      if (this.running === mine) {
        this.done(show(answer) ?? "");
        this.reveal(this.results);
      }
    } catch (error) {
      if (this.running === mine) this.fail(error);
    }
  }

  // Forgets what is under way, so that its answer is dropped.
  stop() {
    this.running?.abort();
    this.running = null;
    this.done("");
  }

  wait(message) {
    this.error.hidden = true;
    this.status.textContent = message;
    this.status.classList.add("working");
    this.element.setAttribute("aria-busy", "true");
    this.results?.classList.add("stale");
  }

  done(message) {
    this.error.hidden = true;
    this.status.textContent = message;
    this.status.classList.remove("working");
    this.element.removeAttribute("aria-busy");
    this.results?.classList.remove("stale");
  }

  fail(error) {
    this.done("");
    this.results?.replaceChildren();
    if (!(error instanceof Trouble)) console.error(error);
    this.error.textContent = error instanceof Trouble
      ? error.message
      : "The page failed at this. Load it anew; if that does not help, please report it.";
    this.error.hidden = false;
    this.reveal(this.error);
  }

  // On a phone, the answer lies below what is asked.
  reveal(element) {
    if (narrow.matches) element?.scrollIntoView({ block: "nearest" });
  }
}

// A new element with a class and a text; names and captions come in as text, never as HTML.
export function made(tag, { className = "", text = "" } = {}) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}
