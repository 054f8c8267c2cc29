// Class names and prompts in, bars out, by the signatures `classify` and `serving_default`.

import { at } from "./picture.js";
import { Panel, Trouble, ask, encoded, made } from "./requests.js";

const BEST = 5; // of the model's own classes that are shown
const NO_PICTURE =
  "This file is no picture that the model can read. JPEG, PNG, WebP, JPEG XL, GIF or BMP is expected.";

export class Classify {
  constructor(model, picture) {
    this.model = model;
    this.picture = picture;
    this.panel = new Panel(at("classify"), at("bars"));
    const count = model.templates.length;
    at("own-prompts").textContent = count === 1
      ? `the model’s: ${model.templates[0]}`
      : `the model’s ${count}: ${model.templates.slice(0, 2).join("; ")} …`;
    at("names-help").textContent =
      `Leave it empty for the best ${Math.min(BEST, model.classes)} of the model’s own ` +
      `${model.classes} classes, with the model’s prompts.`;
    at("classify-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.run();
    });
    for (const radio of document.getElementsByName("prompts")) {
      radio.addEventListener("change", () => this.choosePrompts(radio.value));
    }
    at("names").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.run();
    });
    picture.changed(() => at("classify").hidden || this.run());
  }

  choosePrompts(value) {
    at("templates").hidden = value !== "own";
    if (value === "own") at("templates").focus();
    else if (this.picture.file) this.run();
  }

  names() {
    const parts = at("names").value.split(/[\n,]/).map((name) => name.trim());
    return [...new Set(parts.filter(Boolean))];
  }

  templates() {
    const chosen = document.querySelector("input[name=prompts]:checked").value;
    if (chosen === "model") return this.model.templates;
    if (chosen !== "own") return [chosen];
    const own = at("templates").value.split("\n").map((line) => line.trim()).filter(Boolean);
    if (!own.length) throw new Trouble("Write a prompt a line, as in: a drawing of a {}");
    const wrong = own.find((line) => !line.includes("{}"));
    if (wrong) throw new Trouble(`The prompt “${wrong}” has no {} for the name; add it.`);
    return own;
  }

  run() {
    if (!this.picture.required(this.panel)) return;
    this.panel.run("Classifying …", (signal) => this.ask(signal), (rows) => this.show(rows));
  }

  async ask(signal) {
    const names = this.names();
    const inputs = { image: [await encoded(this.picture.file)] };
    if (names.length && !this.model.classifies) {
      throw new Trouble("This export takes no class names. Export it again, or leave them out.");
    }
    if (names.length) {
      Object.assign(inputs, { classes: [names], templates: this.templates(), k: names.length });
    }
    const signature = names.length ? "classify" : "serving_default";
    const path = `v1/models/${encodeURIComponent(this.model.name)}:predict`;
    const body = { signature_name: signature, inputs };
    const { outputs } = await ask(path, { body, signal });
    if (outputs.valid && !outputs.valid[0]) throw new Trouble(NO_PICTURE);
    const rows = outputs.classes[0].map((name, n) => ({ name, score: outputs.scores[0][n] }));
    rows.sort((a, b) => b.score - a.score);
    return names.length ? rows : rows.slice(0, BEST);
  }

  show(rows) {
    const percent = (score) => `${(100 * score).toFixed(1)}%`;
    const items = rows.map(({ name, score }) => {
      const item = made("li");
      const track = made("div", { className: "track" });
      const bar = made("div", { className: "bar" });
      bar.style.width = `${100 * score}%`;
      track.append(bar);
      track.setAttribute("aria-hidden", "true");
      item.append(made("span", { className: "name", text: name }),
        made("span", { className: "score", text: percent(score) }), track);
      return item;
    });
    at("bars").replaceChildren(...items);
    if (rows.length === 1) return "One name alone always has 100%. Type others to compare it with.";
    return `Most likely: ${rows[0].name}, ${percent(rows[0].score)}.`;
  }
}
