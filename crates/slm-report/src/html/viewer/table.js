// The table of answers: a row for each task, workflow, sampling and sample, with the answers of all arms.

let index;
/** Rows: {key, run, task, workflow, decoding, sample, answers: record numbers by arm order}. */
let rows = [];
let visible = [];
let sorting = { column: "order", down: false };
let texts = null;
const STEP = 200;
let rendered = 0;

const PASSED = "passed";

const recordOf = (n) => ({
  n,
  run: index.runs[index.records.run[n]],
  task: index.tasks[index.records.task[n]],
  arm: index.arms[index.records.arm[n]],
  workflow: index.workflows[index.records.workflow[n]],
  decoding: index.decodings[index.records.decoding[n]],
  sample: index.records.sample[n],
  verdict: index.verdicts[index.records.verdict[n]],
  passed: index.records.passed[n],
  total: index.records.total[n],
  mi: index.records.mi[n],
  cc: index.records.cc[n],
  tokens: index.records.tokens[n],
  detail: index.records.detail[n],
});

const isBase = (record) => record.arm === "base";
const passes = (record) => record.total > 0 && record.verdict === PASSED;
const isTested = (record) => record.total > 0;

function makeRows() {
  const byKey = new Map();
  for (let n = 0; n < index.records.task.length; n += 1) {
    const of = index.records;
    const key = [of.run[n], of.task[n], of.workflow[n], of.decoding[n], of.sample[n]].join(" ");
    if (!byKey.has(key)) byKey.set(key, { order: byKey.size, answers: [] });
    byKey.get(key).answers.push(n);
  }
  rows = [...byKey.values()].map((row) => ({ ...row, answers: row.answers.map(recordOf) }));
}

/** The base model's answer and an adapter's that are compared in a row; undefined where one is missing. */
function sides(row) {
  const base = row.answers.find(isBase);
  const others = row.answers.filter((record) => !isBase(record));
  return { base, others };
}

/** What the choices of the first filter keep. */
const STATES = {
  all: ["all", () => true],
  failed: ["an answer fails", (row) => row.answers.some((of) => isTested(of) && !passes(of))],
  passed: ["every answer passes", (row) => row.answers.every(passes)],
  changed: ["arms differ in passing", (row) => new Set(row.answers.filter(isTested).map(passes)).size > 1],
  improved: ["an adapter passes, the base fails", (row) => between(row, (base, other) => isTested(base) && !passes(base) && passes(other))],
  worse: ["an adapter fails, the base passes", (row) => between(row, (base, other) => passes(base) && isTested(other) && !passes(other))],
  mi_up: ["an adapter has a higher MI", (row) => between(row, (base, other) => finite(base.mi) && finite(other.mi) && other.mi > base.mi)],
  mi_down: ["an adapter has a lower MI", (row) => between(row, (base, other) => finite(base.mi) && finite(other.mi) && other.mi < base.mi)],
  untested: ["has no tests", (row) => row.answers.some((of) => !isTested(of))],
};

function between(row, holds) {
  const { base, others } = sides(row);
  return base !== undefined && others.some((other) => holds(base, other));
}

const FILTERS = ["state", "run", "benchmark", "workflow", "sampling", "arm", "verdict"];

const VALUES = {
  run: (record) => record.run,
  benchmark: (record) => record.task.benchmark,
  workflow: (record) => record.workflow,
  sampling: (record) => record.decoding,
  arm: (record) => record.arm,
  verdict: (record) => record.verdict,
};

/** Builds the filters; one with a single choice is omitted. */
function makeFilters(changed) {
  const place = byId("filters");
  const search = make("input", { type: "search", id: "search", placeholder: "task, error", oninput: changed, "aria-keyshortcuts": "/" });
  place.append(make("label", {}, "Search", search));
  const deep = make("input", { type: "checkbox", id: "deep", onchange: async (event) => {
    if (event.target.checked && !texts) await loadTexts();
    changed();
  } });
  place.append(make("label", { class: "check" }, deep, "in programs too"));
  const names = { state: "Show", run: "Run", benchmark: "Benchmark", workflow: "Workflow", sampling: "Sampling", arm: "Arm", verdict: "Verdict" };
  for (const name of FILTERS) {
    const choices = name === "state"
      ? Object.entries(STATES).filter(([key]) => usable(key)).map(([key, [text]]) => [key, text])
      : [["", "all"], ...[...new Set(rows.flatMap((row) => row.answers.map(VALUES[name])))].map((value) => [value, name === "verdict" ? value.replaceAll("_", " ") : value])];
    if (choices.length < 3 && name !== "state") continue;
    const options = choices.map(([value, text]) => make("option", { value }, text));
    place.append(make("label", {}, names[name], make("select", { id: `filter-${name}`, onchange: changed }, ...options)));
  }
  place.append(make("button", { type: "button", onclick: () => { clearFilters(); changed(); } }, "Clear"));
}

/** Whether the run has what a choice compares. */
function usable(key) {
  if (["improved", "worse", "mi_up", "mi_down"].includes(key)) return rows.some((row) => { const { base, others } = sides(row); return base && others.length > 0; });
  if (key === "changed") return rows.some((row) => row.answers.length > 1);
  if (key === "untested") return rows.some((row) => row.answers.some((of) => !isTested(of)));
  return true;
}

function clearFilters() {
  byId("search").value = "";
  for (const name of FILTERS) if (byId(`filter-${name}`)) byId(`filter-${name}`).selectedIndex = 0;
}

function filterValues() {
  const found = { q: byId("search").value.trim() };
  for (const name of FILTERS) found[name] = byId(`filter-${name}`)?.value ?? "";
  if (found.state === "all") found.state = "";
  return found;
}

/** Programs and answers in lower case, for the search. */
async function loadTexts() {
  const found = new Array(index.records.task.length).fill("");
  byId("count").textContent = "reading all programs\u2026";
  for (let at = 0; at < index.blocks; at += 1) {
    const content = await block(`answers-${at}`);
    for (const answer of content.answers) found[answer.n] = `${content.texts[answer.program]}\n${content.texts[answer.completion]}`.toLowerCase();
  }
  texts = found;
}

/** The rows that the filters keep; every filter but the state must hold for one and the same answer. */
function filtered(values) {
  const words = values.q.toLowerCase();
  const deep = byId("deep").checked && texts;
  const isFound = (of) => words === "" || of.task.id.toLowerCase().includes(words) || (of.detail ?? "").toLowerCase().includes(words) || (deep && texts[of.n].includes(words));
  const chosen = Object.entries(VALUES).filter(([name]) => values[name]);
  const state = STATES[values.state || "all"][1];
  return rows.filter((row) => state(row) && row.answers.some((of) => chosen.every(([name, value]) => value(of) === values[name]) && isFound(of)));
}

const COLUMNS = [
  ["order", "Task", (row) => row.order, ""],
  ["run", "Run", (row) => row.answers[0].run, "wide"],
  ["workflow", "Workflow", (row) => row.answers[0].workflow, "wide"],
  ["sampling", "Sampling", (row) => `${row.answers[0].decoding} ${row.answers[0].sample}`, "wide"],
];

/** Columns of an arm: verdict, MI and CC. */
function columns() {
  const arms = index.arms.flatMap((arm) => [
    [`verdict ${arm}`, arm, (row) => of(row, arm)?.verdict ?? "", ""],
    [`mi ${arm}`, "MI", (row) => of(row, arm)?.mi ?? -1e9, "wide n"],
    [`cc ${arm}`, "CC", (row) => of(row, arm)?.cc ?? -1e9, "wide n"],
  ]);
  const samplings = index.decodings.length > 1 || rows.some((row) => row.answers[0].sample > 0);
  return [...COLUMNS.filter(([name]) => (name !== "run" || index.runs.length > 1) && (name !== "workflow" || index.workflows.length > 1) && (name !== "sampling" || samplings)), ...arms];
}

const of = (row, arm) => row.answers.find((record) => record.arm === arm);

function sorted(list) {
  const column = columns().find(([name]) => name === sorting.column) ?? COLUMNS[0];
  const value = column[2];
  const found = [...list].sort((a, b) => {
    const [left, right] = [value(a), value(b)];
    return left < right ? -1 : left > right ? 1 : a.order - b.order;
  });
  return sorting.down ? found.reverse() : found;
}

function showHead(changed) {
  const cells = columns().map(([name, text, , kind]) => {
    const isSorted = sorting.column === name;
    const button = make("button", { type: "button", onclick: () => { sorting = { column: name, down: isSorted && !sorting.down }; changed(); } }, text + (isSorted ? (sorting.down ? " \u2193" : " \u2191") : ""));
    return make("th", { class: kind, "aria-sort": isSorted ? (sorting.down ? "descending" : "ascending") : "none" }, button);
  });
  byId("head").replaceChildren(make("tr", {}, ...cells));
}

function verdictChip(record) {
  if (!record) return make("span", { class: "muted" }, "\u2013");
  const tone = !isTested(record) ? "muted" : passes(record) ? "good" : "bad";
  const text = isTested(record) ? `${record.verdict.replaceAll("_", " ")} ${record.passed}/${record.total}` : "not tested";
  return make("span", { class: `chip ${tone}` }, text);
}

function rowElement(row) {
  const first = row.answers[0];
  const cells = [make("td", { class: "id" }, first.task.id)];
  if (index.runs.length > 1) cells.push(make("td", { class: "wide" }, first.run));
  if (columns().some(([name]) => name === "workflow")) cells.push(make("td", { class: "wide" }, first.workflow));
  if (columns().some(([name]) => name === "sampling")) cells.push(make("td", { class: "wide" }, first.sample > 0 ? `${first.decoding}, sample ${first.sample}` : first.decoding));
  for (const arm of index.arms) {
    const record = of(row, arm);
    cells.push(make("td", {}, verdictChip(record)), make("td", { class: "wide n" }, shown(record?.mi, 1)), make("td", { class: "wide n" }, shown(record?.cc, 1)));
  }
  return make("tr", { tabindex: "0", "data-row": row.order, "aria-label": `${first.task.id}, ${first.workflow}, ${first.decoding}, sample ${first.sample}`, onclick: () => openRow(row), onkeydown: (event) => keyInTable(event, row) }, ...cells);
}

function keyInTable(event, row) {
  const next = { ArrowDown: "nextElementSibling", j: "nextElementSibling", ArrowUp: "previousElementSibling", k: "previousElementSibling" }[event.key];
  if (event.key === "Enter") openRow(row);
  else if (next) {
    if (next === "nextElementSibling" && !event.currentTarget[next]) showMore();
    event.currentTarget[next]?.focus();
  } else return;
  event.preventDefault();
}

function showMore() {
  const more = visible.slice(rendered, rendered + STEP).map(rowElement);
  byId("rows").append(...more);
  rendered += more.length;
  byId("more").hidden = rendered >= visible.length;
  byId("more").textContent = `Show more (${grouped(visible.length - rendered)} left)`;
}

/** Shows the rows that the filters keep. */
function showRows() {
  showHead(showRows);
  visible = sorted(filtered(filterValues()));
  const answers = visible.reduce((sum, row) => sum + row.answers.length, 0);
  byId("count").textContent = `${grouped(visible.length)} of ${counted(rows.length, "row")}, ${counted(answers, "answer")}`;
  byId("count").dataset.rows = visible.length;
  byId("count").dataset.answers = answers;
  byId("rows").replaceChildren();
  rendered = 0;
  showMore();
}
