// Tables that sort and filter, and rows that open.

const DATA = JSON.parse(document.getElementById("data").textContent);
const PINNED = 0.6; // of a table's width that factors may keep while the rest is scrolled

function rowsOf(table) {
  return [...table.tBodies[0].children].filter((line) => line.dataset.row !== undefined);
}

// The row of details below a row, if it was ever opened.
function below(line) {
  const next = line.nextElementSibling;
  return next?.classList.contains("details") ? next : null;
}

function sortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, n) => {
    const button = made("button", { type: "button" }, head.textContent);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const numeric = head.classList.contains("number");
      const before = head.getAttribute("aria-sort");
      const descending = before ? before === "ascending" : numeric;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", descending ? "descending" : "ascending");
      sort(table, n, numeric, descending);
    });
  });
}

// Equal rows keep their order, and rows without a value come last either way.
function sort(table, column, numeric, descending) {
  const value = (line) => line.cells[column].dataset.value;
  const compare = (a, b) => {
    const [mine, its] = [value(a), value(b)];
    if (mine === undefined || its === undefined) return (mine === undefined) - (its === undefined);
    const order = numeric ? mine - its : mine.localeCompare(its, "en", { numeric: true });
    return descending ? -order : order;
  };
  for (const line of rowsOf(table).sort(compare)) {
    const details = below(line);
    table.tBodies[0].append(line, ...(details ? [details] : []));
  }
}

function openable(table, rows) {
  for (const line of rowsOf(table)) {
    const name = line.cells[0];
    const button = made("button", { type: "button", "aria-expanded": "false" }, name.textContent);
    name.replaceChildren(button);
    line.addEventListener("click", (event) => {
      const selecting = !getSelection().isCollapsed && event.target !== button;
      if (!selecting) toggle(line, button, rows[line.dataset.row]);
    });
  }
}

function toggle(line, button, row) {
  const open = button.getAttribute("aria-expanded") === "false";
  button.setAttribute("aria-expanded", String(open));
  line.classList.toggle("open", open);
  let details = below(line);
  if (!details) {
    details = made("tr", { class: "details" });
    const cell = made("td", { colspan: line.cells.length });
    cell.append(detailsOf(row));
    details.append(cell);
    line.after(details);
  }
  details.hidden = !open;
}

// Keeps the factors in sight while the rest is scrolled, as many of them as leave room.
function pin(section) {
  const table = section.querySelector("table");
  const room = PINNED * section.querySelector(".wide").clientWidth;
  const widths = [...table.tHead.rows[0].cells].map((cell) => cell.offsetWidth);
  for (const line of [table.tHead.rows[0], ...rowsOf(table)]) {
    let left = 0;
    for (let n = 0; n < section.dataset.factors; n += 1) {
      const fits = left + widths[n] <= room || n === 0;
      line.cells[n].classList.toggle("pinned", fits);
      line.cells[n].style.left = fits ? `${left}px` : "";
      left += widths[n];
    }
  }
}

function filter() {
  const words = document.getElementById("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  let all = 0;
  for (const section of document.querySelectorAll("main section")) {
    for (const line of rowsOf(section.querySelector("table"))) {
      const text = [...line.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
      line.hidden = !words.every((word) => text.includes(word));
      const details = below(line);
      if (details) details.hidden = line.hidden || !line.classList.contains("open");
      shown += !line.hidden;
      all += 1;
    }
  }
  document.getElementById("count").textContent = words.length ? `${shown} of ${all} rows` : "";
}

for (const section of document.querySelectorAll("main section")) {
  const table = section.querySelector("table");
  sortable(table);
  openable(table, DATA[section.dataset.suite]);
  pin(section);
  new ResizeObserver(() => pin(section)).observe(section);
}
document.getElementById("tools").hidden = false;
document.getElementById("filter").addEventListener("input", filter);
filter(); // a browser may keep what was typed before the page was loaded anew
document.documentElement.dataset.ready = "yes";
