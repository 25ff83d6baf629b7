"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const PAGE = 12, MOST = 8, AXES = 9;
  const $ = (id) => document.getElementById(id);
  const state = { sort: { key: "value", down: true }, rowSort: null, page: 0, chosen: [], hovered: null };
  let table = null, shown = [], charts = [];

  // --- words and numbers

  const finished = (run) => run.status === "completed" && run.value !== null;
  const larger = () => table.direction === "maximize";
  const short = (key) => key.replace(/\._target_$|\.name$/, "");

  function number(value) {
    if (value === null || value === undefined || value === "") return "–";
    if (typeof value !== "number") return String(value);
    if (Number.isInteger(value)) return value.toLocaleString("en");
    const size = Math.abs(value);
    return size >= 0.001 && size < 100 ? value.toFixed(4).replace(/(\.\d*?[1-9])0+$|\.0+$/, "$1") : value.toPrecision(4);
  }
  const fixed = (value) => typeof value !== "number" ? "–"
    : Math.abs(value) >= 0.001 && Math.abs(value) < 100 ? value.toFixed(4) : value.toPrecision(4);

  function duration(seconds) {
    if (typeof seconds !== "number") return "–";
    if (seconds < 60) return `${seconds.toFixed(1)} s`;
    return seconds < 3600 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3600).toFixed(1)} h`;
  }
  function written(value) {
    if (value === undefined) return "absent";
    if (value === null) return "null";
    if (Array.isArray(value)) return `[${value.map(written).join(", ")}]`;
    const text = typeof value === "number" ? String(Number(value.toPrecision(6))) : String(value);
    return text.startsWith("torch.") || text.startsWith("ratchet.") ? text.split(".").pop() : text;
  }
  function label(run) {
    const told = run.trial !== null ? `trial ${run.trial}` : run.seed !== null ? `seed ${run.seed}` : "";
    const name = table.rows[run.row].row;
    return [name, told].filter(Boolean).join(", ");
  }
  const failureOf = (run) => run.failure ? `${run.failure}: ${run.error || ""}` : "";

  // --- elements

  function make(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (value === null || value === undefined || value === false) continue;
      if (name === "text") element.textContent = value;
      else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children);
    return element;
  }
  const options = (select, items, value) => {
    select.replaceChildren(...items.map(([key, text]) => make("option", { value: key, text })));
    select.value = items.some(([key]) => key === value) ? value : items.length ? items[0][0] : "";
  };

  function sortable(columns, sort, change) {
    return make("thead", {}, make("tr", {}, ...columns.map((column) => {
      const active = sort && sort.key === column.key;
      const order = active ? (sort.down ? "descending" : "ascending") : column.of ? "none" : null;
      const head = make("th", { scope: "col", class: column.number ? "number" : null, "aria-sort": order });
      if (!column.of) head.append(column.title);
      else head.append(make("button", { type: "button", text: column.title, "data-key": column.key, onclick: () => {
        change({ key: column.key, down: active ? !sort.down : Boolean(column.number && (column.key !== "value" || larger())) });
      } }));
      return head;
    })));
  }

  function order(list, column, down) {
    const sign = down ? -1 : 1;
    const empty = (value) => value === null || value === undefined || value === "";
    const keyed = list.map((item) => [column.of(item), item]);
    keyed.sort(([a], [b]) => {
      if (empty(a) || empty(b)) return empty(a) - empty(b);
      if (typeof a === "number" && typeof b === "number") return sign * (a - b);
      return sign * String(a).localeCompare(String(b), "en", { numeric: true });
    });
    return keyed.map(([, item]) => item);
  }

  // --- the rows that are judged

  function interval(row, low, high) {
    const at = (value) => 4 + 152 * (high > low ? (value - low) / (high - low) : 0.5);
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    const told = row.low === null ? "one value" : `95 % interval ${fixed(row.low)} to ${fixed(row.high)}`;
    for (const [name, value] of Object.entries({ width: 160, height: 18, role: "img", "aria-label": told })) svg.setAttribute(name, value);
    const part = (name, attributes) => {
      const element = document.createElementNS(space, name);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      svg.append(element);
    };
    if (row.low !== null) part("line", { x1: at(row.low), x2: at(row.high), y1: 9, y2: 9, stroke: "var(--quiet)", "stroke-width": 3, "stroke-linecap": "round" });
    part("circle", { cx: at(row.mean), cy: 9, r: 4.5, fill: "var(--accent)" });
    return svg;
  }

  const verdictOf = (row) => {
    const gap = row.gap !== null && row.half_width !== null ? `: ${fixed(row.gap)} ± ${fixed(row.half_width)} behind` : "";
    const others = Object.entries(row.statuses).filter(([status]) => status !== "completed").map(([status, count]) => `${count} ${status}`);
    return [row.verdict === "behind" ? gap.slice(2) : row.verdict + gap, ...others].filter(Boolean).join(", ");
  };

  function drawRows() {
    const ends = table.rows.flatMap((row) => row.mean === null ? [] : [row.mean, row.low ?? row.mean, row.high ?? row.mean]);
    const low = Math.min(...ends), high = Math.max(...ends);
    const columns = [
      { key: "row", title: "Row", of: (row) => row.row },
      { key: "mean", title: "Mean", number: true, of: (row) => row.mean },
      { key: "interval", title: "95 % interval" },
      { key: "n", title: "Seeds", number: true, of: (row) => row.n },
      { key: "worst", title: "Worst", number: true, of: (row) => row.n > 1 ? row.worst : null },
      { key: "seconds", title: "Time", number: true, of: (row) => row.seconds },
      { key: "parameters", title: "Parameters", number: true, of: (row) => row.parameters },
      { key: "verdict", title: "", of: null },
    ];
    const sort = state.rowSort;
    const rows = sort ? order(table.rows, columns.find((column) => column.key === sort.key), sort.down) : table.rows;
    const body = rows.slice(0, 100).map((row) => make("tr", { class: row.mean === null ? "unfinished" : null },
      make("td", { class: "wide", text: row.row }),
      make("td", { class: "number", text: fixed(row.mean) }),
      row.mean === null ? make("td", { text: "–" }) : make("td", {}, interval(row, low, high)),
      make("td", { class: "number", text: row.n }),
      make("td", { class: "number", text: row.n > 1 ? fixed(row.worst) : "–" }),
      make("td", { class: "number", text: duration(row.seconds) }),
      make("td", { class: "number", text: number(row.parameters) }),
      make("td", { class: row.verdict === "best" ? "best" : row.verdict.startsWith("tied") ? "tied" : "", text: verdictOf(row) })));
    $("rows").replaceChildren(sortable(columns, sort, (next) => { state.rowSort = next; drawRows(); refocus("rows", next.key); }),
      make("tbody", {}, ...body));
    if (rows.length > 100) $("rows").append(make("tfoot", {}, make("tr", {}, make("td", { colspan: 8, class: "quiet", text: `and ${rows.length - 100} more, in table.csv` }))));
  }
  const refocus = (id, key) => $(id).querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();

  // --- every run

  function columnsOfRuns() {
    const failing = table.runs.some((run) => run.failure);
    const list = [
      { key: "choose", title: "" },
      { key: "value", title: table.metric, number: true, of: (run) => run.value, show: (run) => fixed(run.value) },
      { key: "row", title: "Row", of: (run) => label(run), wide: true },
      { key: "status", title: "Status", of: (run) => run.status },
      { key: "seconds", title: "Time", number: true, of: (run) => run.seconds, show: (run) => duration(run.seconds) },
      { key: "parameters", title: "Parameters", number: true, of: (run) => run.parameters },
      ...table.keys.slice(0, AXES).map((key) => ({ key: `config.${key}`, title: short(key), of: (run) => run.config[key] ?? null,
        number: table.runs.every((run) => typeof (run.config[key] ?? 0) === "number"),
        show: (run) => key in run.config ? written(run.config[key]) : "–" })),
      { key: "started", title: "Started", of: (run) => run.started, show: (run) => run.started ? run.started.slice(0, 16).replace("T", " ") : "–" },
      { key: "directory", title: "Directory", of: (run) => run.directory },
    ];
    if (failing) list.splice(4, 0, { key: "failure", title: "Failure", of: (run) => run.failure, show: (run) => run.failure || "–" });
    return list;
  }

  function filter() {
    const text = $("text").value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const status = $("status").value, row = $("row").value;
    const bound = (id) => $(id).value === "" ? null : Number($(id).value);
    const least = bound("least"), most = bound("most");
    shown = table.runs.filter((run) =>
      (!status || run.status === status) && (row === "" || run.row === Number(row)) &&
      (least === null || (run.value !== null && run.value >= least)) &&
      (most === null || (run.value !== null && run.value <= most)) &&
      text.every((word) => run.words.includes(word)));
  }

  function drawRuns() {
    const columns = columnsOfRuns();
    const column = columns.find((each) => each.key === state.sort.key) || columns[1];
    const list = order(shown, column, state.sort.down);
    const pages = Math.max(1, Math.ceil(list.length / PAGE));
    state.page = Math.min(state.page, pages - 1);
    const here = list.slice(state.page * PAGE, (state.page + 1) * PAGE);
    const change = (next) => { state.sort = next; state.page = 0; drawRuns(); refocus("runs", next.key); };
    $("runs").replaceChildren(sortable(columns, { ...state.sort, key: column.key }, change),
      make("tbody", {}, ...here.map((run) => runLine(run, columns))));
    $("count").textContent = `${shown.length.toLocaleString("en")} of ${table.runs.length.toLocaleString("en")} runs.`;
    $("page").textContent = `Page ${state.page + 1} of ${pages}`;
    $("previous").disabled = state.page === 0;
    $("next").disabled = state.page === pages - 1;
    document.querySelector(".pages").hidden = pages === 1;
    tellChosen();
  }

  function runLine(run, columns) {
    const place = state.chosen.indexOf(run.index);
    const line = make("tr", { "data-run": run.index, class: run.status === "completed" ? null : "unfinished",
      onpointerenter: () => hover(run.index), onpointerleave: () => hover(null),
      onfocusin: () => hover(run.index), onfocusout: () => hover(null) });
    for (const column of columns) {
      const cell = make("td", { class: column.number ? "number" : column.wide ? "wide" : null });
      if (column.key === "choose") {
        const box = make("input", { type: "checkbox", "aria-label": `Choose ${label(run)}`, onchange: () => choose(run.index) });
        box.checked = place >= 0;
        cell.append(box);
      } else if (column.key === "row") {
        if (place >= 0) cell.append(make("span", { class: "swatch", style: `background:var(--c${place})` }));
        cell.append(label(run));
        cell.title = label(run);
      } else if (column.key === "directory") {
        cell.append(make("a", { href: run.href, text: run.directory }));
        if (run.wandb) cell.append(" ", make("a", { href: run.wandb, rel: "noreferrer", text: "W&B" }));
      } else {
        const value = column.of(run);
        cell.append(column.show ? column.show(run) : number(value));
        if (column.key === "status" && value === "failed") cell.classList.add("failed");
        if (column.key === "failure" && run.error) cell.title = run.error;
      }
      line.append(cell);
    }
    return line;
  }

  function choose(index) {
    const place = state.chosen.indexOf(index);
    if (place >= 0) state.chosen.splice(place, 1);
    else if (state.chosen.length < MOST) state.chosen.push(index);
    const focused = document.activeElement?.closest?.("tr[data-run]")?.dataset.run;
    drawRuns();
    if (focused !== undefined) $("runs").querySelector(`tr[data-run="${focused}"] input`)?.focus();
    drawDifferenceChoice();
    drawLegend();
    charts.forEach((chart) => chart.over());
  }
  function tellChosen() {
    const many = state.chosen.length;
    $("chosen-hint").textContent = many === 0 ? "Choose runs to see their curves in colour and to compare two of them."
      : many === MOST ? `${many} chosen, which is the most.` : `${many} chosen.`;
    $("unchoose").hidden = many === 0;
  }

  // --- charts: shapes on a canvas, a faint layer of all and a layer of what is chosen or under the pointer

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  class Chart {
    constructor(canvas, build) {
      this.canvas = canvas;
      this.build = build;
      this.base = document.createElement("canvas");
      canvas.onpointermove = (event) => this.point(event);
      canvas.onpointerdown = (event) => this.point(event);
      canvas.onpointerleave = () => hover(null);
      canvas.onclick = (event) => { const run = this.nearest(event); if (run !== null) choose(run); };
    }
    draw() {
      const { width, height } = this.canvas.getBoundingClientRect();
      if (!width) return;
      const scale = window.devicePixelRatio || 1;
      for (const canvas of [this.canvas, this.base]) {
        canvas.width = Math.round(width * scale);
        canvas.height = Math.round(height * scale);
      }
      this.scale = scale;
      const context = this.base.getContext("2d");
      context.setTransform(scale, 0, 0, scale, 0, 0);
      context.font = "12px system-ui, sans-serif";
      this.shapes = this.build(context, width, height, this.canvas) || [];
      const faint = colour("faint");
      context.globalAlpha = Math.min(1, 20 / Math.sqrt(this.shapes.length));
      for (const shape of this.shapes) this.trace(context, shape, shape.colour || faint, shape.line ? 1 : 3);
      context.globalAlpha = 1;
      this.shapes.after?.();
      this.over();
    }
    over() {
      if (!this.shapes) return;
      const context = this.canvas.getContext("2d");
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.clearRect(0, 0, this.canvas.width, this.canvas.height);
      context.drawImage(this.base, 0, 0);
      context.setTransform(this.scale, 0, 0, this.scale, 0, 0);
      const special = [...state.chosen.map((run, place) => [run, colour(`c${place}`), 2, 5])];
      const known = state.chosen.indexOf(state.hovered);
      if (state.hovered !== null) special.push([state.hovered, colour(known < 0 ? "ink" : `c${known}`), 3, 6.5]);
      for (const [run, tint, wide, radius] of special)
        for (const shape of this.shapes) if (shape.run === run) this.trace(context, shape, tint, shape.line ? wide : radius);
    }
    trace(context, shape, tint, size) {
      const at = shape.at;
      context.beginPath();
      if (shape.line && at.length > 2) {
        let open = false;
        for (let k = 0; k < at.length; k += 2) {
          if (Number.isNaN(at[k + 1])) { open = false; continue; }
          if (open) context.lineTo(at[k], at[k + 1]); else context.moveTo(at[k], at[k + 1]);
          open = true;
        }
        context.strokeStyle = tint;
        context.lineWidth = size;
        context.lineJoin = "round";
        context.stroke();
      } else {
        context.arc(at[0], at[1], Math.max(size, 3), 0, 7);
        context.fillStyle = tint;
        context.fill();
      }
    }
    nearest(event) {
      const box = this.canvas.getBoundingClientRect();
      const x = event.clientX - box.left, y = event.clientY - box.top;
      let best = null, least = 18 * 18;
      for (const { run, at, line } of this.shapes || []) {
        for (let k = 0; k < at.length; k += 2) {
          let away = (at[k] - x) ** 2 + (at[k + 1] - y) ** 2;
          if (line && k + 3 < at.length) away = Math.min(away, toSegment(x, y, at[k], at[k + 1], at[k + 2], at[k + 3]));
          if (away < least) { least = away; best = run; }
        }
      }
      return best;
    }
    point(event) {
      hover(this.nearest(event), event);
    }
  }
  function toSegment(x, y, ax, ay, bx, by) {
    const length = (bx - ax) ** 2 + (by - ay) ** 2;
    const t = length ? Math.max(0, Math.min(1, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length)) : 0;
    return (ax + t * (bx - ax) - x) ** 2 + (ay + t * (by - ay) - y) ** 2;
  }

  let waiting = false;
  function hover(index, event) {
    const tip = $("tip");
    if (event && index !== null) {
      const run = table.runs[index];
      tip.textContent = [label(run), `${table.metric} ${fixed(run.value)}`, run.status === "completed" ? null : run.status + (run.failure ? `: ${run.failure}` : ""),
        ...table.keys.slice(0, AXES).filter((key) => key in run.config).map((key) => `${short(key)} ${written(run.config[key])}`)].filter(Boolean).join("\n");
      tip.hidden = false;
      const box = tip.getBoundingClientRect();
      tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 4))}px`;
      tip.style.top = `${event.clientY + 14 + box.height > innerHeight ? Math.max(4, event.clientY - box.height - 10) : event.clientY + 14}px`;
    } else tip.hidden = true;
    if (index === state.hovered) return;
    state.hovered = index;
    document.querySelectorAll("#runs tr.hovered").forEach((line) => line.classList.remove("hovered"));
    if (index !== null) document.querySelector(`#runs tr[data-run="${index}"]`)?.classList.add("hovered");
    if (!waiting) {
      waiting = true;
      requestAnimationFrame(() => { waiting = false; charts.forEach((chart) => chart.over()); });
    }
  }

  // --- scales and frames

  function ticks(low, high, count) {
    const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((k) => k * power).find((k) => k >= raw * 0.999);
    const first = Math.ceil(low / step - 1e-9), found = [];
    for (let k = first; k * step <= high + step * 1e-9; k++) found.push(Number((k * step).toPrecision(12)));
    return found;
  }
  function linear(low, high) {
    if (!(high > low)) { const pad = Math.abs(low) * 0.05 || 0.5; low -= pad; high += pad; }
    return { at: (value) => (value - low) / (high - low), ticks: (count) => ticks(low, high, count) };
  }
  function logarithmic(low, high) {
    const scale = linear(Math.log10(low), Math.log10(high));
    const powers = [];
    for (let k = Math.ceil(Math.log10(low) - 1e-9); k <= Math.log10(high) + 1e-9; k++) powers.push(10 ** k);
    return { at: (value) => scale.at(Math.log10(value)),
      ticks: (count) => powers.length >= 2 ? powers : scale.ticks(count).map((power) => Number((10 ** power).toPrecision(2))) };
  }
  function categorical(values) {
    const names = [...new Set(values.map(written))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    const at = (name) => names.length === 1 ? 0.5 : names.indexOf(name) / (names.length - 1);
    return { at: (value) => at(written(value)), ticks: () => names.length <= 12 ? names : [names[0], names[names.length - 1]] };
  }
  function fitting(values) {
    if (!values.length || !values.every((value) => typeof value === "number")) return categorical(values);
    const sorted = [...values].sort((a, b) => a - b), low = sorted[0], high = sorted.at(-1);
    const bunched = sorted[sorted.length >> 1] < 0.2 * (low + high); // most are far below the middle
    const scale = low > 0 && high / low >= 30 && bunched ? logarithmic(low, high) : linear(low, high);
    const few = [...new Set(sorted)];
    return few.length <= 6 ? { at: scale.at, ticks: () => few } : scale;
  }
  function extent(values) {
    const sorted = Float64Array.from(values).sort();
    const cut = sorted.length > 200 ? Math.floor(sorted.length * 0.005) : 0;
    return [sorted[cut], sorted[sorted.length - 1 - cut]];
  }
  const compact = (value) => typeof value !== "number" ? String(value).slice(0, 12)
    : Math.abs(value) >= 1e4 ? Intl.NumberFormat("en", { notation: "compact" }).format(value)
    : value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(0) : String(Number(value.toPrecision(4)));

  function frame(context, box, x, y, titles) {
    context.strokeStyle = colour("line");
    context.fillStyle = colour("quiet");
    context.lineWidth = 1;
    context.textBaseline = "middle";
    for (const tick of y.ticks(5)) {
      const at = box.bottom - y.at(tick) * (box.bottom - box.top);
      if (at < box.top - 1 || at > box.bottom + 1) continue;
      context.beginPath(); context.moveTo(box.left, at); context.lineTo(box.right, at); context.stroke();
      context.textAlign = "right";
      context.fillText(compact(tick), box.left - 6, at);
    }
    context.textAlign = "center";
    context.textBaseline = "top";
    let last = -100;
    for (const tick of x.ticks(Math.max(2, Math.floor((box.right - box.left) / 90)))) {
      const at = box.left + x.at(tick) * (box.right - box.left);
      if (at < box.left - 1 || at > box.right + 1 || at - last < 34) continue;
      last = at;
      context.fillText(compact(tick), at, box.bottom + 6);
    }
    context.textAlign = "right";
    context.fillText(titles[0], box.right, box.bottom + 22);
    context.textAlign = "left";
    context.textBaseline = "bottom";
    context.fillText(titles[1], Math.max(2, box.left - 40), box.top - 6);
  }
  function nothing(context, width, height, said) {
    context.fillStyle = colour("quiet");
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(said, width / 2, height / 2);
    return [];
  }
  const boxOf = (width, height) => ({ left: 56, right: width - 14, top: 26, bottom: height - 42 });

  // --- what the charts show

  function curves(context, width, height, canvas) {
    const metric = $("curve-metric").value, found = table.curves.of[metric] || {};
    const runs = shown.filter((run) => found[run.index]);
    canvas.setAttribute("aria-label", runs.length ? `${metric} by step, of ${runs.length} runs` : "No learning curves");
    if (!runs.length) return nothing(context, width, height, "No run here has learning curves.");
    let last = 1;
    const all = [];
    for (const run of runs) {
      const [steps, values] = found[run.index];
      last = Math.max(last, table.curves.steps[steps].at(-1));
      for (const value of values) if (typeof value === "number") all.push(value);
    }
    if (!all.length) return nothing(context, width, height, "No finite value.");
    const x = linear(0, last), y = linear(...extent(all)), box = boxOf(width, height);
    frame(context, box, x, y, ["step", metric]);
    return runs.map((run) => {
      const [place, values] = found[run.index], steps = table.curves.steps[place];
      const at = new Float32Array(2 * values.length);
      values.forEach((value, k) => {
        at[2 * k] = box.left + x.at(steps[k]) * (box.right - box.left);
        at[2 * k + 1] = typeof value === "number" ? box.bottom - Math.max(-0.02, Math.min(1.02, y.at(value))) * (box.bottom - box.top) : NaN;
      });
      return { run: run.index, at, line: true };
    });
  }

  function cost(context, width, height, canvas) {
    const key = $("cost-of").value;
    const runs = shown.filter((run) => finished(run) && typeof run[key] === "number");
    const front = paretoOf(runs, key);
    const names = front.map((run) => `${label(run)} (${fixed(run.value)}, ${key === "seconds" ? duration(run[key]) : number(run[key])})`);
    $("front").textContent = names.length ? `On the front: ${names.slice(0, 4).join("; ")}${names.length > 4 ? `; and ${names.length - 4} more` : ""}.` : "";
    canvas.setAttribute("aria-label", `${table.metric} against ${key}, of ${runs.length} finished runs; ${front.length} on the Pareto front`);
    if (!runs.length) return nothing(context, width, height, "No finished run here.");
    const x = fitting(runs.map((run) => run[key])), y = linear(...extent(runs.map((run) => run.value))), box = boxOf(width, height);
    frame(context, box, x, y, [key, table.metric]);
    const place = (run) => [box.left + x.at(run[key]) * (box.right - box.left),
      box.bottom - Math.max(-0.02, Math.min(1.02, y.at(run.value))) * (box.bottom - box.top)];
    context.beginPath();
    front.forEach((run, k) => { const [a, b] = place(run); if (k) context.lineTo(a, b); else context.moveTo(a, b); });
    context.strokeStyle = colour("good");
    context.lineWidth = 1.5;
    context.stroke();
    const on = new Set(front);
    return runs.map((run) => ({ run: run.index, at: Float32Array.from(place(run)), line: false, colour: on.has(run) ? colour("good") : null }));
  }
  function paretoOf(runs, key) {
    const sign = larger() ? 1 : -1;
    const front = [];
    for (const run of [...runs].sort((a, b) => a[key] - b[key] || sign * (b.value - a.value)))
      if (!front.length || sign * (run.value - front.at(-1).value) > 0) front.push(run);
    return front;
  }

  const axes = () => {
    const weight = (key) => table.importances[key] ?? 0;
    return [...table.keys].sort((a, b) => weight(b) - weight(a)).slice(0, AXES);
  };

  function parallel(context, width, height, canvas) {
    const keys = axes(), runs = shown.filter(finished);
    canvas.setAttribute("aria-label", `Parallel coordinates of ${runs.length} finished runs: ${keys.map(short).join(", ")}, ${table.metric}`);
    if (!runs.length) return nothing(context, width, height, "No finished run here.");
    const scales = [...keys.map((key) => fitting(runs.filter((run) => key in run.config).map((run) => run.config[key]))),
      linear(...extent(runs.map((run) => run.value)))];
    const titles = [...keys.map(short), table.metric], box = { left: 46, right: width - 70, top: 40, bottom: height - 22 };
    const xs = scales.map((_, k) => box.left + (k / (scales.length - 1)) * (box.right - box.left));
    const y = (k, value) => box.bottom - Math.max(0, Math.min(1, scales[k].at(value))) * (box.bottom - box.top);
    scales.forEach((scale, k) => {
      context.strokeStyle = colour("line");
      context.beginPath(); context.moveTo(xs[k], box.top); context.lineTo(xs[k], box.bottom); context.stroke();
      context.fillStyle = colour("ink");
      context.textBaseline = "bottom";
      context.textAlign = k === 0 ? "left" : k === scales.length - 1 ? "right" : "center";
      const title = titles[k].split("."), where = k === 0 ? xs[k] - 40 : k === scales.length - 1 ? width - 4 : xs[k];
      context.fillText(title.at(-1).slice(0, 22), where, box.top - 8);
    });
    const sorted = [...runs].sort((a, b) => (larger() ? 1 : -1) * (a.value - b.value));
    const shapes = sorted.map((run, rank) => {
      const at = new Float32Array(2 * scales.length);
      scales.forEach((_, k) => {
        const known = k === keys.length || keys[k] in run.config;
        at[2 * k] = xs[k];
        at[2 * k + 1] = known ? y(k, k === keys.length ? run.value : run.config[keys[k]]) : NaN;
      });
      const share = sorted.length > 1 ? rank / (sorted.length - 1) : 1;
      return { run: run.index, at, line: true, colour: tinted(share) };
    });
    shapes.after = () => scales.forEach((scale, k) => axisWords(context, scale, xs[k], box));
    return shapes;
  }
  function axisWords(context, scale, x, box) {
    context.textBaseline = "middle";
    context.textAlign = "left";
    context.lineWidth = 4;
    context.strokeStyle = colour("card");
    context.fillStyle = colour("quiet");
    for (const tick of scale.ticks(4)) {
      const at = box.bottom - scale.at(tick) * (box.bottom - box.top);
      if (at < box.top - 1 || at > box.bottom + 1) continue;
      context.strokeText(compact(tick), x + 5, at);
      context.fillText(compact(tick), x + 5, at);
    }
  }
  function tinted(share) {
    const base = share > 0.9 ? colour("good") : colour("accent");
    const clear = share > 0.9 ? 0.75 : 0.08 + 0.35 * share;
    const [red, green, blue] = [1, 3, 5].map((k) => parseInt(base.slice(k, k + 2), 16));
    return `rgba(${red}, ${green}, ${blue}, ${clear})`;
  }

  const slice = (key) => (context, width, height, canvas) => {
    const runs = shown.filter((run) => finished(run) && key in run.config);
    canvas.setAttribute("aria-label", `${table.metric} by ${key}, of ${runs.length} finished runs`);
    if (!runs.length) return nothing(context, width, height, "No finished run has it.");
    const x = fitting(runs.map((run) => run.config[key])), y = linear(...extent(runs.map((run) => run.value)));
    const box = { left: 50, right: width - 12, top: 10, bottom: height - 26 };
    frame(context, box, x, y, ["", ""]);
    return runs.map((run) => ({ run: run.index, line: false, at: Float32Array.of(
      box.left + x.at(run.config[key]) * (box.right - box.left),
      box.bottom - Math.max(-0.02, Math.min(1.02, y.at(run.value))) * (box.bottom - box.top)) }));
  };

  function drawLegend() {
    $("legend").replaceChildren(...state.chosen.map((index, place) => make("span", {},
      make("span", { class: "swatch", style: `background:var(--c${place})` }), label(table.runs[index]))));
  }

  function drawImportance() {
    const found = Object.entries(table.importances);
    $("what-matters").hidden = !table.keys.length;
    $("parallel-section").hidden = !table.keys.length;
    if (!found.length) {
      $("importance").replaceChildren(make("p", { class: "quiet", text: `Fewer than ${data.fewest} finished runs that differ: nothing to say yet.` }));
      return;
    }
    const most = Math.max(...found.map(([, share]) => share), 1e-9);
    $("importance").replaceChildren(
      make("p", { class: "quiet", text: "How much each setting had to do with being among the best runs (PED-ANOVA)." }),
      ...found.slice(0, 12).map(([key, share]) => make("div", { class: "bar" }, make("span", { text: short(key) }),
        make("span", {}, make("i", { style: `width:${(100 * share / most).toFixed(1)}%` })),
        make("span", { text: `${(100 * share).toFixed(0)} %` }))));
  }

  // --- two runs side by side

  function drawDifferenceChoice() {
    const best = order(shown, { of: (run) => run.value }, larger()).slice(0, 200).map((run) => run.index);
    const list = [...new Set([...state.chosen, ...best])].map((index) => [String(index), `${label(table.runs[index])} (${fixed(table.runs[index].value)})`]);
    const [one, other] = state.chosen.length >= 2 ? state.chosen.slice(-2) : state.chosen.length ? [state.chosen[0], best.find((k) => k !== state.chosen[0])] : best;
    options($("one"), list, String(one));
    options($("other"), list, String(other ?? one));
    drawDifference();
  }
  function drawDifference() {
    const one = table.runs[Number($("one").value)], other = table.runs[Number($("other").value)];
    if (!one || !other || $("one").value === "") return $("difference").replaceChildren(make("tbody", {}, make("tr", {}, make("td", { text: "No run here." }))));
    const facts = (run) => ({ [table.metric]: run.value, time: duration(run.seconds), parameters: run.parameters, status: run.status, ...run.config });
    const a = facts(one), b = facts(other);
    const keys = [table.metric, "time", "parameters", "status", ...table.changing].filter((key) => key === table.metric || written(a[key]) !== written(b[key]));
    const line = (key) => make("tr", {}, make("th", { scope: "row", text: key }),
      ...[a, b].map((side) => make("td", { class: "wide", text: key === table.metric ? fixed(side[key]) : written(side[key]) })));
    $("difference").replaceChildren(
      make("thead", {}, make("tr", {}, make("th", { scope: "col", text: "" }), ...[one, other].map((run) => make("th", { scope: "col" }, make("a", { href: run.href, text: label(run) }))))),
      make("tbody", {}, ...keys.map(line)));
    if (keys.length === 1) $("difference").append(make("tfoot", {}, make("tr", {}, make("td", { colspan: 3, class: "quiet", text: "Nothing else on record differs." }))));
  }

  function drawFailures() {
    const kinds = new Map();
    for (const run of table.runs) if (run.status === "failed") kinds.set(run.failure, [...(kinds.get(run.failure) || []), run]);
    $("failures-section").hidden = !kinds.size;
    $("failures").replaceChildren(...[...kinds].sort(([, a], [, b]) => b.length - a.length).map(([kind, runs]) =>
      make("details", {}, make("summary", {}, make("strong", { class: "failed", text: kind }), ` ${runs.length} run${runs.length > 1 ? "s" : ""}`),
        make("ul", {}, ...runs.slice(0, 100).map((run) => make("li", {}, make("a", { href: run.href, text: run.directory }), `: ${run.error || "no message"}`)),
          ...(runs.length > 100 ? [make("li", { text: `and ${runs.length - 100} more` })] : [])))));
  }

  // --- the whole

  function update() {
    filter();
    drawRuns();
    drawDifferenceChoice();
    charts.forEach((chart) => chart.draw());
  }

  function open(number) {
    table = data.tables[number];
    table.runs.forEach((run, index) => {
      for (const name of ["study", "trial", "seed", "value", "seconds", "parameters", "failure", "error", "wandb", "started"]) run[name] ??= null;
      run.index = index;
      run.words = [run.id, label(run), run.study, run.status, run.directory, failureOf(run),
        ...table.keys.filter((key) => key in run.config).map((key) => `${key}=${written(run.config[key])}`)].join(" ").toLowerCase();
    });
    Object.assign(state, { sort: { key: "value", down: larger() }, rowSort: null, page: 0, chosen: [], hovered: null });
    document.title = `Comparison: ${table.data}`;
    document.querySelectorAll("#datasets button").forEach((button, k) => button.setAttribute("aria-pressed", String(k === number)));
    $("facts").textContent = `${table.data || "unknown data"} (hash ${table.hash.slice(0, 8) || "unknown"}), ${table.metric}, ${larger() ? "larger" : "smaller"} is better`;
    $("verdict").textContent = table.verdict || (table.rows.length ? `${table.rows[0].row} is all there is to see.` : "No run.");
    $("notes").replaceChildren(...table.notes.map((note) => make("li", { text: note })));
    const statuses = [...new Set(table.runs.map((run) => run.status))].sort();
    $("filters").reset();
    options($("status"), [["", "any"], ...statuses.map((status) => [status, status])], "");
    options($("row"), [["", "any"], ...table.rows.slice(0, 500).map((row, k) => [String(k), row.row]).filter(([k]) => table.rows[k].verdict !== "baseline")], "");
    options($("curve-metric"), Object.keys(table.curves.of).map((metric) => [metric, metric]), table.metric);
    $("slices").replaceChildren(...axes().slice(0, 6).map((key) => make("figure", {}, make("canvas", { role: "img", "data-key": key }), make("figcaption", { text: key }))));
    charts = [new Chart($("curves"), curves), new Chart($("cost"), cost), new Chart($("parallel"), parallel),
      ...[...document.querySelectorAll("#slices canvas")].map((canvas) => new Chart(canvas, slice(canvas.dataset.key)))];
    $("parallel").style.minWidth = `${90 * (Math.min(AXES, table.keys.length) + 1)}px`;
    drawRows();
    drawImportance();
    drawFailures();
    drawLegend();
    update();
  }

  $("made").textContent = `made ${data.made.slice(0, 16).replace("T", " ")} UTC`;
  if (data.tables.length > 1)
    $("datasets").replaceChildren(...data.tables.map((each, k) => make("button", { type: "button", onclick: () => open(k),
      text: `${each.data || "unknown data"}${data.tables.filter((other) => other.data === each.data).length > 1 ? ` ${each.hash.slice(0, 8)}` : ""} · ${each.runs.length}` })));
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("filters").addEventListener("input", () => { state.page = 0; update(); });
  $("filters").addEventListener("reset", () => setTimeout(() => { state.page = 0; update(); }));
  $("previous").addEventListener("click", () => { state.page--; drawRuns(); });
  $("next").addEventListener("click", () => { state.page++; drawRuns(); });
  $("unchoose").addEventListener("click", () => { state.chosen = []; drawRuns(); drawDifferenceChoice(); drawLegend(); charts.forEach((chart) => chart.over()); });
  $("curve-metric").addEventListener("change", () => charts[0].draw());
  $("cost-of").addEventListener("change", () => charts[1].draw());
  for (const id of ["one", "other"]) $(id).addEventListener("change", drawDifference);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach((chart) => chart.draw()));
  let width = innerWidth;
  addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; charts.forEach((chart) => chart.draw()); } });
  if (data.tables.length) open(0);
})();
