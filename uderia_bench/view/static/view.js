"use strict";
/* Keeps a page up to date: puts the parts that its channel sends in their places. Everything works without it, except that. */
(() => {
  const body = document.body, link = document.getElementById("link"), said = document.getElementById("said");
  const icons = {
    running: "running", sending: "running", asked: "running", paused: "paused", complete: "complete", abandoned: "stopped",
    interrupted: "stopped", cut: "stopped", left: "stopped",
  };
  const zone = {
    minute: new Intl.DateTimeFormat(undefined, {dateStyle: "medium", timeStyle: "short"}),
    second: new Intl.DateTimeFormat(undefined, {dateStyle: "medium", timeStyle: "medium"}),
    time: new Intl.DateTimeFormat(undefined, {timeStyle: "medium"}),
  };

  /* By how much the reader's clock is ahead of that of the view, as of the page's response. */
  const answered = performance.timeOrigin + (performance.getEntriesByType("navigation")[0]?.responseStart || 0);
  const ahead = answered - Number(body.dataset.now), skew = Math.abs(ahead) > 2000 ? ahead : 0;
  const age = (element) => {
    const seconds = Math.max(0, (Date.now() - skew - Date.parse(element.dateTime)) / 1000);
    const words = (s) => s < 120 ? `${s.toFixed(0)} s` : `${(s / 60).toFixed(0)} min`;
    const limit = Number(element.dataset.limit), late = limit > 0 && seconds > limit;  // as when the run hangs
    element.textContent = late ? `${words(seconds)}, over its timeout of ${words(limit)}` : words(seconds);
    element.classList.toggle("bad", late);
  };
  const label = (table) => {  // a narrow screen shows each cell with the heading of its column
    const heads = [...table.tHead.rows[0].cells].map((head) => head.classList.contains("strip") ? "" : head.textContent);
    for (const row of table.tBodies[0].rows) [...row.cells].forEach((cell, at) => { if (heads[at]) cell.dataset.label = heads[at]; });
    table.classList.add("labelled");
  };
  const local = (root) => {
    root.querySelectorAll("time[data-form]").forEach((element) => {
      element.textContent = zone[element.dataset.form].format(new Date(element.dateTime));
      element.title = element.dateTime;
    });
    root.querySelectorAll("time[data-age]").forEach(age);
    root.querySelectorAll("table:not(.labelled)").forEach(label);
  };

  /* A reader whose focus is on a link or field of a part keeps it, and what was opened or chosen stays so. */
  const keep = (root) => {
    const here = root.contains(document.activeElement) ? document.activeElement : null;
    const key = here && (here.getAttribute("href") ? `[href="${CSS.escape(here.getAttribute("href"))}"]`
      : here.name ? `[name="${CSS.escape(here.name)}"]${here.type === "radio" ? `[value="${CSS.escape(here.value)}"]` : ""}` : null);
    const places = () => [...root.querySelectorAll("a, input, select, button, summary, .wide")];
    const at = here && !key ? places().indexOf(here) : -1;
    const chosen = [...root.querySelectorAll("input:checked")].map((input) => [input.name, input.value]);
    const open = [...root.querySelectorAll("details")].map((details) => details.open);
    const scrolled = [...root.querySelectorAll(".wide")].map((wide) => wide.scrollLeft);
    return () => {
      chosen.forEach(([name, value]) => {
        const input = [...root.querySelectorAll("input")].find((each) => each.name === name && each.value === value);
        if (input) input.checked = true;
      });
      root.querySelectorAll("details").forEach((details, at) => { details.open = open[at] || false; });
      root.querySelectorAll(".wide").forEach((wide, at) => { wide.scrollLeft = scrolled[at] || 0; });
      const again = key ? root.querySelector(key) : places()[at];
      if (again) again.focus({preventScroll: true});
    };
  };

  /* What the page is about: of the page at first, then of the messages, since a hidden page draws no parts. */
  const now = {...document.querySelector("[data-state]")?.dataset};
  const note = ({run, progress, state}) => {
    if (run) { now.state = run.state; now.report = run.has_report ? "" : undefined; }
    if (progress) { now.settled = progress.settled; now.planned = progress.planned; }
    if (state) now.state = state;
  };

  /* A screen reader hears a change of state, and each tenth of the way: no more. */
  let told = "";
  const tell = () => {
    if (now.state === undefined) return;
    const icon = document.querySelector("link[rel=icon]");
    const href = `/static/${icons[now.state] || "idle"}.svg`;
    if (icon && icon.getAttribute("href") !== href) icon.setAttribute("href", href);
    const tenth = now.planned > 0 ? Math.floor(10 * now.settled / now.planned) * 10 : null;
    const text = tenth === null ? now.state : `${now.state}, ${tenth} % of the trials are settled`;
    if (now.planned > 0) document.title = `${Math.floor(100 * now.settled / now.planned)} % ${body.dataset.title}`;
    if (text !== told) { if (told) said.textContent = text; told = text; }
  };

  const report = async () => {
    const path = location.pathname.replace(/\/$/, "");
    const answer = await fetch(`${path}/report`, {headers: {accept: "text/html"}});
    if (!answer.ok) return false;
    const place = document.createElement("div");
    place.id = "report";
    place.innerHTML = await answer.text();
    local(place);
    document.getElementById("content").replaceChildren(place);
    const script = document.createElement("script");
    script.src = "/static/page.js";
    body.append(script);
    document.title = body.dataset.title;
    link.textContent = "";
    said.textContent = "The run is over. Its report is here.";
    return true;
  };

  /* Rows that come in above a link or field in sight that has the focus do not move it. */
  const stay = () => {
    const top = () => document.activeElement.getBoundingClientRect().top;
    const focused = () => document.activeElement && !document.activeElement.contains(document.getElementById("content"));
    const before = focused() ? top() : -1;
    if (before < 0 || before > innerHeight) return () => {};
    return () => { if (focused()) scrollBy({top: top() - before, behavior: "instant"}); };
  };

  /* Parts wait for the next frame. So a hidden page draws nothing, and a slow one draws the newest parts only. */
  let waiting = null;
  const draw = () => {
    const parts = Object.entries(waiting), hold = stay();
    waiting = null;
    for (const [name, html] of parts) {
      const place = document.getElementById(`part-${name}`);
      if (!place) continue;
      const restore = keep(place);
      place.innerHTML = html;
      local(place);
      restore();
    }
    hold();
  };

  let seq = Number(body.dataset.seq) || null, wait = 500, over = false;
  const take = (message) => {
    if (message.kind === "delta" && message.since !== seq) return false;
    seq = message.seq;
    if (!waiting) { waiting = {}; requestAnimationFrame(draw); }
    Object.assign(waiting, message.parts);
    note(message.state);
    tell();
    if (now.state === "complete" && now.report !== undefined && !over) {
      over = true;
      report().then((done) => { over = done; });
    }
    return true;
  };
  const connect = () => {
    const address = new URL(body.dataset.live, location.href);
    address.protocol = "ws:";
    if (seq) address.searchParams.set("from", seq);
    const socket = new WebSocket(address);
    socket.addEventListener("open", () => setTimeout(() => {  // one that is closed at once has a reason to show
      if (socket.readyState !== WebSocket.OPEN || over) return;
      wait = 500;
      body.classList.remove("lost");
      link.textContent = "live";
    }, 200));
    socket.addEventListener("message", (event) => {
      if (!take(JSON.parse(event.data))) socket.send(JSON.stringify({from: seq}));
    });
    socket.addEventListener("close", (event) => {
      if (over) return;
      body.classList.add("lost");
      link.textContent = `${event.reason || "The view is not answering"}. What you see may be old.`;
      setTimeout(connect, wait);
      wait = Math.min(2 * wait, 5000);
    });
  };

  body.dataset.title = document.title;
  local(document);
  tell();
  setInterval(() => { if (!document.hidden) document.querySelectorAll("time[data-age]").forEach(age); }, 1000);
  if (body.dataset.live) connect();
})();
