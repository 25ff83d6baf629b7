
// The comparison's tables, and what they and the charts say to each other.
document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("article").forEach((article) => {
  const $ = (selector) => article.querySelector(selector);
  const make = (tag, text, properties = {}) => Object.assign(document.createElement(tag), { textContent: text }, properties);
  const runs = JSON.parse(document.getElementById(article.dataset.runs).textContent).reverse(); // the best is drawn last
  const groups = JSON.parse(article.dataset.groups), keys = JSON.parse(article.dataset.facts);
  const MOST = 8, form = $("form"), lines = [...$(".runs tbody").rows];
  const views = new Map(), boxes = new Map(), hidden = new Set();
  let chosen = [], pointed = "", waiting = false;
  lines.forEach((line) => { line.words = `${line.textContent} ${line.dataset.words}`.toLowerCase(); });

  // tables that sort; what is missing stands last
  function worth(cell) {
    const text = cell.dataset.v ?? cell.textContent.trim(), number = Number(text.replaceAll(",", ""));
    return ["–", "None", ""].includes(text) ? null : Number.isNaN(number) ? text : number;
  }
  article.querySelectorAll("th button").forEach((button) => button.addEventListener("click", () => {
    const head = button.parentElement, table = head.closest("table"), place = head.cellIndex;
    const down = head.ariaSort ? head.ariaSort === "ascending" : head.classList.contains("number");
    table.querySelectorAll("th").forEach((each) => each.removeAttribute("aria-sort"));
    head.ariaSort = down ? "descending" : "ascending";
    const known = [...table.tBodies[0].rows].map((line) => [worth(line.cells[place]), line]);
    known.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
      return down ? -order : order;
    });
    table.tBodies[0].append(...known.map(([, line]) => line));
    differences();
  }));

  // which runs are shown, and in which colours
  const slots = () => runs.map((run) => chosen.length ? chosen.indexOf(run.run) : run.slot);
  const between = (value, ends) => typeof ends[0] === "string" ? ends.includes(value)
    : typeof value === "number" && value >= Math.min(...ends) && value <= Math.max(...ends);
  const within = (run, box) => box.k ? run.p.every((at, k) => !between(k, box.k) || between(at, box.p))
    : Object.entries(box).every(([field, ends]) => between(run[field], ends));

  function found(run, words, { status, least, most }) {
    const line = lines[run.run], value = run.value;
    return (!status.value || line.dataset.status === status.value) && words.every((word) => line.words.includes(word)) &&
      (least.value === "" || (value !== null && value >= Number(least.value))) &&
      (most.value === "" || (value !== null && value <= Number(most.value))) &&
      [...boxes.values()].every((box) => within(run, box));
  }
  function update() {
    waiting = false;
    const words = form.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const colours = slots(), shown = runs.map((run) => found(run, words, form.elements));
    lines.forEach((line, k) => { line.hidden = !shown[k]; });
    const count = (n) => n.toLocaleString("en");
    $(".count").textContent = `${count(shown.filter(Boolean).length)} of ${count(runs.length)} runs.`;
    tell({ shown: shown.map((is, k) => is && !hidden.has(colours[k])), slots: colours });
    differences();
  }
  const soon = () => { if (!waiting) { waiting = true; requestAnimationFrame(update); } };
  function tell(signals, to = views.values()) {
    for (const view of to) {
      for (const [name, value] of Object.entries(signals)) view.signal(name, value);
      view.runAsync();
    }
  }
  function point(numbers) {
    if (String(numbers) === pointed) return;
    pointed = String(numbers);
    lines.forEach((line, k) => line.classList.toggle("hovered", numbers.includes(k)));
    tell({ pointed: numbers });
  }
  function choice(numbers) {
    chosen = numbers.slice(0, MOST);
    lines.forEach((line, k) => { line.querySelector("input").checked = chosen.includes(k); });
    hidden.clear();
    legend();
    update();
  }
  const choose = (number) => choice(chosen.includes(number) ? chosen.filter((each) => each !== number) : [...chosen, number]);

  function legend() {
    const names = chosen.length ? chosen.map((number) => runs[number].name) : groups, colours = slots();
    const chips = names.map((name, slot) => [name, slot]);
    const others = colours.filter((slot) => slot < 0).length;
    if (others) chips.push([others > 1 ? `${others} others` : "1 other", -1]);
    $(".legend").replaceChildren(...chips.map(([name, slot]) => {
      const chip = make("button", name, { type: "button", ariaPressed: String(!hidden.has(slot)) });
      const swatch = document.createElement("i");
      swatch.style.background = slot < 0 ? "var(--faint)" : `var(--c${slot})`;
      chip.prepend(swatch);
      chip.addEventListener("click", () => {
        if (!hidden.delete(slot)) hidden.add(slot);
        chip.ariaPressed = String(!hidden.has(slot));
        update();
      });
      chip.addEventListener("pointerenter", () => slot >= 0 && point(runs.filter((run) => colours[run.run] === slot).map((run) => run.run)));
      chip.addEventListener("pointerleave", () => point([]));
      return chip;
    }));
    if (chosen.length) $(".legend").append(make("button", "Choose none", { type: "button", className: "none", onclick: () => choice([]) }));
  }

  function differences() {
    const first = [...$(".runs tbody").rows].filter((line) => !line.hidden).slice(0, 2).map((line) => lines.indexOf(line));
    const sides = (chosen.length > 1 ? chosen : [...new Set([...chosen, ...first])].slice(0, 2)).map((number) => runs[number]);
    const differing = keys.filter((key) => new Set(sides.map((run) => run.facts[key] ?? "absent")).size > 1);
    const row = (...cells) => { const line = make("tr", ""); line.append(...cells); return line; };
    $(".difference").replaceChildren(
      row(make("th", ""), ...sides.map((run) => make("th", run.name, { scope: "col" }))),
      ...differing.map((key) => row(make("th", key, { scope: "row" }), ...sides.map((run) => make("td", run.facts[key] ?? "absent", { className: "wide" })))));
    if (!differing.length) $(".difference").append(row(make("td", "Nothing on record differs.", { className: "quiet" })));
  }

  lines.forEach((line, k) => {
    line.addEventListener("pointerenter", () => point([k]));
    line.addEventListener("pointerleave", () => point([]));
    line.querySelector("input").addEventListener("change", () => choose(k));
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", soon);
  form.addEventListener("reset", () => setTimeout(() => {
    hidden.clear();
    legend();
    boxes.forEach((_, place) => place.again());
    boxes.clear();
    update();
  }));
  article.addEventListener("drawn", (event) => {
    const view = event.detail, place = event.target.closest(".chart");
    let down = [0, 0];
    if (!place || !("shown" in view.getState().signals)) return;
    views.set(place, view);
    boxes.delete(place);
    if ("brush" in view.getState().signals) view.addSignalListener("brush", (_, box) => {
      if (Object.keys(box).length) boxes.set(place, box); else boxes.delete(place);
      soon();
    });
    view.addEventListener("pointermove", (_, item) => point(item?.datum?.run === undefined ? [] : [item.datum.run]));
    view.addEventListener("pointerdown", (event) => { down = [event.clientX, event.clientY]; });
    view.addEventListener("click", (event, item) => {
      const still = Math.hypot(event.clientX - down[0], event.clientY - down[1]) < 4;
      if (still && item?.datum?.run !== undefined) choose(item.datum.run);
    });
    place.onpointerleave = () => point([]);
    soon();
  });
  window.addEventListener("hashchange", () => window.dispatchEvent(new Event("resize"))); // what was hidden had no width
  legend();
  update();
}));
