"use strict";
(() => {
  const embed = window.vegaEmbed, night = matchMedia("(prefers-color-scheme: dark)"), drawn = new Map();
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  function colours() {
    const [ink, quiet, line] = ["ink", "quiet", "line"].map(colour);
    const words = { labelColor: quiet, titleColor: quiet, labelFontSize: 11, titleFontSize: 11.5, titleFontWeight: 500 };
    return {
      background: "transparent", font: "system-ui, sans-serif", view: { stroke: null }, title: { color: ink },
      axis: { ...words, gridColor: line, domainColor: line, tickColor: line, labelOverlap: true, labelSeparation: 6, labelFlush: false, labelBound: 10, titlePadding: 9, labelLimit: 130, titleLimit: 260 },
      legend: { ...words, orient: "top", title: null, symbolSize: 70, labelLimit: 150, offset: 4, symbolBaseFillColor: quiet },
      header: words,
      mark: { color: colour("c0"), tooltip: true }, rule: { color: ink }, text: { color: ink }, tick: { color: ink },
      params: ["ink", "good", "quiet", "card", "line"].map((name) => ({ name, value: colour(name) })),
      range: { category: [...Array(8).keys()].map((k) => colour(`c${k}`)) },
    };
  }

  // the interpreter of expressions: the page forbids eval
  window.vegaEmbed = async (place, { $schema, ...spec }, options = {}) => {
    drawn.set(place, [spec, options]);
    const made = await embed(place, spec, { mode: "vega-lite", ast: true, renderer: "svg", config: colours(), ...options });
    made.view.container().dispatchEvent(new CustomEvent("drawn", { bubbles: true, detail: made.view }));
    return made;
  };
  night.addEventListener("change", () => [...drawn].forEach(([place, known]) => window.vegaEmbed(place, ...known)));

  function draw(place) {
    waiting.unobserve(place);
    const spec = JSON.parse(place.querySelector("script").textContent), shared = spec.data.name;
    if (shared) spec.datasets = { [shared]: JSON.parse(document.getElementById(shared).textContent) };
    place.again = () => window.vegaEmbed(place, spec, { actions: false });
    return place.again();
  }
  const near = (entries) => entries.filter((each) => each.isIntersecting).forEach((each) => draw(each.target));
  const waiting = new IntersectionObserver(near, { rootMargin: "800px" });
  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll(".chart").forEach((each) => waiting.observe(each)));
  window.addEventListener("beforeprint", () =>
    document.querySelectorAll(".chart").forEach((each) => each.offsetParent && each.querySelector("script") && draw(each)));
})();
