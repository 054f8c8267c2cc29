// Starts the page: what the model is, and the tabs.

import { Align } from "./align.js";
import { Classify } from "./classify.js";
import { Picture, at } from "./picture.js";
import { ask } from "./requests.js";
import { Search } from "./search.js";

const tabs = [...at("tabs").children];

function select(name, onShown) {
  for (const tab of tabs) {
    const chosen = tab.id === `tab-${name}`;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
    at(tab.id.slice("tab-".length)).hidden = !chosen;
  }
  at("picture").hidden = name === "search";
  document.querySelector("main").dataset.tab = name;
  onShown(name);
}

function wireTabs(onShown) {
  for (const tab of tabs) {
    tab.addEventListener("click", () => select(tab.id.slice("tab-".length), onShown));
  }
  at("tabs").addEventListener("keydown", (event) => {
    const shown = tabs.filter((tab) => !tab.hidden);
    const here = shown.indexOf(document.activeElement);
    const next = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: -1 }[event.key];
    if (next === undefined || here < 0) return;
    event.preventDefault();
    const tab = shown.at(next % shown.length);
    tab.focus();
    tab.click();
  });
}

function describe(model) {
  const scorer = model.scorer === "late_interaction"
    ? "compares patches with words" : "compares embeddings";
  document.title = `${model.name} – clipbench`;
  at("title").textContent = model.name;
  at("about").textContent =
    `${model.method}, trained on ${model.dataset}; sees ${model.image_size} px pictures, ${scorer}.`;
}

async function start() {
  let model;
  try {
    model = await ask("page/model");
  } catch (error) {
    at("fatal").textContent = `${error.message} Then load this page anew.`;
    at("fatal").hidden = false;
    at("about").textContent = "";
    return;
  }
  describe(model);
  if (model.tower !== "both") {
    at("fatal").textContent = `This export holds the ${model.tower} tower alone, and answers ` +
      "programs. For this page, export both towers.";
    at("fatal").hidden = false;
    return;
  }
  const picture = new Picture(model);
  const align = new Align(model, picture);
  const shown = (name) => align.show(name === "align");
  // A picture that is dropped or pasted where none is shown is classified.
  picture.changed(() => at("picture").hidden && select("classify", shown));
  new Classify(model, picture);
  new Search(model, async (place, name) => {
    select("classify", shown);
    at("tab-classify").focus();
    await picture.fetch(place, name);
  });
  at("tab-search").hidden = !model.search;
  at("tab-align").hidden = !model.aligns;
  wireTabs(shown);
  document.documentElement.dataset.ready = "true";
}

start();
