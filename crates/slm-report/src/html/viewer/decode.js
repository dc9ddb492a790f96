// The page's data: base64 of gzip of JSON, in elements that the browser does not run.

const byId = (id) => document.getElementById(id);

/** Creates an element; texts become text nodes, so that no answer of a model is ever markup. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== null));
  return element;
}

async function decode(id) {
  const binary = atob(byId(id).textContent.trim());
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

const decoded = new Map();

/** Decodes a block once; a later request gets the same promise. */
function block(id) {
  if (!decoded.has(id)) decoded.set(id, decode(id));
  return decoded.get(id);
}

const finite = (value) => typeof value === "number" && Number.isFinite(value);

/** A number with these decimals and a true minus sign, none on a zero; a dash for a missing one. */
function shown(value, digits) {
  if (!finite(value)) return "\u2013";
  // Ties go to the even digit, as in the report.
  const scaled = Math.abs(value) * 10 ** digits;
  const isTie = scaled < 1e15 && scaled - Math.floor(scaled) === 0.5;
  const text = isTie ? ((2 * Math.round(scaled / 2)) / 10 ** digits).toFixed(digits) : Math.abs(value).toFixed(digits);
  return (value < 0 && Number(text) !== 0 ? "\u2212" : "") + text;
}

const signed = (value, digits) => (finite(value) && value > 0 && Number(value.toFixed(digits)) !== 0 ? "+" : "") + shown(value, digits);
const grouped = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, "\u202f");
const counted = (n, noun) => `${grouped(n)} ${noun}${n === 1 ? "" : "s"}`;
