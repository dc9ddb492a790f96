// Start: theme, charts, then the table of an evaluation; and the address, which links to a view.

/** The address names filters and the open answers, so that a link shows the same. */
function writeAddress() {
  const values = index.records ? filterValues() : {};
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) if (value) parameters.set(name, value);
  if (openedRow) {
    const { right, left } = opened;
    for (const [name, value] of Object.entries({ task: right.task.id, in: right.workflow, by: right.arm, at: right.decoding, sample: String(right.sample), of: index.runs.length > 1 ? right.run : "" })) if (value) parameters.set(name, value);
    if (left !== right) parameters.set("beside", String(left.n));
  }
  const text = parameters.toString();
  try {
    history.replaceState(null, "", text ? `#${text}` : location.pathname + location.search);
  } catch {
    // Some browsers refuse many changes in a short time; then the address lags behind.
  }
}

/** Sets filters and opens answers as the address names them; unknown names are ignored. */
function readAddress() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  clearFilters();
  byId("search").value = parameters.get("q") ?? "";
  for (const name of FILTERS) {
    const select = byId(`filter-${name}`);
    const value = parameters.get(name);
    if (select && value && [...select.options].some((option) => option.value === value)) select.value = value;
  }
  showRows();
  const id = parameters.get("task");
  if (!id) {
    openedRow = null;
    hasEntry = false;
    if (byId("detail").open) byId("detail").close();
    return;
  }
  const isNamed = (of) => of.task.id === id || of.task.id.endsWith(`/${id}`);
  const fits = (of) => isNamed(of) && [["in", of.workflow], ["by", of.arm], ["at", of.decoding], ["sample", String(of.sample)], ["of", of.run]].every(([name, value]) => !parameters.has(name) || parameters.get(name) === value);
  const row = rows.find((candidate) => candidate.answers.some(fits));
  if (!row) { byId("count").textContent += `; no answer to the task ${id}`; return; }
  isReading = true;
  openRow(row);
  isReading = false;
  if (!parameters.has("by")) return;
  const right = row.answers.find(fits);
  const left = answersTo(right).find((of) => String(of.n) === parameters.get("beside"));
  opened = { right, left: left ?? (opened.left === right ? opened.right : opened.left) };
  showDetail();
}

function startTheme() {
  const button = byId("theme");
  const names = ["auto", "light", "dark"];
  let at = 0;
  button.addEventListener("click", () => {
    at = (at + 1) % names.length;
    if (at === 0) delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = names[at];
    button.textContent = `Theme: ${names[at]}`;
  });
  button.hidden = false;
}

function startTable() {
  makeRows();
  const changed = () => { showRows(); writeAddress(); };
  makeFilters(changed);
  byId("more").addEventListener("click", showMore);
  byId("answers").hidden = false;
  document.addEventListener("keydown", keyInDetail);
  byId("detail").addEventListener("cancel", (event) => { event.preventDefault(); closeDetail(); });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.matches("input, select, textarea") || byId("detail").open) return;
    byId("search").focus();
    event.preventDefault();
  });
  addEventListener("hashchange", readAddress);
  readAddress();
}

async function start() {
  startTheme();
  if (typeof DecompressionStream === "undefined") {
    byId("failure").textContent = "This browser is too old for charts and answers: it needs DecompressionStream (Chrome 80, Firefox 113, Safari 16.4 or later).";
    byId("failure").hidden = false;
    return;
  }
  index = await decode("index");
  for (const [place, charts] of Object.entries(index.charts)) if (charts.length > 0) { showCharts(charts, byId(place)); byId(place).hidden = false; }
  followMarks();
  if (index.records) startTable();
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
}

start().catch((error) => {
  byId("failure").textContent = `This file cannot be read completely: ${error.message}`;
  byId("failure").hidden = false;
});
