"use strict";
// Fills the list of trials, filters and sorts, draws the plots again, opens a trial. Texts go into text nodes, never into markup.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const trials = data.trials, count = trials.id.length, PLOT = 1000, PAGE = 100, FAILED_AT = 985;
  const answered = data.outcomes.indexOf("answered");
  const form = document.getElementById("filters");
  if (!form) return;
  const table = document.querySelector("#trials-table tbody"), dialog = document.getElementById("trial");
  let shown = [], limit = PAGE;

  const make = (name, text, attributes = {}) => {
    const element = document.createElement(name);
    if (text !== undefined && text !== null) element.textContent = text;
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const draw = (name, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const seconds = (s) => s === null || s === undefined ? "\u2014" : s >= 600 ? `${(s / 60).toFixed(1)}min` : `${s.toPrecision(3)}s`;
  const whole = (n) => n === null || n === undefined ? "\u2014" : n.toLocaleString("en");
  const dollars = (n) => n === null || n === undefined ? "\u2014" : `$${n.toPrecision(2)}`;

  const options = (name, values) => values.forEach(([value, text]) => form.elements[name].append(make("option", text, {value})));
  const sorted = (values) => [...new Set(values)].sort();
  options("arm", data.arms.map((arm, at) => [at, arm]));
  options("outcome", data.outcomes.map((outcome, at) => [at, outcome]));
  options("complexity", sorted(data.queries.map((q) => q.complexity).filter(Boolean)).map((c) => [c, c]));
  options("tag", sorted(data.queries.flatMap((q) => q.tags)).map((t) => [t, t]));

  const wanted = () => {
    const of = (name) => form.elements[name].value;
    const text = of("text").trim().toLowerCase();
    const query = data.queries.map((q) =>
      (!of("complexity") || q.complexity === of("complexity")) && (!of("tag") || q.tags.includes(of("tag"))) &&
      (!text || q.id.toLowerCase().includes(text) || (q.prompt || "").toLowerCase().includes(text)));
    const found = [];
    for (let t = 0; t < count; t++) {
      if (query[trials.query[t]] && (of("arm") === "" || trials.arm[t] === +of("arm")) &&
          (of("outcome") === "" || trials.outcome[t] === +of("outcome"))) found.push(t);
    }
    return found;
  };
  const ORDERS = {
    "as sent": () => 0,
    "slowest": (a, b) => (trials.seconds[b] ?? -1) - (trials.seconds[a] ?? -1),
    "most tokens": (a, b) => (trials.tokens[b] ?? -1) - (trials.tokens[a] ?? -1),
    "query": (a, b) => trials.query[a] - trials.query[b] || trials.arm[a] - trials.arm[b] || trials.repeat[a] - trials.repeat[b],
  };

  const row = (t) => {
    const line = make("tr"), head = make("th", undefined, {scope: "row"});
    head.append(make("button", trials.id[t], {type: "button", class: "link", "data-trial": t}));
    line.append(head, make("td", data.arms[trials.arm[t]]), make("td", data.queries[trials.query[t]].id),
      make("td", trials.warm[t] ? "warm-up" : trials.repeat[t], {class: "number"}),
      make("td", data.outcomes[trials.outcome[t]], {class: trials.outcome[t] === answered ? "" : "bad"}),
      make("td", seconds(trials.seconds[t]), {class: "number"}), make("td", whole(trials.tokens[t]), {class: "number"}),
      make("td", dollars(trials.dollars[t]), {class: "number"}));
    return line;
  };
  const list = () => {
    table.replaceChildren(...shown.slice(0, limit).map(row));
    label(table.parentNode);
    document.getElementById("count").textContent = `${whole(shown.length)} of ${whole(count)} trials`;
    document.getElementById("more-trials").hidden = shown.length <= limit;
  };

  const place = (value, lo, hi, log) => log ? Math.log(value / lo) / Math.log(hi / lo) : (value - lo) / (hi - lo);
  const axes = (plot) => {
    const d = plot.dataset;
    return {x: (v) => PLOT * place(v, +d.xlo, +d.xhi, d.xlog === "1"), y: (v) => PLOT * (1 - place(v, +d.ylo, +d.yhi, d.ylog === "1"))};
  };
  const ecdf = (plot, measured) => {
    const at = axes(plot), values = plot.dataset.metric === "latency_s" ? trials.seconds : trials.tokens;
    for (const curve of plot.querySelectorAll("[data-curve]")) {
      if (curve.dataset.curve === "") { curve.classList.toggle("gone", shown.length < count); continue; }
      const own = measured.filter((t) => trials.arm[t] === +curve.dataset.curve && values[t] > 0).map((t) => values[t]).sort((a, b) => a - b);
      let path = "", before = 0;
      const step = Math.max(1, Math.floor(own.length / 400));
      for (let n = 0; n < own.length; n += step) {
        const last = Math.min(n + step, own.length) - 1, share = (last + 1) / own.length;
        path += `${path ? "L" : "M"}${at.x(own[last]).toFixed(1)} ${(PLOT * (1 - before)).toFixed(1)}V${(PLOT * (1 - share)).toFixed(1)}`;
        before = share;
      }
      curve.setAttribute("d", path && `${path}H${PLOT}`);
    }
  };
  const course = (plot, found) => {
    const at = axes(plot);
    for (const curve of plot.querySelectorAll("[data-curve]")) {
      const name = curve.dataset.curve;
      if (name === "") continue;
      const own = name === "silent" ? found.filter((t) => trials.outcome[t] !== answered)
        : found.filter((t) => trials.arm[t] === +name && !trials.warm[t] && trials.outcome[t] === answered && trials.seconds[t] > 0);
      curve.setAttribute("d", own.map((t) => `M${at.x(t + 1).toFixed(0)} ${name === "silent" ? FAILED_AT : at.y(trials.seconds[t]).toFixed(0)}h0`).join(""));
    }
  };
  const filter = () => {
    shown = wanted();
    const queries = new Set(shown.map((t) => trials.query[t]));
    document.querySelectorAll("[data-row]").forEach((line) => line.classList.toggle("gone", !queries.has(+line.dataset.row)));
    const measured = shown.filter((t) => !trials.warm[t] && trials.outcome[t] === answered);
    document.querySelectorAll("[data-plot=ecdf]").forEach((plot) => ecdf(plot, measured));
    document.querySelectorAll("[data-plot=course]").forEach((plot) => course(plot, shown));
    shown.sort(ORDERS[form.elements.sort.value]);
    limit = PAGE;
    list();
  };

  const label = (table) => {  // a narrow screen shows each cell with the heading of its column
    const heads = [...table.tHead.rows[0].cells].map((head) => head.classList.contains("strip") ? "" : head.textContent);
    for (const line of table.tBodies[0].rows) [...line.cells].forEach((cell, at) => { if (heads[at]) cell.dataset.label = heads[at]; });
    table.classList.add("labelled");
  };
  const grid = (caption, heads, rows) => {
    const made = make("table"), head = make("tr"), body = make("tbody"), top = make("thead");
    heads.forEach(([name, style]) => head.append(make(name ? "th" : "td", name, name ? {scope: "col", class: style} : {class: style})));
    rows.forEach((cells) => {
      const line = make("tr");
      cells.forEach((cell, at) => line.append(make("td", cell, {class: heads[at][1]})));
      body.append(line);
    });
    top.append(head);
    made.append(make("caption", caption), top, body);
    label(made);
    const box = make("div", undefined, {class: "wide", tabindex: "0", role: "region", "aria-label": caption});
    box.append(made);
    return box;
  };
  const timeline = (steps) => {
    const timed = steps.filter((s) => s.start_s !== undefined && s.duration_s !== undefined);
    if (!timed.length) return null;
    const end = Math.max(...timed.map((s) => s.start_s + s.duration_s)) || 1;
    const KINDS = {phase: ["c5", "phase"], llm_call: ["c0", "LLM"], tool_call: ["c1", "tool"]};
    timed.sort((a, b) => a.start_s - b.start_s || b.duration_s - a.duration_s);
    const box = grid("Timeline, from the task's first event", [["step", ""], ["from", "number"], ["for", "number"], ["", "strip"]],
      timed.map((s) => [`${KINDS[s.kind][1]} ${s.index}: ${s.name || ""}`, seconds(s.start_s), seconds(s.duration_s), ""]));
    box.querySelectorAll("tbody td.strip").forEach((cell, at) => {
      const s = timed[at], picture = draw("svg", {width: "100%", height: 16, "aria-hidden": "true"});
      picture.append(draw("rect", {x: `${100 * s.start_s / end}%`, width: `${Math.max(0.4, 100 * s.duration_s / end)}%`, y: 3, height: 10, class: `part ${KINDS[s.kind][0]}`}));
      cell.replaceChildren(picture);
    });
    return box;
  };
  const open = (t) => {
    const id = trials.id[t], query = data.queries[trials.query[t]], full = data.full[id], body = document.getElementById("dialog-body");
    document.getElementById("dialog-title").textContent = `${query.id} on ${data.arms[trials.arm[t]]}, ${trials.warm[t] ? "warm-up" : `repeat ${trials.repeat[t]}`}`;
    const facts = make("dl"), say = (label, text) => { if (text !== null && text !== undefined && text !== "") facts.append(make("dt", label), make("dd", text)); };
    body.replaceChildren();
    if (query.prompt) body.append(make("p", query.prompt, {class: "prompt"}));
    say("outcome", data.outcomes[trials.outcome[t]]);
    say("time", seconds(trials.seconds[t])); say("tokens", whole(trials.tokens[t])); say("cost", dollars(trials.dollars[t]));
    for (const [label, text] of Object.entries(full ? full.facts : {})) say(label.replaceAll("_", " "), text);
    if (full) say("issues", [...new Set(full.issues.map((issue) => issue.kind))].join(", "));
    say("trial", id);
    const line = make("dd"); line.append(make("code", `uderia-bench inspect ${data.run} ${id}`));
    facts.append(make("dt", full && full.steps.length ? "more" : "in full"), line);
    body.append(facts);
    if (full) {
      const of = (kind) => full.steps.filter((s) => s.kind === kind), n = "number";
      if (of("phase").length) body.append(grid("Plan, as executed", [["phase", n], ["goal", ""], ["path", ""], ["status", ""], ["for", n]],
        of("phase").map((s) => [s.index, s.name, s.path, s.status, seconds(s.duration_s)])));
      const drawn = timeline(full.steps);
      if (drawn) body.append(drawn);
      if (of("llm_call").length) body.append(grid("Token ledger", [["call", n], ["class", ""], ["for what", ""], ["phase", n], ["input", n], ["output", n], ["cost", n], ["time", n]],
        of("llm_call").map((s) => [s.index, s.class, s.name, s.parent, whole(s.input_tokens), whole(s.output_tokens), dollars(s.cost_usd), seconds(s.duration_s)])));
      if (of("tool_call").length) body.append(grid("Tools", [["call", n], ["tool", ""], ["status", ""], ["phase", n], ["chosen by", ""], ["arguments", "break"], ["error", "break"], ["time", n]],
        of("tool_call").map((s) => [s.index, s.name, s.status, s.parent, s.path, s.arguments, s.error, seconds(s.duration_s)])));
      for (const issue of full.issues) {
        const evidence = make("ul");
        (issue.evidence || []).forEach((piece) => evidence.append(make("li", piece, {class: "break"})));
        body.append(make("h3", `${issue.severity}: ${issue.kind}`), make("p", issue.recommendation), evidence);
      }
    }
    const hash = `#trial=${encodeURIComponent(id)}`;  // an entry of the history, so that Back closes the trial
    if (location.hash !== hash) history[dialog.open ? "replaceState" : "pushState"]({opened: true}, "", hash);
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button && button.dataset.trial !== undefined) open(+button.dataset.trial);
    if (button && button.dataset.query !== undefined) {
      form.reset();
      form.elements.text.value = data.queries[+button.dataset.query].id;
      form.elements.sort.value = "query";
      filter();
      document.getElementById("trials").scrollIntoView();
      const first = table.querySelector("button");
      if (first) first.focus({preventScroll: true});
    }
    if (button && button.dataset.by !== undefined) sort(button);
    const area = event.target.closest("[data-plot=course] .area");
    if (area) nearest(area, event);
  });
  const sort = (button) => {
    const head = button.closest("th"), body = head.closest("table").tBodies[0], column = [...head.parentNode.children].indexOf(head);
    const down = head.getAttribute("aria-sort") !== "descending" && head.classList.contains("number") || head.getAttribute("aria-sort") === "ascending";
    head.parentNode.querySelectorAll("[aria-sort]").forEach((other) => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (line) => line.children[column].dataset.sort;
    const compare = (a, b) => a === b ? 0 : a === "" ? 1 : b === "" ? -1 : head.classList.contains("number") ? (down ? b - a : a - b) : (down ? -1 : 1) * (a < b ? -1 : 1);
    const lines = [...body.rows].sort((a, b) => compare(value(a), value(b)));
    lines.forEach((line, at) => line.classList.toggle("late", at >= 25));
    body.append(...lines);
  };
  const nearest = (area, event) => {
    const plot = area.closest(".plot"), at = axes(plot), box = area.getBoundingClientRect();
    const x = PLOT * (event.clientX - box.left) / box.width, y = PLOT * (event.clientY - box.top) / box.height;
    let best = -1, closest = Infinity;
    for (const t of shown) {
      const dx = (at.x(t + 1) - x) * box.width, dy = ((trials.outcome[t] === answered ? at.y(trials.seconds[t] || 1e-9) : FAILED_AT) - y) * box.height;
      if (dx * dx + dy * dy < closest) { closest = dx * dx + dy * dy; best = t; }
    }
    if (best >= 0) open(best);
  };
  const kind = document.getElementById("results-shown");
  if (kind) kind.addEventListener("change", () => {
    document.querySelectorAll("#results-table tbody tr").forEach((line) =>
      line.classList.toggle("unwanted", kind.value !== "all" && line.dataset[kind.value] === undefined));
  });
  const more = document.getElementById("more-queries");
  if (more) more.addEventListener("click", () => { document.getElementById("queries-table").classList.add("all"); more.remove(); });
  document.getElementById("more-trials").addEventListener("click", () => { limit += PAGE; list(); });
  document.getElementById("close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    if (!location.hash.startsWith("#trial=")) return;
    if (history.state && history.state.opened) history.back();
    else history.replaceState(null, "", location.pathname + location.search);
  });
  document.querySelectorAll("main table").forEach(label);
  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());
  filter();
  const follow = () => {
    const linked = location.hash.startsWith("#trial=") ? trials.id.indexOf(decodeURIComponent(location.hash.slice(7))) : -1;
    if (linked >= 0) open(linked);
    else if (dialog.open) dialog.close();
  };
  addEventListener("popstate", follow);  // Back, Forward and a link to a trial
  follow();
})();
