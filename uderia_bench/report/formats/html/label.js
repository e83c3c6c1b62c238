"use strict";
// One item at a time. A key or a button gives a label and shows the next item without one. All text is set as text.
const { name, items, choices } = JSON.parse(document.getElementById("data").textContent);
const labels = new Map(), notes = new Map();
const part = (id) => document.getElementById(id);
let at = 0;

function remembered() {
  try { return JSON.parse(localStorage.getItem(name) || "[]"); } catch { return []; } // a browser may forbid storage for files
}

function remember() {
  try { localStorage.setItem(name, JSON.stringify(rows())); } catch { /* the file is saved by hand */ }
}

function rows() {
  return items.filter((item) => labels.has(item.id)).map((item) => (
    { id: item.id, rater: part("rater").value.trim(), label: labels.get(item.id), note: notes.get(item.id) || "" }));
}

function show() {
  const item = items[at];
  part("place").textContent = `${at + 1} of ${items.length}, ${labels.size} labelled`;
  part("question").textContent = item.question;
  part("rubric").textContent = item.rubric;
  part("answers").replaceChildren(...item.answers.map((text, number) => {
    const card = document.createElement("article"), title = document.createElement("h2"), body = document.createElement("p");
    card.className = "card";
    title.className = "minor";
    title.textContent = item.answers.length > 1 ? `Answer ${number + 1}` : "Answer";
    body.className = "prompt";
    body.textContent = text;
    card.append(title, body);
    return card;
  }));
  part("note").value = notes.get(item.id) || "";
  for (const button of part("choices").children) {
    button.setAttribute("aria-pressed", String(labels.get(item.id) === button.dataset.label));
  }
  part("done").hidden = labels.size < items.length;
}

function go(step) {
  at = Math.min(Math.max(at + step, 0), items.length - 1);
  show();
}

function choose(label) {
  labels.set(items[at].id, label);
  remember();
  const order = items.map((_, step) => (at + step) % items.length);
  at = order.find((place) => !labels.has(items[place].id)) ?? at;
  show();
}

function save() {
  const text = rows().map((row) => JSON.stringify(row) + "\n").join("");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/x-ndjson" }));
  link.download = `${name}-${(part("rater").value.trim() || "rater").replace(/[^\w.-]+/g, "_")}.jsonl`;
  link.click();
  URL.revokeObjectURL(link.href);
}

for (const { label, key, text } of choices) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.label = label;
  button.textContent = `${text} (${key})`;
  button.addEventListener("click", () => choose(label));
  part("choices").append(button);
}
part("before").addEventListener("click", () => go(-1));
part("after").addEventListener("click", () => go(1));
part("save").addEventListener("click", save);
part("rater").addEventListener("input", remember);
part("note").addEventListener("input", () => { notes.set(items[at].id, part("note").value); remember(); });
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA)$/.test(event.target.tagName)) return;
  const choice = choices.find(({ key }) => key === event.key.toLowerCase());
  if (choice) choose(choice.label);
  else if (event.key === "ArrowLeft") go(-1);
  else if (event.key === "ArrowRight") go(1);
  else if (event.key === "s") save();
});
for (const row of remembered()) {
  labels.set(row.id, row.label);
  notes.set(row.id, row.note);
  part("rater").value ||= row.rater;
}
show();
