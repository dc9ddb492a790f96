// Differences by line, equal to those of Python's difflib (SequenceMatcher with its default settings).

const POPULAR_FROM = 200;

/** Splits at line feeds; a final one ends the last line. */
function linesOf(text) {
  const lines = text.split("\n");
  if (lines[lines.length - 1] === "") lines.pop();
  return lines;
}

/** Where each line occurs in `b`, without lines that are so frequent in a long text that they align nothing. */
function placesOf(b) {
  const places = new Map();
  b.forEach((line, at) => {
    if (!places.has(line)) places.set(line, []);
    places.get(line).push(at);
  });
  if (b.length >= POPULAR_FROM) {
    const most = Math.floor(b.length / 100) + 1;
    for (const [line, found] of places) if (found.length > most) places.delete(line);
  }
  return places;
}

/** The longest block common to a[aLow..aHigh] and b[bLow..bHigh], the earliest of several. */
function longestMatch(a, b, places, aLow, aHigh, bLow, bHigh) {
  let [bestA, bestB, size] = [aLow, bLow, 0];
  let lengths = new Map();
  for (let i = aLow; i < aHigh; i += 1) {
    const next = new Map();
    for (const j of places.get(a[i]) ?? []) {
      if (j < bLow) continue;
      if (j >= bHigh) break;
      const length = (lengths.get(j - 1) ?? 0) + 1;
      next.set(j, length);
      if (length > size) [bestA, bestB, size] = [i - length + 1, j - length + 1, length];
    }
    lengths = next;
  }
  // Frequent lines start no match, but extend one.
  while (bestA > aLow && bestB > bLow && a[bestA - 1] === b[bestB - 1]) {
    bestA -= 1; bestB -= 1; size += 1;
  }
  while (bestA + size < aHigh && bestB + size < bHigh && a[bestA + size] === b[bestB + size]) size += 1;
  return [bestA, bestB, size];
}

/** Edits that turn a into b: [kind, aStart, aEnd, bStart, bEnd], kinds as in difflib. */
function edits(a, b) {
  const places = placesOf(b);
  const matches = [];
  const waiting = [[0, a.length, 0, b.length]];
  while (waiting.length > 0) {
    const [aLow, aHigh, bLow, bHigh] = waiting.pop();
    const [i, j, size] = longestMatch(a, b, places, aLow, aHigh, bLow, bHigh);
    if (size === 0) continue;
    matches.push([i, j, size]);
    if (aLow < i && bLow < j) waiting.push([aLow, i, bLow, j]);
    if (i + size < aHigh && j + size < bHigh) waiting.push([i + size, aHigh, j + size, bHigh]);
  }
  matches.sort((left, right) => left[0] - right[0] || left[1] - right[1]);
  const joined = [];
  for (const match of matches) {
    const last = joined[joined.length - 1];
    if (last && last[0] + last[2] === match[0] && last[1] + last[2] === match[1]) last[2] += match[2];
    else joined.push([...match]);
  }
  joined.push([a.length, b.length, 0]);
  const found = [];
  let [i, j] = [0, 0];
  for (const [matchA, matchB, size] of joined) {
    if (i < matchA && j < matchB) found.push(["replace", i, matchA, j, matchB]);
    else if (i < matchA) found.push(["delete", i, matchA, j, matchB]);
    else if (j < matchB) found.push(["insert", i, matchA, j, matchB]);
    [i, j] = [matchA + size, matchB + size];
    if (size > 0) found.push(["equal", matchA, i, matchB, j]);
  }
  return found;
}

/** Groups of edits with up to `context` equal lines around them. */
function hunks(a, b, context) {
  const all = edits(a, b);
  if (all.every(([kind]) => kind === "equal")) return [];
  const first = all[0];
  if (first[0] === "equal") {
    all[0] = ["equal", Math.max(first[1], first[2] - context), first[2], Math.max(first[3], first[4] - context), first[4]];
  }
  const last = all[all.length - 1];
  if (last[0] === "equal") {
    all[all.length - 1] = ["equal", last[1], Math.min(last[2], last[1] + context), last[3], Math.min(last[4], last[3] + context)];
  }
  const groups = [];
  let group = [];
  for (const [kind, aStart, aEnd, bStart, bEnd] of all) {
    let [i, j] = [aStart, bStart];
    if (kind === "equal" && aEnd - aStart > 2 * context) {
      group.push([kind, i, Math.min(aEnd, i + context), j, Math.min(bEnd, j + context)]);
      groups.push(group);
      group = [];
      [i, j] = [Math.max(i, aEnd - context), Math.max(j, bEnd - context)];
    }
    group.push([kind, i, aEnd, j, bEnd]);
  }
  if (group.length > 0 && !(group.length === 1 && group[0][0] === "equal")) groups.push(group);
  return groups;
}

function rangeText(start, end) {
  const length = end - start;
  if (length === 1) return `${start + 1}`;
  return `${length === 0 ? start : start + 1},${length}`;
}

/** Lines of a unified difference: {kind: hunk, same, del or add; text; a, b: line numbers from 1}. */
function unified(before, after, context) {
  const [a, b] = [linesOf(before), linesOf(after)];
  const lines = [];
  for (const group of hunks(a, b, context)) {
    const [first, last] = [group[0], group[group.length - 1]];
    lines.push({ kind: "hunk", text: `@@ -${rangeText(first[1], last[2])} +${rangeText(first[3], last[4])} @@` });
    for (const [kind, aStart, aEnd, bStart, bEnd] of group) {
      if (kind === "equal") {
        for (let k = 0; k < aEnd - aStart; k += 1) {
          lines.push({ kind: "same", text: a[aStart + k], a: aStart + k + 1, b: bStart + k + 1 });
        }
        continue;
      }
      for (let i = aStart; i < aEnd; i += 1) lines.push({ kind: "del", text: a[i], a: i + 1 });
      for (let j = bStart; j < bEnd; j += 1) lines.push({ kind: "add", text: b[j], b: j + 1 });
    }
  }
  return lines;
}

const MARKS = { hunk: "", same: " ", del: "-", add: "+" };

/** Shows a difference, or the one text that both sides have. */
function diffTable(before, after, context) {
  let lines = unified(before, after, context);
  if (lines.length === 0) {
    lines = linesOf(after).map((text, at) => ({ kind: "same", text, a: at + 1, b: at + 1 }));
  }
  const rows = lines.map(({ kind, text, a, b }) => {
    if (kind === "hunk") return make("tr", { class: "hunk" }, make("td", { colspan: 3 }, text));
    const number = (n) => make("td", { class: "no" }, n === undefined ? "" : String(n));
    return make("tr", { class: kind, "data-line": MARKS[kind] + text }, number(a), number(b), make("td", {}, MARKS[kind] + text));
  });
  return make("div", { class: "diff", tabindex: "0", role: "region", "aria-label": "Difference" }, make("table", {}, make("tbody", {}, ...rows)));
}
