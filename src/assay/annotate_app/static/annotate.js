// The labelling page: keys, drafts, time, marked words and long texts. All that is said is in the
// form's fields; here they are set, kept for a reload, and posted.
"use strict";

const main = document.getElementById("main");
const said = document.getElementById("said");
const PAUSE = 120; // Seconds: longer ones are no time on a label.
const OWN = ["csrf", "key", "assignment", "seconds"]; // Fields that are the page's, not a person's.

let form = null; // The form of the task, or of the end of them.
let units = []; // What the arrows go through: responses, steps or questions.
let current = 0;
let busy = false;
let warned = false; // Whether it was said that something is still open.
let seconds = 0, last = null; // Time on this task, and when something was done on it.
let drafting = 0;
let touched = false;

const all = (css, under = form) => [...under.querySelectorAll(css)];
const field = (name) => form.elements[name];
const say = (words) => { said.textContent = ""; requestAnimationFrame(() => { said.textContent = words; }); };
const length = (text) => [...text].length; // In characters, as the server counts them.

// Fields, and what is kept of them.

function fields(of = form) {
  const found = {};
  for (const [name, value] of new FormData(of)) (found[name] ||= []).push(value);
  return found;
}

const place = () => `task:${field("assignment").value}`;

function keep() {
  if (!field("assignment")) return;
  tick();
  sessionStorage.setItem(place(), JSON.stringify({ fields: fields(), seconds }));
}

function restore() {
  const kept = JSON.parse(sessionStorage.getItem(place()) || "null");
  if (!kept) return;
  seconds = kept.seconds;
  for (const input of form.elements) {
    if (!input.name || OWN.includes(input.name)) continue;
    const values = kept.fields[input.name] || [];
    if (input.type === "radio" || input.type === "checkbox") input.checked = values.includes(input.value);
    else if (values.length) input.value = values[0];
  }
}

function changed() {
  warned = false;
  touched = true;
  update();
  keep();
  clearTimeout(drafting);
  drafting = setTimeout(draft, 800);
}

function draft() {
  clearTimeout(drafting);
  if (!touched || busy || !field("assignment")) return;
  touched = false;
  send("/draft", fields(), true).catch(() => {});
}

// Time that the page was seen and used.

function tick() {
  const now = performance.now() / 1000;
  if (last !== null && now - last <= PAUSE) seconds += now - last;
  last = document.hidden ? null : now;
}

for (const doing of ["keydown", "pointerdown", "pointermove", "scroll"]) addEventListener(doing, tick, { passive: true });
document.addEventListener("visibilitychange", () => {
  if (document.hidden) { tick(); last = null; if (form) { keep(); draft(); } } else last = performance.now() / 1000;
});

// Posts.

async function send(path, body, keepalive = false) {
  const headers = { "Content-Type": "application/json", "X-CSRF": field("csrf").value };
  const post = () => fetch(path, { method: "POST", headers, body: JSON.stringify(body), keepalive });
  // Asked again where no answer came, such as from a connection that was just closed: the same key counts once.
  const answer = await post().catch(() => new Promise((go) => setTimeout(go, 500)).then(post));
  const given = await answer.json().catch(() => ({ error: `The server failed (${answer.status}).` }));
  if (!answer.ok) throw Object.assign(new Error(given.error), { status: answer.status });
  return given;
}

async function act(path, extra = {}) {
  if (busy) return;
  busy = true;
  clearTimeout(drafting);
  tick();
  const kept = field("assignment") && path !== "/undo" ? place() : null;
  if (path === "/undo") keep();
  try {
    const given = await send(path, { ...fields(), seconds: seconds.toFixed(1), ...extra });
    if (kept) sessionStorage.removeItem(kept);
    main.innerHTML = given.html;
    enter();
    scrollTo(0, 0);
    main.querySelector("h1").focus({ preventScroll: true });
    say(given.said);
  } catch (error) {
    if (error.status === 409 && path !== "/undo") {
      // The task is closed: whatever was said of it, another one is next.
      sessionStorage.removeItem(kept);
      sessionStorage.setItem("said", error.message);
      location.assign("/task");
    } else say(error.status ? error.message : "Not saved: the server does not answer. Nothing is lost; try again.");
  } finally { busy = false; }
}

function save() {
  const open = field("complete")?.checked ? 0 : all(".step").filter((step) => !mark(step)).length;
  const ended = form.dataset.mode === "first-error" && all(".step").some((step) => mark(step) === "-1");
  if (open && !ended && !warned) {
    warned = true;
    say(`${open} of ${all(".step").length} steps are not marked. Save again to leave them open, or press n if no step is wrong.`);
  } else act("/save");
}

// A task comes in.

function enter() {
  form = document.getElementById("task");
  if (!form) return;
  units = all("[data-unit]");
  [current, warned, touched, seconds, last] = [0, false, false, 0, document.hidden ? null : performance.now() / 1000];
  if (field("assignment")) restore();
  update();
  draw();
  if (units.length && form.dataset.kind !== "pair") units[0].classList.add("current");
  widths();
  document.title = main.querySelector("h1").textContent;
}

// What scrolls sideways can be reached by keys.
function widths() {
  for (const text of all(".text, .code", main)) {
    if (text.scrollWidth > text.clientWidth + 1) Object.assign(text, { tabIndex: 0, role: "group", ariaLabel: "Wide text" });
  }
}
addEventListener("resize", widths);

const mark = (step) => step.querySelector("input:checked")?.value || "";
const ready = (name) => form.querySelector(`input[name="${name}"]:checked`)?.value || "";

function update() {
  if (form.dataset.kind === "pair") {
    const side = ["first", "second"].includes(ready("choice"));
    form.querySelector(".strength").hidden = !side;
    if (!side) for (const one of all(".strength input")) one.checked = false;
    all(".candidate").forEach((c, k) => c.classList.toggle("chosen", ready("choice") === ["first", "second"][k]));
  } else if (form.dataset.kind === "steps") updateSteps();
}

function updateSteps() {
  const steps = all(".step"), wrong = steps.findIndex((step) => mark(step) === "-1");
  steps.forEach((step, k) => {
    step.dataset.mark = mark(step);
    const beyond = form.dataset.mode === "first-error" && wrong >= 0 && k > wrong;
    step.classList.toggle("beyond", beyond);
    if (beyond) for (const one of all("input", step)) one.checked = false;
  });
  if (wrong >= 0) field("complete").checked = false;
  const right = document.getElementById("right"), text = field("right-step");
  right.hidden = text.disabled = wrong < 0;
  if (wrong >= 0 && right.parentElement !== steps[wrong]) {
    steps[wrong].append(right);
    if (text.value) say(`The right step that is written is now that of step ${wrong + 1}.`);
  }
}

function move(to, focus = true) {
  if (!units.length) return;
  units[current]?.classList.remove("current");
  current = Math.max(0, Math.min(units.length - 1, to));
  units[current].classList.add("current");
  if (focus) {
    units[current].focus({ preventScroll: true });
    units[current].scrollIntoView({ block: "nearest" });
  }
}

// Keys. Each returns whether the key is one of its kind.

function pick(input, words) {
  if (!input) return false;
  input.checked = true;
  changed();
  say(words);
  return true;
}

const radio = (name, value) => form.querySelector(`input[name="${name}"][value="${value}"]`);

const KEYS = {
  pair(key) {
    const choice = { 1: "first", a: "first", 2: "second", b: "second", t: "tie", x: "both_bad" }[key];
    if (!choice) return false;
    const again = ready("choice") === choice && choice !== "tie" && choice !== "both_bad";
    if (!again) return pick(radio("choice", choice), { first: "A is better", second: "B is better", tie: "A tie", both_bad: "Both are bad" }[choice]);
    const strength = 1 + (Number(ready("strength")) % 3);
    return pick(radio("strength", strength), ["slightly", "clearly", "much"][strength - 1] + " better");
  },
  ranking(key) {
    if (!/^[0-9]$/.test(key) || Number(key) > units.length) return false;
    const input = units[current].querySelector(".rank input");
    input.value = key === "0" ? "" : key;
    changed();
    say(`${units[current].querySelector("h2").textContent}: rank ${key}`);
    const open = units.findIndex((unit) => !unit.querySelector(".rank input").value);
    if (open >= 0 && key !== "0") move(open);
    return true;
  },
  steps(key) {
    const value = { 1: "1", 2: "0", 3: "-1", 0: "" }[key];
    if (value !== undefined) {
      if (units[current].classList.contains("beyond")) return say("Marking ends at the first wrong step."), true;
      pick(radio(`mark-${current}`, value), `Step ${current + 1}: ${["right", "neutral", "wrong"][key - 1] || "not marked"}`);
      if (key !== "0" && !(key === "3" && form.dataset.mode === "first-error")) move(current + 1);
      return true;
    }
    if (key === "n") {
      if (all(".step").some((step) => mark(step) === "-1")) return say("A step is marked wrong."), true;
      field("complete").checked = !field("complete").checked;
      changed();
      say(field("complete").checked ? "No step is wrong" : "Not said any more");
      return true;
    }
    if (key !== "e") return false;
    const text = field("right-step");
    if (text.disabled) say("No step is marked wrong yet."); else text.focus();
    return true;
  },
  questions(key) {
    const value = key === "?" || key === "0" ? "none" : String(Number(key) - 1);
    const input = radio(`answer-${current}`, value);
    if (!pick(input, input?.nextElementSibling.firstChild.textContent)) return false;
    move(current + 1);
    return true;
  },
};

const COMMON = {
  u: () => act("/undo"),
  s: () => show("skip"),
  h: () => show("help"),
  c: () => { const comment = form.querySelector(".comment"); if (comment) { comment.open = true; field("comment").focus(); } },
  v: () => all(".candidate").forEach(plain),
  o: unfold,
  "+": () => highlight(true),
  "-": () => highlight(false),
};

// Opens all that is folded away; folds it where all is open.
function unfold() {
  const folded = all("details:not(.comment, .others)"), open = folded.some((one) => !one.open);
  for (const one of folded) one.open = open;
  say(!folded.length ? "Nothing is folded." : open ? "All is open." : "Folded.");
}

function show(id) {
  const dialog = document.getElementById(id);
  if (dialog && !dialog.open) dialog.showModal();
}

document.addEventListener("keydown", (event) => {
  const { key, target } = event, dialog = document.querySelector("dialog[open]");
  const typing = target.matches("textarea, select, input:not([type=radio], [type=checkbox])");
  if (!form || event.altKey || event.isComposing) return;
  if (key === "Enter" && (event.ctrlKey || event.metaKey) && !dialog) { event.preventDefault(); form.requestSubmit(); return; }
  if (event.ctrlKey || event.metaKey || localStorage.getItem("shortcuts") === "off") return;
  if (dialog) {
    // The browser would close it too, and leave the keys with what is hidden until it draws again.
    if (key === "Escape") { event.preventDefault(); dialog.close(); document.activeElement.blur(); }
    const reason = typing ? null : all("input[name=reason]", dialog)[key - 1];
    if (reason) { reason.checked = true; reason.focus(); }
    return;
  }
  if (typing) { if (key === "Escape") target.blur(); return; }
  if (key === "Enter") {
    if (!target.closest("button, a, summary, input") && form.dataset.kind) { event.preventDefault(); form.requestSubmit(); }
    return;
  }
  const by = { j: 1, k: -1, ArrowDown: 1, ArrowUp: -1 }[key];
  let done = false;
  if (by && form.dataset.kind && form.dataset.kind !== "pair") {
    if (key.length > 1 && target.matches("input")) return;
    move(current + by);
    done = true;
  } else if (KEYS[form.dataset.kind]?.(key)) done = true;
  else if (COMMON[key]) { COMMON[key](); done = true; }
  if (done) event.preventDefault();
});

document.addEventListener("focusin", (event) => {
  const at = units.indexOf(event.target.closest?.("[data-unit]"));
  if (at >= 0 && form.dataset.kind !== "pair") move(at, false); else if (at >= 0) current = at;
});

// Long texts, a part at a time.

async function part(at, start) {
  const asked = new URLSearchParams({ assignment: field("assignment").value, at, start });
  const answer = await fetch(`/part?${asked}`), given = await answer.json();
  if (!answer.ok) throw new Error(given.error);
  return given;
}

async function more(button) {
  const box = button.closest(".rest"), whole = "all" in button.dataset;
  for (const one of all("button", box)) one.disabled = true;
  try {
    let given;
    do {
      const start = Number(box.dataset.start || button.dataset.start);
      given = await part(button.dataset.at, start);
      const text = Object.assign(document.createElement("pre"), { className: "source", textContent: given.text });
      text.dataset.start = start;
      box.before(text);
      box.dataset.start = given.end;
      box.querySelector("span").textContent = `${given.left.toLocaleString("en")} characters are left`;
      await new Promise(requestAnimationFrame);
    } while (whole && given.left);
    if (!given.left) box.remove();
    draw();
  } catch (error) { say(error.message); }
  for (const one of all("button", box)) one.disabled = false;
}

async function plain(candidate) {
  const box = candidate.querySelector(".plain"), button = candidate.querySelector("[data-plain]"), on = box.hidden;
  candidate.querySelector(".rich").hidden = on;
  box.hidden = !on;
  for (const one of all(".marking", candidate)) one.hidden = !on;
  button.setAttribute("aria-pressed", on);
  if (!box.firstChild) {
    const rest = document.createElement("div");
    rest.className = "rest";
    for (const name of ["Show more", "Show all"]) {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: name });
      Object.assign(button.dataset, { at: candidate.dataset.key, start: 0 }, name === "Show all" ? { all: "" } : {});
      rest.append(button, " ");
    }
    rest.append(document.createElement("span"));
    box.append(rest);
    await more(rest.firstChild);
  }
}

// Marked words, in characters of the plain text.

const marks = () => JSON.parse(field("highlights")?.value || "[]");

function character(node, at) {
  const pre = (node.nodeType === 3 ? node.parentElement : node).closest(".plain pre");
  if (!pre) return null;
  const range = document.createRange();
  range.setStart(pre, 0);
  range.setEnd(node, at);
  return { candidate: pre.closest(".candidate"), at: Number(pre.dataset.start) + length(range.toString()) };
}

function highlight(good) {
  if (form.dataset.kind !== "pair") return;
  const chosen = getSelection(), range = chosen.rangeCount && !chosen.isCollapsed ? chosen.getRangeAt(0) : null;
  const from = range && character(range.startContainer, range.startOffset);
  const to = range && character(range.endContainer, range.endOffset);
  if (!from || !to || from.candidate !== to.candidate) return say("Show a response's plain text (v), select words there, and mark them (+ or −).");
  const response = all(".candidate").indexOf(from.candidate);
  const quote = range.toString().slice(0, 80);
  put([...marks(), { response, start: from.at, end: to.at, good, quote }]);
  say(`Marked: ${quote}`);
}

function put(list) {
  field("highlights").value = JSON.stringify(list);
  getSelection().removeAllRanges();
  draw();
  changed();
}

function draw() {
  if (form.dataset.kind !== "pair") return;
  const list = marks();
  all(".candidate").forEach((candidate, k) => {
    const own = list.filter((one) => one.response === k).sort((a, b) => a.start - b.start);
    candidate.querySelector(".highlights").replaceChildren(...own.map((one) => {
      const item = document.createElement("li"), off = document.createElement("button");
      Object.assign(off, { type: "button", textContent: "remove", onclick: () => put(marks().filter((m) => JSON.stringify(m) !== JSON.stringify(one))) });
      item.className = one.good ? "good" : "bad";
      item.append(`${one.good ? "+" : "−"} “${one.quote}” `, off);
      return item;
    }));
    for (const pre of all(".plain pre", candidate)) {
      const letters = [...pre.textContent], start = Number(pre.dataset.start), pieces = [];
      let at = 0;
      for (const one of own) {
        const from = Math.max(at, one.start - start), to = Math.min(letters.length, one.end - start);
        if (from >= to) continue;
        const drawn = Object.assign(document.createElement("mark"), { className: one.good ? "good" : "bad", textContent: letters.slice(from, to).join("") });
        pieces.push(letters.slice(at, from).join(""), drawn);
        at = to;
      }
      pre.replaceChildren(...pieces, letters.slice(at).join(""));
    }
  });
}

// Buttons and forms.

document.addEventListener("submit", (event) => {
  if (event.target.id === "skipping") {
    event.preventDefault();
    event.target.closest("dialog").close();
    act("/skip", fields(event.target));
  } else if (event.target === form) {
    event.preventDefault();
    const path = event.submitter?.getAttribute("formaction") || form.getAttribute("action");
    if (path === "/save") save(); else act(path);
  }
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { open, close, plain: whole, at, mark: good } = button.dataset;
  if (open) show(open);
  else if (close !== undefined) button.closest("dialog").close();
  else if (whole !== undefined) plain(button.closest(".candidate"));
  else if (at) more(button);
  else if (good !== undefined) highlight(good === "1");
});
// A press of a button would take the selection away before it is read.
document.addEventListener("mousedown", (event) => { if (event.target.closest("[data-mark]")) event.preventDefault(); });
for (const doing of ["input", "change"]) main.addEventListener(doing, (event) => { if (event.target.form === form) changed(); });

const theme = document.getElementById("theme");
theme.hidden = false;
theme.addEventListener("click", () => {
  const now = document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  document.cookie = `theme=${next}; path=/; max-age=31536000; samesite=strict`;
});

const shortcuts = document.getElementById("shortcuts");
if (shortcuts) {
  shortcuts.checked = localStorage.getItem("shortcuts") !== "off";
  shortcuts.addEventListener("change", () => localStorage.setItem("shortcuts", shortcuts.checked ? "on" : "off"));
}
enter();
if (sessionStorage.getItem("said")) { say(sessionStorage.getItem("said")); sessionStorage.removeItem("said"); }
