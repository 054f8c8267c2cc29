// A caption in, the nearest pictures out.

import { at } from "./picture.js";
import { Panel, Trouble, ask, made } from "./requests.js";

const COUNT = 12;
const POLL = 1000; // milliseconds, while the index is made

export class Search {
  // `use` is called with a picture's number and name when it is chosen.
  constructor(model, use) {
    this.model = model;
    this.use = use;
    this.panel = new Panel(at("search"), at("found"));
    at("search-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.run();
    });
    if (model.search) this.watch();
  }

  // Tells how far the index is, until it is ready.
  async watch() {
    let state = this.model.search;
    for (;;) {
      at("searched").textContent = told(state);
      if (state.ready) return;
      await new Promise((resolve) => setTimeout(resolve, POLL));
      state = await ask("page/model").then((model) => model.search, () => state);
    }
  }

  run() {
    const caption = at("query").value.trim();
    if (!caption) {
      this.panel.stop();
      this.panel.fail(new Trouble("There is no caption yet. Type what the pictures should show."));
      return;
    }
    this.panel.run("Searching …",
      (signal) => ask("page/search", { body: { caption, count: COUNT }, signal }),
      ({ found }) => this.show(caption, found));
  }

  show(caption, found) {
    const items = found.map(({ picture, score, name }) => {
      const item = made("li");
      const button = made("button");
      const image = made("img");
      image.src = new URL(`page/pictures/${picture}`, document.baseURI);
      image.alt = "";
      image.loading = "lazy";
      button.type = "button";
      button.title = "Use this picture";
      button.append(image, made("span", { text: name }),
        made("span", { className: "score", text: score.toFixed(3) }));
      button.addEventListener("click", () => this.use(picture, name));
      item.append(button);
      return item;
    });
    at("found").replaceChildren(...items);
    return `The ${found.length} nearest to “${caption}”, with their similarity. ` +
      "Choose one to use it.";
  }
}

function told(state) {
  const number = (count) => count.toLocaleString("en-GB");
  if (state.problem) return state.problem;
  const share = state.planned < state.total ? ` of ${number(state.total)}` : "";
  const what = `${number(state.planned)}${share} pictures of ${state.name}`;
  return state.ready
    ? `Searches ${what}.`
    : `The index of ${what} is being made, once: ${number(state.done)} are encoded.`;
}
