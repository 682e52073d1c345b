// The signal in rows over time. Whoever looks closer gets finer bins, in the end every sample.

const ROW = 56, TOP = 15, AXIS = 34; // pixels
const KEYS = { ArrowLeft: [-0.25, 1], ArrowRight: [0.25, 1], "+": [0, 0.5], "=": [0, 0.5],
  "-": [0, 2], 0: [0, Infinity], Home: [0, Infinity], Escape: [0, Infinity] };
const ACTS = { earlier: [-0.5, 1], later: [0.5, 1], closer: [0, 0.5], wider: [0, 2],
  whole: [0, Infinity] };
const BUTTONS = [["closer", "+", "Zoom in"], ["wider", "−", "Zoom out"],
  ["earlier", "‹", "Earlier"], ["later", "›", "Later"], ["whole", "Whole", "Whole recording"],
  ["taller", "↕ +", "Larger amplitudes"], ["lower", "↕ −", "Smaller amplitudes"]];
const POINTER = { down: "hold", move: "follow", up: "release", cancel: "drop", leave: "leave" };
const LEGEND = { active: "active, from each onset on", peak: "peak of the activity",
  absent: "no samples", clipped: "clipped" };

const SIGNAL_STYLE = `
:host { display: block; color: var(--body-text-color); font: 13px var(--font); --mark: #d55e00;
  --gutter: 8.5rem; --right: 3.2rem; }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: .3rem; margin-bottom: .3rem; }
.bar button { font: inherit; min-width: 2rem; height: 1.9rem; padding: 0 .5rem; cursor: pointer;
  color: inherit; background: var(--background-fill-secondary); border-radius: 6px;
  border: 1px solid var(--border-color-primary); }
.bar button:hover:not(:disabled) { border-color: var(--color-accent); }
.bar button:disabled { opacity: .45; cursor: default; }
.bar .gap { width: .4rem; }
button:focus-visible, .plot:focus-visible { outline: 2px solid var(--color-accent);
  outline-offset: 2px; }
output { margin-left: auto; color: var(--body-text-color-subdued); text-align: right;
  font-variant-numeric: tabular-nums; min-height: 1.3em; }
.grid { display: grid; grid-template-columns: var(--gutter) minmax(0, 1fr); }
.names { padding: ${TOP}px .6rem 0 0; }
.names div { height: ${ROW}px; display: flex; align-items: center; justify-content: flex-end;
  text-align: right; line-height: 1.15; overflow-wrap: anywhere; overflow: hidden; }
.plot { cursor: crosshair; touch-action: pan-y; user-select: none; border-radius: 4px; }
svg { display: block; overflow: visible; width: 100%; }
.plot { margin-right: var(--right); }
svg svg { overflow: hidden; }
text { fill: var(--body-text-color-subdued); font: 12px var(--font);
  font-variant-numeric: tabular-nums; }
.ink, .ink path { stroke: var(--body-text-color-subdued); fill: var(--body-text-color-subdued); }
.on { stroke: var(--color-accent); fill: var(--color-accent); }
.line path, .line { fill: none; stroke-width: 1.2; stroke-linejoin: round; }
.band { stroke-width: .7; }
.dots { stroke-width: 4; stroke-linecap: round; }
.base, .tick { stroke: var(--border-color-primary); }
.active { fill: var(--color-accent); opacity: .13; }
.onset { stroke: var(--color-accent); stroke-width: 1.5; }
.absent { fill: var(--body-text-color-subdued); opacity: .22; }
.clipped { fill: var(--mark); }
.peak { stroke: var(--body-text-color); stroke-dasharray: 2 3; }
.peak-mark { fill: var(--body-text-color); }
.scale { stroke: var(--body-text-color); stroke-width: 2; }
.cross { stroke: var(--body-text-color); opacity: .5; }
.chosen { fill: var(--color-accent); opacity: .22; }
.dimmed { opacity: .22; }
.names .dimmed { opacity: 1; color: var(--body-text-color-subdued); } /* to be read */
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: .2rem 0 0; padding: 0;
  font-size: 12px; color: var(--body-text-color-subdued); list-style: none; }
.legend i { display: inline-block; width: 1rem; height: .7rem; margin-right: .35rem;
  vertical-align: -1px; }
.legend .active { opacity: 1; border-left: 2px solid var(--color-accent);
  background: color-mix(in srgb, var(--color-accent) 22%, transparent); }
.legend .peak { width: 0; height: 0; border: .32rem solid transparent; border-bottom: 0;
  border-top: .55rem solid var(--body-text-color); }
.legend .absent { opacity: 1;
  background: color-mix(in srgb, var(--body-text-color-subdued) 30%, transparent); }
.legend .clipped { background: var(--mark); height: .3rem; vertical-align: 2px; }
@media (hover: none), (pointer: coarse) { .mouse { display: none; } }
@media (pointer: coarse), (max-width: 640px) {
  .bar { gap: .25rem; } .bar button { min-width: 2.4rem; height: 2.5rem; }
}
@media (max-width: 640px) {
  :host { --gutter: 5.4rem; --right: 2.4rem; }
  .names { font-size: 11.5px; } output { margin-left: 0; width: 100%; text-align: left; }
}`;

const ascending = (a, b) => a - b;

function near([a, b], [c, d]) {
  return Math.abs(a - c) + Math.abs(b - d) < (b - a) / 1000;
}

function nice(least) {
  const power = 10 ** Math.floor(Math.log10(least));
  return [1, 2, 5, 10].map((k) => k * power).find((value) => value >= least * (1 - 1e-9));
}

function seconds(t, step) {
  return number(t, Math.min(6, Math.max(0, -Math.floor(Math.log10(step)))));
}

class Signal extends HTMLElement {
  static observedAttributes = ["data-signal"];

  connectedCallback() {
    if (!this.shadowRoot) this.build();
    this.take();
  }

  attributeChangedCallback() {
    if (this.shadowRoot) this.take();
  }

  // In a shadow, where Gradio patches nothing away.
  build() {
    const buttons = BUTTONS.map(([act, text, label]) => `${act === "taller" ? '<i class="gap"></i>'
      : ""}<button type="button" data-act="${act}" aria-label="${label}" title="${label}">${text}
      </button>`).join("");
    this.attachShadow({ mode: "open" }).innerHTML = `<style>${SIGNAL_STYLE}</style>
      <div class="bar" role="group" aria-label="View of the signal">${buttons}<output></output>
      </div>
      <div class="grid"><div class="names" aria-hidden="true"></div><div class="plot" tabindex="0"
      role="group" aria-label="Signal. Arrow keys move through time, plus and minus zoom, 0 shows
      the whole recording."><svg role="img"></svg></div></div><ul class="legend"></ul>`;
    this.find = (selector) => this.shadowRoot.querySelector(selector);
    this.plot = this.find(".plot");
    this.pointers = new Map();
    this.find(".bar").addEventListener("click", ({ target }) => this.act(target.closest("button")));
    this.plot.addEventListener("keydown", (event) => this.key(event));
    this.plot.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.plot.addEventListener("dblclick", () => this.move(0, Infinity));
    for (const [type, act] of Object.entries(POINTER)) {
      this.plot.addEventListener(`pointer${type}`, (event) => this[act](event));
    }
    new ResizeObserver(() => this.draw()).observe(this.plot);
  }

  take() {
    const data = JSON.parse(this.dataset.signal);
    const isNew = data.key !== this.data?.key;
    this.data = data;
    if (isNew) {
      clearTimeout(this.timer);
      [this.asked, this.gain, this.chosen] = [null, 1, null];
    }
    if (this.asked && near(this.asked, data.view)) this.asked = null; // not what was asked before
    if (!this.asked) this.view = data.view;
    const names = data.rows.map(({ name }) => {
      const div = document.createElement("div");
      div.textContent = name;
      return div;
    });
    this.find(".names").replaceChildren(...names);
    const bin = data.step * 1000;
    const note = data.size === 1 ? "every sample is shown"
      : `the lowest and the highest sample of every ${number(bin, bin < 10 ? 1 : 0)} ms`;
    this.find(".legend").innerHTML = data.kinds.map((kind) =>
      `<li><i class="${kind}"></i>${LEGEND[kind]}</li>`).join("")
      + `<li>${note}</li><li class="mouse">drag to zoom, double-click for everything</li>`;
    this.draw();
  }

  // Show start to end, as far as there is any: at once with what is known, then with finer bins.
  go(start, end) {
    const [first, last] = this.data.whole;
    const least = (16 * this.data.step) / this.data.size;
    const width = Math.min(Math.max(end - start, least), last - first);
    start = Math.min(Math.max(start, first), last - width);
    this.view = [start, start + width];
    this.draw();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.asked = this.view;
      const [{ key }, [start, end]] = [this.data, this.view];
      const detail = { key, start, end, width: this.width };
      this.dispatchEvent(new CustomEvent("emg-window", { bubbles: true, composed: true, detail }));
    }, 50);
  }

  // Shift by a share of the view, and make it wider by a factor around a share of its width.
  move(shift, factor, at = 0.5) {
    const [start, end] = this.view;
    const width = (end - start) * factor;
    if (!Number.isFinite(width)) return this.go(...this.data.whole);
    const from = start + shift * (end - start) + at * (end - start - width);
    return this.go(from, from + width);
  }

  act(button) {
    const { act } = button?.dataset ?? {};
    if (act in ACTS) this.move(...ACTS[act]);
    else if (act) {
      this.gain = Math.min(Math.max(this.gain * (act === "taller" ? 2 : 0.5), 1 / 16), 64);
      this.draw();
    }
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
    event.preventDefault();
    this.move(...KEYS[event.key]);
  }

  wheel(event) {
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (event.ctrlKey || event.metaKey) {
      this.move(0, Math.exp(Math.min(Math.max(event.deltaY, -60), 60) / 100), this.share(event));
    } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      this.move(sideways / this.width, 1);
    } else return; // the page scrolls
    event.preventDefault();
  }

  // Where in the view a pointer is, 0 to 1.
  share(event) {
    const place = this.plot.getBoundingClientRect();
    return Math.min(Math.max((event.clientX - place.left) / this.width, 0), 1);
  }

  hold(event) {
    if (event.button) return;
    this.pointers.set(event.pointerId, this.share(event));
    this.plot.setPointerCapture(event.pointerId);
    const shares = [...this.pointers.values()].sort(ascending);
    this.held = { view: [...this.view], from: this.share(event), shares };
  }

  follow(event) {
    const at = this.share(event), { held } = this;
    if (!held || !this.pointers.has(event.pointerId)) return this.read(at, event);
    const [start, end] = held.view, width = end - start;
    this.pointers.set(event.pointerId, at);
    if (this.pointers.size > 1) { // a pinch
      const [a, b] = held.shares, [c, d] = [...this.pointers.values()].sort(ascending);
      const factor = Math.max(b - a, 0.05) / Math.max(d - c, 0.05);
      const from = start + (width * (a + b - factor * (c + d))) / 2;
      this.go(from, from + width * factor);
    } else if (event.pointerType === "touch") {
      this.go(start + (held.from - at) * width, end + (held.from - at) * width);
    } else this.choose(held.from, at);
  }

  release(event) {
    const at = this.share(event), { held } = this;
    this.drop(event);
    const moved = held && Math.abs(at - held.from) * this.width;
    if (event.pointerType === "touch" || !(moved > 5)) return;
    const [start, end] = held.view, [a, b] = [at, held.from].sort(ascending);
    this.go(start + a * (end - start), start + b * (end - start));
  }

  drop(event) {
    this.pointers.delete(event.pointerId);
    this.held = null;
    this.choose(0, 0);
  }

  leave() {
    this.find(".cross").setAttribute("visibility", "hidden");
    this.tell();
  }

  choose(from, to) {
    const chosen = this.find(".chosen");
    chosen.setAttribute("x", Math.min(from, to) * this.width);
    chosen.setAttribute("width", Math.abs(to - from) * this.width);
  }

  // What is under the pointer.
  read(share, event) {
    const { data } = this, [start, end] = this.view, t = start + share * (end - start);
    const cross = this.find(".cross");
    cross.setAttribute("visibility", "visible");
    cross.setAttribute("transform", `translate(${share * this.width})`);
    const y = event.clientY - this.plot.getBoundingClientRect().top - TOP;
    const row = data.rows[Math.floor(y / ROW)];
    const k = Math.floor((t - data.start) / data.step + (data.size === 1 ? 0.5 : 0));
    const low = row?.low[k] ?? null, high = row?.high?.[k] ?? low;
    const digits = Math.min(6, Math.max(0, 2 - Math.floor(Math.log10(data.half))));
    const values = [...new Set([low, high])].map((v) => v !== null && number(v, digits));
    const said = low === null ? "no sample" : `${values.join(" to ")}\u00a0${data.unit}`;
    const when = `${seconds(t, (end - start) / 1000)}\u00a0s`;
    this.tell(row ? `${when} · ${row.name}: ${said}` : when);
  }

  // The readout: of the pointer, or else of the stretch in view.
  tell(text) {
    const [start, end] = this.view, step = (end - start) / 100;
    const stretch = `${seconds(start, step)} to ${seconds(end, step)}\u00a0s`;
    this.find("output").textContent = text ?? stretch;
    const label = `Signal of ${this.data.rows.length} channels, ${stretch}`;
    this.find("svg").setAttribute("aria-label", label);
  }

  highlight(channel) {
    this.chosen = this.data.rows.some(({ name }) => name === channel) ? channel : null;
    const parts = [...this.find(".names").children, ...this.shadowRoot.querySelectorAll("svg.row")];
    parts.forEach((part, k) => {
      const { name } = this.data.rows[k % this.data.rows.length];
      part.classList.toggle("dimmed", this.chosen !== null && name !== this.chosen);
    });
  }

  // A time as pixels from the left.
  x(t) {
    const [start, end] = this.view;
    return (((t - start) / (end - start)) * this.width).toFixed(2);
  }

  box([start, end], kind, y, height) {
    const x = this.x(start), width = Math.max(1, this.x(end) - x);
    return `<rect class="${kind}" x="${x}" y="${y}" width="${width}" height="${height}"/>`;
  }

  draw() {
    const { data } = this, svg = this.find("svg");
    this.width = svg.clientWidth;
    if (!data || !this.width) return;
    const height = data.rows.length * ROW, bottom = TOP + height;
    svg.setAttribute("height", bottom + AXIS);
    const invalid = data.invalid.map((span) => this.box(span, "absent", TOP, height)).join("");
    const rows = data.rows.map((row, i) => this.row(row, i)).join("");
    const peak = data.peak === null ? "" : `<g transform="translate(${this.x(data.peak)})"><line
      class="peak" y1="${TOP}" y2="${bottom}"/><path class="peak-mark" d="M-5 3H5L0 12Z"/></g>`;
    svg.innerHTML = `${this.axis(bottom)}${invalid}${rows}<svg class="cut" width="100%"
      height="${bottom}">${peak}</svg>${this.scale(bottom)}<rect class="chosen" y="${TOP}"
      height="${height}"/><line class="cross" y1="${TOP}" y2="${bottom}" visibility="hidden"/>`;
    this.highlight(this.chosen);
    this.tell();
    for (const [act, [shift, factor]] of Object.entries(ACTS)) {
      const [first, last] = data.whole, [start, end] = this.view;
      const isWhole = end - start >= (last - first) * (1 - 1e-9);
      const atEnd = (shift < 0 && start <= first) || (shift > 0 && end >= last);
      this.find(`[data-act=${act}]`).disabled = factor < 1 ? false : isWhole || atEnd;
    }
    const detail = { view: this.view, whole: data.whole };
    document.dispatchEvent(new CustomEvent("emg-view", { detail }));
  }

  row(row, i) {
    const marks = row.active.map((span) => this.box(span, "active", 4, ROW - 8)).join("");
    const few = row.active.length <= this.width / 12;
    const onsets = (few ? row.active : []).filter(([at]) => at > this.data.view[0]).map(([at]) =>
      `<path class="onset" d="M${this.x(at)} 4V${ROW - 4}"/>`).join("");
    const lacking = row.lacking.map((span) => this.box(span, "absent", 0, ROW)).join("");
    const clipped = row.clipped.map((span) => this.box(span, "clipped", 0, 4)).join("");
    const areas = row.active.map((span) => this.box(span, "", 0, ROW)).join("");
    return `<svg class="row" y="${TOP + i * ROW}" width="100%" height="${ROW}"><line class="base"
      x2="100%" y1="${ROW / 2}" y2="${ROW / 2}"/>${marks}${lacking}<clipPath id="a${i}">${areas}
      </clipPath><g class="ink"><g id="t${i}">${this.trace(row)}</g></g><use class="on"
      href="#t${i}" clip-path="url(#a${i})"/>${onsets}${clipped}</svg>`;
  }

  // A band from the lowest to the highest sample of each bin, or a line through all samples.
  trace({ low, high, center }) {
    const { start, step, half } = this.data, scale = (ROW / 2) * (this.gain / half);
    const y = (value) => {
      const up = Math.min(Math.max((value - center) * scale, -ROW), ROW); // the rest is cut off
      return (ROW / 2 - up).toFixed(1);
    };
    const first = Math.max(0, Math.floor((this.view[0] - start) / step) - 1);
    const last = Math.min(low.length, Math.ceil((this.view[1] - start) / step) + 2);
    let path = "", dots = "", back = [];
    const close = () => {
      if (back.length) path += `${back.reverse().join("")}Z`;
      back = [];
    };
    for (let k = first; k < last; k++) {
      const isFirst = k === first || low[k - 1] === null;
      if (low[k] === null) close();
      else if (high) {
        const [a, b] = [this.x(start + k * step), this.x(start + (k + 1) * step)];
        path += `${isFirst ? "M" : "L"}${a} ${y(high[k])}H${b}`;
        back.push(`L${b} ${y(low[k])}H${a}`);
      } else {
        const at = `${this.x(start + k * step)} ${y(low[k])}`;
        path += `${isFirst ? "M" : "L"}${at}`;
        dots += `M${at}h0`;
      }
    }
    close();
    if (high) return `<path class="band" d="${path}"/>`;
    const areApart = (last - first) * 7 < this.width;
    return `<g class="line"><path d="${path}"/></g>${
      areApart ? `<path class="dots" d="${dots}"/>` : ""}`;
  }

  axis(bottom) {
    const [start, end] = this.view, step = nice(((end - start) * 75) / this.width);
    let out = "";
    for (let k = Math.ceil(start / step - 1e-9); k * step <= end + step * 1e-9; k++) {
      const x = this.x(k * step), text = seconds(k * step, step);
      out += `<line class="tick" x1="${x}" x2="${x}" y1="${TOP}" y2="${bottom + 4}"/>
        <text x="${x}" y="${bottom + 17}" text-anchor="middle">${text}</text>`;
    }
    return `${out}<text x="50%" y="${bottom + 31}" text-anchor="middle">time (s)</text>`;
  }

  // One bar for all rows, which have the same scale.
  scale(bottom) {
    const { half, unit } = this.data, value = nice((half / this.gain) * 0.45);
    const length = ((value / half) * this.gain * ROW) / 2;
    const digits = Math.max(0, -Math.floor(Math.log10(value)));
    return `<g transform="translate(${this.width + 8} ${bottom - 4})"><line class="scale"
      y2="${-length}"/><text x="5" y="${-length / 2 - 2}">${number(value, digits)}</text><text x="5"
      y="${-length / 2 + 11}">${unit === "arbitrary units" ? "a.u." : unit}</text></g>`;
  }
}

customElements.define("emg-signal", Signal);
