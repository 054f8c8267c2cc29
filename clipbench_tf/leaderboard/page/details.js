// The details of a row: seeds, curves, differences, configuration, and where it is from.

function detailsOf(row) {
  const inside = made("div", { class: "inside" });
  inside.append(made("h3", {}, `${row.label}: each seed`), tableOf(row.seeds, "seeds"));
  inside.append(made("p", { class: "note" }, "Intervals of a seed are those over the test pictures."));
  if (row.curves.length) {
    const curves = made("div", { class: "curves" });
    curves.append(...row.curves.map((curve) => figureOf(curve, row.label)));
    inside.append(made("h3", {}, "Training curves"), curves, keyOf(row.curves[0]));
  }
  for (const { base, changes } of row.differences) {
    inside.append(made("h3", {}, `Configuration beside ${base}`));
    if (!changes.length) inside.append(made("p", { class: "note" }, "No difference."));
    else {
      const lines = changes.map((cells) => cells.map((cell) => cell ?? "not bound"));
      inside.append(tableOf([["parameter", base, row.label], ...lines], "changes"));
    }
  }
  inside.append(made("h3", {}, `Configuration of seed ${row.config_seed}`), configOf(row));
  inside.append(made("h3", {}, "Where it is from"), factsOf(row.facts));
  return inside;
}

// A table of texts, the first line its heading, the first column the headings of lines.
function tableOf([heads, ...lines], kind) {
  const table = made("table", { class: kind });
  const head = table.createTHead().insertRow();
  for (const text of heads) head.append(made("th", { scope: "col" }, text));
  const body = table.createTBody();
  for (const cells of lines) {
    const line = body.insertRow();
    cells.forEach((text, n) => {
      line.append(n ? made("td", {}, text) : made("th", { scope: "row" }, text));
    });
  }
  const scroll = made("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": heads.join(", ") });
  scroll.append(table);
  return scroll;
}

function configOf(row) {
  const box = made("div");
  const text = made("pre", { tabindex: "0", "aria-label": "Configuration" }, row.config);
  const button = made("button", { type: "button", class: "copy" }, "Copy");
  const told = made("span", { role: "status", class: "note" });
  button.addEventListener("click", async () => {
    told.textContent = await copied(text) ? "Copied." : "Selected; copy it with the keyboard.";
  });
  box.append(button, told, text);
  return box;
}

// Whether the text of an element is on the clipboard; it stays selected where it cannot be.
async function copied(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return document.execCommand("copy");
  }
}

function factsOf(facts) {
  const list = made("dl");
  for (const [name, text] of facts) list.append(made("dt", {}, name), made("dd", {}, text));
  return list;
}
