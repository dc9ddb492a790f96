// One task: the request, the programs of two answers as a difference, their tests and metrics, and every step.

let openedRow = null;
/** Whether opening made an entry of the history, so that Back closes. */
let hasEntry = false;
/** Whether the address is being read: what it names has an entry already. */
let isReading = false;
let opened = { left: null, right: null };

const nameOf = (record) => [record.arm, record.workflow, record.decoding, record.sample > 0 ? `sample ${record.sample}` : "", index.runs.length > 1 ? record.run : ""].filter(Boolean).join(" \u00b7 ");

/** All answers to a task, those of every workflow and sampling. */
const answersTo = (record) => rows.flatMap((row) => row.answers).filter((of) => of.task === record.task);

/** Opens a task as a chart compares it: this arm with the base model, in one workflow and sampling. */
function openTask({ id, run, arm, workflow, decoding }) {
  const fits = (of) => of.task.id === id && index.records.run[of.n] === run && of.arm === arm && of.workflow === workflow && of.decoding === decoding;
  const row = rows.find((of) => of.answers.some(fits));
  if (row) openRow(row, row.answers.find(fits));
}

/** Opens the row with the base model at the left and an adapter at the right, or the first answers there are. */
function openRow(row, chosen) {
  if (!byId("detail").open && !hasEntry && !isReading) {
    try {
      history.pushState(null, "", location.href);
      hasEntry = true;
    } catch {
      // Then Back leaves the page.
    }
  }
  const { base, others } = sides(row);
  const right = chosen ?? others[0] ?? base;
  let left = base;
  if (!left || left === right) {
    const beside = answersTo(right).filter((of) => of !== right);
    left = beside.find((of) => of.decoding === right.decoding) ?? beside[0] ?? right;
  }
  openedRow = row;
  opened = { left, right };
  showDetail();
}

function closeDetail() {
  openedRow = null;
  byId("detail").close();
  if (hasEntry) {
    hasEntry = false;
    history.back();
  } else writeAddress();
}

async function contentOf(record) {
  const content = await block(`answers-${index.records.block[record.n]}`);
  const answer = content.answers.find((of) => of.n === record.n);
  const text = (at) => content.texts[at] ?? "";
  return { ...answer, program: text(answer.program), completion: text(answer.completion), failure: text(answer.failure) };
}

/** The steps of an answer; null if the page has none. */
async function stepsOf(record) {
  const id = `steps-${index.records.block[record.n]}`;
  if (!byId(id)) return null;
  const content = await block(id);
  const found = content.answers.find((of) => of.n === record.n);
  return found ? { steps: found.steps, texts: content.texts } : null;
}

function chooser(side, record) {
  const options = answersTo(record).map((of) => make("option", { value: of.n, selected: of.n === record.n }, nameOf(of)));
  return make("select", { "aria-label": side, id: `side-${side}`, onchange: (event) => { opened[side] = answersTo(record).find((of) => String(of.n) === event.target.value); showDetail(); } }, ...options);
}

function metricsTable(records, contents) {
  const names = index.metrics.filter(([key]) => contents.some((of) => finite(of.metrics?.[key])));
  const line = (name, values, most) => {
    const digits = values.every((value) => !finite(value) || Number.isInteger(value)) ? 0 : most;
    return make("tr", {}, make("td", {}, name), ...values.map((value) => make("td", { class: "n" }, shown(value, digits))), ...(records.length === 2 ? [make("td", { class: "n" }, finite(values[0]) && finite(values[1]) ? signed(values[1] - values[0], digits) : "\u2013")] : []));
  };
  const head = make("tr", {}, make("th", {}, ""), ...records.map((of) => make("th", { class: "n" }, of.arm)), ...(records.length === 2 ? [make("th", { class: "n" }, "change")] : []));
  const body = names.map(([key, name, digits]) => line(name, contents.map((of) => of.metrics?.[key]), digits));
  const spent = [["tokens generated", "tokens", 0], ["prompt tokens", "prompt_tokens", 0], ["calls", "calls", 0], ["seconds", "seconds", 1]];
  for (const [name, key, digits] of spent) body.push(line(name, contents.map((of) => of[key]), digits));
  return make("div", { class: "scroll" }, make("table", {}, make("thead", {}, head), make("tbody", {}, ...body)));
}

function outcome(record, content) {
  const parts = [make("h3", {}, nameOf(record), " ", verdictChip(record))];
  if (content.failure) parts.push(make("pre", { class: "wrap", "data-failure": true }, content.failure));
  else if (passes(record)) parts.push(make("p", { class: "muted" }, "All hidden tests pass."));
  return make("div", {}, ...parts);
}

const TONES = { g: "good", b: "bad" };

function stepElement(step, texts) {
  const [number, round, title, facts, parts] = step;
  const about = [`step ${number}`, round > 0 ? `round ${round}` : "", ...facts].filter(Boolean).join(" \u00b7 ");
  const shownParts = parts.map(([name, text, tone, isOpen]) => {
    const head = make("summary", { class: TONES[tone] ?? "" }, texts[name]);
    if (texts[text] === "") return make("div", { class: `part ${TONES[tone] ?? ""}` }, texts[name]);
    return make("details", { class: "part", open: isOpen === 1 }, head, make("pre", { class: "wrap" }, texts[text]));
  });
  return make("div", { class: "step" }, make("b", {}, title), " ", make("span", { class: "muted" }, about), ...shownParts);
}

function trajectory(record, found) {
  if (!found) return make("p", { class: "muted" }, index.without_steps ?? "The run has no trajectory of this answer.");
  return make("div", {}, ...found.steps.map((step) => stepElement(step, found.texts)));
}

/** The request: the messages of the first call. */
function request(found) {
  const first = found?.steps.find((step) => step[5] === "call");
  if (!first) return make("p", { class: "muted" }, "The request is not recorded: the page has no trajectory of this answer.");
  const messages = first[4].slice(0, -1);
  return make("div", {}, ...messages.map(([name, text]) => make("div", { class: "part" }, make("b", {}, found.texts[name]), make("pre", { class: "wrap" }, found.texts[text]))));
}

let contextLines = 3;

async function showDetail() {
  const { left, right } = opened;
  const records = left === right ? [right] : [left, right];
  writeAddress();
  const dialog = byId("detail");
  const at = visible.indexOf(openedRow);
  const go = (by) => { const next = visible[at + by]; if (next) openRow(next); };
  const bar = make("div", { class: "bar" },
    make("h2", { id: "detail-title" }, right.task.id),
    make("button", { type: "button", onclick: () => go(-1), disabled: at < 1, "aria-label": "Previous row" }, "\u2190"),
    make("button", { type: "button", onclick: () => go(1), disabled: at < 0 || at + 1 >= visible.length, "aria-label": "Next row" }, "\u2192"),
    make("button", { type: "button", id: "close", onclick: closeDetail }, "Close"));
  dialog.replaceChildren(bar, make("p", { class: "muted" }, "Reading\u2026"));
  if (!dialog.open) dialog.showModal();
  let contents, steps;
  try {
    contents = await Promise.all(records.map(contentOf));
    steps = await Promise.all(records.map(stepsOf));
  } catch (error) {
    dialog.replaceChildren(bar, make("p", { class: "bad" }, `This part of the file cannot be read: ${error.message}`));
    return;
  }
  if (opened.left !== left || opened.right !== right) return;
  const whole = make("input", { type: "checkbox", id: "whole", checked: contextLines > 3, onchange: (event) => { contextLines = event.target.checked ? 1e6 : 3; showDetail(); } });
  const programs = records.length === 2
    ? [make("p", {}, "Lines of ", chooser("left", left), " (\u2212) and of ", chooser("right", right), " (+) ", make("label", {}, whole, " whole programs")),
      contents[0].program === contents[1].program ? make("p", { class: "muted" }, "Both programs are the same.") : undefined,
      diffTable(contents[0].program, contents[1].program, contextLines)]
    : [make("p", {}, chooser("right", right)), make("pre", {}, contents[0].program)];
  dialog.replaceChildren(bar,
    make("div", { class: "sides" }, ...records.map((record, n) => outcome(record, contents[n]))),
    make("h3", {}, records.length === 2 ? "Programs" : "Program"), ...programs.filter(Boolean),
    make("h3", {}, "Request"), request(steps[steps.length - 1]),
    make("h3", {}, "Metrics and cost"), metricsTable(records, contents),
    ...records.flatMap((record, n) => [
      make("details", { open: records.length === 1 }, make("summary", {}, make("b", {}, `Trajectory: ${nameOf(record)}`)), trajectory(record, steps[n])),
      make("details", {}, make("summary", {}, `Answer as it came: ${nameOf(record)}`), make("pre", { class: "wrap" }, contents[n].completion)),
    ]));
  // The elements that had the focus are replaced.
  if (!dialog.contains(document.activeElement)) byId("close").focus();
  dialog.dataset.ready = right.n;
}

function keyInDetail(event) {
  if (!openedRow || event.target.matches("input, select")) return;
  const at = visible.indexOf(openedRow);
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (by && visible[at + by] && !event.target.closest(".diff")) { openRow(visible[at + by]); event.preventDefault(); }
}
