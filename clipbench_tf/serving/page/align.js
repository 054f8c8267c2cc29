// Words and patches that answer to each other, drawn over the picture.

import { at } from "./picture.js";
import { Panel, Trouble, ask, encoded, made } from "./requests.js";

const RAMP = [[0, 32, 76], [65, 77, 107], [124, 123, 120], [188, 175, 111], [255, 233, 69]]; // cividis
const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

export class Align {
  constructor(model, picture) {
    this.picture = picture;
    this.panel = new Panel(at("align"), at("words"));
    this.found = null; // {side, words, cosines}
    this.pinned = null; // the word that stays lit
    at("align-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.run();
    });
    at("patches").addEventListener("keydown", (event) => this.move(event));
    picture.changed(() => {
      this.clear();
      if (!at("align").hidden && at("caption").value.trim()) this.run();
    });
  }

  // Forgets the answer to an earlier picture or caption.
  clear() {
    this.panel.stop();
    this.found = this.pinned = null;
    at("patches").hidden = at("scale").hidden = true;
    at("words").replaceChildren();
    at("told").textContent = "";
  }

  // Shows or hides the patches, which lie over the picture of all tabs.
  show(visible) {
    at("patches").hidden = !visible || !this.found;
    this.picture.trim(visible);
  }

  run() {
    if (!this.picture.required(this.panel)) return;
    const caption = at("caption").value.trim();
    this.clear();
    if (!caption) {
      this.panel.fail(new Trouble("There is no caption yet. Type what the picture shows."));
      return;
    }
    this.panel.run("Aligning …",
      async (signal) => ask("page/align",
        { body: { image: await encoded(this.picture.file), caption }, signal }),
      (found) => this.draw(found));
  }

  draw(found) {
    this.found = found;
    const all = found.cosines.flat();
    this.low = Math.min(...all);
    this.high = Math.max(...all);
    at("low").textContent = this.low.toFixed(2);
    at("high").textContent = this.high.toFixed(2);
    at("words").replaceChildren(...found.words.map((word, n) => this.word(word, n)));
    const patches = at("patches");
    patches.style.gridTemplate = `repeat(${found.side}, 1fr) / repeat(${found.side}, 1fr)`;
    patches.replaceChildren(...found.cosines[0].map((_, n) => this.patch(n)));
    at("scale").hidden = false;
    this.show(!at("align").hidden);
    const dropped = at("caption").value.trim().split(/\s+/).length > found.words.length;
    return `${found.words.length} words, ${found.side} × ${found.side} patches.` +
      (dropped ? " The model reads no longer captions." : "");
  }

  word(word, n) {
    const button = made("button", { text: word });
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("mouseenter", () => this.light(n));
    button.addEventListener("focus", () => this.light(n));
    button.addEventListener("mouseleave", () => this.rest());
    button.addEventListener("blur", () => this.rest());
    button.addEventListener("click", () => {
      this.pinned = this.pinned === n ? null : n;
      [...at("words").children].forEach((other, m) => {
        other.setAttribute("aria-pressed", String(m === this.pinned));
      });
      this.light(n);
    });
    return button;
  }

  patch(n) {
    const button = made("button");
    const best = this.bestWord(n);
    button.type = "button";
    button.tabIndex = n ? -1 : 0;
    button.setAttribute("aria-label",
      `${this.place(n)}: ${this.found.words[best]}, ${this.found.cosines[best][n].toFixed(2)}`);
    button.addEventListener("mouseenter", () => this.mark(n));
    button.addEventListener("focus", () => this.mark(n));
    button.addEventListener("mouseleave", () => this.rest());
    button.addEventListener("blur", () => this.rest());
    return button;
  }

  place(n) {
    return `row ${Math.floor(n / this.found.side) + 1}, column ${n % this.found.side + 1}`;
  }

  bestWord(patch) {
    const column = this.found.cosines.map((row) => row[patch]);
    return column.indexOf(Math.max(...column));
  }

  // Lights up the patches of a word.
  light(word) {
    const row = this.found.cosines[word];
    const best = row.indexOf(Math.max(...row));
    [...at("patches").children].forEach((patch, n) => {
      patch.style.background = colour((row[n] - this.low) / Math.max(this.high - this.low, 1e-9));
      patch.className = n === best ? "best" : "";
    });
    [...at("words").children].forEach((other, n) => other.classList.toggle("lit", n === word));
    at("told").textContent =
      `“${this.found.words[word]}” answers best to ${this.place(best)} (${row[best].toFixed(2)}).`;
  }

  // Marks the word of a patch.
  mark(patch) {
    const word = this.bestWord(patch);
    const value = this.found.cosines[word][patch].toFixed(2);
    this.dim();
    [...at("patches").children].forEach((other, n) => {
      other.className = n === patch ? "here" : "";
      other.tabIndex = n === patch ? 0 : -1;
    });
    at("words").children[word].classList.add("lit");
    at("told").textContent =
      `The patch in ${this.place(patch)} answers best to “${this.found.words[word]}” (${value}).`;
  }

  // Goes back to what has the focus, or to the word that stays lit, if there is one.
  rest() {
    if (!this.found) return;
    const focused = document.activeElement;
    const patch = [...at("patches").children].indexOf(focused);
    const word = [...at("words").children].indexOf(focused);
    if (patch >= 0) this.mark(patch);
    else if (word >= 0) this.light(word);
    else if (this.pinned !== null) this.light(this.pinned);
    else this.dim();
  }

  dim() {
    for (const patch of at("patches").children) {
      patch.style.background = "";
      patch.className = "";
    }
    for (const word of at("words").children) word.classList.remove("lit");
    at("told").textContent = "";
  }

  move(event) {
    const step = MOVES[event.key];
    if (!step || !this.found) return;
    event.preventDefault();
    const here = [...at("patches").children].indexOf(document.activeElement);
    const { side } = this.found;
    const row = Math.floor(here / side) + step[0];
    const column = here % side + step[1];
    if (row < 0 || column < 0 || row >= side || column >= side) return;
    at("patches").children[row * side + column].focus();
  }
}

// A colour for a share of the range, through which the picture is seen.
function colour(share) {
  const place = share * (RAMP.length - 1);
  const n = Math.min(Math.floor(place), RAMP.length - 2);
  const [r, g, b] = RAMP[n].map((low, k) => Math.round(low + (place - n) * (RAMP[n + 1][k] - low)));
  return `rgb(${r} ${g} ${b} / 0.65)`;
}
